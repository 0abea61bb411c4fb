//! Webhooks made durable: many a commit against one a commit.
//!
//! All of it on SQLite as the product opens it (WAL, `synchronous=FULL`), in a folder on the disk the build uses, with bodies of 1 KiB and 64
//! callers at a time, each with one delivery under way. *One a transaction* calls the store for each delivery; *group commit* hands the same
//! deliveries to the inbox; *over HTTP* is the real binary behind 64 keep-alive connections, with every signature verified, which also has to
//! share the machine with the load generator. Afterwards what is stored is counted: every acknowledged delivery must be there.
//!
//! `cargo bench -p tests --bench ingest`. About half a minute.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a bench fails by panicking"
)]

mod deliveries;
#[path = "../measure/mod.rs"]
mod measure;

use deliveries::{CLIENT_ID, CLIENT_SECRET, body, signed};
use entities::clock::SystemClock;
use entities::database::{Database, DatabaseOptions};
use entities::inbound_webhook::{self, NewDelivery};
use integrations::sync::{Ingest, Stored};
use measure::load::{Done, Load};
use measure::process;
use measure::server::Setup;
use measure::table::{Table, grouped, verdict};
use sea_orm::{ConnectionTrait, Statement};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The product's allocator.
#[global_allocator]
static GLOBAL: mimalloc::MiMalloc = mimalloc::MiMalloc;

const CALLERS: u64 = 64;
const ROUNDS: u32 = 2;
const ROUND: Duration = Duration::from_secs(4);
const WANTED: f64 = 5.0;

/// How many deliveries are signed before a round.
const SIGNED: u64 = 60_000;

fn main() {
    let binary = process::entente();
    let mut ways = [
        Way::new("one a transaction"),
        Way::new("group commit"),
        Way::new("group commit, over HTTP"),
    ];
    for _ in 0..ROUNDS {
        // A fresh file each time, so that nobody writes into a larger database than another.
        ways[0].add(within(|folder| direct(folder, false)));
        ways[1].add(within(|folder| direct(folder, true)));
        ways[2].add(within(|folder| over_http(folder, &binary)));
    }
    let mut table = Table::new(&["", "deliveries/s", "ratio", "wanted", "", "CPU µs each"]);
    let one = ways[0].done.rate();
    for (index, way) in ways.iter().enumerate() {
        let ratio = way.done.rate() / one;
        let judged = |text: String| if index == 0 { String::new() } else { text };
        table.row(vec![
            way.name.to_owned(),
            grouped(way.done.rate()),
            judged(format!("{ratio:.1}")),
            judged(format!("{WANTED:.1}")),
            judged(verdict(ratio >= WANTED).to_owned()),
            format!(
                "{:.0}",
                way.cpu.as_secs_f64() * 1e6 / way.done.answers as f64
            ),
        ]);
    }
    table.print("Durable webhook deliveries a second on SQLite, 1 KiB each, 64 at a time");
}

/// One way to store, and what came of it.
struct Way {
    name: &'static str,
    done: Done,
    cpu: Duration,
}

impl Way {
    fn new(name: &'static str) -> Self {
        Self {
            name,
            done: Done::default(),
            cpu: Duration::ZERO,
        }
    }

    fn add(&mut self, (done, cpu): (Done, Duration)) {
        self.done += done;
        self.cpu += cpu;
    }
}

fn within<T>(run: impl FnOnce(&Path) -> T) -> T {
    let folder = tempfile::Builder::new()
        .prefix("entente-bench-")
        .tempdir_in(env!("CARGO_TARGET_TMPDIR"))
        .expect("a folder");
    run(folder.path())
}

fn url(folder: &Path) -> String {
    format!("sqlite://{}", folder.join("entente.sqlite").display())
}

async fn open(folder: &Path) -> Database {
    let database = Database::open(
        DatabaseOptions::new(url(folder)),
        Arc::new(SystemClock),
        api::state::chance(),
    )
    .await
    .expect("the database opens");
    api::state::prepare_schema(&database, true)
        .await
        .expect("the schema is made");
    database
}

