//! The OAuth endpoints. The consent is automatic; everything else is checked as the vendor checks it.
//!
//! Refuses: a redirect that is not registered byte for byte, unknown scopes, parameters in the query of a token request, a wrong
//! secret, a missing or wrong PKCE verifier once a challenge was given.

use actix_web::http::{StatusCode, header};
use actix_web::{HttpMessage, HttpRequest, HttpResponse, web};
use serde_json::{Value, json};
use url::Url;

use super::Portal;
use super::answer::Refusal;
use super::tokens::{GrantError, Issued, Standing};
use crate::params::Params;

/// The scopes the sandbox knows.
const SCOPES: &[&str] = &[
    "oauth",
    "crm.objects.companies.read",
    "crm.objects.companies.write",
    "crm.objects.contacts.read",
    "crm.objects.contacts.write",
    "crm.objects.deals.read",
    "crm.objects.deals.write",
    "crm.objects.owners.read",
    "crm.schemas.companies.read",
    "crm.schemas.companies.write",
    "crm.schemas.contacts.read",
    "crm.schemas.contacts.write",
    "crm.schemas.deals.read",
    "crm.schemas.deals.write",
    "settings.currencies.read",
];

pub(crate) fn routes(config: &mut web::ServiceConfig) {
    config.route("/oauth/authorize", web::get().to(authorize));
    for version in ["2026-09", "2026-03", "v3", "v1"] {
        let base = format!("/oauth/{version}/token");
        config
            .route(&base, web::post().to(token))
            .route(&format!("{base}/introspect"), web::post().to(introspect))
            .route(&format!("{base}/revoke"), web::post().to(revoke));
    }
    config
        .route(
            "/oauth/v1/access-tokens/{token}",
            web::get().to(access_token),
        )
        .route(
            "/oauth/v1/refresh-tokens/{token}",
            web::get().to(refresh_token),
        )
        .route(
            "/oauth/v1/refresh-tokens/{token}",
            web::delete().to(delete_refresh_token),
        );
}

/// A refusal a person would see in the browser: no redirect, because the redirect itself may be the lie.
fn page(problem: &str) -> HttpResponse {
    HttpResponse::BadRequest()
        .content_type("text/html; charset=utf-8")
        .body(format!(
            "<!doctype html><title>Authorization failed</title><p>{problem}</p>"
        ))
}

async fn authorize(portal: web::Data<Portal>, request: HttpRequest) -> HttpResponse {
    let params = Params::of(&request);
    let app = portal.app();
    if params.get("client_id") != Some(app.client_id.as_str()) {
        return page("The client id does not belong to a known app.");
    }
    let Some(redirect_uri) = params
        .get("redirect_uri")
        .filter(|uri| app.redirect_uris.iter().any(|known| known == uri))
    else {
        return page("The redirect URL does not match a registered one.");
    };
    let required: Vec<&str> = words(params.get("scope"));
    if required.is_empty() {
        return page("No scope was asked for.");
    }
    if required.iter().any(|scope| !SCOPES.contains(scope)) {
        return page("A scope that was asked for does not exist.");
    }
    let challenge = params.get("code_challenge").map(str::to_owned);
    let method = params.get("code_challenge_method");
    if challenge.is_some() && method != Some("S256") || challenge.is_none() && method.is_some() {
        return page("A code challenge needs the method S256.");
    }
    let mut scopes: Vec<String> = Vec::new();
    let optional = words(params.get("optional_scope"));
    let withheld = portal.faults.current().withhold_scopes;
    let granted = required
        .into_iter()
        .chain(optional.into_iter().filter(|scope| {
            SCOPES.contains(scope) && withheld.iter().all(|withheld| withheld != scope)
        }));
    for scope in granted.chain(["oauth"]) {
        if !scopes.iter().any(|known| known == scope) {
            scopes.push(scope.to_owned());
        }
    }
    let issued =
        portal
            .tokens
            .issue_code(redirect_uri, scopes, challenge, portal.limits.code_seconds);
    match (issued, Url::parse(redirect_uri)) {
        (Ok(code), Ok(mut target)) => {
            target.query_pairs_mut().append_pair("code", &code);
            if let Some(state) = params.get("state") {
                target.query_pairs_mut().append_pair("state", state);
            }
            HttpResponse::Found()
                .insert_header((header::LOCATION, target.as_str()))
                .insert_header((header::CACHE_CONTROL, "no-store"))
                .finish()
        }
        _ => HttpResponse::InternalServerError().finish(),
    }
}

