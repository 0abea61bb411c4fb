//! The types of a service, read from the schema language.
//!
//! Refuses: a schema that names a type it does not define. Invariant: every name in a field or an argument has a shape.

use std::collections::HashMap;

use async_graphql_parser::parse_schema;
use async_graphql_parser::types::{
    BaseType, FieldDefinition, InputValueDefinition, Type, TypeKind, TypeSystemDefinition,
};
use serde_json::Value;

/// The scalars GraphQL itself has.
const OWN: [&str; 5] = ["String", "Int", "Float", "Boolean", "ID"];

/// An argument, or a field of an input object.
#[derive(Debug)]
pub(crate) struct Input {
    pub(crate) name: String,
    pub(crate) ty: Type,
    pub(crate) default: Option<Value>,
}

impl Input {
    pub(crate) fn required(&self) -> bool {
        !self.ty.nullable && self.default.is_none()
    }
}

/// A field of an object or interface.
#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) ty: Type,
    pub(crate) args: Vec<Input>,
}

/// The fields of an object or interface, and what it implements.
#[derive(Debug)]
pub(crate) struct Fields {
    pub(crate) fields: HashMap<String, Field>,
    pub(crate) implements: Vec<String>,
}

/// What a type is.
#[derive(Debug)]
pub(crate) enum Shape {
    Scalar,
    Enum(Vec<String>),
    Object(Fields),
    Interface(Fields),
    Union(Vec<String>),
    Input(Vec<Input>),
}

/// All types of a service.
#[derive(Debug)]
pub(crate) struct Schema {
    types: HashMap<String, Shape>,
    /// The type that queries start from.
    pub(crate) query: String,
    /// The type that mutations start from.
    pub(crate) mutation: String,
}

fn input(definition: &InputValueDefinition) -> Input {
    Input {
        name: definition.name.node.to_string(),
        ty: definition.ty.node.clone(),
        default: definition
            .default_value
            .as_ref()
            .and_then(|value| value.node.clone().into_json().ok()),
    }
}

fn fields(
    definitions: &[async_graphql_parser::Positioned<FieldDefinition>],
) -> HashMap<String, Field> {
    definitions
        .iter()
        .map(|definition| {
            let field = Field {
                ty: definition.node.ty.node.clone(),
                args: definition
                    .node
                    .arguments
                    .iter()
                    .map(|argument| input(&argument.node))
                    .collect(),
            };
            (definition.node.name.node.to_string(), field)
        })
        .collect()
}

/// The name at the bottom of a type, without lists and exclamation marks.
pub(crate) fn base(ty: &Type) -> &str {
    match &ty.base {
        BaseType::Named(name) => name.as_str(),
        BaseType::List(inner) => base(inner),
    }
}

impl Schema {
    /// Reads a schema; the error says what is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let document = parse_schema(text).map_err(|error| error.to_string())?;
        let mut types: HashMap<String, Shape> = OWN
            .iter()
            .map(|name| ((*name).to_owned(), Shape::Scalar))
            .collect();
        let (mut query, mut mutation) = (String::new(), String::new());
        let names = |list: &[async_graphql_parser::Positioned<async_graphql_value::Name>]| {
            list.iter()
                .map(|name| name.node.to_string())
                .collect::<Vec<_>>()
        };
        for definition in document.definitions {
            match definition {
                TypeSystemDefinition::Schema(schema) => {
                    query = schema
                        .node
                        .query
                        .map(|name| name.node.to_string())
                        .unwrap_or_default();
                    mutation = schema
                        .node
                        .mutation
                        .map(|name| name.node.to_string())
                        .unwrap_or_default();
                }
                TypeSystemDefinition::Directive(_) => {}
                TypeSystemDefinition::Type(definition) => {
                    let shape = match &definition.node.kind {
                        TypeKind::Scalar => Shape::Scalar,
                        TypeKind::Enum(kind) => Shape::Enum(
                            kind.values
                                .iter()
                                .map(|value| value.node.value.node.to_string())
                                .collect(),
                        ),
                        TypeKind::Object(kind) => Shape::Object(Fields {
                            fields: fields(&kind.fields),
                            implements: names(&kind.implements),
                        }),
                        TypeKind::Interface(kind) => Shape::Interface(Fields {
                            fields: fields(&kind.fields),
                            implements: names(&kind.implements),
                        }),
                        TypeKind::Union(kind) => Shape::Union(names(&kind.members)),
                        TypeKind::InputObject(kind) => Shape::Input(
                            kind.fields.iter().map(|field| input(&field.node)).collect(),
                        ),
                    };
                    types.insert(definition.node.name.node.to_string(), shape);
                }
            }
        }
        let schema = Self {
            types,
            query,
            mutation,
        };
        schema.whole().map(|()| schema)
    }

    fn whole(&self) -> Result<(), String> {
        let known = |ty: &Type| {
            let name = base(ty);
            self.types
                .contains_key(name)
                .then_some(())
                .ok_or_else(|| format!("type {name} is not defined"))
        };
        for shape in self.types.values() {
            match shape {
                Shape::Object(kind) | Shape::Interface(kind) => {
                    for field in kind.fields.values() {
                        known(&field.ty)?;
                        field.args.iter().try_for_each(|arg| known(&arg.ty))?;
                    }
                }
                Shape::Input(inputs) => inputs.iter().try_for_each(|input| known(&input.ty))?,
                Shape::Scalar | Shape::Enum(_) | Shape::Union(_) => {}
            }
        }
        Ok(())
    }

    pub(crate) fn shape(&self, name: &str) -> Option<&Shape> {
        self.types.get(name)
    }

    /// A field of an object or interface.
    pub(crate) fn field(&self, parent: &str, name: &str) -> Option<&Field> {
        match self.types.get(parent)? {
            Shape::Object(kind) | Shape::Interface(kind) => kind.fields.get(name),
            _ => None,
        }
    }

    /// True for what must be selected from.
    pub(crate) fn composite(&self, name: &str) -> bool {
        matches!(
            self.types.get(name),
            Some(Shape::Object(_) | Shape::Interface(_) | Shape::Union(_))
        )
    }

    /// True when an object of type `object` is a `name`.
    pub(crate) fn is_a(&self, object: &str, name: &str) -> bool {
        object == name
            || match (self.types.get(object), self.types.get(name)) {
                (_, Some(Shape::Union(members))) => members.iter().any(|member| member == object),
                (Some(Shape::Object(kind)), Some(Shape::Interface(_))) => {
                    kind.implements.iter().any(|known| known == name)
                }
                _ => false,
            }
    }

    /// True when some object can be both.
    pub(crate) fn overlap(&self, one: &str, other: &str) -> bool {
        one == other
            || self
                .types
                .iter()
                .filter(|(_, shape)| matches!(shape, Shape::Object(_)))
                .any(|(object, _)| self.is_a(object, one) && self.is_a(object, other))
    }
}
