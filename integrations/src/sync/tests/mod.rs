#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "tests"
)]
//! The engine over a vendor in memory and a real database: a SQLite file, or with `ENTENTE_TEST_DATABASE=postgres` the server that
//! `ENTENTE_TEST_POSTGRES` names (`postgres://user@host:port`).

mod account;
mod chat;
mod conflicts;
mod mended;
mod orders;
mod privacy;
mod push;
mod pusher;
mod reconciling;
mod talker;
mod three_systems;
mod tokens;
mod vendor;

use super::*;
use crate::connector::{ConnectorError, Registry, Resource};
use crate::http::{Client, ClientSettings, HostPolicy};
use crate::oauth::AppCredentials;
use crate::record::{MalformedRecord, StageOutcome};
use crate::vault::{MasterKey, Vault};
use entities::chance::SeededChance;
use entities::clock::{Clock, SystemClock, Timestamp};
use entities::connection::ConnectionStatus;
use entities::database::{Database, DatabaseOptions};
use entities::deal::DealStage;
use entities::inbound_webhook::NewDelivery;
use entities::sync_run::SyncRunStatus;
use entities::{
    connection, customer, deal, deal_partner, event, external_link, inbound_signal,
    inbound_webhook, partner, partnership, pending_link, sync_run,
};
use migration::MigratorTrait;
use sea_orm::{ActiveModelTrait, EntityTrait, IntoActiveModel, Set};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;
use vendor::{Handle, Vendor};

/// The machine's clock, which a test can move forward.
struct Shifted(AtomicI64);
impl Clock for Shifted {
    fn now(&self) -> Timestamp {
        SystemClock.now().plus_millis(self.0.load(Ordering::SeqCst))
    }
}

struct Bed {
    engine: Engine,
    vendor: Arc<Vendor>,
    database: Database,
    clock: Arc<Shifted>,
    connection: connection::Model,
    /// Further vendors that are connected.
    others: Vec<(Arc<Vendor>, connection::Model)>,
    _folder: tempfile::TempDir,
}

fn engine(database: &Database, vendor: &Arc<Vendor>) -> Engine {
    engine_of(database, std::slice::from_ref(vendor))
}

fn engine_of(database: &Database, vendors: &[Arc<Vendor>]) -> Engine {
    let chance = Arc::new(SeededChance::new(9));
    let (key, _) = MasterKey::generate(&SeededChance::new(4));
    let app = AppCredentials {
        client_id: "app".to_owned(),
        client_secret: "secret".to_owned().into(),
        previous_client_secret: None,
        signing_secret: None,
        previous_signing_secret: None,
    };
    Engine::new(EngineParts {
        database: database.clone(),
        registry: Registry::new(
            vendors
                .iter()
                .map(|vendor| {
                    let handle: Arc<dyn crate::connector::Connector> =
                        Arc::new(Handle(Arc::clone(vendor)));
                    handle
                })
                .collect(),
        ),
        vault: Vault::new(key, vec![], chance),
        http: Client::new(HostPolicy::sandbox(vec![]), ClientSettings::default()).unwrap(),
        apps: vendors
            .iter()
            .map(|vendor| {
                let handle = Handle(Arc::clone(vendor));
                let id = crate::connector::Connector::descriptor(&handle).id;
                (id.to_owned(), app.clone())
            })
            .collect(),
        settings: Settings {
            backoff: Duration::from_millis(20),
            poll: Duration::from_millis(5),
            ..Settings::default()
        },
    })
}

/// A database of its own on a PostgreSQL server.
async fn fresh_database(server: &str) -> String {
    use sea_orm::ConnectionTrait;
    let mut bytes = [0_u8; 8];
    entities::chance::Chance::fill(&entities::chance::SystemChance, &mut bytes);
    let name = format!("engine_{}", hex::encode(bytes));
    let admin = sea_orm::Database::connect(format!("{server}/postgres"))
        .await
        .unwrap();
    admin
        .execute_unprepared(&format!("CREATE DATABASE {name}"))
        .await
        .unwrap();
    format!("{server}/{name}")
}

