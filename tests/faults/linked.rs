//! An app with one account of a vendor, and what has become of its records on our side, whichever vendor it is.
//!
//! Owns: looking at links, rows and books. Refuses: knowledge of a vendor; a [`crate::portal::Portal`] knows HubSpot's.

use entities::id::{self, ConnectionId};
use entities::sync_run::{self, SyncRunStatus};
use entities::viewer::Viewer;
use entities::visible::Visible;
use integrations::http::ClientSettings;
use integrations::sync::SyncKind;
use sea_orm::{ColumnTrait, ConnectionTrait, QueryFilter, QueryOrder, Statement};
use serde_json::Value;
use std::time::Duration;
use tests::{Answer, Options, TestApp};
use uuid::Uuid;

const NODE: &str = "query($id: ID!) { node(id: $id) { id
    ... on Deal { name stage sourceStage version archivedAt closedAt expectedCloseOn amount { amount currency } customer { name }
        owner { name email } partners { role weightBp partner { name } } revenueEvents(first: 50, filter: {kind: {in: [PAYMENT, REFUND]}}) { nodes { kind amount { amount } } } }
    ... on Customer { name domain version archivedAt contacts { nodes { name } } }
    ... on Partner { name domain version archivedAt employees contacts { nodes { name } } deals { totalCount } }
    ... on Contact { name email phone version archivedAt partner { name } customer { name } } } }";

/// A link of a vendor's record to ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Our row's id, if there is one.
    pub subject: Option<String>,
    /// Why it was kept out.
    pub held: Option<String>,
    /// Whether the vendor has put it away.
    pub archived: bool,
}

/// What a vendor sends to one of our doors.
#[derive(Clone, Debug)]
pub struct Delivery {
    pub path: String,
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
}

/// An app and its connected account.
pub struct Linked {
    pub app: TestApp,
    pub connection: ConnectionId,
    admin: String,
}

impl Linked {
    /// Starts an app and connects its account; nothing is read yet. The doubles have no budgets to keep, so nobody waits for one.
    pub async fn to(connector: &str, options: Options) -> Self {
        let client = ClientSettings {
            paced: false,
            ..ClientSettings::default()
        };
        let options = Options {
            client: options.client.or(Some(client)),
            ..options
        };
        let app = TestApp::start(options).await;
        let connection = app.connect(connector).await;
        let admin = lasting_admin(&app);
        Self {
            app,
            connection,
            admin,
        }
    }

    /// A token with every scope, for as long as a test lets pass.
    pub fn admin(&self) -> &str {
        &self.admin
    }

    /// Sets one value of the connection's mapping, by its path: `$.deal.policy.conflicts`.
    pub async fn map(&self, path: &str, value: impl Into<Value>) {
        let (database, value) = (self.app.database(), value.into());
        let mapping = if database.is_postgres() {
            let path = path.trim_start_matches("$.").replace('.', ",");
            format!("jsonb_set(mapping, '{{{path}}}', '{value}')")
        } else {
            format!("json_set(mapping, '{path}', json('{value}'))")
        };
        let statement = format!("UPDATE connection SET mapping = {mapping}");
        let statement = Statement::from_string(database.backend(), statement);
        database.write().execute_raw(statement).await.unwrap();
    }

    /// Lets the worker work and time pass until no run is going, at most for an hour.
    pub async fn settle(&self) {
        let going = format!(
            "SELECT COUNT(*) FROM sync_run WHERE status = '{}' AND kind <> 'webhook'",
            sea_orm::ActiveEnum::to_value(&SyncRunStatus::Running)
        );
        for _ in 0..720 {
            self.app.drain().await;
            if self.app.number(&going).await == 0 {
                return;
            }
            self.app.advance(Duration::from_secs(5));
        }
        panic!("a run finds no end");
    }

    /// Lets so much time pass that a vendor shows all of its changes, and reads them.
    pub async fn catch_up(&self) {
        self.app.advance(Duration::from_secs(150));
        let run = self.app.sync(self.connection).await;
        assert_eq!(run.error, None, "{run:?}");
        self.app.drain().await;
    }

