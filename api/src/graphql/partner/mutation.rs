//! Changes of partners: what they take and what they answer.

use crate::graphql::context::{request, requires_scope};
use crate::graphql::edit::{Edit, Opened, created, id_input, nullable, payload};
use crate::graphql::scalar::Domain;
use async_graphql::{Context, ID, InputObject, MaybeUndefined, Object, Result};
use entities::id::PartnerId;
use entities::partner::{self, Entity, Model, NewPartner, PartnerPatch};
use entities::viewer::Scope;
use entities::visible::{self};

use super::{Partner, PartnerStatus};

/// A new partner.
#[derive(Debug, InputObject)]
pub struct CreatePartnerInput {
    /// The company's name.
    pub name: String,
    /// Its internet domain; no two partners share one.
    pub domain: Option<Domain>,
    /// Its web site.
    pub website: Option<String>,
    /// Its country.
    pub country: Option<String>,
    /// Regions it works in.
    #[graphql(default)]
    pub regions: Vec<String>,
    /// Industries it works in.
    #[graphql(default)]
    pub verticals: Vec<String>,
    /// How many people work there.
    pub employees: Option<i32>,
    /// What it is.
    pub description: Option<String>,
    /// CANDIDATE or ACTIVE; ACTIVE when nothing is said.
    pub status: Option<PartnerStatus>,
    /// The partner it belongs to.
    pub parent_id: Option<ID>,
    /// Free tags.
    #[graphql(default)]
    pub tags: Vec<String>,
    /// Makes a repeated request harmless for 24 hours.
    pub idempotency_key: Option<String>,
    /// True: check everything and write nothing.
    pub validate_only: Option<bool>,
}

impl CreatePartnerInput {
    async fn apply(self, edit: &mut Edit<'_>) -> entities::error::Result<Model> {
        let status = self
            .status
            .map_or(partner::PartnerStatus::Active, Into::into);
        if !matches!(
            status,
            partner::PartnerStatus::Active | partner::PartnerStatus::Candidate
        ) {
            return Err(entities::error::Error::invalid(
                entities::error::ViolationCode::TransitionNotAllowed,
                "status",
                "A new partner is CANDIDATE or ACTIVE.",
            ));
        }
        let new = NewPartner {
            name: self.name,
            domain: self.domain.map(|domain| domain.0),
            website: self.website,
            country: self.country,
            regions: self.regions,
            verticals: self.verticals,
            employees: self.employees,
            description: self.description,
            status,
            parent_id: self
                .parent_id
                .as_ref()
                .map(|id| id_input(id, "parentId"))
                .transpose()?,
            tags: self.tags,
            archived: false,
        };
        created(partner::create(&mut edit.change, vec![new]).await?)
    }
}

/// Changes to a partner: an absent field keeps its value, null clears it.
#[derive(Debug, InputObject)]
pub struct UpdatePartnerInput {
    /// Which partner.
    pub id: ID,
    /// The version you saw; another one refuses the update.
    pub expected_version: Option<i64>,
    /// The company's name.
    pub name: Option<String>,
    /// Its internet domain.
    pub domain: MaybeUndefined<Domain>,
    /// Its web site.
    pub website: MaybeUndefined<String>,
    /// Its country.
    pub country: MaybeUndefined<String>,
    /// Regions it works in.
    pub regions: Option<Vec<String>>,
    /// Industries it works in.
    pub verticals: Option<Vec<String>>,
    /// How many people work there.
    pub employees: MaybeUndefined<i32>,
    /// What it is.
    pub description: MaybeUndefined<String>,
    /// Where it stands; see `availableTransitions`.
    pub status: Option<PartnerStatus>,
    /// Free tags.
    pub tags: Option<Vec<String>>,
    /// True puts it away, false brings it back.
    pub archived: Option<bool>,
    /// True: check everything and write nothing.
    pub validate_only: Option<bool>,
}

payload!(
    CreatePartnerPayload { partner: Partner },
    "createPartner",
    Scope::PartnersRead
);
payload!(
    UpdatePartnerPayload { partner: Partner },
    "updatePartner",
    Scope::PartnersRead
);

/// Changes of partners.
#[derive(Default)]
pub struct PartnerMutation;

#[Object]
impl PartnerMutation {
    /// Creates a partner.
    #[graphql(directive = requires_scope::apply("partners:write".to_owned()))]
    async fn create_partner(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The new partner.")] input: CreatePartnerInput,
    ) -> Result<CreatePartnerPayload> {
        let opened = Edit::create(
            ctx,
            Scope::PartnersWrite,
            "createPartner",
            &input,
            input.idempotency_key.as_ref(),
            input.validate_only,
        )
        .await?;
        let mut edit = match opened {
            Opened::Fresh(edit) => *edit,
            Opened::Repeated(id) => {
                return Ok(CreatePartnerPayload::found(
                    Partner::find(request(ctx)?, PartnerId(id)).await?,
                ));
            }
            Opened::Refused(refused) => return Ok(CreatePartnerPayload::refused(refused)),
        };
        let result = input.apply(&mut edit).await;
        Ok(CreatePartnerPayload::from_outcome(
            edit.finish(result, |row| Some(row.id.0)).await?,
            Partner::one,
        ))
    }

    /// Changes a partner.
    #[graphql(directive = requires_scope::apply("partners:write".to_owned()))]
    async fn update_partner(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What changes.")] input: UpdatePartnerInput,
    ) -> Result<UpdatePartnerPayload> {
        let mut edit = Edit::begin(ctx, Scope::PartnersWrite, input.validate_only).await?;
        let result = input.apply(&mut edit).await;
        Ok(UpdatePartnerPayload::from_outcome(
            edit.finish(result, |_| None).await?,
            Partner::one,
        ))
    }
}

impl UpdatePartnerInput {
    async fn apply(self, edit: &mut Edit<'_>) -> entities::error::Result<Model> {
        let id: PartnerId = id_input(&self.id, "id")?;
        let row = visible::lock_one::<Entity>(
            &edit.change,
            &edit.request.viewer,
            id.0,
            self.expected_version,
        )
        .await?;
        let patch = PartnerPatch {
            name: self.name,
            domain: nullable(self.domain).map(|domain| domain.map(|domain| domain.0)),
            website: nullable(self.website),
            country: nullable(self.country),
            regions: self.regions,
            verticals: self.verticals,
            employees: nullable(self.employees),
            description: nullable(self.description),
            status: self.status.map(Into::into),
            tags: self.tags,
            archived: self.archived,
        };
        partner::update(&mut edit.change, row, patch).await
    }
}
