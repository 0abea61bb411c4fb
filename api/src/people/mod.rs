//! People who sign in: how they prove who they are, and how they are asked to come. Free of the web framework.
//!
//! Players: **passwords** (argon2id, checked on threads of their own, a few at a time), **tickets** (a link by mail, good once), **providers**
//! (an organisation's own sign-in by OpenID Connect) and **sessions** (a browser's cookie). The rows and their laws are in `entities`; the pages
//! and cookies in `http`; here is what lies between: an attempt goes in, a person or a refusal comes out, and the event log says which.
//!
//! **What is never told.** Whether an address is somebody's: an unknown person, a disabled one, one without a password and a wrong password
//! cost the same time and answer alike. Whoever forgot a password reads the same sentence in every case.
//!
//! **Who may come which way.** Nobody comes uninvited: a provider vouches for an address, and the address must be one that was invited. A
//! partner's provider signs in that partner's people and nobody else. Staff comes by the configured provider where there is one; the
//! administrator made on the command line may have a password besides, so that a provider that fails locks nobody out for good.

mod by_provider;
mod cookie;
mod id_token;
pub mod invitation;
pub mod oidc;
pub mod password;
pub mod provider;
mod sign_in;
pub mod target;

use crate::config::public_url::PublicUrl;
use crate::mail::Mailer;
use crate::state::Core;
use entities::chance::Chance;
use entities::change::{Author, Change, Origin};
use entities::database::Database;
use entities::id::UserId;
use entities::session::{self, NewSession, SignInMethod};
use entities::{secret, user};
use integrations::vault::{Binding, Vault};
use oidc::Oidc;
use password::Passwords;
use provider::{Provider, StaffProvider};
use secrecy::{ExposeSecret, SecretString};
use std::sync::Arc;

pub use by_provider::Refusal;
pub use cookie::Recognised;
pub use invitation::{Accepted, Opened};
pub use sign_in::{SignIn, Tried};

/// Why something about a person could not be done. What the person did wrong is not among it.
#[derive(Debug, thiserror::Error)]
pub enum PeopleError {
    /// The rows.
    #[error(transparent)]
    Database(#[from] entities::error::Error),
    /// Too many passwords are being checked.
    #[error(transparent)]
    Password(#[from] password::PasswordError),
    /// A secret cannot be sealed or opened.
    #[error(transparent)]
    Vault(#[from] integrations::vault::VaultError),
}

/// What a person who has just signed in gets.
#[derive(Debug)]
pub struct Welcome {
    /// Who it is.
    pub user: user::Model,
    /// The secret for the browser's cookie.
    pub cookie: SecretString,
}

/// Everything that signs people in.
pub struct People {
    database: Database,
    vault: Vault,
    chance: Arc<dyn Chance>,
    public_url: PublicUrl,
    passwords: Passwords,
    mail: Mailer,
    oidc: Oidc,
    staff: Option<Provider>,
}

impl std::fmt::Debug for People {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("People")
            .field("staff", &self.staff)
            .finish_non_exhaustive()
    }
}

impl People {
    /// Puts the parts together.
    #[must_use]
    pub fn new(
        core: &Core,
        public_url: PublicUrl,
        mail: Mailer,
        staff: Option<&StaffProvider>,
    ) -> Self {
        Self {
            database: core.database.clone(),
            vault: core.vault.clone(),
            chance: Arc::clone(&core.chance),
            public_url,
            passwords: Passwords::default(),
            mail,
            oidc: Oidc::new(core),
            staff: staff.map(Provider::of_staff),
        }
    }

    /// The staff's provider, where there is one.
    #[must_use]
    pub const fn staff_provider(&self) -> Option<&Provider> {
        self.staff.as_ref()
    }

    /// Where messages go.
    #[must_use]
    pub const fn mail(&self) -> &Mailer {
        &self.mail
    }

    /// The proof that a form was made for a session, for its holder only.
    #[must_use]
    pub fn form_token(&self, session: entities::id::SessionId) -> String {
        self.vault.fingerprint(Binding {
            purpose: "session.form",
            row: &session.to_string(),
        })
    }

    /// Under which name failures of an address are counted.
    fn attempts_of(&self, email: &str) -> String {
        let email = user::normal_email(email);
        let hidden = self.vault.fingerprint(Binding {
            purpose: "failed_attempt.account",
            row: &email,
        });
        format!("account:{hidden}")
    }

    /// Under which name failures of an address are counted that come from one place: a part of all of them.
    fn attempts_from(&self, email: &str, place: &str) -> String {
        let place = secret::digest(place);
        format!("{}@{place}", self.attempts_of(email))
    }

    /// Begins a session of a person within a change.
    async fn begin_session(
        &self,
        change: &mut Change,
        user: &user::Model,
        method: SignInMethod,
        user_agent: Option<String>,
    ) -> Result<SecretString, PeopleError> {
        let cookie = secret::generate(self.database.ids());
        let new = NewSession {
            secret_hash: secret::digest(cookie.expose_secret()),
            method,
            user_agent,
        };
        session::start(change, user, new).await?;
        Ok(cookie)
    }
}

/// The author of what a person does at our pages.
#[must_use]
pub fn author(user: UserId) -> Author {
    Author {
        actor: user.to_string(),
        origin: Origin::Human,
        connection: None,
    }
}

/// The author of what somebody does whom we do not know (yet).
fn anonymous() -> Author {
    Author {
        actor: "anonymous".to_owned(),
        origin: Origin::Human,
        connection: None,
    }
}
