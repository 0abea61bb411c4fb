//! A code is good once, for a minute, for the client it was made for, at the address it was sent to, and for who asked.

use super::scene::*;
use entities::oauth_client::AuthMethod;
use entities::user::{self, UserRole};
use entities::viewer::{PartnerRole, StaffRole};
use futures::future::join_all;
use std::time::Duration;

#[tokio::test]
async fn what_a_code_is_bound_to_must_fit() {
    let app = app().await;
    let client = software(&app, None).await;
    let cookie = signed_in(&app, &staff(&app, StaffRole::Admin).await).await;
    let code = client.code(&app, &cookie).await;
    let with = |name: &'static str, value: &'static str| {
        let mut form: Vec<(&str, &str)> = redemption(&code).to_vec();
        form.retain(|(known, _)| *known != name);
        if !value.is_empty() {
            form.push((name, value));
        }
        form
    };
    let other = "another-verifier-that-is-long-enough-to-be-one-0123";
    let challenge: &'static str = challenge().leak();
    for (name, value, error) in [
        // PKCE left out, or weakened: the challenge is no proof, though it would be one for `plain`.
        ("code_verifier", "", "invalid_request"),
        ("code_verifier", other, "invalid_grant"),
        ("code_verifier", "short", "invalid_grant"),
        ("code_verifier", challenge, "invalid_grant"),
        ("redirect_uri", "", "invalid_request"),
        (
            "redirect_uri",
            "https://app.example.com/callback/",
            "invalid_grant",
        ),
        (
            "redirect_uri",
            "https://app.example.com/other",
            "invalid_grant",
        ),
        ("resource", "https://elsewhere.example/", "invalid_target"),
        ("grant_type", "", "invalid_request"),
        ("grant_type", "password", "unsupported_grant_type"),
        ("code", "", "invalid_request"),
        ("code", "x", "invalid_grant"),
    ] {
        let answer = client.exchange(&app, &with(name, value)).await;
        refused(&answer, 400, error);
    }
    let mut twice = redemption(&code).to_vec();
    twice.push(("code_verifier", VERIFIER));
    refused(&client.exchange(&app, &twice).await, 400, "invalid_request");
    // Nothing of this has used it up.
    tokens(&client.redeem(&app, &code).await);
    app.finish().await;
}

#[tokio::test]
async fn a_code_of_another_client_is_unknown_and_stays_good() {
    let app = app().await;
    let (client, thief) = (software(&app, None).await, software(&app, None).await);
    let cookie = signed_in(&app, &staff(&app, StaffRole::Admin).await).await;
    let code = client.code(&app, &cookie).await;
    let unknown = thief.redeem(&app, "never-was").await;
    let stolen = thief.redeem(&app, &code).await;
    refused(&stolen, 400, "invalid_grant");
    assert_eq!(stolen.bytes, unknown.bytes);
    let noted = "SELECT COUNT(*) FROM event WHERE kind = 'oauth_grant.refused'";
    assert_eq!(app.number(noted).await, 1, "what was ours to give");
    tokens(&client.redeem(&app, &code).await);
    app.finish().await;
}

#[tokio::test]
async fn a_code_lives_for_a_minute() {
    let app = app().await;
    let client = software(&app, None).await;
    let cookie = signed_in(&app, &staff(&app, StaffRole::Admin).await).await;
    let code = client.code(&app, &cookie).await;
    app.advance(Duration::from_secs(60));
    refused(&client.redeem(&app, &code).await, 400, "invalid_grant");
    app.finish().await;
}

#[tokio::test]
async fn a_second_use_ends_what_came_of_the_first() {
    let app = app().await;
    let client = software(&app, None).await;
    let cookie = signed_in(&app, &staff(&app, StaffRole::Admin).await).await;
    let code = client.code(&app, &cookie).await;
    let got = tokens(&client.redeem(&app, &code).await);
    assert!(opens(&app, &got.access).await);
    // Whoever comes second need not know the rest: the code alone tells that it leaked.
    let form = [
        ("grant_type", "authorization_code"),
        ("code", code.as_str()),
        ("redirect_uri", REDIRECT),
        (
            "code_verifier",
            "another-verifier-that-is-long-enough-to-be-one-0123",
        ),
    ];
    refused(&client.exchange(&app, &form).await, 400, "invalid_grant");
    assert!(!opens(&app, &got.access).await);
    refused(
        &client.refresh(&app, &got.refresh).await,
        400,
        "invalid_grant",
    );
    let reused = "SELECT COUNT(*) FROM event WHERE kind = 'oauth_grant.reuse_detected'";
    assert_eq!(app.number(reused).await, 1);
    app.finish().await;
}

#[tokio::test]
async fn of_a_thousand_at_once_one_succeeds_and_what_it_got_ends() {
    let app = app().await;
    let client = software(&app, None).await;
    let cookie = signed_in(&app, &staff(&app, StaffRole::Admin).await).await;
    let code = client.code(&app, &cookie).await;
    let answers = join_all((0..1_000).map(|_| client.redeem(&app, &code))).await;
    let (won, lost): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 200);
    assert_eq!((won.len(), lost.len()), (1, 999));
    for answer in lost {
        refused(answer, 400, "invalid_grant");
    }
    let got = tokens(won[0]);
    assert!(!opens(&app, &got.access).await);
    refused(
        &client.refresh(&app, &got.refresh).await,
        400,
        "invalid_grant",
    );
    let made = "SELECT COUNT(*) FROM refresh_token";
    assert_eq!(app.number(made).await, 1);
    app.finish().await;
}

#[tokio::test]
async fn who_is_another_by_now_agrees_anew() {
    let app = app().await;
    let acme = company(&app, "Acme").await;
    let client = software(&app, Some(acme)).await;
    for how in ["role", "disabled"] {
        let who = partner_admin(&app, acme).await;
        let cookie = signed_in(&app, &who).await;
        let code = client.code(&app, &cookie).await;
        changed(&app, &who, async |change, row| match how {
            "role" => {
                user::set_role(change, row, UserRole::Partner(acme, PartnerRole::Viewer)).await
            }
            _ => user::disable(change, row).await,
        })
        .await;
        refused(&client.redeem(&app, &code).await, 400, "invalid_grant");
    }
    app.finish().await;
}

#[tokio::test]
async fn software_without_a_secret_needs_the_proof_all_the_more() {
    let app = app().await;
    let public = register(&app, registration(AuthMethod::None, None)).await;
    let id = public.id();
    let cookie = signed_in(&app, &staff(&app, StaffRole::Admin).await).await;
    let code = {
        let back = agreed(&app, &cookie, &public.request()).await;
        parameter(&back, "code").unwrap()
    };
    let mut form = redemption(&code).to_vec();
    form.push(("client_id", &id));
    let bare: Vec<_> = form
        .iter()
        .copied()
        .filter(|(name, _)| *name != "code_verifier")
        .collect();
    let send = async |form: &[(&str, &str)]| {
        app.send(app.http.post(app.url("/oauth/token")).form(form))
            .await
    };
    refused(&send(&bare).await, 400, "invalid_request");
    let got = tokens(&send(&form).await);
    assert!(opens(&app, &got.access).await);
    assert!(!got.refresh.is_empty());
    app.finish().await;
}
