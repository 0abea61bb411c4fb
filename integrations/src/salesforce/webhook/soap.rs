//! The XML of an outbound message.
//!
//! Owns: reading the few elements that matter, by their namespaces and places. Refuses: document types and any entity but the five that XML has by
//! itself, so that a body is never longer than it is and never asks us to read something else; and more depth or notifications than Salesforce
//! sends. Invariant: an element counts only in its place: what somebody writes into a field of a record is never taken for the frame around it.

use super::super::{id, moment};
use quick_xml::{
    events::{BytesRef, BytesStart, Event},
    name::{Namespace, QName, ResolveResult},
    reader::NsReader,
};

/// Salesforce puts at most 100 into one message.
const MOST_NOTIFICATIONS: usize = 1_000;
/// The deepest element that matters is the seventh.
const DEEPEST: usize = 16;
/// The longest text of an element that matters.
const LONGEST: usize = 200;

const SOAP: &str = "http://schemas.xmlsoap.org/soap/envelope/";
const OUTBOUND: &str = "http://soap.sforce.com/2005/09/outbound";
const OBJECTS: [&str; 2] = [
    "urn:sobject.enterprise.soap.sforce.com",
    "urn:sobject.partner.soap.sforce.com",
];
const INSTANCE: &str = "http://www.w3.org/2001/XMLSchema-instance";

/// Why a body is no message.
pub(super) type Flaw = &'static str;

/// A message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Message {
    /// The organisation's id, as it came.
    pub(super) organization: String,
    pub(super) notifications: Vec<Notification>,
}

/// One record that changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Notification {
    /// The notification's own id.
    pub(super) id: String,
    /// The kind of record, as `Account`.
    pub(super) object: String,
    /// The record's id, as it came.
    pub(super) record: String,
    /// When it was changed last, where the message holds that.
    pub(super) changed_ms: Option<i64>,
}

/// Whose an element is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Space {
    Soap,
    Outbound,
    Object,
    Other,
}

impl Space {
    fn of(resolved: &ResolveResult<'_>) -> Self {
        let ResolveResult::Bound(Namespace(name)) = resolved else {
            return Self::Other;
        };
        match *name {
            SOAP => Self::Soap,
            OUTBOUND => Self::Outbound,
            name if OBJECTS.contains(&name) => Self::Object,
            _ => Self::Other,
        }
    }
}

/// The place of an element, from the root on.
type Place = [(Space, String)];

fn is_at(place: &Place, expected: &[(Space, &str)]) -> bool {
    place.len() == expected.len()
        && place
            .iter()
            .zip(expected)
            .all(|((space, name), (of, known))| space == of && name == known)
}

const ENVELOPE: (Space, &str) = (Space::Soap, "Envelope");
const BODY: (Space, &str) = (Space::Soap, "Body");
const NOTIFICATIONS: (Space, &str) = (Space::Outbound, "notifications");
const NOTIFICATION: (Space, &str) = (Space::Outbound, "Notification");
const RECORD: (Space, &str) = (Space::Outbound, "sObject");

/// Reads a body.
pub(super) fn read(body: &[u8]) -> Result<Message, Flaw> {
    let text = std::str::from_utf8(body).map_err(|_| "it is not text")?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reader = NsReader::from_str(text);
    let mut reading = Reading::default();
    loop {
        match reader.read_event().map_err(|_| "it is not XML")? {
            Event::Start(element) => {
                let (space, kind) = opened(&reader, &element)?;
                reading.open((space, local(element.name())), kind)?;
            }
            Event::Empty(element) => {
                let (space, kind) = opened(&reader, &element)?;
                reading.open((space, local(element.name())), kind)?;
                reading.close()?;
            }
            Event::End(_) => reading.close()?,
            Event::Text(text) => reading.hear(&text.xml10_content()),
            Event::CData(text) => reading.hear(&text.xml10_content()),
            Event::GeneralRef(entity) => reading.hear(&resolved(&entity)?),
            Event::DocType(_) => return Err("it declares a document type"),
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
            Event::Eof => break,
        }
    }
    reading.done()
}

