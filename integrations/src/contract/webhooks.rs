//! Nobody comes in by accident: no secret, one wrong bit, another address, a request of yesterday are all rejections, and no body makes the
//! reader fall over.

use super::{NOW_MS, Signing, each};
use crate::connector::Connector;
use crate::record::is_sound_id;
use crate::webhook::{InboundRequest, Reason, Verdict};
use proptest::prelude::*;
use secrecy::SecretString;

const SECRET: &str = "the secret of the contract";
const URL: &str = "https://entente.example.com/hooks/vendor";
const DAY_MS: i64 = 24 * 3_600_000;

/// Every connector that has a door.
fn doors() -> Vec<(std::sync::Arc<dyn Connector>, Signing)> {
    let signing = |(case, connector): (super::Case, _)| Some((connector, case.signing?));
    each().into_iter().filter_map(signing).collect()
}

fn judge(
    connector: &dyn Connector,
    secrets: &[&str],
    headers: &[(String, String)],
    url: &str,
    body: &[u8],
    now_ms: i64,
) -> Verdict {
    let secrets: Vec<SecretString> = secrets
        .iter()
        .map(|text| SecretString::from(*text))
        .collect();
    let request = InboundRequest {
        method: "POST",
        public_url: url,
        headers,
        body,
    };
    connector
        .webhooks()
        .unwrap()
        .verify(&secrets, &request, now_ms)
}

fn is_rejected(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Rejected(_))
}

#[test]
fn what_is_signed_comes_in_under_either_secret_and_under_no_other() {
    for (connector, signing) in doors() {
        let body = signing.body.as_bytes();
        let headers = (signing.headers)(SECRET, URL, body, NOW_MS);
        let judged = |secrets: &[&str]| judge(&*connector, secrets, &headers, URL, body, NOW_MS);
        for secrets in [&[SECRET][..], &[SECRET, "before"], &["after", SECRET]] {
            assert!(
                matches!(judged(secrets), Verdict::Accepted { .. }),
                "{secrets:?}"
            );
        }
        assert_eq!(judged(&[]), Verdict::Rejected(Reason::NoSecret));
        // A secret that was never set is no secret, even when the sender signs with it.
        let unset = (signing.headers)("", URL, body, NOW_MS);
        for secrets in [&["other"][..], &[""], &["", "other"]] {
            assert!(is_rejected(&judged(secrets)), "{secrets:?}");
            assert!(is_rejected(&judge(
                &*connector,
                secrets,
                &unset,
                URL,
                body,
                NOW_MS
            )));
        }
        assert!(is_rejected(&judge(
            &*connector,
            &[SECRET],
            &[],
            URL,
            body,
            NOW_MS
        )));
    }
}

#[test]
fn every_single_bit_counts() {
    for (connector, signing) in doors() {
        let body = signing.body.as_bytes();
        let headers = (signing.headers)(SECRET, URL, body, NOW_MS);
        for bit in 0..body.len() * 8 {
            let mut other = body.to_vec();
            other[bit / 8] ^= 1 << (bit % 8);
            let verdict = judge(&*connector, &[SECRET], &headers, URL, &other, NOW_MS);
            assert!(is_rejected(&verdict), "bit {bit} of the body");
        }
        for (place, (name, value)) in headers.iter().enumerate() {
            for bit in 0..value.len() * 8 {
                let mut bytes = value.clone().into_bytes();
                bytes[bit / 8] ^= 1 << (bit % 8);
                let mut other = headers.clone();
                match String::from_utf8(bytes) {
                    Ok(text) => other[place].1 = text,
                    // What is no text never becomes a header's value.
                    Err(_) => drop(other.remove(place)),
                }
                let verdict = judge(&*connector, &[SECRET], &other, URL, body, NOW_MS);
                assert!(is_rejected(&verdict), "bit {bit} of {name}");
            }
            let mut without = headers.clone();
            without.remove(place);
            let mut twice = headers.clone();
            twice.push(headers[place].clone());
            for other in [without, twice] {
                let verdict = judge(&*connector, &[SECRET], &other, URL, body, NOW_MS);
                assert!(is_rejected(&verdict), "{name} missing or repeated");
            }
        }
        for cut in [&body[..body.len() - 1], &body[1..], b""] {
            let verdict = judge(&*connector, &[SECRET], &headers, URL, cut, NOW_MS);
            assert!(is_rejected(&verdict));
        }
    }
}

