//! A company's internet domain, normalised: lower case, punycode, without scheme, `www.`, path or port.

use sea_orm::DeriveValueType;
use std::fmt;
use std::str::FromStr;

/// A normalised domain name with at least two labels.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, DeriveValueType)]
#[sea_orm(value_type = "String")]
pub struct DomainName(String);

/// Text that holds no domain name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a domain name")]
pub struct InvalidDomainName;

impl DomainName {
    /// The normalised text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for DomainName {
    type Err = InvalidDomainName;

    fn from_str(text: &str) -> Result<Self, InvalidDomainName> {
        let text = text.trim();
        let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
        let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
        let host = host.split_once(':').map_or(host, |(host, _)| host);
        let ascii = idna::domain_to_ascii_strict(host.trim_end_matches('.'))
            .map_err(|_| InvalidDomainName)?;
        let bare = ascii
            .strip_prefix("www.")
            .filter(|rest| rest.contains('.'))
            .unwrap_or(&ascii);
        let last = bare.rsplit('.').next().unwrap_or_default();
        // An address is no domain: the last label of a name always holds a letter.
        if bare.len() > 253
            || !bare.contains('.')
            || !last.bytes().any(|byte| byte.is_ascii_alphabetic())
        {
            return Err(InvalidDomainName);
        }
        Ok(Self(bare.to_owned()))
    }
}

impl fmt::Display for DomainName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl serde::Serialize for DomainName {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_spellings_are_one_domain() {
        for text in [
            "acme.com",
            "ACME.com.",
            "https://www.acme.com/about?x#y",
            "http://user@acme.com:8080",
            " acme.com ",
        ] {
            assert_eq!(
                text.parse::<DomainName>().map(|domain| domain.to_string()),
                Ok("acme.com".to_owned()),
                "{text}"
            );
        }
        assert_eq!(
            "bücher.example"
                .parse::<DomainName>()
                .map(|domain| domain.0),
            Ok("xn--bcher-kva.example".to_owned())
        );
        assert_eq!(
            "www.com".parse::<DomainName>().map(|domain| domain.0),
            Ok("www.com".to_owned())
        );
    }

    #[test]
    fn what_is_no_domain_is_refused() {
        for text in [
            "",
            "localhost",
            "acme",
            "1.2.3.4",
            "acme..com",
            "a b.com",
            "https://",
            "-.com",
            "[::1]",
        ] {
            assert_eq!(text.parse::<DomainName>(), Err(InvalidDomainName), "{text}");
        }
    }
}
