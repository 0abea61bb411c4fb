//! How records are shown: rows of queries in JSON and CSV, and whole records.
//!
//! JSON is written as text, because the vendor prints numbers in a way of its own (`1.0E7`).

use std::fmt::Write;

use super::held::Held;
use super::inner::Inner;
use super::record::Record;
use super::soql::{Part, Path, Plan, Shape, collect, parent, value_at};

/// The view a query has: whether it sees the recycle bin, and the time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct View<'a> {
    pub(crate) inner: &'a Inner,
    pub(crate) version: &'a str,
    pub(crate) all: bool,
    pub(crate) now: i64,
}

impl View<'_> {
    /// A row of a query.
    pub(crate) fn row(&self, object: &str, shape: &Shape, record: &Record) -> String {
        let mut out = self.opening(object, &record.id);
        for part in &shape.parts {
            match part {
                Part::Field(name) => {
                    let value = record.get(name);
                    push(&mut out, name, value.as_ref());
                }
                Part::Parent {
                    relationship,
                    field,
                    shape,
                } => {
                    let shown = parent(self.inner, record, field, self.now)
                        .zip(self.object_of(record, field))
                        .map_or_else(
                            || "null".to_owned(),
                            |(parent, object)| self.row(object, shape, parent),
                        );
                    // Writing to a string does not fail.
                    let _ = write!(out, ",\"{relationship}\":{shown}");
                }
                Part::Children {
                    relationship,
                    field,
                    plan,
                } => {
                    let shown = self.children(field, &record.id, plan);
                    let _ = write!(out, ",\"{relationship}\":{shown}");
                }
            }
        }
        out.push('}');
        out
    }

    fn object_of(&self, record: &Record, field: &str) -> Option<&str> {
        let target = record.get(field)?;
        let object = self.inner.schema.of_id(target.text()?)?;
        Some(object.name.as_str())
    }

    fn children(&self, field: &str, id: &str, plan: &Plan) -> String {
        let found = collect(self.inner, plan, self.all, self.now, Some((field, id)));
        if found.is_empty() {
            return "null".to_owned();
        }
        let rows: Vec<String> = found
            .iter()
            .map(|child| self.row(&plan.object, &plan.shape, child))
            .collect();
        format!(
            "{{\"totalSize\":{},\"done\":true,\"records\":[{}]}}",
            rows.len(),
            rows.join(",")
        )
    }

    fn opening(&self, object: &str, id: &str) -> String {
        opening(self.version, object, id)
    }
}

fn opening(version: &str, object: &str, id: &str) -> String {
    format!(
        "{{\"attributes\":{{\"type\":\"{object}\",\"url\":\"/services/data/v{version}/sobjects/{object}/{id}\"}}"
    )
}

fn push(out: &mut String, name: &str, value: Option<&Held>) {
    let value = value.map_or_else(|| "null".to_owned(), Held::json);
    // Writing to a string does not fail.
    let _ = write!(out, ",\"{name}\":{value}");
}

/// A record with these fields, or all.
pub(crate) fn fields(version: &str, object: &str, record: &Record, names: &[String]) -> String {
    let mut out = opening(version, object, &record.id);
    for name in names {
        push(&mut out, name, record.get(name).as_ref());
    }
    out.push('}');
    out
}

/// A record with all its fields.
pub(crate) fn whole(inner: &Inner, object: &str, record: &Record) -> Option<String> {
    let described = inner.schema.object(object)?;
    let names: Vec<String> = described.fields.iter().map(|f| f.name.clone()).collect();
    Some(fields(super::version::NEWEST, object, record, &names))
}

/// The columns of a plan without children: their headers and where their values are.
pub(crate) fn columns(inner: &Inner, plan: &Plan) -> Vec<(String, Path)> {
    let mut columns = Vec::new();
    gather(inner, &plan.object, &plan.shape, "", &[], &mut columns);
    columns
}

fn gather(
    inner: &Inner,
    object: &str,
    shape: &Shape,
    before: &str,
    steps: &[String],
    columns: &mut Vec<(String, Path)>,
) {
    let Some(described) = inner.schema.object(object) else {
        return;
    };
    for part in &shape.parts {
        match part {
            Part::Field(name) => {
                if let Some(field) = described.field(name) {
                    let path = Path {
                        steps: steps.to_vec(),
                        field: field.name.clone(),
                        kind: field.kind,
                    };
                    columns.push((format!("{before}{name}"), path));
                }
            }
            Part::Parent {
                relationship,
                field,
                shape,
            } => {
                let target = described.field(field).and_then(|f| f.refers_to.first());
                let mut further = steps.to_vec();
                further.push(field.clone());
                let before = format!("{before}{relationship}.");
                let target = target.map_or("", String::as_str);
                gather(inner, target, shape, &before, &further, columns);
            }
            Part::Children { .. } => {}
        }
    }
}

/// A row of CSV values; empty ones are empty.
pub(crate) fn values(
    inner: &Inner,
    record: &Record,
    columns: &[(String, Path)],
    now: i64,
) -> Vec<String> {
    columns
        .iter()
        .map(|(_, path)| {
            value_at(inner, record, path, now).map_or_else(String::new, |held| held.plain())
        })
        .collect()
}
