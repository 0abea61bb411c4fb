//! A partner's token sees its own rows. Two partners that mirror each other, with a mark in every text, and one token's view of everything:
//! no mark of the other, and no way to tell the other's rows from rows that never existed.

use crate::contract::Contract;
use chrono::NaiveDate;
use entities::contact::{self, NewContact};
use entities::customer::{self, NewCustomer};
use entities::deal::{self, DealStage, NewDeal};
use entities::deal_partner::{self, DealPartnerRole, Share};
use entities::id::{ConnectionId, ContactId, CustomerId, DealId, PartnerId, PartnershipId, SyncRunId, TypedId};
use entities::money::{BasisPoints, Currency, Money};
use entities::partner::{self, NewPartner};
use entities::partnership::{self, NewPartnership, PartnerType};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use tests::{Answer, HubSpotSetup, Options, TestApp};

/// One partner with everything it can have, each text marked.
struct Side {
    mark: &'static str,
    partner: partner::Model,
    partnership: partnership::Model,
    /// Ids of everything that is this side's alone.
    own: Vec<String>,
    deal: deal::Model,
    customer: customer::Model,
    contact: contact::Model,
}

fn weight(points: i32) -> BasisPoints {
    BasisPoints::new(points).unwrap()
}

fn new_deal(mark: &str, name: &str, customer_id: Option<CustomerId>, stage: DealStage, minor: i64) -> NewDeal {
    NewDeal {
        name: format!("{mark} {name}"),
        customer_id,
        stage,
        source_stage: Some(format!("{mark} source stage")),
        amount: Some(Money { minor, currency: Currency::USD }),
        expected_close_on: NaiveDate::from_ymd_opt(2026, 12, 1),
        closed_at: None,
        lost_reason: (stage == DealStage::Lost).then(|| format!("{mark} lost reason")),
        owner_name: Some(format!("{mark} owner")),
        owner_email: Some(format!("{}@owners.example", mark.to_lowercase())),
        products: vec![format!("{mark} product")],
        archived: false,
    }
}

async fn side(app: &TestApp, mark: &'static str) -> Side {
    let text = |what: &str| Some(format!("{mark} {what}"));
    let domain = |what: &str| format!("{}-{what}.example", mark.to_lowercase()).parse().ok();
    let mut change = app.change().await;
    let new = NewPartner {
        domain: domain("partner"),
        website: Some(format!("https://{}.example", mark.to_lowercase())),
        country: text("country"),
        regions: vec![format!("{mark} region")],
        verticals: vec![format!("{mark} vertical")],
        employees: Some(70),
        description: text("description"),
        tags: vec![format!("{mark} tag")],
        ..NewPartner::named(format!("{mark} partner"))
    };
    let partner = partner::create(&mut change, vec![new]).await.unwrap().remove(0);
    let new = NewPartnership {
        models: vec![format!("{mark} model")],
        dri: text("dri"),
        value_for_us: text("value for us"),
        value_for_them: text("value for them"),
        value_for_customers: text("value for customers"),
        revenue_target: Some(Money { minor: 1_000_000, currency: Currency::USD }),
        tags: vec![format!("{mark} tag")],
        ..NewPartnership::of(partner.id, PartnerType::Channel)
    };
    let partnership = partnership::create(&mut change, vec![new]).await.unwrap().remove(0);
    let new = NewCustomer { name: format!("{mark} customer"), domain: domain("customer"), country: text("country"), segment: text("segment"), archived: false };
    let customer = customer::create(&mut change, vec![new]).await.unwrap().remove(0);
    let person = |partner_id, customer_id, what: &str| NewContact {
        partner_id,
        customer_id,
        name: format!("{mark} {what}"),
        email: Some(format!("{}-{}@people.example", mark.to_lowercase(), what.len())),
        phone: text("phone"),
        title: text("title"),
        roles: vec![format!("{mark} role")],
        archived: false,
    };
    let people = vec![person(Some(partner.id), None, "colleague"), person(None, Some(customer.id), "buyer at the customer")];
    let contacts = contact::create(&mut change, people).await.unwrap();
    let stages = [DealStage::Prospect, DealStage::Won, DealStage::Lost, DealStage::Qualified];
    let new = stages.iter().enumerate().map(|(n, stage)| new_deal(mark, &format!("deal {n}"), Some(customer.id), *stage, 50_000)).collect();
    let deals = deal::create(&mut change, new).await.unwrap();
    let share = || vec![Share { partnership_id: partnership.id, role: DealPartnerRole::Resold, weight_bp: weight(10_000) }];
    let shares: Vec<_> = deals.iter().map(|deal| (deal.clone(), share())).collect();
    deal_partner::attribute(&mut change, &shares).await.unwrap();
    change.commit().await.unwrap();
    let mut own: Vec<String> = deals.iter().map(|deal| deal.id.to_string()).collect();
    own.extend(contacts.iter().map(|contact| contact.id.to_string()));
    own.extend([partner.id.to_string(), partnership.id.to_string(), customer.id.to_string()]);
    let (deal, contact) = (deals[0].clone(), contacts[0].clone());
    Side { mark, partner, partnership, own, deal, customer, contact }
}

