//! Managing others as a way up: a token that may manage software or people and little else gets no more by it than it has.

use entities::id::PartnerId;
use entities::viewer::{PartnerRole, Scope, Scopes, ViewerKind};
use serde_json::{Value, json};
use tests::people::{messages, partner, standing};
use tests::{Answer, Browser, TestApp};

const CLIENT: &str = "client { id } userErrors { code field }";
const USER: &str = "user { id name email role status partner { id } }";
const PROVIDER: &str = "identityProvider { id domains confirmedDomains redirectUri }";

fn with(mut input: Value, more: Value) -> Value {
    for (key, value) in more.as_object().unwrap() {
        input[key] = value.clone();
    }
    input
}

fn admin_of(app: &TestApp, partner: PartnerId, scopes: Scopes) -> String {
    app.token_for(ViewerKind::Partner(partner, PartnerRole::Admin), scopes)
}

async fn made(app: &TestApp, token: &str, mutation: &str, input: Value, selection: &str) -> Answer {
    let answer = app.mutate(token, mutation, input, selection).await;
    assert_eq!(answer.refusals(mutation), Vec::<String>::new(), "{answer}");
    answer
}

fn jwks(kid: &str) -> Value {
    json!({ "keys": [{ "kty": "OKP", "crv": "Ed25519", "kid": kid, "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" }] })
}

#[tokio::test]
async fn who_manages_software_does_not_become_it() {
    let app = TestApp::plain().await;
    let acme = partner(&app, "Acme").await;
    let staff = app.admin();
    let web = json!({
        "name": "Web", "authMethod": "CLIENT_SECRET_BASIC", "grantTypes": ["AUTHORIZATION_CODE", "CLIENT_CREDENTIALS"],
        "redirectUris": ["https://app.example.com/cb"], "scopes": ["deals:read", "earnings:read"],
    });
    let signing = json!({
        "name": "Signs", "authMethod": "PRIVATE_KEY_JWT", "grantTypes": ["CLIENT_CREDENTIALS"], "scopes": ["deals:read", "earnings:read"],
        "jwks": jwks("first"),
    });
    for owner in [None, Some(acme)] {
        let of = |input: &Value| {
            with(
                input.clone(),
                json!({ "partnerId": owner.map(|id| id.to_string()) }),
            )
        };
        let pointer = "/createOAuthClient/client/id";
        let web = made(&app, &staff, "createOAuthClient", of(&web), "client { id }")
            .await
            .text(pointer);
        let signs = made(
            &app,
            &staff,
            "createOAuthClient",
            of(&signing),
            "client { id }",
        )
        .await
        .text(pointer);
        let gone = json!({ "id": made(&app, &staff, "createOAuthClient", of(&signing), "client { id }").await.text(pointer) });
        made(
            &app,
            &staff,
            "disableOAuthClient",
            gone.clone(),
            "client { id }",
        )
        .await;
        let little = [Scope::ClientsManage, Scope::DealsRead];
        let mut tokens = vec![
            app.token(little),
            app.token_for(ViewerKind::Integration, little.into_iter().collect()),
        ];
        tokens.extend(owner.map(|own| admin_of(&app, own, little.into_iter().collect())));
        for token in &tokens {
            for (mutation, input) in [
                (
                    "rotateOAuthClientSecret",
                    json!({ "id": web, "overlap": 60 }),
                ),
                (
                    "updateOAuthClient",
                    json!({ "id": web, "redirectUris": ["https://evil.example/cb"] }),
                ),
                (
                    "updateOAuthClient",
                    json!({ "id": signs, "jwks": jwks("mine") }),
                ),
                (
                    "updateOAuthClient",
                    json!({ "id": web, "grantTypes": ["AUTHORIZATION_CODE", "REFRESH_TOKEN"] }),
                ),
                ("enableOAuthClient", gone.clone()),
            ] {
                let refused = app.mutate(token, mutation, input.clone(), CLIENT).await;
                assert_eq!(
                    refused.refusals(mutation).len(),
                    1,
                    "{mutation} {input}: {refused}"
                );
            }
            // What gives nothing away is theirs to do, and so is what they may themselves.
            for input in [
                json!({ "name": "Renamed" }),
                json!({ "redirectUris": ["https://app.example.com/cb"] }),
            ] {
                made(
                    &app,
                    token,
                    "updateOAuthClient",
                    with(input, json!({ "id": web })),
                    "client { id }",
                )
                .await;
            }
        }
        // Whoever may what the client may does all of it.
        let enough = app.token([Scope::ClientsManage, Scope::DealsRead, Scope::EarningsRead]);
        made(
            &app,
            &enough,
            "rotateOAuthClientSecret",
            json!({ "id": web, "overlap": 60 }),
            "client { id }",
        )
        .await;
        made(&app, &enough, "enableOAuthClient", gone, "client { id }").await;
    }
    // A partner's client too is given only what the one who registers it has.
    let much = json!({
        "name": "Much", "partnerId": acme.to_string(), "authMethod": "CLIENT_SECRET_BASIC", "grantTypes": ["CLIENT_CREDENTIALS"],
        "scopes": ["deals:read", "earnings:read"],
    });
    let token = app.token([Scope::ClientsManage, Scope::DealsRead]);
    let refused = app.mutate(&token, "createOAuthClient", much, CLIENT).await;
    assert_eq!(refused.refusals("createOAuthClient"), ["INVALID scopes"]);
    app.end().await;
}

