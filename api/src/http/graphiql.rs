//! The page to try queries on: one file without any outside asset, so that it works without a network.
//!
//! The page is open where it is configured; what it sends needs a token like everything else. The schema is shown to whoever has a
//! token. Its content policy allows the page's own style and script, by their hashes, and requests to this server only.

use super::bearer::{Authenticate, authenticated};
use super::problem::unauthenticated;
use crate::graphql::schema::{self, ApiSchema};
use actix_web::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY};
use actix_web::{HttpRequest, HttpResponse, web};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};
use std::sync::{Arc, LazyLock};

const PAGE: &str = include_str!("graphiql.html");

static POLICY: LazyLock<String> = LazyLock::new(|| {
    let hash = |tag: &str| {
        let inner = PAGE
            .split_once(&format!("<{tag}>"))
            .and_then(|(_, rest)| rest.split_once(&format!("</{tag}>")));
        STANDARD.encode(Sha256::digest(inner.map_or("", |(inner, _)| inner)))
    };
    format!(
        "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        hash("style"),
        hash("script"),
    )
});

/// `GET /graphiql`.
pub async fn page() -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/html; charset=utf-8")
        .insert_header((CONTENT_SECURITY_POLICY, POLICY.as_str()))
        .insert_header((REFERRER_POLICY, "no-referrer"))
        .insert_header((CACHE_CONTROL, "no-cache"))
        .body(PAGE)
}

/// What the schema's address needs: the schema as text, and who may see it.
pub struct SchemaText {
    sdl: String,
    authenticate: Arc<dyn Authenticate>,
}

impl SchemaText {
    /// The text of a schema.
    #[must_use]
    pub fn new(schema: &ApiSchema, authenticate: Arc<dyn Authenticate>) -> Self {
        Self {
            sdl: schema::sdl(schema),
            authenticate,
        }
    }
}

/// `GET /schema.graphql`: the schema, for every caller with a token.
pub async fn schema_text(request: HttpRequest, text: web::Data<SchemaText>) -> HttpResponse {
    if authenticated(&request, text.authenticate.as_ref()).is_none() {
        return unauthenticated(&request);
    }
    HttpResponse::Ok()
        .content_type("text/plain; charset=utf-8")
        .insert_header((CACHE_CONTROL, "no-store"))
        .body(text.sdl.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_whole_and_asks_nobody_else() {
        for outside in ["http://", "https://", "//cdn", "@import", "url("] {
            assert!(!PAGE.contains(outside), "{outside}");
        }
        for tag in ["style", "script"] {
            assert_eq!(PAGE.matches(&format!("<{tag}>")).count(), 1, "one {tag}");
        }
        assert!(
            !PAGE.contains(" style=") && !PAGE.contains(" onclick="),
            "the policy would refuse them"
        );
        assert!(POLICY.contains("script-src 'sha256-"));
    }
}
