//! Mutations that stop, start and end a connection, and those that ask its engine for something out of turn.

use super::Connection;
use crate::graphql::context::{request, requires_scope, state};
use crate::graphql::edit::{Edit, Outcome, UserError, engine_outcome, id_input, payload, staff};
use crate::graphql::sync_run::SyncRun;
use async_graphql::{Context, ID, InputObject, Object, Result};
use entities::change::Author;
use entities::connection::{self, Entity, Model};
use entities::id::ConnectionId;
use entities::sync_run;
use entities::viewer::Scope;
use entities::visible;
use integrations::sync::SyncError;
use std::time::Duration;

/// How long a vendor may take to hear that its tokens are no longer wanted; well below what a mutation may take.
const REVOKE_WITHIN: Duration = Duration::from_secs(5);

/// Which connection to stop.
#[derive(Debug, InputObject)]
pub struct PauseIntegrationInput {
    /// Which connection.
    pub id: ID,
    /// The version you saw; another one refuses the change.
    pub expected_version: Option<i64>,
    /// True: check everything and write nothing.
    pub validate_only: Option<bool>,
}

/// Which connection to let go on.
#[derive(Debug, InputObject)]
pub struct ResumeIntegrationInput {
    /// Which connection.
    pub id: ID,
    /// The version you saw; another one refuses the change.
    pub expected_version: Option<i64>,
    /// True: check everything and write nothing.
    pub validate_only: Option<bool>,
}

/// Which connection to end.
#[derive(Debug, InputObject)]
pub struct DisconnectIntegrationInput {
    /// Which connection.
    pub id: ID,
    /// The version you saw; another one refuses the change.
    pub expected_version: Option<i64>,
}

/// Which connection to reconcile.
#[derive(Debug, InputObject)]
pub struct ReconcileNowInput {
    /// Which connection.
    pub connection_id: ID,
}

/// Whose held-back deletions to let through.
#[derive(Debug, InputObject)]
pub struct ConfirmDeletesInput {
    /// Which connection.
    pub connection_id: ID,
}

payload!(
    PauseIntegrationPayload {
        connection: Connection
    },
    "pauseIntegration",
    Scope::IntegrationsRead
);
payload!(
    ResumeIntegrationPayload {
        connection: Connection
    },
    "resumeIntegration",
    Scope::IntegrationsRead
);
payload!(
    ReconcileNowPayload { run: SyncRun },
    "reconcileNow",
    Scope::IntegrationsRead
);
payload!(
    ConfirmDeletesPayload { run: SyncRun },
    "confirmDeletes",
    Scope::IntegrationsRead
);

/// The answer of disconnectIntegration.
pub struct DisconnectIntegrationPayload {
    connection: Option<Connection>,
    revoked_at_vendor: Option<bool>,
    user_errors: Vec<UserError>,
}

/// The answer of disconnectIntegration.
#[Object]
impl DisconnectIntegrationPayload {
    /// The connection as it now is; null when the input was refused, or when the token may not read connections.
    async fn connection(&self, ctx: &Context<'_>) -> Result<Option<Connection>> {
        let may = request(ctx)?.viewer.may(Scope::IntegrationsRead);
        Ok(self.connection.clone().filter(|_| may))
    }

    /// Whether the vendor has confirmed that our tokens are worthless there. False: it did not answer, refused, or there were none; they are destroyed
    /// here all the same, and the account's owner can remove the app at the vendor. Null when the input was refused.
    async fn revoked_at_vendor(&self) -> Option<bool> {
        self.revoked_at_vendor
    }

    /// Why the input was refused; empty on success.
    async fn user_errors(&self) -> &[UserError] {
        &self.user_errors
    }
}

async fn locked(
    edit: &Edit<'_>,
    id: &ID,
    expected_version: Option<i64>,
) -> entities::error::Result<Model> {
    let id: ConnectionId = id_input(id, "id")?;
    visible::lock_one::<Entity>(&edit.change, &edit.request.viewer, id.0, expected_version).await
}

/// The connection an input names; one that is no id is no connection.
fn named(id: &ID) -> Result<ConnectionId, SyncError> {
    id.parse().map_err(|_| SyncError::UnknownConnection)
}

/// Mutations about the life of a connection.
#[derive(Default)]
pub struct ConnectionControl;

