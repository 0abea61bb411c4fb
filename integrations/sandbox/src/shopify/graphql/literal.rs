//! Literals held against the types they are given to, and printed back as the vendor prints them.

use async_graphql_parser::Pos;
use async_graphql_parser::types::{BaseType, Type};
use async_graphql_value::Value;

use super::problem::Problem;
use super::schema::{Input, Schema, Shape};

/// Where a literal stands: for the words of a problem.
pub(crate) struct Place<'a> {
    pub(crate) argument: &'a str,
    /// `Field 'orders'` or `InputObject 'CustomerInput'`.
    pub(crate) owner: String,
    pub(crate) pos: Pos,
    pub(crate) path: &'a [String],
}

/// Finds what is wrong with a literal; variables inside it are looked at elsewhere.
pub(crate) fn check(
    schema: &Schema,
    ty: &Type,
    value: &Value,
    place: &Place<'_>,
    problems: &mut Vec<Problem>,
) {
    if matches!(value, Value::Variable(_)) {
        return;
    }
    if matches!(value, Value::Null) {
        if !ty.nullable {
            problems.push(incompatible(ty, value, place));
        }
        return;
    }
    match (&ty.base, value) {
        (BaseType::List(inner), Value::List(items)) => {
            for item in items {
                check(schema, inner, item, place, problems);
            }
        }
        (BaseType::List(inner), single) => check(schema, inner, single, place, problems),
        (BaseType::Named(name), value) => {
            match (schema.shape(name), value) {
                (Some(Shape::Input(inputs)), Value::Object(given)) => {
                    let place = Place {
                        argument: place.argument,
                        owner: format!("InputObject '{name}'"),
                        pos: place.pos,
                        path: place.path,
                    };
                    let known = |key: &str| inputs.iter().find(|input| input.name == key);
                    for (key, value) in given {
                        match known(key) {
                            Some(input) => {
                                let place = Place {
                                    argument: key,
                                    owner: place.owner.clone(),
                                    ..place
                                };
                                check(schema, &input.ty, value, &place, problems);
                            }
                            None => problems.push(Problem::fixed(
                                format!("InputObject '{name}' doesn't accept argument '{key}'"),
                                "argumentNotAccepted",
                                place.pos,
                                place.path,
                                &[
                                    ("name", name),
                                    ("typeName", "InputObject"),
                                    ("argumentName", key),
                                ],
                            )),
                        }
                    }
                    for input in inputs
                        .iter()
                        .filter(|input| missing(input, given.get(input.name.as_str())))
                    {
                        problems.push(Problem::fixed(
                        format!("Argument '{}' on InputObject '{name}' is required. Expected type {}", input.name, input.ty),
                        "missingRequiredInputObjectAttribute",
                        place.pos,
                        place.path,
                        &[("argumentName", &input.name), ("inputObjectType", name)],
                    ));
                    }
                }
                (Some(Shape::Enum(values)), Value::Enum(given))
                    if values.iter().any(|known| known == given.as_str()) => {}
                (Some(Shape::Scalar), value) if scalar(name, value) => {}
                _ => problems.push(incompatible(ty, value, place)),
            }
        }
    }
}

fn missing(input: &Input, given: Option<&Value>) -> bool {
    input.required() && given.is_none()
}

fn scalar(name: &str, value: &Value) -> bool {
    match (name, value) {
        ("Int", Value::Number(number)) => number.as_i64().is_some_and(|n| i32::try_from(n).is_ok()),
        ("Float", Value::Number(_)) | ("Boolean", Value::Boolean(_)) => true,
        ("String" | "DateTime" | "URL", Value::String(_)) => true,
        ("ID", Value::String(_)) => true,
        ("ID", Value::Number(number)) => number.is_i64() || number.is_u64(),
        ("Int" | "Float" | "Boolean" | "String" | "DateTime" | "URL" | "ID", _) => false,
        // The vendor's other scalars take text and numbers.
        (_, Value::Object(_) | Value::List(_) | Value::Enum(_)) => name == "JSON",
        _ => true,
    }
}

fn incompatible(ty: &Type, value: &Value, place: &Place<'_>) -> Problem {
    Problem::fixed(
        format!(
            "Argument '{}' on {} has an invalid value ({value}). Expected type '{ty}'.",
            place.argument, place.owner
        ),
        "argumentLiteralsIncompatible",
        place.pos,
        place.path,
        &[
            (
                "typeName",
                place.owner.split(' ').next().unwrap_or_default(),
            ),
            ("argumentName", place.argument),
        ],
    )
}
