//! `/graphql`: from the request's head to the answer, around one call of the executor.
//!
//! The order is the rule. First who asks, so that nothing about this address shows without a valid token; then method, types, body, and the
//! admission of `crate::graphql::admission`; then the price, which is taken from the subject's bucket before anything runs and partly given back
//! afterwards; then execution under a time limit. Cost, time limit, log and metrics live here and not in extensions of the GraphQL library, for
//! a single extension costs more than all of them.
//!
//! It refuses: mutations and subscriptions by GET, bodies that are not JSON in UTF-8 (a form or text/plain could be sent by any page),
//! batches. The invariant: the executor sees only documents that were admitted and paid for.

pub mod answer;
pub mod arrange;
pub mod negotiate;
pub mod streams;

use self::answer::{Cost, Rejection, executed, rejected};
use self::arrange::shapes::Shapes;
use self::arrange::{Flags, arrange};
use self::negotiate::{Format, format, is_json};
use super::bearer::{Authenticate, authenticated};
use super::metrics;
use super::problem::UNAUTHENTICATED;
use super::request_id::RequestId;
use crate::graphql::admission::budget::Budgets;
use crate::graphql::admission::{AdmittedDocument, Limits, Params, Refusal, cost};
use crate::graphql::document_cache::DocumentCache;
use crate::graphql::error::ErrorCode;
use crate::oauth::token::VerifiedClaims;
use actix_web::http::Method;
use actix_web::http::header::CONTENT_LENGTH;
use actix_web::{HttpRequest, HttpResponse, web};
use async_graphql::parser::types::OperationType;
use async_graphql::{Request, Response};
use entities::clock::Clock;
use entities::viewer::Viewer;
use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

/// Who a request is executed for.
#[derive(Clone, Debug)]
pub struct Caller {
    claims: Arc<VerifiedClaims>,
    request_id: Option<RequestId>,
}

impl Caller {
    /// Who asks.
    #[must_use]
    pub fn viewer(&self) -> &Viewer {
        &self.claims.viewer
    }

    /// What the token says.
    #[must_use]
    pub fn claims(&self) -> &VerifiedClaims {
        &self.claims
    }

    /// The request's id, when the request log is in place.
    #[must_use]
    pub const fn request_id(&self) -> Option<&RequestId> {
        self.request_id.as_ref()
    }
}

/// Runs admitted requests. The implementation adds its own request data (viewer, connection pool) and calls its schema; each worker has
/// its own executor, so that a pool need not be shared between them.
pub trait Execute: 'static {
    /// Runs one request. The document is already parsed (`Request::set_parsed_query`); its text is not repeated.
    fn execute(&self, request: Request, caller: Caller) -> impl Future<Output = Response>;

    /// Begins an admitted subscription.
    fn stream(&self, request: Request, caller: Caller) -> BoxStream<'static, Response>;
}

/// How long a request may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeLimits {
    /// Until the body has arrived.
    pub body: Duration,
    /// Until the executor has answered.
    pub execution: Duration,
}

impl Default for TimeLimits {
    fn default() -> Self {
        Self {
            body: Duration::from_secs(10),
            execution: Duration::from_secs(15),
        }
    }
}

/// What all workers share: the memory of documents, the buckets, who verifies tokens.
pub struct Door {
    /// Admission, with its memory and its limits.
    pub documents: DocumentCache,
    /// What each subject may spend.
    pub budgets: Budgets,
    /// Verifies tokens.
    pub authenticate: Arc<dyn Authenticate>,
    /// What the schema says of the form of answers.
    pub shapes: Shapes,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// How long a request may take.
    pub time: TimeLimits,
}

/// The endpoint of one worker.
pub struct GraphqlEndpoint<E> {
    door: Arc<Door>,
    executor: E,
}

impl<E: Execute> GraphqlEndpoint<E> {
    /// An endpoint behind `door`.
    #[must_use]
    pub const fn new(door: Arc<Door>, executor: E) -> Self {
        Self { door, executor }
    }
}

