//! Holding a query's names and values against the schema.
//!
//! Invariant: a plan names only fields that exist, each exactly as the schema writes it, and compares each with values of its type.

use super::parse::{Condition, Item, Literal, Name, Operator, Query};
use super::token::{Token, refuse};
use crate::salesforce::held::Held;
use crate::salesforce::id;
use crate::salesforce::refused::SalesforceRefused as Refused;
use crate::salesforce::schema::{FieldKind, Object, SalesforceField, Schema};

/// How many parents a path may climb.
const CLIMB: usize = 5;
/// Text longer than this cannot be filtered or sorted by.
const FILTERABLE: usize = 255;

/// A query that can be answered.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) object: String,
    pub(crate) shape: Shape,
    pub(crate) count: bool,
    pub(crate) test: Option<Test>,
    pub(crate) order: Vec<(Path, bool, bool)>,
    pub(crate) limit: Option<usize>,
    pub(crate) offset: usize,
}

/// What a row shows, in the order of the selection.
#[derive(Debug, Clone, Default)]
pub(crate) struct Shape {
    pub(crate) parts: Vec<Part>,
}

#[derive(Debug, Clone)]
pub(crate) enum Part {
    Field(String),
    Parent {
        relationship: String,
        field: String,
        shape: Shape,
    },
    Children {
        relationship: String,
        field: String,
        plan: Box<Plan>,
    },
}

/// A field, reached over references.
#[derive(Debug, Clone)]
pub(crate) struct Path {
    pub(crate) steps: Vec<String>,
    pub(crate) field: String,
    pub(crate) kind: FieldKind,
}

/// What a record must be.
#[derive(Debug, Clone)]
pub(crate) enum Test {
    All(Vec<Test>),
    Any(Vec<Test>),
    Not(Box<Test>),
    Compare {
        path: Path,
        operator: Operator,
        /// Ids in their order, for hundreds of them are asked for at once.
        values: Vec<Option<Held>>,
    },
}

/// The part of an id that says which it is.
pub(crate) fn named(id: &Option<Held>) -> Option<&str> {
    id.as_ref().and_then(Held::text).map(id::short)
}

/// Makes a plan of a query.
pub(crate) fn resolve(schema: &Schema, query: &Query) -> Result<Plan, Refused> {
    let object = schema.object(&query.from.text).ok_or_else(|| {
        let name = &query.from.text;
        let message = format!(
            "sObject type '{name}' is not supported. If you are attempting to use a custom object, be sure to append the '__c' after the entity name."
        );
        refuse("INVALID_TYPE", &query.text, query.from.at, &message)
    })?;
    plan(schema, query, object)
}

fn plan(schema: &Schema, query: &Query, object: &Object) -> Result<Plan, Refused> {
    let context = Context {
        schema,
        query,
        object,
    };
    let mut shape = Shape::default();
    let mut count = false;
    for item in &query.select {
        match item {
            Item::Count => count = true,
            Item::Field(name) => context.select(&mut shape, name)?,
            Item::Children(inner) => {
                let from = &inner.from;
                let child = object
                    .children
                    .iter()
                    .find(|child| child.relationship.eq_ignore_ascii_case(&from.text))
                    .ok_or_else(|| {
                        let message = format!(
                            "Didn't understand relationship '{}' in FROM part of query call.",
                            from.text
                        );
                        refuse("INVALID_TYPE", &query.text, from.at, &message)
                    })?;
                let described = schema
                    .object(&child.object)
                    .ok_or_else(|| Refused::no_such_type(&child.object))?;
                shape.parts.push(Part::Children {
                    relationship: child.relationship.clone(),
                    field: child.field.clone(),
                    plan: Box::new(plan(schema, inner, described)?),
                });
            }
        }
    }
    if count && query.select.len() > 1 {
        let message = "COUNT() cannot be used together with other selections";
        return Err(Refused::new("MALFORMED_QUERY", message));
    }
    let test = match &query.condition {
        Some(condition) => Some(context.test(condition)?),
        None => None,
    };
    let mut order = Vec::new();
    for by in &query.order {
        let (path, field) = context.path(&by.field)?;
        context.filterable(&by.field, field, "sorted")?;
        order.push((path, by.descending, by.nulls_last));
    }
    if query.offset > 2000 {
        let message = "Maximum SOQL offset allowed is 2000";
        return Err(Refused::new("NUMBER_OUTSIDE_VALID_RANGE", message));
    }
    Ok(Plan {
        object: object.name.clone(),
        shape,
        count,
        test,
        order,
        limit: query.limit,
        offset: query.offset,
    })
}

