//! The process of the engine, put together from the product's own parts.

use super::measure::process;
use super::sandboxed::{CLIENT_ID, CLIENT_SECRET, redirect_uri};
use super::vendors::Vendor;
use api::config::{Config, Sources};
use api::state::{chance, open_database, prepare_schema};
use entities::chance::SeededChance;
use entities::connection;
use entities::database::Database;
use entities::viewer::Viewer;
use entities::visible::Visible;
use integrations::connectors;
use integrations::http::{Client, ClientSettings, HostPolicy};
use integrations::sync::{Asking, Engine, EngineParts, Returned, Settings, SyncKind};
use integrations::vault::{MasterKey, Vault};
use sea_orm::{ConnectionTrait, Statement};
use secrecy::SecretString;
use serde_json::json;
use std::collections::HashMap;
use std::time::Instant;
use url::Url;

/// Synchronises the sandbox into a database and prints one line of figures: for the first time, or `again` when it was done before.
pub fn run(vendor: &Vendor, sandbox: &str, database: &str, again: bool) {
    // As the binary does it.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let of_vendor = |what: &str| format!("ENTENTE_{}_CLIENT_{what}", vendor.id.to_uppercase());
        let environment = vec![
            ("ENTENTE_DATABASE_URL".to_owned(), database.to_owned()),
            (of_vendor("ID"), CLIENT_ID.to_owned()),
            (of_vendor("SECRET"), CLIENT_SECRET.to_owned()),
        ];
        let config = Config::load(&Sources { file: None, environment, flags: Vec::new() }).expect("the settings are settings");
        let opened = open_database(&config).await.expect("the database opens");
        prepare_schema(&opened, true).await.expect("the schema is made");
        // The second process opens what the first one sealed.
        let vault = Vault::new(MasterKey::generate(&SeededChance::new(1)).0, Vec::new(), chance());
        let url: Url = sandbox.parse().expect("the sandbox has an address");
        let addresses = url.socket_addrs(|| None).expect("the sandbox has an address");
        // Put together as the product does it, but for the pace: there is no vendor whose budget it would keep to.
        let engine = Engine::new(EngineParts {
            database: opened.clone(),
            registry: connectors((vendor.endpoints)(url)),
            vault,
            http: Client::new(HostPolicy::sandbox(addresses), ClientSettings { paced: false, ..ClientSettings::default() }).expect("a client"),
            apps: config.apps().clone(),
            settings: Settings::default(),
        });
        let (connection, kind) = if again {
            (connected(&opened).await, SyncKind::Everything)
        } else {
            (connect(vendor, &engine).await, SyncKind::Changes)
        };
        let written = rows_written(&opened).await;

        let (begin, before) = (Instant::now(), process::cpu(std::process::id()));
        let run = engine.sync_connection(connection.id, kind, |_| {}).await.expect("the synchronisation runs");
        let seconds = begin.elapsed().as_secs_f64();
        let cpu = process::cpu(std::process::id()) - before;
        assert!(run.error.is_none(), "{:?}", run.error);
        let records: u64 = run.findings.counts.values().map(|counts| counts.read).sum();
        let line = json!({
            "records": records,
            "seconds": seconds,
            "cpu": cpu.as_secs_f64(),
            "peak": process::peak_memory(std::process::id()),
            "deals": count(&opened, "deal").await,
            "shares": count(&opened, "deal_partner").await,
            "links": count(&opened, "external_link").await,
            "waiting": count(&opened, "pending_link").await,
            "events": count(&opened, "event").await,
            "written": rows_written(&opened).await.zip(written).map(|(now, before)| now - before),
            "counts": run.findings.counts.iter().map(|(resource, counts)| (resource.clone(), json!({
                "read": counts.read, "created": counts.created, "unchanged": counts.unchanged, "kept out": counts.kept_out, "flagged": counts.flagged,
            }))).collect::<serde_json::Map<_, _>>(),
        });
        println!("{line}");
    });
}

/// The consent, as a person with a browser would give it.
async fn connect(vendor: &Vendor, engine: &Engine) -> connection::Model {
    let cookie = SecretString::from("0123456789abcdef0123456789abcdef");
    let redirect_uri: Url = redirect_uri(vendor.id).parse().expect("an address");
    let asking = Asking {
        connector: vendor.id,
        subject: "bench",
        redirect_uri,
        site: vendor.site,
        cookie: &cookie,
        renews: None,
    };
    let page = engine
        .begin_connect(asking)
        .await
        .expect("a consent can be asked for");
    let browser = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .tls_certs_only([])
        .build()
        .expect("a client");
    let agreed = browser
        .get(page)
        .send()
        .await
        .expect("the vendor's page answers");
    let back = agreed
        .headers()
        .get(reqwest::header::LOCATION)
        .expect("the vendor sends the person back")
        .to_str()
        .expect("an address");
    let back: Url = back.parse().expect("an address");
    let answer: HashMap<_, _> = back.query_pairs().into_owned().collect();
    let state = SecretString::from(answer["state"].clone());
    let returned = Returned {
        connector: vendor.id,
        state: &state,
        code: answer["code"].clone().into(),
        query: back.query().unwrap_or_default(),
        cookie: &cookie,
    };
    engine
        .complete_connect(returned)
        .await
        .expect("the consent ends well")
}

/// The one connection there is.
async fn connected(database: &Database) -> connection::Model {
    let all = connection::Entity::visible_to(&Viewer::system("bench"));
    let found = all.one(database.read()).await;
    found.expect("the database answers").expect("a connection")
}

/// Rows written by this process so far. PostgreSQL counts them itself, and is asked when the process has ended.
async fn rows_written(database: &Database) -> Option<i64> {
    if database.is_postgres() {
        return None;
    }
    let statement = Statement::from_string(database.backend(), "SELECT total_changes()".to_owned());
    // All writing goes through one connection.
    let row = database.write().query_one_raw(statement).await;
    let row = row.expect("the database answers").expect("one row");
    Some(row.try_get_by_index(0).expect("a number"))
}

async fn count(database: &Database, table: &str) -> i64 {
    let statement =
        Statement::from_string(database.backend(), format!("SELECT COUNT(*) FROM {table}"));
    let row = database
        .read()
        .query_one_raw(statement)
        .await
        .expect("the database answers")
        .expect("one row");
    row.try_get_by_index(0).expect("a number")
}
