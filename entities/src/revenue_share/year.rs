//! One contract year of one partnership in one currency: what was counted, what is held, and what the next payment or refund does to it.
//!
//! Revenue is kept by the terms it came under ([`Segment`]): each piece is judged by the commitment and the bonus that were agreed when it came, so that
//! a later rule neither gives nor takes anything of what was before. The bonus that is due is computed from the segments, and what is written is the
//! difference to what is held. A payment only gives and a refund only takes.

use super::{
    Bonus, BonusBasis, Commitment, CommitmentUnit, Conditions, Referral, Uncountable, half_up,
    minor, portion, share,
};
use crate::money::BasisPoints;
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use uuid::Uuid;

/// Revenue that came under the same terms.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Segment {
    /// Since when these terms are in force: the order of the segments.
    since: NaiveDate,
    commitment: Option<Commitment>,
    bonus: Option<Bonus>,
    /// The partner's part of the revenue, less refunds.
    net: i64,
}

/// The counters of a year.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Year {
    segments: Vec<Segment>,
    /// Shares and fees of the year, less what was given back.
    commission_held: i64,
    /// Bonuses of the year, less what was given back.
    bonus_held: i64,
    /// What each customer and each deal paid, where a commitment counts them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    customers: BTreeMap<Uuid, i64>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    deals: BTreeMap<Uuid, i64>,
}

/// A payment as one partnership earns from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line {
    /// What was paid, in minor units; positive.
    pub amount: i64,
    /// Which part of it is the partner's doing.
    pub weight: BasisPoints,
    /// Whether it earns a referral fee where one is agreed.
    pub referred: bool,
    /// What was paid of a fixed fee for this deal before.
    pub fee_paid: i64,
    /// What is left of the payment after other partners' shares.
    pub left: i64,
    /// Who paid.
    pub customer: Option<Uuid>,
    /// For what.
    pub deal: Option<Uuid>,
}

/// What a payment earns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Earning {
    /// The partner's part of the payment: what is counted.
    pub counted: i64,
    /// The share or the fee.
    pub commission: i64,
    /// Whether it is a referral fee.
    pub is_referral: bool,
    /// What rate and weight alone would have given, before floor, cap and the other partners' shares.
    pub unlimited: i64,
    /// The bonus on this payment.
    pub bonus: i64,
    /// The bonus on the year's earlier revenue, when this payment crosses the line.
    pub catch_up: i64,
    /// The counter of the commitment before and after.
    pub counter: (i64, i64),
    /// Whether the commitment was met before, and is after.
    pub met: (bool, bool),
}

/// A payment that is refunded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Paid {
    /// What was paid.
    pub amount: i64,
    /// What has been refunded of it before.
    pub refunded: i64,
    /// As in its [`Line`].
    pub weight: BasisPoints,
    /// As in its [`Line`].
    pub customer: Option<Uuid>,
    /// As in its [`Line`].
    pub deal: Option<Uuid>,
    /// The terms it came under.
    pub since: NaiveDate,
    /// The commitment of those terms.
    pub commitment: Option<Commitment>,
    /// The bonus of those terms.
    pub bonus: Option<Bonus>,
}

/// An entry of which something may be given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Open<K> {
    /// Which.
    pub key: K,
    /// What it gave.
    pub amount: i64,
    /// What was given back of it.
    pub clawed: i64,
    /// Whether it is a bonus rather than a share or a fee.
    pub is_bonus: bool,
}

/// What is given back of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clawback<K> {
    /// Of which.
    pub key: K,
    /// How much; positive.
    pub amount: i64,
}

impl Year {
    /// The revenue of the year, less refunds.
    ///
    /// # Errors
    /// When it does not fit 64 bits.
    pub fn net(&self) -> Result<i64, Uncountable> {
        minor(self.segments.iter().map(|one| i128::from(one.net)).sum())
    }

    /// What is held of shares and fees.
    #[must_use]
    pub const fn commission_held(&self) -> i64 {
        self.commission_held
    }

    /// What is held of bonuses.
    #[must_use]
    pub const fn bonus_held(&self) -> i64 {
        self.bonus_held
    }

