//! HubSpot, Salesforce and a shop over the same rows: what a person changes in one place is one write in each other place, and then it is quiet.
//!
//! Written calls are counted by the doubles, each on its own, so that a write too many is seen where it was made.

use integrations::http::ClientSettings;
use integrations::{hubspot, salesforce, shopify};
use sandbox::Kind;
use sandbox::shopify::{CompanyDraft, CustomerDraft, OrderDraft};
use serde_json::{Value, json};
use std::time::Duration;
use tests::{HubSpotSetup, Options, SalesforceSetup, Setups, ShopifySetup, TestApp};

/// Where a person edits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Here,
    HubSpot,
    Salesforce,
    Shopify,
}

const EVERYWHERE: [Place; 4] = [
    Place::Here,
    Place::HubSpot,
    Place::Salesforce,
    Place::Shopify,
];

/// What the calls that write are called, by system.
const HUBSPOT: [&str; 6] = [
    "batch/update",
    "batch/upsert",
    "batch/create",
    "batch/archive",
    "batch/associate",
    "batch/labels",
];
const SALESFORCE: [&str; 1] = ["composite/sobjects"];
const SHOPIFY: [&str; 6] = [
    "#customerCreate",
    "#customerUpdate",
    "#companyCreate",
    "#companyUpdate",
    "#companyAssignCustomerAsContact",
    "#companyContactRemoveFromCompany",
];

/// How often each system was written to: HubSpot, Salesforce, Shopify.
fn writes(app: &TestApp) -> [u64; 3] {
    let sum = |counts: sandbox::Counts, routes: &[&str]| -> u64 {
        routes.iter().map(|route| counts.of(route)).sum()
    };
    [
        sum(app.hubspot().counts(), &HUBSPOT),
        sum(app.salesforce().counts(), &SALESFORCE),
        sum(app.shopify().counts(), &SHOPIFY),
    ]
}

/// One write in every system but the one it was edited in.
fn one_each(before: [u64; 3], edited: Place) -> [u64; 3] {
    let one = |place| u64::from(place != edited);
    [
        before[0] + one(Place::HubSpot),
        before[1] + one(Place::Salesforce),
        before[2] + one(Place::Shopify),
    ]
}

/// Everything that is due now and in the next minute.
async fn settle(app: &TestApp) {
    for _ in 0..6 {
        app.drain().await;
        app.hubspot().webhooks_idle().await;
        app.salesforce().webhooks_idle().await;
        app.shopify().webhooks_idle().await;
        app.drain().await;
        app.advance(Duration::from_secs(10));
    }
    app.drain().await;
}

async fn events(app: &TestApp) -> i64 {
    app.number("SELECT COUNT(*) FROM event WHERE kind NOT LIKE 'sync.%'")
        .await
}

/// All three look for changes of their own accord, several times, and nothing comes of it.
async fn stays_quiet(app: &TestApp, what: &str) {
    let before = (writes(app), events(app).await);
    for _ in 0..2 {
        app.advance(Duration::from_secs(900));
        settle(app).await;
    }
    assert_eq!((writes(app), events(app).await), before, "{what}: its echo");
    let left = app
        .rows("SELECT resource, error FROM outbound_push")
        .await
        .iter()
        .map(|row| {
            let resource: String = row.try_get_by_index(0).unwrap();
            let error: Option<String> = row.try_get_by_index(1).unwrap();
            (resource, error)
        })
        .collect::<Vec<_>>();
    assert_eq!(left, [], "{what}: pushes that are left");
}

/// A shop's company with its buyer and an order of theirs, known in all three systems.
struct Known {
    app: TestApp,
    contact: String,
    customer: String,
    deal: String,
    buyer: u64,
    company: u64,
    order: u64,
}

async fn known() -> Known {
    let others = Setups {
        salesforce: Some(SalesforceSetup {
            messages: true,
            ..SalesforceSetup::default()
        }),
        shopify: Some(ShopifySetup {
            webhooks: true,
            ..ShopifySetup::default()
        }),
        ..Setups::default()
    };
    // The doubles have no budgets to keep.
    let client = ClientSettings {
        paced: false,
        ..ClientSettings::default()
    };
    let app = TestApp::start(Options {
        others,
        client: Some(client),
        ..Options::hubspot(HubSpotSetup::empty().with_webhooks())
    })
    .await;
    for connector in [hubspot::ID, salesforce::ID, shopify::ID] {
        app.connect(connector).await;
    }
    settle(&app).await;
    let shop = app.shopify().store();
    let buyer = CustomerDraft::named("Ada", "King", "ada@engines.example");
    let buyer = shop.create_customer(buyer).unwrap();
    let company = CompanyDraft {
        customer: Some(buyer),
        ..CompanyDraft::named("Engines Ltd")
    };
    let company = shop.create_company(company).unwrap();
    let order = shop
        .place_order(OrderDraft {
            customer: Some(buyer),
            company: Some(company),
            paid: false,
            ..OrderDraft::paid("99.00")
        })
        .unwrap();
    settle(&app).await;
    app.advance(Duration::from_secs(900));
    settle(&app).await;
    let query = "{ contacts(first: 9) { nodes { id } } customers(first: 9) { nodes { id } } deals(first: 9) { nodes { id } } }";
    let found = app.ask(&app.admin(), query).await;
    let one = |list: &str| {
        assert_eq!(found.list(&format!("/{list}/nodes")).len(), 1, "{found}");
        found.text(&format!("/{list}/nodes/0/id"))
    };
    Known {
        contact: one("contacts"),
        customer: one("customers"),
        deal: one("deals"),
        app,
        buyer,
        company,
        order,
    }
}

