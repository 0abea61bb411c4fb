//! Sizes of a parsed document as if every fragment stood where it is spread.
//!
//! Each fragment is surveyed once and remembered, and sums saturate: thirty fragments that double cost thirty steps here. The
//! recursion is bounded twice, by the nesting that the scan allowed inside a definition and by the depth limit across fragments.
//! Fragments that the operation does not reach are surveyed as well, for validation walks them too.

use super::{Limits, Refusal};
use crate::graphql::error::ErrorCode;
use async_graphql::parser::types::{
    Directive, ExecutableDocument, Field, OperationDefinition, Selection, SelectionSet,
};
use async_graphql::{Name, Positioned};
use async_graphql_value::Value;
use std::collections::HashMap;

/// What a document amounts to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Survey {
    /// Selections of the operation and of unreached fragments, expanded.
    pub expanded: u64,
    /// Nesting of selection sets, a fragment counting as one.
    pub depth: usize,
    /// Aliases as written.
    pub aliases: usize,
    /// Fields at the root, expanded.
    pub root_fields: u64,
    /// Places that use a variable, expanded.
    pub variable_uses: u64,
}

#[derive(Clone, Copy, Default)]
struct Facts {
    expanded: u64,
    depth: usize,
    root_fields: u64,
    variable_uses: u64,
}

impl Facts {
    fn field(&mut self, uses: u64, inner: Self) {
        self.expanded = self
            .expanded
            .saturating_add(1)
            .saturating_add(inner.expanded);
        self.depth = self.depth.max(1 + inner.depth);
        self.root_fields = self.root_fields.saturating_add(1);
        self.variable_uses = self
            .variable_uses
            .saturating_add(uses)
            .saturating_add(inner.variable_uses);
    }

    fn fragment(&mut self, uses: u64, inner: Self) {
        let roots = self.root_fields;
        self.field(uses, inner);
        self.root_fields = roots.saturating_add(inner.root_fields);
    }
}

enum Progress {
    Open,
    Done(Facts),
}

struct Surveyor<'a> {
    document: &'a ExecutableDocument,
    limits: &'a Limits,
    fragments: HashMap<&'a str, Progress>,
    aliases: usize,
}

/// Surveys a document and holds it against the limits.
///
/// # Errors
/// A [`Refusal`] with the code of the first limit that is passed.
pub fn survey(
    document: &ExecutableDocument,
    operation: &OperationDefinition,
    limits: &Limits,
) -> Result<Survey, Refusal> {
    let mut surveyor = Surveyor {
        document,
        limits,
        fragments: HashMap::new(),
        aliases: 0,
    };
    let mut facts = surveyor.selection_set(&operation.selection_set.node, 1)?;
    facts.variable_uses = facts
        .variable_uses
        .saturating_add(directive_uses(&operation.directives));
    let root_fields = facts.root_fields;
    for name in document.fragments.keys() {
        if !surveyor.fragments.contains_key(name.as_str()) {
            let unreached = surveyor.fragment(name, 1)?;
            facts.fragment(0, unreached);
        }
    }
    let survey = Survey {
        expanded: facts.expanded,
        depth: facts.depth,
        aliases: surveyor.aliases,
        root_fields,
        variable_uses: facts.variable_uses,
    };
    check(&survey, limits)?;
    Ok(survey)
}

fn check(survey: &Survey, limits: &Limits) -> Result<(), Refusal> {
    let bounds = [
        (
            ErrorCode::TooManyFields,
            "fields, counting fragments where they are used,",
            survey.expanded,
            limits.expanded_fields,
        ),
        (
            ErrorCode::TooManyAliases,
            "aliases",
            survey.aliases as u64,
            limits.aliases as u64,
        ),
        (
            ErrorCode::TooManyRootFields,
            "fields at its root",
            survey.root_fields,
            limits.root_fields,
        ),
    ];
    match bounds
        .into_iter()
        .find(|(_, _, found, limit)| found > limit)
    {
        Some((code, what, _, limit)) => Err(Refusal::over(code, what, limit)),
        None => Ok(()),
    }
}

impl<'a> Surveyor<'a> {
    fn selection_set(&mut self, set: &'a SelectionSet, depth: usize) -> Result<Facts, Refusal> {
        self.within(depth)?;
        let mut facts = Facts {
            depth: 1,
            ..Facts::default()
        };
        for selection in &set.items {
            let uses = directive_uses(selection.node.directives());
            match &selection.node {
                Selection::Field(field) => {
                    let field = &field.node;
                    self.aliases += usize::from(field.alias.is_some());
                    let inner = match field.selection_set.node.items.is_empty() {
                        true => Facts::default(),
                        false => self.selection_set(&field.selection_set.node, depth + 1)?,
                    };
                    facts.field(uses.saturating_add(argument_uses(field)), inner);
                }
                Selection::InlineFragment(inline) => {
                    let inner = self.selection_set(&inline.node.selection_set.node, depth + 1)?;
                    facts.fragment(uses, inner);
                }
                Selection::FragmentSpread(spread) => {
                    let inner = self.fragment(&spread.node.fragment_name.node, depth + 1)?;
                    facts.fragment(uses, inner);
                }
            }
        }
        Ok(facts)
    }

    fn fragment(&mut self, name: &Name, depth: usize) -> Result<Facts, Refusal> {
        // A fragment that does not exist is for validation to report; it expands to nothing.
        let Some((name, fragment)) = self.document.fragments.get_key_value(name) else {
            return Ok(Facts::default());
        };
        match self.fragments.get(name.as_str()) {
            Some(Progress::Open) => {
                let message = format!("The fragment {name} contains itself.");
                return Err(Refusal::at(
                    ErrorCode::FragmentCycle,
                    message,
                    fragment.pos.line,
                    fragment.pos.column,
                ));
            }
            Some(Progress::Done(facts)) => {
                let facts = *facts;
                // `depth` is where the fragment's own set would stand.
                self.within((depth + facts.depth).saturating_sub(1))?;
                return Ok(facts);
            }
            None => {}
        }
        self.fragments.insert(name.as_str(), Progress::Open);
        let mut facts = self.selection_set(&fragment.node.selection_set.node, depth)?;
        facts.variable_uses = facts
            .variable_uses
            .saturating_add(directive_uses(&fragment.node.directives));
        self.fragments.insert(name.as_str(), Progress::Done(facts));
        Ok(facts)
    }

    fn within(&self, depth: usize) -> Result<(), Refusal> {
        if depth > self.limits.nesting {
            let limit = self.limits.nesting as u64;
            return Err(Refusal::over(
                ErrorCode::TooDeep,
                "nested selections, counting fragments where they are used,",
                limit,
            ));
        }
        Ok(())
    }
}

fn argument_uses(field: &Field) -> u64 {
    field
        .arguments
        .iter()
        .map(|(_, value)| value_uses(&value.node))
        .sum()
}

fn directive_uses(directives: &[Positioned<Directive>]) -> u64 {
    directives
        .iter()
        .flat_map(|directive| &directive.node.arguments)
        .map(|(_, value)| value_uses(&value.node))
        .sum()
}

/// How often a literal names a variable. Its nesting was bounded by the scan.
fn value_uses(value: &Value) -> u64 {
    match value {
        Value::Variable(_) => 1,
        Value::List(items) => items.iter().map(value_uses).sum(),
        Value::Object(fields) => fields.values().map(value_uses).sum(),
        _ => 0,
    }
}
