//! What was measured of a promised service level, in the API.

use super::terms::{SlaMetric, level};
use crate::graphql::references::internal;
use crate::graphql::scalar::{Date, DateTime, Decimal};
use crate::graphql::siblings::Member;
use async_graphql::{Context, ID, Object, Result};
use entities::sla_measurement::Model;

/// What was measured of a promised service level, and whether the promise was kept.
#[derive(Clone)]
pub struct SlaMeasurement(pub(super) Member<Model>);

/// What was measured of a promised service level, and whether the promise was kept.
#[Object]
impl SlaMeasurement {
    /// The global id.
    pub(crate) async fn id(&self) -> ID {
        self.0.row().id.to_string().into()
    }
    /// When the row was made here.
    async fn created_at(&self) -> DateTime {
        DateTime(self.0.row().created_at)
    }
    /// Of what.
    async fn metric(&self) -> SlaMetric {
        self.0.row().metric.into()
    }
    /// The first day that was measured.
    async fn starts_on(&self) -> Date {
        Date(self.0.row().starts_on)
    }
    /// The last.
    async fn ends_on(&self) -> Date {
        Date(self.0.row().ends_on)
    }
    /// What was promised on the first day: percent, or hours.
    async fn target(&self) -> Decimal {
        level(self.0.row().target_micros)
    }
    /// What was measured.
    async fn measured(&self) -> Decimal {
        level(self.0.row().measured_micros)
    }
    /// Whether the promise was kept.
    async fn met(&self) -> bool {
        self.0.row().met
    }
    /// By what it is known.
    async fn evidence(&self) -> &str {
        &self.0.row().evidence
    }
    /// Who recorded it. Internal: null for partners.
    async fn measured_by(&self, ctx: &Context<'_>) -> Result<Option<&str>> {
        internal(ctx, Some(self.0.row().measured_by.as_str()))
    }
}
