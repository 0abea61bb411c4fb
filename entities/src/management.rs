//! Who manages whose people, software and identity providers.
//!
//! Owns the one rule: the programme's staff manages everybody's, a partner's administrator those of its own company and of no other, not even of
//! the companies below it. Refuses: a row that is somebody else's, in the same words as one that is not there; and a role that may more than
//! whoever gives it, for a role given is a role had. Invariant: nobody takes anything from themselves, so that whoever manages can still do so
//! afterwards.

use crate::change::Change;
use crate::error::{Error, Result, ViolationCode};
use crate::id::PartnerId;
use crate::viewer::{Viewer, ViewerKind};
use crate::visible::{self, Versioned, Visible};
use crate::{identity_provider, oauth_client, user};
use uuid::Uuid;

/// A row that belongs to a partner's organisation, or to the programme's owner.
pub trait Managed: Versioned {
    /// Whose it is; the owner's where there is none.
    fn organisation(&self) -> Option<PartnerId>;
}

impl Managed for user::Model {
    fn organisation(&self) -> Option<PartnerId> {
        self.partner_id
    }
}

impl Managed for oauth_client::Model {
    fn organisation(&self) -> Option<PartnerId> {
        self.partner_id
    }
}

impl Managed for identity_provider::Model {
    fn organisation(&self) -> Option<PartnerId> {
        Some(self.partner_id)
    }
}

/// Whether a viewer manages what belongs to an organisation; what it may do there its scopes say.
#[must_use]
pub fn manages(viewer: &Viewer, organisation: Option<PartnerId>) -> bool {
    match viewer.kind() {
        ViewerKind::Staff(_) | ViewerKind::Integration | ViewerKind::System => true,
        ViewerKind::Partner(own, _) => organisation == Some(own),
        ViewerKind::Nobody => false,
    }
}

/// For which organisation a viewer makes something: the one it names, else its own.
///
/// # Errors
/// An organisation that the viewer does not manage is no such partner.
pub fn organisation_for(viewer: &Viewer, named: Option<PartnerId>) -> Result<Option<PartnerId>> {
    let organisation = named.or(viewer.partner());
    if manages(viewer, organisation) {
        Ok(organisation)
    } else {
        Err(Error::invalid(
            ViolationCode::NotFound,
            "partnerId",
            "No such partner.",
        ))
    }
}

/// Reads a row for a change that a viewer makes to it, and checks the version the viewer saw.
///
/// # Errors
/// Not found, not visible or another organisation's, all in the same words; a version conflict; or a fault of the database.
pub async fn lock<E>(
    change: &Change,
    viewer: &Viewer,
    id: Uuid,
    expected_version: Option<i64>,
) -> Result<E::Model>
where
    E: Visible,
    E::Model: Managed,
{
    let row = visible::lock_all::<E>(change, viewer, [id])
        .await?
        .into_iter()
        .find(|row| manages(viewer, row.organisation()))
        .ok_or_else(|| Error::not_found("id"))?;
    match expected_version {
        Some(expected) if expected != row.version() => {
            Err(Error::version_conflict(expected, row.version()))
        }
        _ => Ok(row),
    }
}

/// Keeps a viewer from giving a role that may more than the viewer itself. `field` is the field of the input that gives it.
///
/// # Errors
/// When the role's bounds hold a scope that the viewer does not have.
pub fn refuse_greater(viewer: &Viewer, role: user::UserRole, field: &str) -> Result<()> {
    let bounds = role.bounds();
    // A partner's people and software make nobody of the programme's own, whatever they may read.
    let outside = matches!(viewer.kind(), ViewerKind::Partner(..))
        && matches!(role, user::UserRole::Staff(_));
    if !outside && bounds.within(viewer.scopes()) == bounds {
        return Ok(());
    }
    Err(Error::invalid(
        ViolationCode::Invalid,
        field,
        "It may more than you: somebody who may as much has to give it.",
    ))
}

/// Keeps a viewer from changing what it may do itself, or whether it may come at all.
///
/// # Errors
/// When the person is the viewer.
pub fn refuse_oneself(viewer: &Viewer, row: &user::Model) -> Result<()> {
    if viewer.subject() != row.id.to_string() {
        return Ok(());
    }
    Err(Error::invalid(
        ViolationCode::TransitionNotAllowed,
        "id",
        "Somebody else has to do this to you.",
    ))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::viewer::{PartnerRole, Scope, Scopes, StaffRole};

    fn of(kind: ViewerKind) -> Viewer {
        Viewer::new(kind, Scopes::all(), "somebody".to_owned())
    }

    #[test]
    fn a_partner_manages_its_own_organisation_only() {
        let own = PartnerId(Uuid::from_u128(1));
        let other = PartnerId(Uuid::from_u128(2));
        let admin = of(ViewerKind::Partner(own, PartnerRole::Admin));
        assert!(manages(&admin, Some(own)));
        assert!(!manages(&admin, Some(other)) && !manages(&admin, None));
        assert_eq!(organisation_for(&admin, None).unwrap(), Some(own));
        assert_eq!(organisation_for(&admin, Some(own)).unwrap(), Some(own));
        assert!(organisation_for(&admin, Some(other)).is_err());
        let staff = of(ViewerKind::Staff(StaffRole::Admin));
        assert_eq!(organisation_for(&staff, None).unwrap(), None);
        assert_eq!(organisation_for(&staff, Some(other)).unwrap(), Some(other));
        assert!(!manages(&Viewer::nobody(), None));
    }

    #[test]
    fn nobody_gives_a_role_that_may_more() {
        let own = PartnerId(Uuid::from_u128(1));
        let (admin, staff) = (
            of(ViewerKind::Partner(own, PartnerRole::Admin)),
            of(ViewerKind::Staff(StaffRole::Admin)),
        );
        let gives = |viewer: &Viewer, role| refuse_greater(viewer, role, "role").is_ok();
        for role in PartnerRole::ALL.iter().filter(|role| role.is_a_persons()) {
            let role = user::UserRole::Partner(own, *role);
            assert!(gives(&admin, role) && gives(&staff, role), "{role:?}");
        }
        for role in StaffRole::ALL {
            let role = user::UserRole::Staff(*role);
            assert!(gives(&staff, role) && !gives(&admin, role), "{role:?}");
        }
        let scopes = Scopes::NONE.with(Scope::UsersManage);
        let kind = ViewerKind::Staff(StaffRole::Admin);
        let little = Viewer::new(kind, scopes, String::new());
        assert!(!gives(&little, user::UserRole::Staff(StaffRole::Marketing)));
        let viewer = PartnerRole::Viewer;
        assert!(!gives(&little, user::UserRole::Partner(own, viewer)));
    }
}