    /// Where the counter of a unit stands.
    ///
    /// # Errors
    /// When it does not fit 64 bits.
    pub fn counter(&self, unit: CommitmentUnit) -> Result<i64, Uncountable> {
        let heads = |paid: &BTreeMap<Uuid, i64>| {
            i64::try_from(paid.values().filter(|net| **net > 0).count()).unwrap_or(i64::MAX)
        };
        match unit {
            CommitmentUnit::Arr | CommitmentUnit::Revenue => self.net(),
            CommitmentUnit::Customers => Ok(heads(&self.customers)),
            CommitmentUnit::Deals => Ok(heads(&self.deals)),
        }
    }

    fn is_met(&self, commitment: Option<Commitment>) -> Result<bool, Uncountable> {
        match commitment {
            Some(commitment) => Ok(self.counter(commitment.unit)? >= commitment.target),
            None => Ok(true),
        }
    }

    /// The bonus that the year's revenue has earned.
    ///
    /// # Errors
    /// When a sum does not fit 64 bits.
    pub fn bonus_due(&self) -> Result<i64, Uncountable> {
        let (mut due, mut start) = (0_i128, 0_i128);
        for segment in &self.segments {
            let end = start + i128::from(segment.net);
            if let Some(bonus) = segment.bonus
                && self.is_met(segment.commitment)?
            {
                let line = match (bonus.basis, segment.commitment) {
                    (BonusBasis::AboveCommitment, Some(line)) => i128::from(line.target),
                    _ => i128::MIN,
                };
                let eligible = (end.max(line) - start.max(line)).max(0);
                due += half_up(eligible * i128::from(bonus.rate_bp.points()), super::WHOLE);
            }
            start = end;
        }
        minor(due)
    }

    fn met_segments(&self) -> Result<usize, Uncountable> {
        let mut met = 0;
        for segment in &self.segments {
            met += usize::from(segment.net > 0 && self.is_met(segment.commitment)?);
        }
        Ok(met)
    }

    fn count(
        &mut self,
        since: NaiveDate,
        (commitment, bonus): (Option<Commitment>, Option<Bonus>),
        (customer, deal): (Option<Uuid>, Option<Uuid>),
        amount: i64,
    ) -> Result<(), Uncountable> {
        let same = |one: &Segment| {
            one.since == since && one.commitment == commitment && one.bonus == bonus
        };
        let place = match self.segments.iter().position(same) {
            Some(place) => place,
            None => {
                let place = self.segments.partition_point(|one| one.since <= since);
                let new = Segment {
                    since,
                    commitment,
                    bonus,
                    net: 0,
                };
                self.segments.insert(place, new);
                place
            }
        };
        if let Some(segment) = self.segments.get_mut(place) {
            segment.net = segment
                .net
                .checked_add(amount)
                .ok_or(Uncountable::TooLarge)?;
        }
        let heads = match commitment.map(|commitment| commitment.unit) {
            Some(CommitmentUnit::Customers) => customer.map(|id| (&mut self.customers, id)),
            Some(CommitmentUnit::Deals) => deal.map(|id| (&mut self.deals, id)),
            _ => None,
        };
        if let Some((heads, id)) = heads {
            let net = heads.entry(id).or_default();
            *net = net.checked_add(amount).ok_or(Uncountable::TooLarge)?;
            if *net == 0 {
                heads.remove(&id);
            }
        }
        self.net().map(|_| ())
    }

    /// Counts a payment under the conditions in force since a day, and says what it earns. On an error nothing was counted.
    ///
    /// # Errors
    /// When a sum does not fit 64 bits.
    pub fn earn(
        &mut self,
        since: NaiveDate,
        conditions: &Conditions,
        line: &Line,
    ) -> Result<Earning, Uncountable> {
        let mut next = self.clone();
        let earning = next.earn_in_place(since, conditions, line)?;
        *self = next;
        Ok(earning)
    }

