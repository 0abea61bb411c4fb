//! Where partners' people sign in, set through the API.

use entities::id::PartnerId;
use entities::viewer::{PartnerRole, Scopes, ViewerKind};
use serde_json::{Value, json};
use tests::TestApp;
use tests::programme::{self, Size};

const ROW: &str =
    "identityProvider { id version name issuer clientId domains disabledAt partner { id } }";
const NOBODY: &str = "identity_provider_01h2xcejqtf2nbrexx3vqjhp41";
const SECRET: &str = "the-secret-of-a-registration";

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

fn provider(more: Value) -> Value {
    let mut input = json!({
        "name": "Contoso", "issuer": "https://id.contoso.example", "clientId": "entente", "clientSecret": SECRET, "domains": ["Contoso.example"],
    });
    for (key, value) in more.as_object().unwrap() {
        input[key] = value.clone();
    }
    input
}

async fn set(app: &TestApp, token: &str, input: Value) -> tests::Answer {
    app.mutate(token, "setIdentityProvider", input, ROW).await
}

#[tokio::test]
async fn a_provider_is_set_changed_and_removed_and_its_secret_never_shown() {
    let (app, partner, _) = with_partners().await;
    let token = app.admin();
    let made = set(
        &app,
        &token,
        provider(json!({ "partnerId": partner.to_string() })),
    )
    .await;
    let row = made.at("/setIdentityProvider/identityProvider").clone();
    assert_eq!(
        row,
        json!({
            "id": row["id"], "version": 1, "name": "Contoso", "issuer": "https://id.contoso.example", "clientId": "entente",
            "domains": ["contoso.example"], "disabledAt": null, "partner": { "id": partner.to_string() },
        }),
        "{made}"
    );
    let id = row["id"].as_str().unwrap();
    let changed = set(&app, &token, json!({ "id": id, "name": "Contoso Ltd", "clientSecret": "another-secret", "disabled": true, "expectedVersion": 1 })).await;
    let changed = changed.at("/setIdentityProvider/identityProvider");
    assert_eq!(
        (&changed["name"], &changed["version"]),
        (&json!("Contoso Ltd"), &json!(2))
    );
    assert!(changed["disabledAt"].is_string());
    for (input, refusal) in [
        (
            json!({ "id": id, "issuer": "https://evil.example" }),
            "INVALID issuer",
        ),
        (
            json!({ "id": id, "partnerId": "partner_01h2xcejqtf2nbrexx3vqjhp41" }),
            "INVALID partnerId",
        ),
        (
            json!({ "id": id, "clientSecret": "" }),
            "INVALID clientSecret",
        ),
        (
            json!({ "id": id, "domains": ["no domain"] }),
            "INVALID domains",
        ),
        (
            json!({ "id": id, "expectedVersion": 1 }),
            "VERSION_CONFLICT expectedVersion",
        ),
        (json!({ "id": NOBODY, "name": "x" }), "NOT_FOUND id"),
        (provider(json!({})), "BLANK partnerId"),
        (
            provider(
                json!({ "partnerId": partner.to_string(), "issuer": "http://id.contoso.example" }),
            ),
            "INVALID issuer",
        ),
    ] {
        let refused = set(&app, &token, input.clone()).await;
        assert_eq!(
            refused.refusals("setIdentityProvider"),
            [refusal],
            "{input}"
        );
    }
    let listed = app
        .ask(
            &token,
            "{ identityProviders { totalCount nodes { id name } } }",
        )
        .await;
    assert_eq!(listed.at("/identityProviders/totalCount"), &json!(1));
    let told = app.ask(&token, "{ auditTrail(filter: {kinds: [\"identity_provider.set\"]}) { edges { node { data } } } }").await;
    assert_eq!(told.list("/auditTrail/edges").len(), 2);
    for secret in [SECRET, "another-secret"] {
        assert!(!told.to_string().contains(secret));
        let kept =
            format!("SELECT COUNT(*) FROM identity_provider WHERE sealed_secret LIKE '%{secret}%'");
        assert_eq!(app.number(&kept).await, 0);
    }
    let removed = app
        .mutate(
            &token,
            "removeIdentityProvider",
            json!({ "id": id }),
            "removedId",
        )
        .await;
    assert_eq!(removed.at("/removeIdentityProvider/removedId"), &json!(id));
    let again = app
        .mutate(
            &token,
            "removeIdentityProvider",
            json!({ "id": id }),
            "removedId",
        )
        .await;
    assert_eq!(again.refusals("removeIdentityProvider"), ["NOT_FOUND id"]);
    app.end().await;
}

#[tokio::test]
async fn a_partners_administrator_sets_its_own_companys_only() {
    let (app, own, other) = with_partners().await;
    let staff = app.admin();
    let token = app.token_for(ViewerKind::Partner(own, PartnerRole::Admin), Scopes::all());
    let mine = set(&app, &token, provider(json!({}))).await;
    assert_eq!(
        mine.at("/setIdentityProvider/identityProvider/partner/id"),
        &json!(own.to_string()),
        "{mine}"
    );
    let mine = mine.text("/setIdentityProvider/identityProvider/id");
    let theirs = set(
        &app,
        &staff,
        provider(json!({ "partnerId": other.to_string() })),
    )
    .await;
    let theirs = theirs.text("/setIdentityProvider/identityProvider/id");
    let listed = app
        .ask(&token, "{ identityProviders { totalCount nodes { id } } }")
        .await;
    assert_eq!(
        listed.texts("/identityProviders/nodes", "/id"),
        [mine.as_str()]
    );
    for foreign in [theirs.as_str(), NOBODY, "nonsense"] {
        for query in [
            "{ identityProvider(id: \"ID\") { id } }",
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
        let changed = set(&app, &token, json!({ "id": foreign, "disabled": true })).await;
        assert_eq!(changed.refusals("setIdentityProvider"), ["NOT_FOUND id"]);
        let removed = app
            .mutate(
                &token,
                "removeIdentityProvider",
                json!({ "id": foreign }),
                "removedId",
            )
            .await;
        assert_eq!(removed.refusals("removeIdentityProvider"), ["NOT_FOUND id"]);
    }
    let there = set(
        &app,
        &token,
        provider(json!({ "partnerId": other.to_string() })),
    )
    .await;
    let nowhere = set(
        &app,
        &token,
        provider(json!({ "partnerId": "partner_01h2xcejqtf2nbrexx3vqjhp41" })),
    )
    .await;
    assert_eq!(
        there.refusals("setIdentityProvider"),
        ["NOT_FOUND partnerId"]
    );
    assert_eq!(there.body["data"], nowhere.body["data"]);
    app.end().await;
}
