//! The engine: keeps our rows in step with what a vendor holds.
//!
//! **Players.** A *lane* is one way of reading one resource of one connection (everything, changes, the archived) and has a row that says where
//! it stands and who is reading. A *run* is one pass over all lanes of a connection; it says what was found. A *signal* says that one
//! record should be looked at again; webhooks boil down to signals. A *link* ties a record to our row and keeps the shadow: what the vendor is
//! known to hold.
//!
//! **How it flows.** [`pull`] claims a lane, reads pages while the pages before are being applied, and writes rows, links and position in
//! one transaction that checks the fence. [`webhook`] splits stored deliveries into signals by account, fetches the records they name and
//! applies them the same way. [`apply`] tells what is new, [`map`] reads values by the connection's mapping, [`merge`] decides each field
//! between shadow, vendor and row, by the connection's policy where both sides changed it; what it leaves to a person, [`resolve`] settles.
//! [`reconcile`] compares everything once a day and finds what the others have missed. [`push`] goes the other way: it follows the event log,
//! compares rows with their shadows and writes what differs. [`remap`] applies what is known again when the mapping has changed. [`chat`] follows the
//! log too, and tells people. [`account`] takes in what a delivery says besides records, [`privacy`] fulfils what the law on personal data asks, and
//! [`tend`] sees to it that accounts send their webhooks. [`run`] puts it
//! together: [`run::Engine::step`] does one unit of work.
//!
//! **Laws.** A record that says nothing new writes nothing. A value that cannot be taken over is flagged, a record that cannot be is kept
//! out, and the run says which and why; the rest goes on. An association whose other end is missing waits in a row until it comes. Waiting
//! happens in rows, never in a worker, so that every process sees it and a crash forgets nothing. Attempts are counted when work is claimed.
//! Applying is done by one worker per connection at a time (the connection's row is locked for the length of a transaction): two workers
//! that both meet a new record would otherwise both create its row.
//!
//! **Not here.** What an owner or a stage is called is read when a deal is applied; a later change of a name reaches a deal
//! with its next change.

mod account;
mod apply;
mod attribution;
mod calling;
mod chat;
mod claim;
pub mod connect;
pub mod default_mapping;
pub mod error;
mod findings;
pub mod ingest;
mod map;
mod merge;
mod merged;
mod privacy;
pub mod pull;
mod push;
mod reconcile;
pub mod remap;
mod resolve;
pub mod run;
mod settle;
mod tend;
#[cfg(test)]
mod tests;
pub mod token;
mod walk;
pub mod webhook;

pub use chat::{ChatFailure, Noting};
pub use connect::{Asking, Begun, Disconnected, Returned, Wish};
pub use error::{Result, SyncError};
pub use ingest::{Ingest, IngestError, IngestHandle, Stored};
pub use reconcile::HELD as DELETES_HELD;
pub use remap::{MappingPreview, NewMapping, Remapped, Remapping};
pub use run::{Engine, EngineParts, Progress, Settings, SyncKind};
pub use token::{Apps, TokenKeeper};
