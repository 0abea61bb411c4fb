//! The mirror, with one row of everything that the programme keeps for itself.

use crate::contract::Contract;
use crate::mirror::{Mirror, Side, mirror_on};
use crate::webhook_rows;
use async_graphql::parser::types::FieldDefinition;
use entities::clock::Timestamp;
use entities::connection;
use entities::connection::mapping::ConflictPolicy;
use entities::connection::mapping::chat::PartnerKey;
use entities::deal_confirmation::{self, Decision, NewConfirmation};
use entities::event;
use entities::id::{self, ConnectionId, DealId, SyncConflictId};
use entities::inbound_signal::{self, NewSignal};
use entities::money::{Currency, Money};
use entities::privacy_request::{self, NewPrivacyRequest, PrivacyKind, Subject};
use entities::revenue_event::{self, Concerns, NewRevenue, RevenueKind};
use entities::sync_conflict::{self, ConflictStatus, Side as Winner};
use entities::viewer::{PartnerRole, Scopes, Viewer, ViewerKind};
use entities::visible;
use sea_orm::ConnectionTrait as _;
use serde_json::json;
use std::collections::BTreeMap;
use tests::{HubSpotSetup, Options, Setups, SlackSetup, TestApp};

/// A text that only the programme's own people may read.
pub const OF_THE_PROGRAMME: &str = "CANARY-OF-THE-PROGRAMME";

/// What a run found, one of each kind.
const FINDINGS: &str = r#"{"counts": {"company": {"read": 3, "created": 1}}, "issues": [{"resource": "company", "external_id": "1", "field": "name",
    "code": "INVALID", "message": "CANARY-OF-THE-PROGRAMME"}], "issue_count": 1, "unmapped": {"company.CANARY-OF-THE-PROGRAMME": 2},
    "drift": {"company": {"missing_here": 1, "different": 2, "missing_there": 3}}}"#;

/// So many fields may stand at the root of a question: one for each kind of row.
pub const ROOT_FIELDS: usize = 12;

/// Everything there is to ask about.
pub struct World {
    /// The partners.
    pub mirror: Mirror,
    /// The chat's connection.
    chat: ConnectionId,
    /// For each type with global ids a row: A's own, or the programme's where partners have none.
    pub of_a: BTreeMap<&'static str, String>,
    /// The same of B.
    pub of_b: BTreeMap<&'static str, String>,
    /// Ids and texts that no partner may read.
    pub secret: Vec<String>,
}

impl World {
    /// Makes it.
    pub async fn made() -> Self {
        let options = Options {
            hubspot: Some(HubSpotSetup::empty()),
            others: Setups {
                slack: Some(SlackSetup::default()),
                ..Setups::default()
            },
            ..Options::default()
        };
        // The suite asks for more in a minute than anybody else in a day.
        let options = options
            .with("ENTENTE_LIMITS_ROOT_FIELDS", ROOT_FIELDS)
            .with("ENTENTE_LIMITS_COST", 1_000_000)
            .with("ENTENTE_LIMITS_BUDGET", 1_000_000_000)
            .with("ENTENTE_LIMITS_RESTORE_RATE", 1_000_000_000);
        let mirror = mirror_on(TestApp::start(options).await).await;
        let chat = mirror.app.connect("slack").await;
        let mut programme = BTreeMap::from([
            ("Connection", mirror.connection.to_string()),
            ("SyncRun", mirror.run.to_string()),
        ]);
        programme.extend(kept_by_the_programme(&mirror).await);
        let mut change = mirror.app.change().await;
        let endpoint = webhook_rows::endpoint(&mut change, OF_THE_PROGRAMME, None).await;
        change.commit().await.unwrap();
        mirror.app.log_settled().await;
        let mut secret: Vec<String> = programme.values().cloned().collect();
        secret.extend([chat.to_string(), OF_THE_PROGRAMME.to_owned()]);
        secret.push(endpoint.to_string());
        let (event_of_a, event_of_b) = (
            an_event_of(&mirror, &mirror.a).await,
            an_event_of(&mirror, &mirror.b).await,
        );
        for side in [&mirror.a, &mirror.b, &mirror.c, &mirror.p] {
            secret.extend(internal(side));
        }
        let rows = |side: &Side, event: String| {
            let own = [
                ("Event", event),
                ("WebhookEndpoint", side.endpoint.to_string()),
                ("Partner", side.partner.id.to_string()),
                ("Partnership", side.partnership.id.to_string()),
                ("Contact", side.contact.id.to_string()),
                ("Customer", side.customer.id.to_string()),
                ("Deal", side.deal.id.to_string()),
                ("RevenueEvent", side.revenue.id.to_string()),
            ];
            let own = own.into_iter();
            own.chain(programme.clone()).collect()
        };
        let world = Self {
            of_a: rows(&mirror.a, event_of_a),
            of_b: rows(&mirror.b, event_of_b),
            chat,
            secret,
            mirror,
        };
        assert_eq!(world.of_b.len(), ROOT_FIELDS, "one of each kind");
        world
    }

