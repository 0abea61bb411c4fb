//! What may be registered: which parts belong together, and how much a client may be given.
//!
//! **How much.** Nobody gives what they do not have. A client gets at most what the one who registers it may do itself, and one of a partner no more
//! than the partner's side may do either. What a client has already stays when somebody with less edits it: only what is added is held to the
//! editor's own measure. **Nobody becomes what they are not**: what would let the editor pass for the client (another secret, other keys, another
//! address to send codes to, another way to tokens) is for whoever may do all that the client may ([`refuse_greater`]).

use super::{AuthMethod, GrantType, GrantTypes, Model, NewOAuthClient, OAuthClientPatch};
use super::{key_set, redirect_uri};
use crate::change::Change;
use crate::error::{Result, ViolationCode, Violations};
use crate::id::PartnerId;
use crate::partner;
use crate::viewer::{PartnerRole, Scope, Scopes, Viewer};
use crate::visible;

/// The scopes that `viewer` may give a client of this owner with these grant types.
#[must_use]
pub fn most_scopes(viewer: &Viewer, owner: Option<PartnerId>, grants: &[GrantType]) -> Scopes {
    let Some(_) = owner else {
        return if viewer.partner().is_none() {
            viewer.scopes()
        } else {
            Scopes::NONE
        };
    };
    let most = if grants.contains(&GrantType::AuthorizationCode) {
        // It acts for people of any role there; what each of them may do bounds it when it does.
        PartnerRole::ALL
            .iter()
            .fold(Scopes::NONE, |all, role| joined(all, role.bounds()))
    } else {
        PartnerRole::Software.bounds()
    };
    most.within(viewer.scopes())
}

/// Keeps a viewer from taking over a client that may more than the viewer.
pub(super) fn refuse_greater(viewer: &Viewer, row: &Model, field: &str) -> Result<()> {
    let mut violations = Violations::default();
    note_greater(&mut violations, viewer, row, field);
    violations.finish()
}

fn note_greater(violations: &mut Violations, viewer: &Viewer, row: &Model, field: &str) {
    let beyond = missing(row.scopes(), viewer.scopes());
    if !beyond.is_empty() {
        let message = format!("The client may more than you: {}.", beyond.join(", "));
        violations.add(ViolationCode::Invalid, field, message);
    }
}

fn joined(one: Scopes, other: Scopes) -> Scopes {
    let both = Scope::ALL.iter().copied();
    both.filter(|scope| one.contains(*scope) || other.contains(*scope))
        .collect()
}

fn missing(wanted: Scopes, most: Scopes) -> Vec<&'static str> {
    let wanted = Scope::ALL.iter().filter(|scope| wanted.contains(**scope));
    wanted
        .filter(|scope| !most.contains(**scope))
        .map(|scope| scope.as_str())
        .collect()
}

pub(super) async fn check_new(
    change: &Change,
    viewer: &Viewer,
    input: &NewOAuthClient,
) -> Result<()> {
    let mut violations = Violations::default();
    let owner_is_seen = match input.partner_id {
        Some(partner) => {
            let found =
                visible::find_one::<partner::Entity, _>(change.transaction(), viewer, partner.0);
            found.await?.is_some()
        }
        // Clients of the programme's owner are registered by its own.
        None => viewer.partner().is_none(),
    };
    if !owner_is_seen {
        violations.add(ViolationCode::NotFound, "partnerId", "No such partner.");
    }
    violations.text("name", &input.name, 200);
    together(
        &mut violations,
        input.auth_method,
        &input.grant_types,
        &input.redirect_uris,
    );
    match (&input.jwks, input.auth_method) {
        (Some(set), AuthMethod::PrivateKeyJwt) => key_set::check(&mut violations, set),
        (None, AuthMethod::PrivateKeyJwt) => violations.add(
            ViolationCode::Blank,
            "jwks",
            "A client that proves itself by signatures needs a public key.",
        ),
        (Some(_), _) => only_for_signatures(&mut violations),
        (None, _) => {}
    }
    let most = most_scopes(viewer, input.partner_id, &input.grant_types);
    scopes(&mut violations, input.scopes, input.scopes, most);
    violations.finish()
}

pub(super) fn check_patch(viewer: &Viewer, row: &Model, patch: &OAuthClientPatch) -> Result<()> {
    let mut violations = Violations::default();
    if let Some(name) = &patch.name {
        violations.text("name", name, 200);
    }
    let grants = patch.grant_types.as_deref();
    let grants = grants.unwrap_or_else(|| row.grant_types.list());
    let uris = patch.redirect_uris.as_deref();
    let uris = uris.unwrap_or(&row.redirect_uris.0);
    together(&mut violations, row.auth_method, grants, uris);
    if let Some(set) = &patch.jwks {
        if row.auth_method == AuthMethod::PrivateKeyJwt {
            key_set::check(&mut violations, set);
        } else {
            only_for_signatures(&mut violations);
        }
    }
    let is_other = |given: Option<&[String]>| given.is_some_and(|uris| uris != row.redirect_uris.0);
    let takes_over = [
        ("redirectUris", is_other(patch.redirect_uris.as_deref())),
        (
            "jwks",
            patch.jwks.is_some() && patch.jwks.as_ref() != row.jwks.as_ref(),
        ),
        (
            "grantTypes",
            patch
                .grant_types
                .as_deref()
                .is_some_and(|grants| GrantTypes::of(grants) != row.grant_types),
        ),
    ];
    for (field, _) in takes_over.into_iter().filter(|(_, changed)| *changed) {
        note_greater(&mut violations, viewer, row, field);
    }
    let wanted = patch.scopes.unwrap_or_else(|| row.scopes());
    let had = row.scopes();
    let added = Scope::ALL.iter().copied();
    let added = added.filter(|scope| wanted.contains(*scope) && !had.contains(*scope));
    let most = most_scopes(viewer, row.partner_id, grants);
    scopes(&mut violations, wanted, added.collect(), most);
    violations.finish()
}

