//! Rows of the programme's core that each side of the world has besides those of the mirror: a second partnership with everything that an agreement can
//! say, what was earned by it and how that was computed, and what became of registrations.
//!
//! Every text is marked, and every sum, rate and level is a number of this side alone ([`Tender`]), so that it can be looked for in the answers of others.

use crate::mirror::Side;
use chrono::NaiveDate;
use entities::activity::{self, ActivityKind, ActivityOutcome, NewActivity};
use entities::agreement::{
    self, AgreementStatus, ComplianceRequirement, Exclusivity, NewAgreement, NewAmendment,
    NewSignature, RevenueShareTerm, Scope, SlaMetric, SplitScheme, Terms,
};
use entities::agreement_signature::Side as Signing;
use entities::assessment::{self, Candidate, Score};
use entities::calendar::Zone;
use entities::change::Change;
use entities::checklist::{self, ChecklistItem, NewChecklist, OnboardingStep};
use entities::clock::Timestamp;
use entities::commission_rule::{
    self, EarningTerms, NewCommissionRule, ReferralTrigger, RevenueBase, Shortfall,
};
use entities::deal::{self, DealStage, NewDeal};
use entities::deal_partner::{self, DealPartnerRole, Share};
use entities::deal_registration::{self, Account, Draft};
use entities::ledger_dispute::{self, DisputeStatus};
use entities::ledger_entry::{self, NewAdjustment, Step};
use entities::money::{BasisPoints, Currency, Money};
use entities::onboarding_task::{self, TaskStatus};
use entities::partner_application::{self, Approval, NewApplication};
use entities::partnership::{self, NewPartnership, PartnerType};
use entities::program::{self, NewProgram};
use entities::registration_note::{self, NoteKind};
use entities::revenue_event::{self, Concerns, NewRevenue, RevenueKind};
use entities::revenue_share::{
    Bonus, BonusBasis, Commitment, CommitmentUnit, Referral, ShortfallPolicy,
};
use entities::sla_measurement::{self, NewMeasurement};
use entities::tier::{self, Criterion, NewTier, TierMetric};
use entities::viewer::Viewer;
use entities::visible::Visible as _;
use entities::{agreement_version, payout, program_enrollment, statement, tier_assignment};
use sea_orm::{ColumnTrait as _, QueryFilter as _};

/// The numbers of one side's core.
#[derive(Clone, Copy)]
pub struct Tender(i64);

impl Tender {
    /// Those of a side, by its mark.
    pub fn of(mark: &str) -> Self {
        Self(match mark {
            "CANARY-A" => 1,
            "CANARY-B" => 6,
            "CANARY-C" => 5,
            _ => 4,
        })
    }

    /// A sum in minor units, which no other side has and no other place of this one.
    const fn minor(self, place: i64) -> i64 {
        // A's and what stands below it add up to neither of the others.
        let apart = match self.0 {
            6 => 500_000,
            4 => 250_000,
            _ => 0,
        };
        self.0 * 11_000_000 + apart + place * 1_003
    }

    fn money(self, place: i64) -> Money {
        Money {
            minor: self.minor(place),
            currency: Currency::EUR,
        }
    }

    fn rate(self, place: i64) -> BasisPoints {
        let points = i32::try_from(self.0 * 1_000 + self.0 * 100 + place);
        BasisPoints::new(points.unwrap()).unwrap()
    }

    fn rest(self, place: i64) -> BasisPoints {
        BasisPoints::new(10_000 - self.rate(place).points()).unwrap()
    }

    const fn level(self, place: i64) -> i64 {
        90_000_000 + self.0 * 1_010_101 + place
    }

    /// A D-U-N-S number.
    pub fn duns(self) -> String {
        self.0.to_string().repeat(9)
    }

