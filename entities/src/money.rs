//! Money: whole minor units plus an ISO 4217 currency; rates are basis points. No floats, no sums across currencies.

use rust_decimal::Decimal;
use sea_orm::DeriveValueType;
use std::fmt;
use std::str::FromStr;

/// A currency of ISO 4217 that has minor units (or none, as JPY); units of account such as XAU are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, DeriveValueType)]
#[sea_orm(value_type = "String")]
pub struct Currency([u8; 3]);

/// Text that is no currency we can count in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an ISO 4217 currency with minor units")]
pub struct InvalidCurrency;

impl Currency {
    /// US dollar, used by tests and as the example in documents.
    pub const USD: Self = Self(*b"USD");
    /// Euro.
    pub const EUR: Self = Self(*b"EUR");

    /// The three capital letters.
    #[must_use]
    pub fn code(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("XXX")
    }

    /// How many decimal digits its minor unit has: 2 for USD, 0 for JPY, 3 for KWD.
    #[must_use]
    pub fn exponent(self) -> u32 {
        iso_currency::Currency::from_code(self.code())
            .and_then(iso_currency::Currency::exponent)
            .map_or(0, u32::from)
    }
}

impl FromStr for Currency {
    type Err = InvalidCurrency;
    fn from_str(text: &str) -> Result<Self, InvalidCurrency> {
        let known = iso_currency::Currency::from_code(text).ok_or(InvalidCurrency)?;
        if known.exponent().is_none() || known == iso_currency::Currency::XXX {
            return Err(InvalidCurrency);
        }
        text.as_bytes()
            .try_into()
            .map(Self)
            .map_err(|_| InvalidCurrency)
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl serde::Serialize for Currency {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}

impl<'de> serde::Deserialize<'de> for Currency {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// An amount in one currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Money {
    /// Whole minor units (cents for USD, yen for JPY).
    pub minor: i64,
    /// The currency they are counted in.
    pub currency: Currency,
}

/// Why a text is no amount of a currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidAmount {
    /// Not a plain decimal number.
    #[error("not a decimal number")]
    NotANumber,
    /// More decimal digits than the currency has.
    #[error("more decimal digits than the currency has")]
    TooPrecise,
    /// Beyond [`Money::MOST`].
    #[error("too large")]
    TooLarge,
}

impl Money {
    /// The greatest amount in minor units, either way: ten trillion dollars. Nine thousand of them still sum within 64 bits; one
    /// absurd row must not break every total it is in.
    pub const MOST: i64 = 1_000_000_000_000_000;

    /// Reads a plain decimal number such as `1500.00`. Trailing zeros beyond the currency's digits are allowed, other digits are
    /// not: an amount is never rounded on the way in.
    ///
    /// # Errors
    /// See [`InvalidAmount`].
    pub fn parse(text: &str, currency: Currency) -> Result<Self, InvalidAmount> {
        let plain = text.trim();
        if plain.is_empty()
            || plain.len() > 40
            || !plain
                .bytes()
                .all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'-' | b'+'))
        {
            return Err(InvalidAmount::NotANumber);
        }
        let value = Decimal::from_str_exact(plain).map_err(|fault| match fault {
            rust_decimal::Error::ExceedsMaximumPossibleValue => InvalidAmount::TooLarge,
            rust_decimal::Error::Underflow => InvalidAmount::TooPrecise,
            _ => InvalidAmount::NotANumber,
        })?;
        Self::from_decimal(value, currency)
    }

    /// From a decimal number of major units.
    ///
    /// # Errors
    /// See [`InvalidAmount`].
    pub fn from_decimal(value: Decimal, currency: Currency) -> Result<Self, InvalidAmount> {
        let value = value.normalize();
        let exponent = currency.exponent();
        if value.scale() > exponent {
            return Err(InvalidAmount::TooPrecise);
        }
        let factor = 10_i128
            .checked_pow(exponent - value.scale())
            .ok_or(InvalidAmount::TooLarge)?;
        let minor = value
            .mantissa()
            .checked_mul(factor)
            .ok_or(InvalidAmount::TooLarge)?;
        let minor = i64::try_from(minor).map_err(|_| InvalidAmount::TooLarge)?;
        if minor.unsigned_abs() > Self::MOST.unsigned_abs() {
            return Err(InvalidAmount::TooLarge);
        }
        Ok(Self { minor, currency })
    }

    /// The major units as a decimal number with all the currency's digits: `1500.00`.
    #[must_use]
    pub fn to_decimal(self) -> Decimal {
        Decimal::from_i128_with_scale(i128::from(self.minor), self.currency.exponent())
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.to_decimal(), self.currency)
    }
}

