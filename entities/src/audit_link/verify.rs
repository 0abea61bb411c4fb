//! Walking the chain from its beginning, beside the log.
//!
//! Owns: what a sound chain is. Refuses: to trust anything a link says that the log does not bear out. It reads in pages and keeps only what was
//! redacted in memory. Work goes on meanwhile; an erasure that comes between two pages can look like a broken link, so what does not hold is
//! looked at a second time from the beginning, and only what does not hold then either is told.

use super::pruned::{self, Stretch};
use super::{Column, Entity, Model, READER, digest, events_between, redact, system};
use crate::database::Database;
use crate::error::Result;
use crate::event::{self, EventKind, Position};
use crate::event_reader;
use crate::id::EventId;
use crate::visible::Visible;
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::ExprTrait as _;
use sea_orm::{QueryOrder as _, QuerySelect as _};
use std::collections::BTreeMap;

/// A link that was noted elsewhere: that it is still there proves that the chain was neither made anew nor cut before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Anchor {
    /// Its number.
    pub number: i64,
    /// Its digest.
    pub digest: String,
}

impl std::fmt::Display for Anchor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.number, self.digest)
    }
}

impl std::str::FromStr for Anchor {
    type Err = NoAnchor;

    fn from_str(text: &str) -> std::result::Result<Self, NoAnchor> {
        let (number, digest) = text.trim().split_once(':').ok_or(NoAnchor)?;
        let is_digest = digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit());
        let number: i64 = number.parse().map_err(|_| NoAnchor)?;
        if number < 1 || !is_digest {
            return Err(NoAnchor);
        }
        Ok(Self {
            number,
            digest: digest.to_ascii_lowercase(),
        })
    }
}

/// A text that names no link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a link is written as its number, a colon and its digest of 64 hexadecimal digits")]
pub struct NoAnchor;

/// A chain that holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// How many events are sealed.
    pub sealed: i64,
    /// How many of them were redacted by erasures.
    pub redacted: usize,
    /// How many of them have left the log since, as it says itself.
    pub pruned: i64,
    /// How many events wait to be sealed.
    pub waiting: u64,
    /// The last link; none when nothing is sealed yet.
    pub head: Option<Anchor>,
}

/// The first link that does not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("link {number} of the audit chain does not hold: {why}")]
pub struct Broken {
    /// Its number.
    pub number: i64,
    /// What is wrong with it.
    pub why: Why,
}

/// What can be wrong with a link.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Why {
    /// A number is left out.
    #[error("it is missing, and later ones are there")]
    Missing,
    /// It does not stand where the log's order puts it.
    #[error("its event {0} does not stand behind the one before it in the log")]
    OutOfOrder(EventId),
    /// The event is not where it was sealed.
    #[error("its event {0} is gone from its place in the log")]
    EventGone(EventId),
    /// The event has left the log, and how it was sealed is not what was said when it left.
    #[error("its event {0} is not as an event log.pruned lists it")]
    NotPruned(EventId),
    /// There is an event that was not there when its neighbours were sealed.
    #[error("the event {0} stands before its event and was never sealed")]
    EventInserted(EventId),
    /// The data is not what was sealed.
    #[error("the data of its event {0} was changed")]
    DataChanged(EventId),
    /// The event or the link is not what was sealed.
    #[error("its event {0}, or the link itself, was changed")]
    EventChanged(EventId),
    /// It says that it was redacted, and no erasure in the chain lists what is there.
    #[error("it calls itself redacted, and no event person.erased lists it with its present data")]
    NotErased,
    /// An erasure lists it, and it says that it was not redacted.
    #[error("an event person.erased lists it, and its data is not the redacted one")]
    NotRedacted,
    /// Links behind it were there and are gone.
    #[error("links behind it are gone: more of the log had been sealed")]
    CutOff,
    /// It is not the link that was noted elsewhere.
    #[error("it is not the one that was noted as {0}")]
    NotTheAnchor(Anchor),
}