    /// Every number that was handed in, as an answer shows it.
    pub fn shown(self) -> Vec<String> {
        let sums = (1..40).map(|place| self.minor(place));
        let mut all: Vec<String> = sums
            .clone()
            .map(|minor| format!("{}.{:02}", minor / 100, minor % 100))
            .collect();
        all.extend(sums.map(|minor| minor.to_string()));
        for place in 1..10 {
            // Alone it might be a column of a line or the price of an answer.
            all.push(format!("Bp\":{}", self.rate(place).points()));
            let level = self.level(place);
            all.push(format!("{}.{:06}", level / 1_000_000, level % 1_000_000));
            all.push(level.to_string());
        }
        all.extend([format!("Bp\":{}", self.rest(1).points()), self.duns()]);
        all
    }
}

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

/// Everything that terms can say, in the words and numbers of a side.
fn terms(mark: &str, tender: Tender) -> Terms {
    let words = |what: &str| vec![format!("{mark} {what}")];
    let mut terms = Terms {
        exclusivity: Exclusivity::Exclusive,
        scope: Scope {
            territories: words("exclusive territory"),
            verticals: words("exclusive vertical"),
            products: words("exclusive product"),
        },
        revenue_share: Some(RevenueShareTerm {
            scheme: SplitScheme::Custom,
            our_bp: Some(tender.rest(1)),
            partner_bp: Some(tender.rate(1)),
            duration_months: Some(36),
        }),
        earning: EarningTerms {
            base: Some(RevenueBase::Paid),
            floor: Some(tender.minor(1) / 100),
            cap: Some(tender.minor(2) * 10),
            referral: Some(Referral::Fixed(tender.minor(3) / 100)),
            referral_trigger: Some(ReferralTrigger::OnPayment),
            commitment: Some(Commitment {
                unit: CommitmentUnit::Revenue,
                target: tender.minor(4),
            }),
            bonus: Some(Bonus {
                basis: BonusBasis::AllEligibleRevenue,
                rate_bp: tender.rate(2),
            }),
            shortfall: Some(Shortfall {
                policy: ShortfallPolicy::ReducedRate,
                rate_bp: Some(tender.rate(3)),
            }),
            hold_days: Some(11),
            ..EarningTerms::none(Currency::EUR)
        },
        compliance: vec![ComplianceRequirement::Gdpr],
        ..Terms::usual(Currency::EUR)
    };
    for sla in &mut terms.slas {
        sla.target_micros = match sla.metric {
            SlaMetric::UptimePercent => tender.level(1),
            SlaMetric::SupportResponseHours => tender.level(2),
        };
    }
    terms
}

/// The same a version later, where a fee is a part and customers are counted.
fn amended(mark: &str, tender: Tender) -> Terms {
    let mut terms = terms(mark, tender);
    terms.earning.referral = Some(Referral::Rate(tender.rate(4)));
    terms.earning.commitment = Some(Commitment {
        unit: CommitmentUnit::Customers,
        target: tender.minor(5),
    });
    terms
}

async fn signed(
    change: &mut Change,
    mark: &str,
    partnership: &partnership::Model,
    terms: Terms,
) -> agreement::Model {
    let system = Viewer::system("world");
    let new = NewAgreement {
        partnership_id: partnership.id,
        number: Some(format!("{mark} second agreement")),
        effective_on: day("2026-01-01"),
        terms,
    };
    let created = agreement::create(change, vec![new]).await.unwrap();
    let mut agreement = created.into_iter().next().unwrap();
    for to in [
        AgreementStatus::InNegotiation,
        AgreementStatus::LegalReview,
        AgreementStatus::PendingSignature,
    ] {
        agreement = agreement::advance(change, agreement, to).await.unwrap();
    }
    let id = agreement.id;
    let versions =
        agreement_version::of_agreements(change.transaction(), &system, std::slice::from_ref(&id));
    let terms_hash = versions.await.unwrap()[0].terms_hash.clone();
    for side in [Signing::Us, Signing::Partner] {
        let signature = NewSignature {
            side,
            signer_name: format!("{mark} signer"),
            signer_title: format!("{mark} title"),
            terms_hash: terms_hash.clone(),
        };
        (agreement, _) = agreement::sign(change, agreement, signature).await.unwrap();
    }
    agreement
}

