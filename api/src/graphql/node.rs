//! `node` and `nodes`: any row by its global id. Unknown, malformed and not yours answer alike: null.

use super::activity::Activity;
use super::agreement::Agreement;
use super::automation::Automation;
use super::commission_rule::CommissionRule;
use super::connection::Connection;
use super::contact::Contact;
use super::context::{RequestContext, request};
use super::customer::Customer;
use super::deal::Deal;
use super::deal_registration::DealRegistration;
use super::error::ErrorCode;
use super::goal::Goal;
use super::identity_provider::IdentityProvider;
use super::ledger_dispute::LedgerDispute;
use super::ledger_entry::LedgerEntry;
use super::oauth_client::OAuthClient;
use super::obligation::Obligation;
use super::partner::Partner;
use super::partner_application::PartnerApplication;
use super::partnership::Partnership;
use super::payout::Payout;
use super::privacy_request::PrivacyRequest;
use super::program::Program;
use super::revenue_event::RevenueEvent;
use super::siblings::{Group, Member};
use super::statement::Statement;
use super::sync_conflict::SyncConflict;
use super::sync_run::SyncRun;
use super::tier::Tier;
use super::user::User;
use super::webhook_endpoint::WebhookEndpoint;
use async_graphql::{Context, ID, Interface, Object, Result};
use entities::id::{
    self, ActivityId, AgreementId, AutomationId, CommissionRuleId, ConnectionId, ContactId,
    CustomerId, DealId, DealRegistrationId, GoalId, IdentityProviderId, LedgerDisputeId,
    LedgerEntryId, OAuthClientId, ObligationId, PartnerApplicationId, PartnerId, PartnershipId,
    PayoutId, PrivacyRequestId, ProgramId, RevenueEventId, StatementId, SyncConflictId, SyncRunId,
    TierId, TypedId, UserId, WebhookEndpointId,
};
use entities::viewer::Scope;
use entities::visible::{self, Visible};
use entities::{
    activity, agreement, automation, commission_rule, connection, contact, customer, deal,
    deal_registration, goal, identity_provider, ledger_dispute, ledger_entry, oauth_client,
    obligation, partner, partner_application, partnership, payout, privacy_request, program,
    revenue_event, statement, sync_conflict, sync_run, tier, user, webhook_endpoint,
};
use std::collections::HashMap;
use uuid::Uuid;

/// Anything with a global id.
#[derive(Clone, Interface)]
#[graphql(field(name = "id", ty = "ID", desc = "The global id."))]
pub enum Node {
    /// A partner.
    Partner(Partner),
    /// A partnership.
    Partnership(Partnership),
    /// A contact.
    Contact(Contact),
    /// A customer.
    Customer(Customer),
    /// A deal.
    Deal(Deal),
    /// Money that came or went back.
    RevenueEvent(RevenueEvent),
    /// A partner's claim on an account.
    DealRegistration(DealRegistration),
    /// A company's wish to take part in a programme.
    PartnerApplication(PartnerApplication),
    /// Something that was done with a partner.
    Activity(Activity),
    /// Something the programme wants to reach.
    Goal(Goal),
    /// A programme.
    Program(Program),
    /// A step of a programme.
    Tier(Tier),
    /// What a programme or a type of partnership earns by.
    CommissionRule(CommissionRule),
    /// An agreement.
    Agreement(Agreement),
    /// What an agreement asks for.
    Obligation(Obligation),
    /// An entry of the ledger.
    LedgerEntry(LedgerEntry),
    /// What a partner's ledger said at the end of a period.
    Statement(Statement),
    /// An objection to an entry.
    LedgerDispute(LedgerDispute),
    /// A payment to a partner.
    Payout(Payout),
    /// A connection.
    Connection(Connection),
    /// A synchronisation run.
    SyncRun(SyncRun),
    /// A conflict.
    SyncConflict(SyncConflict),
    /// A wish under the law on personal data.
    PrivacyRequest(PrivacyRequest),
    /// Where a subscriber wants to hear.
    WebhookEndpoint(WebhookEndpoint),
    /// What is done when something happens.
    Automation(Automation),
    /// A person who signs in.
    User(User),
    /// Software that asks for tokens.
    OAuthClient(OAuthClient),
    /// Where a partner's people sign in.
    IdentityProvider(IdentityProvider),
}

/// The most ids of one `nodes`.
const MAX_IDS: usize = 100;

/// The visible rows of one kind among these ids, read by one statement and standing in one group: what hangs on them is read together.
async fn rows<E: Visible>(
    request: &RequestContext,
    scope: Scope,
    ids: &[Uuid],
    id: fn(&E::Model) -> Uuid,
    node: fn(Member<E::Model>) -> Node,
    found: &mut HashMap<Uuid, Node>,
) -> Result<()>
where
    E::Model: Send + Sync,
{
    // A row of a kind the token may not read is as invisible as one that does not exist.
    if ids.is_empty() || !request.viewer.may(scope) {
        return Ok(());
    }
    let group = Group::new(
        visible::find_all::<E, _>(
            request.database.read(),
            &request.viewer,
            ids.iter().copied(),
        )
        .await?,
    );
    for (index, row) in group.rows().iter().enumerate() {
        found.extend(Member::of(&group, index).map(|member| (id(row), node(member))));
    }
    Ok(())
}

