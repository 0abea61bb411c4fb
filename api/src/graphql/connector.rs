//! What can be connected, and how connecting begins: the mutation answers an address for a browser, see [`crate::http::connect`].

use super::context::{RequireScope, cost, requires_scope, state};
use super::edit::{Outcome, UserError, engine_outcome, staff};
use crate::http::connect::{start_path, start_url};
use async_graphql::{Context, Enum, ID, InputObject, Object, Result, SimpleObject};
use entities::error::{Error, Violation, ViolationCode};
use entities::id::ConnectionId;
use entities::viewer::Scope;
use integrations::connector;

/// What kind of system a vendor offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "connector::Category")]
pub enum ConnectorCategory {
    /// Customer relationship management.
    Crm,
    /// A shop.
    Commerce,
    /// Chat.
    Chat,
}

/// Records of one kind that a connector handles.
#[derive(SimpleObject)]
pub struct ConnectorResource {
    /// The kind of record: `company`, `contact`, `deal` and so on.
    pub resource: String,
    /// Whether changes are read as they happen; otherwise everything is read anew each time.
    pub delta: bool,
    /// Whether such records can be written.
    pub writable: bool,
    /// The scope that writing them takes.
    pub write_scope: Option<String>,
}

/// An outside system that this build can connect.
#[derive(SimpleObject)]
pub struct Connector {
    /// Its id: `hubspot`.
    pub id: ID,
    /// Its name.
    pub name: String,
    /// What kind of system it is.
    pub category: ConnectorCategory,
    /// The version of the vendor's API.
    pub api_version: String,
    /// What can be kept in step.
    pub resources: Vec<ConnectorResource>,
    /// What an account's owner must grant.
    pub required_scopes: Vec<String>,
    /// What is asked for besides; without it less can be done.
    pub optional_scopes: Vec<String>,
    /// Whether this server is registered with the vendor. Without that nothing can be connected.
    pub configured: bool,
}

impl Connector {
    fn of(connector: &dyn connector::Connector, configured: bool) -> Self {
        let descriptor = connector.descriptor();
        let texts = |scopes: &[&str]| scopes.iter().map(|scope| (*scope).to_owned()).collect();
        let pushes = connector.push().is_some();
        let resources = descriptor.resources.iter().map(|described| {
            let scope = described.push_scope.filter(|_| pushes);
            ConnectorResource {
                resource: described.resource.as_str().to_owned(),
                delta: described.delta,
                writable: scope.is_some(),
                write_scope: scope.map(str::to_owned),
            }
        });
        Self {
            id: descriptor.id.into(),
            name: descriptor.name.to_owned(),
            category: descriptor.category.into(),
            api_version: descriptor.api_version.to_owned(),
            resources: resources.collect(),
            required_scopes: texts(&descriptor.required_scopes),
            optional_scopes: texts(&descriptor.optional_scopes),
            configured,
        }
    }
}

/// Queries about connectors.
#[derive(Default)]
pub struct ConnectorQuery;

#[Object]
impl ConnectorQuery {
    /// The outside systems that this build can connect.
    #[graphql(guard = "RequireScope(Scope::IntegrationsRead)", directive = requires_scope::apply("integrations:read".to_owned()), directive = cost::apply(1))]
    async fn connectors(&self, ctx: &Context<'_>) -> Result<Vec<Connector>> {
        let core = &state(ctx)?.core;
        Ok(core
            .registry
            .iter()
            .map(|connector| {
                let configured = core.apps.contains_key(connector.descriptor().id);
                Connector::of(connector.as_ref(), configured)
            })
            .collect())
    }
}

/// A wish to connect an account.
#[derive(Debug, InputObject)]
pub struct ConnectIntegrationInput {
    /// Which system; see `connectors`.
    pub connector: String,
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
        let ticket = state
            .core
            .engine
            .connect_ticket(id, request.viewer.subject(), renews)
            .await;
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
