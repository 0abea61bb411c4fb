//! Where a call may go.
//!
//! Owns: the judgement over addresses, made on the resolved address a connection is opened to, so that a name that answers
//! differently the second time gains nothing. Refuses: everything that is not plainly public unicast, including every known way to
//! wrap an IPv4 address into IPv6. Invariant: what the table does not know is refused: for IPv6 only 2000::/3 is ever public.

mod receivers;

pub use receivers::{Lookup, Receivers};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use url::{Host, Url};

/// Why an address is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Blocked {
    /// The scheme is not allowed there.
    #[error("only https is called")]
    Scheme,
    /// The address carries a user or a password, or has no host.
    #[error("the address must have a host and no user or password")]
    Shape,
    /// The address, or what the name stands for, is not public.
    #[error("{host} is not a public address")]
    NotPublic {
        /// The host as it was written.
        host: String,
    },
    /// The port is not one of those that are called.
    #[error("port {port} is not called")]
    Port {
        /// The port.
        port: u16,
    },
    /// The name does not resolve at all.
    #[error("{host} does not resolve")]
    NoAddress {
        /// The host as it was written.
        host: String,
    },
}

/// Which addresses may be called.
#[derive(Clone, Debug)]
pub struct HostPolicy(Reach);

#[derive(Clone, Debug)]
enum Reach {
    Public,
    Receivers(Receivers),
    Sandbox(Vec<SocketAddr>),
}

impl HostPolicy {
    /// Public addresses over https: the policy of a server.
    #[must_use]
    pub const fn public() -> Self {
        Self(Reach::Public)
    }

    /// Where subscribers want to hear: addresses that anybody may have typed.
    #[must_use]
    pub const fn receivers(receivers: Receivers) -> Self {
        Self(Reach::Receivers(receivers))
    }

    /// These addresses on loopback, over http, and nothing else: the policy of a demonstration or a test. An address that is not
    /// on loopback is left out, so that this can never widen what a server reaches.
    #[must_use]
    pub fn sandbox(allowed: Vec<SocketAddr>) -> Self {
        Self(Reach::Sandbox(
            allowed
                .into_iter()
                .filter(|address| address.ip().is_loopback())
                .collect(),
        ))
    }

    /// Whether this is the policy of a sandbox.
    #[must_use]
    pub const fn is_sandbox(&self) -> bool {
        matches!(self.0, Reach::Sandbox(_))
    }

    /// Whether plain http is called, ever.
    #[must_use]
    pub const fn is_https_only(&self) -> bool {
        match &self.0 {
            Reach::Public => true,
            Reach::Receivers(receivers) => !receivers.plain_http,
            Reach::Sandbox(_) => false,
        }
    }

    /// Judges a URL before anything is resolved. A name passes here and is judged again by what it resolves to.
    ///
    /// # Errors
    /// The reason for which it is refused.
    pub fn check(&self, url: &Url) -> Result<(), Blocked> {
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Blocked::Shape);
        }
        let (Some(host), Some(port)) = (url.host(), url.port_or_known_default()) else {
            return Err(Blocked::Shape);
        };
        let literal = match host {
            Host::Ipv4(ip) => Some(IpAddr::V4(ip)),
            Host::Ipv6(ip) => Some(IpAddr::V6(ip)),
            Host::Domain(_) => None,
        };
        let not_public = || Blocked::NotPublic {
            host: host.to_string(),
        };
        match &self.0 {
            Reach::Public => {
                if url.scheme() != "https" {
                    return Err(Blocked::Scheme);
                }
                match literal {
                    Some(ip) if !is_public(ip) => Err(not_public()),
                    _ => Ok(()),
                }
            }
            Reach::Receivers(receivers) => receivers.check(url, port, literal, not_public),
            Reach::Sandbox(allowed) => {
                if url.scheme() != "http" {
                    return Err(Blocked::Scheme);
                }
                match literal {
                    Some(ip) if allowed.contains(&SocketAddr::new(ip, port)) => Ok(()),
                    _ => Err(not_public()),
                }
            }
        }
    }

    /// The resolver a client of this policy uses.
    pub(super) fn resolver(&self) -> GuardedResolver {
        match &self.0 {
            Reach::Public => GuardedResolver::Public,
            Reach::Receivers(receivers) => GuardedResolver::Receivers(receivers.clone()),
            Reach::Sandbox(_) => GuardedResolver::Nothing,
        }
    }
}

