use super::*;
use crate::connector::{Authenticate, INVALID_SITE};
use crate::oauth::{AuthorizeRequest, Exchange};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use entities::chance::SeededChance;
use hmac::{Hmac, KeyInit, Mac};
use secrecy::ExposeSecret;
use sha2::{Digest, Sha256};
use std::collections::HashMap;

const SECRET: &str = "s3cret-app";
const IDENTITY: &str = "https://login.salesforce.com/id/00D5e000000KQ2e/0055e000000KQ2e";

fn app() -> AppCredentials {
    AppCredentials::new("client", SECRET)
}

/// How Salesforce signs, written apart from the connector.
fn signed(secret: &str, id: &str, issued_at: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(id.as_bytes());
    mac.update(issued_at.as_bytes());
    STANDARD.encode(mac.finalize().into_bytes())
}

fn answer(instance: &str, change: impl FnOnce(&mut serde_json::Map<String, Value>)) -> Reply {
    let mut body = value!({
        "access_token": "00D5e000000KQ2e!s3cret-a2", "refresh_token": "s3cret-r2", "instance_url": instance, "id": IDENTITY,
        "issued_at": "1278448384422", "signature": signed(SECRET, IDENTITY, "1278448384422"),
        "scope": "refresh_token api", "token_type": "Bearer", "api_instance_url": "https://api.salesforce.com",
    });
    change(body.as_object_mut().unwrap());
    json(200, "", &body.to_string())
}

fn form(seen: &Seen) -> HashMap<String, String> {
    url::form_urlencoded::parse(seen.body.as_bytes())
        .into_owned()
        .collect()
}

fn exchange(rig: &Rig) -> Exchange {
    Exchange {
        code: "s3cret-code".into(),
        redirect_uri: "https://e.example/cb".parse().unwrap(),
        site: Some(rig.server.url()),
        pkce_verifier: "v".repeat(43).into(),
    }
}

#[test]
fn the_person_is_sent_to_the_accounts_own_address_with_pkce() {
    let salesforce = Salesforce::new(SalesforceEndpoints::default());
    let site = salesforce
        .auth()
        .site(Some("acme--uat.sandbox.my.salesforce.com"))
        .unwrap();
    let request = AuthorizeRequest::new(
        "https://e.example/cb".parse().unwrap(),
        site,
        &SeededChance::new(1),
    );
    let url = salesforce.authorize_url(&app(), &request).unwrap();
    assert!(
        url.as_str()
            .starts_with("https://acme--uat.sandbox.my.salesforce.com/services/oauth2/authorize?")
    );
    let query: HashMap<_, _> = url.query_pairs().into_owned().collect();
    assert_eq!(
        (query["response_type"].as_str(), query["client_id"].as_str()),
        ("code", "client")
    );
    assert_eq!(query["scope"], "api refresh_token");
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
    // A site that was changed on its way here is held to the rule again.
    let forged = AuthorizeRequest {
        site: Some(
            "https://acme.my.salesforce.com.evil.example/"
                .parse()
                .unwrap(),
        ),
        ..request
    };
    assert!(
        matches!(salesforce.authorize_url(&app(), &forged), Err(ConnectorError::Permanent { code, .. }) if code == INVALID_SITE)
    );
}

