//! What is earned is approved, stated, disputed and paid by two people: on both databases.

use crate::bed::{Bed, each};
use crate::programme::{at, day, eur, refusal};
use entities::accrual::accrue;
use entities::change::Origin;
use entities::error::ViolationCode;
use entities::ledger_dispute::DisputeStatus;
use entities::ledger_entry::{LedgerKind, LedgerStatus, NewAdjustment, Step};
use entities::money::{Currency, Money};
use entities::partnership::PartnerType;
use entities::payout::PayoutStatus;
use entities::program::ProgramPatch;
use entities::revenue_event::RevenueKind;
use entities::viewer::Viewer;
use entities::{ledger_dispute, ledger_entry, payout, program, revenue_event, statement, visible};

// The bed's clock starts on 2026-09-21.

#[tokio::test(flavor = "multi_thread")]
async fn what_is_earned_is_approved_stated_disputed_and_paid_by_two_people() {
    each(async |bed: Bed| {
        let of = bed
            .partnership("=Evil, Inc.", PartnerType::Technology, None)
            .await;
        bed.agreed(&of, "2026-09-01", bed.terms(2_000)).await;
        for (key, minor) in [("p1", 10_000), ("p2", 20_000), ("p3", 30_000)] {
            bed.told(
                Origin::Sync,
                key,
                RevenueKind::Payment,
                eur(minor),
                "2026-09-21T12:00:00Z",
                None,
                Some(&of),
            )
            .await;
        }
        accrue(&bed.database, &bed.author("worker")).await.unwrap();
        let entries = bed.entries().await;
        let ids: Vec<_> = entries.iter().map(|row| row.id).collect();
        let mut change = bed.by("finance").await;
        ledger_entry::step(&mut change, &ids[..2], Step::Approve)
            .await
            .unwrap();
        let twice = ledger_entry::step(&mut change, &ids[..1], Step::Approve).await;
        assert_eq!(refusal(twice).0, ViolationCode::TransitionNotAllowed);
        change.commit().await.unwrap();
        // The partner objects to the second, which stops it; another partner cannot.
        let them = bed.partner_viewer(of.partner_id);
        let other = bed.partnership("b", PartnerType::Technology, None).await;
        let mut change = bed.by("them").await;
        let strangers = ledger_dispute::raise(
            &mut change,
            &bed.partner_viewer(other.partner_id),
            ids[1],
            "no".to_owned(),
        )
        .await;
        assert_eq!(refusal(strangers).0, ViolationCode::NotFound);
        let dispute = ledger_dispute::raise(&mut change, &them, ids[1], "too little".to_owned())
            .await
            .unwrap();
        let again =
            ledger_dispute::raise(&mut change, &them, ids[1], "too little".to_owned()).await;
        assert_eq!(refusal(again).0, ViolationCode::Taken);
        change.commit().await.unwrap();
        assert_eq!(bed.entries().await[1].status, LedgerStatus::Held);

        let mut change = bed.by("worker").await;
        assert_eq!(
            ledger_entry::release_payable(&mut change, day("2026-09-20"))
                .await
                .unwrap(),
            0
        );
        assert_eq!(
            ledger_entry::release_payable(&mut change, day("2026-09-21"))
                .await
                .unwrap(),
            1
        );
        change.commit().await.unwrap();
        let mut change = bed.by("finance").await;
        let made = payout::create(&mut change, "2026-09".to_owned(), None)
            .await
            .unwrap();
        assert_eq!(
            (made.len(), made[0].amount(), made[0].four_eyes),
            (1, eur(2_000), true)
        );
        assert_eq!(
            payout::create(&mut change, "2026-09".to_owned(), None)
                .await
                .unwrap(),
            [],
            "an entry is in one payout"
        );
        let alone = payout::approve(&mut change, made[0].clone()).await;
        assert_eq!(
            refusal(alone),
            (ViolationCode::Locked, "approvedBy".to_owned())
        );
        change.commit().await.unwrap();
        assert_eq!(
            bed.count::<payout::Entity>(&them).await,
            0,
            "a draft is ours"
        );
        let mut change = bed.by("second").await;
        let row = payout::approve(&mut change, made[0].clone()).await.unwrap();
        let row = payout::process(&mut change, row).await.unwrap();
        let row = payout::fail(&mut change, row, "no such account".to_owned())
            .await
            .unwrap();
        assert_eq!(
            refusal(payout::pay(&mut change, row.clone(), "x".to_owned()).await).0,
            ViolationCode::TransitionNotAllowed
        );
        let row = payout::process(&mut change, row).await.unwrap();
        let row = payout::pay(&mut change, row, "T-1".to_owned())
            .await
            .unwrap();
        assert_eq!((row.status, row.attempts), (PayoutStatus::Paid, 2));
        change.commit().await.unwrap();
        let csv = payout::to_csv(bed.database.read(), &Viewer::system("t"), "2026-09")
            .await
            .unwrap();
        let line = csv.lines().nth(1).unwrap();
        assert!(
            line.contains("\"'=Evil, Inc.\",20.00,EUR,PAID,second,T-1"),
            "{csv}"
        );
        assert_eq!(csv.lines().count(), 2);

        bed.at("2026-10-02T00:00:00Z");
        let mut change = bed.by("finance").await;
        let utc = entities::calendar::Zone::UTC;
        let early = statement::finalize(
            &mut change,
            of.partner_id,
            Currency::EUR,
            day("2026-10-03"),
            utc,
        )
        .await;
        assert_eq!(refusal(early).1, "endsOn");
        let first = statement::finalize(
            &mut change,
            of.partner_id,
            Currency::EUR,
            day("2026-10-01"),
            utc,
        )
        .await
        .unwrap();
        assert_eq!(
            (
                first.opening_minor,
                first.earned_minor,
                first.clawed_back_minor,
                first.paid_minor,
                first.closing_minor
            ),
            (0, 12_000, 0, 2_000, 10_000)
        );
        let told = ledger_entry::step(&mut change, &ids[2..], Step::Void("wrong".to_owned())).await;
        assert_eq!(
            refusal(told).0,
            ViolationCode::Locked,
            "a statement has told of it"
        );
        let resolved = ledger_dispute::resolve(
            &mut change,
            dispute,
            DisputeStatus::Rejected,
            "It is right.".to_owned(),
            None,
        )
        .await
        .unwrap();
        assert_eq!(resolved.status, DisputeStatus::Rejected);
        change.commit().await.unwrap();
        assert_eq!(bed.entries().await[1].status, LedgerStatus::Pending);

        // A refund of what was paid: a clawback that the next payout takes into account.
        let system = Viewer::system("t");
        let paid = revenue_event::find_all(bed.database.read(), revenue_event::MANUAL, &["p1"])
            .await
            .unwrap()
            .remove(0);
        let mut change = bed.by("finance").await;
        let most = revenue_event::refund(
            &mut change,
            &paid,
            "r0".to_owned(),
            eur(10_001),
            at("2026-10-02T00:00:00Z"),
        )
        .await;
        assert_eq!(refusal(most).1, "amount");
        revenue_event::refund(
            &mut change,
            &paid,
            "r1".to_owned(),
            eur(10_000),
            at("2026-10-02T00:00:00Z"),
        )
        .await
        .unwrap();
        let most = revenue_event::refund(
            &mut change,
            &paid,
            "r2".to_owned(),
            eur(1),
            at("2026-10-02T00:00:00Z"),
        )
        .await;
        assert_eq!(refusal(most).1, "amount");
        change.commit().await.unwrap();
        accrue(&bed.database, &bed.author("worker")).await.unwrap();
        let claw = bed
            .entries()
            .await
            .into_iter()
            .find(|row| row.kind == LedgerKind::Clawback)
            .unwrap();
        assert_eq!(
            (claw.amount_minor, claw.status, claw.reverses_id),
            (-2_000, LedgerStatus::Payable, Some(ids[0]))
        );
        bed.at("2026-11-01T00:00:00Z");
        let mut change = bed.by("finance").await;
        assert_eq!(
            payout::create(&mut change, "2026-10".to_owned(), None)
                .await
                .unwrap(),
            [],
            "who owes is not paid"
        );
        let second = statement::finalize(
            &mut change,
            of.partner_id,
            Currency::EUR,
            day("2026-11-01"),
            utc,
        )
        .await
        .unwrap();
        assert_eq!(
            (
                second.opening_minor,
                second.earned_minor,
                second.clawed_back_minor,
                second.paid_minor,
                second.closing_minor
            ),
            (10_000, 0, 2_000, 0, 8_000)
        );
        change.commit().await.unwrap();
        let balances = ledger_entry::balances(bed.database.read(), &system, &[of.partner_id])
            .await
            .unwrap();
        assert_eq!(
            balances.iter().map(|one| one.minor).sum::<i64>(),
            second.closing_minor
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_objected_to_is_not_let_go_and_an_answer_lifts_no_other_hold() {
    each(async |bed: Bed| {
        let of = bed.partnership("a", PartnerType::Technology, None).await;
        bed.agreed(&of, "2026-09-01", bed.terms(2_000)).await;
        for key in ["p1", "p2"] {
            let on = "2026-09-21T12:00:00Z";
            let kind = RevenueKind::Payment;
            bed.told(Origin::Sync, key, kind, eur(10_000), on, None, Some(&of))
                .await;
        }
        accrue(&bed.database, &bed.author("worker")).await.unwrap();
        let ids: Vec<_> = bed.entries().await.iter().map(|row| row.id).collect();
        let hold = || Step::Hold("Fraud?".to_owned());
        let them = bed.partner_viewer(of.partner_id);
        // The first was stopped by us before the partner objected, the second is stopped by its objection.
        let mut change = bed.by("finance").await;
        ledger_entry::step(&mut change, &ids[..1], hold())
            .await
            .unwrap();
        change.commit().await.unwrap();
        let mut disputes = Vec::new();
        for id in &ids {
            let mut change = bed.by("them").await;
            let claim = "too little".to_owned();
            disputes.push(
                ledger_dispute::raise(&mut change, &them, *id, claim)
                    .await
                    .unwrap(),
            );
            change.commit().await.unwrap();
        }
        for id in &ids {
            let mut change = bed.by("finance").await;
            let released = ledger_entry::step(&mut change, &[*id], Step::Release).await;
            assert_eq!(
                refusal(released),
                (ViolationCode::Locked, "ids".to_owned()),
                "the objection is open"
            );
            change.rollback().await.unwrap();
        }
        for dispute in disputes {
            let mut change = bed.by("them").await;
            let (status, words) = (DisputeStatus::Withdrawn, "never mind".to_owned());
            ledger_dispute::resolve(&mut change, dispute, status, words, None)
                .await
                .unwrap();
            change.commit().await.unwrap();
        }
        let statuses: Vec<_> = bed.entries().await.iter().map(|row| row.status).collect();
        assert_eq!(
            statuses,
            [LedgerStatus::Held, LedgerStatus::Pending],
            "our hold stays"
        );
        let mut change = bed.by("finance").await;
        ledger_entry::step(&mut change, &ids[..1], Step::Release)
            .await
            .unwrap();
        change.commit().await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn payouts_are_gathered_by_partner_and_currency_and_each_has_the_limit_of_its_programme() {
    each(async |bed: Bed| {
        let program = bed.program().await;
        let mut change = bed.by("staff").await;
        let (system, id) = (Viewer::system("t"), program.id.0);
        let row = visible::lock_one::<program::Entity>(&change, &system, id, None).await;
        let patch = ProgramPatch {
            four_eyes_minor: Some(3_000),
            ..ProgramPatch::default()
        };
        program::update(&mut change, row.unwrap(), patch)
            .await
            .unwrap();
        change.commit().await.unwrap();
        let kind = PartnerType::Technology;
        let (mut of, usd) = (Vec::new(), Currency::USD);
        for name in ["little", "much", "owes", "abroad"] {
            of.push(bed.partnership(name, kind, Some(&program)).await);
        }
        of.push(bed.partnership("alone", kind, None).await);
        let mut change = bed.by("finance").await;
        let amounts = [
            (0, eur(2_000)),
            (0, eur(1_500)),
            (0, eur(-500)),
            (1, eur(3_001)),
            (2, eur(1_000)),
            (2, eur(-1_000)),
            (3, eur(10)),
            (
                3,
                Money {
                    minor: 20,
                    currency: usd,
                },
            ),
            (4, eur(30)),
        ];
        let inputs = amounts.map(|(place, amount)| NewAdjustment {
            partnership_id: of[place].id,
            amount,
            reason: "so it was agreed".to_owned(),
            available_on: day("2026-09-21"),
        });
        let made = ledger_entry::adjust(&mut change, inputs.to_vec())
            .await
            .unwrap();
        let ids: Vec<_> = made.iter().map(|row| row.id).collect();
        ledger_entry::step(&mut change, &ids, Step::Approve)
            .await
            .unwrap();
        ledger_entry::release_payable(&mut change, day("2026-09-21"))
            .await
            .unwrap();
        let made = payout::create(&mut change, "2026-09".to_owned(), None)
            .await
            .unwrap();
        change.commit().await.unwrap();
        let mut shown: Vec<_> = made
            .iter()
            .map(|row| {
                let place = of.iter().position(|of| of.partner_id == row.partner_id);
                (place.unwrap(), row.amount(), row.entries, row.four_eyes)
            })
            .collect();
        shown.sort_by_key(|(place, amount, ..)| (*place, amount.minor));
        let dollars = Money {
            minor: 20,
            currency: usd,
        };
        assert_eq!(
            shown,
            [
                (0, eur(3_000), 3, false),
                (1, eur(3_001), 1, true),
                (3, eur(10), 1, false),
                (3, dollars, 1, true),
                (4, eur(30), 1, true),
            ]
        );
        let free = bed.entries().await;
        let free = free.iter().filter(|row| row.payout_id.is_none()).count();
        assert_eq!(free, 2, "what comes to nothing stays");
    })
    .await;
}
