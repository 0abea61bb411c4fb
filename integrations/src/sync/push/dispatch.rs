//! Working on pushes: read, merge, compare, send.
//!
//! Owns: the order of the steps and the line between what is known and what may have happened. Refuses: to call a vendor inside a transaction, and to
//! write before it is noted that it may have been done. Invariant: a push disappears only in the transaction that took in the vendor's answer, or
//! found that there is nothing to say, and only if its row was not named again meanwhile.

use super::call::Writer;
use super::clash::existing;
use super::ends::{self, Ends};
use super::fan_out::allowed;
use super::fetched::merge_fetched;
use super::plan::{Known, Plan, Sending, reference};
use super::rows::{self, subject_of};
use super::setback::unless_lost;
use super::settle::Settled;
use super::told;
use crate::connector::{ConnectorError, Fetched, Record, Resource};
use crate::http::Work;
use crate::push::PushOutcome;
use crate::sync::apply::adopt::{self, Base};
use crate::sync::apply::{Scope, Source, Wanted, unanswered};
use crate::sync::claim::millis;
use crate::sync::error::{Result, SyncError};
use crate::sync::map::References;
use crate::sync::remap::REMAP;
use crate::sync::run::Engine;
use crate::sync::settle::{begin, is_lost, resolve};
use crate::sync::walk::Reader;
use entities::change::{Change, Origin};
use entities::clock::Timestamp;
use entities::connection::mapping::PushMode;
use entities::external_link;
use entities::id::ConnectionId;
use entities::outbound_push::{self, Model};
use entities::sync_conflict;
use entities::sync_cursor;
use entities::sync_run::Findings;
use std::collections::{HashMap, HashSet};
use uuid::Uuid;

/// Pushes of one step: what vendors write in one batch.
const PUSHES: u64 = 100;
/// How long a push waits for a company it refers to, in milliseconds, should nobody say before that the company is there.
pub(super) const WAIT_MS: i64 = 3_000;

/// What the vendor was found to hold.
#[derive(Default)]
struct Read {
    /// An instant before it was read.
    at: Option<Timestamp>,
    fetched: Fetched,
    /// Records found by our reference.
    found: Vec<(String, Record)>,
}

impl Engine {
    /// Sends some of what changed here. The answer says whether there was anything.
    ///
    /// # Errors
    /// When the database fails. What fails at the vendor is kept in the pushes' rows.
    pub async fn push_step(&self) -> Result<bool> {
        let settings = self.settings();
        let lease = millis(settings.lease);
        let claimed = outbound_push::claim(
            self.database(),
            self.worker(),
            lease,
            PUSHES,
            settings.max_attempts,
        )
        .await?;
        let Some(first) = claimed.first() else {
            return Ok(false);
        };
        let id = first.connection_id;
        let until = self.database().now().plus_millis(lease / 3);
        let claimed = self.isolate(claimed).await?;
        match self.send(&claimed, until).await {
            Err(error) if is_lost(&error) => {}
            Err(error) => self.give_back(id, &claimed, &error).await?,
            Ok(()) => {}
        }
        Ok(true)
    }

    async fn send(&self, claimed: &[Model], until: Timestamp) -> Result<()> {
        let Some(first) = claimed.first() else {
            return Ok(());
        };
        let (database, id) = (self.database(), first.connection_id);
        let resource = Resource::parse(&first.resource).ok_or_else(|| {
            entities::error::Error::Damaged(format!("a resource named {:?}", first.resource))
        })?;
        let mut writer = Writer::open(database, self.keeper(), id).await?;
        if allowed(writer.connector(), writer.connection(), resource) == PushMode::Off {
            outbound_push::settle(database.write(), claimed, database.now()).await?;
            return Ok(());
        }
        let version = writer.connection().credentials_version;
        let done = self.send_with(&mut writer, resource, claimed, until).await;
        if let Err(SyncError::Connector(ConnectorError::Auth {
            reconnect: true,
            message,
        })) = &done
        {
            self.keeper()
                .require_reauthorization(id, version, message)
                .await?;
        }
        done
    }

