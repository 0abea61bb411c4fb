//! The contract every connector keeps, tested for each of them alike.
//!
//! Owns: what the engine takes for granted of any vendor: a sound descriptor, webhooks that let nobody in by accident, one reaction for each
//! way a call can fail, positions that are opaque and never trusted, and secrets that do not show. Refuses: knowledge of a vendor, but for what a
//! [`Case`] tells of it: where to find it and how it signs. Invariant: a connector of the registry without a case fails, so that a new one is
//! held to all of this before it is used.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod cases;
mod descriptor;
mod positions;
mod reactions;
mod secrets;
mod webhooks;

use crate::connector::{Account, Connector, Context};
use crate::http::{Client, ClientSettings, HostPolicy, Session};
use crate::oauth::{AppCredentials, TokenSet};
use crate::test_server::{Reply, Seen, TestServer};
use crate::{Endpoints, connectors};
use entities::clock::{ManualClock, Timestamp};
use std::sync::Arc;
use std::time::Duration;
use url::Url;

/// When the tests take place, in milliseconds since 1970.
const NOW_MS: i64 = 1_793_527_200_000;

/// The secrets that must show nowhere.
const ACCESS_TOKEN: &str = "contract-access-token";
const REFRESH_TOKEN: &str = "contract-refresh-token";
const CLIENT_SECRET: &str = "contract-client-secret";

/// What the contract has to be told of a vendor.
struct Case {
    /// The connector's id.
    id: &'static str,
    /// The connector, with every address of the vendor at this one.
    at: fn(Url) -> Arc<dyn Connector>,
    /// Where an account is, when every address of the vendor is this one; none where the vendor has one address for all.
    sited: fn(Url) -> Option<Url>,
    /// What a person would type as an account's own address; none where the vendor has one address for all.
    typed: Option<&'static str>,
    /// The account's id, as webhooks name it.
    tenant: &'static str,
    /// A renewal that repeats no refresh token, with the access token `new`.
    renewal: &'static str,
    /// How the vendor signs; none when it sends no webhooks.
    signing: Option<Signing>,
}

/// Headers for a secret, an address, a body and a time in milliseconds.
type Sign = fn(&str, &str, &[u8], i64) -> Vec<(String, String)>;

/// How a vendor signs what it sends, written apart from the connector.
struct Signing {
    /// A body that names at least one record.
    body: &'static str,
    /// How it signs.
    headers: Sign,
    /// The address it calls, for a secret: at a connection's own door that is part of it.
    url: fn(&str) -> String,
    /// Whether the body is signed. At a connection's own door it is not: the address is all there is.
    sealed: bool,
    /// Whether the signature holds a time, so that an old request can be told from a new one.
    stamped: bool,
}

/// The case of each connector this build has.
fn each() -> Vec<(Case, Arc<dyn Connector>)> {
    let registry = connectors(Endpoints::default());
    let each = cases::all().into_iter().map(|case| {
        let connector = registry.get(case.id).expect("a case is of a connector");
        (case, Arc::clone(connector))
    });
    each.collect()
}

#[test]
fn every_connector_is_held_to_the_contract() {
    let registry = connectors(Endpoints::default());
    let mut held: Vec<&str> = cases::all().iter().map(|case| case.id).collect();
    let mut built: Vec<&str> = registry
        .iter()
        .map(|connector| connector.descriptor().id)
        .collect();
    held.sort_unstable();
    built.sort_unstable();
    assert_eq!(held, built, "contract/cases.rs has one case for each");
}

/// A connector whose vendor is a server of the test.
struct Rig {
    server: TestServer,
    connector: Arc<dyn Connector>,
    client: Client,
    session: Session,
    account: Account,
    tokens: TokenSet,
    clock: ManualClock,
}

impl Rig {
    async fn new(case: &Case, reply: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        let server = TestServer::start(reply).await;
        let connector = (case.at)(server.url());
        let limit = Duration::from_secs(2);
        let settings = ClientSettings {
            connect: limit,
            read: limit,
            total: limit,
            paced: false,
            ..ClientSettings::default()
        };
        let client = Client::new(HostPolicy::sandbox(vec![server.address]), settings).unwrap();
        let tokens = tokens(case, server.url());
        let session = client
            .session(connector.as_ref(), case.tenant, &tokens)
            .unwrap();
        let account = Account {
            tenant_id: case.tenant.to_owned(),
            name: None,
            currency: Some("USD".to_owned()),
            time_zone: None,
            ui_domain: None,
        };
        let clock = ManualClock::at(Timestamp::from_millis(NOW_MS));
        Self {
            server,
            connector,
            client,
            session,
            account,
            tokens,
            clock,
        }
    }

    fn context(&self) -> Context<'_> {
        Context {
            http: &self.session,
            tenant_id: &self.account.tenant_id,
            account: Some(&self.account),
            site: self.tokens.site.as_ref(),
            api: self.tokens.api.as_ref(),
            clock: &self.clock,
        }
    }
}

fn app() -> AppCredentials {
    AppCredentials::new("contract-client", CLIENT_SECRET)
}

/// Tokens of an account at this address.
fn tokens(case: &Case, url: Url) -> TokenSet {
    let site = (case.sited)(url);
    TokenSet {
        access_token: ACCESS_TOKEN.into(),
        refresh_token: Some(REFRESH_TOKEN.into()),
        expires_at_ms: Some(NOW_MS + 1_000),
        scopes: Vec::new(),
        tenant_id: Some(case.tenant.to_owned()),
        api: site.clone(),
        site,
    }
}
