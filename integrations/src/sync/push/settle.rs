//! Taking in what the vendor answered.
//!
//! Owns: the outcome of each item, in one transaction that checks the fences. Refuses: to kill a push whose row has changed since it was sent. Invariant:
//! after a push the shadow is what the vendor answered. Where the vendor made something else of a value, its value is taken like any change of
//! its own, unless our row has changed meanwhile; then ours is sent again.

use super::ends;
use super::plan::{Known, Sending, reference};
use super::rows::{self, Row};
use super::setback::unless_lost;
use super::told;
use crate::connector::ConnectorError;
use crate::push::PushOutcome;
use crate::record::{Fields, Record, Resource};
use crate::sync::apply::adopt::Answer;
use crate::sync::apply::{self, Scope, Source, Wanted, unanswered};
use crate::sync::error::{Result, SyncError};
use crate::sync::map::{self, References};
use crate::sync::run::Engine;
use crate::sync::settle::begin;
use entities::change::{Change, Origin};
use entities::connection::mapping::DealField;
use entities::deal::{self, DealPatch};
use entities::external_link;
use entities::id::ConnectionId;
use entities::inbound_signal::{self, NewSignal};
use entities::outbound_push::{self, Model};
use entities::sync_run::Findings;
use entities::viewer::Viewer;
use entities::visible;
use serde_json::json;
use std::collections::{HashMap, HashSet};
use uuid::Uuid;

/// What became of one sending.
pub(super) type Settled = (Sending, PushOutcome);

impl Engine {
    /// Takes in the outcomes.
    pub(super) async fn take_answers(
        &self,
        id: ConnectionId,
        resource: Resource,
        outcomes: Vec<Settled>,
        wanted: &Wanted,
    ) -> Result<()> {
        if outcomes.is_empty() {
            return Ok(());
        }
        let (mut change, connection) = begin(self.database(), id, Origin::Sync).await?;
        let pushes: Vec<Model> = outcomes.iter().map(|(sent, _)| sent.push.clone()).collect();
        let held = outbound_push::still_claimed(&change, &pushes).await?;
        let held: HashSet<Uuid> = held.into_iter().map(|push| push.subject_id).collect();
        let references = References::load(change.transaction(), &connection).await?;
        let scope = Scope {
            connection: &connection,
            references: &references,
            wanted,
            source: Source::Direct,
            read_at: None,
        };
        let mut found = Findings::default();
        let (mut written, mut put_away, mut refused) = (Vec::new(), Vec::new(), Vec::new());
        for (sent, outcome) in outcomes {
            // Who has the push now finds what was written there.
            if !held.contains(&sent.push.subject_id) {
                continue;
            }
            match outcome {
                PushOutcome::Applied(record) => written.push((sent, record, None)),
                PushOutcome::Partly(record, error) => written.push((sent, record, Some(error))),
                PushOutcome::Archived => put_away.push(sent),
                PushOutcome::Refused(error) => refused.push((sent, error)),
            }
        }
        let mut done = Vec::new();
        close(&change, &scope, resource, &put_away).await?;
        done.extend(put_away.into_iter().map(|sent| sent.push));
        let partly = merge_answers(
            &mut change,
            &scope,
            resource,
            written,
            &mut found,
            &mut done,
        )
        .await?;
        outbound_push::settle(change.transaction(), &done, change.now()).await?;
        let untaken: Vec<&str> = refused
            .iter()
            .filter(|(_, error)| !matches!(error, ConnectorError::Transient { .. }))
            .filter_map(|(sent, _)| Some(sent.link.as_ref()?.external_id.as_str()))
            .collect();
        unanswered::forget(&change, &scope, resource, &untaken).await?;
        refused.extend(partly);
        let mut pause = None;
        for (sent, error) in refused {
            pause = self.refuse(&mut change, &sent, error).await?.or(pause);
        }
        ends::settled(&change, id, resource).await?;
        told::tell(&mut change, id, &found).await?;
        let now = change.now();
        change.commit().await?;
        match pause {
            Some(error) => self.pause_for(id, &error, now).await,
            None => Ok(()),
        }
    }

    /// Keeps a refusal in the push's row. The answer is an error whose wait concerns the whole connection.
    async fn refuse(
        &self,
        change: &mut Change,
        sent: &Sending,
        error: ConnectorError,
    ) -> Result<Option<SyncError>> {
        let push = &sent.push;
        let now = change.now();
        if let (ConnectorError::NotFound { .. }, Some(link)) = (&error, &sent.link) {
            // It went while it was written. Looking at it again puts our row away, or finds what it became.
            inbound_signal::raise(change, vec![look_again(link)]).await?;
        }
        let given_up = match &error {
            ConnectorError::Permanent { .. } | ConnectorError::Conflict { .. } => true,
            ConnectorError::NotFound { .. }
            | ConnectorError::Schema { .. }
            | ConnectorError::CursorExpired { .. } => push.attempts >= self.settings().max_attempts,
            // A token that ends on the way, or a consent that is gone, is not the row's fault.
            ConnectorError::RateLimited { .. }
            | ConnectorError::Transient { .. }
            | ConnectorError::Auth { .. } => false,
        };
        if given_up {
            told::give_up(change, push, told::refusal(&error)).await?;
            return Ok(None);
        }
        let error = SyncError::Connector(error);
        let (due, attempts) = match &error {
            SyncError::Connector(ConnectorError::Auth {
                reconnect: true, ..
            }) => (now, (push.attempts - 1).max(0)),
            error => self.patience(push, error, now),
        };
        let reason = Some(error.reason());
        let given =
            outbound_push::release(change.transaction(), push, due, attempts, reason, false);
        unless_lost(given.await)?;
        Ok(error.is_retryable().then_some(error))
    }
}

