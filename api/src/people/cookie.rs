//! The session behind a cookie's secret, its use, and its end.

use super::{People, PeopleError, author};
use entities::change::Change;
use entities::id::SessionId;
use entities::session::{self, Use};
use entities::{partner, secret, user};
use secrecy::{ExposeSecret, SecretString};

/// Whoever a cookie belongs to.
#[derive(Debug)]
pub struct Recognised {
    /// The person, who is active.
    pub user: user::Model,
    /// The session.
    pub session: session::Model,
    /// A new secret for the cookie, where the old one was exchanged.
    pub fresh: Option<SecretString>,
}

impl People {
    /// Who a cookie's secret belongs to, with its use noted; nobody when the session has ended the person is not active, or their partner does
    /// not take part.
    ///
    /// # Errors
    /// [`PeopleError`].
    pub async fn recognise_cookie(
        &self,
        cookie: &SecretString,
    ) -> Result<Option<Recognised>, PeopleError> {
        let hash = secret::digest(cookie.expose_secret());
        let now = self.database.now();
        let read = self.database.read();
        let Some(row) = session::find_live(read, &hash, now).await? else {
            return Ok(None);
        };
        let user = user::find(read, row.user_id).await?;
        let Some(user) = user.filter(user::Model::is_active) else {
            return Ok(None);
        };
        if !partner::takes_part(read, user.partner_id).await? {
            return Ok(None);
        }
        let fresh = match session::due(&row, &hash, now) {
            Use::Unnoted => None,
            Use::Noted => {
                session::used(&self.database, &row, &hash, None).await?;
                None
            }
            Use::Rotation => {
                let fresh = secret::generate(self.database.ids());
                let new_hash = secret::digest(fresh.expose_secret());
                let exchanged = session::used(&self.database, &row, &hash, Some(new_hash)).await?;
                exchanged.then_some(fresh)
            }
        };
        Ok(Some(Recognised {
            user,
            session: row,
            fresh,
        }))
    }

    /// Ends one session of a person. The answer is false when the person has no such session.
    ///
    /// # Errors
    /// [`PeopleError`].
    pub async fn end_session(
        &self,
        user: &user::Model,
        id: SessionId,
        because: &'static str,
    ) -> Result<bool, PeopleError> {
        let mut change = Change::begin(&self.database, author(user.id)).await?;
        let ended = session::end(&mut change, user, id, because).await?;
        change.commit().await?;
        Ok(ended)
    }
}
