//! Webhooks out when things go wrong: a receiver that hangs, a receiver that is slow while others retry, and a courier that is killed.

use api::config::{Config, Sources};
use api::state::{Outside, State};
use api::worker::{Wakers, webhooks};
use entities::database::Wake;
use integrations::http::HostPolicy;
use integrations::outbound::{Courier, Outbound, OutboundSettings};
use rand::RngExt;
use serde_json::json;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tests::{Options, Receiver, Reply, TestApp, eventually};
use tokio::process::{Child, Command};
use tokio_util::sync::CancellationToken;

/// What tells the test's own binary that it is a courier now.
const COURIER_OF: &str = "ENTENTE_TEST_COURIER_DATABASE";
const RECEIVER: &str = "ENTENTE_TEST_COURIER_RECEIVER";

/// An impatient courier: what it leaves behind is due after a second and a half.
fn impatient() -> OutboundSettings {
    OutboundSettings {
        lease: Duration::from_millis(1_500),
        within: Duration::from_millis(1_000),
        ..OutboundSettings::default()
    }
}

async fn endpoint(app: &TestApp, url: String) {
    let input = json!({ "name": "Ours", "url": url, "types": ["partner.created"], "selection": "{ id subjectId }" });
    let made = app
        .mutate(&app.admin(), "createWebhookEndpoint", input, "secret")
        .await;
    made.text("/createWebhookEndpoint/secret");
}

