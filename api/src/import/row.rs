//! A row of a file of revenue: its columns, and the rows of ours that it names.

use super::{Format, ImportError, MAX_ROWS};
use entities::change::Change;
use entities::clock::Timestamp;
use entities::error::{Result, Violation, ViolationCode};
use entities::id::{CustomerId, DealId, PartnershipId};
use entities::money::{Currency, Money};
use entities::revenue_event::{Concerns, NewRevenue, RevenueKind};
use entities::viewer::Viewer;
use entities::{customer, deal, partnership, visible};
use sea_orm::ActiveEnum as _;
use serde::Deserialize;
use std::collections::{HashMap, HashSet};
use uuid::Uuid;

/// The columns, in any order; the last three may be absent or empty.
const COLUMNS: [&str; 8] = [
    "external_key",
    "kind",
    "amount",
    "currency",
    "occurred_at",
    "customer_id",
    "deal_id",
    "partnership_id",
];

/// The columns that every file has.
const NEEDED: usize = 5;

/// A row as it is written.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Row {
    /// What the event is called by who tells of it.
    pub external_key: String,
    kind: String,
    amount: String,
    currency: String,
    occurred_at: String,
    #[serde(default)]
    customer_id: Option<String>,
    #[serde(default)]
    deal_id: Option<String>,
    #[serde(default)]
    partnership_id: Option<String>,
}

type Read<T> = std::result::Result<T, Vec<Violation>>;

fn refused(field: &str, message: impl Into<String>) -> Violation {
    Violation::new(ViolationCode::Invalid, field, message)
}

/// Reads the rows of a file.
pub(super) fn read(
    format: Format,
    bytes: &[u8],
) -> std::result::Result<Vec<Read<Row>>, ImportError> {
    let text = std::str::from_utf8(bytes)
        .map_err(|_| ImportError::NoFile("The file is not UTF-8.".to_owned()))?;
    // What some programs write before the first letter.
    let text = text.trim_start_matches('\u{feff}');
    let mut rows = Vec::new();
    let mut add = |row: Read<Row>| {
        if rows.len() == MAX_ROWS {
            let message = format!("A file has at most {MAX_ROWS} rows.");
            return Err(ImportError::NoFile(message));
        }
        rows.push(row);
        Ok(())
    };
    match format {
        Format::Csv => {
            let mut reader = csv::ReaderBuilder::new()
                .trim(csv::Trim::All)
                .from_reader(text.as_bytes());
            let names = reader.headers().cloned();
            let names = names.map_err(|error| ImportError::NoFile(format!("No CSV: {error}.")))?;
            let known = names.iter().all(|name| COLUMNS.contains(&name));
            let needed = COLUMNS.iter().take(NEEDED);
            if !known
                || !needed
                    .clone()
                    .all(|name| names.iter().any(|one| one == *name))
            {
                let columns = COLUMNS.join(", ");
                let message = format!("The columns are {columns}; the last three may be absent.");
                return Err(ImportError::NoFile(message));
            }
            for row in reader.deserialize::<Row>() {
                add(row.map_err(|error| vec![refused("", format!("Not a row: {error}."))]))?;
            }
        }
        Format::Jsonl => {
            for line in text.lines().filter(|line| !line.trim().is_empty()) {
                let row = serde_json::from_str::<Row>(line);
                add(row.map_err(|error| vec![refused("", format!("Not a row: {error}."))]))?;
            }
        }
    }
    Ok(rows)
}

/// A row of which everything but the rows it names is known.
struct Plain {
    new: NewRevenue,
    partnership: Option<PartnershipId>,
}

fn id<T: std::str::FromStr>(
    text: Option<&String>,
    field: &str,
    violations: &mut Vec<Violation>,
) -> Option<T> {
    let text = text.filter(|text| !text.is_empty())?;
    let id = text.parse().ok();
    if id.is_none() {
        violations.push(Violation::new(
            ViolationCode::NotFound,
            field,
            "No such row.",
        ));
    }
    id
}

