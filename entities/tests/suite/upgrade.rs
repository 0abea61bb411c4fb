//! What a database held before a column was added has the value that it would have been written with: on both databases.

use crate::bed::{Bed, each};
use entities::agreement::{self, AgreementStatus};
use entities::change::Origin;
use entities::customer::{self, NewCustomer};
use entities::partnership::PartnerType;
use migration::{Migrator, MigratorTrait as _};
use sea_orm::{ConnectionTrait as _, EntityTrait, QueryOrder as _};

#[tokio::test(flavor = "multi_thread")]
async fn what_was_written_before_is_known_as_what_is_written_now() {
    each(async |bed: Bed| {
        let mut change = bed.change_of("crm", Origin::Backfill).await;
        let names = ["L'Oréal S.A.", "The Österreichische Post AG", "McDonald’s", "3M"];
        let named = |n: usize| NewCustomer {
            name: names
                .get(n)
                .map_or_else(|| format!("B. Braun & Co. {n} GmbH"), |name| (*name).to_owned()),
            domain: None,
            country: None,
            segment: None,
            archived: n.is_multiple_of(7),
        };
        // More than are read at once.
        customer::create(&mut change, (0..600).map(named).collect())
            .await
            .unwrap();
        change.commit().await.unwrap();
        let of = bed.partnership("a", PartnerType::Channel, None).await;
        for way in [
            &[][..],
            &[AgreementStatus::Withdrawn],
            &[AgreementStatus::InNegotiation],
            &[AgreementStatus::InNegotiation, AgreementStatus::Withdrawn],
        ] {
            let mut row = bed.draft(&of, "2026-10-01", bed.terms(2_000)).await;
            for to in way {
                let mut change = bed.by("staff").await;
                row = agreement::advance(&mut change, row, *to).await.unwrap();
                change.commit().await.unwrap();
            }
        }
        bed.agreed(&of, "2026-09-01", bed.terms(2_000)).await;
        let known = async || {
            let customers = customer::Entity::find().order_by_asc(customer::Column::Id);
            let agreements = agreement::Entity::find().order_by_asc(agreement::Column::Id);
            (
                customers.all(bed.database.read()).await.unwrap(),
                agreements.all(bed.database.read()).await.unwrap(),
            )
        };
        let before = known().await;
        let shown: Vec<bool> = before.1.iter().map(|row| row.shown).collect();
        assert_eq!(shown, [false, false, true, true, true]);
        for undone in [
            "DELETE FROM seaql_migrations WHERE version IN ('m20261121_000040_agreement_shown', 'm20261121_000041_customer_name')",
            "ALTER TABLE agreement DROP COLUMN shown",
            "DROP INDEX ix_customer_name_key",
            "ALTER TABLE customer DROP COLUMN name_key",
            "CREATE INDEX ix_customer_lower_name ON customer (lower(name))",
        ] {
            let done = bed.database.write().execute_unprepared(undone).await;
            done.unwrap();
        }
        Migrator::up(bed.database.write(), None).await.unwrap();
        assert_eq!(known().await, before);
    })
    .await;
}
