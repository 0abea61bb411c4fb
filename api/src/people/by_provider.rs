//! From an identity that a provider vouches for to a person of ours.
//!
//! The identity decides once it is known: (issuer, subject) is one person, whatever address the provider has for it today. An identity that is
//! new is tied to the person with its address, if the provider vouches for the address, may speak for its domain, and the person was invited on
//! the provider's own side. Nobody is made here. However it is refused, the browser is told the same; the event log says which.

use super::oidc::Arrived;
use super::provider::Provider;
use super::sign_in::refused;
use super::{People, PeopleError, Welcome, anonymous, author};
use entities::change::Change;
use entities::event::EventKind;
use entities::session::SignInMethod;
use entities::user::{self, UserStatus};
use entities::{partner, user_identity, user_ticket};
use serde_json::json;

/// Why an identity is nobody's who may sign in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The provider vouches for no address, so a new identity cannot be tied to anybody.
    NoVerifiedAddress,
    /// The address is of a domain for which the provider may not speak.
    ForeignDomain,
    /// Nobody with this address was invited.
    NotInvited,
    /// The person is of another side: a provider signs in its own people only.
    AnotherSide,
    /// The person is disabled.
    Disabled,
    /// The person's partner is suspended, or out for good.
    KeptOut,
    /// The person has another identity with this issuer, or the identity is somebody else's.
    AnotherIdentity,
}

impl Refusal {
    const fn as_str(self) -> &'static str {
        match self {
            Self::NoVerifiedAddress => "no_verified_address",
            Self::ForeignDomain => "foreign_domain",
            Self::NotInvited => "not_invited",
            Self::AnotherSide => "another_side",
            Self::Disabled => "disabled",
            Self::KeptOut => "the_partner_is_kept_out",
            Self::AnotherIdentity => "another_identity",
        }
    }
}

impl People {
    /// Signs in who has come back from a provider.
    ///
    /// # Errors
    /// [`PeopleError`].
    pub async fn admit(
        &self,
        arrived: &Arrived,
        user_agent: Option<String>,
    ) -> Result<Result<Welcome, Refusal>, PeopleError> {
        let (found, refusal) = match self.recognise(arrived).await? {
            Ok(found) => match self.let_in(arrived, &found, user_agent).await? {
                Ok(welcome) => return Ok(Ok(welcome)),
                Err(refusal) => (Some(found), refusal),
            },
            Err((found, refusal)) => (found, refusal),
        };
        let mut change = Change::begin(&self.database, anonymous()).await?;
        let data = json!({
            "method": SignInMethod::IdentityProvider.as_str(),
            "issuer": arrived.provider.issuer,
            "because": refusal.as_str(),
        });
        change.record(refused(EventKind::SessionRefused, found.as_ref(), data));
        change.commit().await?;
        Ok(Err(refusal))
    }

    /// Who it is, as far as can be told without a lock.
    async fn recognise(
        &self,
        arrived: &Arrived,
    ) -> Result<Result<user::Model, (Option<user::Model>, Refusal)>, PeopleError> {
        let (provider, identity) = (&arrived.provider, &arrived.identity);
        let read = self.database.read();
        let tie = user_identity::find(read, &provider.issuer, &identity.subject).await?;
        let found = if let Some(tie) = tie {
            user::find(read, tie.user_id).await?
        } else {
            let Some(email) = identity.verified_email.as_deref() else {
                return Ok(Err((None, Refusal::NoVerifiedAddress)));
            };
            if !provider.speaks_for(email) {
                return Ok(Err((None, Refusal::ForeignDomain)));
            }
            user::find_by_email(read, email).await?
        };
        let Some(found) = found else {
            return Ok(Err((None, Refusal::NotInvited)));
        };
        Ok(match judge(provider, &found) {
            Ok(()) => Ok(found),
            Err(refusal) => Err((Some(found), refusal)),
        })
    }

    async fn let_in(
        &self,
        arrived: &Arrived,
        found: &user::Model,
        user_agent: Option<String>,
    ) -> Result<Result<Welcome, Refusal>, PeopleError> {
        let (provider, identity) = (&arrived.provider, &arrived.identity);
        let mut change = Change::begin(&self.database, author(found.id)).await?;
        // The row is read again under a lock: what was decided upon it must still be so.
        let Some(user) = user::find_locked(&change, found.id).await? else {
            return Ok(Err(Refusal::NotInvited));
        };
        if let Err(refusal) = judge(provider, &user) {
            return Ok(Err(refusal));
        }
        if !partner::takes_part(change.transaction(), user.partner_id).await? {
            return Ok(Err(Refusal::KeptOut));
        }
        let issuer = &provider.issuer;
        let tie = user_identity::find(change.transaction(), issuer, &identity.subject).await?;
        let tied = match tie {
            Some(tie) => tie.user_id == user.id,
            None => {
                user.email == found.email
                    && user_identity::link(&mut change, &user, issuer, &identity.subject).await?
            }
        };
        if !tied {
            return Ok(Err(Refusal::AnotherIdentity));
        }
        let user = if user.status == UserStatus::Invited {
            let user = user::activate(&mut change, user, None).await?;
            user_ticket::void(&change, user.id).await?;
            user
        } else {
            user
        };
        let method = SignInMethod::IdentityProvider;
        let cookie = self
            .begin_session(&mut change, &user, method, user_agent)
            .await?;
        change.commit().await?;
        Ok(Ok(Welcome { user, cookie }))
    }
}

fn judge(provider: &Provider, user: &user::Model) -> Result<(), Refusal> {
    if user.partner_id != provider.side.partner() {
        return Err(Refusal::AnotherSide);
    }
    if user.status == UserStatus::Disabled || user.erased_at.is_some() {
        return Err(Refusal::Disabled);
    }
    Ok(())
}
