//! Connecting through the API: a ticket for a browser, the vendor's consent, and a page that says what came of it.

use crate::raw::execute;
use entities::viewer::Scope;
use reqwest::header;
use serde_json::{Value, json};
use std::time::Duration;
use tests::{Answer, HubSpotSetup, Options, TestApp};

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
            "{ connectors { id name category configured requiredScopes optionalScopes resources { resource delta writable writeScope } } }",
        )
        .await;
    let hubspot = answer.at("/connectors/0");
    assert_eq!(
        (&hubspot["id"], &hubspot["category"], &hubspot["configured"]),
        (&json!("hubspot"), &json!("CRM"), &json!(true))
    );
    let resources = hubspot["resources"].as_array().unwrap();
    assert!(
        resources
            .iter()
            .any(|row| row["resource"] == "deal" && row["delta"] == true)
    );
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
