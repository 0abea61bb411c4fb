//! What a won deal is worth is booked as it is won, corrected by difference and taken back when it is open again: on both databases.

use crate::bed::{Bed, each};
use crate::programme::{at, bp, eur};
use entities::accrual::{self, accrue};
use entities::change::Origin;
use entities::commission_rule::{ReferralTrigger, RevenueBase};
use entities::deal::{self, DealPatch, DealStage, NewDeal};
use entities::deal_partner::DealPartnerRole::{self, Influenced, Referred, Resold};
use entities::deal_partner::{self, Share};
use entities::id::PartnershipId;
use entities::ledger_entry::LedgerKind;
use entities::money::{Currency, Money};
use entities::partnership::{self, PartnerType};
use entities::revenue_event::{self, RevenueKind};
use entities::revenue_share::Referral;
use entities::viewer::Viewer;
use entities::visible::{self, Visible as _};
use sea_orm::{EntityTrait as _, QueryOrder as _};
use std::collections::BTreeMap;

/// What each partnership has of its deals, by currency; nothing where it is nothing.
type Sums = BTreeMap<(PartnershipId, Currency), i64>;

impl Bed {
    async fn sums(&self) -> Sums {
        let mut sums = Sums::new();
        for entry in self.entries().await {
            *sums
                .entry((entry.partnership_id, entry.amount_currency))
                .or_default() += entry.amount_minor;
        }
        sums.retain(|_, sum| *sum != 0);
        sums
    }

    async fn booked(&self) -> Vec<revenue_event::Model> {
        revenue_event::Entity::visible_to(&Viewer::system("test"))
            .order_by_asc(revenue_event::Column::Id)
            .all(self.database.read())
            .await
            .unwrap()
    }

    /// Partners who share in what is booked.
    async fn booking(&self, name: &str, rate: i32) -> partnership::Model {
        let of = self.partnership(name, PartnerType::Technology, None).await;
        let mut terms = self.terms(rate);
        terms.earning.base = Some(RevenueBase::Booked);
        self.agreed(&of, "2026-09-01", terms).await;
        of
    }

    async fn accrued(&self) -> accrual::Run {
        accrue(&self.database, &self.author("worker"))
            .await
            .unwrap()
    }

    /// Changes a deal as an origin does, and computes what waits.
    async fn changed(&self, origin: Origin, deal: &deal::Model, patch: DealPatch) -> deal::Model {
        self.clock.advance_millis(1_000);
        let mut change = self.change_of("crm", origin).await;
        let system = Viewer::system("test");
        let row = visible::lock_all::<deal::Entity>(&change, &system, [deal.id.0])
            .await
            .unwrap()
            .remove(0);
        let row = deal::update(&mut change, row, patch).await.unwrap();
        change.commit().await.unwrap();
        self.accrued().await;
        row
    }

    async fn shared(
        &self,
        deal: &deal::Model,
        shares: &[(&partnership::Model, DealPartnerRole, i32)],
    ) {
        self.clock.advance_millis(1_000);
        let mut change = self.change_of("crm", Origin::Sync).await;
        let shares = shares.iter().map(|(of, role, weight)| Share {
            partnership_id: of.id,
            role: *role,
            weight_bp: bp(*weight),
        });
        deal_partner::attribute(&mut change, &[(deal.clone(), shares.collect())])
            .await
            .unwrap();
        change.commit().await.unwrap();
        self.accrued().await;
    }

    /// A deal that a backfill brings.
    async fn old(&self, name: &str, amount: Option<Money>, of: &partnership::Model) -> deal::Model {
        let mut change = self.change_of("crm", Origin::Backfill).await;
        let new = NewDeal {
            name: name.to_owned(),
            customer_id: None,
            stage: DealStage::Won,
            source_stage: None,
            amount,
            expected_close_on: None,
            closed_at: Some(at("2026-09-10T10:00:00Z")),
            lost_reason: None,
            owner_name: None,
            owner_email: None,
            products: vec![],
            archived: false,
        };
        let made = deal::create(&mut change, vec![new])
            .await
            .unwrap()
            .remove(0);
        let share = Share {
            partnership_id: of.id,
            role: Resold,
            weight_bp: bp(10_000),
        };
        deal_partner::attribute(&mut change, &[(made.clone(), vec![share])])
            .await
            .unwrap();
        change.commit().await.unwrap();
        made
    }
}

fn amount(amount: Option<Money>) -> DealPatch {
    DealPatch {
        amount: Some(amount),
        ..DealPatch::default()
    }
}