/// Puts the endpoint at `path`, for every method: those that are not allowed are answered like everything else.
/// `web::Data<GraphqlEndpoint<E>>` must be in the application's data.
pub fn configure<E: Execute>(config: &mut web::ServiceConfig, path: &str) {
    config
        .service(web::resource(path).route(web::route().to(serve::<E>)))
        .service(
            web::resource(format!("{path}/stream"))
                .route(web::route().to(streams::sse::serve::<E>)),
        )
        .service(
            web::resource(format!("{path}/ws")).route(web::route().to(streams::socket::serve::<E>)),
        );
}

/// The handler.
pub async fn serve<E: Execute>(
    request: HttpRequest,
    payload: web::Payload,
    endpoint: web::Data<GraphqlEndpoint<E>>,
) -> HttpResponse {
    let id = RequestId::of(&request);
    let accepted = format(request.headers());
    let written = accepted.unwrap_or(Format::Json);
    let outcome = match authenticated(&request, endpoint.door.authenticate.as_ref()) {
        None => Err(Rejection::new(ErrorCode::Unauthenticated, UNAUTHENTICATED)),
        Some(_) if !matches!(*request.method(), Method::GET | Method::POST) => {
            Err(method_not_allowed("GET, POST"))
        }
        Some(_) if accepted.is_none() => Err(Rejection::new(
            ErrorCode::NotAcceptable,
            "Answers are application/graphql-response+json or application/json.",
        )),
        Some(claims) => {
            endpoint
                .run(
                    &request,
                    payload,
                    Caller {
                        claims,
                        request_id: id.clone(),
                    },
                )
                .await
        }
    };
    match outcome {
        Ok((response, cost)) => executed(written, id.as_ref(), response, cost),
        Err(rejection) => {
            metrics::record_refusal(rejection.refusal.code);
            rejected(written, id.as_ref(), &rejection)
        }
    }
}

impl<E: Execute> GraphqlEndpoint<E> {
    async fn run(
        &self,
        request: &HttpRequest,
        payload: web::Payload,
        caller: Caller,
    ) -> Result<(Response, Cost), Rejection> {
        let door = &*self.door;
        let limits = door.documents.limits();
        let by_get = request.method() == Method::GET;
        let params = if by_get {
            Params::from_query_string(request.query_string(), limits)?
        } else {
            let body = read_body(request, payload, limits, door.time.body).await?;
            Params::from_json(&body, limits)?
        };
        let admitted = door.documents.admit(&params.query)?;
        if by_get && admitted.operation_type != OperationType::Query {
            return Err(method_not_allowed("POST"));
        }
        let requested = cost::price(&admitted, &params.variables, params.variables_bytes, limits)?;
        door.charge(&caller, requested)?;
        let claims = Arc::clone(&caller.claims);
        let flags = Flags::of(&params.variables);
        let result = self.execute(&admitted, params, caller).await;
        // What failed or was cut off may have worked just as hard: it keeps its price.
        let mut response = result.map_err(|rejection| Rejection {
            cost: Some(Box::new(door.cost(&claims, requested, requested))),
            ..rejection
        })?;
        let actual = cost::actual(&response.data);
        arrange(&door.shapes, &admitted.document, &flags, &mut response);
        Ok((response, door.cost(&claims, requested, actual)))
    }

