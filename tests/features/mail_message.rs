//! Mail is not lost: it is a row from the change that causes it until the mail server has it, sealed, tried again, and given up where people see it.

use api::worker::retention::{Retention, step};
use serde_json::json;
use std::time::Duration;
use tests::people::{invited, member, options, partner};
use tests::{MailServer, Options, TestApp};

use entities::user::UserRole;
use entities::viewer::{PartnerRole, StaffRole};

const ADA: &str = "ada@contoso.example";

fn with(server: &MailServer) -> Options {
    let standing = Options::standing_at("2026-11-21T10:00:00Z");
    standing
        .with("ENTENTE_MAIL_SMTP_URL", server.url())
        .with("ENTENTE_MAIL_FROM", "Entente <entente@us.example>")
}

/// Invites Ada through the API.
async fn invite(app: &TestApp) {
    let input = json!({ "name": "Ada", "email": ADA, "role": "SUPPORT" });
    let done = app
        .mutate(&app.admin(), "inviteUser", input, "user { id }")
        .await;
    assert_eq!(done.refusals("inviteUser"), Vec::<String>::new());
}

const LIST: &str =
    "{ mailMessages { totalCount nodes { purpose state attempts error subjectId } } }";

async fn listed(app: &TestApp) -> serde_json::Value {
    let answer = app.ask(&app.admin(), LIST).await;
    answer.at("/mailMessages/nodes").clone()
}

/// What the one message says, as the database has it.
async fn sealed(app: &TestApp) -> Option<String> {
    let rows = app.rows("SELECT sealed FROM mail_message").await;
    rows[0].try_get_by_index(0).unwrap()
}

#[tokio::test]
async fn a_message_outlives_the_process_is_sealed_and_leaves_once() {
    let server = MailServer::start().await;
    let app = TestApp::start(with(&server)).await;
    invite(&app).await;
    assert!(server.messages().is_empty(), "a worker sends it");
    // Neither the address nor the ticket is in the row.
    let kept = sealed(&app).await.expect("a message waits");
    assert!(kept.starts_with("v1.") && !kept.contains("contoso"));
    let app = app.restart().await;
    assert_eq!(app.post().await, 1);
    let said = server.messages();
    assert_eq!(said.len(), 1);
    for part in [
        "To: ada@contoso.example",
        "From: Entente <entente@us.example>",
        "/invitation?ticket",
    ] {
        assert!(said[0].contains(part), "{part} in {}", said[0]);
    }
    assert_eq!(app.post().await, 0, "it leaves once");
    assert_eq!(sealed(&app).await, None);
    assert_eq!(
        listed(&app).await[0]["state"],
        "SENT",
        "what it said is gone, that it left is known"
    );
    app.end().await;
}

#[tokio::test]
async fn what_is_refused_for_now_is_tried_again_and_what_is_taken_unsaid_keeps_its_id() {
    let server = MailServer::start().await;
    let app = TestApp::start(with(&server)).await;
    invite(&app).await;
    server.answer(&["451 not now"]);
    assert_eq!(app.post().await, 1);
    let row = listed(&app).await[0].clone();
    assert_eq!(
        (&row["state"], &row["attempts"], &row["error"]),
        (
            &json!("PENDING"),
            &json!(1),
            &json!("the mail server answered 451")
        )
    );
    assert_eq!(app.post().await, 0, "not before its time");
    app.advance(Duration::from_secs(13));
    // The server has it, and the process does not learn of that.
    server.take_silently(1);
    assert_eq!(app.post().await, 1);
    app.advance(Duration::from_secs(75));
    assert_eq!(app.post().await, 1);
    let said = server.messages();
    assert_eq!(said.len(), 2, "at least once");
    let id = |text: &str| {
        let line = text.lines().find(|line| line.starts_with("Message-ID"));
        line.expect("every message has an id").to_owned()
    };
    assert_eq!(id(&said[0]), id(&said[1]));
    assert_eq!(listed(&app).await[0]["state"], "SENT");
    app.end().await;
}

