//! Why nothing is known of a record: the most likely reason, in words.

use super::{Asked, connection_of, connections};
use entities::connection::{self, ConnectionStatus, mapping::PushMode};
use entities::database::Database;
use entities::error::Result;
use entities::id::{ContactId, CustomerId, DealId, PartnerId, TypedId as _};
use entities::sync_cursor;

/// Says why.
pub(super) async fn why(database: &Database, asked: &Asked) -> Result<String> {
    match asked {
        Asked::Row { kind, .. } => row(database, kind).await,
        Asked::Record {
            connection,
            external_id,
        } => match connection_of(database, *connection).await? {
            None => Ok("There is no such connection.".to_owned()),
            Some(connection) => record(database, &connection, external_id).await,
        },
    }
}

fn standing(connection: &connection::Model) -> Option<String> {
    let state = match connection.status {
        ConnectionStatus::Active | ConnectionStatus::Degraded => return None,
        ConnectionStatus::Authorizing => "has not been authorized yet",
        ConnectionStatus::ReauthRequired => "needs a new consent",
        ConnectionStatus::Paused => "is paused",
        ConnectionStatus::Revoked => "is disconnected",
    };
    Some(format!("the connection {state}, so nothing is read"))
}

async fn record(
    database: &Database,
    connection: &connection::Model,
    external_id: &str,
) -> Result<String> {
    let lanes = sync_cursor::list(database.read(), connection.id).await?;
    let unread: Vec<&str> = lanes
        .iter()
        .filter(|lane| lane.lane == crate::sync::pull::BACKFILL && !lane.complete)
        .map(|lane| lane.resource.as_str())
        .collect();
    let why = if let Some(standing) = standing(connection) {
        standing
    } else if !unread.is_empty() {
        format!(
            "the first reading has not come to its end for: {}",
            unread.join(", ")
        )
    } else {
        "everything the vendor lists has been read and this was not among it: it does not exist there, was archived before it was connected, or the consent does not show it".to_owned()
    };
    Ok(format!("{external_id:?} is not known, because {why}."))
}

async fn row(database: &Database, kind: &str) -> Result<String> {
    let all = connections(database).await?;
    if all.is_empty() {
        return Ok("Nothing is known, because nothing is connected.".to_owned());
    }
    let mode = |row: &connection::Model| match kind {
        PartnerId::PREFIX | CustomerId::PREFIX => Some(row.mapping.company.policy.push),
        ContactId::PREFIX => Some(row.mapping.contact.policy.push),
        DealId::PREFIX => Some(row.mapping.deal.policy.push),
        _ => None,
    };
    let mut reasons = Vec::with_capacity(all.len());
    for row in &all {
        let why = match (mode(row), standing(row)) {
            (None, _) => "such rows are not exchanged".to_owned(),
            (_, Some(standing)) => standing,
            (Some(PushMode::Off), None) => "its mapping sends nothing of this kind".to_owned(),
            (Some(PushMode::Update), None) => {
                "its mapping sends only changes of records the vendor has".to_owned()
            }
            (Some(PushMode::CreateAndUpdate), None) => {
                "no change has been made since that would be sent; what was imported is not"
                    .to_owned()
            }
        };
        reasons.push(format!("{} {}: {why}", row.connector, row.tenant_id));
    }
    Ok(format!(
        "No connection knows this row, because, by connection: {}.",
        reasons.join("; ")
    ))
}
