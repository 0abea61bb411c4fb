//! The counters of a contract year, as the computation keeps them, and whether the year's commitment was met.
//!
//! Owned by the computation of earnings, which holds the turn whenever it writes them. A partner sees its own.

use crate::clock::Timestamp;
use crate::error::Result;
use crate::id::{AgreementId, CommitmentYearId, PartnerId, PartnershipId};
use crate::money::Currency;
use crate::revenue_share::Year;
use crate::text_enum::text_enum;
use crate::viewer::Viewer;
use crate::visible::{Own, Versioned, Visible};
use chrono::NaiveDate;
use sea_orm::FromJsonQueryResult;
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::Condition;
use serde::{Deserialize, Serialize};

text_enum! {
    /// Whether a year's commitment is met.
    YearStatus {
        /// Not yet.
        Open,
        /// It is. Until the year is settled a refund may undo that.
        Met,
        /// The year ended below it.
        Missed,
        /// The year ended, and there was none.
        Closed,
    }
}

/// Counters as a column.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, FromJsonQueryResult)]
#[serde(transparent)]
pub struct Counters(pub Year);

/// A year.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "commitment_year")]
#[expect(missing_docs, reason = "the fields are described in the API's schema")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: CommitmentYearId,
    pub version: i64,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub partnership_id: PartnershipId,
    pub partner_id: PartnerId,
    pub agreement_id: AgreementId,
    pub currency: Currency,
    pub starts_on: NaiveDate,
    /// The day after its last.
    pub ends_on: NaiveDate,
    pub status: YearStatus,
    pub counters: Counters,
    /// When it was settled: from then on the status stays.
    pub settled_at: Option<Timestamp>,
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
        Condition::all().add(own.holds((Entity, Column::PartnerId)))
    }
}

/// The years of these partnerships.
///
/// # Errors
/// When the database fails.
pub async fn of_partnerships(
    connection: &impl ConnectionTrait,
    viewer: &Viewer,
    partnerships: &[PartnershipId],
) -> Result<Vec<Model>> {
    let mut found = Vec::new();
    for chunk in partnerships.chunks(500) {
        let select =
            Entity::visible_to(viewer).filter(Column::PartnershipId.is_in(chunk.iter().copied()));
        found.extend(select.all(connection).await?);
    }
    Ok(found)
}
