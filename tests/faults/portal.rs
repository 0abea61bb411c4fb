//! A connected sandbox whose records a test makes by hand, and what has become of them on our side.

use entities::id::{self, ConnectionId};
use entities::sync_run;
use integrations::sync::SyncKind;
use sandbox::hubspot::{DEAL_TO_COMPANY, DEAL_TO_PARTNER, Store};
use sandbox::{HubSpot, Kind};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use tests::{HubSpotSetup, Options, TestApp};
use uuid::Uuid;

/// An app with a connected sandbox.
pub struct Portal {
    /// The app.
    pub app: TestApp,
    /// The connection to the sandbox.
    pub connection: ConnectionId,
    admin: String,
}

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

const NODE: &str = "query($id: ID!) { node(id: $id) { id
    ... on Deal { name stage sourceStage version archivedAt closedAt expectedCloseOn amount { amount currency } customer { name }
        owner { name email } partners { role weightBp partner { name } } }
    ... on Customer { name domain version archivedAt contacts { nodes { name } } }
    ... on Partner { name domain version archivedAt employees contacts { nodes { name } } deals { totalCount } }
    ... on Contact { name email version archivedAt partner { name } customer { name } } } }";

impl Portal {
    /// An empty sandbox, connected, nothing read yet.
    pub async fn empty() -> Self {
        Self::of(HubSpotSetup::empty()).await
    }

    /// A sandbox, connected, nothing read yet.
    pub async fn of(setup: HubSpotSetup) -> Self {
        Self::on(TestApp::start(Options::hubspot(setup)).await).await
    }

    /// An app with a sandbox, connected, nothing read yet.
    pub async fn on(app: TestApp) -> Self {
        let (connection, admin) = (app.connect_hubspot().await, String::new());
        let portal = Self {
            app,
            connection,
            admin,
        };
        // An hour is not enough for tests that let days pass.
        let request = api::oauth::token::TokenRequest {
            subject: "tests".to_owned(),
            client_id: "tests".to_owned(),
            kind: entities::viewer::ViewerKind::Staff(entities::viewer::StaffRole::Admin),
            scopes: entities::viewer::Scopes::all(),
            lifetime_seconds: 30 * 24 * 3_600,
            basis: api::oauth::token::Basis::default(),
        };
        let admin = portal.app.issue(&request);
        Self { admin, ..portal }
    }

    /// The sandbox.
    pub fn hubspot(&self) -> &HubSpot {
        self.app.hubspot()
    }

    /// Its records.
    pub fn store(&self) -> Arc<Store> {
        self.hubspot().store()
    }

    /// A token with every scope.
    pub fn admin(&self) -> &str {
        &self.admin
    }

    /// Makes a company.
    pub fn company(&self, properties: &[(&str, &str)]) -> u64 {
        self.store().create(Kind::Companies, properties).unwrap()
    }

    /// Makes a partner's company.
    pub fn partner(&self, name: &str) -> u64 {
        self.company(&[("name", name), ("type", "PARTNER")])
    }

    /// Makes a deal.
    pub fn deal(&self, properties: &[(&str, &str)]) -> u64 {
        self.store().create(Kind::Deals, properties).unwrap()
    }

    /// Makes an open deal without flaws.
    pub fn plain_deal(&self, name: &str) -> u64 {
        self.deal(&[
            ("dealname", name),
            ("dealstage", "prospecting"),
            ("pipeline", "default"),
            ("amount", "100.00"),
        ])
    }

    /// Ties a deal to a customer's company.
    pub fn tie(&self, deal: u64, company: u64) {
        self.store()
            .associate(
                (Kind::Deals, deal),
                (Kind::Companies, company),
                DEAL_TO_COMPANY,
            )
            .unwrap();
    }

    /// Ties a deal to a partner's company with the label that makes a share.
    pub fn share(&self, deal: u64, company: u64) {
        self.store()
            .associate(
                (Kind::Deals, deal),
                (Kind::Companies, company),
                DEAL_TO_PARTNER,
            )
            .unwrap();
    }

    /// Reads what changed, to the end.
    pub async fn sync(&self) -> sync_run::Model {
        self.app.sync(self.connection).await
    }

    /// Reads everything anew, to the end.
    pub async fn sync_everything(&self) -> sync_run::Model {
        let engine = &self.app.state.core.engine;
        engine
            .sync_connection(self.connection, SyncKind::Everything, |_| {})
            .await
            .unwrap()
    }

    /// Lets the worker work and time pass until no run is going, at most for an hour, and answers the last run but those of webhooks.
    pub async fn settle(&self) -> sync_run::Model {
        for _ in 0..720 {
            self.app.drain().await;
            let run = self.last_run().await;
            if run.status != sync_run::SyncRunStatus::Running {
                return run;
            }
            self.app.advance(Duration::from_secs(5));
        }
        panic!("the run finds no end: {:?}", self.last_run().await);
    }

