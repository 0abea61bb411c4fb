//! Clients that prove themselves by a signature: one assertion is believed, and none of the forged ones.

use super::scene::*;
use api::oauth::client_auth::ASSERTION_TYPE;
use api::oauth::keys::{SigningAlgorithm, SigningKey};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use entities::chance::SeededChance;
use entities::oauth_client::AuthMethod;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use tests::{Answer, TestApp};

struct Signer {
    client: Software,
    key: SigningKey,
}

fn key(seed: u64, algorithm: SigningAlgorithm) -> SigningKey {
    SigningKey::generate_for(algorithm, &SeededChance::new(seed)).unwrap()
}

async fn signer(app: &TestApp, algorithm: SigningAlgorithm) -> Signer {
    let key = key(77, algorithm);
    let mut input = registration(AuthMethod::PrivateKeyJwt, None);
    input.jwks = Some(json!({ "keys": [key.public().jwk()] }));
    Signer {
        client: register(app, input).await,
        key,
    }
}

fn part(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

impl Signer {
    fn header(&self) -> Value {
        json!({ "alg": self.key.public().algorithm().as_str(), "kid": self.key.public().kid() })
    }

    fn claims(&self, app: &TestApp, jti: &str) -> Value {
        let now = app.database().now().secs();
        let id = self.client.id();
        json!({ "iss": id, "sub": id, "aud": app.public_url().as_str(), "exp": now + 60, "iat": now, "jti": jti })
    }

    fn signed(&self, header: &Value, claims: &Value) -> String {
        let message = format!("{}.{}", part(header), part(claims));
        format!("{message}.{}", self.key.sign(message.as_bytes()).unwrap())
    }

    fn valid(&self, app: &TestApp, jti: &str) -> String {
        self.signed(&self.header(), &self.claims(app, jti))
    }
}

async fn sent(app: &TestApp, assertion: &str) -> Answer {
    let form = [
        ("grant_type", "client_credentials"),
        ("client_assertion_type", ASSERTION_TYPE),
        ("client_assertion", assertion),
    ];
    app.send(app.http.post(app.url("/oauth/token")).form(&form))
        .await
}

/// An app in which failures are forgotten between two attempts.
async fn patient(app: &TestApp) {
    app.advance(std::time::Duration::from_secs(25 * 3_600));
}

#[tokio::test]
async fn a_right_one_is_believed_once() {
    let app = app().await;
    for algorithm in [SigningAlgorithm::EdDsa, SigningAlgorithm::Es256] {
        let signer = signer(&app, algorithm).await;
        let assertion = signer.valid(&app, "one");
        tokens(&sent(&app, &assertion).await);
        refused(&sent(&app, &assertion).await, 401, "invalid_client");
        // The id counts, not the bytes.
        let mut again = signer.claims(&app, "one");
        again["exp"] = (again["exp"].as_i64().unwrap() + 1).into();
        let again = signer.signed(&signer.header(), &again);
        refused(&sent(&app, &again).await, 401, "invalid_client");
        // The token's address is us as well, and a list of us is us.
        let token = app.public_url().at("/oauth/token");
        for (n, aud) in [json!(token), json!([app.public_url().as_str(), token])]
            .into_iter()
            .enumerate()
        {
            let mut claims = signer.claims(&app, &format!("aud{n}"));
            claims["aud"] = aud;
            tokens(&sent(&app, &signer.signed(&signer.header(), &claims)).await);
        }
    }
    app.finish().await;
}

#[tokio::test]
async fn at_once_it_is_believed_once_too() {
    let app = app().await;
    let signer = signer(&app, SigningAlgorithm::EdDsa).await;
    let assertion = signer.valid(&app, "one");
    let answers = futures::future::join_all((0..20).map(|_| sent(&app, &assertion))).await;
    let believed = answers.iter().filter(|answer| answer.status == 200).count();
    assert_eq!(believed, 1);
    app.finish().await;
}

#[tokio::test]
async fn no_forged_one_is_believed() {
    let app = app().await;
    let signer = signer(&app, SigningAlgorithm::Es256).await;
    let other = self::signer(&app, SigningAlgorithm::EdDsa).await;
    let stranger = key(78, SigningAlgorithm::Es256);
    let count = {
        let claims = |jti: &str| signer.claims(&app, jti);
        forgeries(&app, &signer, &other, &stranger, &claims).len()
    };
    assert!(count >= 40, "{count}");
    for n in 0..count {
        let claims = |jti: &str| signer.claims(&app, jti);
        let forged = forgeries(&app, &signer, &other, &stranger, &claims);
        let (name, assertion) = &forged[n];
        let answer = sent(&app, assertion).await;
        assert_eq!(answer.status, 401, "{name}: {answer}");
        assert_eq!(answer.body["error"], "invalid_client", "{name}");
        patient(&app).await;
    }
    tokens(&sent(&app, &signer.valid(&app, "right")).await);
    app.finish().await;
}

fn forgeries(
    app: &TestApp,
    signer: &Signer,
    other: &Signer,
    stranger: &SigningKey,
    claims: &dyn Fn(&str) -> Value,
) -> Vec<(String, String)> {
    let now = app.database().now().secs();
    let mut forged: Vec<(String, String)> = Vec::new();
    let mut add = |name: &str, assertion: String| forged.push((name.to_owned(), assertion));
    let right = signer.valid(app, "forged");
    let parts: Vec<&str> = right.split('.').collect();
    // Claims that do not hold.
    for (name, value) in [
        ("iss", json!("client_other")),
        ("iss", json!(other.client.id())),
        ("iss", Value::Null),
        ("sub", json!(other.client.id())),
        ("sub", json!("")),
        ("aud", json!("https://elsewhere.example")),
        ("aud", json!(format!("{}/", app.public_url().as_str()))),
        ("aud", json!(app.public_url().audience())),
        (
            "aud",
            json!([app.public_url().as_str(), "https://elsewhere.example"]),
        ),
        ("aud", json!([])),
        ("aud", json!([[app.public_url().as_str()]])),
        ("aud", Value::Null),
        ("exp", json!(now)),
        ("exp", json!(now - 1)),
        ("exp", json!(now + 86_400)),
        ("exp", json!((now + 60).to_string())),
        ("exp", Value::Null),
        ("iat", json!(now + 3_000)),
        ("nbf", json!(now + 3_000)),
        ("jti", json!("")),
        ("jti", json!("x".repeat(201))),
        ("jti", json!("a\0b")),
        ("jti", json!(7)),
        ("jti", Value::Null),
    ] {
        let mut changed = claims("forged");
        changed[name] = value.clone();
        let assertion = signer.signed(&signer.header(), &changed);
        add(&format!("{name} is {value}"), assertion);
        let mut without = claims("forged");
        without.as_object_mut().unwrap().remove(name);
        if !matches!(name, "iat" | "nbf") {
            add(
                &format!("without {name}"),
                signer.signed(&signer.header(), &without),
            );
        }
    }
    // Headers that would have another key or none verify.
    for (name, value) in [
        ("alg", json!("none")),
        ("alg", json!("HS256")),
        ("alg", json!("RS256")),
        ("alg", json!("EdDSA")),
        ("alg", json!("es256")),
        ("alg", Value::Null),
        ("kid", json!("another")),
        ("kid", json!(7)),
        ("crit", json!(["b64"])),
    ] {
        let mut header = signer.header();
        header[name] = value.clone();
        add(
            &format!("header {name} {value}"),
            signer.signed(&header, &claims("forged")),
        );
    }
    // Keys that are not the client's, sent along or not.
    let message = format!("{}.{}", parts[0], parts[1]);
    add(
        "a stranger's key",
        format!("{message}.{}", stranger.sign(message.as_bytes()).unwrap()),
    );
    let mut header = signer.header();
    header["jwk"] = stranger.public().jwk().clone();
    let with_key = format!("{}.{}", part(&header), parts[1]);
    let by_stranger = stranger.sign(with_key.as_bytes()).unwrap();
    add("a key in the header", format!("{with_key}.{by_stranger}"));
    add(
        "another client's key",
        other.signed(&other.header(), &claims("forged")),
    );
    // A public key is no shared secret.
    let header = part(&json!({ "alg": "HS256", "kid": signer.key.public().kid() }));
    let message = format!("{header}.{}", parts[1]);
    let secret = signer.key.public().jwk().to_string();
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(message.as_bytes());
    let tag = URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes());
    add(
        "the public key as a shared secret",
        format!("{message}.{tag}"),
    );
    // Pieces.
    add("without signature", format!("{}.{}.", parts[0], parts[1]));
    add("a part short", format!("{}.{}", parts[0], parts[1]));
    add("a part long", format!("{right}.x"));
    add("padded", format!("{right}=="));
    add("nothing", "..".to_owned());
    add("no token", "x".to_owned());
    let zeros = URL_SAFE_NO_PAD.encode([0; 64]);
    add(
        "a signature of zeros",
        format!("{}.{}.{zeros}", parts[0], parts[1]),
    );
    forged
}

#[tokio::test]
async fn the_key_does_not_open_the_other_ways() {
    let app = app().await;
    let signer = signer(&app, SigningAlgorithm::EdDsa).await;
    let id = signer.client.id();
    let form = [("grant_type", "client_credentials"), ("client_id", &id)];
    let url = app.url("/oauth/token");
    refused(
        &app.send(app.http.post(&url).form(&form)).await,
        401,
        "invalid_client",
    );
    let secret = [form[0], form[1], ("client_secret", "")];
    refused(
        &app.send(app.http.post(&url).form(&secret)).await,
        401,
        "invalid_client",
    );
    let assertion = signer.valid(&app, "one");
    for kind in [
        "",
        "urn:ietf:params:oauth:client-assertion-type:saml2-bearer",
    ] {
        let form = [
            ("grant_type", "client_credentials"),
            ("client_assertion_type", kind),
            ("client_assertion", &assertion),
        ];
        refused(
            &app.send(app.http.post(&url).form(&form)).await,
            400,
            "invalid_request",
        );
    }
    app.finish().await;
}
