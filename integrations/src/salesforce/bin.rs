//! What is in the bin.
//!
//! Owns: the walk over deleted records that Salesforce still shows, some fifteen days of them. Refuses: to call a record deleted that went into another
//! one: its row is inherited. Invariant: as everywhere, pages go on after the last (time of change, id).
//!
//! What was deleted for good, or fell out of the bin, shows only in the log of deletions, which a walk over changes reads ([`super::changes`]).

use super::{
    Salesforce,
    call::Bin,
    changes::onward,
    cursor::{Position, place},
    descriptor::Object,
    everything::limit,
    soql::Place,
};
use crate::{
    connector::{Context, Mode, Next, Page, PageRequest},
    error::Result,
    record::Resource,
};

impl Salesforce {
    pub(super) async fn bin(
        &self,
        ctx: &Context<'_>,
        object: Object,
        request: &PageRequest<'_>,
        position: Option<Position>,
    ) -> Result<Page> {
        let after = match position {
            None | Some(Position::Done {}) => Place::before(0),
            Some(Position::Bin { at_ms, last_id }) => place(at_ms, last_id),
            Some(_) => return Err(Position::foreign(Mode::Archived)),
        };
        let done = Next::CaughtUp(Position::Done {}.write()?);
        // Users are never deleted, and have no such flag.
        if object.resource == Resource::Owner {
            return Ok(super::map::Reading::default().page(done));
        }
        let limit = limit(request);
        let mut read = self
            .read_some(ctx, object, request.fields, Bin::Shown, |query| {
                query
                    .filter("IsDeleted = true".to_owned())
                    .after(&after)
                    .limit(limit)
            })
            .await?;
        if read.done && read.count < limit {
            return Ok(read.reading.page(done));
        }
        let last = onward(&after, read.reading.last.take())?;
        let next = Position::Bin {
            at_ms: last.at_ms,
            last_id: last.id,
        };
        Ok(read.reading.page(Next::More(next.write()?)))
    }
}
