//! jsforce, the client most people use for Salesforce, pointed at the sandbox, works: the sandbox is a double of Salesforce and not of our
//! connector.

use crate::node;
use sandbox::{
    App, Faults, Salesforce, SalesforceFeatures, SalesforceLimits, SalesforceOptions,
    SalesforceSource,
};
use std::path::Path;
use tests::{CLIENT_ID, CLIENT_SECRET};

const REDIRECT: &str = "http://127.0.0.1:9/callback";

#[tokio::test]
async fn jsforce_works_with_the_sandbox() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../integrations/sandbox/tests/salesforce_client");
    let Some(folder) =
        node::installed(&source, &["package.json", "package-lock.json", "check.mjs"]).await
    else {
        return;
    };
    let salesforce = Salesforce::start(SalesforceOptions {
        listen: "127.0.0.1:0".parse().unwrap(),
        state: None,
        source: SalesforceSource::Generated { opportunities: 450 },
        features: SalesforceFeatures::default(),
        app: App {
            app_id: 77,
            client_id: CLIENT_ID.to_owned(),
            client_secret: CLIENT_SECRET.to_owned(),
            redirect_uris: vec![REDIRECT.to_owned()],
        },
        webhook_target: None,
        limits: SalesforceLimits {
            // Only queries come in pages here: of bulk results in several pages this client writes the second behind the end of its own
            // stream. The sandbox's own tests walk those.
            query_page: 200,
            ..SalesforceLimits::none()
        },
        faults: Faults::default(),
        seed: 7,
    })
    .await
    .unwrap();
    let variables = [
        (
            "SALESFORCE_URL",
            salesforce.url().as_str().trim_end_matches('/').to_owned(),
        ),
        ("SALESFORCE_CLIENT_ID", CLIENT_ID.to_owned()),
        ("SALESFORCE_CLIENT_SECRET", CLIENT_SECRET.to_owned()),
        ("SALESFORCE_REDIRECT", REDIRECT.to_owned()),
    ];
    let variables: Vec<(&str, &str)> = variables
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    println!("{}", node::run(&folder, "check.mjs", &variables).await);
    salesforce.stop().await.unwrap();
}
