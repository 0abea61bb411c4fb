//! Webhook subscriptions made over the API, and the topics there are.

use serde::{Deserialize, Serialize};
use url::Url;

use crate::app::check_target;

/// A subscription made over the API.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Subscription {
    pub(crate) id: u64,
    /// As the schema names it: `ORDERS_CREATE`.
    pub(crate) topic: String,
    pub(crate) uri: String,
    pub(crate) name: Option<String>,
    pub(crate) include_fields: Vec<String>,
    pub(crate) metafield_namespaces: Vec<String>,
    pub(crate) created_at: i64,
    pub(crate) updated_at: i64,
}

/// Topics an app subscribes to in its configuration by default: the privacy ones, and what concerns the app itself.
pub(crate) const CONFIGURED: [&str; 5] = [
    "customers/data_request",
    "customers/redact",
    "shop/redact",
    "app/uninstalled",
    "app/scopes_update",
];

/// The words a topic begins with, as the schema writes them, and the scopes it needs.
const RESOURCES: [(&str, &[&str]); 11] = [
    ("APP", &[]),
    ("BULK_OPERATIONS", &[]),
    ("COMPANIES", &["read_companies", "read_customers"]),
    ("COMPANY_CONTACTS", &["read_companies", "read_customers"]),
    ("CUSTOMERS", &["read_customers"]),
    ("DRAFT_ORDERS", &["read_draft_orders"]),
    ("ORDER_TRANSACTIONS", &["read_orders"]),
    ("ORDERS", &["read_orders"]),
    ("REFUNDS", &["read_orders"]),
    ("SHOP", &[]),
    ("TENDER_TRANSACTIONS", &["read_orders"]),
];

fn resource(topic: &str) -> Option<&'static (&'static str, &'static [&'static str])> {
    RESOURCES.iter().find(|(name, _)| {
        topic
            .strip_prefix(name)
            .is_some_and(|rest| rest.starts_with('_'))
    })
}

/// `ORDERS_CREATE` as headers write it: `orders/create`.
pub(crate) fn slashed(topic: &str) -> String {
    match resource(topic).and_then(|(name, _)| topic.strip_prefix(name).map(|rest| (name, rest))) {
        Some((name, rest)) => format!(
            "{}/{}",
            name.to_lowercase(),
            rest.trim_start_matches('_').to_lowercase()
        ),
        None => topic.to_lowercase(),
    }
}

/// The scopes of which one is needed to hear of a topic.
pub(crate) fn scope_of(topic: &str) -> Option<&'static [&'static str]> {
    resource(topic)
        .map(|(_, scopes)| *scopes)
        .filter(|scopes| !scopes.is_empty())
}

/// Checks an address. The vendor wants https; the sandbox sends to loopback only, and takes plain http there.
pub(crate) fn check_address(uri: &str) -> Result<(), String> {
    let url = Url::parse(uri).map_err(|_| "Address is invalid".to_owned())?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(format!(
            "Address protocol {}:// is not supported",
            url.scheme()
        ));
    }
    check_target(&url)
        .map_err(|_| "Address is not allowed (the sandbox sends to loopback only)".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_have_two_ways_of_writing() {
        assert_eq!(slashed("ORDERS_CREATE"), "orders/create");
        assert_eq!(
            slashed("ORDER_TRANSACTIONS_CREATE"),
            "order_transactions/create"
        );
        assert_eq!(
            slashed("COMPANY_CONTACTS_UPDATE"),
            "company_contacts/update"
        );
        assert_eq!(slashed("APP_SCOPES_UPDATE"), "app/scopes_update");
        assert_eq!(slashed("BULK_OPERATIONS_FINISH"), "bulk_operations/finish");
        assert_eq!(scope_of("ORDERS_CREATE"), Some(&["read_orders"][..]));
        assert_eq!(scope_of("APP_UNINSTALLED"), None);
    }

    #[test]
    fn only_loopback_is_sent_to() {
        assert!(check_address("http://127.0.0.1:8080/hooks").is_ok());
        assert!(check_address("https://example.com/hooks").is_err());
        assert!(check_address("pubsub://project:topic").is_err());
        assert!(check_address("nonsense").is_err());
    }
}
