//! Waking other nodes, and being woken by them, over PostgreSQL's NOTIFY.
//!
//! A notification inside a transaction would serialise all commits, so it is sent afterwards, on a connection of its own, once for a burst of
//! commits. It carries the sender's mark, so that a node does not wake itself twice. Everything here is an optimisation: when a connection
//! breaks it is made again, and in between the workers' polling finds what is due.

use entities::database::{Database, Wake};
use entities::id::Ids;
use sqlx::postgres::{PgConnection, PgListener};
use sqlx::{Connection, Executor};
use std::time::Duration;
use tokio::sync::watch;

/// The channel; its name is part of what several versions share.
const CHANNEL: &str = "entente_wake";

/// At most one notification in this time.
const COALESCE: Duration = Duration::from_millis(5);

/// Between attempts to connect.
const RECONNECT: Duration = Duration::from_secs(2);

/// What tells this process apart from others on the channel.
#[derive(Clone, Debug)]
pub struct NodeMark(String);

impl NodeMark {
    /// A random mark.
    #[must_use]
    pub fn new(ids: &Ids) -> Self {
        let mut bytes = [0_u8; 12];
        ids.fill(&mut bytes);
        Self(hex::encode(bytes))
    }
}

/// Tells other nodes of this process's commits until it is dropped. On SQLite there are none.
pub async fn send(database: Database, mark: NodeMark) {
    if !database.is_postgres() {
        return;
    }
    let mut wakes = database.wake().subscribe();
    loop {
        match sending(database.url(), &mut wakes, &mark).await {
            Ok(()) => return,
            Err(error) => {
                tracing::warn!(%error, "other nodes cannot be woken; they poll meanwhile");
            }
        }
        tokio::time::sleep(RECONNECT).await;
    }
}

async fn sending(url: &str, wakes: &mut watch::Receiver<u64>, mark: &NodeMark) -> sqlx::Result<()> {
    let mut connection = PgConnection::connect(url).await?;
    while wakes.changed().await.is_ok() {
        connection
            .execute(
                sqlx::query("SELECT pg_notify($1, $2)")
                    .bind(CHANNEL)
                    .bind(&mark.0),
            )
            .await?;
        tokio::time::sleep(COALESCE).await;
    }
    Ok(())
}

/// Wakes `remote` whenever another node has committed, until it is dropped. On SQLite there are no other nodes that could tell.
pub async fn listen(database: Database, remote: Wake, mark: NodeMark) {
    if !database.is_postgres() {
        return;
    }
    loop {
        if let Err(error) = listening(database.url(), &remote, &mark).await {
            tracing::warn!(%error, "other nodes cannot be heard; polling meanwhile");
        }
        tokio::time::sleep(RECONNECT).await;
    }
}

async fn listening(url: &str, remote: &Wake, mark: &NodeMark) -> sqlx::Result<()> {
    let mut listener = PgListener::connect(url).await?;
    listener.listen(CHANNEL).await?;
    // Whatever was committed while nobody listened is found now.
    remote.wake();
    loop {
        match listener.try_recv().await? {
            Some(notification) if notification.payload() == mark.0 => {}
            // Another node's, or the connection was lost and made again, with notifications lost in between.
            Some(_) | None => remote.wake(),
        }
    }
}
