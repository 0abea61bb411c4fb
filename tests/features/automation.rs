//! Automations: what is taken and refused, what is said where, what stays silent and why, and trying one without saying anything.

use super::webhook_endpoint::{endpoint, partner};
use entities::automation_run::{self, Claiming};
use entities::change::{Author, Change, Origin};
use entities::clock::Timestamp;
use entities::partner::NewPartner;
use entities::user::{self, UserRole};
use entities::viewer::{PartnerRole, Scope, Scopes, StaffRole, ViewerKind};
use integrations::notify::ChatMessage;
use integrations::slack;
use integrations::sync::Noting;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use std::time::Duration;
use tests::people::{self, member};
use tests::{Answer, Options, Receiver, Setups, SlackSetup, TestApp};

const ROW: &str = "automation { id version name type selection perHour status disabledReason owner conditions { path operator values } \
    action { chat { connectionId channel title text } mail { userIds subject text } webhook { endpointId } } }";

async fn make(app: &TestApp, input: Value) -> Answer {
    app.mutate(&app.admin(), "createAutomation", input, ROW)
        .await
}

async fn made(app: &TestApp, input: Value) -> String {
    let answer = make(app, input).await;
    assert_eq!(
        answer.refusals("createAutomation"),
        Vec::<String>::new(),
        "{answer}"
    );
    answer.text("/createAutomation/automation/id")
}

async fn runs(app: &TestApp) -> Vec<(String, String)> {
    let list = "{ automationRuns(orderBy: [{field: CREATED_AT, direction: ASC}]) { nodes { state reason } } }";
    let answer = app.ask(&app.admin(), list).await;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let nodes = answer.list("/automationRuns/nodes");
    nodes
        .iter()
        .map(|run| (text(&run["state"]), text(&run["reason"])))
        .collect()
}

/// A deal that is won.
async fn won(app: &TestApp, name: &str, amount: &str) -> String {
    let input = json!({ "name": name, "amount": { "amount": amount, "currency": "EUR" } });
    let deal = app
        .mutate(&app.admin(), "createDeal", input, "deal { id }")
        .await;
    let deal = deal.text("/createDeal/deal/id");
    app.mutate(
        &app.admin(),
        "winDeal",
        json!({ "id": deal }),
        "deal { id }",
    )
    .await;
    deal
}

async fn reader(app: &TestApp) -> user::Model {
    let role = UserRole::Staff(StaffRole::Support);
    member(app, role, "Ada", "ada@contoso.example").await
}

/// The subjects and texts of what was mailed by automations, the oldest first.
async fn mailed(app: &TestApp) -> Vec<(String, String)> {
    let shown = app.state.people.mail().shown().await.unwrap().unwrap();
    let said = shown.into_iter().rev().map(|shown| {
        let text = shown.message.text.expose_secret().to_owned();
        (shown.message.subject, text)
    });
    said.filter(|(subject, _)| !subject.starts_with("You are invited"))
        .collect()
}

fn mail_to(user: &user::Model) -> Value {
    json!({ "mail": { "userIds": [user.id.to_string()] } })
}

#[tokio::test]
async fn a_mail_is_written_when_its_conditions_are_met_and_only_then() {
    let app = TestApp::start(people::standing()).await;
    let ada = reader(&app).await;
    won(&app, "Before", "99999").await;
    app.advance(Duration::from_secs(1));
    let input = json!({
        "name": "Large deals", "preset": "deal-won", "action": mail_to(&ada),
        "conditions": [{ "path": "subject.amount.amount", "operator": "GTE", "values": ["1000"] }],
    });
    made(&app, input).await;
    won(&app, "Small", "999.99").await;
    won(&app, "Large\r\nBcc: eve@evil.example", "1000").await;
    app.drain().await;
    assert_eq!(
        mailed(&app).await,
        [(
            "Deal won: Large  Bcc: eve@evil.example".to_owned(),
            "Large\r\nBcc: eve@evil.example is won: 1000.00 EUR.".to_owned()
        )],
        "what was before is history, what is small is not said, and a name begins no header"
    );
    let done = runs(&app).await;
    assert_eq!(
        done,
        [
            (
                "SKIPPED".to_owned(),
                "a condition on subject.amount.amount is not met".to_owned()
            ),
            ("DONE".to_owned(), String::new())
        ]
    );
    app.drain().await;
    assert_eq!(mailed(&app).await.len(), 1, "once");
    app.end().await;
}

