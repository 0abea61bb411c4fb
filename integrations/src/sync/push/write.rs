//! Calling the vendor with what has to be sent.
//!
//! Owns: the note that a creation is leaving, and the search for the item that spoils a batch. Refuses: to go on against a vendor that fails each
//! call. Invariant: every sending that is not given back has an outcome.

use super::call::Writer;
use super::plan::Sending;
use super::settle::Settled;
use crate::connector::{ConnectorError, Resource};
use crate::push::{PushItem, PushOutcome};
use crate::sync::apply::Wanted;
use crate::sync::error::{Result, SyncError};
use crate::sync::run::Engine;
use crate::sync::settle::is_lost;
use entities::clock::Timestamp;
use entities::id::ConnectionId;
use entities::outbound_push::{self, Model};

/// From this attempt on items are sent one by one: one of them may be what spoils the batch.
const SINGLY_FROM: i32 = 3;
/// After so many failures in a row it is the vendor, not an item.
const FAILURES: usize = 3;

impl Engine {
    /// Writes, and answers what became of each. What was not reached is given back.
    pub(super) async fn write_out(
        &self,
        writer: &mut Writer<'_>,
        resource: Resource,
        sendings: Vec<Sending>,
        wanted: &Wanted,
        until: Timestamp,
    ) -> Result<Vec<Settled>> {
        if sendings.is_empty() {
            return Ok(Vec::new());
        }
        let id = writer.connection().id;
        let pushes: Vec<Model> = sendings.iter().map(|sent| sent.push.clone()).collect();
        match self.note_creations(writer, resource, &sendings).await {
            Err(error) if is_lost(&error) => return Err(error),
            Err(error) => {
                self.refer(id, writer, &error).await?;
                self.give_back(id, &pushes, &error).await?;
                return Ok(Vec::new());
            }
            Ok(()) => {}
        }
        let items: Vec<PushItem> = sendings.iter().map(|sent| sent.item()).collect();
        let singly = pushes.iter().any(|push| push.attempts >= SINGLY_FROM);
        if items.len() == 1 || !singly {
            match writer.apply(resource, &items, &wanted.fields).await {
                Ok(outcomes) => return Ok(sendings.into_iter().zip(outcomes).collect()),
                Err(error) if items.len() == 1 || error.is_retryable() => {
                    self.refer(id, writer, &error).await?;
                    self.give_back(id, &pushes, &error).await?;
                    return Ok(Vec::new());
                }
                Err(error @ SyncError::Connector(ConnectorError::Auth { .. })) => {
                    self.refer(id, writer, &error).await?;
                    self.give_back(id, &pushes, &error).await?;
                    return Ok(Vec::new());
                }
                // Refused as a whole: one of them is the reason, and the others are not to suffer for it.
                Err(_) => {}
            }
        }
        self.write_singly(writer, resource, sendings, wanted, until)
            .await
    }

    async fn write_singly(
        &self,
        writer: &mut Writer<'_>,
        resource: Resource,
        sendings: Vec<Sending>,
        wanted: &Wanted,
        until: Timestamp,
    ) -> Result<Vec<Settled>> {
        let mut outcomes = Vec::with_capacity(sendings.len());
        let mut failures = 0;
        let mut rest = sendings.into_iter();
        for sent in rest.by_ref() {
            let answer = writer.apply(resource, &[sent.item()], &wanted.fields).await;
            let outcome = match answer {
                Ok(mut one) => one.pop(),
                Err(SyncError::Connector(error)) => Some(PushOutcome::Refused(error)),
                Err(error) => return Err(error),
            };
            let Some(outcome) = outcome else { continue };
            let ends = match &outcome {
                PushOutcome::Refused(
                    ConnectorError::RateLimited { .. } | ConnectorError::Auth { .. },
                ) => true,
                PushOutcome::Refused(error) if error.is_retryable() => {
                    failures += 1;
                    failures >= FAILURES
                }
                _ => {
                    failures = 0;
                    false
                }
            };
            outcomes.push((sent, outcome));
            if ends || self.database().now() >= until {
                break;
            }
        }
        let unreached: Vec<Model> = rest.map(|sent| sent.push).collect();
        self.put_off(&unreached).await?;
        Ok(outcomes)
    }

    /// A consent that is gone is the connection's matter.
    async fn refer(&self, id: ConnectionId, writer: &Writer<'_>, error: &SyncError) -> Result<()> {
        if let SyncError::Connector(ConnectorError::Auth {
            reconnect: true,
            message,
        }) = error
        {
            let version = writer.connection().credentials_version;
            self.keeper()
                .require_reauthorization(id, version, message)
                .await?;
        }
        Ok(())
    }

    /// Before a creation leaves, the account must be able to keep our reference, and the push must say that it left.
    async fn note_creations(
        &self,
        writer: &mut Writer<'_>,
        resource: Resource,
        sendings: &[Sending],
    ) -> Result<()> {
        let new: Vec<Model> = sendings
            .iter()
            .filter(|sent| sent.link.is_none())
            .map(|sent| sent.push.clone())
            .collect();
        if new.is_empty() {
            return Ok(());
        }
        writer.prepare(resource).await?;
        outbound_push::mark_sent(self.database(), &new).await?;
        Ok(())
    }
}
