//! The built binary as a process: started with a clean environment, read line by line, interrupted or killed.

use serde_json::Value;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

/// The longest a process may take to say a line or to end.
const PATIENCE: Duration = Duration::from_secs(120);

/// A running `entente`. It is killed when this is dropped.
#[derive(Debug)]
pub struct Entente {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

/// How a process ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Its exit code; none when a signal ended it.
    pub code: Option<i32>,
    /// What it wrote to standard output that was not read before.
    pub out: String,
    /// What it wrote to standard error.
    pub err: String,
}

/// The binary of the same build as this test.
fn path() -> PathBuf {
    let test = std::env::current_exe().expect("a test knows its own path");
    let binary = test
        .ancestors()
        .nth(2)
        .expect("tests lie in <profile>/deps")
        .join("entente");
    assert!(
        binary.is_file(),
        "{} is not there: build it with `cargo build --workspace`, as tests/run does",
        binary.display()
    );
    binary
}

/// Starts `entente` with these arguments, in a folder, with these variables and none of ours or of a database besides.
#[must_use]
pub fn entente(
    arguments: &[&str],
    folder: &std::path::Path,
    variables: &[(&str, &str)],
) -> Entente {
    let mut command = Command::new(path());
    for (name, _) in std::env::vars() {
        if name.starts_with("ENTENTE_") || name == "DATABASE_URL" {
            command.env_remove(name);
        }
    }
    command
        .args(arguments)
        .current_dir(folder)
        .envs(variables.iter().copied());
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let mut child = command.spawn().expect("entente starts");
    let lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    Entente { child, lines }
}

impl Entente {
    /// The next line of standard output as JSON. When the process ends instead, the test fails with what it said.
    pub async fn json_line(&mut self) -> Value {
        let line = tokio::time::timeout(PATIENCE, self.lines.next_line())
            .await
            .expect("a line in time")
            .expect("a readable line");
        match line {
            Some(line) => {
                serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error} in {line:?}"))
            }
            None => {
                let mut said = String::new();
                if let Some(mut err) = self.child.stderr.take() {
                    let _ = err.read_to_string(&mut said).await;
                }
                panic!(
                    "entente ended without a line: {:?} {said}",
                    self.child.wait().await
                )
            }
        }
    }

    /// Sends it a signal by name: `INT`, `TERM`, `KILL`.
    pub async fn signal(&self, name: &str) {
        let id = self.child.id().expect("it is running").to_string();
        let sent = Command::new("kill")
            .args([&format!("-{name}"), &id])
            .status()
            .await
            .expect("kill runs");
        assert!(sent.success(), "signal {name}");
    }

    /// Waits for its end.
    pub async fn ended(mut self) -> Ended {
        let mut stderr = self.child.stderr.take().expect("a pipe");
        let mut err = String::new();
        let mut out = String::new();
        let read_out = async {
            while let Ok(Some(line)) = self.lines.next_line().await {
                out.push_str(&line);
                out.push('\n');
            }
        };
        let both = async { tokio::join!(read_out, stderr.read_to_string(&mut err)) };
        tokio::time::timeout(PATIENCE, both)
            .await
            .expect("entente ends in time")
            .1
            .expect("its words can be read");
        let status = self.child.wait().await.expect("entente has ended");
        Ended {
            code: status.code(),
            out,
            err,
        }
    }

    /// Interrupts it, as Ctrl-C does, and waits for its end.
    pub async fn interrupt(self) -> Ended {
        self.signal("INT").await;
        self.ended().await
    }

    /// Ends it without warning, and waits until it is gone.
    pub async fn kill(mut self) {
        self.child.kill().await.expect("it can be killed");
    }
}
