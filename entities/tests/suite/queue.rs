//! The queues under workers that die, meet and come too late: on SQLite, and on PostgreSQL where the run has one.

use crate::bed::{Bed, COMPANY, DEAL, LEASE, MOST, each};
use entities::inbound_signal::{self, MERGED, NewSignal};
use entities::inbound_webhook::{self, InboxState, NewDelivery};
use entities::outbound_push;
use serde_json::json;
use std::collections::HashSet;
use std::time::Duration;
use uuid::Uuid;

#[tokio::test(flavor = "multi_thread")]
async fn what_a_dead_worker_held_is_due_when_its_lease_ends_and_it_comes_too_late() {
    each(async |bed: Bed| {
        let connection = bed.connection("ACTIVE", None).await;
        bed.raise(connection, DEAL, 1..4).await;
        let lost = bed.claim(10).await;
        assert_eq!(lost.len(), 3);
        assert_eq!(bed.claim(10).await, [], "what is leased is not due");
        bed.clock.advance_millis(LEASE - 1);
        assert_eq!(bed.claim(10).await, []);
        bed.clock.advance_millis(1);
        let held = bed.claim(10).await;
        assert_eq!(held.len(), 3);
        for row in &held {
            assert_eq!((row.attempts, row.fence), (2, 2));
        }
        bed.settle(&lost).await;
        let now = bed.database.now();
        let gone = Some("gone".to_owned());
        outbound_push::release(bed.database.write(), &lost[0], now, 0, gone, true)
            .await
            .unwrap();
        outbound_push::clear_sent(bed.database.write(), &lost)
            .await
            .unwrap();
        assert!(
            outbound_push::mark_sent(&bed.database, &lost)
                .await
                .is_err()
        );
        assert_eq!(bed.still_claimed(&lost).await, []);
        assert_eq!(bed.still_claimed(&held).await.len(), 3);
        let mut left = bed.all().await;
        left.sort_by_key(|row| row.subject_id);
        assert_eq!(left, held, "who comes too late writes nothing");
        bed.settle(&held).await;
        assert_eq!(bed.all().await, []);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_added_to_meanwhile_is_due_again() {
    each(async |bed: Bed| {
        let connection = bed.connection("ACTIVE", None).await;
        bed.raise(connection, DEAL, 0..3).await;
        let claimed = bed.claim(10).await;
        outbound_push::mark_sent(&bed.database, &claimed)
            .await
            .unwrap();
        bed.raise(connection, DEAL, 1..2).await;
        let leased = bed.of(1).await;
        assert!(
            leased.lease_until.is_some(),
            "a raise leaves the lease alone"
        );
        assert_eq!(leased.available_at, leased.lease_until.unwrap());
        assert_eq!(bed.claim(10).await, []);
        bed.settle(&claimed).await;
        let left = bed.all().await;
        assert_eq!(left.len(), 1);
        assert_eq!(
            (left[0].subject_id, left[0].generation),
            (crate::bed::subject(1), 2)
        );
        assert_eq!((left[0].lease_owner, left[0].sent_at), (None, None));
        let again = bed.claim(10).await;
        assert_eq!((again.len(), again[0].attempts), (1, 1));
        // Given up, but raised meanwhile: it is due instead.
        bed.raise(connection, DEAL, 1..2).await;
        let (now, no) = (bed.database.now(), Some("no".to_owned()));
        outbound_push::release(bed.database.write(), &again[0], now, 3, no, true)
            .await
            .unwrap();
        let row = bed.of(1).await;
        assert_eq!((row.dead, row.attempts, row.generation), (false, 0, 3));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_added_while_settling_waits_for_it_is_kept() {
    each(async |bed: Bed| {
        let connection = bed.connection("ACTIVE", None).await;
        bed.raise(connection, DEAL, 0..20).await;
        let claimed = bed.claim(100).await;
        let adding = bed.begin().await;
        outbound_push::raise(&adding, bed.pushes(connection, DEAL, 7..9))
            .await
            .unwrap();
        let settling = {
            let (database, claimed) = (bed.database.clone(), claimed.clone());
            tokio::spawn(async move {
                outbound_push::settle(database.write(), &claimed, database.now()).await
            })
        };
        bed.somebody_waits().await;
        adding.commit().await.unwrap();
        settling.await.unwrap().unwrap();
        let mut left: Vec<_> = bed
            .all()
            .await
            .into_iter()
            .map(|row| (row.subject_id, row.lease_owner))
            .collect();
        left.sort();
        assert_eq!(
            left,
            [
                (crate::bed::subject(7), None),
                (crate::bed::subject(8), None)
            ]
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_workers_never_share_a_row() {
    each(async |bed: Bed| {
        const ROWS: u64 = 2_000;
        let connection = bed.connection("ACTIVE", None).await;
        bed.raise(connection, DEAL, 0..ROWS).await;
        let work = |worker: u128| {
            let database = bed.database.clone();
            tokio::spawn(async move {
                let mut mine: Vec<Uuid> = Vec::new();
                loop {
                    let worker = Uuid::from_u128(worker);
                    let claimed = outbound_push::claim(&database, worker, LEASE, 30, MOST)
                        .await
                        .unwrap();
                    if claimed.is_empty() {
                        return mine;
                    }
                    for row in &claimed {
                        assert_eq!((row.lease_owner, row.fence), (Some(worker), 1));
                    }
                    mine.extend(claimed.iter().map(|row| row.subject_id));
                    outbound_push::settle(database.write(), &claimed, database.now())
                        .await
                        .unwrap();
                }
            })
        };
        let (one, two, three, four) = tokio::join!(work(1), work(2), work(3), work(4));
        let mut met = one.unwrap();
        met.extend(two.unwrap());
        met.extend(three.unwrap());
        met.extend(four.unwrap());
        assert_eq!(met.len() as u64, ROWS, "no row was claimed twice");
        // A worker may have gone home while another still held the last ones; nothing may be left of what nobody holds.
        assert_eq!(met.iter().collect::<HashSet<_>>().len() as u64, ROWS);
        assert_eq!(bed.all().await, []);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_kills_its_worker_stops_at_its_limit_and_its_neighbours_go_on() {
    each(async |bed: Bed| {
        let connection = bed.connection("ACTIVE", None).await;
        bed.raise(connection, DEAL, 0..1).await;
        for attempt in 1..=MOST {
            let claimed = bed.claim(1).await;
            assert_eq!((claimed.len(), claimed[0].attempts), (1, attempt));
            bed.clock.advance_millis(LEASE);
        }
        bed.raise(connection, DEAL, 1..3).await;
        // It is the oldest, and alone in the first batch.
        let neighbours = bed.claim(1).await;
        assert_eq!((neighbours.len(), neighbours[0].attempts), (1, 1));
        let poison = bed.of(0).await;
        assert!(poison.dead && poison.lease_owner.is_none() && poison.lease_until.is_none());
        assert_eq!(poison.error.as_deref(), Some("it never came to an end"));
        assert_eq!(poison.attempts, MOST);
        bed.settle(&neighbours).await;
        let last = bed.claim(10).await;
        assert_eq!(last.len(), 1);
        bed.settle(&last).await;
        assert_eq!(bed.claim(10).await, []);

        let dead = outbound_push::list_dead(bed.database.read(), connection, None, 10)
            .await
            .unwrap();
        assert_eq!(
            dead.iter().map(|row| row.subject_id).collect::<Vec<_>>(),
            [crate::bed::subject(0)]
        );
        let beyond = outbound_push::list_dead(
            bed.database.read(),
            connection,
            Some(crate::bed::subject(0)),
            10,
        );
        assert_eq!(beyond.await.unwrap(), []);
        // A change of the row brings it back to life, at once.
        bed.raise(connection, DEAL, 0..1).await;
        let alive = bed.claim(10).await;
        assert_eq!(
            (alive.len(), alive[0].attempts, alive[0].generation),
            (1, 1, 2)
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_is_of_one_connection_that_may_be_called_and_of_one_resource() {
    each(async |bed: Bed| {
        let later = Some(bed.database.now().plus_millis(60_000));
        let (one, two) = (
            bed.connection("ACTIVE", None).await,
            bed.connection("DEGRADED", None).await,
        );
        let quiet = bed.connection("ACTIVE", later).await;
        let broken = bed.connection("REAUTH_REQUIRED", None).await;
        for connection in [quiet, broken] {
            bed.raise(connection, DEAL, 0..5).await;
        }
        bed.clock.advance_millis(1);
        bed.raise(two, DEAL, 10..12).await;
        bed.clock.advance_millis(1);
        bed.raise(one, DEAL, 20..22).await;
        bed.clock.advance_millis(1);
        bed.raise(one, COMPANY, 30..32).await;
        bed.clock.advance_millis(1);
        bed.raise(two, COMPANY, 40..42).await;
        let mut met = Vec::new();
        loop {
            let claimed = bed.claim(10).await;
            let Some(first) = claimed.first() else { break };
            assert_eq!(claimed.len(), 2);
            for row in &claimed {
                assert_eq!(
                    (row.connection_id, &row.resource),
                    (first.connection_id, &first.resource)
                );
            }
            met.push((first.connection_id, first.resource.clone()));
            bed.settle(&claimed).await;
        }
        let expected = [(two, DEAL), (one, DEAL), (one, COMPANY), (two, COMPANY)];
        assert_eq!(
            met,
            expected.map(|(id, resource)| (id, resource.to_owned()))
        );
        assert_eq!(bed.all().await.len(), 10, "what may not be sent waits");
        bed.clock.advance_millis(60_000);
        assert_eq!(bed.claim(10).await.len(), 5, "the vendor's pause is over");
        assert_eq!(bed.claim(10).await, []);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_creation_is_noted_for_all_or_for_none() {
    each(async |bed: Bed| {
        let connection = bed.connection("ACTIVE", None).await;
        bed.raise(connection, DEAL, 0..2).await;
        let claimed = bed.claim(10).await;
        let mut stale = claimed.clone();
        stale[1].fence -= 1;
        assert!(
            outbound_push::mark_sent(&bed.database, &stale)
                .await
                .is_err()
        );
        assert!(bed.all().await.iter().all(|row| row.sent_at.is_none()));
        outbound_push::mark_sent(&bed.database, &claimed)
            .await
            .unwrap();
        let sent = Some(bed.database.now());
        assert!(bed.all().await.iter().all(|row| row.sent_at == sent));
        // Neither a failure nor a new change forgets that it may have arrived.
        let (now, error) = (bed.database.now(), Some("502".to_owned()));
        outbound_push::release(bed.database.write(), &claimed[0], now, 1, error, false)
            .await
            .unwrap();
        bed.raise(connection, DEAL, 0..1).await;
        assert_eq!(bed.of(0).await.sent_at, sent);
        let again = bed.claim(10).await;
        assert_eq!((again.len(), again[0].sent_at), (1, sent));
        outbound_push::clear_sent(bed.database.write(), &again)
            .await
            .unwrap();
        assert_eq!(bed.of(0).await.sent_at, None);
        assert_eq!(bed.of(1).await.sent_at, sent);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn broken_leases_are_due_at_once_and_their_holders_too_late() {
    each(async |bed: Bed| {
        let connection = bed.connection("ACTIVE", None).await;
        bed.raise(connection, DEAL, 0..2).await;
        let lost = bed.claim(1).await;
        outbound_push::break_leases(&bed.database).await.unwrap();
        bed.settle(&lost).await;
        assert_eq!(bed.claim(10).await.len(), 2);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wait_is_kept_by_signals_and_not_by_pushes() {
    each(async |bed: Bed| {
        let connection = bed.connection("ACTIVE", None).await;
        bed.raise(connection, DEAL, 0..1).await;
        bed.signal(connection, &[("1", "changed")]).await;
        let (push, signal) = (
            bed.claim(10).await.remove(0),
            bed.signals(10).await.remove(0),
        );
        let (later, no) = (
            bed.database.now().plus_millis(90_000),
            Some("no".to_owned()),
        );
        let write = bed.database.write();
        outbound_push::release(write, &push, later, 1, no.clone(), false)
            .await
            .unwrap();
        inbound_signal::release(write, &signal, later, 1, no.clone(), false)
            .await
            .unwrap();
        assert_eq!(
            (bed.claim(10).await.len(), bed.signals(10).await.len()),
            (0, 0)
        );
        bed.raise(connection, DEAL, 0..1).await;
        bed.signal(connection, &[("1", "changed")]).await;
        assert_eq!(
            (bed.claim(10).await.len(), bed.signals(10).await.len()),
            (1, 0)
        );
        bed.clock.advance_millis(90_000);
        let signal = bed.signals(10).await.remove(0);
        let later = bed.database.now().plus_millis(90_000);
        inbound_signal::release(write, &signal, later, 3, no, true)
            .await
            .unwrap();
        // A dead one, though, has nothing to wait for.
        bed.signal(connection, &[("1", "changed")]).await;
        assert_eq!(bed.signals(10).await.len(), 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_merge_outlasts_every_other_hint() {
    each(async |bed: Bed| {
        let connection = bed.connection("ACTIVE", None).await;
        bed.signal(
            connection,
            &[("1", MERGED), ("1", "changed"), ("2", "changed")],
        )
        .await;
        bed.signal(
            connection,
            &[
                ("1", "deleted"),
                ("2", "deleted"),
                ("3", "changed"),
                ("3", MERGED),
            ],
        )
        .await;
        let mut claimed = bed.signals(2).await;
        claimed.extend(bed.signals(2).await);
        let mut told: Vec<_> = claimed
            .iter()
            .map(|row| {
                (
                    row.external_id.as_str(),
                    row.hint["kind"].as_str().unwrap(),
                    row.generation,
                )
            })
            .collect();
        told.sort_unstable();
        assert_eq!(
            told,
            [("1", MERGED, 2), ("2", "deleted", 2), ("3", MERGED, 1)]
        );
        let change = bed.begin().await;
        let mut held = inbound_signal::still_claimed(&change, &claimed)
            .await
            .unwrap();
        held.sort_by(|one, other| one.external_id.cmp(&other.external_id));
        claimed.sort_by(|one, other| one.external_id.cmp(&other.external_id));
        assert_eq!(held, claimed);
        inbound_signal::settle(change.transaction(), &held, change.now())
            .await
            .unwrap();
        change.commit().await.unwrap();
        assert_eq!(bed.signals(10).await, []);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_dead_are_listed_and_replayed_one_or_all() {
    each(async |bed: Bed| {
        let (connection, other) = (
            bed.connection("ACTIVE", None).await,
            bed.connection("ACTIVE", None).await,
        );
        for id in [connection, other] {
            bed.raise(id, DEAL, 0..4).await;
            bed.signal(id, &[("1", "changed"), ("2", "changed"), ("3", "changed")])
                .await;
            let (write, now) = (bed.database.write(), bed.database.now());
            for row in bed.claim(3).await {
                outbound_push::release(write, &row, now, 3, Some("no".to_owned()), true)
                    .await
                    .unwrap();
            }
            for row in bed.signals(10).await {
                inbound_signal::release(write, &row, now, 3, Some("no".to_owned()), true)
                    .await
                    .unwrap();
            }
            bed.settle(&bed.claim(3).await).await;
        }
        assert_eq!(
            (bed.claim(10).await.len(), bed.signals(10).await.len()),
            (0, 0)
        );
        let read = bed.database.read();
        let pushes = outbound_push::list_dead(read, connection, None, 10)
            .await
            .unwrap();
        assert_eq!(pushes.len(), 3);
        assert_eq!(
            outbound_push::list_dead(read, connection, Some(pushes[0].subject_id), 1)
                .await
                .unwrap(),
            pushes[1..2]
        );
        let signals = inbound_signal::list_dead(read, connection, Some(("deal", "1")), 10)
            .await
            .unwrap();
        assert_eq!(
            signals
                .iter()
                .map(|row| row.external_id.as_str())
                .collect::<Vec<_>>(),
            ["2", "3"]
        );

        let change = bed.begin().await;
        let ids = [pushes[1].subject_id, crate::bed::subject(77)];
        assert_eq!(
            outbound_push::replay(&change, connection, &ids)
                .await
                .unwrap(),
            1
        );
        assert_eq!(
            outbound_push::replay(&change, connection, &ids)
                .await
                .unwrap(),
            0,
            "it lives"
        );
        assert_eq!(
            inbound_signal::replay(&change, connection, &[("deal", "2"), ("company", "1")])
                .await
                .unwrap(),
            1
        );
        change.commit().await.unwrap();
        let (mut push, mut signal) = (bed.claim(10).await, bed.signals(10).await);
        assert_eq!((push.len(), signal.len()), (1, 1));
        let (push, signal) = (push.remove(0), signal.remove(0));
        assert_eq!(
            (push.subject_id, push.attempts, push.connection_id),
            (pushes[1].subject_id, 1, connection)
        );
        assert_eq!((signal.external_id.as_str(), signal.attempts), ("2", 1));

        let change = bed.begin().await;
        assert_eq!(outbound_push::replay_all(&change, other).await.unwrap(), 3);
        assert_eq!(inbound_signal::replay_all(&change, other).await.unwrap(), 3);
        change.commit().await.unwrap();
        assert!(
            bed.claim(10)
                .await
                .iter()
                .all(|row| row.connection_id == other)
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_deliveries_are_listed_and_replayed() {
    each(async |bed: Bed| {
        let delivery = |key: &str| NewDelivery {
            connector: "hubspot".to_owned(),
            dedupe_key: key.to_owned(),
            body: b"[]".to_vec(),
            ..NewDelivery::default()
        };
        inbound_webhook::store(&bed.database, ["a", "b", "c"].map(delivery).to_vec())
            .await
            .unwrap();
        let claim = || inbound_webhook::claim(&bed.database, Uuid::nil(), LEASE, 10, MOST);
        let now = bed.database.now();
        for row in claim().await.unwrap() {
            inbound_webhook::settle(
                bed.database.write(),
                &row,
                InboxState::Dead,
                Some("torn".to_owned()),
                now,
            )
            .await
            .unwrap();
        }
        let read = bed.database.read();
        let dead = inbound_webhook::list_dead(read, "hubspot", None, 10)
            .await
            .unwrap();
        assert_eq!(dead.len(), 3);
        assert_eq!(
            inbound_webhook::list_dead(read, "hubspot", Some(dead[0].id), 1)
                .await
                .unwrap(),
            dead[1..2]
        );
        assert_eq!(
            inbound_webhook::list_dead(read, "slack", None, 10)
                .await
                .unwrap(),
            []
        );
        let change = bed.begin().await;
        assert_eq!(
            inbound_webhook::replay(&change, &[dead[1].id])
                .await
                .unwrap(),
            1
        );
        assert_eq!(
            inbound_webhook::replay_all(&change, "slack").await.unwrap(),
            0
        );
        change.commit().await.unwrap();
        let claimed = claim().await.unwrap();
        assert_eq!(
            (claimed.len(), claimed[0].id, claimed[0].attempts),
            (1, dead[1].id, 1)
        );
        let change = bed.begin().await;
        assert_eq!(
            inbound_webhook::replay_all(&change, "hubspot")
                .await
                .unwrap(),
            2
        );
        change.commit().await.unwrap();
        assert_eq!(claim().await.unwrap().len(), 2);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_to_work_on_writes_nothing() {
    each(async |bed: Bed| {
        let connection = bed.connection("ACTIVE", None).await;
        bed.settle(&[]).await;
        assert_eq!(bed.still_claimed(&[]).await, []);
        outbound_push::mark_sent(&bed.database, &[]).await.unwrap();
        // The writer is taken; whoever has nothing to do must not want it.
        let change = bed.begin().await;
        let looking = outbound_push::claim(&bed.database, Uuid::nil(), LEASE, 10, MOST);
        let found = tokio::time::timeout(Duration::from_secs(5), looking).await;
        assert_eq!(found.expect("an idle worker only reads").unwrap(), []);
        let hint = json!({ "kind": "changed" });
        let signal = NewSignal {
            connection_id: connection,
            resource: DEAL.to_owned(),
            external_id: "1".to_owned(),
            hint,
        };
        inbound_signal::raise(&change, vec![signal]).await.unwrap();
        change.rollback().await.unwrap();
    })
    .await;
}