impl Known {
    async fn change_here(&self, mutation: &str, input: Value, what: &str) {
        let (app, selection) = (&self.app, format!("{what} {{ id }}"));
        let answer = app.mutate(&app.admin(), mutation, input, &selection).await;
        assert_eq!(answer.refusals(mutation), Vec::<String>::new(), "{answer}");
    }

    fn hubspot_record(&self, kind: Kind, id: &str) -> u64 {
        let store = self.app.hubspot().store();
        let found = store.find_by(kind, "entente_reference", id);
        assert_eq!(found.len(), 1, "{id} in HubSpot: {found:?}");
        found[0]
    }

    fn salesforce_record(&self, object: &str, id: &str) -> String {
        let store = self.app.salesforce().store();
        let found = store.find_by(object, "Entente_Reference__c", id);
        assert_eq!(found.len(), 1, "{id} in Salesforce: {found:?}");
        found[0].clone()
    }

    /// The buyer is called Ada and so.
    async fn name_buyer(&self, place: Place, last: &str) {
        let id = &self.contact;
        match place {
            Place::Here => {
                let input = json!({ "id": id, "name": format!("Ada {last}") });
                self.change_here("updateContact", input, "contact").await;
            }
            Place::HubSpot => {
                let record = self.hubspot_record(Kind::Contacts, id);
                let store = self.app.hubspot().store();
                store
                    .update(Kind::Contacts, record, &[("lastname", last)])
                    .unwrap();
            }
            Place::Salesforce => {
                let record = self.salesforce_record("Contact", id);
                let store = self.app.salesforce().store();
                store
                    .update("Contact", &record, json!({ "LastName": last }))
                    .unwrap();
            }
            Place::Shopify => {
                let draft = CustomerDraft {
                    last_name: Some(last.to_owned()),
                    ..CustomerDraft::default()
                };
                let store = self.app.shopify().store();
                store.edit_customer(self.buyer, draft).unwrap();
            }
        }
    }

    /// What the buyer is called, everywhere.
    async fn buyer_names(&self) -> [String; 4] {
        let (app, id) = (&self.app, &self.contact);
        let query = format!("{{ node(id: \"{id}\") {{ ... on Contact {{ name }} }} }}");
        let here = app.ask(&app.admin(), &query).await.text("/node/name");
        let record = self.hubspot_record(Kind::Contacts, id);
        let theirs = app.hubspot().store().get(Kind::Contacts, record).unwrap();
        let of = |name: &str| theirs.properties[name].clone();
        let hubspot = format!("{} {}", of("firstname"), of("lastname"));
        let record = self.salesforce_record("Contact", id);
        let theirs = app.salesforce().store().get("Contact", &record).unwrap();
        let of = |name: &str| theirs[name].as_str().unwrap().to_owned();
        let salesforce = format!("{} {}", of("FirstName"), of("LastName"));
        let shop = app.shopify().store().customers();
        assert_eq!(shop.len(), 1, "{shop:?}");
        [here, hubspot, salesforce, shop[0].1.clone()]
    }

    /// The buyer's company is called so.
    async fn name_company(&self, place: Place, name: &str) {
        let id = &self.customer;
        match place {
            Place::Here => {
                let input = json!({ "id": id, "name": name });
                self.change_here("updateCustomer", input, "customer").await;
            }
            Place::HubSpot => {
                let record = self.hubspot_record(Kind::Companies, id);
                let store = self.app.hubspot().store();
                store
                    .update(Kind::Companies, record, &[("name", name)])
                    .unwrap();
            }
            Place::Salesforce => {
                let record = self.salesforce_record("Account", id);
                let store = self.app.salesforce().store();
                store
                    .update("Account", &record, json!({ "Name": name }))
                    .unwrap();
            }
            Place::Shopify => {
                let store = self.app.shopify().store();
                let draft = CompanyDraft::named(name);
                store.edit_company(self.company, draft).unwrap();
            }
        }
    }

