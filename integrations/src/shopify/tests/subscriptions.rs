//! Webhook subscriptions.

use super::*;
use crate::connector::{Ensured, Subscriptions};
use std::sync::Mutex;

const TARGET: &str = "https://entente.example.com/hooks/shopify";

async fn shop(there: &'static [(&str, &str)], refuses: fn(&str) -> bool) -> Rig {
    let made: Mutex<Vec<(String, String)>> = Mutex::new(
        there
            .iter()
            .map(|(topic, uri)| ((*topic).to_owned(), (*uri).to_owned()))
            .collect(),
    );
    Rig::new(move |posted| {
        let mut made = made.lock().unwrap();
        if posted.name == "Webhooks" {
            let nodes: Vec<Value> = made.iter().map(|(topic, uri)| json!({"topic": topic, "uri": uri})).collect();
            return data(json!({"webhookSubscriptions": {"nodes": nodes, "pageInfo": {"hasNextPage": false, "endCursor": null}}}));
        }
        let topic = posted.variables["topic"].as_str().unwrap();
        assert_eq!(posted.variables["webhook"], json!({"uri": TARGET, "format": "JSON"}));
        if refuses(topic) {
            return data(json!({"written": {"record": null, "userErrors": [{"field": ["topic"], "message": "no"}]}}));
        }
        made.push((topic.to_owned(), TARGET.to_owned()));
        data(json!({"written": {"record": {"id": "gid://shopify/WebhookSubscription/1"}, "userErrors": []}}))
    })
    .await
}

async fn ensure(rig: &Rig) -> Result<Ensured, ConnectorError> {
    let target = Url::parse(TARGET).unwrap();
    rig.shopify.ensure(&rig.context(), &target).await
}

#[tokio::test]
async fn what_is_missing_is_made_once() {
    let rig = shop(
        &[
            ("ORDERS_CREATE", TARGET),
            ("ORDERS_PAID", "https://other.example/hooks/shopify"),
        ],
        |_| false,
    )
    .await;
    let first = ensure(&rig).await.unwrap();
    assert_eq!(first.kept, 1, "another's address is none of ours");
    assert!(
        first.made.contains(&"orders_paid".to_owned())
            && first.made.contains(&"app_uninstalled".to_owned())
    );
    let total = first.kept + first.made.len();
    assert_eq!(
        ensure(&rig).await.unwrap(),
        Ensured {
            made: vec![],
            kept: total
        }
    );
}

#[tokio::test]
async fn a_shop_without_companies_is_no_failure_and_one_that_refuses_orders_is() {
    let rig = shop(&[], |topic| topic.starts_with("COMPAN")).await;
    let made = ensure(&rig).await.unwrap().made;
    assert!(made.len() == 14 && !made.iter().any(|topic| topic.starts_with("compan")));
    let rig = shop(&[], |topic| topic == "ORDERS_DELETE").await;
    let error = ensure(&rig).await.unwrap_err();
    assert!(error.to_string().contains("orders_delete"), "{error}");
    assert!(rig.asked().len() > 20, "the others were made all the same");
}
