//! The client itself.
//!
//! Owns: the connection pool, the time limits, the cap, and the pace of every account. Refuses: what [`super`] says. Invariant: every
//! outgoing byte passes [`Client::send_with`], which asks the guard first.

use super::{
    Answer, Blocked, Body, Call, HostPolicy, HttpError,
    limit::{AccountPace, Ticks},
    session::Session,
};
use crate::connector::{Connector, Descriptor, TokenHeader};
use crate::error::Result as ConnectorResult;
use crate::oauth::TokenSet;
use bytes::{Bytes, BytesMut};
use http::{HeaderValue, header};
use secrecy::SecretString;
use std::{
    collections::HashMap,
    error::Error,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};
use url::Url;

/// How patient the client is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientSettings {
    /// For a connection to open.
    pub connect: Duration,
    /// Between two pieces of an answer.
    pub read: Duration,
    /// For the whole call, from the first byte sent to the last byte read.
    pub total: Duration,
    /// The most bytes of an answer, after decompression.
    pub body_cap: usize,
    /// The longest a caller is held for the sake of the pace; a longer wait is answered as `RateLimited`. A backfill, for which nobody
    /// waits, may be held a little longer.
    pub patience: Duration,
    /// Whether an answer that is longer is read as far as that and then left, instead of failing the call.
    pub cut: bool,
    /// Whether to keep to the vendors' budgets ourselves. Off only where there is no budget to keep, in a benchmark.
    pub paced: bool,
}

impl Default for ClientSettings {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            read: Duration::from_secs(20),
            total: Duration::from_secs(60),
            body_cap: 16 << 20,
            cut: false,
            patience: Duration::from_secs(3),
            paced: true,
        }
    }
}

/// The one outgoing client. Cheap to clone; clones share connections and pace.
#[derive(Clone)]
pub struct Client(Arc<Inner>);

