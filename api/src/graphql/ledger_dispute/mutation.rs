//! Objecting, taking an objection back, answering it.

use super::LedgerDispute;
use crate::graphql::context::{request, requires_scope};
use crate::graphql::edit::{Edit, Opened, id_input, payload};
use async_graphql::{Context, Enum, ID, InputObject, Object, Result};
use entities::id::LedgerDisputeId;
use entities::ledger_dispute::{self, DisputeStatus, Entity, Model};
use entities::viewer::Scope;
use entities::visible;

async fn lock(
    edit: &Edit<'_>,
    id: &ID,
    expected_version: Option<i64>,
) -> entities::error::Result<Model> {
    let id: LedgerDisputeId = id_input(id, "id")?;
    visible::lock_one::<Entity>(&edit.change, &edit.request.viewer, id.0, expected_version).await
}

/// An objection to an entry.
#[derive(Debug, InputObject)]
pub struct DisputeLedgerEntryInput {
    /// To which entry.
    pub entry_id: ID,
    /// What is wrong with it.
    pub claim: String,
    /// Makes a repeated request harmless for 24 hours.
    pub idempotency_key: Option<String>,
    /// True: check everything and write nothing.
    pub validate_only: Option<bool>,
}

impl DisputeLedgerEntryInput {
    async fn apply(self, edit: &mut Edit<'_>) -> entities::error::Result<Model> {
        let entry = id_input(&self.entry_id, "entryId")?;
        let viewer = &edit.request.viewer;
        ledger_dispute::raise(&mut edit.change, viewer, entry, self.claim).await
    }
}

/// An objection that is taken back.
#[derive(Debug, InputObject)]
pub struct WithdrawLedgerDisputeInput {
    /// Which objection.
    pub id: ID,
    /// The version you saw; another one refuses the change.
    pub expected_version: Option<i64>,
    /// Why.
    pub reason: String,
    /// True: check everything and write nothing.
    pub validate_only: Option<bool>,
}

impl WithdrawLedgerDisputeInput {
    async fn apply(self, edit: &mut Edit<'_>) -> entities::error::Result<Model> {
        let row = lock(edit, &self.id, self.expected_version).await?;
        let (change, status) = (&mut edit.change, DisputeStatus::Withdrawn);
        ledger_dispute::resolve(change, row, status, self.reason, None).await
    }
}

/// How an objection is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum DisputeOutcome {
    /// The partner is right; `adjustLedger` puts it right.
    Upheld,
    /// The entry stands.
    Rejected,
}

/// An answer to an objection.
#[derive(Debug, InputObject)]
pub struct ResolveLedgerDisputeInput {
    /// Which objection.
    pub id: ID,
    /// The version you saw; another one refuses the change.
    pub expected_version: Option<i64>,
    /// How it is answered.
    pub outcome: DisputeOutcome,
    /// What the partner is told.
    pub answer: String,
    /// What it is not told.
    pub internal_note: Option<String>,
    /// True: check everything and write nothing.
    pub validate_only: Option<bool>,
}

impl ResolveLedgerDisputeInput {
    async fn apply(self, edit: &mut Edit<'_>) -> entities::error::Result<Model> {
        let row = lock(edit, &self.id, self.expected_version).await?;
        let status = match self.outcome {
            DisputeOutcome::Upheld => DisputeStatus::Upheld,
            DisputeOutcome::Rejected => DisputeStatus::Rejected,
        };
        let (change, note) = (&mut edit.change, self.internal_note);
        ledger_dispute::resolve(change, row, status, self.answer, note).await
    }
}

payload!(
    DisputeLedgerEntryPayload {
        ledger_dispute: LedgerDispute
    },
    "disputeLedgerEntry",
    Scope::EarningsRead
);
payload!(
    WithdrawLedgerDisputePayload {
        ledger_dispute: LedgerDispute
    },
    "withdrawLedgerDispute",
    Scope::EarningsRead
);
payload!(
    ResolveLedgerDisputePayload {
        ledger_dispute: LedgerDispute
    },
    "resolveLedgerDispute",
    Scope::EarningsRead
);

/// Changes of objections.
#[derive(Default)]
pub struct LedgerDisputeMutation;

#[Object]
impl LedgerDisputeMutation {
    /// Objects to an entry; a partner objects to its own. What is not payable yet is held until the objection is answered.
    #[graphql(directive = requires_scope::apply("earnings:read".to_owned()))]
    async fn dispute_ledger_entry(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "To what, and why.")] input: DisputeLedgerEntryInput,
    ) -> Result<DisputeLedgerEntryPayload> {
        let opened = Edit::create_own(
            ctx,
            Scope::EarningsRead,
            "disputeLedgerEntry",
            &input,
            input.idempotency_key.as_ref(),
            input.validate_only,
        )
        .await?;
        let mut edit = match opened {
            Opened::Fresh(edit) => *edit,
            Opened::Repeated(id) => {
                return Ok(DisputeLedgerEntryPayload::found(
                    LedgerDispute::find(request(ctx)?, id).await?,
                ));
            }
            Opened::Refused(refused) => return Ok(DisputeLedgerEntryPayload::refused(refused)),
        };
        let result = input.apply(&mut edit).await;
        Ok(DisputeLedgerEntryPayload::from_outcome(
            edit.finish(result, |row| Some(row.id.0)).await?,
            LedgerDispute::one,
        ))
    }

    /// Takes an objection back.
    #[graphql(directive = requires_scope::apply("earnings:read".to_owned()))]
    async fn withdraw_ledger_dispute(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which objection.")] input: WithdrawLedgerDisputeInput,
    ) -> Result<WithdrawLedgerDisputePayload> {
        let mut edit = Edit::begin_own(ctx, Scope::EarningsRead, input.validate_only).await?;
        let result = input.apply(&mut edit).await;
        Ok(WithdrawLedgerDisputePayload::from_outcome(
            edit.finish(result, |_| None).await?,
            LedgerDispute::one,
        ))
    }

    /// Answers an objection. No amount changes by it.
    #[graphql(directive = requires_scope::apply("payouts:write".to_owned()))]
    async fn resolve_ledger_dispute(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The answer.")] input: ResolveLedgerDisputeInput,
    ) -> Result<ResolveLedgerDisputePayload> {
        let mut edit = Edit::begin(ctx, Scope::PayoutsWrite, input.validate_only).await?;
        let result = input.apply(&mut edit).await;
        Ok(ResolveLedgerDisputePayload::from_outcome(
            edit.finish(result, |_| None).await?,
            LedgerDispute::one,
        ))
    }
}
