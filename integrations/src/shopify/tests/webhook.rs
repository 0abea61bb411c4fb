//! Deliveries.

use super::*;
use crate::webhook::{
    AccountSignalKind, Delivery, InboundRequest, PrivacyKind, Reason, SignalKind, Signals, Verdict,
    Webhooks,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use secrecy::SecretString;
use sha2::Sha256;

fn shopify() -> Shopify {
    Shopify::new(ShopifyEndpoints::default())
}

fn sign(secret: &str, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(body.as_bytes());
    STANDARD.encode(mac.finalize().into_bytes())
}

fn headers(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

fn judge(secrets: &[&str], pairs: &[(&str, &str)], body: &str) -> Verdict {
    let headers = headers(pairs);
    let secrets: Vec<SecretString> = secrets
        .iter()
        .map(|text| SecretString::from(*text))
        .collect();
    let request = InboundRequest {
        method: "POST",
        public_url: "https://entente.example.com/hooks/shopify",
        headers: &headers,
        body: body.as_bytes(),
        tenant_id: None,
    };
    shopify().verify(&secrets, &request, NOW)
}

fn key(verdict: Verdict) -> String {
    match verdict {
        Verdict::Accepted { dedupe_key } => dedupe_key,
        other => panic!("{other:?}"),
    }
}

fn read(topic: &str, body: &str) -> Signals {
    let headers = headers(&[
        ("x-shopify-topic", topic),
        ("x-shopify-shop-domain", SHOP),
        ("x-shopify-webhook-id", "w-1"),
        ("x-shopify-event-id", "e-1"),
        ("x-shopify-triggered-at", "2026-11-01T10:00:27.877041743Z"),
    ]);
    let delivery = Delivery {
        headers: &headers,
        body: body.as_bytes(),
        tenant_id: None,
    };
    shopify().parse(&delivery).unwrap()
}

fn told(topic: &str, body: &str) -> (Resource, String, SignalKind) {
    let mut read = read(topic, body);
    assert_eq!(
        (read.signals.len(), read.malformed.len(), read.ignored.len()),
        (1, 0, 0),
        "{topic}: {read:?}"
    );
    let signal = read.signals.remove(0);
    assert_eq!(signal.tenant_id, SHOP);
    assert_eq!(signal.occurred_at_ms, 1_793_527_227_877);
    (signal.resource, signal.external_id, signal.kind)
}

#[test]
fn the_published_signature_is_accepted_under_either_secret() {
    let (body, signature) = (
        r#"{"foo": "bar"}"#,
        "B23tXN681gZ0qIWNRrgtzBE9XSDo5yaUu6wfmhu3a7g=",
    );
    for name in [
        "X-Shopify-Hmac-Sha256",
        "x-shopify-hmac-sha256",
        "shopify-hmac-sha256",
    ] {
        for secrets in [
            &["test_secret_key"][..],
            &["new", "test_secret_key"],
            &["test_secret_key", "old"],
        ] {
            key(judge(secrets, &[(name, signature)], body));
        }
    }
    let name = "X-Shopify-Hmac-Sha256";
    assert_eq!(
        judge(&["other"], &[(name, signature)], body),
        Verdict::Rejected(Reason::WrongSignature)
    );
    assert_eq!(
        judge(&[], &[(name, signature)], body),
        Verdict::Rejected(Reason::NoSecret)
    );
    assert_eq!(
        judge(&["test_secret_key"], &[], body),
        Verdict::Rejected(Reason::MissingSignature)
    );
    assert_eq!(
        judge(&["test_secret_key"], &[(name, "B23t")], body),
        Verdict::Rejected(Reason::MalformedSignature)
    );
    assert_eq!(
        judge(
            &["test_secret_key"],
            &[(name, signature)],
            r#"{"foo":"bar"}"#
        ),
        Verdict::Rejected(Reason::WrongSignature)
    );
    let both = [(name, signature), ("shopify-hmac-sha256", signature)];
    assert_eq!(
        judge(&["test_secret_key"], &both, body),
        Verdict::Rejected(Reason::MissingSignature)
    );
}

/// Trap: a signature of the consent replayed as one of a webhook: the same secret signs both, in other encodings.
#[test]
fn a_signature_of_the_consent_opens_no_webhook() {
    let message = "code=c&shop=some-shop.myshopify.com&timestamp=1337178173";
    let mut mac = Hmac::<Sha256>::new_from_slice(b"hush").unwrap();
    mac.update(message.as_bytes());
    let signature = hex::encode(mac.finalize().into_bytes());
    assert_eq!(
        judge(&["hush"], &[("X-Shopify-Hmac-Sha256", &signature)], message),
        Verdict::Rejected(Reason::MalformedSignature)
    );
    // Whoever could write it in the other encoding would have a body that is no JSON.
    let again = sign("hush", message);
    key(judge(
        &["hush"],
        &[("X-Shopify-Hmac-Sha256", &again)],
        message,
    ));
    assert!(shopify().parse(&Delivery::of(message.as_bytes())).is_err());
}

#[test]
fn a_retry_has_the_same_key_and_another_topic_of_one_action_another() {
    let body = "{}";
    let signature = sign("s", body);
    let with = |topic: &str, shop: &str, id: &str, event: &str, attempt: &str| {
        key(judge(
            &["s"],
            &[
                ("X-Shopify-Hmac-Sha256", &signature),
                ("X-Shopify-Topic", topic),
                ("X-Shopify-Shop-Domain", shop),
                ("X-Shopify-Webhook-Id", id),
                ("X-Shopify-Event-Id", event),
                ("X-Shopify-Triggered-At", attempt),
            ],
            body,
        ))
    };
    let first = with("orders/create", SHOP, "w-1", "e-1", "1");
    assert_eq!(first, with("orders/create", SHOP, "w-1", "e-1", "2"));
    for other in [
        with("orders/paid", SHOP, "w-2", "e-1", "1"),
        with("orders/paid", SHOP, "w-1", "e-1", "1"),
        with(
            "orders/create",
            "other-shop.myshopify.com",
            "w-1",
            "e-1",
            "1",
        ),
        with("orders/create", SHOP, "w-2", "e-1", "1"),
        with("orders/create", SHOP, "", "e-1", "1"),
    ] {
        assert_ne!(first, other);
    }
    let without = |body: &str| {
        key(judge(
            &["s"],
            &[("X-Shopify-Hmac-Sha256", &sign("s", body))],
            body,
        ))
    };
    assert_ne!(without("{}"), without("{ }"));
}

/// Bodies of the older shape: ids of 64 bits as numbers, escapes, a payment told before its order.
#[test]
fn topics_become_signals() {
    let order = r#"{"id":820982911946154508,"admin_graphql_api_id":"gid:\/\/shopify\/Order\/820982911946154508","updated_at":"2021-12-31T19:00:00-05:00","total_price":"404.95"}"#;
    for topic in [
        "orders/create",
        "orders/updated",
        "orders/paid",
        "orders/cancelled",
        "orders/fulfilled",
    ] {
        assert_eq!(
            told(topic, order),
            (
                Resource::Order,
                "820982911946154508".to_owned(),
                SignalKind::Changed
            ),
            "{topic}"
        );
    }
    let changed = |resource, id: &str| (resource, id.to_owned(), SignalKind::Changed);
    let deleted = |resource, id: &str| (resource, id.to_owned(), SignalKind::Deleted);
    assert_eq!(
        told("orders/delete", r#"{"id":820982911946154508}"#),
        deleted(Resource::Order, "820982911946154508")
    );
    assert_eq!(
        told(
            "orders/edited",
            r#"{"order_edit":{"id":78912328793123789,"order_id":820982911946154508}}"#
        ),
        changed(Resource::Order, "820982911946154508")
    );
    assert_eq!(
        told(
            "refunds/create",
            r#"{"id":890088186047892319,"order_id":820982911946154508,"admin_graphql_api_id":"gid://shopify/Refund/890088186047892319"}"#
        ),
        changed(Resource::Order, "820982911946154508")
    );
    assert_eq!(
        told("order_transactions/create", r#"{"id":1,"order_id":7}"#),
        changed(Resource::Order, "7")
    );
    assert_eq!(
        told("customers/update", r#"{"id":706405506930370084}"#),
        changed(Resource::Contact, "706405506930370084")
    );
    assert_eq!(
        told(
            "customers/delete",
            r#"{"id":706405506930370000,"admin_graphql_api_id":"gid://shopify/Customer/706405506930370084"}"#
        ),
        deleted(Resource::Contact, "706405506930370084"),
        "text cannot have been rounded"
    );
    let company =
        r#"{"name":"Example","admin_graphql_api_id":"gid://shopify/Company/408372092144951419"}"#;
    assert_eq!(
        told("companies/update", company),
        changed(Resource::Company, "408372092144951419")
    );
    assert_eq!(
        told("companies/delete", company),
        deleted(Resource::Company, "408372092144951419")
    );
    let tie = r#"{"customer_admin_graphql_api_id":"gid://shopify/Customer/12123842227812391","admin_graphql_api_id":"gid://shopify/CompanyContact/1"}"#;
    assert_eq!(
        told("company_contacts/delete", tie),
        changed(Resource::Contact, "12123842227812391")
    );
}

#[test]
fn a_merge_counts_when_it_is_done() {
    let body = |status: &str| {
        format!(
            r#"{{"admin_graphql_api_customer_kept_id":"gid://shopify/Customer/1","admin_graphql_api_customer_deleted_id":"gid://shopify/Customer/2","status":"{status}","errors":[]}}"#
        )
    };
    let merged = SignalKind::Merged {
        into: "1".into(),
        from: vec!["2".into()],
    };
    assert_eq!(
        told("customers/merge", &body("completed")),
        (Resource::Contact, "1".to_owned(), merged)
    );
    for status in ["failed", "in_progress", "requested"] {
        let read = read("customers/merge", &body(status));
        assert_eq!(
            (read.signals.len(), read.malformed.len()),
            (0, 0),
            "{status}"
        );
    }
    assert_eq!(read("customers/merge", &body("odd")).malformed.len(), 1);
}

#[test]
fn what_happens_to_the_app_is_about_the_account() {
    let uninstalled = format!(
        r#"{{"id":548380009,"name":"Super Toys","shop_owner":"J","myshopify_domain":"{SHOP}"}}"#
    );
    let read_one = read("app/uninstalled", &uninstalled);
    assert_eq!(
        (
            read_one.account[0].tenant_id.as_str(),
            read_one.account[0].kind
        ),
        (SHOP, AccountSignalKind::Uninstalled)
    );
    let untold = read(
        "app/uninstalled",
        r#"{"id":548380009,"shop_owner":"J","myshopify_domain":null}"#,
    );
    assert_eq!(untold.account.len(), 1);
    let scopes = read(
        "app/scopes_update",
        r#"{"id":1,"shop_id":"gid://shopify/Shop/548380009","previous":[],"current":["read_products"],"updated_at":"2024-06-25T00:00:00.000Z"}"#,
    );
    assert_eq!(scopes.account[0].kind, AccountSignalKind::ScopesChanged);
    // An order's signed body cannot be sent as the end of a connection, nor another shop's.
    for body in [
        r#"{"id":1}"#,
        r#"{"id":1,"myshopify_domain":null}"#,
        r#"{"shop_owner":"J","myshopify_domain":"other-shop.myshopify.com"}"#,
    ] {
        let read = read("app/uninstalled", body);
        assert_eq!((read.account.len(), read.malformed.len()), (0, 1), "{body}");
    }
}

#[test]
fn wishes_about_personal_data_must_name_their_shop() {
    let body = |shop: &str| {
        format!(
            r#"{{"shop_id":954889,"shop_domain":"{shop}","customer":{{"id":191167,"email":"john@example.com","phone":""}},"orders_requested":[299938,820982911946154508],"orders_to_redact":[1],"data_request":{{"id":9999}}}}"#
        )
    };
    let mut asked = read("customers/data_request", &body(SHOP));
    let wish = asked.privacy.remove(0);
    assert_eq!(
        (wish.kind, wish.request_id.as_str(), wish.tenant_id.as_str()),
        (
            PrivacyKind::DataRequest,
            "customers/data_request:9999",
            SHOP
        )
    );
    let person = wish.person.unwrap();
    assert_eq!(
        (
            person.external_id.as_deref(),
            person.email.as_deref(),
            person.phone
        ),
        (Some("191167"), Some("john@example.com"), None)
    );
    assert_eq!(
        wish.records,
        [
            (Resource::Order, "299938".to_owned()),
            (Resource::Order, "820982911946154508".to_owned())
        ]
    );
    let erased = body(SHOP).replace(r#","data_request":{"id":9999}"#, "");
    let mut redact = read("customers/redact", &erased);
    let wish = redact.privacy.remove(0);
    assert_eq!(
        (wish.kind, wish.request_id.as_str(), wish.records.len()),
        (PrivacyKind::RedactPerson, "customers/redact:w-1", 1)
    );
    let mut shop = read(
        "shop/redact",
        &format!(r#"{{"shop_id":954889,"shop_domain":"{SHOP}"}}"#),
    );
    let wish = shop.privacy.remove(0);
    assert_eq!(
        (wish.kind, wish.person.is_none(), wish.records.len()),
        (PrivacyKind::RedactAccount, true, 0)
    );
    for topic in ["customers/data_request", "customers/redact", "shop/redact"] {
        for bad in [
            body("other-shop.myshopify.com"),
            body("evil.example"),
            "{}".to_owned(),
            r#"{"shop_domain":null,"shop_owner":"J"}"#.to_owned(),
        ] {
            let read = read(topic, &bad);
            assert_eq!(
                (read.privacy.len(), read.malformed.len()),
                (0, 1),
                "{topic} {bad}"
            );
        }
    }
    let nobody = format!(r#"{{"shop_domain":"{SHOP}","customer":{{}}}}"#);
    assert_eq!(
        read("customers/redact", &nobody).malformed.len(),
        1,
        "whom to erase is never guessed"
    );
    let odd =
        format!(r#"{{"shop_domain":"{SHOP}","customer":{{"id":1}},"orders_to_redact":["x"]}}"#);
    assert_eq!(read("customers/redact", &odd).malformed.len(), 1);
}

#[test]
fn what_nobody_deals_with_is_named_and_what_is_flawed_is_told() {
    assert_eq!(
        read("draft_orders/create", "{}").ignored,
        ["draft_orders/create"]
    );
    assert_eq!(
        read("bulk_operations/finish", r#"{"status":"completed"}"#).ignored,
        ["bulk_operations/finish"]
    );
    let flawed = read("orders/create", r#"{"id":-5}"#);
    assert!(flawed.signals.is_empty() && flawed.malformed[0].reason.contains("orders/create"));
    let elsewhere = [
        ("x-shopify-topic", "orders/create"),
        ("x-shopify-shop-domain", "evil.example"),
    ];
    for pairs in [&elsewhere[..], &elsewhere[..1], &[]] {
        let headers = headers(pairs);
        let delivery = Delivery {
            headers: &headers,
            body: br#"{"id":1}"#,
            tenant_id: None,
        };
        let read = shopify().parse(&delivery).unwrap();
        assert_eq!((read.signals.len(), read.malformed.len()), (0, 1));
    }
    for body in ["", "[]", "7", "null", "<xml/>", "{"] {
        assert!(
            shopify().parse(&Delivery::of(body.as_bytes())).is_err(),
            "{body}"
        );
    }
}

#[test]
fn the_newer_spelling_of_headers_says_the_same() {
    let pairs = [
        ("shopify-topic", "orders"),
        ("shopify-action", "create"),
        ("shopify-shop-domain", SHOP),
        ("shopify-webhook-id", "w"),
    ];
    let headers = headers(&pairs);
    let delivery = Delivery {
        headers: &headers,
        body: br#"{"id":1,"created_at":"2026-11-01T10:00:00Z"}"#,
        tenant_id: None,
    };
    let read = shopify().parse(&delivery).unwrap();
    assert_eq!(
        (read.signals[0].resource, read.signals[0].occurred_at_ms),
        (Resource::Order, NOW)
    );
    assert!(
        pairs
            .iter()
            .all(|(name, _)| shopify().kept_headers().contains(name)),
        "what is read is kept"
    );
}
