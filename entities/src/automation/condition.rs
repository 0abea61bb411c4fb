//! Of what an automation's event must be for it to act: typed comparisons with what its selection answers.
//!
//! Owns: which comparison a type of value has, and its judgement. Refuses: a comparison that its type has not, and an operand that is none of the type.
//! Invariants: a path that leads nowhere meets no condition but that of not being there; one that leads through a list is met by any of its members.

use super::MOST_CONDITIONS;
use crate::clock::Timestamp;
use crate::error::{ViolationCode, Violations};
use crate::text_enum::text_enum;
use chrono::NaiveDate;
use rust_decimal::Decimal;
use sea_orm::FromJsonQueryResult;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use std::cmp::Ordering;

/// The most operands of one condition.
const MOST_OPERANDS: usize = 100;
/// The most characters of an operand.
const LONGEST_OPERAND: usize = 500;

text_enum! {
    /// How a value is compared.
    Operator {
        /// It is the one operand.
        Eq,
        /// It is not.
        Ne,
        /// It is one of the operands.
        In,
        /// It is greater than the one operand.
        Gt,
        /// It is the one operand or greater.
        Gte,
        /// It is less.
        Lt,
        /// It is the one operand or less.
        Lte,
        /// It holds the one operand, whatever the case of its letters.
        Contains,
        /// It is there.
        Exists,
        /// It is not there.
        Missing,
    }
}

text_enum! {
    /// What is compared.
    ValueType {
        /// A number, also one that is written as text.
        Number,
        /// True or false.
        Boolean,
        /// An instant.
        Instant,
        /// A day.
        Date,
        /// A text.
        Text,
        /// Any JSON.
        Any,
    }
}

/// One condition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Condition {
    /// The response keys from the event on, with dots between them.
    pub path: String,
    /// How.
    pub operator: Operator,
    /// With what.
    pub operands: Vec<String>,
    /// As what, by the schema.
    pub of: ValueType,
}

/// The conditions of an automation, all of which must be met.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, FromJsonQueryResult)]
pub struct Conditions(pub Vec<Condition>);

impl Operator {
    /// Whether values of a type are compared so.
    const fn suits(self, of: ValueType) -> bool {
        match self {
            Self::Eq | Self::Ne | Self::Exists | Self::Missing => true,
            Self::In => !matches!(of, ValueType::Boolean),
            Self::Gt | Self::Gte | Self::Lt | Self::Lte => matches!(
                of,
                ValueType::Number | ValueType::Instant | ValueType::Date | ValueType::Any
            ),
            Self::Contains => matches!(of, ValueType::Text | ValueType::Any),
        }
    }

    /// How many operands it has, at least and at most.
    const fn operands(self) -> (usize, usize) {
        match self {
            Self::Exists | Self::Missing => (0, 0),
            Self::In => (1, MOST_OPERANDS),
            _ => (1, 1),
        }
    }
}

/// A value as its type.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Typed {
    Number(Decimal),
    Boolean(bool),
    Instant(Timestamp),
    Date(NaiveDate),
    Text(String),
}

impl Typed {
    fn read(of: ValueType, text: &str) -> Option<Self> {
        match of {
            ValueType::Number => text.trim().parse().ok().map(Self::Number),
            ValueType::Boolean => text.parse().ok().map(Self::Boolean),
            ValueType::Instant => Timestamp::parse_rfc3339(text).map(Self::Instant),
            ValueType::Date => text.parse().ok().map(Self::Date),
            ValueType::Text | ValueType::Any => Some(Self::Text(text.to_owned())),
        }
    }

    fn of_json(of: ValueType, value: &Json) -> Option<Self> {
        match value {
            Json::Null => None,
            Json::String(text) => Self::read(of, text),
            Json::Bool(it) => Some(match of {
                ValueType::Boolean => Self::Boolean(*it),
                _ => Self::Text(it.to_string()),
            }),
            Json::Number(number) => match of {
                ValueType::Number => number.to_string().parse().ok().map(Self::Number),
                _ => Some(Self::Text(number.to_string())),
            },
            Json::Array(_) | Json::Object(_) => None,
        }
    }