/// Closes the links of records that were put away.
async fn close(
    change: &Change,
    scope: &Scope<'_>,
    resource: Resource,
    gone: &[Sending],
) -> Result<()> {
    let ids: Vec<&str> = gone
        .iter()
        .filter_map(|sent| Some(sent.link.as_ref()?.external_id.as_str()))
        .collect();
    let of = scope.connection.id;
    let links = external_link::find_all(change.transaction(), of, resource.as_str(), &ids).await?;
    let closed: Vec<external_link::Model> = links
        .into_iter()
        .map(|link| external_link::Model {
            archived: true,
            version: link.version + 1,
            updated_at: change.now(),
            ..link
        })
        .collect();
    external_link::upsert(change, &closed).await?;
    Ok(())
}

/// The signal by which a record is read again.
pub(super) fn look_again(link: &external_link::Model) -> NewSignal {
    NewSignal {
        connection_id: link.connection_id,
        resource: link.resource.clone(),
        external_id: link.external_id.clone(),
        hint: json!({ "kind": "changed" }),
    }
}

type Written = (Sending, Record, Option<ConnectorError>);

/// Merges what the vendor answered; adds to `done` the pushes that are settled, and answers those that are not, with the reason.
async fn merge_answers(
    change: &mut Change,
    scope: &Scope<'_>,
    resource: Resource,
    written: Vec<Written>,
    found: &mut Findings,
    done: &mut Vec<Model>,
) -> Result<Vec<(Sending, ConnectorError)>> {
    if written.is_empty() {
        return Ok(Vec::new());
    }
    let rows = rows::load(change, written.iter().map(|(sent, ..)| sent.subject)).await?;
    // As it was when the plan was made, so that what is planned now differs by our own changes since and by nothing else.
    let known = Known {
        connection: scope.connection,
        references: scope.references,
        resource,
        links: written
            .iter()
            .filter_map(|(sent, ..)| Some((sent.subject.1, sent.link.clone()?)))
            .collect(),
        rows,
        open: HashMap::new(),
        ends: super::ends::Ends::default(),
        brought: HashSet::new(),
    };
    let mut unsettled = Vec::new();
    let mut answers = Vec::with_capacity(written.len());
    let mut derived = Vec::new();
    for (sent, record, error) in written {
        let now = known
            .rows
            .get(&sent.subject.1)
            .map(|row| known.values(row, sent.subject.1));
        let mut fields = Fields::new();
        let mut unchanged: HashSet<&str> = HashSet::new();
        for (name, write) in &sent.writes {
            let still = now.as_ref().and_then(|now| now.writes.get(name));
            let ours_stands = still.is_some_and(|still| still.value == write.value);
            let value = if ours_stands {
                unchanged.insert(name);
                write.means.clone()
            } else {
                record.fields.get(name).cloned().flatten()
            };
            fields.insert(name.clone(), value);
        }
        if let Some(Row::Deal(..)) = known.rows.get(&sent.subject.1) {
            derived.push((sent.subject.1, derived_of(scope, &unchanged, &record)));
        }
        told::flags(found, resource, &reference(sent.subject), &sent.flags);
        answers.push(Answer {
            subject: sent.subject,
            record,
            fields,
            made: if error.is_some() {
                Vec::new()
            } else {
                sent.made.clone()
            },
            unmade: if error.is_some() {
                Vec::new()
            } else {
                sent.unmade.clone()
            },
        });
        match (error, &sent.remains) {
            (Some(error), _) => unsettled.push((sent, error)),
            (None, Some(why)) => {
                let error = ConnectorError::permanent("end_not_there", why.clone());
                unsettled.push((sent, error));
            }
            (None, None) => done.push(sent.push),
        }
    }
    apply::adopt::answered(change, scope, resource, answers, found).await?;
    for (id, patch) in derived {
        derive(change, id, patch).await?;
    }
    Ok(unsettled)
}

/// What follows from properties that were sent: the vendor's own label of a stage, the whole of an owner. Our row cannot know these beforehand, and
/// for the merge nothing has changed there.
fn derived_of(scope: &Scope<'_>, unchanged: &HashSet<&str>, record: &Record) -> DealPatch {
    let mapping = &scope.connection.mapping.deal;
    let sent = |field| {
        mapping
            .fields
            .get(&field)
            .is_some_and(|property| unchanged.contains(property.as_str()))
    };
    let reading = map::deal(mapping, scope.references, &record.fields);
    let mut patch = DealPatch::default();
    if sent(DealField::Stage) {
        patch.source_stage = reading.source_stage.value().cloned();
    }
    if sent(DealField::Owner) {
        patch.owner_name = reading.owner_name.value().cloned();
        patch.owner_email = reading.owner_email.value().cloned();
    }
    patch
}

async fn derive(change: &mut Change, id: Uuid, patch: DealPatch) -> Result<()> {
    if patch == DealPatch::default() {
        return Ok(());
    }
    let system = Viewer::system("push");
    for row in visible::lock_all::<deal::Entity>(change, &system, [id]).await? {
        match deal::update(change, row, patch.clone()).await {
            // A label that our rules refuse is only a label.
            Ok(_) | Err(entities::error::Error::Invalid(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
