//! Signing in at an organisation's OpenID Connect provider, by discovery alone.

use super::EMAIL;
use entities::user::{self, UserRole, UserStatus};
use entities::viewer::{PartnerRole, StaffRole};
use serde_json::json;
use tests::people::{confirmed, invited, link, options, partner, provider_of};
use tests::{Browser, IdentityProvider, Page, TestApp};

/// Goes to a provider and back.
async fn through(browser: &mut Browser<'_>, start: &str) -> Page {
    let away = browser.get(start).await;
    assert_eq!(away.status, 303, "{}", away.text);
    let there = browser.follow(&away).await;
    assert_eq!(there.status, 303, "{}", there.text);
    browser.follow(&there).await
}

#[tokio::test]
async fn staff_comes_by_the_configured_provider() {
    let provider = IdentityProvider::start("subject-1", "Ada@Acme.example").await;
    let app = TestApp::start(provider.as_staffs(options(), "acme.example")).await;
    let role = UserRole::Staff(StaffRole::PartnerManager);
    let (ada, invitation) = invited(&app, role, "Ada", "ada@acme.example").await;
    let mut browser = Browser::new(&app);
    // The invitation offers the provider, and no password: staff has a provider.
    let page = browser.get(&invitation).await;
    assert!(
        page.says("Continue with Acme ID") && !page.says("new_password"),
        "{}",
        page.text
    );
    assert!(browser.get("/sign-in").await.says("Continue with Acme ID"));
    let back = through(
        &mut browser,
        "/sign-in/with/staff?continue=%2Foauth%2Fauthorize%3Fx%3D1",
    )
    .await;
    assert_eq!(
        (back.status, back.leads_to().as_str()),
        (303, app.url("/oauth/authorize?x=1").as_str()),
        "{}",
        back.text
    );
    assert_eq!(
        browser.cookies.keys().collect::<Vec<_>>(),
        ["entente"],
        "the cookie of the way is gone"
    );
    let account = browser.get("/account").await;
    assert!(
        account.says("with your organisation’s sign-in") && !account.says("Change your password")
    );
    let row = user::find(app.database().read(), ada.id)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (row.status, row.password_hash.is_none()),
        (UserStatus::Active, true)
    );
    assert_eq!(
        browser.get(&invitation).await.status,
        410,
        "the invitation is over"
    );
    // From now on the identity decides, and not the address.
    provider.says(json!({ "email": "ada.lovelace@acme.example", "email_verified": false }));
    let mut again = Browser::new(&app);
    assert_eq!(
        through(&mut again, "/sign-in/with/staff")
            .await
            .leads_to()
            .path(),
        "/account"
    );
    let linked = app
        .number("SELECT COUNT(*) FROM event WHERE kind = 'user.identity_linked'")
        .await;
    assert_eq!(linked, 1);
    // A password is not to be had by mail where there is none.
    app.state
        .people
        .forgotten("ada@acme.example")
        .await
        .unwrap();
    assert_eq!(link(&app, "ada@acme.example").await, invitation);
    app.finish().await;
}

#[tokio::test]
async fn a_partners_people_come_by_their_own_provider() {
    let provider = IdentityProvider::start("subject-1", EMAIL).await;
    let mut started = options();
    started.reachable.push(provider.address());
    let app = TestApp::start(started).await;
    let contoso = partner(&app, "Contoso").await;
    let key = provider_of(&app, contoso, &provider, &["contoso.example"]).await;
    confirmed(&app, &key).await;
    let role = UserRole::Partner(contoso, PartnerRole::Rep);
    let (_, invitation) = invited(&app, role, "Ada", EMAIL).await;
    let mut browser = Browser::new(&app);
    let page = browser.get(&invitation).await;
    assert!(page.says("Continue with Contoso ID") && page.says("new_password"));
    let nobody = browser
        .post(
            "/sign-in/organisation",
            &[("work_email", "x@elsewhere.example")],
        )
        .await;
    assert_eq!(nobody.status, 404);
    let fields = [
        ("work_email", "whoever@CONTOSO.example"),
        ("continue", "/account"),
    ];
    let choices = browser.post("/sign-in/organisation", &fields).await;
    let way = format!("/sign-in/with/{key}");
    assert!(choices.says(&format!("href=\"{way}\"")), "{}", choices.text);
    assert!(choices.says("Contoso ID (Contoso)"), "{}", choices.text);
    assert_eq!(
        through(&mut browser, &way).await.leads_to().path(),
        "/account"
    );
    assert!(browser.get("/account").await.says("Contoso"));
    // The description was asked for once, the keys too.
    let calls = provider.calls();
    for path in [
        "/.well-known/openid-configuration",
        "/keys",
        "/authorize",
        "/token",
    ] {
        assert_eq!(
            calls.iter().filter(|call| *call == path).count(),
            1,
            "{path} of {calls:?}"
        );
    }
    app.finish().await;
}

#[tokio::test]
async fn exchanged_keys_are_asked_for_again() {
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
    assert_eq!(
        through(&mut browser, "/sign-in/with/staff")
            .await
            .leads_to()
            .path(),
        "/account"
    );
    provider.signs_anew(true);
    app.advance(std::time::Duration::from_secs(60));
    let mut again = Browser::new(&app);
    assert_eq!(
        through(&mut again, "/sign-in/with/staff")
            .await
            .leads_to()
            .path(),
        "/account"
    );
    app.finish().await;
}
