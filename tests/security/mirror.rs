//! Partners that mirror each other, with a mark in every text and numbers that nobody else has, and one token's view of everything.
//!
//! A and B know nothing of each other but a deal and a customer they share. C is a company below A, P the one above it: who leads A's side sees C,
//! and nobody of A sees P.

use crate::core_rows;
use crate::secrets::Secrets;
use crate::webhook_rows;
use chrono::NaiveDate;
use entities::change::Change;
use entities::clock::Timestamp;
use entities::contact::{self, NewContact};
use entities::customer::{self, NewCustomer};
use entities::deal::{self, DealStage, NewDeal};
use entities::deal_partner::{self, DealPartnerRole, Share};
use entities::id::{ConnectionId, CustomerId, DealId, SyncRunId, WebhookEndpointId};
use entities::money::{BasisPoints, Currency, Money};
use entities::partner::{self, NewPartner};
use entities::partnership::{self, NewPartnership, PartnerType};
use entities::revenue_event::{self, Concerns, NewRevenue, RevenueKind};
use serde_json::{Value, json};
use tests::{Answer, HubSpotSetup, Options, TestApp};

/// The numbers and days of one side, which no other has.
#[derive(Clone, Copy)]
pub struct Figures {
    employees: i32,
    months: i32,
    deal: i64,
    payment: i64,
    target: i64,
    close: (i32, u32, u32),
    /// Deals besides the four of every side, so that counts differ too.
    more_deals: usize,
}

const OF_A: Figures = Figures {
    employees: 10_107,
    months: 12,
    deal: 50_000,
    payment: 12_345,
    target: 1_000_000,
    close: (2026, 12, 1),
    more_deals: 0,
};
const OF_B: Figures = Figures {
    employees: 60_607,
    months: 47,
    deal: 6_060_701,
    payment: 6_161_711,
    target: 6_262_722,
    close: (2027, 8, 9),
    more_deals: 13,
};
const OF_C: Figures = Figures {
    employees: 50_507,
    months: 37,
    deal: 5_050_701,
    payment: 5_151_711,
    target: 5_252_722,
    close: (2028, 3, 5),
    more_deals: 1,
};
const OF_P: Figures = Figures {
    employees: 40_407,
    months: 27,
    deal: 4_040_701,
    payment: 4_141_711,
    target: 4_242_722,
    close: (2029, 4, 7),
    more_deals: 2,
};

/// What B's share of the common deal weighs.
const WEIGHT_OF_B: i32 = 5_555;
/// What a deal of nobody is worth, and what was paid for it.
const OF_NOBODY: i64 = 6_363_733;

fn decimal(minor: i64) -> String {
    format!("{}.{:02}", minor / 100, minor % 100)
}

/// The numbers that go with B's besides its own: its weight in the common deal, and what is nobody's.
pub fn of_nobody() -> [String; 2] {
    [format!("Bp\":{WEIGHT_OF_B}"), decimal(OF_NOBODY)]
}

impl Figures {
    /// Each number and day as an answer shows it.
    pub fn shown(&self) -> Vec<String> {
        let (year, month, day) = self.close;
        let mut all = vec![
            self.employees.to_string(),
            format!("{year}-{month:02}-{day:02}"),
        ];
        all.extend([self.deal, self.payment, self.target].map(decimal));
        all
    }
}

/// One partner with everything it can have, each text marked.
pub struct Side {
    pub mark: &'static str,
    pub figures: Figures,
    pub partner: partner::Model,
    pub partnership: partnership::Model,
    /// Ids of everything that is this side's alone.
    pub own: Vec<String>,
    pub deal: deal::Model,
    /// The one of its deals that was won.
    pub won: DealId,
    pub customer: customer::Model,
    pub contact: contact::Model,
    /// What was paid for a deal of its own.
    pub revenue: revenue_event::Model,
    /// Where its software hears.
    pub endpoint: WebhookEndpointId,
    /// Numbers besides its figures that no other side has, as an answer shows them.
    pub numbers: Vec<String>,
}

