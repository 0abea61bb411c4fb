//! Replacing what our rows hold of a person.
//!
//! Invariant: whatever is sealed of the log is held before anything is looked for, so that nothing personal is sealed meanwhile. Erasing again finds
//! nothing and changes nothing but that it is told once more.

use super::ERASED;
use super::find::{Person, Sought, find, system};
use crate::change::Change;
use crate::error::{Error, Result};
use crate::event::{EventKind, NewEvent};
use crate::id::PersonRequestId;
use crate::viewer::Viewer;
use crate::visible;
use crate::{
    audit_link, contact, deal, deal_confirmation, deal_registration, management, oauth_grant,
    partner_application, partnership, sync_conflict, user,
};
use sea_orm::ActiveValue::{Set, Unchanged};
use sea_orm::entity::prelude::*;
use serde_json::{Map, Value as Json, json};

/// What was replaced, in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Erased {
    /// People who signed in.
    pub users: u64,
    /// Contacts.
    pub contacts: u64,
    /// Deals whose owner they were.
    pub deals: u64,
    /// Registrations whose contact they were.
    pub registrations: u64,
    /// Applications in which they spoke for the company.
    pub applications: u64,
    /// Partnerships they were responsible for.
    pub partnerships: u64,
    /// Things they said of deals.
    pub confirmations: u64,
    /// Conflicts in which they were named.
    pub conflicts: u64,
    /// Events whose data named them.
    pub events: u64,
}

/// A person who is being erased.
#[derive(Debug)]
pub struct Erasure(Person);

impl Erasure {
    /// Finds the person, and keeps the log from being sealed until the change ends. None when a row was named that is not there.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn begin(change: &Change, sought: &Sought) -> Result<Option<Self>> {
        audit_link::hold(change).await?;
        Ok(find(change.transaction(), sought).await?.map(Self))
    }

    /// The person as found.
    #[must_use]
    pub const fn person(&self) -> &Person {
        &self.0
    }

    /// Erases the person from our rows, in the name of `viewer`, who cannot erase themselves. `besides` is what was erased elsewhere in the same
    /// change, for the event to tell.
    ///
    /// # Errors
    /// The last active administrator, the viewer's own row, or a fault of the database.
    pub async fn finish(
        self,
        change: &mut Change,
        viewer: &Viewer,
        besides: &Map<String, Json>,
    ) -> Result<Erased> {
        let person = self.0;
        let events = person.events(change.transaction()).await?;
        let is_known = |row: &&contact::Model| row.name != ERASED;
        let mut done = Erased {
            contacts: person.contacts.iter().filter(is_known).count() as u64,
            ..Erased::default()
        };
        for row in lock::<user::Entity>(change, person.users.iter().map(|row| row.id.0)).await? {
            management::refuse_oneself(viewer, &row)?;
            oauth_grant::revoke_of(change, row.id, None, "erased").await?;
            done.users += u64::from(row.erased_at.is_none());
            user::erase(change, row).await?;
        }
        let contacts = person.contacts.iter().map(|row| row.id.0);
        for row in lock::<contact::Entity>(change, contacts).await? {
            contact::erase(change, row).await?;
        }
        done.deals = owners(change, &person).await?;
        done.registrations = registered(change, &person).await?;
        done.applications = applied(change, &person).await?;
        done.partnerships = responsible(change, &person).await?;
        done.confirmations = said(change, &person).await?;
        done.conflicts = named(change, &person).await?;
        let replaced = events.into_iter().map(|(row, data)| (row.id, data));
        let redacted = audit_link::redact(change, replaced.collect()).await?;
        done.events = redacted.len() as u64;
        let told = told(&person, &done, besides);
        let request: PersonRequestId = change.new_id();
        for event in audit_link::erasure_events(request, &told, &redacted) {
            change.record(event);
        }
        Ok(done)
    }
}

/// What the event tells: which rows, and how many of each kind. Never who.
fn told(person: &Person, done: &Erased, besides: &Map<String, Json>) -> Map<String, Json> {
    let mut told = besides.clone();
    let users: Vec<Json> = person.users.iter().map(|row| json!(row.id)).collect();
    let contacts: Vec<Json> = person.contacts.iter().map(|row| json!(row.id)).collect();
    told.insert("userIds".to_owned(), Json::Array(users));
    told.insert("contactIds".to_owned(), Json::Array(contacts));
    for (what, count) in [
        ("users", done.users),
        ("contacts", done.contacts),
        ("deals", done.deals),
        ("registrations", done.registrations),
        ("applications", done.applications),
        ("partnerships", done.partnerships),
        ("confirmations", done.confirmations),
        ("conflicts", done.conflicts),
        ("events", done.events),
    ] {
        told.insert(what.to_owned(), json!(count));
    }
    told
}

