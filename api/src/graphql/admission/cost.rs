//! What an operation may cost, before it runs. The unit is one object in the answer; scalars are free.
//!
//! A field with a selection costs 1 and what is below it. Below a connection, what stands under `edges` or `nodes` is multiplied
//! by the page size, read from `first` or `last` (literal, variable or the variable's default), else the default page. `nodes(ids:)`
//! multiplies by the number of ids. Introspection is priced apart, by an estimate of what it prints, for its lists have no page:
//! nested often enough they would print the schema to the power of the nesting.
//!
//! The price is an upper bound: skipped fields are counted, and every page is taken to be full. Most documents fix their
//! pages in the text; their price is computed once and remembered with the document.

use super::{AdmittedDocument, Limits, Refusal};
use crate::graphql::error::ErrorCode;
use async_graphql::Variables;
use async_graphql::parser::types::{
    ExecutableDocument, Field, OperationDefinition, Selection, SelectionSet,
};
use async_graphql_value::{ConstValue, Value};
use std::collections::HashMap;

/// Objects of an introspection that cost as much as one object of data.
const INTROSPECTION_DISCOUNT: u64 = 1_000;

/// What is known of the price from the text alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pricing {
    /// The same whatever the variables are.
    Fixed(Price),
    /// A page size is a variable.
    ByVariables,
}

/// A price.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Price {
    /// Objects the answer may hold.
    pub cost: u64,
    /// Objects and values an introspection may print.
    pub introspection: u64,
}

/// The price of a document with these variables.
///
/// # Errors
/// [`ErrorCode::CostExceeded`] when it is above what one operation may cost, [`ErrorCode::VariablesTooLarge`] when its variables
/// (`variables_bytes` long) are used too often.
pub fn price(
    admitted: &AdmittedDocument,
    variables: &Variables,
    variables_bytes: usize,
    limits: &Limits,
) -> Result<u64, Refusal> {
    if admitted
        .survey
        .variable_uses
        .saturating_mul(variables_bytes as u64)
        > limits.variable_copies
    {
        return Err(Refusal::new(
            ErrorCode::VariablesTooLarge,
            "The variables are too large for the number of places that use them.",
        ));
    }
    let price = match admitted.pricing {
        Pricing::Fixed(price) => price,
        Pricing::ByVariables => match admitted.document.operations.iter().next() {
            Some((_, operation)) => {
                Pricer::new(&admitted.document, &operation.node, Some(variables), limits).total()
            }
            None => Price::default(),
        },
    };
    if price.introspection > limits.introspection {
        return Err(Refusal::new(
            ErrorCode::CostExceeded,
            "The introspection would print too much of the schema.",
        ));
    }
    // A request is never free, or a loop over `{ __typename }` would be.
    let cost = price
        .cost
        .saturating_add(price.introspection / INTROSPECTION_DISCOUNT)
        .max(1);
    if cost > limits.cost {
        let message = format!(
            "The operation costs {cost}; a single one may cost at most {}.",
            limits.cost
        );
        return Err(Refusal::new(ErrorCode::CostExceeded, message));
    }
    Ok(cost)
}

pub(super) fn pricing(
    document: &ExecutableDocument,
    operation: &OperationDefinition,
    limits: &Limits,
) -> Pricing {
    let mut pricer = Pricer::new(document, operation, None, limits);
    let price = pricer.total();
    if pricer.met_variable {
        Pricing::ByVariables
    } else {
        Pricing::Fixed(price)
    }
}

/// The price of a selection set: what it costs once, and what it costs per item of the page it may belong to.
#[derive(Clone, Copy, Default)]
struct Parts {
    once: u64,
    per_item: u64,
    introspection: u64,
}

impl Parts {
    fn add(&mut self, other: Self) {
        self.once = self.once.saturating_add(other.once);
        self.per_item = self.per_item.saturating_add(other.per_item);
        self.introspection = self.introspection.saturating_add(other.introspection);
    }
}

struct Pricer<'a> {
    document: &'a ExecutableDocument,
    operation: &'a OperationDefinition,
    variables: Option<&'a Variables>,
    limits: &'a Limits,
    priced: HashMap<&'a str, Parts>,
    weighed: HashMap<&'a str, u64>,
    met_variable: bool,
}

impl<'a> Pricer<'a> {
    fn new(
        document: &'a ExecutableDocument,
        operation: &'a OperationDefinition,
        variables: Option<&'a Variables>,
        limits: &'a Limits,
    ) -> Self {
        let (priced, weighed) = (HashMap::new(), HashMap::new());
        Self {
            document,
            operation,
            variables,
            limits,
            priced,
            weighed,
            met_variable: false,
        }
    }

    fn total(&mut self) -> Price {
        let parts = self.selection_set(&self.operation.selection_set.node);
        Price {
            cost: parts.once.saturating_add(parts.per_item),
            introspection: parts.introspection,
        }
    }

    // The recursions below follow a document that was surveyed: shallow, and without cycles.
    fn selection_set(&mut self, set: &'a SelectionSet) -> Parts {
        let mut sum = Parts::default();
        for selection in &set.items {
            let parts = match &selection.node {
                Selection::Field(field) => self.field(&field.node),
                Selection::InlineFragment(inline) => {
                    self.selection_set(&inline.node.selection_set.node)
                }
                Selection::FragmentSpread(spread) => {
                    self.fragment(spread.node.fragment_name.node.as_str())
                }
            };
            sum.add(parts);
        }
        sum
    }

