//! Guessing a password: how often, and what the answers tell.

use super::EMAIL;
use api::people::{SignIn, Tried};
use entities::failed_attempt::{self, LENIENT};
use entities::user::{self, UserRole};
use entities::viewer::StaffRole;
use futures::future::join_all;
use std::time::Duration;
use tests::people::{PASSWORD, change, invited, member, standing};
use tests::{Browser, Page, TestApp};

async fn tries(app: &TestApp, email: &str, password: &str) -> Page {
    let fields = [("email", email), ("password", password)];
    Browser::new(app).post("/sign-in", &fields).await
}

/// What can be told apart of an answer, with the address that was typed taken out.
fn face(page: &Page, email: &str) -> (u16, Vec<(String, String)>, String) {
    let headers = page
        .headers
        .iter()
        .filter(|(name, _)| !["date", "x-request-id", "content-length"].contains(&name.as_str()))
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()));
    (
        page.status,
        headers.collect(),
        page.text.replace(email, "…"),
    )
}

#[tokio::test]
async fn failures_lock_the_door_for_longer_and_longer() {
    let app = TestApp::start(standing()).await;
    member(&app, UserRole::Staff(StaffRole::Admin), "Ada", EMAIL).await;
    for attempt in 1..=5 {
        assert_eq!(tries(&app, EMAIL, "wrong").await.status, 401, "{attempt}");
    }
    for _ in 0..3 {
        let locked = tries(&app, EMAIL, PASSWORD).await;
        assert_eq!(locked.status, 429, "even with the right password");
        let wait: u64 = locked.headers["retry-after"]
            .to_str()
            .unwrap()
            .parse()
            .unwrap();
        assert!((1..=16).contains(&wait), "{wait}");
        assert!(locked.headers.get("set-cookie").is_none());
    }
    app.advance(Duration::from_secs(16));
    assert_eq!(tries(&app, EMAIL, "wrong").await.status, 401, "the sixth");
    app.advance(Duration::from_secs(16));
    assert_eq!(
        tries(&app, EMAIL, PASSWORD).await.status,
        429,
        "twice as long"
    );
    app.advance(Duration::from_secs(16));
    assert_eq!(tries(&app, EMAIL, PASSWORD).await.status, 303);
    // A success forgets the failures.
    for _ in 0..4 {
        assert_eq!(tries(&app, EMAIL, "wrong").await.status, 401);
    }
    assert_eq!(tries(&app, EMAIL, PASSWORD).await.status, 303);
    assert_eq!(
        app.number("SELECT COUNT(*) FROM event WHERE kind = 'session.locked_out'")
            .await,
        2
    );
    assert_eq!(
        app.number("SELECT COUNT(*) FROM event WHERE kind = 'session.refused'")
            .await,
        10
    );
    app.finish().await;
}

#[tokio::test]
async fn a_thousand_guesses_at_once_are_five() {
    let app = TestApp::start(standing()).await;
    let ada = member(&app, UserRole::Staff(StaffRole::Admin), "Ada", EMAIL).await;
    let outcomes = join_all((0..1_000).map(|number| {
        let given = SignIn {
            email: EMAIL.to_owned(),
            password: format!("guess number {number}").into(),
            address: "192.0.2.1".to_owned(),
            user_agent: None,
        };
        app.state.people.sign_in(given)
    }))
    .await;
    let count = |wanted: fn(&Tried) -> bool| {
        outcomes
            .iter()
            .filter(|outcome| wanted(outcome.as_ref().unwrap()))
            .count()
    };
    assert_eq!(count(|tried| matches!(tried, Tried::Refused)), 5);
    assert_eq!(count(|tried| matches!(tried, Tried::Locked { .. })), 995);
    let subject = app
        .number("SELECT COUNT(DISTINCT subject_id) FROM event WHERE kind = 'session.refused'")
        .await;
    assert_eq!(subject, 1, "{}", ada.id);
    app.finish().await;
}

/// Tries from a place.
async fn from(app: &TestApp, place: &str, password: &str) -> Tried {
    let given = SignIn {
        email: EMAIL.to_owned(),
        password: password.to_owned().into(),
        address: place.to_owned(),
        user_agent: None,
    };
    app.state.people.sign_in(given).await.unwrap()
}