    /// Of two values of one type which comes first; of JSON that may hold anything, numbers are compared as numbers where both are.
    fn compared(&self, other: &Self) -> Option<Ordering> {
        Some(match (self, other) {
            (Self::Number(one), Self::Number(two)) => one.cmp(two),
            (Self::Boolean(one), Self::Boolean(two)) => one.cmp(two),
            (Self::Instant(one), Self::Instant(two)) => one.cmp(two),
            (Self::Date(one), Self::Date(two)) => one.cmp(two),
            (Self::Text(one), Self::Text(two)) => {
                match (one.parse::<Decimal>(), two.parse::<Decimal>()) {
                    (Ok(one), Ok(two)) => one.cmp(&two),
                    _ => one.cmp(two),
                }
            }
            _ => return None,
        })
    }
}

impl Condition {
    /// Whether a value meets the condition.
    fn is_met_by(&self, value: &Json) -> bool {
        let Some(value) = Typed::of_json(self.of, value) else {
            return false;
        };
        let operands = || {
            let read = |text: &String| Typed::read(self.of, text);
            self.operands.iter().filter_map(read)
        };
        let is = |one: &Typed| match (one, &value) {
            // Words are words: "007" is not "7".
            (Typed::Text(one), Typed::Text(two)) => one == two,
            (one, two) => one == two,
        };
        let lies = |wanted: &[Ordering]| {
            let mut operands = operands();
            operands.any(|one| value.compared(&one).is_some_and(|it| wanted.contains(&it)))
        };
        match self.operator {
            Operator::Eq | Operator::In => operands().any(|one| is(&one)),
            Operator::Ne => !operands().any(|one| is(&one)),
            Operator::Gt => lies(&[Ordering::Greater]),
            Operator::Gte => lies(&[Ordering::Greater, Ordering::Equal]),
            Operator::Lt => lies(&[Ordering::Less]),
            Operator::Lte => lies(&[Ordering::Less, Ordering::Equal]),
            Operator::Contains => {
                let Typed::Text(text) = &value else {
                    return false;
                };
                let text = text.to_lowercase();
                self.operands
                    .iter()
                    .any(|part| text.contains(&part.to_lowercase()))
            }
            Operator::Exists => true,
            Operator::Missing => false,
        }
    }

    /// Whether what a selection answered meets the condition.
    #[must_use]
    pub fn is_met(&self, answered: &Json) -> bool {
        let mut found = Vec::new();
        walk(answered, &self.path, &mut found);
        let is_there = found.iter().any(|value| !value.is_null());
        match self.operator {
            Operator::Missing => !is_there,
            Operator::Exists => is_there,
            _ => found.into_iter().any(|value| self.is_met_by(value)),
        }
    }
}

impl Conditions {
    /// The first condition that is not met.
    #[must_use]
    pub fn unmet<'a>(&'a self, answered: &Json) -> Option<&'a Condition> {
        self.0.iter().find(|condition| !condition.is_met(answered))
    }

    /// Adds what is wrong with them, `field` being the input's name for them.
    pub(super) fn check(&self, violations: &mut Violations, field: &str) {
        if self.0.len() > MOST_CONDITIONS {
            let message = format!("At most {MOST_CONDITIONS} conditions.");
            violations.add(ViolationCode::TooLong, field, message);
            return;
        }
        for (index, condition) in self.0.iter().enumerate() {
            let at = |part: &str| format!("{field}.{index}.{part}");
            let (operator, of) = (condition.operator, condition.of);
            if !operator.suits(of) {
                let message = "Values of this type are not compared so.";
                violations.add(ViolationCode::Invalid, at("operator"), message);
            }
            let (least, most) = operator.operands();
            let count = condition.operands.len();
            if !(least..=most).contains(&count) {
                let message = match most {
                    0 => "This comparison has no value.".to_owned(),
                    1 => "This comparison has one value.".to_owned(),
                    _ => format!("Between {least} and {most} values."),
                };
                violations.add(ViolationCode::Invalid, at("values"), message);
            }
            for (number, operand) in condition.operands.iter().enumerate() {
                let field = format!("{}.{number}", at("values"));
                if operand.chars().count() > LONGEST_OPERAND || operand.contains('\0') {
                    let message = format!("At most {LONGEST_OPERAND} characters.");
                    violations.add(ViolationCode::TooLong, field, message);
                } else if Typed::read(of, operand).is_none() {
                    let message = "This is no value of the field's type.";
                    violations.add(ViolationCode::Invalid, field, message);
                }
            }
        }
    }
}

