//! From deliveries to records: split the inbox by account, then look at each record again.
//!
//! Owns: routing a verified delivery to the connections it concerns, and the work on signals. Refuses: to let a delivery touch any connection
//! but those of the accounts it names, and to take a record from a webhook: what is written was fetched. Invariant: a signal disappears only in the
//! transaction that applied its record, and only if nothing was added to it meanwhile.
//!
//! A connection that may not be called keeps its signals; they wait in their rows.

use super::account;
use super::apply::{self, Scope, Source, Wanted};
use super::claim::{self, millis};
use super::error::{Result, SyncError};
use super::findings;
use super::map::{References, order};
use super::merged;
use super::pull::BACKFILL;
use super::run::Engine;
use super::settle;
use super::walk::Reader;
use crate::connector::{Delivery, Fetched, Signal, SignalKind};
use crate::error::ConnectorError;
use crate::http::Work;
use crate::record::{Record, RecordLink, Resource, is_sound_id};
use entities::change::{Author, Change, Origin};
use entities::clock::Timestamp;
use entities::connection::{self, ConnectionStatus};
use entities::external_link;
use entities::id::{ConnectionId, PartnerId, TypedId};
use entities::inbound_signal::{self, NewSignal};
use entities::inbound_webhook::{self, InboxState};
use entities::pending_link;
use entities::sync_cursor;
use entities::sync_run;
use serde_json::{Value as Json, json};
use std::collections::{BTreeSet, HashMap, HashSet};

/// Deliveries of one step.
const DELIVERIES: u64 = 50;
/// Signals of one step: what vendors read in one batch.
const SIGNALS: u64 = 100;

