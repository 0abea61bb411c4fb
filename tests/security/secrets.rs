//! What must not be told to somebody, looked for in whatever form it might come: a text, an id, a number, a cursor.

use crate::mirror::{self, Side};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tests::Answer;

/// What must not be told to somebody, in whatever form.
pub struct Secrets {
    marks: Vec<String>,
    ids: Vec<String>,
    uuids: Vec<String>,
    numbers: Vec<String>,
}

/// The words of a text: what stands between anything that is no letter, no digit, no dot, no dash and no underscore.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !(c.is_alphanumeric() || matches!(c, '.' | '-' | '_')))
        .map(|word| word.trim_matches('.'))
}

impl Secrets {
    /// Those of some sides; with B's go what it shares with A unseen and what is nobody's.
    pub fn of(sides: &[&Side]) -> Self {
        let mut secrets = Self {
            marks: sides.iter().map(|side| side.mark.to_lowercase()).collect(),
            ids: sides.iter().flat_map(|side| side.own.clone()).collect(),
            uuids: Vec::new(),
            numbers: sides.iter().flat_map(|side| side.figures.shown()).collect(),
        };
        if sides.iter().any(|side| side.mark == "CANARY-B") {
            secrets.numbers.extend(mirror::of_nobody());
        }
        let uuids = secrets
            .ids
            .iter()
            .map(|id| entities::id::parse_any(id).unwrap().1.to_string());
        secrets.uuids = uuids.collect();
        secrets
    }

    /// The same with more texts and ids that nobody outside the programme may read.
    pub fn and(mut self, more: &[String]) -> Self {
        self.ids.extend_from_slice(more);
        let uuids = more
            .iter()
            .filter_map(|id| entities::id::parse_any(id).ok());
        self.uuids.extend(uuids.map(|(_, uuid)| uuid.to_string()));
        self
    }

    /// What of it a text tells to somebody who `asked`.
    pub fn in_text(&self, asked: &str, text: &str) -> Option<String> {
        let lower = text.to_lowercase();
        let mark = self.marks.iter().find(|mark| {
            // Who asks for a text may read his own question.
            lower.contains(mark.as_str()) && !asked.to_lowercase().contains(mark.as_str())
        });
        let new =
            |secret: &&String| text.contains(secret.as_str()) && !asked.contains(secret.as_str());
        let id = self.ids.iter().chain(&self.uuids).find(new);
        let number = self
            .numbers
            .iter()
            .find(|number| words(text).any(|word| word == number.as_str()));
        mark.or(id).or(number).cloned().or_else(|| {
            // Cursors are texts in another coat.
            words(text)
                .filter(|word| word.len() >= 16)
                .filter_map(|word| URL_SAFE_NO_PAD.decode(word).ok())
                .filter_map(|bytes| String::from_utf8(bytes).ok())
                .filter(|inside| inside != text)
                .find_map(|inside| self.in_text(asked, &inside))
        })
    }

    /// What of it an answer tells, in its body or its headers.
    pub fn told_by(&self, asked: &str, answer: &Answer) -> Option<String> {
        let mut text = String::from_utf8(answer.bytes.clone()).unwrap();
        for (name, value) in &answer.headers {
            text.push_str(&format!("\n{name}: {}", value.to_str().unwrap()));
        }
        self.in_text(asked, &text)
    }

    /// Fails when an answer tells anything of it.
    #[track_caller]
    pub fn kept_by(&self, asked: &str, answer: &Answer) {
        if let Some(secret) = self.told_by(asked, answer) {
            panic!("{secret} is told to who asks {asked}: {answer}");
        }
    }
}
