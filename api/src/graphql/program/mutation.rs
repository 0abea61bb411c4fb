//! Changes of programmes: what they take and what they answer.

use super::Program;
use crate::graphql::context::{request, requires_scope};
use crate::graphql::edit::{Edit, Opened, created, id_input, payload, payload_many};
use crate::graphql::partnership::Partnership;
use crate::graphql::scalar::{Currency, Date, Decimal};
use async_graphql::{Context, ID, InputObject, Object, Result};
use entities::error::{Error, ViolationCode};
use entities::id::{PartnershipId, ProgramId};
use entities::money::{self, Money};
use entities::program::{self, Entity, Model, NewProgram, ProgramPatch};
use entities::viewer::Scope;
use entities::visible;
use entities::{partnership, program_enrollment};

/// A new programme. What is not said is as usual: 90 days of protection, 45 of an extension, 30 of holding, and two people for every payout.
#[derive(Debug, InputObject)]
pub struct CreateProgramInput {
    /// What it is called.
    pub name: String,
    /// What it is about.
    pub description: Option<String>,
    /// The time zone in which its days begin, as the IANA database names it; UTC when nothing is said. It stays.
    pub time_zone: Option<String>,
    /// The currency of its limits; EUR when nothing is said. It stays.
    pub currency: Option<Currency>,
    /// For how many days an approved deal registration protects.
    pub protection_days: Option<i32>,
    /// By how many days an extension lengthens that.
    pub extension_days: Option<i32>,
    /// For how many days an earning waits after its payment.
    pub hold_days: Option<i32>,
    /// Payouts above this, in the programme's currency, need two people.
    pub four_eyes_limit: Option<Decimal>,
    /// What may be registered.
    #[graphql(default)]
    pub products: Vec<String>,
    /// Where.
    #[graphql(default)]
    pub territories: Vec<String>,
    /// Whether companies may apply to it, also by its public form; false when nothing is said.
    #[graphql(default)]
    pub accepts_applications: bool,
    /// Makes a repeated request harmless for 24 hours.
    pub idempotency_key: Option<String>,
    /// True: check everything and write nothing.
    pub validate_only: Option<bool>,
}

fn limit(limit: &Decimal, currency: money::Currency) -> entities::error::Result<i64> {
    Money::from_decimal(limit.0, currency)
        .map(|money| money.minor)
        .map_err(|fault| {
            let message = format!("The amount has {fault}.");
            Error::invalid(ViolationCode::Invalid, "fourEyesLimit", message)
        })
}

impl CreateProgramInput {
    async fn apply(self, edit: &mut Edit<'_>) -> entities::error::Result<Model> {
        let usual = NewProgram::named(self.name);
        let zone = self.time_zone.map(|zone| zone.parse()).transpose();
        let zone = zone.map_err(|fault| {
            let message = format!("This is {fault}.");
            Error::invalid(ViolationCode::Invalid, "timeZone", message)
        })?;
        let currency = self.currency.map_or(usual.currency, |currency| currency.0);
        let four_eyes = self.four_eyes_limit.as_ref();
        let new = NewProgram {
            description: self.description.unwrap_or_default(),
            zone: zone.unwrap_or(usual.zone),
            currency,
            protection_days: self.protection_days.unwrap_or(usual.protection_days),
            extension_days: self.extension_days.unwrap_or(usual.extension_days),
            hold_days: self.hold_days.unwrap_or(usual.hold_days),
            four_eyes_minor: four_eyes
                .map(|four_eyes| limit(four_eyes, currency))
                .transpose()?
                .unwrap_or(usual.four_eyes_minor),
            products: self.products,
            territories: self.territories,
            accepts_applications: self.accepts_applications,
            ..usual
        };
        program::create(&mut edit.change, vec![new])
            .await
            .and_then(created)
    }
}

/// Changes to a programme: an absent field keeps its value. Currency and time zone stay: what was counted was counted in them.
#[derive(Debug, InputObject)]
pub struct UpdateProgramInput {
    /// Which programme.
    pub id: ID,
    /// The version you saw; another one refuses the change.
    pub expected_version: Option<i64>,
    /// What it is called.
    pub name: Option<String>,
    /// What it is about.
    pub description: Option<String>,
    /// For how many days a deal registration that is approved from now on protects.
    pub protection_days: Option<i32>,
    /// By how many days an extension lengthens that.
    pub extension_days: Option<i32>,
    /// For how many days what is earned from now on waits after its payment.
    pub hold_days: Option<i32>,
    /// Payouts above this, in the programme's currency, need two people, of those that are made from now on.
    pub four_eyes_limit: Option<Decimal>,
    /// What may be registered.
    pub products: Option<Vec<String>>,
    /// Where.
    pub territories: Option<Vec<String>>,
    /// Whether companies may apply to it, also by its public form.
    pub accepts_applications: Option<bool>,
    /// True puts it away, false brings it back.
    pub archived: Option<bool>,
    /// True: check everything and write nothing.
    pub validate_only: Option<bool>,
}

