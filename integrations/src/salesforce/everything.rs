//! Everything that is there.
//!
//! Owns: the choice between a bulk job and plain queries, and the latter. Refuses: to give up because bulk jobs are not allowed: some editions and
//! profiles have none, and queries bring the same. Invariant: both ways end with the same position, from before they began.
//!
//! A bulk job waits in Salesforce's own line, seldom less than ten seconds and sometimes minutes, and takes four calls or more. An account of a few
//! pages is read by queries before such a job has started; so the records are counted first, which is one call.

use super::{
    Salesforce,
    call::Bin,
    cursor::Position,
    descriptor::{Object, PAGE},
    wire::{self, QueryFrame},
};
use crate::{
    connector::{Context, Mode, Next, Page, PageRequest},
    error::{ConnectorError, Result},
};

/// Below this many records queries are quicker than a job.
const FEW: u64 = 2_000;

/// How late Salesforce may show a change: what a long transaction wrote carries the time of the writing, not that of its end.
pub(super) const LAG_MS: i64 = 60_000;

/// How many records a page may hold.
pub(super) fn limit(request: &PageRequest<'_>) -> usize {
    request
        .page_size
        .map_or(PAGE, |size| size as usize)
        .clamp(1, PAGE)
}

/// Where the first delta begins after a reading of everything that began then.
pub(super) fn rest(started_ms: i64) -> Position {
    Position::Rest {
        mark_ms: started_ms.saturating_sub(LAG_MS),
        deleted_ms: started_ms.saturating_sub(LAG_MS),
    }
}

impl Salesforce {
    /// One page of everything.
    pub(super) async fn everything(
        &self,
        ctx: &Context<'_>,
        object: Object,
        request: &PageRequest<'_>,
        position: Option<Position>,
    ) -> Result<Page> {
        match position {
            None => self.begin(ctx, object, request).await,
            Some(Position::All {
                last_id,
                started_ms,
            }) => self.all(ctx, object, request, (last_id, started_ms)).await,
            Some(Position::Bulk {
                job,
                locator,
                started_ms,
            }) => {
                self.bulk(ctx, object, request, (job, locator, started_ms))
                    .await
            }
            Some(_) => Err(Position::foreign(Mode::Backfill)),
        }
    }

    async fn begin(
        &self,
        ctx: &Context<'_>,
        object: Object,
        request: &PageRequest<'_>,
    ) -> Result<Page> {
        let soql = format!("SELECT COUNT() FROM {}", object.name);
        let answer = self.query(ctx, Bin::Hidden, &soql).await?;
        let started_ms = answer.vendor_now_ms().unwrap_or(request.now_ms);
        let count = wire::read::<QueryFrame<'_>>(&answer.body)?.total_size;
        if count >= FEW {
            match self.start_job(ctx, object, request.fields).await {
                Ok(job) => {
                    let position = Position::Bulk {
                        job,
                        locator: None,
                        started_ms,
                    };
                    return Self::waiting(&position, 0);
                }
                Err(
                    error @ (ConnectorError::Permanent { .. } | ConnectorError::NotFound { .. }),
                ) => {
                    tracing::info!(object = object.name, count, %error, "no bulk job; the records are read by queries");
                }
                Err(error) => return Err(error),
            }
        }
        self.all(ctx, object, request, (String::new(), started_ms))
            .await
    }

    /// One page in the order of ids.
    async fn all(
        &self,
        ctx: &Context<'_>,
        object: Object,
        request: &PageRequest<'_>,
        (last_id, started_ms): (String, i64),
    ) -> Result<Page> {
        let limit = limit(request);
        let mut read = self
            .read_some(ctx, object, request.fields, Bin::Hidden, |query| {
                query.after_id(&last_id).limit(limit)
            })
            .await?;
        let next = if read.done && read.count < limit {
            Next::CaughtUp(rest(started_ms).write()?)
        } else {
            let furthest = read.reading.last_id.take().filter(|id| *id != last_id);
            let Some(last_id) = furthest else {
                return Err(ConnectorError::schema(
                    "a list in the order of ids goes on without a later id",
                ));
            };
            Next::More(
                Position::All {
                    last_id,
                    started_ms,
                }
                .write()?,
            )
        };
        self.tie(ctx, &mut read.reading.records).await?;
        Ok(read.reading.page(next))
    }
}