struct Mirror {
    app: TestApp,
    a: Side,
    b: Side,
    token: String,
    connection: ConnectionId,
    run: SyncRunId,
}

/// Both sides, a deal they share, a deal of nobody, and a connection with a run.
async fn mirror() -> Mirror {
    let app = TestApp::start(Options::hubspot(HubSpotSetup::empty())).await;
    let (a, b) = (side(&app, "CANARY-A").await, side(&app, "CANARY-B").await);
    let mut change = app.change().await;
    let both = new_deal("SHARED", "deal", None, DealStage::Prospect, 90_000);
    let nobodys = new_deal("CANARY-B", "deal of nobody", None, DealStage::Prospect, 70_000);
    let deals = deal::create(&mut change, vec![both, nobodys]).await.unwrap();
    let shares = vec![
        Share { partnership_id: a.partnership.id, role: DealPartnerRole::Sourced, weight_bp: weight(3_000) },
        Share { partnership_id: b.partnership.id, role: DealPartnerRole::Resold, weight_bp: weight(5_555) },
    ];
    deal_partner::attribute(&mut change, &[(deals[0].clone(), shares)]).await.unwrap();
    change.commit().await.unwrap();
    let connection = app.connect_hubspot().await;
    let run = app.sync(connection).await.id;
    let token = app.partner_token(a.partner.id);
    Mirror { app, a, b, token, connection, run }
}

impl Mirror {
    /// Fails when an answer tells anything of the other side.
    fn clean(&self, asked: &str, answer: &Answer) {
        let text = String::from_utf8(answer.bytes.clone()).unwrap();
        let lower = text.to_lowercase();
        assert!(!lower.contains("canary-b"), "{asked} shows the other partner: {answer}");
        for id in &self.b.own {
            assert!(asked.contains(id.as_str()) || !text.contains(id.as_str()), "{asked} shows {id}: {answer}");
        }
        assert!(!text.contains("5555"), "{asked} shows the other's weight: {answer}");
    }

    async fn ask(&self, query: &str) -> Answer {
        let answer = self.app.ask(&self.token, query).await;
        self.clean(query, &answer);
        answer
    }

    /// The bytes of an answer, but for what is left of the budget, which every question lowers.
    async fn bytes(&self, query: &str) -> (u16, Value) {
        let request = self.app.http.post(self.app.url("/graphql")).bearer_auth(&self.token).header("x-request-id", "always-this");
        let answer = self.app.send(request.json(&json!({ "query": query }))).await;
        self.clean(query, &answer);
        let mut body = answer.body.clone();
        if let Some(budget) = body.pointer_mut("/extensions/cost/budget") {
            *budget = Value::Null;
        }
        (answer.status, body)
    }
}

