//! The mapping of a connection: read, checked, previewed over stored records, and applied to them.

use sandbox::Kind;
use serde_json::{Value, json};
use tests::{Answer, HubSpotSetup, Options, TestApp};

const MAPPING: &str = "version mapping {
    company { partnerWhen { property values } partnership { type stage } partnerFields { field property } customerFields { field property } policy { push conflicts fields { field policy } } }
    contact { fields { field property } policy { push conflicts fields { field policy } } }
    deal { fields { field property } stages { externalId stage } labels { label role weightBp } owners { externalId name email } policy { push conflicts fields { field policy } } } }";

async fn mapping(app: &TestApp) -> (i64, Value) {
    let answer = app
        .ask(
            &app.admin(),
            &format!("{{ connections {{ nodes {{ {MAPPING} }} }} }}"),
        )
        .await;
    let node = answer.at("/connections/nodes/0");
    (node["version"].as_i64().unwrap(), node["mapping"].clone())
}

/// Feeds one of the fields of a list from another property.
fn feed(list: &mut Value, field: &str, property: &str) {
    let list = list.as_array_mut().unwrap();
    list.retain(|entry| entry["field"] != field);
    list.push(json!({ "field": field, "property": property }));
}

async fn preview(app: &TestApp, input: Value) -> Answer {
    app.graphql(
        &app.admin(),
        "query P($input: PreviewMappingInput!) { previewMapping(input: $input) { needsBackfill backfillReasons checkedAtVendor userErrors { code field } resources { resource read wouldChange keptOut { code records } examples { externalId field before after } } } }",
        json!({ "input": input }),
    )
    .await
}

async fn update(app: &TestApp, input: Value) -> Answer {
    app.mutate(
        &app.admin(),
        "updateMapping",
        input,
        "application backfillReasons checkedAtVendor connection { version }",
    )
    .await
}

/// Two companies, one of them a partner, and nothing else.
async fn companies() -> (TestApp, String) {
    let app = TestApp::start(Options::hubspot(HubSpotSetup::empty())).await;
    let store = app.hubspot().store();
    store
        .create(
            Kind::Companies,
            &[
                ("name", "Alpha"),
                ("industry", "Retail"),
                ("country", "Chad"),
                ("city", "Bonn"),
                ("description", "Sells"),
            ],
        )
        .unwrap();
    store
        .create(
            Kind::Companies,
            &[
                ("name", "Beta"),
                ("type", "PARTNER"),
                ("country", "Peru"),
                ("city", "Rome"),
                ("description", "Buys"),
            ],
        )
        .unwrap();
    let connection = app.connect_hubspot().await.to_string();
    app.drain().await;
    (app, connection)
}

#[tokio::test]
async fn what_is_read_can_be_written_back_and_changes_nothing() {
    let (app, connection) = companies().await;
    let (version, same) = mapping(&app).await;
    let events = app.number("SELECT COUNT(*) FROM event").await;
    let done = update(&app, json!({ "connectionId": connection, "mapping": same })).await;
    assert_eq!(done.at("/updateMapping/application"), "NOTHING", "{done}");
    assert_eq!(mapping(&app).await, (version, same));
    assert_eq!(app.number("SELECT COUNT(*) FROM event").await, events);
    app.finish().await;
}

#[tokio::test]
async fn a_preview_tells_what_would_become_of_stored_records() {
    let (app, connection) = companies().await;
    let (_, mut new) = mapping(&app).await;
    feed(&mut new["company"]["customerFields"], "COUNTRY", "city");
    let answer = preview(&app, json!({ "connectionId": connection, "mapping": new })).await;
    let companies = answer.at("/previewMapping/resources/0");
    assert_eq!(
        (&companies["read"], &companies["wouldChange"]),
        (&json!(2), &json!(1)),
        "{answer}"
    );
    let example = &companies["examples"][0];
    assert_eq!(
        (&example["field"], &example["before"], &example["after"]),
        (&json!("country"), &json!("Chad"), &json!("Bonn"))
    );
    assert_eq!(answer.at("/previewMapping/needsBackfill"), &json!(false));
    assert_eq!(answer.at("/previewMapping/checkedAtVendor"), &json!(true));
    // A name that is nowhere keeps everything out.
    let (_, mut nameless) = mapping(&app).await;
    feed(&mut nameless["company"]["customerFields"], "NAME", "zip");
    feed(&mut nameless["company"]["customerFields"], "DOMAIN", "zip");
    let answer = preview(
        &app,
        json!({ "connectionId": connection, "mapping": nameless }),
    )
    .await;
    assert_eq!(
        answer.at("/previewMapping/resources/0/keptOut/0/code"),
        "NAME_MISSING",
        "{answer}"
    );
    assert_eq!(
        answer.at("/previewMapping/needsBackfill"),
        &json!(true),
        "{answer}"
    );
    app.finish().await;
}

