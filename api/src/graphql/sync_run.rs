//! Synchronisation runs in the API.

use super::context::{RequestContext, RequireScope, cost, request, requires_scope};
use super::filter::IdFilter;
use super::list::{self, Parent, list_type, order_type};
use super::page::PageArguments;
use super::scalar::DateTime;
use super::siblings::Member;
use async_graphql::{Context, Enum, ID, InputObject, Object, Result, SimpleObject};
use entities::id::ConnectionId;
use entities::sync_run::{self, Column, Entity, Model};
use entities::viewer::Scope;
use entities::visible::Visible;
use sea_orm::sea_query::{Expr, ExprTrait, SimpleExpr};
use sea_orm::{QueryFilter, Select};

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "sync_run::SyncRunStatus")]
pub enum SyncRunStatus {
    /// Still going.
    Running,
    /// Everything was read.
    Completed,
    /// It stopped; the next run goes on where it stopped.
    Failed,
}

/// Which runs.
#[derive(Clone, Debug, Default, InputObject)]
pub struct SyncRunFilter {
    /// By connection.
    pub connection_id: Option<IdFilter>,
}

impl SyncRunFilter {
    fn on(self, select: Select<Entity>) -> Result<Select<Entity>> {
        match self.connection_id {
            Some(filter) => Ok(select
                .filter(filter.on::<ConnectionId>(Expr::col((Entity, Column::ConnectionId)))?)),
            None => Ok(select),
        }
    }
}

order_type!(SyncRunOrder, SyncRunOrderField, Entity, "synchronisation runs", {
    /// When it began.
    StartedAt => Column::StartedAt, false;
});

/// The runs of a connection.
#[derive(Clone, Copy)]
pub(crate) struct OfConnection;

impl super::page::OfParent for OfConnection {
    type Child = Entity;

    fn narrow(&self, select: Select<Entity>, parent: SimpleExpr) -> Select<Entity> {
        select.filter(Expr::col((Entity, Column::ConnectionId)).eq(parent))
    }
}

/// A parent's runs, read together with those of its siblings.
pub(crate) async fn list_of<M: Send + Sync + 'static>(
    ctx: &Context<'_>,
    parent: Parent<'_, M>,
    by: impl super::page::OfParent<Child = Entity> + Copy + 'static,
    field: &str,
    filter: Option<SyncRunFilter>,
    order_by: Option<Vec<SyncRunOrder>>,
    page: PageArguments,
) -> Result<Option<SyncRunConnection>> {
    let key = format!("{field}:{filter:?}:{order_by:?}:{page:?}");
    let list = |request: &RequestContext| {
        Ok((
            filter
                .unwrap_or_default()
                .on(Entity::visible_to(&request.viewer))?,
            SyncRunOrder::ordering(order_by)?,
        ))
    };
    Ok(list::nested(ctx, parent, by, key, page, list)
        .await?
        .map(SyncRunConnection::new))
}

/// What a run did with the records of one resource.
#[derive(SimpleObject)]
pub struct SyncCounts {
    /// The kind of record: `company`, `contact`, `deal` and so on.
    pub resource: String,
    /// Records read from the vendor.
    pub read: u64,
    /// Rows created here.
    pub created: u64,
    /// Rows changed here.
    pub updated: u64,
    /// Records that brought nothing new.
    pub unchanged: u64,
    /// Rows put away here.
    pub archived: u64,
    /// Records kept out; `issues` says why.
    pub kept_out: u64,
    /// Records taken over except for a field; `issues` says which and why.
    pub flagged: u64,
}

/// A record that was kept out, or taken over except for a field.
#[derive(SimpleObject)]
pub struct SyncIssue {
    /// The kind of record.
    pub resource: String,
    /// The vendor's id of it, where it could be read.
    pub external_id: Option<String>,
    /// The vendor's property; null when the record as a whole is meant.
    pub field: Option<String>,
    /// A stable code.
    pub code: String,
    /// One sentence.
    pub message: String,
}

/// A property that held values but has no field in the mapping.
#[derive(SimpleObject)]
pub struct UnmappedField {
    /// `resource.property`, as the vendor names it.
    pub name: String,
    /// How many records held a value.
    pub records: u64,
}

/// What a reconciliation found astray of one kind of record; it put that right.
#[derive(SimpleObject)]
pub struct SyncDrift {
    /// The kind of record.
    pub resource: String,
    /// Records the vendor had and we had not.
    pub missing_here: u64,
    /// Records that said something else than we knew.
    pub different: u64,
    /// Records we had and the vendor had no longer.
    pub missing_there: u64,
}

