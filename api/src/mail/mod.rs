//! Messages to people: written with what causes them, sent by a worker, and in development shown where they can be read.
//!
//! Owns the attempts at the mail server, and the development's box. A message is a row ([`entities::mail_message`]) that is written in the transaction of
//! what causes it, so that no restart loses one; any worker claims it under a lease and a fence. At least once: who dies between the server's "taken" and the
//! note of it leaves the message to be sent again, under the same `Message-ID`. Refuses: a mail server that is reached without encryption (but on
//! loopback), and to hold anybody up. Invariant: neither an address nor a text is in the log or, unsealed, in the database, for a text holds a ticket;
//! with `dev_mail`, which a public address off loopback refuses, they are shown at `/dev/mail`.

mod smtp;

use crate::worker::Work;
use entities::change::{Author, Change, Origin};
use entities::clock::Timestamp;
use entities::database::Database;
use entities::error::Error;
use entities::id::TypedId;
use entities::mail_message::{self, Claiming, MailPurpose, Model};
use futures::future::join_all;
use integrations::mail::{self, Letter, LetterError};
use integrations::vault::{Vault, VaultError};
use secrecy::SecretString;
use smtp::Smtp;
use std::sync::Arc;
use uuid::Uuid;

/// How many messages the development's box shows.
const SHOWN: u64 = 50;
/// Messages that are sent side by side.
const AT_A_TIME: u64 = 8;
/// How long a worker that stopped answering keeps its messages. Longer than an attempt may take.
const LEASE_MS: i64 = 180_000;
/// The waits before the second and every further attempt, in seconds.
const WAITS: [u64; 7] = [10, 60, 300, 1_800, 7_200, 21_600, 43_200];
/// How many attempts there are.
pub const ATTEMPTS: i32 = 8;
/// A wait differs by at most so much, in thousandths, so that what failed together does not come back together.
const JITTER: u64 = 200;

/// How long an invitation is worth sending, in milliseconds: as long as its ticket is good.
pub const INVITATION_MS: i64 = 72 * 3_600_000;
/// How long the way to a new password is.
pub const PASSWORD_RESET_MS: i64 = 3_600_000;
/// How long what only tells something is.
pub const NOTICE_MS: i64 = 72 * 3_600_000;

/// Where mail leaves.
#[derive(Clone)]
pub struct MailServer {
    /// `smtps://user:password@host` or `smtp://…?tls=required`.
    pub url: SecretString,
    /// The sender: `Entente <entente@example.com>`.
    pub from: String,
}

impl std::fmt::Debug for MailServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MailServer")
            .field("from", &self.from)
            .finish_non_exhaustive()
    }
}

/// The configured mail server cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MailError {
    /// The address is none, or one without encryption.
    #[error(
        "mail.smtp_url must be smtps://host or smtp://host?tls=required; without encryption only a host on loopback is used"
    )]
    Url,
    /// The sender is no mail address.
    #[error("mail.from must be a mail address, such as Entente <entente@example.com>")]
    From,
}

/// Why a message that must be writable is not.
fn fault(error: LetterError) -> Error {
    match error {
        LetterError::Entity(error) => error,
        other => Error::Damaged(format!("a message cannot be written: {other}")),
    }
}

/// A message in the development's box.
#[derive(Clone, Debug)]
pub struct Shown {
    /// When it was written.
    pub at: Timestamp,
    /// The message.
    pub message: Letter,
}

/// Takes messages and sends them. Cheap to clone.
#[derive(Clone)]
pub struct Mailer {
    database: Database,
    vault: Vault,
    smtp: Option<Arc<Smtp>>,
    shows: bool,
    worker: Uuid,
}

impl std::fmt::Debug for Mailer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mailer")
            .field("sends", &self.smtp.is_some())
            .field("shows", &self.shows)
            .finish_non_exhaustive()
    }
}

fn author() -> Author {
    Author {
        actor: "mail".to_owned(),
        origin: Origin::Api,
        connection: None,
    }
}

impl Mailer {
    /// A mailer that sends by `server`, where there is one, and lets messages be read, where `shows`.
    ///
    /// # Errors
    /// [`MailError`].
    pub fn new(
        database: Database,
        vault: Vault,
        server: Option<&MailServer>,
        shows: bool,
    ) -> Result<Self, MailError> {
        let smtp = server.map(Smtp::new).transpose()?.map(Arc::new);
        let mut bytes = [0_u8; 16];
        database.ids().fill(&mut bytes);
        Ok(Self {
            database,
            vault,
            smtp,
            shows,
            worker: Uuid::from_bytes(bytes),
        })
    }

    /// The same without a box where `shows` is false.
    #[must_use]
    pub fn showing_only_if(mut self, shows: bool) -> Self {
        self.shows &= shows;
        self
    }

