//! What staff does with registrations: looking, asking, approving, refusing, extending, and making a deal of one.

use super::DealRegistration;
use super::mutation::{lock, registration_payload};
use crate::graphql::context::requires_scope;
use crate::graphql::edit::{Edit, payload};
use async_graphql::{Context, Enum, ID, InputObject, Object, Result};
use entities::deal_registration::{self, Decision, Model};
use entities::viewer::Scope;

type Changed = entities::error::Result<Model>;

/// A registration to be looked at.
#[derive(Debug, InputObject)]
pub struct ReviewDealRegistrationInput {
    /// Which registration.
    pub id: ID,
    /// The version you saw; another one refuses the change.
    pub expected_version: Option<i64>,
    /// True: check everything and write nothing.
    pub validate_only: Option<bool>,
}

impl ReviewDealRegistrationInput {
    async fn apply(self, edit: &mut Edit<'_>) -> Changed {
        let row = lock(edit, &self.id, self.expected_version).await?;
        deal_registration::review(&mut edit.change, row).await
    }
}

/// What the partner is to be asked.
#[derive(Debug, InputObject)]
pub struct RequestDealRegistrationInformationInput {
    /// Of which registration.
    pub id: ID,
    /// The version you saw; another one refuses the change.
    pub expected_version: Option<i64>,
    /// The question; the partner reads it.
    pub question: String,
    /// True: check everything and write nothing.
    pub validate_only: Option<bool>,
}

impl RequestDealRegistrationInformationInput {
    async fn apply(self, edit: &mut Edit<'_>) -> Changed {
        let row = lock(edit, &self.id, self.expected_version).await?;
        deal_registration::request_information(&mut edit.change, row, self.question).await
    }
}

/// A registration to be approved.
#[derive(Debug, InputObject)]
pub struct ApproveDealRegistrationInput {
    /// Which registration.
    pub id: ID,
    /// The version you saw; another one refuses the change.
    pub expected_version: Option<i64>,
    /// For how many days it is protected, 1 to 365; the programme's when nothing is said.
    pub protection_days: Option<i32>,
    /// What the partner is told.
    pub message: Option<String>,
    /// What it is not told.
    pub internal_note: Option<String>,
    /// True: check everything and write nothing.
    pub validate_only: Option<bool>,
}

impl ApproveDealRegistrationInput {
    async fn apply(self, edit: &mut Edit<'_>) -> Changed {
        let row = lock(edit, &self.id, self.expected_version).await?;
        let (change, days) = (&mut edit.change, self.protection_days);
        deal_registration::approve(change, row, days, self.message, self.internal_note).await
    }
}

/// Why a registration is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "Decision")]
pub enum RegistrationRefusal {
    /// It is refused.
    Reject,
    /// Somebody was first.
    Duplicate,
}

/// A registration to be refused.
#[derive(Debug, InputObject)]
pub struct RejectDealRegistrationInput {
    /// Which registration.
    pub id: ID,
    /// The version you saw; another one refuses the change.
    pub expected_version: Option<i64>,
    /// As what; REJECT when nothing is said.
    pub refusal: Option<RegistrationRefusal>,
    /// Why; the partner reads it.
    pub reason: String,
    /// What it is not told.
    pub internal_note: Option<String>,
    /// True: check everything and write nothing.
    pub validate_only: Option<bool>,
}

impl RejectDealRegistrationInput {
    async fn apply(self, edit: &mut Edit<'_>) -> Changed {
        let row = lock(edit, &self.id, self.expected_version).await?;
        let decision = self.refusal.map_or(Decision::Reject, Into::into);
        let (change, note) = (&mut edit.change, self.internal_note);
        deal_registration::decide(change, row, decision, self.reason, note).await
    }
}

/// A protection to be extended.
#[derive(Debug, InputObject)]
pub struct ExtendDealRegistrationInput {
    /// Which registration.
    pub id: ID,
    /// The version you saw; another one refuses the change.
    pub expected_version: Option<i64>,
    /// For which evidence; none that was given before.
    pub evidence: String,
    /// True: check everything and write nothing.
    pub validate_only: Option<bool>,
}

impl ExtendDealRegistrationInput {
    async fn apply(self, edit: &mut Edit<'_>) -> Changed {
        let row = lock(edit, &self.id, self.expected_version).await?;
        deal_registration::extend(&mut edit.change, row, self.evidence).await
    }
}

/// A registration that has become a deal.
#[derive(Debug, InputObject)]
pub struct ConvertDealRegistrationInput {
    /// Which registration.
    pub id: ID,
    /// The version you saw; another one refuses the change.
    pub expected_version: Option<i64>,
    /// True: check everything and write nothing.
    pub validate_only: Option<bool>,
}

