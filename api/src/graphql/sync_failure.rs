//! What the engine has given up, and its revival.
//!
//! Four queues give up rows: records a vendor told of (INBOUND), rows of ours on their way out (OUTBOUND), deliveries that could not be
//! read (DELIVERY), and messages to people (CHAT). They have keys of their own, so a failure's id is a text that names its queue and its key and means something only here.

use super::context::{RequireScope, cost, requires_scope};
use super::edit::{Edit, UserError, id_input, staff};
use super::error::ErrorCode;
use super::page::{DEFAULT_SIZE, MAX_SIZE};
use super::scalar::DateTime;
use async_graphql::connection::PageInfo;
use async_graphql::{Context, Enum, ID, InputObject, Object, Result, SimpleObject};
use entities::connection;
use entities::error::{Error, ViolationCode};
use entities::id::{self, ConnectionId, EventId, InboundWebhookId};
use entities::viewer::Scope;
use entities::visible;
use entities::{chat_message, inbound_signal, inbound_webhook, outbound_push};
use uuid::Uuid;

/// Which way a failed piece of work was going.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum SyncFailureDirection {
    /// A vendor's record that could not be taken over.
    Inbound,
    /// A row of ours that could not be sent.
    Outbound,
    /// A vendor's delivery that could not be read.
    Delivery,
    /// A message that could not be posted, or of which nobody can tell whether it was. To replay one of the latter posts it without looking again:
    /// look in the channel first.
    Chat,
}

/// Something the engine has given up.
#[derive(SimpleObject)]
pub struct SyncFailure {
    /// Names it in `replaySyncFailures`.
    pub id: ID,
    /// Which way it was going.
    pub direction: SyncFailureDirection,
    /// The kind of the vendor's record; null for a message, and for a delivery, which may hold several.
    pub resource: Option<String>,
    /// The vendor's id of the record, where it is one.
    pub external_id: Option<String>,
    /// The id of our row, where it is one; read it with `node`.
    pub subject_id: Option<ID>,
    /// The vendor's id of the channel a message was meant for.
    pub channel: Option<String>,
    /// How often it was tried.
    pub attempts: i32,
    /// Why it failed the last time.
    pub error: Option<String>,
    /// Since when it is being tried.
    pub since: DateTime,
}

/// One of the failures on a page.
#[derive(SimpleObject)]
pub struct SyncFailureEdge {
    /// Where the entry lies in the list.
    pub cursor: String,
    /// The entry.
    pub node: SyncFailure,
}

/// A page of failures.
#[derive(SimpleObject)]
pub struct SyncFailureConnection {
    /// The entries, each with its cursor.
    pub edges: Vec<SyncFailureEdge>,
    /// Where this page lies in the list.
    pub page_info: PageInfo,
}

/// A failure by its queue and key.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Key {
    Inbound(String, String),
    Outbound(Uuid),
    Delivery(InboundWebhookId),
    Chat(EventId),
}

impl Key {
    fn show(&self) -> String {
        match self {
            // No resource holds a colon; a vendor's id may hold anything.
            Self::Inbound(resource, external_id) => format!("in:{resource}:{external_id}"),
            Self::Outbound(subject) => format!("out:{subject}"),
            Self::Delivery(id) => format!("delivery:{id}"),
            Self::Chat(event) => format!("chat:{event}"),
        }
    }

    fn read(text: &str) -> Option<Self> {
        if text.len() > 1_000 || text.contains('\0') {
            return None;
        }
        match text.split_once(':')? {
            ("in", key) => key
                .split_once(':')
                .map(|(resource, id)| Self::Inbound(resource.to_owned(), id.to_owned())),
            ("out", key) => key.parse().ok().map(Self::Outbound),
            ("delivery", key) => key.parse().ok().map(Self::Delivery),
            ("chat", key) => key.parse().ok().map(Self::Chat),
            _ => None,
        }
    }
}

fn inbound(row: inbound_signal::Model) -> SyncFailure {
    let key = Key::Inbound(row.resource.clone(), row.external_id.clone());
    SyncFailure {
        id: key.show().into(),
        direction: SyncFailureDirection::Inbound,
        resource: Some(row.resource),
        external_id: Some(row.external_id),
        subject_id: None,
        channel: None,
        attempts: row.attempts,
        error: row.error,
        since: DateTime(row.first_seen_at),
    }
}

fn outbound(row: outbound_push::Model) -> SyncFailure {
    SyncFailure {
        id: Key::Outbound(row.subject_id).show().into(),
        direction: SyncFailureDirection::Outbound,
        resource: Some(row.resource),
        external_id: None,
        subject_id: Some(id::show(&row.subject_kind, row.subject_id).into()),
        channel: None,
        attempts: row.attempts,
        error: row.error,
        since: DateTime(row.first_seen_at),
    }
}

fn delivery(row: inbound_webhook::Model) -> SyncFailure {
    SyncFailure {
        id: Key::Delivery(row.id).show().into(),
        direction: SyncFailureDirection::Delivery,
        resource: None,
        external_id: None,
        subject_id: None,
        channel: None,
        attempts: row.attempts,
        error: row.error,
        since: DateTime(row.received_at),
    }
}

