//! Deliveries as HubSpot sends them: one event of 1 KiB, signed.

use super::measure::server::PUBLIC_URL;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use entities::clock::{Clock, SystemClock};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// The app that the deliveries are for.
pub const CLIENT_ID: &str = "entente-bench";
/// Its secret, which signs them.
pub const CLIENT_SECRET: &str = "the-secret-of-the-bench-app";

const PATH: &str = "/hooks/hubspot";
const BYTES: usize = 1_024;

/// The n-th delivery; no two are the same.
pub fn body(number: u64) -> String {
    let begin = format!(
        r#"[{{"eventId":{number},"subscriptionId":1,"portalId":20000001,"appId":920001,"occurredAt":1790000000000,"subscriptionType":"deal.propertyChange","attemptNumber":0,"objectId":{number},"changeSource":"CRM","propertyName":"dealname","propertyValue":""#
    );
    let end = r#""}]"#;
    let filling = "x".repeat(BYTES - begin.len() - end.len());
    format!("{begin}{filling}{end}")
}

/// The n-th delivery as a whole request.
pub fn signed(number: u64, address: &str) -> Vec<u8> {
    let (body, stamp) = (body(number), SystemClock.now().millis().to_string());
    let mut mac =
        Hmac::<Sha256>::new_from_slice(CLIENT_SECRET.as_bytes()).expect("a key of any length");
    for part in ["POST", PUBLIC_URL, PATH, &body, &stamp] {
        mac.update(part.as_bytes());
    }
    let signature = BASE64_STANDARD.encode(mac.finalize().into_bytes());
    let length = body.len();
    let head =
        format!("X-HubSpot-Signature-v3: {signature}\r\nX-HubSpot-Request-Timestamp: {stamp}");
    format!("POST {PATH} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n{head}\r\nContent-Length: {length}\r\n\r\n{body}").into_bytes()
}
