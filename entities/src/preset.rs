//! Presets: the numbers a programme may begin with, as data (domain, decision 8). None of them is a constant of the code.
//!
//! A preset is a JSON file that is read like anybody's input: an unknown key is refused, and what it says is checked by the operations that write it.
//! Loading a preset again publishes nothing where its rules are in force already.

use crate::change::Change;
use crate::commission_rule::{self, EarningTerms, NewCommissionRule};
use crate::error::{Error, Result, ViolationCode};
use crate::partnership::PartnerType;
use crate::viewer::Viewer;
use chrono::NaiveDate;
use serde::Deserialize;

/// The presets that come with the product: name and JSON.
pub const INCLUDED: [(&str, &str); 1] = [(
    "revenue-share",
    include_str!("../presets/revenue-share.json"),
)];

/// A preset of commission rules.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Preset {
    /// What it is called.
    pub name: String,
    /// What it is.
    pub description: String,
    /// The rules, one for each type of partnership.
    pub rules: Vec<PresetRule>,
}

/// A rule of a preset.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PresetRule {
    /// For which type.
    #[serde(rename = "type")]
    pub kind: PartnerType,
    /// What it earns by.
    pub terms: EarningTerms,
}

impl Preset {
    /// Reads a preset.
    ///
    /// # Errors
    /// What is no preset.
    pub fn parse(json: &str) -> Result<Self> {
        serde_json::from_str(json).map_err(|error| {
            Error::invalid(
                ViolationCode::Invalid,
                "preset",
                format!("Not a preset: {error}"),
            )
        })
    }

    /// A preset that comes with the product.
    ///
    /// # Errors
    /// A name that none has.
    pub fn included(name: &str) -> Result<Self> {
        let found = INCLUDED.iter().find(|(known, _)| *known == name);
        let (_, json) = found.ok_or_else(|| Error::not_found("preset"))?;
        Self::parse(json)
    }
}

/// Publishes the rules of a preset from a day on, but for those that are in force on it already.
///
/// # Errors
/// Refused rules; then none is published.
pub async fn load(
    change: &mut Change,
    preset: &Preset,
    effective_on: NaiveDate,
    today: NaiveDate,
) -> Result<Vec<commission_rule::Model>> {
    let known = commission_rule::list(change.transaction(), &Viewer::system("preset")).await?;
    let new = preset.rules.iter().filter(|rule| {
        let now = commission_rule::applicable(&known, None, rule.kind, effective_on);
        now.is_none_or(|now| now.terms != rule.terms)
    });
    let new: Vec<NewCommissionRule> = new
        .map(|rule| NewCommissionRule {
            program_id: None,
            kind: Some(rule.kind),
            effective_on,
            terms: rule.terms.clone(),
            note: format!("Preset {}", preset.name),
        })
        .collect();
    commission_rule::publish(change, new, today).await
}
