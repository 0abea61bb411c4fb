//! Which type a body has, and which type its answer may have.

use actix_web::http::header::{ACCEPT, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName};

/// How an answer is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `application/json`: a mistake in the document is still a 200.
    Json,
    /// `application/graphql-response+json`: the status tells.
    GraphqlResponse,
}

impl Format {
    /// The value of the answer's `Content-Type`.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json; charset=utf-8",
            Self::GraphqlResponse => "application/graphql-response+json; charset=utf-8",
        }
    }
}

/// The format that the caller prefers: the highest quality, then the more specific range, then the newer type. Who says nothing gets
/// `application/json`, as the transport's specification has it for older clients. None when neither is acceptable.
#[must_use]
pub fn format(headers: &HeaderMap) -> Option<Format> {
    let accepted: Vec<&str> = headers
        .get_all(ACCEPT)
        .map(|value| value.to_str().unwrap_or_default())
        .collect();
    if accepted.iter().all(|value| value.trim().is_empty()) {
        return Some(Format::Json);
    }
    let ranges: Vec<Range> = accepted
        .iter()
        .flat_map(|value| split(value, ','))
        .filter_map(|range| read_range(&range))
        .collect();
    // A wildcard means a caller that does not know the newer type, hence the older one goes first among equals there.
    let json = preference(&ranges, "application/json");
    let newer = preference(&ranges, "application/graphql-response+json");
    match (json, newer) {
        (None, None) => None,
        (Some(_), None) => Some(Format::Json),
        (None, Some(_)) => Some(Format::GraphqlResponse),
        (Some(json), Some(newer)) if newer > json || (newer == json && newer.1 == 2) => {
            Some(Format::GraphqlResponse)
        }
        _ => Some(Format::Json),
    }
}

/// One range of an `Accept` header: what it covers, and its quality in thousandths.
struct Range {
    essence: String,
    quality: u16,
}

/// The quality that a type has, and how specific the range was that gave it; none when it is not acceptable.
fn preference(ranges: &[Range], essence: &str) -> Option<(u16, u8)> {
    let specificity = |range: &Range| match range.essence.as_str() {
        exact if exact == essence => Some(2_u8),
        "application/*" => Some(1),
        "*/*" => Some(0),
        _ => None,
    };
    // The most specific range decides, also when it says no.
    let (specific, quality) = ranges
        .iter()
        .filter_map(|range| Some((specificity(range)?, range.quality)))
        .max()?;
    (quality > 0).then_some((quality, specific))
}

fn read_range(text: &str) -> Option<Range> {
    let (essence, parameters) = media_type(text);
    let mut quality = 1_000;
    for (name, value) in parameters {
        match name.as_str() {
            "q" => quality = read_quality(&value)?,
            // Answers are UTF-8; a range that wants another encoding is not satisfied by them.
            "charset" if !value.eq_ignore_ascii_case("utf-8") => return None,
            _ => {}
        }
    }
    Some(Range { essence, quality })
}

fn read_quality(text: &str) -> Option<u16> {
    let quality: f32 = text.parse().ok()?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the range was checked"
    )]
    (0.0..=1.0)
        .contains(&quality)
        .then(|| (quality * 1_000.0).round() as u16)
}

/// Whether a body is JSON in UTF-8, not compressed. The header must be there, once: without it a browser would send the request
/// for any page.
#[must_use]
pub fn is_json(headers: &HeaderMap) -> bool {
    let encoded = only(headers, &CONTENT_ENCODING)
        .is_ok_and(|value| value.is_none_or(|value| value.eq_ignore_ascii_case("identity")));
    let Ok(Some(value)) = only(headers, &CONTENT_TYPE) else {
        return false;
    };
    let (essence, parameters) = media_type(value);
    let utf8 = parameters
        .iter()
        .all(|(name, value)| name == "charset" && value.eq_ignore_ascii_case("utf-8"));
    encoded && essence == "application/json" && utf8 && parameters.len() <= 1
}

/// A header's only value; an error when there are several or it is no text.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, ()> {
    let mut values = headers.get_all(name);
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().map(Some).map_err(|_| ()),
        _ => Err(()),
    }
}

