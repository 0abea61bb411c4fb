//! The event log: what happened, in an order that a reader can follow without gaps.
//!
//! Every change writes its events in its own transaction; nothing else feeds the audit trail, webhooks or pushes. Personal
//! values of contacts are never written into it, only which fields changed, so that erasing a person leaves the log intact.
//!
//! **Order.** `seq` is given out before the commit, so on PostgreSQL a higher number may become visible before a lower one. A
//! reader that remembered only `seq` would skip rows. Each row therefore stores its writer's transaction id, and a reader
//! orders by (transaction, seq) and stops at the horizon: the oldest transaction still running. Everything below it is
//! final. SQLite has one writer, its transactions commit in order, and the position is constant.
//!
//! **Epoch.** Transaction ids begin anew when a logical backup is restored into another cluster. The position therefore is
//! `epoch << 48 | transaction id`, and the epoch rises when the cluster under the data is another one than before.

use crate::change::{Author, Origin};
use crate::clock::Timestamp;
use crate::database::Database;
use crate::deal_partner;
use crate::error::{Error, Result};
use crate::id::{ConnectionId, EventId, PartnerId, TypedId};
use crate::viewer::Viewer;
use crate::visible::{Own, Visible, nothing};
use crate::write;
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::{Alias, Condition, Expr, ExprTrait as _, Query, SimpleExpr};
use sea_orm::{DatabaseTransaction, FromQueryResult, QueryOrder, QuerySelect};
use serde_json::Value as Json;
use uuid::Uuid;

