//! Shopify's own client, pointed at the sandbox, works: the sandbox is a double of Shopify and not of our connector.

use crate::node;
use sandbox::{App, ShopSource, Shopify, ShopifyLimits, ShopifyOptions};
use serde_json::Value;
use std::path::Path;
use tests::{CLIENT_ID, CLIENT_SECRET};
use url::Url;

const REDIRECT: &str = "http://127.0.0.1:9/callback";
const SCOPES: &str = "read_orders,write_orders,write_customers,write_companies";

/// Consents and redeems the code, as any client would.
async fn token(base: &Url) -> String {
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
        .get(base.join("/admin/oauth/authorize").unwrap())
        .query(&query)
        .send()
        .await
        .unwrap();
    let back = Url::parse(answer.headers()["location"].to_str().unwrap()).unwrap();
    let (_, code) = back.query_pairs().find(|(name, _)| name == "code").unwrap();
    let form = [
        ("client_id", CLIENT_ID),
        ("client_secret", CLIENT_SECRET),
        ("code", &code),
        ("expiring", "1"),
    ];
    let answer: Value = http
        .post(base.join("/admin/oauth/access_token").unwrap())
        .form(&form)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    answer["access_token"]
        .as_str()
        .unwrap_or_else(|| panic!("{answer}"))
        .to_owned()
}

#[tokio::test]
async fn the_vendors_own_client_works_with_the_sandbox() {
    let source =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../integrations/sandbox/tests/shopify_client");
    let Some(folder) =
        node::installed(&source, &["package.json", "package-lock.json", "check.mjs"]).await
    else {
        return;
    };
    let shop = Shopify::start(ShopifyOptions {
        source: ShopSource::Generated { orders: 80 },
        limits: ShopifyLimits::none(),
        ..ShopifyOptions::new(App {
            app_id: 580_111,
            client_id: CLIENT_ID.to_owned(),
            client_secret: CLIENT_SECRET.to_owned(),
            redirect_uris: vec![REDIRECT.to_owned()],
        })
    })
    .await
    .unwrap();
    let access = token(&shop.url()).await;
    let (url, tenant) = (shop.url(), shop.tenant());
    let variables = [
        ("SHOPIFY_URL", url.as_str().trim_end_matches('/')),
        ("SHOPIFY_SHOP", tenant.as_str()),
        ("SHOPIFY_TOKEN", access.as_str()),
    ];
    println!("{}", node::run(&folder, "check.mjs", &variables).await);
    shop.stop().await.unwrap();
}
