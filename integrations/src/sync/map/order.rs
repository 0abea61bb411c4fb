//! Orders: what a purchase says of a deal, what was paid and refunded, and the values that name a partner.
//!
//! The names of an order's fields are neutral, so nothing here knows a shop. What the record holds besides its fields (its payments) and what
//! was made of it the last time (whose doing it is, who bought) stand in its shadow under names of our own, so that an order can be read again
//! from the shadow alone. Invariant: reading the same fields gives the same reading.

use super::deal::DealReading;
use super::reference::References;
use super::value::{amount, checked, instant, present};
use crate::record::{Fields, Kind, Record, RevenueLine, RevenueLineKind};
use crate::sync::merge::{Flag, Reading};
use entities::clock::Timestamp;
use entities::connection::mapping::order::{OrderMapping, PartnerRef, PartnerSource, fold};
use entities::deal::DealStage;
use entities::domain_name::DomainName;
use entities::id::{CustomerId, PartnerId};
use entities::money::{Currency, Money};
use entities::revenue_event::RevenueKind;

/// The fields that every order has.
pub(in crate::sync) const FIELDS: [&str; 15] = [
    "name",
    "email",
    "currency",
    "total",
    "financial_status",
    "cancelled_at",
    "processed_at",
    "test",
    "discount_codes",
    "utm_source",
    "utm_medium",
    "utm_campaign",
    "utm_content",
    "utm_term",
    "tags",
];

/// Of an order's fields those that say who bought.
pub(in crate::sync) const PERSONAL: [&str; 1] = ["email"];

/// Where the shadow keeps what was paid and refunded.
pub(in crate::sync) const REVENUE: &str = "⟨revenue⟩";
/// Where the shadow keeps the partner that was taken over.
const PARTNER: &str = "⟨partner⟩";
/// Where the shadow keeps the customer that was taken over.
const CUSTOMER: &str = "⟨customer⟩";

/// Addresses of mail providers say nothing of a company.
const PUBLIC_MAIL: [&str; 24] = [
    "aol.com",
    "gmail.com",
    "gmx.at",
    "gmx.ch",
    "gmx.com",
    "gmx.de",
    "gmx.net",
    "googlemail.com",
    "hotmail.com",
    "icloud.com",
    "live.com",
    "mail.com",
    "me.com",
    "msn.com",
    "outlook.com",
    "proton.me",
    "protonmail.com",
    "qq.com",
    "t-online.de",
    "web.de",
    "yahoo.co.uk",
    "yahoo.com",
    "yahoo.de",
    "ymail.com",
];

/// What was paid or refunded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::sync) struct Paid {
    pub(in crate::sync) external_key: String,
    pub(in crate::sync) kind: RevenueKind,
    pub(in crate::sync) amount: Money,
    pub(in crate::sync) occurred_at: Timestamp,
}

/// What a record says of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::sync) struct OrderReading {
    /// As a deal.
    pub(in crate::sync) deal: DealReading,
    /// Why it is kept out, if it is and nothing was made of it yet.
    pub(in crate::sync) excluded: Option<Flag>,
    pub(in crate::sync) paid: Vec<Paid>,
    /// Payments and refunds that could not be read.
    pub(in crate::sync) unpaid: Vec<Flag>,
}

impl OrderReading {
    /// What could not be taken over.
    pub(in crate::sync) fn flags(&self) -> impl Iterator<Item = &Flag> {
        self.deal.flags().chain(&self.unpaid)
    }
}

/// Puts what a record holds besides its fields among them, as its shadow keeps it.
pub(in crate::sync) fn keep_revenue(record: &mut Record) {
    if let Kind::Order(order) = &record.kind {
        let mut lines = order.revenue.clone();
        lines.sort_by(|one, other| {
            (one.occurred_at_ms, &one.external_key)
                .cmp(&(other.occurred_at_ms, &other.external_key))
        });
        let text = (!lines.is_empty()).then(|| serde_json::to_string(&lines).ok());
        record.fields.insert(REVENUE.to_owned(), text.flatten());
    }
}

/// What a record held besides its fields, as its shadow keeps it.
pub(in crate::sync) fn kind_of(fields: &Fields) -> Kind {
    let lines = present(fields, REVENUE).map(serde_json::from_str::<Vec<RevenueLine>>);
    Kind::Order(crate::record::Order {
        revenue: lines.and_then(Result::ok).unwrap_or_default(),
    })
}

/// Reads an order.
pub(in crate::sync) fn order(references: &References, fields: &Fields) -> OrderReading {
    let (paid, unpaid) = revenue(fields);
    let was_paid = paid.iter().any(|line| line.kind == RevenueKind::Payment);
    let status = present(fields, "financial_status").map(str::to_lowercase);
    let is_void = !was_paid
        && status
            .as_deref()
            .is_some_and(|status| matches!(status, "voided" | "expired"));
    let cancelled = present(fields, "cancelled_at");
    let (stage, lost_reason, closing) = if is_void {
        (DealStage::Lost, Some("voided"), "cancelled_at")
    } else if cancelled.is_some() && !was_paid {
        (DealStage::Lost, Some("cancelled"), "cancelled_at")
    } else {
        (DealStage::Won, None, "processed_at")
    };
    let closing = if present(fields, closing).is_some() {
        closing
    } else {
        "processed_at"
    };
    let source_stage = match present(fields, "financial_status") {
        Some(text) => checked("financial_status", text, 1_000).map(Some),
        None => Reading::Value(None),
    };
    let (total, currency) = ("total".to_owned(), "currency".to_owned());
    OrderReading {
        deal: DealReading {
            name: name(fields),
            stage: Reading::Value(stage),
            source_stage,
            amount: amount(fields, Some(&total), Some(&currency), references.currency),
            expected_close_on: Reading::Unread,
            closed_on: None,
            closed_at: closed_at(fields, closing),
            lost_reason: Reading::Value(lost_reason.map(str::to_owned)),
            owner_name: Reading::Unread,
            owner_email: Reading::Unread,
            products: Reading::Unread,
            awaited_owner: None,
        },
        excluded: excluded(fields, is_void),
        paid,
        unpaid,
    }
}

