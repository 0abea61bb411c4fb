//! Agreements bind, and what they bind to is earned, explained, taken back, stated and paid: on both databases.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::panic,
    dead_code,
    reason = "tests fail by panicking"
)]

mod bed;
mod programme;

use bed::{Bed, each};
use entities::accrual::{self, accrue};
use entities::agreement::exclusivity::{Claim, Meeting, what_if};
use entities::agreement::{self, AgreementStatus, Exclusivity, NewAmendment, NewSignature, Scope};
use entities::agreement_signature::Side;
use entities::change::Origin;
use entities::commission_rule::{self, NewCommissionRule, Shortfall};
use entities::commitment_year::{self, YearStatus};
use entities::deal::DealStage;
use entities::deal_partner::DealPartnerRole::{Referred, Resold, Sourced};
use entities::error::ViolationCode;
use entities::ledger_dispute::{self, DisputeStatus};
use entities::ledger_entry::{self, LedgerKind, LedgerStatus, NewAdjustment, Step};
use entities::money::{Currency, Money};
use entities::obligation::{self, ObligationKind, ObligationStatus};
use entities::partnership::PartnerType;
use entities::payout::{self, PayoutStatus};
use entities::program::{self, ProgramPatch};
use entities::revenue_event::{self, RevenueKind};
use entities::revenue_share::{
    Bonus, BonusBasis, Commitment, CommitmentUnit, Referral, ShortfallPolicy,
};
use entities::statement;
use entities::viewer::Viewer;
use entities::visible;
use entities::{tier, tier_assignment};
use programme::{at, bp, day, eur, refusal};
use sea_orm::{ConnectionTrait, EntityTrait};

// The bed's clock starts on 2026-09-21.

