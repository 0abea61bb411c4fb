//! What is issued is verified; everything else is refused alike.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "tests"
)]

use super::*;
use crate::oauth::keys::{SigningAlgorithm, SigningKey};
use entities::chance::SeededChance;
use entities::clock::ManualClock;
use entities::id::{PartnerId, TypedId};
use entities::viewer::Scope;
use secrecy::ExposeSecret;
use serde_json::{Value, json};

const NOW: i64 = 1_800_000_000;

struct Fixture {
    clock: Arc<ManualClock>,
    chance: SeededChance,
    authority: TokenAuthority,
}

impl Fixture {
    fn new(algorithm: SigningAlgorithm) -> Self {
        let chance = SeededChance::new(11);
        let clock = Arc::new(ManualClock::at(Timestamp::from_secs(NOW)));
        let keys = KeyRing::new(
            SigningKey::generate_for(algorithm, &chance).unwrap(),
            vec![],
        );
        let authority = TokenAuthority::new(
            "https://e.example".into(),
            "https://e.example/graphql".into(),
            keys,
            clock.clone(),
            Arc::default(),
            100,
        );
        Self {
            clock,
            chance,
            authority,
        }
    }

    fn issue(&self, kind: ViewerKind) -> String {
        self.authority
            .issue(&request(kind), &self.chance)
            .unwrap()
            .expose_secret()
            .to_owned()
    }

    /// A token that says what it is told to, signed by our own key.
    fn signed(&self, header: &Value, claims: &Value) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let message = format!("{}.{}", part(header), part(claims));
        let signature = self
            .authority
            .keys()
            .current()
            .sign(message.as_bytes())
            .unwrap();
        format!("{message}.{signature}")
    }

    fn parts(&self, token: &str) -> (Value, Value) {
        let parts: Vec<_> = token.split('.').collect();
        let read =
            |part: &str| serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap();
        (read(parts[0]), read(parts[1]))
    }
}

fn request(kind: ViewerKind) -> TokenRequest {
    let scopes = Scopes::NONE
        .with(Scope::DealsRead)
        .with(Scope::PartnersRead);
    TokenRequest {
        subject: "user-7".into(),
        client_id: "cli".into(),
        kind,
        scopes,
        lifetime_seconds: 600,
        basis: Basis::default(),
    }
}

fn partner() -> PartnerId {
    PartnerId::from_uuid(uuid::Uuid::from_u128(
        0x0190_0000_0000_7000_8000_0000_0000_0001,
    ))
}

#[test]
fn what_is_issued_is_verified_until_it_expires() {
    for algorithm in [SigningAlgorithm::EdDsa, SigningAlgorithm::Es256] {
        for kind in [
            ViewerKind::Staff(StaffRole::Finance),
            ViewerKind::Partner(partner(), PartnerRole::Rep),
            ViewerKind::Integration,
        ] {
            let fixture = Fixture::new(algorithm);
            let token = fixture.issue(kind);
            for _ in 0..2 {
                let claims = fixture.authority.verify(&token).unwrap();
                assert_eq!(
                    claims.viewer,
                    Viewer::new(kind, request(kind).scopes, "user-7".into())
                );
                assert_eq!(
                    (claims.client_id.as_str(), claims.expires_at),
                    ("cli", Timestamp::from_secs(NOW + 600))
                );
            }
            fixture.clock.advance_millis(599_999);
            assert!(fixture.authority.verify(&token).is_ok());
            fixture.clock.advance_millis(1);
            assert_eq!(fixture.authority.verify(&token), Err(InvalidToken));
            assert_eq!(fixture.authority.verify(&token), Err(InvalidToken));
        }
    }
}