    /// Reads everything anew, to the end.
    pub async fn read_everything(&self) -> sync_run::Model {
        let engine = &self.app.state.core.engine;
        let run = engine
            .sync_connection(self.connection, SyncKind::Everything, |_| {})
            .await
            .unwrap();
        self.app.drain().await;
        run
    }

    /// Our row of a record, as the API shows it; null when there is none.
    pub async fn row(&self, resource: &str, external_id: &str) -> Value {
        row(&self.app, &self.admin, (resource, external_id)).await
    }

    /// Sends what a vendor sends.
    pub async fn send(&self, delivery: Delivery) -> Answer {
        let headers: Vec<(&str, &str)> = delivery
            .headers
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        let (path, body) = (delivery.path.as_str(), delivery.body);
        self.app.post_raw(path, &headers, body).await
    }
}

/// A token with every scope. An hour is not enough for tests that let days pass.
pub fn lasting_admin(app: &TestApp) -> String {
    let request = api::oauth::token::TokenRequest {
        subject: "tests".to_owned(),
        client_id: "tests".to_owned(),
        kind: entities::viewer::ViewerKind::Staff(entities::viewer::StaffRole::Admin),
        scopes: entities::viewer::Scopes::all(),
        lifetime_seconds: 30 * 24 * 3_600,
        basis: api::oauth::token::Basis::default(),
    };
    app.issue(&request)
}

/// The latest run, webhooks' aside.
pub async fn last_run(app: &TestApp) -> sync_run::Model {
    let runs = sync_run::Entity::visible_to(&Viewer::system("tests"));
    let run = runs
        .filter(sync_run::Column::Kind.ne("webhook"))
        .order_by_desc(sync_run::Column::StartedAt)
        .order_by_desc(sync_run::Column::Id);
    let run = run.one(app.database().read()).await;
    run.unwrap().expect("a run")
}

/// The link of a record.
pub async fn link(app: &TestApp, resource: &str, external_id: &str) -> Option<Link> {
    let statement = format!(
        "SELECT subject_kind, subject_id, held_reason, archived FROM external_link WHERE resource = '{resource}' AND external_id = '{external_id}'"
    );
    let rows = app.rows(&statement).await;
    assert!(rows.len() <= 1, "{resource} {external_id} is linked twice");
    let row = rows.first()?;
    let kind: Option<String> = row.try_get_by_index(0).unwrap();
    let subject: Option<Uuid> = row.try_get_by_index(1).unwrap();
    Some(Link {
        subject: kind.zip(subject).map(|(kind, id)| id::show(&kind, id)),
        held: row.try_get_by_index(2).unwrap(),
        archived: row.try_get_by_index(3).unwrap(),
    })
}

/// Our row of a record, as the API shows it; null when there is none.
pub async fn row(app: &TestApp, admin: &str, (resource, external_id): (&str, &str)) -> Value {
    let linked = link(app, resource, external_id).await;
    let Some(id) = linked.and_then(|link| link.subject) else {
        return Value::Null;
    };
    let variables = serde_json::json!({ "id": id });
    let answer = app.graphql(admin, NODE, variables).await;
    answer.at("/node").clone()
}

/// Everything a synchronisation may write: rows and versions of the eight tables, and events by kind. Runs and their events are left out.
pub async fn snapshot(app: &TestApp) -> Vec<(String, i64, i64)> {
    let mut found = Vec::new();
    for table in [
        "partner",
        "customer",
        "contact",
        "partnership",
        "deal",
        "deal_partner",
        "external_link",
    ] {
        let count = format!("SELECT COUNT(*) FROM {table}");
        let versions = format!("SELECT CAST(COALESCE(SUM(version), 0) AS BIGINT) FROM {table}");
        found.push((
            table.to_owned(),
            app.number(&count).await,
            app.number(&versions).await,
        ));
    }
    let money = app.number("SELECT COUNT(*) FROM revenue_event").await;
    found.push(("revenue_event".to_owned(), money, 0));
    let events =
        "SELECT kind, COUNT(*) FROM event WHERE kind NOT LIKE 'sync.%' GROUP BY kind ORDER BY kind";
    for row in app.rows(events).await {
        found.push((
            row.try_get_by_index(0).unwrap(),
            row.try_get_by_index(1).unwrap(),
            0,
        ));
    }
    found
}
