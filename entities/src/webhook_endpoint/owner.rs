//! In whose name an endpoint hears.
//!
//! Invariant: what cannot be read, such as a role that no longer exists, is nobody, who sees nothing. A role's bounds are those of today, not those
//! of the day on which the endpoint was made.

use crate::id::PartnerId;
use crate::viewer::{PartnerRole, Scopes, StaffRole, Viewer, ViewerKind};
use crate::visible::Own;
use sea_orm::FromJsonQueryResult;
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

    /// The owner as a viewer. `partner` is the endpoint's.
    #[must_use]
    pub fn viewer(&self, partner: Option<PartnerId>) -> Viewer {
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
        let own = self.viewer(partner);
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
            assert_eq!(Owner::of(&staff).viewer(None), staff);
            assert_eq!(Owner::of(&staff).viewer(Some(partner)), Viewer::nobody());
        }
        for role in PartnerRole::ALL {
            let theirs = viewer(ViewerKind::Partner(partner, *role));
            assert_eq!(Owner::of(&theirs).viewer(Some(partner)), theirs);
            assert_eq!(Owner::of(&theirs).viewer(None), Viewer::nobody());
        }
        let nobody = Owner::of(&Viewer::nobody());
        assert_eq!(nobody.viewer(None), Viewer::nobody());
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