/// Connects the account of a vendor.
async fn connect(engine: &Engine, connector: &str) -> connection::Model {
    let cookie = "cookie".to_owned().into();
    let asking = Asking {
        connector,
        subject: "tester",
        redirect_uri: url::Url::parse("http://127.0.0.1/callback").unwrap(),
        site: None,
        cookie: &cookie,
        renews: None,
    };
    let sent_to = engine.begin_connect(asking).await.unwrap();
    let mut pairs = sent_to.query_pairs();
    let state = pairs.find(|(key, _)| key == "state").unwrap().1;
    let returned = Returned {
        connector,
        state: &state.into_owned().into(),
        code: "code".to_owned().into(),
        query: "",
        cookie: &cookie,
    };
    engine.complete_connect(returned).await.unwrap()
}

/// A bed with these vendors; the first one is the one it is about.
async fn bed_of(vendors: Vec<Arc<Vendor>>) -> Bed {
    let (database, clock, folder) = empty().await;
    let engine = engine_of(&database, &vendors);
    let mut connected = Vec::new();
    for vendor in vendors {
        let handle = Handle(Arc::clone(&vendor));
        let id = crate::connector::Connector::descriptor(&handle).id;
        connected.push((vendor, connect(&engine, id).await));
    }
    let (vendor, connection) = connected.remove(0);
    Bed {
        engine,
        vendor,
        database,
        clock,
        connection,
        others: connected,
        _folder: folder,
    }
}

async fn empty() -> (Database, Arc<Shifted>, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(Shifted(AtomicI64::new(0)));
    let url = match std::env::var("ENTENTE_TEST_DATABASE").as_deref() {
        Ok("postgres") => fresh_database(&std::env::var("ENTENTE_TEST_POSTGRES").unwrap()).await,
        _ => format!("sqlite://{}", folder.path().join("test.sqlite").display()),
    };
    let database = Database::open(
        DatabaseOptions::new(url),
        clock.clone(),
        Arc::new(SeededChance::new(1)),
    )
    .await
    .unwrap();
    migration::Migrator::up(database.write(), None)
        .await
        .unwrap();
    (database, clock, folder)
}

async fn bed() -> Bed {
    let (database, clock, folder) = empty().await;
    let vendor = Vendor::new();
    let engine = engine(&database, &vendor);
    let cookie = "cookie".to_owned().into();
    let redirect_uri = url::Url::parse("http://127.0.0.1/callback").unwrap();
    let asking = Asking {
        connector: "hubspot",
        subject: "tester",
        redirect_uri,
        site: None,
        cookie: &cookie,
        renews: None,
    };
    let sent_to = engine.begin_connect(asking).await.unwrap();
    let state = sent_to
        .query_pairs()
        .find(|(key, _)| key == "state")
        .unwrap()
        .1
        .into_owned()
        .into();
    let back = |cookie| Returned {
        connector: "hubspot",
        state: &state,
        code: "code".to_owned().into(),
        query: "",
        cookie,
    };
    let stranger = "another".to_owned().into();
    assert!(matches!(
        engine.complete_connect(back(&stranger)).await,
        Err(SyncError::UnknownConsent)
    ));
    let connection = engine.complete_connect(back(&cookie)).await.unwrap();
    assert!(matches!(
        engine.complete_connect(back(&cookie)).await,
        Err(SyncError::UnknownConsent)
    ));
    Bed {
        engine,
        vendor,
        database,
        clock,
        connection,
        others: vec![],
        _folder: folder,
    }
}

