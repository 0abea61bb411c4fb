//! Which records a plan finds, and in which order.
//!
//! Invariant: a query without deleted records sees none, also not over references, and every query sees only versions that are visible.

use std::cmp::Ordering;

use super::parse::Operator;
use super::resolve::{Path, Plan, Test, named};
use crate::salesforce::held::{Held, fold};
use crate::salesforce::id;
use crate::salesforce::inner::Inner;
use crate::salesforce::record::Record;
use crate::salesforce::schema::FieldKind;

/// The records of a plan: `all` counts the recycle bin in; `within` keeps to the children of a record.
pub(crate) fn collect<'a>(
    inner: &'a Inner,
    plan: &Plan,
    all: bool,
    now: i64,
    within: Option<(&str, &str)>,
) -> Vec<&'a Record> {
    let mut found: Vec<&Record> = inner
        .table(&plan.object)
        .filter_map(|record| record.visible(now))
        .filter(|record| match record.deleted_at {
            None => true,
            Some(_) => all && Inner::in_bin(record, now),
        })
        .filter(|record| within.is_none_or(|(field, parent)| record.text(field) == Some(parent)))
        .filter(|record| {
            plan.test
                .as_ref()
                .is_none_or(|test| passes(inner, record, test, now))
        })
        .collect();
    if !plan.order.is_empty() {
        let mut keyed: Vec<(Vec<Option<Held>>, &Record)> = found
            .into_iter()
            .map(|record| {
                let key = plan
                    .order
                    .iter()
                    .map(|(path, ..)| value_at(inner, record, path, now));
                (key.collect(), record)
            })
            .collect();
        keyed.sort_by(|(a, _), (b, _)| {
            plan.order
                .iter()
                .zip(a.iter().zip(b))
                .map(|((path, descending, nulls_last), (a, b))| {
                    sorted(path.kind, a.as_ref(), b.as_ref(), *descending, *nulls_last)
                })
                .find(|order| *order != Ordering::Equal)
                .unwrap_or(Ordering::Equal)
        });
        found = keyed.into_iter().map(|(_, record)| record).collect();
    }
    let found = found.into_iter().skip(plan.offset);
    found.take(plan.limit.unwrap_or(usize::MAX)).collect()
}

/// The value a path leads to.
pub(crate) fn value_at(inner: &Inner, record: &Record, path: &Path, now: i64) -> Option<Held> {
    let mut record = record;
    for step in &path.steps {
        record = parent(inner, record, step, now)?;
    }
    record.get(&path.field)
}

/// The record a reference leads to, when queries see it.
pub(crate) fn parent<'a>(
    inner: &'a Inner,
    record: &Record,
    field: &str,
    now: i64,
) -> Option<&'a Record> {
    let target = record.get(field)?;
    inner.by_id(target.text()?)?.1.visible(now)
}

fn sorted(
    kind: FieldKind,
    a: Option<&Held>,
    b: Option<&Held>,
    descending: bool,
    nulls_last: bool,
) -> Ordering {
    match (a, b) {
        (None, None) => Ordering::Equal,
        (None, Some(_)) if nulls_last => Ordering::Greater,
        (None, Some(_)) => Ordering::Less,
        (Some(_), None) if nulls_last => Ordering::Less,
        (Some(_), None) => Ordering::Greater,
        (Some(a), Some(b)) => {
            let order = order(kind, a, b).unwrap_or(Ordering::Equal);
            if descending { order.reverse() } else { order }
        }
    }
}

/// Ids differ by case; other text does not.
fn order(kind: FieldKind, a: &Held, b: &Held) -> Option<Ordering> {
    match (kind, a, b) {
        (FieldKind::Id | FieldKind::Reference, Held::Text(a), Held::Text(b)) => {
            Some(id::short(a).cmp(id::short(b)))
        }
        _ => a.order(b),
    }
}

fn passes(inner: &Inner, record: &Record, test: &Test, now: i64) -> bool {
    match test {
        Test::All(tests) => tests.iter().all(|test| passes(inner, record, test, now)),
        Test::Any(tests) => tests.iter().any(|test| passes(inner, record, test, now)),
        Test::Not(test) => !passes(inner, record, test, now),
        Test::Compare {
            path,
            operator,
            values,
        } => {
            let held = value_at(inner, record, path, now);
            let equal = |value: &Option<Held>| match (&held, value) {
                (None, None) => true,
                (Some(held), Some(value)) => order(path.kind, held, value) == Some(Ordering::Equal),
                _ => false,
            };
            let among = || {
                if path.kind.is_id() {
                    let held = named(&held);
                    return values
                        .binary_search_by(|value| named(value).cmp(&held))
                        .is_ok();
                }
                values.iter().any(equal)
            };
            let ordered = |wanted: &[Ordering]| {
                let pair = held.as_ref().zip(values.first().and_then(Option::as_ref));
                pair.and_then(|(held, value)| order(path.kind, held, value))
                    .is_some_and(|order| wanted.contains(&order))
            };
            match operator {
                Operator::Equal | Operator::In => among(),
                Operator::NotEqual | Operator::NotIn => !among(),
                Operator::Less => ordered(&[Ordering::Less]),
                Operator::LessOrEqual => ordered(&[Ordering::Less, Ordering::Equal]),
                Operator::Greater => ordered(&[Ordering::Greater]),
                Operator::GreaterOrEqual => ordered(&[Ordering::Greater, Ordering::Equal]),
                Operator::Like => held
                    .as_ref()
                    .and_then(Held::text)
                    .zip(values.first().and_then(Option::as_ref).and_then(Held::text))
                    .is_some_and(|(text, pattern)| like(&fold(text), &fold(pattern))),
            }
        }
    }
}

/// `%` is any text, `_` any character, a backslash takes their meaning away.
fn like(text: &str, pattern: &str) -> bool {
    let text: Vec<char> = text.chars().collect();
    let mut wanted = Vec::new();
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        wanted.push(match c {
            '\\' => (chars.next().unwrap_or('\\'), false),
            '%' | '_' => (c, true),
            other => (other, false),
        });
    }
    // reachable[n]: the first n characters of the text match what has been read of the pattern.
    let mut reachable = vec![false; text.len() + 1];
    if let Some(start) = reachable.first_mut() {
        *start = true;
    }
    for (c, special) in wanted {
        let mut next = vec![false; reachable.len()];
        let mut any = false;
        for (n, place) in next.iter_mut().enumerate() {
            let here = reachable.get(n).copied().unwrap_or(false);
            any |= here;
            let before = n.checked_sub(1);
            let one = before.is_some_and(|n| reachable.get(n).copied().unwrap_or(false));
            let same = before
                .and_then(|n| text.get(n))
                .is_some_and(|known| *known == c);
            *place = match (special, c) {
                (true, '%') => any,
                (true, _) => one,
                (false, _) => one && same,
            };
        }
        reachable = next;
    }
    reachable.last().copied().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::like;

    #[test]
    fn patterns_match_whole_texts() {
        for (text, pattern, matches) in [
            ("acme inc", "acme%", true),
            ("acme inc", "%inc", true),
            ("acme inc", "acme", false),
            ("acme", "a__e", true),
            ("100%", "100\\%", true),
            ("1000", "100\\%", false),
            ("", "%", true),
            ("abc", "%b%", true),
            ("abc", "%d%", false),
        ] {
            assert_eq!(like(text, pattern), matches, "{text} like {pattern}");
        }
    }
}
