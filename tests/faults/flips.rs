//! Every bit of a signed delivery counts, at the real door: one flipped bit is a 401, and nothing is stored.

use crate::portal::Portal;
use crate::signing::{body, changed, headers};
use reqwest::header::HeaderValue;
use tests::CLIENT_SECRET;

#[tokio::test]
async fn one_flipped_bit_of_header_or_body_is_refused() {
    let mut portal = Portal::empty().await;
    portal.app.expect_warning("a webhook was rejected");
    portal.settle().await;
    let uri = portal.app.public_url().at("/hooks/hubspot");
    let bytes = body(&[changed(portal.hubspot().portal_id(), "deal", "5", 1)]);
    let now_ms = portal.app.database().now().millis();
    let signed = headers(CLIENT_SECRET, &uri, &bytes, now_ms);
    let counted: Vec<usize> = (0..signed.len())
        .filter(|place| {
            matches!(
                signed[*place].0,
                "x-hubspot-signature-v3" | "x-hubspot-request-timestamp"
            )
        })
        .collect();
    // All of them under --full; some of each kind otherwise.
    let every = usize::try_from(tests::rounds(11, 1)).unwrap();
    let send = async |place: Option<usize>, flip: usize| {
        let mut bytes = bytes.clone();
        let mut request = portal.app.http.post(portal.app.url("/hooks/hubspot"));
        for (at, (name, value)) in signed.iter().enumerate() {
            let mut value = value.clone().into_bytes();
            if place == Some(at) {
                value[flip / 8] ^= 1 << (flip % 8);
            }
            match HeaderValue::from_bytes(&value) {
                Ok(value) => request = request.header(*name, value),
                // No client could send it.
                Err(_) => return None,
            }
        }
        if place.is_none() {
            bytes[flip / 8] ^= 1 << (flip % 8);
        }
        Some(portal.app.send(request.body(bytes)).await)
    };
    let mut refused = 0;
    for place in counted.iter().copied().map(Some).chain([None]) {
        let length = place.map_or(bytes.len(), |place| signed[place].1.len());
        for flip in (0..length * 8).step_by(every) {
            let Some(answer) = send(place, flip).await else {
                continue;
            };
            // A header that is no header is refused before the door.
            assert!(
                matches!(answer.status, 400 | 401),
                "bit {flip} of {place:?}: {answer}"
            );
            refused += 1;
        }
    }
    assert!(refused > 100, "{refused}");
    let stored = "SELECT COUNT(*) FROM inbound_webhook";
    assert_eq!(portal.app.number(stored).await, 0);
    // And the delivery itself is taken.
    let whole: Vec<(&str, &str)> = signed
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    let answer = portal.app.post_raw("/hooks/hubspot", &whole, bytes).await;
    assert_eq!(answer.status, 204, "{answer}");
    assert_eq!(portal.app.number(stored).await, 1);
    portal.app.drain().await;
    portal.app.finish().await;
}
