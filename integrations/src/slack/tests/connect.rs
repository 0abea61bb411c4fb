use super::*;

fn app() -> AppCredentials {
    AppCredentials::new("client", "s3cret-app".to_owned())
}

fn exchange() -> Exchange {
    Exchange {
        code: "s3cret-code".into(),
        redirect_uri: "https://e.example/cb".parse().unwrap(),
        site: None,
        pkce_verifier: "v".repeat(43).into(),
    }
}

fn held() -> TokenSet {
    TokenSet {
        refresh_token: Some("s3cret-r1".into()),
        scopes: vec!["chat:write".into()],
        tenant_id: Some("T1".into()),
        ..TokenSet::of("s3cret-a1")
    }
}

const GRANT: &str = r#"{"ok":true,"access_token":"xoxb-s3cret","token_type":"bot","scope":"chat:write,channels:read","bot_user_id":"U0KRQLJ9H","app_id":"A0KRD7HC3","team":{"name":"Slack Softball Team","id":"T9TK3CUKW"},"enterprise":{"name":"slack-sports","id":"E12345678"},"authed_user":{"id":"U1234","scope":"chat:write","access_token":"xoxp-1234","token_type":"user"}}"#;

#[test]
fn the_consent_asks_for_all_scopes_and_offers_no_proof_key() {
    let request = AuthorizeRequest::new(
        "https://e.example/cb".parse().unwrap(),
        None,
        &SeededChance::new(1),
    );
    let slack = Slack::new(SlackEndpoints::default());
    let url = slack.authorize_url(&app(), &request).unwrap();
    assert!(
        url.as_str()
            .starts_with("https://slack.com/oauth/v2/authorize?")
    );
    let query: HashMap<_, _> = url.query_pairs().into_owned().collect();
    assert_eq!(query["state"], *request.state.expose_secret());
    assert_eq!(
        query["scope"],
        "chat:write,channels:read,chat:write.public,groups:read,channels:history,groups:history"
    );
    assert!(!query.contains_key("code_challenge") && !query.contains_key("user_scope"));
}

#[tokio::test]
async fn a_code_becomes_a_token_that_does_not_end() {
    let rig = Rig::new(|seen| {
        assert_eq!(
            (seen.method.as_str(), seen.target.as_str()),
            ("POST", "/api/oauth.v2.access")
        );
        let form = pairs(&seen.body);
        assert_eq!(
            (form["client_id"].as_str(), form["client_secret"].as_str()),
            ("client", "s3cret-app")
        );
        assert_eq!(
            (form["code"].as_str(), form["redirect_uri"].as_str()),
            ("s3cret-code", "https://e.example/cb")
        );
        assert!(!form.contains_key("code_verifier"));
        reply(200, "", GRANT)
    })
    .await;
    let tokens = rig
        .slack
        .exchange(&rig.client, &app(), &exchange(), NOW)
        .await
        .unwrap();
    assert_eq!(tokens.access_token.expose_secret(), "xoxb-s3cret");
    assert!(tokens.refresh_token.is_none() && tokens.expires_at_ms.is_none());
    assert_eq!(tokens.scopes, ["channels:read", "chat:write"]);
    assert_eq!(tokens.tenant_id.as_deref(), Some("T9TK3CUKW"));
    assert!(!format!("{tokens:?}").contains("s3cret"));
}