    fn earn_in_place(
        &mut self,
        since: NaiveDate,
        conditions: &Conditions,
        line: &Line,
    ) -> Result<Earning, Uncountable> {
        let counted = portion(line.amount, line.weight)?;
        let unit = conditions
            .commitment
            .map_or(CommitmentUnit::Revenue, |commitment| commitment.unit);
        let referral = conditions.referral.filter(|_| line.referred);
        let unlimited = match referral {
            Some(Referral::Rate(rate)) => share(line.amount, rate, line.weight)?,
            Some(Referral::Fixed(fee)) => (fee - line.fee_paid).clamp(0, counted),
            None => share(line.amount, conditions.rate, line.weight)?,
        };
        let floored = match (referral, conditions.floor) {
            (None, Some(floor)) => unlimited.max(floor.min(counted)),
            _ => unlimited,
        };
        let room = conditions
            .cap
            .map_or(i64::MAX, |cap| (cap - self.commission_held).max(0));
        let commission = floored.min(room).min(line.left.max(0));

        let counter_before = self.counter(unit)?;
        let met_before = self.is_met(conditions.commitment)?;
        let segments_before = self.met_segments()?;
        let terms = (conditions.commitment, conditions.bonus);
        self.count(since, terms, (line.customer, line.deal), counted)?;
        let due = self.bonus_due()? - self.bonus_held;
        let (bonus, catch_up) = if due <= 0 {
            (0, 0)
        } else if self.met_segments()? > segments_before && counter_before > 0 {
            let own = self
                .own_bonus(conditions, counter_before, counted)?
                .min(due);
            (own, due - own)
        } else {
            (due, 0)
        };
        let sum = |held: i64, more: i64| held.checked_add(more).ok_or(Uncountable::TooLarge);
        self.commission_held = sum(self.commission_held, commission)?;
        self.bonus_held = sum(self.bonus_held, due.max(0))?;
        Ok(Earning {
            counted,
            commission,
            is_referral: referral.is_some(),
            unlimited,
            bonus,
            catch_up,
            counter: (counter_before, self.counter(unit)?),
            met: (met_before, self.is_met(conditions.commitment)?),
        })
    }

    /// Of the bonus at a crossing, the part that is the crossing payment's own; the rest catches up.
    fn own_bonus(
        &self,
        conditions: &Conditions,
        counter_before: i64,
        counted: i64,
    ) -> Result<i64, Uncountable> {
        let Some(bonus) = conditions.bonus else {
            return Ok(0);
        };
        let eligible = match (bonus.basis, conditions.commitment) {
            (BonusBasis::AboveCommitment, Some(line)) => {
                let after = counter_before.saturating_add(counted);
                after.max(line.target) - counter_before.max(line.target)
            }
            _ => counted,
        };
        portion(eligible, bonus.rate_bp)
    }

    /// Takes a refund off the year. The answer is what is given back of the payment's own entries, and how much more of the year's other bonuses
    /// has to be, for the year may have fallen below its line; that is for [`take_excess`]. On an error nothing was taken.
    ///
    /// # Errors
    /// When more would be refunded than was paid, or a sum does not fit 64 bits.
    pub fn refund<K: Copy>(
        &mut self,
        paid: &Paid,
        refund: i64,
        own: &mut [Open<K>],
    ) -> Result<(Vec<Clawback<K>>, i64), Uncountable> {
        let to = paid
            .refunded
            .checked_add(refund)
            .filter(|to| refund > 0 && *to <= paid.amount)
            .ok_or(Uncountable::ExceedsPayment)?;
        let mut next = self.clone();
        let uncounted = portion(to, paid.weight)? - portion(paid.refunded, paid.weight)?;
        let terms = (paid.commitment, paid.bonus);
        next.count(paid.since, terms, (paid.customer, paid.deal), -uncounted)?;
        let mut back = Vec::new();
        for open in &mut *own {
            let wanted = half_up(
                i128::from(open.amount) * i128::from(to),
                i128::from(paid.amount),
            );
            let amount = minor(wanted)? - open.clawed;
            if amount <= 0 {
                continue;
            }
            open.clawed += amount;
            let held = if open.is_bonus {
                &mut next.bonus_held
            } else {
                &mut next.commission_held
            };
            *held -= amount;
            back.push(Clawback {
                key: open.key,
                amount,
            });
        }
        let excess = (next.bonus_held - next.bonus_due()?).max(0);
        next.bonus_held -= excess;
        *self = next;
        Ok((back, excess))
    }
}

/// Gives back a sum of the bonuses of a year, in the order in which they are named, none of them more than is left of it. What could not be taken,
/// because nothing is left, is the second answer.
pub fn take_excess<K: Copy>(excess: i64, bonuses: &mut [Open<K>]) -> (Vec<Clawback<K>>, i64) {
    let (mut left, mut back) = (excess, Vec::new());
    for open in bonuses {
        let amount = left.min(open.amount - open.clawed);
        if amount > 0 {
            open.clawed += amount;
            left -= amount;
            back.push(Clawback {
                key: open.key,
                amount,
            });
        }
    }
    (back, left)
}
