//! Automations at work: from the event log to a message in a chat, a mail, or a call.
//!
//! Players: a *reader* of the event log raises one run for each event and automation that hears it ([`listen`]); the [`Runner`] claims a run, asks for what
//! the automation's selection answers in its owner's name as it is today ([`Evaluate`], which the API gives: it knows the schema), holds its conditions
//! against that, renders its templates ([`template`]) and does what it is for.
//!
//! Theory: at least once, with ids that stay. A mail and a call are written in the transaction that ends the run, so they happen exactly when it says so;
//! a message in a chat is noted before it leaves and looked for before it leaves again. What an automation brings about is heard by none ([`entities::automation::ACTOR`]),
//! and one acts so many times an hour at most.
//!
//! It refuses: history, and to say anything that the owner may not read at that moment. An automation whose owner may read events no more is disabled, and
//! says why.

mod listen;
mod run;
pub mod template;

pub use run::{Message, NotRun, Runner};

use crate::outbound::NotRendered;
use async_trait::async_trait;
use entities::change::{Author, Origin};
use entities::id::EventId;
use entities::viewer::Viewer;
use serde_json::Value as Json;

/// What the runner asks the API for.
#[async_trait]
pub trait Evaluate: Send + Sync + 'static {
    /// What a selection on an event answers a viewer.
    ///
    /// # Errors
    /// [`NotRendered`].
    async fn evaluate(
        &self,
        owner: &Viewer,
        selection: &str,
        event: EventId,
    ) -> Result<Json, NotRendered>;
}

/// The author of what automations write by themselves.
fn author() -> Author {
    Author {
        actor: entities::automation::ACTOR.to_owned(),
        origin: Origin::Api,
        connection: None,
    }
}
