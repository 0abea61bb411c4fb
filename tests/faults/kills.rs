//! `kill -9` of a worker at any moment of its pulls and pushes, for every vendor: nothing that was answered is lost, nothing is there twice, and
//! both sides say the same in the end. That the binary itself survives the same, and that its doors lose nothing, `kill` holds.

use crate::histories::slack as chat;
use crate::linked::Linked;
use crate::worker::Worker;
use rand::RngExt;
use rand::rngs::StdRng;
use sandbox::Kind;
use sandbox::shopify::CustomerDraft;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tests::{HubSpotSetup, Options, SalesforceSetup, Setups, ShopifySetup, TestApp};
use url::Url;
use uuid::Uuid;

/// How long a lease of a worker that died keeps its work from others, and a little more.
const LEASE: Duration = Duration::from_secs(61);
/// Records there before anything was read.
const THERE: usize = 120;

/// What is synchronised with a vendor, both ways, and how a person there does what a client does here.
struct Subject {
    connector: &'static str,
    resource: &'static str,
    /// Our table, and the kind of its ids.
    table: &'static str,
    create: &'static str,
    update: &'static str,
    options: fn() -> Options,
    sandbox: fn(&TestApp) -> Url,
    /// What a creation needs besides its name.
    needs: fn() -> Value,
    make_there: fn(&TestApp, &str),
    rename_there: fn(&TestApp, &str, &str),
    /// The live records there: names by id.
    there: fn(&TestApp) -> BTreeMap<String, String>,
}

const HUBSPOT: Subject = Subject {
    connector: "hubspot",
    resource: "deal",
    table: "deal",
    create: "createDeal",
    update: "updateDeal",
    options: || Options::hubspot(HubSpotSetup::empty().with_webhooks()),
    sandbox: |app| app.hubspot().url(),
    needs: || json!({}),
    make_there: |app, name| {
        let properties = [
            ("dealname", name),
            ("dealstage", "prospecting"),
            ("pipeline", "default"),
        ];
        let store = app.hubspot().store();
        store.create(Kind::Deals, &properties).unwrap();
    },
    rename_there: |app, id, name| {
        let store = app.hubspot().store();
        let id = id.parse().unwrap();
        store
            .update(Kind::Deals, id, &[("dealname", name)])
            .unwrap();
    },
    there: |app| {
        let store = app.hubspot().store();
        let named = |id: u64| {
            let record = store.get(Kind::Deals, id).unwrap();
            (id.to_string(), record.properties["dealname"].clone())
        };
        store.ids(Kind::Deals).into_iter().map(named).collect()
    },
};

const SALESFORCE: Subject = Subject {
    connector: "salesforce",
    options: || {
        let salesforce = SalesforceSetup {
            messages: true,
            ..SalesforceSetup::default()
        };
        Options {
            others: Setups {
                salesforce: Some(salesforce),
                ..Setups::default()
            },
            ..Options::default()
        }
    },
    sandbox: |app| app.salesforce().url(),
    // Salesforce takes no deal without a day on which it is to close.
    needs: || json!({ "expectedCloseOn": "2027-12-31" }),
    make_there: |app, name| {
        let fields = json!({ "Name": name, "StageName": "Prospecting", "CloseDate": "2027-12-31" });
        let store = app.salesforce().store();
        store.create("Opportunity", fields).unwrap();
    },
    rename_there: |app, id, name| {
        let store = app.salesforce().store();
        store
            .update("Opportunity", id, json!({ "Name": name }))
            .unwrap();
    },
    there: |app| {
        let store = app.salesforce().store();
        let named = |id: String| {
            let record = store.get("Opportunity", &id).unwrap();
            let name = record["Name"].as_str().unwrap().to_owned();
            (id, name)
        };
        store.ids("Opportunity").into_iter().map(named).collect()
    },
    ..HUBSPOT
};

const SHOPIFY: Subject = Subject {
    connector: "shopify",
    resource: "contact",
    table: "contact",
    create: "createContact",
    update: "updateContact",
    options: || {
        let shopify = ShopifySetup {
            webhooks: true,
            ..ShopifySetup::default()
        };
        Options {
            others: Setups {
                shopify: Some(shopify),
                ..Setups::default()
            },
            ..Options::default()
        }
    },
    sandbox: |app| app.shopify().url(),
    needs: || json!({}),
    make_there: |app, name| {
        let (first, last) = name.split_once(' ').unwrap();
        let draft = CustomerDraft {
            first_name: Some(first.to_owned()),
            last_name: Some(last.to_owned()),
            ..CustomerDraft::default()
        };
        app.shopify().store().create_customer(draft).unwrap();
    },
    rename_there: |app, id, name| {
        let (first, last) = name.split_once(' ').unwrap();
        let draft = CustomerDraft {
            first_name: Some(first.to_owned()),
            last_name: Some(last.to_owned()),
            ..CustomerDraft::default()
        };
        let store = app.shopify().store();
        store.edit_customer(id.parse().unwrap(), draft).unwrap();
    },
    there: |app| {
        let all = app.shopify().store().customers();
        let named = |(id, name, _): (u64, String, Option<String>)| (id.to_string(), name);
        all.into_iter().map(named).collect()
    },
};

