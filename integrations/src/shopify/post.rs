//! One document, posted.
//!
//! Owns: the call, the version of its answer, its errors and its cost. Refuses: an answer of another version than the one that was asked for: when a
//! version ends, Shopify goes on answering with an older or a newer one and says so in a header only, and what the words mean may have
//! changed. Invariant: what is answered to a caller is data that is there, together with what of it was denied; everything else is an error.

use super::{
    API_VERSION, Shopify,
    cost::Cost,
    limits,
    wire::{self, Frame, Mutated, Problem, Written},
};
use crate::{
    connector::{Context, Lane},
    error::{ConnectorError, Result},
    http::{Answer, Call},
};
use serde::Deserialize;
use serde_json::{Value, json, value::RawValue};
use std::collections::BTreeSet;

/// Names the version that answered.
const VERSION_HEADER: &str = "x-shopify-api-version";

/// The answer to a document.
#[derive(Debug)]
pub(super) struct Reply {
    /// None when all of it was denied.
    data: Option<Box<RawValue>>,
    problems: Vec<Problem>,
    /// Shopify's time when it answered.
    pub(super) vendor_now_ms: Option<i64>,
}

impl Reply {
    /// Reads the data.
    pub(super) fn read<'a, T: Deserialize<'a>>(&'a self) -> Result<T> {
        match &self.data {
            Some(data) => wire::read(data.get().as_bytes()),
            None => Err(limits::denied(&self.problems)),
        }
    }

    /// Reads the data, where none of it was denied.
    pub(super) fn read_whole<'a, T: Deserialize<'a>>(&'a self) -> Result<T> {
        if self.problems.is_empty() {
            self.read()
        } else {
            Err(self.refusal())
        }
    }

    /// Whether there is any data.
    pub(super) const fn is_empty(&self) -> bool {
        self.data.is_none()
    }

    /// The fields of records that were denied, by their names in the answer. A denial of something else than a field of a record names none.
    pub(super) fn denied_fields(&self) -> BTreeSet<String> {
        let field = |problem: &Problem| {
            let place = problem
                .path
                .iter()
                .position(|part| part.parse::<usize>().is_ok())?;
            problem.path.get(place + 1).cloned()
        };
        self.problems.iter().filter_map(field).collect()
    }

    /// Whether a whole record of a list was denied, so that its absence means nothing.
    pub(super) fn denies_records(&self) -> bool {
        self.problems.iter().any(|problem| {
            problem
                .path
                .last()
                .is_some_and(|part| part.parse::<usize>().is_ok())
        })
    }

    /// The refusal, where it is one.
    pub(super) fn refusal(&self) -> ConnectorError {
        limits::denied(&self.problems)
    }
}

impl Shopify {
    /// Posts a document with its variables; `points` is about what it costs.
    pub(super) async fn post(
        &self,
        ctx: &Context<'_>,
        document: &str,
        variables: Value,
        points: u32,
    ) -> Result<Reply> {
        let url = self.api_url(ctx)?;
        let body = json!({"query": document, "variables": variables});
        let call = Call::post_json(url, &body).map_err(|_| {
            ConnectorError::permanent("invalid_request", "the request has no JSON form")
        })?;
        let answer = ctx.http.send(&call.costing(points)).await?;
        if !answer.is_success() {
            return Err(limits::refusal(&answer));
        }
        check_version(&answer)?;
        let frame: Frame<'_> = wire::read(&answer.body)?;
        let problems = Problem::list(frame.errors);
        let cost = Cost::read(frame.extensions.as_ref());
        if let Some(wait) = cost.wait() {
            // The next query of this kind would be throttled; others of the account are not asked either, but for what a person waits for.
            ctx.http.hold(Lane::Standard, wait);
        }
        if let Some(error) = limits::reaction(&problems, &cost) {
            return Err(error);
        }
        let data = frame.data.filter(|data| data.get() != "null");
        if data.is_none() && problems.is_empty() {
            return Err(ConnectorError::schema(
                "Shopify answered neither data nor errors",
            ));
        }
        Ok(Reply {
            data: data.map(RawValue::to_owned),
            problems,
            vendor_now_ms: answer.vendor_now_ms(),
        })
    }
}

impl Shopify {
    /// Posts a mutation. What Shopify has against its input is in the answer.
    pub(super) async fn mutate(
        &self,
        ctx: &Context<'_>,
        document: &str,
        variables: Value,
    ) -> Result<Written> {
        let reply = self.post(ctx, document, variables, 10).await?;
        let mutated: Mutated = reply.read()?;
        mutated.written.ok_or_else(|| reply.refusal())
    }
}

fn check_version(answer: &Answer) -> Result<()> {
    match answer.header(VERSION_HEADER) {
        Some(version) if version == API_VERSION => Ok(()),
        Some(version) => Err(ConnectorError::schema(format!(
            "Shopify answered with version {} of its API and not with {API_VERSION}, which was asked for and has probably ended; a newer \
             release of this program is needed",
            wire::clipped(version)
        ))),
        None => Err(ConnectorError::schema(
            "the answer does not name a version of Shopify's API, so it was not Shopify's API that answered",
        )),
    }
}
