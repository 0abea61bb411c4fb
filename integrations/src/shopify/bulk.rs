//! Reading everything by a bulk operation.
//!
//! Owns: starting one, waiting for it, and reading its file piece by piece. Refuses: to keep the address of the file, which opens without a
//! token: it is asked for anew with every piece. Invariant: what is read is counted in bytes of whole lines, so that after a restart reading
//! goes on with the next line.
//!
//! A file has no errors in it: what the shop denies would be null there. So one record is asked for beforehand the usual way, and what is
//! denied of it is left out of the query. An operation that fails at Shopify is followed by reading pages; one that was cancelled or has
//! expired begins the walk again.

use super::{
    Shopify,
    cursor::{Position, Walk},
    delta::LAG_MS,
    descriptor::{Object, PAGE},
    documents,
    jsonl::{self, Line},
    pull::Listing,
    reading::Reading,
    selection::{MOST_TRANSACTIONS, Selection},
    wire::{Identified, UserError, refused},
};
use crate::{
    connector::{Context, Mode, Next, Page, PageRequest},
    error::{ConnectorError, Result},
    http::{Answer, Call},
    record::MalformedRecord,
};
use http::{HeaderValue, header};
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Duration;
use url::Url;

/// How much of a file is asked for at once: some hundreds of records.
const PIECE: u64 = 512 << 10;
/// No line is longer than this.
const LONGEST_LINE: u64 = 8 << 20;
/// How long to wait before looking whether an operation is done, in milliseconds: at least, and at most.
const WAIT_MS: (i64, i64) = (1_000, 5_000);
const LONG_WAIT: Duration = Duration::from_secs(30);
/// An operation that has read more than this takes a while longer.
const MANY: u64 = 20_000;
/// How long to wait when the shop runs as many operations as it may.
const CROWDED: Duration = Duration::from_secs(60);

/// Where the next delta begins after this walk.
pub(super) fn rest(walk: &Walk) -> Result<Value> {
    Position::Rest {
        mark_ms: walk.started_ms.saturating_sub(LAG_MS),
    }
    .write()
}

