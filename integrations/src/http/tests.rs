#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
use super::*;
use crate::connector::TokenHeader;
use crate::{
    connector::{Category, Descriptor},
    test_server::{Reply, TestServer, json},
};
use secrecy::SecretString;
use std::time::Instant;
use url::Url;

fn settings() -> ClientSettings {
    let limit = Duration::from_millis(200);
    ClientSettings {
        connect: limit,
        read: limit,
        total: Duration::from_millis(600),
        body_cap: 1000,
        ..ClientSettings::default()
    }
}

fn client(server: &TestServer) -> Client {
    Client::new(HostPolicy::sandbox(vec![server.address]), settings()).unwrap()
}

fn descriptor() -> Descriptor {
    Descriptor {
        id: "x",
        name: "X",
        category: Category::Crm,
        api_version: "1",
        resources: vec![],
        required_scopes: vec![],
        optional_scopes: vec![],
        limits: vec![],
        limit_headers: None,
        site: None,
        token_header: TokenHeader::Bearer,
    }
}

#[tokio::test]
async fn a_session_adds_its_token_and_sends_it_nowhere_else() {
    let (home, other) = (
        TestServer::start(|_| json(200, "", "{}")).await,
        TestServer::start(|_| json(200, "", "{}")).await,
    );
    let policy = HostPolicy::sandbox(vec![home.address, other.address]);
    let client = Client::new(policy, settings()).unwrap();
    let token = SecretString::from("s3cret-token");
    let session = client
        .session_with((&descriptor(), "1"), vec![home.url()], &token)
        .unwrap();
    assert!(
        session
            .send(&Call::get(home.url()))
            .await
            .unwrap()
            .is_success()
    );
    assert_eq!(
        home.seen()[0].header("authorization"),
        Some("Bearer s3cret-token")
    );
    assert!(
        home.seen()[0]
            .header("user-agent")
            .unwrap()
            .starts_with("entente/")
    );
    let refused = session.send(&Call::get(other.url())).await;
    assert!(matches!(refused, Err(HttpError::ForeignOrigin { .. })));
    assert!(other.seen().is_empty());
    assert!(client.send(&Call::get(other.url())).await.is_ok());
    assert_eq!(other.seen()[0].header("authorization"), None);
    assert!(!format!("{session:?} {client:?}").contains("s3cret"));
    let bad = SecretString::from("a\nb");
    let bad = client.session_with((&descriptor(), "1"), vec![home.url()], &bad);
    assert!(matches!(bad, Err(HttpError::BadToken)));
}

#[tokio::test]
async fn an_answer_that_hangs_costs_only_the_time_limit() {
    let server = TestServer::start(|seen| match seen.target.as_str() {
        "/head" => Reply::ThenHang(b"HTTP/1.1 200 OK\r\n".to_vec()),
        "/body" => {
            Reply::ThenHang(b"HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\n{\"half".to_vec())
        }
        _ => Reply::ThenHang(Vec::new()),
    })
    .await;
    let client = client(&server);
    for path in ["head", "body", "nothing"] {
        let started = Instant::now();
        let outcome = client
            .send(&Call::get(server.url().join(path).unwrap()))
            .await;
        assert!(
            matches!(outcome, Err(HttpError::TimedOut { .. })),
            "{path}: {outcome:?}"
        );
        assert!(started.elapsed() < Duration::from_secs(2), "{path}");
    }
}

#[tokio::test]
async fn too_much_is_not_read_and_a_broken_connection_is_temporary() {
    let server = TestServer::start(|seen| match seen.target.as_str() {
        "/announced" => {
            Reply::ThenHang(b"HTTP/1.1 200 OK\r\ncontent-length: 1001\r\n\r\n".to_vec())
        }
        "/streamed" => {
            let mut bytes = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
            for _ in 0..20 {
                bytes.extend_from_slice(b"64\r\n");
                bytes.extend_from_slice(&[b'x'; 100]);
                bytes.extend_from_slice(b"\r\n");
            }
            Reply::ThenHang(bytes)
        }
        _ => json(200, "", &"y".repeat(1000)),
    })
    .await;
    let client = client(&server);
    for path in ["announced", "streamed"] {
        let outcome = client
            .send(&Call::get(server.url().join(path).unwrap()))
            .await;
        assert!(
            matches!(outcome, Err(HttpError::TooLarge { cap: 1000, .. })),
            "{path}: {outcome:?}"
        );
    }
    assert_eq!(
        client
            .send(&Call::get(server.url()))
            .await
            .unwrap()
            .body
            .len(),
        1000
    );
    let nobody = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let alone = Client::new(HostPolicy::sandbox(vec![nobody]), settings()).unwrap();
    let url = Url::parse(&format!("http://{nobody}/?code=s3cret")).unwrap();
    let error = alone.send(&Call::get(url)).await.unwrap_err();
    assert!(matches!(error, HttpError::Broken { .. }), "{error:?}");
    assert!(!format!("{error} {error:?}").contains("s3cret"));
    assert_eq!(ConnectorError::from(error).code(), "TRANSIENT");
}