fn words(text: Option<&str>) -> Vec<&str> {
    text.unwrap_or_default().split_whitespace().collect()
}

fn refused(error: &str, status: &str, message: &str) -> Refusal {
    Refusal::raw(
        StatusCode::BAD_REQUEST,
        json!({
            "error": error,
            "error_description": message,
            "status": status,
            "message": message,
        }),
    )
}

fn grant_refused(error: GrantError) -> Refusal {
    match error {
        GrantError::BadCode => refused(
            "invalid_grant",
            "BAD_AUTH_CODE",
            "missing or unknown auth code",
        ),
        GrantError::RedirectMismatch => refused(
            "invalid_grant",
            "MISMATCH_REDIRECT_URI_AUTH_CODE",
            "redirect URI does not match the one the code was issued for",
        ),
        GrantError::BadVerifier => refused(
            "invalid_grant",
            "BAD_CODE_VERIFIER",
            "missing or invalid code verifier",
        ),
        GrantError::BadRefreshToken => refused(
            "invalid_grant",
            "BAD_REFRESH_TOKEN",
            "refresh token is invalid, expired or revoked",
        ),
        GrantError::NotSaved(_) => Refusal::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "INTERNAL_ERROR",
            "internal error",
        ),
    }
}

/// The form of a token request, with the client checked.
fn client_form(
    portal: &Portal,
    request: &HttpRequest,
    body: &web::Bytes,
) -> Result<Params, Refusal> {
    let form = request.content_type() == "application/x-www-form-urlencoded";
    // Parameters in the query are not read: what is missing in the body is missing.
    let params = if form {
        Params::parse(body)
    } else {
        Params::default()
    };
    let app = portal.app();
    if params.get("client_id") != Some(app.client_id.as_str()) {
        return Err(refused(
            "invalid_client",
            "BAD_CLIENT_ID",
            "missing or unknown client id",
        ));
    }
    if params.get("client_secret") != Some(app.client_secret.as_str()) {
        return Err(refused(
            "invalid_client",
            "BAD_CLIENT_SECRET",
            "missing or invalid client secret",
        ));
    }
    Ok(params)
}

async fn token(
    portal: web::Data<Portal>,
    request: HttpRequest,
    body: web::Bytes,
) -> Result<HttpResponse, Refusal> {
    let params = client_form(&portal, &request, &body)?;
    let life = portal.limits.access_token_seconds;
    let text = |name| params.get(name).unwrap_or_default();
    let issued = match params.get("grant_type") {
        Some("authorization_code") => portal.tokens.redeem_code(
            text("code"),
            text("redirect_uri"),
            params.get("code_verifier"),
            life,
        ),
        Some("refresh_token") => portal.tokens.refresh(
            text("refresh_token"),
            life,
            portal.limits.rotate_refresh_tokens,
        ),
        Some("client_credentials") => portal.tokens.app_token(life),
        _ => {
            return Err(refused(
                "unsupported_grant_type",
                "BAD_GRANT_TYPE",
                "missing or unknown grant type",
            ));
        }
    }
    .map_err(grant_refused)?;
    Ok(HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .json(issued_body(&portal, &issued)))
}