macro_rules! event_kinds {
    ($($name:ident = $text:literal,)*) => {
        /// What happened. The text is the event type of the API and of webhooks.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[expect(missing_docs, reason = "the text beside each name says it")]
        pub enum EventKind { $($name,)* }

        impl EventKind {
            /// Every kind.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The event type, `noun.past_tense`.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

event_kinds! {
    UserInvited = "user.invited",
    UserInvitedElsewhere = "user.invited_elsewhere",
    UserActivated = "user.activated",
    UserUpdated = "user.updated",
    UserRoleChanged = "user.role_changed",
    UserDisabled = "user.disabled",
    UserChatLinked = "user.chat_linked",
    UserChatUnlinked = "user.chat_unlinked",
    UserEnabled = "user.enabled",
    UserErased = "user.erased",
    UserPasswordChanged = "user.password_changed",
    UserPasswordResetRequested = "user.password_reset_requested",
    UserIdentityLinked = "user.identity_linked",
    SessionStarted = "session.started",
    SessionEnded = "session.ended",
    SessionRefused = "session.refused",
    SessionLockedOut = "session.locked_out",
    IdentityProviderSet = "identity_provider.set",
    IdentityProviderRemoved = "identity_provider.removed",
    OAuthClientCreated = "oauth_client.created",
    OAuthClientUpdated = "oauth_client.updated",
    OAuthClientSecretRotated = "oauth_client.secret_rotated",
    OAuthClientDisabled = "oauth_client.disabled",
    OAuthClientEnabled = "oauth_client.enabled",
    OAuthClientRefused = "oauth_client.refused",
    OAuthGrantCreated = "oauth_grant.created",
    OAuthGrantRefused = "oauth_grant.refused",
    OAuthGrantRevoked = "oauth_grant.revoked",
    OAuthGrantReused = "oauth_grant.reuse_detected",
    OAuthTokenIssued = "oauth_token.issued",
    OAuthTokenRevoked = "oauth_token.revoked",
    SigningKeyRotated = "signing_key.rotated",
    PersonExported = "person.exported",
    PersonErased = "person.erased",
    PartnerCreated = "partner.created",
    PartnerUpdated = "partner.updated",
    PartnerArchived = "partner.archived",
    PartnerRestored = "partner.restored",
    PartnerSuspended = "partner.suspended",
    PartnerTerminated = "partner.terminated",
    ContactCreated = "contact.created",
    ContactUpdated = "contact.updated",
    ContactArchived = "contact.archived",
    ContactRestored = "contact.restored",
    ContactErased = "contact.erased",
    CustomerCreated = "customer.created",
    CustomerUpdated = "customer.updated",
    CustomerArchived = "customer.archived",
    CustomerRestored = "customer.restored",
    PartnershipCreated = "partnership.created",
    PartnershipUpdated = "partnership.updated",
    PartnershipStageChanged = "partnership.stage_changed",
    PartnershipStatusChanged = "partnership.status_changed",
    PartnershipGuardOverridden = "partnership.guard_overridden",
    ActivityRecorded = "activity.recorded",
    ChecklistPublished = "checklist.published",
    OnboardingBegun = "onboarding.begun",
    OnboardingTaskUpdated = "onboarding.task_updated",
    OnboardingTaskCompleted = "onboarding.task_completed",
    OnboardingCompleted = "onboarding.completed",
    GoalSet = "goal.set",
    GoalUpdated = "goal.updated",
    DealCreated = "deal.created",
    DealUpdated = "deal.updated",
    DealStageChanged = "deal.stage_changed",
    DealWon = "deal.won",
    DealLost = "deal.lost",
    DealReopened = "deal.reopened",
    DealAttributed = "deal.attributed",
    DealOwnerErased = "deal.owner_erased",
    DealOutcomeConfirmed = "deal.outcome_confirmed",
    DealOutcomeDisputed = "deal.outcome_disputed",
    DealArchived = "deal.archived",
    DealRestored = "deal.restored",
    RevenueRecorded = "revenue.recorded",
    RevenueRefunded = "revenue.refunded",
    RevenueAttributed = "revenue.attributed",
    ProgramCreated = "program.created",
    ProgramUpdated = "program.updated",
    ProgramEnrolled = "program.enrolled",
    TierCreated = "tier.created",
    TierUpdated = "tier.updated",
    TierAssigned = "tier.assigned",
    CommissionRulePublished = "commission_rule.published",
    AgreementCreated = "agreement.created",
    AgreementUpdated = "agreement.updated",
    AgreementStatusChanged = "agreement.status_changed",
    AgreementSigned = "agreement.signed",
    AgreementActivated = "agreement.activated",
    AgreementAmended = "agreement.amended",
    AgreementRenewed = "agreement.renewed",
    AgreementNoticeGiven = "agreement.notice_given",
    AgreementExpiring = "agreement.expiring",
    AgreementExpired = "agreement.expired",
    AgreementTerminated = "agreement.terminated",
    AgreementSuperseded = "agreement.superseded",
    AgreementSlaMeasured = "agreement.sla_measured",
    ObligationDue = "obligation.due",
    ObligationClosed = "obligation.closed",
    CommitmentMet = "commitment.met",
    CommitmentAtRisk = "commitment.at_risk",
    CommitmentMissed = "commitment.missed",
    CommissionCreated = "commission.created",
    CommissionApproved = "commission.approved",
    CommissionHeld = "commission.held",
    CommissionReleased = "commission.released",
    CommissionVoided = "commission.voided",
    CommissionAdjusted = "commission.adjusted",
    CommissionClawedBack = "commission.clawed_back",
    CommissionDisputed = "commission.disputed",
    CommissionDisputeResolved = "commission.dispute_resolved",
    StatementFinalized = "statement.finalized",
    PayoutCreated = "payout.created",
    PayoutApproved = "payout.approved",
    PayoutProcessing = "payout.processing",
    PayoutPaid = "payout.paid",
    PayoutFailed = "payout.failed",
    PayoutCancelled = "payout.cancelled",
    RegistrationCreated = "deal_registration.created",
    RegistrationUpdated = "deal_registration.updated",
    RegistrationSubmitted = "deal_registration.submitted",
    RegistrationUnderReview = "deal_registration.under_review",
    RegistrationInfoRequested = "deal_registration.info_requested",
    RegistrationApproved = "deal_registration.approved",
    RegistrationRejected = "deal_registration.rejected",
    RegistrationDuplicate = "deal_registration.duplicate",
    RegistrationConflicted = "deal_registration.conflicted",
    RegistrationExtended = "deal_registration.extended",
    RegistrationExpiring = "deal_registration.expiring",
    RegistrationExpired = "deal_registration.expired",
    RegistrationWithdrawn = "deal_registration.withdrawn",
    RegistrationConverted = "deal_registration.converted",
    RegistrationNoted = "deal_registration.noted",
    ApplicationSubmitted = "partner_application.submitted",
    ApplicationInReview = "partner_application.in_review",
    ApplicationInformationRequested = "partner_application.information_requested",
    ApplicationAnswered = "partner_application.answered",
    ApplicationApproved = "partner_application.approved",
    ApplicationRefused = "partner_application.refused",
    ApplicationWithdrawn = "partner_application.withdrawn",
    ApplicationExpired = "partner_application.expired",
    ApplicationAssessmentOverridden = "partner_application.assessment_overridden",
    ApplicationErased = "partner_application.contact_erased",
    AssessmentSchemePublished = "assessment_scheme.published",
    AssessmentRecorded = "assessment.recorded",
    PrivacyRequested = "privacy.requested",
    PrivacyCompleted = "privacy.completed",
    ConnectionConnected = "connection.connected",
    ConnectionDegraded = "connection.degraded",
    ConnectionReauthRequired = "connection.reauth_required",
    ConnectionPaused = "connection.paused",
    ConnectionResumed = "connection.resumed",
    ConnectionDisconnected = "connection.disconnected",
    ConnectionMappingChanged = "connection.mapping_changed",
    ConnectionSubscriptionsRestored = "connection.subscriptions_restored",
    SyncCompleted = "sync.completed",
    SyncFailed = "sync.failed",
    SyncConflict = "sync.conflict",
    SyncConflictResolved = "sync.conflict_resolved",
    SyncPushFailed = "sync.push_failed",
    SyncDrift = "sync.drift",
    SyncHeld = "sync.held",
    WebhookEndpointCreated = "webhook_endpoint.created",
    WebhookEndpointUpdated = "webhook_endpoint.updated",
    WebhookEndpointSecretRotated = "webhook_endpoint.secret_rotated",
    WebhookEndpointPaused = "webhook_endpoint.paused",
    WebhookEndpointResumed = "webhook_endpoint.resumed",
    WebhookEndpointDisabled = "webhook_endpoint.disabled",
    WebhookEndpointDeleted = "webhook_endpoint.deleted",
    AutomationCreated = "automation.created",
    AutomationUpdated = "automation.updated",
    AutomationEnabled = "automation.enabled",
    AutomationDisabled = "automation.disabled",
    AutomationDeleted = "automation.deleted",
    LogPruned = "log.pruned",
}

/// What the kinds of the audit trail begin with: who came in, who was refused, who may do what, and what has left the log. They are for administrators and auditors.
const AUDITED: [&str; 9] = [
    "user.",
    "session.",
    "identity_provider.",
    "oauth_client.",
    "oauth_grant.",
    "oauth_token.",
    "signing_key.",
    "person.",
    "log.",
];

impl EventKind {
    /// Whether events of this kind are the audit trail's, and for administrators and auditors only.
    #[must_use]
    pub fn is_audit(self) -> bool {
        AUDITED.iter().any(|noun| self.as_str().starts_with(noun))
    }
}

/// The kinds of the audit trail.
fn audit_kinds() -> impl Iterator<Item = &'static str> {
    EventKind::ALL
        .iter()
        .filter(|kind| kind.is_audit())
        .map(|kind| kind.as_str())
}

/// One row of the log.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "event")]
pub struct Model {
    /// Given out by the database, rising.
    #[sea_orm(primary_key)]
    pub seq: i64,
    /// The public id.
    pub id: EventId,
    /// `epoch << 48 | transaction id`.
    pub position: i64,
    /// The event type.
    pub kind: String,
    /// Where the change came from.
    pub origin: Origin,
    /// Who made it.
    pub actor: String,
    /// The connection it came by.
    pub connection_id: Option<ConnectionId>,
    /// The kind of row it is about: an id prefix.
    pub subject_kind: String,
    /// The row it is about.
    pub subject_id: Uuid,
    /// The one partner it concerns, if it is one.
    pub partner_id: Option<PartnerId>,
    /// Not for partners, whatever it is about.
    pub internal: bool,
    /// What changed: `{"field": {"from": …, "to": …}}`, or the facts of a happening.
    pub data: Json,
    /// When.
    pub occurred_at: Timestamp,
}

/// The log refers to rows by kind and id, not by foreign keys: it outlives them.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Model {
    /// Whether it is the audit trail's.
    #[must_use]
    pub fn is_audit(&self) -> bool {
        AUDITED.iter().any(|noun| self.kind.starts_with(noun))
    }
}

impl Visible for Entity {
    /// Staff sees every event but those of the audit trail, which are for administrators and auditors.
    fn visibility(viewer: &Viewer) -> Option<Condition> {
        match viewer.own() {
            Some(own) => Some(Self::visible_to_partner(own)),
            None if viewer.sees_audit() => None,
            None if viewer.sees_internal() => {
                Some(Condition::all().add(Column::Kind.is_not_in(audit_kinds())))
            }
            None => Some(nothing()),
        }
    }

    fn visible_to_partner(own: Own) -> Condition {
        let own_deals = Query::select()
            .column(deal_partner::Column::DealId)
            .from(deal_partner::Entity)
            .and_where(own.holds((deal_partner::Entity, deal_partner::Column::PartnerId)))
            .to_owned();
        Condition::all().add(Column::Internal.eq(false)).add(
            Condition::any()
                .add(own.holds((Entity, Column::PartnerId)))
                .add(
                    Condition::all()
                        .add(Column::PartnerId.is_null())
                        .add(Column::SubjectKind.eq(<crate::id::DealId as TypedId>::PREFIX))
                        .add(Column::SubjectId.in_subquery(own_deals)),
                ),
        )
    }
}

/// An event about to be written.
#[derive(Clone, Debug)]
pub struct NewEvent {
    kind: EventKind,
    subject_kind: &'static str,
    subject_id: Uuid,
    partner_id: Option<PartnerId>,
    internal: bool,
    data: Json,
}

impl NewEvent {
    /// An event about a row, with what changed.
    pub fn about<T: TypedId>(kind: EventKind, subject: T, data: Json) -> Self {
        Self {
            kind,
            subject_kind: T::PREFIX,
            subject_id: subject.uuid(),
            partner_id: None,
            internal: false,
            data,
        }
    }

    /// The partner it concerns.
    #[must_use]
    pub const fn for_partner(mut self, partner: PartnerId) -> Self {
        self.partner_id = Some(partner);
        self
    }

    /// Keeps it from partners.
    #[must_use]
    pub const fn internal(mut self) -> Self {
        self.internal = true;
        self
    }
}

/// What is written of an event; the number within the log comes by itself. On PostgreSQL the position is that of the transaction in its epoch.
const WRITTEN: [write::Column; 12] = [
    write::Column::plain("id"),
    write::Column::computed("position", "::bigint + pg_current_xact_id()::text::bigint"),
    write::Column::plain("kind"),
    write::Column::plain("origin"),
    write::Column::plain("actor"),
    write::Column::plain("connection_id"),
    write::Column::plain("subject_kind"),
    write::Column::plain("subject_id"),
    write::Column::plain("partner_id"),
    write::Column::plain("internal"),
    write::Column::json("data"),
    write::Column::plain("occurred_at"),
];

pub(crate) async fn insert(
    transaction: &DatabaseTransaction,
    database: &Database,
    author: &Author,
    now: Timestamp,
    events: &[NewEvent],
) -> Result<()> {
    let base = database.epoch() << 48;
    let values = events.iter().map(|event| {
        Ok([
            database.ids().next::<EventId>(now).into(),
            base.into(),
            event.kind.as_str().into(),
            author.origin.into(),
            author.actor.as_str().into(),
            author.connection.into(),
            event.subject_kind.into(),
            event.subject_id.into(),
            event.partner_id.into(),
            event.internal.into(),
            write::json_text(&event.data)?,
            now.into(),
        ])
    });
    write::insert_values(transaction, "event", &WRITTEN, values, "").await
}

/// A place in the log: everything up to and including it has been read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Position {
    /// `epoch << 48 | transaction id`.
    pub position: i64,
    /// The number within the transaction.
    pub seq: i64,
}

