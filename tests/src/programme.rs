//! Rows to ask about: partners, customers, people and deals, with the ties and the gaps that lists trip over.
//!
//! They are brought by the entities' own operations, a batch a change, and are the same for the same size.

use crate::TestApp;
use chrono::NaiveDate;
use entities::clock::Timestamp;
use entities::contact::{self, NewContact};
use entities::customer::{self, NewCustomer};
use entities::deal::{self, DealStage, NewDeal};
use entities::deal_partner::{self, DealPartnerRole, Share};
use entities::money::{BasisPoints, Currency, Money};
use entities::partner::{self, NewPartner};
use entities::partnership::{self, NewPartnership, PartnerType};
use std::time::Duration;

/// How many of each.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// Partners; each has one CHANNEL partnership and two people.
    pub partners: usize,
    /// Customers; each has one person.
    pub customers: usize,
    /// Deals. Every seventh has no partner, every fifth no customer, every third no amount.
    pub deals: usize,
}

/// What was brought.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "one list for each table")]
pub struct Programme {
    pub partners: Vec<partner::Model>,
    pub partnerships: Vec<partnership::Model>,
    pub contacts: Vec<contact::Model>,
    pub customers: Vec<customer::Model>,
    pub deals: Vec<deal::Model>,
}

const STAGES: [DealStage; 5] = [
    DealStage::Prospect,
    DealStage::Qualified,
    DealStage::Committed,
    DealStage::Won,
    DealStage::Lost,
];

/// Fills an app's database.
pub async fn fill(app: &TestApp, size: Size) -> Programme {
    let mut change = app.change().await;
    let partners = (0..size.partners)
        .map(|n| NewPartner::named(format!("Partner {n:03}")))
        .collect();
    let partners = partner::create(&mut change, partners)
        .await
        .expect("partners");
    let partnerships = partners
        .iter()
        .map(|partner| NewPartnership::of(partner.id, PartnerType::Channel))
        .collect();
    let partnerships = partnership::create(&mut change, partnerships)
        .await
        .expect("partnerships");
    let customers = (0..size.customers).map(|n| NewCustomer {
        name: format!("Customer {n:03}"),
        domain: format!("customer-{n}.example").parse().ok(),
        country: (n % 2 == 0).then(|| "Norway".to_owned()),
        segment: None,
        archived: false,
    });
    let customers = customer::create(&mut change, customers.collect())
        .await
        .expect("customers");
    let person = |n: usize, partner, customer| NewContact {
        partner_id: partner,
        customer_id: customer,
        name: format!("Person {n:03}"),
        email: Some(format!("person{n}@people.example")),
        phone: None,
        title: None,
        roles: Vec::new(),
        archived: false,
    };
    let of_partners = (0..2 * size.partners).map(|n| person(n, Some(partners[n / 2].id), None));
    let of_customers = (0..size.customers).map(|n| person(1_000 + n, None, Some(customers[n].id)));
    let contacts = contact::create(&mut change, of_partners.chain(of_customers).collect())
        .await
        .expect("contacts");
    change.commit().await.expect("a commit");

    let mut deals = Vec::with_capacity(size.deals);
    for numbers in (0..size.deals).collect::<Vec<_>>().chunks(40) {
        // Deals of one change share their instants; the next change is later.
        app.clock().advance(Duration::from_secs(1));
        let mut change = app.change().await;
        let new = numbers.iter().map(|n| new_deal(*n, &customers)).collect();
        let made = deal::create(&mut change, new).await.expect("deals");
        let shares: Vec<_> = numbers
            .iter()
            .zip(&made)
            .filter_map(|(n, deal)| Some((deal.clone(), shares(*n, &partnerships)?)))
            .collect();
        deal_partner::attribute(&mut change, &shares)
            .await
            .expect("shares");
        change.commit().await.expect("a commit");
        deals.extend(made);
    }
    Programme {
        partners,
        partnerships,
        contacts,
        customers,
        deals,
    }
}

fn new_deal(n: usize, customers: &[customer::Model]) -> NewDeal {
    let stage = STAGES[n % STAGES.len()];
    let number = i64::try_from(n).expect("a small number");
    let currency = if n % 4 == 1 {
        Currency::EUR
    } else {
        Currency::USD
    };
    NewDeal {
        name: format!("Deal {n:04}"),
        customer_id: (!n.is_multiple_of(5) && !customers.is_empty())
            .then(|| customers[n % customers.len()].id),
        stage,
        source_stage: None,
        // Few different amounts, so that many deals tie.
        amount: (!n.is_multiple_of(3) || stage.is_won()).then_some(Money {
            minor: (number % 7) * 10_050,
            currency,
        }),
        expected_close_on: (!n.is_multiple_of(4)).then(|| {
            NaiveDate::from_ymd_opt(2026, 1, 1 + u32::try_from(n % 9).expect("small"))
                .expect("a day")
        }),
        closed_at: stage
            .is_closed()
            .then(|| Timestamp::from_secs(1_790_000_000 + number % 6)),
        lost_reason: None,
        owner_name: None,
        owner_email: None,
        products: Vec::new(),
        archived: false,
    }
}

/// Two partners share in every third deal that has any, and one of them in two roles.
fn shares(n: usize, partnerships: &[partnership::Model]) -> Option<Vec<Share>> {
    if n.is_multiple_of(7) || partnerships.is_empty() {
        return None;
    }
    let share = |place: usize, role, points| Share {
        partnership_id: partnerships[place % partnerships.len()].id,
        role,
        weight_bp: BasisPoints::new(points).expect("a weight"),
    };
    if !n.is_multiple_of(3) || partnerships.len() < 2 {
        return Some(vec![share(n, DealPartnerRole::Resold, 10_000)]);
    }
    Some(vec![
        share(n, DealPartnerRole::Sourced, 4_000),
        share(n, DealPartnerRole::Implemented, 1_000),
        share(n + 1, DealPartnerRole::CoSold, 5_000),
    ])
}
