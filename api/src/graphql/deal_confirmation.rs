//! What a person said of a deal's outcome, by a button in the chat, in the API. Internal: partners do not see it.

use super::context::request;
use super::deal::{Deal, DealStage};
use super::scalar::DateTime;
use async_graphql::{Context, Enum, ID, Result, SimpleObject};
use entities::deal_confirmation::{self, Model};
use entities::id::DealId;

/// What was said of an outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "deal_confirmation::Decision")]
pub enum DealOutcomeDecision {
    /// It is so.
    Confirmed,
    /// It is not so, says this person; somebody should look.
    Disputed,
}

/// What a person said of a deal's outcome.
#[derive(Clone, SimpleObject)]
pub struct DealOutcomeConfirmation {
    /// The outcome it is about: WON or LOST.
    pub outcome: DealStage,
    /// What was said.
    pub decision: DealOutcomeDecision,
    /// The person's id where it was said.
    pub user_id: String,
    /// The person's name, where it was told.
    pub user_name: Option<String>,
    /// When it was said.
    pub decided_at: DateTime,
    /// The connection by which it was said.
    pub connection_id: ID,
}

impl From<&Model> for DealOutcomeConfirmation {
    fn from(row: &Model) -> Self {
        Self {
            outcome: row.outcome.into(),
            decision: row.decision.into(),
            user_id: row.user_id.clone(),
            user_name: row.user_name.clone(),
            decided_at: DateTime(row.occurred_at),
            connection_id: row.connection_id.to_string().into(),
        }
    }
}

impl Deal {
    /// What was said last of the present outcome, read together with those of its siblings. What is said of an outcome is only that of its own:
    /// a row that speaks of another stage is as good as none.
    pub(super) async fn read_confirmation(
        &self,
        ctx: &Context<'_>,
    ) -> Result<Option<DealOutcomeConfirmation>> {
        let request = request(ctx)?;
        let group = self.0.group();
        let load = async {
            let deals: Vec<DealId> = group.rows().iter().map(|row| row.id).collect();
            let read = request.database.read();
            Ok(deal_confirmation::current(read, &request.viewer, &deals).await?)
        };
        let said = Box::pin(group.load("outcomeConfirmation".to_owned(), load)).await?;
        let row = self.0.row();
        let said = said.get(&row.id).filter(|said| said.outcome == row.stage);
        Ok(said.map(DealOutcomeConfirmation::from))
    }
}