#[tokio::test]
async fn every_field_there_is_shows_the_own_side_only() {
    let mirror = mirror().await;
    let contract = Contract::published();
    let mut seen = BTreeSet::new();
    for field in contract.fields("Query") {
        let name = field.name.node.as_str();
        let target = crate::contract::base(&field.ty.node);
        let selection = contract.selection(target, 3);
        let calls: Vec<String> = if field.arguments.iter().any(|argument| argument.node.name.node == "id") {
            mirror.a.own.iter().map(|id| format!("(id: \"{id}\")")).collect()
        } else if field.arguments.iter().any(|argument| argument.node.name.node == "ids") {
            vec![format!("(ids: [\"{}\"])", mirror.a.own.join("\",\""))]
        } else if name == "events" {
            vec!["(first: 100)".to_owned()]
        } else if field.arguments.iter().any(|argument| argument.node.name.node == "first") {
            ["", ", filter: {includeArchived: true}"].iter().map(|more| format!("(first: 20{more})")).filter(|call| !call.contains("filter") || !matches!(name, "connections" | "syncRuns" | "partnerships")).collect()
        } else {
            vec![String::new()]
        };
        for call in calls {
            let edges = if field.arguments.iter().any(|argument| argument.node.name.node == "first") { "edges { cursor } " } else { "" };
            let query = format!("{{ {name}{call} {{ {edges}{selection} }} }}");
            let answer = mirror.ask(&query).await;
            if answer.to_string().contains(mirror.a.mark) {
                seen.insert(name.to_owned());
            }
        }
    }
    // A view that shows nothing at all would pass everything above.
    for name in ["partner", "partners", "partnership", "partnerships", "contact", "contacts", "customer", "customers", "deal", "deals", "viewer", "events"] {
        assert!(seen.contains(name), "{name} shows nothing of the own side either");
    }
    mirror.app.finish().await;
}

#[tokio::test]
async fn node_shows_every_kind_of_own_row_and_none_of_the_others() {
    let mirror = mirror().await;
    let contract = Contract::published();
    let kinds = ["Partner", "Partnership", "Contact", "Customer", "Deal", "Connection", "SyncRun"];
    for kind in kinds {
        let selection = format!("id ... on {kind} {{ {} }}", contract.selection(kind, 2));
        let ids: Vec<String> = mirror.a.own.iter().chain(&mirror.b.own).cloned().chain([mirror.connection.to_string(), mirror.run.to_string()]).collect();
        let query = format!("query($ids: [ID!]!) {{ nodes(ids: $ids) {{ {selection} }} }}");
        let answer = mirror.app.graphql(&mirror.token, &query, json!({ "ids": ids })).await;
        mirror.clean(&query, &answer);
        let shown: Vec<bool> = answer.list("/nodes").iter().map(|node| !node.is_null()).collect();
        // A person at a customer is the programme's business, not the partner's.
        let own = ids.iter().take(mirror.a.own.len()).filter(|id| !id.starts_with(ContactId::PREFIX)).count();
        assert_eq!(shown.iter().filter(|shown| **shown).count(), own + 1, "{answer}");
        assert!(shown[mirror.a.own.len()..].iter().all(|shown| !shown), "{answer}");
    }
    mirror.app.finish().await;
}

#[tokio::test]
async fn totals_and_sums_count_the_own_side_only() {
    let mirror = mirror().await;
    let query = "{ partners { totalCount } partnerships { totalCount } contacts { totalCount } customers { totalCount } deals { totalCount }
        connections { totalCount } syncRuns { totalCount } dealSummary { stage count amount { amount } } }";
    let answer = mirror.ask(query).await;
    for (list, count) in [("partners", 1), ("partnerships", 1), ("contacts", 1), ("customers", 1), ("deals", 5), ("connections", 0), ("syncRuns", 0)] {
        assert_eq!(answer.at(&format!("/{list}/totalCount")), count, "{list}");
    }
    let counted: i64 = answer.list("/dealSummary").iter().map(|row| row["count"].as_i64().unwrap()).sum();
    assert_eq!(counted, 5);
    let prospects: Vec<&Value> = answer.list("/dealSummary").iter().filter(|row| row["stage"] == "PROSPECT").collect();
    assert_eq!(prospects[0]["amount"]["amount"], "1400.00", "its own and the shared one, whole: {answer}");
    let revenue = mirror.ask("{ partners { nodes { wonRevenue { amount } } } }").await;
    assert_eq!(revenue.at("/partners/nodes/0/wonRevenue/0/amount"), "500.00");
    mirror.app.finish().await;
}