impl Engine {
    /// Splits stored deliveries into signals. The answer says whether there were any.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn split_inbox(&self) -> Result<bool> {
        let settings = self.settings();
        let claimed = inbound_webhook::claim(
            self.database(),
            self.worker(),
            millis(settings.lease),
            DELIVERIES,
            settings.max_attempts,
        )
        .await?;
        for row in &claimed {
            match self.split(row).await {
                Err(error) if settle::is_lost(&error) => {}
                Err(error) => {
                    let wait = claim::backoff(settings.backoff, settings.backoff_cap, row.attempts);
                    let due = self.database().now().plus_millis(millis(wait));
                    tracing::warn!(delivery = %row.id, %error, "a delivery could not be split");
                    match inbound_webhook::settle(
                        self.database().write(),
                        row,
                        InboxState::Pending,
                        Some(error.reason()),
                        due,
                    )
                    .await
                    {
                        Ok(()) | Err(entities::error::Error::LeaseLost) => {}
                        Err(error) => return Err(error.into()),
                    }
                }
                Ok(()) => {}
            }
        }
        Ok(!claimed.is_empty())
    }

    async fn split(&self, row: &inbound_webhook::Model) -> Result<()> {
        let author = Author {
            actor: "sync".to_owned(),
            origin: Origin::Sync,
            connection: None,
        };
        let delivery = Delivery {
            headers: &row.headers.0,
            body: &row.body,
            tenant_id: row.tenant_id.as_deref(),
        };
        let parsed = self
            .keeper()
            .connector(&row.connector)
            .ok()
            .and_then(|connector| Some(connector.webhooks()?.parse(&delivery)));
        let parsed = parsed.map(|parsed| {
            parsed.map(|mut signals| {
                let foreign = account::only_of(&mut signals, row.tenant_id.as_deref());
                (signals, foreign)
            })
        });
        // What people decide is done in changes of their own, before the delivery is taken in: one that is taken back must not take the delivery with it.
        if let Some(Ok((signals, _))) = &parsed {
            self.decide_pressed(&row.connector, &signals.actions)
                .await?;
        }
        let mut change = Change::begin(self.database(), author).await?;
        let now = change.now();
        let (state, error) = match parsed {
            None => (
                InboxState::Dead,
                Some("this build has no connector that could read it".to_owned()),
            ),
            // The bytes will not change, so neither will the answer.
            Some(Err(error)) => (InboxState::Dead, Some(format!("{}: {error}", error.code()))),
            Some(Ok((signals, foreign))) => {
                let taken = account::take_in(&mut change, &row.connector, &signals).await?;
                let (sound, strange): (Vec<Signal>, Vec<Signal>) =
                    signals.signals.into_iter().partition(is_sound);
                let unread = signals.malformed.len() + strange.len() + foreign;
                let (known, unknown) = self.route(&change, &row.connector, sound).await?;
                let unknown = unknown + taken.unknown;
                let state = if known.is_empty() && taken.known == 0 && unknown > 0 {
                    InboxState::UnknownTenant
                } else {
                    InboxState::Done
                };
                inbound_signal::raise(&change, known).await?;
                let mut notes = Vec::new();
                if unread > 0 {
                    notes.push(format!("{unread} events could not be read"));
                }
                if unknown > 0 {
                    notes.push(format!(
                        "{unknown} events belong to accounts that are not connected"
                    ));
                }
                (state, (!notes.is_empty()).then(|| notes.join("; ")))
            }
        };
        inbound_webhook::settle(change.transaction(), row, state, error, now).await?;
        change.commit().await?;
        Ok(())
    }

    /// Finds the connection of each event's account, and nobody else's.
    async fn route(
        &self,
        change: &Change,
        connector: &str,
        signals: Vec<Signal>,
    ) -> Result<(Vec<NewSignal>, usize)> {
        let tenants: BTreeSet<String> = signals
            .iter()
            .map(|signal| signal.tenant_id.clone())
            .collect();
        let mut connections: HashMap<String, ConnectionId> = HashMap::new();
        for tenant in tenants {
            let found =
                connection::find_by_tenant(change.transaction(), connector, &tenant).await?;
            if let Some(row) = found.filter(|row| row.status != ConnectionStatus::Revoked) {
                connections.insert(tenant, row.id);
            }
        }
        let mut raised = Vec::with_capacity(signals.len());
        let mut unknown = 0;
        for signal in signals {
            match connections.get(&signal.tenant_id) {
                Some(id) => raised.extend(records_of(*id, signal)),
                None => unknown += 1,
            }
        }
        Ok((raised, unknown))
    }

    /// Looks at some signalled records again. The answer says whether there were any.
    ///
    /// # Errors
    /// When the database fails. What fails at the vendor is kept in the signals' rows.
    pub async fn process_signals(&self) -> Result<bool> {
        let settings = self.settings();
        let claimed = inbound_signal::claim(
            self.database(),
            self.worker(),
            millis(settings.lease),
            SIGNALS,
            settings.max_attempts,
        )
        .await?;
        let Some(first) = claimed.first() else {
            return Ok(false);
        };
        let connection_id = first.connection_id;
        if let Err(error) = self.look_again(&claimed).await {
            self.put_back(connection_id, &claimed, error).await?;
        }
        Ok(true)
    }

    async fn look_again(&self, claimed: &[inbound_signal::Model]) -> Result<()> {
        let Some(first) = claimed.first() else {
            return Ok(());
        };
        let id = first.connection_id;
        let resource = Resource::parse(&first.resource).ok_or_else(|| {
            entities::error::Error::Damaged(format!("a resource named {:?}", first.resource))
        })?;
        let mut reader = Reader::open(self.database(), self.keeper(), id)
            .await?
            .doing(Work::Webhook);
        let wanted = reader.wanted(resource).await?;
        let ids: Vec<String> = claimed
            .iter()
            .map(|signal| signal.external_id.clone())
            .collect();
        let read_at = self.database().now();
        let fetched = match reader.fetch(resource, &ids, &wanted).await {
            Err(SyncError::Connector(ConnectorError::Auth {
                reconnect: true,
                message,
            })) => {
                self.keeper()
                    .require_reauthorization(id, reader.credentials_version(), &message)
                    .await?;
                return Err(ConnectorError::Auth {
                    reconnect: true,
                    message,
                }
                .into());
            }
            other => other?,
        };
        self.apply_fetched(claimed, resource, (fetched, read_at), &wanted)
            .await
    }

    pub(super) async fn apply_fetched(
        &self,
        claimed: &[inbound_signal::Model],
        resource: Resource,
        (fetched, read_at): (Fetched, Timestamp),
        wanted: &Wanted,
    ) -> Result<()> {
        let Some(first) = claimed.first() else {
            return Ok(());
        };
        let id = first.connection_id;
        // Before the first reading of everything is done, what a signal shows is history too.
        let lanes = sync_cursor::list(self.database().read(), id).await?;
        let is_new = lanes.iter().any(|lane| {
            lane.resource == resource.as_str() && lane.lane == BACKFILL && !lane.complete
        });
        let origin = if is_new {
            Origin::Backfill
        } else {
            Origin::Sync
        };
        let (mut change, connection) = settle::begin(self.database(), id, origin).await?;
        let held = inbound_signal::still_claimed(&change, claimed).await?;
        let held: HashSet<String> = held.into_iter().map(|row| row.external_id).collect();
        let ours: Vec<inbound_signal::Model> = claimed
            .iter()
            .filter(|row| held.contains(&row.external_id))
            .cloned()
            .collect();
        if ours.is_empty() {
            change.rollback().await?;
            return Ok(());
        }
        let Fetched {
            mut records,
            missing,
            malformed,
            merged: told,
        } = fetched;
        // A merged record comes under its new id, which nobody need have claimed: it is looked at under a claim of its own.
        let asked: HashSet<&str> = claimed.iter().map(|row| row.external_id.as_str()).collect();
        let renamed = records
            .iter()
            .map(|record| record.external_id.clone())
            .filter(|known| !asked.contains(known.as_str()));
        let mut again: BTreeSet<String> = renamed.collect();
        // Whoever holds a signal now has read its record later than this worker did.
        records.retain(|record| held.contains(&record.external_id));
        let missing: Vec<&str> = missing
            .iter()
            .map(String::as_str)
            .filter(|gone| held.contains(*gone))
            .collect();
        let merges = merged::targets(&ours, &missing, &told);
        again.extend(merged::hand_on(&change, id, resource, &merges).await?);
        let merged: HashSet<&str> = merges.values().flatten().map(String::as_str).collect();
        let losers: Vec<&str> = merged.iter().copied().collect();
        merged::look_at_ties(&change, id, resource, &losers).await?;
        // One that is held is read already, and applied below with what it has inherited.
        let raised = again
            .into_iter()
            .filter(|known| !held.contains(known))
            .map(|external_id| raise(id, resource, external_id, json!({ "kind": "changed" })));
        inbound_signal::raise(&change, raised.collect()).await?;
        let put_away = put_away(&change, id, resource, &missing, &merged).await?;
        records.extend(put_away);
        let mut found = sync_run::Findings::default();
        if !malformed.is_empty() {
            findings::malformed(&mut found, resource, &malformed);
        }
        let references = References::load(change.transaction(), &connection).await?;
        let scope = Scope {
            connection: &connection,
            references: &references,
            wanted,
            source: Source::Direct,
            read_at: Some(read_at),
        };
        apply::records(&mut change, &scope, resource, records, &mut found).await?;
        // What has gone into another record waits for nothing any more.
        let merged: Vec<&str> = merged.into_iter().collect();
        pending_link::delete_from(&change, id, resource.as_str(), &merged).await?;
        inbound_signal::settle(change.transaction(), &ours, change.now()).await?;
        settle::tell(&mut change, id, None, &found).await?;
        change.commit().await?;
        settle::resolve(self.database(), id, origin, None).await
    }

    async fn put_back(
        &self,
        id: ConnectionId,
        claimed: &[inbound_signal::Model],
        error: SyncError,
    ) -> Result<()> {
        let settings = self.settings();
        let database = self.database();
        let now = database.now();
        tracing::warn!(connection = %id, %error, signals = claimed.len(), "signals could not be worked on");
        let waits = matches!(
            error,
            SyncError::NotWorking { .. }
                | SyncError::Connector(ConnectorError::Auth {
                    reconnect: true,
                    ..
                })
        );
        for row in claimed {
            // A connection that needs a person is not the record's fault: the attempt does not count.
            if waits {
                inbound_signal::release(
                    database.write(),
                    row,
                    now,
                    row.attempts - 1,
                    row.error.clone(),
                    false,
                )
                .await?;
                continue;
            }
            let setback = claim::setback(
                &error,
                row.attempts,
                now,
                settings.backoff,
                settings.backoff_cap,
            );
            // A vendor or a database that is down is not the record's fault either: the signal waits, ever longer, and never dies of it.
            let (attempts, dead) = if error.is_retryable() {
                (setback.attempts.min(settings.max_attempts - 1), false)
            } else {
                (row.attempts, row.attempts >= settings.max_attempts)
            };
            let longest = now.plus_millis(millis(settings.backoff_cap));
            let due = if attempts < setback.attempts && setback.pause.is_none() {
                setback.available_at.max(longest)
            } else {
                setback.available_at
            };
            inbound_signal::release(database.write(), row, due, attempts, setback.error, dead)
                .await?;
            if let Some(until) = setback.pause {
                connection::pause_until(database, id, until).await?;
            }
        }
        Ok(())
    }
}