#[tokio::test]
async fn a_new_mapping_reaches_the_rows_from_what_is_stored() {
    let (app, connection) = companies().await;
    let token = app.admin();
    // A person has changed the other one's country here; that is not the mapping's to undo silently.
    let beta = app
        .ask(&token, "{ partners { nodes { id } } }")
        .await
        .text("/partners/nodes/0/id");
    let (version, mut new) = mapping(&app).await;
    feed(&mut new["company"]["customerFields"], "COUNTRY", "city");
    let tried = json!({ "connectionId": connection, "mapping": new, "validateOnly": true });
    assert_eq!(
        update(&app, tried).await.at("/updateMapping/application"),
        "FROM_STORED"
    );
    assert_eq!(mapping(&app).await.0, version, "only tried");
    let stale =
        json!({ "connectionId": connection, "mapping": new, "expectedVersion": version + 9 });
    assert!(update(&app, stale).await.refusals("updateMapping")[0].starts_with("VERSION_CONFLICT"));

    let input = json!({ "connectionId": connection, "mapping": new, "expectedVersion": version });
    let done = update(&app, input).await;
    assert_eq!(
        done.at("/updateMapping/application"),
        "FROM_STORED",
        "{done}"
    );
    let (_, mut other) = mapping(&app).await;
    feed(
        &mut other["company"]["customerFields"],
        "COUNTRY",
        "country",
    );
    let early = update(
        &app,
        json!({ "connectionId": connection, "mapping": other }),
    )
    .await;
    assert!(
        early.refusals("updateMapping")[0].starts_with("LOCKED"),
        "{early}"
    );
    app.drain().await;
    let customers = app
        .ask(&token, "{ customers { nodes { name country } } }")
        .await;
    assert_eq!(
        customers.at("/customers/nodes"),
        &json!([{ "name": "Alpha", "country": "Bonn" }]),
        "{customers}"
    );
    let untouched = app
        .ask(&token, "{ partners { nodes { id name country version } } }")
        .await;
    assert_eq!(
        untouched.at("/partners/nodes/0"),
        &json!({ "id": beta, "name": "Beta", "country": "Peru", "version": 1 })
    );
    let told = app
        .ask(
            &token,
            "{ events(types: [\"connection.mapping_changed\"]) { edges { node { data } } } }",
        )
        .await;
    assert_eq!(
        told.at("/events/edges/0/node/data/resources"),
        &json!(["company"])
    );

    // And back again.
    let back = update(
        &app,
        json!({ "connectionId": connection, "mapping": other }),
    )
    .await;
    assert_eq!(
        back.at("/updateMapping/application"),
        "FROM_STORED",
        "{back}"
    );
    app.drain().await;
    let customers = app.ask(&token, "{ customers { nodes { country } } }").await;
    assert_eq!(customers.at("/customers/nodes/0/country"), "Chad");
    app.finish().await;
}

#[tokio::test]
async fn another_rule_of_who_is_a_partner_makes_partners_of_known_customers() {
    let (app, connection) = companies().await;
    let (_, mut new) = mapping(&app).await;
    new["company"]["partnerWhen"] = json!({ "property": "industry", "values": ["Retail"] });
    let done = update(&app, json!({ "connectionId": connection, "mapping": new })).await;
    assert_eq!(
        done.at("/updateMapping/application"),
        "FROM_STORED",
        "{done}"
    );
    app.drain().await;
    let partners = app
        .ask(
            &app.admin(),
            "{ partners(orderBy: [{field: NAME}]) { nodes { name } } }",
        )
        .await;
    assert_eq!(
        partners.texts("/partners/nodes", "/name"),
        ["Alpha", "Beta"]
    );
    app.finish().await;
}

