//! The portal on disk: `portal.json` names a generation; `records-N.jsonl` holds its start and `journal-N.jsonl` the changes since.
//!
//! Owns: the folder, its lock, atomic replacement and loading. Refuses: a folder in use, a folder made from another source or app, a file
//! it cannot understand (except a last journal line cut by a crash, which was never acknowledged).
//! Invariant: `portal.json` is replaced last, so at every moment it points to files that are complete.

use std::fs::{self, OpenOptions};
use std::io::{BufRead, BufReader, Seek, SeekFrom, Write};
use std::path::Path;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::inner::Inner;
use super::journal::{Entry, Journal};
use super::kind::Kind;
use super::links::label_definitions;
use super::portal::PortalInfo;
use super::record::{Properties, Record, StoredRecord};
use crate::folder::{Folder, file_error};
use crate::{App, SandboxError};

/// A journal longer than this is folded into a new generation at the next start.
const FOLD_ABOVE: u64 = 8 * 1024 * 1024;

/// `portal.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Head {
    pub(crate) generation: u64,
    pub(crate) source: String,
    pub(crate) port: u16,
    pub(crate) app: App,
    pub(crate) info: PortalInfo,
    pub(crate) webhook_target: Option<url::Url>,
}

/// The state folder.
#[derive(Debug)]
pub(crate) struct Disk {
    folder: Folder,
}

impl Disk {
    /// Opens or makes the folder and takes its lock.
    pub(crate) fn open(folder: &Path) -> Result<Self, SandboxError> {
        Ok(Self {
            folder: Folder::open(folder)?,
        })
    }

    /// Lets another sandbox have the folder, although threads of this one may still hold on to it.
    pub(crate) fn release(&self) {
        self.folder.release();
    }

    pub(crate) fn head(&self) -> Result<Option<Head>, SandboxError> {
        self.folder.load_json("portal.json")
    }

    pub(crate) fn save_head(&self, head: &Head) -> Result<(), SandboxError> {
        self.folder.save_json("portal.json", head)
    }

    /// Reads a whole file of JSON; `None` when there is none.
    pub(crate) fn load_json<T: DeserializeOwned>(
        &self,
        name: &str,
    ) -> Result<Option<T>, SandboxError> {
        self.folder.load_json(name)
    }

    /// Replaces a whole file of JSON; on return it is on disk, or nothing has changed.
    pub(crate) fn save_json<T: Serialize>(
        &self,
        name: &str,
        value: &T,
    ) -> Result<(), SandboxError> {
        self.folder.save_json(name, value)
    }

    /// Writes all records as the start of a generation.
    pub(crate) fn save_generation(
        &self,
        generation: u64,
        inner: &Inner,
    ) -> Result<(), SandboxError> {
        self.folder
            .replace(&records_name(generation), |out| write_records(out, inner))?;
        self.folder.replace(&journal_name(generation), |_| Ok(()))
    }

    /// Loads a generation. True when its journal has grown enough to be folded.
    pub(crate) fn load_generation(
        &self,
        generation: u64,
        inner: &mut Inner,
    ) -> Result<bool, SandboxError> {
        self.replay(&self.folder.file(&records_name(generation)), inner, false)?;
        let journal = self.folder.file(&journal_name(generation));
        let length = self.replay(&journal, inner, true)?;
        Ok(length > FOLD_ABOVE)
    }

    fn replay(
        &self,
        path: &Path,
        inner: &mut Inner,
        may_be_cut: bool,
    ) -> Result<u64, SandboxError> {
        let file = OpenOptions::new()
            .read(true)
            .write(may_be_cut)
            .open(path)
            .map_err(file_error("opening", path))?;
        let mut reader = BufReader::with_capacity(1 << 20, file);
        let (mut line, mut number, mut whole) = (Vec::new(), 0, 0_u64);
        loop {
            line.clear();
            let read = reader
                .read_until(b'\n', &mut line)
                .map_err(file_error("reading", path))?;
            if read == 0 {
                return Ok(whole);
            }
            number += 1;
            if may_be_cut && line.last() != Some(&b'\n') {
                // A crash cut this line. It is removed, so that the next one does not continue it.
                let mut file = reader.into_inner();
                file.set_len(whole)
                    .and_then(|()| file.seek(SeekFrom::End(0)))
                    .map_err(file_error("repairing", path))?;
                return Ok(whole);
            }
            let entry: Entry<'static> =
                serde_json::from_slice(&line).map_err(|error| SandboxError::State {
                    path: path.to_owned(),
                    line: number,
                    problem: error.to_string(),
                })?;
            apply(inner, entry);
            whole += read as u64;
        }
    }