#[tokio::test]
async fn redirects_are_answers_and_refused_addresses_are_never_called() {
    let server =
        TestServer::start(|_| json(302, "location: http://169.254.169.254/\r\n", "")).await;
    let client = client(&server);
    assert_eq!(
        client.send(&Call::get(server.url())).await.unwrap().status,
        302
    );
    let mut named = server.url();
    named.set_host(Some("localhost")).unwrap();
    assert!(matches!(
        client.send(&Call::get(named)).await,
        Err(HttpError::Blocked(Blocked::NotPublic { .. }))
    ));
    let resolved = HostPolicy::public().resolver();
    let found = reqwest::dns::Resolve::resolve(&resolved, "localhost".parse().unwrap()).await;
    assert!(found.is_err(), "a name for loopback has no public address");
    let strict = Client::new(HostPolicy::public(), settings());
    if let Ok(strict) = strict {
        let outcome = strict
            .send(&Call::get(Url::parse("https://localhost/").unwrap()))
            .await;
        assert!(matches!(outcome, Err(HttpError::Blocked(_))), "{outcome:?}");
    }
    assert_eq!(server.seen().len(), 1);
}

#[test]
fn a_call_shows_neither_query_nor_body() {
    let url = Url::parse("https://api.example/oauth?code=s3cret").unwrap();
    let call = Call::post_form(url, &[("token", "s3cret")]);
    assert_eq!(format!("{call:?}"), "POST api.example/oauth");
}

#[tokio::test]
async fn a_session_keeps_to_what_the_vendor_says_is_left() {
    let server = TestServer::start(|seen| {
        let said = "x-max: 100\r\nx-left: 12\r\nx-interval: 60000\r\n";
        json(200, if seen.target == "/told" { said } else { "" }, "{}")
    })
    .await;
    let descriptor = Descriptor {
        limits: vec![crate::connector::RateLimit {
            lane: Lane::Standard,
            requests: 1_000_000,
            per: Duration::from_secs(1),
            burst: None,
        }],
        limit_headers: Some(crate::connector::LimitHeaders::Window {
            lane: Lane::Standard,
            limit: "x-max",
            remaining: "x-left",
            interval_ms: "x-interval",
        }),
        ..descriptor()
    };
    let settings = ClientSettings {
        patience: Duration::from_millis(50),
        ..settings()
    };
    let client = Client::new(HostPolicy::sandbox(vec![server.address]), settings).unwrap();
    let session = |work| {
        client
            .session_with((&descriptor, "1"), vec![server.url()], &"t".into())
            .unwrap()
            .doing(work)
    };
    let (backfill, delta) = (session(Work::Backfill), session(Work::Delta));
    let call = |path| Call::get(server.url().join(path).unwrap());
    assert!(backfill.send(&call("told")).await.is_ok());
    for _ in 0..2 {
        assert!(backfill.send(&call("more")).await.is_ok());
    }
    let refused = backfill.send(&call("more")).await.unwrap_err();
    let HttpError::Paced { wait, .. } = &refused else {
        panic!("{refused:?}")
    };
    assert!(*wait > Duration::from_secs(50));
    assert!(matches!(
        ConnectorError::from(refused),
        ConnectorError::RateLimited {
            scope: LimitScope::Pace,
            ..
        }
    ));
    for _ in 0..10 {
        assert!(
            delta.send(&call("more")).await.is_ok(),
            "the last tenth is for others"
        );
    }
    assert!(delta.send(&call("more")).await.is_err());
    assert_eq!(server.seen().len(), 13, "what is held back is never sent");
    let elsewhere = client
        .session_with((&descriptor, "2"), vec![server.url()], &"t".into())
        .unwrap();
    assert!(
        elsewhere.send(&call("more")).await.is_ok(),
        "each account has its own"
    );
}
