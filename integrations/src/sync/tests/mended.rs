//! What once went wrong: each test is a way in which a value, a row or a wait was lost.

use super::*;
use crate::connector::Fetched;
use entities::sync_cursor;
use entities::sync_run::{Counts, Findings};

const OPEN: (&str, StageOutcome) = ("prospecting", StageOutcome::Open);

async fn connection_of(bed: &Bed) -> connection::Model {
    connection::Entity::find()
        .one(bed.database.read())
        .await
        .unwrap()
        .unwrap()
}

async fn lane(bed: &Bed, resource: &str, name: &str) -> sync_cursor::Model {
    let lanes = sync_cursor::list(bed.database.read(), bed.connection.id)
        .await
        .unwrap();
    lanes
        .into_iter()
        .find(|lane| lane.resource == resource && lane.lane == name)
        .unwrap()
}

async fn link_of(bed: &Bed, resource: &str, id: &str) -> external_link::Model {
    external_link::find_all(bed.database.read(), bed.connection.id, resource, &[id])
        .await
        .unwrap()
        .remove(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_known_deal_takes_its_stage_when_the_pipeline_learns_it() {
    let bed = bed().await;
    bed.vendor.deal(
        "1",
        &[
            ("dealname", "a"),
            ("dealstage", "prospecting"),
            ("closedate", "2026-01-05"),
        ],
        &[],
    );
    bed.sync().await;
    bed.vendor.deal(
        "1",
        &[
            ("dealname", "a"),
            ("dealstage", "mystery"),
            ("closedate", "2026-02-05T00:00:00Z"),
        ],
        &[],
    );
    let run = bed.sync().await;
    assert!(
        run.findings
            .issues
            .iter()
            .any(|issue| issue.code == "UNKNOWN_STAGE")
    );
    assert_eq!(bed.deals().await["a"].stage, DealStage::Prospect);
    let before = bed.everything().await;
    bed.sync().await;
    assert_eq!(
        bed.everything().await,
        before,
        "what still waits is no news"
    );
    bed.vendor.stages(&[OPEN, ("mystery", StageOutcome::Won)]);
    let run = bed.sync().await;
    let row = &bed.deals().await["a"];
    assert_eq!(
        (
            row.stage,
            row.source_stage.as_deref(),
            row.closed_at.is_some()
        ),
        (DealStage::Won, Some("MYSTERY"), true)
    );
    assert_eq!(run.findings.counts["deal"].updated, 1);
    assert_eq!(link_of(&bed, "deal", "1").await.held_reason, None);
    let before = bed.everything().await;
    bed.sync().await;
    assert_eq!(bed.everything().await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_domain_or_a_share_that_was_refused_is_taken_when_it_can_be() {
    let bed = bed().await;
    bed.vendor.company(
        "1",
        &[
            ("name", "One"),
            ("type", "PARTNER"),
            ("domain", "same.example"),
        ],
    );
    bed.vendor.company(
        "2",
        &[
            ("name", "Two"),
            ("type", "PARTNER"),
            ("domain", "same.example"),
        ],
    );
    bed.vendor.deal(
        "9",
        &[("dealname", "a"), ("dealstage", "prospecting")],
        &[("1", "Partner"), ("2", "Partner")],
    );
    let run = bed.sync().await;
    for code in ["DOMAIN_TAKEN", "WEIGHTS_EXCEED_WHOLE"] {
        assert!(
            run.findings.issues.iter().any(|issue| issue.code == code),
            "{code}"
        );
    }
    bed.vendor.company(
        "1",
        &[
            ("name", "One"),
            ("type", "PARTNER"),
            ("domain", "one.example"),
        ],
    );
    bed.vendor.deal(
        "9",
        &[("dealname", "a"), ("dealstage", "prospecting")],
        &[("2", "Partner")],
    );
    bed.sync().await;
    bed.vendor.company(
        "2",
        &[
            ("name", "Two, touched"),
            ("type", "PARTNER"),
            ("domain", "same.example"),
        ],
    );
    bed.sync().await;
    let partners = partner::Entity::find()
        .all(bed.database.read())
        .await
        .unwrap();
    let two = partners
        .iter()
        .find(|row| row.name.starts_with("Two"))
        .unwrap();
    assert_eq!(
        two.domain.as_ref().map(ToString::to_string).as_deref(),
        Some("same.example")
    );
    assert_eq!(
        deal_partner::Entity::find()
            .all(bed.database.read())
            .await
            .unwrap()
            .len(),
        1
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_merge_into_a_new_id_keeps_one_row() {
    let bed = bed().await;
    for (id, name) in [("1", "one"), ("2", "two")] {
        bed.vendor.deal(
            id,
            &[
                ("dealname", name),
                ("dealstage", "closedwon"),
                ("amount", "5"),
            ],
            &[("404", "")],
        );
    }
    bed.sync().await;
    let heir = bed.deals().await["one"].id;
    let remove = |id: &str| {
        bed.vendor
            .state
            .lock()
            .unwrap()
            .records
            .remove(&(Resource::Deal, id.to_owned()))
    };
    remove("1");
    remove("2");
    bed.vendor.deal(
        "3",
        &[
            ("dealname", "merged"),
            ("dealstage", "closedwon"),
            ("amount", "5"),
        ],
        &[("404", "")],
    );
    bed.deliver(&[("77", "deal", "1,2>3")]).await;
    // What came later does not make the hint forgotten.
    bed.deliver(&[("77", "deal", "1"), ("77", "deal", "2")])
        .await;
    while bed.engine.split_inbox().await.unwrap() {}
    let hints = inbound_signal::Entity::find()
        .all(bed.database.read())
        .await
        .unwrap();
    assert_eq!(hints.len(), 2);
    assert!(
        hints
            .iter()
            .all(|row| row.hint["into"] == "3" && row.generation == 2),
        "{hints:?}"
    );
    bed.drain().await;
    bed.sync().await;
    let deals = bed.deals().await;
    let living: Vec<_> = deals
        .values()
        .filter(|row| row.archived_at.is_none())
        .map(|row| (row.id, row.name.as_str()))
        .collect();
    assert_eq!((living, deals.len()), (vec![(heir, "merged")], 2));
    let (old, new) = (
        link_of(&bed, "deal", "1").await,
        link_of(&bed, "deal", "3").await,
    );
    assert_eq!(
        (old.subject_id, old.archived, new.subject_id),
        (None, true, Some(heir.0))
    );
    // Nobody waits in the name of the records that are gone, so the company that comes makes no new deals.
    let waiting = pending_link::Entity::find()
        .all(bed.database.read())
        .await
        .unwrap();
    assert_eq!(
        waiting
            .iter()
            .map(|row| row.from_external_id.as_str())
            .collect::<Vec<_>>(),
        ["3"]
    );
    bed.vendor.company("404", &[("name", "Found")]);
    bed.sync().await;
    let deals = bed.deals().await;
    assert_eq!(deals.len(), 2);
    assert!(deals["merged"].customer_id.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_alone_merges_nothing() {
    let bed = bed().await;
    bed.vendor
        .deal("1", &[("dealname", "one"), ("dealstage", "closedwon")], &[]);
    bed.vendor.deal(
        "3",
        &[("dealname", "three"), ("dealstage", "closedwon")],
        &[],
    );
    bed.sync().await;
    let before = bed.everything().await;
    bed.deliver(&[("77", "deal", "1>3")]).await;
    bed.drain().await;
    assert_eq!(bed.everything().await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_company_that_turns_partner_gets_its_share_of_the_deals_it_was_labelled_on() {
    let bed = bed().await;
    bed.vendor.company("10_%", &[("name", "Turncoat")]);
    bed.vendor.company("10x5", &[("name", "Another")]);
    bed.vendor.deal(
        "1",
        &[("dealname", "a"), ("dealstage", "prospecting")],
        &[("10_%", "Partner")],
    );
    bed.vendor.deal(
        "2",
        &[("dealname", "b"), ("dealstage", "prospecting")],
        &[("10x5", "Partner")],
    );
    let run = bed.sync().await;
    assert_eq!(run.findings.unmapped.get("deal.company[Partner]"), Some(&2));
    let customer = bed.deals().await["a"].customer_id;
    bed.vendor
        .company("10_%", &[("name", "Turncoat"), ("type", "PARTNER")]);
    bed.sync().await;
    let shares = deal_partner::Entity::find()
        .all(bed.database.read())
        .await
        .unwrap();
    let deal = &bed.deals().await["a"];
    assert_eq!(
        shares.iter().map(|row| row.deal_id).collect::<Vec<_>>(),
        [deal.id]
    );
    assert_eq!(
        deal.customer_id, customer,
        "the customer stays with its deals"
    );
    assert!(
        pending_link::Entity::find()
            .all(bed.database.read())
            .await
            .unwrap()
            .is_empty()
    );
    let before = bed.everything().await;
    bed.sync().await;
    assert_eq!(bed.everything().await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_properties_are_named_once_and_too_large_a_page_is_asked_for_in_parts() {
    let bed = bed().await;
    bed.vendor.state.lock().unwrap().custom = (0..400)
        .map(|number| format!("custom_property_{number:04}"))
        .collect();
    bed.vendor
        .deal("1", &[("dealname", "a"), ("dealstage", "prospecting")], &[]);
    bed.vendor
        .fail(ConnectorError::permanent("answer_too_large", "17 MB"));
    let run = bed.sync().await;
    assert_eq!(
        (run.status, run.findings.issue_count),
        (SyncRunStatus::Completed, 1),
        "{:?}",
        run.findings.issues
    );
    assert_eq!(run.findings.issues[0].code, "FIELDS_NOT_READ");
    let sizes = bed.vendor.state.lock().unwrap().sizes.clone();
    assert_eq!(sizes[..3], [None, Some(10), None]);
    // The same for records read by id.
    bed.vendor
        .deal("1", &[("dealname", "b"), ("dealstage", "prospecting")], &[]);
    let many: Vec<String> = (1..=15).map(|id| id.to_string()).collect();
    bed.vendor
        .fail(ConnectorError::permanent("answer_too_large", "17 MB"));
    bed.deliver(
        &many
            .iter()
            .map(|id| ("77", "deal", id.as_str()))
            .collect::<Vec<_>>(),
    )
    .await;
    bed.drain().await;
    assert!(bed.deals().await.contains_key("b"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_outlives_a_long_outage_and_dies_only_of_a_refusal() {
    let bed = bed().await;
    bed.sync().await;
    bed.vendor
        .deal("1", &[("dealname", "a"), ("dealstage", "prospecting")], &[]);
    bed.deliver(&[("77", "deal", "1")]).await;
    while bed.engine.split_inbox().await.unwrap() {}
    for round in 1..=30 {
        bed.vendor.fail(ConnectorError::transient("down"));
        bed.clock.0.store(round * 1_000_000, Ordering::SeqCst);
        assert!(bed.engine.process_signals().await.unwrap(), "{round}");
    }
    let row = inbound_signal::Entity::find()
        .one(bed.database.read())
        .await
        .unwrap()
        .unwrap();
    assert!(!row.dead && row.attempts < bed.engine.settings().max_attempts);
    assert!(
        row.available_at >= bed.database.now().plus_millis(800_000),
        "the wait has grown to the cap"
    );
    bed.clock.0.store(40_000_000, Ordering::SeqCst);
    bed.drain().await;
    assert!(bed.deals().await.contains_key("a"));

    bed.deliver(&[("77", "deal", "1")]).await;
    while bed.engine.split_inbox().await.unwrap() {}
    for round in 1..=8 {
        bed.vendor.fail(ConnectorError::permanent("no", "no"));
        bed.clock
            .0
            .store(40_000_000 + round * 1_000_000, Ordering::SeqCst);
        assert!(bed.engine.process_signals().await.unwrap(), "{round}");
    }
    assert!(
        inbound_signal::Entity::find()
            .one(bed.database.read())
            .await
            .unwrap()
            .unwrap()
            .dead
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_that_rose_meanwhile_is_not_given_up() {
    let bed = bed().await;
    bed.sync().await;
    bed.deliver(&[("77", "deal", "1")]).await;
    while bed.engine.split_inbox().await.unwrap() {}
    let claimed = inbound_signal::claim(&bed.database, uuid::Uuid::nil(), 60_000, 10, 8)
        .await
        .unwrap()
        .remove(0);
    bed.deliver(&[("77", "deal", "1")]).await;
    while bed.engine.split_inbox().await.unwrap() {}
    let now = bed.database.now();
    inbound_signal::release(
        bed.database.write(),
        &claimed,
        now,
        8,
        Some("refused".to_owned()),
        true,
    )
    .await
    .unwrap();
    let row = inbound_signal::Entity::find()
        .one(bed.database.read())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (row.dead, row.attempts, row.generation, row.lease_until),
        (false, 0, 2, None)
    );
    let claimed = inbound_signal::claim(&bed.database, uuid::Uuid::nil(), 60_000, 10, 8)
        .await
        .unwrap()
        .remove(0);
    inbound_signal::release(
        bed.database.write(),
        &claimed,
        now,
        8,
        Some("refused".to_owned()),
        true,
    )
    .await
    .unwrap();
    assert!(
        inbound_signal::Entity::find()
            .one(bed.database.read())
            .await
            .unwrap()
            .unwrap()
            .dead
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vendor_that_asks_for_a_pause_gets_it_whoever_wishes_for_a_sync() {
    let bed = bed().await;
    bed.engine
        .request_sync(bed.connection.id, SyncKind::Changes)
        .await
        .unwrap();
    bed.vendor.fail(ConnectorError::Transient {
        message: "moving".to_owned(),
        retry_after: Some(Duration::from_secs(600)),
    });
    bed.engine.pull_step(None, &|_| {}).await.unwrap();
    let asked = bed.vendor.pages.load(Ordering::SeqCst);
    assert!(
        connection_of(&bed).await.paused_until.unwrap() >= bed.database.now().plus_millis(590_000)
    );
    bed.engine
        .request_sync(bed.connection.id, SyncKind::Changes)
        .await
        .unwrap();
    bed.clock.0.store(580_000, Ordering::SeqCst);
    for _ in 0..3 {
        bed.engine.pull_step(None, &|_| {}).await.unwrap();
    }
    assert_eq!(bed.vendor.pages.load(Ordering::SeqCst), asked);
    bed.clock.0.store(601_000, Ordering::SeqCst);
    assert_eq!(bed.sync().await.status, SyncRunStatus::Completed);
}

#[tokio::test(flavor = "multi_thread")]
async fn findings_add_up_and_what_resolves_after_a_webhook_is_told() {
    let bed = bed().await;
    let (change, _) = settle::begin(
        &bed.database,
        bed.connection.id,
        entities::change::Origin::Sync,
    )
    .await
    .unwrap();
    let run = sync_run::begin(&change, bed.connection.id, "delta")
        .await
        .unwrap();
    let mut one = Findings::default();
    one.counts.insert(
        "deal".to_owned(),
        Counts {
            read: 2,
            created: 1,
            flagged: 1,
            ..Counts::default()
        },
    );
    findings::issue(&mut one, Resource::Deal, Some("1"), None, "A", "b");
    findings::unmapped(&mut one, Resource::Deal, "x");
    sync_run::note(&change, run.id, &one).await.unwrap();
    let all = sync_run::note(&change, run.id, &one).await.unwrap();
    assert_eq!(
        all.counts["deal"],
        Counts {
            read: 4,
            created: 2,
            flagged: 2,
            ..Counts::default()
        }
    );
    assert_eq!(
        (all.issues.len(), all.issue_count, all.unmapped["deal.x"]),
        (2, 2, 2)
    );
    change.rollback().await.unwrap();

    bed.sync().await;
    bed.vendor.deal(
        "1",
        &[("dealname", "early"), ("dealstage", "closedwon")],
        &[("10", "")],
    );
    bed.deliver(&[("77", "deal", "1")]).await;
    bed.drain().await;
    bed.vendor.company("10", &[("name", "Late")]);
    bed.deliver(&[("77", "company", "10")]).await;
    bed.drain().await;
    assert!(bed.deals().await["early"].customer_id.is_some());
    let runs = sync_run::Entity::find()
        .all(bed.database.read())
        .await
        .unwrap();
    let updated: u64 = runs
        .iter()
        .filter(|run| run.kind == "webhook")
        .filter_map(|run| run.findings.counts.get("deal"))
        .map(|counts| counts.updated)
        .sum();
    assert_eq!(updated, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_takes_back_the_renewal_of_a_process_that_died() {
    let bed = bed().await;
    assert!(
        connection::claim_renewal(&bed.database, bed.connection.id, 1, 75_000)
            .await
            .unwrap()
    );
    bed.engine.break_leases().await.unwrap();
    assert_eq!(connection_of(&bed).await.renewing_until, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_worker_read_under_a_claim_it_lost_is_not_written() {
    let bed = bed().await;
    bed.sync().await;
    bed.vendor.deal(
        "1",
        &[("dealname", "stale"), ("dealstage", "prospecting")],
        &[],
    );
    bed.vendor.deal(
        "2",
        &[("dealname", "fresh"), ("dealstage", "prospecting")],
        &[],
    );
    let records = bed
        .vendor
        .state
        .lock()
        .unwrap()
        .records
        .values()
        .filter(|record| record.resource() == Resource::Deal)
        .cloned()
        .collect();
    bed.deliver(&[("77", "deal", "1"), ("77", "deal", "2")])
        .await;
    while bed.engine.split_inbox().await.unwrap() {}
    let mut claimed = inbound_signal::claim(&bed.database, uuid::Uuid::nil(), 60_000, 10, 8)
        .await
        .unwrap();
    let lost = claimed
        .iter_mut()
        .find(|row| row.external_id == "1")
        .unwrap();
    lost.fence -= 1;
    let read_at = bed.database.now();
    let fetched = Fetched {
        records,
        ..Fetched::default()
    };
    let wanted = apply::Wanted {
        fields: vec![
            "dealname".to_owned(),
            "dealstage".to_owned(),
            "pipeline".to_owned(),
        ],
        ..apply::Wanted::default()
    };
    bed.engine
        .apply_fetched(&claimed, Resource::Deal, (fetched, read_at), &wanted)
        .await
        .unwrap();
    assert_eq!(bed.deals().await.keys().collect::<Vec<_>>(), ["fresh"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_strange_id_is_one_bad_record() {
    let bed = bed().await;
    let long = "9".repeat(600);
    for id in [long.as_str(), "a\u{1}b", "fine"] {
        bed.vendor.deal(
            id,
            &[
                ("dealname", id),
                ("dealstage", "prospecting"),
                ("hubspot_owner_id", &long),
            ],
            &[(&long, "Partner")],
        );
    }
    bed.vendor
        .state
        .lock()
        .unwrap()
        .malformed
        .push(MalformedRecord {
            external_id: Some("x\0y".to_owned()),
            reason: "torn".to_owned(),
            raw: serde_json::Value::Null,
        });
    let run = bed.sync().await;
    assert_eq!(run.status, SyncRunStatus::Completed);
    assert_eq!(bed.deals().await.keys().collect::<Vec<_>>(), ["fine"]);
    assert!(
        run.findings
            .issues
            .iter()
            .all(|issue| issue.code == "MALFORMED_RECORD")
    );
    let ids: Vec<&str> = run
        .findings
        .issues
        .iter()
        .filter_map(|issue| issue.external_id.as_deref())
        .collect();
    assert!(
        ids.len() == 3 && ids.contains(&"xy") && ids.iter().all(|id| id.len() <= 300),
        "{ids:?}"
    );
    assert!(
        pending_link::Entity::find()
            .all(bed.database.read())
            .await
            .unwrap()
            .is_empty()
    );
    bed.deliver(&[("77", "deal", &long)]).await;
    bed.drain().await;
    assert!(
        inbound_signal::Entity::find()
            .all(bed.database.read())
            .await
            .unwrap()
            .is_empty()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_signal_shows_before_the_first_reading_is_done_is_history() {
    let bed = bed().await;
    bed.engine
        .request_sync(bed.connection.id, SyncKind::Changes)
        .await
        .unwrap();
    let won = |id: &str| {
        bed.vendor
            .deal(id, &[("dealname", id), ("dealstage", "closedwon")], &[]);
    };
    won("1");
    bed.deliver(&[("77", "deal", "1")]).await;
    bed.drain().await;
    bed.sync().await;
    won("2");
    bed.deliver(&[("77", "deal", "2")]).await;
    bed.drain().await;
    let events = event::Entity::find()
        .all(bed.database.read())
        .await
        .unwrap();
    let origin = |id: uuid::Uuid| {
        events
            .iter()
            .find(|row| row.subject_id == id && row.kind.starts_with("deal."))
            .unwrap()
            .origin
    };
    let deals = bed.deals().await;
    assert_eq!(
        (origin(deals["1"].id.0), origin(deals["2"].id.0)),
        (
            entities::change::Origin::Backfill,
            entities::change::Origin::Sync
        )
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_fails_rewinds_nothing_that_was_committed() {
    use sea_orm::ConnectionTrait;
    let bed = bed().await;
    if bed.database.write().get_database_backend() != sea_orm::DbBackend::Sqlite {
        return;
    }
    for number in 0..1_000 {
        let name = if number == 900 {
            "poison".to_owned()
        } else {
            format!("deal {number}")
        };
        bed.vendor.deal(
            &format!("{number:04}"),
            &[("dealname", &name), ("dealstage", "prospecting")],
            &[],
        );
    }
    let poison = "CREATE TRIGGER poison BEFORE INSERT ON deal WHEN NEW.name = 'poison' BEGIN SELECT RAISE(ABORT, 'poison'); END";
    bed.database
        .write()
        .execute_unprepared(poison)
        .await
        .unwrap();
    bed.engine
        .request_sync(bed.connection.id, SyncKind::Changes)
        .await
        .unwrap();
    while lane(&bed, "deal", "backfill").await.error.is_none() {
        bed.engine.pull_step(None, &|_| {}).await.unwrap();
    }
    assert_eq!(bed.deals().await.len(), 800);
    assert_eq!(
        lane(&bed, "deal", "backfill").await.position.unwrap()["at"],
        800
    );
    bed.database
        .write()
        .execute_unprepared("DROP TRIGGER poison")
        .await
        .unwrap();
    let run = bed.sync().await;
    assert_eq!(
        (run.status, run.findings.counts["deal"].read),
        (SyncRunStatus::Completed, 1_000)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_kept_out_is_tried_again_only_when_something_may_have_freed_it() {
    let bed = bed().await;
    bed.vendor
        .deal("1", &[("dealname", "a"), ("dealstage", "mystery")], &[]);
    bed.sync().await;
    bed.sync().await;
    let row = connection_of(&bed).await;
    let mut mapping = row.mapping.clone();
    mapping
        .deal
        .stages
        .insert("mystery".to_owned(), DealStage::Committed);
    let mut silent = row.clone().into_active_model();
    silent.mapping = Set(mapping);
    silent.update(bed.database.write()).await.unwrap();
    // Nothing says that the mapping has changed, so nothing is tried: this is what shows that an ordinary run does not.
    bed.sync().await;
    assert!(bed.deals().await.is_empty());
    let mut told = connection_of(&bed).await.into_active_model();
    told.updated_at = Set(bed.database.now());
    told.update(bed.database.write()).await.unwrap();
    bed.sync().await;
    assert_eq!(bed.deals().await["a"].stage, DealStage::Committed);
}
