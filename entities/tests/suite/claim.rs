//! Claims that stand against each other, whatever becomes of their words, of the programme's lists and of the partnership: on both databases.

use crate::bed::{Bed, each};
use crate::deal_registration::{account, draft, locked};
use crate::programme::refusal;
use entities::change::Origin;
use entities::customer::{self, CustomerPatch, NewCustomer};
use entities::deal::{self, DealStage};
use entities::deal_registration::conflict::{self, AccountAnswer, Wanted};
use entities::deal_registration::{self, Account, Draft, Model, RegistrationStatus as Status};
use entities::error::{Error, ViolationCode};
use entities::partnership::{self, PartnerType, PartnershipPatch, PartnershipStatus};
use entities::program::{self, ProgramPatch};
use entities::viewer::Viewer;
use entities::visible;
use sea_orm::EntityTrait;
use std::sync::Arc;

/// A claim on Acme.
fn acme(products: &[&str]) -> Draft {
    draft(account("Acme", Some("acme.com"), None), products, &[])
}

impl Bed {
    async fn drafted(&self, of: &partnership::Model, draft: Draft) -> Model {
        let mut change = self.by("them").await;
        let viewer = self.partner_viewer(of.partner_id);
        let row = deal_registration::create(&mut change, &viewer, vec![(of.id, draft)])
            .await
            .unwrap()
            .remove(0);
        change.commit().await.unwrap();
        row
    }

    async fn submitted(&self, row: &Model) -> Result<Model, Error> {
        let mut change = self.by("them").await;
        let row = locked(&change, row).await;
        let row = deal_registration::submit(&mut change, row).await?;
        change.commit().await.unwrap();
        Ok(row)
    }

    async fn registered(&self, of: &partnership::Model, draft: Draft) -> Model {
        let row = self.drafted(of, draft).await;
        self.submitted(&row).await.unwrap()
    }

    async fn answer(&self, of: &partnership::Model, account: Account) -> AccountAnswer {
        let mut change = self.by("them").await;
        let wanted = Wanted {
            account,
            products: vec![],
            territories: vec![],
        };
        let told = conflict::check_account(&mut change, of.partner_id, &wanted, 1_000).await;
        change.rollback().await.unwrap();
        told.unwrap().answer
    }

    async fn turn(&self, of: &partnership::Model, to: PartnershipStatus) {
        let mut change = self.by("staff").await;
        let (system, id) = (Viewer::system("t"), of.id.0);
        let row = visible::lock_one::<partnership::Entity>(&change, &system, id, None).await;
        let patch = PartnershipPatch {
            status: Some(to),
            ..PartnershipPatch::default()
        };
        partnership::update(&mut change, row.unwrap(), patch)
            .await
            .unwrap();
        change.commit().await.unwrap();
    }

