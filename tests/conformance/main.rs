//! Held against what others have published: the audit of GraphQL over HTTP, the vendor's own client and signatures, and our own schema.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "tests fail by panicking"
)]

mod descriptions;
mod graphql_http;
mod hubspot_writes;
mod jsforce;
mod node;
mod oauth_clients;
mod official_client;
mod salesforce_samples;
mod schema;
mod shopify_client;
mod shopify_signatures;
mod signature_vectors;
mod slack_client;
mod slack_connector;
mod standard_webhooks;
