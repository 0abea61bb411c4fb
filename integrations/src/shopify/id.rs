//! Ids.
//!
//! Owns: the way between Shopify's global ids (`gid://shopify/Order/820982911946154508`) and the digits that are the id here, which are also what
//! webhooks and the admin's addresses show. Refuses: numbers: an id is text from the first byte on, because it exceeds what a JavaScript or a
//! floating point number holds. Invariant: a global id of one kind is never taken for one of another.

use super::wire::clipped;
use serde::{Deserialize, Deserializer, de};
use serde_json::value::RawValue;

/// More digits than any id has.
const LONGEST: usize = 40;

/// The global id of what has these digits.
pub(super) fn global(kind: &str, digits: &str) -> Option<String> {
    is_digits(digits).then(|| format!("gid://shopify/{kind}/{digits}"))
}

/// The digits of a global id of this kind.
pub(super) fn digits(kind: &str, global: &str) -> Option<String> {
    let digits = global
        .strip_prefix("gid://shopify/")?
        .strip_prefix(kind)?
        .strip_prefix('/')?;
    is_digits(digits).then(|| digits.to_owned())
}

/// The digits of a global id of this kind, or why it is none.
pub(super) fn required(kind: &str, global: Option<&str>) -> Result<String, String> {
    let global = global.ok_or_else(|| format!("it has no id of a {kind}"))?;
    digits(kind, global).ok_or_else(|| format!("{:?} is no id of a {kind}", clipped(global)))
}

/// Whether a text can be the digits of an id.
pub(super) fn is_digits(text: &str) -> bool {
    (1..=LONGEST).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The id in the body of a webhook, where it is a number: exactly the digits that came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Digits(pub(super) String);

impl<'de> Deserialize<'de> for Digits {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&RawValue>::deserialize(deserializer)?.get();
        let text = raw.trim_matches('"');
        if is_digits(text) {
            Ok(Self(text.to_owned()))
        } else {
            Err(de::Error::custom("an id is digits"))
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ids_beyond_53_bits_keep_every_digit() {
        let id = "820982911946154508";
        let gid = global("Order", id).unwrap();
        assert_eq!(gid, "gid://shopify/Order/820982911946154508");
        assert_eq!(digits("Order", &gid).as_deref(), Some(id));
        let number: Digits = serde_json::from_str(id).unwrap();
        assert_eq!(number.0, id);
        let text: Digits = serde_json::from_str("\"820982911946154508\"").unwrap();
        assert_eq!(text.0, id);
    }

    #[test]
    fn another_kind_or_anything_else_is_no_id() {
        for bad in [
            "gid://shopify/OrderTransaction/1",
            "gid://shopify/Order/",
            "gid://shopify/Order/1?x=2",
            "gid://shopify/Order/1/2",
            "gid://other/Order/1",
            "Order/1",
            "1",
            "",
        ] {
            assert_eq!(digits("Order", bad), None, "{bad}");
        }
        for bad in [
            "",
            "-1",
            "1e3",
            "1.0",
            "１",
            "1 or 2",
            "\"",
            &"9".repeat(41),
        ] {
            assert_eq!(global("Order", bad), None, "{bad}");
        }
        for bad in ["1.5", "-1", "1e3", "null", "\"x\"", "[]", "{}", "\"\""] {
            assert!(serde_json::from_str::<Digits>(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn there_and_back(id in "[0-9]{1,40}") {
            let gid = global("Customer", &id).unwrap();
            prop_assert_eq!(digits("Customer", &gid), Some(id));
            prop_assert_eq!(digits("Company", &gid), None);
        }
    }
}
