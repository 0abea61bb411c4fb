//! The signatures that HubSpot and Slack have published. Of HubSpot's ours is version 3 and agrees with every one of them; the older versions open
//! nothing. Of Slack's no bit may be another.

use integrations::Endpoints;
use integrations::connector::{InboundRequest, Verdict};
use secrecy::SecretString;
use serde_json::Value;
use tests::shared_folder;

fn vectors(vendor: &str) -> Option<Vec<Value>> {
    let text = std::fs::read_to_string(shared_folder("vendors/signature-vectors.json")?).unwrap();
    let file: Value = serde_json::from_str(&text).unwrap();
    Some(
        file["vectors"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|vector| vector["vendor"] == vendor)
            .cloned()
            .collect(),
    )
}

fn verdict(vector: &Value, headers: &[(&str, &str)], body: &[u8], now_ms: i64) -> Verdict {
    let registry = integrations::connectors(Endpoints::default());
    let connector = registry.get(vector["vendor"].as_str().unwrap()).unwrap();
    let text = |name: &str| vector[name].as_str().unwrap_or_default();
    let headers: Vec<(String, String)> = headers
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    let request = InboundRequest {
        method: text("method"),
        public_url: text("uri"),
        headers: &headers,
        body,
        tenant_id: None,
    };
    connector
        .webhooks()
        .unwrap()
        .verify(&[SecretString::from(text("secret"))], &request, now_ms)
}

fn is_v3(vector: &Value) -> bool {
    vector["id"].as_str().unwrap().contains("-v3")
}

#[test]
fn every_published_signature_of_version_3_is_accepted_and_no_neighbour_is() {
    let Some(vectors) = vectors("hubspot") else {
        return;
    };
    let vectors: Vec<Value> = vectors.into_iter().filter(is_v3).collect();
    assert!(vectors.len() >= 2);
    for vector in &vectors {
        let (signature, timestamp, body) = (
            vector["expected"].as_str().unwrap(),
            vector["timestamp"].as_str().unwrap(),
            vector["body"].as_str().unwrap().as_bytes(),
        );
        let now: i64 = timestamp.parse().unwrap();
        let headers = [
            ("X-HubSpot-Signature-v3", signature),
            ("X-HubSpot-Request-Timestamp", timestamp),
        ];
        assert!(
            matches!(
                verdict(vector, &headers, body, now),
                Verdict::Accepted { .. }
            ),
            "{}",
            vector["id"]
        );
        let mut longer = body.to_vec();
        longer.push(b' ');
        assert!(
            matches!(
                verdict(vector, &headers, &longer, now),
                Verdict::Rejected(_)
            ),
            "{}",
            vector["id"]
        );
        assert!(
            matches!(
                verdict(vector, &headers, body, now + 300_001),
                Verdict::Rejected(_)
            ),
            "{}",
            vector["id"]
        );
        assert!(
            matches!(
                verdict(vector, &headers, body, now - 300_001),
                Verdict::Rejected(_)
            ),
            "{}",
            vector["id"]
        );
        assert!(
            matches!(verdict(vector, &[], body, now), Verdict::Rejected(_)),
            "{}",
            vector["id"]
        );
    }
}

#[test]
fn the_older_versions_open_nothing() {
    let Some(vectors) = vectors("hubspot") else {
        return;
    };
    let vectors: Vec<Value> = vectors
        .into_iter()
        .filter(|vector| !is_v3(vector))
        .collect();
    assert!(vectors.len() >= 4);
    for vector in &vectors {
        let (signature, body) = (
            vector["expected"].as_str().unwrap(),
            vector["body"].as_str().unwrap().as_bytes(),
        );
        let now = 1_693_657_560_000;
        let stamp = now.to_string();
        for version in ["v1", "v2"] {
            let headers = [
                ("X-HubSpot-Signature", signature),
                ("X-HubSpot-Signature-Version", version),
                ("X-HubSpot-Request-Timestamp", &stamp),
            ];
            assert!(
                matches!(verdict(vector, &headers, body, now), Verdict::Rejected(_)),
                "{}",
                vector["id"]
            );
        }
        let headers = [
            ("X-HubSpot-Signature-v3", signature),
            ("X-HubSpot-Request-Timestamp", &stamp),
        ];
        assert!(
            matches!(verdict(vector, &headers, body, now), Verdict::Rejected(_)),
            "{}",
            vector["id"]
        );
    }
}

/// The texts with one bit flipped, each bit in its turn; those that are no text are sent by nobody.
fn flips(text: &str) -> impl Iterator<Item = String> + '_ {
    (0..text.len() * 8).filter_map(|bit| {
        let mut bytes = text.as_bytes().to_vec();
        bytes[bit / 8] ^= 1 << (bit % 8);
        String::from_utf8(bytes).ok()
    })
}

#[test]
fn slacks_published_signature_is_accepted_and_no_neighbour_is() {
    let Some(vectors) = vectors("slack") else {
        return;
    };
    assert!(!vectors.is_empty());
    for vector in &vectors {
        let text = |name: &str| vector[name].as_str().unwrap();
        let (signature, timestamp, body) = (text("expected"), text("timestamp"), text("body"));
        let now_ms = timestamp.parse::<i64>().unwrap() * 1_000;
        let accepted = |signature: &str, timestamp: &str, body: &str, now_ms: i64| {
            let headers = [
                ("X-Slack-Signature", signature),
                ("X-Slack-Request-Timestamp", timestamp),
            ];
            let verdict = verdict(vector, &headers, body.as_bytes(), now_ms);
            matches!(verdict, Verdict::Accepted { .. })
        };
        assert!(accepted(signature, timestamp, body, now_ms));
        for late in [-300_001, 300_001] {
            assert!(!accepted(signature, timestamp, body, now_ms + late));
        }
        for spoilt in flips(signature) {
            assert!(!accepted(&spoilt, timestamp, body, now_ms), "{spoilt}");
        }
        for spoilt in flips(timestamp) {
            assert!(!accepted(signature, &spoilt, body, now_ms), "{spoilt}");
        }
        for spoilt in flips(body) {
            assert!(!accepted(signature, timestamp, &spoilt, now_ms), "{spoilt}");
        }
    }
}
