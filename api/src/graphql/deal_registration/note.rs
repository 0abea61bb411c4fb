//! What was said of a registration, in the API.

use crate::graphql::references::internal;
use crate::graphql::scalar::DateTime;
use crate::graphql::siblings::Member;
use async_graphql::{Context, Enum, ID, Object, Result};
use entities::registration_note::{self, Model};

/// What a note on a registration is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "registration_note::NoteKind")]
pub enum RegistrationNoteKind {
    /// Something said.
    Comment,
    /// What we ask the partner for.
    Question,
    /// Why we decided as we did.
    Decision,
    /// What the partner says a protection should last longer for.
    ExtensionRequest,
    /// What a protection was lengthened for.
    Evidence,
}

/// What was said of a registration.
#[derive(Clone)]
pub struct RegistrationNote(pub(super) Member<Model>);

/// What was said of a registration.
#[Object]
impl RegistrationNote {
    /// The global id.
    async fn id(&self) -> ID {
        self.0.row().id.to_string().into()
    }
    /// When it was said.
    async fn created_at(&self) -> DateTime {
        DateTime(self.0.row().created_at)
    }
    /// What it is.
    async fn kind(&self) -> RegistrationNoteKind {
        self.0.row().kind.into()
    }
    /// What was said.
    async fn text(&self) -> &str {
        &self.0.row().text
    }
    /// Whether the partner does not see it. Internal: null for partners.
    async fn internal(&self, ctx: &Context<'_>) -> Result<Option<bool>> {
        internal(ctx, Some(self.0.row().internal))
    }
    /// Who said it. Internal: null for partners.
    async fn author(&self, ctx: &Context<'_>) -> Result<Option<&str>> {
        internal(ctx, Some(self.0.row().author.as_str()))
    }
}
