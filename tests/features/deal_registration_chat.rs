//! A registration where people talk and where they sell: told in Slack, decided there by who may, and seen in the CRM once it is approved.

use crate::scene::{Scene, done};
use entities::user::{self, NewUser, UserRole};
use entities::viewer::StaffRole;
use integrations::slack;
use sandbox::Kind;
use serde_json::{Value, json};
use std::time::Duration;
use tests::{HubSpotSetup, Options, Setups, SlackSetup, people};

fn options(hubspot: Option<HubSpotSetup>) -> Options {
    let others = Setups {
        slack: Some(SlackSetup::default()),
        ..Setups::default()
    };
    Options {
        hubspot,
        others,
        ..Options::default()
    }
}

/// Connects the chat, and has it told of registrations in the channel of deals.
async fn told(scene: &Scene) -> String {
    let connection = scene.app.connect(slack::ID).await.to_string();
    let query = format!("{{ chatChannels(connectionId: \"{connection}\") {{ id name }} }}");
    let found = scene.app.ask(&scene.app.admin(), &query).await;
    let channel = found
        .list("/chatChannels")
        .iter()
        .find(|channel| channel["name"] == "deals")
        .unwrap()["id"]
        .clone();
    let query = "{ connections { nodes { mapping {
            company { partnerWhen { property values } partnership { type stage } partnerFields { field property } customerFields { field property } policy { push conflicts fields { field policy } } }
            contact { fields { field property } policy { push conflicts fields { field policy } } }
            deal { fields { field property } stages { externalId stage } labels { label role weightBp } policy { push conflicts fields { field policy } } }
        } } } }";
    let known = scene.app.ask(&scene.app.admin(), query).await;
    let mut mapping = known.at("/connections/nodes/0/mapping").clone();
    mapping["chat"] = json!({ "channel": channel, "partners": [], "dealWon": false, "dealLost": false, "registrations": true });
    let input = json!({ "connectionId": connection, "mapping": mapping });
    scene.admin("updateMapping", input, "application").await;
    // What does not speak of registrations leaves them as they are.
    mapping["chat"]
        .as_object_mut()
        .unwrap()
        .remove("registrations");
    let input = json!({ "connectionId": connection, "mapping": mapping });
    let again = scene.admin("updateMapping", input, "application").await;
    assert_eq!(again["application"], "NOTHING");
    scene.app.drain().await;
    connection
}

async fn submitted(scene: &Scene, token: &str, partnership: &str, name: &str) -> String {
    let content = json!({
        "account": { "name": name, "domain": "buyer.example", "country": "DE" }, "contact": { "name": "Kim" }, "products": [],
        "territories": ["DE"], "value": { "amount": "50000", "currency": "USD" }, "useCase": "One bill for all.",
    });
    let input = json!({ "partnershipId": partnership, "content": content });
    let fields = "dealRegistration { id }";
    let app = &scene.app;
    let made = app
        .mutate(token, "createDealRegistration", input, fields)
        .await;
    let made = done(&made, "createDealRegistration");
    let id = made["dealRegistration"]["id"].as_str().unwrap().to_owned();
    let said = app
        .mutate(token, "submitDealRegistration", json!({ "id": id }), fields)
        .await;
    done(&said, "submitDealRegistration");
    settle(scene).await;
    id
}

/// Everything that is due now and in the next seconds.
async fn settle(scene: &Scene) {
    for _ in 0..4 {
        scene.app.drain().await;
        scene.app.advance(Duration::from_secs(5));
    }
    scene.app.drain().await;
}

async fn staff(scene: &Scene, role: StaffRole, name: &str) -> String {
    let mut change = people::change(&scene.app).await;
    let new = NewUser {
        role: UserRole::Staff(role),
        name: name.to_owned(),
        email: format!("{}@us.example", name.to_lowercase()),
    };
    let row = user::invite(&mut change, new).await.unwrap();
    let row = user::activate(&mut change, row, None).await.unwrap();
    change.commit().await.unwrap();
    row.id.to_string()
}

/// The messages of the channel: heading and the rest as text, with the buttons' actions.
fn messages(scene: &Scene) -> Vec<(String, String, Vec<String>)> {
    let shown = |message| {
        let message: Value = serde_json::to_value(message).unwrap();
        let actions: Vec<String> = message["blocks"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|block| block["elements"].as_array())
            .flatten()
            .filter_map(|element| element["action_id"].as_str())
            .map(str::to_owned)
            .collect();
        let ts = message["ts"].as_str().unwrap().to_owned();
        (ts, message["blocks"].to_string(), actions)
    };
    let all = scene.app.slack().messages("deals");
    all.into_iter().map(shown).collect()
}

async fn press(scene: &Scene, message: usize, what: &str, who: usize) {
    let (ts, _, actions) = messages(scene)[message].clone();
    let action = actions
        .iter()
        .find(|action| action.contains(what))
        .unwrap_or_else(|| panic!("{actions:?}"));
    let person = scene.app.slack().people()[who].id.clone();
    scene
        .app
        .slack()
        .press("deals", &ts, action, &person)
        .await
        .unwrap();
    settle(scene).await;
}

