//! Where Salesforce's accounts are.
//!
//! Owns: which hosts are Salesforce's. Refuses: every other one, however similar: people type their password there, and our tokens go there. Invariant:
//! an address that passes is `https`, has no port, no user and no path, and lies below Salesforce's own domain.
//!
//! Each account has an address of its own, its My Domain: `acme.my.salesforce.com`, with one more step for what is no production
//! (`acme--uat.sandbox.my.salesforce.com`). New apps are not known at the common `login.` and `test.` hosts any more, so these are refused as well.

use crate::{
    connector::INVALID_SITE,
    error::{ConnectorError, Result},
};
use url::{Host, Url};

/// Below this all accounts are.
const ACCOUNTS: &str = ".my.salesforce.com";
/// Where people work; the same names, so that what they copy from there is understood.
const LIGHTNING: &str = ".lightning.force.com";

/// Where Salesforce is.
#[derive(Clone, Debug, Default)]
pub struct SalesforceEndpoints {
    /// The one origin of a sandbox; none for Salesforce's own accounts.
    only: Option<Url>,
}

impl SalesforceEndpoints {
    /// Exactly this origin and no other, as a sandbox has it.
    #[must_use]
    pub fn at(mut base: Url) -> Self {
        base.set_path("/");
        base.set_query(None);
        base.set_fragment(None);
        Self { only: Some(base) }
    }

    /// What a person typed, as an account's address. Without anything typed only a sandbox is meant.
    pub(super) fn site(&self, typed: Option<&str>) -> Result<Url> {
        match (&self.only, typed) {
            (Some(only), None) => Ok(only.clone()),
            (None, None) => Err(refused(
                "name your My Domain address, as in acme.my.salesforce.com",
            )),
            (_, Some(typed)) => self.trusted(&parsed(typed)?),
        }
    }

    /// An address that an answer named, held to the same rule.
    pub(super) fn trusted(&self, url: &Url) -> Result<Url> {
        if let Some(only) = &self.only {
            return if url.origin() == only.origin() {
                Ok(only.clone())
            } else {
                Err(refused("it is not the sandbox's"))
            };
        }
        if url.scheme() != "https"
            || url.port().is_some()
            || !url.username().is_empty()
            || url.password().is_some()
        {
            return Err(refused("it is not a plain https address"));
        }
        let Some(Host::Domain(host)) = url.host() else {
            return Err(refused("it is not the name of a host"));
        };
        let host = match host.strip_suffix(LIGHTNING) {
            Some(account) => format!("{account}{ACCOUNTS}"),
            None => host.to_owned(),
        };
        if !is_account(&host) {
            return Err(refused(
                "it is not a My Domain address, which ends in .my.salesforce.com",
            ));
        }
        Url::parse(&format!("https://{host}/")).map_err(|_| refused("it is not an address"))
    }
}

/// Whether a host is an account's: one name below Salesforce's domain, or two where the second says what kind of account it is.
fn is_account(host: &str) -> bool {
    let Some(account) = host.strip_suffix(ACCOUNTS) else {
        return false;
    };
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    };
    account.split('.').count() <= 2 && account.split('.').all(is_label)
}

/// What people type or copy: a host, or an address of a page.
fn parsed(typed: &str) -> Result<Url> {
    let typed = typed.trim();
    if typed.is_empty() || typed.len() > 2_000 {
        return Err(refused("it is empty or too long"));
    }
    // Programs disagree about what these mean in an address.
    if typed
        .contains(|letter: char| letter == '\\' || letter.is_whitespace() || letter.is_control())
    {
        return Err(refused("it holds characters that no address has"));
    }
    let address = if typed.contains("://") {
        typed.to_owned()
    } else {
        format!("https://{typed}")
    };
    Url::parse(&address).map_err(|_| refused("it is not an address"))
}

