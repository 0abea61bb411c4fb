//! Amounts.
//!
//! Owns: what counts as an amount of money in an answer. Refuses: JSON numbers, which may have been rounded on the way, and to change a
//! digit: 10, 10.0 and 10.00 stay what they are, whatever places the currency has. Invariant: what passes is a plain decimal.

/// More characters than any amount has.
const LONGEST: usize = 40;

/// Whether a text is a plain decimal: digits, and perhaps a point with digits after it.
pub(super) fn is_decimal(text: &str) -> bool {
    let (whole, part) = match text.split_once('.') {
        Some((whole, part)) => (whole, part),
        None => (text, "0"),
    };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.len() <= LONGEST && digits(whole) && digits(part)
}

/// Whether a plain decimal is more than nothing.
pub(super) fn is_positive(text: &str) -> bool {
    is_decimal(text) && text.bytes().any(|byte| matches!(byte, b'1'..=b'9'))
}

/// Whether a text can be a currency's code.
pub(super) fn is_currency(text: &str) -> bool {
    text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_plain_decimals() {
        for good in [
            "0",
            "0.0",
            "238.47",
            "1500",
            "9007199254740993.0001",
            "1.500",
        ] {
            assert!(is_decimal(good), "{good}");
        }
        for bad in [
            "", ".", "1.", ".5", "-1.00", "+1", "1e3", "1,5", "1.2.3", "NaN", "١", " 1",
        ] {
            assert!(!is_decimal(bad) && !is_positive(bad), "{bad}");
        }
        assert!(is_positive("0.01") && is_positive("100"));
        assert!(!is_positive("0") && !is_positive("0.00"));
    }

    #[test]
    fn currencies_are_three_capitals() {
        assert!(is_currency("USD") && is_currency("JPY"));
        for bad in ["", "usd", "US", "USDT", "U5D", "ÜSD"] {
            assert!(!is_currency(bad), "{bad}");
        }
    }
}
