//! Changes of the ledger: what they take and what they answer.

use super::LedgerEntry;
use crate::graphql::context::{request, requires_scope};
use crate::graphql::edit::{Edit, Opened, created, id_input, payload, payload_many};
use crate::graphql::program;
use crate::graphql::scalar::{Date, MoneyInput};
use async_graphql::{Context, ID, InputObject, Object, Result};
use entities::error::{Error, ViolationCode};
use entities::id::{LedgerEntryId, PartnershipId};
use entities::ledger_entry::{self, Model, NewAdjustment, Step};
use entities::viewer::Scope;

/// The most entries at a time.
const MOST: usize = 500;

async fn step(edit: &mut Edit<'_>, ids: &[ID], step: Step) -> entities::error::Result<Vec<Model>> {
    if ids.is_empty() || ids.len() > MOST {
        let message = format!("1 to {MOST} entries.");
        return Err(Error::invalid(ViolationCode::Invalid, "ids", message));
    }
    let ids = ids.iter().map(|id| id_input(id, "ids"));
    let ids = ids.collect::<entities::error::Result<Vec<LedgerEntryId>>>()?;
    ledger_entry::step(&mut edit.change, &ids, step).await
}

/// Entries that are pending.
#[derive(Debug, InputObject)]
pub struct ApproveLedgerEntriesInput {
    /// Which, 1 to 500.
    pub ids: Vec<ID>,
    /// True: check everything and write nothing.
    pub validate_only: Option<bool>,
}

impl ApproveLedgerEntriesInput {
    async fn apply(self, edit: &mut Edit<'_>) -> entities::error::Result<Vec<Model>> {
        step(edit, &self.ids, Step::Approve).await
    }
}

/// Entries that are not payable yet.
#[derive(Debug, InputObject)]
pub struct HoldLedgerEntriesInput {
    /// Which, 1 to 500.
    pub ids: Vec<ID>,
    /// Why; the partner reads it.
    pub reason: String,
    /// True: check everything and write nothing.
    pub validate_only: Option<bool>,
}

impl HoldLedgerEntriesInput {
    async fn apply(self, edit: &mut Edit<'_>) -> entities::error::Result<Vec<Model>> {
        step(edit, &self.ids, Step::Hold(self.reason)).await
    }
}

/// Entries that were stopped.
#[derive(Debug, InputObject)]
pub struct ReleaseLedgerEntriesInput {
    /// Which, 1 to 500.
    pub ids: Vec<ID>,
    /// True: check everything and write nothing.
    pub validate_only: Option<bool>,
}

impl ReleaseLedgerEntriesInput {
    async fn apply(self, edit: &mut Edit<'_>) -> entities::error::Result<Vec<Model>> {
        step(edit, &self.ids, Step::Release).await
    }
}

/// Entries that are not payable yet and that no statement has told of.
#[derive(Debug, InputObject)]
pub struct VoidLedgerEntriesInput {
    /// Which, 1 to 500.
    pub ids: Vec<ID>,
    /// Why; the partner reads it.
    pub reason: String,
    /// True: check everything and write nothing.
    pub validate_only: Option<bool>,
}

impl VoidLedgerEntriesInput {
    async fn apply(self, edit: &mut Edit<'_>) -> entities::error::Result<Vec<Model>> {
        step(edit, &self.ids, Step::Void(self.reason)).await
    }
}

/// A correction.
#[derive(Debug, InputObject)]
pub struct AdjustLedgerInput {
    /// Of which partnership.
    pub partnership_id: ID,
    /// How much; negative to take away.
    pub amount: MoneyInput,
    /// Why; the partner reads it.
    pub reason: String,
    /// The first day on which it can be paid; today when nothing is said.
    pub available_on: Option<Date>,
    /// Makes a repeated request harmless for 24 hours.
    pub idempotency_key: Option<String>,
    /// True: check everything and write nothing.
    pub validate_only: Option<bool>,
}

impl AdjustLedgerInput {
    async fn apply(self, edit: &mut Edit<'_>) -> entities::error::Result<Model> {
        let partnership: PartnershipId = id_input(&self.partnership_id, "partnershipId")?;
        let available_on = match self.available_on {
            Some(day) => day.0,
            None => {
                let zone = program::zone_of(&edit.change, partnership).await?;
                program::today(&edit.change, zone)?
            }
        };
        let new = NewAdjustment {
            partnership_id: partnership,
            amount: self.amount.to_amount("amount")?,
            reason: self.reason,
            available_on,
        };
        ledger_entry::adjust(&mut edit.change, vec![new])
            .await
            .and_then(created)
    }
}

