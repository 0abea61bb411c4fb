//! The log as auditors read it, newest first. For administrators and auditors of the programme only, whatever scopes others have.

use super::context::{RequestContext, RequireScope, cost, request, requires_scope};
use super::error::ErrorCode;
use super::event::{EventConnection, read_cursor, read_kind, read_size};
use super::filter::DateTimeFilter;
use async_graphql::{Context, ID, InputObject, Object, Result};
use entities::audit_trail::{self, TrailFilter};
use entities::clock::Timestamp;
use entities::id;
use entities::viewer::Scope;

/// Which entries of the audit trail.
#[derive(Clone, Debug, Default, InputObject)]
pub struct AuditTrailFilter {
    /// By who did it: a token's subject, or the part of the system that acts.
    pub actor: Option<String>,
    /// By what happened: event types such as `session.refused`, at most 100.
    pub kinds: Option<Vec<String>>,
    /// True: only who came in, who was refused, and who may do what.
    pub about_access: Option<bool>,
    /// By the row it is about.
    pub subject_id: Option<ID>,
    /// By when it happened.
    pub occurred_at: Option<DateTimeFilter>,
}

/// The most event types of a filter.
const MAX_KINDS: usize = 100;

impl AuditTrailFilter {
    /// The filter; none when nothing can pass it.
    fn read(self) -> Result<Option<TrailFilter>> {
        if self
            .kinds
            .as_ref()
            .is_some_and(|kinds| kinds.len() > MAX_KINDS)
        {
            return Err(
                ErrorCode::BadUserInput.error(format!("At most {MAX_KINDS} values in a filter."))
            );
        }
        let kinds = self
            .kinds
            .map(|kinds| kinds.iter().map(|kind| read_kind(kind)).collect())
            .transpose()?;
        // An id that is none is the id of no row, and no text with NUL is in any.
        let subject = match self.subject_id {
            None => None,
            Some(id) => match id::parse_any(&id) {
                Ok(subject) if !subject.0.contains('\0') => Some(subject),
                _ => return Ok(None),
            },
        };
        if self
            .actor
            .as_ref()
            .is_some_and(|actor| actor.contains('\0'))
        {
            return Ok(None);
        }
        let (from, until) = bounds(&self.occurred_at.unwrap_or_default());
        Ok(Some(TrailFilter {
            actor: self.actor,
            kinds,
            about_access: self.about_access.unwrap_or(false),
            subject,
            from,
            until,
        }))
    }
}

/// A stretch of time as "at or after" and "before": instants are whole microseconds.
fn bounds(filter: &DateTimeFilter) -> (Option<Timestamp>, Option<Timestamp>) {
    let next = |at: Timestamp| Timestamp::from_micros(at.micros().saturating_add(1));
    let from = [
        filter.gte.as_ref().map(|at| at.0),
        filter.gt.as_ref().map(|at| next(at.0)),
    ];
    let until = [
        filter.lt.as_ref().map(|at| at.0),
        filter.lte.as_ref().map(|at| next(at.0)),
    ];
    (
        from.into_iter().flatten().max(),
        until.into_iter().flatten().min(),
    )
}

fn auditor<'a>(ctx: &Context<'a>) -> Result<&'a RequestContext> {
    let request = request(ctx)?;
    if request.viewer.sees_audit() {
        Ok(request)
    } else {
        Err(ErrorCode::Forbidden.error("This is for the programme's administrators and auditors."))
    }
}

/// Queries of auditors.
#[derive(Default)]
pub struct AuditQuery;

#[Object]
impl AuditQuery {
    /// Everything that happened, newest first: who did it, to what, and what changed. For administrators and auditors.
    #[graphql(guard = "RequireScope(Scope::EventsRead)", directive = requires_scope::apply("events:read".to_owned()), directive = cost::apply(1))]
    async fn audit_trail(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which entries.")] filter: Option<AuditTrailFilter>,
        #[graphql(desc = "This many; 20 when nothing is said, 100 at most.")] first: Option<i32>,
        #[graphql(desc = "Only what is older than this cursor's event.")] after: Option<String>,
    ) -> Result<EventConnection> {
        let request = auditor(ctx)?;
        let size = read_size(first)?;
        let behind = after.as_deref().map(read_cursor).transpose()?;
        let rows = match filter.unwrap_or_default().read()? {
            None => Vec::new(),
            Some(filter) => {
                audit_trail::list(&request.database, &request.viewer, filter, behind, size + 1)
                    .await?
            }
        };
        Ok(EventConnection::of(rows, size, after, true))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graphql::scalar::DateTime;

    #[test]
    fn every_spelling_of_a_stretch_of_time_is_the_same_stretch() {
        let at = |micros| Some(DateTime(Timestamp::from_micros(micros)));
        let closed = DateTimeFilter {
            gte: at(5),
            lte: at(8),
            ..DateTimeFilter::default()
        };
        let open = DateTimeFilter {
            gt: at(4),
            lt: at(9),
            ..DateTimeFilter::default()
        };
        assert_eq!(bounds(&closed), bounds(&open));
        let both = DateTimeFilter {
            gte: at(1),
            gt: at(4),
            lte: at(100),
            lt: at(9),
        };
        assert_eq!(bounds(&both), bounds(&open));
        assert_eq!(bounds(&DateTimeFilter::default()), (None, None));
    }
}
