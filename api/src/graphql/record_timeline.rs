//! "Why is this record not here, or like this?", in the API; gathered by [`integrations::timeline`].

use super::context::{RequireScope, requires_scope};
use super::edit::staff;
use super::error::ErrorCode;
use super::scalar::DateTime;
use async_graphql::{Context, Enum, ID, Json, Object, Result, SimpleObject};
use entities::id::{self, ConnectionId};
use entities::viewer::Scope;
use integrations::timeline::{self, Asked};

/// What kind of thing is known of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "timeline::EntryKind")]
pub enum RecordTimelineKind {
    /// The tie between a vendor's record and ours.
    Link,
    /// A vendor's record waits to be looked at, or was given up.
    Inbound,
    /// A row of ours waits to be sent, or was given up.
    Outbound,
    /// A record it names has not come.
    Awaiting,
    /// A run named it.
    Issue,
    /// Both sides changed it.
    Conflict,
    /// It changed here.
    Event,
}

/// One thing that is known of a record.
#[derive(SimpleObject)]
pub struct RecordTimelineEntry {
    /// When.
    pub at: DateTime,
    /// What kind of thing.
    pub kind: RecordTimelineKind,
    /// In a sentence.
    pub summary: String,
    /// The facts, without the record's values.
    pub detail: Json<serde_json::Value>,
    /// The id of the connection it came by.
    pub connection_id: Option<ID>,
}

/// Everything that is known of a record.
#[derive(SimpleObject)]
pub struct RecordTimeline {
    /// What is known, oldest first.
    pub entries: Vec<RecordTimelineEntry>,
    /// Why nothing is known; null when something is.
    pub because: Option<String>,
}

/// Queries about single records.
#[derive(Default)]
pub struct RecordTimelineQuery;

#[Object]
impl RecordTimelineQuery {
    /// What is known of one record, in order of time: its ties, what waits, what runs and conflicts said of it, and what happened to it here. Ask by our
    /// id, or by a connection and the vendor's id.
    #[graphql(guard = "RequireScope(Scope::IntegrationsRead)", directive = requires_scope::apply("integrations:read".to_owned()))]
    async fn record_timeline(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The id of our row.")] id: Option<ID>,
        #[graphql(desc = "The connection of the vendor's record.")] connection_id: Option<ID>,
        #[graphql(desc = "The vendor's id of the record.")] external_id: Option<String>,
    ) -> Result<RecordTimeline> {
        let request = staff(ctx, Scope::IntegrationsRead)?;
        let asked = match (id, connection_id, external_id) {
            (Some(id), None, None) => id::parse_any(&id)
                .map(|(kind, id)| Asked::Row { kind, id })
                .map_err(|_| "This is no id.".to_owned()),
            (None, Some(connection), Some(external_id)) => connection
                .parse::<ConnectionId>()
                .map(|connection| Asked::Record {
                    connection,
                    // Neither database holds such a character, so no record has it.
                    external_id: external_id.replace('\0', ""),
                })
                .map_err(|_| "There is no such connection.".to_owned()),
            _ => {
                return Err(ErrorCode::BadUserInput
                    .error("Name either `id`, or `connectionId` and `externalId`."));
            }
        };
        let known = match asked {
            Ok(asked) => timeline::read(&request.database, &asked).await?,
            Err(because) => timeline::Timeline {
                entries: Vec::new(),
                because: Some(because),
            },
        };
        let entries = known
            .entries
            .into_iter()
            .map(|entry| RecordTimelineEntry {
                at: DateTime(entry.at),
                kind: entry.kind.into(),
                summary: entry.summary,
                detail: Json(entry.detail),
                connection_id: entry.connection.map(|id| id.to_string().into()),
            })
            .collect();
        Ok(RecordTimeline {
            entries,
            because: known.because,
        })
    }
}