/// What a client was answered: the last name of each row.
#[derive(Default)]
struct Told {
    names: BTreeMap<String, String>,
}

impl Subject {
    async fn mutate(&self, linked: &Linked, mutation: &str, input: Value) -> Value {
        let selection = format!("{} {{ id name }}", self.table);
        let app = &linked.app;
        let answer = app
            .mutate(linked.admin(), mutation, input, &selection)
            .await;
        assert_eq!(answer.refusals(mutation), Vec::<String>::new(), "{answer}");
        answer.at(&format!("/{mutation}/{}", self.table)).clone()
    }

    /// Edits rows that were made here and makes new ones, as fast as they are answered, for a while.
    async fn change_here(
        &self,
        linked: &Linked,
        (round, moments): (u32, u32),
        told: &mut Told,
        chance: &mut StdRng,
    ) {
        for n in 0..moments {
            let known: Vec<String> = told.names.keys().cloned().collect();
            let name = format!("Here {round}x{n}");
            let row = if known.len() < 3 || chance.random_bool(0.4) {
                let mut input = (self.needs)();
                input["name"] = json!(name);
                self.mutate(linked, self.create, input).await
            } else {
                let id = &known[chance.random_range(0..known.len())];
                let input = json!({ "id": id, "name": name });
                self.mutate(linked, self.update, input).await
            };
            let text = |key: &str| row[key].as_str().unwrap().to_owned();
            told.names.insert(text("id"), text("name"));
        }
    }

    /// Names and ids of our rows by the records they are tied to; fails when a record or a row is tied twice.
    async fn ours(&self, app: &TestApp) -> BTreeMap<String, (String, String)> {
        let statement = format!(
            "SELECT l.external_id, r.id, r.name FROM external_link l JOIN {} r ON r.id = l.subject_id WHERE l.resource = '{}' AND NOT l.archived",
            self.table, self.resource
        );
        let (mut ours, mut rows) = (BTreeMap::new(), BTreeSet::new());
        for row in app.rows(&statement).await {
            let external: String = row.try_get_by_index(0).unwrap();
            let id: Uuid = row.try_get_by_index(1).unwrap();
            let name: String = row.try_get_by_index(2).unwrap();
            let id = entities::id::show(self.table, id);
            assert!(rows.insert(id.clone()), "{id} is two records there");
            let before = ours.insert(external.clone(), (id, name));
            assert_eq!(before, None, "{external} is two rows here");
        }
        ours
    }
}

/// Has what killed its workers too often, and was given up and listed, tried again.
async fn replay(linked: &Linked) -> u64 {
    let input = json!({ "connectionId": linked.connection.to_string() });
    let app = &linked.app;
    let answer = app.mutate(linked.admin(), "replaySyncFailures", input, "replayed");
    let answer = answer.await;
    answer.at("/replaySyncFailures/replayed").as_u64().unwrap()
}

/// Lets time pass and the work of those that died be done, until nothing waits.
async fn recover(linked: &Linked) {
    let app = &linked.app;
    let waiting = "SELECT (SELECT COUNT(*) FROM outbound_push WHERE NOT dead) + (SELECT COUNT(*) FROM inbound_signal WHERE NOT dead) \
         + (SELECT COUNT(*) FROM inbound_webhook WHERE state = 'PENDING') + (SELECT COUNT(*) FROM sync_run WHERE status = 'RUNNING')";
    for _ in 0..60 {
        app.advance(LEASE);
        app.drain().await;
        let replayed = replay(linked).await;
        if replayed == 0 && app.number(waiting).await == 0 {
            return;
        }
    }
    let left = app.rows("SELECT error FROM outbound_push").await;
    let left: Vec<Option<String>> = left
        .iter()
        .map(|row| row.try_get_by_index(0).unwrap())
        .collect();
    panic!("something waits for ever: {left:?}");
}

