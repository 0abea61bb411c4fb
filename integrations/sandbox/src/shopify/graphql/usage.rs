//! Variables and fragments as an operation uses them: declared and used, of fitting types, no field asked for in two ways, no circle.

use std::collections::{BTreeMap, BTreeSet};

use async_graphql_parser::types::{
    BaseType, ExecutableDocument, Field, OperationDefinition, OperationType, Selection,
    SelectionSet, Type,
};
use async_graphql_parser::{Pos, Positioned};
use async_graphql_value::Value;

use super::check::operation_name;
use super::problem::Problem;
use super::schema::{Input, Schema, Shape, base};

struct Walk<'a> {
    schema: &'a Schema,
    document: &'a ExecutableDocument,
    operation: &'a OperationDefinition,
    problems: &'a mut Vec<Problem>,
    used: BTreeSet<String>,
    told: BTreeSet<String>,
    root: String,
    open: Vec<String>,
}

/// Adds what is wrong with the use of variables and fragments.
pub(crate) fn check(schema: &Schema, document: &ExecutableDocument, problems: &mut Vec<Problem>) {
    for (name, operation) in document.operations.iter() {
        let root = match operation.node.ty {
            OperationType::Mutation => &schema.mutation,
            _ => &schema.query,
        };
        let label = operation_name(operation.node.ty, name.map(|name| name.as_str()));
        let mut walk = Walk {
            schema,
            document,
            operation: &operation.node,
            problems,
            used: BTreeSet::new(),
            told: BTreeSet::new(),
            root: label.clone(),
            open: Vec::new(),
        };
        walk.declared(&label);
        walk.set(root, &[&operation.node.selection_set.node]);
        let used = walk.used;
        let called = name.map_or("anonymous query", |name| name.as_str());
        for variable in &operation.node.variable_definitions {
            let name = variable.node.name.node.as_str();
            if !used.contains(name) {
                problems.push(Problem::fixed(
                    format!("Variable ${name} is declared by {called} but not used"),
                    "variableNotUsed",
                    variable.pos,
                    std::slice::from_ref(&label),
                    &[("variableName", name)],
                ));
            }
        }
    }
}

type Asked<'a> = (String, &'a Positioned<Field>);

impl<'a> Walk<'a> {
    fn declared(&mut self, label: &str) {
        for variable in &self.operation.variable_definitions {
            let name = base(&variable.node.var_type.node);
            let input = matches!(
                self.schema.shape(name),
                Some(Shape::Scalar | Shape::Enum(_) | Shape::Input(_))
            );
            if !input {
                self.problems.push(Problem::fixed(
                    format!(
                        "{name} isn't a defined input type (on ${})",
                        variable.node.name.node
                    ),
                    "variableRequiresValidType",
                    variable.pos,
                    &[label.to_owned()],
                    &[
                        ("typeName", name),
                        ("variableName", variable.node.name.node.as_str()),
                    ],
                ));
            }
        }
    }

    /// All fields of the sets, those of fragments included.
    fn flatten(&mut self, parent: &str, set: &'a SelectionSet, out: &mut Vec<Asked<'a>>) {
        for selection in &set.items {
            for directive in selection.node.directives() {
                for (argument, value) in &directive.node.arguments {
                    let expected = Type::new("Boolean!");
                    if let Some(expected) = expected {
                        self.value(
                            argument.node.as_str(),
                            &expected,
                            false,
                            &value.node,
                            value.pos,
                        );
                    }
                }
            }
            match &selection.node {
                Selection::Field(field) => out.push((parent.to_owned(), field)),
                Selection::InlineFragment(fragment) => {
                    let on = fragment
                        .node
                        .type_condition
                        .as_ref()
                        .map_or(parent, |c| c.node.on.node.as_str());
                    self.flatten(on, &fragment.node.selection_set.node, out);
                }
                Selection::FragmentSpread(spread) => {
                    let name = spread.node.fragment_name.node.as_str();
                    let document = self.document;
                    let Some(fragment) = document.fragments.get(name) else {
                        continue;
                    };
                    if self.open.iter().any(|open| open == name) {
                        if self.told.insert(format!("loop {name}")) {
                            self.problems.push(Problem::fixed(
                                format!("Fragment {name} contains an infinite loop"),
                                "infiniteLoop",
                                fragment.pos,
                                &[format!("fragment {name}")],
                                &[("fragmentName", name)],
                            ));
                        }
                        continue;
                    }
                    self.open.push(name.to_owned());
                    let on = fragment.node.type_condition.node.on.node.as_str();
                    self.flatten(on, &fragment.node.selection_set.node, out);
                    // Inside its own fields the fragment stays open as well: a circle may close further down.
                    self.inside(on, &fragment.node.selection_set.node);
                    self.open.pop();
                }
            }
        }
    }

    /// Looks for circles below the fields of a fragment.
    fn inside(&mut self, parent: &str, set: &'a SelectionSet) {
        let mut fields = Vec::new();
        for selection in &set.items {
            if let Selection::Field(field) = &selection.node {
                fields.push((parent.to_owned(), field));
            }
        }
        for (parent, field) in fields {
            if let Some(known) = self.schema.field(&parent, field.node.name.node.as_str()) {
                let mut deeper = Vec::new();
                self.flatten(base(&known.ty), &field.node.selection_set.node, &mut deeper);
            }
        }
    }

