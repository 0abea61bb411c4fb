//! Runs an operation: asks a resolver for each field, puts the answers in the order of the document, and lets a null rise as far as it must.
//!
//! Invariant: a field that fails is null and told in `errors` with its path; where null is not allowed, the parent is null instead.

use std::collections::BTreeSet;

use async_graphql_parser::Positioned;
use async_graphql_parser::types::{
    BaseType, Directive, ExecutableDocument, Field, OperationDefinition, OperationType, Selection,
    SelectionSet, Type,
};
use serde_json::{Map, Value, json};

use super::coerce;
use super::cost::{Rule, is_connection, is_frame, of_mutation};
use super::problem::Problem;
use super::schema::{Schema, base};

/// The arguments of a field, coerced.
#[derive(Debug, Default)]
pub(crate) struct Args(pub(crate) Map<String, Value>);

impl Args {
    pub(crate) fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(Value::as_str)
    }

    pub(crate) fn number(&self, name: &str) -> Option<i64> {
        self.get(name).and_then(Value::as_i64)
    }

    pub(crate) fn flag(&self, name: &str) -> bool {
        self.get(name).and_then(Value::as_bool).unwrap_or(false)
    }
}

/// Why a field has no value.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) message: String,
    pub(crate) code: &'static str,
    pub(crate) more: Vec<(&'static str, Value)>,
}

impl Fault {
    pub(crate) fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            code,
            more: Vec::new(),
        }
    }
}

/// What a field gives: a value, or something to select from.
#[derive(Debug, Clone)]
pub(crate) enum Node<R> {
    Null,
    Value(Value),
    List(Vec<Node<R>>),
    /// An object whose fields are already known.
    Object(&'static str, Vec<(&'static str, Node<R>)>),
    /// An object whose fields are asked for one by one.
    Ref(R),
}

impl<R> Node<R> {
    /// A text, or null.
    pub(crate) fn text(value: Option<&str>) -> Self {
        value.map_or(Self::Null, |text| Self::Value(json!(text)))
    }

    /// Any scalar.
    pub(crate) fn of(value: impl Into<Value>) -> Self {
        match value.into() {
            Value::Null => Self::Null,
            value => Self::Value(value),
        }
    }
}

/// Knows the values behind the schema.
pub(crate) trait Resolver {
    /// What an object is known by.
    type Ref: Clone;

    /// The type of an object.
    fn type_of(&self, at: &Self::Ref) -> &'static str;

    /// One field of an object.
    fn resolve(
        &mut self,
        at: &Self::Ref,
        field: &str,
        args: &Args,
    ) -> Result<Node<Self::Ref>, Fault>;
}

/// An operation ready to run.
pub(crate) struct Work<'a> {
    pub(crate) schema: &'a Schema,
    pub(crate) document: &'a ExecutableDocument,
    pub(crate) operation: &'a OperationDefinition,
    pub(crate) variables: &'a Map<String, Value>,
    pub(crate) rule: Rule,
}

/// A null that may not stand where it is.
struct Rises;

struct Run<'a, S: Resolver> {
    work: &'a Work<'a>,
    resolver: &'a mut S,
    problems: Vec<Problem>,
    path: Vec<Value>,
}

/// True when neither `@skip` nor `@include` leaves the selection out.
pub(crate) fn included(
    directives: &[Positioned<Directive>],
    variables: &Map<String, Value>,
) -> bool {
    directives.iter().all(|directive| {
        let condition = directive
            .node
            .get_argument("if")
            .and_then(|value| coerce::literal(&value.node, variables))
            .and_then(|value| value.as_bool());
        match (directive.node.name.node.as_str(), condition) {
            ("skip", Some(condition)) => !condition,
            ("include", Some(condition)) => condition,
            _ => true,
        }
    })
}