#[test]
fn the_token_has_the_shape_of_rfc_9068() {
    let fixture = Fixture::new(SigningAlgorithm::EdDsa);
    let token = fixture.issue(ViewerKind::Partner(partner(), PartnerRole::Rep));
    let (header, claims) = fixture.parts(&token);
    assert_eq!(
        (&header["typ"], &header["alg"]),
        (&json!("at+jwt"), &json!("EdDSA"))
    );
    for name in [
        "iss",
        "aud",
        "sub",
        "client_id",
        "iat",
        "exp",
        "jti",
        "scope",
    ] {
        assert!(claims.get(name).is_some(), "{name}");
    }
    assert_eq!(claims["scope"], "partners:read deals:read");
    assert_eq!(claims["partner"], partner().to_string());
    assert_ne!(
        fixture.parts(&fixture.issue(ViewerKind::Integration)).1["jti"],
        claims["jti"]
    );
    // Another library reads it as well.
    let ring = fixture.authority.keys();
    let jwk: jsonwebtoken::jwk::Jwk =
        serde_json::from_value(ring.jwks()["keys"][0].clone()).unwrap();
    let mut rules = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::EdDSA);
    rules.set_audience(&["https://e.example/graphql"]);
    rules.validate_exp = false;
    let key = jsonwebtoken::DecodingKey::from_jwk(&jwk).unwrap();
    assert_eq!(
        jsonwebtoken::decode::<Value>(&token, &key, &rules)
            .unwrap()
            .claims,
        claims
    );
}

#[test]
fn tokens_are_for_callers_only() {
    let fixture = Fixture::new(SigningAlgorithm::EdDsa);
    let issue = |request: TokenRequest| fixture.authority.issue(&request, &fixture.chance).err();
    for kind in [ViewerKind::Nobody, ViewerKind::System] {
        assert_eq!(issue(request(kind)), Some(IssueError::NoSuchCaller));
    }
    let good = request(ViewerKind::Integration);
    assert_eq!(
        issue(TokenRequest {
            lifetime_seconds: 0,
            ..good.clone()
        }),
        Some(IssueError::Incomplete)
    );
    assert_eq!(
        issue(TokenRequest {
            subject: String::new(),
            ..good.clone()
        }),
        Some(IssueError::Incomplete)
    );
    assert_eq!(
        issue(TokenRequest {
            subject: "x".repeat(4_000),
            ..good
        }),
        Some(IssueError::TooLong)
    );
}

#[test]
fn keys_rotate_and_a_removed_key_ends_its_tokens_at_once() {
    let fixture = Fixture::new(SigningAlgorithm::EdDsa);
    let token = fixture.issue(ViewerKind::Integration);
    fixture.authority.verify(&token).unwrap();
    let old = fixture.authority.keys().current().public().clone();
    let next = SigningKey::generate_for(SigningAlgorithm::Es256, &fixture.chance).unwrap();
    let again = SigningKey::from_secret_bytes(next.to_secret_bytes()).unwrap();
    fixture
        .authority
        .replace_keys(KeyRing::new(next, vec![old]));
    fixture.authority.verify(&token).unwrap();
    fixture
        .authority
        .verify(&fixture.issue(ViewerKind::Integration))
        .unwrap();
    fixture.authority.replace_keys(KeyRing::new(again, vec![]));
    assert_eq!(fixture.authority.verify(&token), Err(InvalidToken));
}

#[test]
fn forged_tokens_are_refused_alike() {
    let fixture = Fixture::new(SigningAlgorithm::EdDsa);
    let good = fixture.issue(ViewerKind::Staff(StaffRole::Admin));
    let (header, claims) = fixture.parts(&good);
    assert!(
        fixture
            .authority
            .verify(&fixture.signed(&header, &claims))
            .is_ok(),
        "the forger's own tool works"
    );
    let forged = forgeries(&fixture, &good, &header, &claims);
    assert!(forged.len() >= 40, "{}", forged.len());
    for (what, token) in &forged {
        for _ in 0..2 {
            assert_eq!(fixture.authority.verify(token), Err(InvalidToken), "{what}");
        }
    }
}

