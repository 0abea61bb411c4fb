//! How tokens end before their time, and who is told what a token is.

use super::scene::*;
use api::oauth::revocation;
use entities::oauth_client::{self, AuthMethod};
use entities::user::{self, UserRole};
use entities::viewer::StaffRole;
use serde_json::json;
use std::time::{Duration, Instant};
use tests::{Answer, TestApp};

async fn told(app: &TestApp, client: &Software, token: &str) -> Answer {
    client
        .post(app, "/oauth/introspect", &[("token", token)])
        .await
}

async fn ended(app: &TestApp, client: &Software, token: &str) {
    let answer = client.post(app, "/oauth/revoke", &[("token", token)]).await;
    assert_eq!((answer.status, answer.bytes.len()), (200, 0), "{answer}");
}

#[tokio::test]
async fn a_client_ends_its_own_tokens_and_no_others() {
    let app = app().await;
    let (client, other) = (software(&app, None).await, software(&app, None).await);
    let cookie = signed_in(&app, &staff(&app, StaffRole::Admin).await).await;
    let got = client.tokens(&app, &cookie).await;
    for token in [&got.access, &got.refresh, &"nothing".to_owned()] {
        ended(&app, &other, token).await;
    }
    assert!(opens(&app, &got.access).await);
    // One access token ends alone.
    ended(&app, &client, &got.access).await;
    assert!(!opens(&app, &got.access).await);
    let next = tokens(&client.refresh(&app, &got.refresh).await);
    assert!(opens(&app, &next.access).await);
    // A refresh token ends with everything of its grant, and ending again is no error.
    ended(&app, &client, &next.refresh).await;
    ended(&app, &client, &next.refresh).await;
    assert!(!opens(&app, &next.access).await);
    refused(
        &client.refresh(&app, &next.refresh).await,
        400,
        "invalid_grant",
    );
    let empty = client.post(&app, "/oauth/revoke", &[]).await;
    refused(&empty, 400, "invalid_request");
    let mine = other
        .exchange(&app, &[("grant_type", "client_credentials")])
        .await;
    let mine = tokens(&mine);
    ended(&app, &other, &mine.access).await;
    assert!(!opens(&app, &mine.access).await);
    app.finish().await;
}

#[tokio::test]
async fn only_its_own_client_and_the_owners_software_learn_what_a_token_is() {
    let app = app().await;
    let (acme, rival) = (company(&app, "Acme").await, company(&app, "Rival").await);
    let client = software(&app, Some(acme)).await;
    let sibling = software(&app, Some(acme)).await;
    let stranger = software(&app, Some(rival)).await;
    let owner = software(&app, None).await;
    let cookie = signed_in(&app, &partner_admin(&app, acme).await).await;
    let got = client.tokens(&app, &cookie).await;
    let answer = told(&app, &client, &got.access).await;
    let said = claims(&got.access);
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(answer.body["active"], true);
    for name in [
        "iss",
        "aud",
        "sub",
        "client_id",
        "scope",
        "iat",
        "exp",
        "jti",
    ] {
        assert_eq!(answer.body[name], said[name], "{name}");
    }
    assert_eq!(told(&app, &owner, &got.access).await.body["active"], true);
    let refresh = told(&app, &client, &got.refresh).await;
    assert_eq!(refresh.body["active"], true);
    assert!(refresh.body["exp"].as_i64() > said["exp"].as_i64());
    let nothing = json!({ "active": false });
    for (who, token) in [
        (&sibling, &got.access),
        (&stranger, &got.access),
        (&sibling, &got.refresh),
        (&stranger, &got.refresh),
        (&owner, &got.refresh),
        (&client, &"nothing".to_owned()),
    ] {
        assert_eq!(told(&app, who, token).await.body, nothing);
    }
    ended(&app, &client, &got.refresh).await;
    for token in [&got.access, &got.refresh] {
        assert_eq!(told(&app, &client, token).await.body, nothing);
    }
    let public = register(&app, registration(AuthMethod::None, None)).await;
    let id = public.id();
    let form = [("token", got.access.as_str()), ("client_id", &id)];
    let request = app.http.post(app.url("/oauth/introspect")).form(&form);
    refused(&app.send(request).await, 401, "invalid_client");
    app.finish().await;
}

