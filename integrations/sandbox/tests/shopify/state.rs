use sandbox::shopify::{OrderDraft, OrderEdit};
use sandbox::{SandboxError, Shopify, ShopifyOptions};
use serde_json::json;

use crate::harness::{Client, Receiver, generated, options, started, subscribe, token};

#[tokio::test]
async fn a_shop_is_the_same_after_a_restart() {
    let home = tempfile::tempdir().unwrap();
    let receiver = Receiver::start();
    let kept = ShopifyOptions {
        state: Some(home.path().to_owned()),
        ..generated(25)
    };
    let (shop, client) = started(kept.clone()).await;
    subscribe(&client, "ORDERS_CREATE", &receiver.url, json!({})).await;
    let id = shop
        .store()
        .place_order(OrderDraft {
            note: Some("kept".to_owned()),
            ..OrderDraft::paid("77")
        })
        .unwrap();
    shop.webhooks_idle().await;
    let url = shop.url();
    shop.stop().await.unwrap();
    let shop = Shopify::start(kept.clone()).await.unwrap();
    assert_eq!(shop.url(), url);
    let query = "query($id: ID!) { order(id: $id) { note totalPriceSet { shopMoney { amount } } } ordersCount { count } }";
    let data = client
        .data(query, json!({"id": format!("gid://shopify/Order/{id}")}))
        .await;
    assert_eq!(
        data["order"],
        json!({"note": "kept", "totalPriceSet": {"shopMoney": {"amount": "77.0"}}})
    );
    let (status, _) = token(
        &url,
        &[
            ("grant_type", "refresh_token"),
            ("refresh_token", &client.refresh),
        ],
    )
    .await;
    assert_eq!(status, 200);
    let next = shop.store().place_order(OrderDraft::paid("1")).unwrap();
    assert!(next > id);
    shop.webhooks_idle().await;
    assert_eq!(receiver.of("orders/create").len(), 2);
    assert!(matches!(
        Shopify::start(kept.clone()).await,
        Err(SandboxError::Busy { .. })
    ));
    shop.stop().await.unwrap();
    let other = ShopifyOptions {
        source: sandbox::ShopSource::Empty,
        ..kept
    };
    assert!(matches!(
        Shopify::start(other).await,
        Err(SandboxError::OtherSource { .. })
    ));
}

#[tokio::test]
async fn a_shop_that_was_dropped_keeps_its_tokens_and_what_was_saved() {
    let home = tempfile::tempdir().unwrap();
    let kept = ShopifyOptions {
        state: Some(home.path().to_owned()),
        ..options()
    };
    let (shop, client) = started(kept.clone()).await;
    let id = shop.store().place_order(OrderDraft::paid("5")).unwrap();
    let path = home.path().join("records.json");
    for _ in 0..200 {
        if std::fs::read_to_string(&path)
            .unwrap()
            .contains(&id.to_string())
        {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let copy = tempfile::tempdir().unwrap();
    for file in ["records.json", "tokens.json", "head.json"] {
        std::fs::copy(home.path().join(file), copy.path().join(file)).unwrap();
    }
    drop(shop);
    let again = Shopify::start(ShopifyOptions {
        state: Some(copy.path().to_owned()),
        ..kept
    })
    .await
    .unwrap();
    let client = Client {
        base: again.url(),
        ..client
    };
    let data = client
        .data("{ orders(first: 5) { nodes { id } } }", json!({}))
        .await;
    assert_eq!(
        data["orders"]["nodes"],
        json!([{"id": format!("gid://shopify/Order/{id}")}])
    );
    again
        .store()
        .edit_order(
            id,
            OrderEdit {
                note: Some("x".to_owned()),
                ..OrderEdit::default()
            },
        )
        .unwrap();
}

#[tokio::test]
async fn the_same_seed_gives_the_same_shop() {
    let query = "{ orders(first: 50, sortKey: ID) { nodes { id name totalPriceSet { shopMoney { amount } } discountCodes } } }";
    let (_one, first) = started(generated(40)).await;
    let (_two, second) = started(generated(40)).await;
    assert_eq!(
        first.data(query, json!({})).await,
        second.data(query, json!({})).await
    );
    let (_three, third) = started(ShopifyOptions {
        seed: 8,
        ..generated(40)
    })
    .await;
    assert_ne!(
        first.data(query, json!({})).await,
        third.data(query, json!({})).await
    );
}

#[tokio::test]
async fn what_it_is_started_with_is_checked() {
    let far = ShopifyOptions {
        listen: "0.0.0.0:0".parse().unwrap(),
        ..options()
    };
    let away = ShopifyOptions {
        webhook_target: Some("https://example.com/".parse().unwrap()),
        ..options()
    };
    let other = ShopifyOptions {
        domain: "example.com".to_owned(),
        ..options()
    };
    for bad in [far, away, other] {
        assert!(matches!(
            Shopify::start(bad).await,
            Err(SandboxError::Option { .. })
        ));
    }
    let (shop, _client) = started(options()).await;
    assert!(
        shop.set_webhook_target(Some("http://10.0.0.1/".parse().unwrap()))
            .is_err()
    );
    let plain = format!("{:?}", shop.app());
    assert!(!plain.contains(crate::harness::SECRET));
}
