//! One search filter, read once and then asked for every record.

use std::cmp::Ordering;

use serde::Deserialize;

use super::answer::Refusal;
use super::kind::Kind;
use super::record::View;
use super::schema::{Schema, ValueType};
use crate::clock::parse_instant;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Filter {
    property_name: String,
    operator: String,
    #[serde(default)]
    value: Option<String>,
    #[serde(default)]
    high_value: Option<String>,
    #[serde(default)]
    values: Option<Vec<String>>,
}

/// What a filter or a sort looks at.
#[derive(Debug, Clone)]
pub(crate) enum Field {
    Id,
    Created,
    Modified,
    Number(String),
    Instant(String),
    Text(String),
}

impl Field {
    pub(crate) fn new(schema: &Schema, kind: Kind, name: &str) -> Result<Self, Refusal> {
        let name_owned = name.to_owned();
        match name {
            "hs_object_id" => return Ok(Self::Id),
            "createdate" => return Ok(Self::Created),
            modified if modified == kind.modified_property() => return Ok(Self::Modified),
            _ => {}
        }
        match schema.get(kind, name).map(|property| property.value_type) {
            Some(ValueType::Number) => Ok(Self::Number(name_owned)),
            Some(ValueType::Datetime | ValueType::Date) => Ok(Self::Instant(name_owned)),
            Some(_) => Ok(Self::Text(name_owned)),
            None => Err(Refusal::validation(format!(
                "There was a problem with the request: no property {name} exists for {}",
                kind.plural()
            ))),
        }
    }

    fn key(&self, view: &View<'_>) -> Option<Key> {
        match self {
            Self::Id => Some(Key::Whole(i64::try_from(view.id).unwrap_or(i64::MAX))),
            Self::Created => Some(Key::Whole(view.created_at)),
            Self::Modified => Some(Key::Whole(view.updated_at)),
            Self::Number(name) => view.properties.get(name)?.parse().ok().map(Key::Number),
            Self::Instant(name) => parse_instant(view.properties.get(name)?).map(Key::Whole),
            Self::Text(name) => view
                .properties
                .get(name)
                .map(|v| Key::Text(v.to_lowercase())),
        }
    }

    fn read(&self, text: &str) -> Option<Key> {
        match self {
            Self::Id => text.parse().ok().map(Key::Whole),
            Self::Created | Self::Modified | Self::Instant(_) => {
                parse_instant(text).map(Key::Whole)
            }
            Self::Number(_) => text.parse().ok().map(Key::Number),
            Self::Text(_) => Some(Key::Text(text.to_lowercase())),
        }
    }

