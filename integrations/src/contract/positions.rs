//! A position is opaque to everybody but its writer, and its writer trusts none it does not know: it says so, asks nobody, and does not fall
//! over.

use super::{Case, NOW_MS, Rig, each};
use crate::connector::{Mode, PageRequest, ResourceDescriptor};
use crate::error::ConnectorError;
use crate::test_server::json;
use proptest::prelude::*;
use serde_json::{Value, json};

const MODES: [Mode; 3] = [Mode::Backfill, Mode::Delta, Mode::Archived];

fn offers(resource: &ResourceDescriptor, mode: Mode) -> bool {
    match mode {
        Mode::Backfill => true,
        Mode::Delta => resource.delta,
        Mode::Archived => resource.archived,
    }
}

async fn rig(case: &Case) -> Rig {
    Rig::new(case, |_| json(500, "", "{}")).await
}

async fn asked(rig: &Rig, mode: Mode, place: usize, cursor: &Value) -> Option<ConnectorError> {
    let resource = rig.connector.descriptor().resources[place];
    let request = PageRequest {
        resource: resource.resource,
        mode,
        cursor: Some(cursor),
        fields: &[],
        page_size: None,
        now_ms: NOW_MS,
    };
    let pull = rig.connector.pull().unwrap();
    pull.page(&rig.context(), &request).await.err()
}

#[tokio::test]
async fn a_position_nobody_wrote_begins_the_walk_again() {
    let strange = [
        json!(null),
        json!(17),
        json!("next"),
        json!([]),
        json!({}),
        json!({"walk": "nowhere"}),
        json!({"after": "1", "from": "another version of us"}),
        json!({"walk": 3, "after": {"deep": [[[[]]]]}}),
    ];
    for (case, _) in each() {
        let rig = rig(&case).await;
        if rig.connector.pull().is_none() {
            continue;
        }
        for (place, resource) in rig.connector.descriptor().resources.iter().enumerate() {
            for mode in MODES.into_iter().filter(|mode| offers(resource, *mode)) {
                for cursor in &strange {
                    let error = asked(&rig, mode, place, cursor).await;
                    assert!(
                        matches!(error, Some(ConnectorError::CursorExpired { .. })),
                        "{} {} {mode:?} {cursor}: {error:?}",
                        case.id,
                        resource.resource
                    );
                }
            }
        }
        assert!(
            rig.server.seen().is_empty(),
            "{}: the vendor was asked about a position nobody wrote",
            case.id
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
    #[test]
    fn no_position_makes_a_walk_fall_over(text in ".{0,20}", number in any::<i64>(), key in "[a-z_]{1,10}") {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            for (case, _) in each() {
                let rig = rig(&case).await;
                let places = rig.connector.descriptor().resources.len();
                if places == 0 {
                    continue;
                }
                // Nothing to read, nothing to stand in.
                if places == 0 {
                    continue;
                }
                for cursor in [json!({key.as_str(): text}), json!({"walk": text, key.as_str(): number}), json!([text, number])] {
                    for mode in MODES {
                        let place = text.len() % places;
                        let _any_answer = asked(&rig, mode, place, &cursor).await;
                    }
                }
            }
        });
    }
}
