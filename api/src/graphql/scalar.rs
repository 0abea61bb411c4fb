//! Scalars and money as the API writes them.

use super::error::bad_input;
use async_graphql::{
    InputObject, InputValueError, InputValueResult, Scalar, ScalarType, SimpleObject, Value,
};
use entities::clock::Timestamp;
use entities::domain_name::DomainName;
use entities::error::{Error, ViolationCode};
use entities::money::Money as Amount;

macro_rules! text_scalar {
    ($(#[$doc:meta])* $name:ident($inner:ty), $graphql:literal, $parse:expr, $show:expr, $hint:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq)]
        pub struct $name(pub $inner);

        // Once more: the schema's description is read from here.
        $(#[$doc])*
        #[Scalar(name = $graphql)]
        impl ScalarType for $name {
            fn parse(value: Value) -> InputValueResult<Self> {
                let parse: fn(&str) -> Option<$inner> = $parse;
                match &value {
                    Value::String(text) => parse(text).map(Self).ok_or_else(|| -> InputValueError<Self> { bad_input($hint) }),
                    _ => Err(bad_input($hint)),
                }
            }

            fn to_value(&self) -> Value {
                let show: fn(&$inner) -> String = $show;
                Value::String(show(&self.0))
            }
        }
    };
}

text_scalar! {
    /// An instant in RFC 3339 with its offset; answered in UTC with up to six digits of a second.
    DateTime(Timestamp), "DateTime", Timestamp::parse_rfc3339, |at| at.to_rfc3339(), "A DateTime is RFC 3339: 2026-11-01T08:00:00Z."
}

text_scalar! {
    /// A calendar day, `2026-11-01`.
    Date(chrono::NaiveDate), "Date", |text| chrono::NaiveDate::parse_from_str(text, "%Y-%m-%d").ok(), |day| day.to_string(), "A Date is a calendar day: 2026-11-01."
}

text_scalar! {
    /// A decimal number as a string, so that no digit is lost: `"1500.00"`.
    Decimal(rust_decimal::Decimal), "Decimal", |text| rust_decimal::Decimal::from_str_exact(text).ok(), |number| number.to_string(), "A Decimal is a string of a plain decimal number: \"1500.00\"."
}

text_scalar! {
    /// A currency of ISO 4217: `USD`.
    Currency(entities::money::Currency), "Currency", |text| text.parse().ok(), |currency| currency.to_string(), "A Currency is a code of ISO 4217: USD."
}

text_scalar! {
    /// A company's internet domain, normalised: lower case, without scheme, `www.` or path.
    Domain(DomainName), "DomainName", |text| text.parse().ok(), |domain| domain.to_string(), "A DomainName is a host with at least two labels: acme.com."
}

/// An amount in one currency.
#[derive(Clone, Debug, SimpleObject)]
pub struct Money {
    /// Major units with all the digits of the currency.
    pub amount: Decimal,
    /// The currency.
    pub currency: Currency,
}

impl From<Amount> for Money {
    fn from(amount: Amount) -> Self {
        Self {
            amount: Decimal(amount.to_decimal()),
            currency: Currency(amount.currency),
        }
    }
}

/// An amount in one currency.
#[derive(Clone, Debug, InputObject)]
pub struct MoneyInput {
    /// Major units; not more decimal digits than the currency has.
    pub amount: Decimal,
    /// The currency.
    pub currency: Currency,
}

impl MoneyInput {
    /// The amount in minor units.
    ///
    /// # Errors
    /// A violation of `field` when it has too many digits or is too large.
    pub fn to_amount(&self, field: &str) -> entities::error::Result<Amount> {
        Amount::from_decimal(self.amount.0, self.currency.0).map_err(|fault| {
            Error::invalid(
                ViolationCode::Invalid,
                format!("{field}.amount"),
                format!("The amount has {fault}."),
            )
        })
    }
}