fn refused(why: &str) -> ConnectorError {
    ConnectorError::permanent(
        INVALID_SITE,
        format!("This address is not one of Salesforce's: {why}."),
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn an_accounts_own_address_is_taken_in_whatever_form_it_is_typed() {
        let endpoints = SalesforceEndpoints::default();
        for (typed, expected) in [
            ("acme.my.salesforce.com", "https://acme.my.salesforce.com/"),
            (
                " https://acme.my.salesforce.com/ ",
                "https://acme.my.salesforce.com/",
            ),
            (
                "https://ACME.my.salesforce.com/lightning/o/Account/list?filter=x#y",
                "https://acme.my.salesforce.com/",
            ),
            (
                "https://acme.my.salesforce.com:443/",
                "https://acme.my.salesforce.com/",
            ),
            (
                "acme--uat.sandbox.my.salesforce.com",
                "https://acme--uat.sandbox.my.salesforce.com/",
            ),
            (
                "acme-dev-ed.develop.my.salesforce.com",
                "https://acme-dev-ed.develop.my.salesforce.com/",
            ),
            (
                "acme-dev-ed.my.salesforce.com",
                "https://acme-dev-ed.my.salesforce.com/",
            ),
            (
                "x.scratch.my.salesforce.com",
                "https://x.scratch.my.salesforce.com/",
            ),
            (
                "https://acme.lightning.force.com/lightning/page/home",
                "https://acme.my.salesforce.com/",
            ),
            (
                "acme--uat.sandbox.lightning.force.com",
                "https://acme--uat.sandbox.my.salesforce.com/",
            ),
        ] {
            assert_eq!(
                endpoints.site(Some(typed)).unwrap().as_str(),
                expected,
                "{typed}"
            );
        }
    }

    #[test]
    fn every_other_host_is_refused() {
        let endpoints = SalesforceEndpoints::default();
        for typed in [
            "",
            "   ",
            "acme",
            "login.salesforce.com",
            "test.salesforce.com",
            "my.salesforce.com",
            ".my.salesforce.com",
            "acme.my.salesforce.com.evil.example",
            "evilmy.salesforce.com",
            "acme.my.salesforce.com@evil.example",
            "https://evil.example/acme.my.salesforce.com",
            "https://evil.example#.my.salesforce.com",
            "https://evil.example\\.my.salesforce.com",
            "https://evil.example%2f.my.salesforce.com",
            "http://acme.my.salesforce.com",
            "ftp://acme.my.salesforce.com",
            "javascript://acme.my.salesforce.com/%0aalert(1)",
            "https://acme.my.salesforce.com:8443",
            "https://user@acme.my.salesforce.com",
            "https://user:pass@acme.my.salesforce.com",
            "a.b.c.my.salesforce.com",
            "acme.my.salesforce.com.",
            "-acme.my.salesforce.com",
            "a_b.my.salesforce.com",
            "acme..my.salesforce.com",
            "acme.my.salesforce.com\\.evil.example",
            "acme.my.sales\tforce.com",
            "127.0.0.1",
            "https://[::1]/",
            "lightning.force.com",
            "acme.my.salesforce.co\u{43c}",
            "\u{430}cme.my.salesforce.com.example",
        ] {
            let refused = endpoints.site(Some(typed)).err();
            assert!(
                matches!(&refused, Some(ConnectorError::Permanent { code, .. }) if code == INVALID_SITE),
                "{typed:?}: {refused:?}"
            );
        }
        assert!(
            endpoints.site(None).is_err(),
            "without an address nobody knows where to go"
        );
    }

    #[test]
    fn a_sandbox_is_exactly_one_origin() {
        let endpoints =
            SalesforceEndpoints::at("http://127.0.0.1:7001/anything?x#y".parse().unwrap());
        let only = "http://127.0.0.1:7001/";
        assert_eq!(endpoints.site(None).unwrap().as_str(), only);
        assert_eq!(
            endpoints
                .site(Some("http://127.0.0.1:7001"))
                .unwrap()
                .as_str(),
            only
        );
        for other in [
            "127.0.0.1:7001",
            "http://127.0.0.1:7002",
            "https://127.0.0.1:7001",
            "http://localhost:7001",
            "acme.my.salesforce.com",
        ] {
            assert!(endpoints.site(Some(other)).is_err(), "{other}");
        }
    }
}