/// What of a side's core is asked by its id.
pub struct Core {
    /// The partnership.
    pub partnership: partnership::Model,
    /// The programme it is in.
    pub program: program::Model,
    /// A tier of it.
    pub tier: tier::Model,
    /// The agreement.
    pub agreement: agreement::Model,
    /// An entry of the ledger that a person wrote, and one that was stopped.
    pub adjusted: [ledger_entry::Model; 2],
    /// An objection that was answered.
    pub dispute: ledger_dispute::Model,
    /// A registration that was approved.
    pub registration: deal_registration::Model,
    /// A deal that was referred.
    pub referred: deal::Model,
    /// A statement.
    pub statement: statement::Model,
}

fn registration(mark: &str, tender: Tender, name: &str, domain: &str) -> Draft {
    Draft {
        account: Account {
            name: name.to_owned(),
            domain: domain.parse().ok(),
            country: Some("NO".to_owned()),
            duns: Some(tender.duns()),
        },
        contact_name: format!("{mark} contact of an account"),
        contact_email: Some(format!("{}@accounts.example", mark.to_lowercase())),
        products: vec![format!("{mark} product of a programme")],
        territories: vec![format!("{mark} territory of a programme")],
        value: Some(tender.money(6)),
        expected_close_on: Some(day("2027-01-31")),
        use_case: format!("{mark} use case of an account"),
    }
}

/// The programme, its tiers, and rules by which the first partnership earns too.
async fn programme(
    change: &mut Change,
    side: &Side,
    tender: Tender,
    of_the_programme: &str,
) -> (program::Model, tier::Model) {
    let mark = side.mark;
    let new = NewProgram {
        description: format!("{mark} description of the second programme"),
        products: vec![format!("{mark} product of a programme")],
        territories: vec![format!("{mark} territory of a programme")],
        ..NewProgram::named(format!("{mark} second programme"))
    };
    let program = program::create(change, vec![new]).await.unwrap().remove(0);
    let tier = |rank, name: &str| NewTier {
        program_id: program.id,
        name: format!("{mark} {name}"),
        rank,
        criteria: vec![Criterion {
            metric: TierMetric::Earned,
            at_least: tender.minor(7),
            months: 12,
        }],
        benefits: vec![format!("{mark} benefit")],
        uplift_bp: tender.rate(5),
    };
    let tiers = tier::create(change, vec![tier(1, "tier"), tier(2, "tier of old")]);
    let tiers = tiers.await.unwrap();
    let rule = |program_id, kind| NewCommissionRule {
        program_id: Some(program_id),
        kind,
        effective_on: day("2026-01-01"),
        terms: EarningTerms {
            rate_bp: Some(tender.rate(6)),
            commitment: Some(Commitment {
                unit: CommitmentUnit::Deals,
                target: tender.minor(8),
            }),
            ..EarningTerms::none(Currency::EUR)
        },
        note: of_the_programme.to_owned(),
    };
    let system = Viewer::system("world");
    let first = program_enrollment::of_partnerships(
        change.transaction(),
        &system,
        std::slice::from_ref(&side.partnership.id),
    );
    let first = first.await.unwrap()[0].program_id;
    let rules = vec![
        rule(first, None),
        rule(program.id, Some(PartnerType::Technology)),
    ];
    commission_rule::publish(change, rules, day("2026-01-01"))
        .await
        .unwrap();
    (program, tiers[0].clone())
}

/// Money that was paid for nothing but a partnership's doing, or for a deal.
fn paid(
    side: &Side,
    tender: Tender,
    place: i64,
    partnership: &partnership::Model,
    deal: Option<&deal::Model>,
) -> NewRevenue {
    NewRevenue {
        external_key: format!("{} payment {place}", side.mark),
        kind: RevenueKind::Payment,
        amount: tender.money(place),
        occurred_at: Timestamp::from_secs(1_790_000_000 + place),
        concerns: Concerns {
            customer_id: Some(side.customer.id),
            deal_id: deal.map(|deal| deal.id),
            partnership: Some((partnership.id, partnership.partner_id)),
        },
    }
}

