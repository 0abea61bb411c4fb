//! What a delivery says, by its topic.
//!
//! Owns: the meaning of each topic, and the ids in bodies, which are of the older shape: numbers of 64 bits, `\/` in texts, times with an offset.
//! Refuses: values: what is told of a record is a reason to fetch it. Invariant: a body that cannot be read is one malformed entry, and a
//! topic nobody here knows is named, not dropped silently.
//!
//! A payment may be told before its order; both mean that the order is fetched. What was deleted is fetched as well, and is gone only if it is
//! not there.

use crate::{
    error::Result,
    record::{MalformedRecord, Resource},
    shopify::{
        id::{self, Digits},
        map, shop,
        wire::{self, clipped},
    },
    webhook::{
        AccountSignal, AccountSignalKind, PrivacyKind, PrivacyPerson, PrivacyRequest, Signal,
        SignalKind, Signals,
    },
};
use serde::Deserialize;
use serde_json::{Value, value::RawValue};
use std::collections::BTreeMap;

/// What the headers say.
pub(super) struct Topic<'a> {
    pub(super) name: &'a str,
    /// What an event of the newer kind says apart from its topic.
    pub(super) action: Option<&'a str>,
    pub(super) shop: Option<String>,
    pub(super) delivery: &'a str,
    pub(super) triggered_at: Option<&'a str>,
}

type Flaw = String;

/// The parts of a body, each still as it came.
struct Body<'a>(BTreeMap<String, &'a RawValue>);

impl<'a> Body<'a> {
    fn get<T: Deserialize<'a>>(&self, name: &str) -> Option<T> {
        let raw = self.0.get(name)?;
        serde_json::from_str(raw.get()).ok()
    }

    fn text(&self, name: &str) -> Option<String> {
        self.get(name)
    }

    /// The digits of a global id of this kind.
    fn global(&self, name: &str, kind: &str) -> Option<String> {
        id::digits(kind, &self.text(name)?)
    }

    fn digits(&self, name: &str) -> Option<String> {
        self.get::<Digits>(name).map(|digits| digits.0)
    }

    /// The id of the record a body is about. The global one first: it is text, and so cannot have been rounded by whoever passed it on.
    fn record(&self, kind: &str) -> Result<String, Flaw> {
        self.global("admin_graphql_api_id", kind)
            .or_else(|| self.digits("id"))
            .ok_or_else(|| "it does not say which record".to_owned())
    }
}

pub(super) fn parse(topic: &Topic<'_>, bytes: &[u8]) -> Result<Signals> {
    let body = Body(wire::read(bytes)?);
    let name = match (topic.name.contains('/'), topic.action) {
        (false, Some(action)) => format!("{}/{action}", topic.name),
        _ => topic.name.to_owned(),
    };
    let mut signals = Signals::default();
    if let Err(flaw) = read(&mut signals, topic, &name, &body) {
        signals.malformed.push(MalformedRecord {
            external_id: body.digits("id"),
            reason: format!("{}: {flaw}", clipped(&name)),
            raw: serde_json::from_slice(bytes).unwrap_or(Value::Null),
        });
    }
    Ok(signals)
}

fn read(signals: &mut Signals, topic: &Topic<'_>, name: &str, body: &Body<'_>) -> Result<(), Flaw> {
    let Some(shop) = topic.shop.clone() else {
        return Err("its headers do not name a shop".to_owned());
    };
    let occurred_at_ms = occurred_at(topic, body);
    let mut tell = |resource: Resource, external_id: String, kind: SignalKind| {
        let dedupe = [&shop, name, topic.delivery, &external_id].join("|");
        signals.signals.push(Signal {
            tenant_id: shop.clone(),
            resource,
            external_id,
            kind,
            occurred_at_ms,
            dedupe,
        });
    };
    match name {
        "orders/create"
        | "orders/updated"
        | "orders/update"
        | "orders/paid"
        | "orders/cancelled"
        | "orders/fulfilled"
        | "orders/partially_fulfilled" => {
            tell(Resource::Order, body.record("Order")?, SignalKind::Changed);
        }
        "orders/delete" => tell(Resource::Order, body.record("Order")?, SignalKind::Deleted),
        "orders/edited" => {
            #[derive(Deserialize)]
            struct Edit {
                order_id: Digits,
            }
            let edit: Option<Edit> = body.get("order_edit");
            let order = edit.ok_or_else(|| "it does not say which order".to_owned())?;
            tell(Resource::Order, order.order_id.0, SignalKind::Changed);
        }
        "refunds/create" | "order_transactions/create" => {
            let order = body.digits("order_id");
            let order = order.ok_or_else(|| "it does not say which order".to_owned())?;
            tell(Resource::Order, order, SignalKind::Changed);
        }
        "customers/create" | "customers/update" | "customers/enable" | "customers/disable" => {
            tell(
                Resource::Contact,
                body.record("Customer")?,
                SignalKind::Changed,
            );
        }
        "customers/delete" => {
            tell(
                Resource::Contact,
                body.record("Customer")?,
                SignalKind::Deleted,
            );
        }
        "customers/merge" => {
            if let Some((into, kind)) = merge(body)? {
                tell(Resource::Contact, into, kind);
            }
        }
        "companies/create" | "companies/update" => {
            tell(
                Resource::Company,
                body.record("Company")?,
                SignalKind::Changed,
            );
        }
        "companies/delete" => {
            tell(
                Resource::Company,
                body.record("Company")?,
                SignalKind::Deleted,
            );
        }
        // The tie between a customer and a company: the customer keeps it.
        "company_contacts/create" | "company_contacts/update" | "company_contacts/delete" => {
            let customer = body.global("customer_admin_graphql_api_id", "Customer");
            let customer = customer.ok_or_else(|| "it does not say which customer".to_owned())?;
            tell(Resource::Contact, customer, SignalKind::Changed);
        }
        "app/uninstalled" => {
            says_whose(body, "myshopify_domain", &shop, true)?;
            account(
                signals,
                shop,
                AccountSignalKind::Uninstalled,
                occurred_at_ms,
            );
        }
        "app/scopes_update" => {
            account(
                signals,
                shop,
                AccountSignalKind::ScopesChanged,
                occurred_at_ms,
            );
        }
        "customers/data_request" | "customers/redact" | "shop/redact" => {
            says_whose(body, "shop_domain", &shop, false)?;
            signals.privacy.push(privacy(topic, name, shop, body)?);
        }
        other => signals.ignored.push(clipped(other)),
    }
    Ok(())
}

