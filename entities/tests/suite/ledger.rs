//! What is earned of revenue, explained and taken back; history waits until it is asked for: on both databases.

use crate::bed::{Bed, each};
use crate::programme::{at, bp, day, eur, refusal};
use entities::accrual::accrue;
use entities::change::Origin;
use entities::commission_rule::NewCommissionRule;
use entities::commitment_year::YearStatus;
use entities::deal::DealStage;
use entities::deal_partner::DealPartnerRole::{Referred, Resold, Sourced};
use entities::error::ViolationCode;
use entities::ledger_entry::LedgerKind;
use entities::money::Currency;
use entities::partnership::PartnerType;
use entities::revenue_event::RevenueKind;
use entities::revenue_share::{Bonus, BonusBasis, Commitment, CommitmentUnit, Referral};
use entities::{
    accrual, agreement, commission_rule, commitment_year, ledger_entry, tier, tier_assignment,
};
use sea_orm::EntityTrait;

// The bed's clock starts on 2026-09-21.

/// Terms of 20 %, a commitment of 1,000.00 and a bonus of 5 % of everything.
pub fn with_bonus(bed: &Bed, basis: BonusBasis) -> agreement::Terms {
    let mut terms = bed.terms(2_000);
    terms.earning.commitment = Some(Commitment {
        unit: CommitmentUnit::Arr,
        target: 100_000,
    });
    terms.earning.bonus = Some(Bonus {
        basis,
        rate_bp: bp(500),
    });
    terms.earning.hold_days = Some(30);
    terms
}

