//! The GraphQL documents.
//!
//! Owns: the text of everything we ask Shopify, one file each, so that a test can hold each against Shopify's published schema. Refuses: text that is
//! put together from outside values: those are variables; what varies in a selection is in [`super::selection`]. Invariant: what is listed
//! in [`ALL`] is all there is.

macro_rules! documents {
    ($($name:ident = $file:literal;)*) => {
        $(pub(super) const $name: &str = include_str!(concat!("documents/", $file, ".graphql"));)*

        /// Every document that stands alone, with its name.
        #[cfg(test)]
        pub(super) const ALL: &[(&str, &str)] = &[$(($file, $name)),*];
    };
}

documents! {
    APP_UNINSTALL = "app_uninstall";
    BULK_START = "bulk_start";
    BULK_STATUS = "bulk_status";
    COMPANIES_COUNT = "companies_count";
    COMPANY_CONTACT = "company_contact";
    COMPANY_CONTACT_REMOVE = "company_contact_remove";
    COMPANY_CREATE = "company_create";
    COMPANY_FIND = "company_find";
    COMPANY_UPDATE = "company_update";
    CUSTOMERS_COUNT = "customers_count";
    CUSTOMER_CREATE = "customer_create";
    CUSTOMER_FIND = "customer_find";
    CUSTOMER_PROFILES = "customer_profiles";
    CUSTOMER_UPDATE = "customer_update";
    METAFIELD_DEFINITIONS = "metafield_definitions";
    ORDERS_COUNT = "orders_count";
    ORDERS_VISIBLE = "orders_visible";
    ORDER_MONEY = "order_money";
    REFERENCE_CREATE = "reference_create";
    REFERENCE_DEFINITION = "reference_definition";
    SHOP = "shop";
    WEBHOOKS_LIST = "webhooks_list";
    WEBHOOK_CREATE = "webhook_create";
}

/// What is read of a company, a customer and an order.
pub(super) const COMPANY_FIELDS: &str = include_str!("documents/company_fields.graphql");
pub(super) const CUSTOMER_FIELDS: &str = include_str!("documents/customer_fields.graphql");
pub(super) const ORDER_FIELDS: &str = include_str!("documents/order_fields.graphql");

/// A page of each, which needs its fields.
pub(super) const COMPANIES_PAGE: &str = include_str!("documents/companies_page.graphql");
pub(super) const CUSTOMERS_PAGE: &str = include_str!("documents/customers_page.graphql");
pub(super) const ORDERS_PAGE: &str = include_str!("documents/orders_page.graphql");

/// Some of each by id, which needs its fields.
pub(super) const COMPANIES_BY_ID: &str = include_str!("documents/companies_by_id.graphql");
pub(super) const CUSTOMERS_BY_ID: &str = include_str!("documents/customers_by_id.graphql");
pub(super) const ORDERS_BY_ID: &str = include_str!("documents/orders_by_id.graphql");
