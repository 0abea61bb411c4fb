//! Canaries: what A's people and software read, as deep as it goes, and everything they ask by another's id or text.
//!
//! The log of the process is read along: what may not be told to A may not be written down because A asked, either.

use super::actors::{Actor, each_role_of_a, of_b, stranger};
use super::asking::questions;
use super::world::{ROOT_FIELDS, World};
use crate::contract::{Contract, Place, Takes, base};
use crate::secrets::Secrets;
use async_graphql::parser::types::FieldDefinition;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use tests::{Answer, heard, listen};

/// An answer to the byte, but for the date, what is left of the budget, and the words that were asked for.
fn face(answer: &Answer, asked: &[String]) -> String {
    let mut headers: Vec<String> = answer
        .headers
        .iter()
        .filter(|(name, _)| *name != "date")
        .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
        .filter(|line| !line.starts_with("content-length"))
        .collect();
    headers.sort();
    let mut text = String::from_utf8(answer.bytes.clone()).unwrap();
    if let Some((before, after)) = text.split_once("\"budget\":") {
        let after = after.trim_start_matches(|digit: char| digit.is_ascii_digit());
        text = format!("{before}\"budget\":{after}");
    }
    for (index, word) in asked.iter().enumerate() {
        text = text.replace(word, &format!("(asked {index})"));
    }
    format!("{} {headers:?} {text}", answer.status)
}

async fn ask(world: &World, actor: &Actor, query: &str) -> Answer {
    let app = &world.mirror.app;
    let request = app
        .http
        .post(app.url("/graphql"))
        .bearer_auth(&actor.token)
        .header("x-request-id", "always-this");
    app.send(request.json(&json!({ "query": query }))).await
}

/// How long a question may be, in bytes.
const LONGEST: usize = 30_000;

/// Everything below a type with the cursors of a page, three rows deep, or as deep as a question goes.
fn deep(contract: &Contract, of: &str) -> String {
    let has = |name| contract.field(of, name).is_some();
    let edges = if has("edges") && has("nodes") {
        "edges { cursor } "
    } else {
        ""
    };
    let mut below = (1..=3).rev().map(|rows| contract.selection(of, rows));
    let below = below.find(|below| below.len() < LONGEST);
    format!("{edges}{}", below.expect("a row is not as long"))
}

/// All that an actor can read, asked once.
async fn everything(world: &World, contract: &Contract, actor: &Actor) -> Vec<(String, Answer)> {
    let mut answers = Vec::new();
    for field in contract.fields("Query") {
        for query in questions(world, contract, field, 20, &|of| deep(contract, of)) {
            let answer = ask(world, actor, &query).await;
            answers.push((query, answer));
        }
    }
    answers
}

/// Fails when the log tells what may not be told to anybody of A.
fn nothing_heard(world: &World) {
    let lines = heard();
    assert!(!lines.is_empty(), "the log was listened to");
    let secrets = Secrets::of(&[&world.mirror.b, &world.mirror.p]).and(&world.secret);
    for line in lines {
        if let Some(secret) = secrets.in_text("", &line) {
            panic!("the log tells {secret}: {line}");
        }
    }
}

#[tokio::test]
async fn nothing_of_the_other_side_shows_however_deep_one_reads() {
    let world = World::made().await;
    let contract = Contract::published();
    let mut actors = each_role_of_a(&world.mirror);
    actors.extend([of_b(&world.mirror), stranger(&world.mirror)]);
    listen();
    for actor in &actors {
        let secrets = actor.secrets(&world.mirror, &world.secret).unwrap();
        for (query, answer) in everything(&world, &contract, actor).await {
            assert_eq!(answer.status, 200, "{}: {query}: {answer}", answer.status);
            secrets.kept_by(&query, &answer);
        }
        if actor.role.starts_with("partner") && actor.name.contains("OfA") {
            nothing_heard(&world);
        } else {
            let _ = heard();
        }
    }
    world.mirror.app.finish().await;
}

/// One question with several values, each at the same place.
fn question(
    contract: &Contract,
    root: &str,
    field: &FieldDefinition,
    place: &Place,
    values: &[String],
) -> String {
    let target = base(&field.ty.node);
    let selection = if contract.is_leaf(target) {
        String::new()
    } else if contract.behind(target).is_empty() {
        format!("{{ {} }}", contract.selection(target, 1))
    } else {
        "{ __typename id }".to_owned()
    };
    let calls: Vec<String> = values
        .iter()
        .enumerate()
        .map(|(index, value)| {
            format!(
                "a{index}: {} {selection}",
                contract.call_at(field, place, value)
            )
        })
        .collect();
    let operation = root.to_lowercase();
    format!("{operation} {{ {} }}", calls.join(" "))
}

/// Texts by which B's rows could be looked for, each with one as long that stands nowhere.
fn texts(world: &World) -> Vec<(String, String)> {
    let b = &world.mirror.b;
    let known = [
        b.partner.name.clone(),
        b.customer.name.clone(),
        b.contact.name.clone(),
        b.contact.email.clone().unwrap(),
        "canary-b-partner.example".to_owned(),
        "canary-b-customer.example".to_owned(),
    ];
    let never = |text: &String| {
        text.replace("CANARY-B", "CANARY-N")
            .replace("canary-b", "canary-n")
    };
    known
        .into_iter()
        .map(|text| (text.clone(), never(&text)))
        .collect()
}