#[tokio::test]
async fn who_manages_people_makes_nobody_who_may_more() {
    let app = TestApp::start(standing()).await;
    let acme = partner(&app, "Acme").await;
    let staff = app.admin();
    let viewer = made(
        &app,
        &staff,
        "inviteUser",
        json!({ "name": "V", "email": "v@us.example", "role": "MARKETING" }),
        USER,
    )
    .await
    .text("/inviteUser/user/id");
    let little = [Scope::UsersManage, Scope::PartnersRead];
    let of_acme = admin_of(&app, acme, little.into_iter().collect());
    for token in [
        app.token(little),
        app.token_for(ViewerKind::Integration, little.into_iter().collect()),
    ] {
        for role in ["ADMIN", "FINANCE", "AUDITOR"] {
            let input = json!({ "name": "Eve", "email": "eve@us.example", "role": role });
            let refused = app.mutate(&token, "inviteUser", input, USER).await;
            assert_eq!(refused.refusals("inviteUser"), ["INVALID role"], "{role}");
            let refused = app
                .mutate(
                    &token,
                    "updateUser",
                    json!({ "id": viewer, "role": role }),
                    USER,
                )
                .await;
            assert_eq!(refused.refusals("updateUser"), ["INVALID role"], "{role}");
        }
    }
    for token in [app.token(little), of_acme] {
        let input = json!({ "name": "Eve", "email": "eve@acme.example", "role": "PARTNER_ADMIN", "partnerId": acme.to_string() });
        let refused = app.mutate(&token, "inviteUser", input, USER).await;
        assert_eq!(refused.refusals("inviteUser"), ["INVALID role"]);
        // Whoever sets where people sign in is every one of them.
        let input = json!({
            "partnerId": acme.to_string(), "name": "ID", "issuer": "https://id.acme.example", "clientId": "entente", "clientSecret": "hush",
            "domains": ["acme.example"],
        });
        let refused = app
            .mutate(&token, "setIdentityProvider", input, "userErrors { code }")
            .await;
        assert_eq!(
            refused.refusals("setIdentityProvider").len(),
            1,
            "{refused}"
        );
    }
    assert_eq!(app.number("SELECT COUNT(*) FROM user_account").await, 1);
    assert_eq!(
        app.number("SELECT COUNT(*) FROM identity_provider").await,
        0
    );
    app.finish().await;
}

async fn finds(app: &TestApp, email: &str) -> tests::Page {
    Browser::new(app)
        .post("/sign-in/organisation", &[("work_email", email)])
        .await
}

