//! Search: filters, order, the window of 10,000, and an index that lags behind the records.
//!
//! Owns: the request's checks and the answer. Refuses: pages above 200, a window past 10,000, unknown properties and operators.
//! Invariant: archived records and associations are never part of an answer; equal sort keys come in no useful order.

use actix_web::{HttpResponse, web};
use serde::Deserialize;
use serde_json::Value;

use super::Portal;
use super::answer::{Refusal, read_json, read_kind};
use super::filter::{Compiled, Field, Filter};
use super::gate::Caller;
use super::inner::Inner;
use super::kind::Kind;
use super::record::View;
use super::shown::{Page, Shown, Wanted};

/// The vendor's window: nothing behind this many results can be read by paging.
const WINDOW: usize = 10_000;
const MAX_LIMIT: usize = 200;
const MAX_GROUPS: usize = 5;
const MAX_FILTERS: usize = 6;
const MAX_FILTERS_IN_ALL: usize = 18;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request {
    #[serde(default)]
    filter_groups: Vec<Group>,
    #[serde(default)]
    sorts: Vec<Sort>,
    #[serde(default)]
    properties: Vec<String>,
    #[serde(default)]
    limit: Option<usize>,
    #[serde(default)]
    after: Value,
    #[serde(default)]
    query: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Group {
    filters: Vec<Filter>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Sort {
    Name(String),
    #[serde(rename_all = "camelCase")]
    Full {
        property_name: String,
        #[serde(default)]
        direction: Option<String>,
    },
}

pub(crate) async fn search(
    portal: web::Data<Portal>,
    path: web::Path<String>,
    body: web::Bytes,
    caller: Caller,
) -> Result<HttpResponse, Refusal> {
    let kind = read_kind(&path)?;
    caller.read(kind)?;
    let request: Request = read_json(&body)?;
    let limit = request.limit.unwrap_or(10);
    if limit == 0 || limit > MAX_LIMIT {
        return Err(Refusal::validation(format!(
            "Invalid page size: {limit}. Page size must be between 1 and {MAX_LIMIT}."
        )));
    }
    let offset = offset(&request.after)?;
    if offset + limit > WINDOW {
        return Err(Refusal::validation(format!(
            "The total number of results that can be paged through is {WINDOW}; after {offset} with limit {limit} is beyond."
        )));
    }
    check_groups(&request.filter_groups)?;
    let now = portal.store.now();
    let inner = portal.store.read();
    let groups: Vec<Vec<Compiled>> = request
        .filter_groups
        .iter()
        .map(|group| {
            group
                .filters
                .iter()
                .map(|filter| Compiled::new(&inner.schema, kind, filter))
                .collect()
        })
        .collect::<Result<_, _>>()?;
    let words = request.query.as_deref().unwrap_or_default().to_lowercase();
    let mut found = matching(&inner, kind, now, &groups, &words);
    let total = found.len();
    sort(&inner, kind, &request.sorts, &mut found)?;
    let wanted = Wanted::of(&inner, kind, request.properties.iter().map(String::as_str));
    let results: Vec<Shown<'_>> = found
        .iter()
        .skip(offset)
        .take(limit)
        .map(|view| Shown::plain(*view, &wanted))
        .collect();
    let next = (offset + limit < total).then(|| ((offset + limit).to_string(), None));
    Ok(HttpResponse::Ok().json(Page {
        total: Some(total),
        results,
        next,
    }))
}

fn offset(after: &Value) -> Result<usize, Refusal> {
    let parsed = match after {
        Value::Null => Some(0),
        Value::String(text) if text.is_empty() => Some(0),
        Value::String(text) => text.parse().ok(),
        Value::Number(number) => number.as_u64().and_then(|n| usize::try_from(n).ok()),
        _ => None,
    };
    parsed
        .filter(|offset| *offset <= usize::MAX / 2)
        .ok_or_else(|| Refusal::validation(format!("after is not a valid offset: {after}")))
}

fn check_groups(groups: &[Group]) -> Result<(), Refusal> {
    let all: usize = groups.iter().map(|group| group.filters.len()).sum();
    if groups.len() > MAX_GROUPS
        || all > MAX_FILTERS_IN_ALL
        || groups.iter().any(|group| group.filters.len() > MAX_FILTERS)
    {
        return Err(Refusal::validation(format!(
            "A search may have {MAX_GROUPS} filter groups of {MAX_FILTERS} filters, {MAX_FILTERS_IN_ALL} in all."
        )));
    }
    Ok(())
}

fn matching<'a>(
    inner: &'a Inner,
    kind: Kind,
    now: i64,
    groups: &[Vec<Compiled>],
    words: &str,
) -> Vec<View<'a>> {
    let shelf = inner.shelf(kind);
    let fits = |view: &View<'_>| {
        (groups.is_empty()
            || groups
                .iter()
                .any(|group| group.iter().all(|f| f.fits(view))))
            && (words.is_empty() || mentions(view, words))
    };
    // Records the index has caught up with can be found by their present values, through the index on the time of change.
    let settled = |id: &u64| !shelf.lagging.contains_key(id);
    let mut found: Vec<View<'a>> = Vec::new();
    let bounds = match groups {
        [only] => modified_bounds(only),
        _ => None,
    };
    match bounds {
        Some((low, high)) if low <= high => found.extend(
            shelf
                .modified
                .range((low, 0)..=(high, u64::MAX))
                .filter(|(_, id)| settled(id))
                .filter_map(|(_, id)| shelf.live.get(id))
                .map(|record| record.view(kind))
                .filter(&fits),
        ),
        Some(_) => {}
        None => found.extend(
            shelf
                .live
                .values()
                .filter(|record| settled(&record.id))
                .map(|record| record.view(kind))
                .filter(&fits),
        ),
    }
    // The others are seen as the index still holds them, or not at all.
    found.extend(
        shelf
            .lagging
            .keys()
            .filter_map(|id| shelf.live.get(id))
            .filter_map(|record| record.indexed_view(kind, now))
            .filter(&fits),
    );
    found
}

