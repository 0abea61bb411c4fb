//! Subscriptions, over server-sent events and over WebSockets: what is heard, by whom, from where on, and until when.

use api::oauth::token::{Basis, TokenRequest};
use entities::token_revocation;
use entities::user::{self, UserRole};
use entities::viewer::{Scope, Scopes, StaffRole, ViewerKind};
use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use std::time::Duration;
use tests::programme::{Size, fill};
use tests::{Options, ServerEvents as Events, TestApp, eventually, people};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error as SocketError, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

type Socket = WebSocketStream<MaybeTlsStream<tokio::net::TcpStream>>;

const SOON: Duration = Duration::from_secs(20);

/// The end of the log as a token sees it, or its beginning where there is nothing: from there on nothing is missed, however late hearing begins.
async fn end(app: &TestApp, token: &str) -> String {
    let mut after = "0.0".to_owned();
    loop {
        let query = format!(
            "{{ events(first: 100, after: \"{after}\") {{ pageInfo {{ endCursor hasNextPage }} }} }}"
        );
        let page = app.ask(token, &query).await;
        after = page.text("/events/pageInfo/endCursor");
        if page.at("/events/pageInfo/hasNextPage") == &json!(false) {
            return after;
        }
    }
}

async fn partner(app: &TestApp, name: &str) -> String {
    let made = app
        .mutate(
            &app.admin(),
            "createPartner",
            json!({ "name": name }),
            "partner { id }",
        )
        .await;
    made.text("/createPartner/partner/id")
}

const EVENTS: &str = "subscription($after: String) { events(after: $after, filter: { types: [\"partner.created\"] }) { cursor node { type subjectId subject { ... on Partner { name } } } } }";

#[tokio::test]
async fn what_happens_is_heard_in_order_and_from_a_cursor_on_without_a_gap() {
    let app = TestApp::plain().await;
    let before = partner(&app, "before").await;
    let mut events = Events::open(
        &app,
        &app.admin(),
        EVENTS,
        json!({ "after": end(&app, &app.admin()).await }),
    )
    .await;
    let mut made = Vec::new();
    for n in 0..20 {
        made.push(partner(&app, &format!("P{n}")).await);
    }
    let (mut heard, mut cursors) = (Vec::new(), Vec::new());
    for _ in &made {
        let value = events.value().await;
        heard.push(
            value["events"]["node"]["subjectId"]
                .as_str()
                .unwrap()
                .to_owned(),
        );
        cursors.push(value["events"]["cursor"].clone());
    }
    assert_eq!(heard, made, "and nothing of before");
    assert!(!heard.contains(&before));
    // Whoever comes back goes on where it was, also with what happened meanwhile.
    drop(events);
    made.push(partner(&app, "meanwhile").await);
    let mut again = Events::open(&app, &app.admin(), EVENTS, json!({ "after": cursors[9] })).await;
    made.push(partner(&app, "later").await);
    for expected in &made[10..] {
        let value = again.value().await;
        assert_eq!(value["events"]["node"]["subjectId"], expected.as_str());
    }
    app.finish().await;
}

#[tokio::test]
async fn a_partner_hears_of_its_own_only_and_a_scope_is_needed() {
    let app = TestApp::plain().await;
    let size = Size {
        partners: 2,
        customers: 1,
        deals: 0,
    };
    let made = fill(&app, size).await;
    let query =
        "subscription($after: String) { events(after: $after) { node { subjectId actor } } }";
    let token = app.partner_token(made.partners[0].id);
    let after = json!({ "after": end(&app, &token).await });
    let mut own = Events::open(&app, &token, query, after).await;
    for partner in [&made.partners[1], &made.partners[0]] {
        let input = json!({ "id": partner.id.to_string(), "country": "Peru" });
        app.mutate(&app.admin(), "updatePartner", input, "partner { id }")
            .await;
    }
    let value = own.value().await;
    let id = made.partners[0].id.to_string();
    assert_eq!(
        value["events"]["node"],
        json!({ "subjectId": id, "actor": null })
    );
    for (query, scope) in [
        (query, Scope::EventsRead),
        (
            "subscription { dealChanged(id: \"deal_01h2xcejqtf2nbrexx3vqjhp41\") { id } }",
            Scope::DealsRead,
        ),
        (
            "subscription { syncProgress(connectionId: \"connection_01h2xcejqtf2nbrexx3vqjhp41\") { id } }",
            Scope::IntegrationsRead,
        ),
    ] {
        let others = Scope::ALL.iter().copied().filter(|other| *other != scope);
        let mut refused = Events::open(&app, &app.token(others), query, json!({})).await;
        let (_, value) = refused.next().await;
        assert_eq!(
            value["errors"][0]["extensions"]["code"], "FORBIDDEN",
            "{query}: {value}"
        );
        assert_eq!(refused.next().await.0, "complete");
    }
    app.finish().await;
}

