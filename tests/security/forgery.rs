//! Tokens as a forger makes them: any header, any claims, signed with the app's own key or with anything else.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use tests::TestApp;

/// What a token is made of.
#[derive(Clone)]
pub struct Parts {
    /// The header.
    pub header: Value,
    /// The claims.
    pub claims: Value,
}

/// A part as tokens carry it.
pub fn encoded(part: &Value) -> String {
    URL_SAFE_NO_PAD.encode(part.to_string())
}

impl Parts {
    /// A token of staff with one scope that is valid in every respect once it is signed with the app's key.
    pub fn valid(app: &TestApp) -> Self {
        let keys = app.state.tokens.keys();
        let key = keys.current().public();
        let now = app.database().now().secs();
        let issuer = app.public_url().as_str();
        Self {
            header: json!({"alg": "EdDSA", "typ": "at+jwt", "kid": key.kid()}),
            claims: json!({
                "iss": issuer, "aud": format!("{issuer}/graphql"), "sub": "forger", "client_id": "forger",
                "iat": now - 10, "exp": now + 600, "jti": "j", "scope": "partners:read", "viewer_kind": "staff", "role": "ADMIN", "subject_epoch": 0, "client_epoch": 0,
            }),
        }
    }

    /// The same with a claim set.
    pub fn claim(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.claims[name] = value.into();
        self
    }

    /// The same without a claim.
    pub fn without(mut self, name: &str) -> Self {
        self.claims.as_object_mut().unwrap().remove(name);
        self
    }

    /// The same with a member of the header set.
    pub fn header(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.header[name] = value.into();
        self
    }

    /// The same without a member of the header.
    pub fn without_header(mut self, name: &str) -> Self {
        self.header.as_object_mut().unwrap().remove(name);
        self
    }

    /// What is signed.
    pub fn message(&self) -> String {
        format!("{}.{}", encoded(&self.header), encoded(&self.claims))
    }

    /// The token, signed with the app's key.
    pub fn signed(&self, app: &TestApp) -> String {
        sign(app, &self.message())
    }

    /// The token under a key of the forger's choice, as HS256.
    pub fn hs256(&self, key: &[u8]) -> String {
        let message = self.message();
        let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
        mac.update(message.as_bytes());
        format!(
            "{message}.{}",
            URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes())
        )
    }
}

/// Any message, signed with the app's key.
pub fn sign(app: &TestApp, message: &str) -> String {
    let keys = app.state.tokens.keys();
    format!(
        "{message}.{}",
        keys.current().sign(message.as_bytes()).unwrap()
    )
}
