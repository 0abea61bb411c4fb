//! A partner's token sees its own rows. Two partners that mirror each other, with a mark in every text, and one token's view of everything:
//! no mark of the other, and no way to tell the other's rows from rows that never existed.

use crate::contract::Contract;
use crate::isolation::permissions::Permissions;
use crate::mirror::mirror;
use entities::id::{
    ConnectionId, ContactId, CustomerId, DealId, PartnerId, PartnershipId, RevenueEventId,
    SyncRunId, TypedId,
};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// What is told to the programme's staff and to nobody else, whatever the scopes of a partner's token.
const STAFF_ONLY: [&str; 6] = [
    "auditTrail",
    "exclusivityOverlaps",
    "payoutBatchCsv",
    "previewHistoryAccrual",
    "registrationConflicts",
    "simulateCommissions",
];

/// Whether a partner's software with all its scopes may ask a field of the root, by the checked-in table.
fn opens(table: &Permissions, name: &str) -> bool {
    let field = &table.fields[&format!("Query.{name}")];
    field.roles.contains("partner PARTNER_SOFTWARE")
}

#[tokio::test]
async fn every_field_there_is_shows_the_own_side_only() {
    let mirror = mirror().await;
    let (contract, table) = (Contract::published(), Permissions::checked_in());
    let mut seen = BTreeSet::new();
    for field in contract.fields("Query") {
        let name = field.name.node.as_str();
        if !opens(&table, name) || STAFF_ONLY.contains(&name) {
            let query = format!("{{ {} }}", contract.call(field));
            let answer = mirror.app.graphql(&mirror.token, &query, json!({})).await;
            mirror.clean(&query, &answer);
            assert_eq!(answer.codes(), ["FORBIDDEN"], "{name}: {answer}");
            continue;
        }
        let target = crate::contract::base(&field.ty.node);
        let selection = contract.selection(target, 2);
        let calls: Vec<String> = if field
            .arguments
            .iter()
            .any(|argument| argument.node.name.node == "id")
        {
            mirror
                .a
                .own
                .iter()
                .map(|id| format!("(id: \"{id}\")"))
                .collect()
        } else if field
            .arguments
            .iter()
            .any(|argument| argument.node.name.node == "ids")
        {
            vec![format!("(ids: [\"{}\"])", mirror.a.own.join("\",\""))]
        } else if name == "events" {
            vec!["(first: 100)".to_owned()]
        } else if field
            .arguments
            .iter()
            .any(|argument| argument.node.name.node == "first")
        {
            ["", ", filter: {includeArchived: true}"]
                .iter()
                .map(|more| format!("(first: 20{more})"))
                .filter(|call| {
                    !call.contains("filter")
                        || !matches!(
                            name,
                            "activities"
                                | "agreements"
                                | "commissionRules"
                                | "dealRegistrations"
                                | "ledgerDisputes"
                                | "ledgerEntries"
                                | "obligations"
                                | "partnerApplications"
                                | "partnerships"
                                | "payouts"
                                | "revenueEvents"
                                | "statements"
                                | "webhookEndpoints"
                                | "webhookDeliveries"
                                | "automations"
                                | "automationRuns"
                                | "mailMessages"
                        )
                })
                .collect()
        } else {
            vec![String::new()]
        };
        for call in calls {
            let edges = if field
                .arguments
                .iter()
                .any(|argument| argument.node.name.node == "first")
            {
                "edges { cursor } "
            } else {
                ""
            };
            let query = format!("{{ {name}{call} {{ {edges}{selection} }} }}");
            let answer = mirror.ask(&query).await;
            if answer.to_string().contains(mirror.a.mark) {
                seen.insert(name.to_owned());
            }
        }
    }
    // A view that shows nothing at all would pass everything above.
    for name in [
        "partner",
        "partners",
        "partnership",
        "partnerships",
        "contact",
        "contacts",
        "customer",
        "customers",
        "deal",
        "deals",
        "revenueEvents",
        "program",
        "programs",
        "agreement",
        "agreements",
        "explainLedgerEntry",
        "ledgerDisputes",
        "payouts",
        "dealRegistration",
        "dealRegistrations",
        "viewer",
        "events",
        "webhookEndpoint",
        "webhookEndpoints",
        "webhookDeliveries",
    ] {
        assert!(
            seen.contains(name),
            "{name} shows nothing of the own side either"
        );
    }
    mirror.app.finish().await;
}

