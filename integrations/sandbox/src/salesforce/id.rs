//! Record ids: 15 characters that differ by case, or 18 with a checksum that makes them safe where case is lost.
//!
//! Invariant: inside the sandbox an id always has 18 characters; 15 are completed at the door, and the case of 18 is restored from the
//! checksum, as the vendor does.

const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const CHECKS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ012345";

/// The id of the nth record of an object in an org. `prefix` and `pod` are three and two characters.
pub(crate) fn make(prefix: &str, pod: &str, serial: u64) -> String {
    let mut digits = [b'0'; 9];
    let mut rest = serial;
    for place in digits.iter_mut().rev() {
        let digit = usize::try_from(rest % 62).unwrap_or(0);
        *place = DIGITS.get(digit).copied().unwrap_or(b'0');
        rest /= 62;
    }
    let fifteen = format!("{prefix}{pod}0{}", String::from_utf8_lossy(&digits));
    complete(&fifteen)
}

/// Adds the checksum to 15 characters.
fn complete(fifteen: &str) -> String {
    let mut whole = fifteen.to_owned();
    for chunk in fifteen.as_bytes().chunks(5) {
        let bits = chunk
            .iter()
            .enumerate()
            .filter(|(_, byte)| byte.is_ascii_uppercase())
            .fold(0_usize, |bits, (n, _)| bits | (1 << n));
        whole.push(char::from(CHECKS.get(bits).copied().unwrap_or(b'A')));
    }
    whole
}

/// Reads an id of 15 or 18 characters; `None` when it cannot be one.
pub(crate) fn parse(text: &str) -> Option<String> {
    if !text.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return None;
    }
    match text.len() {
        15 => Some(complete(text)),
        18 => {
            let (fifteen, checks) = text.split_at(15);
            let mut restored = String::with_capacity(15);
            for (chunk, check) in fifteen.as_bytes().chunks(5).zip(checks.bytes()) {
                let bits = CHECKS
                    .iter()
                    .position(|known| *known == check.to_ascii_uppercase())?;
                for (n, byte) in chunk.iter().enumerate() {
                    let upper = bits & (1 << n) != 0;
                    if upper && !byte.is_ascii_alphabetic() {
                        return None;
                    }
                    restored.push(char::from(if upper {
                        byte.to_ascii_uppercase()
                    } else {
                        byte.to_ascii_lowercase()
                    }));
                }
            }
            Some(complete(&restored))
        }
        _ => None,
    }
}

/// The first 15 characters, the form that is case sensitive and sorts.
pub(crate) fn short(id: &str) -> &str {
    id.get(..15).unwrap_or(id)
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        reason = "tests"
    )]

    use super::*;

    #[test]
    fn published_ids_have_their_published_checksums() {
        for id in [
            "001D000000IRFmaIAH",
            "005x00000012Q9PAAU",
            "a00D0000008pQRAIA2",
            "0015e00000ZkM3hAAF",
        ] {
            assert_eq!(parse(&id[..15]).as_deref(), Some(id));
            assert_eq!(parse(id).as_deref(), Some(id));
            assert_eq!(
                parse(&id.to_uppercase()).as_deref(),
                Some(id),
                "case comes back"
            );
        }
    }

    #[test]
    fn what_is_no_id_is_refused() {
        for text in [
            "",
            "001",
            "001D000000IRFm!",
            "001D000000IRFmaZZ6",
            "001D000000IRFma999",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn later_ids_sort_behind_earlier_ones() {
        let ids: Vec<String> = [0, 9, 10, 35, 36, 61, 62, 3843, 3844, 1_000_000]
            .iter()
            .map(|n| make("001", "Hs", *n))
            .collect();
        assert!(
            ids.windows(2).all(|pair| short(&pair[0]) < short(&pair[1])),
            "{ids:?}"
        );
        assert!(ids.iter().all(|id| parse(id).as_ref() == Some(id)));
    }
}
