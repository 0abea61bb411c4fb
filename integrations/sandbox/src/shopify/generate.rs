//! Invents a shop: customers, companies and orders, the same for the same seed, apart from the clock.
//!
//! The oddities are on purpose: test orders, cancelled and refunded ones, other currencies, orders older than sixty days, buyers without email.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::gid::Kind;
use super::model::{
    Company, Contact, Customer, Journey, Line, Location, Order, Purchase, Refund, Transaction, Utm,
};
use super::state::State;

const DAY: i64 = 24 * 3600 * 1000;

const FIRST: [&str; 12] = [
    "Ada", "Bruno", "Carla", "Dmitri", "Elif", "Farid", "Greta", "Hugo", "Ines", "Jonas", "Kaja",
    "Liam",
];
const LAST: [&str; 12] = [
    "Almeida", "Berg", "Castro", "Dahl", "Engel", "Fontaine", "Garcia", "Holm", "Ivanov", "Jansen",
    "Kowalski", "Lopez",
];
const FIRMS: [&str; 8] = [
    "Aspen", "Basalt", "Cedar", "Drift", "Elm", "Flint", "Grove", "Heath",
];
const TRADES: [&str; 6] = [
    "Supply",
    "Outfitters",
    "Wholesale",
    "Studio",
    "Traders",
    "Market",
];
const PRODUCTS: [(&str, i64); 6] = [
    ("Starter kit", 4_900),
    ("Team plan", 29_900),
    ("Annual plan", 119_900),
    ("Onboarding day", 85_000),
    ("Extra seats", 1_950),
    ("Support hour", 12_500),
];
/// The partners behind codes and links.
pub(crate) const PARTNERS: [&str; 6] = [
    "northwind",
    "acme",
    "globex",
    "initech",
    "umbrella",
    "hooli",
];

fn pick<T: Copy>(chance: &mut StdRng, items: &[T]) -> Option<T> {
    let at = chance.random_range(0..items.len().max(1));
    items.get(at).copied()
}

/// Fills a new shop.
pub(crate) fn generate(state: &mut State, orders: usize, seed: u64, now: i64) {
    let mut chance = StdRng::seed_from_u64(seed);
    let start = now.div_euclid(1000) * 1000 - 100 * DAY;
    let customers: Vec<u64> = (0..orders.div_ceil(3).max(1))
        .map(|n| customer(state, &mut chance, n, start))
        .collect();
    let companies: Vec<Purchase> = (0..orders.div_ceil(20))
        .map(|n| company(state, &mut chance, n, start, &customers))
        .collect();
    let span = 99 * DAY;
    for n in 0..orders {
        let share =
            i64::try_from(n).unwrap_or(0) * (span / i64::try_from(orders.max(1)).unwrap_or(1));
        order(state, &mut chance, start + share, &customers, &companies);
    }
}

fn customer(state: &mut State, chance: &mut StdRng, n: usize, at: i64) -> u64 {
    let (first, last) = (
        pick(chance, &FIRST).unwrap_or_default(),
        pick(chance, &LAST).unwrap_or_default(),
    );
    let email = format!(
        "{}.{}{n}@buyers.example",
        first.to_lowercase(),
        last.to_lowercase()
    );
    let id = state.issue(Kind::Customer);
    state.customers.insert(
        id,
        Customer {
            id,
            created_at: at,
            updated_at: at + i64::try_from(n).unwrap_or(0) * 1000,
            first_name: Some(first.to_owned()),
            last_name: Some(last.to_owned()),
            email: (n % 17 != 16).then_some(email),
            phone: n.is_multiple_of(5).then(|| format!("+1555{n:07}")),
            locale: "en".to_owned(),
            ..Customer::default()
        },
    );
    id
}

