//! What a day brings: who meets the criteria of which tier, and whose commitment is at risk. On both databases.

use crate::bed::{Bed, each};
use crate::programme::{bp, day, eur};
use entities::accrual;
use entities::change::Origin;
use entities::commission_rule::RevenueBase;
use entities::deal::DealStage;
use entities::deal_partner::DealPartnerRole::{Influenced, Resold};
use entities::event;
use entities::id::PartnershipId;
use entities::partnership::{self, PartnerType};
use entities::revenue_event::RevenueKind;
use entities::revenue_share::{Commitment, CommitmentUnit};
use entities::tier::{self, Criterion, NewTier, TierMetric};
use entities::tier_assignment::{self, assign};
use entities::viewer::Viewer;
use sea_orm::EntityTrait as _;

// The bed's clock starts on 2026-09-21.

impl Bed {
    /// What the worker does of tiers until nothing is left to look at.
    async fn judge(&self) -> Vec<(PartnershipId, Option<entities::id::TierId>)> {
        let mut changed = Vec::new();
        loop {
            let mut change = self.change_of("worker", Origin::Api).await;
            let Some(rows) = tier::evaluate(&mut change).await.unwrap() else {
                change.rollback().await.unwrap();
                return changed;
            };
            change.commit().await.unwrap();
            changed.extend(rows.iter().map(|row| (row.partnership_id, row.tier_id)));
        }
    }

    async fn history_of(&self, of: &partnership::Model) -> Vec<tier_assignment::Model> {
        let system = Viewer::system("t");
        tier_assignment::history(self.database.read(), &system, &[of.id])
            .await
            .unwrap()
    }

    async fn warned(&self) -> Option<Vec<PartnershipId>> {
        let mut change = self.change_of("worker", Origin::Api).await;
        let told = accrual::warn_of_commitments(&mut change).await.unwrap();
        change.commit().await.unwrap();
        told
    }

    async fn events_of(&self, kind: &str) -> usize {
        let rows = event::Entity::find()
            .all(self.database.read())
            .await
            .unwrap();
        rows.iter().filter(|row| row.kind == kind).count()
    }
}

