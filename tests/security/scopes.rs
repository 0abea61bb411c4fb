//! Scopes, held against the published schema: every field at the root names its scope and is refused without it, and so is every way from rows
//! of one scope to rows of another. What is added to the schema without a scope fails here.

use crate::contract::{Contract, base, scope};
use crate::core_rows::{self, Reached};
use entities::money::{Currency, Money};
use entities::revenue_event::{self, Concerns, NewRevenue, RevenueKind};
use entities::viewer::{PartnerRole, Scope, Scopes, ViewerKind};
use serde_json::json;
use std::collections::BTreeSet;
use tests::programme::{self, Size};
use tests::{Answer, HubSpotSetup, Options, TestApp};

/// Fields at the root that need no scope, because they answer nothing the token may not read anyway.
const FREE: [&str; 3] = ["node", "nodes", "viewer"];

/// The kinds of rows and the scope that reads them.
const ROWS: [(&str, &str); 46] = [
    ("Partner", "partners:read"),
    ("Partnership", "partners:read"),
    ("Contact", "partners:read"),
    ("Customer", "partners:read"),
    ("Deal", "deals:read"),
    ("DealPartner", "deals:read"),
    ("RevenueEvent", "deals:read"),
    ("Connection", "integrations:read"),
    ("SyncRun", "integrations:read"),
    ("SyncConflict", "integrations:read"),
    ("PrivacyRequest", "admin"),
    ("Event", "events:read"),
    ("WebhookEndpoint", "webhooks:manage"),
    ("WebhookDelivery", "webhooks:manage"),
    ("Automation", "webhooks:manage"),
    ("AutomationRun", "webhooks:manage"),
    ("MailMessage", "admin"),
    ("User", "users:manage"),
    ("OAuthClient", "clients:manage"),
    ("IdentityProvider", "users:manage"),
    ("Program", "partners:read"),
    ("ProgramEnrollment", "partners:read"),
    ("Tier", "partners:read"),
    ("TierAssignment", "partners:read"),
    ("CommissionRule", "agreements:read"),
    ("Agreement", "agreements:read"),
    ("AgreementVersion", "agreements:read"),
    ("AgreementSignature", "agreements:read"),
    ("SlaMeasurement", "agreements:read"),
    ("Obligation", "agreements:read"),
    ("ExclusivityOverlap", "agreements:read"),
    ("LedgerEntry", "earnings:read"),
    ("LedgerExplanation", "earnings:read"),
    ("CommitmentYear", "earnings:read"),
    ("Statement", "earnings:read"),
    ("LedgerDispute", "earnings:read"),
    ("Payout", "earnings:read"),
    ("DealRegistration", "registrations:read"),
    ("RegistrationNote", "registrations:read"),
    ("PartnerApplication", "partners:read"),
    ("Assessment", "partners:read"),
    ("AssessmentScheme", "partners:read"),
    ("Activity", "partners:read"),
    ("OnboardingTask", "partners:read"),
    ("StageGuard", "partners:read"),
    ("Goal", "partners:read"),
];

/// What a partner does with its own rows.
const OF_PARTNERS: [&str; 12] = [
    "answerPartnerApplication",
    "checkAccount",
    "commentDealRegistration",
    "createDealRegistration",
    "disputeLedgerEntry",
    "requestDealRegistrationExtension",
    "reviseDealRegistration",
    "submitDealRegistration",
    "submitPartnerApplication",
    "withdrawDealRegistration",
    "withdrawLedgerDispute",
    "withdrawPartnerApplication",
];

/// The scope by which a partner's software writes: what is its own organisation's, and what its own tests hold to that.
const OWN: &str = "webhooks:manage";

fn read_scope(ty: &str) -> Option<&'static str> {
    let row = ty
        .strip_suffix("Connection")
        .filter(|row| !row.is_empty())
        .unwrap_or(ty);
    let row = row.strip_suffix("Edge").unwrap_or(row);
    ROWS.iter()
        .find(|(name, _)| *name == row)
        .map(|(_, scope)| *scope)
}

fn all_but(missing: &str) -> impl Iterator<Item = Scope> {
    Scope::ALL
        .iter()
        .copied()
        .filter(move |scope| scope.as_str() != missing)
}

fn is_forbidden(answer: &Answer, field: &str) -> bool {
    let errors = answer.body["errors"].as_array();
    errors.into_iter().flatten().any(|error| {
        let at_field = error["path"]
            .as_array()
            .is_some_and(|path| path.iter().any(|step| step == field));
        error["extensions"]["code"] == "FORBIDDEN" && at_field
    })
}

