//! The authorization server, tried from outside: what must be refused is refused, and what is good once is good once.

mod assertions;
mod authorize;
mod clients;
mod code;
mod ending;
mod kept_out;
mod keys;
mod limits;
mod metadata;
mod redirects;
mod refresh;
pub mod scene;
