//! Changes of deals: what they take and what they answer.

use crate::graphql::context::{request, requires_scope};
use crate::graphql::deal_partner::AttributionInput;
use crate::graphql::edit::{Edit, Opened, created, id_input, nullable, payload};
use crate::graphql::scalar::{Date, DateTime, MoneyInput};
use async_graphql::{Context, ID, InputObject, MaybeUndefined, Object, Result};
use entities::deal::{self, DealPatch, Entity, Model, NewDeal};
use entities::deal_partner;
use entities::id::DealId;
use entities::viewer::Scope;
use entities::visible::{self};

use super::{Deal, DealStage};

/// Who owns a deal.
#[derive(Debug, InputObject)]
pub struct DealOwnerInput {
    /// The name.
    pub name: Option<String>,
    /// The e-mail address.
    pub email: Option<String>,
}

/// A new deal; it is open.
#[derive(Debug, InputObject)]
pub struct CreateDealInput {
    /// What it is called.
    pub name: String,
    /// Whom it is made with.
    pub customer_id: Option<ID>,
    /// An open stage; PROSPECT when nothing is said.
    pub stage: Option<DealStage>,
    /// What it is worth, where that is known.
    pub amount: Option<MoneyInput>,
    /// The day it is expected to close.
    pub expected_close_on: Option<Date>,
    /// Who owns it.
    pub owner: Option<DealOwnerInput>,
    /// What is sold.
    #[graphql(default)]
    pub products: Vec<String>,
    /// Who shares in it.
    #[graphql(default)]
    pub partners: Vec<AttributionInput>,
    /// Makes a repeated request harmless for 24 hours.
    pub idempotency_key: Option<String>,
    /// True: check everything and write nothing.
    pub validate_only: Option<bool>,
}

impl CreateDealInput {
    async fn apply(self, edit: &mut Edit<'_>) -> entities::error::Result<Model> {
        let owner = self.owner.unwrap_or(DealOwnerInput {
            name: None,
            email: None,
        });
        let shares = AttributionInput::shares(&self.partners)?;
        let new = NewDeal {
            name: self.name,
            customer_id: self
                .customer_id
                .as_ref()
                .map(|id| id_input(id, "customerId"))
                .transpose()?,
            stage: self.stage.map_or(deal::DealStage::Prospect, Into::into),
            source_stage: None,
            amount: self
                .amount
                .map(|amount| amount.to_amount("amount"))
                .transpose()?,
            expected_close_on: self.expected_close_on.map(|day| day.0),
            closed_at: None,
            lost_reason: None,
            owner_name: owner.name,
            owner_email: owner.email,
            products: self.products,
            archived: false,
        };
        let row = created(deal::create(&mut edit.change, vec![new]).await?)?;
        if !shares.is_empty() {
            deal_partner::attribute(&mut edit.change, &[(row.clone(), shares)]).await?;
        }
        Ok(row)
    }
}

/// Changes to a deal: an absent field keeps its value, null clears it. Closing it is `winDeal` and `loseDeal`.
#[derive(Debug, InputObject)]
pub struct UpdateDealInput {
    /// Which deal.
    pub id: ID,
    /// The version you saw; another one refuses the update.
    pub expected_version: Option<i64>,
    /// What it is called.
    pub name: Option<String>,
    /// Whom it is made with.
    pub customer_id: MaybeUndefined<ID>,
    /// Another open stage.
    pub stage: Option<DealStage>,
    /// What it is worth.
    pub amount: MaybeUndefined<MoneyInput>,
    /// The day it is expected to close.
    pub expected_close_on: MaybeUndefined<Date>,
    /// Who owns it.
    pub owner: MaybeUndefined<DealOwnerInput>,
    /// What is sold.
    pub products: Option<Vec<String>>,
    /// True puts it away, false brings it back.
    pub archived: Option<bool>,
    /// True: check everything and write nothing.
    pub validate_only: Option<bool>,
}

impl UpdateDealInput {
    async fn apply(self, edit: &mut Edit<'_>) -> entities::error::Result<Model> {
        let row = lock(edit, &self.id, self.expected_version).await?;
        if self
            .stage
            .is_some_and(|stage| deal::DealStage::from(stage).is_closed())
        {
            let message = "Close a deal with winDeal or loseDeal.";
            return Err(entities::error::Error::invalid(
                entities::error::ViolationCode::TransitionNotAllowed,
                "stage",
                message,
            ));
        }
        let owner = nullable(self.owner);
        let patch = DealPatch {
            name: self.name,
            customer_id: nullable(self.customer_id)
                .map(|id| id.map(|id| id_input(&id, "customerId")).transpose())
                .transpose()?,
            stage: self.stage.map(Into::into),
            amount: nullable(self.amount)
                .map(|amount| amount.map(|amount| amount.to_amount("amount")).transpose())
                .transpose()?,
            expected_close_on: nullable(self.expected_close_on).map(|day| day.map(|day| day.0)),
            owner_name: owner
                .as_ref()
                .map(|owner| owner.as_ref().and_then(|owner| owner.name.clone())),
            owner_email: owner.map(|owner| owner.and_then(|owner| owner.email)),
            products: self.products,
            archived: self.archived,
            ..DealPatch::default()
        };
        deal::update(&mut edit.change, row, patch).await
    }
}

/// A deal that was won.
#[derive(Debug, InputObject)]
pub struct WinDealInput {
    /// Which deal.
    pub id: ID,
    /// The version you saw; another one refuses the change.
    pub expected_version: Option<i64>,
    /// What it came to be worth; it cannot be changed afterwards.
    pub amount: Option<MoneyInput>,
    /// When; now when nothing is said.
    pub closed_at: Option<DateTime>,
    /// True: check everything and write nothing.
    pub validate_only: Option<bool>,
}

