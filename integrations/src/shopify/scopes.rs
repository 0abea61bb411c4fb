//! Scopes.
//!
//! Owns: what we ask a shop for, and the reading of what it granted. Refuses: to take a grant for less than it is: `write_x` includes
//! `read_x`, and Shopify names only the greater one. Invariant: granted scopes are sorted, each once, with what they include.

use std::collections::BTreeSet;

/// Orders of the last sixty days.
pub(super) const READ_ORDERS: &str = "read_orders";
/// All orders; Shopify gives it to apps that have asked for a reason.
pub(super) const READ_ALL_ORDERS: &str = "read_all_orders";
pub(super) const READ_CUSTOMERS: &str = "read_customers";
pub(super) const WRITE_CUSTOMERS: &str = "write_customers";
pub(super) const READ_COMPANIES: &str = "read_companies";
pub(super) const WRITE_COMPANIES: &str = "write_companies";

/// Without these nothing works.
pub(super) const REQUIRED: [&str; 2] = [READ_ORDERS, READ_CUSTOMERS];

/// What is only needed for more. `write_…` includes `read_…`, but is refused by shops that grant reading only, so both are named.
pub(super) const OPTIONAL: [&str; 4] = [
    READ_ALL_ORDERS,
    WRITE_CUSTOMERS,
    READ_COMPANIES,
    WRITE_COMPANIES,
];

/// What a shop granted, of the list in a token's answer.
pub(super) fn granted(list: &str) -> Vec<String> {
    let mut scopes: BTreeSet<String> = list
        .split([',', ' '])
        .map(str::trim)
        .filter(|scope| !scope.is_empty())
        .map(str::to_owned)
        .collect();
    let included: Vec<String> = scopes
        .iter()
        .filter_map(|scope| scope.strip_prefix("write_"))
        .map(|what| format!("read_{what}"))
        .collect();
    scopes.extend(included);
    scopes.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writing_includes_reading() {
        assert_eq!(
            granted("write_customers,read_orders, read_orders"),
            ["read_customers", "read_orders", "write_customers"]
        );
        assert_eq!(granted("read_all_orders"), ["read_all_orders"]);
        assert_eq!(granted(" , "), Vec::<String>::new());
        assert!(
            granted("read_orders")
                .iter()
                .all(|scope| scope != "write_orders")
        );
    }
}
