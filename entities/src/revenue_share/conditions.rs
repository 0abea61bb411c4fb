//! What an earning is computed from: rates, a commitment, a bonus, limits. Plain values that agreements and rules are made of.

use crate::money::BasisPoints;
use crate::text_enum::text_enum;
use serde::{Deserialize, Serialize};

text_enum! {
    /// What a commitment counts in a contract year.
    CommitmentUnit {
        /// Recurring revenue, as it is paid within the year.
        Arr,
        /// Revenue.
        Revenue,
        /// Customers that paid.
        Customers,
        /// Deals that paid.
        Deals,
    }
}

impl CommitmentUnit {
    /// Whether it counts money rather than heads.
    #[must_use]
    pub const fn is_money(self) -> bool {
        matches!(self, Self::Arr | Self::Revenue)
    }
}

text_enum! {
    /// Of which revenue a bonus is paid once the commitment is met.
    BonusBasis {
        /// Of all of the year's revenue; what came before the line is caught up with.
        AllEligibleRevenue,
        /// Of the part above the commitment.
        AboveCommitment,
    }
}

text_enum! {
    /// What follows when a contract year ends below its commitment.
    ShortfallPolicy {
        /// Nothing.
        None,
        /// There is no bonus, as there would not be anyway.
        NoBonus,
        /// The next year's share is reduced.
        ReducedRate,
        /// The partner owes a part of what is missing.
        ShortfallFee,
        /// We may terminate.
        TerminationRight,
    }
}

/// What a partner has promised for a contract year.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Commitment {
    /// What is counted.
    pub unit: CommitmentUnit,
    /// How much: minor units of the terms' currency, or a number of customers or deals. It is met at this and above.
    pub target: i64,
}

/// A bonus for meeting a commitment; without one it is paid from the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Bonus {
    /// Of which revenue.
    pub basis: BonusBasis,
    /// How much of it.
    pub rate_bp: BasisPoints,
}

/// What is paid for a referred customer instead of a share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE", deny_unknown_fields)]
pub enum Referral {
    /// A part of the revenue.
    Rate(BasisPoints),
    /// One sum for each deal, in minor units of the terms' currency.
    Fixed(i64),
}

/// Everything that decides what one piece of revenue earns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conditions {
    /// The share, uplift included.
    pub rate: BasisPoints,
    /// The least that a payment earns, in minor units; never more than the partner's part of the payment itself.
    pub floor: Option<i64>,
    /// The most that a contract year's shares come to, in minor units.
    pub cap: Option<i64>,
    /// The fee that takes the place of the share, for who referred.
    pub referral: Option<Referral>,
    /// The year's commitment.
    pub commitment: Option<Commitment>,
    /// The bonus for meeting it.
    pub bonus: Option<Bonus>,
}
