//! The way out, against a vendor in memory: what is written there, how often, and what happens when it is uncertain.

mod unanswered;

use super::pusher::Fault;
use super::*;
use crate::connector::PushItem;
use entities::change::{Author, Change, Origin};
use entities::connection::mapping::{ConflictPolicy, Mapping, PushMode};
use entities::contact::{self, NewContact};
use entities::customer::NewCustomer;
use entities::deal::{DealPatch, NewDeal};
use entities::deal_partner::{DealPartnerRole, Share};
use entities::id::DealId;
use entities::money::BasisPoints;
use entities::outbound_push;
use entities::partner::NewPartner;
use entities::partnership::{NewPartnership, PartnerType};
use entities::sync_conflict;
use entities::viewer::Viewer;
use entities::visible;

const OPEN: (&str, &str) = ("dealstage", "prospecting");

impl Bed {
    async fn human(&self) -> Change {
        let author = Author {
            actor: "user:1".to_owned(),
            origin: Origin::Human,
            connection: None,
        };
        Change::begin(&self.database, author).await.unwrap()
    }

    async fn change_deal(&self, id: DealId, patch: DealPatch) {
        let mut change = self.human().await;
        let row = visible::lock_one::<deal::Entity>(&change, &Viewer::system("t"), id.0, None)
            .await
            .unwrap();
        deal::update(&mut change, row, patch).await.unwrap();
        change.commit().await.unwrap();
    }

    async fn rename(&self, id: DealId, name: &str) {
        let name = Some(name.to_owned());
        self.change_deal(
            id,
            DealPatch {
                name,
                ..DealPatch::default()
            },
        )
        .await;
    }

    async fn new_deal(
        &self,
        name: &str,
        customer: Option<entities::id::CustomerId>,
    ) -> deal::Model {
        let mut change = self.human().await;
        let new = NewDeal {
            name: name.to_owned(),
            customer_id: customer,
            stage: DealStage::Prospect,
            source_stage: None,
            amount: None,
            expected_close_on: None,
            closed_at: None,
            lost_reason: None,
            owner_name: None,
            owner_email: None,
            products: vec![],
            archived: false,
        };
        let row = deal::create(&mut change, vec![new])
            .await
            .unwrap()
            .remove(0);
        change.commit().await.unwrap();
        row
    }

    async fn new_contact(&self, name: &str, email: &str) -> contact::Model {
        let mut change = self.human().await;
        let new = NewContact {
            partner_id: None,
            customer_id: None,
            name: name.to_owned(),
            email: Some(email.to_owned()),
            phone: Some("1".to_owned()),
            title: None,
            roles: vec![],
            archived: false,
        };
        let row = contact::create(&mut change, vec![new])
            .await
            .unwrap()
            .remove(0);
        change.commit().await.unwrap();
        row
    }

    /// Everything that can be done now is done, ends that come included.
    async fn settle(&self) {
        for _ in 0..6 {
            self.settle_now().await;
            // Waits of a few seconds are over.
            self.clock.0.fetch_add(4_000, Ordering::SeqCst);
        }
    }

    async fn settle_now(&self) {
        loop {
            self.fan_out_all().await;
            if !self.engine.push_step().await.unwrap()
                && !self.engine.split_inbox().await.unwrap()
                && !self.engine.process_signals().await.unwrap()
            {
                break;
            }
        }
    }