    fn set(&mut self, parent: &str, sets: &[&'a SelectionSet]) {
        if self.told.iter().any(|told| told.starts_with("loop")) {
            return;
        }
        let mut asked = Vec::new();
        for set in sets {
            self.flatten(parent, set, &mut asked);
        }
        let mut groups: BTreeMap<String, Vec<Asked<'a>>> = BTreeMap::new();
        for (parent, field) in asked {
            groups
                .entry(field.node.response_key().node.to_string())
                .or_default()
                .push((parent, field));
        }
        for (key, group) in groups {
            let Some((first_parent, first)) = group.first() else {
                continue;
            };
            let conflict = group.iter().skip(1).find(|(parent, field)| {
                parent == first_parent
                    && (field.node.name.node != first.node.name.node
                        || arguments(field) != arguments(first))
            });
            if let Some((_, other)) = conflict {
                self.problems.push(Problem::fixed(
                    format!(
                        "Field '{key}' has a field conflict: {} or {}?",
                        shown(first),
                        shown(other)
                    ),
                    "fieldConflict",
                    first.pos,
                    &[],
                    &[("fieldName", &key)],
                ));
                continue;
            }
            let mut by_type: BTreeMap<String, Vec<&'a SelectionSet>> = BTreeMap::new();
            for (parent, field) in &group {
                let schema = self.schema;
                let Some(known) = schema.field(parent, field.node.name.node.as_str()) else {
                    continue;
                };
                for arg in &known.args {
                    if let Some(value) = field.node.get_argument(&arg.name) {
                        self.value(
                            &arg.name,
                            &arg.ty,
                            arg.default.is_some(),
                            &value.node,
                            value.pos,
                        );
                    }
                }
                by_type
                    .entry(base(&known.ty).to_owned())
                    .or_default()
                    .push(&field.node.selection_set.node);
            }
            for (ty, sets) in by_type {
                if self.schema.composite(&ty) {
                    self.set(&ty, &sets);
                }
            }
        }
    }

    fn value(
        &mut self,
        argument: &str,
        expected: &Type,
        has_default: bool,
        value: &Value,
        pos: Pos,
    ) {
        match value {
            Value::Variable(name) => {
                self.variable(argument, expected, has_default, name.as_str(), pos);
            }
            Value::List(items) => {
                let inner = match &expected.base {
                    BaseType::List(inner) => inner,
                    BaseType::Named(_) => expected,
                };
                for item in items {
                    self.value(argument, inner, false, item, pos);
                }
            }
            Value::Object(fields) => {
                let schema = self.schema;
                if let Some(Shape::Input(inputs)) = schema.shape(base(expected)) {
                    for (key, value) in fields {
                        let input: Option<&Input> =
                            inputs.iter().find(|input| input.name == key.as_str());
                        if let Some(input) = input {
                            self.value(key, &input.ty, input.default.is_some(), value, pos);
                        }
                    }
                }
            }
            _ => {}
        }
    }

    fn variable(
        &mut self,
        argument: &str,
        expected: &Type,
        has_default: bool,
        name: &str,
        pos: Pos,
    ) {
        self.used.insert(name.to_owned());
        let declared = self
            .operation
            .variable_definitions
            .iter()
            .find(|definition| definition.node.name.node.as_str() == name);
        let Some(declared) = declared else {
            let called = self
                .root
                .split_once(' ')
                .map_or("anonymous query", |(_, name)| name)
                .to_owned();
            if self.told.insert(format!("variable {name}")) {
                self.problems.push(Problem::fixed(
                    format!("Variable ${name} is used by {called} but not declared"),
                    "variableNotDefined",
                    pos,
                    std::slice::from_ref(&self.root),
                    &[("variableName", name)],
                ));
            }
            return;
        };
        let defaulted = has_default || declared.node.default_value.is_some();
        let given = &declared.node.var_type.node;
        if !fits(given, expected, defaulted)
            && self.told.insert(format!("mismatch {name} {expected}"))
        {
            self.problems.push(Problem::fixed(
                format!("Type mismatch on variable ${name} and argument {argument} ({given} / {expected})"),
                "variableMismatch",
                pos,
                std::slice::from_ref(&self.root),
                &[("variableName", name), ("typeName", &given.to_string()), ("argumentName", argument), ("errorMessage", "Type mismatch")],
            ));
        }
    }
}

fn fits(given: &Type, expected: &Type, defaulted: bool) -> bool {
    if given.nullable && !expected.nullable && !defaulted {
        return false;
    }
    match (&given.base, &expected.base) {
        (BaseType::Named(given), BaseType::Named(expected)) => given == expected,
        (BaseType::List(given), BaseType::List(expected)) => fits(given, expected, false),
        (BaseType::Named(_), BaseType::List(inner)) => fits(
            &Type {
                base: given.base.clone(),
                nullable: false,
            },
            inner,
            false,
        ),
        (BaseType::List(_), BaseType::Named(_)) => false,
    }
}

fn arguments(field: &Positioned<Field>) -> BTreeMap<&str, String> {
    field
        .node
        .arguments
        .iter()
        .map(|(name, value)| (name.node.as_str(), value.node.to_string()))
        .collect()
}

fn shown(field: &Positioned<Field>) -> String {
    let args: Vec<String> = arguments(field)
        .into_iter()
        .map(|(k, v)| format!("{k}:{v}"))
        .collect();
    if args.is_empty() {
        field.node.name.node.to_string()
    } else {
        format!("{}({})", field.node.name.node, args.join(","))
    }
}
