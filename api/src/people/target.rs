//! Where a person goes after signing in: a path of ours and nothing else.
//!
//! A `continue` parameter comes from whoever made the link. What is not plainly a path on this server (another scheme or host, `//host`, a
//! backslash, a control character) is dropped, and the person ends on the account page.

use crate::config::public_url::PublicUrl;

/// The longest path that is believed; an authorization request with everything in it is shorter.
const LONGEST: usize = 4_000;

/// Where people end who came from nowhere.
pub const ACCOUNT: &str = "/account";

/// A path of ours, with its query, below the public address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target(String);

impl Target {
    /// The path of a parameter, or the account page.
    #[must_use]
    pub fn read(given: Option<&str>) -> Self {
        let path = given.filter(|text| is_ours(text)).unwrap_or(ACCOUNT);
        Self(path.to_owned())
    }

    /// The path.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A path of ours that leads on to this one.
    #[must_use]
    pub fn after(&self, path: &str) -> String {
        if self.0 == ACCOUNT {
            return path.to_owned();
        }
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.append_pair("continue", &self.0);
        format!("{path}?{}", query.finish())
    }
}

/// A path of ours as a browser at the public address is told it.
#[must_use]
pub fn local(public_url: &PublicUrl, path: &str) -> String {
    let base = public_url.url_at("/");
    format!("{}{path}", base.path().trim_end_matches('/'))
}

fn is_ours(text: &str) -> bool {
    let mut letters = text.chars();
    letters.next() == Some('/')
        && !matches!(letters.next(), Some('/' | '\\'))
        && text.len() <= LONGEST
        && text
            .chars()
            .all(|letter| letter.is_ascii_graphic() && letter != '\\')
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use url::Url;

    #[test]
    fn a_path_of_ours_is_kept_and_everything_else_is_dropped() {
        for path in [
            "/",
            "/account",
            "/oauth/authorize?client_id=a&redirect_uri=https%3A%2F%2Fb.example%2F",
            "/a//b",
            "/%5C%5Cevil.example",
        ] {
            assert_eq!(Target::read(Some(path)).as_str(), path);
            let joined = Url::parse("https://entente.example/x")
                .unwrap()
                .join(path)
                .unwrap();
            assert_eq!(joined.host_str(), Some("entente.example"), "{path}");
        }
        let long = format!("/{}", "a".repeat(LONGEST));
        for path in [
            "",
            "account",
            "//evil.example",
            "///evil.example",
            "/\\evil.example",
            "\\\\evil.example",
            "/a\\b",
            "https://evil.example/",
            "javascript:alert(1)",
            "/\t/evil.example",
            "/\n",
            " /account",
            "/a b",
            "/ä",
            "/\u{0}",
            "/\u{202e}",
            &long,
        ] {
            assert_eq!(Target::read(Some(path)).as_str(), ACCOUNT, "{path:?}");
        }
        assert_eq!(Target::read(None).as_str(), ACCOUNT);
    }

    #[test]
    fn it_is_carried_on_as_a_parameter() {
        let target = Target::read(Some("/oauth/authorize?a=b&c=d"));
        assert_eq!(
            target.after("/sign-in"),
            "/sign-in?continue=%2Foauth%2Fauthorize%3Fa%3Db%26c%3Dd"
        );
        assert_eq!(Target::read(None).after("/sign-in"), "/sign-in");
    }

    #[test]
    fn a_public_address_below_a_path_is_kept_in_front() {
        let below = PublicUrl::parse("https://example.com/entente").unwrap();
        assert_eq!(local(&below, "/sign-in?a=b"), "/entente/sign-in?a=b");
        let root = PublicUrl::parse("https://example.com").unwrap();
        assert_eq!(local(&root, "/sign-in"), "/sign-in");
    }
}
