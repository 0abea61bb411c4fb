//! Conflicts in the API: fields that both sides changed to different values, and the decision of a person.

use super::context::{RequireScope, cost, request, requires_scope, state};
use super::edit::{engine_outcome, payload, staff};
use super::filter::{IdFilter, enum_filter};
use super::list::{self, list_type, order_type};
use super::page::PageArguments;
use super::scalar::DateTime;
use super::siblings::Member;
use async_graphql::{Context, Enum, ID, InputObject, Json, Object, Result};
use entities::change::Author;
use entities::error::Error;
use entities::id::{self, ConnectionId};
use entities::sync_conflict::{self, Column, Entity, Model};
use entities::viewer::Scope;
use entities::visible::Visible;
use sea_orm::sea_query::Expr;
use sea_orm::{QueryFilter, Select};

/// Whether a conflict is decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "sync_conflict::ConflictStatus")]
pub enum SyncConflictStatus {
    /// A person has to decide; until then each side keeps its value.
    Open,
    /// It is decided.
    Resolved,
}

enum_filter! {
    /// A conflict's status to look for.
    SyncConflictStatusFilter of SyncConflictStatus, sync_conflict::ConflictStatus
}

/// A side of a conflict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "sync_conflict::Side")]
pub enum SyncConflictSide {
    /// Our value.
    Ours,
    /// The vendor's value.
    Theirs,
}

/// Which conflicts.
#[derive(Clone, Debug, Default, InputObject)]
pub struct SyncConflictFilter {
    /// By connection.
    pub connection_id: Option<IdFilter>,
    /// By status.
    pub status: Option<SyncConflictStatusFilter>,
}

impl SyncConflictFilter {
    fn on(self, mut select: Select<Entity>) -> Result<Select<Entity>> {
        let column = |column: Column| Expr::col((Entity, column));
        if let Some(filter) = self.connection_id {
            select = select.filter(filter.on::<ConnectionId>(column(Column::ConnectionId))?);
        }
        if let Some(filter) = self.status {
            select = select.filter(filter.on(column(Column::Status))?);
        }
        Ok(select)
    }
}

order_type!(SyncConflictOrder, SyncConflictOrderField, Entity, "conflicts", {
    /// When it was seen first.
    CreatedAt => Column::CreatedAt, false;
    /// When it was last changed.
    UpdatedAt => Column::UpdatedAt, false;
});

/// A field that both sides changed to different values.
#[derive(Clone)]
pub struct SyncConflict(pub(crate) Member<Model>);

/// A field that both sides changed to different values.
#[Object]
impl SyncConflict {
    /// The global id.
    pub(crate) async fn id(&self) -> ID {
        self.0.row().id.to_string().into()
    }
    /// Rises with every change; name it in a decision as `expectedVersion`.
    async fn version(&self) -> i64 {
        self.0.row().version
    }
    /// When it was seen first.
    async fn created_at(&self) -> DateTime {
        DateTime(self.0.row().created_at)
    }
    /// When it was last changed.
    async fn updated_at(&self) -> DateTime {
        DateTime(self.0.row().updated_at)
    }
    /// The id of the connection.
    async fn connection_id(&self) -> ID {
        self.0.row().connection_id.to_string().into()
    }
    /// The kind of the vendor's record.
    async fn resource(&self) -> &str {
        &self.0.row().resource
    }
    /// The vendor's id of the record.
    async fn external_id(&self) -> &str {
        &self.0.row().external_id
    }
    /// The id of our row; read it with `node`.
    async fn subject_id(&self) -> ID {
        let row = self.0.row();
        id::show(&row.subject_kind, row.subject_id).into()
    }
    /// Our field: `name`, `owner.email`, `partners`.
    async fn field(&self) -> &str {
        &self.0.row().field
    }
    /// Our value when the conflict was seen. Of persons no value is kept.
    async fn ours(&self) -> Json<&serde_json::Value> {
        Json(&self.0.row().ours)
    }
    /// The vendor's value then. Of persons no value is kept.
    async fn theirs(&self) -> Json<&serde_json::Value> {
        Json(&self.0.row().theirs)
    }
    /// The policy that was applied: `OURS`, `THEIRS`, `NEWEST`, `ASK`.
    async fn policy(&self) -> &str {
        &self.0.row().policy
    }
    /// Whether it is decided.
    async fn status(&self) -> SyncConflictStatus {
        self.0.row().status.into()
    }
    /// Whose value stands; null while it is open.
    async fn winner(&self) -> Option<SyncConflictSide> {
        self.0.row().winner.map(Into::into)
    }
    /// Who decided: a person, `policy`, or `agreement` when both sides came to say the same.
    async fn resolved_by(&self) -> Option<&str> {
        self.0.row().resolved_by.as_deref()
    }
    /// When it was decided.
    async fn resolved_at(&self) -> Option<DateTime> {
        self.0.row().resolved_at.map(DateTime)
    }
}