#[tokio::test]
async fn the_others_rows_answer_like_rows_that_never_existed() {
    let mirror = mirror().await;
    let database = mirror.app.database();
    let (b, run) = (&mirror.b, mirror.run);
    let pairs = [
        (b.partner.id.to_string(), database.new_id::<PartnerId>().to_string()),
        (b.partnership.id.to_string(), database.new_id::<PartnershipId>().to_string()),
        (b.contact.id.to_string(), database.new_id::<ContactId>().to_string()),
        (b.customer.id.to_string(), database.new_id::<CustomerId>().to_string()),
        (b.deal.id.to_string(), database.new_id::<DealId>().to_string()),
        (mirror.connection.to_string(), database.new_id::<ConnectionId>().to_string()),
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
            let (seen, unseen) = (mirror.bytes(&question.replace("ID", theirs)).await, mirror.bytes(&question.replace("ID", never)).await);
            assert_eq!(seen, unseen, "{question} with {theirs}");
        }
    }
    for (theirs, never) in [("canary-b-partner.example", "nobody-partner.example"), ("canary-b-customer.example", "nobody-customer.example")] {
        let question = format!("{{ partners(filter: {{domain: {{eq: \"ID\"}}}}) {page} customers(filter: {{domain: {{eq: \"ID\"}}}}) {page} }}");
        let theirs = mirror.app.ask(&mirror.token, &question.replace("ID", theirs)).await;
        let never = mirror.app.ask(&mirror.token, &question.replace("ID", never)).await;
        assert_eq!(theirs.body["data"], never.body["data"]);
    }
    mirror.app.finish().await;
}

#[tokio::test]
async fn a_cursor_of_the_whole_list_opens_no_window() {
    let mirror = mirror().await;
    let admin = mirror.app.admin();
    for list in ["partners", "partnerships", "contacts", "customers", "deals"] {
        let whole = mirror.app.ask(&admin, &format!("{{ {list}(first: 100) {{ edges {{ cursor }} }} }}")).await;
        let own = mirror.ask(&format!("{{ {list}(first: 100) {{ nodes {{ id }} }} }}")).await;
        let own: BTreeSet<String> = own.texts(&format!("/{list}/nodes"), "/id").into_iter().collect();
        for cursor in whole.texts(&format!("/{list}/edges"), "/cursor") {
            for page in ["first: 100, after", "last: 100, before"] {
                let answer = mirror.ask(&format!("{{ {list}({page}: \"{cursor}\") {{ nodes {{ id }} }} }}")).await;
                assert!(answer.texts(&format!("/{list}/nodes"), "/id").iter().all(|id| own.contains(id)), "{list} {page}: {answer}");
            }
        }
    }
    mirror.app.finish().await;
}

#[tokio::test]
async fn the_log_tells_a_partner_of_its_own_rows_and_of_nobodys_doing() {
    let mirror = mirror().await;
    let input = json!({"id": mirror.b.deal.id.to_string(), "name": "CANARY-B renamed"});
    mirror.app.mutate(&mirror.app.admin(), "updateDeal", input, "deal { id }").await;
    let query = "{ events(first: 100) { edges { cursor node { id type subjectId actor connectionId data origin } } pageInfo { endCursor hasNextPage } } }";
    let answer = mirror.ask(query).await;
    let edges = answer.list("/events/edges");
    assert!(edges.len() >= 8, "{answer}");
    for edge in edges {
        let node = &edge["node"];
        assert!(node["actor"].is_null() && node["connectionId"].is_null(), "internal: {node}");
        assert!(!node["type"].as_str().unwrap().starts_with("sync") && !node["type"].as_str().unwrap().starts_with("connection"), "{node}");
    }
    let theirs = mirror.app.rows("SELECT position, seq FROM event ORDER BY position, seq").await;
    for row in theirs {
        let cursor = format!("{:x}.{:x}", row.try_get_by_index::<i64>(0).unwrap(), row.try_get_by_index::<i64>(1).unwrap());
        mirror.ask(&format!("{{ events(first: 100, after: \"{cursor}\") {{ edges {{ node {{ id subjectId data }} }} }} }}")).await;
    }
    mirror.app.finish().await;
}

#[tokio::test]
async fn a_token_of_no_known_partner_sees_nothing() {
    let mirror = mirror().await;
    let token = mirror.app.partner_token(mirror.app.database().new_id());
    let lists = ["partners", "partnerships", "contacts", "customers", "deals", "connections", "syncRuns"];
    for list in lists {
        let answer = mirror.app.ask(&token, &format!("{{ {list} {{ totalCount nodes {{ id }} }} }}")).await;
        assert_eq!(answer.at(&format!("/{list}/totalCount")), 0, "{list}");
    }
    let answer = mirror.app.ask(&token, "{ viewer { partner { id } } events { edges { cursor } } dealSummary { count } }").await;
    assert!(answer.at("/viewer/partner").is_null() && answer.list("/events/edges").is_empty() && answer.list("/dealSummary").is_empty(), "{answer}");
    mirror.app.finish().await;
}
