//! A form of another site, or of another session, changes nothing; and `continue` leads nowhere but to this server.

use super::EMAIL;
use entities::user::UserRole;
use entities::viewer::StaffRole;
use tests::people::{PASSWORD, invited, member, options, signed_in};
use tests::{Browser, TestApp};

/// Origins that are not ours, though some look like it.
fn foreign(app: &TestApp) -> Vec<Option<String>> {
    let own = app.public_url().origin();
    let mut all = vec![None];
    all.extend(
        [
            "null".to_owned(),
            "https://evil.example".to_owned(),
            format!("{own}/"),
            format!("{own}.evil.example"),
            own.replace("http:", "https:"),
            own.to_uppercase(),
            format!("{own} {own}"),
            "http://127.0.0.1".to_owned(),
            String::new(),
        ]
        .map(Some),
    );
    all
}

#[tokio::test]
async fn a_form_of_another_site_is_refused_everywhere() {
    let app = TestApp::start(options()).await;
    let role = UserRole::Staff(StaffRole::Support);
    member(&app, role, "Ada", EMAIL).await;
    let (_, link) = invited(&app, role, "Bob", "bob@contoso.example").await;
    let ticket = Browser::new(&app).get(&link).await.input("ticket");
    let mut browser = signed_in(&app, EMAIL).await;
    let token = browser.get("/account").await.input("form_token");
    let new = "another battery staple";
    let forms: [(&str, Vec<(&str, &str)>); 8] = [
        ("/sign-in", vec![("email", EMAIL), ("password", PASSWORD)]),
        ("/sign-in/organisation", vec![("work_email", EMAIL)]),
        ("/forgotten-password", vec![("email", EMAIL)]),
        (
            "/invitation",
            vec![
                ("ticket", &ticket),
                ("new_password", new),
                ("repeated", new),
            ],
        ),
        ("/sign-out", vec![("form_token", &token)]),
        (
            "/account/password",
            vec![
                ("form_token", &token),
                ("old_password", PASSWORD),
                ("new_password", new),
                ("repeated", new),
            ],
        ),
        (
            "/account/sessions/end",
            vec![("form_token", &token), ("session", "x")],
        ),
        (
            "/account/clients/revoke",
            vec![("form_token", &token), ("grant", "x")],
        ),
    ];
    let before = app.number("SELECT COUNT(*) FROM event").await;
    for origin in foreign(&app) {
        for (path, fields) in &forms {
            let page = browser.post_from(origin.as_deref(), path, fields).await;
            assert_eq!(page.status, 403, "{path} from {origin:?}: {}", page.text);
        }
    }
    assert_eq!(
        app.number("SELECT COUNT(*) FROM event").await,
        before,
        "nothing happened"
    );
    assert_eq!(browser.get("/account").await.status, 200);
    app.finish().await;
}

#[tokio::test]
async fn a_form_of_another_session_is_refused() {
    let app = TestApp::start(options()).await;
    let role = UserRole::Staff(StaffRole::Support);
    member(&app, role, "Ada", EMAIL).await;
    member(&app, role, "Eve", "eve@contoso.example").await;
    let mut ada = signed_in(&app, EMAIL).await;
    let mut other = signed_in(&app, EMAIL).await;
    let mut eve = signed_in(&app, "eve@contoso.example").await;
    let own = ada.get("/account").await.input("form_token");
    let tokens = [
        other.get("/account").await.input("form_token"),
        eve.get("/account").await.input("form_token"),
        String::new(),
        own.to_uppercase(),
        own[..own.len() - 1].to_owned(),
        format!("{own}A"),
    ];
    let new = "another battery staple";
    for token in &tokens {
        for (path, fields) in [
            ("/sign-out", vec![]),
            (
                "/account/password",
                vec![
                    ("old_password", PASSWORD),
                    ("new_password", new),
                    ("repeated", new),
                ],
            ),
            ("/account/sessions/end", vec![("session", "x")]),
            ("/account/clients/revoke", vec![("grant", "x")]),
        ] {
            let mut with = fields.clone();
            with.push(("form_token", token));
            assert_eq!(ada.post(path, &with).await.status, 403, "{path}");
            assert_eq!(
                ada.post(path, &fields).await.status,
                403,
                "{path} without a token"
            );
        }
    }
    // Somebody else's session is none, and stays.
    let sessions = app
        .number("SELECT COUNT(*) FROM session WHERE ended_at IS NULL")
        .await;
    let eves = eve.get("/account").await.input("session");
    let answer = ada
        .post(
            "/account/sessions/end",
            &[("form_token", &own), ("session", &eves)],
        )
        .await;
    assert_eq!(answer.status, 303);
    assert_eq!(
        app.number("SELECT COUNT(*) FROM session WHERE ended_at IS NULL")
            .await,
        sessions
    );
    assert_eq!(ada.get("/account").await.status, 200);
    app.finish().await;
}

#[tokio::test]
async fn going_on_leads_to_this_server_and_nowhere_else() {
    let app = TestApp::start(options()).await;
    member(&app, UserRole::Staff(StaffRole::Support), "Ada", EMAIL).await;
    let elsewhere = [
        "https://evil.example/",
        "//evil.example/",
        "///evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "/\t/evil.example",
        "/\n/evil.example",
        "/\r\nLocation: https://evil.example",
        "http:evil.example",
        "javascript:alert(1)",
        "data:text/html,x",
        "evil.example",
        "@evil.example",
        " /account",
        "/\u{2028}",
        "",
    ];
    for target in elsewhere {
        let mut browser = Browser::new(&app);
        let fields = [
            ("email", EMAIL),
            ("password", PASSWORD),
            ("continue", target),
        ];
        let page = browser.post("/sign-in", &fields).await;
        assert_eq!(
            (page.status, page.leads_to().as_str()),
            (303, app.url("/account").as_str()),
            "{target:?}"
        );
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.append_pair("continue", target);
        let page = browser.get(&format!("/sign-in?{}", query.finish())).await;
        assert_eq!(page.leads_to().as_str(), app.url("/account"), "{target:?}");
    }
    app.finish().await;
}
