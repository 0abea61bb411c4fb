//! Changes of payouts: what they take and what they answer.

use super::Payout;
use crate::graphql::context::requires_scope;
use crate::graphql::edit::{Edit, id_input, payload, payload_many};
use async_graphql::{Context, ID, InputObject, Object, Result};
use entities::error::{Error, ViolationCode};
use entities::id::{PartnerId, PayoutId};
use entities::payout::{self, Entity, Model};
use entities::viewer::Scope;
use entities::visible;

type Changed = entities::error::Result<Model>;

async fn lock(edit: &Edit<'_>, id: &ID, expected_version: Option<i64>) -> Changed {
    let id: PayoutId = id_input(id, "id")?;
    visible::lock_one::<Entity>(&edit.change, &edit.request.viewer, id.0, expected_version).await
}

/// What is payable, to be gathered.
#[derive(Debug, InputObject)]
pub struct CreatePayoutsInput {
    /// What the payouts that are made now are called.
    pub batch: String,
    /// Of which partners, at most 500; of all when nothing is said.
    pub partner_ids: Option<Vec<ID>>,
    /// True: check everything and write nothing.
    pub validate_only: Option<bool>,
}

impl CreatePayoutsInput {
    async fn apply(self, edit: &mut Edit<'_>) -> entities::error::Result<Vec<Model>> {
        let partners = match self.partner_ids {
            None => None,
            Some(ids) if ids.len() > 500 => {
                let message = "At most 500 partners.";
                return Err(Error::invalid(
                    ViolationCode::TooLong,
                    "partnerIds",
                    message,
                ));
            }
            Some(ids) => {
                let ids = ids.iter().map(|id| id_input(id, "partnerIds"));
                Some(ids.collect::<entities::error::Result<Vec<PartnerId>>>()?)
            }
        };
        payout::create(&mut edit.change, self.batch, partners.as_deref()).await
    }
}

/// A payout that is a draft.
#[derive(Debug, InputObject)]
pub struct ApprovePayoutInput {
    /// Which payout.
    pub id: ID,
    /// The version you saw; another one refuses the change.
    pub expected_version: Option<i64>,
    /// True: check everything and write nothing.
    pub validate_only: Option<bool>,
}

impl ApprovePayoutInput {
    async fn apply(self, edit: &mut Edit<'_>) -> Changed {
        let row = lock(edit, &self.id, self.expected_version).await?;
        payout::approve(&mut edit.change, row).await
    }
}

/// A payout that is approved, or that the bank refused.
#[derive(Debug, InputObject)]
pub struct ProcessPayoutInput {
    /// Which payout.
    pub id: ID,
    /// The version you saw; another one refuses the change.
    pub expected_version: Option<i64>,
    /// True: check everything and write nothing.
    pub validate_only: Option<bool>,
}

impl ProcessPayoutInput {
    async fn apply(self, edit: &mut Edit<'_>) -> Changed {
        let row = lock(edit, &self.id, self.expected_version).await?;
        payout::process(&mut edit.change, row).await
    }
}

/// A payout that the bank has paid.
#[derive(Debug, InputObject)]
pub struct CompletePayoutInput {
    /// Which payout.
    pub id: ID,
    /// The version you saw; another one refuses the change.
    pub expected_version: Option<i64>,
    /// What the bank calls it.
    pub reference: String,
    /// True: check everything and write nothing.
    pub validate_only: Option<bool>,
}

impl CompletePayoutInput {
    async fn apply(self, edit: &mut Edit<'_>) -> Changed {
        let row = lock(edit, &self.id, self.expected_version).await?;
        payout::pay(&mut edit.change, row, self.reference).await
    }
}

/// A payout that the bank has refused.
#[derive(Debug, InputObject)]
pub struct FailPayoutInput {
    /// Which payout.
    pub id: ID,
    /// The version you saw; another one refuses the change.
    pub expected_version: Option<i64>,
    /// Why; the partner reads it.
    pub failure: String,
    /// True: check everything and write nothing.
    pub validate_only: Option<bool>,
}

impl FailPayoutInput {
    async fn apply(self, edit: &mut Edit<'_>) -> Changed {
        let row = lock(edit, &self.id, self.expected_version).await?;
        payout::fail(&mut edit.change, row, self.failure).await
    }
}

/// A payout to be given up.
#[derive(Debug, InputObject)]
pub struct CancelPayoutInput {
    /// Which payout.
    pub id: ID,
    /// The version you saw; another one refuses the change.
    pub expected_version: Option<i64>,
    /// True: check everything and write nothing.
    pub validate_only: Option<bool>,
}

