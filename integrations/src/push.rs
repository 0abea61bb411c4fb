//! Writing records to a vendor.
//!
//! Owns: the trait for going out and the data that crosses it. Refuses: to hide a partial success: every item has its own outcome.
//! Invariant: an applied item answers with the values the vendor now holds, which become the shadow, so that an echo is an empty
//! difference.

use crate::{
    connector::Context,
    error::{ConnectorError, Result},
    record::{Fields, Record, RecordLink, Resource},
};
use async_trait::async_trait;

pub(crate) mod progress;

/// The key under which the fields of a record hold our reference, where the account keeps it, whatever the vendor calls the property. A
/// record that comes in while its creation is still unanswered is known by it.
pub const REFERENCE: &str = "entente_reference";

/// Writing records.
#[async_trait]
pub trait Push: Send + Sync {
    /// Writes the items and answers one outcome for each, in the same order; `fields` names the properties a written record is answered with. An
    /// error means that nothing is known of any of them. An item that was not reached because the vendor's budget ran out on the way is
    /// refused with `RateLimited`, which asks for the same reaction as the error.
    async fn apply(
        &self,
        ctx: &Context<'_>,
        resource: Resource,
        items: &[PushItem],
        fields: &[String],
    ) -> Result<Vec<PushOutcome>>;
    /// Finds the records that were created under these references of ours, as `(reference, record)`; `fields` as in
    /// [`crate::connector::PageRequest::fields`]. This is how a creation that may or may not have happened is resolved, so it must see what was
    /// written a moment ago. An account that cannot keep references (any more) is an error, never an empty answer: that would create again.
    async fn find(
        &self,
        ctx: &Context<'_>,
        resource: Resource,
        references: &[String],
        fields: &[String],
    ) -> Result<Vec<(String, Record)>>;
    /// Makes sure that the account can keep our references. Called before the first creation of a resource, and before it is noted that
    /// one may have been sent; doing it again changes nothing.
    async fn prepare(&self, ctx: &Context<'_>, resource: Resource) -> Result<()>;
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
    /// Links to make, with their labels.
    pub links: Vec<RecordLink>,
    /// Links, or labels of links, to take away.
    pub unlinks: Vec<RecordLink>,
    /// Put the record away; nothing else of the item is looked at.
    pub archive: bool,
}

/// What became of one item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PushOutcome {
    /// Written; this is what the vendor now holds of the fields that were asked for and of all links. It may hold edits that others made since
    /// the caller last read it, so it is merged like any record that was read, against what was known plus what was sent.
    Applied(Record),
    /// The record is written, but a link is refused: this is what the vendor now holds, and why the rest is missing. A record that was
    /// created so exists, and is to be linked.
    Partly(Record, ConnectorError),
    /// Put away, or gone already.
    Archived,
    /// Refused, with the reaction it asks for.
    Refused(ConnectorError),
}