/// A reference and the object it leads to.
type Step<'a> = (&'a SalesforceField, &'a Object);

struct Context<'a> {
    schema: &'a Schema,
    query: &'a Query,
    object: &'a Object,
}

impl<'a> Context<'a> {
    fn refuse(&self, code: &'static str, at: usize, message: &str) -> Refused {
        refuse(code, &self.query.text, at, message)
    }

    fn no_column(&self, name: &Name, word: &str, object: &Object) -> Refused {
        let message = format!(
            "No such column '{word}' on entity '{}'. If you are attempting to use a custom field, be sure to append the '__c' after the custom field name.",
            object.name
        );
        self.refuse("INVALID_FIELD", name.at, &message)
    }

    /// The steps of a name: the references it climbs over with their targets, and its last word. The object's own name may come first.
    fn climb(&self, name: &'a Name) -> Result<(Vec<Step<'a>>, &'a str), Refused> {
        let mut words: Vec<&str> = name.text.split('.').collect();
        if words.len() > 1
            && words.first().is_some_and(|first| {
                first.eq_ignore_ascii_case(&self.object.name)
                    && self.object.relation(first).is_none()
            })
        {
            words.remove(0);
        }
        let last = words.pop().unwrap_or_default();
        if words.len() > CLIMB {
            let message = format!("a path may climb {CLIMB} parents");
            return Err(self.refuse("MALFORMED_QUERY", name.at, &message));
        }
        let mut object = self.object;
        let mut steps = Vec::new();
        for word in words {
            let field = object.relation(word).ok_or_else(|| {
                let message = format!(
                    "Didn't understand relationship '{word}' in field path. If you are attempting to use a custom relationship, be sure to append the '__r' after the custom relationship name."
                );
                self.refuse("INVALID_FIELD", name.at, &message)
            })?;
            let target = field.refers_to.first().map_or("", String::as_str);
            object = self
                .schema
                .object(target)
                .ok_or_else(|| Refused::no_such_type(target))?;
            steps.push((field, object));
        }
        Ok((steps, last))
    }

    fn path(&self, name: &'a Name) -> Result<(Path, &'a SalesforceField), Refused> {
        let (steps, last) = self.climb(name)?;
        let object = steps.last().map_or(self.object, |(_, object)| object);
        let field = object
            .field(last)
            .ok_or_else(|| self.no_column(name, last, object))?;
        let path = Path {
            steps: steps.iter().map(|(field, _)| field.name.clone()).collect(),
            field: field.name.clone(),
            kind: field.kind,
        };
        Ok((path, field))
    }

    fn select(&self, shape: &mut Shape, name: &'a Name) -> Result<(), Refused> {
        let (steps, last) = self.climb(name)?;
        let object = steps.last().map_or(self.object, |(_, object)| object);
        let field = object
            .field(last)
            .ok_or_else(|| self.no_column(name, last, object))?;
        let references: Vec<&SalesforceField> = steps.iter().map(|(field, _)| *field).collect();
        if !shape.add(&references, &field.name) {
            let message = format!("duplicate field selected: {}", name.text);
            return Err(self.refuse("MALFORMED_QUERY", name.at, &message));
        }
        Ok(())
    }

    fn filterable(&self, name: &Name, field: &SalesforceField, verb: &str) -> Result<(), Refused> {
        if field.kind == FieldKind::TextArea && field.length > FILTERABLE {
            let message = format!("field '{}' can not be {verb} in a query call", field.name);
            return Err(self.refuse("INVALID_FIELD", name.at, &message));
        }
        Ok(())
    }

