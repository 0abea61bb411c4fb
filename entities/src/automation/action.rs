//! What an automation does.
//!
//! Owns: where it speaks. Refuses: a chat to whoever may not manage connections, a person who does not sign in here, and an endpoint of a partner's.
//! Mail goes to people who sign in, by their rows: no address is kept, an erased person is not written to, and nobody outside can be written to.

use crate::change::Change;
use crate::connection;
use crate::error::{Result, ViolationCode, Violations};
use crate::id::{ConnectionId, UserId, WebhookEndpointId};
use crate::user;
use crate::viewer::{Scope, Viewer};
use crate::visible;
use crate::webhook_endpoint;
use sea_orm::FromJsonQueryResult;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The most people that are written to.
const MOST_PEOPLE: usize = 20;
/// The most characters of a heading or a subject line.
const LONGEST_TITLE: usize = 500;
/// The most characters of a text.
const LONGEST_TEXT: usize = 8_000;
/// The most characters of a channel's id.
const LONGEST_CHANNEL: usize = 100;

/// What is done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, FromJsonQueryResult)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum Action {
    /// A message is posted in a chat.
    Chat {
        /// The chat's connection.
        connection: Uuid,
        /// The vendor's id of the channel.
        channel: String,
        /// The template of the heading.
        title: String,
        /// The template of the text.
        text: String,
    },
    /// A message is mailed.
    Mail {
        /// To whom.
        users: Vec<Uuid>,
        /// The template of the subject line.
        subject: String,
        /// The template of the text.
        text: String,
    },
    /// A webhook endpoint is told of the event.
    Webhook {
        /// Which.
        endpoint: Uuid,
    },
}

impl Action {
    /// Its templates, each with the field of the input that holds it.
    #[must_use]
    pub fn templates(&self) -> Vec<(&'static str, &str)> {
        match self {
            Self::Chat { title, text, .. } => {
                vec![("action.chat.title", title), ("action.chat.text", text)]
            }
            Self::Mail { subject, text, .. } => {
                vec![("action.mail.subject", subject), ("action.mail.text", text)]
            }
            Self::Webhook { .. } => Vec::new(),
        }
    }

    /// Whether the viewer may do this itself.
    #[must_use]
    pub fn is_allowed_to(&self, viewer: &Viewer) -> bool {
        match self {
            Self::Chat { .. } => viewer.may(Scope::IntegrationsManage),
            Self::Mail { .. } | Self::Webhook { .. } => true,
        }
    }

    /// Adds what is wrong with it.
    pub(super) async fn check(
        &self,
        change: &Change,
        viewer: &Viewer,
        violations: &mut Violations,
    ) -> Result<()> {
        let read = change.transaction();
        for (field, template) in self.templates() {
            let is_text = field.ends_with("text");
            let most = if is_text { LONGEST_TEXT } else { LONGEST_TITLE };
            if is_text {
                violations.optional_text(field, Some(template), most);
            } else {
                violations.text(field, template, most);
            }
        }
        match self {
            Self::Chat {
                connection: id,
                channel,
                ..
            } => {
                violations.line("action.chat.channel", channel, LONGEST_CHANNEL);
                if !self.is_allowed_to(viewer) {
                    let message = "It takes the scope integrations:manage to post in a chat.";
                    violations.add(ViolationCode::Invalid, "action.chat", message);
                }
                let found = visible::find_one::<connection::Entity, _>(read, viewer, *id).await?;
                if found.is_none() {
                    let message = "No such connection.";
                    violations.add(ViolationCode::NotFound, "action.chat.connectionId", message);
                }
            }
            Self::Mail { users, .. } => {
                let field = "action.mail.userIds";
                if users.is_empty() || users.len() > MOST_PEOPLE {
                    let message = format!("Between 1 and {MOST_PEOPLE} people.");
                    violations.add(ViolationCode::Invalid, field, message);
                    return Ok(());
                }
                let ids = users.iter().copied();
                let found = visible::find_all::<user::Entity, _>(read, viewer, ids).await?;
                for (index, id) in users.iter().enumerate() {
                    let known = found.iter().find(|row| row.id.0 == *id);
                    if !known.is_some_and(user::Model::is_active) {
                        let message = "No such person who signs in here.";
                        let field = format!("{field}.{index}");
                        violations.add(ViolationCode::NotFound, field, message);
                    }
                }
            }
            Self::Webhook { endpoint } => {
                let found =
                    visible::find_one::<webhook_endpoint::Entity, _>(read, viewer, *endpoint)
                        .await?;
                // A partner's endpoint is told what the partner asked to be told.
                if found.is_none_or(|row| row.partner_id.is_some()) {
                    let message = "No such endpoint of the programme's own.";
                    let field = "action.webhook.endpointId";
                    violations.add(ViolationCode::NotFound, field, message);
                }
            }
        }
        Ok(())
    }

    /// The chat it speaks in.
    #[must_use]
    pub const fn chat(&self) -> Option<ConnectionId> {
        match self {
            Self::Chat { connection, .. } => Some(ConnectionId(*connection)),
            _ => None,
        }
    }

    /// Whom it writes to.
    #[must_use]
    pub fn users(&self) -> Vec<UserId> {
        match self {
            Self::Mail { users, .. } => users.iter().copied().map(UserId).collect(),
            _ => Vec::new(),
        }
    }

    /// The endpoint it calls.
    #[must_use]
    pub const fn endpoint(&self) -> Option<WebhookEndpointId> {
        match self {
            Self::Webhook { endpoint } => Some(WebhookEndpointId(*endpoint)),
            _ => None,
        }
    }
}
