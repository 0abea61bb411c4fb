//! What a person is asked, and what comes back to the client.

use super::scene::*;
use entities::oauth_client::AuthMethod;
use entities::user::UserRole;
use entities::viewer::{PartnerRole, Scopes, StaffRole};

#[tokio::test]
async fn a_person_is_asked_and_the_client_gets_what_both_may_have() {
    let app = app().await;
    let acme = company(&app, "Acme").await;
    let client = software(&app, Some(acme)).await;
    // A representative reads deals and submits registrations; what else the client may have is not theirs to give.
    let role = UserRole::Partner(acme, PartnerRole::Finance);
    let cookie = signed_in(&app, &person(&app, role).await).await;
    let page = asked(&app, &cookie, &client.request()).await;
    assert_eq!(page.status, 200, "{page}");
    assert_eq!(page.header("cache-control"), "no-store");
    let shown = String::from_utf8(page.bytes.clone()).unwrap();
    for words in ["Some software", "Acme", "app.example.com"] {
        assert!(shown.contains(words), "{words}: {shown}");
    }
    let address = agreed(&app, &cookie, &client.request()).await;
    assert!(address.as_str().starts_with(&format!("{REDIRECT}?code=")));
    assert_eq!(parameter(&address, "state").as_deref(), Some("some state"));
    assert_eq!(
        parameter(&address, "iss").as_deref(),
        Some(app.public_url().as_str())
    );
    let code = parameter(&address, "code").unwrap();
    let got = tokens(&client.redeem(&app, &code).await);
    assert_eq!(got.scope, "partners:read deals:read");
    let said = claims(&got.access);
    assert_eq!(said["viewer_kind"], "partner");
    assert_eq!(said["role"], "PARTNER_FINANCE");
    assert_eq!(said["partner"], acme.to_string());
    assert_eq!(said["client_id"], client.id());
    assert_eq!(said["aud"], app.public_url().audience());
    assert!(opens(&app, &got.access).await);
    app.finish().await;
}

#[tokio::test]
async fn who_is_not_signed_in_signs_in_and_comes_back() {
    let app = app().await;
    let client = software(&app, None).await;
    let answer = asked(&app, "", &client.request()).await;
    assert_eq!(answer.status, 303, "{answer}");
    let location = answer.header("location");
    let (path, query) = location.split_once('?').unwrap();
    assert!(path.ends_with("/sign-in"), "{location}");
    let (_, target) = url::form_urlencoded::parse(query.as_bytes())
        .find(|(name, _)| name == "continue")
        .unwrap();
    assert!(
        target.starts_with("/oauth/authorize?response_type=code&"),
        "{target}"
    );
    app.finish().await;
}

#[tokio::test]
async fn who_says_no_gives_nothing() {
    let app = app().await;
    let client = software(&app, None).await;
    let cookie = signed_in(&app, &staff(&app, StaffRole::Admin).await).await;
    let address = decided(&app, &cookie, &client.request(), "deny").await;
    assert_eq!(
        parameter(&address, "error").as_deref(),
        Some("access_denied")
    );
    assert_eq!(parameter(&address, "state").as_deref(), Some("some state"));
    assert!(parameter(&address, "iss").is_some());
    assert!(parameter(&address, "code").is_none());
    assert_eq!(app.number("SELECT COUNT(*) FROM oauth_grant").await, 0);
    let refusals = "SELECT COUNT(*) FROM event WHERE kind = 'oauth_grant.refused'";
    assert_eq!(app.number(refusals).await, 1);
    app.finish().await;
}