fn chat(row: chat_message::Model) -> SyncFailure {
    SyncFailure {
        id: Key::Chat(row.event_id).show().into(),
        direction: SyncFailureDirection::Chat,
        resource: None,
        external_id: None,
        subject_id: Some(entities::id::show(&row.subject_kind, row.subject_id).into()),
        channel: Some(row.resource),
        attempts: row.attempts,
        error: row.error,
        since: DateTime(row.first_seen_at),
    }
}

/// Queries about failures.
#[derive(Default)]
pub struct SyncFailureQuery;

#[Object]
impl SyncFailureQuery {
    /// What the engine has given up, one way at a time. A delivery is not split by account, so those of all accounts of the connection's system are
    /// listed.
    #[graphql(guard = "RequireScope(Scope::IntegrationsRead)", directive = requires_scope::apply("integrations:read".to_owned()), directive = cost::apply(1))]
    async fn sync_failures(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Of which connection.")] connection_id: ID,
        #[graphql(desc = "Which way it was going.")] direction: SyncFailureDirection,
        #[graphql(desc = "This many; 20 when nothing is said, 100 at most.")] first: Option<i32>,
        #[graphql(desc = "Only what follows this cursor.")] after: Option<String>,
    ) -> Result<SyncFailureConnection> {
        let request = staff(ctx, Scope::IntegrationsRead)?;
        let size = match first {
            None => DEFAULT_SIZE,
            Some(first) => u64::try_from(first)
                .ok()
                .filter(|size| *size <= MAX_SIZE)
                .ok_or_else(|| {
                    ErrorCode::BadUserInput.error(format!("`first` is between 0 and {MAX_SIZE}."))
                })?,
        };
        let foreign = || ErrorCode::BadUserInput.error("This cursor was not made for this list.");
        let place = match after.as_deref() {
            None => None,
            Some(text) => Some(Key::read(text).ok_or_else(foreign)?),
        };
        let id = connection_id.parse::<ConnectionId>().ok();
        let read = request.database.read();
        let row = match id {
            Some(id) => {
                visible::find_one::<connection::Entity, _>(read, &request.viewer, id.0).await?
            }
            None => None,
        };
        let Some(row) = row else {
            return Err(ErrorCode::BadUserInput.error("There is no such connection."));
        };
        let more = size + 1;
        let mut found: Vec<SyncFailure> = match (direction, place) {
            (SyncFailureDirection::Inbound, place) => {
                let after = match &place {
                    None => None,
                    Some(Key::Inbound(resource, id)) => Some((resource.as_str(), id.as_str())),
                    Some(_) => return Err(foreign()),
                };
                let rows = inbound_signal::list_dead(read, row.id, after, more).await?;
                rows.into_iter().map(inbound).collect()
            }
            (SyncFailureDirection::Outbound, place) => {
                let after = match place {
                    None => None,
                    Some(Key::Outbound(subject)) => Some(subject),
                    Some(_) => return Err(foreign()),
                };
                let rows = outbound_push::list_dead(read, row.id, after, more).await?;
                rows.into_iter().map(outbound).collect()
            }
            (SyncFailureDirection::Delivery, place) => {
                let after = match place {
                    None => None,
                    Some(Key::Delivery(id)) => Some(id),
                    Some(_) => return Err(foreign()),
                };
                let rows = inbound_webhook::list_dead(read, &row.connector, after, more).await?;
                rows.into_iter().map(delivery).collect()
            }
            (SyncFailureDirection::Chat, place) => {
                let after = match place {
                    None => None,
                    Some(Key::Chat(event)) => Some(event),
                    Some(_) => return Err(foreign()),
                };
                let rows = chat_message::list_dead(read, row.id, after, more).await?;
                rows.into_iter().map(chat).collect()
            }
        };
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        let has_next_page = found.len() > size;
        found.truncate(size);
        let edges: Vec<SyncFailureEdge> = found
            .into_iter()
            .map(|node| SyncFailureEdge {
                cursor: node.id.to_string(),
                node,
            })
            .collect();
        let page_info = PageInfo {
            has_previous_page: after.is_some(),
            has_next_page,
            start_cursor: edges.first().map(|edge| edge.cursor.clone()),
            end_cursor: edges.last().map(|edge| edge.cursor.clone()),
        };
        Ok(SyncFailureConnection { edges, page_info })
    }
}

/// What is to be tried again.
#[derive(Debug, InputObject)]
pub struct ReplaySyncFailuresInput {
    /// Of which connection.
    pub connection_id: ID,
    /// Which failures, at most 1,000; all of the connection when nothing is said.
    pub ids: Option<Vec<ID>>,
    /// Where all are meant: only those that were going this way.
    pub direction: Option<SyncFailureDirection>,
    /// True: check everything and write nothing.
    pub validate_only: Option<bool>,
}

