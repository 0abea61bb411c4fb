//! Changing a connection's mapping: previewed, and applied by the engine.
//!
//! A path in a violation counts a list's entries in the order in which the mapping is read, which is the order the server answers them in.

use super::Connection;
use super::mapping::Mapping;
use crate::graphql::context::{RequestContext, RequireScope, request, requires_scope, state};
use crate::graphql::edit::{UserError, engine_outcome, staff};
use async_graphql::{Context, Enum, ID, InputObject, Json, Object, Result, SimpleObject};
use entities::change::Author;
use entities::connection;
use entities::error::Error;
use entities::id::ConnectionId;
use entities::viewer::Scope;
use entities::visible;
use integrations::sync::remap;
use integrations::sync::{MappingPreview as Preview, NewMapping, SyncError};

/// How a changed mapping reaches the rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "remap::Remapping")]
pub enum MappingApplication {
    /// The mapping is as it was; nothing is to be done.
    Nothing,
    /// Every known record is read again from what is stored.
    FromStored,
    /// Every known record is read anew from the vendor.
    ByReading,
}

/// A mapping to try out.
#[derive(Debug, InputObject)]
pub struct PreviewMappingInput {
    /// Of which connection.
    pub connection_id: ID,
    /// The whole new mapping.
    pub mapping: Mapping,
}

/// A new mapping.
#[derive(Debug, InputObject)]
pub struct UpdateMappingInput {
    /// Of which connection.
    pub connection_id: ID,
    /// The version you saw; another one refuses the change.
    pub expected_version: Option<i64>,
    /// The whole new mapping.
    pub mapping: Mapping,
    /// True: read every record anew if that is needed. Otherwise a mapping that needs it is refused.
    pub backfill: Option<bool>,
    /// True: check everything and write nothing.
    pub validate_only: Option<bool>,
}

/// A value that would be read differently.
#[derive(SimpleObject)]
pub struct MappingExample {
    /// The vendor's id of the record.
    pub external_id: String,
    /// Our field; `kind` tells a partner from a customer.
    pub field: String,
    /// What is read now. Null for personal values.
    pub before: Json<serde_json::Value>,
    /// What would be read. Null for personal values.
    pub after: Json<serde_json::Value>,
}

/// Why records would be kept out.
#[derive(SimpleObject)]
pub struct MappingKeptOut {
    /// A stable code.
    pub code: String,
    /// One sentence, of the first of them.
    pub message: String,
    /// How many.
    pub records: u64,
}

/// What would become of the records of one kind.
#[derive(SimpleObject)]
pub struct MappingResourcePreview {
    /// The kind of record.
    pub resource: String,
    /// How many stored records were looked at, at most 200: those that came last.
    pub read: u64,
    /// Of how many something would be read differently.
    pub would_change: u64,
    /// Records that could not stand at all.
    pub kept_out: Vec<MappingKeptOut>,
    /// Some of the differences, at most 20.
    pub examples: Vec<MappingExample>,
}

/// What a mapping would do. Nothing was written.
#[derive(SimpleObject)]
pub struct MappingPreview {
    /// By kind of record.
    pub resources: Vec<MappingResourcePreview>,
    /// Whether every record would have to be read anew from the vendor.
    pub needs_backfill: bool,
    /// Why.
    pub backfill_reasons: Vec<String>,
    /// Whether the vendor could be asked which properties there are.
    pub checked_at_vendor: bool,
    /// What stands against the mapping; empty when it is possible.
    pub user_errors: Vec<UserError>,
}

impl MappingPreview {
    fn of(preview: Preview) -> Self {
        let resources = preview
            .resources
            .into_iter()
            .map(|of| MappingResourcePreview {
                resource: of.resource.as_str().to_owned(),
                read: of.read,
                would_change: of.would_change,
                kept_out: of
                    .kept_out
                    .into_iter()
                    .map(|kept| MappingKeptOut {
                        code: kept.code,
                        message: kept.message,
                        records: kept.records,
                    })
                    .collect(),
                examples: of
                    .examples
                    .into_iter()
                    .map(|example| MappingExample {
                        external_id: example.external_id,
                        field: example.field.to_owned(),
                        before: Json(example.before),
                        after: Json(example.after),
                    })
                    .collect(),
            });
        Self {
            resources: resources.collect(),
            needs_backfill: !preview.backfill.is_empty(),
            backfill_reasons: preview.backfill,
            checked_at_vendor: preview.checked_at_vendor,
            user_errors: preview
                .violations
                .into_iter()
                .map(UserError::from)
                .collect(),
        }
    }

    const fn refused(user_errors: Vec<UserError>) -> Self {
        Self {
            resources: Vec::new(),
            needs_backfill: false,
            backfill_reasons: Vec::new(),
            checked_at_vendor: false,
            user_errors,
        }
    }
}

