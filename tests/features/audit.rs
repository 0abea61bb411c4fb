//! The audit trail through the API, and the command that verifies the chain below it.

use crate::raw::execute;
use api::worker::Work;
use api::worker::chain::Chain;
use entities::viewer::{PartnerRole, Scope, Scopes, StaffRole, ViewerKind};
use serde_json::json;
use std::time::Duration;
use tests::programme::{self, Size};
use tests::{Backend, Options, TestApp, entente, eventually};

async fn seal(app: &TestApp) {
    let chain = Chain(app.database().clone());
    eventually(
        "every event is sealed",
        Duration::from_secs(60),
        async || {
            while chain.step().await.unwrap() {}
            let left =
                "SELECT COUNT(*) FROM event WHERE id NOT IN (SELECT event_id FROM audit_link)";
            (app.number(left).await == 0).then_some(())
        },
    )
    .await;
}

async fn trail(app: &TestApp, token: &str, filter: &str) -> Vec<String> {
    let query = format!(
        "{{ auditTrail(first: 100, filter: {{{filter}}}) {{ edges {{ node {{ type }} }} }} }}"
    );
    app.ask(token, &query)
        .await
        .texts("/auditTrail/edges", "/node/type")
}

/// A partner, a deal and a client, each by another actor and at another time.
async fn some_history() -> (TestApp, String) {
    let app = TestApp::start(Options::standing_at("2026-11-01T10:00:00Z")).await;
    let size = Size {
        partners: 1,
        customers: 0,
        deals: 0,
    };
    programme::fill(&app, size).await;
    app.advance(Duration::from_secs(3_600));
    // Tokens are good for an hour.
    let token = app.admin();
    let made = app
        .mutate(
            &token,
            "createDeal",
            json!({ "name": "A deal" }),
            "deal { id }",
        )
        .await;
    let deal = made.text("/createDeal/deal/id");
    app.advance(Duration::from_secs(3_600));
    let token = app.admin();
    let client = json!({ "name": "C", "authMethod": "CLIENT_SECRET_BASIC", "grantTypes": ["CLIENT_CREDENTIALS"], "scopes": ["deals:read"] });
    let made = app
        .mutate(&token, "createOAuthClient", client, "client { id }")
        .await;
    assert_eq!(made.refusals("createOAuthClient"), Vec::<String>::new());
    app.log_settled().await;
    (app, deal)
}

#[tokio::test]
async fn it_is_read_newest_first_and_by_who_what_whom_and_when() {
    let (app, deal) = some_history().await;
    let auditor = app.token_for(ViewerKind::Staff(StaffRole::Auditor), Scopes::all());
    let all = trail(&app, &auditor, "").await;
    assert_eq!(
        all.first().map(String::as_str),
        Some("oauth_client.created")
    );
    assert_eq!(all.get(1).map(String::as_str), Some("deal.created"));
    let count = app.number("SELECT COUNT(*) FROM event").await;
    assert_eq!(i64::try_from(all.len()).unwrap(), count);
    for (filter, found) in [
        ("aboutAccess: true", &["oauth_client.created"][..]),
        (
            "kinds: [\"oauth_client.created\", \"user.invited\"]",
            &["oauth_client.created"],
        ),
        ("kinds: []", &[]),
        (
            "kinds: [\"deal.created\"], actor: \"tests\"",
            &["deal.created"],
        ),
        ("kinds: [\"deal.created\"], actor: \"sync\"", &[]),
        ("actor: \"nobody\"", &[]),
        ("actor: \"no\\u0000body\"", &[]),
        ("subjectId: \"nonsense\"", &[]),
        (
            "occurredAt: {gte: \"2026-11-01T12:00:00Z\"}",
            &["oauth_client.created"],
        ),
        (
            "occurredAt: {gt: \"2026-11-01T10:59:59Z\", lte: \"2026-11-01T11:00:00Z\"}",
            &["deal.created"],
        ),
        ("occurredAt: {gt: \"2026-11-01T12:00:00Z\"}", &[]),
        ("occurredAt: {lt: \"2026-11-01T10:00:00Z\"}", &[]),
    ] {
        assert_eq!(trail(&app, &auditor, filter).await, found, "{filter}");
    }
    let about = format!("subjectId: \"{deal}\"");
    assert_eq!(trail(&app, &auditor, &about).await, ["deal.created"]);
    let refused = app
        .graphql(
            &auditor,
            "{ auditTrail(filter: {kinds: [\"deal.eaten\"]}) { edges { cursor } } }",
            json!({}),
        )
        .await;
    assert_eq!(refused.codes(), ["BAD_USER_INPUT"]);

    // Page by page it is the same list, and what happens meanwhile comes in front of it.
    let mut seen = Vec::new();
    let mut after = String::new();
    loop {
        let query = format!(
            "{{ auditTrail(first: 2{after}) {{ edges {{ node {{ type }} }} pageInfo {{ endCursor hasNextPage }} }} }}"
        );
        let page = app.ask(&auditor, &query).await;
        seen.extend(page.texts("/auditTrail/edges", "/node/type"));
        if page.at("/auditTrail/pageInfo/hasNextPage") == &json!(false) {
            break;
        }
        after = format!(
            ", after: \"{}\"",
            page.text("/auditTrail/pageInfo/endCursor")
        );
        app.mutate(
            &app.admin(),
            "createPartner",
            json!({ "name": "Late" }),
            "partner { id }",
        )
        .await;
        app.log_settled().await;
    }
    assert_eq!(seen, all);
    app.end().await;
}

