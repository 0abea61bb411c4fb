//! In whose name an endpoint hears.
//!
//! Owns: what is left today of what the owner was and might do when the endpoint was made. The row of the person, or of the software, is asked each
//! time, and so is that of the partner. Refuses: whoever was disabled, whoever may not manage webhooks or read events any more, and everybody of a
//! partner that is out. Invariants: what cannot be read, such as a role that no longer exists, is nobody, who sees nothing; and nobody hears more
//! than on the day the endpoint was made, whatever became of them since.

use crate::error::Result;
use crate::id::{OAuthClientId, PartnerId, UserId};
use crate::oauth_client::{self, GrantType};
use crate::partner::{self, PartnerStatus};
use crate::user;
use crate::viewer::{PartnerRole, Scope, Scopes, StaffRole, Viewer, ViewerKind};
use crate::visible::{self, Own};
use sea_orm::{ConnectionTrait, FromJsonQueryResult};
use serde::{Deserialize, Serialize};

/// What kind of party an owner is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum Kind {
    Staff,
    Partner,
    Integration,
    Nobody,
}

/// Who made an endpoint what it is: what the viewer was and might do at that time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, FromJsonQueryResult)]
pub struct Owner {
    kind: Kind,
    role: Option<String>,
    scopes: String,
    subject: String,
}

/// Whether an owner may hear.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// As this viewer.
    Hears(Viewer),
    /// Not as long as its partner is out, which may end.
    Rests,
    /// Not any more: somebody who may has to become the owner.
    Out,
}

impl Owner {
    /// The viewer as an owner.
    #[must_use]
    pub fn of(viewer: &Viewer) -> Self {
        let (kind, role) = match viewer.kind() {
            ViewerKind::Staff(role) => (Kind::Staff, Some(role.as_str())),
            ViewerKind::Partner(_, role) => (Kind::Partner, Some(role.as_str())),
            // The process itself makes no endpoints; should it, they hear what software of the programme may.
            ViewerKind::Integration | ViewerKind::System => (Kind::Integration, None),
            ViewerKind::Nobody => (Kind::Nobody, None),
        };
        Self {
            kind,
            role: role.map(str::to_owned),
            scopes: viewer.scopes().to_claim(),
            subject: viewer.subject().to_owned(),
        }
    }

    /// Whose token made it.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// The owner as a viewer, as it is today; nobody where it may not hear any more. `partner` is the endpoint's.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn viewer(
        &self,
        connection: &impl ConnectionTrait,
        partner: Option<PartnerId>,
    ) -> Result<Viewer> {
        Ok(match self.standing(connection, partner).await? {
            Standing::Hears(viewer) => viewer,
            Standing::Rests | Standing::Out => Viewer::nobody(),
        })
    }

    /// Whether the owner may hear today. `partner` is the endpoint's.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn standing(
        &self,
        connection: &impl ConnectionTrait,
        partner: Option<PartnerId>,
    ) -> Result<Standing> {
        let then = self.as_recorded(partner);
        if then.kind() == ViewerKind::Nobody {
            return Ok(Standing::Out);
        }
        if !takes_part(connection, partner).await? {
            return Ok(Standing::Rests);
        }
        let today = if let Ok(id) = self.subject.parse::<UserId>() {
            let found = user::find(connection, id).await?;
            let active = found.filter(user::Model::is_active);
            // A role this version does not know is none.
            let role = active.and_then(|user| user.user_role().ok());
            role.filter(|role| role.partner() == partner)
                .map(|role| (role.viewer_kind(), then.scopes()))
        } else if let Ok(id) = self.subject.parse::<OAuthClientId>() {
            let found = oauth_client::find(connection, id).await?;
            found
                .filter(|client| {
                    client.is_enabled()
                        && client.partner_id == partner
                        && client.grant_types.has(GrantType::ClientCredentials)
                })
                .map(|client| (then.kind(), then.scopes().within(client.scopes())))
        } else {
            // A token that whoever runs the deployment made (`entente token`): there is no row that could say otherwise.
            Some((then.kind(), then.scopes()))
        };
        let now = today.map_or_else(Viewer::nobody, |(kind, scopes)| {
            let viewer = Viewer::new(kind, scopes, self.subject.clone());
            viewer.no_wider_than(&then)
        });
        let may_hear = now.may(Scope::WebhooksManage) && now.may(Scope::EventsRead);
        Ok(if may_hear {
            Standing::Hears(now)
        } else {
            Standing::Out
        })
    }

    /// The owner as it was: the most it may ever hear.
    fn as_recorded(&self, partner: Option<PartnerId>) -> Viewer {
        let role = self.role.as_deref().unwrap_or_default();
        let kind = match (self.kind, partner) {
            (Kind::Staff, None) => StaffRole::from_claim(role).map(ViewerKind::Staff),
            (Kind::Integration, None) => Some(ViewerKind::Integration),
            (Kind::Partner, Some(partner)) => {
                PartnerRole::from_claim(role).map(|role| ViewerKind::Partner(partner, role))
            }
            _ => None,
        };
        let scopes = Scopes::from_claim(&self.scopes);
        kind.map_or_else(Viewer::nobody, |kind| {
            Viewer::new(kind, scopes, self.subject.clone())
        })
    }

    /// Whether another viewer sees and may read everything that the owner does.
    #[must_use]
    pub fn sees_no_more_than(&self, partner: Option<PartnerId>, other: &Viewer) -> bool {
        let own = self.as_recorded(partner);
        let rows = match (partner, own.own(), other.own()) {
            (_, _, None) => other.sees_internal(),
            (Some(partner), Some(mine), Some(theirs)) => {
                theirs == mine || theirs == Own::of(partner, true)
            }
            _ => false,
        };
        rows && own.scopes().within(other.scopes()) == own.scopes()
            && (other.sees_audit() || !own.sees_audit())
    }
}

