//! Software that asks for tokens, registered through the API: by staff, and by a partner's administrator for its own company.

use entities::id::{OAuthClientId, PartnerId};
use entities::oauth_client;
use entities::viewer::{PartnerRole, Scope, Scopes, ViewerKind};
use serde_json::{Value, json};
use std::time::Duration;
use tests::TestApp;
use tests::programme::{self, Size};

const ROW: &str = "client { id version name authMethod grantTypes redirectUris scopes jwks previousSecretUntil createdBy lastUsedAt disabledAt partner { id } }";
const NOBODY: &str = "client_01h2xcejqtf2nbrexx3vqjhp41";

async fn with_partners() -> (TestApp, PartnerId, PartnerId) {
    let app = TestApp::plain().await;
    let size = Size {
        partners: 2,
        customers: 0,
        deals: 0,
    };
    let made = programme::fill(&app, size).await;
    (app, made.partners[0].id, made.partners[1].id)
}

fn admin_of(app: &TestApp, partner: PartnerId) -> String {
    app.token_for(
        ViewerKind::Partner(partner, PartnerRole::Admin),
        Scopes::all(),
    )
}

fn service(name: &str) -> Value {
    json!({ "name": name, "authMethod": "CLIENT_SECRET_BASIC", "grantTypes": ["CLIENT_CREDENTIALS"], "scopes": ["deals:read"] })
}

fn with(mut input: Value, more: Value) -> Value {
    for (key, value) in more.as_object().unwrap() {
        input[key] = value.clone();
    }
    input
}

async fn create(app: &TestApp, token: &str, input: Value) -> tests::Answer {
    app.mutate(
        token,
        "createOAuthClient",
        input,
        &format!("clientSecret {ROW}"),
    )
    .await
}

async fn row_of(app: &TestApp, id: &str) -> oauth_client::Model {
    let id: OAuthClientId = id.parse().unwrap();
    oauth_client::find(app.database().read(), id)
        .await
        .unwrap()
        .unwrap()
}

#[tokio::test]
async fn a_secret_is_answered_once_and_kept_nowhere() {
    let (app, partner, _) = with_partners().await;
    let token = app.admin();
    let input = with(
        service("Portal"),
        json!({ "partnerId": partner.to_string(), "idempotencyKey": "k" }),
    );
    let only = with(
        service("Portal"),
        json!({ "partnerId": partner.to_string(), "validateOnly": true }),
    );
    let checked = create(&app, &token, only).await;
    assert_eq!(
        checked.at("/createOAuthClient/client/name"),
        &json!("Portal")
    );
    assert_eq!(checked.at("/createOAuthClient/clientSecret"), &json!(null));
    let made = create(&app, &token, input.clone()).await;
    let row = made.at("/createOAuthClient/client").clone();
    assert_eq!(
        row,
        json!({
            "id": row["id"], "version": 1, "name": "Portal", "authMethod": "CLIENT_SECRET_BASIC", "grantTypes": ["CLIENT_CREDENTIALS"],
            "redirectUris": [], "scopes": ["deals:read"], "jwks": null, "previousSecretUntil": null, "createdBy": "tests", "lastUsedAt": null,
            "disabledAt": null, "partner": { "id": partner.to_string() },
        })
    );
    let secret = made.text("/createOAuthClient/clientSecret");
    assert_eq!(secret.len(), 43);
    let id = row["id"].as_str().unwrap();
    assert!(
        row_of(&app, id)
            .await
            .accepts_secret(&secret, app.database().now())
    );
    let repeated = create(&app, &token, input).await;
    assert_eq!(repeated.at("/createOAuthClient/client/id"), &row["id"]);
    assert_eq!(repeated.at("/createOAuthClient/clientSecret"), &json!(null));

    let rotate = |overlap: i32, more: Value| with(json!({ "id": id, "overlap": overlap }), more);
    let selection = format!("clientSecret {ROW}");
    let checked = app
        .mutate(
            &token,
            "rotateOAuthClientSecret",
            rotate(60, json!({ "validateOnly": true })),
            &selection,
        )
        .await;
    assert_eq!(
        checked.at("/rotateOAuthClientSecret/clientSecret"),
        &json!(null)
    );
    let rotated = app
        .mutate(
            &token,
            "rotateOAuthClientSecret",
            rotate(60, json!({ "expectedVersion": 1 })),
            &selection,
        )
        .await;
    let second = rotated.text("/rotateOAuthClientSecret/clientSecret");
    let kept = row_of(&app, id).await;
    let now = app.database().now();
    assert!(kept.accepts_secret(&secret, now) && kept.accepts_secret(&second, now));
    let later = now.plus_millis(61_000);
    assert!(!kept.accepts_secret(&secret, later) && kept.accepts_secret(&second, later));
    assert!(
        rotated
            .at("/rotateOAuthClientSecret/client/previousSecretUntil")
            .is_string()
    );
    for overlap in [-1, 2_592_001] {
        let refused = app
            .mutate(
                &token,
                "rotateOAuthClientSecret",
                rotate(overlap, json!({})),
                &selection,
            )
            .await;
        assert_eq!(
            refused.refusals("rotateOAuthClientSecret"),
            ["INVALID overlap"],
            "{overlap}"
        );
    }
    app.advance(Duration::from_secs(1));
    let at_once = app
        .mutate(
            &token,
            "rotateOAuthClientSecret",
            rotate(0, json!({})),
            &selection,
        )
        .await;
    let third = at_once.text("/rotateOAuthClientSecret/clientSecret");
    let kept = row_of(&app, id).await;
    assert!(!kept.accepts_secret(&second, now) && kept.accepts_secret(&third, now));
    // Neither the log nor any answer holds one.
    let told = app.ask(&token, "{ auditTrail(first: 100) { edges { node { type data } } } oauthClients { nodes { id name } } }").await;
    for secret in [&secret, &second, &third] {
        assert!(!told.to_string().contains(secret.as_str()));
        let rows = app
            .number(&format!(
                "SELECT COUNT(*) FROM event WHERE CAST(data AS TEXT) LIKE '%{secret}%'"
            ))
            .await;
        assert_eq!(rows, 0);
    }
    app.end().await;
}

