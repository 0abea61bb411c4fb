//! What the schema says of its types, as far as it decides the form of an answer: the types of fields, and which objects an interface or a
//! union stands for.
//!
//! It is read from the schema's own document, once, so that it cannot say anything else than the contract.

use async_graphql::parser::parse_schema;
use async_graphql::parser::types::{
    FieldDefinition, OperationType, Type, TypeKind, TypeSystemDefinition,
};
use async_graphql::{Name, Positioned};
use std::collections::HashMap;

/// A schema that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("the schema cannot be read as a document")]
pub struct UnreadableSchema(#[from] async_graphql::parser::Error);

#[derive(Debug, Default)]
struct Shape {
    fields: HashMap<String, Type>,
    /// What an object also is.
    also: Vec<String>,
    /// The objects an interface or a union stands for.
    possible: Vec<String>,
}

/// The types of a schema.
#[derive(Debug)]
pub struct Shapes {
    types: HashMap<String, Shape>,
    query: String,
    mutation: String,
}

impl Shapes {
    /// Reads a schema's document.
    ///
    /// # Errors
    /// When it is none.
    pub fn of(sdl: &str) -> Result<Self, UnreadableSchema> {
        let mut shapes = Self {
            types: HashMap::new(),
            query: "Query".to_owned(),
            mutation: "Mutation".to_owned(),
        };
        for definition in parse_schema(sdl)?.definitions {
            match definition {
                TypeSystemDefinition::Schema(schema) => {
                    let named = |name: Option<Positioned<Name>>, usual: String| {
                        name.map_or(usual, |name| name.node.to_string())
                    };
                    shapes.query = named(schema.node.query, shapes.query);
                    shapes.mutation = named(schema.node.mutation, shapes.mutation);
                }
                TypeSystemDefinition::Type(of) => {
                    shapes.add(of.node.name.node.to_string(), of.node.kind);
                }
                TypeSystemDefinition::Directive(_) => {}
            }
        }
        Ok(shapes)
    }

    fn add(&mut self, name: String, kind: TypeKind) {
        match kind {
            TypeKind::Object(object) => {
                let also = object.implements.iter().map(|also| also.node.to_string());
                for also in also {
                    self.tie(&also, &name);
                }
                self.shape(name).fields.extend(fields(object.fields));
            }
            TypeKind::Interface(interface) => {
                self.shape(name).fields.extend(fields(interface.fields));
            }
            TypeKind::Union(union) => {
                for member in union.members {
                    self.tie(&name, &member.node);
                }
            }
            TypeKind::Scalar | TypeKind::Enum(_) | TypeKind::InputObject(_) => {}
        }
    }

    fn shape(&mut self, name: String) -> &mut Shape {
        self.types.entry(name).or_default()
    }

    /// An object that an interface or a union stands for.
    fn tie(&mut self, common: &str, object: &str) {
        self.shape(common.to_owned())
            .possible
            .push(object.to_owned());
        self.shape(object.to_owned()).also.push(common.to_owned());
    }

    /// The type an operation begins with.
    pub(super) fn root(&self, operation: OperationType) -> &str {
        match operation {
            OperationType::Mutation => &self.mutation,
            OperationType::Query | OperationType::Subscription => &self.query,
        }
    }

    /// The type of a field.
    pub(super) fn field(&self, object: &str, field: &str) -> Option<&Type> {
        self.types.get(object)?.fields.get(field)
    }

    /// The objects a type stands for; none for an object.
    pub(super) fn possible(&self, of: &str) -> &[String] {
        self.types.get(of).map_or(&[], |shape| &shape.possible)
    }

    /// Whether an object is of a type.
    pub(super) fn is(&self, object: &str, of: &str) -> bool {
        let also = |shape: &Shape| shape.also.iter().any(|also| also == of);
        object == of || self.types.get(object).is_some_and(also)
    }
}

fn fields(fields: Vec<Positioned<FieldDefinition>>) -> impl Iterator<Item = (String, Type)> {
    fields
        .into_iter()
        .map(|field| (field.node.name.node.to_string(), field.node.ty.node))
}
