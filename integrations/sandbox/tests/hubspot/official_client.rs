//! The vendor's own client against the sandbox. Needs Node and the npm registry, so it runs when `SANDBOX_OFFICIAL_CLIENT=1`.

use std::path::Path;

use sandbox::Source;
use tokio::process::Command;

use crate::harness::{options, started};

#[tokio::test]
async fn the_vendors_own_client_works() {
    if std::env::var("SANDBOX_OFFICIAL_CLIENT").as_deref() != Ok("1") {
        eprintln!("SKIPPED: set SANDBOX_OFFICIAL_CLIENT=1 to run the vendor's own client");
        return;
    }
    let (hubspot, client) = started(options(Source::Generated { deals: 250 })).await;
    let folder = tempfile::tempdir().unwrap();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/official_client");
    for file in ["package.json", "package-lock.json", "check.mjs"] {
        std::fs::copy(source.join(file), folder.path().join(file)).unwrap();
    }
    let installed = Command::new("npm")
        .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
        .current_dir(folder.path())
        .status()
        .await
        .unwrap();
    assert!(installed.success());
    let checked = Command::new("node")
        .arg("check.mjs")
        .current_dir(folder.path())
        .env("HUBSPOT_URL", hubspot.url().as_str().trim_end_matches('/'))
        .env("HUBSPOT_TOKEN", &client.token)
        .env("HUBSPOT_REFRESH", &client.refresh)
        .env("HUBSPOT_CLIENT_ID", &hubspot.app().client_id)
        .env("HUBSPOT_CLIENT_SECRET", &hubspot.app().client_secret)
        .status()
        .await
        .unwrap();
    assert!(checked.success());
}
