//! Where revenue becomes entries: the computation over what was read, without a database.
//!
//! A run, a preview and a simulation all go through [`Desk::take`]; they differ in what they read before and what they keep afterwards. Refunds find
//! their payments here: those of the same deal (of the same customer, where there is no deal), the latest first, unless somebody said which.

use super::book::{Applied, Book};
use super::explanation::{Explanation, Taken};
use crate::calendar::{Span, plus_days};
use crate::commission_rule::RevenueBase;
use crate::commitment_year::{self, YearStatus};

use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::id::{
    AgreementId, CommitmentYearId, CustomerId, DealId, LedgerEntryId, PartnerId, PartnershipId,
    RevenueEventId,
};
use crate::ledger_entry::{LedgerKind, LedgerStatus};
use crate::money::{BasisPoints, Currency};
use crate::revenue_accrual::AccrualReason;
use crate::revenue_event::{self, RevenueKind};
use crate::revenue_share::{Clawback, Earning, Line, Open, Paid, Uncountable, Year, take_excess};
use chrono::NaiveDate;
use std::collections::{BTreeMap, HashMap};

/// Who shares in a piece of revenue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sharer {
    pub partnership_id: PartnershipId,
    pub weight: BasisPoints,
    pub referred: bool,
}

/// A piece of revenue, and who shares in it.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    pub event: revenue_event::Model,
    /// By partnership.
    pub sharers: Vec<Sharer>,
    /// A refund that was computed before and was more than its payments then: what is left of it is looked for again.
    pub exceeded: bool,
}

/// Which base a piece of revenue belongs to.
pub(crate) fn base_of(event: &revenue_event::Model) -> RevenueBase {
    match event.kind {
        _ if event.source == revenue_event::DEALS => RevenueBase::Booked,
        RevenueKind::Invoice | RevenueKind::CreditNote => RevenueBase::Invoiced,
        RevenueKind::Payment | RevenueKind::Refund | RevenueKind::Adjustment => RevenueBase::Paid,
    }
}

/// An entry to be written.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    pub id: LedgerEntryId,
    pub partnership_id: PartnershipId,
    pub partner_id: PartnerId,
    pub kind: LedgerKind,
    pub status: LedgerStatus,
    pub amount: i64,
    pub currency: Currency,
    pub revenue_event_id: Option<RevenueEventId>,
    pub cause: RevenueEventId,
    pub deal_id: Option<DealId>,
    pub of: Option<Origin>,
    pub reverses: Option<LedgerEntryId>,
    pub available_on: NaiveDate,
    pub explanation: Explanation,
}

/// What an entry was computed by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    pub agreement: AgreementId,
    pub version: crate::id::AgreementVersionId,
    pub rule: Option<crate::id::CommissionRuleId>,
    pub year: CommitmentYearId,
}

/// Which year.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct YearKey {
    pub partnership_id: PartnershipId,
    pub agreement_id: AgreementId,
    pub starts_on: NaiveDate,
    pub currency: Currency,
}

/// A year as it is computed with.
#[derive(Clone, Debug)]
pub(crate) struct YearAt {
    pub id: CommitmentYearId,
    pub partner_id: PartnerId,
    pub ends_on: NaiveDate,
    pub status: YearStatus,
    /// Whether the status stays.
    pub settled: bool,
    pub year: Year,
    /// Whether it differs from what was read.
    pub changed: bool,
}

/// An entry of which something may be taken back.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Known {
    pub id: LedgerEntryId,
    pub kind: LedgerKind,
    pub status: LedgerStatus,
    pub amount: i64,
    pub clawed: i64,
    pub revenue_event_id: Option<RevenueEventId>,
    pub deal_id: Option<DealId>,
    pub available_on: NaiveDate,
    pub of: Origin,
}

/// A payment that may be refunded.
#[derive(Clone, Debug)]
pub(crate) struct Payment {
    pub event: revenue_event::Model,
    pub refunded: i64,
    /// What each partnership earned of it, and from what.
    pub shared: BTreeMap<PartnershipId, (Explanation, YearKey, PartnerId)>,
}

/// A refund's part of a payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reversed {
    pub refund: RevenueEventId,
    pub payment: RevenueEventId,
    pub amount: i64,
}