/// Waits until a node refuses a token, and fails when that takes longer than is promised.
async fn refused_within_five_seconds(node: &TestApp, token: &str, what: &str) {
    let began = Instant::now();
    while opens(node, token).await {
        assert!(began.elapsed() < Duration::from_secs(5), "{what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn another_process_knows_within_five_seconds() {
    let app = app().await;
    let node = app.another_node().await;
    let watching = tokio::spawn(revocation::watch(node.database().clone()));
    let client = software(&app, None).await;
    let who = staff(&app, StaffRole::Admin).await;
    let got = async || {
        let cookie = signed_in(&app, &who).await;
        client.tokens(&app, &cookie).await
    };
    let (token, grant, role) = (got().await, got().await, got().await);
    for tokens in [&token, &grant, &role] {
        assert!(opens(&node, &tokens.access).await, "and remembers it");
    }
    ended(&app, &client, &token.access).await;
    assert!(
        !opens(&app, &token.access).await,
        "at once where it was ended"
    );
    refused_within_five_seconds(&node, &token.access, "a token").await;
    assert!(opens(&node, &grant.access).await);
    ended(&app, &client, &grant.refresh).await;
    refused_within_five_seconds(&node, &grant.access, "a grant").await;
    assert!(opens(&node, &role.access).await);
    // One that is not the last administrator becomes something else.
    let _ = staff(&app, StaffRole::Admin).await;
    changed(&app, &who, async |change, row| {
        user::set_role(change, row, UserRole::Staff(StaffRole::Marketing)).await
    })
    .await;
    refused_within_five_seconds(&node, &role.access, "a person").await;
    let own = client
        .exchange(&app, &[("grant_type", "client_credentials")])
        .await;
    let own = tokens(&own);
    assert!(opens(&node, &own.access).await);
    reregistered(&app, &client, oauth_client::disable).await;
    refused_within_five_seconds(&node, &own.access, "a client").await;
    // A process that starts now knows all of it from the beginning.
    let late = app.another_node().await;
    for tokens in [&token, &grant, &role, &own] {
        assert!(!opens(&late, &tokens.access).await);
    }
    watching.abort();
    late.end().await;
    node.end().await;
    app.finish().await;
}

#[tokio::test]
async fn knowing_costs_no_statement() {
    let app = app().await;
    let client = software(&app, None).await;
    let cookie = signed_in(&app, &staff(&app, StaffRole::Admin).await).await;
    let (kept, lost) = (
        client.tokens(&app, &cookie).await,
        client.tokens(&app, &cookie).await,
    );
    ended(&app, &client, &lost.access).await;
    let _ = app.statements().take();
    assert!(opens(&app, &kept.access).await);
    assert!(!opens(&app, &lost.access).await);
    assert_eq!(app.statements().take(), Vec::<String>::new());
    app.finish().await;
}

#[tokio::test]
async fn what_is_no_longer_needed_is_thrown_away() {
    let app = app().await;
    let client = software(&app, None).await;
    let cookie = signed_in(&app, &staff(&app, StaffRole::Admin).await).await;
    let got = client.tokens(&app, &cookie).await;
    ended(&app, &client, &got.access).await;
    app.advance(Duration::from_secs(700));
    let next = tokens(&client.refresh(&app, &got.refresh).await);
    ended(&app, &client, &next.access).await;
    assert_eq!(app.number("SELECT COUNT(*) FROM token_revocation").await, 1);
    assert_eq!(app.database().revocations().len(), 1);
    app.finish().await;
}
