//! The arguments of a call, however they were sent: in the query, as a form, or as JSON.
//!
//! Refuses: bodies of another type, broken JSON, a charset it does not know, lists where text belongs. Invariant: a token is never taken
//! from a JSON body, as at the vendor.

use std::collections::BTreeMap;

use actix_web::HttpRequest;
use actix_web::http::header::CONTENT_TYPE;
use serde_json::Value;
use url::form_urlencoded;

use super::answer::Refusal;

/// The arguments of one call.
#[derive(Debug, Default)]
pub(crate) struct Args {
    values: BTreeMap<String, Value>,
    pub(crate) warnings: Vec<&'static str>,
    token: Option<String>,
}

impl Args {
    pub(crate) fn read(request: &HttpRequest, body: &[u8]) -> Result<Self, Refusal> {
        let mut args = Self::default();
        args.take_form(request.query_string().as_bytes());
        let header = request
            .headers()
            .get(CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .map(str::to_ascii_lowercase);
        let Some(header) = header else {
            return if body.is_empty() {
                Ok(args)
            } else {
                Err(Refusal::new("missing_post_type"))
            };
        };
        let (kind, parameters) = header.split_once(';').unwrap_or((header.as_str(), ""));
        let charset = parameters
            .split(';')
            .find_map(|parameter| parameter.trim().strip_prefix("charset="))
            .map(|charset| charset.trim_matches('"'));
        if charset.is_some_and(|charset| !matches!(charset, "utf-8" | "utf8" | "iso-8859-1")) {
            return Err(Refusal::new("invalid_charset"));
        }
        match kind.trim() {
            "application/json" => {
                if charset.is_none() {
                    args.warnings.push("missing_charset");
                }
                args.take_json(body)?;
            }
            "application/x-www-form-urlencoded" => {
                if charset.is_some() {
                    args.warnings.push("superfluous_charset");
                }
                args.take_form(body);
            }
            _ if body.is_empty() => {}
            _ => return Err(Refusal::new("invalid_post_type")),
        }
        Ok(args)
    }

    fn take_form(&mut self, bytes: &[u8]) {
        for (name, value) in form_urlencoded::parse(bytes) {
            if name == "token" {
                self.token = Some(value.into_owned());
            } else {
                self.values
                    .insert(name.into_owned(), Value::String(value.into_owned()));
            }
        }
    }

    fn take_json(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        if bytes.is_empty() {
            return Ok(());
        }
        match serde_json::from_slice::<Value>(bytes) {
            Ok(Value::Object(object)) => {
                self.values.extend(
                    object
                        .into_iter()
                        .filter(|(name, value)| name != "token" && !value.is_null()),
                );
                Ok(())
            }
            Ok(_) => Err(Refusal::new("json_not_object")),
            Err(_) => Err(Refusal::new("invalid_json")),
        }
    }

    /// The token, when it came as an argument.
    pub(crate) fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    /// An argument as text; an empty one counts as absent.
    pub(crate) fn text(&self, name: &str) -> Result<Option<String>, Refusal> {
        match self.values.get(name) {
            None => Ok(None),
            Some(Value::String(text)) if text.is_empty() => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(Value::Array(_) | Value::Object(_)) => Err(Refusal::new("invalid_array_arg")),
            Some(other) => Ok(Some(other.to_string())),
        }
    }

    /// An argument a call cannot do without; `error` when it is missing.
    pub(crate) fn need(&self, name: &str, error: &str) -> Result<String, Refusal> {
        self.text(name)?.ok_or_else(|| Refusal::new(error))
    }

    pub(crate) fn flag(&self, name: &str) -> bool {
        match self.values.get(name) {
            Some(Value::Bool(flag)) => *flag,
            Some(Value::String(text)) => matches!(text.as_str(), "true" | "1"),
            Some(Value::Number(number)) => number.as_i64() == Some(1),
            _ => false,
        }
    }

    /// An argument that holds JSON, sent as such or as text. `Err` holds nothing but that it is malformed.
    pub(crate) fn json(&self, name: &str) -> Result<Option<Value>, ()> {
        match self.values.get(name) {
            None => Ok(None),
            Some(Value::String(text)) if text.is_empty() => Ok(None),
            Some(Value::String(text)) => serde_json::from_str(text).map(Some).map_err(drop),
            Some(other) => Ok(Some(other.clone())),
        }
    }
}
