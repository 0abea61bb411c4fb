//! Refusals outside of GraphQL: problem documents as RFC 9457 has them, with our code and the request's id.

use super::request_id::RequestId;
use crate::graphql::error::ErrorCode;
use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE, WWW_AUTHENTICATE};
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;

/// The type of a problem document.
pub const PROBLEM_JSON: &str = "application/problem+json";

/// What an unauthenticated caller is told, whatever was wrong with its token.
pub const UNAUTHENTICATED: &str = "A valid bearer token is required.";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Problem<'a> {
    r#type: &'static str,
    title: &'static str,
    status: u16,
    detail: &'a str,
    code: &'static str,
    retryable: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
}

/// The HTTP status of a code.
#[must_use]
pub fn status(code: ErrorCode) -> StatusCode {
    StatusCode::from_u16(code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// A problem document. `detail` is shown to the caller.
#[must_use]
pub fn problem(request: &HttpRequest, code: ErrorCode, detail: &str) -> HttpResponse {
    let status = status(code);
    let id = RequestId::of(request);
    let document = Problem {
        // No page describes the type; the code does, and the status is the title.
        r#type: "about:blank",
        title: status.canonical_reason().unwrap_or_default(),
        status: status.as_u16(),
        detail,
        code: code.as_str(),
        retryable: code.retryable(),
        request_id: id.as_ref().map(RequestId::as_str),
    };
    let mut response = HttpResponse::build(status);
    response
        .insert_header((CONTENT_TYPE, PROBLEM_JSON))
        .insert_header((CACHE_CONTROL, "no-store"));
    if code == ErrorCode::Unauthenticated {
        response.insert_header((WWW_AUTHENTICATE, "Bearer"));
    }
    response.body(serde_json::to_string(&document).unwrap_or_default())
}

/// The one answer to a missing or invalid token.
#[must_use]
pub fn unauthenticated(request: &HttpRequest) -> HttpResponse {
    problem(request, ErrorCode::Unauthenticated, UNAUTHENTICATED)
}

/// For addresses that do not exist. Who has no valid token does not learn which ones do: wire it behind authentication.
pub async fn not_found(request: HttpRequest) -> HttpResponse {
    problem(
        &request,
        ErrorCode::NotFound,
        "There is nothing at this address.",
    )
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        reason = "tests"
    )]
    use super::*;
    use actix_web::body::to_bytes;
    use actix_web::test::TestRequest;
    use serde_json::Value;

    #[actix_web::test]
    async fn a_problem_names_its_code_and_status() {
        let response = unauthenticated(&TestRequest::default().to_http_request());
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(response.headers().get(CONTENT_TYPE).unwrap(), PROBLEM_JSON);
        assert_eq!(response.headers().get(WWW_AUTHENTICATE).unwrap(), "Bearer");
        let body: Value =
            serde_json::from_slice(&to_bytes(response.into_body()).await.unwrap()).unwrap();
        assert_eq!(
            (&body["code"], &body["status"], &body["title"]),
            (
                &"UNAUTHENTICATED".into(),
                &401.into(),
                &"Unauthorized".into()
            )
        );
    }

    #[test]
    fn every_code_has_a_status() {
        for row in ErrorCode::TABLE {
            assert_eq!(status(row.code).as_u16(), row.status, "{}", row.name);
        }
    }
}
