//! Programs for Node, each with the packages of its lock file, in a copy that goes with the test.

use std::path::Path;
use tempfile::TempDir;
use tokio::process::Command;

/// A copy of a program with its packages installed; none, and a loud word, where Node is missing or no package can be fetched.
pub async fn installed(source: &Path, files: &[&str]) -> Option<TempDir> {
    let version = Command::new("node").arg("--version").output().await;
    if !version.is_ok_and(|output| output.status.success()) {
        eprintln!(
            "SKIPPED: node is not there, so {} was not run",
            source.display()
        );
        return None;
    }
    let folder = tempfile::tempdir().unwrap();
    for file in files {
        std::fs::copy(source.join(file), folder.path().join(file)).unwrap();
    }
    let arguments = [
        "ci",
        "--ignore-scripts",
        "--no-audit",
        "--no-fund",
        "--prefer-offline",
    ];
    let output = Command::new("npm")
        .args(arguments)
        .current_dir(folder.path())
        .output()
        .await
        .unwrap();
    assert!(
        output.status.success(),
        "npm ci: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Some(folder)
}

/// Runs a program; it fails the test with everything it said.
pub async fn run(folder: &TempDir, program: &str, variables: &[(&str, &str)]) -> String {
    let output = Command::new("node")
        .arg(program)
        .current_dir(folder.path())
        .envs(variables.iter().copied())
        .output()
        .await
        .unwrap();
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(output.status.success(), "{program}:\n{said}");
    said
}