#[tokio::test]
async fn a_message_is_posted_in_a_chat_and_pings_nobody() {
    let others = Setups {
        slack: Some(SlackSetup::default()),
        ..Setups::default()
    };
    let app = TestApp::start(Options {
        others,
        ..Options::default()
    })
    .await;
    let connection = app.connect(slack::ID).await.to_string();
    let query = format!("{{ chatChannels(connectionId: {connection:?}) {{ id name }} }}");
    let found = app.ask(&app.admin(), &query).await;
    let channels = found.list("/chatChannels");
    let deals = channels.iter().find(|channel| channel["name"] == "deals");
    let channel = deals.unwrap()["id"].clone();
    let chat = json!({ "connectionId": connection, "channel": channel });
    let input = json!({ "name": "Deals", "preset": "deal-won", "action": { "chat": chat } });
    // Who may manage webhooks only posts in no chat.
    let little = app.token([Scope::WebhooksManage, Scope::EventsRead]);
    let refused = app
        .mutate(
            &little,
            "createAutomation",
            input.clone(),
            "userErrors { code }",
        )
        .await;
    assert!(
        !refused.refusals("createAutomation").is_empty(),
        "{refused}"
    );
    made(&app, input).await;
    for name in ["Harbour <!channel>", "Bridge <@U1> &amp; @here"] {
        won(&app, name, "1200").await;
    }
    for _ in 0..4 {
        app.drain().await;
        app.advance(Duration::from_secs(5));
    }
    let said = serde_json::to_string(&app.slack().messages("deals")).unwrap();
    assert_eq!(app.slack().messages("deals").len(), 2, "{said}");
    assert!(said.contains("Deal won: Harbour <!channel>"), "{said}");
    assert!(app.slack().pings().is_empty(), "a name calls nobody");
    let done: Vec<String> = runs(&app)
        .await
        .into_iter()
        .map(|(state, _)| state)
        .collect();
    assert_eq!(done, ["DONE", "DONE"]);
    app.end().await;
}

#[tokio::test]
async fn an_endpoint_is_called_that_hears_nothing_by_itself() {
    let receiver = Receiver::start();
    let app = TestApp::start(Options {
        receivers: vec![receiver.address()],
        ..Options::standing_at("2026-11-21T12:00:00Z")
    })
    .await;
    let (id, secret) = endpoint(
        &app,
        &app.admin(),
        &receiver.url("/called"),
        json!({ "onlyCalled": true, "selection": "{ subject { ... on Partner { name } } }" }),
    )
    .await;
    let input = json!({
        "name": "Gold", "type": "partner.created", "selection": "{ subject { ... on Partner { name } } }",
        "conditions": [{ "path": "subject.name", "operator": "CONTAINS", "values": ["gold"] }],
        "action": { "webhook": { "endpointId": id } },
    });
    let automation = made(&app, input).await;
    partner(&app, "Silver").await;
    partner(&app, "All Gold").await;
    app.drain().await;
    let messages = receiver.take();
    assert_eq!(messages.len(), 1);
    assert!(messages[0].is_signed_by(&secret));
    assert_eq!(messages[0].json()["data"]["subject"]["name"], "All Gold");
    // Who calls it holds it.
    let delete = json!({ "id": id });
    let held = app
        .mutate(
            &app.admin(),
            "deleteWebhookEndpoint",
            delete.clone(),
            "deletedId",
        )
        .await;
    assert_eq!(held.refusals("deleteWebhookEndpoint"), ["LOCKED id"]);
    let gone = app
        .mutate(
            &app.admin(),
            "deleteAutomation",
            json!({ "id": automation }),
            "deletedId",
        )
        .await;
    assert_eq!(gone.text("/deleteAutomation/deletedId"), automation);
    assert_eq!(app.number("SELECT COUNT(*) FROM automation_run").await, 0);
    let gone = app
        .mutate(&app.admin(), "deleteWebhookEndpoint", delete, "deletedId")
        .await;
    assert_eq!(gone.text("/deleteWebhookEndpoint/deletedId"), id);
    partner(&app, "Gold again").await;
    app.drain().await;
    assert!(receiver.take().is_empty());
    app.finish().await;
}