    async fn send_with(
        &self,
        writer: &mut Writer<'_>,
        resource: Resource,
        claimed: &[Model],
        until: Timestamp,
    ) -> Result<()> {
        let (database, id) = (self.database(), writer.connection().id);
        let mut reader = Reader::open(database, self.keeper(), id)
            .await?
            .doing(Work::Webhook);
        let wanted = reader.wanted(resource).await?;
        let read = self
            .read(&mut reader, writer, resource, claimed, &wanted)
            .await?;
        let sendings = self.decide(id, resource, claimed, read, &wanted).await?;
        // What the merge brought may be what other records wait for.
        resolve(database, id, Origin::Sync, None).await?;
        let outcomes = self
            .write_out(writer, resource, sendings, &wanted, until)
            .await?;
        let existing = existing(&outcomes);
        let lost_consent = outcomes.iter().find_map(|(_, outcome)| match outcome {
            PushOutcome::Refused(
                error @ ConnectorError::Auth {
                    reconnect: true, ..
                },
            ) => Some(error.clone()),
            _ => None,
        });
        let (clashes, outcomes): (Vec<Settled>, Vec<Settled>) = outcomes
            .into_iter()
            .partition(|(sent, _)| existing.contains_key(&sent.push.subject_id));
        self.take_answers(id, resource, outcomes, &wanted).await?;
        resolve(database, id, Origin::Sync, None).await?;
        if let Some(error) = lost_consent {
            return Err(error.into());
        }
        self.meet(&mut reader, resource, clashes, &existing, &wanted)
            .await
    }

    /// Reads what the vendor holds of these rows.
    async fn read(
        &self,
        reader: &mut Reader<'_>,
        writer: &mut Writer<'_>,
        resource: Resource,
        claimed: &[Model],
        wanted: &Wanted,
    ) -> Result<Read> {
        let id = writer.connection().id;
        let subjects: Vec<Uuid> = claimed.iter().map(|push| push.subject_id).collect();
        let links =
            external_link::find_subjects(self.database().read(), id, resource.as_str(), &subjects)
                .await?;
        let mut read = Read {
            at: Some(self.database().now()),
            ..Read::default()
        };
        if !links.is_empty() {
            let ids: Vec<String> = links.iter().map(|link| link.external_id.clone()).collect();
            read.fetched = reader.fetch(resource, &ids, wanted).await?;
        }
        let linked: HashSet<Uuid> = links.iter().filter_map(|link| link.subject_id).collect();
        let uncertain: Vec<String> = claimed
            .iter()
            .filter(|push| push.sent_at.is_some() && !linked.contains(&push.subject_id))
            .filter_map(subject_of)
            .map(reference)
            .collect();
        if !uncertain.is_empty() {
            read.found = writer.find(resource, &uncertain, &wanted.fields).await?;
        }
        Ok(read)
    }

    /// Merges what was read and decides about each push, in one transaction. The answer is what has to be sent.
    async fn decide(
        &self,
        id: ConnectionId,
        resource: Resource,
        claimed: &[Model],
        read: Read,
        wanted: &Wanted,
    ) -> Result<Vec<Sending>> {
        let (mut change, connection) = begin(self.database(), id, Origin::Sync).await?;
        if !connection.status.is_working() {
            return Err(SyncError::NotWorking {
                status: connection.status,
                reason: connection.status_reason,
            });
        }
        if is_remapping(&change, id).await? {
            // Until the rows follow a new mapping, what they say would be taken for people's changes.
            change.rollback().await?;
            self.wait_for(claimed, "REMAPPING: waits until the new mapping is applied")
                .await?;
            return Ok(Vec::new());
        }
        let held = outbound_push::still_claimed(&change, claimed).await?;
        let held: HashSet<Uuid> = held.into_iter().map(|push| push.subject_id).collect();
        let ours: Vec<&Model> = claimed
            .iter()
            .filter(|push| held.contains(&push.subject_id))
            .collect();
        let references = References::load(change.transaction(), &connection).await?;
        let scope = Scope {
            connection: &connection,
            references: &references,
            wanted,
            source: Source::Direct,
            read_at: read.at,
        };
        let mut found = Findings::default();
        for (name, record) in &read.found {
            let named = ours
                .iter()
                .filter_map(|push| subject_of(push))
                .find(|subject| reference(*subject) == *name);
            if let Some(subject) = named {
                adopt::tie(&change, &scope, resource, (record, subject), Base::Theirs).await?;
            }
        }
        let gone = merge_fetched(
            &mut change,
            &scope,
            resource,
            (&ours, read.fetched),
            &mut found,
        )
        .await?;
        let known = known(&change, &scope, resource, &ours).await?;
        let mut plans = Vec::with_capacity(ours.len());
        for push in ours {
            let link = known.links.get(&push.subject_id);
            let plan = if link.is_some_and(|link| gone.contains(&link.external_id)) {
                None
            } else {
                Some(known.plan(push))
            };
            plans.push((push, plan));
        }
        outbound_push::raise(&change, known.ends.to_ask(&connection)).await?;
        drop(known);
        let sendings = self
            .settle_plans(&mut change, resource, plans, &mut found)
            .await?;
        // Creations are noted in their own rows, once the account is known to be able to keep our reference.
        unanswered::note(
            &change,
            sendings.iter().filter_map(Sending::leaving).collect(),
        )
        .await?;
        told::tell(&mut change, id, &found).await?;
        change.commit().await?;
        Ok(sendings)
    }

