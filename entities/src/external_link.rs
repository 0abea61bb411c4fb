//! The tie between one of our rows and a vendor's record, with the **shadow**: the values the vendor is known to hold.
//!
//! The shadow is what makes a merge three-way and an echo an empty diff. Records that have no row of ours (owners, pipelines,
//! labels, and records kept out for a reason) have a link too: "why is it not here?" is answered from this table.

use crate::among;
use crate::change::Change;
use crate::clock::Timestamp;
use crate::error::Result;
use crate::id::{ConnectionId, ExternalLinkId, PartnerId};
use crate::viewer::Viewer;
use crate::visible::{Visible, nothing};
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::{Condition, ExprTrait as _, LikeExpr, OnConflict, Query};
use sea_orm::{FromJsonQueryResult, QueryOrder as _, QuerySelect as _};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use uuid::Uuid;

/// The vendor's values as last seen, verbatim, and the record's associations.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, FromJsonQueryResult)]
pub struct Shadow {
    /// Property values as the vendor writes them.
    pub fields: BTreeMap<String, Option<String>>,
    /// Associated records: `resource:external id` and the labels of the tie, sorted.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub links: BTreeMap<String, Vec<String>>,
    /// What could not be taken over, by field: why.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub flags: BTreeMap<String, String>,
}

/// A link.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "external_link")]
#[expect(missing_docs, reason = "each field is a word of the sync rules")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: ExternalLinkId,
    pub version: i64,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub connection_id: ConnectionId,
    /// The neutral resource: `company`, `contact`, `deal`, `owner`, `pipeline`, `association_label`.
    pub resource: String,
    pub external_id: String,
    /// The kind of our row, an id prefix; absent when there is none.
    pub subject_kind: Option<String>,
    pub subject_id: Option<Uuid>,
    pub shadow: Shadow,
    /// The vendor's time of last change.
    pub external_updated_at: Option<Timestamp>,
    /// Archived or deleted there.
    pub archived: bool,
    /// Why the record is kept out, when it is.
    pub held_reason: Option<String>,
}

/// Relations are walked by id.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Visible for Entity {
    fn visible_to_partner(_: PartnerId) -> Condition {
        nothing()
    }
}

/// Inserts or replaces links by (connection, resource, external id). The id, version and time of creation of a known link stay
/// the caller's matter: it passes the row it read, changed.
///
/// # Errors
/// When the database fails.
pub async fn upsert(change: &Change, rows: &[Model]) -> Result<()> {
    for chunk in rows.chunks(500) {
        let mut statement = Query::insert();
        statement.into_table(Entity).columns([
            Column::Id,
            Column::Version,
            Column::CreatedAt,
            Column::UpdatedAt,
            Column::ConnectionId,
            Column::Resource,
            Column::ExternalId,
            Column::SubjectKind,
            Column::SubjectId,
            Column::Shadow,
            Column::ExternalUpdatedAt,
            Column::Archived,
            Column::HeldReason,
        ]);
        for row in chunk {
            statement.values_panic([
                Expr::value(row.id),
                Expr::value(row.version),
                Expr::value(row.created_at),
                Expr::value(row.updated_at),
                Expr::value(row.connection_id),
                Expr::value(row.resource.as_str()),
                Expr::value(row.external_id.as_str()),
                Expr::value(row.subject_kind.clone()),
                Expr::value(row.subject_id),
                Expr::value(row.shadow.clone()),
                Expr::value(row.external_updated_at),
                Expr::value(row.archived),
                Expr::value(row.held_reason.clone()),
            ]);
        }
        statement.on_conflict(
            OnConflict::columns([Column::ConnectionId, Column::Resource, Column::ExternalId])
                .update_columns([
                    Column::Version,
                    Column::UpdatedAt,
                    Column::SubjectKind,
                    Column::SubjectId,
                    Column::Shadow,
                    Column::ExternalUpdatedAt,
                    Column::Archived,
                    Column::HeldReason,
                ])
                .to_owned(),
        );
        change.transaction().execute(&statement).await?;
    }
    Ok(())
}

fn of(connection_id: ConnectionId, resource: &str) -> Select<Entity> {
    let links = Entity::visible_to(&Viewer::system("external_link"));
    links
        .filter(Column::ConnectionId.eq(connection_id))
        .filter(Column::Resource.eq(resource))
}

/// The links of these records, as far as they are known, in no particular order.
///
/// # Errors
/// When the database fails.
pub async fn find_all(
    connection: &impl ConnectionTrait,
    connection_id: ConnectionId,
    resource: &str,
    external_ids: &[&str],
) -> Result<Vec<Model>> {
    let links = of(connection_id, resource);
    among::read(connection, &links, Column::ExternalId, external_ids).await
}

/// Links of a resource that have a row of ours and whose shadow names this other end (`resource:external id`).
///
/// # Errors
/// When the database fails.
pub async fn list_naming(
    connection: &impl ConnectionTrait,
    connection_id: ConnectionId,
    resource: &str,
    end: &str,
) -> Result<Vec<Model>> {
    // The text of the shadow narrows the search on both databases alike; the shadow itself decides.
    let key = serde_json::Value::from(end).to_string();
    let literal: String = key
        .chars()
        .flat_map(|letter| {
            matches!(letter, '%' | '_' | '\\')
                .then_some('\\')
                .into_iter()
                .chain([letter])
        })
        .collect();
    let text = Expr::col((Entity, Column::Shadow))
        .cast_as("text")
        .like(LikeExpr::new(format!("%{literal}%")).escape('\\'));
    let found = of(connection_id, resource)
        .filter(Column::SubjectId.is_not_null())
        .filter(text)
        .all(connection)
        .await?;
    Ok(found
        .into_iter()
        .filter(|link| link.shadow.links.contains_key(end))
        .collect())
}

/// Every link of a resource that is small: owners, pipelines, labels.
///
/// # Errors
/// When the database fails.
pub async fn list(
    connection: &impl ConnectionTrait,
    connection_id: ConnectionId,
    resource: &str,
) -> Result<Vec<Model>> {
    Ok(of(connection_id, resource).all(connection).await?)
}

/// Links of records that are kept out for a reason, after an external id, in its order.
///
/// # Errors
/// When the database fails.
pub async fn list_held(
    connection: &impl ConnectionTrait,
    connection_id: ConnectionId,
    resource: &str,
    after: &str,
    limit: u64,
) -> Result<Vec<Model>> {
    let held = of(connection_id, resource)
        .filter(Column::HeldReason.is_not_null())
        .filter(Column::ExternalId.gt(after));
    Ok(held
        .order_by_asc(Column::ExternalId)
        .limit(limit)
        .all(connection)
        .await?)
}
