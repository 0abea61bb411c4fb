//! Lines that are gathered and written together.
//!
//! A line for every request, written when it is made, costs a busy server a system call and a lock that all its threads want. Lines are put
//! into memory instead, and a thread writes them out several times a second. Invariant: lines come out in the order in which they were made,
//! and none waits behind a warning: whatever is a warning or worse writes what was gathered and itself at once, so that a process that
//! dies of what it warned of has said so.

use std::io::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;
use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;

/// How long a line waits at most, while the machine keeps up.
const PERIOD: Duration = Duration::from_millis(50);
/// Bytes that are gathered before whoever makes the next line writes them.
const MOST: usize = 1 << 18;

/// Where lines are gathered.
pub(super) struct Gathered<W>(Arc<Mutex<Lines<W>>>);

struct Lines<W> {
    waiting: Vec<u8>,
    out: W,
}

impl<W: Write> Lines<W> {
    fn flush(&mut self) {
        if self.waiting.is_empty() {
            return;
        }
        // A log that cannot be written has nowhere to say so.
        let _unwritten = self.out.write_all(&self.waiting);
        let _unflushed = self.out.flush();
        self.waiting.clear();
    }
}

/// Writes the lines that still wait when it is dropped.
#[must_use = "the last lines are written when it is dropped"]
pub struct Flush(Arc<dyn Fn() + Send + Sync>);

impl Drop for Flush {
    fn drop(&mut self) {
        (self.0)();
    }
}

impl<W: Write + Send + 'static> Gathered<W> {
    /// Gathers lines for `out` from now on.
    pub(super) fn start(out: W) -> std::io::Result<(Self, Flush)> {
        let lines = Arc::new(Mutex::new(Lines {
            waiting: Vec::new(),
            out,
        }));
        let gathered = Arc::downgrade(&lines);
        thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || {
                while let Some(lines) = gathered.upgrade() {
                    hold(&lines).flush();
                    drop(lines);
                    thread::sleep(PERIOD);
                }
            })?;
        let last = Arc::clone(&lines);
        let flush = Flush(Arc::new(move || hold(&last).flush()));
        Ok((Self(lines), flush))
    }
}

fn hold<W>(lines: &Mutex<Lines<W>>) -> MutexGuard<'_, Lines<W>> {
    // A thread that died while it held the lines left them as they are, which is good enough for a log.
    lines.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes one line.
pub(super) struct Pen<'a, W> {
    lines: &'a Mutex<Lines<W>>,
    at_once: bool,
}

impl<W: Write> Write for Pen<'_, W> {
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        let mut lines = hold(self.lines);
        lines.waiting.extend_from_slice(line);
        if self.at_once || lines.waiting.len() >= MOST {
            lines.flush();
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a, W: Write + Send + 'static> MakeWriter<'a> for Gathered<W> {
    type Writer = Pen<'a, W>;

    fn make_writer(&'a self) -> Self::Writer {
        Pen {
            lines: &self.0,
            at_once: true,
        }
    }

    fn make_writer_for(&'a self, metadata: &Metadata<'_>) -> Self::Writer {
        Pen {
            lines: &self.0,
            at_once: *metadata.level() <= Level::WARN,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[derive(Clone, Default)]
    struct Out(Arc<Mutex<Vec<u8>>>);

    impl Out {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    impl Write for Out {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    /// Lines that nobody writes out but a warning, a full memory and the end.
    fn still() -> (Arc<Mutex<Lines<Out>>>, Out) {
        let out = Out::default();
        let lines = Lines {
            waiting: Vec::new(),
            out: out.clone(),
        };
        (Arc::new(Mutex::new(lines)), out)
    }

    fn log(lines: &Arc<Mutex<Lines<Out>>>, during: impl FnOnce()) {
        let subscriber = tracing_subscriber::fmt()
            .without_time()
            .with_ansi(false)
            .with_target(false)
            .with_writer(Gathered(Arc::clone(lines)));
        tracing::subscriber::with_default(subscriber.finish(), during);
    }

    #[test]
    fn lines_wait_for_a_warning_and_keep_their_order() {
        let (lines, out) = still();
        log(&lines, || {
            tracing::info!("one");
            tracing::info!("two");
            assert_eq!(out.text(), "");
            tracing::warn!("three");
            assert_eq!(out.text(), " INFO one\n INFO two\n WARN three\n");
            tracing::info!("four");
        });
        assert!(!out.text().contains("four"));
        drop(Flush(Arc::new(move || hold(&lines).flush())));
        assert!(out.text().ends_with(" INFO four\n"), "{}", out.text());
    }

    #[test]
    fn memory_is_bounded() {
        let (lines, out) = still();
        log(&lines, || tracing::info!("{}", "x".repeat(MOST)));
        assert!(out.text().len() > MOST);
        assert!(hold(&lines).waiting.is_empty());
    }

    #[test]
    fn the_thread_writes_what_waits() {
        let out = Out::default();
        let (gathered, _flush) = Gathered::start(out.clone()).unwrap();
        gathered
            .make_writer_for_tests()
            .write_all(b"line\n")
            .unwrap();
        for _ in 0..200 {
            if out.text() == "line\n" {
                return;
            }
            thread::sleep(Duration::from_millis(10));
        }
        panic!("nothing was written");
    }

    impl Gathered<Out> {
        fn make_writer_for_tests(&self) -> Pen<'_, Out> {
            Pen {
                lines: &self.0,
                at_once: false,
            }
        }
    }
}