#[test]
fn every_scope_in_the_schema_exists() {
    let contract = Contract::published();
    for object in contract.objects() {
        for field in contract.fields(object) {
            if let Some(scope) = scope(field) {
                assert!(
                    scope.parse::<Scope>().is_ok(),
                    "{object}.{} requires the unknown scope {scope}",
                    field.name.node
                );
            }
        }
    }
}

#[tokio::test]
async fn every_root_field_is_refused_without_its_scope_and_open_with_it() {
    let app = TestApp::plain().await;
    let contract = Contract::published();
    let mut covered = 0;
    for (operation, root) in [("query", "Query"), ("mutation", "Mutation")] {
        for field in contract.fields(root) {
            let name = field.name.node.as_str();
            let query = format!("{operation} {{ {} }}", contract.call(field));
            let Some(required) = scope(field) else {
                assert!(
                    root == "Query" && FREE.contains(&name),
                    "{root}.{name} names no scope: add @requiresScope"
                );
                let answer = app.graphql(&app.token([]), &query, json!({})).await;
                assert!(answer.body.get("errors").is_none(), "{name}: {answer}");
                continue;
            };
            let without = app
                .graphql(&app.token(all_but(&required)), &query, json!({}))
                .await;
            assert!(
                is_forbidden(&without, name),
                "{name} answers without {required}: {without}"
            );
            assert!(
                without
                    .body
                    .pointer(&format!("/data/{name}"))
                    .is_none_or(serde_json::Value::is_null),
                "{name}: {without}"
            );
            let only = app
                .graphql(&app.token([required.parse().unwrap()]), &query, json!({}))
                .await;
            assert_eq!(only.status, 200, "{query}: {only}");
            assert!(
                !is_forbidden(&only, name),
                "{name} is refused with {required}: {only}"
            );
            assert!(
                !only.codes().contains(&"GRAPHQL_VALIDATION_FAILED"),
                "{query}: {only}"
            );
            covered += 1;
        }
    }
    assert!(covered >= 25, "only {covered} fields were tried");
    app.end().await;
}

#[tokio::test]
async fn no_mutation_but_those_of_partners_takes_a_partners_token() {
    let app = TestApp::plain().await;
    let made = programme::fill(
        &app,
        Size {
            partners: 2,
            customers: 2,
            deals: 6,
        },
    )
    .await;
    let before = app.number("SELECT COUNT(*) FROM event").await;
    let token = app.partner_token(made.partners[0].id);
    let contract = Contract::published();
    for field in contract.fields("Mutation") {
        let name = field.name.node.as_str();
        let query = format!("mutation {{ {} }}", contract.call(field));
        let answer = app.graphql(&token, &query, json!({})).await;
        let said = field.description.as_ref();
        let for_staff = said.is_some_and(|text| text.node.ends_with("For staff."));
        if scope(field).as_deref() == Some(OWN) && !for_staff {
            assert!(!is_forbidden(&answer, name), "{name}: {answer}");
            continue;
        }
        if OF_PARTNERS.contains(&name) {
            assert!(answer.body.get("errors").is_none(), "{name}: {answer}");
            continue;
        }
        assert!(is_forbidden(&answer, name), "{name}: {answer}");
    }
    // The same with an input that would succeed, on the partner's own deal.
    let input = json!({"id": made.deals[1].id.to_string(), "name": "Mine now"});
    let answer = app.mutate(&token, "updateDeal", input, "deal { id }").await;
    assert!(is_forbidden(&answer, "updateDeal"), "{answer}");
    assert_eq!(
        app.number("SELECT COUNT(*) FROM event").await,
        before,
        "nothing was written"
    );
    app.finish().await;
}

#[test]
fn everything_that_can_be_listened_to_names_its_scope() {
    let contract = Contract::published();
    let fields = contract.fields("Subscription");
    assert!(fields.len() >= 3);
    for field in fields {
        let name = field.name.node.as_str();
        assert!(scope(field).is_some(), "{name} names no scope");
    }
}

#[test]
fn every_way_to_rows_of_another_scope_names_that_scope() {
    let contract = Contract::published();
    for object in contract
        .objects()
        .filter(|object| !matches!(*object, "Query" | "Mutation" | "Subscription"))
    {
        for field in contract.fields(object) {
            let target = base(&field.ty.node);
            let Some(needed) = read_scope(target) else {
                continue;
            };
            // A payload answers the row that was just written, by a token that may write it.
            let same = read_scope(object) == Some(needed) || object.ends_with("Payload");
            // Who asks for itself is answered null where the scope is missing; a test of its own holds that.
            let oneself = object == "Viewer";
            assert!(
                same || oneself || scope(field).as_deref() == Some(needed),
                "{object}.{} leads to {target} without {needed}",
                field.name.node
            );
        }
    }
}