/// A payment that is a partnership's doing.
fn payment(
    mark: &str,
    minor: i64,
    deal: &deal::Model,
    partnership: &partnership::Model,
) -> NewRevenue {
    NewRevenue {
        external_key: format!("{mark} payment of {}", deal.id),
        kind: RevenueKind::Payment,
        amount: Money {
            minor,
            currency: Currency::USD,
        },
        occurred_at: Timestamp::from_secs(1_790_000_000),
        concerns: Concerns {
            customer_id: deal.customer_id,
            deal_id: Some(deal.id),
            partnership: Some((partnership.id, partnership.partner_id)),
        },
    }
}

async fn paid(change: &mut Change, payment: NewRevenue) -> revenue_event::Model {
    let recorded = revenue_event::record(change, None, vec![payment]).await;
    recorded.unwrap().created.remove(0)
}

fn weight(points: i32) -> BasisPoints {
    BasisPoints::new(points).unwrap()
}

fn new_deal(
    mark: &str,
    name: &str,
    customer_id: Option<CustomerId>,
    stage: DealStage,
    minor: i64,
    (year, month, day): (i32, u32, u32),
) -> NewDeal {
    NewDeal {
        name: format!("{mark} {name}"),
        customer_id,
        stage,
        source_stage: Some(format!("{mark} source stage")),
        amount: Some(Money {
            minor,
            currency: Currency::USD,
        }),
        expected_close_on: NaiveDate::from_ymd_opt(year, month, day),
        closed_at: stage
            .is_closed()
            .then_some(Timestamp::from_secs(1_790_000_000)),
        lost_reason: (stage == DealStage::Lost).then(|| format!("{mark} lost reason")),
        owner_name: Some(format!("{mark} owner")),
        owner_email: Some(format!("{}@owners.example", mark.to_lowercase())),
        products: vec![format!("{mark} product")],
        archived: false,
    }
}

