//! The application registered with a vendor, and the addresses a sandbox may talk to.
//!
//! Refuses: addresses beyond loopback, wildcard redirects, an app without a secret. Invariant: the secret is never printed.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};
use url::{Host, Url};

use crate::SandboxError;

/// The application registered with the vendor.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct App {
    /// The vendor's number for the app.
    pub app_id: u64,
    /// OAuth client id.
    pub client_id: String,
    /// OAuth client secret; it also signs webhooks.
    pub client_secret: String,
    /// The only addresses a consent may return to, compared byte for byte.
    pub redirect_uris: Vec<String>,
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App")
            .field("app_id", &self.app_id)
            .field("client_id", &self.client_id)
            .field("client_secret", &"…")
            .field("redirect_uris", &self.redirect_uris)
            .finish()
    }
}

impl App {
    pub(crate) fn check(&self) -> Result<(), SandboxError> {
        if self.client_id.is_empty() || self.client_secret.is_empty() {
            return Err(SandboxError::Option {
                name: "app",
                problem: "client id and secret must not be empty".to_owned(),
            });
        }
        for uri in &self.redirect_uris {
            let acceptable = Url::parse(uri).is_ok_and(|url| {
                !uri.contains('*')
                    && url.fragment().is_none()
                    && (url.scheme() == "https" || (url.scheme() == "http" && is_loopback(&url)))
            });
            if !acceptable {
                return Err(SandboxError::Option {
                    name: "app.redirect_uris",
                    problem: format!(
                        "{uri:?} must be one exact https address, or http on loopback"
                    ),
                });
            }
        }
        Ok(())
    }
}

/// True when the address can only mean this machine.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(ip)) => IpAddr::V4(ip).is_loopback(),
        Some(Host::Ipv6(ip)) => IpAddr::V6(ip).is_loopback(),
        None => false,
    }
}

/// Checks an address webhooks may be sent to.
pub(crate) fn check_target(url: &Url) -> Result<(), String> {
    if !matches!(url.scheme(), "http" | "https") || !is_loopback(url) {
        return Err(format!("{url} is not on loopback"));
    }
    Ok(())
}

/// Checks what every sandbox is started with: the app, where it listens, where its webhooks go.
pub(crate) fn check_start(
    app: &App,
    listen: SocketAddr,
    webhook_target: Option<&Url>,
) -> Result<(), SandboxError> {
    app.check()?;
    if !listen.ip().is_loopback() {
        return Err(SandboxError::Option {
            name: "listen",
            problem: format!("{listen} is not on loopback"),
        });
    }
    webhook_target.map_or(Ok(()), |target| {
        check_target(target).map_err(|problem| SandboxError::Option {
            name: "webhook_target",
            problem,
        })
    })
}
