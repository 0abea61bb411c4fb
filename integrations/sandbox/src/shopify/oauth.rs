//! The OAuth endpoints of a shop. The consent is automatic; everything else is checked as the vendor checks it.
//!
//! Refuses: a redirect that is not registered, unknown scopes, a wrong secret, a code twice. Errors are sometimes JSON and sometimes a page.

use actix_web::http::{StatusCode, header};
use actix_web::{HttpMessage, HttpRequest, HttpResponse, web};
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use serde_json::{Value, json};
use url::Url;

use super::Shop;
use super::access::{self, SCOPES};
use super::signature;
use super::tokens::{GrantError, Issued, Lives};
use crate::params::Params;

pub(crate) fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/admin/oauth/authorize", web::get().to(authorize))
        .route("/admin/oauth/access_token", web::post().to(token))
        .route("/admin/oauth/access_scopes.json", web::get().to(scopes));
}

/// The vendor's page for what is wrong with an authorization: no redirect, because the redirect itself may be the lie.
fn page(problem: &str) -> HttpResponse {
    HttpResponse::BadRequest()
        .content_type("text/html; charset=utf-8")
        .body(format!("Oauth error {problem}"))
}

fn refused(status: StatusCode, error: &str, message: &str) -> HttpResponse {
    HttpResponse::build(status).json(json!({"error": error, "error_description": message}))
}

async fn authorize(shop: web::Data<Shop>, request: HttpRequest) -> HttpResponse {
    let params = Params::of(&request);
    let app = shop.app();
    let client = params.get("client_id").unwrap_or_default();
    if client != app.client_id {
        return page("invalid_request: Could not find Shopify API application with api_key");
    }
    let Some(redirect_uri) = params
        .get("redirect_uri")
        .filter(|uri| app.redirect_uris.iter().any(|known| known == uri))
    else {
        return page("invalid_request: The redirect_uri is not whitelisted");
    };
    let asked: Vec<String> = params
        .list("scope")
        .into_iter()
        .map(str::to_owned)
        .collect();
    if let Some(unknown) = asked.iter().find(|scope| !SCOPES.contains(&scope.as_str())) {
        let known = unknown
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '_');
        let shown = if known { unknown.as_str() } else { "a scope" };
        return page(&format!(
            "invalid_scope: The access scope is invalid: {shown}"
        ));
    }
    let withheld = shop.faults.current().withhold_scopes;
    let granted: Vec<String> = asked
        .into_iter()
        .filter(|scope| !withheld.contains(scope))
        .collect();
    let (Ok(code), Ok(mut target)) = (
        shop.tokens.issue_code(access::normalised(&granted)),
        Url::parse(redirect_uri),
    ) else {
        return HttpResponse::InternalServerError().finish();
    };
    let domain = shop.domain();
    let name = domain.split('.').next().unwrap_or_default();
    let host = STANDARD_NO_PAD.encode(format!("admin.shopify.com/store/{name}"));
    let timestamp = (shop.clock.now_ms() / 1000).to_string();
    let mut answer = vec![
        ("code", code),
        ("host", host),
        ("shop", domain),
        ("timestamp", timestamp),
    ];
    if let Some(state) = params.get("state") {
        answer.push(("state", state.to_owned()));
    }
    // Sorted, as the signature has them.
    answer.sort();
    let message: Vec<String> = answer
        .iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    let hmac = signature::hex(&shop.signing_secret(), message.join("&").as_bytes());
    {
        let mut query = target.query_pairs_mut();
        query.append_pair("hmac", &hmac);
        for (key, value) in &answer {
            query.append_pair(key, value);
        }
    }
    HttpResponse::Found()
        .insert_header((header::LOCATION, target.as_str()))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .finish()
}

/// The fields of a token request, sent as JSON or as a form; what stands in the query is not read.
fn fields(request: &HttpRequest, body: &[u8]) -> Option<Vec<(String, String)>> {
    match request.content_type() {
        "application/json" => {
            let object = serde_json::from_slice::<Value>(body).ok()?;
            let fields = object.as_object()?.iter().map(|(key, value)| {
                let value = value
                    .as_str()
                    .map_or_else(|| value.to_string(), str::to_owned);
                (key.clone(), value)
            });
            Some(fields.collect())
        }
        "application/x-www-form-urlencoded" => {
            Some(url::form_urlencoded::parse(body).into_owned().collect())
        }
        _ => None,
    }
}

async fn token(shop: web::Data<Shop>, request: HttpRequest, body: web::Bytes) -> HttpResponse {
    let Some(fields) = fields(&request, &body) else {
        return refused(
            StatusCode::BAD_REQUEST,
            "invalid_request",
            "The request is malformed",
        );
    };
    let text = |name: &str| {
        fields
            .iter()
            .find(|(key, _)| key == name)
            .map_or("", |(_, value)| value.as_str())
    };
    if text("client_id") != shop.app().client_id {
        return page("invalid_request: Could not find Shopify API application with api_key");
    }
    if !shop.knows_secret(text("client_secret")) {
        return refused(
            StatusCode::BAD_REQUEST,
            "invalid_client",
            "The client secret is not valid",
        );
    }
    let lives = Lives {
        access: shop.limits.access_token_seconds,
        refresh: shop.limits.refresh_token_seconds,
    };
    let issued = match text("grant_type") {
        "" | "authorization_code" => {
            let expiring = matches!(text("expiring"), "1" | "true");
            shop.tokens.redeem_code(text("code"), expiring, lives)
        }
        "refresh_token" => shop.tokens.refresh(text("refresh_token"), lives),
        _ => {
            return refused(
                StatusCode::BAD_REQUEST,
                "unsupported_grant_type",
                "The grant type is not supported",
            );
        }
    };
    match issued {
        Ok(issued) => {
            if text("grant_type") != "refresh_token" {
                shop.installed();
            }
            HttpResponse::Ok()
                .insert_header((header::CACHE_CONTROL, "no-store"))
                .json(body_of(&issued))
        }
        Err(GrantError::BadCode) => {
            page("invalid_request: The authorization code was not found or was already used")
        }
        Err(GrantError::BadRefreshToken) => refused(
            StatusCode::BAD_REQUEST,
            "invalid_grant",
            "This request requires an active refresh_token",
        ),
        Err(GrantError::NotSaved(_)) => HttpResponse::InternalServerError().finish(),
    }
}

fn body_of(issued: &Issued) -> Value {
    let mut body = json!({
        "access_token": issued.access,
        "scope": access::normalised(&issued.scopes).join(","),
    });
    if let (Some((refresh, access_life, refresh_life)), Some(object)) =
        (&issued.expiring, body.as_object_mut())
    {
        object.insert("expires_in".to_owned(), json!(access_life));
        object.insert("refresh_token".to_owned(), json!(refresh));
        object.insert("refresh_token_expires_in".to_owned(), json!(refresh_life));
    }
    body
}

/// The scopes of the token the request came with.
async fn scopes(caller: super::gate::Caller) -> HttpResponse {
    let listed: Vec<Value> = access::spelt_out(&caller.0.scopes)
        .iter()
        .map(|scope| json!({"handle": scope}))
        .collect();
    HttpResponse::Ok().json(json!({"access_scopes": listed}))
}
