//! The checked-in table of what a vendor's faults come to, held against what really comes of them.
//!
//! `table.md` says it for people; the code here knows the faults, the columns and the outcomes. Each is compared with the other: a cell that only
//! one of them has fails, and so does an outcome that differs. A new vendor adds its columns to both.

mod cell;
mod hubspot;
mod salesforce;
mod scene;
mod shopify;
mod slack;

use std::collections::{BTreeMap, BTreeSet};

use cell::{Observed, Outcome};
use scene::{Place, Vendor, cell};

const TABLE: &str = include_str!("table.md");

/// What a vendor does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    LimitedWithTime,
    LimitedWithoutTime,
    Broken,
    Unavailable,
    ProxyPage,
    ConnectionRefused,
    Hang,
    Stall,
    Drip,
    CutJson,
    WrongType,
    ErrorAsSuccess,
    GzipBomb,
    HugeBody,
    Redirect,
    UnauthorizedOnce,
    GrantRevoked,
    RefreshRace,
}

impl Fault {
    /// Every fault, with its name in the table.
    const ALL: [(Self, &'static str); 18] = [
        (Self::LimitedWithTime, "429 with Retry-After"),
        (Self::LimitedWithoutTime, "429 without Retry-After"),
        (Self::Broken, "500"),
        (Self::Unavailable, "503"),
        (Self::ProxyPage, "502 with HTML"),
        (Self::ConnectionRefused, "connection refused"),
        (Self::Hang, "hang"),
        (Self::Stall, "stall"),
        (Self::Drip, "one byte a second"),
        (Self::CutJson, "truncated JSON"),
        (Self::WrongType, "wrong type"),
        (Self::ErrorAsSuccess, "200 with an error body"),
        (Self::GzipBomb, "gzip bomb"),
        (Self::HugeBody, "100 MB body"),
        (Self::Redirect, "redirect to a private address"),
        (Self::UnauthorizedOnce, "401 once"),
        (Self::GrantRevoked, "grant revoked"),
        (Self::RefreshRace, "refresh race"),
    ];
}

/// The columns this build can produce. A chat reads no lists.
const COLUMNS: [&str; 11] = [
    "hubspot token",
    "hubspot list",
    "hubspot write",
    "salesforce token",
    "salesforce list",
    "salesforce write",
    "shopify token",
    "shopify list",
    "shopify write",
    "slack token",
    "slack write",
];

/// The rows of the table under a heading, the row of names first; cells trimmed and without backticks.
fn rows(heading: &str) -> Vec<Vec<String>> {
    let section = TABLE
        .split("\n## ")
        .find(|section| section.starts_with(heading))
        .unwrap_or_else(|| panic!("table.md has no section {heading:?}"));
    let cells = |line: &str| -> Vec<String> {
        line.trim_matches('|')
            .split('|')
            .map(|cell| cell.trim().trim_matches('`').to_owned())
            .collect()
    };
    section
        .lines()
        .filter(|line| line.starts_with('|') && !line.starts_with("|-"))
        .map(cells)
        .collect()
}

/// The written outcomes of a column, by fault.
fn column(name: &str) -> BTreeMap<String, String> {
    let rows = rows("Cells");
    let place = rows[0]
        .iter()
        .position(|head| head == name)
        .unwrap_or_else(|| panic!("table.md has no column {name:?}"));
    rows[1..]
        .iter()
        .map(|row| (row[0].clone(), row[place].clone()))
        .collect()
}

/// What the table promises of an outcome: the connection's status afterwards, and whether it comes back by itself.
fn promised(outcome: Outcome) -> (String, String) {
    let rows = rows("Outcomes");
    let row = rows
        .iter()
        .find(|row| row[0] == outcome.as_str())
        .unwrap_or_else(|| panic!("table.md does not say what {outcome:?} is"));
    (row[2].clone(), row[3].clone())
}

#[test]
fn the_table_and_the_code_name_the_same_cells() {
    let cells = rows("Cells");
    let columns: Vec<&str> = cells[0][1..].iter().map(String::as_str).collect();
    assert_eq!(columns, COLUMNS);
    let named: Vec<&str> = cells[1..].iter().map(|row| row[0].as_str()).collect();
    let known: Vec<&str> = Fault::ALL.iter().map(|(_, name)| *name).collect();
    assert_eq!(named, known, "the faults, in the same order");
    let outcomes: BTreeSet<String> = rows("Outcomes")[1..]
        .iter()
        .map(|row| row[0].clone())
        .collect();
    let vocabulary: BTreeSet<String> = Outcome::ALL
        .iter()
        .map(|outcome| outcome.as_str().to_owned())
        .collect();
    assert_eq!(outcomes, vocabulary, "the vocabulary is closed");
    for row in &cells[1..] {
        assert_eq!(row.len(), columns.len() + 1, "{row:?}");
        for cell in &row[1..] {
            assert!(vocabulary.contains(cell), "{cell:?} is no outcome: {row:?}");
        }
    }
}

/// Produces the cells of a column one after the other and compares them with what is written.
async fn hold(vendor: &'static dyn Vendor, place: Place) {
    let name = format!("{} {}", vendor.id(), format!("{place:?}").to_lowercase());
    let written = column(&name);
    let mut differing = Vec::new();
    for (fault, called) in Fault::ALL {
        let observed: Observed = Box::pin(cell(vendor, place, fault)).await;
        let (status, by_itself) = promised(observed.outcome);
        let came_back = if observed.by_itself { "yes" } else { "no" };
        if (observed.status.as_str(), came_back) != (status.as_str(), by_itself.as_str())
            || written[called] != observed.outcome.as_str()
        {
            differing.push(format!(
                "{called}: written {}, came out {} ({}, by itself: {came_back}): {}",
                written[called],
                observed.outcome.as_str(),
                observed.status,
                observed.detail
            ));
        }
    }
    assert!(differing.is_empty(), "{name}: {differing:#?}");
}

macro_rules! columns {
    ($($name:ident: $vendor:expr, $place:ident;)*) => {
        $(
            #[tokio::test]
            async fn $name() {
                hold(&$vendor, Place::$place).await;
            }
        )*
    };
}

columns! {
    hubspot_token: hubspot::HubSpot, Token;
    hubspot_list: hubspot::HubSpot, List;
    hubspot_write: hubspot::HubSpot, Write;
    salesforce_token: salesforce::Salesforce, Token;
    salesforce_list: salesforce::Salesforce, List;
    salesforce_write: salesforce::Salesforce, Write;
    shopify_token: shopify::Shopify, Token;
    shopify_list: shopify::Shopify, List;
    shopify_write: shopify::Shopify, Write;
    slack_token: slack::Slack, Token;
    slack_write: slack::Slack, Write;
}
