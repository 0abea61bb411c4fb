//! Erasing people, and everything that came from an account.
//!
//! Invariant: rows stay, with their ids, so that deals, money and the log go on referring to something; what is personal in them is replaced. A link
//! of a person who was erased stays too, without values, and keeps the record out for good.

use super::held::Held;
use crate::record::Resource;
use crate::sync::apply::ERASED;
use crate::sync::error::Result;
use crate::sync::map::order;
use entities::change::Change;
use entities::connection;
use entities::contact;
use entities::external_link::{self, Model, Shadow};
use entities::id::{ContactId, ExternalLinkId, TypedId};
use entities::privacy_request::{self, Done, Subject};
use entities::viewer::Viewer;
use entities::visible;
use std::collections::{HashMap, HashSet};
use uuid::Uuid;

/// Links of one page.
const PAGE: u64 = 200;

/// Erases a person.
pub(super) async fn person(
    change: &mut Change,
    connection: &connection::Model,
    subject: &Subject,
    held: Held,
) -> Result<Done> {
    let mut done = Done {
        contacts: held.contacts.len() as u64,
        records: (held.people.len() + held.others.len()) as u64,
        deliveries: 0,
    };
    for row in held.contacts {
        contact::erase(change, row).await?;
    }
    let now = change.now();
    let mut written: Vec<Model> = held
        .people
        .into_iter()
        .map(|link| Model {
            version: link.version + 1,
            updated_at: now,
            shadow: Shadow::default(),
            archived: true,
            held_reason: Some(ERASED.to_owned()),
            ..link
        })
        .collect();
    written.extend(held.others.into_iter().map(|link| Model {
        version: link.version + 1,
        updated_at: now,
        shadow: without(&link, subject),
        ..link
    }));
    // A person of whom no record has come yet is kept out when it does.
    let known: HashSet<&str> = written
        .iter()
        .filter(|link| link.connection_id == connection.id)
        .filter(|link| link.resource == Resource::Contact.as_str())
        .map(|link| link.external_id.as_str())
        .collect();
    let unseen = subject
        .external_id
        .as_ref()
        .filter(|id| !known.contains(id.as_str()))
        .map(|id| tombstone(change, connection, id));
    done.records += u64::from(unseen.is_some());
    written.extend(unseen);
    external_link::upsert(change, &written).await?;
    let is_about = |other: &Subject| is_same_person(subject, other);
    privacy_request::forget_exports(change, connection.id, is_about).await?;
    Ok(done)
}

/// Whether two subjects of one account are one person. Letters of both cases are the same, and a record of a person that one names is the person of
/// the other.
fn is_same_person(one: &Subject, other: &Subject) -> bool {
    let same = |one: &Option<String>, other: &Option<String>| {
        let plain = |text: &Option<String>| text.as_ref().map(|text| text.trim().to_lowercase());
        one.is_some() && plain(one) == plain(other)
    };
    let people = |subject: &Subject| -> HashSet<String> {
        let records = subject.records.iter();
        let named = records.filter(|(resource, _)| resource == Resource::Contact.as_str());
        let named = named.map(|(_, id)| id.clone());
        named.chain(subject.external_id.clone()).collect()
    };
    same(&one.email, &other.email)
        || same(&one.phone, &other.phone)
        || !people(one).is_disjoint(&people(other))
}

fn tombstone(change: &Change, connection: &connection::Model, external_id: &str) -> Model {
    Model {
        id: change.new_id::<ExternalLinkId>(),
        version: 1,
        created_at: change.now(),
        updated_at: change.now(),
        connection_id: connection.id,
        resource: Resource::Contact.as_str().to_owned(),
        external_id: external_id.to_owned(),
        subject_kind: None,
        subject_id: None,
        shadow: Shadow::default(),
        external_updated_at: None,
        archived: true,
        held_reason: Some(ERASED.to_owned()),
    }
}

