//! The ledger: what partners earned, owe and were paid.
//!
//! Append-only (domain, decision 3): an amount never changes and no row is deleted; a correction is another entry that points at the one it corrects,
//! and a balance is the sum of the entries that are not voided. Only where an entry stands on its way to being paid moves: PENDING → APPROVED → PAYABLE →
//! PAID; PENDING and APPROVED ⇄ HELD; these three → VOIDED. From PAYABLE on only a clawback corrects. The signs are the partner's: what it earns is
//! positive, what is taken back, owed or paid out is negative.
//!
//! What is taken back of an entry goes its way with it: it is approved, held and voided together with what it reverses. What a partner objects to is
//! neither let go nor approved until the objection is answered ([`crate::ledger_dispute`]).

use crate::change::Change;
use crate::clock::Timestamp;
use crate::error::{Error, Result, ViolationCode, Violations};
use crate::event::{EventKind, NewEvent};
use crate::id::{
    AgreementId, AgreementVersionId, CommissionRuleId, CommissionRunId, CommitmentYearId, DealId,
    LedgerEntryId, PartnerId, PartnershipId, PayoutId, RevenueEventId, StatementId,
};
use crate::money::{Currency, Money};
use crate::text_enum::text_enum;
use crate::viewer::Viewer;
use crate::visible::{self, Own, Versioned, Visible};
use crate::{ledger_dispute, partnership};
use chrono::NaiveDate;
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::{Condition, ExprTrait as _};
use sea_orm::{FromQueryResult, QueryOrder as _, QuerySelect as _};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

text_enum! {
    /// What an entry is.
    LedgerKind {
        /// A share of revenue.
        Commission,
        /// For a commitment that was met.
        Bonus,
        /// For a customer that was referred.
        ReferralFee,
        /// Taken back.
        Clawback,
        /// A person's correction.
        Adjustment,
        /// Owed for a commitment that was missed.
        ShortfallFee,
        /// Paid out.
        Payout,
    }
}

text_enum! {
    /// Where an entry stands.
    LedgerStatus {
        /// Computed.
        Pending,
        /// Approved by a person.
        Approved,
        /// Due.
        Payable,
        /// Paid.
        Paid,
        /// Stopped.
        Held,
        /// Worth nothing.
        Voided,
    }
}

impl LedgerStatus {
    /// The states that may follow.
    #[must_use]
    pub const fn transitions(self) -> &'static [Self] {
        match self {
            Self::Pending => &[Self::Approved, Self::Held, Self::Voided],
            Self::Approved => &[Self::Payable, Self::Held, Self::Voided],
            Self::Held => &[Self::Pending, Self::Approved, Self::Voided],
            Self::Payable => &[Self::Paid],
            Self::Paid | Self::Voided => &[],
        }
    }
}

/// An entry.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "ledger_entry")]
#[expect(missing_docs, reason = "the fields are described in the API's schema")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: LedgerEntryId,
    pub version: i64,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub partnership_id: PartnershipId,
    pub partner_id: PartnerId,
    pub kind: LedgerKind,
    pub status: LedgerStatus,
    pub amount_minor: i64,
    pub amount_currency: Currency,
    /// The revenue it was earned from; none where it is the whole year's.
    pub revenue_event_id: Option<RevenueEventId>,
    /// The revenue whose coming wrote it: the payment, or the refund.
    pub cause_event_id: Option<RevenueEventId>,
    pub deal_id: Option<DealId>,
    pub agreement_id: Option<AgreementId>,
    pub agreement_version_id: Option<AgreementVersionId>,
    pub commission_rule_id: Option<CommissionRuleId>,
    pub commitment_year_id: Option<CommitmentYearId>,
    pub reverses_id: Option<LedgerEntryId>,
    pub run_id: Option<CommissionRunId>,
    pub available_on: NaiveDate,
    pub held_reason: Option<String>,
    pub statement_id: Option<StatementId>,
    pub payout_id: Option<PayoutId>,
    /// The numbers it was computed from; see [`crate::accrual::explain`].
    pub explanation: Json,
}

