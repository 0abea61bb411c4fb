//! What earnings are computed from, as rules and agreements write it down.
//!
//! Invariants, checked before anything is kept: sums are not negative and in one currency; a bonus above a commitment has one that counts money; a
//! policy that needs a rate has it.

use crate::error::{ViolationCode, Violations};
use crate::money::{BasisPoints, Currency, Money};
use crate::revenue_share::{Bonus, BonusBasis, Commitment, Referral, ShortfallPolicy};
use crate::text_enum::text_enum;
use sea_orm::FromJsonQueryResult;
use serde::{Deserialize, Serialize};

text_enum! {
    /// Which revenue is shared. Each kind of revenue is counted by one of them, so that nothing is shared twice.
    RevenueBase {
        /// What customers paid, less refunds.
        Paid,
        /// What was invoiced, less credit notes.
        Invoiced,
        /// What won deals are worth.
        Booked,
    }
}

text_enum! {
    /// When a referral fee is earned.
    ReferralTrigger {
        /// When the deal is won.
        OnClose,
        /// When the customer pays.
        OnPayment,
    }
}

/// What follows when a year ends below its commitment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Shortfall {
    /// What follows.
    pub policy: ShortfallPolicy,
    /// For [`ShortfallPolicy::ShortfallFee`]: the part of what is missing that is owed. For [`ShortfallPolicy::ReducedRate`]: the next year's rate.
    #[serde(default)]
    pub rate_bp: Option<BasisPoints>,
}

/// Terms of earning. A field that is absent leaves the matter to the rule below.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, FromJsonQueryResult)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EarningTerms {
    /// The partner's share.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_bp: Option<BasisPoints>,
    /// Of which revenue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<RevenueBase>,
    /// The currency of every sum here; what is paid in another one neither counts towards a commitment nor is limited.
    pub currency: Currency,
    /// The least that a payment earns, in minor units.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub floor: Option<i64>,
    /// The most that a contract year's shares come to, in minor units.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cap: Option<i64>,
    /// What is paid for a referred customer instead of a share.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub referral: Option<Referral>,
    /// When that fee is earned; when the customer pays, if nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub referral_trigger: Option<ReferralTrigger>,
    /// What is promised for a contract year.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commitment: Option<Commitment>,
    /// What meeting it gives.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bonus: Option<Bonus>,
    /// What missing it brings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shortfall: Option<Shortfall>,
    /// How long an earning waits after its payment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold_days: Option<i32>,
}

impl EarningTerms {
    /// Terms that leave everything to the rule below.
    #[must_use]
    pub const fn none(currency: Currency) -> Self {
        Self {
            rate_bp: None,
            base: None,
            currency,
            floor: None,
            cap: None,
            referral: None,
            referral_trigger: None,
            commitment: None,
            bonus: None,
            shortfall: None,
            hold_days: None,
        }
    }

    /// Notes what is wrong with the terms.
    pub(crate) fn check(&self, violations: &mut Violations) {
        let mut sum = |field: &str, value: Option<i64>, least: i64| {
            if value.is_some_and(|value| !(least..=Money::MOST).contains(&value)) {
                let message = format!("Between {least} and {} minor units.", Money::MOST);
                violations.add(ViolationCode::Invalid, field, message);
            }
        };
        sum("terms.floor", self.floor, 0);
        sum("terms.cap", self.cap, 0);
        sum(
            "terms.commitment.target",
            self.commitment.map(|commitment| commitment.target),
            1,
        );
        if let Some(Referral::Fixed(fee)) = self.referral {
            sum("terms.referral", Some(fee), 1);
        }
        if self
            .hold_days
            .is_some_and(|days| !(0..=365).contains(&days))
        {
            violations.add(
                ViolationCode::Invalid,
                "terms.holdDays",
                "Between 0 and 365 days.",
            );
        }
        if let (Some(floor), Some(cap)) = (self.floor, self.cap)
            && floor > cap
        {
            violations.add(
                ViolationCode::Invalid,
                "terms.cap",
                "The cap is below the floor.",
            );
        }
        let above = self
            .bonus
            .is_some_and(|bonus| bonus.basis == BonusBasis::AboveCommitment);
        if above
            && !self
                .commitment
                .is_some_and(|commitment| commitment.unit.is_money())
        {
            let message =
                "Above a commitment there is revenue only where the commitment counts it.";
            violations.add(ViolationCode::Invalid, "terms.bonus.basis", message);
        }
        let Some(shortfall) = self.shortfall else {
            return;
        };
        if self.commitment.is_none() {
            let message = "Without a commitment nothing can be missed.";
            violations.add(ViolationCode::Invalid, "terms.shortfall", message);
        }
        let needs = matches!(
            shortfall.policy,
            ShortfallPolicy::ReducedRate | ShortfallPolicy::ShortfallFee
        );
        if needs != shortfall.rate_bp.is_some() {
            let message = "A reduced rate and a shortfall fee have a rate, the others none.";
            violations.add(ViolationCode::Invalid, "terms.shortfall.rateBp", message);
        }
        let counts_money = self
            .commitment
            .is_some_and(|commitment| commitment.unit.is_money());
        if shortfall.policy == ShortfallPolicy::ShortfallFee && !counts_money {
            let message = "A fee is a part of missing money: the commitment must count it.";
            violations.add(ViolationCode::Invalid, "terms.shortfall.policy", message);
        }
    }

    /// These terms, and where they say nothing, those below. Commitment, bonus and shortfall are one matter: whoever speaks of one speaks of all.
    #[must_use]
    pub fn over(&self, below: &Self) -> Self {
        let same_currency = self.currency == below.currency;
        // A sum in another currency means nothing here.
        let below_sum = |value: Option<i64>| value.filter(|_| same_currency);
        let speaks = self.commitment.is_some() || self.bonus.is_some() || self.shortfall.is_some();
        let (commitment, bonus, shortfall) = if speaks {
            (self.commitment, self.bonus, self.shortfall)
        } else if same_currency {
            (below.commitment, below.bonus, below.shortfall)
        } else {
            (None, None, None)
        };
        let below_referral = match below.referral {
            Some(Referral::Fixed(_)) if !same_currency => None,
            other => other,
        };
        Self {
            rate_bp: self.rate_bp.or(below.rate_bp),
            base: self.base.or(below.base),
            currency: self.currency,
            floor: self.floor.or_else(|| below_sum(below.floor)),
            cap: self.cap.or_else(|| below_sum(below.cap)),
            referral: self.referral.or(below_referral),
            referral_trigger: self.referral_trigger.or(below.referral_trigger),
            commitment,
            bonus,
            shortfall,
            hold_days: self.hold_days.or(below.hold_days),
        }
    }
}