struct Inner {
    http: reqwest::Client,
    policy: HostPolicy,
    settings: ClientSettings,
    ticks: Ticks,
    paces: Mutex<HashMap<(&'static str, String), Arc<AccountPace>>>,
}

impl Client {
    /// A client for this policy.
    ///
    /// # Errors
    /// When the machine has no usable certificates to trust.
    pub fn new(policy: HostPolicy, settings: ClientSettings) -> Result<Self, HttpError> {
        #[expect(clippy::disallowed_methods, reason = "the home of outgoing requests")]
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("entente/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(settings.connect)
            .read_timeout(settings.read)
            .timeout(settings.total)
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .no_proxy()
            .tcp_nodelay(true)
            .https_only(policy.is_https_only())
            .dns_resolver(Arc::new(policy.resolver()));
        if policy.is_sandbox() {
            // A sandbox speaks plain http, so no certificate is trusted and a machine without any can run the demonstration.
            builder = builder.tls_certs_only([]);
        }
        let http = builder
            .build()
            .map_err(|error| HttpError::Setup(innermost(&error)))?;
        Ok(Self(Arc::new(Inner {
            http,
            policy,
            settings,
            ticks: Ticks::real(),
            paces: Mutex::default(),
        })))
    }

    /// A handle that calls in the name of one account; [`Session::doing`] says for what kind of work.
    ///
    /// # Errors
    /// [`HttpError::BadToken`] when the token cannot be a header; what the connector says when the tokens name a place it does not trust.
    pub fn session(
        &self,
        connector: &dyn Connector,
        tenant_id: &str,
        tokens: &TokenSet,
    ) -> ConnectorResult<Session> {
        let origins = connector.auth().origins(tokens)?;
        let account = (connector.descriptor(), tenant_id);
        Ok(self.session_with(account, origins, &tokens.access_token)?)
    }

    pub(super) fn session_with(
        &self,
        (descriptor, tenant_id): (&Descriptor, &str),
        origins: Vec<Url>,
        token: &SecretString,
    ) -> Result<Session, HttpError> {
        let paced = self.0.settings.paced;
        let pace = paced.then(|| self.pace(descriptor, tenant_id));
        Session::new(self.clone(), origins, descriptor, pace, token)
    }

    /// Sends a call without authorization.
    ///
    /// # Errors
    /// When there is no complete answer.
    pub async fn send(&self, call: &Call) -> Result<Answer, HttpError> {
        self.send_with(call, None).await
    }

    pub(super) fn patience(&self) -> Duration {
        self.0.settings.patience
    }

    fn pace(&self, connector: &Descriptor, tenant_id: &str) -> Arc<AccountPace> {
        let mut paces = self.0.paces.lock().unwrap_or_else(PoisonError::into_inner);
        let pace = paces
            .entry((connector.id, tenant_id.to_owned()))
            .or_insert_with(|| Arc::new(AccountPace::new(&connector.limits, &self.0.ticks)));
        Arc::clone(pace)
    }

    pub(super) async fn send_with(
        &self,
        call: &Call,
        authorization: Option<(TokenHeader, &HeaderValue)>,
    ) -> Result<Answer, HttpError> {
        self.0.policy.check(&call.url)?;
        let mut request = self.0.http.request(call.method.clone(), call.url.clone());
        if !call.headers.iter().any(|(name, _)| *name == header::ACCEPT) {
            request = request.header(header::ACCEPT, HeaderValue::from_static("application/json"));
        }
        for (name, value) in &call.headers {
            request = request.header(name, value);
        }
        request = match authorization {
            None => request,
            Some((TokenHeader::Bearer, value)) => {
                request.header(header::AUTHORIZATION, value.clone())
            }
            Some((TokenHeader::Named(name), value)) => request.header(name, value.clone()),
        };
        request = match &call.body {
            Body::Empty => request,
            Body::Json(bytes) => request
                .header(header::CONTENT_TYPE, "application/json")
                .body(bytes.clone()),
            Body::Bytes(media_type, bytes) => request
                .header(header::CONTENT_TYPE, *media_type)
                .body(bytes.clone()),
            Body::Form(text) => request
                .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
                .body(text.as_bytes().to_vec()),
        };
        let started = Instant::now();
        let outcome = self.receive(request, &call.url).await;
        let elapsed_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        match &outcome {
            Ok(answer) => tracing::debug!(
                ?call,
                status = answer.status,
                bytes = answer.body.len(),
                elapsed_ms,
                "outgoing call answered"
            ),
            Err(error) => tracing::debug!(?call, %error, elapsed_ms, "outgoing call failed"),
        }
        outcome
    }

    async fn receive(
        &self,
        request: reqwest::RequestBuilder,
        url: &Url,
    ) -> Result<Answer, HttpError> {
        let (cap, cut) = (self.0.settings.body_cap, self.0.settings.cut);
        let too_large = || HttpError::TooLarge {
            host: host_of(url),
            cap,
        };
        let mut response = request.send().await.map_err(|error| failure(&error, url))?;
        if response
            .content_length()
            .is_some_and(|length| length > cap as u64 && !cut)
        {
            return Err(too_large());
        }
        let status = response.status().as_u16();
        let headers = std::mem::take(response.headers_mut());
        // Most answers arrive in one piece, which is then used as it is.
        let mut first = Bytes::new();
        let mut rest = BytesMut::new();
        while let Some(mut piece) = response
            .chunk()
            .await
            .map_err(|error| failure(&error, url))?
        {
            let room = cap.saturating_sub(first.len().max(rest.len()));
            let is_over = piece.len() > room;
            if is_over && !cut {
                return Err(too_large());
            }
            piece.truncate(room);
            if first.is_empty() && rest.is_empty() {
                first = piece;
            } else {
                if rest.is_empty() {
                    rest.extend_from_slice(&std::mem::take(&mut first));
                }
                rest.extend_from_slice(&piece);
            }
            if is_over {
                break;
            }
        }
        let body = if rest.is_empty() {
            first
        } else {
            rest.freeze()
        };
        Ok(Answer {
            status,
            headers,
            body,
        })
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client")
            .field("policy", &self.0.policy)
            .field("settings", &self.0.settings)
            .finish_non_exhaustive()
    }
}

fn host_of(url: &Url) -> String {
    match (url.host_str(), url.port()) {
        (Some(host), Some(port)) => format!("{host}:{port}"),
        (host, _) => host.unwrap_or_default().to_owned(),
    }
}

/// Says what failed without the address, whose query may hold more than a log should.
fn failure(error: &reqwest::Error, url: &Url) -> HttpError {
    let mut cause: Option<&(dyn Error + 'static)> = error.source();
    while let Some(inner) = cause {
        if let Some(blocked) = inner.downcast_ref::<Blocked>() {
            return HttpError::Blocked(blocked.clone());
        }
        cause = inner.source();
    }
    let host = host_of(url);
    if error.is_timeout() {
        return HttpError::TimedOut { host };
    }
    HttpError::Broken {
        host,
        reason: innermost(error),
    }
}

fn innermost(error: &reqwest::Error) -> String {
    let mut cause: Option<&(dyn Error + 'static)> = error.source();
    let mut text = "the request could not be made".to_owned();
    while let Some(inner) = cause {
        text = inner.to_string();
        cause = inner.source();
    }
    text
}
