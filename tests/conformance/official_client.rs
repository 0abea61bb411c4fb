//! HubSpot's own client, pointed at the sandbox, works: the sandbox is a double of HubSpot and not of our connector.

use crate::node;
use sandbox::{App, Faults, HubSpot, HubSpotOptions, Limits, Source};
use serde_json::Value;
use std::path::Path;
use tests::{CLIENT_ID, CLIENT_SECRET};
use url::Url;

const REDIRECT: &str = "http://127.0.0.1:9/callback";
const SCOPES: &str = "oauth crm.objects.companies.read crm.objects.companies.write crm.objects.contacts.read crm.objects.contacts.write \
    crm.objects.deals.read crm.objects.deals.write crm.objects.owners.read crm.schemas.deals.write \
    crm.schemas.contacts.write";

/// Consents and redeems the code, as any client would.
pub(crate) async fn tokens(base: &Url) -> (String, String) {
    let http = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .tls_certs_only([])
        .build()
        .unwrap();
    let query = [
        ("client_id", CLIENT_ID),
        ("redirect_uri", REDIRECT),
        ("scope", SCOPES),
        ("state", "s"),
    ];
    let answer = http
        .get(base.join("/oauth/authorize").unwrap())
        .query(&query)
        .send()
        .await
        .unwrap();
    let back = Url::parse(answer.headers()["location"].to_str().unwrap()).unwrap();
    let (_, code) = back.query_pairs().find(|(name, _)| name == "code").unwrap();
    let form = [
        ("grant_type", "authorization_code"),
        ("client_id", CLIENT_ID),
        ("client_secret", CLIENT_SECRET),
        ("redirect_uri", REDIRECT),
        ("code", &code),
    ];
    let answer: Value = http
        .post(base.join("/oauth/2026-09/token").unwrap())
        .form(&form)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    let token = |name: &str| {
        answer[name]
            .as_str()
            .unwrap_or_else(|| panic!("{answer}"))
            .to_owned()
    };
    (token("access_token"), token("refresh_token"))
}

/// The app that is registered with the sandbox.
pub(crate) fn app() -> App {
    App {
        app_id: 1_160_452,
        client_id: CLIENT_ID.to_owned(),
        client_secret: CLIENT_SECRET.to_owned(),
        redirect_uris: vec![REDIRECT.to_owned()],
    }
}

#[tokio::test]
async fn the_vendors_own_client_works_with_the_sandbox() {
    let source =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../integrations/sandbox/tests/official_client");
    let Some(folder) =
        node::installed(&source, &["package.json", "package-lock.json", "check.mjs"]).await
    else {
        return;
    };
    let hubspot = HubSpot::start(HubSpotOptions {
        listen: "127.0.0.1:0".parse().unwrap(),
        state: None,
        source: Source::Generated { deals: 250 },
        app: app(),
        webhook_target: None,
        limits: Limits::none(),
        faults: Faults::default(),
        seed: 7,
    })
    .await
    .unwrap();
    let (access, refresh) = tokens(&hubspot.url()).await;
    let variables = [
        (
            "HUBSPOT_URL",
            hubspot.url().as_str().trim_end_matches('/').to_owned(),
        ),
        ("HUBSPOT_TOKEN", access),
        ("HUBSPOT_REFRESH", refresh),
        ("HUBSPOT_CLIENT_ID", CLIENT_ID.to_owned()),
        ("HUBSPOT_CLIENT_SECRET", CLIENT_SECRET.to_owned()),
    ];
    let variables: Vec<(&str, &str)> = variables
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    println!("{}", node::run(&folder, "check.mjs", &variables).await);
    hubspot.stop().await.unwrap();
}
