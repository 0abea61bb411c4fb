//! What a company does with its applications, and staff for it.

use super::PartnerApplication;
use crate::graphql::context::{request, requires_scope};
use crate::graphql::edit::{Edit, Opened, id_input, payload};
use crate::graphql::partnership::PartnerType;
use crate::graphql::scalar::Domain;
use async_graphql::{Context, ID, InputObject, Object, Result};
use entities::id::PartnerApplicationId;
use entities::partner_application::{self, Entity, Model, NewApplication};
use entities::viewer::Scope;
use entities::visible;

pub(super) type Changed = entities::error::Result<Model>;

pub(super) async fn lock(edit: &Edit<'_>, id: &ID, expected_version: Option<i64>) -> Changed {
    let id: PartnerApplicationId = id_input(id, "id")?;
    visible::lock_one::<Entity>(&edit.change, &edit.request.viewer, id.0, expected_version).await
}

/// An application to a programme.
#[derive(Debug, InputObject)]
pub struct SubmitPartnerApplicationInput {
    /// To which programme; a partner applies to those that accept applications.
    pub program_id: ID,
    /// For which partner staff applies, where the company is one already; a partner applies for itself.
    pub partner_id: Option<ID>,
    /// What kind of partnership the company wants.
    pub r#type: PartnerType,
    /// The company, as it calls itself.
    pub company_name: String,
    /// Its internet domain.
    pub domain: Option<Domain>,
    /// Its website, with https:// or http://.
    pub website: Option<String>,
    /// Its country: two capital letters of ISO 3166.
    pub country: Option<String>,
    /// How many people it employs.
    pub employees: Option<i32>,
    /// Who speaks for it.
    pub contact_name: String,
    /// Where that person is reached.
    pub contact_email: Option<String>,
    /// What it wants, in its own words.
    pub message: String,
    /// Makes a repeated request harmless for 24 hours.
    pub idempotency_key: Option<String>,
    /// True: check everything and write nothing.
    pub validate_only: Option<bool>,
}

impl SubmitPartnerApplicationInput {
    async fn apply(self, edit: &mut Edit<'_>) -> Changed {
        let partner = self.partner_id.as_ref();
        let partner = partner.map(|id| id_input(id, "partnerId")).transpose()?;
        let new = NewApplication {
            program_id: id_input(&self.program_id, "programId")?,
            kind: self.r#type.into(),
            company_name: self.company_name,
            domain: self.domain.map(|domain| domain.0),
            website: self.website,
            country: self.country,
            employees: self.employees,
            contact_name: self.contact_name,
            contact_email: self.contact_email,
            message: self.message,
        };
        let viewer = &edit.request.viewer;
        partner_application::submit(&mut edit.change, viewer, partner, new).await
    }
}

/// The answer to what was asked of a company.
#[derive(Debug, InputObject)]
pub struct AnswerPartnerApplicationInput {
    /// Which application.
    pub id: ID,
    /// The version you saw; another one refuses the change.
    pub expected_version: Option<i64>,
    /// The answer.
    pub answer: String,
    /// True: check everything and write nothing.
    pub validate_only: Option<bool>,
}

/// An application to be taken back.
#[derive(Debug, InputObject)]
pub struct WithdrawPartnerApplicationInput {
    /// Which application.
    pub id: ID,
    /// The version you saw; another one refuses the change.
    pub expected_version: Option<i64>,
    /// Why.
    pub reason: String,
    /// True: check everything and write nothing.
    pub validate_only: Option<bool>,
}

payload!(
    SubmitPartnerApplicationPayload {
        partner_application: PartnerApplication
    },
    "submitPartnerApplication",
    Scope::PartnersRead
);
payload!(
    AnswerPartnerApplicationPayload {
        partner_application: PartnerApplication
    },
    "answerPartnerApplication",
    Scope::PartnersRead
);
payload!(
    WithdrawPartnerApplicationPayload {
        partner_application: PartnerApplication
    },
    "withdrawPartnerApplication",
    Scope::PartnersRead
);

/// What a company does with its applications.
#[derive(Default)]
pub struct PartnerApplicationMutation;

#[Object]
impl PartnerApplicationMutation {
    /// Applies to a programme: staff for any company, a partner's administrator for its own.
    #[graphql(directive = requires_scope::apply("registrations:submit".to_owned()))]
    async fn submit_partner_application(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The application.")] input: SubmitPartnerApplicationInput,
    ) -> Result<SubmitPartnerApplicationPayload> {
        let opened = Edit::create_own(
            ctx,
            Scope::RegistrationsSubmit,
            "submitPartnerApplication",
            &input,
            input.idempotency_key.as_ref(),
            input.validate_only,
        )
        .await?;
        let mut edit = match opened {
            Opened::Fresh(edit) => *edit,
            Opened::Repeated(id) => {
                return Ok(SubmitPartnerApplicationPayload::found(
                    PartnerApplication::find(request(ctx)?, id).await?,
                ));
            }
            Opened::Refused(refused) => {
                return Ok(SubmitPartnerApplicationPayload::refused(refused));
            }
        };
        let result = input.apply(&mut edit).await;
        Ok(SubmitPartnerApplicationPayload::from_outcome(
            edit.finish(result, |row| Some(row.id.0)).await?,
            PartnerApplication::one,
        ))
    }

    /// Answers what was asked: staff in the company's words, a partner's administrator for its own company.
    #[graphql(directive = requires_scope::apply("registrations:submit".to_owned()))]
    async fn answer_partner_application(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The answer.")] input: AnswerPartnerApplicationInput,
    ) -> Result<AnswerPartnerApplicationPayload> {
        let scope = Scope::RegistrationsSubmit;
        let mut edit = Edit::begin_own(ctx, scope, input.validate_only).await?;
        let result = async {
            let row = lock(&edit, &input.id, input.expected_version).await?;
            let viewer = &edit.request.viewer;
            partner_application::answer(&mut edit.change, viewer, row, input.answer).await
        }
        .await;
        Ok(AnswerPartnerApplicationPayload::from_outcome(
            edit.finish(result, |_| None).await?,
            PartnerApplication::one,
        ))
    }

    /// Takes an application back: staff for any company, a partner's administrator for its own.
    #[graphql(directive = requires_scope::apply("registrations:submit".to_owned()))]
    async fn withdraw_partner_application(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which application, and why.")] input: WithdrawPartnerApplicationInput,
    ) -> Result<WithdrawPartnerApplicationPayload> {
        let scope = Scope::RegistrationsSubmit;
        let mut edit = Edit::begin_own(ctx, scope, input.validate_only).await?;
        let result = async {
            let row = lock(&edit, &input.id, input.expected_version).await?;
            let viewer = &edit.request.viewer;
            partner_application::withdraw(&mut edit.change, viewer, row, input.reason).await
        }
        .await;
        Ok(WithdrawPartnerApplicationPayload::from_outcome(
            edit.finish(result, |_| None).await?,
            PartnerApplication::one,
        ))
    }
}
