//! Finding a person in our rows.

use super::Words;
use crate::error::Result;
use crate::id::{ContactId, DealRegistrationId, UserId};
use crate::viewer::Viewer;
use crate::visible::{self, Visible};
use crate::{
    agreement_signature, contact, deal, deal_confirmation, deal_registration, event,
    partner_application, partnership, session, sync_conflict, user,
};
use sea_orm::QueryOrder as _;
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::{Condition, SimpleExpr};
use std::collections::BTreeSet;

/// Whom to look for: a row of theirs, or an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sought {
    /// Somebody who signs in.
    User(UserId),
    /// A contact.
    Contact(ContactId),
    /// Whoever has this address.
    Email(String),
}

/// What our rows hold of a person.
#[derive(Clone, Debug, Default)]
pub struct Person {
    /// What tells who it is.
    pub words: Words,
    /// As somebody who signs in.
    pub users: Vec<user::Model>,
    /// As a contact.
    pub contacts: Vec<contact::Model>,
    /// The deals they own.
    pub deals: Vec<deal::Model>,
    /// The registrations in which they are the account's contact.
    pub registrations: Vec<deal_registration::Model>,
    /// The applications in which they speak for the company.
    pub applications: Vec<partner_application::Model>,
    /// The partnerships they are responsible for.
    pub partnerships: Vec<partnership::Model>,
    /// What they said of deals.
    pub confirmations: Vec<deal_confirmation::Model>,
    /// Conflicts about who owns a deal, in which they are named.
    pub conflicts: Vec<sync_conflict::Model>,
    /// What they signed. It is evidence of an agreement, and stays as it was signed.
    pub signatures: Vec<agreement_signature::Model>,
}

pub(super) fn system() -> Viewer {
    Viewer::system("person")
}

/// A column, as often as a condition names it.
fn column<E, C>(entity: E, column: C) -> impl Fn() -> SimpleExpr
where
    E: sea_orm::sea_query::IntoIden + Copy,
    C: sea_orm::sea_query::IntoIden + Copy,
{
    move || Expr::col((entity, column))
}

/// Finds a person; none when a row was named that is not there. An address that no row has is still somebody's: it may stand in the log, or in
/// what vendors told.
///
/// # Errors
/// When the database fails.
pub async fn find(connection: &impl ConnectionTrait, sought: &Sought) -> Result<Option<Person>> {
    let system = system();
    let mut person = Person::default();
    let words = &mut person.words;
    match sought {
        Sought::User(id) => match user::find(connection, *id).await? {
            None => return Ok(None),
            Some(row) => {
                words.learn_email(&row.email);
                person.users.push(row);
            }
        },
        Sought::Contact(id) => {
            match visible::find_one::<contact::Entity, _>(connection, &system, id.0).await? {
                None => return Ok(None),
                Some(row) => {
                    words.learn_email(row.email.as_deref().unwrap_or_default());
                    person.contacts.push(row);
                }
            }
        }
        Sought::Email(email) => words.learn_email(email),
    }
    person.same_address(connection).await?;
    person.learn_names();
    person.named_elsewhere(connection).await?;
    Ok(Some(person))
}

