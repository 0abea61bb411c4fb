//! A small GraphQL service: a schema in its own language, static checks, costs and execution.
//!
//! Players: `schema` holds the types; `check` finds what is wrong with a document before anything runs; `coerce` turns literals and variables
//! into values; `cost` says what a document will cost; `execute` runs it against a `Resolver`; `problem` is how everything wrong is told.
//!
//! Owns: what GraphQL is, in the words of the library the vendor uses. Refuses: to know what a shop is. Invariant: a field that is not in the
//! schema is never answered, and a document with a static problem does nothing at all.

mod check;
mod coerce;
mod cost;
mod execute;
mod literal;
mod problem;
mod schema;
mod usage;

pub(crate) use check::check;
pub(crate) use coerce::variables;
pub(crate) use cost::{Rule, requested};
pub(crate) use execute::{Args, Fault, Node, Resolver, Work, execute};
pub(crate) use problem::Problem;
pub(crate) use schema::Schema;
