//! Connecting through the API: a ticket for a browser, the vendor's consent, and a page that says what came of it.

use crate::raw::execute;
use entities::viewer::Scope;
use reqwest::header;
use serde_json::{Value, json};
use std::time::Duration;
use tests::{Answer, HubSpotSetup, Options, SalesforceSetup, Setups, TestApp};

/// The status, the cookie and the place a browser is sent to.
struct Visit {
    status: u16,
    cookie: Option<String>,
    location: Option<String>,
    body: String,
}

async fn visit(app: &TestApp, url: &str, cookie: Option<&str>) -> Visit {
    let mut request = app.http.get(url);
    if let Some(cookie) = cookie {
        request = request.header(header::COOKIE, cookie);
    }
    let answer = request.send().await.unwrap();
    let header = |name| {
        let value = answer.headers().get(name)?;
        Some(value.to_str().unwrap().to_owned())
    };
    Visit {
        status: answer.status().as_u16(),
        cookie: header(header::SET_COOKIE)
            .map(|text| text.split(';').next().unwrap().to_owned())
            .filter(|pair| !pair.ends_with('=')),
        location: header(header::LOCATION),
        body: answer.text().await.unwrap(),
    }
}

async fn asked(app: &TestApp, input: Value) -> Answer {
    app.mutate(&app.admin(), "connectIntegration", input, "authorizeUrl")
        .await
}

/// From our address to the vendor and back, in one browser.
async fn follow(app: &TestApp, url: &str) -> Visit {
    let begun = visit(app, url, None).await;
    assert_eq!(begun.status, 303, "{}", begun.body);
    let cookie = begun.cookie.unwrap();
    let agreed = visit(app, &begun.location.unwrap(), None).await;
    visit(app, &agreed.location.unwrap(), Some(&cookie)).await
}

#[tokio::test]
async fn what_can_be_connected_is_listed() {
    let app = TestApp::plain().await;
    let answer = app
        .ask(
            &app.admin(),
            "{ connectors { id name category apiVersion configured requiredScopes optionalScopes postsMessages quotaStopPercent site { label example } limits { lane requests seconds } webhooks { door url subscribedByUs } resources { resource readable delta archived links writable writeScope } } }",
        )
        .await;
    let of = |id: &str| {
        let found = answer
            .list("/connectors")
            .iter()
            .find(|row| row["id"] == id);
        found.unwrap_or_else(|| panic!("{id} is not listed: {answer}"))
    };
    let resource = |id: &str, name: &str| {
        let all = of(id)["resources"].as_array().unwrap().iter();
        all.clone().find(|row| row["resource"] == name).cloned()
    };
    let ids = answer.texts("/connectors", "/id");
    assert_eq!(ids, ["hubspot", "salesforce", "shopify", "slack"]);
    for id in &ids {
        let row = of(id);
        assert_eq!(row["configured"], true, "{id}");
        assert!(
            !row["apiVersion"].as_str().unwrap().is_empty()
                && row["requiredScopes"].is_array()
                && row["webhooks"].is_object(),
            "{row}"
        );
    }
    for (id, category, door, site, posts) in [
        ("hubspot", "CRM", "APP", false, false),
        ("salesforce", "CRM", "CONNECTION", true, false),
        ("shopify", "COMMERCE", "APP", true, false),
        ("slack", "CHAT", "APP", false, true),
    ] {
        let row = of(id);
        assert_eq!(row["category"], category);
        assert_eq!(row["webhooks"]["door"], door);
        let url = app.public_url().at(&format!("/hooks/{id}"));
        let url = if door == "APP" {
            json!(url)
        } else {
            Value::Null
        };
        assert_eq!(row["webhooks"]["url"], url, "{id}");
        assert_eq!(row["site"].is_object(), site, "{row}");
        assert_eq!(row["postsMessages"], posts, "{row}");
    }
    for id in ["hubspot", "salesforce"] {
        let deal = resource(id, "deal").unwrap();
        assert_eq!(
            (&deal["readable"], &deal["delta"], &deal["writable"]),
            (&json!(true), &json!(true), &json!(true)),
            "{id}"
        );
        assert!(
            deal["links"]
                .as_array()
                .unwrap()
                .contains(&json!("company"))
        );
    }
    let order = resource("shopify", "order").unwrap();
    assert_eq!(
        (&order["readable"], &order["writable"], &order["archived"]),
        (&json!(true), &json!(false), &json!(false)),
        "orders are read, never written, and their deletion shows by webhook only"
    );
    assert_eq!(of("shopify")["webhooks"]["subscribedByUs"], true);
    assert_eq!(of("salesforce")["quotaStopPercent"], 80);
    assert!(
        of("hubspot")["limits"]
            .as_array()
            .unwrap()
            .iter()
            .any(|limit| *limit == json!({ "lane": "STANDARD", "requests": 110, "seconds": 10.0 }))
    );
    app.finish().await;
}

