//! The parameters of a query string or a form.

use actix_web::HttpRequest;
use url::form_urlencoded;

/// A parameter that cannot be understood, and why.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct BadParam(pub(crate) String);

/// The parameters of a query string or form, repeated names kept.
#[derive(Debug, Default)]
pub(crate) struct Params(Vec<(String, String)>);

impl Params {
    pub(crate) fn of(request: &HttpRequest) -> Self {
        Self::parse(request.query_string().as_bytes())
    }

    pub(crate) fn parse(bytes: &[u8]) -> Self {
        Self(form_urlencoded::parse(bytes).into_owned().collect())
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// All values of a name, comma lists taken apart.
    pub(crate) fn list(&self, name: &str) -> Vec<&str> {
        self.0
            .iter()
            .filter(|(key, _)| key == name)
            .flat_map(|(_, value)| value.split(','))
            .map(str::trim)
            .filter(|value| !value.is_empty())
            .collect()
    }

    pub(crate) fn flag(&self, name: &str) -> Result<bool, BadParam> {
        match self.get(name) {
            None | Some("" | "false") => Ok(false),
            Some("true") => Ok(true),
            Some(other) => Err(BadParam(format!(
                "{name} must be true or false, not {other}"
            ))),
        }
    }

    /// A page size between 1 and `max`.
    pub(crate) fn limit(&self, default: usize, max: usize) -> Result<usize, BadParam> {
        match self.get("limit") {
            None => Ok(default),
            Some(text) => match text.parse::<usize>() {
                Ok(limit) if (1..=max).contains(&limit) => Ok(limit),
                _ => Err(BadParam(format!(
                    "limit must be between 1 and {max}, not {text}"
                ))),
            },
        }
    }

    /// The id behind which a page starts; 0 for the first page.
    pub(crate) fn after(&self) -> Result<u64, BadParam> {
        match self.get("after") {
            None | Some("") => Ok(0),
            Some(text) => text
                .parse()
                .map_err(|_| BadParam(format!("after is not a valid cursor: {text}"))),
        }
    }

    /// The query string without one parameter, with another value for `after`.
    pub(crate) fn next_query(&self, after: &str) -> String {
        let mut out = form_urlencoded::Serializer::new(String::new());
        for (key, value) in self.0.iter().filter(|(key, _)| key != "after") {
            out.append_pair(key, value);
        }
        out.append_pair("after", after);
        out.finish()
    }
}