async fn status(scene: &Scene, id: &str) -> Value {
    let query = format!(
        "{{ dealRegistration(id: \"{id}\") {{ status decidedBy decision deal {{ name stage partners {{ role weightBp partner {{ name }} }} }} }} }}"
    );
    let answer = scene.app.ask(&scene.app.admin(), &query).await;
    answer.at("/dealRegistration").clone()
}

#[tokio::test]
async fn registrations_are_told_in_slack_and_decided_there_by_who_may() {
    let scene = Scene::start_with(options(None)).await;
    let chat = told(&scene).await;
    let first = submitted(&scene, &scene.own(), &scene.partnership, "Buyer <!channel>").await;
    let shown = messages(&scene);
    assert_eq!(shown.len(), 1);
    let (_, text, actions) = &shown[0];
    assert!(text.contains("Acme") && text.contains("50000.00"), "{text}");
    assert_eq!(actions.len(), 2, "{text}");
    assert!(scene.app.slack().pings().is_empty(), "a name calls nobody");

    // Whose account is nobody's decides nothing; neither does who may not decide.
    press(&scene, 0, "approve", 0).await;
    assert_eq!(status(&scene, &first).await["status"], "SUBMITTED");
    let (_, text, actions) = messages(&scene).remove(0);
    assert!(
        text.contains("may not decide") && actions.len() == 2,
        "{text}"
    );
    let accounts = scene.app.slack().people();
    let link = async |account: usize, user: &str| {
        let id = &accounts[account].id;
        let input = json!({ "connectionId": chat, "chatUserId": id, "userId": user });
        scene.admin("linkChatUser", input, "user { name }").await
    };
    let marketing = staff(&scene, StaffRole::Marketing, "Mia").await;
    let manager = staff(&scene, StaffRole::PartnerManager, "Paula").await;
    link(0, &marketing).await;
    press(&scene, 0, "approve", 0).await;
    assert_eq!(status(&scene, &first).await["status"], "SUBMITTED");
    let taken = json!({ "connectionId": chat, "chatUserId": accounts[0].id, "userId": manager });
    assert_eq!(
        scene.refused("linkChatUser", taken.clone()).await,
        ["TAKEN chatUserId"]
    );
    let unlink = json!({ "connectionId": chat, "chatUserId": accounts[0].id });
    scene
        .admin("unlinkChatUser", unlink.clone(), "user { id }")
        .await;
    assert_eq!(
        scene.refused("unlinkChatUser", unlink).await,
        ["NOT_FOUND chatUserId"]
    );
    let linked = link(0, &manager).await;
    assert_eq!(linked["user"]["name"], "Paula");
    link(0, &manager).await;

    press(&scene, 0, "approve", 0).await;
    let now = status(&scene, &first).await;
    assert_eq!(
        (&now["status"], &now["decidedBy"]),
        (&json!("APPROVED"), &json!(manager))
    );
    assert_eq!(
        now["deal"],
        json!({ "name": "Buyer <!channel>", "stage": "PROSPECT", "partners": [{ "role": "SOURCED", "weightBp": 10_000, "partner": { "name": "Acme" } }] })
    );
    let (_, text, actions) = messages(&scene).remove(0);
    assert!(
        text.contains("Approved by Paula") && actions.is_empty(),
        "{text}"
    );
    let approved = "SELECT COUNT(*) FROM event WHERE kind = 'deal_registration.approved'";
    assert_eq!(scene.app.number(approved).await, 1);

    // What stands against another is not told in the channel, and nothing of the attempt stays.
    let (other, partnership) = scene.partner("Rival").await;
    let token = scene.app.partner_token(other);
    let second = submitted(&scene, &token, &partnership, "Buyer").await;
    assert_eq!(status(&scene, &second).await["status"], "CONFLICTED");
    press(&scene, 1, "approve", 0).await;
    let now = status(&scene, &second).await;
    assert_eq!(
        (&now["status"], &now["deal"]),
        (&json!("CONFLICTED"), &Value::Null)
    );
    let (_, text, actions) = messages(&scene).remove(1);
    assert!(
        text.contains("cannot be decided so") && actions.len() == 2,
        "{text}"
    );
    assert!(!text.contains("Acme"), "{text}");

    // Decided elsewhere meanwhile, a press decides nothing more and the message says what is.
    let input = json!({ "id": second, "reason": "Somebody was first.", "refusal": "DUPLICATE" });
    scene
        .admin("rejectDealRegistration", input, "dealRegistration { id }")
        .await;
    press(&scene, 1, "reject", 0).await;
    assert_eq!(status(&scene, &second).await["status"], "DUPLICATE");
    let (_, text, actions) = messages(&scene).remove(1);
    assert!(text.contains("duplicate") && actions.is_empty(), "{text}");

    // Refused by a button, with words that say nothing of others; and whoever is disabled decides no longer.
    let (third_of, partnership) = scene.partner("Third").await;
    let token = scene.app.partner_token(third_of);
    let content = |name: &str| format!("{name} AG");
    let third = submitted(&scene, &token, &partnership, &content("Else")).await;
    let decided = status(&scene, &third).await;
    assert_eq!(decided["status"], "CONFLICTED", "the same domain");
    let withdrawn = json!({ "id": third, "reason": "a mistake" });
    let answer = scene
        .app
        .mutate(&token, "withdrawDealRegistration", withdrawn, "__typename")
        .await;
    done(&answer, "withdrawDealRegistration");
    let input = json!({ "id": manager });
    scene.admin("disableUser", input, "user { id }").await;
    press(&scene, 2, "reject", 0).await;
    assert_eq!(status(&scene, &third).await["status"], "WITHDRAWN");
    let presses = "SELECT COUNT(*) FROM registration_press WHERE outcome = ";
    for (outcome, count) in [
        ("DONE", 1),
        ("REFUSED", 1),
        ("TOO_LATE", 1),
        ("FORBIDDEN", 3),
    ] {
        let counted = scene.app.number(&format!("{presses}'{outcome}'")).await;
        assert_eq!(counted, count, "{outcome}");
    }
    scene.app.finish().await;
}

