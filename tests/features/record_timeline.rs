//! "Why is this record not here, or like this?"

use sandbox::Kind;
use serde_json::json;
use tests::{HubSpotSetup, Options, TestApp};

const WHAT: &str = "{ because entries { at kind summary detail connectionId } }";

#[tokio::test]
async fn a_record_is_told_from_both_ends() {
    let app = TestApp::start(Options::hubspot(HubSpotSetup::empty())).await;
    let token = app.admin();
    let store = app.hubspot().store();
    let company = store
        .create(Kind::Companies, &[("name", "Known Ltd")])
        .unwrap();
    let odd = store
        .create(
            Kind::Deals,
            &[
                ("dealname", "Odd"),
                ("dealstage", "nowhere"),
                ("pipeline", "default"),
            ],
        )
        .unwrap_or(0);
    let connection = app.connect_hubspot().await;
    app.drain().await;
    let by_vendor = app
        .ask(&token, &format!("{{ recordTimeline(connectionId: \"{connection}\", externalId: \"{company}\") {WHAT} }}"))
        .await;
    assert!(
        by_vendor.at("/recordTimeline/because").is_null(),
        "{by_vendor}"
    );
    let kinds = by_vendor.texts("/recordTimeline/entries", "/kind");
    assert!(
        kinds.contains(&"LINK".to_owned()) && kinds.contains(&"EVENT".to_owned()),
        "{by_vendor}"
    );
    let times = by_vendor.texts("/recordTimeline/entries", "/at");
    assert!(times.windows(2).all(|pair| pair[0] <= pair[1]), "{times:?}");

    let ours = app
        .ask(&token, "{ customers { nodes { id } } }")
        .await
        .text("/customers/nodes/0/id");
    let by_us = app
        .ask(
            &token,
            &format!("{{ recordTimeline(id: \"{ours}\") {WHAT} }}"),
        )
        .await;
    assert_eq!(
        by_us.at("/recordTimeline/entries"),
        by_vendor.at("/recordTimeline/entries")
    );

    if odd > 0 {
        let kept_out = app
            .ask(&token, &format!("{{ recordTimeline(connectionId: \"{connection}\", externalId: \"{odd}\") {WHAT} }}"))
            .await;
        assert!(
            kept_out.body.to_string().contains("UNKNOWN_STAGE"),
            "{kept_out}"
        );
    }
    app.finish().await;
}

#[tokio::test]
async fn what_is_not_known_says_why() {
    let app = TestApp::start(Options::hubspot(HubSpotSetup::empty())).await;
    let token = app.admin();
    let connection = app.connect_hubspot().await;
    let unread = app
        .ask(
            &token,
            &format!(
                "{{ recordTimeline(connectionId: \"{connection}\", externalId: \"77\") {WHAT} }}"
            ),
        )
        .await;
    assert!(
        unread
            .text("/recordTimeline/because")
            .contains("first reading"),
        "{unread}"
    );
    app.drain().await;
    let read = app
        .ask(
            &token,
            &format!(
                "{{ recordTimeline(connectionId: \"{connection}\", externalId: \"77\") {WHAT} }}"
            ),
        )
        .await;
    assert!(
        read.text("/recordTimeline/because")
            .contains("not among it"),
        "{read}"
    );
    let made = app
        .mutate(
            &token,
            "createCustomer",
            json!({ "name": "Nobody's" }),
            "customer { id }",
        )
        .await
        .text("/createCustomer/customer/id");
    let known = app
        .ask(
            &token,
            &format!("{{ recordTimeline(id: \"{made}\") {WHAT} }}"),
        )
        .await;
    assert!(!known.list("/recordTimeline/entries").is_empty(), "{known}");
    for bad in [
        "recordTimeline",
        "recordTimeline(externalId: \"1\")",
        "recordTimeline(id: \"deal_x\", externalId: \"1\")",
    ] {
        let refused = app
            .graphql(&token, &format!("{{ {bad} {WHAT} }}"), json!({}))
            .await;
        assert_eq!(refused.codes(), ["BAD_USER_INPUT"], "{bad}: {refused}");
    }
    let nonsense = app
        .ask(
            &token,
            &format!("{{ recordTimeline(id: \"deal_x\") {WHAT} }}"),
        )
        .await;
    assert_eq!(nonsense.at("/recordTimeline/entries"), &json!([]));
    app.end().await;
}
