//! Money that came from a customer or went back: what partners earn from is computed from these rows.
//!
//! Append-only (domain, invariant 13): an event is known by its source and its key there, and the same one again changes nothing; what was
//! recorded wrongly is put right by a further event, an ADJUSTMENT. Only whom an event concerns may be completed later, where it was not known
//! yet, for a payment may be told of before its customer, its deal or its partner is. A partner sees the events that are its own and no others.

mod booking;

pub(crate) use booking::{book_changed, book_new, share_anew};

use crate::among;
use crate::change::Change;
use crate::clock::Timestamp;
use crate::error::{Error, Result, ViolationCode, Violations};
use crate::event::{EventKind, NewEvent};
use crate::id::{ConnectionId, CustomerId, DealId, PartnerId, PartnershipId, RevenueEventId};
use crate::money::{Currency, Money};
use crate::revenue_reversal;
use crate::viewer::Viewer;
use crate::visible::{Own, Visible};
use sea_orm::QueryOrder as _;
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::Condition;
use serde_json::json;
use std::collections::{HashMap, HashSet};

/// The source of events that a person entered.
pub const MANUAL: &str = "manual";

/// The source of events that are the worth of won deals.
pub const DEALS: &str = "deal";

/// The longest key of an event.
const MAX_KEY: usize = 512;

/// What kind of money it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, serde::Serialize)]
#[sea_orm(
    rs_type = "String",
    db_type = "Text",
    rename_all = "SCREAMING_SNAKE_CASE"
)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RevenueKind {
    /// Asked for.
    Invoice,
    /// Paid.
    Payment,
    /// Paid back.
    Refund,
    /// Asked for no more.
    CreditNote,
    /// A correction; it may be negative.
    Adjustment,
}

impl RevenueKind {
    /// Whether the amount is taken off rather than added: amounts of these kinds are written without a sign.
    #[must_use]
    pub const fn takes_back(self) -> bool {
        matches!(self, Self::Refund | Self::CreditNote)
    }
}

/// An event.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "revenue_event")]
#[expect(missing_docs, reason = "the fields are described in the API's schema")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: RevenueEventId,
    pub created_at: Timestamp,
    /// The connection's id, or [`MANUAL`].
    pub source: String,
    /// What the event is called there; unique within the source.
    pub external_key: String,
    pub connection_id: Option<ConnectionId>,
    pub customer_id: Option<CustomerId>,
    pub deal_id: Option<DealId>,
    pub partnership_id: Option<PartnershipId>,
    /// The partnership's partner, kept here too: who may see an event is decided by this column's index.
    pub partner_id: Option<PartnerId>,
    pub kind: RevenueKind,
    /// Minor units. Positive, but for an ADJUSTMENT.
    pub amount_minor: i64,
    pub amount_currency: Currency,
    /// When the money moved.
    pub occurred_at: Timestamp,
}

impl Model {
    /// The amount as it was written, without a sign of its kind.
    #[must_use]
    pub const fn amount(&self) -> Money {
        Money {
            minor: self.amount_minor,
            currency: self.amount_currency,
        }
    }

    /// What it adds to a sum: refunds and credit notes are taken off.
    #[must_use]
    pub const fn net(&self) -> Money {
        let minor = if self.kind.takes_back() {
            -self.amount_minor
        } else {
            self.amount_minor
        };
        Money {
            minor,
            currency: self.amount_currency,
        }
    }
}

/// Relations are walked by id.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Visible for Entity {
    fn visible_to_partner(own: Own) -> Condition {
        Condition::all().add(own.holds((Entity, Column::PartnerId)))
    }
}

/// Whom an event concerns, as far as it is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Concerns {
    /// Who paid.
    pub customer_id: Option<CustomerId>,
    /// For what.
    pub deal_id: Option<DealId>,
    /// Whose doing it was: the partnership and its partner.
    pub partnership: Option<(PartnershipId, PartnerId)>,
}

/// What a new event is made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRevenue {
    /// What it is called at its source.
    pub external_key: String,
    /// What kind of money it is.
    pub kind: RevenueKind,
    /// How much.
    pub amount: Money,
    /// When the money moved.
    pub occurred_at: Timestamp,
    /// Whom it concerns.
    pub concerns: Concerns,
}

/// What became of events that were told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recorded {
    /// Those that are new.
    pub created: Vec<Model>,
    /// How many were known and now say whom they concern.
    pub completed: usize,
    /// The keys of those that were known with another amount, kind or instant. They stay as they were.
    pub differing: Vec<String>,
}

/// The source that a connection is.
#[must_use]
pub fn source_of(connection: Option<ConnectionId>) -> String {
    connection.map_or_else(|| MANUAL.to_owned(), |id| id.to_string())
}

