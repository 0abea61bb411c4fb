//! Deliveries as HubSpot signs them, written from its documentation and sharing nothing with the product.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// Version 3: base64 of the HMAC-SHA-256 over method, address, body and time.
pub fn v3(secret: &str, method: &str, uri: &str, body: &[u8], timestamp: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    for part in [
        method.as_bytes(),
        uri.as_bytes(),
        body,
        timestamp.as_bytes(),
    ] {
        mac.update(part);
    }
    STANDARD.encode(mac.finalize().into_bytes())
}

/// Version 1: a plain hash of secret and body.
pub fn v1(secret: &str, body: &[u8]) -> String {
    let mut digest = Sha256::new();
    digest.update(secret.as_bytes());
    digest.update(body);
    hex::encode(digest.finalize())
}

/// The headers of a delivery to an address at a time.
pub fn headers(secret: &str, uri: &str, body: &[u8], at_ms: i64) -> Vec<(&'static str, String)> {
    let timestamp = at_ms.to_string();
    vec![
        ("content-type", "application/json".to_owned()),
        ("x-hubspot-signature", v1(secret, body)),
        ("x-hubspot-signature-version", "v1".to_owned()),
        (
            "x-hubspot-signature-v3",
            v3(secret, "POST", uri, body, &timestamp),
        ),
        ("x-hubspot-request-timestamp", timestamp),
    ]
}

/// One event: a property of a record changed.
pub fn changed(portal: u64, object: &str, id: &str, number: u64) -> Value {
    json!({
        "eventId": number, "subscriptionId": 1, "portalId": portal, "appId": 910_001, "occurredAt": 1_790_000_000_000_u64 + number,
        "subscriptionType": format!("{object}.propertyChange"), "attemptNumber": 0, "objectId": id.parse::<u64>().unwrap(),
        "changeSource": "CRM_UI", "propertyName": "name", "propertyValue": "x",
    })
}

/// A body of such events.
pub fn body(events: &[Value]) -> Vec<u8> {
    serde_json::to_vec(events).unwrap()
}
