//! The consent page and the token endpoint. The consent is automatic; everything else is checked as the vendor checks it.
//!
//! Refuses: a redirect that is not registered byte for byte, unknown scopes, a wrong secret, a proof key (this app is a confidential one, and
//! turning proof keys on cannot be undone at the vendor). Every refusal of the token endpoint has status 200.

use std::collections::BTreeSet;

use actix_web::http::header::{self, AUTHORIZATION};
use actix_web::{HttpRequest, HttpResponse, web};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use url::Url;

use super::Workspace;
use super::answer::{Done, Refusal};
use super::args::Args;
use super::tokens::{GrantError, Issued, Rotation};
use crate::params::Params;

/// The scopes the sandbox knows.
const SCOPES: &[&str] = &[
    "chat:write",
    "chat:write.public",
    "chat:write.customize",
    "channels:read",
    "channels:join",
    "channels:history",
    "groups:read",
    "groups:history",
    "users:read",
    "users:read.email",
    "team:read",
];

pub(crate) fn routes(config: &mut web::ServiceConfig) {
    config.route("/oauth/v2/authorize", web::get().to(authorize));
}

/// A refusal a person would see in the browser: no redirect, because the redirect itself may be the lie.
fn page(problem: &str) -> HttpResponse {
    HttpResponse::BadRequest()
        .content_type("text/html; charset=utf-8")
        .body(format!(
            "<!doctype html><title>Something went wrong</title><p>{problem}</p>"
        ))
}

async fn authorize(workspace: web::Data<Workspace>, request: HttpRequest) -> HttpResponse {
    let params = Params::of(&request);
    let app = &workspace.app;
    if params.get("client_id") != Some(app.client_id.as_str()) {
        return page("Invalid client_id parameter");
    }
    // Without a redirect_uri the first registered address counts.
    let named = params.get("redirect_uri");
    let redirect_uri = match named {
        Some(uri) => app.redirect_uris.iter().find(|known| *known == uri),
        None => app.redirect_uris.first(),
    };
    let Some(redirect_uri) = redirect_uri else {
        return page("redirect_uri did not match any configured URIs");
    };
    let asked: BTreeSet<&str> = words(params.get("scope"));
    if !words(params.get("user_scope")).is_empty() {
        return page("Invalid permissions requested: user scopes are not configured");
    }
    if asked.is_empty() || asked.iter().any(|scope| !SCOPES.contains(scope)) {
        return page("Invalid permissions requested");
    }
    if params
        .get("team")
        .is_some_and(|team| workspace.store.read(|rooms| rooms.team.id != team))
    {
        return page("You are not signed in to this team");
    }
    let Ok(mut back) = Url::parse(redirect_uri) else {
        return page("redirect_uri did not match any configured URIs");
    };
    let withheld = workspace.faults.current().withhold_scopes;
    let granted: BTreeSet<String> = asked
        .into_iter()
        .filter(|scope| !withheld.iter().any(|withheld| withheld == scope))
        .map(str::to_owned)
        .collect();
    if granted.is_empty() {
        // The person pressed "cancel".
        back.query_pairs_mut().append_pair("error", "access_denied");
    } else {
        let issued = workspace.tokens.issue_code(
            redirect_uri,
            named.is_some(),
            granted,
            workspace.limits.code_seconds,
        );
        match issued {
            Ok(code) => back.query_pairs_mut().append_pair("code", &code),
            Err(_) => return HttpResponse::InternalServerError().finish(),
        };
    }
    back.query_pairs_mut()
        .append_pair("state", params.get("state").unwrap_or_default());
    HttpResponse::Found()
        .insert_header((header::LOCATION, back.as_str()))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .finish()
}

/// Scopes are separated by commas; spaces are taken as well.
fn words(text: Option<&str>) -> BTreeSet<&str> {
    text.unwrap_or_default()
        .split([',', ' '])
        .filter(|word| !word.is_empty())
        .collect()
}

/// Client id and secret of an `Authorization: Basic` header.
fn basic(request: &HttpRequest) -> Option<(String, String)> {
    let header = request.headers().get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, encoded) = header.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (id, secret) = decoded.split_once(':')?;
    Some((id.to_owned(), secret.to_owned()))
}

/// Checks the app's own credentials, from the header or from the arguments.
pub(crate) fn check_client(
    workspace: &Workspace,
    request: &HttpRequest,
    args: &Args,
) -> Result<(), Refusal> {
    let (id, secret) = match basic(request) {
        Some((id, secret)) => (Some(id), Some(secret)),
        None => (args.text("client_id")?, args.text("client_secret")?),
    };
    if id.as_deref() != Some(workspace.app.client_id.as_str()) {
        return Err(Refusal::new("invalid_client_id"));
    }
    if secret.as_deref() != Some(workspace.app.client_secret.as_str()) {
        return Err(Refusal::new("bad_client_secret"));
    }
    Ok(())
}

pub(crate) fn refused(error: &GrantError) -> Refusal {
    Refusal::new(match error {
        GrantError::BadCode => "invalid_code",
        GrantError::RedirectMismatch => "bad_redirect_uri",
        GrantError::BadRefreshToken => "invalid_refresh_token",
        GrantError::NotSaved(_) => "internal_error",
    })
}

/// `oauth.v2.access`.
pub(crate) fn access(
    workspace: &Workspace,
    request: &HttpRequest,
    args: &Args,
) -> Result<Done, Refusal> {
    check_client(workspace, request, args)?;
    let rotation = Rotation {
        on: workspace.limits.rotate_tokens,
        life_seconds: workspace.limits.access_token_seconds,
    };
    let grant_type = args.text("grant_type")?;
    let issued = match grant_type.as_deref() {
        None | Some("authorization_code") => {
            if args.text("code_verifier")?.is_some() {
                return Err(Refusal::new("pkce_not_allowed"));
            }
            let code = args.need("code", "invalid_code")?;
            let redirect_uri = args.text("redirect_uri")?;
            workspace
                .tokens
                .redeem_code(&code, redirect_uri.as_deref(), rotation)
        }
        Some("refresh_token") => {
            let refresh = args.need("refresh_token", "invalid_refresh_token")?;
            workspace.tokens.refresh(&refresh, rotation)
        }
        Some(_) => return Err(Refusal::new("invalid_grant_type")),
    }
    .map_err(|error| refused(&error))?;
    Ok(Done::new(body(workspace, &issued)))
}

fn body(workspace: &Workspace, issued: &Issued) -> Value {
    let scopes: Vec<&str> = issued.scopes.iter().map(String::as_str).collect();
    workspace.store.read(|rooms| {
        let mut body = json!({
            "app_id": workspace.app_id(),
            "authed_user": {"id": rooms.people.first().map(|person| &person.id)},
            "scope": scopes.join(","),
            "token_type": "bot",
            "access_token": issued.access,
            "bot_user_id": rooms.bot_user_id,
            "team": {"id": rooms.team.id, "name": rooms.team.name},
            "enterprise": null,
            "is_enterprise_install": false,
        });
        if let (Some(refresh), Some(object)) = (&issued.refresh, body.as_object_mut()) {
            object.insert("refresh_token".to_owned(), json!(refresh));
            object.insert(
                "expires_in".to_owned(),
                json!(workspace.limits.access_token_seconds),
            );
        }
        body
    })
}