#[tokio::test]
async fn what_is_wrong_is_refused_when_it_is_made() {
    let app = TestApp::start(people::standing()).await;
    let ada = reader(&app).await;
    let selection = "{ type data subject { ... on Deal { name amount { amount } } } }";
    let input = |change: Value| {
        let mut input = json!({
            "name": "Won", "type": "deal.won", "selection": selection,
            "action": { "mail": { "userIds": [ada.id.to_string()], "subject": "Won", "text": "{{ subject.name }}" } },
        });
        for (name, value) in change.as_object().unwrap() {
            input[name] = value.clone();
        }
        input
    };
    let mail = |subject: &str, text: &str| json!({ "action": { "mail": { "userIds": [ada.id.to_string()], "subject": subject, "text": text } } });
    let when = |path: &str, operator: &str, values: &[&str]| json!({ "conditions": [{ "path": path, "operator": operator, "values": values }] });
    for (change, refusal) in [
        (json!({ "name": " " }), "BLANK name"),
        (json!({ "type": "deal.wonn" }), "INVALID type"),
        (json!({ "selection": "{ nobody }" }), "INVALID selection"),
        (
            json!({ "selection": "{ id } viewer { id }" }),
            "INVALID selection",
        ),
        (json!({ "perHour": 0 }), "INVALID perHour"),
        (
            json!({ "partnerIds": ["partner_01h2xcejqtf2nbrexx3vqjhp41"] }),
            "NOT_FOUND partnerIds",
        ),
        (json!({ "preset": "no-such" }), "NOT_FOUND preset"),
        (json!({ "action": {} }), "INVALID action"),
        (
            json!({ "action": { "mail": { "userIds": [], "subject": "s", "text": "t" } } }),
            "INVALID action.mail.userIds",
        ),
        (
            json!({ "action": { "mail": { "userIds": ["user_01h2xcejqtf2nbrexx3vqjhp41"], "subject": "s", "text": "t" } } }),
            "NOT_FOUND action.mail.userIds.0",
        ),
        (
            json!({ "action": { "webhook": { "endpointId": "webhook_endpoint_01h2xcejqtf2nbrexx3vqjhp41" } } }),
            "NOT_FOUND action.webhook.endpointId",
        ),
        (mail("", "x"), "BLANK action.mail.subject"),
        (
            mail("Won", "{{ subject.nickname }}"),
            "INVALID action.mail.text",
        ),
        (mail("Won", "{{ subject.name"), "INVALID action.mail.text"),
        (mail("{% set x = 1 %}", "x"), "INVALID action.mail.subject"),
        (
            when("subject.nickname", "EXISTS", &[]),
            "INVALID conditions.0.path",
        ),
        (
            when("subject.amount.amount", "GT", &["many"]),
            "INVALID conditions.0.values.0",
        ),
        (
            when("subject.name", "GT", &["a"]),
            "INVALID conditions.0.operator",
        ),
        (
            when("subject.name", "EQ", &[]),
            "INVALID conditions.0.values",
        ),
    ] {
        let answer = make(&app, input(change.clone())).await;
        assert_eq!(answer.refusals("createAutomation"), [refusal], "{change}");
    }
    assert_eq!(app.number("SELECT COUNT(*) FROM automation").await, 0);
    let checked = make(&app, input(json!({ "validateOnly": true }))).await;
    assert_eq!(checked.refusals("createAutomation"), Vec::<String>::new());
    assert_eq!(app.number("SELECT COUNT(*) FROM automation").await, 0);
    let once = input(json!({ "idempotencyKey": "k" }));
    assert_eq!(made(&app, once.clone()).await, made(&app, once).await);
    app.end().await;
}

