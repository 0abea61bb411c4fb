//! Presets: what a programme may begin with, as data (domain, decision 8): commission rules, criteria, checklists, goals. None of it is a constant of the
//! code.
//!
//! A preset is a JSON file that is read like anybody's input: an unknown key is refused, and what it says is checked by the operations that write it.
//! Loading a preset again publishes nothing that is in force already, and leaves goals that somebody has set as they are.

use crate::assessment_scheme::{self, NewScheme};
use crate::calendar::plus_months;
use crate::change::Change;
use crate::checklist::{self, NewChecklist};
use crate::commission_rule::{self, EarningTerms, NewCommissionRule};
use crate::error::{Error, Result, ViolationCode};
use crate::goal::{self, GoalUnit, NewGoal};
use crate::money::Currency;
use crate::partnership::PartnerType;
use crate::viewer::Viewer;
use chrono::NaiveDate;
use serde::Deserialize;

/// The presets that come with the product: name and JSON.
pub const INCLUDED: [(&str, &str); 4] = [
    (
        "revenue-share",
        include_str!("../presets/revenue-share.json"),
    ),
    ("assessment", include_str!("../presets/assessment.json")),
    ("onboarding", include_str!("../presets/onboarding.json")),
    ("goals", include_str!("../presets/goals.json")),
];

/// A preset.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Preset {
    /// What it is called.
    pub name: String,
    /// What it is.
    pub description: String,
    /// Commission rules, one for each type of partnership.
    #[serde(default)]
    pub rules: Vec<PresetRule>,
    /// What candidates are scored by.
    #[serde(default)]
    pub assessment: Option<NewScheme>,
    /// What onboardings begin with.
    #[serde(default)]
    pub checklists: Vec<NewChecklist>,
    /// What is to be reached.
    #[serde(default)]
    pub goals: Vec<PresetGoal>,
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

/// A goal of a preset.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PresetGoal {
    /// What it is known by.
    pub key: String,
    /// What it is called.
    pub name: String,
    /// What is measured.
    pub metric: String,
    /// For whom it counts.
    pub scope: String,
    /// What its numbers are.
    pub unit: GoalUnit,
    /// The currency, where they are money.
    #[serde(default)]
    pub currency: Option<Currency>,
    /// Where it is begun from, a whole number.
    #[serde(default)]
    pub baseline: Option<i64>,
    /// What is to be reached, a whole number.
    pub target: i64,
    /// How many months after the preset's day it is due; what has none is to hold always.
    #[serde(default)]
    pub due_months: Option<i32>,
    /// What others reach.
    #[serde(default)]
    pub benchmark: Option<String>,
}

/// What loading a preset brought.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Loaded {
    /// Commission rules.
    pub rules: usize,
    /// Schemes of criteria, one at most.
    pub schemes: usize,
    /// Checklists.
    pub checklists: usize,
    /// Goals.
    pub goals: usize,
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

/// Publishes what a preset holds, its rules from a day on, but for what is in force already.
///
/// # Errors
/// Anything that is refused; then nothing of the preset is published.
pub async fn load(
    change: &mut Change,
    preset: &Preset,
    effective_on: NaiveDate,
    today: NaiveDate,
) -> Result<Loaded> {
    let mut loaded = Loaded {
        rules: rules(change, preset, effective_on, today).await?,
        ..Loaded::default()
    };
    // What a publication writes it tells, and what it leaves as it is it does not.
    let told = |change: &Change, before: usize| usize::from(change.event_count() > before);
    if let Some(scheme) = &preset.assessment {
        let before = change.event_count();
        assessment_scheme::publish(change, scheme.clone()).await?;
        loaded.schemes = told(change, before);
    }
    for list in &preset.checklists {
        let before = change.event_count();
        checklist::publish(change, list.clone()).await?;
        loaded.checklists += told(change, before);
    }
    loaded.goals = goals(change, preset, effective_on).await?;
    Ok(loaded)
}

async fn rules(
    change: &mut Change,
    preset: &Preset,
    effective_on: NaiveDate,
    today: NaiveDate,
) -> Result<usize> {
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
    let published = commission_rule::publish(change, new, today).await?;
    Ok(published.len())
}

async fn goals(change: &mut Change, preset: &Preset, from: NaiveDate) -> Result<usize> {
    let keys: Vec<String> = preset.goals.iter().map(|goal| goal.key.clone()).collect();
    let known = goal::find_keys(change.transaction(), &keys).await?;
    let mut new = Vec::new();
    for one in &preset.goals {
        if known.iter().any(|row| row.key == one.key) {
            continue;
        }
        let micros = |number: i64| {
            let wrong = || {
                let message = format!("{}: the number is too large.", one.key);
                Error::invalid(ViolationCode::Invalid, "preset", message)
            };
            number.checked_mul(1_000_000).ok_or_else(wrong)
        };
        new.push(NewGoal {
            key: one.key.clone(),
            name: one.name.clone(),
            metric: one.metric.clone(),
            scope: one.scope.clone(),
            unit: one.unit,
            currency: one.currency,
            baseline_micros: one.baseline.map(micros).transpose()?,
            target_micros: micros(one.target)?,
            due_on: one.due_months.and_then(|months| plus_months(from, months)),
            owner: None,
            benchmark: one.benchmark.clone(),
        });
    }
    Ok(goal::create(change, new).await?.len())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::assessment_scheme::CriterionGroup;
    use crate::checklist::OnboardingStep;

    #[test]
    fn every_preset_is_read_under_its_name() {
        for (name, json) in INCLUDED {
            assert_eq!(Preset::parse(json).unwrap().name, name);
        }
        assert!(Preset::parse(r#"{"name": "x", "description": "", "rulez": []}"#).is_err());
        assert!(Preset::included("nothing").is_err());
    }

    #[test]
    fn the_criteria_are_fifteen_and_the_tasks_sixteen() {
        let scheme = Preset::included("assessment").unwrap().assessment.unwrap();
        assert_eq!((scheme.criteria.len(), scheme.threshold_centi), (15, 800));
        for group in [
            CriterionGroup::StrategicFit,
            CriterionGroup::OperationalFit,
            CriterionGroup::FinancialFit,
        ] {
            let of_group = scheme.criteria.iter().filter(|one| one.group == group);
            assert_eq!(of_group.count(), 5, "{group:?}");
        }
        let lists = Preset::included("onboarding").unwrap().checklists;
        let weeks = |step| {
            let of_step = lists.iter().flat_map(|list| &list.items);
            let mut weeks = of_step.filter(|item| item.step == step);
            let first = weeks.next().map(|item| (item.from_week, item.to_week));
            assert_eq!(weeks.count(), 3, "{step:?}");
            first.unwrap()
        };
        assert_eq!(weeks(OnboardingStep::InitialContact), (1, 1));
        assert_eq!(weeks(OnboardingStep::PartnershipAgreement), (2, 4));
        assert_eq!(weeks(OnboardingStep::TechnicalIntegration), (5, 8));
        assert_eq!(weeks(OnboardingStep::GoToMarket), (9, 12));
    }
}
