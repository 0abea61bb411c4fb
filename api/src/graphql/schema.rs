//! The schema, put together from the stems.

use super::accrual::{AccrualMutation, AccrualQuery};
use super::agreement::{AgreementMutation, AgreementQuery, ExclusivityQuery};
use super::audit::AuditQuery;
use super::chat::ChatQuery;
use super::commission_rule::{
    CommissionRuleMutation, CommissionRuleQuery, CommissionSimulationQuery,
};
use super::connection::control::ConnectionControl;
use super::connection::remap::{MappingMutation, MappingQuery};
use super::connection::{ConnectionMutation, ConnectionQuery};
use super::connector::{ConnectorMutation, ConnectorQuery};
use super::contact::{ContactMutation, ContactQuery};
use super::customer::{CustomerMutation, CustomerQuery};
use super::deal::{DealMutation, DealQuery};
use super::deal_registration::{
    AccountCheckMutation, DealRegistrationMutation, DealRegistrationQuery,
    RegistrationConflictQuery, RegistrationDecisionMutation,
};
use super::error::ErrorCode;
use super::event::EventQuery;
use super::identity_provider::{IdentityProviderMutation, IdentityProviderQuery};
use super::ledger_dispute::{LedgerDisputeMutation, LedgerDisputeQuery};
use super::ledger_entry::{ExplanationQuery, LedgerEntryMutation, LedgerEntryQuery};
use super::node::{Node, NodeQuery};
use super::oauth_client::{OAuthClientMutation, OAuthClientQuery};
use super::obligation::{ObligationMutation, ObligationQuery};
use super::partner::{PartnerMutation, PartnerQuery};
use super::partnership::{PartnershipMutation, PartnershipQuery};
use super::payout::{PayoutExportQuery, PayoutMutation, PayoutQuery};
use super::person::PersonMutation;
use super::privacy_request::PrivacyRequestQuery;
use super::program::{ProgramMutation, ProgramQuery};
use super::record_timeline::RecordTimelineQuery;
use super::revenue_event::{RevenueEventMutation, RevenueEventQuery};
use super::statement::{StatementMutation, StatementQuery};
use super::sync_conflict::{SyncConflictMutation, SyncConflictQuery};
use super::sync_failure::{SyncFailureMutation, SyncFailureQuery};
use super::sync_run::SyncRunQuery;
use super::tier::TierMutation;
use super::user::{UserMutation, UserQuery};
use super::viewer::ViewerQuery;
use async_graphql::{EmptySubscription, MergedObject, SDLExportOptions, Schema};

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
    DealRegistrationQuery,
    RegistrationConflictQuery,
    ProgramQuery,
    CommissionRuleQuery,
    CommissionSimulationQuery,
    AgreementQuery,
    ExclusivityQuery,
    ObligationQuery,
    LedgerEntryQuery,
    ExplanationQuery,
    AccrualQuery,
    StatementQuery,
    LedgerDisputeQuery,
    PayoutQuery,
    PayoutExportQuery,
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
    AuditQuery,
    UserQuery,
    OAuthClientQuery,
    IdentityProviderQuery,
);

/// Everything that can be changed.
#[derive(MergedObject, Default)]
pub struct Mutation(
    PartnerMutation,
    PartnershipMutation,
    CustomerMutation,
    ContactMutation,
    DealMutation,
    DealRegistrationMutation,
    RegistrationDecisionMutation,
    AccountCheckMutation,
    RevenueEventMutation,
    ProgramMutation,
    TierMutation,
    CommissionRuleMutation,
    AgreementMutation,
    ObligationMutation,
    LedgerEntryMutation,
    AccrualMutation,
    StatementMutation,
    LedgerDisputeMutation,
    PayoutMutation,
    ConnectorMutation,
    ConnectionMutation,
    ConnectionControl,
    MappingMutation,
    SyncConflictMutation,
    SyncFailureMutation,
    UserMutation,
    OAuthClientMutation,
    IdentityProviderMutation,
    PersonMutation,
);

/// The schema of the API.
pub type ApiSchema = Schema<Query, Mutation, EmptySubscription>;

/// Builds the schema. It has no extension: one without any hook already halves the speed of execution; what others do in
/// extensions happens around `execute`.
#[must_use]
pub fn build() -> ApiSchema {
    Schema::build(Query::default(), Mutation::default(), EmptySubscription)
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
