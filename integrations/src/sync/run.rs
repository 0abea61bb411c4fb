//! Runs, and the engine that puts everything together.
//!
//! Owns: the engine's parts and settings, the beginning and end of runs, and the choice of the next unit of work. Refuses: to sleep in a
//! step: a step does what is due or says that nothing is. Invariant: a run ends when no lane of its connection has anything left to do; it has
//! failed when one of them gave up or a person must connect again, and the others have gone on nevertheless.

use super::claim::{GIVE_UP, millis};
use super::connect::{self, Asking, Returned};
use super::error::{Result, SyncError};
use super::pull::{ARCHIVED, BACKFILL, DELTA, is_unsettled, lanes};
use super::settle;
use super::token::{Apps, TokenKeeper};
use crate::connector::Registry;
use crate::http::Client;
use crate::record::Resource;
use crate::vault::Vault;
use entities::change::{Author, Change, Origin};
use entities::chat_message;
use entities::connection;
use entities::database::Database;
use entities::id::{ConnectionId, SyncRunId};
use entities::inbound_signal;
use entities::inbound_webhook;
use entities::outbound_push;
use entities::sync_cursor::{self, RECONCILE};
use entities::sync_run::{self, SyncRunStatus};
use entities::viewer::Viewer;
use entities::visible::{self, Visible};
use sea_orm::{ColumnTrait, QueryFilter};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use url::Url;
use uuid::Uuid;

/// How the engine behaves. Every time is injectable, so that a test need not wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How long claimed work may take before another worker may take it over.
    pub lease: Duration,
    /// From the end of one run to the beginning of the next.
    pub every: Duration,
    /// How often what the vendor has archived is listed anew.
    pub archived_every: Duration,
    /// How often everything is compared with what the vendor holds.
    pub reconcile_every: Duration,
    /// What changed at the vendor so recently is no drift yet: the deltas may still bring it.
    pub reconcile_grace: Duration,
    /// How often the webhook subscriptions of a connection are looked at.
    pub tend_every: Duration,
    /// The first wait after a failure; it doubles.
    pub backoff: Duration,
    /// The longest such wait.
    pub backoff_cap: Duration,
    /// How long before its end a token is renewed.
    pub refresh_ahead: Duration,
    /// Records of one transaction, at least; the last page may bring more.
    pub records_per_transaction: usize,
    /// Transactions of one step, so that other work gets its turn.
    pub batches_per_step: u32,
    /// Attempts after which a delivery or a signal is dead.
    pub max_attempts: i32,
    /// How often [`Engine::sync_connection`] looks while there is nothing for it to do.
    pub poll: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            lease: Duration::from_secs(60),
            every: Duration::from_secs(60),
            archived_every: Duration::from_secs(900),
            reconcile_every: Duration::from_secs(86_400),
            reconcile_grace: Duration::from_secs(600),
            tend_every: Duration::from_secs(3_600),
            backoff: Duration::from_secs(2),
            backoff_cap: Duration::from_secs(900),
            refresh_ahead: Duration::from_secs(60),
            records_per_transaction: 800,
            batches_per_step: 25,
            max_attempts: 8,
            poll: Duration::from_millis(100),
        }
    }
}

/// Kinds of work that take turns.
const KINDS: usize = 9;

/// What an engine is made of.
pub struct EngineParts {
    /// The database.
    pub database: Database,
    /// The connectors of this build.
    pub registry: Registry,
    /// What opens and seals credentials.
    pub vault: Vault,
    /// The one outgoing client.
    pub http: Client,
    /// Our registrations with the vendors.
    pub apps: Apps,
    /// How to behave.
    pub settings: Settings,
}

/// What is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyncKind {
    /// What changed since the last time; everything where nothing was read yet.
    Changes,
    /// Everything anew; only what differs is written.
    Everything,
    /// Everything is compared: what was missed is brought in and told, and what has gone is found.
    Reconcile,
}

/// How far a run is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Whose run.
    pub connection: ConnectionId,
    /// What is being read.
    pub resource: Resource,
    /// In which lane.
    pub lane: String,
    /// Records of this resource read in this run so far.
    pub read: u64,
    /// Whether the lane has caught up.
    pub caught_up: bool,
}

