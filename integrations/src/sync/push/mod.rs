//! The way out: what changed here is written to the vendors.
//!
//! **Players.** The event log says which rows changed. A *push* is a row of the queue: "this vendor may not know what that row of ours says"; it holds
//! no values. The shadow of a link says what the vendor is known to hold.
//!
//! **How it flows.** [`fan_out`] follows the log and raises pushes for every connection but the one a change came by. [`dispatch`] claims pushes of
//! one connection and resource, reads those records anew and merges them first, so that what people changed there survives and what both sides
//! changed is decided in one place. [`plan`] then compares each row with its shadow through the mapping: what reads the same is not sent. [`settle`]
//! takes in what the vendor answered: it becomes the shadow, so the echo that comes back as a webhook is an empty difference.
//!
//! **Creations** are the dangerous part: one that was sent and not answered may have happened. Before it leaves, the push notes so durably; whoever
//! finds the note and no link looks for our reference at the vendor before anything is created again. A record that comes in by another way
//! while its creation is still unanswered carries our reference, by which it is known ([`super::apply::adopt`]).
//!
//! **Laws.** One row has one push, so what is sent of it is in order and several changes are one call. A refusal concerns one row; its neighbours go
//! on. A wait the vendor set holds for the whole connection and burns no attempt. What cannot be sent ends visibly: dead with the vendor's
//! words, or as an issue of a run. Values of people are neither logged nor written into events.

mod call;
mod clash;
mod dispatch;
mod ends;
mod fan_out;
mod fetched;
mod links;
mod plan;
mod rows;
mod setback;
mod settle;
mod told;
mod write;
