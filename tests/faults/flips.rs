//! Every bit of a signed delivery counts, at the real door: one flipped bit is refused, and nothing is stored. Where nobody signs, the address and
//! the account it was given to are what counts.

use crate::histories::{salesforce, shopify, slack};
use crate::linked::{Delivery, Linked};
use crate::signing::{body, changed, headers};
use reqwest::header::HeaderValue;
use serde_json::json;
use std::ops::Range;
use tests::{CLIENT_SECRET, HubSpotSetup, Options, SIGNING_SECRET};

/// What of a delivery is flipped: headers by name, a part of the address, a part of the body.
struct Counts {
    headers: &'static [&'static str],
    path: Range<usize>,
    body: Range<usize>,
}

/// One bit of it.
#[derive(Clone, Copy, Debug)]
enum Place {
    Header(usize),
    Path,
    Body,
}

/// The delivery with one bit flipped; none when no client could send it.
fn flipped(delivery: &Delivery, place: Place, bit: usize) -> Option<Delivery> {
    let mut delivery = delivery.clone();
    let (at, mask) = (bit / 8, 1 << (bit % 8));
    match place {
        Place::Header(header) => {
            let mut bytes = delivery.headers[header].1.clone().into_bytes();
            bytes[at] ^= mask;
            HeaderValue::from_bytes(&bytes).ok()?;
            // Headers of this harness are text; what is none is sent by nobody.
            delivery.headers[header].1 = String::from_utf8(bytes).ok()?;
        }
        Place::Path => {
            // Written out, so that it arrives as this byte whatever it is.
            let byte = delivery.path.as_bytes()[at] ^ mask;
            delivery
                .path
                .replace_range(at..=at, &format!("%{byte:02X}"));
        }
        Place::Body => delivery.body[at] ^= mask,
    }
    Some(delivery)
}

async fn hold(mut linked: Linked, delivery: Delivery, counts: Counts) {
    linked.app.expect_warning("a webhook was rejected");
    let bits = |range: Range<usize>| range.start * 8..range.end * 8;
    let named = delivery.headers.iter().enumerate();
    let mut places: Vec<(Place, Range<usize>)> = named
        .filter(|(_, (name, _))| counts.headers.contains(name))
        .map(|(place, (_, value))| (Place::Header(place), bits(0..value.len())))
        .collect();
    assert_eq!(places.len(), counts.headers.len());
    places.push((Place::Path, bits(counts.path)));
    places.push((Place::Body, bits(counts.body)));
    // All of them under --full; some of each kind otherwise.
    let every = usize::try_from(tests::rounds(11, 1)).unwrap();
    let mut refused = 0;
    for (place, bits) in places {
        for bit in bits.step_by(every) {
            let Some(spoilt) = flipped(&delivery, place, bit) else {
                continue;
            };
            let answer = linked.send(spoilt).await;
            // A header that is no header, and an address that is none, are refused before the door.
            assert!(
                matches!(answer.status, 400 | 401 | 404),
                "bit {bit} of {place:?}: {answer}"
            );
            refused += 1;
        }
    }
    assert!(refused > 40, "{refused}");
    let stored = "SELECT COUNT(*) FROM inbound_webhook";
    assert_eq!(linked.app.number(stored).await, 0);
    // And the delivery itself is taken.
    let answer = linked.send(delivery).await;
    assert!((200..300).contains(&answer.status), "{answer}");
    assert_eq!(linked.app.number(stored).await, 1);
    linked.app.drain().await;
    linked.app.finish().await;
}

#[tokio::test]
async fn one_flipped_bit_of_hubspots_header_or_body_is_refused() {
    let options = Options::hubspot(HubSpotSetup::empty());
    let linked = Linked::to(integrations::hubspot::ID, options).await;
    linked.settle().await;
    let path = "/hooks/hubspot".to_owned();
    let uri = linked.app.public_url().at(&path);
    let portal = linked.app.hubspot().portal_id();
    let bytes = body(&[changed(portal, "deal", "5", 1)]);
    let now_ms = linked.app.database().now().millis();
    let counts = Counts {
        headers: &["x-hubspot-signature-v3", "x-hubspot-request-timestamp"],
        path: 0..0,
        body: 0..bytes.len(),
    };
    let delivery = Delivery {
        path,
        headers: headers(CLIENT_SECRET, &uri, &bytes, now_ms),
        body: bytes,
    };
    hold(linked, delivery, counts).await;
}