#[tokio::test]
async fn a_stream_ends_with_its_token() {
    let app = TestApp::start(Options::standing_at("2026-11-21T12:00:00Z")).await;
    let begin = json!({ "after": "0.0" });
    let mut events = Events::open(&app, &app.admin(), EVENTS, begin).await;
    partner(&app, "A").await;
    events.value().await;
    app.advance(Duration::from_secs(3_600));
    let (event, data) = events.next().await;
    assert_eq!((event.as_str(), &data["code"]), ("complete", &json!(4_401)));
    app.finish().await;
}

/// A token of a person as they are now, which ends with them, and the token's id.
fn token_of(app: &TestApp, user: &user::Model) -> (String, String) {
    let token = app.issue(&TokenRequest {
        subject: user.id.to_string(),
        client_id: "tests".to_owned(),
        kind: user.user_role().unwrap().viewer_kind(),
        scopes: Scopes::all(),
        lifetime_seconds: 3_600,
        basis: Basis {
            subject_epoch: user.token_epoch,
            ..Basis::default()
        },
    });
    let claims = app.state.tokens.verify(&token).unwrap();
    (token, claims.token_id.clone())
}

/// What can happen to whoever listens.
#[derive(Clone, Copy, Debug)]
enum Loss {
    Role,
    Disabled,
    Token,
}

async fn lose(app: &TestApp, user: user::Model, token_id: &str, loss: Loss) {
    let mut change = people::change(app).await;
    match loss {
        Loss::Role => {
            let role = UserRole::Staff(StaffRole::Support);
            user::set_role(&mut change, user, role).await.unwrap();
        }
        Loss::Disabled => {
            user::disable(&mut change, user).await.unwrap();
        }
        Loss::Token => {
            let ends = change.now().plus_millis(3_600_000);
            token_revocation::revoke_token(&mut change, token_id, ends)
                .await
                .unwrap();
        }
    }
    change.commit().await.unwrap();
}

#[tokio::test]
async fn a_stream_ends_when_its_token_is_taken_back_or_its_role_changes() {
    let app = TestApp::start(people::options()).await;
    let admin = UserRole::Staff(StaffRole::Admin);
    // Somebody stays, for the last administrator loses nothing.
    people::member(&app, admin, "Stays", "stays@programme.example").await;
    let query = "subscription { events(after: \"0.0\") { cursor node { type } } }";
    for (loss, email) in [
        (Loss::Role, "role@programme.example"),
        (Loss::Disabled, "disabled@programme.example"),
        (Loss::Token, "token@programme.example"),
    ] {
        let user = people::member(&app, admin, "Goes", email).await;
        let (token, token_id) = token_of(&app, &user);
        let after = end(&app, &token).await;
        let query = query.replace("0.0", &after);
        let mut events = Events::open(&app, &token, &query, json!({})).await;
        let mut socket = connect(&app).await;
        let init = json!({ "type": "connection_init", "payload": { "authorization": token } });
        say(&mut socket, init).await;
        hear(&mut socket).await.unwrap();
        let payload = json!({ "query": query });
        let subscribe = json!({ "type": "subscribe", "id": "1", "payload": payload });
        say(&mut socket, subscribe).await;
        partner(&app, "Before").await;
        let told = events.value().await;
        assert_eq!(told["events"]["node"]["type"], "partner.created");
        hear(&mut socket).await.unwrap();

        lose(&app, user, &token_id, loss).await;
        partner(&app, "After").await;
        // Not even what the loss itself wrote into the log is told: the values that are ready are held against the token first.
        let (event, data) = events.next().await;
        assert_eq!(
            (event.as_str(), &data["code"]),
            ("complete", &json!(4_401)),
            "{loss:?}: {data}"
        );
        let told = hear(&mut socket).await;
        assert_eq!(told, Err(4_401), "{loss:?}");
        // Nor does the token open another.
        let body = json!({ "query": query });
        let request = app.http.post(app.url("/graphql/stream"));
        let again = app.send(request.bearer_auth(&token).json(&body)).await;
        assert_eq!(again.status, 401, "{loss:?}");
    }
    app.finish().await;
}

