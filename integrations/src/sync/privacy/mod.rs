//! What the law on personal data asks of us, passed on by a vendor.
//!
//! **Kinds.** A *data request* puts together what is held of a person, for the account's owner to hand over. *Redacting a person* erases what is
//! personal of the rows that the account's records fed, the shadows and the stored deliveries that name the person, and exports made before.
//! *Redacting an account* erases what came from the account: its shadows, its deliveries, its credentials, and the people nobody else knows.
//!
//! **Laws.** Money, history and the audit chain stay (domain, invariant 17); personal values are never in the log to begin with. Nothing is sent to
//! any vendor because of an erasure. A person who was erased is not brought back by a record that still names them: its link says so for good.
//! Deliveries that wait are split first, so that none of them is overlooked. All of it can be repeated: what was erased is erased.

mod delivery;
mod erase;
mod export;
mod held;
mod person;

use super::claim::{self, millis};
use super::error::{Result, SyncError};
use super::run::Engine;
use super::settle::{begin, is_lost};
use entities::change::{Change, Origin};
use entities::connection;
use entities::error::{Error as EntityError, ViolationCode};
use entities::privacy_request::{self, Done, Model, PrivacyKind, PrivacyStatus};
use entities::viewer::Viewer;
use entities::visible;

/// How long a wish waits for deliveries that have come before it and are not split yet, in milliseconds.
const WAIT_MS: i64 = 5_000;

impl Engine {
    /// Works on one wish about personal data, if one is due. The answer says whether one was.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn privacy_step(&self) -> Result<bool> {
        let database = self.database();
        let due = privacy_request::find_due(database.read(), database.now()).await?;
        let Some(wish) = due else {
            return Ok(false);
        };
        match self.fulfil(&wish).await {
            Err(error) if is_another_s(&error) => {}
            Err(error) => {
                let settings = self.settings();
                let attempts = wish.attempts + 1;
                let wait = claim::backoff(settings.backoff, settings.backoff_cap, attempts);
                tracing::error!(wish = %wish.id, %error, "a wish about personal data could not be fulfilled yet");
                self.put_off_wish(&wish, millis(wait), Some(error.reason()))
                    .await?;
            }
            Ok(()) => {}
        }
        Ok(true)
    }

    async fn put_off_wish(&self, wish: &Model, wait_ms: i64, error: Option<String>) -> Result<()> {
        let (change, _) = begin(self.database(), wish.connection_id, Origin::Sync).await?;
        match still_pending(&change, wish).await? {
            Some(row) => {
                let due = change.now().plus_millis(wait_ms);
                privacy_request::put_off(&change, row, due, error).await?;
                change.commit().await?;
            }
            None => change.rollback().await?,
        }
        Ok(())
    }

    async fn fulfil(&self, wish: &Model) -> Result<()> {
        if wish.kind != PrivacyKind::DataRequest
            && delivery::are_waiting(self.database(), wish).await?
        {
            return self.put_off_wish(wish, WAIT_MS, None).await;
        }
        match wish.kind {
            PrivacyKind::DataRequest => {
                let (mut change, connection) = self.open_wish(wish).await?;
                let Some(row) = still_pending(&change, wish).await? else {
                    return Ok(change.rollback().await?);
                };
                let subject = row.subject.clone().unwrap_or_default();
                let held = held::of_person(&change, &connection, &subject).await?;
                let (export, done) = export::export(&change, &subject, &held).await?;
                privacy_request::complete(&mut change, row, done, Some(export)).await?;
                change.commit().await?;
            }
            PrivacyKind::RedactPerson => {
                let (mut change, connection) = self.open_wish(wish).await?;
                let Some(row) = still_pending(&change, wish).await? else {
                    return Ok(change.rollback().await?);
                };
                let subject = row.subject.clone().unwrap_or_default();
                let held = held::of_person(&change, &connection, &subject).await?;
                let mut done = erase::person(&mut change, &connection, &subject, held).await?;
                done.deliveries =
                    delivery::erase_person(&change, self.keeper(), &connection, &subject).await?;
                privacy_request::complete(&mut change, row, done, None).await?;
                change.commit().await?;
            }
            PrivacyKind::RedactAccount => self.erase_account(wish).await?,
        }
        Ok(())
    }

    async fn open_wish(&self, wish: &Model) -> Result<(Change, connection::Model)> {
        begin(self.database(), wish.connection_id, Origin::Sync).await
    }

    /// Erases an account a page at a time, each page a transaction of its own.
    async fn erase_account(&self, wish: &Model) -> Result<()> {
        let mut after = None;
        loop {
            let (mut change, connection) = self.open_wish(wish).await?;
            let Some(row) = still_pending(&change, wish).await? else {
                return Ok(change.rollback().await?);
            };
            let page = erase::account_page(&mut change, &connection, after).await?;
            let Some(last) = page.last else {
                let deliveries =
                    delivery::erase_account(&change, self.keeper(), &connection).await?;
                privacy_request::forget_exports(&change, connection.id, |_| true).await?;
                connection::care::forget_account(&mut change, connection).await?;
                let done = Done {
                    deliveries,
                    ..Done::default()
                };
                privacy_request::complete(&mut change, row, done, None).await?;
                change.commit().await?;
                return Ok(());
            };
            after = Some(last);
            if page.done != Done::default() {
                privacy_request::progress(&change, row, page.done).await?;
            }
            change.commit().await?;
        }
    }
}

/// The wish as it is now, locked, if it is still to be fulfilled.
async fn still_pending(change: &Change, wish: &Model) -> Result<Option<Model>> {
    let system = Viewer::system("privacy");
    let row =
        visible::lock_one::<privacy_request::Entity>(change, &system, wish.id.0, None).await?;
    let due = row.available_at <= change.now();
    Ok(Some(row).filter(|row| row.status == PrivacyStatus::Pending && due))
}

/// Whether an error means that another worker has the wish.
fn is_another_s(error: &SyncError) -> bool {
    let conflict = |violations: &[entities::error::Violation]| {
        violations
            .iter()
            .any(|violation| violation.code == ViolationCode::VersionConflict)
    };
    is_lost(error)
        || matches!(error, SyncError::Entity(EntityError::Invalid(violations)) if conflict(violations))
}