    /// Ascending; records without a value come last.
    pub(crate) fn order(&self, a: &View<'_>, b: &View<'_>) -> Ordering {
        match (self.key(a), self.key(b)) {
            (Some(a), Some(b)) => a.compare(&b),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => Ordering::Equal,
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
enum Key {
    Whole(i64),
    Number(f64),
    Text(String),
}

impl Key {
    fn compare(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Whole(a), Self::Whole(b)) => a.cmp(b),
            (Self::Number(a), Self::Number(b)) => a.total_cmp(b),
            (Self::Text(a), Self::Text(b)) => a.cmp(b),
            _ => Ordering::Equal,
        }
    }
}

#[derive(Debug)]
enum Test {
    Equal(Key),
    NotEqual(Key),
    Below(Key),
    AtMost(Key),
    Above(Key),
    AtLeast(Key),
    Between(Key, Key),
    In(Vec<Key>),
    NotIn(Vec<Key>),
    Has,
    HasNot,
    Contains(String),
    ContainsNot(String),
}

/// A filter ready to be asked.
#[derive(Debug)]
pub(crate) struct Compiled {
    field: Field,
    test: Test,
}

impl Compiled {
    pub(crate) fn new(schema: &Schema, kind: Kind, filter: &Filter) -> Result<Self, Refusal> {
        let field = Field::new(schema, kind, &filter.property_name)?;
        let read = |text: Option<&String>| {
            text.and_then(|text| field.read(text)).ok_or_else(|| {
                Refusal::validation(format!(
                    "The value of the filter on {} is missing or not of the property's type.",
                    filter.property_name
                ))
            })
        };
        let one = || read(filter.value.as_ref());
        // Text in a list is compared as it was sent, against the index's lower case: capitals never match.
        let many = || match (&field, &filter.values) {
            (_, None) => Err(Refusal::validation("IN and NOT_IN need values.")),
            (Field::Text(_), Some(values)) => Ok(values.iter().cloned().map(Key::Text).collect()),
            (_, Some(values)) => values.iter().map(|v| read(Some(v))).collect(),
        };
        let token = || {
            let text = filter.value.as_deref().unwrap_or_default();
            let token = text.trim_matches('*').to_lowercase();
            if token.is_empty() {
                return Err(Refusal::validation("A token must not be empty."));
            }
            Ok(token)
        };
        let test = match filter.operator.as_str() {
            "EQ" => Test::Equal(one()?),
            "NEQ" => Test::NotEqual(one()?),
            "LT" => Test::Below(one()?),
            "LTE" => Test::AtMost(one()?),
            "GT" => Test::Above(one()?),
            "GTE" => Test::AtLeast(one()?),
            "BETWEEN" => Test::Between(one()?, read(filter.high_value.as_ref())?),
            "IN" => Test::In(many()?),
            "NOT_IN" => Test::NotIn(many()?),
            "HAS_PROPERTY" => Test::Has,
            "NOT_HAS_PROPERTY" => Test::HasNot,
            "CONTAINS_TOKEN" => Test::Contains(token()?),
            "NOT_CONTAINS_TOKEN" => Test::ContainsNot(token()?),
            other => {
                return Err(Refusal::validation(format!("Unknown operator: {other}")));
            }
        };
        Ok(Self { field, test })
    }

    pub(crate) fn fits(&self, view: &View<'_>) -> bool {
        let key = self.field.key(view);
        let compares = |other: &Key, fits: fn(Ordering) -> bool| {
            key.as_ref().is_some_and(|key| fits(key.compare(other)))
        };
        match &self.test {
            Test::Equal(other) => compares(other, Ordering::is_eq),
            Test::NotEqual(other) => !compares(other, Ordering::is_eq),
            Test::Below(other) => compares(other, Ordering::is_lt),
            Test::AtMost(other) => compares(other, Ordering::is_le),
            Test::Above(other) => compares(other, Ordering::is_gt),
            Test::AtLeast(other) => compares(other, Ordering::is_ge),
            Test::Between(low, high) => {
                compares(low, Ordering::is_ge) && compares(high, Ordering::is_le)
            }
            Test::In(keys) => key.is_some_and(|key| keys.contains(&key)),
            Test::NotIn(keys) => !key.is_some_and(|key| keys.contains(&key)),
            Test::Has => key.is_some(),
            Test::HasNot => key.is_none(),
            Test::Contains(token) => contains(key.as_ref(), token),
            Test::ContainsNot(token) => !contains(key.as_ref(), token),
        }
    }

    /// The times of change this filter allows, both ends included.
    pub(crate) fn modified_bounds(&self) -> Option<(i64, i64)> {
        if !matches!(self.field, Field::Modified) {
            return None;
        }
        match &self.test {
            Test::Equal(Key::Whole(at)) => Some((*at, *at)),
            Test::Below(Key::Whole(at)) => Some((i64::MIN, at.saturating_sub(1))),
            Test::AtMost(Key::Whole(at)) => Some((i64::MIN, *at)),
            Test::Above(Key::Whole(at)) => Some((at.saturating_add(1), i64::MAX)),
            Test::AtLeast(Key::Whole(at)) => Some((*at, i64::MAX)),
            Test::Between(Key::Whole(low), Key::Whole(high)) => Some((*low, *high)),
            _ => None,
        }
    }
}

/// True when a word of the value, or the whole of it, begins with the token.
fn contains(key: Option<&Key>, token: &str) -> bool {
    let Some(Key::Text(value)) = key else {
        return false;
    };
    value.starts_with(token)
        || value
            .split(|c: char| !c.is_alphanumeric())
            .any(|word| word.starts_with(token))
}
