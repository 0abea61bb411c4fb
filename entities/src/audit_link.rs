//! The chain that seals the event log: one link for each event, in the log's own order.
//!
//! Each link's digest covers the digest before it, every field of its event, and a digest of the event's data. Whoever changes, removes, inserts
//! or exchanges events later breaks the chain from there on, and [`verify`] names the first link that does not hold. Nothing in the chain is
//! secret: who can write to the whole database can also compute a whole new chain, or cut off its end. Against that the last link's number and
//! digest are to be kept elsewhere and given to the next verification.
//!
//! **Sealing.** One reader of the log ([`seal`]) follows it up to the horizon, so no event can appear between two that are sealed. The reader's
//! place and the links are one transaction, and the place is held first: whichever process seals, an event is sealed once.
//!
//! **Erasure** ([`redact`]) replaces personal values in an event's data. The digest of what was there stays, for the chain is made of it, but its
//! salt goes, so that nobody can try values against it. What is there now gets a digest of its own, which the event of the erasure lists: so
//! what was redacted is sealed again, and a link that calls itself redacted without being listed is found.
//!
//! **Retention** ([`crate::event_retention`]) lets old events go that are not the audit trail's. Their links stay; an event of the audit trail lists
//! them, with the digests on both sides of each gap.

mod digest;
mod pruned;
mod redact;
mod verify;

use crate::change::{Author, Change, Origin};
use crate::clock::Timestamp;
use crate::database::Database;
use crate::error::{Error, Result};
use crate::event::{self, Position};
use crate::event_reader;
use crate::id::EventId;
use crate::viewer::Viewer;
use crate::visible::{Own, Visible, nothing};
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::{Condition, ExprTrait as _};
use sea_orm::{QueryOrder as _, QuerySelect as _};

pub(crate) use pruned::leaving;
pub(crate) use redact::hold;
pub use redact::{Redacted, erasure_events, redact};
pub use verify::{Anchor, Broken, Report, Why, verify};

/// The name of the chain's reader of the log.
pub const READER: &str = "audit";

/// A link.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "audit_link")]
pub struct Model {
    /// One for the first event of the log, one more for each that follows.
    #[sea_orm(primary_key, auto_increment = false)]
    pub number: i64,
    /// The event it seals.
    pub event_id: EventId,
    /// The event's place in the log.
    pub position: i64,
    /// The event's number.
    pub seq: i64,
    /// What the digest of the event's present data is salted with.
    pub salt: String,
    /// The digest of the event's data as it was sealed.
    pub data_digest: String,
    /// The digest over the link before, the event and its data.
    pub digest: String,
    /// When personal values in the event's data were replaced.
    pub redacted_at: Option<Timestamp>,
}

/// Links refer to events by id, not by foreign keys: that an event is missing is what they are to tell.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Visible for Entity {
    fn visible_to_partner(_: Own) -> Condition {
        nothing()
    }
}

impl Model {
    const fn place(&self) -> Position {
        Position {
            position: self.position,
            seq: self.seq,
        }
    }
}

fn system() -> Viewer {
    Viewer::system(READER)
}

/// A new salt, as text.
fn new_salt(database: &Database) -> String {
    let mut salt = [0_u8; 16];
    database.ids().fill(&mut salt);
    hex::encode(salt)
}

/// The events behind one place and up to another, in the order of the log.
async fn events_between(
    connection: &impl ConnectionTrait,
    after: Position,
    until: Position,
    limit: Option<u64>,
) -> Result<Vec<event::Model>> {
    let place = || {
        Expr::tuple([
            Expr::col(event::Column::Position),
            Expr::col(event::Column::Seq),
        ])
    };
    let of = |place: Position| Expr::tuple([Expr::value(place.position), Expr::value(place.seq)]);
    let select = event::Entity::visible_to(&system())
        .filter(place().gt(of(after)))
        .filter(place().lte(of(until)))
        .order_by_asc(event::Column::Position)
        .order_by_asc(event::Column::Seq)
        .limit(limit);
    Ok(select.all(connection).await?)
}

/// The last link, if there is one.
///
/// # Errors
/// When the database fails.
pub async fn last(connection: &impl ConnectionTrait) -> Result<Option<Model>> {
    let select = Entity::visible_to(&system())
        .order_by_desc(Column::Number)
        .limit(1);
    Ok(select.one(connection).await?)
}

/// Seals the next events of the log, at most so many. The answer says whether there may be more that can be sealed already: a page that was not
/// full is the end of the log for now, and few events that come one after the other are better sealed together.
///
/// # Errors
/// When the chain ends elsewhere than its reader stands, for then somebody has cut it, and to go on would hide where; or when the database
/// fails. Nothing is written then.
pub async fn seal(database: &Database, limit: u64) -> Result<bool> {
    // An idle worker only reads.
    let from = event_reader::place(database.read(), READER)
        .await?
        .unwrap_or_default();
    let heads = event::list_heads_after(database, &system(), Some(from), limit).await?;
    let Some(to) = heads.last().map(Position::from) else {
        return Ok(false);
    };
    let author = Author {
        actor: READER.to_owned(),
        origin: Origin::Api,
        connection: None,
    };
    let change = Change::begin(database, author).await?;
    change.may_be_repeated().await?;
    // From here on nothing is erased. What was erased between looking and here is read as it now is.
    if event_reader::hold(&change, READER).await? != from {
        change.rollback().await?;
        return Ok(true);
    }
    let last = last(change.transaction()).await?;
    let end = last.as_ref().map(Model::place).unwrap_or_default();
    if end != from {
        change.rollback().await?;
        let wrong =
            "the audit chain does not end where its reader stands: see `entente audit verify`";
        return Err(Error::Damaged(wrong.to_owned()));
    }
    let (mut number, mut digest) = last.map_or_else(
        || (0, digest::FIRST.to_owned()),
        |row| (row.number, row.digest),
    );
    let mut links = Vec::with_capacity(heads.len());
    for row in events_between(change.transaction(), from, to, None).await? {
        number += 1;
        let salt = new_salt(database);
        let data_digest = digest::of_data(&salt, &row.data);
        digest = digest::of_link(&digest, number, &row, &data_digest);
        links.push(Model {
            number,
            event_id: row.id,
            position: row.position,
            seq: row.seq,
            salt,
            data_digest,
            digest: digest.clone(),
            redacted_at: None,
        });
    }
    event_reader::advance(&change, READER, Some(from), to).await?;
    crate::write::insert::<Entity>(&change, &links).await?;
    change.commit().await?;
    Ok(heads.len() as u64 >= limit)
}
