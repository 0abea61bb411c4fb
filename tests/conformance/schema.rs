//! The committed contract is the one the binary prints and the one the server answers.

use async_graphql::parser::parse_schema;
use std::path::Path;
use tests::{TestApp, entente};

fn committed() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../schema.graphql");
    std::fs::read_to_string(&path)
        .expect("schema.graphql is committed: print it with `entente schema`")
}

#[tokio::test]
async fn schema_graphql_is_what_the_binary_prints() {
    let folder = tempfile::tempdir().unwrap();
    let printed = entente(&["schema"], folder.path(), &[]).ended().await;
    assert_eq!(printed.code, Some(0), "{}", printed.err);
    assert!(
        printed.out == committed(),
        "schema.graphql is not up to date: `entente schema > schema.graphql`"
    );
    parse_schema(&printed.out).expect("it can be parsed");
}

#[tokio::test]
async fn schema_graphql_is_what_the_server_answers() {
    let app = TestApp::plain().await;
    let answer = app
        .get(
            "/schema.graphql",
            &[("authorization", &format!("Bearer {}", app.token([])))],
        )
        .await;
    assert!(
        answer.status == 200 && String::from_utf8(answer.bytes.clone()).unwrap() == committed(),
        "schema.graphql is not up to date"
    );
    app.finish().await;
}