fn excluded(fields: &Fields, is_void: bool) -> Option<Flag> {
    let flag = |property: &str, code, message: &str| Flag {
        property: property.to_owned(),
        code,
        message: message.to_owned(),
    };
    if present(fields, "test").is_some_and(|text| text.trim().eq_ignore_ascii_case("true")) {
        return Some(flag(
            "test",
            "TEST_ORDER",
            "It is a test: nothing was bought.",
        ));
    }
    is_void.then(|| {
        flag(
            "financial_status",
            "VOIDED_ORDER",
            "It was never paid and will not be.",
        )
    })
}

fn name(fields: &Fields) -> Reading<String> {
    match present(fields, "name") {
        Some(text) => checked("name", text.trim(), 500),
        None => Reading::flagged("name", "NAME_MISSING", "The order has no number."),
    }
}

fn closed_at(fields: &Fields, property: &str) -> Reading<Option<Timestamp>> {
    match present(fields, property) {
        // When it was closed is then not the shop's to say.
        None => Reading::Unread,
        Some(text) => match instant(text) {
            Some(at) => Reading::Value(Some(at)),
            None => Reading::flagged(property, "INVALID_DATE", "The value is not a date."),
        },
    }
}

fn revenue(fields: &Fields) -> (Vec<Paid>, Vec<Flag>) {
    let (mut paid, mut flags) = (Vec::new(), Vec::new());
    let Some(text) = present(fields, REVENUE) else {
        return (paid, flags);
    };
    let lines: Vec<RevenueLine> = serde_json::from_str(text).unwrap_or_default();
    for line in lines {
        match read_line(&line) {
            Ok(line) => paid.push(line),
            Err(flag) => flags.push(flag),
        }
    }
    (paid, flags)
}

fn read_line(line: &RevenueLine) -> Result<Paid, Flag> {
    let flag = |code, message: String| Flag {
        property: format!("revenue.{}", line.external_key),
        code,
        message,
    };
    let currency: Currency = line.currency.trim().parse().map_err(|_| {
        let message = "The currency does not exist, so the amount means nothing.".to_owned();
        flag("INVALID_CURRENCY", message)
    })?;
    let amount = Money::parse(&line.amount, currency).map_err(|fault| {
        let message = format!("The amount is {fault} ({currency}).");
        flag("INVALID_AMOUNT", message)
    })?;
    if amount.minor <= 0 {
        let message = "What was paid or refunded is not more than nothing.".to_owned();
        return Err(flag("INVALID_AMOUNT", message));
    }
    Ok(Paid {
        external_key: line.external_key.clone(),
        kind: match line.kind {
            RevenueLineKind::Payment => RevenueKind::Payment,
            RevenueLineKind::Refund => RevenueKind::Refund,
        },
        amount,
        occurred_at: Timestamp::from_millis(line.occurred_at_ms),
    })
}

/// The partners an order names, in the order in which they count: the sources in theirs, the values in theirs.
pub(in crate::sync) fn named_partners(mapping: &OrderMapping, fields: &Fields) -> Vec<PartnerRef> {
    let of_source = |source: &PartnerSource| {
        let values = present(fields, &source.property).unwrap_or_default();
        let named = values.lines().filter_map(|value| {
            let known = source.partners.get(&fold(value)).cloned();
            let by_domain = || value.parse::<DomainName>().ok().map(PartnerRef::Domain);
            known.or_else(|| source.by_domain.then(by_domain).flatten())
        });
        named.collect::<Vec<_>>()
    };
    mapping.partner_from.iter().flat_map(of_source).collect()
}

/// The buyer's e-mail address.
pub(in crate::sync) fn email(fields: &Fields) -> Option<&str> {
    present(fields, "email")
        .map(str::trim)
        .filter(|text| entities::contact::is_email(text))
}

/// The company's domain that an e-mail address tells, unless it is a mail provider's.
pub(in crate::sync) fn company_domain(email: &str) -> Option<DomainName> {
    let domain: DomainName = email.rsplit_once('@')?.1.parse().ok()?;
    (!PUBLIC_MAIL.contains(&domain.as_str())).then_some(domain)
}

/// The partner that was taken over the last time.
pub(in crate::sync) fn taken_partner(fields: &Fields) -> Option<PartnerId> {
    present(fields, PARTNER)?.parse().ok()
}

/// The customer that was taken over the last time.
pub(in crate::sync) fn taken_customer(fields: &Fields) -> Option<CustomerId> {
    present(fields, CUSTOMER)?.parse().ok()
}

/// Notes what is taken over now.
pub(in crate::sync) fn take(
    fields: &mut Fields,
    partner: Option<PartnerId>,
    customer: Option<CustomerId>,
) {
    let mut note = |name: &str, id: Option<String>| match id {
        Some(id) => fields.insert(name.to_owned(), Some(id)),
        None => fields.remove(name),
    };
    note(PARTNER, partner.map(|id| id.to_string()));
    note(CUSTOMER, customer.map(|id| id.to_string()));
}
