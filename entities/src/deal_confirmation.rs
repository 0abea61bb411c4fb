//! "Yes, this deal was really won": what a person said of a deal's outcome, by a button below the message that told of it.
//!
//! An outcome is one closing event of the deal. Of one outcome the first confirmation stands; a dispute may be followed by a confirmation, which
//! settles it. When the deal is reopened, what was said of the outcome before no longer holds. The same press twice is one. Partners never see
//! who said what.

use crate::change::Change;
use crate::clock::Timestamp;
use crate::deal::DealStage;
use crate::error::Result;
use crate::event::{EventKind, NewEvent};
use crate::id::{ConnectionId, DealConfirmationId, DealId, EventId};
use crate::viewer::Viewer;
use crate::visible::{Own, Visible, nothing};
use sea_orm::QueryOrder as _;
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::Condition;
use serde_json::json;
use std::collections::HashMap;

/// What was said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, serde::Serialize)]
#[sea_orm(
    rs_type = "String",
    db_type = "Text",
    rename_all = "SCREAMING_SNAKE_CASE"
)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Decision {
    /// It is so.
    Confirmed,
    /// It is not so, says this person; somebody should look.
    Disputed,
}

/// What one person said.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "deal_confirmation")]
#[expect(missing_docs, reason = "the fields are described in the API's schema")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: DealConfirmationId,
    pub created_at: Timestamp,
    pub deal_id: DealId,
    /// WON or LOST: what is confirmed.
    pub outcome: DealStage,
    pub decision: Decision,
    /// The closing event it is about.
    pub event_id: EventId,
    /// The connection by which it was said.
    pub connection_id: ConnectionId,
    /// The person's id there.
    pub user_id: String,
    pub user_name: Option<String>,
    /// When it was said, by the vendor's clock.
    pub occurred_at: Timestamp,
    /// Two presses with one key are one; unique per connection.
    pub dedupe_key: String,
    /// When the deal was reopened, and this no longer held.
    pub superseded_at: Option<Timestamp>,
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

/// Something said, about to be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields of the row")]
pub struct NewConfirmation {
    pub deal_id: DealId,
    pub outcome: DealStage,
    pub decision: Decision,
    pub event_id: EventId,
    pub connection_id: ConnectionId,
    pub user_id: String,
    pub user_name: Option<String>,
    pub occurred_at: Timestamp,
    pub dedupe_key: String,
}

/// Keeps what was said, unless it changes nothing: the same press again, a second opinion on what is confirmed, a second dispute. The answer
/// says whether it was kept. The caller holds the connection's or the deal's row, so that two presses cannot both be the first.
///
/// # Errors
/// When the database fails.
pub async fn confirm(change: &mut Change, new: NewConfirmation) -> Result<bool> {
    let said = of_event(change.transaction(), new.event_id).await?;
    let is_same =
        |row: &Model| row.connection_id == new.connection_id && row.dedupe_key == new.dedupe_key;
    let last = said.last();
    let settled = last.is_some_and(|row| row.decision == Decision::Confirmed);
    let again = last.is_some_and(|row| row.decision == new.decision);
    if settled || again || said.iter().any(is_same) {
        return Ok(false);
    }
    let row = Model {
        id: change.new_id(),
        created_at: change.now(),
        deal_id: new.deal_id,
        outcome: new.outcome,
        decision: new.decision,
        event_id: new.event_id,
        connection_id: new.connection_id,
        user_id: new.user_id,
        user_name: new.user_name,
        occurred_at: new.occurred_at,
        dedupe_key: new.dedupe_key,
        superseded_at: None,
    };
    crate::write::insert::<Entity>(change, std::slice::from_ref(&row)).await?;
    let kind = match row.decision {
        Decision::Confirmed => EventKind::DealOutcomeConfirmed,
        Decision::Disputed => EventKind::DealOutcomeDisputed,
    };
    let data = json!({ "outcome": row.outcome, "confirmation": row.id });
    change.record(NewEvent::about(kind, row.deal_id, data).internal());
    Ok(true)
}

/// What was said of one closing event, oldest first.
///
/// # Errors
/// When the database fails.
pub async fn of_event(connection: &impl ConnectionTrait, event: EventId) -> Result<Vec<Model>> {
    let select = Entity::visible_to(&Viewer::system("deal_confirmation"))
        .filter(Column::EventId.eq(event))
        .order_by_asc(Column::Id);
    Ok(select.all(connection).await?)
}

/// What holds of the present outcomes of these deals: what was said last. A deal of which nothing was said is absent.
///
/// # Errors
/// When the database fails.
pub async fn current(
    connection: &impl ConnectionTrait,
    viewer: &Viewer,
    deals: &[DealId],
) -> Result<HashMap<DealId, Model>> {
    if deals.is_empty() {
        return Ok(HashMap::new());
    }
    let rows = Entity::visible_to(viewer)
        .filter(Column::DealId.is_in(deals.iter().copied()))
        .filter(Column::SupersededAt.is_null())
        .order_by_asc(Column::Id)
        .all(connection)
        .await?;
    // The later ones replace the earlier.
    Ok(rows.into_iter().map(|row| (row.deal_id, row)).collect())
}

/// Ends what was said of the outcomes of deals that were reopened since.
///
/// # Errors
/// When the database fails.
pub async fn supersede(change: &Change, deals: &[DealId]) -> Result<()> {
    if deals.is_empty() {
        return Ok(());
    }
    Entity::update_many()
        .col_expr(Column::SupersededAt, Expr::value(Some(change.now())))
        .filter(Column::DealId.is_in(deals.iter().copied()))
        .filter(Column::SupersededAt.is_null())
        .exec(change.transaction())
        .await?;
    Ok(())
}
