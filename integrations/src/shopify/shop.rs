//! The names of shops.
//!
//! Owns: what a person may type for their shop, and its one form. Refuses: every host but `<name>.myshopify.com`. Shopify's own library also lets
//! `shopify.com` and two hosts of Shopify's own developers pass, so that `accounts.shopify.com` would be a shop; people are sent there to
//! agree, and tokens after them, so the narrow rule is the safe one. Invariant: what is answered is answered again for itself.

use crate::connector::INVALID_SITE;
use crate::error::{ConnectorError, Result};
use url::Url;

const SUFFIX: &str = ".myshopify.com";
/// The address under which the admin of every shop is found, by the shop's name.
const ADMIN: &str = "admin.shopify.com/store/";
/// A label of a host name has at most this many letters.
const LONGEST_NAME: usize = 63;

/// The address of a shop, of what a person typed: its name, its host, or any address within it or its admin.
pub(super) fn site(typed: &str) -> Result<Url> {
    let text = typed.trim();
    let text = text
        .get(..8)
        .filter(|scheme| scheme.eq_ignore_ascii_case("https://"))
        .map_or(text, |_| text.get(8..).unwrap_or_default());
    let host = match text.strip_prefix(ADMIN) {
        Some(rest) => first_part(rest),
        None => first_part(text),
    };
    let host = host.to_ascii_lowercase();
    let name = match host.strip_suffix(SUFFIX) {
        Some(name) => name,
        None if !host.contains('.') => host.as_str(),
        None => return Err(refused()),
    };
    if !is_name(name) {
        return Err(refused());
    }
    Url::parse(&format!("https://{name}{SUFFIX}/")).map_err(|_| refused())
}

/// The same address, if it is a shop's and nothing else.
pub(super) fn checked(url: &Url) -> Result<Url> {
    let site = site(url.host_str().unwrap_or_default())?;
    if url.scheme() == "https"
        && url.origin() == site.origin()
        && url.username().is_empty()
        && url.password().is_none()
    {
        Ok(site)
    } else {
        Err(refused())
    }
}

/// The host of a shop's address: the id of the account, and what webhooks call it.
pub(super) fn host(site: &Url) -> &str {
    site.host_str().unwrap_or_default()
}

/// The host of a shop as somebody else wrote it, in its one form; none when it is no shop's.
pub(super) fn host_of(text: &str) -> Option<String> {
    let is_host = text.len() > SUFFIX.len() && text.to_ascii_lowercase().ends_with(SUFFIX);
    let site = site(text).ok().filter(|_| is_host)?;
    (host(&site) == text.to_ascii_lowercase()).then(|| host(&site).to_owned())
}

fn first_part(text: &str) -> &str {
    text.split(['/', '?', '#']).next().unwrap_or_default()
}

fn is_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    let first = bytes
        .next()
        .is_some_and(|byte| byte.is_ascii_alphanumeric());
    first
        && name.len() <= LONGEST_NAME
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

fn refused() -> ConnectorError {
    ConnectorError::permanent(
        INVALID_SITE,
        "Name the shop as Shopify does: your-shop.myshopify.com. Its address ends in .myshopify.com, whatever domain its customers see.",
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_people_type_for_their_shop_has_one_form() {
        for typed in [
            "some-shop",
            "some-shop.myshopify.com",
            " Some-Shop.MyShopify.com ",
            "https://some-shop.myshopify.com",
            "https://some-shop.myshopify.com/",
            "HTTPS://some-shop.myshopify.com/admin/orders?x=1#y",
            "https://admin.shopify.com/store/some-shop",
            "admin.shopify.com/store/some-shop/settings",
        ] {
            let url = site(typed).unwrap();
            assert_eq!(url.as_str(), "https://some-shop.myshopify.com/", "{typed}");
            assert_eq!(checked(&url).unwrap(), url);
            assert_eq!(site(url.as_str()).unwrap(), url, "{typed}");
        }
        assert_eq!(
            site("a_b.myshopify.com").unwrap().as_str(),
            "https://a_b.myshopify.com/"
        );
    }

    #[test]
    fn no_other_host_is_a_shop() {
        for typed in [
            "",
            " ",
            ".myshopify.com",
            "myshopify.com",
            "-shop.myshopify.com",
            "_shop",
            "shop.example.com",
            "accounts.shopify.com",
            "admin.shopify.com",
            "admin.shopify.com/store/",
            "shop.myshopify.io",
            "shop.shop.dev",
            "shop.myshopify.com.example.com",
            "shop.myshopify.com@example.com",
            "example.com/shop.myshopify.com",
            "example.com#.myshopify.com",
            "example.com?.myshopify.com",
            "http://shop.myshopify.com",
            "https://user:pass@shop.myshopify.com",
            "shop.myshopify.com:8443",
            "shop.myshopify.com.",
            "a.b.myshopify.com",
            "shöp.myshopify.com",
            "shop\u{0}.myshopify.com",
            "sh op.myshopify.com",
            "shop\\.myshopify.com",
            "127.0.0.1",
            "[::1]",
        ] {
            let error = site(typed).unwrap_err();
            assert!(
                matches!(&error, ConnectorError::Permanent { code, .. } if code == INVALID_SITE),
                "{typed:?}: {error:?}"
            );
        }
        assert!(site(&"a".repeat(64)).is_err() && site(&"a".repeat(63)).is_ok());
        for url in [
            "http://shop.myshopify.com/",
            "https://shop.myshopify.com:444/",
            "https://u@shop.myshopify.com/",
            "https://example.com/",
            "data:shop.myshopify.com",
        ] {
            assert!(checked(&Url::parse(url).unwrap()).is_err(), "{url}");
        }
    }

    #[test]
    fn a_host_in_a_header_is_a_host_and_not_a_word() {
        assert_eq!(
            host_of("Some-Shop.myshopify.com").as_deref(),
            Some("some-shop.myshopify.com")
        );
        for bad in [
            "some-shop",
            "https://some-shop.myshopify.com",
            "some-shop.myshopify.com/",
            "",
            "example.com",
            " some-shop.myshopify.com",
        ] {
            assert_eq!(host_of(bad), None, "{bad:?}");
        }
    }

    proptest! {
        /// Whatever is typed, either it is refused or the address is that of one shop.
        #[test]
        fn nothing_else_comes_out(typed in ".{0,60}") {
            if let Ok(url) = site(&typed) {
                prop_assert_eq!(url.scheme(), "https");
                prop_assert!(url.host_str().unwrap().ends_with(SUFFIX));
                prop_assert_eq!(url.path(), "/");
                prop_assert!(url.port().is_none() && url.username().is_empty());
            }
        }
    }
}
