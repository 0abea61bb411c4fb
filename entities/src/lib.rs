//! What exists in a partner programme, its laws, and what may be done to it.
//!
//! This crate owns the tables' rows, their state machines, their invariants and the operations on them. It knows no HTTP, no
//! vendor and no environment: time, chance and the database are handed in. Reading begins with [`visible::Visible`], writing
//! with [`change::Change`]; there is no third way.

mod among;
pub mod chance;
pub mod change;
pub mod clock;
pub mod database;
pub mod diff;
pub mod domain_name;
pub mod error;
pub mod event;
pub mod id;
pub mod money;
pub mod positional;
mod queue;
pub mod reader;
pub mod viewer;
pub mod visible;
mod write;

pub mod contact;
pub mod customer;
pub mod deal;
pub mod deal_confirmation;
pub mod deal_partner;
pub mod partner;
pub mod partnership;
pub mod revenue_event;

pub mod authorization_request;
pub mod chat_message;
pub mod chat_post;
pub mod connect_ticket;
pub mod connection;
pub mod event_reader;
pub mod event_retention;
pub mod external_link;
pub mod idempotency_key;
pub mod inbound_signal;
pub mod inbound_webhook;
pub mod outbound_push;
pub mod pending_link;
pub mod privacy_request;
pub mod signing_key;
pub mod sync_conflict;
pub mod sync_cursor;
pub mod sync_run;
pub mod sync_seen;

pub mod webhook_delivery;
pub mod webhook_endpoint;
