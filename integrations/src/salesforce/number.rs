//! Salesforce's numbers.
//!
//! Owns: one plain form for each number: `1.0E7`, `10000000.0` and `10000000` are the same. Refuses: floating point: no digit is made up or lost,
//! whatever their count. Invariant: two texts have one plain form exactly if they are the same number.

/// More places than this after or before the point are no amount of anything.
const MOST_PLACES: i64 = 60;

/// The plain decimal form: no exponent, no zeros without meaning. None when the text is no number, or one beyond all measure.
pub(super) fn plain(text: &str) -> Option<String> {
    let text = text.trim();
    let (sign, unsigned) = match text.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i64>().ok()?),
        None => (unsigned, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = [whole, fraction].concat();
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    // The number is `digits` with the point after the first `point` of them.
    let leading = digits.bytes().take_while(|byte| *byte == b'0').count();
    let significant = digits.get(leading..)?.trim_end_matches('0');
    if significant.is_empty() {
        return Some("0".to_owned());
    }
    let point = i64::try_from(whole.len())
        .ok()?
        .checked_sub(i64::try_from(leading).ok()?)?
        .checked_add(exponent)?;
    if !(-MOST_PLACES..=MOST_PLACES).contains(&point) {
        return None;
    }
    let zeros = |count: i64| "0".repeat(usize::try_from(count).unwrap_or(0));
    let length = i64::try_from(significant.len()).ok()?;
    Some(if point <= 0 {
        [sign, "0.", &zeros(-point), significant].concat()
    } else if point >= length {
        [sign, significant, &zeros(point - length)].concat()
    } else {
        let (whole, fraction) = significant.split_at(usize::try_from(point).ok()?);
        [sign, whole, ".", fraction].concat()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_spelling_has_one_plain_form() {
        for (text, expected) in [
            ("1.0E7", "10000000"),
            ("10000000", "10000000"),
            ("10000000.00", "10000000"),
            ("1.2345E2", "123.45"),
            ("1E-2", "0.01"),
            ("-1.50", "-1.5"),
            ("+7", "7"),
            ("0", "0"),
            ("-0.00", "0"),
            ("007", "7"),
            (".5", "0.5"),
            ("5.", "5"),
            (
                "12345678901234567890.123456789",
                "12345678901234567890.123456789",
            ),
            ("9007199254740993", "9007199254740993"),
        ] {
            assert_eq!(plain(text).as_deref(), Some(expected), "{text}");
        }
        for bad in [
            "",
            "-",
            ".",
            "1.2.3",
            "1e",
            "abc",
            "1,000",
            "0x10",
            "1E999",
            "1e99999999999999999999",
            "NaN",
        ] {
            assert_eq!(plain(bad), None, "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn shifting_the_point_changes_nothing(digits in "[1-9][0-9]{0,20}", shift in 0_i64..20) {
            let shifted = format!("{digits}E-{shift}");
            let back = plain(&format!("{}E{shift}", plain(&shifted).unwrap_or_default()));
            prop_assert_eq!(back, plain(&digits));
        }

        #[test]
        fn no_text_makes_it_fall_over(text in ".{0,20}") {
            if let Some(number) = plain(&text) {
                prop_assert_eq!(plain(&number), Some(number));
            }
        }
    }
}
