//! Everything that decides what somebody earns: agreements, versions, rules, tiers, programmes; read once for the partnerships of a batch.
//!
//! Order (domain, section 6): the agreement version in force when the money moved; its rate, else the programme's rule, else the type's preset; the
//! tier's uplift on top. Without an agreement in force nothing is earned.

use super::desk::{YearAt, YearKey};
use crate::agreement::{self, Terms};
use crate::agreement_version;
use crate::calendar::{Span, plus_days, plus_months};
use crate::clock::Timestamp;
use crate::commission_rule::{self, EarningTerms, ReferralTrigger, RevenueBase};
use crate::commitment_year::YearStatus;
use crate::error::Result;
use crate::id::{AgreementId, PartnerId, PartnershipId, ProgramId, TierId};
use crate::money::{BasisPoints, Currency};
use crate::revenue_accrual::AccrualReason;
use crate::revenue_share::{Conditions, Referral, ShortfallPolicy, uplifted};
use crate::text_enum::text_enum;
use crate::viewer::Viewer;
use crate::visible::{self, Visible as _};
use crate::{partnership, program, program_enrollment, tier, tier_assignment};
use chrono::NaiveDate;
use sea_orm::entity::prelude::*;
use std::collections::HashMap;

text_enum! {
    /// Where a rate comes from.
    RateSource {
        /// The agreement.
        Agreement,
        /// A rule of the programme.
        Program,
        /// The preset of the partnership's type.
        Preset,
        /// The rate after a year that missed its commitment.
        Reduced,
    }
}

/// What applies to one piece of revenue.
#[derive(Clone, Debug)]
pub(crate) struct Applied<'a> {
    pub partner_id: PartnerId,
    pub agreement: &'a agreement::Model,
    pub version: &'a agreement_version::Model,
    pub rule: Option<&'a commission_rule::Model>,
    /// The day of the money, in the agreement's zone.
    pub on: NaiveDate,
    pub year: Span,
    /// Since when these very terms are in force.
    pub since: NaiveDate,
    pub source: RateSource,
    pub base_rate: BasisPoints,
    pub uplift: BasisPoints,
    pub tier: Option<TierId>,
    pub conditions: Conditions,
    pub hold_days: i32,
}

/// The book.
#[derive(Debug, Default)]
pub(crate) struct Book {
    partnerships: HashMap<PartnershipId, partnership::Model>,
    programs: HashMap<ProgramId, program::Model>,
    enrolled: HashMap<PartnershipId, Vec<program_enrollment::Model>>,
    tiers: HashMap<TierId, tier::Model>,
    assigned: HashMap<PartnershipId, Vec<tier_assignment::Model>>,
    pub rules: Vec<commission_rule::Model>,
    agreements: HashMap<PartnershipId, Vec<agreement::Model>>,
    versions: HashMap<AgreementId, Vec<agreement_version::Model>>,
}

impl Book {
    pub(crate) async fn load(
        connection: &impl ConnectionTrait,
        ids: &[PartnershipId],
    ) -> Result<Self> {
        let system = Viewer::system("accrual");
        let mut book = Self {
            rules: commission_rule::list(connection, &system).await?,
            ..Self::default()
        };
        for row in visible::find_all::<partnership::Entity, _>(
            connection,
            &system,
            ids.iter().map(|id| id.0),
        )
        .await?
        {
            book.partnerships.insert(row.id, row);
        }
        for row in program::Entity::visible_to(&system).all(connection).await? {
            book.programs.insert(row.id, row);
        }
        for row in tier::Entity::visible_to(&system).all(connection).await? {
            book.tiers.insert(row.id, row);
        }
        for row in program_enrollment::history(connection, &system, ids).await? {
            book.enrolled
                .entry(row.partnership_id)
                .or_default()
                .push(row);
        }
        for row in tier_assignment::history(connection, &system, ids).await? {
            book.assigned
                .entry(row.partnership_id)
                .or_default()
                .push(row);
        }
        let agreements = agreement::of_partnerships(connection, &system, ids).await?;
        let of: Vec<AgreementId> = agreements.iter().map(|row| row.id).collect();
        for row in agreements {
            book.agreements
                .entry(row.partnership_id)
                .or_default()
                .push(row);
        }
        for row in agreement_version::of_agreements(connection, &system, &of).await? {
            book.versions.entry(row.agreement_id).or_default().push(row);
        }
        Ok(book)
    }

