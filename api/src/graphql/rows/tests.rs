//! Both ways give the same answer: what a plan reads from rows, and what the library resolves field by field.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "tests"
)]

use super::*;
use crate::graphql::deal::Deal;
use crate::graphql::siblings::{Group, members};
use async_graphql::{EmptyMutation, EmptySubscription, Object, PathSegment, Schema, ServerError};
use entities::clock::Timestamp;
use entities::deal::{DealStage, Model};
use entities::diff::Texts;
use entities::id::{DealId, TypedId};
use proptest::prelude::*;
use serde_json::Value as Json;
use uuid::Uuid;

fn deal(number: u128) -> Model {
    let even = number.is_multiple_of(2);
    Model {
        id: DealId::from_uuid(Uuid::from_u128(
            0x0192_0000_0000_7000_8000_0000_0000_0000 + number,
        )),
        version: 3,
        created_at: Timestamp::from_micros(1_790_000_000_000_001),
        updated_at: Timestamp::from_micros(1_790_000_000_000_000),
        name: format!("Rollout \"{number}\" é\n"),
        customer_id: None,
        stage: if even {
            DealStage::TechnicalValidation
        } else {
            DealStage::Won
        },
        source_stage: even.then(|| "closing".to_owned()),
        amount_minor: even.then_some(-150_005),
        amount_currency: even.then_some(entities::money::Currency::USD),
        expected_close_on: even.then(|| chrono::NaiveDate::from_ymd_opt(2026, 2, 28).unwrap()),
        closed_at: (!even).then_some(Timestamp::from_micros(1_790_000_000_500_000)),
        lost_reason: None,
        owner_name: even.then(|| "Aiko Abe".to_owned()),
        owner_email: None,
        products: Texts(vec!["Licence".to_owned(), "Support".to_owned()]),
        archived_at: None,
    }
}

struct Query;

fn deals() -> Vec<Deal> {
    members(&Group::new(vec![deal(1), deal(2), deal(3)]), 0..3)
        .map(Deal)
        .collect()
}

#[Object]
impl Query {
    async fn rows(&self) -> Rows<Deal> {
        Rows(deals())
    }
    async fn list(&self) -> Vec<Deal> {
        deals()
    }
    async fn one(&self) -> One<Deal> {
        One(deals().remove(1))
    }
    async fn alone(&self) -> Deal {
        deals().remove(1)
    }
}

/// Pieces of a selection. The last ones fail in every row, for the request carries no viewer.
const PIECES: [&str; 26] = [
    "id",
    "version",
    "createdAt",
    "updatedAt",
    "name",
    "stage",
    "sourceStage",
    "availableTransitions",
    "amount { amount currency }",
    "amount { currency }",
    "amount { sum: amount __typename }",
    "amount { ... on Money { amount } }",
    "expectedCloseOn",
    "closedAt",
    "lostReason",
    "owner { name email }",
    "products",
    "archivedAt",
    "__typename",
    "name @include(if: true)",
    "stage @skip(if: true)",
    "... on Deal { name owner { email } }",
    "...Shown",
    "... { version }",
    "customer { id }",
    "partners { role partner { name } }",
];

fn piece() -> impl Strategy<Value = String> {
    (0..PIECES.len(), 0_u32..6).prop_map(|(index, alias)| {
        let piece = PIECES[index];
        if alias < 2 && !piece.starts_with("...") {
            format!("a{index}_{alias}: {piece}")
        } else {
            piece.to_owned()
        }
    })
}

/// An error without the name of the field at the root, which is where the two ways begin.
fn shown(error: &ServerError) -> String {
    let path: Vec<String> = error
        .path
        .iter()
        .skip(1)
        .map(|part| match part {
            PathSegment::Field(name) => name.clone(),
            PathSegment::Index(index) => index.to_string(),
        })
        .collect();
    format!(
        "{} {} {:?} {:?}",
        path.join("."),
        error.message,
        error.extensions,
        error.locations.len()
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn a_plan_answers_as_the_library_does(pieces in prop::collection::vec(piece(), 1..8)) {
        let schema = Schema::new(Query, EmptyMutation, EmptySubscription);
        let ask = |root: &str| {
            let selection = pieces.join(" ");
            let fragment = if selection.contains("...Shown") { "fragment Shown on Deal { id amount { amount } }" } else { "" };
            let response = futures::executor::block_on(schema.execute(format!("{{ answer: {root} {{ {selection} }} }} {fragment}")));
            let mut errors: Vec<String> = response.errors.iter().map(shown).collect();
            errors.sort();
            let data: Json = response.data.into_json().unwrap();
            (data, errors)
        };
        let (planned, library) = (ask("rows"), ask("list"));
        prop_assert!(!library.0["answer"].is_null(), "the selection is valid: {:?}", library);
        prop_assert_eq!(planned, library);
        prop_assert_eq!(ask("one"), ask("alone"));
    }
}

#[test]
fn to_a_client_they_are_the_types_they_hold() {
    let sdl = Schema::new(Query, EmptyMutation, EmptySubscription).sdl();
    assert!(
        sdl.contains("rows: [Deal!]!") && sdl.contains("one: Deal!"),
        "{sdl}"
    );
}
