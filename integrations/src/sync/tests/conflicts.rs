//! Who wins where both sides changed a field, and what a person's decision does.

use super::*;
use entities::change::{Author, Origin};
use entities::connection::mapping::{ConflictPolicy, ResourcePolicy};
use entities::id::DealId;
use entities::sync_conflict::{self, ConflictStatus, Side};
use entities::{contact, outbound_push};

/// The connection's policy for every resource.
async fn with_policy(bed: &Bed, change: impl Fn(&mut ResourcePolicy)) {
    let row = connection::Entity::find()
        .one(bed.database.read())
        .await
        .unwrap()
        .unwrap();
    let mut mapping = row.mapping.clone();
    change(&mut mapping.company.policy);
    change(&mut mapping.contact.policy);
    change(&mut mapping.deal.policy);
    let mut active = row.into_active_model();
    active.mapping = Set(mapping);
    active.update(bed.database.write()).await.unwrap();
}

async fn conflicts(bed: &Bed) -> Vec<sync_conflict::Model> {
    let mut rows = sync_conflict::Entity::find()
        .all(bed.database.read())
        .await
        .unwrap();
    rows.sort_by_key(|row| row.id);
    rows
}

async fn pushes(bed: &Bed) -> Vec<uuid::Uuid> {
    let rows = outbound_push::Entity::find()
        .all(bed.database.read())
        .await
        .unwrap();
    rows.into_iter().map(|row| row.subject_id).collect()
}

async fn kinds(bed: &Bed, kind: &str) -> Vec<event::Model> {
    let rows = event::Entity::find()
        .all(bed.database.read())
        .await
        .unwrap();
    rows.into_iter().filter(|row| row.kind == kind).collect()
}

async fn only_deal(bed: &Bed) -> deal::Model {
    deal::Entity::find()
        .one(bed.database.read())
        .await
        .unwrap()
        .unwrap()
}

/// A person here gives the deal another name.
async fn rename(bed: &Bed, name: &str) {
    let row = only_deal(bed).await;
    let mut change = entities::change::Change::begin(&bed.database, person())
        .await
        .unwrap();
    let patch = deal::DealPatch {
        name: Some(name.to_owned()),
        ..Default::default()
    };
    deal::update(&mut change, row, patch).await.unwrap();
    change.commit().await.unwrap();
}

fn person() -> Author {
    Author {
        actor: "ada".to_owned(),
        origin: Origin::Human,
        connection: None,
    }
}

fn named(bed: &Bed, name: &str) {
    bed.vendor.deal(
        "1",
        &[("dealname", name), ("dealstage", "prospecting")],
        &[],
    );
}

/// A deal whose name both sides have changed, under a policy.
async fn clashed(policy: ConflictPolicy) -> (Bed, sync_run::Model) {
    let bed = bed().await;
    named(&bed, "a");
    bed.sync().await;
    with_policy(&bed, |of| of.conflicts = policy).await;
    rename(&bed, "ours").await;
    named(&bed, "theirs");
    let run = bed.sync().await;
    (bed, run)
}

