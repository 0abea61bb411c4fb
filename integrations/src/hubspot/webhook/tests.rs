#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
use super::*;
use crate::hubspot::HubSpotEndpoints;
use crate::record::Resource;
use crate::webhook::Delivery;
use crate::webhook::SignalKind;
use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use proptest::prelude::*;

/// The secret, address and signatures HubSpot prints in its documentation and its libraries' tests.
const SECRET: &str = "yyyyyyyy-yyyy-yyyy-yyyy-yyyyyyyyyyyy";
const URL: &str = "https://www.example.com/webhook_uri";
const BODY: &str = "{'example_field':'example_value'}";
const V3: [(&str, &str); 2] = [
    (
        "1693657560000",
        "K36dawei4A+QBNolUOqo7s91KQDWQ5MXZ/QufNYuk/Y=",
    ),
    (
        "1700000300000",
        "RnbPH7+UMKVkbV32P8bz450N4M56aPmcru1+D3kSDtw=",
    ),
];
const DOCS_BODY: &str = r#"[{"eventId":1,"subscriptionId":12345,"portalId":62515,"occurredAt":1564113600000,"subscriptionType":"contact.creation","attemptNumber":0,"objectId":123,"changeSource":"CRM","changeFlag":"NEW","appId":54321}]"#;
/// Version, method, body, signature: valid in their own version, and none of them opens the door.
const OLDER: [(&str, &str, &str, &str); 5] = [
    (
        "v1",
        "POST",
        DOCS_BODY,
        "232db2615f3d666fe21a8ec971ac7b5402d33b9a925784df3ca654d05f4817de",
    ),
    (
        "v2",
        "GET",
        "",
        "eee2dddcc73c94d699f5e395f4b9d454a069a6855fbfa152e91e88823087200e",
    ),
    (
        "v2",
        "POST",
        r#"{"example_field":"example_value"}"#,
        "9569219f8ba981ffa6f6f16aa0f48637d35d728c7e4d93d0d52efaa512af7900",
    ),
    (
        "v1",
        "POST",
        BODY,
        "69fc6631a867edd4f9e9e627fc5c1148e3fbdd8b21837b6d2b8901c1fa57f750",
    ),
    (
        "v2",
        "POST",
        BODY,
        "4fe4e3a7d3cf09db53be39d0a58130e2aaba074ec123a9e355b876a689a1c383",
    ),
];

fn hubspot() -> HubSpot {
    HubSpot::new(HubSpotEndpoints::default())
}

fn secrets(texts: &[&str]) -> Vec<SecretString> {
    texts.iter().map(|text| SecretString::from(*text)).collect()
}

fn sign(secret: &str, method: &str, url: &str, body: &str, stamp: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update([method, url, body, stamp].concat().as_bytes());
    STANDARD.encode(mac.finalize().into_bytes())
}

