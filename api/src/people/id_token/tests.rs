//! A token is believed when everything about it is right, and each thing that is wrong is enough to refuse it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "tests"
)]

use super::*;
use crate::oauth::keys::{SigningAlgorithm, SigningKey};
use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256, RSA_PSS_SHA256};
use entities::chance::SeededChance;
use serde_json::{Value, json};

const NOW: i64 = 1_800_000_000;

fn expected() -> Expected<'static> {
    Expected {
        issuer: "https://id.example",
        client_id: "entente",
        nonce: "the nonce",
        now: Timestamp::from_secs(NOW),
    }
}

fn claims() -> Value {
    json!({
        "iss": "https://id.example",
        "aud": "entente",
        "sub": "person-1",
        "nonce": "the nonce",
        "iat": NOW,
        "exp": NOW + 300,
        "email": "ada@example.com",
        "email_verified": true,
    })
}

fn key(seed: u64, algorithm: SigningAlgorithm) -> SigningKey {
    SigningKey::generate_for(algorithm, &SeededChance::new(seed)).unwrap()
}

fn jwk(key: &SigningKey) -> Jwk {
    serde_json::from_value(key.public().jwk().clone()).unwrap()
}

fn part(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

fn signed(key: &SigningKey, header: &Value, claims: &Value) -> String {
    let text = format!("{}.{}", part(header), part(claims));
    let signature = key.sign(text.as_bytes()).unwrap();
    format!("{text}.{signature}")
}

/// A token of the usual header with these claims, judged.
fn judged(change: impl FnOnce(&mut Value)) -> Result<Identity, InvalidIdToken> {
    let key = key(1, SigningAlgorithm::EdDsa);
    let mut claims = claims();
    change(&mut claims);
    let header = json!({ "alg": "EdDSA", "kid": key.public().kid() });
    verify(&signed(&key, &header, &claims), &[jwk(&key)], expected())
}

#[test]
fn a_right_token_is_believed() {
    let identity = judged(|_| {}).unwrap();
    assert_eq!(identity.subject, "person-1");
    assert_eq!(identity.verified_email.as_deref(), Some("ada@example.com"));
    assert!(!format!("{identity:?}").contains("ada"));
    for (claim, value) in [
        ("aud", json!(["entente"])),
        ("azp", json!("entente")),
        ("email_verified", json!("true")),
        ("exp", json!(NOW - 59)),
        ("exp", json!(NOW as f64 + 0.5)),
        ("iat", json!(NOW + 60)),
        ("iat", Value::Null),
    ] {
        assert_eq!(
            judged(|claims| claims[claim] = value.clone()),
            Ok(identity.clone()),
            "{claim}: {value}"
        );
    }
    let several = judged(|claims| {
        claims["aud"] = json!(["other", "entente"]);
        claims["azp"] = json!("entente");
    });
    assert_eq!(several, Ok(identity));
}

#[test]
fn an_address_counts_only_when_it_is_vouched_for() {
    for value in [
        json!(false),
        Value::Null,
        json!("false"),
        json!("yes"),
        json!("True"),
    ] {
        let identity = judged(|claims| claims["email_verified"] = value.clone()).unwrap();
        assert_eq!(identity.verified_email, None, "{value}");
    }
    let without = judged(|claims| {
        claims.as_object_mut().unwrap().remove("email_verified");
    });
    assert_eq!(without.unwrap().verified_email, None);
    assert!(judged(|claims| claims["email_verified"] = json!(1)).is_err());
}

#[test]
fn each_claim_that_is_wrong_is_enough() {
    use InvalidIdToken::{Audience, Issuer, Malformed, Nonce, Subject, Time};
    for (claim, value, error) in [
        ("iss", json!("https://id.example/"), Issuer),
        ("iss", json!("https://evil.example"), Issuer),
        ("iss", json!(["https://id.example"]), Malformed),
        ("iss", Value::Null, Malformed),
        ("aud", json!("somebody else"), Audience),
        ("aud", json!([]), Audience),
        ("aud", json!(["entente", "other"]), Audience),
        ("aud", json!({ "entente": true }), Malformed),
        ("aud", Value::Null, Malformed),
        ("azp", json!("other"), Audience),
        ("azp", json!(""), Audience),
        ("exp", json!(NOW - 60), Time),
        ("exp", json!(-1), Time),
        ("exp", json!(1e300), Time),
        ("exp", json!("tomorrow"), Malformed),
        ("exp", Value::Null, Malformed),
        ("iat", json!(NOW + 61), Time),
        ("nbf", json!(NOW + 61), Time),
        ("nonce", json!("another"), Nonce),
        ("nonce", json!(""), Nonce),
        ("nonce", Value::Null, Nonce),
        ("nonce", json!(["the nonce"]), Malformed),
        ("sub", json!(""), Subject),
        ("sub", json!("x".repeat(256)), Subject),
        ("sub", json!(7), Malformed),
        ("sub", Value::Null, Malformed),
    ] {
        assert_eq!(
            judged(|claims| claims[claim] = value.clone()),
            Err(error),
            "{claim}: {value}"
        );
    }
    let unasked = Expected {
        nonce: "",
        ..expected()
    };
    let key = key(1, SigningAlgorithm::EdDsa);
    let mut claims = claims();
    claims["nonce"] = json!("");
    let token = signed(&key, &json!({ "alg": "EdDSA" }), &claims);
    assert_eq!(
        verify(&token, &[jwk(&key)], unasked),
        Err(Nonce),
        "no nonce is none"
    );
}

#[test]
fn only_the_providers_keys_sign_and_each_in_its_own_way() {
    let (right, other) = (
        key(1, SigningAlgorithm::EdDsa),
        key(2, SigningAlgorithm::EdDsa),
    );
    let curve = key(3, SigningAlgorithm::Es256);
    let keys = [jwk(&curve), jwk(&right)];
    let kid = right.public().kid();
    let believed = |token: &str| verify(token, &keys, expected()).is_ok();
    for header in [
        json!({ "alg": "EdDSA", "kid": kid }),
        json!({ "alg": "EdDSA" }),
    ] {
        assert!(believed(&signed(&right, &header, &claims())), "{header}");
    }
    let es256 = json!({ "alg": "ES256", "kid": curve.public().kid() });
    assert!(believed(&signed(&curve, &es256, &claims())));
    for header in [
        json!({ "alg": "none" }),
        json!({ "alg": "None", "kid": kid }),
        json!({ "alg": "HS256", "kid": kid }),
        json!({ "alg": "RS256", "kid": kid }),
        json!({ "alg": "ES256", "kid": kid }),
        json!({ "alg": "eddsa", "kid": kid }),
        json!({ "alg": "EdDSA", "kid": curve.public().kid() }),
        json!({ "alg": "EdDSA", "kid": "another" }),
        json!({ "alg": "EdDSA", "kid": kid, "crit": ["exp"], "exp": 1 }),
        json!({ "alg": "EdDSA", "kid": kid, "crit": [] }),
        json!({ "kid": kid }),
        json!([]),
    ] {
        assert!(!believed(&signed(&right, &header, &claims())), "{header}");
    }
    let header = json!({ "alg": "EdDSA", "kid": kid });
    assert!(
        !believed(&signed(&other, &header, &claims())),
        "another's signature under the name of the right key"
    );
    let embedded = json!({ "alg": "EdDSA", "jwk": other.public().jwk() });
    assert!(!believed(&signed(&other, &embedded, &claims())));
    let token = signed(&right, &header, &claims());
    let mut parts: Vec<&str> = token.split('.').collect();
    let forged = part(&{
        let mut forged = claims();
        forged["sub"] = json!("person-2");
        forged
    });
    parts[1] = &forged;
    assert!(!believed(&parts.join(".")));
    for spoilt in [
        String::new(),
        "a.b".to_owned(),
        format!("{token}."),
        format!("{token}.x"),
        token.trim_end_matches(|letter| letter != '.').to_owned(),
        format!(" {token}"),
        token.replace('.', ".."),
        format!("{}{}", "A".repeat(LONGEST), token),
    ] {
        assert!(
            !believed(&spoilt),
            "{}",
            spoilt.get(..40).unwrap_or(&spoilt)
        );
    }
}

#[test]
fn a_key_for_something_else_signs_nothing() {
    let right = key(1, SigningAlgorithm::EdDsa);
    let token = signed(&right, &json!({ "alg": "EdDSA" }), &claims());
    for (member, value, believed) in [
        ("use", json!("sig"), true),
        ("use", json!("enc"), false),
        ("alg", json!("EdDSA"), true),
        ("alg", json!("ES256"), false),
    ] {
        let mut own = right.public().jwk().clone();
        own[member] = value.clone();
        let own: Jwk = serde_json::from_value(own).unwrap();
        assert_eq!(
            verify(&token, &[own], expected()).is_ok(),
            believed,
            "{member}: {value}"
        );
    }
    // A shared secret is no key here, whoever publishes it.
    let secret: Jwk = serde_json::from_value(json!({ "kty": "oct", "k": "c2VjcmV0" })).unwrap();
    let text = format!("{}.{}", part(&json!({ "alg": "HS256" })), part(&claims()));
    let signature = jsonwebtoken::crypto::sign(
        text.as_bytes(),
        &jsonwebtoken::EncodingKey::from_secret(b"secret"),
        Algorithm::HS256,
    )
    .unwrap();
    let token = format!("{text}.{signature}");
    assert_eq!(
        verify(&token, &[secret], expected()),
        Err(InvalidIdToken::Signature)
    );
}

/// Modulus and exponent out of the DER of a public key: the only two integers in it.
fn rsa_jwk(pair: &RsaKeyPair) -> Jwk {
    let der: PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
    let bytes = der.as_ref();
    // The exponent 65537 ends the structure, after the 256 bytes of the modulus and its leading zero.
    let exponent = &bytes[bytes.len() - 3..];
    let modulus = &bytes[bytes.len() - 5 - 256..bytes.len() - 5];
    assert_eq!(exponent, [1, 0, 1]);
    let jwk = json!({
        "kty": "RSA",
        "n": URL_SAFE_NO_PAD.encode(modulus),
        "e": URL_SAFE_NO_PAD.encode(exponent),
    });
    serde_json::from_value(jwk).unwrap()
}

#[test]
fn rsa_as_most_providers_sign() {
    let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
    let keys = [rsa_jwk(&pair)];
    let signed = |alg: &str, pss: bool| {
        let text = format!("{}.{}", part(&json!({ "alg": alg })), part(&claims()));
        let mut signature = vec![0; pair.public_modulus_len()];
        let padding: &'static dyn aws_lc_rs::signature::RsaEncoding = if pss {
            &RSA_PSS_SHA256
        } else {
            &RSA_PKCS1_SHA256
        };
        pair.sign(
            padding,
            &SystemRandom::new(),
            text.as_bytes(),
            &mut signature,
        )
        .unwrap();
        format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))
    };
    for (alg, pss, believed) in [
        ("RS256", false, true),
        ("PS256", true, true),
        ("RS256", true, false),
        ("PS256", false, false),
        ("RS512", false, false),
        ("ES256", false, false),
    ] {
        let outcome = verify(&signed(alg, pss), &keys, expected());
        assert_eq!(outcome.is_ok(), believed, "{alg} {pss}");
    }
}