impl From<&Model> for Position {
    fn from(row: &Model) -> Self {
        Self {
            position: row.position,
            seq: row.seq,
        }
    }
}

/// Of an event what tells whom it concerns.
#[derive(Clone, Debug, PartialEq, Eq, FromQueryResult)]
pub struct Head {
    /// The public id.
    pub id: EventId,
    /// `epoch << 48 | transaction id`.
    pub position: i64,
    /// Its number.
    pub seq: i64,
    /// The event type.
    pub kind: String,
    /// Where the change came from.
    pub origin: Origin,
    /// Who made it.
    pub actor: String,
    /// The connection it came by.
    pub connection_id: Option<ConnectionId>,
    /// The kind of row it is about: an id prefix.
    pub subject_kind: String,
    /// The row it is about.
    pub subject_id: Uuid,
    /// When.
    pub occurred_at: Timestamp,
}

impl From<&Head> for Position {
    fn from(row: &Head) -> Self {
        Self {
            position: row.position,
            seq: row.seq,
        }
    }
}

/// The condition that an event lies at a place or before it.
#[must_use]
pub(crate) fn up_to(place: Position) -> SimpleExpr {
    Expr::tuple([Expr::col(Column::Position), Expr::col(Column::Seq)]).lte(Expr::tuple([
        Expr::value(place.position),
        Expr::value(place.seq),
    ]))
}