#[tokio::test]
async fn a_rejection_by_a_button_tells_the_partner_and_a_second_press_nothing() {
    let scene = Scene::start_with(options(None)).await;
    let chat = told(&scene).await;
    let account = scene.app.slack().people()[1].id.clone();
    let admin = staff(&scene, StaffRole::Admin, "Ada").await;
    let input = json!({ "connectionId": chat, "chatUserId": account, "userId": admin });
    scene.admin("linkChatUser", input, "user { id }").await;
    let id = submitted(&scene, &scene.own(), &scene.partnership, "Buyer").await;
    let (ts, _, actions) = messages(&scene).remove(0);
    let reject = actions.iter().find(|one| one.contains("reject")).unwrap();
    for _ in 0..2 {
        let pressed = scene
            .app
            .slack()
            .press("deals", &ts, reject, &account)
            .await;
        pressed.unwrap();
    }
    settle(&scene).await;
    let now = status(&scene, &id).await;
    assert_eq!(now["status"], "REJECTED");
    assert!(now["decision"].as_str().unwrap().contains("not accepted"));
    let rejected = "SELECT COUNT(*) FROM event WHERE kind = 'deal_registration.rejected'";
    assert_eq!(scene.app.number(rejected).await, 1);
    assert_eq!(messages(&scene).len(), 1);
    scene.app.finish().await;
}

#[tokio::test]
async fn an_approved_registration_is_a_deal_of_its_partner_in_the_crm() {
    let setup = HubSpotSetup::generated(1).with_webhooks();
    let scene = Scene::start_with(Options::hubspot(setup)).await;
    let app = &scene.app;
    let connection = app.connect_hubspot().await;
    app.sync(connection).await;
    settle(&scene).await;
    let store = app.hubspot().store();
    store.add_label(Kind::Deals, Kind::Companies, "Partner");
    let id = submitted(&scene, &scene.own(), &scene.partnership, "Buyer GmbH").await;
    assert_eq!(
        store.find_by(Kind::Deals, "dealname", "Buyer GmbH").len(),
        0
    );
    let input = json!({ "id": id });
    scene
        .admin("approveDealRegistration", input, "dealRegistration { id }")
        .await;
    settle(&scene).await;
    app.hubspot().webhooks_idle().await;
    settle(&scene).await;
    let waiting: Vec<Option<String>> = app
        .rows("SELECT error FROM outbound_push")
        .await
        .iter()
        .map(|row| row.try_get_by_index(0).unwrap())
        .collect();
    assert_eq!(waiting, Vec::<Option<String>>::new());
    let found = store.find_by(Kind::Deals, "dealname", "Buyer GmbH");
    assert_eq!(found.len(), 1);
    let there = store.get(Kind::Deals, found[0]).unwrap().properties;
    assert_eq!(there["amount"], "50000.00");
    let acme = store.find_by(Kind::Companies, "name", "Acme");
    assert_eq!(acme.len(), 1);
    let ends = store.find_by(Kind::Companies, "name", "Buyer GmbH");
    assert_eq!(ends.len(), 1);
    // Both ends came back as what they were: nothing is doubled and nobody lost.
    app.sync(connection).await;
    settle(&scene).await;
    let now = status(&scene, &id).await;
    assert_eq!(
        now["deal"]["partners"],
        json!([{ "role": "SOURCED", "weightBp": 10_000, "partner": { "name": "Acme" } }])
    );
    // Converted, it is the same deal; withdrawn before, it would have been lost.
    let input = json!({ "id": id });
    scene
        .admin("convertDealRegistration", input, "dealRegistration { id }")
        .await;
    let deals = "SELECT COUNT(*) FROM deal WHERE name = 'Buyer GmbH'";
    assert_eq!(app.number(deals).await, 1);
    assert_eq!(
        app.number("SELECT COUNT(*) FROM outbound_push WHERE dead")
            .await,
        0
    );
    scene.app.finish().await;
}
