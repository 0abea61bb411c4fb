//! Who registers first is protected, whatever others try, and nobody learns of whom: on both databases.

use crate::bed::{Bed, each};
use crate::programme::{at, eur, refusal};
use entities::agreement::{Exclusivity, Scope};
use entities::change::{Change, Origin};
use entities::customer::{self, NewCustomer};
use entities::deal::{self, DealStage};
use entities::deal_partner::DealPartnerRole::Sourced;
use entities::deal_registration::conflict::{self, AccountAnswer, Against, Told, Wanted};
use entities::deal_registration::{
    self, Account, Decision, Draft, Model, RegistrationStatus as Status,
};
use entities::error::{Error, ViolationCode};
use entities::partnership::{self, PartnerType};
use entities::program::{self, ProgramPatch};
use entities::registration_note::{self, NoteKind};
use entities::viewer::Viewer;
use entities::visible;
use sea_orm::EntityTrait;
use std::sync::Arc;

pub fn account(name: &str, domain: Option<&str>, country: Option<&str>) -> Account {
    Account {
        name: name.to_owned(),
        domain: domain.map(|domain| domain.parse().unwrap()),
        country: country.map(str::to_owned),
        duns: None,
    }
}

pub fn draft(account: Account, products: &[&str], territories: &[&str]) -> Draft {
    let list = |list: &[&str]| list.iter().map(|one| (*one).to_owned()).collect();
    Draft {
        account,
        contact_name: "Jo".to_owned(),
        contact_email: None,
        products: list(products),
        territories: list(territories),
        value: Some(eur(100_000)),
        expected_close_on: None,
        use_case: "They need it.".to_owned(),
    }
}

/// A registration as it stands, held until the change ends.
pub async fn locked(change: &Change, row: &Model) -> Model {
    let system = Viewer::system("t");
    visible::lock_one::<deal_registration::Entity>(change, &system, row.id.0, None)
        .await
        .unwrap()
}

impl Bed {
    async fn submit(&self, of: &partnership::Model, draft: Draft) -> Result<Model, Error> {
        let mut change = self.by("them").await;
        let viewer = self.partner_viewer(of.partner_id);
        let row = deal_registration::create(&mut change, &viewer, vec![(of.id, draft)])
            .await?
            .remove(0);
        let row = deal_registration::submit(&mut change, row).await?;
        change.commit().await.unwrap();
        Ok(row)
    }

    /// Approves it as staff does, with a note that the partner sees.
    pub async fn approve(&self, row: &Model) -> Result<Model, Error> {
        let mut change = self.by("staff").await;
        let row = locked(&change, row).await;
        let note = Some("margin is thin".to_owned());
        let row = deal_registration::approve(&mut change, row, None, None, note).await?;
        change.commit().await?;
        Ok(row)
    }

    async fn reject(&self, row: Model, decision: Decision) {
        let mut change = self.by("staff").await;
        deal_registration::decide(&mut change, row, decision, "no".to_owned(), None)
            .await
            .unwrap();
        change.commit().await.unwrap();
    }

