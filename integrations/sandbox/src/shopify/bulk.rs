//! Bulk operations: a query over whole lists, run in the background, its rows in a file.
//!
//! Refuses: queries without a list, with more than five, with lists in lists of lists, with variables, and parents whose id is not selected.
//! Invariant: rows of a nested list come after their parent, but not next to it, unless that was asked for.

use async_graphql_parser::parse_query;
use async_graphql_parser::types::{
    BaseType, DocumentOperations, ExecutableDocument, Field, OperationDefinition, OperationType,
    Selection, SelectionSet,
};
use async_graphql_parser::{Pos, Positioned};
use async_graphql_value::{Name, Value as Literal};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::graphql::{self, Schema};
use super::rest;

/// How long a result can be fetched: seven days.
const LASTS_MS: i64 = 7 * 24 * 3600 * 1000;
/// How many root rows are read at a time.
const STEP: u32 = 250;

/// Where an operation stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Status {
    Created,
    Running,
    Canceling,
    Canceled,
    Completed,
    Failed,
}

impl Status {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Created => "CREATED",
            Self::Running => "RUNNING",
            Self::Canceling => "CANCELING",
            Self::Canceled => "CANCELED",
            Self::Completed => "COMPLETED",
            Self::Failed => "FAILED",
        }
    }

    pub(crate) fn runs(self) -> bool {
        matches!(self, Self::Created | Self::Running | Self::Canceling)
    }

    pub(crate) fn complete(self) -> bool {
        self == Self::Completed
    }

    pub(crate) fn failed(self) -> bool {
        self == Self::Failed
    }
}

/// A bulk operation.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Operation {
    pub(crate) id: u64,
    pub(crate) query: String,
    /// Children stand behind their parents.
    pub(crate) together: bool,
    pub(crate) scopes: Vec<String>,
    pub(crate) status: Status,
    pub(crate) created_at: i64,
    pub(crate) completed_at: Option<i64>,
    pub(crate) error_code: Option<String>,
    pub(crate) objects: u64,
    pub(crate) roots: u64,
    pub(crate) size: Option<u64>,
    /// The part of the result's address nobody can guess.
    pub(crate) key: String,
}

impl Operation {
    pub(crate) fn new(
        id: u64,
        query: String,
        together: bool,
        scopes: Vec<String>,
        now: i64,
    ) -> Self {
        Self {
            id,
            query,
            together,
            scopes,
            status: Status::Created,
            created_at: now,
            completed_at: None,
            error_code: None,
            objects: 0,
            roots: 0,
            size: None,
            key: crate::ids::fresh_id().replace('-', ""),
        }
    }

    /// Asks it to end; false when it has.
    pub(crate) fn cancel(&mut self) -> bool {
        if !self.status.runs() {
            return false;
        }
        self.status = Status::Canceling;
        true
    }

    /// True while its result can be fetched.
    pub(crate) fn lasts(&self, now: i64) -> bool {
        self.completed_at.is_none_or(|at| now < at + LASTS_MS)
    }

    /// What `bulk_operations/finish` says: the status in small letters.
    pub(crate) fn finished(&self) -> Value {
        json!({
            "admin_graphql_api_id": super::gid::Kind::BulkOperation.gid(self.id),
            "completed_at": self.completed_at.map(rest::time),
            "created_at": rest::time(self.created_at),
            "error_code": self.error_code.as_deref().map(str::to_lowercase),
            "status": self.status.name().to_lowercase(),
            "type": "query",
        })
    }
}

fn single(document: &ExecutableDocument) -> Option<&OperationDefinition> {
    match &document.operations {
        DocumentOperations::Single(operation) => Some(&operation.node),
        DocumentOperations::Multiple(operations) if operations.len() == 1 => {
            operations.values().next().map(|o| &o.node)
        }
        DocumentOperations::Multiple(_) => None,
    }
}

struct Lists {
    count: usize,
    deepest: usize,
    problem: Option<String>,
}

