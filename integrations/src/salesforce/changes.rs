//! What changed since a position: records, then their ties, then what was deleted.
//!
//! Owns: the rules by which nothing is missed. Refuses: the time of the last edit by a person ([`super::soql::STAMP`] says why), Salesforce's marks of a
//! next page, and offsets. Invariant: each page moves the position strictly forward; a page that would not is an error and never a loop.
//!
//! - *Keyset.* Pages go on after the last (time of change, id) that was read, so that a crowd of records with one time, as an import leaves it, is walked
//!   by id. A page that holds less than was asked for is no end unless Salesforce says so.
//! - *Lag and look-back.* A row becomes visible when its transaction ends, which may be minutes after the time it carries. When a walk is done, the mark
//!   is not where it ended but Salesforce's time when it *began*, less a lag; and the next walk begins [`LOOK_BACK_MS`] before that. Records read
//!   again are the same and merge to nothing.
//! - *Ties.* A partner that is tied to a deal, or cut from it, leaves the deal's own time alone. The ties have a time of their own, also when deleted.
//! - *Deletions* are a log of their own, kept for some fifteen days and cleaned before that in a busy account. It says how far it reaches both ways: where
//!   it begins after our position, something may have been missed, and the walk begins anew.

use super::{
    Salesforce,
    call::{Bin, is_unknown_field, is_unknown_object},
    cursor::{Position, place},
    descriptor::{Object, PARTNERS},
    everything::{limit, rest},
    id,
    map::{self, Reading},
    moment,
    partners::ASKED_AT_ONCE,
    row::value,
    shape::{Selection, Shape},
    soql::{Place, Query, STAMP},
    wire::{self, DeletedBody, QueryFrame},
};
use crate::{
    connector::{Context, Mode, Next, Page, PageRequest},
    error::{ConnectorError, Result},
    record::{Record, Resource},
};
use std::collections::{BTreeMap, BTreeSet};

/// How far before the mark the next walk begins.
pub(super) const LOOK_BACK_MS: i64 = 600_000;
/// The log of deletions is read no more often than this: it counts in minutes.
const DELETIONS_EVERY_MS: i64 = 120_000;
/// The log of deletions does not reach further back.
const LOG_REACH_MS: i64 = 15 * 24 * 3_600_000 - 3_600_000;
/// A span of the log with too many deletions is halved down to this.
const SHORTEST_SPAN_MS: i64 = 600_000;
const MINUTE_MS: i64 = 60_000;

/// Where a walk over changes stands.
struct Walk {
    place: Place,
    from_ms: i64,
    started_ms: Option<i64>,
    deleted_ms: Option<i64>,
}

impl Salesforce {
    pub(super) async fn changes(
        &self,
        ctx: &Context<'_>,
        object: Object,
        request: &PageRequest<'_>,
        position: Option<Position>,
    ) -> Result<Page> {
        let walk = match position {
            None => Walk {
                place: Place::before(0),
                from_ms: 0,
                started_ms: None,
                deleted_ms: None,
            },
            Some(Position::Rest {
                mark_ms,
                deleted_ms,
            }) => {
                let from_ms = mark_ms.saturating_sub(LOOK_BACK_MS).max(0);
                Walk {
                    place: Place::before(from_ms),
                    from_ms,
                    started_ms: None,
                    deleted_ms: Some(deleted_ms),
                }
            }
            Some(Position::Changes {
                at_ms,
                last_id,
                from_ms,
                started_ms,
                deleted_ms,
            }) => Walk {
                place: place(at_ms, last_id),
                from_ms,
                started_ms: Some(started_ms),
                deleted_ms: Some(deleted_ms),
            },
            Some(Position::Ties {
                at_ms,
                last_id,
                started_ms,
                deleted_ms,
            }) => {
                let after = place(at_ms, last_id);
                return self
                    .changed_ties(ctx, object, request, (after, started_ms, deleted_ms))
                    .await;
            }
            Some(Position::Gone {
                started_ms,
                deleted_ms,
            }) => {
                return self
                    .deletions(ctx, object, request, (started_ms, deleted_ms))
                    .await;
            }
            Some(_) => return Err(Position::foreign(Mode::Delta)),
        };
        self.changed_records(ctx, object, request, walk).await
    }

