//! Where a partner's people sign in, in the API. The staff's provider is configuration and is not here.
//!
//! Invariants: a secret goes in and never comes out; a partner's administrator reaches its own company's providers only; whoever sets where people sign
//! in could come as any of them, and therefore may all that the greatest of them may; whose a domain is the programme's staff says.

use super::context::{RequestContext, RequireScope, cost, request, requires_scope, state};
use super::edit::{Edit, Outcome, UserError, id_input, payload};
use super::filter::IdFilter;
use super::list::{self, list_type};
use super::order::Ordering;
use super::page::PageArguments;
use super::partner::Partner;
use super::scalar::DateTime;
use super::siblings::{self, Member};
use crate::people::oidc::callback_path;
use crate::people::provider::{Provider, key_of, seal_secret};
use async_graphql::{Context, ID, InputObject, Object, Result, SimpleObject};
use entities::domain_name::DomainName;
use entities::error::{Error, ViolationCode};
use entities::id::{IdentityProviderId, PartnerId};
use entities::identity_provider::{
    self, Column, Entity, IdentityProviderPatch, Model, NewIdentityProvider, SealedSecret,
};
use entities::user::UserRole;
use entities::viewer::{PartnerRole, Scope, Viewer};
use entities::visible::{self, Visible};
use entities::{management, partner};
use integrations::vault::Vault;
use sea_orm::sea_query::Expr;
use sea_orm::{QueryFilter, Select};

/// Which providers.
#[derive(Clone, Debug, Default, InputObject)]
pub struct IdentityProviderFilter {
    /// By id.
    pub id: Option<IdFilter>,
    /// By the partner whose people they sign in.
    pub partner_id: Option<IdFilter>,
}

fn column(column: Column) -> Expr {
    Expr::col((Entity, column))
}

impl IdentityProviderFilter {
    fn on(self, mut select: Select<Entity>) -> Result<Select<Entity>> {
        if let Some(filter) = self.id {
            select = select.filter(filter.on::<IdentityProviderId>(column(Column::Id))?);
        }
        if let Some(filter) = self.partner_id {
            select = select.filter(filter.on::<PartnerId>(column(Column::PartnerId))?);
        }
        Ok(select)
    }
}

/// An OpenID Connect provider at which a partner's people sign in.
#[derive(Clone)]
pub struct IdentityProvider(pub(crate) Member<Model>);

impl IdentityProvider {
    fn one(row: Model) -> Self {
        Self(Member::single(row))
    }

    async fn find(request: &RequestContext, id: IdentityProviderId) -> Result<Option<Self>> {
        Ok(
            visible::find_one::<Entity, _>(request.database.read(), &request.viewer, id.0)
                .await?
                .map(Self::one),
        )
    }
}

/// An OpenID Connect provider at which a partner's people sign in.
#[Object]
impl IdentityProvider {
    /// The global id.
    pub(crate) async fn id(&self) -> ID {
        self.0.row().id.to_string().into()
    }
    /// Rises with every change; name it in an update as `expectedVersion`.
    async fn version(&self) -> i64 {
        self.0.row().version
    }
    /// When it was set.
    async fn created_at(&self) -> DateTime {
        DateTime(self.0.row().created_at)
    }
    /// When it was last changed.
    async fn updated_at(&self) -> DateTime {
        DateTime(self.0.row().updated_at)
    }
    /// What people know it by.
    async fn name(&self) -> &str {
        &self.0.row().name
    }
    /// Its issuer, as it writes it.
    async fn issuer(&self) -> &str {
        &self.0.row().issuer
    }
    /// The id of our registration there.
    async fn client_id(&self) -> &str {
        &self.0.row().client_id
    }
    /// Of which addresses it may speak.
    async fn domains(&self) -> &[String] {
        &self.0.row().domains.0
    }
    /// Of which of them staff has confirmed that they are the partner's. Only who types an address of those is led here from the sign-in page.
    async fn confirmed_domains(&self) -> &[String] {
        &self.0.row().confirmed_domains.0
    }
    /// The address to which it sends people back, to be registered there.
    async fn redirect_uri(&self, ctx: &Context<'_>) -> Result<String> {
        let path = callback_path(&key_of(Some(self.0.row().id)));
        Ok(state(ctx)?.public_url.at(&path))
    }
    /// When it was disabled; nobody signs in by it.
    async fn disabled_at(&self) -> Option<DateTime> {
        self.0.row().disabled_at.map(DateTime)
    }

