//! `kill -9` of the real binary at any moment: after a restart nothing acknowledged is lost and nothing is doubled.

use crate::signing::{body, changed, headers};
use rand::RngExt;
use sea_orm::{ConnectOptions, ConnectionTrait, DatabaseConnection, Statement};
use serde_json::{Value, json};
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tests::{Answer, Backend, Entente, TestDatabase, entente, eventually};

const SECRET: &str = "the secret of the killed app";
const VAULT_KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// What a process is told about its database: nothing when it keeps a file in its folder.
fn variables(database: &TestDatabase) -> Vec<(&'static str, String)> {
    match Backend::of_run() {
        Backend::Sqlite => Vec::new(),
        Backend::Postgres => vec![
            ("ENTENTE_DATABASE_URL", database.url().to_owned()),
            ("ENTENTE_MIGRATE_ON_START", "true".to_owned()),
        ],
    }
}

fn started(arguments: &[&str], database: &TestDatabase, more: &[(&str, &str)]) -> Entente {
    let own = variables(database);
    let mut all: Vec<(&str, &str)> = own
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    all.extend_from_slice(more);
    entente(arguments, database.folder(), &all)
}

/// A look past the process into its database.
async fn look(database: &TestDatabase) -> DatabaseConnection {
    let url = match Backend::of_run() {
        Backend::Sqlite => format!(
            "sqlite://{}",
            database.folder().join("data/entente.sqlite").display()
        ),
        Backend::Postgres => database.url().to_owned(),
    };
    let mut options = ConnectOptions::new(url);
    options.max_connections(1).sqlx_logging(false);
    sea_orm::Database::connect(options).await.unwrap()
}

async fn bodies(database: &TestDatabase) -> Vec<Vec<u8>> {
    let connection = look(database).await;
    let statement = Statement::from_string(
        connection.get_database_backend(),
        "SELECT body FROM inbound_webhook",
    );
    let rows = connection.query_all_raw(statement).await.unwrap();
    connection.close().await.unwrap();
    rows.iter()
        .map(|row| row.try_get_by_index(0).unwrap())
        .collect()
}

fn http() -> reqwest::Client {
    reqwest::Client::builder()
        .no_proxy()
        .tls_certs_only([])
        .timeout(Duration::from_secs(20))
        .build()
        .unwrap()
}

#[tokio::test]
async fn a_killed_backfill_goes_on_where_it_stood() {
    let mut chance = tests::rng("kill a backfill");
    for round in 0..tests::rounds(1, 3) {
        let database = TestDatabase::make().await;
        let arguments = [
            "demo",
            "--json",
            "--data",
            "data",
            "--listen",
            "127.0.0.1:0",
        ];
        let mut whole = 0;
        for _ in 0..tests::rounds(4, 10) {
            let mut process = started(&arguments, &database, &[]);
            let moment = Duration::from_millis(chance.random_range(20..1_500));
            // The first sync may be done before the moment comes; then the kill strikes a process at rest.
            let _ = tokio::time::timeout(moment, process.json_line())
                .await
                .map(|_| whole += 1);
            process.kill().await;
        }
        let mut process = started(&arguments, &database, &[]);
        let line = process.json_line().await;
        let (url, token) = (
            line["graphql"].as_str().unwrap().to_owned(),
            line["token"].as_str().unwrap().to_owned(),
        );
        let sandbox = line["sandboxes"]["hubspot"].as_str().unwrap().to_owned();
        let http = http();
        let stats: Value = http
            .get(format!("{sandbox}/__sandbox/stats"))
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap();
        let live = |kind: &str| stats["records"][kind]["live"].as_i64().unwrap();
        let query = "{ deals { totalCount } contacts { totalCount } partners { totalCount } customers { totalCount } }";
        let answer = Answer::read(
            http.post(&url)
                .bearer_auth(&token)
                .json(&json!({ "query": query }))
                .send()
                .await
                .unwrap(),
        )
        .await;
        let count = |list: &str| answer.at(&format!("/{list}/totalCount")).as_i64().unwrap();
        assert_eq!(
            count("deals"),
            live("deals"),
            "round {round}, {whole} starts were done before the kill"
        );
        assert_eq!(count("contacts"), live("contacts"), "round {round}");
        assert_eq!(
            count("partners") + count("customers"),
            live("companies"),
            "round {round}"
        );
        assert_eq!(process.interrupt().await.code, Some(0));

        let connection = look(&database).await;
        let backend = connection.get_database_backend();
        for (what, statement) in [
            ("connections", "SELECT COUNT(*) - 4 FROM connection"),
            (
                "rows told of twice",
                "SELECT COUNT(*) FROM (SELECT subject_id FROM event WHERE kind IN ('deal.created', 'partner.created', 'customer.created', 'contact.created') GROUP BY subject_id HAVING COUNT(*) > 1) AS twice",
            ),
            (
                "deals without their event",
                "SELECT (SELECT COUNT(*) FROM deal) - (SELECT COUNT(*) FROM event WHERE kind = 'deal.created')",
            ),
            (
                "rows with two records",
                "SELECT COUNT(*) FROM (SELECT subject_id FROM external_link WHERE subject_id IS NOT NULL GROUP BY connection_id, subject_id HAVING COUNT(*) > 1) AS shared",
            ),
            ("links that wait", "SELECT COUNT(*) FROM pending_link"),
        ] {
            let row = connection
                .query_one_raw(Statement::from_string(backend, statement))
                .await
                .unwrap()
                .unwrap();
            let number: i64 = row.try_get_by_index(0).unwrap();
            assert_eq!(number, 0, "round {round}: {what}");
        }
        connection.close().await.unwrap();
    }
}

