//! Which client speaks: in the one way it was registered with, and told nothing when it cannot prove it.

use super::scene::*;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use entities::oauth_client::{self, AuthMethod, GrantType};
use entities::viewer::{Scopes, Viewer};
use std::time::Duration;
use tests::{Answer, TestApp};

const ITSELF: [(&str, &str); 1] = [("grant_type", "client_credentials")];

async fn with_secret(app: &TestApp, id: &str, secret: &str) -> Answer {
    let pair = STANDARD.encode(format!("{id}:{secret}"));
    let request = app.http.post(app.url("/oauth/token")).form(&ITSELF);
    app.send(request.header("authorization", format!("Basic {pair}")))
        .await
}

async fn posted(app: &TestApp, id: &str, secret: &str) -> Answer {
    let form = [ITSELF[0], ("client_id", id), ("client_secret", secret)];
    app.send(app.http.post(app.url("/oauth/token")).form(&form))
        .await
}

#[tokio::test]
async fn software_in_its_own_name_is_its_owners() {
    let app = app().await;
    let acme = company(&app, "Acme").await;
    let theirs = software(&app, Some(acme)).await;
    let said = claims(&tokens(&theirs.exchange(&app, &ITSELF).await).access);
    assert_eq!(
        (&said["viewer_kind"], &said["role"], &said["partner"]),
        (
            &"partner".into(),
            &"PARTNER_SOFTWARE".into(),
            &acme.to_string().into()
        )
    );
    assert_eq!(said["sub"], theirs.id());
    let ours = software(&app, None).await;
    let got = tokens(&ours.exchange(&app, &ITSELF).await);
    assert!(got.refresh.is_empty());
    assert_eq!(got.scope, SCOPE);
    assert_eq!(claims(&got.access)["viewer_kind"], "integration");
    let less = [ITSELF[0], ("scope", "deals:read")];
    assert_eq!(
        tokens(&ours.exchange(&app, &less).await).scope,
        "deals:read"
    );
    let more = [ITSELF[0], ("scope", "deals:read deals:write")];
    refused(&ours.exchange(&app, &more).await, 400, "invalid_scope");
    // What a partner's people may have is not all its software may have by itself.
    let mut input = registration(AuthMethod::ClientSecretBasic, Some(acme));
    input.scopes = Scopes::from_claim("users:manage deals:read");
    let wide = register(&app, input).await;
    assert_eq!(
        tokens(&wide.exchange(&app, &ITSELF).await).scope,
        "deals:read"
    );
    let issued = "SELECT COUNT(*) FROM event WHERE kind = 'oauth_token.issued'";
    assert_eq!(app.number(issued).await, 4);
    app.finish().await;
}

#[tokio::test]
async fn whoever_does_not_prove_it_is_told_the_same() {
    let app = app().await;
    let (basic, post) = (
        software(&app, None).await,
        register(&app, registration(AuthMethod::ClientSecretPost, None)).await,
    );
    let disabled = software(&app, None).await;
    reregistered(&app, &disabled, oauth_client::disable).await;
    let public = register(&app, registration(AuthMethod::None, None)).await;
    let never: entities::id::OAuthClientId = app.database().new_id();
    let never = never.to_string();
    let unproved = [("client_id", basic.id())];
    let bare = app.http.post(app.url("/oauth/token")).form(&ITSELF);
    let named = app.http.post(app.url("/oauth/token"));
    let named = named.form(&[
        ("grant_type", "client_credentials"),
        ("client_id", &unproved[0].1),
    ]);
    let answers = [
        with_secret(&app, &never, &basic.secret).await,
        with_secret(&app, "x", "y").await,
        with_secret(&app, "", "").await,
        with_secret(&app, &basic.id(), "wrong").await,
        with_secret(&app, &basic.id(), "").await,
        with_secret(&app, &basic.id(), &post.secret).await,
        with_secret(&app, &disabled.id(), &disabled.secret).await,
        // The right secret in the way of another method.
        with_secret(&app, &post.id(), &post.secret).await,
        posted(&app, &basic.id(), &basic.secret).await,
        posted(&app, &public.id(), "x").await,
        posted(&app, &never, "x").await,
        app.send(named).await,
        app.send(bare).await,
    ];
    let first = &answers[0];
    for answer in &answers {
        refused(answer, 401, "invalid_client");
        assert_eq!(answer.bytes, first.bytes);
        assert_eq!(answer.header("www-authenticate"), "Basic realm=\"entente\"");
    }
    tokens(&posted(&app, &post.id(), &post.secret).await);
    // Software that keeps no secret has no tokens of its own, though nothing is wrong with its name.
    let id = public.id();
    let form = [ITSELF[0], ("client_id", id.as_str())];
    let answer = app
        .send(app.http.post(app.url("/oauth/token")).form(&form))
        .await;
    refused(&answer, 400, "unauthorized_client");
    let noted = "SELECT COUNT(*) FROM event WHERE kind = 'oauth_client.refused'";
    assert_eq!(app.number(noted).await, 8);
    app.finish().await;
}

