//! One history, told in twenty orders: duplicated up to five times, permuted, stale after newer. All end in one state, and it is the vendor's.
//!
//! The law is here, once; what can happen to a record of a vendor, and how the vendor tells of it, is [`History`]'s to say. What the state must be
//! at the end is reckoned from the steps alone, so that a double and a connector that err alike do not agree their way through.

mod crm;
mod hubspot;
pub mod salesforce;
pub mod shopify;
pub mod slack;

use crate::linked::{Delivery, Linked, snapshot};
use rand::RngExt;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use serde_json::Value;
use std::fmt::Debug;

/// In how many orders each history is told: as many records live through it side by side.
const ORDERS: usize = 20;

/// What can happen to a record, and how it is told.
pub trait History: Sized {
    type Step: Clone + Debug;
    type Event: Clone;
    /// How many events a delivery holds at most.
    const BATCH: usize;
    /// Whether records are read there.
    const READS: bool = true;

    /// An account, connected, with what the records refer to read already.
    async fn account() -> Self;
    fn linked(&self) -> &Linked;
    fn ended(self) -> Linked;
    /// Makes a record. It is read before anything happens to it.
    async fn begin(&mut self) -> String;
    /// What happens to it, in this order.
    fn steps(chance: &mut StdRng) -> Vec<Self::Step>;
    /// Makes a step happen at the vendor.
    fn happen(&mut self, step: &Self::Step, record: &str);
    /// An event that tells of a step: stale, wrong, but for the record it names; none where the vendor does not tell of such a step. One that
    /// repeats another is the same delivery once more.
    fn event(
        &mut self,
        step: &Self::Step,
        record: &str,
        repeats: Option<&Self::Event>,
    ) -> Option<Self::Event>;
    /// Events as the vendor sends them together.
    fn delivery(&self, events: &[Self::Event]) -> Delivery;
    /// What the vendor does not tell of is found by looking.
    async fn look(&self) {}
    /// Our side of a record, as far as it must be the same whatever the order.
    async fn state(&self, record: &str) -> Value;
    /// What it must be at the end.
    fn truth(steps: &[Self::Step]) -> Value;
}

async fn deliver<H: History>(account: &H, events: &[H::Event]) {
    for batch in events.chunks(H::BATCH) {
        let answer = account.linked().send(account.delivery(batch)).await;
        assert!((200..300).contains(&answer.status), "{answer}");
    }
    account.linked().app.drain().await;
}

/// Tells histories, and compares their ends with each other and with what happened.
async fn hold<H: History>(name: &str, rounds: u32) {
    let mut account = H::account().await;
    let mut chance = tests::rng(name);
    for round in 0..rounds {
        let steps = H::steps(&mut chance);
        let mut records = Vec::with_capacity(ORDERS);
        for _ in 0..ORDERS {
            records.push(account.begin().await);
        }
        if H::READS {
            account.linked().catch_up().await;
        }
        // What each of them has still to be told of.
        let mut told: Vec<Vec<H::Event>> = vec![Vec::new(); ORDERS];
        for step in &steps {
            for (record, told) in records.iter().zip(&mut told) {
                account.happen(step, record);
                let mut last = None;
                for _ in 0..chance.random_range(1..=5) {
                    // Sent again for want of an answer, or told anew.
                    let repeats = last.as_ref().filter(|_| chance.random_bool(0.5));
                    let Some(event) = account.event(step, record, repeats) else {
                        break;
                    };
                    told.push(event.clone());
                    last = Some(event);
                }
            }
            // Some of it arrives now, in any order; the rest is late, and comes after what is newer.
            let mut now = Vec::new();
            for told in &mut told {
                told.shuffle(&mut chance);
                let count = chance.random_range(0..=told.len());
                now.extend(told.drain(..count));
            }
            now.shuffle(&mut chance);
            deliver(&account, &now).await;
        }
        let mut rest: Vec<H::Event> = told.into_iter().flatten().collect();
        rest.shuffle(&mut chance);
        deliver(&account, &rest).await;
        account.look().await;

        let truth = H::truth(&steps);
        for (place, record) in records.iter().enumerate() {
            let end = account.state(record).await;
            assert_eq!(end, truth, "{name} {round}, order {place}: {steps:?}");
        }
        let doubled = "SELECT COUNT(*) FROM (SELECT subject_id FROM event WHERE kind = 'deal.created' GROUP BY subject_id HAVING COUNT(*) > 1) AS doubled";
        let doubled = account.linked().app.number(doubled).await;
        assert_eq!(doubled, 0, "{name} {round}");
    }
    // And once everything has been read nothing is left to find.
    let linked = account.ended();
    if H::READS {
        linked.read_everything().await;
        let before = snapshot(&linked.app).await;
        linked.read_everything().await;
        assert_eq!(snapshot(&linked.app).await, before);
    }
    linked.app.finish().await;
}

#[tokio::test]
async fn whatever_the_order_and_however_often_hubspots_histories_end_in_one_state() {
    hold::<hubspot::Deals>("histories", tests::rounds(4, 50)).await;
}

#[tokio::test]
async fn whatever_the_order_and_however_often_salesforces_histories_end_in_one_state() {
    hold::<salesforce::Opportunities>("histories of salesforce", tests::rounds(3, 50)).await;
}

#[tokio::test]
async fn whatever_the_order_and_however_often_shopifys_histories_end_in_one_state() {
    hold::<shopify::Orders>("histories of shopify", tests::rounds(3, 50)).await;
}

#[tokio::test]
async fn whatever_the_order_and_however_often_buttons_are_pressed_one_decision_stands() {
    hold::<slack::Presses>("histories of slack", tests::rounds(2, 50)).await;
}