#[tokio::test]
async fn every_preset_is_taken_as_it_stands() {
    let receiver = Receiver::start();
    let app = TestApp::start(Options {
        receivers: vec![receiver.address()],
        ..people::standing()
    })
    .await;
    let ada = reader(&app).await;
    let list = "{ automationPresets { name type title text selection conditions { path operator values } } }";
    let answer = app.ask(&app.admin(), list).await;
    let presets = answer.list("/automationPresets");
    assert!(presets.len() >= 5);
    for preset in presets {
        let input =
            json!({ "name": preset["name"], "preset": preset["name"], "action": mail_to(&ada) });
        let answer = make(&app, input).await;
        assert_eq!(
            answer.refusals("createAutomation"),
            Vec::<String>::new(),
            "{preset}"
        );
        let row = answer.at("/createAutomation/automation");
        assert_eq!(row["type"], preset["type"]);
        assert_eq!(row["conditions"], preset["conditions"]);
    }
    // The notice of a disabled endpoint, for one.
    let (id, _) = endpoint(&app, &app.admin(), &receiver.url("/x"), json!({})).await;
    let mut change = people::change(&app).await;
    let system = entities::viewer::Viewer::system("tests");
    let row = entities::webhook_endpoint::lock(&change, &system, id.parse().unwrap(), None)
        .await
        .unwrap();
    entities::webhook_endpoint::disable(&mut change, row, "no delivery has arrived for five days")
        .await
        .unwrap();
    change.commit().await.unwrap();
    app.drain().await;
    let said = mailed(&app).await;
    assert_eq!(said.len(), 1, "{said:?}");
    assert_eq!(said[0].0, "Webhook endpoint disabled: Ours");
    assert!(said[0].1.contains("no delivery has arrived for five days"));
    app.end().await;
}

#[tokio::test]
async fn trying_one_says_everything_and_sends_nothing() {
    let app = TestApp::start(people::standing()).await;
    let ada = reader(&app).await;
    let input = json!({
        "name": "Won", "preset": "deal-won", "action": mail_to(&ada),
        "conditions": [{ "path": "subject.name", "operator": "NE", "values": ["Small"] }],
    });
    let automation = made(&app, input).await;
    app.mutate(
        &app.admin(),
        "disableAutomation",
        json!({ "id": automation }),
        ROW,
    )
    .await;
    let event_of = async |deal: &str| {
        let query =
            "{ events(types: [\"deal.won\"], first: 100) { edges { node { id subjectId } } } }";
        let answer = app.ask(&app.admin(), query).await;
        let edges = answer.list("/events/edges");
        let found = edges.iter().find(|edge| edge["node"]["subjectId"] == deal);
        found.unwrap()["node"]["id"].clone()
    };
    let large = event_of(&won(&app, "Large", "5").await).await;
    let small = event_of(&won(&app, "Small", "5").await).await;
    let attempt = async |token: &str, event: &Value| {
        let input = json!({ "id": automation, "eventId": event });
        app.mutate(
            token,
            "testAutomation",
            input,
            "test { acts reason title text }",
        )
        .await
    };
    assert_eq!(
        attempt(&app.admin(), &large)
            .await
            .at("/testAutomation/test"),
        &json!({ "acts": true, "reason": null, "title": "Deal won: Large", "text": "Large is won: 5.00 EUR." })
    );
    assert_eq!(
        attempt(&app.admin(), &small)
            .await
            .at("/testAutomation/test"),
        &json!({ "acts": false, "reason": "a condition on subject.name is not met", "title": null, "text": null })
    );
    // Support may read less than the administrator who made it.
    let support = app.token_for(ViewerKind::Staff(StaffRole::Support), Scopes::all());
    let less = attempt(&support, &large).await;
    assert_eq!(less.refusals("testAutomation"), ["LOCKED id"]);
    app.drain().await;
    assert!(mailed(&app).await.is_empty() && runs(&app).await.is_empty());
    app.end().await;
}

