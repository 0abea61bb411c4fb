//! What is said of a closed deal, as it stands when it is said.
//!
//! Owns: the words. Refuses: markup and escaping, which are the connector's. Invariant: the same state gives the same message, so that putting a
//! message right can be repeated.

use super::{CONFIRM, DISPUTE};
use crate::notify::{ButtonStyle, ChatButton, ChatMessage};
use crate::sync::error::Result;
use entities::customer;
use entities::deal::{self, DealStage};
use entities::deal_confirmation::{self, Decision};
use entities::deal_partner;
use entities::error::Error as EntityError;
use entities::event::{self, EventKind};
use entities::id::{DealId, EventId};
use entities::partner;
use entities::viewer::Viewer;
use entities::visible::{self, Visible};
use sea_orm::{ActiveEnum as _, ColumnTrait, ConnectionTrait, QueryFilter};
use std::collections::HashMap;
use uuid::Uuid;

/// The longest value of a fact.
const MAX_FACT: usize = 1_000;

/// A closing of a deal.
pub(super) struct Closing {
    pub(super) event: event::Model,
    pub(super) deal: deal::Model,
    pub(super) outcome: DealStage,
    /// Whether the deal has been reopened since.
    pub(super) stale: bool,
}

/// The closing that an event tells of; none when it tells of something else.
pub(super) async fn closing(
    connection: &impl ConnectionTrait,
    id: EventId,
) -> Result<Option<Closing>> {
    let Some(event) = event::find(connection, id).await? else {
        return Ok(None);
    };
    let outcome = match event.kind.as_str() {
        kind if kind == EventKind::DealWon.as_str() => DealStage::Won,
        kind if kind == EventKind::DealLost.as_str() => DealStage::Lost,
        _ => return Ok(None),
    };
    let system = Viewer::system("chat");
    let found = visible::find_one::<deal::Entity, _>(connection, &system, event.subject_id).await?;
    let Some(deal) = found else {
        return Ok(None);
    };
    let stale = deal.stage != outcome
        || event::is_followed_by(connection, &event, EventKind::DealReopened).await?;
    Ok(Some(Closing {
        event,
        deal,
        outcome,
        stale,
    }))
}

/// The message about a closing, for a channel.
pub(super) async fn compose(
    connection: &impl ConnectionTrait,
    closing: &Closing,
    channel: &str,
) -> Result<ChatMessage> {
    let deal = &closing.deal;
    let said = deal_confirmation::of_event(connection, closing.event.id).await?;
    let last = said.last();
    let word = if closing.outcome.is_won() {
        "won"
    } else {
        "lost"
    };
    let mut facts = Vec::new();
    fact(
        &mut facts,
        "Customer",
        customer_name(connection, deal).await?,
    );
    fact(
        &mut facts,
        "Amount",
        deal.amount().map(|amount| amount.to_string()),
    );
    fact(
        &mut facts,
        "Partner",
        partner_names(connection, deal.id).await?,
    );
    fact(&mut facts, "Owner", deal.owner_name.clone());
    if !closing.outcome.is_won() {
        fact(&mut facts, "Reason", deal.lost_reason.clone());
    }
    let day = deal.closed_at.and_then(entities::clock::Timestamp::date);
    fact(&mut facts, "Closed", day.map(|day| day.to_string()));
    let button = |label: &str, action: &str, style| ChatButton {
        label: label.to_owned(),
        action: action.to_owned(),
        value: closing.event.id.to_string(),
        style,
    };
    let confirm = || button("Confirm", CONFIRM, ButtonStyle::Primary);
    let (note, buttons) = match last {
        _ if closing.stale => {
            let note = "The deal was reopened since: this outcome no longer holds, and nothing is confirmed.";
            (Some(note.to_owned()), Vec::new())
        }
        None => {
            let dispute = button("Dispute", DISPUTE, ButtonStyle::Danger);
            (None, vec![confirm(), dispute])
        }
        Some(said) => {
            let who = said.user_name.as_deref().unwrap_or(&said.user_id);
            let (what, buttons) = match said.decision {
                Decision::Confirmed => ("Confirmed", Vec::new()),
                Decision::Disputed => ("Disputed", vec![confirm()]),
            };
            let at = said.occurred_at.to_rfc3339();
            (Some(format!("{what} by {who}, {at}")), buttons)
        }
    };
    Ok(ChatMessage {
        channel: channel.to_owned(),
        reference: closing.event.id.to_string(),
        heading: format!("Deal {word}: {}", deal.name),
        text: None,
        facts,
        link: None,
        note,
        buttons,
    })
}

/// Adds what is known of a fact, no longer than a message can hold it.
pub(super) fn fact(facts: &mut Vec<(String, String)>, name: &str, value: Option<String>) {
    if let Some(value) = value.filter(|value| !value.trim().is_empty()) {
        let value: String = value.chars().take(MAX_FACT).collect();
        facts.push((name.to_owned(), value));
    }
}

async fn customer_name(
    connection: &impl ConnectionTrait,
    deal: &deal::Model,
) -> Result<Option<String>> {
    let Some(id) = deal.customer_id else {
        return Ok(None);
    };
    let system = Viewer::system("chat");
    let row = visible::find_one::<customer::Entity, _>(connection, &system, id.0).await?;
    Ok(row.map(|row| row.name))
}

/// The partners who share in a deal, each with its role and weight.
async fn partner_names(connection: &impl ConnectionTrait, deal: DealId) -> Result<Option<String>> {
    let system = Viewer::system("chat");
    let mut shares = deal_partner::Entity::visible_to(&system)
        .filter(deal_partner::Column::DealId.eq(deal))
        .all(connection)
        .await
        .map_err(EntityError::from)?;
    shares.sort_by_key(|share| (std::cmp::Reverse(share.weight_bp.points()), share.id));
    let ids = shares.iter().map(|share| share.partner_id.0);
    let names: HashMap<Uuid, String> =
        visible::find_all::<partner::Entity, _>(connection, &system, ids)
            .await?
            .into_iter()
            .map(|row| (row.id.0, row.name))
            .collect();
    let share = |share: &deal_partner::Model| {
        let name = names.get(&share.partner_id.0)?;
        let role = share.role.to_value().to_lowercase().replace('_', " ");
        let weight = share.weight_bp.points();
        let percent = (share.role.earns() && weight % 100 == 0).then_some(weight / 100);
        Some(match percent {
            Some(percent) => format!("{name} ({role}, {percent} %)"),
            None => format!("{name} ({role})"),
        })
    };
    let all: Vec<String> = shares.iter().filter_map(share).collect();
    Ok((!all.is_empty()).then(|| all.join(", ")))
}
