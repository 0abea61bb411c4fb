use super::*;

fn app() -> AppCredentials {
    AppCredentials {
        client_id: "client".into(),
        client_secret: "s3cret-app".to_owned().into(),
        previous_client_secret: None,
        signing_secret: None,
        previous_signing_secret: None,
    }
}

#[tokio::test]
async fn an_account_connects_and_stays_connected() {
    let rig = Rig::new(|seen| {
        assert_eq!((seen.method.as_str(), seen.target.as_str()), ("POST", "/oauth/2026-09/token"));
        let form: HashMap<_, _> = url::form_urlencoded::parse(seen.body.as_bytes()).into_owned().collect();
        assert_eq!((form["client_id"].as_str(), form["client_secret"].as_str()), ("client", "s3cret-app"));
        match form["grant_type"].as_str() {
            "authorization_code" => {
                assert!(form.contains_key("code_verifier") && form["redirect_uri"] == "https://e.example/cb");
                json(200, "", r#"{"token_type":"bearer","refresh_token":"s3cret-r1","access_token":"s3cret-a1","expires_in":1800,"hub_id":62515,"user_id":123,"scopes":["oauth","crm.objects.companies.read"],"token_use":"access_token"}"#)
            }
            _ if form["refresh_token"] == "s3cret-r1" => {
                json(200, "", r#"{"token_type":"bearer","access_token":"s3cret-a2","expires_in":1800}"#)
            }
            _ if form["refresh_token"] == "broken" => json(200, "", r#"{"access_token":"s3cret-a3"}"#),
            _ => json(400, "", r#"{"status":"BAD_REFRESH_TOKEN","message":"missing or invalid refresh token"}"#),
        }
    })
    .await;
    let request = AuthorizeRequest::new(
        "https://e.example/cb".parse().unwrap(),
        None,
        &SeededChance::new(1),
    );
    assert_eq!(request.state.expose_secret().len(), 43);
    let url = rig.hubspot.authorize_url(&app(), &request).unwrap();
    let query: HashMap<_, _> = url.query_pairs().into_owned().collect();
    assert_eq!(url.path(), "/oauth/authorize");
    assert_eq!(query["state"], *request.state.expose_secret());
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(
        request.pkce_verifier.expose_secret().as_bytes(),
    ));
    assert_eq!(
        (
            query["code_challenge"].clone(),
            query["code_challenge_method"].as_str()
        ),
        (challenge, "S256")
    );
    assert!(query["scope"].contains("crm.objects.deals.read") && !url.as_str().contains("s3cret"));

    let exchange = Exchange {
        code: "c".to_owned().into(),
        redirect_uri: request.redirect_uri.clone(),
        site: None,
        pkce_verifier: request.pkce_verifier.clone(),
    };
    let tokens = rig
        .hubspot
        .exchange(&rig.client, &app(), &exchange, NOW)
        .await
        .unwrap();
    assert_eq!(tokens.tenant_id.as_deref(), Some("62515"));
    assert_eq!(tokens.expires_at_ms, Some(NOW + 1_800_000));
    assert_eq!(
        tokens.missing_scopes(&["oauth", "crm.objects.deals.read"]),
        vec!["crm.objects.deals.read"]
    );
    assert!(
        tokens.expires_within(NOW + 1_700_000, 120_000) && !tokens.expires_within(NOW, 120_000)
    );

    let kept = TokenSet::from_plain_bytes(&tokens.to_plain_bytes()).unwrap();
    let renewed = rig
        .hubspot
        .refresh(&rig.client, &app(), &kept, NOW)
        .await
        .unwrap();
    assert_eq!(renewed.access_token.expose_secret(), "s3cret-a2");
    assert_eq!(
        renewed.refresh_token.as_ref().unwrap().expose_secret(),
        "s3cret-r1"
    );
    assert_eq!(
        (renewed.tenant_id.as_deref(), renewed.scopes.len()),
        (Some("62515"), 2)
    );

    let with = |token: &str| TokenSet {
        refresh_token: Some(token.to_owned().into()),
        ..renewed.clone()
    };
    let refused = rig
        .hubspot
        .refresh(&rig.client, &app(), &with("gone"), NOW)
        .await
        .unwrap_err();
    assert!(matches!(
        refused,
        ConnectorError::Auth {
            reconnect: true,
            ..
        }
    ));
    let broken = rig
        .hubspot
        .refresh(&rig.client, &app(), &with("broken"), NOW)
        .await
        .unwrap_err();
    assert_eq!(broken.code(), "UNEXPECTED_ANSWER");
    assert!(
        !format!("{broken:?} {tokens:?} {exchange:?} {:?} {request:?}", app()).contains("s3cret")
    );
}

#[tokio::test]
async fn whose_account_it_is_and_what_it_has() {
    let rig = Rig::new(|seen| match seen.target.as_str() {
        "/account-info/2026-09/details" => json(200, "", r#"{"portalId":62515,"timeZone":"UTC","companyCurrency":"USD","uiDomain":"app-eu1.hubspot.com"}"#),
        _ => json(200, "", r#"{"results":[{"name":"tier","label":"Tier","type":"enumeration","hubspotDefined":false},{"name":"old","archived":true},7,{"name":"amount","label":"Amount","type":"number","hubspotDefined":true}]}"#),
    })
    .await;
    let account = rig.hubspot.account(&rig.context()).await.unwrap();
    assert_eq!(
        (account.tenant_id.as_str(), account.currency.as_deref()),
        ("62515", Some("USD"))
    );
    let fields = rig
        .hubspot
        .pull()
        .unwrap()
        .fields(&rig.context(), Resource::Deal)
        .await
        .unwrap();
    let told: Vec<_> = fields
        .iter()
        .map(|field| (field.name.as_str(), field.custom))
        .collect();
    assert_eq!(told, vec![("amount", false), ("tier", true)]);
}
