//! Two thousand subscriptions that wait at the real binary.

use super::measure::process;
use super::measure::server::Setup;
use super::measure::table::{Table, grouped, verdict};
use super::{millis, percentile};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::Barrier;
use tokio::time::Instant;

const STREAMS: usize = 2_000;
const EVENTS: usize = 500;
const GAP: Duration = Duration::from_millis(20);

/// The memory a process holds now, in bytes.
fn memory(pid: u32) -> u64 {
    let text =
        std::fs::read_to_string(format!("/proc/{pid}/status")).expect("the process is there");
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kibibytes = line.expect("Linux tells it").trim().trim_end_matches("kB");
    kibibytes.trim().parse::<u64>().expect("a number of kB") * 1_024
}

/// What one stream heard: the names of partners, each with when.
async fn listen(
    http: reqwest::Client,
    url: String,
    token: String,
    ready: Arc<Barrier>,
) -> Vec<(String, Instant)> {
    let query =
        "subscription { events(filter: { types: [\"partner.created\"] }) { node { subjectId } } }";
    let request = http
        .post(url)
        .bearer_auth(token)
        .json(&json!({ "query": query }));
    let mut response = request.send().await.expect("the server answers");
    assert_eq!(response.status(), 200);
    ready.wait().await;
    let (mut heard, mut text) = (Vec::new(), String::new());
    while heard.len() < EVENTS {
        let chunk = response.chunk().await.expect("the stream can be read");
        let chunk = chunk.expect("the stream goes on");
        text.push_str(std::str::from_utf8(&chunk).expect("an event is text"));
        while let Some((one, rest)) = text.split_once("\n\n") {
            let data = one.lines().find_map(|line| line.strip_prefix("data: "));
            let data: Value = data.map_or(Value::Null, |it| {
                serde_json::from_str(it).unwrap_or_default()
            });
            if let Some(id) = data["data"]["events"]["node"]["subjectId"].as_str() {
                heard.push((id.to_owned(), Instant::now()));
            }
            text = rest.to_owned();
        }
    }
    heard
}

/// Measures and prints.
pub fn run() {
    let folder = tempfile::Builder::new()
        .prefix("entente-bench-")
        .tempdir_in(env!("CARGO_TARGET_TMPDIR"))
        .expect("a folder");
    let setup = Setup {
        binary: process::entente(),
        database: format!(
            "sqlite://{}",
            folder.path().join("entente.sqlite").display()
        ),
        settings: vec![("ENTENTE_LOG_FILTER", "error".to_owned())],
    };
    let server = setup.serve(&["--no-worker"], None);
    let token = setup.run(&[
        "token",
        "--scope",
        "partners:read partners:write events:read",
    ]);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let (heard, made, before, with) = runtime.block_on(async {
        let http = reqwest::Client::builder()
            .no_proxy()
            .tls_certs_only([])
            .build()
            .expect("a client");
        let at = |path: &str| format!("http://{}{path}", server.address);
        let before = memory(server.pid());
        let ready = Arc::new(Barrier::new(STREAMS + 1));
        let mut streams = Vec::with_capacity(STREAMS);
        for _ in 0..STREAMS {
            let (url, token) = (at("/graphql/stream"), token.clone());
            streams.push(tokio::spawn(listen(http.clone(), url, token, ready.clone())));
        }
        ready.wait().await;
        let with = memory(server.pid());
        let made: Arc<Mutex<HashMap<String, Instant>>> = Arc::default();
        for n in 0..EVENTS {
            let query = "mutation($name: String!) { createPartner(input: {name: $name}) { partner { id } } }";
            let body = json!({ "query": query, "variables": { "name": format!("P{n}") } });
            let request = http.post(at("/graphql")).bearer_auth(&token).json(&body);
            let answer: Value = request.send().await.unwrap().json().await.unwrap();
            let id = answer["data"]["createPartner"]["partner"]["id"].as_str();
            let id = id.unwrap_or_else(|| panic!("{answer}")).to_owned();
            made.lock().unwrap().insert(id, Instant::now());
            tokio::time::sleep(GAP).await;
        }
        let mut heard = Vec::with_capacity(STREAMS);
        for stream in streams {
            heard.push(stream.await.expect("a stream hears everything"));
        }
        let made = made.lock().unwrap().clone();
        (heard, made, before, with)
    });
    let mut times = Vec::with_capacity(STREAMS * EVENTS);
    let mut whole = true;
    for stream in &heard {
        let distinct: std::collections::HashSet<&String> =
            stream.iter().map(|(id, _)| id).collect();
        whole &= distinct.len() == EVENTS && distinct.iter().all(|id| made.contains_key(*id));
        let since =
            |(id, at): &(String, Instant)| Some(at.saturating_duration_since(*made.get(id)?));
        times.extend(stream.iter().filter_map(since));
    }
    let mut table = Table::new(&[
        "streams",
        "events",
        "each heard all",
        "p50 ms",
        "p99 ms",
        "KiB a stream",
    ]);
    let each = with.saturating_sub(before) / 1_024 / STREAMS as u64;
    table.row(vec![
        grouped(STREAMS as f64),
        grouped(EVENTS as f64),
        verdict(whole).to_owned(),
        millis(percentile(&times, 50)),
        millis(percentile(&times, 99)),
        grouped(each as f64),
    ]);
    table.print("Subscriptions that wait, 50 events a second");
}
