//! Questions made from the schema, and what an answer showed of each field.

use super::world::World;
use crate::contract::{Contract, base};
use async_graphql::parser::types::FieldDefinition;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use tests::Answer;

/// Every field of a type, with everything below it up to the next row of which only the kind is asked.
pub fn overview(contract: &Contract, of: &str) -> String {
    below(contract, of, 1)
}

fn below(contract: &Contract, of: &str, rows: usize) -> String {
    let mut text = String::from("__typename ");
    let fields = contract.fields(of);
    let has_nodes = fields.iter().any(|field| field.name.node == "nodes");
    for field in fields {
        let (name, target) = (field.name.node.as_str(), base(&field.ty.node));
        let needed = contract.needed(field);
        if contract.is_leaf(target) {
            text.push_str(&format!("{name}{needed} "));
            continue;
        }
        assert!(
            needed.is_empty(),
            "{of}.{name}: rows that are asked for with arguments"
        );
        let paged = field
            .arguments
            .iter()
            .any(|argument| argument.node.name.node == "first");
        let page = if paged { "(first: 2)" } else { "" };
        let inside = match (contract.is_node(target), rows) {
            // The rows of a page are read from its nodes; of its edges only the cursors.
            _ if name == "edges" && has_nodes => below(contract, target, 0),
            (true, 0) => "__typename".to_owned(),
            (true, _) => below(contract, target, rows - 1),
            (false, _) if !contract.behind(target).is_empty() => "__typename".to_owned(),
            (false, _) => below(contract, target, rows),
        };
        text.push_str(&format!("{name}{page} {{ {inside} }} "));
    }
    text
}

/// The questions that show everything a field of a root has to show, each selecting what `select` says of the type.
pub fn questions(
    world: &World,
    contract: &Contract,
    field: &FieldDefinition,
    page: usize,
    select: &dyn Fn(&str) -> String,
) -> Vec<String> {
    let (name, target) = (field.name.node.as_str(), base(&field.ty.node));
    let behind = contract.behind(target);
    if !behind.is_empty() {
        let by_list = field
            .arguments
            .iter()
            .any(|argument| argument.node.name.node == "ids");
        let of_kind = |kind: &&str| {
            let row = world.row(kind);
            let argument = if by_list {
                format!("ids: [\"{row}\"]")
            } else {
                format!("id: \"{row}\"")
            };
            format!(
                "{{ {name}({argument}) {{ __typename id ... on {kind} {{ {} }} }} }}",
                select(kind)
            )
        };
        return behind.iter().map(of_kind).collect();
    }
    let selection = if contract.is_leaf(target) {
        String::new()
    } else {
        format!("{{ {} }}", select(target))
    };
    let arguments = world.arguments(contract, field, page).into_iter();
    arguments
        .map(|arguments| format!("{{ {name}{arguments} {selection} }}"))
        .collect()
}

/// What answers showed.
#[derive(Debug, Default)]
pub struct Seen {
    /// The fields that were answered, `Type.field`, and whether there was ever a value in one: anything but null and an empty list.
    pub shown: BTreeMap<String, bool>,
    /// The fields that were refused.
    pub refused: BTreeSet<String>,
    /// Fields that failed in another way, with the code.
    pub failed: BTreeSet<(String, String)>,
}

/// The field at a path of an answer, and whether the path leads there.
fn named(contract: &Contract, root: &str, data: &Value, path: &[Value]) -> Option<String> {
    let (mut of, mut value, mut name) = (root.to_owned(), Some(data), None);
    for step in path {
        if let Some(index) = step.as_u64() {
            value = value.and_then(|value| value.get(usize::try_from(index).ok()?));
        } else {
            let field = contract.field(&of, step.as_str()?)?;
            name = Some(format!("{of}.{}", field.name.node));
            value = value.and_then(|value| value.get(step.as_str()?));
            base(&field.ty.node).clone_into(&mut of);
        }
        let kind = value.and_then(|value| value.get("__typename"));
        if let Some(kind) = kind.and_then(Value::as_str) {
            kind.clone_into(&mut of);
        }
    }
    name
}

/// Whether a page says that there is nothing: no rows, no cursors, and a count of none.
fn is_page_without_rows(page: &Value) -> bool {
    let none = |name: &str| page.get(name).is_none_or(|rows| *rows == json!([]));
    let cursors = page.get("pageInfo").and_then(Value::as_object);
    let has_cursor = cursors.is_some_and(|info| {
        let mut values = info.iter().filter(|(name, _)| *name != "__typename");
        values.any(|(_, value)| !value.is_null() && *value != json!(false))
    });
    let count = page.get("totalCount");
    page.get("edges").is_some()
        && none("edges")
        && none("nodes")
        && !has_cursor
        && count.is_none_or(|count| count.is_null() || *count == json!(0))
}

fn steps(path: &[Value]) -> String {
    let steps: Vec<String> = path.iter().map(Value::to_string).collect();
    steps.join("/")
}

impl Seen {
    /// Reads an answer to a question at a root.
    pub fn read(&mut self, contract: &Contract, root: &str, asked: &str, answer: &Answer) {
        let data = &answer.body["data"];
        let errors = answer.body["errors"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        assert!(
            errors.len() < 20,
            "{asked}: errors may have been cut off: {answer}"
        );
        let mut at = BTreeSet::new();
        for error in &errors {
            let code = error["extensions"]["code"].as_str().unwrap_or_default();
            let path = error["path"].as_array().cloned().unwrap_or_default();
            let name = named(contract, root, data, &path);
            let name =
                name.unwrap_or_else(|| panic!("an error of no field, {error}: {asked}: {answer}"));
            if code == "FORBIDDEN" {
                self.refused.insert(name);
            } else {
                self.failed.insert((name, code.to_owned()));
            }
            at.insert(steps(&path));
        }
        self.walk(contract, root, data, &mut Vec::new(), &at);
    }

    fn walk(
        &mut self,
        contract: &Contract,
        of: &str,
        value: &Value,
        path: &mut Vec<Value>,
        failed: &BTreeSet<String>,
    ) {
        match value {
            Value::Array(entries) => {
                for (index, entry) in entries.iter().enumerate() {
                    path.push(index.into());
                    self.walk(contract, of, entry, path, failed);
                    path.pop();
                }
            }
            Value::Object(members) => {
                let of = members
                    .get("__typename")
                    .and_then(Value::as_str)
                    .unwrap_or(of);
                for (name, member) in members.iter().filter(|(name, _)| *name != "__typename") {
                    path.push(name.as_str().into());
                    if !failed.contains(&steps(path)) {
                        let field = contract.field(of, name);
                        let field = field.unwrap_or_else(|| panic!("{of} has no field {name}"));
                        let target = base(&field.ty.node);
                        let page_without_rows = is_page_without_rows(member);
                        let empty = member.is_null()
                            || page_without_rows
                            || *member == Value::Array(Vec::new());
                        *self.shown.entry(format!("{of}.{name}")).or_default() |= !empty;
                        if !(contract.is_leaf(target) || page_without_rows) {
                            self.walk(contract, target, member, path, failed);
                        }
                    }
                    path.pop();
                }
            }
            _ => {}
        }
    }
}
