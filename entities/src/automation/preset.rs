//! Automations that come with the product, as data: what they hear, what they read of it, and the words. Where they speak is for whoever makes one.
//!
//! Invariant, held by a test of the API: each of them is taken as it stands by the checks that every automation passes.

use super::Conditions;
use crate::error::{Error, Result};
use serde::Deserialize;

/// The file.
const INCLUDED: &str = include_str!("../../presets/automations.json");

/// An automation that comes with the product.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Preset {
    /// What it is called.
    pub name: String,
    /// What it tells.
    pub description: String,
    /// The event type it hears.
    #[serde(rename = "type")]
    pub kind: String,
    /// What it reads of an event.
    pub selection: String,
    /// When it acts.
    pub conditions: Conditions,
    /// The template of a heading or a subject line.
    pub title: String,
    /// The template of a text.
    pub text: String,
}

/// All of them.
///
/// # Errors
/// When the file that was built in is none.
pub fn included() -> Result<Vec<Preset>> {
    serde_json::from_str(INCLUDED)
        .map_err(|error| Error::Damaged(format!("the presets of automations: {error}")))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::event::EventKind;
    use std::collections::BTreeSet;

    #[test]
    fn every_preset_hears_of_something_under_a_name_of_its_own() {
        let presets = included().unwrap();
        let names: BTreeSet<&str> = presets.iter().map(|it| it.name.as_str()).collect();
        assert_eq!(names.len(), presets.len());
        for preset in &presets {
            let known = |kind: &EventKind| kind.as_str() == preset.kind;
            assert!(EventKind::ALL.iter().any(known), "{}", preset.name);
        }
    }
}
