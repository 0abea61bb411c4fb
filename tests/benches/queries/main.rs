//! Three reads over HTTP against PostgreSQL alone.
//!
//! Every query runs twice on the same cluster, rows and machine: through the real binary, `entente serve`, over keep-alive connections with a
//! token on every request and every limit in place (only the token's budget is raised, which one caller would otherwise use up in a
//! second), and as `pgbench` running the one prepared statement that builds the same JSON. What is printed is the share of the second that the
//! first reaches. The two answers are compared before anything is measured, and the two take turns in short rounds, so that a neighbour on the
//! machine disturbs both. The share by CPU compares what an answer takes of the machine, everything counted, and is the steadier
//! figure where the machine has other work.
//!
//! `cargo bench -p tests --bench queries`. It takes about two minutes, most of it filling the tables.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a bench fails by panicking"
)]

mod cases;
mod client;
mod fill;
#[path = "../measure/mod.rs"]
mod measure;

use cases::Case;
use client::Client;
use measure::cluster::Cluster;
use measure::load::{Done, Load};
use measure::process;
use measure::server::Setup;
use measure::table::{Table, grouped, verdict};
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

/// Connections on either side.
const CONNECTIONS: u64 = 32;

/// Rounds of each side.
const ROUNDS: u32 = 3;

/// More than one caller can spend.
const WITHOUT_END: &str = "1000000000000";

/// One round.
const ROUND: Duration = Duration::from_secs(3);

/// What one side did, and the CPU it took.
#[derive(Default)]
struct Side {
    done: Done,
    /// Of the server process; `pgbench` has none.
    server: Duration,
    /// Of what asks: the load generator, or `pgbench`.
    asking: Duration,
    postgres: Duration,
}

impl Side {
    /// Everything it took.
    fn cpu(&self) -> Duration {
        self.server + self.asking + self.postgres
    }

    fn micros_each(&self, cpu: Duration) -> f64 {
        cpu.as_secs_f64() * 1e6 / self.done.answers.max(1) as f64
    }
}

fn main() {
    let binary = process::entente();
    let cluster = Cluster::start();
    cluster.create("entente");
    let settings = ["ENTENTE_LIMITS_BUDGET", "ENTENTE_LIMITS_RESTORE_RATE"]
        .map(|name| (name, WITHOUT_END.to_owned()))
        .to_vec();
    let setup = Setup {
        binary,
        database: cluster.url("entente"),
        settings,
    };
    setup.run(&["migrate"]);
    fill::fill(&cluster);
    let client = Client::start(&setup);
    let scripts = tempfile::tempdir().expect("a folder");
    println!(
        "PostgreSQL and {} on this machine; {CONNECTIONS} connections, {ROUNDS} rounds of {} s on each side.",
        setup.binary.display(),
        ROUND.as_secs()
    );

    let mut table = Table::new(&[
        "",
        "pgbench/s",
        "entente/s",
        "share",
        "wanted",
        "",
        "share by CPU",
        "CPU µs: entente",
        "PostgreSQL",
        "load",
        "pgbench",
        "PostgreSQL",
        "bytes",
    ]);
    for case in cases::all(&cluster) {
        let bytes = cases::check(&case, &cluster, &client);
        let (mut theirs, mut ours) = (Side::default(), Side::default());
        // The first requests fill caches on both sides and are not counted.
        let _ = entente(&case, &cluster, &client, ROUND / 3);
        for _ in 0..ROUNDS {
            add(&mut theirs, pgbench(&case, &cluster, scripts.path()));
            add(&mut ours, entente(&case, &cluster, &client, ROUND));
        }
        let share = ours.done.rate() / theirs.done.rate();
        let micros = |side: &Side, cpu| format!("{:.0}", side.micros_each(cpu));
        table.row(vec![
            case.name.to_owned(),
            grouped(theirs.done.rate()),
            grouped(ours.done.rate()),
            format!("{share:.2}"),
            format!("{:.2}", case.wanted),
            verdict(share >= case.wanted).to_owned(),
            format!(
                "{:.2}",
                theirs.micros_each(theirs.cpu()) / ours.micros_each(ours.cpu())
            ),
            micros(&ours, ours.server),
            micros(&ours, ours.postgres),
            micros(&ours, ours.asking),
            micros(&theirs, theirs.asking),
            micros(&theirs, theirs.postgres),
            bytes.to_string(),
        ]);
    }
    table.print("Reads a second as a share of the one statement that builds the same JSON");
}

fn add(side: &mut Side, more: Side) {
    side.done += more.done;
    side.server += more.server;
    side.asking += more.asking;
    side.postgres += more.postgres;
}

fn entente(case: &Case, cluster: &Cluster, client: &Client, lasts: Duration) -> Side {
    let requests: Vec<Vec<u8>> = case
        .variables
        .iter()
        .map(|variables| client.request(&case.query, variables))
        .collect();
    let now = || {
        [
            process::cpu(client.server.pid()),
            process::cpu(std::process::id()),
            process::cpu_of_family(cluster.pid()),
        ]
    };
    let before = now();
    let load = Load {
        address: client.server.address,
        connections: CONNECTIONS,
        lasts,
    };
    let pick = |number: u64, bytes: &mut Vec<u8>| {
        bytes.extend_from_slice(
            &requests[usize::try_from(number).expect("a count") % requests.len()],
        );
    };
    // Errors come before data, so a body that begins with data has none.
    let done = load.drive(pick, |body| body.starts_with(br#"{"data":{"#));
    let after = now();
    Side {
        done,
        server: after[0] - before[0],
        asking: after[1] - before[1],
        postgres: after[2] - before[2],
    }
}

fn pgbench(case: &Case, cluster: &Cluster, folder: &Path) -> Side {
    let mut command = cluster.pgbench("entente");
    command.args([
        "-c",
        &CONNECTIONS.to_string(),
        "-j",
        "2",
        "-T",
        &ROUND.as_secs().to_string(),
    ]);
    for (index, statement) in case.statements.iter().enumerate() {
        let path = folder.join(format!("{}-{index}.sql", case.statements.len()));
        // A script is one command a line unless it ends with a semicolon.
        let mut file = std::fs::File::create(&path).expect("a script");
        writeln!(file, "{statement};").expect("a script");
        command.arg("-f").arg(path);
    }
    let now = || {
        [
            process::cpu_of_ended_children(),
            process::cpu_of_family(cluster.pid()),
        ]
    };
    let before = now();
    let text = process::output(&mut command);
    let after = now();
    let number = |label: &str| -> f64 {
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(label))
            .unwrap_or_else(|| panic!("pgbench does not tell {label:?}: {text}"));
        line.trim()
            .split(|end: char| !(end.is_ascii_digit() || end == '.'))
            .next()
            .unwrap_or_default()
            .parse()
            .expect("a number")
    };
    let answers = number("number of transactions actually processed:");
    // The time it takes to connect is not held against it.
    let took = Duration::from_secs_f64(answers / number("tps ="));
    Side {
        done: Done {
            answers: answers as u64,
            took,
        },
        server: Duration::ZERO,
        asking: after[0] - before[0],
        postgres: after[1] - before[1],
    }
}
