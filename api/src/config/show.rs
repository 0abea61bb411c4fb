//! Prints the configuration: every key with its value, where the value comes from, and what it means. Secrets are masked.

use super::Config;
use super::keys::{KEYS, Key, Kind};
use figment::value::Value;
use std::fmt::Write as _;
use url::Url;

/// Shown in the place of a secret.
const MASKED: &str = "***";

/// The configuration in use, for a person.
#[must_use]
pub fn effective(config: &Config) -> String {
    let mut text = String::new();
    for key in KEYS {
        let value = config.figment.find_value(key.path).ok();
        let source = match &value {
            None => "not set".to_owned(),
            Some(_) => super::source_of(config.figment.find_metadata(key.path)),
        };
        let shown = value.map_or_else(|| "-".to_owned(), |value| shown(key, &value));
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "{} = {shown}\n    from: {source}; variable: {}\n    {}\n",
            key.path,
            key.variable(),
            key.doc
        );
    }
    text
}

/// A documented configuration file with every key at its default.
#[must_use]
pub fn sample() -> String {
    let mut text = "# Configuration of Entente. What is set here is overridden by the environment variable named beside it.\n".to_owned();
    let mut section = "";
    for key in KEYS {
        let (of, name) = key.path.split_once('.').unwrap_or(("", key.path));
        if of != section {
            section = of;
            let _ = writeln!(text, "\n[{section}]");
        }
        let value = match (key.default, key.kind) {
            (None, Kind::Number) => "0".to_owned(),
            (None, Kind::Switch) => "false".to_owned(),
            (None, _) => "\"\"".to_owned(),
            (Some(default), Kind::Number | Kind::Switch) => default.to_owned(),
            (Some(default), _) => format!("{default:?}"),
        };
        let _ = writeln!(
            text,
            "\n# {} ({})\n#{name} = {value}",
            key.doc,
            key.variable()
        );
    }
    text
}

fn shown(key: &Key, value: &Value) -> String {
    match (key.kind, value) {
        (Kind::Secret, _) => MASKED.to_owned(),
        (Kind::Address, value) => value.as_str().map_or_else(
            || MASKED.to_owned(),
            |text| format!("{:?}", without_password(text)),
        ),
        (_, Value::String(_, text)) => format!("{text:?}"),
        (_, Value::Bool(_, switch)) => switch.to_string(),
        (_, Value::Num(_, number)) => number
            .to_u128_lossy()
            .map_or_else(|| MASKED.to_owned(), |number| number.to_string()),
        _ => MASKED.to_owned(),
    }
}

/// An address without what must not be shown. Passwords may also hide in the query; anything unreadable is masked whole.
fn without_password(text: &str) -> String {
    if text.starts_with("sqlite:") {
        return text.to_owned();
    }
    let Ok(mut url) = Url::parse(text) else {
        return MASKED.to_owned();
    };
    if url.password().is_some() && url.set_password(Some(MASKED)).is_err() {
        return MASKED.to_owned();
    }
    if url
        .query()
        .is_some_and(|query| query.to_ascii_lowercase().contains("password"))
    {
        url.set_query(Some(MASKED));
    }
    url.to_string()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn the_sample_is_a_valid_file_that_sets_nothing() {
        let file: toml_check::Table = toml_check::parse(&sample());
        assert!(file.keys().all(|section| {
            KEYS.iter()
                .any(|key| key.path.starts_with(&format!("{section}.")))
        }));
        for key in KEYS {
            assert!(sample().contains(key.doc), "{}", key.path);
        }
    }

    #[test]
    fn passwords_are_masked() {
        assert_eq!(
            without_password("postgres://me:geheim@db/entente"),
            "postgres://me:***@db/entente"
        );
        assert_eq!(
            without_password("postgres://db/entente?user=me&password=geheim"),
            "postgres://db/entente?***"
        );
        assert_eq!(without_password("geheim"), "***");
        assert_eq!(
            without_password("sqlite:///a/b.sqlite"),
            "sqlite:///a/b.sqlite"
        );
    }

    mod toml_check {
        use figment::Provider as _;
        use figment::providers::{Format as _, Toml};

        pub type Table = figment::value::Dict;

        pub fn parse(text: &str) -> Table {
            Toml::string(text)
                .data()
                .unwrap()
                .remove(&figment::Profile::Default)
                .unwrap_or_default()
        }
    }
}
