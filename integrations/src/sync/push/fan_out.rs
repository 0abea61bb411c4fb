//! From the log to pushes.
//!
//! Owns: which event concerns which connection. Refuses: history (what a first synchronisation or a file brought happened elsewhere), and to send
//! a change back by where it came from. Invariant: the reader's place and the pushes it raised are one transaction, so no event is passed over or
//! taken twice, whichever process reads.

use crate::capability::capabilities;
use crate::connector::Connector;
use crate::record::Resource;
use crate::sync::attribution;
use crate::sync::error::Result;
use crate::sync::run::Engine;
use crate::sync::settle::is_lost;
use entities::change::{Author, Change, Origin};
use entities::connection::mapping::{Mapping, PushMode};
use entities::connection::{self, ConnectionStatus};
use entities::event::{self, EventKind, Position};
use entities::event_reader;
use entities::id::{ConnectionId, ContactId, CustomerId, DealId, PartnerId, TypedId};
use entities::outbound_push::{self, NewPush};
use entities::viewer::Viewer;
use entities::visible::Visible;
use sea_orm::{ColumnTrait, QueryFilter};

/// The reader's name.
const READER: &str = "push";
/// Events of one step.
const EVENTS: u64 = 2_000;

/// What happens to a row and changes nothing that a vendor is told: what people say of a deal; and an erasure, which is not theirs to hear of.
const KEPT_HERE: [&str; 4] = [
    EventKind::ContactErased.as_str(),
    EventKind::DealOwnerErased.as_str(),
    EventKind::DealOutcomeConfirmed.as_str(),
    EventKind::DealOutcomeDisputed.as_str(),
];

/// What a row of ours is at a vendor, by the prefix of its id.
pub(super) fn resource_of(kind: &str) -> Option<(&'static str, Resource)> {
    match kind {
        PartnerId::PREFIX => Some((PartnerId::PREFIX, Resource::Company)),
        CustomerId::PREFIX => Some((CustomerId::PREFIX, Resource::Company)),
        ContactId::PREFIX => Some((ContactId::PREFIX, Resource::Contact)),
        DealId::PREFIX => Some((DealId::PREFIX, Resource::Deal)),
        _ => None,
    }
}

/// What is sent of a resource.
pub(super) const fn mode_of(mapping: &Mapping, resource: Resource) -> PushMode {
    match resource {
        Resource::Company => mapping.company.policy.push,
        Resource::Contact => mapping.contact.policy.push,
        Resource::Deal => mapping.deal.policy.push,
        Resource::Owner | Resource::Pipeline | Resource::AssociationLabel | Resource::Order => {
            PushMode::Off
        }
    }
}

/// Whether a record is put away there when our row is.
pub(super) const fn puts_away(mapping: &Mapping, resource: Resource) -> bool {
    match resource {
        Resource::Company => mapping.company.policy.archive,
        Resource::Contact => mapping.contact.policy.archive,
        Resource::Deal => mapping.deal.policy.archive,
        Resource::Owner | Resource::Pipeline | Resource::AssociationLabel | Resource::Order => {
            false
        }
    }
}

/// What is sent of a resource by a connection as it stands: what its owner granted counts too.
pub(super) fn allowed(
    connector: &dyn Connector,
    row: &connection::Model,
    resource: Resource,
) -> PushMode {
    let writable = capabilities(connector, &row.granted_scopes.0)
        .iter()
        .any(|capability| capability.resource == resource && capability.write);
    if writable {
        mode_of(&row.mapping, resource)
    } else {
        PushMode::Off
    }
}

/// A connection that wants to hear of changes.
struct Receiver {
    id: ConnectionId,
    wants: Vec<Resource>,
}

impl Engine {
    /// Follows the event log for a while and raises pushes. The answer says whether there was anything to read.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn fan_out(&self) -> Result<bool> {
        let database = self.database();
        let from = event_reader::place(database.read(), READER).await?;
        let system = Viewer::system("push");
        let events = event::list_heads_after(database, &system, from, EVENTS).await?;
        let Some(last) = events.last() else {
            return Ok(false);
        };
        let to = Position::from(last);
        let receivers = self.receivers().await?;
        let mut raised = Vec::new();
        for event in events.iter().filter(|event| !event.origin.is_history()) {
            let Some((subject_kind, resource)) = resource_of(&event.subject_kind) else {
                continue;
            };
            // What the engine itself reports about a row changes nothing of it.
            if event.kind.starts_with("sync.") || KEPT_HERE.contains(&event.kind.as_str()) {
                continue;
            }
            let concerned = receivers.iter().filter(|receiver| {
                event.connection_id != Some(receiver.id) && receiver.wants.contains(&resource)
            });
            raised.extend(concerned.map(|receiver| NewPush {
                connection_id: receiver.id,
                subject_kind,
                subject_id: event.subject_id,
                resource: resource.as_str(),
            }));
        }
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
        outbound_push::raise(&change, raised).await?;
        // Whoever comes, comes: also by a first synchronisation.
        attribution::look(&change, &events).await?;
        change.commit().await?;
        Ok(true)
    }

    /// The connections that want to hear of changes. One that may not be called for a while keeps its pushes until it may.
    async fn receivers(&self) -> Result<Vec<Receiver>> {
        let rows = connection::Entity::visible_to(&Viewer::system("push"))
            .filter(connection::Column::Status.is_in([
                ConnectionStatus::Active,
                ConnectionStatus::Degraded,
                ConnectionStatus::ReauthRequired,
                ConnectionStatus::Paused,
            ]))
            .all(self.database().read())
            .await
            .map_err(entities::error::Error::from)?;
        let mut receivers = Vec::with_capacity(rows.len());
        for row in rows {
            let Ok(connector) = self.keeper().connector(&row.connector) else {
                continue;
            };
            let resources = [Resource::Company, Resource::Contact, Resource::Deal];
            let wants = resources
                .into_iter()
                .filter(|resource| allowed(connector.as_ref(), &row, *resource) > PushMode::Off);
            receivers.push(Receiver {
                id: row.id,
                wants: wants.collect(),
            });
        }
        Ok(receivers)
    }
}
