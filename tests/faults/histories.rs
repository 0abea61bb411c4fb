//! One history, told in twenty orders: duplicated up to five times, permuted, stale after newer. All end in one state, and it is the vendor's.

use crate::portal::Portal;
use crate::signing::{body, headers};
use rand::RngExt;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use sandbox::Kind;
use sandbox::hubspot::DEAL_TO_COMPANY;
use serde_json::{Value, json};
use tests::CLIENT_SECRET;

/// In how many orders each history is told: as many deals live through it side by side.
const ORDERS: usize = 20;

/// Something that happens to a deal.
#[derive(Clone, Debug)]
enum Step {
    Rename(u32),
    Stage(&'static str),
    Amount(u32),
    Archive,
    Restore,
    Tie(usize),
    Untie(usize),
}

fn history(chance: &mut StdRng) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut archived = false;
    let mut tied: Option<usize> = None;
    for _ in 0..chance.random_range(4..9) {
        let step = match chance.random_range(0..6) {
            _ if archived => Step::Restore,
            0 | 1 => Step::Rename(chance.random_range(0..1_000)),
            2 => Step::Stage(["prospecting", "engaging"][chance.random_range(0..2)]),
            3 => Step::Amount(chance.random_range(1..90_000)),
            4 => Step::Archive,
            _ => match tied {
                Some(company) => Step::Untie(company),
                None => Step::Tie(chance.random_range(0..2)),
            },
        };
        archived = matches!(step, Step::Archive) || (archived && !matches!(step, Step::Restore));
        match step {
            Step::Tie(company) => tied = Some(company),
            Step::Untie(_) => tied = None,
            _ => {}
        }
        steps.push(step);
    }
    steps
}

impl Step {
    /// Makes it happen at the vendor.
    fn happen(&self, portal: &Portal, deal: u64, companies: &[u64]) {
        let store = portal.store();
        let set = |name: &str, value: &str| store.update(Kind::Deals, deal, &[(name, value)]);
        let company = |place: usize| (Kind::Companies, companies[place]);
        match self {
            Self::Rename(number) => set("dealname", &format!("Deal {number}")),
            Self::Stage(stage) => set("dealstage", stage),
            Self::Amount(amount) => set("amount", &format!("{amount}.50")),
            Self::Archive => store.archive(Kind::Deals, deal),
            Self::Restore => store.restore(Kind::Deals, deal),
            Self::Tie(place) => {
                store.associate((Kind::Deals, deal), company(*place), DEAL_TO_COMPANY)
            }
            Self::Untie(place) => store.dissociate((Kind::Deals, deal), company(*place)),
        }
        .unwrap();
    }

    /// The event that tells of it.
    fn event(&self, portal: u64, deal: u64, companies: &[u64], at_ms: i64, number: u64) -> Value {
        let mut event = json!({
            "eventId": number, "subscriptionId": 1, "portalId": portal, "appId": 910_001, "occurredAt": at_ms, "attemptNumber": 0,
            "changeSource": "CRM_UI", "objectId": deal,
        });
        let (kind, more) = match self {
            Self::Rename(_) => (
                "deal.propertyChange",
                json!({"propertyName": "dealname", "propertyValue": "stale"}),
            ),
            Self::Stage(_) => (
                "deal.propertyChange",
                json!({"propertyName": "dealstage", "propertyValue": "stale"}),
            ),
            Self::Amount(_) => (
                "deal.propertyChange",
                json!({"propertyName": "amount", "propertyValue": "1"}),
            ),
            Self::Archive => ("deal.deletion", json!({})),
            Self::Restore => ("deal.restore", json!({})),
            Self::Tie(place) | Self::Untie(place) => (
                "deal.associationChange",
                json!({"associationType": "DEAL_TO_COMPANY", "fromObjectId": deal, "toObjectId": companies[*place],
                    "associationRemoved": matches!(self, Self::Untie(_))}),
            ),
        };
        let fields = event.as_object_mut().unwrap();
        fields.insert("subscriptionType".to_owned(), kind.into());
        fields.extend(more.as_object().unwrap().clone());
        event
    }
}

