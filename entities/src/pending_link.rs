//! An association whose other end has not arrived yet. It waits here and is resolved when the end comes.

use crate::among;
use crate::change::Change;
use crate::clock::Timestamp;
use crate::error::Result;
use crate::external_link;
use crate::id::ConnectionId;
use crate::viewer::Viewer;
use crate::visible::{Own, Visible, nothing};
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::{Condition, ExprTrait as _, OnConflict, Query};
use sea_orm::{IntoActiveModel as _, QueryOrder as _, QuerySelect as _};

/// `from` names `to`, and `to` is not known yet.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "pending_link")]
#[expect(missing_docs, reason = "each field is named by the module")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub connection_id: ConnectionId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub from_resource: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub from_external_id: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub to_resource: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub to_external_id: String,
    pub created_at: Timestamp,
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

/// Notes ends that are awaited; those already noted stay.
///
/// # Errors
/// When the database fails.
pub async fn insert(change: &Change, rows: Vec<Model>) -> Result<()> {
    for chunk in rows.chunks(500) {
        let key = [
            Column::ConnectionId,
            Column::FromResource,
            Column::FromExternalId,
            Column::ToResource,
            Column::ToExternalId,
        ];
        Entity::insert_many(chunk.iter().cloned().map(Model::into_active_model))
            .on_conflict(OnConflict::columns(key).do_nothing().to_owned())
            .exec_without_returning(change.transaction())
            .await?;
    }
    Ok(())
}

/// What these records wait for.
///
/// # Errors
/// When the database fails.
pub async fn find_from(
    connection: &impl ConnectionTrait,
    connection_id: ConnectionId,
    resource: &str,
    external_ids: &[&str],
) -> Result<Vec<Model>> {
    let select = Entity::visible_to(&Viewer::system("pending_link"))
        .filter(Column::ConnectionId.eq(connection_id))
        .filter(Column::FromResource.eq(resource));
    among::read(connection, &select, Column::FromExternalId, external_ids).await
}

/// Some of the links of a resource whose other end has come meanwhile: a record with a row of ours, or one of a resource that
/// never has rows (`rowless`).
///
/// # Errors
/// When the database fails.
pub async fn list_resolvable(
    connection: &impl ConnectionTrait,
    connection_id: ConnectionId,
    from_resource: &str,
    rowless: &[&str],
    limit: u64,
) -> Result<Vec<Model>> {
    let arrived = Query::select()
        .expr(Expr::value(1))
        .from(external_link::Entity)
        .and_where(
            Expr::col((external_link::Entity, external_link::Column::ConnectionId))
                .equals((Entity, Column::ConnectionId)),
        )
        .and_where(
            Expr::col((external_link::Entity, external_link::Column::Resource))
                .equals((Entity, Column::ToResource)),
        )
        .and_where(
            Expr::col((external_link::Entity, external_link::Column::ExternalId))
                .equals((Entity, Column::ToExternalId)),
        )
        .cond_where(
            Condition::any()
                .add(external_link::Column::SubjectId.is_not_null())
                .add(external_link::Column::Resource.is_in(rowless.iter().copied())),
        )
        .to_owned();
    let select = Entity::visible_to(&Viewer::system("pending_link"))
        .filter(Column::ConnectionId.eq(connection_id))
        .filter(Column::FromResource.eq(from_resource))
        .filter(Expr::exists(arrived))
        .order_by_asc(Column::FromExternalId)
        .limit(limit);
    Ok(select.all(connection).await?)
}

/// Lets another record wait for what one waited for: it has taken its place.
///
/// # Errors
/// When the database fails.
pub async fn pass_on(
    change: &Change,
    connection_id: ConnectionId,
    resource: &str,
    (from, heir): (&str, &str),
) -> Result<()> {
    let rows = find_from(change.transaction(), connection_id, resource, &[from]).await?;
    let passed = rows
        .into_iter()
        .map(|row| Model {
            from_external_id: heir.to_owned(),
            ..row
        })
        .collect();
    insert(change, passed).await?;
    delete_from(change, connection_id, resource, &[from]).await
}

/// Removes all that these records waited for: they are gone.
///
/// # Errors
/// When the database fails.
pub async fn delete_from(
    change: &Change,
    connection_id: ConnectionId,
    resource: &str,
    external_ids: &[&str],
) -> Result<()> {
    for chunk in external_ids.chunks(500) {
        Entity::delete_many()
            .filter(Column::ConnectionId.eq(connection_id))
            .filter(Column::FromResource.eq(resource))
            .filter(Column::FromExternalId.is_in(chunk.iter().copied()))
            .exec(change.transaction())
            .await?;
    }
    Ok(())
}

/// Removes rows that are no longer awaited.
///
/// # Errors
/// When the database fails.
pub async fn delete(change: &Change, rows: &[Model]) -> Result<()> {
    for chunk in rows.chunks(100) {
        let mut any = Condition::any();
        for row in chunk {
            any = any.add(
                Condition::all()
                    .add(Column::ConnectionId.eq(row.connection_id))
                    .add(Column::FromResource.eq(row.from_resource.as_str()))
                    .add(Column::FromExternalId.eq(row.from_external_id.as_str()))
                    .add(Column::ToResource.eq(row.to_resource.as_str()))
                    .add(Column::ToExternalId.eq(row.to_external_id.as_str())),
            );
        }
        Entity::delete_many()
            .filter(any)
            .exec(change.transaction())
            .await?;
    }
    Ok(())
}
