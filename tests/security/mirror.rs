//! Two partners that mirror each other, with a mark in every text, and one token's view of everything.

use crate::core_rows;
use chrono::NaiveDate;
use entities::change::Change;
use entities::clock::Timestamp;
use entities::contact::{self, NewContact};
use entities::customer::{self, NewCustomer};
use entities::deal::{self, DealStage, NewDeal};
use entities::deal_partner::{self, DealPartnerRole, Share};
use entities::id::{ConnectionId, CustomerId, SyncRunId};
use entities::money::{BasisPoints, Currency, Money};
use entities::partner::{self, NewPartner};
use entities::partnership::{self, NewPartnership, PartnerType};
use entities::revenue_event::{self, Concerns, NewRevenue, RevenueKind};
use serde_json::{Value, json};
use tests::{Answer, HubSpotSetup, Options, TestApp};

/// One partner with everything it can have, each text marked.
pub struct Side {
    pub mark: &'static str,
    pub partner: partner::Model,
    pub partnership: partnership::Model,
    /// Ids of everything that is this side's alone.
    pub own: Vec<String>,
    pub deal: deal::Model,
    pub customer: customer::Model,
    pub contact: contact::Model,
    /// What was paid for a deal of its own.
    pub revenue: revenue_event::Model,
}

/// A payment that is a partnership's doing.
fn payment(mark: &str, deal: &deal::Model, partnership: &partnership::Model) -> NewRevenue {
    NewRevenue {
        external_key: format!("{mark} payment of {}", deal.id),
        kind: RevenueKind::Payment,
        amount: Money {
            minor: 12_345,
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
        expected_close_on: NaiveDate::from_ymd_opt(2026, 12, 1),
        closed_at: None,
        lost_reason: (stage == DealStage::Lost).then(|| format!("{mark} lost reason")),
        owner_name: Some(format!("{mark} owner")),
        owner_email: Some(format!("{}@owners.example", mark.to_lowercase())),
        products: vec![format!("{mark} product")],
        archived: false,
    }
}

async fn side(app: &TestApp, mark: &'static str) -> Side {
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
        employees: Some(70),
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
            minor: 1_000_000,
            currency: Currency::USD,
        }),
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
    let stages = [
        DealStage::Prospect,
        DealStage::Won,
        DealStage::Lost,
        DealStage::Qualified,
    ];
    let new = stages
        .iter()
        .enumerate()
        .map(|(n, stage)| {
            new_deal(
                mark,
                &format!("deal {n}"),
                Some(customer.id),
                *stage,
                50_000,
            )
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
    let revenue = paid(&mut change, payment(mark, &deals[1], &partnership)).await;
    let core = core_rows::of_partner(&mut change, mark, &partner, &partnership).await;
    change.commit().await.unwrap();
    let mut own: Vec<String> = deals.iter().map(|deal| deal.id.to_string()).collect();
    own.extend(contacts.iter().map(|contact| contact.id.to_string()));
    own.extend([
        partner.id.to_string(),
        partnership.id.to_string(),
        customer.id.to_string(),
        revenue.id.to_string(),
    ]);
    own.extend(core);
    let (deal, contact) = (deals[0].clone(), contacts[0].clone());
    Side {
        mark,
        partner,
        partnership,
        own,
        deal,
        customer,
        contact,
        revenue,
    }
}

pub struct Mirror {
    pub app: TestApp,
    pub a: Side,
    pub b: Side,
    pub token: String,
    pub connection: ConnectionId,
    pub run: SyncRunId,
}

/// Both sides, a deal they share, a deal of nobody, and a connection with a run.
pub async fn mirror() -> Mirror {
    // Everything that can be selected is more than one operation may be.
    let options = Options::hubspot(HubSpotSetup::empty())
        .with("ENTENTE_LIMITS_DOCUMENT_BYTES", 200_000)
        .with("ENTENTE_LIMITS_TOKENS", 50_000)
        .with("ENTENTE_LIMITS_EXPANDED_FIELDS", 100_000)
        .with("ENTENTE_LIMITS_ROOT_FIELDS", 20)
        .with("ENTENTE_LIMITS_COST", 10_000_000)
        .with("ENTENTE_LIMITS_BUDGET", 1_000_000_000);
    let app = TestApp::start(options).await;
    let (mut a, mut b) = (side(&app, "CANARY-A").await, side(&app, "CANARY-B").await);
    let mut change = app.change().await;
    let both = new_deal("SHARED", "deal", None, DealStage::Prospect, 90_000);
    let nobodys = new_deal(
        "CANARY-B",
        "deal of nobody",
        None,
        DealStage::Prospect,
        70_000,
    );
    let deals = deal::create(&mut change, vec![both, nobodys])
        .await
        .unwrap();
    let shares = vec![
        Share {
            partnership_id: a.partnership.id,
            role: DealPartnerRole::Sourced,
            weight_bp: weight(3_000),
        },
        Share {
            partnership_id: b.partnership.id,
            role: DealPartnerRole::Resold,
            weight_bp: weight(5_555),
        },
    ];
    deal_partner::attribute(&mut change, &[(deals[0].clone(), shares)])
        .await
        .unwrap();
    // Of the deal they share each was paid something; a payment of nobody's doing is nobody's to see.
    for side in [&mut a, &mut b] {
        let payment = payment(side.mark, &deals[0], &side.partnership);
        side.own
            .push(paid(&mut change, payment).await.id.to_string());
    }
    let nobodys = NewRevenue {
        concerns: Concerns {
            deal_id: Some(deals[0].id),
            ..Concerns::default()
        },
        ..payment("CANARY-B nobody", &deals[0], &b.partnership)
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
        token,
        connection,
        run,
    }
}

impl Mirror {
    /// Fails when an answer tells anything of the other side.
    pub fn clean(&self, asked: &str, answer: &Answer) {
        let text = String::from_utf8(answer.bytes.clone()).unwrap();
        let lower = text.to_lowercase();
        assert!(
            !lower.contains("canary-b"),
            "{asked} shows the other partner: {answer}"
        );
        for id in &self.b.own {
            assert!(
                asked.contains(id.as_str()) || !text.contains(id.as_str()),
                "{asked} shows {id}: {answer}"
            );
        }
        assert!(
            !text.contains("5555"),
            "{asked} shows the other's weight: {answer}"
        );
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
