//! Who has no valid token: one answer to every field, whatever it is asked about.
//!
//! A revoked token belongs here too. This build knows no revocation yet (there is no `api::oauth::revocation`); with it comes an actor more.

use crate::contract::Contract;
use entities::viewer::{Scopes, StaffRole, ViewerKind};
use serde_json::json;
use std::collections::BTreeSet;
use std::time::Duration;
use tests::{Answer, Options, TestApp};

fn face(answer: &Answer) -> (u16, Vec<(String, String)>, Vec<u8>) {
    let headers = answer.headers.iter().filter(|(name, _)| *name != "date");
    let text = headers.map(|(name, value)| (name.to_string(), format!("{value:?}")));
    let mut headers: Vec<(String, String)> = text.collect();
    headers.sort();
    (answer.status, headers, answer.bytes.clone())
}

#[tokio::test]
async fn without_a_valid_token_every_field_is_one_answer() {
    let app = TestApp::start(Options::standing_at("2026-11-21T12:00:00Z")).await;
    let contract = Contract::published();
    let expired = app.token_for(ViewerKind::Staff(StaffRole::Admin), Scopes::all());
    assert_eq!(
        app.graphql(&expired, "{ __typename }", json!({}))
            .await
            .status,
        200
    );
    app.advance(Duration::from_secs(3_600));
    let mut faces = BTreeSet::new();
    let mut asked = 0;
    for (operation, root, path) in [
        ("query", "Query", "/graphql"),
        ("mutation", "Mutation", "/graphql"),
        ("subscription", "Subscription", "/graphql/stream"),
    ] {
        for field in contract.fields(root) {
            let query = format!("{operation} {{ {} }}", contract.call(field));
            for token in [None, Some(expired.as_str()), Some("none"), Some("")] {
                let request = app
                    .http
                    .post(app.url(path))
                    .header("x-request-id", "always-this")
                    .json(&json!({ "query": query }));
                let request = match token {
                    Some(token) => request.bearer_auth(token),
                    None => request,
                };
                let answer = app.send(request).await;
                assert_eq!(answer.status, 401, "{query}");
                faces.insert(face(&answer));
                asked += 1;
            }
        }
    }
    assert!(
        asked > 150 && faces.len() == 1,
        "{} answers differ",
        faces.len()
    );
    app.finish().await;
}
