//! What partners earn: which revenue has been computed, the ledger's entries, the counters of contract years, statements, disputes and payouts.

use crate::table::Of::{BigInt, Bool, Date, Instant, Int, Json, Text, Uuid};
use crate::table::{
    column, create_keyed, create_with_keys, index, optional, partial_index, row, unique,
};
use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        crate::IN_ONE_TRANSACTION
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        accrual(manager).await?;
        ledger(manager).await?;
        money_out(manager).await
    }
}

async fn accrual(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    // Revenue without a row here earns nothing: what was there before, and what history brings.
    let revenue_accrual = vec![
        column("revenue_event_id", Uuid),
        column("occurred_at", Instant),
        column("status", Text),
        optional("reason", Text),
        optional("run_id", Uuid),
    ];
    create_keyed(
        manager,
        "revenue_accrual",
        revenue_accrual,
        &["revenue_event_id"],
    )
    .await?;
    partial_index(
        manager,
        "ix_revenue_accrual_pending",
        "revenue_accrual",
        "occurred_at, revenue_event_id",
        "status = 'PENDING'",
        false,
    )
    .await?;
    partial_index(
        manager,
        "ix_revenue_accrual_nobody",
        "revenue_accrual",
        "revenue_event_id",
        "reason = 'NOBODY'",
        false,
    )
    .await?;

    // Which part of which payment a refund took back.
    let revenue_reversal = vec![
        column("refund_id", Uuid),
        column("payment_id", Uuid),
        column("amount_minor", BigInt),
        column("created_at", Instant),
    ];
    create_keyed(
        manager,
        "revenue_reversal",
        revenue_reversal,
        &["refund_id", "payment_id"],
    )
    .await?;
    index(manager, "revenue_reversal", &["payment_id"]).await?;

    let mut id = column("id", Uuid);
    id.primary_key();
    let commission_run = vec![
        id,
        column("started_at", Instant),
        column("started_by", Text),
        column("events", BigInt),
        column("entries", BigInt),
        column("result_hash", Text),
        optional("finished_at", Instant),
    ];
    create_with_keys(manager, "commission_run", commission_run, &[]).await?;

    let commitment_year = row(vec![
        column("partnership_id", Uuid),
        column("partner_id", Uuid),
        column("agreement_id", Uuid),
        column("currency", Text),
        column("starts_on", Date),
        column("ends_on", Date),
        column("status", Text),
        column("counters", Json),
    ]);
    let keys = [
        ("partnership_id", "partnership"),
        ("partner_id", "partner"),
        ("agreement_id", "agreement"),
    ];
    create_with_keys(manager, "commitment_year", commitment_year, &keys).await?;
    unique(
        manager,
        "commitment_year",
        &["partnership_id", "agreement_id", "starts_on", "currency"],
    )
    .await?;
    index(manager, "commitment_year", &["status", "ends_on", "id"]).await
}