/// Sends events as the vendor does, in deliveries of up to thirty.
async fn deliver(portal: &Portal, events: &[Value]) {
    let uri = portal.app.public_url().at("/hooks/hubspot");
    for batch in events.chunks(30) {
        let bytes = body(batch);
        let now_ms = portal.app.database().now().millis();
        let signed = headers(CLIENT_SECRET, &uri, &bytes, now_ms);
        let signed: Vec<(&str, &str)> = signed
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        let answer = portal.app.post_raw("/hooks/hubspot", &signed, bytes).await;
        assert_eq!(answer.status, 204, "{answer}");
    }
    portal.app.drain().await;
}

/// What of a deal must be the same whatever the order. Of one that is put away that is all: what was changed just before, and told after, can
/// no longer be read by id; the list of the archived brings it in its own time.
fn state(row: &Value) -> Value {
    if !row["archivedAt"].is_null() {
        return json!({"archived": true});
    }
    json!({
        "name": row["name"], "stage": row["stage"], "amount": row["amount"], "customer": row["customer"],
        "archived": false,
    })
}

#[tokio::test]
async fn whatever_the_order_and_however_often_histories_end_in_one_state() {
    let portal = Portal::empty().await;
    let companies = [
        portal.company(&[("name", "One")]),
        portal.company(&[("name", "Two")]),
    ];
    portal.settle().await;
    let mut chance = tests::rng("histories");
    let mut number = 0;
    for round in 0..tests::rounds(4, 50) {
        let steps = history(&mut chance);
        let deals: Vec<u64> = (0..ORDERS).map(|_| portal.plain_deal("Deal")).collect();
        portal.sync().await;
        // What each of them has still to be told of.
        let mut told: Vec<Vec<Value>> = vec![Vec::new(); ORDERS];
        for step in &steps {
            for (deal, told) in deals.iter().zip(&mut told) {
                step.happen(&portal, *deal, &companies);
                let at_ms = portal.hubspot().clock().now_ms();
                for _ in 0..chance.random_range(1..=5) {
                    number += 1;
                    let id = portal.hubspot().portal_id();
                    told.push(step.event(id, *deal, &companies, at_ms, number));
                }
            }
            // Some of it arrives now, in any order; the rest is late, and comes after what is newer.
            let mut now = Vec::new();
            for told in &mut told {
                told.shuffle(&mut chance);
                let count = chance.random_range(0..=told.len());
                now.extend(told.drain(..count));
            }
            now.shuffle(&mut chance);
            deliver(&portal, &now).await;
        }
        let mut rest: Vec<Value> = told.into_iter().flatten().collect();
        rest.shuffle(&mut chance);
        deliver(&portal, &rest).await;

        let theirs = portal.store().get(Kind::Deals, deals[0]);
        let mut ends = Vec::with_capacity(ORDERS);
        for deal in &deals {
            ends.push(state(&portal.deal_row(*deal).await));
        }
        for end in &ends {
            assert_eq!(end, &ends[0], "round {round}: {steps:?}");
        }
        if let Some(theirs) = theirs.filter(|record| record.archived_at.is_none()) {
            assert_eq!(
                ends[0]["name"], theirs.properties["dealname"],
                "round {round}: {steps:?}"
            );
            assert_eq!(ends[0]["archived"], false, "round {round}: {steps:?}");
        }
        let doubled = "SELECT COUNT(*) FROM (SELECT subject_id FROM event WHERE kind = 'deal.created' GROUP BY subject_id HAVING COUNT(*) > 1) AS doubled";
        assert_eq!(portal.app.number(doubled).await, 0, "round {round}");
    }
    // And once the archived have been listed nothing is left to find.
    portal.sync_everything().await;
    let before = portal.snapshot().await;
    portal.sync_everything().await;
    assert_eq!(portal.snapshot().await, before);
    portal.app.finish().await;
}
