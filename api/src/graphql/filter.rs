//! The words of filters: each names what it compares, and together they narrow (AND). Only what has an index can be filtered.

use super::error::ErrorCode;
use super::scalar::{Currency, Date, DateTime, Decimal};
use async_graphql::{ID, InputObject, Result};
use entities::id::TypedId;
use entities::money::Money;
use sea_orm::sea_query::{Condition, ExprTrait, SimpleExpr};

/// Ids to look for.
#[derive(Clone, Debug, Default, InputObject)]
pub struct IdFilter {
    /// Exactly this one.
    pub eq: Option<ID>,
    /// One of these, at most 100.
    pub r#in: Option<Vec<ID>>,
}

/// A text to look for, compared exactly.
#[derive(Clone, Debug, Default, InputObject)]
pub struct TextFilter {
    /// Exactly this one.
    pub eq: Option<String>,
    /// One of these, at most 100.
    pub r#in: Option<Vec<String>>,
}

/// A stretch of time.
#[derive(Clone, Debug, Default, InputObject)]
pub struct DateTimeFilter {
    /// At or after.
    pub gte: Option<DateTime>,
    /// After.
    pub gt: Option<DateTime>,
    /// At or before.
    pub lte: Option<DateTime>,
    /// Before.
    pub lt: Option<DateTime>,
}

/// A stretch of days.
#[derive(Clone, Debug, Default, InputObject)]
pub struct DateFilter {
    /// On or after.
    pub gte: Option<Date>,
    /// On or before.
    pub lte: Option<Date>,
}

/// A range of amounts in one currency. Rows without an amount are in no range.
#[derive(Clone, Debug, InputObject)]
pub struct MoneyFilter {
    /// The currency; amounts are never compared across currencies.
    pub currency: Currency,
    /// At least.
    pub gte: Option<Decimal>,
    /// At most.
    pub lte: Option<Decimal>,
}

/// The most values of an `in`.
const MAX_VALUES: usize = 100;

fn few<T>(values: Vec<T>) -> Result<Vec<T>> {
    if values.len() > MAX_VALUES {
        Err(ErrorCode::BadUserInput.error(format!("At most {MAX_VALUES} values in a filter.")))
    } else {
        Ok(values)
    }
}

/// Narrows a column to given values; an empty list lets nothing through.
pub(crate) fn among<T: Into<sea_orm::Value>>(
    column: SimpleExpr,
    eq: Option<T>,
    r#in: Option<Vec<T>>,
) -> Result<Condition> {
    let mut all = Condition::all();
    if let Some(value) = eq {
        all = all.add(column.clone().eq(value));
    }
    if let Some(values) = r#in {
        let values = few(values)?;
        all = if values.is_empty() {
            all.add(SimpleExpr::val(1).eq(0))
        } else {
            all.add(column.is_in(values))
        };
    }
    Ok(all)
}

impl IdFilter {
    /// Narrows a column of ids. An id of another kind, or a malformed one, is the id of no row.
    pub(crate) fn on<T: TypedId + std::str::FromStr>(
        self,
        column: SimpleExpr,
    ) -> Result<Condition> {
        let read = |id: ID| id.parse::<T>().ok().map(TypedId::uuid);
        let eq = self
            .eq
            .map(|id| few(vec![id]))
            .transpose()?
            .map(|ids| ids.into_iter().filter_map(read).collect::<Vec<_>>());
        let r#in = self
            .r#in
            .map(few)
            .transpose()?
            .map(|ids| ids.into_iter().filter_map(read).collect::<Vec<_>>());
        Ok(Condition::all()
            .add(among(column.clone(), None, eq)?)
            .add(among(column, None, r#in)?))
    }
}

impl TextFilter {
    /// Narrows a column of texts. A text with NUL is in no row; PostgreSQL would not even read it.
    pub(crate) fn on(self, column: SimpleExpr) -> Result<Condition> {
        let storable = |text: &String| !text.contains('\0');
        let eq = self
            .eq
            .map(|text| Some(text).filter(storable).into_iter().collect::<Vec<_>>());
        let r#in = self
            .r#in
            .map(few)
            .transpose()?
            .map(|texts| texts.into_iter().filter(storable).collect::<Vec<_>>());
        Ok(Condition::all()
            .add(among(column.clone(), None, eq)?)
            .add(among(column, None, r#in)?))
    }
}

impl DateTimeFilter {
    pub(crate) fn on(self, column: SimpleExpr) -> Condition {
        Condition::all()
            .add_option(self.gte.map(|at| column.clone().gte(at.0)))
            .add_option(self.gt.map(|at| column.clone().gt(at.0)))
            .add_option(self.lte.map(|at| column.clone().lte(at.0)))
            .add_option(self.lt.map(|at| column.lt(at.0)))
    }
}

impl DateFilter {
    pub(crate) fn on(self, column: SimpleExpr) -> Condition {
        Condition::all()
            .add_option(self.gte.map(|day| column.clone().gte(day.0)))
            .add_option(self.lte.map(|day| column.lte(day.0)))
    }
}

impl MoneyFilter {
    pub(crate) fn on(self, minor: SimpleExpr, currency: SimpleExpr) -> Result<Condition> {
        let bound = |value: Option<Decimal>| {
            value
                .map(|value| Money::from_decimal(value.0, self.currency.0).map(|money| money.minor))
                .transpose()
                .map_err(|fault| ErrorCode::BadUserInput.error(format!("The amount has {fault}.")))
        };
        let (least, most) = (bound(self.gte.clone())?, bound(self.lte.clone())?);
        Ok(Condition::all()
            .add(currency.eq(self.currency.0))
            .add(minor.clone().is_not_null())
            .add_option(least.map(|least| minor.clone().gte(least)))
            .add_option(most.map(|most| minor.lte(most))))
    }
}

/// An input that filters an enum column.
macro_rules! enum_filter {
    ($(#[$doc:meta])* $name:ident of $kind:ident, $entity:path) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default, async_graphql::InputObject)]
        pub struct $name {
            /// Exactly this one.
            pub eq: Option<$kind>,
            /// One of these.
            pub r#in: Option<Vec<$kind>>,
        }

        impl $name {
            pub(crate) fn on(self, column: sea_orm::sea_query::SimpleExpr) -> async_graphql::Result<sea_orm::Condition> {
                let plain = |kind: $kind| <$entity>::from(kind);
                $crate::graphql::filter::among(column, self.eq.map(plain), self.r#in.map(|kinds| kinds.into_iter().map(plain).collect()))
            }
        }
    };
}
pub(crate) use enum_filter;
