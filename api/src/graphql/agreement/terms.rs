//! What an agreement says, in the API.

use crate::graphql::earning_terms::{EarningTerms, EarningTermsInput};
use crate::graphql::references::basis_points;
use crate::graphql::scalar::{Currency, Decimal};
use async_graphql::{Enum, InputObject, MaybeUndefined, Object, SimpleObject};
use entities::agreement::{self, Scope, Terms};
use entities::commission_rule;
use entities::error::{Error, Result, ViolationCode};
use entities::money;

/// How revenue is split.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "agreement::SplitScheme")]
pub enum SplitScheme {
    /// 70 % ours, 30 % the partner's.
    #[graphql(name = "STANDARD_70_30")]
    Standard7030,
    /// 60 % ours, 40 % the partner's.
    #[graphql(name = "STRATEGIC_60_40")]
    Strategic6040,
    /// To be negotiated; not signed without shares.
    EnterpriseNegotiable,
    /// Anything else.
    Custom,
}

/// Whether we may have others for the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "agreement::Exclusivity")]
pub enum Exclusivity {
    /// We may.
    NonExclusive,
    /// We may not, within the scope.
    Exclusive,
    /// We may not, in the scope's territories.
    ExclusiveTerritory,
    /// We may, but ask this partner first.
    Preferred,
}

/// Whose what is made together is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "agreement::IpTerms")]
pub enum IpTerms {
    /// Each keeps its own.
    EachRetainsOwn,
    /// Both's.
    Joint,
    /// As written elsewhere.
    Custom,
}

/// How often payouts are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "agreement::PaymentTerms")]
pub enum PaymentTerms {
    /// Every month.
    Monthly,
    /// Every quarter.
    Quarterly,
}

/// What a partner attests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "agreement::ComplianceRequirement")]
pub enum ComplianceRequirement {
    /// The European law on personal data.
    Gdpr,
    /// The Californian one.
    Ccpa,
    /// The audit of controls at service organisations.
    #[graphql(name = "SOC2")]
    Soc2,
}

/// What a service level is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "agreement::SlaMetric")]
pub enum SlaMetric {
    /// Percent of the time, at least.
    UptimePercent,
    /// Hours to the first answer, at most.
    SupportResponseHours,
}

/// How often the two sides review.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "agreement::Cadence")]
pub enum ReviewCadence {
    /// Every month.
    Monthly,
    /// Every quarter.
    Quarterly,
    /// When somebody asks.
    AsNeeded,
}

/// The split of revenue.
#[derive(Clone, SimpleObject)]
pub struct RevenueShare {
    /// By which scheme.
    pub scheme: SplitScheme,
    /// Our part, in basis points.
    pub our_share_bp: Option<i32>,
    /// The partner's, in basis points.
    pub partner_share_bp: Option<i32>,
    /// For how many months from the agreement's first day; null for as long as it is in force.
    pub duration_months: Option<i32>,
}

/// A promised service level.
#[derive(Clone, SimpleObject)]
pub struct SlaTerm {
    /// Of what.
    pub metric: SlaMetric,
    /// The level: percent, or hours.
    pub target: Decimal,
}

/// What exclusivity is about; an empty list means everything.
#[derive(Clone, SimpleObject)]
pub struct ExclusivityScope {
    /// Where.
    pub territories: Vec<String>,
    /// In which business.
    pub verticals: Vec<String>,
    /// With what.
    pub products: Vec<String>,
}

/// A level that is kept in millionths.
pub(super) fn level(micros: i64) -> Decimal {
    Decimal(rust_decimal::Decimal::new(micros, 6).normalize())
}

/// A level in millionths.
pub(super) fn micros(level: &Decimal, field: &str) -> Result<i64> {
    let refused = || {
        let message = "A level has at most six decimal digits.";
        Error::invalid(ViolationCode::Invalid, field, message)
    };
    let level = level.0.normalize();
    if level.scale() > 6 {
        return Err(refused());
    }
    let factor = 10_i128.checked_pow(6 - level.scale()).ok_or_else(refused)?;
    let micros = level.mantissa().checked_mul(factor).ok_or_else(refused)?;
    i64::try_from(micros).map_err(|_| refused())
}

/// Everything an agreement says.
#[derive(Clone)]
pub struct AgreementTerms(pub(super) Terms);