    /// What the company is called, everywhere.
    async fn company_names(&self) -> [String; 4] {
        let (app, id) = (&self.app, &self.customer);
        let query = format!("{{ customer(id: \"{id}\") {{ name }} }}");
        let here = app.ask(&app.admin(), &query).await.text("/customer/name");
        let record = self.hubspot_record(Kind::Companies, id);
        let theirs = app.hubspot().store().get(Kind::Companies, record).unwrap();
        let hubspot = theirs.properties["name"].clone();
        let record = self.salesforce_record("Account", id);
        let theirs = app.salesforce().store().get("Account", &record).unwrap();
        let salesforce = theirs["Name"].as_str().unwrap().to_owned();
        let shop = app.shopify().store().companies();
        assert_eq!(shop.len(), 1, "{shop:?}");
        [here, hubspot, salesforce, shop[0].1.clone()]
    }
}

#[tokio::test]
async fn a_person_and_a_company_are_edited_in_each_place_and_written_once_in_the_others() {
    let known = known().await;
    let linked = "SELECT COUNT(DISTINCT connection_id) FROM external_link WHERE subject_id IS NOT NULL AND NOT archived AND resource = ";
    for resource in ["'contact'", "'company'"] {
        let count = known.app.number(&format!("{linked}{resource}")).await;
        assert_eq!(count, 3, "{resource} is linked everywhere");
    }
    stays_quiet(&known.app, "the beginning").await;
    for (n, place) in EVERYWHERE.into_iter().enumerate() {
        let before = writes(&known.app);
        known.name_buyer(place, &format!("Byron{n}")).await;
        settle(&known.app).await;
        let (what, name) = (
            format!("a buyer renamed in {place:?}"),
            format!("Ada Byron{n}"),
        );
        assert_eq!(writes(&known.app), one_each(before, place), "{what}");
        let names = known.buyer_names().await;
        assert!(
            names.iter().all(|known| *known == name),
            "{what}: {names:?}"
        );
        stays_quiet(&known.app, &what).await;

        let before = writes(&known.app);
        let name = format!("Analytical Engines {n}");
        known.name_company(place, &name).await;
        settle(&known.app).await;
        let what = format!("a company renamed in {place:?}");
        assert_eq!(writes(&known.app), one_each(before, place), "{what}");
        let names = known.company_names().await;
        assert!(
            names.iter().all(|known| *known == name),
            "{what}: {names:?}"
        );
        stays_quiet(&known.app, &what).await;
    }
    let conflicts = "SELECT COUNT(*) FROM sync_conflict";
    assert_eq!(known.app.number(conflicts).await, 0);
    known.app.finish().await;
}

/// A shop's order is a deal in both CRMs. The shop itself is never told of deals: what it says of its orders is the truth.
#[tokio::test]
async fn a_deal_is_written_once_in_each_crm_and_never_in_the_shop() {
    let known = known().await;
    let app = &known.app;
    stays_quiet(app, "the beginning").await;
    let hubspot = known.hubspot_record(Kind::Deals, &known.deal);
    let salesforce = known.salesforce_record("Opportunity", &known.deal);
    let theirs = async |name: &str| {
        let one = app.hubspot().store().get(Kind::Deals, hubspot).unwrap();
        let other = app.salesforce().store();
        let other = other.get("Opportunity", &salesforce).unwrap();
        let (property, field) = match name {
            "name" => ("dealname", "Name"),
            _ => ("dealstage", "StageName"),
        };
        let field = other[field].as_str().unwrap().to_owned();
        (one.properties[property].clone(), field)
    };
    let pair = |one: &str, other: &str| (one.to_owned(), other.to_owned());

    let before = writes(app);
    let input = json!({ "id": known.deal, "name": "Here" });
    known.change_here("updateDeal", input, "deal").await;
    settle(app).await;
    assert_eq!(writes(app), [before[0] + 1, before[1] + 1, before[2]]);
    assert_eq!(theirs("name").await, pair("Here", "Here"));
    stays_quiet(app, "a deal renamed here").await;

    let before = writes(app);
    let store = app.hubspot().store();
    store
        .update(Kind::Deals, hubspot, &[("dealname", "HubSpot")])
        .unwrap();
    settle(app).await;
    assert_eq!(writes(app), [before[0], before[1] + 1, before[2]]);
    assert_eq!(theirs("name").await, pair("HubSpot", "HubSpot"));
    stays_quiet(app, "a deal renamed in HubSpot").await;

    let before = writes(app);
    let fields = json!({ "Name": "Salesforce" });
    let store = app.salesforce().store();
    store.update("Opportunity", &salesforce, fields).unwrap();
    settle(app).await;
    assert_eq!(writes(app), [before[0] + 1, before[1], before[2]]);
    assert_eq!(theirs("name").await, pair("Salesforce", "Salesforce"));
    stays_quiet(app, "a deal renamed in Salesforce").await;

    // Nothing of it was paid, so a cancelled order is a lost deal.
    let before = writes(app);
    let shop = app.shopify().store();
    shop.cancel_order(known.order, "customer").unwrap();
    settle(app).await;
    assert_eq!(writes(app), [before[0] + 1, before[1] + 1, before[2]]);
    assert_eq!(theirs("stage").await, pair("closedlost", "Closed Lost"));
    stays_quiet(app, "an order cancelled in the shop").await;
    known.app.finish().await;
}