#[tokio::test]
async fn a_request_that_is_wrong_is_told_to_the_client() {
    let app = app().await;
    let client = software(&app, None).await;
    let cookie = signed_in(&app, &staff(&app, StaffRole::Admin).await).await;
    let long = "x".repeat(44);
    for (name, value, error) in [
        ("response_type", "", "invalid_request"),
        ("response_type", "token", "unsupported_response_type"),
        ("response_type", "code token", "unsupported_response_type"),
        ("response_type", "id_token", "unsupported_response_type"),
        ("response_mode", "fragment", "invalid_request"),
        ("response_mode", "form_post", "invalid_request"),
        // The downgrade: without proof, or with one that everybody can make.
        ("code_challenge", "", "invalid_request"),
        ("code_challenge", "short", "invalid_request"),
        ("code_challenge", long.as_str(), "invalid_request"),
        ("code_challenge_method", "", "invalid_request"),
        ("code_challenge_method", "plain", "invalid_request"),
        ("code_challenge_method", "s256", "invalid_request"),
        ("scope", "deals:write", "invalid_scope"),
        ("scope", "deals:read admin", "invalid_scope"),
        ("scope", "deals:read openid", "invalid_scope"),
        (
            "resource",
            "https://elsewhere.example/api",
            "invalid_target",
        ),
        ("request", "e30.e30.", "request_not_supported"),
        (
            "request_uri",
            "https://app.example.com/r",
            "request_uri_not_supported",
        ),
    ] {
        let answer = asked(&app, &cookie, &client.request_with(name, value)).await;
        let address = back(&answer);
        assert!(address.as_str().starts_with(REDIRECT), "{address}");
        let told = parameter(&address, "error");
        assert_eq!(told.as_deref(), Some(error), "{name}={value}");
        assert_eq!(parameter(&address, "state").as_deref(), Some("some state"));
        assert!(parameter(&address, "iss").is_some() && parameter(&address, "code").is_none());
    }
    // A parameter that comes twice is refused, whichever of the two would have been right.
    for (name, value) in [
        ("scope", "deals:read"),
        ("code_challenge", challenge().as_str()),
        ("code_challenge_method", "S256"),
        ("response_type", "code"),
        ("state", "another"),
        ("made_up", "x"),
    ] {
        let mut request = client.request();
        request.push((name, value.to_owned()));
        if name == "made_up" {
            request.push((name, value.to_owned()));
        }
        let address = back(&asked(&app, &cookie, &request).await);
        let told = parameter(&address, "error");
        assert_eq!(told.as_deref(), Some("invalid_request"), "{name}");
    }
    app.finish().await;
}

#[tokio::test]
async fn nobody_is_led_on_before_they_signed_in_here() {
    let app = app().await;
    let client = software(&app, None).await;
    for (name, value) in [
        ("scope", "deals:read admin"),
        ("response_type", "token"),
        ("code_challenge", ""),
    ] {
        let request = client.request_with(name, value);
        let answer = asked(&app, "", &request).await;
        assert_eq!(answer.status, 303, "{answer}");
        let location = answer.header("location");
        assert!(
            location.split('?').next().unwrap().ends_with("/sign-in"),
            "{name}: {location}"
        );
        // Whoever has signed in comes back with the same request, and the client is told.
        let cookie = signed_in(&app, &staff(&app, StaffRole::Admin).await).await;
        let address = back(&asked(&app, &cookie, &request).await);
        assert!(parameter(&address, "error").is_some(), "{name}: {address}");
    }
    app.finish().await;
}

#[tokio::test]
async fn a_partners_software_asks_its_own_people_only() {
    let app = app().await;
    let (acme, other) = (company(&app, "Acme").await, company(&app, "Other").await);
    let client = software(&app, Some(acme)).await;
    for who in [
        partner_admin(&app, other).await,
        staff(&app, StaffRole::Admin).await,
    ] {
        let cookie = signed_in(&app, &who).await;
        let address = back(&asked(&app, &cookie, &client.request()).await);
        let told = parameter(&address, "error");
        assert_eq!(told.as_deref(), Some("access_denied"));
    }
    let noted = "SELECT COUNT(*) FROM event WHERE kind = 'oauth_grant.refused'";
    assert_eq!(app.number(noted).await, 2);
    // The owner's software is for everybody, each within their own role.
    let portal = software(&app, None).await;
    for who in [
        partner_admin(&app, other).await,
        staff(&app, StaffRole::Auditor).await,
    ] {
        let cookie = signed_in(&app, &who).await;
        let got = portal.tokens(&app, &cookie).await;
        let bounds = who.user_role().unwrap().bounds();
        let said = Scopes::from_claim(&got.scope);
        assert_eq!(said, Scopes::from_claim(SCOPE).within(bounds));
    }
    app.finish().await;
}