    async fn ask(&self, of: &partnership::Model, account: Account) -> Told {
        let mut change = self.by("them").await;
        let wanted = Wanted {
            account,
            products: vec![],
            territories: vec![],
        };
        let told = conflict::check_account(&mut change, of.partner_id, &wanted, 100)
            .await
            .unwrap();
        change.commit().await.unwrap();
        told
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_is_protected_and_others_learn_one_word() {
    each(async |bed: Bed| {
        let program = bed.program().await;
        let one = bed
            .partnership("one", PartnerType::Channel, Some(&program))
            .await;
        let two = bed
            .partnership("two", PartnerType::Channel, Some(&program))
            .await;
        let acme = || account("Acme, Inc.", Some("https://www.acme.com"), Some("US"));
        assert_eq!(bed.ask(&two, acme()).await.answer, AccountAnswer::Available);
        let first = bed.submit(&one, draft(acme(), &[], &[])).await.unwrap();
        assert_eq!((first.status, first.turn), (Status::Submitted, 1));
        assert_eq!(first.submitted_at, Some(bed.database.now()));
        assert!(
            String::from_utf8(first.receipt.clone().unwrap())
                .unwrap()
                .contains("\"d:acme.com\"")
        );
        assert_eq!(
            refusal(bed.submit(&one, draft(acme(), &["Core"], &[])).await).0,
            ViolationCode::Taken
        );
        // Another spelling, another scope inside the first's.
        let second = bed
            .submit(
                &two,
                draft(account("ACME Corp", None, Some("us")), &["Core"], &["DE"]),
            )
            .await
            .unwrap();
        assert_eq!(second.status, Status::Conflicted);
        assert_eq!(
            refusal(bed.approve(&second).await),
            (ViolationCode::Taken, "account".to_owned()),
            "the first is undecided"
        );
        let first = bed.approve(&first).await.unwrap();
        assert_eq!(first.protected_until, Some(at("2026-12-21T00:00:00Z")));
        assert_eq!(
            refusal(bed.approve(&second).await),
            (ViolationCode::Taken, "account".to_owned())
        );
        let told = bed.ask(&two, acme()).await;
        assert_eq!(
            (told.answer, told.until),
            (AccountAnswer::Claimed, first.protected_until)
        );
        assert_eq!(
            bed.ask(&one, acme()).await.answer,
            AccountAnswer::Available,
            "its own"
        );
        assert_eq!(
            bed.ask(&two, account("Acme", Some("acme.de"), Some("DE")))
                .await
                .answer,
            AccountAnswer::Available
        );

        // What is said among ourselves, and others' rows, are nobody's business.
        let (theirs, others) = (
            bed.partner_viewer(one.partner_id),
            bed.partner_viewer(two.partner_id),
        );
        assert_eq!(bed.count::<deal_registration::Entity>(&theirs).await, 1);
        assert_eq!(bed.count::<registration_note::Entity>(&theirs).await, 0);
        for hidden in [&theirs, &others] {
            assert_eq!(
                bed.count::<deal_registration::cell::Entity>(hidden).await,
                0
            );
            assert_eq!(bed.count::<conflict::check::Entity>(hidden).await, 0);
        }
        assert_eq!(
            bed.count::<registration_note::Entity>(&Viewer::system("t"))
                .await,
            1
        );
        assert!(
            bed.count::<conflict::check::Entity>(&Viewer::system("t"))
                .await
                >= 4,
            "every question is kept"
        );
        let mut change = bed.by("them").await;
        let wanted = Wanted {
            account: acme(),
            products: vec![],
            territories: vec![],
        };
        let much = conflict::check_account(&mut change, two.partner_id, &wanted, 2).await;
        assert_eq!(refusal(much).0, ViolationCode::Locked);
        let strangers = deal_registration::create(
            &mut change,
            &others,
            vec![(one.id, draft(acme(), &[], &[]))],
        )
        .await;
        assert_eq!(
            refusal(strangers),
            (ViolationCode::NotFound, "partnershipId".to_owned())
        );
        let unknown = deal_registration::create(
            &mut change,
            &others,
            vec![(two.id, draft(acme(), &["Nonsense"], &[]))],
        )
        .await;
        assert_eq!(
            refusal(unknown),
            (ViolationCode::NotFound, "products".to_owned())
        );
        change.rollback().await.unwrap();

        // Taken back, the account is free for who came second.
        let mut change = bed.by("them").await;
        deal_registration::withdraw(&mut change, first, "they went away".to_owned())
            .await
            .unwrap();
        change.commit().await.unwrap();
        assert_eq!(bed.approve(&second).await.unwrap().status, Status::Approved);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn scopes_that_do_not_meet_stand_side_by_side_and_a_list_that_grows_widens_claims_of_all() {
    each(async |bed: Bed| {
        let program = bed.program().await;
        let of = [
            bed.partnership("one", PartnerType::Channel, Some(&program))
                .await,
            bed.partnership("two", PartnerType::Channel, Some(&program))
                .await,
            bed.partnership("three", PartnerType::Channel, Some(&program))
                .await,
        ];
        let acme = || account("Acme", Some("acme.com"), None);
        let core = bed
            .submit(&of[0], draft(acme(), &["core"], &[]))
            .await
            .unwrap();
        let addon = bed
            .submit(&of[1], draft(acme(), &["Add-on"], &["DE"]))
            .await
            .unwrap();
        assert_eq!(
            (core.status, addon.status),
            (Status::Submitted, Status::Submitted)
        );
        bed.approve(&core).await.unwrap();
        bed.approve(&addon).await.unwrap();
        let all = bed
            .submit(&of[2], draft(acme(), &[], &["FR"]))
            .await
            .unwrap();
        assert_eq!(
            all.status,
            Status::Conflicted,
            "all of it holds the first's"
        );
        assert_eq!(refusal(bed.approve(&all).await).0, ViolationCode::Taken);

        let other = || account("Other", Some("other.com"), None);
        let wide = bed
            .submit(&of[0], draft(other(), &[], &["DE"]))
            .await
            .unwrap();
        bed.approve(&wide).await.unwrap();
        let mut change = bed.by("staff").await;
        let system = Viewer::system("t");
        let row = visible::lock_one::<program::Entity>(&change, &system, program.id.0, None)
            .await
            .unwrap();
        let products = vec!["Core".to_owned(), "Add-on".to_owned(), "New".to_owned()];
        program::update(
            &mut change,
            row,
            ProgramPatch {
                products: Some(products),
                ..ProgramPatch::default()
            },
        )
        .await
        .unwrap();
        change.commit().await.unwrap();
        let cells = deal_registration::cell::Entity::find()
            .all(bed.database.read())
            .await
            .unwrap();
        assert!(cells.iter().any(|cell| cell.registration_id == wide.id
            && cell.product == "new"
            && cell.territory == "de"));
        let new = bed
            .submit(&of[1], draft(other(), &["New"], &["DE"]))
            .await
            .unwrap();
        assert_eq!(new.status, Status::Conflicted);
        assert_eq!(refusal(bed.approve(&new).await).0, ViolationCode::Taken);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_crowd_exactly_one_is_first_and_at_most_one_is_ever_approved() {
    each(async |bed: Bed| {
        let program = bed.program().await;
        // As many as are promised where the run is a full one.
        let rounds = std::env::var("ENTENTE_TEST_ROUNDS");
        let many = if rounds.is_ok_and(|rounds| rounds == "full") {
            100
        } else {
            24
        };
        let mut crowd = Vec::new();
        for n in 0..many {
            crowd.push(
                bed.partnership(&format!("p{n}"), PartnerType::Channel, Some(&program))
                    .await,
            );
        }
        let bed = Arc::new(bed);
        let mut tasks = Vec::new();
        for (n, of) in crowd.into_iter().enumerate() {
            let bed = Arc::clone(&bed);
            // Every scope meets every other: all of it, one product everywhere, everything in one place.
            let scope: (&[&str], &[&str]) = match n % 3 {
                0 => (&[], &[]),
                1 => (&["Core"], &[]),
                _ => (&[], &["DE"]),
            };
            tasks.push(tokio::spawn(async move {
                bed.submit(
                    &of,
                    draft(account("Acme", Some("acme.com"), None), scope.0, scope.1),
                )
                .await
                .unwrap()
            }));
        }
        let mut rows = Vec::new();
        for task in tasks {
            rows.push(task.await.unwrap());
        }
        rows.sort_by_key(|row| row.turn);
        assert_eq!(
            rows.iter().map(|row| row.turn).collect::<Vec<_>>(),
            (1..=many).collect::<Vec<_>>()
        );
        assert_eq!(
            rows.iter()
                .filter(|row| row.status == Status::Submitted)
                .count(),
            1
        );
        assert_eq!(
            rows[0].status,
            Status::Submitted,
            "the first by the server's turn"
        );
        assert!(
            rows.windows(2)
                .all(|pair| pair[0].submitted_at <= pair[1].submitted_at)
        );
        // Even when the first is refused and everybody else is approved at once, one gets it.
        bed.reject(rows.remove(0), Decision::Reject).await;
        let mut tasks = Vec::new();
        for row in rows {
            let bed = Arc::clone(&bed);
            tasks.push(tokio::spawn(async move { bed.approve(&row).await.is_ok() }));
        }
        let mut approved = 0;
        for task in tasks {
            approved += usize::from(task.await.unwrap());
        }
        assert_eq!(approved, 1);
        let rows = deal_registration::Entity::find()
            .all(bed.database.read())
            .await
            .unwrap();
        assert_eq!(
            rows.iter()
                .filter(|row| row.status == Status::Approved)
                .count(),
            1
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn asked_for_more_a_claim_keeps_its_place_unless_it_changes() {
    each(async |bed: Bed| {
        let one = bed.partnership("one", PartnerType::Channel, None).await;
        let two = bed.partnership("two", PartnerType::Channel, None).await;
        let acme = || account("Acme", Some("acme.com"), None);
        let first = bed.submit(&one, draft(acme(), &[], &[])).await.unwrap();
        let second = bed.submit(&two, draft(acme(), &[], &[])).await.unwrap();
        assert_eq!(second.status, Status::Conflicted);
        bed.clock.advance_millis(60_000);
        let mut change = bed.by("staff").await;
        let asked = deal_registration::request_information(
            &mut change,
            first.clone(),
            "Who decides there?".to_owned(),
        )
        .await
        .unwrap();
        assert_eq!(asked.status, Status::InfoRequested);
        let refused = deal_registration::decide(
            &mut change,
            asked.clone(),
            Decision::Reject,
            "x".to_owned(),
            None,
        )
        .await;
        assert_eq!(refusal(refused).0, ViolationCode::TransitionNotAllowed);
        // The same claim in other words keeps its place.
        let words = Draft {
            use_case: "Jo decides.".to_owned(),
            ..draft(acme(), &[], &[])
        };
        let again = deal_registration::revise(&mut change, asked.clone(), words)
            .await
            .unwrap();
        let again = deal_registration::submit(&mut change, again).await.unwrap();
        assert_eq!(
            (again.status, again.turn, again.submitted_at),
            (Status::Submitted, 1, first.submitted_at)
        );
        change.rollback().await.unwrap();
        let mut change = bed.by("staff").await;
        let asked = deal_registration::request_information(
            &mut change,
            first.clone(),
            "Who decides there?".to_owned(),
        )
        .await
        .unwrap();
        let moved = draft(
            account("Acme Holding", Some("acme.com"), Some("DE")),
            &[],
            &[],
        );
        let moved = deal_registration::revise(&mut change, asked, moved)
            .await
            .unwrap();
        let moved = deal_registration::submit(&mut change, moved).await.unwrap();
        assert_eq!((moved.status, moved.turn), (Status::Conflicted, 3));
        assert!(moved.submitted_at > first.submitted_at);
        change.commit().await.unwrap();
        let them = bed.partner_viewer(one.partner_id);
        let notes = registration_note::of_registration(bed.database.read(), &them, first.id)
            .await
            .unwrap();
        assert_eq!(
            notes.iter().map(|note| note.kind).collect::<Vec<_>>(),
            [NoteKind::Question]
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn protection_is_extended_twice_with_new_evidence_and_ends_by_the_clock() {
    each(async |bed: Bed| {
        let of = bed.partnership("one", PartnerType::Channel, None).await;
        let row = bed
            .submit(
                &of,
                draft(account("Acme", Some("acme.com"), None), &[], &[]),
            )
            .await
            .unwrap();
        let row = bed.approve(&row).await.unwrap();
        let mut change = bed.by("clock").await;
        assert_eq!(
            deal_registration::announce_expiring(&mut change, 14, 10)
                .await
                .unwrap(),
            []
        );
        change.rollback().await.unwrap();
        bed.at("2026-12-10T00:00:00Z");
        let mut change = bed.by("clock").await;
        let row = {
            let _ = row;
            deal_registration::announce_expiring(&mut change, 14, 10)
                .await
                .unwrap()
                .remove(0)
        };
        assert_eq!(
            deal_registration::announce_expiring(&mut change, 14, 10)
                .await
                .unwrap(),
            [],
            "once"
        );
        let row = deal_registration::extend(&mut change, row, "A pilot runs.".to_owned())
            .await
            .unwrap();
        assert_eq!(row.protected_until, Some(at("2027-02-04T00:00:00Z")));
        let old =
            deal_registration::extend(&mut change, row.clone(), "a  pilot runs.".to_owned()).await;
        assert_eq!(refusal(old), (ViolationCode::Taken, "evidence".to_owned()));
        let row = deal_registration::extend(&mut change, row, "An offer is out.".to_owned())
            .await
            .unwrap();
        let third =
            deal_registration::extend(&mut change, row.clone(), "A third thing.".to_owned()).await;
        assert_eq!(
            refusal(third),
            (ViolationCode::Locked, "extensions".to_owned())
        );
        change.commit().await.unwrap();
        assert_eq!(row.protected_until, Some(at("2027-03-21T00:00:00Z")));
        bed.at("2027-03-20T23:59:59Z");
        let mut change = bed.by("clock").await;
        assert_eq!(
            deal_registration::expire(&mut change, 10).await.unwrap(),
            []
        );
        change.rollback().await.unwrap();
        bed.at("2027-03-21T00:00:00Z");
        let mut change = bed.by("clock").await;
        let late = deal_registration::convert(&mut change, row).await;
        assert_eq!(refusal(late).0, ViolationCode::Locked);
        let over = deal_registration::expire(&mut change, 10).await.unwrap();
        assert_eq!(over[0].status, Status::Expired);
        change.commit().await.unwrap();
        assert_eq!(
            deal_registration::cell::Entity::find()
                .all(bed.database.read())
                .await
                .unwrap(),
            []
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn deals_customers_and_exclusive_agreements_stand_against_a_claim() {
    each(async |bed: Bed| {
        let one = bed.partnership("one", PartnerType::Channel, None).await;
        let two = bed.partnership("two", PartnerType::Channel, None).await;
        let row = bed
            .submit(
                &one,
                draft(account("Acme", Some("acme.com"), None), &[], &[]),
            )
            .await
            .unwrap();
        let row = bed.approve(&row).await.unwrap();
        let mut change = bed.by("them").await;
        let (row, made) = deal_registration::convert(&mut change, row).await.unwrap();
        assert_eq!(
            (row.status, row.deal_id),
            (Status::Converted, Some(made.id))
        );
        assert_eq!(
            refusal(deal_registration::withdraw(&mut change, row, "x".to_owned()).await).0,
            ViolationCode::TransitionNotAllowed
        );
        change.commit().await.unwrap();
        let shares = entities::deal_partner::Entity::find()
            .all(bed.database.read())
            .await
            .unwrap();
        assert_eq!(
            (shares[0].partnership_id, shares[0].role),
            (one.id, Sourced)
        );
        let acme = || account("Acme", Some("acme.com"), None);
        // The open deal stands against others and not against who brought it; won, it is a customer for everybody.
        assert_eq!(
            (
                bed.ask(&one, acme()).await.answer,
                bed.ask(&two, acme()).await.answer
            ),
            (AccountAnswer::Available, AccountAnswer::Claimed)
        );
        let late = bed.submit(&two, draft(acme(), &[], &[])).await.unwrap();
        assert_eq!(late.status, Status::Conflicted);
        bed.reject(late, Decision::Duplicate).await;
        let mut change = bed.by("staff").await;
        let open =
            visible::lock_one::<deal::Entity>(&change, &Viewer::system("t"), made.id.0, None)
                .await
                .unwrap();
        deal::win(&mut change, open, None, None).await.unwrap();
        change.commit().await.unwrap();
        assert_eq!(
            bed.ask(&two, acme()).await,
            Told {
                answer: AccountAnswer::Customer,
                until: None
            }
        );

        // A customer is found by its name and country too, however it is spelled.
        let mut change = bed.change_of("crm", Origin::Backfill).await;
        let new = NewCustomer {
            name: "THE Globex Corporation".to_owned(),
            domain: None,
            country: Some("DE".to_owned()),
            segment: None,
            archived: false,
        };
        let globex = customer::create(&mut change, vec![new])
            .await
            .unwrap()
            .remove(0);
        change.commit().await.unwrap();
        let won = bed.deal_with("globex", DealStage::Won, None, &[]).await;
        let mut change = bed.change_of("crm", Origin::Sync).await;
        let patch = deal::DealPatch {
            customer_id: Some(Some(globex.id)),
            ..deal::DealPatch::default()
        };
        deal::update(&mut change, won, patch).await.unwrap();
        change.commit().await.unwrap();
        assert_eq!(
            bed.ask(&two, account("globex gmbh", None, Some("de")))
                .await
                .answer,
            AccountAnswer::Customer
        );
        let unsure = bed
            .ask(&two, account("Globex", Some("globex.io"), None))
            .await;
        assert_eq!(
            unsure.answer,
            AccountAnswer::Available,
            "a name alone is not one account"
        );
        let wanted = Wanted {
            account: account("Globex", Some("globex.io"), None),
            products: vec![],
            territories: vec![],
        };
        let now = bed.database.now();
        let staff = conflict::conflicts(bed.database.read(), two.partner_id, &wanted, None, now)
            .await
            .unwrap();
        assert_eq!(
            staff
                .iter()
                .map(|one| (&one.against, one.is_certain))
                .collect::<Vec<_>>(),
            [(&Against::Customer(globex.id), false)]
        );

        let mut terms = bed.terms(2_000);
        terms.exclusivity = Exclusivity::ExclusiveTerritory;
        terms.scope = Scope {
            territories: vec!["DE".to_owned()],
            ..Scope::default()
        };
        bed.agreed(&one, "2026-09-01", terms).await;
        let free = || account("Free", Some("free.com"), None);
        assert_eq!(
            (
                bed.ask(&one, free()).await.answer,
                bed.ask(&two, free()).await.answer
            ),
            (AccountAnswer::Available, AccountAnswer::Excluded)
        );
    })
    .await;
}