impl Bed {
    async fn sync(&self) -> sync_run::Model {
        self.engine
            .sync_connection(self.connection.id, SyncKind::Changes, |_| {})
            .await
            .unwrap()
    }
    async fn deals(&self) -> BTreeMap<String, deal::Model> {
        deal::Entity::find()
            .all(self.database.read())
            .await
            .unwrap()
            .into_iter()
            .map(|row| (row.name.clone(), row))
            .collect()
    }
    async fn everything(&self) -> impl PartialEq + std::fmt::Debug + use<> {
        let read = self.database.read();
        let events = event::Entity::find().all(read).await.unwrap();
        (
            partner::Entity::find().all(read).await.unwrap(),
            customer::Entity::find().all(read).await.unwrap(),
            partnership::Entity::find().all(read).await.unwrap(),
            deal::Entity::find().all(read).await.unwrap(),
            deal_partner::Entity::find().all(read).await.unwrap(),
            external_link::Entity::find().all(read).await.unwrap(),
            events
                .into_iter()
                .filter(|row| !row.kind.starts_with("sync."))
                .map(|row| row.id)
                .collect::<Vec<_>>(),
        )
    }
    /// Hands in what a vendor sends, without looking twice.
    async fn tell(&self, connector: &str, events: &[(&str, &str, &str)]) {
        let inbox = Ingest::spawn(self.database.clone());
        let body = serde_json::to_vec(events).unwrap();
        let key = format!("{:?}{}", events, self.database.now().micros());
        let delivery = NewDelivery::new(connector, key, body);
        assert_eq!(inbox.store(delivery).await, Ok(Stored::Inserted));
    }
    /// Everything is done that can be done now, whatever kind of work it is.
    async fn work(&self) {
        while self.engine.step().await.unwrap() {}
    }
    async fn connection_of(&self, connector: &str) -> connection::Model {
        let rows = connection::Entity::find().all(self.database.read()).await;
        let mut rows = rows.unwrap().into_iter();
        rows.find(|row| row.connector == connector).unwrap()
    }
    /// Gives a connection another mapping without anything being read again.
    async fn map(
        &self,
        connector: &str,
        set: impl FnOnce(&mut entities::connection::mapping::Mapping),
    ) {
        let row = self.connection_of(connector).await;
        let mut mapping = row.mapping.clone();
        set(&mut mapping);
        let mut active = row.into_active_model();
        active.mapping = Set(mapping);
        active.update(self.database.write()).await.unwrap();
    }
    async fn events(&self, kind: &str) -> Vec<event::Model> {
        let rows = event::Entity::find()
            .all(self.database.read())
            .await
            .unwrap();
        rows.into_iter().filter(|row| row.kind == kind).collect()
    }
    async fn deliver(&self, events: &[(&str, &str, &str)]) {
        let inbox = Ingest::spawn(self.database.clone());
        let body = serde_json::to_vec(events).unwrap();
        let key = format!("{:?}{}", events, self.database.now().micros());
        assert_eq!(
            inbox
                .store(NewDelivery::new("hubspot", key.clone(), body.clone()))
                .await,
            Ok(Stored::Inserted)
        );
        assert_eq!(
            inbox.store(NewDelivery::new("hubspot", key, body)).await,
            Ok(Stored::Duplicate)
        );
    }
    async fn drain(&self) {
        while self.engine.split_inbox().await.unwrap()
            || self.engine.process_signals().await.unwrap()
        {}
    }
}