async fn hold(subject: &Subject, rounds: u32) {
    let mut linked = Linked::to(subject.connector, (subject.options)()).await;
    linked.app.expect_warning("a push was given up");
    linked.app.expect_warning("a record ends its workers");
    if subject.connector == "shopify" {
        linked
            .map("$.contact.policy.push", "CREATE_AND_UPDATE")
            .await;
    }
    for n in 0..THERE {
        (subject.make_there)(&linked.app, &format!("There {n}"));
    }
    let mut chance = tests::rng(&format!("kills of {}", subject.connector));
    let mut told = Told::default();
    let at = (subject.sandbox)(&linked.app);
    for round in 0..rounds {
        // Whoever comes after a worker that died waits for the end of its lease.
        linked.app.advance(LEASE);
        let worker = Worker::start(&linked.app, (subject.connector, at.clone())).await;
        // Before the log is read, between note and call, between call and shadow, between a page and its cursor.
        let moment = Duration::from_millis(chance.random_range(1..500));
        let strike = async {
            tokio::time::sleep(moment).await;
            worker.kill().await;
        };
        let moments = chance.random_range(2..9);
        let mut hand = tests::rng(&format!("{} {round}", subject.connector));
        tokio::join!(
            subject.change_here(&linked, (round, moments), &mut told, &mut hand),
            strike
        );
        // A person there renames what was there from the beginning.
        let records: Vec<String> = (subject.there)(&linked.app)
            .into_iter()
            .filter(|(_, name)| name.starts_with("There"))
            .map(|(id, _)| id)
            .collect();
        let record = &records[chance.random_range(0..records.len())];
        (subject.rename_there)(&linked.app, record, &format!("There {round}y"));
    }
    recover(&linked).await;
    linked.read_everything().await;
    recover(&linked).await;

    let there = (subject.there)(&linked.app);
    let ours = subject.ours(&linked.app).await;
    let named: BTreeMap<String, String> = ours
        .iter()
        .map(|(record, (_, name))| (record.clone(), name.clone()))
        .collect();
    assert_eq!(named, there, "both sides say the same");
    assert_eq!(there.len(), THERE + told.names.len(), "each is there once");
    let all = format!("SELECT COUNT(*) FROM {}", subject.table);
    let all = linked.app.number(&all).await;
    assert_eq!(usize::try_from(all).unwrap(), there.len(), "and here once");
    let by_id: BTreeMap<&String, &String> = ours.values().map(|(id, name)| (id, name)).collect();
    for (id, name) in &told.names {
        assert_eq!(by_id.get(id), Some(&name), "{id} was answered so");
    }
    let doubled = format!(
        "SELECT COUNT(*) FROM (SELECT subject_id FROM event WHERE kind = '{}.created' GROUP BY subject_id HAVING COUNT(*) > 1) AS doubled",
        subject.table
    );
    assert_eq!(linked.app.number(&doubled).await, 0);
    linked.app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_workers_lose_and_double_nothing_in_hubspot() {
    hold(&HUBSPOT, tests::rounds(4, 100)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_workers_lose_and_double_nothing_in_salesforce() {
    hold(&SALESFORCE, tests::rounds(4, 100)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_workers_lose_and_double_nothing_in_shopify() {
    hold(&SHOPIFY, tests::rounds(4, 100)).await;
}

/// A message is told once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_workers_lose_no_message_and_tell_none_twice_in_slack() {
    let mut linked = Linked::to("slack", chat::options()).await;
    linked.app.expect_warning("a message was given up");
    // A public channel is posted to by whom it does not have; only who is in it can look.
    linked.app.slack().invite_app(chat::CHANNEL, true).unwrap();
    chat::tell_of_deals(&linked).await;
    linked.app.drain().await;
    let mut chance = tests::rng("kills of slack");
    let mut names = BTreeSet::new();
    let at = linked.app.slack().url();
    for round in 0..tests::rounds(5, 100) {
        for n in 0..2 {
            let name = format!("Deal {round}x{n}");
            let input = json!({ "name": name });
            let made = linked
                .app
                .mutate(linked.admin(), "createDeal", input, "deal { id }");
            let deal = made.await.text("/createDeal/deal/id");
            let input = json!({ "id": deal });
            let won = linked
                .app
                .mutate(linked.admin(), "winDeal", input, "deal { id }");
            assert_eq!(won.await.refusals("winDeal"), Vec::<String>::new());
            names.insert(name);
        }
        linked.app.advance(LEASE);
        let worker = Worker::start(&linked.app, ("slack", at.clone())).await;
        tokio::time::sleep(Duration::from_millis(chance.random_range(1..250))).await;
        worker.kill().await;
    }
    linked.app.advance(LEASE);
    chat::spoken(&linked).await;
    let unsure = "SELECT error FROM chat_message WHERE error LIKE 'UNCERTAIN%'";
    let unsure: Vec<String> = linked
        .app
        .rows(unsure)
        .await
        .iter()
        .map(|row| row.try_get_by_index(0).unwrap())
        .collect();
    assert_eq!(
        unsure,
        Vec::<String>::new(),
        "this team lets us look, so nothing is uncertain"
    );
    // One that its workers died over too often is looked for before it is posted again.
    while replay(&linked).await > 0 {
        chat::spoken(&linked).await;
    }
    let said = linked.app.slack().messages(chat::CHANNEL);
    let said = serde_json::to_value(&said).unwrap();
    for name in &names {
        let heading = format!("Deal won: {name}");
        let told = said.as_array().unwrap().iter().filter(|message| {
            let blocks = message["blocks"].as_array().unwrap().iter();
            blocks.clone().any(|block| block["text"]["text"] == heading)
        });
        assert_eq!(told.count(), 1, "{name} is told once");
    }
    linked.app.finish().await;
}
