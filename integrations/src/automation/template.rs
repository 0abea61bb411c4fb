//! The words of an automation, with what its selection answered in their places.
//!
//! Owns: which templates are taken, and their rendering. The language is Jinja's, cut down to looking values up, deciding and walking through lists:
//! nothing in it makes values larger than they were, for fuel counts steps and not bytes. Refuses: names of nothing (strict undefined), more than a
//! bounded number of steps, and more than a bounded text. Invariant: what comes out is plain text. Who sends it escapes it in the language of the place it goes
//! to: a chat's connector, and what makes headers of a mail; a template can write no markup there, and neither can a value.

use minijinja::value::{Object, ObjectRepr, Serde, Value};
use minijinja::{Environment, Error, ErrorKind, UndefinedBehavior};
use serde_json::Value as Json;
use std::fmt;
use std::io;
use std::sync::Arc;

/// The steps one template may take.
const FUEL: u64 = 20_000;
/// The most bytes of what comes out.
pub const LONGEST: usize = 32 * 1024;
/// What may be done between the braces.
const TAGS: [&str; 6] = ["if", "elif", "else", "endif", "for", "endfor"];

/// Why a template is not taken, or says nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadTemplate(pub String);

impl From<Error> for BadTemplate {
    fn from(error: Error) -> Self {
        let line = error
            .line()
            .map_or_else(String::new, |line| format!("line {line}: "));
        let what = match (error.kind(), error.detail()) {
            (ErrorKind::OutOfFuel, _) => "it takes too many steps".to_owned(),
            (_, Some(detail)) => detail.to_owned(),
            (ErrorKind::UndefinedError, None) => "there is no such value".to_owned(),
            (kind, None) => kind.to_string(),
        };
        Self(format!("{line}{what}"))
    }
}

/// Refuses what could make values larger, before the template is parsed: operators other than comparisons, lists and maps that are written out, and
/// every tag but those for deciding and walking.
fn scan(template: &str) -> Result<(), BadTemplate> {
    let refuse = |what: &str| Err(BadTemplate(format!("{what} is not taken in a template")));
    let mut rest = template;
    while let Some(start) = rest.find('{') {
        let tail = rest.get(start..).unwrap_or_default();
        let end = match tail.get(..2) {
            Some("{{") => "}}",
            Some("{%") => "%}",
            Some("{#") => {
                let end = tail.find("#}");
                rest = end.and_then(|end| tail.get(end + 2..)).unwrap_or_default();
                continue;
            }
            _ => {
                rest = tail.get(1..).unwrap_or_default();
                continue;
            }
        };
        let inner = tail.get(2..).unwrap_or_default();
        let mut quote = None;
        let mut escaped = false;
        let mut closed = None;
        for (place, c) in inner.char_indices() {
            match quote {
                Some(_) if escaped => escaped = false,
                Some(_) if c == '\\' => escaped = true,
                Some(mark) if c == mark => quote = None,
                Some(_) => {}
                None if inner.get(place..).is_some_and(|tail| tail.starts_with(end)) => {
                    closed = Some(place);
                    break;
                }
                None if c == '"' || c == '\'' => quote = Some(c),
                // The empty list is what one falls back to; nothing can be put into it.
                None if c == '[' && inner.get(place..).is_some_and(|it| it.starts_with("[]")) => {}
                None if c == ']' && inner.get(..place).is_some_and(|it| it.ends_with('[')) => {}
                None if "~*+/%[]{}:".contains(c) => return refuse(&format!("{c:?}")),
                None => {}
            }
        }
        let Some(closed) = closed else {
            return Err(BadTemplate(format!("{end:?} is missing")));
        };
        let code = inner.get(..closed).unwrap_or_default();
        if end == "%}" {
            let words = code.trim_start_matches(['-', '+']).trim();
            let tag: String = words.chars().take_while(|c| c.is_alphanumeric()).collect();
            if !TAGS.contains(&tag.as_str()) {
                return refuse(&format!("{tag:?}"));
            }
            if tag == "for" && words.split_whitespace().any(|word| word == "recursive") {
                return refuse("\"recursive\"");
            }
        }
        rest = inner.get(closed + 2..).unwrap_or_default();
    }
    Ok(())
}

fn upper(text: &str) -> String {
    text.to_uppercase()
}

fn lower(text: &str) -> String {
    text.to_lowercase()
}

fn trim(text: &str) -> String {
    text.trim().to_owned()
}

fn or_else(value: &Value, other: &Value) -> Value {
    if value.is_undefined() || value.is_none() {
        other.clone()
    } else {
        value.clone()
    }
}

/// Members with a text between them, as far as a message can hold them.
fn join(members: &Value, between: Option<String>) -> Result<String, Error> {
    let between = between.unwrap_or_default();
    let mut text = String::new();
    for (index, member) in members.try_iter()?.enumerate() {
        if index > 0 {
            text.push_str(&between);
        }
        text.push_str(&member.to_string());
        if text.len() > LONGEST {
            return Err(Error::new(
                ErrorKind::InvalidOperation,
                "the text is too long",
            ));
        }
    }
    Ok(text)
}

fn length(value: &Value) -> Result<usize, Error> {
    value
        .len()
        .ok_or_else(|| Error::new(ErrorKind::InvalidOperation, "this has no length"))
}

fn environment<'a>() -> Environment<'a> {
    let mut environment = Environment::empty();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_fuel(Some(FUEL));
    environment.add_filter("upper", upper);
    environment.add_filter("lower", lower);
    environment.add_filter("trim", trim);
    environment.add_filter("default", or_else);
    environment.add_filter("join", join);
    environment.add_filter("length", length);
    environment.add_test("defined", |value: &Value| !value.is_undefined());
    environment
}