/// How a row of a type is reached from the root, around a selection.
fn reached(ty: &str, selection: &str, by: &Reached) -> String {
    match ty {
        "Partner" => format!("{{ partners(first: 5) {{ nodes {{ {selection} }} }} }}"),
        "Partnership" => format!("{{ partnerships(first: 5) {{ nodes {{ {selection} }} }} }}"),
        "Contact" => format!("{{ contacts(first: 5) {{ nodes {{ {selection} }} }} }}"),
        "Customer" => format!("{{ customers(first: 5) {{ nodes {{ {selection} }} }} }}"),
        "Deal" => format!("{{ deals(first: 20) {{ nodes {{ {selection} }} }} }}"),
        "DealPartner" => {
            format!("{{ deals(first: 20) {{ nodes {{ partners {{ {selection} }} }} }} }}")
        }
        "RevenueEvent" => format!("{{ revenueEvents(first: 5) {{ nodes {{ {selection} }} }} }}"),
        "CommissionRule" => {
            format!("{{ commissionRules(first: 5) {{ nodes {{ {selection} }} }} }}")
        }
        "Agreement" => format!("{{ agreements(first: 5) {{ nodes {{ {selection} }} }} }}"),
        "Obligation" => format!("{{ obligations(first: 5) {{ nodes {{ {selection} }} }} }}"),
        "LedgerEntry" => format!("{{ ledgerEntries(first: 5) {{ nodes {{ {selection} }} }} }}"),
        "Statement" => format!("{{ statements(first: 5) {{ nodes {{ {selection} }} }} }}"),
        "LedgerDispute" => {
            format!("{{ ledgerDisputes(first: 5) {{ nodes {{ {selection} }} }} }}")
        }
        "Payout" => format!("{{ payouts(first: 5) {{ nodes {{ {selection} }} }} }}"),
        "CommitmentYear" => {
            format!("{{ partnerships {{ nodes {{ commitmentYears {{ {selection} }} }} }} }}")
        }
        "LedgerExplanation" => {
            format!(
                "{{ explainLedgerEntry(id: {:?}) {{ {selection} }} }}",
                by.entry
            )
        }
        "CommissionDifference" => format!(
            "{{ simulateCommissions(rules: [{{ type: CHANNEL, terms: {{ currency: \"EUR\", rateBp: 1 }} }}], from: \"2026-01-01\", until: \"2100-01-01\") \
             {{ {selection} }} }}"
        ),
        "AccrualSum" => format!(
            "{{ previewHistoryAccrual(from: \"2026-01-01T00:00:00Z\") {{ sums {{ {selection} }} }} }}"
        ),
        "DealRegistration" => {
            format!("{{ dealRegistrations(first: 5) {{ nodes {{ {selection} }} }} }}")
        }
        "RegistrationConflict" => {
            format!(
                "{{ registrationConflicts(id: {:?}) {{ {selection} }} }}",
                by.second
            )
        }
        "Connection" => format!("{{ connections(first: 5) {{ nodes {{ {selection} }} }} }}"),
        "User" => format!("{{ users(first: 5) {{ nodes {{ {selection} }} }} }}"),
        "OAuthClient" => format!("{{ oauthClients(first: 5) {{ nodes {{ {selection} }} }} }}"),
        "IdentityProvider" => {
            format!("{{ identityProviders(first: 5) {{ nodes {{ {selection} }} }} }}")
        }
        other => panic!("teach this test how a {other} is reached"),
    }
}

/// Somebody who signs in, a client and an identity provider of a partner.
async fn organisation(app: &TestApp, partner: &str) {
    let token = app.admin();
    for (mutation, input) in [
        (
            "inviteUser",
            json!({"name": "A", "email": "a@x.example", "role": "PARTNER_REP", "partnerId": partner}),
        ),
        (
            "createOAuthClient",
            json!({"name": "C", "authMethod": "CLIENT_SECRET_BASIC", "grantTypes": ["CLIENT_CREDENTIALS"], "scopes": ["deals:read"], "partnerId": partner}),
        ),
        (
            "setIdentityProvider",
            json!({"name": "I", "issuer": "https://id.x.example", "clientId": "c", "clientSecret": "s", "domains": ["x.example"], "partnerId": partner}),
        ),
    ] {
        let answer = app.mutate(&token, mutation, input, "__typename").await;
        assert_eq!(answer.refusals(mutation), Vec::<String>::new(), "{answer}");
    }
}

