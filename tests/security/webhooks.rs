//! The inlet for vendors: what is not signed as it must be leaves no trace, and what is touches its own account only.

use crate::signing::{body, changed, headers, v1, v3};
use api::cli::ProcessSettings;
use api::config::{Config, Sources};
use api::http::server::{Running, server};
use api::state::State;
use entities::change::{Author, Change, Origin};
use entities::connection::{self, AccountFacts, Authorized};
use entities::id::ConnectionId;
use integrations::sync::default_mapping;
use integrations::sync::ingest::Ingest;
use metrics_exporter_prometheus::PrometheusBuilder;
use reqwest::Body;
use std::net::TcpListener;
use std::sync::Arc;
use tests::{Answer, CLIENT_SECRET, Options, TestApp};

const PATH: &str = "/hooks/hubspot";
const STORED: &str = "SELECT COUNT(*) FROM inbound_webhook";

struct Inlet {
    app: TestApp,
    uri: String,
    now: i64,
}

impl Inlet {
    async fn open(options: Options) -> Self {
        let app = TestApp::start(options).await;
        let (uri, now) = (app.public_url().at(PATH), app.database().now().millis());
        Self { app, uri, now }
    }

    async fn standing() -> Self {
        Self::open(Options::standing_at("2026-11-21T12:00:00Z")).await
    }

    async fn post(&self, headers: &[(&str, String)], body: impl Into<Body>) -> Answer {
        let headers: Vec<(&str, &str)> = headers
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        self.app.post_raw(PATH, &headers, body).await
    }

    async fn deliver(&self, body: &[u8]) -> Answer {
        self.post(
            &headers(CLIENT_SECRET, &self.uri, body, self.now),
            body.to_vec(),
        )
        .await
    }

    async fn connection(&self, tenant: u64) -> ConnectionId {
        let author = Author {
            actor: "tests".to_owned(),
            origin: Origin::Human,
            connection: None,
        };
        let mut change = Change::begin(self.app.database(), author).await.unwrap();
        let authorized = Authorized {
            connector: "hubspot".to_owned(),
            tenant_id: tenant.to_string(),
            site: None,
            account: AccountFacts::default(),
            granted_scopes: Vec::new(),
            mapping: default_mapping::mapping("hubspot"),
        };
        let row = connection::connect(&mut change, authorized, |_| "sealed elsewhere".to_owned())
            .await
            .unwrap();
        change.commit().await.unwrap();
        row.id
    }
}