/// The data, what went wrong, and what it cost.
pub(crate) fn execute<S: Resolver>(
    work: &Work<'_>,
    resolver: &mut S,
    root: &S::Ref,
) -> (Value, Vec<Problem>, u64) {
    let mut run = Run {
        work,
        resolver,
        problems: Vec::new(),
        path: Vec::new(),
    };
    let mutation = work.operation.ty == OperationType::Mutation;
    let parent = if mutation {
        &work.schema.mutation
    } else {
        &work.schema.query
    };
    let sets = [&work.operation.selection_set.node];
    let extra = if mutation {
        of_mutation() * sets.iter().map(|set| set.items.len() as u64).sum::<u64>()
    } else {
        0
    };
    match run.object(parent, &Node::Ref(root.clone()), &sets) {
        Ok((data, cost)) => (data, run.problems, cost + extra),
        Err(Rises) => (Value::Null, run.problems, extra),
    }
}

type Group<'a> = (String, Vec<&'a Positioned<Field>>);

impl<'a, S: Resolver> Run<'a, S> {
    /// The fields asked of an object of type `object`, in the order of the document, equal ones together.
    fn gather(
        &self,
        object: &str,
        set: &'a SelectionSet,
        seen: &mut BTreeSet<String>,
        out: &mut Vec<Group<'a>>,
    ) {
        for selection in &set.items {
            if !included(selection.node.directives(), self.work.variables) {
                continue;
            }
            match &selection.node {
                Selection::Field(field) => {
                    let key = field.node.response_key().node.as_str();
                    match out.iter_mut().find(|(known, _)| known == key) {
                        Some((_, group)) => group.push(field),
                        None => out.push((key.to_owned(), vec![field])),
                    }
                }
                Selection::InlineFragment(fragment) => {
                    let on = fragment
                        .node
                        .type_condition
                        .as_ref()
                        .map(|c| c.node.on.node.as_str());
                    if on.is_none_or(|on| self.work.schema.is_a(object, on)) {
                        self.gather(object, &fragment.node.selection_set.node, seen, out);
                    }
                }
                Selection::FragmentSpread(spread) => {
                    let name = spread.node.fragment_name.node.as_str();
                    let Some(fragment) = self.work.document.fragments.get(name) else {
                        continue;
                    };
                    let on = fragment.node.type_condition.node.on.node.as_str();
                    if seen.insert(name.to_owned()) && self.work.schema.is_a(object, on) {
                        self.gather(object, &fragment.node.selection_set.node, seen, out);
                    }
                }
            }
        }
    }

