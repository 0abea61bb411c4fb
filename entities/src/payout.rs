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
use crate::id::{PartnerId, PartnershipId, PayoutId};
use crate::ledger_entry::{self, LedgerKind, LedgerStatus};
use crate::money::{Currency, Money};
use crate::text_enum::text_enum;
use crate::viewer::Viewer;
use crate::visible::{self, Own, Versioned, Visible};
use crate::{program, program_enrollment};
use sea_orm::ActiveValue::Set;
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::{Condition, ExprTrait as _};
use sea_orm::{FromQueryResult, QueryOrder as _, QuerySelect as _};
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
    let mut rows = Vec::new();
    let parts = gather(change, partners).await?;
    let limits = Limits::load(change, &parts).await?;
    let now = change.now();
    for parts in parts.chunk_by(|one, other| one.payout_id == other.payout_id) {
        let Some(first) = parts.first() else { continue };
        let minor: i128 = parts.iter().map(|part| i128::from(part.minor)).sum();
        let minor = i64::try_from(minor)
            .map_err(|_| Error::Damaged("a payout that does not fit 64 bits".to_owned()))?;
        if minor <= 0 {
            // Something was taken back since the sums were made: what is owed stays for the next time.
            let_go(change, first.payout_id).await?;
            continue;
        }
        let currency = first.currency;
        rows.push(Model {
            id: first.payout_id,
            version: 1,
            created_at: now,
            updated_at: now,
            partner_id: first.partner_id,
            batch: batch.clone(),
            status: PayoutStatus::Draft,
            amount_minor: minor,
            amount_currency: currency,
            entries: parts.iter().map(|part| part.count).sum(),
            four_eyes: parts
                .iter()
                .any(|part| limits.need_two(part.partnership_id, minor, currency)),
            created_by: change.author().actor.clone(),
            approved_by: None,
            approved_at: None,
            reference: None,
            failure: None,
            paid_at: None,
            attempts: 0,
        });
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

/// What one partnership brings to a payout.
#[derive(FromQueryResult)]
struct Part {
    payout_id: PayoutId,
    partner_id: PartnerId,
    partnership_id: PartnershipId,
    currency: Currency,
    minor: i64,
    count: i64,
}

/// Puts what is payable into payouts that are about to be written, and says what they hold, by payout. The entries themselves stay in the database, however
/// many they are: they are taken by a condition, and summed up once they are taken.
async fn gather(change: &Change, partners: Option<&[PartnerId]>) -> Result<Vec<Part>> {
    use ledger_entry::Column as Entry;
    let system = Viewer::system("payout");
    let payable = || {
        Condition::all()
            .add(Entry::Status.eq(LedgerStatus::Payable))
            .add(Entry::PayoutId.is_null())
    };
    let mut select = ledger_entry::Entity::visible_to(&system)
        .filter(payable())
        .select_only()
        .column(Entry::PartnerId)
        .column(Entry::AmountCurrency)
        .group_by(Entry::PartnerId)
        .group_by(Entry::AmountCurrency)
        .having(Expr::cust("SUM(\"ledger_entry\".\"amount_minor\") > 0"))
        .order_by_asc(Entry::PartnerId)
        .order_by_asc(Entry::AmountCurrency);
    if let Some(partners) = partners {
        select = select.filter(Entry::PartnerId.is_in(partners.iter().copied()));
    }
    let due: Vec<(PartnerId, Currency)> = select.into_tuple().all(change.transaction()).await?;
    let mut ids: Vec<PayoutId> = Vec::with_capacity(due.len());
    for (partner, currency) in due {
        let id = change.new_id();
        let taken = moved(change)
            .col_expr(Entry::PayoutId, Expr::value(Some(id)))
            .filter(payable())
            .filter(Entry::PartnerId.eq(partner))
            .filter(Entry::AmountCurrency.eq(currency))
            .exec(change.transaction())
            .await?;
        // Somebody else may have gathered them meanwhile.
        if taken.rows_affected > 0 {
            ids.push(id);
        }
    }
    let mut parts = Vec::new();
    for chunk in ids.chunks(500) {
        let select = ledger_entry::Entity::visible_to(&system)
            .filter(Entry::PayoutId.is_in(chunk.iter().copied()))
            .select_only()
            .column(Entry::PayoutId)
            .column(Entry::PartnerId)
            .column(Entry::PartnershipId)
            .column_as(Entry::AmountCurrency, "currency")
            .expr_as(
                Expr::cust("CAST(SUM(\"ledger_entry\".\"amount_minor\") AS BIGINT)"),
                "minor",
            )
            .expr_as(Expr::cust("COUNT(*)"), "count")
            .group_by(Entry::PayoutId)
            .group_by(Entry::PartnerId)
            .group_by(Entry::PartnershipId)
            .group_by(Entry::AmountCurrency)
            .order_by_asc(Entry::PayoutId)
            .order_by_asc(Entry::PartnershipId);
        parts.extend(
            select
                .into_model::<Part>()
                .all(change.transaction())
                .await?,
        );
    }
    Ok(parts)
}

/// An update of entries, which counts as a change of each.
fn moved(change: &Change) -> sea_orm::UpdateMany<ledger_entry::Entity> {
    ledger_entry::Entity::update_many()
        .col_expr(
            ledger_entry::Column::Version,
            Expr::col(ledger_entry::Column::Version).add(1),
        )
        .col_expr(ledger_entry::Column::UpdatedAt, Expr::value(change.now()))
}

/// Frees the entries of a payout that is not written.
async fn let_go(change: &Change, id: PayoutId) -> Result<()> {
    moved(change)
        .col_expr(
            ledger_entry::Column::PayoutId,
            Expr::value(None::<PayoutId>),
        )
        .filter(ledger_entry::Column::PayoutId.eq(id))
        .exec(change.transaction())
        .await?;
    Ok(())
}

/// The limits above which two people are needed, by partnership: those of the programme that each is in.
struct Limits(BTreeMap<PartnershipId, (Currency, i64)>);

impl Limits {
    async fn load(change: &Change, parts: &[Part]) -> Result<Self> {
        let system = Viewer::system("payout");
        let mut ids: Vec<PartnershipId> = parts.iter().map(|part| part.partnership_id).collect();
        ids.sort_unstable();
        ids.dedup();
        let enrolled =
            program_enrollment::of_partnerships(change.transaction(), &system, &ids).await?;
        let programs = enrolled.iter().map(|part| part.program_id.0);
        let programs =
            visible::find_all::<program::Entity, _>(change.transaction(), &system, programs)
                .await?;
        let limit = |part: program_enrollment::Model| {
            let program = programs.iter().find(|row| row.id == part.program_id)?;
            Some((
                part.partnership_id,
                (program.currency, program.four_eyes_minor),
            ))
        };
        Ok(Self(enrolled.into_iter().filter_map(limit).collect()))
    }

    /// Whether an amount that a partnership is a part of needs two people. Without a limit in its currency it always does.
    fn need_two(&self, partnership: PartnershipId, minor: i64, currency: Currency) -> bool {
        self.0
            .get(&partnership)
            .is_none_or(|(of, most)| *of != currency || minor > *most)
    }
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
