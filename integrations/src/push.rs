//! Writing to a vendor: records and messages.
//!
//! Owns: the traits for going out and the data that crosses them. Refuses: to hide a partial success: every item has its own outcome.
//! Invariant: an applied item answers with the values the vendor now holds, which become the shadow, so that an echo is an empty
//! difference.

use crate::{
    connector::Context,
    error::{ConnectorError, Result},
    record::{Fields, Record, RecordLink, Resource},
};
use async_trait::async_trait;

/// Writing records.
#[async_trait]
pub trait Push: Send + Sync {
    /// Writes the items and answers one outcome for each, in the same order. An error means that nothing is known of any of them.
    async fn apply(
        &self,
        ctx: &Context<'_>,
        resource: Resource,
        items: &[PushItem],
    ) -> Result<Vec<PushOutcome>>;
}

/// One record to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PushItem {
    /// Our reference, by which an uncertain write is found again.
    pub reference: String,
    /// The vendor's id; none creates.
    pub external_id: Option<String>,
    /// The properties to set, in the vendor's names; none clears.
    pub fields: Fields,
    /// Links to make.
    pub links: Vec<RecordLink>,
}

/// What became of one item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PushOutcome {
    /// Written; this is what the vendor now holds.
    Applied(Record),
    /// Refused, with the reaction it asks for.
    Refused(ConnectorError),
}

/// Posting messages.
#[async_trait]
pub trait Notify: Send + Sync {
    /// Posts one message. An error of kind `Transient` may have posted.
    async fn post(&self, ctx: &Context<'_>, message: &ChatMessage) -> Result<Posted>;
}

/// A message, rendered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChatMessage {
    /// The vendor's id of the place.
    pub channel: String,
    /// The text, already escaped for the vendor.
    pub text: String,
}

/// A posted message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Posted {
    /// The vendor's id of the message.
    pub external_id: String,
}
