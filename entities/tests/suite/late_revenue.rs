//! What is told late, in another order, or by another day than it is computed on: it earns what it would have earned, and no more is taken back than was
//! earned. On both databases.

use crate::bed::{Bed, each};
use crate::programme::{at, bp, day, eur};
use entities::accrual::{self, accrue};
use entities::agreement::{self, Terms};
use entities::change::Origin;
use entities::commission_rule::{self, NewCommissionRule, Shortfall};
use entities::commitment_year::{self, YearStatus};
use entities::deal::{self, DealStage};
use entities::deal_partner::DealPartnerRole::{self, Referred, Sourced};
use entities::deal_partner::{self, Share};
use entities::ledger_entry::{LedgerKind, LedgerStatus, Step};
use entities::money::{Currency, Money};
use entities::partnership::{self, PartnerType};
use entities::program::{self, NewProgram};
use entities::program_enrollment;
use entities::revenue_event::{self, Concerns, NewRevenue, RevenueKind};
use entities::revenue_share::{Commitment, CommitmentUnit, Referral, ShortfallPolicy};
use entities::{commission_run, ledger_entry, revenue_accrual};
use sea_orm::EntityTrait;

// The bed's clock starts on 2026-09-21.

impl Bed {
    async fn compute(&self) -> accrual::Run {
        accrue(&self.database, &self.author("worker"))
            .await
            .unwrap()
    }

    async fn balance(&self) -> i64 {
        self.entries()
            .await
            .iter()
            .map(|row| row.amount_minor)
            .sum()
    }

    async fn shares(
        &self,
        deal: &deal::Model,
        of: &partnership::Model,
        role: DealPartnerRole,
        weight: i32,
    ) {
        let mut change = self.change_of("crm", Origin::Sync).await;
        let share = Share {
            partnership_id: of.id,
            role,
            weight_bp: bp(weight),
        };
        deal_partner::attribute(&mut change, &[(deal.clone(), vec![share])])
            .await
            .unwrap();
        change.commit().await.unwrap();
    }

    async fn paid(&self, origin: Origin, key: &str, minor: i64, on: &str, deal: &deal::Model) {
        self.told(
            origin,
            key,
            RevenueKind::Payment,
            eur(minor),
            on,
            Some(deal.id),
            None,
        )
        .await;
    }

    async fn refunded(&self, key: &str, minor: i64, on: &str, deal: &deal::Model) {
        self.told(
            Origin::Sync,
            key,
            RevenueKind::Refund,
            eur(minor),
            on,
            Some(deal.id),
            None,
        )
        .await;
    }

    async fn is_idle(&self) {
        let before = self.entries().await;
        let run = self.compute().await;
        assert_eq!(
            (run.id, run.entries),
            (None, 0),
            "nothing is left to compute"
        );
        assert_eq!(self.entries().await, before);
    }

    async fn reason(
        &self,
        key: &str,
    ) -> (
        revenue_accrual::AccrualStatus,
        Option<revenue_accrual::AccrualReason>,
    ) {
        let events = revenue_event::Entity::find()
            .all(self.database.read())
            .await
            .unwrap();
        let id = events
            .iter()
            .find(|row| row.external_key == key)
            .unwrap()
            .id;
        let rows = revenue_accrual::Entity::find()
            .all(self.database.read())
            .await
            .unwrap();
        let row = rows
            .into_iter()
            .find(|row| row.revenue_event_id == id)
            .unwrap();
        (row.status, row.reason)
    }
}

