//! Bulk API 2.0 query jobs: made, worked on over time, and read as CSV page by page.
//!
//! Owns: the jobs, in memory only. Invariant: the rows of a job are those found when its work ended, however many pages are asked for,
//! and each page begins with the header.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, web};
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Org;
use super::answer::{Refusal, read_json};
use super::gate::Version;
use super::held::instant;
use super::query;
use super::shown;
use super::soql::{Part, Plan, collect};
use crate::params::Params;

/// A job.
#[derive(Debug, Clone)]
struct Job {
    id: String,
    operation: String,
    plan: Plan,
    version: String,
    created_at: i64,
    aborted: bool,
    rows: Option<Rows>,
}

/// The finished work: a header and rows, as values.
#[derive(Debug, Clone)]
struct Rows {
    header: Vec<String>,
    values: Vec<Vec<String>>,
}

/// The jobs of the org.
#[derive(Debug, Default)]
pub(crate) struct Bulk {
    jobs: Mutex<BTreeMap<String, Job>>,
}

impl Bulk {
    pub(crate) fn count(&self) -> usize {
        self.jobs
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .len()
    }

    /// Looks at a job, after doing its work when its time has come.
    fn with<T>(&self, org: &Org, id: &str, look: impl FnOnce(&mut Job) -> T) -> Result<T, Refusal> {
        let mut jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        let id = super::id::parse(id).ok_or_else(Refusal::not_found)?;
        let job = jobs.get_mut(&id).ok_or_else(Refusal::not_found)?;
        if job.rows.is_none() && job.state(org) == "JobComplete" {
            job.rows = Some(work(org, job));
        }
        Ok(look(job))
    }
}

impl Job {
    fn state(&self, org: &Org) -> &'static str {
        let takes = i64::try_from(org.limits.bulk_job.as_millis()).unwrap_or(i64::MAX);
        let passed = org.clock.now_ms() - self.created_at;
        match () {
            () if self.aborted => "Aborted",
            () if passed >= takes => "JobComplete",
            () if passed >= takes / 2 => "InProgress",
            () => "UploadComplete",
        }
    }

    fn shown(&self, org: &Org) -> Value {
        let created = instant(self.created_at);
        let version: f64 = self.version.parse().unwrap_or(68.0);
        let mut shown = json!({
            "id": self.id,
            "operation": self.operation,
            "object": self.plan.object,
            "createdById": org.user_id(),
            "createdDate": created,
            "systemModstamp": created,
            "state": self.state(org),
            "concurrencyMode": "Parallel",
            "contentType": "CSV",
            "apiVersion": version,
            "lineEnding": "LF",
            "columnDelimiter": "COMMA",
        });
        if let (Some(rows), Some(object)) = (&self.rows, shown.as_object_mut()) {
            object.insert(
                "numberRecordsProcessed".to_owned(),
                json!(rows.values.len()),
            );
            object.insert("retries".to_owned(), json!(0));
            object.insert("isPkChunkingSupported".to_owned(), json!(false));
        }
        shown
    }
}

fn work(org: &Org, job: &Job) -> Rows {
    let inner = org.store.read();
    let now = org.clock.now_ms();
    let columns = shown::columns(&inner, &job.plan);
    let all = job.operation == "queryAll";
    Rows {
        header: columns.iter().map(|(name, _)| name.clone()).collect(),
        values: collect(&inner, &job.plan, all, now, None)
            .into_iter()
            .map(|record| shown::values(&inner, record, &columns, now))
            .collect(),
    }
}

