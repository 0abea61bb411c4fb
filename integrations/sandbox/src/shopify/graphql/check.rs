//! What is wrong with a document before anything runs: unknown fields, arguments and types, missing selections, fragments.
//!
//! Owns: the checks of fields. Leaves variables and conflicting fields to `usage`, literals to `literal`.

use std::collections::BTreeSet;

use async_graphql_parser::types::{
    ExecutableDocument, Field, OperationType, Selection, SelectionSet,
};
use async_graphql_parser::{Pos, Positioned};

use super::literal::{self, Place};
use super::problem::Problem;
use super::schema::{Schema, Shape, base};
use super::usage;

struct Checker<'a> {
    schema: &'a Schema,
    document: &'a ExecutableDocument,
    problems: Vec<Problem>,
    used: BTreeSet<String>,
}

/// How an operation is called in the path of a problem.
pub(crate) fn operation_name(ty: OperationType, name: Option<&str>) -> String {
    match name {
        Some(name) => format!("{ty} {name}"),
        None => ty.to_string(),
    }
}

/// Everything wrong with the document.
pub(crate) fn check(schema: &Schema, document: &ExecutableDocument) -> Vec<Problem> {
    let mut checker = Checker {
        schema,
        document,
        problems: Vec::new(),
        used: BTreeSet::new(),
    };
    for (name, operation) in document.operations.iter() {
        let root = match operation.node.ty {
            OperationType::Query => &schema.query,
            OperationType::Mutation => &schema.mutation,
            OperationType::Subscription => {
                checker.problems.push(
                    Problem::new("Schema is not configured for subscriptions")
                        .at(operation.pos)
                        .code("missingSubscriptionConfiguration"),
                );
                continue;
            }
        };
        let name = name.map(|name| name.as_str());
        let mut path = vec![operation_name(operation.node.ty, name)];
        checker.selections(root, &operation.node.selection_set.node, &mut path);
    }
    let mut fragments: Vec<_> = document.fragments.iter().collect();
    fragments.sort_by_key(|(_, fragment)| fragment.pos);
    for (name, fragment) in &fragments {
        let on = fragment.node.type_condition.node.on.node.as_str();
        let mut path = vec![format!("fragment {name}")];
        if checker.condition(on, fragment.pos, &path) {
            checker.selections(on, &fragment.node.selection_set.node, &mut path);
        }
    }
    for (name, fragment) in fragments {
        if !checker.used.contains(name.as_str()) {
            checker.problems.push(Problem::fixed(
                format!("Fragment {name} was defined, but not used"),
                "useAndDefineFragment",
                fragment.pos,
                &[format!("fragment {name}")],
                &[("fragmentName", name)],
            ));
        }
    }
    let mut problems = checker.problems;
    // Variables and conflicts are only worth telling about a document whose fields exist.
    if problems.is_empty() {
        usage::check(schema, document, &mut problems);
    }
    problems
}

