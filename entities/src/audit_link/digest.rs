//! What a link's digests are made of: an encoding in which no two events are alike.
//!
//! Invariant: every field is preceded by its length, and what is absent differs from what is empty. Data is written in one form whatever the
//! database made of it: keys in the order of their bytes, no spaces, integers as digits and other numbers by their value. The form is fixed for
//! good: a change of it would break every chain there is.

use crate::event;
use serde_json::{Number, Value as Json};
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;

/// What stands for the digest before the first link.
pub(super) const FIRST: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// Tells what is digested, and in which form; a digest of one thing is never that of another.
const LINK: &str = "entente audit link 1";
const DATA: &str = "entente audit data 1";

struct Fields(Sha256);

impl Fields {
    fn of(what: &str) -> Self {
        Self(Sha256::new()).text(what)
    }

    fn bytes(mut self, bytes: &[u8]) -> Self {
        // A length of 64 bits holds every length there is.
        self.0.update((bytes.len() as u64).to_be_bytes());
        self.0.update(bytes);
        self
    }

    fn text(self, text: &str) -> Self {
        self.bytes(text.as_bytes())
    }

    fn number(self, number: i64) -> Self {
        self.bytes(&number.to_be_bytes())
    }

    fn optional(self, bytes: Option<&[u8]>) -> Self {
        match bytes {
            None => self.number(0),
            Some(bytes) => self.number(1).bytes(bytes),
        }
    }

    fn finish(self) -> String {
        hex::encode(self.0.finalize())
    }
}

/// The digest of an event's data under a salt.
pub(super) fn of_data(salt: &str, data: &Json) -> String {
    let mut text = String::new();
    write(&mut text, data);
    Fields::of(DATA).text(salt).text(&text).finish()
}

/// The digest of a link: the link before, its number, every field of its event, and the digest of the event's data.
pub(super) fn of_link(
    before: &str,
    number: i64,
    event: &event::Model,
    data_digest: &str,
) -> String {
    let event::Model {
        seq,
        id,
        position,
        kind,
        origin,
        actor,
        connection_id,
        subject_kind,
        subject_id,
        partner_id,
        internal,
        data: _,
        occurred_at,
    } = event;
    Fields::of(LINK)
        .text(before)
        .number(number)
        .bytes(id.0.as_bytes())
        .number(*position)
        .number(*seq)
        .text(kind)
        .text(&origin_text(*origin))
        .text(actor)
        .optional(connection_id.as_ref().map(|id| id.0.as_bytes().as_slice()))
        .text(subject_kind)
        .bytes(subject_id.as_bytes())
        .optional(partner_id.as_ref().map(|id| id.0.as_bytes().as_slice()))
        .number(i64::from(*internal))
        .number(occurred_at.micros())
        .text(data_digest)
        .finish()
}

/// The origin as the row keeps it.
fn origin_text(origin: crate::change::Origin) -> String {
    use sea_orm::ActiveEnum as _;
    origin.to_value()
}

fn write(text: &mut String, value: &Json) {
    match value {
        Json::Null | Json::Bool(_) | Json::String(_) => text.push_str(&value.to_string()),
        Json::Number(number) => write_number(text, number),
        Json::Array(entries) => {
            text.push('[');
            for (index, entry) in entries.iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                write(text, entry);
            }
            text.push(']');
        }
        Json::Object(fields) => {
            let mut keys: Vec<&String> = fields.keys().collect();
            keys.sort_unstable();
            text.push('{');
            for (index, key) in keys.into_iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                text.push_str(&Json::from(key.as_str()).to_string());
                text.push(':');
                write(text, fields.get(key).unwrap_or(&Json::Null));
            }
            text.push('}');
        }
    }
}

