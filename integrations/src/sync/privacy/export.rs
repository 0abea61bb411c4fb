//! What is held of a person, as one document.

use super::held::Held;
use crate::sync::error::Result;
use entities::change::Change;
use entities::contact;
use entities::deal;
use entities::external_link;
use entities::id::{DealId, TypedId as _};
use entities::privacy_request::{Done, Subject};
use entities::viewer::Viewer;
use entities::visible;
use serde_json::{Value as Json, json};
use std::collections::BTreeSet;
use uuid::Uuid;

/// Puts it together.
pub(super) async fn export(
    change: &Change,
    subject: &Subject,
    held: &Held,
) -> Result<(Json, Done)> {
    let deals: BTreeSet<Uuid> = held
        .others
        .iter()
        .filter(|link| link.subject_kind.as_deref() == Some(DealId::PREFIX))
        .filter_map(|link| link.subject_id)
        .collect();
    let system = Viewer::system("privacy");
    let mut deals =
        visible::find_all::<deal::Entity, _>(change.transaction(), &system, deals).await?;
    deals.sort_by_key(|row| row.id);
    let deals: Vec<Json> = deals
        .iter()
        .map(|row| json!({ "id": row.id, "name": row.name, "closedAt": row.closed_at }))
        .collect();
    let contacts: Vec<Json> = held.contacts.iter().map(person).collect();
    let records: Vec<Json> = held.people.iter().chain(&held.others).map(record).collect();
    let done = Done {
        contacts: contacts.len() as u64,
        records: records.len() as u64,
        deliveries: 0,
    };
    let export = json!({
        "person": {
            "externalId": subject.external_id, "email": subject.email, "phone": subject.phone,
        },
        "contacts": contacts,
        "records": records,
        "deals": deals,
    });
    Ok((export, done))
}

fn person(row: &contact::Model) -> Json {
    json!({
        "id": row.id, "name": row.name, "email": row.email, "phone": row.phone, "title": row.title,
        "roles": row.roles, "partner": row.partner_id, "customer": row.customer_id,
        "createdAt": row.created_at, "updatedAt": row.updated_at,
    })
}

fn record(link: &external_link::Model) -> Json {
    json!({
        "connection": link.connection_id, "resource": link.resource, "externalId": link.external_id,
        "fields": link.shadow.fields, "linkedWith": link.shadow.links.keys().collect::<Vec<_>>(),
        "firstSeenAt": link.created_at,
    })
}
