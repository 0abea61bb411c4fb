//! What happened in the portal, as the webhooks tell it.

use super::kind::Kind;

/// Who changed something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// A person in the vendor's user interface.
    Human,
    /// The connected application.
    App(u64),
}

impl By {
    pub(crate) fn source(self) -> &'static str {
        match self {
            Self::Human => "CRM_UI",
            Self::App(_) => "INTEGRATION",
        }
    }

    pub(crate) fn source_id(self) -> String {
        match self {
            Self::Human => "userId:7301".to_owned(),
            Self::App(id) => id.to_string(),
        }
    }
}

/// One change of one record.
#[derive(Debug, Clone)]
pub(crate) struct Happening {
    pub(crate) kind: Kind,
    pub(crate) id: u64,
    pub(crate) at: i64,
    pub(crate) by: By,
    pub(crate) what: What,
}

/// The kinds of change the vendor tells about.
#[derive(Debug, Clone)]
pub(crate) enum What {
    Created,
    Deleted,
    PrivacyDeleted,
    Restored,
    Changed {
        name: String,
        value: String,
    },
    Merged {
        primary: u64,
        merged: u64,
        into: u64,
        moved: usize,
    },
    Associated {
        to_kind: Kind,
        to: u64,
        removed: bool,
        primary: bool,
    },
}