async fn lock<E: visible::Visible>(
    change: &Change,
    ids: impl IntoIterator<Item = Uuid>,
) -> Result<Vec<E::Model>> {
    visible::lock_all::<E>(change, &system(), ids).await
}

/// A deal goes on having had an owner, of whom nothing is known any more.
async fn owners(change: &mut Change, person: &Person) -> Result<u64> {
    let mut erased = 0;
    for row in lock::<deal::Entity>(change, person.deals.iter().map(|row| row.id.0)).await? {
        let (id, version) = (row.id, row.version);
        let active = deal::ActiveModel {
            id: Unchanged(id),
            version: Set(version + 1),
            updated_at: Set(change.now()),
            owner_name: Set(Some(ERASED.to_owned())),
            owner_email: Set(None),
            ..row.into()
        };
        crate::write::update(change, active, version).await?;
        change.record(NewEvent::about(EventKind::DealOwnerErased, id, json!({})));
        erased += 1;
    }
    Ok(erased)
}

/// A claim stays what it was; whom to ask at the account is nobody's business any more. The receipt names no person.
async fn registered(change: &mut Change, person: &Person) -> Result<u64> {
    let mut erased = 0;
    let ids = person.registrations.iter().map(|row| row.id.0);
    for row in lock::<deal_registration::Entity>(change, ids).await? {
        let (id, partner, version) = (row.id, row.partner_id, row.version);
        let active = deal_registration::ActiveModel {
            id: Unchanged(id),
            version: Set(version + 1),
            updated_at: Set(change.now()),
            contact_name: Set(ERASED.to_owned()),
            contact_email: Set(None),
            ..row.into()
        };
        crate::write::update(change, active, version).await?;
        let kind = EventKind::RegistrationUpdated;
        let event = NewEvent::about(kind, id, json!({ "claimChanged": false }));
        change.record(event.for_partner(partner));
        erased += 1;
    }
    Ok(erased)
}

/// What the company asked for stays; who asked is nobody's business any more.
async fn applied(change: &mut Change, person: &Person) -> Result<u64> {
    let mut erased = 0;
    let ids = person.applications.iter().map(|row| row.id.0);
    for row in lock::<partner_application::Entity>(change, ids).await? {
        partner_application::erase_contact(change, row).await?;
        erased += 1;
    }
    Ok(erased)
}

async fn responsible(change: &mut Change, person: &Person) -> Result<u64> {
    let mut erased = 0;
    let ids = person.partnerships.iter().map(|row| row.id.0);
    for row in lock::<partnership::Entity>(change, ids).await? {
        let (id, partner, version) = (row.id, row.partner_id, row.version);
        let active = partnership::ActiveModel {
            id: Unchanged(id),
            version: Set(version + 1),
            updated_at: Set(change.now()),
            dri: Set(Some(ERASED.to_owned())),
            ..row.into()
        };
        crate::write::update(change, active, version).await?;
        // The field is named, its value is not.
        let event = NewEvent::about(EventKind::PartnershipUpdated, id, json!({ "dri": {} }));
        change.record(event.for_partner(partner).internal());
        erased += 1;
    }
    Ok(erased)
}

async fn said(change: &Change, person: &Person) -> Result<u64> {
    let ids: Vec<Uuid> = person.confirmations.iter().map(|row| row.id.0).collect();
    let mut erased = 0;
    for chunk in ids.chunks(500) {
        let done = deal_confirmation::Entity::update_many()
            .col_expr(
                deal_confirmation::Column::UserName,
                Expr::value(Some(ERASED.to_owned())),
            )
            .col_expr(deal_confirmation::Column::UserId, Expr::value("erased"))
            .filter(deal_confirmation::Column::Id.is_in(chunk.iter().copied()))
            .exec(change.transaction())
            .await?;
        erased += done.rows_affected;
    }
    Ok(erased)
}

/// What a conflict says where its values are not kept, as of contacts.
fn redacted() -> Json {
    json!({ "redacted": true })
}

async fn named(change: &Change, person: &Person) -> Result<u64> {
    let mut erased = 0;
    let ids = person.conflicts.iter().map(|row| row.id.0);
    for row in lock::<sync_conflict::Entity>(change, ids).await? {
        let tells = |value: &Json| person.words.without(value, true).is_some();
        let ours = if tells(&row.ours) {
            redacted()
        } else {
            row.ours.clone()
        };
        let theirs = if tells(&row.theirs) {
            redacted()
        } else {
            row.theirs.clone()
        };
        sync_conflict::update(
            change,
            sync_conflict::Model {
                ours,
                theirs,
                ..row
            },
        )
        .await?;
        erased += 1;
    }
    Ok(erased)
}

/// A row that was named and is not there.
impl Sought {
    /// The error that says so.
    #[must_use]
    pub fn not_found(&self) -> Error {
        match self {
            Self::User(_) | Self::Contact(_) => Error::not_found("id"),
            Self::Email(_) => Error::not_found("email"),
        }
    }
}
