//! Writes answers: what the executor said, in the form that [`super::arrange`] gave it, or why it was not asked.
//!
//! Every error leaves with a code, whether to try again, and the request's id. An error from a resolver that carries no code is
//! a fault: it is logged here, once, and the caller reads only that something failed. The number of errors is bounded, for a short
//! document can be wrong in thousands of places.

use super::negotiate::Format;
use crate::graphql::admission::Refusal;
use crate::graphql::error::ErrorCode;
use crate::http::problem::status;
use crate::http::request_id::RequestId;
use actix_web::http::StatusCode;
use actix_web::http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, VARY, WWW_AUTHENTICATE,
};
use actix_web::{HttpResponse, HttpResponseBuilder};
use async_graphql::{ErrorExtensionValues, Response, ServerError, Value};
use serde::Serialize;
use std::collections::BTreeMap;

/// More errors than these are not listed.
const MOST_ERRORS: usize = 20;

/// What the caller reads of a fault.
const FAULT: &str = "Something failed here. The request id finds it in the log.";

/// The price of an answer, as `extensions.cost` shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Cost {
    /// What the operation was priced at before it ran.
    pub requested: u64,
    /// What its answer came to.
    pub actual: u64,
    /// What is left in the token's bucket.
    pub budget: u64,
    /// What comes back into it each second.
    pub restore_rate: u64,
}

/// Why a request is not executed, with what its answer must carry besides.
#[derive(Clone, Debug)]
pub struct Rejection {
    /// The reason.
    pub refusal: Refusal,
    /// The methods that are allowed, for a 405.
    pub allow: Option<&'static str>,
    /// Seconds after which to come back, for a 429.
    pub retry_after: Option<u64>,
    /// The price, once it is known.
    pub cost: Option<Box<Cost>>,
}

impl From<Refusal> for Rejection {
    fn from(refusal: Refusal) -> Self {
        Self {
            refusal,
            allow: None,
            retry_after: None,
            cost: None,
        }
    }
}

impl Rejection {
    /// A rejection with a code and a message.
    #[must_use]
    pub fn new(code: ErrorCode, message: &str) -> Self {
        Refusal::new(code, message).into()
    }
}

#[derive(Serialize)]
struct Body<'a> {
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [ServerError],
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a Value>,
    #[serde(skip_serializing_if = "Extensions::is_empty")]
    extensions: Extensions<'a>,
}

#[derive(Serialize)]
struct Extensions<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    cost: Option<Cost>,
    #[serde(flatten)]
    more: &'a BTreeMap<String, Value>,
}

impl Extensions<'_> {
    fn is_empty(&self) -> bool {
        self.cost.is_none() && self.more.is_empty()
    }
}

/// The answer to an executed request.
#[must_use]
pub fn executed(
    format: Format,
    id: Option<&RequestId>,
    mut response: Response,
    cost: Cost,
) -> HttpResponse {
    // The library answers data: null both when nothing ran and when a root field failed; only errors of fields have a path.
    let nothing_ran =
        response.data == Value::Null && response.errors.iter().all(|error| error.path.is_empty());
    let nothing_ran = nothing_ran && !response.errors.is_empty();
    response.errors.truncate(MOST_ERRORS);
    for error in &mut response.errors {
        finish(error, id, nothing_ran);
    }
    let status = match (nothing_ran, format) {
        (true, Format::GraphqlResponse) => StatusCode::BAD_REQUEST,
        _ => StatusCode::OK,
    };
    let data = (!nothing_ran).then_some(&response.data);
    let extensions = Extensions {
        cost: Some(cost),
        more: &response.extensions,
    };
    write(
        HttpResponse::build(status),
        format,
        &Body {
            errors: &response.errors,
            data,
            extensions,
        },
    )
}

