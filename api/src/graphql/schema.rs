//! The schema, put together from the stems.

use super::chat::ChatQuery;
use super::connection::control::ConnectionControl;
use super::connection::remap::{MappingMutation, MappingQuery};
use super::connection::{ConnectionMutation, ConnectionQuery};
use super::connector::{ConnectorMutation, ConnectorQuery};
use super::contact::{ContactMutation, ContactQuery};
use super::customer::{CustomerMutation, CustomerQuery};
use super::deal::{DealMutation, DealQuery};
use super::error::ErrorCode;
use super::event::EventQuery;
use super::node::{Node, NodeQuery};
use super::partner::{PartnerMutation, PartnerQuery};
use super::partnership::{PartnershipMutation, PartnershipQuery};
use super::privacy_request::PrivacyRequestQuery;
use super::record_timeline::RecordTimelineQuery;
use super::revenue_event::RevenueEventQuery;
use super::subscription::SubscriptionRoot;
use super::sync_conflict::{SyncConflictMutation, SyncConflictQuery};
use super::sync_failure::{SyncFailureMutation, SyncFailureQuery};
use super::sync_run::SyncRunQuery;
use super::viewer::ViewerQuery;
use super::webhook_delivery::{WebhookDeliveryMutation, WebhookDeliveryQuery};
use super::webhook_endpoint::WebhookEndpointQuery;
use super::webhook_endpoint::mutation::WebhookEndpointMutation;
use async_graphql::{MergedObject, SDLExportOptions, Schema};

/// Everything that can be asked.
#[derive(MergedObject, Default)]
pub struct Query(
    NodeQuery,
    ViewerQuery,
    PartnerQuery,
    PartnershipQuery,
    CustomerQuery,
    ContactQuery,
    DealQuery,
    RevenueEventQuery,
    ConnectorQuery,
    ConnectionQuery,
    MappingQuery,
    ChatQuery,
    SyncRunQuery,
    SyncConflictQuery,
    SyncFailureQuery,
    RecordTimelineQuery,
    PrivacyRequestQuery,
    EventQuery,
    WebhookEndpointQuery,
    WebhookDeliveryQuery,
);

/// Everything that can be changed.
#[derive(MergedObject, Default)]
pub struct Mutation(
    PartnerMutation,
    PartnershipMutation,
    CustomerMutation,
    ContactMutation,
    DealMutation,
    ConnectorMutation,
    ConnectionMutation,
    ConnectionControl,
    MappingMutation,
    SyncConflictMutation,
    SyncFailureMutation,
    WebhookEndpointMutation,
    WebhookDeliveryMutation,
);

/// The schema of the API.
pub type ApiSchema = Schema<Query, Mutation, SubscriptionRoot>;

/// Builds the schema. It has no extension: one without any hook already halves the speed of execution; what others do in
/// extensions happens around `execute`.
#[must_use]
pub fn build() -> ApiSchema {
    Schema::build(Query::default(), Mutation::default(), SubscriptionRoot)
        .register_output_type::<Node>()
        .register_output_type::<ErrorCode>()
        // The names of fields are no secret, but guesses are not to be answered with them.
        .disable_suggestions()
        .finish()
}

/// The schema as a document: the contract of the API.
#[must_use]
pub fn sdl(schema: &ApiSchema) -> String {
    let options = SDLExportOptions::new()
        .sorted_fields()
        .sorted_arguments()
        .sorted_enum_items();
    format!("{}\n", schema.sdl_with_options(options).trim_end())
}
