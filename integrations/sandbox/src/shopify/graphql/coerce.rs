//! Values given from outside, made into what the schema promises: variables at the start, arguments at each field.

use async_graphql_parser::types::{BaseType, Field as AskedField, OperationDefinition, Type};
use async_graphql_value::Value as Literal;
use serde_json::{Map, Value, json};

use super::problem::Problem;
use super::schema::{Field, Schema, Shape};

/// What is wrong inside a variable: where, and why.
type Wrong = (Vec<Value>, String);

/// The variables of an operation, with defaults; every problem is told at once.
pub(crate) fn variables(
    schema: &Schema,
    operation: &OperationDefinition,
    given: &Map<String, Value>,
) -> Result<Map<String, Value>, Vec<Problem>> {
    let mut out = Map::new();
    let mut problems = Vec::new();
    for definition in &operation.variable_definitions {
        let name = definition.node.name.node.as_str();
        let ty = &definition.node.var_type.node;
        let value = match given.get(name) {
            Some(value) => value.clone(),
            None => match &definition.node.default_value {
                Some(default) => default.node.clone().into_json().unwrap_or(Value::Null),
                None if ty.nullable => continue,
                None => Value::Null,
            },
        };
        let mut wrong = Vec::new();
        let coerced = coerce(schema, ty, &value, &mut Vec::new(), &mut wrong);
        if wrong.is_empty() {
            out.insert(name.to_owned(), coerced);
            continue;
        }
        let places: Vec<String> = wrong
            .iter()
            .map(|(path, why)| {
                let path: Vec<String> = path
                    .iter()
                    .map(|step| {
                        step.as_str()
                            .map_or_else(|| step.to_string(), str::to_owned)
                    })
                    .collect();
                if path.is_empty() {
                    String::new()
                } else {
                    format!("{} ({why})", path.join("."))
                }
            })
            .filter(|text| !text.is_empty())
            .collect();
        let tail = if places.is_empty() {
            String::new()
        } else {
            format!(" for {}", places.join(", "))
        };
        let listed: Vec<Value> = wrong
            .iter()
            .map(|(path, why)| json!({"path": path, "explanation": why}))
            .collect();
        problems.push(
            Problem::new(format!(
                "Variable ${name} of type {ty} was provided invalid value{tail}"
            ))
            .at(definition.pos)
            .code("INVALID_VARIABLE")
            .with("value", value)
            .with("problems", Value::Array(listed)),
        );
    }
    if problems.is_empty() {
        Ok(out)
    } else {
        Err(problems)
    }
}

fn coerce(
    schema: &Schema,
    ty: &Type,
    value: &Value,
    path: &mut Vec<Value>,
    wrong: &mut Vec<Wrong>,
) -> Value {
    if value.is_null() {
        if !ty.nullable {
            wrong.push((path.clone(), "Expected value to not be null".to_owned()));
        }
        return Value::Null;
    }
    let name = match &ty.base {
        BaseType::List(inner) => {
            let Some(items) = value.as_array() else {
                return Value::Array(vec![coerce(schema, inner, value, path, wrong)]);
            };
            let mut out = Vec::with_capacity(items.len());
            for (n, item) in items.iter().enumerate() {
                path.push(json!(n));
                out.push(coerce(schema, inner, item, path, wrong));
                path.pop();
            }
            return Value::Array(out);
        }
        BaseType::Named(name) => name.as_str(),
    };
    match schema.shape(name) {
        Some(Shape::Input(inputs)) => {
            let Some(object) = value.as_object() else {
                wrong.push((
                    path.clone(),
                    format!("Expected {value} to be a key-value object."),
                ));
                return Value::Null;
            };
            let mut out = Map::new();
            for key in object.keys() {
                if !inputs.iter().any(|input| input.name == *key) {
                    path.push(json!(key));
                    wrong.push((path.clone(), format!("Field is not defined on {name}")));
                    path.pop();
                }
            }
            for input in inputs {
                path.push(json!(input.name));
                match (object.get(&input.name), &input.default) {
                    (Some(value), _) => {
                        out.insert(
                            input.name.clone(),
                            coerce(schema, &input.ty, value, path, wrong),
                        );
                    }
                    (None, Some(default)) => {
                        out.insert(input.name.clone(), default.clone());
                    }
                    (None, None) if input.ty.nullable => {}
                    (None, None) => {
                        wrong.push((path.clone(), "Expected value to not be null".to_owned()));
                    }
                }
                path.pop();
            }
            Value::Object(out)
        }
        Some(Shape::Enum(values)) => {
            if value
                .as_str()
                .is_some_and(|given| values.iter().any(|known| known == given))
            {
                return value.clone();
            }
            let shown = value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned);
            wrong.push((
                path.clone(),
                format!("Expected \"{shown}\" to be one of: {}", values.join(", ")),
            ));
            Value::Null
        }
        _ => match scalar(name, value) {
            Some(value) => value,
            None => {
                wrong.push((
                    path.clone(),
                    format!("Could not coerce value {value} to {name}"),
                ));
                Value::Null
            }
        },
    }
}

