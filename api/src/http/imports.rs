//! `POST /imports`: a file comes in and a report of its rows goes out.
//!
//! For staff and software of the programme with `deals:write`; the bytes are bounded and have a time to arrive in. That rows were refused is no error of
//! the request: the report tells which and why.

use super::Shared;
use super::bearer::authenticated;
use super::problem::{problem, unauthenticated};
use crate::graphql::error::ErrorCode;
use crate::import::{self, Format, ImportError, MAX_BYTES};
use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use actix_web::{HttpRequest, HttpResponse, web};
use entities::viewer::{Scope, StaffRole, ViewerKind};
use futures::StreamExt as _;
use serde::Deserialize;
use std::time::Duration;

/// How long a file may take to arrive.
const LONGEST_ARRIVAL: Duration = Duration::from_secs(120);

/// What the address says.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Wish {
    kind: Kind,
    #[serde(default)]
    validate_only: bool,
}

/// What the rows are.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Kind {
    Revenue,
}

fn format(request: &HttpRequest) -> Option<Format> {
    let kind = request.headers().get(CONTENT_TYPE)?.to_str().ok()?;
    let essence = kind.split(';').next()?.trim().to_ascii_lowercase();
    match essence.as_str() {
        "text/csv" => Some(Format::Csv),
        "application/jsonl" | "application/x-ndjson" => Some(Format::Jsonl),
        _ => None,
    }
}

/// Takes a file.
pub async fn receive(
    request: HttpRequest,
    mut payload: web::Payload,
    state: Shared,
) -> HttpResponse {
    let Some(claims) = authenticated(&request, state.tokens.as_ref()) else {
        return unauthenticated(&request);
    };
    let viewer = &claims.viewer;
    let only_looks = viewer.kind() == ViewerKind::Staff(StaffRole::Auditor);
    if !viewer.sees_internal() || !viewer.may(Scope::DealsWrite) || only_looks {
        let message = "This is for the programme's staff and needs the scope deals:write.";
        return problem(&request, ErrorCode::Forbidden, message);
    }
    let Ok(wish) = web::Query::<Wish>::from_query(request.query_string()) else {
        let message = "Say what the rows are: ?kind=revenue, and validateOnly=true to look first.";
        return problem(&request, ErrorCode::BadRequest, message);
    };
    let Kind::Revenue = wish.kind;
    let Some(format) = format(&request) else {
        let message = "A file is text/csv or application/jsonl.";
        return problem(&request, ErrorCode::UnsupportedMediaType, message);
    };
    let read = async {
        let mut body = web::BytesMut::new();
        while let Some(piece) = payload.next().await {
            let piece = piece.map_err(|_| ErrorCode::BadRequest)?;
            if body.len() + piece.len() > MAX_BYTES {
                return Err(ErrorCode::BodyTooLarge);
            }
            body.extend_from_slice(&piece);
        }
        Ok(body)
    };
    let body = match tokio::time::timeout(LONGEST_ARRIVAL, read).await {
        Ok(Ok(body)) => body,
        Ok(Err(code)) => {
            let message = "The file cannot be read: at most 16 MiB are accepted.";
            return problem(&request, code, message);
        }
        Err(_) => {
            let message = "The file did not arrive in time.";
            return problem(&request, ErrorCode::BodyTimeout, message);
        }
    };
    let database = &state.core.database;
    match import::revenue(database, viewer, format, &body, wish.validate_only).await {
        Ok(report) => HttpResponse::Ok()
            .insert_header((CACHE_CONTROL, "no-store"))
            .json(report),
        Err(ImportError::NoFile(why)) => problem(&request, ErrorCode::BadUserInput, &why),
        Err(ImportError::Fault(error)) => {
            tracing::error!(%error, "an import failed");
            let message =
                "The import failed; what was recorded stays, and the file can be sent again.";
            problem(&request, ErrorCode::Unavailable, message)
        }
    }
}
