//! The four vendors' doubles: started together, ended together, and the one thing a demonstration may call.

use crate::cli::Failure;
use crate::config::public_url::PublicUrl;
use crate::data_dir::DataDir;
use crate::data_dir::demo_file::{DemoFile, DemoSource};
use crate::http::connect::callback_path;
use crate::state::Outside;
use integrations::Endpoints;
use integrations::connector::webhook_path;
use integrations::http::HostPolicy;
use integrations::hubspot::{self, HubSpotEndpoints};
use integrations::salesforce::{self, SalesforceEndpoints};
use integrations::shopify::{self, ShopifyEndpoints};
use integrations::slack::{self, SlackEndpoints};
use sandbox::{
    App, Faults, HubSpot, HubSpotOptions, Limits, Salesforce, SalesforceFeatures, SalesforceLimits,
    SalesforceOptions, SalesforceSource, SandboxError, ShopSource, Shopify, ShopifyLimits,
    ShopifyOptions, Slack, SlackLimits, SlackOptions, Source,
};
use secrecy::ExposeSecret as _;
use std::net::{Ipv4Addr, SocketAddr};
use url::Url;

/// The seed of generated records, so that everybody sees the same.
const SEED: u64 = 20_261_121;

/// The shop's own name, as its owner would type it.
pub(super) const SHOP: &str = "entente-demo.myshopify.com";

/// The four doubles.
pub(super) struct Sandboxes {
    pub(super) hubspot: HubSpot,
    pub(super) salesforce: Salesforce,
    pub(super) shopify: Shopify,
    pub(super) slack: Slack,
}

impl Sandboxes {
    /// Starts all of them, each where it was before. When one does not start, those before it end in order.
    pub(super) async fn start(
        directory: &DataDir,
        kept: &DemoFile,
        public_url: &PublicUrl,
    ) -> Result<Self, Failure> {
        let made = Making {
            directory,
            kept,
            public_url,
        };
        let hubspot = HubSpot::start(made.hubspot()?)
            .await
            .map_err(failed(hubspot::ID))?;
        let salesforce = match Salesforce::start(made.salesforce()?).await {
            Ok(salesforce) => salesforce,
            Err(error) => {
                let _ended = hubspot.stop().await;
                return Err(failed(salesforce::ID)(error));
            }
        };
        let shopify = match Shopify::start(made.shopify()?).await {
            Ok(shopify) => shopify,
            Err(error) => {
                let _ended = (hubspot.stop().await, salesforce.stop().await);
                return Err(failed(shopify::ID)(error));
            }
        };
        match Slack::start(made.slack()?).await {
            Ok(slack) => Ok(Self {
                hubspot,
                salesforce,
                shopify,
                slack,
            }),
            Err(error) => {
                let _ended = (
                    hubspot.stop().await,
                    salesforce.stop().await,
                    shopify.stop().await,
                );
                Err(failed(slack::ID)(error))
            }
        }
    }

    /// Ends all of them and answers the first failure.
    pub(super) async fn stop(self) -> Result<(), Failure> {
        let ended = [
            self.hubspot.stop().await.map_err(failed(hubspot::ID)),
            self.salesforce.stop().await.map_err(failed(salesforce::ID)),
            self.shopify.stop().await.map_err(failed(shopify::ID)),
            self.slack.stop().await.map_err(failed(slack::ID)),
        ];
        ended.into_iter().collect()
    }

    /// Where each is, by connector.
    pub(super) fn urls(&self) -> [(&'static str, Url); 4] {
        [
            (hubspot::ID, self.hubspot.url()),
            (salesforce::ID, self.salesforce.url()),
            (shopify::ID, self.shopify.url()),
            (slack::ID, self.slack.url()),
        ]
    }

    /// Which account of a vendor there is, and what a person types to connect it.
    pub(super) fn account(&self, connector: &str) -> (String, Option<String>) {
        match connector {
            salesforce::ID => (
                self.salesforce.tenant(),
                Some(self.salesforce.url().to_string()),
            ),
            shopify::ID => (self.shopify.tenant(), Some(SHOP.to_owned())),
            slack::ID => (self.slack.tenant(), None),
            _ => (self.hubspot.portal_id().to_string(), None),
        }
    }

    /// The world outside of a demonstration: these four and nothing else.
    pub(super) fn outside(&self, kept: &DemoFile) -> Result<Outside, Failure> {
        let mut addresses = Vec::new();
        for (_, url) in self.urls() {
            let of = url
                .socket_addrs(|| None)
                .map_err(|error| Failure::fault("a sandbox has no address", error))?;
            addresses.extend(of);
        }
        let endpoints = Endpoints {
            hubspot: HubSpotEndpoints::at(self.hubspot.url()),
            salesforce: SalesforceEndpoints::at(self.salesforce.url()),
            shopify: ShopifyEndpoints::at(self.shopify.url()),
            slack: SlackEndpoints::at(self.slack.url()),
        };
        let policy = HostPolicy::sandbox(addresses);
        Ok(Outside::sandbox(policy, endpoints, kept.credentials()))
    }
}

/// What the doubles are made from.
struct Making<'a> {
    directory: &'a DataDir,
    kept: &'a DemoFile,
    public_url: &'a PublicUrl,
}