async fn side(app: &TestApp, mark: &'static str, figures: Figures, parent: Option<&Side>) -> Side {
    let text = |what: &str| Some(format!("{mark} {what}"));
    let domain = |what: &str| {
        format!("{}-{what}.example", mark.to_lowercase())
            .parse()
            .ok()
    };
    let mut change = app.change().await;
    let new = NewPartner {
        domain: domain("partner"),
        website: Some(format!("https://{}.example", mark.to_lowercase())),
        country: text("country"),
        regions: vec![format!("{mark} region")],
        verticals: vec![format!("{mark} vertical")],
        employees: Some(figures.employees),
        parent_id: parent.map(|side| side.partner.id),
        description: text("description"),
        tags: vec![format!("{mark} tag")],
        ..NewPartner::named(format!("{mark} partner"))
    };
    let partner = partner::create(&mut change, vec![new])
        .await
        .unwrap()
        .remove(0);
    let new = NewPartnership {
        models: vec![format!("{mark} model")],
        dri: text("dri"),
        value_for_us: text("value for us"),
        value_for_them: text("value for them"),
        value_for_customers: text("value for customers"),
        revenue_target: Some(Money {
            minor: figures.target,
            currency: Currency::USD,
        }),
        timeline_months: Some(figures.months),
        tags: vec![format!("{mark} tag")],
        ..NewPartnership::of(partner.id, PartnerType::Channel)
    };
    let partnership = partnership::create(&mut change, vec![new])
        .await
        .unwrap()
        .remove(0);
    let new = NewCustomer {
        name: format!("{mark} customer"),
        domain: domain("customer"),
        country: text("country"),
        segment: text("segment"),
        archived: false,
    };
    let customer = customer::create(&mut change, vec![new])
        .await
        .unwrap()
        .remove(0);
    let person = |partner_id, customer_id, what: &str| NewContact {
        partner_id,
        customer_id,
        name: format!("{mark} {what}"),
        email: Some(format!(
            "{}-{}@people.example",
            mark.to_lowercase(),
            what.len()
        )),
        phone: text("phone"),
        title: text("title"),
        roles: vec![format!("{mark} role")],
        archived: false,
    };
    let people = vec![
        person(Some(partner.id), None, "colleague"),
        person(None, Some(customer.id), "buyer at the customer"),
    ];
    let contacts = contact::create(&mut change, people).await.unwrap();
    let former = NewContact {
        archived: true,
        ..person(Some(partner.id), None, "former colleague")
    };
    contact::create(&mut change, vec![former]).await.unwrap();
    let stages = [
        DealStage::Prospect,
        DealStage::Won,
        DealStage::Lost,
        DealStage::Qualified,
    ];
    let more = std::iter::repeat_n(&DealStage::Qualified, figures.more_deals);
    let new = stages
        .iter()
        .chain(more)
        .enumerate()
        .map(|(n, stage)| {
            let name = format!("deal {n}");
            let customer = Some(customer.id);
            let new = new_deal(mark, &name, customer, *stage, figures.deal, figures.close);
            // The first of those that only others than A have is put away.
            NewDeal {
                archived: n == 4,
                ..new
            }
        })
        .collect();
    let deals = deal::create(&mut change, new).await.unwrap();
    let share = || {
        vec![Share {
            partnership_id: partnership.id,
            role: DealPartnerRole::Resold,
            weight_bp: weight(10_000),
        }]
    };
    let shares: Vec<_> = deals.iter().map(|deal| (deal.clone(), share())).collect();
    deal_partner::attribute(&mut change, &shares).await.unwrap();
    let revenue = paid(
        &mut change,
        payment(mark, figures.payment, &deals[1], &partnership),
    )
    .await;
    let core = core_rows::of_partner(&mut change, mark, &partner, &partnership).await;
    let endpoint = webhook_rows::endpoint(&mut change, mark, Some(partner.id)).await;
    change.commit().await.unwrap();
    let mut own: Vec<String> = deals.iter().map(|deal| deal.id.to_string()).collect();
    own.extend(contacts.iter().map(|contact| contact.id.to_string()));
    own.extend([
        partner.id.to_string(),
        partnership.id.to_string(),
        customer.id.to_string(),
        revenue.id.to_string(),
        endpoint.to_string(),
    ]);
    own.extend(core);
    let won = deals[1].id;
    let (deal, contact) = (deals[0].clone(), contacts[0].clone());
    Side {
        mark,
        figures,
        partner,
        partnership,
        own,
        deal,
        won,
        customer,
        contact,
        revenue,
        endpoint,
        numbers: Vec::new(),
    }
}

pub struct Mirror {
    pub app: TestApp,
    pub a: Side,
    pub b: Side,
    /// A company below A.
    pub c: Side,
    /// The company above A.
    pub p: Side,
    pub token: String,
    pub connection: ConnectionId,
    pub run: SyncRunId,
}

/// All sides, a deal that A and B share, a customer they share, a deal of nobody, and a connection with a run.
pub async fn mirror() -> Mirror {
    // Everything that can be selected is more than one operation may be.
    let options = Options::hubspot(HubSpotSetup::empty())
        .with("ENTENTE_LIMITS_DOCUMENT_BYTES", 200_000)
        .with("ENTENTE_LIMITS_TOKENS", 50_000)
        .with("ENTENTE_LIMITS_EXPANDED_FIELDS", 100_000)
        .with("ENTENTE_LIMITS_ROOT_FIELDS", 20)
        .with("ENTENTE_LIMITS_COST", 10_000_000)
        .with("ENTENTE_LIMITS_BUDGET", 1_000_000_000);
    mirror_on(TestApp::start(options).await).await
}

