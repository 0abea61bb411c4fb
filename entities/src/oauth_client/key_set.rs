//! The public keys by which a client proves itself (RFC 7517): what a set may hold before it is kept.
//!
//! Only public keys of kinds that sign, each with one algorithm that follows from the key itself; an RSA key fits two, so that it has to say
//! which. A private key in the set is refused, loudly: it has just been given away. Whether the numbers are points of a curve is the
//! signature library's to say, when a signature is checked.

use crate::error::{ViolationCode, Violations};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use std::collections::HashSet;

/// The most keys of one client.
const MOST: usize = 10;
/// Members that only private or shared keys have.
const PRIVATE: [&str; 7] = ["d", "p", "q", "dp", "dq", "qi", "k"];

/// Notes what is wrong with a key set.
pub(super) fn check(violations: &mut Violations, set: &Value) {
    if let Err(message) = check_set(set) {
        violations.add(ViolationCode::Invalid, "jwks", message);
    }
}

fn check_set(set: &Value) -> Result<(), &'static str> {
    if has_nul(set) {
        return Err("A key set holds no character U+0000.");
    }
    let keys = set.get("keys").and_then(Value::as_array);
    let keys = keys.ok_or("A key set is an object with a list of keys.")?;
    if keys.is_empty() || keys.len() > MOST {
        return Err("A key set holds between one and ten keys.");
    }
    let mut ids = HashSet::new();
    for key in keys {
        check_key(key)?;
        let id = key.get("kid").and_then(Value::as_str);
        if !ids.insert(id) {
            return Err("Each key of a set needs an id (kid) of its own.");
        }
    }
    Ok(())
}

/// Whether a text in it, or a name, holds the one character that not every database takes.
fn has_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(entries) => entries.iter().any(has_nul),
        Value::Object(members) => members
            .iter()
            .any(|(name, value)| name.contains('\0') || has_nul(value)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

fn check_key(key: &Value) -> Result<(), &'static str> {
    if !key.is_object() {
        return Err("A key is an object.");
    }
    if PRIVATE.iter().any(|member| key.get(member).is_some()) {
        return Err(
            "The set holds a private or shared key. Treat it as stolen, make a new pair, and send its public half only.",
        );
    }
    let text = |member: &str| key.get(member).and_then(Value::as_str);
    let is_text_or_absent = |member: &str| key.get(member).is_none_or(Value::is_string);
    if !is_text_or_absent("kid") || !is_text_or_absent("alg") || !is_text_or_absent("use") {
        return Err("kid, alg and use are texts.");
    }
    if text("kid").is_some_and(|id| id.is_empty() || id.len() > 200) {
        return Err("A key's id has between 1 and 200 characters.");
    }
    if text("use").is_some_and(|usage| usage != "sig") {
        return Err("A key is for signatures.");
    }
    let bytes = |member: &str| text(member).and_then(|text| URL_SAFE_NO_PAD.decode(text).ok());
    let long = |member: &str, length: usize| bytes(member).is_some_and(|it| it.len() == length);
    let alg = text("alg");
    match (text("kty"), text("crv")) {
        (Some("OKP"), Some("Ed25519")) if long("x", 32) => match alg {
            None | Some("EdDSA" | "Ed25519") => Ok(()),
            Some(_) => Err("An Ed25519 key signs by EdDSA (Ed25519)."),
        },
        (Some("EC"), Some("P-256")) if long("x", 32) && long("y", 32) => match alg {
            None | Some("ES256") => Ok(()),
            Some(_) => Err("A P-256 key signs by ES256."),
        },
        (Some("RSA"), None) => {
            let modulus = bytes("n").map_or(0, |n| n.len());
            let exponent = bytes("e").map_or(0, |e| e.len());
            if !(256..=1_024).contains(&modulus) || !(1..=8).contains(&exponent) {
                return Err("An RSA key has between 2,048 and 8,192 bits.");
            }
            match alg {
                Some("RS256" | "PS256") => Ok(()),
                _ => Err("An RSA key says by its alg whether it signs by RS256 or by PS256."),
            }
        }
        _ => Err("A key is Ed25519 (OKP), P-256 (EC) or RSA, and whole."),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use serde_json::json;

    fn ed(kid: &str) -> Value {
        json!({"kty": "OKP", "crv": "Ed25519", "kid": kid, "x": URL_SAFE_NO_PAD.encode([7; 32])})
    }

    fn rsa() -> Value {
        json!({"kty": "RSA", "alg": "PS256", "n": URL_SAFE_NO_PAD.encode([7; 256]), "e": "AQAB"})
    }

    fn with(mut key: Value, member: &str, value: Value) -> Value {
        key.as_object_mut()
            .unwrap()
            .insert(member.to_owned(), value);
        key
    }

    #[test]
    fn public_keys_that_sign_can_be_kept() {
        let ec = json!({"kty": "EC", "crv": "P-256", "x": URL_SAFE_NO_PAD.encode([1; 32]), "y": URL_SAFE_NO_PAD.encode([2; 32])});
        for keys in [
            json!([ed("a")]),
            json!([ed("a"), ed("b"), with(ec, "kid", json!("e")), rsa()]),
            json!([with(ed("a"), "use", json!("sig"))]),
        ] {
            assert_eq!(check_set(&json!({ "keys": keys })), Ok(()));
        }
    }

    #[test]
    fn everything_else_is_refused() {
        let bad_keys = [
            with(ed("a"), "d", json!("AA")),
            with(ed("a"), "use", json!("enc")),
            with(ed("a"), "alg", json!("ES256")),
            with(ed("a"), "alg", json!("none")),
            with(ed("a"), "alg", json!(7)),
            with(ed("a"), "x", json!("AA")),
            with(ed("a"), "kid", json!("")),
            with(ed("a"), "kid", json!("a\0")),
            with(ed("a"), "a\0", json!(1)),
            with(ed("a"), "x5c", json!([{ "a": "\0" }])),
            with(rsa(), "alg", json!("HS256")),
            with(rsa(), "alg", Value::Null),
            with(rsa(), "n", json!("AQAB")),
            json!({"kty": "oct", "k": "AAAA"}),
            json!({"kty": "EC", "crv": "P-521"}),
            json!("key"),
        ];
        for key in bad_keys {
            assert!(check_set(&json!({ "keys": [key] })).is_err(), "{key}");
        }
        for set in [
            json!(null),
            json!([]),
            json!({}),
            json!({"keys": []}),
            json!({"keys": {}}),
            json!({"keys": [ed("a"), ed("a")]}),
            json!({"keys": (0..11).map(|n| ed(&n.to_string())).collect::<Vec<_>>()}),
        ] {
            assert!(check_set(&set).is_err(), "{set}");
        }
    }
}