#[tokio::test]
async fn a_client_is_changed_disabled_and_enabled() {
    let (app, _, _) = with_partners().await;
    let token = app.admin();
    let id = create(&app, &token, service("Ours"))
        .await
        .text("/createOAuthClient/client/id");
    let changed = app
        .mutate(
            &token,
            "updateOAuthClient",
            json!({
                "id": id, "name": "Ours too", "scopes": ["partners:read", "deals:read"], "grantTypes": ["AUTHORIZATION_CODE", "REFRESH_TOKEN"],
                "redirectUris": ["https://app.example.com/cb"],
            }),
            ROW,
        )
        .await;
    let row = changed.at("/updateOAuthClient/client");
    assert_eq!(
        (
            &row["name"],
            &row["scopes"],
            &row["grantTypes"],
            &row["redirectUris"],
            &row["version"]
        ),
        (
            &json!("Ours too"),
            &json!(["partners:read", "deals:read"]),
            &json!(["AUTHORIZATION_CODE", "REFRESH_TOKEN"]),
            &json!(["https://app.example.com/cb"]),
            &json!(2)
        )
    );
    let gone = app
        .mutate(&token, "disableOAuthClient", json!({ "id": id }), ROW)
        .await;
    assert!(gone.at("/disableOAuthClient/client/disabledAt").is_string());
    let shown = "{ oauthClients { totalCount } all: oauthClients(filter: {includeDisabled: true}) { totalCount } }";
    let listed = app.ask(&token, shown).await;
    assert_eq!(
        (
            listed.at("/oauthClients/totalCount"),
            listed.at("/all/totalCount")
        ),
        (&json!(0), &json!(1))
    );
    let back = app
        .mutate(&token, "enableOAuthClient", json!({ "id": id }), ROW)
        .await;
    assert_eq!(
        back.at("/enableOAuthClient/client/disabledAt"),
        &json!(null)
    );
    for (input, refusal) in [
        (
            json!({ "id": id, "scopes": ["deals:everything"] }),
            "INVALID scopes",
        ),
        (json!({ "id": id, "scopes": [] }), "BLANK scopes"),
        (
            json!({ "id": id, "redirectUris": ["http://app.example.com/cb"] }),
            "INVALID redirectUris",
        ),
        (
            json!({ "id": id, "expectedVersion": 1, "name": "x" }),
            "VERSION_CONFLICT expectedVersion",
        ),
        (json!({ "id": NOBODY, "name": "x" }), "NOT_FOUND id"),
    ] {
        let refused = app
            .mutate(&token, "updateOAuthClient", input.clone(), ROW)
            .await;
        assert_eq!(refused.refusals("updateOAuthClient"), [refusal], "{input}");
    }
    // Nobody gives what they do not have.
    let little = app.token([Scope::ClientsManage, Scope::DealsRead]);
    let refused = create(
        &app,
        &little,
        with(
            service("More"),
            json!({ "scopes": ["deals:read", "admin"] }),
        ),
    )
    .await;
    assert_eq!(refused.refusals("createOAuthClient"), ["INVALID scopes"]);
    app.end().await;
}