/// What became of a piece of revenue.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outcome {
    pub drafts: Vec<Draft>,
    pub reversed: Vec<Reversed>,
    pub reason: Option<AccrualReason>,
    /// Years whose commitment was met by it.
    pub met: Vec<YearKey>,
    /// Refunds that were computed before their payment earned, and took back now.
    pub late: Vec<RevenueEventId>,
}

/// What is known while computing.
#[derive(Default)]
pub(crate) struct Desk {
    pub years: HashMap<YearKey, YearAt>,
    pub payments: HashMap<RevenueEventId, Payment>,
    /// The entries by payment and partnership, oldest first.
    pub entries: HashMap<(RevenueEventId, PartnershipId), Vec<Known>>,
    /// The bonuses of a year, oldest first.
    pub bonuses: HashMap<YearKey, Vec<Known>>,
    by_deal: HashMap<DealId, Vec<RevenueEventId>>,
    by_customer: HashMap<CustomerId, Vec<RevenueEventId>>,
    /// What was paid as a fixed fee for a deal.
    pub fees: HashMap<(PartnershipId, DealId), i64>,
    /// Which refunds were said to refund which payment.
    pub said: HashMap<RevenueEventId, Vec<(RevenueEventId, i64)>>,
    /// What a refund took back when it was computed before.
    pub done: HashMap<RevenueEventId, Vec<(RevenueEventId, i64)>>,
    /// The parts of a payment that were refunded before it earned anything, in the order in which they were.
    pub before: HashMap<RevenueEventId, Vec<(revenue_event::Model, i64)>>,
}

/// Makes ids of entries and years.
pub(crate) trait Maker {
    fn entry(&mut self) -> LedgerEntryId;
    fn year(&mut self) -> CommitmentYearId;
}

impl Desk {
    pub(crate) fn know_year(&mut self, row: commitment_year::Model) {
        let key = YearKey {
            partnership_id: row.partnership_id,
            agreement_id: row.agreement_id,
            starts_on: row.starts_on,
            currency: row.currency,
        };
        self.years.entry(key).or_insert(YearAt {
            id: row.id,
            partner_id: row.partner_id,
            ends_on: row.ends_on,
            status: row.status,
            settled: row.settled_at.is_some(),
            year: row.counters.0,
            changed: false,
        });
    }

    /// Computes one piece of revenue.
    pub(crate) fn take(
        &mut self,
        book: &Book,
        told: &Told,
        make: &mut dyn Maker,
    ) -> Result<Outcome> {
        if told.event.net().minor < 0 {
            return self.refund(book, &told.event, make);
        }
        let mut outcome = Outcome::default();
        let mut left = told.event.amount_minor;
        self.know_payment(&told.event, 0);
        for sharer in &told.sharers {
            let applied = book.applied(
                &self.years,
                sharer.partnership_id,
                told.event.occurred_at,
                base_of(&told.event),
                told.event.amount_currency,
                sharer.referred,
            );
            match applied {
                Ok(applied) => self.earn(
                    &told.event,
                    *sharer,
                    &applied,
                    &mut left,
                    &mut outcome,
                    make,
                )?,
                Err(reason) => outcome.reason = outcome.reason.or(Some(reason)),
            }
        }
        if told.sharers.is_empty() {
            outcome.reason = Some(AccrualReason::Nobody);
        }
        // Refunds that came before the payment earned anything, for it was nobody's or history then.
        for (refund, part) in self.before.remove(&told.event.id).unwrap_or_default() {
            let payment = self.payments.get(&told.event.id);
            let left = payment.map_or(0, |paid| paid.event.amount_minor - paid.refunded);
            let part = part.min(left);
            if part > 0 {
                self.take_back(book, told.event.id, &refund, part, &mut outcome, make)?;
                outcome.late.push(refund.id);
            }
        }
        Ok(outcome)
    }

