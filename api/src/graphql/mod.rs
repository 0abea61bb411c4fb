//! The GraphQL API: the door (admission, errors), what all stems share (pages, order, filters, edits), and one file per stem.
//!
//! A resolver parses, calls the entity's operation and maps its answer; a rule has no place here. Reads begin with
//! `Entity::visible_to(&viewer)`; a level of a query costs one statement for each field, see [`siblings`].

pub mod accrual;
pub mod admission;
pub mod agreement;
pub mod audit;
pub mod chat;
pub mod commission_rule;
pub mod commitment_year;
pub mod connection;
pub mod connector;
pub mod contact;
pub mod context;
pub mod customer;
pub mod deal;
pub mod deal_confirmation;
pub mod deal_partner;
pub mod deal_registration;
pub mod document_cache;
pub mod earning_terms;
pub mod edit;
pub mod error;
pub mod event;
pub mod filter;
pub mod identity_provider;
pub mod ledger_dispute;
pub mod ledger_entry;
pub mod list;
pub mod node;
pub mod oauth_client;
pub mod obligation;
pub mod order;
pub mod page;
pub mod partner;
pub mod partnership;
pub mod payout;
pub mod person;
pub mod privacy_request;
pub mod program;
pub mod record_timeline;
pub mod references;
pub mod revenue_event;
pub mod rows;
pub mod scalar;
pub mod schema;
pub mod siblings;
pub mod statement;
pub mod sync_conflict;
pub mod sync_failure;
pub mod sync_run;
pub mod tier;
pub mod user;
pub mod viewer;
