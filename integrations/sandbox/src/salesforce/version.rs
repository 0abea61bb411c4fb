//! The versions of the API: which are served, which are gone.

use serde_json::{Value, json};

/// The newest.
pub(crate) const NEWEST: &str = "68.0";
/// Everything up to this answers that it is gone.
const RETIRED: u32 = 30;
const LAST: u32 = 68;

/// What a version in a path is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    Served,
    Retired,
    Unknown,
}

/// Judges the text behind the `v`.
pub(crate) fn judge(text: &str) -> Standing {
    match text.strip_suffix(".0").and_then(|n| n.parse::<u32>().ok()) {
        Some(n) if !(20..=LAST).contains(&n) => Standing::Unknown,
        Some(n) if n <= RETIRED => Standing::Retired,
        Some(_) => Standing::Served,
        None => Standing::Unknown,
    }
}

/// The list of versions, oldest first.
pub(crate) fn list() -> Value {
    let seasons = ["Winter", "Spring", "Summer"];
    let all: Vec<Value> = (RETIRED + 1..=LAST)
        .map(|n| {
            // Winter '27 is 68; there are three releases a year.
            let season = seasons.get(usize::try_from((n + 1) % 3).unwrap_or(0));
            let year = 27 - (LAST + 2 - n) / 3;
            json!({
                "label": format!("{} '{year:02}", season.unwrap_or(&"Winter")),
                "url": format!("/services/data/v{n}.0"),
                "version": format!("{n}.0"),
            })
        })
        .collect();
    Value::Array(all)
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        reason = "tests"
    )]

    use super::*;

    #[test]
    fn releases_have_their_names() {
        let list = list();
        let label = |version: &str| {
            let all = list.as_array().unwrap();
            let found = all.iter().find(|v| v["version"] == version).unwrap();
            found["label"].as_str().unwrap().to_owned()
        };
        assert_eq!(label("68.0"), "Winter '27");
        assert_eq!(label("67.0"), "Summer '26");
        assert_eq!(label("66.0"), "Spring '26");
        assert_eq!(label("65.0"), "Winter '26");
        assert_eq!(label("64.0"), "Summer '25");
    }

    #[test]
    fn old_versions_are_gone() {
        assert_eq!(judge("68.0"), Standing::Served);
        assert_eq!(judge("31.0"), Standing::Served);
        assert_eq!(judge("30.0"), Standing::Retired);
        assert_eq!(judge("69.0"), Standing::Unknown);
        assert_eq!(judge("68"), Standing::Unknown);
    }
}