fn is_sound(signal: &Signal) -> bool {
    let others = match &signal.kind {
        SignalKind::Merged { into, from } => {
            is_sound_id(into) && from.iter().all(|id| is_sound_id(id))
        }
        SignalKind::AssociationChanged { other_id, .. } => is_sound_id(other_id),
        SignalKind::Changed | SignalKind::Deleted | SignalKind::Erased => true,
    };
    others && is_sound_id(&signal.external_id)
}

fn raise(
    connection_id: ConnectionId,
    resource: Resource,
    external_id: String,
    hint: Json,
) -> NewSignal {
    NewSignal {
        connection_id,
        resource: resource.as_str().to_owned(),
        external_id,
        hint,
    }
}

/// The records an event asks to look at.
fn records_of(connection_id: ConnectionId, signal: Signal) -> Vec<NewSignal> {
    let raise = |resource, external_id, hint| raise(connection_id, resource, external_id, hint);
    let resource = signal.resource;
    match signal.kind {
        SignalKind::Changed => vec![raise(
            resource,
            signal.external_id,
            json!({ "kind": "changed" }),
        )],
        SignalKind::Deleted => vec![raise(
            resource,
            signal.external_id,
            json!({ "kind": "deleted" }),
        )],
        SignalKind::Erased => vec![raise(
            resource,
            signal.external_id,
            json!({ "kind": "erased" }),
        )],
        SignalKind::Merged { into, from } => {
            let hint = json!({ "kind": inbound_signal::MERGED, "into": into });
            let losers = from
                .into_iter()
                .filter(|id| *id != into)
                .map(|id| raise(resource, id, hint.clone()));
            let raised: Vec<NewSignal> = losers.collect();
            // What remains is looked at once it has inherited, which the work on the others sees to.
            if raised.is_empty() {
                vec![raise(resource, into, json!({ "kind": "changed" }))]
            } else {
                raised
            }
        }
        // A link is kept by one end only; which one is the connector's matter, so both are looked at.
        SignalKind::AssociationChanged {
            other, other_id, ..
        } => {
            let hint = json!({ "kind": "association_changed" });
            vec![
                raise(resource, signal.external_id, hint.clone()),
                raise(other, other_id, hint),
            ]
        }
    }
}

