//! People come by an invitation, with a password or by their organisation's provider, stay signed in, and go.

mod account;
mod by_provider;
mod chromium;
mod command_line;

use entities::user::UserRole;
use entities::viewer::{PartnerRole, StaffRole};
use std::time::Duration;
use tests::people::{
    PASSWORD, invited, link, member, messages, options, partner, signed_in, standing,
};
use tests::{Browser, TestApp};

const EMAIL: &str = "ada@contoso.example";

async fn sign_in(browser: &mut Browser<'_>, email: &str, password: &str) -> tests::Page {
    let fields = [
        ("email", email),
        ("password", password),
        ("continue", "/account"),
    ];
    browser.post("/sign-in", &fields).await
}

#[tokio::test]
async fn an_invitation_leads_to_an_account() {
    let app = TestApp::start(options()).await;
    let contoso = partner(&app, "Contoso").await;
    let role = UserRole::Partner(contoso, PartnerRole::Admin);
    let (_, link) = invited(&app, role, "Ada <Lovelace>", "Ada@Contoso.example").await;
    let mut browser = Browser::new(&app);
    // Mail programs open links before people do.
    assert_eq!(browser.get(&link).await.status, 200);
    let page = browser.get(&link).await;
    assert!(
        page.says("Ada &lt;Lovelace&gt;, of Contoso") && page.says(EMAIL),
        "{}",
        page.text
    );
    let ticket = page.input("ticket");
    let with = |password: &'static str, repeated: &'static str| {
        [
            ("ticket", ticket.clone()),
            ("new_password", password.to_owned()),
            ("repeated", repeated.to_owned()),
        ]
    };
    for (password, repeated, sentence) in [
        ("shrt", "shrt", "at least 12 characters"),
        (
            "Ada@Contoso.example 1",
            "Ada@Contoso.example 1",
            "not your name",
        ),
        (PASSWORD, "another one entirely", "not the same"),
    ] {
        let fields = with(password, repeated);
        let fields: Vec<(&str, &str)> = fields
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        let page = browser.post("/invitation", &fields).await;
        assert_eq!(page.status, 422, "{password}");
        assert!(
            page.says(sentence) && page.says("<title>Error: "),
            "{}",
            page.text
        );
        assert!(browser.cookies.is_empty() && !page.says(password));
    }
    let fields = with(PASSWORD, PASSWORD);
    let fields: Vec<(&str, &str)> = fields
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    let page = browser.post("/invitation", &fields).await;
    assert_eq!(page.status, 303);
    let cookie = page.headers["set-cookie"].to_str().unwrap();
    assert!(
        cookie.starts_with("entente=")
            && cookie.ends_with("; Path=/; Max-Age=604800; HttpOnly; SameSite=Lax"),
        "{cookie}"
    );
    let account = browser.follow(&page).await;
    assert_eq!((account.status, account.address.path()), (200, "/account"));
    for words in [
        "Ada &lt;Lovelace&gt;",
        EMAIL,
        "Contoso",
        "Partner admin",
        "Firefox on Linux",
        "this browser",
        "None.",
    ] {
        assert!(account.says(words), "{words}: {}", account.text);
    }
    // The link has been used up.
    assert_eq!(browser.get(&link).await.status, 410);
    assert_eq!(browser.post("/invitation", &fields).await.status, 410);
    app.finish().await;
}

#[tokio::test]
async fn in_and_out_with_a_password() {
    let app = TestApp::start(options()).await;
    let contoso = partner(&app, "Contoso").await;
    member(
        &app,
        UserRole::Partner(contoso, PartnerRole::Rep),
        "Ada",
        EMAIL,
    )
    .await;
    let mut browser = Browser::new(&app);
    let away = browser.get("/account").await;
    assert_eq!(away.status, 303);
    assert_eq!(away.leads_to().path(), "/sign-in");
    let wrong = sign_in(&mut browser, EMAIL, "not her password").await;
    assert_eq!(wrong.status, 401);
    assert!(
        wrong.says("The e-mail address or the password is not right.")
            && wrong.says(&format!("value=\"{EMAIL}\""))
    );
    let page = browser
        .get("/sign-in?continue=%2Foauth%2Fauthorize%3Fa%3Db")
        .await;
    let going = page.input("continue");
    assert_eq!(going, "/oauth/authorize?a=b");
    let fields = [
        ("email", " ADA@contoso.EXAMPLE "),
        ("password", PASSWORD),
        ("continue", &going),
    ];
    let page = browser.post("/sign-in", &fields).await;
    assert_eq!(
        (page.status, page.leads_to().as_str()),
        (303, app.url("/oauth/authorize?a=b").as_str())
    );
    // Who is signed in already goes straight on, and a second sign-in ends the first.
    assert_eq!(browser.get("/sign-in").await.leads_to().path(), "/account");
    let first = browser.cookies.clone();
    assert_eq!(sign_in(&mut browser, EMAIL, PASSWORD).await.status, 303);
    let mut before = Browser::new(&app);
    before.cookies = first;
    assert_eq!(
        before.get("/account").await.status,
        303,
        "the first session has ended"
    );
    let token = browser.get("/account").await.input("form_token");
    let out = browser.post("/sign-out", &[("form_token", &token)]).await;
    assert!(out.status == 200 && out.says("You are signed out") && browser.cookies.is_empty());
    assert_eq!(
        app.number("SELECT COUNT(*) FROM session WHERE ended_at IS NULL")
            .await,
        1,
        "that of the invitation"
    );
    for (kind, count) in [
        ("session.started", 3),
        ("session.ended", 2),
        ("session.refused", 1),
    ] {
        let counted = app
            .number(&format!("SELECT COUNT(*) FROM event WHERE kind = '{kind}'"))
            .await;
        assert_eq!(counted, count, "{kind}");
    }
    app.finish().await;
}

