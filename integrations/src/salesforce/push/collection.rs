//! One collection, and what became of each of its records.
//!
//! Owns: the size of a collection, the match between records and outcomes, and the search for the one record that makes Salesforce refuse a collection
//! as a whole. Refuses: to guess: an answer with another number of outcomes is no answer. Invariant: every record has one outcome, in the order of
//! the records; sending one twice is harmless, because updates set and upserts find what they created.

use super::super::{
    Salesforce,
    descriptor::COLLECTION,
    id, limits,
    wire::{self, Outcome},
};
use super::values::Body;
use crate::{
    connector::Context,
    error::{ConnectorError, Result},
    http::Answer,
};
use http::Method;
use serde::Serialize;
use std::collections::VecDeque;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Collection<'a> {
    all_or_none: bool,
    records: Vec<&'a Body>,
}

/// What became of records: the id of each, where it is told.
pub(super) type Outcomes = Vec<Result<Option<String>>>;

impl Salesforce {
    /// Sends records and answers for each what became of it.
    pub(super) async fn write_all(
        &self,
        ctx: &Context<'_>,
        method: Method,
        path: &str,
        records: &[Body],
    ) -> Outcomes {
        let mut answers: Vec<Option<Result<Option<String>>>> =
            records.iter().map(|_| None).collect();
        let all: Vec<usize> = (0..records.len()).collect();
        let mut waiting: VecDeque<Vec<usize>> =
            all.chunks(COLLECTION).map(<[usize]>::to_vec).collect();
        let mut ended = None;
        while let Some(places) = waiting.pop_front() {
            let body = Collection {
                all_or_none: false,
                records: places
                    .iter()
                    .filter_map(|place| records.get(*place))
                    .collect(),
            };
            let answer = self.put_json(ctx, method.clone(), path, &body).await;
            match answer.and_then(|answer| outcomes(&answer, places.len())) {
                Ok(outcomes) => {
                    for (place, outcome) in places.into_iter().zip(outcomes) {
                        put(&mut answers, place, outcome);
                    }
                }
                // One of them makes Salesforce refuse all: halves find it.
                Err(
                    error @ (ConnectorError::Permanent { .. } | ConnectorError::Conflict { .. }),
                ) => match places.split_at(places.len() / 2) {
                    ([], _) => {
                        for place in places {
                            put(&mut answers, place, Err(error.clone()));
                        }
                    }
                    (first, second) => {
                        waiting.push_front(second.to_vec());
                        waiting.push_front(first.to_vec());
                    }
                },
                Err(error) => {
                    ended = Some(error);
                    break;
                }
            }
        }
        let unsaid = ended.unwrap_or_else(|| {
            ConnectorError::transient("Salesforce did not say what became of it")
        });
        answers
            .into_iter()
            .map(|answer| answer.unwrap_or_else(|| Err(unsaid.clone())))
            .collect()
    }

    /// Deletes records by id.
    pub(super) async fn delete_all(&self, ctx: &Context<'_>, ids: &[String]) -> Outcomes {
        let mut answers = Vec::with_capacity(ids.len());
        let mut ended: Option<ConnectorError> = None;
        for few in ids.chunks(COLLECTION) {
            let done = match &ended {
                Some(error) => Err(error.clone()),
                None => {
                    let named = few.join(",");
                    let query = [("ids", named.as_str()), ("allOrNone", "false")];
                    let answer = self.delete(ctx, "composite/sobjects", &query).await;
                    answer.and_then(|answer| outcomes(&answer, few.len()))
                }
            };
            match done {
                Ok(outcomes) => answers.extend(outcomes),
                Err(error) => {
                    answers.extend(few.iter().map(|_| Err(error.clone())));
                    if error.ends_the_work() {
                        ended = Some(error);
                    }
                }
            }
        }
        answers
    }
}

fn outcomes(answer: &Answer, expected: usize) -> Result<Outcomes> {
    let outcomes: Vec<Outcome> = wire::read(&answer.body)?;
    if outcomes.len() != expected {
        return Err(ConnectorError::schema(format!(
            "Salesforce answers {} outcomes for {expected} records",
            outcomes.len()
        )));
    }
    let outcome = |outcome: Outcome| {
        if outcome.success {
            Ok(outcome.id.as_deref().and_then(id::long))
        } else {
            Err(limits::outcome(&outcome.errors))
        }
    };
    Ok(outcomes.into_iter().map(outcome).collect())
}

fn put(
    answers: &mut [Option<Result<Option<String>>>],
    place: usize,
    answer: Result<Option<String>>,
) {
    if let Some(slot) = answers.get_mut(place) {
        *slot = Some(answer);
    }
}