/// The end of the log as a reader may see it: the last event below the horizon; none when there is none.
///
/// # Errors
/// When the database fails.
pub async fn end(database: &Database) -> Result<Option<Position>> {
    let system = Viewer::system("event");
    let mut select = after(database, &system, None);
    QuerySelect::query(&mut select).clear_order_by();
    let last = select
        .order_by_desc(Column::Position)
        .order_by_desc(Column::Seq)
        .limit(1)
        .one(database.read())
        .await?;
    Ok(last.as_ref().map(Position::from))
}

/// Narrows a SELECT of events to those below the horizon: none can appear later before one of these.
pub(crate) fn settled(database: &Database, select: Select<Entity>) -> Select<Entity> {
    if !database.is_postgres() {
        return select;
    }
    select.filter(Expr::cust_with_values(
        "\"event\".\"position\" < ($1::bigint + pg_snapshot_xmin(pg_current_snapshot())::text::bigint)",
        [database.epoch() << 48],
    ))
}

/// The events after a place, oldest first, up to the horizon: no event can appear later before one of these.
fn after(database: &Database, viewer: &Viewer, after: Option<Position>) -> Select<Entity> {
    let mut select = Entity::visible_to(viewer);
    if let Some(after) = after {
        select = select.filter(
            Expr::tuple([Expr::col(Column::Position), Expr::col(Column::Seq)]).gt(Expr::tuple([
                Expr::value(after.position),
                Expr::value(after.seq),
            ])),
        );
    }
    let select = settled(database, select);
    select
        .order_by_asc(Column::Position)
        .order_by_asc(Column::Seq)
}

