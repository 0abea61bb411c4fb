#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
use super::*;
use crate::http::{ClientSettings, HostPolicy};
use crate::test_server::{Reply, Seen, TestServer, json};
use std::collections::HashMap;

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Plain {}

impl ExtraTokenFields for Plain {}

impl VendorFields for Plain {
    fn tenant_id(&self) -> Option<String> {
        None
    }

    fn scopes(&self) -> Option<Vec<String>> {
        None
    }
}

fn refusal(answer: &Answer) -> ConnectorError {
    match answer.status {
        401 => ConnectorError::permanent(INVALID_CLIENT, "the secret is not known"),
        500.. => ConnectorError::transient("down"),
        _ => ConnectorError::Auth {
            reconnect: true,
            message: "gone".to_owned(),
        },
    }
}

fn form(seen: &Seen) -> HashMap<String, String> {
    url::form_urlencoded::parse(seen.body.as_bytes())
        .into_owned()
        .collect()
}

/// A token endpoint that knows one secret.
async fn endpoint(known: &'static str, then: u16) -> (TestServer, Server, Client) {
    let reply = move |seen: &Seen| -> Reply {
        let body = match form(seen)["client_secret"] == known {
            true if then == 200 => {
                return json(
                    200,
                    "",
                    r#"{"access_token":"a","token_type":"bearer","expires_in":60}"#,
                );
            }
            true => return json(then, "", "{}"),
            false => "{}",
        };
        json(401, "", body)
    };
    let server = TestServer::start(reply).await;
    let vendor = Server {
        authorize: server.url(),
        token: server.url().join("/token").unwrap(),
        refusal,
    };
    let policy = HostPolicy::sandbox(vec![server.address]);
    let client = Client::new(policy, ClientSettings::default()).unwrap();
    (server, vendor, client)
}

fn app(previous: Option<&str>) -> AppCredentials {
    AppCredentials {
        client_id: "app".to_owned(),
        client_secret: "new".to_owned().into(),
        previous_client_secret: previous.map(|text| text.to_owned().into()),
        signing_secret: None,
        previous_signing_secret: None,
    }
}

fn tokens() -> TokenSet {
    TokenSet {
        access_token: "old".to_owned().into(),
        refresh_token: Some("kept".to_owned().into()),
        expires_at_ms: Some(0),
        scopes: vec!["read".to_owned()],
        tenant_id: Some("7".to_owned()),
        site: None,
        api: None,
    }
}

#[tokio::test]
async fn while_a_secret_is_rotated_the_previous_one_is_tried_once() {
    let (server, vendor, client) = endpoint("old", 200).await;
    let fresh = vendor
        .refresh::<Plain>(&client, &app(Some("old")), &tokens(), 1_000)
        .await
        .unwrap();
    assert_eq!(fresh.refresh_token.unwrap().expose_secret(), "kept");
    assert_eq!(
        (fresh.expires_at_ms, fresh.scopes, fresh.tenant_id),
        (Some(61_000), vec!["read".to_owned()], Some("7".to_owned()))
    );
    let exchange = Exchange {
        code: "code".to_owned().into(),
        redirect_uri: server.url(),
        site: None,
        pkce_verifier: "v".repeat(43).into(),
    };
    let fresh = vendor
        .exchange::<Plain>(&client, &app(Some("old")), &exchange, 0)
        .await
        .unwrap();
    assert!(fresh.refresh_token.is_none());
    let secrets: Vec<String> = server
        .seen()
        .iter()
        .map(|seen| form(seen)["client_secret"].clone())
        .collect();
    assert_eq!(
        secrets,
        ["new", "old", "new", "old"],
        "the current one first"
    );
}

#[tokio::test]
async fn another_refusal_is_none_of_the_secrets() {
    for (known, then, previous, calls, code) in [
        ("new", 400, Some("old"), 1, "REAUTH_REQUIRED"),
        ("new", 503, Some("old"), 1, "TRANSIENT"),
        ("none", 200, Some("old"), 2, "REFUSED_BY_VENDOR"),
        ("none", 200, None, 1, "REFUSED_BY_VENDOR"),
        ("old", 400, Some("old"), 2, "REAUTH_REQUIRED"),
    ] {
        let (server, vendor, client) = endpoint(known, then).await;
        let refused = vendor
            .refresh::<Plain>(&client, &app(previous), &tokens(), 0)
            .await
            .unwrap_err();
        assert_eq!(
            (refused.code(), server.seen().len()),
            (code, calls),
            "{known} {then} {previous:?}"
        );
    }
}

#[test]
fn webhooks_are_verified_with_both_secrets_and_the_current_one_first() {
    let secrets = |previous| {
        app(previous)
            .webhook_secrets()
            .iter()
            .map(|secret| secret.expose_secret().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(secrets(Some("old")), ["new", "old"]);
    assert_eq!(secrets(None), ["new"]);
}