#[derive(Deserialize)]
struct Begun {
    started: Started,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Started {
    bulk_operation: Option<Identified>,
    user_errors: Vec<UserError>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Looked {
    bulk_operation: Option<Operation>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Operation {
    status: String,
    error_code: Option<String>,
    /// A 64-bit number, written as text.
    object_count: Value,
    url: Option<String>,
}

/// A piece of a file.
struct Piece {
    bytes: bytes::Bytes,
    /// Whether the file ends with it.
    is_last: bool,
}

/// Half as long again as an operation has run: a short one is not waited for, and a long one not asked about all the time.
fn patience(ran_ms: i64) -> Duration {
    let (least, most) = WAIT_MS;
    Duration::from_millis((ran_ms / 2).clamp(least, most).unsigned_abs())
}

fn nothing_yet(position: &Position, wait: Option<Duration>) -> Result<Page> {
    Ok(Page {
        records: Vec::new(),
        malformed: Vec::new(),
        merged: Vec::new(),
        next: Next::More(position.write()?),
        wait,
    })
}

impl Shopify {
    /// Finds out what may be asked for, and starts an operation.
    pub(super) async fn begin_bulk(
        &self,
        ctx: &Context<'_>,
        object: &'static Object,
        request: &PageRequest<'_>,
    ) -> Result<Page> {
        let one = PageRequest {
            page_size: Some(1),
            ..*request
        };
        let listing = Listing {
            after: None,
            filter: None,
            sort: "ID",
            walk: None,
        };
        let mut listed = self.list(ctx, object, &one, listing).await?;
        listed.walk.size = PAGE;
        let notes = self.notes(ctx, object).await?;
        let mut page = self.start(ctx, object, request, listed.walk).await?;
        page.malformed.extend(notes);
        Ok(page)
    }

    /// Starts an operation, or waits until one may be started.
    async fn start(
        &self,
        ctx: &Context<'_>,
        object: &'static Object,
        request: &PageRequest<'_>,
        frame: Walk,
    ) -> Result<Page> {
        let selection = Selection::new(object, request.fields, frame.omitted.clone());
        let variables = json!({"query": selection.bulk()});
        let reply = self.post(ctx, documents::BULK_START, variables, 10).await?;
        let begun: Begun = reply.read()?;
        if let Some(operation) = begun.started.bulk_operation {
            let job = operation.id;
            return nothing_yet(&Position::Running { job, frame }, Some(patience(0)));
        }
        let errors = begun.started.user_errors;
        let crowded = errors.iter().any(|error| {
            matches!(
                error.code.as_deref(),
                Some("OPERATION_IN_PROGRESS" | "LIMIT_REACHED")
            )
        });
        if crowded {
            return nothing_yet(&Position::Wanted { frame }, Some(CROWDED));
        }
        if errors.is_empty() {
            return Err(ConnectorError::schema(
                "Shopify answered neither a bulk operation nor why there is none",
            ));
        }
        Err(refused(&errors))
    }

    /// Goes on with an operation.
    pub(super) async fn bulk(
        &self,
        ctx: &Context<'_>,
        object: &'static Object,
        request: &PageRequest<'_>,
        position: Position,
    ) -> Result<Page> {
        let (job, offset, frame) = match position {
            Position::Wanted { frame } => return self.start(ctx, object, request, frame).await,
            Position::Running { job, frame } => (job, 0, frame),
            Position::File { job, offset, frame } => (job, offset, frame),
            _ => return Err(Position::foreign(Mode::Backfill)),
        };
        let reply = self
            .post(ctx, documents::BULK_STATUS, json!({"id": job}), 2)
            .await?;
        let looked: Looked = reply.read()?;
        let gone = |message: &str| ConnectorError::CursorExpired {
            message: message.to_owned(),
        };
        let Some(operation) = looked.bulk_operation else {
            return Err(gone("Shopify no longer knows the bulk operation"));
        };
        // Webhooks spell it in small letters.
        match operation.status.to_ascii_uppercase().as_str() {
            "CREATED" | "RUNNING" | "CANCELING" => {
                let read = operation
                    .object_count
                    .as_str()
                    .and_then(|text| text.parse().ok());
                let wait = if read.unwrap_or(0_u64) > MANY {
                    LONG_WAIT
                } else {
                    patience(request.now_ms.saturating_sub(frame.started_ms))
                };
                nothing_yet(&Position::Running { job, frame }, Some(wait))
            }
            "COMPLETED" => match operation.url {
                Some(url) => {
                    self.piece_of(ctx, object, request, (job, &url, offset), frame)
                        .await
                }
                // There was nothing to write.
                None if offset == 0 => Ok(Reading::default().page(Next::CaughtUp(rest(&frame)?))),
                None => Err(gone("the file of the bulk operation is gone")),
            },
            "CANCELED" | "EXPIRED" => Err(gone("the bulk operation was cancelled or has expired")),
            "FAILED" if operation.error_code.as_deref() == Some("ACCESS_DENIED") => {
                Err(ConnectorError::permanent(
                    super::limits::DENIED,
                    "Shopify denied what the bulk operation asked for",
                ))
            }
            // Shopify could not do it at once; page by page it can.
            "FAILED" => nothing_yet(&Position::Pages { after: None, frame }, None),
            other => Err(ConnectorError::schema(format!(
                "a bulk operation has the unknown status {:?}",
                super::wire::clipped(other)
            ))),
        }
    }

    /// Reads a piece of the file.
    async fn piece_of(
        &self,
        ctx: &Context<'_>,
        object: &'static Object,
        request: &PageRequest<'_>,
        (job, url, offset): (String, &str, u64),
        frame: Walk,
    ) -> Result<Page> {
        let url = Url::parse(url)
            .map_err(|_| ConnectorError::schema("the file of a bulk operation has no address"))?;
        let mut length = PIECE;
        let piece = loop {
            let piece = download(ctx, url.clone(), offset, length).await?;
            if jsonl::cut(&piece.bytes, piece.is_last).consumed > 0 || piece.is_last {
                break piece;
            }
            if length >= LONGEST_LINE {
                return Err(ConnectorError::schema(
                    "a line of a bulk operation's file is longer than any record",
                ));
            }
            length *= 2;
        };
        let selection = Selection::new(object, request.fields, frame.omitted.clone());
        let mut reading = Reading::default();
        let cut = jsonl::cut(&piece.bytes, piece.is_last);
        for bytes in cut.lines {
            match jsonl::line(bytes) {
                Line::Record(raw) => reading.add(ctx, &selection, raw, MOST_TRANSACTIONS),
                Line::Child => {}
                Line::Unreadable => reading.malformed.push(MalformedRecord {
                    external_id: None,
                    reason: "a line of a bulk operation's file is no record".to_owned(),
                    raw: Value::Null,
                }),
            }
        }
        self.complete(ctx, &mut reading).await?;
        let next = if piece.is_last {
            Next::CaughtUp(rest(&frame)?)
        } else {
            let offset = offset.saturating_add(cut.consumed as u64);
            Next::More(Position::File { job, offset, frame }.write()?)
        };
        Ok(reading.page(next))
    }
}

/// Asks for some bytes of a file, without the token. It must come as it is: a range of something compressed is of no use.
async fn download(ctx: &Context<'_>, url: Url, offset: u64, length: u64) -> Result<Piece> {
    let call = Call::get(url).range(offset, length).header(
        header::ACCEPT_ENCODING,
        HeaderValue::from_static("identity"),
    );
    let answer = ctx.http.send_open(&call).await?;
    match answer.status {
        206 => partial(answer, offset, length),
        // The whole file, from a place that knows no ranges.
        200 => {
            let begin = usize::try_from(offset).unwrap_or(usize::MAX);
            if begin > answer.body.len() {
                return Err(ConnectorError::schema(
                    "a bulk operation's file has become shorter",
                ));
            }
            Ok(Piece {
                bytes: answer.body.slice(begin..),
                is_last: true,
            })
        }
        // There is nothing behind the last byte.
        416 => Ok(Piece {
            bytes: bytes::Bytes::new(),
            is_last: true,
        }),
        403 | 404 | 410 => Err(ConnectorError::CursorExpired {
            message: "the file of the bulk operation is no longer there".to_owned(),
        }),
        408 | 425 | 429 | 500..=599 => Err(ConnectorError::Transient {
            message: format!("the file of a bulk operation: status {}", answer.status),
            retry_after: answer.retry_after(),
        }),
        status => Err(ConnectorError::permanent(
            format!("http_{status}"),
            "the file of a bulk operation cannot be read",
        )),
    }
}

fn partial(answer: Answer, offset: u64, length: u64) -> Result<Piece> {
    let told = answer.header("content-range").and_then(content_range);
    let received = answer.body.len() as u64;
    let is_last = match told {
        Some((first, total)) if first == offset => match total {
            Some(total) => offset.saturating_add(received) >= total,
            None => received < length,
        },
        _ => {
            return Err(ConnectorError::schema(
                "other bytes of a file came than were asked for",
            ));
        }
    };
    if received == 0 && !is_last {
        return Err(ConnectorError::transient("no bytes of a file came"));
    }
    Ok(Piece {
        bytes: answer.body,
        is_last,
    })
}

/// The first byte and the whole length of `bytes 0-99/200`; the length may be unknown (`*`).
fn content_range(text: &str) -> Option<(u64, Option<u64>)> {
    let (range, total) = text.strip_prefix("bytes ")?.split_once('/')?;
    let (first, _) = range.split_once('-')?;
    let total = match total {
        "*" => None,
        total => Some(total.parse().ok()?),
    };
    Some((first.parse().ok()?, total))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_read_as_the_standard_writes_it() {
        assert_eq!(content_range("bytes 0-99/200"), Some((0, Some(200))));
        assert_eq!(content_range("bytes 5-9/*"), Some((5, None)));
        for bad in [
            "",
            "bytes */200",
            "bytes 0-99",
            "0-99/200",
            "bytes -1-2/3",
            "bytes a-b/c",
        ] {
            assert_eq!(content_range(bad), None, "{bad}");
        }
    }
}
