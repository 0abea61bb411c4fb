//! The vendor's search language, as it stands in `query:` arguments.
//!
//! Invariant: a field the vendor does not search by is ignored with a warning in `extensions`, and the list is the longer for it. That is the
//! vendor's way, and a trap: a misspelt filter reads everything.

use crate::clock::parse_instant;

/// A parsed query and what was ignored in it.
#[derive(Debug, Default)]
pub(crate) struct Search {
    root: Option<Term>,
    /// Field and reason.
    pub(crate) warnings: Vec<(String, String)>,
}

#[derive(Debug)]
enum Term {
    All(Vec<Term>),
    Any(Vec<Term>),
    Not(Box<Term>),
    Field {
        name: String,
        operator: Operator,
        value: String,
    },
    Text(String),
    Everything,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Is,
    More,
    MoreOrIs,
    Less,
    LessOrIs,
}

/// A value a record is searched by.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Known {
    Text(String),
    Number(i64),
    Time(i64),
    Flag(bool),
}

impl Known {
    pub(crate) fn texts(values: &[String]) -> Vec<Self> {
        values.iter().cloned().map(Self::Text).collect()
    }

    pub(crate) fn maybe(value: Option<&str>) -> Vec<Self> {
        value
            .map(|text| Self::Text(text.to_owned()))
            .into_iter()
            .collect()
    }
}

/// What a kind of record can be searched by.
pub(crate) trait Searched {
    /// The values of a field; `None` when there is no such field.
    fn known(&self, field: &str) -> Option<Vec<Known>>;

    /// The texts a word without a field is looked for in.
    fn texts(&self) -> Vec<String>;
}

struct Reader<'a> {
    rest: &'a str,
}

impl Search {
    /// Reads a query; `fields` says what can be searched by.
    pub(crate) fn parse(query: &str, fields: impl Fn(&str) -> bool) -> Self {
        let mut reader = Reader { rest: query };
        let mut search = Self::default();
        let root = reader.any(&fields, &mut search.warnings);
        search.root = root;
        search
    }

    pub(crate) fn matches(&self, record: &impl Searched) -> bool {
        self.root.as_ref().is_none_or(|root| root.matches(record))
    }
}

impl Reader<'_> {
    fn space(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn word(&mut self, word: &str) -> bool {
        self.space();
        let follows = self
            .rest
            .strip_prefix(word)
            .filter(|rest| rest.is_empty() || rest.starts_with([' ', '(', ')']));
        match follows {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn any(
        &mut self,
        fields: &impl Fn(&str) -> bool,
        warnings: &mut Vec<(String, String)>,
    ) -> Option<Term> {
        let mut parts = vec![self.all(fields, warnings)?];
        while self.word("OR") {
            parts.extend(self.all(fields, warnings));
        }
        Some(if parts.len() == 1 {
            parts.remove(0)
        } else {
            Term::Any(parts)
        })
    }

    fn all(
        &mut self,
        fields: &impl Fn(&str) -> bool,
        warnings: &mut Vec<(String, String)>,
    ) -> Option<Term> {
        let mut parts = Vec::new();
        loop {
            let _joined = self.word("AND");
            self.space();
            let ends = self.rest.is_empty() || self.rest.starts_with(')');
            let or = self
                .rest
                .strip_prefix("OR")
                .is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '(']));
            if ends || or {
                break;
            }
            parts.extend(self.one(fields, warnings));
        }
        match parts.len() {
            0 => None,
            1 => Some(parts.remove(0)),
            _ => Some(Term::All(parts)),
        }
    }

    fn one(
        &mut self,
        fields: &impl Fn(&str) -> bool,
        warnings: &mut Vec<(String, String)>,
    ) -> Option<Term> {
        if self.word("NOT") {
            return self
                .one(fields, warnings)
                .map(|term| Term::Not(Box::new(term)));
        }
        self.space();
        if let Some(rest) = self.rest.strip_prefix('-') {
            self.rest = rest;
            return self
                .one(fields, warnings)
                .map(|term| Term::Not(Box::new(term)));
        }
        if let Some(rest) = self.rest.strip_prefix('(') {
            self.rest = rest;
            let inner = self.any(fields, warnings);
            self.space();
            self.rest = self.rest.strip_prefix(')').unwrap_or(self.rest);
            return inner;
        }
        let end = self
            .rest
            .find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '.'))
            .unwrap_or(self.rest.len());
        let (name, tail) = self.rest.split_at(end);
        if name.is_empty() || !tail.starts_with(':') {
            return Some(Term::Text(self.value()));
        }
        self.rest = tail.get(1..).unwrap_or_default();
        let operators = [
            (">=", Operator::MoreOrIs),
            ("<=", Operator::LessOrIs),
            (">", Operator::More),
            ("<", Operator::Less),
            ("=", Operator::Is),
        ];
        let mut operator = Operator::Is;
        for (sign, meant) in operators {
            if let Some(rest) = self.rest.strip_prefix(sign) {
                self.rest = rest;
                operator = meant;
                break;
            }
        }
        let value = self.value();
        if !fields(name) {
            warnings.push((
                name.to_owned(),
                "Invalid search field for this query.".to_owned(),
            ));
            return Some(Term::Everything);
        }
        if name.ends_with("_at") && value != "*" && parse_instant(&value).is_none() {
            warnings.push((
                name.to_owned(),
                format!("Input `{value}` is not an accepted value."),
            ));
            return Some(Term::Everything);
        }
        Some(Term::Field {
            name: name.to_owned(),
            operator,
            value,
        })
    }

    fn value(&mut self) -> String {
        for quote in ['\'', '"'] {
            if let Some(rest) = self.rest.strip_prefix(quote) {
                let mut out = String::new();
                let mut escaped = false;
                for (at, c) in rest.char_indices() {
                    match c {
                        '\\' if !escaped => escaped = true,
                        c if c == quote && !escaped => {
                            self.rest = rest.get(at + c.len_utf8()..).unwrap_or_default();
                            return out;
                        }
                        c => {
                            escaped = false;
                            out.push(c);
                        }
                    }
                }
                self.rest = "";
                return out;
            }
        }
        let end = self.rest.find([' ', ')']).unwrap_or(self.rest.len());
        let (value, rest) = self.rest.split_at(end);
        self.rest = rest;
        value.to_owned()
    }
}

