//! Counts the tokens and the bracket nesting of a GraphQL document in one pass over its bytes, without recursion.
//!
//! It exists because the parser recurses once per bracket: a few kilobytes of `[` would overflow its stack and end the process.
//! It refuses to build anything; the parser does that afterwards, on text known to be shallow. The invariant is that every
//! bracket the parser can descend into was counted here. Where the two might disagree about where a string ends, the text is
//! refused: an unterminated block string, which a backtracking parser could read as an empty string and the start of another.

use super::{Limits, Refusal};
use crate::graphql::error::ErrorCode;

/// What a scan found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scan {
    /// Number of tokens; commas, blanks and comments are none.
    pub tokens: usize,
    /// Deepest nesting of brackets of any kind.
    pub nesting: usize,
}

/// Scans a document.
///
/// # Errors
/// [`ErrorCode::TooManyTokens`] and [`ErrorCode::TooDeep`] as soon as a limit is passed; [`ErrorCode::GraphqlParseFailed`] for text
/// that can be no document: an unterminated string, a stray character, a bracket that closes another kind.
pub fn scan(source: &str, limits: &Limits) -> Result<Scan, Refusal> {
    let bytes = source.as_bytes();
    let mut found = Scan::default();
    let mut open: Vec<u8> = Vec::with_capacity(limits.nesting.min(64));
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let rest = bytes.get(at..).unwrap_or_default();
        let length = match byte {
            b' ' | b'\t' | b'\n' | b'\r' | b',' => {
                at += 1;
                continue;
            }
            0xEF if rest.starts_with("\u{feff}".as_bytes()) => {
                at += 3;
                continue;
            }
            b'#' => {
                at += rest
                    .iter()
                    .take_while(|byte| !matches!(byte, b'\n' | b'\r'))
                    .count();
                continue;
            }
            b'{' | b'[' | b'(' => {
                open.push(byte);
                found.nesting = found.nesting.max(open.len());
                if open.len() > limits.nesting {
                    return Err(Refusal::over(
                        ErrorCode::TooDeep,
                        "nested brackets",
                        limits.nesting as u64,
                    ));
                }
                1
            }
            b'}' | b']' | b')' => {
                if open.pop().map(closing) != Some(byte) {
                    return Err(syntax(
                        source,
                        at,
                        "a closing bracket without its opening one",
                    ));
                }
                1
            }
            b'!' | b'$' | b'&' | b':' | b'=' | b'@' | b'|' => 1,
            b'.' if rest.starts_with(b"...") => 3,
            b'"' if rest.starts_with(b"\"\"\"") => block_string(rest)
                .ok_or_else(|| syntax(source, at, "an unterminated block string"))?,
            b'"' => string(rest).ok_or_else(|| syntax(source, at, "an unterminated string"))?,
            b'_' | b'a'..=b'z' | b'A'..=b'Z' => {
                count(rest, |byte| byte == b'_' || byte.is_ascii_alphanumeric())
            }
            b'-' | b'0'..=b'9' => number(rest),
            _ => return Err(syntax(source, at, "an unexpected character")),
        };
        found.tokens += 1;
        if found.tokens > limits.tokens {
            return Err(Refusal::over(
                ErrorCode::TooManyTokens,
                "tokens",
                limits.tokens as u64,
            ));
        }
        at += length;
    }
    if open.is_empty() {
        Ok(found)
    } else {
        Err(syntax(
            source,
            bytes.len(),
            "the end, with brackets still open",
        ))
    }
}

const fn closing(opening: u8) -> u8 {
    match opening {
        b'{' => b'}',
        b'[' => b']',
        _ => b')',
    }
}

fn count(rest: &[u8], belongs: impl Fn(u8) -> bool) -> usize {
    rest.iter().take_while(|byte| belongs(**byte)).count()
}

/// The length of a number: sign, digits, fraction, exponent. Never more, or `1-1-1` would count as one token.
fn number(rest: &[u8]) -> usize {
    let digits = |from: usize| {
        count(rest.get(from..).unwrap_or_default(), |byte| {
            byte.is_ascii_digit()
        })
    };
    let mut end = 1 + digits(1);
    if rest.get(end) == Some(&b'.') && digits(end + 1) > 0 {
        end += 1 + digits(end + 1);
    }
    if matches!(rest.get(end), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(rest.get(end + 1), Some(b'+' | b'-')));
        if digits(end + 1 + sign) > 0 {
            end += 1 + sign + digits(end + 1 + sign);
        }
    }
    end
}

/// The length of a quoted string, both quotes included. A string ends on its line.
fn string(rest: &[u8]) -> Option<usize> {
    let mut at = 1;
    loop {
        match rest.get(at)? {
            b'"' => return Some(at + 1),
            b'\n' | b'\r' => return None,
            b'\\' => {
                at += if matches!(rest.get(at + 1)?, b'\n' | b'\r') {
                    return None;
                } else {
                    2
                }
            }
            _ => at += 1,
        }
    }
}

