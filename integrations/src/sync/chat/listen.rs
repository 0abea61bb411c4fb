//! From the log to messages.
//!
//! Owns: which event concerns which chat, and in which channel. Refuses: history, and what happened before the chat was connected. Invariant: the
//! reader's place and the messages it raised are one transaction, so no event is passed over or told twice, whichever process reads.

use crate::sync::error::Result;
use crate::sync::run::Engine;
use crate::sync::settle::is_lost;
use entities::change::{Author, Change, Origin};
use entities::chat_message::{self, NewChatMessage};
use entities::connection::mapping::chat::ChatMapping;
use entities::connection::{self, ConnectionStatus};
use entities::deal_confirmation;
use entities::deal_partner;
use entities::deal_registration;
use entities::error::Error as EntityError;
use entities::event::{self, EventKind, Head, Position};
use entities::event_reader;
use entities::id::{ConnectionId, DealId, DealRegistrationId, PartnerId, TypedId as _};
use entities::viewer::Viewer;
use entities::visible::{self, Visible};
use sea_orm::{ColumnTrait, QueryFilter};
use std::collections::{BTreeSet, HashMap};
use uuid::Uuid;

/// The reader's name.
const READER: &str = "chat";
/// Events of one step.
const EVENTS: u64 = 2_000;
/// A reader that begins does so this long before the first chat was connected, in milliseconds: transactions end in another order than they begin.
const MARGIN_MS: i64 = 3_600_000;

/// What happened so long before a consent was given anew is still told, in milliseconds: nobody had read it yet.
const LATE_MS: i64 = 600_000;

/// A chat that wants to hear of deals or registrations.
struct Listener {
    id: ConnectionId,
    since: entities::clock::Timestamp,
    mapping: ChatMapping,
}

impl Listener {
    fn wants(&self, event: &Head) -> bool {
        let kind = match event.kind.as_str() {
            kind if kind == EventKind::DealWon.as_str() => self.mapping.deal_won,
            kind if kind == EventKind::DealLost.as_str() => self.mapping.deal_lost,
            kind if kind == EventKind::RegistrationSubmitted.as_str() => self.mapping.registrations,
            _ => false,
        };
        kind && event.occurred_at >= self.since
    }
}

