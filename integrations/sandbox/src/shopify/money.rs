//! Amounts as whole numbers of the currency's smallest unit, printed in the vendor's two ways.
//!
//! GraphQL prints at least one decimal and no zeros behind it (`100.0`); webhooks print all decimals of the currency (`100.00`).

/// How many decimals a currency has; the sandbox knows the common exceptions.
pub(crate) fn decimals(currency: &str) -> u32 {
    match currency {
        "JPY" | "KRW" => 0,
        _ => 2,
    }
}

fn parts(minor: i64, currency: &str) -> (String, String) {
    let digits = decimals(currency);
    let unit = 10_u64.pow(digits);
    let size = minor.unsigned_abs();
    let sign = if minor < 0 { "-" } else { "" };
    let fraction = if digits == 0 {
        String::new()
    } else {
        format!("{:0width$}", size % unit, width = digits as usize)
    };
    (format!("{sign}{}", size / unit), fraction)
}

/// As GraphQL prints it.
pub(crate) fn decimal(minor: i64, currency: &str) -> String {
    let (whole, fraction) = parts(minor, currency);
    let short = fraction.trim_end_matches('0');
    format!("{whole}.{}", if short.is_empty() { "0" } else { short })
}

/// As webhooks print it.
pub(crate) fn padded(minor: i64, currency: &str) -> String {
    let (whole, fraction) = parts(minor, currency);
    if fraction.is_empty() {
        whole
    } else {
        format!("{whole}.{fraction}")
    }
}

/// Reads an amount; `None` when it is none, or has more decimals than its currency.
pub(crate) fn parse(text: &str, currency: &str) -> Option<i64> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let fraction = fraction.trim_end_matches('0');
    let places = decimals(currency) as usize;
    let plain = |part: &str| part.chars().all(|c| c.is_ascii_digit());
    if whole.is_empty() || !plain(whole) || !plain(fraction) || fraction.len() > places {
        return None;
    }
    let whole: i64 = whole.parse().ok()?;
    let fraction: i64 = format!("{fraction:0<places$}")
        .parse()
        .or(if places == 0 { Ok(0) } else { Err(()) })
        .ok()?;
    whole
        .checked_mul(10_i64.pow(decimals(currency)))?
        .checked_add(fraction)?
        .checked_mul(sign)
}

/// The same amount in another currency, `rate` being millionths of it for one unit.
pub(crate) fn convert(minor: i64, from: &str, to: &str, rate: u64) -> i64 {
    let scaled = i128::from(minor) * i128::from(rate) * i128::from(10_u64.pow(decimals(to)));
    let divisor = 1_000_000_i128 * i128::from(10_u64.pow(decimals(from)));
    let half = if scaled < 0 {
        -divisor / 2
    } else {
        divisor / 2
    };
    i64::try_from((scaled + half) / divisor).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_ways_of_printing() {
        assert_eq!(decimal(23_847, "USD"), "238.47");
        assert_eq!(decimal(10_000, "USD"), "100.0");
        assert_eq!(decimal(-1_050, "USD"), "-10.5");
        assert_eq!(decimal(500, "JPY"), "500.0");
        assert_eq!(padded(10_000, "USD"), "100.00");
        assert_eq!(padded(500, "JPY"), "500");
        assert_eq!(parse("238.47", "USD"), Some(23_847));
        assert_eq!(parse("500", "JPY"), Some(500));
        assert_eq!(parse("5.5", "JPY"), None);
        assert_eq!(parse("1.999", "USD"), None);
        assert_eq!(parse("-10.50", "USD"), Some(-1_050));
        assert_eq!(convert(10_000, "USD", "JPY", 150_000_000), 15_000);
    }
}