/// The length of a block string, both fences included.
fn block_string(rest: &[u8]) -> Option<usize> {
    let mut at = 3;
    loop {
        let here = rest.get(at..)?;
        if here.starts_with(b"\"\"\"") {
            return Some(at + 3);
        }
        at += match here.first()? {
            b'\\' if here.starts_with(b"\\\"\"\"") => 4,
            _ => 1,
        };
    }
}

fn syntax(source: &str, at: usize, what: &str) -> Refusal {
    let before = source.get(..at).unwrap_or(source);
    let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
    let column = before
        .rsplit('\n')
        .next()
        .map_or(0, |text| text.chars().count())
        + 1;
    Refusal::at(
        ErrorCode::GraphqlParseFailed,
        format!("The document has {what}."),
        line,
        column,
    )
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
    use proptest::prelude::*;

    fn of(source: &str) -> Result<Scan, ErrorCode> {
        scan(source, &Limits::default()).map_err(|refusal| refusal.code)
    }

    #[test]
    fn tokens_are_counted_as_the_specification_does() {
        for (source, tokens, nesting) in [
            ("{ a }", 3, 1),
            (
                "query Q($x: [Int!]! = [1 -2.5e+3]) { a(x: $x) @skip(if: true) { ...F } }",
                37,
                2,
            ),
            (
                "{ a(s: \"# } ] \\\" x\", t: \"\"\"\n }}} \\\"\"\" \" \"\"\") }",
                11,
                2,
            ),
            ("# only { a comment\n{a,b,,,c}\u{feff}", 5, 1),
            ("", 0, 0),
        ] {
            assert_eq!(of(source), Ok(Scan { tokens, nesting }), "{source}");
        }
    }

    #[test]
    fn text_that_can_be_no_document_is_refused() {
        for source in [
            "{ a(s: \"x }",
            "{ a(s: \"x\n\") }",
            "{ a(s: [\"\"\"x]) }",
            "{ a ]",
            "}",
            "{",
            "{ a% }",
            "{ é }",
            "{ .. }",
            "{\"\\",
            "\"\\\n\"",
        ] {
            assert_eq!(of(source), Err(ErrorCode::GraphqlParseFailed), "{source}");
        }
    }

    #[test]
    fn limits_are_inclusive() {
        let deep = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
        assert!(of(&deep(32)).is_ok());
        assert_eq!(of(&deep(33)), Err(ErrorCode::TooDeep));
        assert!(of(&"a ".repeat(2_000)).is_ok());
        assert_eq!(of(&"a ".repeat(2_001)), Err(ErrorCode::TooManyTokens));
    }

    #[test]
    fn a_syntax_error_names_its_place() {
        let refusal = scan("{ a\n é }", &Limits::default()).unwrap_err();
        assert_eq!(
            refusal.location.map(|place| (place.line, place.column)),
            Some((2, 2))
        );
    }

    fn roomy() -> Limits {
        Limits {
            tokens: usize::MAX,
            nesting: 60,
            ..Limits::default()
        }
    }

    proptest! {
        #[test]
        fn any_text_is_scanned_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = scan(&String::from_utf8_lossy(&bytes), &Limits::default());
        }

        #[test]
        fn what_the_parser_accepts_the_scan_accepts(pieces in proptest::collection::vec(piece(), 0..40)) {
            let source = format!("{{ a {} }}", pieces.concat());
            if async_graphql::parser::parse_query(&source).is_ok() {
                let found = scan(&source, &roomy());
                // The one deliberate difference: text with three quotes in a row may be refused.
                prop_assert!(found.is_ok() || source.contains("\"\"\""), "{source} {found:?}");
            }
        }
    }

    fn piece() -> impl Strategy<Value = String> {
        prop_oneof![
            Just("{ b }".to_owned()),
            Just("(x: [1 2 {y: \"]\"}])".to_owned()),
            Just(" c ".to_owned()),
            Just("\"\"".to_owned()),
            Just("\"\"\"".to_owned()),
            Just("\"".to_owned()),
            Just("\\".to_owned()),
            Just("#".to_owned()),
            Just("\n".to_owned()),
            Just("(x: \"\"\" ] \\\"\"\" \"\"\")".to_owned()),
            Just("[".to_owned()),
            Just("]".to_owned()),
            Just("...F ".to_owned()),
            Just("... on T { d }".to_owned()),
            Just("(x:".to_owned()),
            Just(")".to_owned()),
            Just("{".to_owned()),
            Just("}".to_owned()),
            Just("-1.5e3 ".to_owned()),
            Just("$v ".to_owned()),
            Just("@skip(if: true) ".to_owned()),
            Just("é".to_owned()),
        ]
    }
}
