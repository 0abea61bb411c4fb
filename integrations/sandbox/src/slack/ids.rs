//! Ids as the vendor makes them: a letter for the kind, then capitals and digits.

use rand::RngExt;
use rand::rngs::StdRng;

use crate::ids::fresh_id;

const ALPHABET: &[u8; 36] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";

/// An id that is the same for the same seed.
pub(crate) fn seeded(kind: char, chance: &mut StdRng) -> String {
    let mut id = format!("{kind}0");
    for _ in 0..9 {
        let letter = ALPHABET.get(chance.random_range(0..ALPHABET.len()));
        id.push(letter.copied().unwrap_or(b'0').into());
    }
    id
}

/// A fresh id.
pub(crate) fn fresh(kind: char) -> String {
    let tail: String = fresh_id()
        .to_uppercase()
        .chars()
        .filter(|c| *c != '-')
        .take(9)
        .collect();
    format!("{kind}0{tail}")
}

/// An id for a block or element that has none.
pub(crate) fn short_id() -> String {
    fresh_id().chars().take(5).collect()
}
