//! One change: a transaction, who makes it and why, and the events it leaves behind.
//!
//! Everything written about partners, deals and the rest goes through a [`Change`]. Its events are inserted in the same
//! transaction as the rows, just before the commit; after the commit the workers wake. A change that is dropped writes
//! nothing. No network call is ever made inside one.

use crate::clock::Timestamp;
use crate::database::Database;
use crate::error::Result;
use crate::event::{self, NewEvent};
use crate::id::{ConnectionId, PartnerId, TypedId};
use crate::token_revocation;
use crate::viewer::{Viewer, ViewerKind};
use sea_orm::{ConnectionTrait as _, DatabaseTransaction};
use sea_orm::{DeriveActiveEnum, EnumIter};

/// Where a change comes from. History must not act: what reacts to events skips [`Origin::Backfill`] and [`Origin::Import`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, serde::Serialize)]
#[sea_orm(
    rs_type = "String",
    db_type = "Text",
    rename_all = "SCREAMING_SNAKE_CASE"
)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Origin {
    /// A person at a front end.
    Human,
    /// Software through the API.
    Api,
    /// A vendor's later change.
    Sync,
    /// A vendor's existing records, read for the first time.
    Backfill,
    /// A file.
    Import,
    /// A recorded correction of history.
    Correction,
}

impl Origin {
    /// Whether the change reports history rather than something that happens now.
    #[must_use]
    pub const fn is_history(self) -> bool {
        matches!(self, Self::Backfill | Self::Import)
    }

    /// Whether an outside system is the authority: it may set states that a caller of the API must reach step by step.
    #[must_use]
    pub const fn is_external(self) -> bool {
        matches!(self, Self::Sync | Self::Backfill | Self::Import)
    }
}

/// Who makes a change and from where.
#[derive(Clone, Debug)]
pub struct Author {
    /// What the event log shows: a token's subject, or the part of the system that acts.
    pub actor: String,
    /// Where the change comes from.
    pub origin: Origin,
    /// The connection it came by.
    pub connection: Option<ConnectionId>,
}

impl Author {
    /// The author of a change asked for through the API.
    #[must_use]
    pub fn of(viewer: &Viewer) -> Self {
        let origin = match viewer.kind() {
            ViewerKind::Staff(_) | ViewerKind::Partner(..) | ViewerKind::Nobody => Origin::Human,
            ViewerKind::Integration | ViewerKind::System => Origin::Api,
        };
        Self {
            actor: viewer.subject().to_owned(),
            origin,
            connection: None,
        }
    }

    /// The author of a change that a connection brings.
    #[must_use]
    pub fn connection(connection: ConnectionId, origin: Origin) -> Self {
        Self {
            actor: "sync".to_owned(),
            origin,
            connection: Some(connection),
        }
    }
}

/// A transaction in progress.
pub struct Change {
    database: Database,
    transaction: DatabaseTransaction,
    author: Author,
    now: Timestamp,
    events: Vec<NewEvent>,
    revocations: Vec<token_revocation::Model>,
    money_rests: bool,
    /// Partners, and whether they are kept out from now on.
    kept_out: Vec<(PartnerId, bool)>,
}

impl Change {
    /// Begins a change. All its rows and events carry the instant of its beginning.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn begin(database: &Database, author: Author) -> Result<Self> {
        let transaction = database.begin().await?;
        Ok(Self {
            database: database.clone(),
            transaction,
            author,
            now: database.now(),
            events: Vec::new(),
            revocations: Vec::new(),
            money_rests: false,
            kept_out: Vec::new(),
        })
    }

    /// Lets the commit be answered before it is on the disk, where the database can. Only for work that is done again when it is lost: a crash of
    /// the database's machine may take the last moments of such changes back, each of them whole, and never one without those that came after it.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn may_be_repeated(&self) -> Result<()> {
        if self.database.is_postgres() {
            let statement = "SET LOCAL synchronous_commit = off";
            self.transaction.execute_unprepared(statement).await?;
        }
        Ok(())
    }

    /// The transaction, to read and write with.
    #[must_use]
    pub const fn transaction(&self) -> &DatabaseTransaction {
        &self.transaction
    }

    /// The instant of this change.
    #[must_use]
    pub const fn now(&self) -> Timestamp {
        self.now
    }

    /// Who makes it.
    #[must_use]
    pub const fn author(&self) -> &Author {
        &self.author
    }

    /// The database it is made in.
    #[must_use]
    pub const fn database(&self) -> &Database {
        &self.database
    }

    /// A new id.
    #[must_use]
    pub fn new_id<T: TypedId>(&self) -> T {
        self.database.ids().next(self.now)
    }

    /// Records an event; it is written with the commit.
    pub fn record(&mut self, event: NewEvent) {
        self.events.push(event);
    }

    /// Notes that tokens are refused once this is committed.
    pub(crate) fn revoke(&mut self, row: token_revocation::Model) {
        self.revocations.push(row);
    }

    /// Lets what is won or paid by this change earn nothing until history is asked to: for a change that reads anew what was there before.
    pub const fn let_money_rest(&mut self) {
        self.money_rests = true;
    }

    /// Whether money that this change tells of happens now, and is to be computed.
    #[must_use]
    pub const fn earns(&self) -> bool {
        !self.money_rests && !self.author.origin.is_history()
    }

    /// Notes that a partner's tokens are refused, or are good again, once this is committed.
    pub(crate) fn keep_out(&mut self, partner: PartnerId, out: bool) {
        self.kept_out.push((partner, out));
    }

    /// How many events have been recorded so far.
    #[must_use]
    pub const fn event_count(&self) -> usize {
        self.events.len()
    }

    /// Writes the events, commits, has this process refuse what was revoked, and wakes the workers.
    ///
    /// # Errors
    /// When the database fails; then nothing was written.
    pub async fn commit(self) -> Result<()> {
        let wakes = !self.events.is_empty();
        event::insert(
            &self.transaction,
            &self.database,
            &self.author,
            self.now,
            &self.events,
        )
        .await?;
        self.transaction.commit().await?;
        if !self.revocations.is_empty() {
            self.database.revocations().add(&self.revocations, self.now);
        }
        for (partner, out) in self.kept_out {
            self.database.revocations().keep_out(partner, out);
        }
        if wakes {
            self.database.wake().wake();
        }
        Ok(())
    }

    /// Takes everything back; used by `validateOnly`.
    ///
    /// # Errors
    /// When the database fails; nothing is written then either.
    pub async fn rollback(self) -> Result<()> {
        self.transaction.rollback().await?;
        Ok(())
    }
}
