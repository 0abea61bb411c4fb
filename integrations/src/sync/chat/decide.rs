//! Deciding registrations by the buttons below their messages.
//!
//! Owns: the way from a press to a decision. Refuses: presses below what was never told there, and everybody whose account is not tied to a person who may
//! decide at that moment. Invariants: a press is verified by the connector before it comes here, as every press is; the decision and the note of its
//! press are one transaction, and the same press twice is one; what is refused leaves nothing but that note. Whatever became of it, the message says so.

use super::registration::{Submission, submission};
use super::{APPROVE, REJECT};
use crate::connector::ChatAction;
use crate::record::is_sound_id;
use crate::sync::error::Result;
use crate::sync::run::Engine;
use entities::change::{Author, Change, Origin};
use entities::chat_message::{self, NewChatMessage};
use entities::chat_post;
use entities::chat_user;
use entities::clock::Timestamp;
use entities::connection::{self, ConnectionStatus};
use entities::deal_registration::{self, Decision};
use entities::error::Error as EntityError;
use entities::id::{ConnectionId, DealRegistrationId, EventId, TypedId as _, UserId};
use entities::registration_press::{self, PressOutcome, Wish};
use entities::viewer::{Scope, Viewer};
use entities::visible;

/// What a partner is told of a refusal by a button, which takes no words.
const REASON: &str = "The registration was not accepted. Your partner manager can tell you more.";

/// A press of a registration's button that was made by us.
struct Press<'a> {
    connection: ConnectionId,
    event: EventId,
    wish: Wish,
    action: &'a ChatAction,
}

impl Engine {
    /// Decides what people decided in a chat. Each press is done by itself, and once.
    pub(in crate::sync) async fn decide_pressed(
        &self,
        connector: &str,
        actions: &[ChatAction],
    ) -> Result<()> {
        for action in actions {
            let wish = match action.action.as_str() {
                APPROVE => Wish::Approve,
                REJECT => Wish::Reject,
                _ => continue,
            };
            let read = self.database().read();
            let found = connection::find_by_tenant(read, connector, &action.tenant_id).await?;
            let Some(row) = found.filter(|row| row.status != ConnectionStatus::Revoked) else {
                continue;
            };
            let parts = [
                &action.dedupe,
                &action.user_id,
                &action.channel,
                &action.message,
            ];
            let sound = parts.into_iter().all(|text| is_sound_id(text));
            let Some(event) = action.value.parse::<EventId>().ok().filter(|_| sound) else {
                tracing::warn!(connection = %row.id, "a button was pressed that we did not make");
                continue;
            };
            let press = Press {
                connection: row.id,
                event,
                wish,
                action,
            };
            self.pressed(&press).await?;
        }
        Ok(())
    }

    async fn pressed(&self, press: &Press<'_>) -> Result<()> {
        let read = self.database().read();
        let Some(told) = submission(read, press.event).await? else {
            return Ok(());
        };
        let post = chat_post::find(read, press.connection, press.event).await?;
        let waiting = chat_message::list_about(read, told.row.id.0).await?;
        let waits = waiting.iter().any(|message| {
            message.connection_id == press.connection && message.event_id == press.event
        });
        if post.is_none() && !waits {
            tracing::warn!(connection = %press.connection, event = %press.event, "a button was pressed below what was never told there");
            return Ok(());
        }
        let account = &press.action.user_id;
        let person = chat_user::viewer_of(read, press.connection, account).await?;
        let may = person
            .as_ref()
            .filter(|(_, viewer)| viewer.may(Scope::RegistrationsDecide));
        let Some((user, viewer)) = may else {
            let user = person.as_ref().map(|(user, _)| *user);
            let change = self.of_sync(press).await?;
            return note(change, press, &told, user, PressOutcome::Forbidden).await;
        };
        let author = Author {
            connection: Some(press.connection),
            origin: Origin::Human,
            ..Author::of(viewer)
        };
        let mut change = Change::begin(self.database(), author).await?;
        let id = told.row.id.0;
        let rows = visible::lock_all::<deal_registration::Entity>(&change, viewer, [id]).await?;
        let known = registration_press::is_known(
            change.transaction(),
            press.connection,
            &press.action.dedupe,
        )
        .await?;
        let now = submission(change.transaction(), press.event).await?;
        let (Some(row), Some(now), false) = (rows.into_iter().next(), now, known) else {
            change.rollback().await?;
            return Ok(());
        };
        if !now.waits() {
            return note(change, press, &told, Some(*user), PressOutcome::TooLate).await;
        }
        let done = match press.wish {
            Wish::Approve => deal_registration::approve(&mut change, row, None, None, None).await,
            Wish::Reject => {
                let reason = REASON.to_owned();
                deal_registration::decide(&mut change, row, Decision::Reject, reason, None).await
            }
        };
        match done {
            Ok(_) => note(change, press, &told, Some(*user), PressOutcome::Done).await,
            Err(EntityError::Invalid(why)) => {
                change.rollback().await?;
                let codes: Vec<_> = why.iter().map(|one| one.code).collect();
                tracing::info!(registration = %told.row.id, ?codes, "a registration could not be decided as a button wanted");
                let change = self.of_sync(press).await?;
                note(change, press, &told, Some(*user), PressOutcome::Refused).await
            }
            Err(fault) => Err(fault.into()),
        }
    }

    /// A change that only notes what was pressed.
    async fn of_sync(&self, press: &Press<'_>) -> Result<Change> {
        let author = Author::connection(press.connection, Origin::Sync);
        Ok(Change::begin(self.database(), author).await?)
    }
}

/// Notes a press with what became of it, asks for the message to be put right, and commits.
async fn note(
    change: Change,
    press: &Press<'_>,
    told: &Submission,
    user_id: Option<UserId>,
    outcome: PressOutcome,
) -> Result<()> {
    let (id, action) = (told.row.id, press.action);
    let system = Viewer::system("chat");
    visible::lock_all::<deal_registration::Entity>(&change, &system, [id.0]).await?;
    let transaction = change.transaction();
    if registration_press::is_known(transaction, press.connection, &action.dedupe).await? {
        change.rollback().await?;
        return Ok(());
    }
    let at = (action.occurred_at_ms > 0).then(|| Timestamp::from_millis(action.occurred_at_ms));
    let row = registration_press::Model {
        id: change.new_id(),
        created_at: change.now(),
        registration_id: id,
        event_id: press.event,
        connection_id: press.connection,
        external_user_id: action.user_id.clone(),
        user_id,
        wish: press.wish,
        outcome,
        occurred_at: at.unwrap_or_else(|| change.now()),
        dedupe_key: action.dedupe.clone(),
    };
    registration_press::keep(&change, row).await?;
    // Whoever pressed has seen the message, so it is there, whatever became of the answer when it was posted.
    let post = chat_post::Model {
        connection_id: press.connection,
        event_id: press.event,
        subject_kind: DealRegistrationId::PREFIX.to_owned(),
        subject_id: id.0,
        channel: action.channel.clone(),
        external_id: action.message.clone(),
        posted_at: change.now(),
    };
    chat_post::keep(change.transaction(), post).await?;
    let post = chat_post::find(change.transaction(), press.connection, press.event).await?;
    let message = NewChatMessage {
        connection_id: press.connection,
        event_id: press.event,
        subject: (DealRegistrationId::PREFIX, id.0),
        channel: post.map_or_else(|| action.channel.clone(), |post| post.channel),
    };
    chat_message::raise(&change, vec![message]).await?;
    change.commit().await?;
    Ok(())
}
