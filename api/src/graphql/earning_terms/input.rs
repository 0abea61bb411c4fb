//! Terms of earning as an input.

use super::{BonusBasis, CommitmentUnit, ReferralFeeTrigger, RevenueBase, ShortfallPolicy, minor};
use crate::graphql::references::basis_points;
use crate::graphql::scalar::{Currency, Decimal};
use async_graphql::InputObject;
use entities::commission_rule::{EarningTerms as Terms, Shortfall};
use entities::error::{Error, Result, ViolationCode};
use entities::money;
use entities::revenue_share::{self, Commitment, Referral};

/// What is promised for a contract year: `amount` where money is counted, else `count`.
#[derive(Clone, Debug, InputObject)]
pub struct CommitmentInput {
    /// What is counted.
    pub unit: CommitmentUnit,
    /// How much money, in the terms' currency. It is met at this and above.
    pub amount: Option<Decimal>,
    /// How many customers or deals.
    pub count: Option<i64>,
}

impl CommitmentInput {
    fn read(&self, currency: money::Currency) -> Result<Commitment> {
        let unit: revenue_share::CommitmentUnit = self.unit.into();
        let field = if unit.is_money() { "amount" } else { "count" };
        let field = format!("terms.commitment.{field}");
        let target = match (unit.is_money(), &self.amount, self.count) {
            (true, Some(amount), None) => minor(amount, currency, &field)?,
            (false, None, Some(count)) => count,
            _ => {
                let message =
                    "Money is committed by its amount, customers and deals by their count.";
                return Err(Error::invalid(ViolationCode::Blank, field, message));
            }
        };
        if target < 1 {
            let message = "A commitment is more than nothing.";
            return Err(Error::invalid(ViolationCode::Invalid, field, message));
        }
        Ok(Commitment { unit, target })
    }
}

/// What meeting the commitment gives.
#[derive(Clone, Debug, InputObject)]
pub struct BonusInput {
    /// Of which revenue; ALL_ELIGIBLE_REVENUE when nothing is said.
    pub basis: Option<BonusBasis>,
    /// How much of it, in basis points.
    pub rate_bp: i32,
}

/// What is paid for a referred customer instead of a share: either.
#[derive(Clone, Debug, InputObject)]
pub struct ReferralFeeInput {
    /// A part of the revenue, in basis points.
    pub rate_bp: Option<i32>,
    /// One sum for each deal, in the terms' currency.
    pub amount: Option<Decimal>,
}

impl ReferralFeeInput {
    fn read(&self, currency: money::Currency) -> Result<Referral> {
        let field = "terms.referralFee";
        match (self.rate_bp, &self.amount) {
            (Some(points), None) => Ok(Referral::Rate(basis_points(points, field)?)),
            (None, Some(amount)) => Ok(Referral::Fixed(minor(amount, currency, field)?)),
            _ => {
                let message = "A referral fee is a rate or an amount.";
                Err(Error::invalid(ViolationCode::Invalid, field, message))
            }
        }
    }
}

/// What missing the commitment brings.
#[derive(Clone, Debug, InputObject)]
pub struct ShortfallInput {
    /// What follows.
    pub policy: ShortfallPolicy,
    /// For SHORTFALL_FEE the part of what is missing that is owed, for REDUCED_RATE the next year's rate; in basis points.
    pub rate_bp: Option<i32>,
}

/// Terms of earning. What is absent is left to the rule below.
#[derive(Clone, Debug, InputObject)]
pub struct EarningTermsInput {
    /// The partner's share, in basis points. Not in an agreement, whose share is `revenueShare`.
    pub rate_bp: Option<i32>,
    /// Of which revenue.
    pub base: Option<RevenueBase>,
    /// The currency of every sum here.
    pub currency: Currency,
    /// The least that a payment earns.
    pub floor: Option<Decimal>,
    /// The most that a contract year's shares come to.
    pub cap: Option<Decimal>,
    /// What is paid for a referred customer instead of a share.
    pub referral_fee: Option<ReferralFeeInput>,
    /// When that fee is earned; ON_PAYMENT when nothing is said.
    pub referral_fee_trigger: Option<ReferralFeeTrigger>,
    /// What is promised for a contract year. Commitment, bonus and shortfall are one matter: who says one of them says all.
    pub commitment: Option<CommitmentInput>,
    /// What meeting it gives.
    pub bonus: Option<BonusInput>,
    /// What missing it brings.
    pub shortfall: Option<ShortfallInput>,
    /// For how many days an earning waits after its payment.
    pub hold_days: Option<i32>,
}

impl EarningTermsInput {
    /// The terms.
    ///
    /// # Errors
    /// Rates and amounts that cannot be.
    pub(crate) fn read(&self) -> Result<Terms> {
        let currency = self.currency.0;
        let sum = |amount: &Option<Decimal>, field: &str| {
            let amount = amount.as_ref();
            amount
                .map(|amount| minor(amount, currency, field))
                .transpose()
        };
        let rate = |points: Option<i32>, field: &str| {
            points.map(|points| basis_points(points, field)).transpose()
        };
        let bonus = |bonus: &BonusInput| -> Result<revenue_share::Bonus> {
            Ok(revenue_share::Bonus {
                basis: bonus
                    .basis
                    .map_or(revenue_share::BonusBasis::AllEligibleRevenue, Into::into),
                rate_bp: basis_points(bonus.rate_bp, "terms.bonus.rateBp")?,
            })
        };
        let shortfall = |shortfall: &ShortfallInput| -> Result<Shortfall> {
            Ok(Shortfall {
                policy: shortfall.policy.into(),
                rate_bp: rate(shortfall.rate_bp, "terms.shortfall.rateBp")?,
            })
        };
        let (fee, commitment) = (self.referral_fee.as_ref(), self.commitment.as_ref());
        Ok(Terms {
            rate_bp: rate(self.rate_bp, "terms.rateBp")?,
            base: self.base.map(Into::into),
            currency,
            floor: sum(&self.floor, "terms.floor")?,
            cap: sum(&self.cap, "terms.cap")?,
            referral: fee.map(|fee| fee.read(currency)).transpose()?,
            referral_trigger: self.referral_fee_trigger.map(Into::into),
            commitment: commitment.map(|row| row.read(currency)).transpose()?,
            bonus: self.bonus.as_ref().map(bonus).transpose()?,
            shortfall: self.shortfall.as_ref().map(shortfall).transpose()?,
            hold_days: self.hold_days,
        })
    }
}
