//! What can be connected, and how connecting begins: the mutation answers an address for a browser, see [`crate::http::connect`].

mod described;

use super::context::{RequireScope, cost, requires_scope, state};
use super::edit::{Outcome, UserError, engine_outcome, staff};
use crate::http::connect::{start_path, start_url};
use async_graphql::{Context, ID, InputObject, Object, Result, SimpleObject};
use entities::error::{Error, Violation, ViolationCode};
use entities::id::ConnectionId;
use entities::viewer::Scope;
use integrations::connector::{ConnectorError, INVALID_SITE};
use integrations::sync::{SyncError, Wish};

pub use described::{
    Connector, ConnectorCategory, ConnectorDoor, ConnectorLane, ConnectorLimit, ConnectorResource,
    ConnectorSite, ConnectorWebhooks,
};

/// Queries about connectors.
#[derive(Default)]
pub struct ConnectorQuery;

#[Object]
impl ConnectorQuery {
    /// The outside systems that this build can connect.
    #[graphql(guard = "RequireScope(Scope::IntegrationsRead)", directive = requires_scope::apply("integrations:read".to_owned()), directive = cost::apply(1))]
    async fn connectors(&self, ctx: &Context<'_>) -> Result<Vec<Connector>> {
        let state = state(ctx)?;
        let all = state.core.registry.iter();
        Ok(all
            .map(|connector| Connector::of(connector.as_ref(), state))
            .collect())
    }
}

/// A wish to connect an account.
#[derive(Debug, InputObject)]
pub struct ConnectIntegrationInput {
    /// Which system; see `connectors`.
    pub connector: String,
    /// The account's own address, with a system that has one for each, such as `acme.myshopify.com`. Left out with `connectionId`, it is the one
    /// that connection has.
    pub site: Option<String>,
    /// The connection whose consent is to be given again. Then only its own account may come back; another one is refused and changes nothing.
    pub connection_id: Option<ID>,
}

/// The answer of connectIntegration.
#[derive(SimpleObject)]
pub struct ConnectIntegrationPayload {
    /// Open this in a browser, once and within five minutes: it leads to the vendor's consent and back. Null when the input was refused.
    pub authorize_url: Option<String>,
    /// Why the input was refused; empty on success.
    pub user_errors: Vec<UserError>,
}

/// Connecting.
#[derive(Default)]
pub struct ConnectorMutation;

#[Object]
impl ConnectorMutation {
    /// Begins to connect an account, or to renew a connection's consent. The account is connected when its owner has agreed in a browser; an account
    /// that is connected already keeps its connection, with its mapping and its links.
    #[graphql(directive = requires_scope::apply("integrations:manage".to_owned()))]
    async fn connect_integration(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to connect.")] input: ConnectIntegrationInput,
    ) -> Result<ConnectIntegrationPayload> {
        let request = staff(ctx, Scope::IntegrationsManage)?;
        let state = state(ctx)?;
        let Some(connector) = state.core.registry.get(&input.connector) else {
            let unknown = Violation::new(
                ViolationCode::NotFound,
                "connector",
                "This build has no such connector; see `connectors`.",
            );
            return Ok(ConnectIntegrationPayload::of(Err(vec![unknown.into()])));
        };
        let id = connector.descriptor().id;
        let renews: Option<ConnectionId> = match &input.connection_id {
            None => None,
            Some(text) => match text.parse() {
                Ok(id) => Some(id),
                Err(_) => {
                    let refused = engine_outcome::<String>(
                        Err(Error::not_found("connectionId").into()),
                        "connectionId",
                    )?;
                    return Ok(ConnectIntegrationPayload::of(refused));
                }
            },
        };
        let wish = Wish {
            connector: id,
            subject: request.viewer.subject(),
            site: input.site.as_deref(),
            renews,
        };
        let ticket = state.core.engine.connect_ticket(wish).await;
        if let Err(SyncError::Connector(ConnectorError::Permanent { code, message })) = &ticket
            && code == INVALID_SITE
        {
            let refused = Violation::new(ViolationCode::Invalid, "site", message.clone());
            return Ok(ConnectIntegrationPayload::of(Err(vec![refused.into()])));
        }
        let field = if renews.is_some() {
            "connectionId"
        } else {
            "connector"
        };
        let outcome = engine_outcome(ticket, field)?;
        Ok(ConnectIntegrationPayload::of(outcome.map(|ticket| {
            start_url(state.public_url.url_at(&start_path(id)), &ticket).to_string()
        })))
    }
}

impl ConnectIntegrationPayload {
    fn of(outcome: Outcome<String>) -> Self {
        match outcome {
            Ok(url) => Self {
                authorize_url: Some(url),
                user_errors: Vec::new(),
            },
            Err(user_errors) => Self {
                authorize_url: None,
                user_errors,
            },
        }
    }
}