/// Resolves names and lets only public addresses through. A sandbox is called by address, so it resolves no name at all.
#[derive(Clone, Debug)]
pub(super) enum GuardedResolver {
    Nothing,
    Public,
    Receivers(Receivers),
}

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let resolver = self.clone();
        Box::pin(async move {
            let host = name.as_str().to_owned();
            match resolver {
                Self::Nothing => Err(Blocked::NotPublic { host }.into()),
                Self::Public => Ok(only_public(host.clone(), system_lookup(host).await)?),
                Self::Receivers(receivers) => Ok(receivers.resolve(host).await?),
            }
        })
    }
}

/// The addresses that the machine's resolver knows of a name. A name that cannot be looked up has none.
async fn system_lookup(host: String) -> Vec<SocketAddr> {
    let looked_up = tokio::net::lookup_host((host.as_str(), 0)).await;
    looked_up
        .map(Iterator::collect::<Vec<_>>)
        .unwrap_or_default()
}

/// The public ones among the addresses of a name; an error when there is none.
fn only_public(host: String, found: Vec<SocketAddr>) -> Result<Addrs, Blocked> {
    if found.is_empty() {
        return Err(Blocked::NoAddress { host });
    }
    let public: Vec<SocketAddr> = found
        .into_iter()
        .filter(|address| is_public(address.ip()))
        .collect();
    if public.is_empty() {
        return Err(Blocked::NotPublic { host });
    }
    Ok(Box::new(public.into_iter()))
}

/// Whether an address is public unicast.
#[must_use]
pub const fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => is_public_v4(ip),
        IpAddr::V6(ip) => is_public_v6(ip),
    }
}

/// The special-purpose blocks of IPv4 (IANA's registry); metadata services sit in 169.254/16 and in 100.64/10.
const fn is_public_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, d] = ip.octets();
    !matches!(
        (a, b, c, d),
        (0 | 10 | 127 | 224..=255, ..)          // this network, private, loopback, multicast, reserved, broadcast
            | (100, 64..=127, ..)               // shared by carriers (CGNAT)
            | (169, 254, ..)                    // link-local
            | (172, 16..=31, ..)                // private
            | (192, 168, ..)                    // private
            | (192, 0, 0 | 2, _)                // protocol assignments, documentation
            | (192, 31, 196, _)                 // AS112
            | (192, 52, 193, _)                 // AMT
            | (192, 88, 99, _)                  // 6to4 relays
            | (192, 175, 48, _)                 // AS112
            | (198, 18..=19, ..)                // benchmarks
            | (198, 51, 100, _)                 // documentation
            | (203, 0, 113, _)                  // documentation
            | (168, 63, 129, 16) // a cloud's wire server: public by number, internal by use
    )
}

/// Global unicast only, and of that nothing that tunnels, translates or documents.
const fn is_public_v6(ip: Ipv6Addr) -> bool {
    let [a, b, ..] = ip.segments();
    a & 0xe000 == 0x2000                        // only 2000::/3: leaves out ::/8 (loopback, mapped, compatible), 64:ff9b::/16
                                                // (NAT64), 100::/64, fc00::/7, fe80::/10, fec0::/10, ff00::/8, 5f00::/16
        && !(a == 0x2001 && b < 0x0200)         // 2001::/23: Teredo, benchmarks, ORCHID and other protocols
        && !(a == 0x2001 && b == 0x0db8)        // documentation
        && a != 0x2002                          // 6to4
        && !(a == 0x2620 && b == 0x004f)        // AS112 (2620:4f:8000::/48)
        && !(a == 0x3fff && b < 0x1000) // documentation (3fff::/20)
}

#[cfg(test)]
mod tests;
