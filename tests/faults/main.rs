//! What goes wrong outside, and what must come of it all the same: nothing acknowledged is lost, nothing is doubled, and whatever cannot be
//! taken over is named.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "tests fail by panicking"
)]

mod both_sides;
mod crowd;
mod events;
mod flips;
mod grants;
mod histories;
mod kill;
mod kills;
mod lease;
mod limits;
mod linked;
mod malformed;
mod outage;
mod poison;
mod portal;
mod processes;
mod reconcile;
#[path = "../security/signing.rs"]
mod signing;
mod table;
mod traps;
mod unchanged;
mod webhooks;
mod worker;