/// Records that are gone, as they would look if the vendor had archived them: known values, put away. A partner that went into another
/// keeps its row, for a person ends partnerships; only its link is closed.
pub(super) async fn put_away(
    change: &Change,
    id: ConnectionId,
    resource: Resource,
    missing: &[&str],
    merged: &HashSet<&str>,
) -> Result<Vec<Record>> {
    let mut gone = Vec::new();
    let mut closed = Vec::new();
    for link in
        external_link::find_all(change.transaction(), id, resource.as_str(), missing).await?
    {
        if link.archived {
            continue;
        }
        if merged.contains(link.external_id.as_str())
            && link.subject_kind.as_deref() == Some(PartnerId::PREFIX)
        {
            let version = link.version + 1;
            closed.push(external_link::Model {
                archived: true,
                version,
                updated_at: change.now(),
                ..link
            });
            continue;
        }
        let kind = order::kind_of(&link.shadow.fields);
        gone.push(Record {
            external_id: link.external_id,
            updated_at_ms: link.external_updated_at.map_or(0, Timestamp::millis),
            created_at_ms: None,
            archived: true,
            fields: link.shadow.fields,
            links: Vec::<RecordLink>::new(),
            links_complete: false,
            url: None,
            kind: match resource {
                Resource::Contact => crate::record::Kind::Contact,
                Resource::Deal => crate::record::Kind::Deal,
                Resource::Order => kind,
                _ => crate::record::Kind::Company,
            },
        });
    }
    external_link::upsert(change, &closed).await?;
    Ok(gone)
}