#[tokio::test]
async fn fields_below_the_root_are_refused_without_their_scope() {
    let app =
        TestApp::start(Options::hubspot(HubSpotSetup::empty()).with("ENTENTE_DEV_MAIL", true))
            .await;
    let made = programme::fill(
        &app,
        Size {
            partners: 3,
            customers: 3,
            deals: 20,
        },
    )
    .await;
    app.connect_hubspot().await;
    let mut change = app.change().await;
    let paid = NewRevenue {
        external_key: "one".to_owned(),
        kind: RevenueKind::Payment,
        amount: Money {
            minor: 1_000,
            currency: Currency::USD,
        },
        occurred_at: change.now(),
        concerns: Concerns {
            deal_id: Some(made.deals[0].id),
            ..Concerns::default()
        },
    };
    revenue_event::record(&mut change, None, vec![paid])
        .await
        .unwrap();
    change.commit().await.unwrap();
    organisation(&app, &made.partners[0].id.to_string()).await;
    let by = core_rows::fill(&app, &made).await;
    let contract = Contract::published();
    let mut covered = BTreeSet::new();
    for object in contract
        .objects()
        .filter(|object| !matches!(*object, "Query" | "Mutation" | "Subscription"))
    {
        for field in contract.fields(object) {
            let Some(required) = scope(field) else {
                continue;
            };
            let name = field.name.node.as_str();
            let query = reached(object, &contract.call(field), &by);
            let with = app.ask(&app.admin(), &query).await;
            assert!(
                with.body["data"].to_string().contains(name),
                "{query} reaches nothing: {with}"
            );
            let without = app
                .graphql(&app.token(all_but(&required)), &query, json!({}))
                .await;
            // Where the row itself needs the scope, the way to it is refused already.
            let refused = is_forbidden(&without, name)
                || (read_scope(object) == Some(required.as_str())
                    && without.codes() == ["FORBIDDEN"]);
            assert!(
                refused,
                "{object}.{name} answers without {required}: {without}"
            );
            covered.insert(format!("{object}.{name}"));
        }
    }
    for field in [
        "Connection.webhookUrl",
        "Deal.revenueEvents",
        "Partner.revenueEvents",
        "RevenueEvent.customer",
        "RevenueEvent.partner",
    ] {
        assert!(
            covered.contains(field),
            "{field} was not tried: {covered:?}"
        );
    }
    app.drain().await;
    app.finish().await;
}

#[tokio::test]
async fn ways_without_a_scope_of_their_own_answer_null() {
    let app = TestApp::plain().await;
    let made = programme::fill(
        &app,
        Size {
            partners: 2,
            customers: 2,
            deals: 8,
        },
    )
    .await;
    let ids = [
        (made.partners[0].id.to_string(), "partners:read"),
        (made.partnerships[0].id.to_string(), "partners:read"),
        (made.contacts[0].id.to_string(), "partners:read"),
        (made.customers[0].id.to_string(), "partners:read"),
        (made.deals[1].id.to_string(), "deals:read"),
    ];
    for (id, required) in ids {
        let query = format!(r#"{{ node(id: "{id}") {{ id }} nodes(ids: ["{id}"]) {{ id }} }}"#);
        let with = app
            .ask(&app.token([required.parse().unwrap()]), &query)
            .await;
        assert_eq!(
            (with.at("/node/id"), with.at("/nodes/0/id")),
            (&json!(id), &json!(id))
        );
        let without = app.ask(&app.token(all_but(required)), &query).await;
        assert!(
            without.at("/node").is_null() && without.at("/nodes/0").is_null(),
            "{id} without {required}: {without}"
        );
    }
    let partner = made.partners[0].id;
    let token = |scopes: Vec<Scope>| {
        app.token_for(
            ViewerKind::Partner(partner, PartnerRole::Software),
            scopes.into_iter().collect::<Scopes>(),
        )
    };
    let query = "{ viewer { partner { id } } }";
    assert_eq!(
        app.ask(&token(vec![Scope::PartnersRead]), query)
            .await
            .at("/viewer/partner/id"),
        &json!(partner.to_string())
    );
    let without: Vec<Scope> = all_but("partners:read").collect();
    assert!(
        app.ask(&token(without), query)
            .await
            .at("/viewer/partner")
            .is_null()
    );
    app.finish().await;
}
