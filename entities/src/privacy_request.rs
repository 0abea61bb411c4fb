//! A wish under the law on personal data that a vendor passed on: what is wanted, of whom, and what was done about it.
//!
//! Invariant 17 of the domain: erasing a person replaces personal data and keeps money, history and the audit chain. Whom a wish is about is
//! kept only as long as it is needed: an erasure forgets the person with the last of their records, and an export is forgotten when the person
//! is erased. The same wish twice is one.

use crate::change::Change;
use crate::clock::Timestamp;
use crate::error::Result;
use crate::event::{EventKind, NewEvent};
use crate::id::{ConnectionId, PrivacyRequestId};
use crate::viewer::Viewer;
use crate::visible::{Own, Versioned, Visible, nothing};
use sea_orm::ActiveValue::{Set, Unchanged};
use sea_orm::FromJsonQueryResult;
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::Condition;
use sea_orm::{QueryOrder as _, QuerySelect as _};
use serde::{Deserialize, Serialize};
use serde_json::json;

/// What is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, serde::Serialize)]
#[sea_orm(
    rs_type = "String",
    db_type = "Text",
    rename_all = "SCREAMING_SNAKE_CASE"
)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum PrivacyKind {
    /// Everything held of a person, for the account's owner to hand over.
    DataRequest,
    /// The person is erased.
    RedactPerson,
    /// Everything that came from the account is erased.
    RedactAccount,
}

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, serde::Serialize)]
#[sea_orm(
    rs_type = "String",
    db_type = "Text",
    rename_all = "SCREAMING_SNAKE_CASE"
)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum PrivacyStatus {
    /// It is being done.
    Pending,
    /// It is done.
    Completed,
}

/// Whom it is about, and which records the vendor names.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize, FromJsonQueryResult)]
#[serde(default)]
pub struct Subject {
    /// The vendor's id of the contact.
    pub external_id: Option<String>,
    /// E-mail address.
    pub email: Option<String>,
    /// Telephone number.
    pub phone: Option<String>,
    /// Neutral resource and vendor's id of each record.
    pub records: Vec<(String, String)>,
}

impl std::fmt::Debug for Subject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Subject")
            .field("records", &self.records.len())
            .finish_non_exhaustive()
    }
}

/// What was done, in numbers.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, FromJsonQueryResult,
)]
#[serde(default, rename_all = "camelCase")]
pub struct Done {
    /// People whose rows were exported or erased.
    pub contacts: u64,
    /// What was known of vendors' records, exported or erased.
    pub records: u64,
    /// Stored deliveries whose content was erased.
    pub deliveries: u64,
}

/// A wish.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "privacy_request")]
#[expect(missing_docs, reason = "the fields are described in the API's schema")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: PrivacyRequestId,
    pub version: i64,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub connection_id: ConnectionId,
    pub kind: PrivacyKind,
    /// The vendor's name for the wish; unique per connection and kind.
    pub request_id: String,
    pub status: PrivacyStatus,
    /// Whom it is about. Personal: forgotten once it is no longer needed.
    pub subject: Option<Subject>,
    /// What is held of the person. Personal.
    pub export: Option<Json>,
    pub done: Done,
    pub completed_at: Option<Timestamp>,
    pub attempts: i32,
    pub available_at: Timestamp,
    pub error: Option<String>,
}

/// Relations are walked by id.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Versioned for Model {
    fn version(&self) -> i64 {
        self.version
    }
}

impl Visible for Entity {
    fn visible_to_partner(_: Own) -> Condition {
        nothing()
    }
}

/// A wish that was passed on.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields of the row")]
pub struct NewPrivacyRequest {
    pub connection_id: ConnectionId,
    pub kind: PrivacyKind,
    pub request_id: String,
    pub subject: Subject,
}

/// Keeps a wish that is to be done. One that is known changes nothing; then the answer is none.
///
/// # Errors
/// When the database fails.
pub async fn request(change: &mut Change, new: NewPrivacyRequest) -> Result<Option<Model>> {
    let known = Entity::visible_to(&Viewer::system("privacy_request"))
        .filter(Column::ConnectionId.eq(new.connection_id))
        .filter(Column::Kind.eq(new.kind))
        .filter(Column::RequestId.eq(new.request_id.as_str()))
        .one(change.transaction())
        .await?;
    if known.is_some() {
        return Ok(None);
    }
    let now = change.now();
    let row = Model {
        id: change.new_id(),
        version: 1,
        created_at: now,
        updated_at: now,
        connection_id: new.connection_id,
        kind: new.kind,
        request_id: new.request_id,
        status: PrivacyStatus::Pending,
        subject: Some(new.subject),
        export: None,
        done: Done::default(),
        completed_at: None,
        attempts: 0,
        available_at: now,
        error: None,
    };
    crate::write::insert::<Entity>(change, std::slice::from_ref(&row)).await?;
    let data = json!({ "kind": row.kind, "connection": row.connection_id });
    change.record(NewEvent::about(EventKind::PrivacyRequested, row.id, data).internal());
    Ok(Some(row))
}