impl UpdateProgramInput {
    async fn apply(self, edit: &mut Edit<'_>) -> entities::error::Result<Model> {
        let id: ProgramId = id_input(&self.id, "id")?;
        let (viewer, expected) = (&edit.request.viewer, self.expected_version);
        let row = visible::lock_one::<Entity>(&edit.change, viewer, id.0, expected).await?;
        let four_eyes = self.four_eyes_limit.as_ref();
        let patch = ProgramPatch {
            name: self.name,
            description: self.description,
            protection_days: self.protection_days,
            extension_days: self.extension_days,
            hold_days: self.hold_days,
            four_eyes_minor: four_eyes
                .map(|four_eyes| limit(four_eyes, row.currency))
                .transpose()?,
            products: self.products,
            territories: self.territories,
            accepts_applications: self.accepts_applications,
            archived: self.archived,
        };
        program::update(&mut edit.change, row, patch).await
    }
}

/// Partnerships that are to take part in a programme.
#[derive(Debug, InputObject)]
pub struct EnrollPartnershipsInput {
    /// In which programme.
    pub program_id: ID,
    /// Which partnerships, 1 to 100. One that is in another programme goes over.
    pub partnership_ids: Vec<ID>,
    /// From which day on; today when nothing is said.
    pub enrolled_on: Option<Date>,
    /// True: check everything and write nothing.
    pub validate_only: Option<bool>,
}

impl EnrollPartnershipsInput {
    async fn apply(self, edit: &mut Edit<'_>) -> entities::error::Result<Vec<partnership::Model>> {
        let program: ProgramId = id_input(&self.program_id, "programId")?;
        if self.partnership_ids.is_empty() || self.partnership_ids.len() > 100 {
            let message = "1 to 100 partnerships.";
            return Err(Error::invalid(
                ViolationCode::Invalid,
                "partnershipIds",
                message,
            ));
        }
        let ids = self.partnership_ids.iter();
        let ids = ids.map(|id| id_input(id, "partnershipIds"));
        let ids = ids.collect::<entities::error::Result<Vec<PartnershipId>>>()?;
        let day = match self.enrolled_on {
            Some(day) => day.0,
            None => super::today(&edit.change, super::zone(&edit.change, program).await?)?,
        };
        program_enrollment::enroll(&mut edit.change, program, &ids, day).await?;
        let viewer = &edit.request.viewer;
        let found = visible::find_all::<partnership::Entity, _>(
            edit.change.transaction(),
            viewer,
            ids.iter().map(|id| id.0),
        );
        found.await
    }
}

payload!(
    CreateProgramPayload { program: Program },
    "createProgram",
    Scope::PartnersRead
);
payload!(
    UpdateProgramPayload { program: Program },
    "updateProgram",
    Scope::PartnersRead
);
payload_many!(
    EnrollPartnershipsPayload { partnerships: Partnership of partnership::Model },
    "enrollPartnerships",
    Scope::PartnersRead
);

/// Changes of programmes.
#[derive(Default)]
pub struct ProgramMutation;

#[Object]
impl ProgramMutation {
    /// Creates a programme.
    #[graphql(directive = requires_scope::apply("admin".to_owned()))]
    async fn create_program(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The new programme.")] input: CreateProgramInput,
    ) -> Result<CreateProgramPayload> {
        let opened = Edit::create(
            ctx,
            Scope::Admin,
            "createProgram",
            &input,
            input.idempotency_key.as_ref(),
            input.validate_only,
        )
        .await?;
        let mut edit = match opened {
            Opened::Fresh(edit) => *edit,
            Opened::Repeated(id) => {
                return Ok(CreateProgramPayload::found(
                    Program::find(request(ctx)?, id).await?,
                ));
            }
            Opened::Refused(refused) => return Ok(CreateProgramPayload::refused(refused)),
        };
        let result = input.apply(&mut edit).await;
        Ok(CreateProgramPayload::from_outcome(
            edit.finish(result, |row| Some(row.id.0)).await?,
            Program::one,
        ))
    }

    /// Changes a programme. What was earned, registered or approved before stays as it was.
    #[graphql(directive = requires_scope::apply("admin".to_owned()))]
    async fn update_program(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What changes.")] input: UpdateProgramInput,
    ) -> Result<UpdateProgramPayload> {
        let mut edit = Edit::begin(ctx, Scope::Admin, input.validate_only).await?;
        let result = input.apply(&mut edit).await;
        Ok(UpdateProgramPayload::from_outcome(
            edit.finish(result, |_| None).await?,
            Program::one,
        ))
    }

    /// Lets partnerships take part in a programme, each in one at a time.
    #[graphql(directive = requires_scope::apply("partners:write".to_owned()))]
    async fn enroll_partnerships(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which partnerships, in which programme.")] input: EnrollPartnershipsInput,
    ) -> Result<EnrollPartnershipsPayload> {
        let mut edit = Edit::begin(ctx, Scope::PartnersWrite, input.validate_only).await?;
        let result = input.apply(&mut edit).await;
        Ok(EnrollPartnershipsPayload::from_outcome(
            edit.finish(result, |_| None).await?,
            Partnership,
        ))
    }
}