    /// The partner whose people it signs in.
    #[graphql(guard = "RequireScope(Scope::PartnersRead)", directive = requires_scope::apply("partners:read".to_owned()))]
    async fn partner(&self, ctx: &Context<'_>) -> Result<Option<Partner>> {
        let reference = |row: &Model| Some(row.partner_id.0);
        Ok(siblings::follow::<partner::Entity, _>(
            request(ctx)?,
            self.0.group(),
            "partner",
            self.0.row().partner_id.0,
            reference,
            |row| row.id.0,
        )
        .await?
        .map(Partner))
    }
}

list_type!(
    IdentityProviderConnection,
    IdentityProviderEdge,
    IdentityProvider,
    Entity,
    "identity providers"
);

/// Queries about identity providers.
#[derive(Default)]
pub struct IdentityProviderQuery;

#[Object]
impl IdentityProviderQuery {
    /// One identity provider; null when there is none that you may see.
    #[graphql(guard = "RequireScope(Scope::UsersManage)", directive = requires_scope::apply("users:manage".to_owned()))]
    async fn identity_provider(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The provider's id.")] id: ID,
    ) -> Result<Option<IdentityProvider>> {
        match id.parse() {
            Ok(id) => IdentityProvider::find(request(ctx)?, id).await,
            Err(_) => Ok(None),
        }
    }

    /// Where partners' people sign in, in the order of their ids; a partner's administrator sees its own.
    #[graphql(guard = "RequireScope(Scope::UsersManage)", directive = requires_scope::apply("users:manage".to_owned()), directive = cost::apply(1))]
    async fn identity_providers(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which providers.")] filter: Option<IdentityProviderFilter>,
        #[graphql(
            desc = "This many from the beginning, or after `after`; 20 when nothing is said, 100 at most."
        )]
        first: Option<i32>,
        #[graphql(desc = "Only what follows this cursor.")] after: Option<String>,
        #[graphql(desc = "This many from the end, or before `before`.")] last: Option<i32>,
        #[graphql(desc = "Only what precedes this cursor.")] before: Option<String>,
    ) -> Result<IdentityProviderConnection> {
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
        let order = Ordering::new(Vec::new(), Column::Id)?;
        Ok(IdentityProviderConnection::new(
            list::whole(request, select, order, page).await?,
        ))
    }
}

/// A provider, new or known.
#[derive(Debug, InputObject)]
pub struct SetIdentityProviderInput {
    /// Which known provider is changed; absent for a new one.
    pub id: Option<ID>,
    /// The version you saw; another one refuses the update.
    pub expected_version: Option<i64>,
    /// The partner whose people it signs in; a known provider keeps its own. A partner's administrator sets its own partner's.
    pub partner_id: Option<ID>,
    /// What people know it by. A new provider needs it.
    pub name: Option<String>,
    /// Its issuer, as it writes it; a new provider needs it, and a known one keeps its own.
    pub issuer: Option<String>,
    /// The id of our registration there. A new provider needs it.
    pub client_id: Option<String>,
    /// The secret of our registration there. It is kept sealed and never shown. A new provider needs it.
    pub client_secret: Option<String>,
    /// Of which addresses it may speak. A new provider needs at least one.
    pub domains: Option<Vec<String>>,
    /// True: nobody signs in by it for now.
    pub disabled: Option<bool>,
    /// True: check everything and write nothing.
    pub validate_only: Option<bool>,
}

payload!(
    SetIdentityProviderPayload {
        identity_provider: IdentityProvider
    },
    "setIdentityProvider",
    Scope::UsersManage
);

/// The longest secret.
const LONGEST_SECRET: usize = 2_000;

/// Seals a secret for a row.
fn sealed(
    vault: &Vault,
    id: IdentityProviderId,
    secret: String,
) -> entities::error::Result<SealedSecret> {
    if secret.is_empty() || secret.len() > LONGEST_SECRET {
        return Err(Error::invalid(
            ViolationCode::Invalid,
            "clientSecret",
            format!("A secret has between 1 and {LONGEST_SECRET} bytes."),
        ));
    }
    seal_secret(vault, id, &secret.into()).map_err(|error| Error::Damaged(error.to_string()))
}

