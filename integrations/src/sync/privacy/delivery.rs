//! Stored deliveries that hold a person's data, or an account's.
//!
//! Owns: which those are. Refuses: to touch one that waits to be split: a wish waits for it instead. Invariant: a delivery that cannot be read is
//! erased as soon as its bytes name whom it may be about; one of another account is never touched.

use crate::connector::{Connector, Delivery, Signals};
use crate::sync::error::Result;
use crate::sync::token::TokenKeeper;
use entities::change::Change;
use entities::connection;
use entities::database::Database;
use entities::id::InboundWebhookId;
use entities::inbound_webhook::{self, InboxState, Model};
use entities::privacy_request::{self, Subject};
use entities::viewer::Viewer;
use entities::visible;
use std::sync::Arc;

/// Deliveries of one page.
const PAGE: u64 = 50;

/// Whether deliveries wait that came before a wish.
pub(super) async fn are_waiting(
    database: &Database,
    wish: &privacy_request::Model,
) -> Result<bool> {
    let system = Viewer::system("privacy");
    let row =
        visible::find_one::<connection::Entity, _>(database.read(), &system, wish.connection_id.0)
            .await?;
    let Some(row) = row else {
        return Ok(false);
    };
    let (read, until) = (database.read(), wish.created_at);
    Ok(inbound_webhook::any_pending(read, &row.connector, until).await?)
}

/// Erases the deliveries that hold a person's data. The answer is how many there were.
pub(super) async fn erase_person(
    change: &Change,
    keeper: &TokenKeeper,
    connection: &connection::Model,
    subject: &Subject,
) -> Result<u64> {
    let mut texts: Vec<String> = [&subject.email, &subject.phone]
        .into_iter()
        .flatten()
        .map(|text| text.trim().to_lowercase())
        .collect();
    texts.retain(|text| !text.is_empty());
    let names = |signals: &Signals| {
        let mut records = subject.records.iter().map(|(_, id)| id.as_str());
        let own = subject.external_id.as_deref();
        signals.signals.iter().any(|signal| {
            own == Some(&signal.external_id) || records.any(|id| id == signal.external_id)
        }) || signals.privacy.iter().any(|wish| {
            let person = wish.person.as_ref();
            own.is_some() && person.and_then(|person| person.external_id.as_deref()) == own
        })
    };
    erase(change, keeper, connection, |delivery, signals| {
        let body = String::from_utf8_lossy(&delivery.body).to_lowercase();
        texts.iter().any(|text| body.contains(text)) || signals.is_some_and(names)
    })
    .await
}

/// Erases every delivery of an account. The answer is how many there were.
pub(super) async fn erase_account(
    change: &Change,
    keeper: &TokenKeeper,
    connection: &connection::Model,
) -> Result<u64> {
    erase(change, keeper, connection, |_, _| true).await
}

/// Erases those of an account's deliveries that are meant.
async fn erase(
    change: &Change,
    keeper: &TokenKeeper,
    connection: &connection::Model,
    is_meant: impl Fn(&Model, Option<&Signals>) -> bool + Send,
) -> Result<u64> {
    let connector = keeper.connector(&connection.connector).ok().map(Arc::clone);
    let mut erased = 0;
    let mut after: Option<InboundWebhookId> = None;
    loop {
        let page =
            inbound_webhook::list_page(change.transaction(), &connection.connector, after, PAGE)
                .await?;
        let Some(last) = page.last() else {
            return Ok(erased);
        };
        after = Some(last.id);
        let meant: Vec<InboundWebhookId> = page
            .iter()
            .filter(|row| row.state != InboxState::Pending && !row.body.is_empty())
            .filter(|row| {
                let signals = connector.as_deref().and_then(|known| read(known, row));
                is_of(row, signals.as_ref(), &connection.tenant_id)
                    && is_meant(row, signals.as_ref())
            })
            .map(|row| row.id)
            .collect();
        erased += meant.len() as u64;
        inbound_webhook::erase(change, &meant).await?;
    }
}

fn read(connector: &dyn Connector, row: &Model) -> Option<Signals> {
    let delivery = Delivery {
        headers: &row.headers.0,
        body: &row.body,
        tenant_id: row.tenant_id.as_deref(),
    };
    connector.webhooks()?.parse(&delivery).ok()
}

/// Whether a delivery speaks of an account.
fn is_of(row: &Model, signals: Option<&Signals>, tenant: &str) -> bool {
    if let Some(own) = row.tenant_id.as_deref() {
        return own == tenant;
    }
    if let Some(signals) = signals {
        let mut tenants = signals
            .signals
            .iter()
            .map(|one| one.tenant_id.as_str())
            .chain(signals.account.iter().map(|one| one.tenant_id.as_str()))
            .chain(signals.privacy.iter().map(|one| one.tenant_id.as_str()))
            .chain(signals.actions.iter().map(|one| one.tenant_id.as_str()));
        if tenants.any(|one| one == tenant) {
            return true;
        }
    }
    // One that says nothing we read, or cannot be read, may still be the account's.
    let in_headers = row.headers.0.iter().any(|(_, value)| value == tenant);
    in_headers || signals.is_none() && String::from_utf8_lossy(&row.body).contains(tenant)
}