#[tokio::test]
async fn node_shows_every_kind_of_own_row_and_none_of_the_others() {
    let mirror = mirror().await;
    let contract = Contract::published();
    let kinds = [
        "Partner",
        "Partnership",
        "Contact",
        "Customer",
        "Deal",
        "RevenueEvent",
        "Program",
        "Agreement",
        "LedgerEntry",
        "Statement",
        "LedgerDispute",
        "Payout",
        "DealRegistration",
        "WebhookEndpoint",
        "Connection",
        "SyncRun",
        "PrivacyRequest",
    ];
    for kind in kinds {
        let selection = format!("id ... on {kind} {{ {} }}", contract.selection(kind, 2));
        let ids: Vec<String> = mirror
            .a
            .own
            .iter()
            .chain(&mirror.b.own)
            .cloned()
            .chain([mirror.connection.to_string(), mirror.run.to_string()])
            .collect();
        let query = format!("query($ids: [ID!]!) {{ nodes(ids: $ids) {{ {selection} }} }}");
        let answer = mirror
            .app
            .graphql(&mirror.token, &query, json!({ "ids": ids }))
            .await;
        mirror.clean(&query, &answer);
        let shown: Vec<bool> = answer
            .list("/nodes")
            .iter()
            .map(|node| !node.is_null())
            .collect();
        // A person at a customer is the programme's business, not the partner's.
        let own = ids
            .iter()
            .take(mirror.a.own.len())
            .filter(|id| !id.starts_with(ContactId::PREFIX))
            .count();
        assert_eq!(
            shown.iter().filter(|shown| **shown).count(),
            own + 1,
            "{answer}"
        );
        assert!(
            shown[mirror.a.own.len()..].iter().all(|shown| !shown),
            "{answer}"
        );
    }
    mirror.app.finish().await;
}

#[tokio::test]
async fn totals_and_sums_count_the_own_side_only() {
    let mirror = mirror().await;
    let query = "{ partners { totalCount } partnerships { totalCount } contacts { totalCount } customers { totalCount } deals { totalCount }
        revenueEvents { totalCount } agreements { totalCount } ledgerEntries { totalCount } payouts { totalCount } dealRegistrations { totalCount } dealSummary { stage count amount { amount } } }";
    let answer = mirror.ask(query).await;
    for (list, count) in [
        ("partners", 1),
        ("partnerships", 1),
        ("contacts", 1),
        ("customers", 2),
        ("deals", 5),
        ("revenueEvents", 2),
        ("agreements", 1),
        ("ledgerEntries", 2),
        ("payouts", 1),
        ("dealRegistrations", 1),
    ] {
        assert_eq!(answer.at(&format!("/{list}/totalCount")), count, "{list}");
    }
    let counted: i64 = answer
        .list("/dealSummary")
        .iter()
        .map(|row| row["count"].as_i64().unwrap())
        .sum();
    assert_eq!(counted, 5);
    let prospects: Vec<&Value> = answer
        .list("/dealSummary")
        .iter()
        .filter(|row| row["stage"] == "PROSPECT")
        .collect();
    assert_eq!(
        prospects[0]["amount"]["amount"], "1400.00",
        "its own and the shared one, whole: {answer}"
    );
    let revenue = mirror
        .ask("{ partners { nodes { wonRevenue { amount } } } }")
        .await;
    assert_eq!(
        revenue.at("/partners/nodes/0/wonRevenue/0/amount"),
        "500.00"
    );
    // Of the deal they share it sees what was its own doing, and counts no more.
    let shared = mirror
        .ask("{ deals(first: 100) { nodes { name revenueEvents { totalCount nodes { partner { name } } } } } partners { nodes { revenueEvents { totalCount } } } }")
        .await;
    let deals = shared.list("/deals/nodes");
    let of = |name: &str| {
        let found = deals.iter().find(|deal| deal["name"] == name);
        &found.unwrap()["revenueEvents"]
    };
    assert_eq!(
        of("SHARED deal"),
        &json!({ "totalCount": 1, "nodes": [{ "partner": { "name": "CANARY-A partner" } }] })
    );
    assert_eq!(of("CANARY-A deal 1")["totalCount"], 1);
    assert_eq!(of("CANARY-A deal 0")["totalCount"], 0);
    assert_eq!(shared.at("/partners/nodes/0/revenueEvents/totalCount"), 2);
    mirror.app.finish().await;
}

