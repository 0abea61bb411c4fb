//! Every token that is not valid gets the same 401, to the byte: whoever tries learns that it is bad, never why.

use crate::forgery::{Parts, encoded, sign};
use api::oauth::keys::{SigningAlgorithm, SigningKey};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use entities::chance::SeededChance;
use entities::viewer::{PartnerRole, StaffRole};
use reqwest::header::HeaderMap;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use tests::{Answer, Options, TestApp};

const QUERY: &str = r#"{"query":"{ __typename }"}"#;

/// What of an answer may not differ: everything but the date.
fn shown(answer: &Answer) -> (u16, Vec<(String, String)>, String) {
    let mut headers: Vec<(String, String)> = answer
        .headers
        .iter()
        .filter(|(name, _)| *name != "date")
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
        .collect();
    headers.sort();
    (
        answer.status,
        headers,
        String::from_utf8(answer.bytes.clone()).unwrap(),
    )
}

/// Sends a query with these values of the `Authorization` header, under a request id that is always the same.
async fn sent(app: &TestApp, path: &str, authorization: &[String]) -> Answer {
    let mut headers = HeaderMap::new();
    for value in authorization {
        headers.append("authorization", value.parse().unwrap());
    }
    let request = app
        .http
        .post(app.url(path))
        .header("x-request-id", "always-this")
        .header("content-type", "application/json");
    app.send(request.headers(headers).body(QUERY)).await
}

fn claims_that_do_not_hold(app: &TestApp) -> Vec<(String, String)> {
    let valid = || Parts::valid(app);
    let now = app.database().now().secs();
    let mut bad: Vec<(String, Parts)> = Vec::new();
    let mut add = |name: &str, parts: Parts| bad.push((name.to_owned(), parts));
    for (name, exp) in [
        ("a second ago", json!(now - 1)),
        ("now", json!(now)),
        ("long ago", json!(1)),
        ("before its issue", json!(now - 11)),
        ("text", json!("9999999999")),
        ("null", Value::Null),
        ("fraction", json!(1e18)),
        ("list", json!([now + 60])),
        ("too large", json!(u64::MAX)),
    ] {
        add(&format!("exp {name}"), valid().claim("exp", exp));
    }
    add(
        "not yet issued",
        valid().claim("iat", now + 3_000).claim("exp", now + 6_000),
    );
    add("iat text", valid().claim("iat", "0"));
    add("nbf later", valid().claim("nbf", now + 300));
    add("nbf null", valid().claim("nbf", Value::Null));
    add("nbf text", valid().claim("nbf", "0"));
    let issuer = app.public_url().as_str();
    for (name, iss) in [
        ("other", json!("https://elsewhere.example")),
        ("slash", json!(format!("{issuer}/"))),
        ("upper case", json!(issuer.to_uppercase())),
        ("empty", json!("")),
        ("list", json!([issuer])),
    ] {
        add(&format!("iss {name}"), valid().claim("iss", iss));
    }
    for (name, aud) in [
        ("other", json!("https://elsewhere.example/graphql")),
        ("the issuer", json!(issuer)),
        ("empty", json!("")),
        ("null", Value::Null),
        ("longer", json!(format!("{issuer}/graphql/"))),
    ] {
        add(&format!("aud {name}"), valid().claim("aud", aud));
    }
    for name in [
        "iss",
        "aud",
        "sub",
        "client_id",
        "iat",
        "exp",
        "jti",
        "scope",
        "viewer_kind",
        "role",
        "subject_epoch",
        "client_epoch",
    ] {
        add(&format!("without {name}"), valid().without(name));
    }
    for name in ["sub", "client_id", "jti"] {
        add(&format!("empty {name}"), valid().claim(name, ""));
        add(&format!("{name} a number"), valid().claim(name, 7));
    }
    add(
        "scope list",
        valid().claim("scope", json!(["partners:read"])),
    );
    add("scope null", valid().claim("scope", Value::Null));
    for kind in ["system", "nobody", "STAFF", "admin", "", "Staff"] {
        add(
            &format!("viewer_kind {kind:?}"),
            valid().claim("viewer_kind", kind),
        );
    }
    for role in ["admin", "ROOT", "", "SYSTEM"] {
        add(&format!("role {role:?}"), valid().claim("role", role));
    }
    add("role null", valid().claim("role", Value::Null));
    let partner: entities::id::PartnerId = app.database().new_id();
    add(
        "staff with a partner",
        valid().claim("partner", partner.to_string()),
    );
    add(
        "a partner without its id",
        valid()
            .claim("role", "PARTNER_ADMIN")
            .claim("viewer_kind", "partner"),
    );
    add(
        "a partner without a role",
        valid()
            .without("role")
            .claim("viewer_kind", "partner")
            .claim("partner", partner.to_string()),
    );
    add(
        "a partner with a role of staff",
        valid()
            .claim("viewer_kind", "partner")
            .claim("partner", partner.to_string()),
    );
    add(
        "a partner null",
        valid()
            .claim("role", "PARTNER_ADMIN")
            .claim("viewer_kind", "partner")
            .claim("partner", Value::Null),
    );
    add(
        "a partner of another kind",
        valid()
            .claim("role", "PARTNER_ADMIN")
            .claim("viewer_kind", "partner")
            .claim("partner", partner.to_string().replace("partner", "deal")),
    );
    add(
        "an integration with a role",
        valid().claim("viewer_kind", "integration"),
    );
    bad.into_iter()
        .map(|(name, parts)| (name, parts.signed(app)))
        .collect()
}

