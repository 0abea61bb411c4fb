//! Payments to partners: what is payable, gathered, approved, paid.
//!
//! Invariants (domain, 14): a payout is of one partner and one currency; its amount is the sum of its entries and more than nothing; an entry is in one
//! payout; above the programme's limit, as it was when the payout was made, who approves is not who made it. What was paid is an entry of the ledger.
//! State machine: DRAFT → APPROVED → PROCESSING → PAID or FAILED; FAILED → PROCESSING or CANCELLED; DRAFT and APPROVED → CANCELLED.

mod export;

pub use export::to_csv;

use crate::change::Change;
use crate::clock::Timestamp;
use crate::error::{Error, Result, ViolationCode, Violations};
use crate::event::{EventKind, NewEvent};
use crate::id::{PartnerId, PayoutId};
use crate::ledger_entry::{self, LedgerKind, LedgerStatus};
use crate::money::{Currency, Money};
use crate::text_enum::text_enum;
use crate::viewer::Viewer;
use crate::visible::{Own, Versioned, Visible};
use crate::{program, program_enrollment};
use sea_orm::ActiveValue::Set;
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::Condition;
use sea_orm::{QueryOrder as _, QuerySelect as _};
use serde_json::json;
use std::collections::BTreeMap;

text_enum! {
    /// How far a payout is.
    PayoutStatus {
        /// Gathered.
        Draft,
        /// Approved.
        Approved,
        /// With the bank.
        Processing,
        /// Paid.
        Paid,
        /// The bank refused.
        Failed,
        /// Given up; its entries are free again.
        Cancelled,
    }
}

impl PayoutStatus {
    /// The states that may follow.
    #[must_use]
    pub const fn transitions(self) -> &'static [Self] {
        match self {
            Self::Draft => &[Self::Approved, Self::Cancelled],
            Self::Approved => &[Self::Processing, Self::Cancelled],
            Self::Processing => &[Self::Paid, Self::Failed],
            Self::Failed => &[Self::Processing, Self::Cancelled],
            Self::Paid | Self::Cancelled => &[],
        }
    }
}

/// A payout.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "payout")]
#[expect(missing_docs, reason = "the fields are described in the API's schema")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: PayoutId,
    pub version: i64,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub partner_id: PartnerId,
    /// What the payouts that were made together are called.
    pub batch: String,
    pub status: PayoutStatus,
    pub amount_minor: i64,
    pub amount_currency: Currency,
    pub entries: i64,
    /// Whether two people are needed.
    pub four_eyes: bool,
    pub created_by: String,
    pub approved_by: Option<String>,
    pub approved_at: Option<Timestamp>,
    /// What the bank calls it.
    pub reference: Option<String>,
    pub failure: Option<String>,
    pub paid_at: Option<Timestamp>,
    /// How often it was sent to the bank.
    pub attempts: i32,
}

impl Model {
    /// The amount.
    #[must_use]
    pub const fn amount(&self) -> Money {
        Money {
            minor: self.amount_minor,
            currency: self.amount_currency,
        }
    }
}

/// Relations are walked by id.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Versioned for Model {
    fn version(&self) -> i64 {
        self.version
    }
}

impl Visible for Entity {
    /// What was approved; a draft is ours.
    fn visible_to_partner(own: Own) -> Condition {
        Condition::all()
            .add(own.holds((Entity, Column::PartnerId)))
            .add(Column::ApprovedAt.is_not_null())
    }
}

