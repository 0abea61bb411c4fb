//! Changes of agreements: what they take and what they answer.

use super::terms::{SlaMetric, micros};
use super::version::AgreementSide;
use super::{Agreement, AgreementStatus, AgreementTermsInput};
use crate::graphql::context::{request, requires_scope};
use crate::graphql::edit::{Edit, Opened, created, id_input, payload};
use crate::graphql::scalar::{Date, Decimal};
use async_graphql::{Context, ID, InputObject, Object, Result};
use entities::agreement::{self, Entity, Model, NewAgreement, NewAmendment, NewSignature, Terms};
use entities::agreement_version;
use entities::error::Error;
use entities::id::AgreementId;
use entities::sla_measurement::{self, NewMeasurement};
use entities::viewer::Scope;
use entities::visible;

type Changed = entities::error::Result<Model>;

async fn lock(edit: &Edit<'_>, id: &ID, expected_version: Option<i64>) -> Changed {
    let id: AgreementId = id_input(id, "id")?;
    visible::lock_one::<Entity>(&edit.change, &edit.request.viewer, id.0, expected_version).await
}

/// What an agreement says last, signed or not.
async fn last(edit: &Edit<'_>, row: &Model) -> entities::error::Result<agreement_version::Model> {
    let (connection, viewer) = (edit.change.transaction(), &edit.request.viewer);
    let versions = agreement_version::of_agreements(connection, viewer, &[row.id]).await?;
    let missing = || Error::Damaged(format!("{} has no version", row.id));
    versions.into_iter().next_back().ok_or_else(missing)
}

/// A new agreement; it is a draft, which the partner does not see.
#[derive(Debug, InputObject)]
pub struct CreateAgreementInput {
    /// For which partnership.
    pub partnership_id: ID,
    /// What it is called; by its id when nothing is said.
    pub number: Option<String>,
    /// Its first day.
    pub effective_on: Date,
    /// What it says; the usual when nothing is said.
    pub terms: Option<AgreementTermsInput>,
    /// Makes a repeated request harmless for 24 hours.
    pub idempotency_key: Option<String>,
    /// True: check everything and write nothing.
    pub validate_only: Option<bool>,
}

impl CreateAgreementInput {
    async fn apply(self, edit: &mut Edit<'_>) -> Changed {
        let new = NewAgreement {
            partnership_id: id_input(&self.partnership_id, "partnershipId")?,
            number: self.number,
            effective_on: self.effective_on.0,
            terms: self.terms.unwrap_or_default().over_the_usual()?,
        };
        agreement::create(&mut edit.change, vec![new])
            .await
            .and_then(created)
    }
}

/// Other words for a draft, or for an agreement in negotiation.
#[derive(Debug, InputObject)]
pub struct ReviseAgreementInput {
    /// Which agreement.
    pub id: ID,
    /// The version you saw; another one refuses the change.
    pub expected_version: Option<i64>,
    /// Its first day.
    pub effective_on: Option<Date>,
    /// What it says; what is absent stays as it was.
    pub terms: Option<AgreementTermsInput>,
    /// True: check everything and write nothing.
    pub validate_only: Option<bool>,
}

impl ReviseAgreementInput {
    async fn apply(self, edit: &mut Edit<'_>) -> Changed {
        let row = lock(edit, &self.id, self.expected_version).await?;
        let before: Terms = last(edit, &row).await?.terms;
        let terms = match self.terms {
            Some(terms) => terms.over(before)?,
            None => before,
        };
        let from = self.effective_on.map_or(row.effective_on, |day| day.0);
        agreement::revise(&mut edit.change, row, from, terms).await
    }
}

/// A step of an agreement on its way to signature, back to the table, or out.
#[derive(Debug, InputObject)]
pub struct AdvanceAgreementInput {
    /// Which agreement.
    pub id: ID,
    /// The version you saw; another one refuses the change.
    pub expected_version: Option<i64>,
    /// One of its `availableTransitions`.
    pub to: AgreementStatus,
    /// True: check everything and write nothing.
    pub validate_only: Option<bool>,
}

impl AdvanceAgreementInput {
    async fn apply(self, edit: &mut Edit<'_>) -> Changed {
        let row = lock(edit, &self.id, self.expected_version).await?;
        agreement::advance(&mut edit.change, row, self.to.into()).await
    }
}

/// A signature below the last version of an agreement.
#[derive(Debug, InputObject)]
pub struct SignAgreementInput {
    /// Which agreement.
    pub id: ID,
    /// The version you saw; another one refuses the change.
    pub expected_version: Option<i64>,
    /// For which side.
    pub side: AgreementSide,
    /// Who signs.
    pub signer_name: String,
    /// As what.
    pub signer_title: String,
    /// The hash of the terms that the signer saw, so that nobody signs other words than it read.
    pub terms_hash: String,
    /// True: check everything and write nothing.
    pub validate_only: Option<bool>,
}