fn issued_body(portal: &Portal, issued: &Issued) -> Value {
    let mut body = json!({
        "token_type": "bearer",
        "access_token": issued.access,
        "expires_in": portal.limits.access_token_seconds,
        "scopes": issued.scopes,
        "token_use": "access_token",
    });
    if let (Some(refresh), Some(object)) = (&issued.refresh, body.as_object_mut()) {
        object.insert("refresh_token".to_owned(), json!(refresh));
        object.insert("hub_id".to_owned(), json!(portal.store.portal_id()));
        object.insert("user_id".to_owned(), json!(USER_ID));
    }
    body
}

/// The user who gave the consent.
const USER_ID: u64 = 7301;

fn described(portal: &Portal, token: &str) -> Option<Value> {
    if let Standing::Valid(access) = portal.tokens.standing(token) {
        let left = (access.expires_at - portal.store.now()) / 1000;
        return Some(json!({
            "active": true,
            "token_use": "access_token",
            "token_type": "access",
            "hub_id": portal.store.portal_id(),
            "app_id": portal.app().app_id,
            "client_id": portal.app().client_id,
            "user_id": USER_ID,
            "scopes": access.scopes,
            "expires_in": left,
        }));
    }
    let scopes = portal.tokens.refresh_scopes(token)?;
    Some(json!({
        "active": true,
        "token_use": "refresh_token",
        "token_type": "refresh",
        "hub_id": portal.store.portal_id(),
        "app_id": portal.app().app_id,
        "client_id": portal.app().client_id,
        "user_id": USER_ID,
        "scopes": scopes,
    }))
}

async fn introspect(
    portal: web::Data<Portal>,
    request: HttpRequest,
    body: web::Bytes,
) -> Result<HttpResponse, Refusal> {
    let params = client_form(&portal, &request, &body)?;
    let answer = params
        .get("token")
        .and_then(|token| described(&portal, token))
        .unwrap_or_else(|| json!({"active": false}));
    Ok(HttpResponse::Ok().json(answer))
}

async fn revoke(
    portal: web::Data<Portal>,
    request: HttpRequest,
    body: web::Bytes,
) -> Result<HttpResponse, Refusal> {
    let params = client_form(&portal, &request, &body)?;
    let token = params.get("token").unwrap_or_default();
    // An unknown token is as good as revoked.
    portal.tokens.revoke(token).map_err(grant_refused)?;
    Ok(HttpResponse::NoContent().finish())
}

async fn access_token(
    portal: web::Data<Portal>,
    path: web::Path<String>,
) -> Result<HttpResponse, Refusal> {
    match described(&portal, &path).filter(|d| d.get("expires_in").is_some()) {
        Some(mut answer) => {
            if let Some(object) = answer.as_object_mut() {
                object.insert("token".to_owned(), json!(path.as_str()));
                object.insert("user".to_owned(), json!("admin@portal.example"));
                object.insert("hub_domain".to_owned(), json!("portal.example"));
            }
            Ok(HttpResponse::Ok().json(answer))
        }
        None => Err(Refusal::new(
            StatusCode::NOT_FOUND,
            "OBJECT_NOT_FOUND",
            "access token is unknown or expired",
        )),
    }
}

async fn refresh_token(
    portal: web::Data<Portal>,
    path: web::Path<String>,
) -> Result<HttpResponse, Refusal> {
    match described(&portal, &path).filter(|d| d.get("expires_in").is_none()) {
        Some(mut answer) => {
            if let Some(object) = answer.as_object_mut() {
                object.insert("token".to_owned(), json!(path.as_str()));
                object.insert("user".to_owned(), json!("admin@portal.example"));
                object.insert("hub_domain".to_owned(), json!("portal.example"));
            }
            Ok(HttpResponse::Ok().json(answer))
        }
        None => Err(grant_refused(GrantError::BadRefreshToken)),
    }
}

async fn delete_refresh_token(
    portal: web::Data<Portal>,
    path: web::Path<String>,
) -> Result<HttpResponse, Refusal> {
    if portal.tokens.revoke(&path).map_err(grant_refused)? {
        Ok(HttpResponse::NoContent().finish())
    } else {
        Err(grant_refused(GrantError::BadRefreshToken))
    }
}