#[tokio::test]
async fn more_than_one_way_at_once_or_another_form_is_refused() {
    let app = app().await;
    let client = software(&app, None).await;
    let id = client.id();
    let url = app.url("/oauth/token");
    for (name, value) in [
        ("client_secret", client.secret.as_str()),
        ("client_assertion", "e30.e30."),
        ("client_id", "client_other"),
        ("grant_type", "client_credentials"),
    ] {
        let answer = client.exchange(&app, &[ITSELF[0], (name, value)]).await;
        refused(&answer, 400, "invalid_request");
    }
    let json = serde_json::json!({ "grant_type": "client_credentials" });
    let requests = [
        app.http.post(&url).json(&json),
        app.http.post(&url).body("grant_type=client_credentials"),
        app.http
            .post(&url)
            .header("content-type", "text/plain")
            .body("grant_type=client_credentials"),
        app.http
            .post(format!("{url}?grant_type=client_credentials"))
            .header("content-type", "application/x-www-form-urlencoded"),
    ];
    for request in requests {
        let answer = app
            .send(request.header("authorization", client.basic()))
            .await;
        refused(&answer, 400, "invalid_request");
    }
    let twice = app.http.post(&url).form(&ITSELF);
    let twice = twice
        .header("authorization", client.basic())
        .header("authorization", client.basic());
    refused(&app.send(twice).await, 400, "invalid_request");
    // A name beside the header is no second way, if it is the same.
    tokens(
        &client
            .exchange(&app, &[ITSELF[0], ("client_id", &id)])
            .await,
    );
    app.finish().await;
}

#[tokio::test]
async fn too_many_failures_lock_this_client_from_this_address_for_a_while() {
    let app = app().await;
    let (client, other) = (software(&app, None).await, software(&app, None).await);
    for _ in 0..5 {
        let answer = with_secret(&app, &client.id(), "wrong").await;
        refused(&answer, 401, "invalid_client");
    }
    let locked = client.exchange(&app, &ITSELF).await;
    refused(&locked, 429, "temporarily_unavailable");
    let wait: u64 = locked.header("retry-after").parse().unwrap();
    assert!((1..=16).contains(&wait), "{wait}");
    tokens(&other.exchange(&app, &ITSELF).await);
    app.advance(Duration::from_secs(wait));
    tokens(&client.exchange(&app, &ITSELF).await);
    // The failures are forgotten with the success.
    refused(
        &with_secret(&app, &client.id(), "wrong").await,
        401,
        "invalid_client",
    );
    tokens(&client.exchange(&app, &ITSELF).await);
    // Names that nobody has are counted as one, and never keep anybody else out.
    for n in 0..5 {
        let name = format!("client_{n}");
        refused(
            &with_secret(&app, &name, "wrong").await,
            401,
            "invalid_client",
        );
    }
    let unknown = with_secret(&app, "client_9", "wrong").await;
    refused(&unknown, 429, "temporarily_unavailable");
    tokens(&client.exchange(&app, &ITSELF).await);
    app.finish().await;
}

