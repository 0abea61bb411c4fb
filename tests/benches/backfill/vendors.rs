//! Whose first synchronisation is measured: what of each vendor there is to read, and how its double is started.

use super::sandboxed::{Running, app};
use integrations::Endpoints;
use integrations::hubspot::HubSpotEndpoints;
use integrations::salesforce::SalesforceEndpoints;
use integrations::shopify::ShopifyEndpoints;
use sandbox::{
    Faults, HubSpot, HubSpotOptions, Limits, Salesforce, SalesforceFeatures, SalesforceLimits,
    SalesforceOptions, SalesforceSource, ShopSource, Shopify, ShopifyLimits, ShopifyOptions,
    Source,
};
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use url::Url;

const SEED: u64 = 7;
const SHOP: &str = "entente-bench.myshopify.com";

/// A vendor, and how much of it is read.
pub struct Vendor {
    /// Its connector.
    pub id: &'static str,
    /// What is counted: `deals`.
    pub counted: &'static str,
    /// How many of them; what belongs to them follows in proportion.
    pub count: usize,
    /// What a person types to connect it, if anything.
    pub site: Option<&'static str>,
    /// Where its double is, told to the engine.
    pub endpoints: fn(Url) -> Endpoints,
    /// Starts its double with so many.
    pub start: fn(usize) -> Pin<Box<dyn Future<Output = Running>>>,
}

/// All that are measured.
pub static VENDORS: [Vendor; 3] = [
    Vendor {
        id: "hubspot",
        counted: "deals",
        count: 100_000,
        site: None,
        endpoints: |at| Endpoints {
            hubspot: HubSpotEndpoints::at(at),
            ..Endpoints::default()
        },
        start: |deals| Box::pin(hubspot(deals)),
    },
    Vendor {
        id: "salesforce",
        counted: "opportunities",
        count: 100_000,
        site: None,
        endpoints: |at| Endpoints {
            salesforce: SalesforceEndpoints::at(at),
            ..Endpoints::default()
        },
        start: |opportunities| Box::pin(salesforce(opportunities)),
    },
    Vendor {
        id: "shopify",
        counted: "orders",
        count: 60_000,
        site: Some(SHOP),
        endpoints: |at| Endpoints {
            shopify: ShopifyEndpoints::at(at),
            ..Endpoints::default()
        },
        start: |orders| Box::pin(shopify(orders)),
    },
];

/// The one of this name.
pub fn named(id: &str) -> Option<&'static Vendor> {
    VENDORS.iter().find(|vendor| vendor.id == id)
}

fn listen() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, 0))
}

async fn hubspot(deals: usize) -> Running {
    let options = HubSpotOptions {
        listen: listen(),
        state: None,
        source: Source::Generated { deals },
        app: app("hubspot"),
        webhook_target: None,
        limits: Limits::none(),
        faults: Faults::default(),
        seed: SEED,
    };
    let sandbox = HubSpot::start(options).await.expect("the sandbox starts");
    (sandbox.url(), Box::new(sandbox))
}

async fn salesforce(opportunities: usize) -> Running {
    let options = SalesforceOptions {
        listen: listen(),
        state: None,
        source: SalesforceSource::Generated { opportunities },
        features: SalesforceFeatures::default(),
        app: app("salesforce"),
        webhook_target: None,
        limits: SalesforceLimits::none(),
        faults: Faults::default(),
        seed: SEED,
    };
    let sandbox = Salesforce::start(options)
        .await
        .expect("the sandbox starts");
    (sandbox.url(), Box::new(sandbox))
}

async fn shopify(orders: usize) -> Running {
    let options = ShopifyOptions {
        domain: SHOP.to_owned(),
        source: ShopSource::Generated { orders },
        limits: ShopifyLimits::none(),
        seed: SEED,
        ..ShopifyOptions::new(app("shopify"))
    };
    let sandbox = Shopify::start(options).await.expect("the sandbox starts");
    (sandbox.url(), Box::new(sandbox))
}