#[tokio::test]
async fn it_is_for_administrators_and_auditors_only() {
    let (app, _) = some_history().await;
    let partner = app
        .ask(&app.admin(), "{ partners { nodes { id } } }")
        .await
        .text("/partners/nodes/0/id");
    let partner = partner.parse().unwrap();
    let query = "{ auditTrail { edges { node { type } } } }";
    for role in StaffRole::ALL {
        let token = app.token_for(ViewerKind::Staff(*role), Scopes::all());
        let answer = app.graphql(&token, query, json!({})).await;
        let expected: &[&str] = match role {
            StaffRole::Admin | StaffRole::Auditor => &[],
            _ => &["FORBIDDEN"],
        };
        assert_eq!(answer.codes(), expected, "{}", role.as_str());
    }
    let mut others = vec![app.token_for(ViewerKind::Integration, Scopes::all())];
    for role in PartnerRole::ALL {
        others.push(app.token_for(ViewerKind::Partner(partner, *role), Scopes::all()));
    }
    others.push(
        app.token(
            Scope::ALL
                .iter()
                .copied()
                .filter(|scope| *scope != Scope::EventsRead),
        ),
    );
    for token in others {
        let answer = app.graphql(&token, query, json!({})).await;
        assert_eq!(answer.codes(), ["FORBIDDEN"]);
        assert!(!answer.to_string().contains("created"));
    }
    // What is about access is in nobody else's log either.
    let manager = app.token_for(ViewerKind::Staff(StaffRole::PartnerManager), Scopes::all());
    let events = app
        .ask(
            &manager,
            "{ events(first: 100) { edges { node { type } } } }",
        )
        .await;
    assert!(!events.to_string().contains("oauth_client"));
    app.end().await;
}

/// Each way to ask is served by an index: nothing is sorted, and no whole table is read.
#[tokio::test]
async fn an_index_serves_it() {
    let (app, deal) = some_history().await;
    let token = app.admin();
    if Backend::of_run() == Backend::Postgres {
        // Few rows are read through no index; the plans are SQLite's to show.
        return app.end().await;
    }
    let subject = format!("subjectId: \"{deal}\"");
    for (filter, index) in [
        ("", "ux_event_position_seq"),
        ("aboutAccess: true", "ix_event_audit"),
        (
            "kinds: [\"user.invited\", \"session.refused\"]",
            "ix_event_audit",
        ),
        (
            "aboutAccess: true, occurredAt: {gte: \"2026-11-01T12:00:00Z\"}",
            "ix_event_audit",
        ),
        ("actor: \"tests\"", "ix_event_actor"),
        (subject.as_str(), "ix_event_subject_id_position_seq"),
    ] {
        let query = format!("{{ auditTrail(filter: {{{filter}}}) {{ edges {{ cursor }} }} }}");
        let (_, statements) = app.counted(&token, &query).await;
        assert_eq!(statements.len(), 1, "{filter}: {statements:?}");
        let mut plan = String::new();
        for row in app
            .rows(&format!("EXPLAIN QUERY PLAN {}", statements[0]))
            .await
        {
            plan.push_str(&row.try_get_by_index::<String>(3).unwrap());
        }
        assert!(
            plan.contains(index) && !plan.contains("TEMP B-TREE"),
            "{filter}: {plan}\n{}",
            statements[0]
        );
    }
    app.end().await;
}

#[tokio::test]
async fn the_command_line_verifies_the_chain_and_says_where_it_breaks() {
    let (app, _) = some_history().await;
    let url = app.place().url().to_owned();
    let verify = async |more: &[&str]| {
        let mut arguments = vec!["audit", "verify"];
        arguments.extend(more);
        let variables = [("ENTENTE_DATABASE_URL", url.as_str())];
        entente(&arguments, app.place().folder(), &variables)
            .ended()
            .await
    };
    let before = verify(&[]).await;
    assert_eq!(before.code, Some(0), "{before:?}");
    assert!(
        before.out.contains("Events sealed: 0") && before.out.contains("Nothing is sealed yet."),
        "{before:?}"
    );
    seal(&app).await;
    let sound = verify(&[]).await;
    assert_eq!(sound.code, Some(0), "{sound:?}");
    let count = app.number("SELECT COUNT(*) FROM event").await;
    assert!(
        sound.out.contains(&format!("Events sealed: {count},")),
        "{sound:?}"
    );
    let link = sound.out.trim_end().rsplit(' ').next().unwrap().to_owned();
    assert_eq!(verify(&["--link", &link]).await.code, Some(0));
    let other = format!("{count}:{}", "0".repeat(64));
    let wrong = verify(&["--link", &other]).await;
    assert_eq!(wrong.code, Some(1), "{wrong:?}");
    assert_eq!(verify(&["--link", "nonsense"]).await.code, Some(2));
    execute(
        &app,
        "UPDATE event SET actor = 'eve' WHERE seq = (SELECT seq FROM audit_link WHERE number = 2)",
    )
    .await;
    let broken = verify(&[]).await;
    assert_eq!(
        (broken.code, broken.out.as_str()),
        (Some(1), ""),
        "{broken:?}"
    );
    assert!(
        broken
            .err
            .contains("link 2 of the audit chain does not hold"),
        "{broken:?}"
    );
    app.end().await;
}