    fn earn(
        &mut self,
        event: &revenue_event::Model,
        sharer: Sharer,
        applied: &Applied<'_>,
        left: &mut i64,
        outcome: &mut Outcome,
        make: &mut dyn Maker,
    ) -> Result<()> {
        let key = YearKey {
            partnership_id: sharer.partnership_id,
            agreement_id: applied.agreement.id,
            starts_on: applied.year.start,
            currency: event.amount_currency,
        };
        let Span { end, .. } = applied.year;
        let at = self.years.entry(key).or_insert_with(|| YearAt {
            id: make.year(),
            partner_id: applied.partner_id,
            ends_on: end,
            status: YearStatus::Open,
            settled: false,
            year: Year::default(),
            changed: true,
        });
        let fee = event.deal_id.map(|deal| (sharer.partnership_id, deal));
        let line = Line {
            amount: event.amount_minor,
            weight: sharer.weight,
            referred: sharer.referred,
            fee_paid: fee
                .and_then(|fee| self.fees.get(&fee))
                .copied()
                .unwrap_or(0),
            left: *left,
            customer: event.customer_id.map(|id| id.0),
            deal: event.deal_id.map(|id| id.0),
        };
        let earning = match at.year.earn(applied.since, &applied.conditions, &line) {
            Ok(earning) => earning,
            Err(Uncountable::TooLarge | Uncountable::ExceedsPayment) => {
                outcome.reason = Some(AccrualReason::TooLarge);
                return Ok(());
            }
        };
        at.changed = true;
        if at.status == YearStatus::Open && applied.conditions.commitment.is_some() && earning.met.1
        {
            at.status = YearStatus::Met;
            outcome.met.push(key);
        }
        let of = Origin {
            agreement: applied.agreement.id,
            version: applied.version.id,
            rule: applied.rule.map(|rule| rule.id),
            year: at.id,
        };
        *left -= earning.commission;
        let hold = i64::from(applied.hold_days);
        let available_on = plus_days(applied.on, hold).unwrap_or(applied.on);
        let explanation = Explanation::of_earning(&line, applied, &earning);
        for (kind, amount, own) in kinds(&earning) {
            let known = Known {
                id: make.entry(),
                kind,
                status: LedgerStatus::Pending,
                amount,
                clawed: 0,
                revenue_event_id: own.then_some(event.id),
                deal_id: event.deal_id.filter(|_| own),
                available_on,
                of,
            };
            outcome.drafts.push(Draft {
                id: known.id,
                partnership_id: sharer.partnership_id,
                partner_id: applied.partner_id,
                kind,
                status: known.status,
                amount,
                currency: event.amount_currency,
                revenue_event_id: known.revenue_event_id,
                cause: event.id,
                deal_id: known.deal_id,
                of: Some(of),
                reverses: None,
                available_on,
                explanation: explanation.clone(),
            });
            self.know_entry(key, known);
            if let Some(fee) = fee.filter(|_| kind == LedgerKind::ReferralFee) {
                *self.fees.entry(fee).or_default() += amount;
            }
        }
        if let Some(payment) = self.payments.get_mut(&event.id) {
            let shared = (explanation, key, applied.partner_id);
            payment.shared.insert(sharer.partnership_id, shared);
        }
        Ok(())
    }

    /// Keeps a payment where refunds find it.
    pub(crate) fn know_payment(&mut self, event: &revenue_event::Model, refunded: i64) {
        if self.payments.contains_key(&event.id) {
            return;
        }
        match (event.deal_id, event.customer_id) {
            (Some(deal), _) => self.by_deal.entry(deal).or_default().push(event.id),
            (None, Some(customer)) => self.by_customer.entry(customer).or_default().push(event.id),
            (None, None) => {}
        }
        let payment = Payment {
            event: event.clone(),
            refunded,
            shared: BTreeMap::new(),
        };
        self.payments.insert(event.id, payment);
    }

    /// Keeps an entry where refunds find it.
    pub(crate) fn know_entry(&mut self, key: YearKey, known: Known) {
        let partnership = key.partnership_id;
        if let Some(event) = known.revenue_event_id {
            self.entries
                .entry((event, partnership))
                .or_default()
                .push(known);
        }
        if known.kind == LedgerKind::Bonus {
            self.bonuses.entry(key).or_default().push(known);
        }
    }

    /// The payments a refund may be of, in the order in which it takes from them.
    fn candidates(&self, event: &revenue_event::Model) -> Vec<RevenueEventId> {
        let ids = match (event.deal_id, event.customer_id) {
            (Some(deal), _) => self.by_deal.get(&deal),
            (None, Some(customer)) => self.by_customer.get(&customer),
            (None, None) => None,
        };
        let payments = ids
            .into_iter()
            .flatten()
            .filter_map(|id| self.payments.get(id));
        let mut found: Vec<(Timestamp, RevenueEventId)> = payments
            .map(|payment| &payment.event)
            .filter(|paid| {
                paid.amount_currency == event.amount_currency && base_of(paid) == base_of(event)
            })
            .map(|paid| (paid.occurred_at, paid.id))
            .collect();
        found.sort_unstable_by(|one, other| other.cmp(one));
        found.into_iter().map(|(_, id)| id).collect()
    }