    /// Opens the journal of a generation for appending.
    pub(crate) fn journal(&self, generation: u64) -> Result<Journal, SandboxError> {
        let path = self.folder.file(&journal_name(generation));
        let file = OpenOptions::new()
            .append(true)
            .open(&path)
            .map_err(file_error("opening", &path))?;
        Ok(Journal::start(file))
    }

    /// Removes a generation that nothing points to any more; failing to is harmless.
    pub(crate) fn drop_generation(&self, generation: u64) {
        for name in [records_name(generation), journal_name(generation)] {
            let _ = fs::remove_file(self.folder.file(&name));
        }
    }
}

fn records_name(generation: u64) -> String {
    format!("records-{generation}.jsonl")
}

fn journal_name(generation: u64) -> String {
    format!("journal-{generation}.jsonl")
}

fn write_records(out: &mut impl Write, inner: &Inner) -> std::io::Result<()> {
    let mut line = |entry: Entry<'_>| -> std::io::Result<()> {
        serde_json::to_writer(&mut *out, &entry).map_err(std::io::Error::other)?;
        out.write_all(b"\n")
    };
    for owner in inner.owners.values() {
        line(Entry::Owner {
            owner: std::borrow::Cow::Borrowed(owner),
        })?;
    }
    for pipeline in &inner.pipelines {
        line(Entry::Pipeline {
            pipeline: std::borrow::Cow::Borrowed(pipeline),
        })?;
    }
    // A label has two directions with neighbouring numbers; the lower one stands for both.
    for definition in &inner.definitions {
        if definition.link_type < definition.inverse {
            line(Entry::label(definition))?;
        }
    }
    for kind in Kind::ALL {
        for property in inner.schema.all(kind) {
            line(Entry::property(kind, property))?;
        }
        if let Some(rules) = inner.rules.get(&kind) {
            line(Entry::Rules {
                kind,
                rules: std::borrow::Cow::Borrowed(rules),
            })?;
        }
        let shelf = inner.shelf(kind);
        for record in shelf.live.values().chain(shelf.archived.values()) {
            line(Entry::record(kind, record))?;
        }
        for (old, into) in &shelf.merged {
            line(Entry::Merged {
                kind,
                old: *old,
                into: *into,
            })?;
        }
    }
    for link in inner.links.iter() {
        let both_ways = inner.definition(link.from_kind, link.to_kind, link.link_type);
        if both_ways.is_some_and(|d| d.from < d.to) {
            line(Entry::Link(*link))?;
        }
    }
    Ok(())
}

fn apply(inner: &mut Inner, entry: Entry<'static>) {
    match entry {
        Entry::Put { kind, record } => {
            inner.lift(kind, record.id);
            let record = revive(inner, record);
            inner.place(kind, record);
        }
        Entry::Forget { kind, id } => {
            inner.lift(kind, id);
            inner.note_id(kind, id);
        }
        Entry::Merged { kind, old, into } => {
            inner.lift(kind, old);
            inner.note_id(kind, into.max(old));
            inner.shelf_mut(kind).merged.insert(old, into);
        }
        Entry::Stamp { kind, at } => inner.stamp(kind, at),
        Entry::Link(link) => {
            inner.link_quietly(link);
        }
        Entry::Unlink(link) => inner.unlink(link),
        Entry::Property { kind, property } => inner.schema.define(kind, property.into_owned()),
        Entry::Label { definition } => {
            let d = definition.into_owned();
            let known = inner.definition(d.from, d.to, d.link_type).is_some();
            if !known && let Some(label) = &d.label {
                let both = label_definitions(d.from, d.to, d.link_type.type_id, label);
                inner.definitions.extend(both);
            }
        }
        Entry::Owner { owner } => {
            let owner = owner.into_owned();
            inner.owners.insert(owner.id, owner);
        }
        Entry::Rules { kind, rules } => {
            inner.rules.insert(kind, rules.into_owned());
        }
        Entry::Pipeline { pipeline } => {
            let pipeline = pipeline.into_owned();
            inner.pipelines.retain(|known| known.id != pipeline.id);
            inner.pipelines.push(pipeline);
        }
    }
}

fn revive(inner: &mut Inner, stored: StoredRecord) -> Record {
    let mut properties = Properties::with_capacity(stored.properties.len());
    for (name, value) in &stored.properties {
        let name = inner.schema.intern(name);
        properties.set(name, value);
    }
    let mut record = Record::new(stored.id, stored.created_at, stored.updated_at, properties);
    record.archived_at = stored.archived_at;
    record
}
