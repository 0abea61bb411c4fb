//! What tells who a person is, found again in texts and in JSON.
//!
//! An address is looked for anywhere in a text, but as a whole: that of Ada is not in that of Canada. A name must be the whole text, and stand where
//! only a person's name stands. Letters of both cases are the same. The databases do not agree on that (SQLite knows the cases of ASCII's letters only), so
//! that they are asked for what looks alike, with any letter in place of one they may not know, and [`Words::is`] decides.

use super::ERASED;
use sea_orm::sea_query::{Condition, Expr, ExprTrait as _, Func, LikeExpr, SimpleExpr};
use serde_json::Value as Json;
use std::collections::BTreeSet;

/// Names of fields under which nothing but a person's name or address stands.
const OF_PEOPLE: [&str; 6] = [
    "owner",
    "owner.name",
    "owner.email",
    "ownerName",
    "userName",
    "dri",
];

/// What tells who a person is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Words {
    emails: BTreeSet<String>,
    names: BTreeSet<String>,
}

impl Words {
    /// Learns an address. What is none, or stands for somebody erased, tells nothing.
    pub fn learn_email(&mut self, email: &str) {
        let email = email.trim().to_lowercase();
        if crate::contact::is_email(&email) && !email.ends_with("@erased.invalid") {
            self.emails.insert(email);
        }
    }

    /// Learns a name.
    pub fn learn_name(&mut self, name: &str) {
        let name = name.trim();
        if !name.is_empty() && name != ERASED {
            self.names.insert(name.to_lowercase());
        }
    }

    /// The addresses, in lower case.
    pub fn emails(&self) -> impl ExactSizeIterator<Item = &String> {
        self.emails.iter()
    }

    /// The names, in lower case.
    pub fn names(&self) -> impl ExactSizeIterator<Item = &String> {
        self.names.iter()
    }

    /// Whether nothing is known of the person.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.emails.is_empty() && self.names.is_empty()
    }

    /// Whether a text that is somebody's name or address is this person's.
    #[must_use]
    pub fn is(&self, text: &str) -> bool {
        let text = text.trim().to_lowercase();
        self.names.contains(&text) || self.emails.contains(&text)
    }

    /// The condition that a column of JSON or text may hold one of the words. It lets through what looks alike; [`Words::without`] decides. It reads
    /// every row, and is for what happens seldom.
    pub(super) fn may_be_in(&self, column: impl Fn() -> SimpleExpr) -> Condition {
        let mut any = Condition::any();
        for word in self.emails.iter().chain(&self.names) {
            // As JSON writes it, without the quotes around it.
            let quoted = Json::from(word.as_str()).to_string();
            let inner = quoted.trim_matches('"');
            let pattern = format!("%{}%", pattern(inner));
            any = any.add(looks_like(column().cast_as("text"), pattern));
        }
        any
    }

    /// The condition that a column of text may be one of these words. It lets through what looks alike; [`Words::is`] decides.
    pub(super) fn may_be<'a>(
        words: impl IntoIterator<Item = &'a String>,
        column: impl Fn() -> SimpleExpr,
    ) -> Condition {
        let lowered = || Expr::expr(Func::lower(column()));
        let (plain, other): (Vec<&String>, Vec<&String>) =
            words.into_iter().partition(|word| word.is_ascii());
        let mut any = Condition::any().add(lowered().is_in(plain.into_iter().cloned()));
        for word in other {
            any = any.add(looks_like(column(), pattern(word)));
        }
        any
    }

    /// JSON with what tells who the person is replaced; none when it tells nothing. `about_person`: whether all of it is about the person, so that a
    /// name may stand anywhere.
    #[must_use]
    pub fn without(&self, data: &Json, about_person: bool) -> Option<Json> {
        let mut data = data.clone();
        self.strip(&mut data, about_person).then_some(data)
    }

    fn strip(&self, value: &mut Json, of_people: bool) -> bool {
        match value {
            Json::String(text) => {
                if of_people && self.is(text) {
                    *text = ERASED.to_owned();
                    return true;
                }
                match self.without_emails(text) {
                    Some(stripped) => {
                        *text = stripped;
                        true
                    }
                    None => false,
                }
            }
            Json::Array(entries) => {
                let strip = |entry: &mut Json| usize::from(self.strip(entry, of_people));
                entries.iter_mut().map(strip).sum::<usize>() > 0
            }
            Json::Object(fields) => {
                let strip = |(key, entry): (&String, &mut Json)| {
                    let of_people = of_people || OF_PEOPLE.contains(&key.as_str());
                    usize::from(self.strip(entry, of_people))
                };
                fields.iter_mut().map(strip).sum::<usize>() > 0
            }
            Json::Null | Json::Bool(_) | Json::Number(_) => false,
        }
    }

    /// A text without the person's addresses; none when there are none in it.
    fn without_emails(&self, text: &str) -> Option<String> {
        let mut stripped: Option<String> = None;
        for email in &self.emails {
            let current = stripped.as_deref().unwrap_or(text);
            stripped = without_email(current, email).or(stripped);
        }
        stripped
    }
}

