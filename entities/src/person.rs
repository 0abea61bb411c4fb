//! A person, wherever the database knows them: as somebody who signs in, as a contact, as the owner of deals, as the contact in a registration or an application, as who
//! is responsible for a partnership, as who said something of a deal in a chat, and in what the event log says changed.
//!
//! Owns: finding what is held of a person in our own rows, handing it over ([`export`]), and replacing it ([`Erasure`]; domain, invariant 17). What vendors
//! told of them (shadows, stored deliveries) is the engine's. Refuses: to guess. People are the same when they have the same address; a name alone
//! counts only where nothing but a person's name stands and no address does. Texts that people wrote (descriptions, reasons) are not searched.
//!
//! Whoever signed an agreement stays named below it: what was signed is evidence, for both sides and as long as the agreement is. The export lists those
//! signatures and says so.
//!
//! Invariant: rows, money and history stay, and so does the chain over the log: what is replaced in it is listed by the erasure's own event.

mod erase;
mod export;
mod find;
mod words;

pub use erase::{Erased, Erasure};
pub use export::{export, exported};
pub use find::{Person, Sought, find};
pub use words::Words;

/// What stands in place of a person.
pub const ERASED: &str = crate::contact::ERASED;
