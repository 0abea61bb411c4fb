//! The vendor's own client against the sandbox. Needs Node and the npm registry, so it runs when `SANDBOX_OFFICIAL_CLIENT=1`.

use std::path::Path;

use tokio::process::Command;

use crate::harness::{generated, started};

#[tokio::test]
async fn the_vendors_own_client_works() {
    if std::env::var("SANDBOX_OFFICIAL_CLIENT").as_deref() != Ok("1") {
        eprintln!("SKIPPED: set SANDBOX_OFFICIAL_CLIENT=1 to run the vendor's own client");
        return;
    }
    let (shop, client) = started(generated(80)).await;
    let folder = tempfile::tempdir().unwrap();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/shopify_client");
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
        .env("SHOPIFY_URL", shop.url().as_str().trim_end_matches('/'))
        .env("SHOPIFY_SHOP", shop.tenant())
        .env("SHOPIFY_TOKEN", &client.token)
        .status()
        .await
        .unwrap();
    assert!(checked.success());
}