/// What is wrong with a query for a bulk operation.
pub(crate) fn check(schema: &Schema, query: &str) -> Result<(), String> {
    let document = parse_query(query).map_err(|error| format!("Invalid bulk query: {error}"))?;
    if let Some(first) = graphql::check(schema, &document).first() {
        let told = first.json();
        let message = told
            .get("message")
            .and_then(Value::as_str)
            .unwrap_or_default();
        return Err(format!("Invalid bulk query: {message}"));
    }
    let operation = single(&document).ok_or("Bulk queries must contain exactly one operation.")?;
    if operation.ty != OperationType::Query {
        return Err(
            "Bulk queries must be queries; use bulkOperationRunMutation for mutations.".to_owned(),
        );
    }
    if !operation.variable_definitions.is_empty() {
        return Err("Bulk queries cannot use variables.".to_owned());
    }
    let set = &operation.selection_set.node;
    let root = root_field(set).ok_or("Bulk queries must have exactly one field at the top.")?;
    let name = root.node.name.node.as_str();
    if matches!(name, "node" | "nodes") {
        return Err("Bulk queries cannot contain a top-level `node` or `nodes` field.".to_owned());
    }
    let mut lists = Lists {
        count: 0,
        deepest: 0,
        problem: None,
    };
    walk(schema, &document, &schema.query, set, 0, false, &mut lists);
    if lists.count == 0
        || !schema
            .field(&schema.query, name)
            .is_some_and(|field| is_connection(&field.ty))
    {
        return Err("Bulk queries must contain at least one connection.".to_owned());
    }
    if lists.count > 5 {
        return Err("Bulk queries cannot contain more than 5 connections.".to_owned());
    }
    if lists.deepest > 2 {
        return Err(
            "Bulk queries cannot contain connections with a nesting depth greater than 2."
                .to_owned(),
        );
    }
    lists.problem.map_or(Ok(()), Err)
}

fn root_field(set: &SelectionSet) -> Option<&Positioned<Field>> {
    match set.items.as_slice() {
        [only] => match &only.node {
            Selection::Field(field) => Some(field),
            _ => None,
        },
        _ => None,
    }
}

fn is_connection(ty: &async_graphql_parser::types::Type) -> bool {
    matches!(&ty.base, BaseType::Named(name) if name.as_str().ends_with("Connection"))
}

fn base(ty: &async_graphql_parser::types::Type) -> &str {
    match &ty.base {
        BaseType::Named(name) => name.as_str(),
        BaseType::List(inner) => base(inner),
    }
}

fn selects_id(document: &ExecutableDocument, set: &SelectionSet) -> bool {
    set.items.iter().any(|selection| match &selection.node {
        Selection::Field(field) => {
            field.node.name.node.as_str() == "id" && field.node.alias.is_none()
        }
        Selection::InlineFragment(fragment) => {
            selects_id(document, &fragment.node.selection_set.node)
        }
        Selection::FragmentSpread(spread) => document
            .fragments
            .get(spread.node.fragment_name.node.as_str())
            .is_some_and(|fragment| selects_id(document, &fragment.node.selection_set.node)),
    })
}

fn walk(
    schema: &Schema,
    document: &ExecutableDocument,
    parent: &str,
    set: &SelectionSet,
    depth: usize,
    in_list: bool,
    lists: &mut Lists,
) {
    for selection in &set.items {
        match &selection.node {
            Selection::InlineFragment(fragment) => {
                let on = fragment
                    .node
                    .type_condition
                    .as_ref()
                    .map_or(parent, |c| c.node.on.node.as_str());
                walk(
                    schema,
                    document,
                    on,
                    &fragment.node.selection_set.node,
                    depth,
                    in_list,
                    lists,
                );
            }
            Selection::FragmentSpread(spread) => {
                if let Some(fragment) = document
                    .fragments
                    .get(spread.node.fragment_name.node.as_str())
                {
                    let on = fragment.node.type_condition.node.on.node.as_str();
                    walk(
                        schema,
                        document,
                        on,
                        &fragment.node.selection_set.node,
                        depth,
                        in_list,
                        lists,
                    );
                }
            }
            Selection::Field(field) => {
                let name = field.node.name.node.as_str();
                let Some(known) = schema.field(parent, name) else {
                    continue;
                };
                let inner = &field.node.selection_set.node;
                let mut depth = depth;
                let frame = parent.ends_with("Connection") || parent.ends_with("Edge");
                let listed = in_list || (matches!(known.ty.base, BaseType::List(_)) && !frame);
                if is_connection(&known.ty) {
                    lists.count += 1;
                    depth += 1;
                    lists.deepest = lists.deepest.max(depth);
                    if in_list {
                        lists.problem = Some("Queries that contain a connection field within a list field are not currently supported.".to_owned());
                    }
                    if depth > 1 && !frame && !selects_id(document, set) {
                        lists.problem = Some(format!(
                            "The parent 'node' field for a nested connection must select the 'id' field without an alias and must be of 'ID' return type. Connection fields without 'id': {name}."
                        ));
                    }
                }
                walk(
                    schema,
                    document,
                    base(&known.ty),
                    inner,
                    depth,
                    listed,
                    lists,
                );
            }
        }
    }
}

