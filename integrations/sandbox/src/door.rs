//! The sandboxes' own door, as far as it is the same for every vendor: statistics, the clock, failures; and that nothing answered is forgotten.
//!
//! It asks for no token, because it is no part of the vendor; the sandbox listens on loopback only. Writes must be `application/json`, so
//! that a web page a developer happens to visit cannot make a browser send one without asking first.
//!
//! Refuses: what it does not know, in words. Invariant: a change of failures that cannot be read whole changes nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage, HttpRequest, HttpResponse, web};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use crate::delivery::Deliveries;
use crate::faults::{Fault, FaultBook, Faults, WebhookFaults};
use crate::stats::Stats;
use crate::{Clock, SandboxError};

/// An account with a clock, failures and statistics.
pub(crate) trait World: 'static {
    /// What can be wished for together with failures, and is done once.
    type Wish: DeserializeOwned;

    fn clock(&self) -> &Clock;
    fn stats(&self) -> &Stats;
    fn deliveries(&self) -> &Deliveries;
    fn fault_book(&self) -> &FaultBook;
    /// Whether everything it was told is on disk, where it has one.
    fn is_kept(&self) -> bool;
    /// Puts on disk what is not there yet. May block.
    fn keep(&self) -> Result<(), SandboxError>;
    /// Ends the life of every access token.
    fn expire_tokens(&self) -> Result<(), SandboxError>;
    /// What else its statistics say.
    fn told(&self) -> Map<String, Value>;
    fn grant(&self, wish: Self::Wish);

    /// Sets the lag of what is written; none is that of the limits. Nothing where the lag is looked up when it counts.
    fn set_lag(&self, _lag: Option<Duration>) {}

    fn change_faults(&self, change: impl FnOnce(&mut Faults))
    where
        Self: Sized,
    {
        let lag = self.fault_book().change(|faults| {
            change(faults);
            faults.index_lag_ms
        });
        self.set_lag(lag.map(Duration::from_millis));
    }
}

/// No wish at all.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Nothing {}

/// Why the door refuses.
#[derive(Debug, thiserror::Error)]
#[error("{problem}")]
pub(crate) struct Closed {
    pub(crate) status: StatusCode,
    pub(crate) problem: String,
}

impl Closed {
    pub(crate) fn new(status: StatusCode, problem: impl Into<String>) -> Self {
        let problem = problem.into();
        Self { status, problem }
    }

    pub(crate) fn bad(problem: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, problem)
    }

    pub(crate) fn nothing() -> Self {
        Self::new(StatusCode::NOT_FOUND, "there is nothing here")
    }
}

impl From<SandboxError> for Closed {
    fn from(error: SandboxError) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
    }
}

impl actix_web::ResponseError for Closed {
    fn status_code(&self) -> StatusCode {
        self.status
    }

    fn error_response(&self) -> HttpResponse {
        HttpResponse::build(self.status).json(json!({"error": self.problem}))
    }
}

/// The outermost middleware. A vendor that has answered does not forget when its process dies: an answer waits until what it tells of is on disk.
pub(crate) async fn kept<W: World + Send + Sync>(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let world = request.app_data::<web::Data<W>>().cloned();
    let response = next.call(request).await?;
    if let Some(world) = world
        && !world.is_kept()
    {
        web::block(move || world.keep())
            .await?
            .map_err(Closed::from)?;
    }
    Ok(response)
}

pub(crate) fn json_only(request: &HttpRequest) -> Result<(), Closed> {
    if request.content_type() == "application/json" {
        return Ok(());
    }
    let problem = "send this as application/json";
    Err(Closed::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, problem))
}

/// Reads a body; none is an empty object.
pub(crate) fn read<T: DeserializeOwned>(request: &HttpRequest, body: &[u8]) -> Result<T, Closed> {
    json_only(request)?;
    let body: &[u8] = if body.is_empty() { b"{}" } else { body };
    serde_json::from_slice(body).map_err(|error| Closed::bad(error.to_string()))
}

pub(crate) fn routes<W: World>(config: &mut web::ServiceConfig) {
    config
        .route("/__sandbox/stats", web::get().to(stats::<W>))
        .route("/__sandbox/clock", web::post().to(clock::<W>))
        .route("/__sandbox/faults", web::get().to(faults::<W>))
        .route("/__sandbox/faults", web::post().to(change_faults::<W>))
        .route("/__sandbox/faults", web::delete().to(clear_faults::<W>));
}

async fn stats<W: World>(world: web::Data<W>) -> HttpResponse {
    let counts = world.stats().current();
    let mut told = world.told();
    let common = [
        ("requests", json!(counts.requests)),
        ("statuses", json!(counts.statuses)),
        ("webhooks", json!(world.deliveries().counts())),
    ];
    told.extend(common.map(|(name, value)| (name.to_owned(), value)));
    HttpResponse::Ok().json(told)
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Advance {
    advance_ms: u64,
}

async fn clock<W: World>(
    world: web::Data<W>,
    request: HttpRequest,
    body: web::Bytes,
) -> Result<HttpResponse, Closed> {
    let body: Advance = read(&request, &body)?;
    let clock = world.clock();
    clock.advance(Duration::from_millis(body.advance_ms));
    Ok(HttpResponse::Ok().json(json!({"now": clock.now_ms()})))
}

async fn faults<W: World>(world: web::Data<W>) -> HttpResponse {
    HttpResponse::Ok().json(world.fault_book().current())
}

/// Present fields replace; absent ones stay. The last is done once.
#[derive(Debug, Deserialize)]
struct FaultChange {
    rules: Option<Vec<Fault>>,
    index_lag_ms: Option<u64>,
    webhooks: Option<WebhookFaults>,
    withhold_scopes: Option<Vec<String>>,
    #[serde(default)]
    expire_tokens: bool,
}

/// Its fields; all others are a wish, and its matter to refuse.
const FAULT_CHANGE: [&str; 5] = [
    "rules",
    "index_lag_ms",
    "webhooks",
    "withhold_scopes",
    "expire_tokens",
];

async fn change_faults<W: World>(
    world: web::Data<W>,
    request: HttpRequest,
    body: web::Bytes,
) -> Result<HttpResponse, Closed> {
    let asked: BTreeMap<String, Value> = read(&request, &body)?;
    let (common, wish): (Map<_, _>, Map<_, _>) = asked
        .into_iter()
        .partition(|(name, _)| FAULT_CHANGE.contains(&name.as_str()));
    let unread = |error: serde_json::Error| Closed::bad(error.to_string());
    let change: FaultChange = serde_json::from_value(common.into()).map_err(unread)?;
    let wish: W::Wish = serde_json::from_value(wish.into()).map_err(unread)?;
    world.change_faults(|faults| {
        if let Some(rules) = change.rules {
            faults.rules = rules;
        }
        if change.index_lag_ms.is_some() {
            faults.index_lag_ms = change.index_lag_ms;
        }
        if let Some(webhooks) = change.webhooks {
            faults.webhooks = webhooks;
        }
        if let Some(scopes) = change.withhold_scopes {
            faults.withhold_scopes = scopes;
        }
    });
    if change.expire_tokens {
        world.expire_tokens()?;
    }
    world.grant(wish);
    Ok(HttpResponse::Ok().json(world.fault_book().current()))
}

async fn clear_faults<W: World>(world: web::Data<W>) -> HttpResponse {
    world.change_faults(|faults| *faults = Faults::default());
    HttpResponse::NoContent().finish()
}