struct Inner {
    database: Database,
    keeper: TokenKeeper,
    settings: Settings,
    worker: Uuid,
    turn: AtomicUsize,
    public_url: OnceLock<Url>,
}

/// The engine. Cheap to clone; clones are one worker.
#[derive(Clone)]
pub struct Engine(Arc<Inner>);

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine")
            .field("worker", &self.0.worker)
            .field("settings", &self.0.settings)
            .finish_non_exhaustive()
    }
}

impl Engine {
    /// An engine of these parts.
    #[must_use]
    pub fn new(parts: EngineParts) -> Self {
        let EngineParts {
            database,
            registry,
            vault,
            http,
            apps,
            settings,
        } = parts;
        let mut bytes = [0_u8; 16];
        database.ids().fill(&mut bytes);
        let keeper = TokenKeeper::new(
            database.clone(),
            registry,
            vault,
            http,
            apps,
            settings.refresh_ahead,
        );
        Self(Arc::new(Inner {
            database,
            keeper,
            settings,
            worker: Uuid::from_bytes(bytes),
            turn: AtomicUsize::new(0),
            public_url: OnceLock::new(),
        }))
    }

    /// The database it works on.
    #[must_use]
    pub fn database(&self) -> &Database {
        &self.0.database
    }

    /// What gives out sessions.
    #[must_use]
    pub fn keeper(&self) -> &TokenKeeper {
        &self.0.keeper
    }

    /// How it behaves.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// Says at which address vendors reach this deployment. Until it is said, no vendor is asked to send anything there; the first word counts.
    pub fn reached_at(&self, public_url: Url) {
        let _said_before = self.0.public_url.set(public_url);
    }

    pub(super) fn public_url(&self) -> Option<&Url> {
        self.0.public_url.get()
    }

    pub(super) fn worker(&self) -> Uuid {
        self.0.worker
    }

    /// Begins to connect an account; the answer is where to send the person.
    ///
    /// # Errors
    /// See [`connect::begin`].
    pub async fn begin_connect(&self, asking: Asking<'_>) -> Result<Url> {
        connect::begin(self.database(), self.keeper(), asking).await
    }

    /// Completes what [`Self::begin_connect`] began; the first run is due at once.
    ///
    /// # Errors
    /// See [`connect::complete`].
    pub async fn complete_connect(&self, returned: Returned<'_>) -> Result<connection::Model> {
        connect::complete(self.database(), self.keeper(), returned).await
    }

