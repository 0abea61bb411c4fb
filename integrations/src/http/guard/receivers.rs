//! Where subscribers want to hear: addresses that anybody with a token may have typed, so that every one of them is taken for an attack.
//!
//! Owns: the ports and the schemes that are called, the names that are never looked up, and the judgement over what a name stands for. Refuses: a
//! name of which any address is not public, however many are; to call by a name that only means something inside. Invariant: what was judged is what
//! is connected to, for the client gets these addresses and looks nothing up itself.

use super::{Blocked, is_public, system_lookup};
use futures::future::BoxFuture;
use reqwest::dns::Addrs;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use url::Url;

/// Looks a name up. The machine's resolver ordinarily; a test names its own and sees what was asked.
pub type Lookup = Arc<dyn Fn(String) -> BoxFuture<'static, Vec<SocketAddr>> + Send + Sync>;

/// The last labels of names that mean something inside only.
const INSIDE: [&str; 8] = [
    "localhost",
    "local",
    "internal",
    "intranet",
    "lan",
    "home",
    "corp",
    "localdomain",
];

/// What receivers may be.
#[derive(Clone)]
pub struct Receivers {
    ports: Vec<u16>,
    pub(super) plain_http: bool,
    lookup: Option<Lookup>,
}

impl std::fmt::Debug for Receivers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Receivers")
            .field("ports", &self.ports)
            .field("plain_http", &self.plain_http)
            .finish_non_exhaustive()
    }
}

impl Receivers {
    /// Receivers over https on these ports.
    #[must_use]
    pub const fn on(ports: Vec<u16>) -> Self {
        Self {
            ports,
            plain_http: false,
            lookup: None,
        }
    }

    /// The same, also over plain http where that is wished.
    #[must_use]
    pub const fn with_plain_http(mut self, wished: bool) -> Self {
        self.plain_http = wished;
        self
    }

    /// The same with another resolver.
    #[must_use]
    pub fn looked_up_by(mut self, lookup: Lookup) -> Self {
        self.lookup = Some(lookup);
        self
    }

    pub(super) fn check(
        &self,
        url: &Url,
        port: u16,
        literal: Option<IpAddr>,
        not_public: impl Fn() -> Blocked,
    ) -> Result<(), Blocked> {
        match url.scheme() {
            "https" => {}
            "http" if self.plain_http => {}
            _ => return Err(Blocked::Scheme),
        }
        if !self.ports.contains(&port) {
            return Err(Blocked::Port { port });
        }
        let public = match literal {
            Some(ip) => is_public(ip),
            None => url.host_str().is_some_and(is_outside_name),
        };
        if public { Ok(()) } else { Err(not_public()) }
    }

    pub(super) async fn resolve(&self, host: String) -> Result<Addrs, Blocked> {
        // The address was judged before; a name that comes here by another way is judged as well.
        if !is_outside_name(&host) {
            return Err(Blocked::NotPublic { host });
        }
        let found = match &self.lookup {
            Some(lookup) => lookup(host.clone()).await,
            None => system_lookup(host.clone()).await,
        };
        if found.is_empty() {
            return Err(Blocked::NoAddress { host });
        }
        if found.iter().any(|address| !is_public(address.ip())) {
            return Err(Blocked::NotPublic { host });
        }
        Ok(Box::new(found.into_iter()))
    }
}

/// Whether a name can be one of the public internet: at least two labels, and none of those that stay inside.
fn is_outside_name(host: &str) -> bool {
    let name = host.trim_end_matches('.').to_ascii_lowercase();
    let Some((_, last)) = name.rsplit_once('.') else {
        return false;
    };
    let is_number = !last.is_empty() && last.bytes().all(|byte| byte.is_ascii_digit());
    !(last.is_empty() || is_number || INSIDE.contains(&last) || name.ends_with(".home.arpa"))
}

#[cfg(test)]
mod tests;
