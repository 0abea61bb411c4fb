//! Who may read and write what: the scopes a token has, and the approval for protected customer data.
//!
//! Invariant: a field that is not allowed is null with `ACCESS_DENIED`; what needs no scope is listed nowhere.

use serde_json::json;

use super::gid::Kind;
use super::graphql::Fault;

/// The scopes the sandbox knows.
pub(crate) const SCOPES: &[&str] = &[
    "read_orders",
    "write_orders",
    "read_all_orders",
    "read_customers",
    "write_customers",
    "read_companies",
    "write_companies",
    "read_draft_orders",
    "write_draft_orders",
    "read_products",
    "write_products",
    "read_discounts",
    "write_discounts",
    "read_price_rules",
    "read_marketing_events",
];

/// Scopes without those that others imply: `write_x` holds `read_x`.
pub(crate) fn normalised(scopes: &[String]) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    for scope in scopes {
        let implied = scope.strip_prefix("read_").is_some_and(|what| {
            scopes
                .iter()
                .any(|other| other.strip_prefix("write_") == Some(what))
        });
        if !implied && !out.contains(scope) {
            out.push(scope.clone());
        }
    }
    out
}

/// Every scope held, the implied ones spelt out.
pub(crate) fn spelt_out(scopes: &[String]) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    for scope in scopes {
        out.push(scope.clone());
        if let Some(what) = scope.strip_prefix("write_") {
            out.push(format!("read_{what}"));
        }
    }
    out.sort();
    out.dedup();
    out
}

/// True when one of the scopes is held, or implied by one that is.
pub(crate) fn holds(held: &[String], wanted: &[&str]) -> bool {
    wanted.iter().any(|wanted| {
        held.iter().any(|held| {
            held == wanted
                || (held.strip_prefix("write_").is_some()
                    && held.strip_prefix("write_") == wanted.strip_prefix("read_"))
        })
    })
}

fn denied(field: &str, wanted: &[&str]) -> Fault {
    let scopes: Vec<String> = wanted
        .iter()
        .map(|scope| format!("`{scope}` access scope"))
        .collect();
    let mut fault = Fault::new(
        "ACCESS_DENIED",
        format!(
            "Access denied for {field} field. Required access: {}.",
            scopes.join(" or ")
        ),
    );
    fault.more.push((
        "documentation",
        json!("https://shopify.dev/api/usage/access-scopes"),
    ));
    fault
        .more
        .push(("requiredAccess", json!(format!("{}.", scopes.join(" or ")))));
    fault
}

/// Refuses unless one of the scopes is held.
pub(crate) fn need(held: &[String], field: &str, wanted: &[&str]) -> Result<(), Fault> {
    if wanted.is_empty() || holds(held, wanted) {
        Ok(())
    } else {
        Err(denied(field, wanted))
    }
}

/// What reading one of these needs; any of the scopes is enough.
pub(crate) fn to_read(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Order | Kind::Refund | Kind::OrderTransaction | Kind::LineItem => &["read_orders"],
        Kind::Customer => &["read_customers"],
        Kind::Company | Kind::CompanyContact | Kind::CompanyLocation => {
            &["read_companies", "read_customers"]
        }
        Kind::Shop
        | Kind::MetafieldDefinition
        | Kind::Metafield
        | Kind::WebhookSubscription
        | Kind::BulkOperation
        | Kind::App
        | Kind::AppInstallation => &[],
    }
}

/// What writing one of these needs.
pub(crate) fn to_write(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Order => &["write_orders"],
        Kind::Customer => &["write_customers"],
        Kind::Company | Kind::CompanyContact | Kind::CompanyLocation => {
            &["write_companies", "write_customers"]
        }
        _ => &[],
    }
}

/// Refuses personal fields to an app that was not approved for them.
pub(crate) fn personal(approved: bool, parent: &str, field: &str) -> Result<(), Fault> {
    let protected = match parent {
        "Customer" => matches!(
            field,
            "firstName"
                | "lastName"
                | "displayName"
                | "email"
                | "defaultEmailAddress"
                | "phone"
                | "defaultPhoneNumber"
                | "defaultAddress"
        ),
        "Order" => matches!(
            field,
            "email" | "phone" | "billingAddress" | "shippingAddress"
        ),
        _ => false,
    };
    if approved || !protected {
        return Ok(());
    }
    let mut fault = Fault::new(
        "ACCESS_DENIED",
        format!(
            "This app is not approved to use the {field} field. See https://shopify.dev/docs/apps/launch/protected-customer-data for more details."
        ),
    );
    fault.more.push((
        "documentation",
        json!("https://shopify.dev/docs/apps/launch/protected-customer-data"),
    ));
    Err(fault)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(scopes: &[&str]) -> Vec<String> {
        scopes.iter().map(|scope| (*scope).to_owned()).collect()
    }

    #[test]
    fn writing_implies_reading() {
        let held = list(&["read_orders", "write_orders", "read_customers"]);
        assert_eq!(normalised(&held), list(&["write_orders", "read_customers"]));
        assert!(holds(&list(&["write_orders"]), &["read_orders"]));
        assert!(!holds(&list(&["read_orders"]), &["write_orders"]));
        assert!(!holds(&list(&["write_orders"]), &["read_all_orders"]));
    }
}