/// The answer of replaySyncFailures.
#[derive(SimpleObject)]
pub struct ReplaySyncFailuresPayload {
    /// How many were revived; those that were revived or are gone already do not count. Null when the input was refused.
    pub replayed: Option<u64>,
    /// Why the input was refused; empty on success.
    pub user_errors: Vec<UserError>,
}

const MAX_IDS: usize = 1_000;

async fn replay(edit: &Edit<'_>, input: &ReplaySyncFailuresInput) -> entities::error::Result<u64> {
    let id: ConnectionId = id_input(&input.connection_id, "connectionId")?;
    let found =
        visible::lock_all::<connection::Entity>(&edit.change, &edit.request.viewer, [id.0]).await?;
    let row = found
        .into_iter()
        .next()
        .ok_or_else(|| Error::not_found("connectionId"))?;
    let change = &edit.change;
    let Some(ids) = &input.ids else {
        let wants = |direction| input.direction.is_none_or(|wanted| wanted == direction);
        let mut replayed = 0;
        if wants(SyncFailureDirection::Inbound) {
            replayed += inbound_signal::replay_all(change, id).await?;
        }
        if wants(SyncFailureDirection::Outbound) {
            replayed += outbound_push::replay_all(change, id).await?;
        }
        if wants(SyncFailureDirection::Delivery) {
            replayed += inbound_webhook::replay_all(change, &row.connector).await?;
        }
        if wants(SyncFailureDirection::Chat) {
            replayed += chat_message::replay_all(change, id).await?;
        }
        return Ok(replayed);
    };
    if ids.len() > MAX_IDS {
        return Err(Error::invalid(
            ViolationCode::TooLong,
            "ids",
            format!("At most {MAX_IDS} at a time."),
        ));
    }
    let (mut records, mut subjects) = (Vec::new(), Vec::new());
    let (mut deliveries, mut messages) = (Vec::new(), Vec::new());
    for (index, text) in ids.iter().enumerate() {
        match Key::read(text) {
            Some(Key::Inbound(resource, external_id)) => records.push((resource, external_id)),
            Some(Key::Outbound(subject)) => subjects.push(subject),
            Some(Key::Delivery(id)) => deliveries.push(id),
            Some(Key::Chat(event)) => messages.push(event),
            None => return Err(Error::not_found(format!("ids.{index}"))),
        }
    }
    let deliveries = of_connector(edit, deliveries, &row.connector).await?;
    let records: Vec<(&str, &str)> = records
        .iter()
        .map(|(resource, id)| (resource.as_str(), id.as_str()))
        .collect();
    Ok(inbound_signal::replay(change, id, &records).await?
        + outbound_push::replay(change, id, &subjects).await?
        + inbound_webhook::replay(change, &deliveries).await?
        + chat_message::replay(change, id, &messages).await?)
}

/// Those of these deliveries that came from the connection's system.
async fn of_connector(
    edit: &Edit<'_>,
    ids: Vec<InboundWebhookId>,
    connector: &str,
) -> entities::error::Result<Vec<InboundWebhookId>> {
    let rows = visible::find_all::<inbound_webhook::Entity, _>(
        edit.change.transaction(),
        &edit.request.viewer,
        ids.into_iter().map(|id| id.0),
    )
    .await?;
    let own = rows.into_iter().filter(|row| row.connector == connector);
    Ok(own.map(|row| row.id).collect())
}

/// Reviving what was given up.
#[derive(Default)]
pub struct SyncFailureMutation;

#[Object]
impl SyncFailureMutation {
    /// Lets work that was given up be tried again, with all its attempts: one piece, many, or all of a connection.
    #[graphql(directive = requires_scope::apply("integrations:manage".to_owned()))]
    async fn replay_sync_failures(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What is to be tried again.")] input: ReplaySyncFailuresInput,
    ) -> Result<ReplaySyncFailuresPayload> {
        let edit = Edit::begin(ctx, Scope::IntegrationsManage, input.validate_only).await?;
        let request = edit.request;
        let result = replay(&edit, &input).await;
        let done = edit.finish(result, |_| None).await?;
        request.database.wake().wake();
        Ok(match done {
            Ok(replayed) => ReplaySyncFailuresPayload {
                replayed: Some(replayed),
                user_errors: Vec::new(),
            },
            Err(user_errors) => ReplaySyncFailuresPayload {
                replayed: None,
                user_errors,
            },
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_failures_id_names_its_queue_and_key() {
        let keys = [
            Key::Inbound("deal".to_owned(), "a:b\u{fffd}".to_owned()),
            Key::Outbound(Uuid::from_u128(7)),
            Key::Delivery(InboundWebhookId(Uuid::from_u128(9))),
            Key::Chat(EventId(Uuid::from_u128(11))),
        ];
        for key in keys {
            assert_eq!(Key::read(&key.show()), Some(key));
        }
        for bad in [
            "",
            "in:deal",
            "out:x",
            "delivery:deal_x",
            "chat:deal_x",
            "up:1",
            "in:a:\0",
        ] {
            assert_eq!(Key::read(bad), None, "{bad:?}");
        }
    }
}
