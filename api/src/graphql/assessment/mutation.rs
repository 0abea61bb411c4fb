//! Publishing a scheme, and scoring by it.

use super::{Assessment, AssessmentScheme, CriterionGroup};
use crate::graphql::context::requires_scope;
use crate::graphql::edit::{Edit, id_input, payload};
use crate::graphql::scalar::Decimal;
use async_graphql::{Context, ID, InputObject, Object, Result};
use entities::assessment::{self, Candidate, Score};
use entities::assessment_scheme::{self, Criterion, NewScheme};
use entities::error::{Error, ViolationCode};
use entities::viewer::Scope;
use rust_decimal::prelude::ToPrimitive as _;

/// Something a candidate is scored by.
#[derive(Debug, InputObject)]
pub struct AssessmentCriterionInput {
    /// What it is called in scores: small letters, digits and underscores.
    pub key: String,
    /// What it is about.
    pub group: CriterionGroup,
    /// What is asked.
    pub question: String,
    /// How much it counts, 1 to 1,000, in relation to the others.
    pub weight: i32,
}

/// A scheme that is to be in force.
#[derive(Debug, InputObject)]
pub struct PublishAssessmentSchemeInput {
    /// What it is called.
    pub name: String,
    /// What it is about.
    #[graphql(default)]
    pub description: String,
    /// What is asked, 1 to 100 criteria.
    pub criteria: Vec<AssessmentCriterionInput>,
    /// The weighted mean, above 0 and at most 10, from which a candidate is good enough; two digits after the point.
    pub threshold: Decimal,
    /// True: check everything and write nothing.
    pub validate_only: Option<bool>,
}

impl PublishAssessmentSchemeInput {
    async fn apply(self, edit: &mut Edit<'_>) -> entities::error::Result<assessment_scheme::Model> {
        let centi = self.threshold.0.checked_mul(100.into());
        let centi = centi.filter(rust_decimal::Decimal::is_integer);
        let Some(threshold_centi) = centi.and_then(|centi| centi.to_i32()) else {
            let message = "Two digits after the point.";
            return Err(Error::invalid(ViolationCode::Invalid, "threshold", message));
        };
        let criterion = |input: AssessmentCriterionInput| Criterion {
            key: input.key,
            group: input.group.into(),
            question: input.question,
            weight: input.weight,
        };
        let new = NewScheme {
            name: self.name,
            description: self.description,
            criteria: self.criteria.into_iter().map(criterion).collect(),
            threshold_centi,
        };
        assessment_scheme::publish(&mut edit.change, new).await
    }
}

/// The score of one criterion.
#[derive(Debug, InputObject)]
pub struct AssessmentScoreInput {
    /// Which criterion, by its key.
    pub criterion: String,
    /// 0 to 10.
    pub score: i32,
    /// What it was seen by.
    pub evidence: String,
}

/// A candidate that is scored by the scheme in force: an application or a partnership.
#[derive(Debug, InputObject)]
pub struct AssessCandidateInput {
    /// Which application. Either this or `partnershipId`.
    pub application_id: Option<ID>,
    /// Which partnership.
    pub partnership_id: Option<ID>,
    /// Every criterion of the scheme, once.
    pub scores: Vec<AssessmentScoreInput>,
    /// What is to be noted with it.
    pub note: Option<String>,
    /// True: check everything and write nothing.
    pub validate_only: Option<bool>,
}

impl AssessCandidateInput {
    async fn apply(self, edit: &mut Edit<'_>) -> entities::error::Result<assessment::Model> {
        let candidate = match (&self.application_id, &self.partnership_id) {
            (Some(id), None) => Candidate::Application(id_input(id, "applicationId")?),
            (None, Some(id)) => Candidate::Partnership(id_input(id, "partnershipId")?),
            _ => {
                let message = "Name an application or a partnership, one of them.";
                let field = "applicationId";
                return Err(Error::invalid(ViolationCode::Invalid, field, message));
            }
        };
        let score = |input: AssessmentScoreInput| Score {
            criterion: input.criterion,
            score: input.score,
            evidence: input.evidence,
        };
        let scores = self.scores.into_iter().map(score).collect();
        let viewer = &edit.request.viewer;
        assessment::assess(&mut edit.change, viewer, candidate, scores, self.note).await
    }
}

payload!(
    PublishAssessmentSchemePayload {
        assessment_scheme: AssessmentScheme
    },
    "publishAssessmentScheme",
    Scope::PartnersRead
);
payload!(
    AssessCandidatePayload {
        assessment: Assessment
    },
    "assessCandidate",
    Scope::PartnersRead
);

/// Changes of assessments.
#[derive(Default)]
pub struct AssessmentMutation;

#[Object]
impl AssessmentMutation {
    /// Publishes what candidates are scored by from now on. What was scored before stays as it was scored.
    #[graphql(directive = requires_scope::apply("partners:write".to_owned()))]
    async fn publish_assessment_scheme(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The scheme.")] input: PublishAssessmentSchemeInput,
    ) -> Result<PublishAssessmentSchemePayload> {
        let mut edit = Edit::begin(ctx, Scope::PartnersWrite, input.validate_only).await?;
        let result = input.apply(&mut edit).await;
        Ok(PublishAssessmentSchemePayload::from_outcome(
            edit.finish(result, |_| None).await?,
            AssessmentScheme::one,
        ))
    }

    /// Scores a candidate by the scheme in force.
    #[graphql(directive = requires_scope::apply("partners:write".to_owned()))]
    async fn assess_candidate(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Whom, and how.")] input: AssessCandidateInput,
    ) -> Result<AssessCandidatePayload> {
        let mut edit = Edit::begin(ctx, Scope::PartnersWrite, input.validate_only).await?;
        let result = input.apply(&mut edit).await;
        Ok(AssessCandidatePayload::from_outcome(
            edit.finish(result, |_| None).await?,
            Assessment::one,
        ))
    }
}