impl Model {
    /// The amount, with its sign.
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
    fn visible_to_partner(own: Own) -> Condition {
        Condition::all().add(own.holds((Entity, Column::PartnerId)))
    }
}

/// What is to be done with entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Approve what is pending.
    Approve,
    /// Stop what is not payable yet, for a reason the partner reads.
    Hold(String),
    /// Let go on what was held: it is pending again.
    Release,
    /// Make worthless what is not payable yet, for a reason.
    Void(String),
}

/// Takes entries one step. What was taken back of them goes with them.
///
/// # Errors
/// An unknown entry, a state that does not allow it, a missing reason, an entry to be let go that is objected to, or to be voided that a statement has told
/// of; then nothing is written.
pub async fn step(change: &mut Change, ids: &[LedgerEntryId], step: Step) -> Result<Vec<Model>> {
    let system = Viewer::system("ledger_entry");
    let mut violations = Violations::default();
    let named = visible::lock_all::<Entity>(change, &system, ids.iter().map(|id| id.0)).await?;
    let asked: BTreeSet<LedgerEntryId> = ids.iter().copied().collect();
    if named.len() < asked.len() {
        violations.add(ViolationCode::NotFound, "ids", "No such entry.");
    }
    let mut rows = named;
    for chunk in ids.chunks(500) {
        let with = Entity::visible_to(&system)
            .filter(Column::ReversesId.is_in(chunk.iter().copied()))
            .order_by_asc(Column::Id)
            .lock_exclusive()
            .all(change.transaction())
            .await?;
        rows.extend(with.into_iter().filter(|row| !asked.contains(&row.id)));
    }
    let (to, reason, kind) = match &step {
        Step::Approve => (LedgerStatus::Approved, None, EventKind::CommissionApproved),
        Step::Hold(reason) => (LedgerStatus::Held, Some(reason), EventKind::CommissionHeld),
        Step::Release => (LedgerStatus::Pending, None, EventKind::CommissionReleased),
        Step::Void(reason) => (
            LedgerStatus::Voided,
            Some(reason),
            EventKind::CommissionVoided,
        ),
    };
    if let Some(reason) = reason {
        violations.text("reason", reason, 2_000);
    }
    if matches!(step, Step::Approve | Step::Release)
        && ledger_dispute::any_open(change.transaction(), ids).await?
    {
        let message = "The partner objects to it: answer that first.";
        violations.add(ViolationCode::Locked, "ids", message);
    }
    for row in &rows {
        let goes_along = !asked.contains(&row.id);
        // What is let go on must have been stopped, and what is approved must not be: approving would otherwise lift a hold.
        let allowed = match step {
            Step::Approve => row.status == LedgerStatus::Pending,
            Step::Release => row.status == LedgerStatus::Held,
            _ => row.status.transitions().contains(&to),
        };
        if !allowed && !goes_along {
            let message = format!("An entry cannot go from {:?} to {to:?}.", row.status);
            violations.add(ViolationCode::TransitionNotAllowed, "status", message);
        }
        if !goes_along && row.reverses_id.is_some() {
            let message = "What was taken back goes with the entry it was taken from.";
            violations.add(ViolationCode::Locked, "ids", message);
        }
        if to == LedgerStatus::Voided && (row.statement_id.is_some() || (goes_along && !allowed)) {
            let message =
                "A statement has told of it, or a part is settled: only an adjustment corrects it.";
            violations.add(ViolationCode::Locked, "ids", message);
        }
    }
    violations.finish()?;
    rows.retain(|row| row.status.transitions().contains(&to) && row.status != to);
    let reason = reason.filter(|_| to == LedgerStatus::Held).cloned();
    move_all(change, &rows, to, |update| {
        update.col_expr(Column::HeldReason, Expr::value(reason.clone()))
    })
    .await?;
    let words = match &step {
        Step::Hold(reason) | Step::Void(reason) => Some(reason.clone()),
        _ => None,
    };
    tell(
        change,
        kind,
        &rows,
        |ids, sums| json!({ "entries": ids, "amounts": sums, "reason": words }),
    );
    for row in &mut rows {
        row.status = to;
        row.version += 1;
        row.updated_at = change.now();
        row.held_reason = words.clone().filter(|_| to == LedgerStatus::Held);
    }
    Ok(rows)
}

