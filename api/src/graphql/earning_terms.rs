//! What earnings are computed from, as rules and agreements say it in the API: sums in major units, rates in basis points.

mod input;

use super::scalar::{Currency, Decimal, Money};
use async_graphql::{Enum, Object, SimpleObject};
use entities::commission_rule::{self, EarningTerms as Terms};
use entities::money;
use entities::revenue_share::{self, Referral};

pub use input::{BonusInput, CommitmentInput, EarningTermsInput, ReferralFeeInput, ShortfallInput};

/// Which revenue is shared; each kind of revenue is counted by one of them, so that nothing is shared twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "commission_rule::RevenueBase")]
pub enum RevenueBase {
    /// What customers paid, less refunds.
    Paid,
    /// What was invoiced, less credit notes.
    Invoiced,
    /// What won deals are worth.
    Booked,
}

/// When a referral fee is earned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "commission_rule::ReferralTrigger")]
pub enum ReferralFeeTrigger {
    /// When the deal is won.
    OnClose,
    /// When the customer pays.
    OnPayment,
}

/// What a commitment counts in a contract year.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "revenue_share::CommitmentUnit")]
pub enum CommitmentUnit {
    /// Recurring revenue, as it is paid within the year.
    Arr,
    /// Revenue.
    Revenue,
    /// Customers that paid.
    Customers,
    /// Deals that paid.
    Deals,
}

/// Of which revenue a bonus is paid once the commitment is met.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "revenue_share::BonusBasis")]
pub enum BonusBasis {
    /// Of all of the year's revenue; what came before the line is caught up with.
    AllEligibleRevenue,
    /// Of the part above the commitment.
    AboveCommitment,
}

/// What follows when a contract year ends below its commitment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "revenue_share::ShortfallPolicy")]
pub enum ShortfallPolicy {
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

/// What a partner has promised for a contract year.
#[derive(Clone, SimpleObject)]
pub struct Commitment {
    /// What is counted.
    pub unit: CommitmentUnit,
    /// How much money, where money is counted. It is met at this and above.
    pub amount: Option<Money>,
    /// How many, where customers or deals are counted.
    pub count: Option<i64>,
}

impl Commitment {
    /// A commitment whose sums are of a currency.
    pub(crate) fn of(row: revenue_share::Commitment, currency: money::Currency) -> Self {
        let counts_money = row.unit.is_money();
        let sum = money::Money {
            minor: row.target,
            currency,
        };
        Self {
            unit: row.unit.into(),
            amount: counts_money.then(|| sum.into()),
            count: (!counts_money).then_some(row.target),
        }
    }
}

/// What meeting a commitment gives; without a commitment it is paid from the first.
#[derive(Clone, SimpleObject)]
pub struct Bonus {
    /// Of which revenue.
    pub basis: BonusBasis,
    /// How much of it, in basis points.
    pub rate_bp: i32,
}

impl From<revenue_share::Bonus> for Bonus {
    fn from(row: revenue_share::Bonus) -> Self {
        Self {
            basis: row.basis.into(),
            rate_bp: row.rate_bp.points(),
        }
    }
}

/// What is paid for a referred customer instead of a share: a part of the revenue, or one sum for each deal.
#[derive(Clone, SimpleObject)]
pub struct ReferralFee {
    /// The part, in basis points.
    pub rate_bp: Option<i32>,
    /// The sum.
    pub amount: Option<Money>,
}

impl ReferralFee {
    /// A fee whose sum is of a currency.
    pub(crate) fn of(row: Referral, currency: money::Currency) -> Self {
        match row {
            Referral::Rate(rate) => Self {
                rate_bp: Some(rate.points()),
                amount: None,
            },
            Referral::Fixed(minor) => Self {
                rate_bp: None,
                amount: Some(money::Money { minor, currency }.into()),
            },
        }
    }
}

/// What missing a commitment brings.
#[derive(Clone, SimpleObject)]
pub struct Shortfall {
    /// What follows.
    pub policy: ShortfallPolicy,
    /// The part of what is missing that is owed, or the next year's rate; in basis points.
    pub rate_bp: Option<i32>,
}

/// Terms of earning. What is null is left to the rule below: the programme's under the agreement's, the type's under the programme's.
#[derive(Clone)]
pub struct EarningTerms(pub(crate) Terms);

impl EarningTerms {
    fn sum(&self, minor: Option<i64>) -> Option<Money> {
        let currency = self.0.currency;
        minor.map(|minor| money::Money { minor, currency }.into())
    }
}

/// Terms of earning. What is null is left to the rule below: the programme's under the agreement's, the type's under the programme's.
#[Object]
impl EarningTerms {
    /// The partner's share, in basis points.
    async fn rate_bp(&self) -> Option<i32> {
        self.0.rate_bp.map(money::BasisPoints::points)
    }
    /// Of which revenue.
    async fn base(&self) -> Option<RevenueBase> {
        self.0.base.map(Into::into)
    }
    /// The currency of every sum here. Revenue in another one neither counts towards a commitment nor is limited.
    async fn currency(&self) -> Currency {
        Currency(self.0.currency)
    }
    /// The least that a payment earns.
    async fn floor(&self) -> Option<Money> {
        self.sum(self.0.floor)
    }
    /// The most that a contract year's shares come to.
    async fn cap(&self) -> Option<Money> {
        self.sum(self.0.cap)
    }
    /// What is paid for a referred customer instead of a share.
    async fn referral_fee(&self) -> Option<ReferralFee> {
        let currency = self.0.currency;
        self.0.referral.map(|fee| ReferralFee::of(fee, currency))
    }
    /// When that fee is earned.
    async fn referral_fee_trigger(&self) -> Option<ReferralFeeTrigger> {
        self.0.referral_trigger.map(Into::into)
    }
    /// What is promised for a contract year.
    async fn commitment(&self) -> Option<Commitment> {
        let currency = self.0.currency;
        self.0.commitment.map(|row| Commitment::of(row, currency))
    }
    /// What meeting it gives.
    async fn bonus(&self) -> Option<Bonus> {
        self.0.bonus.map(Into::into)
    }
    /// What missing it brings.
    async fn shortfall(&self) -> Option<Shortfall> {
        self.0.shortfall.map(|row| Shortfall {
            policy: row.policy.into(),
            rate_bp: row.rate_bp.map(money::BasisPoints::points),
        })
    }
    /// For how many days an earning waits after its payment.
    async fn hold_days(&self) -> Option<i32> {
        self.0.hold_days
    }
}

/// A decimal number of major units.
pub(crate) fn minor(
    amount: &Decimal,
    currency: money::Currency,
    field: &str,
) -> entities::error::Result<i64> {
    use entities::error::{Error, ViolationCode};
    money::Money::from_decimal(amount.0, currency)
        .map(|money| money.minor)
        .map_err(|fault| {
            Error::invalid(
                ViolationCode::Invalid,
                field,
                format!("The amount has {fault}."),
            )
        })
}