#[test]
fn a_request_of_another_day_or_for_another_address_is_refused() {
    for (connector, signing) in doors() {
        let body = signing.body.as_bytes();
        let headers = (signing.headers)(SECRET, URL, body, NOW_MS);
        if signing.stamped {
            for now_ms in [NOW_MS + DAY_MS, NOW_MS - DAY_MS, i64::MAX, i64::MIN, 0] {
                let verdict = judge(&*connector, &[SECRET], &headers, URL, body, now_ms);
                assert!(is_rejected(&verdict), "at {now_ms}");
            }
        }
    }
}

#[test]
fn what_the_vendor_sends_is_read() {
    for (connector, signing) in doors() {
        let read = connector
            .webhooks()
            .unwrap()
            .parse(signing.body.as_bytes())
            .unwrap();
        assert!(!read.signals.is_empty() && read.malformed.is_empty());
        for signal in &read.signals {
            assert!(is_sound_id(&signal.external_id) && !signal.tenant_id.is_empty());
            assert!(!signal.dedupe.is_empty());
        }
        let again = connector
            .webhooks()
            .unwrap()
            .parse(signing.body.as_bytes())
            .unwrap();
        assert_eq!(read, again, "the same bytes say the same");
    }
}

/// JSON that looks a little like what vendors send.
fn json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<f64>().prop_map(|number| serde_json::json!(number)),
        ".{0,12}".prop_map(Into::into),
        prop_oneof![
            Just("deal.creation"),
            Just("contact.associationChange"),
            Just("company.merge"),
            Just("object.deletion"),
            Just("0-1"),
        ]
        .prop_map(Into::into),
    ];
    leaf.prop_recursive(4, 64, 6, |inner| {
        let keys = prop_oneof![
            ".{0,6}",
            Just("objectId".to_owned()),
            Just("portalId".to_owned()),
            Just("subscriptionType".to_owned()),
            Just("occurredAt".to_owned()),
            Just("mergedObjectIds".to_owned()),
            Just("id".to_owned()),
        ];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(serde_json::Value::Array),
            prop::collection::vec((keys, inner), 0..6)
                .prop_map(|fields| serde_json::Value::Object(fields.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn no_body_makes_the_reader_fall_over(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        for (connector, signing) in doors() {
            let door = connector.webhooks().unwrap();
            let _any_answer = door.parse(&bytes);
            let _any_verdict = judge(&*connector, &[SECRET], &[("x".to_owned(), "y".to_owned())], URL, &bytes, NOW_MS);
            // And the vendor's own body with a piece of it replaced.
            let mut body = signing.body.as_bytes().to_vec();
            let at = bytes.len() * 7 % body.len();
            let end = (at + bytes.len() / 8).min(body.len());
            body.splice(at..end, bytes.iter().copied().take(8));
            let _any_answer = door.parse(&body);
        }
    }

    #[test]
    fn no_json_makes_the_reader_fall_over(value in json()) {
        for (connector, _) in doors() {
            let _any_answer = connector.webhooks().unwrap().parse(value.to_string().as_bytes());
            let batch = serde_json::Value::Array(vec![value.clone()]);
            if let Ok(read) = connector.webhooks().unwrap().parse(batch.to_string().as_bytes()) {
                prop_assert!(read.signals.iter().all(|signal| !signal.tenant_id.is_empty()));
            }
        }
    }

    #[test]
    fn no_header_makes_the_door_fall_over(signature in ".{0,90}", stamp in ".{0,20}", now_ms in any::<i64>()) {
        for (connector, signing) in doors() {
            let body = signing.body.as_bytes();
            let mut headers = (signing.headers)(SECRET, URL, body, NOW_MS);
            for (_, value) in &mut headers {
                *value = if value.len() > 20 { signature.clone() } else { stamp.clone() };
            }
            let verdict = judge(&*connector, &[SECRET], &headers, URL, body, now_ms);
            prop_assert!(is_rejected(&verdict));
        }
    }
}
