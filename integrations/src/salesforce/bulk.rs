//! Everything, by a bulk job.
//!
//! Owns: starting a job, waiting for it, and reading its result. Refuses: to wait in a call: a job that runs is a page without records and a time to
//! come back. Invariant: a result that breaks off is an error and never an end: Salesforce says how many records a page holds and where the next
//! begins, and both are held against what came.
//!
//! A result is a table of texts, in which null and the empty text are the same; [`super::row`] makes of it what a query would have shown.

use super::{
    Salesforce,
    cursor::Position,
    descriptor::Object,
    everything::{limit, rest},
    id,
    map::Reading,
    row::{self, Row},
    shape::{Selection, Shape},
    soql::Query,
    wire::{self, JobBody, clipped},
};
use crate::{
    connector::{Context, Next, Page, PageRequest},
    error::{ConnectorError, Result},
    http::{Answer, Call},
    record::MalformedRecord,
};
use http::{HeaderValue, Method, header};
use serde_json::{Value, json};
use std::time::Duration;

/// How long to leave a job alone that runs, in milliseconds: at least, and at most.
const PATIENCE_MS: (i64, i64) = (1_000, 10_000);
/// A job that has not ended by then is left to itself, and the records are read by queries.
const LONGEST_MS: i64 = 6 * 3_600_000;

const LOCATOR: &str = "sforce-locator";
const COUNT: &str = "sforce-numberofrecords";

impl Salesforce {
    /// Starts a job over the fields a query would ask for, and answers its id.
    pub(super) async fn start_job(
        &self,
        ctx: &Context<'_>,
        object: Object,
        wanted: &[String],
    ) -> Result<String> {
        let shape = self.shape(ctx, object.name).await?;
        let selection = Selection::of(object, &shape, wanted);
        let soql = Query::new(&selection.columns, object.name).text();
        let body = json!({"operation": "query", "query": soql});
        let answer = self
            .put_json(ctx, Method::POST, "jobs/query", &body)
            .await?;
        let job: JobBody = wire::read(&answer.body)?;
        id::long(&job.id)
            .ok_or_else(|| ConnectorError::schema("a bulk job comes without a readable id"))
    }

    /// A page without records, and a time to come back.
    pub(super) fn waiting(position: &Position, ran_ms: i64) -> Result<Page> {
        // Half as long again as it has run: a short job is not waited for, and a long one not asked about all the time.
        let (least, most) = PATIENCE_MS;
        let patience = (ran_ms / 2).clamp(least, most);
        Ok(Page {
            wait: Some(Duration::from_millis(patience.unsigned_abs())),
            ..Reading::default().page(Next::More(position.write()?))
        })
    }

    /// One page of a job's result, once there is one.
    pub(super) async fn bulk(
        &self,
        ctx: &Context<'_>,
        object: Object,
        request: &PageRequest<'_>,
        (job, locator, started_ms): (String, Option<String>, i64),
    ) -> Result<Page> {
        // It becomes part of a path.
        let Some(job) = id::long(&job) else {
            return Err(lost("it names no job"));
        };
        if locator.is_none() {
            let answer = match self.get(ctx, &format!("jobs/query/{job}"), &[]).await {
                Err(ConnectorError::NotFound { what }) => return Err(lost(&what)),
                other => other?,
            };
            let now_ms = answer.vendor_now_ms().unwrap_or(request.now_ms);
            let state = wire::read::<JobBody>(&answer.body)?.state;
            let by_queries = match state.as_str() {
                "JobComplete" => false,
                "UploadComplete" | "InProgress" => {
                    let ran_ms = now_ms.saturating_sub(started_ms);
                    if ran_ms < LONGEST_MS {
                        let position = Position::Bulk {
                            job,
                            locator,
                            started_ms,
                        };
                        return Self::waiting(&position, ran_ms);
                    }
                    true
                }
                "Failed" | "Aborted" => true,
                other => {
                    return Err(ConnectorError::schema(format!(
                        "a bulk job is in the state {:?}, which is unknown here",
                        clipped(other)
                    )));
                }
            };
            if by_queries {
                tracing::warn!(
                    object = object.name,
                    job,
                    state,
                    "a bulk job came to nothing; the records are read by queries"
                );
                let position = Position::All {
                    last_id: String::new(),
                    started_ms,
                };
                return Ok(Reading::default().page(Next::More(position.write()?)));
            }
        }
        let answer = self
            .results(ctx, &job, locator.as_deref(), limit(request))
            .await?;
        let next = match (answer.header(LOCATOR), locator) {
            (None, _) => {
                return Err(ConnectorError::schema(
                    "a bulk job's result does not say how it goes on",
                ));
            }
            (Some("null"), _) => Next::CaughtUp(rest(started_ms).write()?),
            (Some(next), before) => {
                if before.as_deref() == Some(next) {
                    return Err(ConnectorError::schema(
                        "a bulk job answers the same page of its result again",
                    ));
                }
                let locator = Some(next.to_owned());
                Next::More(
                    Position::Bulk {
                        job,
                        locator,
                        started_ms,
                    }
                    .write()?,
                )
            }
        };
        let shape = self.shape(ctx, object.name).await?;
        let selection = Selection::of(object, &shape, request.fields);
        let rows = rows(&shape, &answer)?;
        let mut reading = Reading::of(ctx, object, &selection, rows.into_iter());
        self.tie(ctx, &mut reading.records).await?;
        Ok(reading.page(next))
    }

