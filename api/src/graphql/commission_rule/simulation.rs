//! What a rule would have changed, before it is published.

use super::mutation::{CommissionRuleInput, propose};
use crate::graphql::context::{RequireScope, requires_scope};
use crate::graphql::edit;
use crate::graphql::partnership::Partnership;
use crate::graphql::references::refused;
use crate::graphql::scalar::{Date, Money};
use crate::graphql::siblings::{Group, Member};
use async_graphql::{Context, Object, Result};
use entities::accrual::{self, Difference};
use entities::change::{Author, Change};
use entities::money;
use entities::partnership;
use entities::viewer::Scope;
use entities::visible;
use std::sync::Arc;

/// What a partnership earns from the revenue of a period by the rules as they are, and what it would earn with others.
pub struct CommissionDifference {
    row: Difference,
    partnerships: Arc<Group<partnership::Model>>,
}

impl CommissionDifference {
    fn money(&self, minor: i64) -> Money {
        let currency = self.row.currency;
        money::Money { minor, currency }.into()
    }
}

/// What a partnership earns from the revenue of a period by the rules as they are, and what it would earn with others.
#[Object]
impl CommissionDifference {
    /// By the rules as they are.
    async fn current(&self) -> Money {
        self.money(self.row.now)
    }
    /// With the proposed rules.
    async fn proposed(&self) -> Money {
        self.money(self.row.then)
    }
    /// What that is more.
    async fn difference(&self) -> Money {
        self.money(self.row.then.saturating_sub(self.row.now))
    }
    /// Which partnership.
    #[graphql(guard = "RequireScope(Scope::PartnersRead)", directive = requires_scope::apply("partners:read".to_owned()))]
    async fn partnership(&self) -> Option<Partnership> {
        let rows = self.partnerships.rows();
        let place = rows
            .iter()
            .position(|row| row.id == self.row.partnership_id);
        place
            .and_then(|place| Member::of(&self.partnerships, place))
            .map(Partnership)
    }
}

/// The query that simulates.
#[derive(Default)]
pub struct CommissionSimulationQuery;

#[Object]
impl CommissionSimulationQuery {
    /// What each partnership earns from the revenue of a period, and what it would earn had these rules held from the period's first day. Nothing is
    /// written. For staff.
    #[graphql(guard = "RequireScope(Scope::EarningsRead)", directive = requires_scope::apply("earnings:read".to_owned()))]
    async fn simulate_commissions(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The proposed rules, 1 to 50.")] rules: Vec<CommissionRuleInput>,
        #[graphql(desc = "The first day of the period.")] from: Date,
        #[graphql(desc = "The day after its last.")] until: Date,
    ) -> Result<Vec<CommissionDifference>> {
        let request = edit::staff(ctx, Scope::EarningsRead)?;
        let change = Change::begin(&request.database, Author::of(&request.viewer)).await?;
        let proposed = propose(&change, &rules).await;
        change.rollback().await?;
        let proposed = proposed.map_err(refused)?;
        let found = accrual::simulate(&request.database, proposed, from.0, until.0)
            .await
            .map_err(refused)?;
        let partnerships = visible::find_all::<partnership::Entity, _>(
            request.database.read(),
            &request.viewer,
            found.iter().map(|row| row.partnership_id.0),
        );
        let partnerships = Group::new(partnerships.await?);
        let difference = |row| CommissionDifference {
            row,
            partnerships: Arc::clone(&partnerships),
        };
        Ok(found.into_iter().map(difference).collect())
    }
}