    /// Reads the log to its end. On PostgreSQL a transaction that is still open anywhere on the server holds up the last events.
    async fn fan_out_all(&self) {
        loop {
            while self.engine.fan_out().await.unwrap() {}
            let events = event::Entity::find()
                .all(self.database.read())
                .await
                .unwrap();
            let last = events.iter().map(event::Position::from).max();
            let place = entities::event_reader::place(self.database.read(), "push")
                .await
                .unwrap();
            if last <= place {
                break;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    async fn pushes(&self) -> Vec<outbound_push::Model> {
        outbound_push::Entity::find()
            .all(self.database.read())
            .await
            .unwrap()
    }

    async fn deal(&self, id: DealId) -> deal::Model {
        let rows = deal::Entity::find()
            .all(self.database.read())
            .await
            .unwrap();
        rows.into_iter().find(|row| row.id == id).unwrap()
    }

    /// What the vendor reports back, and what a look for changes finds, is nothing new.
    async fn is_quiet(&self, named: &[(&str, &str, &str)]) {
        let (before, calls) = (self.everything().await, self.vendor.written().len());
        if !named.is_empty() {
            self.deliver(named).await;
        }
        self.settle().await;
        self.sync().await;
        self.settle().await;
        assert_eq!(self.everything().await, before);
        assert_eq!(self.vendor.written().len(), calls);
        assert_eq!(self.pushes().await, []);
    }

    async fn set_mapping(&self, set: impl FnOnce(&mut Mapping)) {
        let row = connection::Entity::find()
            .one(self.database.read())
            .await
            .unwrap()
            .unwrap();
        let mut mapping = row.mapping.clone();
        set(&mut mapping);
        let mut active = row.into_active_model();
        active.mapping = Set(mapping);
        active.update(self.database.write()).await.unwrap();
    }

    /// A worker that is killed while it waits for the vendor.
    async fn killed_step(&self) {
        let step = self.engine.push_step();
        assert!(
            tokio::time::timeout(Duration::from_millis(300), step)
                .await
                .is_err()
        );
        self.engine.break_leases().await.unwrap();
    }
}

/// A bed with one linked deal.
async fn with_deal(fields: &[(&str, &str)]) -> (Bed, DealId) {
    let bed = bed().await;
    let mut all = vec![("dealname", "a"), OPEN];
    all.extend_from_slice(fields);
    bed.vendor.deal("1", &all, &[]);
    bed.sync().await;
    bed.settle().await;
    let id = bed.deals().await["a"].id;
    assert_eq!(
        bed.vendor.written(),
        [],
        "what the vendor brought is not sent back"
    );
    (bed, id)
}

fn sent(item: &PushItem) -> Vec<(&str, Option<&str>)> {
    item.fields
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_deref()))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_edit_here_is_one_write_there_and_then_it_is_quiet() {
    let (bed, id) = with_deal(&[("amount", "1500.00")]).await;
    bed.rename(id, "b").await;
    bed.settle().await;
    let written = bed.vendor.written();
    assert_eq!(written.len(), 1);
    assert_eq!(sent(&written[0]), [("dealname", Some("b"))]);
    assert_eq!(written[0].external_id.as_deref(), Some("1"));
    bed.is_quiet(&[("77", "deal", "1")]).await;
    // The same the other way.
    bed.vendor.edit(Resource::Deal, "1", &[("dealname", "c")]);
    bed.deliver(&[("77", "deal", "1")]).await;
    bed.settle().await;
    assert_eq!(bed.deal(id).await.name, "c");
    bed.is_quiet(&[]).await;
    assert_eq!(bed.vendor.written().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn edits_of_different_fields_on_both_sides_survive() {
    let (bed, id) = with_deal(&[("amount", "5")]).await;
    bed.rename(id, "ours").await;
    bed.vendor.edit(
        Resource::Deal,
        "1",
        &[("amount", "6"), ("closed_lost_reason", "theirs")],
    );
    bed.settle().await;
    let row = bed.deal(id).await;
    assert_eq!(
        (
            row.name.as_str(),
            row.amount_minor,
            row.lost_reason.as_deref()
        ),
        ("ours", Some(600), Some("theirs"))
    );
    let value = |name| bed.vendor.value(Resource::Deal, "1", name);
    assert_eq!(
        (value("dealname").as_deref(), value("amount").as_deref()),
        (Some("ours"), Some("6"))
    );
    assert_eq!(
        sync_conflict::Entity::find()
            .all(bed.database.read())
            .await
            .unwrap()
            .len(),
        0
    );
    assert_eq!(bed.vendor.written().len(), 1);
    bed.is_quiet(&[("77", "deal", "1")]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_one_field_the_policy_decides_and_what_is_open_is_not_sent() {
    let (bed, id) = with_deal(&[("amount", "5")]).await;
    bed.set_mapping(|mapping| mapping.deal.policy.conflicts = ConflictPolicy::Ours)
        .await;
    bed.rename(id, "ours").await;
    bed.vendor
        .edit(Resource::Deal, "1", &[("dealname", "theirs")]);
    bed.settle().await;
    assert_eq!(bed.deal(id).await.name, "ours");
    assert_eq!(
        bed.vendor.value(Resource::Deal, "1", "dealname").as_deref(),
        Some("ours")
    );
    assert_eq!(bed.vendor.written().len(), 1);
    bed.is_quiet(&[("77", "deal", "1")]).await;

    bed.set_mapping(|mapping| mapping.deal.policy.conflicts = ConflictPolicy::Ask)
        .await;
    let patch = DealPatch {
        name: Some("mine".to_owned()),
        lost_reason: Some(Some("price".to_owned())),
        ..DealPatch::default()
    };
    bed.change_deal(id, patch).await;
    bed.vendor
        .edit(Resource::Deal, "1", &[("dealname", "yours")]);
    bed.settle().await;
    assert_eq!(
        sent(&bed.vendor.written()[1]),
        [("closed_lost_reason", Some("price"))]
    );
    assert_eq!(bed.deal(id).await.name, "mine");
    assert_eq!(
        bed.vendor.value(Resource::Deal, "1", "dealname").as_deref(),
        Some("yours")
    );
    let conflicts = sync_conflict::Entity::find()
        .all(bed.database.read())
        .await
        .unwrap();
    assert_eq!(conflicts.len(), 2);
    bed.is_quiet(&[("77", "deal", "1")]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn five_quick_edits_are_one_call_and_the_last_one_counts() {
    let (bed, id) = with_deal(&[]).await;
    for number in 0..5 {
        bed.rename(id, &format!("edit {number}")).await;
    }
    bed.settle().await;
    assert_eq!(bed.vendor.written().len(), 1);
    assert_eq!(
        bed.vendor.value(Resource::Deal, "1", "dealname").as_deref(),
        Some("edit 4")
    );
    // One that is taken back says nothing.
    bed.rename(id, "x").await;
    bed.rename(id, "edit 4").await;
    bed.is_quiet(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_during_the_call_is_sent_after_it_and_in_order() {
    let (bed, id) = with_deal(&[]).await;
    bed.vendor.writing.lock().unwrap().shouts = true;
    bed.vendor
        .writing
        .lock()
        .unwrap()
        .faults
        .push_back(Fault::Silent);
    bed.rename(id, "first").await;
    bed.fan_out_all().await;
    let step = bed.engine.push_step();
    assert!(
        tokio::time::timeout(Duration::from_millis(300), step)
            .await
            .is_err()
    );
    bed.rename(id, "second").await;
    // The row is leased: nobody sends past the call that may still be going on.
    bed.fan_out_all().await;
    assert!(!bed.engine.push_step().await.unwrap());
    bed.engine.break_leases().await.unwrap();
    // What the vendor made of the first one is another value than ours by now; the policy of conflicts decides, visibly.
    bed.settle().await;
    let (here, there) = (
        bed.deal(id).await.name,
        bed.vendor.value(Resource::Deal, "1", "dealname"),
    );
    assert_eq!(Some(here), there);
    bed.is_quiet(&[("77", "deal", "1")]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_vendor_makes_of_a_value_is_taken_and_not_sent_back() {
    let (bed, id) = with_deal(&[]).await;
    bed.vendor.writing.lock().unwrap().shouts = true;
    bed.rename(id, "loud").await;
    bed.settle().await;
    assert_eq!(bed.deal(id).await.name, "LOUD");
    assert_eq!(bed.vendor.written().len(), 1);
    assert_eq!(
        sync_conflict::Entity::find()
            .all(bed.database.read())
            .await
            .unwrap()
            .len(),
        0
    );
    bed.is_quiet(&[("77", "deal", "1")]).await;
    let row = bed.new_deal("new", None).await;
    bed.settle().await;
    assert_eq!(bed.deal(row.id).await.name, "NEW");
    assert_eq!(bed.vendor.written().len(), 2);
    bed.is_quiet(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_won_deal_goes_out_with_its_date_and_brings_the_label_of_its_stage() {
    let (bed, id) = with_deal(&[("closedate", "2026-01-05")]).await;
    let mut change = bed.human().await;
    let row = visible::lock_one::<deal::Entity>(&change, &Viewer::system("t"), id.0, None)
        .await
        .unwrap();
    let amount = entities::money::Money {
        minor: 123_450,
        currency: entities::money::Currency::USD,
    };
    let row = deal::win(&mut change, row, Some(amount), None)
        .await
        .unwrap();
    let owner = Some(Some("moses@sales.example".to_owned()));
    deal::update(
        &mut change,
        row,
        DealPatch {
            owner_email: owner,
            ..DealPatch::default()
        },
    )
    .await
    .unwrap();
    change.commit().await.unwrap();
    bed.settle().await;
    let value = |name| bed.vendor.value(Resource::Deal, "1", name).unwrap();
    assert_eq!(
        (
            value("dealstage"),
            value("amount"),
            value("hubspot_owner_id")
        ),
        ("closedwon".to_owned(), "1234.50".to_owned(), "1".to_owned())
    );
    let row = bed.deal(id).await;
    assert_eq!(
        (row.source_stage.as_deref(), row.owner_name.as_deref()),
        (Some("CLOSEDWON"), Some("Moses Frase"))
    );
    assert_eq!(
        row.closed_at.unwrap().to_rfc3339(),
        Timestamp::parse_rfc3339(&value("closedate"))
            .unwrap()
            .to_rfc3339()
    );
    assert_eq!(bed.vendor.written().len(), 1);
    assert_eq!(
        sync_conflict::Entity::find()
            .all(bed.database.read())
            .await
            .unwrap()
            .len(),
        0
    );
    bed.is_quiet(&[("77", "deal", "1")]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_creation_whose_answer_is_lost_is_found_and_not_repeated() {
    let bed = bed().await;
    bed.sync().await;
    bed.vendor
        .writing
        .lock()
        .unwrap()
        .faults
        .push_back(Fault::Lost);
    let row = bed.new_deal("made once", None).await;
    bed.settle().await;
    assert_eq!(bed.vendor.named(Resource::Deal, "made once").len(), 1);
    assert_eq!(
        bed.vendor.written().len(),
        1,
        "it was found, so nothing is sent again"
    );
    assert!(bed.vendor.writing.lock().unwrap().looked > 0);
    let links =
        external_link::find_subjects(bed.database.read(), bed.connection.id, "deal", &[row.id.0])
            .await
            .unwrap();
    assert_eq!(links.len(), 1);
    bed.is_quiet(&[("77", "deal", "900001")]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_dies_after_a_creation_makes_no_second_record_and_no_second_row() {
    let bed = bed().await;
    bed.sync().await;
    bed.vendor
        .writing
        .lock()
        .unwrap()
        .faults
        .push_back(Fault::Silent);
    let row = bed.new_deal("made once", None).await;
    bed.fan_out_all().await;
    bed.killed_step().await;
    assert!(bed.pushes().await[0].sent_at.is_some());
    // The record comes in by itself before anybody has looked for it, by a webhook and by a walk.
    bed.deliver(&[("77", "deal", "900001")]).await;
    bed.drain().await;
    bed.sync().await;
    let rows = deal::Entity::find().all(bed.database.read()).await.unwrap();
    assert_eq!(
        rows.iter().map(|row| row.id).collect::<Vec<_>>(),
        [row.id],
        "the record is known by our reference"
    );
    bed.rename(row.id, "changed since").await;
    bed.settle().await;
    assert_eq!(bed.vendor.named(Resource::Deal, "changed since").len(), 1);
    assert_eq!(bed.vendor.written().len(), 2);
    bed.is_quiet(&[("77", "deal", "900001")]).await;
    // And one that never arrived is sent again.
    bed.vendor
        .writing
        .lock()
        .unwrap()
        .faults
        .push_back(Fault::Dead);
    bed.new_deal("late", None).await;
    bed.fan_out_all().await;
    bed.killed_step().await;
    bed.settle().await;
    assert_eq!(bed.vendor.named(Resource::Deal, "late").len(), 1);
    assert_eq!(bed.deals().await.len(), 2);
    bed.is_quiet(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_concerns_its_own_row_and_is_told() {
    let bed = bed().await;
    bed.sync().await;
    let refused = ConnectorError::permanent("VALIDATION_ERROR", "region: is required");
    bed.vendor
        .writing
        .lock()
        .unwrap()
        .refuses
        .insert("bad".to_owned(), refused);
    for name in ["good", "bad", "better"] {
        bed.new_deal(name, None).await;
    }
    bed.settle().await;
    assert_eq!(
        bed.vendor.named(Resource::Deal, "good").len()
            + bed.vendor.named(Resource::Deal, "better").len(),
        2
    );
    let pushes = bed.pushes().await;
    assert_eq!(pushes.len(), 1);
    assert!(
        pushes[0].dead
            && pushes[0]
                .error
                .as_deref()
                .unwrap()
                .contains("region: is required")
    );
    let events = event::Entity::find()
        .all(bed.database.read())
        .await
        .unwrap();
    let failed: Vec<_> = events
        .iter()
        .filter(|row| row.kind == "sync.push_failed")
        .collect();
    assert_eq!(failed.len(), 1);
    assert_eq!(failed[0].subject_id, pushes[0].subject_id);
    // Once the vendor takes it, a replay is enough.
    bed.vendor.writing.lock().unwrap().refuses.clear();
    let change = bed.human().await;
    outbound_push::replay_all(&change, bed.connection.id)
        .await
        .unwrap();
    change.commit().await.unwrap();
    bed.settle().await;
    assert_eq!(bed.vendor.named(Resource::Deal, "bad").len(), 1);
    bed.is_quiet(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_of_the_whole_batch_is_brought_home_to_the_one_that_caused_it() {
    let bed = bed().await;
    bed.sync().await;
    let schema = ConnectorError::schema("not an answer");
    bed.vendor
        .writing
        .lock()
        .unwrap()
        .faults
        .push_back(Fault::Refused(schema));
    for name in ["one", "two", "three"] {
        bed.new_deal(name, None).await;
    }
    bed.settle().await;
    assert_eq!(bed.deals().await.len(), 3);
    for name in ["one", "two", "three"] {
        assert_eq!(bed.vendor.named(Resource::Deal, name).len(), 1, "{name}");
    }
    bed.is_quiet(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_kills_its_worker_stops_and_its_neighbours_go_on() {
    let bed = bed().await;
    bed.sync().await;
    bed.vendor.writing.lock().unwrap().hangs_on = Some("poison".to_owned());
    for name in ["one", "poison", "two"] {
        bed.new_deal(name, None).await;
    }
    bed.fan_out_all().await;
    for _ in 0..30 {
        let step = tokio::time::timeout(Duration::from_millis(200), bed.engine.push_step()).await;
        bed.engine.break_leases().await.unwrap();
        if step.is_ok_and(|done| !done.unwrap()) {
            break;
        }
    }
    let pushes = bed.pushes().await;
    assert_eq!(pushes.len(), 1);
    assert!(pushes[0].dead && pushes[0].attempts == bed.engine.settings().max_attempts);
    assert_eq!(
        bed.vendor.named(Resource::Deal, "one").len()
            + bed.vendor.named(Resource::Deal, "two").len(),
        2
    );
    assert_eq!(bed.vendor.named(Resource::Deal, "poison").len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rate_limit_pauses_the_connection_and_burns_no_attempt() {
    let (bed, id) = with_deal(&[]).await;
    bed.vendor
        .writing
        .lock()
        .unwrap()
        .faults
        .push_back(Fault::Refused(ConnectorError::RateLimited {
            retry_after: Duration::from_secs(600),
            scope: crate::error::LimitScope::Account,
        }));
    bed.rename(id, "b").await;
    bed.settle_now().await;
    let pushes = bed.pushes().await;
    assert_eq!(
        (pushes.len(), pushes[0].attempts, pushes[0].dead),
        (1, 0, false)
    );
    assert!(!bed.engine.push_step().await.unwrap());
    let row = connection::Entity::find()
        .one(bed.database.read())
        .await
        .unwrap()
        .unwrap();
    assert!(
        row.paused_until
            .is_some_and(|until| until > bed.database.now().plus_millis(500_000))
    );
    bed.clock.0.fetch_add(601_000, Ordering::SeqCst);
    bed.settle().await;
    assert_eq!(
        bed.vendor.value(Resource::Deal, "1", "dealname").as_deref(),
        Some("b")
    );
    bed.is_quiet(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vendor_that_is_down_uses_up_no_push() {
    let (bed, id) = with_deal(&[]).await;
    for _ in 0..20 {
        bed.vendor
            .writing
            .lock()
            .unwrap()
            .faults
            .push_back(Fault::Refused(ConnectorError::transient("down")));
    }
    bed.rename(id, "b").await;
    for _ in 0..30 {
        bed.settle_now().await;
        bed.clock.0.fetch_add(1_000_000, Ordering::SeqCst);
    }
    assert_eq!(
        bed.vendor.value(Resource::Deal, "1", "dealname").as_deref(),
        Some("b")
    );
    assert_eq!(bed.pushes().await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_consent_keeps_pushes_until_somebody_connects_again() {
    let (bed, id) = with_deal(&[]).await;
    bed.vendor
        .writing
        .lock()
        .unwrap()
        .faults
        .push_back(Fault::Refused(ConnectorError::Auth {
            reconnect: true,
            message: "gone".to_owned(),
        }));
    bed.rename(id, "b").await;
    bed.settle().await;
    let row = connection::Entity::find()
        .one(bed.database.read())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(row.status, ConnectionStatus::ReauthRequired);
    let pushes = bed.pushes().await;
    assert_eq!(
        (pushes.len(), pushes[0].attempts, pushes[0].dead),
        (1, 0, false)
    );
    // What changes meanwhile waits too.
    bed.new_deal("meanwhile", None).await;
    bed.settle().await;
    assert_eq!(bed.pushes().await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deal_waits_for_its_companies_and_goes_out_with_its_links() {
    let bed = bed().await;
    bed.sync().await;
    let mut change = bed.human().await;
    let new = NewCustomer {
        name: "Acme".to_owned(),
        domain: Some("acme.example".parse().unwrap()),
        country: None,
        segment: None,
        archived: false,
    };
    let customer = customer::create(&mut change, vec![new])
        .await
        .unwrap()
        .remove(0);
    let partner = partner::create(&mut change, vec![NewPartner::named("Reseller")])
        .await
        .unwrap()
        .remove(0);
    let new = NewPartnership::of(partner.id, PartnerType::Channel);
    let partnership = partnership::create(&mut change, vec![new])
        .await
        .unwrap()
        .remove(0);
    change.commit().await.unwrap();
    let row = bed.new_deal("with all", Some(customer.id)).await;
    let share = |role, weight| Share {
        partnership_id: partnership.id,
        role,
        weight_bp: BasisPoints::new(weight).unwrap(),
    };
    let mut change = bed.human().await;
    let shares = vec![
        share(DealPartnerRole::Resold, 10_000),
        share(DealPartnerRole::Influenced, 0),
    ];
    deal_partner::attribute(&mut change, &[(row.clone(), shares)])
        .await
        .unwrap();
    change.commit().await.unwrap();
    bed.settle().await;
    let company = |name: &str| bed.vendor.named(Resource::Company, name).remove(0);
    assert_eq!(company("Reseller").value("type"), Some("PARTNER"));
    assert_eq!(company("Acme").value("type"), None);
    let record = bed.vendor.named(Resource::Deal, "with all").remove(0);
    let links: BTreeMap<String, Vec<String>> = record
        .links
        .into_iter()
        .map(|link| (link.external_id, link.labels))
        .collect();
    assert_eq!(
        links,
        BTreeMap::from([
            (company("Acme").external_id, vec![]),
            (company("Reseller").external_id, vec!["Partner".to_owned()]),
        ])
    );
    // The role without a label is told, and stays here.
    let runs = sync_run::Entity::find()
        .all(bed.database.read())
        .await
        .unwrap();
    assert!(runs.iter().any(|run| {
        run.kind == "push"
            && run
                .findings
                .issues
                .iter()
                .any(|issue| issue.code == "NO_LABEL")
    }));
    let shares = || async {
        deal_partner::Entity::find()
            .all(bed.database.read())
            .await
            .unwrap()
            .len()
    };
    assert_eq!(shares().await, 2);
    assert_eq!(bed.vendor.written().len(), 3);
    bed.is_quiet(&[
        ("77", "deal", &record.external_id),
        ("77", "company", &company("Acme").external_id),
    ])
    .await;
    assert_eq!(
        partner::Entity::find()
            .all(bed.database.read())
            .await
            .unwrap()
            .len(),
        1
    );
    // Shares and customer are taken away again.
    let mut change = bed.human().await;
    deal_partner::attribute(&mut change, &[(bed.deal(row.id).await, vec![])])
        .await
        .unwrap();
    change.commit().await.unwrap();
    bed.change_deal(
        row.id,
        DealPatch {
            customer_id: Some(None),
            ..DealPatch::default()
        },
    )
    .await;
    bed.settle().await;
    assert_eq!(bed.vendor.named(Resource::Deal, "with all")[0].links, []);
    assert_eq!(bed.vendor.written().len(), 4);
    bed.is_quiet(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_company_that_cannot_be_created_holds_up_only_the_link_to_it() {
    let bed = bed().await;
    bed.sync().await;
    let refused = ConnectorError::permanent("VALIDATION_ERROR", "country: is required");
    bed.vendor
        .writing
        .lock()
        .unwrap()
        .refuses
        .insert("Acme".to_owned(), refused);
    let mut change = bed.human().await;
    let new = NewCustomer {
        name: "Acme".to_owned(),
        domain: None,
        country: None,
        segment: None,
        archived: false,
    };
    let customer = customer::create(&mut change, vec![new])
        .await
        .unwrap()
        .remove(0);
    change.commit().await.unwrap();
    let row = bed.new_deal("alone", Some(customer.id)).await;
    bed.settle().await;
    assert_eq!(bed.vendor.named(Resource::Deal, "alone").len(), 1);
    let dead: Vec<_> = bed
        .pushes()
        .await
        .into_iter()
        .filter(|push| push.dead)
        .collect();
    assert_eq!(dead.len(), 2);
    bed.vendor.writing.lock().unwrap().refuses.clear();
    let change = bed.human().await;
    outbound_push::replay_all(&change, bed.connection.id)
        .await
        .unwrap();
    change.commit().await.unwrap();
    bed.settle().await;
    assert_eq!(bed.vendor.named(Resource::Deal, "alone")[0].links.len(), 1);
    assert_eq!(bed.deal(row.id).await.customer_id, Some(customer.id));
    bed.is_quiet(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_who_is_there_already_is_the_same_person() {
    let bed = bed().await;
    bed.sync().await;
    // Nobody has told us of this one yet.
    let fields = [
        ("firstname", "Ada"),
        ("lastname", "Byron"),
        ("email", "ada@x.example"),
        ("jobtitle", "Countess"),
    ];
    bed.vendor.put(
        Resource::Contact,
        "5",
        &fields,
        &[],
        crate::record::Kind::Contact,
    );
    let row = bed.new_contact("Ada Byron", "ada@x.example").await;
    bed.settle().await;
    let rows = contact::Entity::find()
        .all(bed.database.read())
        .await
        .unwrap();
    assert_eq!(rows.len(), 1);
    assert_eq!(
        (rows[0].id, rows[0].title.as_deref()),
        (row.id, Some("Countess"))
    );
    assert_eq!(
        bed.vendor.value(Resource::Contact, "5", "phone").as_deref(),
        Some("1")
    );
    bed.is_quiet(&[("77", "contact", "5")]).await;
    // A second row of the same person finds the record taken: that is for a person to sort out, and no value is told.
    bed.new_contact("Ada B", "ada@x.example").await;
    bed.settle().await;
    let pushes = bed.pushes().await;
    assert!(pushes.len() == 1 && pushes[0].dead);
    let events = event::Entity::find()
        .all(bed.database.read())
        .await
        .unwrap();
    let failed = events
        .iter()
        .find(|row| row.kind == "sync.push_failed")
        .unwrap();
    assert!(!failed.data.to_string().contains("ada"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_archived_here_is_put_away_there_and_cannot_come_back_from_here() {
    let (bed, id) = with_deal(&[]).await;
    let archived = |archived| DealPatch {
        archived: Some(archived),
        ..DealPatch::default()
    };
    bed.change_deal(id, archived(true)).await;
    bed.settle().await;
    let is_away =
        || bed.vendor.state.lock().unwrap().records[&(Resource::Deal, "1".to_owned())].archived;
    assert!(is_away());
    assert_eq!(bed.vendor.written().len(), 1);
    bed.is_quiet(&[("77", "deal", "1")]).await;
    bed.change_deal(id, archived(false)).await;
    bed.settle().await;
    let pushes = bed.pushes().await;
    assert!(
        pushes[0].dead
            && pushes[0]
                .error
                .as_deref()
                .unwrap()
                .contains("CANNOT_RESTORE")
    );
    assert!(is_away());
    // Restored there, it is in step again.
    bed.vendor.deal("1", &[("dealname", "a"), OPEN], &[]);
    bed.deliver(&[("77", "deal", "1")]).await;
    bed.settle().await;
    bed.rename(id, "b").await;
    bed.settle().await;
    assert_eq!(
        bed.vendor.value(Resource::Deal, "1", "dealname").as_deref(),
        Some("b")
    );
    // What the vendor puts away is no push.
    let calls = bed.vendor.written().len();
    bed.vendor.archive(Resource::Deal, "1");
    bed.deliver(&[("77", "deal", "1")]).await;
    bed.settle().await;
    assert!(bed.deal(id).await.archived_at.is_some());
    assert_eq!(
        (bed.vendor.written().len(), bed.pushes().await.len()),
        (calls, 0)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_is_gone_is_put_away_here_instead_of_being_written() {
    let (bed, id) = with_deal(&[]).await;
    bed.rename(id, "b").await;
    bed.vendor
        .state
        .lock()
        .unwrap()
        .records
        .remove(&(Resource::Deal, "1".to_owned()));
    bed.settle().await;
    assert!(bed.deal(id).await.archived_at.is_some());
    assert_eq!(
        (bed.vendor.written().len(), bed.pushes().await.len()),
        (0, 0)
    );
    // It came from there, so it is not made anew.
    bed.rename(id, "c").await;
    bed.is_quiet(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_chose_is_not_sent() {
    let (bed, id) = with_deal(&[]).await;
    bed.set_mapping(|mapping| mapping.deal.policy.push = PushMode::Off)
        .await;
    bed.rename(id, "b").await;
    bed.is_quiet(&[]).await;
    bed.set_mapping(|mapping| mapping.deal.policy.push = PushMode::Update)
        .await;
    bed.new_deal("new", None).await;
    bed.settle().await;
    assert_eq!(
        (bed.vendor.written().len(), bed.pushes().await.len()),
        (0, 0)
    );
    bed.rename(id, "c").await;
    bed.settle().await;
    assert_eq!(
        bed.vendor.value(Resource::Deal, "1", "dealname").as_deref(),
        Some("c")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_synchronisation_raises_nothing_and_two_workers_send_once() {
    let bed = bed().await;
    portal(&bed.vendor);
    bed.sync().await;
    bed.settle().await;
    assert_eq!(
        (bed.vendor.written().len(), bed.pushes().await.len()),
        (0, 0)
    );
    let deals: Vec<DealId> = bed.deals().await.values().map(|row| row.id).collect();
    for id in deals.iter().take(150) {
        bed.rename(*id, &format!("renamed {id}")).await;
    }
    let other = engine(&bed.database, &bed.vendor);
    bed.fan_out_all().await;
    let work = |engine: Engine| async move { while engine.push_step().await.unwrap() {} };
    tokio::join!(work(bed.engine.clone()), work(other));
    assert_eq!(bed.vendor.written().len(), 150);
    bed.is_quiet(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_came_from_there_and_lost_its_record_is_not_made_anew() {
    let (bed, id) = with_deal(&[]).await;
    bed.vendor.company("7", &[("name", "Acme")]);
    bed.sync().await;
    bed.settle().await;
    // The company becomes a partner there: the customer keeps its deals and has no record any more.
    bed.vendor
        .edit(Resource::Company, "7", &[("type", "PARTNER")]);
    bed.sync().await;
    bed.settle().await;
    let customers = customer::Entity::find()
        .all(bed.database.read())
        .await
        .unwrap();
    let patch = DealPatch {
        customer_id: Some(Some(customers[0].id)),
        ..DealPatch::default()
    };
    bed.change_deal(id, patch).await;
    bed.settle().await;
    assert_eq!(bed.vendor.named(Resource::Company, "Acme").len(), 1);
    assert_eq!(bed.vendor.written(), []);
    assert_eq!(bed.pushes().await, []);
    let runs = sync_run::Entity::find()
        .all(bed.database.read())
        .await
        .unwrap();
    let told = runs.iter().flat_map(|run| &run.findings.issues);
    assert!(told.into_iter().any(|issue| issue.code == "END_NOT_THERE"));
}

#[tokio::test(flavor = "multi_thread")]
async fn while_a_new_mapping_is_applied_nothing_is_sent() {
    use entities::sync_cursor;
    let (bed, id) = with_deal(&[]).await;
    let change = bed.human().await;
    let (of, lane) = (bed.connection.id, ("deal", super::super::remap::REMAP));
    let now = change.now();
    sync_cursor::ensure(&change, of, &[(lane.0, lane.1, now)])
        .await
        .unwrap();
    let going = Some(serde_json::json!({ "after": "" }));
    sync_cursor::place(
        change.transaction(),
        of,
        lane,
        going,
        now.plus_millis(600_000),
    )
    .await
    .unwrap();
    change.commit().await.unwrap();
    bed.rename(id, "b").await;
    bed.settle().await;
    assert_eq!(bed.vendor.written(), []);
    assert_eq!(
        (bed.pushes().await.len(), bed.pushes().await[0].attempts),
        (1, 0)
    );
    let change = bed.human().await;
    sync_cursor::place(change.transaction(), of, lane, None, sync_cursor::DORMANT)
        .await
        .unwrap();
    change.commit().await.unwrap();
    bed.settle().await;
    assert_eq!(bed.vendor.written().len(), 1);
}
