//! How a candidate was scored: each criterion of a scheme with its evidence, by whom and when, and the weighted mean that comes of it.
//!
//! Owns the assessments. Refuses: a criterion without a score or with two, one that the scheme does not have, and a score nobody shows anything for.
//! Invariants: an assessment never changes, another one is another row; the mean is kept as its two parts, so that it can be told exactly and nothing is
//! rounded before it is compared with the threshold. Internal: partners see none.

use crate::assessment_scheme::{self, BEST, Criteria};
use crate::change::Change;
use crate::clock::Timestamp;
use crate::error::{Error, Result, ViolationCode, Violations};
use crate::event::{EventKind, NewEvent};
use crate::id::{AssessmentId, AssessmentSchemeId, PartnerApplicationId, PartnershipId};
use crate::viewer::Viewer;
use crate::visible::{self, Own, Visible, nothing};
use crate::{partner_application, partnership};
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::Condition;
use sea_orm::{FromJsonQueryResult, QueryOrder as _, QuerySelect as _};
use serde::{Deserialize, Serialize};
use serde_json::json;

/// The score of one criterion.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Score {
    /// Which criterion.
    pub criterion: String,
    /// 0 to [`BEST`].
    pub score: i32,
    /// What it was seen by.
    pub evidence: String,
}

/// Scores as a column.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, FromJsonQueryResult)]
pub struct Scores(pub Vec<Score>);

/// An assessment.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "assessment")]
#[expect(missing_docs, reason = "the fields are described in the API's schema")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: AssessmentId,
    pub created_at: Timestamp,
    pub scheme_id: AssessmentSchemeId,
    pub application_id: Option<PartnerApplicationId>,
    pub partnership_id: Option<PartnershipId>,
    pub scores: Scores,
    /// The sum of each score times its weight.
    pub numerator: i64,
    /// The sum of the weights.
    pub denominator: i64,
    /// Whether the mean reached the scheme's threshold.
    pub meets: bool,
    pub note: Option<String>,
    pub assessed_by: String,
}

impl Model {
    /// The weighted mean in hundredths of a score, rounded half up; none of nothing.
    #[must_use]
    pub fn mean_centi(&self) -> Option<i64> {
        mean_centi(self.numerator, self.denominator)
    }
}

/// Relations are walked by id.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Visible for Entity {
    fn visible_to_partner(_: Own) -> Condition {
        nothing()
    }
}

/// Who is scored: one that applies, or one that there is a partnership with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Candidate {
    /// An application.
    Application(PartnerApplicationId),
    /// A partnership.
    Partnership(PartnershipId),
}

fn mean_centi(numerator: i64, denominator: i64) -> Option<i64> {
    (denominator > 0).then(|| (numerator * 200 + denominator) / (2 * denominator))
}

/// The parts of the weighted mean, or what of the scores cannot be.
fn weigh(criteria: &Criteria, scores: &[Score]) -> Result<(i64, i64)> {
    let mut violations = Violations::default();
    let (mut numerator, mut denominator) = (0_i64, 0_i64);
    for criterion in &criteria.0 {
        let mut given = scores
            .iter()
            .filter(|score| score.criterion == criterion.key);
        match (given.next(), given.next()) {
            (Some(score), None) => {
                numerator += i64::from(score.score) * i64::from(criterion.weight);
                denominator += i64::from(criterion.weight);
            }
            (None, _) => {
                let message = format!("{} has no score.", criterion.key);
                violations.add(ViolationCode::Blank, "scores", message);
            }
            (Some(_), Some(_)) => {
                let message = format!("{} has two scores.", criterion.key);
                violations.add(ViolationCode::Taken, "scores", message);
            }
        }
    }
    for score in scores {
        if criteria.0.iter().all(|known| known.key != score.criterion) {
            let message = "The scheme has no such criterion.";
            violations.add(ViolationCode::NotFound, "scores.criterion", message);
        }
        if !(0..=BEST).contains(&score.score) {
            let message = format!("A score lies between 0 and {BEST}.");
            violations.add(ViolationCode::Invalid, "scores.score", message);
        }
        violations.text("scores.evidence", &score.evidence, 2_000);
    }
    violations.finish()?;
    Ok((numerator, denominator))
}