/// Verifies the whole chain, reading this many links at a time.
///
/// # Errors
/// When the database fails. A chain that does not hold is an answer.
pub async fn verify(
    database: &Database,
    anchor: Option<&Anchor>,
    page: u64,
) -> Result<std::result::Result<Report, Broken>> {
    let page = Ord::max(page, 1);
    match walk(database, anchor, page).await? {
        Err(_) => walk(database, anchor, page).await,
        sound => Ok(sound),
    }
}

async fn walk(
    database: &Database,
    anchor: Option<&Anchor>,
    page: u64,
) -> Result<std::result::Result<Report, Broken>> {
    // Links appear together with their reader's place: what stands here now must be sealed when the end is reached.
    let least = event_reader::place(database.read(), READER)
        .await?
        .unwrap_or_default();
    let mut walker = Walker::new(anchor, pruned::listed(database).await?);
    loop {
        let links = Entity::visible_to(&system())
            .filter(Column::Number.gt(walker.number))
            .order_by_asc(Column::Number)
            .limit(page)
            .all(database.read())
            .await?;
        let Some(last) = links.last() else {
            break;
        };
        let most = links.len() as u64 + 1;
        let events =
            events_between(database.read(), walker.place, last.place(), Some(most)).await?;
        if let Err(broken) = walker.page(&links, &events) {
            return Ok(Err(broken));
        }
    }
    if least > Position::default() && walker.place < least {
        return Ok(Err(walker.broken(Why::CutOff)));
    }
    let behind = behind(walker.place);
    let erasures = behind
        .clone()
        .filter(event::Column::Kind.eq(EventKind::PersonErased.as_str()))
        .order_by_asc(event::Column::Position)
        .order_by_asc(event::Column::Seq)
        .all(database.read())
        .await?;
    let waiting = behind.count(database.read()).await?;
    for event in &erasures {
        walker.listed.extend(redact::listed(event));
    }
    Ok(walker.finish(waiting))
}

/// The events behind a place.
fn behind(place: Position) -> sea_orm::Select<event::Entity> {
    let own = Expr::tuple([
        Expr::col(event::Column::Position),
        Expr::col(event::Column::Seq),
    ]);
    let place = Expr::tuple([Expr::value(place.position), Expr::value(place.seq)]);
    event::Entity::visible_to(&system()).filter(own.gt(place))
}

/// Before every place: also events that were put in front of the first are looked at.
const BEGINNING: Position = Position {
    position: i64::MIN,
    seq: i64::MIN,
};

/// How far the walk has come.
struct Walker<'a> {
    anchor: Option<&'a Anchor>,
    anchored: bool,
    number: i64,
    place: Position,
    digest: String,
    /// The links that call themselves redacted, with the digest of what is there.
    redacted: BTreeMap<i64, String>,
    /// The links that erasures list; a later erasure of the same event has the last word.
    listed: BTreeMap<i64, String>,
    /// The stretches of links whose events have left the log, by their first numbers.
    pruned: BTreeMap<i64, Stretch>,
    /// How many links those were so far.
    gone: i64,
}

impl<'a> Walker<'a> {
    fn new(anchor: Option<&'a Anchor>, pruned: BTreeMap<i64, Stretch>) -> Self {
        Self {
            anchor,
            anchored: false,
            number: 0,
            place: BEGINNING,
            digest: digest::FIRST.to_owned(),
            redacted: BTreeMap::new(),
            listed: BTreeMap::new(),
            pruned,
            gone: 0,
        }
    }

    const fn broken(&self, why: Why) -> Broken {
        Broken {
            number: self.number,
            why,
        }
    }

