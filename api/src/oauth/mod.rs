//! The authorization server's protocol, free of the web framework: the keys that sign, and the tokens they sign.

pub mod keys;
pub mod token;