/// Keeps a viewer from deciding how people sign in who may more.
fn refuse_greater(viewer: &Viewer, partner: PartnerId) -> entities::error::Result<()> {
    let greatest = UserRole::Partner(partner, PartnerRole::Admin);
    management::refuse_greater(viewer, greatest, "")
}

impl SetIdentityProviderInput {
    async fn apply(self, edit: &mut Edit<'_>, vault: &Vault) -> entities::error::Result<Model> {
        match &self.id {
            None => self.create(edit, vault).await,
            Some(id) => {
                let id: IdentityProviderId = id_input(id, "id")?;
                self.update(edit, vault, id).await
            }
        }
    }

    async fn create(self, edit: &mut Edit<'_>, vault: &Vault) -> entities::error::Result<Model> {
        let named: Option<PartnerId> = self
            .partner_id
            .as_ref()
            .map(|id| id_input(id, "partnerId"))
            .transpose()?;
        let partner_id =
            management::organisation_for(&edit.request.viewer, named)?.ok_or_else(|| {
                Error::invalid(
                    ViolationCode::Blank,
                    "partnerId",
                    "The staff's provider is configured; name a partner.",
                )
            })?;
        refuse_greater(&edit.request.viewer, partner_id)?;
        let id: IdentityProviderId = edit.change.new_id();
        let secret = self.client_secret.unwrap_or_default();
        let new = NewIdentityProvider {
            id,
            partner_id,
            name: self.name.unwrap_or_default(),
            issuer: self.issuer.unwrap_or_default(),
            client_id: self.client_id.unwrap_or_default(),
            sealed_secret: sealed(vault, id, secret)?,
            domains: self.domains.unwrap_or_default(),
        };
        let row = identity_provider::create(&mut edit.change, new).await?;
        let patch = IdentityProviderPatch {
            disabled: self.disabled,
            ..IdentityProviderPatch::default()
        };
        identity_provider::update(&mut edit.change, row, patch).await
    }

    async fn update(
        self,
        edit: &mut Edit<'_>,
        vault: &Vault,
        id: IdentityProviderId,
    ) -> entities::error::Result<Model> {
        let viewer = &edit.request.viewer;
        let row =
            management::lock::<Entity>(&edit.change, viewer, id.0, self.expected_version).await?;
        refuse_greater(viewer, row.partner_id)?;
        let same_partner = self
            .partner_id
            .is_none_or(|named| named.as_str() == row.partner_id.to_string());
        if !same_partner {
            return Err(Error::invalid(
                ViolationCode::Invalid,
                "partnerId",
                "A provider stays with its partner; remove it and set another.",
            ));
        }
        if self.issuer.is_some_and(|issuer| issuer != row.issuer) {
            return Err(Error::invalid(
                ViolationCode::Invalid,
                "issuer",
                "A provider keeps its issuer; remove it and set another.",
            ));
        }
        let sealed_secret = self
            .client_secret
            .map(|secret| sealed(vault, id, secret))
            .transpose()?;
        let patch = IdentityProviderPatch {
            name: self.name,
            client_id: self.client_id,
            sealed_secret,
            domains: self.domains,
            disabled: self.disabled,
        };
        identity_provider::update(&mut edit.change, row, patch).await
    }
}

/// The domains of a provider that are its partner's.
#[derive(Debug, InputObject)]
pub struct ConfirmIdentityProviderDomainsInput {
    /// Which provider.
    pub id: ID,
    /// The version you saw; another one refuses the change.
    pub expected_version: Option<i64>,
    /// Those of its domains that are confirmed: these and no others. None that the programme's own people have addresses of.
    pub domains: Vec<String>,
    /// True: check everything and write nothing.
    pub validate_only: Option<bool>,
}

payload!(
    ConfirmIdentityProviderDomainsPayload {
        identity_provider: IdentityProvider
    },
    "confirmIdentityProviderDomains",
    Scope::UsersManage
);

impl ConfirmIdentityProviderDomainsInput {
    async fn apply(
        self,
        edit: &mut Edit<'_>,
        staffs: Option<&Provider>,
    ) -> entities::error::Result<Model> {
        let viewer = &edit.request.viewer;
        if viewer.partner().is_some() {
            return Err(Error::invalid(
                ViolationCode::TransitionNotAllowed,
                "",
                "The programme's staff says whose a domain is.",
            ));
        }
        let id: IdentityProviderId = id_input(&self.id, "id")?;
        let expected = self.expected_version;
        let row = management::lock::<Entity>(&edit.change, viewer, id.0, expected).await?;
        refuse_greater(viewer, row.partner_id)?;
        let is_reserved = |domain: &DomainName| staffs.is_some_and(|own| own.has_domain(domain));
        identity_provider::confirm_domains(&mut edit.change, row, &self.domains, is_reserved).await
    }
}