fn company(
    state: &mut State,
    chance: &mut StdRng,
    n: usize,
    at: i64,
    customers: &[u64],
) -> Purchase {
    let name = format!(
        "{} {} {}",
        pick(chance, &FIRMS).unwrap_or_default(),
        pick(chance, &TRADES).unwrap_or_default(),
        n + 1
    );
    let (id, location, contact) = (
        state.issue(Kind::Company),
        state.issue(Kind::CompanyLocation),
        state.issue(Kind::CompanyContact),
    );
    let customer = pick(chance, customers).unwrap_or_default();
    let stamp = at + i64::try_from(n).unwrap_or(0) * 1000;
    state.companies.insert(
        id,
        Company {
            id,
            created_at: at,
            updated_at: stamp,
            customer_since: at,
            name: name.clone(),
            external_id: n.is_multiple_of(2).then(|| format!("ERP-{:05}", n + 1)),
            main_contact: Some(contact),
            ..Company::default()
        },
    );
    state.locations.insert(
        location,
        Location {
            id: location,
            created_at: at,
            updated_at: stamp,
            company: id,
            name,
            ..Location::default()
        },
    );
    state.contacts.insert(
        contact,
        Contact {
            id: contact,
            created_at: at,
            updated_at: stamp,
            company: id,
            customer,
            title: Some("Buyer".to_owned()),
            locale: Some("en".to_owned()),
        },
    );
    Purchase {
        company: id,
        contact: Some(contact),
        location,
    }
}

fn order(
    state: &mut State,
    chance: &mut StdRng,
    at: i64,
    customers: &[u64],
    companies: &[Purchase],
) {
    let at = at.div_euclid(1000) * 1000;
    state.last_number += 1;
    let number = state.last_number;
    let purchase = if number.is_multiple_of(4) {
        pick(chance, companies)
    } else {
        None
    };
    let contact = purchase
        .and_then(|purchase| purchase.contact)
        .and_then(|id| state.contacts.get(&id))
        .map(|c| c.customer);
    let customer = contact.or_else(|| pick(chance, customers));
    let email = customer
        .and_then(|id| state.customers.get(&id))
        .and_then(|c| c.email.clone());
    let mut lines = Vec::new();
    for _ in 0..chance.random_range(1..4) {
        let (title, unit) = pick(chance, &PRODUCTS).unwrap_or_default();
        lines.push(Line {
            id: state.issue(Kind::LineItem),
            title: title.to_owned(),
            sku: Some(format!("SKU-{unit}")),
            quantity: chance.random_range(1..5),
            unit,
            refunded: 0,
        });
    }
    let partner = pick(chance, &PARTNERS).unwrap_or_default();
    let value: i64 = lines
        .iter()
        .map(|line| line.unit * i64::from(line.quantity))
        .sum();
    let coded = number.is_multiple_of(3);
    let linked = number % 3 == 1;
    let mut order = Order {
        id: state.issue(Kind::Order),
        number,
        created_at: at,
        updated_at: at,
        processed_at: at,
        test: number.is_multiple_of(50),
        customer,
        purchase,
        email,
        source_name: "web".to_owned(),
        discount_codes: if coded {
            vec![format!("{}-10", partner.to_uppercase())]
        } else {
            Vec::new()
        },
        discount: if coded { value / 10 } else { 0 },
        journey: linked.then(|| Journey {
            ready_at: at,
            occurred_at: at - 60_000,
            landing_page: Some(format!("https://shop.example/?utm_source={partner}")),
            referrer: Some(format!("https://{partner}.example/")),
            source: partner.to_owned(),
            utm: Some(Utm {
                source: Some(partner.to_owned()),
                medium: Some("partner".to_owned()),
                campaign: Some("autumn".to_owned()),
                ..Utm::default()
            }),
        }),
        lines,
        shipping: if number.is_multiple_of(2) { 995 } else { 0 },
        currency: state.shop.currency.clone(),
        presentment: match number % 10 {
            7 => Some(("EUR".to_owned(), 920_000)),
            8 => Some(("JPY".to_owned(), 151_300_000)),
            _ => None,
        },
        ..Order::default()
    };
    finish(state, &mut order, at);
    state.orders.insert(order.id, order);
}

/// Pays, refunds or cancels an order, as its number has it.
fn finish(state: &mut State, order: &mut Order, at: i64) {
    let mut transaction = |kind: &str, amount| Transaction {
        id: state.issue(Kind::OrderTransaction),
        at,
        kind: kind.to_owned(),
        amount,
        gateway: "bogus".to_owned(),
    };
    match order.number % 12 {
        5 => {}
        6 => {
            order.cancelled_at = Some(at + 3_600_000);
            order.cancel_reason = Some("customer".to_owned());
        }
        other => {
            let paid = transaction("SALE", order.total());
            order.transactions.push(paid);
            if other == 9 {
                let amount = order.total() / 2;
                let back = transaction("REFUND", amount);
                let id = state.issue(Kind::Refund);
                order.refunds.push(Refund {
                    id,
                    at,
                    note: None,
                    amount,
                    lines: Vec::new(),
                    transaction: back.id,
                });
                order.transactions.push(back);
            }
        }
    }
}