/// Roles of another kind of party, epochs that are no numbers, grants that are no ids: what a token follows from is as strict as who it names.
fn standing_that_does_not_hold(app: &TestApp) -> Vec<(String, String)> {
    let valid = || Parts::valid(app);
    let partner: entities::id::PartnerId = app.database().new_id();
    let of_partner = |role: &str| {
        valid()
            .claim("viewer_kind", "partner")
            .claim("partner", partner.to_string())
            .claim("role", role)
    };
    let of_software = || valid().claim("viewer_kind", "integration").without("role");
    let mut bad: Vec<(String, Parts)> = Vec::new();
    let staff: Vec<&str> = StaffRole::ALL.iter().map(|role| role.as_str()).collect();
    let partners: Vec<&str> = PartnerRole::ALL.iter().map(|role| role.as_str()).collect();
    for role in partners.iter().filter(|role| !staff.contains(role)) {
        bad.push((format!("staff as {role}"), valid().claim("role", *role)));
    }
    for role in staff.iter().filter(|role| !partners.contains(role)) {
        bad.push((format!("a partner as {role}"), of_partner(role)));
    }
    for role in [
        "partner_admin",
        "PARTNER ADMIN",
        "PARTNER_ADMIN ",
        "PARTNER_ADMIN,ADMIN",
        "PARTNER_OWNER",
        "Software",
        "",
    ] {
        bad.push((format!("a partner as {role:?}"), of_partner(role)));
    }
    for role in partners.iter().chain(&staff) {
        let named = of_software().claim("role", *role);
        bad.push((format!("software as {role}"), named));
    }
    for (name, role) in [
        ("a list", json!(["ADMIN"])),
        ("a number", json!(0)),
        ("an object", json!({ "ADMIN": true })),
        ("true", json!(true)),
    ] {
        bad.push((format!("role {name}"), valid().claim("role", role.clone())));
        bad.push((
            format!("a partner's role {name}"),
            of_partner("PARTNER_ADMIN").claim("role", role),
        ));
    }
    let uuid = partner.to_string().replace("partner_", "");
    for (name, of) in [
        ("without its kind", json!(uuid)),
        ("of an unknown kind", json!(format!("company_{uuid}"))),
        ("in capitals", json!(partner.to_string().to_uppercase())),
        ("and another", json!(format!("{partner} {partner}"))),
        ("in a list", json!([partner.to_string()])),
        ("a star", json!("*")),
        ("a number", json!(1)),
        ("empty", json!("")),
    ] {
        bad.push((
            format!("a partner {name}"),
            of_partner("PARTNER_ADMIN").claim("partner", of),
        ));
    }
    bad.push((
        "software with a partner".to_owned(),
        of_software().claim("partner", partner.to_string()),
    ));
    bad.push((
        "software with a partner and a role".to_owned(),
        of_partner("PARTNER_SOFTWARE").claim("viewer_kind", "integration"),
    ));
    for kind in ["partner ", "PARTNER", "staff,partner", "software"] {
        bad.push((
            format!("viewer_kind {kind:?} of a partner"),
            of_partner("PARTNER_ADMIN").claim("viewer_kind", kind),
        ));
    }
    for kind in [json!(["staff"]), json!(1), Value::Null] {
        bad.push((
            format!("viewer_kind {kind}"),
            valid().claim("viewer_kind", kind),
        ));
    }
    for epoch in ["subject_epoch", "client_epoch"] {
        for value in [
            json!("0"),
            Value::Null,
            json!(0.5),
            json!([0]),
            json!({}),
            json!(true),
            json!(u64::MAX),
            json!(1e30),
        ] {
            bad.push((format!("{epoch} {value}"), valid().claim(epoch, value)));
        }
    }
    let grant: entities::id::OAuthGrantId = app.database().new_id();
    for value in [
        json!(""),
        Value::Null,
        json!(7),
        json!([grant.to_string()]),
        json!({ "id": grant.to_string() }),
        json!(partner.to_string()),
        json!(uuid),
        json!(grant.to_string().to_uppercase()),
        json!(format!("{grant} ")),
        json!("none"),
    ] {
        bad.push((format!("grant {value}"), valid().claim("grant", value)));
    }
    for name in ["iss", "aud", "scope", "iat", "exp"] {
        bad.push((format!("{name} an object"), valid().claim(name, json!({}))));
        bad.push((format!("{name} true"), valid().claim(name, true)));
    }
    for name in ["iss", "sub", "client_id", "jti", "iat"] {
        bad.push((format!("{name} null"), valid().claim(name, Value::Null)));
    }
    bad.into_iter()
        .map(|(name, parts)| (name, parts.signed(app)))
        .collect()
}