pub fn shown(entries: &[ledger_entry::Model]) -> Vec<(LedgerKind, i64)> {
    entries
        .iter()
        .map(|row| (row.kind, row.amount_minor))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn revenue_is_earned_once_explained_and_taken_back_to_nothing() {
    each(async |bed: Bed| {
        let of = bed.partnership("a", PartnerType::Technology, None).await;
        let agreed = bed
            .agreed(
                &of,
                "2026-09-01",
                with_bonus(&bed, BonusBasis::AllEligibleRevenue),
            )
            .await;
        let (one, two) = (
            bed.deal_with("one", DealStage::Won, None, &[(&of, Sourced, 10_000)])
                .await,
            bed.deal_with("two", DealStage::Won, None, &[(&of, Sourced, 10_000)])
                .await,
        );
        bed.told(
            Origin::Sync,
            "p1",
            RevenueKind::Payment,
            eur(60_000),
            "2026-09-22T10:00:00Z",
            Some(one.id),
            None,
        )
        .await;
        bed.told(
            Origin::Sync,
            "p2",
            RevenueKind::Payment,
            eur(60_000),
            "2026-09-23T10:00:00Z",
            Some(two.id),
            None,
        )
        .await;
        let run = accrue(&bed.database, &bed.author("worker")).await.unwrap();
        assert_eq!((run.events, run.entries), (2, 4));
        let entries = bed.entries().await;
        assert_eq!(
            shown(&entries),
            [
                (LedgerKind::Commission, 12_000),
                (LedgerKind::Commission, 12_000),
                (LedgerKind::Bonus, 3_000),
                (LedgerKind::Bonus, 3_000),
            ]
        );
        assert_eq!(entries[0].available_on, day("2026-10-22"));
        assert_eq!(entries[0].agreement_id, Some(agreed.id));
        assert_eq!(
            (
                entries[2].revenue_event_id.is_some(),
                entries[3].revenue_event_id
            ),
            (true, None),
            "the second catches up"
        );
        let years = commitment_year::Entity::find()
            .all(bed.database.read())
            .await
            .unwrap();
        assert_eq!((years.len(), years[0].status), (1, YearStatus::Met));

        // A replay writes nothing, not even a run.
        let again = accrue(&bed.database, &bed.author("worker")).await.unwrap();
        assert_eq!((again.id, again.events, again.entries), (None, 0, 0));
        assert_eq!(bed.entries().await, entries);

        // Explained to who earned it, and to nobody else.
        let them = bed.partner_viewer(of.partner_id);
        let said = accrual::explain(bed.database.read(), &them, entries[0].id)
            .await
            .unwrap();
        assert!(
            said.steps
                .iter()
                .any(|step| step.contains("20.00 %") && step.contains("120.00 EUR")),
            "{:?}",
            said.steps
        );
        assert_eq!((said.version.unwrap().number, said.rule), (1, None));
        let other = bed.partnership("b", PartnerType::Technology, None).await;
        let others = bed.partner_viewer(other.partner_id);
        let hidden = accrual::explain(bed.database.read(), &others, entries[0].id).await;
        assert_eq!(refusal(hidden).0, ViolationCode::NotFound);
        assert_eq!(bed.count::<ledger_entry::Entity>(&others).await, 0);

        // The first payment goes back in two parts: its share, and the bonus of the year that is below its line again.
        for (key, minor, on) in [
            ("r1", 25_001, "2026-09-24T10:00:00Z"),
            ("r2", 34_999, "2026-09-25T10:00:00Z"),
        ] {
            bed.told(
                Origin::Sync,
                key,
                RevenueKind::Refund,
                eur(minor),
                on,
                Some(one.id),
                None,
            )
            .await;
        }
        accrue(&bed.database, &bed.author("worker")).await.unwrap();
        let entries = bed.entries().await;
        let left = |id| {
            entries
                .iter()
                .filter(|row| row.id == id || row.reverses_id == Some(id))
                .map(|row| row.amount_minor)
                .sum::<i64>()
        };
        assert_eq!(left(entries[0].id), 0, "refunded whole");
        assert_eq!(left(entries[1].id), 12_000);
        assert_eq!(
            left(entries[2].id) + left(entries[3].id),
            0,
            "below the line there is no bonus"
        );
        assert!(
            entries[4..]
                .iter()
                .all(|row| row.kind == LedgerKind::Clawback && row.amount_minor < 0)
        );
        // More than was paid is not taken back.
        bed.told(
            Origin::Sync,
            "r3",
            RevenueKind::Refund,
            eur(1),
            "2026-09-26T10:00:00Z",
            Some(one.id),
            None,
        )
        .await;
        let none = accrue(&bed.database, &bed.author("worker")).await.unwrap();
        assert_eq!((none.events, none.entries), (1, 0));
        bed.told(
            Origin::Sync,
            "r4",
            RevenueKind::Refund,
            eur(60_000),
            "2026-09-27T10:00:00Z",
            Some(two.id),
            None,
        )
        .await;
        accrue(&bed.database, &bed.author("worker")).await.unwrap();
        assert_eq!(
            bed.entries()
                .await
                .iter()
                .map(|row| row.amount_minor)
                .sum::<i64>(),
            0
        );
        let idle = accrue(&bed.database, &bed.author("worker")).await.unwrap();
        assert_eq!(idle.id, None);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn history_earns_nothing_until_it_is_asked_for_and_what_is_nobodys_waits() {
    each(async |bed: Bed| {
        let of = bed.partnership("a", PartnerType::Technology, None).await;
        bed.agreed(&of, "2026-09-01", bed.terms(2_000)).await;
        let deal = bed.deal_with("one", DealStage::Won, None, &[]).await;
        bed.told(
            Origin::Backfill,
            "old",
            RevenueKind::Payment,
            eur(10_000),
            "2026-09-05T10:00:00Z",
            None,
            Some(&of),
        )
        .await;
        bed.told(
            Origin::Backfill,
            "older",
            RevenueKind::Payment,
            eur(10_000),
            "2026-09-02T10:00:00Z",
            None,
            Some(&of),
        )
        .await;
        bed.told(
            Origin::Sync,
            "new",
            RevenueKind::Payment,
            eur(5_000),
            "2026-09-22T10:00:00Z",
            Some(deal.id),
            None,
        )
        .await;
        let author = bed.author("worker");
        let run = accrue(&bed.database, &author).await.unwrap();
        assert_eq!((run.events, run.entries), (1, 0), "nobody's");
        let mut change = bed.change_of("crm", Origin::Sync).await;
        let share = entities::deal_partner::Share {
            partnership_id: of.id,
            role: Resold,
            weight_bp: bp(5_000),
        };
        entities::deal_partner::attribute(&mut change, &[(deal.clone(), vec![share])])
            .await
            .unwrap();
        change.commit().await.unwrap();
        let run = accrue(&bed.database, &author).await.unwrap();
        assert_eq!((run.events, run.entries), (1, 1));
        assert_eq!(shown(&bed.entries().await), [(LedgerKind::Commission, 500)]);

        let from = at("2026-09-03T00:00:00Z");
        let seen = accrual::preview_history(&bed.database, &author, from)
            .await
            .unwrap();
        assert_eq!(
            (
                seen.events,
                seen.entries,
                seen.sums[&(of.id, Currency::EUR)]
            ),
            (1, 1, 2_000)
        );
        assert_eq!(bed.entries().await.len(), 1, "a preview writes nothing");
        let blind = accrual::accrue_history(&bed.database, &author, from, "something else").await;
        assert_eq!(refusal(blind).1, "previewed");
        let run = accrual::accrue_history(&bed.database, &author, from, &seen.result_hash)
            .await
            .unwrap();
        assert_eq!(run.result_hash, seen.result_hash);
        assert_eq!(bed.entries().await.len(), 2);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_tiers_fees_and_bookings() {
    each(async |bed: Bed| {
        let program = bed.program().await;
        let of = bed
            .partnership("a", PartnerType::Channel, Some(&program))
            .await;
        let mut terms = bed.terms(2_000);
        terms.revenue_share = None;
        terms.earning.referral = Some(Referral::Fixed(700));
        bed.agreed(&of, "2026-09-01", terms).await;
        let author = bed.author("worker");
        let deal = bed
            .deal_with(
                "one",
                DealStage::Won,
                Some(eur(9_000)),
                &[(&of, Resold, 10_000)],
            )
            .await;
        bed.told(
            Origin::Sync,
            "p1",
            RevenueKind::Payment,
            eur(10_000),
            "2026-09-21T20:00:00Z",
            Some(deal.id),
            None,
        )
        .await;
        accrue(&bed.database, &author).await.unwrap();
        assert_eq!(bed.entries().await, [], "no rule, no rate, nothing");

        let mut change = bed.by("staff").await;
        let today = day("2026-09-21");
        let rule = |program_id, effective_on: &str, rate| {
            let mut terms = entities::commission_rule::EarningTerms::none(Currency::EUR);
            terms.rate_bp = Some(bp(rate));
            NewCommissionRule {
                program_id,
                kind: Some(PartnerType::Channel),
                effective_on: day(effective_on),
                terms,
                note: String::new(),
            }
        };
        let past =
            commission_rule::publish(&mut change, vec![rule(None, "2026-09-20", 1_000)], today)
                .await;
        assert_eq!(refusal(past).1, "effectiveOn");
        commission_rule::publish(
            &mut change,
            vec![
                rule(None, "2026-09-21", 1_000),
                rule(Some(program.id), "2026-09-25", 1_500),
            ],
            today,
        )
        .await
        .unwrap();
        let new = tier::NewTier {
            program_id: program.id,
            name: "Gold".to_owned(),
            rank: 1,
            criteria: vec![],
            benefits: vec![],
            uplift_bp: bp(250),
        };
        let gold = tier::create(&mut change, vec![new.clone()])
            .await
            .unwrap()
            .remove(0);
        assert_eq!(
            refusal(tier::create(&mut change, vec![new]).await),
            (ViolationCode::Taken, "rank".to_owned())
        );
        tier_assignment::assign(
            &mut change,
            &of,
            Some(gold.id),
            day("2026-09-27"),
            today,
            "good".to_owned(),
        )
        .await
        .unwrap();
        change.commit().await.unwrap();
        for (key, on) in [
            ("p2", "2026-09-24T10:00:00Z"),
            ("p3", "2026-09-25T10:00:00Z"),
            ("p4", "2026-09-27T10:00:00Z"),
        ] {
            bed.told(
                Origin::Sync,
                key,
                RevenueKind::Payment,
                eur(10_000),
                on,
                Some(deal.id),
                None,
            )
            .await;
        }
        accrue(&bed.database, &author).await.unwrap();
        let entries = bed.entries().await;
        assert_eq!(
            shown(&entries),
            [
                (LedgerKind::Commission, 1_000),
                (LedgerKind::Commission, 1_500),
                (LedgerKind::Commission, 1_750)
            ]
        );
        // A later rule changes nothing that was earned; what it would change is shown before.
        let mut change = bed.by("staff").await;
        let proposed = commission_rule::propose(
            &change,
            vec![rule(Some(program.id), "2026-10-01", 3_000)],
            today,
        )
        .await
        .unwrap();
        let shows = accrual::simulate(
            &bed.database,
            proposed,
            day("2026-09-22"),
            day("2026-10-01"),
        )
        .await
        .unwrap();
        assert_eq!(
            (shows.len(), shows[0].now, shows[0].then),
            (1, 4_250, 9_250)
        );
        commission_rule::publish(
            &mut change,
            vec![rule(Some(program.id), "2026-10-01", 3_000)],
            today,
        )
        .await
        .unwrap();
        change.commit().await.unwrap();
        accrue(&bed.database, &author).await.unwrap();
        assert_eq!(bed.entries().await, entries);

        // A fixed fee once a deal, however often its customer pays; refunded it may be paid again.
        let referred = bed
            .deal_with("two", DealStage::Won, None, &[(&of, Referred, 10_000)])
            .await;
        for (key, kind, minor, on) in [
            ("f1", RevenueKind::Payment, 5_000, "2026-09-28T10:00:00Z"),
            ("f2", RevenueKind::Payment, 5_000, "2026-09-29T10:00:00Z"),
            ("f3", RevenueKind::Refund, 10_000, "2026-09-30T10:00:00Z"),
        ] {
            bed.told(
                Origin::Sync,
                key,
                kind,
                eur(minor),
                on,
                Some(referred.id),
                None,
            )
            .await;
            accrue(&bed.database, &author).await.unwrap();
        }
        let fees: Vec<_> = shown(&bed.entries().await).into_iter().skip(3).collect();
        assert_eq!(
            fees,
            [
                (LedgerKind::ReferralFee, 700),
                (LedgerKind::ReferralFee, 0),
                (LedgerKind::Clawback, -700)
            ]
        );
    })
    .await;
}