#[tokio::test]
async fn an_account_connects_and_stays_connected() {
    let rig = Rig::new(|seen| {
        assert_eq!(
            (seen.method.as_str(), seen.target.as_str()),
            ("POST", "/services/oauth2/token")
        );
        let form = form(seen);
        assert_eq!(
            (form["client_id"].as_str(), form["client_secret"].as_str()),
            ("client", SECRET)
        );
        let instance = format!("http://{}", seen.header("host").unwrap());
        match form["grant_type"].as_str() {
            "authorization_code" => {
                assert!(
                    form.contains_key("code_verifier")
                        && form["redirect_uri"] == "https://e.example/cb"
                );
                answer(&instance, |_| {})
            }
            // Rotated: the new one is to be kept.
            _ if form["refresh_token"] == "s3cret-r2" => answer(&instance, |body| {
                body["refresh_token"] = value!("s3cret-r3");
                body["access_token"] = value!("s3cret-a3");
            }),
            // Without rotation it says little.
            _ if form["refresh_token"] == "s3cret-r3" => json(
                200,
                "",
                r#"{"access_token":"s3cret-a4","token_type":"Bearer"}"#,
            ),
            _ => json(
                400,
                "",
                r#"{"error":"invalid_grant","error_description":"expired access/refresh token"}"#,
            ),
        }
    })
    .await;
    let tokens = rig
        .salesforce
        .exchange(&rig.client, &app(), &exchange(&rig), NOW)
        .await
        .unwrap();
    assert_eq!(tokens.tenant_id.as_deref(), Some(ORG), "in its long form");
    assert_eq!(
        (tokens.expires_at_ms, tokens.scopes.join(" ")),
        (None, "api refresh_token".to_owned())
    );
    assert_eq!(
        (tokens.api.as_ref(), tokens.site.as_ref()),
        (Some(&rig.server.url()), Some(&rig.server.url()))
    );

    let kept = TokenSet::from_plain_bytes(&tokens.to_plain_bytes()).unwrap();
    let renewed = rig
        .salesforce
        .refresh(&rig.client, &app(), &kept, NOW)
        .await
        .unwrap();
    assert_eq!(
        renewed.refresh_token.as_ref().unwrap().expose_secret(),
        "s3cret-r3"
    );
    let again = rig
        .salesforce
        .refresh(&rig.client, &app(), &renewed, NOW)
        .await
        .unwrap();
    assert_eq!(again.access_token.expose_secret(), "s3cret-a4");
    assert_eq!(
        again.refresh_token.as_ref().unwrap().expose_secret(),
        "s3cret-r3"
    );
    assert_eq!(
        (again.tenant_id.as_deref(), again.api.as_ref()),
        (Some(ORG), Some(&rig.server.url()))
    );
    let gone = TokenSet {
        refresh_token: Some("dead".into()),
        ..again.clone()
    };
    let refused = rig
        .salesforce
        .refresh(&rig.client, &app(), &gone, NOW)
        .await
        .unwrap_err();
    assert_eq!(refused.code(), "REAUTH_REQUIRED");
    assert!(!format!("{tokens:?} {renewed:?} {refused:?}").contains("s3cret"));
}

#[tokio::test]
async fn an_answer_that_salesforce_did_not_sign_is_not_believed() {
    type Change = fn(&mut serde_json::Map<String, Value>);
    let other = "https://login.salesforce.com/id/00D000000000001/0055e000000KQ2e";
    let changes: [(&str, Change, &str); 8] = [
        (
            "unsigned",
            |body| {
                body.remove("signature");
            },
            "unsigned_answer",
        ),
        (
            "no time",
            |body| {
                body.remove("issued_at");
            },
            "unsigned_answer",
        ),
        (
            "no identity",
            |body| {
                body.remove("id");
            },
            "unsigned_answer",
        ),
        (
            "another's",
            |body| {
                body["id"] =
                    value!("https://login.salesforce.com/id/00D000000000001/0055e000000KQ2e");
            },
            "unsigned_answer",
        ),
        (
            "another secret",
            |body| {
                body["signature"] = value!(signed("other", IDENTITY, "1278448384422"));
            },
            "unsigned_answer",
        ),
        (
            "another time",
            |body| {
                body["issued_at"] = value!("1278448384423");
            },
            "unsigned_answer",
        ),
        (
            "another host",
            |body| {
                body["instance_url"] = value!("https://evil.example");
            },
            INVALID_SITE,
        ),
        (
            "a lookalike",
            |body| {
                body["instance_url"] = value!("http://127.0.0.1.my.salesforce.com.evil.example");
            },
            INVALID_SITE,
        ),
    ];
    for (name, change, expected) in changes {
        let rig = Rig::new(move |seen| {
            answer(&format!("http://{}", seen.header("host").unwrap()), change)
        })
        .await;
        let connected = rig
            .salesforce
            .exchange(&rig.client, &app(), &exchange(&rig), NOW)
            .await;
        assert!(
            matches!(&connected, Err(ConnectorError::Permanent { code, .. }) if code == expected),
            "{name}: {connected:?}"
        );
        let renewed = rig
            .salesforce
            .refresh(&rig.client, &app(), &rig.tokens, NOW)
            .await;
        // A renewal need not say who it is for; what it says must be true.
        assert_eq!(
            renewed.is_ok(),
            name == "no identity",
            "{name}: {renewed:?}"
        );
    }
    let foreign = Rig::new(move |seen| {
        answer(
            &format!("http://{}", seen.header("host").unwrap()),
            |body| {
                body["id"] = value!(other);
                body["signature"] = value!(signed(SECRET, other, "1278448384422"));
            },
        )
    })
    .await;
    let renewed = foreign
        .salesforce
        .refresh(&foreign.client, &app(), &foreign.tokens, NOW)
        .await;
    assert!(
        matches!(renewed, Err(ConnectorError::Permanent { code, .. }) if code == "foreign_account")
    );
    // A secret that is being rotated still signs.
    let rotated = AppCredentials {
        previous_client_secret: Some(SECRET.into()),
        ..AppCredentials::new("client", "new")
    };
    let rig =
        Rig::new(|seen| answer(&format!("http://{}", seen.header("host").unwrap()), |_| {})).await;
    assert!(
        rig.salesforce
            .exchange(&rig.client, &rotated, &exchange(&rig), NOW)
            .await
            .is_ok()
    );
}

