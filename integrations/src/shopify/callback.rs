//! What a browser brings back from a shop's consent.
//!
//! Owns: the signature over the query, and that it speaks of the shop that was asked, now. Refuses: repeated parameters (which of them was
//! signed would be a guess) and a query without a signature. Invariant: what is compared is rebuilt from the decoded pairs in a form in which no
//! value can move the boundary between two parameters.
//!
//! Shopify documents: sort the parameters but `hmac`, join them as a query, and sign that. Its own libraries disagree on what a query
//! is when a value holds `=`, as the padding of `host` would: one escapes only what would end a value, the others escape all that a component
//! of an address escapes. Both forms are tried; in both each text belongs to one set of parameters only. We are stricter than they are in that
//! no array parameters are taken (none comes with a consent), and a stamp of the future counts like one of the past.

use super::shop;
use crate::error::{ConnectorError, Result};
use crate::oauth::{AppCredentials, Callback};
use crate::signature::{Encoding, Match, hmac_sha256};
use secrecy::SecretString;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// How far the stamp may be from our time, either way: as in Shopify's own library.
const TOLERANCE_S: u64 = 90;

/// Checks what came back from the consent of the shop at `callback.site`.
pub(super) fn check(app: &AppCredentials, callback: &Callback<'_>, now_ms: i64) -> Result<()> {
    let secrets: Vec<SecretString> = std::iter::once(&app.client_secret)
        .chain(&app.previous_client_secret)
        .cloned()
        .collect();
    check_signature(&secrets, callback)?;
    let site = callback
        .site
        .ok_or_else(|| refused("no shop was asked for this consent"))?;
    let named = callback.value("shop").and_then(shop::host_of);
    if named.as_deref() != Some(shop::host(site)) {
        return Err(refused(
            "another shop came back than the one that was asked; a shop that was renamed is connected under its present name",
        ));
    }
    let stamp = callback
        .value("timestamp")
        .filter(|text| text.len() <= 15 && super::id::is_digits(text))
        .and_then(|text| text.parse::<i64>().ok())
        .ok_or_else(|| refused("the time stamp is missing or no number"))?;
    if now_ms.div_euclid(1000).abs_diff(stamp) > TOLERANCE_S {
        return Err(refused("it was signed too long ago, or in the future"));
    }
    Ok(())
}

fn check_signature(secrets: &[SecretString], callback: &Callback<'_>) -> Result<()> {
    let signature = callback
        .value("hmac")
        .ok_or_else(|| refused("it is not signed"))?;
    let mut pairs = BTreeMap::new();
    for (name, value) in callback.query.iter().filter(|(name, _)| name != "hmac") {
        if pairs.insert(name.as_str(), value.as_str()).is_some() {
            return Err(refused("a parameter is repeated"));
        }
    }
    let forms = [sparingly(&pairs), thoroughly(&pairs)];
    let signed = forms.iter().any(|form| {
        hmac_sha256(secrets, &[form.as_bytes()], signature, Encoding::Hex) == Match::Yes
    });
    if signed {
        Ok(())
    } else {
        Err(refused("the signature is wrong"))
    }
}

/// The form that escapes only what could end a name or a value.
fn sparingly(pairs: &BTreeMap<&str, &str>) -> String {
    let value = |text: &str| text.replace('%', "%25").replace('&', "%26");
    let name = |text: &str| value(text).replace('=', "%3D");
    joined(pairs, name, value)
}

/// The form that escapes all but letters, digits and a few marks, as a component of an address is escaped.
fn thoroughly(pairs: &BTreeMap<&str, &str>) -> String {
    joined(pairs, component, component)
}

fn joined(
    pairs: &BTreeMap<&str, &str>,
    name: impl Fn(&str) -> String,
    value: impl Fn(&str) -> String,
) -> String {
    let parts: Vec<String> = pairs
        .iter()
        .map(|(key, text)| format!("{}={}", name(key), value(text)))
        .collect();
    parts.join("&")
}

fn component(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.!~*'()".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a text cannot fail.
            let _always_fits = write!(out, "%{byte:02X}");
        }
    }
    out
}

