//! What must not be told to somebody, looked for in whatever form it might come: a text, an id, a number, a cursor.

use crate::mirror::{self, Side};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::collections::HashSet;
use tests::Answer;

/// What must not be told to somebody, in whatever form.
pub struct Secrets {
    marks: Vec<String>,
    /// Texts as they are.
    texts: Vec<String>,
    /// The ends of ids, without what they are ids of, by which each is found within any other text.
    ids: HashSet<String>,
    uuids: HashSet<String>,
    numbers: HashSet<String>,
}

/// The words of a text: what stands between anything that is no letter, no digit, no dot, no dash and no underscore.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !(c.is_alphanumeric() || matches!(c, '.' | '-' | '_')))
        .map(|word| word.trim_matches('.'))
}

/// How long a UUID is as text.
const UUID: usize = 36;

impl Secrets {
    /// Those of some sides; with B's go what it shares with A unseen and what is nobody's.
    pub fn of(sides: &[&Side]) -> Self {
        let mut secrets = Self {
            marks: sides.iter().map(|side| side.mark.to_lowercase()).collect(),
            texts: Vec::new(),
            ids: HashSet::new(),
            uuids: HashSet::new(),
            numbers: sides.iter().flat_map(|side| side.figures.shown()).collect(),
        };
        let mut numbers: Vec<String> = sides.iter().flat_map(|side| side.numbers.clone()).collect();
        if sides.iter().any(|side| side.mark == "CANARY-B") {
            numbers.extend(mirror::of_nobody());
        }
        for number in numbers {
            // One that stands with its name is looked for as it is: alone it might be a column of a line or the price of an answer.
            if number.contains('"') {
                secrets.texts.push(number);
            } else {
                secrets.numbers.insert(number);
            }
        }
        let ids: Vec<String> = sides.iter().flat_map(|side| side.own.clone()).collect();
        secrets.and(&ids)
    }

    /// The same with more texts and ids that nobody outside the programme may read.
    pub fn and(mut self, more: &[String]) -> Self {
        for text in more {
            match entities::id::parse_any(text) {
                Ok((_, uuid)) => {
                    self.ids.extend(text.rsplit('_').next().map(str::to_owned));
                    self.uuids.insert(uuid.to_string());
                }
                Err(_) => self.texts.push(text.clone()),
            }
        }
        self
    }

    /// What of it a word tells: an id or a number, whatever stands around it.
    fn in_word<'w>(&self, word: &'w str) -> Option<&'w str> {
        let mut pieces = word.split(['.', '-', '_']);
        let piece = pieces.find(|piece| self.ids.contains(*piece));
        let number = || self.numbers.contains(word).then_some(word);
        // What is shorter can hold none, and what is no plain text has none at that place.
        let uuid = || {
            let last = word.len().checked_sub(UUID)?;
            let mut places = (0..=last).filter_map(|from| word.get(from..from + UUID));
            places.find(|place| self.uuids.contains(*place))
        };
        piece.or_else(number).or_else(uuid)
    }

    /// What of it a text tells to somebody who `asked`.
    pub fn in_text(&self, asked: &str, text: &str) -> Option<String> {
        let lower = text.to_lowercase();
        let asked_lower = asked.to_lowercase();
        let mark = self.marks.iter().find(|mark| {
            // Who asks for a text may read his own question.
            lower.contains(mark.as_str()) && !asked_lower.contains(mark.as_str())
        });
        let new =
            |secret: &&String| text.contains(secret.as_str()) && !asked.contains(secret.as_str());
        let told = mark.or_else(|| self.texts.iter().find(new)).cloned();
        told.or_else(|| {
            let told = |word| self.in_word(word).filter(|told| !asked.contains(*told));
            words(text).find_map(told).map(str::to_owned)
        })
        .or_else(|| {
            // Cursors are texts in another coat, and so are the parts of what is signed.
            words(text)
                .flat_map(|word| std::iter::once(word).chain(word.split('.')))
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

/// What looks for secrets finds each kind of them, in each coat; else nothing that it is asked about would ever be told.
#[test]
fn a_secret_is_found_in_whatever_form_it_comes() {
    let id = "deal_01h455vb4pex5vsknk084sn02q";
    let (_, uuid) = entities::id::parse_any(id).unwrap();
    let secrets = Secrets {
        marks: vec!["canary-b".to_owned()],
        texts: Vec::new(),
        ids: HashSet::new(),
        uuids: HashSet::new(),
        numbers: HashSet::from(["6611".to_owned(), "660010.03".to_owned()]),
    };
    let secrets = secrets.and(&[id.to_owned(), "OF THE PROGRAMME".to_owned()]);
    let cursor = URL_SAFE_NO_PAD.encode(format!("[1,\"{id}\"]"));
    let signed = format!(
        "e30.{}.c2ln",
        URL_SAFE_NO_PAD.encode("the name of CANARY-B")
    );
    for told in [
        "x Canary-B y".to_owned(),
        format!("{{\"id\":\"{id}\"}}"),
        format!("DealId({uuid})"),
        format!("x-{uuid}-y"),
        format!("/path/{id}.json"),
        "\"rateBp\":6611,".to_owned(),
        "\"660010.03\"".to_owned(),
        "said OF THE PROGRAMME".to_owned(),
        cursor,
        signed,
    ] {
        assert!(secrets.in_text("", &told).is_some(), "{told}");
    }
    // Who asks for a text may read his own question.
    let asked = format!("{{ deal(id: \"{id}\") }}");
    assert_eq!(secrets.in_text(&asked, &format!("no {id}")), None);
    for nothing in [
        "66110",
        "1660010.03",
        "canary-a",
        "deal_01h455vb4pex5vsknk084sn02r",
    ] {
        assert_eq!(secrets.in_text("", nothing), None, "{nothing}");
    }
}
