//! The GraphQL API: the door (admission, errors), what all stems share (pages, order, filters, edits), and one file per stem.
//!
//! A resolver parses, calls the entity's operation and maps its answer; a rule has no place here. Reads begin with
//! `Entity::visible_to(&viewer)`; a level of a query costs one statement for each field, see [`siblings`].

pub mod admission;
pub mod chat;
pub mod connection;
pub mod connector;
pub mod contact;
pub mod context;
pub mod customer;
pub mod deal;
pub mod deal_confirmation;
pub mod deal_partner;
pub mod document_cache;
pub mod edit;
pub mod error;
pub mod event;
pub mod filter;
pub mod list;
pub mod node;
pub mod order;
pub mod page;
pub mod partner;
pub mod partnership;
pub mod privacy_request;
pub mod record_timeline;
pub mod revenue_event;
pub mod rows;
pub mod scalar;
pub mod schema;
pub mod siblings;
pub mod subscription;
pub mod sync_conflict;
pub mod sync_failure;
pub mod sync_run;
pub mod viewer;
pub mod webhook_delivery;
pub mod webhook_endpoint;