/// Whether a partner takes part, so that its people and software are told anything; without one it is the programme's own.
async fn takes_part(connection: &impl ConnectionTrait, partner: Option<PartnerId>) -> Result<bool> {
    let Some(id) = partner else { return Ok(true) };
    let system = Viewer::system("webhook_endpoint");
    let found = visible::find_one::<partner::Entity, _>(connection, &system, id.0).await?;
    Ok(found.is_some_and(|partner| {
        partner.archived_at.is_none()
            && matches!(
                partner.status,
                PartnerStatus::Candidate | PartnerStatus::Active
            )
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::TypedId as _;
    use uuid::Uuid;

    fn viewer(kind: ViewerKind) -> Viewer {
        Viewer::new(kind, Scopes::all(), "somebody".to_owned())
    }

    #[test]
    fn an_owner_is_the_viewer_again_and_only_with_its_own_partner() {
        let partner = PartnerId::from_uuid(Uuid::from_u128(1));
        for role in StaffRole::ALL {
            let staff = viewer(ViewerKind::Staff(*role));
            assert_eq!(Owner::of(&staff).as_recorded(None), staff);
            assert_eq!(
                Owner::of(&staff).as_recorded(Some(partner)),
                Viewer::nobody()
            );
        }
        for role in PartnerRole::ALL {
            let theirs = viewer(ViewerKind::Partner(partner, *role));
            assert_eq!(Owner::of(&theirs).as_recorded(Some(partner)), theirs);
            assert_eq!(Owner::of(&theirs).as_recorded(None), Viewer::nobody());
        }
        let nobody = Owner::of(&Viewer::nobody());
        assert_eq!(nobody.as_recorded(None), Viewer::nobody());
    }

    #[test]
    fn who_may_read_less_is_not_shown_what_was_said() {
        let admin = Owner::of(&viewer(ViewerKind::Staff(StaffRole::Admin)));
        let support = Owner::of(&viewer(ViewerKind::Staff(StaffRole::Support)));
        let as_support = viewer(ViewerKind::Staff(StaffRole::Support));
        let as_admin = viewer(ViewerKind::Staff(StaffRole::Admin));
        assert!(!admin.sees_no_more_than(None, &as_support));
        assert!(support.sees_no_more_than(None, &as_admin));
        let partner = PartnerId::from_uuid(Uuid::from_u128(1));
        let other = PartnerId::from_uuid(Uuid::from_u128(2));
        let leads = viewer(ViewerKind::Partner(partner, PartnerRole::Admin));
        let software = viewer(ViewerKind::Partner(partner, PartnerRole::Software));
        let stranger = viewer(ViewerKind::Partner(other, PartnerRole::Admin));
        assert!(!Owner::of(&leads).sees_no_more_than(Some(partner), &software));
        assert!(Owner::of(&software).sees_no_more_than(Some(partner), &leads));
        assert!(!Owner::of(&software).sees_no_more_than(Some(partner), &stranger));
        assert!(!support.sees_no_more_than(None, &leads));
    }
}