fn committed(bed: &Bed, shortfall: Option<Shortfall>) -> Terms {
    let mut terms = bed.terms(2_000);
    terms.earning.commitment = Some(Commitment {
        unit: CommitmentUnit::Revenue,
        target: 100_000,
    });
    terms.earning.shortfall = shortfall;
    terms
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refund_that_came_before_its_payment_was_anybodys_is_taken_back() {
    each(async |bed: Bed| {
        let of = bed.partnership("a", PartnerType::Technology, None).await;
        bed.agreed(&of, "2026-09-01", bed.terms(2_000)).await;
        let deal = bed.deal_with("one", DealStage::Won, None, &[]).await;
        bed.paid(Origin::Sync, "p", 10_000, "2026-09-22T10:00:00Z", &deal)
            .await;
        bed.compute().await;
        bed.refunded("r", 4_000, "2026-09-23T10:00:00Z", &deal)
            .await;
        bed.compute().await;
        assert_eq!(bed.entries().await, []);
        bed.shares(&deal, &of, Sourced, 10_000).await;
        bed.compute().await;
        assert_eq!(bed.balance().await, 1_200, "of the 60.00 that stayed");
        assert_eq!(
            bed.reason("r").await,
            (revenue_accrual::AccrualStatus::Accrued, None)
        );
        bed.is_idle().await;
        bed.refunded("s", 6_000, "2026-09-24T10:00:00Z", &deal)
            .await;
        bed.compute().await;
        assert_eq!(bed.balance().await, 0);
        bed.is_idle().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn history_that_was_refunded_since_earns_only_what_stayed() {
    each(async |bed: Bed| {
        let of = bed.partnership("a", PartnerType::Technology, None).await;
        bed.agreed(&of, "2026-09-01", bed.terms(2_000)).await;
        let deal = bed
            .deal_with("one", DealStage::Won, None, &[(&of, Sourced, 10_000)])
            .await;
        bed.paid(Origin::Backfill, "p", 10_000, "2026-09-05T10:00:00Z", &deal)
            .await;
        bed.refunded("r", 10_000, "2026-09-22T10:00:00Z", &deal)
            .await;
        bed.compute().await;
        assert_eq!(bed.entries().await, []);
        let author = bed.author("staff");
        let from = at("2026-09-01T00:00:00Z");
        let seen = accrual::preview_history(&bed.database, &author, from)
            .await
            .unwrap();
        let run = accrual::accrue_history(&bed.database, &author, from, &seen.result_hash)
            .await
            .unwrap();
        assert_eq!(
            (run.result_hash, run.entries),
            (seen.result_hash, 2),
            "the share, and that it goes back"
        );
        assert_eq!(bed.balance().await, 0);
        bed.is_idle().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refund_of_more_than_was_known_takes_the_rest_from_a_payment_that_is_told_later() {
    each(async |bed: Bed| {
        let of = bed.partnership("a", PartnerType::Technology, None).await;
        bed.agreed(&of, "2026-09-01", bed.terms(2_000)).await;
        let deal = bed
            .deal_with("one", DealStage::Won, None, &[(&of, Sourced, 10_000)])
            .await;
        bed.paid(Origin::Sync, "p1", 6_000, "2026-09-22T10:00:00Z", &deal)
            .await;
        bed.refunded("r", 10_000, "2026-09-24T10:00:00Z", &deal)
            .await;
        bed.compute().await;
        assert_eq!(bed.balance().await, 0);
        assert_eq!(
            bed.reason("r").await.1,
            Some(revenue_accrual::AccrualReason::Exceeds)
        );
        bed.is_idle().await;
        bed.paid(Origin::Sync, "p2", 6_000, "2026-09-23T10:00:00Z", &deal)
            .await;
        bed.compute().await;
        bed.compute().await;
        assert_eq!(bed.balance().await, 400, "of the 20.00 that stayed");
        assert_eq!(
            bed.reason("r").await,
            (revenue_accrual::AccrualStatus::Accrued, None)
        );
        bed.is_idle().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_computed_before_its_agreement_began_is_computed_again() {
    each(async |bed: Bed| {
        let of = bed.partnership("a", PartnerType::Technology, None).await;
        let draft = bed.draft(&of, "2026-09-20", bed.terms(2_000)).await;
        let waiting = bed.to_signature(draft).await;
        for (key, on) in [
            ("before", "2026-09-19T10:00:00Z"),
            ("within", "2026-09-22T10:00:00Z"),
        ] {
            bed.told(
                Origin::Sync,
                key,
                RevenueKind::Payment,
                eur(10_000),
                on,
                None,
                Some(&of),
            )
            .await;
        }
        bed.compute().await;
        assert_eq!(bed.entries().await, []);
        bed.at("2026-09-23T00:00:00Z");
        let half = bed
            .sign(waiting, entities::agreement_signature::Side::Us)
            .await
            .unwrap();
        bed.sign(half, entities::agreement_signature::Side::Partner)
            .await
            .unwrap();
        let mut change = bed.by("clock").await;
        agreement::tend(&mut change, None, 10).await.unwrap();
        change.commit().await.unwrap();
        bed.at("2026-09-23T00:01:00Z");
        bed.compute().await;
        assert_eq!(bed.balance().await, 2_000, "only the day it binds on");
        let none = Some(revenue_accrual::AccrualReason::NoAgreement);
        assert_eq!(bed.reason("before").await.1, none);
        bed.at("2026-09-23T00:02:00Z");
        bed.is_idle().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn agreements_that_cannot_begin_keep_no_other_from_beginning() {
    each(async |bed: Bed| {
        let mut signed = Vec::new();
        for n in 0..3 {
            let of = bed
                .partnership(&format!("p{n}"), PartnerType::Technology, None)
                .await;
            signed.push(bed.agreed(&of, "2026-09-25", bed.terms(2_000)).await);
        }
        bed.at("2026-09-24T12:00:00Z");
        let mut change = bed.by("clock").await;
        let (mut after, mut looked) = (None, 0);
        loop {
            let tended = agreement::tend(&mut change, after, 1).await.unwrap();
            assert_eq!(tended.moved, [], "it is the day before");
            after = tended.last;
            if after.is_none() {
                break;
            }
            looked += 1;
        }
        assert_eq!(looked, signed.len());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fixed_fee_is_paid_whole_once_whatever_the_instalments_and_the_refunds() {
    each(async |bed: Bed| {
        let of = bed.partnership("a", PartnerType::Technology, None).await;
        let mut terms = bed.terms(2_000);
        terms.revenue_share = None;
        terms.earning.referral = Some(Referral::Fixed(500));
        bed.agreed(&of, "2026-09-01", terms).await;
        let deal = bed
            .deal_with("one", DealStage::Won, None, &[(&of, Referred, 10_000)])
            .await;
        let mut due = 0;
        for n in 0..7 {
            let on = format!("2026-09-22T1{n}:00:00Z");
            bed.paid(Origin::Sync, &format!("p{n}"), 100, &on, &deal)
                .await;
            bed.compute().await;
            due = (due + 100).min(500);
            assert_eq!(bed.balance().await, due, "after {n}");
        }
        // One goes back, and another payment brings it again.
        let events = revenue_event::Entity::find()
            .all(bed.database.read())
            .await
            .unwrap();
        let first = events.iter().find(|row| row.external_key == "p0").unwrap();
        let mut change = bed.by("staff").await;
        revenue_event::refund(
            &mut change,
            first,
            "r0".to_owned(),
            eur(100),
            at("2026-09-23T10:00:00Z"),
        )
        .await
        .unwrap();
        change.commit().await.unwrap();
        bed.compute().await;
        assert_eq!(bed.balance().await, 400);
        bed.paid(Origin::Sync, "p8", 1_000, "2026-09-24T10:00:00Z", &deal)
            .await;
        bed.compute().await;
        assert_eq!(bed.balance().await, 500);
        bed.paid(Origin::Sync, "p9", 1_000, "2026-09-25T10:00:00Z", &deal)
            .await;
        bed.compute().await;
        assert_eq!(bed.balance().await, 500);
        bed.is_idle().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fee_in_another_currency_makes_no_booking_of_the_payments() {
    each(async |bed: Bed| {
        let of = bed.partnership("a", PartnerType::Technology, None).await;
        let mut terms = bed.terms(2_000);
        terms.earning.referral = Some(Referral::Fixed(500));
        terms.earning.referral_trigger = Some(commission_rule::ReferralTrigger::OnClose);
        bed.agreed(&of, "2026-09-01", terms).await;
        let deal = bed
            .deal_with("one", DealStage::Won, None, &[(&of, Referred, 10_000)])
            .await;
        let dollars = Money {
            minor: 10_000,
            currency: Currency::USD,
        };
        bed.told(
            Origin::Sync,
            "p",
            RevenueKind::Payment,
            dollars,
            "2026-09-22T10:00:00Z",
            Some(deal.id),
            None,
        )
        .await;
        bed.compute().await;
        assert_eq!(
            bed.balance().await,
            2_000,
            "the share, for the fee is a sum of euros"
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_year_without_revenue_and_one_that_was_undone_are_missed_too() {
    each(async |bed: Bed| {
        let fee = Some(Shortfall {
            policy: ShortfallPolicy::ShortfallFee,
            rate_bp: Some(bp(1_000)),
        });
        let silent = bed.partnership("a", PartnerType::Technology, None).await;
        let undone = bed.partnership("b", PartnerType::Technology, None).await;
        for of in [&silent, &undone] {
            bed.agreed(of, "2026-09-01", committed(&bed, fee)).await;
        }
        let mut change = bed.by("clock").await;
        assert_eq!(accrual::open_years(&mut change, 10).await.unwrap(), 2);
        assert_eq!(
            accrual::open_years(&mut change, 10).await.unwrap(),
            0,
            "once"
        );
        change.commit().await.unwrap();
        let pay = async |kind, key: &str, on: &str| {
            bed.told(
                Origin::Sync,
                key,
                kind,
                eur(100_000),
                on,
                None,
                Some(&undone),
            )
            .await;
        };
        // In another currency, which fills no commitment.
        let dollars = Money {
            minor: 500_000,
            currency: Currency::USD,
        };
        bed.told(
            Origin::Sync,
            "usd",
            RevenueKind::Payment,
            dollars,
            "2026-10-01T10:00:00Z",
            None,
            Some(&silent),
        )
        .await;
        pay(RevenueKind::Payment, "p", "2027-08-20T10:00:00Z").await;
        bed.at("2027-09-02T00:00:00Z");
        let mut change = bed.by("clock").await;
        agreement::tend(&mut change, None, 10).await.unwrap();
        change.commit().await.unwrap();
        bed.compute().await;
        let status = async || {
            let years = commitment_year::Entity::find()
                .all(bed.database.read())
                .await
                .unwrap();
            years
                .iter()
                .find(|row| row.partnership_id == undone.id)
                .unwrap()
                .status
        };
        assert_eq!(status().await, YearStatus::Met);
        let mut change = bed.by("staff").await;
        let events = revenue_event::Entity::find()
            .all(bed.database.read())
            .await
            .unwrap();
        let paid = events.iter().find(|row| row.external_key == "p").unwrap();
        revenue_event::refund(
            &mut change,
            paid,
            "r".to_owned(),
            eur(60_000),
            at("2027-09-02T00:00:00Z"),
        )
        .await
        .unwrap();
        change.commit().await.unwrap();
        bed.compute().await;
        assert_eq!(status().await, YearStatus::Open, "not any more");
        bed.at("2027-09-08T00:00:00Z");
        let mut fees = Vec::new();
        for _ in 0..3 {
            let mut change = bed.by("clock").await;
            let settled = accrual::close_years(&mut change, 5, 10).await.unwrap();
            fees.extend(settled.iter().filter_map(|one| one.fee));
            change.commit().await.unwrap();
        }
        fees.sort_unstable_by_key(|fee| fee.minor);
        assert_eq!(
            fees,
            [eur(-10_000), eur(-6_000)],
            "of all of it, and of what was missing"
        );
        let years = commitment_year::Entity::find()
            .all(bed.database.read())
            .await
            .unwrap();
        let next = years
            .iter()
            .filter(|row| row.starts_on == day("2027-09-01"));
        assert_eq!(
            next.filter(|row| row.currency == Currency::EUR).count(),
            2,
            "the next years are there"
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reduced_rate_holds_from_the_first_day_of_the_year_after() {
    each(async |bed: Bed| {
        let reduced = Some(Shortfall {
            policy: ShortfallPolicy::ReducedRate,
            rate_bp: Some(bp(500)),
        });
        let missed = bed.partnership("a", PartnerType::Technology, None).await;
        let met = bed.partnership("b", PartnerType::Technology, None).await;
        for of in [&missed, &met] {
            bed.agreed(of, "2026-09-01", committed(&bed, reduced)).await;
        }
        let mut change = bed.by("clock").await;
        accrual::open_years(&mut change, 10).await.unwrap();
        change.commit().await.unwrap();
        let pay = async |of: &partnership::Model, key: &str, minor, on: &str| {
            bed.told(
                Origin::Sync,
                key,
                RevenueKind::Payment,
                eur(minor),
                on,
                None,
                Some(of),
            )
            .await;
        };
        pay(&met, "enough", 100_000, "2027-08-31T10:00:00Z").await;
        bed.at("2027-09-02T00:00:00Z");
        let mut change = bed.by("clock").await;
        agreement::tend(&mut change, None, 10).await.unwrap();
        change.commit().await.unwrap();
        // Nothing is settled yet.
        pay(&missed, "m", 10_000, "2027-09-01T10:00:00Z").await;
        pay(&met, "n", 10_000, "2027-09-01T10:00:00Z").await;
        bed.compute().await;
        let of = async |of: &partnership::Model| {
            let entries = bed.entries().await;
            entries
                .iter()
                .rfind(|row| row.partnership_id == of.id)
                .unwrap()
                .amount_minor
        };
        assert_eq!((of(&missed).await, of(&met).await), (500, 2_000));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn revenue_earns_by_the_programme_of_its_day() {
    each(async |bed: Bed| {
        let first = bed.program().await;
        let mut change = bed.by("staff").await;
        let second = program::create(&mut change, vec![NewProgram::named("Other")])
            .await
            .unwrap()
            .remove(0);
        let rule = |program_id, rate| {
            let mut terms = commission_rule::EarningTerms::none(Currency::EUR);
            terms.rate_bp = Some(bp(rate));
            NewCommissionRule {
                program_id,
                kind: Some(PartnerType::Technology),
                effective_on: day("2026-09-21"),
                terms,
                note: String::new(),
            }
        };
        let rules = vec![
            rule(None, 100),
            rule(Some(first.id), 1_000),
            rule(Some(second.id), 2_000),
        ];
        commission_rule::publish(&mut change, rules, day("2026-09-21"))
            .await
            .unwrap();
        change.commit().await.unwrap();
        let of = bed.partnership("a", PartnerType::Technology, None).await;
        let mut terms = bed.terms(2_000);
        terms.revenue_share = None;
        bed.agreed(&of, "2026-09-01", terms).await;
        let mut change = bed.by("staff").await;
        for (program, on) in [(first.id, "2026-09-24"), (second.id, "2026-09-27")] {
            program_enrollment::enroll(&mut change, program, &[of.id], day(on))
                .await
                .unwrap();
        }
        change.commit().await.unwrap();
        for (key, on) in [
            ("0", "2026-09-23T10:00:00Z"),
            ("1", "2026-09-25T10:00:00Z"),
            ("2", "2026-09-28T10:00:00Z"),
        ] {
            bed.told(
                Origin::Sync,
                key,
                RevenueKind::Payment,
                eur(10_000),
                on,
                None,
                Some(&of),
            )
            .await;
        }
        bed.compute().await;
        let shares: Vec<i64> = bed
            .entries()
            .await
            .iter()
            .map(|row| row.amount_minor)
            .collect();
        assert_eq!(shares, [100, 1_000, 2_000]);
        let present = program_enrollment::of_partnerships(
            bed.database.read(),
            &entities::viewer::Viewer::system("test"),
            &[of.id],
        )
        .await
        .unwrap();
        assert_eq!(
            present
                .iter()
                .map(|part| part.program_id)
                .collect::<Vec<_>>(),
            [second.id]
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn history_is_computed_as_previewed_also_while_other_revenue_comes_in() {
    each(async |bed: Bed| {
        let of = bed.partnership("a", PartnerType::Technology, None).await;
        bed.agreed(&of, "2026-09-01", bed.terms(2_000)).await;
        let tell = async |origin, key: &str, on: &str| {
            bed.told(
                origin,
                key,
                RevenueKind::Payment,
                eur(10_000),
                on,
                None,
                Some(&of),
            )
            .await;
        };
        tell(Origin::Backfill, "old", "2026-09-05T10:00:00Z").await;
        tell(Origin::Sync, "new", "2026-09-21T10:00:00Z").await;
        let (author, from) = (bed.author("staff"), at("2026-09-01T00:00:00Z"));
        let seen = accrual::preview_history(&bed.database, &author, from)
            .await
            .unwrap();
        assert_eq!((seen.events, seen.entries), (1, 1), "history alone");
        bed.compute().await;
        tell(Origin::Sync, "newer", "2026-09-21T11:00:00Z").await;
        let run = accrual::accrue_history(&bed.database, &author, from, &seen.result_hash)
            .await
            .unwrap();
        assert_eq!(run.result_hash, seen.result_hash);
        assert_eq!(bed.entries().await.len(), 3);
        bed.is_idle().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_says_something_else_of_known_money_completes_nothing() {
    each(async |bed: Bed| {
        let of = bed.partnership("a", PartnerType::Technology, None).await;
        bed.agreed(&of, "2026-09-01", bed.terms(2_000)).await;
        bed.told(
            Origin::Human,
            "k",
            RevenueKind::Payment,
            eur(10_000),
            "2026-09-22T10:00:00Z",
            None,
            None,
        )
        .await;
        let mut change = bed.by("staff").await;
        let other = NewRevenue {
            external_key: "k".to_owned(),
            kind: RevenueKind::Payment,
            amount: eur(9_000),
            occurred_at: at("2026-09-22T10:00:00Z"),
            concerns: Concerns {
                partnership: Some((of.id, of.partner_id)),
                ..Concerns::default()
            },
        };
        let told = revenue_event::record(&mut change, None, vec![other])
            .await
            .unwrap();
        change.commit().await.unwrap();
        assert_eq!((told.completed, told.differing), (0, vec!["k".to_owned()]));
        bed.compute().await;
        assert_eq!(bed.entries().await, []);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_without_weight_wakes_nobody() {
    each(async |bed: Bed| {
        let of = bed.partnership("a", PartnerType::Technology, None).await;
        bed.agreed(&of, "2026-09-01", bed.terms(2_000)).await;
        let deal = bed
            .deal_with("one", DealStage::Won, None, &[(&of, Sourced, 0)])
            .await;
        bed.paid(Origin::Sync, "p", 10_000, "2026-09-22T10:00:00Z", &deal)
            .await;
        bed.compute().await;
        bed.is_idle().await;
        let runs = commission_run::Entity::find()
            .all(bed.database.read())
            .await
            .unwrap();
        assert_eq!(runs.len(), 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_taken_back_has_the_state_of_what_it_is_taken_from_however_the_two_meet() {
    each(async |bed: Bed| {
        let of = bed.partnership("a", PartnerType::Technology, None).await;
        bed.agreed(&of, "2026-09-01", bed.terms(2_000)).await;
        for round in 0..4 {
            let deal = bed
                .deal_with(
                    &format!("d{round}"),
                    DealStage::Won,
                    None,
                    &[(&of, Sourced, 10_000)],
                )
                .await;
            bed.paid(
                Origin::Sync,
                &format!("p{round}"),
                10_000,
                "2026-09-22T10:00:00Z",
                &deal,
            )
            .await;
            bed.compute().await;
            let entry = bed
                .entries()
                .await
                .into_iter()
                .rfind(|row| row.kind == LedgerKind::Commission)
                .unwrap();
            bed.refunded(&format!("r{round}"), 4_000, "2026-09-23T10:00:00Z", &deal)
                .await;
            let approve = async {
                let mut change = bed.by("staff").await;
                ledger_entry::step(&mut change, &[entry.id], Step::Approve)
                    .await
                    .unwrap();
                change.commit().await.unwrap();
            };
            let ((), _) = tokio::join!(approve, bed.compute());
            let entries = bed.entries().await;
            let states: Vec<LedgerStatus> = entries
                .iter()
                .filter(|row| row.id == entry.id || row.reverses_id == Some(entry.id))
                .map(|row| row.status)
                .collect();
            assert_eq!(states, [LedgerStatus::Approved; 2], "round {round}");
        }
    })
    .await;
}
