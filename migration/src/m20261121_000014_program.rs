//! Programmes, their tiers and rules, who takes part in which, and agreements with their versions, signatures and duties.

use crate::table::Of::{BigInt, Bool, Date, Instant, Int, Json, Text, Uuid};
use crate::table::{
    column, create_keyed, create_with_keys, index, optional, partial_index, row, unique,
};
use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::ConnectionTrait;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        crate::IN_ONE_TRANSACTION
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        program(manager).await?;
        agreement(manager).await?;
        duties(manager).await
    }
}

/// A row that is made once and never changed.
fn once(own: Vec<ColumnDef>) -> Vec<ColumnDef> {
    let mut id = column("id", Uuid);
    id.primary_key();
    let mut columns = vec![id, column("created_at", Instant)];
    columns.extend(own);
    columns
}

async fn program(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    // Rows to take turns on: who holds one is alone with what it names.
    create_keyed(manager, "turn", vec![column("name", Text)], &["name"]).await?;
    let turns = "INSERT INTO turn (name) VALUES ('accrual'), ('exclusivity'), ('registration')";
    manager.get_connection().execute_unprepared(turns).await?;

    let program = row(vec![
        column("name", Text),
        column("description", Text),
        column("zone", Text),
        column("currency", Text),
        column("protection_days", Int),
        column("extension_days", Int),
        column("hold_days", Int),
        column("four_eyes_minor", BigInt),
        column("products", Json),
        column("territories", Json),
        optional("archived_at", Instant),
    ]);
    create_with_keys(manager, "program", program, &[]).await?;
    unique(manager, "program", &["name"]).await?;
    index(manager, "program", &["updated_at", "id"]).await?;

    let tier = row(vec![
        column("program_id", Uuid),
        column("name", Text),
        column("rank", Int),
        column("criteria", Json),
        column("benefits", Json),
        column("uplift_bp", Int),
        optional("archived_at", Instant),
    ]);
    create_with_keys(manager, "tier", tier, &[("program_id", "program")]).await?;
    unique(manager, "tier", &["program_id", "rank"]).await?;

    let program_enrollment = row(vec![
        column("program_id", Uuid),
        column("partnership_id", Uuid),
        column("partner_id", Uuid),
        column("enrolled_on", Date),
    ]);
    let keys = [
        ("program_id", "program"),
        ("partnership_id", "partnership"),
        ("partner_id", "partner"),
    ];
    create_with_keys(manager, "program_enrollment", program_enrollment, &keys).await?;
    unique(manager, "program_enrollment", &["partnership_id"]).await?;
    index(manager, "program_enrollment", &["program_id", "id"]).await?;
    index(manager, "program_enrollment", &["partner_id", "id"]).await?;

    let tier_assignment = once(vec![
        column("partnership_id", Uuid),
        column("partner_id", Uuid),
        optional("tier_id", Uuid),
        column("effective_on", Date),
        column("reason", Text),
        column("assigned_by", Text),
    ]);
    let keys = [
        ("partnership_id", "partnership"),
        ("partner_id", "partner"),
        ("tier_id", "tier"),
    ];
    create_with_keys(manager, "tier_assignment", tier_assignment, &keys).await?;
    index(
        manager,
        "tier_assignment",
        &["partnership_id", "effective_on", "id"],
    )
    .await?;
    index(manager, "tier_assignment", &["partner_id", "id"]).await?;

    let commission_rule = once(vec![
        optional("program_id", Uuid),
        optional("kind", Text),
        column("effective_on", Date),
        column("terms", Json),
        column("note", Text),
        column("published_by", Text),
    ]);
    create_with_keys(
        manager,
        "commission_rule",
        commission_rule,
        &[("program_id", "program")],
    )
    .await?;
    index(manager, "commission_rule", &["effective_on", "id"]).await
}