    fn fragment(&mut self, name: &str) -> Parts {
        let Some((name, fragment)) = self.document.fragments.get_key_value(name) else {
            return Parts::default();
        };
        if let Some(parts) = self.priced.get(name.as_str()) {
            return *parts;
        }
        let parts = self.selection_set(&fragment.node.selection_set.node);
        self.priced.insert(name.as_str(), parts);
        parts
    }

    fn field(&mut self, field: &'a Field) -> Parts {
        let set = &field.selection_set.node;
        if set.items.is_empty() {
            return Parts::default();
        }
        let name = field.name.node.as_str();
        if matches!(name, "__schema" | "__type") {
            return Parts {
                introspection: self.weight(set),
                ..Parts::default()
            };
        }
        let inner = self.selection_set(set);
        let mut cost = inner.once.saturating_add(1);
        if inner.per_item > 0 {
            cost = cost.saturating_add(inner.per_item.saturating_mul(self.page(field)));
        }
        if let Some(ids) = field.get_argument("ids") {
            cost = cost.saturating_mul(self.list_length(&ids.node));
        }
        let introspection = inner.introspection;
        if matches!(name, "edges" | "nodes") {
            Parts {
                once: 0,
                per_item: cost,
                introspection,
            }
        } else {
            Parts {
                once: cost,
                per_item: 0,
                introspection,
            }
        }
    }

    fn page(&mut self, field: &'a Field) -> u64 {
        let sizes = ["first", "last"].map(|name| {
            field
                .get_argument(name)
                .and_then(|value| self.integer(&value.node))
        });
        let asked = sizes.into_iter().flatten().max();
        asked.map_or(self.limits.default_page, |size| {
            u64::try_from(size).unwrap_or(0).min(self.limits.max_page)
        })
    }

    /// The variable's value: as sent, else its default in the document.
    fn variable(&mut self, name: &str) -> Option<&'a ConstValue> {
        self.met_variable = true;
        let sent = self.variables.and_then(|variables| variables.get(name));
        sent.or_else(|| {
            let mut definitions = self.operation.variable_definitions.iter();
            let definition = definitions.find(|definition| definition.node.name.node == name)?;
            definition
                .node
                .default_value
                .as_ref()
                .map(|value| &value.node)
        })
    }

    fn integer(&mut self, value: &Value) -> Option<i64> {
        match value {
            Value::Number(number) => number.as_i64(),
            Value::Variable(name) => match self.variable(name)? {
                ConstValue::Number(number) => number.as_i64(),
                _ => None,
            },
            _ => None,
        }
    }

    fn list_length(&mut self, value: &Value) -> u64 {
        match value {
            Value::List(items) => items.len() as u64,
            Value::Variable(name) => match self.variable(name) {
                Some(ConstValue::List(items)) => items.len() as u64,
                _ => 1,
            },
            _ => 1,
        }
    }

    /// What an introspection would print, with typical lengths for its lists.
    fn weight(&mut self, set: &'a SelectionSet) -> u64 {
        let mut sum = 0_u64;
        for selection in &set.items {
            let weight = match &selection.node {
                Selection::Field(field) if field.node.selection_set.node.items.is_empty() => 1,
                Selection::Field(field) => {
                    let inner = self.weight(&field.node.selection_set.node);
                    typical_length(field.node.name.node.as_str())
                        .saturating_mul(inner.saturating_add(1))
                }
                Selection::InlineFragment(inline) => self.weight(&inline.node.selection_set.node),
                Selection::FragmentSpread(spread) => {
                    self.fragment_weight(spread.node.fragment_name.node.as_str())
                }
            };
            sum = sum.saturating_add(weight);
        }
        sum
    }

    fn fragment_weight(&mut self, name: &str) -> u64 {
        let Some((name, fragment)) = self.document.fragments.get_key_value(name) else {
            return 0;
        };
        if let Some(weight) = self.weighed.get(name.as_str()) {
            return *weight;
        }
        let weight = self.weight(&fragment.node.selection_set.node);
        self.weighed.insert(name.as_str(), weight);
        weight
    }
}

fn typical_length(list: &str) -> u64 {
    match list {
        "types" => 150,
        "possibleTypes" => 10,
        "fields" | "directives" => 8,
        "inputFields" | "enumValues" => 6,
        "args" | "interfaces" => 3,
        _ => 1,
    }
}

/// What an answer held: its objects below the root, as the price counts them.
#[must_use]
pub fn actual(data: &ConstValue) -> u64 {
    fn objects(value: &ConstValue) -> u64 {
        match value {
            ConstValue::Object(fields) => 1 + fields.values().map(objects).sum::<u64>(),
            ConstValue::List(items) => items.iter().map(objects).sum(),
            _ => 0,
        }
    }
    match data {
        ConstValue::Object(fields) => fields
            .iter()
            .map(|(name, value)| match name.as_str() {
                "__schema" | "__type" => objects(value) / INTROSPECTION_DISCOUNT,
                _ => objects(value),
            })
            .sum(),
        _ => 0,
    }
}
