//! Queries over REST: pages, and the cursors behind `nextRecordsUrl`.
//!
//! Owns: the cursors, in memory only: after a restart, or when ten newer ones exist, a cursor is no longer known, as at the vendor.
//! Invariant: the pages of one cursor list the records found at its beginning, each once; what has vanished since is left out.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::Value;

use super::Org;
use super::answer::{Refusal, json_text};
use super::gate::Version;
use super::inner::Inner;
use super::shown::View;
use super::soql::{Plan, collect, parse, resolve};
use crate::params::Params;

/// A user has this many open cursors; the next one ends the oldest.
const CURSORS: usize = 10;
/// A page cannot be asked to be smaller.
const SMALLEST: usize = 200;

/// The rest of a query.
#[derive(Debug)]
struct Cursor {
    name: String,
    plan: Plan,
    ids: Vec<String>,
    page: usize,
    all: bool,
}

/// The open cursors.
#[derive(Debug, Default)]
pub(crate) struct Cursors {
    open: Mutex<VecDeque<Arc<Cursor>>>,
}

impl Cursors {
    fn open(&self, cursor: Arc<Cursor>) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.push_back(cursor);
        while open.len() > CURSORS {
            open.pop_front();
        }
    }

    fn find(&self, name: &str) -> Option<Arc<Cursor>> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.iter().find(|cursor| cursor.name == name).cloned()
    }
}

pub(crate) fn routes(config: &mut web::ServiceConfig) {
    for path in ["query", "query/"] {
        let path = format!("/services/data/v{{version}}/{path}");
        config.route(&path, web::get().to(query));
    }
    for path in ["queryAll", "queryAll/"] {
        let path = format!("/services/data/v{{version}}/{path}");
        config.route(&path, web::get().to(query_all));
    }
    for path in ["query", "queryAll"] {
        let path = format!("/services/data/v{{version}}/{path}/{{cursor}}");
        config.route(&path, web::get().to(more));
    }
}

async fn query(
    org: web::Data<Org>,
    request: HttpRequest,
    version: Version,
) -> Result<HttpResponse, Refusal> {
    first(&org, &request, &version.0, false)
}

async fn query_all(
    org: web::Data<Org>,
    request: HttpRequest,
    version: Version,
) -> Result<HttpResponse, Refusal> {
    first(&org, &request, &version.0, true)
}

/// Makes a plan of a query's text.
pub(crate) fn plan(inner: &Inner, text: &str) -> Result<Plan, Refusal> {
    let query = parse(text)?;
    Ok(resolve(&inner.schema, &query)?)
}

fn first(
    org: &Org,
    request: &HttpRequest,
    version: &str,
    all: bool,
) -> Result<HttpResponse, Refusal> {
    let params = Params::of(request);
    let text = params.get("q").unwrap_or_default();
    let page = page_size(org, request)?;
    let inner = org.store.read();
    let plan = plan(&inner, text)?;
    let now = org.clock.now_ms();
    let found: Vec<String> = collect(&inner, &plan, all, now, None)
        .into_iter()
        .map(|record| record.id.clone())
        .collect();
    if plan.count {
        let total = found.len();
        return Ok(json_text(format!(
            "{{\"totalSize\":{total},\"done\":true,\"records\":[]}}"
        )));
    }
    let cursor = Arc::new(Cursor {
        name: org.fresh_record_id("01g"),
        plan,
        ids: found,
        page,
        all,
    });
    if cursor.ids.len() > page {
        org.cursors.open(Arc::clone(&cursor));
    }
    Ok(page_of(&inner, version, &cursor, 0, now))
}

fn page_size(org: &Org, request: &HttpRequest) -> Result<usize, Refusal> {
    let most = org.limits.query_page.max(1);
    let Some(options) = request.headers().get("sforce-query-options") else {
        return Ok(most);
    };
    let size = options
        .to_str()
        .ok()
        .and_then(|text| text.trim().strip_prefix("batchSize="))
        .and_then(|size| size.parse::<usize>().ok())
        .ok_or_else(|| {
            Refusal::new(
                StatusCode::BAD_REQUEST,
                "INVALID_PARAMETER",
                "Sforce-Query-Options cannot be understood",
            )
        })?;
    Ok(size.clamp(SMALLEST, 2000).min(most))
}

async fn more(
    org: web::Data<Org>,
    path: web::Path<(String, String)>,
    version: Version,
) -> Result<HttpResponse, Refusal> {
    let unknown = || {
        Refusal::new(
            StatusCode::BAD_REQUEST,
            "INVALID_QUERY_LOCATOR",
            "invalid query locator",
        )
    };
    let (name, start) = path.1.rsplit_once('-').ok_or_else(unknown)?;
    let start: usize = start.parse().map_err(|_| unknown())?;
    let cursor = org.cursors.find(name).ok_or_else(unknown)?;
    if start >= cursor.ids.len() {
        return Err(unknown());
    }
    let inner = org.store.read();
    Ok(page_of(
        &inner,
        &version.0,
        &cursor,
        start,
        org.clock.now_ms(),
    ))
}

fn page_of(inner: &Inner, version: &str, cursor: &Cursor, start: usize, now: i64) -> HttpResponse {
    let view = View {
        inner,
        version,
        all: cursor.all,
        now,
    };
    let plan = &cursor.plan;
    let rows: Vec<String> = cursor
        .ids
        .iter()
        .skip(start)
        .take(cursor.page)
        .filter_map(|id| inner.record(&plan.object, id)?.visible(now))
        .map(|record| view.row(&plan.object, &plan.shape, record))
        .collect();
    let end = start + cursor.page;
    let total = cursor.ids.len();
    let next = if end < total {
        let resource = if cursor.all { "queryAll" } else { "query" };
        let url = format!("/services/data/v{version}/{resource}/{}-{end}", cursor.name);
        format!(",\"nextRecordsUrl\":{}", Value::from(url))
    } else {
        String::new()
    };
    json_text(format!(
        "{{\"totalSize\":{total},\"done\":{}{next},\"records\":[{}]}}",
        end >= total,
        rows.join(",")
    ))
}