async fn stored(database: &Database) -> u64 {
    let statement =
        Statement::from_string(database.backend(), "SELECT COUNT(*) FROM inbound_webhook");
    let row = database
        .read()
        .query_one_raw(statement)
        .await
        .expect("the database answers")
        .expect("one row");
    u64::try_from(row.try_get_by_index::<i64>(0).expect("a number")).expect("a count")
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a runtime")
}

/// The store without the network around it.
fn direct(folder: &Path, grouped: bool) -> (Done, Duration) {
    runtime().block_on(async {
        let database = open(folder).await;
        let inbox = grouped.then(|| Ingest::spawn(database.clone()));
        let number = Arc::new(AtomicU64::new(0));
        let (begin, before) = (Instant::now(), process::cpu(std::process::id()));
        let callers: Vec<_> = (0..CALLERS)
            .map(|_| {
                let (database, inbox, number) =
                    (database.clone(), inbox.clone(), Arc::clone(&number));
                tokio::spawn(async move {
                    while begin.elapsed() < ROUND {
                        let number = number.fetch_add(1, Ordering::Relaxed);
                        let (key, body) = (format!("{number:064}"), body(number).into_bytes());
                        match &inbox {
                            Some(inbox) => assert_eq!(
                                inbox.store(NewDelivery::new("hubspot", key, body)).await,
                                Ok(Stored::Inserted)
                            ),
                            None => {
                                let delivery = NewDelivery {
                                    connector: "hubspot".to_owned(),
                                    dedupe_key: key,
                                    body,
                                    ..NewDelivery::default()
                                };
                                assert_eq!(
                                    inbound_webhook::store(&database, vec![delivery])
                                        .await
                                        .expect("it is stored"),
                                    [true]
                                );
                            }
                        }
                    }
                })
            })
            .collect();
        for caller in callers {
            caller.await.expect("a caller ends well");
        }
        let done = Done {
            answers: number.load(Ordering::Relaxed),
            took: begin.elapsed(),
        };
        let cpu = process::cpu(std::process::id()) - before;
        assert_eq!(
            stored(&database).await,
            done.answers,
            "what was acknowledged is there"
        );
        (done, cpu)
    })
}

/// The whole way: HTTP, signature, inbox, commit, answer. No worker runs beside it, for splitting deliveries is other work.
fn over_http(folder: &Path, binary: &Path) -> (Done, Duration) {
    let settings = vec![
        ("ENTENTE_HUBSPOT_CLIENT_ID", CLIENT_ID.to_owned()),
        ("ENTENTE_HUBSPOT_CLIENT_SECRET", CLIENT_SECRET.to_owned()),
    ];
    let setup = Setup {
        binary: binary.to_owned(),
        database: url(folder),
        settings,
    };
    let server = setup.serve(&["--no-worker"], None);
    let load = Load {
        address: server.address,
        connections: CALLERS,
        lasts: ROUND,
    };
    let address = server.address.to_string();
    let before = process::cpu(server.pid());
    // Signed beforehand, for the generator is to take as little of the machine as it can; what lies beyond is signed on the way.
    let ready: Vec<Vec<u8>> = (0..SIGNED).map(|number| signed(number, &address)).collect();
    let request = |number: u64, bytes: &mut Vec<u8>| match ready
        .get(usize::try_from(number).expect("a count"))
    {
        Some(request) => bytes.extend_from_slice(request),
        None => bytes.extend_from_slice(&signed(number, &address)),
    };
    let done = load.drive(request, |_| true);
    let cpu = process::cpu(server.pid()) - before;
    drop(server);
    let kept = runtime().block_on(async { stored(&open(folder).await).await });
    assert_eq!(kept, done.answers, "what was acknowledged is there");
    (done, cpu)
}