    async fn execute(
        &self,
        admitted: &AdmittedDocument,
        params: Params,
        caller: Caller,
    ) -> Result<Response, Rejection> {
        // The text is left out: the executor reads the parsed document, and nothing else here reads the text.
        let mut request = Request::new(String::new()).variables(params.variables);
        request.operation_name = params.operation_name;
        request.set_parsed_query(admitted.document.clone());
        let work = AssertUnwindSafe(self.executor.execute(request, caller)).catch_unwind();
        match tokio::time::timeout(self.door.time.execution, work).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(_)) => {
                tracing::error!("a resolver panicked");
                Err(Rejection::new(
                    ErrorCode::Internal,
                    "Something failed here. The request id finds it in the log.",
                ))
            }
            Err(_) if admitted.operation_type == OperationType::Mutation => Err(Rejection::new(
                ErrorCode::MutationTimeout,
                "The change took too long; whether it was carried out is not known. Look before you repeat it.",
            )),
            Err(_) => Err(Rejection::new(
                ErrorCode::Timeout,
                "The operation took too long and was given up.",
            )),
        }
    }
}

/// Whose budget a request is charged to: nobody else's load may use it up or show in it.
fn account(claims: &VerifiedClaims) -> String {
    format!("{}/{}", claims.client_id, claims.viewer.identity())
}

impl Door {
    fn charge(&self, caller: &Caller, requested: u64) -> Result<(), Rejection> {
        let Err(exhausted) =
            self.budgets
                .take(&account(caller.claims()), requested, self.clock.now())
        else {
            metrics::record_cost(requested);
            return Ok(());
        };
        let restore_rate = self.budgets.budget().restore_rate;
        let mut rejection = match exhausted.retry_after_seconds {
            Some(_) => Rejection::new(
                ErrorCode::RateLimited,
                "The token's budget is used up for the moment.",
            ),
            None => Rejection::new(
                ErrorCode::CostExceeded,
                "The operation costs more than the token's whole budget.",
            ),
        };
        rejection.retry_after = exhausted.retry_after_seconds;
        rejection.cost = Some(Box::new(Cost {
            requested,
            actual: 0,
            budget: exhausted.left,
            restore_rate,
        }));
        Err(rejection)
    }

    fn cost(&self, claims: &VerifiedClaims, requested: u64, actual: u64) -> Cost {
        // At least 1 stays charged, or empty answers would be free.
        let unused = requested.saturating_sub(actual.max(1));
        let budget = self
            .budgets
            .give_back(&account(claims), unused, self.clock.now());
        Cost {
            requested,
            actual,
            budget,
            restore_rate: self.budgets.budget().restore_rate,
        }
    }
}

fn method_not_allowed(allow: &'static str) -> Rejection {
    let message = format!("This is allowed by {allow} only.");
    Rejection {
        allow: Some(allow),
        ..Rejection::new(ErrorCode::MethodNotAllowed, &message)
    }
}

/// Reads a JSON body, never more than the limit.
async fn read_body(
    request: &HttpRequest,
    payload: web::Payload,
    limits: &Limits,
    within: Duration,
) -> Result<web::BytesMut, Refusal> {
    if !is_json(request.headers()) {
        return Err(Refusal::new(
            ErrorCode::UnsupportedMediaType,
            "The body must be application/json in UTF-8.",
        ));
    }
    let announced = request
        .headers()
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|length| length > limits.body_bytes) {
        return Err(too_large(limits));
    }
    tokio::time::timeout(within, collect(payload, limits, announced.unwrap_or(1_024)))
        .await
        .map_err(|_| Refusal::new(ErrorCode::BodyTimeout, "The body did not arrive in time."))?
}

async fn collect(
    mut payload: web::Payload,
    limits: &Limits,
    announced: usize,
) -> Result<web::BytesMut, Refusal> {
    let mut body = web::BytesMut::with_capacity(announced);
    while let Some(chunk) = payload.next().await {
        let chunk =
            chunk.map_err(|_| Refusal::new(ErrorCode::BadRequest, "The body broke off."))?;
        if body.len().saturating_add(chunk.len()) > limits.body_bytes {
            return Err(too_large(limits));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

fn too_large(limits: &Limits) -> Refusal {
    Refusal::new(
        ErrorCode::BodyTooLarge,
        format!("The body has more than {} bytes.", limits.body_bytes),
    )
}

#[cfg(test)]
mod tests;
