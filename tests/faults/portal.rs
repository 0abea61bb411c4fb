//! A connected sandbox whose records a test makes by hand, and what has become of them on our side.

use crate::linked::{self, Link};
use entities::id::ConnectionId;
use entities::sync_run;
use integrations::sync::SyncKind;
use sandbox::hubspot::{DEAL_TO_COMPANY, DEAL_TO_PARTNER, Store};
use sandbox::{HubSpot, Kind};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use tests::{HubSpotSetup, Options, TestApp};

/// An app with a connected sandbox.
pub struct Portal {
    /// The app.
    pub app: TestApp,
    /// The connection to the sandbox.
    pub connection: ConnectionId,
    admin: String,
}

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
        let connection = app.connect_hubspot().await;
        let admin = linked::lasting_admin(&app);
        Self {
            app,
            connection,
            admin,
        }
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
        linked::last_run(&self.app).await
    }

    /// The link of a record.
    pub async fn link(&self, resource: &str, external_id: impl ToString) -> Option<Link> {
        linked::link(&self.app, resource, &external_id.to_string()).await
    }

    /// Our row of a record, as the API shows it; null when there is none.
    pub async fn row(&self, resource: &str, external_id: impl ToString) -> Value {
        let external_id = external_id.to_string();
        linked::row(&self.app, &self.admin, (resource, &external_id)).await
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

    /// Everything a synchronisation may write; see [`linked::snapshot`].
    pub async fn snapshot(&self) -> Vec<(String, i64, i64)> {
        linked::snapshot(&self.app).await
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
