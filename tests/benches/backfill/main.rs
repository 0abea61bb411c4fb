//! The first synchronisation of a CRM with 100,000 deals, of an org with 100,000 opportunities (by bulk jobs) and of a shop with 60,000 orders (by
//! bulk operations).
//!
//! For each vendor and database three processes, so that each one's memory is its own: this one, which only looks; the sandbox, which holds the records
//! and has no rate limit here; and the real engine, as the product wires it, over a fresh database, once SQLite and once PostgreSQL. The engine
//! connects through the real consent and reads everything there is; every record gets its link with its shadow, and the shares of partners their rows.
//! What is printed is records a second and the peak of the engine's memory; and then, from another process of the engine that reads everything again,
//! how many rows that writes when nothing has changed. While a vendor prepares a bulk result the engine has nothing to do; that is part of the time.
//!
//! `cargo bench -p tests --bench backfill`, about six minutes; `-- salesforce` measures one vendor alone. The sandbox's own work shares the machine and
//! is part of the time. `ENTENTE_BENCH_RECORDS=5000` reads so many deals, opportunities and orders instead: enough to see that the bench works, too few
//! to measure anything.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a bench fails by panicking"
)]

mod engine;
#[path = "../measure/mod.rs"]
mod measure;
mod sandboxed;
mod vendors;

use measure::cluster::Cluster;
use measure::process::{self, Child, clean};
use measure::table::{Table, grouped, verdict};
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::process::Stdio;
use vendors::{VENDORS, Vendor};

/// The product's allocator, for the engine's memory is measured.
#[global_allocator]
static GLOBAL: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How many deals, opportunities and orders there are, in place of what is promised.
const RECORDS: &str = "ENTENTE_BENCH_RECORDS";
const WANTED_RATE: f64 = 8_000.0;
/// Of the records that are read again unchanged, in rows written.
const WANTED_WRITES: f64 = 0.01;
const WANTED_MEMORY: u64 = 200 * 1_000_000;

fn main() {
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        // Cargo adds it.
        .filter(|argument| argument != "--bench")
        .collect();
    let vendor = |id: &str| {
        vendors::named(id).unwrap_or_else(|| {
            let known = VENDORS.each_ref().map(|vendor| vendor.id).join(", ");
            panic!("no vendor is called {id:?}; there are {known}")
        })
    };
    match arguments
        .iter()
        .map(String::as_str)
        .collect::<Vec<_>>()
        .as_slice()
    {
        ["sandbox", id, count] => {
            sandboxed::serve(vendor(id), count.parse().expect("a number of records"));
        }
        ["engine", id, sandbox, database] => engine::run(vendor(id), sandbox, database, false),
        ["again", id, sandbox, database] => engine::run(vendor(id), sandbox, database, true),
        [] => compare(&VENDORS.each_ref()),
        some => compare(&some.iter().map(|id| vendor(id)).collect::<Vec<_>>()),
    }
}

fn compare(vendors: &[&Vendor]) {
    let cluster = Cluster::start();
    for vendor in vendors {
        measure(vendor, &cluster);
    }
}

