#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "tests"
)]
use super::share::{MergedShares, Shares, merge_shares, shown, shown_keys};
use super::{Candidate, PRIMARY, Source, Wanted, incoming, says_nothing_new};
use crate::record::{Fields, Kind, Record, RecordLink, Resource};
use entities::clock::Timestamp;
use entities::deal_partner::DealPartnerRole;
use entities::external_link::{self, Shadow};
use entities::id::{ConnectionId, ExternalLinkId, PartnershipId};
use entities::money::BasisPoints;
use proptest::prelude::*;
use uuid::Uuid;

fn record(fields: &[(&str, Option<&str>)], links: Vec<RecordLink>, links_complete: bool) -> Record {
    Record {
        external_id: "1".to_owned(),
        updated_at_ms: 5,
        created_at_ms: None,
        archived: false,
        fields: fields
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.map(str::to_owned)))
            .collect(),
        links,
        links_complete,
        url: None,
        kind: Kind::Deal,
    }
}

fn wanted(names: &[&str]) -> Wanted {
    Wanted {
        fields: names.iter().map(|name| (*name).to_owned()).collect(),
        ..Wanted::default()
    }
}

fn link(shadow: Shadow) -> external_link::Model {
    external_link::Model {
        id: ExternalLinkId(Uuid::nil()),
        version: 1,
        created_at: Timestamp(0),
        updated_at: Timestamp(0),
        connection_id: ConnectionId(Uuid::nil()),
        resource: "deal".to_owned(),
        external_id: "1".to_owned(),
        subject_kind: Some("deal".to_owned()),
        subject_id: Some(Uuid::nil()),
        shadow,
        external_updated_at: Some(Timestamp::from_millis(5)),
        archived: false,
        held_reason: None,
    }
}

fn tie(id: &str, label: Option<&str>, primary: bool) -> RecordLink {
    RecordLink {
        resource: Resource::Company,
        external_id: id.to_owned(),
        labels: label.into_iter().map(str::to_owned).collect(),
        primary,
    }
}

#[test]
fn what_was_not_read_stays_and_what_was_cleared_goes() {
    let before = link(Shadow {
        fields: Fields::from([
            ("a".to_owned(), Some("1".to_owned())),
            ("b".to_owned(), Some("2".to_owned())),
        ]),
        links: [("company:7".to_owned(), vec![])].into(),
        ..Shadow::default()
    });
    let after = incoming(
        &wanted(&["a", "b"]),
        record(
            &[("a", None), ("z", Some("9"))],
            vec![tie("8", Some("Partner"), true)],
            false,
        ),
        Some(&before),
    );
    assert_eq!(
        after.fields,
        Fields::from([("b".to_owned(), Some("2".to_owned()))])
    );
    assert_eq!(after.links["company:8"], ["Partner", PRIMARY]);
    assert!(after.links.contains_key("company:7"));
    let complete = incoming(&wanted(&["a"]), record(&[], vec![], true), Some(&before));
    assert!(complete.links.is_empty());
}

#[test]
fn an_older_version_out_of_an_index_is_passed_over_but_not_one_read_by_id() {
    let before = link(Shadow::default());
    let mut older = record(&[("a", Some("old"))], vec![], true);
    older.updated_at_ms = 4;
    let candidate = Candidate::new(
        incoming(&wanted(&["a"]), older, Some(&before)),
        Some(before),
    );
    assert!(says_nothing_new(Source::Index, &candidate));
    assert!(!says_nothing_new(Source::Direct, &candidate));
}

fn shares() -> impl Strategy<Value = Shares> {
    proptest::collection::btree_map((0_u128..3, 0_usize..2), 0_i32..3, 0..4).prop_map(|map| {
        let roles = [DealPartnerRole::Resold, DealPartnerRole::Sourced];
        let share = |((partnership, role), weight): ((u128, usize), i32)| {
            (
                (PartnershipId(Uuid::from_u128(partnership)), roles[role]),
                BasisPoints::new(weight).unwrap(),
            )
        };
        map.into_iter().map(share).collect()
    })
}

proptest! {
    #[test]
    fn the_same_record_again_says_nothing_new(values in proptest::collection::btree_map("[a-d]", proptest::option::of(".{0,4}"), 0..5), ids in proptest::collection::btree_set("[1-9]{1,2}", 0..4)) {
        let pairs: Vec<(&str, Option<&str>)> = values.iter().map(|(name, value)| (name.as_str(), value.as_deref())).collect();
        let ties: Vec<RecordLink> = ids.iter().map(|id| tie(id, Some("x"), false)).collect();
        let wanted = wanted(&["a", "b", "c"]);
        let first = incoming(&wanted, record(&pairs, ties.clone(), true), None);
        let known = link(Shadow { fields: first.fields, links: first.links, ..Shadow::default() });
        let second = incoming(&wanted, record(&pairs, ties, true), Some(&known));
        let candidate = Candidate::new(second, Some(known));
        prop_assert!(says_nothing_new(Source::Direct, &candidate));
    }

    #[test]
    fn a_second_merge_of_shares_changes_nothing(base in proptest::option::of(shares()), theirs in shares(), ours in shares(), takes_theirs in proptest::bool::ANY) {
        let merged = merge_shares(base.as_ref(), &theirs, &ours, takes_theirs);
        let again = merge_shares(Some(&theirs), &theirs, &merged.shares, takes_theirs);
        prop_assert_eq!(again, MergedShares { shares: merged.shares, conflicting: Default::default() });
    }

    #[test]
    fn who_wins_a_share_has_it_as_it_says(base in shares(), theirs in shares(), ours in shares(), takes_theirs in proptest::bool::ANY) {
        let merged = merge_shares(Some(&base), &theirs, &ours, takes_theirs);
        let winner = if takes_theirs { &theirs } else { &ours };
        for key in &merged.conflicting {
            prop_assert_eq!(merged.shares.get(key), winner.get(key));
        }
        let named = shown(&theirs, &merged.conflicting);
        prop_assert_eq!(shown_keys(&named), merged.conflicting);
    }

    #[test]
    fn a_share_the_vendor_never_knew_stays(base in shares(), theirs in shares(), ours in shares()) {
        let merged = merge_shares(Some(&base), &theirs, &ours, true);
        for (key, weight) in ours.iter().filter(|(key, _)| !base.contains_key(key) && !theirs.contains_key(key)) {
            prop_assert_eq!(merged.shares.get(key), Some(weight));
        }
    }
}
