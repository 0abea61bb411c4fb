//! What is held of a person.
//!
//! Owns: finding it: the rows that the account's records fed, everything that is linked with them, and the records of the account that name the
//! person. Refuses: people the account never told us of: another vendor's records of somebody with the same address are not this account's.

use crate::record::Resource;
use crate::sync::error::Result;
use entities::change::Change;
use entities::connection;
use entities::contact;
use entities::external_link;
use entities::id::ContactId;
use entities::id::TypedId as _;
use entities::privacy_request::Subject;
use entities::viewer::Viewer;
use entities::visible;
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

/// What is held.
#[derive(Debug, Default)]
pub(super) struct Held {
    /// The person's rows.
    pub(super) contacts: Vec<contact::Model>,
    /// The vendors' records of the person, of every connection.
    pub(super) people: Vec<external_link::Model>,
    /// Other records of the account that name the person.
    pub(super) others: Vec<external_link::Model>,
}

/// Finds what is held.
pub(super) async fn of_person(
    change: &Change,
    connection: &connection::Model,
    subject: &Subject,
) -> Result<Held> {
    let (transaction, of) = (change.transaction(), connection.id);
    let contact = Resource::Contact.as_str();
    let mut people: BTreeSet<&str> = subject.external_id.as_deref().into_iter().collect();
    let named = |resource: &str| {
        subject
            .records
            .iter()
            .filter(move |(of, _)| of == resource)
            .map(|(_, id)| id.as_str())
            .collect::<Vec<_>>()
    };
    people.extend(named(contact));
    let people: Vec<&str> = people.into_iter().collect();
    let mut links = external_link::find_all(transaction, of, contact, &people).await?;
    let system = Viewer::system("privacy");
    if let Some(email) = &subject.email {
        let emails = [email.trim().to_owned()];
        let rows = contact::find_by_email(transaction, &system, &emails).await?;
        let ids: Vec<Uuid> = rows.iter().map(|row| row.id.0).collect();
        links.extend(external_link::find_subjects(transaction, of, contact, &ids).await?);
    }
    let rows: BTreeSet<Uuid> = links
        .iter()
        .filter(|link| link.subject_kind.as_deref() == Some(ContactId::PREFIX))
        .filter_map(|link| link.subject_id)
        .collect();
    let ids: Vec<Uuid> = rows.iter().copied().collect();
    let contacts = visible::lock_all::<contact::Entity>(change, &system, rows).await?;
    // What other vendors told of the same row is held of the same person.
    links.extend(external_link::list_of_subjects(transaction, &ids).await?);
    let people: BTreeMap<Uuid, external_link::Model> =
        links.into_iter().map(|link| (link.id.0, link)).collect();

    let mut others: BTreeMap<Uuid, external_link::Model> = BTreeMap::new();
    let mut keep = |found: Vec<external_link::Model>| {
        for link in found {
            if !people.contains_key(&link.id.0) {
                others.insert(link.id.0, link);
            }
        }
    };
    for resource in Resource::ALL {
        let ids = named(resource.as_str());
        if resource != Resource::Contact && !ids.is_empty() {
            keep(external_link::find_all(transaction, of, resource.as_str(), &ids).await?);
        }
    }
    let own = people.values().filter(|link| link.connection_id == of);
    let mut texts: BTreeSet<String> = own
        .map(|link| format!("{contact}:{}", link.external_id))
        .collect();
    texts.extend(
        subject
            .external_id
            .iter()
            .map(|id| format!("{contact}:{id}")),
    );
    texts.extend(
        [&subject.email, &subject.phone]
            .into_iter()
            .flatten()
            .cloned(),
    );
    for text in &texts {
        let found = external_link::list_holding(transaction, of, text.trim()).await?;
        keep(found);
    }
    Ok(Held {
        contacts,
        people: people.into_values().collect(),
        others: others.into_values().collect(),
    })
}
