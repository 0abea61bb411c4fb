//! The numbers an entry was computed from, as they are kept with it, and the arithmetic in words.
//!
//! Kept is what cannot be looked up: the rest (agreement, version, rule, revenue) is named by the entry's columns. An explanation says the same years
//! later, whatever rules have become.

use super::book::{Applied, RateSource};
use crate::error::{Error, Result};
use crate::id::TierId;
use crate::ledger_entry::{self, LedgerKind};
use crate::money::{BasisPoints, Money};
use crate::revenue_share::{Bonus, BonusBasis, Commitment, Earning, Line, Referral};
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

/// How entries are computed; it rises when the arithmetic changes.
pub const ENGINE: i32 = 1;

/// What a refund took.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Taken {
    /// What had been paid.
    pub payment: i64,
    /// How much of it is refunded now, this refund included.
    pub refunded: i64,
    /// How much of the year's bonus is lost because the year fell below its line.
    pub excess: i64,
}

/// The numbers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "named as in the domain")]
pub struct Explanation {
    pub engine: i32,
    pub amount: i64,
    pub weight_bp: BasisPoints,
    /// The partner's part of the amount.
    pub counted: i64,
    pub source: RateSource,
    pub base_bp: BasisPoints,
    pub uplift_bp: BasisPoints,
    pub rate_bp: BasisPoints,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tier: Option<TierText>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub referral: Option<Referral>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub floor: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cap: Option<i64>,
    pub unlimited: i64,
    pub commission: i64,
    pub own_bonus: i64,
    pub catch_up: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commitment: Option<Commitment>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bonus: Option<Bonus>,
    pub counter: (i64, i64),
    pub met: (bool, bool),
    /// Since when the terms were in force.
    pub since: NaiveDate,
    /// The first day of the contract year.
    pub year: NaiveDate,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taken: Option<Taken>,
    /// Of a clawback: what the entry had given, and what was taken of it before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reversed: Option<(i64, i64)>,
}

/// A tier's id as text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TierText(pub String);

impl From<TierId> for TierText {
    fn from(id: TierId) -> Self {
        Self(id.to_string())
    }
}

impl Explanation {
    pub(super) fn of_earning(line: &Line, applied: &Applied<'_>, earning: &Earning) -> Self {
        let conditions = &applied.conditions;
        Self {
            engine: ENGINE,
            amount: line.amount,
            weight_bp: line.weight,
            counted: earning.counted,
            source: applied.source,
            base_bp: applied.base_rate,
            uplift_bp: applied.uplift,
            rate_bp: conditions.rate,
            tier: applied.tier.map(TierText::from),
            referral: conditions.referral.filter(|_| line.referred),
            floor: conditions.floor,
            cap: conditions.cap,
            unlimited: earning.unlimited,
            commission: earning.commission,
            own_bonus: earning.bonus,
            catch_up: earning.catch_up,
            commitment: conditions.commitment,
            bonus: conditions.bonus,
            counter: earning.counter,
            met: earning.met,
            since: applied.since,
            year: applied.year.start,
            taken: None,
            reversed: None,
        }
    }

    pub(super) fn taking(self, taken: Taken, amount: i64, before: i64) -> Self {
        Self {
            taken: Some(taken),
            reversed: Some((amount, before)),
            ..self
        }
    }

    /// Reads the explanation of a computed entry; none of an entry that a person wrote.
    ///
    /// # Errors
    /// When it is damaged.
    pub fn read(entry: &ledger_entry::Model) -> Result<Option<Self>> {
        if entry.cause_event_id.is_none() {
            return Ok(None);
        }
        serde_json::from_value(entry.explanation.clone())
            .map(Some)
            .map_err(|error| Error::Damaged(format!("the explanation of {}: {error}", entry.id)))
    }

    /// The arithmetic of an entry, a sentence a step.
    #[must_use]
    pub fn steps(&self, entry: &ledger_entry::Model) -> Vec<String> {
        let money = |minor: i64| {
            Money {
                minor,
                currency: entry.amount_currency,
            }
            .to_string()
        };
        let percent =
            |rate: BasisPoints| format!("{}.{:02} %", rate.points() / 100, rate.points() % 100);
        let mut steps = Vec::new();
        if let (Some(taken), Some((amount, before))) = (self.taken, self.reversed) {
            steps.push(format!(
                "{} of a payment of {} are refunded.",
                money(taken.refunded),
                money(taken.payment)
            ));
            steps.push(format!(
                "The entry gave {}; {} were taken of it before.",
                money(amount),
                money(before)
            ));
            if taken.excess > 0 {
                let line = format!(
                    "With the refund the year has earned {} less of its bonus.",
                    money(taken.excess)
                );
                steps.push(line);
            }
            steps.push(format!("Taken back: {}.", money(-entry.amount_minor)));
            return steps;
        }
        let weight = percent(self.weight_bp);
        steps.push(format!(
            "{} were paid, of which {weight}, {}, are counted.",
            money(self.amount),
            money(self.counted)
        ));
        if entry.kind == LedgerKind::Bonus {
            steps.extend(self.bonus_steps(entry, &money, &percent));
            return steps;
        }
        match self.referral {
            Some(Referral::Rate(rate)) => steps.push(format!(
                "The referral fee is {}: {}.",
                percent(rate),
                money(self.unlimited)
            )),
            Some(Referral::Fixed(_)) => steps.push(format!(
                "The referral fee of the deal is {}.",
                money(self.unlimited)
            )),
            None => {
                let from = match self.source {
                    RateSource::Agreement => "the agreement",
                    RateSource::Program => "the programme's rule",
                    RateSource::Preset => "the preset of the type",
                    RateSource::Reduced => "the terms after a year that missed its commitment",
                };
                steps.push(format!(
                    "The rate is {} by {from}, {} by the tier: {}.",
                    percent(self.base_bp),
                    percent(self.uplift_bp),
                    percent(self.rate_bp)
                ));
                steps.push(format!(
                    "{} × {} × {weight}, rounded half up: {}.",
                    money(self.amount),
                    percent(self.rate_bp),
                    money(self.unlimited)
                ));
            }
        }
        if self.commission > self.unlimited {
            steps.push(format!(
                "Raised to the least of a payment: {}.",
                money(self.commission)
            ));
        }
        if self.commission < self.unlimited {
            steps.push(format!(
                "Limited by the year's cap or by what was left of the payment: {}.",
                money(self.commission)
            ));
        }
        steps
    }

    fn bonus_steps(
        &self,
        entry: &ledger_entry::Model,
        money: &dyn Fn(i64) -> String,
        percent: &dyn Fn(BasisPoints) -> String,
    ) -> Vec<String> {
        let mut steps = Vec::new();
        if let Some(commitment) = self.commitment {
            let count = |value: i64| {
                if commitment.unit.is_money() {
                    money(value)
                } else {
                    value.to_string()
                }
            };
            steps.push(format!(
                "The commitment of the year is {}; the counter went from {} to {}.",
                count(commitment.target),
                count(self.counter.0),
                count(self.counter.1)
            ));
        }
        if let Some(bonus) = self.bonus {
            let of = match bonus.basis {
                BonusBasis::AllEligibleRevenue => "of all of the year's revenue",
                BonusBasis::AboveCommitment => "of the revenue above the commitment",
            };
            steps.push(format!("The bonus is {} {of}.", percent(bonus.rate_bp)));
        }
        steps.push(if entry.revenue_event_id.is_none() {
            format!(
                "For the revenue that came before the line was crossed: {}.",
                money(self.catch_up)
            )
        } else {
            format!("For this payment: {}.", money(self.own_bonus))
        });
        steps
    }
}
