//! What changed since a position.
//!
//! Owns: the rules by which nothing is missed. Refuses: positions by time alone: many records may share one second, so inside a walk Shopify's own
//! mark is followed, which holds the time and the id of the last record. Invariant: a walk's mark is Shopify's time when the walk *began*,
//! less the lag, and never passes it.
//!
//! A record that changes while the walk goes on moves to its end and is read there again. The index that is searched follows the records by
//! seconds, so the next walk begins [`LOOK_BACK_MS`] before the mark; what is read again is the same and merges to nothing.

use super::{Shopify, bulk, cursor::Position, descriptor::Object, pull::Listing};
use crate::{
    connector::{Context, Mode, Next, Page, PageRequest},
    error::Result,
};
use entities::clock::Timestamp;

/// How late the index may show a change.
pub(super) const LAG_MS: i64 = 60_000;
/// How far before the mark the next walk begins, for what was even later.
pub(super) const LOOK_BACK_MS: i64 = 240_000;

impl Shopify {
    /// One page of what changed.
    pub(super) async fn delta(
        &self,
        ctx: &Context<'_>,
        object: &'static Object,
        request: &PageRequest<'_>,
        position: Option<Position>,
    ) -> Result<Page> {
        let (from_ms, after, walk) = match position {
            None => (0, None, None),
            Some(Position::Rest { mark_ms }) => (mark_ms.saturating_sub(LOOK_BACK_MS), None, None),
            Some(Position::Changes {
                from_ms,
                after,
                frame,
            }) => (from_ms, Some(after), Some(frame)),
            Some(_) => return Err(Position::foreign(Mode::Delta)),
        };
        let listing = Listing {
            after: after.as_deref(),
            filter: Some(changed_since(from_ms)),
            sort: "UPDATED_AT",
            walk,
        };
        let listed = self.list(ctx, object, request, listing).await?;
        let next = match listed.after {
            Some(after) => Next::More(
                Position::Changes {
                    from_ms,
                    after,
                    frame: listed.walk,
                }
                .write()?,
            ),
            None => Next::CaughtUp(bulk::rest(&listed.walk)?),
        };
        Ok(listed.reading.page(next))
    }
}

/// The filter for what changed at or after a time, to the whole second before it: Shopify keeps no more.
fn changed_since(at_ms: i64) -> String {
    let second = Timestamp::from_millis(at_ms.max(0).div_euclid(1000).saturating_mul(1000));
    format!("updated_at:>='{}'", second.to_rfc3339())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_filter_begins_at_the_second() {
        assert_eq!(
            changed_since(1_793_527_200_999),
            "updated_at:>='2026-11-01T10:00:00Z'"
        );
        assert_eq!(changed_since(-5), "updated_at:>='1970-01-01T00:00:00Z'");
    }
}