    /// The row of a type that stands for its kind.
    pub fn row(&self, ty: &str) -> &str {
        let row = self.of_a.get(ty);
        row.unwrap_or_else(|| {
            panic!("the world has no {ty}: make one, of A and of B or of the programme")
        })
    }

    /// The arguments with which a field of the root shows something, without selection; several where one shows only a part.
    pub fn arguments(
        &self,
        contract: &Contract,
        field: &FieldDefinition,
        page: usize,
    ) -> Vec<String> {
        let name = field.name.node.as_str();
        let mut required = field.arguments.iter().map(|argument| &argument.node);
        let has = |name: &str| {
            field
                .arguments
                .iter()
                .any(|argument| argument.node.name.node == name)
        };
        let connection = self.mirror.connection;
        match name {
            "recordTimeline" => vec![
                format!("(id: \"{}\")", self.row("Deal")),
                format!("(connectionId: \"{connection}\", externalId: \"404\")"),
            ],
            "syncFailures" => ["INBOUND", "OUTBOUND"]
                .map(|way| {
                    format!("(connectionId: \"{connection}\", direction: {way}, first: {page})")
                })
                .into(),
            // A subscription, from the beginning; the query of this name is a list.
            "events" if !has("first") => vec!["(after: \"0.0\")".to_owned()],
            "syncProgress" => vec![format!("(connectionId: \"{connection}\")")],
            "chatChannels" => vec![format!("(connectionId: \"{}\")", self.chat)],
            "previewMapping" => {
                let places = contract.places(field);
                let connection_id = places
                    .iter()
                    .find(|place| place.path == ["input", "connectionId"]);
                let call = contract.call_at(field, connection_id.unwrap(), &connection.to_string());
                vec![call.replacen(name, "", 1)]
            }
            _ if has("id") => {
                let ty = crate::contract::base(&field.ty.node);
                vec![format!("(id: \"{}\")", self.row(ty))]
            }
            _ if has("first") => {
                let more = if contract.filters(field, "includeArchived") {
                    ", filter: {includeArchived: true}"
                } else {
                    ""
                };
                vec![format!("(first: {page}{more})")]
            }
            _ if required.all(|argument| argument.ty.node.nullable) => vec![String::new()],
            _ => panic!("the world does not know how {name} is asked"),
        }
    }

    /// Ids that A may know nothing of, each with one of the same kind that never was: of B and of the programme one of each kind, then what is
    /// nobody's, and the company above.
    pub fn hidden_from_a(&self) -> Vec<(String, String)> {
        let (b, p) = (&self.mirror.b, &self.mirror.p);
        let more = [
            p.partner.id.to_string(),
            p.partnership.id.to_string(),
            p.customer.id.to_string(),
            p.deal.id.to_string(),
            p.revenue.id.to_string(),
        ];
        // B's last rows are those of nobody and of the customer that both know.
        let last = b.own.iter().rev().take(4).cloned();
        let hidden = self.of_b.values().cloned().chain(more).chain(last);
        hidden
            .map(|known| {
                let (prefix, _) = id::parse_any(&known).unwrap();
                let never: DealId = self.mirror.app.database().new_id();
                (known, id::show(&prefix, never.0))
            })
            .collect()
    }
}

/// An event that concerns one side alone.
async fn an_event_of(mirror: &Mirror, side: &Side) -> String {
    let kind = ViewerKind::Partner(side.partner.id, PartnerRole::Software);
    let viewer = Viewer::new(kind, Scopes::all(), "world".to_owned());
    let kinds = ["partner.created".to_owned()];
    let found = event::list_after(mirror.app.database(), &viewer, None, Some(&kinds), 1).await;
    found.unwrap().remove(0).id.to_string()
}

/// What of a partner's own rows only the programme reads.
fn internal(side: &Side) -> [String; 4] {
    let mark = side.mark;
    let target = side.partnership.revenue_target().unwrap().minor;
    [
        format!("{mark} dri"),
        format!("{mark} value for us"),
        format!("{mark} tag"),
        format!("{}.{:02}", target / 100, target % 100),
    ]
}