#[tokio::test]
async fn an_answer_counts_for_the_page_it_was_given_on() {
    let app = app().await;
    let client = software(&app, None).await;
    let other = software(&app, None).await;
    let (one, another) = (
        staff(&app, StaffRole::Admin).await,
        staff(&app, StaffRole::Finance).await,
    );
    let (cookie, stranger) = (signed_in(&app, &one).await, signed_in(&app, &another).await);
    let mut fields = hidden(&asked(&app, &cookie, &client.request()).await);
    fields.push(("decision".to_owned(), "allow".to_owned()));
    let set = |name: &str, value: &str| {
        let mut changed = fields.clone();
        for field in &mut changed {
            if field.0 == name {
                value.clone_into(&mut field.1);
            }
        }
        changed
    };
    let request = &fields.iter().find(|field| field.0 == "request").unwrap().1;
    for (who, sent) in [
        (&cookie, set("word", "")),
        (&cookie, set("word", &"0".repeat(64))),
        (&cookie, set("decision", "perhaps")),
        (
            &cookie,
            set("request", &request.replace(&client.id(), &other.id())),
        ),
        (&cookie, set("request", &format!("{request}&x=1"))),
        (&stranger, fields.clone()),
    ] {
        let answer = answered(&app, who, &sent).await;
        assert_eq!(answer.status, 400, "{answer}");
        assert!(answer.header("location").is_empty());
    }
    let answer = answered(&app, "", &fields).await;
    assert!(matches!(answer.status, 303 | 400) && !answer.header("location").contains("code="));
    assert_eq!(
        app.number("SELECT COUNT(*) FROM authorization_code").await,
        0
    );
    assert!(parameter(&back(&answered(&app, &cookie, &fields).await), "code").is_some());
    app.finish().await;
}

#[tokio::test]
async fn who_agreed_is_asked_again_for_more_or_by_software_that_cannot_prove_itself() {
    let app = app().await;
    let client = software(&app, None).await;
    let cookie = signed_in(&app, &staff(&app, StaffRole::Admin).await).await;
    let less = client.request_with("scope", "deals:read");
    assert!(parameter(&agreed(&app, &cookie, &less).await, "code").is_some());
    assert_eq!(
        asked(&app, &cookie, &less).await.status,
        303,
        "agreed before"
    );
    assert_eq!(
        asked(&app, &cookie, &client.request()).await.status,
        200,
        "more"
    );
    let public = register(&app, registration(AuthMethod::None, None)).await;
    assert!(parameter(&agreed(&app, &cookie, &public.request()).await, "code").is_some());
    assert_eq!(asked(&app, &cookie, &public.request()).await.status, 200);
    app.finish().await;
}

#[tokio::test]
async fn who_comes_from_a_page_of_ours_leaves_by_a_page_of_ours() {
    let app = app().await;
    let client = software(&app, None).await;
    let cookie = signed_in(&app, &staff(&app, StaffRole::Admin).await).await;
    assert!(parameter(&agreed(&app, &cookie, &client.request()).await, "code").is_some());
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    for (name, value) in client.request() {
        query.append_pair(name, &value);
    }
    let path = format!("/oauth/authorize?{}", query.finish());
    for (site, status) in [("cross-site", 303), ("none", 303), ("same-origin", 200)] {
        let headers = [("cookie", cookie.as_str()), ("sec-fetch-site", site)];
        let answer = app.get(&path, &headers).await;
        assert_eq!(answer.status, status, "{site}: {answer}");
        if status == 200 {
            let going_on = answer.header("refresh").to_owned();
            assert!(
                going_on.starts_with(&format!("0;url={REDIRECT}?code=")),
                "{going_on}"
            );
            assert!(
                answer
                    .header("content-security-policy")
                    .contains("default-src 'none'")
            );
        }
    }
    app.finish().await;
}

#[tokio::test]
async fn the_page_cannot_be_framed_and_its_form_ends_at_the_client() {
    let app = app().await;
    let mut input = registration(AuthMethod::ClientSecretBasic, None);
    input.name = "<script>alert('x')</script>".to_owned();
    let client = register(&app, input).await;
    let cookie = signed_in(&app, &staff(&app, StaffRole::Admin).await).await;
    let page = asked(&app, &cookie, &client.request()).await;
    let policy = page.header("content-security-policy");
    for part in [
        "default-src 'none'",
        "form-action 'self' https://app.example.com;",
        "frame-ancestors 'none'",
    ] {
        assert!(policy.contains(part), "{policy}");
    }
    let text = String::from_utf8(page.bytes.clone()).unwrap();
    assert!(!text.contains("<script"), "{text}");
    app.finish().await;
}