/// Records events of one source. Those that are known change nothing, but that whom they concern is completed where it was open.
///
/// # Errors
/// Refused fields; then none is recorded. Or a fault of the database.
pub async fn record(
    change: &mut Change,
    connection_id: Option<ConnectionId>,
    events: Vec<NewRevenue>,
) -> Result<Recorded> {
    let acts = change.earns();
    record_from(
        change,
        source_of(connection_id),
        connection_id,
        events,
        |_| acts,
    )
    .await
}

/// Records events of a source; `acts` says of a key whether its money waits to be computed, or is history's.
async fn record_from(
    change: &mut Change,
    source: String,
    connection_id: Option<ConnectionId>,
    events: Vec<NewRevenue>,
    acts: impl Fn(&str) -> bool,
) -> Result<Recorded> {
    let mut recorded = Recorded::default();
    if events.is_empty() {
        return Ok(recorded);
    }
    check(&events)?;
    let keys: HashSet<&str> = events
        .iter()
        .map(|event| event.external_key.as_str())
        .collect();
    let keys: Vec<&str> = keys.into_iter().collect();
    let mut known: HashMap<String, Model> = find_all(change.transaction(), &source, &keys)
        .await?
        .into_iter()
        .map(|row| (row.external_key.clone(), row))
        .collect();
    let now = change.now();
    for event in events {
        if let Some(row) = known.get(&event.external_key).cloned() {
            if (row.kind, row.amount(), row.occurred_at)
                != (event.kind, event.amount, event.occurred_at)
            {
                recorded.differing.push(event.external_key.clone());
                if connection_id.is_none() {
                    // A row that a person's file has wrong is refused as a whole.
                    continue;
                }
            }
            // One of this very call is written below, with what it was first told.
            if row.created_at != now
                && let Some(row) = complete(change, row, event.concerns).await?
            {
                known.insert(event.external_key, row);
                recorded.completed += 1;
            }
            continue;
        }
        let row = Model {
            id: change.new_id(),
            created_at: now,
            source: source.clone(),
            external_key: event.external_key.clone(),
            connection_id,
            customer_id: event.concerns.customer_id,
            deal_id: event.concerns.deal_id,
            partnership_id: event.concerns.partnership.map(|(id, _)| id),
            partner_id: event.concerns.partnership.map(|(_, id)| id),
            kind: event.kind,
            amount_minor: event.amount.minor,
            amount_currency: event.amount.currency,
            occurred_at: event.occurred_at,
        };
        known.insert(event.external_key, row.clone());
        recorded.created.push(row);
    }
    crate::write::insert::<Entity>(change, &recorded.created).await?;
    let told: Vec<_> = recorded
        .created
        .iter()
        .filter(|row| acts(&row.external_key))
        .map(|row| (row.id, row.occurred_at))
        .collect();
    crate::revenue_accrual::raise(change, &told).await?;
    for row in &recorded.created {
        let kind = if row.kind.takes_back() {
            EventKind::RevenueRefunded
        } else {
            EventKind::RevenueRecorded
        };
        change.record(about(kind, row));
    }
    Ok(recorded)
}

/// Records a refund of a payment, and that it is one of it.
///
/// # Errors
/// More than is left of the payment, another currency, something that is no payment; then nothing is recorded.
pub async fn refund(
    change: &mut Change,
    payment: &Model,
    external_key: String,
    amount: Money,
    occurred_at: Timestamp,
) -> Result<Model> {
    let mut violations = Violations::default();
    // Two refunds of one payment take turns, so that together they cannot be more than was paid.
    crate::visible::lock_all::<Entity>(change, &Viewer::system("revenue_event"), [payment.id.0])
        .await?;
    if payment.net().minor <= 0 {
        let message = "Only what was paid or invoiced is refunded.";
        violations.add(ViolationCode::Invalid, "paymentId", message);
    }
    if amount.currency != payment.amount_currency {
        let message = "A refund has the currency of its payment.";
        violations.add(ViolationCode::Invalid, "amount.currency", message);
    }
    if occurred_at < payment.occurred_at {
        let message = "A refund does not come before its payment.";
        violations.add(ViolationCode::Invalid, "occurredAt", message);
    }
    let key = [external_key.as_str()];
    if !find_all(change.transaction(), &payment.source, &key)
        .await?
        .is_empty()
    {
        violations.add(
            ViolationCode::Taken,
            "externalKey",
            "The source has an event of this key.",
        );
    }
    let before: i64 = revenue_reversal::of_payments(change.transaction(), &[payment.id])
        .await?
        .iter()
        .map(|row| row.amount_minor)
        .sum();
    if amount.minor <= 0 || amount.minor > payment.amount_minor - before {
        let left = Money {
            minor: payment.amount_minor - before,
            currency: payment.amount_currency,
        };
        violations.add(
            ViolationCode::Invalid,
            "amount",
            format!("Of the payment {left} are left."),
        );
    }
    violations.finish()?;
    let kind = match payment.kind {
        RevenueKind::Invoice => RevenueKind::CreditNote,
        _ => RevenueKind::Refund,
    };
    let new = NewRevenue {
        external_key,
        kind,
        amount,
        occurred_at,
        concerns: Concerns {
            customer_id: payment.customer_id,
            deal_id: payment.deal_id,
            partnership: payment.partnership_id.zip(payment.partner_id),
        },
    };
    let source = payment.source.clone();
    let acts = change.earns();
    let recorded = record_from(change, source, payment.connection_id, vec![new], |_| acts).await?;
    let Some(row) = recorded.created.into_iter().next() else {
        return Err(Error::Damaged("a refund that was not recorded".to_owned()));
    };
    let said = revenue_reversal::Model {
        refund_id: row.id,
        payment_id: payment.id,
        amount_minor: amount.minor,
        created_at: change.now(),
    };
    crate::write::insert::<revenue_reversal::Entity>(change, &[said]).await?;
    Ok(row)
}