/// Makes the core of a side.
pub async fn of_side(change: &mut Change, side: &Side, of_the_programme: &str) -> Core {
    let (mark, tender) = (side.mark, Tender::of(side.mark));
    let today = change.now().date().unwrap();
    let new = NewPartnership {
        models: vec![format!("{mark} second model")],
        ..NewPartnership::of(side.partner.id, PartnerType::Technology)
    };
    let partnership = partnership::create(change, vec![new])
        .await
        .unwrap()
        .remove(0);
    let (program, tier) = programme(change, side, tender, of_the_programme).await;
    program_enrollment::enroll(change, program.id, &[partnership.id], day("2026-01-01"))
        .await
        .unwrap();
    tier_assignment::assign(
        change,
        &partnership,
        Some(tier.id),
        day("2026-01-01"),
        today,
        of_the_programme.to_owned(),
    )
    .await
    .unwrap();
    let agreement = signed(change, mark, &partnership, terms(mark, tender)).await;
    let amendment = NewAmendment {
        effective_on: today + chrono::Days::new(1),
        terms: amended(mark, tender),
        summary: format!("{mark} summary"),
    };
    agreement::amend(change, agreement.clone(), amendment)
        .await
        .unwrap();
    let measured = NewMeasurement {
        metric: SlaMetric::UptimePercent,
        starts_on: day("2026-02-01"),
        ends_on: day("2026-02-28"),
        measured_micros: tender.level(3),
        evidence: format!("{mark} evidence"),
    };
    sla_measurement::measure(change, &agreement, measured)
        .await
        .unwrap();
    // What the partner has not been shown: an agreement that is a draft, and a payout that nobody has approved.
    let draft = NewAgreement {
        partnership_id: partnership.id,
        number: Some(format!("{of_the_programme} for {mark}")),
        effective_on: today,
        terms: Terms::usual(Currency::EUR),
    };
    agreement::create(change, vec![draft]).await.unwrap();
    let talks = NewAgreement {
        partnership_id: partnership.id,
        number: Some(format!("{mark} agreement that is talked about")),
        effective_on: today,
        terms: Terms::usual(Currency::EUR),
    };
    let talks = agreement::create(change, vec![talks])
        .await
        .unwrap()
        .remove(0);
    agreement::advance(change, talks, AgreementStatus::InNegotiation)
        .await
        .unwrap();
    let adjustment = |place| NewAdjustment {
        partnership_id: partnership.id,
        amount: tender.money(place),
        reason: format!("{mark} reason of an adjustment"),
        available_on: today,
    };
    let of_three = vec![adjustment(9), adjustment(10), adjustment(11)];
    let entries = ledger_entry::adjust(change, of_three).await.unwrap();
    let reason = format!("{mark} reason to hold");
    ledger_entry::step(change, &[entries[1].id], Step::Hold(reason))
        .await
        .unwrap();
    ledger_entry::step(change, &[entries[2].id], Step::Approve)
        .await
        .unwrap();
    ledger_entry::release_payable(change, today).await.unwrap();
    let batch = format!("{mark} {of_the_programme}");
    payout::create(change, batch, Some(&[side.partner.id]))
        .await
        .unwrap();
    let claim = format!("{mark} claim of a dispute");
    let system = Viewer::system("world");
    let dispute = ledger_dispute::raise(change, &system, entries[0].id, claim)
        .await
        .unwrap();
    let answer = format!("{mark} answer");
    let note = Some(of_the_programme.to_owned());
    let dispute = ledger_dispute::resolve(change, dispute, DisputeStatus::Rejected, answer, note);
    let dispute = dispute.await.unwrap();
    let name = format!("{mark} account of a claim");
    let domain = format!("{}-claim.example", mark.to_lowercase());
    let drafts = vec![(partnership.id, registration(mark, tender, &name, &domain))];
    let drafts = deal_registration::create(change, &system, drafts)
        .await
        .unwrap();
    let registration = deal_registration::submit(change, drafts[0].clone())
        .await
        .unwrap();
    registration_note::write(
        change,
        &registration,
        NoteKind::Comment,
        false,
        format!("{mark} comment"),
    )
    .await
    .unwrap();
    let note = of_the_programme.to_owned();
    registration_note::write(change, &registration, NoteKind::Comment, true, note.clone())
        .await
        .unwrap();
    let message = Some(format!("{mark} decision"));
    let registration =
        deal_registration::approve(change, registration, Some(77), message, Some(note)).await;
    let referred = new_referred(change, side, tender, &partnership).await;
    applied(change, side, &program, of_the_programme).await;
    done_with(change, &partnership, mark, of_the_programme).await;
    let statement = statement::finalize(change, side.partner.id, Currency::USD, today, Zone::UTC);
    let statement = statement.await.unwrap();
    Core {
        adjusted: [entries[0].clone(), entries[1].clone()],
        registration: registration.unwrap(),
        partnership,
        program,
        tier,
        agreement,
        dispute,
        referred,
        statement,
    }
}

