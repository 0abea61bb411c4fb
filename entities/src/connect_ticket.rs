//! A wish to connect an account, on its way from the API into a browser.
//!
//! Whoever asks through the API has a token and no cookie; the consent needs a cookie and has no token. The ticket stands between the two: it is
//! kept hashed, opens one consent, within five minutes, and the consent is begun in the name of the one who asked for the ticket.

use crate::clock::Timestamp;
use crate::database::Database;
use crate::error::Result;
use crate::id::ConnectionId;
use crate::viewer::Viewer;
use crate::visible::{Own, Visible, nothing};
use sea_orm::IntoActiveModel;
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::Condition;

/// How long a ticket is good, in milliseconds.
pub const VALID_MILLIS: i64 = 5 * 60 * 1_000;

/// How long a ticket is kept, in milliseconds: a day, for whoever asks what became of it.
const KEPT_MILLIS: i64 = 24 * 60 * 60 * 1_000;

/// A ticket.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "connect_ticket")]
#[expect(missing_docs, reason = "each field is named by the module")]
pub struct Model {
    /// SHA-256 of the ticket, hex.
    #[sea_orm(primary_key, auto_increment = false)]
    pub ticket_hash: String,
    pub connector: String,
    /// The account's own address, with a vendor that has one for each.
    pub site: Option<String>,
    /// The connection whose consent is to be renewed; none for an account that is to be connected.
    pub connection_id: Option<ConnectionId>,
    pub subject: String,
    pub created_at: Timestamp,
    pub used_at: Option<Timestamp>,
}

/// It has none.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Visible for Entity {
    fn visible_to_partner(_: Own) -> Condition {
        nothing()
    }
}

/// Stores a ticket. Old ones are thrown away with it.
///
/// # Errors
/// When the database fails.
pub async fn insert(database: &Database, row: Model) -> Result<()> {
    Entity::delete_many()
        .filter(Column::CreatedAt.lt(row.created_at.plus_millis(-KEPT_MILLIS)))
        .exec(database.write())
        .await?;
    Entity::insert(row.into_active_model())
        .exec_without_returning(database.write())
        .await?;
    Ok(())
}

/// Uses up a ticket: it is found once, in time, and never again.
///
/// # Errors
/// When the database fails.
pub async fn redeem(
    database: &Database,
    connector: &str,
    ticket_hash: &str,
) -> Result<Option<Model>> {
    let now = database.now();
    let done = Entity::update_many()
        .col_expr(Column::UsedAt, Expr::value(now))
        .filter(Column::TicketHash.eq(ticket_hash))
        .filter(Column::Connector.eq(connector))
        .filter(Column::UsedAt.is_null())
        .filter(Column::CreatedAt.gt(now.plus_millis(-VALID_MILLIS)))
        .exec(database.write())
        .await?;
    if done.rows_affected != 1 {
        return Ok(None);
    }
    let select = Entity::visible_to(&Viewer::system("connect_ticket"))
        .filter(Column::TicketHash.eq(ticket_hash));
    Ok(select.one(database.write()).await?)
}