#[tokio::test]
async fn a_domain_is_nobodys_until_staff_says_whose() {
    let app = TestApp::start(standing()).await;
    let (acme, staff) = (partner(&app, "Acme & Sons").await, app.admin());
    let own = admin_of(&app, acme, Scopes::all());
    made(
        &app,
        &staff,
        "inviteUser",
        json!({ "name": "Boss", "email": "boss@us.example", "role": "ADMIN" }),
        USER,
    )
    .await;
    let input = json!({
        "name": "ID", "issuer": "https://id.acme.example", "clientId": "entente", "clientSecret": "hush",
        "domains": ["acme.example", "fabrikam.example", "us.example"],
    });
    let set = made(&app, &own, "setIdentityProvider", input, PROVIDER).await;
    let row = set.at("/setIdentityProvider/identityProvider").clone();
    assert_eq!(row["confirmedDomains"], json!([]));
    let id = row["id"].as_str().unwrap();
    assert_eq!(
        row["redirectUri"],
        json!(app.public_url().at(&format!("/sign-in/callback/{id}")))
    );
    for email in ["a@acme.example", "a@fabrikam.example", "boss@us.example"] {
        assert_eq!(finds(&app, email).await.status, 404, "{email}");
    }
    let confirm = |domains: Value| json!({ "id": id, "domains": domains });
    let mutation = "confirmIdentityProviderDomains";
    let itself = app
        .mutate(&own, mutation, confirm(json!(["acme.example"])), PROVIDER)
        .await;
    assert_eq!(itself.refusals(mutation), ["TRANSITION_NOT_ALLOWED"]);
    for (domains, refusal) in [
        (json!(["elsewhere.example"]), "INVALID domains"),
        (json!(["us.example"]), "INVALID domains"),
        (json!(["acme.example", "US.example"]), "INVALID domains"),
    ] {
        let refused = app
            .mutate(&staff, mutation, confirm(domains.clone()), PROVIDER)
            .await;
        assert_eq!(refused.refusals(mutation), [refusal], "{domains}");
    }
    let done = made(
        &app,
        &staff,
        mutation,
        confirm(json!(["ACME.example"])),
        PROVIDER,
    )
    .await;
    assert_eq!(
        done.at("/confirmIdentityProviderDomains/identityProvider/confirmedDomains"),
        &json!(["acme.example"])
    );
    let page = finds(&app, "a@acme.example").await;
    assert!(
        page.status == 200 && page.says("Continue with ID (Acme &amp; Sons)"),
        "{}",
        page.text
    );
    assert_eq!(finds(&app, "a@fabrikam.example").await.status, 404);
    // Somebody of the staff who comes later has their domain to themselves.
    made(
        &app,
        &staff,
        "inviteUser",
        json!({ "name": "New", "email": "new@acme.example", "role": "MARKETING" }),
        USER,
    )
    .await;
    assert_eq!(finds(&app, "a@acme.example").await.status, 404);
    // What is taken away and brought again is confirmed anew.
    let other = json!({ "id": id, "domains": ["fabrikam.example"] });
    made(&app, &own, "setIdentityProvider", other, PROVIDER).await;
    let back = json!({ "id": id, "domains": ["acme.example"] });
    let back = made(&app, &own, "setIdentityProvider", back, PROVIDER).await;
    assert_eq!(
        back.at("/setIdentityProvider/identityProvider/confirmedDomains"),
        &json!([])
    );
    app.finish().await;
}

