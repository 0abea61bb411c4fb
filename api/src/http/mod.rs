//! The HTTP door; the only home of actix.
//!
//! Handlers here read requests, decide nothing about the programme, and write answers. Every refusal has a code of the one table;
//! on the GraphQL path it is shaped like a GraphQL answer, elsewhere it is a problem document. Open are only the health addresses, the
//! inlets that vendors sign, the way to a vendor's consent and back, the pages where people sign in, the form by which companies apply, the authorization server's addresses, and,
//! where it is configured, the page to try queries on; every other address, known or not, answers 401 to a caller without a valid token.

pub mod account;
pub mod apply;
pub mod bearer;
pub mod connect;
pub mod dev_mail;
pub mod graphiql;
pub mod graphql;
pub mod health;
pub mod imports;
pub mod invitation;
pub mod limit;
pub mod metrics;
pub mod oauth;
pub mod page;
pub mod problem;
pub mod request_id;
pub mod rest_hooks;
pub mod server;
pub mod session;
pub mod sign_in;
pub mod webhooks;

use crate::state::State;
use actix_web::{HttpRequest, HttpResponse, web};
use bearer::{Authenticate, authenticated};
use std::sync::Arc;

/// Who may be told that an address does not exist.
pub struct Unknown(pub Arc<dyn Authenticate>);

/// For every address that is none of ours.
pub async fn unknown(request: HttpRequest, known: web::Data<Unknown>) -> HttpResponse {
    match authenticated(&request, known.0.as_ref()) {
        Some(_) => problem::not_found(request).await,
        None => problem::unauthenticated(&request),
    }
}

/// The addresses beside GraphQL. `graphiql` says whether there is a page to try queries on.
pub fn routes(config: &mut web::ServiceConfig, graphiql: bool) {
    config
        .route("/healthz", web::get().to(health::healthz))
        .route("/readyz", web::get().to(health::readyz))
        .route("/metrics", web::get().to(metrics::scrape))
        .route("/schema.graphql", web::get().to(graphiql::schema_text))
        .route("/imports", web::post().to(imports::receive))
        .route("/hooks/{connector}", web::post().to(webhooks::receive))
        .route(
            "/hooks/{connector}/{hook}",
            web::post().to(webhooks::receive_own),
        )
        .route("/connect/{connector}/start", web::get().to(connect::start))
        .route(
            "/oauth/callback/{connector}",
            web::get().to(connect::callback),
        );
    config.configure(rest_hooks::routes);
    config.configure(sign_in::routes);
    config.configure(apply::routes);
    if graphiql {
        config.route("/graphiql", web::get().to(graphiql::page));
    }
}

/// The state in a handler.
pub type Shared = web::Data<State>;
