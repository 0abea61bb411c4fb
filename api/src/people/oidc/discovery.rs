//! What a provider says of itself (OpenID Connect Discovery 1.0), and its keys.
//!
//! The document must name the issuer that was asked for, byte by byte, or one provider could speak for another. It is remembered for ten
//! minutes; keys are asked for again when a signature fits none of them, but not twice within ten seconds.

use entities::clock::Timestamp;
use integrations::http::{Call, Client, HttpError};
use jsonwebtoken::jwk::Jwk;
use quick_cache::sync::Cache;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::sync::Arc;
use url::{Host, Url};

/// How long a description is remembered, in milliseconds.
const REMEMBERED_MILLIS: i64 = 10 * 60 * 1_000;
/// How long a description is too new to be asked for again, in milliseconds.
const NEW_MILLIS: i64 = 10 * 1_000;
/// How many providers are remembered.
const PROVIDERS: usize = 500;
/// How many keys of a provider are looked at.
const KEYS: usize = 100;

/// Why a provider cannot be used as it describes itself.
#[derive(Debug, thiserror::Error)]
pub enum DiscoveryError {
    /// It cannot be reached.
    #[error("the provider cannot be reached: {0}")]
    Unreachable(#[from] HttpError),
    /// It does not answer as it must.
    #[error("the provider's {0} cannot be read")]
    Unreadable(&'static str),
    /// It describes another issuer.
    #[error("the provider describes another issuer than the one it was asked for")]
    AnotherIssuer,
    /// It sends people to an address that is none for a browser.
    #[error("the provider's authorization endpoint is not an https address")]
    UnsafeEndpoint,
}

/// A provider's description and keys.
pub(super) struct Described {
    /// Where people sign in.
    pub(super) authorization_endpoint: Url,
    /// Where codes are redeemed.
    pub(super) token_endpoint: Url,
    /// Whether its answers name their issuer (RFC 9207).
    pub(super) tells_issuer: bool,
    /// Those keys of it that we understand.
    pub(super) keys: Vec<Jwk>,
    at: Timestamp,
}

#[derive(Deserialize)]
struct Document {
    issuer: String,
    authorization_endpoint: Url,
    token_endpoint: Url,
    jwks_uri: Url,
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
}

#[derive(Deserialize)]
struct KeySet {
    keys: Vec<serde_json::Value>,
}

/// The descriptions that are remembered.
pub(super) struct Discovery {
    known: Cache<String, Arc<Described>>,
}

impl Default for Discovery {
    fn default() -> Self {
        Self {
            known: Cache::new(PROVIDERS),
        }
    }
}

impl Discovery {
    /// A provider's description, which may be a few minutes old.
    pub(super) async fn get(
        &self,
        http: &Client,
        issuer: &str,
        now: Timestamp,
    ) -> Result<Arc<Described>, DiscoveryError> {
        self.younger_than(http, issuer, now, REMEMBERED_MILLIS)
            .await
    }

    /// A provider's description as it is now.
    pub(super) async fn get_anew(
        &self,
        http: &Client,
        issuer: &str,
        now: Timestamp,
    ) -> Result<Arc<Described>, DiscoveryError> {
        self.younger_than(http, issuer, now, NEW_MILLIS).await
    }

    async fn younger_than(
        &self,
        http: &Client,
        issuer: &str,
        now: Timestamp,
        millis: i64,
    ) -> Result<Arc<Described>, DiscoveryError> {
        if let Some(known) = self.known.get(issuer)
            && known.at.plus_millis(millis) > now
        {
            return Ok(known);
        }
        let described = Arc::new(describe(http, issuer, now).await?);
        self.known.insert(issuer.to_owned(), Arc::clone(&described));
        Ok(described)
    }
}

async fn describe(
    http: &Client,
    issuer: &str,
    now: Timestamp,
) -> Result<Described, DiscoveryError> {
    const DOCUMENT: &str = "description";
    let address = format!(
        "{}/.well-known/openid-configuration",
        issuer.trim_end_matches('/')
    );
    let address = Url::parse(&address).map_err(|_| DiscoveryError::Unreadable(DOCUMENT))?;
    let document: Document = read(http, address, DOCUMENT).await?;
    if document.issuer != issuer {
        return Err(DiscoveryError::AnotherIssuer);
    }
    if !is_for_browsers(&document.authorization_endpoint) {
        return Err(DiscoveryError::UnsafeEndpoint);
    }
    let set: KeySet = read(http, document.jwks_uri, "keys").await?;
    // A key of a kind we do not know is no reason to refuse the others.
    let keys = set
        .keys
        .into_iter()
        .take(KEYS)
        .filter_map(|key| serde_json::from_value(key).ok())
        .collect();
    Ok(Described {
        authorization_endpoint: document.authorization_endpoint,
        token_endpoint: document.token_endpoint,
        tells_issuer: document.authorization_response_iss_parameter_supported,
        keys,
        at: now,
    })
}

async fn read<T: DeserializeOwned>(
    http: &Client,
    address: Url,
    what: &'static str,
) -> Result<T, DiscoveryError> {
    let answer = http.send(&Call::get(address)).await?;
    if answer.status != 200 {
        return Err(DiscoveryError::Unreadable(what));
    }
    serde_json::from_slice(&answer.body).map_err(|_| DiscoveryError::Unreadable(what))
}

/// Our client never calls this address, so its guard does not judge it: a browser is sent there.
fn is_for_browsers(url: &Url) -> bool {
    let on_loopback = match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => return false,
    };
    match url.scheme() {
        "https" => true,
        "http" => on_loopback,
        _ => false,
    }
}
