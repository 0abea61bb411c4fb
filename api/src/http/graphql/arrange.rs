//! Brings an executed answer into the form the specification gives it.
//!
//! The library puts fields that load something into their object in the order in which they complete, and leaves out a field that failed. Clients
//! compare and cache answers by text, and their generated types take a field that cannot be null at its word. So the members of each object are
//! put in the order of the selection, where fragments, merged fields and aliases have their say; and where something failed, what is missing is null, or,
//! where the schema does not allow that, the nearest parent that may be null is.
//!
//! Owns: order and nulls. Refuses: to touch values, and to guess: an object whose type cannot be told stays as it is. Invariant: an answer in order and
//! without errors is only looked at, key by key, and nothing of it is moved.

pub mod shapes;

#[cfg(test)]
mod tests;

use self::shapes::Shapes;
use async_graphql::indexmap::IndexMap;
use async_graphql::parser::types::{
    BaseType, Directive, ExecutableDocument, FragmentDefinition, OperationDefinition, Selection,
    SelectionSet, Type,
};
use async_graphql::{Name, Positioned, Response, Value, Variables};
use std::collections::{HashMap, HashSet};

type Members = IndexMap<Name, Value>;
type Sets<'a> = Vec<&'a SelectionSet>;

/// The variables that are true or false, for they may decide which fields are asked for.
#[derive(Clone, Debug, Default)]
pub struct Flags(Vec<(Name, bool)>);

impl Flags {
    /// Those among these values.
    #[must_use]
    pub fn of(variables: &Variables) -> Self {
        let flag = |(name, value): (&Name, &Value)| match value {
            Value::Boolean(value) => Some((name.clone(), *value)),
            _ => None,
        };
        Self(variables.iter().filter_map(flag).collect())
    }
}

/// Arranges the answer to a document of one operation.
pub fn arrange(
    shapes: &Shapes,
    document: &ExecutableDocument,
    flags: &Flags,
    response: &mut Response,
) {
    let Some((_, operation)) = document.operations.iter().next() else {
        return;
    };
    let walk = Walk {
        shapes,
        fragments: &document.fragments,
        operation: &operation.node,
        flags,
        is_failing: !response.errors.is_empty(),
    };
    let Value::Object(members) = &mut response.data else {
        return;
    };
    let root = shapes.root(operation.node.ty);
    let mut node = Node::new(root, vec![&operation.node.selection_set.node]);
    if !walk.object(&mut node, members) {
        response.data = Value::Null;
    }
}

/// What is selected of the objects at one place of the answer.
struct Node<'a> {
    /// Their type, or what their types have in common.
    of: &'a str,
    sets: Sets<'a>,
    /// By type, as far as objects of it were met: the members in their order.
    known: Vec<(&'a str, IndexMap<&'a str, Key<'a>>)>,
}

/// A member.
struct Key<'a> {
    /// The type of its field; none is known of the names of types.
    of: Option<&'a Type>,
    node: Node<'a>,
}

impl<'a> Node<'a> {
    const fn new(of: &'a str, sets: Sets<'a>) -> Self {
        Self {
            of,
            sets,
            known: Vec::new(),
        }
    }
}

/// The name at the bottom of lists.
fn named(of: &Type) -> &str {
    match &of.base {
        BaseType::Named(name) => name,
        BaseType::List(inner) => named(inner),
    }
}

struct Walk<'a> {
    shapes: &'a Shapes,
    fragments: &'a HashMap<Name, Positioned<FragmentDefinition>>,
    operation: &'a OperationDefinition,
    flags: &'a Flags,
    /// Whether there are errors, so that something may be missing.
    is_failing: bool,
}

impl<'a> Walk<'a> {
    /// Arranges a value; the answer says whether it may stand where it is, which a null may not everywhere.
    fn value(&self, of: &'a Type, node: &mut Node<'a>, value: &mut Value) -> bool {
        let stands = match (&of.base, &mut *value) {
            (BaseType::List(inner), Value::List(items)) => {
                let mut stand = true;
                for item in items {
                    stand &= self.value(inner, node, item);
                }
                stand
            }
            (BaseType::Named(_), Value::Object(members)) if !node.sets.is_empty() => {
                self.object(node, members)
            }
            _ => true,
        };
        if !stands {
            *value = Value::Null;
        }
        !self.is_failing || of.nullable || *value != Value::Null
    }

    /// Arranges an object; the answer says whether it stands.
    fn object(&self, node: &mut Node<'a>, members: &mut Members) -> bool {
        let Some(keys) = self.keys(node, members) else {
            return true;
        };
        let in_order = keys.len() == members.len()
            && keys
                .keys()
                .zip(members.keys())
                .all(|(key, name)| *key == name.as_str());
        if !in_order {
            self.put_in_order(keys, members);
        }
        let mut stands = true;
        for (name, key) in keys {
            // Where nothing failed only what holds objects has anything to arrange.
            if !self.is_failing && key.node.sets.is_empty() {
                continue;
            }
            if let (Some(of), Some(value)) = (key.of, members.get_mut(*name)) {
                stands &= self.value(of, &mut key.node, value);
            }
        }
        stands
    }

