//! Connections to outside systems in the API. Not for partners; credentials are never shown.

pub mod control;
pub mod health;
pub mod mapping;
pub mod remap;

use super::context::{RequireScope, cost, request, requires_scope, state};
use super::edit::{Edit, id_input, payload};
use super::error::ErrorCode;
use super::filter::{IdFilter, enum_filter};
use super::list::{self, Parent, list_type, order_type};
use super::page::PageArguments;
use super::scalar::DateTime;
use super::siblings::Member;
use super::sync_run::{self, SyncRunConnection, SyncRunFilter, SyncRunOrder};
use crate::http::webhooks::own_webhook_path;
use async_graphql::{Context, Enum, ID, InputObject, Object, Result, SimpleObject};
use entities::connection::{self, Column, Entity, Model};
use entities::id::ConnectionId;
use entities::viewer::Scope;
use entities::visible::{self, Visible};
use health::{ConnectionCapability, ConnectionHealth};
use mapping::Mapping;
use sea_orm::sea_query::Expr;
use sea_orm::{QueryFilter, Select};
use secrecy::ExposeSecret as _;

/// Whether a connection works.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "connection::ConnectionStatus")]
pub enum ConnectionStatus {
    /// Consent has been asked for.
    Authorizing,
    /// It works.
    Active,
    /// It works in part, or with faults.
    Degraded,
    /// Its consent is gone: somebody must connect again. Its webhooks wait.
    ReauthRequired,
    /// Somebody stopped it.
    Paused,
    /// It has been disconnected. Connecting the same account again revives it.
    Revoked,
}

enum_filter! {
    /// A connection's status to look for.
    ConnectionStatusFilter of ConnectionStatus, connection::ConnectionStatus
}

/// Which connections.
#[derive(Clone, Debug, Default, InputObject)]
pub struct ConnectionFilter {
    /// By id.
    pub id: Option<IdFilter>,
    /// By status.
    pub status: Option<ConnectionStatusFilter>,
}

fn column(column: Column) -> Expr {
    Expr::col((Entity, column))
}

impl ConnectionFilter {
    fn on(self, mut select: Select<Entity>) -> Result<Select<Entity>> {
        if let Some(filter) = self.id {
            select = select.filter(filter.on::<ConnectionId>(column(Column::Id))?);
        }
        if let Some(filter) = self.status {
            select = select.filter(filter.on(column(Column::Status))?);
        }
        Ok(select)
    }
}

order_type!(ConnectionOrder, ConnectionOrderField, Entity, "connections", {
    /// When it was last changed.
    UpdatedAt => Column::UpdatedAt, false;
});

/// What the vendor says of the connected account.
#[derive(SimpleObject)]
pub struct ConnectedAccount {
    /// The vendor's id of the account.
    pub id: String,
    /// Its name.
    pub name: Option<String>,
    /// Its currency: that of amounts which name none.
    pub currency: Option<String>,
    /// Its time zone: that of dates which name none.
    pub time_zone: Option<String>,
}

/// One account of an outside system that is kept in step.
#[derive(Clone)]
pub struct Connection(pub(crate) Member<Model>);

impl Connection {
    pub(crate) fn one(row: Model) -> Self {
        Self(Member::single(row))
    }

    fn read_webhook_url(&self, ctx: &Context<'_>) -> Result<Option<String>> {
        let (state, row) = (state(ctx)?, self.0.row());
        let hook = state.core.engine.hook(row).map_err(|error| {
            tracing::error!(%error, connection = %row.id, "a door's address does not open");
            ErrorCode::Internal.error("The address cannot be read.")
        })?;
        // A door that is shut has no address to give out.
        let hook = hook.filter(|_| row.status != connection::ConnectionStatus::Revoked);
        Ok(hook.map(|hook| {
            let path = own_webhook_path(&row.connector, hook.expose_secret());
            state.public_url.at(&path)
        }))
    }
}

/// One account of an outside system that is kept in step.
#[Object]
impl Connection {
    /// The global id.
    pub(crate) async fn id(&self) -> ID {
        self.0.row().id.to_string().into()
    }
    /// Rises with every change.
    async fn version(&self) -> i64 {
        self.0.row().version
    }
    /// When it was connected first.
    async fn created_at(&self) -> DateTime {
        DateTime(self.0.row().created_at)
    }
    /// When it was last changed.
    async fn updated_at(&self) -> DateTime {
        DateTime(self.0.row().updated_at)
    }
    /// Which outside system.
    async fn connector(&self) -> &str {
        &self.0.row().connector
    }
    /// Which account there.
    async fn account(&self) -> ConnectedAccount {
        let row = self.0.row();
        let facts = row.account.clone();
        ConnectedAccount {
            id: row.tenant_id.clone(),
            name: facts.name,
            currency: facts.currency,
            time_zone: facts.time_zone,
        }
    }
    /// Whether it works.
    async fn status(&self) -> ConnectionStatus {
        self.0.row().status.into()
    }
    /// Why it does not, in words.
    async fn status_reason(&self) -> Option<&str> {
        self.0.row().status_reason.as_deref()
    }
    /// What the account's owner allowed.
    async fn granted_scopes(&self) -> &[String] {
        &self.0.row().granted_scopes.0
    }
    /// The account's own address, with a system that has one for each.
    async fn site(&self) -> Option<&str> {
        self.0.row().site.as_deref()
    }
    /// Where the vendor sends this account's webhooks, with a vendor that signs none of them: the address is their only proof, so keep it secret.
    /// Null where all accounts share one; see `connectors`.
    #[graphql(guard = "RequireScope(Scope::IntegrationsManage)", directive = requires_scope::apply("integrations:manage".to_owned()))]
    async fn webhook_url(&self, ctx: &Context<'_>) -> Result<Option<String>> {
        self.read_webhook_url(ctx)
    }
    /// The vendor asked not to be called before this instant.
    async fn paused_until(&self) -> Option<DateTime> {
        self.0.row().paused_until.map(DateTime)
    }
    /// What it can do with each kind of record, by what was granted.
    async fn capabilities(&self, ctx: &Context<'_>) -> Result<Vec<ConnectionCapability>> {
        self.read_capabilities(ctx)
    }
    /// How it is, and what a person should do about it.
    async fn health(&self, ctx: &Context<'_>) -> Result<ConnectionHealth> {
        self.read_health(request(ctx)?).await
    }
    /// How its records become ours, and ours the vendor's.
    async fn mapping(&self) -> Mapping {
        Mapping::from(&self.0.row().mapping)
    }

