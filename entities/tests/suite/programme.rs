//! A programme with partners in it, for the tests of agreements, money and registrations.

use crate::bed::Bed;
use chrono::NaiveDate;
use entities::agreement::{
    self, AgreementStatus, NewAgreement, NewSignature, RevenueShareTerm, SplitScheme, Terms,
};
use entities::agreement_signature::Side;
use entities::agreement_version;
use entities::change::{Author, Change, Origin};
use entities::clock::Timestamp;
use entities::deal::{self, DealStage, NewDeal};
use entities::deal_partner::{self, DealPartnerRole, Share};
use entities::error::{Error, ViolationCode};
use entities::id::{DealId, PartnerId};
use entities::ledger_entry;
use entities::money::{BasisPoints, Currency, Money};
use entities::partner::{self, NewPartner};
use entities::partnership::{self, NewPartnership, PartnerType};
use entities::program::{self, NewProgram};
use entities::program_enrollment;
use entities::revenue_event::{self, Concerns, NewRevenue, RevenueKind};
use entities::viewer::Viewer;
use entities::visible::Visible;
use sea_orm::{EntityTrait, QueryOrder};

pub fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

pub fn bp(points: i32) -> BasisPoints {
    BasisPoints::new(points).unwrap()
}

pub fn eur(minor: i64) -> Money {
    Money {
        minor,
        currency: Currency::EUR,
    }
}

pub fn at(text: &str) -> Timestamp {
    Timestamp::parse_rfc3339(text).unwrap()
}

/// The code and field of a refusal.
pub fn refusal<T: std::fmt::Debug>(result: Result<T, Error>) -> (ViolationCode, String) {
    match result {
        Err(Error::Invalid(why)) => (why[0].code, why[0].field.clone()),
        other => panic!("not refused: {other:?}"),
    }
}

impl Bed {
    /// A change of somebody at a front end.
    pub async fn by(&self, actor: &str) -> Change {
        self.change_of(actor, Origin::Human).await
    }

    pub async fn change_of(&self, actor: &str, origin: Origin) -> Change {
        let author = Author {
            actor: actor.to_owned(),
            origin,
            connection: None,
        };
        Change::begin(&self.database, author).await.unwrap()
    }

    /// Moves the clock to an instant.
    pub fn at(&self, text: &str) {
        let millis = at(text).millis() - self.database.now().millis();
        assert!(millis >= 0, "the clock goes forward");
        self.clock.advance_millis(millis);
    }

    pub async fn program(&self) -> program::Model {
        let mut change = self.by("staff").await;
        let new = NewProgram {
            products: vec!["Core".to_owned(), "Add-on".to_owned()],
            territories: vec!["DE".to_owned(), "FR".to_owned()],
            ..NewProgram::named("Partners")
        };
        let made = program::create(&mut change, vec![new])
            .await
            .unwrap()
            .remove(0);
        change.commit().await.unwrap();
        made
    }

    pub async fn partnership(
        &self,
        name: &str,
        kind: PartnerType,
        program: Option<&program::Model>,
    ) -> partnership::Model {
        let mut change = self.by("staff").await;
        let partner = partner::create(&mut change, vec![NewPartner::named(name)])
            .await
            .unwrap()
            .remove(0);
        let new = NewPartnership::of(partner.id, kind);
        let made = partnership::create(&mut change, vec![new])
            .await
            .unwrap()
            .remove(0);
        if let Some(program) = program {
            let on = self.database.now().date().unwrap();
            program_enrollment::enroll(&mut change, program.id, &[made.id], on)
                .await
                .unwrap();
        }
        change.commit().await.unwrap();
        made
    }

    /// Usual terms with a share for the partner.
    pub fn terms(&self, partner_bp: i32) -> Terms {
        let share = RevenueShareTerm {
            scheme: SplitScheme::Custom,
            our_bp: Some(bp(10_000 - partner_bp)),
            partner_bp: Some(bp(partner_bp)),
            duration_months: None,
        };
        Terms {
            revenue_share: Some(share),
            ..Terms::usual(Currency::EUR)
        }
    }

    pub async fn draft(
        &self,
        of: &partnership::Model,
        effective_on: &str,
        terms: Terms,
    ) -> agreement::Model {
        let mut change = self.by("staff").await;
        let new = NewAgreement {
            partnership_id: of.id,
            number: None,
            effective_on: day(effective_on),
            terms,
        };
        let made = agreement::create(&mut change, vec![new])
            .await
            .unwrap()
            .remove(0);
        change.commit().await.unwrap();
        made
    }