#[tokio::test]
async fn a_rotating_token_is_renewed_and_a_spent_one_asks_a_person() {
    let rig = Rig::new(|seen| match pairs(&seen.body)["refresh_token"].as_str() {
        "s3cret-r1" => reply(200, "", r#"{"ok":true,"access_token":"s3cret-a2","token_type":"bot","expires_in":43200,"refresh_token":"s3cret-r2","team":{"id":"T1"}}"#),
        _ => reply(200, "", r#"{"ok":false,"error":"invalid_refresh_token"}"#),
    })
    .await;
    let renewed = rig
        .slack
        .refresh(&rig.client, &app(), &held(), NOW)
        .await
        .unwrap();
    assert_eq!(
        renewed.refresh_token.as_ref().unwrap().expose_secret(),
        "s3cret-r2"
    );
    assert_eq!(renewed.expires_at_ms, Some(NOW + 43_200_000));
    assert_eq!(renewed.scopes, ["chat:write"]);
    let spent = TokenSet {
        refresh_token: Some("s3cret-r0".into()),
        ..held()
    };
    let error = rig
        .slack
        .refresh(&rig.client, &app(), &spent, NOW)
        .await
        .unwrap_err();
    assert_eq!(error.code(), "REAUTH_REQUIRED");
    assert!(!error.to_string().contains("s3cret"));
    let lasting = TokenSet {
        refresh_token: None,
        ..held()
    };
    let error = rig
        .slack
        .refresh(&rig.client, &app(), &lasting, NOW)
        .await
        .unwrap_err();
    assert_eq!(error.code(), "REAUTH_REQUIRED");
    assert_eq!(rig.server.seen().len(), 2);
}

#[tokio::test]
async fn a_secret_that_is_being_changed_is_tried_with_the_one_before() {
    let rig = Rig::new(|seen| match pairs(&seen.body)["client_secret"].as_str() {
        "s3cret-old" => reply(200, "", GRANT),
        _ => reply(200, "", r#"{"ok":false,"error":"bad_client_secret"}"#),
    })
    .await;
    let both = AppCredentials {
        previous_client_secret: Some("s3cret-old".into()),
        ..app()
    };
    assert!(
        rig.slack
            .exchange(&rig.client, &both, &exchange(), NOW)
            .await
            .is_ok()
    );
    let error = rig
        .slack
        .exchange(&rig.client, &app(), &exchange(), NOW)
        .await
        .unwrap_err();
    assert!(matches!(error, ConnectorError::Permanent { code, .. } if code == INVALID_CLIENT));
}

#[tokio::test]
async fn grants_of_another_kind_are_refused() {
    for (body, code) in [
        (
            r#"{"ok":true,"access_token":"s3cret-x","token_type":"bot","team":null,"enterprise":{"id":"E1"},"is_enterprise_install":true}"#,
            "REFUSED_BY_VENDOR",
        ),
        (
            r#"{"ok":true,"access_token":"s3cret-x","token_type":"user","team":{"id":"T1"}}"#,
            "UNEXPECTED_ANSWER",
        ),
        (
            r#"{"ok":true,"authed_user":{"id":"U1","access_token":"s3cret-x"},"team":{"id":"T1"}}"#,
            "UNEXPECTED_ANSWER",
        ),
        (
            r#"{"ok":true,"access_token":"s3cret-x","token_type":"bot"}"#,
            "UNEXPECTED_ANSWER",
        ),
        (
            r#"{"ok":true,"access_token":["s3cret-x"],"team":{"id":"T1"}}"#,
            "UNEXPECTED_ANSWER",
        ),
        (r#"{"ok":false,"error":"invalid_code"}"#, "REAUTH_REQUIRED"),
        (
            r#"{"ok":false,"error":"bad_redirect_uri"}"#,
            "REFUSED_BY_VENDOR",
        ),
        (r#"{"ok":true,"access_token":"s3cr"#, "TRANSIENT"),
    ] {
        let rig = Rig::saying(200, body).await;
        let error = rig
            .slack
            .exchange(&rig.client, &app(), &exchange(), NOW)
            .await
            .unwrap_err();
        assert_eq!(error.code(), code, "{body}: {error}");
        assert!(!format!("{error:?}").contains("s3cret"), "{error:?}");
    }
    // A renewal that answers with another team's token changes nothing.
    let rig = Rig::saying(200, GRANT).await;
    let error = rig
        .slack
        .refresh(&rig.client, &app(), &held(), NOW)
        .await
        .unwrap_err();
    assert_eq!(error.code(), "UNEXPECTED_ANSWER");
}

#[tokio::test]
async fn an_account_is_a_team_with_its_name_and_host() {
    let rig = Rig::new(|seen| {
        assert_eq!(seen.header("authorization"), Some("Bearer s3cret-t"));
        reply(200, "", r#"{"ok":true,"url":"https://subarachnoid.slack.com/","team":"Subarachnoid Workspace","user":"bot","team_id":"T0G9PQBBK","user_id":"W23456789","bot_id":"BZYBOTHED"}"#)
    })
    .await;
    let account = rig.slack.account(&rig.context()).await.unwrap();
    assert_eq!(
        (account.tenant_id.as_str(), account.name.as_deref()),
        ("T0G9PQBBK", Some("Subarachnoid Workspace"))
    );
    assert_eq!(account.ui_domain.as_deref(), Some("subarachnoid.slack.com"));
    for body in [
        r#"{"ok":true}"#,
        r#"{"ok":true,"team_id":"E1"}"#,
        r#"{"ok":true,"team_id":""}"#,
    ] {
        let rig = Rig::saying(200, body).await;
        assert_eq!(
            rig.slack.account(&rig.context()).await.unwrap_err().code(),
            "UNEXPECTED_ANSWER"
        );
    }
}

#[tokio::test]
async fn a_token_is_taken_back_and_one_that_is_gone_counts_as_taken_back() {
    for (body, fine) in [
        (r#"{"ok":true,"revoked":true}"#, true),
        (r#"{"ok":false,"error":"token_revoked"}"#, true),
        (r#"{"ok":false,"error":"account_inactive"}"#, true),
        (r#"{"ok":false,"error":"fatal_error"}"#, false),
    ] {
        let rig = Rig::saying(200, body).await;
        assert_eq!(
            rig.slack.revoke(&rig.client, &app(), &held()).await.is_ok(),
            fine,
            "{body}"
        );
        let seen = rig.server.seen().remove(0);
        assert_eq!(
            (seen.target.as_str(), seen.header("authorization")),
            ("/api/auth.revoke", Some("Bearer s3cret-a1"))
        );
    }
}
