//! A shop's orders: paid, refunded, cancelled, noted and deleted, told of by signed deliveries in which a payment may come before its order.

use super::History;
use crate::linked::{Delivery, Linked};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use integrations::shopify::ID;
use rand::RngExt;
use rand::rngs::StdRng;
use sandbox::shopify::{OrderDraft, OrderEdit};
use serde_json::{Value, json};
use sha2::Sha256;
use tests::{CLIENT_SECRET, Options, SHOP, Setups, ShopifySetup};

const PATH: &str = "/hooks/shopify";
/// What an order costs, in cents.
const PRICE: u32 = 50_000;

/// A shop that sends nothing by itself, so that a test decides when something arrives.
pub fn options() -> Options {
    let others = Setups {
        shopify: Some(ShopifySetup::default()),
        ..Setups::default()
    };
    Options {
        others,
        ..Options::default()
    }
}

/// A delivery as Shopify signs it, written from its documentation.
pub fn signed(secret: &str, topic: &str, id: &str, body: Vec<u8>) -> Delivery {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(&body);
    let signature = STANDARD.encode(mac.finalize().into_bytes());
    Delivery {
        path: PATH.to_owned(),
        headers: vec![
            ("content-type", "application/json".to_owned()),
            ("x-shopify-hmac-sha256", signature),
            ("x-shopify-topic", topic.to_owned()),
            ("x-shopify-shop-domain", SHOP.to_owned()),
            ("x-shopify-webhook-id", id.to_owned()),
            ("x-shopify-api-version", "2026-10".to_owned()),
        ],
        body,
    }
}

/// Something that happens to an order.
#[derive(Clone, Debug)]
pub enum Step {
    Pay,
    /// So many cents are given back.
    Refund(u32),
    Cancel,
    Note(u32),
    Delete,
}

/// A delivery: its id, its topic, its body.
#[derive(Clone, Debug)]
pub struct Told {
    id: String,
    topic: &'static str,
    body: Value,
}

pub struct Orders {
    linked: Linked,
    number: u64,
}

fn money(cents: u32) -> String {
    format!("{}.{:02}", cents / 100, cents % 100)
}

impl History for Orders {
    type Step = Step;
    type Event = Told;
    const BATCH: usize = 1;

    async fn account() -> Self {
        let linked = Linked::to(ID, options()).await;
        linked.settle().await;
        Self { linked, number: 0 }
    }

    fn linked(&self) -> &Linked {
        &self.linked
    }

    fn ended(self) -> Linked {
        self.linked
    }

    async fn begin(&mut self) -> String {
        let draft = OrderDraft {
            paid: false,
            ..OrderDraft::paid(&money(PRICE))
        };
        let store = self.linked.app.shopify().store();
        store.place_order(draft).unwrap().to_string()
    }

    fn steps(chance: &mut StdRng) -> Vec<Step> {
        let mut steps = Vec::new();
        let (mut paid, mut cancelled, mut left) = (false, false, PRICE);
        for _ in 0..chance.random_range(3..8) {
            let step = match chance.random_range(0..8) {
                0..=2 if !paid && !cancelled => Step::Pay,
                0..=3 if paid && left > 10_000 => Step::Refund(chance.random_range(1..9_999)),
                4 if !cancelled => Step::Cancel,
                5 if steps.len() > 2 => Step::Delete,
                _ => Step::Note(chance.random_range(0..1_000)),
            };
            match step {
                Step::Pay => paid = true,
                Step::Refund(cents) => left -= cents,
                Step::Cancel => cancelled = true,
                Step::Delete | Step::Note(_) => {}
            }
            let last = matches!(step, Step::Delete);
            steps.push(step);
            if last {
                break;
            }
        }
        steps
    }

    fn happen(&mut self, step: &Step, record: &str) {
        let store = self.linked.app.shopify().store();
        let order: u64 = record.parse().unwrap();
        match step {
            Step::Pay => store.pay_order(order).unwrap(),
            Step::Refund(cents) => {
                store.refund_order(order, Some(&money(*cents))).unwrap();
            }
            Step::Cancel => store.cancel_order(order, "customer").unwrap(),
            Step::Note(number) => {
                let edit = OrderEdit {
                    note: Some(format!("Note {number}")),
                    ..OrderEdit::default()
                };
                store.edit_order(order, edit).unwrap();
            }
            Step::Delete => store.delete_order(order).unwrap(),
        }
    }

    fn event(&mut self, step: &Step, record: &str, repeats: Option<&Told>) -> Option<Told> {
        if let Some(same) = repeats {
            return Some(same.clone());
        }
        self.number += 1;
        let order: u64 = record.parse().unwrap();
        let stale = json!({ "id": order, "financial_status": "stale", "total_price": "0.01" });
        let about = json!({ "id": self.number, "order_id": order, "amount": "0.01" });
        // One action is told under several topics, in no order that counts.
        let (topic, body) = match (step, self.number % 2) {
            (Step::Pay, 0) => ("orders/paid", stale),
            (Step::Pay, _) => ("order_transactions/create", about),
            (Step::Refund(_), 0) => ("refunds/create", about),
            (Step::Cancel, 0) => ("orders/cancelled", stale),
            (Step::Delete, _) => ("orders/delete", json!({ "id": order })),
            _ => ("orders/updated", stale),
        };
        Some(Told {
            id: format!("delivery-{}", self.number),
            topic,
            body,
        })
    }

    fn delivery(&self, events: &[Told]) -> Delivery {
        let told = &events[0];
        let body = serde_json::to_vec(&told.body).unwrap();
        signed(CLIENT_SECRET, told.topic, &told.id, body)
    }

    async fn state(&self, record: &str) -> Value {
        let row = self.linked.row("order", record).await;
        // What was paid just before a deletion, and told after, can no longer be read.
        if !row["archivedAt"].is_null() {
            return json!({ "archived": true });
        }
        let lines = row["revenueEvents"]["nodes"].as_array().unwrap();
        let mut revenue: Vec<String> = lines
            .iter()
            .map(|line| {
                let amount = line["amount"]["amount"].as_str().unwrap();
                format!("{} {amount}", line["kind"].as_str().unwrap())
            })
            .collect();
        revenue.sort();
        json!({
            "archived": false, "stage": row["stage"], "amount": row["amount"]["amount"], "revenue": revenue,
        })
    }

    fn truth(steps: &[Step]) -> Value {
        let (mut paid, mut cancelled) = (false, false);
        let mut revenue = Vec::new();
        for step in steps {
            match step {
                Step::Pay => {
                    paid = true;
                    revenue.push(format!("PAYMENT {}", money(PRICE)));
                }
                Step::Refund(cents) => revenue.push(format!("REFUND {}", money(*cents))),
                Step::Cancel => cancelled = true,
                Step::Note(_) => {}
                Step::Delete => return json!({ "archived": true }),
            }
        }
        revenue.sort();
        // An order is a won deal, but for one that was called off before anything was paid.
        let stage = if cancelled && !paid { "LOST" } else { "WON" };
        json!({ "archived": false, "stage": stage, "amount": money(PRICE), "revenue": revenue })
    }
}