    fn put_in_order(&self, keys: &IndexMap<&'a str, Key<'a>>, members: &mut Members) {
        let mut ordered = Members::with_capacity(members.len());
        for name in keys.keys() {
            match members.swap_remove_entry(*name) {
                Some((name, value)) => {
                    ordered.insert(name, value);
                }
                None if self.is_failing => {
                    ordered.insert(Name::new(name), Value::Null);
                }
                None => {}
            }
        }
        ordered.append(members);
        *members = ordered;
    }

    /// The members of an object in their order, where its type can be told.
    fn keys<'n>(
        &self,
        node: &'n mut Node<'a>,
        members: &Members,
    ) -> Option<&'n mut IndexMap<&'a str, Key<'a>>> {
        let possible = self.shapes.possible(node.of);
        let place = if possible.is_empty() {
            self.place(node, node.of)
        } else if let Some(Value::String(name)) = members.get("__typename") {
            let named = possible.iter().find(|of| *of == name)?;
            self.place(node, named)
        } else {
            // The one of which all these members, and no others, are asked for.
            possible.iter().find_map(|of| {
                let place = self.place(node, of);
                let (_, keys) = node.known.get(place)?;
                let fits = members.keys().all(|name| keys.contains_key(name.as_str()))
                    && (self.is_failing || keys.len() == members.len());
                fits.then_some(place)
            })?
        };
        node.known.get_mut(place).map(|(_, keys)| keys)
    }

    /// Where the members of objects of a type are kept; they are collected when the first is met.
    fn place(&self, node: &mut Node<'a>, of: &'a str) -> usize {
        if let Some(place) = node.known.iter().position(|(known, _)| *known == of) {
            return place;
        }
        let mut keys = IndexMap::new();
        let mut spread = HashSet::new();
        for set in &node.sets {
            self.collect(set, of, &mut keys, &mut spread);
        }
        node.known.push((of, keys));
        node.known.len() - 1
    }

    /// The specification's CollectFields.
    fn collect(
        &self,
        set: &'a SelectionSet,
        object: &'a str,
        keys: &mut IndexMap<&'a str, Key<'a>>,
        spread: &mut HashSet<&'a str>,
    ) {
        for item in &set.items {
            if !self.is_asked_for(item.node.directives()) {
                continue;
            }
            let (condition, inner) = match &item.node {
                Selection::Field(field) => {
                    let field = &field.node;
                    let of = self.shapes.field(object, &field.name.node);
                    let key = keys.entry(field.response_key().node.as_str());
                    let key = key.or_insert_with(|| Key {
                        of,
                        node: Node::new(of.map_or("", named), Vec::new()),
                    });
                    if !field.selection_set.node.items.is_empty() {
                        key.node.sets.push(&field.selection_set.node);
                    }
                    continue;
                }
                Selection::InlineFragment(fragment) => {
                    let fragment = &fragment.node;
                    (fragment.type_condition.as_ref(), &fragment.selection_set)
                }
                Selection::FragmentSpread(fragment) => {
                    let name = &fragment.node.fragment_name.node;
                    let Some(fragment) = self.fragments.get(name) else {
                        continue;
                    };
                    if !spread.insert(name) {
                        continue;
                    }
                    let fragment = &fragment.node;
                    (Some(&fragment.type_condition), &fragment.selection_set)
                }
            };
            if condition.is_none_or(|condition| self.shapes.is(object, &condition.node.on.node)) {
                self.collect(&inner.node, object, keys, spread);
            }
        }
    }

    fn is_asked_for(&self, directives: &'a [Positioned<Directive>]) -> bool {
        directives.iter().all(|directive| {
            let directive = &directive.node;
            let condition = || {
                let mut arguments = directive.arguments.iter();
                let condition = arguments.find(|(name, _)| name.node == "if");
                condition.is_some_and(|(_, value)| self.is_true(&value.node))
            };
            match directive.name.node.as_str() {
                "skip" => !condition(),
                "include" => condition(),
                _ => true,
            }
        })
    }

    fn is_true(&self, value: &async_graphql_value::Value) -> bool {
        match value {
            async_graphql_value::Value::Boolean(value) => *value,
            async_graphql_value::Value::Variable(name) => {
                let mut flags = self.flags.0.iter();
                if let Some((_, value)) = flags.find(|(given, _)| given == name) {
                    return *value;
                }
                let mut definitions = self.operation.variable_definitions.iter();
                let definition = definitions.find(|definition| definition.node.name.node == *name);
                let default =
                    definition.and_then(|definition| definition.node.default_value.as_ref());
                default.is_some_and(|default| default.node == Value::Boolean(true))
            }
            _ => false,
        }
    }
}
