//! Why an entry of the ledger is what it is.

use super::LedgerEntry;
use crate::graphql::agreement::{Agreement, AgreementVersion};
use crate::graphql::commission_rule::CommissionRule;
use crate::graphql::context::{RequireScope, request, requires_scope};
use crate::graphql::earning_terms::{Bonus, Commitment, ReferralFee};
use crate::graphql::revenue_event::RevenueEvent;
use crate::graphql::scalar::{Date, Money};
use crate::graphql::siblings::Member;
use async_graphql::{Context, Enum, ID, Object, Result};
use entities::accrual::{self, Explained, Explanation};
use entities::error::Error;
use entities::id::LedgerEntryId;
use entities::money;
use entities::viewer::Scope;

/// Where a rate comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "accrual::RateSource")]
pub enum RateSource {
    /// The agreement.
    Agreement,
    /// A rule of the programme.
    Program,
    /// The preset of the partnership's type.
    Preset,
    /// The rate after a year that missed its commitment.
    Reduced,
}

/// An entry with everything it was computed from, as it was then.
pub struct LedgerExplanation(Explained);

/// An entry with everything it was computed from, as it was then.
#[Object]
impl LedgerExplanation {
    /// The entry.
    async fn entry(&self) -> LedgerEntry {
        LedgerEntry::one(self.0.entry.clone())
    }
    /// The arithmetic in words, a sentence a step.
    async fn steps(&self) -> &[String] {
        &self.0.steps
    }
    /// The numbers; null for what a person wrote.
    async fn numbers(&self) -> Option<LedgerNumbers> {
        let currency = self.0.entry.amount_currency;
        let numbers = self.0.numbers.clone();
        numbers.map(|numbers| LedgerNumbers { numbers, currency })
    }
    /// The entry it takes something back of.
    async fn reverses(&self) -> Option<LedgerEntry> {
        self.0.reverses.clone().map(LedgerEntry::one)
    }
    /// The revenue it was earned from.
    #[graphql(guard = "RequireScope(Scope::DealsRead)", directive = requires_scope::apply("deals:read".to_owned()))]
    async fn revenue_event(&self) -> Option<RevenueEvent> {
        self.0.revenue.clone().map(Member::single).map(RevenueEvent)
    }
    /// The agreement that was in force.
    #[graphql(guard = "RequireScope(Scope::AgreementsRead)", directive = requires_scope::apply("agreements:read".to_owned()))]
    async fn agreement(&self) -> Option<Agreement> {
        self.0.agreement.clone().map(Agreement::one)
    }
    /// The version of it that was in force.
    #[graphql(guard = "RequireScope(Scope::AgreementsRead)", directive = requires_scope::apply("agreements:read".to_owned()))]
    async fn agreement_version(&self) -> Option<AgreementVersion> {
        let version = self.0.version.clone();
        version.map(Member::single).map(AgreementVersion)
    }
    /// The rule that applied. Internal: null for partners.
    #[graphql(guard = "RequireScope(Scope::AgreementsRead)", directive = requires_scope::apply("agreements:read".to_owned()))]
    async fn commission_rule(&self) -> Option<CommissionRule> {
        self.0.rule.clone().map(CommissionRule::one)
    }
}

/// The numbers an entry was computed from.
pub struct LedgerNumbers {
    numbers: Explanation,
    currency: money::Currency,
}

impl LedgerNumbers {
    fn money(&self, minor: i64) -> Money {
        let currency = self.currency;
        money::Money { minor, currency }.into()
    }
}

