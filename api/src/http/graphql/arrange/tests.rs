#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "tests"
)]
//! Over a schema whose fields complete in another order than they are asked for, and fail where they are told to.

use super::*;
use async_graphql::parser::parse_query;
use async_graphql::{
    EmptyMutation, EmptySubscription, Interface, Object, Request, Result, Schema, SimpleObject,
    Union,
};

struct Deal {
    id: i32,
}

struct Partner {
    id: i32,
}

/// The lower the number, the later it completes.
async fn late(turns: i32) {
    for _ in turns..10 {
        tokio::task::yield_now().await;
    }
}

fn fails<T>(message: &'static str) -> Result<T> {
    Err(message.into())
}

#[Object]
impl Deal {
    async fn id(&self) -> i32 {
        late(0).await;
        self.id
    }
    async fn name(&self) -> String {
        late(self.id % 3).await;
        format!("Deal {}", self.id)
    }
    async fn stage(&self) -> &str {
        "WON"
    }
    async fn partners(&self) -> Vec<Partner> {
        late(5).await;
        vec![Partner { id: 1 }, Partner { id: 2 }]
    }
    /// May not be null, and fails for the second.
    async fn amount(&self) -> Result<i32> {
        late(2).await;
        if self.id == 2 {
            return fails("no amount");
        }
        Ok(100)
    }
    /// May be null, and fails.
    async fn note(&self) -> Result<Option<String>> {
        late(3).await;
        fails("no note")
    }
    async fn data(&self) -> async_graphql::Json<serde_json::Value> {
        async_graphql::Json(serde_json::json!({ "a": { "y": null }, "z": 1 }))
    }
}

#[Object]
impl Partner {
    async fn id(&self) -> i32 {
        late(1).await;
        self.id
    }
    async fn name(&self) -> String {
        late(7).await;
        format!("Partner {}", self.id)
    }
    /// May not be null, and fails.
    async fn owner(&self) -> Result<String> {
        late(4).await;
        fails("no owner")
    }
}

#[derive(Interface)]
#[graphql(field(name = "id", ty = "i32"), field(name = "name", ty = "String"))]
enum Node {
    Deal(Deal),
    Partner(Partner),
}

#[derive(SimpleObject)]
struct Note {
    text: String,
}

#[derive(Union)]
enum Entry {
    Note(Note),
    Deal(Deal),
}

struct Query;

#[Object]
impl Query {
    async fn deal(&self, id: i32) -> Option<Deal> {
        late(id % 4).await;
        Some(Deal { id })
    }
    async fn sure(&self) -> Deal {
        Deal { id: 2 }
    }
    /// A list whose items may be null.
    async fn some(&self) -> Vec<Option<Deal>> {
        (1..4).map(|id| Some(Deal { id })).collect()
    }
    /// A list that may be null and whose items may not.
    async fn all(&self) -> Option<Vec<Deal>> {
        Some((1..4).map(|id| Deal { id }).collect())
    }
    async fn nodes(&self) -> Vec<Node> {
        vec![Node::Partner(Partner { id: 7 }), Node::Deal(Deal { id: 8 })]
    }
    async fn entries(&self) -> Vec<Entry> {
        let text = "a note".to_owned();
        vec![Entry::Deal(Deal { id: 1 }), Entry::Note(Note { text })]
    }
}

/// The answer as it leaves, as text, and how many errors there were.
async fn answer(query: &str, variables: serde_json::Value) -> (String, usize) {
    let schema = Schema::new(Query, EmptyMutation, EmptySubscription);
    let shapes = Shapes::of(&schema.sdl()).unwrap();
    let variables = Variables::from_json(variables);
    let flags = Flags::of(&variables);
    let mut response = schema
        .execute(Request::new(query).variables(variables))
        .await;
    arrange(&shapes, &parse_query(query).unwrap(), &flags, &mut response);
    let text = serde_json::to_string(&response.data).unwrap();
    (text, response.errors.len())
}

#[track_caller]
fn says(query: &str, expected: &str) -> impl Future<Output = ()> {
    let (query, expected) = (query.to_owned(), expected.to_owned());
    async move {
        let (text, errors) = answer(&query, serde_json::json!({})).await;
        assert_eq!((text, errors), (expected, 0), "{query}");
    }
}