/// One of the five entities XML has by itself, or a character by its number.
fn resolved(entity: &BytesRef<'_>) -> Result<String, Flaw> {
    const FOREIGN: Flaw = "it names an entity";
    if entity.is_char_ref() {
        let letter = entity.resolve_char_ref().ok().flatten();
        return letter.map(String::from).ok_or(FOREIGN);
    }
    let letter = match entity.as_ref() {
        "amp" => "&",
        "lt" => "<",
        "gt" => ">",
        "quot" => "\"",
        "apos" => "'",
        _ => return Err(FOREIGN),
    };
    Ok(letter.to_owned())
}

fn local(name: QName<'_>) -> String {
    name.local_name().into_inner().to_owned()
}

/// Whose an element is, and which kind of record it says it is.
fn opened(
    reader: &NsReader<&[u8]>,
    element: &BytesStart<'_>,
) -> Result<(Space, Option<String>), Flaw> {
    let resolver = reader.resolver();
    let (space, _) = resolver.resolve_element(element.name());
    let space = Space::of(&space);
    let mut kind = None;
    for attribute in element.attributes() {
        let attribute = attribute.map_err(|_| "an attribute cannot be read")?;
        let (of, name) = resolver.resolve_attribute(attribute.key);
        let is_type =
            matches!(of, ResolveResult::Bound(Namespace(INSTANCE))) && name.into_inner() == "type";
        if !is_type {
            continue;
        }
        let (prefix, _) = resolver.resolve_element(QName(&attribute.value));
        if Space::of(&prefix) == Space::Object {
            kind = Some(local(QName(&attribute.value)));
        }
    }
    Ok((space, kind))
}

#[derive(Default)]
struct Reading {
    place: Vec<(Space, String)>,
    text: String,
    message: Message,
    organizations: usize,
    /// The notification that is being read.
    current: Option<Notification>,
}

impl Reading {
    fn open(&mut self, element: (Space, String), kind: Option<String>) -> Result<(), Flaw> {
        if self.place.len() >= DEEPEST {
            return Err("it is too deep");
        }
        self.place.push(element);
        self.text.clear();
        let place = self.place.as_slice();
        if is_at(place, &[ENVELOPE, BODY, NOTIFICATIONS, NOTIFICATION]) {
            self.current = Some(Notification::default());
        } else if is_at(
            place,
            &[ENVELOPE, BODY, NOTIFICATIONS, NOTIFICATION, RECORD],
        ) && let Some(current) = &mut self.current
        {
            current.object = kind.unwrap_or_default();
        }
        Ok(())
    }

    fn hear(&mut self, text: &str) {
        // What is longer than anything that matters need not be kept whole.
        if self.text.len() <= LONGEST {
            self.text.push_str(text);
        }
    }

    fn close(&mut self) -> Result<(), Flaw> {
        let text = std::mem::take(&mut self.text);
        let text = text.trim();
        let place = self.place.as_slice();
        let within = |rest: &[(Space, &'static str)]| {
            let mut expected = vec![ENVELOPE, BODY, NOTIFICATIONS];
            expected.extend_from_slice(rest);
            is_at(place, &expected)
        };
        if within(&[(Space::Outbound, "OrganizationId")]) {
            self.organizations += 1;
            self.message.organization = text.to_owned();
        } else if within(&[NOTIFICATION]) {
            if self.message.notifications.len() >= MOST_NOTIFICATIONS {
                return Err("it holds too many notifications");
            }
            let current = self.current.take().unwrap_or_default();
            if id::key(&current.id).is_none() {
                return Err("a notification has no id");
            }
            self.message.notifications.push(current);
        } else if let Some(current) = &mut self.current {
            if within(&[NOTIFICATION, (Space::Outbound, "Id")]) {
                current.id = text.to_owned();
            } else if within(&[NOTIFICATION, RECORD, (Space::Object, "Id")]) {
                current.record = text.to_owned();
            } else if within(&[NOTIFICATION, RECORD, (Space::Object, "type")]) {
                current.object = text.to_owned();
            } else if within(&[NOTIFICATION, RECORD, (Space::Object, "SystemModstamp")]) {
                current.changed_ms = moment::millis(text);
            }
        }
        if self.place.pop().is_none() {
            return Err("an element ends that never began");
        }
        Ok(())
    }

    fn done(self) -> Result<Message, Flaw> {
        if !self.place.is_empty() {
            return Err("it breaks off");
        }
        if self.organizations != 1 || id::key(&self.message.organization).is_none() {
            return Err("it does not name one organisation");
        }
        if self.message.notifications.is_empty() {
            return Err("it reports nothing");
        }
        Ok(self.message)
    }
}