impl SignAgreementInput {
    async fn apply(self, edit: &mut Edit<'_>) -> Changed {
        let row = lock(edit, &self.id, self.expected_version).await?;
        let signature = NewSignature {
            side: self.side.into(),
            signer_name: self.signer_name,
            signer_title: self.signer_title,
            terms_hash: self.terms_hash,
        };
        let (row, _) = agreement::sign(&mut edit.change, row, signature).await?;
        Ok(row)
    }
}

/// An amendment of a signed agreement.
#[derive(Debug, InputObject)]
pub struct AmendAgreementInput {
    /// Which agreement.
    pub id: ID,
    /// The version you saw; another one refuses the change.
    pub expected_version: Option<i64>,
    /// The first day on which the amendment holds; a day to come.
    pub effective_on: Date,
    /// What it says from then on; what is absent stays. Term, renewal, notice and confidentiality cannot be amended.
    pub terms: AgreementTermsInput,
    /// What changes, in words.
    pub summary: String,
    /// True: check everything and write nothing.
    pub validate_only: Option<bool>,
}

impl AmendAgreementInput {
    async fn apply(self, edit: &mut Edit<'_>) -> Changed {
        let row = lock(edit, &self.id, self.expected_version).await?;
        let amendment = NewAmendment {
            effective_on: self.effective_on.0,
            terms: self.terms.over(last(edit, &row).await?.terms)?,
            summary: self.summary,
        };
        agreement::amend(&mut edit.change, row.clone(), amendment).await?;
        Ok(row)
    }
}

/// Notice of an agreement in force.
#[derive(Debug, InputObject)]
pub struct GiveAgreementNoticeInput {
    /// Which agreement.
    pub id: ID,
    /// The version you saw; another one refuses the change.
    pub expected_version: Option<i64>,
    /// Who gives notice.
    pub by: AgreementSide,
    /// Why.
    pub reason: String,
    /// The first day on which it is no longer in force; as soon as the notice allows when nothing is said.
    pub terminates_on: Option<Date>,
    /// True: check everything and write nothing.
    pub validate_only: Option<bool>,
}

impl GiveAgreementNoticeInput {
    async fn apply(self, edit: &mut Edit<'_>) -> Changed {
        let row = lock(edit, &self.id, self.expected_version).await?;
        let ends = self.terminates_on.map(|day| day.0);
        agreement::give_notice(&mut edit.change, row, self.by.into(), self.reason, ends).await
    }
}

/// What was measured of a service level that an agreement promises.
#[derive(Debug, InputObject)]
pub struct RecordSlaMeasurementInput {
    /// Of which agreement.
    pub agreement_id: ID,
    /// Of what.
    pub metric: SlaMetric,
    /// The first day that was measured.
    pub starts_on: Date,
    /// The last.
    pub ends_on: Date,
    /// What was measured: percent, or hours.
    pub measured: Decimal,
    /// By what it is known.
    pub evidence: String,
    /// True: check everything and write nothing.
    pub validate_only: Option<bool>,
}

impl RecordSlaMeasurementInput {
    async fn apply(self, edit: &mut Edit<'_>) -> Changed {
        let id: AgreementId = id_input(&self.agreement_id, "agreementId")?;
        let viewer = &edit.request.viewer;
        let found = visible::lock_all::<Entity>(&edit.change, viewer, [id.0]).await?;
        let Some(row) = found.into_iter().next() else {
            return Err(Error::not_found("agreementId"));
        };
        let new = NewMeasurement {
            metric: self.metric.into(),
            starts_on: self.starts_on.0,
            ends_on: self.ends_on.0,
            measured_micros: micros(&self.measured, "measured")?,
            evidence: self.evidence,
        };
        sla_measurement::measure(&mut edit.change, &row, new).await?;
        Ok(row)
    }
}

payload!(
    CreateAgreementPayload {
        agreement: Agreement
    },
    "createAgreement",
    Scope::AgreementsRead
);
payload!(
    ReviseAgreementPayload {
        agreement: Agreement
    },
    "reviseAgreement",
    Scope::AgreementsRead
);
payload!(
    AdvanceAgreementPayload {
        agreement: Agreement
    },
    "advanceAgreement",
    Scope::AgreementsRead
);
payload!(
    SignAgreementPayload {
        agreement: Agreement
    },
    "signAgreement",
    Scope::AgreementsRead
);
payload!(
    AmendAgreementPayload {
        agreement: Agreement
    },
    "amendAgreement",
    Scope::AgreementsRead
);
payload!(
    GiveAgreementNoticePayload {
        agreement: Agreement
    },
    "giveAgreementNotice",
    Scope::AgreementsRead
);
payload!(
    RecordSlaMeasurementPayload {
        agreement: Agreement
    },
    "recordSlaMeasurement",
    Scope::AgreementsRead
);

