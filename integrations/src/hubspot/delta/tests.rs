#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
use super::*;
use crate::{hubspot::descriptor, record::Resource};
use proptest::prelude::*;
use std::collections::BTreeSet;

/// A portal as a search sees it: (time of change, id), the answer to one step.
fn answer(rows: &BTreeSet<(i64, u64)>, step: &Step, limit: usize) -> (Vec<Box<RawValue>>, bool) {
    let mut found: Vec<(i64, u64)> = match step {
        Step::From(from) => rows.iter().filter(|(at, _)| at >= from).copied().collect(),
        Step::Within { at_ms, after_id } => {
            let after: u64 = after_id.parse().unwrap_or(0);
            rows.iter()
                .filter(|(at, id)| at == at_ms && *id > after)
                .copied()
                .collect()
        }
    };
    // Inside one time HubSpot promises no order; the worst is the opposite one.
    match step {
        Step::From(_) => found.sort_by_key(|(at, id)| (*at, u64::MAX - id)),
        Step::Within { .. } => found.sort_by_key(|(_, id)| *id),
    }
    let more = found.len() > limit;
    found.truncate(limit);
    let raw = found.into_iter().map(|(at, id)| {
        let text =
            json!({"id": id.to_string(), "properties": {"hs_lastmodifieddate": at.to_string()}});
        RawValue::from_string(text.to_string()).unwrap()
    });
    (raw.collect(), more)
}

fn walk(rows: &BTreeSet<(i64, u64)>, limit: usize, begin: i64) -> (BTreeSet<u64>, usize, Position) {
    let deal = descriptor::object(Resource::Deal).unwrap();
    let (mut step, mut seen, mut pages) = (Step::From(begin), BTreeSet::new(), 0);
    loop {
        let (raw, more) = answer(rows, &step, limit);
        let results: Vec<&RawValue> = raw.iter().map(AsRef::as_ref).collect();
        seen.extend(
            results
                .iter()
                .map(|raw| map::id_of(raw).unwrap().parse::<u64>().unwrap()),
        );
        pages += 1;
        assert!(pages < 10_000, "the walk does not end");
        let next = advance(deal, &step, &results, more, 1_000_000).unwrap();
        let position = Position::read(Some(next.cursor())).unwrap().unwrap();
        step = match position {
            Position::Changes { from_ms, .. } => Step::From(from_ms),
            Position::Tie { at_ms, last_id, .. } => Step::Within {
                at_ms,
                after_id: last_id,
            },
            position => return (seen, pages, position),
        };
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]
    /// Whatever the crowding, a walk reads every record from its beginning on, and ends.
    #[test]
    fn a_walk_misses_nothing(
        rows in proptest::collection::btree_set((0_i64..12, 1_u64..400), 0..300), limit in 1_usize..20, begin in 0_i64..12,
    ) {
        let (seen, _, end) = walk(&rows, limit, begin);
        let due: BTreeSet<u64> = rows.iter().filter(|(at, _)| *at >= begin).map(|(_, id)| *id).collect();
        prop_assert_eq!(seen, due);
        prop_assert_eq!(end, Position::Rest { mark_ms: 1_000_000 - LAG_MS });
    }

    #[test]
    fn ids_compare_as_numbers(one in any::<u64>(), other in any::<u64>()) {
        prop_assert_eq!(by_number(&one.to_string(), &other.to_string()), one.cmp(&other));
        prop_assert_eq!(by_number(&format!("00{one}"), &one.to_string()), Ordering::Equal);
    }
}

#[test]
fn more_records_of_one_time_than_a_search_shows_are_walked_by_id() {
    let rows: BTreeSet<(i64, u64)> = (1..=25_000).map(|id| (7, id)).collect();
    let (seen, pages, _) = walk(&rows, 200, 0);
    assert_eq!(seen.len(), 25_000);
    assert!(pages <= 25_000 / 200 + 5, "{pages}");
}

#[test]
fn a_page_that_leads_nowhere_is_an_error_and_no_loop() {
    let deal = descriptor::object(Resource::Deal).unwrap();
    let raw = |text: &str| RawValue::from_string(text.to_owned()).unwrap();
    let early = raw(r#"{"id":"5","properties":{"hs_lastmodifieddate":"10"}}"#);
    let unreadable = raw(r#"{"id":"5","properties":7}"#);
    for (step, page) in [
        (Step::From(11), &early),
        (Step::From(0), &unreadable),
        (
            Step::Within {
                at_ms: 10,
                after_id: "5".into(),
            },
            &early,
        ),
        (
            Step::Within {
                at_ms: 10,
                after_id: "40".into(),
            },
            &early,
        ),
    ] {
        assert_eq!(
            advance(deal, &step, &[page], true, 0).err().unwrap().code(),
            "UNEXPECTED_ANSWER",
            "{step:?}"
        );
    }
    assert!(advance(deal, &Step::From(10), &[&early], true, 0).is_ok());
}