impl Person {
    /// Whoever else has the address.
    async fn same_address(&mut self, connection: &impl ConnectionTrait) -> Result<()> {
        let emails: Vec<String> = self.words.emails().cloned().collect();
        if emails.is_empty() {
            return Ok(());
        }
        let users = user::Entity::visible_to(&system())
            .filter(user::Column::Email.is_in(emails.iter().cloned()))
            .order_by_asc(user::Column::Id)
            .all(connection)
            .await?;
        let known: BTreeSet<UserId> = self.users.iter().map(|row| row.id).collect();
        self.users
            .extend(users.into_iter().filter(|row| !known.contains(&row.id)));
        let contacts = contact::Entity::visible_to(&system())
            .filter(Words::may_be(
                &emails,
                column(contact::Entity, contact::Column::Email),
            ))
            .order_by_asc(contact::Column::Id)
            .all(connection)
            .await?;
        let words = &self.words;
        let is = |text: &Option<String>| text.as_deref().is_some_and(|text| words.is(text));
        let known: BTreeSet<ContactId> = self.contacts.iter().map(|row| row.id).collect();
        let contacts = contacts
            .into_iter()
            .filter(|row| !known.contains(&row.id) && is(&row.email));
        self.contacts.extend(contacts);
        let deals = deal::Entity::visible_to(&system())
            .filter(Words::may_be(
                &emails,
                column(deal::Entity, deal::Column::OwnerEmail),
            ))
            .order_by_asc(deal::Column::Id)
            .all(connection)
            .await?;
        let deals = deals.into_iter().filter(|row| is(&row.owner_email));
        self.deals = deals.collect();
        let registrations = deal_registration::Entity::visible_to(&system())
            .filter(Words::may_be(
                &emails,
                column(
                    deal_registration::Entity,
                    deal_registration::Column::ContactEmail,
                ),
            ))
            .order_by_asc(deal_registration::Column::Id)
            .all(connection)
            .await?;
        let registrations = registrations
            .into_iter()
            .filter(|row| is(&row.contact_email));
        self.registrations = registrations.collect();
        let applications = partner_application::Entity::visible_to(&system())
            .filter(Words::may_be(
                &emails,
                column(
                    partner_application::Entity,
                    partner_application::Column::ContactEmail,
                ),
            ))
            .order_by_asc(partner_application::Column::Id)
            .all(connection)
            .await?;
        let applications = applications
            .into_iter()
            .filter(|row| is(&row.contact_email));
        self.applications = applications.collect();
        Ok(())
    }

    fn learn_names(&mut self) {
        for row in &self.users {
            self.words.learn_name(&row.name);
        }
        for row in &self.contacts {
            self.words.learn_name(&row.name);
        }
        for name in self.deals.iter().filter_map(|row| row.owner_name.as_ref()) {
            self.words.learn_name(name);
        }
        for row in &self.registrations {
            self.words.learn_name(&row.contact_name);
        }
        for row in &self.applications {
            self.words.learn_name(&row.contact_name);
        }
    }

