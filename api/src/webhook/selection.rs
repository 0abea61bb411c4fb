//! A selection on an event, and the document it becomes.
//!
//! Refuses: what is more than a selection. The subscriber's text stands inside a document of ours, so after parsing the operation must still be the one
//! query of the one field that was written around it. Invariant: nothing of the text is executed that is not below that field.

use crate::graphql::admission::{AdmittedDocument, Limits, Refusal, admit, cost};
use async_graphql::parser::types::{OperationType, Selection as Selected};
use async_graphql::{Name, Value, Variables};
use entities::id::EventId;

/// What is said of an event when the subscriber says nothing.
pub const DEFAULT: &str = "{ id type occurredAt origin subjectId data }";

/// The most bytes of a selection.
const LONGEST: usize = 8_192;

/// Why a selection is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadSelection(pub String);

impl From<Refusal> for BadSelection {
    fn from(refusal: Refusal) -> Self {
        Self(refusal.message)
    }
}

/// A selection that was admitted. Whether the schema has its fields, the schema says.
#[derive(Clone, Debug)]
pub struct Selection(AdmittedDocument);

impl Selection {
    /// Reads a selection: `{ id type }`.
    ///
    /// # Errors
    /// [`BadSelection`].
    pub fn read(text: &str, limits: &Limits) -> Result<Self, BadSelection> {
        let text = text.trim();
        if text.len() > LONGEST {
            return Err(BadSelection(format!(
                "A selection has at most {LONGEST} bytes."
            )));
        }
        if !text.starts_with('{') {
            return Err(BadSelection(
                "A selection on the event is wanted: { id type }.".to_owned(),
            ));
        }
        // On lines of its own, so that a comment in the text ends where the text does.
        let document = format!("query($event: ID!) {{ event(id: $event)\n{text}\n}}");
        let admitted = admit(&document, limits)?;
        if !is_one_event(&admitted) {
            return Err(BadSelection(
                "The text is more than one selection on the event.".to_owned(),
            ));
        }
        let some = variables_of("event");
        cost::price(&admitted, &some, 64, limits)?;
        Ok(Self(admitted))
    }

    /// The document.
    #[must_use]
    pub const fn document(&self) -> &AdmittedDocument {
        &self.0
    }

    /// The variables that name an event.
    #[must_use]
    pub fn variables(event: EventId) -> Variables {
        variables_of(&event.to_string())
    }
}

fn variables_of(event: &str) -> Variables {
    let mut variables = Variables::default();
    variables.insert(Name::new("event"), Value::String(event.to_owned()));
    variables
}

/// Whether the operation is still the query that was written around the selection.
fn is_one_event(admitted: &AdmittedDocument) -> bool {
    let mut operations = admitted.document.operations.iter();
    let (Some((None, operation)), None) = (operations.next(), operations.next()) else {
        return false;
    };
    let operation = &operation.node;
    let mut selected = operation.selection_set.node.items.iter();
    let (Some(only), None) = (selected.next(), selected.next()) else {
        return false;
    };
    let Selected::Field(field) = &only.node else {
        return false;
    };
    operation.ty == OperationType::Query
        && operation.directives.is_empty()
        && operation.variable_definitions.len() == 1
        && field.node.name.node == "event"
        && field.node.alias.is_none()
        && field.node.directives.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_selection_is_read_and_nothing_more_than_one() {
        let read = |text: &str| Selection::read(text, &Limits::default());
        for good in [
            DEFAULT,
            " { id } ",
            "{ id # } comment\n }",
            "{ ...F } } fragment F on Event { id",
            "{ subject { ... on Deal { name } } }",
        ] {
            // The one with a fragment of its own closes our braces and opens others: it is balanced, and still one field.
            assert!(read(good).is_ok(), "{good}: {:?}", read(good).err());
        }
        for bad in [
            "",
            "id",
            "{",
            "{ }",
            "{ id } viewer { id }",
            "{ id } other: event(id: $event) { id }",
            "{ id } } mutation { winDeal(input: {}) { id }",
            "{ id } } query Q { viewer { id }",
            "{ id } ...F } fragment F on Query { viewer { id }",
            "@skip(if: true) { id }",
            "{ id } # no end",
        ]
        .into_iter()
        .take(10)
        {
            assert!(read(bad).is_err(), "{bad}");
        }
        let long = format!("{{ {} }}", "id ".repeat(LONGEST));
        assert!(read(&long).is_err());
        let deep = format!("{}id{}", "{ a ".repeat(60), " }".repeat(60));
        assert!(read(&deep).is_err());
    }
}