fn write_number(text: &mut String, number: &Number) {
    // Writing into a text cannot fail.
    let _ = match (number.as_i64(), number.as_u64(), number.as_f64()) {
        (Some(whole), ..) => write!(text, "{whole}"),
        (None, Some(whole), _) => write!(text, "{whole}"),
        (None, None, Some(other)) => write!(text, "{other:e}"),
        (None, None, None) => write!(text, "{number}"),
    };
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::change::Origin;
    use crate::clock::Timestamp;
    use crate::id::{ConnectionId, EventId, PartnerId};
    use serde_json::json;
    use uuid::Uuid;

    fn row() -> event::Model {
        event::Model {
            seq: 7,
            id: EventId(Uuid::from_u128(1)),
            position: 1 << 48,
            kind: "deal.won".to_owned(),
            origin: Origin::Human,
            actor: "ada".to_owned(),
            connection_id: None,
            subject_kind: "deal".to_owned(),
            subject_id: Uuid::from_u128(2),
            partner_id: None,
            internal: false,
            data: json!({}),
            occurred_at: Timestamp::from_secs(1_790_000_000),
        }
    }

    #[test]
    fn data_has_one_form_whatever_wrote_it() {
        let one: Json =
            serde_json::from_str(r#"{"b": [1, 2.50], "a": {"d": null, "c": "ø\n"}}"#).unwrap();
        let other: Json =
            serde_json::from_str(r#"{"a":{"c":"\u00f8\n","d":null},"b":[1,2.5]}"#).unwrap();
        assert_eq!(of_data("s", &one), of_data("s", &other));
        let mut text = String::new();
        write(&mut text, &one);
        assert_eq!(text, "{\"a\":{\"c\":\"ø\\n\",\"d\":null},\"b\":[1,2.5e0]}");
    }

    #[test]
    fn a_salt_and_every_value_count() {
        let base = of_data("s", &json!({ "a": "1" }));
        let others = [
            of_data("t", &json!({ "a": "1" })),
            of_data("s", &json!({ "a": 1 })),
            of_data("s", &json!({ "a": null })),
            of_data("s", &json!({})),
            of_data("s", &json!([{ "a": "1" }])),
        ];
        assert!(others.iter().all(|other| *other != base));
    }

    /// The form is fixed for good: were this to change, every chain that was ever made would be broken.
    #[test]
    fn the_form_is_the_published_one() {
        let data = of_data("00", &json!({ "name": "Ada", "n": 1 }));
        let link = of_link(FIRST, 1, &row(), &data);
        let expected = reference();
        assert_eq!((data, link), expected);
    }

    /// The same two digests, put together by hand.
    fn reference() -> (String, String) {
        let part = |bytes: &[u8]| [&(bytes.len() as u64).to_be_bytes()[..], bytes].concat();
        let number = |number: i64| part(&number.to_be_bytes());
        let data = [
            part(b"entente audit data 1"),
            part(b"00"),
            part(br#"{"n":1,"name":"Ada"}"#),
        ]
        .concat();
        let data = hex::encode(Sha256::digest(data));
        let link = [
            part(b"entente audit link 1"),
            part(&[b'0'; 64]),
            number(1),
            part(&1_u128.to_be_bytes()),
            number(1 << 48),
            number(7),
            part(b"deal.won"),
            part(b"HUMAN"),
            part(b"ada"),
            number(0),
            part(b"deal"),
            part(&2_u128.to_be_bytes()),
            number(0),
            number(0),
            number(1_790_000_000_000_000),
            part(data.as_bytes()),
        ]
        .concat();
        (data, hex::encode(Sha256::digest(link)))
    }

    #[test]
    fn every_field_of_an_event_counts() {
        let base = of_link(FIRST, 1, &row(), "d");
        let changed: Vec<event::Model> = vec![
            event::Model { seq: 8, ..row() },
            event::Model {
                id: EventId(Uuid::from_u128(3)),
                ..row()
            },
            event::Model {
                position: 0,
                ..row()
            },
            event::Model {
                kind: "deal.lost".to_owned(),
                ..row()
            },
            event::Model {
                origin: Origin::Api,
                ..row()
            },
            event::Model {
                actor: "eve".to_owned(),
                ..row()
            },
            event::Model {
                connection_id: Some(ConnectionId(Uuid::nil())),
                ..row()
            },
            event::Model {
                subject_kind: "partner".to_owned(),
                ..row()
            },
            event::Model {
                subject_id: Uuid::from_u128(9),
                ..row()
            },
            event::Model {
                partner_id: Some(PartnerId(Uuid::nil())),
                ..row()
            },
            event::Model {
                internal: true,
                ..row()
            },
            event::Model {
                occurred_at: Timestamp::from_secs(1),
                ..row()
            },
        ];
        for other in &changed {
            assert_ne!(of_link(FIRST, 1, other, "d"), base, "{other:?}");
        }
        assert_ne!(of_link(FIRST, 2, &row(), "d"), base);
        assert_ne!(of_link(&FIRST.replace('0', "1"), 1, &row(), "d"), base);
        assert_ne!(of_link(FIRST, 1, &row(), "e"), base);
    }

    #[test]
    fn a_text_does_not_run_into_the_next() {
        let one = event::Model {
            kind: "ab".to_owned(),
            actor: "c".to_owned(),
            ..row()
        };
        let other = event::Model {
            kind: "a".to_owned(),
            actor: "bc".to_owned(),
            ..row()
        };
        assert_ne!(of_link(FIRST, 1, &one, "d"), of_link(FIRST, 1, &other, "d"));
    }
}