/// What is known of a record that is not the person's own, without what tells who the person is.
fn without(link: &Model, subject: &Subject) -> Shadow {
    let mut shadow = link.shadow.clone();
    shadow.sent = None;
    let texts: Vec<String> = [&subject.email, &subject.phone]
        .into_iter()
        .flatten()
        .map(|text| text.trim().to_lowercase())
        .filter(|text| !text.is_empty())
        .collect();
    let tells = |value: &str| {
        let value = value.to_lowercase();
        texts.iter().any(|text| value.contains(text))
    };
    let is_order = link.resource == Resource::Order.as_str();
    shadow.fields.retain(|name, value| {
        let personal = is_order && order::PERSONAL.contains(&name.as_str());
        !personal && !value.as_deref().is_some_and(tells)
    });
    shadow
}

/// What became of a page of an account's links.
pub(super) struct Page {
    /// The last link of the page; none behind the end.
    pub(super) last: Option<ExternalLinkId>,
    pub(super) done: Done,
}

/// Erases a page of what came from an account.
pub(super) async fn account_page(
    change: &mut Change,
    connection: &connection::Model,
    after: Option<ExternalLinkId>,
) -> Result<Page> {
    let links =
        external_link::list_of_connection(change.transaction(), connection.id, after, PAGE).await?;
    let last = links.last().map(|link| link.id);
    let mut done = Done::default();
    let people: Vec<Uuid> = links
        .iter()
        .filter(|link| link.subject_kind.as_deref() == Some(ContactId::PREFIX))
        .filter_map(|link| link.subject_id)
        .collect();
    // Whoever another account tells of as well is that account's too.
    let mut shared: HashMap<Uuid, bool> = people.iter().map(|id| (*id, false)).collect();
    for link in external_link::list_of_subjects(change.transaction(), &people).await? {
        let elsewhere = link.connection_id != connection.id && !link.archived;
        if let (true, Some(id)) = (elsewhere, link.subject_id) {
            shared.insert(id, true);
        }
    }
    let alone = shared
        .iter()
        .filter(|(_, shared)| !**shared)
        .map(|(id, _)| *id);
    let system = Viewer::system("privacy");
    let rows = visible::lock_all::<contact::Entity>(change, &system, alone).await?;
    let mut erased: HashSet<Uuid> = HashSet::new();
    for row in rows {
        erased.insert(row.id.0);
        let before = row.version;
        let after = contact::erase(change, row).await?.version;
        done.contacts += u64::from(before != after);
    }
    let now = change.now();
    let mut written = Vec::new();
    for link in links {
        // Should the account be connected again, what it tells then restores the person.
        let archived = link.archived || link.subject_id.is_some_and(|id| erased.contains(&id));
        if link.shadow == Shadow::default() && link.archived == archived {
            continue;
        }
        done.records += 1;
        written.push(Model {
            version: link.version + 1,
            updated_at: now,
            shadow: Shadow::default(),
            archived,
            ..link
        });
    }
    external_link::upsert(change, &written).await?;
    Ok(Page { last, done })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_person_is_known_by_an_address_or_by_a_record() {
        let named = |email: &str, external: Option<&str>, records: &[(Resource, &str)]| Subject {
            external_id: external.map(str::to_owned),
            email: (!email.is_empty()).then(|| email.to_owned()),
            phone: None,
            records: records
                .iter()
                .map(|(resource, id)| (resource.as_str().to_owned(), (*id).to_owned()))
                .collect(),
        };
        let erased = named("ada@x.example", None, &[(Resource::Contact, "7")]);
        for same in [
            named("Ada@X.example ", None, &[]),
            named("", Some("7"), &[]),
            named("", Some("7"), &[(Resource::Order, "9")]),
            named("bob@x.example", None, &[(Resource::Contact, "7")]),
        ] {
            assert!(is_same_person(&erased, &same), "{:?}", same.external_id);
        }
        for other in [
            named("", None, &[]),
            named("bob@x.example", Some("8"), &[]),
            named("", None, &[(Resource::Order, "7")]),
        ] {
            assert!(!is_same_person(&erased, &other), "{:?}", other.email);
        }
        let nobody = Subject::default();
        assert!(!is_same_person(&nobody, &nobody));
    }
}
