//! Tickets and secrets: good once, for one purpose, and nowhere to be read.

use super::{EMAIL, texts};
use api::people::Accepted;
use entities::user::UserRole;
use entities::viewer::{PartnerRole, Scope, StaffRole};
use futures::future::join_all;
use serde_json::json;
use tests::people::{PASSWORD, invited, link, member, options, partner, signed_in, ticket};
use tests::{Browser, TestApp};

#[tokio::test]
async fn of_fifty_at_once_one_comes_in() {
    let app = TestApp::start(options()).await;
    let (_, link) = invited(&app, UserRole::Staff(StaffRole::Support), "Ada", EMAIL).await;
    let password = PASSWORD.to_owned().into();
    let ticket = ticket(&link);
    let outcomes =
        join_all((0..50).map(|_| app.state.people.accept(&ticket, &password, None))).await;
    let welcome = outcomes
        .iter()
        .filter(|outcome| matches!(outcome, Ok(Accepted::Welcome(_))))
        .count();
    let refused = outcomes
        .iter()
        .filter(|outcome| {
            matches!(
                outcome,
                Ok(Accepted::NoTicket) | Err(api::people::PeopleError::Password(_))
            )
        })
        .count();
    assert_eq!((welcome, welcome + refused), (1, 50), "{outcomes:?}");
    assert_eq!(app.number("SELECT COUNT(*) FROM session").await, 1);
    app.finish().await;
}

#[tokio::test]
async fn a_ticket_opens_what_it_is_for_and_no_other() {
    let app = TestApp::start(options()).await;
    let role = UserRole::Staff(StaffRole::Support);
    member(&app, role, "Ada", EMAIL).await;
    app.state.people.forgotten(EMAIL).await.unwrap();
    let reset = link(&app, EMAIL).await;
    let (bob, first) = invited(&app, role, "Bob", "bob@contoso.example").await;
    app.advance(std::time::Duration::from_secs(301));
    let mut edit = tests::people::change(&app).await;
    let again = api::people::invitation::invite_again(&mut edit, &bob)
        .await
        .unwrap();
    let people = &app.state.people;
    people.send(&edit, &bob, &again).await.unwrap();
    edit.commit().await.unwrap();
    let second = link(&app, "bob@contoso.example").await;
    let mut browser = Browser::new(&app);
    assert_eq!(
        browser.get(&first).await.status,
        410,
        "a newer one takes its place"
    );
    assert_eq!(browser.get(&second).await.status, 200);
    assert_eq!(
        browser.get(&reset).await.status,
        200,
        "another person's stays"
    );
    // Changing the password by another way makes the link worthless.
    let mut ada = signed_in(&app, EMAIL).await;
    let token = ada.get("/account").await.input("form_token");
    let new = "another battery staple";
    let fields = [
        ("form_token", token.as_str()),
        ("old_password", PASSWORD),
        ("new_password", new),
        ("repeated", new),
    ];
    assert_eq!(ada.post("/account/password", &fields).await.status, 303);
    assert_eq!(browser.get(&reset).await.status, 410);
    for nothing in [
        "/invitation",
        "/invitation?ticket=",
        "/new-password?ticket=x",
        "/invitation?ticket=%00",
        "/invitation?ticket=a&ticket=b",
    ] {
        assert_eq!(browser.get(nothing).await.status, 410, "{nothing}");
    }
    app.finish().await;
}

#[tokio::test]
async fn no_secret_is_kept_as_it_is() {
    let app = TestApp::start(options()).await;
    let contoso = partner(&app, "Contoso").await;
    let role = UserRole::Partner(contoso, PartnerRole::Rep);
    member(&app, role, "Ada", EMAIL).await;
    app.state.people.forgotten(EMAIL).await.unwrap();
    let reset = link(&app, EMAIL).await;
    let (_, reset) = reset.split_once("ticket=").unwrap();
    let browser = signed_in(&app, EMAIL).await;
    let cookie = browser.cookies["entente"].clone();
    tests::people::invited(&app, role, "Bob", "bob@contoso.example").await;
    let mut nobody = Browser::new(&app);
    nobody
        .post(
            "/sign-in",
            &[
                ("email", "unheard-of@contoso.example"),
                ("password", "hunter2hunter2"),
            ],
        )
        .await;
    let mut held = String::new();
    for statement in [
        "SELECT name || ' ' || email || ' ' || COALESCE(password_hash, '') FROM user_account",
        "SELECT ticket_hash FROM user_ticket",
        "SELECT secret_hash || ' ' || COALESCE(previous_hash, '') || ' ' || COALESCE(user_agent, '') FROM session",
        "SELECT subject FROM failed_attempt",
        "SELECT CAST(data AS TEXT) || ' ' || actor FROM event",
    ] {
        let rows = texts(&app, statement).await;
        assert!(!rows.is_empty(), "{statement}");
        held.push_str(&rows.join("\n"));
    }
    assert!(
        held.contains(EMAIL) && held.contains("$argon2id$"),
        "the rows can be read"
    );
    for secret in [PASSWORD, "hunter2hunter2", "unheard-of", reset, &cookie] {
        assert!(!held.contains(secret), "{secret}");
    }
    // The log names people by their ids, and no partner reads the audit trail.
    for text in texts(&app, "SELECT CAST(data AS TEXT) || ' ' || actor FROM event").await {
        for personal in ["contoso.example", "Ada", "Bob", "Firefox"] {
            assert!(!text.contains(personal), "{personal} in {text}");
        }
    }
    let token = app.partner_token(contoso);
    let query = "{ events(first: 100) { edges { node { type } } } }";
    let seen = app.graphql(&token, query, json!({})).await;
    for edge in seen.list("/events/edges") {
        let kind = edge["node"]["type"].as_str().unwrap();
        assert!(
            !["user.", "session."]
                .iter()
                .any(|noun| kind.starts_with(noun)),
            "{kind}"
        );
    }
    let support = app.token_for(
        entities::viewer::ViewerKind::Staff(StaffRole::Support),
        [Scope::EventsRead].into_iter().collect(),
    );
    let seen = app.graphql(&support, query, json!({})).await;
    assert!(!format!("{seen}").contains("session.started"));
    app.finish().await;
}