#[tokio::test]
async fn a_forgotten_password_is_replaced_by_mail() {
    let app = TestApp::start(standing()).await;
    member(&app, UserRole::Staff(StaffRole::Finance), "Ada", EMAIL).await;
    let mut elsewhere = signed_in(&app, EMAIL).await;
    assert_eq!(elsewhere.get("/account").await.status, 200);
    let mut browser = Browser::new(&app);
    let before = messages(&app, EMAIL).await.len();
    let answered = browser
        .post("/forgotten-password", &[("email", EMAIL)])
        .await;
    assert_eq!(answered.status, 200);
    let bound = Duration::from_secs(20);
    let written = async || (messages(&app, EMAIL).await.len() > before).then_some(());
    tests::eventually("the message is written", bound, written).await;
    let unknown = browser
        .post(
            "/forgotten-password",
            &[("email", "nobody@contoso.example")],
        )
        .await;
    assert_eq!(unknown.text, answered.text, "the page tells nothing");
    let link = link(&app, EMAIL).await;
    assert!(link.contains("/new-password?ticket="));
    // Asking again within five minutes sends nothing more, and leaves the first link good.
    app.state.people.forgotten(EMAIL).await.unwrap();
    app.state
        .people
        .forgotten("nobody@contoso.example")
        .await
        .unwrap();
    assert_eq!(messages(&app, EMAIL).await.len(), before + 1);
    assert!(messages(&app, "nobody@contoso.example").await.is_empty());
    let ticket = browser.get(&link).await.input("ticket");
    let new = "another battery staple";
    let fields = [
        ("ticket", ticket.as_str()),
        ("new_password", new),
        ("repeated", new),
    ];
    assert_eq!(browser.post("/new-password", &fields).await.status, 303);
    assert_eq!(browser.get("/account").await.status, 200);
    assert_eq!(
        elsewhere.get("/account").await.status,
        303,
        "the old password's sessions have ended"
    );
    assert_eq!(
        sign_in(&mut Browser::new(&app), EMAIL, PASSWORD)
            .await
            .status,
        401
    );
    assert_eq!(
        sign_in(&mut Browser::new(&app), EMAIL, new).await.status,
        303
    );
    assert_eq!(browser.get(&link).await.status, 410);
    app.finish().await;
}

#[tokio::test]
async fn tickets_end_in_time() {
    let app = TestApp::start(standing()).await;
    let role = UserRole::Staff(StaffRole::Support);
    let (_, invitation) = invited(&app, role, "Ada", EMAIL).await;
    let mut browser = Browser::new(&app);
    app.advance(Duration::from_secs(72 * 3_600 - 60));
    assert_eq!(browser.get(&invitation).await.status, 200);
    app.advance(Duration::from_secs(61));
    assert_eq!(browser.get(&invitation).await.status, 410);
    // Whoever comes too late gets another invitation where they say that they cannot get in.
    app.state.people.forgotten(EMAIL).await.unwrap();
    let again = link(&app, EMAIL).await;
    assert!(again != invitation && again.contains("/invitation?"));
    assert_eq!(browser.get(&again).await.status, 200);
    let ticket = browser.get(&again).await.input("ticket");
    let fields = [
        ("ticket", ticket.as_str()),
        ("new_password", PASSWORD),
        ("repeated", PASSWORD),
    ];
    assert_eq!(browser.post("/invitation", &fields).await.status, 303);
    app.advance(Duration::from_secs(600));
    app.state.people.forgotten(EMAIL).await.unwrap();
    let reset = link(&app, EMAIL).await;
    app.advance(Duration::from_secs(3_590));
    assert_eq!(browser.get(&reset).await.status, 200);
    app.advance(Duration::from_secs(11));
    assert_eq!(browser.get(&reset).await.status, 410);
    app.finish().await;
}
