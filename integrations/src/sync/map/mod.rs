//! From a vendor's property values to values of ours, by the connection's mapping.
//!
//! Owns: reading texts, amounts, dates, stages and owners out of a record's fields. Refuses: to fail: a value that cannot be taken over is a
//! flag with a code, and the rest of the record goes on. Invariant: reading is a pure function of the fields, the mapping and the account's
//! facts, so that the shadow can be read the same way and compared.

mod company;
mod contact;
mod deal;
pub(super) mod order;
pub(super) mod outgoing;
mod reference;
pub(super) mod value;

pub(super) use company::{CustomerReading, PartnerReading, customer, is_partner, partner};
pub(super) use contact::contact;
pub(super) use deal::{DealReading, deal};
pub(super) use reference::{OwnerFacts, References};

#[cfg(test)]
mod tests;