fn headers(list: &[(&str, &str)]) -> Vec<(String, String)> {
    list.iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

fn judge(
    secret: &[&str],
    headers_: &[(&str, &str)],
    method: &str,
    url: &str,
    body: &str,
    now_ms: i64,
) -> Verdict {
    let headers = headers(headers_);
    let request = InboundRequest {
        method,
        public_url: url,
        headers: &headers,
        body: body.as_bytes(),
        tenant_id: None,
    };
    hubspot().verify(&secrets(secret), &request, now_ms)
}

fn judge_v3(signature: &str, stamp: &str, now_ms: i64) -> Verdict {
    let headers = [
        ("X-HubSpot-Signature-v3", signature),
        ("X-HubSpot-Request-Timestamp", stamp),
    ];
    judge(&[SECRET], &headers, "POST", URL, BODY, now_ms)
}

#[test]
fn the_published_v3_signatures_are_accepted() {
    for (stamp, signature) in V3 {
        let now = stamp.parse::<i64>().unwrap();
        assert!(
            matches!(judge_v3(signature, stamp, now), Verdict::Accepted { .. }),
            "{stamp}"
        );
        let rotated = [
            ("x-hubspot-signature-v3", signature),
            ("x-hubspot-request-timestamp", stamp),
        ];
        for secrets in [["new", SECRET], [SECRET, "old"]] {
            assert!(matches!(
                judge(&secrets, &rotated, "POST", URL, BODY, now),
                Verdict::Accepted { .. }
            ));
        }
        assert_eq!(
            judge(&["new", "old"], &rotated, "POST", URL, BODY, now),
            Verdict::Rejected(Reason::WrongSignature)
        );
        assert_eq!(
            judge(&[], &rotated, "POST", URL, BODY, now),
            Verdict::Rejected(Reason::NoSecret)
        );
        for (method, url, body) in [
            ("PUT", URL, BODY),
            ("POST", "https://www.example.com/webhook_uri/", BODY),
            ("POST", URL, "{}"),
        ] {
            assert_eq!(
                judge(&[SECRET], &rotated, method, url, body, now),
                Verdict::Rejected(Reason::WrongSignature)
            );
        }
    }
}

#[test]
fn older_versions_are_valid_and_still_refused() {
    let (stamp, v3) = V3[0];
    let now = stamp.parse::<i64>().unwrap();
    for (version, method, body, signature) in OLDER {
        let text = if version == "v1" {
            [SECRET, body].concat()
        } else {
            [SECRET, method, URL, body].concat()
        };
        assert_eq!(
            hex::encode(Sha256::digest(text.as_bytes())),
            signature,
            "the published vector itself"
        );
        let older = [
            ("X-HubSpot-Signature", signature),
            ("X-HubSpot-Signature-Version", version),
        ];
        assert_eq!(
            judge(&[SECRET], &older, method, URL, body, now),
            Verdict::Rejected(Reason::MissingSignature)
        );
        let wrong = v3.replace('K', "L");
        let both = [
            older[0],
            older[1],
            ("X-HubSpot-Signature-v3", wrong.as_str()),
            ("X-HubSpot-Request-Timestamp", stamp),
        ];
        assert_eq!(
            judge(&[SECRET], &both, method, URL, body, now),
            Verdict::Rejected(Reason::WrongSignature)
        );
    }
}

#[test]
fn time_stamps_that_are_missing_strange_stale_or_future_are_refused() {
    let (stamp, signature) = V3[0];
    let now = stamp.parse::<i64>().unwrap();
    assert!(matches!(
        judge_v3(signature, stamp, now + 300_000),
        Verdict::Accepted { .. }
    ));
    assert!(matches!(
        judge_v3(signature, stamp, now - 300_000),
        Verdict::Accepted { .. }
    ));
    assert_eq!(
        judge_v3(signature, stamp, now + 300_001),
        Verdict::Rejected(Reason::Stale)
    );
    assert_eq!(
        judge_v3(signature, stamp, now - 300_001),
        Verdict::Rejected(Reason::Future)
    );
    assert_eq!(
        judge_v3(signature, stamp, i64::MAX),
        Verdict::Rejected(Reason::Stale)
    );
    assert_eq!(
        judge_v3(signature, stamp, i64::MIN),
        Verdict::Rejected(Reason::Future)
    );
    for strange in [
        "",
        "NaN",
        "Infinity",
        "-1693657560000",
        "+1693657560000",
        " 1693657560000",
        "1693657560000.0",
        "1e12",
        "0x1",
        "٣",
        "9999999999999999999999",
    ] {
        let signed = sign(SECRET, "POST", URL, BODY, strange);
        assert_eq!(
            judge_v3(&signed, strange, now),
            Verdict::Rejected(Reason::MissingTimestamp),
            "{strange:?}"
        );
    }
    let without = [("X-HubSpot-Signature-v3", signature)];
    assert_eq!(
        judge(&[SECRET], &without, "POST", URL, BODY, now),
        Verdict::Rejected(Reason::MissingTimestamp)
    );
    let twice = [
        without[0],
        ("X-HubSpot-Request-Timestamp", stamp),
        ("x-hubspot-request-timestamp", stamp),
    ];
    assert_eq!(
        judge(&[SECRET], &twice, "POST", URL, BODY, now),
        Verdict::Rejected(Reason::MissingTimestamp)
    );
}

#[test]
fn strange_signatures_are_refused() {
    let (stamp, signature) = V3[0];
    let now = stamp.parse::<i64>().unwrap();
    for strange in [
        "",
        "=",
        "K36d",
        &signature[..43],
        &signature.replace('+', "-"),
        &format!("{signature} "),
        "sha256=abc",
    ] {
        assert_eq!(
            judge_v3(strange, stamp, now),
            Verdict::Rejected(Reason::MalformedSignature),
            "{strange:?}"
        );
    }
}

#[test]
fn a_url_with_escapes_is_signed_decoded_once() {
    for (url, signed) in [
        (
            "https://a.example/hooks/hubspot?u=https%3A%2F%2Fb.example%2F%3Fq",
            "https://a.example/hooks/hubspot?u=https://b.example/?q",
        ),
        (
            "https://a.example/%40%21%24%27%28%29%2A%2C%3B",
            "https://a.example/@!$'()*,;",
        ),
        (
            "https://a.example/?x=%20%26%3D%25",
            "https://a.example/?x=%20%26%3D%25",
        ),
        ("https://a.example/%3a%2f", "https://a.example/:/"),
        ("https://a.example/%253A", "https://a.example/%253A"),
        ("https://a.example/%%3A%", "https://a.example/%:%"),
        ("https://a.example/%3", "https://a.example/%3"),
        ("https://a.example/%é3A", "https://a.example/%é3A"),
    ] {
        assert_eq!(decoded(url), signed);
        let (stamp, now) = ("1700000300000", 1_700_000_300_000);
        let signature = sign(SECRET, "POST", signed, BODY, stamp);
        let headers = [
            ("X-HubSpot-Signature-v3", signature.as_str()),
            ("X-HubSpot-Request-Timestamp", stamp),
        ];
        assert!(
            matches!(
                judge(&[SECRET], &headers, "POST", url, BODY, now),
                Verdict::Accepted { .. }
            ),
            "{url}"
        );
    }
}

proptest! {
    /// Escaping only the characters of the table and decoding gives the text back, and no text makes the decoder fail or grow.
    #[test]
    fn decoding_undoes_exactly_the_table(text in "[a-z0-9:/?@!$'()*,; &=%é]{0,60}") {
        let escaped: String = text.chars().map(|character| {
            DECODED.iter().find(|(_, plain)| *plain == character)
                .map_or_else(|| character.to_string(), |(code, _)| format!("%{code}"))
        }).collect();
        if !text.contains('%') {
            prop_assert_eq!(decoded(&escaped).into_owned(), text.clone());
        }
        prop_assert!(decoded(&text).len() <= text.len());
    }
}

#[test]
fn events_become_signals() {
    let body = r#"[
        {"objectId":1246965,"propertyName":"lifecyclestage","propertyValue":"subscriber","eventId":3816279340,"portalId":33,"occurredAt":1462216307945,"eventType":"contact.propertyChange","attemptNumber":0},
        {"eventId":1,"portalId":33,"occurredAt":5,"subscriptionType":"company.merge","objectId":900,"primaryObjectId":901,"mergedObjectIds":[901,902],"newObjectId":900},
        {"eventId":1,"portalId":33,"occurredAt":6,"subscriptionType":"contact.associationChange","associationType":"COMPANY_TO_CONTACT","fromObjectId":9,"toObjectId":100451,"associationRemoved":true},
        {"eventId":1,"portalId":33,"occurredAt":7,"subscriptionType":"deal.deletion","objectId":9007199254740993},
        {"eventId":1,"portalId":33,"occurredAt":7,"subscriptionType":"contact.privacyDeletion","objectId":4},
        {"eventId":1,"portalId":33,"occurredAt":8,"subscriptionType":"object.creation","objectTypeId":"0-2","objectId":5},
        {"eventId":1,"portalId":33,"occurredAt":8,"subscriptionType":"ticket.creation","objectId":5},
        {"eventId":1,"portalId":33,"occurredAt":8,"subscriptionType":"ticket.creation","objectId":6},
        {"eventId":1,"occurredAt":8,"subscriptionType":"deal.creation","objectId":5},
        {"portalId":33,"occurredAt":8,"subscriptionType":"deal.creation"},
        "nonsense"
    ]"#;
    let read = hubspot().parse(&Delivery::of(body.as_bytes())).unwrap();
    let told: Vec<_> = read
        .signals
        .iter()
        .map(|s| (s.resource, s.external_id.as_str(), s.kind.clone()))
        .collect();
    assert_eq!(
        told,
        vec![
            (Resource::Contact, "1246965", SignalKind::Changed),
            (
                Resource::Company,
                "900",
                SignalKind::Merged {
                    into: "900".into(),
                    from: vec!["901".into(), "902".into()]
                }
            ),
            (
                Resource::Contact,
                "100451",
                SignalKind::AssociationChanged {
                    other: Resource::Company,
                    other_id: "9".into(),
                    removed: true
                }
            ),
            (Resource::Deal, "9007199254740993", SignalKind::Deleted),
            (Resource::Contact, "4", SignalKind::Erased),
            (Resource::Company, "5", SignalKind::Changed),
        ]
    );
    assert!(read.signals.iter().all(|signal| signal.tenant_id == "33"));
    assert_eq!(read.ignored, vec!["ticket.creation"]);
    assert_eq!(read.malformed.len(), 3);
}

#[test]
fn a_retry_has_the_same_key_and_another_property_another_one() {
    let event = |property: &str, attempt: u32| {
        format!(
            r#"[{{"eventId":1,"portalId":33,"occurredAt":5,"subscriptionType":"deal.propertyChange","objectId":7,"propertyName":"{property}","attemptNumber":{attempt}}}]"#
        )
    };
    let key = |text: String| {
        hubspot()
            .parse(&Delivery::of(text.as_bytes()))
            .unwrap()
            .signals[0]
            .dedupe
            .clone()
    };
    assert_eq!(key(event("amount", 0)), key(event("amount", 3)));
    assert_ne!(key(event("amount", 0)), key(event("dealstage", 0)));
}

#[test]
fn a_body_that_is_no_batch_is_an_error() {
    for body in ["", "{}", "null", "<xml/>", "[{]"] {
        assert!(
            hubspot().parse(&Delivery::of(body.as_bytes())).is_err(),
            "{body}"
        );
    }
}