impl CancelPayoutInput {
    async fn apply(self, edit: &mut Edit<'_>) -> Changed {
        let row = lock(edit, &self.id, self.expected_version).await?;
        payout::cancel(&mut edit.change, row).await
    }
}

payload_many!(
    CreatePayoutsPayload { payouts: Payout of Model },
    "createPayouts",
    Scope::EarningsRead
);
payload!(
    ApprovePayoutPayload { payout: Payout },
    "approvePayout",
    Scope::EarningsRead
);
payload!(
    ProcessPayoutPayload { payout: Payout },
    "processPayout",
    Scope::EarningsRead
);
payload!(
    CompletePayoutPayload { payout: Payout },
    "completePayout",
    Scope::EarningsRead
);
payload!(
    FailPayoutPayload { payout: Payout },
    "failPayout",
    Scope::EarningsRead
);
payload!(
    CancelPayoutPayload { payout: Payout },
    "cancelPayout",
    Scope::EarningsRead
);

/// Changes of payouts.
#[derive(Default)]
pub struct PayoutMutation;

#[Object]
impl PayoutMutation {
    /// Gathers what is payable into payouts, one for each partner and currency that more is owed to than nothing.
    #[graphql(directive = requires_scope::apply("payouts:write".to_owned()))]
    async fn create_payouts(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Of whom.")] input: CreatePayoutsInput,
    ) -> Result<CreatePayoutsPayload> {
        let mut edit = Edit::begin(ctx, Scope::PayoutsWrite, input.validate_only).await?;
        let result = input.apply(&mut edit).await;
        Ok(CreatePayoutsPayload::from_outcome(
            edit.finish(result, |_| None).await?,
            Payout,
        ))
    }

    /// Approves a payout. Above the programme's limit, who approves is not who made it.
    #[graphql(directive = requires_scope::apply("payouts:write".to_owned()))]
    async fn approve_payout(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which payout.")] input: ApprovePayoutInput,
    ) -> Result<ApprovePayoutPayload> {
        let mut edit = Edit::begin(ctx, Scope::PayoutsWrite, input.validate_only).await?;
        let result = input.apply(&mut edit).await;
        Ok(ApprovePayoutPayload::from_outcome(
            edit.finish(result, |_| None).await?,
            Payout::one,
        ))
    }

    /// Notes that a payout was sent to the bank, for the first time or again.
    #[graphql(directive = requires_scope::apply("payouts:write".to_owned()))]
    async fn process_payout(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which payout.")] input: ProcessPayoutInput,
    ) -> Result<ProcessPayoutPayload> {
        let mut edit = Edit::begin(ctx, Scope::PayoutsWrite, input.validate_only).await?;
        let result = input.apply(&mut edit).await;
        Ok(ProcessPayoutPayload::from_outcome(
            edit.finish(result, |_| None).await?,
            Payout::one,
        ))
    }

    /// Notes that a payout was paid: its entries are paid, and the ledger says so.
    #[graphql(directive = requires_scope::apply("payouts:write".to_owned()))]
    async fn complete_payout(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which payout.")] input: CompletePayoutInput,
    ) -> Result<CompletePayoutPayload> {
        let mut edit = Edit::begin(ctx, Scope::PayoutsWrite, input.validate_only).await?;
        let result = input.apply(&mut edit).await;
        Ok(CompletePayoutPayload::from_outcome(
            edit.finish(result, |_| None).await?,
            Payout::one,
        ))
    }

    /// Notes that the bank refused.
    #[graphql(directive = requires_scope::apply("payouts:write".to_owned()))]
    async fn fail_payout(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which payout, and why.")] input: FailPayoutInput,
    ) -> Result<FailPayoutPayload> {
        let mut edit = Edit::begin(ctx, Scope::PayoutsWrite, input.validate_only).await?;
        let result = input.apply(&mut edit).await;
        Ok(FailPayoutPayload::from_outcome(
            edit.finish(result, |_| None).await?,
            Payout::one,
        ))
    }

    /// Gives a payout up; its entries are payable again.
    #[graphql(directive = requires_scope::apply("payouts:write".to_owned()))]
    async fn cancel_payout(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which payout.")] input: CancelPayoutInput,
    ) -> Result<CancelPayoutPayload> {
        let mut edit = Edit::begin(ctx, Scope::PayoutsWrite, input.validate_only).await?;
        let result = input.apply(&mut edit).await;
        Ok(CancelPayoutPayload::from_outcome(
            edit.finish(result, |_| None).await?,
            Payout::one,
        ))
    }
}
