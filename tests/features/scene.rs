//! A programme to earn in: a partner with an agreement in force, told through the API alone.

use api::worker::Work;
use api::worker::programme::Clockwork;
use entities::id::PartnerId;
use entities::viewer::{Scope, StaffRole, ViewerKind};
use serde_json::{Value, json};
use tests::{Answer, Options, TestApp};

/// Where everything begins.
pub const TODAY: &str = "2026-11-02T09:00:00Z";

pub struct Scene {
    pub app: TestApp,
    pub admin: String,
    pub program: String,
    pub partner: PartnerId,
    pub partnership: String,
}

/// What a mutation answered, which must not be refused.
#[track_caller]
pub fn done(answer: &Answer, mutation: &str) -> Value {
    assert_eq!(answer.refusals(mutation), Vec::<String>::new(), "{answer}");
    answer.at(&format!("/{mutation}")).clone()
}

impl Scene {
    /// A programme in Berlin with no holding and no limit below which one person pays out, and a technology partner in it.
    pub async fn start() -> Self {
        Self::start_with(Options::standing_at(TODAY)).await
    }

    /// As [`Self::start`], with systems to connect.
    pub async fn start_with(options: Options) -> Self {
        let app = TestApp::start(options).await;
        let admin = app.admin();
        let input = json!({ "name": "Partners", "timeZone": "Europe/Berlin", "holdDays": 0, "products": ["Core", "Plus"], "territories": ["DE", "AT"] });
        let answer = app
            .mutate(&admin, "createProgram", input, "program { id }")
            .await;
        let program = done(&answer, "createProgram")["program"]["id"]
            .as_str()
            .unwrap()
            .to_owned();
        let mut scene = Self {
            app,
            admin,
            program,
            partner: "partner_01h2xcejqtf2nbrexx3vqjhp41".parse().unwrap(),
            partnership: String::new(),
        };
        (scene.partner, scene.partnership) = scene.partner("Acme").await;
        scene
    }

    /// Another partner of the programme, with a partnership.
    pub async fn partner(&self, name: &str) -> (PartnerId, String) {
        let made = self
            .admin("createPartner", json!({ "name": name }), "partner { id }")
            .await;
        let partner = made["partner"]["id"].as_str().unwrap().to_owned();
        let input = json!({ "partnerId": partner, "type": "TECHNOLOGY" });
        let made = self
            .admin("createPartnership", input, "partnership { id }")
            .await;
        let partnership = made["partnership"]["id"].as_str().unwrap().to_owned();
        let input = json!({ "programId": self.program, "partnershipIds": [partnership] });
        self.admin("enrollPartnerships", input, "partnerships { id }")
            .await;
        (partner.parse().unwrap(), partnership)
    }

    /// A mutation of staff that succeeds.
    pub async fn admin(&self, mutation: &str, input: Value, selection: &str) -> Value {
        // Made anew each time: a test may have let hours pass.
        let token = self.app.admin();
        let answer = self.app.mutate(&token, mutation, input, selection).await;
        done(&answer, mutation)
    }

    /// A mutation of staff that is refused, and for what.
    pub async fn refused(&self, mutation: &str, input: Value) -> Vec<String> {
        let answer = self
            .app
            .mutate(&self.app.admin(), mutation, input, "__typename")
            .await;
        answer.refusals(mutation)
    }

    /// A token of the partner.
    pub fn own(&self) -> String {
        self.app.partner_token(self.partner)
    }

    /// A token of another person on staff.
    pub fn colleague(&self) -> String {
        use api::oauth::token::{Basis, TokenRequest};
        self.app.issue(&TokenRequest {
            subject: "colleague".to_owned(),
            client_id: "tests".to_owned(),
            kind: ViewerKind::Staff(StaffRole::Finance),
            scopes: Scope::ALL.iter().copied().collect(),
            lifetime_seconds: 3_600,
            basis: Basis::default(),
        })
    }