#[tokio::test(flavor = "multi_thread")]
async fn an_agreement_goes_its_way_and_what_was_signed_stays() {
    each(async |bed: Bed| {
        let program = bed.program().await;
        let of = bed
            .partnership("a", PartnerType::Technology, Some(&program))
            .await;
        let row = bed.draft(&of, "2026-10-01", bed.terms(2_000)).await;
        let them = bed.partner_viewer(of.partner_id);
        assert_eq!(
            bed.count::<agreement::Entity>(&them).await,
            0,
            "a draft is ours"
        );
        let mut change = bed.by("staff").await;
        let amendment = NewAmendment {
            effective_on: day("2026-12-01"),
            terms: bed.terms(2_500),
            summary: "more".to_owned(),
        };
        let early = agreement::amend(&mut change, row.clone(), amendment.clone()).await;
        assert_eq!(
            refusal(early),
            (ViolationCode::TransitionNotAllowed, "status".to_owned())
        );
        let skipped =
            agreement::advance(&mut change, row.clone(), AgreementStatus::PendingSignature).await;
        assert_eq!(refusal(skipped).0, ViolationCode::TransitionNotAllowed);
        change.rollback().await.unwrap();
        let row = bed.to_signature(row).await;
        assert_eq!(bed.count::<agreement::Entity>(&them).await, 1);
        let mut change = bed.by("them").await;
        let wrong = NewSignature {
            side: Side::Partner,
            signer_name: "Jo".to_owned(),
            signer_title: "CEO".to_owned(),
            terms_hash: "0".repeat(64),
        };
        let wrong = agreement::sign(&mut change, row.clone(), wrong).await;
        assert_eq!(
            refusal(wrong),
            (ViolationCode::VersionConflict, "termsHash".to_owned())
        );
        change.rollback().await.unwrap();
        let row = bed.sign(row, Side::Us).await.unwrap();
        assert_eq!(
            refusal(bed.sign(row.clone(), Side::Us).await),
            (ViolationCode::Taken, "side".to_owned())
        );
        let row = bed.sign(row, Side::Partner).await.unwrap();
        assert_eq!(row.status, AgreementStatus::Signed);
        let signed = bed.version(&row).await;
        assert!(signed.is_intact(&row).unwrap());

        bed.at("2026-09-30T23:59:59Z");
        let mut change = bed.by("clock").await;
        assert_eq!(
            agreement::tend(&mut change, None, 10).await.unwrap().moved,
            []
        );
        change.rollback().await.unwrap();
        bed.at("2026-10-01T00:00:00Z");
        let mut change = bed.by("clock").await;
        let row = agreement::tend(&mut change, None, 10)
            .await
            .unwrap()
            .moved
            .remove(0);
        assert_eq!(
            (row.status, row.term, row.term_ends_on),
            (AgreementStatus::Active, 1, day("2027-10-01"))
        );
        assert_eq!(
            agreement::tend(&mut change, None, 10).await.unwrap().moved,
            [],
            "nothing twice"
        );
        change.commit().await.unwrap();
        let duties = obligation::Entity::find()
            .all(bed.database.read())
            .await
            .unwrap();
        let due = |kind| {
            duties
                .iter()
                .filter(|row| row.kind == kind)
                .map(|row| row.due_on)
                .collect::<Vec<_>>()
        };
        assert_eq!(due(ObligationKind::RenewalDecision), [day("2027-07-03")]);
        assert_eq!(due(ObligationKind::NoticeDeadline), [day("2027-07-03")]);
        assert_eq!(due(ObligationKind::Review).len(), 4);
        assert_eq!(
            bed.count::<obligation::Entity>(&them).await,
            duties.len() - 1,
            "our decision is ours"
        );

        // An amendment is another version, and what was signed is as it was.
        let mut change = bed.by("staff").await;
        agreement::amend(&mut change, row.clone(), amendment)
            .await
            .unwrap();
        let past = NewAmendment {
            effective_on: day("2026-09-30"),
            terms: bed.terms(2_500),
            summary: "back".to_owned(),
        };
        assert_eq!(
            refusal(agreement::amend(&mut change, row.clone(), past).await).1,
            "effectiveOn"
        );
        change.commit().await.unwrap();
        let row = bed.sign(row, Side::Us).await.unwrap();
        let row = bed.sign(row, Side::Partner).await.unwrap();
        let versions = entities::agreement_version::of_agreements(
            bed.database.read(),
            &Viewer::system("t"),
            &[row.id],
        )
        .await
        .unwrap();
        assert_eq!(
            versions.iter().map(|one| one.number).collect::<Vec<_>>(),
            [1, 2]
        );
        assert_eq!(versions[0], signed);

        // Renewed once a term; notice is kept; after it nothing is renewed.
        bed.at("2027-10-01T00:00:01Z");
        let mut change = bed.by("clock").await;
        let row = agreement::tend(&mut change, None, 10)
            .await
            .unwrap()
            .moved
            .remove(0);
        assert_eq!((row.term, row.term_ends_on), (2, day("2028-10-01")));
        let soon = agreement::give_notice(
            &mut change,
            row.clone(),
            Side::Us,
            "over".to_owned(),
            Some(day("2027-12-29")),
        )
        .await;
        assert_eq!(refusal(soon).1, "terminatesOn");
        let row = agreement::give_notice(&mut change, row, Side::Us, "over".to_owned(), None)
            .await
            .unwrap();
        assert_eq!(row.terminates_on, Some(day("2027-12-30")));
        assert!(row.binds_on(day("2027-12-29")) && !row.binds_on(day("2027-12-30")));
        change.commit().await.unwrap();
        bed.at("2027-12-30T00:00:00Z");
        let mut change = bed.by("clock").await;
        let row = agreement::tend(&mut change, None, 10)
            .await
            .unwrap()
            .moved
            .remove(0);
        assert_eq!(
            (row.status, row.ended_on),
            (AgreementStatus::Terminated, Some(day("2027-12-30")))
        );
        change.commit().await.unwrap();
        let duties = obligation::Entity::find()
            .all(bed.database.read())
            .await
            .unwrap();
        let open: Vec<_> = duties
            .iter()
            .filter(|row| row.status == ObligationStatus::Open && row.due_on >= day("2027-12-30"))
            .map(|row| (row.kind, row.due_on))
            .collect();
        assert_eq!(
            open,
            [(ObligationKind::ConfidentialityEnd, day("2029-12-30"))]
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn exclusive_scopes_never_overlap_and_another_agreement_takes_the_place_of_the_first() {
    each(async |bed: Bed| {
        let one = bed.partnership("a", PartnerType::Channel, None).await;
        let two = bed.partnership("b", PartnerType::Channel, None).await;
        let three = bed.partnership("c", PartnerType::Channel, None).await;
        let exclusive = |territory: &str| {
            let mut terms = bed.terms(2_000);
            terms.exclusivity = Exclusivity::Exclusive;
            terms.scope = Scope {
                territories: vec![territory.to_owned()],
                ..Scope::default()
            };
            terms
        };
        let first = bed.agreed(&one, "2026-09-01", exclusive("DE")).await;
        assert_eq!(first.status, AgreementStatus::Active);
        let row = bed.draft(&two, "2026-10-01", exclusive("de")).await;
        let row = bed.to_signature(row).await;
        let row = bed.sign(row, Side::Us).await.unwrap();
        assert_eq!(
            refusal(bed.sign(row, Side::Partner).await),
            (ViolationCode::Taken, "terms.scope".to_owned())
        );
        bed.agreed(&two, "2026-09-01", exclusive("FR")).await;
        // One that excludes nobody is reported where it lies inside.
        let claim = Claim {
            exclusivity: Exclusivity::NonExclusive,
            scope: Scope::default(),
            from: day("2026-10-01"),
            until: None,
        };
        let staff = Viewer::system("staff");
        let found = what_if(bed.database.read(), &staff, Some(three.id), &claim)
            .await
            .unwrap();
        assert_eq!(
            found.iter().map(|one| one.meeting).collect::<Vec<_>>(),
            [Meeting::Inside; 2]
        );
        let them = bed.partner_viewer(three.partner_id);
        assert_eq!(
            what_if(bed.database.read(), &them, None, &claim)
                .await
                .unwrap(),
            []
        );

        let next = bed.agreed(&one, "2026-09-10", exclusive("DE")).await;
        let old =
            visible::find_one::<agreement::Entity, _>(bed.database.read(), &staff, first.id.0)
                .await
                .unwrap()
                .unwrap();
        assert_eq!(
            (old.status, old.superseded_by, old.ended_on),
            (
                AgreementStatus::Superseded,
                Some(next.id),
                Some(day("2026-09-10"))
            )
        );
        // The database itself refuses a second one in force.
        let sql = format!(
            "UPDATE agreement SET status = 'ACTIVE' WHERE superseded_by IS NOT NULL AND term = {}",
            old.term
        );
        assert!(bed.database.write().execute_unprepared(&sql).await.is_err());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_enterprise_agreement_is_not_signed_without_shares() {
    each(async |bed: Bed| {
        let of = bed.partnership("a", PartnerType::Strategic, None).await;
        let mut terms = bed.terms(2_000);
        let share = terms.revenue_share.as_mut().unwrap();
        (share.scheme, share.our_bp, share.partner_bp) =
            (agreement::SplitScheme::EnterpriseNegotiable, None, None);
        let mut row = bed.draft(&of, "2026-10-01", terms.clone()).await;
        for to in [AgreementStatus::InNegotiation, AgreementStatus::LegalReview] {
            let mut change = bed.by("staff").await;
            row = agreement::advance(&mut change, row, to).await.unwrap();
            change.commit().await.unwrap();
        }
        let mut change = bed.by("staff").await;
        let refused = agreement::advance(&mut change, row, AgreementStatus::PendingSignature).await;
        assert_eq!(
            refusal(refused),
            (ViolationCode::Blank, "terms.revenueShare".to_owned())
        );
        for (scheme, ours, partners) in [
            (agreement::SplitScheme::Standard7030, 6_000, 4_000),
            (agreement::SplitScheme::Custom, 7_000, 2_000),
        ] {
            let share = terms.revenue_share.as_mut().unwrap();
            (share.scheme, share.our_bp, share.partner_bp) =
                (scheme, Some(bp(ours)), Some(bp(partners)));
            let new = agreement::NewAgreement {
                partnership_id: of.id,
                number: None,
                effective_on: day("2026-10-01"),
                terms: terms.clone(),
            };
            assert_eq!(
                refusal(agreement::create(&mut change, vec![new]).await).1,
                "terms.revenueShare"
            );
        }
        change.rollback().await.unwrap();
    })
    .await;
}

/// Terms of 20 %, a commitment of 1,000.00 and a bonus of 5 % of everything.
fn with_bonus(bed: &Bed, basis: BonusBasis) -> agreement::Terms {
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

fn shown(entries: &[ledger_entry::Model]) -> Vec<(LedgerKind, i64)> {
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

#[tokio::test(flavor = "multi_thread")]
async fn a_service_level_is_held_against_what_was_promised_and_a_preset_is_loaded_once() {
    use entities::agreement::SlaMetric;
    use entities::preset::{self, Preset};
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
                .unwrap()
                .len(),
            5
        );
        assert_eq!(
            preset::load(&mut change, &preset, today, today)
                .await
                .unwrap(),
            []
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
