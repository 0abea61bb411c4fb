//! What a document costs. The vendor publishes that scalars are free, an object costs one point, a mutation ten, and that a connection is
//! sized by how much is asked for; how exactly, it no longer says.
//!
//! Two rules are offered: what its servers were last seen to answer (the size counts by its logarithm), and the older published one
//! (the size counts in full), which is the harder of the two.

use async_graphql_parser::types::{
    ExecutableDocument, OperationDefinition, OperationType, Selection, SelectionSet,
};
use serde_json::{Map, Value};

use super::coerce;
use super::execute::included;
use super::schema::{Schema, base};

/// How connections are sized.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rule {
    /// By the logarithm of the size.
    Logarithm,
    /// By the size itself, plus two.
    Full,
}

/// What a mutation costs beside what it answers.
const MUTATION: u64 = 10;

impl Rule {
    /// The cost of a connection of `size` nodes that cost `nodes` together.
    pub(crate) fn connection(self, size: u64, nodes: u64) -> u64 {
        match self {
            Self::Full => 2 + nodes,
            Self::Logarithm => {
                let steps = u64::from(64 - size.max(2).saturating_sub(1).leading_zeros());
                steps * (nodes.div_ceil(size.max(1)) + 1)
            }
        }
    }
}

/// True for the types that page.
pub(crate) fn is_connection(name: &str) -> bool {
    name.ends_with("Connection")
}

/// Objects that are only the frame of others.
pub(crate) fn is_frame(name: &str) -> bool {
    name == "PageInfo" || name.ends_with("Edge") || name.ends_with("Payload")
}

struct Count<'a> {
    schema: &'a Schema,
    document: &'a ExecutableDocument,
    variables: &'a Map<String, Value>,
    rule: Rule,
}

/// What the operation will cost at most.
pub(crate) fn requested(
    schema: &Schema,
    document: &ExecutableDocument,
    operation: &OperationDefinition,
    variables: &Map<String, Value>,
    rule: Rule,
) -> u64 {
    let count = Count {
        schema,
        document,
        variables,
        rule,
    };
    let set = &operation.selection_set.node;
    match operation.ty {
        OperationType::Mutation => {
            let mutations = u64::try_from(set.items.len()).unwrap_or(u64::MAX);
            count
                .set(&schema.mutation, set)
                .saturating_add(mutations.saturating_mul(MUTATION))
        }
        _ => count.set(&schema.query, set),
    }
}

/// What a mutation's own work costs.
pub(crate) fn of_mutation() -> u64 {
    MUTATION
}

impl Count<'_> {
    fn set(&self, parent: &str, set: &SelectionSet) -> u64 {
        let mut total = 0_u64;
        for selection in &set.items {
            if !included(selection.node.directives(), self.variables) {
                continue;
            }
            total = total.saturating_add(match &selection.node {
                Selection::InlineFragment(fragment) => {
                    let on = fragment
                        .node
                        .type_condition
                        .as_ref()
                        .map_or(parent, |c| c.node.on.node.as_str());
                    self.set(on, &fragment.node.selection_set.node)
                }
                Selection::FragmentSpread(spread) => self
                    .document
                    .fragments
                    .get(spread.node.fragment_name.node.as_str())
                    .map_or(0, |fragment| {
                        self.set(
                            fragment.node.type_condition.node.on.node.as_str(),
                            &fragment.node.selection_set.node,
                        )
                    }),
                Selection::Field(field) => {
                    let Some(known) = self.schema.field(parent, field.node.name.node.as_str())
                    else {
                        continue;
                    };
                    let ty = base(&known.ty);
                    let inner = self.set(ty, &field.node.selection_set.node);
                    let size = |name: &str| {
                        field
                            .node
                            .get_argument(name)
                            .and_then(|value| coerce::literal(&value.node, self.variables))
                            .and_then(|value| {
                                value
                                    .as_u64()
                                    .or_else(|| value.as_array().map(|list| list.len() as u64))
                            })
                    };
                    let asked = size("first")
                        .or_else(|| size("last"))
                        .or_else(|| size("ids"));
                    if is_connection(ty) {
                        let size = asked.unwrap_or(1);
                        self.rule.connection(size, size.saturating_mul(inner))
                    } else if is_frame(ty) || !self.schema.composite(ty) {
                        inner
                    } else {
                        (1 + inner).saturating_mul(asked.unwrap_or(1))
                    }
                }
            });
        }
        total
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_of_250_costs_what_the_vendor_was_seen_to_ask() {
        // A product, its 250 variants, the inventory item of each: 25 points in all.
        assert_eq!(1 + Rule::Logarithm.connection(250, 250 * 2), 25);
        assert_eq!(Rule::Full.connection(10, 10), 12);
        assert_eq!(Rule::Logarithm.connection(0, 0), 1);
    }
}