/// Reads events after a place, oldest first, up to the horizon: no event can appear later before one that was returned.
///
/// # Errors
/// When the database fails.
pub async fn list_after(
    database: &Database,
    viewer: &Viewer,
    place: Option<Position>,
    kinds: Option<&[String]>,
    limit: u64,
) -> Result<Vec<Model>> {
    let mut select = after(database, viewer, place);
    if let Some(kinds) = kinds {
        select = if kinds.is_empty() {
            select.filter(nothing())
        } else {
            select.filter(Column::Kind.is_in(kinds.iter().map(String::as_str)))
        };
    }
    Ok(select.limit(limit).all(database.read()).await?)
}

/// The latest events of a kind that a viewer may see, the newest first, up to the horizon.
///
/// # Errors
/// When the database fails.
pub async fn list_latest(
    database: &Database,
    viewer: &Viewer,
    kind: EventKind,
    limit: u64,
) -> Result<Vec<Model>> {
    let mut select = after(database, viewer, None).filter(Column::Kind.eq(kind.as_str()));
    QuerySelect::query(&mut select).clear_order_by();
    let select = select
        .order_by_desc(Column::Position)
        .order_by_desc(Column::Seq)
        .limit(limit);
    Ok(select.all(database.read()).await?)
}

/// The same without what changed.
fn heads(select: Select<Entity>) -> Select<Entity> {
    select.select_only().columns([
        Column::Id,
        Column::OccurredAt,
        Column::Position,
        Column::Seq,
        Column::Kind,
        Column::Origin,
        Column::Actor,
        Column::ConnectionId,
        Column::SubjectKind,
        Column::SubjectId,
    ])
}

