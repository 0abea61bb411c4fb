//! The terms of an agreement from a day on.
//!
//! Invariant (domain, 2): a version that is signed never changes; its hash proves it. Before that the terms may be revised, and a revision that
//! somebody has signed already becomes the next version instead.

use crate::agreement::{self, Terms};
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::id::{AgreementId, AgreementVersionId, PartnerId};
use crate::viewer::Viewer;
use crate::visible::{Own, Versioned, Visible};
use chrono::NaiveDate;
use sea_orm::QueryOrder as _;
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::{Condition, Query};

/// A version.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "agreement_version")]
#[expect(missing_docs, reason = "the fields are described in the API's schema")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: AgreementVersionId,
    pub version: i64,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub agreement_id: AgreementId,
    pub partner_id: PartnerId,
    /// 1 for what was agreed first.
    pub number: i32,
    pub effective_on: NaiveDate,
    pub terms: Terms,
    pub terms_hash: String,
    /// What an amendment changes, in words.
    pub summary: String,
    /// When both sides had signed.
    pub signed_at: Option<Timestamp>,
}

impl Model {
    /// Whether the terms still are what the hash says.
    ///
    /// # Errors
    /// When the terms have no JSON form.
    pub fn is_intact(&self, agreement: &agreement::Model) -> Result<bool> {
        let hash = self
            .terms
            .hash(&agreement.number, self.number, self.effective_on)?;
        Ok(hash == self.terms_hash)
    }
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
    fn visible_to_partner(own: Own) -> Condition {
        let shown = Query::select()
            .column(agreement::Column::Id)
            .from(agreement::Entity)
            .cond_where(agreement::Entity::visible_to_partner(own))
            .to_owned();
        Condition::all().add(Column::AgreementId.in_subquery(shown))
    }
}

/// The versions of these agreements, by agreement and number.
///
/// # Errors
/// When the database fails.
pub async fn of_agreements(
    connection: &impl ConnectionTrait,
    viewer: &Viewer,
    agreements: &[AgreementId],
) -> Result<Vec<Model>> {
    let mut found = Vec::new();
    for chunk in agreements.chunks(500) {
        let select = Entity::visible_to(viewer)
            .filter(Column::AgreementId.is_in(chunk.iter().copied()))
            .order_by_asc(Column::AgreementId)
            .order_by_asc(Column::Number);
        found.extend(select.all(connection).await?);
    }
    Ok(found)
}

/// The signed version in force on a day: the latest that has begun. `versions` are one agreement's.
#[must_use]
pub fn in_force(versions: &[Model], on: NaiveDate) -> Option<&Model> {
    versions
        .iter()
        .filter(|version| version.signed_at.is_some() && version.effective_on <= on)
        .max_by_key(|version| (version.effective_on, version.number))
}

/// The versions of an agreement, by number.
pub(crate) async fn all(
    connection: &impl ConnectionTrait,
    agreement: AgreementId,
) -> Result<Vec<Model>> {
    let system = Viewer::system("agreement_version");
    of_agreements(connection, &system, &[agreement]).await
}

/// The last of an agreement's versions, signed or not.
pub(crate) fn last_of(agreement: AgreementId, versions: &[Model]) -> Result<Model> {
    versions
        .last()
        .cloned()
        .ok_or_else(|| Error::Damaged(format!("{agreement} has no version")))
}

/// The last version, signed or not.
pub(crate) async fn last(
    connection: &impl ConnectionTrait,
    agreement: AgreementId,
) -> Result<Model> {
    last_of(agreement, &all(connection, agreement).await?)
}
