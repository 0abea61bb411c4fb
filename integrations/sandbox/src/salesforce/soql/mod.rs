//! The query language, as far as a partner platform asks it.
//!
//! Players: `token` takes the text apart, `parse` makes a query of it, `resolve` holds its names against the schema, `matching` decides
//! about records.
//!
//! Refuses, as the vendor does: AND beside OR without parentheses, instants in quotes, fields and objects that do not exist, each with
//! the vendor's code. Left out: aggregates other than `COUNT()`, GROUP BY, semi-joins, FIELDS(), TYPEOF, FOR VIEW.

mod matching;
mod parse;
mod resolve;
mod token;

pub(crate) use matching::{collect, parent, value_at};
pub(crate) use parse::parse;
pub(crate) use resolve::{Part, Path, Plan, Shape, resolve};