    /// Holds a page of links against the events of their stretch of the log.
    fn page(
        &mut self,
        links: &[Model],
        events: &[event::Model],
    ) -> std::result::Result<(), Broken> {
        let mut events = events.iter().peekable();
        for link in links {
            self.number += 1;
            if link.number != self.number {
                return Err(self.broken(Why::Missing));
            }
            if link.place() <= self.place {
                return Err(self.broken(Why::OutOfOrder(link.event_id)));
            }
            let here =
                events.next_if(|event| !self.is_pruned() || Position::from(*event) <= link.place());
            match here {
                Some(event) if self.is_pruned() => {
                    let was_let_go = event.id == link.event_id;
                    return Err(self.broken(if was_let_go {
                        Why::NotPruned(link.event_id)
                    } else {
                        Why::EventInserted(event.id)
                    }));
                }
                Some(event) => self.link(link, event)?,
                None if self.is_pruned() => self.gap(link)?,
                None => return Err(self.broken(Why::EventGone(link.event_id))),
            }
            self.pass(link)?;
        }
        match events.next() {
            None => Ok(()),
            Some(event) => Err(self.broken(Why::EventInserted(event.id))),
        }
    }

    fn link(&mut self, link: &Model, event: &event::Model) -> std::result::Result<(), Broken> {
        let place = Position::from(event);
        if place < link.place() {
            return Err(self.broken(Why::EventInserted(event.id)));
        }
        if place > link.place() {
            return Err(self.broken(Why::EventGone(link.event_id)));
        }
        let present = digest::of_data(&link.salt, &event.data);
        // The salt is not part of the chain. What is wrong with the event shows in the digest of the link, what is wrong with its data only here.
        let digest = digest::of_link(&self.digest, link.number, event, &link.data_digest);
        if event.id != link.event_id || digest != link.digest {
            return Err(self.broken(Why::EventChanged(link.event_id)));
        }
        if link.redacted_at.is_some() {
            self.redacted.insert(link.number, present);
        } else if present != link.data_digest {
            return Err(self.broken(Why::DataChanged(link.event_id)));
        }
        self.listed.extend(redact::listed(event));
        Ok(())
    }

    /// The stretch of links without events that the present number lies in.
    fn stretch(&self) -> Option<&Stretch> {
        let (_, stretch) = self.pruned.range(..=self.number).next_back()?;
        (self.number <= stretch.to).then_some(stretch)
    }

    fn is_pruned(&self) -> bool {
        self.stretch().is_some()
    }

    /// A link whose event has left: at both ends of its stretch the digests are those that were listed.
    fn gap(&mut self, link: &Model) -> std::result::Result<(), Broken> {
        let sound = self.stretch().is_some_and(|stretch| {
            (self.number != stretch.from || self.digest == stretch.before)
                && (self.number != stretch.to || link.digest == stretch.after)
        });
        if !sound {
            return Err(self.broken(Why::NotPruned(link.event_id)));
        }
        self.gone += 1;
        Ok(())
    }

    /// Goes on behind a link that holds.
    fn pass(&mut self, link: &Model) -> std::result::Result<(), Broken> {
        self.place = link.place();
        self.digest.clone_from(&link.digest);
        if let Some(anchor) = self.anchor.filter(|anchor| anchor.number == link.number) {
            if anchor.digest != link.digest {
                return Err(self.broken(Why::NotTheAnchor(anchor.clone())));
            }
            self.anchored = true;
        }
        Ok(())
    }

    fn finish(self, waiting: u64) -> std::result::Result<Report, Broken> {
        let numbers = self.redacted.keys().chain(self.listed.keys());
        let mut numbers: Vec<i64> = numbers.copied().collect();
        numbers.sort_unstable();
        let has_left = |number: i64| {
            let before = self.pruned.range(..=number).next_back();
            before.is_some_and(|(_, stretch)| number <= stretch.to)
        };
        for number in numbers {
            if has_left(number) {
                continue;
            }
            let why = match (self.redacted.get(&number), self.listed.get(&number)) {
                (Some(present), Some(listed)) if present == listed => continue,
                (Some(_), _) => Why::NotErased,
                (None, _) => Why::NotRedacted,
            };
            return Err(Broken { number, why });
        }
        if let Some(anchor) = self.anchor.filter(|_| !self.anchored) {
            return Err(self.broken(Why::NotTheAnchor(anchor.clone())));
        }
        let head = (self.number > 0).then_some(Anchor {
            number: self.number,
            digest: self.digest,
        });
        Ok(Report {
            sealed: self.number,
            redacted: self.redacted.len(),
            pruned: self.gone,
            waiting,
            head,
        })
    }
}
