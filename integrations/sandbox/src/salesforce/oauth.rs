//! The OAuth endpoints on the org's own host. A program is sent back from the consent at once; a browser is shown a form with a button.
//!
//! Refuses: a redirect that is not registered byte for byte, unknown scopes, an authorization without a PKCE challenge, a code without
//! its verifier, a wrong secret.

use actix_web::http::{StatusCode, header};
use actix_web::{HttpMessage, HttpRequest, HttpResponse, web};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use url::Url;

use super::Org;
use super::answer::Refusal;
use super::tokens::{GrantError, Issued};
use crate::params::Params;

const SCOPES: [&str; 9] = [
    "api",
    "refresh_token",
    "offline_access",
    "openid",
    "profile",
    "email",
    "id",
    "web",
    "full",
];

pub(crate) fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/services/oauth2/authorize", web::get().to(authorize))
        .route("/services/oauth2/authorize", web::post().to(agree))
        .route("/services/oauth2/token", web::post().to(token))
        .route("/services/oauth2/revoke", web::post().to(revoke))
        .route("/services/oauth2/introspect", web::post().to(introspect))
        .route("/services/oauth2/userinfo", web::get().to(userinfo))
        .route("/services/oauth2/userinfo", web::post().to(userinfo))
        .route("/id/{org}/{user}", web::get().to(identity));
}

/// A refusal a person would see in the browser: no redirect, because the redirect itself may be the lie.
fn page(error: &str, problem: &str) -> HttpResponse {
    HttpResponse::BadRequest()
        .content_type("text/html; charset=utf-8")
        .body(format!(
            "<!doctype html><title>Error</title><p>error={error}&amp;error_description={problem}</p>"
        ))
}

/// Sends the browser back with these parameters.
fn back(redirect_uri: &str, parameters: &[(&str, &str)], state: Option<&str>) -> HttpResponse {
    let Ok(mut target) = Url::parse(redirect_uri) else {
        return page(
            "redirect_uri_mismatch",
            "redirect_uri must match configuration",
        );
    };
    target.query_pairs_mut().extend_pairs(parameters);
    if let Some(state) = state {
        target.query_pairs_mut().append_pair("state", state);
    }
    HttpResponse::Found()
        .insert_header((header::LOCATION, target.as_str()))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .finish()
}

async fn authorize(org: web::Data<Org>, request: HttpRequest) -> HttpResponse {
    let browser = request
        .headers()
        .get(header::ACCEPT)
        .and_then(|accept| accept.to_str().ok())
        .is_some_and(|accept| accept.contains("text/html"));
    consent(&org, &Params::of(&request), request.query_string(), browser)
}

async fn agree(org: web::Data<Org>, body: web::Bytes) -> HttpResponse {
    consent(&org, &Params::parse(&body), "", false)
}

fn consent(org: &Org, params: &Params, query: &str, asks: bool) -> HttpResponse {
    let app = org.app();
    if params.get("client_id") != Some(app.client_id.as_str()) {
        return page("invalid_client_id", "client identifier invalid");
    }
    let Some(redirect_uri) = params
        .get("redirect_uri")
        .filter(|uri| app.redirect_uris.iter().any(|known| known == uri))
    else {
        return page(
            "redirect_uri_mismatch",
            "redirect_uri must match configuration",
        );
    };
    let state = params.get("state");
    let refuse = |error: &str, description: &str| {
        let parameters = [("error", error), ("error_description", description)];
        back(redirect_uri, &parameters, state)
    };
    if params.get("response_type") != Some("code") {
        return refuse("unsupported_response_type", "response type not supported");
    }
    let Some(challenge) = params.get("code_challenge").filter(|text| text.len() >= 43) else {
        return refuse("invalid_request", "missing required code challenge");
    };
    if params
        .get("code_challenge_method")
        .is_some_and(|method| method != "S256")
    {
        return refuse("invalid_request", "invalid code challenge method");
    }
    let asked = params.get("scope").unwrap_or("api refresh_token");
    let mut scopes: Vec<String> = Vec::new();
    let withheld = org.faults.current().withhold_scopes;
    for scope in asked.split_whitespace() {
        if !SCOPES.contains(&scope) {
            return refuse("invalid_scope", "the requested scope is not allowed");
        }
        // Two names of the same right.
        let scope = if scope == "offline_access" {
            "refresh_token"
        } else {
            scope
        };
        let known = scopes.iter().chain(&withheld).any(|known| known == scope);
        if !known {
            scopes.push(scope.to_owned());
        }
    }
    if asks {
        return form(query, &scopes);
    }
    match org.tokens.issue_code(redirect_uri, scopes, challenge) {
        Ok(code) => back(redirect_uri, &[("code", &code)], state),
        Err(_) => refuse("server_error", "the code could not be saved"),
    }
}