pub(crate) fn routes(config: &mut web::ServiceConfig) {
    let base = "/services/data/v{version}/jobs/query";
    config
        .route(base, web::post().to(create))
        .route(base, web::get().to(list))
        .route(&format!("{base}/{{id}}"), web::get().to(show))
        .route(&format!("{base}/{{id}}"), web::patch().to(abort))
        .route(&format!("{base}/{{id}}"), web::delete().to(delete))
        .route(&format!("{base}/{{id}}/results"), web::get().to(results));
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Asked {
    operation: String,
    query: String,
    #[serde(default)]
    content_type: Option<String>,
    #[serde(default)]
    column_delimiter: Option<String>,
    #[serde(default)]
    line_ending: Option<String>,
}

fn bad(code: &str, message: &str) -> Refusal {
    Refusal::new(StatusCode::BAD_REQUEST, code, message)
}

async fn create(
    org: web::Data<Org>,
    body: web::Bytes,
    version: Version,
) -> Result<HttpResponse, Refusal> {
    let asked: Asked = read_json(&body)?;
    if !matches!(asked.operation.as_str(), "query" | "queryAll") {
        return Err(bad("INVALIDJOB", "operation must be query or queryAll"));
    }
    let only = |given: Option<&str>, one: &str| given.is_none_or(|given| given == one);
    if !only(asked.content_type.as_deref(), "CSV")
        || !only(asked.column_delimiter.as_deref(), "COMMA")
        || !only(asked.line_ending.as_deref(), "LF")
    {
        return Err(bad(
            "INVALIDJOB",
            "the sandbox gives CSV with commas and LF",
        ));
    }
    let plan = query::plan(&org.store.read(), &asked.query)?;
    let nested = plan
        .shape
        .parts
        .iter()
        .any(|part| matches!(part, Part::Children { .. }));
    if nested || plan.count || plan.offset > 0 {
        return Err(bad(
            "INVALIDJOB",
            "Nested queries, aggregate functions and OFFSET are not supported in Bulk API 2.0 queries",
        ));
    }
    let job = Job {
        id: org.fresh_record_id("750"),
        operation: asked.operation,
        plan,
        version: version.0,
        created_at: org.clock.now_ms(),
        aborted: false,
        rows: None,
    };
    let shown = job.shown(&org);
    org.bulk
        .jobs
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .insert(job.id.clone(), job);
    Ok(HttpResponse::Ok().json(shown))
}

async fn list(org: web::Data<Org>) -> HttpResponse {
    let jobs = org.bulk.jobs.lock().unwrap_or_else(PoisonError::into_inner);
    let all: Vec<Value> = jobs.values().map(|job| job.shown(&org)).collect();
    HttpResponse::Ok().json(json!({"done": true, "records": all, "nextRecordsUrl": null}))
}

async fn show(
    org: web::Data<Org>,
    path: web::Path<(String, String)>,
) -> Result<HttpResponse, Refusal> {
    let shown = org.bulk.with(&org, &path.1, |job| job.shown(&org))?;
    Ok(HttpResponse::Ok().json(shown))
}

#[derive(Debug, Deserialize)]
struct Change {
    state: String,
}

async fn abort(
    org: web::Data<Org>,
    path: web::Path<(String, String)>,
    body: web::Bytes,
) -> Result<HttpResponse, Refusal> {
    let change: Change = read_json(&body)?;
    if change.state != "Aborted" {
        return Err(bad("INVALIDJOBSTATE", "a query job can only be aborted"));
    }
    let shown = org.bulk.with(&org, &path.1, |job| {
        if job.rows.is_some() {
            return Err(bad(
                "INVALIDJOBSTATE",
                "Aborting an already completed job is not allowed",
            ));
        }
        job.aborted = true;
        Ok(job.shown(&org))
    })??;
    Ok(HttpResponse::Ok().json(shown))
}

async fn delete(
    org: web::Data<Org>,
    path: web::Path<(String, String)>,
) -> Result<HttpResponse, Refusal> {
    let finished = org
        .bulk
        .with(&org, &path.1, |job| job.aborted || job.rows.is_some())?;
    if !finished {
        return Err(bad("INVALIDJOBSTATE", "only finished jobs can be deleted"));
    }
    let id = super::id::parse(&path.1).unwrap_or_default();
    org.bulk
        .jobs
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .remove(&id);
    Ok(HttpResponse::NoContent().finish())
}

async fn results(
    org: web::Data<Org>,
    request: HttpRequest,
    path: web::Path<(String, String)>,
) -> Result<HttpResponse, Refusal> {
    let params = Params::of(&request);
    let most = match params.get("maxRecords") {
        None => org.limits.bulk_page.max(1),
        Some(text) => match text.parse::<usize>() {
            Ok(most) if most > 0 => most,
            _ => {
                return Err(bad(
                    "INVALID_PARAMETER",
                    "maxRecords must be a positive number",
                ));
            }
        },
    };
    let start = match params.get("locator") {
        None | Some("") => 0,
        Some(locator) => read_locator(locator)
            .ok_or_else(|| bad("INVALID_QUERY_LOCATOR", "invalid query locator"))?,
    };
    org.bulk.with(&org, &path.1, |job| match &job.rows {
        None => Err(bad(
            "INVALIDJOBSTATE",
            "The job has no results: it is not complete",
        )),
        Some(rows) => page(rows, start, most),
    })?
}

fn page(rows: &Rows, start: usize, most: usize) -> Result<HttpResponse, Refusal> {
    let shown: Vec<&Vec<String>> = rows.values.iter().skip(start).take(most).collect();
    let mut out = csv::WriterBuilder::new()
        .quote_style(csv::QuoteStyle::Always)
        .from_writer(Vec::new());
    let written = out.write_record(&rows.header).and_then(|()| {
        shown
            .iter()
            .try_for_each(|row| out.write_record(row.iter()))
    });
    let body = written.ok().and_then(|()| out.into_inner().ok());
    let body = body.ok_or_else(|| bad("UNKNOWN_EXCEPTION", "the rows could not be written"))?;
    let end = start + shown.len();
    let locator = if end < rows.values.len() {
        STANDARD_NO_PAD.encode(end.to_string())
    } else {
        "null".to_owned()
    };
    let mut answer = HttpResponse::Ok()
        .content_type("text/csv; charset=UTF-8")
        .body(body);
    let headers = answer.headers_mut();
    for (name, text) in [
        ("sforce-locator", locator),
        ("sforce-numberofrecords", shown.len().to_string()),
    ] {
        if let Ok(value) = HeaderValue::from_str(&text) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
    Ok(answer)
}

fn read_locator(text: &str) -> Option<usize> {
    let bytes = STANDARD_NO_PAD.decode(text).ok()?;
    String::from_utf8(bytes).ok()?.parse().ok()
}
