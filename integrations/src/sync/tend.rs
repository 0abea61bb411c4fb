//! Seeing to it that accounts send their webhooks.
//!
//! Owns: when each connection's subscriptions are looked at (after connecting, and now and then), and what is said of what was found. Refuses: to
//! work without the address at which vendors reach us. Invariant: one process at a time looks after a connection; what did not work out is in
//! the connection's row until it does, and is tried again sooner.

use super::calling::{Caller, call};
use super::claim::{self, millis};
use super::error::{Result, SyncError};
use super::run::Engine;
use crate::connector::{Connector, Door, Ensured, Webhooks, webhook_path};
use crate::error::ConnectorError;
use crate::http::Work;
use entities::change::{Author, Change, Origin};
use entities::connection::{self, care};
use entities::event::{EventKind, NewEvent};
use secrecy::ExposeSecret;
use serde_json::json;
use std::sync::Arc;
use url::Url;

impl Engine {
    /// Looks after the subscriptions of one connection, if one is due. The answer says whether one was.
    ///
    /// # Errors
    /// When the database fails. What fails at the vendor is kept in the connection's row.
    pub async fn tend_step(&self) -> Result<bool> {
        let Some(public_url) = self.public_url() else {
            return Ok(false);
        };
        let registry = self.keeper().registry();
        let tended: Vec<&str> = registry
            .iter()
            .filter(|connector| connector.subscriptions().is_some())
            .map(|connector| connector.descriptor().id)
            .collect();
        let database = self.database();
        let every = millis(self.settings().tend_every);
        let before = database.now().plus_millis(-every);
        let Some(row) = care::claim_tending(database, &tended, before).await? else {
            return Ok(false);
        };
        match self.tend(&row, public_url).await {
            Ok(ensured) => self.is_tended(&row, ensured).await?,
            Err(error) => self.is_not_tended(&row, &error).await?,
        }
        Ok(true)
    }

    /// Where the webhooks of a connection are to go.
    fn target(
        &self,
        connector: &dyn Connector,
        row: &connection::Model,
        public_url: &Url,
    ) -> Result<Url> {
        let mut path = webhook_path(&row.connector);
        if connector.webhooks().map(Webhooks::door) == Some(Door::Connection)
            && let Some(hook) = self.hook(row)?
        {
            path = format!("{path}/{}", hook.expose_secret());
        }
        let mut target = public_url.clone();
        let base = target.path().trim_end_matches('/').to_owned();
        target.set_path(&format!("{base}{path}"));
        target.set_query(None);
        target.set_fragment(None);
        Ok(target)
    }

    async fn tend(&self, row: &connection::Model, public_url: &Url) -> Result<Ensured> {
        let (database, keeper) = (self.database(), self.keeper());
        let connector = Arc::clone(keeper.connector(&row.connector)?);
        let Some(subscriptions) = connector.subscriptions() else {
            return Ok(Ensured::default());
        };
        let target = self.target(connector.as_ref(), row, public_url)?;
        let mut caller = Caller::open(database, keeper, row.id, Work::Delta).await?;
        let version = caller.connection().credentials_version;
        let ensured: Result<Ensured> =
            async { call!(caller, context => subscriptions.ensure(&context, &target)) }.await;
        if let Err(SyncError::Connector(ConnectorError::Auth {
            reconnect: true,
            message,
        })) = &ensured
        {
            keeper
                .require_reauthorization(row.id, version, message)
                .await?;
        }
        ensured
    }

    async fn is_tended(&self, row: &connection::Model, ensured: Ensured) -> Result<()> {
        let author = Author::connection(row.id, Origin::Sync);
        let mut change = Change::begin(self.database(), author).await?;
        let now = change.now();
        care::tended(&change, row.id, now, None).await?;
        // The first time everything is made; later, what has to be made had gone.
        if row.tended_at.is_some() && !ensured.made.is_empty() {
            let data = json!({ "made": ensured.made, "kept": ensured.kept });
            let kind = EventKind::ConnectionSubscriptionsRestored;
            change.record(NewEvent::about(kind, row.id, data).internal());
            tracing::warn!(connection = %row.id, made = ?ensured.made, "webhook subscriptions had gone and were made again");
        }
        change.commit().await?;
        Ok(())
    }

    async fn is_not_tended(&self, row: &connection::Model, error: &SyncError) -> Result<()> {
        let settings = self.settings();
        let database = self.database();
        let now = database.now();
        tracing::warn!(connection = %row.id, code = error.code(), "webhook subscriptions could not be looked after");
        let setback = claim::setback(error, 1, now, settings.backoff, settings.backoff_cap);
        if let Some(until) = setback.pause {
            connection::pause_until(database, row.id, until).await?;
        }
        // Due again after the longest patience, or after the wait the vendor set.
        let again = now
            .plus_millis(millis(settings.backoff_cap))
            .max(setback.available_at);
        let counts_as = again.plus_millis(-millis(settings.tend_every));
        let author = Author::connection(row.id, Origin::Sync);
        let change = Change::begin(database, author).await?;
        care::tended(&change, row.id, counts_as, Some(error.reason())).await?;
        change.commit().await?;
        Ok(())
    }
}
