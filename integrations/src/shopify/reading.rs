//! The records of an answer.
//!
//! Owns: reading them one by one, and completing the money of orders with more transactions than a page reads. Refuses: to fail a page for one
//! record. Invariant: an order's money is whole, or the order is malformed: less money than there was would stand for ever.

use super::{
    Shopify,
    descriptor::object,
    documents, id,
    map::{self, Node},
    order,
    selection::{MOST_TRANSACTIONS, Selection},
    wire,
};
use crate::{
    connector::{Context, Next, Page},
    error::Result,
    record::{Kind, MalformedRecord, Record, Resource},
};
use serde::Deserialize;
use serde_json::{Value, json, value::RawValue};
use std::collections::BTreeSet;

/// The records of an answer, read one by one.
#[derive(Default)]
pub(super) struct Reading {
    pub(super) records: Vec<Record>,
    pub(super) malformed: Vec<MalformedRecord>,
    /// Orders with perhaps more transactions than were asked for.
    abridged: Vec<String>,
}

impl Reading {
    pub(super) fn add(
        &mut self,
        ctx: &Context<'_>,
        selection: &Selection<'_>,
        raw: &RawValue,
        most: usize,
    ) {
        let read = serde_json::from_str::<Node>(raw.get())
            .map_err(|error| wire::clipped(&error.to_string()))
            .and_then(|node| {
                Ok((
                    map::record(ctx, selection, &node)?,
                    order::transactions(&node),
                ))
            });
        match read {
            Ok((record, transactions)) => {
                if transactions.is_some_and(|count| count >= most) {
                    self.abridged.push(record.external_id.clone());
                }
                self.records.push(record);
            }
            Err(flaw) => self.malformed.push(map::malformed(selection, raw, flaw)),
        }
    }

    /// Takes out what cannot stand, with the reason.
    fn reject(&mut self, id: &str, reason: &str) {
        self.records.retain(|record| record.external_id != id);
        self.malformed.push(MalformedRecord {
            external_id: Some(id.to_owned()),
            reason: reason.to_owned(),
            raw: Value::Null,
        });
    }

    pub(super) fn page(self, next: Next) -> Page {
        Page {
            records: self.records,
            malformed: self.malformed,
            merged: Vec::new(),
            next,
            wait: None,
        }
    }
}

/// Something a person should know of a walk as a whole.
pub(super) fn note(words: &str) -> MalformedRecord {
    MalformedRecord {
        external_id: None,
        reason: words.to_owned(),
        raw: Value::Null,
    }
}

#[derive(Deserialize)]
pub(super) struct NodesData<'a> {
    #[serde(borrow)]
    pub(super) nodes: Vec<Option<&'a RawValue>>,
}

impl Shopify {
    /// Reads all transactions of the orders that may have more than a page asks for.
    pub(super) async fn complete(&self, ctx: &Context<'_>, reading: &mut Reading) -> Result<()> {
        for id in std::mem::take(&mut reading.abridged) {
            let Some(global) = id::global("Order", &id) else {
                continue;
            };
            let variables = json!({"ids": [global]});
            let reply = self
                .post(ctx, documents::ORDER_MONEY, variables, 60)
                .await?;
            let data: NodesData<'_> = reply.read()?;
            let node = data.nodes.into_iter().flatten().next();
            let node: Option<Node> = node.and_then(|raw| serde_json::from_str(raw.get()).ok());
            let Some(node) = node else {
                reading.reject(
                    &id,
                    "its transactions cannot be read, or it was deleted meanwhile",
                );
                continue;
            };
            let order =
                object(Resource::Order).map(|order| Selection::new(order, &[], BTreeSet::new()));
            let money = match order {
                Some(selection) => order::money(&node, &selection),
                None => Err("orders are not read".to_owned()),
            };
            match money {
                Ok(_) if order::transactions(&node) >= Some(MOST_TRANSACTIONS) => {
                    reading.reject(
                        &id,
                        "it has more transactions than can be read of one order",
                    );
                }
                Ok(money) => {
                    let record = reading
                        .records
                        .iter_mut()
                        .find(|record| record.external_id == id);
                    if let Some(record) = record {
                        record.kind = Kind::Order(money);
                    }
                }
                Err(flaw) => reading.reject(&id, &flaw),
            }
        }
        Ok(())
    }
}
