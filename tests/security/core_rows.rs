//! Rows of the programme's core for tests that must meet every kind of row: agreements, ledger, payouts, registrations.

use entities::agreement::{self, AgreementStatus, NewAgreement, NewSignature, Terms};
use entities::agreement_signature::Side;
use entities::calendar::Zone;
use entities::change::{Author, Change, Origin};
use entities::deal_registration::{self, Account, Draft};
use entities::ledger_entry::{self, NewAdjustment, Step};
use entities::money::{Currency, Money};
use entities::payout;
use entities::program::{self, NewProgram};
use entities::revenue_event::{self, Concerns, NewRevenue, RevenueKind};
use entities::viewer::Viewer;
use entities::{
    agreement_version, ledger_dispute, partner, partnership, program_enrollment, statement,
};
use serde_json::json;
use tests::TestApp;
use tests::programme::Programme;

/// Gives a partner one of each, every text marked; the answer are their ids.
pub async fn of_partner(
    change: &mut Change,
    mark: &str,
    partner: &partner::Model,
    partnership: &partnership::Model,
) -> Vec<String> {
    let system = Viewer::system("tests");
    let today = change.now().date().unwrap();
    let new = NewProgram {
        description: format!("{mark} description"),
        // One person may pay out.
        four_eyes_minor: 1_000_000,
        ..NewProgram::named(format!("{mark} programme"))
    };
    let program = program::create(change, vec![new]).await.unwrap().remove(0);
    program_enrollment::enroll(change, program.id, &[partnership.id], today)
        .await
        .unwrap();
    let new = NewAgreement {
        partnership_id: partnership.id,
        number: Some(format!("{mark} agreement")),
        // Always the same day, so that the hash of what is signed is always the same.
        effective_on: "2026-01-01".parse().unwrap(),
        terms: Terms::usual(Currency::EUR),
    };
    let mut agreement = agreement::create(change, vec![new])
        .await
        .unwrap()
        .remove(0);
    for to in [
        AgreementStatus::InNegotiation,
        AgreementStatus::LegalReview,
        AgreementStatus::PendingSignature,
    ] {
        agreement = agreement::advance(change, agreement, to).await.unwrap();
    }
    let versions = agreement_version::of_agreements(change.transaction(), &system, &[agreement.id])
        .await
        .unwrap();
    for side in [Side::Us, Side::Partner] {
        let signature = NewSignature {
            side,
            signer_name: format!("{mark} signer"),
            signer_title: format!("{mark} title"),
            terms_hash: versions[0].terms_hash.clone(),
        };
        (agreement, _) = agreement::sign(change, agreement, signature).await.unwrap();
    }
    let adjustment = |minor| NewAdjustment {
        partnership_id: partnership.id,
        amount: Money {
            minor,
            currency: Currency::EUR,
        },
        reason: format!("{mark} reason"),
        available_on: today,
    };
    let entries = ledger_entry::adjust(change, vec![adjustment(777), adjustment(888)])
        .await
        .unwrap();
    ledger_entry::step(change, &[entries[0].id], Step::Approve)
        .await
        .unwrap();
    ledger_entry::release_payable(change, today).await.unwrap();
    let payouts = payout::create(change, format!("{mark} batch"), Some(&[partner.id]))
        .await
        .unwrap();
    let payout = payout::approve(change, payouts[0].clone()).await.unwrap();
    let claim = format!("{mark} claim");
    let dispute = ledger_dispute::raise(change, &system, entries[1].id, claim)
        .await
        .unwrap();
    let statement = statement::finalize(change, partner.id, Currency::EUR, today, Zone::UTC)
        .await
        .unwrap();
    let draft = Draft {
        account: Account {
            name: format!("{mark} account"),
            domain: format!("{}-account.example", mark.to_lowercase())
                .parse()
                .ok(),
            country: Some("DE".to_owned()),
            duns: None,
        },
        contact_name: format!("{mark} contact"),
        contact_email: Some(format!("{}@contact.example", mark.to_lowercase())),
        products: Vec::new(),
        territories: Vec::new(),
        value: None,
        expected_close_on: None,
        use_case: format!("{mark} use case"),
    };
    let drafts = deal_registration::create(change, &system, vec![(partnership.id, draft)])
        .await
        .unwrap();
    let registration = deal_registration::submit(change, drafts[0].clone())
        .await
        .unwrap();
    vec![
        program.id.to_string(),
        agreement.id.to_string(),
        entries[0].id.to_string(),
        entries[1].id.to_string(),
        payout.id.to_string(),
        dispute.id.to_string(),
        statement.id.to_string(),
        registration.id.to_string(),
    ]
}

/// What else is needed to reach every kind of row: ids that questions are asked by.
pub struct Reached {
    /// An entry that was computed.
    pub entry: String,
    /// A registration that another stands against.
    pub second: String,
}

/// Fills a programme with one of each, computed earnings, a waiting history, and two registrations of one account.
pub async fn fill(app: &TestApp, made: &Programme) -> Reached {
    let mut change = app.change().await;
    for (n, mark) in ["ONE", "TWO"].iter().enumerate() {
        of_partner(&mut change, mark, &made.partners[n], &made.partnerships[n]).await;
    }
    let payment = |key: &str| NewRevenue {
        external_key: key.to_owned(),
        kind: RevenueKind::Payment,
        amount: Money {
            minor: 100_000,
            currency: Currency::EUR,
        },
        occurred_at: change.now(),
        concerns: Concerns {
            partnership: Some((made.partnerships[0].id, made.partners[0].id)),
            ..Concerns::default()
        },
    };
    let (past, present) = (payment("past"), payment("present"));
    revenue_event::record(&mut change, None, vec![past])
        .await
        .unwrap();
    change.commit().await.unwrap();
    let token = app.admin();
    let rules = json!({ "rules": [{ "type": "CHANNEL", "terms": { "rateBp": 1_000, "currency": "EUR" } }] });
    let answer = app
        .mutate(&token, "publishCommissionRules", rules, "__typename")
        .await;
    assert_eq!(
        answer.refusals("publishCommissionRules"),
        Vec::<String>::new()
    );
    let author = Author {
        actor: "tests".to_owned(),
        origin: Origin::Api,
        connection: None,
    };
    let mut change = Change::begin(app.database(), author).await.unwrap();
    revenue_event::record(&mut change, None, vec![present])
        .await
        .unwrap();
    change.commit().await.unwrap();
    let accrue = "mutation { accrueCommissions { userErrors { code } } }";
    app.ask(&token, accrue).await;
    let query = "{ ledgerEntries { nodes { id kind } } }";
    let entries = app.ask(&token, query).await;
    let computed = entries
        .list("/ledgerEntries/nodes")
        .iter()
        .find(|row| row["kind"] == "COMMISSION")
        .expect("something was earned")["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let mut second = String::new();
    for partnership in &made.partnerships[..2] {
        let input = json!({
            "partnershipId": partnership.id.to_string(),
            "content": {
                "account": { "name": "Wanted", "domain": "wanted.example" }, "contact": { "name": "Kim" }, "useCase": "all",
            },
        });
        let answer = app
            .mutate(
                &token,
                "createDealRegistration",
                input,
                "dealRegistration { id }",
            )
            .await;
        second = answer.text("/createDealRegistration/dealRegistration/id");
        let answer = app
            .mutate(
                &token,
                "submitDealRegistration",
                json!({ "id": second }),
                "__typename",
            )
            .await;
        assert_eq!(
            answer.refusals("submitDealRegistration"),
            Vec::<String>::new()
        );
    }
    Reached {
        entry: computed,
        second,
    }
}
