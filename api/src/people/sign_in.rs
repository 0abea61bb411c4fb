//! Signing in with an address and a password.
//!
//! The failure is counted before the password is looked at, by account and the address somebody comes from, and by account alone, whether anybody has it
//! or not; see [`entities::failed_attempt`]. Every way to fail costs one check of a password and one event, and answers the same.

use super::{People, PeopleError, Welcome, anonymous, author};
use entities::change::Change;
use entities::clock::Timestamp;
use entities::event::{EventKind, NewEvent};
use entities::failed_attempt::{self, Attempt, LENIENT, STRICT};
use entities::id::{TypedId as _, UserId};
use entities::session::SignInMethod;
use entities::{partner, user};
use secrecy::SecretString;
use serde_json::json;
use uuid::Uuid;

/// What somebody tries with.
#[derive(Clone, Debug)]
pub struct SignIn {
    /// As it was typed.
    pub email: String,
    /// As it was typed.
    pub password: SecretString,
    /// The address it comes from, as the limits count it.
    pub address: String,
    /// What the browser calls itself.
    pub user_agent: Option<String>,
}

/// What came of it.
#[derive(Debug)]
pub enum Tried {
    /// It is this person.
    Welcome(Box<Welcome>),
    /// The address and the password do not belong together, or to nobody who may sign in.
    Refused,
    /// Too many failures in a row; nothing was looked at.
    Locked {
        /// Until when.
        until: Timestamp,
    },
}

impl People {
    /// Signs in with a password.
    ///
    /// # Errors
    /// [`PeopleError`].
    pub async fn sign_in(&self, given: SignIn) -> Result<Tried, PeopleError> {
        let account = self.attempts_of(&given.email);
        let from = self.attempts_from(&given.email, &given.address);
        let mut locks_until = None;
        for (subject, patience) in [(&from, STRICT), (&account, LENIENT)] {
            match failed_attempt::claim(&self.database, subject, patience).await? {
                Attempt::Locked { until } => return Ok(Tried::Locked { until }),
                Attempt::Open {
                    locks_until: until, ..
                } => locks_until = locks_until.max(until),
            }
        }
        let found = user::find_by_email(self.database.read(), &given.email).await?;
        let hash = found
            .as_ref()
            .filter(|user| user.is_active())
            .and_then(|user| user.password_hash.as_ref());
        let right = self.passwords.verify(&given.password, hash).await?;
        if let Some(user) = found.as_ref().filter(|_| right) {
            let change = Change::begin(&self.database, author(user.id)).await?;
            if let Some(welcome) = self.admitted(change, user, given.user_agent).await? {
                for subject in [&from, &account] {
                    failed_attempt::succeeded(&self.database, subject).await?;
                }
                return Ok(Tried::Welcome(Box::new(welcome)));
            }
        }
        self.note_refusal(found.as_ref(), locks_until).await?;
        Ok(Tried::Refused)
    }

    /// Begins the session, unless the person has changed since the password was looked at.
    async fn admitted(
        &self,
        mut change: Change,
        seen: &user::Model,
        user_agent: Option<String>,
    ) -> Result<Option<Welcome>, PeopleError> {
        let user = user::find_locked(&change, seen.id).await?;
        let same = user.filter(|user| user.is_active() && user.password_hash == seen.password_hash);
        let Some(user) = same else {
            return Ok(None);
        };
        if !partner::takes_part(change.transaction(), user.partner_id).await? {
            return Ok(None);
        }
        let method = SignInMethod::Password;
        let cookie = self
            .begin_session(&mut change, &user, method, user_agent)
            .await?;
        change.commit().await?;
        Ok(Some(Welcome { user, cookie }))
    }

    async fn note_refusal(
        &self,
        found: Option<&user::Model>,
        locks_until: Option<Timestamp>,
    ) -> Result<(), PeopleError> {
        let mut change = Change::begin(&self.database, anonymous()).await?;
        let data = json!({ "method": SignInMethod::Password.as_str() });
        change.record(refused(EventKind::SessionRefused, found, data));
        if let Some(until) = locks_until {
            let data = json!({ "until": until });
            change.record(refused(EventKind::SessionLockedOut, found, data));
        }
        change.commit().await?;
        Ok(())
    }
}

/// An event about somebody who was not let in. Of an address that is nobody's the log keeps nothing, not even a hash.
pub(super) fn refused(
    kind: EventKind,
    found: Option<&user::Model>,
    data: serde_json::Value,
) -> NewEvent {
    let subject = found.map_or_else(|| UserId::from_uuid(Uuid::nil()), |user| user.id);
    let event = NewEvent::about(kind, subject, data).internal();
    match found.and_then(|user| user.partner_id) {
        Some(partner) => event.for_partner(partner),
        None => event,
    }
}