/// Sets the state of rows that are locked.
pub(crate) async fn move_all(
    change: &Change,
    rows: &[Model],
    to: LedgerStatus,
    more: impl Fn(sea_orm::UpdateMany<Entity>) -> sea_orm::UpdateMany<Entity>,
) -> Result<()> {
    for chunk in rows.chunks(500) {
        let update = Entity::update_many()
            .col_expr(Column::Status, Expr::value(to))
            .col_expr(Column::Version, Expr::col(Column::Version).add(1))
            .col_expr(Column::UpdatedAt, Expr::value(change.now()))
            .filter(Column::Id.is_in(chunk.iter().map(|row| row.id)));
        more(update).exec(change.transaction()).await?;
    }
    Ok(())
}

/// Records one event for each partnership concerned.
pub(crate) fn tell(
    change: &mut Change,
    kind: EventKind,
    rows: &[Model],
    data: impl Fn(&[LedgerEntryId], &[Money]) -> serde_json::Value,
) {
    let mut of: BTreeMap<(PartnershipId, PartnerId), Vec<&Model>> = BTreeMap::new();
    for row in rows {
        of.entry((row.partnership_id, row.partner_id))
            .or_default()
            .push(row);
    }
    for ((partnership, partner), rows) in of {
        // The log names them as long as it stays readable; the ledger has them all.
        let ids: Vec<LedgerEntryId> = rows.iter().take(50).map(|row| row.id).collect();
        let mut sums: BTreeMap<Currency, i64> = BTreeMap::new();
        for row in rows {
            let sum = sums.entry(row.amount_currency).or_default();
            *sum = sum.saturating_add(row.amount_minor);
        }
        let sums: Vec<Money> = sums
            .into_iter()
            .map(|(currency, minor)| Money { minor, currency })
            .collect();
        let event = NewEvent::about(kind, partnership, data(&ids, &sums));
        change.record(event.for_partner(partner));
    }
}

/// Makes payable what is approved and whose day has come; the answer says how many entries.
///
/// # Errors
/// When the database fails.
pub async fn release_payable(change: &mut Change, today: NaiveDate) -> Result<u64> {
    let done = Entity::update_many()
        .col_expr(Column::Status, Expr::value(LedgerStatus::Payable))
        .col_expr(Column::Version, Expr::col(Column::Version).add(1))
        .col_expr(Column::UpdatedAt, Expr::value(change.now()))
        .filter(Column::Status.eq(LedgerStatus::Approved))
        .filter(Column::AvailableOn.lte(today))
        .exec(change.transaction())
        .await?;
    Ok(done.rows_affected)
}

/// A person's correction.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields of the row")]
pub struct NewAdjustment {
    pub partnership_id: PartnershipId,
    pub amount: Money,
    pub reason: String,
    pub available_on: NaiveDate,
}

