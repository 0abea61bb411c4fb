//! What a shop holds, as the sandbox keeps it: times in milliseconds, amounts in the smallest unit of the shop's currency.
//!
//! Invariant: totals and the financial status are computed from lines, payments and refunds, never stored beside them.

use serde::{Deserialize, Serialize};

use super::money::convert;

/// An order.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) id: u64,
    pub(crate) number: u64,
    pub(crate) created_at: i64,
    pub(crate) updated_at: i64,
    pub(crate) processed_at: i64,
    pub(crate) cancelled_at: Option<i64>,
    pub(crate) cancel_reason: Option<String>,
    pub(crate) test: bool,
    pub(crate) customer: Option<u64>,
    pub(crate) purchase: Option<Purchase>,
    pub(crate) email: Option<String>,
    pub(crate) phone: Option<String>,
    pub(crate) note: Option<String>,
    pub(crate) po_number: Option<String>,
    pub(crate) source_name: String,
    pub(crate) tags: Vec<String>,
    pub(crate) discount_codes: Vec<String>,
    pub(crate) attributes: Vec<(String, String)>,
    pub(crate) journey: Option<Journey>,
    pub(crate) lines: Vec<Line>,
    pub(crate) discount: i64,
    pub(crate) shipping: i64,
    pub(crate) tax: i64,
    pub(crate) currency: String,
    /// What the buyer saw, and millionths of it for one unit of the shop's currency.
    pub(crate) presentment: Option<(String, u64)>,
    pub(crate) transactions: Vec<Transaction>,
    pub(crate) refunds: Vec<Refund>,
}

/// The company an order was placed for.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Purchase {
    pub(crate) company: u64,
    pub(crate) contact: Option<u64>,
    pub(crate) location: u64,
}

/// How the buyer came: the last visit before the order.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Journey {
    /// The vendor attributes in the background; until then nothing is told.
    pub(crate) ready_at: i64,
    pub(crate) occurred_at: i64,
    pub(crate) landing_page: Option<String>,
    pub(crate) referrer: Option<String>,
    pub(crate) source: String,
    pub(crate) utm: Option<Utm>,
}

/// The parameters of a campaign link.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Utm {
    /// `utm_source`.
    pub source: Option<String>,
    /// `utm_medium`.
    pub medium: Option<String>,
    /// `utm_campaign`.
    pub campaign: Option<String>,
    /// `utm_term`.
    pub term: Option<String>,
    /// `utm_content`.
    pub content: Option<String>,
}

/// A line of an order.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Line {
    pub(crate) id: u64,
    pub(crate) title: String,
    pub(crate) sku: Option<String>,
    pub(crate) quantity: u32,
    pub(crate) unit: i64,
    pub(crate) refunded: u32,
}

/// A payment, or money given back.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Transaction {
    pub(crate) id: u64,
    pub(crate) at: i64,
    /// `SALE`, `REFUND`.
    pub(crate) kind: String,
    pub(crate) amount: i64,
    pub(crate) gateway: String,
}

/// A refund.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Refund {
    pub(crate) id: u64,
    pub(crate) at: i64,
    pub(crate) note: Option<String>,
    pub(crate) amount: i64,
    /// Line id and quantity.
    pub(crate) lines: Vec<(u64, u32)>,
    pub(crate) transaction: u64,
}

/// A customer.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Customer {
    pub(crate) id: u64,
    pub(crate) created_at: i64,
    pub(crate) updated_at: i64,
    pub(crate) first_name: Option<String>,
    pub(crate) last_name: Option<String>,
    pub(crate) email: Option<String>,
    pub(crate) phone: Option<String>,
    pub(crate) note: Option<String>,
    pub(crate) locale: String,
    pub(crate) tags: Vec<String>,
    pub(crate) tax_exempt: bool,
}

impl Customer {
    pub(crate) fn display_name(&self) -> String {
        let name: Vec<&str> = [&self.first_name, &self.last_name]
            .into_iter()
            .filter_map(Option::as_deref)
            .filter(|part| !part.is_empty())
            .collect();
        if name.is_empty() {
            self.email
                .clone()
                .or_else(|| self.phone.clone())
                .unwrap_or_default()
        } else {
            name.join(" ")
        }
    }
}