#[tokio::test]
async fn an_account_with_an_address_of_its_own_is_asked_for_it() {
    let app = TestApp::plain().await;
    for (connector, site) in [
        ("salesforce", None),
        ("salesforce", Some("acme.example.com")),
        ("salesforce", Some("https://login.salesforce.com")),
        ("shopify", None),
        ("shopify", Some("shop.myshopify.com.example.com")),
        ("shopify", Some("")),
        ("hubspot", Some("acme.hubspot.com")),
        ("slack", Some("acme.slack.com")),
    ] {
        let refused = asked(&app, json!({ "connector": connector, "site": site })).await;
        let error = refused.at("/connectIntegration/userErrors/0");
        assert_eq!(
            (&error["code"], &error["field"]),
            (&json!("INVALID"), &json!(["site"])),
            "{connector} {site:?}: {refused}"
        );
        assert!(refused.at("/connectIntegration/authorizeUrl").is_null());
    }
    for (connector, site, host) in [
        (
            "salesforce",
            "Acme.my.salesforce.com",
            "acme.my.salesforce.com",
        ),
        ("shopify", "some-shop", "some-shop.myshopify.com"),
    ] {
        let begun = asked(&app, json!({ "connector": connector, "site": site })).await;
        let url = begun.text("/connectIntegration/authorizeUrl");
        let sent = visit(&app, &url, None).await;
        let location = sent.location.unwrap();
        assert!(
            location.starts_with(&format!("https://{host}/")),
            "{location}"
        );
    }
    app.finish().await;
}

#[tokio::test]
async fn a_connection_with_a_door_of_its_own_shows_it_to_who_may_manage() {
    let others = Setups {
        salesforce: Some(SalesforceSetup::default()),
        ..Setups::default()
    };
    let mut app = TestApp::start(Options {
        others,
        ..Options::default()
    })
    .await;
    app.expect_warning("a webhook was rejected");
    app.connect("salesforce").await;
    let query = "{ connections { nodes { id site webhookUrl } } }";
    let shown = app.ask(&app.admin(), query).await;
    let node = shown.at("/connections/nodes/0");
    let door = node["webhookUrl"].as_str().unwrap();
    let base = app.public_url().at("/hooks/salesforce/");
    assert!(
        door.starts_with(&base) && door.len() >= base.len() + 40,
        "{door}"
    );
    assert_eq!(node["site"], app.salesforce().url().as_str());
    let reader = app.token([Scope::IntegrationsRead]);
    let hidden = app.graphql(&reader, query, json!({})).await;
    assert_eq!(hidden.codes(), ["FORBIDDEN"], "{hidden}");
    // Whoever does not know it learns nothing: what it refuses and what is no door at all answer alike.
    let nonsense = "/hooks/salesforce/nonsense";
    for path in [
        door.strip_prefix(&app.public_url().at("")).unwrap(),
        nonsense,
    ] {
        let path = format!("/{}", path.trim_start_matches('/'));
        let answer = app
            .post_raw(&path, &[("content-type", "text/xml")], "<no/>")
            .await;
        assert_eq!(answer.status, 401, "{path}");
    }
    app.drain().await;
    app.finish().await;
}

