//! Webhook subscriptions.
//!
//! Owns: which topics a shop is to send us, and making what is missing. Refuses: to touch subscriptions with other addresses, which may be those of
//! another installation. Invariant: doing it again changes nothing.
//!
//! Shopify removes a subscription after eight failures in a row, so the engine comes by now and then. The topics about personal data and, in most
//! apps, about the app itself are set up once for the whole app and are none of a shop's; a shop without companies refuses theirs, and that
//! is all that may be refused.

use super::{
    Shopify, documents,
    wire::{self, Connection},
};
use crate::{
    connector::{Context, Ensured, Subscriptions},
    error::{ConnectorError, Result},
};
use async_trait::async_trait;
use serde::Deserialize;
use serde_json::json;
use std::collections::BTreeSet;
use url::Url;

/// What a shop is to tell us.
pub(super) const TOPICS: [&str; 14] = [
    "APP_UNINSTALLED",
    "APP_SCOPES_UPDATE",
    "ORDERS_CREATE",
    "ORDERS_UPDATED",
    "ORDERS_PAID",
    "ORDERS_CANCELLED",
    "ORDERS_EDITED",
    "ORDERS_DELETE",
    "ORDER_TRANSACTIONS_CREATE",
    "REFUNDS_CREATE",
    "CUSTOMERS_CREATE",
    "CUSTOMERS_UPDATE",
    "CUSTOMERS_DELETE",
    "CUSTOMERS_MERGE",
];

/// What only a shop with companies can.
pub(super) const COMPANY_TOPICS: [&str; 6] = [
    "COMPANIES_CREATE",
    "COMPANIES_UPDATE",
    "COMPANIES_DELETE",
    "COMPANY_CONTACTS_CREATE",
    "COMPANY_CONTACTS_UPDATE",
    "COMPANY_CONTACTS_DELETE",
];

/// What subscriptions Shopify holds in topics: the schema writes them in capitals, webhooks with a slash.
fn told(topic: &str) -> String {
    topic.to_ascii_lowercase()
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Data<'a> {
    #[serde(borrow)]
    webhook_subscriptions: Connection<'a>,
}

#[derive(Deserialize)]
struct Subscription {
    topic: String,
    uri: String,
}

impl Shopify {
    /// The topics that are sent to an address.
    async fn subscribed(&self, ctx: &Context<'_>, target: &Url) -> Result<BTreeSet<String>> {
        let mut topics = BTreeSet::new();
        let mut after = None;
        loop {
            let reply = self
                .post(ctx, documents::WEBHOOKS_LIST, json!({"after": after}), 20)
                .await?;
            let data: Data<'_> = reply.read_whole()?;
            for raw in data.webhook_subscriptions.nodes {
                // One that cannot be read is none of ours; at worst a topic is sent twice, which is noticed as a repetition.
                let Ok(one) = serde_json::from_str::<Subscription>(raw.get()) else {
                    continue;
                };
                if Url::parse(&one.uri).is_ok_and(|uri| uri == *target) {
                    topics.insert(one.topic);
                }
            }
            after = data
                .webhook_subscriptions
                .page_info
                .after(after.as_deref())?;
            if after.is_none() {
                return Ok(topics);
            }
        }
    }

    async fn subscribe(&self, ctx: &Context<'_>, topic: &str, target: &Url) -> Result<()> {
        let variables =
            json!({"topic": topic, "webhook": {"uri": target.as_str(), "format": "JSON"}});
        let written = self
            .mutate(ctx, documents::WEBHOOK_CREATE, variables)
            .await?;
        if written.record.is_some() && written.user_errors.is_empty() {
            return Ok(());
        }
        Err(wire::refused(&written.user_errors))
    }
}

#[async_trait]
impl Subscriptions for Shopify {
    async fn ensure(&self, ctx: &Context<'_>, target: &Url) -> Result<Ensured> {
        let there = self.subscribed(ctx, target).await?;
        let mut ensured = Ensured::default();
        let mut refused: Option<ConnectorError> = None;
        for topic in TOPICS.into_iter().chain(COMPANY_TOPICS) {
            if there.contains(topic) {
                ensured.kept += 1;
                continue;
            }
            match self.subscribe(ctx, topic, target).await {
                Ok(()) => ensured.made.push(told(topic)),
                Err(ConnectorError::Permanent { code, message }) => {
                    if COMPANY_TOPICS.contains(&topic) {
                        tracing::debug!(topic, message, "a shop sends nothing about companies");
                    } else {
                        refused.get_or_insert(ConnectorError::Permanent {
                            code,
                            message: format!("{}: {message}", told(topic)),
                        });
                    }
                }
                Err(error) => return Err(error),
            }
        }
        let Some(error) = refused else {
            return Ok(ensured);
        };
        // Somebody may have made it between our question and our wish.
        let now = self.subscribed(ctx, target).await?;
        let missing = TOPICS.iter().any(|topic| !now.contains(*topic));
        if missing {
            return Err(error);
        }
        Ok(ensured)
    }
}
