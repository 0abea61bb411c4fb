//! How a connection is, in the API: the judgement is [`integrations::health`]'s, the facts of all connections of a page are read together.

use super::Connection;
use crate::graphql::context::{RequestContext, state};
use crate::graphql::scalar::DateTime;
use async_graphql::{Context, Enum, Result, SimpleObject};
use entities::connection::Model;
use entities::id::ConnectionId;
use integrations::capability::capabilities;
use integrations::health::{self, Facts};
use std::collections::HashMap;
use std::sync::Arc;

/// How a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "health::HealthState")]
pub enum ConnectionHealthState {
    /// Nobody need do anything.
    Ok,
    /// It works, and somebody should look at something.
    Attention,
    /// It does not work until somebody does something.
    Broken,
    /// Somebody stopped it.
    Paused,
    /// It has been disconnected.
    Disconnected,
}

/// How a connection is, in words and numbers.
#[derive(SimpleObject)]
pub struct ConnectionHealth {
    /// How it is.
    pub state: ConnectionHealthState,
    /// In a sentence.
    pub summary: String,
    /// What a person should do next; null when nothing need be done.
    pub next_action: Option<String>,
    /// When its last run that has ended began, webhooks aside.
    pub last_run_at: Option<DateTime>,
    /// Records the vendor has told of that have not been looked at yet.
    pub waiting_inbound: u64,
    /// Rows that have not been sent yet.
    pub waiting_outbound: u64,
    /// What was given up after too many attempts; see `syncFailures`.
    pub dead: u64,
    /// Conflicts that wait for a decision; see `syncConflicts`.
    pub open_conflicts: u64,
    /// Records the last reconciliation found that ordinary synchronisation had missed.
    pub drift: u64,
}

/// What a connection can do with records of one kind, by what was granted.
#[derive(SimpleObject)]
pub struct ConnectionCapability {
    /// The kind of record.
    pub resource: String,
    /// Whether they can be read.
    pub read: bool,
    /// Whether they can be written.
    pub write: bool,
    /// Why not everything is possible.
    pub reason: Option<String>,
}

async fn facts_of_page(
    request: &RequestContext,
    connection: &Connection,
) -> Result<Arc<HashMap<ConnectionId, Facts>>> {
    let group = Arc::clone(connection.0.group());
    let load = async { Ok(health::facts(&request.database, group.rows()).await?) };
    connection.0.group().load("health".to_owned(), load).await
}

impl Connection {
    pub(super) async fn read_health(&self, request: &RequestContext) -> Result<ConnectionHealth> {
        let all = facts_of_page(request, self).await?;
        let row: &Model = self.0.row();
        let facts = all.get(&row.id).ok_or_else(|| {
            entities::error::Error::Damaged("a connection without facts".to_owned())
        })?;
        let judged = health::judge(facts, request.database.now());
        Ok(ConnectionHealth {
            state: judged.state.into(),
            summary: judged.summary,
            next_action: judged.next_action,
            last_run_at: facts.last_run_at.map(DateTime),
            waiting_inbound: facts.waiting_inbound,
            waiting_outbound: facts.waiting_outbound,
            dead: facts.dead,
            open_conflicts: facts.open_conflicts,
            drift: facts.drift,
        })
    }

    pub(super) fn read_capabilities(&self, ctx: &Context<'_>) -> Result<Vec<ConnectionCapability>> {
        let row = self.0.row();
        let Some(connector) = state(ctx)?.core.registry.get(&row.connector) else {
            return Ok(Vec::new());
        };
        let known = capabilities(connector.as_ref(), &row.granted_scopes.0);
        Ok(known
            .into_iter()
            .map(|capability| ConnectionCapability {
                resource: capability.resource.as_str().to_owned(),
                read: capability.read,
                write: capability.write,
                reason: capability.reason,
            })
            .collect())
    }
}