/// A text without one address, wherever it stands as a whole.
fn without_email(text: &str, email: &str) -> Option<String> {
    // Lowering the letters of ASCII moves no byte.
    let lowered = text.to_ascii_lowercase();
    let of_address = |letter: char| letter.is_alphanumeric() || "._%+-".contains(letter);
    let (mut kept, mut from, mut found) = (String::new(), 0, false);
    for (start, hit) in lowered.match_indices(email) {
        let end = start + hit.len();
        let before = lowered.get(..start)?.chars().next_back();
        let mut after = lowered.get(end..)?.chars();
        let is_longer = match after.next() {
            // A full stop ends a sentence, or goes on with the host's name.
            Some('.') => after.next().is_some_and(char::is_alphanumeric),
            Some(letter) => letter.is_alphanumeric() || letter == '-',
            None => false,
        };
        if before.is_some_and(of_address) || is_longer {
            continue;
        }
        kept.push_str(text.get(from..start)?);
        kept.push_str(ERASED);
        (from, found) = (end, true);
    }
    kept.push_str(text.get(from..)?);
    found.then_some(kept)
}

fn looks_like(column: SimpleExpr, pattern: String) -> SimpleExpr {
    let pattern = LikeExpr::new(pattern).escape('\\');
    Expr::expr(Func::lower(column)).like(pattern)
}

/// A pattern for a word in lower case: whatever letter stands where the word has one of which a database may not know the cases.
fn pattern(word: &str) -> String {
    let mut written = String::with_capacity(word.len());
    for letter in word.chars() {
        match letter {
            '%' | '_' | '\\' => written.extend(['\\', letter]),
            _ if letter.is_ascii() => written.push(letter),
            _ => written.push('_'),
        }
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn ada() -> Words {
        let mut words = Words::default();
        words.learn_email(" Ada@x.example ");
        words.learn_name("Ada Lovelace");
        words
    }

    #[test]
    fn an_address_is_found_as_a_whole_and_wherever_it_stands() {
        let stripped = |text: &str| ada().without(&json!(text), false);
        for (text, left) in [
            ("ada@x.example", "Erased person"),
            ("ADA@X.Example", "Erased person"),
            ("by <ada@x.example>, now", "by <Erased person>, now"),
            ("Ask ada@x.example.", "Ask Erased person."),
            ("ada@x.example ada@x.example", "Erased person Erased person"),
            ("Ø ada@x.example Ø", "Ø Erased person Ø"),
        ] {
            assert_eq!(stripped(text), Some(json!(left)), "{text}");
        }
        for text in [
            "canada@x.example",
            "ada@x.example.org",
            "ada@x.examples",
            "ada@x.example-two.org",
            "x.ada@x.example",
            "ada at x.example",
            "",
        ] {
            assert_eq!(stripped(text), None, "{text}");
        }
    }

    #[test]
    fn a_name_counts_where_only_a_persons_stands() {
        let data = json!({
            "name": { "from": "Ada Lovelace", "to": "Other" },
            "owner.name": { "from": "ada lovelace ", "to": "Ada Lovelace Ltd" },
            "owner.email": { "from": "ada@x.example", "to": null },
            "dri": ["Ada Lovelace", 1, true],
        });
        let left = ada().without(&data, false);
        assert_eq!(
            left,
            Some(json!({
                "name": { "from": "Ada Lovelace", "to": "Other" },
                "owner.name": { "from": "Erased person", "to": "Ada Lovelace Ltd" },
                "owner.email": { "from": "Erased person", "to": null },
                "dri": ["Erased person", 1, true],
            }))
        );
        let about = ada().without(&json!({ "name": "Ada Lovelace" }), true);
        assert_eq!(about, Some(json!({ "name": "Erased person" })));
        assert_eq!(
            ada().without(&json!({ "name": "Ada Lovelace" }), false),
            None
        );
    }

    #[test]
    fn a_letter_beyond_ascii_may_be_any() {
        assert_eq!(pattern("jürgen 5%_\\é"), "j_rgen 5\\%\\_\\\\_");
        let mut words = Words::default();
        words.learn_name("Jürgen Özil");
        assert!(words.is("JÜRGEN ÖZIL") && !words.is("Jorgen Ozil"));
    }

    #[test]
    fn what_stands_for_nobody_tells_nothing() {
        let mut words = Words::default();
        words.learn_email("user_1@erased.invalid");
        words.learn_email("nobody");
        words.learn_email("");
        words.learn_name(ERASED);
        words.learn_name("  ");
        assert!(words.is_empty());
        assert_eq!(words.without(&json!({ "owner": "" }), true), None);
    }
}