#[tokio::test]
async fn the_others_rows_answer_like_rows_that_never_existed() {
    let mirror = mirror().await;
    let database = mirror.app.database();
    let (b, run) = (&mirror.b, mirror.run);
    let pairs = [
        (
            b.partner.id.to_string(),
            database.new_id::<PartnerId>().to_string(),
        ),
        (
            b.partnership.id.to_string(),
            database.new_id::<PartnershipId>().to_string(),
        ),
        (
            b.contact.id.to_string(),
            database.new_id::<ContactId>().to_string(),
        ),
        (
            b.customer.id.to_string(),
            database.new_id::<CustomerId>().to_string(),
        ),
        (
            b.deal.id.to_string(),
            database.new_id::<DealId>().to_string(),
        ),
        (
            b.revenue.id.to_string(),
            database.new_id::<RevenueEventId>().to_string(),
        ),
        (
            mirror.connection.to_string(),
            database.new_id::<ConnectionId>().to_string(),
        ),
        (run.to_string(), database.new_id::<SyncRunId>().to_string()),
    ];
    let page = "{ totalCount nodes { id } edges { cursor } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } }";
    let questions = [
        "{ node(id: \"ID\") { id } }".to_owned(),
        "{ nodes(ids: [\"ID\", \"ID\"]) { id __typename } }".to_owned(),
        "{ partner(id: \"ID\") { id name } }".to_owned(),
        "{ partnership(id: \"ID\") { id } }".to_owned(),
        "{ contact(id: \"ID\") { id } }".to_owned(),
        "{ customer(id: \"ID\") { id } }".to_owned(),
        "{ deal(id: \"ID\") { id partners { weightBp } } }".to_owned(),
        format!("{{ partners(filter: {{id: {{eq: \"ID\"}}}}) {page} }}"),
        format!("{{ deals(filter: {{id: {{in: [\"ID\"]}}}}) {page} }}"),
        format!("{{ deals(filter: {{partnerId: {{eq: \"ID\"}}}}) {page} }}"),
        format!("{{ deals(filter: {{customerId: {{eq: \"ID\"}}}}) {page} }}"),
        format!("{{ revenueEvents(filter: {{id: {{eq: \"ID\"}}}}) {page} }}"),
        format!("{{ revenueEvents(filter: {{partnerId: {{eq: \"ID\"}}}}) {page} }}"),
        format!("{{ revenueEvents(filter: {{dealId: {{eq: \"ID\"}}}}) {page} }}"),
        format!("{{ revenueEvents(filter: {{customerId: {{in: [\"ID\"]}}}}) {page} }}"),
        format!("{{ privacyRequests(filter: {{connectionId: {{eq: \"ID\"}}}}) {page} }}"),
        format!("{{ connections(filter: {{id: {{eq: \"ID\"}}}}) {page} }}"),
        format!("{{ syncRuns(filter: {{connectionId: {{eq: \"ID\"}}}}) {page} }}"),
        "{ dealSummary(filter: {partnerId: {eq: \"ID\"}}) { count } }".to_owned(),
        "{ dealSummary(filter: {customerId: {eq: \"ID\"}}) { count } }".to_owned(),
        "mutation { updateDeal(input: {id: \"ID\", name: \"x\"}) { deal { id } userErrors { code field message } } }".to_owned(),
        "mutation { updatePartner(input: {id: \"ID\", expectedVersion: 1}) { partner { id } userErrors { code field message } } }".to_owned(),
        "mutation { attributeDeal(input: {id: \"ID\", partners: []}) { deal { id } userErrors { code field message } } }".to_owned(),
        "mutation { syncNow(input: {connectionId: \"ID\"}) { userErrors { code field message } } }".to_owned(),
    ];
    for (theirs, never) in &pairs {
        for question in &questions {
            let (seen, unseen) = (
                mirror.bytes(&question.replace("ID", theirs)).await,
                mirror.bytes(&question.replace("ID", never)).await,
            );
            assert_eq!(seen, unseen, "{question} with {theirs}");
        }
    }
    for (theirs, never) in [
        ("canary-b-partner.example", "nobody-partner.example"),
        ("canary-b-customer.example", "nobody-customer.example"),
    ] {
        let question = format!(
            "{{ partners(filter: {{domain: {{eq: \"ID\"}}}}) {page} customers(filter: {{domain: {{eq: \"ID\"}}}}) {page} }}"
        );
        let theirs = mirror
            .app
            .ask(&mirror.token, &question.replace("ID", theirs))
            .await;
        let never = mirror
            .app
            .ask(&mirror.token, &question.replace("ID", never))
            .await;
        assert_eq!(theirs.body["data"], never.body["data"]);
    }
    mirror.app.finish().await;
}

