//! A commission run: revenue computed a second, and the memory that takes.
//!
//! 1,000,000 payments of a year, of 2,000 partnerships turn by turn, each with an agreement in force that has a share, a commitment and a bonus: the run
//! writes an entry for each payment, bonuses and their catching up, counts every contract year and notes what became of each payment. On SQLite and on
//! PostgreSQL as the product opens them, durable at every commit. Each database has a process of its own, so that the peak is that of its run.
//!
//! `cargo bench -p tests --bench commission`. A few minutes; `ENTENTE_BENCH_EVENTS=20000` makes a small one, whose rates mean nothing.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a bench fails by panicking"
)]

#[path = "../measure/mod.rs"]
mod measure;
mod programme;

use measure::cluster::Cluster;
use measure::process;
use measure::table::{Table, grouped, verdict};
use programme::Programme;
use std::time::Instant;

/// The product's allocator.
#[global_allocator]
static GLOBAL: mimalloc::MiMalloc = mimalloc::MiMalloc;

const EVENTS: u64 = 1_000_000;
const PARTNERSHIPS: usize = 2_000;
const MOST_MEMORY: u64 = 300 * 1_024 * 1_024;
/// The argument by which a process is one run: the database's address follows.
const RUN: &str = "--run-on";

fn events() -> u64 {
    std::env::var("ENTENTE_BENCH_EVENTS").map_or(EVENTS, |text| text.parse().expect("a number"))
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a runtime")
}

fn main() {
    let mut arguments = std::env::args().skip_while(|argument| argument != RUN);
    if arguments.next().is_some() {
        let url = arguments.next().expect("the database's address");
        runtime().block_on(run(url));
        return;
    }
    let cluster = Cluster::start();
    cluster.create("commission");
    let folder = tempfile::Builder::new()
        .prefix("entente-bench-")
        .tempdir_in(env!("CARGO_TARGET_TMPDIR"))
        .expect("a folder");
    let file = folder.path().join("commission.sqlite");
    let mut table = Table::new(&[
        "", "events/s", "wanted", "", "CPU s", "peak MB", "wanted", "", "entries",
    ]);
    let sqlite = format!("sqlite://{}", file.display());
    table.row(apart("SQLite", &sqlite, 10_000.0));
    table.row(apart("PostgreSQL", &cluster.url("commission"), 20_000.0));
    table.print("A commission run: revenue computed a second");
}

/// One run in a process of its own, as a row of the table.
fn apart(name: &str, url: &str, wanted: f64) -> Vec<String> {
    let mut command = process::clean(std::env::current_exe().expect("a bench knows its own path"));
    command.args([RUN, url]);
    command.env("ENTENTE_BENCH_EVENTS", events().to_string());
    let told = process::output(&mut command);
    let last = told.lines().last().expect("the run tells its figures");
    let figures: Vec<f64> = last
        .split_whitespace()
        .map(|figure| figure.parse().expect("a figure"))
        .collect();
    let [seconds, cpu, peak, entries] = figures[..] else {
        panic!("not a run's figures: {last}");
    };
    let rate = events() as f64 / seconds;
    let megabytes = |bytes: f64| grouped(bytes / (1_024.0 * 1_024.0));
    vec![
        name.to_owned(),
        grouped(rate),
        grouped(wanted),
        verdict(rate >= wanted).to_owned(),
        format!("{cpu:.1}"),
        megabytes(peak),
        megabytes(MOST_MEMORY as f64),
        verdict(peak < MOST_MEMORY as f64).to_owned(),
        grouped(entries),
    ]
}

/// Fills a database, computes what waits, and prints seconds, CPU seconds, peak and entries.
async fn run(url: String) {
    let programme = Programme::make(url, PARTNERSHIPS, events()).await;
    let pid = std::process::id();
    // From here on the peak is the run's.
    std::fs::write("/proc/self/clear_refs", "5").expect("Linux forgets the peak");
    let (cpu, begin) = (process::cpu(pid), Instant::now());
    let run = programme.accrue().await;
    let (seconds, cpu) = (begin.elapsed(), process::cpu(pid) - cpu);
    assert_eq!(run.events, events(), "each payment was computed once");
    assert!(run.entries >= run.events, "each payment earned");
    let again = programme.accrue().await;
    assert_eq!(
        (again.events, again.id),
        (0, None),
        "a replay writes nothing"
    );
    println!(
        "{} {} {} {}",
        seconds.as_secs_f64(),
        cpu.as_secs_f64(),
        process::peak_memory(pid),
        run.entries
    );
}
