//! What the benches share: processes and what they cost, a throw-away PostgreSQL, a light load generator, and the table at the end.
//!
//! A figure here is always a ratio to something measured in the same run on the same machine, and besides requests a second there is always
//! the CPU they took: on a machine that others use too, the second is the steadier of the two. Nothing here judges: a bench prints.

#![allow(dead_code, reason = "each bench uses its part")]
#![allow(missing_docs, reason = "a bench is no library")]

pub mod cluster;
pub mod load;
pub mod process;
pub mod server;
pub mod table;
