//! `entente admin`: the first administrator, by the built binary, over the database of a running app.

use super::EMAIL;
use tests::people::{PASSWORD, options};
use tests::{Browser, Ended, TestApp, entente};

async fn admin(app: &TestApp, arguments: &[&str]) -> Ended {
    let all: Vec<&str> = ["admin"].iter().chain(arguments).copied().collect();
    let url = app.place().url().to_owned();
    let public_url = app.public_url().as_str().to_owned();
    let variables = [
        ("ENTENTE_DATABASE_URL", url.as_str()),
        ("ENTENTE_PUBLIC_URL", public_url.as_str()),
    ];
    entente(&all, app.place().folder(), &variables)
        .ended()
        .await
}

#[tokio::test]
async fn the_first_administrator_comes_by_a_link_and_can_be_let_in_again() {
    let app = TestApp::start(options()).await;
    let made = admin(
        &app,
        &["create", "--email", "Ada@Contoso.example", "--name", "Ada"],
    )
    .await;
    assert_eq!(made.code, Some(0), "{made:?}");
    let first = made.out.trim().to_owned();
    assert!(
        first.starts_with(&app.public_url().at("/invitation?ticket=")),
        "{first}"
    );
    // Another link takes the place of one that was lost.
    let link = admin(&app, &["create", "--email", EMAIL])
        .await
        .out
        .trim()
        .to_owned();
    let mut browser = Browser::new(&app);
    assert_eq!(browser.get(&first).await.status, 410);
    let ticket = browser.get(&link).await.input("ticket");
    let fields = [
        ("ticket", ticket.as_str()),
        ("new_password", PASSWORD),
        ("repeated", PASSWORD),
    ];
    assert_eq!(browser.post("/invitation", &fields).await.status, 303);
    assert!(browser.get("/account").await.says("<dd>Admin</dd>"));
    let twice = admin(&app, &["create", "--email", EMAIL]).await;
    assert_eq!((twice.code, twice.out.as_str()), (Some(2), ""), "{twice:?}");
    let recovered = admin(&app, &["recover", "--email", EMAIL]).await;
    let link = recovered.out.trim();
    assert!(link.contains("/new-password?ticket="), "{recovered:?}");
    assert_eq!(browser.get(link).await.status, 200);
    for wrong in [
        ["recover", "--email", "nobody@contoso.example"],
        ["create", "--email", "nobody"],
    ] {
        let refused = admin(&app, &wrong).await;
        assert_eq!(refused.code, Some(2), "{refused:?}");
    }
    app.finish().await;
}
