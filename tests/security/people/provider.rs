//! Identity providers that lie, are lied to, or speak for somebody who is not theirs.

use super::{EMAIL, texts};
use entities::user::{self, UserRole};
use entities::viewer::{PartnerRole, StaffRole};
use serde_json::{Value, json};
use tests::people::{change, invited, member, options, partner, provider_of, signed_in};
use tests::{Browser, IdentityProvider, Page, TestApp};

async fn through(app: &TestApp, start: &str) -> (Page, bool) {
    let mut browser = Browser::new(app);
    let away = browser.get(start).await;
    if away.status != 303 {
        return (away, false);
    }
    let there = browser.follow(&away).await;
    let back = browser.follow(&there).await;
    let is_in = browser.cookies.contains_key("entente");
    (back, is_in)
}

#[tokio::test]
async fn no_spoilt_token_lets_anybody_in() {
    let provider = IdentityProvider::start("subject-1", "ada@acme.example").await;
    let mut app = TestApp::start(provider.as_staffs(options(), "acme.example")).await;
    app.expect_warning("an identity provider could not be used");
    let (ada, _) = invited(
        &app,
        UserRole::Staff(StaffRole::Admin),
        "Ada",
        "ada@acme.example",
    )
    .await;
    let spoilt: Vec<(&str, Value, Value)> = vec![
        (
            "issuer",
            json!({ "iss": "https://evil.example" }),
            json!({}),
        ),
        ("audience", json!({ "aud": "another client" }), json!({})),
        (
            "authorized party",
            json!({ "azp": "another client" }),
            json!({}),
        ),
        ("nonce", json!({ "nonce": "of another request" }), json!({})),
        ("no nonce", json!({ "nonce": null }), json!({})),
        ("ended", json!({ "exp": 1_000_000_000 }), json!({})),
        ("no end", json!({ "exp": null }), json!({})),
        (
            "from the future",
            json!({ "iat": 4_000_000_000_i64 }),
            json!({}),
        ),
        ("no subject", json!({ "sub": null }), json!({})),
        ("a subject with U+0000", json!({ "sub": "a\0" }), json!({})),
        ("alg none", json!({}), json!({ "alg": "none" })),
        (
            "alg of a shared secret",
            json!({}),
            json!({ "alg": "HS256" }),
        ),
        ("another key's name", json!({}), json!({ "kid": "x" })),
        ("crit", json!({}), json!({ "crit": ["b64"] })),
    ];
    for (what, claims, header) in spoilt {
        provider.says(claims.clone());
        provider.heads(header.clone());
        let (page, is_in) = through(&app, "/sign-in/with/staff").await;
        assert!(page.status == 502 && !is_in, "{what}: {}", page.text);
        provider.forgets(&claims, &header);
        provider.says(json!({ "sub": "subject-1" }));
    }
    for (what, claims) in [
        ("not verified", json!({ "email_verified": false })),
        ("verified is not said", json!({ "email_verified": null })),
        ("no address", json!({ "email": null })),
        ("a foreign domain", json!({ "email": "ada@evil.example" })),
        (
            "a domain below",
            json!({ "email": "ada@mail.acme.example" }),
        ),
        ("not invited", json!({ "email": "bob@acme.example" })),
    ] {
        provider.says(claims);
        let (page, is_in) = through(&app, "/sign-in/with/staff").await;
        assert!(
            page.status == 403 && !is_in && page.says("nobody was invited here"),
            "{what}: {}",
            page.text
        );
        provider.says(json!({ "email": "ada@acme.example", "email_verified": true }));
    }
    let row = user::find(app.database().read(), ada.id)
        .await
        .unwrap()
        .unwrap();
    assert!(!row.is_active());
    assert_eq!(app.number("SELECT COUNT(*) FROM session").await, 0);
    assert_eq!(app.number("SELECT COUNT(*) FROM user_identity").await, 0);
    assert_eq!(
        app.number("SELECT COUNT(*) FROM event WHERE kind = 'session.refused'")
            .await,
        6
    );
    let (_, is_in) = through(&app, "/sign-in/with/staff").await;
    assert!(is_in, "with everything right it works");
    app.finish().await;
}

