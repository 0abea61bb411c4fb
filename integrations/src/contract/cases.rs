//! One case for each connector.

use super::{Case, Signing};
use crate::hubspot::{HubSpot, HubSpotEndpoints, ID};
use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::sync::Arc;

/// All of them.
pub(super) fn all() -> Vec<Case> {
    vec![hubspot()]
}

fn hubspot() -> Case {
    Case {
        id: ID,
        at: |url| Arc::new(HubSpot::new(HubSpotEndpoints::at(url))),
        signing: Some(Signing {
            body: r#"[{"eventId":1,"subscriptionId":12,"portalId":33,"occurredAt":1793527200000,"subscriptionType":"deal.propertyChange","propertyName":"amount","objectId":123,"appId":5}]"#,
            headers: |secret, url, body, now_ms| {
                let stamp = now_ms.to_string();
                let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
                for part in [b"POST".as_slice(), url.as_bytes(), body, stamp.as_bytes()] {
                    mac.update(part);
                }
                let signature = STANDARD.encode(mac.finalize().into_bytes());
                vec![
                    ("X-HubSpot-Signature-v3".to_owned(), signature),
                    ("X-HubSpot-Request-Timestamp".to_owned(), stamp),
                ]
            },
            stamped: true,
        }),
    }
}