/// The times of change a group of filters allows, when it bounds them.
fn modified_bounds(group: &[Compiled]) -> Option<(i64, i64)> {
    group
        .iter()
        .filter_map(Compiled::modified_bounds)
        .reduce(|(low, high), (l, h)| (low.max(l), high.min(h)))
}

fn mentions(view: &View<'_>, words: &str) -> bool {
    view.kind.default_properties().iter().any(|name| {
        view.properties
            .get(name)
            .is_some_and(|value| value.to_lowercase().contains(words))
    })
}

fn sort(inner: &Inner, kind: Kind, sorts: &[Sort], found: &mut [View<'_>]) -> Result<(), Refusal> {
    let Some(first) = sorts.first() else {
        found.sort_unstable_by_key(|view| view.id);
        return Ok(());
    };
    if sorts.len() > 1 {
        return Err(Refusal::validation("Only one sort is supported."));
    }
    let (name, descending) = match first {
        Sort::Name(name) => match name.strip_prefix('-') {
            Some(name) => (name, true),
            None => (name.as_str(), false),
        },
        Sort::Full {
            property_name,
            direction,
        } => match direction.as_deref() {
            None | Some("ASCENDING") => (property_name.as_str(), false),
            Some("DESCENDING") => (property_name.as_str(), true),
            Some(other) => {
                return Err(Refusal::validation(format!("Unknown direction: {other}")));
            }
        },
    };
    let field = Field::new(&inner.schema, kind, name)?;
    // Equal keys come in an order that only looks random: a client must not lean on it.
    let scattered = |view: &View<'_>| view.id.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    found.sort_unstable_by(|a, b| {
        let order = field.order(a, b);
        let order = if descending { order.reverse() } else { order };
        order.then_with(|| scattered(a).cmp(&scattered(b)))
    });
    Ok(())
}
