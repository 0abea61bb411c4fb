//! Which records a complete walk has seen so far: what it has not seen may be gone at the vendor.
//!
//! Scratch: emptied when a walk begins and when it has been made use of. Invariant: what is read from it means something only after the walk it
//! belongs to has been completed; whoever walks knows that.

use crate::change::Change;
use crate::error::Result;
use crate::external_link;
use crate::id::ConnectionId;
use crate::viewer::Viewer;
use crate::visible::{Own, Visible, nothing};
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::{Condition, ExprTrait as _, OnConflict, Query};
use sea_orm::{QueryOrder as _, QuerySelect as _};

/// A record that was seen.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "sync_seen")]
#[expect(missing_docs, reason = "each field is a word of the sync rules")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub connection_id: ConnectionId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub resource: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub external_id: String,
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

/// Notes records as seen; those already noted stay.
///
/// # Errors
/// When the database fails.
pub async fn note(
    change: &Change,
    connection_id: ConnectionId,
    resource: &str,
    external_ids: &[&str],
) -> Result<()> {
    for chunk in external_ids.chunks(500) {
        let columns = [Column::ConnectionId, Column::Resource, Column::ExternalId];
        let mut statement = Query::insert();
        statement.into_table(Entity).columns(columns);
        for id in chunk {
            statement.values_panic([
                Expr::value(connection_id),
                Expr::value(resource),
                Expr::value(*id),
            ]);
        }
        statement.on_conflict(OnConflict::columns(columns).do_nothing().to_owned());
        change.transaction().execute(&statement).await?;
    }
    Ok(())
}

/// Forgets what was seen of a resource.
///
/// # Errors
/// When the database fails.
pub async fn clear(change: &Change, connection_id: ConnectionId, resource: &str) -> Result<()> {
    Entity::delete_many()
        .filter(Column::ConnectionId.eq(connection_id))
        .filter(Column::Resource.eq(resource))
        .exec(change.transaction())
        .await?;
    Ok(())
}

/// The links of records that are there as far as we know.
fn present(connection_id: ConnectionId, resource: &str) -> Select<external_link::Entity> {
    external_link::Entity::visible_to(&Viewer::system("sync_seen"))
        .filter(external_link::Column::ConnectionId.eq(connection_id))
        .filter(external_link::Column::Resource.eq(resource))
        .filter(external_link::Column::Archived.eq(false))
}

fn unseen(
    connection_id: ConnectionId,
    resource: &str,
    after: &str,
) -> Select<external_link::Entity> {
    let link = |column| Expr::col((external_link::Entity, column));
    let seen = Query::select()
        .expr(Expr::value(1))
        .from(Entity)
        .and_where(link(external_link::Column::ConnectionId).equals((Entity, Column::ConnectionId)))
        .and_where(link(external_link::Column::Resource).equals((Entity, Column::Resource)))
        .and_where(link(external_link::Column::ExternalId).equals((Entity, Column::ExternalId)))
        .to_owned();
    present(connection_id, resource)
        .filter(external_link::Column::ExternalId.gt(after))
        .filter(Expr::exists(seen).not())
}

/// How many records of a resource there are as far as we know: those that are not archived.
///
/// # Errors
/// When the database fails.
pub async fn count_present(
    connection: &impl ConnectionTrait,
    connection_id: ConnectionId,
    resource: &str,
) -> Result<u64> {
    Ok(present(connection_id, resource).count(connection).await?)
}

/// How many of those after an external id were not seen.
///
/// # Errors
/// When the database fails.
pub async fn count_unseen(
    connection: &impl ConnectionTrait,
    connection_id: ConnectionId,
    resource: &str,
    after: &str,
) -> Result<u64> {
    Ok(unseen(connection_id, resource, after)
        .count(connection)
        .await?)
}

/// The links of some of those after an external id that were not seen, in its order.
///
/// # Errors
/// When the database fails.
pub async fn list_unseen(
    connection: &impl ConnectionTrait,
    connection_id: ConnectionId,
    resource: &str,
    after: &str,
    limit: u64,
) -> Result<Vec<external_link::Model>> {
    let select = unseen(connection_id, resource, after)
        .order_by_asc(external_link::Column::ExternalId)
        .limit(limit);
    Ok(select.all(connection).await?)
}