/// Each claim that access depends on written twice: which of the two counts must not be a matter of who reads.
fn claims_written_twice(app: &TestApp) -> Vec<(String, String)> {
    let parts = Parts::valid(app).claim("nbf", 0);
    let header = encoded(&parts.header);
    let claims = parts.claims.as_object().unwrap();
    let twice = |(name, value): (&String, &Value)| {
        let text = parts
            .claims
            .to_string()
            .replacen('{', &format!("{{\"{name}\":{value},"), 1);
        let message = format!("{header}.{}", URL_SAFE_NO_PAD.encode(text));
        (format!("{name} twice"), sign(app, &message))
    };
    claims.iter().map(twice).collect()
}

fn headers_that_do_not_hold(app: &TestApp) -> Vec<(String, String)> {
    let valid = || Parts::valid(app);
    let keys = app.state.tokens.keys();
    let jwk = keys.current().public().jwk().clone();
    let public = URL_SAFE_NO_PAD.decode(jwk["x"].as_str().unwrap()).unwrap();
    let mut bad: Vec<(String, String)> = Vec::new();
    for alg in ["none", "None", "NONE", "nOnE", ""] {
        let parts = valid().header("alg", alg);
        bad.push((
            format!("alg {alg:?}, unsigned"),
            format!("{}.", parts.message()),
        ));
        bad.push((format!("alg {alg:?}, signed"), parts.signed(app)));
    }
    let mut spki = hex::decode("302a300506032b6570032100").unwrap();
    spki.extend_from_slice(&public);
    let pem = format!(
        "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n",
        STANDARD.encode(&spki)
    );
    let hs256 = valid().header("alg", "HS256");
    for (name, key) in [
        ("its bytes", public.clone()),
        ("its text", jwk["x"].as_str().unwrap().into()),
        ("its jwk", jwk.to_string().into()),
        ("der", spki),
        ("pem", pem.into()),
    ] {
        bad.push((
            format!("HS256 with the public key, {name}"),
            hs256.hs256(&key),
        ));
        bad.push((
            format!("HS256 with the public key, {name}, said to be EdDSA"),
            valid().hs256(&key),
        ));
    }
    for alg in [
        "HS256", "HS512", "ES256", "RS256", "PS256", "eddsa", "Ed25519",
    ] {
        bad.push((format!("alg {alg}"), valid().header("alg", alg).signed(app)));
    }
    for typ in ["JWT", "jwt", "AT+JWT", "application/at+jwt", "at+jwt ", ""] {
        bad.push((
            format!("typ {typ:?}"),
            valid().header("typ", typ).signed(app),
        ));
    }
    for name in ["alg", "typ", "kid"] {
        bad.push((
            format!("header without {name}"),
            valid().without_header(name).signed(app),
        ));
        bad.push((
            format!("header with {name} null"),
            valid().header(name, Value::Null).signed(app),
        ));
    }
    for kid in ["", "unknown", "../../../dev/null", "' OR 1=1 --"] {
        bad.push((
            format!("kid {kid:?}"),
            valid().header("kid", kid).signed(app),
        ));
    }
    for (name, value) in [
        ("crit", json!(["exp"])),
        ("jwk", jwk),
        ("jku", json!("https://elsewhere.example/keys")),
        ("x5u", json!("https://elsewhere.example")),
        ("b64", json!(false)),
        ("cty", json!("JWT")),
        ("zip", json!("DEF")),
    ] {
        bad.push((
            format!("header with {name}"),
            valid().header(name, value).signed(app),
        ));
    }
    for (name, algorithm) in [
        ("EdDSA", SigningAlgorithm::EdDsa),
        ("ES256", SigningAlgorithm::Es256),
    ] {
        let other = SigningKey::generate_for(algorithm, &SeededChance::new(99)).unwrap();
        for (said, kid) in [
            ("our kid", keys.current().public().kid()),
            ("its own kid", other.public().kid()),
        ] {
            let message = valid().header("alg", name).header("kid", kid).message();
            bad.push((
                format!("another {name} key under {said}"),
                format!("{message}.{}", other.sign(message.as_bytes()).unwrap()),
            ));
        }
    }
    bad
}