impl Row {
    fn plain(&self) -> Read<Plain> {
        let mut violations = Vec::new();
        let kind = RevenueKind::try_from_value(&self.kind);
        if kind.is_err() {
            let message = "One of INVOICE, PAYMENT, REFUND, CREDIT_NOTE, ADJUSTMENT.";
            violations.push(refused("kind", message));
        }
        let currency = self.currency.parse::<Currency>();
        let amount = match currency {
            Ok(currency) => match Money::parse(&self.amount, currency) {
                Ok(amount) => Some(amount),
                Err(fault) => {
                    violations.push(refused("amount", format!("The amount is {fault}.")));
                    None
                }
            },
            Err(fault) => {
                violations.push(refused("currency", format!("This is {fault}.")));
                None
            }
        };
        let occurred_at = Timestamp::parse_rfc3339(&self.occurred_at);
        if occurred_at.is_none() {
            let message = "An instant is RFC 3339: 2026-11-01T08:00:00Z.";
            violations.push(refused("occurred_at", message));
        }
        let concerns = Concerns {
            customer_id: id(self.customer_id.as_ref(), "customer_id", &mut violations),
            deal_id: id(self.deal_id.as_ref(), "deal_id", &mut violations),
            partnership: None,
        };
        let partnership = id(
            self.partnership_id.as_ref(),
            "partnership_id",
            &mut violations,
        );
        match (kind, amount, occurred_at) {
            (Ok(kind), Some(amount), Some(occurred_at)) if violations.is_empty() => Ok(Plain {
                new: NewRevenue {
                    external_key: self.external_key.clone(),
                    kind,
                    amount,
                    occurred_at,
                    concerns,
                },
                partnership,
            }),
            _ => Err(violations),
        }
    }
}

/// Finds the rows that a batch names, by one statement for each kind.
pub(super) async fn resolve(
    change: &Change,
    viewer: &Viewer,
    batch: &[(usize, Row)],
) -> Result<Vec<(usize, Read<NewRevenue>)>> {
    let connection = change.transaction();
    let plain: Vec<(usize, Read<Plain>)> = batch
        .iter()
        .map(|(number, row)| (*number, row.plain()))
        .collect();
    let good = || plain.iter().filter_map(|(_, row)| row.as_ref().ok());
    let ids = good().filter_map(|row| row.partnership).map(|id| id.0);
    let partnerships = visible::find_all::<partnership::Entity, _>(connection, viewer, ids).await?;
    let partnerships: HashMap<PartnershipId, _> = partnerships
        .into_iter()
        .map(|row| (row.id, row.partner_id))
        .collect();
    let ids = good()
        .filter_map(|row| row.new.concerns.deal_id)
        .map(|id| id.0);
    let deals = visible::find_all::<deal::Entity, _>(connection, viewer, ids).await?;
    let deals: HashSet<DealId> = deals.into_iter().map(|row| row.id).collect();
    let ids = good().filter_map(|row| row.new.concerns.customer_id);
    let ids: Vec<Uuid> = ids.map(|id: CustomerId| id.0).collect();
    let customers = visible::find_all::<customer::Entity, _>(connection, viewer, ids).await?;
    let customers: HashSet<CustomerId> = customers.into_iter().map(|row| row.id).collect();
    let whole = |row: Plain| {
        let (mut new, mut missing) = (row.new, Vec::new());
        let mut lacks = |field: &str| {
            missing.push(Violation::new(
                ViolationCode::NotFound,
                field,
                "No such row.",
            ));
        };
        if new.concerns.deal_id.is_some_and(|id| !deals.contains(&id)) {
            lacks("deal_id");
        }
        if new
            .concerns
            .customer_id
            .is_some_and(|id| !customers.contains(&id))
        {
            lacks("customer_id");
        }
        if let Some(id) = row.partnership {
            new.concerns.partnership = partnerships.get(&id).map(|partner| (id, *partner));
            if new.concerns.partnership.is_none() {
                lacks("partnership_id");
            }
        }
        if missing.is_empty() {
            Ok(new)
        } else {
            Err(missing)
        }
    };
    Ok(plain
        .into_iter()
        .map(|(number, row)| (number, row.and_then(whole)))
        .collect())
}