    /// Takes every lease away. Only for a caller that knows no other process works on this database, as after a start under the lock of
    /// the data directory: what a killed process had claimed is then due at once instead of when its leases run out.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn break_leases(&self) -> Result<()> {
        sync_cursor::break_leases(self.database()).await?;
        inbound_webhook::break_leases(self.database()).await?;
        inbound_signal::break_leases(self.database()).await?;
        outbound_push::break_leases(self.database()).await?;
        chat_message::break_leases(self.database()).await?;
        connection::break_renewals(self.database()).await?;
        Ok(())
    }

    /// Does one unit of work, the kinds taking turns. The answer says whether there was anything to do.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn step(&self) -> Result<bool> {
        let turn = self.0.turn.fetch_add(1, Ordering::Relaxed);
        for kind in 0..KINDS {
            // Each on the heap: together they would fill a worker's stack.
            let worked = match (turn + kind) % KINDS {
                0 => Box::pin(self.split_inbox()).await?,
                1 => Box::pin(self.process_signals()).await?,
                2 => Box::pin(self.fan_out()).await?,
                3 => Box::pin(self.push_step()).await?,
                4 => Box::pin(self.listen()).await?,
                5 => Box::pin(self.chat_step()).await?,
                6 => Box::pin(self.privacy_step()).await?,
                7 => Box::pin(self.tend_step()).await?,
                _ => Box::pin(self.pull_step(None, &|_| {})).await?,
            };
            if worked {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Asks for a run now. A run that is going already takes the wish on. The answer is the run.
    ///
    /// # Errors
    /// When there is no such connection, it may not be used, or the database fails.
    pub async fn request_sync(&self, id: ConnectionId, kind: SyncKind) -> Result<sync_run::Model> {
        if kind == SyncKind::Reconcile {
            return self.request_reconcile(id).await;
        }
        self.find_working(id).await?;
        let (change, row) = settle::begin(self.database(), id, Origin::Sync).await?;
        let descriptor = self.keeper().connector(&row.connector)?.descriptor();
        let now = change.now();
        sync_cursor::ensure(&change, id, &lanes(descriptor, now)).await?;
        if kind == SyncKind::Everything {
            for described in &descriptor.resources {
                sync_cursor::place(
                    change.transaction(),
                    id,
                    (described.resource.as_str(), BACKFILL),
                    None,
                    now,
                )
                .await?;
                sync_cursor::place(
                    change.transaction(),
                    id,
                    (described.resource.as_str(), ARCHIVED),
                    None,
                    now,
                )
                .await?;
            }
        }
        sync_cursor::make_due(change.transaction(), id, now).await?;
        let run = self.ensure_run(&change, id).await?;
        change.commit().await?;
        self.database().wake().wake();
        Ok(run)
    }

    /// Synchronises a connection and returns its run when it has ended, completed or failed.
    ///
    /// # Errors
    /// As [`Self::request_sync`].
    pub async fn sync_connection(
        &self,
        id: ConnectionId,
        kind: SyncKind,
        progress: impl Fn(Progress) + Sync,
    ) -> Result<sync_run::Model> {
        let run = self.request_sync(id, kind).await?;
        loop {
            let worked = self.pull_step(Some(id), &progress).await?;
            let now = self.load_run(run.id).await?;
            if now.status != SyncRunStatus::Running {
                return Ok(now);
            }
            if !worked {
                tokio::time::sleep(self.settings().poll).await;
            }
        }
    }

    async fn load_run(&self, id: SyncRunId) -> Result<sync_run::Model> {
        let found = visible::find_one::<sync_run::Entity, _>(
            self.database().read(),
            &Viewer::system("sync"),
            id.0,
        )
        .await?;
        found.ok_or_else(|| entities::error::Error::Damaged("a run vanished".to_owned()).into())
    }

    pub(super) async fn find_working(&self, id: ConnectionId) -> Result<connection::Model> {
        let found = visible::find_one::<connection::Entity, _>(
            self.database().read(),
            &Viewer::system("sync"),
            id.0,
        )
        .await?;
        let row = found.ok_or(SyncError::UnknownConnection)?;
        if row.status.is_working() {
            Ok(row)
        } else {
            Err(SyncError::NotWorking {
                status: row.status,
                reason: row.status_reason,
            })
        }
    }

    async fn ensure_run(&self, change: &Change, id: ConnectionId) -> Result<sync_run::Model> {
        if let Some(run) = sync_run::find_running(change.transaction(), id).await? {
            return Ok(run);
        }
        let lanes = sync_cursor::list(change.transaction(), id).await?;
        let first = lanes
            .iter()
            .any(|lane| lane.lane == BACKFILL && !lane.complete);
        Ok(sync_run::begin(change, id, if first { BACKFILL } else { DELTA }).await?)
    }

    /// The run of a connection that is going, or a new one.
    pub(super) async fn running(&self, id: ConnectionId) -> Result<sync_run::Model> {
        if let Some(run) = sync_run::find_running(self.database().read(), id).await? {
            return Ok(run);
        }
        let (change, _) = settle::begin(self.database(), id, Origin::Sync).await?;
        let run = self.ensure_run(&change, id).await?;
        change.commit().await?;
        Ok(run)
    }

    /// Ends the run of a connection if nothing is left to do for it.
    pub(super) async fn conclude(&self, id: ConnectionId) -> Result<bool> {
        let database = self.database();
        let Some(run) = sync_run::find_running(database.read(), id).await? else {
            return Ok(false);
        };
        let unusable = matches!(
            self.find_working(id).await,
            Err(SyncError::NotWorking { .. })
        );
        let unsettled = |lanes: &[sync_cursor::Model]| {
            lanes
                .iter()
                .any(|lane| lane.lane != RECONCILE && is_unsettled(lane, database.now()))
        };
        if !unusable && unsettled(&sync_cursor::list(database.read(), id).await?) {
            return Ok(false);
        }
        let origin = if run.kind == BACKFILL {
            Origin::Backfill
        } else {
            Origin::Sync
        };
        if !unusable {
            if self.may_have_freed(&run).await? {
                settle::retry_held(database, id, origin, Some(run.id)).await?;
            }
            settle::resolve(database, id, origin, Some(run.id)).await?;
        }
        let author = Author::connection(id, Origin::Sync);
        let mut change = Change::begin(database, author).await?;
        let row =
            visible::lock_one::<connection::Entity>(&change, &Viewer::system("sync"), id.0, None)
                .await?;
        let lanes = sync_cursor::list(change.transaction(), id).await?;
        let error = if !row.status.is_working() {
            Some(
                SyncError::NotWorking {
                    status: row.status,
                    reason: row.status_reason.clone(),
                }
                .reason(),
            )
        } else if unsettled(&lanes) {
            // Somebody asked for more meanwhile: the run goes on.
            change.rollback().await?;
            return Ok(true);
        } else {
            failure(&lanes)
        };
        // As it stands now, under the lock: another worker may have added to it, or ended it.
        let Some(run) = sync_run::find_running(change.transaction(), id)
            .await?
            .filter(|going| going.id == run.id)
        else {
            change.rollback().await?;
            return Ok(true);
        };
        sync_run::finish(&mut change, run, error, true).await?;
        let next = change.now().plus_millis(millis(self.settings().every));
        sync_cursor::unpark(change.transaction(), id, next).await?;
        self.ensure_reconciling(&change, &row).await?;
        change.commit().await?;
        Ok(true)
    }

    /// Whether what is kept out may have a place now: the run has read a pipeline that changed, or the connection (its mapping is part of it)
    /// has changed since the run before began.
    async fn may_have_freed(&self, run: &sync_run::Model) -> Result<bool> {
        let pipelines = run.findings.counts.get(Resource::Pipeline.as_str());
        if pipelines.is_some_and(|counts| counts.created + counts.updated > 0) {
            return Ok(true);
        }
        let read = self.database().read();
        let Some(before) = sync_run::find_before(read, run).await? else {
            return Ok(true);
        };
        let row = visible::find_one::<connection::Entity, _>(
            read,
            &Viewer::system("sync"),
            run.connection_id.0,
        )
        .await?;
        Ok(row.is_some_and(|row| row.updated_at > before.started_at))
    }

    /// Ends runs whose worker died between the last lane and the end.
    pub(super) async fn conclude_stranded(&self, only: Option<ConnectionId>) -> Result<bool> {
        let mut select = sync_run::Entity::visible_to(&Viewer::system("sync"))
            .filter(sync_run::Column::Status.eq(SyncRunStatus::Running));
        if let Some(only) = only {
            select = select.filter(sync_run::Column::ConnectionId.eq(only));
        }
        let runs = select
            .all(self.database().read())
            .await
            .map_err(entities::error::Error::from)?;
        let mut any = false;
        for run in runs {
            any |= if run.kind == sync_run::RECONCILE {
                self.conclude_reconciling(run.connection_id).await?
            } else {
                self.conclude(run.connection_id).await?
            };
        }
        Ok(any)
    }
}

/// The first reason for which a lane gave up.
fn failure(lanes: &[sync_cursor::Model]) -> Option<String> {
    let gave_up = |lane: &&sync_cursor::Model| lane.lane != RECONCILE && lane.attempts >= GIVE_UP;
    let failed = lanes.iter().filter(gave_up);
    let reason = |lane: &sync_cursor::Model| {
        let why = lane.error.as_deref().unwrap_or("it never came to an end");
        format!("{} ({}): {why}", lane.resource, lane.lane)
    };
    failed.map(reason).next()
}
