//! A partner that is suspended, or out for good: nothing of its people's or its software's opens anything, and nothing new is given out.

use super::scene::*;
use api::oauth::revocation;
use api::people::{SignIn, Tried};
use entities::id::PartnerId;
use entities::user::UserRole;
use entities::viewer::PartnerRole;
use serde_json::json;
use std::time::{Duration, Instant};
use tests::TestApp;
use tests::people::{PASSWORD, invited, member, options as with_mail, ticket};

/// Gives a partner a status, as the programme's people do.
async fn set(app: &TestApp, partner: PartnerId, status: &str) {
    let input = json!({ "id": partner.to_string(), "status": status });
    let answer = app
        .mutate(&app.admin(), "updatePartner", input, "__typename")
        .await;
    assert_eq!(answer.refusals("updatePartner"), Vec::<String>::new());
}

async fn signs_in(app: &TestApp, email: &str) -> bool {
    let given = SignIn {
        email: email.to_owned(),
        password: PASSWORD.to_owned().into(),
        address: "127.0.0.1".to_owned(),
        user_agent: None,
    };
    matches!(app.state.people.sign_in(given).await, Ok(Tried::Welcome(_)))
}

/// Where a browser with this cookie ends that asks for consent: with a code, or at the door.
async fn is_known(app: &TestApp, client: &Software, cookie: &str) -> bool {
    let page = asked(app, cookie, &client.request()).await;
    let door = page.status == 303 && page.header("location").contains("/sign-in");
    assert!(
        door || page.status == 200 || page.header("location").contains("code="),
        "{page}"
    );
    !door
}

#[tokio::test]
async fn who_is_suspended_gets_nothing_until_it_is_over_and_who_is_terminated_never_again() {
    let started = with_mail().with("ENTENTE_LIMITS_TOKEN_PER_MINUTE", 1_000_000);
    let app = TestApp::start(started).await;
    let node = app.another_node().await;
    let watching = tokio::spawn(revocation::watch(node.database().clone()));
    let (acme, rival) = (company(&app, "Acme").await, company(&app, "Rival").await);
    let email = "ada@acme.example";
    let role = |partner| UserRole::Partner(partner, PartnerRole::Admin);
    let ada = member(&app, role(acme), "Ada", email).await;
    let (_, invitation) = invited(&app, role(acme), "Bob", "bob@acme.example").await;
    let (own, owners) = (software(&app, Some(acme)).await, software(&app, None).await);
    let others = software(&app, Some(rival)).await;
    let for_itself = [("grant_type", "client_credentials")];
    let of_rival = tokens(&others.exchange(&app, &for_itself).await);
    let cookie = signed_in(&app, &ada).await;
    for (status, comes_back) in [("SUSPENDED", true), ("TERMINATED", false)] {
        let mut live = vec![tokens(&own.exchange(&app, &for_itself).await).access];
        let by_own = own.tokens(&app, &cookie).await;
        let by_owners = owners.tokens(&app, &cookie).await;
        let codes = [
            own.code(&app, &cookie).await,
            owners.code(&app, &cookie).await,
        ];
        // One as the command line makes it, which follows from nobody's grant and lives long.
        live.extend([
            by_own.access,
            by_owners.access.clone(),
            app.partner_token(acme),
        ]);
        for token in &live {
            assert!(opens(&app, token).await && opens(&node, token).await);
        }
        set(&app, acme, status).await;
        let began = Instant::now();
        for token in &live {
            assert!(
                !opens(&app, token).await,
                "{status}: the process that was told"
            );
        }
        for token in &live {
            while opens(&node, token).await {
                assert!(began.elapsed() < Duration::from_secs(5), "{status}");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
        let form = [("token", by_owners.access.as_str())];
        let told = owners.post(&app, "/oauth/introspect", &form).await;
        assert_eq!(told.body, json!({ "active": false }));
        // Its software is no client any more, and its people get nothing by anybody's.
        refused(
            &own.exchange(&app, &for_itself).await,
            401,
            "invalid_client",
        );
        refused(
            &own.refresh(&app, &by_own.refresh).await,
            401,
            "invalid_client",
        );
        refused(&own.redeem(&app, &codes[0]).await, 401, "invalid_client");
        refused(
            &owners.refresh(&app, &by_owners.refresh).await,
            400,
            "invalid_grant",
        );
        refused(&owners.redeem(&app, &codes[1]).await, 400, "invalid_grant");
        assert!(!is_known(&app, &owners, &cookie).await && !signs_in(&app, email).await);
        assert_eq!(asked(&app, &cookie, &own.request()).await.status, 400);
        let opened = app.state.people.open(&ticket(&invitation)).await.unwrap();
        assert!(opened.is_none(), "an invitation waits");
        assert!(opens(&app, &of_rival.access).await && opens(&node, &of_rival.access).await);
        let late = app.another_node().await;
        assert!(!opens(&late, &live[0]).await, "a process that starts knows");
        late.end().await;
        if !comes_back {
            continue;
        }
        set(&app, acme, "ACTIVE").await;
        for token in &live {
            assert!(opens(&app, token).await, "what has not ended is good again");
        }
        let began = Instant::now();
        while !opens(&node, &live[0]).await {
            assert!(
                began.elapsed() < Duration::from_secs(5),
                "it comes back elsewhere too"
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        tokens(&owners.refresh(&app, &by_owners.refresh).await);
        tokens(&own.exchange(&app, &for_itself).await);
        assert!(is_known(&app, &owners, &cookie).await && signs_in(&app, email).await);
        assert!(
            app.state
                .people
                .open(&ticket(&invitation))
                .await
                .unwrap()
                .is_some()
        );
    }
    watching.abort();
    node.end().await;
    app.finish().await;
}