fn shapes_that_do_not_hold(app: &TestApp) -> Vec<(String, String)> {
    let parts = Parts::valid(app);
    let token = parts.signed(app);
    let (message, signature) = token.rsplit_once('.').unwrap();
    let (header, payload) = message.split_once('.').unwrap();
    let mut flipped = URL_SAFE_NO_PAD.decode(signature).unwrap();
    flipped[11] ^= 1;
    let stronger = encoded(&parts.clone().claim("scope", "admin").claims);
    let twice = format!(
        "{}.{}",
        header,
        URL_SAFE_NO_PAD.encode(
            parts
                .claims
                .to_string()
                .replacen('{', "{\"scope\":\"admin\",", 1)
        )
    );
    let list = |value: &Value| {
        encoded(&Value::Array(
            value.as_object().unwrap().values().cloned().collect(),
        ))
    };
    [
        ("no signature", format!("{message}.")),
        ("no third part", message.to_owned()),
        ("a cut signature", token[..token.len() - 1].to_owned()),
        (
            "half a signature",
            format!("{message}.{}", &signature[..40]),
        ),
        ("a longer signature", format!("{token}AA")),
        (
            "one bit of the signature",
            format!("{message}.{}", URL_SAFE_NO_PAD.encode(flipped)),
        ),
        ("padding", format!("{token}==")),
        (
            "a signature in hexadecimal",
            format!("{message}.{}", hex::encode(signature)),
        ),
        (
            "other claims under the signature",
            format!("{header}.{stronger}.{signature}"),
        ),
        ("a claim twice", sign(app, &twice)),
        (
            "the claims as a list",
            sign(app, &format!("{header}.{}", list(&parts.claims))),
        ),
        (
            "the header as a list",
            sign(app, &format!("{}.{payload}", list(&parts.header))),
        ),
        ("four parts", format!("{token}.{signature}")),
        ("five parts", format!("{header}.a.b.c.{signature}")),
        ("dots", "..".to_owned()),
        ("words", "not.a.token".to_owned()),
        ("one word", "secret".to_owned()),
        ("lower case", token.to_lowercase()),
        ("backwards", token.chars().rev().collect()),
        ("quoted", format!("\"{token}\"")),
        ("a blank inside", token.replacen('.', " .", 1)),
        ("another after it", format!("{token},{token}")),
        (
            "too long",
            parts.clone().claim("sub", "s".repeat(5_000)).signed(app),
        ),
        (
            "claims that are no text",
            sign(
                app,
                &format!("{header}.{}", URL_SAFE_NO_PAD.encode([0xff, 0xfe, b'{'])),
            ),
        ),
    ]
    .into_iter()
    .map(|(name, token)| (name.to_owned(), token))
    .collect()
}

