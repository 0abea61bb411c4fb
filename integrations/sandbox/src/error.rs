//! Why a sandbox cannot start or stop. What a caller over HTTP did wrong is not here: that is an answer, not an error.

use std::path::PathBuf;

/// A sandbox that could not start, or could not keep its state.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// The state folder holds a portal made from something else; nothing was changed.
    #[error(
        "this folder holds a sandbox made from {stored}, not from {asked}; use another data directory"
    )]
    OtherSource {
        /// What the stored portal was made from.
        stored: String,
        /// What was asked for now.
        asked: String,
    },
    /// The state folder belongs to another application registration.
    #[error("this folder holds a sandbox for the app with client id {stored}, not {asked}")]
    OtherApp {
        /// The stored client id.
        stored: String,
        /// The client id asked for.
        asked: String,
    },
    /// Another sandbox is running on the same folder.
    #[error("another sandbox is using {}", path.display())]
    Busy {
        /// The state folder.
        path: PathBuf,
    },
    /// A line of the CSV export is malformed; nothing was imported.
    #[error("{file}, line {line}: {problem}")]
    Csv {
        /// The file's name.
        file: String,
        /// The line, counted from 1, header included.
        line: u64,
        /// What is wrong.
        problem: String,
    },
    /// The state on disk cannot be understood.
    #[error("sandbox state {}, line {line}: {problem}", path.display())]
    State {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1; 0 when the whole file is meant.
        line: u64,
        /// What is wrong.
        problem: String,
    },
    /// A file could not be read or written.
    #[error("{attempt} {}", path.display())]
    File {
        /// What was attempted.
        attempt: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// Why it failed.
        source: std::io::Error,
    },
    /// The address could not be listened on.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address asked for.
        address: String,
        /// Why it failed.
        source: std::io::Error,
    },
    /// An option is not acceptable.
    #[error("sandbox option {name}: {problem}")]
    Option {
        /// The option's name.
        name: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// The client that sends webhooks could not be built.
    #[error("cannot build the webhook client")]
    Client(#[source] reqwest::Error),
}