/// Changes of agreements.
#[derive(Default)]
pub struct AgreementMutation;

#[Object]
impl AgreementMutation {
    /// Drafts an agreement.
    #[graphql(directive = requires_scope::apply("agreements:write".to_owned()))]
    async fn create_agreement(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The new agreement.")] input: CreateAgreementInput,
    ) -> Result<CreateAgreementPayload> {
        let opened = Edit::create(
            ctx,
            Scope::AgreementsWrite,
            "createAgreement",
            &input,
            input.idempotency_key.as_ref(),
            input.validate_only,
        )
        .await?;
        let mut edit = match opened {
            Opened::Fresh(edit) => *edit,
            Opened::Repeated(id) => {
                return Ok(CreateAgreementPayload::found(
                    Agreement::find(request(ctx)?, id).await?,
                ));
            }
            Opened::Refused(refused) => return Ok(CreateAgreementPayload::refused(refused)),
        };
        let result = input.apply(&mut edit).await;
        Ok(CreateAgreementPayload::from_outcome(
            edit.finish(result, |row| Some(row.id.0)).await?,
            Agreement::one,
        ))
    }

    /// Rewrites a draft, or an agreement in negotiation. What a side has signed stays as it is; the new words are the next version.
    #[graphql(directive = requires_scope::apply("agreements:write".to_owned()))]
    async fn revise_agreement(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What it says.")] input: ReviseAgreementInput,
    ) -> Result<ReviseAgreementPayload> {
        let mut edit = Edit::begin(ctx, Scope::AgreementsWrite, input.validate_only).await?;
        let result = input.apply(&mut edit).await;
        Ok(ReviseAgreementPayload::from_outcome(
            edit.finish(result, |_| None).await?,
            Agreement::one,
        ))
    }

    /// Moves an agreement on its way to signature, back to the table, or withdraws it.
    #[graphql(directive = requires_scope::apply("agreements:write".to_owned()))]
    async fn advance_agreement(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which agreement, and where to.")] input: AdvanceAgreementInput,
    ) -> Result<AdvanceAgreementPayload> {
        let mut edit = Edit::begin(ctx, Scope::AgreementsWrite, input.validate_only).await?;
        let result = input.apply(&mut edit).await;
        Ok(AdvanceAgreementPayload::from_outcome(
            edit.finish(result, |_| None).await?,
            Agreement::one,
        ))
    }

    /// Records one side's signature. With the second the version is sealed; an agreement whose first day has come is in force at once.
    #[graphql(directive = requires_scope::apply("agreements:write".to_owned()))]
    async fn sign_agreement(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Who signs what.")] input: SignAgreementInput,
    ) -> Result<SignAgreementPayload> {
        let mut edit = Edit::begin(ctx, Scope::AgreementsWrite, input.validate_only).await?;
        let result = input.apply(&mut edit).await;
        Ok(SignAgreementPayload::from_outcome(
            edit.finish(result, |_| None).await?,
            Agreement::one,
        ))
    }

    /// Writes an amendment; it holds from its day on once both sides have signed it.
    #[graphql(directive = requires_scope::apply("agreements:write".to_owned()))]
    async fn amend_agreement(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What changes, and from when on.")] input: AmendAgreementInput,
    ) -> Result<AmendAgreementPayload> {
        let mut edit = Edit::begin(ctx, Scope::AgreementsWrite, input.validate_only).await?;
        let result = input.apply(&mut edit).await;
        Ok(AmendAgreementPayload::from_outcome(
            edit.finish(result, |_| None).await?,
            Agreement::one,
        ))
    }

    /// Gives notice. The agreement stays in force, and goes on to earn, until the notice is over.
    #[graphql(directive = requires_scope::apply("agreements:write".to_owned()))]
    async fn give_agreement_notice(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which agreement, and why.")] input: GiveAgreementNoticeInput,
    ) -> Result<GiveAgreementNoticePayload> {
        let mut edit = Edit::begin(ctx, Scope::AgreementsWrite, input.validate_only).await?;
        let result = input.apply(&mut edit).await;
        Ok(GiveAgreementNoticePayload::from_outcome(
            edit.finish(result, |_| None).await?,
            Agreement::one,
        ))
    }

    /// Records what was measured of a promised service level.
    #[graphql(directive = requires_scope::apply("agreements:write".to_owned()))]
    async fn record_sla_measurement(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What was measured.")] input: RecordSlaMeasurementInput,
    ) -> Result<RecordSlaMeasurementPayload> {
        let mut edit = Edit::begin(ctx, Scope::AgreementsWrite, input.validate_only).await?;
        let result = input.apply(&mut edit).await;
        Ok(RecordSlaMeasurementPayload::from_outcome(
            edit.finish(result, |_| None).await?,
            Agreement::one,
        ))
    }
}
