//! The authorization server (OAuth 2.0 as RFC 9700 would have it), free of the web framework.
//!
//! **Players.** A *client* is software that a partner or the programme's owner registered. A *person* signs in at a browser and agrees, or does not, to
//! what a client asks for. What they allowed is a *grant*; a *code*, the *refresh tokens* and the *access tokens* that follow from it carry its id.
//!
//! **Who does what.** [`authorize`] reads what a client asks a person for and answers with a code. [`client_auth`] finds out which client speaks at the
//! other addresses. [`exchange`] gives tokens for a code, for a refresh token, or for nothing but the client itself. [`introspection`] and [`revoke`]
//! tell about tokens and end them. [`token`] makes and verifies them, [`keys`] signs, [`revocation`] keeps what was taken back. [`endpoint`] is the one
//! table of addresses, from which both the routes and the [`metadata`] are made.
//!
//! **What holds throughout.** A token says at most what three say together: the role of the person (or of a partner's software), what was allowed, and
//! what the client may have; it is computed anew each time one is made. What is good once is used up by one UPDATE that only one can win. An error is
//! sent to a client's address only after that address is known to be the client's. Every secret is a digest at rest, and the refusals say which rule was
//! broken and never what would have been right.

pub mod authorize;
pub mod client_auth;
pub mod client_key;
pub mod endpoint;
pub mod exchange;
pub mod introspection;
pub mod keys;
pub mod metadata;
pub mod parameters;
pub mod pkce;
pub mod refusal;
pub mod revocation;
pub mod revoke;
mod server;
pub mod token;

pub use server::AuthorizationServer;
