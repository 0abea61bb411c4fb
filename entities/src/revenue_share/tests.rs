//! The vectors of the domain, and the laws over any sequence of payments, refunds and changes of terms.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "tests"
)]

use super::*;
use chrono::NaiveDate;
use proptest::prelude::*;
use uuid::Uuid;

fn bp(points: i32) -> BasisPoints {
    BasisPoints::new(points).unwrap()
}

fn since(n: u64) -> NaiveDate {
    crate::calendar::plus_days(NaiveDate::default(), n as i64).unwrap()
}

fn conditions(rate: i32, target: i64, bonus: i32, basis: BonusBasis) -> Conditions {
    Conditions {
        rate: bp(rate),
        floor: None,
        cap: None,
        referral: None,
        commitment: Some(Commitment {
            unit: CommitmentUnit::Arr,
            target,
        }),
        bonus: Some(Bonus {
            basis,
            rate_bp: bp(bonus),
        }),
    }
}

fn line(amount: i64) -> Line {
    Line {
        amount,
        weight: BasisPoints::WHOLE,
        referred: false,
        fee_paid: 0,
        left: amount,
        customer: None,
        deal: None,
    }
}

/// See [`VECTORS`].
type Vector = (&'static str, i32, i64, i32, i64, i64, i64, i64);

/// Share, commitment and bonus of the presets; revenue, and what is to come of it. In whole euros.
const VECTORS: [Vector; 7] = [
    ("TECHNOLOGY", 2000, 100_000, 500, 50_000, 10_000, 0, 0),
    ("TECHNOLOGY", 2000, 100_000, 500, 100_000, 20_000, 5_000, 0),
    (
        "TECHNOLOGY",
        2000,
        100_000,
        500,
        150_000,
        30_000,
        7_500,
        2_500,
    ),
    (
        "CONSULTING",
        3000,
        200_000,
        1000,
        300_000,
        90_000,
        30_000,
        10_000,
    ),
    (
        "CHANNEL", 2500, 150_000, 700, 225_000, 56_250, 15_750, 5_250,
    ),
    ("INTEGRATION", 1500, 50_000, 300, 75_000, 11_250, 2_250, 750),
    ("REFERRAL", 1000, 25_000, 200, 37_500, 3_750, 750, 250),
];

#[test]
fn the_vectors_of_the_domain_hold_in_major_units_and_in_cents() {
    for (name, rate, target, bonus, revenue, wanted, bonus_a, bonus_b) in VECTORS {
        // Whole units of a currency without minor ones, and cents.
        for unit in [1, 100] {
            for (basis, wanted_bonus) in [
                (BonusBasis::AllEligibleRevenue, bonus_a),
                (BonusBasis::AboveCommitment, bonus_b),
            ] {
                let terms = conditions(rate, target * unit, bonus, basis);
                // In one payment, in three, and in one that stops just below the line.
                for pieces in [
                    vec![revenue * unit],
                    vec![revenue * unit / 4, revenue * unit / 4, revenue * unit / 2],
                    vec![(target * unit - 1).min(revenue * unit - 1), 0],
                ] {
                    let mut pieces = pieces;
                    let last = pieces.len() - 1;
                    pieces[last] += revenue * unit - pieces.iter().sum::<i64>();
                    let mut year = Year::default();
                    let mut bonuses = 0;
                    for piece in &pieces {
                        let earned = year.earn(since(0), &terms, &line(*piece)).unwrap();
                        bonuses += earned.bonus + earned.catch_up;
                    }
                    assert_eq!(bonuses, wanted_bonus * unit, "{name} {basis:?} {pieces:?}");
                    assert_eq!(year.bonus_held(), bonuses);
                    let off = (year.commission_held() - wanted * unit).abs();
                    assert!(off < pieces.len() as i64, "{name} {pieces:?}");
                    if pieces.len() == 1 {
                        assert_eq!(off, 0, "{name}");
                        let total = year.commission_held() + bonuses;
                        assert_eq!(total, (wanted + wanted_bonus) * unit);
                    }
                }
            }
        }
    }
}

#[test]
fn the_partners_side_is_rounded_half_up_and_ours_is_the_rest() {
    assert_eq!(
        split(10_001, &[(bp(3000), bp(10_000))]),
        Ok((vec![3_000], 7_001))
    );
    assert_eq!(split(3, &[(bp(4000), bp(10_000))]), Ok((vec![1], 2)));
    assert_eq!(
        split(5, &[(bp(3000), bp(10_000))]),
        Ok((vec![2], 3)),
        "1.5 is 2"
    );
    assert_eq!(
        split(1, &[(bp(10_000), bp(5_000)), (bp(10_000), bp(5_000))]),
        Ok((vec![1, 0], 0))
    );
    assert_eq!(share(100_000, bp(2000), bp(5_000)), Ok(10_000));
    assert_eq!(
        (half_up(5, 10), half_up(-5, 10), half_up(-6, 10)),
        (1, 0, -1)
    );
}

#[test]
fn crossing_the_line_catches_up_with_the_years_earlier_revenue_in_one_sum() {
    let terms = conditions(2000, 10_000, 500, BonusBasis::AllEligibleRevenue);
    let mut year = Year::default();
    for _ in 0..3 {
        let earned = year.earn(since(0), &terms, &line(3_000)).unwrap();
        assert_eq!(
            (earned.commission, earned.bonus, earned.catch_up),
            (600, 0, 0)
        );
        assert_eq!(earned.met, (false, false));
    }
    let earned = year.earn(since(0), &terms, &line(3_000)).unwrap();
    assert_eq!((earned.bonus, earned.catch_up), (150, 450));
    assert_eq!(
        (earned.counter, earned.met),
        ((9_000, 12_000), (false, true))
    );
    let earned = year.earn(since(0), &terms, &line(3_000)).unwrap();
    assert_eq!((earned.bonus, earned.catch_up), (150, 0));
    // Above the commitment nothing is caught up with.
    let terms = conditions(2000, 10_000, 500, BonusBasis::AboveCommitment);
    let mut year = Year::default();
    year.earn(since(0), &terms, &line(9_000)).unwrap();
    let earned = year.earn(since(0), &terms, &line(3_000)).unwrap();
    assert_eq!((earned.bonus, earned.catch_up), (100, 0));
}

#[test]
fn floors_caps_fees_and_heads() {
    let plain = Conditions {
        commitment: None,
        bonus: None,
        ..conditions(1000, 0, 0, BonusBasis::AllEligibleRevenue)
    };
    let floor = Conditions {
        floor: Some(500),
        ..plain
    };
    let mut year = Year::default();
    let mut earn =
        |terms: &Conditions, line: &Line| year.earn(since(0), terms, line).unwrap().commission;
    assert_eq!(earn(&floor, &line(1_000)), 500);
    assert_eq!(earn(&floor, &line(300)), 300, "never more than was paid");
    assert_eq!(earn(&floor, &line(10_000)), 1_000);
    let cap = Conditions {
        cap: Some(2_000),
        ..plain
    };
    assert_eq!(earn(&cap, &line(10_000)), 200, "1,800 are held");
    assert_eq!(earn(&cap, &line(10_000)), 0);
    let fee = |referral| Conditions {
        referral: Some(referral),
        ..plain
    };
    let referred = Line {
        referred: true,
        ..line(10_000)
    };
    assert_eq!(earn(&fee(Referral::Rate(bp(500))), &referred), 500);
    assert_eq!(earn(&fee(Referral::Fixed(250)), &referred), 250);
    assert_eq!(
        earn(
            &fee(Referral::Fixed(250)),
            &Line {
                fee_paid: 250,
                ..referred
            }
        ),
        0
    );
    assert_eq!(
        earn(&fee(Referral::Fixed(250)), &line(10_000)),
        1_000,
        "who sold gets the share"
    );

    let heads = Conditions {
        commitment: Some(Commitment {
            unit: CommitmentUnit::Customers,
            target: 2,
        }),
        ..conditions(1000, 0, 500, BonusBasis::AllEligibleRevenue)
    };
    let mut year = Year::default();
    let of = |customer: u128| Line {
        customer: Some(Uuid::from_u128(customer)),
        ..line(1_000)
    };
    for (customer, wanted) in [(1, (0, 0)), (1, (0, 0)), (2, (50, 100)), (2, (50, 0))] {
        let earned = year.earn(since(0), &heads, &of(customer)).unwrap();
        assert_eq!((earned.bonus, earned.catch_up), wanted);
    }
    assert_eq!(year.counter(CommitmentUnit::Customers), Ok(2));
}

#[test]
fn later_terms_neither_give_nor_take_what_was_before() {
    let at = |target, bonus| conditions(2000, target, bonus, BonusBasis::AllEligibleRevenue);
    let mut year = Year::default();
    year.earn(since(0), &at(10_000, 500), &line(12_000))
        .unwrap();
    assert_eq!(year.bonus_held(), 600);
    // A raised line takes nothing back, and what comes below it gives nothing.
    let earned = year.earn(since(9), &at(20_000, 500), &line(5_000)).unwrap();
    assert_eq!((earned.bonus, earned.catch_up), (0, 0));
    let earned = year.earn(since(9), &at(20_000, 500), &line(3_000)).unwrap();
    assert_eq!((earned.bonus, earned.catch_up), (150, 250));
    // A higher rate holds for what comes under it.
    let earned = year
        .earn(since(20), &at(20_000, 1_000), &line(1_000))
        .unwrap();
    assert_eq!(earned.bonus, 100);
}

#[test]
fn what_cannot_be_counted_changes_nothing() {
    let terms = conditions(10_000, 1, 10_000, BonusBasis::AllEligibleRevenue);
    let mut year = Year::default();
    year.earn(since(0), &terms, &line(i64::MAX / 2)).unwrap();
    let before = year.clone();
    assert_eq!(
        year.earn(since(0), &terms, &line(i64::MAX)),
        Err(Uncountable::TooLarge)
    );
    let paid = Paid {
        amount: 100,
        refunded: 60,
        weight: BasisPoints::WHOLE,
        customer: None,
        deal: None,
        since: since(0),
        commitment: None,
        bonus: None,
    };
    let none: &mut [Open<()>] = &mut [];
    for refund in [41, 0, -1] {
        assert_eq!(
            year.refund(&paid, refund, none),
            Err(Uncountable::ExceedsPayment)
        );
    }
    assert_eq!(year, before);
}

/// A ledger in memory, as the database keeps it.
#[derive(Default)]
struct Ledger {
    year: Year,
    payments: Vec<Paid>,
    /// Of which payment an entry is; none for what catches up.
    entries: Vec<(Option<usize>, Open<usize>)>,
}

#[derive(Clone, Debug)]
enum Step {
    Pay {
        amount: i64,
        weight: i32,
        terms: usize,
    },
    Refund {
        which: usize,
        part: i64,
    },
    RefundAll {
        which: usize,
    },
}

const TERMS: [(i32, i64, i32, BonusBasis); 4] = [
    (2000, 100_000, 500, BonusBasis::AllEligibleRevenue),
    (3333, 150_000, 777, BonusBasis::AllEligibleRevenue),
    (1, 50_000, 9_999, BonusBasis::AboveCommitment),
    (10_000, 1, 1, BonusBasis::AboveCommitment),
];

impl Ledger {
    fn add(&mut self, of: Option<usize>, amount: i64, is_bonus: bool) {
        if amount > 0 {
            let open = Open {
                key: self.entries.len(),
                amount,
                clawed: 0,
                is_bonus,
            };
            self.entries.push((of, open));
        }
    }

    fn pay(&mut self, amount: i64, weight: i32, terms: usize) {
        let (rate, target, bonus, basis) = TERMS[terms];
        let agreed = Conditions {
            floor: (terms == 1).then_some(77),
            cap: (terms == 2).then_some(20_000),
            ..conditions(rate, target, bonus, basis)
        };
        let of = Line {
            weight: bp(weight),
            ..line(amount)
        };
        let earned = self.year.earn(since(terms as u64), &agreed, &of).unwrap();
        assert!(earned.commission >= 0 && earned.commission <= amount);
        assert!(earned.bonus >= 0 && earned.catch_up >= 0);
        let place = self.payments.len();
        self.payments.push(Paid {
            amount,
            refunded: 0,
            weight: bp(weight),
            customer: None,
            deal: None,
            since: since(terms as u64),
            commitment: agreed.commitment,
            bonus: agreed.bonus,
        });
        self.add(Some(place), earned.commission, false);
        self.add(Some(place), earned.bonus, true);
        self.add(None, earned.catch_up, true);
    }

    fn refund(&mut self, which: usize, refund: i64) {
        let paid = self.payments[which];
        let mut own: Vec<Open<usize>> = self
            .entries
            .iter()
            .filter(|(of, _)| *of == Some(which))
            .map(|(_, open)| *open)
            .collect();
        let (back, excess) = self.year.refund(&paid, refund, &mut own).unwrap();
        self.take(&back);
        let mut others: Vec<Open<usize>> = self
            .entries
            .iter()
            .rev()
            .filter(|(_, open)| open.is_bonus)
            .map(|(_, open)| *open)
            .collect();
        let (back, left) = take_excess(excess, &mut others);
        assert_eq!(left, 0, "what is held is in the entries");
        self.take(&back);
        self.payments[which].refunded += refund;
    }

    fn take(&mut self, back: &[Clawback<usize>]) {
        for claw in back {
            assert!(claw.amount > 0);
            self.entries[claw.key].1.clawed += claw.amount;
        }
    }

    fn play(steps: &[Step]) -> Self {
        let mut ledger = Self::default();
        for step in steps {
            match step {
                Step::Pay {
                    amount,
                    weight,
                    terms,
                } => ledger.pay(*amount, *weight, *terms),
                Step::Refund { which, .. } | Step::RefundAll { which } => {
                    if ledger.payments.is_empty() {
                        continue;
                    }
                    let which = which % ledger.payments.len();
                    let left = ledger.payments[which].amount - ledger.payments[which].refunded;
                    let refund = match step {
                        Step::Refund { part, .. } => (*part).min(left),
                        _ => left,
                    };
                    if refund > 0 {
                        ledger.refund(which, refund);
                    }
                }
            }
            ledger.check();
        }
        ledger
    }

    fn net(&self, is_bonus: bool) -> i64 {
        let of = self
            .entries
            .iter()
            .filter(|(_, open)| open.is_bonus == is_bonus);
        of.map(|(_, open)| open.amount - open.clawed).sum()
    }

    /// What holds after every step.
    fn check(&self) {
        for (of, open) in &self.entries {
            assert!(open.clawed <= open.amount, "nothing is given back twice");
            if let Some(paid) = of.map(|of| self.payments[of])
                && paid.refunded == paid.amount
            {
                assert_eq!(open.clawed, open.amount, "refunded whole");
            }
        }
        assert_eq!(self.net(false), self.year.commission_held());
        assert_eq!(self.net(true), self.year.bonus_held());
        let left = self.payments.iter().map(|paid| {
            portion(paid.amount, paid.weight).unwrap()
                - portion(paid.refunded, paid.weight).unwrap()
        });
        assert_eq!(self.year.net(), Ok(left.sum()));
    }
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let weight = prop_oneof![Just(10_000), 1_i32..=10_000];
    let step = prop_oneof![
        4 => (1_i64..80_000, weight, 0_usize..4).prop_map(|(amount, weight, terms)| Step::Pay { amount, weight, terms }),
        2 => (0_usize..20, 1_i64..50_000).prop_map(|(which, part)| Step::Refund { which, part }),
        1 => (0_usize..20).prop_map(|which| Step::RefundAll { which }),
    ];
    proptest::collection::vec(step, 1..30)
}

proptest! {
    #[test]
    fn the_invariants_hold_over_any_sequence(steps in steps()) {
        let ledger = Ledger::play(&steps);
        // The same again is the same to the last cent.
        let again = Ledger::play(&steps);
        prop_assert_eq!(&ledger.year, &again.year);
        prop_assert_eq!(&ledger.entries, &again.entries);
        // What is kept in the database comes back as it was.
        let kept = serde_json::to_string(&ledger.year).unwrap();
        prop_assert_eq!(&serde_json::from_str::<Year>(&kept).unwrap(), &ledger.year);
        // Everything refunded is nothing earned.
        let mut all = steps;
        all.extend((0..30).map(|which| Step::RefundAll { which }));
        let nothing = Ledger::play(&all);
        let left: i64 = nothing.payments.iter().map(|paid| paid.amount - paid.refunded).sum();
        prop_assert_eq!(left, 0);
        prop_assert_eq!((nothing.net(false), nothing.net(true)), (0, 0));
    }

    #[test]
    fn the_bonus_is_that_of_the_year_however_the_revenue_is_cut(
        pieces in proptest::collection::vec(1_i64..100_000, 1..20), terms in 0_usize..4,
    ) {
        let (rate, target, bonus, basis) = TERMS[terms];
        let agreed = conditions(rate, target, bonus, basis);
        let (mut cut, mut whole) = (Year::default(), Year::default());
        for piece in &pieces {
            cut.earn(since(0), &agreed, &line(*piece)).unwrap();
        }
        whole.earn(since(0), &agreed, &line(pieces.iter().sum())).unwrap();
        prop_assert_eq!(cut.bonus_held(), whole.bonus_held());
    }

    #[test]
    fn the_parts_always_add_up(
        amount in 0_i64..1_000_000_000_000, parts in proptest::collection::vec((0_i32..=10_000, 0_i32..=10_000), 0..6),
    ) {
        let parts: Vec<_> = parts.into_iter().map(|(rate, weight)| (bp(rate), bp(weight))).collect();
        let (given, ours) = split(amount, &parts).unwrap();
        prop_assert_eq!(given.iter().sum::<i64>() + ours, amount);
        prop_assert!(ours >= 0 && given.iter().all(|part| *part >= 0));
    }
}
