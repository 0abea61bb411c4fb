//! Webhooks on their way: how many are open, how they went, and the attempts of one delivery.
//!
//! Owns: the counting and the waits between attempts. Leaves to each vendor what is sent, how it is signed, and when an answer counts as
//! taken. Invariant: a delivery ends as delivered or as given up, and `idle` returns only when none is open.

use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde::Serialize;
use tokio::sync::{Notify, Semaphore};

use crate::SandboxError;

/// How the deliveries went so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct WebhookCounts {
    /// Requests sent, repeated ones included.
    pub attempts: usize,
    /// Events in requests that were taken.
    pub delivered: usize,
    /// Events whose every attempt failed.
    pub given_up: usize,
}

/// The counts of one sandbox.
#[derive(Debug, Default)]
pub(crate) struct Deliveries {
    /// What is not yet settled: waiting, in flight, or to be tried again.
    open: AtomicUsize,
    settled: Notify,
    delivered: AtomicUsize,
    given_up: AtomicUsize,
    attempts: AtomicUsize,
}

impl Deliveries {
    pub(crate) fn counts(&self) -> WebhookCounts {
        WebhookCounts {
            attempts: self.attempts.load(Ordering::SeqCst),
            delivered: self.delivered.load(Ordering::SeqCst),
            given_up: self.given_up.load(Ordering::SeqCst),
        }
    }

    /// Waits until nothing is queued, in flight or waiting for another attempt.
    pub(crate) async fn idle(&self) {
        loop {
            let settled = self.settled.notified();
            if self.open.load(Ordering::SeqCst) == 0 {
                return;
            }
            settled.await;
        }
    }

    pub(crate) fn opened(&self, count: usize) {
        self.open.fetch_add(count, Ordering::SeqCst);
    }

    pub(crate) fn closed(&self, count: usize) {
        self.open.fetch_sub(count, Ordering::SeqCst);
        self.settled.notify_waiters();
    }

    /// Tries once, then after each of the waits (seconds, multiplied by `scale`), until `send`, which is told the attempt's number from 0,
    /// says that it was taken. Counts `events`; true when they were delivered. `gate` bounds how many attempts run at a time.
    pub(crate) async fn attempt<F, A>(
        &self,
        events: usize,
        waits: &[u64],
        scale: f64,
        gate: &Semaphore,
        mut send: F,
    ) -> bool
    where
        F: FnMut(usize) -> A,
        A: Future<Output = bool>,
    {
        for attempt in 0..=waits.len() {
            if let Some(wait) = attempt.checked_sub(1).and_then(|before| waits.get(before)) {
                let scale = scale.clamp(0.0, 1000.0);
                tokio::time::sleep(Duration::from_secs(*wait).mul_f64(scale)).await;
            }
            let Ok(_place) = gate.acquire().await else {
                break;
            };
            self.attempts.fetch_add(1, Ordering::SeqCst);
            if send(attempt).await {
                self.delivered.fetch_add(events, Ordering::SeqCst);
                return true;
            }
        }
        self.given_up.fetch_add(events, Ordering::SeqCst);
        false
    }
}

/// The client that sends webhooks: to loopback, without proxies or redirects.
#[expect(
    clippy::disallowed_methods,
    reason = "the sandbox plays the vendor: its webhooks leave by a client of their own, to loopback only"
)]
pub(crate) fn webhook_client() -> Result<reqwest::Client, SandboxError> {
    reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(Duration::from_secs(2))
        .build()
        .map_err(SandboxError::Client)
}
