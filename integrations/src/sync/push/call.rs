//! Calling a vendor to write.
//!
//! Owns: the session of one claim, renewed when due and once more when refused. A call whose token is refused has done nothing, so it may be repeated.

use crate::connector::{Connector, ConnectorError, Record, Resource};
use crate::http::Work;
use crate::push::{Push, PushItem, PushOutcome};
use crate::sync::error::{Result, SyncError};
use crate::sync::token::{Opened, TokenKeeper};
use entities::connection;
use entities::database::Database;
use entities::id::ConnectionId;
use std::sync::Arc;

/// Writes in the name of one connection.
pub(super) struct Writer<'a> {
    database: &'a Database,
    keeper: &'a TokenKeeper,
    connector: Arc<dyn Connector>,
    opened: Opened,
}

/// One call, with a fresh token and a second attempt when the first one's token is refused.
macro_rules! call {
    ($writer:expr, $push:ident, $context:ident => $call:expr) => {{
        if $writer.opened.is_due($writer.database.now().millis()) {
            $writer.renew().await?;
        }
        let connector = Arc::clone(&$writer.connector);
        let $push = pusher(connector.as_ref())?;
        let first = {
            let $context = $writer.opened.context($writer.database);
            $call.await
        };
        match first {
            Err(ConnectorError::Auth {
                reconnect: false, ..
            }) => {
                $writer.renew().await?;
                let $context = $writer.opened.context($writer.database);
                $call.await.map_err(SyncError::from)
            }
            other => other.map_err(SyncError::from),
        }
    }};
}

fn pusher(connector: &dyn Connector) -> Result<&dyn Push> {
    connector.push().ok_or_else(|| {
        ConnectorError::permanent("cannot_push", "the connector writes no records").into()
    })
}

impl<'a> Writer<'a> {
    /// Opens the connection.
    pub(super) async fn open(
        database: &'a Database,
        keeper: &'a TokenKeeper,
        id: ConnectionId,
    ) -> Result<Self> {
        let opened = keeper.open(id).await?.doing(Work::Webhook);
        let connector = Arc::clone(keeper.connector(&opened.connection.connector)?);
        Ok(Self {
            database,
            keeper,
            connector,
            opened,
        })
    }

    /// Whose vendor is called.
    pub(super) const fn connection(&self) -> &connection::Model {
        &self.opened.connection
    }

    /// What is called.
    pub(super) fn connector(&self) -> &dyn Connector {
        self.connector.as_ref()
    }

    async fn renew(&mut self) -> Result<()> {
        let (id, version) = (
            self.opened.connection.id,
            self.opened.connection.credentials_version,
        );
        let opened = self.keeper.renew(id, version).await?;
        self.opened = opened.doing(Work::Webhook);
        Ok(())
    }

    /// See [`Push::apply`]. The answer has one outcome for each item.
    pub(super) async fn apply(
        &mut self,
        resource: Resource,
        items: &[PushItem],
        fields: &[String],
    ) -> Result<Vec<PushOutcome>> {
        let outcomes = call!(self, push, context => push.apply(&context, resource, items, fields))?;
        if outcomes.len() != items.len() {
            // Which outcome is whose cannot be told; each of them may have happened.
            return Err(
                ConnectorError::transient("the connector did not answer for every item").into(),
            );
        }
        Ok(outcomes)
    }

    /// See [`Push::find`].
    pub(super) async fn find(
        &mut self,
        resource: Resource,
        references: &[String],
        fields: &[String],
    ) -> Result<Vec<(String, Record)>> {
        call!(self, push, context => push.find(&context, resource, references, fields))
    }

    /// See [`Push::prepare`].
    pub(super) async fn prepare(&mut self, resource: Resource) -> Result<()> {
        call!(self, push, context => push.prepare(&context, resource))
    }
}
