use super::*;
use std::collections::BTreeSet;

/// A part of a query between two words.
fn between<'a>(text: &'a str, from: &str, to: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(from)?;
    Some(rest.split(to).next().unwrap())
}

/// Whose rows a walk shows: second of change and number of the account. Answers a query as Salesforce does, at most `page` at once.
fn walked(rows: &BTreeSet<(i64, usize)>, soql: &str, page: usize) -> Reply {
    let from =
        between(soql, "SystemModstamp >= ", " ").map_or(0, |text| moment::millis(text).unwrap());
    let after = between(soql, "OR Id > '", "'");
    let limit: usize = between(soql, "LIMIT ", " ").unwrap().parse().unwrap();
    let due: Vec<(i64, String)> = rows
        .iter()
        .map(|(second, number)| (NOW + second * 1_000, account(*number)))
        .filter(|(at, id)| match after {
            Some(after) => *at > from || (*at == from && id.as_str() > after),
            None => *at >= from,
        })
        .take(limit)
        .collect();
    let shown: Vec<Value> = due
        .iter()
        .take(page)
        .map(|(at, id)| shown(id, "x", (at - NOW) / 1_000))
        .collect();
    records(&shown, shown.len() == due.len())
}

async fn read_all(rig: &Rig, begin: Value) -> (Vec<String>, usize, Value) {
    let (mut seen, mut pages, mut cursor) = (Vec::new(), 0, begin);
    loop {
        let page = rig
            .page(Resource::Company, Mode::Delta, Some(&cursor))
            .await
            .unwrap();
        seen.extend(page.records.iter().map(|record| record.external_id.clone()));
        pages += 1;
        assert!(pages < 200, "the walk does not end");
        cursor = page.next.cursor().clone();
        if page.next.is_caught_up() {
            return (seen, pages, cursor);
        }
    }
}

fn rest(mark_ms: i64) -> Value {
    // So lately that the log of deletions is not asked for.
    value!({"walk": "rest", "mark_ms": mark_ms, "deleted_ms": NOW})
}

#[tokio::test]
async fn a_crowd_of_one_time_is_walked_by_id_and_short_pages_are_no_end() {
    // An import: twenty-five thousand records with one time, and some before and after.
    let mut rows: BTreeSet<(i64, usize)> = (0..25_000).map(|number| (7, number)).collect();
    rows.extend([(3, 90_001), (7, 90_002), (8, 90_003)]);
    let all = rows.len();
    let rig = Rig::new(move |seen| match described(path(seen), &[]) {
        Some(reply) => reply,
        None => walked(&rows, &question(seen).unwrap(), 1_700),
    })
    .await;
    let (seen, pages, end) = read_all(&rig, rest(NOW)).await;
    assert_eq!(seen.len(), all, "each once");
    assert_eq!(seen.iter().collect::<BTreeSet<_>>().len(), all);
    assert!(pages <= all / 1_700 + 2, "{pages}");
    assert_eq!(
        end,
        value!({"walk": "rest", "mark_ms": NOW - 60_000, "deleted_ms": NOW})
    );
}

#[tokio::test]
async fn the_next_walk_looks_back_for_what_became_visible_late() {
    // The row carries a time before the mark: its transaction ended after the walk had passed.
    let rows = BTreeSet::from([(-400, 1)]);
    let rig = Rig::new(move |seen| match described(path(seen), &[]) {
        Some(reply) => reply,
        None => walked(&rows, &question(seen).unwrap(), 2_000),
    })
    .await;
    let (seen, ..) = read_all(&rig, rest(NOW)).await;
    assert_eq!(seen, [account(1)]);
    let asked = rig.questions();
    assert!(
        asked[0].contains("SystemModstamp >= 2026-11-01T09:50:00.000Z ORDER BY SystemModstamp, Id"),
        "{asked:?}"
    );
    assert!(
        asked.iter().all(|soql| !soql.contains("LastModifiedDate")),
        "conversions and imports leave that alone"
    );
}