/// A deal that was lost.
#[derive(Debug, InputObject)]
pub struct LoseDealInput {
    /// Which deal.
    pub id: ID,
    /// The version you saw; another one refuses the change.
    pub expected_version: Option<i64>,
    /// Why.
    pub reason: String,
    /// When; now when nothing is said.
    pub closed_at: Option<DateTime>,
    /// True: check everything and write nothing.
    pub validate_only: Option<bool>,
}

/// Who shares in a deal, all of them: who is not named shares no longer.
#[derive(Debug, InputObject)]
pub struct AttributeDealInput {
    /// Which deal.
    pub id: ID,
    /// The version you saw; another one refuses the change.
    pub expected_version: Option<i64>,
    /// The shares; the weights of the earning roles sum to at most 10,000 basis points.
    pub partners: Vec<AttributionInput>,
    /// True: check everything and write nothing.
    pub validate_only: Option<bool>,
}

payload!(
    CreateDealPayload { deal: Deal },
    "createDeal",
    Scope::DealsRead
);
payload!(
    UpdateDealPayload { deal: Deal },
    "updateDeal",
    Scope::DealsRead
);
payload!(WinDealPayload { deal: Deal }, "winDeal", Scope::DealsRead);
payload!(LoseDealPayload { deal: Deal }, "loseDeal", Scope::DealsRead);
payload!(
    AttributeDealPayload { deal: Deal },
    "attributeDeal",
    Scope::DealsRead
);

async fn lock(
    edit: &Edit<'_>,
    id: &ID,
    expected_version: Option<i64>,
) -> entities::error::Result<Model> {
    let id: DealId = id_input(id, "id")?;
    visible::lock_one::<Entity>(&edit.change, &edit.request.viewer, id.0, expected_version).await
}

/// Changes of deals.
#[derive(Default)]
pub struct DealMutation;

#[Object]
impl DealMutation {
    /// Creates an open deal.
    #[graphql(directive = requires_scope::apply("deals:write".to_owned()))]
    async fn create_deal(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The new deal.")] input: CreateDealInput,
    ) -> Result<CreateDealPayload> {
        let opened = Edit::create(
            ctx,
            Scope::DealsWrite,
            "createDeal",
            &input,
            input.idempotency_key.as_ref(),
            input.validate_only,
        )
        .await?;
        let mut edit = match opened {
            Opened::Fresh(edit) => *edit,
            Opened::Repeated(id) => {
                return Ok(CreateDealPayload::found(
                    Deal::find(request(ctx)?, DealId(id)).await?,
                ));
            }
            Opened::Refused(refused) => return Ok(CreateDealPayload::refused(refused)),
        };
        let result = input.apply(&mut edit).await;
        Ok(CreateDealPayload::from_outcome(
            edit.finish(result, |row| Some(row.id.0)).await?,
            Deal::one,
        ))
    }

    /// Changes a deal that is open, or the open fields of a closed one.
    #[graphql(directive = requires_scope::apply("deals:write".to_owned()))]
    async fn update_deal(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What changes.")] input: UpdateDealInput,
    ) -> Result<UpdateDealPayload> {
        let mut edit = Edit::begin(ctx, Scope::DealsWrite, input.validate_only).await?;
        let result = input.apply(&mut edit).await;
        Ok(UpdateDealPayload::from_outcome(
            edit.finish(result, |_| None).await?,
            Deal::one,
        ))
    }

    /// Wins an open deal.
    #[graphql(directive = requires_scope::apply("deals:write".to_owned()))]
    async fn win_deal(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which deal, and how.")] input: WinDealInput,
    ) -> Result<WinDealPayload> {
        let mut edit = Edit::begin(ctx, Scope::DealsWrite, input.validate_only).await?;
        let result = async {
            let row = lock(&edit, &input.id, input.expected_version).await?;
            let amount = input
                .amount
                .map(|amount| amount.to_amount("amount"))
                .transpose()?;
            deal::win(
                &mut edit.change,
                row,
                amount,
                input.closed_at.map(|at| at.0),
            )
            .await
        }
        .await;
        Ok(WinDealPayload::from_outcome(
            edit.finish(result, |_| None).await?,
            Deal::one,
        ))
    }

    /// Loses an open deal.
    #[graphql(directive = requires_scope::apply("deals:write".to_owned()))]
    async fn lose_deal(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which deal, and why.")] input: LoseDealInput,
    ) -> Result<LoseDealPayload> {
        let mut edit = Edit::begin(ctx, Scope::DealsWrite, input.validate_only).await?;
        let result = async {
            let row = lock(&edit, &input.id, input.expected_version).await?;
            deal::lose(
                &mut edit.change,
                row,
                input.reason,
                input.closed_at.map(|at| at.0),
            )
            .await
        }
        .await;
        Ok(LoseDealPayload::from_outcome(
            edit.finish(result, |_| None).await?,
            Deal::one,
        ))
    }

    /// Says who shares in a deal. A won deal's shares are locked.
    #[graphql(directive = requires_scope::apply("deals:write".to_owned()))]
    async fn attribute_deal(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which deal, and who shares in it.")] input: AttributeDealInput,
    ) -> Result<AttributeDealPayload> {
        let mut edit = Edit::begin(ctx, Scope::DealsWrite, input.validate_only).await?;
        let result = async {
            let row = lock(&edit, &input.id, input.expected_version).await?;
            let shares = AttributionInput::shares(&input.partners)?;
            deal_partner::attribute(&mut edit.change, &[(row, shares)]).await?;
            lock(&edit, &input.id, None).await
        }
        .await;
        Ok(AttributeDealPayload::from_outcome(
            edit.finish(result, |_| None).await?,
            Deal::one,
        ))
    }
}