fn forgeries(
    fixture: &Fixture,
    good: &str,
    header: &Value,
    claims: &Value,
) -> Vec<(String, String)> {
    let mut all: Vec<(String, String)> = Vec::new();
    let mut add = |what: &str, token: String| all.push((what.to_owned(), token));
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let with = |value: &Value, name: &str, new: Value| {
        let mut value = value.clone();
        value[name] = new;
        value
    };
    let without = |value: &Value, name: &str| {
        let mut value = value.clone();
        value.as_object_mut().unwrap().remove(name);
        value
    };
    let (message, signature) = good.rsplit_once('.').unwrap();

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
        add(
            &format!("no {name}"),
            fixture.signed(header, &without(claims, name)),
        );
        add(
            &format!("{name} null"),
            fixture.signed(header, &with(claims, name, Value::Null)),
        );
    }
    for (name, value) in [
        ("exp", json!(NOW)),
        ("exp", json!(NOW - 1)),
        ("exp", json!("9999999999")),
        ("exp", json!(1.9e9)),
        ("exp", json!(-1)),
        ("iat", json!(NOW + 31)),
        ("nbf", json!(NOW + 31)),
        ("nbf", json!("soon")),
        ("nbf", Value::Null),
        ("iat", json!(i64::MAX)),
        ("iss", json!("https://evil.example")),
        ("iss", json!(["https://e.example"])),
        ("aud", json!("https://e.example")),
        (
            "aud",
            json!(["https://e.example/graphql", "https://evil.example"]),
        ),
        ("sub", json!("")),
        ("jti", json!("")),
        ("client_id", json!("")),
        ("scope", json!(["admin"])),
        ("viewer_kind", json!("system")),
        ("viewer_kind", json!("STAFF")),
        ("viewer_kind", json!("integration")),
        ("viewer_kind", json!("partner")),
        ("role", json!("ROOT")),
        ("role", json!("")),
        ("partner", json!(partner().to_string())),
        ("partner", Value::Null),
    ] {
        add(
            &format!("{name} {value}"),
            fixture.signed(header, &with(claims, name, value.clone())),
        );
    }
    let partner_claims = with(
        &with(claims, "role", json!("PARTNER_REP")),
        "viewer_kind",
        json!("partner"),
    );
    for id in ["", "partner_", "deal_01h2xcejqtf2nbrexx3vqjhp41", "*"] {
        add(
            &format!("partner {id:?}"),
            fixture.signed(header, &with(&partner_claims, "partner", json!(id))),
        );
    }
    for (name, value) in [
        ("typ", json!("JWT")),
        ("typ", json!("AT+JWT")),
        ("typ", Value::Null),
        ("alg", json!("none")),
        ("alg", json!("None")),
        ("alg", json!("ES256")),
        ("alg", json!("HS256")),
        ("alg", json!("")),
        ("kid", json!("")),
        ("kid", json!("../../key")),
        ("kid", json!(1)),
        ("crit", json!(["exp"])),
        ("crit", json!([])),
        ("jku", json!("https://evil.example/jwks")),
        ("jwk", json!({})),
        ("x5u", json!("https://evil.example")),
        ("b64", json!(false)),
        ("zip", json!("DEF")),
        ("cty", json!("JWT")),
    ] {
        add(
            &format!("header {name} {value}"),
            fixture.signed(&with(header, name, value.clone()), claims),
        );
    }
    for name in ["typ", "alg", "kid"] {
        add(
            &format!("header without {name}"),
            fixture.signed(&without(header, name), claims),
        );
    }
    let none = with(header, "alg", json!("none"));
    add("unsigned", format!("{}.{}.", part(&none), part(claims)));
    add("unsigned, our algorithm", format!("{message}."));
    add("two parts", message.to_owned());
    add("four parts", format!("{good}.{signature}"));
    add(
        "another's signature",
        format!(
            "{message}.{}",
            fixture
                .issue(ViewerKind::Integration)
                .rsplit_once('.')
                .unwrap()
                .1
        ),
    );
    add("padded signature", format!("{good}=="));
    add(
        "signature in another spelling",
        format!("{message}.{}", respelled(signature)),
    );
    add("signature cut", good[..good.len() - 2].to_owned());
    add(
        "signature of zeros",
        format!("{message}.{}", URL_SAFE_NO_PAD.encode([0; 64])),
    );
    add("raised role", {
        let raised = part(&with(claims, "scope", json!("admin")));
        format!("{}.{raised}.{signature}", part(header))
    });
    add("another key", foreign(fixture, claims, None));
    add(
        "another key under our id",
        foreign(fixture, claims, Some(header["kid"].as_str().unwrap())),
    );
    add(
        "the public key as a shared secret",
        hmac_with_public_key(fixture, header, claims),
    );
    add("a list for claims", fixture.signed(header, &json!([1, 2])));
    let members = claims.as_object().unwrap();
    add(
        "claims as a list",
        fixture.signed(header, &Value::Array(members.values().cloned().collect())),
    );
    for junk in [
        "",
        ".",
        "..",
        "...",
        "a.b.c",
        "Bearer",
        "é.é.é",
        "\0",
        "null",
        "e30.e30.e30",
    ] {
        add(&format!("{junk:?}"), junk.to_owned());
    }
    add("with a blank", format!("{good} "));
    add(
        "too long",
        fixture.signed(header, &with(claims, "more", json!("x".repeat(4_096)))),
    );
    add("megabytes", "a".repeat(3_000_000));
    let twice = claims.to_string().replacen('{', "{\"sub\":\"admin\",", 1);
    let message = format!("{}.{}", part(header), URL_SAFE_NO_PAD.encode(twice));
    let doubly = fixture
        .authority
        .keys()
        .current()
        .sign(message.as_bytes())
        .unwrap();
    add("a claim twice", format!("{message}.{doubly}"));
    all
}