#[tokio::test]
async fn a_person_connects_an_account_in_a_browser() {
    let mut app = TestApp::start(Options::hubspot(HubSpotSetup::empty())).await;
    let answer = asked(&app, json!({ "connector": "hubspot" })).await;
    assert_eq!(answer.refusals("connectIntegration"), Vec::<String>::new());
    let url = answer.text("/connectIntegration/authorizeUrl");
    assert!(
        url.starts_with(&app.public_url().at("/connect/hubspot/start?ticket=")),
        "{url}"
    );
    let done = follow(&app, &url).await;
    assert_eq!(done.status, 200, "{}", done.body);
    let portal = app.hubspot().portal_id().to_string();
    assert!(
        done.body.contains(&portal) && !done.body.contains("<script"),
        "{}",
        done.body
    );
    // The one who asked is the one who connected.
    let who = app
        .ask(
            &app.admin(),
            "{ events(types: [\"connection.connected\"]) { edges { node { actor } } } }",
        )
        .await;
    assert_eq!(who.at("/events/edges/0/node/actor"), "tests");
    // A ticket is good once.
    let again = visit(&app, &url, None).await;
    assert_eq!((again.status, again.cookie), (400, None), "{}", again.body);
    // And only for a while.
    let late = asked(&app, json!({ "connector": "hubspot" }))
        .await
        .text("/connectIntegration/authorizeUrl");
    app.advance(Duration::from_secs(301));
    assert_eq!(visit(&app, &late, None).await.status, 400);
    for nonsense in [
        "/connect/hubspot/start",
        "/connect/hubspot/start?ticket=",
        "/connect/hubspot/start?ticket=x",
    ] {
        assert_eq!(
            visit(&app, &app.url(nonsense), None).await.status,
            400,
            "{nonsense}"
        );
    }
    // Another browser cannot end what this one began.
    let stolen = asked(&app, json!({ "connector": "hubspot" }))
        .await
        .text("/connectIntegration/authorizeUrl");
    let begun = visit(&app, &stolen, None).await;
    let agreed = visit(&app, &begun.location.unwrap(), None).await;
    let back = agreed.location.unwrap();
    assert_eq!(visit(&app, &back, None).await.status, 400);
    assert_eq!(
        visit(&app, &back, Some("entente_connect=0000"))
            .await
            .status,
        400
    );
    app.expect_warning("is no longer due");
    app.drain().await;
    app.finish().await;
}

#[tokio::test]
async fn nobody_connects_what_there_is_not_or_may_not() {
    let app = TestApp::start(Options::hubspot(HubSpotSetup::empty())).await;
    let refused = asked(&app, json!({ "connector": "fax" })).await;
    assert_eq!(refused.refusals("connectIntegration").len(), 1, "{refused}");
    for id in ["connection_01h2xcejqtf2nbrexx3vqjhp41", "nonsense"] {
        let refused = asked(&app, json!({ "connector": "hubspot", "connectionId": id })).await;
        assert!(
            refused.refusals("connectIntegration")[0].starts_with("NOT_FOUND"),
            "{refused}"
        );
    }
    let reader = app.token([Scope::IntegrationsRead]);
    let denied = app
        .mutate(
            &reader,
            "connectIntegration",
            json!({ "connector": "hubspot" }),
            "authorizeUrl",
        )
        .await;
    assert_eq!(denied.codes(), ["FORBIDDEN"]);
    app.finish().await;
}

#[tokio::test]
async fn a_consent_is_renewed_by_the_same_account_only() {
    let mut app = TestApp::start(Options::hubspot(HubSpotSetup::empty())).await;
    app.expect_warning("a consent came to nothing");
    let connection = app.connect_hubspot().await;
    let begin = json!({ "connector": "hubspot", "connectionId": connection });
    let url = asked(&app, begin.clone())
        .await
        .text("/connectIntegration/authorizeUrl");
    assert_eq!(follow(&app, &url).await.status, 200);
    let before = app
        .ask(
            &app.admin(),
            "{ connections { nodes { id version status } totalCount } }",
        )
        .await;
    assert_eq!(before.at("/connections/totalCount"), &json!(1));

    // The connection is that of another account now; the person is still signed in to this one.
    execute(&app, "UPDATE connection SET tenant_id = '4711'").await;
    let url = asked(&app, begin)
        .await
        .text("/connectIntegration/authorizeUrl");
    let refused = follow(&app, &url).await;
    assert_eq!(refused.status, 403, "{}", refused.body);
    assert!(refused.body.contains("another account"), "{}", refused.body);
    let after = app
        .ask(
            &app.admin(),
            "{ connections { nodes { id version status } totalCount } }",
        )
        .await;
    assert_eq!(after.data(), before.data(), "nothing was changed");
    app.drain().await;
    app.end().await;
}
