//! Who signed which version: a name, a moment, and the hash of what was signed. Never changed.

use crate::agreement;
use crate::clock::Timestamp;
use crate::error::Result;
use crate::id::{AgreementId, AgreementSignatureId, AgreementVersionId, PartnerId};
use crate::text_enum::text_enum;
use crate::viewer::Viewer;
use crate::visible::{Own, Visible};
use sea_orm::QueryOrder as _;
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::{Condition, Query};

text_enum! {
    /// A side of an agreement.
    Side {
        /// The owner of the programme.
        Us,
        /// The partner.
        Partner,
    }
}

/// A signature.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "agreement_signature")]
#[expect(missing_docs, reason = "the fields are described in the API's schema")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: AgreementSignatureId,
    /// When it was signed.
    pub created_at: Timestamp,
    pub agreement_version_id: AgreementVersionId,
    pub agreement_id: AgreementId,
    pub partner_id: PartnerId,
    pub side: Side,
    pub signer_name: String,
    pub signer_title: String,
    /// The hash of the terms that were signed.
    pub signed_hash: String,
    /// The account that signed.
    pub signed_by: String,
}

/// Relations are walked by id.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

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

/// The signatures below a version.
///
/// # Errors
/// When the database fails.
pub async fn of_version(
    connection: &impl ConnectionTrait,
    viewer: &Viewer,
    version: AgreementVersionId,
) -> Result<Vec<Model>> {
    let select = Entity::visible_to(viewer)
        .filter(Column::AgreementVersionId.eq(version))
        .order_by_asc(Column::Id);
    Ok(select.all(connection).await?)
}