/// Everything an agreement says.
#[Object]
impl AgreementTerms {
    /// How many months a term has.
    async fn term_months(&self) -> i32 {
        self.0.term_months
    }
    /// Whether it is renewed by itself at the end of a term.
    async fn auto_renew(&self) -> bool {
        self.0.auto_renew
    }
    /// How many days of notice it asks for.
    async fn notice_days(&self) -> i32 {
        self.0.notice_days
    }
    /// For how many months after its end it stays confidential.
    async fn confidentiality_months(&self) -> i32 {
        self.0.confidentiality_months
    }
    /// Whether we may have others for the same.
    async fn exclusivity(&self) -> Exclusivity {
        self.0.exclusivity.into()
    }
    /// What exclusivity is about.
    async fn exclusivity_scope(&self) -> ExclusivityScope {
        let scope = self.0.scope.clone();
        ExclusivityScope {
            territories: scope.territories,
            verticals: scope.verticals,
            products: scope.products,
        }
    }
    /// Whose what is made together is.
    async fn ip_terms(&self) -> IpTerms {
        self.0.ip_terms.into()
    }
    /// How often payouts are made.
    async fn payment_terms(&self) -> PaymentTerms {
        self.0.payment_terms.into()
    }
    /// The split of revenue; null leaves the rate to the programme's rules.
    async fn revenue_share(&self) -> Option<RevenueShare> {
        self.0.revenue_share.map(|share| RevenueShare {
            scheme: share.scheme.into(),
            our_share_bp: share.our_bp.map(money::BasisPoints::points),
            partner_share_bp: share.partner_bp.map(money::BasisPoints::points),
            duration_months: share.duration_months,
        })
    }
    /// Commitment, bonus, referral fee and limits.
    async fn earning(&self) -> EarningTerms {
        EarningTerms(self.0.earning.clone())
    }
    /// The promised service levels.
    async fn slas(&self) -> Vec<SlaTerm> {
        let slas = self.0.slas.iter();
        slas.map(|sla| SlaTerm {
            metric: sla.metric.into(),
            target: level(sla.target_micros),
        })
        .collect()
    }
    /// What the partner attests, yearly.
    async fn compliance(&self) -> Vec<ComplianceRequirement> {
        self.0.compliance.iter().map(|one| (*one).into()).collect()
    }
    /// How often the two sides review.
    async fn review(&self) -> ReviewCadence {
        self.0.review.into()
    }
}

/// The split of revenue. The named schemes need no shares.
#[derive(Clone, Debug, InputObject)]
pub struct RevenueShareInput {
    /// By which scheme.
    pub scheme: SplitScheme,
    /// Our part, in basis points.
    pub our_share_bp: Option<i32>,
    /// The partner's, in basis points; both are 10,000.
    pub partner_share_bp: Option<i32>,
    /// For how many months from the agreement's first day; for as long as it is in force when nothing is said.
    pub duration_months: Option<i32>,
}

impl RevenueShareInput {
    fn read(&self) -> Result<agreement::RevenueShareTerm> {
        let rate = |points: Option<i32>| {
            let field = "terms.revenueShare";
            points.map(|points| basis_points(points, field)).transpose()
        };
        let (mut ours, mut partners) = (rate(self.our_share_bp)?, rate(self.partner_share_bp)?);
        let named = match self.scheme {
            SplitScheme::Standard7030 => Some((7_000, 3_000)),
            SplitScheme::Strategic6040 => Some((6_000, 4_000)),
            SplitScheme::EnterpriseNegotiable | SplitScheme::Custom => None,
        };
        if let (Some((our, partner)), None, None) = (named, ours, partners) {
            (ours, partners) = (rate(Some(our))?, rate(Some(partner))?);
        }
        Ok(agreement::RevenueShareTerm {
            scheme: self.scheme.into(),
            our_bp: ours,
            partner_bp: partners,
            duration_months: self.duration_months,
        })
    }
}

/// A promised service level.
#[derive(Clone, Debug, InputObject)]
pub struct SlaTermInput {
    /// Of what.
    pub metric: SlaMetric,
    /// The level: percent, or hours.
    pub target: Decimal,
}