/// Scores a candidate by the scheme in force.
///
/// # Errors
/// No scheme, no such candidate, or scores that do not fit the scheme; then nothing is written.
pub async fn assess(
    change: &mut Change,
    viewer: &Viewer,
    candidate: Candidate,
    scores: Vec<Score>,
    note: Option<String>,
) -> Result<Model> {
    let system = Viewer::system("assessment");
    let Some(scheme) = assessment_scheme::in_force(change.transaction(), &system).await? else {
        let message = "There are no criteria yet: publish a scheme, or load a preset.";
        return Err(Error::invalid(ViolationCode::NotFound, "scores", message));
    };
    let mut violations = Violations::default();
    violations.optional_text("note", note.as_deref(), 5_000);
    let (application_id, partnership_id) = match candidate {
        Candidate::Application(id) => {
            let found = visible::lock_all::<partner_application::Entity>(change, viewer, [id.0]);
            match found.await?.pop() {
                None => violations.add(ViolationCode::NotFound, "applicationId", "No such row."),
                Some(row) if !row.status.is_open() => {
                    let message = "The application is decided.";
                    violations.add(ViolationCode::Locked, "applicationId", message);
                }
                Some(_) => {}
            }
            (Some(id), None)
        }
        Candidate::Partnership(id) => {
            let found = visible::lock_all::<partnership::Entity>(change, viewer, [id.0]);
            if found.await?.is_empty() {
                violations.add(ViolationCode::NotFound, "partnershipId", "No such row.");
            }
            (None, Some(id))
        }
    };
    violations.finish()?;
    let (numerator, denominator) = weigh(&scheme.criteria, &scores)?;
    let row = Model {
        id: change.new_id(),
        created_at: change.now(),
        scheme_id: scheme.id,
        application_id,
        partnership_id,
        scores: Scores(scores),
        numerator,
        denominator,
        meets: numerator * 100 >= i64::from(scheme.threshold_centi) * denominator,
        note,
        assessed_by: change.author().actor.clone(),
    };
    crate::write::insert::<Entity>(change, std::slice::from_ref(&row)).await?;
    let data = json!({
        "application": row.application_id, "partnership": row.partnership_id, "numerator": row.numerator, "denominator": row.denominator,
        "meets": row.meets,
    });
    change.record(NewEvent::about(EventKind::AssessmentRecorded, row.id, data).internal());
    Ok(row)
}

/// Whether an application is good enough by the scheme in force: by its last assessment under that scheme. None where there is no scheme to be scored by.
///
/// # Errors
/// When the database fails.
pub(crate) async fn admits(
    connection: &impl ConnectionTrait,
    application: PartnerApplicationId,
) -> Result<Option<bool>> {
    let system = Viewer::system("assessment");
    let Some(scheme) = assessment_scheme::in_force(connection, &system).await? else {
        return Ok(None);
    };
    let last = Entity::visible_to(&system)
        .filter(Column::ApplicationId.eq(application))
        .filter(Column::SchemeId.eq(scheme.id))
        .order_by_desc(Column::CreatedAt)
        .order_by_desc(Column::Id)
        .limit(1)
        .one(connection)
        .await?;
    Ok(Some(last.is_some_and(|row| row.meets)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::assessment_scheme::{Criterion, CriterionGroup};
    use proptest::prelude::*;

    fn criteria(weights: &[i32]) -> Criteria {
        let one = |(place, weight): (usize, &i32)| Criterion {
            key: format!("c{place}"),
            group: CriterionGroup::StrategicFit,
            question: "?".to_owned(),
            weight: *weight,
        };
        Criteria(weights.iter().enumerate().map(one).collect())
    }

    fn scores(values: &[i32]) -> Vec<Score> {
        let one = |(place, score): (usize, &i32)| Score {
            criterion: format!("c{place}"),
            score: *score,
            evidence: "seen".to_owned(),
        };
        values.iter().enumerate().map(one).collect()
    }

    #[test]
    fn the_mean_is_weighted_and_rounded_only_to_be_shown() {
        assert_eq!(
            weigh(&criteria(&[1, 1, 2]), &scores(&[10, 8, 7])).unwrap(),
            (32, 4)
        );
        assert_eq!(mean_centi(32, 4), Some(800));
        assert_eq!(mean_centi(23, 3), Some(767));
        assert_eq!(mean_centi(1, 200), Some(1), "half goes up");
        assert_eq!(mean_centi(0, 0), None, "of nothing there is no mean");
    }

    #[test]
    fn every_criterion_has_one_score_and_its_evidence() {
        let two = criteria(&[1, 1]);
        let mut blank = scores(&[1, 1]);
        if let Some(first) = blank.first_mut() {
            first.evidence = " ".to_owned();
        }
        let twice = [scores(&[1, 1]), scores(&[2])].concat();
        for wrong in [
            scores(&[1]),
            scores(&[1, 1, 1]),
            scores(&[11, 1]),
            scores(&[-1, 1]),
            blank,
            twice,
        ] {
            assert!(weigh(&two, &wrong).is_err(), "{wrong:?}");
        }
    }

    proptest! {
        #[test]
        fn a_mean_lies_between_the_worst_and_the_best_score(pairs in proptest::collection::vec((1_i32..=1_000, 0_i32..=10), 1..40)) {
            let (weights, values): (Vec<i32>, Vec<i32>) = pairs.into_iter().unzip();
            let (numerator, denominator) = weigh(&criteria(&weights), &scores(&values)).unwrap();
            let mean = mean_centi(numerator, denominator).unwrap();
            let least = i64::from(*values.iter().min().unwrap()) * 100;
            let most = i64::from(*values.iter().max().unwrap()) * 100;
            prop_assert!((least..=most).contains(&mean));
        }
    }
}
