//! The receipt of a submission: what was claimed, by whom and when, in bytes that are the same every time, for whoever signs them.
//!
//! The turn is not in it: it counts the submissions of all partners, and two receipts would tell how many others came between them (domain, 16).
//!
//! This crate holds no key: the caller signs the bytes and hands the signature back within the same change. The bytes are kept, so that a receipt stays
//! good whatever the row becomes. Its place among all that were handed in is left out: whoever counts places counts other partners' registrations.

use super::{Column, Entity, Model};
use crate::change::Change;
use crate::error::{Error, Result, ViolationCode};
use sea_orm::entity::prelude::*;
use serde::Serialize;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Receipt<'a> {
    kind: &'static str,
    version: i32,
    registration: String,
    partner: String,
    account_keys: Vec<String>,
    account_name: &'a str,
    products: &'a [String],
    territories: &'a [String],
    submitted_at: String,
}

/// The bytes of a registration's receipt: JSON without blanks, its fields in one order.
///
/// # Errors
/// One that was not submitted.
pub fn receipt_of(row: &Model) -> Result<Vec<u8>> {
    let Some(submitted_at) = row.submitted_at else {
        let message = "What was not submitted has no receipt.";
        return Err(Error::invalid(
            ViolationCode::TransitionNotAllowed,
            "status",
            message,
        ));
    };
    let receipt = Receipt {
        kind: "deal_registration.receipt",
        version: 2,
        registration: row.id.to_string(),
        partner: row.partner_id.to_string(),
        account_keys: row.account().keys(),
        account_name: &row.account_name,
        products: &row.products.0,
        territories: &row.territories.0,
        submitted_at: submitted_at.to_rfc3339(),
    };
    serde_json::to_vec(&receipt)
        .map_err(|error| Error::Damaged(format!("a receipt without a JSON form: {error}")))
}

/// Keeps the signature below a receipt.
///
/// # Errors
/// A registration without a receipt, or whose receipt is signed.
pub async fn sign_receipt(change: &Change, row: Model, signature: Vec<u8>) -> Result<Model> {
    if row.receipt.is_none() || row.receipt_signature.is_some() {
        let message = "A receipt is signed once.";
        return Err(Error::invalid(ViolationCode::Locked, "receipt", message));
    }
    Entity::update_many()
        .col_expr(
            Column::ReceiptSignature,
            Expr::value(Some(signature.clone())),
        )
        .filter(Column::Id.eq(row.id))
        .filter(Column::ReceiptSignature.is_null())
        .exec(change.transaction())
        .await?;
    Ok(Model {
        receipt_signature: Some(signature),
        ..row
    })
}