fn portal(vendor: &Vendor) {
    vendor.company(
        "10",
        &[
            ("name", "Acme"),
            ("domain", "acme.com"),
            ("industry", "retail"),
            ("annualrevenue", "5"),
        ],
    );
    vendor.company(
        "20",
        &[
            ("name", "Melvin Marxen"),
            ("type", "PARTNER"),
            ("domain", "marxen.example"),
        ],
    );
    vendor.company(
        "30",
        &[
            ("name", "Twin"),
            ("type", "RESELLER"),
            ("domain", "marxen.example"),
        ],
    );
    for number in 0..250 {
        let id = format!("{}", 1_000 + number);
        let name = format!("deal {number}");
        let stage = ["closedwon", "closedlost", "prospecting"][number % 3];
        let amount = ["1054", "0", ""][number % 3];
        let fields = [
            ("dealname", name.as_str()),
            ("dealstage", stage),
            ("amount", amount),
            ("closedate", "2017-03-01T00:00:00Z"),
            ("hubspot_owner_id", "1"),
            ("opportunity_id", "X"),
        ];
        let links: &[(&str, &str)] = if number % 10 == 0 {
            &[("20", "Partner")]
        } else {
            &[("10", ""), ("20", "Partner")]
        };
        vendor.deal(&id, &fields, links);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_sync_brings_everything_and_a_second_writes_nothing() {
    let bed = bed().await;
    portal(&bed.vendor);
    let run = bed.sync().await;
    assert_eq!(
        (run.status, run.error.clone(), run.kind.as_str()),
        (SyncRunStatus::Completed, None, "backfill")
    );
    let read = bed.database.read();
    let partners = partner::Entity::find().all(read).await.unwrap();
    assert_eq!(partners.len(), 2);
    // The second partner's domain belongs to the first; it is flagged, not lost.
    assert_eq!(
        partners.iter().filter(|row| row.domain.is_some()).count(),
        1
    );
    assert!(run.findings.issues.iter().any(|issue| issue.code == "DOMAIN_TAKEN" && issue.external_id.as_deref() == Some("30")));
    assert_eq!(
        partnership::Entity::find().all(read).await.unwrap().len(),
        2
    );
    assert_eq!(customer::Entity::find().all(read).await.unwrap().len(), 1);
    let deals = bed.deals().await;
    assert_eq!(deals.len(), 250);
    assert_eq!(
        deals
            .values()
            .filter(|row| row.customer_id.is_none())
            .count(),
        25
    );
    let won = &deals["deal 0"];
    assert_eq!(
        (won.stage, won.amount_minor, won.owner_name.as_deref()),
        (DealStage::Won, Some(105_400), Some("Moses Frase"))
    );
    assert_eq!(
        (deals["deal 1"].stage, deals["deal 1"].amount_minor),
        (DealStage::Lost, Some(0))
    );
    assert_eq!(
        (deals["deal 2"].stage, deals["deal 2"].amount_minor),
        (DealStage::Prospect, None)
    );
    assert!(deals["deal 2"].expected_close_on.is_some() && deals["deal 2"].closed_at.is_none());
    assert_eq!(
        deal_partner::Entity::find().all(read).await.unwrap().len(),
        250
    );
    assert_eq!(run.findings.unmapped.get("deal.opportunity_id"), Some(&250));
    assert_eq!(run.findings.unmapped.get("company.annualrevenue"), Some(&1));
    let before = bed.everything().await;
    let second = bed.sync().await;
    assert_eq!(
        (second.status, second.kind.as_str()),
        (SyncRunStatus::Completed, "delta")
    );
    assert_eq!(bed.everything().await, before);
    let all = bed
        .engine
        .sync_connection(bed.connection.id, SyncKind::Everything, |_| {})
        .await
        .unwrap();
    assert_eq!(all.findings.counts["deal"].unchanged, 250);
    assert_eq!(bed.everything().await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_arrives_before_its_end_waits_and_resolves() {
    let bed = bed().await;
    bed.sync().await;
    bed.vendor.deal(
        "1",
        &[
            ("dealname", "early"),
            ("dealstage", "closedwon"),
            ("hubspot_owner_id", "2"),
        ],
        &[("10", ""), ("20", "Partner")],
    );
    bed.deliver(&[("77", "deal", "1"), ("78", "deal", "9")])
        .await;
    bed.drain().await;
    assert_eq!(bed.deals().await["early"].customer_id, None);
    assert_eq!(
        pending_link::Entity::find()
            .all(bed.database.read())
            .await
            .unwrap()
            .len(),
        3
    );
    bed.vendor.company("10", &[("name", "Acme")]);
    bed.vendor
        .company("20", &[("name", "Partner"), ("type", "PARTNER")]);
    bed.vendor.put(
        Resource::Owner,
        "2",
        &[],
        &[],
        crate::record::Kind::Owner(crate::record::Owner {
            name: Some("Late".to_owned()),
            email: None,
        }),
    );
    bed.sync().await;
    let deal = bed.deals().await.remove("early").unwrap();
    assert!(deal.customer_id.is_some());
    assert_eq!(deal.owner_name.as_deref(), Some("Late"));
    assert_eq!(
        deal_partner::Entity::find()
            .all(bed.database.read())
            .await
            .unwrap()
            .len(),
        1
    );
    assert!(
        pending_link::Entity::find()
            .all(bed.database.read())
            .await
            .unwrap()
            .is_empty()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_records_are_flagged_or_kept_out_and_the_rest_goes_on() {
    let bed = bed().await;
    bed.vendor.deal(
        "1",
        &[
            ("dealname", "abc"),
            ("dealstage", "closedwon"),
            ("amount", "abc"),
        ],
        &[],
    );
    bed.vendor.deal(
        "2",
        &[
            ("dealname", "zzz"),
            ("dealstage", "prospecting"),
            ("amount", "5"),
            ("deal_currency_code", "ZZZ"),
        ],
        &[],
    );
    bed.vendor.deal(
        "3",
        &[("dealname", "strange"), ("dealstage", "mystery")],
        &[],
    );
    bed.vendor
        .deal("4", &[("dealname", " "), ("dealstage", "closedwon")], &[]);
    bed.vendor.deal(
        "5",
        &[
            ("dealname", "good\u{0}"),
            ("dealstage", "closedwon"),
            ("amount", "7"),
        ],
        &[],
    );
    bed.vendor
        .state
        .lock()
        .unwrap()
        .malformed
        .push(MalformedRecord {
            external_id: Some("6".to_owned()),
            reason: "torn".to_owned(),
            raw: serde_json::Value::Null,
        });
    let run = bed.sync().await;
    assert_eq!(run.status, SyncRunStatus::Completed);
    let codes: BTreeMap<&str, &str> = run
        .findings
        .issues
        .iter()
        .map(|issue| (issue.external_id.as_deref().unwrap(), issue.code.as_str()))
        .collect();
    let expected = [
        ("1", "INVALID_AMOUNT"),
        ("2", "INVALID_CURRENCY"),
        ("3", "UNKNOWN_STAGE"),
        ("4", "NAME_MISSING"),
        ("6", "MALFORMED_RECORD"),
    ];
    assert_eq!(codes, BTreeMap::from(expected));
    assert_eq!(bed.deals().await.len(), 3);
    let counts = &run.findings.counts["deal"];
    assert_eq!(
        (counts.read, counts.created, counts.kept_out, counts.flagged),
        (6, 3, 3, 2)
    );
    let before = bed.everything().await;
    bed.sync().await;
    assert_eq!(bed.everything().await, before);
    // The pipeline learns the stage; the deal gets in without having changed.
    bed.vendor.stages(&[
        ("prospecting", StageOutcome::Open),
        ("closedwon", StageOutcome::Won),
        ("mystery", StageOutcome::Lost),
    ]);
    bed.sync().await;
    assert_eq!(bed.deals().await["strange"].stage, DealStage::Lost);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_both_sides_change_is_a_visible_conflict_and_what_only_we_change_stays() {
    let bed = bed().await;
    bed.vendor
        .company("20", &[("name", "P"), ("type", "PARTNER")]);
    bed.vendor.deal(
        "1",
        &[
            ("dealname", "a"),
            ("dealstage", "prospecting"),
            ("amount", "5"),
        ],
        &[("20", "Partner")],
    );
    bed.sync().await;
    let row = bed.deals().await.remove("a").unwrap();
    let mut ours = row.into_active_model();
    ours.name = Set("ours".to_owned());
    ours.lost_reason = Set(Some("mine".to_owned()));
    ours.update(bed.database.write()).await.unwrap();
    bed.vendor.deal(
        "1",
        &[
            ("dealname", "theirs"),
            ("dealstage", "closedwon"),
            ("amount", "6"),
        ],
        &[],
    );
    let run = bed.sync().await;
    let row = bed.deals().await.remove("theirs").unwrap();
    assert_eq!(
        (row.stage, row.amount_minor, row.lost_reason.as_deref()),
        (DealStage::Won, Some(600), Some("mine"))
    );
    assert!(
        deal_partner::Entity::find()
            .all(bed.database.read())
            .await
            .unwrap()
            .is_empty()
    );
    assert_eq!(
        run.findings
            .issues
            .iter()
            .filter(|issue| issue.code == "CONFLICT")
            .count(),
        1
    );
    let kinds: Vec<String> = event::Entity::find()
        .all(bed.database.read())
        .await
        .unwrap()
        .into_iter()
        .map(|row| row.kind)
        .collect();
    assert!(
        kinds.iter().any(|kind| kind == "sync.conflict")
            && kinds.iter().any(|kind| kind == "deal.won")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_vendor_archives_is_archived_here_and_comes_back() {
    let bed = bed().await;
    bed.vendor
        .deal("1", &[("dealname", "a"), ("dealstage", "closedwon")], &[]);
    bed.vendor
        .deal("2", &[("dealname", "b"), ("dealstage", "closedwon")], &[]);
    bed.sync().await;
    bed.vendor.archive(Resource::Deal, "1");
    bed.vendor.archive(Resource::Deal, "2");
    let run = bed.sync().await;
    assert_eq!(run.findings.counts["deal"].archived, 2);
    assert!(bed.deals().await["a"].archived_at.is_some());
    bed.vendor
        .deal("1", &[("dealname", "a"), ("dealstage", "closedwon")], &[]);
    bed.deliver(&[("77", "deal", "1")]).await;
    bed.drain().await;
    assert!(bed.deals().await["a"].archived_at.is_none());
    // A record that is gone is archived by its signal, too.
    bed.vendor
        .state
        .lock()
        .unwrap()
        .records
        .remove(&(Resource::Deal, "1".to_owned()));
    bed.deliver(&[("77", "deal", "1")]).await;
    bed.drain().await;
    assert!(bed.deals().await["a"].archived_at.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_touches_only_the_accounts_it_names() {
    let bed = bed().await;
    bed.deliver(&[("99", "deal", "1")]).await;
    bed.deliver(&[("99", "deal", "1"), ("77", "deal", "2")])
        .await;
    while bed.engine.split_inbox().await.unwrap() {}
    let rows = inbound_webhook::Entity::find()
        .all(bed.database.read())
        .await
        .unwrap();
    let states: Vec<_> = rows.iter().map(|row| row.state).collect();
    assert_eq!(
        states,
        [
            inbound_webhook::InboxState::UnknownTenant,
            inbound_webhook::InboxState::Done
        ]
    );
    let signals = inbound_signal::Entity::find()
        .all(bed.database.read())
        .await
        .unwrap();
    assert_eq!(
        signals
            .iter()
            .map(|row| row.external_id.as_str())
            .collect::<Vec<_>>(),
        ["2"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_grant_asks_a_person_and_the_signals_wait() {
    let bed = bed().await;
    bed.sync().await;
    *bed.vendor.grant.lock().unwrap() = Some(ConnectorError::transient("down"));
    bed.clock.0.store(3_600_000, Ordering::SeqCst);
    bed.deliver(&[("77", "deal", "1")]).await;
    while bed.engine.split_inbox().await.unwrap() {}
    bed.engine.process_signals().await.unwrap();
    let status = || async {
        connection::Entity::find()
            .one(bed.database.read())
            .await
            .unwrap()
            .unwrap()
            .status
    };
    assert_eq!(status().await, ConnectionStatus::Active);
    *bed.vendor.grant.lock().unwrap() = Some(ConnectorError::Auth {
        reconnect: true,
        message: "gone".to_owned(),
    });
    let run = bed.sync().await;
    assert_eq!(run.status, SyncRunStatus::Failed);
    assert!(run.error.unwrap().contains("gone"));
    assert_eq!(status().await, ConnectionStatus::ReauthRequired);
    assert!(!bed.engine.process_signals().await.unwrap());
    assert_eq!(
        inbound_signal::Entity::find()
            .all(bed.database.read())
            .await
            .unwrap()
            .len(),
        1
    );
    assert!(matches!(
        bed.engine
            .request_sync(bed.connection.id, SyncKind::Changes)
            .await,
        Err(SyncError::NotWorking { .. })
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_redeem_a_refresh_token_once_each_at_most_and_agree() {
    let bed = bed().await;
    bed.clock.0.store(3_600_000, Ordering::SeqCst);
    let one = bed.engine.clone();
    let id = bed.connection.id;
    let many = futures::future::join_all((0..8).map(|_| one.keeper().open(id))).await;
    assert!(many.iter().all(Result::is_ok));
    assert_eq!(bed.vendor.refreshes.load(Ordering::SeqCst), 1);
    let other = engine(&bed.database, &bed.vendor);
    other.keeper().open(id).await.unwrap();
    assert_eq!(bed.vendor.refreshes.load(Ordering::SeqCst), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vendor_that_stumbles_is_waited_for_and_a_lost_position_begins_anew() {
    let bed = bed().await;
    portal(&bed.vendor);
    bed.vendor.fail(ConnectorError::RateLimited {
        retry_after: Duration::from_millis(120),
        scope: crate::error::LimitScope::Account,
    });
    bed.vendor.fail(ConnectorError::transient("down"));
    bed.vendor.fail(ConnectorError::Auth {
        reconnect: false,
        message: "expired".to_owned(),
    });
    let started = std::time::Instant::now();
    let run = bed.sync().await;
    assert!(started.elapsed() >= Duration::from_millis(120));
    assert_eq!(run.status, SyncRunStatus::Completed);
    assert_eq!(bed.deals().await.len(), 250);
    assert_eq!(bed.vendor.refreshes.load(Ordering::SeqCst), 1);
    let before = bed.everything().await;
    for _ in 0..8 {
        bed.vendor.fail(ConnectorError::CursorExpired {
            message: "old".to_owned(),
        });
    }
    assert_eq!(bed.sync().await.status, SyncRunStatus::Completed);
    assert_eq!(bed.everything().await, before);
    bed.vendor
        .fail(ConnectorError::permanent("no", "refused for good"));
    let run = bed.sync().await;
    assert_eq!(run.status, SyncRunStatus::Failed);
    assert!(run.error.unwrap().contains("refused for good"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_without_its_lease_writes_nothing() {
    use entities::sync_cursor::{self, Claiming};
    let bed = bed().await;
    let claim = |worker| {
        sync_cursor::claim(
            &bed.database,
            Claiming {
                worker: uuid::Uuid::from_u128(worker),
                lease_millis: 60_000,
                only: None,
            },
            |_| 0,
        )
    };
    let first = claim(1).await.unwrap().unwrap();
    assert!(claim(2).await.unwrap().is_none());
    bed.clock.0.store(61_000, Ordering::SeqCst);
    let second = claim(2).await.unwrap().unwrap();
    assert_eq!(
        (first.resource.as_str(), second.fence, second.attempts),
        (second.resource.as_str(), first.fence + 1, 2)
    );
    let late = sync_cursor::write_back(bed.database.write(), &first).await;
    assert!(matches!(late, Err(entities::error::Error::LeaseLost)));
    sync_cursor::write_back(bed.database.write(), &second)
        .await
        .unwrap();
    bed.engine.break_leases().await.unwrap();
    assert!(claim(3).await.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_does_not_end_while_its_last_lane_waits_for_the_vendor() {
    let bed = bed().await;
    bed.sync().await;
    bed.vendor
        .deal("1", &[("dealname", "a"), ("dealstage", "closedwon")], &[]);
    let run = bed
        .engine
        .request_sync(bed.connection.id, SyncKind::Changes)
        .await
        .unwrap();
    // Every lane meets the limit once.
    for _ in 0..8 {
        bed.vendor.fail(ConnectorError::RateLimited {
            retry_after: Duration::from_millis(30),
            scope: crate::error::LimitScope::Account,
        });
    }
    let ended = bed.sync().await;
    assert_eq!((ended.id, ended.status), (run.id, SyncRunStatus::Completed));
    assert_eq!(bed.deals().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_workers_on_one_connection_double_nothing() {
    let bed = bed().await;
    portal(&bed.vendor);
    let other = engine(&bed.database, &bed.vendor);
    let (one, two) = tokio::join!(
        bed.engine
            .sync_connection(bed.connection.id, SyncKind::Changes, |_| {}),
        other.sync_connection(bed.connection.id, SyncKind::Changes, |_| {})
    );
    assert_eq!(
        (one.unwrap().status, two.unwrap().status),
        (SyncRunStatus::Completed, SyncRunStatus::Completed)
    );
    assert_eq!(
        deal::Entity::find()
            .all(bed.database.read())
            .await
            .unwrap()
            .len(),
        250
    );
    assert_eq!(
        external_link::Entity::find()
            .all(bed.database.read())
            .await
            .unwrap()
            .len(),
        255
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_inbox_says_so_and_all_that_was_acknowledged_is_there() {
    let bed = bed().await;
    let inbox = Ingest::spawn(bed.database.clone());
    let stored = futures::future::join_all((0..500).map(|number| {
        inbox.store(NewDelivery::new(
            "hubspot",
            number.to_string(),
            vec![b'x'; 1024],
        ))
    }))
    .await;
    assert!(stored.iter().all(|one| *one == Ok(Stored::Inserted)));
    assert_eq!(
        inbound_webhook::Entity::find()
            .all(bed.database.read())
            .await
            .unwrap()
            .len(),
        500
    );
    let small = Ingest::spawn_with(bed.database.clone(), 2);
    let crowded = futures::future::join_all(
        (0..50)
            .map(|number| small.store(NewDelivery::new("hubspot", format!("b{number}"), vec![]))),
    )
    .await;
    let full = crowded
        .iter()
        .filter(|one| **one == Err(IngestError::Full))
        .count();
    let kept = crowded.iter().filter(|one| one.is_ok()).count();
    assert!(full > 0 && full + kept == 50);
    assert_eq!(
        inbound_webhook::Entity::find()
            .all(bed.database.read())
            .await
            .unwrap()
            .len(),
        500 + kept
    );
}
