//! What exists in a partner programme, its laws, and what may be done to it.
//!
//! This crate owns the tables' rows, their state machines, their invariants and the operations on them. It knows no HTTP, no
//! vendor and no environment: time, chance and the database are handed in. Reading begins with [`visible::Visible`], writing
//! with [`change::Change`]; there is no third way.

pub mod accrual;
mod among;
pub mod calendar;
pub mod chance;
pub mod change;
pub mod clock;
pub mod database;
pub mod diff;
pub mod domain_name;
pub mod error;
pub mod event;
pub mod id;
pub mod management;
pub mod money;
pub mod positional;
mod queue;
pub mod reader;
pub mod secret;
mod text_enum;
mod turn;
pub mod viewer;
pub mod visible;
mod write;

pub mod agreement;
pub mod agreement_signature;
pub mod agreement_version;
pub mod commission_rule;
pub mod commission_run;
pub mod commitment_year;
pub mod contact;
pub mod customer;
pub mod daily;
pub mod deal;
pub mod deal_confirmation;
pub mod deal_partner;
pub mod deal_registration;
pub mod ledger_dispute;
pub mod ledger_entry;
pub mod obligation;
pub mod partner;
pub mod partnership;
pub mod payout;
pub mod preset;
pub mod program;
pub mod program_enrollment;
pub mod registration_note;
pub mod registration_press;
pub mod revenue_accrual;
pub mod revenue_event;
pub mod revenue_reversal;
pub mod revenue_share;
pub mod sla_measurement;
pub mod statement;
pub mod tier;
pub mod tier_assignment;

pub mod audit_link;
pub mod audit_trail;
pub mod authorization_code;
pub mod authorization_request;
pub mod chat_message;
pub mod chat_post;
pub mod chat_user;
pub mod client_assertion;
pub mod connect_ticket;
pub mod connection;
pub mod event_reader;
pub mod event_retention;
pub mod external_link;
pub mod idempotency_key;
pub mod inbound_signal;
pub mod inbound_webhook;
pub mod oauth_client;
pub mod oauth_grant;
pub mod outbound_push;
pub mod pending_link;
pub mod person;
pub mod privacy_request;
pub mod refresh_token;
pub mod signing_key;
pub mod sync_conflict;
pub mod sync_cursor;
pub mod sync_run;
pub mod sync_seen;
pub mod token_revocation;

pub mod failed_attempt;
pub mod identity_provider;
pub mod session;
pub mod sign_in_request;
pub mod user;
pub mod user_identity;
pub mod user_ticket;

pub mod automation;
pub mod automation_run;
pub mod mail_message;
pub mod webhook_delivery;
pub mod webhook_endpoint;