#[tokio::test]
async fn a_partners_provider_signs_in_its_own_people_only() {
    let evil = IdentityProvider::start("subject-1", "boss@acme.example").await;
    let mut started = options();
    started.reachable.push(evil.address());
    let app = TestApp::start(started).await;
    let (contoso, fabrikam) = (
        partner(&app, "Contoso").await,
        partner(&app, "Fabrikam").await,
    );
    // The partner claims the staff's and another partner's domains for its provider.
    let domains = ["contoso.example", "acme.example", "fabrikam.example"];
    let key = provider_of(&app, contoso, &evil, &domains).await;
    let boss = member(
        &app,
        UserRole::Staff(StaffRole::Admin),
        "Boss",
        "boss@acme.example",
    )
    .await;
    invited(
        &app,
        UserRole::Staff(StaffRole::Finance),
        "New",
        "new@acme.example",
    )
    .await;
    member(
        &app,
        UserRole::Partner(fabrikam, PartnerRole::Admin),
        "Fay",
        "fay@fabrikam.example",
    )
    .await;
    invited(
        &app,
        UserRole::Partner(contoso, PartnerRole::Rep),
        "Ada",
        EMAIL,
    )
    .await;
    let way = format!("/sign-in/with/{key}");
    for email in [
        "boss@acme.example",
        "new@acme.example",
        "fay@fabrikam.example",
        "BOSS@acme.example",
    ] {
        evil.says(json!({ "email": email }));
        let (page, is_in) = through(&app, &way).await;
        assert!(page.status == 403 && !is_in, "{email}: {}", page.text);
    }
    assert_eq!(app.number("SELECT COUNT(*) FROM user_identity").await, 0);
    evil.says(json!({ "email": EMAIL }));
    assert!(
        through(&app, &way).await.1,
        "its own people it does sign in"
    );
    // An identity that is tied to a person of another side does not help either.
    let mut edit = change(&app).await;
    let linked = entities::user_identity::link(&mut edit, &boss, &evil.issuer(), "subject-of-boss")
        .await
        .unwrap();
    assert!(linked);
    edit.commit().await.unwrap();
    evil.says(json!({ "sub": "subject-of-boss" }));
    let (page, is_in) = through(&app, &way).await;
    assert!(page.status == 403 && !is_in, "{}", page.text);
    app.finish().await;
}

/// A partner's provider is run by whoever the partner chose: that somebody has an address counts only where the provider has made sure of it.
#[tokio::test]
async fn an_address_that_a_partners_provider_does_not_vouch_for_is_nobodys() {
    let provider = IdentityProvider::start("subject-1", EMAIL).await;
    let mut started = options();
    started.reachable.push(provider.address());
    let app = TestApp::start(started).await;
    let contoso = partner(&app, "Contoso").await;
    let key = provider_of(&app, contoso, &provider, &["contoso.example"]).await;
    let role = |role| UserRole::Partner(contoso, role);
    let (ada, _) = invited(&app, role(PartnerRole::Rep), "Ada", EMAIL).await;
    let boss = "boss@contoso.example";
    member(&app, role(PartnerRole::Admin), "Boss", boss).await;
    let way = format!("/sign-in/with/{key}");
    for email in [EMAIL, boss] {
        for vouched in [
            json!(null),
            json!(false),
            json!("false"),
            json!("yes"),
            json!(""),
        ] {
            provider.says(json!({ "email": email, "email_verified": vouched }));
            let (page, is_in) = through(&app, &way).await;
            assert!(
                page.status == 403 && !is_in,
                "{email} {vouched}: {}",
                page.text
            );
        }
    }
    let row = user::find(app.database().read(), ada.id).await.unwrap();
    assert!(!row.unwrap().is_active(), "the invitation waits");
    assert_eq!(app.number("SELECT COUNT(*) FROM user_identity").await, 0);
    let because = "SELECT DISTINCT data FROM event WHERE kind = 'session.refused'";
    for row in app.rows(because).await {
        let data: Value = row.try_get_by_index(0).unwrap();
        assert_eq!(data["because"], "no_verified_address");
    }
    provider.says(json!({ "email": EMAIL, "email_verified": true }));
    assert!(through(&app, &way).await.1, "with its word it works");
    app.finish().await;
}

