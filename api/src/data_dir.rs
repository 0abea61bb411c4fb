//! The data directory: who uses it, and what the demonstration keeps there.
//!
//! A demonstration owns its directory alone, for its sandbox and its database belong together; servers and workers over one SQLite
//! file share it. The lock is the operating system's and ends with the process, so that a crash leaves nothing to clean up. What the
//! demonstration keeps (its vault key, the sandbox's app, what the sandbox was filled with) is in one file, readable by its owner only
//! and replaced as a whole. Invariant: a directory made from one source is never filled from another.

pub mod demo_file;

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// Why a data directory cannot be used; each is one line for a person.
#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    /// Another process uses it in a way that does not go together with ours.
    #[error("{} is in use by another entente process", path.display())]
    InUse {
        /// The directory.
        path: PathBuf,
    },
    /// It was filled from something else.
    #[error("{} holds a demonstration made from {stored}, not from {asked}; name another directory with --data", path.display())]
    OtherSource {
        /// The directory.
        path: PathBuf,
        /// What it was filled from.
        stored: String,
        /// What was asked for.
        asked: String,
    },
    /// The CRM export is not there or not whole.
    #[error("--crm: {} cannot be read: {source}", path.display())]
    Crm {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// What the demonstration kept cannot be understood.
    #[error("{} is damaged: {problem}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// A file or folder could not be made, read or written.
    #[error("cannot {attempt} {}: {source}", path.display())]
    File {
        /// What was attempted.
        attempt: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl DataDirError {
    /// Whether the caller asked for the wrong thing, as opposed to something failing.
    #[must_use]
    pub const fn is_usage(&self) -> bool {
        matches!(
            self,
            Self::InUse { .. } | Self::OtherSource { .. } | Self::Crm { .. }
        )
    }

    fn file(attempt: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File {
            attempt,
            path,
            source,
        }
    }
}

/// How a process uses a data directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// Alone: the demonstration.
    Alone,
    /// With others: servers and workers.
    Shared,
}

/// A data directory in use; the lock ends when it is dropped.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    _lock: File,
}

impl DataDir {
    /// Makes the directory if it is not there, and takes its lock.
    ///
    /// # Errors
    /// [`DataDirError`].
    pub fn open(path: &Path, usage: Use) -> Result<Self, DataDirError> {
        let mut builder = DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder
            .create(path)
            .map_err(DataDirError::file("make", path))?;
        let lock_path = path.join("lock");
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(&lock_path);
        let lock = lock.map_err(DataDirError::file("open", &lock_path))?;
        let taken = match usage {
            Use::Alone => lock.try_lock(),
            Use::Shared => lock.try_lock_shared(),
        };
        match taken {
            Ok(()) => Ok(Self {
                path: path.to_owned(),
                _lock: lock,
            }),
            Err(TryLockError::WouldBlock) => Err(DataDirError::InUse {
                path: path.to_owned(),
            }),
            Err(TryLockError::Error(source)) => Err(DataDirError::File {
                attempt: "lock",
                path: lock_path,
                source,
            }),
        }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where a sandbox keeps its state.
    #[must_use]
    pub fn sandbox(&self, vendor: &str) -> PathBuf {
        self.path.join("sandbox").join(vendor)
    }
}

/// Replaces a file as a whole, readable by its owner only: after a crash it is either the old one or the new one.
fn replace(path: &Path, bytes: &[u8]) -> Result<(), DataDirError> {
    let temporary = path.with_extension("new");
    let mut options = OpenOptions::new();
    options.create(true).truncate(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options
        .open(&temporary)
        .map_err(DataDirError::file("write", &temporary))?;
    file.write_all(bytes)
        .and_then(|()| file.sync_all())
        .map_err(DataDirError::file("write", &temporary))?;
    std::fs::rename(&temporary, path).map_err(DataDirError::file("write", path))?;
    // The name is on disk only once its folder is.
    let folder = path.parent().unwrap_or(path);
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(DataDirError::file("write", folder))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_demonstration_is_alone_and_servers_share() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data");
        let alone = DataDir::open(&path, Use::Alone).unwrap();
        for usage in [Use::Alone, Use::Shared] {
            let error = DataDir::open(&path, usage).unwrap_err();
            assert!(matches!(error, DataDirError::InUse { .. }) && error.is_usage());
        }
        drop(alone);
        let one = DataDir::open(&path, Use::Shared).unwrap();
        let _two = DataDir::open(&path, Use::Shared).unwrap();
        assert!(DataDir::open(&path, Use::Alone).is_err());
        drop(one);
    }
}
