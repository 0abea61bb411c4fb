//! Subscriptions, as everybody: each opens to whom the table names and is refused to everybody else, tells a caller what a query tells them and no
//! more, in the same order, and knows no difference between another's row and one that never was.

use super::actors::{Actor, Sight, each_role_of_a, everybody};
use super::asking::{Seen, overview};
use super::fields::{hold_against, nothing_wrong};
use super::permissions::Permissions;
use super::world::World;
use crate::contract::{Contract, Place, Takes, base};
use async_graphql::parser::types::FieldDefinition;
use futures::future::join_all;
use reqwest::header::HeaderMap;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;
use tests::{Answer, ServerEvents};

/// So long nothing comes where nothing is to come.
const SILENCE: Duration = Duration::from_secs(1);
/// Within this time comes what is to come.
const SOON: Duration = Duration::from_secs(20);

fn answer(data: &Value) -> Answer {
    Answer {
        status: 200,
        headers: HeaderMap::new(),
        bytes: data.to_string().into_bytes(),
        body: data.clone(),
    }
}

fn is_refused(data: &Value) -> bool {
    answer(data).codes() == ["FORBIDDEN"]
        && data["errors"][0]["path"].as_array().map(Vec::len) == Some(1)
}

/// The ids of the events that an actor reads, in order.
async fn events_read(world: &World, actor: &Actor) -> Vec<String> {
    let (app, mut after, mut ids) = (&world.mirror.app, "0.0".to_owned(), Vec::new());
    loop {
        let query = format!(
            "{{ events(first: 100, after: \"{after}\") {{ edges {{ node {{ id }} }} pageInfo {{ endCursor hasNextPage }} }} }}"
        );
        let page = app.ask(&actor.token, &query).await;
        ids.extend(page.texts("/events/edges", "/node/id"));
        after = page.text("/events/pageInfo/endCursor");
        if page.at("/events/pageInfo/hasNextPage") == &json!(false) {
            return ids;
        }
    }
}

/// What a subscription says first, or so much and what comes after it.
async fn listen(
    world: &World,
    contract: &Contract,
    actor: &Actor,
    field: &FieldDefinition,
    expected: usize,
) -> (String, Vec<Value>) {
    let name = field.name.node.as_str();
    let selection = overview(contract, base(&field.ty.node));
    let arguments = world.arguments(contract, field, 50).remove(0);
    let query = format!("subscription {{ {name}{arguments} {{ {selection} }} }}");
    let mut events = ServerEvents::open(&world.mirror.app, &actor.token, &query, json!({})).await;
    let mut told = Vec::new();
    loop {
        let wait = if told.len() < expected { SOON } else { SILENCE };
        match events.next_within(wait).await {
            Some((event, data)) if event == "next" => told.push(data),
            _ => return (query, told),
        }
        if name != "events" {
            return (query, told);
        }
    }
}

#[tokio::test]
async fn every_subscription_opens_to_whom_the_table_names_and_tells_what_a_query_tells() {
    let world = World::made().await;
    let (contract, table) = (Contract::published(), Permissions::checked_in());
    let (mut opened, mut wrong) = (BTreeSet::new(), BTreeSet::new());
    for actor in everybody(&world.mirror) {
        let secrets = actor.secrets(&world.mirror, &world.secret);
        let rights = actor.rights(&contract, &table);
        let who = &actor.name;
        for field in contract.fields("Subscription") {
            let name = field.name.node.as_str();
            let may = rights.may("Subscription", name);
            let read = if may && name == "events" {
                events_read(&world, &actor).await
            } else {
                Vec::new()
            };
            let expected = if may && name == "events" {
                read.len()
            } else {
                1
            };
            let (query, told) = listen(&world, &contract, &actor, field, expected).await;
            for data in &told {
                let secret = secrets
                    .as_ref()
                    .and_then(|secrets| secrets.told_by(&query, &answer(data)));
                if let Some(secret) = secret {
                    wrong.insert(format!("Subscription.{name} tells {secret} to {who}"));
                }
            }
            let is_refused = told.first().is_some_and(is_refused);
            if may == is_refused {
                wrong.insert(format!(
                    "Subscription.{name} says {:?} to {who}",
                    told.first()
                ));
            }
            if is_refused {
                continue;
            }
            if name == "events" {
                let heard = told
                    .iter()
                    .map(|data| data["data"]["events"]["node"]["id"].clone());
                let heard: Vec<Value> = heard.collect();
                if heard != read {
                    let (heard, read) = (heard.len(), read.len());
                    wrong.insert(format!("{who} hears {heard} events and reads {read}"));
                }
            } else if matches!(actor.sight, Sight::OfB | Sight::Nothing) {
                // The row is A's.
                if told
                    .first()
                    .map(|data| answer(data).codes() == ["NOT_FOUND"])
                    != Some(true)
                {
                    wrong.insert(format!(
                        "Subscription.{name} says {:?} to {who}",
                        told.first()
                    ));
                }
                continue;
            }
            let mut seen = Seen::default();
            for data in &told {
                seen.read(&contract, "Subscription", &query, &answer(data));
            }
            hold_against(&table, &contract, &actor, "Subscription", &seen, &mut wrong);
            if !told.is_empty() {
                opened.insert(name.to_owned());
            }
        }
    }
    nothing_wrong(&wrong);
    assert_eq!(
        opened.len(),
        contract.fields("Subscription").len(),
        "each tells something to somebody"
    );
    world.mirror.app.finish().await;
}

#[tokio::test]
async fn anothers_row_and_one_that_never_was_sound_alike() {
    let world = World::made().await;
    let contract = Contract::published();
    let pairs = world.hidden_from_a();
    let mut tried = 0;
    for actor in each_role_of_a(&world.mirror) {
        let secrets = actor.secrets(&world.mirror, &world.secret).unwrap();
        for field in contract.fields("Subscription") {
            let ids = |place: &Place| place.takes == Takes::Id;
            for place in contract.places(field).into_iter().filter(ids) {
                let ask = async |id: &str| {
                    let mut call = contract.call_at(field, &place, id);
                    if field.name.node == "events" {
                        // From the beginning, so that there would be something to hear.
                        call = call.replacen('(', "(after: \"0.0\" ", 1);
                    }
                    let query = format!("subscription {{ {call} {{ __typename }} }}");
                    let app = &world.mirror.app;
                    let mut events = ServerEvents::open(app, &actor.token, &query, json!({})).await;
                    let mut told = Vec::new();
                    // The log goes on for ever; everything else about such a row ends at once.
                    let is_log = field.name.node == "events";
                    let wait = if is_log { SILENCE } else { SOON };
                    while let Some((event, data)) = events.next_within(wait).await {
                        let answer = answer(&data);
                        secrets.kept_by(&query, &answer);
                        told.push(format!("{event} {data}").replace(id, "(asked)"));
                    }
                    told
                };
                let both = pairs.iter().map(|(known, never)| {
                    let ask = &ask;
                    async move { (ask(known).await, ask(never).await) }
                });
                for ((known, _), (seen, unseen)) in pairs.iter().zip(join_all(both).await) {
                    assert_eq!(seen, unseen, "{} asks for {known}", actor.name);
                    tried += 1;
                }
            }
        }
    }
    assert!(tried >= 3 * 100, "only {tried} pairs");
    world.mirror.app.finish().await;
}
