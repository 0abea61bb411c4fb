//! A worker as a process of its own, over a test's database and before its doubles, which is ended without warning.
//!
//! The doubles and the server stay alive in the test's own process, as a vendor does when one of ours dies: what had reached the vendor is there. The
//! process is this program started once more for [`one_worker`] alone; it shares nothing with the test but rows and loopback.

use api::config::{Config, Sources};
use entities::chance::{SeededChance, SystemChance};
use entities::clock::{Clock, SystemClock};
use entities::database::{Database, DatabaseOptions};
use integrations::http::{Client, ClientSettings, HostPolicy};
use integrations::hubspot::{self, HubSpotEndpoints};
use integrations::salesforce::{self, SalesforceEndpoints};
use integrations::shopify::{self, ShopifyEndpoints};
use integrations::slack::{self, SlackEndpoints};
use integrations::sync::{Engine, EngineParts, Settings};
use integrations::vault::{MasterKey, Vault};
use integrations::{Endpoints, connectors};
use serde_json::json;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;
use tests::{CLIENT_ID, CLIENT_SECRET, SIGNING_SECRET, TestApp, TestClock};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use url::Url;

const PATIENCE: Duration = Duration::from_secs(60);

/// What the process is told of its surroundings: the database, the double and whose it is, and how far the test's clock is ahead of the machine's.
const DATABASE: &str = "ENTENTE_TEST_WORKER_DATABASE";
const CONNECTOR: &str = "ENTENTE_TEST_WORKER_CONNECTOR";
const SANDBOX: &str = "ENTENTE_TEST_WORKER_SANDBOX";
const AHEAD_MICROS: &str = "ENTENTE_TEST_WORKER_AHEAD_MICROS";

fn endpoints(connector: &str, at: Url) -> Endpoints {
    let none = Endpoints::default();
    match connector {
        hubspot::ID => Endpoints {
            hubspot: HubSpotEndpoints::at(at),
            ..none
        },
        salesforce::ID => Endpoints {
            salesforce: SalesforceEndpoints::at(at),
            ..none
        },
        shopify::ID => Endpoints {
            shopify: ShopifyEndpoints::at(at),
            ..none
        },
        slack::ID => Endpoints {
            slack: SlackEndpoints::at(at),
            ..none
        },
        other => panic!("{other} has no double"),
    }
}

fn registrations() -> Config {
    let mut environment = vec![(
        "ENTENTE_SLACK_SIGNING_SECRET".to_owned(),
        SIGNING_SECRET.to_owned(),
    )];
    for vendor in ["HUBSPOT", "SALESFORCE", "SHOPIFY", "SLACK"] {
        for (name, value) in [("ID", CLIENT_ID), ("SECRET", CLIENT_SECRET)] {
            environment.push((format!("ENTENTE_{vendor}_CLIENT_{name}"), value.to_owned()));
        }
    }
    let sources = Sources {
        file: None,
        environment,
        flags: Vec::new(),
    };
    Config::load(&sources).unwrap()
}

/// An engine with nothing in memory that another one has, over a database that several may have open, before a vendor's double.
pub fn engine(database: Database, connector: &str, sandbox: Url) -> Engine {
    let addresses = sandbox.socket_addrs(|| None).unwrap();
    let settings = ClientSettings {
        // The double has no budget to keep.
        paced: false,
        ..ClientSettings::default()
    };
    // The key of the test's app.
    let key = MasterKey::generate(&SeededChance::new(1)).0;
    Engine::new(EngineParts {
        database,
        registry: connectors(endpoints(connector, sandbox)),
        vault: Vault::new(key, Vec::new(), Arc::new(SystemChance)),
        http: Client::new(HostPolicy::sandbox(addresses), settings).unwrap(),
        apps: registrations().apps().clone(),
        settings: Settings::default(),
    })
}

/// The work of the process; it goes on until it is killed, or until whoever started it is gone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a process that the tests of kills start"]
async fn one_worker() {
    let told = |name: &str| std::env::var(name).expect("the test that starts this process says it");
    let clock = Arc::new(TestClock::system());
    clock.advance(Duration::from_micros(told(AHEAD_MICROS).parse().unwrap()));
    let options = DatabaseOptions::new(told(DATABASE));
    let database = Database::open(options, clock, Arc::new(SystemChance))
        .await
        .unwrap();
    let sandbox: Url = told(SANDBOX).parse().unwrap();
    let engine = engine(database, &told(CONNECTOR), sandbox);
    println!("{}", json!({ "ready": std::process::id() }));
    // Nobody ends the input of a process that is to be killed; it ends when the test does.
    let orphaned = tokio::task::spawn_blocking(|| std::io::stdin().read_line(&mut String::new()));
    let work = async {
        loop {
            if !engine.step().await.unwrap() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
    };
    tokio::select! {
        () = work => {}
        _ = orphaned => {}
    }
}

/// A running worker.
pub struct Worker(Child);

impl Worker {
    /// Starts one, and waits until it works.
    pub async fn start(app: &TestApp, (connector, sandbox): (&str, Url)) -> Self {
        let ahead = app.database().now().micros() - SystemClock.now().micros();
        let name = concat!(module_path!(), "::one_worker");
        let name = name.split_once("::").expect("a crate").1;
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", name, "--ignored", "--nocapture"])
            .env(DATABASE, app.place().url())
            .env(CONNECTOR, connector)
            .env(SANDBOX, sandbox.as_str())
            .env(AHEAD_MICROS, ahead.max(0).to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let ready = async {
            while let Some(line) = lines.next_line().await.unwrap() {
                if line.contains("ready") {
                    return;
                }
            }
            panic!("the worker ended before it worked");
        };
        tokio::time::timeout(PATIENCE, ready)
            .await
            .expect("in time");
        Self(child)
    }

    /// Ends it without warning.
    pub async fn kill(mut self) {
        self.0.kill().await.expect("it can be killed");
    }
}
