//! What staff makes of an application.

use super::PartnerApplication;
use super::mutation::{Changed, lock};
use crate::graphql::context::requires_scope;
use crate::graphql::edit::{Edit, id_input, payload};
use async_graphql::{Context, ID, InputObject, Object, Result};
use entities::partner_application::{self, Approval};
use entities::viewer::Scope;

/// An application to be looked at.
#[derive(Debug, InputObject)]
pub struct ReviewPartnerApplicationInput {
    /// Which application.
    pub id: ID,
    /// The version you saw; another one refuses the change.
    pub expected_version: Option<i64>,
    /// True: check everything and write nothing.
    pub validate_only: Option<bool>,
}

/// What is to be asked of a company.
#[derive(Debug, InputObject)]
pub struct RequestPartnerApplicationInformationInput {
    /// Which application.
    pub id: ID,
    /// The version you saw; another one refuses the change.
    pub expected_version: Option<i64>,
    /// The question, as the company reads it.
    pub question: String,
    /// True: check everything and write nothing.
    pub validate_only: Option<bool>,
}

/// An application to be approved.
#[derive(Debug, InputObject)]
pub struct ApprovePartnerApplicationInput {
    /// Which application.
    pub id: ID,
    /// The version you saw; another one refuses the change.
    pub expected_version: Option<i64>,
    /// The partner that the company is already. Without one, and where the application names none, a new partner is made.
    pub partner_id: Option<ID>,
    /// What the company is told.
    pub reason: Option<String>,
    /// What it is not told.
    pub internal_note: Option<String>,
    /// Why it is approved without an assessment that is good enough. The log keeps who and why.
    pub override_reason: Option<String>,
    /// True: check everything and write nothing.
    pub validate_only: Option<bool>,
}

impl ApprovePartnerApplicationInput {
    async fn apply(self, edit: &mut Edit<'_>) -> Changed {
        let row = lock(edit, &self.id, self.expected_version).await?;
        let partner = self.partner_id.as_ref();
        let approval = Approval {
            partner_id: partner.map(|id| id_input(id, "partnerId")).transpose()?,
            reason: self.reason,
            note: self.internal_note,
            override_reason: self.override_reason,
        };
        partner_application::approve(&mut edit.change, row, approval).await
    }
}

/// An application to be refused.
#[derive(Debug, InputObject)]
pub struct RefusePartnerApplicationInput {
    /// Which application.
    pub id: ID,
    /// The version you saw; another one refuses the change.
    pub expected_version: Option<i64>,
    /// Why, as the company is told.
    pub reason: String,
    /// What it is not told.
    pub internal_note: Option<String>,
    /// True: check everything and write nothing.
    pub validate_only: Option<bool>,
}

payload!(
    ReviewPartnerApplicationPayload {
        partner_application: PartnerApplication
    },
    "reviewPartnerApplication",
    Scope::PartnersRead
);
payload!(
    RequestPartnerApplicationInformationPayload {
        partner_application: PartnerApplication
    },
    "requestPartnerApplicationInformation",
    Scope::PartnersRead
);
payload!(
    ApprovePartnerApplicationPayload {
        partner_application: PartnerApplication
    },
    "approvePartnerApplication",
    Scope::PartnersRead
);
payload!(
    RefusePartnerApplicationPayload {
        partner_application: PartnerApplication
    },
    "refusePartnerApplication",
    Scope::PartnersRead
);

/// Decisions about applications.
#[derive(Default)]
pub struct ApplicationDecisionMutation;

#[Object]
impl ApplicationDecisionMutation {
    /// Begins to look at an application.
    #[graphql(directive = requires_scope::apply("partners:write".to_owned()))]
    async fn review_partner_application(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which application.")] input: ReviewPartnerApplicationInput,
    ) -> Result<ReviewPartnerApplicationPayload> {
        let mut edit = Edit::begin(ctx, Scope::PartnersWrite, input.validate_only).await?;
        let result = async {
            let row = lock(&edit, &input.id, input.expected_version).await?;
            partner_application::review(&mut edit.change, row).await
        }
        .await;
        Ok(ReviewPartnerApplicationPayload::from_outcome(
            edit.finish(result, |_| None).await?,
            PartnerApplication::one,
        ))
    }

    /// Asks the company for something. Without an answer within 30 days the application expires.
    #[graphql(directive = requires_scope::apply("partners:write".to_owned()))]
    async fn request_partner_application_information(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which application, and what is asked.")]
        input: RequestPartnerApplicationInformationInput,
    ) -> Result<RequestPartnerApplicationInformationPayload> {
        let mut edit = Edit::begin(ctx, Scope::PartnersWrite, input.validate_only).await?;
        let result = async {
            let row = lock(&edit, &input.id, input.expected_version).await?;
            partner_application::request_information(&mut edit.change, row, input.question).await
        }
        .await;
        Ok(RequestPartnerApplicationInformationPayload::from_outcome(
            edit.finish(result, |_| None).await?,
            PartnerApplication::one,
        ))
    }

    /// Approves an application: the partner, where there is none yet, its partnership at PROSPECT and its part in the programme come into being with it.
    /// Where there is a scheme of criteria, its last assessment has to reach the threshold, or somebody says why not.
    #[graphql(directive = requires_scope::apply("partners:write".to_owned()))]
    async fn approve_partner_application(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which application.")] input: ApprovePartnerApplicationInput,
    ) -> Result<ApprovePartnerApplicationPayload> {
        let mut edit = Edit::begin(ctx, Scope::PartnersWrite, input.validate_only).await?;
        let result = input.apply(&mut edit).await;
        Ok(ApprovePartnerApplicationPayload::from_outcome(
            edit.finish(result, |_| None).await?,
            PartnerApplication::one,
        ))
    }

    /// Refuses an application.
    #[graphql(directive = requires_scope::apply("partners:write".to_owned()))]
    async fn refuse_partner_application(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which application, and why.")] input: RefusePartnerApplicationInput,
    ) -> Result<RefusePartnerApplicationPayload> {
        let mut edit = Edit::begin(ctx, Scope::PartnersWrite, input.validate_only).await?;
        let result = async {
            let row = lock(&edit, &input.id, input.expected_version).await?;
            let (reason, note) = (input.reason, input.internal_note);
            partner_application::refuse(&mut edit.change, row, reason, note).await
        }
        .await;
        Ok(RefusePartnerApplicationPayload::from_outcome(
            edit.finish(result, |_| None).await?,
            PartnerApplication::one,
        ))
    }
}
