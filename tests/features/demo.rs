//! The binary itself: `demo` from an empty folder to an answer, ended, continued, and refused another source; `serve` and its one line.

use serde_json::{Value, json};
use std::path::Path;
use std::time::Duration;
use tests::{Answer, Backend, Ended, TestDatabase, entente, eventually};

fn http() -> reqwest::Client {
    reqwest::Client::builder()
        .no_proxy()
        .tls_certs_only([])
        .redirect(reqwest::redirect::Policy::none())
        .timeout(Duration::from_secs(30))
        .build()
        .unwrap()
}

async fn ask(line: &Value, query: &str) -> Answer {
    let request = http()
        .post(line["graphql"].as_str().unwrap())
        .bearer_auth(line["token"].as_str().unwrap());
    Answer::read(
        request
            .json(&json!({ "query": query }))
            .send()
            .await
            .unwrap(),
    )
    .await
}

const COUNTS: &str = "{ deals { totalCount } partners { totalCount } customers { totalCount } contacts { totalCount } }";

fn demo<'a>(data: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let mut arguments = vec!["demo", "--json", "--data", data, "--listen", "127.0.0.1:0"];
    arguments.extend(more);
    arguments
}

/// The one line that a refused command says on standard error, with its exit code.
fn refusal(ended: &Ended) -> &str {
    assert_eq!((ended.code, ended.out.as_str()), (Some(2), ""), "{ended:?}");
    assert_eq!(
        ended.err.trim_end().lines().count(),
        1,
        "one clear line: {ended:?}"
    );
    ended.err.trim_end()
}

#[tokio::test]
async fn the_demonstration_begins_ends_and_continues() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let data = data.to_str().unwrap();
    let mut first = entente(&demo(data, &[]), folder.path(), &[]);
    let line = first.json_line().await;
    let keys = |value: &Value| {
        value
            .as_object()
            .unwrap()
            .keys()
            .cloned()
            .collect::<Vec<_>>()
    };
    assert_eq!(keys(&line), ["graphiql", "graphql", "sandboxes", "token"]);
    assert_eq!(
        keys(&line["sandboxes"]),
        ["hubspot", "salesforce", "shopify", "slack"]
    );
    for (name, url) in line["sandboxes"].as_object().unwrap() {
        let stats = format!("{}/__sandbox/stats", url.as_str().unwrap());
        let answer = http().get(stats).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{name}");
    }
    let connected = ask(
        &line,
        "{ connections { nodes { connector status site health { state dead } } } }",
    )
    .await;
    let mut working = connected.texts("/connections/nodes", "/connector");
    working.sort();
    assert_eq!(working, ["hubspot", "salesforce", "shopify", "slack"]);
    assert!(
        connected
            .texts("/connections/nodes", "/status")
            .iter()
            .all(|status| status == "ACTIVE"),
        "{connected}"
    );
    let counts = ask(&line, COUNTS).await;
    assert_eq!(counts.at("/deals/totalCount"), &json!(400));
    assert!(
        counts.at("/partners/totalCount").as_i64().unwrap() > 0
            && counts.at("/contacts/totalCount").as_i64().unwrap() > 0
    );
    let page = http()
        .get(line["graphiql"].as_str().unwrap())
        .send()
        .await
        .unwrap();
    assert_eq!(page.status(), 200);
    let html = page.text().await.unwrap();
    assert!(
        !html.contains("https://") && !html.contains(line["token"].as_str().unwrap()),
        "the page needs nothing from elsewhere and holds no token"
    );

    // The folder belongs to the one that runs.
    let beside = entente(&demo(data, &[]), folder.path(), &[]).ended().await;
    assert!(
        refusal(&beside).contains("in use") || refusal(&beside).contains("using"),
        "{beside:?}"
    );

    let ended = first.interrupt().await;
    assert_eq!((ended.code, ended.out.as_str()), (Some(0), ""), "{ended:?}");

    // Started again: the same sandbox, the same rows, and the token of the first start still opens.
    let mut second = entente(&demo(data, &[]), folder.path(), &[]);
    let again = second.json_line().await;
    assert_eq!(again["sandboxes"], line["sandboxes"]);
    let mut with_old_token = again.clone();
    with_old_token["token"] = line["token"].clone();
    assert_eq!(ask(&with_old_token, COUNTS).await.data(), counts.data());
    let unchanged = ask(&again, "{ deals(filter: {includeArchived: true}) { totalCount } syncRuns(first: 3, orderBy: [{field: STARTED_AT, direction: DESC}]) { nodes { kind status counts { resource created updated } } } }").await;
    assert_eq!(unchanged.at("/deals/totalCount"), &json!(400));
    for run in unchanged.list("/syncRuns/nodes") {
        assert_eq!(run["status"], "COMPLETED", "{unchanged}");
        let counts = run["counts"].as_array().unwrap();
        assert!(
            counts
                .iter()
                .all(|count| count["created"] == json!(0) && count["updated"] == json!(0)),
            "{unchanged}"
        );
    }

    // A person edits in the CRM; the webhook brings it without anybody asking.
    let sandbox = again["sandboxes"]["hubspot"].as_str().unwrap();
    let edited = http().post(format!("{sandbox}/__sandbox/records/deals")).json(&json!({ "properties": { "dealname": "By hand", "dealstage": "prospecting", "pipeline": "default" } }));
    let edited = edited.send().await.unwrap();
    assert!(
        edited.status().is_success(),
        "{}",
        edited.text().await.unwrap()
    );
    eventually(
        "the deal made by hand",
        Duration::from_secs(60),
        async || (ask(&again, COUNTS).await.at("/deals/totalCount") == &json!(401)).then_some(()),
    )
    .await;
    assert_eq!(second.interrupt().await.code, Some(0));

    // Filled with something else it would be another demonstration: refused before anything is touched.
    let other = export(folder.path());
    let refused = entente(
        &demo(data, &["--crm", other.to_str().unwrap()]),
        folder.path(),
        &[],
    )
    .ended()
    .await;
    assert!(refusal(&refused).contains("generated data"), "{refused:?}");
    let missing = entente(
        &demo(data, &["--crm", "/nowhere/at/all"]),
        folder.path(),
        &[],
    )
    .ended()
    .await;
    assert!(refusal(&missing).contains("nowhere"), "{missing:?}");
}

