//! What is held of a person, handed over or erased at the programme's own wish. For administrators only: an export holds a person's data.
//!
//! Our rows are [`entities::person`]'s, what vendors told is the engine's; both are one change. Deliveries that wait to be read are waited for.

use super::context::{requires_scope, state};
use super::edit::{Edit, Outcome, UserError, id_input, outcome, staff};
use super::error::ErrorCode;
use async_graphql::{Context, ID, InputObject, Json, Object, Result, SimpleObject};
use entities::change::Change;
use entities::error::{Error, ViolationCode};
use entities::id::{self, ContactId, TypedId as _, UserId};
use entities::person::{self, Erased, Erasure, Person, Sought};
use entities::privacy_request::Done;
use entities::viewer::Scope;
use integrations::sync::{Engine, SyncError};
use serde_json::{Map, json};
use std::time::Duration;

/// Whose data is handed over.
#[derive(Debug, InputObject)]
pub struct ExportPersonInput {
    /// Somebody who signs in, or a contact. Either this or `email`.
    pub id: Option<ID>,
    /// Whoever has this e-mail address, wherever they are known.
    pub email: Option<String>,
}

/// Who is erased.
#[derive(Debug, InputObject)]
pub struct ErasePersonInput {
    /// Somebody who signs in, or a contact; everybody with the same e-mail address is the same person. Either this or `email`.
    pub id: Option<ID>,
    /// Whoever has this e-mail address, wherever they are known.
    pub email: Option<String>,
    /// True: do everything but keep it, and say what would be erased.
    pub validate_only: Option<bool>,
}

fn sought(id: Option<ID>, email: Option<String>) -> entities::error::Result<Sought> {
    match (id, email) {
        (Some(id), None) => match id::parse_any(&id) {
            Ok((prefix, _)) if prefix == ContactId::PREFIX => {
                id_input(&id, "id").map(Sought::Contact)
            }
            _ => id_input::<UserId>(&id, "id").map(Sought::User),
        },
        (None, Some(email)) => {
            if entities::contact::is_email(email.trim()) && email.len() <= 320 {
                Ok(Sought::Email(email))
            } else {
                Err(Error::invalid(
                    ViolationCode::Invalid,
                    "email",
                    "Not an e-mail address.",
                ))
            }
        }
        _ => Err(Error::invalid(
            ViolationCode::Invalid,
            "id",
            "Name either an id or an e-mail address.",
        )),
    }
}

/// The answer of exportPerson.
#[derive(SimpleObject)]
pub struct ExportPersonPayload {
    /// Everything that is held of the person, to hand over; null when the input was refused.
    pub export: Option<Json<serde_json::Value>>,
    /// Why the input was refused; empty on success.
    pub user_errors: Vec<UserError>,
}

/// What was erased, in numbers.
#[derive(Clone, Copy, Debug, SimpleObject)]
pub struct ErasedPerson {
    /// People who signed in; they are disabled, their sessions and what they allowed to clients have ended.
    pub users: u64,
    /// Contacts.
    pub contacts: u64,
    /// Deals whose owner the person was.
    pub deals: u64,
    /// Registrations in which the person was the account's contact.
    pub registrations: u64,
    /// Applications in which the person spoke for the company.
    pub applications: u64,
    /// Partnerships the person was responsible for.
    pub partnerships: u64,
    /// Things the person said of deals in a chat.
    pub confirmations: u64,
    /// Conflicts of a synchronisation in which the person was named.
    pub conflicts: u64,
    /// Events of the log whose data named the person.
    pub events: u64,
    /// What was known of vendors' records.
    pub records: u64,
    /// Stored deliveries of vendors.
    pub deliveries: u64,
}

/// The answer of erasePerson.
#[derive(SimpleObject)]
pub struct ErasePersonPayload {
    /// What was erased; null when the input was refused. Of somebody who was erased before it is nothing.
    pub erased: Option<ErasedPerson>,
    /// Why the input was refused; empty on success.
    pub user_errors: Vec<UserError>,
}

fn counted(rows: Erased, told: Done) -> ErasedPerson {
    ErasedPerson {
        users: rows.users,
        contacts: rows.contacts,
        deals: rows.deals,
        registrations: rows.registrations,
        applications: rows.applications,
        partnerships: rows.partnerships,
        confirmations: rows.confirmations,
        conflicts: rows.conflicts,
        events: rows.events,
        records: told.records,
        deliveries: told.deliveries,
    }
}

/// How often deliveries that wait to be read are looked at again, and how long that is worth waiting for.
const LOOK: Duration = Duration::from_millis(100);
const LOOKS: u32 = 50;

/// Waits until no delivery waits to be read: one of them may name the person.
async fn deliveries_read(engine: &Engine) -> Result<Outcome<()>> {
    for _ in 0..LOOKS {
        if !engine.deliveries_wait().await.map_err(fault)? {
            return Ok(Ok(()));
        }
        tokio::time::sleep(LOOK).await;
    }
    outcome(Err(Error::invalid(
        ViolationCode::Locked,
        "",
        "Deliveries of a vendor wait to be read, and one may name the person: ask again in a moment.",
    )))
}

