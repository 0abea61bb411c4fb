//! What can be listened to: the event log, one deal, the progress of one connection.
//!
//! Each stream checks for every value what the viewer may see. That the token still holds is the door's matter, see `crate::http::graphql::streams`.

use super::context::{RequestContext, RequireScope, request, requires_scope, state};
use super::deal::Deal;
use super::edit::id_input;
use super::error::ErrorCode;
use super::event::{Event, EventEdge, read_cursor, read_kind, still_whole};
use super::siblings::Member;
use super::sync_run::SyncRun;
use crate::state::feed::{Listener, Wanted};
use async_graphql::{Context, ID, InputObject, Result, Subscription};
use entities::event::Position;
use entities::id::{ConnectionId, DealId};
use entities::viewer::Scope;
use entities::visible;
use entities::{connection, deal, sync_run};
use futures::Stream;
use futures::stream;
use std::time::Duration;

/// How often a connection's progress is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// Which events.
#[derive(Clone, Debug, Default, InputObject)]
pub struct EventsFilter {
    /// Only events of these types.
    pub types: Option<Vec<String>>,
    /// Only events about this row.
    pub subject_id: Option<ID>,
}

impl EventsFilter {
    fn wanted(self) -> Result<Wanted> {
        let kinds = self.types.unwrap_or_default();
        for kind in &kinds {
            read_kind(kind)?;
        }
        let subject = match self.subject_id {
            Some(id) => {
                let (_, uuid) = entities::id::parse_any(&id)
                    .map_err(|_| ErrorCode::BadUserInput.error("This is no id."))?;
                Some(uuid)
            }
            None => None,
        };
        Ok(Wanted { kinds, subject })
    }
}

/// What can be listened to.
#[derive(Default)]
pub struct SubscriptionRoot;

/// What can be listened to.
#[Subscription(name = "Subscription")]
impl SubscriptionRoot {
    /// What happens, in the order of the log. With `after`, what happened since then comes first, without a gap; without it, hearing begins a moment after
    /// the subscription was taken.
    #[graphql(guard = "RequireScope(Scope::EventsRead)", directive = requires_scope::apply("events:read".to_owned()))]
    async fn events(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which events.")] filter: Option<EventsFilter>,
        #[graphql(desc = "The cursor of the last event that was heard or read.")] after: Option<
            String,
        >,
    ) -> Result<impl Stream<Item = Result<EventEdge>> + use<>> {
        let request = request(ctx)?.clone();
        let place = after.as_deref().map(read_cursor).transpose()?;
        still_whole(&request, place).await?;
        let wanted = filter.unwrap_or_default().wanted()?;
        let listener = listen(ctx, &request, place, wanted).await?;
        let internal = request.viewer.sees_internal();
        Ok(stream::unfold(Some(listener), move |listener| async move {
            let mut listener = listener?;
            match listener.next().await {
                Ok(None) => None,
                Ok(Some(row)) => {
                    let edge = Event::edge(Member::single(row), internal);
                    Some((Ok(edge), Some(listener)))
                }
                Err(error) => Some((Err(error.into()), None)),
            }
        }))
    }

    /// A deal, each time something has happened to it; first as it is now.
    #[graphql(guard = "RequireScope(Scope::DealsRead)", directive = requires_scope::apply("deals:read".to_owned()))]
    async fn deal_changed(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which deal.")] id: ID,
    ) -> Result<impl Stream<Item = Result<Deal>> + use<>> {
        let request = request(ctx)?.clone();
        let id: DealId = id_input(&id, "id").map_err(|_| no_such("deal"))?;
        let wanted = Wanted {
            subject: Some(id.0),
            ..Wanted::default()
        };
        let listener = listen(ctx, &request, None, wanted).await?;
        if find_deal(&request, id).await?.is_none() {
            return Err(no_such("deal"));
        }
        let begin = Some((listener, true));
        Ok(stream::unfold(begin, move |at| {
            let request = request.clone();
            async move {
                let (mut listener, is_first) = at?;
                if !is_first {
                    match listener.next().await {
                        Ok(Some(_)) => {}
                        Ok(None) => return None,
                        Err(error) => return Some((Err(error.into()), None)),
                    }
                }
                match find_deal(&request, id).await {
                    Ok(Some(deal)) => Some((Ok(deal), Some((listener, false)))),
                    // It may not be seen any more.
                    Ok(None) => None,
                    Err(error) => Some((Err(error), None)),
                }
            }
        }))
    }

    /// The latest run of a connection, each time it has got further; first as it is now.
    #[graphql(guard = "RequireScope(Scope::IntegrationsRead)", directive = requires_scope::apply("integrations:read".to_owned()))]
    async fn sync_progress(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which connection.")] connection_id: ID,
    ) -> Result<impl Stream<Item = Result<SyncRun>> + use<>> {
        let request = request(ctx)?.clone();
        let id: ConnectionId =
            id_input(&connection_id, "connectionId").map_err(|_| no_such("connection"))?;
        let (database, viewer) = (&request.database, &request.viewer);
        let found = visible::find_one::<connection::Entity, _>(database.read(), viewer, id.0);
        if found.await?.is_none() {
            return Err(no_such("connection"));
        }
        let last: Option<sync_run::Model> = None;
        Ok(stream::unfold(Some(last), move |last| {
            let request = request.clone();
            async move {
                let last = last?;
                loop {
                    let latest =
                        sync_run::latest(request.database.read(), &request.viewer, id).await;
                    match latest {
                        Ok(Some(row)) if last.as_ref() != Some(&row) => {
                            let run = SyncRun(Member::single(row.clone()));
                            return Some((Ok(run), Some(Some(row))));
                        }
                        Ok(_) => tokio::time::sleep(LOOK).await,
                        Err(error) => return Some((Err(error.into()), None)),
                    }
                }
            }
        }))
    }
}

fn no_such(what: &str) -> async_graphql::Error {
    ErrorCode::NotFound.error(format!("There is no such {what} that you may see."))
}

async fn listen(
    ctx: &Context<'_>,
    request: &RequestContext,
    place: Option<Position>,
    wanted: Wanted,
) -> Result<Listener> {
    let viewer = request.viewer.clone();
    Ok(state(ctx)?.feed.listen(viewer, place, wanted).await?)
}

async fn find_deal(request: &RequestContext, id: DealId) -> Result<Option<Deal>> {
    let connection = request.database.read();
    let found = visible::find_one::<deal::Entity, _>(connection, &request.viewer, id.0).await?;
    Ok(found.map(|row| Deal(Member::single(row))))
}
