//! What vendors tell of whole accounts: removals, withdrawn consents, changed scopes; and the care of subscriptions.

use super::*;

const SHOP: &str = "shop";

fn ms(bed: &Bed) -> i64 {
    bed.database.now().millis()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_app_leaves_no_credentials_in_whatever_order_it_is_told() {
    for order in [["uninstalled", "revoked"], ["revoked", "uninstalled"]] {
        let bed = bed_of(vec![Vendor::shop(SHOP, "1")]).await;
        for word in order.into_iter().chain(order) {
            let said = format!("{word}|{}", ms(&bed));
            bed.tell(SHOP, &[("1", "account", &said), ("2", "account", &said)])
                .await;
            bed.drain().await;
        }
        let row = bed.connection_of(SHOP).await;
        assert_eq!(row.status, ConnectionStatus::Revoked);
        assert!(row.credentials.is_none());
        assert!(row.status_reason.unwrap().contains("removed at the vendor"));
        assert_eq!(bed.events("connection.disconnected").await.len(), 1);
        // The account is connected again; what is told late of the consent before concerns nobody.
        let late = format!("uninstalled|{}", ms(&bed));
        bed.clock.0.fetch_add(1_000, Ordering::SeqCst);
        connect(&bed.engine, SHOP).await;
        bed.tell(SHOP, &[("1", "account", &late)]).await;
        bed.drain().await;
        let row = bed.connection_of(SHOP).await;
        assert_eq!(row.status, ConnectionStatus::Active);
        assert!(row.credentials.is_some());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn withdrawn_tokens_ask_for_a_person_and_changed_scopes_for_a_new_token() {
    let bed = bed_of(vec![Vendor::shop(SHOP, "1")]).await;
    bed.tell(SHOP, &[("1", "account", "scopes")]).await;
    bed.drain().await;
    assert!(bed.connection_of(SHOP).await.scopes_changed_at.is_some());
    let refreshed = bed.vendor.asked.load(Ordering::SeqCst);
    bed.engine.keeper().open(bed.connection.id).await.unwrap();
    bed.engine.keeper().open(bed.connection.id).await.unwrap();
    assert_eq!(bed.vendor.asked.load(Ordering::SeqCst), refreshed + 1);
    let row = bed.connection_of(SHOP).await;
    assert_eq!(row.scopes_changed_at, None);
    let said = format!("revoked|{}", ms(&bed));
    bed.tell(SHOP, &[("1", "account", &said)]).await;
    bed.drain().await;
    let row = bed.connection_of(SHOP).await;
    assert_eq!(row.status, ConnectionStatus::ReauthRequired);
    assert!(row.credentials.is_some());
    assert_eq!(bed.events("connection.reauth_required").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn subscriptions_are_made_and_made_again_when_they_have_gone() {
    let vendor = Vendor::shop(SHOP, "1");
    *vendor.subscribed.lock().unwrap() = Some(std::collections::BTreeSet::new());
    let bed = bed_of(vec![vendor]).await;
    // Nobody is asked to send anything before it is known where to.
    assert!(!bed.engine.tend_step().await.unwrap());
    bed.engine
        .reached_at(url::Url::parse("https://us.example/base/").unwrap());
    assert!(bed.engine.tend_step().await.unwrap());
    assert!(!bed.engine.tend_step().await.unwrap());
    let topics = || bed.vendor.subscribed.lock().unwrap().clone().unwrap();
    assert_eq!(
        topics().into_iter().collect::<Vec<_>>(),
        [
            "orders https://us.example/base/hooks/shop",
            "refunds https://us.example/base/hooks/shop"
        ]
    );
    let kind = "connection.subscriptions_restored";
    assert!(bed.events(kind).await.is_empty());
    bed.vendor
        .subscribed
        .lock()
        .unwrap()
        .as_mut()
        .unwrap()
        .clear();
    bed.clock.0.fetch_add(3_600_001, Ordering::SeqCst);
    bed.vendor.fail(ConnectorError::transient("down"));
    assert!(bed.engine.tend_step().await.unwrap());
    let row = bed.connection_of(SHOP).await;
    assert!(row.tending_error.clone().unwrap().contains("down"));
    let facts = crate::health::facts(&bed.database, std::slice::from_ref(&row))
        .await
        .unwrap();
    let health = crate::health::judge(&facts[&row.id], bed.database.now());
    assert!(health.summary.contains("webhooks"), "{health:?}");
    assert!(!bed.engine.tend_step().await.unwrap());
    bed.clock.0.fetch_add(900_001, Ordering::SeqCst);
    assert!(bed.engine.tend_step().await.unwrap());
    assert_eq!(topics().len(), 2);
    assert_eq!(bed.connection_of(SHOP).await.tending_error, None);
    let told = bed.events(kind).await;
    assert_eq!(
        (told.len(), told[0].data["made"].as_array().unwrap().len()),
        (1, 2)
    );
}
