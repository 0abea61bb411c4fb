//! Reading by id.
//!
//! Owns: records by their ids, and what their absence means. Refuses: to take for gone what is merely out of sight. Invariant: an id is answered
//! as a record, as malformed or as missing; one that is none of these is one nobody can know of.
//!
//! Without `read_all_orders` Shopify shows the orders of sixty days only. An order that has grown older is not gone, so "missing" is believed
//! only of orders that are as young as one that shows: Shopify deals out their numbers in rising order.

use super::{
    Shopify,
    descriptor::{Object, PAGE},
    documents, id, limits,
    reading::{NodesData, Reading, note},
    scopes,
    selection::{FEW_TRANSACTIONS, Selection},
    wire,
};
use crate::{
    connector::{Context, Fetched},
    error::{ConnectorError, Result},
    record::{MalformedRecord, Resource},
};
use serde::Deserialize;
use serde_json::json;
use std::cmp::Ordering;
use std::collections::BTreeSet;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Visible {
    current_app_installation: Installation,
    orders: Oldest,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Installation {
    access_scopes: Vec<Scope>,
}

#[derive(Deserialize)]
struct Scope {
    handle: String,
}

#[derive(Deserialize)]
struct Oldest {
    nodes: Vec<wire::Identified>,
}

impl Shopify {
    /// The oldest order that shows, where only the young ones do: none when all do, and none inside when none shows.
    async fn visible(&self, ctx: &Context<'_>) -> Result<Option<Option<String>>> {
        let reply = self
            .post(ctx, documents::ORDERS_VISIBLE, json!({}), 5)
            .await?;
        let visible: Visible = reply.read()?;
        let granted = &visible.current_app_installation.access_scopes;
        if granted
            .iter()
            .any(|scope| scope.handle == scopes::READ_ALL_ORDERS)
        {
            return Ok(None);
        }
        let oldest = visible.orders.nodes.first();
        Ok(Some(
            oldest.and_then(|oldest| id::digits("Order", &oldest.id)),
        ))
    }

    /// What a person should know before a walk over everything.
    pub(super) async fn notes(
        &self,
        ctx: &Context<'_>,
        object: &Object,
    ) -> Result<Vec<MalformedRecord>> {
        if object.resource != Resource::Order || self.visible(ctx).await?.is_none() {
            return Ok(Vec::new());
        }
        Ok(vec![note(
            "Shopify shows the orders of the last 60 days only, because the shop did not grant read_all_orders. Older orders are not read.",
        )])
    }

    /// Records by id.
    pub(super) async fn fetch_objects(
        &self,
        ctx: &Context<'_>,
        object: &'static Object,
        ids: &[String],
        fields: &[String],
    ) -> Result<Fetched> {
        let distinct: BTreeSet<&String> = ids.iter().collect();
        // What cannot be an id is the id of nothing.
        let (sound, strange): (Vec<&String>, Vec<&String>) =
            distinct.into_iter().partition(|id| id::is_digits(id));
        let mut missing: Vec<String> = strange.into_iter().cloned().collect();
        let mut gone = Vec::new();
        let mut reading = Reading::default();
        let mut waiting: Vec<Vec<&String>> = sound
            .chunks(PAGE as usize)
            .rev()
            .map(<[&String]>::to_vec)
            .collect();
        while let Some(batch) = waiting.pop() {
            let globals: Vec<String> = batch
                .iter()
                .filter_map(|id| id::global(object.kind, id))
                .collect();
            let selection = Selection::new(object, fields, BTreeSet::new());
            let variables = json!({"ids": globals});
            let records = u32::try_from(batch.len()).unwrap_or(u32::MAX);
            let asked = match self
                .ask(ctx, selection, object.by_id, &variables, records)
                .await
            {
                Err(ConnectorError::Permanent { code, .. })
                    if code == limits::TOO_COSTLY && batch.len() > 1 =>
                {
                    let (first, second) = batch.split_at(batch.len() / 2);
                    waiting.push(second.to_vec());
                    waiting.push(first.to_vec());
                    continue;
                }
                other => other?,
            };
            if asked.reply.denies_records() {
                return Err(asked.reply.refusal());
            }
            let data: NodesData<'_> = asked.reply.read()?;
            if data.nodes.len() != batch.len() {
                return Err(ConnectorError::schema(
                    "Shopify answered another number of records than it was asked for",
                ));
            }
            for (id, raw) in batch.into_iter().zip(data.nodes) {
                match raw {
                    Some(raw) => reading.add(ctx, &asked.selection, raw, FEW_TRANSACTIONS),
                    None => gone.push(id.clone()),
                }
            }
        }
        self.complete(ctx, &mut reading).await?;
        if object.resource == Resource::Order && !gone.is_empty() {
            gone = self.surely_gone(ctx, gone).await?;
        }
        missing.extend(gone);
        missing.sort();
        Ok(Fetched {
            records: reading.records,
            missing,
            malformed: reading.malformed,
            merged: Vec::new(),
        })
    }

    /// Those of the orders that do not show which would show if they were there.
    async fn surely_gone(&self, ctx: &Context<'_>, orders: Vec<String>) -> Result<Vec<String>> {
        match self.visible(ctx).await? {
            None => Ok(orders),
            Some(None) => Ok(Vec::new()),
            Some(Some(oldest)) => Ok(orders
                .into_iter()
                .filter(|order| by_number(order, &oldest) == Ordering::Greater)
                .collect()),
        }
    }
}

/// Compares two ids as numbers of any length.
fn by_number(one: &str, other: &str) -> Ordering {
    let (one, other) = (one.trim_start_matches('0'), other.trim_start_matches('0'));
    one.len().cmp(&other.len()).then_with(|| one.cmp(other))
}