    /// The latest run of the connection, webhooks aside.
    pub async fn last_run(&self) -> sync_run::Model {
        use entities::visible::Visible;
        use sea_orm::{ColumnTrait, QueryFilter, QueryOrder};
        let runs = sync_run::Entity::visible_to(&entities::viewer::Viewer::system("tests"));
        let run = runs
            .filter(sync_run::Column::Kind.ne("webhook"))
            .order_by_desc(sync_run::Column::StartedAt)
            .order_by_desc(sync_run::Column::Id);
        run.one(self.app.database().read())
            .await
            .unwrap()
            .expect("a run")
    }

    /// The link of a record.
    pub async fn link(&self, resource: &str, external_id: impl ToString) -> Option<Link> {
        let external_id = external_id.to_string();
        let statement = format!(
            "SELECT subject_kind, subject_id, held_reason, archived FROM external_link WHERE resource = '{resource}' AND external_id = '{external_id}'"
        );
        let rows = self.app.rows(&statement).await;
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
    pub async fn row(&self, resource: &str, external_id: impl ToString) -> Value {
        let Some(id) = self
            .link(resource, external_id)
            .await
            .and_then(|link| link.subject)
        else {
            return Value::Null;
        };
        let answer = self
            .app
            .graphql(&self.admin, NODE, serde_json::json!({ "id": id }))
            .await;
        answer.at("/node").clone()
    }

    /// The deal of a record.
    pub async fn deal_row(&self, external_id: u64) -> Value {
        self.row("deal", external_id).await
    }

    /// The partner or customer of a record.
    pub async fn company_row(&self, external_id: u64) -> Value {
        self.row("company", external_id).await
    }

    /// How many links wait for their other end.
    pub async fn pending(&self) -> i64 {
        self.app.number("SELECT COUNT(*) FROM pending_link").await
    }

    /// How often the sandbox was asked, in all.
    pub fn requests(&self) -> u64 {
        self.hubspot().counts().requests.values().sum()
    }

    /// Everything a synchronisation may write: rows and versions of the seven tables, and events by kind. Runs and their events are left out.
    pub async fn snapshot(&self) -> Vec<(String, i64, i64)> {
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
            let count = self
                .app
                .number(&format!("SELECT COUNT(*) FROM {table}"))
                .await;
            let versions = self
                .app
                .number(&format!(
                    "SELECT CAST(COALESCE(SUM(version), 0) AS BIGINT) FROM {table}"
                ))
                .await;
            found.push((table.to_owned(), count, versions));
        }
        let events = "SELECT kind, COUNT(*) FROM event WHERE kind NOT LIKE 'sync.%' GROUP BY kind ORDER BY kind";
        for row in self.app.rows(events).await {
            found.push((
                row.try_get_by_index(0).unwrap(),
                row.try_get_by_index(1).unwrap(),
                0,
            ));
        }
        found
    }

    /// Fails unless ours is the mirror of theirs: each live record linked once to a row, each row to one record.
    pub async fn mirrors(&self) {
        let store = self.store();
        for (kind, resource) in [
            (Kind::Companies, "company"),
            (Kind::Contacts, "contact"),
            (Kind::Deals, "deal"),
        ] {
            let linked = format!(
                "SELECT COUNT(*) FROM external_link WHERE resource = '{resource}' AND subject_id IS NOT NULL AND NOT archived"
            );
            assert_eq!(
                self.app.number(&linked).await,
                i64::try_from(store.count(kind)).unwrap(),
                "{resource}: linked and there"
            );
            let distinct = format!(
                "SELECT COUNT(DISTINCT subject_id) FROM external_link WHERE resource = '{resource}' AND NOT archived"
            );
            assert_eq!(
                self.app.number(&distinct).await,
                i64::try_from(store.count(kind)).unwrap(),
                "{resource}: one row each"
            );
        }
        let deals = self.app.number("SELECT COUNT(*) FROM deal").await;
        assert_eq!(deals, self.app.number("SELECT COUNT(*) FROM external_link WHERE resource = 'deal' AND subject_id IS NOT NULL").await);
        let companies = self
            .app
            .number("SELECT (SELECT COUNT(*) FROM partner) + (SELECT COUNT(*) FROM customer)")
            .await;
        assert_eq!(companies, self.app.number("SELECT COUNT(*) FROM external_link WHERE resource = 'company' AND subject_id IS NOT NULL").await);
    }
}

/// The issues of a run about a record, as `code field`.
pub fn issues(run: &sync_run::Model, external_id: impl ToString) -> Vec<String> {
    let external_id = external_id.to_string();
    let of_it = run
        .findings
        .issues
        .iter()
        .filter(|issue| issue.external_id.as_deref() == Some(&external_id));
    of_it
        .map(|issue| format!("{} {}", issue.code, issue.field.as_deref().unwrap_or("-")))
        .collect()
}
