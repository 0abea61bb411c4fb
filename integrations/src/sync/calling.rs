//! Calling a vendor for something that is neither reading nor writing records.
//!
//! Owns: the session of one piece of work, renewed when due and once more when refused. A call whose token is refused has done nothing, so it may
//! be repeated.

use super::error::Result;
use super::token::{Opened, TokenKeeper};
use crate::connector::{Connector, Context};
use crate::http::Work;
use entities::connection;
use entities::database::Database;
use entities::id::ConnectionId;
use std::sync::Arc;

/// Calls in the name of one connection.
pub(super) struct Caller<'a> {
    database: &'a Database,
    keeper: &'a TokenKeeper,
    connector: Arc<dyn Connector>,
    opened: Opened,
    work: Work,
}

impl<'a> Caller<'a> {
    /// Opens the connection for a kind of work.
    pub(super) async fn open(
        database: &'a Database,
        keeper: &'a TokenKeeper,
        id: ConnectionId,
        work: Work,
    ) -> Result<Self> {
        let opened = keeper.open(id).await?.doing(work);
        let connector = Arc::clone(keeper.connector(&opened.connection.connector)?);
        Ok(Self {
            database,
            keeper,
            connector,
            opened,
            work,
        })
    }

    /// Whose vendor is called.
    pub(super) const fn connection(&self) -> &connection::Model {
        &self.opened.connection
    }

    /// What is called.
    pub(super) fn connector(&self) -> Arc<dyn Connector> {
        Arc::clone(&self.connector)
    }

    /// What the connector gets.
    pub(super) fn context(&self) -> Context<'_> {
        self.opened.context(self.database)
    }

    /// Renews the token if it ends soon.
    pub(super) async fn freshen(&mut self) -> Result<()> {
        if self.opened.is_due(self.database.now().millis()) {
            self.renew().await?;
        }
        Ok(())
    }

    /// Renews the token.
    pub(super) async fn renew(&mut self) -> Result<()> {
        let (id, version) = (
            self.opened.connection.id,
            self.opened.connection.credentials_version,
        );
        self.opened = self.keeper.renew(id, version).await?.doing(self.work);
        Ok(())
    }
}

/// One call, with a fresh token and a second attempt when the first one's token is refused.
macro_rules! call {
    ($caller:expr, $context:ident => $call:expr) => {{
        $caller.freshen().await?;
        let first = {
            let $context = $caller.context();
            $call.await
        };
        match first {
            Err($crate::error::ConnectorError::Auth {
                reconnect: false, ..
            }) => {
                $caller.renew().await?;
                let $context = $caller.context();
                $call.await.map_err($crate::sync::error::SyncError::from)
            }
            other => other.map_err($crate::sync::error::SyncError::from),
        }
    }};
}
pub(super) use call;
