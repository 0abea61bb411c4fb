//! Telling people: the channels there are, a mapping that names one, and what became of a deal's message.

use integrations::slack;
use serde_json::{Value, json};
use std::time::Duration;
use tests::{Answer, HubSpotSetup, Options, Setups, SlackSetup, TestApp};

async fn with_slack() -> TestApp {
    let others = Setups {
        slack: Some(SlackSetup::default()),
        ..Setups::default()
    };
    TestApp::start(Options {
        others,
        ..Options::default()
    })
    .await
}

const MAPPING: &str = "{ connections { nodes { id version mapping {
    company { partnerWhen { property values } partnership { type stage } partnerFields { field property } customerFields { field property } policy { push conflicts fields { field policy } } }
    contact { fields { field property } policy { push conflicts fields { field policy } } }
    deal { fields { field property } stages { externalId stage } labels { label role weightBp } policy { push conflicts fields { field policy } } }
    order { deals partnerFrom { property partners { value partner } byDomain } role weightBp policy { push conflicts fields { field policy } } }
    chat { channel partners { partnerId channel } dealWon dealLost }
} } } }";

async fn mapping(app: &TestApp) -> Value {
    let answer = app.ask(&app.admin(), MAPPING).await;
    answer.at("/connections/nodes/0/mapping").clone()
}

async fn channels(app: &TestApp, connection: &str) -> Answer {
    let query =
        format!("{{ chatChannels(connectionId: \"{connection}\") {{ id name isMember }} }}");
    app.graphql(&app.admin(), &query, json!({})).await
}

async fn tell_of_deals(app: &TestApp, connection: &str) -> String {
    let found = channels(app, connection).await;
    let deals = found
        .list("/chatChannels")
        .iter()
        .find(|channel| channel["name"] == "deals")
        .unwrap_or_else(|| panic!("{found}"));
    let channel = deals["id"].as_str().unwrap().to_owned();
    let mut new = mapping(app).await;
    new["chat"] = json!({ "channel": channel, "partners": [], "dealWon": true, "dealLost": false });
    let input = json!({ "connectionId": connection, "mapping": new });
    let done = app
        .mutate(&app.admin(), "updateMapping", input, "application")
        .await;
    assert_eq!(
        done.refusals("updateMapping"),
        Vec::<String>::new(),
        "{done}"
    );
    channel
}

#[tokio::test]
async fn a_won_deal_is_told_and_a_press_confirms_it() {
    let app = with_slack().await;
    let connection = app.connect(slack::ID).await.to_string();
    let channel = tell_of_deals(&app, &connection).await;
    let said = mapping(&app).await;
    assert_eq!(said["chat"]["channel"], channel.as_str());
    app.drain().await;

    let made = app
        .mutate(
            &app.admin(),
            "createDeal",
            json!({ "name": "Harbour <!channel>", "amount": { "amount": "1200.00", "currency": "EUR" } }),
            "deal { id }",
        )
        .await;
    let deal = made.text("/createDeal/deal/id");
    app.mutate(
        &app.admin(),
        "winDeal",
        json!({ "id": deal }),
        "deal { id }",
    )
    .await;
    app.drain().await;
    let messages = app.slack().messages("deals");
    assert_eq!(messages.len(), 1, "{messages:?}");
    assert!(app.slack().pings().is_empty(), "a name calls nobody");
    let query = format!(
        "{{ deal(id: \"{deal}\") {{ outcomeConfirmation {{ outcome decision userId userName connectionId }} }} }}"
    );
    let silent = app.ask(&app.admin(), &query).await;
    assert!(silent.at("/deal/outcomeConfirmation").is_null());

    let shown = serde_json::to_value(&messages[0]).unwrap();
    let action = shown["blocks"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|block| block["elements"].as_array())
        .flatten()
        .filter_map(|element| element["action_id"].as_str())
        .find(|action| action.contains("confirm"))
        .unwrap_or_else(|| panic!("{shown}"))
        .to_owned();
    let person = app.slack().people().remove(0);
    let ts = shown["ts"].as_str().unwrap();
    app.slack()
        .press("deals", ts, &action, &person.id)
        .await
        .unwrap();
    app.drain().await;
    let confirmed = app.ask(&app.admin(), &query).await;
    let said = confirmed.at("/deal/outcomeConfirmation");
    assert_eq!(
        (
            &said["outcome"],
            &said["decision"],
            &said["userId"],
            &said["connectionId"]
        ),
        (
            &json!("WON"),
            &json!("CONFIRMED"),
            &json!(person.id),
            &json!(connection)
        ),
        "{confirmed}"
    );
    app.finish().await;
}

