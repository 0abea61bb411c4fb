//! Salesforce's ids, in their two forms.
//!
//! Owns: telling whether a text is an id, and whether two are the same. Refuses: to compare ids as plain texts: what people copy has 15
//! characters, what the API answers has 18, and both name one record. Invariant: only letters and digits ever pass, so that an id can stand in a
//! path and in a query.
//!
//! The short form tells upper case from lower case; the three characters more of the long one say which of the fifteen are upper case, for software
//! that does not. They add nothing, so the first fifteen decide.

/// The characters that stand for five bits.
const BITS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ012345";

const SHORT: usize = 15;
const LONG: usize = 18;

/// The long form of an id; none when the text is no id.
pub(super) fn long(text: &str) -> Option<String> {
    if !text.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return None;
    }
    match text.len() {
        LONG => Some(text.to_owned()),
        SHORT => {
            let mut id = text.to_owned();
            for five in text.as_bytes().chunks(5) {
                let upper = five
                    .iter()
                    .enumerate()
                    .filter(|(_, byte)| byte.is_ascii_uppercase());
                let bits: usize = upper.map(|(place, _)| 1 << place).sum();
                id.push(char::from(*BITS.get(bits)?));
            }
            Some(id)
        }
        _ => None,
    }
}

/// What two forms of one id have in common: the first fifteen characters. None when the text is no id.
pub(super) fn key(text: &str) -> Option<&str> {
    let is_id =
        matches!(text.len(), SHORT | LONG) && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if is_id { text.get(..SHORT) } else { None }
}

/// Whether both are ids and name the same thing.
pub(super) fn same(one: &str, other: &str) -> bool {
    matches!((key(one), key(other)), (Some(one), Some(other)) if one == other)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_long_form_is_the_one_salesforce_answers() {
        // Pairs as its own pages print them.
        for (short, expected) in [
            ("001D000000IRFma", "001D000000IRFmaIAH"),
            ("00D5e000000KQ2e", "00D5e000000KQ2eEAG"),
            ("001xx0000004Gxx", "001xx0000004GxxAAE"),
            ("000000000000000", "000000000000000AAA"),
            ("ABCDEABCDEABCDE", "ABCDEABCDEABCDE555"),
        ] {
            assert_eq!(long(short).as_deref(), Some(expected));
            assert_eq!(long(expected).as_deref(), Some(expected));
            assert!(same(short, expected) && same(expected, short));
        }
    }

    #[test]
    fn nothing_else_is_an_id() {
        for text in [
            "",
            "1",
            "001D000000IRFm",
            "001D000000IRFmaI",
            "001D000000IRFmaIAHX",
            "001D000000IRFm'",
            "001D000000IRFm/",
            "001D00000\u{df}IRFm",
            "001D000000IRFma IA",
        ] {
            assert_eq!((long(text), key(text)), (None, None), "{text:?}");
            assert!(!same(text, text));
        }
        assert!(!same("001D000000IRFma", "001D000000IRFmA"), "case counts");
    }

    proptest! {
        #[test]
        fn both_forms_are_one_id(short in "[A-Za-z0-9]{15}", other in "[A-Za-z0-9]{15}") {
            let id = long(&short).unwrap();
            prop_assert_eq!(id.len(), 18);
            prop_assert!(same(&short, &id));
            prop_assert_eq!(same(&short, &other), short == other);
        }
    }
}