fn measure(vendor: &Vendor, cluster: &Cluster) {
    let count = std::env::var(RECORDS).map_or(vendor.count, |told| {
        told.parse().expect("a number of records")
    });
    let mut table = Table::new(&[
        "",
        "records",
        "seconds",
        "records/s",
        "wanted",
        "",
        "peak MB",
        "wanted",
        "",
        "CPU s: engine",
        "sandbox",
        "PostgreSQL",
        "deals",
        "shares",
        "links",
        "waiting",
    ]);
    let mut unchanged = Table::new(&[
        "",
        "records",
        "seconds",
        "records/s",
        "rows written",
        "%",
        "wanted",
        "",
        "events",
    ]);
    cluster.create(vendor.id);
    let folder = tempfile::Builder::new()
        .prefix("entente-bench-")
        .tempdir_in(env!("CARGO_TARGET_TMPDIR"))
        .expect("a folder");
    let sqlite = format!(
        "sqlite://{}",
        folder.path().join("entente.sqlite").display()
    );
    for (name, database) in [("SQLite", sqlite), ("PostgreSQL", cluster.url(vendor.id))] {
        // Each engine meets a sandbox of its own: a token or a cache of the one before would help.
        let (sandbox, place) = child(&["sandbox", vendor.id, &count.to_string()]);
        let place = place["url"].as_str().expect("an address").to_owned();
        let before = (
            process::cpu(sandbox.id()),
            process::cpu_of_family(cluster.pid()),
        );
        let (engine, told) = child(&["engine", vendor.id, &place, &database]);
        let number = |key: &str| {
            told[key]
                .as_f64()
                .unwrap_or_else(|| panic!("no {key} in {told}"))
        };
        let (records, seconds, peak) = (
            number("records"),
            number("seconds"),
            told["peak"].as_u64().expect("a number of bytes"),
        );
        let rate = records / seconds;
        table.row(vec![
            name.to_owned(),
            grouped(records),
            format!("{seconds:.1}"),
            grouped(rate),
            grouped(WANTED_RATE),
            verdict(rate >= WANTED_RATE).to_owned(),
            grouped(peak as f64 / 1e6),
            format!("< {}", grouped(WANTED_MEMORY as f64 / 1e6)),
            verdict(peak < WANTED_MEMORY).to_owned(),
            format!("{:.1}", number("cpu")),
            format!(
                "{:.1}",
                (process::cpu(sandbox.id()) - before.0).as_secs_f64()
            ),
            format!(
                "{:.1}",
                (process::cpu_of_family(cluster.pid()) - before.1).as_secs_f64()
            ),
            grouped(number("deals")),
            grouped(number("shares")),
            grouped(number("links")),
            grouped(number("waiting")),
        ]);
        println!("{}, {name}: {}", vendor.id, told["counts"]);

        drop(engine);
        let counted = || (name == "PostgreSQL").then(|| rows_written(cluster, vendor.id));
        let before = counted();
        let (engine, again) = child(&["again", vendor.id, &place, &database]);
        drop(engine);
        let number = |key: &str| {
            again[key]
                .as_f64()
                .unwrap_or_else(|| panic!("no {key} in {again}"))
        };
        let written = match counted().zip(before) {
            Some((after, before)) => after - before,
            None => number("written"),
        };
        let (records, share) = (number("records"), written / number("records"));
        let events = number("events") - told["events"].as_f64().expect("a number");
        unchanged.row(vec![
            name.to_owned(),
            grouped(records),
            format!("{:.1}", number("seconds")),
            grouped(records / number("seconds")),
            grouped(written),
            format!("{:.2}", 100.0 * share),
            format!("< {:.0}", 100.0 * WANTED_WRITES),
            verdict(share < WANTED_WRITES).to_owned(),
            // The one that tells of the run's end.
            grouped(events),
        ]);
    }
    let there = format!("{} {}", grouped(count as f64), vendor.counted);
    let title = format!("The first synchronisation with {}: {there}", vendor.id);
    table.print(&title);
    unchanged.print("The same records read again, none of them changed");
}

/// Rows that PostgreSQL has counted as written, once nobody is connected who could still have something to tell.
fn rows_written(cluster: &Cluster, database: &str) -> f64 {
    let number = |statement: &str| -> f64 {
        let said = cluster.run(database, statement);
        said.trim().parse().expect("a number")
    };
    let others = "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'";
    for _ in 0..100 {
        if number(others) < 0.5 {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    number("SELECT SUM(n_tup_ins + n_tup_upd + n_tup_del) FROM pg_stat_user_tables")
}

/// Starts this program in another part, and reads the line with which it says that it is ready or done.
fn child(arguments: &[&str]) -> (Child, Value) {
    let mut command = clean(std::env::current_exe().expect("a bench knows its own path"));
    command
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let mut child = Child::of(command.spawn().expect("the child starts"));
    let mut line = String::new();
    BufReader::new(child.stdout())
        .read_line(&mut line)
        .expect("the child speaks");
    let said = serde_json::from_str(&line)
        .unwrap_or_else(|error| panic!("{arguments:?}: {error} in {line:?}"));
    (child, said)
}