#[tokio::test]
async fn nobody_is_kept_out_by_somebody_elsewhere() {
    let app = TestApp::start(standing()).await;
    member(&app, UserRole::Staff(StaffRole::Admin), "Ada", EMAIL).await;
    for _ in 0..5 {
        from(&app, "192.0.2.1", "wrong").await;
    }
    let there = from(&app, "192.0.2.1", PASSWORD).await;
    assert!(matches!(there, Tried::Locked { .. }), "{there:?}");
    let here = from(&app, "198.51.100.7", PASSWORD).await;
    assert!(matches!(here, Tried::Welcome(_)), "{here:?}");
    // Guesses from everywhere meet a ceiling, for a minute at a time.
    from(&app, "192.0.2.2", "wrong").await;
    let many =
        "UPDATE failed_attempt SET failures = 120 WHERE subject NOT LIKE '%@%' RETURNING subject";
    assert_eq!(app.rows(many).await.len(), 1);
    from(&app, "192.0.2.3", "wrong").await;
    let tried = from(&app, "198.51.100.7", PASSWORD).await;
    let Tried::Locked { until } = tried else {
        panic!("{tried:?}");
    };
    assert_eq!(until, app.database().now().plus_millis(60_000));
    app.advance(Duration::from_secs(61));
    let here = from(&app, "198.51.100.7", PASSWORD).await;
    assert!(matches!(here, Tried::Welcome(_)), "{here:?}");
    app.finish().await;
}

#[tokio::test]
async fn an_attempt_is_counted_while_another_one_succeeds() {
    let app = TestApp::start(standing()).await;
    let database = app.database();
    let tries = async || {
        for _ in 0..25 {
            failed_attempt::claim(database, "somebody", LENIENT)
                .await
                .unwrap();
            failed_attempt::succeeded(database, "somebody")
                .await
                .unwrap();
        }
    };
    join_all((0..8).map(|_| tries())).await;
    app.finish().await;
}

#[tokio::test]
async fn an_address_with_a_character_that_is_none_is_nobodys() {
    let app = TestApp::start(standing()).await;
    assert_eq!(tries(&app, "a\0@b.example", "x").await.status, 401);
    let fields = [("email", "a\0@b.example")];
    let page = Browser::new(&app)
        .post("/forgotten-password", &fields)
        .await;
    assert_eq!(page.status, 200, "{}", page.text);
    app.finish().await;
}

#[tokio::test]
async fn the_answer_never_tells_whether_there_is_somebody() {
    let app = TestApp::start(standing()).await;
    let role = UserRole::Staff(StaffRole::Support);
    member(&app, role, "Ada", EMAIL).await;
    invited(&app, role, "Bob", "bob@contoso.example").await;
    let eve = member(&app, role, "Eve", "eve@contoso.example").await;
    let mut edit = change(&app).await;
    user::disable(&mut edit, eve).await.unwrap();
    edit.commit().await.unwrap();
    let people = [
        EMAIL,
        "bob@contoso.example",
        "eve@contoso.example",
        "nobody@contoso.example",
        "",
        "not an address",
    ];
    for attempt in 0..7 {
        let first = face(&tries(&app, people[0], "wrong guess 123").await, people[0]);
        assert_eq!(first.0, if attempt < 5 { 401 } else { 429 });
        for email in &people[1..] {
            let page = tries(&app, email, "wrong guess 123").await;
            let marked = if email.is_empty() {
                // An empty text is everywhere; the input without a value is the only difference.
                let mut page = page.clone();
                page.text = page.text.replacen("value=\"\"", "value=\"…\"", 1);
                face(&page, "\u{0}")
            } else {
                face(&page, email)
            };
            assert_eq!(marked, first, "{email}, attempt {attempt}");
        }
    }
    // The right password of a disabled person is as wrong as any other.
    app.advance(Duration::from_secs(3_600));
    assert_eq!(
        tries(&app, "eve@contoso.example", PASSWORD).await.status,
        401
    );
    app.finish().await;
}

#[tokio::test]
async fn one_address_knocks_so_often_and_no_more() {
    let limited = tests::Options::default().with("ENTENTE_LIMITS_SIGN_IN_PER_MINUTE", "5");
    let app = TestApp::start(limited).await;
    let mut browser = Browser::new(&app);
    let mut statuses = Vec::new();
    for number in 0..8 {
        let email = format!("nobody-{number}@contoso.example");
        let page = browser
            .post("/sign-in", &[("email", &email), ("password", "x")])
            .await;
        statuses.push(page.status);
    }
    assert_eq!(statuses[..5], [401; 5]);
    assert_eq!(statuses[5..], [429; 3]);
    app.finish().await;
}
