//! Signing keys change without anybody noticing: tokens of the one before go on until they end, and every process knows a key before it signs.

use super::scene::*;
use api::state::keys;
use entities::signing_key::{self, PUBLISHED_BEFORE_MILLIS};
use std::time::Duration;
use tests::TestApp;

/// What a process does every quarter of a minute.
async fn look_again(app: &TestApp) {
    let core = &app.state.core;
    let ring = keys::load(&core.database, &core.vault, core.chance.as_ref()).await;
    let ring = ring.unwrap();
    if ring.jwks() != app.state.tokens.keys().jwks() {
        app.state.tokens.replace_keys(ring);
    }
}

async fn rotate(app: &TestApp, compromised: bool) -> String {
    let core = &app.state.core;
    let chance = core.chance.as_ref();
    let rotated = keys::rotate(&core.database, &core.vault, chance, compromised).await;
    rotated.unwrap().0
}

async fn published(app: &TestApp) -> Vec<String> {
    let answer = app.get("/.well-known/jwks.json", &[]).await;
    assert_eq!(answer.status, 200, "{answer}");
    let keys = answer.body["keys"].as_array().unwrap();
    assert!(keys.iter().all(|key| key.get("d").is_none()));
    keys.iter()
        .map(|key| key["kid"].as_str().unwrap().to_owned())
        .collect()
}

fn signer(token: &str) -> String {
    use base64::Engine;
    let header = token.split('.').next().unwrap();
    let header = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(header);
    let header: serde_json::Value = serde_json::from_slice(&header.unwrap()).unwrap();
    header["kid"].as_str().unwrap().to_owned()
}

async fn own_token(app: &TestApp, client: &Software) -> String {
    let answer = client
        .exchange(app, &[("grant_type", "client_credentials")])
        .await;
    tokens(&answer).access
}

#[tokio::test]
async fn a_key_is_published_before_it_signs_and_verifies_after() {
    let app = app().await;
    let node = app.another_node().await;
    let client = software(&app, None).await;
    let old = published(&app).await;
    assert_eq!(old.len(), 1);
    let before = own_token(&app, &client).await;
    let new = rotate(&app, false).await;
    assert_eq!(published(&app).await, old, "nobody has looked yet");
    for each in [&app, &node] {
        look_again(each).await;
        assert_eq!(published(each).await, [old[0].clone(), new.clone()]);
    }
    assert_eq!(signer(&own_token(&app, &client).await), old[0]);
    app.advance(Duration::from_millis(
        PUBLISHED_BEFORE_MILLIS.unsigned_abs(),
    ));
    look_again(&app).await;
    // One process signs by the new key, the other does not know yet; each knows the other's tokens.
    let after = own_token(&app, &client).await;
    let late = own_token(&node, &client).await;
    assert_eq!(
        (signer(&after), signer(&late)),
        (new.clone(), old[0].clone())
    );
    for token in [&before, &after, &late] {
        assert!(opens(&app, token).await && opens(&node, token).await);
    }
    look_again(&node).await;
    assert_eq!(signer(&own_token(&node, &client).await), new);
    // When the last token of the old key has ended it goes.
    app.advance(Duration::from_secs(600));
    look_again(&app).await;
    assert_eq!(published(&app).await.len(), 2);
    app.advance(Duration::from_secs(120));
    look_again(&app).await;
    assert_eq!(published(&app).await, std::slice::from_ref(&new));
    let third = rotate(&app, false).await;
    let rows = signing_key::list(app.database()).await.unwrap();
    let kept: Vec<_> = rows.iter().map(|row| row.kid.clone()).collect();
    assert_eq!(kept, [third, new], "the one before was thrown away");
    let noted = "SELECT COUNT(*) FROM event WHERE kind = 'signing_key.rotated'";
    assert_eq!(app.number(noted).await, 2);
    node.end().await;
    app.finish().await;
}

#[tokio::test]
async fn a_long_token_keeps_its_key() {
    let app = app().await;
    let request = api::oauth::token::TokenRequest {
        subject: "tests".to_owned(),
        client_id: "tests".to_owned(),
        kind: entities::viewer::ViewerKind::Integration,
        scopes: entities::viewer::Scopes::all(),
        lifetime_seconds: 48 * 3_600,
        basis: api::oauth::token::Basis::default(),
    };
    let core = &app.state.core;
    let chance = core.chance.as_ref();
    let long = keys::issue_long(&core.database, &app.state.tokens, &request, chance).await;
    let long = secrecy::ExposeSecret::expose_secret(&long.unwrap()).to_owned();
    rotate(&app, false).await;
    app.advance(Duration::from_secs(47 * 3_600));
    look_again(&app).await;
    assert!(opens(&app, &long).await);
    app.advance(Duration::from_secs(3_600));
    assert!(!opens(&app, &long).await);
    app.advance(Duration::from_secs(120));
    look_again(&app).await;
    assert_eq!(published(&app).await.len(), 1);
    app.finish().await;
}

#[tokio::test]
async fn a_key_in_wrong_hands_is_worth_nothing_at_once() {
    let app = app().await;
    let client = software(&app, None).await;
    let before = own_token(&app, &client).await;
    assert!(opens(&app, &before).await);
    let new = rotate(&app, true).await;
    look_again(&app).await;
    assert_eq!(published(&app).await, std::slice::from_ref(&new));
    assert!(!opens(&app, &before).await);
    let after = own_token(&app, &client).await;
    assert_eq!(signer(&after), new);
    assert!(opens(&app, &after).await);
    app.finish().await;
}

#[tokio::test]
async fn the_command_line_rotates_and_lists() {
    let database = tests::TestDatabase::make().await;
    let key = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    let run = async |arguments: &[&str]| {
        let variables = [
            ("ENTENTE_DATABASE_URL", database.url()),
            ("ENTENTE_VAULT_KEY", key),
            ("ENTENTE_PUBLIC_URL", "https://entente.example"),
        ];
        let ended = tests::entente(arguments, database.folder(), &variables)
            .ended()
            .await;
        assert_eq!(ended.code, Some(0), "{arguments:?}: {ended:?}");
        ended.out
    };
    let stages = async || -> Vec<(String, String)> {
        let listed = run(&["keys", "list"]).await;
        let lines = listed.lines().map(|line| line.split_once(' ').unwrap());
        lines
            .map(|(kid, stage)| (kid.to_owned(), stage.to_owned()))
            .collect()
    };
    assert!(run(&["keys", "list"]).await.contains("There is no key yet"));
    let token = run(&["token", "--scope", "deals:read", "--hours", "48"]).await;
    let first = stages().await;
    assert_eq!(first, [(signer(token.trim()), "signs".to_owned())]);
    let said = run(&["keys", "rotate"]).await;
    let two = stages().await;
    assert_eq!(two.len(), 2, "{two:?}");
    assert!(said.starts_with(&two[0].0) && two[0].1.starts_with("published, signs from"));
    assert_eq!(two[1], first[0]);
    let said = run(&["keys", "rotate", "--compromised"]).await;
    assert_eq!(said.matches("was thrown away").count(), 2, "{said}");
    let left = stages().await;
    assert_eq!(left.len(), 1, "{left:?}");
    assert_eq!(left[0].1, "signs");
}
