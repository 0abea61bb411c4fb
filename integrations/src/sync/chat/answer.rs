//! What people answer: a button below a message of ours.
//!
//! Refuses: an answer to what was not told there, and one to an outcome that no longer holds; the message then says so. Invariant: the same press
//! twice is one, and of several people the first who confirms has confirmed.

use super::compose::closing;
use super::{APPROVE, CONFIRM, DISPUTE, REJECT};
use crate::connector::ChatAction;
use crate::record::is_sound_id;
use crate::sync::error::Result;
use entities::change::Change;
use entities::chat_message::{self, NewChatMessage};
use entities::chat_post;
use entities::clock::Timestamp;
use entities::connection;
use entities::deal_confirmation::{self, Decision, NewConfirmation};
use entities::id::{DealId, EventId, TypedId as _};

/// The longest name of a person that is kept.
const MAX_NAME: usize = 200;

/// Takes in a press. The caller holds the connection's row.
pub(in crate::sync) async fn press(
    change: &mut Change,
    row: &connection::Model,
    action: &ChatAction,
    at: Option<Timestamp>,
) -> Result<()> {
    let decision = match action.action.as_str() {
        CONFIRM => Decision::Confirmed,
        DISPUTE => Decision::Disputed,
        // What is decided has been, before the delivery was taken in.
        APPROVE | REJECT => return Ok(()),
        _ => {
            tracing::info!(connection = %row.id, "a button was pressed that means nothing here");
            return Ok(());
        }
    };
    let sound = [
        &action.dedupe,
        &action.user_id,
        &action.channel,
        &action.message,
    ]
    .into_iter()
    .all(|text| is_sound_id(text));
    let Some(event_id) = action.value.parse::<EventId>().ok().filter(|_| sound) else {
        tracing::warn!(connection = %row.id, "a button was pressed that we did not make");
        return Ok(());
    };
    let Some(closing) = closing(change.transaction(), event_id).await? else {
        return Ok(());
    };
    let deal_id = closing.deal.id;
    let post = chat_post::find(change.transaction(), row.id, event_id).await?;
    let waits = chat_message::list_about(change.transaction(), deal_id.0)
        .await?
        .iter()
        .any(|message| message.connection_id == row.id && message.event_id == event_id);
    if post.is_none() && !waits {
        tracing::warn!(connection = %row.id, event = %event_id, "a button was pressed below what was never told there");
        return Ok(());
    }
    // Whoever pressed has seen it, so it is there, whatever became of the answer when it was posted.
    let post = post.unwrap_or_else(|| chat_post::Model {
        connection_id: row.id,
        event_id,
        subject_kind: DealId::PREFIX.to_owned(),
        subject_id: deal_id.0,
        channel: action.channel.clone(),
        external_id: action.message.clone(),
        posted_at: change.now(),
    });
    let channel = post.channel.clone();
    chat_post::keep(change.transaction(), post).await?;
    if !closing.stale {
        let new = NewConfirmation {
            deal_id,
            outcome: closing.outcome,
            decision,
            event_id,
            connection_id: row.id,
            user_id: action.user_id.clone(),
            user_name: action.user_name.as_deref().map(name),
            occurred_at: at.unwrap_or_else(|| change.now()),
            dedupe_key: action.dedupe.clone(),
        };
        deal_confirmation::confirm(change, new).await?;
    }
    // Also when nothing changed: the button that was pressed may stand below what is no longer so.
    let message = NewChatMessage {
        connection_id: row.id,
        event_id,
        subject: (DealId::PREFIX, deal_id.0),
        channel,
    };
    chat_message::raise(change, vec![message]).await?;
    Ok(())
}

/// A person's name as a row can hold it.
fn name(text: &str) -> String {
    text.chars()
        .filter(|letter| !letter.is_control())
        .take(MAX_NAME)
        .collect()
}