/// The same in an app that was started with HubSpot's sandbox.
pub async fn mirror_on(app: TestApp) -> Mirror {
    let p = side(&app, "CANARY-P", OF_P, None).await;
    let mut a = side(&app, "CANARY-A", OF_A, Some(&p)).await;
    let mut b = side(&app, "CANARY-B", OF_B, None).await;
    let c = side(&app, "CANARY-C", OF_C, Some(&a)).await;
    let mut change = app.change().await;
    let common = NewCustomer {
        name: "SHARED customer".to_owned(),
        domain: None,
        country: None,
        segment: None,
        archived: false,
    };
    let common = customer::create(&mut change, vec![common]).await.unwrap();
    let open = |mark: &str, name: &str, customer, minor, close| {
        new_deal(mark, name, customer, DealStage::Prospect, minor, close)
    };
    let deals = vec![
        open("SHARED", "deal", Some(common[0].id), 90_000, (2026, 10, 10)),
        open("CANARY-B", "deal of nobody", None, OF_NOBODY, OF_B.close),
        open(
            "CANARY-B",
            "deal with the common customer",
            Some(common[0].id),
            OF_B.deal,
            OF_B.close,
        ),
    ];
    let deals = deal::create(&mut change, deals).await.unwrap();
    let share = |of: &Side, role, points| Share {
        partnership_id: of.partnership.id,
        role,
        weight_bp: weight(points),
    };
    let both = vec![
        share(&a, DealPartnerRole::Sourced, 3_000),
        share(&b, DealPartnerRole::Resold, WEIGHT_OF_B),
    ];
    let shares = [
        (deals[0].clone(), both),
        (
            deals[2].clone(),
            vec![share(&b, DealPartnerRole::Resold, 10_000)],
        ),
    ];
    deal_partner::attribute(&mut change, &shares).await.unwrap();
    b.own
        .extend([deals[1].id.to_string(), deals[2].id.to_string()]);
    // Of the deal they share each was paid something; a payment of nobody's doing is nobody's to see.
    for side in [&mut a, &mut b] {
        let payment = payment(
            side.mark,
            side.figures.payment,
            &deals[0],
            &side.partnership,
        );
        side.own
            .push(paid(&mut change, payment).await.id.to_string());
    }
    let nobodys = NewRevenue {
        concerns: Concerns {
            deal_id: Some(deals[0].id),
            ..Concerns::default()
        },
        ..payment("CANARY-B nobody", OF_NOBODY, &deals[0], &b.partnership)
    };
    b.own.push(paid(&mut change, nobodys).await.id.to_string());
    change.commit().await.unwrap();
    let connection = app.connect_hubspot().await;
    let run = app.sync(connection).await.id;
    let token = app.partner_token(a.partner.id);
    Mirror {
        app,
        a,
        b,
        c,
        p,
        token,
        connection,
        run,
    }
}

impl Mirror {
    /// Fails when an answer tells anything of the other sides.
    #[track_caller]
    pub fn clean(&self, asked: &str, answer: &Answer) {
        Secrets::of(&[&self.b, &self.c, &self.p]).kept_by(asked, answer);
    }

    pub async fn ask(&self, query: &str) -> Answer {
        let answer = self.app.ask(&self.token, query).await;
        self.clean(query, &answer);
        answer
    }

    /// The bytes of an answer, but for what is left of the budget, which every question lowers.
    pub async fn bytes(&self, query: &str) -> (u16, Value) {
        let request = self
            .app
            .http
            .post(self.app.url("/graphql"))
            .bearer_auth(&self.token)
            .header("x-request-id", "always-this");
        let answer = self
            .app
            .send(request.json(&json!({ "query": query })))
            .await;
        self.clean(query, &answer);
        let mut body = answer.body.clone();
        if let Some(budget) = body.pointer_mut("/extensions/cost/budget") {
            *budget = Value::Null;
        }
        (answer.status, body)
    }
}
