//! What a partnership's way through the pipeline is shown by: what was done with a partner, and the tasks of its onboarding.

use crate::table::Of::{Instant, Int, Json, Text, Uuid};
use crate::table::{column, create_with_keys, index, optional, row, unique};
use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        crate::IN_ONE_TRANSACTION
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut id = column("id", Uuid);
        id.primary_key();
        let activity = vec![
            id,
            column("created_at", Instant),
            column("partnership_id", Uuid),
            column("partner_id", Uuid),
            column("kind", Text),
            column("occurred_at", Instant),
            optional("outcome", Text),
            optional("summary", Text),
            optional("internal_note", Text),
            column("recorded_by", Text),
        ];
        let keys = [("partnership_id", "partnership"), ("partner_id", "partner")];
        create_with_keys(manager, "activity", activity, &keys).await?;
        for columns in [
            &["partnership_id", "outcome"][..],
            &["partner_id", "id"],
            &["occurred_at", "id"],
        ] {
            index(manager, "activity", columns).await?;
        }

        let mut id = column("id", Uuid);
        id.primary_key();
        let checklist = vec![
            id,
            column("created_at", Instant),
            column("name", Text),
            column("description", Text),
            column("items", Json),
            column("published_by", Text),
        ];
        create_with_keys(manager, "checklist", checklist, &[]).await?;
        index(manager, "checklist", &["name", "created_at"]).await?;

        let task = row(vec![
            column("partnership_id", Uuid),
            column("partner_id", Uuid),
            column("place", Int),
            column("step", Text),
            column("title", Text),
            column("from_week", Int),
            column("to_week", Int),
            column("status", Text),
            optional("note", Text),
            optional("done_by", Text),
            optional("done_at", Instant),
        ]);
        create_with_keys(manager, "onboarding_task", task, &keys).await?;
        unique(manager, "onboarding_task", &["partnership_id", "place"]).await
    }
}
