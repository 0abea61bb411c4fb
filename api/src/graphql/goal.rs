//! What the programme wants to reach, in the API. All of it is the programme's own.

mod filter;
mod mutation;

use super::context::{RequestContext, RequireScope, cost, request, requires_scope};
use super::list::{self, list_type};
use super::page::PageArguments;
use super::scalar::{Currency, Date, DateTime, Decimal};
use super::siblings::Member;
use async_graphql::{Context, Enum, ID, Object, Result};
use entities::goal::{self, Entity, Model};
use entities::id::GoalId;
use entities::viewer::Scope;
use entities::visible::{self, Visible};
use uuid::Uuid;

pub use filter::{GoalFilter, GoalOrder, GoalOrderField};
pub use mutation::GoalMutation;

/// What a goal's numbers are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "goal::GoalUnit")]
pub enum GoalUnit {
    /// A number of something.
    Count,
    /// Of a hundred.
    Percent,
    /// Major units of the goal's currency.
    Money,
    /// Of ten.
    Score,
    /// Hours.
    Hours,
    /// Days.
    Days,
    /// Months.
    Months,
}

fn number(micros: i64) -> Decimal {
    Decimal(rust_decimal::Decimal::new(micros, 6).normalize())
}

/// Something the programme wants to reach.
#[derive(Clone)]
pub struct Goal(pub(crate) Member<Model>);

impl Goal {
    pub(crate) fn one(row: Model) -> Self {
        Self(Member::single(row))
    }

    pub(crate) async fn find(request: &RequestContext, id: Uuid) -> Result<Option<Self>> {
        Ok(
            visible::find_one::<Entity, _>(request.database.read(), &request.viewer, id)
                .await?
                .map(Self::one),
        )
    }
}

/// Something the programme wants to reach.
#[Object]
impl Goal {
    /// The global id.
    pub(crate) async fn id(&self) -> ID {
        self.0.row().id.to_string().into()
    }
    /// Rises with every change; name it in an update as `expectedVersion`.
    async fn version(&self) -> i64 {
        self.0.row().version
    }
    /// When the row was made here.
    async fn created_at(&self) -> DateTime {
        DateTime(self.0.row().created_at)
    }
    /// When it was last changed.
    async fn updated_at(&self) -> DateTime {
        DateTime(self.0.row().updated_at)
    }
    /// What it is known by.
    async fn key(&self) -> &str {
        &self.0.row().key
    }
    /// What it is called.
    async fn name(&self) -> &str {
        &self.0.row().name
    }
    /// What is measured.
    async fn metric(&self) -> &str {
        &self.0.row().metric
    }
    /// For whom it counts: the programme, a type of partnership, a stage.
    async fn scope(&self) -> &str {
        &self.0.row().scope
    }
    /// What its numbers are.
    async fn unit(&self) -> GoalUnit {
        self.0.row().unit.into()
    }
    /// The currency, where they are money.
    async fn currency(&self) -> Option<Currency> {
        self.0.row().currency.map(Currency)
    }
    /// Where it was begun from.
    async fn baseline(&self) -> Option<Decimal> {
        self.0.row().baseline_micros.map(number)
    }
    /// What is to be reached.
    async fn target(&self) -> Decimal {
        number(self.0.row().target_micros)
    }
    /// By when; null for what is to hold always.
    async fn due_on(&self) -> Option<Date> {
        self.0.row().due_on.map(Date)
    }
    /// Who answers for it.
    async fn owner(&self) -> Option<&str> {
        self.0.row().owner.as_deref()
    }
    /// What others reach.
    async fn benchmark(&self) -> Option<&str> {
        self.0.row().benchmark.as_deref()
    }
    /// When it was put away.
    async fn archived_at(&self) -> Option<DateTime> {
        self.0.row().archived_at.map(DateTime)
    }
}

list_type!(GoalConnection, GoalEdge, Goal, Entity, "goals");

/// Queries about goals.
#[derive(Default)]
pub struct GoalQuery;

#[Object]
impl GoalQuery {
    /// One goal; null when there is none that you may see. Internal: partners see none.
    #[graphql(guard = "RequireScope(Scope::PartnersRead)", directive = requires_scope::apply("partners:read".to_owned()))]
    async fn goal(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Its id.")] id: ID,
    ) -> Result<Option<Goal>> {
        match id.parse() {
            Ok(GoalId(id)) => Goal::find(request(ctx)?, id).await,
            Err(_) => Ok(None),
        }
    }

    /// The goals. Internal: partners see none.
    #[graphql(guard = "RequireScope(Scope::PartnersRead)", directive = requires_scope::apply("partners:read".to_owned()), directive = cost::apply(1))]
    #[expect(
        clippy::too_many_arguments,
        reason = "the arguments of a Relay connection"
    )]
    async fn goals(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which goals.")] filter: Option<GoalFilter>,
        #[graphql(desc = "By which keys; then by id.")] order_by: Option<Vec<GoalOrder>>,
        #[graphql(
            desc = "This many from the beginning, or after `after`; 20 when nothing is said, 100 at most."
        )]
        first: Option<i32>,
        #[graphql(desc = "Only what follows this cursor.")] after: Option<String>,
        #[graphql(desc = "This many from the end, or before `before`.")] last: Option<i32>,
        #[graphql(desc = "Only what precedes this cursor.")] before: Option<String>,
    ) -> Result<GoalConnection> {
        let request = request(ctx)?;
        let select = filter
            .unwrap_or_default()
            .on(Entity::visible_to(&request.viewer))?;
        let page = PageArguments {
            first,
            after,
            last,
            before,
        };
        let order = GoalOrder::ordering(order_by)?;
        Ok(GoalConnection::new(
            list::whole(request, select, order, page).await?,
        ))
    }
}