list_type!(
    SyncConflictConnection,
    SyncConflictEdge,
    SyncConflict,
    Entity,
    "conflicts"
);

/// Queries about conflicts.
#[derive(Default)]
pub struct SyncConflictQuery;

#[Object]
impl SyncConflictQuery {
    /// Fields that both sides changed to different values, decided or not.
    #[graphql(guard = "RequireScope(Scope::IntegrationsRead)", directive = requires_scope::apply("integrations:read".to_owned()), directive = cost::apply(1))]
    #[expect(
        clippy::too_many_arguments,
        reason = "the arguments of a Relay connection"
    )]
    async fn sync_conflicts(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which conflicts.")] filter: Option<SyncConflictFilter>,
        #[graphql(desc = "By which keys; then by id.")] order_by: Option<Vec<SyncConflictOrder>>,
        #[graphql(
            desc = "This many from the beginning, or after `after`; 20 when nothing is said, 100 at most."
        )]
        first: Option<i32>,
        #[graphql(desc = "Only what follows this cursor.")] after: Option<String>,
        #[graphql(desc = "This many from the end, or before `before`.")] last: Option<i32>,
        #[graphql(desc = "Only what precedes this cursor.")] before: Option<String>,
    ) -> Result<SyncConflictConnection> {
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
        Ok(SyncConflictConnection::new(
            list::whole(
                request,
                select,
                SyncConflictOrder::ordering(order_by)?,
                page,
            )
            .await?,
        ))
    }
}

/// A decision.
#[derive(Debug, InputObject)]
pub struct ResolveConflictInput {
    /// Which conflict.
    pub id: ID,
    /// Whose value shall stand on both sides.
    pub winner: SyncConflictSide,
    /// The version you saw; another one refuses the decision.
    pub expected_version: Option<i64>,
}

payload!(
    ResolveConflictPayload {
        conflict: SyncConflict
    },
    "resolveConflict",
    Scope::IntegrationsRead
);

/// Decisions.
#[derive(Default)]
pub struct SyncConflictMutation;

#[Object]
impl SyncConflictMutation {
    /// Decides an open conflict. Our value is sent to the vendor; the vendor's value is taken over here.
    #[graphql(directive = requires_scope::apply("integrations:manage".to_owned()))]
    async fn resolve_conflict(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The decision.")] input: ResolveConflictInput,
    ) -> Result<ResolveConflictPayload> {
        let request = staff(ctx, Scope::IntegrationsManage)?;
        let engine = &state(ctx)?.core.engine;
        let resolved = match input.id.parse() {
            Ok(id) => {
                let author = Author::of(&request.viewer);
                engine
                    .resolve_conflict(id, input.winner.into(), input.expected_version, author)
                    .await
            }
            Err(_) => Err(Error::not_found("id").into()),
        };
        Ok(ResolveConflictPayload::from_outcome(
            engine_outcome(resolved, "id")?,
            |row| SyncConflict(Member::single(row)),
        ))
    }
}