#[tokio::test]
async fn the_identity_decides_and_not_the_address() {
    let provider = IdentityProvider::start("subject-1", "ada@acme.example").await;
    let app = TestApp::start(provider.as_staffs(options(), "acme.example")).await;
    let role = UserRole::Staff(StaffRole::Support);
    let (ada, _) = invited(&app, role, "Ada", "ada@acme.example").await;
    invited(
        &app,
        UserRole::Staff(StaffRole::Admin),
        "Boss",
        "boss@acme.example",
    )
    .await;
    assert!(through(&app, "/sign-in/with/staff").await.1);
    // Whoever is known stays who they are, although the provider now has the administrator's address for them.
    provider.says(json!({ "email": "boss@acme.example" }));
    assert!(through(&app, "/sign-in/with/staff").await.1);
    let roles = "SELECT role FROM user_account JOIN session ON session.user_id = user_account.id";
    assert_eq!(texts(&app, roles).await, ["SUPPORT", "SUPPORT"]);
    // Somebody new who was given an address that belonged to somebody else is not that person.
    provider.says(json!({ "sub": "subject-2", "email": "ada@acme.example" }));
    let (page, is_in) = through(&app, "/sign-in/with/staff").await;
    assert!(page.status == 403 && !is_in);
    // Who is disabled is disabled by every way.
    provider.says(json!({ "sub": "subject-1" }));
    let mut edit = change(&app).await;
    let row = user::find_locked(&edit, ada.id).await.unwrap().unwrap();
    user::disable(&mut edit, row).await.unwrap();
    edit.commit().await.unwrap();
    assert!(!through(&app, "/sign-in/with/staff").await.1);
    app.finish().await;
}

#[tokio::test]
async fn a_way_is_one_browsers_and_good_once() {
    let provider = IdentityProvider::start("subject-1", "ada@acme.example").await;
    let app = TestApp::start(provider.as_staffs(options(), "acme.example")).await;
    invited(
        &app,
        UserRole::Staff(StaffRole::Support),
        "Ada",
        "ada@acme.example",
    )
    .await;
    let mut browser = Browser::new(&app);
    let away = browser.get("/sign-in/with/staff").await;
    let set = away.headers["set-cookie"].to_str().unwrap();
    assert!(
        set.starts_with("entente_way=") && set.contains("HttpOnly; SameSite=Lax"),
        "{set}"
    );
    let authorize = away.leads_to();
    let value = |name: &str| {
        authorize
            .query_pairs()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.into_owned())
    };
    assert_eq!(value("code_challenge_method").as_deref(), Some("S256"));
    assert_eq!(
        value("redirect_uri"),
        Some(app.public_url().at("/sign-in/callback/staff"))
    );
    assert_eq!(value("scope").as_deref(), Some("openid email"));
    assert!(
        value("nonce").is_some_and(|nonce| nonce.len() == 43)
            && value("state").is_some_and(|state| state.len() == 43)
    );
    let back = browser.follow(&away).await.leads_to();
    // Somebody else who is sent to the end of the way does not come in.
    let mut victim = Browser::new(&app);
    assert_eq!(victim.get(back.as_str()).await.status, 400);
    let mut other = Browser::new(&app);
    other.get("/sign-in/with/staff").await;
    assert_eq!(
        other.get(back.as_str()).await.status,
        400,
        "with the cookie of another way"
    );
    let kept = browser.cookies.clone();
    assert_eq!(browser.get(back.as_str()).await.status, 303);
    browser.cookies = kept;
    assert_eq!(browser.get(back.as_str()).await.status, 400, "once");
    // And within ten minutes.
    let mut late = Browser::new(&app);
    let away = late.get("/sign-in/with/staff").await;
    let there = late.follow(&away).await;
    app.advance(std::time::Duration::from_secs(601));
    assert_eq!(late.follow(&there).await.status, 400);
    app.finish().await;
}

#[tokio::test]
async fn one_issuer_does_not_speak_for_another() {
    let provider = IdentityProvider::start("subject-1", "ada@acme.example").await;
    let mut app = TestApp::start(provider.as_staffs(options(), "acme.example")).await;
    app.expect_warning("an identity provider could not be used");
    invited(
        &app,
        UserRole::Staff(StaffRole::Support),
        "Ada",
        "ada@acme.example",
    )
    .await;
    provider.pretends("https://accounts.example");
    assert_eq!(
        through(&app, "/sign-in/with/staff").await.0.status,
        502,
        "its description names another"
    );
    provider.pretends(&provider.issuer());
    provider.tells_issuer("https://accounts.example");
    let (page, is_in) = through(&app, "/sign-in/with/staff").await;
    assert!(page.status == 502 && !is_in, "its answer names another");
    provider.tells_issuer(&provider.issuer());
    assert!(through(&app, "/sign-in/with/staff").await.1);
    app.finish().await;
}