/// A company that asked for more, was asked back, and was answered; approved, it has a partnership the more. And one that was refused.
async fn applied(
    change: &mut Change,
    side: &Side,
    program: &program::Model,
    of_the_programme: &str,
) {
    let (mark, system) = (side.mark, Viewer::system(of_the_programme));
    let lower = mark.to_lowercase();
    for kind in [PartnerType::Content, PartnerType::Industry] {
        let new = NewApplication {
            program_id: program.id,
            kind,
            company_name: format!("{mark} applicant"),
            domain: format!("{lower}-applicant.example").parse().ok(),
            website: Some(format!("https://{lower}-applicant.example")),
            country: Some("NO".to_owned()),
            employees: i32::try_from(Tender::of(mark).minor(30)).ok(),
            contact_name: format!("{mark} person of an applicant"),
            contact_email: Some(format!("{lower}@applicants.example")),
            message: format!("{mark} message of an applicant"),
        };
        let partner = Some(side.partner.id);
        let row = partner_application::submit(change, &system, partner, new)
            .await
            .unwrap();
        let row = partner_application::review(change, row).await.unwrap();
        let question = format!("{mark} question to an applicant");
        let row = partner_application::request_information(change, row, question)
            .await
            .unwrap();
        scored(change, Candidate::Application(row.id), of_the_programme).await;
        if kind == PartnerType::Industry {
            // Its answer is still waited for.
            continue;
        }
        let answer = format!("{mark} answer of an applicant");
        let row = partner_application::answer(change, &system, row, answer)
            .await
            .unwrap();
        let row = partner_application::review(change, row).await.unwrap();
        let approval = Approval {
            reason: Some(format!("{mark} reason for an applicant")),
            note: Some(of_the_programme.to_owned()),
            override_reason: Some(of_the_programme.to_owned()),
            ..Approval::default()
        };
        partner_application::approve(change, row, approval)
            .await
            .unwrap();
    }
}

/// Scores a candidate so badly that who approves it has to say why.
async fn scored(change: &mut Change, candidate: Candidate, of_the_programme: &str) {
    let score = Score {
        criterion: "only".to_owned(),
        score: 1,
        evidence: of_the_programme.to_owned(),
    };
    let (system, note) = (
        Viewer::system(of_the_programme),
        of_the_programme.to_owned(),
    );
    assessment::assess(change, &system, candidate, vec![score], Some(note))
        .await
        .unwrap();
}

