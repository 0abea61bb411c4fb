//! Setting and changing goals.

use super::{Goal, GoalUnit};
use crate::graphql::context::{request, requires_scope};
use crate::graphql::edit::{Edit, Opened, created, id_input, nullable, payload};
use crate::graphql::scalar::{Currency, Date, Decimal};
use async_graphql::{Context, ID, InputObject, MaybeUndefined, Object, Result};
use entities::error::{Error, ViolationCode};
use entities::goal::{self, Entity, GoalPatch, Model, NewGoal};
use entities::id::GoalId;
use entities::viewer::Scope;
use entities::visible;

/// Reads a number of at most six digits after the point.
fn micros(number: &Decimal, field: &str) -> entities::error::Result<i64> {
    goal::micros(number.0).ok_or_else(|| {
        let message = "At most six digits after the point, and not beyond nine million million.";
        Error::invalid(ViolationCode::Invalid, field, message)
    })
}

/// A new goal.
#[derive(Debug, InputObject)]
pub struct CreateGoalInput {
    /// What it is known by.
    pub key: String,
    /// What it is called.
    pub name: String,
    /// What is measured.
    pub metric: String,
    /// For whom it counts: the programme, a type of partnership, a stage.
    pub scope: String,
    /// What its numbers are.
    pub unit: GoalUnit,
    /// The currency, where they are money.
    pub currency: Option<Currency>,
    /// Where it is begun from.
    pub baseline: Option<Decimal>,
    /// What is to be reached.
    pub target: Decimal,
    /// By when.
    pub due_on: Option<Date>,
    /// Who answers for it.
    pub owner: Option<String>,
    /// What others reach.
    pub benchmark: Option<String>,
    /// Makes a repeated request harmless for 24 hours.
    pub idempotency_key: Option<String>,
    /// True: check everything and write nothing.
    pub validate_only: Option<bool>,
}

impl CreateGoalInput {
    async fn apply(self, edit: &mut Edit<'_>) -> entities::error::Result<Model> {
        let baseline = self.baseline.as_ref();
        let new = NewGoal {
            baseline_micros: baseline
                .map(|number| micros(number, "baseline"))
                .transpose()?,
            target_micros: micros(&self.target, "target")?,
            key: self.key,
            name: self.name,
            metric: self.metric,
            scope: self.scope,
            unit: self.unit.into(),
            currency: self.currency.map(|currency| currency.0),
            due_on: self.due_on.map(|day| day.0),
            owner: self.owner,
            benchmark: self.benchmark,
        };
        goal::create(&mut edit.change, vec![new])
            .await
            .and_then(created)
    }
}

/// Changes to a goal: an absent field keeps its value, null clears it. Another measure is another goal.
#[derive(Debug, InputObject)]
pub struct UpdateGoalInput {
    /// Which goal.
    pub id: ID,
    /// The version you saw; another one refuses the update.
    pub expected_version: Option<i64>,
    /// What it is called.
    pub name: Option<String>,
    /// Where it was begun from.
    pub baseline: MaybeUndefined<Decimal>,
    /// What is to be reached.
    pub target: Option<Decimal>,
    /// By when.
    pub due_on: MaybeUndefined<Date>,
    /// Who answers for it.
    pub owner: MaybeUndefined<String>,
    /// What others reach.
    pub benchmark: MaybeUndefined<String>,
    /// True puts it away, false brings it back.
    pub archived: Option<bool>,
    /// True: check everything and write nothing.
    pub validate_only: Option<bool>,
}

impl UpdateGoalInput {
    async fn apply(self, edit: &mut Edit<'_>) -> entities::error::Result<Model> {
        let id: GoalId = id_input(&self.id, "id")?;
        let (viewer, expected) = (&edit.request.viewer, self.expected_version);
        let row = visible::lock_one::<Entity>(&edit.change, viewer, id.0, expected).await?;
        let baseline = nullable(self.baseline)
            .map(|number| number.map(|number| micros(&number, "baseline")).transpose());
        let target = self.target.as_ref();
        let patch = GoalPatch {
            name: self.name,
            baseline_micros: baseline.transpose()?,
            target_micros: target.map(|number| micros(number, "target")).transpose()?,
            due_on: nullable(self.due_on).map(|day| day.map(|day| day.0)),
            owner: nullable(self.owner),
            benchmark: nullable(self.benchmark),
            archived: self.archived,
        };
        goal::update(&mut edit.change, row, patch).await
    }
}

payload!(
    CreateGoalPayload { goal: Goal },
    "createGoal",
    Scope::PartnersRead
);
payload!(
    UpdateGoalPayload { goal: Goal },
    "updateGoal",
    Scope::PartnersRead
);

/// Changes of goals.
#[derive(Default)]
pub struct GoalMutation;

#[Object]
impl GoalMutation {
    /// Sets a goal.
    #[graphql(directive = requires_scope::apply("partners:write".to_owned()))]
    async fn create_goal(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The goal.")] input: CreateGoalInput,
    ) -> Result<CreateGoalPayload> {
        let opened = Edit::create(
            ctx,
            Scope::PartnersWrite,
            "createGoal",
            &input,
            input.idempotency_key.as_ref(),
            input.validate_only,
        )
        .await?;
        let mut edit = match opened {
            Opened::Fresh(edit) => *edit,
            Opened::Repeated(id) => {
                return Ok(CreateGoalPayload::found(
                    Goal::find(request(ctx)?, id).await?,
                ));
            }
            Opened::Refused(refused) => return Ok(CreateGoalPayload::refused(refused)),
        };
        let result = input.apply(&mut edit).await;
        Ok(CreateGoalPayload::from_outcome(
            edit.finish(result, |row| Some(row.id.0)).await?,
            Goal::one,
        ))
    }

    /// Changes a goal.
    #[graphql(directive = requires_scope::apply("partners:write".to_owned()))]
    async fn update_goal(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What changes.")] input: UpdateGoalInput,
    ) -> Result<UpdateGoalPayload> {
        let mut edit = Edit::begin(ctx, Scope::PartnersWrite, input.validate_only).await?;
        let result = input.apply(&mut edit).await;
        Ok(UpdateGoalPayload::from_outcome(
            edit.finish(result, |_| None).await?,
            Goal::one,
        ))
    }
}