/// The answer of updateMapping.
pub struct UpdateMappingPayload {
    connection: Option<Connection>,
    application: Option<MappingApplication>,
    backfill_reasons: Vec<String>,
    checked_at_vendor: Option<bool>,
    user_errors: Vec<UserError>,
}

/// The answer of updateMapping.
#[Object]
impl UpdateMappingPayload {
    /// The connection as it now is; null when the input was refused, or when the token may not read connections.
    async fn connection(&self, ctx: &Context<'_>) -> Result<Option<Connection>> {
        let may = request(ctx)?.viewer.may(Scope::IntegrationsRead);
        Ok(self.connection.clone().filter(|_| may))
    }

    /// How the rows follow; it happens in a worker. Null when the input was refused.
    async fn application(&self) -> Option<MappingApplication> {
        self.application
    }

    /// Why every record is read anew; empty when what is stored suffices.
    async fn backfill_reasons(&self) -> &[String] {
        &self.backfill_reasons
    }

    /// Whether the vendor could be asked which properties there are. Null when the input was refused.
    async fn checked_at_vendor(&self) -> Option<bool> {
        self.checked_at_vendor
    }

    /// Why the input was refused; empty on success.
    async fn user_errors(&self) -> &[UserError] {
        &self.user_errors
    }
}

impl UpdateMappingPayload {
    const fn refused(user_errors: Vec<UserError>) -> Self {
        Self {
            connection: None,
            application: None,
            backfill_reasons: Vec::new(),
            checked_at_vendor: None,
            user_errors,
        }
    }
}

async fn parsed(
    request: &RequestContext,
    id: &ID,
    mapping: Mapping,
) -> Result<(ConnectionId, connection::mapping::Mapping), SyncError> {
    let unknown = || Error::not_found("connectionId");
    let id: ConnectionId = id.parse().map_err(|_| unknown())?;
    let read = request.database.read();
    let known = visible::find_one::<connection::Entity, _>(read, &request.viewer, id.0).await?;
    let known = known.ok_or_else(unknown)?;
    Ok((id, mapping.into_model(&known.mapping)?))
}

/// Queries about a mapping that is not in effect.
#[derive(Default)]
pub struct MappingQuery;

#[Object]
impl MappingQuery {
    /// What a mapping would make of the records that are stored, and whether it is possible at all. Nothing is written.
    #[graphql(guard = "RequireScope(Scope::IntegrationsManage)", directive = requires_scope::apply("integrations:manage".to_owned()))]
    async fn preview_mapping(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The mapping to try out.")] input: PreviewMappingInput,
    ) -> Result<MappingPreview> {
        let request = staff(ctx, Scope::IntegrationsManage)?;
        let engine = &state(ctx)?.core.engine;
        let preview = match parsed(request, &input.connection_id, input.mapping).await {
            Ok((id, mapping)) => engine.preview_mapping(id, &mapping).await,
            Err(refused) => Err(refused),
        };
        Ok(match engine_outcome(preview, "connectionId")? {
            Ok(preview) => MappingPreview::of(preview),
            Err(user_errors) => MappingPreview::refused(user_errors),
        })
    }
}

/// Changes of mappings.
#[derive(Default)]
pub struct MappingMutation;

#[Object]
impl MappingMutation {
    /// Gives a connection another mapping. The rows follow in a worker; a field that a person changed here meanwhile is a conflict like any other.
    #[graphql(directive = requires_scope::apply("integrations:manage".to_owned()))]
    async fn update_mapping(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The new mapping.")] input: UpdateMappingInput,
    ) -> Result<UpdateMappingPayload> {
        let request = staff(ctx, Scope::IntegrationsManage)?;
        let engine = &state(ctx)?.core.engine;
        let (backfill, validate_only) = (input.backfill, input.validate_only);
        let done = match parsed(request, &input.connection_id, input.mapping).await {
            Ok((connection, mapping)) => {
                let wish = NewMapping {
                    connection,
                    expected_version: input.expected_version,
                    mapping,
                    backfill: backfill.unwrap_or(false),
                    validate_only: validate_only.unwrap_or(false),
                };
                engine
                    .update_mapping(wish, Author::of(&request.viewer))
                    .await
            }
            Err(refused) => Err(refused),
        };
        Ok(match engine_outcome(done, "connectionId")? {
            Ok(done) => UpdateMappingPayload {
                connection: Some(Connection::one(done.connection)),
                application: Some(done.how.into()),
                backfill_reasons: done.backfill,
                checked_at_vendor: Some(done.checked_at_vendor),
                user_errors: Vec::new(),
            },
            Err(user_errors) => UpdateMappingPayload::refused(user_errors),
        })
    }
}
