//! What a selection on an event can answer, before there is an event: the types of its values by their paths.
//!
//! Owns: reading a selection against the schema's own document. Refuses: nothing; whether the schema has a field is told by
//! [`super::Renderer::check`]. Invariant: a path is one that an event of the given type can answer: of the row that an event is about only what its
//! type has.

use super::selection::Selection;
use async_graphql::parser::parse_schema;
use async_graphql::parser::types::{
    BaseType, FragmentDefinition, Selection as Selected, SelectionSet, Type, TypeKind,
    TypeSystemDefinition,
};
use async_graphql::{Name, Positioned};
use entities::automation::condition::ValueType;
use integrations::automation::template::Sample;
use std::collections::{BTreeMap, HashMap};

/// One type of the schema.
#[derive(Debug, Default)]
struct Known {
    fields: HashMap<String, Type>,
    /// The objects that it can be: itself, or those an interface or a union stands for.
    objects: Vec<String>,
    is_composite: bool,
}

/// The types of the schema.
#[derive(Debug)]
pub struct Types(HashMap<String, Known>);

/// The rows that events are about, by what the event types begin with, where all of a kind are about rows of one type.
const SUBJECTS: [(&str, &str); 14] = [
    ("agreement", "Agreement"),
    ("automation", "Automation"),
    ("connection", "Connection"),
    ("contact", "Contact"),
    ("customer", "Customer"),
    ("deal", "Deal"),
    ("deal_registration", "DealRegistration"),
    ("obligation", "Obligation"),
    ("partner", "Partner"),
    ("partnership", "Partnership"),
    ("payout", "Payout"),
    ("statement", "Statement"),
    ("user", "User"),
    ("webhook_endpoint", "WebhookEndpoint"),
];

/// A value of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shape {
    /// A value of its own.
    Leaf(ValueType),
    /// Several.
    List(Box<Shape>),
    /// Values by name.
    Object(BTreeMap<String, Shape>),
}

impl Shape {
    /// The type of the value at a path, lists walked through; none where there is no such value, or values within it.
    #[must_use]
    pub fn value_at(&self, path: &str) -> Option<ValueType> {
        match self {
            Self::List(member) => member.value_at(path),
            // JSON may hold anything at any depth.
            Self::Leaf(ValueType::Any) => Some(ValueType::Any),
            Self::Leaf(of) => path.is_empty().then_some(*of),
            Self::Object(members) => {
                let (key, rest) = path.split_once('.').unwrap_or((path, ""));
                members.get(key)?.value_at(rest)
            }
        }
    }

    /// What could be answered, for a template to be tried with.
    #[must_use]
    pub fn sample(&self) -> Sample {
        match self {
            Self::Leaf(ValueType::Any) => Sample::Anything,
            Self::Leaf(ValueType::Boolean) => Sample::Flag,
            Self::Leaf(ValueType::Number) => Sample::Leaf("1"),
            Self::Leaf(ValueType::Instant) => Sample::Leaf("2026-01-31T12:00:00Z"),
            Self::Leaf(ValueType::Date) => Sample::Leaf("2026-01-31"),
            Self::Leaf(ValueType::Text) => Sample::Leaf("text"),
            Self::List(member) => Sample::List(Box::new(member.sample())),
            Self::Object(members) => Sample::Object(
                members
                    .iter()
                    .map(|(name, member)| (name.clone(), member.sample()))
                    .collect(),
            ),
        }
    }

    /// Both together, where a key is answered by several fragments.
    fn merge(&mut self, other: Self) {
        match (self, other) {
            (Self::Object(mine), Self::Object(others)) => {
                for (name, shape) in others {
                    match mine.get_mut(&name) {
                        Some(known) => known.merge(shape),
                        None => {
                            mine.insert(name, shape);
                        }
                    }
                }
            }
            (Self::List(mine), Self::List(other)) => mine.merge(*other),
            _ => {}
        }
    }
}

