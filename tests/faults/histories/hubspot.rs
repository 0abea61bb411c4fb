//! Deals in HubSpot, told of by signed lists of events.

use super::History;
use super::crm::{self, Step};
use crate::linked::{Delivery, Linked};
use crate::signing::{body, headers};
use rand::rngs::StdRng;
use sandbox::Kind;
use sandbox::hubspot::DEAL_TO_COMPANY;
use serde_json::{Value, json};
use tests::{CLIENT_SECRET, HubSpotSetup, Options};

const PATH: &str = "/hooks/hubspot";

pub struct Deals {
    linked: Linked,
    companies: [u64; 2],
    number: u64,
}

impl History for Deals {
    type Step = Step;
    type Event = Value;
    const BATCH: usize = 30;

    async fn account() -> Self {
        let options = Options::hubspot(HubSpotSetup::empty());
        let linked = Linked::to(integrations::hubspot::ID, options).await;
        let store = linked.app.hubspot().store();
        let companies = crm::CUSTOMERS.map(|name| {
            let company = store.create(Kind::Companies, &[("name", name)]);
            company.unwrap()
        });
        linked.settle().await;
        Self {
            linked,
            companies,
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
        let properties = [
            ("dealname", crm::NAME),
            ("dealstage", "prospecting"),
            ("pipeline", "default"),
            ("amount", crm::AMOUNT),
        ];
        let store = self.linked.app.hubspot().store();
        store.create(Kind::Deals, &properties).unwrap().to_string()
    }

    fn steps(chance: &mut StdRng) -> Vec<Step> {
        crm::steps(chance)
    }

    fn happen(&mut self, step: &Step, record: &str) {
        let store = self.linked.app.hubspot().store();
        let deal: u64 = record.parse().unwrap();
        let set = |name: &str, value: &str| store.update(Kind::Deals, deal, &[(name, value)]);
        let company = |place: usize| (Kind::Companies, self.companies[place]);
        match step {
            Step::Rename(number) => set("dealname", &crm::name(*number)),
            Step::Stage(place) => set("dealstage", ["prospecting", "engaging"][*place]),
            Step::Amount(number) => set("amount", &crm::amount(*number)),
            Step::Archive => store.archive(Kind::Deals, deal),
            Step::Restore => store.restore(Kind::Deals, deal),
            Step::Tie(place) => {
                store.associate((Kind::Deals, deal), company(*place), DEAL_TO_COMPANY)
            }
            Step::Untie(place) => store.dissociate((Kind::Deals, deal), company(*place)),
        }
        .unwrap();
    }

    fn event(&mut self, step: &Step, record: &str, repeats: Option<&Value>) -> Option<Value> {
        if let Some(same) = repeats {
            return Some(same.clone());
        }
        self.number += 1;
        let deal: u64 = record.parse().unwrap();
        let hubspot = self.linked.app.hubspot();
        let mut event = json!({
            "eventId": self.number, "subscriptionId": 1, "portalId": hubspot.portal_id(), "appId": 910_001,
            "occurredAt": hubspot.clock().now_ms(), "attemptNumber": 0, "changeSource": "CRM_UI", "objectId": deal,
        });
        let changed = |name: &str, value: &str| {
            let more = json!({ "propertyName": name, "propertyValue": value });
            ("deal.propertyChange", more)
        };
        let (kind, more) = match step {
            Step::Rename(_) => changed("dealname", "stale"),
            Step::Stage(_) => changed("dealstage", "stale"),
            Step::Amount(_) => changed("amount", "1"),
            Step::Archive => ("deal.deletion", json!({})),
            Step::Restore => ("deal.restore", json!({})),
            Step::Tie(place) | Step::Untie(place) => (
                "deal.associationChange",
                json!({"associationType": "DEAL_TO_COMPANY", "fromObjectId": deal, "toObjectId": self.companies[*place],
                    "associationRemoved": matches!(step, Step::Untie(_))}),
            ),
        };
        let fields = event.as_object_mut().unwrap();
        fields.insert("subscriptionType".to_owned(), kind.into());
        fields.extend(more.as_object().unwrap().clone());
        Some(event)
    }

    fn delivery(&self, events: &[Value]) -> Delivery {
        let app = &self.linked.app;
        let (uri, bytes) = (app.public_url().at(PATH), body(events));
        let now_ms = app.database().now().millis();
        Delivery {
            path: PATH.to_owned(),
            headers: headers(CLIENT_SECRET, &uri, &bytes, now_ms),
            body: bytes,
        }
    }

    async fn state(&self, record: &str) -> Value {
        crm::state(&self.linked.row("deal", record).await)
    }

    fn truth(steps: &[Step]) -> Value {
        crm::truth(steps)
    }
}