/// Gathers what is payable into payouts, one for each partner and currency whose sum is more than nothing; of these partners, or of all. Who owes more than
/// it earned is left out, and what it owes stays for the next time.
///
/// # Errors
/// A batch without a name, or a fault of the database.
pub async fn create(
    change: &mut Change,
    batch: String,
    partners: Option<&[PartnerId]>,
) -> Result<Vec<Model>> {
    let mut violations = Violations::default();
    violations.text("batch", &batch, 100);
    violations.finish()?;
    let system = Viewer::system("payout");
    let mut select = ledger_entry::Entity::visible_to(&system)
        .filter(ledger_entry::Column::Status.eq(LedgerStatus::Payable))
        .filter(ledger_entry::Column::PayoutId.is_null())
        .order_by_asc(ledger_entry::Column::Id)
        .lock_exclusive();
    if let Some(partners) = partners {
        select = select.filter(ledger_entry::Column::PartnerId.is_in(partners.iter().copied()));
    }
    let mut due: BTreeMap<(PartnerId, Currency), Vec<ledger_entry::Model>> = BTreeMap::new();
    for entry in select.all(change.transaction()).await? {
        due.entry((entry.partner_id, entry.amount_currency))
            .or_default()
            .push(entry);
    }
    let (now, mut rows) = (change.now(), Vec::new());
    for ((partner_id, currency), entries) in due {
        let sum: i128 = entries
            .iter()
            .map(|entry| i128::from(entry.amount_minor))
            .sum();
        if sum <= 0 {
            continue;
        }
        let minor = i64::try_from(sum)
            .map_err(|_| Error::Damaged("a payout that does not fit 64 bits".to_owned()))?;
        let row = Model {
            id: change.new_id(),
            version: 1,
            created_at: now,
            updated_at: now,
            partner_id,
            batch: batch.clone(),
            status: PayoutStatus::Draft,
            amount_minor: minor,
            amount_currency: currency,
            entries: i64::try_from(entries.len()).unwrap_or(i64::MAX),
            four_eyes: needs_two(change, &entries, minor, currency).await?,
            created_by: change.author().actor.clone(),
            approved_by: None,
            approved_at: None,
            reference: None,
            failure: None,
            paid_at: None,
            attempts: 0,
        };
        let id = row.id;
        ledger_entry::move_all(change, &entries, LedgerStatus::Payable, |update| {
            update.col_expr(ledger_entry::Column::PayoutId, Expr::value(Some(id)))
        })
        .await?;
        rows.push(row);
    }
    crate::write::insert::<Entity>(change, &rows).await?;
    for row in &rows {
        let data = json!({ "amount": row.amount(), "batch": row.batch });
        change.record(
            NewEvent::about(EventKind::PayoutCreated, row.id, data)
                .for_partner(row.partner_id)
                .internal(),
        );
    }
    Ok(rows)
}

/// Whether two people are needed: the strictest of the limits of the programmes whose partnerships earned it; without one in its currency, always.
async fn needs_two(
    change: &Change,
    entries: &[ledger_entry::Model],
    minor: i64,
    currency: Currency,
) -> Result<bool> {
    let system = Viewer::system("payout");
    let mut ids: Vec<_> = entries.iter().map(|entry| entry.partnership_id).collect();
    ids.sort_unstable();
    ids.dedup();
    let parts = program_enrollment::of_partnerships(change.transaction(), &system, &ids).await?;
    if parts.len() < ids.len() {
        return Ok(true);
    }
    let programs = parts.iter().map(|part| part.program_id.0);
    let programs =
        crate::visible::find_all::<program::Entity, _>(change.transaction(), &system, programs)
            .await?;
    Ok(programs
        .iter()
        .any(|program| program.currency != currency || minor > program.four_eyes_minor))
}

/// Approves a payout.
///
/// # Errors
/// One that is no draft, or one that needs a second person and this is the first; then nothing is written.
pub async fn approve(change: &mut Change, row: Model) -> Result<Model> {
    follows(&row, PayoutStatus::Approved)?;
    let actor = change.author().actor.clone();
    if row.four_eyes && row.created_by == actor {
        let message = "Above the limit, who approves is not who made it.";
        return Err(Error::invalid(ViolationCode::Locked, "approvedBy", message));
    }
    let now = change.now();
    let row = set(change, row, PayoutStatus::Approved, |active| {
        active.approved_by = Set(Some(actor));
        active.approved_at = Set(Some(now));
    })
    .await?;
    tell(change, EventKind::PayoutApproved, &row);
    Ok(row)
}

/// Sends a payout to the bank, for the first time or again.
///
/// # Errors
/// One that is not approved; then nothing is written.
pub async fn process(change: &mut Change, row: Model) -> Result<Model> {
    follows(&row, PayoutStatus::Processing)?;
    let attempts = row.attempts + 1;
    let row = set(change, row, PayoutStatus::Processing, |active| {
        active.attempts = Set(attempts);
        active.failure = Set(None);
    })
    .await?;
    tell(change, EventKind::PayoutProcessing, &row);
    Ok(row)
}

