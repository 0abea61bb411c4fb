//! The pages in a real browser: they load, and its console has nothing to say. With `ENTENTE_TEST_SHOTS` set to a folder, pictures are left there.

use super::EMAIL;
use entities::user::UserRole;
use entities::viewer::{PartnerRole, StaffRole};
use std::path::Path;
use tests::people::{invited, link, member, options, partner, signed_in};
use tests::{IdentityProvider, TestApp};
use tokio::process::Command;

async fn chromium(folder: &Path, arguments: &[&str], url: &str) -> Option<(String, String)> {
    let profile = format!("--user-data-dir={}", folder.join("profile").display());
    let usual = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--hide-scrollbars",
        "--enable-logging=stderr",
        "--v=0",
        &profile,
    ];
    let output = Command::new("chromium")
        .args(usual)
        .args(arguments)
        .arg(url)
        .output()
        .await
        .ok()?;
    Some((
        String::from_utf8_lossy(&output.stdout).into_owned(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    ))
}

#[tokio::test]
async fn the_pages_load_in_a_browser_without_a_word_on_its_console() {
    let there = Command::new("chromium").arg("--version").output().await;
    if !there.is_ok_and(|output| output.status.success()) {
        eprintln!("SKIPPED: chromium is not there, so the pages were not opened in it");
        return;
    }
    let provider = IdentityProvider::start("s", "bob@acme.example").await;
    let app = TestApp::start(provider.as_staffs(options(), "acme.example")).await;
    let contoso = partner(&app, "Contoso").await;
    let role = UserRole::Partner(contoso, PartnerRole::Rep);
    member(&app, role, "Ada Lovelace", EMAIL).await;
    let (_, invitation) = invited(&app, role, "Grace Hopper", "grace@contoso.example").await;
    let (_, by_provider) = invited(
        &app,
        UserRole::Staff(StaffRole::Admin),
        "Bob",
        "bob@acme.example",
    )
    .await;
    app.state.people.forgotten(EMAIL).await.unwrap();
    let reset = link(&app, EMAIL).await;
    let folder = app.place().folder().to_owned();
    let pages = [
        ("sign-in", app.url("/sign-in"), "Sign in"),
        (
            "forgotten",
            app.url("/forgotten-password"),
            "Forgotten your password?",
        ),
        ("invitation", invitation, "Grace Hopper, of Contoso"),
        ("invitation-staff", by_provider, "Continue with Acme ID"),
        ("new-password", reset, "Choose a new password"),
        (
            "no-ticket",
            app.url("/invitation?ticket=x"),
            "opens nothing any more",
        ),
        (
            "broken-off",
            app.url("/sign-in/callback/staff?error=access_denied"),
            "You are not signed in",
        ),
        ("dev-mail", app.url("/dev/mail"), "Mail"),
    ];
    let shots = std::env::var_os("ENTENTE_TEST_SHOTS");
    for (name, url, words) in pages {
        let (document, console) = chromium(&folder, &["--dump-dom"], &url).await.unwrap();
        assert!(document.contains(words), "{name}: {document}");
        let said: Vec<&str> = console
            .lines()
            .filter(|line| line.contains("CONSOLE"))
            .collect();
        assert!(said.is_empty(), "{name}: {said:#?}");
        assert!(!document.contains("<script"), "{name}");
        let Some(shots) = &shots else { continue };
        for (look, flags) in [
            ("light", &[][..]),
            ("dark", &["--blink-settings=preferredColorScheme=0"][..]),
        ] {
            for (size, window) in [
                ("1280", "--window-size=1280,900"),
                ("360", "--window-size=360,900"),
            ] {
                let picture = Path::new(shots).join(format!("{name}-{look}-{size}.png"));
                let shot = format!("--screenshot={}", picture.display());
                let mut arguments = vec![shot.as_str(), window];
                arguments.extend(flags);
                chromium(&folder, &arguments, &url).await.unwrap();
            }
        }
    }
    if let Some(shots) = &shots {
        show_what_needs_a_form(&app, Path::new(shots)).await;
    }
    app.finish().await;
}

/// Pages behind a form or a cookie, as files: for pictures only.
async fn show_what_needs_a_form(app: &TestApp, shots: &Path) {
    let mut browser = signed_in(app, EMAIL).await;
    let account = browser.get("/account").await;
    let token = account.input("form_token");
    let fields = [
        ("form_token", token.as_str()),
        ("old_password", "x"),
        ("new_password", "y"),
        ("repeated", "z"),
    ];
    let wrong = browser.post("/account/password", &fields).await;
    let mut nobody = tests::Browser::new(app);
    let refused = super::sign_in(&mut nobody, EMAIL, "wrong").await;
    let organisation = nobody
        .post("/sign-in/organisation", &[("work_email", "a@acme.example")])
        .await;
    let sent = nobody
        .post("/forgotten-password", &[("email", EMAIL)])
        .await;
    let pages = [
        ("account", account),
        ("account-wrong", wrong),
        ("refused", refused),
        ("organisation", organisation),
        ("sent", sent),
    ];
    for (name, page) in pages {
        let file = app.place().folder().join(format!("{name}.html"));
        std::fs::write(&file, &page.text).unwrap();
        let url = format!("file://{}", file.display());
        for (look, flag) in [
            ("light", "--v=0"),
            ("dark", "--blink-settings=preferredColorScheme=0"),
        ] {
            for (size, window) in [
                ("1280", "--window-size=1280,1300"),
                ("360", "--window-size=360,1500"),
            ] {
                let shot = format!(
                    "--screenshot={}",
                    shots.join(format!("{name}-{look}-{size}.png")).display()
                );
                chromium(app.place().folder(), &[&shot, window, flag], &url)
                    .await
                    .unwrap();
            }
        }
    }
}