async fn agreement(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let agreement = row(vec![
        column("partnership_id", Uuid),
        column("partner_id", Uuid),
        column("number", Text),
        column("status", Text),
        column("effective_on", Date),
        column("zone", Text),
        column("term_months", Int),
        column("auto_renew", Bool),
        column("notice_days", Int),
        column("confidentiality_months", Int),
        // How many terms have begun; 1 in the first.
        column("term", Int),
        column("term_ends_on", Date),
        optional("notice_given_on", Date),
        optional("notice_reason", Text),
        optional("terminates_on", Date),
        optional("ended_on", Date),
        optional("superseded_by", Uuid),
    ]);
    let keys = [("partnership_id", "partnership"), ("partner_id", "partner")];
    create_with_keys(manager, "agreement", agreement, &keys).await?;
    unique(manager, "agreement", &["number"]).await?;
    index(manager, "agreement", &["partnership_id", "id"]).await?;
    index(manager, "agreement", &["partner_id", "id"]).await?;
    index(manager, "agreement", &["updated_at", "id"]).await?;
    index(manager, "agreement", &["status", "term_ends_on", "id"]).await?;
    partial_index(
        manager,
        "ux_agreement_in_force",
        "agreement",
        "partnership_id",
        "status IN ('ACTIVE', 'NOTICE_GIVEN')",
        true,
    )
    .await?;

    let agreement_version = row(vec![
        column("agreement_id", Uuid),
        column("partner_id", Uuid),
        column("number", Int),
        column("effective_on", Date),
        column("terms", Json),
        column("terms_hash", Text),
        column("summary", Text),
        optional("signed_at", Instant),
    ]);
    let keys = [("agreement_id", "agreement"), ("partner_id", "partner")];
    create_with_keys(manager, "agreement_version", agreement_version, &keys).await?;
    unique(manager, "agreement_version", &["agreement_id", "number"]).await?;
    index(manager, "agreement_version", &["partner_id", "id"]).await?;

    let agreement_signature = once(vec![
        column("agreement_version_id", Uuid),
        column("agreement_id", Uuid),
        column("partner_id", Uuid),
        column("side", Text),
        column("signer_name", Text),
        column("signer_title", Text),
        column("signed_hash", Text),
        column("signed_by", Text),
    ]);
    let keys = [
        ("agreement_version_id", "agreement_version"),
        ("agreement_id", "agreement"),
        ("partner_id", "partner"),
    ];
    create_with_keys(manager, "agreement_signature", agreement_signature, &keys).await?;
    unique(
        manager,
        "agreement_signature",
        &["agreement_version_id", "side"],
    )
    .await?;
    index(manager, "agreement_signature", &["agreement_id", "id"]).await
}

async fn duties(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let sla_measurement = once(vec![
        column("agreement_id", Uuid),
        column("partner_id", Uuid),
        column("metric", Text),
        column("starts_on", Date),
        column("ends_on", Date),
        // Millionths of a percent or of an hour: no floats.
        column("target_micros", BigInt),
        column("measured_micros", BigInt),
        column("met", Bool),
        column("evidence", Text),
        column("measured_by", Text),
    ]);
    let keys = [("agreement_id", "agreement"), ("partner_id", "partner")];
    create_with_keys(manager, "sla_measurement", sla_measurement, &keys).await?;
    unique(
        manager,
        "sla_measurement",
        &["agreement_id", "metric", "starts_on", "ends_on"],
    )
    .await?;

    let obligation = row(vec![
        column("agreement_id", Uuid),
        column("partnership_id", Uuid),
        column("partner_id", Uuid),
        column("kind", Text),
        column("subject", Text),
        column("due_on", Date),
        optional("owner", Text),
        column("status", Text),
        optional("done_at", Instant),
        optional("done_by", Text),
        optional("note", Text),
        optional("announced_at", Instant),
    ]);
    let keys = [
        ("agreement_id", "agreement"),
        ("partnership_id", "partnership"),
        ("partner_id", "partner"),
    ];
    create_with_keys(manager, "obligation", obligation, &keys).await?;
    // The same terms give the same duties, however often they are generated.
    unique(
        manager,
        "obligation",
        &["agreement_id", "kind", "subject", "due_on"],
    )
    .await?;
    index(manager, "obligation", &["status", "due_on", "id"]).await?;
    index(manager, "obligation", &["partner_id", "due_on", "id"]).await
}