/// As [`list_after`], without what changed: for readers that only pass on whom it concerns.
///
/// # Errors
/// When the database fails.
pub async fn list_heads_after(
    database: &Database,
    viewer: &Viewer,
    place: Option<Position>,
    limit: u64,
) -> Result<Vec<Head>> {
    let rows = heads(after(database, viewer, place))
        .limit(limit)
        .into_model::<Head>()
        .all(database.read())
        .await?;
    Ok(rows)
}

/// Those among these events that a viewer may see and that concern one of these partners (everybody, where none is named), in no particular order.
///
/// # Errors
/// When the database fails.
pub async fn seen_among(
    connection: &impl ConnectionTrait,
    viewer: &Viewer,
    partners: &[PartnerId],
    events: &[EventId],
) -> Result<Vec<EventId>> {
    let mut seen = Vec::with_capacity(events.len());
    for chunk in events.chunks(500) {
        let mut select = Entity::visible_to(viewer)
            .filter(Column::Id.is_in(chunk.iter().copied()))
            .select_only()
            .column(Column::Id);
        if !partners.is_empty() {
            select = select.filter(concerning(partners));
        }
        seen.extend(select.into_tuple::<EventId>().all(connection).await?);
    }
    Ok(seen)
}

/// The condition that an event concerns one of these partners: it names one, or is about a deal that one shares in.
#[must_use]
pub fn concerning(partners: &[PartnerId]) -> Condition {
    let deals = Query::select()
        .column(deal_partner::Column::DealId)
        .from(deal_partner::Entity)
        .and_where(
            Expr::col((deal_partner::Entity, deal_partner::Column::PartnerId))
                .is_in(partners.iter().copied()),
        )
        .to_owned();
    Condition::any()
        .add(Expr::col((Entity, Column::PartnerId)).is_in(partners.iter().copied()))
        .add(
            Condition::all()
                .add(Column::PartnerId.is_null())
                .add(Column::SubjectKind.eq(<crate::id::DealId as TypedId>::PREFIX))
                .add(Column::SubjectId.in_subquery(deals)),
        )
}

/// Finds an event that a viewer may see.
///
/// # Errors
/// When the database fails.
pub async fn find_seen(
    connection: &impl ConnectionTrait,
    viewer: &Viewer,
    id: EventId,
) -> Result<Option<Model>> {
    let select = Entity::visible_to(viewer).filter(Column::Id.eq(id));
    Ok(select.one(connection).await?)
}

/// Of the events of a stretch of time those behind a place, oldest first, up to the horizon. The beginning counts, the end does not.
///
/// # Errors
/// When the database fails.
pub async fn list_heads_between(
    database: &Database,
    (from, until): (Timestamp, Timestamp),
    place: Option<Position>,
    limit: u64,
) -> Result<Vec<Head>> {
    let rows = heads(after(database, &Viewer::system("event"), place))
        .filter(Column::OccurredAt.gte(from))
        .filter(Column::OccurredAt.lt(until))
        .limit(limit)
        .into_model::<Head>()
        .all(database.read())
        .await?;
    Ok(rows)
}

