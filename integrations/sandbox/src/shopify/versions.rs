//! Versions of the vendor's API. A request for one that has ended is served by the oldest that has not, and only a header tells.

use serde_json::json;

use super::graphql::Node;
use super::resolve::At;

/// The newest stable version.
pub(crate) const CURRENT: &str = "2026-10";

/// The versions that are served, oldest first; the last two are not stable.
const SERVED: [&str; 6] = [
    "2026-01", "2026-04", "2026-07", CURRENT, "2027-01", "unstable",
];

/// Which version serves a request for `asked`; `None` when there never was such a version. `oldest` replaces the oldest one served.
pub(crate) fn serving(asked: &str, oldest: Option<&str>) -> Option<&'static str> {
    let from = oldest
        .and_then(|oldest| SERVED.iter().position(|known| *known == oldest))
        .unwrap_or(0);
    let live = SERVED.get(from..).unwrap_or_default();
    if let Some(found) = live.iter().find(|known| **known == asked) {
        return Some(found);
    }
    let (year, month) = asked.split_once('-')?;
    let past = year.len() == 4
        && year.parse::<u16>().is_ok_and(|year| year >= 2019)
        && matches!(month, "01" | "04" | "07" | "10")
        && live.first().is_some_and(|first| asked < *first);
    past.then(|| live.first().copied()).flatten()
}

/// A version as the schema has it.
pub(crate) fn node(handle: &str) -> Node<At> {
    let supported = handle <= CURRENT;
    let name = if handle == CURRENT {
        format!("{handle} (Latest)")
    } else {
        handle.to_owned()
    };
    Node::Object(
        "ApiVersion",
        vec![
            ("handle", Node::of(json!(handle))),
            ("displayName", Node::of(json!(name))),
            ("supported", Node::of(supported)),
        ],
    )
}

/// All versions.
pub(crate) fn nodes() -> Node<At> {
    Node::List(SERVED.iter().map(|handle| node(handle)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dead_version_is_served_by_an_older_living_one() {
        assert_eq!(serving("2026-10", None), Some("2026-10"));
        assert_eq!(serving("2025-01", None), Some("2026-01"));
        assert_eq!(serving("2026-10", Some("2027-01")), Some("2027-01"));
        assert_eq!(serving("2026-11", None), None);
        assert_eq!(serving("2031-01", None), None);
        assert_eq!(serving("latest", None), None);
    }
}
