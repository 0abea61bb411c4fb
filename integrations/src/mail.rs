//! What a message by mail says, and how that is kept until it is sent.
//!
//! Owns: the form of a message and its sealing. Refuses: a line break in what becomes a header, so that nothing that somebody is called can add one, and
//! an address that is none. Invariant: neither an address nor a text is in the database in the clear, or shown by `Debug`; a sealed message opens
//! only in the row it was sealed for.

use crate::vault::{Binding, Vault, VaultError};
use entities::change::Change;
use entities::clock::Timestamp;
use entities::id::{MailMessageId, TypedId};
use entities::mail_message::{self, MailPurpose, NewMail};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// The most characters of a subject line.
pub const LONGEST_SUBJECT: usize = 200;
/// The most bytes of a text.
pub const LONGEST_TEXT: usize = 64 * 1024;
/// The most bytes of an address (RFC 5321).
const LONGEST_ADDRESS: usize = 254;

/// One message in plain text.
#[derive(Clone)]
pub struct Letter {
    /// The address it goes to.
    pub to: String,
    /// What it is about, in one line.
    pub subject: String,
    /// Its text. It may hold a ticket.
    pub text: SecretString,
}

impl std::fmt::Debug for Letter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Letter").finish_non_exhaustive()
    }
}

/// Why a message was not kept.
#[derive(Debug, thiserror::Error)]
pub enum LetterError {
    /// The address is none.
    #[error("the address is none that mail knows")]
    Address,
    /// It says more than a message may.
    #[error("the message is too long")]
    TooLong,
    /// It cannot be sealed, or does not open.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The rows.
    #[error(transparent)]
    Entity(#[from] entities::error::Error),
}

#[derive(Serialize, Deserialize)]
struct Kept<'a> {
    to: std::borrow::Cow<'a, str>,
    subject: std::borrow::Cow<'a, str>,
    text: std::borrow::Cow<'a, str>,
}

/// Whether a text can be an address of one person: no name beside it, no second one, nothing that could end a header's line.
#[must_use]
pub fn is_address(text: &str) -> bool {
    let whole = text.len() <= LONGEST_ADDRESS
        && !text
            .chars()
            .any(|c| c.is_control() || c.is_whitespace() || "<>,;:\"()[]\\".contains(c));
    whole
        && text.split_once('@').is_some_and(|(local, domain)| {
            !local.is_empty() && domain.contains('.') && !domain.contains('@')
        })
}

/// A text on one line: whatever could end the line, or hide something on it, is a space.
#[must_use]
pub fn one_line(text: &str) -> String {
    let line: String = text
        .chars()
        .map(|c| {
            let breaks = c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{85}');
            if breaks { ' ' } else { c }
        })
        .take(LONGEST_SUBJECT)
        .collect();
    line.trim().to_owned()
}

const fn binding(row: &str) -> Binding<'_> {
    Binding {
        purpose: "mail_message",
        row,
    }
}

impl Letter {
    fn seal(&self, vault: &Vault, id: MailMessageId) -> Result<String, LetterError> {
        if !is_address(&self.to) {
            return Err(LetterError::Address);
        }
        let text = self.text.expose_secret();
        if text.len() > LONGEST_TEXT {
            return Err(LetterError::TooLong);
        }
        let kept = Kept {
            to: self.to.as_str().into(),
            subject: one_line(&self.subject).into(),
            text: text.into(),
        };
        let json = serde_json::to_vec(&kept).map_err(|_| VaultError::CannotSeal)?;
        let json = Zeroizing::new(json);
        Ok(vault.seal(binding(&id.to_string()), &json)?)
    }

    /// Opens what was kept of a message.
    ///
    /// # Errors
    /// When it does not open.
    pub fn open(vault: &Vault, id: MailMessageId, sealed: &str) -> Result<Self, VaultError> {
        let json = vault.open(binding(&id.to_string()), sealed)?;
        let kept: Kept<'_> = serde_json::from_slice(&json).map_err(|_| VaultError::CannotOpen)?;
        Ok(Self {
            to: kept.to.into_owned(),
            subject: kept.subject.into_owned(),
            text: kept.text.into_owned().into(),
        })
    }
}

/// Writes a message within the change that causes it. It leaves once that is committed, and not after `expires_at`.
///
/// # Errors
/// [`LetterError`].
pub async fn write<S: TypedId>(
    change: &Change,
    vault: &Vault,
    letter: &Letter,
    (purpose, subject): (MailPurpose, S),
    expires_at: Timestamp,
) -> Result<MailMessageId, LetterError> {
    let id: MailMessageId = change.new_id();
    let new = NewMail {
        id,
        purpose,
        subject,
        sealed: letter.seal(vault, id)?,
        expires_at,
    };
    mail_message::write(change, new).await?;
    Ok(id)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::vault::MasterKey;
    use entities::chance::{Chance, SeededChance};
    use std::sync::Arc;
    use uuid::Uuid;

    #[test]
    fn one_address_is_an_address_and_nothing_besides() {
        for good in [
            "ada@contoso.example",
            "a.b+c@x.example",
            "jürgen@bücher.example",
        ] {
            assert!(is_address(good), "{good}");
        }
        for bad in [
            "",
            "ada",
            "@x.example",
            "ada@",
            "ada@localhost",
            "ada@x.example, bob@x.example",
            "Ada <ada@x.example>",
            "ada@x.example\r\nBcc: bob@x.example",
            "ada@x@y.example",
        ] {
            assert!(!is_address(bad), "{bad:?}");
        }
    }

    #[test]
    fn nothing_in_a_subject_begins_another_header() {
        assert_eq!(
            one_line("Won\r\nBcc: everybody@x.example\u{2028}!"),
            "Won  Bcc: everybody@x.example !"
        );
        assert_eq!(one_line(&"x".repeat(1_000)).len(), LONGEST_SUBJECT);
    }

    #[test]
    fn a_message_opens_in_its_row_and_says_nothing_in_a_log() {
        let chance: Arc<dyn Chance> = Arc::new(SeededChance::new(7));
        let vault = Vault::new(MasterKey::generate(chance.as_ref()).0, Vec::new(), chance);
        let (id, other) = (
            MailMessageId(Uuid::from_u128(1)),
            MailMessageId(Uuid::from_u128(2)),
        );
        let letter = Letter {
            to: "ada@contoso.example".to_owned(),
            subject: "Hello".to_owned(),
            text: "ticket=abc".to_owned().into(),
        };
        let sealed = letter.seal(&vault, id).unwrap();
        for part in ["ada@", "Hello", "ticket"] {
            assert!(!sealed.contains(part) && !format!("{letter:?}").contains(part));
        }
        let opened = Letter::open(&vault, id, &sealed).unwrap();
        assert_eq!(opened.to, letter.to);
        assert_eq!(opened.text.expose_secret(), "ticket=abc");
        assert!(Letter::open(&vault, other, &sealed).is_err());
    }
}
