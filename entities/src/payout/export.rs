//! A batch of payouts as CSV, for a bank or an accountant.
//!
//! Amounts are written with all the digits of their currency. A text that a spreadsheet would take for a formula is written behind an apostrophe.

use super::{Column, Entity, PayoutStatus};
use crate::error::{Error, Result};
use crate::partner;
use crate::viewer::Viewer;
use crate::visible::{self, Visible as _};
use sea_orm::QueryOrder as _;
use sea_orm::entity::prelude::*;

fn plain(text: &str) -> String {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        format!("'{text}")
    } else {
        text.to_owned()
    }
}

/// The payouts of a batch that are approved or further, cancelled ones left out.
///
/// # Errors
/// When the database fails.
pub async fn to_csv(
    connection: &impl ConnectionTrait,
    viewer: &Viewer,
    batch: &str,
) -> Result<String> {
    let rows = Entity::visible_to(viewer)
        .filter(Column::Batch.eq(batch))
        .filter(Column::Status.is_not_in([PayoutStatus::Draft, PayoutStatus::Cancelled]))
        .order_by_asc(Column::Id)
        .all(connection)
        .await?;
    let partners = rows.iter().map(|row| row.partner_id.0);
    let partners = visible::find_all::<partner::Entity, _>(connection, viewer, partners).await?;
    let mut writer = csv::Writer::from_writer(Vec::new());
    let fault =
        |error: csv::Error| Error::Damaged(format!("a row that cannot be written: {error}"));
    let head = [
        "payout",
        "batch",
        "partner",
        "partner_name",
        "amount",
        "currency",
        "status",
        "approved_by",
        "reference",
    ];
    writer.write_record(head).map_err(fault)?;
    for row in &rows {
        let name = partners
            .iter()
            .find(|one| one.id == row.partner_id)
            .map_or("", |one| one.name.as_str());
        let record = [
            row.id.to_string(),
            plain(&row.batch),
            row.partner_id.to_string(),
            plain(name),
            row.amount().to_decimal().to_string(),
            row.amount_currency.to_string(),
            row.status.to_value(),
            plain(row.approved_by.as_deref().unwrap_or_default()),
            plain(row.reference.as_deref().unwrap_or_default()),
        ];
        writer.write_record(record).map_err(fault)?;
    }
    let bytes = writer
        .into_inner()
        .map_err(|error| Error::Damaged(error.to_string()))?;
    String::from_utf8(bytes).map_err(|error| Error::Damaged(error.to_string()))
}