/// Sends deliveries until it is told to stop, and keeps those that were acknowledged.
async fn send(
    http: reqwest::Client,
    url: String,
    uri: &str,
    numbers: &AtomicU64,
    stop: &AtomicBool,
    acknowledged: &tokio::sync::Mutex<Vec<Vec<u8>>>,
) {
    while !stop.load(Ordering::SeqCst) {
        let number = numbers.fetch_add(1, Ordering::SeqCst);
        let bytes = body(&[changed(1, "deal", "5", number)]);
        let now = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap();
        let signed = headers(SECRET, uri, &bytes, i64::try_from(now.as_millis()).unwrap());
        let request = signed
            .into_iter()
            .fold(http.post(&url), |request, (name, value)| {
                request.header(name, value)
            });
        match request.body(bytes.clone()).send().await {
            Ok(answer) if answer.status().is_success() => acknowledged.lock().await.push(bytes),
            Ok(answer) => assert!(
                matches!(answer.status().as_u16(), 429 | 503),
                "{}",
                answer.status()
            ),
            // The process is gone.
            Err(_) => return,
        }
    }
}

#[tokio::test]
async fn every_acknowledged_delivery_survives_a_kill() {
    let database = TestDatabase::make().await;
    let public_url = "https://entente.example.com";
    let settings = [
        ("ENTENTE_PUBLIC_URL", public_url),
        ("ENTENTE_VAULT_KEY", VAULT_KEY),
        ("ENTENTE_HUBSPOT_CLIENT_ID", "killed"),
        ("ENTENTE_HUBSPOT_CLIENT_SECRET", SECRET),
        ("ENTENTE_LOG_FILTER", "error"),
    ];
    let arguments = [
        "serve",
        "--json",
        "--no-worker",
        "--data",
        "data",
        "--listen",
        "127.0.0.1:0",
    ];
    let uri = format!("{public_url}/hooks/hubspot");
    let (numbers, acknowledged) = (
        AtomicU64::new(0),
        Arc::new(tokio::sync::Mutex::new(Vec::new())),
    );
    let mut chance = tests::rng("kill during ingest");
    for round in 0..tests::rounds(4, 40) {
        let mut process = started(&arguments, &database, &settings);
        let line = process.json_line().await;
        let url = line["graphql"]
            .as_str()
            .unwrap()
            .replace("/graphql", "/hooks/hubspot");
        let stop = AtomicBool::new(false);
        let before = acknowledged.lock().await.len();
        let enough = before + chance.random_range(20..400);
        let http = http();
        let senders = futures::future::join_all((0..64).map(|_| {
            send(
                http.clone(),
                url.clone(),
                &uri,
                &numbers,
                &stop,
                &acknowledged,
            )
        }));
        let strike = async {
            eventually(
                "deliveries are acknowledged",
                Duration::from_secs(60),
                async || (acknowledged.lock().await.len() >= enough).then_some(()),
            )
            .await;
            process.kill().await;
            stop.store(true, Ordering::SeqCst);
        };
        tokio::join!(senders, strike);
        let stored = bodies(&database).await;
        let there: HashSet<&Vec<u8>> = stored.iter().collect();
        assert_eq!(
            there.len(),
            stored.len(),
            "round {round}: none is stored twice"
        );
        let acknowledged = acknowledged.lock().await;
        let lost = acknowledged
            .iter()
            .filter(|bytes| !there.contains(bytes))
            .count();
        assert_eq!(
            lost,
            0,
            "round {round}: of {} acknowledged deliveries",
            acknowledged.len()
        );
    }
    // A worker takes them all up: nobody has connected the account, so each ends as one of an unknown tenant.
    let mut process = started(
        &[
            "serve",
            "--json",
            "--data",
            "data",
            "--listen",
            "127.0.0.1:0",
        ],
        &database,
        &settings,
    );
    process.json_line().await;
    let connection = look(&database).await;
    eventually(
        "every delivery is worked on",
        Duration::from_secs(120),
        async || {
            let statement = Statement::from_string(
                connection.get_database_backend(),
                "SELECT COUNT(*) FROM inbound_webhook WHERE state <> 'UNKNOWN_TENANT'",
            );
            let left: i64 = connection
                .query_one_raw(statement)
                .await
                .unwrap()
                .unwrap()
                .try_get_by_index(0)
                .unwrap();
            (left == 0).then_some(())
        },
    )
    .await;
    connection.close().await.unwrap();
    assert_eq!(process.interrupt().await.code, Some(0));
}

