//! Software that asks for tokens, in the API: the programme's own, and partners', which a partner's administrator manages too.
//!
//! A secret is answered once, by the mutation that made it, and nothing here could show it again.

mod edit;

use super::context::{RequestContext, RequireScope, cost, request, requires_scope};
use super::filter::{IdFilter, TextFilter};
use super::list::{self, list_type, order_type};
use super::page::PageArguments;
use super::partner::Partner;
use super::scalar::DateTime;
use super::siblings::{self, Member};
use async_graphql::{Context, Enum, ID, InputObject, Json, Object, Result};
use entities::id::{OAuthClientId, PartnerId};
use entities::oauth_client::{AuthMethod, Column, Entity, GrantType, Model};
use entities::partner;
use entities::viewer::{Scope, Scopes};
use entities::visible::{self, Visible};
use sea_orm::sea_query::{Expr, ExprTrait as _};
use sea_orm::{QueryFilter, Select};

pub use edit::OAuthClientMutation;

/// How a client proves that it is the one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "AuthMethod", name = "OAuthClientAuthMethod")]
pub enum OAuthClientAuthMethod {
    /// By a secret in the `Authorization` header.
    ClientSecretBasic,
    /// By a secret in the body.
    ClientSecretPost,
    /// By a signature of a key whose public half is registered.
    PrivateKeyJwt,
    /// Not at all: it runs where nothing can be kept secret.
    None,
}

/// How a client may come by tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "GrantType", name = "OAuthGrantType")]
pub enum OAuthGrantType {
    /// In the name of a person, who agrees in a browser.
    AuthorizationCode,
    /// Further tokens after that, without the person.
    RefreshToken,
    /// In its own name.
    ClientCredentials,
}

/// Which clients.
#[derive(Clone, Debug, Default, InputObject)]
#[graphql(name = "OAuthClientFilter")]
pub struct OAuthClientFilter {
    /// By id.
    pub id: Option<IdFilter>,
    /// By name.
    pub name: Option<TextFilter>,
    /// By the partner they belong to.
    pub partner_id: Option<IdFilter>,
    /// True: disabled ones too. They are left out otherwise.
    pub include_disabled: Option<bool>,
}

fn column(column: Column) -> Expr {
    Expr::col((Entity, column))
}

impl OAuthClientFilter {
    fn on(self, mut select: Select<Entity>) -> Result<Select<Entity>> {
        if !self.include_disabled.unwrap_or(false) {
            select = select.filter(column(Column::DisabledAt).is_null());
        }
        if let Some(filter) = self.id {
            select = select.filter(filter.on::<OAuthClientId>(column(Column::Id))?);
        }
        if let Some(filter) = self.name {
            select = select.filter(filter.on(column(Column::Name))?);
        }
        if let Some(filter) = self.partner_id {
            select = select.filter(filter.on::<PartnerId>(column(Column::PartnerId))?);
        }
        Ok(select)
    }
}

order_type!(OAuthClientOrder[name = "OAuthClientOrder"], OAuthClientOrderField[name = "OAuthClientOrderField"], Entity, "clients", {
    /// The client's name.
    Name => Column::Name, false;
});

/// Software that asks for tokens.
#[derive(Clone)]
pub struct OAuthClient(pub(crate) Member<Model>);

impl OAuthClient {
    fn one(row: Model) -> Self {
        Self(Member::single(row))
    }

    async fn find(request: &RequestContext, id: OAuthClientId) -> Result<Option<Self>> {
        Ok(
            visible::find_one::<Entity, _>(request.database.read(), &request.viewer, id.0)
                .await?
                .map(Self::one),
        )
    }
}

/// The scopes of a set, as they are written.
fn words(scopes: Scopes) -> Vec<&'static str> {
    Scope::ALL
        .iter()
        .copied()
        .filter(|scope| scopes.contains(*scope))
        .map(Scope::as_str)
        .collect()
}