#[tokio::test]
async fn a_page_that_leads_nowhere_is_an_error_and_no_loop() {
    for page in [
        vec![],
        vec![shown(ACME, "x", 5)],
        vec![value!({"Id": "no id"})],
    ] {
        let rig = Rig::new(move |seen| {
            described(path(seen), &[]).unwrap_or_else(|| records(&page, false))
        })
        .await;
        let at = value!({"walk": "changes", "at_ms": NOW + 5_000, "last_id": ACME, "from_ms": NOW, "started_ms": NOW, "deleted_ms": NOW});
        let error = rig
            .page(Resource::Company, Mode::Delta, Some(&at))
            .await
            .unwrap_err();
        assert_eq!(error.code(), "UNEXPECTED_ANSWER");
    }
    let rig = Rig::new(|seen| described(path(seen), &[]).unwrap()).await;
    for (mode, walk) in [
        (Mode::Backfill, rest(NOW)),
        (Mode::Archived, rest(NOW)),
        (
            Mode::Delta,
            value!({"walk": "bin", "at_ms": 0, "last_id": ""}),
        ),
    ] {
        let error = rig
            .page(Resource::Company, mode, Some(&walk))
            .await
            .unwrap_err();
        assert_eq!(error.code(), "CURSOR_EXPIRED", "{mode:?}");
    }
}

#[tokio::test]
async fn a_changed_partner_brings_its_deal_although_the_deal_did_not_change() {
    let rig = Rig::new(|seen| {
        if let Some(reply) = described(path(seen), &[]) {
            return reply;
        }
        let soql = question(seen).unwrap();
        match (path(seen), soql.contains("FROM OpportunityPartner")) {
            // Deleted ones are asked for as well: the bin is shown.
            ("queryAll", true) => {
                assert!(soql.contains("SystemModstamp >= 2026-11-01T09:50:00.000Z"), "{soql}");
                records(&[value!({"Id": "00ID000000IRFmaIAH", "OpportunityId": DEAL, "SystemModstamp": "2026-11-01T09:59:00.000+0000"})], true)
            }
            ("query", true) => records(&[value!({"Id": "00ID000000IRFmbIAH", "OpportunityId": DEAL, "AccountToId": BETA, "Role": "Agency"})], true),
            _ if soql.contains("Id IN") => records(&[with(shown(DEAL, "Deal", -90_000), value!({"AccountId": ACME}))], true),
            _ => records(&[], true),
        }
    })
    .await;
    let first = rig
        .page(Resource::Deal, Mode::Delta, Some(&rest(NOW)))
        .await
        .unwrap();
    assert!(first.records.is_empty() && !first.next.is_caught_up());
    let second = rig
        .page(Resource::Deal, Mode::Delta, Some(first.next.cursor()))
        .await
        .unwrap();
    assert_eq!(ids(&second), [DEAL]);
    assert_eq!(second.records[0].links.len(), 2);
    assert!(second.next.is_caught_up());
}

/// A walk that stands before the log of deletions, last read so many hours ago.
fn before_log(hours: i64) -> Value {
    value!({"walk": "gone", "started_ms": NOW, "deleted_ms": NOW - hours * 3_600_000 + 17_000})
}

fn log(gone: &[(&str, &str)], earliest: &str, latest: &str) -> Reply {
    let gone: Vec<Value> = gone
        .iter()
        .map(|(id, at)| value!({"id": id, "deletedDate": at}))
        .collect();
    json(200, DATE, &value!({"deletedRecords": gone, "earliestDateAvailable": earliest, "latestDateCovered": latest}).to_string())
}