/// Finds an event.
///
/// # Errors
/// When the database fails.
pub async fn find(connection: &impl ConnectionTrait, id: EventId) -> Result<Option<Model>> {
    let select = Entity::visible_to(&Viewer::system("event")).filter(Column::Id.eq(id));
    Ok(select.one(connection).await?)
}

/// The last event of a kind about a row, among those that are written.
///
/// # Errors
/// When the database fails.
pub async fn last_about<T: TypedId>(
    connection: &impl ConnectionTrait,
    subject: T,
    kind: EventKind,
) -> Result<Option<Model>> {
    let select = Entity::visible_to(&Viewer::system("event"))
        .filter(Column::SubjectId.eq(subject.uuid()))
        .filter(Column::Kind.eq(kind.as_str()))
        .order_by_desc(Column::Position)
        .order_by_desc(Column::Seq)
        .limit(1);
    Ok(select.one(connection).await?)
}

/// Whether something of a kind happened to an event's subject after it.
///
/// # Errors
/// When the database fails.
pub async fn is_followed_by(
    connection: &impl ConnectionTrait,
    event: &Model,
    kind: EventKind,
) -> Result<bool> {
    let later =
        Expr::tuple([Expr::col(Column::Position), Expr::col(Column::Seq)]).gt(Expr::tuple([
            Expr::value(event.position),
            Expr::value(event.seq),
        ]));
    let select = Entity::visible_to(&Viewer::system("event"))
        .filter(Column::SubjectId.eq(event.subject_id))
        .filter(Column::Kind.eq(kind.as_str()))
        .filter(later)
        .limit(1);
    Ok(select.one(connection).await?.is_some())
}

/// The place of the last event before an instant, for a reader that begins there; none when there is none.
///
/// # Errors
/// When the database fails.
pub async fn place_before(database: &Database, at: Timestamp) -> Result<Option<Position>> {
    let select = Entity::visible_to(&Viewer::system("event"))
        .filter(Column::OccurredAt.lt(at))
        .order_by_desc(Column::Position)
        .order_by_desc(Column::Seq)
        .limit(1);
    let found = select.one(database.read()).await?;
    Ok(found.as_ref().map(Position::from))
}

#[derive(FromQueryResult)]
struct EpochRow {
    epoch: i64,
    cluster: String,
}

/// Finds the epoch of this cluster; a cluster other than the remembered one begins a new epoch. Called once after opening and
/// migrating, before anything is written.
///
/// # Errors
/// When the database fails.
pub async fn settle_epoch(database: &Database) -> Result<()> {
    if !database.is_postgres() {
        return Ok(());
    }
    let cluster = Expr::cust("(SELECT system_identifier::text FROM pg_control_system())");
    let mut settle = Query::insert();
    settle
        .into_table(Alias::new("event_epoch"))
        .columns([Alias::new("id"), Alias::new("epoch"), Alias::new("cluster")])
        .values_panic([Expr::value(1), Expr::value(1_i64), cluster])
        .on_conflict(
            sea_orm::sea_query::OnConflict::column(Alias::new("id"))
                .value(
                    Alias::new("epoch"),
                    Expr::cust("\"event_epoch\".\"epoch\" + CASE WHEN \"event_epoch\".\"cluster\" = excluded.\"cluster\" THEN 0 ELSE 1 END"),
                )
                .value(Alias::new("cluster"), Expr::cust("excluded.\"cluster\""))
                .to_owned(),
        )
        .returning(Query::returning().columns([Alias::new("epoch"), Alias::new("cluster")]));
    let row = database
        .write()
        .query_one(&settle)
        .await?
        .ok_or_else(|| Error::Damaged("the event log has no epoch".to_owned()))?;
    let row = EpochRow::from_query_result(&row, "")?;
    tracing::debug!(epoch = row.epoch, cluster = row.cluster, "event log epoch");
    database.set_epoch(row.epoch);
    Ok(())
}
