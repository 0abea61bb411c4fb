//! What each connector can do, in the API: the descriptor of [`integrations::connector`], in words that need no vendor's manual.

use crate::state::State;
use async_graphql::{Enum, ID, SimpleObject};
use integrations::connector::{self, LimitHeaders};

/// What kind of system a vendor offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "connector::Category")]
pub enum ConnectorCategory {
    /// Customer relationship management.
    Crm,
    /// A shop.
    Commerce,
    /// Chat.
    Chat,
}

/// Records of one kind that a connector handles.
#[derive(SimpleObject)]
pub struct ConnectorResource {
    /// The kind of record: `company`, `contact`, `deal`, `order` and so on.
    pub resource: String,
    /// Whether such records can be read.
    pub readable: bool,
    /// Whether changes are read as they happen; otherwise everything is read anew each time.
    pub delta: bool,
    /// Whether the vendor lists what it has put away. Otherwise a deletion shows by webhook, or when everything is compared.
    pub archived: bool,
    /// The kinds of records it points at.
    pub links: Vec<String>,
    /// Whether such records can be written.
    pub writable: bool,
    /// The scope that writing them takes.
    pub write_scope: Option<String>,
}

/// Where a vendor's webhooks arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "connector::Door")]
pub enum ConnectorDoor {
    /// One address for all accounts; the app's secret signs.
    App,
    /// An address for each connection, which is its secret; see `Connection.webhookUrl`.
    Connection,
}

/// How a vendor tells us of changes.
#[derive(SimpleObject)]
pub struct ConnectorWebhooks {
    /// Where they arrive.
    pub door: ConnectorDoor,
    /// The address to enter at the vendor; null where each connection has its own.
    pub url: Option<String>,
    /// Whether we subscribe to them account by account. Otherwise they are set up at the vendor, for the app or by the account's owner.
    pub subscribed_by_us: bool,
}

/// Which calls a budget covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "connector::Lane")]
pub enum ConnectorLane {
    /// Ordinary calls.
    Standard,
    /// Searches, where a vendor counts them apart.
    Search,
}

/// A budget that a vendor gives each account.
#[derive(SimpleObject)]
pub struct ConnectorLimit {
    /// Which calls it covers.
    pub lane: ConnectorLane,
    /// How many calls; or points, with a vendor that counts what a call costs.
    pub requests: u32,
    /// In how many seconds.
    pub seconds: f64,
    /// How many of them at once; all when null.
    pub burst: Option<u32>,
}

/// What must be named before a person can agree, where each account has an address of its own.
#[derive(SimpleObject)]
pub struct ConnectorSite {
    /// What the vendor calls it.
    pub label: String,
    /// How one looks.
    pub example: String,
}

/// An outside system that this build can connect.
#[derive(SimpleObject)]
pub struct Connector {
    /// Its id: `hubspot`.
    pub id: ID,
    /// Its name.
    pub name: String,
    /// What kind of system it is.
    pub category: ConnectorCategory,
    /// The version of the vendor's API.
    pub api_version: String,
    /// What can be kept in step, in the order in which it is read first.
    pub resources: Vec<ConnectorResource>,
    /// What an account's owner must grant.
    pub required_scopes: Vec<String>,
    /// What is asked for besides; without it less can be done.
    pub optional_scopes: Vec<String>,
    /// How the vendor tells us of changes; null when it does not, and is asked instead.
    pub webhooks: Option<ConnectorWebhooks>,
    /// What the vendor lets us do in which time, for each account.
    pub limits: Vec<ConnectorLimit>,
    /// The share of an account's own quota, in percent, at which we stop and leave the rest to the account's other software; null where the vendor
    /// has no such quota.
    pub quota_stop_percent: Option<u32>,
    /// What `connectIntegration` needs as `site`; null when it takes none.
    pub site: Option<ConnectorSite>,
    /// Whether messages can be posted there; see `chatChannels`.
    pub posts_messages: bool,
    /// Whether this server is registered with the vendor. Without that nothing can be connected.
    pub configured: bool,
}

impl Connector {
    /// What a connector says of itself, on this server.
    pub(super) fn of(connector: &dyn connector::Connector, state: &State) -> Self {
        let descriptor = connector.descriptor();
        let texts = |scopes: &[&str]| scopes.iter().map(|scope| (*scope).to_owned()).collect();
        let (pulls, pushes) = (connector.pull().is_some(), connector.push().is_some());
        let resources = descriptor.resources.iter().map(|described| {
            let scope = described.push_scope.filter(|_| pushes);
            let links = described.links.iter().map(|link| link.as_str().to_owned());
            ConnectorResource {
                resource: described.resource.as_str().to_owned(),
                readable: pulls,
                delta: described.delta,
                archived: described.archived,
                links: links.collect(),
                writable: scope.is_some(),
                write_scope: scope.map(str::to_owned),
            }
        });
        let webhooks = connector.webhooks().map(|webhooks| {
            let door = webhooks.door();
            ConnectorWebhooks {
                door: door.into(),
                url: (door == connector::Door::App)
                    .then(|| state.public_url.at(&connector::webhook_path(descriptor.id))),
                subscribed_by_us: connector.subscriptions().is_some(),
            }
        });
        let limits = descriptor.limits.iter().map(|limit| ConnectorLimit {
            lane: limit.lane.into(),
            requests: limit.requests,
            seconds: limit.per.as_secs_f64(),
            burst: limit.burst,
        });
        let quota_stop_percent = match descriptor.limit_headers {
            Some(LimitHeaders::Usage {
                stop_at_percent, ..
            }) => Some(stop_at_percent),
            _ => None,
        };
        Self {
            id: descriptor.id.into(),
            name: descriptor.name.to_owned(),
            category: descriptor.category.into(),
            api_version: descriptor.api_version.to_owned(),
            resources: resources.collect(),
            required_scopes: texts(&descriptor.required_scopes),
            optional_scopes: texts(&descriptor.optional_scopes),
            webhooks,
            limits: limits.collect(),
            quota_stop_percent,
            site: descriptor.site.map(|site| ConnectorSite {
                label: site.label.to_owned(),
                example: site.example.to_owned(),
            }),
            posts_messages: connector.notify().is_some(),
            configured: state.core.apps.contains_key(descriptor.id),
        }
    }
}