#[tokio::test]
async fn what_was_never_read_needs_to_be_read() {
    let (app, connection) = companies().await;
    let store = app.hubspot().store();
    let alpha = store.find_by(Kind::Companies, "name", "Alpha")[0];
    store
        .update(Kind::Companies, alpha, &[("lifecyclestage", "Evangelist")])
        .unwrap();
    app.advance(std::time::Duration::from_secs(300));
    app.drain().await;
    let (_, mut new) = mapping(&app).await;
    feed(
        &mut new["company"]["customerFields"],
        "SEGMENT",
        "lifecyclestage",
    );
    let wish = json!({ "connectionId": connection, "mapping": new });
    let refused = update(&app, wish.clone()).await;
    assert_eq!(
        refused.at("/updateMapping/userErrors/0/field"),
        &json!(["backfill"]),
        "{refused}"
    );
    let before = app
        .ask(&app.admin(), "{ customers { nodes { segment } } }")
        .await;
    assert_eq!(before.at("/customers/nodes/0/segment"), "Retail");
    let mut wish = wish;
    wish["backfill"] = json!(true);
    let done = update(&app, wish).await;
    assert_eq!(
        done.at("/updateMapping/application"),
        "BY_READING",
        "{done}"
    );
    app.drain().await;
    let after = app
        .ask(
            &app.admin(),
            "{ customers { nodes { segment } } syncConflicts { totalCount } }",
        )
        .await;
    assert_eq!(after.at("/customers/nodes/0/segment"), "Evangelist");
    assert_eq!(
        after.at("/syncConflicts/totalCount"),
        &json!(0),
        "nobody had changed it here"
    );
    app.finish().await;
}

#[tokio::test]
async fn what_a_mapping_cannot_be_is_named_by_its_place() {
    let (app, connection) = companies().await;
    let (version, mut new) = mapping(&app).await;
    feed(
        &mut new["company"]["partnerFields"],
        "WEBSITE",
        "no_such_property",
    );
    new["deal"]["policy"]["fields"] = json!([{ "field": "colour", "policy": "ASK" }]);
    let refused = update(
        &app,
        json!({ "connectionId": connection, "mapping": new, "backfill": true }),
    )
    .await;
    let places: Vec<String> = refused
        .list("/updateMapping/userErrors")
        .iter()
        .map(|error| {
            error["field"]
                .as_array()
                .unwrap()
                .iter()
                .filter_map(Value::as_str)
                .collect::<Vec<_>>()
                .join(".")
        })
        .collect();
    assert_eq!(
        places,
        [
            "mapping.deal.policy.fields.0.field",
            "mapping.company.partnerFields.2.property"
        ],
        "{refused}"
    );
    let (_, mut twice) = mapping(&app).await;
    let first = twice["deal"]["stages"][0].clone();
    twice["deal"]["stages"].as_array_mut().unwrap().push(first);
    let refused = preview(
        &app,
        json!({ "connectionId": connection, "mapping": twice }),
    )
    .await;
    assert_eq!(
        refused.at("/previewMapping/userErrors/0/code"),
        "TAKEN",
        "{refused}"
    );
    assert_eq!(mapping(&app).await.0, version);
    app.finish().await;
}

#[tokio::test]
async fn what_a_person_changed_here_is_a_conflict_with_a_new_mapping() {
    let (app, connection) = companies().await;
    let token = app.admin();
    let alpha = app
        .ask(&token, "{ customers { nodes { id } } }")
        .await
        .text("/customers/nodes/0/id");
    let (_, mut new) = mapping(&app).await;
    new["company"]["policy"]["conflicts"] = json!("ASK");
    new["company"]["policy"]["push"] = json!("OFF");
    let quiet = update(&app, json!({ "connectionId": connection, "mapping": new })).await;
    assert_eq!(
        quiet.refusals("updateMapping"),
        Vec::<String>::new(),
        "{quiet}"
    );
    app.drain().await;
    let ours = json!({ "id": alpha, "country": "Mali" });
    app.mutate(&token, "updateCustomer", ours, "customer { id }")
        .await;
    feed(&mut new["company"]["customerFields"], "COUNTRY", "city");
    update(&app, json!({ "connectionId": connection, "mapping": new })).await;
    app.drain().await;
    let answer = app
        .ask(
            &token,
            "{ customers { nodes { country } } syncConflicts { nodes { field ours theirs status } } }",
        )
        .await;
    assert_eq!(answer.at("/customers/nodes/0/country"), "Mali", "{answer}");
    assert_eq!(
        answer.at("/syncConflicts/nodes"),
        &json!([{ "field": "country", "ours": "Mali", "theirs": "Bonn", "status": "OPEN" }]),
        "{answer}"
    );
    app.finish().await;
}