fn stage(stage: DealStage) -> DealPatch {
    DealPatch {
        stage: Some(stage),
        ..DealPatch::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_won_deal_is_booked_corrected_by_difference_and_taken_back() {
    each(async |bed: Bed| {
        let (a, b) = (bed.booking("a", 2_000).await, bed.booking("b", 1_000).await);
        let c = bed.booking("c", 5_000).await;
        let shares = [(&a, Resold, 6_000), (&b, Resold, 4_000)];
        let deal = bed
            .deal_with("one", DealStage::Committed, Some(eur(90_000)), &shares)
            .await;
        assert_eq!(
            bed.booked().await,
            [],
            "what is open is booked with nothing"
        );

        let deal = bed
            .changed(Origin::Sync, &deal, stage(DealStage::Won))
            .await;
        let euros = |sums: &[(&partnership::Model, i64)]| -> Sums {
            let key = |of: &partnership::Model| (of.id, Currency::EUR);
            sums.iter().map(|(of, sum)| (key(of), *sum)).collect()
        };
        assert_eq!(bed.sums().await, euros(&[(&a, 10_800), (&b, 3_600)]));

        // Told again, nothing is written.
        let told = bed.booked().await.len();
        bed.changed(Origin::Sync, &deal, stage(DealStage::Won))
            .await;
        bed.changed(Origin::Sync, &deal, amount(Some(eur(90_000))))
            .await;
        bed.shared(&deal, &shares).await;
        assert_eq!((told, bed.booked().await.len()), (1, 1));

        bed.changed(Origin::Sync, &deal, amount(Some(eur(120_000))))
            .await;
        assert_eq!(bed.sums().await, euros(&[(&a, 14_400), (&b, 4_800)]));
        bed.changed(Origin::Sync, &deal, amount(Some(eur(30_000))))
            .await;
        assert_eq!(bed.sums().await, euros(&[(&a, 3_600), (&b, 1_200)]));

        let dollars = Money {
            minor: 50_000,
            currency: "USD".parse().unwrap(),
        };
        bed.changed(Origin::Sync, &deal, amount(Some(dollars)))
            .await;
        let usd = |of: &partnership::Model| (of.id, dollars.currency);
        let expected = Sums::from([(usd(&a), 6_000), (usd(&b), 2_000)]);
        assert_eq!(bed.sums().await, expected);
        bed.changed(Origin::Sync, &deal, amount(None)).await;
        assert_eq!(
            bed.sums().await,
            Sums::new(),
            "an unknown amount is no amount"
        );
        let deal = bed
            .changed(Origin::Sync, &deal, amount(Some(eur(100_000))))
            .await;
        assert_eq!(bed.sums().await, euros(&[(&a, 12_000), (&b, 4_000)]));

        // Another partner, and other weights: who was there gives back what the present ones earn.
        bed.shared(&deal, &[(&a, Resold, 2_000), (&c, Resold, 8_000)])
            .await;
        assert_eq!(bed.sums().await, euros(&[(&a, 4_000), (&c, 40_000)]));
        let told = bed.booked().await.len();
        bed.shared(
            &deal,
            &[
                (&a, Resold, 2_000),
                (&c, Resold, 8_000),
                (&b, Influenced, 10_000),
            ],
        )
        .await;
        assert_eq!(bed.booked().await.len(), told, "influence earns nothing");

        let archived = |archived| DealPatch {
            archived: Some(archived),
            ..DealPatch::default()
        };
        bed.changed(Origin::Sync, &deal, archived(true)).await;
        assert_eq!(bed.sums().await, Sums::new());
        bed.changed(Origin::Sync, &deal, archived(false)).await;
        assert_eq!(bed.sums().await, euros(&[(&a, 4_000), (&c, 40_000)]));

        bed.changed(Origin::Sync, &deal, stage(DealStage::Committed))
            .await;
        assert_eq!(bed.sums().await, Sums::new());
        let lost = DealPatch {
            lost_reason: Some(Some("price".to_owned())),
            ..stage(DealStage::Lost)
        };
        bed.changed(Origin::Sync, &deal, lost).await;
        bed.changed(Origin::Sync, &deal, stage(DealStage::Won))
            .await;
        assert_eq!(bed.sums().await, euros(&[(&a, 4_000), (&c, 40_000)]));
        // Nothing is deleted, and the bookings themselves come to what the deal is worth.
        let booked = bed.booked().await;
        let net: i64 = booked
            .iter()
            .filter(|row| row.amount_currency == Currency::EUR)
            .map(|row| row.net().minor)
            .sum();
        assert_eq!(net, 100_000);
        let notes = |row: &&revenue_event::Model| row.kind == RevenueKind::CreditNote;
        let said = entities::revenue_reversal::Entity::find()
            .all(bed.database.read())
            .await
            .unwrap();
        assert_eq!(booked.iter().filter(notes).count(), said.len());
        assert_eq!(bed.accrued().await.id, None, "nothing waits");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn corrections_that_come_before_anything_was_computed_come_to_the_same() {
    each(async |bed: Bed| {
        let (a, b) = (bed.booking("a", 2_000).await, bed.booking("b", 1_000).await);
        let deal = bed
            .deal_with(
                "one",
                DealStage::Won,
                Some(eur(90_000)),
                &[(&a, Resold, 10_000)],
            )
            .await;
        for (shares, minor) in [(&b, 40_000), (&a, 50_000), (&b, 60_000)] {
            bed.clock.advance_millis(1_000);
            let mut change = bed.change_of("crm", Origin::Sync).await;
            let system = Viewer::system("test");
            let row = visible::lock_all::<deal::Entity>(&change, &system, [deal.id.0])
                .await
                .unwrap()
                .remove(0);
            let row = deal::update(&mut change, row, amount(Some(eur(minor))))
                .await
                .unwrap();
            let share = Share {
                partnership_id: shares.id,
                role: Resold,
                weight_bp: bp(10_000),
            };
            deal_partner::attribute(&mut change, &[(row, vec![share])])
                .await
                .unwrap();
            change.commit().await.unwrap();
        }
        bed.accrued().await;
        let expected = Sums::from([((b.id, Currency::EUR), 6_000)]);
        assert_eq!(bed.sums().await, expected);
        assert_eq!(bed.accrued().await.id, None);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn won_deals_of_history_earn_nothing_until_they_are_asked_for_whatever_becomes_of_them() {
    each(async |bed: Bed| {
        let (a, b) = (bed.booking("a", 2_000).await, bed.booking("b", 1_000).await);
        let kept = bed.old("kept", Some(eur(10_000)), &a).await;
        let corrected = bed.old("corrected", Some(eur(20_000)), &a).await;
        let reopened = bed.old("reopened", Some(eur(40_000)), &a).await;
        let late = bed.old("late", None, &a).await;
        let again = bed.old("again", Some(eur(80_000)), &a).await;
        assert_eq!(bed.accrued().await.id, None);

        bed.changed(Origin::Sync, &corrected, amount(Some(eur(30_000))))
            .await;
        bed.shared(&corrected, &[(&b, Resold, 10_000)]).await;
        bed.changed(Origin::Sync, &reopened, stage(DealStage::Committed))
            .await;
        bed.changed(Origin::Sync, &late, amount(Some(eur(70_000))))
            .await;
        assert_eq!(
            bed.entries().await,
            [],
            "history does not act by being corrected"
        );
        // A deal that is won a second time is won now.
        bed.changed(Origin::Sync, &again, stage(DealStage::Qualified))
            .await;
        assert_eq!(bed.entries().await, []);
        bed.changed(Origin::Sync, &again, stage(DealStage::Won))
            .await;
        let now = Sums::from([((a.id, Currency::EUR), 16_000)]);
        assert_eq!(bed.sums().await, now);
        assert_eq!(
            bed.accrued().await.id,
            None,
            "what waits for history is left alone"
        );

        let author = bed.author("worker");
        let from = at("2026-09-01T00:00:00Z");
        let seen = accrual::preview_history(&bed.database, &author, from)
            .await
            .unwrap();
        let run = accrual::accrue_history(&bed.database, &author, from, &seen.result_hash)
            .await
            .unwrap();
        assert_eq!(run.sums, seen.sums, "what was previewed is what comes");
        let expected = Sums::from([
            // Kept, late, and won again.
            ((a.id, Currency::EUR), 2_000 + 14_000 + 16_000),
            ((b.id, Currency::EUR), 3_000),
        ]);
        assert_eq!(bed.sums().await, expected);
        assert_eq!(bed.accrued().await.id, None);

        // What has been asked for is now as anything else: corrected by difference.
        bed.changed(Origin::Sync, &kept, amount(Some(eur(15_000))))
            .await;
        bed.changed(Origin::Sync, &late, stage(DealStage::Committed))
            .await;
        let expected = Sums::from([
            ((a.id, Currency::EUR), 3_000 + 16_000),
            ((b.id, Currency::EUR), 3_000),
        ]);
        assert_eq!(bed.sums().await, expected);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refund_of_historys_payment_waits_for_it() {
    each(async |bed: Bed| {
        let of = bed.partnership("a", PartnerType::Technology, None).await;
        bed.agreed(&of, "2026-09-01", bed.terms(2_000)).await;
        let deal = bed
            .deal_with("one", DealStage::Committed, None, &[(&of, Resold, 10_000)])
            .await;
        let (paid, refunded) = ("2026-09-05T10:00:00Z", "2026-09-22T10:00:00Z");
        let id = Some(deal.id);
        bed.told(
            Origin::Backfill,
            "p",
            RevenueKind::Payment,
            eur(10_000),
            paid,
            id,
            None,
        )
        .await;
        bed.told(
            Origin::Sync,
            "r",
            RevenueKind::Refund,
            eur(4_000),
            refunded,
            id,
            None,
        )
        .await;
        assert_eq!(bed.accrued().await.entries, 0);
        assert_eq!(
            bed.accrued().await.id,
            None,
            "it is not tried again and again"
        );
        let author = bed.author("worker");
        let from = at("2026-09-01T00:00:00Z");
        let seen = accrual::preview_history(&bed.database, &author, from)
            .await
            .unwrap();
        assert_eq!(seen.sums[&(of.id, Currency::EUR)], 1_200);
        accrual::accrue_history(&bed.database, &author, from, &seen.result_hash)
            .await
            .unwrap();
        let expected = Sums::from([((of.id, Currency::EUR), 1_200)]);
        assert_eq!(bed.sums().await, expected);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fee_for_a_closing_is_paid_once_however_the_deal_is_corrected() {
    each(async |bed: Bed| {
        let of = bed.partnership("a", PartnerType::Referral, None).await;
        let mut terms = bed.terms(2_000);
        terms.revenue_share = None;
        terms.earning.referral = Some(Referral::Fixed(700));
        terms.earning.referral_trigger = Some(ReferralTrigger::OnClose);
        bed.agreed(&of, "2026-09-01", terms).await;
        let deal = bed
            .deal_with(
                "one",
                DealStage::Qualified,
                None,
                &[(&of, Referred, 10_000)],
            )
            .await;
        bed.clock.advance_millis(1_000);
        let mut change = bed.by("seller").await;
        let row = visible::lock_all::<deal::Entity>(&change, &Viewer::system("t"), [deal.id.0])
            .await
            .unwrap()
            .remove(0);
        let deal = deal::win(&mut change, row, Some(eur(50_000)), None)
            .await
            .unwrap();
        change.commit().await.unwrap();
        bed.accrued().await;
        let fee = Sums::from([((of.id, Currency::EUR), 700)]);
        assert_eq!(bed.sums().await, fee);
        // What the customer pays then earns no second one.
        let paid = "2026-09-25T10:00:00Z";
        bed.told(
            Origin::Sync,
            "p",
            RevenueKind::Payment,
            eur(50_000),
            paid,
            Some(deal.id),
            None,
        )
        .await;
        bed.accrued().await;
        assert_eq!(bed.sums().await, fee);
        bed.changed(Origin::Sync, &deal, amount(Some(eur(60_000))))
            .await;
        assert_eq!(bed.sums().await, fee);
        let fees = |entries: Vec<entities::ledger_entry::Model>| {
            let kinds = entries.iter().map(|entry| (entry.kind, entry.amount_minor));
            kinds.collect::<Vec<_>>()
        };
        let all = [
            (LedgerKind::ReferralFee, 700),
            (LedgerKind::Clawback, -700),
            (LedgerKind::ReferralFee, 700),
        ];
        assert_eq!(fees(bed.entries().await), all);
        bed.changed(Origin::Sync, &deal, stage(DealStage::Lost))
            .await;
        assert_eq!(bed.sums().await, Sums::new());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_reads_anew_what_was_there_lets_its_money_rest() {
    each(async |bed: Bed| {
        let a = bed.booking("a", 2_000).await;
        let deal = bed
            .deal_with(
                "one",
                DealStage::Committed,
                Some(eur(9_000)),
                &[(&a, Resold, 10_000)],
            )
            .await;
        let mut change = bed.change_of("crm", Origin::Sync).await;
        change.let_money_rest();
        let row = deal::update(&mut change, deal, stage(DealStage::Won))
            .await
            .unwrap();
        change.commit().await.unwrap();
        assert_eq!(bed.accrued().await.id, None);
        assert_eq!(bed.booked().await.len(), 1);
        // Nor is it earned by being corrected.
        bed.changed(Origin::Sync, &row, amount(Some(eur(10_000))))
            .await;
        assert_eq!(bed.entries().await, []);
    })
    .await;
}
