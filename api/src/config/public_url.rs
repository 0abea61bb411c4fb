//! The address under which the world reaches this server.
//!
//! Redirects, webhook signatures and the issuer of tokens are built from it and never from a request's Host header, which its sender
//! chooses. It is https, or http on loopback; it has no credentials, no query and no fragment.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use url::{Host, Url};

/// Why an address cannot be the public one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPublicUrl {
    /// It is no URL with a host.
    #[error("it must be a whole address, such as https://entente.example.com")]
    NotAnAddress,
    /// Its scheme is neither https nor http on loopback.
    #[error("it must be https, or http on loopback")]
    NotHttps,
    /// It holds more than scheme, host, port and path.
    #[error("it must hold no user, password, query or fragment")]
    TooMuch,
}

/// A checked public address, without a slash at its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicUrl {
    url: Url,
    text: String,
}

impl PublicUrl {
    /// Checks an address.
    ///
    /// # Errors
    /// [`InvalidPublicUrl`].
    pub fn parse(text: &str) -> Result<Self, InvalidPublicUrl> {
        let url = Url::parse(text.trim()).map_err(|_| InvalidPublicUrl::NotAnAddress)?;
        let host = url.host().ok_or(InvalidPublicUrl::NotAnAddress)?;
        match url.scheme() {
            "https" => {}
            "http" if is_loopback(&host) => {}
            _ => return Err(InvalidPublicUrl::NotHttps),
        }
        if !url.username().is_empty()
            || url.password().is_some()
            || url.query().is_some()
            || url.fragment().is_some()
        {
            return Err(InvalidPublicUrl::TooMuch);
        }
        let text = url.as_str().trim_end_matches('/').to_owned();
        Ok(Self { url, text })
    }

    /// The address of a server that listens on `bound` and is reached on this machine only. A server that listens everywhere is
    /// reached on loopback too.
    ///
    /// # Errors
    /// [`InvalidPublicUrl`], when it listens on another address.
    pub fn of_loopback(bound: SocketAddr) -> Result<Self, InvalidPublicUrl> {
        let ip = match bound.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
            IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
            ip => ip,
        };
        Self::parse(&format!("http://{}", SocketAddr::new(ip, bound.port())))
    }

    /// The address itself: the issuer of tokens.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The address of a path of ours, which begins with a slash.
    #[must_use]
    pub fn at(&self, path: &str) -> String {
        format!("{}{path}", self.text)
    }

    /// The address of a path as a URL.
    #[must_use]
    pub fn url_at(&self, path: &str) -> Url {
        let mut url = self.url.clone();
        url.set_path(&format!("{}{path}", self.url.path().trim_end_matches('/')));
        url
    }

    /// Whether it is this machine's own, reached by nobody else.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        self.url.host().is_some_and(|host| is_loopback(&host))
    }

    /// Whether it is reached over TLS.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.url.scheme() == "https"
    }

    /// Its origin, as a browser writes it in a header.
    #[must_use]
    pub fn origin(&self) -> String {
        self.url.origin().ascii_serialization()
    }

    /// Whom tokens are for: the GraphQL address.
    #[must_use]
    pub fn audience(&self) -> String {
        self.at("/graphql")
    }
}

fn is_loopback(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => *name == "localhost" || name.ends_with(".localhost"),
        Host::Ipv4(ip) => ip.is_loopback(),
        Host::Ipv6(ip) => ip.is_loopback(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn https_or_loopback_and_nothing_else() {
        for (text, shown) in [
            ("https://entente.example.com", "https://entente.example.com"),
            (
                "https://entente.example.com/",
                "https://entente.example.com",
            ),
            (
                "https://example.com/entente/",
                "https://example.com/entente",
            ),
            ("http://127.0.0.1:8080/", "http://127.0.0.1:8080"),
            ("http://[::1]:8080", "http://[::1]:8080"),
            ("http://localhost:1", "http://localhost:1"),
        ] {
            assert_eq!(PublicUrl::parse(text).unwrap().as_str(), shown);
        }
        for (text, error) in [
            ("entente.example.com", InvalidPublicUrl::NotAnAddress),
            ("", InvalidPublicUrl::NotAnAddress),
            ("http://entente.example.com", InvalidPublicUrl::NotHttps),
            ("http://10.0.0.1", InvalidPublicUrl::NotHttps),
            ("ftp://127.0.0.1", InvalidPublicUrl::NotHttps),
            ("https://a:b@example.com", InvalidPublicUrl::TooMuch),
            ("https://example.com/?a=b", InvalidPublicUrl::TooMuch),
            ("https://example.com/#a", InvalidPublicUrl::TooMuch),
        ] {
            assert_eq!(PublicUrl::parse(text), Err(error), "{text}");
        }
    }

    #[test]
    fn paths_are_joined_below_it() {
        let public = PublicUrl::parse("https://example.com/entente/").unwrap();
        assert_eq!(public.audience(), "https://example.com/entente/graphql");
        assert_eq!(
            public.url_at("/hooks/hubspot").as_str(),
            "https://example.com/entente/hooks/hubspot"
        );
    }

    #[test]
    fn a_local_server_is_reached_on_loopback() {
        let of = |bound: &str| {
            PublicUrl::of_loopback(bound.parse().unwrap()).map(|url| url.as_str().to_owned())
        };
        assert_eq!(of("127.0.0.1:8080").as_deref(), Ok("http://127.0.0.1:8080"));
        assert_eq!(of("0.0.0.0:9000").as_deref(), Ok("http://127.0.0.1:9000"));
        assert_eq!(of("[::]:9000").as_deref(), Ok("http://[::1]:9000"));
        assert_eq!(of("192.168.1.5:80"), Err(InvalidPublicUrl::NotHttps));
    }
}
