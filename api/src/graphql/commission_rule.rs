//! Commission rules in the API: what a programme, or a type of partnership, earns by from a day on. They are internal: a partner learns its rate
//! from its agreement and from the explanation of each of its earnings.

mod filter;
mod mutation;
mod simulation;

use super::context::{RequestContext, RequireScope, cost, request, requires_scope};
use super::earning_terms::EarningTerms;
use super::list::{self, list_type};
use super::page::PageArguments;
use super::partnership::PartnerType;
use super::program::Program;
use super::references;
use super::scalar::{Date, DateTime};
use super::siblings::Member;
use async_graphql::{Context, ID, Object, Result};
use entities::commission_rule::{Entity, Model};
use entities::id::CommissionRuleId;
use entities::program;
use entities::viewer::Scope;
use entities::visible::{self, Visible};
use uuid::Uuid;

pub use filter::{CommissionRuleFilter, CommissionRuleOrder, CommissionRuleOrderField};
pub use mutation::{CommissionRuleInput, CommissionRuleMutation};
pub use simulation::{CommissionDifference, CommissionSimulationQuery};

/// What a programme, or a type of partnership, earns by from a day on. It is never changed; what follows it is another rule.
#[derive(Clone)]
pub struct CommissionRule(pub(crate) Member<Model>);

impl CommissionRule {
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

/// What a programme, or a type of partnership, earns by from a day on. It is never changed; what follows it is another rule.
#[Object]
impl CommissionRule {
    /// The global id.
    pub(crate) async fn id(&self) -> ID {
        self.0.row().id.to_string().into()
    }
    /// When the row was made here.
    async fn created_at(&self) -> DateTime {
        DateTime(self.0.row().created_at)
    }
    /// The type of partnership it is for; null for every type.
    async fn r#type(&self) -> Option<PartnerType> {
        self.0.row().kind.map(Into::into)
    }
    /// The first day on which it holds.
    async fn effective_on(&self) -> Date {
        Date(self.0.row().effective_on)
    }
    /// What it says.
    async fn terms(&self) -> EarningTerms {
        EarningTerms(self.0.row().terms.clone())
    }
    /// What was noted with it.
    async fn note(&self) -> &str {
        &self.0.row().note
    }
    /// Who published it.
    async fn published_by(&self) -> &str {
        &self.0.row().published_by
    }
    /// The programme it is of; null for a preset of a type, which holds where a programme says nothing.
    #[graphql(guard = "RequireScope(Scope::PartnersRead)", directive = requires_scope::apply("partners:read".to_owned()))]
    async fn program(&self, ctx: &Context<'_>) -> Result<Option<Program>> {
        let reference = |row: &Model| row.program_id.map(|id| id.0);
        let id = |row: &program::Model| row.id.0;
        references::to::<program::Entity, _, _>(ctx, &self.0, "program", reference, id, Program)
            .await
    }
}

list_type!(
    CommissionRuleConnection,
    CommissionRuleEdge,
    CommissionRule,
    Entity,
    "commission rules"
);

/// Queries about commission rules.
#[derive(Default)]
pub struct CommissionRuleQuery;

#[Object]
impl CommissionRuleQuery {
    /// One commission rule; null when there is none that you may see. Internal: partners see none.
    #[graphql(guard = "RequireScope(Scope::AgreementsRead)", directive = requires_scope::apply("agreements:read".to_owned()))]
    async fn commission_rule(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Its id.")] id: ID,
    ) -> Result<Option<CommissionRule>> {
        match id.parse() {
            Ok(CommissionRuleId(id)) => CommissionRule::find(request(ctx)?, id).await,
            Err(_) => Ok(None),
        }
    }

    /// The commission rules. Internal: partners see none.
    #[graphql(guard = "RequireScope(Scope::AgreementsRead)", directive = requires_scope::apply("agreements:read".to_owned()), directive = cost::apply(1))]
    #[expect(
        clippy::too_many_arguments,
        reason = "the arguments of a Relay connection"
    )]
    async fn commission_rules(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which commission rules.")] filter: Option<CommissionRuleFilter>,
        #[graphql(desc = "By which keys; then by id.")] order_by: Option<Vec<CommissionRuleOrder>>,
        #[graphql(
            desc = "This many from the beginning, or after `after`; 20 when nothing is said, 100 at most."
        )]
        first: Option<i32>,
        #[graphql(desc = "Only what follows this cursor.")] after: Option<String>,
        #[graphql(desc = "This many from the end, or before `before`.")] last: Option<i32>,
        #[graphql(desc = "Only what precedes this cursor.")] before: Option<String>,
    ) -> Result<CommissionRuleConnection> {
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
        Ok(CommissionRuleConnection::new(
            list::whole(
                request,
                select,
                CommissionRuleOrder::ordering(order_by)?,
                page,
            )
            .await?,
        ))
    }
}
