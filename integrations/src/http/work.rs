//! What a call is for, which decides who goes first when an account's budget is short.
//!
//! Owns: the order of urgency. Refuses: a budget of its own for any kind of work: all of them spend the same one. Invariant: the order
//! of the variants is the order in which waiting calls start, and whoever does not say what a call is for comes last.

/// A kind of work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Work {
    /// Somebody waits for the answer: connecting, a preview, a wish from the API.
    Interactive,
    /// A record that changed a moment ago, there or here.
    Webhook,
    /// Looking for what changed since the last time.
    Delta,
    /// Reading everything, the first time or to compare. Never takes more than half of a budget.
    #[default]
    Backfill,
}

impl Work {
    /// All kinds, the most urgent first.
    pub const ALL: [Self; 4] = [
        Self::Interactive,
        Self::Webhook,
        Self::Delta,
        Self::Backfill,
    ];

    /// Stable name, for logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Interactive => "interactive",
            Self::Webhook => "webhook",
            Self::Delta => "delta",
            Self::Backfill => "backfill",
        }
    }
}
