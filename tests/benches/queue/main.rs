//! The queue of what goes out: rows claimed and acknowledged a second, when few wait and when very many do.
//!
//! On SQLite and on PostgreSQL as the product opens them, both durable at every commit. Two workers claim by the hundred, as the engine does, and
//! acknowledge each batch before the next; what they took is written anew between the rounds, so that as many wait in each. Rates are those of the
//! middle round, and the share is that of the middle pair of rounds, for they are short. For comparison, one worker that takes one row at a time.
//!
//! `cargo bench -p tests --bench queue`. About a minute.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a bench fails by panicking"
)]

#[path = "../measure/mod.rs"]
mod measure;
mod waiting;

use measure::cluster::Cluster;
use measure::table::{Table, grouped, verdict};
use waiting::{Taking, Waiting};

/// The product's allocator.
#[global_allocator]
static GLOBAL: mimalloc::MiMalloc = mimalloc::MiMalloc;

const FEW: u64 = 20_000;
const MANY: u64 = 1_000_000;
const ROUNDS: usize = 7;
const WARM_UP: usize = 2;
const WANTED: f64 = 8_000.0;
/// How much of the rate with few rows must be left with many.
const FLAT: f64 = 0.8;

const BY_THE_HUNDRED: Taking = Taking {
    workers: 2,
    batch: 100,
    rows: 12_000,
};
const ONE_BY_ONE: Taking = Taking {
    workers: 1,
    batch: 1,
    rows: 300,
};

fn main() {
    let cluster = Cluster::start();
    let folder = tempfile::Builder::new()
        .prefix("entente-bench-")
        .tempdir_in(env!("CARGO_TARGET_TMPDIR"))
        .expect("a folder");
    let sqlite = |name: &str| {
        let file = folder.path().join(format!("{name}.sqlite"));
        format!("sqlite://{}", file.display())
    };
    let postgres = |name: &str| {
        cluster.create(name);
        cluster.url(name)
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let mut table = Table::new(&[
        "",
        "one by one",
        "rows/s, 20,000 wait",
        "wanted",
        "",
        "rows/s, 1,000,000 wait",
        "wanted",
        "",
        "share",
        "wanted",
        "",
    ]);
    runtime.block_on(async {
        table.row(compare("SQLite", sqlite("few"), sqlite("many")).await);
        table.row(compare("PostgreSQL", postgres("few"), postgres("many")).await);
    });
    table.print("Pushes claimed and acknowledged a second, two workers, a hundred at a time");
}

async fn compare(name: &str, few: String, many: String) -> Vec<String> {
    let (mut few, mut many) = (
        Waiting::make(few, FEW).await,
        Waiting::make(many, MANY).await,
    );
    let (mut single, mut short, mut long, mut shares) = (vec![], vec![], vec![], vec![]);
    // What was just filled is still being written to the disk; the first rounds are for getting over that.
    for _ in 0..WARM_UP {
        few.take(BY_THE_HUNDRED).await;
        many.take(BY_THE_HUNDRED).await;
    }
    // Turn by turn, so that what else the machine does falls on both.
    for _ in 0..ROUNDS {
        single.push(few.take(ONE_BY_ONE).await);
        let rates = (
            few.take(BY_THE_HUNDRED).await,
            many.take(BY_THE_HUNDRED).await,
        );
        short.push(rates.0);
        long.push(rates.1);
        shares.push(rates.1 / rates.0);
    }
    let [single, short, long, share] = [single, short, long, shares].map(middle);
    let judged = |rate: f64| verdict(rate >= WANTED).to_owned();
    vec![
        name.to_owned(),
        grouped(single),
        grouped(short),
        grouped(WANTED),
        judged(short),
        grouped(long),
        grouped(WANTED),
        judged(long),
        format!("{share:.2}"),
        format!("{FLAT:.2}"),
        verdict(share >= FLAT).to_owned(),
    ]
}

fn middle(mut rates: Vec<f64>) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates[rates.len() / 2]
}
