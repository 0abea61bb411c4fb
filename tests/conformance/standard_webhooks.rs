//! What we send is verified by the libraries that the authors of Standard Webhooks publish, for Node and for Python, also while a secret is rotated.

use crate::node;
use serde_json::json;
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use tests::{Message, Options, Receiver, TestApp};
use tokio::process::Command;

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("conformance/standard_webhooks")
}

/// A message as it arrived, with both secrets that signed it.
async fn sent() -> (Message, Vec<String>) {
    let receiver = Receiver::start();
    let app = TestApp::start(Options::receivers([&receiver])).await;
    let input = json!({ "name": "Ours", "url": receiver.url("/"), "types": ["partner.created"] });
    let made = app
        .mutate(
            &app.admin(),
            "createWebhookEndpoint",
            input,
            "secret webhookEndpoint { id }",
        )
        .await;
    let old = made.text("/createWebhookEndpoint/secret");
    let id = made.text("/createWebhookEndpoint/webhookEndpoint/id");
    let rotated = app
        .mutate(
            &app.admin(),
            "rotateWebhookSecret",
            json!({ "id": id }),
            "secret",
        )
        .await;
    let new = rotated.text("/rotateWebhookSecret/secret");
    // Letters beyond ASCII: what is signed are bytes.
    let partner = json!({ "name": "Über Søn 株式会社" });
    app.mutate(&app.admin(), "createPartner", partner, "partner { id }")
        .await;
    app.drain().await;
    let message = receiver.take().remove(0);
    app.finish().await;
    (message, vec![old, new])
}

/// The message in a file for a program to read.
async fn file(folder: &Path) -> String {
    let (message, secrets) = sent().await;
    let file = folder.join("message.json");
    let headers = json!({
        "webhook-id": message.id,
        "webhook-timestamp": message.timestamp,
        "webhook-signature": message.signature,
    });
    let body = String::from_utf8(message.body).unwrap();
    let given = json!({ "secrets": secrets, "message": { "headers": headers, "body": body } });
    std::fs::write(&file, given.to_string()).unwrap();
    file.to_str().unwrap().to_owned()
}

#[tokio::test]
async fn the_library_for_node_verifies_what_we_send() {
    let files = ["package.json", "package-lock.json", "verify.mjs"];
    let Some(folder) = node::installed(&source(), &files).await else {
        return;
    };
    let message = file(folder.path()).await;
    let said = node::run(&folder, "verify.mjs", &[("MESSAGE", &message)]).await;
    assert!(said.contains("verified with 2 secrets"), "{said}");
}

/// The library for Python in a folder of its own; none, and a loud word, where it cannot be had.
async fn python_packages() -> Option<TempDir> {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().to_str().unwrap();
    let arguments = [
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--target",
        target,
        "standardwebhooks==1.0.0",
    ];
    let output = Command::new("python3").args(arguments).output().await;
    match output {
        Ok(output) if output.status.success() => Some(folder),
        Ok(output) => {
            let why = String::from_utf8_lossy(&output.stderr).into_owned();
            eprintln!(
                "SKIPPED: the Python library of Standard Webhooks cannot be installed: {why}"
            );
            None
        }
        Err(error) => {
            eprintln!("SKIPPED: python3 is not there ({error}), so its library was not asked");
            None
        }
    }
}

#[tokio::test]
async fn the_library_for_python_verifies_what_we_send() {
    let Some(packages) = python_packages().await else {
        return;
    };
    let message = file(packages.path()).await;
    let output = Command::new("python3")
        .arg(source().join("verify.py"))
        .env("PACKAGES", packages.path())
        .env("MESSAGE", &message)
        .output()
        .await
        .unwrap();
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(output.status.success(), "{said}");
    assert!(said.contains("verified with 2 secrets"), "{said}");
}
