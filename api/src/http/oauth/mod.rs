//! The authorization server's addresses: what comes in over HTTP, and how its answers are written.
//!
//! The routes are made from the one table ([`endpoint::TABLE`]), as the metadata is. Handlers read requests, hand them to [`crate::oauth`] and write what it
//! says. Nothing here is kept by a browser or a proxy but the two public documents; refusals are the JSON of RFC 6749, section 5.2, and on the way to a
//! person a page or a redirect.

mod ask;
mod consent_page;
mod documents;
mod exchange;

use super::limit;
use crate::oauth::endpoint::{self, Endpoint, Method};
use actix_web::middleware::from_fn;
use actix_web::{Route, web};

/// The longest form, in bytes: an assertion and some parameters.
const FORM_BYTES: usize = 32 * 1024;

/// Adds the addresses.
pub fn configure(config: &mut web::ServiceConfig) {
    for row in endpoint::TABLE {
        let route = match row.method {
            Method::Get => web::get(),
            Method::Post => web::post(),
        };
        let route = handled(row.endpoint, route);
        let resource = web::resource(row.path).app_data(web::PayloadConfig::new(FORM_BYTES));
        if row.is_limited {
            config.service(resource.wrap(from_fn(limit::oauth)).route(route));
        } else {
            config.service(resource.route(route));
        }
    }
}

fn handled(endpoint: Endpoint, route: Route) -> Route {
    match endpoint {
        Endpoint::Metadata => route.to(documents::metadata),
        Endpoint::Jwks => route.to(documents::jwks),
        Endpoint::Authorization => route.to(ask::authorize),
        Endpoint::Consent => route.to(ask::consent),
        Endpoint::Token => route.to(exchange::token),
        Endpoint::Introspection => route.to(exchange::introspect),
        Endpoint::Revocation => route.to(exchange::revoke),
    }
}