    async fn changed_records(
        &self,
        ctx: &Context<'_>,
        object: Object,
        request: &PageRequest<'_>,
        walk: Walk,
    ) -> Result<Page> {
        let limit = limit(request);
        let asked = self
            .ask(ctx, object, request.fields, Bin::Hidden, |query| {
                query.after(&walk.place).limit(limit)
            })
            .await?;
        let started_ms = walk
            .started_ms
            .or_else(|| asked.answer.vendor_now_ms())
            .unwrap_or(request.now_ms);
        let deleted_ms = walk.deleted_ms.unwrap_or(started_ms);
        let mut read = super::pull::read(ctx, object, &asked)?;
        let next = if read.done && read.count < limit {
            // A first reading has just read all ties with their deals.
            let ties = object.resource == Resource::Deal && walk.from_ms > 0;
            if ties {
                Next::More(
                    Position::Ties {
                        at_ms: walk.from_ms,
                        last_id: String::new(),
                        started_ms,
                        deleted_ms,
                    }
                    .write()?,
                )
            } else {
                after_changes(object, started_ms, deleted_ms)?
            }
        } else {
            let last = onward(&walk.place, read.reading.last.take())?;
            Next::More(
                Position::Changes {
                    at_ms: last.at_ms,
                    last_id: last.id,
                    from_ms: walk.from_ms,
                    started_ms,
                    deleted_ms,
                }
                .write()?,
            )
        };
        self.tie(ctx, &mut read.reading.records).await?;
        Ok(read.reading.page(next))
    }

    /// The deals whose partners changed.
    async fn changed_ties(
        &self,
        ctx: &Context<'_>,
        object: Object,
        request: &PageRequest<'_>,
        (after, started_ms, deleted_ms): (Place, i64, i64),
    ) -> Result<Page> {
        if object.resource != Resource::Deal {
            return Err(Position::foreign(Mode::Delta));
        }
        let limit = limit(request).min(ASKED_AT_ONCE);
        let columns = ["Id", "OpportunityId", STAMP].map(str::to_owned);
        let soql = Query::new(&columns, PARTNERS)
            .after(&after)
            .limit(limit)
            .text();
        let answer = match self.query(ctx, Bin::Shown, &soql).await {
            // Without the right to read them there is nothing to follow.
            Err(error) if is_unknown_object(&error) || is_unknown_field(&error) => {
                let next = after_changes(object, started_ms, deleted_ms)?;
                return Ok(Reading::default().page(next));
            }
            other => other?,
        };
        let frame: QueryFrame<'_> = wire::read(&answer.body)?;
        let count = frame.records.len();
        let (mut deals, mut last) = (BTreeSet::new(), None);
        for raw in frame.records {
            let row = super::row::of_json(&Shape::default(), &Selection::none(), raw)
                .map_err(|flaw| ConnectorError::schema(format!("a tie cannot be read: {flaw}")))?;
            deals.extend(value(&row, "OpportunityId").and_then(id::long));
            let read = value(&row, STAMP).and_then(moment::millis);
            if let (Some(at_ms), Some(id)) = (read, value(&row, "Id").and_then(id::long)) {
                last = Some(Place { at_ms, id });
            }
        }
        let next = if frame.done && count < limit {
            after_changes(object, started_ms, deleted_ms)?
        } else {
            let last = onward(&after, last)?;
            Next::More(
                Position::Ties {
                    at_ms: last.at_ms,
                    last_id: last.id,
                    started_ms,
                    deleted_ms,
                }
                .write()?,
            )
        };
        let ids: Vec<&str> = deals.iter().map(String::as_str).collect();
        let mut reading = self
            .read_ids(ctx, object, request.fields, Bin::Hidden, &ids)
            .await?;
        self.tie(ctx, &mut reading.records).await?;
        Ok(reading.page(next))
    }

    /// What was deleted since.
    async fn deletions(
        &self,
        ctx: &Context<'_>,
        object: Object,
        request: &PageRequest<'_>,
        (started_ms, deleted_ms): (i64, i64),
    ) -> Result<Page> {
        if started_ms <= deleted_ms {
            return Ok(Reading::default().page(at_rest(started_ms, deleted_ms)?));
        }
        let start_ms = deleted_ms.saturating_sub(deleted_ms.rem_euclid(MINUTE_MS));
        if started_ms.saturating_sub(start_ms) > LOG_REACH_MS {
            return Err(gap("it was last read more than two weeks ago"));
        }
        let mut end_ms = started_ms;
        let log = loop {
            match self.log(ctx, object, start_ms, end_ms).await {
                Err(error) if is_too_many(&error) && end_ms - start_ms > SHORTEST_SPAN_MS => {
                    end_ms = start_ms + (end_ms - start_ms) / 2;
                }
                other => break other?,
            }
        };
        let time = |text: &str| {
            moment::millis(text).ok_or_else(|| {
                ConnectorError::schema("the log of deletions holds a time that is none")
            })
        };
        if time(&log.earliest_date_available)? > start_ms {
            return Err(gap("it has been cleaned since it was last read"));
        }
        let covered_ms = time(&log.latest_date_covered)?.min(end_ms).max(deleted_ms);
        let mut gone: BTreeMap<String, i64> = BTreeMap::new();
        for deleted in &log.deleted_records {
            let Some(id) = id::long(&deleted.id) else {
                return Err(ConnectorError::schema(
                    "the log of deletions holds an id that is none",
                ));
            };
            gone.insert(id, time(&deleted.deleted_date)?);
        }
        let next = if end_ms < started_ms && covered_ms > deleted_ms {
            Next::More(
                Position::Gone {
                    started_ms,
                    deleted_ms: covered_ms,
                }
                .write()?,
            )
        } else {
            at_rest(started_ms, covered_ms)?
        };
        let reading = self.gone(ctx, object, request, gone).await?;
        Ok(reading.page(next))
    }