    fn refund(
        &mut self,
        book: &Book,
        event: &revenue_event::Model,
        make: &mut dyn Maker,
    ) -> Result<Outcome> {
        let mut outcome = Outcome::default();
        let done = self.done.get(&event.id).cloned().unwrap_or_default();
        let taken: i64 = done.iter().map(|(_, amount)| amount).sum();
        let mut left = -event.net().minor - taken;
        let said = self.said.get(&event.id).cloned();
        let places: Vec<(RevenueEventId, i64)> = match &said {
            Some(said) => said.clone(),
            None => self
                .candidates(event)
                .into_iter()
                .filter(|id| done.iter().all(|(known, _)| known != id))
                .map(|id| (id, i64::MAX))
                .collect(),
        };
        // A payment that was named and is not computed yet is waited for.
        if done.is_empty() && !places.iter().any(|(id, _)| self.payments.contains_key(id)) {
            outcome.reason = Some(AccrualReason::Unmatched);
            return Ok(outcome);
        }
        for (id, most) in places {
            let Some(payment) = self.payments.get(&id) else {
                continue;
            };
            let part = left
                .min(most)
                .min(payment.event.amount_minor - payment.refunded);
            if part <= 0 {
                continue;
            }
            self.take_back(book, id, event, part, &mut outcome, make)?;
            left -= part;
            if said.is_none() {
                outcome.reversed.push(Reversed {
                    refund: event.id,
                    payment: id,
                    amount: part,
                });
            }
        }
        if left > 0 {
            outcome.reason = Some(AccrualReason::Exceeds);
        }
        Ok(outcome)
    }

    /// Takes back what a part of a payment earned, from everybody who shared in it.
    fn take_back(
        &mut self,
        book: &Book,
        id: RevenueEventId,
        event: &revenue_event::Model,
        part: i64,
        outcome: &mut Outcome,
        make: &mut dyn Maker,
    ) -> Result<()> {
        let Some(payment) = self.payments.get_mut(&id) else {
            return Ok(());
        };
        let (amount, refunded) = (payment.event.amount_minor, payment.refunded);
        let (customer, deal) = (payment.event.customer_id, payment.event.deal_id);
        payment.refunded += part;
        let shared = payment.shared.clone();
        for (partnership, (explanation, key, partner)) in shared {
            let Some(at) = self.years.get_mut(&key) else {
                return Err(Error::Damaged(format!(
                    "a year of {partnership} is missing"
                )));
            };
            let paid = Paid {
                amount,
                refunded,
                weight: explanation.weight_bp,
                customer: customer.map(|id: CustomerId| id.0),
                deal: deal.map(|id: DealId| id.0),
                since: explanation.since,
                commitment: explanation.commitment,
                bonus: explanation.bonus,
            };
            let own = self
                .entries
                .get(&(id, partnership))
                .cloned()
                .unwrap_or_default();
            let mut open: Vec<Open<LedgerEntryId>> = own.iter().map(opened).collect();
            let (mut back, excess) = at
                .year
                .refund(&paid, part, &mut open)
                .map_err(|fault| Error::Damaged(format!("{id}: {fault}")))?;
            at.changed = true;
            if at.status == YearStatus::Met
                && !at.settled
                && let Some(commitment) = explanation.commitment
                && at
                    .year
                    .counter(commitment.unit)
                    .is_ok_and(|counter| counter < commitment.target)
            {
                at.status = YearStatus::Open;
            }
            let taken = Taken {
                payment: amount,
                refunded: refunded + part,
                excess,
            };
            self.note(&back, key, Some(id));
            if excess > 0 {
                back.extend(self.take_from_year(key, excess)?);
            }
            // Two parts of one entry are one entry that takes both back.
            let mut sums: BTreeMap<LedgerEntryId, i64> = BTreeMap::new();
            for claw in back {
                *sums.entry(claw.key).or_default() += claw.amount;
            }
            for (reversed, amount) in sums {
                let Some(entry) = self.find(key, id, reversed) else {
                    return Err(Error::Damaged(format!("{reversed} is missing")));
                };
                // A refund of several payments may take from one bonus more than once: it is one entry, as the database insists.
                let same = |draft: &&mut Draft| draft.reverses == Some(reversed);
                if let Some(draft) = outcome.drafts.iter_mut().find(same) {
                    draft.amount -= amount;
                    draft.explanation.taken = Some(taken);
                    continue;
                }
                outcome.drafts.push(Draft {
                    id: make.entry(),
                    partnership_id: partnership,
                    partner_id: book.partner_of(partnership).unwrap_or(partner),
                    kind: LedgerKind::Clawback,
                    status: match entry.status {
                        LedgerStatus::Paid => LedgerStatus::Payable,
                        other => other,
                    },
                    amount: -amount,
                    currency: event.amount_currency,
                    revenue_event_id: entry.revenue_event_id,
                    cause: event.id,
                    deal_id: entry.deal_id,
                    of: Some(entry.of),
                    reverses: Some(reversed),
                    available_on: entry.available_on,
                    explanation: explanation.clone().taking(
                        taken,
                        entry.amount,
                        entry.clawed - amount,
                    ),
                });
            }
        }
        Ok(())
    }