/// One deal travels through all four, one order becomes revenue, and what is told of it is true over HTTP.
#[tokio::test]
async fn the_tour_is_what_it_says() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let data = data.to_str().unwrap();
    let mut process = entente(&demo(data, &["--tour"]), folder.path(), &[]);
    let line = process.json_line().await;
    let tour = line["tour"].as_array().unwrap();
    let places: Vec<Vec<&str>> = tour
        .iter()
        .map(|step| {
            let seen = step["seen"].as_array().unwrap().iter();
            seen.map(|seen| seen["where"].as_str().unwrap()).collect()
        })
        .collect();
    assert_eq!(
        places,
        [
            vec!["GraphQL", "Salesforce", "Slack"],
            vec!["GraphQL"],
            vec!["GraphQL"]
        ],
        "{line}"
    );
    for seen in tour
        .iter()
        .flat_map(|step| step["seen"].as_array().unwrap())
    {
        assert!(seen["millis"].as_u64().unwrap() < 60_000, "{seen}");
    }

    // The deal: won here, won there once, told once, confirmed.
    let shown = ask(
        &line,
        "{ deals(first: 1, filter: {stage: {eq: WON}}, orderBy: [{field: UPDATED_AT, direction: DESC}]) { nodes { name } } events(types: [\"deal.outcome_confirmed\"]) { edges { node { subjectId } } } revenueEvents(filter: {kind: {eq: PAYMENT}}) { totalCount nodes { kind amount { amount } deal { stage name } partner { name } } } syncFailures: connections { nodes { connector health { state dead openConflicts } } } }",
    )
    .await;
    let confirmed = shown.text("/events/edges/0/node/subjectId");
    let deal = ask(
        &line,
        &format!(
            "{{ deal(id: \"{confirmed}\") {{ name stage outcomeConfirmation {{ decision }} }} }}"
        ),
    )
    .await;
    assert_eq!(
        (
            deal.at("/deal/stage"),
            deal.at("/deal/outcomeConfirmation/decision")
        ),
        (&json!("WON"), &json!("CONFIRMED"))
    );
    let get = async |sandbox: &str, path: &str| -> Value {
        let base = line["sandboxes"][sandbox].as_str().unwrap();
        let answer = http().get(format!("{base}/{path}")).send().await.unwrap();
        serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap()
    };
    let name = deal.text("/deal/name");
    let opportunities = get("salesforce", "__sandbox/records/Opportunity").await;
    let same: Vec<&Value> = opportunities
        .as_array()
        .unwrap()
        .iter()
        .filter(|record| record["Name"] == name.as_str())
        .collect();
    assert_eq!(same.len(), 1, "{opportunities}");
    assert_eq!(same[0]["IsWon"], true);
    let told = get("slack", "__sandbox/channels/deals/messages").await;
    let about = |name: &str| {
        let messages = told.as_array().unwrap().iter();
        messages
            .filter(|message| message.to_string().contains(name))
            .count()
    };
    assert_eq!(about(&name), 1, "{told}");
    assert!(
        get("slack", "__sandbox/pings")
            .await
            .as_array()
            .unwrap()
            .is_empty()
    );

    // The order: one payment, of the partner whose code it was, for a won deal of its own.
    assert_eq!(shown.at("/revenueEvents/totalCount"), 1);
    let paid = shown.at("/revenueEvents/nodes/0");
    assert_eq!(
        (
            &paid["kind"],
            &paid["amount"]["amount"],
            &paid["deal"]["stage"]
        ),
        (&json!("PAYMENT"), &json!("1080.00"), &json!("WON")),
        "{shown}"
    );
    let step = tour[2]["did"].as_str().unwrap();
    assert!(
        step.contains(paid["partner"]["name"].as_str().unwrap()),
        "{step}"
    );
    for node in shown.list("/syncFailures/nodes") {
        assert_eq!(node["health"]["dead"], 0, "{shown}");
    }
    assert_eq!(process.interrupt().await.code, Some(0));

    // The state of all four survives; another tour wins another deal.
    let mut again = entente(&demo(data, &["--tour"]), folder.path(), &[]);
    let second = again.json_line().await;
    assert_eq!(second["sandboxes"], line["sandboxes"]);
    assert_ne!(second["tour"][0]["did"], tour[0]["did"]);
    let counted = ask(
        &second,
        "{ revenueEvents(filter: {kind: {eq: PAYMENT}}) { totalCount } connections { totalCount } }",
    )
    .await;
    assert_eq!(
        counted.data(),
        &json!({ "revenueEvents": { "totalCount": 2 }, "connections": { "totalCount": 4 } })
    );
    assert_eq!(again.interrupt().await.code, Some(0));
}