/// The values at a path, lists walked through.
fn walk<'a>(value: &'a Json, path: &str, found: &mut Vec<&'a Json>) {
    if let Json::Array(members) = value {
        for member in members {
            walk(member, path, found);
        }
        return;
    }
    if path.is_empty() {
        found.push(value);
        return;
    }
    let (key, rest) = path.split_once('.').unwrap_or((path, ""));
    if let Some(next) = value.get(key) {
        walk(next, rest, found);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn condition(path: &str, operator: Operator, operands: &[&str], of: ValueType) -> Condition {
        Condition {
            path: path.to_owned(),
            operator,
            operands: operands.iter().map(ToString::to_string).collect(),
            of,
        }
    }

    #[test]
    fn values_are_compared_as_what_they_are() {
        use Operator::{Contains, Eq, Exists, Gt, Gte, In, Lt, Missing, Ne};
        use ValueType::{Any, Boolean, Date, Instant, Number, Text};
        let event = json!({
            "type": "deal.won", "at": "2026-11-21T10:00:00+01:00", "won": true, "day": "2026-11-21", "none": null,
            "subject": { "amount": { "amount": "9000.50" }, "tags": ["gold", "EMEA"], "code": "007",
                "partners": [{ "share": 10 }, { "share": 60 }] },
        });
        for (path, operator, operands, of, expected) in [
            ("subject.amount.amount", Gt, &["10000"][..], Number, false),
            ("subject.amount.amount", Gt, &["900.00"], Number, true),
            ("subject.amount.amount", Eq, &["9000.5"], Number, true),
            ("subject.code", Eq, &["7"], Text, false),
            ("subject.code", In, &["7", "007"], Text, true),
            ("subject.tags", Eq, &["EMEA"], Text, true),
            ("subject.tags", Contains, &["ol"], Text, true),
            ("subject.partners.share", Gte, &["60"], Number, true),
            ("subject.partners.share", Gt, &["60"], Number, false),
            ("at", Lt, &["2026-11-21T09:30:00Z"], Instant, true),
            ("day", Gte, &["2026-11-21"], Date, true),
            ("won", Eq, &["true"], Boolean, true),
            ("won", Ne, &["true"], Boolean, false),
            ("none", Exists, &[], Text, false),
            ("none", Missing, &[], Text, true),
            ("none", Ne, &["x"], Text, false),
            ("nowhere.at.all", Missing, &[], Text, true),
            ("nowhere", Eq, &["x"], Text, false),
            ("subject.amount.amount", Gt, &["900"], Any, true),
        ] {
            let condition = condition(path, operator, operands, of);
            assert_eq!(condition.is_met(&event), expected, "{condition:?}");
        }
    }

    #[test]
    fn a_comparison_that_its_type_has_not_is_refused() {
        for (wrong, field) in [
            (
                condition("x", Operator::Gt, &["a"], ValueType::Text),
                "conditions.0.operator",
            ),
            (
                condition("x", Operator::Eq, &["ten"], ValueType::Number),
                "conditions.0.values.0",
            ),
            (
                condition("x", Operator::Eq, &[], ValueType::Text),
                "conditions.0.values",
            ),
            (
                condition("x", Operator::Exists, &["y"], ValueType::Text),
                "conditions.0.values",
            ),
            (
                condition("x", Operator::Lt, &["yesterday"], ValueType::Instant),
                "conditions.0.values.0",
            ),
        ] {
            let mut violations = Violations::default();
            Conditions(vec![wrong.clone()]).check(&mut violations, "conditions");
            let refused = violations.finish();
            let Err(crate::error::Error::Invalid(found)) = refused else {
                panic!("{wrong:?} is taken");
            };
            assert_eq!(found.first().map(|one| one.field.as_str()), Some(field));
        }
    }
}