#[tokio::test]
async fn members_are_in_the_order_of_the_selection() {
    says(
        "{ deal(id: 1) { id name stage partners { id name } } }",
        r#"{"deal":{"id":1,"name":"Deal 1","stage":"WON","partners":[{"id":1,"name":"Partner 1"},{"id":2,"name":"Partner 2"}]}}"#,
    )
    .await;
    says(
        "{ b: deal(id: 1) { n: name i: id } a: deal(id: 2) { __typename i: id n: name } }",
        r#"{"b":{"n":"Deal 1","i":1},"a":{"__typename":"Deal","i":2,"n":"Deal 2"}}"#,
    )
    .await;
}

#[tokio::test]
async fn fragments_and_merged_fields_count_where_they_are_met_first() {
    says(
        "{ sure { partners { name } ...Rest } sure { id partners { id name } } } fragment Rest on Deal { stage name partners { id } }",
        r#"{"sure":{"partners":[{"name":"Partner 1","id":1},{"name":"Partner 2","id":2}],"stage":"WON","name":"Deal 2","id":2}}"#,
    )
    .await;
    says(
        "{ sure { ... { stage } ... on Node { name id } ... on Deal { data } } }",
        r#"{"sure":{"stage":"WON","name":"Deal 2","id":2,"data":{"a":{"y":null},"z":1}}}"#,
    )
    .await;
}

#[tokio::test]
async fn each_object_of_an_interface_or_a_union_has_the_order_of_its_own_type() {
    says(
        "{ nodes { ... on Partner { name id } ... on Deal { stage id name } } }",
        r#"{"nodes":[{"name":"Partner 7","id":7},{"stage":"WON","id":8,"name":"Deal 8"}]}"#,
    )
    .await;
    says(
        "{ nodes { ... on Partner { name } __typename ... on Deal { id } id name } }",
        r#"{"nodes":[{"name":"Partner 7","__typename":"Partner","id":7},{"__typename":"Deal","id":8,"name":"Deal 8"}]}"#,
    )
    .await;
    says(
        "{ entries { ... on Deal { id stage } ... on Note { text } } }",
        r#"{"entries":[{"id":1,"stage":"WON"},{"text":"a note"}]}"#,
    )
    .await;
}

#[tokio::test]
async fn what_is_skipped_has_no_place() {
    let query = "query($no: Boolean!, $yes: Boolean = true) { sure { name @skip(if: $yes) id @include(if: $no) stage id name ...N @include(if: $no) } } fragment N on Deal { data }";
    let (text, errors) = answer(query, serde_json::json!({ "no": false })).await;
    let expected = r#"{"sure":{"stage":"WON","id":2,"name":"Deal 2"}}"#;
    assert_eq!((text.as_str(), errors), (expected, 0));
    let (text, _) = answer(query, serde_json::json!({ "no": true, "yes": false })).await;
    let expected =
        r#"{"sure":{"name":"Deal 2","id":2,"stage":"WON","data":{"a":{"y":null},"z":1}}}"#;
    assert_eq!(text, expected);
}

#[tokio::test]
async fn a_failed_field_is_null_where_it_may_be_and_else_its_nearest_parent_is() {
    for (query, expected, errors) in [
        (
            "{ sure { id note name } }",
            r#"{"sure":{"id":2,"note":null,"name":"Deal 2"}}"#,
            1,
        ),
        (
            "{ deal(id: 2) { id amount } ok: deal(id: 1) { amount id } }",
            r#"{"deal":null,"ok":{"amount":100,"id":1}}"#,
            1,
        ),
        (
            "{ some { id amount } }",
            r#"{"some":[{"id":1,"amount":100},null,{"id":3,"amount":100}]}"#,
            1,
        ),
        (
            "{ all { id amount } ok: deal(id: 1) { id } }",
            r#"{"all":null,"ok":{"id":1}}"#,
            1,
        ),
        ("{ ok: deal(id: 1) { id } sure { amount } }", "null", 1),
        (
            "{ deal(id: 1) { id partners { owner } } sure { id } }",
            r#"{"deal":null,"sure":{"id":2}}"#,
            1,
        ),
    ] {
        let (text, found) = answer(query, serde_json::json!({})).await;
        assert_eq!(text, expected, "{query}");
        assert!(found >= errors, "{query}");
    }
}

/// An answer that is in order is not taken apart: its text is the library's.
#[tokio::test]
async fn an_answer_in_order_stays_as_it_is() {
    let schema = Schema::new(Query, EmptyMutation, EmptySubscription);
    let query = "{ all { stage data } entries { __typename } }";
    let before = schema.execute(query).await;
    let (text, errors) = answer(query, serde_json::json!({})).await;
    assert_eq!(text, serde_json::to_string(&before.data).unwrap());
    assert_eq!(errors, 0);
}