/// A provider that is removed.
#[derive(Debug, InputObject)]
pub struct RemoveIdentityProviderInput {
    /// Which provider.
    pub id: ID,
    /// The version you saw; another one refuses the removal.
    pub expected_version: Option<i64>,
    /// True: check everything and write nothing.
    pub validate_only: Option<bool>,
}

/// The answer of removeIdentityProvider.
#[derive(SimpleObject)]
pub struct RemoveIdentityProviderPayload {
    /// The id of what was removed; null when the input was refused.
    pub removed_id: Option<ID>,
    /// Why the input was refused; empty on success.
    pub user_errors: Vec<UserError>,
}

/// Changes of identity providers.
#[derive(Default)]
pub struct IdentityProviderMutation;

async fn begin<'a>(ctx: &Context<'a>, validate_only: Option<bool>) -> Result<Edit<'a>> {
    Edit::begin_managing_own_organisation(ctx, Scope::UsersManage, validate_only).await
}

async fn remove(
    edit: &mut Edit<'_>,
    input: RemoveIdentityProviderInput,
) -> entities::error::Result<IdentityProviderId> {
    let id: IdentityProviderId = id_input(&input.id, "id")?;
    let viewer = &edit.request.viewer;
    let row =
        management::lock::<Entity>(&edit.change, viewer, id.0, input.expected_version).await?;
    identity_provider::remove(&mut edit.change, &row).await?;
    Ok(row.id)
}

#[Object]
impl IdentityProviderMutation {
    /// Sets a provider at which a partner's people sign in: a new one, or changes to a known one, where an absent field keeps its value. For whoever may
    /// all that a partner's administrator may. Its domains are the partner's once staff has confirmed them (`confirmIdentityProviderDomains`).
    #[graphql(directive = requires_scope::apply("users:manage".to_owned()))]
    async fn set_identity_provider(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The provider.")] input: SetIdentityProviderInput,
    ) -> Result<SetIdentityProviderPayload> {
        let mut edit = begin(ctx, input.validate_only).await?;
        let vault = &state(ctx)?.core.vault;
        let result = input.apply(&mut edit, vault).await;
        let outcome = edit.finish(result, |_| None).await?;
        Ok(SetIdentityProviderPayload::from_outcome(
            outcome,
            IdentityProvider::one,
        ))
    }

    /// Says which of a provider's domains are its partner's; for the programme's staff. Until then nobody is led to the provider by an address of theirs.
    #[graphql(directive = requires_scope::apply("users:manage".to_owned()))]
    async fn confirm_identity_provider_domains(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which provider, and which domains.")]
        input: ConfirmIdentityProviderDomainsInput,
    ) -> Result<ConfirmIdentityProviderDomainsPayload> {
        let mut edit = begin(ctx, input.validate_only).await?;
        let staffs = state(ctx)?.people.staff_provider();
        let result = input.apply(&mut edit, staffs).await;
        let outcome = edit.finish(result, |_| None).await?;
        Ok(ConfirmIdentityProviderDomainsPayload::from_outcome(
            outcome,
            IdentityProvider::one,
        ))
    }

    /// Removes a provider. Nobody signs in by it any more; who is signed in stays so.
    #[graphql(directive = requires_scope::apply("users:manage".to_owned()))]
    async fn remove_identity_provider(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which provider.")] input: RemoveIdentityProviderInput,
    ) -> Result<RemoveIdentityProviderPayload> {
        let mut edit = begin(ctx, input.validate_only).await?;
        let result = remove(&mut edit, input).await;
        let outcome: Outcome<IdentityProviderId> = edit.finish(result, |_| None).await?;
        let (removed_id, user_errors) = match outcome {
            Ok(id) => (Some(id.to_string().into()), Vec::new()),
            Err(refused) => (None, refused),
        };
        Ok(RemoveIdentityProviderPayload {
            removed_id,
            user_errors,
        })
    }
}