/// Takes so many bytes and no more.
struct Bounded(Vec<u8>);

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > LONGEST {
            return Err(io::Error::other("the text is too long"));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn render_value(template: &str, values: Value) -> Result<String, BadTemplate> {
    scan(template)?;
    let environment = environment();
    let compiled = environment.template_from_str(template)?;
    let mut out = Bounded(Vec::new());
    compiled.render_captured_to(values, &mut out).map(|_| ())?;
    String::from_utf8(out.0).map_err(|_| BadTemplate("it says no text".to_owned()))
}

/// Renders a template with what a selection answered.
///
/// # Errors
/// [`BadTemplate`].
pub fn render(template: &str, answered: &Json) -> Result<String, BadTemplate> {
    render_value(template, Value::from(Serde(answered)))
}

/// What a value of a selection may be, before there is one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sample {
    /// A value that is printed: a text that could be one.
    Leaf(&'static str),
    /// True or false.
    Flag,
    /// JSON that may hold anything.
    Anything,
    /// Several.
    List(Box<Sample>),
    /// Values by name.
    Object(std::collections::BTreeMap<String, Sample>),
}

/// JSON of which nothing is known: it has every member, and each of them is such JSON again.
#[derive(Debug)]
struct Anything;

impl Object for Anything {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Map
    }

    fn get_value(self: &Arc<Self>, _: &Value) -> Option<Value> {
        Some(Value::from_object(Anything))
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

impl Sample {
    fn value(&self) -> Value {
        match self {
            Self::Leaf(text) => Value::from(*text),
            Self::Flag => Value::from(true),
            Self::Anything => Value::from_object(Anything),
            Self::List(member) => Value::from(vec![member.value()]),
            Self::Object(members) => Value::from_pairs(
                members
                    .iter()
                    .map(|(name, member)| (name.clone(), member.value())),
            ),
        }
    }
}

/// Holds a template against what a selection will answer: every value that it names there must be one of the selection's.
///
/// # Errors
/// [`BadTemplate`].
pub fn check(template: &str, sample: &Sample) -> Result<(), BadTemplate> {
    render_value(template, sample.value()).map(|_| ())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use serde_json::json;

    #[test]
    fn values_stand_in_their_places() {
        let event = json!({
            "type": "deal.won", "subject": { "name": "Globex <!channel>", "amount": null, "tags": ["a", "b"] },
        });
        let said = |template: &str| render(template, &event);
        assert_eq!(
            said("{{ subject.name }}: {{ subject.tags | join(', ') }} {{ subject.tags | length }}")
                .unwrap(),
            "Globex <!channel>: a, b 2"
        );
        assert_eq!(
            said("{% if subject.amount %}{{ subject.amount.amount }}{% else %}?{% endif %}")
                .unwrap(),
            "?"
        );
        assert_eq!(
            said("{% for tag in subject.tags %}[{{ tag | upper }}]{% endfor %}").unwrap(),
            "[A][B]"
        );
        assert_eq!(
            said("{{ subject.nickname | default('none') }}").unwrap(),
            "none"
        );
        assert_eq!(said("100 % of {it}").unwrap(), "100 % of {it}");
        // Of a value there is none to be said; nothing is said instead of a gap.
        for wrong in [
            "{{ nobody }}",
            "{{ subject.nickname }}",
            "{{ subject.amount.amount }}",
        ] {
            assert!(said(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn nothing_grows() {
        let event = json!({ "text": "x".repeat(20_000), "list": vec![1; 300] });
        for wrong in [
            "{% set a = text %}",
            "{{ text ~ text }}",
            "{{ text * 1000 }}",
            "{{ [text, text] }}",
            "{{ {'a': text} }}",
            "{% for a in [text] %}{% endfor %}",
            "{% macro a() %}{% endmacro %}",
            "{% include 'x' %}",
            "{% filter upper %}{% endfilter %}",
            "{% for a in list recursive %}{% endfor %}",
            "{%+ set a = 1 %}",
            "{{ 'a' ~ \"}}\" }}",
            "{{ '%999999999d' | format(1) }}",
            "{{ text }}{{ text }}",
            "{% for a in list %}{{ text }}{% endfor %}",
            "{% for a in list %}{% for b in list %}{% for c in list %}{% endfor %}{% endfor %}{% endfor %}",
            "{{ range(1000000) }}",
            "{{ text",
            "{% if text %}",
        ] {
            assert!(render(wrong, &event).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_template_names_only_what_its_selection_answers() {
        let subject = [
            ("name".to_owned(), Sample::Leaf("text")),
            ("won".to_owned(), Sample::Flag),
        ];
        let sample = Sample::Object(
            [
                ("subject".to_owned(), Sample::Object(subject.into())),
                ("data".to_owned(), Sample::Anything),
                (
                    "tags".to_owned(),
                    Sample::List(Box::new(Sample::Leaf("text"))),
                ),
            ]
            .into(),
        );
        for good in [
            "{{ subject.name }} {{ data.reason }} {{ data.a.b }}",
            "{% for tag in tags %}{{ tag }}{% endfor %}",
            "{% if subject.won %}!{% endif %}",
        ] {
            assert_eq!(check(good, &sample), Ok(()), "{good}");
        }
        for bad in [
            "{{ subject.title }}",
            "{{ actor }}",
            "{{ subject.name.first }}",
        ] {
            assert!(check(bad, &sample).is_err(), "{bad}");
        }
    }
}
