//! What a delivery says besides records: of whole accounts, of people's data, and of buttons that were pressed.
//!
//! Owns: routing these to the connections of the accounts they name, in the transaction that splits the delivery. Refuses: what a connection's own
//! door tells of another account, and anything that would take a call: what needs one is left in rows. Invariant: each of them may come twice, late
//! and in any order.

use super::chat::answer;
use super::error::Result;
use crate::connector::{
    AccountSignal, AccountSignalKind, ChatAction, PrivacyKind as TheirKind, PrivacyRequest, Signals,
};
use crate::record::is_sound_id;
use entities::change::Change;
use entities::clock::Timestamp;
use entities::connection::{self, care};
use entities::id::ConnectionId;
use entities::privacy_request::{self, NewPrivacyRequest, PrivacyKind, Subject};
use entities::viewer::Viewer;
use entities::visible;
use std::collections::{BTreeMap, BTreeSet};

/// What was made of these parts of a delivery.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Taken {
    /// What belongs to accounts that are connected, or were.
    pub(super) known: usize,
    /// What belongs to nobody here.
    pub(super) unknown: usize,
}

/// Drops what a connection's own door has no business to say. The answer is how much that was.
pub(super) fn only_of(signals: &mut Signals, tenant: Option<&str>) -> usize {
    let Some(tenant) = tenant else {
        return 0;
    };
    let count = |signals: &Signals| {
        signals.signals.len()
            + signals.account.len()
            + signals.privacy.len()
            + signals.actions.len()
    };
    let before = count(signals);
    signals.signals.retain(|one| one.tenant_id == tenant);
    signals.account.retain(|one| one.tenant_id == tenant);
    signals.privacy.retain(|one| one.tenant_id == tenant);
    signals.actions.retain(|one| one.tenant_id == tenant);
    before - count(signals)
}

/// When something happened, by the vendor's clock; none where it does not say.
fn at(occurred_at_ms: i64) -> Option<Timestamp> {
    (occurred_at_ms > 0).then(|| Timestamp::from_millis(occurred_at_ms))
}

/// Takes in what a delivery says of accounts, people and buttons.
pub(super) async fn take_in(
    change: &mut Change,
    connector: &str,
    signals: &Signals,
) -> Result<Taken> {
    let tenants: BTreeSet<&str> = signals
        .account
        .iter()
        .map(|one| one.tenant_id.as_str())
        .chain(signals.privacy.iter().map(|one| one.tenant_id.as_str()))
        .chain(signals.actions.iter().map(|one| one.tenant_id.as_str()))
        .collect();
    // Also of accounts that are disconnected: what they ask of us for a person's sake comes after the end.
    let mut ids: BTreeMap<&str, ConnectionId> = BTreeMap::new();
    for tenant in tenants {
        let found = connection::find_by_tenant(change.transaction(), connector, tenant).await?;
        if let Some(row) = found {
            ids.insert(tenant, row.id);
        }
    }
    let system = Viewer::system("account");
    let locked = ids.values().map(|id| id.0);
    visible::lock_all::<connection::Entity>(change, &system, locked).await?;
    let mut taken = Taken::default();
    for signal in &signals.account {
        match ids.get(signal.tenant_id.as_str()) {
            Some(id) => account(change, *id, signal).await?,
            None => taken.unknown += 1,
        }
    }
    for wish in &signals.privacy {
        match ids.get(wish.tenant_id.as_str()) {
            Some(id) => privacy(change, *id, wish).await?,
            None => taken.unknown += 1,
        }
    }
    for action in &signals.actions {
        match ids.get(action.tenant_id.as_str()) {
            Some(id) => press(change, *id, action).await?,
            None => taken.unknown += 1,
        }
    }
    let all = signals.account.len() + signals.privacy.len() + signals.actions.len();
    taken.known = all - taken.unknown;
    Ok(taken)
}

async fn load(change: &Change, id: ConnectionId) -> Result<Option<connection::Model>> {
    let system = Viewer::system("account");
    Ok(visible::find_one::<connection::Entity, _>(change.transaction(), &system, id.0).await?)
}

async fn account(change: &mut Change, id: ConnectionId, signal: &AccountSignal) -> Result<()> {
    // As the signals before this one have left it.
    let Some(row) = load(change, id).await? else {
        return Ok(());
    };
    if !row.concerns_consent(at(signal.occurred_at_ms)) {
        tracing::info!(connection = %id, kind = ?signal.kind, "a vendor told of a consent that has been given anew since");
        return Ok(());
    }
    match signal.kind {
        AccountSignalKind::Uninstalled => {
            care::uninstalled(change, row, "The app was removed at the vendor.").await?;
        }
        AccountSignalKind::TokensRevoked => {
            let reason = "The vendor took the tokens back: the consent was withdrawn there.";
            care::tokens_revoked(change, row, reason).await?;
        }
        AccountSignalKind::ScopesChanged => care::scopes_changed(change, &row).await?,
    }
    Ok(())
}

async fn privacy(change: &mut Change, id: ConnectionId, wish: &PrivacyRequest) -> Result<()> {
    if !is_sound_id(&wish.request_id) {
        tracing::warn!(connection = %id, "a wish about personal data has an unusable name");
    }
    let person = wish.person.clone().unwrap_or_default();
    let records = wish
        .records
        .iter()
        .filter(|(_, external_id)| is_sound_id(external_id))
        .map(|(resource, external_id)| (resource.as_str().to_owned(), external_id.clone()))
        .collect();
    let new = NewPrivacyRequest {
        connection_id: id,
        kind: match wish.kind {
            TheirKind::DataRequest => PrivacyKind::DataRequest,
            TheirKind::RedactPerson => PrivacyKind::RedactPerson,
            TheirKind::RedactAccount => PrivacyKind::RedactAccount,
        },
        request_id: named(&wish.request_id),
        subject: Subject {
            external_id: person.external_id.filter(|text| is_sound_id(text)),
            email: person.email.filter(|text| !text.trim().is_empty()),
            phone: person.phone.filter(|text| !text.trim().is_empty()),
            records,
        },
    };
    privacy_request::request(change, new).await?;
    Ok(())
}

/// The name of a wish as a row can hold it. A wish is never dropped for its name.
fn named(request_id: &str) -> String {
    if is_sound_id(request_id) {
        return request_id.to_owned();
    }
    use sha2::{Digest, Sha256};
    hex::encode(Sha256::digest(request_id.as_bytes()))
}

async fn press(change: &mut Change, id: ConnectionId, action: &ChatAction) -> Result<()> {
    let Some(row) = load(change, id).await? else {
        return Ok(());
    };
    answer::press(change, &row, action, at(action.occurred_at_ms)).await
}
