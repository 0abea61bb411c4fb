//! The log: JSON lines for machines, short lines for people, always on standard error.
//!
//! Standard output belongs to what a command answers (a token, a schema, the one line of `--json`), so that it can be piped. Request ids
//! come with the spans of [`crate::http::request_id`]. No secret gets here: secrets have no `Debug` that shows them.

mod gathered;

pub use gathered::Flush;

use crate::config::LogFormat;
use gathered::Gathered;
use tracing_subscriber::EnvFilter;

/// The log could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum LoggingError {
    /// The filter cannot be read.
    #[error("log.filter cannot be read: {0}")]
    Filter(#[from] tracing_subscriber::filter::ParseError),
    /// There is a log already.
    #[error("the log is already set up: {0}")]
    Installed(Box<dyn std::error::Error + Send + Sync>),
    /// The thread that writes the lines does not start.
    #[error("the log has no thread to be written by: {0}")]
    Thread(#[from] std::io::Error),
}

/// Logs from now on, for the whole process. The lines that wait are written when the answer is dropped.
///
/// # Errors
/// [`LoggingError`].
pub fn install(format: LogFormat, filter: &str) -> Result<Flush, LoggingError> {
    let filter = EnvFilter::builder().parse(filter)?;
    let (lines, flush) = Gathered::start(std::io::stderr())?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(lines);
    match format {
        LogFormat::Json => builder
            .json()
            .flatten_event(true)
            .with_current_span(true)
            .with_span_list(false)
            .try_init(),
        LogFormat::Text => builder
            .compact()
            .with_target(false)
            .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
            .try_init(),
    }
    .map_err(LoggingError::Installed)?;
    Ok(flush)
}