#[tokio::test]
async fn a_partner_does_not_learn_who_has_an_address() {
    let app = TestApp::start(standing()).await;
    let (acme, other) = (partner(&app, "Acme").await, partner(&app, "Other").await);
    let (staff, own) = (app.admin(), admin_of(&app, acme, Scopes::all()));
    for input in [
        json!({ "name": "Boss", "email": "boss@us.example", "role": "ADMIN" }),
        json!({ "name": "Bea", "email": "bea@other.example", "role": "PARTNER_REP", "partnerId": other.to_string() }),
        json!({ "name": "Ann", "email": "ann@acme.example", "role": "PARTNER_REP", "partnerId": acme.to_string() }),
    ] {
        made(&app, &staff, "inviteUser", input, USER).await;
    }
    let shape = |answer: &Answer| {
        let mut row = answer.at("/inviteUser/user").clone();
        for told in ["id", "email"] {
            assert!(row[told].is_string(), "{answer}");
            row[told] = Value::Null;
        }
        row
    };
    let asks = |email: &str, check: bool| json!({ "name": "X", "email": email, "role": "PARTNER_REP", "validateOnly": check });
    for check in [true, false] {
        let (people, events) = (
            app.number("SELECT COUNT(*) FROM user_account").await,
            messages(&app, "boss@us.example").await.len(),
        );
        let free = format!("free-{check}@x.example");
        let free = made(&app, &own, "inviteUser", asks(&free, check), USER).await;
        for taken in ["boss@us.example", "Bea@Other.example"] {
            let answer = made(&app, &own, "inviteUser", asks(taken, check), USER).await;
            assert_eq!(shape(&answer), shape(&free), "{taken}");
        }
        let more = i64::from(!check);
        assert_eq!(
            app.number("SELECT COUNT(*) FROM user_account").await,
            people + more,
            "{check}"
        );
        assert_eq!(
            messages(&app, "boss@us.example").await.len(),
            events + usize::from(!check),
            "the holder is told"
        );
    }
    // Again and again fills nobody's mailbox.
    made(
        &app,
        &own,
        "inviteUser",
        asks("boss@us.example", false),
        USER,
    )
    .await;
    assert_eq!(messages(&app, "boss@us.example").await.len(), 2);
    // One's own people are no secret, and neither is anybody for staff.
    let again = app
        .mutate(&own, "inviteUser", asks("ann@acme.example", false), USER)
        .await;
    assert_eq!(again.refusals("inviteUser"), ["TAKEN email"]);
    let input = json!({ "name": "X", "email": "bea@other.example", "role": "MARKETING" });
    let told = app.mutate(&staff, "inviteUser", input, USER).await;
    assert_eq!(told.refusals("inviteUser"), ["TAKEN email"]);
    app.finish().await;
}

#[tokio::test]
async fn our_mail_says_what_we_say_and_seldom() {
    let app = TestApp::start(standing()).await;
    let staff = app.admin();
    for name in [
        "Ada\n\nYour account is closed",
        "Ada\r\nx",
        "Ada\u{2028}x",
        "Ada\u{85}x",
    ] {
        let input = json!({ "name": name, "email": "ada@us.example", "role": "ADMIN" });
        let refused = app.mutate(&staff, "inviteUser", input, USER).await;
        assert_eq!(refused.refusals("inviteUser"), ["INVALID name"], "{name:?}");
    }
    let input = json!({ "name": "Ada", "email": "ada@us.example", "role": "ADMIN" });
    let id = made(&app, &staff, "inviteUser", input, USER)
        .await
        .text("/inviteUser/user/id");
    let input = json!({ "id": id, "name": "Ada\nx" });
    let refused = app.mutate(&staff, "updateUser", input, USER).await;
    assert_eq!(refused.refusals("updateUser"), ["INVALID name"]);
    let again = json!({ "id": id });
    let refused = app
        .mutate(&staff, "resendInvitation", again.clone(), USER)
        .await;
    assert_eq!(refused.refusals("resendInvitation"), ["LOCKED id"]);
    app.advance(std::time::Duration::from_secs(301));
    made(&app, &app.admin(), "resendInvitation", again, USER).await;
    assert_eq!(messages(&app, "ada@us.example").await.len(), 2);
    app.finish().await;
}

#[tokio::test]
async fn two_providers_set_at_once_share_no_domain() {
    let app = TestApp::start(standing()).await;
    let (acme, staff) = (partner(&app, "Acme").await, app.admin());
    for round in 0..5 {
        let input = |name: &str| {
            json!({
                "partnerId": acme.to_string(), "name": name, "issuer": "https://id.acme.example", "clientId": "entente", "clientSecret": "hush",
                "domains": [format!("round-{round}.example")],
            })
        };
        let set = async |name: &str| {
            let answer = app.mutate(&staff, "setIdentityProvider", input(name), "__typename");
            answer.await.refusals("setIdentityProvider")
        };
        let (one, two) = futures::join!(set("One"), set("Two"));
        let mut refusals = [one, two];
        refusals.sort();
        assert_eq!(refusals, [vec![], vec!["TAKEN domains".to_owned()]]);
    }
    app.finish().await;
}
