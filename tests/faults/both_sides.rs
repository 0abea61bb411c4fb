//! A record that is edited here and there at the same time, whichever vendor it is: edits of different fields both survive; of the same field the
//! policy's side wins, one row says so, and then it is quiet.

use crate::linked::{Linked, row, snapshot};
use sandbox::Kind;
use sandbox::shopify::CustomerDraft;
use serde_json::{Value, json};
use std::time::Duration;
use tests::{HubSpotSetup, Options, SalesforceSetup, Setups, ShopifySetup, TestApp};

/// A field of the record: its name, or one more.
#[derive(Clone, Copy, Debug)]
enum Field {
    Name,
    Other,
}

/// A record of a vendor, edited from both sides.
struct Record {
    connector: &'static str,
    resource: &'static str,
    update: &'static str,
    options: fn() -> Options,
    make: fn(&TestApp) -> String,
    /// Sets a field there.
    there: fn(&TestApp, &str, Field, &str),
    /// What a field holds there, and here.
    holds: fn(&TestApp, &str, Field) -> String,
    ours: fn(&Value, Field) -> Value,
    /// A field as the API takes it.
    input: fn(Field, &str) -> Value,
    /// Values of each field, one after the other.
    names: [&'static str; 8],
    others: [&'static str; 3],
}

fn deal_of(row: &Value, field: Field) -> Value {
    match field {
        Field::Name => row["name"].clone(),
        Field::Other => row["amount"]["amount"].clone(),
    }
}

fn deal_input(field: Field, value: &str) -> Value {
    match field {
        Field::Name => json!({ "name": value }),
        Field::Other => json!({ "amount": { "amount": value, "currency": "USD" } }),
    }
}

const DEAL: [&str; 8] = ["A", "B", "C", "D", "E", "F", "G", "H"];
const AMOUNT: [&str; 3] = ["200.00", "300.00", "400.00"];

const HUBSPOT: Record = Record {
    connector: "hubspot",
    resource: "deal",
    update: "updateDeal",
    options: || Options::hubspot(HubSpotSetup::empty()),
    make: |app| {
        let properties = [
            ("dealname", "Begun"),
            ("dealstage", "prospecting"),
            ("pipeline", "default"),
            ("amount", "100.00"),
        ];
        let store = app.hubspot().store();
        store.create(Kind::Deals, &properties).unwrap().to_string()
    },
    there: |app, id, field, value| {
        let property = match field {
            Field::Name => "dealname",
            Field::Other => "amount",
        };
        let store = app.hubspot().store();
        let id = id.parse().unwrap();
        store.update(Kind::Deals, id, &[(property, value)]).unwrap();
    },
    holds: |app, id, field| {
        let store = app.hubspot().store();
        let record = store.get(Kind::Deals, id.parse().unwrap()).unwrap();
        match field {
            Field::Name => record.properties["dealname"].clone(),
            Field::Other => record.properties["amount"].clone(),
        }
    },
    ours: deal_of,
    input: deal_input,
    names: DEAL,
    others: AMOUNT,
};

const SALESFORCE: Record = Record {
    connector: "salesforce",
    options: || Options {
        others: Setups {
            salesforce: Some(SalesforceSetup::default()),
            ..Setups::default()
        },
        ..Options::default()
    },
    make: |app| {
        let fields = json!({
            "Name": "Begun", "StageName": "Prospecting", "CloseDate": "2027-12-31", "Amount": 100,
        });
        let store = app.salesforce().store();
        store.create("Opportunity", fields).unwrap()
    },
    there: |app, id, field, value| {
        let fields = match field {
            Field::Name => json!({ "Name": value }),
            Field::Other => json!({ "Amount": value.parse::<f64>().unwrap() }),
        };
        let store = app.salesforce().store();
        store.update("Opportunity", id, fields).unwrap();
    },
    holds: |app, id, field| {
        let record = app.salesforce().store().get("Opportunity", id).unwrap();
        match field {
            Field::Name => record["Name"].as_str().unwrap().to_owned(),
            Field::Other => format!("{:.2}", record["Amount"].as_f64().unwrap()),
        }
    },
    ..HUBSPOT
};

const SHOPIFY: Record = Record {
    connector: "shopify",
    resource: "contact",
    update: "updateContact",
    options: || Options {
        others: Setups {
            shopify: Some(ShopifySetup::default()),
            ..Setups::default()
        },
        ..Options::default()
    },
    make: |app| {
        let draft = CustomerDraft::named("Ada", "Begun", "ada@begun.example");
        let store = app.shopify().store();
        store.create_customer(draft).unwrap().to_string()
    },
    there: |app, id, field, value| {
        let draft = match field {
            Field::Name => CustomerDraft {
                last_name: Some(value.trim_start_matches("Ada ").to_owned()),
                ..CustomerDraft::default()
            },
            Field::Other => CustomerDraft {
                email: Some(value.to_owned()),
                ..CustomerDraft::default()
            },
        };
        let store = app.shopify().store();
        store.edit_customer(id.parse().unwrap(), draft).unwrap();
    },
    holds: |app, id, field| {
        let id: u64 = id.parse().unwrap();
        let mut all = app.shopify().store().customers();
        all.retain(|(known, _, _)| *known == id);
        match field {
            Field::Name => all[0].1.clone(),
            Field::Other => all[0].2.clone().unwrap(),
        }
    },
    ours: |row, field| match field {
        Field::Name => row["name"].clone(),
        Field::Other => row["email"].clone(),
    },
    input: |field, value| match field {
        Field::Name => json!({ "name": value }),
        Field::Other => json!({ "email": value }),
    },
    names: [
        "Ada A", "Ada B", "Ada C", "Ada D", "Ada E", "Ada F", "Ada G", "Ada H",
    ],
    others: ["b@begun.example", "c@begun.example", "d@begun.example"],
};

/// A scene of one record that both sides know.
struct Scene<'a> {
    record: &'a Record,
    linked: Linked,
    /// Its id there and here.
    id: String,
    subject: String,
}

impl Scene<'_> {
    async fn here(&self, field: Field, value: &str) {
        let mut input = (self.record.input)(field, value);
        input["id"] = json!(self.subject);
        let (app, update) = (&self.linked.app, self.record.update);
        let answer = app
            .mutate(self.linked.admin(), update, input, "userErrors { code }")
            .await;
        assert_eq!(answer.refusals(update), Vec::<String>::new(), "{answer}");
    }

