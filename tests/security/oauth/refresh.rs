//! Refresh tokens: each is good once, and never for more than was allowed.

use super::scene::*;
use entities::oauth_client::{self, GrantType, OAuthClientPatch};
use entities::user::{self, UserRole};
use entities::viewer::{PartnerRole, Scopes, StaffRole, Viewer};
use futures::future::join_all;
use std::time::Duration;

#[tokio::test]
async fn each_is_exchanged_for_the_next_and_the_second_use_ends_the_family() {
    let app = app().await;
    let client = software(&app, None).await;
    let cookie = signed_in(&app, &staff(&app, StaffRole::Admin).await).await;
    let first = client.tokens(&app, &cookie).await;
    let second = tokens(&client.refresh(&app, &first.refresh).await);
    let third = tokens(&client.refresh(&app, &second.refresh).await);
    assert!(opens(&app, &first.access).await && opens(&app, &third.access).await);
    // Another family of the same person with the same software is not concerned.
    let other = client.tokens(&app, &cookie).await;
    refused(
        &client.refresh(&app, &first.refresh).await,
        400,
        "invalid_grant",
    );
    for token in [&first, &second, &third] {
        assert!(!opens(&app, &token.access).await);
        refused(
            &client.refresh(&app, &token.refresh).await,
            400,
            "invalid_grant",
        );
    }
    assert!(opens(&app, &other.access).await);
    tokens(&client.refresh(&app, &other.refresh).await);
    app.finish().await;
}

#[tokio::test]
async fn of_many_at_once_one_succeeds_and_the_family_ends() {
    let app = app().await;
    let client = software(&app, None).await;
    let cookie = signed_in(&app, &staff(&app, StaffRole::Admin).await).await;
    let first = client.tokens(&app, &cookie).await;
    let answers = join_all((0..50).map(|_| client.refresh(&app, &first.refresh))).await;
    let won: Vec<_> = answers
        .iter()
        .filter(|answer| answer.status == 200)
        .collect();
    assert_eq!(won.len(), 1);
    let got = tokens(won[0]);
    assert!(!opens(&app, &got.access).await);
    refused(
        &client.refresh(&app, &got.refresh).await,
        400,
        "invalid_grant",
    );
    app.finish().await;
}

#[tokio::test]
async fn the_scope_never_widens() {
    let app = app().await;
    let client = software(&app, None).await;
    let cookie = signed_in(&app, &staff(&app, StaffRole::Admin).await).await;
    let request = client.request_with("scope", "partners:read deals:read");
    let code = parameter(&agreed(&app, &cookie, &request).await, "code").unwrap();
    let mut got = tokens(&client.redeem(&app, &code).await);
    assert_eq!(got.scope, "partners:read deals:read");
    let with_scope = async |token: &str, scope: &str| {
        let form = [
            ("grant_type", "refresh_token"),
            ("refresh_token", token),
            ("scope", scope),
        ];
        client.exchange(&app, &form).await
    };
    for more in [
        "registrations:submit",
        "partners:read registrations:submit",
        "deals:write",
        "admin",
        "made:up",
    ] {
        refused(&with_scope(&got.refresh, more).await, 400, "invalid_scope");
    }
    // Less is had when it is asked for, and what was allowed comes back afterwards, and no more.
    got = tokens(&with_scope(&got.refresh, "deals:read").await);
    assert_eq!(got.scope, "deals:read");
    assert_eq!(claims(&got.access)["scope"], "deals:read");
    got = tokens(&client.refresh(&app, &got.refresh).await);
    assert_eq!(got.scope, "partners:read deals:read");
    // Nor does it when the software may have more by now.
    reregistered(&app, &client, async |change, row| {
        let patch = OAuthClientPatch {
            scopes: Some(Scopes::all()),
            ..OAuthClientPatch::default()
        };
        oauth_client::update(change, &Viewer::system("tests"), row, patch).await
    })
    .await;
    got = tokens(&client.refresh(&app, &got.refresh).await);
    assert_eq!(got.scope, "partners:read deals:read");
    // And it shrinks with what the software may have.
    reregistered(&app, &client, async |change, row| {
        let patch = OAuthClientPatch {
            scopes: Some(Scopes::from_claim("deals:read")),
            ..OAuthClientPatch::default()
        };
        oauth_client::update(change, &Viewer::system("tests"), row, patch).await
    })
    .await;
    assert!(
        !opens(&app, &got.access).await,
        "it said more than may be had"
    );
    got = tokens(&client.refresh(&app, &got.refresh).await);
    assert_eq!(got.scope, "deals:read");
    app.finish().await;
}

#[tokio::test]
async fn it_shrinks_and_ends_with_the_person() {
    let app = app().await;
    let acme = company(&app, "Acme").await;
    let client = software(&app, Some(acme)).await;
    let who = partner_admin(&app, acme).await;
    let cookie = signed_in(&app, &who).await;
    let mut got = client.tokens(&app, &cookie).await;
    assert_eq!(got.scope, SCOPE);
    changed(&app, &who, async |change, row| {
        user::set_role(change, row, UserRole::Partner(acme, PartnerRole::Viewer)).await
    })
    .await;
    assert!(!opens(&app, &got.access).await, "of another role");
    got = tokens(&client.refresh(&app, &got.refresh).await);
    assert_eq!(got.scope, "partners:read deals:read");
    assert_eq!(claims(&got.access)["role"], "PARTNER_VIEWER");
    assert!(opens(&app, &got.access).await);
    changed(&app, &who, user::disable).await;
    assert!(!opens(&app, &got.access).await);
    refused(
        &client.refresh(&app, &got.refresh).await,
        400,
        "invalid_grant",
    );
    app.finish().await;
}

#[tokio::test]
async fn it_is_its_clients_alone_and_rests_for_a_month_at_most() {
    let app = app().await;
    let (client, thief) = (software(&app, None).await, software(&app, None).await);
    let cookie = signed_in(&app, &staff(&app, StaffRole::Admin).await).await;
    let mut got = client.tokens(&app, &cookie).await;
    refused(
        &thief.refresh(&app, &got.refresh).await,
        400,
        "invalid_grant",
    );
    got = tokens(&client.refresh(&app, &got.refresh).await);
    app.advance(Duration::from_secs(30 * 24 * 3_600 - 60));
    got = tokens(&client.refresh(&app, &got.refresh).await);
    app.advance(Duration::from_secs(30 * 24 * 3_600));
    refused(
        &client.refresh(&app, &got.refresh).await,
        400,
        "invalid_grant",
    );
    app.finish().await;
}

#[tokio::test]
async fn software_that_was_not_registered_for_it_gets_none() {
    let app = app().await;
    let mut input = registration(entities::oauth_client::AuthMethod::ClientSecretBasic, None);
    input.grant_types = vec![GrantType::AuthorizationCode];
    let client = register(&app, input).await;
    let cookie = signed_in(&app, &staff(&app, StaffRole::Admin).await).await;
    let got = client.tokens(&app, &cookie).await;
    assert!(got.refresh.is_empty());
    refused(&client.refresh(&app, "x").await, 400, "unauthorized_client");
    let own = [("grant_type", "client_credentials")];
    refused(
        &client.exchange(&app, &own).await,
        400,
        "unauthorized_client",
    );
    app.finish().await;
}