fn account(signals: &mut Signals, tenant_id: String, kind: AccountSignalKind, occurred_at_ms: i64) {
    signals.account.push(AccountSignal {
        tenant_id,
        kind,
        occurred_at_ms,
    });
}

/// Refuses a body that speaks of another shop than its headers do: only the body is signed.
fn says_whose(body: &Body<'_>, field: &str, shop: &str, may_be_null: bool) -> Result<(), Flaw> {
    match body.get::<Option<String>>(field) {
        Some(Some(named)) if shop::host_of(&named).as_deref() == Some(shop) => Ok(()),
        Some(None) if may_be_null && body.0.contains_key("shop_owner") => Ok(()),
        Some(Some(_)) => Err("its body speaks of another shop than its headers".to_owned()),
        _ => Err("its body does not say which shop it speaks of".to_owned()),
    }
}

/// A merge that is done. One that was asked for, goes on or failed has changed nothing yet.
fn merge(body: &Body<'_>) -> Result<Option<(String, SignalKind)>, Flaw> {
    let status = body.text("status").unwrap_or_default();
    match status.to_ascii_lowercase().as_str() {
        "completed" => {}
        "requested" | "in_progress" | "failed" => return Ok(None),
        other => return Err(format!("{:?} is no known state of a merge", clipped(other))),
    }
    let kept = body.global("admin_graphql_api_customer_kept_id", "Customer");
    let gone = body.global("admin_graphql_api_customer_deleted_id", "Customer");
    match (kept, gone) {
        (Some(into), Some(gone)) if into != gone => {
            let from = vec![gone];
            Ok(Some((into.clone(), SignalKind::Merged { into, from })))
        }
        _ => Err("it does not say which customers became one".to_owned()),
    }
}

fn privacy(
    topic: &Topic<'_>,
    name: &str,
    tenant_id: String,
    body: &Body<'_>,
) -> Result<PrivacyRequest, Flaw> {
    #[derive(Deserialize)]
    struct Customer {
        id: Option<Digits>,
        email: Option<String>,
        phone: Option<String>,
    }
    #[derive(Deserialize)]
    struct Wish {
        id: Digits,
    }
    let (kind, records) = match name {
        "customers/data_request" => (PrivacyKind::DataRequest, "orders_requested"),
        "customers/redact" => (PrivacyKind::RedactPerson, "orders_to_redact"),
        _ => (PrivacyKind::RedactAccount, ""),
    };
    let person = match kind {
        PrivacyKind::RedactAccount => None,
        _ => {
            let customer: Option<Customer> = body.get("customer");
            let customer = customer.ok_or_else(|| "it does not say whom it is about".to_owned())?;
            let text = |text: Option<String>| text.filter(|text| !text.is_empty());
            let person = PrivacyPerson {
                external_id: customer.id.map(|id| id.0),
                email: text(customer.email),
                phone: text(customer.phone),
            };
            if person == PrivacyPerson::default() {
                return Err("it does not say whom it is about".to_owned());
            }
            Some(person)
        }
    };
    let orders: Vec<Digits> = match body.0.contains_key(records) {
        true => body
            .get(records)
            .ok_or_else(|| format!("{records} is no list of orders"))?,
        false => Vec::new(),
    };
    let wish: Option<Wish> = body.get("data_request");
    let request_id = match (wish, &person) {
        (Some(wish), _) => format!("{name}:{}", wish.id.0),
        // A wish without a number of its own is the delivery it came in, or else whom it is about.
        (None, _) if !topic.delivery.is_empty() => format!("{name}:{}", clipped(topic.delivery)),
        (None, Some(person)) => format!("{name}:{}", person.external_id.as_deref().unwrap_or("?")),
        (None, None) => name.to_owned(),
    };
    Ok(PrivacyRequest {
        tenant_id,
        kind,
        request_id,
        person,
        records: orders
            .into_iter()
            .map(|order| (Resource::Order, order.0))
            .collect(),
    })
}

/// When it happened: as the delivery says, to the nanosecond, or as the record does.
fn occurred_at(topic: &Topic<'_>, body: &Body<'_>) -> i64 {
    topic
        .triggered_at
        .and_then(map::time_ms)
        .or_else(|| body.text("updated_at").as_deref().and_then(map::time_ms))
        .or_else(|| body.text("created_at").as_deref().and_then(map::time_ms))
        .unwrap_or(0)
}
