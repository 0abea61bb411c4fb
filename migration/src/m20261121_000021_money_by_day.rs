//! Money by its day: a partnership that went over to another programme keeps the days of the first, and a contract year says when it was settled.

use crate::table::{Of, index, optional, partial_index};
use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        crate::IN_ONE_TRANSACTION
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut parts = Table::alter();
        parts
            .table("program_enrollment")
            .add_column(optional("left_on", Of::Date));
        manager.alter_table(parts).await?;
        let mut alone = Index::drop();
        alone.name("ux_program_enrollment_partnership_id");
        manager
            .drop_index(alone.table("program_enrollment").to_owned())
            .await?;
        partial_index(
            manager,
            "ux_program_enrollment_present",
            "program_enrollment",
            "partnership_id",
            "left_on IS NULL",
            true,
        )
        .await?;
        index(
            manager,
            "program_enrollment",
            &["partnership_id", "enrolled_on"],
        )
        .await?;

        let mut years = Table::alter();
        years
            .table("commitment_year")
            .add_column(optional("settled_at", Of::Instant));
        manager.alter_table(years).await?;
        let settled = "UPDATE commitment_year SET settled_at = updated_at WHERE status IN ('MISSED', 'CLOSED')";
        manager.get_connection().execute_unprepared(settled).await?;
        partial_index(
            manager,
            "ix_commitment_year_unsettled",
            "commitment_year",
            "ends_on, id",
            "settled_at IS NULL",
            false,
        )
        .await?;
        partial_index(
            manager,
            "ix_revenue_accrual_again",
            "revenue_accrual",
            "reason, revenue_event_id",
            "reason IN ('NO_AGREEMENT', 'UNMATCHED', 'EXCEEDS')",
            false,
        )
        .await
    }
}