    async fn products(&self, program: &program::Model, products: &[&str]) {
        let mut change = self.by("staff").await;
        let id = program.id.0;
        let row =
            visible::lock_one::<program::Entity>(&change, &Viewer::system("t"), id, None).await;
        let patch = ProgramPatch {
            products: Some(products.iter().map(|one| (*one).to_owned()).collect()),
            ..ProgramPatch::default()
        };
        program::update(&mut change, row.unwrap(), patch)
            .await
            .unwrap();
        change.commit().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_changes_a_claim_stands_against_nobody_until_it_is_handed_in_again() {
    each(async |bed: Bed| {
        let program = bed.program().await;
        let one = bed
            .partnership("one", PartnerType::Channel, Some(&program))
            .await;
        let two = bed
            .partnership("two", PartnerType::Channel, Some(&program))
            .await;
        let three = bed
            .partnership("three", PartnerType::Channel, Some(&program))
            .await;
        let first = bed.registered(&one, acme(&["Core"])).await;
        let mut change = bed.by("staff").await;
        let row = locked(&change, &first).await;
        let asked = deal_registration::request_information(&mut change, row, "Who?".to_owned())
            .await
            .unwrap();
        let revised = deal_registration::revise(&mut change, asked, acme(&[]))
            .await
            .unwrap();
        assert_eq!(revised.turn, 0);
        change.commit().await.unwrap();
        let free = || account("Acme", Some("acme.com"), None);
        assert_eq!(bed.answer(&two, free()).await, AccountAnswer::Available);
        let second = bed.registered(&two, acme(&[])).await;
        assert_eq!(second.status, Status::Submitted);
        assert_eq!(
            bed.answer(&one, free()).await,
            AccountAnswer::Claimed,
            "the second is before it now"
        );
        assert_eq!(bed.approve(&second).await.unwrap().status, Status::Approved);
        let again = bed.submitted(&revised).await.unwrap();
        assert_eq!(
            (again.status, again.turn),
            (Status::Conflicted, second.turn + 1)
        );
        assert_eq!(bed.answer(&three, free()).await, AccountAnswer::Claimed);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_of_all_meets_an_approved_one_of_a_product_that_left_the_list() {
    each(async |bed: Bed| {
        let program = bed.program().await;
        let one = bed
            .partnership("one", PartnerType::Channel, Some(&program))
            .await;
        let two = bed
            .partnership("two", PartnerType::Channel, Some(&program))
            .await;
        let held = bed.registered(&one, acme(&["Add-on"])).await;
        let held = bed.approve(&held).await.unwrap();
        bed.products(&program, &["Core"]).await;
        let all = bed.registered(&two, acme(&[])).await;
        assert_eq!(all.status, Status::Conflicted);
        assert_eq!(
            refusal(bed.approve(&all).await),
            (ViolationCode::Taken, "account".to_owned())
        );
        // A claim of all that is let go is free for it.
        let mut change = bed.by("them").await;
        deal_registration::withdraw(&mut change, held, "gone".to_owned())
            .await
            .unwrap();
        change.commit().await.unwrap();
        assert_eq!(bed.approve(&all).await.unwrap().status, Status::Approved);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_grows_while_a_claim_of_all_is_approved_widens_it() {
    each(async |bed: Bed| {
        let program = bed.program().await;
        let one = bed.partnership("one", PartnerType::Channel, None).await;
        let wide = bed.registered(&one, acme(&[])).await;
        let bed = Arc::new(bed);
        let mut change = bed.by("staff").await;
        let row = locked(&change, &wide).await;
        let wide = deal_registration::approve(&mut change, row, None, None, None)
            .await
            .unwrap();
        let grows = tokio::spawn({
            let (bed, program) = (Arc::clone(&bed), program.clone());
            async move { bed.products(&program, &["Core", "Add-on", "New"]).await }
        });
        // The list waits for the claim, and finds it approved.
        bed.somebody_waits().await;
        change.commit().await.unwrap();
        grows.await.unwrap();
        let cells = deal_registration::cell::Entity::find()
            .all(bed.database.read())
            .await
            .unwrap();
        assert!(
            cells
                .iter()
                .any(|cell| cell.registration_id == wide.id && cell.product == "new"),
            "{cells:?}"
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_and_a_list_that_change_at_once_do_not_wait_for_each_other() {
    each(async |bed: Bed| {
        let program = bed.program().await;
        let one = bed
            .partnership("one", PartnerType::Channel, Some(&program))
            .await;
        let row = bed.drafted(&one, acme(&[])).await;
        let bed = Arc::new(bed);
        // Both, before and after the claim is handed in: it is written anew either time.
        for (products, approves) in [(["Core", "New"], false), (["Core", "Newer"], true)] {
            let mut change = bed.by("staff").await;
            let (system, id) = (Viewer::system("t"), program.id.0);
            let list = visible::lock_one::<program::Entity>(&change, &system, id, None)
                .await
                .unwrap();
            let claims = tokio::spawn({
                let (bed, row) = (Arc::clone(&bed), row.clone());
                async move {
                    if approves {
                        bed.approve(&row).await
                    } else {
                        bed.submitted(&row).await
                    }
                }
            });
            bed.somebody_waits().await;
            let patch = ProgramPatch {
                products: Some(products.map(str::to_owned).to_vec()),
                ..ProgramPatch::default()
            };
            program::update(&mut change, list, patch).await.unwrap();
            change.commit().await.unwrap();
            claims.await.unwrap().unwrap();
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_handed_in_is_of_an_open_partnership_and_of_the_lists() {
    each(async |bed: Bed| {
        let program = bed.program().await;
        let of = bed
            .partnership("one", PartnerType::Channel, Some(&program))
            .await;
        let row = bed.drafted(&of, acme(&["Add-on"])).await;
        bed.products(&program, &["Core"]).await;
        assert_eq!(
            refusal(bed.submitted(&row).await),
            (ViolationCode::NotFound, "products".to_owned())
        );
        bed.products(&program, &["Core", "Add-on"]).await;
        bed.turn(&of, PartnershipStatus::OnHold).await;
        assert_eq!(
            refusal(bed.submitted(&row).await),
            (ViolationCode::Locked, "partnershipId".to_owned())
        );
        bed.turn(&of, PartnershipStatus::Open).await;
        bed.submitted(&row).await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_customer_is_found_by_its_name_however_it_is_spelled() {
    each(async |bed: Bed| {
        let two = bed.partnership("two", PartnerType::Channel, None).await;
        for (name, asked) in [
            ("McDonald's", "McDonald’s Corporation"),
            ("L'Oréal S.A.", "l'oréal"),
            ("S.A.P. SE", "SAP"),
            ("Österreichische Post AG", "ÖSTERREICHISCHE POST"),
            ("B. Braun", "The B Braun"),
            ("3M", "3M Company"),
        ] {
            let mut change = bed.change_of("crm", Origin::Backfill).await;
            let new = NewCustomer {
                name: "to be named".to_owned(),
                domain: None,
                country: Some("US".to_owned()),
                segment: None,
                archived: false,
            };
            let row = customer::create(&mut change, vec![new])
                .await
                .unwrap()
                .remove(0);
            let id = row.id;
            let patch = CustomerPatch {
                name: Some(name.to_owned()),
                ..CustomerPatch::default()
            };
            customer::update(&mut change, row, patch).await.unwrap();
            change.commit().await.unwrap();
            let won = bed.deal_with(name, DealStage::Won, None, &[]).await;
            let mut change = bed.change_of("crm", Origin::Sync).await;
            let patch = deal::DealPatch {
                customer_id: Some(Some(id)),
                ..deal::DealPatch::default()
            };
            deal::update(&mut change, won, patch).await.unwrap();
            change.commit().await.unwrap();
            assert_eq!(
                bed.answer(&two, account(asked, None, Some("us"))).await,
                AccountAnswer::Customer,
                "{asked} is {name}"
            );
        }
    })
    .await;
}
