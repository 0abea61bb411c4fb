//! The other sandboxes beside the app: Salesforce, Shopify and Slack; and a person who connects any of them.
//!
//! Each setup says how one begins; ordinarily empty, without limits and without delays, so that a test need not wait.

use crate::hubspot::{CLIENT_ID, CLIENT_SECRET, HubSpotSetup};
use api::config::public_url::PublicUrl;
use api::http::connect::callback_path;
use api::state::State;
use integrations::Endpoints;
use integrations::connector::webhook_path;
use integrations::hubspot::{self, HubSpotEndpoints};
use integrations::salesforce::{self, SalesforceEndpoints};
use integrations::shopify::{self, ShopifyEndpoints};
use integrations::slack::{self, SlackEndpoints};
use integrations::sync::connect::{self, Asking};
use reqwest::header;
use sandbox::{
    App, Faults, HubSpot, Salesforce, SalesforceFeatures, SalesforceLimits, SalesforceOptions,
    SalesforceSource, ShopSource, Shopify, ShopifyLimits, ShopifyOptions, Slack, SlackLimits,
    SlackOptions,
};
use secrecy::SecretString;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;
use url::Url;

/// What signs Slack's requests to us.
pub const SIGNING_SECRET: &str = "the-signing-secret-of-the-tests-app";

/// The domain of the shop.
pub const SHOP: &str = "entente-tests.myshopify.com";

fn listen() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, 0))
}

fn app(public_url: &PublicUrl, connector: &str) -> App {
    App {
        app_id: 910_001,
        client_id: CLIENT_ID.to_owned(),
        client_secret: CLIENT_SECRET.to_owned(),
        redirect_uris: vec![public_url.at(&callback_path(connector))],
    }
}

/// How an org begins.
#[derive(Clone, Debug)]
pub struct SalesforceSetup {
    /// Its records.
    pub source: SalesforceSource,
    /// How its admins have set it up.
    pub features: SalesforceFeatures,
    /// Limits and delays.
    pub limits: SalesforceLimits,
    /// Failures from the start.
    pub faults: Faults,
    /// Whether its outbound messages are sent to the connection's door, from when it is connected.
    pub messages: bool,
}

impl Default for SalesforceSetup {
    fn default() -> Self {
        Self {
            source: SalesforceSource::Empty,
            features: SalesforceFeatures::default(),
            limits: SalesforceLimits {
                message_time_scale: 0.0,
                message_gather: Duration::from_millis(5),
                ..SalesforceLimits::none()
            },
            faults: Faults::default(),
            messages: false,
        }
    }
}

impl SalesforceSetup {
    async fn start(self, public_url: &PublicUrl) -> Salesforce {
        let options = SalesforceOptions {
            listen: listen(),
            state: None,
            source: self.source,
            features: self.features,
            app: app(public_url, salesforce::ID),
            webhook_target: None,
            limits: self.limits,
            faults: self.faults,
            seed: 7,
        };
        Salesforce::start(options)
            .await
            .expect("the sandbox starts")
    }
}

/// How a shop begins.
#[derive(Clone, Debug)]
pub struct ShopifySetup {
    /// Its records.
    pub source: ShopSource,
    /// Limits and delays.
    pub limits: ShopifyLimits,
    /// Failures from the start.
    pub faults: Faults,
    /// Whether the topics of the app's own configuration are sent to the app.
    pub webhooks: bool,
}

impl Default for ShopifySetup {
    fn default() -> Self {
        Self {
            source: ShopSource::Empty,
            limits: ShopifyLimits {
                bucket: None,
                index_lag: Duration::ZERO,
                bulk_delay: Duration::ZERO,
                webhook_time_scale: 0.0,
                ..ShopifyLimits::default()
            },
            faults: Faults::default(),
            webhooks: false,
        }
    }
}

impl ShopifySetup {
    async fn start(self, public_url: &PublicUrl) -> Shopify {
        let target = public_url.url_at(&webhook_path(shopify::ID));
        let options = ShopifyOptions {
            domain: SHOP.to_owned(),
            source: self.source,
            webhook_target: self.webhooks.then_some(target),
            limits: self.limits,
            faults: self.faults,
            seed: 7,
            ..ShopifyOptions::new(app(public_url, shopify::ID))
        };
        Shopify::start(options).await.expect("the sandbox starts")
    }
}

/// How a team begins.
#[derive(Clone, Debug)]
pub struct SlackSetup {
    /// Limits and delays.
    pub limits: SlackLimits,
    /// Failures from the start.
    pub faults: Faults,
    /// Whether events and button presses are sent to the app.
    pub webhooks: bool,
}

impl Default for SlackSetup {
    fn default() -> Self {
        Self {
            limits: SlackLimits {
                webhook_time_scale: 0.0,
                ..SlackLimits::none()
            },
            faults: Faults::default(),
            webhooks: true,
        }
    }
}

impl SlackSetup {
    async fn start(self, public_url: &PublicUrl) -> Slack {
        let target = public_url.url_at(&webhook_path(slack::ID));
        let options = SlackOptions {
            listen: listen(),
            state: None,
            more_channels: 0,
            app: app(public_url, slack::ID),
            signing_secret: SIGNING_SECRET.to_owned(),
            webhook_target: self.webhooks.then_some(target),
            events: SlackOptions::usual_events(),
            limits: self.limits,
            faults: self.faults,
            seed: 7,
        };
        Slack::start(options).await.expect("the sandbox starts")
    }
}