/// The page a person sees: everything that was asked, and a button.
fn form(query: &str, scopes: &[String]) -> HttpResponse {
    let fields: String = url::form_urlencoded::parse(query.as_bytes())
        .map(|(name, value)| {
            format!(
                "<input type=\"hidden\" name=\"{}\" value=\"{}\">",
                escape(&name),
                escape(&value)
            )
        })
        .collect();
    let scopes: String = scopes
        .iter()
        .map(|s| format!("<li>{}</li>", escape(s)))
        .collect();
    HttpResponse::Ok()
        .content_type("text/html; charset=utf-8")
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header((header::X_FRAME_OPTIONS, "DENY"))
        .body(format!(
            "<!doctype html><title>Allow access?</title><h1>Salesforce sandbox</h1><p>The app asks for:</p><ul>{scopes}</ul>\
             <form method=\"post\" action=\"/services/oauth2/authorize\">{fields}<button>Allow</button></form>"
        ))
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

fn refused(error: GrantError) -> Refusal {
    match error {
        GrantError::BadCode => Refusal::oauth("invalid_grant", "expired authorization code"),
        GrantError::RedirectMismatch => Refusal::oauth(
            "redirect_uri_mismatch",
            "redirect_uri must match configuration",
        ),
        GrantError::NoVerifier => Refusal::oauth("invalid_grant", "missing required code verifier"),
        GrantError::BadVerifier => Refusal::oauth("invalid_request", "invalid code verifier"),
        GrantError::BadRefreshToken => {
            Refusal::oauth("invalid_grant", "expired access/refresh token")
        }
        GrantError::UnknownToken => Refusal::oauth("invalid_token", "invalid token"),
        GrantError::NotSaved(_) => Refusal::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "SERVER_UNAVAILABLE",
            "Server is unavailable",
        ),
    }
}

/// Client id and secret, from the form or from the header.
fn client_is_ours(org: &Org, request: &HttpRequest, params: &Params) -> Result<(), Refusal> {
    let basic = request
        .headers()
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Basic "))
        .and_then(|encoded| STANDARD.decode(encoded).ok())
        .and_then(|bytes| String::from_utf8(bytes).ok());
    let (id, secret) = match basic.as_deref().and_then(|pair| pair.split_once(':')) {
        Some((id, secret)) => (Some(id), Some(secret)),
        None => (params.get("client_id"), params.get("client_secret")),
    };
    let app = org.app();
    if id != Some(app.client_id.as_str()) {
        return Err(Refusal::oauth(
            "invalid_client_id",
            "client identifier invalid",
        ));
    }
    if secret != Some(app.client_secret.as_str()) {
        return Err(Refusal::oauth(
            "invalid_client",
            "invalid client credentials",
        ));
    }
    Ok(())
}

/// The parameters of a form; those in the query are not read.
fn form_params(request: &HttpRequest, body: &[u8]) -> Params {
    if request.content_type() == "application/x-www-form-urlencoded" {
        Params::parse(body)
    } else {
        Params::default()
    }
}

async fn token(
    org: web::Data<Org>,
    request: HttpRequest,
    body: web::Bytes,
) -> Result<HttpResponse, Refusal> {
    let params = form_params(&request, &body);
    let text = |name| params.get(name).unwrap_or_default();
    let grant_type = text("grant_type");
    if !matches!(grant_type, "authorization_code" | "refresh_token") {
        return Err(Refusal::oauth(
            "unsupported_grant_type",
            "grant type not supported",
        ));
    }
    client_is_ours(&org, &request, &params)?;
    let issued = if grant_type == "authorization_code" {
        org.tokens.redeem_code(
            text("code"),
            text("redirect_uri"),
            params.get("code_verifier"),
        )
    } else {
        org.tokens.refresh(text("refresh_token"))
    }
    .map_err(refused)?;
    Ok(HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .json(issued_body(&org, &issued)))
}

/// There is no `expires_in`: a session lives as long as the org's policy says.
fn issued_body(org: &Org, issued: &Issued) -> Value {
    let id = org.identity_url();
    let issued_at = issued.issued_at.to_string();
    let mut body = json!({
        "access_token": issued.access,
        "signature": signature(&org.app().client_secret, &id, &issued_at),
        "scope": issued.scopes.join(" "),
        "instance_url": org.instance_url(),
        "id": id,
        "token_type": "Bearer",
        "issued_at": issued_at,
        "api_instance_url": "https://api.salesforce.com",
    });
    if let (Some(refresh), Some(object)) = (&issued.refresh, body.as_object_mut()) {
        object.insert("refresh_token".to_owned(), json!(refresh));
    }
    body
}

