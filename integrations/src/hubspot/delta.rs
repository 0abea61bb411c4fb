//! What changed since a position: a keyset walk over HubSpot's search.
//!
//! Owns: the rules by which nothing is missed. Refuses: offsets: a search shows at most 10,000 results, so a walk by offset ends in the
//! middle of a large import. Invariant: each page moves the position strictly forward, in time or, inside one time, in id; a page
//! that would not is an error and never a loop.
//!
//! - *Keyset.* Pages ask for `modified >= from`, oldest first. A full page whose last time is later than `from` has shown everything
//!   before that last time, which becomes the next `from`; the records of that very time are read twice, which does no harm.
//! - *Tie.* A full page of one single time says nothing of how many more share it. Then the walk goes by id inside that time
//!   (`modified = at and id > last`), and afterwards on from the next millisecond.
//! - *Lag.* Search sees a change up to [`LAG_MS`] late. So when a walk is done, the mark is not where it ended but HubSpot's time when
//!   it *began*, less the lag: a record that became visible behind the walk is before the next one.
//! - *Look-back.* The next walk begins [`LOOK_BACK_MS`] before the mark, for what was even later. Records read again are the same and
//!   merge to nothing.

use super::{
    API_DATE, HubSpot,
    cursor::Position,
    descriptor::{Object, SEARCH_PAGE},
    map,
    pull::Reading,
    wire::{self, PageFrame},
};
use crate::{
    connector::{Context, Lane, Mode, Next, Page, PageRequest},
    error::{ConnectorError, Result},
};
use serde_json::{json, value::RawValue};
use std::cmp::Ordering;

/// How late a search may show a change.
pub(super) const LAG_MS: i64 = 30_000;
/// How far before the mark the next walk begins: with the lag more than four minutes, for accounts report changes that a search showed three
/// minutes late.
pub(super) const LOOK_BACK_MS: i64 = 240_000;

/// What one search of the walk asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    From(i64),
    Within { at_ms: i64, after_id: String },
}

impl HubSpot {
    pub(super) async fn delta(
        &self,
        ctx: &Context<'_>,
        object: Object,
        request: &PageRequest<'_>,
        position: Option<Position>,
    ) -> Result<Page> {
        let (step, started_ms) = match position {
            None => (Step::From(0), None),
            Some(Position::Rest { mark_ms }) => (
                Step::From(mark_ms.saturating_sub(LOOK_BACK_MS).max(0)),
                None,
            ),
            Some(Position::Changes {
                from_ms,
                started_ms,
            }) => (Step::From(from_ms), Some(started_ms)),
            Some(Position::Tie {
                at_ms,
                last_id,
                started_ms,
            }) => (
                Step::Within {
                    at_ms,
                    after_id: last_id,
                },
                Some(started_ms),
            ),
            Some(_) => return Err(Position::foreign(Mode::Delta)),
        };
        let limit = request
            .page_size
            .unwrap_or(SEARCH_PAGE)
            .clamp(1, SEARCH_PAGE);
        let body = search(object, &step, limit, request.fields);
        let path = format!("/crm/objects/{API_DATE}/{}/search", object.path);
        let answer = self.post(ctx, &path, &body, Lane::Search).await?;
        let now_ms = answer.vendor_now_ms().unwrap_or(request.now_ms);
        let started_ms = started_ms.unwrap_or(now_ms);
        let frame: PageFrame<'_> = wire::read(&answer.body)?;
        let more = frame.after().is_some() || frame.results.len() >= limit as usize;
        let next = advance(object, &step, &frame.results, more, started_ms)?;
        let mut reading = Reading::of(ctx, object, frame.results);
        self.link(ctx, object, &mut reading.records, |_, _| true)
            .await?;
        Ok(reading.page(next))
    }
}

fn search(object: Object, step: &Step, limit: u32, fields: &[String]) -> serde_json::Value {
    let filter = |property: &str, operator: &str, value: &str| json!({"propertyName": property, "operator": operator, "value": value});
    let (filters, sort) = match step {
        Step::From(from) => (
            vec![filter(object.modified, "GTE", &from.to_string())],
            object.modified,
        ),
        Step::Within { at_ms, after_id } => {
            let mut filters = vec![filter(object.modified, "EQ", &at_ms.to_string())];
            if !after_id.is_empty() {
                filters.push(filter("hs_object_id", "GT", after_id));
            }
            (filters, "hs_object_id")
        }
    };
    json!({
        "filterGroups": [{"filters": filters}],
        "sorts": [{"propertyName": sort, "direction": "ASCENDING"}],
        "properties": object.properties(fields),
        "limit": limit,
        "after": "0",
    })
}

/// Where the walk stands after this page.
fn advance(
    object: Object,
    step: &Step,
    results: &[&RawValue],
    more: bool,
    started_ms: i64,
) -> Result<Next> {
    let position = match (step, more) {
        (Step::From(_), false) => {
            return Ok(Next::CaughtUp(
                Position::Rest {
                    mark_ms: started_ms.saturating_sub(LAG_MS),
                }
                .write()?,
            ));
        }
        (Step::From(from_ms), true) => {
            let last = results
                .iter()
                .filter_map(|raw| modified_ms(raw, object))
                .max();
            match last.map(|last| (last.cmp(from_ms), last)) {
                Some((Ordering::Greater, last)) => Position::Changes {
                    from_ms: last,
                    started_ms,
                },
                Some((Ordering::Equal, at_ms)) => Position::Tie {
                    at_ms,
                    last_id: String::new(),
                    started_ms,
                },
                Some((Ordering::Less, _)) | None => {
                    return Err(ConnectorError::schema(
                        "a search answered a full page outside of what was asked for",
                    ));
                }
            }
        }
        (Step::Within { at_ms, .. }, false) => Position::Changes {
            from_ms: at_ms.saturating_add(1),
            started_ms,
        },
        (Step::Within { at_ms, after_id }, true) => {
            let last = results
                .iter()
                .filter_map(|raw| map::id_of(raw))
                .max_by(|one, other| by_number(one, other));
            match last {
                Some(last_id) if by_number(&last_id, after_id) == Ordering::Greater => {
                    Position::Tie {
                        at_ms: *at_ms,
                        last_id,
                        started_ms,
                    }
                }
                _ => {
                    return Err(ConnectorError::schema(
                        "a search by id answered a full page without a later id",
                    ));
                }
            }
        }
    };
    Ok(Next::More(position.write()?))
}

fn modified_ms(raw: &RawValue, object: Object) -> Option<i64> {
    map::modified_of(raw, object)
}

/// Compares two ids as numbers of any length.
fn by_number(one: &str, other: &str) -> Ordering {
    let (one, other) = (one.trim_start_matches('0'), other.trim_start_matches('0'));
    one.len().cmp(&other.len()).then_with(|| one.cmp(other))
}

#[cfg(test)]
mod tests;
