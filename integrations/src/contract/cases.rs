//! One case for each connector.

use super::{Case, Signing};
use crate::hubspot::{HubSpot, HubSpotEndpoints, ID};
use crate::salesforce::{self, Salesforce, SalesforceEndpoints};
use crate::shopify::{self, Shopify, ShopifyEndpoints};
use crate::slack::{self, Slack, SlackEndpoints};
use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::sync::Arc;

/// Where an app's webhooks arrive.
const URL: &str = "https://entente.example.com/hooks/vendor";

/// Two ids as a vendor writes them: one that takes another form for no id at all need not ask about it.
pub(super) fn ids(connector: &str) -> [&'static str; 2] {
    match connector {
        salesforce::ID => ["001D000000IRFmaIAH", "001D000000IRFmbIAH"],
        _ => ["1", "2"],
    }
}

/// A property that every kind of record has which the connector writes: one that only reads it need not ask to refuse.
pub(super) fn property(connector: &str) -> &'static str {
    match connector {
        shopify::ID => "note",
        _ => "name",
    }
}

/// All of them.
pub(super) fn all() -> Vec<Case> {
    vec![hubspot(), salesforce(), slack(), shopify()]
}

fn hubspot() -> Case {
    Case {
        id: ID,
        at: |url| Arc::new(HubSpot::new(HubSpotEndpoints::at(url))),
        sited: |_| None,
        typed: None,
        tenant: "33",
        renewal: r#"{"access_token":"new","token_type":"bearer","expires_in":1800}"#,
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
            url: |_| URL.to_owned(),
            sealed: true,
            stamped: true,
        }),
    }
}

fn salesforce() -> Case {
    Case {
        id: salesforce::ID,
        at: |url| Arc::new(Salesforce::new(SalesforceEndpoints::at(url))),
        sited: Some,
        typed: Some("acme.my.salesforce.com"),
        tenant: "00D5e000000KQ2eEAG",
        // It tells no end of a token.
        renewal: r#"{"access_token":"new","token_type":"Bearer"}"#,
        // The address is all there is: it is the secret.
        signing: Some(Signing {
            body: r#"<?xml version="1.0" encoding="UTF-8"?><soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soapenv:Body><notifications xmlns="http://soap.sforce.com/2005/09/outbound"><OrganizationId>00D5e000000KQ2eEAG</OrganizationId><ActionId>04k5e000000CaRkAAK</ActionId><SessionId xsi:nil="true"/><EnterpriseUrl>https://x</EnterpriseUrl><PartnerUrl>https://x</PartnerUrl><Notification><Id>04l5e00000Gx7QzAAJ</Id><sObject xsi:type="sf:Account" xmlns:sf="urn:sobject.enterprise.soap.sforce.com"><sf:Id>0015e00000ZkM3hAAF</sf:Id></sObject></Notification></notifications></soapenv:Body></soapenv:Envelope>"#,
            headers: |_, _, _, _| Vec::new(),
            url: |secret| format!("https://entente.example.com/hooks/salesforce/{secret}"),
            sealed: false,
            stamped: false,
        }),
    }
}

fn slack() -> Case {
    Case {
        id: slack::ID,
        at: |url| Arc::new(Slack::new(SlackEndpoints::at(url))),
        sited: |_| None,
        typed: None,
        tenant: "T33",
        renewal: r#"{"ok":true,"access_token":"new","token_type":"bot","expires_in":43200,"team":{"id":"T33"}}"#,
        signing: Some(Signing {
            body: r#"{"token":"x","team_id":"T33","api_app_id":"A1","event":{"type":"app_uninstalled"},"type":"event_callback","event_id":"Ev0PV52K25","event_time":1793527200}"#,
            headers: |secret, _, body, now_ms| {
                let stamp = (now_ms / 1000).to_string();
                let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
                for part in [b"v0:".as_slice(), stamp.as_bytes(), b":", body] {
                    mac.update(part);
                }
                let signature = format!("v0={}", hex::encode(mac.finalize().into_bytes()));
                vec![
                    ("X-Slack-Signature".to_owned(), signature),
                    ("X-Slack-Request-Timestamp".to_owned(), stamp),
                ]
            },
            url: |_| URL.to_owned(),
            sealed: true,
            stamped: true,
        }),
    }
}

fn shopify() -> Case {
    Case {
        id: shopify::ID,
        at: |url| Arc::new(Shopify::new(ShopifyEndpoints::at(url))),
        // The shop is named as ever; only its server is another.
        sited: |_| url::Url::parse("https://some-shop.myshopify.com/").ok(),
        typed: Some("some-shop.myshopify.com"),
        tenant: "some-shop.myshopify.com",
        renewal: r#"{"access_token":"new","scope":"read_orders","expires_in":3600}"#,
        signing: Some(Signing {
            body: r#"{"id":820982911946154508,"admin_graphql_api_id":"gid:\/\/shopify\/Order\/820982911946154508","updated_at":"2026-11-01T05:00:00-05:00"}"#,
            headers: |secret, _, body, _| {
                let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
                mac.update(body);
                let signature = STANDARD.encode(mac.finalize().into_bytes());
                let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
                vec![
                    header("X-Shopify-Hmac-Sha256", &signature),
                    header("X-Shopify-Topic", "orders/create"),
                    header("X-Shopify-Shop-Domain", "some-shop.myshopify.com"),
                    header(
                        "X-Shopify-Webhook-Id",
                        "b54557e4-bdd9-4b37-8a5f-bf7d70bcd043",
                    ),
                    header("X-Shopify-Triggered-At", "2026-11-01T10:00:00.877041743Z"),
                ]
            },
            url: |_| URL.to_owned(),
            sealed: true,
            stamped: false,
        }),
    }
}
