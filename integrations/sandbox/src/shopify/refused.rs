//! Why an edit by a human in the shop is refused.

/// An edit that was not made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Nothing has this id.
    #[error("there is no {what} {id}")]
    NotFound {
        /// What was looked for.
        what: &'static str,
        /// Its id.
        id: u64,
    },
    /// The values make no sense.
    #[error("{0}")]
    Invalid(String),
}

impl Refused {
    pub(crate) fn no(what: &'static str, id: u64) -> Self {
        Self::NotFound { what, id }
    }
}
