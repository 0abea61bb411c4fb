//! Salesforce's outbound messages: who may send them, and what they say.
//!
//! Owns: the check of a message and its reading into signals. Refuses: the values in it: they are those of the time of sending, messages come in any
//! order and again for a day, so a message only tells which record to look at. The session it may carry is not even read. Invariant: a message
//! speaks of the organisation whose own door it came to, and of no other.
//!
//! Salesforce signs nothing here. What holds instead: each connection has an address of its own that nobody can guess, which the account's administrator
//! enters there, and the message names its organisation. What is deleted sends no message; the log of deletions tells that ([`super::changes`]).

mod soap;

use super::{Salesforce, descriptor::object_named, id};
use crate::{
    error::{ConnectorError, Result},
    record::MalformedRecord,
    webhook::{
        Delivery, Door, InboundRequest, Reason, Signal, SignalKind, Signals, Verdict,
        WebhookResponse, Webhooks,
    },
};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use sha2::{Digest, Sha256};
use soap::Message;
use subtle::{Choice, ConstantTimeEq};

/// What says that all of a message is taken over.
const ACK: &str = concat!(
    r#"<?xml version="1.0" encoding="UTF-8"?>"#,
    r#"<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"><soapenv:Body>"#,
    r#"<notificationsResponse xmlns="http://soap.sforce.com/2005/09/outbound"><Ack>true</Ack></notificationsResponse>"#,
    "</soapenv:Body></soapenv:Envelope>"
);

/// Whether an address ends in one of these secrets. All are compared, so that the time taken does not tell which one matched.
fn ends_in(address: &str, secrets: &[SecretString]) -> bool {
    let path = address.split(['?', '#']).next().unwrap_or_default();
    let last = path.rsplit('/').next().unwrap_or_default();
    let mut any = Choice::from(0);
    for secret in secrets {
        let secret = secret.expose_secret();
        let matches = secret.as_bytes().ct_eq(last.as_bytes());
        any |= matches & Choice::from(u8::from(!secret.is_empty()));
    }
    bool::from(any)
}

/// Identifies a message by what it reports: it is sent again until it is acknowledged, each time with another session.
fn dedupe_key(message: &Message) -> String {
    let mut ids: Vec<&str> = message
        .notifications
        .iter()
        .map(|one| one.id.as_str())
        .collect();
    ids.sort_unstable();
    let mut hash = Sha256::new();
    for part in std::iter::once(message.organization.as_str()).chain(ids) {
        hash.update(part.as_bytes());
        hash.update(b"\n");
    }
    hex::encode(hash.finalize())
}

impl Webhooks for Salesforce {
    fn door(&self) -> Door {
        Door::Connection
    }

    fn verify(&self, secrets: &[SecretString], request: &InboundRequest<'_>, _: i64) -> Verdict {
        if secrets.is_empty() {
            return Verdict::Rejected(Reason::NoSecret);
        }
        if !ends_in(request.public_url, secrets) {
            return Verdict::Rejected(Reason::WrongSignature);
        }
        let message = match soap::read(request.body) {
            Ok(message) => message,
            Err(_) => return Verdict::Rejected(Reason::MalformedSignature),
        };
        let is_ours = request
            .tenant_id
            .is_some_and(|tenant| id::same(tenant, &message.organization));
        if !is_ours {
            return Verdict::Rejected(Reason::ForeignAccount);
        }
        Verdict::Accepted {
            dedupe_key: dedupe_key(&message),
        }
    }

    fn kept_headers(&self) -> &'static [&'static str] {
        &[]
    }

    fn parse(&self, delivery: &Delivery<'_>) -> Result<Signals> {
        let message = soap::read(delivery.body).map_err(|flaw| {
            ConnectorError::schema(format!("the message cannot be read: {flaw}"))
        })?;
        let tenant_id = delivery
            .tenant_id
            .filter(|tenant| id::same(tenant, &message.organization))
            .ok_or_else(|| {
                ConnectorError::permanent(
                    "foreign_account",
                    "the message speaks of another organisation",
                )
            })?;
        let mut signals = Signals::default();
        for one in message.notifications {
            let Some(external_id) = id::long(&one.record) else {
                signals.malformed.push(MalformedRecord {
                    external_id: None,
                    reason: "a notification does not say which record it is about".to_owned(),
                    raw: Value::String(one.id),
                });
                continue;
            };
            let Some(object) = object_named(&one.object) else {
                let kind = super::wire::clipped(&one.object);
                if !signals.ignored.contains(&kind) {
                    signals.ignored.push(kind);
                }
                continue;
            };
            signals.signals.push(Signal {
                tenant_id: tenant_id.to_owned(),
                resource: object.resource,
                external_id,
                kind: SignalKind::Changed,
                occurred_at_ms: one.changed_ms.unwrap_or(0),
                dedupe: one.id,
            });
        }
        Ok(signals)
    }

    fn accepted(&self) -> WebhookResponse {
        WebhookResponse {
            status: 200,
            content_type: "text/xml; charset=utf-8",
            body: ACK.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests;