fn refused(why: &str) -> ConnectorError {
    ConnectorError::permanent(
        "invalid_callback",
        format!("The answer to the consent: {why}."),
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
    use super::*;
    use hmac::{Hmac, KeyInit, Mac};
    use proptest::prelude::*;
    use sha2::Sha256;
    use url::Url;

    const SECRET: &str = "hush";
    const NOW_MS: i64 = 1_337_178_173_000;

    fn sign(message: &str) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
        mac.update(message.as_bytes());
        hex::encode(mac.finalize().into_bytes())
    }

    fn judge(app: &AppCredentials, query: &[(&str, &str)], now_ms: i64) -> Result<()> {
        let site = Url::parse("https://some-shop.myshopify.com/").unwrap();
        let query: Vec<(String, String)> = query
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let callback = Callback {
            raw_query: "",
            query: &query,
            site: Some(&site),
        };
        check(app, &callback, now_ms)
    }

    fn app() -> AppCredentials {
        AppCredentials::new("client", SECRET)
    }

    const PUBLISHED: [(&str, &str); 4] = [
        ("code", "a94a110d86d2452eb3e2af4cfb8a3828"),
        ("shop", "some-shop.myshopify.com"),
        ("timestamp", "1337178173"),
        (
            "hmac",
            "2cb1a277650a659f1b11e92a4a64275b128e037f2c3390e3c8fd2d8721dac9e2",
        ),
    ];

    #[test]
    fn the_published_signature_passes_in_any_order_under_either_secret() {
        judge(&app(), &PUBLISHED, NOW_MS).unwrap();
        let mut reversed = PUBLISHED;
        reversed.reverse();
        judge(&app(), &reversed, NOW_MS).unwrap();
        let mut rotated = AppCredentials::new("client", "new");
        assert!(judge(&rotated, &PUBLISHED, NOW_MS).is_err());
        rotated.previous_client_secret = Some(SECRET.into());
        judge(&rotated, &PUBLISHED, NOW_MS).unwrap();
        assert!(judge(&AppCredentials::new("client", ""), &PUBLISHED, NOW_MS).is_err());
    }

    #[test]
    fn every_parameter_counts() {
        for place in 0..PUBLISHED.len() {
            let mut without = PUBLISHED.to_vec();
            without.remove(place);
            assert!(judge(&app(), &without, NOW_MS).is_err());
            let mut twice = PUBLISHED.to_vec();
            twice.push(PUBLISHED[place]);
            assert!(judge(&app(), &twice, NOW_MS).is_err());
            let mut changed = PUBLISHED.to_vec();
            let longer = format!("{}0", changed[place].1);
            changed[place].1 = &longer;
            assert!(judge(&app(), &changed, NOW_MS).is_err());
        }
        let mut more = PUBLISHED.to_vec();
        more.push(("state", "x"));
        assert!(judge(&app(), &more, NOW_MS).is_err());
    }

    #[test]
    fn a_stamp_is_good_for_ninety_seconds_either_way() {
        for now_ms in [NOW_MS - 90_000, NOW_MS + 90_999] {
            judge(&app(), &PUBLISHED, now_ms).unwrap();
        }
        for now_ms in [NOW_MS - 91_000, NOW_MS + 91_000, i64::MIN, i64::MAX, 0] {
            assert!(judge(&app(), &PUBLISHED, now_ms).is_err(), "{now_ms}");
        }
        for stamp in ["", "-5", "1e9", "1337178173.0", "9999999999999999999"] {
            let message = format!("shop=some-shop.myshopify.com&timestamp={stamp}");
            let query = [
                ("shop", "some-shop.myshopify.com"),
                ("timestamp", stamp),
                ("hmac", &sign(&message)),
            ];
            assert!(judge(&app(), &query, NOW_MS).is_err(), "{stamp}");
        }
    }

    #[test]
    fn another_shop_may_not_come_back() {
        for shop in [
            "other-shop.myshopify.com",
            "some-shop.example.com",
            "some-shop",
            "",
            "https://some-shop.myshopify.com",
        ] {
            let message = format!("shop={}&timestamp=1337178173", component(shop));
            let query = [
                ("shop", shop),
                ("timestamp", "1337178173"),
                ("hmac", &sign(&message)),
            ];
            let error = judge(&app(), &query, NOW_MS).unwrap_err();
            assert!(error.to_string().contains("shop"), "{shop}: {error}");
        }
    }

    /// Both readings of Shopify's own libraries of a value that holds `=`.
    #[test]
    fn padding_is_accepted_in_both_official_forms() {
        let host = "YWRtaW4uc2hvcGlmeS5jb20vc3RvcmUvYQ==";
        for written in [host.to_owned(), host.replace('=', "%3D")] {
            let message =
                format!("code=c&host={written}&shop=some-shop.myshopify.com&timestamp=1337178173");
            let query = [
                ("code", "c"),
                ("host", host),
                ("shop", "some-shop.myshopify.com"),
                ("timestamp", "1337178173"),
                ("hmac", &sign(&message)),
            ];
            judge(&app(), &query, NOW_MS).unwrap();
        }
    }

    /// Published by one of the libraries: what a name and a value with marks in them become.
    #[test]
    fn the_boundary_between_parameters_does_not_move() {
        let pairs = BTreeMap::from([("a", "1&b=2"), ("c=3&d", "4")]);
        assert_eq!(sparingly(&pairs), "a=1%26b=2&c%3D3%26d=4");
        // A value that swallowed its neighbours, signed as if it were several.
        let message = "code=c&shop=some-shop.myshopify.com&timestamp=1337178173";
        let query = [
            (
                "code",
                "c&shop=some-shop.myshopify.com&timestamp=1337178173",
            ),
            ("hmac", &sign(message)),
        ];
        assert!(judge(&app(), &query, NOW_MS).is_err());
    }

    #[test]
    fn a_signature_of_another_form_is_none() {
        let upper = PUBLISHED[3].1.to_uppercase();
        let mut query = PUBLISHED;
        query[3].1 = &upper;
        judge(&app(), &query, NOW_MS).unwrap();
        for bad in [
            "",
            "00",
            &PUBLISHED[3].1[..62],
            "ZZ",
            &format!("{} ", PUBLISHED[3].1),
        ] {
            let mut query = PUBLISHED;
            query[3].1 = bad;
            assert!(judge(&app(), &query, NOW_MS).is_err(), "{bad:?}");
        }
    }

    fn parameters() -> impl Strategy<Value = BTreeMap<String, String>> {
        proptest::collection::btree_map("[a-c&=%+ ]{1,4}", "[a-c&=%+ ]{0,5}", 0..4)
    }

    proptest! {
        /// No two sets of parameters have one text in common, not even across the two forms.
        #[test]
        fn a_text_belongs_to_one_set_of_parameters(one in parameters(), other in parameters()) {
            fn view(map: &BTreeMap<String, String>) -> BTreeMap<&str, &str> {
                map.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
            }
            let (one_view, other_view) = (view(&one), view(&other));
            let forms = |pairs: &BTreeMap<&str, &str>| [sparingly(pairs), thoroughly(pairs)];
            if one != other {
                for form in forms(&one_view) {
                    prop_assert!(!forms(&other_view).contains(&form), "{}", form);
                }
            }
        }
    }
}
