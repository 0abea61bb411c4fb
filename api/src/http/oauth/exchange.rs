//! Where clients prove themselves: `/oauth/token`, `/oauth/introspect`, `/oauth/revoke`.
//!
//! They take one form and nothing else: not JSON, not the query, where secrets would end up in logs. What they answer is never kept.

use crate::http::Shared;
use crate::http::limit::Limits;
use crate::oauth::client_auth::ClientRequest;
use crate::oauth::exchange::Tokens;
use crate::oauth::parameters::Parameters;
use crate::oauth::refusal::{Code, OAuthError, Refusal};
use actix_web::http::StatusCode;
use actix_web::http::header::{
    AUTHORIZATION, CACHE_CONTROL, HeaderValue, PRAGMA, RETRY_AFTER, WWW_AUTHENTICATE,
};
use actix_web::{HttpMessage as _, HttpRequest, HttpResponse, HttpResponseBuilder, web};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

type Form = Result<String, actix_web::Error>;

/// A request as it came, kept for as long as it is answered.
struct Came {
    authorization: Vec<String>,
    parameters: Parameters,
    peer: String,
}

impl Came {
    fn read(request: &HttpRequest, limits: &Limits, form: Form) -> Result<Self, Refusal> {
        let is_form = request
            .content_type()
            .eq_ignore_ascii_case("application/x-www-form-urlencoded");
        let text = match form {
            Ok(text) if is_form => text,
            _ => {
                return Err(Refusal::request(
                    "A form is expected (application/x-www-form-urlencoded).",
                ));
            }
        };
        let headers = request.headers().get_all(AUTHORIZATION);
        // A header that is not text proves nothing, and is not as if there were none.
        let authorization = headers.map(|value| value.to_str().unwrap_or_default().to_owned());
        Ok(Self {
            authorization: authorization.collect(),
            parameters: Parameters::read(&text)?,
            peer: limits.address(request),
        })
    }

    async fn answered<T>(
        &self,
        answer: impl AsyncFnOnce(&ClientRequest<'_>) -> Result<T, OAuthError>,
    ) -> Result<T, OAuthError> {
        let authorization: Vec<&str> = self.authorization.iter().map(String::as_str).collect();
        let request = ClientRequest {
            authorization: &authorization,
            parameters: &self.parameters,
            peer: &self.peer,
        };
        answer(&request).await
    }
}

/// Gives tokens.
pub async fn token(
    request: HttpRequest,
    form: Form,
    state: Shared,
    limits: web::Data<Limits>,
) -> HttpResponse {
    let came = match Came::read(&request, &limits, form) {
        Ok(came) => came,
        Err(refusal) => return refused(&refusal.into()),
    };
    let tokens = came.answered(async |request| state.authorization.exchange(request).await);
    match tokens.await {
        Ok(tokens) => kept_by_nobody(StatusCode::OK).json(written(&tokens)),
        Err(error) => refused(&error),
    }
}

/// Tells what a token is.
pub async fn introspect(
    request: HttpRequest,
    form: Form,
    state: Shared,
    limits: web::Data<Limits>,
) -> HttpResponse {
    let came = match Came::read(&request, &limits, form) {
        Ok(came) => came,
        Err(refusal) => return refused(&refusal.into()),
    };
    let told = came.answered(async |request| state.authorization.introspect(request).await);
    match told.await {
        Ok(told) => kept_by_nobody(StatusCode::OK).json(told),
        Err(error) => refused(&error),
    }
}

/// Ends a token.
pub async fn revoke(
    request: HttpRequest,
    form: Form,
    state: Shared,
    limits: web::Data<Limits>,
) -> HttpResponse {
    let came = match Came::read(&request, &limits, form) {
        Ok(came) => came,
        Err(refusal) => return refused(&refusal.into()),
    };
    let ended = came.answered(async |request| state.authorization.revoke(request).await);
    match ended.await {
        Ok(()) => kept_by_nobody(StatusCode::OK).finish(),
        Err(error) => refused(&error),
    }
}

fn written(tokens: &Tokens) -> Value {
    let mut answer = json!({
        "access_token": tokens.access_token.expose_secret(),
        "token_type": "Bearer",
        "expires_in": tokens.expires_in,
        "scope": tokens.scopes.to_claim(),
    });
    if let (Some(members), Some(refresh)) = (answer.as_object_mut(), &tokens.refresh_token) {
        members.insert("refresh_token".to_owned(), refresh.expose_secret().into());
    }
    answer
}

fn kept_by_nobody(status: StatusCode) -> HttpResponseBuilder {
    let mut response = HttpResponse::build(status);
    response
        .insert_header((CACHE_CONTROL, "no-store"))
        .insert_header((PRAGMA, "no-cache"));
    response
}

fn refused(error: &OAuthError) -> HttpResponse {
    if !matches!(error, OAuthError::Refused(_)) {
        tracing::error!(%error, "a request of a client failed");
    }
    let refusal = error.shown();
    let status = StatusCode::from_u16(refusal.code.status());
    let mut response = kept_by_nobody(status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR));
    if refusal.code == Code::InvalidClient {
        let realm = HeaderValue::from_static("Basic realm=\"entente\"");
        response.insert_header((WWW_AUTHENTICATE, realm));
    }
    if let Some(seconds) = refusal.retry_after_seconds {
        response.insert_header((RETRY_AFTER, seconds));
    }
    response
        .json(json!({ "error": refusal.code.as_str(), "error_description": refusal.description }))
}