    pub async fn version(&self, of: &agreement::Model) -> agreement_version::Model {
        let system = Viewer::system("test");
        agreement_version::of_agreements(self.database.read(), &system, &[of.id])
            .await
            .unwrap()
            .pop()
            .unwrap()
    }

    /// One side's signature below the last version.
    pub async fn sign(&self, of: agreement::Model, side: Side) -> Result<agreement::Model, Error> {
        let hash = self.version(&of).await.terms_hash;
        let mut change = self.by("signer").await;
        let signature = NewSignature {
            side,
            signer_name: "Jo".to_owned(),
            signer_title: "CEO".to_owned(),
            terms_hash: hash,
        };
        let (row, _) = agreement::sign(&mut change, of, signature).await?;
        change.commit().await.unwrap();
        Ok(row)
    }

    pub async fn to_signature(&self, of: agreement::Model) -> agreement::Model {
        let mut row = of;
        for to in [
            AgreementStatus::InNegotiation,
            AgreementStatus::LegalReview,
            AgreementStatus::PendingSignature,
        ] {
            let mut change = self.by("staff").await;
            row = agreement::advance(&mut change, row, to).await.unwrap();
            change.commit().await.unwrap();
        }
        row
    }

    /// An agreement, signed by both.
    pub async fn agreed(
        &self,
        of: &partnership::Model,
        effective_on: &str,
        terms: Terms,
    ) -> agreement::Model {
        let row = self.draft(of, effective_on, terms).await;
        let row = self.to_signature(row).await;
        let row = self.sign(row, Side::Us).await.unwrap();
        self.sign(row, Side::Partner).await.unwrap()
    }

    /// A deal with shares.
    pub async fn deal_with(
        &self,
        name: &str,
        stage: DealStage,
        amount: Option<Money>,
        shares: &[(&partnership::Model, DealPartnerRole, i32)],
    ) -> deal::Model {
        let mut change = self.change_of("crm", Origin::Sync).await;
        let new = NewDeal {
            name: name.to_owned(),
            customer_id: None,
            stage,
            source_stage: None,
            amount,
            expected_close_on: None,
            closed_at: None,
            lost_reason: None,
            owner_name: None,
            owner_email: None,
            products: vec![],
            archived: false,
        };
        let made = deal::create(&mut change, vec![new])
            .await
            .unwrap()
            .remove(0);
        let shares = shares.iter().map(|(of, role, weight)| Share {
            partnership_id: of.id,
            role: *role,
            weight_bp: bp(*weight),
        });
        deal_partner::attribute(&mut change, &[(made.clone(), shares.collect())])
            .await
            .unwrap();
        change.commit().await.unwrap();
        made
    }

    /// Money for a deal, told as it happens or as history.
    #[expect(clippy::too_many_arguments, reason = "a row of a table")]
    pub async fn told(
        &self,
        origin: Origin,
        key: &str,
        kind: RevenueKind,
        amount: Money,
        on: &str,
        deal_id: Option<DealId>,
        of: Option<&partnership::Model>,
    ) {
        let mut change = self.change_of("shop", origin).await;
        let new = NewRevenue {
            external_key: key.to_owned(),
            kind,
            amount,
            occurred_at: at(on),
            concerns: Concerns {
                customer_id: None,
                deal_id,
                partnership: of.map(|row| (row.id, row.partner_id)),
            },
        };
        revenue_event::record(&mut change, None, vec![new])
            .await
            .unwrap();
        change.commit().await.unwrap();
    }

    pub async fn entries(&self) -> Vec<ledger_entry::Model> {
        let system = Viewer::system("test");
        ledger_entry::Entity::visible_to(&system)
            .order_by_asc(ledger_entry::Column::Id)
            .all(self.database.read())
            .await
            .unwrap()
    }

    pub async fn count<E: EntityTrait + Visible>(&self, viewer: &Viewer) -> usize {
        E::visible_to(viewer)
            .all(self.database.read())
            .await
            .unwrap()
            .len()
    }

    pub fn author(&self, actor: &str) -> Author {
        Author {
            actor: actor.to_owned(),
            origin: Origin::Api,
            connection: None,
        }
    }

    pub fn partner_viewer(&self, partner: PartnerId) -> Viewer {
        use entities::viewer::{PartnerRole, Scopes, ViewerKind};
        Viewer::new(
            ViewerKind::Partner(partner, PartnerRole::Admin),
            Scopes::all(),
            "them".to_owned(),
        )
    }
}