async fn partner(app: &TestApp, name: String) -> String {
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

/// A courier in its loop, as a process has it.
fn running(state: &State) -> (CancellationToken, tokio::task::JoinHandle<()>) {
    let stop = CancellationToken::new();
    let remote = Wake::default();
    let wakers = Wakers {
        local: state.core.database.wake().subscribe(),
        remote: remote.subscribe(),
    };
    let poll = Duration::from_millis(50);
    let run = webhooks::run(state.core.courier(), wakers, poll, stop.clone());
    (stop, tokio::spawn(run))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_that_hangs_delays_no_other() {
    let (live, hangs) = (Receiver::start(), Receiver::start());
    hangs.answers(Reply::status(200).after(Duration::from_secs(120)));
    let app = TestApp::start(Options {
        outbound: Some(OutboundSettings {
            within: Duration::from_secs(15),
            ..OutboundSettings::default()
        }),
        ..Options::receivers([&live, &hangs])
    })
    .await;
    endpoint(&app, hangs.url("/")).await;
    endpoint(&app, live.url("/")).await;
    let (stop, run) = running(&app.state);
    let begin = tokio::time::Instant::now();
    let most = 60;
    for n in 0..most {
        partner(&app, format!("P{n}")).await;
    }
    eventually(
        "the live receiver hears everything",
        Duration::from_secs(14),
        async || (live.seen().len() == most).then_some(()),
    )
    .await;
    assert!(
        begin.elapsed() < Duration::from_secs(15),
        "before the first attempt at the other has ended"
    );
    assert!(!hangs.seen().is_empty(), "the other was called");
    assert!(
        hangs.seen().len() <= OutboundSettings::default().at_a_time,
        "and has no more than its own places"
    );
    stop.cancel();
    run.abort();
    app.end().await;
}

#[tokio::test]
async fn what_failed_never_stands_before_what_was_not_tried() {
    let receiver = Receiver::start();
    receiver.answers(Reply::status(500));
    let app = TestApp::start(Options::receivers([&receiver])).await;
    endpoint(&app, receiver.url("/")).await;
    for n in 0..40 {
        partner(&app, format!("old {n}")).await;
    }
    app.drain().await;
    app.advance(Duration::from_secs(10));
    for n in 0..4 {
        partner(&app, format!("new {n}")).await;
    }
    // One turn, of an endpoint that fails and has few places: all of them go to what is new.
    let new: BTreeSet<String> = app
        .rows("SELECT name FROM partner WHERE name LIKE 'new%'")
        .await
        .iter()
        .map(|row| row.try_get_by_index(0).unwrap())
        .collect();
    assert_eq!(new.len(), 4);
    let _ = receiver.take();
    app.log_settled().await;
    let mut courier = app.state.core.courier();
    courier.turn().await.unwrap();
    courier.come_home().await.unwrap();
    let tried = "SELECT COUNT(*) FROM webhook_delivery WHERE attempts = 1 AND retry";
    let (seen, fresh) = (receiver.take().len(), app.number(tried).await);
    assert_eq!(seen, OutboundSettings::default().failing_at_a_time);
    assert_eq!(fresh, 4, "the four that were new had their first attempt");
    app.end().await;
}

/// The courier of [`every_event_arrives_however_often_the_courier_is_killed`], in a process of its own.
#[tokio::test]
#[ignore = "it is started by the test that kills it"]
async fn courier() {
    let (Ok(url), Ok(receiver)) = (std::env::var(COURIER_OF), std::env::var(RECEIVER)) else {
        panic!("this is no test of its own");
    };
    let sources = Sources {
        file: None,
        environment: vec![("ENTENTE_DATABASE_URL".to_owned(), url)],
        flags: Vec::new(),
    };
    let config = Config::load(&sources).unwrap();
    let database = api::state::open_database(&config).await.unwrap();
    api::state::prepare_schema(&database, false).await.unwrap();
    let vault = tests::vault(api::state::chance());
    let address: SocketAddr = receiver.parse().unwrap();
    let policy = HostPolicy::sandbox(vec![address]);
    let outside = Outside::public(config.apps().clone());
    let core = api::state::Core::new(database, vault.clone(), outside, &config).unwrap();
    let outbound = Outbound::new(core.database.clone(), vault, policy, impatient()).unwrap();
    let courier = Courier::new(outbound, core.renderer.clone());
    let wake = Wake::default();
    let wakers = Wakers {
        local: wake.subscribe(),
        remote: wake.subscribe(),
    };
    let poll = Duration::from_millis(20);
    webhooks::run(courier, wakers, poll, CancellationToken::new()).await;
}

fn child(app: &TestApp, receiver: &Receiver) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "webhooks_out::courier", "--ignored", "--nocapture"])
        .env(COURIER_OF, app.place().url())
        .env(RECEIVER, receiver.address().to_string())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_event_arrives_however_often_the_courier_is_killed() {
    let receiver = Receiver::start();
    receiver.answers(Reply::status(200).after(Duration::from_millis(3)));
    let app = TestApp::start(Options::receivers([&receiver])).await;
    endpoint(&app, receiver.url("/")).await;
    let mut chance = tests::rng("kill the courier");
    let rounds = tests::rounds(4, 100);
    let writing = AtomicBool::new(true);
    let writer = async {
        let mut made = BTreeSet::new();
        while writing.load(Ordering::SeqCst) {
            made.insert(partner(&app, format!("P{}", made.len())).await);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        made
    };
    let killer = async {
        for _ in 0..rounds {
            let mut process = child(&app, &receiver);
            let enough = receiver.seen().len() + chance.random_range(1..40_usize);
            eventually("messages arrive", Duration::from_secs(60), async || {
                (receiver.seen().len() >= enough).then_some(())
            })
            .await;
            tokio::time::sleep(Duration::from_millis(chance.random_range(0..20))).await;
            // SIGKILL, wherever it is.
            process.kill().await.unwrap();
        }
        writing.store(false, Ordering::SeqCst);
    };
    let (made, ()) = tokio::join!(writer, killer);
    let last = child(&app, &receiver);
    let left = "SELECT COUNT(*) FROM webhook_delivery WHERE state <> 'DELIVERED'";
    let there = "SELECT COUNT(*) FROM webhook_delivery";
    let made_so_many = i64::try_from(made.len()).unwrap();
    eventually("everything is delivered", Duration::from_secs(90), async || {
        let all = app.number(there).await == made_so_many;
        (all && app.number(left).await == 0).then_some(())
    })
    .await;
    drop(last);
    let messages = receiver.take();
    let told: BTreeSet<String> = messages
        .iter()
        .map(|message| message.json()["data"]["subjectId"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(told, made, "at least once each");
    let ids: BTreeSet<&String> = messages.iter().map(|message| &message.id).collect();
    assert_eq!(ids.len(), made.len(), "and always under the same id");
    println!(
        "{} events, {} messages, {rounds} kills",
        made.len(),
        messages.len()
    );
    app.end().await;
}