impl serde::Serialize for Money {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct;
        let mut shown = serializer.serialize_struct("Money", 2)?;
        shown.serialize_field("amount", &self.to_decimal().to_string())?;
        shown.serialize_field("currency", &self.currency)?;
        shown.end()
    }
}

/// A share of a whole in basis points, 0 to 10,000.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, DeriveValueType)]
pub struct BasisPoints(i32);

impl BasisPoints {
    /// Nothing of it.
    pub const NONE: Self = Self(0);
    /// The whole: 100 %.
    pub const WHOLE: Self = Self(10_000);

    /// A share; none outside 0 to 10,000.
    #[must_use]
    pub const fn new(points: i32) -> Option<Self> {
        if points >= 0 && points <= 10_000 {
            Some(Self(points))
        } else {
            None
        }
    }

    /// The number of basis points.
    #[must_use]
    pub const fn points(self) -> i32 {
        self.0
    }
}

impl serde::Serialize for BasisPoints {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_i32(self.0)
    }
}

impl<'de> serde::Deserialize<'de> for BasisPoints {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let points = i32::deserialize(deserializer)?;
        Self::new(points)
            .ok_or_else(|| serde::de::Error::custom("basis points are between 0 and 10,000"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(text: &str, code: &str) -> Result<i64, InvalidAmount> {
        let currency = code.parse().map_err(|_| InvalidAmount::NotANumber)?;
        Money::parse(text, currency).map(|money| money.minor)
    }

    #[test]
    fn amounts_follow_the_digits_of_their_currency() {
        assert_eq!(parse("1500.00", "USD"), Ok(150_000));
        assert_eq!(parse("1500", "JPY"), Ok(1_500));
        assert_eq!(parse("1500.00", "JPY"), Ok(1_500));
        assert_eq!(parse("1.234", "KWD"), Ok(1_234));
        assert_eq!(parse("-0.5", "EUR"), Ok(-50));
        assert_eq!(parse("0.005", "USD"), Err(InvalidAmount::TooPrecise));
        assert_eq!(parse("1.5", "JPY"), Err(InvalidAmount::TooPrecise));
        for bad in [
            "abc", "", "1e5", "1,000", "--1", "NaN", "0x10", "1.2.3", ".",
        ] {
            assert_eq!(parse(bad, "USD"), Err(InvalidAmount::NotANumber), "{bad}");
        }
        assert_eq!(
            parse("92233720368547758.08", "USD"),
            Err(InvalidAmount::TooLarge)
        );
        assert_eq!(
            parse("10000000000000.01", "USD"),
            Err(InvalidAmount::TooLarge)
        );
        assert_eq!(parse("-10000000000000.00", "USD"), Ok(-Money::MOST));
    }

    #[test]
    fn a_currency_that_does_not_exist_cannot_be_built() {
        for bad in ["", "usd", "US", "USDX", "ZZZ", "XXX", "XAU", "€"] {
            assert_eq!(bad.parse::<Currency>(), Err(InvalidCurrency), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn showing_and_reading_an_amount_is_the_identity(minor in -Money::MOST..=Money::MOST, pick in 0_usize..4) {
            let currency: Currency = ["USD", "JPY", "KWD", "EUR"].get(pick).copied().unwrap_or("USD").parse().unwrap_or(Currency::USD);
            let money = Money { minor, currency };
            prop_assert_eq!(Money::parse(&money.to_decimal().to_string(), currency), Ok(money));
        }
    }
}
