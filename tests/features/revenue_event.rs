//! Money that came and went: read as a list, below deals and partners, and by a partner only what was its own doing.

use entities::clock::Timestamp;
use entities::money::{Currency, Money};
use entities::revenue_event::{self, Concerns, NewRevenue, RevenueKind};
use serde_json::json;
use tests::TestApp;
use tests::programme::{self, Programme, Size};

/// A payment and a refund for each of the first deals, a minute apart.
async fn filled(app: &TestApp) -> Programme {
    let size = Size {
        partners: 3,
        customers: 3,
        deals: 8,
    };
    let made = programme::fill(app, size).await;
    let mut change = app.change().await;
    let mut events = Vec::new();
    for (n, deal) in made.deals.iter().take(6).enumerate() {
        let partnership = &made.partnerships[n % 3];
        let concerns = Concerns {
            customer_id: deal.customer_id,
            deal_id: Some(deal.id),
            partnership: Some((partnership.id, partnership.partner_id)),
        };
        for (kind, minor, at) in [
            (RevenueKind::Payment, 10_000, 0),
            (RevenueKind::Refund, 2_550, 30),
        ] {
            let n = i64::try_from(n).unwrap();
            events.push(NewRevenue {
                external_key: format!("{n}-{kind:?}"),
                kind,
                amount: Money {
                    minor: minor + n,
                    currency: if n % 2 == 0 {
                        Currency::USD
                    } else {
                        Currency::EUR
                    },
                },
                occurred_at: Timestamp::from_secs(1_790_000_000 + n * 60 + at),
                concerns,
            });
        }
    }
    revenue_event::record(&mut change, None, events)
        .await
        .unwrap();
    change.commit().await.unwrap();
    made
}

#[tokio::test]
async fn events_are_listed_filtered_and_read_below_deals_and_partners() {
    let app = TestApp::plain().await;
    let made = filled(&app).await;
    let token = app.admin();
    let all = app
        .ask(
            &token,
            "{ revenueEvents(first: 3, filter: {kind: {in: [PAYMENT, REFUND]}}, orderBy: [{field: OCCURRED_AT, direction: DESC}]) { totalCount pageInfo { hasNextPage endCursor } nodes { id kind amount { amount currency } net { amount } occurredAt externalKey connectionId deal { id } customer { name } partner { name } } } }",
        )
        .await;
    assert_eq!(all.at("/revenueEvents/totalCount"), 12);
    let last = all.at("/revenueEvents/nodes/0");
    assert_eq!(
        (
            &last["kind"],
            &last["amount"]["amount"],
            &last["net"]["amount"]
        ),
        (&json!("REFUND"), &json!("25.55"), &json!("-25.55"))
    );
    assert_eq!(last["deal"]["id"], made.deals[5].id.to_string());
    assert_eq!(last["externalKey"], "5-Refund");
    assert!(last["connectionId"].is_null());
    // The next page goes on where this one ended.
    let cursor = all.text("/revenueEvents/pageInfo/endCursor");
    let rest = app
        .ask(
            &token,
            &format!("{{ revenueEvents(first: 100, after: \"{cursor}\", filter: {{kind: {{in: [PAYMENT, REFUND]}}}}, orderBy: [{{field: OCCURRED_AT, direction: DESC}}]) {{ nodes {{ externalKey }} }} }}"),
        )
        .await;
    let keys = rest.texts("/revenueEvents/nodes", "/externalKey");
    assert_eq!((keys.len(), keys[0].as_str()), (9, "4-Payment"));

    let filters = [
        ("kind: {eq: PAYMENT}", 6),
        (
            &format!(
                "kind: {{in: [PAYMENT, REFUND]}}, dealId: {{eq: \"{}\"}}",
                made.deals[2].id
            ),
            2,
        ),
        (
            &format!("partnerId: {{in: [\"{}\"]}}", made.partners[0].id),
            4,
        ),
        (
            "kind: {in: [PAYMENT, REFUND]}, amount: {currency: \"USD\", gte: \"100\"}",
            3,
        ),
        ("occurredAt: {gte: \"2026-09-21T14:15:00Z\"}", 0),
        (
            "connectionId: {eq: \"connection_01h2xcejqtf2nbrexx3vqjhp41\"}",
            0,
        ),
    ];
    for (filter, _) in &filters {
        let query = format!("{{ revenueEvents(filter: {{{filter}}}) {{ totalCount }} }}");
        let answer = app.graphql(&token, &query, json!({})).await;
        assert!(answer.body.get("errors").is_none(), "{filter}: {answer}");
    }
    for (filter, expected) in filters.iter().take(4) {
        let query = format!("{{ revenueEvents(filter: {{{filter}}}) {{ totalCount }} }}");
        let answer = app.ask(&token, &query).await;
        assert_eq!(answer.at("/revenueEvents/totalCount"), expected, "{filter}");
    }

    // Below their parents: each its own, in one statement for all.
    let below = "{ deals(first: 8) { nodes { id revenueEvents(filter: {kind: {in: [PAYMENT, REFUND]}}, orderBy: [{field: OCCURRED_AT}]) { totalCount nodes { kind } } } } }";
    let (answer, statements) = app.counted(&token, below).await;
    let events = statements
        .iter()
        .filter(|statement| statement.contains("revenue_event"))
        .count();
    assert_eq!(
        events, 2,
        "one for the pages and one for the counts: {statements:?}"
    );
    for node in answer.list("/deals/nodes") {
        let place = made
            .deals
            .iter()
            .position(|deal| node["id"] == deal.id.to_string())
            .unwrap();
        let expected = if place < 6 {
            json!([{ "kind": "PAYMENT" }, { "kind": "REFUND" }])
        } else {
            json!([])
        };
        assert_eq!(node["revenueEvents"]["nodes"], expected, "{place}");
    }
    let partners = app
        .ask(
            &token,
            "{ partners { nodes { revenueEvents(first: 1) { totalCount nodes { id } } } } }",
        )
        .await;
    assert_eq!(partners.at("/partners/nodes/0/revenueEvents/totalCount"), 4);
    let id = partners.text("/partners/nodes/0/revenueEvents/nodes/0/id");
    let node = app
        .ask(
            &token,
            &format!("{{ node(id: \"{id}\") {{ id ... on RevenueEvent {{ kind }} }} }}"),
        )
        .await;
    assert_eq!(node.text("/node/id"), id);
    app.finish().await;
}

#[tokio::test]
async fn a_partner_is_told_what_moved_by_its_doing_and_nothing_of_where_it_was_told() {
    let app = TestApp::plain().await;
    let made = filled(&app).await;
    let token = app.partner_token(made.partners[1].id);
    let own = app
        .ask(
            &token,
            "{ revenueEvents { totalCount nodes { externalKey connectionId partner { id } } } events(types: [\"revenue.recorded\", \"revenue.refunded\"]) { edges { node { type data } } } }",
        )
        .await;
    assert_eq!(own.at("/revenueEvents/totalCount"), 4);
    for node in own.list("/revenueEvents/nodes") {
        assert!(
            node["externalKey"].is_null() && node["connectionId"].is_null(),
            "{node}"
        );
        assert_eq!(node["partner"]["id"], made.partners[1].id.to_string());
    }
    assert_eq!(own.list("/events/edges").len(), 4, "{own}");
    app.finish().await;
}
