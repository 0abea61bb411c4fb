//! Nobody comes in by accident: no secret, one wrong bit, another address, a request of yesterday are all rejections, and no body makes the
//! reader fall over.

use super::{Case, NOW_MS, Signing, each};
use crate::connector::Connector;
use crate::error::Result;
use crate::record::is_sound_id;
use crate::webhook::{Delivery, Door, InboundRequest, Reason, Signals, Verdict};
use proptest::prelude::*;
use secrecy::SecretString;

const SECRET: &str = "the secret of the contract";
const DAY_MS: i64 = 24 * 3_600_000;

/// A connector with a door, and how its vendor comes to it.
struct At {
    connector: std::sync::Arc<dyn Connector>,
    signing: Signing,
    /// The account whose door it is; none at an app's door.
    tenant: Option<&'static str>,
    url: String,
}

/// Every connector that has a door.
fn doors() -> Vec<At> {
    let at = |(case, connector): (Case, std::sync::Arc<dyn Connector>)| {
        let signing = case.signing?;
        let own = connector.webhooks()?.door() == Door::Connection;
        let url = (signing.url)(SECRET);
        let tenant = own.then_some(case.tenant);
        Some(At {
            connector,
            signing,
            tenant,
            url,
        })
    };
    each().into_iter().filter_map(at).collect()
}

impl At {
    fn headers(&self, secret: &str) -> Vec<(String, String)> {
        (self.signing.headers)(secret, &self.url, self.body(), NOW_MS)
    }

    fn body(&self) -> &'static [u8] {
        self.signing.body.as_bytes()
    }

    fn judge(
        &self,
        secrets: &[&str],
        headers: &[(String, String)],
        body: &[u8],
        now_ms: i64,
    ) -> Verdict {
        judge(
            &*self.connector,
            secrets,
            headers,
            (&self.url, self.tenant),
            body,
            now_ms,
        )
    }

    /// What a delivery says, with the headers that would have been kept.
    fn read(&self, body: &[u8]) -> Result<Signals> {
        let door = self.connector.webhooks().unwrap();
        let kept = door.kept_headers();
        assert!(kept.iter().all(|name| *name == name.to_ascii_lowercase()));
        let headers: Vec<(String, String)> = self
            .headers(SECRET)
            .into_iter()
            .map(|(name, value)| (name.to_ascii_lowercase(), value))
            .filter(|(name, _)| kept.contains(&name.as_str()))
            .collect();
        door.parse(&Delivery {
            headers: &headers,
            body,
            tenant_id: self.tenant,
        })
    }
}

fn judge(
    connector: &dyn Connector,
    secrets: &[&str],
    headers: &[(String, String)],
    (url, tenant): (&str, Option<&str>),
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
        tenant_id: tenant,
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
    for door in doors() {
        let headers = door.headers(SECRET);
        let judged = |secrets: &[&str]| door.judge(secrets, &headers, door.body(), NOW_MS);
        for secrets in [&[SECRET][..], &[SECRET, "before"], &["after", SECRET]] {
            assert!(
                matches!(judged(secrets), Verdict::Accepted { .. }),
                "{secrets:?}"
            );
        }
        assert_eq!(judged(&[]), Verdict::Rejected(Reason::NoSecret));
        // A secret that was never set is no secret, even when the sender signs with it.
        let unset = door.headers("");
        for secrets in [&["other"][..], &[""], &["", "other"]] {
            assert!(is_rejected(&judged(secrets)), "{secrets:?}");
            assert!(is_rejected(&door.judge(
                secrets,
                &unset,
                door.body(),
                NOW_MS
            )));
        }
        if door.signing.sealed {
            assert!(is_rejected(&door.judge(
                &[SECRET],
                &[],
                door.body(),
                NOW_MS
            )));
        }
    }
}

#[test]
fn a_connections_own_door_takes_nothing_about_another_account() {
    for door in doors() {
        if door.tenant.is_none() {
            continue;
        }
        let headers = door.headers(SECRET);
        for other in [
            None,
            Some(""),
            Some("another account"),
            Some("000000000000000"),
        ] {
            let place = (door.url.as_str(), other);
            let verdict = judge(
                &*door.connector,
                &[SECRET],
                &headers,
                place,
                door.body(),
                NOW_MS,
            );
            assert!(is_rejected(&verdict), "{other:?}");
        }
        for body in [&b""[..], b"<", b"{}", b"<a/>"] {
            assert!(is_rejected(&door.judge(&[SECRET], &headers, body, NOW_MS)));
        }
    }
}

