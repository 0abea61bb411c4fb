//! What a partner sees: its own rows, and of everybody else's not even that they exist.

use entities::id::PartnerId;
use serde_json::{Value, json};
use tests::programme::{Programme, Size, fill};
use tests::{Answer, HubSpotSetup, Options, TestApp};

const EVERYTHING: &str = "{
    viewer { partner { id name } }
    partners(first: 5) { totalCount nodes { id name tags wonRevenue { amount currency } deals(first: 100) { totalCount nodes { id } } partnerships { nodes { id priority dri valueForUs } } contacts { nodes { id } } } }
    partnerships(first: 100) { totalCount nodes { id partner { id } } }
    customers(first: 10) { totalCount nodes { id deals(first: 60) { totalCount nodes { id partners { partner { id } } } } contacts { totalCount nodes { id } } } }
    contacts(first: 100) { totalCount nodes { id partner { id } customer { id } } }
    deals(first: 100) { totalCount nodes { id customer { id } partners { partner { id } partnership { id } role } } }
    dealSummary { count }
    events(first: 100) { edges { node { subjectId actor connectionId data } } }
}";

async fn two_worlds() -> (TestApp, Programme) {
    let app = TestApp::start(Options::hubspot(HubSpotSetup::empty())).await;
    let connection = app.connect_hubspot().await;
    app.sync(connection).await;
    let rows = fill(
        &app,
        Size {
            partners: 3,
            customers: 4,
            deals: 60,
        },
    )
    .await;
    app.log_settled().await;
    (app, rows)
}

/// Which deals a partner shares in.
async fn own_deals(app: &TestApp, partner: PartnerId) -> Vec<String> {
    let query =
        format!("{{ partner(id: \"{partner}\") {{ deals(first: 100) {{ nodes {{ id }} }} }} }}");
    app.ask(&app.admin(), &query)
        .await
        .texts("/partner/deals/nodes", "/id")
}

#[tokio::test]
async fn a_partner_reads_its_own_rows_and_names_nobody_else() {
    let (app, rows) = two_worlds().await;
    let me = rows.partners[0].id;
    let mine = own_deals(&app, me).await;
    assert!(!mine.is_empty() && mine.len() < rows.deals.len());
    let seen = app.ask(&app.partner_token(me), EVERYTHING).await;
    assert_eq!(seen.texts("/partners/nodes", "/id"), [me.to_string()]);
    assert_eq!(
        seen.texts("/partnerships/nodes", "/id"),
        [rows.partnerships[0].id.to_string()]
    );
    assert_eq!(seen.texts("/deals/nodes", "/id"), mine);
    assert_eq!(seen.at("/deals/totalCount"), &json!(mine.len()));
    assert_eq!(
        seen.list("/dealSummary")
            .iter()
            .map(|row| row["count"].as_i64().unwrap())
            .sum::<i64>(),
        i64::try_from(mine.len()).unwrap()
    );
    assert_eq!(seen.at("/contacts/totalCount"), &json!(2), "its own people");
    for field in ["connections", "syncRuns"] {
        let query = format!("{{ {field} {{ totalCount nodes {{ id }} }} }}");
        let refused = app.graphql(&app.partner_token(me), &query, json!({})).await;
        assert_eq!(refused.codes(), ["FORBIDDEN"], "{field}: {refused}");
    }
    // Not one id of another partner's row anywhere in the answer, not even in a share of a common deal or in an event.
    let text = seen.body.to_string();
    let not_mine = rows
        .deals
        .iter()
        .map(|deal| deal.id.to_string())
        .filter(|id| !mine.contains(id));
    let others = rows.partners[1..]
        .iter()
        .map(|row| row.id.to_string())
        .chain(rows.partnerships[1..].iter().map(|row| row.id.to_string()));
    let people = rows
        .contacts
        .iter()
        .filter(|row| row.partner_id != Some(me))
        .map(|row| row.id.to_string());
    for id in not_mine.chain(others).chain(people) {
        assert!(!text.contains(&id), "{id} in {text}");
    }
    // What is internal stays so.
    let node = seen.at("/partners/nodes/0");
    assert_eq!(
        (
            &node["tags"],
            &node["partnerships"]["nodes"][0]["priority"],
            &node["partnerships"]["nodes"][0]["dri"]
        ),
        (&json!([]), &json!(null), &json!(null))
    );
    assert!(
        seen.list("/events/edges")
            .iter()
            .all(|edge| edge["node"]["actor"].is_null() && edge["node"]["connectionId"].is_null())
    );
    assert!(!seen.list("/events/edges").is_empty());
    app.finish().await;
}

