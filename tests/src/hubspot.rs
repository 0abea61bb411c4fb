//! A HubSpot sandbox beside the app.

use api::config::public_url::PublicUrl;
use api::http::connect::callback_path;
use integrations::connector::webhook_path;
use integrations::hubspot::ID;
use sandbox::{App, Faults, HubSpot, HubSpotOptions, Limits, Source};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

/// The client id of the app registered with the sandbox.
pub const CLIENT_ID: &str = "entente-tests";

/// Its secret, which also signs webhooks.
pub const CLIENT_SECRET: &str = "the-secret-of-the-tests-app";

/// What the sandbox is made from.
#[derive(Clone, Debug)]
pub struct HubSpotSetup {
    /// Its records.
    pub source: Source,
    /// Limits and delays. Ordinarily none, and webhooks are repeated at once.
    pub limits: Limits,
    /// Failures from the start.
    pub faults: Faults,
    /// Where it keeps its state; in memory ordinarily.
    pub state: Option<PathBuf>,
    /// Whether its webhooks are sent to the app. Ordinarily not, so that a test decides when something arrives.
    pub webhooks: bool,
    /// The seed of its portal's id and of invented records.
    pub seed: u64,
}

impl HubSpotSetup {
    /// A sandbox that holds this.
    #[must_use]
    pub fn of(source: Source) -> Self {
        let limits = Limits {
            webhook_time_scale: 0.0,
            webhook_gather: Duration::from_millis(5),
            ..Limits::none()
        };
        Self {
            source,
            limits,
            faults: Faults::default(),
            state: None,
            webhooks: false,
            seed: 7,
        }
    }

    /// An empty sandbox.
    #[must_use]
    pub fn empty() -> Self {
        Self::of(Source::Empty)
    }

    /// A sandbox with this many invented deals.
    #[must_use]
    pub fn generated(deals: usize) -> Self {
        Self::of(Source::Generated { deals })
    }

    /// The same with webhooks to the app.
    #[must_use]
    pub fn with_webhooks(mut self) -> Self {
        self.webhooks = true;
        self
    }

    pub(crate) async fn start(self, public_url: &PublicUrl) -> HubSpot {
        let options = HubSpotOptions {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            state: self.state,
            source: self.source,
            app: App {
                app_id: 910_001,
                client_id: CLIENT_ID.to_owned(),
                client_secret: CLIENT_SECRET.to_owned(),
                redirect_uris: vec![public_url.at(&callback_path(ID))],
            },
            webhook_target: self.webhooks.then(|| public_url.url_at(&webhook_path(ID))),
            limits: self.limits,
            faults: self.faults,
            seed: self.seed,
        };
        HubSpot::start(options).await.expect("the sandbox starts")
    }
}