    fn test(&self, condition: &'a Condition) -> Result<Test, Refused> {
        let several = |conditions: &'a [Condition]| -> Result<Vec<Test>, Refused> {
            conditions.iter().map(|one| self.test(one)).collect()
        };
        Ok(match condition {
            Condition::All(conditions) => Test::All(several(conditions)?),
            Condition::Any(conditions) => Test::Any(several(conditions)?),
            Condition::Not(condition) => Test::Not(Box::new(self.test(condition)?)),
            Condition::Compare {
                field,
                operator,
                values,
            } => {
                let (path, described) = self.path(field)?;
                self.filterable(field, described, "filtered")?;
                self.operator(field, described, *operator)?;
                let values: Result<Vec<Option<Held>>, Refused> = values
                    .iter()
                    .map(|literal| self.value(described, literal))
                    .collect();
                let mut values = values?;
                if path.kind.is_id() {
                    values.sort_by(|a, b| named(a).cmp(&named(b)));
                }
                Test::Compare {
                    path,
                    operator: *operator,
                    values,
                }
            }
        })
    }

    fn operator(
        &self,
        name: &Name,
        field: &SalesforceField,
        operator: Operator,
    ) -> Result<(), Refused> {
        let text = !field.kind.is_number()
            && !matches!(
                field.kind,
                FieldKind::Boolean
                    | FieldKind::Date
                    | FieldKind::DateTime
                    | FieldKind::Id
                    | FieldKind::Reference
            );
        let fits = match operator {
            Operator::Like => text,
            Operator::Equal | Operator::NotEqual => true,
            _ => field.kind != FieldKind::Boolean,
        };
        if fits {
            return Ok(());
        }
        let message = format!("invalid operator on {} field", field.kind.name());
        Err(self.refuse("INVALID_QUERY_FILTER_OPERATOR", name.at, &message))
    }

    fn value(&self, field: &SalesforceField, literal: &Literal) -> Result<Option<Held>, Refused> {
        let Some(token) = &literal.value else {
            return Ok(None);
        };
        let wrong = |quotes: &str| {
            let message = format!(
                "value of filter criterion for field '{}' must be of type {} and should {quotes}be enclosed in quotes",
                field.name,
                field.kind.name()
            );
            self.refuse("INVALID_FIELD", literal.at, &message)
        };
        let held = match (field.kind, token) {
            (FieldKind::Id | FieldKind::Reference, Token::Text(text)) => {
                let id = id::parse(text).ok_or_else(|| {
                    let message = format!("invalid ID field: {text}");
                    self.refuse("INVALID_QUERY_FILTER_OPERATOR", literal.at, &message)
                })?;
                Held::Text(id)
            }
            (FieldKind::Boolean, Token::Word(word)) => Held::Flag(word == "true"),
            (FieldKind::Date, Token::Day(day)) => Held::Day(*day),
            (FieldKind::DateTime, Token::At(at)) => Held::At(*at),
            (kind, Token::Number(number)) if kind.is_number() => Held::Number(*number),
            (FieldKind::Boolean | FieldKind::Date | FieldKind::DateTime, _) => {
                return Err(wrong("not "));
            }
            (kind, _) if kind.is_number() => return Err(wrong("not ")),
            (_, Token::Text(text)) => Held::Text(text.clone()),
            _ => return Err(wrong("")),
        };
        Ok(Some(held))
    }
}

impl Shape {
    /// Adds a field under its parents; false when it is there already.
    fn add(&mut self, references: &[&SalesforceField], field: &str) -> bool {
        let Some((first, rest)) = references.split_first() else {
            let known = self
                .parts
                .iter()
                .any(|part| matches!(part, Part::Field(known) if known == field));
            if !known {
                self.parts.push(Part::Field(field.to_owned()));
            }
            return !known;
        };
        let place = self.parts.iter_mut().find_map(|part| match part {
            Part::Parent { field, shape, .. } if *field == first.name => Some(shape),
            _ => None,
        });
        if let Some(shape) = place {
            return shape.add(rest, field);
        }
        let mut shape = Shape::default();
        shape.add(rest, field);
        self.parts.push(Part::Parent {
            relationship: first.relationship.clone().unwrap_or_default(),
            field: first.name.clone(),
            shape,
        });
        true
    }
}
