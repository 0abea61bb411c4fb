//! One batch, and what became of each of its inputs.
//!
//! Owns: the size of a batch, the match between inputs and what is said of them, and the search for the one input that makes HubSpot
//! refuse a batch as a whole. Refuses: to guess: an input nobody mentions is sent again alone. Invariant: every input has one answer, in the
//! order of the inputs; sending one twice is harmless, because updates set and upserts find what they created.

use super::super::{
    HubSpot,
    descriptor::BATCH,
    error_body::ErrorBody,
    limits, map,
    wire::{self, BatchFrame, WrittenBody},
};
use crate::{
    connector::{Context, Lane},
    error::{ConnectorError, Result},
    http::{Answer, Call},
};
use serde_json::{Value, json, value::RawValue};
use std::collections::{BTreeSet, VecDeque};

/// One input of a batch.
pub(super) struct Input {
    body: Value,
    /// What HubSpot calls it: an id, a reference, or a pair of ids.
    name: String,
    trace: Option<String>,
}

impl Input {
    pub(super) fn new(name: &str, body: Value) -> Self {
        Self {
            body,
            name: name.to_owned(),
            trace: None,
        }
    }

    /// Lets HubSpot say which input it means.
    pub(super) fn trace(&mut self, place: usize) {
        let trace = place.to_string();
        if let Some(body) = self.body.as_object_mut() {
            body.insert("objectWriteTraceId".to_owned(), json!(trace));
        }
        self.trace = Some(trace);
    }

    fn is_meant(&self, said: &Said) -> bool {
        match &said.trace {
            Some(trace) if self.trace.is_some() => self.trace.as_ref() == Some(trace),
            _ => said.names.contains(&self.name),
        }
    }
}

/// What an entry of an answer says of whom.
struct Said {
    trace: Option<String>,
    names: Vec<String>,
}

/// What a batch answers for what was done.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Reads {
    /// The record, for each.
    Records,
    /// Nothing: what no error is about is done.
    Nothing,
}

/// How one call went.
enum Called {
    /// Answered, for all or a part of the inputs.
    Answered(Answer),
    /// Refused as a whole, because of one of the inputs.
    RefusedAll(ConnectorError),
    /// Nothing more can be done.
    Ended(ConnectorError),
}

impl HubSpot {
    /// Sends the inputs and answers for each the id of its record, or the empty text where HubSpot answers nothing. `scope` names what the
    /// call takes.
    pub(super) async fn in_batches(
        &self,
        ctx: &Context<'_>,
        path: &str,
        inputs: Vec<Input>,
        reads: Reads,
        scope: &str,
    ) -> Vec<Result<String>> {
        let mut answers: Vec<Option<Result<String>>> = inputs.iter().map(|_| None).collect();
        let mut waiting = batches(&inputs);
        let mut ended = None;
        while let Some(places) = waiting.pop_front() {
            let batch: Vec<(usize, &Input)> = places
                .iter()
                .filter_map(|place| Some((*place, inputs.get(*place)?)))
                .collect();
            match self.call(ctx, path, &batch, scope).await {
                Called::Answered(answer) => match settle(&answer, &batch, reads, &mut answers) {
                    Ok(unsaid) => {
                        for place in unsaid {
                            waiting.push_front(vec![place]);
                        }
                    }
                    Err(error) => ended = Some(error),
                },
                Called::RefusedAll(error) => match places.split_at(places.len() / 2) {
                    ([], _) => {
                        for place in &places {
                            put(&mut answers, *place, Err(error.clone()));
                        }
                    }
                    (first, second) => {
                        waiting.push_front(second.to_vec());
                        waiting.push_front(first.to_vec());
                    }
                },
                Called::Ended(error) => ended = Some(error),
            }
            if ended.is_some() {
                break;
            }
        }
        let unsaid = ended
            .unwrap_or_else(|| ConnectorError::transient("HubSpot did not say what became of it"));
        answers
            .into_iter()
            .map(|answer| answer.unwrap_or_else(|| Err(unsaid.clone())))
            .collect()
    }

    async fn call(
        &self,
        ctx: &Context<'_>,
        path: &str,
        batch: &[(usize, &Input)],
        scope: &str,
    ) -> Called {
        let bodies: Vec<&Value> = batch.iter().map(|(_, input)| &input.body).collect();
        let Ok(call) = Call::post_json(self.endpoints.api_url(path), &json!({"inputs": bodies}))
        else {
            return Called::Ended(ConnectorError::permanent(
                "invalid_request",
                "the request has no JSON form",
            ));
        };
        match ctx.http.send(&call).await {
            Ok(answer) if answer.is_success() => Called::Answered(answer),
            Ok(answer) => {
                let error = without_scope(limits::refusal(&answer, Lane::Standard), scope);
                match answer.status {
                    400 | 404 | 409 | 413 | 422 => Called::RefusedAll(error),
                    _ => Called::Ended(error),
                }
            }
            Err(error) => Called::Ended(error.into()),
        }
    }
}