    /// Where only the name stands, or the address in place of one.
    async fn named_elsewhere(&mut self, connection: &impl ConnectionTrait) -> Result<()> {
        let names: Vec<String> = self.words.names().cloned().collect();
        let all: Vec<String> = self
            .words
            .emails()
            .chain(self.words.names())
            .cloned()
            .collect();
        if all.is_empty() {
            return Ok(());
        }
        let words = &self.words;
        let is = |text: &Option<String>| text.as_deref().is_some_and(|text| words.is(text));
        let by_name = deal::Entity::visible_to(&system())
            .filter(deal::Column::OwnerEmail.is_null())
            .filter(Words::may_be(
                &names,
                column(deal::Entity, deal::Column::OwnerName),
            ))
            .order_by_asc(deal::Column::Id)
            .all(connection)
            .await?;
        let by_name = by_name.into_iter().filter(|row| is(&row.owner_name));
        self.deals.extend(by_name);
        let registrations = deal_registration::Entity::visible_to(&system())
            .filter(deal_registration::Column::ContactEmail.is_null())
            .filter(Words::may_be(
                &names,
                column(
                    deal_registration::Entity,
                    deal_registration::Column::ContactName,
                ),
            ))
            .order_by_asc(deal_registration::Column::Id)
            .all(connection)
            .await?;
        let known: BTreeSet<DealRegistrationId> =
            self.registrations.iter().map(|row| row.id).collect();
        let registrations = registrations
            .into_iter()
            .filter(|row| !known.contains(&row.id) && words.is(&row.contact_name));
        self.registrations.extend(registrations);
        let applications = partner_application::Entity::visible_to(&system())
            .filter(partner_application::Column::ContactEmail.is_null())
            .filter(Words::may_be(
                &names,
                column(
                    partner_application::Entity,
                    partner_application::Column::ContactName,
                ),
            ))
            .order_by_asc(partner_application::Column::Id)
            .all(connection)
            .await?;
        let applications = applications
            .into_iter()
            .filter(|row| words.is(&row.contact_name));
        self.applications.extend(applications);
        let partnerships = partnership::Entity::visible_to(&system())
            .filter(Words::may_be(
                &all,
                column(partnership::Entity, partnership::Column::Dri),
            ))
            .order_by_asc(partnership::Column::Id)
            .all(connection)
            .await?;
        let partnerships = partnerships.into_iter().filter(|row| is(&row.dri));
        self.partnerships = partnerships.collect();
        let confirmations = deal_confirmation::Entity::visible_to(&system())
            .filter(Words::may_be(
                &names,
                column(
                    deal_confirmation::Entity,
                    deal_confirmation::Column::UserName,
                ),
            ))
            .order_by_asc(deal_confirmation::Column::Id)
            .all(connection)
            .await?;
        let confirmations = confirmations.into_iter().filter(|row| is(&row.user_name));
        self.confirmations = confirmations.collect();
        let accounts: Vec<String> = self.users.iter().map(|row| row.id.to_string()).collect();
        let signatures = agreement_signature::Entity::visible_to(&system())
            .filter(
                Words::may_be(
                    &names,
                    column(
                        agreement_signature::Entity,
                        agreement_signature::Column::SignerName,
                    ),
                )
                .add(agreement_signature::Column::SignedBy.is_in(accounts.clone())),
            )
            .order_by_asc(agreement_signature::Column::Id)
            .all(connection)
            .await?;
        let signatures = signatures
            .into_iter()
            .filter(|row| words.is(&row.signer_name) || accounts.contains(&row.signed_by));
        self.signatures = signatures.collect();
        let side = |column| move || Expr::col((sync_conflict::Entity, column));
        let found = sync_conflict::Entity::visible_to(&system())
            .filter(sync_conflict::Column::Field.is_in(["owner.name", "owner.email"]))
            .filter(
                Condition::any()
                    .add(words.may_be_in(side(sync_conflict::Column::Ours)))
                    .add(words.may_be_in(side(sync_conflict::Column::Theirs))),
            )
            .order_by_asc(sync_conflict::Column::Id)
            .all(connection)
            .await?;
        let tells = |row: &sync_conflict::Model| {
            [&row.ours, &row.theirs]
                .into_iter()
                .any(|value| words.without(value, true).is_some())
        };
        self.conflicts = found.into_iter().filter(tells).collect();
        Ok(())
    }

    /// The sessions of the person, all there are.
    pub(super) async fn sessions(
        &self,
        connection: &impl ConnectionTrait,
    ) -> Result<Vec<session::Model>> {
        let users = self.users.iter().map(|row| row.id);
        let select = session::Entity::visible_to(&system())
            .filter(session::Column::UserId.is_in(users))
            .order_by_asc(session::Column::Id);
        Ok(select.all(connection).await?)
    }

    /// The rows that are the person, by id: everything in an event about them is about the person.
    pub(super) fn subjects(&self) -> BTreeSet<Uuid> {
        let users = self.users.iter().map(|row| row.id.0);
        users
            .chain(self.contacts.iter().map(|row| row.id.0))
            .collect()
    }

    /// The events whose data tells who the person is, each with what it is to say instead, in the order of the log.
    pub(super) async fn events(
        &self,
        connection: &impl ConnectionTrait,
    ) -> Result<Vec<(event::Model, Json)>> {
        if self.words.is_empty() {
            return Ok(Vec::new());
        }
        let data = || Expr::col((event::Entity, event::Column::Data));
        let found = event::Entity::visible_to(&system())
            .filter(self.words.may_be_in(data))
            .order_by_asc(event::Column::Position)
            .order_by_asc(event::Column::Seq)
            .all(connection)
            .await?;
        let subjects = self.subjects();
        let replaced = |row: event::Model| {
            let about_person = subjects.contains(&row.subject_id);
            let data = self.words.without(&row.data, about_person)?;
            Some((row, data))
        };
        Ok(found.into_iter().filter_map(replaced).collect())
    }
}
