//! A session goes on, changes its secret and ends; and what a person may do on their own page.

use super::EMAIL;
use entities::user::{self, UserRole};
use entities::viewer::{PartnerRole, StaffRole};
use std::time::Duration;
use tests::people::{PASSWORD, change, member, options, partner, signed_in, standing};
use tests::{Browser, TestApp};

const MINUTE: u64 = 60;

fn with(app: &TestApp, cookie: String) -> Browser<'_> {
    let mut browser = Browser::new(app);
    browser.cookies.insert("entente".to_owned(), cookie);
    browser
}

#[tokio::test]
async fn the_secret_is_exchanged_and_no_lost_answer_signs_anybody_out() {
    let app = TestApp::start(standing()).await;
    member(&app, UserRole::Staff(StaffRole::Support), "Ada", EMAIL).await;
    let mut browser = signed_in(&app, EMAIL).await;
    let first = browser.cookies["entente"].clone();
    app.advance(Duration::from_secs(14 * MINUTE));
    assert_eq!(browser.get("/account").await.status, 200);
    assert_eq!(browser.cookies["entente"], first, "not yet");
    app.advance(Duration::from_secs(MINUTE));
    // This answer is lost on its way: the browser never learns the new secret.
    let lost = with(&app, first.clone()).get("/account").await;
    assert!(lost.status == 200 && lost.headers.contains_key("set-cookie"));
    // Requests that were under way with the old one are answered, and bring no third secret.
    let under_way = browser.get("/account").await;
    assert_eq!(
        (under_way.status, browser.cookies["entente"] == first),
        (200, true)
    );
    // A minute on the old one is exchanged again.
    app.advance(Duration::from_secs(MINUTE));
    assert_eq!(browser.get("/account").await.status, 200);
    let second = browser.cookies["entente"].clone();
    assert_ne!(second, first);
    // Once the browser has come with the new one, and a minute has passed, the old one is worth nothing.
    app.advance(Duration::from_secs(MINUTE + 1));
    assert_eq!(browser.get("/account").await.status, 200);
    assert_eq!(browser.cookies["entente"], second);
    assert_eq!(
        with(&app, first).get("/account").await.status,
        303,
        "the old secret is worth nothing"
    );
    assert_eq!(browser.get("/account").await.status, 200);
    app.finish().await;
}

#[tokio::test]
async fn a_session_ends_by_idleness_and_by_age() {
    let app = TestApp::start(standing()).await;
    member(&app, UserRole::Staff(StaffRole::Support), "Ada", EMAIL).await;
    let hours = |hours: u64| Duration::from_secs(hours * 60 * MINUTE);
    let mut idle = signed_in(&app, EMAIL).await;
    app.advance(hours(8) - Duration::from_secs(2));
    assert_eq!(idle.get("/account").await.status, 200);
    app.advance(hours(8));
    assert_eq!(idle.get("/account").await.status, 303);
    let mut busy = signed_in(&app, EMAIL).await;
    for _ in 0..23 {
        app.advance(hours(7));
        assert_eq!(busy.get("/account").await.status, 200);
    }
    app.advance(hours(7));
    assert_eq!(busy.get("/account").await.status, 303, "a week is over");
    app.finish().await;
}

#[tokio::test]
async fn another_role_and_being_disabled_end_what_was_proved() {
    let app = TestApp::start(options()).await;
    let contoso = partner(&app, "Contoso").await;
    let rep = UserRole::Partner(contoso, PartnerRole::Rep);
    let ada = member(&app, rep, "Ada", EMAIL).await;
    let mut browser = signed_in(&app, EMAIL).await;
    let mut edit = change(&app).await;
    let row = user::find_locked(&edit, ada.id).await.unwrap().unwrap();
    let viewer = UserRole::Partner(contoso, PartnerRole::Viewer);
    let row = user::set_role(&mut edit, row, viewer).await.unwrap();
    assert_eq!(row.token_epoch, ada.token_epoch + 1);
    edit.commit().await.unwrap();
    assert_eq!(browser.get("/account").await.status, 303);
    let mut browser = signed_in(&app, EMAIL).await;
    let mut edit = change(&app).await;
    let row = user::find_locked(&edit, ada.id).await.unwrap().unwrap();
    let row = user::disable(&mut edit, row).await.unwrap();
    assert_eq!(row.token_epoch, ada.token_epoch + 2);
    edit.commit().await.unwrap();
    assert_eq!(browser.get("/account").await.status, 303);
    let refused = super::sign_in(&mut browser, EMAIL, PASSWORD).await;
    assert_eq!(refused.status, 401);
    app.state.people.forgotten(EMAIL).await.unwrap();
    assert_eq!(
        tests::people::messages(&app, EMAIL).await.len(),
        1,
        "the invitation only"
    );
    let mut edit = change(&app).await;
    let row = user::find_locked(&edit, ada.id).await.unwrap().unwrap();
    user::enable(&mut edit, row).await.unwrap();
    edit.commit().await.unwrap();
    assert_eq!(
        super::sign_in(&mut browser, EMAIL, PASSWORD).await.status,
        303
    );
    app.finish().await;
}

