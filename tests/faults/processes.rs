//! Two operating system processes over one database: they share nothing but its rows, and a refresh token that is good once is redeemed once.
//!
//! The test's own process holds the sandbox and the connection and starts this program twice more, each time for [`one_of_the_two`] alone. What it
//! says to them goes through their standard input, a line a round, and what they saw comes back through their standard output.

use crate::portal::Portal;
use crate::worker::engine;
use entities::chance::SystemChance;
use entities::database::{Database, DatabaseOptions};
use entities::id::ConnectionId;
use integrations::hubspot::ID;
use sandbox::Limits;
use sandbox::hubspot::{Effect, Fault};
use serde_json::{Value, json};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;
use tests::{HubSpotSetup, TestClock, eventually};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, Command};

/// Callers of each of the two processes.
const CALLERS: usize = 250;
/// Longer than a token of the sandbox lives.
const LIFE: Duration = Duration::from_secs(1_800);
const PATIENCE: Duration = Duration::from_secs(60);

/// What a process is told of its surroundings: the database, the sandbox, the connection.
const DATABASE: &str = "ENTENTE_TEST_PROCESS_DATABASE";
const SANDBOX: &str = "ENTENTE_TEST_PROCESS_SANDBOX";
const CONNECTION: &str = "ENTENTE_TEST_PROCESS_CONNECTION";

/// Waits for the next line of the standard input; it is false when there will be none.
async fn next_round() -> bool {
    let read = || std::io::stdin().read_line(&mut String::new()).unwrap();
    tokio::task::spawn_blocking(read).await.unwrap() > 0
}

/// The work of each of the two processes; it fails when it is not one of them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "one of the two processes of the test below, which starts it"]
async fn one_of_the_two() {
    let clock = Arc::new(TestClock::system());
    let told = |name: &str| std::env::var(name).expect("the test that starts this process says it");
    let options = DatabaseOptions::new(told(DATABASE));
    let chance = Arc::new(SystemChance);
    let database = Database::open(options, Arc::<TestClock>::clone(&clock), chance)
        .await
        .unwrap();
    let engine = engine(database, ID, told(SANDBOX).parse().unwrap());
    let connection: ConnectionId = told(CONNECTION).parse().unwrap();
    println!("{}", json!({ "ready": std::process::id() }));
    while next_round().await {
        clock.advance(LIFE);
        let callers: Vec<_> = (0..CALLERS)
            .map(|_| {
                let engine = engine.clone();
                tokio::spawn(async move {
                    let opened = engine.keeper().open(connection).await;
                    opened.map(|opened| opened.connection.credentials_version)
                })
            })
            .collect();
        let (mut versions, mut failures) = (Vec::new(), Vec::new());
        for caller in callers {
            match caller.await.unwrap() {
                Ok(version) => versions.push(version),
                Err(error) => failures.push(error.to_string()),
            }
        }
        println!("{}", json!({ "versions": versions, "failures": failures }));
    }
}

/// A process of ours, from outside.
struct Process {
    child: Child,
    lines: tokio::io::Lines<BufReader<tokio::process::ChildStdout>>,
}

impl Process {
    async fn start(portal: &Portal) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        let name = concat!(module_path!(), "::one_of_the_two");
        let name = name.split_once("::").expect("a crate").1;
        command
            .args(["--exact", name, "--ignored", "--nocapture"])
            .env(DATABASE, portal.app.place().url())
            .env(SANDBOX, portal.hubspot().url().as_str())
            .env(CONNECTION, portal.connection.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut process = Self { child, lines };
        assert!(process.said().await["ready"].is_u64());
        process
    }

    /// The next thing it says; what the test harness around it prints is no word of its own.
    async fn said(&mut self) -> Value {
        let look = async {
            loop {
                let line = self.lines.next_line().await.unwrap();
                let line = line.expect("the process goes on until its input ends");
                if let Some(at) = line.find('{') {
                    return serde_json::from_str(&line[at..]).unwrap();
                }
            }
        };
        tokio::time::timeout(PATIENCE, look).await.expect("in time")
    }

    async fn tell(&mut self, line: &str) {
        let input = self.child.stdin.as_mut().unwrap();
        input.write_all(line.as_bytes()).await.unwrap();
        input.flush().await.unwrap();
    }

    async fn end(mut self) {
        drop(self.child.stdin.take());
        let ended = tokio::time::timeout(PATIENCE, self.child.wait()).await;
        assert!(ended.expect("it ends in time").unwrap().success());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_hundred_callers_of_two_processes_redeem_a_rotating_token_once() {
    let setup = HubSpotSetup::empty();
    let portal = Portal::of(HubSpotSetup {
        limits: Limits {
            rotate_refresh_tokens: true,
            ..setup.limits.clone()
        },
        ..setup
    })
    .await;
    portal.settle().await;
    let (mut one, mut two) = (Process::start(&portal).await, Process::start(&portal).await);
    assert_ne!(one.child.id(), two.child.id());
    let mut seen = 0;
    for round in 0..tests::rounds(3, 20) {
        portal.app.advance(LIFE);
        // The vendor takes its time, so that both processes are at it when the first of them has its answer.
        portal.hubspot().fail(Fault {
            contains: "/token".to_owned(),
            ..Fault::next("/oauth", 1, Effect::Delay { ms: 400 })
        });
        let asked = portal.hubspot().counts().of("/token");
        one.tell("go\n").await;
        two.tell("go\n").await;
        let (first, second) = tokio::join!(one.said(), two.said());
        let mut versions = Vec::new();
        for said in [&first, &second] {
            assert_eq!(said["failures"], json!([]), "round {round}");
            versions.extend(said["versions"].as_array().unwrap().clone());
        }
        assert_eq!(versions.len(), 2 * CALLERS, "round {round}");
        let newest = versions[0].as_i64().unwrap();
        assert!(newest > seen, "round {round}: the token is a new one");
        assert!(
            versions.iter().all(|version| *version == json!(newest)),
            "round {round}: everybody has the same: {versions:?}"
        );
        seen = newest;
        assert_eq!(
            portal.hubspot().counts().of("/token"),
            asked + 1,
            "round {round}: one redemption"
        );
    }
    one.end().await;
    two.end().await;
    // The grant is alive: what the last round brought is what the next call uses.
    let late = portal.plain_deal("Late");
    portal.app.advance(Duration::from_secs(61));
    portal.settle().await;
    eventually("the late deal is here", PATIENCE, async || {
        (!portal.deal_row(late).await.is_null()).then_some(())
    })
    .await;
    portal.app.finish().await;
}