/// What was done with a partner: once in words for it, once in words among ourselves; and its onboarding, of which one task is settled.
async fn done_with(
    change: &mut Change,
    partnership: &partnership::Model,
    mark: &str,
    of_the_programme: &str,
) {
    let system = Viewer::system(of_the_programme);
    let (occurred_at, note) = (change.now(), of_the_programme.to_owned());
    for summary in [Some(format!("{mark} summary of an activity")), None] {
        let new = NewActivity {
            partnership_id: partnership.id,
            kind: ActivityKind::Meeting,
            occurred_at,
            outcome: Some(ActivityOutcome::Positive),
            summary,
            internal_note: Some(note.clone()),
        };
        activity::record(change, &system, new).await.unwrap();
    }
    scored(
        change,
        Candidate::Partnership(partnership.id),
        of_the_programme,
    )
    .await;
    let list = NewChecklist {
        name: mark.to_owned(),
        description: note.clone(),
        items: ["task", "second task"]
            .map(|what| ChecklistItem {
                step: OnboardingStep::InitialContact,
                title: format!("{mark} {what} of an onboarding"),
                from_week: 1,
                to_week: 2,
            })
            .into(),
    };
    checklist::publish(change, list).await.unwrap();
    onboarding_task::begin(change, &system, partnership.id, Some(mark))
        .await
        .unwrap();
    let task = onboarding_task::Entity::visible_to(&system)
        .filter(onboarding_task::Column::PartnershipId.eq(partnership.id))
        .one(change.transaction())
        .await
        .unwrap()
        .unwrap();
    onboarding_task::step(change, task, TaskStatus::Skipped, Some(note))
        .await
        .unwrap();
}

async fn new_referred(
    change: &mut Change,
    side: &Side,
    tender: Tender,
    partnership: &partnership::Model,
) -> deal::Model {
    let new = NewDeal {
        name: format!("{} deal that was referred", side.mark),
        customer_id: Some(side.customer.id),
        stage: DealStage::Prospect,
        source_stage: None,
        amount: Some(tender.money(12)),
        expected_close_on: None,
        closed_at: None,
        lost_reason: None,
        owner_name: None,
        owner_email: None,
        products: Vec::new(),
        archived: false,
    };
    let deal = deal::create(change, vec![new]).await.unwrap().remove(0);
    let share = Share {
        partnership_id: partnership.id,
        role: DealPartnerRole::Referred,
        weight_bp: tender.rate(7),
    };
    deal_partner::attribute(change, &[(deal.clone(), vec![share])])
        .await
        .unwrap();
    deal
}

/// What the side's customers paid, as it is told while it happens: by the agreement, by the programme's rule and for what was referred; and a refund.
pub async fn earn(change: &mut Change, side: &Side, core: &Core) {
    let tender = Tender::of(side.mark);
    let second = &core.partnership;
    let told = vec![
        paid(side, tender, 13, second, None),
        paid(side, tender, 14, second, None),
        paid(side, tender, 15, &side.partnership, None),
        paid(side, tender, 16, second, Some(&core.referred)),
    ];
    let recorded = revenue_event::record(change, None, told).await.unwrap();
    let refunded = Money {
        minor: tender.minor(17) / 100,
        currency: Currency::EUR,
    };
    let key = format!("{} refund", side.mark);
    let at = Timestamp::from_secs(1_790_001_000);
    let payment = &recorded.created[1];
    revenue_event::refund(change, payment, key, refunded, at)
        .await
        .unwrap();
}

/// Tells what was paid before: the change is one of history, which earns nothing until somebody asks.
pub async fn tell_history(change: &mut Change, side: &Side, core: &Core) {
    let told = vec![paid(
        side,
        Tender::of(side.mark),
        29,
        &core.partnership,
        None,
    )];
    revenue_event::record(change, None, told).await.unwrap();
}

/// One account that two partners want at once: each knows its own registration, and nothing of the other's.
pub async fn wanted_by_both(change: &mut Change, sides: [(&Side, &Core); 2]) -> String {
    let system = Viewer::system("world");
    let mut first = None;
    for (side, core) in sides {
        let draft = Draft {
            account: Account {
                name: "SHARED account".to_owned(),
                domain: "shared-account.example".parse().ok(),
                country: None,
                duns: None,
            },
            ..registration(side.mark, Tender::of(side.mark), "", "")
        };
        let drafts = vec![(
            core.partnership.id,
            Draft {
                products: Vec::new(),
                territories: Vec::new(),
                ..draft
            },
        )];
        let drafts = deal_registration::create(change, &system, drafts)
            .await
            .unwrap();
        let made = deal_registration::submit(change, drafts[0].clone())
            .await
            .unwrap();
        first.get_or_insert(made.id.to_string());
    }
    first.unwrap()
}
