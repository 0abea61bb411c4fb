//! The chain over the event log: what holds, and that everything that was tampered with is found.

use crate::bed::{Bed, each};
use entities::audit_link::{self, Anchor, Broken, READER, Report, Why};
use entities::database::Database;
use entities::event::{EventKind, NewEvent};
use entities::id::{DealId, EventId};
use sea_orm::{ConnectionTrait, EntityTrait};
use serde_json::{Map, json};
use std::time::Duration;

/// Links that are read at a time: few, so that a chain is several pages.
const PAGE: u64 = 4;
const EVENTS: i64 = 10;

async fn happen(bed: &Bed, numbers: std::ops::Range<i64>) {
    for number in numbers {
        let mut change = bed.begin().await;
        let deal: DealId = change.new_id();
        let data = json!({ "owner.name": { "from": format!("Person {number}"), "to": null }, "n": number });
        change.record(NewEvent::about(EventKind::DealUpdated, deal, data));
        change.commit().await.unwrap();
    }
}

/// Seals until every event is. On PostgreSQL an event shows only when every older transaction of the cluster has ended.
async fn seal_all(database: &Database) {
    let all = async || {
        loop {
            while audit_link::seal(database, 3).await.unwrap() {}
            let links = number(database, "SELECT COUNT(*) FROM audit_link").await;
            if links == number(database, "SELECT COUNT(*) FROM event").await {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let bound = Duration::from_secs(60);
    tokio::time::timeout(bound, all())
        .await
        .expect("all events come to be sealed");
}

async fn number(database: &Database, sql: &str) -> i64 {
    let statement = sea_orm::Statement::from_string(database.backend(), sql);
    let row = database.read().query_one_raw(statement).await.unwrap();
    row.unwrap().try_get_by_index(0).unwrap()
}

async fn run(bed: &Bed, sql: &str) {
    bed.database.write().execute_unprepared(sql).await.unwrap();
}

async fn verify(bed: &Bed) -> Result<Report, Broken> {
    audit_link::verify(&bed.database, None, PAGE).await.unwrap()
}

async fn event_of(bed: &Bed, number: i64) -> EventId {
    let link = audit_link::Entity::find_by_id(number).one(bed.database.read());
    link.await.unwrap().unwrap().event_id
}

/// Keeps what there is, and puts it back.
async fn keep(bed: &Bed) {
    for table in ["event", "audit_link", "event_reader"] {
        run(
            bed,
            &format!("CREATE TABLE kept_{table} AS SELECT * FROM {table}"),
        )
        .await;
    }
}

async fn put_back(bed: &Bed) {
    for table in ["event", "audit_link", "event_reader"] {
        let sql = format!("DELETE FROM {table}; INSERT INTO {table} SELECT * FROM kept_{table}");
        run(bed, &sql).await;
    }
}

#[tokio::test]
async fn every_event_is_sealed_once_in_the_order_of_the_log() {
    each(async |bed| {
        assert_eq!(verify(&bed).await, Ok(Report::default()));
        happen(&bed, 0..EVENTS).await;
        let waiting = verify(&bed).await.unwrap();
        assert_eq!((waiting.sealed, waiting.waiting), (0, 10));
        seal_all(&bed.database).await;
        let report = verify(&bed).await.unwrap();
        assert_eq!((report.sealed, report.redacted, report.waiting), (10, 0, 0));
        let out_of_order = "SELECT COUNT(*) FROM audit_link one JOIN audit_link other ON other.number = one.number + 1 \
                            WHERE (other.position, other.seq) <= (one.position, one.seq)";
        assert_eq!(number(&bed.database, out_of_order).await, 0);
        // What was told of the chain stays true of it as it grows.
        let head = report.head.unwrap();
        happen(&bed, 10..13).await;
        seal_all(&bed.database).await;
        let grown = audit_link::verify(&bed.database, Some(&head), PAGE).await.unwrap();
        assert_eq!(grown.unwrap().sealed, 13);
        let salts = number(&bed.database, "SELECT COUNT(DISTINCT salt) FROM audit_link").await;
        assert_eq!(salts, 13, "a salt is not used twice");
    })
    .await;
}

#[tokio::test]
async fn several_that_seal_at_once_make_one_chain() {
    each(async |bed| {
        happen(&bed, 0..40).await;
        let workers: Vec<_> = (0..4)
            .map(|_| {
                let database = bed.database.clone();
                tokio::spawn(async move { seal_all(&database).await })
            })
            .collect();
        for worker in workers {
            worker.await.unwrap();
        }
        assert_eq!(verify(&bed).await.unwrap().sealed, 40);
    })
    .await;
}

#[tokio::test]
async fn whatever_is_tampered_with_is_found_where_it_is() {
    each(async |bed| {
        happen(&bed, 0..EVENTS).await;
        // Room between the events, so that another one fits in.
        run(&bed, "UPDATE event SET seq = -10 * seq; UPDATE event SET seq = -seq").await;
        seal_all(&bed.database).await;
        keep(&bed).await;
        let five = event_of(&bed, 5).await;
        let stranger = EventId(uuid::Uuid::from_u128(9));
        let of = |number: i64| format!("seq = (SELECT seq FROM audit_link WHERE number = {number})");
        let (fifth, sixth, last) = (of(5), of(6), of(EVENTS));
        let columns = "id, kind, origin, actor, connection_id, subject_kind, subject_id, partner_id, internal, data, occurred_at";
        let copied = |place: &str| {
            format!(
                "INSERT INTO event (seq, position, id, kind, origin, actor, subject_kind, subject_id, internal, data, occurred_at) \
                 SELECT {place}, position, subject_id, kind, origin, actor, subject_kind, subject_id, internal, data, occurred_at \
                 FROM event WHERE {fifth}"
            )
        };
        let changed = |event| Why::EventChanged(event);
        let mut cases: Vec<(String, i64, Why)> = [
            "actor = 'eve'",
            "kind = 'deal.created'",
            "occurred_at = occurred_at + 1",
            "origin = 'HUMAN'",
            "internal = NOT internal",
            "partner_id = subject_id",
            "connection_id = subject_id",
            "subject_kind = 'partner'",
            "subject_id = id",
            "id = subject_id",
        ]
        .into_iter()
        .map(|set| (format!("UPDATE event SET {set} WHERE {fifth}"), 5, changed(five)))
        .collect();
        let text = |sql: &str| sql.to_owned();
        cases.extend([
            (format!("UPDATE event SET data = '{{}}' WHERE {fifth}"), 5, Why::DataChanged(five)),
            (format!("DELETE FROM event WHERE {fifth}"), 5, Why::EventGone(five)),
            (format!("DELETE FROM event WHERE {last}"), EVENTS, Why::EventGone(event_of(&bed, EVENTS).await)),
            (
                format!("DELETE FROM event WHERE {fifth} OR {sixth}"), 5, Why::EventGone(five),
            ),
            // The two are exchanged: what they say, and where they stand.
            (
                format!(
                    "CREATE TABLE two AS SELECT * FROM event WHERE {fifth} OR {sixth}; DELETE FROM event WHERE {fifth} OR {sixth}; \
                     INSERT INTO event (seq, position, {columns}) SELECT place.seq, place.position, what.{} \
                     FROM two place JOIN two what ON what.seq <> place.seq; DROP TABLE two",
                    columns.replace(", ", ", what.")
                ),
                5,
                changed(five),
            ),
            (text("UPDATE audit_link SET event_id = 'STRANGER' WHERE number = 5"), 5, changed(stranger)),
            (text("UPDATE audit_link SET number = -5 WHERE number = 5; UPDATE audit_link SET number = 5 WHERE number = 6; UPDATE audit_link SET number = 6 WHERE number = -5"), 5, Why::EventInserted(five)),
            (text("DELETE FROM audit_link WHERE number = 5"), 5, Why::Missing),
            (text("DELETE FROM audit_link WHERE number = 1"), 1, Why::Missing),
            (text("UPDATE audit_link SET digest = data_digest WHERE number = 5"), 5, changed(five)),
            (text("UPDATE audit_link SET data_digest = digest WHERE number = 5"), 5, changed(five)),
            (text("UPDATE audit_link SET salt = '00' WHERE number = 5"), 5, Why::DataChanged(five)),
            (text("UPDATE audit_link SET redacted_at = 1 WHERE number = 5"), 5, Why::NotErased),
            (format!("UPDATE audit_link SET redacted_at = 1 WHERE number = 5; UPDATE event SET data = '{{}}' WHERE {fifth}"), 5, Why::NotErased),
            (text("DELETE FROM audit_link WHERE number > 7"), 7, Why::CutOff),
            (text("DELETE FROM audit_link"), 0, Why::CutOff),
        ]);
        // The ids are bytes in one database and a type of its own in the other.
        let literal = |id: EventId| {
            if bed.database.is_postgres() { format!("'{}'", id.0) } else { format!("x'{}'", id.0.simple()) }
        };
        for (sql, _, _) in &mut cases {
            *sql = sql.replace("'STRANGER'", &literal(stranger));
        }
        for (sql, at, why) in cases {
            run(&bed, &sql).await;
            assert_eq!(verify(&bed).await, Err(Broken { number: at, why }), "{sql}");
            put_back(&bed).await;
        }
        // Another event between two, before all, and behind the fifth at the end of a page of links.
        for place in ["seq + 1", "seq - 1", "-7"] {
            let sql = copied(place);
            run(&bed, &sql).await;
            let found = verify(&bed).await.unwrap_err();
            assert!(matches!(found.why, Why::EventInserted(_)), "{sql}: {found}");
            put_back(&bed).await;
        }
        for number in 1..=EVENTS {
            run(&bed, &format!("UPDATE event SET actor = 'eve' WHERE {}", of(number))).await;
            assert_eq!(verify(&bed).await.unwrap_err().number, number);
            put_back(&bed).await;
        }
        assert_eq!(verify(&bed).await.unwrap().sealed, EVENTS);
    })
    .await;
}

#[tokio::test]
async fn a_chain_made_anew_or_cut_is_found_by_a_link_that_was_noted() {
    each(async |bed| {
        happen(&bed, 0..EVENTS).await;
        seal_all(&bed.database).await;
        let noted = verify(&bed).await.unwrap().head.unwrap();
        // Whoever can write everywhere makes a chain that holds.
        run(
            &bed,
            "UPDATE event SET actor = 'eve' WHERE seq = (SELECT MIN(seq) FROM event)",
        )
        .await;
        run(&bed, "DELETE FROM audit_link; DELETE FROM event_reader").await;
        seal_all(&bed.database).await;
        assert_eq!(verify(&bed).await.unwrap().sealed, EVENTS);
        let held = |anchor: Anchor| {
            let database = bed.database.clone();
            async move {
                audit_link::verify(&database, Some(&anchor), PAGE)
                    .await
                    .unwrap()
            }
        };
        let expected = Broken {
            number: EVENTS,
            why: Why::NotTheAnchor(noted.clone()),
        };
        assert_eq!(held(noted.clone()).await, Err(expected));
        // A link that is no longer there at all.
        let beyond = Anchor {
            number: EVENTS + 5,
            ..noted
        };
        assert!(matches!(
            held(beyond).await.unwrap_err().why,
            Why::NotTheAnchor(_)
        ));
    })
    .await;
}

#[tokio::test]
async fn a_chain_that_was_cut_is_not_gone_on_with() {
    each(async |bed| {
        happen(&bed, 0..EVENTS).await;
        seal_all(&bed.database).await;
        run(&bed, "DELETE FROM audit_link WHERE number > 7").await;
        happen(&bed, 10..12).await;
        let refused = async {
            loop {
                match audit_link::seal(&bed.database, 100).await {
                    Err(error) => return error.to_string(),
                    Ok(_) => tokio::time::sleep(Duration::from_millis(5)).await,
                }
            }
        };
        let refused = tokio::time::timeout(Duration::from_secs(60), refused)
            .await
            .unwrap();
        assert!(refused.contains("audit verify"), "{refused}");
        assert_eq!(
            number(&bed.database, "SELECT COUNT(*) FROM audit_link").await,
            7
        );
    })
    .await;
}

#[tokio::test]
async fn what_an_erasure_redacted_holds_and_nothing_else_does() {
    each(async |bed| {
        happen(&bed, 0..EVENTS).await;
        seal_all(&bed.database).await;
        happen(&bed, 10..11).await;
        let five = event_of(&bed, 5).await;
        let unsealed = sealed_by_none(&bed).await;
        // Two erasures; the second redacts one event again.
        for (round, events) in [vec![five, event_of(&bed, 8).await, unsealed], vec![five]]
            .into_iter()
            .enumerate()
        {
            let mut change = bed.begin().await;
            let replaced = events
                .into_iter()
                .map(|id| (id, json!({ "owner.name": "Erased person", "round": round })))
                .collect();
            let redacted = audit_link::redact(&change, replaced).await.unwrap();
            let person: DealId = change.new_id();
            for event in audit_link::erasure_events(person, &Map::new(), &redacted) {
                change.record(event);
            }
            change.commit().await.unwrap();
        }
        // Before the events of the erasures are sealed they count already, for work goes on while the chain is verified.
        assert_eq!(verify(&bed).await.unwrap().redacted, 2);
        seal_all(&bed.database).await;
        let report = verify(&bed).await.unwrap();
        assert_eq!((report.sealed, report.redacted), (13, 2));
        let told = number(
            &bed.database,
            "SELECT COUNT(*) FROM event WHERE kind = 'person.erased'",
        )
        .await;
        assert_eq!(told, 2);
        let personal = "SELECT COUNT(*) FROM event WHERE CAST(data AS TEXT) LIKE '%Person 4%'";
        assert_eq!(number(&bed.database, personal).await, 0);

        keep(&bed).await;
        let fifth = "seq = (SELECT seq FROM audit_link WHERE number = 5)";
        let first_erasure = "(SELECT MIN(seq) FROM event WHERE kind = 'person.erased')";
        for (sql, at, why) in [
            // What stands there now is sealed as well.
            (
                format!("UPDATE event SET data = '{{}}' WHERE {fifth}"),
                5,
                Why::NotErased,
            ),
            (
                "UPDATE audit_link SET salt = '00' WHERE number = 8".to_owned(),
                8,
                Why::NotErased,
            ),
            (
                "UPDATE audit_link SET redacted_at = NULL WHERE number = 5".to_owned(),
                5,
                Why::DataChanged(five),
            ),
            (
                "UPDATE audit_link SET redacted_at = 1 WHERE number = 3".to_owned(),
                3,
                Why::NotErased,
            ),
            // The erasure is part of the chain as everything else.
            (
                format!("UPDATE event SET data = '{{}}' WHERE seq = {first_erasure}"),
                12,
                Why::DataChanged(event_of(&bed, 12).await),
            ),
            (
                format!("DELETE FROM event WHERE seq = {first_erasure}"),
                12,
                Why::EventGone(event_of(&bed, 12).await),
            ),
        ] {
            run(&bed, &sql).await;
            assert_eq!(verify(&bed).await, Err(Broken { number: at, why }), "{sql}");
            put_back(&bed).await;
        }
        assert_eq!(READER, "audit");
    })
    .await;
}

async fn sealed_by_none(bed: &Bed) -> EventId {
    let rows = entities::event::Entity::find()
        .all(bed.database.read())
        .await
        .unwrap();
    let links = audit_link::Entity::find()
        .all(bed.database.read())
        .await
        .unwrap();
    let mut left = rows
        .iter()
        .filter(|row| links.iter().all(|link| link.event_id != row.id));
    left.next().unwrap().id
}

/// Whoever erases holds the chain: what is being erased is not sealed with its old data, whichever comes first.
#[tokio::test]
async fn nothing_is_sealed_with_what_is_being_erased() {
    each(async |bed| {
        happen(&bed, 0..2).await;
        let ids: Vec<EventId> = entities::event::Entity::find()
            .all(bed.database.read())
            .await
            .unwrap()
            .iter()
            .map(|row| row.id)
            .collect();
        let mut change = bed.begin().await;
        let redacted = audit_link::redact(
            &change,
            vec![(ids[0], json!({ "owner.name": "Erased person" }))],
        )
        .await
        .unwrap();
        for event in audit_link::erasure_events::<DealId>(change.new_id(), &Map::new(), &redacted) {
            change.record(event);
        }
        let database = bed.database.clone();
        let sealing = tokio::spawn(async move { audit_link::seal(&database, 100).await.unwrap() });
        bed.somebody_waits().await;
        change.commit().await.unwrap();
        sealing.await.unwrap();
        seal_all(&bed.database).await;
        let report = verify(&bed).await.unwrap();
        assert_eq!((report.sealed, report.redacted), (3, 0));
    })
    .await;
}
