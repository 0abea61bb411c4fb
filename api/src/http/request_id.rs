//! Gives every request an id, a span and one log line.
//!
//! A caller's own `X-Request-Id` is kept when it is short and plain, else a new UUIDv7 is made; either way it is answered. The
//! line holds method, path, status, milliseconds, id and subject. It never holds a header, a token, a body or the query string, in
//! which callers put values that do not belong into logs; nor the address of a connection's own door, which is its secret.

use super::bearer::Subject;
use super::metrics;
use actix_web::body::MessageBody;
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform, forward_ready};
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::{Error, HttpMessage, HttpRequest};
use entities::clock::Clock;
use entities::id::{Ids, TypedId};
use futures::future::{LocalBoxFuture, Ready, ready};
use std::rc::Rc;
use std::sync::Arc;
use tracing::Instrument;
use uuid::Uuid;

/// The header that carries the id, both ways.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// A caller's own id may be this long.
const LONGEST_ID: usize = 128;

/// The id of one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestId(Arc<str>);

impl RequestId {
    /// The id that [`RequestLog`] gave this request.
    #[must_use]
    pub fn of(request: &HttpRequest) -> Option<Self> {
        request.extensions().get::<Self>().cloned()
    }

    /// Its text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn incoming(request: &ServiceRequest) -> Option<Self> {
        let text = request.headers().get(X_REQUEST_ID)?.to_str().ok()?;
        let plain =
            |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b':');
        (!text.is_empty() && text.len() <= LONGEST_ID && text.bytes().all(plain))
            .then(|| Self(text.into()))
    }
}

/// The UUID behind a new id; requests are no rows, so that the prefix is never shown.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct NewId(Uuid);

impl TypedId for NewId {
    const PREFIX: &'static str = "request";
    fn from_uuid(uuid: Uuid) -> Self {
        Self(uuid)
    }
    fn uuid(self) -> Uuid {
        self.0
    }
}

struct Source {
    clock: Arc<dyn Clock>,
    ids: Arc<Ids>,
}

/// The middleware; wrap it around everything else.
pub struct RequestLog(Rc<Source>);

impl RequestLog {
    /// The middleware, with its clock and its source of ids.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>, ids: Arc<Ids>) -> Self {
        Self(Rc::new(Source { clock, ids }))
    }
}

impl<S, B> Transform<S, ServiceRequest> for RequestLog
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<B>;
    type Error = Error;
    type Transform = RequestLogService<S>;
    type InitError = ();
    type Future = Ready<Result<Self::Transform, Self::InitError>>;

    fn new_transform(&self, service: S) -> Self::Future {
        ready(Ok(RequestLogService {
            source: Rc::clone(&self.0),
            service,
        }))
    }
}

/// What [`RequestLog`] wraps around a service.
pub struct RequestLogService<S> {
    source: Rc<Source>,
    service: S,
}

impl<S, B> Service<ServiceRequest> for RequestLogService<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<B>;
    type Error = Error;
    type Future = LocalBoxFuture<'static, Result<Self::Response, Self::Error>>;

    forward_ready!(service);

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let source = Rc::clone(&self.source);
        let started = source.clock.now();
        let id = RequestId::incoming(&request).unwrap_or_else(|| {
            let new: NewId = source.ids.next(started);
            RequestId(new.uuid().to_string().into())
        });
        request.extensions_mut().insert(id.clone());
        let method = request.method().clone();
        let path = without_secret(request.path());
        let span = tracing::info_span!("request", request_id = id.as_str());
        // The line below stands outside the span: it names the request itself, and a span around it would be written out with it.
        let work = self.service.call(request).instrument(span);
        let answered = async move {
            let result = work.await;
            let micros = source
                .clock
                .now()
                .micros()
                .saturating_sub(started.micros())
                .max(0);
            let (status, route, subject) = match &result {
                Ok(response) => {
                    let request = response.request();
                    let subject = request
                        .extensions()
                        .get::<Subject>()
                        .map(|subject| subject.0.viewer.subject().to_owned());
                    (response.status(), request.match_pattern(), subject)
                }
                Err(error) => (error.as_response_error().status_code(), None, None),
            };
            // However its letters were written: what came to a connection's own door is shown as the door.
            let path = match route.as_deref() {
                Some(door) if door.ends_with("{hook}") => door.to_owned(),
                _ => path,
            };
            metrics::record_request(method.as_str(), route.as_deref(), status.as_u16(), micros);
            tracing::info!(
                method = method.as_str(),
                path,
                status = status.as_u16(),
                ms = micros / 1_000,
                request_id = id.as_str(),
                subject,
                "request"
            );
            result.map(|mut response| {
                if let Ok(value) = HeaderValue::from_str(id.as_str()) {
                    response.headers_mut().insert(X_REQUEST_ID, value);
                }
                response
            })
        };
        Box::pin(answered)
    }
}