impl ConvertDealRegistrationInput {
    async fn apply(self, edit: &mut Edit<'_>) -> Changed {
        let row = lock(edit, &self.id, self.expected_version).await?;
        let (row, _) = deal_registration::convert(&mut edit.change, row).await?;
        Ok(row)
    }
}

registration_payload!(ReviewDealRegistrationPayload, "reviewDealRegistration");
registration_payload!(
    RequestDealRegistrationInformationPayload,
    "requestDealRegistrationInformation"
);
registration_payload!(ApproveDealRegistrationPayload, "approveDealRegistration");
registration_payload!(RejectDealRegistrationPayload, "rejectDealRegistration");
registration_payload!(ExtendDealRegistrationPayload, "extendDealRegistration");
registration_payload!(ConvertDealRegistrationPayload, "convertDealRegistration");

/// Decisions on registrations.
#[derive(Default)]
pub struct RegistrationDecisionMutation;

#[Object]
impl RegistrationDecisionMutation {
    /// Begins to look at a registration.
    #[graphql(directive = requires_scope::apply("registrations:decide".to_owned()))]
    async fn review_deal_registration(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which registration.")] input: ReviewDealRegistrationInput,
    ) -> Result<ReviewDealRegistrationPayload> {
        let mut edit = Edit::begin(ctx, Scope::RegistrationsDecide, input.validate_only).await?;
        let result = input.apply(&mut edit).await;
        Ok(ReviewDealRegistrationPayload::from_outcome(
            edit.finish(result, |_| None).await?,
            DealRegistration::one,
        ))
    }

    /// Asks the partner for something; it hands the registration in again and keeps its place.
    #[graphql(directive = requires_scope::apply("registrations:decide".to_owned()))]
    async fn request_deal_registration_information(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Of which registration, and what.")]
        input: RequestDealRegistrationInformationInput,
    ) -> Result<RequestDealRegistrationInformationPayload> {
        let mut edit = Edit::begin(ctx, Scope::RegistrationsDecide, input.validate_only).await?;
        let result = input.apply(&mut edit).await;
        Ok(RequestDealRegistrationInformationPayload::from_outcome(
            edit.finish(result, |_| None).await?,
            DealRegistration::one,
        ))
    }

    /// Approves a registration: from now on it is protected. Of an account and scope at most one is.
    #[graphql(directive = requires_scope::apply("registrations:decide".to_owned()))]
    async fn approve_deal_registration(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which registration.")] input: ApproveDealRegistrationInput,
    ) -> Result<ApproveDealRegistrationPayload> {
        let mut edit = Edit::begin(ctx, Scope::RegistrationsDecide, input.validate_only).await?;
        let result = input.apply(&mut edit).await;
        Ok(ApproveDealRegistrationPayload::from_outcome(
            edit.finish(result, |_| None).await?,
            DealRegistration::one,
        ))
    }

    /// Refuses a registration.
    #[graphql(directive = requires_scope::apply("registrations:decide".to_owned()))]
    async fn reject_deal_registration(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which registration, and why.")] input: RejectDealRegistrationInput,
    ) -> Result<RejectDealRegistrationPayload> {
        let mut edit = Edit::begin(ctx, Scope::RegistrationsDecide, input.validate_only).await?;
        let result = input.apply(&mut edit).await;
        Ok(RejectDealRegistrationPayload::from_outcome(
            edit.finish(result, |_| None).await?,
            DealRegistration::one,
        ))
    }

    /// Extends a protection, at most twice and each time for new evidence.
    #[graphql(directive = requires_scope::apply("registrations:decide".to_owned()))]
    async fn extend_deal_registration(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which registration, and for what.")] input: ExtendDealRegistrationInput,
    ) -> Result<ExtendDealRegistrationPayload> {
        let mut edit = Edit::begin(ctx, Scope::RegistrationsDecide, input.validate_only).await?;
        let result = input.apply(&mut edit).await;
        Ok(ExtendDealRegistrationPayload::from_outcome(
            edit.finish(result, |_| None).await?,
            DealRegistration::one,
        ))
    }

    /// Makes a deal of an approved registration, with the account as its customer and the partner as who brought it.
    #[graphql(directive = requires_scope::apply("registrations:decide".to_owned()))]
    async fn convert_deal_registration(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which registration.")] input: ConvertDealRegistrationInput,
    ) -> Result<ConvertDealRegistrationPayload> {
        let mut edit = Edit::begin(ctx, Scope::RegistrationsDecide, input.validate_only).await?;
        let result = input.apply(&mut edit).await;
        Ok(ConvertDealRegistrationPayload::from_outcome(
            edit.finish(result, |_| None).await?,
            DealRegistration::one,
        ))
    }
}