payload_many!(
    ApproveLedgerEntriesPayload { ledger_entries: LedgerEntry of Model },
    "approveLedgerEntries",
    Scope::EarningsRead
);
payload_many!(
    HoldLedgerEntriesPayload { ledger_entries: LedgerEntry of Model },
    "holdLedgerEntries",
    Scope::EarningsRead
);
payload_many!(
    ReleaseLedgerEntriesPayload { ledger_entries: LedgerEntry of Model },
    "releaseLedgerEntries",
    Scope::EarningsRead
);
payload_many!(
    VoidLedgerEntriesPayload { ledger_entries: LedgerEntry of Model },
    "voidLedgerEntries",
    Scope::EarningsRead
);
payload!(
    AdjustLedgerPayload {
        ledger_entry: LedgerEntry
    },
    "adjustLedger",
    Scope::EarningsRead
);

/// Changes of the ledger.
#[derive(Default)]
pub struct LedgerEntryMutation;

#[Object]
impl LedgerEntryMutation {
    /// Approves what is pending. What was taken back of an entry goes with it.
    #[graphql(directive = requires_scope::apply("payouts:write".to_owned()))]
    async fn approve_ledger_entries(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which entries.")] input: ApproveLedgerEntriesInput,
    ) -> Result<ApproveLedgerEntriesPayload> {
        let mut edit = Edit::begin(ctx, Scope::PayoutsWrite, input.validate_only).await?;
        let result = input.apply(&mut edit).await;
        Ok(ApproveLedgerEntriesPayload::from_outcome(
            edit.finish(result, |_| None).await?,
            LedgerEntry,
        ))
    }

    /// Stops entries that are not payable yet.
    #[graphql(directive = requires_scope::apply("payouts:write".to_owned()))]
    async fn hold_ledger_entries(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which entries, and why.")] input: HoldLedgerEntriesInput,
    ) -> Result<HoldLedgerEntriesPayload> {
        let mut edit = Edit::begin(ctx, Scope::PayoutsWrite, input.validate_only).await?;
        let result = input.apply(&mut edit).await;
        Ok(HoldLedgerEntriesPayload::from_outcome(
            edit.finish(result, |_| None).await?,
            LedgerEntry,
        ))
    }

    /// Lets go on what was stopped: it is pending again.
    #[graphql(directive = requires_scope::apply("payouts:write".to_owned()))]
    async fn release_ledger_entries(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which entries.")] input: ReleaseLedgerEntriesInput,
    ) -> Result<ReleaseLedgerEntriesPayload> {
        let mut edit = Edit::begin(ctx, Scope::PayoutsWrite, input.validate_only).await?;
        let result = input.apply(&mut edit).await;
        Ok(ReleaseLedgerEntriesPayload::from_outcome(
            edit.finish(result, |_| None).await?,
            LedgerEntry,
        ))
    }

    /// Makes entries worthless that are not payable yet.
    #[graphql(directive = requires_scope::apply("payouts:write".to_owned()))]
    async fn void_ledger_entries(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which entries, and why.")] input: VoidLedgerEntriesInput,
    ) -> Result<VoidLedgerEntriesPayload> {
        let mut edit = Edit::begin(ctx, Scope::PayoutsWrite, input.validate_only).await?;
        let result = input.apply(&mut edit).await;
        Ok(VoidLedgerEntriesPayload::from_outcome(
            edit.finish(result, |_| None).await?,
            LedgerEntry,
        ))
    }

    /// Writes a correction; it waits for approval like any earning.
    #[graphql(directive = requires_scope::apply("payouts:write".to_owned()))]
    async fn adjust_ledger(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The correction.")] input: AdjustLedgerInput,
    ) -> Result<AdjustLedgerPayload> {
        let opened = Edit::create(
            ctx,
            Scope::PayoutsWrite,
            "adjustLedger",
            &input,
            input.idempotency_key.as_ref(),
            input.validate_only,
        )
        .await?;
        let mut edit = match opened {
            Opened::Fresh(edit) => *edit,
            Opened::Repeated(id) => {
                return Ok(AdjustLedgerPayload::found(
                    LedgerEntry::find(request(ctx)?, id).await?,
                ));
            }
            Opened::Refused(refused) => return Ok(AdjustLedgerPayload::refused(refused)),
        };
        let result = input.apply(&mut edit).await;
        Ok(AdjustLedgerPayload::from_outcome(
            edit.finish(result, |row| Some(row.id.0)).await?,
            LedgerEntry::one,
        ))
    }
}