#[tokio::test]
async fn the_log_of_deletions_tells_what_the_bin_no_longer_shows() {
    let erased = "001D000000IRFmcIAH";
    let restored = "001D000000IRFmdIAH";
    let rig = Rig::new(move |seen| {
        if let Some(reply) = described(path(seen), &[]) {
            return reply;
        }
        if path(seen) == "sobjects/Account/deleted/" {
            assert!(
                seen.target.contains("start=2026-11-01T07%3A00%3A00.000Z")
                    && !seen.target.contains('+'),
                "{}",
                seen.target
            );
            return log(
                &[
                    (ACME, "2026-11-01T09:00:00.000+0000"),
                    (BETA, "2026-11-01T09:00:01.000+0000"),
                    (erased, "2026-11-01T09:00:02.000+0000"),
                    (restored, "2026-11-01T09:00:03.000+0000"),
                ],
                "2026-10-20T00:00:00.000+0000",
                "2026-11-01T09:58:00.000+0000",
            );
        }
        assert_eq!(path(seen), "queryAll");
        records(
            &[
                with(shown(ACME, "Acme", -9_000), value!({"IsDeleted": true})),
                with(
                    shown(BETA, "Beta", -9_000),
                    value!({"IsDeleted": true, "MasterRecordId": restored}),
                ),
                shown(restored, "Back", 0),
            ],
            true,
        )
    })
    .await;
    let page = rig
        .page(Resource::Company, Mode::Delta, Some(&before_log(3)))
        .await
        .unwrap();
    let told: Vec<_> = page
        .records
        .iter()
        .map(|record| {
            (
                record.external_id.as_str(),
                record.archived,
                record.fields.is_empty(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            (ACME, true, false),
            (restored, false, false),
            (erased, true, true)
        ]
    );
    let at = |id: &str| {
        page.records
            .iter()
            .find(|record| record.external_id == id)
            .unwrap()
            .updated_at_ms
    };
    assert_eq!((at(ACME), at(erased)), (NOW - 3_600_000, NOW - 3_598_000));
    assert_eq!(
        page.merged.len(),
        1,
        "what went into another is no deletion"
    );
    assert_eq!(
        (page.merged[0].from.as_str(), page.merged[0].into.as_str()),
        (BETA, restored)
    );
    assert_eq!(
        page.next,
        Next::CaughtUp(
            value!({"walk": "rest", "mark_ms": NOW - 60_000, "deleted_ms": NOW - 120_000})
        )
    );
}

#[tokio::test]
async fn a_gap_in_the_log_begins_everything_again() {
    let rig = Rig::new(|_| {
        log(
            &[],
            "2026-11-01T07:30:00.000+0000",
            "2026-11-01T09:58:00.000+0000",
        )
    })
    .await;
    for hours in [3, 24 * 16] {
        let error = rig
            .page(Resource::Company, Mode::Delta, Some(&before_log(hours)))
            .await
            .unwrap_err();
        assert_eq!(error.code(), "CURSOR_EXPIRED", "{hours}");
    }
    assert_eq!(
        rig.page(Resource::Company, Mode::Delta, Some(&before_log(2)))
            .await
            .unwrap()
            .next
            .cursor()["walk"],
        "rest"
    );
}

#[tokio::test]
async fn too_many_deletions_are_read_in_shorter_spans() {
    let rig = Rig::new(|seen| {
        let end = between(&seen.target, "end=", "&")
            .unwrap()
            .replace("%3A", ":");
        let end = moment::millis(&end).unwrap();
        if end > NOW - 3_600_000 {
            return json(
                400,
                "",
                r#"[{"errorCode":"EXCEEDED_ID_LIMIT","message":"too many"}]"#,
            );
        }
        log(&[], "2026-10-20T00:00:00.000+0000", &moment::literal(end))
    })
    .await;
    let page = rig
        .page(Resource::Company, Mode::Delta, Some(&before_log(4)))
        .await
        .unwrap();
    assert!(!page.next.is_caught_up());
    let reached = page.next.cursor()["deleted_ms"].as_i64().unwrap();
    assert!(reached > NOW - 4 * 3_600_000 && reached < NOW);
}

#[tokio::test]
async fn the_bin_shows_what_is_deleted_and_what_went_into_others() {
    let rig = Rig::new(|seen| {
        if let Some(reply) = described(path(seen), &[]) {
            return reply;
        }
        assert!(
            path(seen) == "queryAll" && question(seen).unwrap().contains("WHERE IsDeleted = true")
        );
        records(
            &[
                with(
                    shown(ACME, "Acme", 1),
                    value!({"IsDeleted": true, "MasterRecordId": null}),
                ),
                with(
                    shown(BETA, "Beta", 2),
                    value!({"IsDeleted": true, "MasterRecordId": "001D000000IRFmc"}),
                ),
            ],
            true,
        )
    })
    .await;
    let page = rig
        .page(Resource::Company, Mode::Archived, None)
        .await
        .unwrap();
    assert!(page.records.len() == 1 && page.records[0].archived);
    assert_eq!(
        (page.merged[0].from.as_str(), page.merged[0].into.as_str()),
        (BETA, "001D000000IRFmcIAH")
    );
    assert_eq!(page.next, Next::CaughtUp(value!({"walk": "done"})));
}
