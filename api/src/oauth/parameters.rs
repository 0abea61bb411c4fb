//! The parameters of a request: each at most once, and one without a value is one that was not sent (RFC 6749, section 3.1).
//!
//! A parameter that comes twice is refused, not the first or the last of them taken: two programs that read the same request differently are how
//! somebody is sent where they should not go. Only `resource` may be repeated (RFC 8707).

use super::refusal::{Refusal, Result};

/// More parameters than any honest request has.
const MOST: usize = 40;

/// The parameters of a query or of a form.
pub struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// Reads `application/x-www-form-urlencoded` text.
    ///
    /// # Errors
    /// When there are too many.
    pub fn read(text: &str) -> Result<Self, Refusal> {
        let pairs = url::form_urlencoded::parse(text.as_bytes()).into_owned();
        let pairs: Vec<_> = pairs.take(MOST + 1).collect();
        if pairs.len() > MOST {
            return Err(Refusal::request("There are too many parameters."));
        }
        Ok(Self(pairs))
    }

    /// The value of a parameter that was sent once.
    ///
    /// # Errors
    /// When it was sent more than once.
    pub fn one(&self, name: &str) -> Result<Option<&str>, Refusal> {
        let mut values = self.all(name);
        match (values.next(), values.next()) {
            (_, Some(_)) => Err(Refusal::request("A parameter is repeated.")),
            (value, None) => Ok(value.filter(|value| !value.is_empty())),
        }
    }

    /// Every value of a parameter, the empty ones too.
    pub fn all<'p>(&'p self, name: &str) -> impl Iterator<Item = &'p str> {
        self.0
            .iter()
            .filter(move |(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    /// Refuses a request in which any parameter but `resource` comes twice, whether we know it or not.
    ///
    /// # Errors
    /// When one does.
    pub fn refuse_repeated(&self) -> Result<(), Refusal> {
        let mut names: Vec<&str> = self.0.iter().map(|(name, _)| name.as_str()).collect();
        names.retain(|name| *name != "resource");
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        if names.len() == all {
            Ok(())
        } else {
            Err(Refusal::request("A parameter is repeated."))
        }
    }
}

impl std::fmt::Debug for Parameters {
    /// The names only: the values are secrets as often as not.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names = self.0.iter().map(|(name, _)| name);
        f.debug_list().entries(names).finish()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn one_value_or_none_and_never_two() {
        let read = |text: &str| Parameters::read(text).unwrap();
        let one = |text: &str| read(text).one("a").map(|value| value.map(str::to_owned));
        assert_eq!(one("a=b%20c"), Ok(Some("b c".to_owned())));
        assert_eq!(one("a="), Ok(None));
        assert_eq!(one("b=1"), Ok(None));
        assert!(one("a=1&a=2").is_err());
        assert!(one("a=1&a=1").is_err());
        assert!(one("a=&a=1").is_err());
        assert!(read("x=1&x=1").refuse_repeated().is_err());
        assert!(read("resource=1&resource=2&x=1").refuse_repeated().is_ok());
        assert!(Parameters::read(&"a=1&".repeat(41)).is_err());
        assert!(!format!("{:?}", read("code=secret")).contains("secret"));
    }
}