#[test]
fn every_single_bit_counts() {
    for door in doors().into_iter().filter(|door| door.signing.sealed) {
        let body = door.body();
        let kept = door.connector.webhooks().unwrap().kept_headers();
        let headers = door.headers(SECRET);
        for bit in 0..body.len() * 8 {
            let mut other = body.to_vec();
            other[bit / 8] ^= 1 << (bit % 8);
            let verdict = door.judge(&[SECRET], &headers, &other, NOW_MS);
            assert!(is_rejected(&verdict), "bit {bit} of the body");
        }
        for (place, (name, value)) in headers.iter().enumerate() {
            // Some vendors sign the body alone: a header that only says what it is may say anything.
            if kept.contains(&name.to_ascii_lowercase().as_str()) {
                continue;
            }
            for bit in 0..value.len() * 8 {
                let mut bytes = value.clone().into_bytes();
                bytes[bit / 8] ^= 1 << (bit % 8);
                let mut other = headers.clone();
                match String::from_utf8(bytes) {
                    Ok(text) => other[place].1 = text,
                    // What is no text never becomes a header's value.
                    Err(_) => drop(other.remove(place)),
                }
                let verdict = door.judge(&[SECRET], &other, body, NOW_MS);
                assert!(is_rejected(&verdict), "bit {bit} of {name}");
            }
            let mut without = headers.clone();
            without.remove(place);
            let mut twice = headers.clone();
            twice.push(headers[place].clone());
            for other in [without, twice] {
                let verdict = door.judge(&[SECRET], &other, body, NOW_MS);
                assert!(is_rejected(&verdict), "{name} missing or repeated");
            }
        }
        for cut in [&body[..body.len() - 1], &body[1..], b""] {
            assert!(is_rejected(&door.judge(&[SECRET], &headers, cut, NOW_MS)));
        }
    }
}

#[test]
fn a_request_of_another_day_is_refused() {
    for door in doors().into_iter().filter(|door| door.signing.stamped) {
        let headers = door.headers(SECRET);
        for now_ms in [NOW_MS + DAY_MS, NOW_MS - DAY_MS, i64::MAX, i64::MIN, 0] {
            let verdict = door.judge(&[SECRET], &headers, door.body(), now_ms);
            assert!(is_rejected(&verdict), "at {now_ms}");
        }
    }
}

#[test]
fn what_the_vendor_sends_is_read() {
    for door in doors() {
        let read = door.read(door.body()).unwrap();
        let said = read.signals.len() + read.account.len() + read.actions.len();
        assert!(said > 0 && read.malformed.is_empty());
        for signal in &read.signals {
            assert!(is_sound_id(&signal.external_id) && !signal.tenant_id.is_empty());
            assert!(!signal.dedupe.is_empty());
        }
        let again = door.read(door.body()).unwrap();
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
        for door in doors() {
            let _any_answer = door.read(&bytes);
            let _any_verdict = door.judge(&[SECRET], &[("x".to_owned(), "y".to_owned())], &bytes, NOW_MS);
            // And the vendor's own body with a piece of it replaced.
            let mut body = door.body().to_vec();
            let at = bytes.len() * 7 % body.len();
            let end = (at + bytes.len() / 8).min(body.len());
            body.splice(at..end, bytes.iter().copied().take(8));
            let _any_answer = door.read(&body);
            let _any_verdict = door.judge(&[SECRET], &door.headers(SECRET), &body, NOW_MS);
        }
    }

    #[test]
    fn no_json_makes_the_reader_fall_over(value in json()) {
        for door in doors() {
            let _any_answer = door.read(value.to_string().as_bytes());
            let batch = serde_json::Value::Array(vec![value.clone()]);
            if let Ok(read) = door.read(batch.to_string().as_bytes()) {
                prop_assert!(read.signals.iter().all(|signal| !signal.tenant_id.is_empty()));
            }
        }
    }

    #[test]
    fn no_header_makes_the_door_fall_over(signature in ".{0,90}", stamp in ".{0,20}", now_ms in any::<i64>()) {
        for door in doors().into_iter().filter(|door| door.signing.sealed) {
            let mut headers = door.headers(SECRET);
            for (_, value) in &mut headers {
                *value = if value.len() > 20 { signature.clone() } else { stamp.clone() };
            }
            let verdict = door.judge(&[SECRET], &headers, door.body(), now_ms);
            prop_assert!(is_rejected(&verdict));
        }
    }
}