    /// Settles what needs no call.
    async fn settle_plans(
        &self,
        change: &mut Change,
        resource: Resource,
        plans: Vec<(&Model, Option<Plan>)>,
        found: &mut Findings,
    ) -> Result<Vec<Sending>> {
        let (mut sendings, mut done) = (Vec::new(), Vec::new());
        let connection = plans.first().map(|(push, _)| push.connection_id);
        let wait = change.now().plus_millis(WAIT_MS);
        for (push, plan) in plans {
            match plan {
                Some(Plan::Send(sending)) => sendings.push(*sending),
                Some(Plan::Nothing(flags)) => {
                    if let Some(subject) = subject_of(push) {
                        told::flags(found, resource, &reference(subject), &flags);
                    }
                    done.push(push.clone());
                }
                Some(Plan::Impossible(code, reason)) => {
                    told::give_up(change, push, (code, format!("{code}: {reason}"))).await?;
                }
                Some(Plan::Wait(until)) => {
                    let reason = ends::COMING.to_owned();
                    let attempts = (push.attempts - 1).max(0);
                    let given = outbound_push::release(
                        change.transaction(),
                        push,
                        wait.max(until),
                        attempts,
                        Some(reason),
                        false,
                    );
                    unless_lost(given.await)?;
                }
                // The record is gone or became another: its signal sees to it, and then this is looked at again.
                None => {
                    let reason = "NOT_FOUND: the record is being looked for".to_owned();
                    let given = if push.attempts >= self.settings().max_attempts {
                        told::give_up(change, push, ("NOT_FOUND", reason)).await
                    } else {
                        let given = outbound_push::release(
                            change.transaction(),
                            push,
                            wait,
                            push.attempts,
                            Some(reason),
                            false,
                        );
                        unless_lost(given.await)
                    };
                    given?;
                }
            }
        }
        outbound_push::settle(change.transaction(), &done, change.now()).await?;
        if let Some(connection) = connection {
            ends::settled(change, connection, resource).await?;
        }
        Ok(sendings)
    }
}

/// Whether a new mapping is still being applied to the rows of a connection.
async fn is_remapping(change: &Change, id: ConnectionId) -> Result<bool> {
    let lanes = sync_cursor::list(change.transaction(), id).await?;
    Ok(lanes
        .iter()
        .any(|lane| lane.lane == REMAP && lane.position.is_some()))
}

/// Everything the plans need.
async fn known<'a>(
    change: &Change,
    scope: &Scope<'a>,
    resource: Resource,
    ours: &[&Model],
) -> Result<Known<'a>> {
    let (transaction, connection) = (change.transaction(), scope.connection);
    let subjects: Vec<Uuid> = ours.iter().map(|push| push.subject_id).collect();
    let rows = rows::load(change, ours.iter().filter_map(|push| subject_of(push))).await?;
    let mut links: HashMap<Uuid, external_link::Model> = HashMap::new();
    for link in
        external_link::find_subjects(transaction, connection.id, resource.as_str(), &subjects)
            .await?
    {
        let Some(subject) = link.subject_id else {
            continue;
        };
        // Of several records of one row the one that lives counts.
        if links.get(&subject).is_none_or(|known| known.archived) {
            links.insert(subject, link);
        }
    }
    let unlinked: Vec<Uuid> = subjects
        .iter()
        .copied()
        .filter(|id| !links.contains_key(id))
        .collect();
    let brought = rows::brought_by(transaction, connection.id, &unlinked).await?;
    let open = sync_conflict::open_fields(transaction, connection.id, &subjects).await?;
    let ends = Ends::load(change, connection, resource, &rows, &links).await?;
    Ok(Known {
        connection,
        references: scope.references,
        resource,
        rows,
        links,
        open,
        ends,
        brought,
    })
}
