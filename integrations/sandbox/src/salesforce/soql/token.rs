//! Words, strings, numbers, dates and signs of a query, each with its place.

use crate::salesforce::held::{read_day, read_instant};
use crate::salesforce::refused::SalesforceRefused as Refused;

/// One piece of a query.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Token {
    /// A name, a keyword, or names joined by dots.
    Word(String),
    Text(String),
    Number(f64),
    Day(chrono::NaiveDate),
    At(i64),
    /// `( ) , = != < <= > >= :` as they stand.
    Sign(&'static str),
    End,
}

/// A token and where it begins, counted from 0.
#[derive(Debug, Clone)]
pub(crate) struct Placed {
    pub(crate) token: Token,
    pub(crate) at: usize,
}

/// A refusal that shows the place in the query.
pub(crate) fn refuse(code: &'static str, query: &str, at: usize, message: &str) -> Refused {
    let start = query
        .char_indices()
        .map(|(n, _)| n)
        .rev()
        .find(|n| *n + 30 <= at);
    let start = start.unwrap_or(0);
    let shown: String = query
        .get(start..)
        .unwrap_or_default()
        .chars()
        .take(80)
        .collect();
    let pad = query
        .get(start..at)
        .map_or(0, |before| before.chars().count());
    let column = query.get(..at).map_or(at, |before| before.chars().count()) + 1;
    let message = format!(
        "\n{shown}\n{:pad$}^\nERROR at Row:1:Column:{column}\n{message}",
        ""
    );
    Refused::new(code, message)
}

const SIGNS: [&str; 11] = ["!=", "<>", "<=", ">=", "=", "<", ">", "(", ")", ",", ":"];

/// Takes a query apart.
pub(crate) fn tokens(query: &str) -> Result<Vec<Placed>, Refused> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(rest) = query.get(at..) {
        let Some(first) = rest.chars().next() else {
            break;
        };
        let begin = at;
        let token = if first.is_whitespace() {
            at += first.len_utf8();
            continue;
        } else if first == '\'' {
            let (text, length) = string(rest)
                .map_err(|problem| refuse("MALFORMED_QUERY", query, begin, &problem))?;
            at += length;
            Token::Text(text)
        } else if let Some(sign) = SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
            at += sign.len();
            Token::Sign(sign)
        } else if first.is_ascii_digit() || ((first == '-' || first == '+') && follows_digit(rest))
        {
            let length = rest
                .find(|c: char| !(c.is_ascii_alphanumeric() || "+-:.".contains(c)))
                .unwrap_or(rest.len());
            let text = rest.get(..length).unwrap_or_default();
            at += length;
            literal(text).ok_or_else(|| {
                let problem =
                    format!("line 1:{begin} no viable alternative at character '{first}'");
                refuse("MALFORMED_QUERY", query, begin, &problem)
            })?
        } else if first.is_alphabetic() || first == '_' {
            let length = rest
                .find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '.'))
                .unwrap_or(rest.len());
            at += length.max(first.len_utf8());
            Token::Word(rest.get(..length).unwrap_or_default().to_owned())
        } else {
            let problem = format!("line 1:{begin} no viable alternative at character '{first}'");
            return Err(refuse("MALFORMED_QUERY", query, begin, &problem));
        };
        found.push(Placed { token, at: begin });
    }
    found.push(Placed {
        token: Token::End,
        at: query.len(),
    });
    Ok(found)
}

fn follows_digit(rest: &str) -> bool {
    rest.chars().nth(1).is_some_and(|c| c.is_ascii_digit())
}

/// A number, a day or an instant, by its shape.
fn literal(text: &str) -> Option<Token> {
    if let Ok(number) = text.parse::<f64>() {
        return number.is_finite().then_some(Token::Number(number));
    }
    if text.contains('T') {
        return read_instant(text).map(Token::At);
    }
    (text.len() == 10).then(|| read_day(text).map(Token::Day))?
}

/// A string in single quotes: its content and its length in the query.
fn string(rest: &str) -> Result<(String, usize), String> {
    let mut text = String::new();
    let mut chars = rest.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        match c {
            '\'' => return Ok((text, at + 1)),
            '\\' => {
                let (_, escaped) = chars.next().ok_or("unterminated string")?;
                let meant = match escaped {
                    'n' | 'N' => '\n',
                    'r' | 'R' => '\r',
                    't' | 'T' => '\t',
                    'b' | 'B' => '\u{8}',
                    'f' | 'F' => '\u{c}',
                    '\'' | '"' | '\\' => escaped,
                    // Only LIKE knows these two; they stay escaped until then.
                    '_' | '%' => {
                        text.push('\\');
                        escaped
                    }
                    other => {
                        return Err(format!("invalid string literal: illegal escape \\{other}"));
                    }
                };
                text.push(meant);
            }
            other => text.push(other),
        }
    }
    Err("unexpected end of file, expecting '\\''".to_owned())
}
