//! The one source of random identifiers in this package.

/// A fresh identifier.
#[expect(
    clippy::disallowed_methods,
    reason = "the home of random identifiers in this package"
)]
pub(crate) fn fresh_id() -> String {
    uuid::Uuid::new_v4().to_string()
}