/// A query that reads one step of its root list, behind the cursor.
pub(crate) fn step(
    query: &str,
    after: Option<&str>,
) -> Option<(ExecutableDocument, OperationDefinition)> {
    let document = parse_query(query).ok()?;
    let mut operation = single(&document)?.clone();
    let Some(Selection::Field(root)) = operation
        .selection_set
        .node
        .items
        .first_mut()
        .map(|item| &mut item.node)
    else {
        return None;
    };
    let place = |name: &str| Positioned::new(Name::new(name), Pos::default());
    let arguments = &mut root.node.arguments;
    arguments
        .retain(|(name, _)| !matches!(name.node.as_str(), "first" | "last" | "after" | "before"));
    let value = |value| Positioned::new(value, Pos::default());
    arguments.push((place("first"), value(Literal::Number(STEP.into()))));
    if let Some(after) = after {
        arguments.push((place("after"), value(Literal::String(after.to_owned()))));
    }
    Some((document, operation))
}

/// The rows of a result, still apart.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    pub(crate) roots: u64,
    pub(crate) objects: u64,
    front: String,
    back: String,
}

impl Rows {
    /// Takes the rows out of one step's data.
    pub(crate) fn add(&mut self, data: &Value, together: bool) {
        let Some(list) = data.as_object().and_then(|data| data.values().next()) else {
            return;
        };
        for node in nodes(list).into_iter().flatten() {
            self.roots += 1;
            self.row(node.clone(), None, together);
        }
    }

    fn row(&mut self, node: Value, parent: Option<&str>, together: bool) {
        let Value::Object(fields) = node else {
            return;
        };
        self.objects += 1;
        let id = fields.get("id").and_then(Value::as_str).map(str::to_owned);
        let (mut own, mut below) = (Map::new(), Vec::new());
        for (key, value) in fields {
            match nodes(&value) {
                Some(children) => below.extend(children.into_iter().cloned()),
                None => {
                    own.insert(key, value);
                }
            }
        }
        if let Some(parent) = parent {
            own.insert("__parentId".to_owned(), json!(parent));
        }
        let line = rest::print(&Value::Object(own));
        let place = if parent.is_some() && !together {
            &mut self.back
        } else {
            &mut self.front
        };
        place.push_str(&line);
        place.push('\n');
        for child in below {
            self.row(child, id.as_deref(), together);
        }
    }

    /// The whole file.
    pub(crate) fn file(self) -> String {
        self.front + &self.back
    }
}

/// The nodes of a list that pages; `None` when it is something else.
fn nodes(value: &Value) -> Option<Vec<&Value>> {
    let object = value.as_object()?;
    if let Some(nodes) = object.get("nodes").and_then(Value::as_array) {
        return Some(nodes.iter().collect());
    }
    let edges = object.get("edges").and_then(Value::as_array)?;
    Some(edges.iter().filter_map(|edge| edge.get("node")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn children_stand_apart_from_their_parents() {
        let data = json!({"orders": {"edges": [
            {"node": {"id": "a", "lineItems": {"nodes": [{"id": "a1"}, {"id": "a2"}]}}},
            {"node": {"id": "b", "lineItems": {"nodes": [{"id": "b1"}]}}},
        ]}});
        let mut rows = Rows::default();
        rows.add(&data, false);
        assert_eq!((rows.roots, rows.objects), (2, 5));
        let lines = rows.file();
        let expected = "{\"id\":\"a\"}\n{\"id\":\"b\"}\n{\"id\":\"a1\",\"__parentId\":\"a\"}\n{\"id\":\"a2\",\"__parentId\":\"a\"}\n{\"id\":\"b1\",\"__parentId\":\"b\"}\n";
        let sorted = |text: &str| {
            text.lines()
                .map(|line| serde_json::from_str::<Value>(line).unwrap_or_default())
                .collect::<Vec<_>>()
        };
        assert_eq!(sorted(&lines), sorted(expected));
    }
}