    pub(crate) fn partner_of(&self, id: PartnershipId) -> Option<PartnerId> {
        self.partnerships.get(&id).map(|row| row.partner_id)
    }

    /// What applies to revenue of a partnership at an instant, or why nothing does. What the years before have counted so far decides on a reduced rate.
    pub(crate) fn applied(
        &self,
        years: &HashMap<YearKey, YearAt>,
        id: PartnershipId,
        at: Timestamp,
        base: RevenueBase,
        currency: Currency,
        referred: bool,
    ) -> Result<Applied<'_>, AccrualReason> {
        let row = self.partnerships.get(&id).ok_or(AccrualReason::Nobody)?;
        let (agreement, on) = self
            .agreements
            .get(&id)
            .into_iter()
            .flatten()
            .filter_map(|agreement| Some((agreement, agreement.zone.day_of(at)?)))
            .filter(|(agreement, on)| agreement.binds_on(*on))
            .max_by_key(|(agreement, _)| (agreement.effective_on, agreement.id))
            .ok_or(AccrualReason::NoAgreement)?;
        let versions = self
            .versions
            .get(&agreement.id)
            .map_or(&[][..], Vec::as_slice);
        let version =
            agreement_version::in_force(versions, on).ok_or(AccrualReason::NoAgreement)?;
        let year = agreement.year_of(on).ok_or(AccrualReason::NoAgreement)?;
        if is_over(&version.terms, agreement.effective_on, on) {
            return Err(AccrualReason::DurationOver);
        }
        let program = self.program_on(id, on);
        let rule =
            commission_rule::applicable(&self.rules, program.map(|row| row.id), row.kind, on);
        let own = version.terms.earning();
        let own_rate = own.rate_bp;
        let terms = rule.map_or_else(|| own.clone(), |rule| own.over(&rule.terms));
        let referral = in_currency(&terms, currency);
        let conditions_base = match (referred && referral.is_some(), terms.referral_trigger) {
            (true, Some(ReferralTrigger::OnClose)) => RevenueBase::Booked,
            (true, _) => RevenueBase::Paid,
            (false, _) => terms.base.unwrap_or(RevenueBase::Paid),
        };
        if conditions_base != base {
            return Err(AccrualReason::OtherBase);
        }
        let (mut base_rate, mut source) = match (own_rate, terms.rate_bp, rule) {
            (Some(rate), ..) => (rate, RateSource::Agreement),
            (None, Some(rate), Some(rule)) if rule.program_id.is_some() => {
                (rate, RateSource::Program)
            }
            (None, Some(rate), _) => (rate, RateSource::Preset),
            // Who only refers needs no rate.
            (None, None, _) if referred && referral.is_some() => {
                (BasisPoints::NONE, RateSource::Agreement)
            }
            (None, None, _) => return Err(AccrualReason::NoRate),
        };
        let key = YearKey {
            partnership_id: id,
            agreement_id: agreement.id,
            starts_on: year.start,
            currency,
        };
        if let Some(rate) = self.reduced(years, agreement, key, &terms) {
            (base_rate, source) = (rate, RateSource::Reduced);
        }
        let tier = self
            .tier_on(id, on)
            .filter(|tier| Some(tier.program_id) == program.map(|row| row.id));
        let uplift = tier.map_or(BasisPoints::NONE, |tier| tier.uplift_bp);
        let since = rule.map_or(version.effective_on, |rule| {
            rule.effective_on.max(version.effective_on)
        });
        Ok(Applied {
            partner_id: row.partner_id,
            agreement,
            version,
            rule,
            on,
            year,
            since,
            source,
            base_rate,
            uplift,
            tier: tier.map(|tier| tier.id),
            conditions: conditions(&terms, uplifted(base_rate, uplift), currency),
            hold_days: terms
                .hold_days
                .or(program.map(|row| row.hold_days))
                .unwrap_or(0),
        })
    }

    /// The terms of an agreement on a day, whatever was earned by them.
    pub(crate) fn terms_on(
        &self,
        agreement: &agreement::Model,
        on: NaiveDate,
    ) -> Option<EarningTerms> {
        let row = self.partnerships.get(&agreement.partnership_id)?;
        let versions = self.versions.get(&agreement.id)?;
        let own = agreement_version::in_force(versions, on)?.terms.earning();
        let program = self.program_on(agreement.partnership_id, on);
        let rule =
            commission_rule::applicable(&self.rules, program.map(|row| row.id), row.kind, on);
        Some(rule.map_or_else(|| own.clone(), |rule| own.over(&rule.terms)))
    }

    fn tier_on(&self, id: PartnershipId, on: NaiveDate) -> Option<&tier::Model> {
        let last = self
            .assigned
            .get(&id)?
            .iter()
            .rfind(|row| row.effective_on <= on)?;
        self.tiers.get(&last.tier_id?)
    }

    fn program_on(&self, id: PartnershipId, on: NaiveDate) -> Option<&program::Model> {
        let parts = self.enrolled.get(&id)?;
        let part = parts.iter().find(|part| part.holds_on(on))?;
        self.programs.get(&part.program_id)
    }

    /// The rate after a year that missed its commitment: also before that year was settled, by what it has counted so far.
    fn reduced(
        &self,
        years: &HashMap<YearKey, YearAt>,
        agreement: &agreement::Model,
        key: YearKey,
        terms: &EarningTerms,
    ) -> Option<BasisPoints> {
        let shortfall = terms
            .shortfall
            .filter(|one| one.policy == ShortfallPolicy::ReducedRate)?;
        let last = plus_days(key.starts_on, -1)?;
        let before = YearKey {
            starts_on: agreement.year_of(last)?.start,
            ..key
        };
        let at = years.get(&before)?;
        let missed = match (at.status, at.settled) {
            (status, true) => status == YearStatus::Missed,
            (_, false) => {
                let agreed = self.terms_on(agreement, last)?;
                let commitment = agreed
                    .commitment
                    .filter(|_| agreed.currency == key.currency)?;
                at.year.counter(commitment.unit).ok()? < commitment.target
            }
        };
        missed.then_some(shortfall.rate_bp).flatten()
    }
}

fn is_over(terms: &Terms, effective_on: NaiveDate, on: NaiveDate) -> bool {
    let months = terms.revenue_share.and_then(|share| share.duration_months);
    months
        .and_then(|months| plus_months(effective_on, months))
        .is_some_and(|end| on >= end)
}

/// The referral fee for money in a currency: a sum in another one is none.
fn in_currency(terms: &EarningTerms, currency: Currency) -> Option<Referral> {
    let same = terms.currency == currency;
    terms
        .referral
        .filter(|fee| same || matches!(fee, Referral::Rate(_)))
}

/// The conditions for money in a currency. Sums in another one mean nothing for it.
fn conditions(terms: &EarningTerms, rate: BasisPoints, currency: Currency) -> Conditions {
    let same = terms.currency == currency;
    Conditions {
        rate,
        floor: terms.floor.filter(|_| same),
        cap: terms.cap.filter(|_| same),
        referral: in_currency(terms, currency),
        commitment: terms.commitment.filter(|_| same),
        bonus: terms.bonus.filter(|_| same),
    }
}
