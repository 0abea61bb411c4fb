//! Subscriptions as server-sent events: one operation, one answer that goes on.
//!
//! `POST /graphql/stream` takes the same body as `/graphql`, and `GET` the same parameters. Events are `next` with a GraphQL answer and at last `complete`
//! with the code of the end. The body is written as the client reads it; what waits meanwhile is bounded.

use super::{End, Moved, WAITING, Watch, begin, pump};
use crate::graphql::admission::Params;
use crate::graphql::error::ErrorCode;
use crate::http::bearer::{authenticated, bearer_of};
use crate::http::graphql::answer::{Rejection, rejected};
use crate::http::graphql::negotiate::Format;
use crate::http::graphql::{Caller, Execute, GraphqlEndpoint, read_body};
use crate::http::problem::UNAUTHENTICATED;
use crate::http::request_id::RequestId;
use actix_web::http::Method;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use actix_web::{HttpRequest, HttpResponse, web};
use futures::stream;
use std::convert::Infallible;
use std::sync::Arc;
use tokio::sync::mpsc;

/// The handler.
pub async fn serve<E: Execute>(
    request: HttpRequest,
    payload: web::Payload,
    endpoint: web::Data<GraphqlEndpoint<E>>,
) -> HttpResponse {
    let id = RequestId::of(&request);
    match open(&request, payload, &endpoint, id.clone()).await {
        Ok(response) => response,
        Err(rejection) => rejected(Format::Json, id.as_ref(), &rejection),
    }
}

async fn open<E: Execute>(
    request: &HttpRequest,
    payload: web::Payload,
    endpoint: &GraphqlEndpoint<E>,
    request_id: Option<RequestId>,
) -> Result<HttpResponse, Rejection> {
    let door = &endpoint.door;
    let nobody = || Rejection::new(ErrorCode::Unauthenticated, UNAUTHENTICATED);
    let claims = authenticated(request, door.authenticate.as_ref()).ok_or_else(nobody)?;
    let token = bearer_of(request).ok_or_else(nobody)?;
    let limits = door.documents.limits();
    let params = match *request.method() {
        Method::GET => Params::from_query_string(request.query_string(), limits)?,
        Method::POST => {
            let body = read_body(request, payload, limits, door.time.body).await?;
            Params::from_json(&body, limits)?
        }
        _ => {
            return Err(Rejection {
                allow: Some("GET, POST"),
                ..Rejection::new(
                    ErrorCode::MethodNotAllowed,
                    "This is allowed by GET, POST only.",
                )
            });
        }
    };
    let caller = Caller { claims, request_id };
    let values = begin(endpoint, params, caller.clone())?;
    let watch = Watch {
        token,
        caller,
        authenticate: Arc::clone(&door.authenticate),
        clock: Arc::clone(&door.clock),
    };
    let (sink, source) = mpsc::channel(WAITING);
    actix_web::rt::spawn(pump(values, watch, ((), sink)));
    let body = stream::unfold(Some(source), |source| async move {
        let mut source = source?;
        let (text, goes_on) = match source.recv().await {
            Some(((), Moved::Next(value))) => (format!("event: next\ndata: {value}\n\n"), true),
            Some(((), Moved::Still)) => (":\n\n".to_owned(), true),
            Some(((), Moved::End(end))) => (complete(end), false),
            None => (complete(End::TooSlow), false),
        };
        let text = web::Bytes::from(text);
        Some((Ok::<_, Infallible>(text), goes_on.then_some(source)))
    });
    Ok(HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "text/event-stream"))
        .insert_header((CACHE_CONTROL, "no-store"))
        .streaming(body))
}

fn complete(end: End) -> String {
    let (code, reason) = (end.code(), end.reason());
    format!("event: complete\ndata: {{\"code\":{code},\"reason\":\"{reason}\"}}\n\n")
}