impl Types {
    /// Reads a schema's document.
    ///
    /// # Errors
    /// When it is none.
    pub fn of(sdl: &str) -> Result<Self, async_graphql::parser::Error> {
        let mut types = Self(HashMap::new());
        for definition in parse_schema(sdl)?.definitions {
            let TypeSystemDefinition::Type(of) = definition else {
                continue;
            };
            let name = of.node.name.node.to_string();
            match of.node.kind {
                TypeKind::Object(object) => {
                    for also in &object.implements {
                        types.known(&also.node).objects.push(name.clone());
                    }
                    let known = types.known(&name);
                    known.is_composite = true;
                    known.objects.push(name.clone());
                    let fields = object.fields.into_iter().map(|field| field.node);
                    known
                        .fields
                        .extend(fields.map(|field| (field.name.node.to_string(), field.ty.node)));
                }
                TypeKind::Interface(interface) => {
                    let known = types.known(&name);
                    known.is_composite = true;
                    let fields = interface.fields.into_iter().map(|field| field.node);
                    known
                        .fields
                        .extend(fields.map(|field| (field.name.node.to_string(), field.ty.node)));
                }
                TypeKind::Union(union) => {
                    let members = union.members.iter().map(|member| member.node.to_string());
                    let members: Vec<String> = members.collect();
                    let known = types.known(&name);
                    known.is_composite = true;
                    known.objects.extend(members);
                }
                TypeKind::Scalar | TypeKind::Enum(_) | TypeKind::InputObject(_) => {}
            }
        }
        Ok(types)
    }

    fn known(&mut self, name: &str) -> &mut Known {
        self.0.entry(name.to_owned()).or_default()
    }

    fn objects(&self, of: &str) -> Vec<String> {
        self.0
            .get(of)
            .map_or_else(Vec::new, |known| known.objects.clone())
    }

    /// What a selection on an event of a type can answer.
    #[must_use]
    pub fn shape(&self, selection: &Selection, kind: &str) -> Shape {
        let admitted = selection.document();
        let noun = kind.split('.').next().unwrap_or_default();
        let subject = SUBJECTS
            .iter()
            .find(|(known, _)| *known == noun)
            .map(|(_, object)| *object);
        let reading = Reading {
            types: self,
            fragments: &admitted.document.fragments,
            subject,
        };
        let mut operations = admitted.document.operations.iter();
        let set = operations
            .next()
            .map(|(_, operation)| &operation.node.selection_set.node);
        let event = set.and_then(|set| match set.items.first().map(|item| &item.node) {
            Some(Selected::Field(field)) => Some(&field.node.selection_set.node),
            _ => None,
        });
        let mut members = BTreeMap::new();
        if let Some(event) = event {
            reading.select(event, &["Event".to_owned()], &mut members);
        }
        Shape::Object(members)
    }
}

/// A selection being read.
struct Reading<'a> {
    types: &'a Types,
    fragments: &'a HashMap<Name, Positioned<FragmentDefinition>>,
    subject: Option<&'static str>,
}