fn fault(error: SyncError) -> async_graphql::Error {
    match error {
        SyncError::Entity(error) => error.into(),
        error => {
            tracing::error!(%error, "a person's data could not be gathered");
            ErrorCode::Internal.error("The data could not be gathered just now.")
        }
    }
}

/// An error of the engine as one of an operation: what it refuses stays refused.
fn as_entity(error: SyncError) -> Error {
    match error {
        SyncError::Entity(error) => error,
        error => Error::Damaged(error.to_string()),
    }
}

fn rows_of(person: &Person) -> (Vec<ContactId>, Vec<String>) {
    let contacts = person.contacts.iter().map(|row| row.id).collect();
    (contacts, person.words.emails().cloned().collect())
}

async fn export(
    change: &mut Change,
    engine: &Engine,
    sought: &Sought,
) -> entities::error::Result<serde_json::Value> {
    let person = person::find(change.transaction(), sought)
        .await?
        .ok_or_else(|| sought.not_found())?;
    let (contacts, emails) = rows_of(&person);
    let told = engine.export_person(change, &contacts, &emails).await;
    let told = told.map_err(as_entity)?;
    let mut document = person::export(change.transaction(), &person).await?;
    if let Some(fields) = document.as_object_mut() {
        fields.insert("accounts".to_owned(), told.into());
    }
    person::exported(change, &person);
    Ok(document)
}

async fn erase(
    edit: &mut Edit<'_>,
    engine: &Engine,
    sought: &Sought,
) -> entities::error::Result<ErasedPerson> {
    engine
        .hold_accounts(&edit.change)
        .await
        .map_err(as_entity)?;
    let erasure = Erasure::begin(&edit.change, sought)
        .await?
        .ok_or_else(|| sought.not_found())?;
    let (contacts, emails) = rows_of(erasure.person());
    // What vendors told comes first, because it is found by the rows as they still are.
    let told = engine.erase_person(&mut edit.change, &contacts, &emails);
    let told = told.await.map_err(as_entity)?;
    let mut besides = Map::new();
    besides.insert("records".to_owned(), json!(told.records));
    besides.insert("deliveries".to_owned(), json!(told.deliveries));
    let viewer = &edit.request.viewer;
    let rows = erasure.finish(&mut edit.change, viewer, &besides).await?;
    Ok(counted(rows, told))
}

/// What is held of people.
#[derive(Default)]
pub struct PersonMutation;

#[Object]
impl PersonMutation {
    /// Puts together everything that is held of a person, to hand over. That it was done is an event.
    #[graphql(directive = requires_scope::apply("admin".to_owned()))]
    async fn export_person(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Whose data.")] input: ExportPersonInput,
    ) -> Result<ExportPersonPayload> {
        let refused = |user_errors| ExportPersonPayload {
            export: None,
            user_errors,
        };
        staff(ctx, Scope::Admin)?;
        let sought = match outcome(sought(input.id, input.email))? {
            Ok(sought) => sought,
            Err(user_errors) => return Ok(refused(user_errors)),
        };
        let engine = &state(ctx)?.core.engine;
        let mut edit = Edit::begin(ctx, Scope::Admin, None).await?;
        let result = export(&mut edit.change, engine, &sought).await;
        Ok(match edit.finish(result, |_| None).await? {
            Ok(document) => ExportPersonPayload {
                export: Some(Json(document)),
                user_errors: Vec::new(),
            },
            Err(user_errors) => refused(user_errors),
        })
    }

    /// Replaces what tells who a person is, for good, wherever the person is known: rows, the event log, what vendors told. Money, history and the
    /// audit trail stay, and so does a name below a signed agreement, which is evidence: the export lists it. Whoever signs in is disabled. Nothing is sent
    /// to any vendor: what a vendor itself still holds has to be erased there.
    #[graphql(directive = requires_scope::apply("admin".to_owned()))]
    async fn erase_person(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Who.")] input: ErasePersonInput,
    ) -> Result<ErasePersonPayload> {
        let refused = |user_errors| ErasePersonPayload {
            erased: None,
            user_errors,
        };
        staff(ctx, Scope::Admin)?;
        let sought = match outcome(sought(input.id, input.email))? {
            Ok(sought) => sought,
            Err(user_errors) => return Ok(refused(user_errors)),
        };
        let engine = &state(ctx)?.core.engine;
        if let Err(user_errors) = deliveries_read(engine).await? {
            return Ok(refused(user_errors));
        }
        let mut edit = Edit::begin(ctx, Scope::Admin, input.validate_only).await?;
        let result = erase(&mut edit, engine, &sought).await;
        Ok(match edit.finish(result, |_| None).await? {
            Ok(erased) => ErasePersonPayload {
                erased: Some(erased),
                user_errors: Vec::new(),
            },
            Err(user_errors) => refused(user_errors),
        })
    }
}