    /// Writes a message within the change that causes it; it leaves once that is committed, and not when it has become worthless (`good_for_ms`).
    ///
    /// # Errors
    /// When the database or the vault fails.
    pub async fn write<S: TypedId>(
        &self,
        change: &Change,
        letter: &Letter,
        about: (MailPurpose, S),
        good_for_ms: i64,
    ) -> Result<(), Error> {
        let expires_at = change.now().plus_millis(good_for_ms);
        match mail::write(change, &self.vault, letter, about, expires_at).await {
            Ok(_) => {}
            // What was kept as somebody's address long ago may be none that mail knows; nobody else is held up by that.
            Err(LetterError::Address) => {
                tracing::warn!("a message was not written: its address is none that mail knows");
                return Ok(());
            }
            Err(error) => return Err(fault(error)),
        }
        if self.smtp.is_none() && !self.shows {
            tracing::warn!("a message waits: mail.smtp_url is not set");
        }
        Ok(())
    }

    /// The messages that can be read, the newest first; none where there is no such box.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn shown(&self) -> Result<Option<Vec<Shown>>, Error> {
        if !self.shows {
            return Ok(None);
        }
        let rows = mail_message::list_latest(self.database.read(), SHOWN).await?;
        // One that was sealed with another key is not shown.
        let open = |row: &Model| self.open(row).ok();
        let shown = rows.iter().filter_map(|row| {
            let (at, message) = (row.created_at, open(row)?);
            Some(Shown { at, message })
        });
        Ok(Some(shown.collect()))
    }

    fn open(&self, row: &Model) -> Result<Letter, VaultError> {
        let sealed = row.sealed.as_deref().ok_or(VaultError::CannotOpen)?;
        Letter::open(&self.vault, row.id, sealed)
    }

    /// Sends what is due, a few side by side. The answer says whether there was anything.
    ///
    /// # Errors
    /// When the database fails; what was claimed is due again when its lease is over.
    pub async fn step(&self) -> Result<bool, Error> {
        if self.smtp.is_none() && !self.shows {
            return Ok(false);
        }
        let claiming = Claiming {
            worker: self.worker,
            lease_millis: LEASE_MS,
            limit: AT_A_TIME,
            max_attempts: ATTEMPTS,
        };
        let claimed = mail_message::claim(&self.database, claiming).await?;
        if claimed.is_empty() {
            return Ok(false);
        }
        let ended = join_all(claimed.iter().map(|row| self.attempt(row))).await;
        let change = Change::begin(&self.database, author()).await?;
        for (row, ended) in claimed.iter().zip(ended) {
            self.settle(&change, row, ended).await?;
        }
        change.commit().await?;
        Ok(true)
    }

    async fn attempt(&self, row: &Model) -> Ended {
        if row.expires_at <= self.database.now() {
            return Ended::Never("it came too late to be of use".to_owned());
        }
        let Ok(letter) = self.open(row) else {
            return Ended::Never("what it says does not open".to_owned());
        };
        let Some(smtp) = &self.smtp else {
            // There is the box and nothing else.
            return Ended::Sent;
        };
        match smtp.send(row.id, &letter).await {
            Ok(()) => Ended::Sent,
            Err(refused) if refused.again => Ended::Again(refused.to_string()),
            Err(refused) => Ended::Never(refused.to_string()),
        }
    }

    async fn settle(&self, change: &Change, row: &Model, ended: Ended) -> Result<(), Error> {
        let error = match ended {
            Ended::Sent => {
                mail_message::sent(change, row, self.shows).await?;
                return Ok(());
            }
            Ended::Again(error) => {
                if let Some(wait) = self.wait_after(row.attempts) {
                    let due = change.now().plus_millis(wait);
                    mail_message::release(change.transaction(), row, due, &error).await?;
                    return Ok(());
                }
                error
            }
            Ended::Never(error) => error,
        };
        let useful = row.expires_at > change.now();
        if mail_message::give_up(change, row, &error, useful || self.shows).await? {
            tracing::warn!(message = %row.id, purpose = ?row.purpose, error, "a message by mail was given up");
        }
        Ok(())
    }

    /// How long to wait after an attempt, counted from one, in milliseconds; none after the last.
    fn wait_after(&self, attempt: i32) -> Option<i64> {
        let seconds = WAITS.get(usize::try_from(attempt.checked_sub(1)?).ok()?)?;
        let mut bytes = [0_u8; 8];
        self.database.ids().fill(&mut bytes);
        let thousandths = 1_000 - JITTER + u64::from_be_bytes(bytes) % (2 * JITTER + 1);
        i64::try_from(seconds * thousandths).ok()
    }
}

/// How an attempt ended.
enum Ended {
    Sent,
    Again(String),
    Never(String),
}

impl Work for Mailer {
    type Error = Error;

    async fn step(&self) -> Result<bool, Error> {
        Self::step(self).await
    }
}