/// The last character of 64 bytes in base64url carries two bits of nothing; another value there decodes to the same bytes.
fn respelled(signature: &str) -> String {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let last = signature.bytes().last().unwrap();
    let at = ALPHABET.iter().position(|byte| *byte == last).unwrap();
    format!(
        "{}{}",
        &signature[..signature.len() - 1],
        char::from(ALPHABET[at ^ 1])
    )
}

fn foreign(fixture: &Fixture, claims: &Value, kid: Option<&str>) -> String {
    let key = SigningKey::generate(&fixture.chance).unwrap();
    let header = json!({"alg": "EdDSA", "typ": "at+jwt", "kid": kid.unwrap_or(key.public().kid())});
    let message = format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(header.to_string()),
        URL_SAFE_NO_PAD.encode(claims.to_string())
    );
    let signature = key.sign(message.as_bytes()).unwrap();
    format!("{message}.{signature}")
}

fn hmac_with_public_key(fixture: &Fixture, header: &Value, claims: &Value) -> String {
    use hmac::{Hmac, KeyInit, Mac};
    let jwk = fixture.authority.keys().current().public().jwk().clone();
    let public = URL_SAFE_NO_PAD.decode(jwk["x"].as_str().unwrap()).unwrap();
    let mut header = header.clone();
    header["alg"] = json!("HS256");
    let message = format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(header.to_string()),
        URL_SAFE_NO_PAD.encode(claims.to_string())
    );
    let mut mac = Hmac::<Sha256>::new_from_slice(&public).unwrap();
    mac.update(message.as_bytes());
    format!(
        "{message}.{}",
        URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes())
    )
}

#[test]
fn unknown_claims_and_scopes_give_nothing_more() {
    let fixture = Fixture::new(SigningAlgorithm::EdDsa);
    let (header, mut claims) = fixture.parts(&fixture.issue(ViewerKind::Integration));
    claims["scope"] = json!("deals:read deals:everything ADMIN");
    claims["roles"] = json!(["ADMIN"]);
    let verified = fixture
        .authority
        .verify(&fixture.signed(&header, &claims))
        .unwrap();
    assert_eq!(
        verified.viewer.scopes(),
        Scopes::NONE.with(Scope::DealsRead)
    );
}