/// A conflict, a wish under the law, an outcome confirmed in the chat, a failure, and a run that found one of everything.
async fn kept_by_the_programme(mirror: &Mirror) -> BTreeMap<&'static str, String> {
    let (app, connection_id) = (&mirror.app, mirror.connection);
    let mut change = app.change().await;
    let conflict = sync_conflict::Model {
        id: change.new_id::<SyncConflictId>(),
        version: 1,
        created_at: change.now(),
        updated_at: change.now(),
        connection_id,
        resource: "company".to_owned(),
        external_id: "404".to_owned(),
        subject_kind: "partner".to_owned(),
        subject_id: mirror.a.partner.id.0,
        field: "name".to_owned(),
        ours: json!(OF_THE_PROGRAMME),
        theirs: json!("CANARY-B theirs"),
        policy: "ASK".to_owned(),
        status: ConflictStatus::Resolved,
        winner: Some(Winner::Ours),
        resolved_by: Some(OF_THE_PROGRAMME.to_owned()),
        resolved_at: Some(change.now()),
    };
    sync_conflict::insert(&change, std::slice::from_ref(&conflict))
        .await
        .unwrap();
    let wish = NewPrivacyRequest {
        connection_id,
        kind: PrivacyKind::DataRequest,
        request_id: OF_THE_PROGRAMME.to_owned(),
        subject: Subject::default(),
    };
    let wish = privacy_request::request(&mut change, wish).await.unwrap();
    for side in [&mirror.a, &mirror.b] {
        let said = NewConfirmation {
            deal_id: side.won,
            outcome: entities::deal::DealStage::Won,
            decision: Decision::Confirmed,
            event_id: change.new_id(),
            connection_id,
            user_id: format!("{} user", side.mark),
            user_name: Some(OF_THE_PROGRAMME.to_owned()),
            occurred_at: Timestamp::from_secs(1_790_000_000),
            dedupe_key: side.mark.to_owned(),
        };
        assert!(deal_confirmation::confirm(&mut change, said).await.unwrap());
    }
    // What A brought about for a deal it shares in no more (below): it sees the money and nothing else.
    let odd = NewRevenue {
        external_key: "CANARY-A odd".to_owned(),
        kind: RevenueKind::Payment,
        amount: Money {
            minor: 12_346,
            currency: Currency::USD,
        },
        occurred_at: Timestamp::from_secs(1_790_000_001),
        concerns: Concerns {
            partnership: Some((mirror.a.partnership.id, mirror.a.partner.id)),
            ..Concerns::default()
        },
    };
    revenue_event::record(&mut change, None, vec![odd])
        .await
        .unwrap();
    let signal = NewSignal {
        connection_id,
        resource: "company".to_owned(),
        external_id: "404".to_owned(),
        hint: json!({ "kind": "changed" }),
    };
    inbound_signal::raise(&change, vec![signal]).await.unwrap();
    change.commit().await.unwrap();
    let system = Viewer::system("world");
    let read = app.database().read();
    let found = visible::find_one::<connection::Entity, _>(read, &system, connection_id.0);
    let mut mapping = found.await.unwrap().unwrap().mapping;
    let theirs = ConflictPolicy::Theirs;
    mapping
        .company
        .policy
        .fields
        .insert("name".to_owned(), theirs);
    mapping.order.partner_from = vec![
        serde_json::from_value(json!({
            "property": "note", "partners": { "CODE": mirror.b.partner.id.to_string() },
        }))
        .unwrap(),
    ];
    mapping
        .chat
        .partners
        .insert(PartnerKey(mirror.b.partner.id), "C1".to_owned());
    let mapping = serde_json::to_string(&mapping).unwrap();
    let by = "connection_id = (SELECT id FROM connection WHERE connector = 'hubspot')";
    let written = [
        format!("UPDATE revenue_event SET {by}"),
        format!("UPDATE event SET {by}"),
        "UPDATE revenue_event SET deal_id = (SELECT id FROM deal WHERE name = 'CANARY-B deal 0'), \
         customer_id = (SELECT id FROM customer WHERE name = 'CANARY-B customer') WHERE external_key = 'CANARY-A odd'"
            .to_owned(),
        format!("UPDATE connection SET mapping = '{mapping}'"),
        format!(
            "UPDATE inbound_signal SET dead = true, attempts = 8, error = '{OF_THE_PROGRAMME}'"
        ),
        format!("UPDATE sync_run SET findings = '{FINDINGS}', error = '{OF_THE_PROGRAMME}'"),
        format!(
            "UPDATE partnership SET live_at = 1790000000000000, ended_at = 1790000000000001, ended_reason = '{OF_THE_PROGRAMME}'"
        ),
        format!("UPDATE privacy_request SET export = '{{\"of\": \"{OF_THE_PROGRAMME}\"}}'"),
    ];
    for statement in written {
        let database = app.database().write();
        database.execute_unprepared(&statement).await.unwrap();
    }
    BTreeMap::from([
        ("SyncConflict", conflict.id.to_string()),
        ("PrivacyRequest", wish.unwrap().id.to_string()),
    ])
}
