//! Telling people in a chat what happened to deals and which registrations wait, and taking their answers.
//!
//! **Players.** The event log says what happened. A *chat message* is a row of a queue: "that connection's people should hear of this event", in one
//! channel; it holds no words. A *post* says where the message is. A *confirmation* is what somebody answered by a button below a deal; a *press* is what
//! somebody wanted to become of a registration.
//!
//! **How it flows.** [`listen`] follows the log and raises messages for connections whose mapping wants them. [`post`] claims a message, has
//! [`compose`] (of a registration, [`registration`]) put together what is true at that moment, and posts it or puts a posted one right. [`answer`] takes in
//! buttons of deals, [`decide`] those of registrations, and both ask for the message to be put right.
//!
//! **Laws.** History is not told. Nothing here is known to the code of deals. One message a second and channel; one channel's wait holds up no
//! other. A message that may be there is looked for before it is sent again, and where looking is not allowed a person decides. Texts are plain:
//! what a name could do in a vendor's markup is the connector's to prevent.

pub(super) mod answer;
mod compose;
mod decide;
mod listen;
mod post;
mod registration;
mod say;

pub use say::{ChatFailure, Noting};

/// The action of the button that says that it is so.
pub(super) const CONFIRM: &str = "deal.confirm";
/// The action of the button that says that it is not.
pub(super) const DISPUTE: &str = "deal.dispute";
/// The action of the button that approves a registration.
pub(super) const APPROVE: &str = "registration.approve";
/// The action of the button that refuses one.
pub(super) const REJECT: &str = "registration.reject";
