//! The revenue share as arithmetic: what a partner earns from revenue and gives back on refunds, without a database or a clock.
//!
//! Owns rounding, rates and the counters of a contract year. Everything is whole minor units and basis points; sums are checked, so that an absurd
//! amount is a fault and not a wrong payment. Laws (domain, invariants 11 and 12), each a test beside this file:
//!
//! - the partner's side is rounded half up, ours is the rest: the parts always add up, and the parts of several partners never exceed the whole;
//! - the bonus of a year is a function of the year's revenue and the terms it came under, not of the pieces in which it came;
//! - what is given back of an entry never exceeds it, and a payment refunded whole, in whatever pieces, leaves exactly nothing of its entries.

mod conditions;
#[cfg(test)]
mod tests;
mod year;

pub use conditions::{
    Bonus, BonusBasis, Commitment, CommitmentUnit, Conditions, Referral, ShortfallPolicy,
};
pub use year::{Clawback, Earning, Line, Open, Paid, Year, take_excess};

use crate::money::BasisPoints;

/// Basis points of the whole.
const WHOLE: i128 = 10_000;

/// Why a computation has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Uncountable {
    /// A sum does not fit 64 bits.
    #[error("the amounts are too large to be summed")]
    TooLarge,
    /// More would be refunded than was paid.
    #[error("a refund is larger than what was paid")]
    ExceedsPayment,
}

/// `numerator / denominator` rounded half up, also below zero: the greatest whole number that is at most half above it. The denominator is positive.
const fn half_up(numerator: i128, denominator: i128) -> i128 {
    (2 * numerator + denominator).div_euclid(2 * denominator)
}

fn minor(value: i128) -> Result<i64, Uncountable> {
    i64::try_from(value).map_err(|_| Uncountable::TooLarge)
}

/// What a rate gives of an amount.
///
/// # Errors
/// When the answer does not fit 64 bits.
pub fn portion(amount: i64, rate: BasisPoints) -> Result<i64, Uncountable> {
    minor(half_up(
        i128::from(amount) * i128::from(rate.points()),
        WHOLE,
    ))
}

/// The partner's share: `round_half_up(base × rate × weight / 10⁸)`.
///
/// # Errors
/// When the answer does not fit 64 bits.
pub fn share(base: i64, rate: BasisPoints, weight: BasisPoints) -> Result<i64, Uncountable> {
    let product = i128::from(base) * i128::from(rate.points()) * i128::from(weight.points());
    minor(half_up(product, WHOLE * WHOLE))
}

/// Splits an amount between partners, each with its rate and weight, and us: the partners' parts in their order, and what is left.
///
/// # Errors
/// When a part does not fit 64 bits.
pub fn split(
    amount: i64,
    partners: &[(BasisPoints, BasisPoints)],
) -> Result<(Vec<i64>, i64), Uncountable> {
    let mut left = amount;
    let mut parts = Vec::with_capacity(partners.len());
    for (rate, weight) in partners {
        // Two halves of one cent round up to two cents; nobody gets what is not there.
        let part = share(amount, *rate, *weight)?.min(left.max(0));
        left -= part;
        parts.push(part);
    }
    Ok((parts, left))
}

/// The rate with a tier's uplift, never above the whole.
#[must_use]
pub fn uplifted(base: BasisPoints, uplift: BasisPoints) -> BasisPoints {
    BasisPoints::new(base.points() + uplift.points()).unwrap_or(BasisPoints::WHOLE)
}
