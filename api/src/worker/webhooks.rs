//! The courier's loop: webhooks go out beside the engine, so that neither waits for the other.
//!
//! A turn that fails is logged and costs a pause. When the process ends nothing departs any more; what is in the air may land within the grace, and what
//! does not is due again when its lease is over.

use super::{GATHER, GRACE, Wakers};
use integrations::outbound::Courier;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Delivers until `stop` is cancelled.
pub async fn run(
    mut courier: Courier,
    mut wakers: Wakers,
    poll: Duration,
    stop: CancellationToken,
) {
    while !stop.is_cancelled() {
        // What is committed from here on wakes again, so that nothing falls between looking and waiting.
        wakers.local.mark_unchanged();
        wakers.remote.mark_unchanged();
        let wait_whole = match courier.turn().await {
            Ok(true) => continue,
            Ok(false) => false,
            Err(error) => {
                tracing::error!(%error, "webhooks could not go out");
                true
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(poll) => {}
            () = courier.landing(), if !wait_whole => {}
            () = wakers.woken(), if !wait_whole => tokio::time::sleep(GATHER).await,
        }
    }
    match tokio::time::timeout(GRACE, courier.come_home()).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::error!(%error, "webhooks that landed could not be settled"),
        Err(_) => tracing::info!("webhooks in the air were left to their leases"),
    }
}