#[test]
fn tokens_go_to_the_accounts_instance_and_nowhere_else() {
    let salesforce = Salesforce::new(SalesforceEndpoints::default());
    let at = |api: Option<&str>| TokenSet {
        api: api.map(|url| url.parse().unwrap()),
        ..TokenSet::of("t")
    };
    let origins = salesforce
        .origins(&at(Some("https://acme.my.salesforce.com")))
        .unwrap();
    assert_eq!(
        origins.iter().map(Url::as_str).collect::<Vec<_>>(),
        ["https://acme.my.salesforce.com/"]
    );
    for bad in [
        None,
        Some("https://evil.example/"),
        Some("http://acme.my.salesforce.com/"),
        Some("https://acme.my.salesforce.com:444/"),
    ] {
        assert!(salesforce.origins(&at(bad)).is_err(), "{bad:?}");
    }
}

#[tokio::test]
async fn whose_account_it_is_and_in_which_currency() {
    let organization = |sandbox: bool| {
        records(
            &[
                value!({"attributes": {"type": "Organization"}, "Id": ORG, "Name": "Acme", "TimeZoneSidKey": "America/New_York", "IsSandbox": sandbox}),
            ],
            true,
        )
    };
    let single = Rig::new(move |seen| match (described(path(seen), &[]), path(seen)) {
        (Some(reply), _) => reply,
        (_, "query") => organization(true),
        (_, "connect/organization") => json(
            200,
            "",
            r#"{"features":{"multiCurrency":false,"defaultCurrencyIsoCode":"CHF"}}"#,
        ),
        _ => panic!("{}", seen.target),
    })
    .await;
    let account = single.salesforce.account(&single.context()).await.unwrap();
    assert_eq!(
        (account.tenant_id.as_str(), account.name.as_deref()),
        (ORG, Some("Acme (sandbox)"))
    );
    assert_eq!(
        (account.currency.as_deref(), account.time_zone.as_deref()),
        (Some("CHF"), Some("America/New_York"))
    );
    assert!(
        single
            .server
            .seen()
            .iter()
            .all(|seen| seen.header("sforce-call-options") == Some("client=entente"))
    );

    let multi = Rig::new(move |seen| {
        match (
            described(
                path(seen),
                &[value!({"name": "CurrencyIsoCode", "type": "picklist"})],
            ),
            question(seen),
        ) {
            (Some(reply), _) => reply,
            (_, Some(soql)) if soql.contains("CurrencyType") => {
                records(&[value!({"IsoCode": "EUR"})], true)
            }
            (_, Some(_)) => organization(false),
            _ => panic!("{}", seen.target),
        }
    })
    .await;
    let account = multi.salesforce.account(&multi.context()).await.unwrap();
    assert_eq!(
        (account.name.as_deref(), account.currency.as_deref()),
        (Some("Acme"), Some("EUR"))
    );

    let silent = Rig::new(move |seen| match question(seen) {
        Some(_) => organization(false),
        None => json(
            403,
            "",
            r#"[{"errorCode":"API_DISABLED_FOR_ORG","message":"no"}]"#,
        ),
    })
    .await;
    assert_eq!(
        silent
            .salesforce
            .account(&silent.context())
            .await
            .unwrap()
            .currency,
        None
    );
}

#[tokio::test]
async fn a_grant_is_taken_back_and_one_that_is_gone_was_taken_back_already() {
    for (status, body, done) in [
        (200, "", true),
        (
            400,
            r#"{"error":"unsupported_token_type","error_description":"this token type is not supported"}"#,
            true,
        ),
        (
            400,
            r#"{"error":"invalid_token","error_description":"invalid token: x"}"#,
            true,
        ),
        (503, "", false),
    ] {
        let rig = Rig::new(move |_| json(status, "", body)).await;
        assert_eq!(
            rig.salesforce
                .revoke(&rig.client, &app(), &rig.tokens)
                .await
                .is_ok(),
            done,
            "{status} {body}"
        );
        let seen = &rig.server.seen()[0];
        assert_eq!(
            (seen.target.as_str(), seen.body.as_str()),
            ("/services/oauth2/revoke", "token=s3cret-r1")
        );
    }
}