#[tokio::test]
async fn no_provider_has_us_call_what_is_inside() {
    let inside = IdentityProvider::start("subject-1", EMAIL).await;
    // The address is not among those that may be called, as nothing inside is on a server.
    let mut app = TestApp::start(options()).await;
    app.expect_warning("an identity provider could not be used");
    let contoso = partner(&app, "Contoso").await;
    let key = provider_of(&app, contoso, &inside, &["contoso.example"]).await;
    let (page, _) = through(&app, &format!("/sign-in/with/{key}")).await;
    assert_eq!(page.status, 502);
    assert!(inside.calls().is_empty());
    for unknown in [
        "staff",
        "x",
        "identity_provider_00000000000000000000000000",
        "..%2F..",
    ] {
        assert_eq!(
            through(&app, &format!("/sign-in/with/{unknown}"))
                .await
                .0
                .status,
            400,
            "{unknown}"
        );
    }
    app.finish().await;
}

#[tokio::test]
async fn another_site_changes_nobodys_account_unasked() {
    let provider = IdentityProvider::start("subject-1", "ada@acme.example").await;
    let app = TestApp::start(provider.as_staffs(options(), "acme.example")).await;
    let role = UserRole::Partner(partner(&app, "Contoso").await, PartnerRole::Rep);
    member(&app, role, "Ada", EMAIL).await;
    let ada = signed_in(&app, EMAIL).await;
    let cookie = format!("entente={}", ada.cookies["entente"]);
    let goes = async |cookie: &str, site: &str| {
        let headers = [("cookie", cookie), ("sec-fetch-site", site)];
        app.get("/sign-in/with/staff", &headers).await
    };
    for site in ["cross-site", "same-site"] {
        let asked = goes(&cookie, site).await;
        let page = String::from_utf8(asked.bytes.clone()).unwrap();
        assert!(
            asked.status == 200 && page.contains("Sign in anew?"),
            "{site}: {asked}"
        );
        assert!(page.contains("href=\"/sign-in/with/staff\""), "{page}");
        assert_eq!(goes("", site).await.status, 303, "{site}: nobody is there");
    }
    for site in ["same-origin", "none"] {
        assert_eq!(goes(&cookie, site).await.status, 303, "{site}");
    }
    app.finish().await;
}

#[tokio::test]
async fn no_provider_gets_the_code_of_another() {
    let staffs = IdentityProvider::start("subject-1", "boss@acme.example").await;
    let evil = IdentityProvider::start("subject-2", "eve@evil.example").await;
    let mut started = staffs.as_staffs(options(), "acme.example");
    started.reachable.push(evil.address());
    let app = TestApp::start(started).await;
    let mallory = partner(&app, "Mallory").await;
    let key = provider_of(&app, mallory, &evil, &["evil.example"]).await;
    invited(
        &app,
        UserRole::Staff(StaffRole::Admin),
        "Boss",
        "boss@acme.example",
    )
    .await;
    let value = |address: &url::Url, name: &str| {
        let mut pairs = address.query_pairs();
        let found = pairs.find(|(key, _)| key == name);
        found.map(|(_, value)| value.into_owned()).unwrap()
    };
    // The attacker begins a way to the staff's provider, to finish it with somebody else's code.
    let mut attacker = Browser::new(&app);
    let begun = attacker.get("/sign-in/with/staff").await.leads_to();
    // A member of the staff opens the way to the attacker's provider, which sends them on to the staff's with what the attacker noted.
    let mut victim = Browser::new(&app);
    let away = victim.get(&format!("/sign-in/with/{key}")).await.leads_to();
    assert!(away.as_str().starts_with(&evil.issuer()));
    let mut on = begun.clone();
    on.query_pairs_mut().clear();
    for (name, told) in begun.query_pairs() {
        let told = if name == "state" {
            value(&away, "state").into()
        } else {
            told
        };
        on.query_pairs_mut().append_pair(&name, &told);
    }
    let back = victim.get(on.as_str()).await.leads_to();
    let _ = evil.calls();
    let page = victim.get(back.as_str()).await;
    assert_eq!(page.status, 400, "{}", page.text);
    assert_eq!(
        evil.calls(),
        Vec::<String>::new(),
        "the code stays where it was"
    );
    // Each provider has an address of its own, and what it sends elsewhere is refused.
    assert_ne!(value(&away, "redirect_uri"), value(&begun, "redirect_uri"));
    let mut third = Browser::new(&app);
    let there = third.get("/sign-in/with/staff").await;
    let mut back = third.follow(&there).await.leads_to();
    back.set_path(&format!("/sign-in/callback/{key}"));
    assert_eq!(third.get(back.as_str()).await.status, 400);
    let mut honest = Browser::new(&app);
    let there = honest.get("/sign-in/with/staff").await;
    let back = honest.follow(&there).await;
    assert_eq!(honest.follow(&back).await.status, 303);
    app.finish().await;
}