impl Engine {
    /// Follows the event log for a while and raises messages. The answer says whether there was anything to read.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn listen(&self) -> Result<bool> {
        let database = self.database();
        let chats = self.chats().await?;
        // Without a chat there is nobody to follow the log for; the place to begin at is found when there is one.
        let Some(first) = chats.iter().map(|row| row.created_at).min() else {
            return Ok(false);
        };
        let from = event_reader::place(database.read(), READER).await?;
        let system = Viewer::system("chat");
        let begin = match from {
            Some(place) => Some(place),
            None => event::place_before(database, first.plus_millis(-MARGIN_MS)).await?,
        };
        let events = event::list_heads_after(database, &system, begin, EVENTS).await?;
        let Some(last) = events.last() else {
            return Ok(false);
        };
        let to = Position::from(last);
        let listeners: Vec<Listener> = chats.into_iter().filter_map(listener).collect();
        let news: Vec<&Head> = events
            .iter()
            .filter(|event| !event.origin.is_history())
            .collect();
        let reopened: BTreeSet<DealId> = news
            .iter()
            .filter(|event| event.kind == EventKind::DealReopened.as_str())
            .map(|event| DealId(event.subject_id))
            .collect();
        let told = |event: &&Head| listeners.iter().any(|listener| listener.wants(event));
        let about = |kind: &str| -> BTreeSet<Uuid> {
            let told = news.iter().copied().filter(told);
            let told = told.filter(|event| event.subject_kind == kind);
            told.map(|event| event.subject_id).collect()
        };
        let deals = about(DealId::PREFIX);
        let registrations = about(DealRegistrationId::PREFIX);
        let author = Author {
            actor: "sync".to_owned(),
            origin: Origin::Sync,
            connection: None,
        };
        let change = Change::begin(database, author).await?;
        match event_reader::advance(&change, READER, from, to)
            .await
            .map_err(Into::into)
        {
            // Another process has read them.
            Err(error) if is_lost(&error) => {
                change.rollback().await?;
                return Ok(true);
            }
            other => other?,
        }
        let mut partners = partners(&change, &deals).await?;
        partners.extend(claimants(&change, registrations).await?);
        let mut raised = Vec::new();
        for event in news {
            let concerned = partners
                .get(&event.subject_id)
                .map_or(&[][..], Vec::as_slice);
            let kind = if event.subject_kind == DealRegistrationId::PREFIX {
                DealRegistrationId::PREFIX
            } else {
                DealId::PREFIX
            };
            let wanting = listeners.iter().filter(|listener| listener.wants(event));
            raised.extend(wanting.filter_map(|listener| {
                let channel = listener.mapping.channel_for(concerned)?;
                Some(NewChatMessage {
                    connection_id: listener.id,
                    event_id: event.id,
                    subject: (kind, event.subject_id),
                    channel: channel.to_owned(),
                })
            }));
        }
        chat_message::raise(&change, raised).await?;
        let reopened: Vec<DealId> = reopened.into_iter().collect();
        deal_confirmation::supersede(&change, &reopened).await?;
        change.commit().await?;
        Ok(true)
    }

    /// The chats that are connected. One that may not be called for a while keeps its messages until it may.
    async fn chats(&self) -> Result<Vec<connection::Model>> {
        let registry = self.keeper().registry();
        let chats: Vec<&str> = registry
            .iter()
            .filter(|connector| connector.notify().is_some())
            .map(|connector| connector.descriptor().id)
            .collect();
        if chats.is_empty() {
            return Ok(Vec::new());
        }
        let rows = connection::Entity::visible_to(&Viewer::system("chat"))
            .filter(connection::Column::Connector.is_in(chats))
            .filter(connection::Column::Status.is_in([
                ConnectionStatus::Active,
                ConnectionStatus::Degraded,
                ConnectionStatus::ReauthRequired,
                ConnectionStatus::Paused,
            ]))
            .all(self.database().read())
            .await
            .map_err(EntityError::from)?;
        Ok(rows)
    }
}

fn listener(row: connection::Model) -> Option<Listener> {
    // Connected again after it had been disconnected, what happened meanwhile is not news any more.
    let consent = row.authorized_at.map(|at| at.plus_millis(-LATE_MS));
    let since = consent.map_or(row.created_at, |at| at.max(row.created_at));
    let mapping = row.mapping.chat;
    (mapping.deal_won || mapping.deal_lost || mapping.registrations).then_some(Listener {
        id: row.id,
        since,
        mapping,
    })
}

/// Who shares in these deals, the largest share first.
async fn partners(
    change: &Change,
    deals: &BTreeSet<Uuid>,
) -> Result<HashMap<Uuid, Vec<PartnerId>>> {
    let mut partners: HashMap<Uuid, Vec<PartnerId>> = HashMap::new();
    if deals.is_empty() {
        return Ok(partners);
    }
    let mut rows = deal_partner::Entity::visible_to(&Viewer::system("chat"))
        .filter(deal_partner::Column::DealId.is_in(deals.iter().copied()))
        .all(change.transaction())
        .await
        .map_err(EntityError::from)?;
    rows.sort_by_key(|row| {
        let earns = row.role.earns();
        (!earns, std::cmp::Reverse(row.weight_bp.points()), row.id)
    });
    for row in rows {
        let of_deal = partners.entry(row.deal_id.0).or_default();
        if !of_deal.contains(&row.partner_id) {
            of_deal.push(row.partner_id);
        }
    }
    Ok(partners)
}

/// Whose these registrations are.
async fn claimants(
    change: &Change,
    registrations: BTreeSet<Uuid>,
) -> Result<HashMap<Uuid, Vec<PartnerId>>> {
    let system = Viewer::system("chat");
    let rows = visible::find_all::<deal_registration::Entity, _>(
        change.transaction(),
        &system,
        registrations,
    )
    .await?;
    let of = |row: deal_registration::Model| (row.id.0, vec![row.partner_id]);
    Ok(rows.into_iter().map(of).collect())
}
