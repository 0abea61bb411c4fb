//! What every page for people says about itself, whatever it shows; and that the development's mail is nobody else's.

use super::{EMAIL, texts};
use entities::user::UserRole;
use entities::viewer::StaffRole;
use tests::people::{member, options, signed_in};
use tests::{Browser, Page, TestApp};

fn is_guarded(page: &Page, what: &str) {
    let header = |name: &str| {
        page.headers
            .get(name)
            .map(|value| value.to_str().unwrap().to_owned())
            .unwrap_or_default()
    };
    let policy = header("content-security-policy");
    for part in [
        "default-src 'none'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
        "form-action 'self'",
        "style-src 'sha256-",
    ] {
        assert!(policy.contains(part), "{what}: {policy}");
    }
    assert!(
        !policy.contains("unsafe") && !policy.contains("script-src"),
        "{what}: {policy}"
    );
    assert_eq!(header("cache-control"), "no-store", "{what}");
    assert_eq!(header("referrer-policy"), "same-origin", "{what}");
    assert_eq!(header("x-content-type-options"), "nosniff", "{what}");
    assert_eq!(header("x-frame-options"), "DENY", "{what}");
    assert_eq!(header("content-type"), "text/html; charset=utf-8", "{what}");
    for forbidden in [
        "<script",
        " onclick",
        " onload",
        " style=",
        "javascript:",
        "http-equiv",
    ] {
        assert!(!page.says(forbidden), "{what}: {forbidden}");
    }
    assert_eq!(page.text.matches("<h1>").count(), 1, "{what}");
    assert!(
        page.says("<html lang=\"en\">") && page.says("<meta name=\"viewport\""),
        "{what}"
    );
    // Every input that is asked for has a label, and every description that is named is there.
    for part in page.text.split("<input ").skip(1) {
        let input = part.split('>').next().unwrap();
        if input.contains("type=\"hidden\"") || input.contains("hidden") {
            continue;
        }
        let id = input
            .split("id=\"")
            .nth(1)
            .and_then(|rest| rest.split('"').next())
            .unwrap_or_else(|| panic!("{what}: {input}"));
        assert!(
            page.says(&format!("<label for=\"{id}\">")),
            "{what}: {input}"
        );
        if let Some(described) = input.split("aria-describedby=\"").nth(1) {
            for id in described.split('"').next().unwrap().split(' ') {
                assert!(page.says(&format!("id=\"{id}\"")), "{what}: {id}");
            }
        }
    }
}

#[tokio::test]
async fn every_page_is_guarded_and_labelled() {
    let app = TestApp::start(options()).await;
    member(&app, UserRole::Staff(StaffRole::Support), "Ada", EMAIL).await;
    let mut nobody = Browser::new(&app);
    for path in [
        "/sign-in",
        "/sign-in?continue=%2F%2Fx",
        "/forgotten-password",
        "/invitation",
        "/new-password?ticket=x",
        "/sign-in/callback/staff",
        "/sign-in/callback/staff?code=a&state=b",
        "/sign-in/with/staff",
        "/sign-in/with/x",
        "/dev/mail",
    ] {
        is_guarded(&nobody.get(path).await, path);
    }
    for path in [
        "/sign-in",
        "/sign-in/organisation",
        "/forgotten-password",
        "/invitation",
        "/new-password",
    ] {
        let empty = nobody.post(path, &[]).await;
        assert_eq!(empty.status, 400, "{path}");
        is_guarded(&empty, path);
    }
    is_guarded(
        &nobody
            .post("/sign-in", &[("email", "<script>"), ("password", "x")])
            .await,
        "a wrong sign-in",
    );
    is_guarded(
        &nobody
            .post("/sign-in/organisation", &[("work_email", "<script>@x")])
            .await,
        "no organisation",
    );
    is_guarded(
        &nobody
            .post("/forgotten-password", &[("email", "<script>")])
            .await,
        "forgotten",
    );
    is_guarded(&nobody.post_from(None, "/sign-in", &[]).await, "not ours");
    let mut ada = signed_in(&app, EMAIL).await;
    let account = ada.get("/account").await;
    is_guarded(&account, "account");
    let token = account.input("form_token");
    let wrong = ada
        .post(
            "/account/password",
            &[
                ("form_token", &token),
                ("old_password", "x"),
                ("new_password", "y"),
                ("repeated", "z"),
            ],
        )
        .await;
    is_guarded(&wrong, "a wrong change");
    is_guarded(
        &ada.post("/account/password", &[("form_token", &token)])
            .await,
        "half a form",
    );
    is_guarded(
        &ada.post("/sign-out", &[("form_token", &token)]).await,
        "signed out",
    );
    app.finish().await;
}

#[tokio::test]
async fn without_dev_mail_there_is_no_such_address() {
    let app = TestApp::plain().await;
    let mut browser = Browser::new(&app);
    let (mail, nowhere) = (
        browser.get("/dev/mail").await,
        browser.get("/dev/nowhere").await,
    );
    assert_eq!((mail.status, nowhere.status), (401, 401));
    let without_id = |page: &Page| page.text.split("requestId").next().unwrap().to_owned();
    assert_eq!(without_id(&mail), without_id(&nowhere));
    app.finish().await;
}

#[tokio::test]
async fn a_cookie_that_is_nobodys_is_no_session() {
    let app = TestApp::start(options()).await;
    member(&app, UserRole::Staff(StaffRole::Support), "Ada", EMAIL).await;
    let real = signed_in(&app, EMAIL).await.cookies["entente"].clone();
    let hash = texts(
        &app,
        "SELECT secret_hash FROM session ORDER BY created_at DESC",
    )
    .await
    .remove(0);
    for value in [
        "",
        "x",
        "' OR 1=1 --",
        &hash,
        &real.to_lowercase(),
        &format!("{real} "),
        &real[1..],
    ] {
        let mut browser = Browser::new(&app);
        browser
            .cookies
            .insert("entente".to_owned(), value.to_owned());
        let page = browser.get("/account").await;
        // A space at the end is not part of a cookie's value.
        let same = value.trim_end() == real;
        assert_eq!(page.status == 200, same, "{value:?}");
    }
    let mut twice = Browser::new(&app);
    twice
        .cookies
        .insert("entente".to_owned(), format!("{real}; entente={real}"));
    assert_eq!(
        twice.get("/account").await.status,
        303,
        "which of two is meant would be a guess"
    );
    app.finish().await;
}
