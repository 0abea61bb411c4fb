//! The records of each vendor that has any, and what makes one of them deadly.

use super::Subject;
use crate::histories::{salesforce, shopify};
use crate::linked::Delivery;
use crate::signing::{body, changed, headers};
use entities::partner::{self, NewPartner};
use entities::partnership::{self, NewPartnership, PartnerType};
use futures::FutureExt as _;
use sandbox::Kind;
use sandbox::hubspot::DEAL_TO_PARTNER;
use sandbox::shopify::{OrderDraft, OrderEdit};
use serde_json::{Value, json};
use tests::chaos::{Mishap, Rule};
use tests::{CLIENT_SECRET, HubSpotSetup, SalesforceSetup, Setups, ShopifySetup};

/// How a changed record is called.
const CHANGED: &str = "Changed";

fn has_a_partner(row: &Value) -> bool {
    row["partners"].as_array().unwrap().len() == 1
}

/// Deals; deadly is the share of a partner.
pub const HUBSPOT: Subject = Subject {
    connector: "hubspot",
    resource: "deal",
    setups: || Setups {
        hubspot: Some(HubSpotSetup::empty()),
        ..Setups::default()
    },
    sandbox: |app| app.hubspot().url(),
    ally: |linked| {
        let partner = [("name", "Partner"), ("type", "PARTNER")];
        let store = linked.app.hubspot().store();
        let made = store.create(Kind::Companies, &partner).unwrap();
        std::future::ready(made.to_string()).boxed()
    },
    make: |app, n| {
        let name = format!("Deal {n}");
        let properties = [
            ("dealname", name.as_str()),
            ("dealstage", "prospecting"),
            ("pipeline", "default"),
        ];
        let store = app.hubspot().store();
        store.create(Kind::Deals, &properties).unwrap().to_string()
    },
    change: |app, record| {
        let (store, id) = (app.hubspot().store(), record.parse().unwrap());
        let name = [("dealname", CHANGED)];
        store.update(Kind::Deals, id, &name).unwrap();
    },
    poison: |app, record, ally| {
        let deal = (Kind::Deals, record.parse().unwrap());
        let partner = (Kind::Companies, ally.parse().unwrap());
        let store = app.hubspot().store();
        store.associate(deal, partner, DEAL_TO_PARTNER).unwrap();
    },
    deadly: "INSERT INTO \"deal_partner\"",
    is_changed: |row| row["name"] == CHANGED,
    bears: has_a_partner,
    read: |record| Rule {
        body: record.to_owned(),
        ..Rule::on("POST", "/deals/batch/read", Mishap::Hang)
    },
    told: |linked, records, _| {
        async move {
            let app = &linked.app;
            let (path, portal) = ("/hooks/hubspot", app.hubspot().portal_id());
            let events = records.iter().zip(1..);
            let events: Vec<Value> = events
                .map(|(deal, number)| changed(portal, "deal", deal, number))
                .collect();
            let (uri, body) = (app.public_url().at(path), body(&events));
            let now_ms = app.database().now().millis();
            vec![Delivery {
                path: path.to_owned(),
                headers: headers(CLIENT_SECRET, &uri, &body, now_ms),
                body,
            }]
        }
        .boxed()
    },
};

/// Opportunities, told of by outbound messages; deadly is the share of a partner.
pub const SALESFORCE: Subject = Subject {
    connector: "salesforce",
    setups: || Setups {
        salesforce: Some(SalesforceSetup::default()),
        ..Setups::default()
    },
    sandbox: |app| app.salesforce().url(),
    ally: |linked| {
        let partner = json!({ "Name": "Partner", "Type": "Technology Partner" });
        let store = linked.app.salesforce().store();
        std::future::ready(store.create("Account", partner).unwrap()).boxed()
    },
    make: |app, n| {
        let fields = json!({
            "Name": format!("Deal {n}"), "StageName": "Prospecting", "CloseDate": "2027-12-31",
        });
        let store = app.salesforce().store();
        store.create("Opportunity", fields).unwrap()
    },
    change: |app, record| {
        let name = json!({ "Name": CHANGED });
        let store = app.salesforce().store();
        store.update("Opportunity", record, name).unwrap();
    },
    poison: |app, record, ally| {
        let store = app.salesforce().store();
        let tied = store.add_partner(record, ally, "System Integrator", true);
        tied.unwrap();
    },
    read: |record| Rule::on("GET", record.to_owned(), Mishap::Hang),
    told: |linked, records, turn| {
        async move {
            let numbered = records.iter().zip(1_000 * turn..);
            let told: Vec<(u64, String)> = numbered
                .map(|(record, number)| (number, record.clone()))
                .collect();
            let org = linked.app.salesforce().tenant();
            vec![Delivery {
                path: salesforce::door(linked).await,
                headers: vec![("content-type", "text/xml; charset=utf-8".to_owned())],
                body: salesforce::message(&org, "Opportunity", &told),
            }]
        }
        .boxed()
    },
    ..HUBSPOT
};

/// Orders that are not paid yet; deadly is a partner's domain among the tags. One changes as it is paid.
pub const SHOPIFY: Subject = Subject {
    connector: "shopify",
    resource: "order",
    setups: || {
        let mut shopify = ShopifySetup::default();
        // What it is subscribed to would bring each record by another way.
        shopify.faults.webhooks.drop = true;
        Setups {
            shopify: Some(shopify),
            ..Setups::default()
        }
    },
    sandbox: |app| app.shopify().url(),
    ally: |linked| {
        async move {
            let domain = "ally.example";
            let partner = NewPartner {
                domain: domain.parse().ok(),
                ..NewPartner::named("Partner")
            };
            let mut change = linked.app.change().await;
            let made = partner::create(&mut change, vec![partner]).await.unwrap();
            let partnership = NewPartnership::of(made[0].id, PartnerType::Channel);
            let begun = partnership::create(&mut change, vec![partnership]);
            begun.await.unwrap();
            change.commit().await.unwrap();
            let sources = json!([{ "property": "tags", "by_domain": true }]);
            linked.map("$.order.partner_from", sources).await;
            domain.to_owned()
        }
        .boxed()
    },
    make: |app, _| {
        let draft = OrderDraft {
            paid: false,
            ..OrderDraft::paid("100.00")
        };
        let store = app.shopify().store();
        store.place_order(draft).unwrap().to_string()
    },
    change: |app, record| {
        let store = app.shopify().store();
        store.pay_order(record.parse().unwrap()).unwrap();
    },
    poison: |app, record, ally| {
        let store = app.shopify().store();
        let tagged = OrderEdit {
            tags: Some(vec![ally.to_owned()]),
            ..OrderEdit::default()
        };
        store.edit_order(record.parse().unwrap(), tagged).unwrap();
    },
    is_changed: |row| !row["revenueEvents"]["nodes"].as_array().unwrap().is_empty(),
    read: |record| Rule {
        body: record.to_owned(),
        ..Rule::on("POST", "graphql", Mishap::Hang)
    },
    told: |_, records, turn| {
        let told = records.iter().map(|record| {
            let order: u64 = record.parse().unwrap();
            let body = serde_json::to_vec(&json!({ "id": order })).unwrap();
            let id = format!("delivery-{turn}-{record}");
            shopify::signed(CLIENT_SECRET, "orders/paid", &id, body)
        });
        std::future::ready(told.collect()).boxed()
    },
    ..HUBSPOT
};
