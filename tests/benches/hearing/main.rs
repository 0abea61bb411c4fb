//! Hearing of what happens: webhooks beside a receiver that hangs, and many subscriptions that mostly wait.
//!
//! *Beside one that hangs*: a receiver hears of events alone, and then again while a second one lets every request wait 15 seconds; what counts is the time
//! from the committed change to the message's arrival, and the ratio of the 99th percentiles. *Subscriptions*: 2,000 streams of server-sent events wait at
//! the real binary, 50 events a second happen, and every stream must get every event; memory is what the server holds more than before, for each
//! stream.
//!
//! `cargo bench -p tests --bench hearing`, with `ulimit -n 8192`. About two minutes.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a bench fails by panicking"
)]

#[path = "../measure/mod.rs"]
mod measure;
mod streams;

use api::worker::{Wakers, webhooks};
use entities::database::Wake;
use measure::table::{Table, verdict};
use serde_json::json;
use std::collections::HashMap;
use std::time::Duration;
use tests::{Options, Receiver, Reply, TestApp, eventually};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// The product's allocator.
#[global_allocator]
static GLOBAL: mimalloc::MiMalloc = mimalloc::MiMalloc;

const EVENTS: usize = 600;
/// Between two events.
const GAP: Duration = Duration::from_millis(20);
const HANGS: Duration = Duration::from_secs(15);
const WANTED: f64 = 1.5;

fn main() {
    let runtime = || {
        tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .expect("a runtime")
    };
    let alone = runtime().block_on(heard(false));
    let beside = runtime().block_on(heard(true));
    let mut table = Table::new(&["", "p50 ms", "p99 ms", "ratio", "wanted", ""]);
    let ratio = percentile(&beside, 99).as_secs_f64() / percentile(&alone, 99).as_secs_f64();
    for (name, times, judged) in [
        ("alone", &alone, false),
        ("beside one that hangs", &beside, true),
    ] {
        let shown = |text: String| if judged { text } else { String::new() };
        table.row(vec![
            name.to_owned(),
            millis(percentile(times, 50)),
            millis(percentile(times, 99)),
            shown(format!("{ratio:.2}")),
            shown(format!("{WANTED:.2}")),
            shown(verdict(ratio <= WANTED).to_owned()),
        ]);
    }
    table.print("From a committed change to its webhook's arrival, 50 a second");
    streams::run();
}

fn millis(time: Duration) -> String {
    format!("{:.1}", time.as_secs_f64() * 1_000.0)
}

fn percentile(times: &[Duration], hundredths: usize) -> Duration {
    let mut sorted = times.to_vec();
    sorted.sort();
    sorted[(sorted.len() * hundredths / 100).min(sorted.len() - 1)]
}

async fn endpoint(app: &TestApp, url: String) {
    let input = json!({ "name": "Ours", "url": url, "types": ["partner.created"], "selection": "{ subjectId }" });
    app.mutate(&app.admin(), "createWebhookEndpoint", input, "secret")
        .await;
}

/// The time from each change to its arrival at the receiver that lives.
async fn heard(beside: bool) -> Vec<Duration> {
    let (lives, hangs) = (Receiver::start(), Receiver::start());
    hangs.answers(Reply::status(200).after(HANGS));
    let app = TestApp::start(Options::receivers([&lives, &hangs])).await;
    endpoint(&app, lives.url("/")).await;
    if beside {
        endpoint(&app, hangs.url("/")).await;
    }
    let (stop, remote) = (CancellationToken::new(), Wake::default());
    let wakers = Wakers {
        local: app.database().wake().subscribe(),
        remote: remote.subscribe(),
    };
    let poll = Duration::from_millis(1_000);
    let courier = app.state.core.courier();
    let running = tokio::spawn(webhooks::run(courier, wakers, poll, stop.clone()));
    let token = app.admin();
    let mut made: HashMap<String, Instant> = HashMap::new();
    for n in 0..EVENTS {
        let input = json!({ "name": format!("P{n}") });
        let answer = app.mutate(&token, "createPartner", input, "partner { id }");
        let id = answer.await.text("/createPartner/partner/id");
        made.insert(id, Instant::now());
        tokio::time::sleep(GAP).await;
    }
    eventually(
        "every event is heard",
        Duration::from_secs(60),
        async || (lives.seen().len() >= EVENTS).then_some(()),
    )
    .await;
    stop.cancel();
    running.abort();
    let times = lives.take().into_iter().filter_map(|message| {
        let json = message.json();
        let id = json["data"]["subjectId"].as_str()?;
        Some(message.at.saturating_duration_since(*made.get(id)?))
    });
    let times: Vec<Duration> = times.collect();
    assert_eq!(times.len(), EVENTS);
    app.end().await;
    times
}
