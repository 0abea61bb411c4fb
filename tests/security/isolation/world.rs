//! The mirror with everything that people and the programme's core add to each side, and with one row of everything that the programme keeps for itself.

use super::core::{self, Core};
use super::{callers, gathered};
use crate::automation_rows;
use crate::contract::Contract;
use crate::mirror::{Mirror, Side, mirror_on};
use crate::webhook_rows;
use async_graphql::parser::types::FieldDefinition;
use entities::assessment_scheme::{self, Criterion, CriterionGroup, NewScheme};
use entities::change::{Author, Change, Origin};
use entities::clock::Timestamp;
use entities::connection;
use entities::connection::mapping::chat::PartnerKey;
use entities::connection::mapping::{ConflictPolicy, OwnerMapping};
use entities::deal_confirmation::{self, Decision, NewConfirmation};
use entities::event;
use entities::goal::{self, GoalPatch, GoalUnit, NewGoal};
use entities::id::{self, ConnectionId, DealId, SyncConflictId};
use entities::inbound_signal::{self, NewSignal};
use entities::money::{Currency, Money};
use entities::privacy_request::{self, NewPrivacyRequest, PrivacyKind, Subject};
use entities::revenue_event::{self, Concerns, NewRevenue, RevenueKind};
use entities::sync_conflict::{self, ConflictStatus, Side as Winner};
use entities::viewer::{PartnerRole, Scopes, Viewer, ViewerKind};
use entities::visible::{self, Visible as _};
use sea_orm::{ColumnTrait as _, ConnectionTrait as _, QueryFilter as _};
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
    /// Ids of rows that are nobody's.
    nobodys: Vec<String>,
    /// The entries of the ledger, of A and of B.
    entries: [Vec<String>; 2],
    /// A registration of an account that two want.
    wanted: String,
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
            .with("ENTENTE_LIMITS_DOCUMENT_BYTES", 200_000)
            .with("ENTENTE_LIMITS_TOKENS", 50_000)
            .with("ENTENTE_LIMITS_EXPANDED_FIELDS", 100_000)
            .with("ENTENTE_LIMITS_COST", 10_000_000)
            .with("ENTENTE_LIMITS_BUDGET", 1_000_000_000)
            .with("ENTENTE_LIMITS_RESTORE_RATE", 1_000_000_000);
        let mut mirror = mirror_on(TestApp::start(options).await).await;
        // B's last rows are those of nobody and of the customer that both know.
        let nobodys: Vec<String> = mirror.b.own.iter().rev().take(4).cloned().collect();
        let chat = mirror.app.connect("slack").await;
        let mut programme = BTreeMap::from([
            ("Connection", mirror.connection.to_string()),
            ("SyncRun", mirror.run.to_string()),
        ]);
        programme.extend(kept_by_the_programme(&mirror).await);
        let (cores, wanted) = filled(&mirror).await;
        let mut change = mirror.app.change().await;
        let endpoint = webhook_rows::endpoint(&mut change, OF_THE_PROGRAMME, None).await;
        let vault = &mirror.app.state.core.vault;
        let places = (chat, endpoint);
        let automation =
            automation_rows::automations(&mut change, vault, OF_THE_PROGRAMME, places).await;
        change.commit().await.unwrap();
        programme.insert("Automation", automation.to_string());
        mirror.app.log_settled().await;
        let mut secret: Vec<String> = programme.values().cloned().collect();
        secret.extend([chat.to_string(), OF_THE_PROGRAMME.to_owned()]);
        secret.push(endpoint.to_string());
        let events = [
            an_event_of(&mirror, &mirror.a).await,
            an_event_of(&mirror, &mirror.b).await,
        ];
        let mut made = Vec::new();
        let app = &mirror.app;
        for side in [&mut mirror.a, &mut mirror.b, &mut mirror.c, &mut mirror.p] {
            let mut found = gathered::of_side(app, side).await;
            secret.extend(internal(side));
            secret.append(&mut found.internal);
            for id in found.ids {
                if !side.own.contains(&id) {
                    side.own.push(id);
                }
            }
            side.numbers = found.numbers;
            made.push(found.rows);
        }
        let entries = [
            entries_of(&mirror.app, &mirror.a).await,
            entries_of(&mirror.app, &mirror.b).await,
        ];
        let rows = |side: &Side, place: usize| {
            let (core, callers): &(Core, callers::Callers) = &cores[place];
            let own = [
                ("Event", events[place].clone()),
                ("WebhookEndpoint", side.endpoint.to_string()),
                ("Agreement", core.agreement.id.to_string()),
                ("DealRegistration", core.registration.id.to_string()),
                ("IdentityProvider", callers.provider.id.to_string()),
                ("LedgerDispute", core.dispute.id.to_string()),
                ("LedgerEntry", core.adjusted[1].id.to_string()),
                ("OAuthClient", callers.client.id.to_string()),
                ("Program", core.program.id.to_string()),
                ("Statement", core.statement.id.to_string()),
                ("Tier", core.tier.id.to_string()),
                ("User", callers.user.id.to_string()),
                ("Partner", side.partner.id.to_string()),
                ("Partnership", side.partnership.id.to_string()),
                ("Contact", side.contact.id.to_string()),
                ("Customer", side.customer.id.to_string()),
                ("Deal", side.deal.id.to_string()),
                ("RevenueEvent", side.revenue.id.to_string()),
            ];
            let own = own.into_iter();
            let own = own.chain(made[place].clone());
            own.chain(programme.clone()).collect()
        };
        Self {
            of_a: rows(&mirror.a, 0),
            of_b: rows(&mirror.b, 1),
            chat,
            secret,
            nobodys,
            entries,
            wanted,
            mirror,
        }
    }

    /// The same as B sees it: its rows are asked for where A's were.
    pub fn turned(mut self) -> Self {
        std::mem::swap(&mut self.of_a, &mut self.of_b);
        self.entries.swap(0, 1);
        self
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
            "explainLedgerEntry" => {
                let entries = self.entries[0].iter();
                entries.map(|id| format!("(id: \"{id}\")")).collect()
            }
            "registrationConflicts" => vec![format!("(id: \"{}\")", self.wanted)],
            "exclusivityOverlaps" => {
                vec!["(input: {from: \"2026-01-01\", scope: {}})".to_owned()]
            }
            "payoutBatchCsv" => {
                let mark = self.mirror.a.mark;
                vec![format!("(batch: \"{mark} batch\")")]
            }
            "previewHistoryAccrual" => vec!["(from: \"2026-01-01T00:00:00Z\")".to_owned()],
            "stageGuards" => vec![format!(
                "(partnershipId: \"{}\")",
                self.mirror.a.partnership.id
            )],
            "simulateCommissions" => vec![
                "(from: \"2026-01-01\", until: \"2027-01-01\", rules: [{type: TECHNOLOGY, terms: {rateBp: 1234, currency: \"EUR\"}}])"
                    .to_owned(),
            ],
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
        let p = &self.mirror.p;
        let more = [
            p.partner.id.to_string(),
            p.partnership.id.to_string(),
            p.customer.id.to_string(),
            p.deal.id.to_string(),
            p.revenue.id.to_string(),
        ];
        let last = self.nobodys.iter().cloned();
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

/// An id as a statement names it.
fn literal(app: &TestApp, id: uuid::Uuid) -> String {
    if app.database().is_postgres() {
        format!("'{id}'")
    } else {
        format!("X'{}'", id.simple())
    }
}

/// The entries of a side's ledger.
async fn entries_of(app: &TestApp, side: &Side) -> Vec<String> {
    let system = Viewer::system("world");
    let select = entities::ledger_entry::Entity::visible_to(&system)
        .filter(entities::ledger_entry::Column::PartnerId.eq(side.partner.id));
    let rows = select.all(app.database().read()).await.unwrap();
    rows.iter().map(|row| row.id.to_string()).collect()
}

/// Hands a registration in as its partner does, so that it has a receipt.
async fn handed_in(app: &TestApp, side: &Side, core: &Core) {
    let token = app.partner_token(side.partner.id);
    let (mark, lower) = (side.mark, side.mark.to_lowercase());
    let input = json!({
        "partnershipId": core.partnership.id.to_string(),
        "content": {
            "account": { "name": format!("{mark} account with a receipt"), "domain": format!("{lower}-receipt.example") },
            "contact": { "name": format!("{mark} contact with a receipt") },
            "useCase": format!("{mark} use case with a receipt"),
        },
    });
    let name = "createDealRegistration";
    let made = app
        .mutate(&token, name, input, "dealRegistration { id }")
        .await;
    let id = made.text(&format!("/{name}/dealRegistration/id"));
    let name = "submitDealRegistration";
    let submitted = app
        .mutate(&token, name, json!({ "id": id }), "__typename")
        .await;
    assert_eq!(submitted.refusals(name), Vec::<String>::new());
}

/// Everything of people and of the programme's core, on each side, with what was earned; and what a life would bring in time.
async fn filled(mirror: &Mirror) -> (Vec<(Core, callers::Callers)>, String) {
    let app = &mirror.app;
    let sides = [&mirror.a, &mirror.b, &mirror.c, &mirror.p];
    let mut change = app.change().await;
    let criterion = Criterion {
        key: "only".to_owned(),
        group: CriterionGroup::FinancialFit,
        question: OF_THE_PROGRAMME.to_owned(),
        weight: 7,
    };
    let scheme = NewScheme {
        name: OF_THE_PROGRAMME.to_owned(),
        description: OF_THE_PROGRAMME.to_owned(),
        criteria: vec![criterion],
        threshold_centi: 999,
    };
    assessment_scheme::publish(&mut change, scheme)
        .await
        .unwrap();
    let mut made = Vec::new();
    for side in sides {
        let core = core::of_side(&mut change, side, OF_THE_PROGRAMME).await;
        made.push((core, callers::of_side(app, &mut change, side).await));
    }
    let both = [(sides[0], &made[0].0), (sides[1], &made[1].0)];
    let wanted = core::wanted_by_both(&mut change, both).await;
    change.commit().await.unwrap();
    for (side, (core, _)) in sides.into_iter().zip(&made) {
        handed_in(app, side, core).await;
    }
    // History does not act: what is earned is told while it happens.
    let author = || Author {
        actor: "world".to_owned(),
        origin: Origin::Api,
        connection: None,
    };
    let mut change = Change::begin(app.database(), author()).await.unwrap();
    for (side, (core, _)) in sides.into_iter().zip(&made) {
        core::earn(&mut change, side, core).await;
    }
    change.commit().await.unwrap();
    entities::accrual::accrue(app.database(), &author())
        .await
        .unwrap();
    let history = Author {
        origin: Origin::Backfill,
        ..author()
    };
    let mut change = Change::begin(app.database(), history).await.unwrap();
    for (side, (core, _)) in sides.into_iter().zip(&made) {
        core::tell_history(&mut change, side, core).await;
    }
    change.commit().await.unwrap();
    for (side, (core, callers)) in sides.into_iter().zip(&made) {
        let of_partner = format!("partner_id = {}", literal(app, side.partner.id.0));
        let is = |id: uuid::Uuid| format!("id = {}", literal(app, id));
        let (mark, at) = (side.mark, 1_790_000_000_000_000_i64);
        let first = format!("{of_partner} AND number = '{mark} agreement'");
        let written = [
            format!(
                "UPDATE agreement SET notice_given_on = '2026-02-01', terminates_on = '2026-12-03', ended_on = '2026-12-03', \
                 notice_reason = '{OF_THE_PROGRAMME}', superseded_by = {} WHERE {first}",
                literal(app, core.agreement.id.0)
            ),
            format!(
                "UPDATE obligation SET owner = '{OF_THE_PROGRAMME}', note = '{OF_THE_PROGRAMME}', done_at = {at}, done_by = '{OF_THE_PROGRAMME}' WHERE {of_partner}"
            ),
            format!(
                "UPDATE payout SET paid_at = {at}, reference = '{mark} reference', failure = '{mark} failure' WHERE {of_partner}"
            ),
            format!(
                "UPDATE deal_registration SET deal_id = {} WHERE {}",
                literal(app, side.deal.id.0),
                is(core.registration.id.0)
            ),
            format!(
                "UPDATE oauth_client SET disabled_at = {at}, last_used_at = {at}, previous_secret_until = {at} WHERE {}",
                is(callers.client.id.0)
            ),
            format!(
                "UPDATE partner SET archived_at = {at} WHERE {}",
                is(side.partner.id.0)
            ),
            format!(
                "UPDATE customer SET archived_at = {at} WHERE {}",
                is(side.customer.id.0)
            ),
            format!(
                "UPDATE identity_provider SET disabled_at = {at}, confirmed_domains = domains WHERE {of_partner}"
            ),
            format!(
                "UPDATE user_account SET last_signed_in_at = {at}, erased_at = {at} WHERE {of_partner}"
            ),
            format!(
                "UPDATE program SET archived_at = {at} WHERE {}",
                is(core.program.id.0)
            ),
            format!(
                "UPDATE partner_application SET answer_until = {at}, decided_by = '{OF_THE_PROGRAMME}', submitted_by = '{OF_THE_PROGRAMME}' WHERE {of_partner}"
            ),
            format!(
                "UPDATE tier SET archived_at = {at} WHERE {}",
                is(core.tier.id.0)
            ),
        ];
        for statement in written {
            app.database()
                .write()
                .execute_unprepared(&statement)
                .await
                .unwrap();
        }
    }
    (made, wanted)
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
    let wanted = NewGoal {
        key: OF_THE_PROGRAMME.to_owned(),
        name: OF_THE_PROGRAMME.to_owned(),
        metric: OF_THE_PROGRAMME.to_owned(),
        scope: OF_THE_PROGRAMME.to_owned(),
        unit: GoalUnit::Money,
        currency: Some(Currency::EUR),
        baseline_micros: Some(1_000_000),
        target_micros: 2_000_000,
        due_on: change.now().date(),
        owner: Some(OF_THE_PROGRAMME.to_owned()),
        benchmark: Some(OF_THE_PROGRAMME.to_owned()),
    };
    let wanted = goal::create(&mut change, vec![wanted])
        .await
        .unwrap()
        .remove(0);
    let archived = GoalPatch {
        archived: Some(true),
        ..GoalPatch::default()
    };
    let wanted = goal::update(&mut change, wanted, archived).await.unwrap();
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
            customer_id: Some(mirror.b.customer.id),
            deal_id: Some(mirror.b.deal.id),
            partnership: Some((mirror.a.partnership.id, mirror.a.partner.id)),
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
    mapping.deal.owners.insert(
        OF_THE_PROGRAMME.to_owned(),
        OwnerMapping {
            name: Some(OF_THE_PROGRAMME.to_owned()),
            email: Some("owner@programme.example".to_owned()),
        },
    );
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
        ("Goal", wanted.id.to_string()),
    ])
}