/// A small export in the form of the real one.
fn export(folder: &Path) -> std::path::PathBuf {
    let folder = folder.join("export");
    std::fs::create_dir_all(&folder).unwrap();
    let files = [
        (
            "accounts.csv",
            "account,sector,year_established,revenue,employees,office_location,subsidiary_of\nAcme,retail,1996,1100.04,2822,United States,\n",
        ),
        (
            "products.csv",
            "product,series,sales_price\nGTX Basic,GTX,550\n",
        ),
        (
            "sales_teams.csv",
            "sales_agent,manager,regional_office\nAnna Snelling,Dustin Brinkmann,Central\n",
        ),
        (
            "sales_pipeline.csv",
            "opportunity_id,sales_agent,product,account,deal_stage,engage_date,close_date,close_value\nA1,Anna Snelling,GTX Basic,Acme,Won,20-10-2016,01-03-2017,1054\n",
        ),
    ];
    for (name, text) in files {
        std::fs::write(folder.join(name), text).unwrap();
    }
    folder
}

/// Killed in the middle of the first synchronisation, it goes on afterwards: nothing twice, nothing missing.
#[tokio::test]
async fn killed_in_the_middle_it_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    for round in 0..tests::rounds(3, 20) {
        let process = entente(&demo(data.to_str().unwrap(), &[]), folder.path(), &[]);
        let database = data.join("entente.sqlite");
        eventually(
            "the database of the demonstration",
            Duration::from_secs(60),
            async || database.is_file().then_some(()),
        )
        .await;
        // Later in each round, so that it dies at different places.
        tokio::time::sleep(Duration::from_millis(u64::from(150 * round))).await;
        process.kill().await;
    }
    let mut last = entente(&demo(data.to_str().unwrap(), &[]), folder.path(), &[]);
    let line = last.json_line().await;
    let answer = ask(&line, "{ deals { totalCount } customers { totalCount } partners { totalCount } contacts { totalCount } connections { totalCount } }").await;
    let stats = http()
        .get(format!(
            "{}/__sandbox/stats",
            line["sandboxes"]["hubspot"].as_str().unwrap()
        ))
        .send()
        .await
        .unwrap();
    let stats: Value = serde_json::from_slice(&stats.bytes().await.unwrap()).unwrap();
    let held = |kind: &str| stats["records"][kind]["live"].as_i64().unwrap();
    let count = |list: &str| answer.at(&format!("/{list}/totalCount")).as_i64().unwrap();
    assert_eq!(count("deals"), held("deals"));
    assert_eq!(count("customers") + count("partners"), held("companies"));
    assert_eq!(count("contacts"), held("contacts"));
    assert_eq!(count("connections"), 4);
    assert_eq!(last.interrupt().await.code, Some(0));
}