/// How each sandbox begins; none that is not named.
#[derive(Clone, Debug, Default)]
pub struct Setups {
    /// HubSpot's.
    pub hubspot: Option<HubSpotSetup>,
    /// Salesforce's.
    pub salesforce: Option<SalesforceSetup>,
    /// Shopify's.
    pub shopify: Option<ShopifySetup>,
    /// Slack's.
    pub slack: Option<SlackSetup>,
}

impl Setups {
    pub(crate) async fn start(self, public_url: &PublicUrl) -> Vendors {
        let messages = self.salesforce.as_ref().is_some_and(|setup| setup.messages);
        let mut vendors = Vendors {
            messages,
            ..Vendors::default()
        };
        if let Some(setup) = self.hubspot {
            vendors.hubspot = Some(setup.start(public_url).await);
        }
        if let Some(setup) = self.salesforce {
            vendors.salesforce = Some(setup.start(public_url).await);
        }
        if let Some(setup) = self.shopify {
            vendors.shopify = Some(setup.start(public_url).await);
        }
        if let Some(setup) = self.slack {
            vendors.slack = Some(setup.start(public_url).await);
        }
        vendors
    }
}

/// The sandboxes that run.
#[derive(Debug, Default)]
pub(crate) struct Vendors {
    pub(crate) hubspot: Option<HubSpot>,
    pub(crate) salesforce: Option<Salesforce>,
    pub(crate) shopify: Option<Shopify>,
    pub(crate) slack: Option<Slack>,
    /// Whether Salesforce's outbound messages are to be sent to its connection's door.
    pub(crate) messages: bool,
}

impl Vendors {
    /// Where each that runs is, by connector, in a fixed order.
    pub(crate) fn urls(&self) -> Vec<(&'static str, Url)> {
        let all = [
            (hubspot::ID, self.hubspot.as_ref().map(HubSpot::url)),
            (
                salesforce::ID,
                self.salesforce.as_ref().map(Salesforce::url),
            ),
            (shopify::ID, self.shopify.as_ref().map(Shopify::url)),
            (slack::ID, self.slack.as_ref().map(Slack::url)),
        ];
        all.into_iter()
            .filter_map(|(id, url)| Some((id, url?)))
            .collect()
    }

    /// Moves every sandbox's clock forward.
    pub(crate) fn advance(&self, by: Duration) {
        let clocks = [
            self.hubspot.as_ref().map(HubSpot::clock),
            self.salesforce.as_ref().map(Salesforce::clock),
            self.shopify.as_ref().map(Shopify::clock),
            self.slack.as_ref().map(Slack::clock),
        ];
        for clock in clocks.into_iter().flatten() {
            clock.advance(by);
        }
    }

    /// Which account there is, and what a person types to connect it.
    pub(crate) fn account(&self, connector: &str) -> (String, Option<&'static str>) {
        let tenant = match connector {
            salesforce::ID => self.salesforce.as_ref().map(Salesforce::tenant),
            shopify::ID => self.shopify.as_ref().map(Shopify::tenant),
            slack::ID => self.slack.as_ref().map(Slack::tenant),
            _ => self
                .hubspot
                .as_ref()
                .map(|hubspot| hubspot.portal_id().to_string()),
        };
        let typed = (connector == shopify::ID).then_some(SHOP);
        (
            tenant.expect("the app was started with this sandbox"),
            typed,
        )
    }
}

/// Where each vendor is: at these addresses. One that does not run is nowhere.
pub(crate) fn endpoints(urls: &[(&'static str, Url)]) -> Endpoints {
    let at = |id: &str| {
        let found = urls.iter().find(|(known, _)| *known == id);
        found.map(|(_, url)| url.clone())
    };
    Endpoints {
        hubspot: at(hubspot::ID)
            .map(HubSpotEndpoints::at)
            .unwrap_or_default(),
        salesforce: at(salesforce::ID)
            .map(SalesforceEndpoints::at)
            .unwrap_or_default(),
        shopify: at(shopify::ID)
            .map(ShopifyEndpoints::at)
            .unwrap_or_default(),
        slack: at(slack::ID).map(SlackEndpoints::at).unwrap_or_default(),
    }
}

/// Connects a sandbox's account as a person with a browser does, and answers the status of our callback.
pub(crate) async fn consent(
    state: &State,
    browser: &reqwest::Client,
    connector: &str,
    site: Option<&str>,
) -> u16 {
    let cookie = "0123456789abcdef0123456789abcdef";
    let secret = SecretString::from(cookie);
    let redirect_uri = state.public_url.url_at(&callback_path(connector));
    let asking = Asking {
        connector,
        subject: "tests",
        redirect_uri: redirect_uri.clone(),
        site,
        cookie: &secret,
        renews: None,
    };
    let page = connect::begin(&state.core.database, state.core.engine.keeper(), asking)
        .await
        .expect("a consent can be asked for");
    let agreed = browser
        .get(page)
        .send()
        .await
        .expect("the vendor's page answers");
    let location = agreed
        .headers()
        .get(header::LOCATION)
        .expect("the vendor sends the person back")
        .to_str()
        .expect("an address");
    let back = Url::parse(location).expect("an address");
    assert!(
        back.as_str().starts_with(redirect_uri.as_str()),
        "sent to {back}"
    );
    let done = browser
        .get(back)
        .header(header::COOKIE, format!("entente_connect={cookie}"))
        .send()
        .await
        .expect("our callback answers");
    done.status().as_u16()
}
