//! The tie between one of our rows and a vendor's record, with the **shadow**: the values the vendor is known to hold.
//!
//! The shadow is what makes a merge three-way and an echo an empty diff. Records that have no row of ours (owners, pipelines,
//! labels, and records kept out for a reason) have a link too: "why is it not here?" is answered from this table.

use crate::among;
use crate::change::Change;
use crate::clock::Timestamp;
use crate::error::Result;
use crate::id::{ConnectionId, ExternalLinkId};
use crate::viewer::Viewer;
use crate::visible::{Own, Visible, nothing};
use crate::write;
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::{Condition, ExprTrait as _, Func, LikeExpr};
use sea_orm::{FromJsonQueryResult, FromQueryResult, QueryOrder as _, QuerySelect as _};
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
    /// What left for the vendor in a call whose answer has not been taken in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent: Option<Sent>,
}

/// What the vendor holds if a call whose answer is not known has happened.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sent {
    /// The values that were written; none clears.
    pub fields: BTreeMap<String, Option<String>>,
    /// Every association as it is afterwards, as in [`Shadow::links`]; none where the call changes none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub links: Option<BTreeMap<String, Vec<String>>>,
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
    fn visible_to_partner(_: Own) -> Condition {
        nothing()
    }
}

const WRITTEN: [write::Column; 13] = [
    write::Column::plain("id"),
    write::Column::plain("version"),
    write::Column::plain("created_at"),
    write::Column::plain("updated_at"),
    write::Column::plain("connection_id"),
    write::Column::plain("resource"),
    write::Column::plain("external_id"),
    write::Column::plain("subject_kind"),
    write::Column::plain("subject_id"),
    write::Column::json("shadow"),
    write::Column::plain("external_updated_at"),
    write::Column::plain("archived"),
    write::Column::plain("held_reason"),
];

const REPLACING: &str = r#" ON CONFLICT ("connection_id", "resource", "external_id") DO UPDATE SET
"version" = excluded."version", "updated_at" = excluded."updated_at", "subject_kind" = excluded."subject_kind",
"subject_id" = excluded."subject_id", "shadow" = excluded."shadow", "external_updated_at" = excluded."external_updated_at",
"archived" = excluded."archived", "held_reason" = excluded."held_reason""#;

/// Inserts or replaces links by (connection, resource, external id). The id, version and time of creation of a known link stay
/// the caller's matter: it passes the row it read, changed.
///
/// # Errors
/// When the database fails.
pub async fn upsert(change: &Change, rows: &[Model]) -> Result<()> {
    let values = rows.iter().map(|row| {
        Ok([
            row.id.into(),
            row.version.into(),
            row.created_at.into(),
            row.updated_at.into(),
            row.connection_id.into(),
            row.resource.as_str().into(),
            row.external_id.as_str().into(),
            row.subject_kind.clone().into(),
            row.subject_id.into(),
            write::json_text(&row.shadow)?,
            row.external_updated_at.into(),
            row.archived.into(),
            row.held_reason.clone().into(),
        ])
    });
    write::insert_values(
        change.transaction(),
        "external_link",
        &WRITTEN,
        values,
        REPLACING,
    )
    .await
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

/// Which row of ours a record is tied to.
#[derive(Clone, Debug, PartialEq, Eq, FromQueryResult)]
pub struct Tie {
    /// The vendor's id.
    pub external_id: String,
    /// The kind of our row, an id prefix; absent when there is none.
    pub subject_kind: Option<String>,
    /// Our row.
    pub subject_id: Option<Uuid>,
}

/// What these records are tied to, as far as they are known, without their shadows; in no particular order.
///
/// # Errors
/// When the database fails.
pub async fn find_ties(
    connection: &impl ConnectionTrait,
    connection_id: ConnectionId,
    resource: &str,
    external_ids: &[&str],
) -> Result<Vec<Tie>> {
    let links = of(connection_id, resource);
    let columns = [Column::ExternalId, Column::SubjectKind, Column::SubjectId];
    among::read_only(
        connection,
        &links,
        Column::ExternalId,
        &columns,
        external_ids,
    )
    .await
}

/// The links of these rows of ours, in no particular order. A row whose record went into another one's may have several.
///
/// # Errors
/// When the database fails.
pub async fn find_subjects(
    connection: &impl ConnectionTrait,
    connection_id: ConnectionId,
    resource: &str,
    subjects: &[Uuid],
) -> Result<Vec<Model>> {
    let mut found = Vec::with_capacity(subjects.len());
    for chunk in subjects.chunks(100) {
        let select =
            of(connection_id, resource).filter(Column::SubjectId.is_in(chunk.iter().copied()));
        found.extend(select.all(connection).await?);
    }
    Ok(found)
}

/// The links of these rows of ours, of every connection and resource, in no particular order.
///
/// # Errors
/// When the database fails.
pub async fn list_of_subjects(
    connection: &impl ConnectionTrait,
    subjects: &[Uuid],
) -> Result<Vec<Model>> {
    let mut found = Vec::with_capacity(subjects.len());
    for chunk in subjects.chunks(100) {
        let select = Entity::visible_to(&Viewer::system("external_link"))
            .filter(Column::SubjectId.is_in(chunk.iter().copied()));
        found.extend(select.all(connection).await?);
    }
    Ok(found)
}

/// A page of a connection's links, of every resource, in the order of their ids.
///
/// # Errors
/// When the database fails.
pub async fn list_of_connection(
    connection: &impl ConnectionTrait,
    connection_id: ConnectionId,
    after: Option<ExternalLinkId>,
    limit: u64,
) -> Result<Vec<Model>> {
    let mut select = Entity::visible_to(&Viewer::system("external_link"))
        .filter(Column::ConnectionId.eq(connection_id));
    if let Some(after) = after {
        select = select.filter(Column::Id.gt(after));
    }
    let page = select.order_by_asc(Column::Id).limit(limit);
    Ok(page.all(connection).await?)
}

/// The links of a connection whose shadow holds a text anywhere, whatever its case. This reads all of them; it is for what happens seldom.
///
/// # Errors
/// When the database fails.
pub async fn list_holding(
    connection: &impl ConnectionTrait,
    connection_id: ConnectionId,
    text: &str,
) -> Result<Vec<Model>> {
    if text.is_empty() {
        return Ok(Vec::new());
    }
    // As JSON writes it, without the quotes around it.
    let quoted = serde_json::Value::from(text.to_lowercase()).to_string();
    let inner = quoted
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
        .unwrap_or(&quoted);
    let shadow = Func::lower(Expr::col((Entity, Column::Shadow)).cast_as("text"));
    let select = Entity::visible_to(&Viewer::system("external_link"))
        .filter(Column::ConnectionId.eq(connection_id))
        .filter(Expr::expr(shadow).like(LikeExpr::new(containing(inner)).escape('\\')))
        .order_by_asc(Column::Id);
    Ok(select.all(connection).await?)
}

/// The pattern of a text that stands anywhere.
fn containing(text: &str) -> String {
    let literal: String = text
        .chars()
        .flat_map(|letter| {
            matches!(letter, '%' | '_' | '\\')
                .then_some('\\')
                .into_iter()
                .chain([letter])
        })
        .collect();
    format!("%{literal}%")
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
    let text = Expr::col((Entity, Column::Shadow))
        .cast_as("text")
        .like(LikeExpr::new(containing(&key)).escape('\\'));
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