/// The wish that is to be worked on next, if one is due.
///
/// # Errors
/// When the database fails.
pub async fn find_due(connection: &impl ConnectionTrait, now: Timestamp) -> Result<Option<Model>> {
    let select = Entity::visible_to(&Viewer::system("privacy_request"))
        .filter(Column::Status.eq(PrivacyStatus::Pending))
        .filter(Column::AvailableAt.lte(now))
        .order_by_asc(Column::AvailableAt)
        .order_by_asc(Column::Id)
        .limit(1);
    Ok(select.one(connection).await?)
}

/// Adds to what was done of a wish that goes on, so that a crash repeats little.
///
/// # Errors
/// When the database fails, or the row has moved on.
pub async fn progress(change: &Change, row: Model, done: Done) -> Result<Model> {
    let version = row.version;
    let active = ActiveModel {
        id: Unchanged(row.id),
        version: Set(version + 1),
        updated_at: Set(change.now()),
        done: Set(sum(row.done, done)),
        attempts: Set(0),
        error: Set(None),
        ..row.into()
    };
    crate::write::update(change, active, version).await
}

/// Ends a wish. An export is kept for who has to hand it over, with whom it is about; an erasure forgets the person.
///
/// # Errors
/// When the database fails, or the row has moved on.
pub async fn complete(
    change: &mut Change,
    row: Model,
    done: Done,
    export: Option<Json>,
) -> Result<Model> {
    let version = row.version;
    let done = sum(row.done, done);
    let subject = row.subject.clone().filter(|_| export.is_some());
    let active = ActiveModel {
        id: Unchanged(row.id),
        version: Set(version + 1),
        updated_at: Set(change.now()),
        status: Set(PrivacyStatus::Completed),
        subject: Set(subject),
        export: Set(export),
        done: Set(done),
        completed_at: Set(Some(change.now())),
        error: Set(None),
        ..row.into()
    };
    let row: Model = crate::write::update(change, active, version).await?;
    let data = json!({ "kind": row.kind, "connection": row.connection_id, "done": done });
    change.record(NewEvent::about(EventKind::PrivacyCompleted, row.id, data).internal());
    Ok(row)
}

/// Puts a wish off: it is due again at an instant, with the reason.
///
/// # Errors
/// When the database fails, or the row has moved on.
pub async fn put_off(
    change: &Change,
    row: Model,
    available_at: Timestamp,
    error: Option<String>,
) -> Result<Model> {
    let version = row.version;
    let attempts = row.attempts + i32::from(error.is_some());
    let active = ActiveModel {
        id: Unchanged(row.id),
        version: Set(version + 1),
        updated_at: Set(change.now()),
        available_at: Set(available_at),
        attempts: Set(attempts),
        error: Set(error),
        ..row.into()
    };
    crate::write::update(change, active, version).await
}

/// Forgets the exports of a connection that `is_about` says are about a person who is erased; with everybody, all of them.
///
/// # Errors
/// When the database fails.
pub async fn forget_exports(
    change: &Change,
    connection_id: ConnectionId,
    is_about: impl Fn(&Subject) -> bool + Send,
) -> Result<()> {
    let rows = Entity::visible_to(&Viewer::system("privacy_request"))
        .filter(Column::ConnectionId.eq(connection_id))
        .filter(Column::Status.eq(PrivacyStatus::Completed))
        .filter(Column::Export.is_not_null())
        .all(change.transaction())
        .await?;
    for row in rows {
        if !row.subject.as_ref().is_some_and(&is_about) {
            continue;
        }
        let version = row.version;
        let active = ActiveModel {
            id: Unchanged(row.id),
            version: Set(version + 1),
            updated_at: Set(change.now()),
            subject: Set(None),
            export: Set(None),
            ..row.into()
        };
        let _forgotten: Model = crate::write::update(change, active, version).await?;
    }
    Ok(())
}

fn sum(one: Done, more: Done) -> Done {
    Done {
        contacts: one.contacts + more.contacts,
        records: one.records + more.records,
        deliveries: one.deliveries + more.deliveries,
    }
}