async fn ledger(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let ledger_entry = row(vec![
        column("partnership_id", Uuid),
        column("partner_id", Uuid),
        column("kind", Text),
        column("status", Text),
        column("amount_minor", BigInt),
        column("amount_currency", Text),
        // The revenue it was earned from; none where it is the whole year's.
        optional("revenue_event_id", Uuid),
        // The revenue whose coming wrote it: the payment, or the refund.
        optional("cause_event_id", Uuid),
        optional("deal_id", Uuid),
        optional("agreement_id", Uuid),
        optional("agreement_version_id", Uuid),
        optional("commission_rule_id", Uuid),
        optional("commitment_year_id", Uuid),
        optional("reverses_id", Uuid),
        optional("run_id", Uuid),
        column("available_on", Date),
        optional("held_reason", Text),
        optional("statement_id", Uuid),
        optional("payout_id", Uuid),
        column("explanation", Json),
    ]);
    let keys = [
        ("partnership_id", "partnership"),
        ("partner_id", "partner"),
        ("revenue_event_id", "revenue_event"),
        ("agreement_id", "agreement"),
        ("agreement_version_id", "agreement_version"),
        ("commission_rule_id", "commission_rule"),
        ("commitment_year_id", "commitment_year"),
        ("reverses_id", "ledger_entry"),
    ];
    create_with_keys(manager, "ledger_entry", ledger_entry, &keys).await?;
    // The same cause writes the same entry once, whatever code does.
    partial_index(
        manager,
        "ux_ledger_entry_earned",
        "ledger_entry",
        "cause_event_id, partnership_id, kind, (revenue_event_id IS NULL)",
        "cause_event_id IS NOT NULL AND reverses_id IS NULL",
        true,
    )
    .await?;
    partial_index(
        manager,
        "ux_ledger_entry_reversed",
        "ledger_entry",
        "cause_event_id, reverses_id",
        "cause_event_id IS NOT NULL AND reverses_id IS NOT NULL",
        true,
    )
    .await?;
    for columns in [
        &["partner_id", "created_at", "id"][..],
        &["partnership_id", "id"],
        &["revenue_event_id"],
        &["commitment_year_id", "kind"],
        &["reverses_id"],
        &["payout_id"],
        &["statement_id"],
        &["status", "available_on", "id"],
    ] {
        index(manager, "ledger_entry", columns).await?;
    }
    partial_index(
        manager,
        "ix_ledger_entry_unstated",
        "ledger_entry",
        "partner_id, amount_currency, created_at",
        "statement_id IS NULL",
        false,
    )
    .await
}

async fn money_out(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let statement = row(vec![
        column("partner_id", Uuid),
        column("currency", Text),
        column("number", Int),
        column("starts_on", Date),
        column("ends_on", Date),
        column("opening_minor", BigInt),
        column("earned_minor", BigInt),
        column("clawed_back_minor", BigInt),
        column("paid_minor", BigInt),
        column("closing_minor", BigInt),
        column("entries", BigInt),
        column("finalized_by", Text),
    ]);
    create_with_keys(
        manager,
        "statement",
        statement,
        &[("partner_id", "partner")],
    )
    .await?;
    unique(manager, "statement", &["partner_id", "currency", "number"]).await?;
    unique(manager, "statement", &["partner_id", "currency", "ends_on"]).await?;

    let ledger_dispute = row(vec![
        column("ledger_entry_id", Uuid),
        column("partner_id", Uuid),
        column("status", Text),
        column("claim", Text),
        column("raised_by", Text),
        optional("answer", Text),
        optional("internal_note", Text),
        optional("resolved_by", Text),
        optional("resolved_at", Instant),
        column("held_entry", Bool),
    ]);
    let keys = [
        ("ledger_entry_id", "ledger_entry"),
        ("partner_id", "partner"),
    ];
    create_with_keys(manager, "ledger_dispute", ledger_dispute, &keys).await?;
    index(manager, "ledger_dispute", &["partner_id", "id"]).await?;
    partial_index(
        manager,
        "ux_ledger_dispute_open",
        "ledger_dispute",
        "ledger_entry_id",
        "status = 'OPEN'",
        true,
    )
    .await?;

    let payout = row(vec![
        column("partner_id", Uuid),
        column("batch", Text),
        column("status", Text),
        column("amount_minor", BigInt),
        column("amount_currency", Text),
        column("entries", BigInt),
        column("four_eyes", Bool),
        column("created_by", Text),
        optional("approved_by", Text),
        optional("approved_at", Instant),
        optional("reference", Text),
        optional("failure", Text),
        optional("paid_at", Instant),
        column("attempts", Int),
    ]);
    create_with_keys(manager, "payout", payout, &[("partner_id", "partner")]).await?;
    index(manager, "payout", &["partner_id", "id"]).await?;
    index(manager, "payout", &["batch", "id"]).await?;
    index(manager, "payout", &["status", "id"]).await
}
