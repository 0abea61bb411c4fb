//! Both ways give the same answer: what a plan reads from rows, and what the library resolves field by field; and a list that reads only
//! the columns it needs says the same of a row as the row read whole.
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

mod columns_of_lists {
    use super::*;
    use crate::graphql::context::RequestContext;
    use crate::graphql::schema::{self, ApiSchema};
    use async_graphql::Request;
    use entities::change::{Author, Change, Origin};
    use entities::clock::SystemClock;
    use entities::customer::{self, NewCustomer};
    use entities::database::{Database, DatabaseOptions};
    use entities::deal::NewDeal;
    use entities::deal_partner::{self, DealPartnerRole, Share};
    use entities::money::{BasisPoints, Money};
    use entities::partner::{self, NewPartner};
    use entities::partnership::{self, NewPartnership, PartnerType};
    use entities::viewer::Viewer;
    use proptest::test_runner::{Config, TestRunner};
    use std::sync::Arc;

    /// Fields of a deal and of a partner, with those that lead on.
    const DEAL: [&str; 16] = [
        "id",
        "version",
        "createdAt",
        "updatedAt",
        "name",
        "stage",
        "sourceStage",
        "amount { amount }",
        "expectedCloseOn",
        "closedAt",
        "owner { name }",
        "products",
        "archivedAt",
        "customer { name domain }",
        "partners { role partner { name country } }",
        "availableTransitions",
    ];
    const PARTNER: [&str; 14] = [
        "id",
        "version",
        "createdAt",
        "updatedAt",
        "name",
        "domain",
        "website",
        "country",
        "regions",
        "verticals",
        "employees",
        "tags",
        "status",
        "wonRevenue { amount }",
    ];

    async fn filled(folder: &std::path::Path) -> Database {
        let url = format!("sqlite://{}", folder.join("rows.sqlite").display());
        let database = Database::open(
            DatabaseOptions::new(url),
            Arc::new(SystemClock),
            crate::state::chance(),
        )
        .await
        .unwrap();
        crate::state::prepare_schema(&database, true).await.unwrap();
        let author = Author {
            actor: "tests".to_owned(),
            origin: Origin::Import,
            connection: None,
        };
        let mut change = Change::begin(&database, author).await.unwrap();
        let mut partners = vec![NewPartner::named("One"), NewPartner::named("Two")];
        partners[0].domain = "one.example".parse().ok();
        partners[0].country = Some("Norway".to_owned());
        partners[0].regions = vec!["EMEA".to_owned()];
        partners[1].employees = Some(7);
        partners[1].tags = vec!["gold".to_owned()];
        let partners = partner::create(&mut change, partners).await.unwrap();
        let partnerships = partners
            .iter()
            .map(|partner| NewPartnership::of(partner.id, PartnerType::Channel))
            .collect();
        let partnerships = partnership::create(&mut change, partnerships)
            .await
            .unwrap();
        let customer = NewCustomer {
            name: "Acme".to_owned(),
            domain: "acme.example".parse().ok(),
            country: None,
            segment: None,
            archived: false,
        };
        let customers = customer::create(&mut change, vec![customer]).await.unwrap();
        let deals = (1..=5).map(|number| {
            let like = deal(number);
            NewDeal {
                customer_id: (number != 3).then(|| customers[0].id),
                amount: like.amount().map(|amount| Money {
                    minor: amount.minor.abs(),
                    ..amount
                }),
                name: like.name,
                stage: like.stage,
                source_stage: like.source_stage,
                expected_close_on: like.expected_close_on,
                closed_at: like.closed_at,
                lost_reason: None,
                owner_name: like.owner_name,
                owner_email: None,
                products: like.products.0,
                archived: false,
            }
        });
        let deals = entities::deal::create(&mut change, deals.collect())
            .await
            .unwrap();
        let share = |place: usize, role, points| Share {
            partnership_id: partnerships[place].id,
            role,
            weight_bp: BasisPoints::new(points).unwrap(),
        };
        let shares = deals.into_iter().enumerate().map(|(number, deal)| {
            (
                deal,
                vec![
                    share(number % 2, DealPartnerRole::Sourced, 4_000),
                    share(0, DealPartnerRole::Implemented, 1_000),
                ],
            )
        });
        deal_partner::attribute(&mut change, &shares.collect::<Vec<_>>())
            .await
            .unwrap();
        change.commit().await.unwrap();
        database
    }

    async fn ask(schema: &ApiSchema, database: &Database, query: &str) -> Json {
        let viewer = Arc::new(Viewer::system("tests"));
        let context = RequestContext {
            viewer,
            database: database.clone(),
            request_id: String::new(),
        };
        let response = schema.execute(Request::new(query).data(context)).await;
        assert!(response.errors.is_empty(), "{query}: {:?}", response.errors);
        response.data.into_json().unwrap()
    }

    fn chosen(fields: &'static [&'static str]) -> impl Strategy<Value = String> {
        prop::sample::subsequence(fields, 1..=4).prop_map(|fields| fields.join(" "))
    }

    #[test]
    fn a_row_in_a_list_says_what_it_says_alone() {
        let folder = tempfile::tempdir().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let database = runtime.block_on(filled(folder.path()));
        let schema = schema::build();
        let mut runner = TestRunner::new(Config {
            cases: 60,
            failure_persistence: None,
            ..Config::default()
        });
        // Two lists of the same deals that ask for different columns, one of them ordered by a column that nobody asks for.
        let lists = (chosen(&DEAL), chosen(&DEAL), chosen(&PARTNER));
        let outcome = runner.run(&lists, |(one, other, partner)| {
            runtime.block_on(async {
                let ids = |list: &Json| list["nodes"].as_array().unwrap().iter().map(|row| row["key"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
                let query = format!(
                    "{{ partners(first: 5) {{ nodes {{ key: id {partner} a: deals(first: 4) {{ nodes {{ key: id {one} }} }} b: deals(first: 4) {{ nodes {{ key: id {other} }} \
                     edges {{ cursor node {{ id }} }} }} }} }} deals(first: 5, orderBy: [{{field: AMOUNT}}]) {{ nodes {{ key: id {one} }} pageInfo {{ endCursor }} }} }}"
                );
                let answer = ask(&schema, &database, &query).await;
                let mut shown: Vec<(String, String, Json)> = Vec::new();
                let mut note = |list: &Json, kind: &str, selection: &str| {
                    for (id, row) in ids(list).into_iter().zip(list["nodes"].as_array().unwrap()) {
                        shown.push((format!("{kind}(id: \"{id}\")"), selection.to_owned(), row.clone()));
                    }
                };
                note(&answer["deals"], "deal", &one);
                for partner in answer["partners"]["nodes"].as_array().unwrap() {
                    note(&partner["a"], "deal", &one);
                    note(&partner["b"], "deal", &other);
                }
                let mut partners = answer["partners"].clone();
                for row in partners["nodes"].as_array_mut().unwrap() {
                    row.as_object_mut().unwrap().retain(|name, _| name != "a" && name != "b");
                }
                note(&partners, "partner", &partner);
                assert!(shown.len() > 10, "there are rows to compare");
                for (root, selection, row) in shown {
                    let alone = ask(&schema, &database, &format!("{{ alone: {root} {{ key: id {selection} }} }}")).await;
                    prop_assert_eq!(&alone["alone"], &row, "{} {}", root, selection);
                }
                Ok(())
            })
        });
        outcome.unwrap();
    }
}