/// The answer to a request that is not executed.
#[must_use]
pub fn rejected(format: Format, id: Option<&RequestId>, rejection: &Rejection) -> HttpResponse {
    let refusal = &rejection.refusal;
    let mut error = ServerError::new(refusal.message.clone(), refusal.location);
    stamp(&mut error, refusal.code, id);
    let status = if refusal.is_request_error() && format == Format::Json {
        StatusCode::OK
    } else {
        status(refusal.code)
    };
    let mut response = HttpResponse::build(status);
    if let Some(allow) = rejection.allow {
        response.insert_header((ALLOW, allow));
    }
    if let Some(seconds) = rejection.retry_after {
        response.insert_header((RETRY_AFTER, seconds));
    }
    if refusal.code == ErrorCode::Unauthenticated {
        response.insert_header((WWW_AUTHENTICATE, "Bearer"));
    }
    let extensions = Extensions {
        cost: rejection.cost.as_deref().copied(),
        more: &BTreeMap::new(),
    };
    write(
        response,
        format,
        &Body {
            errors: &[error],
            data: None,
            extensions,
        },
    )
}

/// One value of a subscription, as JSON.
pub(super) fn streamed(id: Option<&RequestId>, mut response: Response) -> String {
    let nothing_ran =
        response.data == Value::Null && response.errors.iter().all(|error| error.path.is_empty());
    let nothing_ran = nothing_ran && !response.errors.is_empty();
    response.errors.truncate(MOST_ERRORS);
    for error in &mut response.errors {
        finish(error, id, nothing_ran);
    }
    let body = Body {
        errors: &response.errors,
        data: (!nothing_ran).then_some(&response.data),
        extensions: Extensions {
            cost: None,
            more: &response.extensions,
        },
    };
    serde_json::to_string(&body).unwrap_or_else(|error| {
        tracing::error!(%error, "a value of a subscription could not be written");
        r#"{"data":null}"#.to_owned()
    })
}

/// Why a subscription is not begun, as one error in JSON.
pub(super) fn refused_value(id: Option<&RequestId>, rejection: &Rejection) -> String {
    let refusal = &rejection.refusal;
    let mut error = ServerError::new(refusal.message.clone(), refusal.location);
    stamp(&mut error, refusal.code, id);
    serde_json::to_string(&error).unwrap_or_else(|_| "null".to_owned())
}

fn write(mut response: HttpResponseBuilder, format: Format, body: &Body<'_>) -> HttpResponse {
    response
        .insert_header((CONTENT_TYPE, format.content_type()))
        .insert_header((CACHE_CONTROL, "no-store"))
        .insert_header((VARY, "Accept, Authorization"));
    let mut bytes = Vec::with_capacity(1_024);
    match serde_json::to_writer(&mut bytes, body) {
        Ok(()) => response.body(bytes),
        Err(error) => {
            tracing::error!(%error, "an answer could not be written");
            HttpResponse::InternalServerError().finish()
        }
    }
}

/// Gives an executor's error its code, and hides it when it has none.
fn finish(error: &mut ServerError, id: Option<&RequestId>, nothing_ran: bool) {
    let stated = error
        .extensions
        .as_ref()
        .and_then(|extensions| match extensions.get("code") {
            Some(Value::String(code)) => ErrorCode::from_name(code),
            _ => None,
        });
    let code = match stated {
        Some(code) => code,
        None if nothing_ran => ErrorCode::GraphqlValidationFailed,
        None => {
            tracing::error!(message = error.message, path = ?error.path, "a resolver failed");
            FAULT.clone_into(&mut error.message);
            error.extensions = None;
            ErrorCode::Internal
        }
    };
    stamp(error, code, id);
}

fn stamp(error: &mut ServerError, code: ErrorCode, id: Option<&RequestId>) {
    let extensions = error
        .extensions
        .get_or_insert_with(ErrorExtensionValues::default);
    extensions.set("code", code.as_str());
    extensions.set("retryable", code.retryable());
    if let Some(id) = id {
        extensions.set("requestId", id.as_str());
    }
}