/// A media type in lower case, and its parameters without quotes.
fn media_type(text: &str) -> (String, Vec<(String, String)>) {
    let mut parts = split(text, ';').into_iter();
    let essence = parts.next().unwrap_or_default().trim().to_ascii_lowercase();
    let parameters = parts
        .filter(|part| !part.trim().is_empty())
        .map(|part| {
            let (name, value) = part.split_once('=').unwrap_or((part.as_str(), ""));
            (
                name.trim().to_ascii_lowercase(),
                value.trim().trim_matches('"').to_owned(),
            )
        })
        .collect();
    (essence, parameters)
}

/// Splits outside of quoted strings.
fn split(text: &str, at: char) -> Vec<String> {
    let mut parts = vec![String::new()];
    let (mut quoted, mut escaped) = (false, false);
    for character in text.chars() {
        if character == at && !quoted {
            parts.push(String::new());
            continue;
        }
        quoted ^= character == '"' && !escaped;
        escaped = quoted && character == '\\' && !escaped;
        if let Some(part) = parts.last_mut() {
            part.push(character);
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        reason = "tests"
    )]
    use super::*;
    use actix_web::http::header::HeaderValue;

    fn headers(name: HeaderName, values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(
                name.clone(),
                HeaderValue::from_bytes(value.as_bytes()).unwrap(),
            );
        }
        headers
    }

    #[test]
    fn the_caller_chooses() {
        use Format::{GraphqlResponse, Json};
        for (accept, expected) in [
            (&[][..], Some(Json)),
            (&[""], Some(Json)),
            (&["*/*"], Some(Json)),
            (&["application/*"], Some(Json)),
            (&["application/json"], Some(Json)),
            (&["Application/JSON; charset=UTF-8"], Some(Json)),
            (
                &["application/graphql-response+json"],
                Some(GraphqlResponse),
            ),
            (
                &[
                    "application/graphql-response+json; charset=utf-8, application/json; charset=utf-8",
                ],
                Some(GraphqlResponse),
            ),
            (
                &["application/json, application/graphql-response+json"],
                Some(GraphqlResponse),
            ),
            (
                &["application/json, application/graphql-response+json;q=0.9"],
                Some(Json),
            ),
            (
                &["application/graphql-response+json, */*;q=0.1"],
                Some(GraphqlResponse),
            ),
            (
                &[
                    "application/json;q=0.5",
                    "application/graphql-response+json;q=0.6",
                ],
                Some(GraphqlResponse),
            ),
            (
                &[
                    "multipart/mixed;deferSpec=20220824, application/graphql-response+json, application/json",
                ],
                Some(GraphqlResponse),
            ),
            (&["text/html, */*;q=0.8"], Some(Json)),
            (&["*/*, application/json;q=0"], Some(GraphqlResponse)),
            (&["text/html"], None),
            (&["application/json;q=0"], None),
            (
                &["application/json;q=0, application/graphql-response+json;q=0.0"],
                None,
            ),
            (&["application/json;charset=latin1"], None),
            (&["application/json;q=2"], None),
            (&["text/event-stream"], None),
            (&["text/plain; x=\", application/json\""], None),
        ] {
            assert_eq!(format(&headers(ACCEPT, accept)), expected, "{accept:?}");
        }
    }

    #[test]
    fn a_body_is_json_in_utf_8_or_nothing() {
        for good in [
            "application/json",
            "application/json; charset=utf-8",
            "APPLICATION/JSON;charset=\"UTF-8\"",
            "application/json;",
        ] {
            assert!(is_json(&headers(CONTENT_TYPE, &[good])), "{good}");
        }
        for bad in [
            &[][..],
            &[""],
            &["text/plain"],
            &["text/plain; application/json"],
            &["application/x-www-form-urlencoded"],
            &["multipart/form-data; boundary=x"],
            &["application/json; charset=utf-16"],
            &["application/json; charset=utf-8; charset=utf-16"],
            &["application/json; boundary=x"],
            &["application/graphql"],
            &["application/jsonp"],
            &["application/json", "text/plain"],
            &["application/json, text/plain"],
            &["é"],
        ] {
            assert!(!is_json(&headers(CONTENT_TYPE, bad)), "{bad:?}");
        }
        let mut compressed = headers(CONTENT_TYPE, &["application/json"]);
        compressed.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        assert!(!is_json(&compressed));
    }
}
