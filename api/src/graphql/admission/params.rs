//! The four parameters of a GraphQL request, out of a JSON body or a query string.
//!
//! Unknown members are ignored, as the transport's specification asks; known ones of the wrong type, given twice, or nested
//! beyond the limit are refused. A batch is refused as such, with its own code.

use super::{Limits, Refusal};
use crate::graphql::error::ErrorCode;
use async_graphql::Variables;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use std::collections::HashMap;

/// What a request asks for.
#[derive(Debug, Default)]
pub struct Params {
    /// The document.
    pub query: String,
    /// Which operation to run.
    pub operation_name: Option<String>,
    /// Values for its variables.
    pub variables: Variables,
    /// How long the variables were as text.
    pub variables_bytes: usize,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    query: Option<String>,
    operation_name: Option<String>,
    #[serde(borrow)]
    variables: Option<&'a RawValue>,
    #[serde(default, rename = "extensions")]
    _extensions: Option<HashMap<String, IgnoredAny>>,
}

impl Params {
    /// Reads a request body.
    ///
    /// # Errors
    /// [`ErrorCode::BatchingRefused`], [`ErrorCode::TooDeep`] or [`ErrorCode::BadRequest`].
    pub fn from_json(body: &[u8], limits: &Limits) -> Result<Self, Refusal> {
        let text = std::str::from_utf8(body).map_err(|_| bad("The body is not valid UTF-8."))?;
        if text.trim_start().starts_with('[') {
            return Err(Refusal::new(
                ErrorCode::BatchingRefused,
                "Send one operation per request; batches are refused.",
            ));
        }
        // The body's own object is one level more than what it holds.
        shallow(text, limits.nesting + 1)?;
        let body: Body<'_> = serde_json::from_str(text)
            .map_err(|error| bad(format!("The body cannot be read: {error}.")))?;
        let (variables, variables_bytes) = match body.variables {
            Some(raw) => (variables(raw.get())?, raw.get().len()),
            None => (Variables::default(), 0),
        };
        let query = body
            .query
            .ok_or_else(|| bad("The parameter query is missing."))?;
        Ok(Self {
            query,
            operation_name: body.operation_name,
            variables,
            variables_bytes,
        })
    }

    /// Reads the query string of a GET.
    ///
    /// # Errors
    /// As [`Params::from_json`].
    pub fn from_query_string(query_string: &str, limits: &Limits) -> Result<Self, Refusal> {
        let mut found: [Option<String>; 4] = Default::default();
        for pair in query_string.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let slot = match percent_decoded(name)?.as_str() {
                "query" => &mut found[0],
                "operationName" => &mut found[1],
                "variables" => &mut found[2],
                "extensions" => &mut found[3],
                _ => continue,
            };
            if slot.replace(percent_decoded(value)?).is_some() {
                return Err(bad("A parameter is given twice."));
            }
        }
        let [query, operation_name, raw_variables, extensions] = found;
        let present = |text: &String| !text.is_empty();
        let mut params = Self {
            operation_name: operation_name.filter(present),
            ..Self::default()
        };
        if let Some(text) = extensions.filter(present) {
            shallow(&text, limits.nesting)?;
            serde_json::from_str::<Option<HashMap<String, IgnoredAny>>>(&text).map_err(
                |error| bad(format!("The parameter extensions cannot be read: {error}.")),
            )?;
        }
        if let Some(text) = raw_variables.filter(present) {
            shallow(&text, limits.nesting)?;
            params.variables = variables(&text)?;
            params.variables_bytes = text.len();
        }
        params.query = query
            .filter(present)
            .ok_or_else(|| bad("The parameter query is missing."))?;
        Ok(params)
    }
}

fn bad(message: impl Into<String>) -> Refusal {
    Refusal::new(ErrorCode::BadRequest, message)
}

fn variables(text: &str) -> Result<Variables, Refusal> {
    serde_json::from_str(text)
        .map_err(|error| bad(format!("The parameter variables cannot be read: {error}.")))
}

fn shallow(text: &str, limit: usize) -> Result<(), Refusal> {
    if json_nesting(text) > limit {
        return Err(Refusal::over(
            ErrorCode::TooDeep,
            "nested values in its JSON",
            limit as u64,
        ));
    }
    Ok(())
}

/// The deepest nesting of lists and objects in JSON text, by a loop. Text that is no JSON may be measured too: only brackets
/// outside of strings count, as for its parser.
#[must_use]
pub fn json_nesting(text: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    let (mut quoted, mut escaped) = (false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'[' | b'{' if !quoted => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' if !quoted => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// Undoes `application/x-www-form-urlencoded`, strictly: a broken escape or bytes that are not UTF-8 are errors, not replaced.
fn percent_decoded(text: &str) -> Result<String, Refusal> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || rest.next().and_then(|byte| char::from(byte).to_digit(16));
                let pair = digit()
                    .zip(digit())
                    .and_then(|(high, low)| u8::try_from(high * 16 + low).ok());
                pair.ok_or_else(|| bad("The query string has a broken escape."))?
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).map_err(|_| bad("The query string is not valid UTF-8."))
}