/// The bytes that matter of an answer: without the request's own id and the price of the question.
fn told(answer: &Answer) -> (u16, Value) {
    let mut body = answer.body.clone();
    if let Some(errors) = body.get_mut("errors").and_then(Value::as_array_mut) {
        for error in errors {
            error["extensions"]["requestId"] = Value::Null;
        }
    }
    body["extensions"] = Value::Null;
    (answer.status, body)
}

/// A row of another partner answers exactly as one that never was: the same status, the same data, the same errors.
#[tokio::test]
async fn another_partners_row_answers_like_one_that_never_was() {
    let (app, rows) = two_worlds().await;
    let token = app.partner_token(rows.partners[0].id);
    let mine = own_deals(&app, rows.partners[0].id).await;
    let foreign_deal = rows
        .deals
        .iter()
        .map(|deal| deal.id.to_string())
        .find(|id| !mine.contains(id))
        .unwrap();
    let never = |prefix: &str| format!("{prefix}_01h2xcejqtf2nbrexx3vqjhp41");
    let connection = app
        .ask(&app.admin(), "{ connections { nodes { id } } }")
        .await
        .text("/connections/nodes/0/id");
    let pairs = [
        (rows.partners[1].id.to_string(), never("partner")),
        (rows.partnerships[1].id.to_string(), never("partnership")),
        (rows.contacts[2].id.to_string(), never("contact")),
        (
            rows.contacts.last().unwrap().id.to_string(),
            never("contact"),
        ),
        (foreign_deal, never("deal")),
        (connection, never("connection")),
    ];
    let customer = never("customer");
    let queries = [
        "query($id: ID!) { node(id: $id) { __typename id } }",
        "query($id: ID!) { nodes(ids: [$id, $id]) { id } }",
        "query($id: ID!) { partner(id: $id) { id } partnership(id: $id) { id } contact(id: $id) { id } deal(id: $id) { id } customer(id: $id) { id } }",
        "query($id: ID!) { partners(filter: {id: {eq: $id}}) { totalCount nodes { id } } deals(filter: {id: {in: [$id]}}) { totalCount nodes { id } } }",
        "query($id: ID!) { deals(filter: {partnerId: {eq: $id}}) { totalCount nodes { id } } contacts(filter: {partnerId: {eq: $id}}) { totalCount } }",
        "query($id: ID!) { partnerships(filter: {partnerId: {eq: $id}}) { totalCount } dealSummary(filter: {partnerId: {eq: $id}}) { count } }",
        "mutation($id: ID!) { updatePartner(input: {id: $id, name: \"x\"}) { partner { id } userErrors { code field message } } }",
        "mutation($id: ID!) { winDeal(input: {id: $id}) { deal { id } userErrors { code field message } } }",
        "mutation($id: ID!) { syncNow(input: {connectionId: $id}) { connection { id } userErrors { code field message } } }",
    ];
    for (foreign, absent) in pairs {
        for query in queries {
            // Deals that both partners share in are mine too; everything else must not exist.
            if query.contains("partnerId") && !foreign.starts_with("partner_") {
                continue;
            }
            let there = app.graphql(&token, query, json!({ "id": foreign })).await;
            let nowhere = app.graphql(&token, query, json!({ "id": absent })).await;
            let mut expected = told(&nowhere);
            if query.contains("deals(filter: {partnerId")
                || query.contains("dealSummary(filter: {partnerId")
            {
                // Who else shares in a deal of mine is not mine to know: filtering by the other partner must find nothing.
                assert_eq!(told(&there), expected, "{query} {foreign}");
            }
            if there.body.to_string().contains(&foreign) {
                panic!("{foreign} is shown: {there}");
            }
            expected.1["data"] = expected.1["data"].clone();
            assert_eq!(told(&there), expected, "{query} {foreign}");
        }
    }
    let absent_customer = app
        .graphql(&token, queries[2], json!({ "id": customer }))
        .await;
    assert_eq!(absent_customer.at("/customer"), &json!(null));
    app.finish().await;
}

