//! What an agreement says. The whole of it is signed: its hash stands for it.
//!
//! Invariants (domain, 1 and 2): our share and the partner's are the whole; a scheme with a name has the shares of its name; the hash is taken over
//! one canonical writing of every field, so that the same terms have the same hash on every database.

use crate::commission_rule::EarningTerms;
use crate::error::{Error, Result, ViolationCode, Violations};
use crate::money::{BasisPoints, Currency};
use crate::text_enum::text_enum;
use chrono::NaiveDate;
use sea_orm::FromJsonQueryResult;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest as _, Sha256};

text_enum! {
    /// How revenue is split.
    SplitScheme {
        /// 70 % ours, 30 % the partner's.
        #[sea_orm(string_value = "STANDARD_70_30")]
        #[serde(rename = "STANDARD_70_30")]
        Standard7030,
        /// 60 % ours, 40 % the partner's.
        #[sea_orm(string_value = "STRATEGIC_60_40")]
        #[serde(rename = "STRATEGIC_60_40")]
        Strategic6040,
        /// To be negotiated; not signed without shares.
        EnterpriseNegotiable,
        /// Anything else.
        Custom,
    }
}

text_enum! {
    /// Whether we may have others for the same.
    Exclusivity {
        /// We may.
        NonExclusive,
        /// We may not, within the scope.
        Exclusive,
        /// We may not, in the scope's territories.
        ExclusiveTerritory,
        /// We may, but ask this partner first.
        Preferred,
    }
}

impl Exclusivity {
    /// Whether it keeps others out.
    #[must_use]
    pub const fn excludes(self) -> bool {
        matches!(self, Self::Exclusive | Self::ExclusiveTerritory)
    }
}

text_enum! {
    /// Whose what is made together is.
    IpTerms {
        /// Each keeps its own.
        EachRetainsOwn,
        /// Both's.
        Joint,
        /// As written elsewhere.
        Custom,
    }
}

text_enum! {
    /// How often payouts are made.
    PaymentTerms {
        /// Every month.
        Monthly,
        /// Every quarter.
        Quarterly,
    }
}

text_enum! {
    /// What a partner attests.
    ComplianceRequirement {
        /// The European law on personal data.
        Gdpr,
        /// The Californian one.
        Ccpa,
        /// The audit of controls at service organisations.
        Soc2,
    }
}

text_enum! {
    /// What a service level is about.
    SlaMetric {
        /// Millionths of a percent, at least.
        UptimePercent,
        /// Millionths of an hour, at most.
        SupportResponseHours,
    }
}

text_enum! {
    /// How often the two sides review.
    Cadence {
        /// Every month.
        Monthly,
        /// Every quarter.
        Quarterly,
        /// When somebody asks.
        AsNeeded,
    }
}

/// The split of revenue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RevenueShareTerm {
    /// By which scheme.
    pub scheme: SplitScheme,
    /// Our part.
    #[serde(default)]
    pub our_bp: Option<BasisPoints>,
    /// The partner's.
    #[serde(default)]
    pub partner_bp: Option<BasisPoints>,
    /// For how many months from the agreement's first day; none for as long as it is in force.
    #[serde(default)]
    pub duration_months: Option<i32>,
}

/// A promised service level.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SlaTerm {
    /// Of what.
    pub metric: SlaMetric,
    /// In the metric's unit.
    pub target_micros: i64,
}

/// What exclusivity is about. An empty list means everything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Scope {
    /// Where.
    #[serde(default)]
    pub territories: Vec<String>,
    /// In which business.
    #[serde(default)]
    pub verticals: Vec<String>,
    /// With what.
    #[serde(default)]
    pub products: Vec<String>,
}

/// Everything an agreement says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, FromJsonQueryResult)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(missing_docs, reason = "each is named as in the domain")]
pub struct Terms {
    pub term_months: i32,
    pub auto_renew: bool,
    pub notice_days: i32,
    pub confidentiality_months: i32,
    pub exclusivity: Exclusivity,
    pub scope: Scope,
    pub ip_terms: IpTerms,
    pub payment_terms: PaymentTerms,
    pub revenue_share: Option<RevenueShareTerm>,
    /// Commitment, bonus, referral fee, limits. Its rate is the revenue share's and must not be given here.
    pub earning: EarningTerms,
    pub slas: Vec<SlaTerm>,
    pub compliance: Vec<ComplianceRequirement>,
    pub review: Cadence,
}

impl Terms {
    /// The defaults of the sources: a year, renewed by itself, 90 days of notice, nothing exclusive, each keeps its own, 24 months of
    /// confidentiality, 99.9 % uptime and 24 hours to the first answer.
    #[must_use]
    pub fn usual(currency: Currency) -> Self {
        Self {
            term_months: 12,
            auto_renew: true,
            notice_days: 90,
            confidentiality_months: 24,
            exclusivity: Exclusivity::NonExclusive,
            scope: Scope::default(),
            ip_terms: IpTerms::EachRetainsOwn,
            payment_terms: PaymentTerms::Quarterly,
            revenue_share: None,
            earning: EarningTerms::none(currency),
            slas: vec![
                SlaTerm {
                    metric: SlaMetric::UptimePercent,
                    target_micros: 99_900_000,
                },
                SlaTerm {
                    metric: SlaMetric::SupportResponseHours,
                    target_micros: 24_000_000,
                },
            ],
            compliance: Vec::new(),
            review: Cadence::Quarterly,
        }
    }