/// What a client has been told of: edits and creations that were answered.
#[derive(Default)]
struct Told {
    names: std::collections::BTreeMap<String, String>,
    created: u64,
    /// Deals whose last edit nobody answered: it may have happened or not.
    open: HashSet<String>,
}

/// Edits and creates deals until the process is gone.
async fn edit(http: &reqwest::Client, url: &str, token: &str, round: u32, told: &mut Told) {
    let ask = async |query: String| -> Option<Value> {
        let request = http
            .post(url)
            .bearer_auth(token)
            .json(&json!({ "query": query }));
        request.send().await.ok()?.json().await.ok()
    };
    let Some(list) = ask("{ deals(first: 20) { nodes { id } } }".to_owned()).await else {
        return;
    };
    let ids: Vec<String> = list["data"]["deals"]["nodes"]
        .as_array()
        .expect("deals")
        .iter()
        .map(|node| node["id"].as_str().unwrap().to_owned())
        .collect();
    for (n, id) in ids.iter().cycle().enumerate() {
        let name = format!("Edit {round} {n}");
        let (mutation, input) = if n % 4 == 3 {
            ("createDeal", format!("name: \"Created {round} {n}\""))
        } else {
            ("updateDeal", format!("id: \"{id}\", name: \"{name}\""))
        };
        let query = format!(
            "mutation {{ {mutation}(input: {{ {input} }}) {{ deal {{ id name }} userErrors {{ code }} }} }}"
        );
        let Some(answer) = ask(query).await else {
            told.open.insert(id.clone());
            return;
        };
        let deal = &answer["data"][mutation]["deal"];
        let Some(id) = deal["id"].as_str() else {
            panic!("{answer}");
        };
        if mutation == "createDeal" {
            told.created += 1;
        }
        told.open.remove(id);
        told.names
            .insert(id.to_owned(), deal["name"].as_str().unwrap().to_owned());
    }
}

/// What happened to a deal, and what it is elsewhere.
async fn life(connection: &DatabaseConnection, deal: uuid::Uuid) -> Vec<String> {
    let backend = connection.get_database_backend();
    let told_of = match backend {
        sea_orm::DatabaseBackend::Postgres => format!("'{deal}'"),
        _ => format!("X'{}'", deal.simple()),
    };
    let mut life = Vec::new();
    for read in [
        format!(
            "SELECT CAST(kind || ' by ' || actor || ': ' || data AS TEXT) FROM event WHERE subject_id = {told_of} ORDER BY position, seq"
        ),
        format!(
            "SELECT connector || ' ' || external_id FROM external_link JOIN connection ON connection.id = connection_id WHERE subject_id = {told_of}"
        ),
    ] {
        let rows = connection.query_all_raw(Statement::from_string(backend, read));
        let rows = rows.await.unwrap();
        life.extend(
            rows.iter()
                .map(|row| -> String { row.try_get_by_index(0).unwrap() }),
        );
    }
    life
}