/// The numbers an entry was computed from.
#[Object]
impl LedgerNumbers {
    /// By which version of the arithmetic.
    async fn engine(&self) -> i32 {
        self.numbers.engine
    }
    /// What was paid.
    async fn amount(&self) -> Money {
        self.money(self.numbers.amount)
    }
    /// Which part of it is the partner's doing, in basis points.
    async fn weight_bp(&self) -> i32 {
        self.numbers.weight_bp.points()
    }
    /// That part.
    async fn counted(&self) -> Money {
        self.money(self.numbers.counted)
    }
    /// Where the rate comes from.
    async fn rate_source(&self) -> RateSource {
        self.numbers.source.into()
    }
    /// The rate without the tier, in basis points.
    async fn base_rate_bp(&self) -> i32 {
        self.numbers.base_bp.points()
    }
    /// What the tier adds, in basis points.
    async fn uplift_bp(&self) -> i32 {
        self.numbers.uplift_bp.points()
    }
    /// The rate, in basis points.
    async fn rate_bp(&self) -> i32 {
        self.numbers.rate_bp.points()
    }
    /// The tier of that day; read it with `node`.
    async fn tier_id(&self) -> Option<ID> {
        let tier = self.numbers.tier.as_ref();
        tier.map(|tier| tier.0.clone().into())
    }
    /// The referral fee that took the share's place.
    async fn referral_fee(&self) -> Option<ReferralFee> {
        let currency = self.currency;
        let fee = self.numbers.referral;
        fee.map(|fee| ReferralFee::of(fee, currency))
    }
    /// The least that a payment earns.
    async fn floor(&self) -> Option<Money> {
        self.numbers.floor.map(|minor| self.money(minor))
    }
    /// The most that a contract year's shares come to.
    async fn cap(&self) -> Option<Money> {
        self.numbers.cap.map(|minor| self.money(minor))
    }
    /// What rate and weight alone give.
    async fn unlimited(&self) -> Money {
        self.money(self.numbers.unlimited)
    }
    /// What is left of that after floor, cap and other partners' shares.
    async fn commission(&self) -> Money {
        self.money(self.numbers.commission)
    }
    /// The bonus on this payment.
    async fn own_bonus(&self) -> Money {
        self.money(self.numbers.own_bonus)
    }
    /// The bonus on the year's earlier revenue, where this payment crossed the line.
    async fn catch_up(&self) -> Money {
        self.money(self.numbers.catch_up)
    }
    /// The commitment of the contract year.
    async fn commitment(&self) -> Option<Commitment> {
        let currency = self.currency;
        let commitment = self.numbers.commitment;
        commitment.map(|row| Commitment::of(row, currency))
    }
    /// The bonus for meeting it.
    async fn bonus(&self) -> Option<Bonus> {
        self.numbers.bonus.map(Into::into)
    }
    /// What the commitment had counted before this payment, and after it: minor units where money is counted.
    async fn counter(&self) -> [i64; 2] {
        [self.numbers.counter.0, self.numbers.counter.1]
    }
    /// Whether the commitment was met before this payment, and after it.
    async fn met(&self) -> [bool; 2] {
        [self.numbers.met.0, self.numbers.met.1]
    }
    /// Since when these terms were in force.
    async fn terms_since(&self) -> Date {
        Date(self.numbers.since)
    }
    /// The first day of the contract year.
    async fn year_starts_on(&self) -> Date {
        Date(self.numbers.year)
    }
    /// Of a clawback: what was refunded so far of the payment, this refund included.
    async fn refunded(&self) -> Option<Money> {
        self.numbers.taken.map(|taken| self.money(taken.refunded))
    }
    /// Of a clawback: what the entry had given.
    async fn reversed_amount(&self) -> Option<Money> {
        let reversed = self.numbers.reversed;
        reversed.map(|(amount, _)| self.money(amount))
    }
    /// Of a clawback: what had been taken of the entry before.
    async fn reversed_before(&self) -> Option<Money> {
        let reversed = self.numbers.reversed;
        reversed.map(|(_, before)| self.money(before))
    }
}

/// The query that explains.
#[derive(Default)]
pub struct ExplanationQuery;

#[Object]
impl ExplanationQuery {
    /// Why an entry of the ledger is what it is: what it was computed from, by which rule, and the arithmetic. Null when there is none that you may see.
    #[graphql(guard = "RequireScope(Scope::EarningsRead)", directive = requires_scope::apply("earnings:read".to_owned()))]
    async fn explain_ledger_entry(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The entry's id.")] id: ID,
    ) -> Result<Option<LedgerExplanation>> {
        let Ok(id) = id.parse::<LedgerEntryId>() else {
            return Ok(None);
        };
        let request = request(ctx)?;
        match accrual::explain(request.database.read(), &request.viewer, id).await {
            Ok(explained) => Ok(Some(LedgerExplanation(explained))),
            // Only that it is not there is ever refused.
            Err(Error::Invalid(_)) => Ok(None),
            Err(fault) => Err(fault.into()),
        }
    }
}