/// Writes corrections; each waits for approval like any earning.
///
/// # Errors
/// An unknown partnership, nothing to correct, no reason; then nothing is written.
pub async fn adjust(change: &mut Change, inputs: Vec<NewAdjustment>) -> Result<Vec<Model>> {
    let system = Viewer::system("ledger_entry");
    let mut violations = Violations::default();
    let ids = inputs.iter().map(|input| input.partnership_id.0);
    let known =
        visible::find_all::<partnership::Entity, _>(change.transaction(), &system, ids).await?;
    let mut rows = Vec::with_capacity(inputs.len());
    for input in inputs {
        violations.text("reason", &input.reason, 2_000);
        if input.amount.minor == 0 || input.amount.minor.abs() > Money::MOST {
            violations.add(
                ViolationCode::Invalid,
                "amount",
                "An amount that is not zero.",
            );
        }
        let Some(partnership) = known.iter().find(|row| row.id == input.partnership_id) else {
            violations.add(
                ViolationCode::NotFound,
                "partnershipId",
                "No such partnership.",
            );
            continue;
        };
        let explanation = json!({ "reason": input.reason, "by": change.author().actor });
        rows.push(Model {
            kind: LedgerKind::Adjustment,
            explanation,
            ..blank(
                change,
                partnership.id,
                partnership.partner_id,
                input.amount,
                input.available_on,
            )
        });
    }
    violations.finish()?;
    crate::write::insert::<Entity>(change, &rows).await?;
    tell(
        change,
        EventKind::CommissionAdjusted,
        &rows,
        |ids, sums| json!({ "entries": ids, "amounts": sums }),
    );
    Ok(rows)
}

/// An entry of which only the sum is known.
pub(crate) fn blank(
    change: &Change,
    partnership_id: PartnershipId,
    partner_id: PartnerId,
    amount: Money,
    available_on: NaiveDate,
) -> Model {
    let now = change.now();
    Model {
        id: change.new_id(),
        version: 1,
        created_at: now,
        updated_at: now,
        partnership_id,
        partner_id,
        kind: LedgerKind::Adjustment,
        status: LedgerStatus::Pending,
        amount_minor: amount.minor,
        amount_currency: amount.currency,
        revenue_event_id: None,
        cause_event_id: None,
        deal_id: None,
        agreement_id: None,
        agreement_version_id: None,
        commission_rule_id: None,
        commitment_year_id: None,
        reverses_id: None,
        run_id: None,
        available_on,
        held_reason: None,
        statement_id: None,
        payout_id: None,
        explanation: json!({}),
    }
}

/// The sum of a partner's entries in one state and currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromQueryResult)]
pub struct Balance {
    /// Whose.
    pub partner_id: PartnerId,
    /// In which state.
    pub status: LedgerStatus,
    /// In which currency.
    pub currency: Currency,
    /// The sum in minor units.
    pub minor: i64,
    /// Of how many entries.
    pub count: i64,
}

/// What these partners' ledgers hold, by state and currency; what is voided counts nothing and is left out.
///
/// # Errors
/// When the database fails, or a sum exceeds 64 bits.
pub async fn balances(
    connection: &impl ConnectionTrait,
    viewer: &Viewer,
    partners: &[PartnerId],
) -> Result<Vec<Balance>> {
    if partners.is_empty() {
        return Ok(Vec::new());
    }
    let select = Entity::visible_to(viewer)
        .filter(Column::PartnerId.is_in(partners.iter().copied()))
        .filter(Column::Status.ne(LedgerStatus::Voided))
        .select_only()
        .column(Column::PartnerId)
        .column(Column::Status)
        .column_as(Column::AmountCurrency, "currency")
        .expr_as(
            Expr::cust("CAST(SUM(\"ledger_entry\".\"amount_minor\") AS BIGINT)"),
            "minor",
        )
        .expr_as(Expr::cust("COUNT(*)"), "count")
        .group_by(Column::PartnerId)
        .group_by(Column::Status)
        .group_by(Column::AmountCurrency)
        .order_by_asc(Column::PartnerId)
        .order_by_asc(Column::AmountCurrency)
        .order_by_asc(Column::Status);
    Ok(select.into_model().all(connection).await?)
}

/// Reads an entry that a viewer may see.
///
/// # Errors
/// Not found, or a fault of the database.
pub async fn load(
    connection: &impl ConnectionTrait,
    viewer: &Viewer,
    id: LedgerEntryId,
) -> Result<Model> {
    visible::find_one::<Entity, _>(connection, viewer, id.0)
        .await?
        .ok_or_else(|| Error::not_found("id"))
}