#[tokio::test]
async fn a_partners_administrator_reaches_its_own_companys_clients_only() {
    let (app, own, other) = with_partners().await;
    let staff = app.admin();
    let token = admin_of(&app, own);
    let mine = create(&app, &token, service("Mine")).await;
    assert_eq!(
        mine.at("/createOAuthClient/client/partner/id"),
        &json!(own.to_string())
    );
    assert_eq!(
        mine.at("/createOAuthClient/client/createdBy"),
        &json!(null),
        "who registered it is internal"
    );
    let mine = mine.text("/createOAuthClient/client/id");
    let theirs = create(
        &app,
        &staff,
        with(service("Theirs"), json!({ "partnerId": other.to_string() })),
    )
    .await;
    let theirs = theirs.text("/createOAuthClient/client/id");
    let ours = create(&app, &staff, service("Ours"))
        .await
        .text("/createOAuthClient/client/id");
    let listed = app
        .ask(&token, "{ oauthClients { totalCount nodes { id } } }")
        .await;
    assert_eq!(listed.texts("/oauthClients/nodes", "/id"), [mine.as_str()]);
    assert_eq!(listed.at("/oauthClients/totalCount"), &json!(1));
    for foreign in [theirs.as_str(), ours.as_str(), NOBODY, "nonsense"] {
        for query in [
            "{ oauthClient(id: \"ID\") { id } }",
            "{ node(id: \"ID\") { id } }",
        ] {
            let answer = app.ask(&token, &query.replace("ID", foreign)).await;
            assert!(
                answer
                    .data()
                    .as_object()
                    .unwrap()
                    .values()
                    .all(Value::is_null),
                "{answer}"
            );
        }
        for (mutation, more) in [
            ("updateOAuthClient", json!({ "name": "Mine now" })),
            ("rotateOAuthClientSecret", json!({ "overlap": 0 })),
            ("disableOAuthClient", json!({ "expectedVersion": 9 })),
            ("enableOAuthClient", json!({})),
        ] {
            let answer = app
                .mutate(
                    &token,
                    mutation,
                    with(more.clone(), json!({ "id": foreign })),
                    ROW,
                )
                .await;
            let absent = app
                .mutate(&token, mutation, with(more, json!({ "id": NOBODY })), ROW)
                .await;
            assert_eq!(
                answer.refusals(mutation),
                ["NOT_FOUND id"],
                "{mutation} {foreign}"
            );
            assert_eq!(
                answer.body["data"], absent.body["data"],
                "{mutation} {foreign}"
            );
        }
    }
    let at = |id: String| with(service("There"), json!({ "partnerId": id }));
    let there = create(&app, &token, at(other.to_string())).await;
    let nowhere = create(
        &app,
        &token,
        at("partner_01h2xcejqtf2nbrexx3vqjhp41".to_owned()),
    )
    .await;
    assert_eq!(there.refusals("createOAuthClient"), ["NOT_FOUND partnerId"]);
    assert_eq!(there.body["data"], nowhere.body["data"]);
    for scope in [
        "deals:write",
        "integrations:read",
        "admin",
        "users:manage",
        "clients:manage",
    ] {
        let refused = create(
            &app,
            &token,
            with(service("Much"), json!({ "scopes": [scope] })),
        )
        .await;
        assert_eq!(
            refused.refusals("createOAuthClient"),
            ["INVALID scopes"],
            "{scope}"
        );
    }
    for role in PartnerRole::ALL
        .iter()
        .filter(|role| **role != PartnerRole::Admin)
    {
        let token = app.token_for(ViewerKind::Partner(own, *role), Scopes::all());
        let refused = create(&app, &token, service("No")).await;
        assert_eq!(refused.codes(), ["FORBIDDEN"], "{}", role.as_str());
    }
    app.end().await;
}