    async fn results(
        &self,
        ctx: &Context<'_>,
        job: &str,
        locator: Option<&str>,
        most: usize,
    ) -> Result<Answer> {
        let mut url = self.address(ctx, &format!("jobs/query/{job}/results"))?;
        url.query_pairs_mut()
            .append_pair("maxRecords", &most.to_string());
        if let Some(locator) = locator {
            url.query_pairs_mut().append_pair("locator", locator);
        }
        let call = Call::get(url).header(header::ACCEPT, HeaderValue::from_static("text/csv"));
        match self.send(ctx, call).await {
            // Its result is kept for some days, and then it is gone.
            Err(ConnectorError::NotFound { what }) => Err(lost(&what)),
            other => other,
        }
    }
}

fn lost(why: &str) -> ConnectorError {
    ConnectorError::CursorExpired {
        message: format!("the bulk job is gone: {why}"),
    }
}

/// The rows of a result. One that does not fit its head is one bad record.
fn rows(shape: &Shape, answer: &Answer) -> Result<Vec<Result<Row, MalformedRecord>>> {
    let told: usize = answer
        .header(COUNT)
        .and_then(|text| text.trim().parse().ok())
        .ok_or_else(|| {
            ConnectorError::schema("a bulk job's result does not say how many records it holds")
        })?;
    let mut reader = csv::ReaderBuilder::new()
        .flexible(true)
        .from_reader(answer.body.as_ref());
    let head = reader
        .headers()
        .map_err(|_| ConnectorError::schema("a bulk job's result has no readable head"))?
        .clone();
    if told > 0 && !head.iter().any(|column| column == "Id") {
        return Err(ConnectorError::schema(
            "a bulk job's result has no column of ids",
        ));
    }
    let mut rows = Vec::with_capacity(told.min(10_000));
    for record in reader.records() {
        rows.push(match record {
            Ok(record) if record.len() == head.len() => {
                Ok(row::of_texts(shape, head.iter().zip(record.iter())))
            }
            Ok(record) => Err(MalformedRecord {
                external_id: None,
                reason: format!("{} values for {} columns", record.len(), head.len()),
                raw: Value::Array(record.iter().map(Value::from).collect()),
            }),
            Err(error) => Err(MalformedRecord {
                external_id: None,
                reason: clipped(&error.to_string()),
                raw: Value::Null,
            }),
        });
    }
    if rows.len() != told {
        return Err(ConnectorError::transient(format!(
            "a bulk job's result holds {} records of {told}",
            rows.len()
        )));
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
    use super::*;
    use bytes::Bytes;
    use http::{HeaderMap, HeaderName};

    fn answer(count: &'static str, body: &'static str) -> Answer {
        let mut headers = HeaderMap::new();
        headers.insert(
            HeaderName::from_static(COUNT),
            HeaderValue::from_static(count),
        );
        Answer {
            status: 200,
            headers,
            body: Bytes::from_static(body.as_bytes()),
        }
    }

    #[test]
    fn a_table_is_read_whole_or_not_at_all() {
        let body = "\"Id\",\"Name\",\"NextStep\"\n\"001D000000IRFmaIAH\",\"Two\nlines, \"\"quoted\"\"\",\"\"\n\"001D000000IRFmbIAH\",\"B\"\n";
        let rows = rows(&Shape::default(), &answer("2", body)).unwrap();
        let first = rows[0].as_ref().unwrap();
        assert_eq!(row::value(first, "Name"), Some("Two\nlines, \"quoted\""));
        assert_eq!(first["NextStep"], None);
        assert_eq!(
            rows[1].as_ref().err().unwrap().reason,
            "2 values for 3 columns"
        );

        let code = |count, body| {
            super::rows(&Shape::default(), &answer(count, body))
                .err()
                .map(|error| error.code())
        };
        assert_eq!(
            code("3", body),
            Some("TRANSIENT"),
            "it was cut between two records"
        );
        assert_eq!(
            code("1", body),
            Some("TRANSIENT"),
            "there is more than was told"
        );
        assert_eq!(code("x", body), Some("UNEXPECTED_ANSWER"));
        assert_eq!(code("1", "<html>\nx\n"), Some("UNEXPECTED_ANSWER"));
        assert_eq!(code("0", ""), None);
        assert_eq!(code("0", "\"Id\",\"Name\"\n"), None);
    }
}