    fn object(
        &mut self,
        object: &str,
        node: &Node<S::Ref>,
        sets: &[&'a SelectionSet],
    ) -> Result<(Value, u64), Rises> {
        let mut groups = Vec::new();
        let mut seen = BTreeSet::new();
        for set in sets {
            self.gather(object, set, &mut seen, &mut groups);
        }
        let (mut out, mut cost) = (Map::new(), 0_u64);
        let mut paged: Option<(u64, u64)> = None;
        for (key, group) in groups {
            let Some(first) = group.first() else {
                continue;
            };
            let name = first.node.name.node.as_str();
            if name == "__typename" {
                out.insert(key, json!(object));
                continue;
            }
            let Some(known) = self.work.schema.field(object, name) else {
                continue;
            };
            self.path.push(json!(key));
            let found =
                coerce::arguments(self.work.schema, known, &first.node, self.work.variables)
                    .map_err(|why| Fault::new("BAD_REQUEST", why))
                    .and_then(|args| self.ask(node, name, Args(args)));
            let sets: Vec<&'a SelectionSet> = group
                .iter()
                .map(|field| &field.node.selection_set.node)
                .collect();
            let completed = match found {
                Ok(node) => self.complete(&known.ty, &node, &sets, first),
                Err(fault) => {
                    self.tell(fault, first);
                    if known.ty.nullable {
                        Ok((Value::Null, 0))
                    } else {
                        Err(Rises)
                    }
                }
            };
            self.path.pop();
            let (value, price) = completed?;
            if is_connection(object) && matches!(name, "nodes" | "edges") {
                let size = value.as_array().map_or(0, Vec::len) as u64;
                // Nodes and edges are two views of the same objects, so they are paid for once.
                paged = Some(paged.map_or((size, price), |(_, other)| (size, price.max(other))));
            } else {
                cost += price;
            }
            out.insert(key, value);
        }
        if is_connection(object) {
            let (size, nodes) = paged.unwrap_or_default();
            cost += self.work.rule.connection(size, nodes);
        } else if !is_frame(object)
            && object != self.work.schema.query
            && object != self.work.schema.mutation
        {
            cost += 1;
        }
        Ok((Value::Object(out), cost))
    }

    fn ask(&mut self, node: &Node<S::Ref>, name: &str, args: Args) -> Result<Node<S::Ref>, Fault> {
        match node {
            Node::Ref(at) => self.resolver.resolve(at, name, &args),
            Node::Object(_, fields) => fields
                .iter()
                .find(|(known, _)| *known == name)
                .map(|(_, node)| node.clone())
                .ok_or_else(|| {
                    Fault::new("INTERNAL_SERVER_ERROR", format!("{name} is not known here"))
                }),
            _ => Err(Fault::new(
                "INTERNAL_SERVER_ERROR",
                format!("{name} is asked of no object"),
            )),
        }
    }

    fn complete(
        &mut self,
        ty: &Type,
        node: &Node<S::Ref>,
        sets: &[&'a SelectionSet],
        field: &Positioned<Field>,
    ) -> Result<(Value, u64), Rises> {
        let done = self.complete_inner(ty, node, sets, field);
        match done {
            Ok((Value::Null, _)) if !ty.nullable => {
                if !matches!(
                    node,
                    Node::Value(_) | Node::Ref(_) | Node::List(_) | Node::Object(..)
                ) {
                    let message = format!(
                        "Cannot return null for non-nullable field {}",
                        field.node.name.node
                    );
                    self.tell(Fault::new("INTERNAL_SERVER_ERROR", message), field);
                }
                Err(Rises)
            }
            Err(Rises) if ty.nullable => Ok((Value::Null, 0)),
            other => other,
        }
    }

    fn complete_inner(
        &mut self,
        ty: &Type,
        node: &Node<S::Ref>,
        sets: &[&'a SelectionSet],
        field: &Positioned<Field>,
    ) -> Result<(Value, u64), Rises> {
        if matches!(node, Node::Null) {
            return Ok((Value::Null, 0));
        }
        if let BaseType::List(inner) = &ty.base {
            let items: Vec<Node<S::Ref>> = match node {
                Node::List(items) => items.clone(),
                Node::Value(Value::Array(items)) => items.iter().cloned().map(Node::of).collect(),
                single => vec![single.clone()],
            };
            let (mut out, mut cost) = (Vec::with_capacity(items.len()), 0);
            for (n, item) in items.iter().enumerate() {
                self.path.push(json!(n));
                let completed = self.complete(inner, item, sets, field);
                self.path.pop();
                let (value, price) = completed?;
                out.push(value);
                cost += price;
            }
            return Ok((Value::Array(out), cost));
        }
        if !self.work.schema.composite(base(ty)) {
            return match node {
                Node::Value(value) => Ok((value.clone(), 0)),
                _ => Ok((Value::Null, 0)),
            };
        }
        match node {
            Node::Ref(at) => {
                let object = self.resolver.type_of(at);
                self.object(object, node, sets)
            }
            Node::Object(object, _) => self.object(object, node, sets),
            _ => Ok((Value::Null, 0)),
        }
    }

    fn tell(&mut self, fault: Fault, field: &Positioned<Field>) {
        let mut problem = Problem::new(fault.message)
            .at(field.pos)
            .on(self.path.clone())
            .code(fault.code);
        for (key, value) in fault.more {
            problem = problem.with(key, value);
        }
        self.problems.push(problem);
    }
}
