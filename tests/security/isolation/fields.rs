//! Every field of the schema, asked by everybody, held against the table: it opens to whom the table names, is refused to everybody else, and
//! tells partners nothing internal.

use super::actors::{Actor, Sight, everybody, of_b};
use super::asking::{Seen, overview, questions};
use super::exceptions::{EMPTY, REFUSED_SAMPLES, UNSEEN};
use super::permissions::{self, Permissions, reached};
use super::world::World;
use crate::contract::{Contract, base};
use serde_json::json;
use std::collections::BTreeSet;

fn is_internal(contract: &Contract, name: &str) -> bool {
    let (of, field) = name.split_once('.').unwrap();
    contract
        .field(of, field)
        .is_some_and(permissions::is_internal)
}

/// Asks everything that can be asked, as one actor, and notes what should not have been told.
async fn survey(
    world: &World,
    contract: &Contract,
    actor: &Actor,
    wrong: &mut BTreeSet<String>,
) -> Seen {
    let secrets = actor.secrets(&world.mirror, &world.secret);
    // Who has not every scope is refused field by field, and no more than twenty refusals are listed: then fewer rows are asked for.
    let pages: &[usize] = if actor.claims_all() {
        &[50, 4, 2]
    } else {
        &[2, 1]
    };
    let mut seen = Seen::default();
    for field in contract.fields("Query") {
        let of_pages = pages
            .iter()
            .map(|page| questions(world, contract, field, *page, &|of| overview(contract, of)));
        let of_pages: Vec<Vec<String>> = of_pages.collect();
        for place in 0..of_pages[0].len() {
            let app = &world.mirror.app;
            let mut asked = of_pages.iter().map(|queries| queries[place].clone());
            let (query, answer) = loop {
                let query = asked.next().expect("a page is small enough");
                let answer = app.graphql(&actor.token, &query, json!({})).await;
                let errors = answer.body["errors"].as_array().map_or(0, Vec::len);
                if errors < 20 {
                    break (query, answer);
                }
            };
            assert_eq!(answer.status, 200, "{}: {query}: {answer}", actor.name);
            let told = secrets
                .as_ref()
                .and_then(|secrets| secrets.told_by(&query, &answer));
            if let Some(secret) = told {
                let root = &field.name.node;
                wrong.insert(format!("Query.{root} tells {secret} to {}", actor.name));
            }
            seen.read(contract, "Query", &query, &answer);
        }
    }
    seen
}

/// Notes what an actor was shown or refused at a root against the table.
pub fn hold_against(
    table: &Permissions,
    contract: &Contract,
    actor: &Actor,
    root: &str,
    seen: &Seen,
    wrong: &mut BTreeSet<String>,
) {
    let rights = actor.rights(contract, table);
    let who = &actor.name;
    let scopes = actor.scopes(table);
    let reach = reached(contract, &[root], &actor.role, &scopes);
    for name in &seen.refused {
        let (of, field) = name.split_once('.').unwrap();
        if rights.may(of, field) {
            wrong.insert(format!("{name} is refused to {who}"));
        }
    }
    for (name, has_value) in &seen.shown {
        let (of, field) = name.split_once('.').unwrap();
        let hidden = rights.is_null_instead(of, field) && !*has_value;
        if !(rights.may(of, field) || hidden) {
            wrong.insert(format!("{name} is shown to {who}"));
        }
        // A way that needs no scope, `node` above all, must not lead where no other way does.
        if !(reach.contains(name) || hidden || contract.is_abstract(of)) {
            wrong.insert(format!("{name} is out of reach and shown to {who}"));
        }
        if *has_value && actor.is_a_partners() && is_internal(contract, name) {
            wrong.insert(format!("{name} is internal and shown to {who}"));
        }
    }
    for (name, code) in &seen.failed {
        if !REFUSED_SAMPLES.contains(&(name.as_str(), code.as_str())) {
            wrong.insert(format!("{name} fails with {code} for {who}"));
        }
    }
}

/// Fails with everything that is wrong, so that one run shows the whole extent of a leak.
#[track_caller]
pub fn nothing_wrong(wrong: &BTreeSet<String>) {
    let lines: Vec<&str> = wrong.iter().map(String::as_str).collect();
    assert!(
        lines.is_empty(),
        "{} wrong:\n{}",
        lines.len(),
        lines.join("\n")
    );
}