#[tokio::test]
async fn a_message_that_cannot_be_posted_is_listed_and_replayed() {
    let mut app = with_slack().await;
    app.expect_warning("a message could not be said");
    let connection = app.connect(slack::ID).await.to_string();
    tell_of_deals(&app, &connection).await;
    app.drain().await;
    let made = app
        .mutate(
            &app.admin(),
            "createDeal",
            json!({ "name": "One" }),
            "deal { id }",
        )
        .await;
    let deal = made.text("/createDeal/deal/id");
    app.slack().archive_channel("deals", true).unwrap();
    app.mutate(
        &app.admin(),
        "winDeal",
        json!({ "id": deal }),
        "deal { id }",
    )
    .await;
    app.drain().await;
    let query = format!(
        "{{ syncFailures(connectionId: \"{connection}\", direction: CHAT) {{ edges {{ cursor node {{ id direction subjectId channel error resource }} }} pageInfo {{ hasNextPage }} }} connections {{ nodes {{ health {{ dead }} }} }} }}"
    );
    let listed = app.ask(&app.admin(), &query).await;
    let failure = listed.at("/syncFailures/edges/0/node");
    assert_eq!(
        (
            &failure["direction"],
            &failure["subjectId"],
            &failure["resource"]
        ),
        (&json!("CHAT"), &json!(deal), &Value::Null),
        "{listed}"
    );
    assert!(
        failure["error"].as_str().unwrap().contains("archived"),
        "{listed}"
    );
    app.slack().archive_channel("deals", false).unwrap();
    let input = json!({ "connectionId": connection, "ids": [failure["id"]] });
    let replayed = app
        .mutate(&app.admin(), "replaySyncFailures", input, "replayed")
        .await;
    assert_eq!(replayed.at("/replaySyncFailures/replayed"), 1, "{replayed}");
    // A channel takes one message a second, also after one that was refused.
    app.advance(Duration::from_secs(2));
    app.drain().await;
    assert_eq!(app.slack().messages("deals").len(), 1);
    let listed = app.ask(&app.admin(), &query).await;
    assert!(listed.list("/syncFailures/edges").is_empty(), "{listed}");

    // Nothing is left to replay.
    let none = app
        .mutate(
            &app.admin(),
            "replaySyncFailures",
            json!({ "connectionId": connection, "direction": "CHAT" }),
            "replayed",
        )
        .await;
    assert_eq!(none.at("/replaySyncFailures/replayed"), 0, "{none}");
    app.finish().await;
}

#[tokio::test]
async fn channels_are_asked_of_a_chat_only() {
    let app = TestApp::start(Options::hubspot(HubSpotSetup::empty())).await;
    let connection = app.connect_hubspot().await.to_string();
    for id in [
        connection.as_str(),
        "connection_01h2xcejqtf2nbrexx3vqjhp41",
        "nonsense",
    ] {
        let refused = channels(&app, id).await;
        assert_eq!(refused.codes(), ["BAD_USER_INPUT"], "{id}: {refused}");
    }
    app.drain().await;
    app.finish().await;
}

#[tokio::test]
async fn a_mapping_that_does_not_speak_of_a_chat_leaves_it_as_it_is() {
    let app = with_slack().await;
    let connection = app.connect(slack::ID).await.to_string();
    let channel = tell_of_deals(&app, &connection).await;
    let mut old = mapping(&app).await;
    old.as_object_mut().unwrap().remove("chat");
    old.as_object_mut().unwrap().remove("order");
    let input = json!({ "connectionId": connection, "mapping": old });
    let done = app
        .mutate(&app.admin(), "updateMapping", input, "application")
        .await;
    assert_eq!(done.at("/updateMapping/application"), "NOTHING", "{done}");
    assert_eq!(mapping(&app).await["chat"]["channel"], channel.as_str());
    app.drain().await;
    app.finish().await;
}
