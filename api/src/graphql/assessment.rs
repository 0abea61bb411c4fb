//! How candidates are scored, in the API: the scheme of criteria, and what was scored by it. All of it is the programme's own.

mod mutation;

use super::context::{RequireScope, request, requires_scope};
use super::references;
use super::scalar::{DateTime, Decimal};
use super::siblings::Member;
use async_graphql::{Context, Enum, ID, Object, Result, SimpleObject};
use entities::assessment::Model;
use entities::assessment_scheme;
use entities::viewer::Scope;

pub use mutation::AssessmentMutation;

/// What a criterion is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "assessment_scheme::CriterionGroup")]
pub enum CriterionGroup {
    /// Whether the two want the same.
    StrategicFit,
    /// Whether they can work together.
    OperationalFit,
    /// Whether it pays.
    FinancialFit,
}

/// Something a candidate is scored by.
#[derive(Clone, Debug, SimpleObject)]
pub struct AssessmentCriterion {
    /// What it is called in scores.
    pub key: String,
    /// What it is about.
    pub group: CriterionGroup,
    /// What is asked.
    pub question: String,
    /// How much it counts, in relation to the others.
    pub weight: i32,
}

/// The score of one criterion.
#[derive(Clone, Debug, SimpleObject)]
pub struct AssessmentScore {
    /// Which criterion of the scheme.
    pub criterion: String,
    /// 0 to 10.
    pub score: i32,
    /// What it was seen by.
    pub evidence: String,
}

/// A number of hundredths as a decimal.
fn hundredths(centi: i64) -> Decimal {
    Decimal(rust_decimal::Decimal::new(centi, 2))
}

/// What candidates are scored by. A scheme never changes; the last that was published is in force.
#[derive(Clone)]
pub struct AssessmentScheme(pub(crate) Member<assessment_scheme::Model>);

impl AssessmentScheme {
    pub(crate) fn one(row: assessment_scheme::Model) -> Self {
        Self(Member::single(row))
    }
}

/// What candidates are scored by. A scheme never changes; the last that was published is in force.
#[Object]
impl AssessmentScheme {
    /// The global id.
    async fn id(&self) -> ID {
        self.0.row().id.to_string().into()
    }
    /// When it was published.
    async fn created_at(&self) -> DateTime {
        DateTime(self.0.row().created_at)
    }
    /// What it is called.
    async fn name(&self) -> &str {
        &self.0.row().name
    }
    /// What it is about.
    async fn description(&self) -> &str {
        &self.0.row().description
    }
    /// What is asked.
    async fn criteria(&self) -> Vec<AssessmentCriterion> {
        let criteria = self.0.row().criteria.0.iter();
        criteria
            .map(|criterion| AssessmentCriterion {
                key: criterion.key.clone(),
                group: criterion.group.into(),
                question: criterion.question.clone(),
                weight: criterion.weight,
            })
            .collect()
    }
    /// The weighted mean, of at most 10, from which a candidate is good enough.
    async fn threshold(&self) -> Decimal {
        hundredths(i64::from(self.0.row().threshold_centi))
    }
    /// Who published it.
    async fn published_by(&self) -> &str {
        &self.0.row().published_by
    }
}

/// How a candidate was scored. An assessment never changes; a later one stands beside it.
#[derive(Clone)]
pub struct Assessment(pub(crate) Member<Model>);

impl Assessment {
    pub(crate) fn one(row: Model) -> Self {
        Self(Member::single(row))
    }
}

/// How a candidate was scored. An assessment never changes; a later one stands beside it.
#[Object]
impl Assessment {
    /// The global id.
    async fn id(&self) -> ID {
        self.0.row().id.to_string().into()
    }
    /// When it was scored.
    async fn created_at(&self) -> DateTime {
        DateTime(self.0.row().created_at)
    }
    /// Each criterion with its score.
    async fn scores(&self) -> Vec<AssessmentScore> {
        let scores = self.0.row().scores.0.iter();
        scores
            .map(|score| AssessmentScore {
                criterion: score.criterion.clone(),
                score: score.score,
                evidence: score.evidence.clone(),
            })
            .collect()
    }
    /// The weighted mean of the scores, of at most 10, rounded to hundredths.
    async fn mean(&self) -> Option<Decimal> {
        self.0.row().mean_centi().map(hundredths)
    }
    /// The sum of each score times its weight: what the mean is of.
    async fn numerator(&self) -> i64 {
        self.0.row().numerator
    }
    /// The sum of the weights.
    async fn denominator(&self) -> i64 {
        self.0.row().denominator
    }
    /// Whether the mean, not rounded, reached the scheme's threshold.
    async fn meets_threshold(&self) -> bool {
        self.0.row().meets
    }
    /// What was noted with it.
    async fn note(&self) -> Option<&str> {
        self.0.row().note.as_deref()
    }
    /// Who scored.
    async fn assessed_by(&self) -> &str {
        &self.0.row().assessed_by
    }
    /// What it was scored by.
    async fn scheme(&self, ctx: &Context<'_>) -> Result<Option<AssessmentScheme>> {
        let reference = |row: &Model| Some(row.scheme_id.0);
        let id = |row: &assessment_scheme::Model| row.id.0;
        let to = references::to::<assessment_scheme::Entity, _, _>;
        to(ctx, &self.0, "scheme", reference, id, AssessmentScheme).await
    }
}

/// Queries about assessments.
#[derive(Default)]
pub struct AssessmentQuery;

#[Object]
impl AssessmentQuery {
    /// What candidates are scored by at present; null before the first scheme is published. Internal: partners see none.
    #[graphql(guard = "RequireScope(Scope::PartnersRead)", directive = requires_scope::apply("partners:read".to_owned()))]
    async fn assessment_scheme(&self, ctx: &Context<'_>) -> Result<Option<AssessmentScheme>> {
        let request = request(ctx)?;
        let found = assessment_scheme::in_force(request.database.read(), &request.viewer).await?;
        Ok(found.map(AssessmentScheme::one))
    }
}
