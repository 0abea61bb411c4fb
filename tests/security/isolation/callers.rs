//! Who may come in on each side of the world: its people, its software, what its people allow that software, and its own sign-in.

use crate::mirror::Side;
use api::people::provider::seal_secret;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use entities::change::Change;
use entities::identity_provider::{self, NewIdentityProvider};
use entities::oauth_client::{self, AuthMethod, GrantType, NewOAuthClient};
use entities::oauth_grant;
use entities::user::{self, NewUser, UserRole};
use entities::viewer::{PartnerRole, Scopes, Viewer};
use serde_json::json;
use tests::TestApp;

/// What of it is asked by its id.
pub struct Callers {
    /// Somebody who came.
    pub user: user::Model,
    /// Software, which is no longer used.
    pub client: oauth_client::Model,
    /// The organisation's own sign-in.
    pub provider: identity_provider::Model,
}

/// Makes them.
pub async fn of_side(app: &TestApp, change: &mut Change, side: &Side) -> Callers {
    let mark = side.mark;
    let lower = mark.to_lowercase();
    let mut people = Vec::new();
    for role in [PartnerRole::Admin, PartnerRole::Rep] {
        let input = NewUser {
            role: UserRole::Partner(side.partner.id, role),
            name: format!("{mark} {}", role.as_str()),
            email: format!("{lower}-{}@sign-in.example", role.as_str().to_lowercase()),
        };
        let invited = user::invite(change, input).await.unwrap();
        people.push(user::activate(change, invited, None).await.unwrap());
    }
    let software = |name: &str| NewOAuthClient {
        name: format!("{mark} {name}"),
        partner_id: Some(side.partner.id),
        auth_method: AuthMethod::PrivateKeyJwt,
        redirect_uris: vec![format!("https://{lower}.example/callback")],
        grant_types: vec![GrantType::AuthorizationCode, GrantType::RefreshToken],
        scopes: Scopes::from_claim("deals:read"),
        jwks: Some(json!({ "keys": [{
            "kty": "OKP", "crv": "Ed25519", "kid": format!("{mark} key"), "x": URL_SAFE_NO_PAD.encode([7; 32]),
        }] })),
    };
    let system = Viewer::system("world");
    oauth_client::create(change, &system, software("software"))
        .await
        .unwrap();
    let old = software("software of old");
    let (client, _) = oauth_client::create(change, &system, old).await.unwrap();
    let scopes = client.scopes();
    oauth_grant::create(change, &client, people[0].id, scopes)
        .await
        .unwrap();
    let id = change.new_id();
    let secret = format!("{mark} secret of the provider").into();
    let input = NewIdentityProvider {
        id,
        partner_id: side.partner.id,
        name: format!("{mark} sign-in"),
        issuer: format!("https://{lower}-issuer.example"),
        client_id: format!("{mark} client of the provider"),
        sealed_secret: seal_secret(&app.state.core.vault, id, &secret).unwrap(),
        domains: vec![format!("{lower}-people.example")],
    };
    let provider = identity_provider::create(change, input).await.unwrap();
    Callers {
        user: people.remove(0),
        client,
        provider,
    }
}
