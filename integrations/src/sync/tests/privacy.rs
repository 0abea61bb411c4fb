//! What the law on personal data asks: exported and really erased, while money and history stay.

use super::*;
use crate::record::RevenueLineKind::Payment;
use entities::connection::mapping::ContactField;
use entities::privacy_request::{self, PrivacyStatus};
use entities::{contact, revenue_event};
use sea_orm::{ColumnTrait as _, ConnectionTrait, QueryFilter as _};

const SHOP: &str = "shop";
const EMAIL: &str = "jane.doe@secret.example";

async fn shop() -> Bed {
    let bed = bed_of(vec![Vendor::shop(SHOP, "1"), Vendor::crm("crm", "9")]).await;
    bed.map(SHOP, |mapping| {
        mapping.order.deals = true;
        mapping.contact.fields = [
            (ContactField::LastName, "lastname".to_owned()),
            (ContactField::Email, "email".to_owned()),
        ]
        .into();
    })
    .await;
    let person = [("lastname", "Jane Doe"), ("email", EMAIL)];
    bed.vendor.put(
        Resource::Contact,
        "p",
        &person,
        &[],
        crate::record::Kind::Contact,
    );
    let other = [("lastname", "Somebody"), ("email", "else@secret.example")];
    bed.vendor.put(
        Resource::Contact,
        "q",
        &other,
        &[],
        crate::record::Kind::Contact,
    );
    let order = [("name", "#1"), ("total", "5"), ("email", EMAIL)];
    let paid = [("pay", Payment, "5")];
    bed.vendor
        .order("o", &order, &[(Resource::Contact, "p")], &paid);
    bed.sync().await;
    bed
}

impl Bed {
    async fn privacy(&self) -> Vec<privacy_request::Model> {
        let rows = privacy_request::Entity::find()
            .all(self.database.read())
            .await;
        let mut rows = rows.unwrap();
        rows.sort_by_key(|row| row.id);
        rows
    }

    async fn ask(&self, said: &str) {
        self.tell(SHOP, &[("1", "privacy", said)]).await;
        self.drain().await;
        while self.engine.privacy_step().await.unwrap() {}
    }

    /// Whether a text stands anywhere in the tables that hold what vendors told.
    async fn holds(&self, text: &str) -> Vec<&'static str> {
        let tables = [
            ("contact", "name || coalesce(email, '')"),
            ("external_link", "cast(shadow as text)"),
            ("inbound_webhook", "cast(body as text)"),
            ("event", "cast(data as text)"),
            ("sync_run", "cast(findings as text)"),
            (
                "sync_conflict",
                "cast(ours as text) || cast(theirs as text)",
            ),
            (
                "privacy_request",
                "coalesce(cast(subject as text), '') || coalesce(cast(export as text), '')",
            ),
        ];
        let mut found = Vec::new();
        for (table, value) in tables {
            let value = if table == "inbound_webhook" && self.database.is_postgres() {
                "encode(body, 'escape')"
            } else {
                value
            };
            let sql = format!("SELECT COUNT(*) FROM {table} WHERE {value} LIKE '%{text}%'");
            let statement = sea_orm::Statement::from_string(self.database.backend(), sql);
            let row = self.database.read().query_one_raw(statement).await.unwrap();
            let count: i64 = row.unwrap().try_get_by_index(0).unwrap();
            if count > 0 {
                found.push(table);
            }
        }
        found
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_holds_everything_once_and_an_erasure_leaves_nothing_but_money() {
    let bed = shop().await;
    let data = format!("data|1|p|{EMAIL}|o");
    bed.ask(&data).await;
    bed.ask(&data).await;
    let rows = bed.privacy().await;
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].status, PrivacyStatus::Completed);
    let export = rows[0].export.clone().unwrap();
    assert_eq!(export["contacts"][0]["name"], "Jane Doe");
    assert_eq!(export["deals"][0]["name"], "#1");
    assert_eq!(export["records"].as_array().unwrap().len(), 2);
    assert_eq!(bed.events("privacy.requested").await.len(), 1);
    assert_eq!(bed.events("privacy.completed").await.len(), 1);

    bed.ask(&format!("redact|2|p|{EMAIL}|o")).await;
    assert_eq!(bed.holds(EMAIL).await, Vec::<&str>::new());
    assert_eq!(bed.holds("Jane Doe").await, Vec::<&str>::new());
    assert_eq!(bed.holds("else@secret").await, ["contact", "external_link"]);
    let money = revenue_event::Entity::find()
        .filter(revenue_event::Column::Source.ne(revenue_event::DEALS))
        .all(bed.database.read())
        .await
        .unwrap();
    assert_eq!(money.len(), 1);
    assert_eq!(bed.deals().await["#1"].stage, DealStage::Won);
    let people = contact::Entity::find()
        .all(bed.database.read())
        .await
        .unwrap();
    assert_eq!(
        people
            .iter()
            .filter(|row| row.archived_at.is_some())
            .count(),
        1
    );
    // The shop still tells of the person for a while; nobody brings them back.
    bed.engine
        .sync_connection(bed.connection.id, SyncKind::Everything, |_| {})
        .await
        .unwrap();
    bed.tell(SHOP, &[("1", "contact", "p")]).await;
    bed.drain().await;
    assert_eq!(bed.holds("Jane Doe").await, Vec::<&str>::new());
    // And no other vendor hears of it.
    while bed.engine.fan_out().await.unwrap() {}
    let pushes = entities::outbound_push::Entity::find()
        .all(bed.database.read())
        .await
        .unwrap();
    let erased = people.iter().find(|row| row.archived_at.is_some()).unwrap();
    assert!(
        pushes.iter().all(|push| push.subject_id != erased.id.0),
        "{pushes:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_is_erased_after_it_was_removed_and_can_be_connected_again() {
    let bed = shop().await;
    let said = format!("uninstalled|{}", bed.database.now().millis());
    bed.tell(SHOP, &[("1", "account", &said), ("1", "contact", "p")])
        .await;
    bed.drain().await;
    bed.ask("shop|3").await;
    let rows = bed.privacy().await;
    assert_eq!(rows[0].status, PrivacyStatus::Completed);
    assert!(
        rows[0].done.contacts == 2 && rows[0].done.records >= 3 && rows[0].done.deliveries >= 1
    );
    for text in [EMAIL, "Jane Doe", "else@secret"] {
        assert_eq!(bed.holds(text).await, Vec::<&str>::new(), "{text}");
    }
    let row = bed.connection_of(SHOP).await;
    assert_eq!(
        (row.status, row.credentials),
        (ConnectionStatus::Revoked, None)
    );
    let money = revenue_event::Entity::find()
        .filter(revenue_event::Column::Source.ne(revenue_event::DEALS))
        .all(bed.database.read())
        .await
        .unwrap();
    assert_eq!((money.len(), bed.deals().await.len()), (1, 1));
    bed.clock.0.fetch_add(1_000, Ordering::SeqCst);
    connect(&bed.engine, SHOP).await;
    bed.sync().await;
    let people = contact::Entity::find()
        .all(bed.database.read())
        .await
        .unwrap();
    assert_eq!(
        people
            .iter()
            .filter(|row| row.archived_at.is_none())
            .count(),
        2,
        "{people:?}"
    );
    let money = revenue_event::Entity::find()
        .filter(revenue_event::Column::Source.ne(revenue_event::DEALS))
        .all(bed.database.read())
        .await
        .unwrap();
    assert_eq!((money.len(), bed.deals().await.len()), (1, 1));
}