#[tokio::test]
async fn a_cursor_of_the_whole_list_opens_no_window() {
    let mirror = mirror().await;
    let admin = mirror.app.admin();
    let lists = [
        "partners",
        "partnerships",
        "contacts",
        "customers",
        "deals",
        "revenueEvents",
    ];
    for list in lists {
        let whole = mirror
            .app
            .ask(
                &admin,
                &format!("{{ {list}(first: 100) {{ edges {{ cursor }} }} }}"),
            )
            .await;
        let own = mirror
            .ask(&format!("{{ {list}(first: 100) {{ nodes {{ id }} }} }}"))
            .await;
        let own: BTreeSet<String> = own
            .texts(&format!("/{list}/nodes"), "/id")
            .into_iter()
            .collect();
        for cursor in whole.texts(&format!("/{list}/edges"), "/cursor") {
            for page in ["first: 100, after", "last: 100, before"] {
                let answer = mirror
                    .ask(&format!(
                        "{{ {list}({page}: \"{cursor}\") {{ nodes {{ id }} }} }}"
                    ))
                    .await;
                assert!(
                    answer
                        .texts(&format!("/{list}/nodes"), "/id")
                        .iter()
                        .all(|id| own.contains(id)),
                    "{list} {page}: {answer}"
                );
            }
        }
    }
    mirror.app.finish().await;
}

#[tokio::test]
async fn the_log_tells_a_partner_of_its_own_rows_and_of_nobodys_doing() {
    let mirror = mirror().await;
    let input = json!({"id": mirror.b.deal.id.to_string(), "name": "CANARY-B renamed"});
    mirror
        .app
        .mutate(&mirror.app.admin(), "updateDeal", input, "deal { id }")
        .await;
    let query = "{ events(first: 100) { edges { cursor node { id type subjectId actor connectionId data origin } } pageInfo { endCursor hasNextPage } } }";
    let answer = mirror.ask(query).await;
    let edges = answer.list("/events/edges");
    assert!(edges.len() >= 8, "{answer}");
    for edge in edges {
        let node = &edge["node"];
        assert!(
            node["actor"].is_null() && node["connectionId"].is_null(),
            "internal: {node}"
        );
        assert!(
            !node["type"].as_str().unwrap().starts_with("sync")
                && !node["type"].as_str().unwrap().starts_with("connection"),
            "{node}"
        );
    }
    let theirs = mirror
        .app
        .rows("SELECT position, seq FROM event ORDER BY position, seq")
        .await;
    for row in theirs {
        let cursor = format!(
            "{:x}.{:x}",
            row.try_get_by_index::<i64>(0).unwrap(),
            row.try_get_by_index::<i64>(1).unwrap()
        );
        mirror.ask(&format!("{{ events(first: 100, after: \"{cursor}\") {{ edges {{ node {{ id subjectId data }} }} }} }}")).await;
    }
    mirror.app.finish().await;
}

#[tokio::test]
async fn a_token_of_no_known_partner_sees_nothing() {
    let mirror = mirror().await;
    let token = mirror.app.partner_token(mirror.app.database().new_id());
    let lists = [
        "partners",
        "partnerships",
        "contacts",
        "customers",
        "deals",
        "revenueEvents",
        "programs",
        "agreements",
        "obligations",
        "ledgerEntries",
        "statements",
        "ledgerDisputes",
        "payouts",
        "dealRegistrations",
    ];
    for list in lists {
        let answer = mirror
            .app
            .ask(
                &token,
                &format!("{{ {list} {{ totalCount nodes {{ id }} }} }}"),
            )
            .await;
        assert_eq!(answer.at(&format!("/{list}/totalCount")), 0, "{list}");
    }
    let answer = mirror
        .app
        .ask(
            &token,
            "{ viewer { partner { id } } events { edges { cursor } } dealSummary { count } }",
        )
        .await;
    assert!(
        answer.at("/viewer/partner").is_null()
            && answer.list("/events/edges").is_empty()
            && answer.list("/dealSummary").is_empty(),
        "{answer}"
    );
    mirror.app.finish().await;
}