/// A path as the log shows it. What follows a connector under `/hooks/` is the secret of a door, also where somebody mistyped the rest of it.
fn without_secret(path: &str) -> String {
    let mut parts = path.splitn(4, '/');
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(""), Some(hooks), Some(connector), Some(_))
            if hooks.eq_ignore_ascii_case("hooks") =>
        {
            format!("/{hooks}/{connector}/…")
        }
        _ => path.to_owned(),
    }
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
    use actix_web::{App, HttpResponse, test, web};
    use entities::chance::SeededChance;
    use entities::clock::{ManualClock, Timestamp};

    #[actix_web::test]
    async fn plain_ids_are_kept_and_others_replaced() {
        let clock = Arc::new(ManualClock::at(Timestamp::from_secs(1_800_000_000)));
        let ids = Arc::new(Ids::new(Arc::new(SeededChance::new(3))));
        let echo = |request: HttpRequest| async move {
            HttpResponse::Ok().body(RequestId::of(&request).unwrap().as_str().to_owned())
        };
        let app = App::new()
            .wrap(RequestLog::new(clock, ids))
            .route("/", web::get().to(echo));
        let app = test::init_service(app).await;
        let long = "x".repeat(129);
        for (sent, kept) in [
            (Some("abc-1_2.3:4"), true),
            (None, false),
            (Some(""), false),
            (Some("a b"), false),
            (Some("{\"a\":1}"), false),
            (Some("é"), false),
            (Some(long.as_str()), false),
        ] {
            let mut request = test::TestRequest::get().uri("/");
            if let Some(sent) = sent {
                request = request.insert_header((
                    X_REQUEST_ID,
                    HeaderValue::from_bytes(sent.as_bytes()).unwrap(),
                ));
            }
            let response = test::call_service(&app, request.to_request()).await;
            let shown = response
                .headers()
                .get(X_REQUEST_ID)
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned();
            assert_eq!(test::read_body(response).await, shown.as_bytes());
            if kept {
                assert_eq!(Some(shown.as_str()), sent);
            } else {
                assert_eq!(
                    Uuid::parse_str(&shown).unwrap().get_version_num(),
                    7,
                    "{sent:?}"
                );
            }
        }
        let missing =
            test::call_service(&app, test::TestRequest::get().uri("/nowhere").to_request()).await;
        assert!(missing.headers().contains_key(X_REQUEST_ID));
    }

    #[derive(Clone, Default)]
    struct Lines(Arc<std::sync::Mutex<Vec<u8>>>);

    impl std::io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[actix_web::test]
    async fn the_address_of_a_door_is_not_written_down() {
        for (path, shown) in [
            ("/hooks/salesforce/hidden", "/hooks/salesforce/…"),
            ("/hooks/salesforce/hidden/", "/hooks/salesforce/…"),
            ("/Hooks/salesforce/hidden", "/Hooks/salesforce/…"),
            ("/hooks/hubspot", "/hooks/hubspot"),
            ("/graphql", "/graphql"),
            ("", ""),
        ] {
            assert_eq!(without_secret(path), shown);
        }
        let lines = Lines::default();
        let writer = lines.clone();
        let log = tracing_subscriber::fmt().with_writer(move || writer.clone());
        let _guard = tracing::subscriber::set_default(log.finish());
        let clock = Arc::new(ManualClock::at(Timestamp::from_secs(1_800_000_000)));
        let ids = Arc::new(Ids::new(Arc::new(SeededChance::new(3))));
        let door = web::post().to(HttpResponse::NoContent);
        let app = App::new()
            .wrap(RequestLog::new(clock, ids))
            .route("/hooks/{connector}/{hook}", door);
        let app = test::init_service(app).await;
        for path in [
            "/hooks/salesforce/hidden",
            "/h%6Foks/salesforce/hidden",
            "/hooks/salesforce/hidden/more",
        ] {
            let request = test::TestRequest::post().uri(path);
            test::call_service(&app, request.to_request()).await;
        }
        let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        assert_eq!(text.lines().count(), 3, "{text}");
        assert!(!text.contains("hidden"), "{text}");
    }

    #[actix_web::test]
    async fn a_request_is_one_line_without_its_secrets() {
        let lines = Lines::default();
        let writer = lines.clone();
        let log = tracing_subscriber::fmt()
            .json()
            .flatten_event(true)
            .with_writer(move || writer.clone());
        let _guard = tracing::subscriber::set_default(log.finish());
        let clock = Arc::new(ManualClock::at(Timestamp::from_secs(1_800_000_000)));
        let ids = Arc::new(Ids::new(Arc::new(SeededChance::new(3))));
        let app = test::init_service(App::new().wrap(RequestLog::new(clock, ids))).await;
        let request = test::TestRequest::post()
            .uri("/nowhere?access_token=hidden-1")
            .insert_header(("authorization", "Bearer hidden-2"))
            .insert_header((X_REQUEST_ID, "mine"))
            .set_payload("hidden-3");
        test::call_service(&app, request.to_request()).await;
        let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        assert_eq!(text.lines().count(), 1, "{text}");
        let line: serde_json::Value = serde_json::from_str(&text).unwrap();
        for (name, value) in [
            ("method", serde_json::json!("POST")),
            ("path", serde_json::json!("/nowhere")),
            ("status", serde_json::json!(404)),
            ("ms", serde_json::json!(0)),
            ("request_id", serde_json::json!("mine")),
        ] {
            assert_eq!(line[name], value, "{name}");
        }
        assert!(!text.contains("hidden"), "{text}");
    }
}
