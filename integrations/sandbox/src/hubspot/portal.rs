//! What belongs to the portal as a whole: its identity, its owners and its deal pipeline.

use serde::{Deserialize, Serialize};

/// Identity and account settings.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct PortalInfo {
    pub(crate) portal_id: u64,
    pub(crate) currency: String,
    pub(crate) additional_currencies: Vec<String>,
    pub(crate) time_zone: String,
    pub(crate) created_at: i64,
}

/// A user who may own records.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Owner {
    pub(crate) id: u64,
    pub(crate) user_id: u64,
    pub(crate) first_name: String,
    pub(crate) last_name: String,
    pub(crate) email: String,
    pub(crate) team: Option<(u64, String)>,
    pub(crate) archived: bool,
}

impl Owner {
    /// The n-th owner, with ids and an address derived from the name.
    pub(crate) fn named(n: u64, name: &str, team: Option<(u64, String)>) -> Self {
        let (first, last) = name.split_once(' ').unwrap_or((name, ""));
        let address = name
            .to_lowercase()
            .split(|c: char| !c.is_ascii_alphanumeric() && c != '-')
            .filter(|part| !part.is_empty())
            .collect::<Vec<_>>()
            .join(".");
        Self {
            id: 910_900_000 + n,
            user_id: 7_400_000 + n,
            first_name: first.to_owned(),
            last_name: last.to_owned(),
            email: format!("{address}@sales.example"),
            team,
            archived: false,
        }
    }
}

/// A pipeline of deals.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Pipeline {
    pub(crate) id: String,
    pub(crate) label: String,
    pub(crate) stages: Vec<Stage>,
}

/// A stage of a pipeline.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Stage {
    pub(crate) id: String,
    pub(crate) label: String,
    pub(crate) closed: bool,
    /// As the vendor writes it in the stage's metadata.
    pub(crate) probability: String,
}

impl Pipeline {
    /// The one pipeline of every sandbox portal.
    pub(crate) fn standard() -> Self {
        let stages = [
            ("prospecting", "Prospecting", false, "0.2"),
            ("engaging", "Engaging", false, "0.4"),
            ("closedwon", "Closed Won", true, "1.0"),
            ("closedlost", "Closed Lost", true, "0.0"),
        ];
        Self {
            id: "default".to_owned(),
            label: "Sales Pipeline".to_owned(),
            stages: stages
                .into_iter()
                .map(|(id, label, closed, probability)| Stage {
                    id: id.to_owned(),
                    label: label.to_owned(),
                    closed,
                    probability: probability.to_owned(),
                })
                .collect(),
        }
    }
}