fn only_for_signatures(violations: &mut Violations) {
    violations.add(
        ViolationCode::Invalid,
        "jwks",
        "Only a client that proves itself by signatures (private_key_jwt) has keys.",
    );
}

fn scopes(violations: &mut Violations, wanted: Scopes, added: Scopes, most: Scopes) {
    if wanted == Scopes::NONE {
        violations.add(ViolationCode::Blank, "scopes", "A scope is required.");
    }
    let beyond = missing(added, most);
    if !beyond.is_empty() {
        let message = format!("Cannot be given to this client: {}.", beyond.join(", "));
        violations.add(ViolationCode::Invalid, "scopes", message);
    }
}

/// Which grant types, addresses and ways of proving oneself go together.
fn together(
    violations: &mut Violations,
    method: AuthMethod,
    grants: &[GrantType],
    uris: &[String],
) {
    let has = |grant: GrantType| grants.contains(&grant);
    let mut refuse = |code, field: &str, message: &str| violations.add(code, field, message);
    if grants.is_empty() {
        refuse(
            ViolationCode::Blank,
            "grantTypes",
            "A grant type is required.",
        );
    }
    if has(GrantType::RefreshToken) && !has(GrantType::AuthorizationCode) {
        refuse(
            ViolationCode::Invalid,
            "grantTypes",
            "refresh_token follows from authorization_code; a client that acts for itself asks for a new token instead.",
        );
    }
    if has(GrantType::ClientCredentials) && method == AuthMethod::None {
        refuse(
            ViolationCode::Invalid,
            "grantTypes",
            "A client that cannot prove itself gets no tokens of its own (client_credentials).",
        );
    }
    match (has(GrantType::AuthorizationCode), uris.is_empty()) {
        (true, true) => refuse(
            ViolationCode::Blank,
            "redirectUris",
            "authorization_code needs an address to send people back to.",
        ),
        (false, false) => refuse(
            ViolationCode::Invalid,
            "redirectUris",
            "Only authorization_code sends people back.",
        ),
        _ => {}
    }
    redirect_uri::check(violations, uris);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::TypedId as _;
    use crate::viewer::{StaffRole, ViewerKind};
    use uuid::Uuid;

    const ITS_OWN: &[GrantType] = &[GrantType::ClientCredentials];
    const FOR_PEOPLE: &[GrantType] = &[GrantType::AuthorizationCode];

    #[test]
    fn nobody_gives_what_they_do_not_have() {
        let partner = PartnerId::from_uuid(Uuid::nil());
        let viewer =
            |kind, scopes: &str| Viewer::new(kind, Scopes::from_claim(scopes), String::new());
        let staff = viewer(
            ViewerKind::Staff(StaffRole::Admin),
            "clients:manage deals:read",
        );
        assert_eq!(most_scopes(&staff, None, ITS_OWN), staff.scopes());
        assert_eq!(
            most_scopes(&staff, Some(partner), ITS_OWN),
            Scopes::from_claim("deals:read")
        );
        let whole = Viewer::system("tests");
        assert_eq!(
            most_scopes(&whole, Some(partner), ITS_OWN),
            PartnerRole::Software.bounds()
        );
        let all = most_scopes(&whole, Some(partner), FOR_PEOPLE);
        for role in PartnerRole::ALL {
            assert_eq!(role.bounds().within(all), role.bounds());
        }
        assert!(!all.contains(Scope::Admin));
        let own = viewer(
            ViewerKind::Partner(partner, PartnerRole::Admin),
            "clients:manage deals:read deals:write",
        );
        assert_eq!(
            most_scopes(&own, Some(partner), ITS_OWN),
            Scopes::from_claim("deals:read")
        );
        assert_eq!(most_scopes(&own, None, ITS_OWN), Scopes::NONE);
        assert_eq!(most_scopes(&Viewer::nobody(), None, ITS_OWN), Scopes::NONE);
    }

    #[test]
    fn parts_that_do_not_go_together_are_refused() {
        let refused = |method, grants: &[GrantType], uris: &[&str]| {
            let mut violations = Violations::default();
            let uris: Vec<String> = uris.iter().map(|uri| (*uri).to_owned()).collect();
            together(&mut violations, method, grants, &uris);
            violations.finish().is_err()
        };
        let to = &["https://app.example.com/cb"][..];
        use AuthMethod::{ClientSecretBasic, None, PrivateKeyJwt};
        use GrantType::{AuthorizationCode, ClientCredentials, RefreshToken};
        for (method, grants, uris) in [
            (None, &[AuthorizationCode, RefreshToken][..], to),
            (ClientSecretBasic, &[ClientCredentials], &[]),
            (PrivateKeyJwt, &[AuthorizationCode, ClientCredentials], to),
        ] {
            assert!(!refused(method, grants, uris), "{method:?} {grants:?}");
        }
        for (method, grants, uris) in [
            (None, &[][..], &[][..]),
            (None, &[ClientCredentials], &[]),
            (None, &[AuthorizationCode, ClientCredentials], to),
            (None, &[AuthorizationCode], &[]),
            (ClientSecretBasic, &[ClientCredentials], to),
            (ClientSecretBasic, &[RefreshToken], &[]),
            (ClientSecretBasic, &[ClientCredentials, RefreshToken], &[]),
        ] {
            assert!(refused(method, grants, uris), "{method:?} {grants:?}");
        }
    }
}
