//! What was promised is held against what was done: commitments of a year and service levels, on both databases.

use crate::bed::{Bed, each};
use crate::ledger::with_bonus;
use crate::programme::{bp, day, eur, refusal};
use entities::accrual::accrue;
use entities::change::Origin;
use entities::commission_rule::Shortfall;
use entities::commitment_year::YearStatus;
use entities::error::ViolationCode;
use entities::ledger_entry::LedgerKind;
use entities::partnership::PartnerType;
use entities::revenue_event::RevenueKind;
use entities::revenue_share::{BonusBasis, ShortfallPolicy};
use entities::{accrual, agreement};

// The bed's clock starts on 2026-09-21.

#[tokio::test(flavor = "multi_thread")]
async fn a_year_below_its_commitment_brings_what_was_agreed() {
    each(async |bed: Bed| {
        let mut kept = Vec::new();
        for (policy, rate) in [
            (ShortfallPolicy::ShortfallFee, 1_000),
            (ShortfallPolicy::ReducedRate, 1_000),
        ] {
            let of = bed.partnership("a", PartnerType::Technology, None).await;
            let mut terms = with_bonus(&bed, BonusBasis::AboveCommitment);
            terms.earning.shortfall = Some(Shortfall {
                policy,
                rate_bp: Some(bp(rate)),
            });
            bed.agreed(&of, "2026-09-01", terms).await;
            bed.told(
                Origin::Sync,
                &format!("{policy:?}"),
                RevenueKind::Payment,
                eur(40_000),
                "2026-09-22T10:00:00Z",
                None,
                Some(&of),
            )
            .await;
            kept.push(of);
        }
        let author = bed.author("worker");
        accrue(&bed.database, &author).await.unwrap();
        bed.at("2027-09-10T00:00:00Z");
        let mut change = bed.by("clock").await;
        agreement::tend(&mut change, None, 10).await.unwrap();
        assert_eq!(
            accrual::close_years(&mut change, 10, 10).await.unwrap(),
            [],
            "ten days are not over"
        );
        let settled = accrual::close_years(&mut change, 9, 10).await.unwrap();
        assert_eq!(
            settled.iter().map(|one| one.status).collect::<Vec<_>>(),
            [YearStatus::Missed; 2]
        );
        assert_eq!(
            settled.iter().filter_map(|one| one.fee).collect::<Vec<_>>(),
            [eur(-6_000)]
        );
        assert_eq!(
            accrual::close_years(&mut change, 9, 10).await.unwrap(),
            [],
            "once"
        );
        change.commit().await.unwrap();
        for of in &kept {
            bed.told(
                Origin::Sync,
                &format!("next {}", of.id),
                RevenueKind::Payment,
                eur(10_000),
                "2027-09-05T10:00:00Z",
                None,
                Some(of),
            )
            .await;
        }
        accrue(&bed.database, &author).await.unwrap();
        let shares: Vec<i64> = bed
            .entries()
            .await
            .iter()
            .filter(|row| row.kind == LedgerKind::Commission)
            .map(|row| row.amount_minor)
            .collect();
        assert_eq!(
            shares,
            [8_000, 8_000, 2_000, 1_000],
            "the second year of who missed it with a reduced rate"
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_level_is_held_against_what_was_promised_and_a_preset_is_loaded_once() {
    use entities::agreement::SlaMetric;
    use entities::preset::{self, Loaded, Preset};
    use entities::sla_measurement::{self, NewMeasurement};
    each(async |bed: Bed| {
        let of = bed.partnership("a", PartnerType::Channel, None).await;
        let mut terms = bed.terms(2_000);
        terms.revenue_share = None;
        let agreed = bed.agreed(&of, "2026-09-01", terms).await;
        let mut change = bed.by("staff").await;
        let new = |metric, starts_on: &str, ends_on: &str, measured_micros| NewMeasurement {
            metric,
            starts_on: day(starts_on),
            ends_on: day(ends_on),
            measured_micros,
            evidence: "the monitor".to_owned(),
        };
        let kept = sla_measurement::measure(
            &mut change,
            &agreed,
            new(
                SlaMetric::UptimePercent,
                "2026-09-01",
                "2026-09-10",
                99_900_000,
            ),
        )
        .await
        .unwrap();
        let broken = sla_measurement::measure(
            &mut change,
            &agreed,
            new(
                SlaMetric::SupportResponseHours,
                "2026-09-01",
                "2026-09-10",
                24_000_001,
            ),
        )
        .await
        .unwrap();
        assert_eq!((kept.met, broken.met), (true, false));
        let twice = sla_measurement::measure(
            &mut change,
            &agreed,
            new(SlaMetric::UptimePercent, "2026-09-10", "2026-09-20", 1),
        )
        .await;
        assert_eq!(
            refusal(twice),
            (ViolationCode::Taken, "startsOn".to_owned())
        );
        let early = sla_measurement::measure(
            &mut change,
            &agreed,
            new(SlaMetric::UptimePercent, "2026-08-01", "2026-08-02", 1),
        )
        .await;
        assert_eq!(
            refusal(early),
            (ViolationCode::NotFound, "metric".to_owned())
        );

        let preset = Preset::included("revenue-share").unwrap();
        let today = day("2026-09-21");
        assert_eq!(
            preset::load(&mut change, &preset, today, today)
                .await
                .unwrap(),
            Loaded {
                rules: 5,
                ..Loaded::default()
            }
        );
        assert_eq!(
            preset::load(&mut change, &preset, today, today)
                .await
                .unwrap(),
            Loaded::default()
        );
        change.commit().await.unwrap();
        assert_eq!(
            refusal(Preset::included("nonsense")).0,
            ViolationCode::NotFound
        );
        assert_eq!(
            refusal(Preset::parse("{\"name\": \"x\", \"surprise\": 1}")).0,
            ViolationCode::Invalid
        );
        // The vector of the domain, by way of everything: CHANNEL, 225,000 in one contract year.
        for (key, minor) in [("v1", 14_000_000), ("v2", 8_500_000)] {
            bed.told(
                Origin::Sync,
                key,
                RevenueKind::Payment,
                eur(minor),
                "2026-09-22T10:00:00Z",
                None,
                Some(&of),
            )
            .await;
        }
        accrue(&bed.database, &bed.author("worker")).await.unwrap();
        let entries = bed.entries().await;
        let of_kind = |wanted| {
            entries
                .iter()
                .filter(|row| row.kind == wanted)
                .map(|row| row.amount_minor)
                .sum::<i64>()
        };
        assert_eq!(
            (of_kind(LedgerKind::Commission), of_kind(LedgerKind::Bonus)),
            (5_625_000, 1_575_000)
        );
    })
    .await;
}
