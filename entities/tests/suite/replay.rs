//! The same inputs come to the same entries and the same hash, computed at once or one by one: on both databases.

use crate::bed::{Bed, each};
use crate::ledger::with_bonus;
use crate::programme::{at, eur};
use entities::accrual;
use entities::accrual::accrue;
use entities::change::Origin;
use entities::deal::DealStage;
use entities::deal_partner::DealPartnerRole::{Resold, Sourced};
use entities::ledger_entry::LedgerKind;
use entities::partnership::PartnerType;
use entities::revenue_event::RevenueKind;
use entities::revenue_share::BonusBasis;

// The bed's clock starts on 2026-09-21.

#[tokio::test(flavor = "multi_thread")]
async fn the_same_inputs_have_the_same_hash() {
    each(async |bed: Bed| {
        let hash = async |bed: &Bed, name: &str| {
            let of = bed.partnership(name, PartnerType::Technology, None).await;
            bed.agreed(
                &of,
                "2026-09-01",
                with_bonus(bed, BonusBasis::AllEligibleRevenue),
            )
            .await;
            for n in 0..20 {
                let on = format!("2026-09-22T10:00:{:02}Z", n * 7 % 20);
                bed.told(
                    Origin::Backfill,
                    &format!("{name}{n}"),
                    RevenueKind::Payment,
                    eur(7_777 + n),
                    &on,
                    None,
                    Some(&of),
                )
                .await;
            }
            let from = at("2026-09-01T00:00:00Z");
            let before = accrual::preview_history(&bed.database, &bed.author("a"), from)
                .await
                .unwrap();
            let again = accrual::preview_history(&bed.database, &bed.author("b"), from)
                .await
                .unwrap();
            let (author, hash) = (bed.author("c"), &before.result_hash);
            let run = accrual::accrue_history(&bed.database, &author, from, hash)
                .await
                .unwrap();
            assert_eq!(
                (&before.result_hash, &again.result_hash),
                (&run.result_hash, &run.result_hash)
            );
            assert!(run.entries > 20);
            run.result_hash
        };
        let one = hash(&bed, "a").await;
        assert_ne!(one, hash(&bed, "b").await, "other inputs, another hash");
    })
    .await;
}

/// Payments and refunds of deals that two partnerships share, in an order of their own.
async fn play(bed: &Bed, each_on_its_own: bool) -> (Vec<(LedgerKind, i64)>, i64) {
    let mut partnerships = Vec::new();
    for (name, basis) in [
        ("a", BonusBasis::AllEligibleRevenue),
        ("b", BonusBasis::AboveCommitment),
    ] {
        let of = bed.partnership(name, PartnerType::Technology, None).await;
        bed.agreed(&of, "2026-09-01", with_bonus(bed, basis)).await;
        partnerships.push(of);
    }
    let mut deals = Vec::new();
    for n in 0..4_i32 {
        let shares = [
            (&partnerships[0], Sourced, 10_000 - 2_500 * n),
            (&partnerships[1], Resold, 2_500 * n),
        ];
        deals.push(
            bed.deal_with(&format!("d{n}"), DealStage::Won, None, &shares)
                .await,
        );
    }
    // A sequence that looks like chance and is always the same.
    let mut state = 7_u64;
    let mut next = |below: u64| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    let author = bed.author("worker");
    let mut paid = [0_i64; 4];
    for n in 0..60 {
        let place = usize::try_from(next(4)).unwrap();
        let amount = i64::try_from(next(60_000) + 1).unwrap();
        let on = format!("2026-09-22T10:{n:02}:00Z");
        let (kind, amount) = if n % 3 == 2 && paid[place] > 0 {
            let whole = next(3) == 0;
            (
                RevenueKind::Refund,
                if whole {
                    paid[place]
                } else {
                    amount.min(paid[place])
                },
            )
        } else {
            (RevenueKind::Payment, amount)
        };
        paid[place] += if kind == RevenueKind::Refund {
            -amount
        } else {
            amount
        };
        bed.told(
            Origin::Sync,
            &format!("e{n}"),
            kind,
            eur(amount),
            &on,
            Some(deals[place].id),
            None,
        )
        .await;
        if each_on_its_own {
            accrue(&bed.database, &author).await.unwrap();
        }
    }
    accrue(&bed.database, &author).await.unwrap();
    let halfway = bed.entries().await;
    for (place, left) in paid.iter().enumerate().filter(|(_, left)| **left > 0) {
        let on = format!("2026-09-23T10:{place:02}:00Z");
        bed.told(
            Origin::Sync,
            &format!("end{place}"),
            RevenueKind::Refund,
            eur(*left),
            &on,
            Some(deals[place].id),
            None,
        )
        .await;
    }
    accrue(&bed.database, &author).await.unwrap();
    let entries = bed.entries().await;
    for entry in entries.iter().filter(|entry| entry.reverses_id.is_none()) {
        let back: i64 = entries
            .iter()
            .filter(|one| one.reverses_id == Some(entry.id))
            .map(|one| one.amount_minor)
            .sum();
        assert_eq!(
            entry.amount_minor + back,
            0,
            "everything refunded is nothing earned"
        );
    }
    let shown = halfway
        .iter()
        .map(|entry| (entry.kind, entry.amount_minor))
        .collect();
    (shown, entries.iter().map(|entry| entry.amount_minor).sum())
}

#[tokio::test(flavor = "multi_thread")]
async fn computed_at_once_or_one_by_one_it_is_the_same() {
    each(async |bed: Bed| {
        let (mut one_by_one, nothing) = play(&bed, true).await;
        assert_eq!(nothing, 0);
        let other = tokio::sync::Mutex::new(Vec::new());
        each(async |again: Bed| {
            let (entries, nothing) = play(&again, false).await;
            assert_eq!(nothing, 0);
            *other.lock().await = entries;
        })
        .await;
        let mut at_once = other.into_inner();
        assert!(at_once.len() > 80 && at_once.iter().any(|(kind, _)| *kind == LedgerKind::Bonus));
        one_by_one.sort_unstable();
        at_once.sort_unstable();
        assert_eq!(one_by_one, at_once);
    })
    .await;
}
