//! What a request carries into the resolvers: who asks, with which database, under which id, and the process around it; and the guard of scopes.

use super::error::ErrorCode;
use crate::state::State;
use async_graphql::{Context, Guard, Result};
use entities::database::Database;
use entities::viewer::{Scope, Viewer};
use std::sync::Arc;

/// The data of one request.
#[derive(Clone, Debug)]
pub struct RequestContext {
    /// Who asks.
    pub viewer: Arc<Viewer>,
    /// The database, with the pool of this server worker.
    pub database: Database,
    /// The id under which the log knows the request.
    pub request_id: String,
}

/// The request's data.
///
/// # Errors
/// When the request was built without it: then nobody is known to ask, and nothing is answered.
pub fn request<'a>(ctx: &Context<'a>) -> Result<&'a RequestContext> {
    ctx.data::<RequestContext>()
        .map_err(|_| ErrorCode::Unauthenticated.error("The request carries no viewer."))
}

/// What the process is made of, for the fields that reach outside: the engine, the connectors, the public address.
///
/// # Errors
/// When the request was built without it: then nothing outside can be reached.
pub fn state<'a>(ctx: &Context<'a>) -> Result<&'a State> {
    ctx.data::<Arc<State>>()
        .map(AsRef::as_ref)
        .map_err(|_| ErrorCode::Unavailable.error("This door reaches nothing outside."))
}

/// Lets a field through only to tokens with a scope.
#[derive(Clone, Copy, Debug)]
pub struct RequireScope(pub Scope);

impl Guard for RequireScope {
    async fn check(&self, ctx: &Context<'_>) -> Result<()> {
        require(request(ctx)?, self.0)
    }
}

/// Fails unless the token has the scope.
///
/// # Errors
/// `FORBIDDEN`, naming the scope: it is public knowledge from the schema.
pub fn require(request: &RequestContext, scope: Scope) -> Result<()> {
    if request.viewer.may(scope) {
        Ok(())
    } else {
        Err(ErrorCode::Forbidden.error(format!("This needs the scope {}.", scope.as_str())))
    }
}

pub use directive::{cost, requires_scope};

/// What the schema says about a field besides its type.
#[allow(
    missing_docs,
    reason = "the derive makes public items without documentation"
)]
mod directive {
    use async_graphql::TypeDirective;

    /// The scope a field needs.
    #[TypeDirective(location = "FieldDefinition", name = "requiresScope")]
    pub fn requires_scope(scope: String) {}

    /// What a field costs: `complexity` once for each entry of the page it asks for.
    #[TypeDirective(location = "FieldDefinition")]
    pub fn cost(complexity: i32) {}
}