/// The rows of these ids, in their order.
pub(crate) async fn find(request: &RequestContext, ids: &[ID]) -> Result<Vec<Option<Node>>> {
    let parsed: Vec<Option<(String, Uuid)>> = ids.iter().map(|id| id::parse_any(id).ok()).collect();
    let of = |prefix: &str| {
        parsed
            .iter()
            .flatten()
            .filter(|(kind, _)| kind == prefix)
            .map(|(_, uuid)| *uuid)
            .collect::<Vec<_>>()
    };
    let mut found: HashMap<&str, HashMap<Uuid, Node>> = HashMap::new();
    macro_rules! kind {
        ($id:ty, $stem:ident, $node:ident, $scope:expr) => {
            let prefix = <$id as TypedId>::PREFIX;
            rows::<$stem::Entity>(
                request,
                $scope,
                &of(prefix),
                |row| row.id.0,
                |member| Node::from($node(member)),
                found.entry(prefix).or_default(),
            )
            .await?;
        };
    }
    kind!(PartnerId, partner, Partner, Scope::PartnersRead);
    kind!(PartnershipId, partnership, Partnership, Scope::PartnersRead);
    kind!(ContactId, contact, Contact, Scope::PartnersRead);
    kind!(CustomerId, customer, Customer, Scope::PartnersRead);
    kind!(DealId, deal, Deal, Scope::DealsRead);
    kind!(
        RevenueEventId,
        revenue_event,
        RevenueEvent,
        Scope::DealsRead
    );
    kind!(
        DealRegistrationId,
        deal_registration,
        DealRegistration,
        Scope::RegistrationsRead
    );
    kind!(
        PartnerApplicationId,
        partner_application,
        PartnerApplication,
        Scope::PartnersRead
    );
    kind!(ActivityId, activity, Activity, Scope::PartnersRead);
    kind!(GoalId, goal, Goal, Scope::PartnersRead);
    kind!(ProgramId, program, Program, Scope::PartnersRead);
    kind!(TierId, tier, Tier, Scope::PartnersRead);
    kind!(
        CommissionRuleId,
        commission_rule,
        CommissionRule,
        Scope::AgreementsRead
    );
    kind!(AgreementId, agreement, Agreement, Scope::AgreementsRead);
    kind!(ObligationId, obligation, Obligation, Scope::AgreementsRead);
    kind!(
        LedgerEntryId,
        ledger_entry,
        LedgerEntry,
        Scope::EarningsRead
    );
    kind!(StatementId, statement, Statement, Scope::EarningsRead);
    kind!(
        LedgerDisputeId,
        ledger_dispute,
        LedgerDispute,
        Scope::EarningsRead
    );
    kind!(PayoutId, payout, Payout, Scope::EarningsRead);
    kind!(
        ConnectionId,
        connection,
        Connection,
        Scope::IntegrationsRead
    );
    kind!(SyncRunId, sync_run, SyncRun, Scope::IntegrationsRead);
    kind!(
        SyncConflictId,
        sync_conflict,
        SyncConflict,
        Scope::IntegrationsRead
    );
    kind!(
        PrivacyRequestId,
        privacy_request,
        PrivacyRequest,
        Scope::Admin
    );
    kind!(AutomationId, automation, Automation, Scope::WebhooksManage);
    kind!(
        WebhookEndpointId,
        webhook_endpoint,
        WebhookEndpoint,
        Scope::WebhooksManage
    );
    kind!(UserId, user, User, Scope::UsersManage);
    kind!(
        OAuthClientId,
        oauth_client,
        OAuthClient,
        Scope::ClientsManage
    );
    kind!(
        IdentityProviderId,
        identity_provider,
        IdentityProvider,
        Scope::UsersManage
    );
    let get = |(prefix, uuid): (String, Uuid)| {
        found
            .get(prefix.as_str())
            .and_then(|rows| rows.get(&uuid))
            .cloned()
    };
    Ok(parsed.into_iter().map(|id| id.and_then(get)).collect())
}

/// Queries by global id.
#[derive(Default)]
pub struct NodeQuery;

#[Object]
impl NodeQuery {
    /// The row with this id; null when there is none that you may see.
    async fn node(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The global id.")] id: ID,
    ) -> Result<Option<Node>> {
        Ok(find(request(ctx)?, &[id])
            .await?
            .into_iter()
            .next()
            .flatten())
    }

    /// The rows with these ids, in the same order; null for each that is none that you may see.
    async fn nodes(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The global ids, at most 100.")] ids: Vec<ID>,
    ) -> Result<Vec<Option<Node>>> {
        if ids.len() > MAX_IDS {
            return Err(ErrorCode::BadUserInput.error(format!("At most {MAX_IDS} ids.")));
        }
        find(request(ctx)?, &ids).await
    }
}