/// Notes that a payout was paid: its entries are paid, and the ledger says so.
///
/// # Errors
/// One that is not with the bank, or no reference; then nothing is written.
pub async fn pay(change: &mut Change, row: Model, reference: String) -> Result<Model> {
    follows(&row, PayoutStatus::Paid)?;
    let mut violations = Violations::default();
    violations.text("reference", &reference, 200);
    violations.finish()?;
    let entries = entries_of(change, row.id).await?;
    let Some(first) = entries.first() else {
        return Err(Error::Damaged(format!("{} has no entries", row.id)));
    };
    let sum: i128 = entries
        .iter()
        .map(|entry| i128::from(entry.amount_minor))
        .sum();
    if sum != i128::from(row.amount_minor) {
        return Err(Error::Damaged(format!(
            "{} is not the sum of its entries",
            row.id
        )));
    }
    ledger_entry::move_all(change, &entries, LedgerStatus::Paid, |update| update).await?;
    // A payout may be of several partnerships of its partner: what was paid is noted for each, so that each one's balance is right.
    let mut of: BTreeMap<_, i64> = BTreeMap::new();
    for entry in &entries {
        *of.entry(entry.partnership_id).or_default() += entry.amount_minor;
    }
    let today = change.now().date().unwrap_or(first.available_on);
    let paid: Vec<ledger_entry::Model> = of
        .into_iter()
        .filter(|(_, minor)| *minor != 0)
        .map(|(partnership, minor)| {
            let amount = Money {
                minor: -minor,
                currency: row.amount_currency,
            };
            ledger_entry::Model {
                kind: LedgerKind::Payout,
                status: LedgerStatus::Paid,
                payout_id: Some(row.id),
                explanation: json!({ "payout": row.id, "reference": reference }),
                ..ledger_entry::blank(change, partnership, row.partner_id, amount, today)
            }
        })
        .collect();
    crate::write::insert::<ledger_entry::Entity>(change, &paid).await?;
    let now = change.now();
    let row = set(change, row, PayoutStatus::Paid, |active| {
        active.reference = Set(Some(reference));
        active.paid_at = Set(Some(now));
    })
    .await?;
    tell(change, EventKind::PayoutPaid, &row);
    Ok(row)
}

/// Notes that the bank refused.
///
/// # Errors
/// One that is not with the bank, or no reason; then nothing is written.
pub async fn fail(change: &mut Change, row: Model, failure: String) -> Result<Model> {
    follows(&row, PayoutStatus::Failed)?;
    let mut violations = Violations::default();
    violations.text("failure", &failure, 2_000);
    violations.finish()?;
    let row = set(change, row, PayoutStatus::Failed, |active| {
        active.failure = Set(Some(failure));
    })
    .await?;
    tell(change, EventKind::PayoutFailed, &row);
    Ok(row)
}

/// Gives a payout up; its entries are payable again.
///
/// # Errors
/// One that is with the bank or paid; then nothing is written.
pub async fn cancel(change: &mut Change, row: Model) -> Result<Model> {
    follows(&row, PayoutStatus::Cancelled)?;
    let entries = entries_of(change, row.id).await?;
    ledger_entry::move_all(change, &entries, LedgerStatus::Payable, |update| {
        update.col_expr(
            ledger_entry::Column::PayoutId,
            Expr::value(None::<PayoutId>),
        )
    })
    .await?;
    let row = set(change, row, PayoutStatus::Cancelled, |_| ()).await?;
    tell(change, EventKind::PayoutCancelled, &row);
    Ok(row)
}

async fn entries_of(change: &Change, id: PayoutId) -> Result<Vec<ledger_entry::Model>> {
    let select = ledger_entry::Entity::visible_to(&Viewer::system("payout"))
        .filter(ledger_entry::Column::PayoutId.eq(id))
        .filter(ledger_entry::Column::Kind.ne(LedgerKind::Payout))
        .order_by_asc(ledger_entry::Column::Id)
        .lock_exclusive();
    Ok(select.all(change.transaction()).await?)
}

fn follows(row: &Model, to: PayoutStatus) -> Result<()> {
    if row.status.transitions().contains(&to) {
        return Ok(());
    }
    let message = format!("A payout cannot go from {:?} to {to:?}.", row.status);
    Err(Error::invalid(
        ViolationCode::TransitionNotAllowed,
        "status",
        message,
    ))
}

async fn set(
    change: &Change,
    row: Model,
    to: PayoutStatus,
    more: impl FnOnce(&mut ActiveModel),
) -> Result<Model> {
    let version = row.version;
    let mut active: ActiveModel = row.into();
    active.version = Set(version + 1);
    active.updated_at = Set(change.now());
    active.status = Set(to);
    more(&mut active);
    crate::write::update(change, active, version).await
}

fn tell(change: &mut Change, kind: EventKind, row: &Model) {
    let data = json!({ "amount": row.amount(), "batch": row.batch, "status": row.status });
    let event = NewEvent::about(kind, row.id, data).for_partner(row.partner_id);
    // What was never approved the partner never sees.
    change.record(if row.approved_at.is_some() {
        event
    } else {
        event.internal()
    });
}
