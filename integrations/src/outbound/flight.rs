//! One attempt: signed, sent, and what came of it.
//!
//! Owns: the judgement over an answer. Refuses: to write anything; the courier settles. Invariant: whatever happens, an attempt ends within the time
//! limit and says how.

use super::{Outbound, schedule, secret, sign};
use crate::http::{Answer, Body, Call, HttpError};
use bytes::Bytes;
use entities::clock::Timestamp;
use entities::webhook_delivery::{Ended, Model as Delivery, Next};
use entities::webhook_endpoint::Model as Endpoint;
use http::Method;
use std::sync::Arc;
use std::time::{Duration, Instant};
use url::Url;

/// The characters of an answer that are kept.
const KEPT_ANSWER: usize = 4_096;
/// "Gone": the receiver wants to hear no more.
const GONE: u16 = 410;

/// What came of an attempt.
#[derive(Debug)]
pub(super) struct Landed {
    pub(super) delivery: Delivery,
    pub(super) ended: Ended,
    /// The receiver wants to hear no more.
    pub(super) gone: bool,
}

/// Makes an attempt.
pub(super) async fn fly(
    outbound: Outbound,
    endpoint: Arc<Endpoint>,
    delivery: Delivery,
    body: Bytes,
) -> Landed {
    let (now, started) = (outbound.database.now(), Instant::now());
    let outcome = match call(&outbound, &endpoint, &delivery, now, body) {
        Ok(call) => outbound
            .http
            .send(&call)
            .await
            .map_err(|error| refusal(&error)),
        Err(error) => Err(error.to_owned()),
    };
    let millis = i64::try_from(started.elapsed().as_millis()).unwrap_or(i64::MAX);
    landed(&outbound, &endpoint, delivery, millis, outcome)
}

/// An attempt that ended before it began.
pub(super) fn grounded(
    outbound: &Outbound,
    endpoint: &Endpoint,
    delivery: Delivery,
    error: String,
    for_good: bool,
) -> Landed {
    let mut landed = landed(outbound, endpoint, delivery, 0, Err(error));
    if for_good {
        landed.ended.next = Next::GivenUp;
    }
    landed
}

fn landed(
    outbound: &Outbound,
    endpoint: &Endpoint,
    delivery: Delivery,
    millis: i64,
    outcome: Result<Answer, String>,
) -> Landed {
    let at = outbound.database.now();
    let (answer, error) = match outcome {
        Ok(answer) => (Some(answer), None),
        Err(error) => (None, Some(error)),
    };
    let status = answer.as_ref().map(|answer| answer.status);
    let arrived = answer.as_ref().is_some_and(Answer::is_success);
    let gone = status == Some(GONE) && delivery.event_id.is_some();
    let asked = answer.as_ref().and_then(schedule::asked_by);
    let next = if arrived {
        Next::Delivered
    } else if gone || delivery.event_id.is_none() {
        // A test tells somebody who waits for it; nobody waits for its second attempt.
        Next::GivenUp
    } else {
        schedule::wait_after(delivery.attempts, asked, outbound.database.ids())
            .map_or(Next::GivenUp, |wait| Next::Again(later(at, wait)))
    };
    let error = error.or_else(|| {
        let answer = answer.as_ref().filter(|answer| !answer.is_success())?;
        Some(format!("the receiver answered {}", answer.status))
    });
    Landed {
        ended: Ended {
            at,
            address: endpoint.url.clone(),
            millis,
            status,
            answer: answer.as_ref().map(kept),
            error,
            next,
        },
        delivery,
        gone,
    }
}

fn later(at: Timestamp, wait: Duration) -> Timestamp {
    at.plus_millis(i64::try_from(wait.as_millis()).unwrap_or(i64::MAX))
}

/// The beginning of an answer as text; no database keeps a NUL in one.
fn kept(answer: &Answer) -> String {
    String::from_utf8_lossy(&answer.body)
        .chars()
        .filter(|letter| *letter != '\0')
        .take(KEPT_ANSWER)
        .collect()
}

fn refusal(error: &HttpError) -> String {
    error.to_string()
}

/// The signed call.
fn call(
    outbound: &Outbound,
    endpoint: &Endpoint,
    delivery: &Delivery,
    now: Timestamp,
    body: Bytes,
) -> Result<Call, &'static str> {
    let url = Url::parse(&endpoint.url).map_err(|_| "the address is none")?;
    let open = |sealed: &str| {
        secret::open(&outbound.vault, endpoint.id, sealed)
            .map_err(|_| "the endpoint's secret does not open")
    };
    let mut keys = vec![open(&endpoint.secret)?];
    if endpoint
        .previous_secret_until
        .is_some_and(|until| now < until)
        && let Some(previous) = &endpoint.previous_secret
    {
        keys.push(open(previous)?);
    }
    let keys: Vec<&[u8]> = keys.iter().map(|key| key.as_slice()).collect();
    let id = delivery.id.to_string();
    let headers = sign::headers(&id, now, &body, &keys).ok_or("the message cannot be signed")?;
    let call = Call::new(Method::POST, url, Body::Json(body));
    Ok(headers
        .into_iter()
        .fold(call, |call, (name, value)| call.header(name, value)))
}
