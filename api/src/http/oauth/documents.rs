//! The two public documents: what there is, and the keys that verify our tokens.
//!
//! Both may be remembered for half a minute. A new key is published longer than that before it signs, so that whoever goes by the letter never meets a
//! token whose key it does not know.

use crate::http::Shared;
use actix_web::HttpResponse;
use actix_web::http::header::CACHE_CONTROL;

const REMEMBERED: &str = "public, max-age=30";

/// What there is.
pub async fn metadata(state: Shared) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((CACHE_CONTROL, REMEMBERED))
        .json(state.authorization.metadata())
}

/// The keys.
pub async fn jwks(state: Shared) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((CACHE_CONTROL, REMEMBERED))
        .json(state.authorization.jwks())
}
