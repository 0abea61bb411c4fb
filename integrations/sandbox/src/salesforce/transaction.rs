//! Changes that happen together or not at all.
//!
//! Owns: the undoing of a failed part, the times a change leaves behind, and telling the outbound messages what was created or updated.
//! Invariant: nothing is told before `commit`, and a dropped transaction without it has undone everything.

use std::sync::RwLockWriteGuard;

use super::inner::{Deletion, Inner};
use super::record::Record;
use super::store::SalesforceStore;

/// Who changes something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum By {
    /// A person in the vendor's user interface.
    Person,
    /// The connected app.
    App,
    /// The vendor itself, in the background: only `SystemModstamp` moves, and no outbound message is sent.
    System,
}

/// Changes under the store's lock.
#[derive(Debug)]
pub(crate) struct Transaction<'a> {
    pub(super) inner: RwLockWriteGuard<'a, Inner>,
    store: &'a SalesforceStore,
    pub(super) by: By,
    /// The time, in whole seconds as the vendor keeps it.
    pub(super) now: i64,
    undo: Vec<(String, String, Option<Record>)>,
    deletions: usize,
    touched: Vec<(String, String)>,
    committed: bool,
}

/// A place to go back to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Savepoint {
    undo: usize,
    deletions: usize,
    touched: usize,
}

impl<'a> Transaction<'a> {
    pub(super) fn begin(
        store: &'a SalesforceStore,
        inner: RwLockWriteGuard<'a, Inner>,
        by: By,
        now_ms: i64,
    ) -> Self {
        Self {
            deletions: inner.deletions.len(),
            inner,
            store,
            by,
            now: now_ms - now_ms.rem_euclid(1000),
            undo: Vec::new(),
            touched: Vec::new(),
            committed: false,
        }
    }

    pub(crate) fn savepoint(&self) -> Savepoint {
        Savepoint {
            undo: self.undo.len(),
            deletions: self.inner.deletions.len(),
            touched: self.touched.len(),
        }
    }

    /// Undoes everything since.
    pub(crate) fn roll_back(&mut self, to: Savepoint) {
        while self.undo.len() > to.undo {
            if let Some((object, id, before)) = self.undo.pop() {
                match before {
                    Some(record) => self.inner.place(&object, record),
                    None => {
                        self.inner.lift(&object, &id);
                    }
                }
            }
        }
        self.inner.deletions.truncate(to.deletions);
        self.touched.truncate(to.touched);
    }

    /// Lets the changes count and tells them.
    pub(crate) fn commit(mut self) {
        self.committed = true;
        let touched = std::mem::take(&mut self.touched);
        self.store.tell(touched);
    }

    /// The id of who changes something.
    pub(super) fn user(&self) -> String {
        match self.by {
            By::App => self.inner.app_user.clone(),
            By::Person | By::System => self.inner.person.clone(),
        }
    }

    /// Puts a changed or new record in its place, with the times of a change now.
    pub(super) fn put(&mut self, object: &str, mut record: Record) {
        let before = self.inner.record(object, &record.id).cloned();
        record.stamp = self.now;
        if self.by != By::System {
            record.modified_at = self.now;
            record.modified_by = self.user();
            self.touched.push((object.to_owned(), record.id.clone()));
        }
        self.keep(object, record, before);
    }

    /// Puts a record whose change only the vendor's stamp shows.
    pub(super) fn put_quietly(&mut self, object: &str, mut record: Record) {
        let before = self.inner.record(object, &record.id).cloned();
        record.stamp = self.now;
        self.keep(object, record, before);
    }

    fn keep(&mut self, object: &str, mut record: Record, before: Option<Record>) {
        let lag = self.store.lag();
        record.visible_at = if lag == 0 { 0 } else { self.store.now() + lag };
        record.earlier = match &before {
            Some(before) if lag > 0 => Some(Box::new(before.clone())),
            _ => None,
        };
        self.undo
            .push((object.to_owned(), record.id.clone(), before));
        self.inner.place(object, record);
    }

    /// Moves a record to the recycle bin and writes it down.
    pub(super) fn bin(&mut self, object: &str, mut record: Record, master: Option<&str>) {
        record.deleted_at = Some(self.now);
        record.master = master.map(str::to_owned);
        self.inner.deletions.push(Deletion {
            object: object.to_owned(),
            id: record.id.clone(),
            at: self.now,
        });
        self.put_quietly(object, record);
    }
}

impl Drop for Transaction<'_> {
    fn drop(&mut self) {
        if !self.committed {
            let start = Savepoint {
                undo: 0,
                deletions: self.deletions,
                touched: 0,
            };
            self.roll_back(start);
        }
    }
}