#[tokio::test]
async fn whoever_comes_back_under_another_role_hears_what_that_role_may() {
    let app = TestApp::start(people::options()).await;
    let admin = UserRole::Staff(StaffRole::Admin);
    people::member(&app, admin, "Stays", "stays@programme.example").await;
    let user = people::member(&app, admin, "Changes", "changes@programme.example").await;
    let query = "subscription { events(after: \"0.0\", filter: { types: [\"user.role_changed\", \"partner.created\"] }) { node { type } } }";
    let (token, token_id) = token_of(&app, &user);
    lose(&app, user.clone(), &token_id, Loss::Role).await;
    partner(&app, "After").await;
    let mut refused = app.http.post(app.url("/graphql/stream"));
    refused = refused.bearer_auth(&token).json(&json!({ "query": query }));
    assert_eq!(app.send(refused).await.status, 401);
    let changed = user::find(app.database().read(), user.id).await.unwrap();
    let (token, _) = token_of(&app, &changed.unwrap());
    let mut events = Events::open(&app, &token, query, json!({})).await;
    assert_eq!(
        events.value().await["events"]["node"]["type"],
        "partner.created",
        "the audit trail is not for support"
    );
    let (token, _) = (app.admin(), ());
    let mut events = Events::open(&app, &token, query, json!({})).await;
    assert_eq!(
        events.value().await["events"]["node"]["type"],
        "user.role_changed"
    );
    app.finish().await;
}

#[tokio::test]
async fn what_is_no_subscription_is_not_streamed() {
    let app = TestApp::plain().await;
    let token = app.admin();
    for (query, code) in [
        ("{ viewer { id } }", "BAD_REQUEST"),
        (
            "mutation { createPartner(input: { name: \"A\" }) { partner { id } } }",
            "BAD_REQUEST",
        ),
        ("subscription { events", "GRAPHQL_PARSE_FAILED"),
    ] {
        let body = json!({ "query": query });
        let request = app
            .http
            .post(app.url("/graphql/stream"))
            .bearer_auth(&token);
        let answer = app.send(request.json(&body)).await;
        assert_eq!(answer.codes(), [code], "{query}: {answer}");
    }
    let asked = app
        .graphql(&token, "subscription { events { cursor } }", json!({}))
        .await;
    assert!(
        asked.body.get("errors").is_some(),
        "/graphql itself streams nothing: {asked}"
    );
    let nobody = app
        .http
        .post(app.url("/graphql/stream"))
        .json(&json!({ "query": EVENTS }));
    assert_eq!(app.send(nobody).await.status, 401);
    app.finish().await;
}

async fn connect(app: &TestApp) -> Socket {
    let url = app.url("/graphql/ws").replace("http://", "ws://");
    let mut request = url.into_client_request().unwrap();
    let protocol = "graphql-transport-ws".parse().unwrap();
    request
        .headers_mut()
        .insert("sec-websocket-protocol", protocol);
    let (socket, answer) = connect_async(request).await.unwrap();
    assert_eq!(
        answer.headers()["sec-websocket-protocol"],
        "graphql-transport-ws"
    );
    socket
}

async fn say(socket: &mut Socket, message: Value) {
    socket
        .send(Message::text(message.to_string()))
        .await
        .unwrap();
}

/// What is said next: a message, or the code by which the socket was closed.
async fn hear(socket: &mut Socket) -> Result<Value, u16> {
    loop {
        match timeout(SOON, socket.next()).await.expect("in time") {
            Some(Ok(Message::Text(text))) => return Ok(serde_json::from_str(&text).unwrap()),
            Some(Ok(Message::Close(frame))) => {
                return Err(frame.map_or(0, |frame| frame.code.into()));
            }
            Some(Ok(_)) => {}
            Some(Err(SocketError::ConnectionClosed)) | None => return Err(0),
            Some(Err(error)) => panic!("{error}"),
        }
    }
}

