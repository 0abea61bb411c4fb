//! A state folder: locked for one process, its files replaced as a whole.
//!
//! Refuses: a folder in use, a file it cannot understand. Invariant: a file is either the old one or the new one, also after a crash.

use std::fs::{self, File, OpenOptions};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::SandboxError;

/// The state folder, locked for this process.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    lock: File,
}

pub(crate) fn file_error(
    attempt: &'static str,
    path: &Path,
) -> impl FnOnce(std::io::Error) -> SandboxError {
    let path = path.to_owned();
    move |source| SandboxError::File {
        attempt,
        path,
        source,
    }
}

impl Folder {
    /// Opens or makes the folder and takes its lock.
    pub(crate) fn open(folder: &Path) -> Result<Self, SandboxError> {
        fs::create_dir_all(folder).map_err(file_error("creating", folder))?;
        let path = folder.join("lock");
        let lock = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&path)
            .map_err(file_error("opening", &path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => {
                return Err(SandboxError::Busy {
                    path: folder.to_owned(),
                });
            }
            Err(fs::TryLockError::Error(source)) => {
                return Err(file_error("locking", &path)(source));
            }
        }
        Ok(Self {
            path: folder.to_owned(),
            lock,
        })
    }

    /// Lets another sandbox have the folder, although threads of this one may still hold on to it.
    pub(crate) fn release(&self) {
        // A failure leaves the lock until the process ends, which is safe.
        let _ = self.lock.unlock();
    }

    /// Reads a whole file of JSON; `None` when there is none.
    pub(crate) fn load_json<T: DeserializeOwned>(
        &self,
        name: &str,
    ) -> Result<Option<T>, SandboxError> {
        let path = self.path.join(name);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(file_error("reading", &path)(error)),
        };
        serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|error| SandboxError::State {
                path,
                line: error.line() as u64,
                problem: error.to_string(),
            })
    }

    /// Replaces a whole file of JSON; on return it is on disk, or nothing has changed.
    pub(crate) fn save_json<T: Serialize>(
        &self,
        name: &str,
        value: &T,
    ) -> Result<(), SandboxError> {
        self.replace(name, |out| {
            serde_json::to_writer(out, value).map_err(std::io::Error::other)
        })
    }

    /// Replaces a whole file; on return it is on disk, or nothing has changed.
    pub(crate) fn replace(
        &self,
        name: &str,
        fill: impl FnOnce(&mut BufWriter<File>) -> std::io::Result<()>,
    ) -> Result<(), SandboxError> {
        let target = self.path.join(name);
        let draft = self.path.join(format!("{name}.new"));
        let written = (|| {
            let mut options = OpenOptions::new();
            options.write(true).create(true).truncate(true);
            #[cfg(unix)]
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
            let mut out = BufWriter::with_capacity(1 << 20, options.open(&draft)?);
            fill(&mut out)?;
            out.flush()?;
            out.get_ref().sync_all()?;
            fs::rename(&draft, &target)?;
            File::open(&self.path)?.sync_all()
        })();
        written.map_err(file_error("writing", &target))
    }

    /// Where a file of this name is.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }
}
