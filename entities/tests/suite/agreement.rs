//! What a partner sees of agreements, what exclusive ones keep others out of and from when to when, and in which order amendments hold: on both
//! databases.

use crate::bed::{Bed, each};
use crate::programme::{day, refusal};
use entities::agreement::{self, AgreementStatus, Exclusivity, Model, NewAmendment, Scope, Terms};
use entities::agreement_signature::Side;
use entities::deal_registration::Account;
use entities::deal_registration::conflict::{self, AccountAnswer, Wanted};
use entities::error::{Error, ViolationCode};
use entities::event;
use entities::partnership::{self, PartnerType};
use entities::visible::Visible as _;
use sea_orm::EntityTrait;

// The bed's clock starts on 2026-09-21.

impl Bed {
    fn exclusive(&self, territory: &str) -> Terms {
        Terms {
            exclusivity: Exclusivity::Exclusive,
            scope: Scope {
                territories: vec![territory.to_owned()],
                ..Scope::default()
            },
            ..self.terms(2_000)
        }
    }

    async fn advance(&self, row: Model, to: AgreementStatus) -> Model {
        let mut change = self.by("staff").await;
        let row = agreement::advance(&mut change, row, to).await.unwrap();
        change.commit().await.unwrap();
        row
    }

    async fn amend(&self, row: &Model, on: &str, terms: Terms) -> Result<(), Error> {
        let mut change = self.by("staff").await;
        let amendment = NewAmendment {
            effective_on: day(on),
            terms,
            summary: "other terms".to_owned(),
        };
        agreement::amend(&mut change, row.clone(), amendment).await?;
        change.commit().await.unwrap();
        Ok(())
    }

    /// An amendment, signed by both.
    async fn amended(&self, row: &Model, on: &str, terms: Terms) {
        self.amend(row, on, terms).await.unwrap();
        for side in [Side::Us, Side::Partner] {
            self.sign(row.clone(), side).await.unwrap();
        }
    }

    async fn told_of_germany(&self, of: &partnership::Model) -> AccountAnswer {
        let mut change = self.by("them").await;
        let account = Account {
            name: "Free".to_owned(),
            domain: Some("free.example".parse().unwrap()),
            country: None,
            duns: None,
        };
        let wanted = Wanted {
            account,
            products: vec![],
            territories: vec!["DE".to_owned()],
        };
        let told = conflict::check_account(&mut change, of.partner_id, &wanted, 100).await;
        change.rollback().await.unwrap();
        told.unwrap().answer
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_withdrawn_before_it_was_shown_stays_ours() {
    each(async |bed: Bed| {
        let of = bed.partnership("a", PartnerType::Channel, None).await;
        let them = bed.partner_viewer(of.partner_id);
        let seen = async |row: &Model| {
            let agreements = bed.count::<agreement::Entity>(&them).await;
            let versions = bed
                .count::<entities::agreement_version::Entity>(&them)
                .await;
            let events = event::Entity::visible_to(&them)
                .all(bed.database.read())
                .await
                .unwrap();
            let events = events
                .iter()
                .filter(|event| event.subject_id == row.id.0)
                .count();
            (agreements, versions, events)
        };
        let row = bed.draft(&of, "2026-10-01", bed.terms(2_000)).await;
        let row = bed.advance(row, AgreementStatus::Withdrawn).await;
        assert_eq!(seen(&row).await, (0, 0, 0), "it never was the partner's");
        let row = bed.draft(&of, "2026-10-01", bed.terms(2_000)).await;
        let row = bed.advance(row, AgreementStatus::InNegotiation).await;
        assert_eq!(seen(&row).await, (1, 1, 1));
        let row = bed.advance(row, AgreementStatus::Withdrawn).await;
        assert_eq!(seen(&row).await, (1, 1, 2), "what was shown stays");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_amendment_gave_up_is_free_from_its_day_on_and_not_before() {
    each(async |bed: Bed| {
        let one = bed.partnership("a", PartnerType::Channel, None).await;
        let two = bed.partnership("b", PartnerType::Channel, None).await;
        let row = bed.agreed(&one, "2026-09-01", bed.exclusive("DE")).await;
        assert_eq!(bed.told_of_germany(&two).await, AccountAnswer::Excluded);
        bed.amended(&row, "2026-11-01", bed.terms(2_000)).await;
        assert_eq!(
            bed.told_of_germany(&two).await,
            AccountAnswer::Excluded,
            "until the amendment's day it is exclusive"
        );
        let early = bed.draft(&two, "2026-10-31", bed.exclusive("DE")).await;
        let early = bed.to_signature(early).await;
        let early = bed.sign(early, Side::Us).await.unwrap();
        assert_eq!(
            refusal(bed.sign(early, Side::Partner).await),
            (ViolationCode::Taken, "terms.scope".to_owned())
        );
        let next = bed.agreed(&two, "2026-11-01", bed.exclusive("DE")).await;
        assert_eq!(next.status, AgreementStatus::Signed);
        bed.at("2026-11-01T00:00:00Z");
        let mut change = bed.by("clock").await;
        let tended = agreement::tend(&mut change, None, 10).await.unwrap();
        change.commit().await.unwrap();
        assert_eq!((tended.moved.len(), tended.blocked.len()), (1, 0));
        assert_eq!(bed.told_of_germany(&two).await, AccountAnswer::Available);
        assert_eq!(bed.told_of_germany(&one).await, AccountAnswer::Excluded);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_excludes_nobody_is_reported_where_it_is_signed_inside_an_exclusive_one() {
    each(async |bed: Bed| {
        let one = bed.partnership("a", PartnerType::Channel, None).await;
        let two = bed.partnership("b", PartnerType::Channel, None).await;
        let around = bed.agreed(&one, "2026-09-01", bed.exclusive("DE")).await;
        let inside = bed.agreed(&two, "2026-09-01", bed.terms(2_000)).await;
        assert_eq!(inside.status, AgreementStatus::Active);
        let events = event::Entity::find()
            .all(bed.database.read())
            .await
            .unwrap();
        let reported: Vec<_> = events
            .iter()
            .filter(|event| event.subject_id == inside.id.0)
            .filter_map(|event| event.data.get("inside"))
            .collect();
        assert_eq!(reported, [&serde_json::json!([around.id])]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_amendment_holds_before_one_that_is_signed() {
    each(async |bed: Bed| {
        let of = bed.partnership("a", PartnerType::Channel, None).await;
        let row = bed.agreed(&of, "2026-09-01", bed.terms(2_000)).await;
        bed.amended(&row, "2027-07-01", bed.terms(2_500)).await;
        // A draft for a later day does not hide what is signed.
        bed.amend(&row, "2027-08-01", bed.terms(3_000))
            .await
            .unwrap();
        assert_eq!(
            refusal(bed.amend(&row, "2027-06-01", bed.terms(3_000)).await),
            (ViolationCode::Invalid, "effectiveOn".to_owned())
        );
        bed.amended(&row, "2027-07-01", bed.terms(3_500)).await;
    })
    .await;
}
