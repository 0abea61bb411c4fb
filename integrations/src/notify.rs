//! Telling people, where they talk.
//!
//! Owns: the trait for posting and the data that crosses it. Refuses: markup: every text here is plain, and the connector that puts it into its
//! vendor's language escapes it, so that nobody has to remember to and a name can neither ping anybody nor forge a link. Invariant: whoever
//! posts learns whether the message is certainly not there (it may be sent again) or may be (it is looked for first).

use crate::{connector::Context, error::Result};
use async_trait::async_trait;
use url::Url;

/// Posting messages.
#[async_trait]
pub trait Notify: Send + Sync {
    /// Posts one message. After `Transient` it may be there; after any other error it certainly is not.
    async fn post(&self, ctx: &Context<'_>, message: &ChatMessage) -> Result<Posted>;
    /// Puts another text in the place of a posted message.
    async fn update(&self, ctx: &Context<'_>, posted: &Posted, message: &ChatMessage)
    -> Result<()>;
    /// Looks for the message with this reference in a channel, from `since_ms` (milliseconds since 1970) on. `Permanent` with the code
    /// [`CANNOT_LOOK`] when the account does not let us read.
    async fn find(
        &self,
        ctx: &Context<'_>,
        channel: &str,
        reference: &str,
        since_ms: i64,
    ) -> Result<Option<Posted>>;
    /// The places one can post to.
    async fn channels(&self, ctx: &Context<'_>) -> Result<Vec<Channel>>;
}

/// The code of the refusal that means: the account does not let us read what was posted.
pub const CANNOT_LOOK: &str = "cannot_look";

/// A message. All texts are plain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChatMessage {
    /// The vendor's id of the place.
    pub channel: String,
    /// Our name for the message, by which it is found again.
    pub reference: String,
    /// What happened, in one line.
    pub heading: String,
    /// What is to be read below that; its lines stay lines.
    pub text: Option<String>,
    /// What one should know of it, as name and value.
    pub facts: Vec<(String, String)>,
    /// Where to look at it: words and address.
    pub link: Option<(String, Url)>,
    /// A smaller line below.
    pub note: Option<String>,
    /// What one can answer.
    pub buttons: Vec<ChatButton>,
}

/// A button below a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChatButton {
    /// What is written on it.
    pub label: String,
    /// Which action pressing it means.
    pub action: String,
    /// What the action is about; it comes back as it is.
    pub value: String,
    /// How it looks.
    pub style: ButtonStyle,
}

/// How a button looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ButtonStyle {
    /// As any.
    #[default]
    Plain,
    /// As the one most people will press.
    Primary,
    /// As one to think about first.
    Danger,
}

/// A posted message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Posted {
    /// The vendor's id of the place.
    pub channel: String,
    /// The vendor's id of the message.
    pub external_id: String,
}

/// A place one can post to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Channel {
    /// The vendor's id of it.
    pub external_id: String,
    /// Its name.
    pub name: String,
    /// Whether our app is a member.
    pub is_member: bool,
}
