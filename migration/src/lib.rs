//! The history of the schema: one change a file, the same code for SQLite and PostgreSQL.
//!
//! It imports no entity: a migration that was released must keep doing what it did, whatever a struct becomes later. Tables and
//! columns are therefore spelled out in [`table`], which knows nothing but column types.

pub use sea_orm_migration::prelude::{MigrationTrait, MigratorTrait};

mod m20261121_000001_programme;
mod m20261121_000002_event;
mod m20261121_000003_sync;
mod m20261121_000004_access;
mod m20261121_000005_outbound;
mod m20261121_000006_queue;
mod m20261121_000007_reconnect;
mod m20261121_000008_doors;
mod m20261121_000009_revenue;
mod m20261121_000010_chat;
mod m20261121_000011_lean_indexes;
mod m20261121_000012_unfinished_work;
mod m20261121_000013_people;
mod m20261121_000014_program;
mod m20261121_000015_ledger;
mod m20261121_000016_deal_registration;
mod m20261121_000020_audit;
mod m20261121_000021_chat_registration;
mod m20261121_000022_money_by_day;
mod m20261121_000030_webhooks;
mod m20261121_000040_agreement_shown;
mod m20261121_000041_customer_name;
mod m20261121_000050_confirmed_domains;
mod m20261121_000051_administrators;
mod m20261121_000060_mail;
mod m20261121_000061_automation;
mod m20261121_000070_applications;
mod m20261121_000071_assessment;
mod m20261121_000072_stage_guards;
mod m20261121_000073_goals;
mod table;

/// Every migration and its record in one transaction, on SQLite too: a process that dies in the middle leaves the schema as it was.
const IN_ONE_TRANSACTION: Option<bool> = Some(true);

/// All migrations, oldest first.
pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m20261121_000001_programme::Migration),
            Box::new(m20261121_000002_event::Migration),
            Box::new(m20261121_000003_sync::Migration),
            Box::new(m20261121_000004_access::Migration),
            Box::new(m20261121_000005_outbound::Migration),
            Box::new(m20261121_000006_queue::Migration),
            Box::new(m20261121_000007_reconnect::Migration),
            Box::new(m20261121_000008_doors::Migration),
            Box::new(m20261121_000009_revenue::Migration),
            Box::new(m20261121_000010_chat::Migration),
            Box::new(m20261121_000011_lean_indexes::Migration),
            Box::new(m20261121_000012_unfinished_work::Migration),
            Box::new(m20261121_000013_people::Migration),
            Box::new(m20261121_000014_program::Migration),
            Box::new(m20261121_000015_ledger::Migration),
            Box::new(m20261121_000016_deal_registration::Migration),
            Box::new(m20261121_000020_audit::Migration),
            Box::new(m20261121_000021_chat_registration::Migration),
            Box::new(m20261121_000022_money_by_day::Migration),
            Box::new(m20261121_000030_webhooks::Migration),
            Box::new(m20261121_000040_agreement_shown::Migration),
            Box::new(m20261121_000041_customer_name::Migration),
            Box::new(m20261121_000050_confirmed_domains::Migration),
            Box::new(m20261121_000051_administrators::Migration),
            Box::new(m20261121_000060_mail::Migration),
            Box::new(m20261121_000061_automation::Migration),
            Box::new(m20261121_000070_applications::Migration),
            Box::new(m20261121_000071_assessment::Migration),
            Box::new(m20261121_000072_stage_guards::Migration),
            Box::new(m20261121_000073_goals::Migration),
        ]
    }
}