/// Sets a header, or removes it.
fn with(
    headers: &[(&'static str, String)],
    name: &'static str,
    value: Option<&str>,
) -> Vec<(&'static str, String)> {
    let mut changed: Vec<_> = headers
        .iter()
        .filter(|(known, _)| *known != name)
        .cloned()
        .collect();
    changed.extend(value.map(|value| (name, value.to_owned())));
    changed
}

#[tokio::test]
async fn what_is_not_signed_as_it_must_be_is_one_401_and_nothing_is_stored() {
    let mut inlet = Inlet::standing().await;
    inlet.app.expect_warning("a webhook was rejected");
    let (signature, timestamp) = ("x-hubspot-signature-v3", "x-hubspot-request-timestamp");
    let (uri, now) = (inlet.uri.clone(), inlet.now);
    let bytes = body(&[changed(1, "company", "5", 1)]);
    let good = headers(CLIENT_SECRET, &uri, &bytes, now);
    let at = |millis: i64| headers(CLIENT_SECRET, &uri, &bytes, millis);
    let signed = |secret: &str, method: &str, uri: &str, body: &[u8]| {
        with(
            &good,
            signature,
            Some(&v3(secret, method, uri, body, &now.to_string())),
        )
    };
    let right = v3(CLIENT_SECRET, "POST", &uri, &bytes, &now.to_string());
    let old = with(&with(&good, signature, None), timestamp, None);
    let mut twice = good.clone();
    twice.push((signature, right.clone()));
    let cases = [
        ("nothing at all", Vec::new()),
        ("no signature", with(&good, signature, None)),
        ("version 1 alone, valid", old.clone()),
        (
            "version 1 valid, version 3 wrong",
            with(
                &good,
                signature,
                Some(&v3("other", "POST", &uri, &bytes, &now.to_string())),
            ),
        ),
        (
            "version 1 valid, version 3 empty",
            with(&good, signature, Some("")),
        ),
        (
            "version 1 in the place of version 3",
            with(&good, signature, Some(&v1(CLIENT_SECRET, &bytes))),
        ),
        (
            "another app's secret",
            headers("another-apps-secret", &uri, &bytes, now),
        ),
        ("an empty secret", headers("", &uri, &bytes, now)),
        ("other bytes", signed(CLIENT_SECRET, "POST", &uri, b"[]")),
        ("another method", signed(CLIENT_SECRET, "PUT", &uri, &bytes)),
        (
            "another address",
            signed(
                CLIENT_SECRET,
                "POST",
                "https://elsewhere.example/hooks/hubspot",
                &bytes,
            ),
        ),
        (
            "another path",
            signed(CLIENT_SECRET, "POST", &format!("{uri}?a=b"), &bytes),
        ),
        (
            "in hexadecimal",
            with(&good, signature, Some(&hex::encode(&right))),
        ),
        (
            "without its padding",
            with(&good, signature, Some(right.trim_end_matches('='))),
        ),
        (
            "with a blank before it",
            with(&good, signature, Some(&format!("a {right}"))),
        ),
        ("twice", twice),
        ("no time", with(&good, timestamp, None)),
        (
            "another time than signed",
            with(&good, timestamp, Some(&(now + 1).to_string())),
        ),
        ("a time in words", with(&good, timestamp, Some("now"))),
        (
            "a time that is no number",
            with(&good, timestamp, Some("NaN")),
        ),
        ("five minutes and a millisecond ago", at(now - 300_001)),
        ("in five minutes and a millisecond", at(now + 300_001)),
        ("in seconds", at(now / 1_000)),
        ("a year ago", at(now - 31_536_000_000)),
        ("before all time", at(-1)),
    ];
    let first = inlet
        .post(&[("x-request-id", "always-this".to_owned())], bytes.clone())
        .await;
    assert_eq!(first.status, 401);
    for (name, mut headers) in cases {
        headers.push(("x-request-id", "always-this".to_owned()));
        let answer = inlet.post(&headers, bytes.clone()).await;
        assert_eq!(
            (answer.status, &answer.bytes),
            (401, &first.bytes),
            "{name}: {answer}"
        );
    }
    assert_eq!(inlet.app.number(STORED).await, 0, "nothing is stored");
    for millis in [now - 300_000, now + 300_000] {
        let bytes = body(&[changed(1, "company", "5", 2 + millis.unsigned_abs())]);
        assert_eq!(
            inlet
                .post(&headers(CLIENT_SECRET, &uri, &bytes, millis), bytes)
                .await
                .status,
            204,
            "just in time"
        );
    }
    assert_eq!(
        inlet.deliver(&bytes).await.status,
        204,
        "what the refused ones were made from is valid"
    );
    assert_eq!(inlet.app.number(STORED).await, 3);
    inlet.app.end().await;
}

#[tokio::test]
async fn the_address_is_the_configured_one_whatever_the_sender_says() {
    let mut inlet = Inlet::standing().await;
    inlet.app.expect_warning("a webhook was rejected");
    let bytes = body(&[changed(1, "company", "5", 1)]);
    for name in ["host", "x-forwarded-host", "forwarded", "x-forwarded-proto"] {
        let value = if name == "forwarded" {
            "host=evil.example;proto=https"
        } else {
            "evil.example"
        };
        let forged = headers(
            CLIENT_SECRET,
            "http://evil.example/hooks/hubspot",
            &bytes,
            inlet.now,
        );
        let forged = with(&forged, name, Some(value));
        assert_eq!(
            inlet.post(&forged, bytes.clone()).await.status,
            401,
            "{name}"
        );
    }
    let good = with(
        &headers(CLIENT_SECRET, &inlet.uri, &bytes, inlet.now),
        "x-forwarded-host",
        Some("evil.example"),
    );
    assert_eq!(inlet.post(&good, bytes).await.status, 204);
    inlet.app.end().await;
}

#[tokio::test]
async fn while_a_secret_is_exchanged_both_are_taken() {
    let options = Options::default()
        .with("ENTENTE_HUBSPOT_CLIENT_SECRET", "the new one")
        .with("ENTENTE_HUBSPOT_CLIENT_SECRET_PREVIOUS", "the old one");
    let mut inlet = Inlet::open(options).await;
    inlet.app.expect_warning("a webhook was rejected");
    for (number, (secret, status)) in [
        ("the new one", 204),
        ("the old one", 204),
        ("an older one", 401),
        (CLIENT_SECRET, 401),
    ]
    .into_iter()
    .enumerate()
    {
        let bytes = body(&[changed(1, "company", "5", number as u64)]);
        let now = inlet.app.database().now().millis();
        assert_eq!(
            inlet
                .post(&headers(secret, &inlet.uri, &bytes, now), bytes)
                .await
                .status,
            status,
            "{secret}"
        );
    }
    inlet.app.end().await;
}

#[tokio::test]
async fn a_delivery_touches_the_accounts_it_names_and_no_other() {
    let inlet = Inlet::standing().await;
    let (one, other) = (inlet.connection(111).await, inlet.connection(222).await);
    let signals = async |of: ConnectionId| {
        let rows = inlet
            .app
            .rows("SELECT connection_id, external_id FROM inbound_signal ORDER BY external_id")
            .await;
        let of_this = rows
            .iter()
            .filter(|row| row.try_get_by_index::<ConnectionId>(0).unwrap() == of);
        of_this
            .map(|row| row.try_get_by_index::<String>(1).unwrap())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        inlet
            .deliver(&body(&[changed(111, "deal", "5", 1)]))
            .await
            .status,
        204
    );
    assert!(inlet.app.state.core.engine.split_inbox().await.unwrap());
    assert_eq!(
        (signals(one).await, signals(other).await),
        (vec!["5".to_owned()], vec![])
    );

    let mixed = [
        changed(222, "deal", "6", 2),
        changed(111, "deal", "7", 3),
        changed(333, "deal", "8", 4),
        changed(222, "company", "9", 5),
    ];
    assert_eq!(inlet.deliver(&body(&mixed)).await.status, 204);
    assert!(inlet.app.state.core.engine.split_inbox().await.unwrap());
    assert_eq!(signals(one).await, ["5", "7"]);
    assert_eq!(signals(other).await, ["6", "9"]);
    let note = inlet
        .app
        .rows("SELECT error FROM inbound_webhook WHERE error IS NOT NULL")
        .await;
    assert_eq!(
        note.len(),
        1,
        "the event of an account nobody has connected is noted"
    );
    inlet.app.end().await;
}

#[tokio::test]
async fn an_account_nobody_knows_is_stored_and_thanked() {
    let inlet = Inlet::standing().await;
    let bytes = body(&[changed(999, "company", "5", 1)]);
    assert_eq!(inlet.deliver(&bytes).await.status, 204);
    inlet.app.drain().await;
    let rows = inlet
        .app
        .rows("SELECT state, body FROM inbound_webhook")
        .await;
    assert_eq!(rows.len(), 1);
    assert_eq!(
        rows[0].try_get_by_index::<String>(0).unwrap(),
        "UNKNOWN_TENANT"
    );
    assert_eq!(
        rows[0].try_get_by_index::<Vec<u8>>(1).unwrap(),
        bytes,
        "byte for byte"
    );
    assert_eq!(
        inlet
            .app
            .number("SELECT COUNT(*) FROM inbound_signal")
            .await,
        0
    );
    inlet.app.finish().await;
}

#[tokio::test]
async fn signed_nonsense_is_kept_dead_and_harms_nobody() {
    let inlet = Inlet::standing().await;
    let connection = inlet.connection(111).await;
    let nonsense: [&[u8]; 7] = [
        b"",
        b"null",
        b"{}",
        b"[{\"portalId\":111}]",
        b"[1,2]",
        b"\xff\xfe",
        b"[{\"portalId\":111,\"subscriptionType\":\"deal.pro",
    ];
    for bytes in nonsense {
        assert_eq!(inlet.deliver(bytes).await.status, 204, "{bytes:?}");
    }
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(inlet.deliver(deep.as_bytes()).await.status, 204);
    inlet.app.drain().await;
    assert_eq!(
        inlet
            .app
            .number("SELECT COUNT(*) FROM inbound_webhook WHERE state = 'PENDING'")
            .await,
        0
    );
    assert!(
        inlet
            .app
            .number("SELECT COUNT(*) FROM inbound_webhook WHERE state = 'DEAD'")
            .await
            >= 5
    );
    assert_eq!(
        inlet
            .app
            .number("SELECT COUNT(*) FROM inbound_signal")
            .await,
        0
    );
    let row = connection::find_by_tenant(inlet.app.database().read(), "hubspot", "111")
        .await
        .unwrap()
        .unwrap();
    assert!(row.id == connection && row.status.is_working());
    inlet.app.finish().await;
}

#[tokio::test]
async fn too_much_is_413_however_it_comes() {
    let inlet = Inlet::standing().await;
    let limit = 1024 * 1024;
    let bytes = vec![b' '; limit + 1];
    let signed = headers(CLIENT_SECRET, &inlet.uri, &bytes, inlet.now);
    assert_eq!(
        inlet.post(&signed, bytes.clone()).await.status,
        413,
        "announced"
    );
    let pieces: Vec<_> = bytes
        .chunks(64 * 1024)
        .map(|piece| Ok::<_, std::io::Error>(piece.to_vec()))
        .collect();
    let request = signed.iter().fold(
        inlet.app.http.post(inlet.app.url(PATH)),
        |request, (name, value)| request.header(*name, value),
    );
    match request
        .body(Body::wrap_stream(futures::stream::iter(pieces)))
        .send()
        .await
    {
        Ok(answer) => assert_eq!(answer.status(), 413, "unannounced"),
        // The server may hang up before everything is sent.
        Err(error) => assert!(error.is_request() || error.is_body(), "{error}"),
    }
    assert_eq!(inlet.app.number(STORED).await, 0);
    assert_eq!(
        inlet.deliver(&bytes[..limit]).await.status,
        204,
        "exactly the limit"
    );
    inlet.app.end().await;
}

#[tokio::test]
async fn the_same_delivery_is_one_row_however_often_it_comes() {
    let inlet = Inlet::standing().await;
    let bytes = body(&[changed(1, "company", "5", 1)]);
    let deliveries = (0..20).map(|_| inlet.deliver(&bytes));
    for answer in futures::future::join_all(deliveries).await {
        assert_eq!(
            answer.status, 204,
            "a repetition is as welcome as the first"
        );
    }
    assert_eq!(inlet.app.number(STORED).await, 1);
    assert_eq!(
        inlet
            .deliver(&body(&[changed(1, "company", "5", 2)]))
            .await
            .status,
        204
    );
    assert_eq!(
        inlet.app.number(STORED).await,
        2,
        "another event is another row"
    );
    inlet.app.end().await;
}

#[tokio::test]
async fn a_full_inbox_says_when_to_come_back() {
    let inlet = Inlet::standing().await;
    let app = &inlet.app;
    // A server of the same app whose inbox holds one delivery.
    let state = State {
        core: app.state.core.clone(),
        public_url: app.state.public_url.clone(),
        tokens: Arc::clone(&app.state.tokens),
        authorization: app.state.authorization.clone(),
        people: Arc::clone(&app.state.people),
        inbox: Ingest::spawn_with(app.database().clone(), 1),
        feed: app.state.feed.clone(),
    };
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = format!("http://{}{PATH}", listener.local_addr().unwrap());
    let settings = ProcessSettings::of(&Config::load(&Sources::default()).unwrap()).server;
    let figures = PrometheusBuilder::new().build_recorder().handle();
    let narrow =
        Running::spawn(server(Arc::new(state).into(), figures, listener, &settings).unwrap());

    let held = app.database().begin().await.unwrap();
    if app.database().is_postgres() {
        sea_orm::ConnectionTrait::execute_unprepared(
            &held,
            "LOCK TABLE inbound_webhook IN ACCESS EXCLUSIVE MODE",
        )
        .await
        .unwrap();
    }
    let (sent, mut answered) = tokio::sync::mpsc::unbounded_channel();
    for number in 0..6 {
        let bytes = body(&[changed(1, "company", "5", number)]);
        let request = headers(CLIENT_SECRET, &inlet.uri, &bytes, inlet.now)
            .into_iter()
            .fold(app.http.post(&address), |request, (name, value)| {
                request.header(name, value)
            });
        let sent = sent.clone();
        tokio::spawn(async move {
            let answer = Answer::read(request.body(bytes).send().await.unwrap()).await;
            let _ = sent.send(answer);
        });
    }
    let refused = answered.recv().await.unwrap();
    assert_eq!(
        (refused.status, refused.header("retry-after")),
        (429, "5"),
        "while the disk is busy: {refused}"
    );
    held.rollback().await.unwrap();
    let mut stored = 0;
    for _ in 1..6 {
        let answer = answered.recv().await.unwrap();
        assert!(matches!(answer.status, 204 | 429), "{answer}");
        stored += i64::from(answer.status == 204);
    }
    assert!(
        stored >= 1,
        "what had been accepted is stored once the disk is free"
    );
    assert_eq!(
        app.number(STORED).await,
        stored,
        "204 is a row, 429 is none"
    );
    narrow.stop().await;
    inlet.app.end().await;
}
