//! Mutations that a partner makes as well, of its own rows.
//!
//! Nothing here narrows a mutation to what is the caller's: every row it touches must be read by `Entity::visible_to(&viewer)`, which does, and
//! what it creates must hang on a row that was read so. A mutation that reads rows in any other way uses [`Edit::begin`], which lets no partner in.

use super::{Edit, Opened};
use crate::graphql::context;
use crate::graphql::error::ErrorCode;
use async_graphql::{Context, InputType, Result};
use entities::change::{Author, Change};
use entities::viewer::{Scope, StaffRole, ViewerKind};

impl<'a> Edit<'a> {
    /// Begins a mutation that staff makes for everybody and a partner for itself. Who only looks changes nothing here either, even where a partner
    /// needs no more than a scope to read.
    ///
    /// # Errors
    /// `FORBIDDEN` without the scope.
    pub async fn begin_own(
        ctx: &Context<'a>,
        scope: Scope,
        validate_only: Option<bool>,
    ) -> Result<Self> {
        let request = context::request(ctx)?;
        context::require(request, scope)?;
        if request.viewer.kind() == ViewerKind::Staff(StaffRole::Auditor) {
            return Err(ErrorCode::Forbidden.error("Auditors change nothing."));
        }
        let change = Change::begin(&request.database, Author::of(&request.viewer)).await?;
        Ok(Self {
            request,
            change,
            validate_only: validate_only.unwrap_or(false),
            repeat: None,
        })
    }

    /// Begins the creation of a row that staff makes for everybody and a partner for itself.
    ///
    /// # Errors
    /// `FORBIDDEN` without the scope, or a fault of the database.
    pub async fn create_own(
        ctx: &Context<'a>,
        scope: Scope,
        mutation: &str,
        input: &impl InputType,
        key: Option<&String>,
        validate_only: Option<bool>,
    ) -> Result<Opened<'a>> {
        let edit = Self::begin_own(ctx, scope, validate_only).await?;
        edit.under_key(mutation, input, key).await
    }
}