    /// Its synchronisation runs.
    #[expect(
        clippy::too_many_arguments,
        reason = "the arguments of a Relay connection"
    )]
    #[graphql(directive = cost::apply(1))]
    async fn sync_runs(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which runs.")] filter: Option<SyncRunFilter>,
        #[graphql(desc = "By which keys; then by id.")] order_by: Option<Vec<SyncRunOrder>>,
        #[graphql(
            desc = "This many from the beginning, or after `after`; 20 when nothing is said, 100 at most."
        )]
        first: Option<i32>,
        #[graphql(desc = "Only what follows this cursor.")] after: Option<String>,
        #[graphql(desc = "This many from the end, or before `before`.")] last: Option<i32>,
        #[graphql(desc = "Only what precedes this cursor.")] before: Option<String>,
    ) -> Result<Option<SyncRunConnection>> {
        let page = PageArguments {
            first,
            after,
            last,
            before,
        };
        let parent = Parent {
            group: self.0.group(),
            ids: |rows: &[Model]| rows.iter().map(|row| row.id.0).collect(),
            id: self.0.row().id.0,
        };
        sync_run::list_of(
            ctx,
            parent,
            sync_run::OfConnection,
            "syncRuns",
            filter,
            order_by,
            page,
        )
        .await
    }
}

list_type!(
    ConnectionConnection,
    ConnectionEdge,
    Connection,
    Entity,
    "connections"
);

/// Queries about connections.
#[derive(Default)]
pub struct ConnectionQuery;

#[Object]
impl ConnectionQuery {
    /// The connections to outside systems.
    #[graphql(guard = "RequireScope(Scope::IntegrationsRead)", directive = requires_scope::apply("integrations:read".to_owned()), directive = cost::apply(1))]
    #[expect(
        clippy::too_many_arguments,
        reason = "the arguments of a Relay connection"
    )]
    async fn connections(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which connections.")] filter: Option<ConnectionFilter>,
        #[graphql(desc = "By which keys; then by id.")] order_by: Option<Vec<ConnectionOrder>>,
        #[graphql(
            desc = "This many from the beginning, or after `after`; 20 when nothing is said, 100 at most."
        )]
        first: Option<i32>,
        #[graphql(desc = "Only what follows this cursor.")] after: Option<String>,
        #[graphql(desc = "This many from the end, or before `before`.")] last: Option<i32>,
        #[graphql(desc = "Only what precedes this cursor.")] before: Option<String>,
    ) -> Result<ConnectionConnection> {
        let request = request(ctx)?;
        let select = filter
            .unwrap_or_default()
            .on(Entity::visible_to(&request.viewer))?;
        let page = PageArguments {
            first,
            after,
            last,
            before,
        };
        Ok(ConnectionConnection::new(
            list::whole(request, select, ConnectionOrder::ordering(order_by)?, page).await?,
        ))
    }
}

/// A wish to synchronise at once.
#[derive(Debug, InputObject)]
pub struct SyncNowInput {
    /// Which connection.
    pub connection_id: ID,
    /// True: check everything and write nothing.
    pub validate_only: Option<bool>,
}

payload!(
    SyncNowPayload {
        connection: Connection
    },
    "syncNow",
    Scope::IntegrationsRead
);

/// Changes of connections.
#[derive(Default)]
pub struct ConnectionMutation;

#[Object]
impl ConnectionMutation {
    /// Asks for a synchronisation at once instead of at its next turn. It runs in a worker; see `syncRuns`.
    #[graphql(directive = requires_scope::apply("integrations:manage".to_owned()))]
    async fn sync_now(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which connection.")] input: SyncNowInput,
    ) -> Result<SyncNowPayload> {
        let mut edit = Edit::begin(ctx, Scope::IntegrationsManage, input.validate_only).await?;
        let result = async {
            let id: ConnectionId = id_input(&input.connection_id, "connectionId")?;
            let row =
                visible::lock_one::<Entity>(&edit.change, &edit.request.viewer, id.0, None).await?;
            connection::request_sync(&mut edit.change, row).await
        }
        .await;
        let outcome = edit.finish(result, |_| None).await?;
        request(ctx)?.database.wake().wake();
        Ok(SyncNowPayload::from_outcome(outcome, Connection::one))
    }
}