    fn take_from_year(
        &mut self,
        key: YearKey,
        excess: i64,
    ) -> Result<Vec<Clawback<LedgerEntryId>>> {
        let mut order = self.bonuses.get(&key).cloned().unwrap_or_default();
        order.reverse();
        // What caught up with earlier revenue goes before what a payment earned itself.
        order.sort_by_key(|entry| entry.revenue_event_id.is_some());
        let mut open: Vec<Open<LedgerEntryId>> = order.iter().map(opened).collect();
        let (back, left) = take_excess(excess, &mut open);
        if left > 0 {
            return Err(Error::Damaged(
                "a year holds more bonus than its entries".to_owned(),
            ));
        }
        self.note(&back, key, None);
        Ok(back)
    }

    /// Notes on the entries what was taken of them. Entries are kept by payment and bonuses again by year: both know what is left.
    fn note(
        &mut self,
        back: &[Clawback<LedgerEntryId>],
        key: YearKey,
        payment: Option<RevenueEventId>,
    ) {
        for claw in back {
            let mut of = payment;
            let mut fee = None;
            for entry in self.bonuses.get_mut(&key).into_iter().flatten() {
                if entry.id == claw.key {
                    entry.clawed += claw.amount;
                    of = entry.revenue_event_id;
                }
            }
            let place = of.map(|event| (event, key.partnership_id));
            let own = place.and_then(|place| self.entries.get_mut(&place));
            for entry in own
                .into_iter()
                .flatten()
                .filter(|entry| entry.id == claw.key)
            {
                entry.clawed += claw.amount;
                fee = entry
                    .deal_id
                    .filter(|_| entry.kind == LedgerKind::ReferralFee);
            }
            if let Some(paid) = fee.and_then(|deal| self.fees.get_mut(&(key.partnership_id, deal)))
            {
                *paid -= claw.amount;
            }
        }
    }

    fn find(&self, key: YearKey, payment: RevenueEventId, id: LedgerEntryId) -> Option<Known> {
        let own = self.entries.get(&(payment, key.partnership_id));
        let years = self.bonuses.get(&key);
        own.into_iter()
            .chain(years)
            .flatten()
            .find(|entry| entry.id == id)
            .copied()
    }
}

fn opened(entry: &Known) -> Open<LedgerEntryId> {
    Open {
        key: entry.id,
        amount: entry.amount,
        clawed: entry.clawed,
        is_bonus: entry.kind == LedgerKind::Bonus,
    }
}

/// The entries of an earning: always one for the share, also where a limit leaves nothing of it, for it says why.
fn kinds(earning: &Earning) -> impl Iterator<Item = (LedgerKind, i64, bool)> {
    let share = if earning.is_referral {
        LedgerKind::ReferralFee
    } else {
        LedgerKind::Commission
    };
    let all = [
        Some((share, earning.commission, true)),
        (earning.bonus > 0).then_some((LedgerKind::Bonus, earning.bonus, true)),
        (earning.catch_up > 0).then_some((LedgerKind::Bonus, earning.catch_up, false)),
    ];
    all.into_iter().flatten()
}
