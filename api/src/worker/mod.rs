//! The worker: does what is due, one unit at a time, until it is told to stop.
//!
//! `step()` of the engine does one unit of work and says whether there was any. The loop around it only decides when to ask again: at
//! once while there is work, else when something was committed here ([`entities::database::Wake`]) or on another node ([`notify`]), and
//! after a second at the latest, for a signal may get lost and a row may become due. A step that panics or fails is logged and costs a
//! pause; it never ends the loop. Waiting for a vendor happens in rows, not here. When the process ends, a step in progress may finish; one
//! that takes too long is dropped, which rolls its transaction back and leaves its lease to run out.

pub mod chain;
pub mod notify;
pub mod programme;
pub mod retention;
pub mod webhooks;

use futures::FutureExt;
use integrations::automation::Runner;
use integrations::sync::{Engine, SyncError};
use std::panic::AssertUnwindSafe;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Commits come in bursts; a worker that waits this long wakes once for a burst.
const GATHER: Duration = Duration::from_millis(5);

/// How long a step in progress may go on after the process was told to end.
const GRACE: Duration = Duration::from_secs(10);

/// What a worker does.
pub trait Work: Clone + Send + Sync + 'static {
    /// Why a step failed.
    type Error: std::fmt::Display + Send;

    /// Does one unit of work and says whether there was any.
    fn step(&self) -> impl Future<Output = Result<bool, Self::Error>> + Send;
}

impl Work for Engine {
    type Error = SyncError;

    async fn step(&self) -> Result<bool, Self::Error> {
        Self::step(self).await
    }
}

impl Work for Runner {
    type Error = entities::error::Error;

    async fn step(&self) -> Result<bool, Self::Error> {
        Self::step(self).await
    }
}

/// How a worker runs.
#[derive(Clone, Copy, Debug)]
pub struct WorkerSettings {
    /// Units of work at a time.
    pub concurrency: usize,
    /// The longest wait.
    pub poll: Duration,
}

/// What wakes a worker.
#[derive(Clone, Debug)]
pub struct Wakers {
    /// Commits of this process.
    pub local: watch::Receiver<u64>,
    /// Commits of other nodes.
    pub remote: watch::Receiver<u64>,
}

impl Wakers {
    /// Nothing wakes: the worker looks once in its polling interval.
    #[must_use]
    pub fn none() -> Self {
        let silent = || watch::channel(0).1;
        Self {
            local: silent(),
            remote: silent(),
        }
    }

    /// Waits for the next wake; a source that has ended wakes nobody.
    async fn woken(&mut self) {
        tokio::select! {
            Ok(()) = self.local.changed() => {}
            Ok(()) = self.remote.changed() => {}
            else => std::future::pending().await,
        }
    }
}

/// Works until `stop` is cancelled.
pub async fn run<W: Work>(
    work: W,
    wakers: Wakers,
    settings: WorkerSettings,
    stop: CancellationToken,
) {
    let mut hands = JoinSet::new();
    for _ in 0..settings.concurrency.max(1) {
        hands.spawn(hand(
            work.clone(),
            wakers.clone(),
            settings.poll,
            stop.clone(),
        ));
    }
    while hands.join_next().await.is_some() {}
}

async fn hand<W: Work>(work: W, mut wakers: Wakers, poll: Duration, stop: CancellationToken) {
    while !stop.is_cancelled() {
        // What is committed from here on wakes again, so that nothing falls between looking and waiting.
        wakers.local.mark_unchanged();
        wakers.remote.mark_unchanged();
        let step = AssertUnwindSafe(work.step()).catch_unwind();
        let outcome = tokio::select! {
            outcome = step => outcome,
            () = overdue(&stop) => {
                tracing::warn!("a step was given up because the process ends");
                return;
            }
        };
        let wait_whole = match outcome {
            Ok(Ok(true)) => continue,
            Ok(Ok(false)) => false,
            Ok(Err(error)) => {
                tracing::error!(%error, "a step of the worker failed");
                true
            }
            Err(_) => {
                tracing::error!("a step of the worker panicked");
                true
            }
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(poll) => {}
            // After a failure nothing shortens the pause: a wake per commit would make it a busy loop.
            () = wakers.woken(), if !wait_whole => tokio::time::sleep(GATHER).await,
        }
    }
}

async fn overdue(stop: &CancellationToken) {
    stop.cancelled().await;
    tokio::time::sleep(GRACE).await;
}

#[cfg(test)]
mod tests;