impl Checker<'_> {
    fn condition(&mut self, on: &str, pos: Pos, path: &[String]) -> bool {
        if self.schema.composite(on) {
            return true;
        }
        let (message, code) = match self.schema.shape(on) {
            None => (
                format!("No such type {on}, so it can't be a fragment condition"),
                "undefinedType",
            ),
            Some(_) => (
                format!("Invalid fragment on type {on} (must be Union, Interface or Object)"),
                "fragmentOnNonCompositeType",
            ),
        };
        self.problems.push(Problem::fixed(
            message,
            code,
            pos,
            path,
            &[("typeName", on)],
        ));
        false
    }

    fn selections(&mut self, parent: &str, set: &SelectionSet, path: &mut Vec<String>) {
        for selection in &set.items {
            match &selection.node {
                Selection::Field(field) => {
                    path.push(field.node.response_key().node.to_string());
                    self.field(parent, field, path);
                    path.pop();
                }
                Selection::InlineFragment(fragment) => {
                    let on = fragment
                        .node
                        .type_condition
                        .as_ref()
                        .map(|c| c.node.on.node.as_str());
                    path.push(on.map_or_else(|| "...".to_owned(), |on| format!("... on {on}")));
                    let inner = on.unwrap_or(parent);
                    if self.condition(inner, fragment.pos, path) {
                        self.possible(parent, inner, fragment.pos, path, None);
                        self.selections(inner, &fragment.node.selection_set.node, path);
                    }
                    path.pop();
                }
                Selection::FragmentSpread(spread) => {
                    let name = spread.node.fragment_name.node.as_str();
                    self.used.insert(name.to_owned());
                    match self.document.fragments.get(name) {
                        None => self.problems.push(Problem::fixed(
                            format!("Fragment {name} was used, but not defined"),
                            "useAndDefineFragment",
                            spread.pos,
                            path,
                            &[("fragmentName", name)],
                        )),
                        Some(fragment) => {
                            let on = fragment.node.type_condition.node.on.node.as_str();
                            if self.schema.composite(on) {
                                self.possible(parent, on, spread.pos, path, Some(name));
                            }
                        }
                    }
                }
            }
        }
    }

    fn possible(&mut self, parent: &str, on: &str, pos: Pos, path: &[String], name: Option<&str>) {
        if !self.schema.overlap(parent, on) {
            let what = name.map_or_else(String::new, |name| format!(" {name}"));
            self.problems.push(Problem::fixed(
                format!("Fragment{what} on {on} can't be spread inside {parent}"),
                "cannotSpreadFragment",
                pos,
                path,
                &[
                    ("typeName", on),
                    ("fragmentName", name.unwrap_or("unknown")),
                    ("parentName", parent),
                ],
            ));
        }
    }

    fn field(&mut self, parent: &str, field: &Positioned<Field>, path: &mut Vec<String>) {
        let name = field.node.name.node.as_str();
        let selected = !field.node.selection_set.node.items.is_empty();
        if name == "__typename" {
            if selected {
                self.not_selectable(name, "String", field, path);
            }
            return;
        }
        let schema = self.schema;
        let Some(known) = schema.field(parent, name) else {
            let union = matches!(schema.shape(parent), Some(Shape::Union(_)));
            let (message, code) = if union {
                (
                    format!(
                        "Selections can't be made directly on unions (see selections on {parent})"
                    ),
                    "selectionMismatch",
                )
            } else {
                (
                    format!("Field '{name}' doesn't exist on type '{parent}'"),
                    "undefinedField",
                )
            };
            self.problems.push(Problem::fixed(
                message,
                code,
                field.pos,
                path,
                &[("typeName", parent), ("fieldName", name)],
            ));
            return;
        };
        let owner = format!("Field '{name}'");
        for (argument, value) in &field.node.arguments {
            match known
                .args
                .iter()
                .find(|arg| arg.name == argument.node.as_str())
            {
                Some(arg) => {
                    let place = Place {
                        argument: &arg.name,
                        owner: owner.clone(),
                        pos: value.pos,
                        path,
                    };
                    literal::check(schema, &arg.ty, &value.node, &place, &mut self.problems);
                }
                None => self.problems.push(Problem::fixed(
                    format!("Field '{name}' doesn't accept argument '{}'", argument.node),
                    "argumentNotAccepted",
                    argument.pos,
                    path,
                    &[
                        ("name", name),
                        ("typeName", "Field"),
                        ("argumentName", argument.node.as_str()),
                    ],
                )),
            }
        }
        let missing: Vec<&str> = known
            .args
            .iter()
            .filter(|arg| arg.required() && field.node.get_argument(&arg.name).is_none())
            .map(|arg| arg.name.as_str())
            .collect();
        if !missing.is_empty() {
            let missing = missing.join(", ");
            self.problems.push(Problem::fixed(
                format!("Field '{name}' is missing required arguments: {missing}"),
                "missingRequiredArguments",
                field.pos,
                path,
                &[
                    ("className", "Field"),
                    ("name", name),
                    ("arguments", &missing),
                ],
            ));
        }
        let ty = base(&known.ty);
        match (schema.composite(ty), selected) {
            (true, true) => self.selections(ty, &field.node.selection_set.node, path),
            (true, false) => self.problems.push(Problem::fixed(
                format!("Field must have selections (field '{name}' returns {ty} but has no selections. Did you mean '{name} {{ ... }}'?)"),
                "selectionMismatch",
                field.pos,
                path,
                &[("nodeName", &format!("field '{name}'")), ("typeName", ty)],
            )),
            (false, true) => self.not_selectable(name, ty, field, path),
            (false, false) => {}
        }
    }

    fn not_selectable(&mut self, name: &str, ty: &str, field: &Positioned<Field>, path: &[String]) {
        self.problems.push(Problem::fixed(
            format!("Selections can't be made on scalars (field '{name}' returns {ty} but has selections)"),
            "selectionMismatch",
            field.pos,
            path,
            &[("nodeName", &format!("field '{name}'")), ("typeName", ty)],
        ));
    }
}