/// A partner's token changes nothing, whatever its scopes: what partners may write has operations of its own.
#[tokio::test]
async fn a_partner_writes_nothing() {
    let (app, rows) = two_worlds().await;
    let token = app.partner_token(rows.partners[0].id);
    let own = rows.partners[0].id;
    let before = app.number("SELECT COUNT(*) FROM event").await;
    for mutation in [
        format!("updatePartner(input: {{id: \"{own}\", name: \"mine\"}})"),
        "createPartner(input: {name: \"x\"})".to_owned(),
        "createCustomer(input: {name: \"x\"})".to_owned(),
        "createContact(input: {name: \"x\"})".to_owned(),
        "createDeal(input: {name: \"x\"})".to_owned(),
        format!("createPartnership(input: {{partnerId: \"{own}\", type: CHANNEL}})"),
    ] {
        let answer = app
            .graphql(
                &token,
                &format!("mutation {{ {mutation} {{ userErrors {{ code }} }} }}"),
                json!({}),
            )
            .await;
        assert_eq!(answer.codes(), ["FORBIDDEN"], "{mutation}: {answer}");
    }
    assert_eq!(app.number("SELECT COUNT(*) FROM event").await, before);
    app.finish().await;
}

/// The events of a partner are those about its own rows; it stops seeing those of a deal it no longer shares in.
#[tokio::test]
async fn a_partner_follows_the_log_of_its_own_rows() {
    let app = TestApp::plain().await;
    let admin = app.admin();
    let mut partners = Vec::new();
    for name in ["Acme", "Brand"] {
        let id = app
            .mutate(
                &admin,
                "createPartner",
                json!({ "name": name }),
                "partner { id }",
            )
            .await
            .text("/createPartner/partner/id");
        let ship = app
            .mutate(
                &admin,
                "createPartnership",
                json!({ "partnerId": id, "type": "CHANNEL" }),
                "partnership { id }",
            )
            .await;
        partners.push((id, ship.text("/createPartnership/partnership/id")));
    }
    let share = json!([{ "partnershipId": partners[0].1, "role": "RESOLD", "weightBp": 10_000 }]);
    let deal = app
        .mutate(
            &admin,
            "createDeal",
            json!({ "name": "mine", "partners": share }),
            "deal { id }",
        )
        .await
        .text("/createDeal/deal/id");
    app.mutate(
        &admin,
        "createDeal",
        json!({ "name": "theirs" }),
        "deal { id }",
    )
    .await
    .text("/createDeal/deal/id");
    app.mutate(
        &admin,
        "createCustomer",
        json!({ "name": "secret" }),
        "customer { id }",
    )
    .await
    .text("/createCustomer/customer/id");
    let seen = async |place: usize| {
        let token = app.partner_token(partners[place].0.parse().unwrap());
        app.ask(
            &token,
            "{ events(first: 100) { edges { node { type subjectId } } } }",
        )
        .await
    };
    let mine = seen(0).await;
    let mut types = mine.texts("/events/edges", "/node/type");
    types.sort_unstable();
    assert_eq!(
        types,
        [
            "deal.attributed",
            "deal.created",
            "partner.created",
            "partnership.created"
        ]
    );
    assert!(mine.body.to_string().contains(&deal));
    let theirs = seen(1).await;
    assert_eq!(
        theirs.texts("/events/edges", "/node/type"),
        ["partner.created", "partnership.created"]
    );
    assert!(!theirs.body.to_string().contains(&deal));
    app.finish().await;
}