#[tokio::test]
async fn history_an_automations_own_events_and_too_many_are_not_acted_on() {
    let app = TestApp::start(people::standing()).await;
    let ada = reader(&app).await;
    let say = json!({ "mail": { "userIds": [ada.id.to_string()], "subject": "{{ type }}", "text": "x" } });
    let all = ["partner.created", "automation.disabled"];
    for kind in all {
        let input = json!({ "name": kind, "type": kind, "selection": "{ type }", "action": say, "perHour": 3 });
        made(&app, input).await;
    }
    let import = Author {
        actor: "tests".to_owned(),
        origin: Origin::Import,
        connection: None,
    };
    let mut change = Change::begin(app.database(), import).await.unwrap();
    entities::partner::create(&mut change, vec![NewPartner::named("Old")])
        .await
        .unwrap();
    change.commit().await.unwrap();
    app.drain().await;
    assert!(mailed(&app).await.is_empty(), "history does not act");
    for n in 0..5 {
        partner(&app, &format!("P{n}")).await;
    }
    app.drain().await;
    assert_eq!(mailed(&app).await.len(), 3, "so many an hour");
    let over = "it has acted as often as it may in an hour";
    let limited = runs(&app).await;
    assert_eq!(limited.iter().filter(|(_, why)| why == over).count(), 2);
    app.advance(Duration::from_secs(3_601));
    partner(&app, "Later").await;
    app.drain().await;
    assert_eq!(mailed(&app).await.len(), 4);

    // Disabled by the runner itself: an event that an automation brought about, and nobody hears of it.
    let role = UserRole::Staff(StaffRole::Admin);
    let bob = member(&app, role, "Bob", "bob@contoso.example").await;
    member(&app, role, "Eve", "eve@contoso.example").await;
    let request = api::oauth::token::TokenRequest {
        subject: bob.id.to_string(),
        client_id: "tests".to_owned(),
        kind: ViewerKind::Staff(StaffRole::Admin),
        scopes: Scopes::all(),
        lifetime_seconds: 3_600,
        basis: api::oauth::token::Basis {
            subject_epoch: 1,
            ..api::oauth::token::Basis::default()
        },
    };
    let token = app.issue(&request);
    let input = json!({ "name": "Bob's", "type": "partner.created", "selection": "{ type }", "action": say });
    let answer = app.mutate(&token, "createAutomation", input, ROW).await;
    assert_eq!(
        answer.refusals("createAutomation"),
        Vec::<String>::new(),
        "{answer}"
    );
    let id = answer.text("/createAutomation/automation/id");
    let mut change = people::change(&app).await;
    user::disable(&mut change, bob).await.unwrap();
    change.commit().await.unwrap();
    let before = mailed(&app).await.len();
    partner(&app, "Last").await;
    app.drain().await;
    let row = app
        .ask(
            &app.admin(),
            &format!("{{ automation(id: {id:?}) {{ status disabledReason }} }}"),
        )
        .await;
    assert_eq!(row.at("/automation")["status"], "DISABLED");
    assert!(
        row.text("/automation/disabledReason")
            .starts_with("its owner may not")
    );
    let told = "SELECT COUNT(*) FROM event WHERE kind = 'automation.disabled'";
    assert_eq!(app.number(told).await, 1);
    assert_eq!(
        mailed(&app).await.len(),
        before + 1,
        "the first one's, of the partner"
    );
    app.end().await;
}

#[tokio::test]
async fn what_is_disabled_does_nothing_more_and_hears_nothing_it_missed() {
    let app = TestApp::start(people::standing()).await;
    let ada = reader(&app).await;
    let say = json!({ "mail": { "userIds": [ada.id.to_string()], "subject": "{{ subject.name }}", "text": "x" } });
    let selection = "{ subject { ... on Partner { name } } }";
    let input =
        json!({ "name": "N", "type": "partner.created", "selection": selection, "action": say });
    let id = made(&app, input).await;
    let change = async |mutation: &str| {
        let answer = app
            .mutate(&app.admin(), mutation, json!({ "id": id }), ROW)
            .await;
        assert_eq!(answer.refusals(mutation), Vec::<String>::new());
    };
    change("disableAutomation").await;
    partner(&app, "Missed").await;
    app.advance(Duration::from_secs(1));
    change("enableAutomation").await;
    partner(&app, "Heard").await;
    app.drain().await;
    let said: Vec<String> = mailed(&app).await.into_iter().map(|(it, _)| it).collect();
    assert_eq!(said, ["Heard"]);
    let stale = json!({ "id": id, "expectedVersion": 1, "name": "Other" });
    let refused = app
        .mutate(&app.admin(), "updateAutomation", stale, ROW)
        .await;
    assert_eq!(
        refused.refusals("updateAutomation"),
        ["VERSION_CONFLICT expectedVersion"]
    );
    let changed = json!({ "id": id, "conditions": [{ "path": "subject.name", "operator": "EQ", "values": ["Nobody"] }] });
    app.mutate(&app.admin(), "updateAutomation", changed, ROW)
        .await;
    partner(&app, "Filtered").await;
    app.drain().await;
    assert_eq!(mailed(&app).await.len(), 1);
    app.end().await;
}

