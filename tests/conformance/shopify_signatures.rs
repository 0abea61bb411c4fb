//! The signatures that Shopify and its libraries have published: those of a consent and of a webhook pass, those of other schemes do not.

use integrations::Endpoints;
use integrations::connector::{InboundRequest, Verdict};
use integrations::oauth::{AppCredentials, Callback};
use secrecy::SecretString;
use serde_json::Value;
use tests::shared_folder;
use url::Url;

fn vectors(prefix: &str) -> Option<Vec<Value>> {
    let text = std::fs::read_to_string(shared_folder("vendors/signature-vectors.json")?).unwrap();
    let file: Value = serde_json::from_str(&text).unwrap();
    let all = file["vectors"].as_array().unwrap().iter();
    let ours = all.filter(|vector| vector["id"].as_str().unwrap().starts_with(prefix));
    Some(ours.cloned().collect())
}

fn text<'a>(vector: &'a Value, name: &str) -> &'a str {
    vector[name].as_str().unwrap_or_default()
}

/// Judges the pairs of a published message with its signature, as a callback of the shop that they name.
fn returns(vector: &Value, signature: &str, now_ms: i64) -> bool {
    let message = text(vector, "message");
    let mut query: Vec<(String, String)> = message
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    query.push(("hmac".to_owned(), signature.to_owned()));
    let site = Url::parse("https://some-shop.myshopify.com/").unwrap();
    let callback = Callback {
        raw_query: message,
        query: &query,
        site: Some(&site),
    };
    let registry = integrations::connectors(Endpoints::default());
    let app = AppCredentials::new("client", text(vector, "secret"));
    let auth = registry.get("shopify").unwrap().auth();
    auth.check_callback(&app, &callback, now_ms).is_ok()
}

#[test]
fn every_published_consent_is_taken_in_its_minute_and_no_neighbour_is() {
    let Some(vectors) = vectors("shopify-callback") else {
        return;
    };
    let stamped: Vec<Value> = vectors
        .into_iter()
        .filter(|vector| text(vector, "message").contains("timestamp=1337178173"))
        .collect();
    assert!(stamped.len() >= 3);
    let now = 1_337_178_173_000;
    for vector in &stamped {
        let signature = text(vector, "expected");
        assert!(returns(vector, signature, now), "{}", vector["id"]);
        assert!(!returns(vector, signature, now + 92_000));
        assert!(!returns(vector, signature, now - 92_000));
        let other = signature.replace('0', "1");
        assert!(other == signature || !returns(vector, &other, now));
        let mut changed = vector.clone();
        changed["message"] = text(vector, "message").replace("code=", "code=x").into();
        assert!(!returns(&changed, signature, now));
    }
}

#[test]
fn what_was_signed_for_a_page_of_the_shop_is_no_consent() {
    let Some(vectors) = vectors("shopify-app-proxy") else {
        return;
    };
    assert!(vectors.len() >= 3);
    for vector in &vectors {
        assert!(!returns(
            vector,
            text(vector, "expected"),
            1_317_327_555_000
        ));
    }
}

#[test]
fn the_published_webhook_is_accepted_and_no_neighbour_is() {
    let Some(vectors) = vectors("shopify-webhook") else {
        return;
    };
    assert!(!vectors.is_empty());
    let registry = integrations::connectors(Endpoints::default());
    let webhooks = registry.get("shopify").unwrap().webhooks().unwrap();
    for vector in &vectors {
        let headers = [(
            "X-Shopify-Hmac-Sha256".to_owned(),
            text(vector, "expected").to_owned(),
        )];
        let judged = |body: &str| {
            let request = InboundRequest {
                method: "POST",
                public_url: "https://entente.example.com/hooks/shopify",
                headers: &headers,
                body: body.as_bytes(),
                tenant_id: None,
            };
            let secrets = [SecretString::from(text(vector, "secret"))];
            webhooks.verify(&secrets, &request, 0)
        };
        let body = text(vector, "body");
        assert!(matches!(judged(body), Verdict::Accepted { .. }));
        assert!(matches!(judged(&format!("{body} ")), Verdict::Rejected(_)));
    }
}
