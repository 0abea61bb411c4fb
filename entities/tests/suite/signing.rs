//! An agreement goes its way from draft to end, what was signed stays, and exclusive scopes never overlap: on both databases.

use crate::bed::{Bed, each};
use crate::programme::{bp, day, refusal};
use entities::agreement::exclusivity::{Claim, Meeting, what_if};
use entities::agreement::{AgreementStatus, Exclusivity, NewAmendment, NewSignature, Scope};
use entities::agreement_signature::Side;
use entities::error::ViolationCode;
use entities::obligation::{ObligationKind, ObligationStatus};
use entities::partnership::PartnerType;
use entities::viewer::Viewer;
use entities::{agreement, obligation, visible};
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