#[tokio::test]
async fn a_socket_speaks_graphql_transport_ws() {
    let app = TestApp::plain().await;
    let mut socket = connect(&app).await;
    let token = format!("Bearer {}", app.admin());
    say(
        &mut socket,
        json!({ "type": "connection_init", "payload": { "authorization": token } }),
    )
    .await;
    assert_eq!(
        hear(&mut socket).await,
        Ok(json!({ "type": "connection_ack" }))
    );
    say(&mut socket, json!({ "type": "ping" })).await;
    assert_eq!(hear(&mut socket).await, Ok(json!({ "type": "pong" })));
    let made = app
        .mutate(
            &app.admin(),
            "createDeal",
            json!({ "name": "Harbour" }),
            "deal { id }",
        )
        .await;
    let id = made.text("/createDeal/deal/id");
    let query = "subscription($id: ID!) { dealChanged(id: $id) { name stage } }";
    let payload = json!({ "query": query, "variables": { "id": id } });
    say(
        &mut socket,
        json!({ "type": "subscribe", "id": "one", "payload": payload }),
    )
    .await;
    let first = hear(&mut socket).await.unwrap();
    assert_eq!(
        (&first["type"], &first["id"]),
        (&json!("next"), &json!("one")),
        "{first}"
    );
    assert_eq!(first["payload"]["data"]["dealChanged"]["name"], "Harbour");
    app.mutate(
        &app.admin(),
        "updateDeal",
        json!({ "id": id, "name": "Quay" }),
        "deal { id }",
    )
    .await;
    // The making of the deal may be told as well, when it was read after the subscription began.
    let mut name = Value::Null;
    while name != "Quay" {
        name = hear(&mut socket).await.unwrap()["payload"]["data"]["dealChanged"]["name"].clone();
    }
    // A document that does not fit is an error of its subscription alone.
    let wrong = json!({ "query": "subscription { nothing }" });
    say(
        &mut socket,
        json!({ "type": "subscribe", "id": "two", "payload": wrong }),
    )
    .await;
    let error = hear(&mut socket).await.unwrap();
    assert_eq!(error["id"], "two", "{error}");
    let asked = json!({ "query": "{ viewer { id } }" });
    say(
        &mut socket,
        json!({ "type": "subscribe", "id": "three", "payload": asked }),
    )
    .await;
    loop {
        let said = hear(&mut socket).await.unwrap();
        if said["id"] == "three" {
            assert_eq!(said["type"], "error", "{said}");
            assert_eq!(said["payload"][0]["extensions"]["code"], "BAD_REQUEST");
            break;
        }
    }
    // The same id twice closes.
    let payload = json!({ "query": query, "variables": { "id": id } });
    say(
        &mut socket,
        json!({ "type": "subscribe", "id": "one", "payload": payload }),
    )
    .await;
    assert_eq!(hear(&mut socket).await, Err(4_409));
    app.finish().await;
}

#[tokio::test]
async fn a_socket_is_closed_by_its_code() {
    let app = TestApp::plain().await;
    let payload = json!({ "query": "subscription { events { cursor } }" });
    for (message, code) in [
        (
            json!({ "type": "subscribe", "id": "1", "payload": payload }),
            4_401,
        ),
        (json!({ "type": "connection_init" }), 4_403),
        (
            json!({ "type": "connection_init", "payload": { "authorization": "Bearer x.y.z" } }),
            4_403,
        ),
        (json!({ "type": "dance" }), 4_400),
        (json!([1]), 4_400),
    ] {
        let mut socket = connect(&app).await;
        say(&mut socket, message.clone()).await;
        assert_eq!(hear(&mut socket).await, Err(code), "{message}");
    }
    // Without the protocol there is no socket, and no sign of a room behind the door.
    let plain = app.get("/graphql/ws", &[]).await;
    assert_eq!(plain.status, 401);
    app.finish().await;
}

#[tokio::test]
async fn a_socket_ends_when_its_token_does() {
    let app = TestApp::start(Options::standing_at("2026-11-21T12:00:00Z")).await;
    let mut socket = connect(&app).await;
    let token = app.token_for(ViewerKind::Integration, Scopes::all());
    say(
        &mut socket,
        json!({ "type": "connection_init", "payload": { "authorization": token } }),
    )
    .await;
    hear(&mut socket).await.unwrap();
    let payload = json!({ "query": "subscription { events(after: \"0.0\") { cursor } }" });
    say(
        &mut socket,
        json!({ "type": "subscribe", "id": "1", "payload": payload }),
    )
    .await;
    partner(&app, "A").await;
    hear(&mut socket).await.unwrap();
    app.advance(Duration::from_secs(3_600));
    let code = eventually("the socket is closed", SOON, async || {
        hear(&mut socket).await.err()
    })
    .await;
    assert_eq!(code, 4_401);
    app.finish().await;
}