    /// The terms as earnings are computed from them.
    #[must_use]
    pub fn earning(&self) -> EarningTerms {
        EarningTerms {
            rate_bp: self.revenue_share.and_then(|share| share.partner_bp),
            ..self.earning.clone()
        }
    }

    /// Notes what is wrong with the terms. `signing` asks for what a draft may still lack.
    pub(crate) fn check(&self, violations: &mut Violations, signing: bool) {
        self.earning.check(violations);
        if self.earning.rate_bp.is_some() {
            let message = "The rate is the revenue share's.";
            violations.add(ViolationCode::Invalid, "terms.earning.rateBp", message);
        }
        let mut within = |field: &str, value: i32, least: i32, most: i32| {
            if !(least..=most).contains(&value) {
                let message = format!("Between {least} and {most}.");
                violations.add(ViolationCode::Invalid, field, message);
            }
        };
        within("terms.termMonths", self.term_months, 1, 120);
        within("terms.noticeDays", self.notice_days, 0, 730);
        within(
            "terms.confidentialityMonths",
            self.confidentiality_months,
            0,
            240,
        );
        if let Some(months) = self.revenue_share.and_then(|share| share.duration_months) {
            within("terms.revenueShare.durationMonths", months, 1, 240);
        }
        for (field, list) in [
            ("terms.scope.territories", &self.scope.territories),
            ("terms.scope.verticals", &self.scope.verticals),
            ("terms.scope.products", &self.scope.products),
        ] {
            violations.tags(field, list);
        }
        if self.exclusivity == Exclusivity::ExclusiveTerritory && self.scope.territories.is_empty()
        {
            let message = "Name the territories that are exclusive.";
            violations.add(ViolationCode::Blank, "terms.scope.territories", message);
        }
        for sla in &self.slas {
            let most = match sla.metric {
                SlaMetric::UptimePercent => 100_000_000,
                SlaMetric::SupportResponseHours => 10_000_000_000,
            };
            if !(1..=most).contains(&sla.target_micros) {
                let message = "Not a level that can be kept or broken.";
                violations.add(ViolationCode::Invalid, "terms.slas.target", message);
            }
        }
        let mut metrics: Vec<SlaMetric> = self.slas.iter().map(|sla| sla.metric).collect();
        metrics.sort_unstable();
        if metrics
            .windows(2)
            .any(|pair| matches!(pair, [a, b] if a == b))
        {
            violations.add(
                ViolationCode::Taken,
                "terms.slas",
                "A metric has one level.",
            );
        }
        self.check_shares(violations, signing);
    }

    fn check_shares(&self, violations: &mut Violations, signing: bool) {
        let Some(share) = self.revenue_share else {
            return;
        };
        let field = "terms.revenueShare";
        let wanted = match share.scheme {
            SplitScheme::Standard7030 => Some((7_000, 3_000)),
            SplitScheme::Strategic6040 => Some((6_000, 4_000)),
            SplitScheme::EnterpriseNegotiable | SplitScheme::Custom => None,
        };
        match (share.our_bp, share.partner_bp) {
            (Some(ours), Some(partners)) => {
                if ours.points() + partners.points() != BasisPoints::WHOLE.points() {
                    let message = "Our share and the partner's are not 10,000 basis points.";
                    violations.add(ViolationCode::Invalid, field, message);
                }
                if wanted.is_some_and(|wanted| wanted != (ours.points(), partners.points())) {
                    let message = "The shares are not those of the scheme.";
                    violations.add(ViolationCode::Invalid, field, message);
                }
            }
            (None, None) if share.scheme == SplitScheme::EnterpriseNegotiable && !signing => {}
            _ => violations.add(ViolationCode::Blank, field, "Both shares are needed."),
        }
    }

    /// The hash of these terms as the given version of the given agreement from a day on: what is signed.
    ///
    /// # Errors
    /// When the terms have no JSON form.
    pub fn hash(&self, agreement: &str, number: i32, effective_on: NaiveDate) -> Result<String> {
        // A struct is written in the order of its fields, whatever order a database gives them back in.
        let terms = serde_json::to_string(self)
            .map_err(|error| Error::Damaged(format!("terms without a JSON form: {error}")))?;
        let head = json!([agreement, number, effective_on]).to_string();
        let mut digest = Sha256::new();
        digest.update(head.as_bytes());
        digest.update([0]);
        digest.update(terms.as_bytes());
        Ok(hex::encode(digest.finalize()))
    }
}