/// Base64 HMAC-SHA-256 of the identity address and the time, under the client secret.
fn signature(secret: &str, id: &str, issued_at: &str) -> String {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else {
        // HMAC takes keys of every length; an empty signature would be refused anyway.
        return String::new();
    };
    mac.update(id.as_bytes());
    mac.update(issued_at.as_bytes());
    STANDARD.encode(mac.finalize().into_bytes())
}

async fn revoke(
    org: web::Data<Org>,
    request: HttpRequest,
    body: web::Bytes,
) -> Result<HttpResponse, Refusal> {
    let params = form_params(&request, &body);
    let token = params.get("token").unwrap_or_default();
    org.tokens.revoke(token).map_err(refused)?;
    Ok(HttpResponse::Ok().finish())
}

async fn introspect(
    org: web::Data<Org>,
    request: HttpRequest,
    body: web::Bytes,
) -> Result<HttpResponse, Refusal> {
    let params = form_params(&request, &body);
    client_is_ours(&org, &request, &params)?;
    let token = params.get("token").unwrap_or_default();
    let common = json!({
        "active": true,
        "client_id": org.app().client_id,
        "username": org.username(),
        "sub": org.identity_url(),
    });
    let more = if let Some(session) = org.tokens.session(token) {
        let issued = session.issued_at / 1000;
        json!({
            "scope": session.scopes.join(" "), "token_type": "access_token",
            "exp": org.tokens.ends_at(&session) / 1000, "iat": issued, "nbf": issued,
        })
    } else if let Some(scopes) = org.tokens.refresh_scopes(token) {
        json!({"scope": scopes.join(" "), "token_type": "refresh_token"})
    } else {
        return Ok(HttpResponse::Ok().json(json!({"active": false})));
    };
    let mut answer = common;
    if let (Some(answer), Value::Object(more)) = (answer.as_object_mut(), more) {
        answer.extend(more);
    }
    Ok(HttpResponse::Ok().json(answer))
}

/// What is wrong with a caller's session. These two endpoints say it in a form of their own.
fn session_problem(org: &Org, request: &HttpRequest) -> Option<&'static str> {
    match super::gate::bearer(request) {
        None => Some("Missing_OAuth_Token"),
        Some(token) if org.tokens.session(token).is_none() => Some("Bad_OAuth_Token"),
        Some(_) => None,
    }
}

fn forbidden(problem: &'static str) -> HttpResponse {
    HttpResponse::Forbidden()
        .content_type("text/plain")
        .body(problem)
}

async fn userinfo(org: web::Data<Org>, request: HttpRequest) -> HttpResponse {
    match session_problem(&org, &request) {
        Some(problem) => forbidden(problem),
        None => HttpResponse::Ok().json(described(&org)),
    }
}

async fn identity(
    org: web::Data<Org>,
    request: HttpRequest,
    path: web::Path<(String, String)>,
) -> HttpResponse {
    if let Some(problem) = session_problem(&org, &request) {
        return forbidden(problem);
    }
    let (asked_org, user) = path.into_inner();
    if super::id::parse(&asked_org) != Some(org.org_id())
        || super::id::parse(&user) != Some(org.user_id())
    {
        return forbidden("Wrong_Org");
    }
    HttpResponse::Ok().json(described(&org))
}

fn described(org: &Org) -> Value {
    let base = org.instance_url();
    let (org_id, user_id) = (org.org_id(), org.user_id());
    json!({
        "id": org.identity_url(),
        "sub": org.identity_url(),
        "asserted_user": true,
        "user_id": user_id,
        "organization_id": org_id,
        "preferred_username": org.username(),
        "username": org.username(),
        "nickname": "integration",
        "name": "Integration User",
        "display_name": "Integration User",
        "email": org.username(),
        "email_verified": true,
        "given_name": "Integration",
        "family_name": "User",
        "zoneinfo": "Etc/UTC",
        "active": true,
        "user_type": "STANDARD",
        "language": "en_US",
        "locale": "en_US",
        "utcOffset": 0,
        "is_app_installed": true,
        "urls": {
            "rest": format!("{base}/services/data/v{{version}}/"),
            "sobjects": format!("{base}/services/data/v{{version}}/sobjects/"),
            "query": format!("{base}/services/data/v{{version}}/query/"),
            "custom_domain": base,
        },
    })
}
