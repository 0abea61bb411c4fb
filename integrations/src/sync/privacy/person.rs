//! What every account told of a person, when the programme itself is asked to hand it over or to erase it.
//!
//! Owns: shadows and stored deliveries of all connections; the rows are [`entities::person`]'s. Refuses: to begin while deliveries wait to be split, for
//! one of them may name the person. Invariant: every connection is locked before anything else, in the order of their ids, as whoever applies
//! records locks its own first.

use super::{delivery, erase, export, held};
use crate::record::Resource;
use crate::sync::apply::ERASED;
use crate::sync::error::Result;
use crate::sync::run::Engine;
use entities::change::Change;
use entities::connection;
use entities::external_link::{self, Shadow};
use entities::id::ContactId;
use entities::inbound_webhook;
use entities::privacy_request::{Done, Subject};
use entities::viewer::Viewer;
use entities::visible::{self, Visible};
use sea_orm::QuerySelect as _;
use serde_json::Value as Json;
use std::collections::BTreeSet;
use uuid::Uuid;

fn system() -> Viewer {
    Viewer::system("privacy")
}

/// Every connection, locked.
async fn connections(change: &Change) -> Result<Vec<connection::Model>> {
    let ids: Vec<Uuid> = connection::Entity::visible_to(&system())
        .select_only()
        .column(connection::Column::Id)
        .into_tuple()
        .all(change.transaction())
        .await
        .map_err(entities::error::Error::from)?;
    Ok(visible::lock_all::<connection::Entity>(change, &system(), ids).await?)
}

/// Whom an account may have told of: the person with each address, and the records of their contacts.
async fn subjects(
    change: &Change,
    connection: &connection::Model,
    contacts: &[ContactId],
    emails: &[String],
) -> Result<Vec<Subject>> {
    let contact = Resource::Contact.as_str();
    let ids: Vec<Uuid> = contacts.iter().map(|id| id.0).collect();
    let links =
        external_link::find_subjects(change.transaction(), connection.id, contact, &ids).await?;
    let records: Vec<(String, String)> = links
        .into_iter()
        .map(|link| (contact.to_owned(), link.external_id))
        .collect();
    let subject = |email: Option<String>| Subject {
        email,
        records: records.clone(),
        ..Subject::default()
    };
    let mut subjects: Vec<Subject> = emails.iter().cloned().map(Some).map(subject).collect();
    if subjects.is_empty() && !records.is_empty() {
        subjects.push(subject(None));
    }
    Ok(subjects)
}

impl Engine {
    /// Keeps every account from being applied until the change ends, so that nobody comes in by one whom the change is to erase. To be called
    /// before anything else of the change.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn hold_accounts(&self, change: &Change) -> Result<()> {
        connections(change).await.map(drop)
    }

    /// Whether deliveries wait to be split, of which one may name a person.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn deliveries_wait(&self) -> Result<bool> {
        let database = self.database();
        let now = database.now();
        for connector in self.keeper().registry().iter() {
            let id = connector.descriptor().id;
            if inbound_webhook::any_pending(database.read(), id, now).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// What the accounts told of a person with these rows and addresses, a document for each account that told something.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn export_person(
        &self,
        change: &Change,
        contacts: &[ContactId],
        emails: &[String],
    ) -> Result<Vec<Json>> {
        let mut documents = Vec::new();
        for connection in connections(change).await? {
            for subject in subjects(change, &connection, contacts, emails).await? {
                let found = held::of_person(change, &connection, &subject).await?;
                if found.people.is_empty() && found.others.is_empty() {
                    continue;
                }
                let (mut document, _) = export::export(change, &subject, &found).await?;
                if let Some(fields) = document.as_object_mut() {
                    // The rows are handed over once, not with each account.
                    fields.retain(|name, _| name == "records");
                    fields.insert("connection".to_owned(), serde_json::json!(connection.id));
                    fields.insert("connector".to_owned(), connection.connector.clone().into());
                }
                documents.push(document);
            }
        }
        Ok(documents)
    }

    /// Erases what the accounts told of a person with these rows and addresses: shadows, stored deliveries and exports made before. Their records
    /// are kept out from then on. It does not touch anything at a vendor.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn erase_person(
        &self,
        change: &mut Change,
        contacts: &[ContactId],
        emails: &[String],
    ) -> Result<Done> {
        let mut done = Done::default();
        for connection in connections(change).await? {
            for subject in subjects(change, &connection, contacts, emails).await? {
                let held = held::of_person(change, &connection, &subject).await?;
                let owners: BTreeSet<Uuid> = held
                    .others
                    .iter()
                    .filter(|link| link.resource == Resource::Owner.as_str())
                    .map(|link| link.id.0)
                    .collect();
                let erased = erase::person(change, &connection, &subject, held).await?;
                keep_out_owners(change, &owners).await?;
                done.contacts += erased.contacts;
                done.records += erased.records;
                done.deliveries +=
                    delivery::erase_person(change, self.keeper(), &connection, &subject).await?;
            }
        }
        Ok(done)
    }
}

/// An owner of records is a person too. The record is kept out for good, so that its deals have an owner of whom nothing is known.
async fn keep_out_owners(change: &Change, owners: &BTreeSet<Uuid>) -> Result<()> {
    let links = visible::find_all::<external_link::Entity, _>(
        change.transaction(),
        &system(),
        owners.iter().copied(),
    )
    .await?;
    let written: Vec<external_link::Model> = links
        .into_iter()
        .map(|link| external_link::Model {
            version: link.version + 1,
            updated_at: change.now(),
            shadow: Shadow::default(),
            archived: true,
            held_reason: Some(ERASED.to_owned()),
            ..link
        })
        .collect();
    Ok(external_link::upsert(change, &written).await?)
}