/// What exclusivity is about; an empty list means everything.
#[derive(Clone, Debug, InputObject)]
pub struct ExclusivityScopeInput {
    /// Where.
    #[graphql(default)]
    pub territories: Vec<String>,
    /// In which business.
    #[graphql(default)]
    pub verticals: Vec<String>,
    /// With what.
    #[graphql(default)]
    pub products: Vec<String>,
}

impl ExclusivityScopeInput {
    /// The scope.
    pub(super) fn read(self) -> Scope {
        Scope {
            territories: self.territories,
            verticals: self.verticals,
            products: self.products,
        }
    }
}

/// What an agreement says. An absent field is as usual in a new agreement (a year, renewed by itself, 90 days of notice, nothing exclusive, each keeps its
/// own, quarterly payouts and reviews, 24 months of confidentiality, 99.9 % uptime and 24 hours to the first answer), and as it was in a revision or an
/// amendment.
#[derive(Clone, Debug, Default, InputObject)]
pub struct AgreementTermsInput {
    /// How many months a term has.
    pub term_months: Option<i32>,
    /// Whether it is renewed by itself at the end of a term.
    pub auto_renew: Option<bool>,
    /// How many days of notice it asks for.
    pub notice_days: Option<i32>,
    /// For how many months after its end it stays confidential.
    pub confidentiality_months: Option<i32>,
    /// Whether we may have others for the same.
    pub exclusivity: Option<Exclusivity>,
    /// What exclusivity is about.
    pub exclusivity_scope: Option<ExclusivityScopeInput>,
    /// Whose what is made together is.
    pub ip_terms: Option<IpTerms>,
    /// How often payouts are made.
    pub payment_terms: Option<PaymentTerms>,
    /// The split of revenue; null leaves the rate to the programme's rules.
    pub revenue_share: MaybeUndefined<RevenueShareInput>,
    /// Commitment, bonus, referral fee and limits, all of them.
    pub earning: Option<EarningTermsInput>,
    /// The promised service levels, all of them.
    pub slas: Option<Vec<SlaTermInput>>,
    /// What the partner attests, yearly.
    pub compliance: Option<Vec<ComplianceRequirement>>,
    /// How often the two sides review.
    pub review: Option<ReviewCadence>,
}

impl AgreementTermsInput {
    /// The usual terms, and what is said over them.
    pub(super) fn over_the_usual(self) -> Result<Terms> {
        let currency = self
            .earning
            .as_ref()
            .map(|earning| earning.currency.clone());
        let currency = currency.map_or(money::Currency::EUR, |Currency(currency)| currency);
        self.over(Terms::usual(currency))
    }

    /// What was said before, and what is said over it.
    pub(super) fn over(self, before: Terms) -> Result<Terms> {
        let sla = |sla: SlaTermInput| {
            Ok::<_, Error>(agreement::SlaTerm {
                metric: sla.metric.into(),
                target_micros: micros(&sla.target, "terms.slas.target")?,
            })
        };
        let slas = self
            .slas
            .map(|slas| slas.into_iter().map(sla).collect::<Result<Vec<_>>>());
        let share = match self.revenue_share {
            MaybeUndefined::Undefined => before.revenue_share,
            MaybeUndefined::Null => None,
            MaybeUndefined::Value(share) => Some(share.read()?),
        };
        let earning = self.earning.as_ref().map(EarningTermsInput::read);
        let earning: Option<commission_rule::EarningTerms> = earning.transpose()?;
        Ok(Terms {
            term_months: self.term_months.unwrap_or(before.term_months),
            auto_renew: self.auto_renew.unwrap_or(before.auto_renew),
            notice_days: self.notice_days.unwrap_or(before.notice_days),
            confidentiality_months: self
                .confidentiality_months
                .unwrap_or(before.confidentiality_months),
            exclusivity: self.exclusivity.map_or(before.exclusivity, Into::into),
            scope: self
                .exclusivity_scope
                .map_or(before.scope, ExclusivityScopeInput::read),
            ip_terms: self.ip_terms.map_or(before.ip_terms, Into::into),
            payment_terms: self.payment_terms.map_or(before.payment_terms, Into::into),
            revenue_share: share,
            earning: earning.unwrap_or(before.earning),
            slas: slas.transpose()?.unwrap_or(before.slas),
            compliance: self
                .compliance
                .map(|all| all.into_iter().map(Into::into).collect())
                .unwrap_or(before.compliance),
            review: self.review.map_or(before.review, Into::into),
        })
    }
}
