//! The answer to an account over its rate limits: a rolling ten-second window, and a one-second window for search.

use serde_json::{Value, json};

use crate::ids::fresh_id;

/// The body of a 429.
pub(crate) fn too_many(policy: &str) -> Value {
    let message = match policy {
        "SECONDLY" => "You have reached your secondly limit.",
        "DAILY" => "You have reached your daily limit.",
        _ => "You have reached your ten_secondly_rolling limit.",
    };
    json!({
        "status": "error",
        "message": message,
        "errorType": "RATE_LIMIT",
        "correlationId": fresh_id(),
        "policyName": policy,
        "requestId": fresh_id(),
    })
}