#[tokio::test]
async fn every_forged_token_gets_one_answer() {
    let app = TestApp::start(Options::standing_at("2026-11-21T12:00:00Z")).await;
    let good = sent(
        &app,
        "/graphql",
        &[format!("Bearer {}", Parts::valid(&app).signed(&app))],
    )
    .await;
    assert_eq!(
        good.status, 200,
        "what the forgeries are made from is valid: {good}"
    );

    let mut forged = claims_that_do_not_hold(&app);
    forged.extend(standing_that_does_not_hold(&app));
    forged.extend(claims_written_twice(&app));
    forged.extend(headers_that_do_not_hold(&app));
    forged.extend(shapes_that_do_not_hold(&app));
    let different: BTreeSet<&str> = forged.iter().map(|(_, token)| token.as_str()).collect();
    assert!(different.len() >= 200, "only {} forgeries", different.len());
    let expected = shown(&sent(&app, "/graphql", &[]).await);
    assert_eq!(expected.0, 401);
    for (name, token) in &forged {
        let answer = sent(&app, "/graphql", &[format!("Bearer {token}")]).await;
        assert_eq!(shown(&answer), expected, "{name}");
    }
    // The same on an address that exists and on one that does not.
    let elsewhere = shown(&sent(&app, "/nowhere", &[]).await);
    assert_eq!(elsewhere.0, 401);
    for (name, token) in forged.iter().step_by(7) {
        assert_eq!(
            shown(&sent(&app, "/nowhere", &[format!("Bearer {token}")]).await),
            elsewhere,
            "{name}"
        );
        assert_eq!(
            shown(&sent(&app, "/metrics", &[format!("Bearer {token}")]).await),
            elsewhere,
            "{name}"
        );
    }
    app.finish().await;
}

#[tokio::test]
async fn a_valid_token_in_the_wrong_place_is_none() {
    let app = TestApp::start(Options::standing_at("2026-11-21T12:00:00Z")).await;
    let token = Parts::valid(&app).signed(&app);
    let expected = shown(&sent(&app, "/graphql", &[]).await);
    let places = [
        vec![format!("Basic {token}")],
        vec![format!("Token {token}")],
        vec![token.clone()],
        vec![format!("Bearer{token}")],
        vec!["Bearer".to_owned()],
        vec!["Bearer ".to_owned()],
        vec![format!("Bearer {token}"), format!("Bearer {token}")],
        vec![format!("Bearer {token}"), "Bearer x".to_owned()],
    ];
    for place in places {
        assert_eq!(
            shown(&sent(&app, "/graphql", &place).await),
            expected,
            "{place:?}"
        );
    }
    for name in ["access_token", "token", "authorization"] {
        let path = format!("/graphql?{name}={token}");
        assert_eq!(
            shown(&sent(&app, &path, &[]).await),
            expected,
            "{name} in the address"
        );
    }
    let cookie = app
        .http
        .post(app.url("/graphql"))
        .header("x-request-id", "always-this")
        .header("cookie", format!("access_token={token}"));
    assert_eq!(
        shown(
            &app.send(
                cookie
                    .header("content-type", "application/json")
                    .body(QUERY)
            )
            .await
        ),
        expected,
        "in a cookie"
    );
    app.finish().await;
}

#[tokio::test]
async fn a_token_ends_when_it_says() {
    let app = TestApp::start(Options::standing_at("2026-11-21T12:00:00Z")).await;
    let token = Parts::valid(&app).signed(&app);
    let authorization = [format!("Bearer {token}")];
    assert_eq!(sent(&app, "/graphql", &authorization).await.status, 200);
    app.advance(std::time::Duration::from_secs(599));
    assert_eq!(
        sent(&app, "/graphql", &authorization).await.status,
        200,
        "its last second"
    );
    app.advance(std::time::Duration::from_secs(1));
    assert_eq!(
        sent(&app, "/graphql", &authorization).await.status,
        401,
        "remembered or not"
    );
    app.finish().await;
}