impl Reading<'_> {
    /// Adds what a set answers of any of these objects.
    fn select(&self, set: &SelectionSet, of: &[String], members: &mut BTreeMap<String, Shape>) {
        let within = |condition: &str| -> Vec<String> {
            let objects = self.types.objects(condition);
            of.iter()
                .filter(|object| objects.contains(object))
                .cloned()
                .collect()
        };
        for item in &set.items {
            match &item.node {
                Selected::Field(field) => {
                    let name = field.node.name.node.as_str();
                    let key = field
                        .node
                        .alias
                        .as_ref()
                        .map_or(name, |alias| alias.node.as_str());
                    let mut objects = of.iter();
                    let ty = objects
                        .find_map(|object| self.types.0.get(object)?.fields.get(name))
                        .cloned();
                    let shape = match ty {
                        Some(ty) => {
                            let is_subject = name == "subject" && of == ["Event"];
                            self.of_type(&ty, &field.node.selection_set.node, is_subject)
                        }
                        // `__typename`.
                        None if name.starts_with("__") => Shape::Leaf(ValueType::Text),
                        None => continue,
                    };
                    match members.get_mut(key) {
                        Some(known) => known.merge(shape),
                        None => {
                            members.insert(key.to_owned(), shape);
                        }
                    }
                }
                Selected::InlineFragment(fragment) => {
                    let of = match &fragment.node.type_condition {
                        Some(on) => within(&on.node.on.node),
                        None => of.to_vec(),
                    };
                    if !of.is_empty() {
                        self.select(&fragment.node.selection_set.node, &of, members);
                    }
                }
                Selected::FragmentSpread(spread) => {
                    let Some(fragment) = self.fragments.get(&spread.node.fragment_name.node) else {
                        continue;
                    };
                    let of = within(&fragment.node.type_condition.node.on.node);
                    if !of.is_empty() {
                        self.select(&fragment.node.selection_set.node, &of, members);
                    }
                }
            }
        }
    }

    fn of_type(&self, ty: &Type, set: &SelectionSet, is_subject: bool) -> Shape {
        let name = match &ty.base {
            BaseType::List(member) => {
                return Shape::List(Box::new(self.of_type(member, set, false)));
            }
            BaseType::Named(name) => name.as_str(),
        };
        if !self
            .types
            .0
            .get(name)
            .is_some_and(|known| known.is_composite)
        {
            return Shape::Leaf(match name {
                "Int" | "Float" | "Decimal" => ValueType::Number,
                "Boolean" => ValueType::Boolean,
                "DateTime" => ValueType::Instant,
                "Date" => ValueType::Date,
                "JSON" => ValueType::Any,
                _ => ValueType::Text,
            });
        }
        let mut objects = self.types.objects(name);
        if let (true, Some(subject)) = (is_subject, self.subject) {
            objects.retain(|object| object == subject);
        }
        let mut members = BTreeMap::new();
        self.select(set, &objects, &mut members);
        Shape::Object(members)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::graphql::admission::Limits;
    use crate::graphql::schema::build;

    fn shape(text: &str, kind: &str) -> Shape {
        let types = Types::of(&build().sdl()).unwrap();
        let selection = Selection::read(text, &Limits::default()).unwrap();
        types.shape(&selection, kind)
    }

    #[test]
    fn the_values_of_a_selection_have_the_schemas_types() {
        let text = "{ type occurredAt data subject { id ... on Deal { name amount { amount } won: stage products partners { weightBp } ...Close } } } } \
                    fragment Close on Deal { expectedCloseOn";
        // The selection stands before our closing brace, so that a fragment behind it is closed by that.
        let shape = shape(text, "deal.won");
        for (path, of) in [
            ("type", ValueType::Text),
            ("occurredAt", ValueType::Instant),
            ("data.anything.at.all", ValueType::Any),
            ("subject.id", ValueType::Text),
            ("subject.amount.amount", ValueType::Number),
            ("subject.won", ValueType::Text),
            ("subject.products", ValueType::Text),
            ("subject.partners.weightBp", ValueType::Number),
            ("subject.expectedCloseOn", ValueType::Date),
        ] {
            assert_eq!(shape.value_at(path), Some(of), "{path}");
        }
        for path in [
            "",
            "nobody",
            "subject",
            "subject.amount",
            "subject.stage",
            "type.x",
        ] {
            assert_eq!(shape.value_at(path), None, "{path}");
        }
    }

    #[test]
    fn of_a_row_that_the_event_is_not_about_there_is_nothing() {
        let text = "{ subject { ... on Partner { domain } ... on Deal { name } } }";
        assert_eq!(shape(text, "deal.won").value_at("subject.domain"), None);
        assert!(
            shape(text, "partner.created")
                .value_at("subject.domain")
                .is_some()
        );
        // What a synchronisation's events are about differs: everything that is selected may be answered.
        assert!(
            shape(text, "sync.conflict")
                .value_at("subject.domain")
                .is_some()
        );
    }

    #[test]
    fn every_subject_is_a_row_of_the_schema_and_every_noun_an_events() {
        let types = Types::of(&build().sdl()).unwrap();
        for (noun, object) in SUBJECTS {
            assert!(types.0.contains_key(object), "{object}");
            let begins = format!("{noun}.");
            let mut kinds = entities::event::EventKind::ALL.iter();
            assert!(
                kinds.any(|kind| kind.as_str().starts_with(&begins)),
                "{noun}"
            );
        }
    }
}
