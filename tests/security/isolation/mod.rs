//! The proof that nothing leaks: everything the schema offers, asked by everybody, about what is theirs, another's and nobody's.
//!
//! Players: [`world`] is two partners that mirror each other, with a company below and one above the first of them, and of everything the programme
//! keeps for itself one row; every text, id and number is a canary ([`core`], [`callers`] and [`gathered`] are its parts). [`actors`] are those who ask. [`permissions`] is the checked-in table of who may
//! what, and [`exceptions`] the short list of what is not in it. [`asking`] makes the questions from the schema, so that a field that is added
//! tomorrow is asked without anybody's doing, and fails where the world has no row that shows it.
//!
//! What is proved: [`fields`] holds every field and every actor against the table; [`leaks`] looks for canaries in whatever partners read, and
//! for any difference between another's row and one that never was; [`streams`] does both with subscriptions; [`doors`] is who has no valid token; [`rows`] and [`guards`] hold each filter
//! and each guard by itself, also where another stands before it and would hide that it is gone.

mod actors;
mod asking;
mod callers;
mod core;
mod doors;
mod exceptions;
mod fields;
mod gathered;
mod guards;
mod leaks;
pub mod permissions;
mod rows;
mod streams;
mod world;