#[tokio::test]
async fn two_secrets_overlap_for_as_long_as_was_said() {
    let app = app().await;
    let client = software(&app, None).await;
    let before = tokens(&client.exchange(&app, &ITSELF).await);
    let rotate = async |overlap: i64| {
        let mut change = app.change().await;
        let row = oauth_client::find(change.transaction(), client.row.id).await;
        let row = row.unwrap().unwrap();
        let rotated =
            oauth_client::rotate_secret(&mut change, &Viewer::system("tests"), row, overlap).await;
        let (_, secret) = rotated.unwrap();
        change.commit().await.unwrap();
        secrecy::ExposeSecret::expose_secret(&secret).to_owned()
    };
    let second = rotate(3_600_000).await;
    for secret in [&client.secret, &second] {
        tokens(&with_secret(&app, &client.id(), secret).await);
    }
    assert!(opens(&app, &before.access).await);
    app.advance(Duration::from_secs(3_600));
    let old = with_secret(&app, &client.id(), &client.secret).await;
    refused(&old, 401, "invalid_client");
    let got = tokens(&with_secret(&app, &client.id(), &second).await);
    // Without an overlap it had leaked: what was got with it ends too.
    let third = rotate(0).await;
    refused(
        &with_secret(&app, &client.id(), &second).await,
        401,
        "invalid_client",
    );
    assert!(!opens(&app, &got.access).await);
    tokens(&with_secret(&app, &client.id(), &third).await);
    app.finish().await;
}

#[tokio::test]
async fn a_disabled_clients_tokens_end_and_rest() {
    let app = app().await;
    let client = software(&app, None).await;
    let who = staff(&app, entities::viewer::StaffRole::Admin).await;
    let cookie = signed_in(&app, &who).await;
    let got = client.tokens(&app, &cookie).await;
    let own = tokens(&client.exchange(&app, &ITSELF).await);
    reregistered(&app, &client, oauth_client::disable).await;
    assert!(!opens(&app, &got.access).await && !opens(&app, &own.access).await);
    refused(
        &client.refresh(&app, &got.refresh).await,
        401,
        "invalid_client",
    );
    reregistered(&app, &client, async |change, row| {
        oauth_client::enable(change, &Viewer::system("tests"), row).await
    })
    .await;
    assert!(!opens(&app, &got.access).await, "what has ended stays so");
    let again = tokens(&client.refresh(&app, &got.refresh).await);
    assert!(opens(&app, &again.access).await);
    app.finish().await;
}

#[tokio::test]
async fn registration_refuses_what_does_not_go_together() {
    let app = app().await;
    let system = entities::viewer::Viewer::system("tests");
    let usual = || registration(AuthMethod::ClientSecretBasic, None);
    let mut bad = Vec::new();
    let mut add = |field: &'static str, change: fn(&mut entities::oauth_client::NewOAuthClient)| {
        let mut input = usual();
        change(&mut input);
        bad.push((field, input));
    };
    add("name", |input| input.name = " ".to_owned());
    add("scopes", |input| input.scopes = Scopes::NONE);
    add("grantTypes", |input| input.auth_method = AuthMethod::None);
    add("grantTypes", |input| {
        input.grant_types = vec![GrantType::RefreshToken];
    });
    add("redirectUris", |input| input.redirect_uris = Vec::new());
    add("redirectUris", |input| {
        input.redirect_uris = vec!["http://app.example.com/cb".to_owned()];
    });
    add("jwks", |input| {
        input.jwks = Some(serde_json::json!({ "keys": [] }));
    });
    add("jwks", |input| {
        input.auth_method = AuthMethod::PrivateKeyJwt;
    });
    let nobody: entities::id::PartnerId = app.database().new_id();
    let mut of_nobody = usual();
    of_nobody.partner_id = Some(nobody);
    bad.push(("partnerId", of_nobody));
    let acme = company(&app, "Acme").await;
    let mut beyond = registration(AuthMethod::ClientSecretBasic, Some(acme));
    beyond.scopes = Scopes::from_claim("deals:write");
    bad.push(("scopes", beyond));
    for (field, input) in bad {
        let mut change = app.change().await;
        let refused = oauth_client::create(&mut change, &system, input.clone()).await;
        change.rollback().await.unwrap();
        let Err(entities::error::Error::Invalid(violations)) = refused else {
            panic!("{input:?}");
        };
        assert!(
            violations.iter().any(|violation| violation.field == field),
            "{violations:?}"
        );
    }
    app.finish().await;
}