#[tokio::test]
async fn what_is_refused_for_good_is_dead_where_staff_sees_it_and_can_be_tried_again() {
    let server = MailServer::start().await;
    let mut app = TestApp::start(with(&server)).await;
    app.expect_warning("a message by mail was given up");
    invite(&app).await;
    server.answer(&["550 no such person"]);
    app.post().await;
    app.advance(Duration::from_secs(3_600));
    assert_eq!(app.post().await, 0, "nobody tries again by itself");
    let dead = "{ mailMessages(filter: {state: {in: [DEAD]}}) { nodes { id error } } }";
    let answer = app.ask(&app.admin(), dead).await;
    let row = answer.at("/mailMessages/nodes/0").clone();
    assert_eq!(row["error"], "the mail server answered 550");
    let again = json!({ "id": row["id"] });
    let selection = "mailMessage { state attempts }";
    let done = app
        .mutate(&app.admin(), "retryMail", again.clone(), selection)
        .await;
    assert_eq!(
        done.at("/retryMail/mailMessage"),
        &json!({ "state": "PENDING", "attempts": 0 })
    );
    assert_eq!(app.post().await, 1);
    assert_eq!(server.messages().len(), 1);
    let refused = app
        .mutate(&app.admin(), "retryMail", again, selection)
        .await;
    assert_eq!(refused.refusals("retryMail"), ["TRANSITION_NOT_ALLOWED id"]);
    app.end().await;
}

#[tokio::test]
async fn a_dead_ticket_is_not_mailed_and_a_mail_server_that_stays_away_is_given_up() {
    let server = MailServer::start().await;
    let mut app = TestApp::start(with(&server)).await;
    app.expect_warning("a message by mail was given up");
    invite(&app).await;
    app.advance(Duration::from_secs(73 * 3_600));
    app.post().await;
    assert_eq!(server.asked(), 0);
    let row = listed(&app).await[0].clone();
    assert_eq!(row["error"], "it came too late to be of use");
    assert_eq!(sealed(&app).await, None);
    let input = json!({ "name": "Bob", "email": "bob@contoso.example", "role": "SUPPORT" });
    app.mutate(&app.admin(), "inviteUser", input, "user { id }")
        .await;
    server.answer(&["451 not now"; 8]);
    for _ in 0..8 {
        app.post().await;
        app.advance(Duration::from_secs(52_000 / 8));
    }
    app.advance(Duration::from_secs(40_000));
    app.post().await;
    app.advance(Duration::from_secs(60_000));
    app.post().await;
    assert_eq!(app.post().await, 0);
    let dead = app
        .number("SELECT COUNT(*) FROM mail_message WHERE state = 'DEAD' AND attempts = 8")
        .await;
    assert_eq!((dead, server.asked()), (1, 8));
    app.end().await;
}

#[tokio::test]
async fn a_change_that_is_taken_back_mails_nobody_and_an_erased_person_is_not_mailed() {
    let app = TestApp::start(options()).await;
    let input = json!({ "name": "Ada", "email": ADA, "role": "SUPPORT", "validateOnly": true });
    app.mutate(&app.admin(), "inviteUser", input, "user { id }")
        .await;
    assert_eq!(app.number("SELECT COUNT(*) FROM mail_message").await, 0);
    let role = UserRole::Staff(StaffRole::Support);
    let (row, _) = invited(&app, role, "Ada", ADA).await;
    assert_eq!(app.number("SELECT COUNT(*) FROM mail_message").await, 1);
    let mut change = tests::people::change(&app).await;
    entities::user::erase(&mut change, row).await.unwrap();
    change.commit().await.unwrap();
    assert_eq!(app.number("SELECT COUNT(*) FROM mail_message").await, 0);
    app.end().await;
}

#[tokio::test]
async fn no_partner_sees_what_is_mailed() {
    let app = TestApp::start(options()).await;
    let own = partner(&app, "Own").await;
    let role = UserRole::Partner(own, PartnerRole::Admin);
    member(&app, role, "Ada", ADA).await;
    let token = app.partner_token(own);
    let asked = app.graphql(&token, LIST, json!({})).await;
    assert_eq!(asked.codes(), ["FORBIDDEN"]);
    app.end().await;
}

#[tokio::test]
async fn what_nobody_could_send_is_given_up_when_it_is_of_no_use_any_more() {
    let mut app = TestApp::start(Options::standing_at("2026-11-21T10:00:00Z")).await;
    app.expect_warning("a message waits: mail.smtp_url is not set");
    invite(&app).await;
    let retention = Retention {
        events_days: 0,
        deliveries_days: 0,
        mail_days: 30,
    };
    assert!(!step(app.database(), retention).await.unwrap());
    assert!(sealed(&app).await.is_some(), "it waits for a mail server");
    app.advance(Duration::from_secs(73 * 3_600));
    while step(app.database(), retention).await.unwrap() {}
    let row = listed(&app).await[0].clone();
    assert_eq!(row["state"], "DEAD");
    assert_eq!(row["error"], "it came too late to be of use");
    assert_eq!(sealed(&app).await, None);
    app.advance(Duration::from_secs(31 * 24 * 3_600));
    while step(app.database(), retention).await.unwrap() {}
    assert_eq!(app.number("SELECT COUNT(*) FROM mail_message").await, 0);
    app.end().await;
}