const fn criterion(metric: TierMetric, at_least: i64, months: i32) -> Criterion {
    Criterion {
        metric,
        at_least,
        months,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_meets_the_criteria_rises_and_who_no_longer_does_falls() {
    each(async |bed: Bed| {
        let program = bed.program().await;
        let mut change = bed.by("staff").await;
        let new = |rank, name: &str, criteria| NewTier {
            program_id: program.id,
            name: name.to_owned(),
            rank,
            criteria,
            benefits: vec![],
            uplift_bp: bp(0),
        };
        let tiers = vec![
            new(1, "Silver", vec![criterion(TierMetric::WonDeals, 1, 3)]),
            new(
                2,
                "Gold",
                vec![
                    criterion(TierMetric::WonDeals, 2, 3),
                    criterion(TierMetric::Earned, 3_000, 12),
                ],
            ),
            new(3, "Friends", vec![]),
        ];
        let tiers = tier::create(&mut change, tiers).await.unwrap();
        change.commit().await.unwrap();
        let (silver, gold, friends) = (tiers[0].id, tiers[1].id, tiers[2].id);
        let of = bed
            .partnership("a", PartnerType::Channel, Some(&program))
            .await;
        let other = bed
            .partnership("b", PartnerType::Channel, Some(&program))
            .await;
        let stranger = bed.partnership("c", PartnerType::Channel, None).await;
        let mut terms = bed.terms(2_000);
        terms.earning.base = Some(RevenueBase::Booked);
        bed.agreed(&of, "2026-09-01", terms).await;
        assert_eq!(bed.judge().await, [], "nobody has done anything");

        let won = async |name: &str, shares: &[(&partnership::Model, _, i32)]| {
            bed.clock.advance_millis(1_000);
            let deal = bed.deal_with(name, DealStage::Committed, Some(eur(10_000)), shares);
            let deal = deal.await;
            let mut change = bed.change_of("crm", Origin::Sync).await;
            entities::deal::win(&mut change, deal, None, None)
                .await
                .unwrap();
            change.commit().await.unwrap();
            let worker = bed.author("worker");
            accrual::accrue(&bed.database, &worker).await.unwrap();
        };
        won("one", &[(&of, Resold, 10_000), (&other, Influenced, 0)]).await;
        assert_eq!(bed.judge().await, [], "a day is looked at once");
        bed.at("2026-09-22T00:00:00Z");
        assert_eq!(bed.judge().await, [(of.id, Some(silver))]);
        assert_eq!(bed.judge().await, []);
        let last = bed.history_of(&of).await.pop().unwrap();
        assert_eq!(
            (last.effective_on, last.assigned_by.as_str()),
            (day("2026-09-22"), "worker")
        );
        assert_eq!(
            last.reason,
            "The criteria are met: WON_DEALS 1 of 1 in 3 months."
        );
        // Two deals, and all that is asked for: 20 % of two times 100.
        won("two", &[(&of, Resold, 10_000), (&stranger, Influenced, 0)]).await;
        bed.at("2026-09-23T00:00:00Z");
        assert_eq!(bed.judge().await, [(of.id, Some(gold))]);

        // What people decide stands: a tier for other reasons, and none.
        let today = day("2026-09-23");
        for (row, tier) in [(&other, Some(friends)), (&of, None)] {
            let mut change = bed.by("staff").await;
            assign(&mut change, row, tier, today, today, "because".to_owned())
                .await
                .unwrap();
            change.commit().await.unwrap();
        }
        bed.at("2026-09-24T00:00:00Z");
        assert_eq!(bed.judge().await, []);
        // From a tier that a person gave one still rises.
        let mut change = bed.by("staff").await;
        let today = day("2026-09-24");
        assign(
            &mut change,
            &of,
            Some(silver),
            today,
            today,
            "again".to_owned(),
        )
        .await
        .unwrap();
        change.commit().await.unwrap();
        bed.at("2026-09-25T00:00:00Z");
        assert_eq!(bed.judge().await, [(of.id, Some(gold))]);

        // Months later the deals are too long ago.
        bed.at("2026-12-25T00:00:00Z");
        assert_eq!(bed.judge().await, [(of.id, None)]);
        let last = bed.history_of(&of).await.pop().unwrap();
        assert!(
            last.reason
                .starts_with("The criteria are met no longer: WON_DEALS 0 of 2"),
            "{}",
            last.reason
        );
        assert_eq!(bed.history_of(&of).await.len(), 6);
        assert_eq!(bed.history_of(&other).await.len(), 1);
        assert_eq!(bed.events_of("tier.assigned").await, 7);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commitment_at_risk_is_told_once_from_the_middle_of_the_year_on() {
    each(async |bed: Bed| {
        let with = |target| {
            let mut terms = bed.terms(2_000);
            terms.earning.commitment = Some(Commitment {
                unit: CommitmentUnit::Revenue,
                target,
            });
            terms
        };
        let slow = bed.partnership("slow", PartnerType::Channel, None).await;
        let good = bed.partnership("good", PartnerType::Channel, None).await;
        let none = bed.partnership("none", PartnerType::Channel, None).await;
        let free = bed.partnership("free", PartnerType::Channel, None).await;
        for of in [&slow, &good, &none] {
            bed.agreed(of, "2026-09-01", with(100_000)).await;
        }
        bed.agreed(&free, "2026-09-01", bed.terms(2_000)).await;
        for (key, of, minor) in [("s", &slow, 30_000), ("g", &good, 60_000)] {
            let on = "2026-09-20T10:00:00Z";
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
        }
        accrual::accrue(&bed.database, &bed.author("worker"))
            .await
            .unwrap();
        assert_eq!(bed.warned().await, Some(vec![]), "it is early in the year");
        assert_eq!(bed.warned().await, None, "once a day");
        bed.at("2027-03-01T12:00:00Z");
        assert_eq!(
            bed.warned().await,
            Some(vec![]),
            "the day before the middle"
        );
        bed.at("2027-03-03T12:00:00Z");
        let mut told = bed.warned().await.unwrap();
        told.sort_unstable();
        let mut expected = vec![slow.id, none.id];
        expected.sort_unstable();
        assert_eq!(told, expected);
        bed.at("2027-03-04T12:00:00Z");
        assert_eq!(bed.warned().await, Some(vec![]), "once a year");
        // Who goes on no more is at risk later in the year.
        bed.at("2027-05-01T12:00:00Z");
        assert_eq!(bed.warned().await, Some(vec![good.id]));
        assert_eq!(bed.events_of("commitment.at_risk").await, 3);
    })
    .await;
}
