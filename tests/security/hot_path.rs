//! What it costs to know who asks: nothing of the database. A token is verified and its viewer built from its own claims.

use crate::forgery::Parts;
use entities::viewer::{PartnerRole, Scopes, StaffRole, ViewerKind};
use serde_json::json;
use tests::programme::{self, Size};
use tests::{Answer, TestApp};

/// The statements of one question by a token that nobody has seen before, or by one that was seen.
async fn statements(app: &TestApp, token: &str, query: &str) -> (Answer, Vec<String>) {
    let _ = app.statements().take();
    let answer = app.graphql(token, query, json!({})).await;
    (answer, app.statements().take())
}

#[tokio::test]
async fn knowing_who_asks_takes_no_statement() {
    let app = TestApp::plain().await;
    let size = Size {
        partners: 2,
        customers: 2,
        deals: 6,
    };
    let partner = programme::fill(&app, size).await.partners[0].id;
    let mut kinds = vec![ViewerKind::Integration];
    kinds.extend(StaffRole::ALL.iter().map(|role| ViewerKind::Staff(*role)));
    let of_partner = |role: &PartnerRole| ViewerKind::Partner(partner, *role);
    kinds.extend(PartnerRole::ALL.iter().map(of_partner));
    // Each number is what the query itself takes.
    let queries = [
        ("{ viewer { kind subject role scopes } }", 0),
        ("{ partners(first: 5) { nodes { id name } } }", 1),
        ("{ deals(first: 5) { nodes { id name } } }", 1),
        (
            "{ partners(first: 5) { nodes { id deals(first: 3) { nodes { id } } } } }",
            2,
        ),
    ];
    for kind in kinds {
        for (query, own) in queries {
            // The statement is prepared and the document remembered; only the tokens are new.
            for _ in 0..4 {
                app.ask(&app.token_for(kind, Scopes::all()), query).await;
            }
            let token = app.token_for(kind, Scopes::all());
            for seen in ["for the first time", "again"] {
                let (answer, statements) = statements(&app, &token, query).await;
                assert!(answer.body.get("errors").is_none(), "{query}: {answer}");
                assert_eq!(
                    statements.len(),
                    own,
                    "{query} by {kind:?}, its token seen {seen}: {statements:#?}"
                );
            }
        }
    }
    app.finish().await;
}

#[tokio::test]
async fn refusing_a_token_takes_no_statement_either() {
    let app = TestApp::plain().await;
    let query = "{ partners(first: 5) { nodes { id } } }";
    app.ask(&app.admin(), query).await;
    let now = app.database().now().secs();
    let forged = [
        Parts::valid(&app).claim("exp", now - 1).signed(&app),
        Parts::valid(&app).claim("role", "ROOT").signed(&app),
        Parts::valid(&app).header("kid", "unknown").signed(&app),
        Parts::valid(&app).hs256(b"a guess"),
        "not.a.token".to_owned(),
    ];
    for token in forged {
        let (answer, statements) = statements(&app, &token, query).await;
        assert_eq!(answer.status, 401);
        assert!(statements.is_empty(), "{statements:#?}");
    }
    app.finish().await;
}