#[tokio::test]
async fn every_field_opens_to_whom_the_table_names_and_to_nobody_else() {
    let world = World::made().await;
    let (contract, table) = (Contract::published(), Permissions::checked_in());
    let (mut ever, mut wrong) = (BTreeSet::new(), BTreeSet::new());
    let actors = everybody(&world.mirror);
    assert!(actors.len() >= 14, "{} actors", actors.len());
    for actor in &actors {
        let seen = survey(&world, &contract, actor, &mut wrong).await;
        hold_against(&table, &contract, actor, "Query", &seen, &mut wrong);
        // Who may everything that its role may has seen everything that its role reaches; else nothing was tried.
        if actor.claims_all() && matches!(actor.sight, Sight::All | Sight::OfA { .. }) {
            // Payloads are the answers of mutations, which write; their rows are the same as those of queries.
            let bounds = &table.bounds[&actor.role];
            let by_query = reached(&contract, &["Query"], &actor.role, bounds);
            let marked = table
                .fields
                .iter()
                .filter(|(_, field)| field.roles.contains(&actor.role));
            let missing = marked
                .map(|(name, _)| name)
                .filter(|name| by_query.contains(*name))
                .filter(|name| !seen.shown.contains_key(*name) && !UNSEEN.contains(&name.as_str()));
            wrong.extend(missing.map(|name| {
                format!(
                    "{name} has no row in this world that shows it to {}",
                    actor.name
                )
            }));
        }
        if actor.sight == Sight::All {
            ever.extend(seen.shown);
        }
    }
    nothing_wrong(&wrong);
    // What is internal is there to be seen, else it would be hidden from nobody.
    let internal = table
        .fields
        .keys()
        .filter(|name| is_internal(&contract, name));
    let empty: Vec<&String> = internal
        .filter(|name| !ever.contains(&((*name).clone(), true)))
        .collect();
    assert!(empty.is_empty(), "{empty:?} are empty for staff too");
    for name in UNSEEN {
        let seen = ever.iter().any(|(seen, _)| seen == name);
        assert!(!seen, "{name} is seen now: take it from the exceptions");
    }
    world.mirror.app.finish().await;
}

/// A canary that is in no field guards nothing: of everything a partner reads B has a value.
#[tokio::test]
async fn the_other_partner_has_something_in_every_field_that_partners_read() {
    let world = World::made().await;
    let (contract, table) = (Contract::published(), Permissions::checked_in());
    let actor = of_b(&world.mirror);
    let world = world.turned();
    let mut wrong = BTreeSet::new();
    let seen = survey(&world, &contract, &actor, &mut wrong).await;
    nothing_wrong(&wrong);
    let scopes = actor.scopes(&table);
    let read = reached(&contract, &["Query"], &actor.role, &scopes);
    let is_leaf = |name: &str| {
        let (of, field) = name.split_once('.').unwrap();
        // What an interface shows are its rows' fields.
        contract.behind(of).is_empty()
            && contract.is_leaf(base(&contract.field(of, field).unwrap().ty.node))
    };
    let leaves = read
        .iter()
        .filter(|name| is_leaf(name) && !is_internal(&contract, name));
    let empty = leaves.filter(|name| !seen.shown.get(*name).copied().unwrap_or(false));
    let empty: BTreeSet<&str> = empty.map(String::as_str).collect();
    assert_eq!(
        empty,
        BTreeSet::from(EMPTY),
        "B has no value in these; the exceptions name those"
    );
    world.mirror.app.finish().await;
}

#[tokio::test]
async fn every_mutation_opens_to_whom_the_table_names_and_to_nobody_else() {
    let world = World::made().await;
    let (contract, table) = (Contract::published(), Permissions::checked_in());
    let (mut opened, mut wrong) = (BTreeSet::new(), BTreeSet::new());
    for actor in everybody(&world.mirror) {
        let secrets = actor.secrets(&world.mirror, &world.secret);
        let rights = actor.rights(&contract, &table);
        for field in contract.fields("Mutation") {
            let name = field.name.node.as_str();
            let query = format!("mutation {{ {} }}", contract.validated(field));
            let answer = world
                .mirror
                .app
                .graphql(&actor.token, &query, json!({}))
                .await;
            if let Some(secrets) = &secrets {
                secrets.kept_by(&query, &answer);
            }
            let codes = answer.codes();
            let may = rights.may("Mutation", name);
            if may == (codes == ["FORBIDDEN"]) {
                wrong.insert(format!(
                    "Mutation.{name} answers {codes:?} to {}",
                    actor.name
                ));
            }
            assert!(
                !codes.contains(&"GRAPHQL_VALIDATION_FAILED"),
                "{query}: {answer}"
            );
            if may {
                opened.insert(name.to_owned());
            }
        }
    }
    nothing_wrong(&wrong);
    assert_eq!(
        opened.len(),
        contract.fields("Mutation").len(),
        "each opens to somebody"
    );
    world.mirror.app.end().await;
}
