//! What our rows hold of a person, as one document to hand over.
//!
//! It names what others did to the person's data only as far as the log does. Secrets (password hashes, tickets) are no personal data to hand over
//! and are left out.

use super::find::{Person, system};
use crate::change::Change;
use crate::error::Result;
use crate::event::{self, EventKind, NewEvent};
use crate::id::PersonRequestId;
use crate::visible::Visible;
use crate::{contact, oauth_grant, session, user, user_identity, user_ticket};
use sea_orm::QueryOrder as _;
use sea_orm::entity::prelude::*;
use serde_json::{Value as Json, json};

/// Puts it together.
///
/// # Errors
/// When the database fails.
pub async fn export(connection: &impl ConnectionTrait, person: &Person) -> Result<Json> {
    let sessions: Vec<Json> = person
        .sessions(connection)
        .await?
        .iter()
        .map(one_session)
        .collect();
    let mut users = Vec::with_capacity(person.users.len());
    for row in &person.users {
        users.push(one_user(connection, row).await?);
    }
    let actor: Vec<String> = person.users.iter().map(|row| row.id.to_string()).collect();
    let acted = event::Entity::visible_to(&system())
        .filter(event::Column::Actor.is_in(actor))
        .count(connection)
        .await?;
    let events: Vec<Json> = person
        .events(connection)
        .await?
        .iter()
        .map(|(row, _)| {
            json!({ "id": row.id, "type": row.kind, "occurredAt": row.occurred_at, "data": row.data })
        })
        .collect();
    let deals: Vec<Json> = person
        .deals
        .iter()
        .map(|row| {
            json!({ "id": row.id, "name": row.name, "ownerName": row.owner_name, "ownerEmail": row.owner_email })
        })
        .collect();
    let registrations: Vec<Json> = person
        .registrations
        .iter()
        .map(|row| {
            json!({
                "id": row.id, "partner": row.partner_id, "accountName": row.account_name, "contactName": row.contact_name,
                "contactEmail": row.contact_email,
            })
        })
        .collect();
    let applications: Vec<Json> = person
        .applications
        .iter()
        .map(|row| {
            json!({
                "id": row.id, "companyName": row.company_name, "contactName": row.contact_name, "contactEmail": row.contact_email,
                "submittedAt": row.created_at,
            })
        })
        .collect();
    let signatures: Vec<Json> = person
        .signatures
        .iter()
        .map(|row| {
            json!({
                "id": row.id, "agreement": row.agreement_id, "signerName": row.signer_name, "signerTitle": row.signer_title,
                "signedAt": row.created_at, "signedBy": row.signed_by, "staysAsEvidence": true,
            })
        })
        .collect();
    let partnerships: Vec<Json> = person
        .partnerships
        .iter()
        .map(|row| json!({ "id": row.id, "dri": row.dri }))
        .collect();
    let said: Vec<Json> = person
        .confirmations
        .iter()
        .map(|row| {
            json!({
                "deal": row.deal_id, "decision": row.decision, "userId": row.user_id, "userName": row.user_name,
                "occurredAt": row.occurred_at,
            })
        })
        .collect();
    let conflicts: Vec<Json> = person
        .conflicts
        .iter()
        .map(|row| json!({ "id": row.id, "field": row.field, "ours": row.ours, "theirs": row.theirs }))
        .collect();
    Ok(json!({
        "person": {
            "emails": person.words.emails().collect::<Vec<_>>(),
            "names": person.words.names().collect::<Vec<_>>(),
        },
        "users": users,
        "sessions": sessions,
        "contacts": person.contacts.iter().map(one_contact).collect::<Vec<_>>(),
        "deals": deals,
        "registrations": registrations,
        "applications": applications,
        "partnerships": partnerships,
        "signatures": signatures,
        "confirmations": said,
        "conflicts": conflicts,
        "events": events,
        "changesMade": acted,
    }))
}

/// Notes that what is held of a person was handed over; whose it was is told by the ids of the rows.
pub fn exported(change: &mut Change, person: &Person) {
    let users: Vec<Json> = person.users.iter().map(|row| json!(row.id)).collect();
    let contacts: Vec<Json> = person.contacts.iter().map(|row| json!(row.id)).collect();
    let request: PersonRequestId = change.new_id();
    let data = json!({ "userIds": users, "contactIds": contacts });
    change.record(NewEvent::about(EventKind::PersonExported, request, data).internal());
}

async fn one_user(connection: &impl ConnectionTrait, row: &user::Model) -> Result<Json> {
    let identities: Vec<Json> = user_identity::list_of(connection, row.id)
        .await?
        .iter()
        .map(|tie| json!({ "issuer": tie.issuer, "subject": tie.subject, "since": tie.created_at }))
        .collect();
    let grants: Vec<Json> = oauth_grant::Entity::visible_to(&system())
        .filter(oauth_grant::Column::UserId.eq(row.id))
        .order_by_asc(oauth_grant::Column::Id)
        .all(connection)
        .await?
        .iter()
        .map(|grant| {
            json!({
                "client": grant.client_id, "scope": grant.scope, "createdAt": grant.created_at, "lastUsedAt": grant.last_used_at,
                "revokedAt": grant.revoked_at,
            })
        })
        .collect();
    let invitations: Vec<Json> = user_ticket::Entity::visible_to(&system())
        .filter(user_ticket::Column::UserId.eq(row.id))
        .order_by_asc(user_ticket::Column::CreatedAt)
        .all(connection)
        .await?
        .iter()
        .map(|ticket| {
            json!({ "createdAt": ticket.created_at, "expiresAt": ticket.expires_at, "usedAt": ticket.used_at })
        })
        .collect();
    Ok(json!({
        "id": row.id, "name": row.name, "email": row.email, "role": row.role, "status": row.status, "partner": row.partner_id,
        "createdAt": row.created_at, "updatedAt": row.updated_at, "lastSignedInAt": row.last_signed_in_at, "hasPassword": row.password_hash.is_some(),
        "identities": identities, "grants": grants, "tickets": invitations,
    }))
}

fn one_session(row: &session::Model) -> Json {
    json!({
        "id": row.id, "user": row.user_id, "createdAt": row.created_at, "lastUsedAt": row.last_used_at, "endedAt": row.ended_at,
        "method": row.method.as_str(), "userAgent": row.user_agent,
    })
}

fn one_contact(row: &contact::Model) -> Json {
    json!({
        "id": row.id, "name": row.name, "email": row.email, "phone": row.phone, "title": row.title, "roles": row.roles,
        "partner": row.partner_id, "customer": row.customer_id, "createdAt": row.created_at, "updatedAt": row.updated_at,
        "archivedAt": row.archived_at,
    })
}