#[tokio::test]
async fn one_flipped_bit_of_shopifys_header_or_body_is_refused() {
    let linked = Linked::to(integrations::shopify::ID, shopify::options()).await;
    linked.settle().await;
    let told = json!({
        "id": 5, "admin_graphql_api_id": "gid://shopify/Order/5", "name": "#5", "financial_status": "paid",
        "total_price": "99.00", "updated_at": "2026-11-01T05:00:00-05:00",
    });
    let bytes = serde_json::to_vec(&told).unwrap();
    let counts = Counts {
        headers: &["x-shopify-hmac-sha256"],
        path: 0..0,
        body: 0..bytes.len(),
    };
    let delivery = shopify::signed(CLIENT_SECRET, "orders/updated", "delivery-1", bytes);
    hold(linked, delivery, counts).await;
}

async fn of_slack(kind: &str, body: impl FnOnce(&Linked) -> Vec<u8>) {
    let linked = Linked::to(integrations::slack::ID, slack::options()).await;
    linked.app.drain().await;
    let bytes = body(&linked);
    let counts = Counts {
        headers: &["x-slack-signature", "x-slack-request-timestamp"],
        path: 0..0,
        body: 0..bytes.len(),
    };
    let now_ms = linked.app.database().now().millis();
    let delivery = slack::signed(SIGNING_SECRET, kind, bytes, now_ms);
    hold(linked, delivery, counts).await;
}

#[tokio::test]
async fn one_flipped_bit_of_slacks_header_or_body_is_refused() {
    let event = |linked: &Linked| {
        let event = json!({
            "type": "event_callback", "team_id": linked.app.slack().tenant(), "api_app_id": "A1", "event_id": "Ev1",
            "event_time": 1, "event": { "type": "channel_rename" },
        });
        serde_json::to_vec(&event).unwrap()
    };
    of_slack("application/json", event).await;
}

/// A press comes as a form, and what is signed are its bytes as they came.
#[tokio::test]
async fn one_flipped_bit_of_a_press_in_slack_is_refused() {
    let press = |linked: &Linked| {
        let team = linked.app.slack().tenant();
        let press = json!({
            "type": "block_actions", "team": { "id": team }, "user": { "id": "U1" },
            "actions": [{ "type": "button", "action_id": "other", "value": "1", "action_ts": "1.0" }],
        });
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.append_pair("payload", &press.to_string());
        form.finish().into_bytes()
    };
    of_slack("application/x-www-form-urlencoded", press).await;
}

/// Salesforce signs nothing: what it knows is the address, and it says whose message it is.
#[tokio::test]
async fn one_flipped_bit_of_salesforces_address_or_organisation_is_refused() {
    let linked = Linked::to(integrations::salesforce::ID, salesforce::options()).await;
    linked.settle().await;
    let path = salesforce::door(&linked).await;
    let org = linked.app.salesforce().tenant();
    let told = [(1, "006000000000001AAA".to_owned())];
    let bytes = salesforce::message(&org, "Opportunity", &told);
    let text = String::from_utf8(bytes.clone()).unwrap();
    let named = text.find(&org).unwrap();
    let counts = Counts {
        headers: &[],
        path: path.rfind('/').unwrap() + 1..path.len(),
        // The rest of an id is its checksum: fifteen characters say which it is.
        body: named..named + 15,
    };
    let delivery = Delivery {
        path,
        headers: vec![("content-type", "text/xml; charset=utf-8".to_owned())],
        body: bytes,
    };
    hold(linked, delivery, counts).await;
}