#[tokio::test]
async fn partners_have_none_and_see_none() {
    let app = TestApp::start(people::standing()).await;
    let ada = reader(&app).await;
    let input = json!({ "name": "Won", "preset": "deal-won", "action": mail_to(&ada) });
    let id = made(&app, input.clone()).await;
    let own = people::partner(&app, "Own").await;
    let kind = ViewerKind::Partner(own, PartnerRole::Admin);
    let token = app.token_for(kind, Scopes::all());
    let seen = format!(
        "{{ automation(id: {id:?}) {{ id }} automations {{ totalCount }} automationRuns {{ totalCount }} node(id: {id:?}) {{ id }} }}"
    );
    let answer = app.ask(&token, &seen).await;
    assert!(answer.at("/automation").is_null() && answer.at("/node").is_null());
    assert_eq!(answer.at("/automations/totalCount"), 0);
    let refused = app.mutate(&token, "createAutomation", input, ROW).await;
    assert_eq!(refused.codes(), ["FORBIDDEN"]);
    for mutation in ["deleteAutomation", "enableAutomation", "disableAutomation"] {
        let selection = if mutation == "deleteAutomation" {
            "deletedId"
        } else {
            ROW
        };
        let refused = app
            .mutate(&token, mutation, json!({ "id": id }), selection)
            .await;
        assert_eq!(refused.codes(), ["FORBIDDEN"], "{mutation}");
    }
    app.end().await;
}

/// A run's row, noted as the runner notes it.
struct Noted<'a>(&'a TestApp, automation_run::Model);

#[async_trait::async_trait]
impl Noting for Noted<'_> {
    async fn note(&self, at: Option<Timestamp>) -> Result<(), entities::error::Error> {
        let write = self.0.database().write();
        assert!(automation_run::note_sent(write, &self.1, at).await?);
        Ok(())
    }
}

#[tokio::test]
async fn a_message_that_may_be_there_is_looked_for_before_it_is_posted_again() {
    let others = Setups {
        slack: Some(SlackSetup::default()),
        ..Setups::default()
    };
    let app = TestApp::start(Options {
        others,
        ..Options::default()
    })
    .await;
    app.slack().invite_app("deals", true).unwrap();
    let connection = app.connect(slack::ID).await;
    let query = format!("{{ chatChannels(connectionId: \"{connection}\") {{ id name }} }}");
    let found = app.ask(&app.admin(), &query).await;
    let channels = found.list("/chatChannels");
    let deals = channels.iter().find(|channel| channel["name"] == "deals");
    let channel = deals.unwrap()["id"].as_str().unwrap().to_owned();
    let chat = json!({ "connectionId": connection.to_string(), "channel": channel });
    made(
        &app,
        json!({ "name": "Deals", "preset": "deal-won", "action": { "chat": chat } }),
    )
    .await;
    won(&app, "Harbour", "1200").await;
    app.log_settled().await;
    let runner = &app.state.core.runner;
    while runner.listen().await.unwrap() {}
    // A runner claims the run, notes that the message leaves, posts it, and dies.
    let claiming = Claiming {
        worker: uuid::Uuid::from_u128(7),
        lease_millis: 1_000,
        limit: 1,
        max_attempts: 6,
    };
    let run = automation_run::claim(app.database(), claiming)
        .await
        .unwrap()
        .remove(0);
    let message = ChatMessage {
        channel,
        reference: run.id.to_string(),
        heading: "Deal won: Harbour".to_owned(),
        text: None,
        facts: Vec::new(),
        link: None,
        note: None,
        buttons: Vec::new(),
    };
    let engine = &app.state.core.engine;
    let noted = Noted(&app, run);
    engine
        .post_noted(connection, &message, &noted)
        .await
        .unwrap();
    assert_eq!(app.slack().messages("deals").len(), 1);
    assert_eq!(app.automate().await, 0, "its lease holds");
    app.advance(Duration::from_secs(5));
    app.automate().await;
    assert_eq!(app.slack().messages("deals").len(), 1, "found, not posted");
    assert_eq!(runs(&app).await, [("DONE".to_owned(), String::new())]);
    app.end().await;
}
