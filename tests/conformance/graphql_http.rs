//! The audit that the authors of GraphQL over HTTP publish passes whole, with a token on every request.

use crate::node;
use std::path::Path;
use tests::TestApp;

#[tokio::test]
async fn the_audit_passes_whole() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("conformance/graphql_http");
    let Some(folder) =
        node::installed(&source, &["package.json", "package-lock.json", "audit.mjs"]).await
    else {
        return;
    };
    let app = TestApp::plain().await;
    let (url, token) = (app.url("/graphql"), app.admin());
    let said = node::run(
        &folder,
        "audit.mjs",
        &[("GRAPHQL_URL", &url), ("GRAPHQL_TOKEN", &token)],
    )
    .await;
    println!("{said}");
    app.finish().await;
}
