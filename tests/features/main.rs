//! What Entente does, seen from outside: over HTTP with a token, on both databases, one file for each stem.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::panic,
    reason = "tests"
)]

mod agreement;
mod assessment;
mod audit;
mod automation;
mod chat;
mod commission_rule;
mod connection;
mod connector;
mod contact;
mod crm;
mod customer;
mod deal;
mod deal_partner;
mod deal_registration;
mod deal_registration_chat;
mod deal_summary;
mod demo;
mod events;
mod filters;
mod identity_provider;
mod import;
mod ledger_dispute;
mod ledger_entry;
mod mail_message;
mod mapping;
mod mutations;
mod nested;
mod node;
mod oauth_client;
mod outbound_push;
mod pages;
mod partner;
mod partner_application;
mod partnership;
mod payout;
mod person;
mod preset;
mod privacy_request;
mod program;
mod raw;
mod record_timeline;
mod rest_hooks;
mod retention;
mod revenue_event;
mod salesforce;
mod scene;
mod shopify;
mod sign_in;
mod stage_guard;
mod statements;
mod subscription;
mod sync_conflict;
mod sync_failure;
mod sync_now;
mod three_systems;
mod user;
mod viewer;
mod visibility;
mod webhook_delivery;
mod webhook_endpoint;