/// Fills in whom an event concerns where that was open; what is known stays. The answer is the row if anything was filled in.
async fn complete(change: &mut Change, row: Model, concerns: Concerns) -> Result<Option<Model>> {
    let partnership = match row.partnership_id {
        Some(_) => (row.partnership_id, row.partner_id),
        None => (
            concerns.partnership.map(|(id, _)| id),
            concerns.partnership.map(|(_, id)| id),
        ),
    };
    let after = Model {
        customer_id: row.customer_id.or(concerns.customer_id),
        deal_id: row.deal_id.or(concerns.deal_id),
        partnership_id: partnership.0,
        partner_id: partnership.1,
        ..row.clone()
    };
    if after == row {
        return Ok(None);
    }
    Entity::update_many()
        .col_expr(Column::CustomerId, Expr::value(after.customer_id))
        .col_expr(Column::DealId, Expr::value(after.deal_id))
        .col_expr(Column::PartnershipId, Expr::value(after.partnership_id))
        .col_expr(Column::PartnerId, Expr::value(after.partner_id))
        .filter(Column::Id.eq(after.id))
        .exec(change.transaction())
        .await?;
    change.record(about(EventKind::RevenueAttributed, &after));
    Ok(Some(after))
}

fn about(kind: EventKind, row: &Model) -> NewEvent {
    // The deal is not among it: who sees the money need not see the deal, and finds it through the row if they do.
    let data = json!({ "kind": row.kind, "amount": row.amount(), "occurredAt": row.occurred_at });
    let event = NewEvent::about(kind, row.id, data);
    match row.partner_id {
        Some(partner) => event.for_partner(partner),
        None => event.internal(),
    }
}

fn check(events: &[NewRevenue]) -> Result<()> {
    let mut violations = Violations::default();
    for event in events {
        let key = &event.external_key;
        if key.is_empty() || key.len() > MAX_KEY || key.chars().any(char::is_control) {
            violations.add(
                ViolationCode::Invalid,
                "externalKey",
                format!("Between 1 and {MAX_KEY} bytes, no control characters."),
            );
        }
        let sound = match event.kind {
            RevenueKind::Adjustment => event.amount.minor != 0,
            _ => event.amount.minor > 0,
        };
        if !sound {
            violations.add(
                ViolationCode::Invalid,
                "amount",
                "An amount is positive; a correction may be negative, and is not zero.",
            );
        }
    }
    violations.finish()
}

/// The events of a source with these keys, in no particular order.
///
/// # Errors
/// When the database fails.
pub async fn find_all(
    connection: &impl ConnectionTrait,
    source: &str,
    keys: &[&str],
) -> Result<Vec<Model>> {
    let select = Entity::visible_to(&Viewer::system("revenue_event"))
        .filter(Column::Source.eq(source.to_owned()));
    among::read(connection, &select, Column::ExternalKey, keys).await
}

/// The events of these deals, oldest first.
///
/// # Errors
/// When the database fails.
pub async fn list_of_deals(
    connection: &impl ConnectionTrait,
    viewer: &Viewer,
    deals: &[DealId],
) -> Result<Vec<Model>> {
    if deals.is_empty() {
        return Ok(Vec::new());
    }
    let select = Entity::visible_to(viewer)
        .filter(Column::DealId.is_in(deals.iter().copied()))
        .order_by_asc(Column::OccurredAt)
        .order_by_asc(Column::Id);
    Ok(select.all(connection).await?)
}