    /// A draft of an agreement, and its id.
    pub async fn draft(&self, partnership: &str, terms: Value) -> String {
        let input =
            json!({ "partnershipId": partnership, "effectiveOn": "2026-11-02", "terms": terms });
        let made = self
            .admin("createAgreement", input, "agreement { id }")
            .await;
        made["agreement"]["id"].as_str().unwrap().to_owned()
    }

    /// Brings an agreement before its signers.
    pub async fn bring_to_signature(&self, id: &str) {
        for to in ["IN_NEGOTIATION", "LEGAL_REVIEW", "PENDING_SIGNATURE"] {
            let input = json!({ "id": id, "to": to });
            self.admin("advanceAgreement", input, "agreement { id }")
                .await;
        }
    }

    /// Signs the last version for a side.
    pub async fn sign(&self, id: &str, side: &str) -> Answer {
        let query = format!("{{ agreement(id: {id:?}) {{ versions {{ termsHash }} }} }}");
        let known = self.app.ask(&self.admin, &query).await;
        let hash = known.list("/agreement/versions").last().unwrap()["termsHash"].clone();
        let input = json!({ "id": id, "side": side, "signerName": "Ada", "signerTitle": "Head", "termsHash": hash });
        self.app
            .mutate(
                &self.admin,
                "signAgreement",
                input,
                "agreement { id status }",
            )
            .await
    }

    /// An agreement in force from today on.
    pub async fn agree(&self, partnership: &str, terms: Value) -> String {
        let id = self.draft(partnership, terms).await;
        self.bring_to_signature(&id).await;
        done(&self.sign(&id, "US").await, "signAgreement");
        let signed = done(&self.sign(&id, "PARTNER").await, "signAgreement");
        assert_eq!(signed["agreement"]["status"], "ACTIVE");
        id
    }

    /// Terms by which 20 % are shared, and 5 % more from EUR 100,000 on.
    pub fn technology() -> Value {
        json!({
            "revenueShare": { "scheme": "CUSTOM", "ourShareBp": 8_000, "partnerShareBp": 2_000 },
            "earning": {
                "currency": "EUR", "commitment": { "unit": "REVENUE", "amount": "100000" },
                "bonus": { "basis": "ALL_ELIGIBLE_REVENUE", "rateBp": 500 },
            },
        })
    }

    /// A payment that is a partnership's doing; the answer is its id.
    pub async fn pay(&self, partnership: &str, key: &str, amount: &str) -> String {
        let input = json!({
            "externalKey": key, "kind": "PAYMENT", "amount": { "amount": amount, "currency": "EUR" }, "occurredAt": TODAY,
            "partnershipId": partnership,
        });
        let told = self
            .admin("recordRevenue", input, "revenueEvent { id }")
            .await;
        told["revenueEvent"]["id"].as_str().unwrap().to_owned()
    }

    /// Lets the programme's worker do what is due.
    pub async fn work(&self) {
        let clockwork = Clockwork(self.app.database().clone());
        let mut steps = 0;
        while clockwork.step().await.unwrap() {
            steps += 1;
            assert!(steps < 1_000, "the worker finds no end");
        }
    }

    /// The amounts of the ledger, by kind, oldest first.
    pub async fn ledger(&self, token: &str) -> Vec<(String, String, String)> {
        let query = "{ ledgerEntries(first: 100) { nodes { kind status amount { amount } } } }";
        let answer = self.app.ask(token, query).await;
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        answer
            .list("/ledgerEntries/nodes")
            .iter()
            .map(|row| {
                (
                    text(&row["kind"]),
                    text(&row["status"]),
                    text(&row["amount"]["amount"]),
                )
            })
            .collect()
    }

    /// The ids of the ledger's entries, oldest first.
    pub async fn entries(&self) -> Vec<String> {
        let query = "{ ledgerEntries(first: 100) { nodes { id } } }";
        let answer = self.app.ask(&self.admin, query).await;
        answer.texts("/ledgerEntries/nodes", "/id")
    }
}
