//! The schema, put together from the stems.

use super::accrual::{AccrualMutation, AccrualQuery};
use super::activity::{ActivityMutation, ActivityQuery};
use super::agreement::{AgreementMutation, AgreementQuery, ExclusivityQuery};
use super::assessment::{AssessmentMutation, AssessmentQuery};
use super::audit::AuditQuery;
use super::automation::AutomationQuery;
use super::automation::mutation::AutomationMutation;
use super::automation::run::AutomationRunQuery;
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
use super::goal::{GoalMutation, GoalQuery};
use super::identity_provider::{IdentityProviderMutation, IdentityProviderQuery};
use super::ledger_dispute::{LedgerDisputeMutation, LedgerDisputeQuery};
use super::ledger_entry::{ExplanationQuery, LedgerEntryMutation, LedgerEntryQuery};
use super::mail_message::{MailMessageMutation, MailMessageQuery};
use super::node::{Node, NodeQuery};
use super::oauth_client::{OAuthClientMutation, OAuthClientQuery};
use super::obligation::{ObligationMutation, ObligationQuery};
use super::onboarding::{OnboardingMutation, OnboardingQuery};
use super::partner::{PartnerMutation, PartnerQuery};
use super::partner_application::{
    ApplicationDecisionMutation, PartnerApplicationMutation, PartnerApplicationQuery,
};
use super::partnership::{PartnershipMutation, PartnershipQuery, StageGuardQuery};
use super::payout::{PayoutExportQuery, PayoutMutation, PayoutQuery};
use super::person::PersonMutation;
use super::privacy_request::PrivacyRequestQuery;
use super::program::{ProgramMutation, ProgramQuery};
use super::record_timeline::RecordTimelineQuery;
use super::revenue_event::{RevenueEventMutation, RevenueEventQuery};
use super::statement::{StatementMutation, StatementQuery};
use super::subscription::SubscriptionRoot;
use super::sync_conflict::{SyncConflictMutation, SyncConflictQuery};
use super::sync_failure::{SyncFailureMutation, SyncFailureQuery};
use super::sync_run::SyncRunQuery;
use super::tier::TierMutation;
use super::user::{ChatAccountMutation, UserMutation, UserQuery};
use super::viewer::ViewerQuery;
use super::webhook_delivery::{WebhookDeliveryMutation, WebhookDeliveryQuery};
use super::webhook_endpoint::WebhookEndpointQuery;
use super::webhook_endpoint::mutation::WebhookEndpointMutation;
use async_graphql::{MergedObject, SDLExportOptions, Schema};

// In groups: the library looks a field up one stem after another, each within the one before, and forty of them would need a stack of forty.

/// Who takes part, and in what.
#[derive(MergedObject, Default)]
pub struct RowQueries(
    PartnerQuery,
    PartnershipQuery,
    CustomerQuery,
    ContactQuery,
    DealQuery,
    RevenueEventQuery,
);

/// How partnerships come about, and what for.
#[derive(MergedObject, Default)]
pub struct PipelineQueries(
    PartnerApplicationQuery,
    AssessmentQuery,
    ActivityQuery,
    OnboardingQuery,
    StageGuardQuery,
    GoalQuery,
);

/// What is agreed and claimed.
#[derive(MergedObject, Default)]
pub struct CommitmentQueries(
    DealRegistrationQuery,
    RegistrationConflictQuery,
    ProgramQuery,
    AgreementQuery,
    ExclusivityQuery,
    ObligationQuery,
);

/// What is earned and paid.
#[derive(MergedObject, Default)]
pub struct MoneyQueries(
    CommissionRuleQuery,
    CommissionSimulationQuery,
    LedgerEntryQuery,
    ExplanationQuery,
    AccrualQuery,
    StatementQuery,
    LedgerDisputeQuery,
    PayoutQuery,
    PayoutExportQuery,
);

/// What is connected, and how it goes.
#[derive(MergedObject, Default)]
pub struct SyncQueries(
    ConnectorQuery,
    ConnectionQuery,
    MappingQuery,
    ChatQuery,
    SyncRunQuery,
    SyncConflictQuery,
    SyncFailureQuery,
    RecordTimelineQuery,
    WebhookEndpointQuery,
    WebhookDeliveryQuery,
    AutomationQuery,
    AutomationRunQuery,
);

/// Who comes in, and what happened.
#[derive(MergedObject, Default)]
pub struct AccessQueries(
    PrivacyRequestQuery,
    EventQuery,
    AuditQuery,
    UserQuery,
    OAuthClientQuery,
    IdentityProviderQuery,
    MailMessageQuery,
);

/// Everything that can be asked.
#[derive(MergedObject, Default)]
pub struct Query(
    NodeQuery,
    ViewerQuery,
    RowQueries,
    PipelineQueries,
    CommitmentQueries,
    MoneyQueries,
    SyncQueries,
    AccessQueries,
);

/// Who takes part, and in what.
#[derive(MergedObject, Default)]
pub struct RowMutations(
    PartnerMutation,
    PartnershipMutation,
    CustomerMutation,
    ContactMutation,
    DealMutation,
    RevenueEventMutation,
);

/// How partnerships come about, and what for.
#[derive(MergedObject, Default)]
pub struct PipelineMutations(
    PartnerApplicationMutation,
    ApplicationDecisionMutation,
    AssessmentMutation,
    ActivityMutation,
    OnboardingMutation,
    GoalMutation,
);

/// What is agreed and claimed.
#[derive(MergedObject, Default)]
pub struct CommitmentMutations(
    DealRegistrationMutation,
    RegistrationDecisionMutation,
    AccountCheckMutation,
    ProgramMutation,
    TierMutation,
    AgreementMutation,
    ObligationMutation,
);

/// What is earned and paid.
#[derive(MergedObject, Default)]
pub struct MoneyMutations(
    CommissionRuleMutation,
    LedgerEntryMutation,
    AccrualMutation,
    StatementMutation,
    LedgerDisputeMutation,
    PayoutMutation,
);

/// What is connected.
#[derive(MergedObject, Default)]
pub struct SyncMutations(
    ConnectorMutation,
    ConnectionMutation,
    ConnectionControl,
    MappingMutation,
    SyncConflictMutation,
    SyncFailureMutation,
    WebhookEndpointMutation,
    WebhookDeliveryMutation,
    AutomationMutation,
);

/// Who comes in.
#[derive(MergedObject, Default)]
pub struct AccessMutations(
    UserMutation,
    ChatAccountMutation,
    OAuthClientMutation,
    IdentityProviderMutation,
    PersonMutation,
    MailMessageMutation,
);

/// Everything that can be changed.
#[derive(MergedObject, Default)]
pub struct Mutation(
    RowMutations,
    PipelineMutations,
    CommitmentMutations,
    MoneyMutations,
    SyncMutations,
    AccessMutations,
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