#[tokio::test]
async fn the_last_administrator_stays() {
    let app = TestApp::start(options()).await;
    let admin = UserRole::Staff(StaffRole::Admin);
    let ada = member(&app, admin, "Ada", EMAIL).await;
    let refused = async |row: &user::Model| {
        let mut edit = change(&app).await;
        let disabled = user::disable(&mut edit, row.clone()).await.is_err();
        let demoted = user::set_role(&mut edit, row.clone(), UserRole::Staff(StaffRole::Auditor))
            .await
            .is_err();
        let erased = user::erase(&mut edit, row.clone()).await.is_err();
        (disabled, demoted, erased)
    };
    assert_eq!(refused(&ada).await, (true, true, true));
    // Who is only invited does not count.
    tests::people::invited(&app, admin, "Bob", "bob@contoso.example").await;
    assert_eq!(refused(&ada).await, (true, true, true));
    let eve = member(&app, admin, "Eve", "eve@contoso.example").await;
    let mut edit = change(&app).await;
    let erased = user::erase(&mut edit, ada).await.unwrap();
    edit.commit().await.unwrap();
    assert!(erased.name == user::ERASED && erased.email.ends_with("@erased.invalid"));
    assert_eq!(refused(&eve).await, (true, true, true));
    app.finish().await;
}

#[tokio::test]
async fn on_their_own_page_people_end_sessions_and_change_the_password() {
    let app = TestApp::start(options()).await;
    member(&app, UserRole::Staff(StaffRole::Support), "Ada", EMAIL).await;
    let (mut here, mut there) = (signed_in(&app, EMAIL).await, signed_in(&app, EMAIL).await);
    let page = here.get("/account").await;
    let token = page.input("form_token");
    assert_eq!(
        page.text.matches("name=\"session\"").count(),
        2,
        "that of the invitation and the other: {}",
        page.text
    );
    let other = page.input("session");
    let gone = here
        .post(
            "/account/sessions/end",
            &[("form_token", &token), ("session", &other)],
        )
        .await;
    assert_eq!(gone.status, 303);
    assert!(here.follow(&gone).await.says("The browser is signed out."));
    assert_eq!(there.get("/account").await.status, 303);
    let there = signed_in(&app, EMAIL).await;
    let new = "another battery staple";
    let with = |old: &'static str, new: &'static str, repeated: &'static str| {
        [
            ("form_token", token.clone()),
            ("old_password", old.to_owned()),
            ("new_password", new.to_owned()),
            ("repeated", repeated.to_owned()),
        ]
    };
    for (old, new, repeated, sentence) in [
        ("not the old one", new, new, "not your present password"),
        (PASSWORD, new, "another battery", "not the same"),
        (
            PASSWORD,
            "administrator1",
            "administrator1",
            "among the first",
        ),
    ] {
        let fields = with(old, new, repeated);
        let fields: Vec<(&str, &str)> = fields
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        let page = here.post("/account/password", &fields).await;
        assert!(
            page.status == 422 && page.says(sentence),
            "{sentence}: {}",
            page.text
        );
    }
    let fields = with(PASSWORD, new, new);
    let fields: Vec<(&str, &str)> = fields
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    let changed = here.post("/account/password", &fields).await;
    assert!(
        here.follow(&changed)
            .await
            .says("Your password is changed.")
    );
    let mut there = there;
    assert_eq!(
        there.get("/account").await.status,
        303,
        "elsewhere the session has ended"
    );
    assert_eq!(
        super::sign_in(&mut Browser::new(&app), EMAIL, PASSWORD)
            .await
            .status,
        401
    );
    assert_eq!(
        super::sign_in(&mut Browser::new(&app), EMAIL, new)
            .await
            .status,
        303
    );
    app.finish().await;
}