#[Object]
impl ConnectionControl {
    /// Stops a connection until somebody resumes it: nothing is read, nothing is sent, and what comes in waits.
    #[graphql(directive = requires_scope::apply("integrations:manage".to_owned()))]
    async fn pause_integration(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which connection.")] input: PauseIntegrationInput,
    ) -> Result<PauseIntegrationPayload> {
        let mut edit = Edit::begin(ctx, Scope::IntegrationsManage, input.validate_only).await?;
        let result = async {
            let row = locked(&edit, &input.id, input.expected_version).await?;
            connection::pause(&mut edit.change, row).await
        }
        .await;
        let outcome = edit.finish(result, |_| None).await?;
        Ok(PauseIntegrationPayload::from_outcome(
            outcome,
            Connection::one,
        ))
    }

    /// Lets a paused connection go on. What waited is done now.
    #[graphql(directive = requires_scope::apply("integrations:manage".to_owned()))]
    async fn resume_integration(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which connection.")] input: ResumeIntegrationInput,
    ) -> Result<ResumeIntegrationPayload> {
        let mut edit = Edit::begin(ctx, Scope::IntegrationsManage, input.validate_only).await?;
        let result = async {
            let row = locked(&edit, &input.id, input.expected_version).await?;
            connection::resume(&mut edit.change, row).await
        }
        .await;
        let outcome = edit.finish(result, |_| None).await?;
        Ok(ResumeIntegrationPayload::from_outcome(
            outcome,
            Connection::one,
        ))
    }

    /// Ends a connection: its credentials are destroyed here and the vendor is told. Our rows stay, and so do the connection's links and mapping:
    /// connecting the same account again takes them up.
    #[graphql(directive = requires_scope::apply("integrations:manage".to_owned()))]
    async fn disconnect_integration(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which connection.")] input: DisconnectIntegrationInput,
    ) -> Result<DisconnectIntegrationPayload> {
        let request = staff(ctx, Scope::IntegrationsManage)?;
        let engine = &state(ctx)?.core.engine;
        let done = match named(&input.id) {
            Ok(id) => {
                let author = Author::of(&request.viewer);
                engine
                    .disconnect(id, input.expected_version, author, REVOKE_WITHIN)
                    .await
            }
            Err(unknown) => Err(unknown),
        };
        Ok(match engine_outcome(done, "id")? {
            Ok(done) => DisconnectIntegrationPayload {
                connection: Some(Connection::one(done.connection)),
                revoked_at_vendor: Some(done.revoked_at_vendor),
                user_errors: Vec::new(),
            },
            Err(user_errors) => DisconnectIntegrationPayload {
                connection: None,
                revoked_at_vendor: None,
                user_errors,
            },
        })
    }

    /// Asks for a reconciliation at once instead of tonight: everything is compared with the vendor, and what was missed is put right. It runs in a
    /// worker; the run says what it found.
    #[graphql(directive = requires_scope::apply("integrations:manage".to_owned()))]
    async fn reconcile_now(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which connection.")] input: ReconcileNowInput,
    ) -> Result<ReconcileNowPayload> {
        staff(ctx, Scope::IntegrationsManage)?;
        let engine = &state(ctx)?.core.engine;
        let run = match named(&input.connection_id) {
            Ok(id) => engine.request_reconcile(id).await,
            Err(unknown) => Err(unknown),
        };
        Ok(ReconcileNowPayload::from_outcome(
            engine_run(run)?,
            SyncRun::one,
        ))
    }

    /// Lets through the deletions that a reconciliation holds back because they are too many to be taken for granted. What is gone at the vendor is
    /// archived here.
    #[graphql(directive = requires_scope::apply("integrations:manage".to_owned()))]
    async fn confirm_deletes(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which connection.")] input: ConfirmDeletesInput,
    ) -> Result<ConfirmDeletesPayload> {
        let request = staff(ctx, Scope::IntegrationsManage)?;
        let engine = &state(ctx)?.core.engine;
        let run = match named(&input.connection_id) {
            Ok(id) => {
                engine
                    .confirm_deletes(id, Author::of(&request.viewer))
                    .await
            }
            Err(unknown) => Err(unknown),
        };
        Ok(ConfirmDeletesPayload::from_outcome(
            engine_run(run)?,
            SyncRun::one,
        ))
    }
}

fn engine_run(run: Result<sync_run::Model, SyncError>) -> Result<Outcome<sync_run::Model>> {
    engine_outcome(run, "connectionId")
}