/// One run of a synchronisation.
#[derive(Clone)]
pub struct SyncRun(pub(crate) Member<Model>);

impl SyncRun {
    pub(crate) fn one(row: Model) -> Self {
        Self(Member::single(row))
    }
}

/// One run of a synchronisation.
#[Object]
impl SyncRun {
    /// The global id.
    pub(crate) async fn id(&self) -> ID {
        self.0.row().id.to_string().into()
    }
    /// The id of its connection.
    async fn connection_id(&self) -> ID {
        self.0.row().connection_id.to_string().into()
    }
    /// What kind of run: `backfill`, `delta`, `webhook` or `reconcile`.
    async fn kind(&self) -> &str {
        &self.0.row().kind
    }
    /// How it ended.
    async fn status(&self) -> SyncRunStatus {
        self.0.row().status.into()
    }
    /// When it began.
    async fn started_at(&self) -> DateTime {
        DateTime(self.0.row().started_at)
    }
    /// When it ended.
    async fn finished_at(&self) -> Option<DateTime> {
        self.0.row().finished_at.map(DateTime)
    }
    /// Why it stopped, in words.
    async fn error(&self) -> Option<&str> {
        self.0.row().error.as_deref()
    }
    /// What it did, by kind of record.
    async fn counts(&self) -> Vec<SyncCounts> {
        let counts = self.0.row().findings.counts.iter();
        counts
            .map(|(resource, count)| SyncCounts {
                resource: resource.clone(),
                read: count.read,
                created: count.created,
                updated: count.updated,
                unchanged: count.unchanged,
                archived: count.archived,
                kept_out: count.kept_out,
                flagged: count.flagged,
            })
            .collect()
    }
    /// How many records were kept out or flagged in all.
    async fn issue_count(&self) -> u64 {
        self.0.row().findings.issue_count
    }
    /// The first 200 of them.
    async fn issues(&self) -> Vec<SyncIssue> {
        let issues = self.0.row().findings.issues.iter().cloned();
        issues
            .map(|issue| SyncIssue {
                resource: issue.resource,
                external_id: issue.external_id,
                field: issue.field,
                code: issue.code,
                message: issue.message,
            })
            .collect()
    }
    /// What a reconciliation found that ordinary synchronisation had missed; empty for other runs.
    async fn drift(&self) -> Vec<SyncDrift> {
        let drift = self.0.row().findings.drift.iter();
        drift
            .map(|(resource, drift)| SyncDrift {
                resource: resource.clone(),
                missing_here: drift.missing_here,
                different: drift.different,
                missing_there: drift.missing_there,
            })
            .collect()
    }
    /// Properties that held values but have no field in the mapping.
    async fn unmapped_fields(&self) -> Vec<UnmappedField> {
        let unmapped = self.0.row().findings.unmapped.iter();
        unmapped
            .map(|(name, records)| UnmappedField {
                name: name.clone(),
                records: *records,
            })
            .collect()
    }
}

list_type!(
    SyncRunConnection,
    SyncRunEdge,
    SyncRun,
    Entity,
    "synchronisation runs"
);

/// Queries about runs.
#[derive(Default)]
pub struct SyncRunQuery;

#[Object]
impl SyncRunQuery {
    /// The synchronisation runs.
    #[graphql(guard = "RequireScope(Scope::IntegrationsRead)", directive = requires_scope::apply("integrations:read".to_owned()), directive = cost::apply(1))]
    #[expect(
        clippy::too_many_arguments,
        reason = "the arguments of a Relay connection"
    )]
    async fn sync_runs(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which runs.")] filter: Option<SyncRunFilter>,
        #[graphql(desc = "By which keys; then by id.")] order_by: Option<Vec<SyncRunOrder>>,
        #[graphql(
            desc = "This many from the beginning, or after `after`; 20 when nothing is said, 100 at most."
        )]
        first: Option<i32>,
        #[graphql(desc = "Only what follows this cursor.")] after: Option<String>,
        #[graphql(desc = "This many from the end, or before `before`.")] last: Option<i32>,
        #[graphql(desc = "Only what precedes this cursor.")] before: Option<String>,
    ) -> Result<SyncRunConnection> {
        let request = request(ctx)?;
        let select = filter
            .unwrap_or_default()
            .on(Entity::visible_to(&request.viewer))?;
        let page = PageArguments {
            first,
            after,
            last,
            before,
        };
        Ok(SyncRunConnection::new(
            list::whole(request, select, SyncRunOrder::ordering(order_by)?, page).await?,
        ))
    }
}
