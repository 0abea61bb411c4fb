//! The three queries, each in GraphQL and as the one statement that builds the same JSON.
//!
//! The statements are as good as a person with the same indexes would write them: first the rows of the page by index, then the JSON of those
//! rows alone. The only difference between the answers is how an id is written (a UUID there, `deal_…` here), and the comparison knows that.

use super::client::Client;
use super::measure::cluster::Cluster;
use entities::id::{parse_any, show};
use serde_json::{Map, Value, json};

/// A query on both sides.
pub struct Case {
    /// What it is called.
    pub name: &'static str,
    /// The share that is wanted.
    pub wanted: f64,
    /// In GraphQL.
    pub query: String,
    /// The variables of the requests, which take turns.
    pub variables: Vec<Value>,
    /// The statements, one for each set of variables.
    pub statements: Vec<String>,
}

/// How many partners take turns in the first query.
const PARTNERS: u32 = 50;

/// All of them.
pub fn all(cluster: &Cluster) -> Vec<Case> {
    vec![by_id(cluster), nested(), list()]
}

fn by_id(cluster: &Cluster) -> Case {
    let spread = format!(
        "SELECT id FROM (SELECT id, row_number() OVER (ORDER BY id) AS n FROM partner) numbered WHERE n % 40 = 0 ORDER BY n LIMIT {PARTNERS}"
    );
    let ids: Vec<uuid::Uuid> = cluster
        .run("entente", &spread)
        .lines()
        .map(|line| line.parse().expect("an id"))
        .collect();
    let statement = |id: &uuid::Uuid| {
        format!(
            "SELECT json_build_object('partner', (SELECT json_build_object('id', id, 'name', name, 'domain', domain, 'country', country, 'status', status) \
             FROM partner WHERE id = '{id}'))"
        )
    };
    Case {
        name: "Q1 partner by id",
        wanted: 0.35,
        query: "query Q1($id: ID!) { partner(id: $id) { id name domain country status } }"
            .to_owned(),
        variables: ids
            .iter()
            .map(|id| json!({ "id": show("partner", *id) }))
            .collect(),
        statements: ids.iter().map(statement).collect(),
    }
}

/// An amount as the API shows it.
const AMOUNT: &str = "CASE WHEN amount_minor IS NOT NULL THEN json_build_object('amount', (amount_minor * 0.01)::text, 'currency', amount_currency) END";

fn nested() -> Case {
    Case {
        name: "Q2 50 partners, 10 deals each",
        wanted: 1.0,
        query: "query Q2 { partners(first: 50) { nodes { id name deals(first: 10) { nodes { id name stage amount { amount currency } } } } } }".to_owned(),
        variables: vec![json!({})],
        statements: vec![format!(
            "SELECT json_build_object('partners', json_build_object('nodes', json_agg(json_build_object('id', page.id, 'name', page.name, 'deals', \
             (SELECT json_build_object('nodes', coalesce(json_agg(json_build_object('id', deal.id, 'name', deal.name, 'stage', deal.stage, 'amount', {AMOUNT}) \
             ORDER BY deal.id), '[]')) FROM (SELECT deal.* FROM (SELECT DISTINCT deal_id FROM deal_partner WHERE partner_id = page.id ORDER BY deal_id) share \
             JOIN deal ON deal.id = share.deal_id WHERE deal.archived_at IS NULL ORDER BY share.deal_id LIMIT 10) deal)) ORDER BY page.id))) \
             FROM (SELECT id, name FROM partner WHERE archived_at IS NULL ORDER BY id LIMIT 50) page"
        )],
    }
}

fn list() -> Case {
    Case {
        name: "Q3 100 deals, filter, order, partners",
        wanted: 0.5,
        query: "query Q3 { deals(first: 100, filter: {stage: {eq: QUALIFIED}}, orderBy: [{field: UPDATED_AT, direction: DESC}]) \
                { nodes { id name stage amount { amount currency } partners { partner { name } } } } }"
            .to_owned(),
        variables: vec![json!({})],
        statements: vec![format!(
            "SELECT json_build_object('deals', json_build_object('nodes', json_agg(json_build_object('id', page.id, 'name', page.name, 'stage', page.stage, \
             'amount', {AMOUNT}, 'partners', (SELECT coalesce(json_agg(json_build_object('partner', json_build_object('name', partner.name)) ORDER BY share.id), '[]') \
             FROM deal_partner share JOIN partner ON partner.id = share.partner_id WHERE share.deal_id = page.id)) ORDER BY page.updated_at DESC, page.id DESC))) \
             FROM (SELECT id, name, stage, amount_minor, amount_currency, updated_at FROM deal WHERE stage = 'QUALIFIED' AND archived_at IS NULL \
             ORDER BY updated_at DESC, id DESC LIMIT 100) page"
        )],
    }
}

/// Compares the two answers and says how long ours is, in bytes.
pub fn check(case: &Case, cluster: &Cluster, client: &Client) -> usize {
    let mut bytes = 0;
    for (variables, statement) in case.variables.iter().zip(&case.statements) {
        let theirs: Value = serde_json::from_str(&cluster.run("entente", statement))
            .expect("the statement builds JSON");
        let answer = client.ask(&case.query, variables);
        assert!(answer.get("errors").is_none(), "{}: {answer}", case.name);
        let ours = plain_ids(&answer["data"]);
        let short = |value: &Value| value.to_string().chars().take(2_000).collect::<String>();
        assert!(
            ours == theirs,
            "{}: the answers differ\nentente:    {}\nPostgreSQL: {}",
            case.name,
            short(&ours),
            short(&theirs)
        );
        bytes = answer["data"].to_string().len();
    }
    assert!(bytes > 100, "{}: an empty answer", case.name);
    bytes
}

/// The same with ids as UUIDs.
fn plain_ids(value: &Value) -> Value {
    match value {
        Value::Array(items) => items.iter().map(plain_ids).collect(),
        Value::Object(members) => {
            let plain = |(name, value): (&String, &Value)| {
                let id = value
                    .as_str()
                    .filter(|_| name == "id")
                    .map(|id| parse_any(id).expect("an id").1.to_string());
                (
                    name.clone(),
                    id.map_or_else(|| plain_ids(value), Value::String),
                )
            };
            members.iter().map(plain).collect::<Map<_, _>>().into()
        }
        other => other.clone(),
    }
}