impl Making<'_> {
    fn listen() -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, 0))
    }

    fn app(&self, vendor: &str) -> Result<App, Failure> {
        let kept = self.kept.app(vendor);
        let app = kept.ok_or_else(|| Failure::Fault(format!("{vendor} has no app here")))?;
        Ok(App {
            app_id: app.app_id,
            client_id: app.credentials.client_id.clone(),
            client_secret: app.credentials.client_secret.expose_secret().to_owned(),
            redirect_uris: vec![self.public_url.at(&callback_path(vendor))],
        })
    }

    fn webhooks(&self, vendor: &str) -> Option<Url> {
        Some(self.public_url.url_at(&webhook_path(vendor)))
    }

    fn hubspot(&self) -> Result<HubSpotOptions, Failure> {
        Ok(HubSpotOptions {
            listen: Self::listen(),
            state: Some(self.directory.sandbox(hubspot::ID)),
            source: match &self.kept.source {
                DemoSource::Generated { deals } => Source::Generated { deals: *deals },
                DemoSource::Crm { folder, .. } => Source::Crm(folder.clone()),
            },
            app: self.app(hubspot::ID)?,
            webhook_target: self.webhooks(hubspot::ID),
            limits: Limits::default(),
            faults: Faults::default(),
            seed: SEED,
        })
    }

    fn salesforce(&self) -> Result<SalesforceOptions, Failure> {
        Ok(SalesforceOptions {
            listen: Self::listen(),
            state: Some(self.directory.sandbox(salesforce::ID)),
            // Empty, so that whatever stands there came from us.
            source: SalesforceSource::Empty,
            features: SalesforceFeatures {
                multi_currency: true,
                ..SalesforceFeatures::default()
            },
            app: self.app(salesforce::ID)?,
            // Its messages go to the connection's own door, which exists once it is connected.
            webhook_target: None,
            limits: SalesforceLimits::default(),
            faults: Faults::default(),
            seed: SEED,
        })
    }

    fn shopify(&self) -> Result<ShopifyOptions, Failure> {
        Ok(ShopifyOptions {
            listen: Self::listen(),
            state: Some(self.directory.sandbox(shopify::ID)),
            domain: SHOP.to_owned(),
            source: ShopSource::Empty,
            webhook_target: self.webhooks(shopify::ID),
            limits: ShopifyLimits::default(),
            seed: SEED,
            ..ShopifyOptions::new(self.app(shopify::ID)?)
        })
    }

    fn slack(&self) -> Result<SlackOptions, Failure> {
        let kept = self.kept.app(slack::ID);
        let signing = kept.and_then(|app| app.credentials.signing_secret.as_ref());
        let signing =
            signing.ok_or_else(|| Failure::Fault("slack has no signing secret here".to_owned()))?;
        Ok(SlackOptions {
            listen: Self::listen(),
            state: Some(self.directory.sandbox(slack::ID)),
            more_channels: 0,
            app: self.app(slack::ID)?,
            signing_secret: signing.expose_secret().to_owned(),
            webhook_target: self.webhooks(slack::ID),
            events: SlackOptions::usual_events(),
            limits: SlackLimits::default(),
            faults: Faults::default(),
            seed: SEED,
        })
    }
}

/// A sandbox's failure in one line: its sources say why (a file's permissions, a taken port) and belong into it.
pub(super) fn failed(vendor: &'static str) -> impl Fn(SandboxError) -> Failure {
    move |error| {
        let mut text = format!("the sandbox of {vendor}: {error}");
        let mut cause = std::error::Error::source(&error);
        while let Some(inner) = cause {
            text.push_str(&format!(": {inner}"));
            cause = inner.source();
        }
        match error {
            SandboxError::OtherSource { .. } | SandboxError::Csv { .. } => Failure::Usage(text),
            _ => Failure::Fault(text),
        }
    }
}
