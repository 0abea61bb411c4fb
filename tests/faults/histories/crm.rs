//! What happens to a deal in any CRM.

use rand::RngExt;
use rand::rngs::StdRng;
use serde_json::{Value, json};

/// The customers a deal may be tied to.
pub const CUSTOMERS: [&str; 2] = ["One", "Two"];
/// What a deal is called and worth at its beginning.
pub const NAME: &str = "Deal";
pub const AMOUNT: &str = "100.00";

/// Something that happens to a deal.
#[derive(Clone, Debug)]
pub enum Step {
    Rename(u32),
    /// To one of two open stages.
    Stage(usize),
    Amount(u32),
    Archive,
    Restore,
    Tie(usize),
    Untie(usize),
}

/// The name of a renamed deal.
pub fn name(number: u32) -> String {
    format!("Deal {number}")
}

/// The amount of a deal, as vendors write it.
pub fn amount(number: u32) -> String {
    format!("{number}.50")
}

/// A history in which each step can follow the one before it.
pub fn steps(chance: &mut StdRng) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut archived = false;
    let mut tied: Option<usize> = None;
    for _ in 0..chance.random_range(4..9) {
        let step = match chance.random_range(0..6) {
            _ if archived => Step::Restore,
            0 | 1 => Step::Rename(chance.random_range(0..1_000)),
            2 => Step::Stage(chance.random_range(0..2)),
            3 => Step::Amount(chance.random_range(1..90_000)),
            4 => Step::Archive,
            _ => match tied {
                Some(company) => Step::Untie(company),
                None => Step::Tie(chance.random_range(0..2)),
            },
        };
        archived = matches!(step, Step::Archive) || (archived && !matches!(step, Step::Restore));
        match step {
            Step::Tie(company) => tied = Some(company),
            Step::Untie(_) => tied = None,
            _ => {}
        }
        steps.push(step);
    }
    steps
}

/// What of a deal must be the same whatever the order. Of one that is put away that is all: what was changed just before, and told after, can
/// no longer be read by id; the list of the archived brings it in its own time.
pub fn state(row: &Value) -> Value {
    if !row["archivedAt"].is_null() {
        return json!({ "archived": true });
    }
    json!({
        "archived": false, "name": row["name"], "stage": row["stage"], "amount": row["amount"]["amount"],
        "customer": row["customer"]["name"],
    })
}

/// What a deal is after these steps.
pub fn truth(steps: &[Step]) -> Value {
    let (mut called, mut worth) = (NAME.to_owned(), AMOUNT.to_owned());
    let (mut stage, mut tied, mut archived) = (0, None, false);
    for step in steps {
        match step {
            Step::Rename(number) => called = name(*number),
            Step::Stage(place) => stage = *place,
            Step::Amount(number) => worth = amount(*number),
            Step::Archive => archived = true,
            Step::Restore => archived = false,
            Step::Tie(place) => tied = Some(CUSTOMERS[*place]),
            Step::Untie(_) => tied = None,
        }
    }
    if archived {
        return json!({ "archived": true });
    }
    let stage = ["PROSPECT", "QUALIFIED"][stage];
    json!({ "archived": false, "name": called, "stage": stage, "amount": worth, "customer": tied })
}