#[tokio::test]
async fn a_killed_push_loses_no_edit_and_doubles_no_record() {
    let mut chance = tests::rng("kill a push");
    let database = TestDatabase::make().await;
    let arguments = [
        "demo",
        "--json",
        "--data",
        "data",
        "--listen",
        "127.0.0.1:0",
    ];
    let http = http();
    let mut told = Told::default();
    let rounds = tests::rounds(3, 30);
    let mut round = 0;
    // On a busy machine a kill may come before anything is created: then there are more.
    while round < rounds || told.created == 0 {
        let mut process = started(&arguments, &database, &[]);
        let line = process.json_line().await;
        let (url, token) = (
            line["graphql"].as_str().unwrap().to_owned(),
            line["token"].as_str().unwrap().to_owned(),
        );
        let strike = async {
            // At any moment of the way out: before the log is read, between note and call, between call and shadow.
            tokio::time::sleep(Duration::from_millis(chance.random_range(50..900))).await;
            process.kill().await;
        };
        tokio::join!(edit(&http, &url, &token, round, &mut told), strike);
        round += 1;
    }
    let mut process = started(&arguments, &database, &[]);
    let line = process.json_line().await;
    let sandbox = line["sandboxes"]["hubspot"].as_str().unwrap().to_owned();
    let connection = look(&database).await;
    let backend = connection.get_database_backend();
    let number = async |statement: &str| -> i64 {
        let statement = Statement::from_string(backend, statement);
        let row = connection.query_one_raw(statement).await.unwrap().unwrap();
        row.try_get_by_index(0).unwrap()
    };
    // The other three accounts of a demonstration have rules of their own: Salesforce takes no deal without a day on which it is to close.
    let hubspot = "connection_id = (SELECT id FROM connection WHERE connector = 'hubspot')";
    let unlinked = format!(
        "SELECT id FROM deal WHERE NOT EXISTS (SELECT 1 FROM external_link WHERE subject_id = deal.id AND {hubspot})"
    );
    let waiting = format!("SELECT COUNT(*) FROM outbound_push WHERE {hubspot}");
    // On PostgreSQL a transaction of another test holds the log back, and with it what is to be sent.
    let unread = "SELECT COUNT(*) FROM event WHERE (position, seq) > (SELECT position, seq FROM event_reader WHERE reader = 'push')".to_owned();
    for (what, left) in [("read", unread), ("sent", waiting)] {
        let done = async || (number(&left).await == 0).then_some(());
        let what = format!("everything is {what}");
        eventually(&what, Duration::from_secs(280), done).await;
    }
    let unlinked = Statement::from_string(backend, unlinked);
    if let Some(row) = connection.query_one_raw(unlinked).await.unwrap() {
        let id: uuid::Uuid = row.try_get_by_index(0).unwrap();
        panic!("not linked: {:#?}", life(&connection, id).await);
    }
    let stats: Value = http
        .get(format!("{sandbox}/__sandbox/stats"))
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(
        stats["records"]["deals"]["live"].as_i64().unwrap(),
        number("SELECT COUNT(*) FROM deal WHERE archived_at IS NULL").await,
        "each record there is one of ours, and each of ours is there once"
    );
    let links = Statement::from_string(
        backend,
        format!(
            "SELECT subject_id, external_id FROM external_link WHERE resource = 'deal' AND subject_id IS NOT NULL AND {hubspot}"
        ),
    );
    let mut there = std::collections::HashMap::new();
    for row in connection.query_all_raw(links).await.unwrap() {
        let subject: uuid::Uuid = row.try_get_by_index(0).unwrap();
        let external: String = row.try_get_by_index(1).unwrap();
        let ours = entities::id::show("deal", subject);
        assert!(
            there.insert(ours.clone(), external).is_none(),
            "{ours} is two records there"
        );
    }
    let rows = Statement::from_string(backend, "SELECT id, name FROM deal");
    for row in connection.query_all_raw(rows).await.unwrap() {
        let id: uuid::Uuid = row.try_get_by_index(0).unwrap();
        let life = life(&connection, id).await;
        let (id, name): (String, String) = (
            entities::id::show("deal", id),
            row.try_get_by_index(1).unwrap(),
        );
        let Some(last) = told.names.get(&id) else {
            continue;
        };
        assert!(
            *last == name || told.open.contains(&id),
            "{id}: {last:?} was answered, and it is called {name:?}: {life:#?}"
        );
        let external = &there[&id];
        let record: Value = http
            .get(format!("{sandbox}/__sandbox/records/deals/{external}"))
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap();
        assert_eq!(
            record["properties"]["dealname"].as_str(),
            Some(name.as_str()),
            "{id} {external}: {record}: {life:#?}"
        );
    }
    connection.close().await.unwrap();
    assert_eq!(process.interrupt().await.code, Some(0));
}