/// A scalar as the schema means it; `None` when it is something else.
fn scalar(name: &str, value: &Value) -> Option<Value> {
    let fits = match name {
        "Int" => value.as_i64().is_some_and(|n| i32::try_from(n).is_ok()),
        "Float" => value.is_number(),
        "Boolean" => value.is_boolean(),
        "String" | "URL" => value.is_string(),
        "DateTime" => value
            .as_str()
            .is_some_and(|text| crate::clock::parse_instant(text).is_some()),
        "ID" => {
            return match value {
                Value::String(_) => Some(value.clone()),
                Value::Number(number) if !number.is_f64() => {
                    Some(Value::String(number.to_string()))
                }
                _ => None,
            };
        }
        "JSON" => true,
        _ => value.is_string() || value.is_number(),
    };
    fits.then(|| value.clone())
}

/// A literal with its variables filled in; `None` for a variable that was not given.
pub(crate) fn literal(value: &Literal, variables: &Map<String, Value>) -> Option<Value> {
    Some(match value {
        Literal::Variable(name) => variables.get(name.as_str())?.clone(),
        Literal::Null => Value::Null,
        Literal::Number(number) => Value::Number(number.clone()),
        Literal::String(text) => Value::String(text.clone()),
        Literal::Boolean(flag) => Value::Bool(*flag),
        Literal::Enum(name) => Value::String(name.to_string()),
        Literal::Binary(_) => Value::Null,
        Literal::List(items) => Value::Array(
            items
                .iter()
                .map(|item| literal(item, variables).unwrap_or(Value::Null))
                .collect(),
        ),
        Literal::Object(fields) => Value::Object(
            fields
                .iter()
                .filter_map(|(key, value)| Some((key.to_string(), literal(value, variables)?)))
                .collect(),
        ),
    })
}

/// The arguments of a field, coerced, with defaults.
pub(crate) fn arguments(
    schema: &Schema,
    known: &Field,
    asked: &AskedField,
    variables: &Map<String, Value>,
) -> Result<Map<String, Value>, String> {
    let mut out = Map::new();
    for arg in &known.args {
        let given = asked
            .get_argument(&arg.name)
            .and_then(|value| literal(&value.node, variables));
        let value = match given.or_else(|| arg.default.clone()) {
            Some(value) => value,
            None if arg.ty.nullable => continue,
            None => Value::Null,
        };
        let mut wrong = Vec::new();
        let value = coerce(schema, &arg.ty, &value, &mut Vec::new(), &mut wrong);
        if let Some((_, why)) = wrong.first() {
            return Err(format!(
                "Argument '{}' has an invalid value: {why}",
                arg.name
            ));
        }
        out.insert(arg.name.clone(), value);
    }
    Ok(out)
}
