//! The receipt of a submission as a JSON Web Signature (RFC 7515).
//!
//! What is signed is kept as bytes, so that a receipt stays good whatever the row becomes. Its header has a type of its own: no receipt can be taken for
//! a token, nor a token for a receipt, though the same key signs both.

use crate::oauth::keys::SigningKey;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use entities::change::Change;
use entities::deal_registration::{self, Model};
use entities::error::{Error, Result};
use serde_json::json;

/// The `typ` of a receipt.
pub const TYPE: &str = "deal-registration-receipt+jws";

/// Signs the receipt of a registration that was handed in within this change.
pub(super) async fn sign(change: &Change, row: Model, key: &SigningKey) -> Result<Model> {
    let Some(bytes) = &row.receipt else {
        return Err(Error::Damaged(format!("{} has no receipt", row.id)));
    };
    let header = json!({
        "alg": key.public().algorithm().as_str(), "kid": key.public().kid(), "typ": TYPE,
    });
    let header = BASE64_URL_SAFE_NO_PAD.encode(header.to_string());
    let signed = format!("{header}.{}", BASE64_URL_SAFE_NO_PAD.encode(bytes));
    let signature = key
        .sign(signed.as_bytes())
        .map_err(|error| Error::Damaged(format!("a receipt could not be signed: {error}")))?;
    // The content is kept beside it and need not be kept twice (RFC 7515, appendix F).
    let detached = format!("{header}..{signature}");
    deal_registration::sign_receipt(change, row, detached.into_bytes()).await
}

/// The receipt as it is shown.
pub(super) fn shown(row: &Model) -> Option<String> {
    let detached = std::str::from_utf8(row.receipt_signature.as_deref()?).ok()?;
    let (header, signature) = detached.split_once("..")?;
    let content = BASE64_URL_SAFE_NO_PAD.encode(row.receipt.as_deref()?);
    Some(format!("{header}.{content}.{signature}"))
}