    async fn log(
        &self,
        ctx: &Context<'_>,
        object: Object,
        start_ms: i64,
        end_ms: i64,
    ) -> Result<DeletedBody> {
        let (start, end) = (moment::literal(start_ms), moment::literal(end_ms));
        let path = format!("sobjects/{}/deleted/", object.name);
        let query = [("start", start.as_str()), ("end", &end)];
        let answer = self.get(ctx, &path, &query).await?;
        wire::read(&answer.body)
    }

    /// The records that the log names: put away as far as the bin still shows them, and as nothing but gone where it does not.
    async fn gone(
        &self,
        ctx: &Context<'_>,
        object: Object,
        request: &PageRequest<'_>,
        mut gone: BTreeMap<String, i64>,
    ) -> Result<Reading> {
        if gone.is_empty() {
            return Ok(Reading::default());
        }
        let ids: Vec<String> = gone.keys().cloned().collect();
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        let mut reading = self
            .read_ids(ctx, object, request.fields, Bin::Shown, &ids)
            .await?;
        for record in &mut reading.records {
            let deleted_ms = gone.remove(&record.external_id);
            // One that was brought back since is there.
            if let Some(at_ms) = deleted_ms.filter(|_| record.archived) {
                record.updated_at_ms = record.updated_at_ms.max(at_ms);
            }
        }
        for merged in &reading.merged {
            gone.remove(&merged.from);
        }
        for id in reading
            .malformed
            .iter()
            .filter_map(|bad| bad.external_id.as_ref())
        {
            gone.remove(id);
        }
        let unread = gone.into_iter();
        let stubs: Vec<Record> = unread
            .map(|(id, at_ms)| map::gone(object, id, at_ms))
            .collect();
        reading.records.extend(stubs);
        self.tie(ctx, &mut reading.records).await?;
        Ok(reading)
    }
}

/// The furthest place of a page that is not the last one. It must lie behind the place from which the page was asked for.
pub(super) fn onward(before: &Place, last: Option<Place>) -> Result<Place> {
    last.filter(|last| {
        last.at_ms > before.at_ms || (last.at_ms == before.at_ms && last.id != before.id)
    })
    .ok_or_else(|| {
        ConnectorError::schema("a list in the order of change goes on without a later record")
    })
}

/// What follows once all changes are read.
fn after_changes(object: Object, started_ms: i64, deleted_ms: i64) -> Result<Next> {
    // Users are never deleted.
    let has_log = object.resource != Resource::Owner;
    if has_log && started_ms.saturating_sub(deleted_ms) >= DELETIONS_EVERY_MS {
        let position = Position::Gone {
            started_ms,
            deleted_ms,
        };
        return Ok(Next::More(position.write()?));
    }
    at_rest(started_ms, deleted_ms)
}

fn at_rest(started_ms: i64, deleted_ms: i64) -> Result<Next> {
    let Position::Rest { mark_ms, .. } = rest(started_ms) else {
        return Err(ConnectorError::permanent("cursor", "a walk without an end"));
    };
    Ok(Next::CaughtUp(
        Position::Rest {
            mark_ms,
            deleted_ms,
        }
        .write()?,
    ))
}

fn gap(why: &str) -> ConnectorError {
    ConnectorError::CursorExpired {
        message: format!("the log of deletions has a gap: {why}"),
    }
}

/// Whether a span holds more deletions than can be answered at once.
fn is_too_many(error: &ConnectorError) -> bool {
    matches!(error, ConnectorError::Permanent { code, .. } if code == "EXCEEDED_ID_LIMIT" || code == "answer_too_large")
}
