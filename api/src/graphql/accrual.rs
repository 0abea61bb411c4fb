//! Computing what partners earn, in the API: what waits, and, after a look at what would come of it, history.
//!
//! The worker computes what waits by itself; here it is asked for at once. History does not act: what a backfill or an import brought earns nothing
//! unless somebody asks for it and names what was previewed.

use super::context::requires_scope;
use super::context::{RequestContext, RequireScope};
use super::edit::{self, Outcome, UserError, outcome};
use super::partnership::Partnership;
use super::references::refused;
use super::scalar::{DateTime, Money};
use super::siblings::{Group, Member};
use async_graphql::{Context, ID, InputObject, Object, Result, SimpleObject};
use entities::accrual::{self, Run};
use entities::change::Author;
use entities::id::PartnershipId;
use entities::money;
use entities::partnership;
use entities::viewer::Scope;
use entities::visible;
use std::sync::Arc;

/// What a computation wrote, or would write.
#[derive(Clone, SimpleObject)]
pub struct Accrual {
    /// The computation; null when nothing was written.
    pub run_id: Option<ID>,
    /// How much revenue was computed.
    pub events: i64,
    /// How many entries came of it.
    pub entries: i64,
    /// A hash of the entries: the same inputs have the same hash.
    pub result_hash: String,
    /// What they come to, by partnership and currency.
    pub sums: Vec<AccrualSum>,
}

/// What a computation gives a partnership.
#[derive(Clone)]
pub struct AccrualSum {
    partnership_id: PartnershipId,
    amount: money::Money,
    partnerships: Arc<Group<partnership::Model>>,
}

/// What a computation gives a partnership.
#[Object]
impl AccrualSum {
    /// How much.
    async fn amount(&self) -> Money {
        self.amount.into()
    }
    /// Which partnership.
    #[graphql(guard = "RequireScope(Scope::PartnersRead)", directive = requires_scope::apply("partners:read".to_owned()))]
    async fn partnership(&self) -> Option<Partnership> {
        let rows = self.partnerships.rows();
        let place = rows.iter().position(|row| row.id == self.partnership_id);
        place
            .and_then(|place| Member::of(&self.partnerships, place))
            .map(Partnership)
    }
}

async fn shown(request: &RequestContext, run: Run) -> Result<Accrual> {
    let sums = accrual::sums(&run);
    let ids = sums.iter().map(|(id, _)| id.0);
    let rows =
        visible::find_all::<partnership::Entity, _>(request.database.read(), &request.viewer, ids);
    let partnerships = Group::new(rows.await?);
    let sum = |(partnership_id, amount)| AccrualSum {
        partnership_id,
        amount,
        partnerships: Arc::clone(&partnerships),
    };
    Ok(Accrual {
        run_id: run.id.map(|id| id.to_string().into()),
        events: i64::try_from(run.events).unwrap_or(i64::MAX),
        entries: i64::try_from(run.entries).unwrap_or(i64::MAX),
        result_hash: run.result_hash,
        sums: sums.into_iter().map(sum).collect(),
    })
}

/// Queries about computations.
#[derive(Default)]
pub struct AccrualQuery;

#[Object]
impl AccrualQuery {
    /// What `accrueHistory` would compute from an instant on; nothing is written. For staff.
    #[graphql(guard = "RequireScope(Scope::EarningsRead)", directive = requires_scope::apply("earnings:read".to_owned()))]
    async fn preview_history_accrual(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "From which instant on the money moved.")] from: DateTime,
    ) -> Result<Accrual> {
        let request = edit::staff(ctx, Scope::EarningsRead)?;
        let author = Author::of(&request.viewer);
        let run = accrual::preview_history(&request.database, &author, from.0).await;
        shown(request, run.map_err(refused)?).await
    }
}

/// History that is to be computed.
#[derive(Debug, InputObject)]
pub struct AccrueHistoryInput {
    /// From which instant on the money moved.
    pub from: DateTime,
    /// The `resultHash` of the preview: where something has changed since, nothing is computed.
    pub previewed: String,
}

/// The answer of `accrueHistory` and `accrueCommissions`.
#[derive(SimpleObject)]
pub struct AccruePayload {
    /// What was computed; null when the input was refused.
    accrual: Option<Accrual>,
    /// Why the input was refused; empty on success.
    user_errors: Vec<UserError>,
}

async fn payload(
    request: &RequestContext,
    run: entities::error::Result<Run>,
) -> Result<AccruePayload> {
    let run: Outcome<Run> = outcome(run)?;
    Ok(match run {
        Ok(run) => AccruePayload {
            // Who may not read earnings learns that it was done and not what came of it.
            accrual: if request.viewer.may(Scope::EarningsRead) {
                Some(shown(request, run).await?)
            } else {
                None
            },
            user_errors: Vec::new(),
        },
        Err(user_errors) => AccruePayload {
            accrual: None,
            user_errors,
        },
    })
}

/// Computations that are asked for.
#[derive(Default)]
pub struct AccrualMutation;

#[Object]
impl AccrualMutation {
    /// Computes at once what waits to be computed; doing it again writes nothing.
    #[graphql(directive = requires_scope::apply("payouts:write".to_owned()))]
    async fn accrue_commissions(&self, ctx: &Context<'_>) -> Result<AccruePayload> {
        let request = edit::staff(ctx, Scope::PayoutsWrite)?;
        let author = Author::of(&request.viewer);
        payload(request, accrual::accrue(&request.database, &author).await).await
    }

    /// Computes what history earned from an instant on, as if it had been told when it happened. Look at `previewHistoryAccrual` first.
    #[graphql(directive = requires_scope::apply("payouts:write".to_owned()))]
    async fn accrue_history(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "From when on, and what was previewed.")] input: AccrueHistoryInput,
    ) -> Result<AccruePayload> {
        let request = edit::staff(ctx, Scope::PayoutsWrite)?;
        let author = Author::of(&request.viewer);
        let (database, from) = (&request.database, input.from.0);
        let run = accrual::accrue_history(database, &author, from, &input.previewed).await;
        payload(request, run).await
    }
}