    fn there(&self, field: Field, value: &str) {
        (self.record.there)(&self.linked.app, &self.id, field, value);
    }

    /// Ours and theirs.
    async fn both(&self, field: Field) -> (Value, Value) {
        let of = (self.record.resource, self.id.as_str());
        let ours = row(&self.linked.app, self.linked.admin(), of).await;
        let theirs = (self.record.holds)(&self.linked.app, &self.id, field);
        ((self.record.ours)(&ours, field), json!(theirs))
    }

    async fn meet(&self) {
        for _ in 0..4 {
            self.linked.app.drain().await;
            self.linked.app.advance(Duration::from_secs(70));
        }
        self.linked.app.drain().await;
    }

    async fn conflicts(&self) -> i64 {
        let count = "SELECT COUNT(*) FROM sync_conflict";
        self.linked.app.number(count).await
    }

    async fn stays_quiet(&self, what: &str) {
        let before = snapshot(&self.linked.app).await;
        self.meet().await;
        self.meet().await;
        assert_eq!(snapshot(&self.linked.app).await, before, "{what}");
    }
}

async fn hold(record: &Record) {
    let linked = Linked::to(record.connector, (record.options)()).await;
    let id = (record.make)(&linked.app);
    linked.settle().await;
    linked.catch_up().await;
    let ours = linked.row(record.resource, &id).await;
    let subject = ours["id"]
        .as_str()
        .unwrap_or_else(|| panic!("{id} is not here: {ours}"));
    let scene = Scene {
        record,
        subject: subject.to_owned(),
        id,
        linked,
    };
    let (names, others) = (record.names, record.others);
    scene.meet().await;
    scene.stays_quiet("the beginning").await;

    // Different fields: both survive, and nobody need decide.
    scene.there(Field::Name, names[0]);
    scene.here(Field::Other, others[0]).await;
    scene.meet().await;
    let same = |value: &str| (json!(value), json!(value));
    assert_eq!(scene.both(Field::Name).await, same(names[0]));
    assert_eq!(scene.both(Field::Other).await, same(others[0]));
    assert_eq!(scene.conflicts().await, 0);
    scene.stays_quiet("different fields").await;

    // The same field: the policy's side wins, and a row says so.
    let policy = format!("$.{}.policy.conflicts", record.resource);
    for (place, (mode, winner)) in [("THEIRS", 2), ("OURS", 3)].into_iter().enumerate() {
        scene.linked.map(&policy, mode).await;
        let place = i64::try_from(place).unwrap();
        let (theirs, ours) = (names[2 * winner - 2], names[2 * winner - 1]);
        scene.there(Field::Name, theirs);
        scene.here(Field::Name, ours).await;
        scene.meet().await;
        let expected = if mode == "THEIRS" { theirs } else { ours };
        assert_eq!(scene.both(Field::Name).await, same(expected), "{mode}");
        assert_eq!(
            scene.conflicts().await,
            place + 1,
            "{mode}: one row says so"
        );
        scene.stays_quiet(mode).await;
    }
    let open = "SELECT COUNT(*) FROM sync_conflict WHERE status = 'OPEN'";
    assert_eq!(scene.linked.app.number(open).await, 0);

    // Where a person is to decide, each side keeps its own until then.
    scene.linked.map(&policy, "ASK").await;
    scene.there(Field::Name, names[6]);
    scene.here(Field::Name, names[7]).await;
    scene.meet().await;
    let undecided = (json!(names[7]), json!(names[6]));
    assert_eq!(scene.both(Field::Name).await, undecided);
    assert_eq!(scene.linked.app.number(open).await, 1);
    // Other fields go on meanwhile.
    scene.here(Field::Other, others[1]).await;
    scene.meet().await;
    assert_eq!(scene.both(Field::Other).await, same(others[1]));
    scene.there(Field::Other, others[2]);
    scene.meet().await;
    assert_eq!(scene.both(Field::Other).await, same(others[2]));
    assert_eq!(scene.both(Field::Name).await, undecided);
    scene.stays_quiet("an open conflict").await;
    scene.linked.app.finish().await;
}

#[tokio::test]
async fn edits_on_both_sides_of_hubspot() {
    hold(&HUBSPOT).await;
}

#[tokio::test]
async fn edits_on_both_sides_of_salesforce() {
    hold(&SALESFORCE).await;
}

#[tokio::test]
async fn edits_on_both_sides_of_shopify() {
    hold(&SHOPIFY).await;
}