const VAULT_KEY: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

#[tokio::test]
async fn serve_says_where_it_is_and_nothing_else() {
    let database = TestDatabase::make().await;
    let folder = database.folder().to_owned();
    let data = folder.join("data");
    let mut variables = vec![
        ("ENTENTE_PUBLIC_URL", "http://127.0.0.1:9"),
        ("ENTENTE_VAULT_KEY", VAULT_KEY),
    ];
    if Backend::of_run() == Backend::Postgres {
        variables.push(("ENTENTE_DATABASE_URL", database.url()));
    }
    let arguments = [
        "serve",
        "--json",
        "--data",
        data.to_str().unwrap(),
        "--listen",
        "127.0.0.1:0",
    ];
    let mut server = entente(&arguments, &folder, &variables);
    let line = server.json_line().await;
    assert_eq!(
        line.as_object().unwrap().keys().collect::<Vec<_>>(),
        ["graphql"]
    );
    let graphql = line["graphql"].as_str().unwrap().to_owned();
    let health = http()
        .get(graphql.replace("/graphql", "/healthz"))
        .send()
        .await
        .unwrap();
    assert_eq!(health.status(), 200);
    let page = http()
        .get(graphql.replace("/graphql", "/graphiql"))
        .send()
        .await
        .unwrap();
    assert_eq!(
        page.status(),
        401,
        "the page to try queries on is off unless it is configured"
    );

    // A token made on the command line beside it opens.
    let made = entente(
        &[
            "token",
            "--scope",
            "partners:read",
            "--data",
            data.to_str().unwrap(),
        ],
        &folder,
        &variables,
    )
    .ended()
    .await;
    assert_eq!(made.code, Some(0), "{made:?}");
    let line = json!({ "graphql": graphql, "token": made.out.trim() });
    let answer = eventually(
        "the server learns the key",
        Duration::from_secs(30),
        async || {
            let answer = ask(&line, "{ viewer { scopes } partners { totalCount } }").await;
            (answer.status == 200).then_some(answer)
        },
    )
    .await;
    assert_eq!(
        answer.data(),
        &json!({ "viewer": { "scopes": ["partners:read"] }, "partners": { "totalCount": 0 } })
    );
    server.signal("TERM").await;
    let ended = server.ended().await;
    assert_eq!((ended.code, ended.out.as_str()), (Some(0), ""), "{ended:?}");
}

#[tokio::test]
async fn serve_refuses_to_start_without_its_key_or_its_address() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let arguments = [
        "serve",
        "--json",
        "--data",
        data.to_str().unwrap(),
        "--listen",
        "127.0.0.1:0",
    ];
    let cases: [(&[(&str, &str)], &str); 4] = [
        (&[("ENTENTE_PUBLIC_URL", "http://127.0.0.1:9")], "vault_key"),
        (&[("ENTENTE_VAULT_KEY", VAULT_KEY)], "public_url"),
        (
            &[
                ("ENTENTE_PUBLIC_URL", "http://entente.example.com"),
                ("ENTENTE_VAULT_KEY", VAULT_KEY),
            ],
            "public_url",
        ),
        (
            &[
                ("ENTENTE_PUBLIC_URL", "http://127.0.0.1:9"),
                ("ENTENTE_VAULT_KEY", VAULT_KEY),
                ("ENTENTE_LIMTS_COST", "1"),
            ],
            "ENTENTE_LIMTS_COST",
        ),
    ];
    for (variables, named) in cases {
        let ended = entente(&arguments, folder.path(), variables).ended().await;
        assert!(
            refusal(&ended)
                .to_lowercase()
                .contains(&named.to_lowercase()),
            "{ended:?}"
        );
        assert!(!ended.err.contains(VAULT_KEY));
    }
    assert!(
        !data.exists(),
        "a server that may not start leaves no trace"
    );
}
