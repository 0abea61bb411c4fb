//! Where a client's people may be sent back to: what can be registered, and what is the same as what was registered.
//!
//! Sameness is that of the letters, and nothing is normalised: two texts that some program reads as one address and another as two are
//! how codes are stolen. To keep it so, only addresses in their plain spelling can be registered. The one liberty is RFC 8252's: a program on a
//! person's own machine listens on whatever port is free, so that the port of a registered loopback address is left open.

use crate::error::{ViolationCode, Violations};
use url::{Host, Url};

/// The longest address.
const LONGEST: usize = 2_000;
/// The most addresses of one client.
const MOST: usize = 20;
/// What registered loopback addresses begin with: numbers only, for `localhost` is a name that may lead elsewhere.
const LOOPBACK: [&str; 2] = ["http://127.0.0.1", "http://[::1]"];

/// Notes what is wrong with addresses that are to be registered.
pub(super) fn check(violations: &mut Violations, uris: &[String]) {
    if uris.len() > MOST {
        let message = format!("At most {MOST} addresses.");
        violations.add(ViolationCode::TooLong, "redirectUris", message);
    }
    for uri in uris {
        if let Err(message) = check_one(uri) {
            violations.add(ViolationCode::Invalid, "redirectUris", message);
        }
    }
}

fn check_one(uri: &str) -> Result<(), &'static str> {
    if uri.len() > LONGEST {
        return Err("An address has at most 2,000 characters.");
    }
    let url = Url::parse(uri).map_err(|_| "An address must be absolute.")?;
    // A URL without a path gets one when it is written out; everything else must stand there as it is read.
    if url.as_str().strip_suffix('/').unwrap_or(url.as_str())
        != uri.strip_suffix('/').unwrap_or(uri)
    {
        return Err(
            "An address must be written plainly: lower-case host, no default port, no dots in its path, nothing that has to be escaped.",
        );
    }
    if uri.contains('#') {
        return Err("An address has no fragment.");
    }
    if !url.username().is_empty() || url.password().is_some() || uri.contains('@') {
        return Err("An address holds no user and no at sign.");
    }
    if uri.contains('*') {
        return Err("An address has no wildcards: each is registered as it is.");
    }
    match (url.scheme(), url.host()) {
        ("https", Some(Host::Domain(_) | Host::Ipv4(_) | Host::Ipv6(_))) => Ok(()),
        ("http", Some(_)) if parts_of_loopback(uri).is_some() => Ok(()),
        _ => Err("An address must be https, or http on 127.0.0.1 or [::1]."),
    }
}

/// Whether `presented` is the registered address, letter for letter, or differs in the port of a loopback address only.
pub(super) fn is_same(registered: &str, presented: &str) -> bool {
    if presented == registered {
        return true;
    }
    match (parts_of_loopback(registered), parts_of_loopback(presented)) {
        (Some(ours), Some(theirs)) => ours == theirs,
        _ => false,
    }
}

/// A loopback address without its port: what it begins with, and what follows the port.
fn parts_of_loopback(uri: &str) -> Option<(&str, &str)> {
    LOOPBACK.into_iter().find_map(|host| {
        let after = uri.strip_prefix(host)?;
        let rest = match after.strip_prefix(':') {
            None => after,
            Some(after) => {
                let digits = after.bytes().take_while(u8::is_ascii_digit).count();
                let (port, rest) = after.split_at_checked(digits)?;
                // As a program writes a port: no zero in front, and a number that is one.
                let is_port = !port.starts_with('0') && port.parse::<u16>().is_ok();
                is_port.then_some(rest)?
            }
        };
        (rest.is_empty() || rest.starts_with(['/', '?'])).then_some((host, rest))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_https_and_loopback_addresses_can_be_registered() {
        for uri in [
            "https://app.example.com/callback",
            "https://app.example.com",
            "https://app.example.com/",
            "https://app.example.com:8443/a/b?tenant=7",
            "https://192.0.2.7/cb",
            "http://127.0.0.1/cb",
            "http://127.0.0.1:8123/cb",
            "http://[::1]:8123/cb",
            "http://[::1]",
        ] {
            assert_eq!(check_one(uri), Ok(()), "{uri}");
        }
    }

    #[test]
    fn nothing_else_can() {
        for uri in [
            "",
            "/callback",
            "//app.example.com/callback",
            "app.example.com/callback",
            "https:app.example.com/callback",
            "https:/app.example.com/callback",
            "https://App.example.com/callback",
            "HTTPS://app.example.com/callback",
            "https://app.example.com:443/callback",
            "https://app.example.com/a/../callback",
            "https://app.example.com/a/./callback",
            "https://app.example.com/call back",
            "https://app.example.com/callback#",
            "https://app.example.com/callback#x",
            "https://me@app.example.com/callback",
            "https://me:x@app.example.com/callback",
            "https://*.example.com/callback",
            "https://app.example.com\\callback",
            " https://app.example.com/callback",
            "https://app.example.com/callback\n",
            "http://app.example.com/callback",
            "http://localhost/callback",
            "http://localhost:8123/callback",
            "http://127.0.0.2/callback",
            "http://127.1/callback",
            "http://0x7f000001/callback",
            "http://[::ffff:127.0.0.1]/callback",
            "http://127.0.0.1.example.com/callback",
            "ftp://app.example.com/callback",
            "javascript:alert(1)",
            "data:text/html,x",
            "com.example.app:/callback",
            "file:///etc/passwd",
        ] {
            assert!(check_one(uri).is_err(), "{uri}");
        }
        assert!(check_one(&format!("https://a.example/{}", "x".repeat(2_000))).is_err());
    }

    #[test]
    fn sameness_is_of_letters_but_for_the_port_on_loopback() {
        let https = "https://app.example.com/cb";
        assert!(is_same(https, https));
        for other in [
            "https://app.example.com/cb/",
            "https://app.example.com/cb?",
            "https://app.example.com/cb?x=1",
            "https://app.example.com:443/cb",
            "https://app.example.com/CB",
            "https://APP.example.com/cb",
            "http://app.example.com/cb",
            "",
        ] {
            assert!(!is_same(https, other), "{other}");
        }
        let native = "http://127.0.0.1:3000/cb";
        for same in [
            "http://127.0.0.1:3000/cb",
            "http://127.0.0.1/cb",
            "http://127.0.0.1:65535/cb",
        ] {
            assert!(is_same(native, same), "{same}");
        }
        for other in [
            "http://127.0.0.1:0/cb",
            "http://127.0.0.1:03000/cb",
            "http://127.0.0.1:65536/cb",
            "http://127.0.0.1:/cb",
            "http://127.0.0.1:3000/cb/",
            "http://127.0.0.1:3000/other",
            "http://127.0.0.1:3000@evil.example/cb",
            "http://127.0.0.1:3000.evil.example/cb",
            "http://127.0.0.1.evil.example/cb",
            "http://127.0.0.1@evil.example/cb",
            "http://[::1]:3000/cb",
            "http://localhost:3000/cb",
            "https://127.0.0.1:3000/cb",
            "http://127.0.0.1:3000/cb#x",
        ] {
            assert!(!is_same(native, other), "{other}");
        }
    }
}
