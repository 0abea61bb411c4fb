//! Why the store refuses a change. What the vendor answers for each is decided in `answer`.

use super::kind::Kind;

/// Why a change was refused.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Refused {
    /// No live record with this id.
    #[error("no {} with id {id}", kind.singular())]
    NotFound {
        /// The kind asked for.
        kind: Kind,
        /// The id asked for.
        id: u64,
    },
    /// A unique value is taken.
    #[error("{} already exists. Existing ID: {existing}", capital(*kind))]
    Taken {
        /// The kind.
        kind: Kind,
        /// Who holds the value.
        existing: u64,
    },
    /// Values the schema refuses.
    #[error("property values were not valid: {}", problems.iter().map(|(name, _, message)| format!("{name}: {message}")).collect::<Vec<_>>().join("; "))]
    Invalid {
        /// Name, code and message of each.
        problems: Vec<(String, &'static str, String)>,
    },
    /// The link type does not exist between these kinds.
    #[error("no such association type between {} and {}", from.plural(), to.plural())]
    NoSuchLinkType {
        /// From.
        from: Kind,
        /// To.
        to: Kind,
    },
}

fn capital(kind: Kind) -> &'static str {
    match kind {
        Kind::Companies => "Company",
        Kind::Contacts => "Contact",
        Kind::Deals => "Deal",
    }
}