/// A company that buys.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Company {
    pub(crate) id: u64,
    pub(crate) created_at: i64,
    pub(crate) updated_at: i64,
    pub(crate) customer_since: i64,
    pub(crate) name: String,
    pub(crate) note: Option<String>,
    pub(crate) external_id: Option<String>,
    pub(crate) main_contact: Option<u64>,
}

/// A customer who buys for a company.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Contact {
    pub(crate) id: u64,
    pub(crate) created_at: i64,
    pub(crate) updated_at: i64,
    pub(crate) company: u64,
    pub(crate) customer: u64,
    pub(crate) title: Option<String>,
    pub(crate) locale: Option<String>,
}

/// A place of a company.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Location {
    pub(crate) id: u64,
    pub(crate) created_at: i64,
    pub(crate) updated_at: i64,
    pub(crate) company: u64,
    pub(crate) name: String,
    pub(crate) note: Option<String>,
    pub(crate) phone: Option<String>,
    pub(crate) locale: Option<String>,
    pub(crate) external_id: Option<String>,
}

/// A value an app or a merchant has put on a record.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Metafield {
    pub(crate) id: u64,
    pub(crate) created_at: i64,
    pub(crate) updated_at: i64,
    pub(crate) owner: (super::gid::Kind, u64),
    pub(crate) namespace: String,
    pub(crate) key: String,
    pub(crate) kind: String,
    pub(crate) value: String,
}

/// What a metafield of some kind of record is to be.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Definition {
    pub(crate) id: u64,
    pub(crate) owner: super::gid::Kind,
    pub(crate) namespace: String,
    pub(crate) key: String,
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    pub(crate) kind: String,
    /// No two records have the same value; always so for the type `id`.
    pub(crate) unique: bool,
}

impl Order {
    pub(crate) fn name(&self) -> String {
        format!("#{}", self.number)
    }

    pub(crate) fn lines_total(&self) -> i64 {
        self.lines
            .iter()
            .map(|line| line.unit * i64::from(line.quantity))
            .sum()
    }

    pub(crate) fn subtotal(&self) -> i64 {
        self.lines_total() - self.discount
    }

    /// What the buyer owed when the order was placed.
    pub(crate) fn total(&self) -> i64 {
        self.subtotal() + self.shipping + self.tax
    }

    pub(crate) fn refunded(&self) -> i64 {
        self.refunds.iter().map(|refund| refund.amount).sum()
    }

    pub(crate) fn received(&self) -> i64 {
        self.transactions
            .iter()
            .filter(|t| t.kind == "SALE")
            .map(|t| t.amount)
            .sum()
    }

    /// What the order is worth after refunds; nothing once it is cancelled without payment.
    pub(crate) fn current_total(&self) -> i64 {
        if self.cancelled_at.is_some() && self.received() == 0 {
            return 0;
        }
        self.total() - self.refunded()
    }

    pub(crate) fn outstanding(&self) -> i64 {
        (self.current_total() - (self.received() - self.refunded())).max(0)
    }

    /// The status as GraphQL says it.
    pub(crate) fn financial_status(&self) -> &'static str {
        let (received, refunded) = (self.received(), self.refunded());
        if received == 0 {
            return match (self.cancelled_at, self.total()) {
                (Some(_), _) => "VOIDED",
                (None, 0) => "PAID",
                (None, _) => "PENDING",
            };
        }
        if refunded >= received {
            "REFUNDED"
        } else if refunded > 0 {
            "PARTIALLY_REFUNDED"
        } else if received < self.total() {
            "PARTIALLY_PAID"
        } else {
            "PAID"
        }
    }

    pub(crate) fn presentment_currency(&self) -> &str {
        self.presentment
            .as_ref()
            .map_or(&self.currency, |(currency, _)| currency)
    }

    pub(crate) fn presented(&self, minor: i64) -> i64 {
        match &self.presentment {
            Some((currency, rate)) => convert(minor, &self.currency, currency, *rate),
            None => minor,
        }
    }
}
