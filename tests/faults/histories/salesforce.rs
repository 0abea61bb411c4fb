//! Deals in Salesforce, told of by outbound messages at the connection's own door; what was deleted is told by nobody and found by looking.

use super::History;
use super::crm::{self, Step};
use crate::linked::{Delivery, Linked};
use api::http::webhooks::own_webhook_path;
use entities::connection;
use integrations::salesforce::ID;
use rand::rngs::StdRng;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use tests::{Options, SalesforceSetup, Setups};

/// An org that sends nothing by itself, so that a test decides when something arrives.
pub fn options() -> Options {
    let others = Setups {
        salesforce: Some(SalesforceSetup::default()),
        ..Setups::default()
    };
    Options {
        others,
        ..Options::default()
    }
}

/// The path of a connection's own door.
pub async fn door(linked: &Linked) -> String {
    let app = &linked.app;
    let tenant = app.salesforce().tenant();
    let row = connection::find_by_tenant(app.database().read(), ID, &tenant).await;
    let row = row.unwrap().unwrap();
    let hook = app.state.core.engine.hook(&row).unwrap();
    own_webhook_path(ID, hook.unwrap().expose_secret())
}

/// A message about records of one kind: each by the number of its notification and its id.
pub fn message(org: &str, object: &str, told: &[(u64, String)]) -> Vec<u8> {
    let notifications: String = told
        .iter()
        .map(|(number, record)| {
            format!(
                r#"<Notification><Id>04l{number:012}AAA</Id><sObject xsi:type="sf:{object}" xmlns:sf="urn:sobject.enterprise.soap.sforce.com"><sf:Id>{record}</sf:Id><sf:Name>stale</sf:Name></sObject></Notification>"#
            )
        })
        .collect();
    format!(
        r#"<?xml version="1.0" encoding="UTF-8"?><soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soapenv:Body><notifications xmlns="http://soap.sforce.com/2005/09/outbound"><OrganizationId>{org}</OrganizationId><ActionId>04k000000000001AAA</ActionId><SessionId xsi:nil="true"/><EnterpriseUrl>https://org.example</EnterpriseUrl><PartnerUrl>https://org.example</PartnerUrl>{notifications}</notifications></soapenv:Body></soapenv:Envelope>"#
    )
    .into_bytes()
}

pub struct Opportunities {
    linked: Linked,
    path: String,
    accounts: [String; 2],
    number: u64,
}

impl History for Opportunities {
    type Step = Step;
    type Event = (u64, String);
    const BATCH: usize = 100;

    async fn account() -> Self {
        let linked = Linked::to(ID, options()).await;
        let store = linked.app.salesforce().store();
        let accounts =
            crm::CUSTOMERS.map(|name| store.create("Account", json!({ "Name": name })).unwrap());
        linked.settle().await;
        linked.catch_up().await;
        Self {
            path: door(&linked).await,
            linked,
            accounts,
            number: 0,
        }
    }

    fn linked(&self) -> &Linked {
        &self.linked
    }

    fn ended(self) -> Linked {
        self.linked
    }

    async fn begin(&mut self) -> String {
        let fields = json!({
            "Name": crm::NAME, "StageName": "Prospecting", "CloseDate": "2027-12-31", "Amount": 100,
        });
        let store = self.linked.app.salesforce().store();
        store.create("Opportunity", fields).unwrap()
    }

    fn steps(chance: &mut StdRng) -> Vec<Step> {
        crm::steps(chance)
    }

    fn happen(&mut self, step: &Step, record: &str) {
        let store = self.linked.app.salesforce().store();
        let set = |fields: Value| store.update("Opportunity", record, fields);
        match step {
            Step::Rename(number) => set(json!({ "Name": crm::name(*number) })),
            Step::Stage(place) => {
                let stage = ["Prospecting", "Qualification"][*place];
                set(json!({ "StageName": stage }))
            }
            Step::Amount(number) => {
                let amount: f64 = crm::amount(*number).parse().unwrap();
                set(json!({ "Amount": amount }))
            }
            Step::Archive => store.delete("Opportunity", record),
            Step::Restore => store.undelete("Opportunity", record),
            Step::Tie(place) => set(json!({ "AccountId": self.accounts[*place] })),
            Step::Untie(_) => set(json!({ "AccountId": null })),
        }
        .unwrap();
    }

    fn event(
        &mut self,
        step: &Step,
        record: &str,
        repeats: Option<&Self::Event>,
    ) -> Option<Self::Event> {
        if matches!(step, Step::Archive) {
            return None;
        }
        if let Some(same) = repeats {
            return Some(same.clone());
        }
        self.number += 1;
        Some((self.number, record.to_owned()))
    }

    fn delivery(&self, events: &[Self::Event]) -> Delivery {
        let org = self.linked.app.salesforce().tenant();
        Delivery {
            path: self.path.clone(),
            headers: vec![("content-type", "text/xml; charset=utf-8".to_owned())],
            body: message(&org, "Opportunity", events),
        }
    }

    async fn look(&self) {
        self.linked.catch_up().await;
    }

    async fn state(&self, record: &str) -> Value {
        crm::state(&self.linked.row("deal", record).await)
    }

    fn truth(steps: &[Step]) -> Value {
        crm::truth(steps)
    }
}