/// Asks each field of a root, at each of its places, about rows of others and about rows that never were.
async fn ask_for_others(root: &str, at_least: usize) {
    let world = World::made().await;
    let contract = Contract::published();
    let b = of_b(&world.mirror);
    let of_b_before = everything(&world, &contract, &b).await;
    let (ids, texts) = (world.hidden_from_a(), texts(&world));
    let mut tried = 0;
    listen();
    for actor in each_role_of_a(&world.mirror) {
        let secrets = actor.secrets(&world.mirror, &world.secret).unwrap();
        for field in contract.fields(root) {
            for place in contract.places(field) {
                let pairs = match place.takes {
                    Takes::Id => &ids,
                    Takes::Text => &texts,
                };
                // The first of them are each of another kind; the rest is for who sees most and for who acts alone.
                let thorough = actor.role.ends_with("ADMIN") || actor.role.ends_with("SOFTWARE");
                let chunks = if thorough { usize::MAX } else { 1 };
                for pairs in pairs.chunks(ROOT_FIELDS).take(chunks) {
                    let (known, never): (Vec<String>, Vec<String>) = pairs.iter().cloned().unzip();
                    let query = question(&contract, root, field, &place, &known);
                    let answer = ask(&world, &actor, &query).await;
                    secrets.kept_by(&query, &answer);
                    let nowhere = question(&contract, root, field, &place, &never);
                    let nothing = ask(&world, &actor, &nowhere).await;
                    assert_eq!(
                        face(&answer, &known),
                        face(&nothing, &never),
                        "{}: {query}",
                        actor.name
                    );
                    assert!(
                        !answer.codes().contains(&"GRAPHQL_VALIDATION_FAILED"),
                        "{query}: {answer}"
                    );
                    tried += pairs.len();
                }
            }
        }
    }
    assert!(tried > at_least, "only {tried} pairs");
    nothing_heard(&world);
    // Whatever A tried, what is B's stayed as it was.
    let of_b_after = everything(&world, &contract, &b).await;
    for ((query, before), (_, after)) in of_b_before.iter().zip(&of_b_after) {
        assert_eq!(face(before, &[]), face(after, &[]), "{query}");
    }
    world.mirror.app.finish().await;
}

#[tokio::test]
async fn anothers_row_and_one_that_never_was_are_one_answer_of_a_query_to_the_byte() {
    ask_for_others("Query", 3_000).await;
}

#[tokio::test]
async fn anothers_row_and_one_that_never_was_are_one_answer_of_a_mutation_to_the_byte() {
    ask_for_others("Mutation", 3_000).await;
}

/// The own row at every place, so that a place that finds nothing at all does not pass for one that keeps secrets.
#[tokio::test]
async fn own_rows_are_found_at_the_places_where_others_are_not() {
    let world = World::made().await;
    let contract = Contract::published();
    let own: Vec<String> = world.of_a.values().cloned().collect();
    for actor in each_role_of_a(&world.mirror) {
        let secrets = actor.secrets(&world.mirror, &world.secret).unwrap();
        let mut found = 0;
        for field in contract.fields("Query") {
            for place in contract.places(field) {
                for own in own.chunks(ROOT_FIELDS).filter(|_| place.takes == Takes::Id) {
                    let query = question(&contract, "Query", field, &place, own);
                    let answer = ask(&world, &actor, &query).await;
                    secrets.kept_by(&query, &answer);
                    // Its own marks count, wherever they stand in the answer.
                    found += usize::from(answer.to_string().contains(world.mirror.a.mark));
                }
            }
        }
        assert!(
            found >= 20,
            "{} found something at {found} places only",
            actor.name
        );
    }
    world.mirror.app.finish().await;
}

/// What a partner is given for others to verify holds nothing that counts what others do.
#[tokio::test]
async fn a_receipt_counts_nobody_elses_registrations() {
    let world = World::made().await;
    let query = "{ dealRegistrations(first: 50) { nodes { receipt } } }";
    let answer = world.mirror.ask(query).await;
    let receipts = answer.list("/dealRegistrations/nodes").iter();
    let receipts: Vec<&str> = receipts.filter_map(|row| row["receipt"].as_str()).collect();
    assert!(!receipts.is_empty());
    for receipt in receipts {
        let content = receipt.split('.').nth(1).unwrap();
        let content = URL_SAFE_NO_PAD.decode(content).unwrap();
        let content: Value = serde_json::from_slice(&content).unwrap();
        let told: Vec<&String> = content.as_object().unwrap().keys().collect();
        let may_be_told = [
            "accountKeys",
            "accountName",
            "kind",
            "partner",
            "products",
            "registration",
            "submittedAt",
            "territories",
            "version",
        ];
        assert_eq!(told, may_be_told, "each is the partner's own");
    }
    world.mirror.app.finish().await;
}
