//! The messages and answers that Salesforce has published: ours reads the one and gives the other.

use integrations::Endpoints;
use integrations::connector::{Delivery, InboundRequest, Resource, Verdict};
use secrecy::SecretString;
use serde_json::Value;
use tests::shared_folder;

fn samples() -> Option<Value> {
    let text = std::fs::read_to_string(shared_folder("vendors/salesforce-samples.json")?).unwrap();
    Some(serde_json::from_str(&text).unwrap())
}

/// The texts of an answer, without its declaration and the spaces between.
fn bare(xml: &str) -> String {
    let body = xml.split_once("?>").map_or(xml, |(_, body)| body);
    body.split_whitespace().collect()
}

#[test]
fn the_published_message_is_read_and_acknowledged_as_published() {
    let Some(samples) = samples() else { return };
    let registry = integrations::connectors(Endpoints::default());
    let door = registry.get("salesforce").unwrap().webhooks().unwrap();
    let body = samples["outbound_message_in"]["xml"].as_str().unwrap();
    let tenant = Some("00D5e000000KQ2eEAG");
    let request = InboundRequest {
        method: "POST",
        public_url: "https://entente.example.com/hooks/salesforce/unguessable",
        headers: &[],
        body: body.as_bytes(),
        tenant_id: tenant,
    };
    let verdict = door.verify(&[SecretString::from("unguessable")], &request, 0);
    assert!(matches!(verdict, Verdict::Accepted { .. }), "{verdict:?}");
    let delivery = Delivery {
        headers: &[],
        body: body.as_bytes(),
        tenant_id: tenant,
    };
    let signals = door.parse(&delivery).unwrap().signals;
    assert_eq!(signals.len(), 1);
    assert_eq!(signals[0].resource, Resource::Company);
    assert_eq!(signals[0].external_id, "0015e00000ZkM3hAAF");
    assert_eq!(signals[0].dedupe, "04l5e00000Gx7QzAAJ");
    let published = samples["outbound_message_ack"]["xml"].as_str().unwrap();
    assert_eq!(bare(&door.accepted().body), bare(published));
}