impl Term {
    fn matches(&self, record: &impl Searched) -> bool {
        match self {
            Self::All(terms) => terms.iter().all(|term| term.matches(record)),
            Self::Any(terms) => terms.iter().any(|term| term.matches(record)),
            Self::Not(term) => !term.matches(record),
            Self::Everything => true,
            Self::Text(text) => {
                let wanted = text.trim_end_matches('*').to_lowercase();
                record
                    .texts()
                    .iter()
                    .any(|known| known.to_lowercase().contains(&wanted))
            }
            Self::Field {
                name,
                operator,
                value,
            } => {
                let known = record.known(name).unwrap_or_default();
                if value == "*" {
                    return !known.is_empty();
                }
                known.iter().any(|known| holds(known, *operator, value))
            }
        }
    }
}

fn holds(known: &Known, operator: Operator, value: &str) -> bool {
    let compared = match known {
        Known::Text(text) => {
            let (text, value) = (text.to_lowercase(), value.to_lowercase());
            if let Some(start) = value.strip_suffix('*') {
                return text.starts_with(start);
            }
            if operator == Operator::Is {
                return value.split(',').any(|one| one == text);
            }
            text.cmp(&value)
        }
        Known::Number(number) => {
            let Ok(value) = value.parse::<i64>() else {
                return false;
            };
            number.cmp(&value)
        }
        Known::Time(at) => {
            let Some(value) = parse_instant(value) else {
                return false;
            };
            at.cmp(&value)
        }
        Known::Flag(flag) => {
            return value.eq_ignore_ascii_case(if *flag { "true" } else { "false" });
        }
    };
    match operator {
        Operator::Is => compared.is_eq(),
        Operator::More => compared.is_gt(),
        Operator::MoreOrIs => compared.is_ge(),
        Operator::Less => compared.is_lt(),
        Operator::LessOrIs => compared.is_le(),
    }
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

    struct Record;

    impl Searched for Record {
        fn known(&self, field: &str) -> Option<Vec<Known>> {
            Some(match field {
                "updated_at" => vec![Known::Time(1_793_527_200_500)],
                "id" => vec![Known::Number(820_982_911_946_154_508)],
                "name" => vec![Known::Text("#1001".to_owned())],
                "test" => vec![Known::Flag(false)],
                "tag" => Known::texts(&["partner".to_owned(), "big deal".to_owned()]),
                _ => return None,
            })
        }

        fn texts(&self) -> Vec<String> {
            vec!["#1001".to_owned(), "ann@example.com".to_owned()]
        }
    }

    fn found(query: &str) -> bool {
        Search::parse(query, |name| Record.known(name).is_some()).matches(&Record)
    }

    #[test]
    fn what_a_query_says() {
        assert!(found("updated_at:>='2026-11-01T10:00:00Z'"));
        assert!(!found("updated_at:<'2026-11-01T10:00:00Z'"));
        assert!(found("updated_at:>2026-11-01"));
        assert!(found("id:820982911946154508"));
        assert!(!found("id:>820982911946154508"));
        assert!(found("name:#1001 AND test:false"));
        assert!(!found("name:#1001 test:true"));
        assert!(found("(name:nope OR tag:'big deal') AND NOT test:true"));
        assert!(found("-name:nope"));
        assert!(found("tag:part*"));
        assert!(found("ann@example.com"));
        assert!(found(""));
    }

    #[test]
    fn unknown_fields_are_ignored_with_a_warning() {
        let search = Search::parse("updated_on:>2030-01-01 updated_at:>soon", |name| {
            Record.known(name).is_some()
        });
        assert!(search.matches(&Record));
        let told: Vec<&str> = search
            .warnings
            .iter()
            .map(|(field, _)| field.as_str())
            .collect();
        assert_eq!(told, ["updated_on", "updated_at"]);
    }
}