/// A missing scope hinders what it is for and nothing else: the connection goes on reading.
pub(super) fn without_scope(error: ConnectorError, scope: &str) -> ConnectorError {
    match error {
        ConnectorError::Auth {
            reconnect: true,
            message,
        } => ConnectorError::permanent(
            "missing_scope",
            format!(
                "the connection was not granted {scope}; connect it again to grant it: {message}"
            ),
        ),
        other => other,
    }
}

/// The inputs in batches. HubSpot refuses a batch that names one thing twice, so the second naming waits for a later one.
fn batches(inputs: &[Input]) -> VecDeque<Vec<usize>> {
    let mut batches = VecDeque::new();
    let (mut batch, mut names) = (Vec::new(), BTreeSet::new());
    for (place, input) in inputs.iter().enumerate() {
        if batch.len() == BATCH || names.contains(input.name.as_str()) {
            batches.push_back(std::mem::take(&mut batch));
            names.clear();
        }
        names.insert(input.name.as_str());
        batch.push(place);
    }
    if !batch.is_empty() {
        batches.push_back(batch);
    }
    batches
}

/// An answer with a good status counts only when it says itself that the batch is done, or when there is nothing to say.
fn frame(answer: &Answer) -> Result<BatchFrame<'_>> {
    if answer.status == 204 {
        return Ok(BatchFrame::default());
    }
    let frame = wire::read::<BatchFrame<'_>>(&answer.body)?;
    match frame.status.as_deref() {
        Some("COMPLETE") => Ok(frame),
        Some("PENDING" | "PROCESSING" | "CANCELED") => Err(ConnectorError::transient(
            "HubSpot did not finish the batch",
        )),
        _ => Err(ConnectorError::schema(
            "HubSpot's answer does not say that the batch is complete",
        )),
    }
}

/// Reads an answer; what it leaves open is answered with its places.
fn settle(
    answer: &Answer,
    batch: &[(usize, &Input)],
    reads: Reads,
    answers: &mut [Option<Result<String>>],
) -> Result<Vec<usize>> {
    let frame = frame(answer)?;
    let mut loose = None;
    for error in &frame.errors {
        let said = of_error(error);
        let mut meant = batch
            .iter()
            .filter(|(_, input)| input.is_meant(&said))
            .peekable();
        if meant.peek().is_none() {
            loose = Some(limits::entry(error));
        }
        for (place, _) in meant {
            put(answers, *place, Err(limits::entry(error)));
        }
    }
    if reads == Reads::Records {
        for raw in frame.results {
            let Some((said, id)) = of_result(raw) else {
                continue;
            };
            for (place, _) in batch.iter().filter(|(_, input)| input.is_meant(&said)) {
                put(answers, *place, Ok(id.clone()));
            }
        }
    }
    let open = batch
        .iter()
        .map(|(place, _)| *place)
        .filter(|place| matches!(answers.get(*place), Some(None)));
    let open: Vec<usize> = open.collect();
    match (reads, loose) {
        // Alone it can mean nothing else.
        (_, Some(error)) if batch.len() == 1 => {
            for place in open {
                put(answers, place, Err(error.clone()));
            }
            Ok(Vec::new())
        }
        (Reads::Nothing, None) => {
            for place in open {
                put(answers, place, Ok(String::new()));
            }
            Ok(Vec::new())
        }
        // Asked alone and still not answered: it stays without an answer.
        (Reads::Records, None) if batch.len() == 1 => Ok(Vec::new()),
        _ => Ok(open),
    }
}

fn put(answers: &mut [Option<Result<String>>], place: usize, answer: Result<String>) {
    if let Some(slot) = answers.get_mut(place) {
        *slot = Some(answer);
    }
}

fn of_error(error: &ErrorBody) -> Said {
    let mut names: Vec<String> = error.named("ids").to_vec();
    names.extend_from_slice(error.named("id"));
    for from in error.named("fromObjectId") {
        let pairs = error.named("toObjectId").iter();
        names.extend(pairs.map(|to| pair_name(from, to)));
    }
    Said {
        trace: error.named("objectWriteTraceId").first().cloned(),
        names,
    }
}

fn of_result(raw: &RawValue) -> Option<(Said, String)> {
    let body = map::read::<WrittenBody>(raw).ok()?;
    let mut names = vec![body.id.0.clone()];
    if let Some(Value::String(reference)) = body.properties.get(super::REFERENCE) {
        names.push(reference.clone());
    }
    let said = Said {
        trace: body.object_write_trace_id.map(|trace| trace.0),
        names,
    };
    Some((said, body.id.0))
}

/// The name of a link in a batch.
pub(super) fn pair_name(from: &str, to: &str) -> String {
    format!("{from}/{to}")
}
