//! Partnerships with agreements in force, made by the product's own operations; and a year of payments that wait to be computed, written by one statement,
//! for recording them is not what is measured here.

use chrono::NaiveDate;
use entities::accrual::{self, Run};
use entities::agreement::{
    self, AgreementStatus, NewAgreement, NewSignature, RevenueShareTerm, SplitScheme, Terms,
};
use entities::agreement_signature::Side;
use entities::agreement_version;
use entities::change::{Author, Change, Origin};
use entities::clock::{SystemClock, Timestamp};
use entities::database::{Database, DatabaseOptions};
use entities::money::{BasisPoints, Currency};
use entities::partner::{self, NewPartner};
use entities::partnership::{self, NewPartnership, PartnerType};
use entities::revenue_share::{Bonus, BonusBasis, Commitment, CommitmentUnit};
use entities::viewer::Viewer;
use sea_orm::{ConnectionTrait, Statement};
use std::sync::Arc;

/// Partnerships of one change.
const AT_ONCE: usize = 100;

/// A database with a programme in it.
pub struct Programme {
    database: Database,
}

fn author() -> Author {
    Author {
        actor: "bench".to_owned(),
        origin: Origin::Api,
        connection: None,
    }
}

fn bp(points: i32) -> BasisPoints {
    BasisPoints::new(points).expect("a rate")
}

fn terms() -> Terms {
    let share = RevenueShareTerm {
        scheme: SplitScheme::Custom,
        our_bp: Some(bp(8_000)),
        partner_bp: Some(bp(2_000)),
        duration_months: None,
    };
    let mut terms = Terms {
        revenue_share: Some(share),
        ..Terms::usual(Currency::EUR)
    };
    // Met by about half of a year's payments, so that there is a counter to cross and something to catch up with.
    terms.earning.commitment = Some(Commitment {
        target: 1_250_000,
        unit: CommitmentUnit::Revenue,
    });
    terms.earning.bonus = Some(Bonus {
        rate_bp: bp(500),
        basis: BonusBasis::AllEligibleRevenue,
    });
    terms
}

impl Programme {
    /// Makes one in an empty database.
    pub async fn make(url: String, partnerships: usize, events: u64) -> Self {
        let database = Database::open(
            DatabaseOptions::new(url),
            Arc::new(SystemClock),
            api::state::chance(),
        )
        .await
        .expect("the database opens");
        api::state::prepare_schema(&database, true)
            .await
            .expect("the schema is made");
        let programme = Self { database };
        let today = programme.database.now().date().expect("a day");
        let begins = today - chrono::Days::new(300);
        for first in (0..partnerships).step_by(AT_ONCE) {
            programme
                .agree(first..(first + AT_ONCE).min(partnerships), begins)
                .await;
        }
        programme.fill(partnerships, events, begins).await;
        programme
    }

    async fn change(&self) -> Change {
        Change::begin(&self.database, author())
            .await
            .expect("a change begins")
    }

    /// Partnerships, and agreements between them and us that both sides signed.
    async fn agree(&self, numbers: std::ops::Range<usize>, begins: NaiveDate) {
        let mut change = self.change().await;
        let names = numbers.map(|n| NewPartner::named(format!("Partner {n:05}")));
        let partners = partner::create(&mut change, names.collect())
            .await
            .expect("partners");
        let new = partners
            .iter()
            .map(|row| NewPartnership::of(row.id, PartnerType::Technology));
        let made = partnership::create(&mut change, new.collect())
            .await
            .expect("partnerships");
        let new = made.iter().map(|row| NewAgreement {
            partnership_id: row.id,
            number: None,
            effective_on: begins,
            terms: terms(),
        });
        let drafts = agreement::create(&mut change, new.collect())
            .await
            .expect("agreements");
        let system = Viewer::system("bench");
        for draft in drafts {
            let mut row = draft;
            for to in [
                AgreementStatus::InNegotiation,
                AgreementStatus::LegalReview,
                AgreementStatus::PendingSignature,
            ] {
                row = agreement::advance(&mut change, row, to)
                    .await
                    .expect("it goes its way");
            }
            let versions =
                agreement_version::of_agreements(change.transaction(), &system, &[row.id])
                    .await
                    .expect("versions");
            for side in [Side::Us, Side::Partner] {
                let signature = NewSignature {
                    side,
                    signer_name: "Jo".to_owned(),
                    signer_title: "CEO".to_owned(),
                    terms_hash: versions[0].terms_hash.clone(),
                };
                (row, _) = agreement::sign(&mut change, row, signature)
                    .await
                    .expect("it is signed");
            }
        }
        change.commit().await.expect("a commit");
    }

    /// A year of payments, turn by turn of each partnership, that wait to be computed.
    async fn fill(&self, partnerships: usize, events: u64, begins: NaiveDate) {
        let midnight = begins.and_hms_opt(0, 0, 0).expect("midnight").and_utc();
        let since = Timestamp::from_secs(midnight.timestamp()).micros();
        // Ten months, so that none lies in the future.
        let step = 300 * 86_400 * 1_000_000 / i64::try_from(events).expect("a number");
        let (numbers, id) = if self.database.is_postgres() {
            (
                format!("generate_series(1, {events}) AS numbers(n)"),
                "('0192' || lpad(to_hex(n), 8, '0') || '70008' || substr(md5(n::text), 1, 15))::uuid",
            )
        } else {
            (
                format!(
                    "(WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {events}) SELECT n FROM numbers) AS numbers"
                ),
                "unhex('0192' || printf('%08x', n) || '70008000' || printf('%012x', n))",
            )
        };
        let at = format!("{since} + n * {step}");
        let payments = format!(
            "INSERT INTO revenue_event (id, created_at, source, external_key, partnership_id, partner_id, kind, amount_minor, amount_currency, occurred_at) \
             SELECT {id}, {at}, 'manual', 'p' || n, p.id, p.partner_id, 'PAYMENT', 1000 + n % 9000, 'EUR', {at} \
             FROM {numbers} JOIN (SELECT id, partner_id, row_number() OVER (ORDER BY id) - 1 AS place FROM partnership) AS p \
             ON p.place = n % {partnerships}"
        );
        let waiting = "INSERT INTO revenue_accrual (revenue_event_id, occurred_at, status) SELECT id, occurred_at, 'PENDING' FROM revenue_event";
        let settle: &[&str] = if self.database.is_postgres() {
            &["VACUUM ANALYZE", "CHECKPOINT"]
        } else {
            &["ANALYZE", "PRAGMA wal_checkpoint(TRUNCATE)"]
        };
        for statement in [payments.as_str(), waiting].iter().chain(settle) {
            self.database
                .write()
                .execute_raw(Statement::from_string(self.database.backend(), *statement))
                .await
                .expect("the statement succeeds");
        }
    }

    /// Computes what waits.
    pub async fn accrue(&self) -> Run {
        accrual::accrue(&self.database, &author())
            .await
            .expect("the run ends well")
    }
}