#[tokio::test(flavor = "multi_thread")]
async fn each_policy_decides_once_and_says_so() {
    let decided = [
        (ConflictPolicy::Theirs, "theirs", Some(Side::Theirs), 0),
        (ConflictPolicy::Ours, "ours", Some(Side::Ours), 1),
        // The vendor in memory lives years ago, so ours is the newest.
        (ConflictPolicy::Newest, "ours", Some(Side::Ours), 1),
        (ConflictPolicy::Ask, "ours", None, 0),
    ];
    for (policy, name, winner, sent) in decided {
        let (bed, run) = clashed(policy).await;
        assert_eq!(only_deal(&bed).await.name, name, "{policy:?}");
        let rows = conflicts(&bed).await;
        assert_eq!(rows.len(), 1, "{policy:?}");
        let row = &rows[0];
        assert_eq!(
            (row.field.as_str(), row.winner, row.policy.as_str()),
            ("name", winner, sync_conflict::policy_name(policy))
        );
        assert_eq!(
            (row.ours.as_str(), row.theirs.as_str()),
            (Some("ours"), Some("theirs"))
        );
        let status = if winner.is_some() {
            ConflictStatus::Resolved
        } else {
            ConflictStatus::Open
        };
        assert_eq!(row.status, status);
        assert_eq!(row.resolved_by.is_some(), winner.is_some());
        let told = run
            .findings
            .issues
            .iter()
            .filter(|issue| issue.code == "CONFLICT");
        assert_eq!(told.count(), 1);
        assert_eq!(kinds(&bed, "sync.conflict").await.len(), 1);
        assert_eq!(pushes(&bed).await.len(), sent, "{policy:?}");
        // The vendor's value is the shadow now, whoever won: nothing more is said of it.
        let before = bed.everything().await;
        bed.engine
            .sync_connection(bed.connection.id, SyncKind::Everything, |_| {})
            .await
            .unwrap();
        assert_eq!(bed.everything().await, before);
        assert_eq!(conflicts(&bed).await, rows);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_of_one_field_goes_before_that_of_all() {
    let bed = bed().await;
    named(&bed, "a");
    bed.sync().await;
    with_policy(&bed, |of| {
        of.conflicts = ConflictPolicy::Ask;
        of.fields.insert("name".to_owned(), ConflictPolicy::Theirs);
    })
    .await;
    rename(&bed, "ours").await;
    named(&bed, "theirs");
    bed.sync().await;
    assert_eq!(only_deal(&bed).await.name, "theirs");
    assert_eq!(conflicts(&bed).await[0].policy, "THEIRS");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_conflict_is_kept_up_to_date_and_a_person_decides() {
    for winner in [Side::Ours, Side::Theirs] {
        let (bed, _) = clashed(ConflictPolicy::Ask).await;
        let id = only_deal(&bed).await.id;
        let open = sync_conflict::open_fields(bed.database.read(), bed.connection.id, &[id.0])
            .await
            .unwrap();
        assert!(open[&id.0].contains("name"));
        // Both go on; there is still one row.
        rename(&bed, "ours again").await;
        named(&bed, "theirs again");
        bed.sync().await;
        let rows = conflicts(&bed).await;
        assert_eq!(rows.len(), 1);
        let row = rows[0].clone();
        assert_eq!(
            (row.ours.as_str(), row.theirs.as_str(), row.version),
            (Some("ours again"), Some("theirs again"), 2)
        );
        let resolve = |version| {
            bed.engine
                .resolve_conflict(row.id, winner, version, person())
        };
        assert!(matches!(
            resolve(Some(1)).await,
            Err(SyncError::Entity(entities::error::Error::Invalid(_)))
        ));
        let resolved = resolve(Some(2)).await.unwrap();
        assert_eq!(
            (
                resolved.winner,
                resolved.resolved_by.as_deref(),
                resolved.status
            ),
            (Some(winner), Some("ada"), ConflictStatus::Resolved)
        );
        assert!(resolve(None).await.is_err());
        let (name, sent) = match winner {
            Side::Ours => ("ours again", vec![id.0]),
            Side::Theirs => ("theirs again", vec![]),
        };
        assert_eq!(only_deal(&bed).await.name, name);
        assert_eq!(pushes(&bed).await, sent);
        let told = kinds(&bed, "sync.conflict_resolved").await;
        assert_eq!((told.len(), told[0].actor.as_str()), (1, "ada"));
        // Taken values came from the vendor, whoever chose them: they are not sent back.
        let taken = kinds(&bed, "deal.updated").await.pop().unwrap();
        if winner == Side::Theirs {
            assert_eq!(taken.connection_id, Some(bed.connection.id));
        }
        let before = bed.everything().await;
        bed.sync().await;
        assert_eq!(bed.everything().await, before);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_conflict_ends_when_both_sides_say_the_same_again() {
    // The vendor returns to our value.
    let (bed, _) = clashed(ConflictPolicy::Ask).await;
    named(&bed, "ours");
    bed.sync().await;
    let row = conflicts(&bed).await.pop().unwrap();
    assert_eq!(
        (row.status, row.winner, row.resolved_by.as_deref()),
        (
            ConflictStatus::Resolved,
            Some(Side::Ours),
            Some("agreement")
        )
    );
    // We take the vendor's value ourselves; a look at the unchanged record is enough.
    let (bed, _) = clashed(ConflictPolicy::Ask).await;
    rename(&bed, "theirs").await;
    bed.deliver(&[("77", "deal", "1")]).await;
    bed.drain().await;
    let row = conflicts(&bed).await.pop().unwrap();
    assert_eq!(
        (row.status, row.winner),
        (ConflictStatus::Resolved, Some(Side::Theirs))
    );
    // A policy that is set later decides what was open, and makes no second row.
    let (bed, _) = clashed(ConflictPolicy::Ask).await;
    with_policy(&bed, |of| of.conflicts = ConflictPolicy::Theirs).await;
    named(&bed, "theirs again");
    bed.sync().await;
    let rows = conflicts(&bed).await;
    assert_eq!((rows.len(), rows[0].winner), (1, Some(Side::Theirs)));
    assert_eq!(only_deal(&bed).await.name, "theirs again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_that_cannot_be_taken_cannot_be_chosen_and_the_question_stays() {
    let bed = bed().await;
    let priced = |amount: &str| {
        let fields = [
            ("dealname", "a"),
            ("dealstage", "prospecting"),
            ("amount", amount),
        ];
        bed.vendor.deal("1", &fields, &[]);
    };
    priced("1");
    bed.sync().await;
    with_policy(&bed, |of| of.conflicts = ConflictPolicy::Ask).await;
    let mut ours = only_deal(&bed).await.into_active_model();
    ours.amount_minor = Set(Some(5_00));
    ours.update(bed.database.write()).await.unwrap();
    priced("2");
    bed.sync().await;
    priced("abc");
    bed.sync().await;
    let open = conflicts(&bed).await;
    assert_eq!((open.len(), open[0].status), (1, ConflictStatus::Open));
    let before = bed.everything().await;
    let refused = bed
        .engine
        .resolve_conflict(open[0].id, Side::Theirs, None, person())
        .await;
    assert!(
        matches!(
            refused,
            Err(SyncError::Entity(entities::error::Error::Invalid(_)))
        ),
        "{refused:?}"
    );
    assert_eq!(bed.everything().await, before);
    assert_eq!(conflicts(&bed).await, open);
    // What comes after what could not be read is asked about as well.
    priced("3");
    bed.sync().await;
    assert_eq!(only_deal(&bed).await.amount_minor, Some(5_00));
    let open = conflicts(&bed).await;
    assert_eq!(
        (
            open.len(),
            open[0].status,
            open[0].theirs["amount"].as_str()
        ),
        (1, ConflictStatus::Open, Some("3.00")),
        "{open:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn while_our_stage_stands_the_vendors_close_date_says_nothing() {
    let bed = bed().await;
    named(&bed, "a");
    bed.sync().await;
    with_policy(&bed, |of| of.conflicts = ConflictPolicy::Ask).await;
    let mut ours = only_deal(&bed).await.into_active_model();
    ours.stage = Set(DealStage::Committed);
    ours.update(bed.database.write()).await.unwrap();
    let won = [
        ("dealname", "a"),
        ("dealstage", "closedwon"),
        ("closedate", "2026-02-05T00:00:00Z"),
    ];
    bed.vendor.deal("1", &won, &[]);
    bed.sync().await;
    let row = only_deal(&bed).await;
    assert_eq!((row.stage, row.closed_at), (DealStage::Committed, None));
    assert_eq!(row.source_stage.as_deref(), Some("PROSPECTING"));
    let open = conflicts(&bed).await;
    assert_eq!((open.len(), open[0].field.as_str()), (1, "stage"));
    bed.engine
        .resolve_conflict(open[0].id, Side::Theirs, None, person())
        .await
        .unwrap();
    let row = only_deal(&bed).await;
    assert_eq!(
        (
            row.stage,
            row.closed_at.is_some(),
            row.source_stage.as_deref()
        ),
        (DealStage::Won, true, Some("CLOSEDWON"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn shares_are_one_field_and_a_choice_is_about_those_that_clashed() {
    for (policy, winner) in [
        (ConflictPolicy::Theirs, None),
        (ConflictPolicy::Ours, None),
        (ConflictPolicy::Ask, Some(Side::Ours)),
        (ConflictPolicy::Ask, Some(Side::Theirs)),
    ] {
        let bed = bed().await;
        bed.vendor
            .company("20", &[("name", "P"), ("type", "PARTNER")]);
        let fields = [("dealname", "a"), ("dealstage", "prospecting")];
        bed.vendor.deal("1", &fields, &[("20", "Partner")]);
        bed.sync().await;
        with_policy(&bed, |of| of.conflicts = policy).await;
        let read = bed.database.read();
        let share = deal_partner::Entity::find()
            .one(read)
            .await
            .unwrap()
            .unwrap();
        let mut ours = share.into_active_model();
        ours.weight_bp = Set(entities::money::BasisPoints::new(4_000).unwrap());
        ours.update(bed.database.write()).await.unwrap();
        bed.vendor.deal("1", &fields, &[]);
        bed.sync().await;
        let shares = || async { deal_partner::Entity::find().all(read).await.unwrap().len() };
        let rows = conflicts(&bed).await;
        assert_eq!((rows.len(), rows[0].field.as_str()), (1, "partners"));
        let kept = usize::from(policy != ConflictPolicy::Theirs);
        assert_eq!(shares().await, kept, "{policy:?}");
        let before = bed.everything().await;
        bed.deliver(&[("77", "deal", "1")]).await;
        bed.drain().await;
        assert_eq!(bed.everything().await, before);
        assert_eq!(conflicts(&bed).await, rows);
        if let Some(winner) = winner {
            bed.engine
                .resolve_conflict(rows[0].id, winner, None, person())
                .await
                .unwrap();
            assert_eq!(shares().await, usize::from(winner == Side::Ours));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_a_person_is_kept_in_a_conflict() {
    let bed = bed().await;
    let put = |name: &str| {
        let fields = [("firstname", name), ("email", "p@secret.example")];
        bed.vendor.put(
            Resource::Contact,
            "5",
            &fields,
            &[],
            crate::record::Kind::Contact,
        );
    };
    put("Grace");
    bed.sync().await;
    with_policy(&bed, |of| of.conflicts = ConflictPolicy::Ask).await;
    let read = bed.database.read();
    let row = contact::Entity::find().one(read).await.unwrap().unwrap();
    let mut ours = row.into_active_model();
    ours.name = Set("Gracious".to_owned());
    ours.update(bed.database.write()).await.unwrap();
    put("Graceful");
    bed.sync().await;
    let row = conflicts(&bed).await.pop().unwrap();
    let told = kinds(&bed, "sync.conflict").await.pop().unwrap();
    for text in [
        row.ours.to_string(),
        row.theirs.to_string(),
        told.data.to_string(),
    ] {
        assert!(!text.contains("Grac"), "{text}");
    }
    bed.engine
        .resolve_conflict(row.id, Side::Theirs, None, person())
        .await
        .unwrap();
    let row = contact::Entity::find().one(read).await.unwrap().unwrap();
    assert_eq!(row.name, "Graceful");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_our_rules_refuse_is_no_base_and_is_taken_when_it_fits() {
    let bed = bed().await;
    bed.vendor.company("10", &[("name", "Acme")]);
    let fields = [("dealname", "a"), ("dealstage", "prospecting")];
    bed.vendor.deal("1", &fields, &[]);
    bed.sync().await;
    // The customer's row has gone under the link: an update that names it is refused.
    let customer = customer::Entity::find()
        .one(bed.database.read())
        .await
        .unwrap()
        .unwrap();
    let hidden = entities::id::CustomerId(uuid::Uuid::from_u128(9));
    let links = external_link::find_all(bed.database.read(), bed.connection.id, "company", &["10"])
        .await
        .unwrap();
    let point = |at: uuid::Uuid| {
        let mut link = links[0].clone().into_active_model();
        link.subject_id = Set(Some(at));
        link
    };
    point(hidden.0).update(bed.database.write()).await.unwrap();
    bed.vendor.deal(
        "1",
        &[("dealname", "b"), ("dealstage", "prospecting")],
        &[("10", "")],
    );
    let run = bed.sync().await;
    assert!(
        run.findings
            .issues
            .iter()
            .any(|issue| issue.code == "REFUSED_HERE")
    );
    let row = only_deal(&bed).await;
    assert_eq!((row.name.as_str(), row.customer_id), ("a", None));
    assert!(conflicts(&bed).await.is_empty());
    point(customer.id.0)
        .update(bed.database.write())
        .await
        .unwrap();
    bed.deliver(&[("77", "deal", "1")]).await;
    bed.drain().await;
    let row = only_deal(&bed).await;
    assert_eq!(
        (row.name.as_str(), row.customer_id),
        ("b", Some(customer.id))
    );
    let link = external_link::find_all(bed.database.read(), bed.connection.id, "deal", &["1"])
        .await
        .unwrap()
        .remove(0);
    assert!(link.shadow.flags.is_empty());
    let _: DealId = row.id;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_an_open_field_is_sent_until_a_person_has_chosen_ours() {
    let (bed, _) = clashed(ConflictPolicy::Ask).await;
    let work = || async { while bed.engine.step().await.unwrap() {} };
    let there = || {
        let state = bed.vendor.state.lock().unwrap();
        let record = &state.records[&(Resource::Deal, "1".to_owned())];
        record.value("dealname").unwrap().to_owned()
    };
    work().await;
    assert_eq!(there(), "theirs");
    let open = conflicts(&bed).await.remove(0);
    assert_eq!(open.status, ConflictStatus::Open);
    bed.engine
        .resolve_conflict(open.id, Side::Ours, None, person())
        .await
        .unwrap();
    work().await;
    assert_eq!(there(), "ours");
    assert_eq!(only_deal(&bed).await.name, "ours");
    assert!(pushes(&bed).await.is_empty());
    let (before, told) = (bed.everything().await, conflicts(&bed).await);
    bed.deliver(&[("77", "deal", "1")]).await;
    bed.drain().await;
    bed.sync().await;
    work().await;
    assert_eq!(bed.everything().await, before);
    assert_eq!(conflicts(&bed).await, told);
}
