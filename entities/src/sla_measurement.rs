//! What was measured of a promised service level over a stretch of days, and whether the promise was kept. Never changed.

use crate::agreement::{self, SlaMetric};
use crate::agreement_version;
use crate::change::Change;
use crate::clock::Timestamp;
use crate::error::{Result, ViolationCode, Violations};
use crate::event::{EventKind, NewEvent};
use crate::id::{AgreementId, PartnerId, SlaMeasurementId};
use crate::viewer::Viewer;
use crate::visible::{Own, Visible};
use chrono::NaiveDate;
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::Condition;
use serde_json::json;

/// A measurement.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "sla_measurement")]
#[expect(missing_docs, reason = "the fields are described in the API's schema")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: SlaMeasurementId,
    pub created_at: Timestamp,
    pub agreement_id: AgreementId,
    pub partner_id: PartnerId,
    pub metric: SlaMetric,
    pub starts_on: NaiveDate,
    /// The last day that was measured.
    pub ends_on: NaiveDate,
    /// What was promised on the first day.
    pub target_micros: i64,
    pub measured_micros: i64,
    pub met: bool,
    pub evidence: String,
    pub measured_by: String,
}

/// Relations are walked by id.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Visible for Entity {
    fn visible_to_partner(own: Own) -> Condition {
        Condition::all().add(own.holds((Entity, Column::PartnerId)))
    }
}

/// What was measured.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields of the row")]
pub struct NewMeasurement {
    pub metric: SlaMetric,
    pub starts_on: NaiveDate,
    pub ends_on: NaiveDate,
    pub measured_micros: i64,
    pub evidence: String,
}

/// Records a measurement against what the agreement promised on its first day.
///
/// # Errors
/// Days out of order, an agreement that promised nothing then, a level that cannot be, or a stretch that was measured; then nothing is written.
pub async fn measure(
    change: &mut Change,
    agreement: &agreement::Model,
    new: NewMeasurement,
) -> Result<Model> {
    let system = Viewer::system("sla_measurement");
    let mut violations = Violations::default();
    violations.text("evidence", &new.evidence, 2_000);
    if new.ends_on < new.starts_on {
        violations.add(
            ViolationCode::Invalid,
            "endsOn",
            "It ends before it starts.",
        );
    }
    let most = match new.metric {
        SlaMetric::UptimePercent => 100_000_000,
        SlaMetric::SupportResponseHours => i64::from(i32::MAX) * 1_000_000,
    };
    if !(0..=most).contains(&new.measured_micros) {
        violations.add(
            ViolationCode::Invalid,
            "measured",
            "Not a level that can be measured.",
        );
    }
    let versions =
        agreement_version::of_agreements(change.transaction(), &system, &[agreement.id]).await?;
    let promised = agreement_version::in_force(&versions, new.starts_on)
        .filter(|_| agreement.binds_on(new.starts_on))
        .and_then(|version| {
            version
                .terms
                .slas
                .iter()
                .find(|sla| sla.metric == new.metric)
        });
    let known = Entity::visible_to(&system)
        .filter(Column::AgreementId.eq(agreement.id))
        .filter(Column::Metric.eq(new.metric))
        .filter(Column::StartsOn.lte(new.ends_on))
        .filter(Column::EndsOn.gte(new.starts_on));
    if known.one(change.transaction()).await?.is_some() {
        violations.add(
            ViolationCode::Taken,
            "startsOn",
            "A day of these was measured before.",
        );
    }
    let Some(promised) = promised else {
        violations.add(
            ViolationCode::NotFound,
            "metric",
            "Nothing of this was promised then.",
        );
        return violations
            .finish()
            .and(Err(crate::error::Error::not_found("metric")));
    };
    violations.finish()?;
    let met = match new.metric {
        SlaMetric::UptimePercent => new.measured_micros >= promised.target_micros,
        SlaMetric::SupportResponseHours => new.measured_micros <= promised.target_micros,
    };
    let row = Model {
        id: change.new_id(),
        created_at: change.now(),
        agreement_id: agreement.id,
        partner_id: agreement.partner_id,
        metric: new.metric,
        starts_on: new.starts_on,
        ends_on: new.ends_on,
        target_micros: promised.target_micros,
        measured_micros: new.measured_micros,
        met,
        evidence: new.evidence,
        measured_by: change.author().actor.clone(),
    };
    crate::write::insert::<Entity>(change, std::slice::from_ref(&row)).await?;
    let data = json!({ "metric": row.metric, "target": row.target_micros, "measured": row.measured_micros, "met": row.met });
    let event = NewEvent::about(EventKind::AgreementSlaMeasured, row.agreement_id, data);
    change.record(event.for_partner(row.partner_id));
    Ok(row)
}
