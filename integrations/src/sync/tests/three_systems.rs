//! Several systems over the same rows: one edit is one write to each that does not know it, and then it is quiet.

use super::*;
use crate::record::RevenueLineKind::Payment;
use entities::deal::DealPatch;
use entities::viewer::Viewer;
use entities::visible;

/// Two CRMs with the same mapping, and a shop.
async fn three() -> Bed {
    let vendors = vec![
        Vendor::new(),
        Vendor::crm("second", "88"),
        Vendor::shop("shop", "1"),
    ];
    let bed = bed_of(vendors).await;
    let usual = bed.connection_of("hubspot").await.mapping;
    bed.map("second", |mapping| *mapping = usual).await;
    bed.map("shop", |mapping| mapping.order.deals = true).await;
    bed
}

impl Bed {
    fn second(&self) -> &Vendor {
        &self.others[0].0
    }

    /// Everything is done until nothing is left, waits of a few seconds and a look for changes included.
    async fn calm(&self) {
        for _ in 0..6 {
            self.work().await;
            self.clock.0.fetch_add(4_000, Ordering::SeqCst);
        }
        for id in self.ids() {
            let run = self
                .engine
                .sync_connection(id, SyncKind::Changes, |_| {})
                .await;
            assert_eq!(run.unwrap().status, SyncRunStatus::Completed);
        }
        self.work().await;
    }

    fn ids(&self) -> Vec<entities::id::ConnectionId> {
        let others = self.others.iter().map(|(_, row)| row.id);
        std::iter::once(self.connection.id).chain(others).collect()
    }

    /// How much was written to each CRM.
    fn writes(&self) -> (usize, usize) {
        (self.vendor.written().len(), self.second().written().len())
    }

    /// All vendors say again what they hold, and nothing comes of it.
    async fn stays_calm(&self) {
        let (before, writes) = (self.everything().await, self.writes());
        for (vendor, connector, tenant) in [
            (&*self.vendor, "hubspot", "77"),
            (self.second(), "second", "88"),
        ] {
            let known: Vec<String> = vendor
                .state
                .lock()
                .unwrap()
                .records
                .keys()
                .filter(|(resource, _)| *resource == Resource::Deal)
                .map(|(_, id)| id.clone())
                .collect();
            for id in known {
                self.tell(connector, &[(tenant, "deal", &id)]).await;
            }
        }
        self.calm().await;
        self.calm().await;
        assert_eq!(self.everything().await, before);
        assert_eq!(self.writes(), writes);
        let pushes = entities::outbound_push::Entity::find()
            .all(self.database.read())
            .await;
        assert_eq!(pushes.unwrap(), []);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_edit_is_one_write_for_each_system_that_does_not_know_it() {
    let bed = three().await;
    bed.calm().await;
    let fields = [
        ("dealname", "a"),
        ("dealstage", "prospecting"),
        ("amount", "5"),
    ];
    bed.vendor.deal("1", &fields, &[]);
    bed.tell("hubspot", &[("77", "deal", "1")]).await;
    bed.calm().await;
    // What one system brought is created in the other, once, and not sent back.
    assert_eq!(bed.writes(), (0, 1));
    assert_eq!(bed.second().named(Resource::Deal, "a").len(), 1);
    bed.stays_calm().await;
    // A person's edit here goes to both.
    let row = bed.deals().await.remove("a").unwrap();
    let change = bed.change().await;
    let mut change = change;
    let row = visible::lock_one::<deal::Entity>(&change, &Viewer::system("t"), row.id.0, None)
        .await
        .unwrap();
    let patch = DealPatch {
        name: Some("b".to_owned()),
        ..DealPatch::default()
    };
    deal::update(&mut change, row, patch).await.unwrap();
    change.commit().await.unwrap();
    bed.calm().await;
    assert_eq!(bed.writes(), (1, 2));
    bed.stays_calm().await;
    // A person's edit in one system goes to the other only.
    bed.vendor.edit(Resource::Deal, "1", &[("amount", "9")]);
    bed.tell("hubspot", &[("77", "deal", "1")]).await;
    bed.calm().await;
    assert_eq!(bed.writes(), (1, 3));
    let there = bed.second().named(Resource::Deal, "b").remove(0);
    assert_eq!(there.value("amount"), Some("9.00"));
    bed.second().edit(
        Resource::Deal,
        &there.external_id,
        &[("dealstage", "closedwon")],
    );
    bed.tell("second", &[("88", "deal", &there.external_id)])
        .await;
    bed.calm().await;
    assert_eq!(bed.writes(), (2, 3), "{:?}", bed.second().written().last());
    assert_eq!(
        bed.vendor
            .value(Resource::Deal, "1", "dealstage")
            .as_deref(),
        Some("closedwon")
    );
    bed.stays_calm().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_reaches_both_crms_once_and_nobody_tells_the_shop() {
    let bed = three().await;
    bed.calm().await;
    let shop = &bed.others[1].0;
    let order = |total: &str| {
        let fields = [
            ("name", "#1"),
            ("total", total),
            ("financial_status", "paid"),
        ];
        shop.order("o", &fields, &[], &[("p", Payment, "5")]);
    };
    order("5");
    bed.tell("shop", &[("1", "order", "o")]).await;
    bed.calm().await;
    assert_eq!(bed.writes(), (1, 1));
    assert_eq!(bed.vendor.named(Resource::Deal, "#1").len(), 1);
    bed.stays_calm().await;
    order("6");
    bed.tell("shop", &[("1", "order", "o")]).await;
    bed.calm().await;
    assert_eq!(bed.writes(), (2, 2));
    assert!(shop.written().is_empty());
    bed.stays_calm().await;
    use sea_orm::{ColumnTrait as _, QueryFilter as _};
    let money = entities::revenue_event::Entity::find()
        .filter(entities::revenue_event::Column::Source.ne(entities::revenue_event::DEALS))
        .all(bed.database.read())
        .await;
    assert_eq!(money.unwrap().len(), 1);
}
