//! Contract years in the API: what was counted, and whether the year's commitment was met.

use super::agreement::Agreement;
use super::context::{RequireScope, requires_scope};
use super::earning_terms::CommitmentUnit;
use super::references;
use super::scalar::{Date, Money};
use super::siblings::Member;
use async_graphql::{Context, Enum, ID, Object, Result};
use entities::agreement;
use entities::commitment_year::{self, Model};
use entities::money;
use entities::viewer::Scope;

/// Whether a contract year's commitment is met.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "commitment_year::YearStatus")]
pub enum CommitmentYearStatus {
    /// Not yet.
    Open,
    /// It is.
    Met,
    /// The year ended below it.
    Missed,
    /// The year ended, and there was none.
    Closed,
}

/// A contract year of a partnership in one currency.
#[derive(Clone)]
pub struct CommitmentYear(pub(crate) Member<Model>);

impl CommitmentYear {
    fn money(&self, minor: i64) -> Money {
        let currency = self.0.row().currency;
        money::Money { minor, currency }.into()
    }
}

/// A contract year of a partnership in one currency.
#[Object]
impl CommitmentYear {
    /// The global id.
    async fn id(&self) -> ID {
        self.0.row().id.to_string().into()
    }
    /// Its first day.
    async fn starts_on(&self) -> Date {
        Date(self.0.row().starts_on)
    }
    /// The day after its last.
    async fn ends_on(&self) -> Date {
        Date(self.0.row().ends_on)
    }
    /// Whether its commitment is met.
    async fn status(&self) -> CommitmentYearStatus {
        self.0.row().status.into()
    }
    /// The partner's part of the year's revenue, less refunds.
    async fn revenue(&self) -> Result<Money> {
        Ok(self.money(self.0.row().counters.0.net()?))
    }
    /// Shares and fees of the year, less what was taken back.
    async fn commission(&self) -> Money {
        self.money(self.0.row().counters.0.commission_held())
    }
    /// Bonuses of the year, less what was taken back.
    async fn bonus(&self) -> Money {
        self.money(self.0.row().counters.0.bonus_held())
    }
    /// What a commitment in this unit has counted so far: minor units where money is counted.
    async fn counter(
        &self,
        #[graphql(desc = "In which unit.")] unit: CommitmentUnit,
    ) -> Result<i64> {
        Ok(self.0.row().counters.0.counter(unit.into())?)
    }
    /// The agreement whose year it is.
    #[graphql(guard = "RequireScope(Scope::AgreementsRead)", directive = requires_scope::apply("agreements:read".to_owned()))]
    async fn agreement(&self, ctx: &Context<'_>) -> Result<Option<Agreement>> {
        let reference = |row: &Model| Some(row.agreement_id.0);
        let id = |row: &agreement::Model| row.id.0;
        let to = references::to::<agreement::Entity, _, _>;
        to(ctx, &self.0, "agreement", reference, id, Agreement).await
    }
}
