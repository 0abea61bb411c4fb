//! What lets us act for an account shows nowhere: not in `Debug`, not in an error, not in an address; and it goes only where it belongs.

use super::{ACCESS_TOKEN, CLIENT_SECRET, NOW_MS, REFRESH_TOKEN, Rig, app, each};
use crate::connector::{Mode, PageRequest};
use crate::oauth::Exchange;
use crate::test_server::json;
use url::Url;

/// Fails when a text holds a secret.
fn assert_discreet(id: &str, text: &str) {
    for secret in [ACCESS_TOKEN, REFRESH_TOKEN, CLIENT_SECRET, "contract-code"] {
        assert!(!text.contains(secret), "{id}: {text}");
    }
}

#[tokio::test]
async fn secrets_do_not_show() {
    for (case, _) in each() {
        let id = case.id;
        for (status, body) in [
            (400, r#"{"message":"no"}"#),
            (401, "{}"),
            (500, "<html>"),
            (200, "{}"),
        ] {
            let rig = Rig::new(&case, move |_| json(status, "", body)).await;
            let (app, tokens) = (app(), rig.tokens.clone());
            assert_discreet(
                id,
                &format!("{:?} {:?} {app:?} {tokens:?}", rig.session, rig.client),
            );
            let auth = rig.connector.auth();
            let exchange = Exchange {
                code: "contract-code".into(),
                redirect_uri: Url::parse("https://entente.example.com/back").unwrap(),
                site: rig.tokens.site.clone(),
                pkce_verifier: "v".repeat(43).into(),
            };
            assert_discreet(id, &format!("{exchange:?}"));
            let outcomes = [
                format!(
                    "{:?}",
                    auth.refresh(&rig.client, &app, &tokens, NOW_MS).await
                ),
                format!(
                    "{:?}",
                    auth.exchange(&rig.client, &app, &exchange, NOW_MS).await
                ),
                format!("{:?}", auth.revoke(&rig.client, &app, &tokens).await),
                format!("{:?}", auth.account(&rig.context()).await),
            ];
            for outcome in outcomes {
                assert_discreet(id, &outcome);
            }
            if let Some(pull) = rig.connector.pull() {
                for resource in &rig.connector.descriptor().resources {
                    let request = PageRequest {
                        resource: resource.resource,
                        mode: Mode::Backfill,
                        cursor: None,
                        fields: &[],
                        page_size: None,
                        now_ms: NOW_MS,
                    };
                    let outcome = pull.page(&rig.context(), &request).await;
                    assert_discreet(id, &format!("{outcome:?}"));
                }
            }
            for seen in rig.server.seen() {
                // Addresses are written into logs on the way; bodies and the authorization are not.
                assert_discreet(id, &seen.target);
            }
        }
    }
}

#[tokio::test]
async fn a_renewal_that_repeats_no_refresh_token_keeps_the_old_one() {
    use secrecy::ExposeSecret;
    for (case, _) in each() {
        let renewal = case.renewal;
        let rig = Rig::new(&case, move |_| json(200, "", renewal)).await;
        let auth = rig.connector.auth();
        let renewed = auth
            .refresh(&rig.client, &app(), &rig.tokens, NOW_MS)
            .await
            .unwrap();
        assert_eq!(renewed.access_token.expose_secret(), "new", "{}", case.id);
        let kept = renewed.refresh_token.expect("it is not lost");
        assert_eq!(kept.expose_secret(), REFRESH_TOKEN, "{}", case.id);
    }
}