/// Software that asks for tokens.
#[Object(name = "OAuthClient")]
impl OAuthClient {
    /// The global id, which is also the `client_id` of OAuth.
    pub(crate) async fn id(&self) -> ID {
        self.0.row().id.to_string().into()
    }
    /// Rises with every change; name it in an update as `expectedVersion`.
    async fn version(&self) -> i64 {
        self.0.row().version
    }
    /// When it was registered.
    async fn created_at(&self) -> DateTime {
        DateTime(self.0.row().created_at)
    }
    /// When it was last changed.
    async fn updated_at(&self) -> DateTime {
        DateTime(self.0.row().updated_at)
    }
    /// What people read when they are asked to agree.
    async fn name(&self) -> &str {
        &self.0.row().name
    }
    /// How it proves that it is the one.
    async fn auth_method(&self) -> OAuthClientAuthMethod {
        self.0.row().auth_method.into()
    }
    /// How it may come by tokens.
    async fn grant_types(&self) -> Vec<OAuthGrantType> {
        let grants = self.0.row().grant_types.list();
        grants.iter().copied().map(Into::into).collect()
    }
    /// Where people may be sent back to, letter for letter.
    async fn redirect_uris(&self) -> &[String] {
        &self.0.row().redirect_uris.0
    }
    /// What it may have at most.
    async fn scopes(&self) -> Vec<&'static str> {
        words(self.0.row().scopes())
    }
    /// The public keys by which it proves itself, as a JSON Web Key Set.
    async fn jwks(&self) -> Option<Json<&serde_json::Value>> {
        self.0.row().jwks.as_ref().map(Json)
    }
    /// Until when the secret before the present one is still good.
    async fn previous_secret_until(&self) -> Option<DateTime> {
        self.0.row().previous_secret_until.map(DateTime)
    }
    /// Who registered it: a token's subject. Internal: null for partners.
    async fn created_by(&self, ctx: &Context<'_>) -> Result<Option<&str>> {
        let internal = request(ctx)?.viewer.sees_internal();
        Ok(internal.then_some(self.0.row().created_by.as_str()))
    }
    /// When it last got a token, to the minute.
    async fn last_used_at(&self) -> Option<DateTime> {
        self.0.row().last_used_at.map(DateTime)
    }
    /// When it was disabled; it gets no tokens.
    async fn disabled_at(&self) -> Option<DateTime> {
        self.0.row().disabled_at.map(DateTime)
    }

    /// The partner it belongs to; null for the programme's own.
    #[graphql(guard = "RequireScope(Scope::PartnersRead)", directive = requires_scope::apply("partners:read".to_owned()))]
    async fn partner(&self, ctx: &Context<'_>) -> Result<Option<Partner>> {
        let Some(target) = self.0.row().partner_id else {
            return Ok(None);
        };
        let reference = |row: &Model| row.partner_id.map(|id| id.0);
        Ok(siblings::follow::<partner::Entity, _>(
            request(ctx)?,
            self.0.group(),
            "partner",
            target.0,
            reference,
            |row| row.id.0,
        )
        .await?
        .map(Partner))
    }
}

list_type!(
    OAuthClientConnection[name = "OAuthClientConnection"],
    OAuthClientEdge[name = "OAuthClientEdge"],
    OAuthClient,
    Entity,
    "clients"
);

/// Queries about clients.
#[derive(Default)]
pub struct OAuthClientQuery;

#[Object]
impl OAuthClientQuery {
    /// One client; null when there is none that you may see.
    #[graphql(name = "oauthClient", guard = "RequireScope(Scope::ClientsManage)", directive = requires_scope::apply("clients:manage".to_owned()))]
    async fn oauth_client(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The client's id.")] id: ID,
    ) -> Result<Option<OAuthClient>> {
        match id.parse() {
            Ok(id) => OAuthClient::find(request(ctx)?, id).await,
            Err(_) => Ok(None),
        }
    }

    /// The clients you may see; a partner's administrator sees its own.
    #[graphql(name = "oauthClients", guard = "RequireScope(Scope::ClientsManage)", directive = requires_scope::apply("clients:manage".to_owned()), directive = cost::apply(1))]
    #[expect(
        clippy::too_many_arguments,
        reason = "the arguments of a Relay connection"
    )]
    async fn oauth_clients(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which clients.")] filter: Option<OAuthClientFilter>,
        #[graphql(desc = "By which keys; then by id.")] order_by: Option<Vec<OAuthClientOrder>>,
        #[graphql(
            desc = "This many from the beginning, or after `after`; 20 when nothing is said, 100 at most."
        )]
        first: Option<i32>,
        #[graphql(desc = "Only what follows this cursor.")] after: Option<String>,
        #[graphql(desc = "This many from the end, or before `before`.")] last: Option<i32>,
        #[graphql(desc = "Only what precedes this cursor.")] before: Option<String>,
    ) -> Result<OAuthClientConnection> {
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
        Ok(OAuthClientConnection::new(
            list::whole(request, select, OAuthClientOrder::ordering(order_by)?, page).await?,
        ))
    }
}
