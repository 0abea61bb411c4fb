//! Orders.
//!
//! Owns: the fields of an order, whose purchase it is, and the money that came and went. Refuses: money that has not moved: an authorisation, a
//! payment that is pending or failed, a test. Invariant: each movement has the id of its transaction as its key, which never changes, so that
//! reading an order again, or its refund before its payment, counts nothing twice.
//!
//! Amounts are those in the shop's own currency, which is the currency of the order here; what the customer saw may be another. A refund is
//! counted when its transaction has succeeded, which may be later than the refund itself was written down.

use super::{
    id,
    map::{self, Adding, Flaw, Node},
    money,
    selection::Selection,
    wire::clipped,
};
use crate::record::{Order, RecordLink, Resource, RevenueLine, RevenueLineKind};
use serde_json::Value;

const UTM: [&str; 5] = ["source", "medium", "campaign", "content", "term"];

/// Adds the fields.
pub(super) fn fields(add: &mut Adding<'_>) -> Result<(), Flaw> {
    for name in ["name", "email", "tags", "test"] {
        add.plain(name)?;
    }
    for (name, field) in [
        ("currency", "currencyCode"),
        ("financial_status", "displayFinancialStatus"),
        ("cancelled_at", "cancelledAt"),
        ("processed_at", "processedAt"),
        ("discount_codes", "discountCodes"),
    ] {
        add.nested(name, field, &[])?;
    }
    if add.has("totalPriceSet") {
        let node = add.node;
        let total = node.get("totalPriceSet").unwrap_or(&Value::Null);
        let (amount, _) = amount(total).map_err(|flaw| format!("its total: {flaw}"))?;
        add.put("total", Some(amount));
    }
    if add.has("customerJourneySummary") {
        let journey = add.node.get("customerJourneySummary");
        let visit = |which: &str| {
            let utm = journey?.get(which)?.get("utmParameters")?;
            utm.is_object().then_some(utm)
        };
        // Who brought the customer last; the first visit where the last one says nothing.
        let utm = visit("lastVisit").or_else(|| visit("firstVisit"));
        for part in UTM {
            let value = utm.and_then(|utm| utm.get(part)).and_then(Value::as_str);
            add.put(&format!("utm_{part}"), value.map(str::to_owned));
        }
    }
    Ok(())
}

/// Whose purchase it is: a company, where it was made for one, and the customer.
pub(super) fn links(
    node: &Node,
    selection: &Selection<'_>,
) -> Result<(Vec<RecordLink>, bool), Flaw> {
    let link = |resource, kind, global: Option<&Value>| -> Result<RecordLink, Flaw> {
        Ok(RecordLink {
            resource,
            external_id: id::required(kind, global.and_then(Value::as_str))?,
            labels: Vec::new(),
            primary: true,
        })
    };
    let mut links = Vec::new();
    let mut complete = true;
    for field in ["purchasingEntity", "customer"] {
        let absent = selection.omitted.contains(field) || !node.contains_key(field);
        complete &= !absent;
        let value = node.get(field).filter(|value| !absent && !value.is_null());
        let Some(value) = value else { continue };
        if field == "customer" {
            links.push(link(Resource::Contact, "Customer", value.get("id"))?);
        } else if let Some(company) = value.get("company") {
            links.push(link(Resource::Company, "Company", company.get("id"))?);
        }
    }
    links.sort();
    Ok((links, complete))
}

/// The money that came and went, oldest first.
pub(super) fn money(node: &Node, selection: &Selection<'_>) -> Result<Order, Flaw> {
    if selection.omitted.contains("transactions") {
        return Ok(Order::default());
    }
    let Some(Value::Array(transactions)) = node.get("transactions") else {
        return Err("its transactions are no list".to_owned());
    };
    let mut revenue = Vec::new();
    for transaction in transactions {
        revenue.extend(movement(transaction)?);
    }
    revenue.sort_by(|one: &RevenueLine, other| {
        (one.occurred_at_ms, &one.external_key).cmp(&(other.occurred_at_ms, &other.external_key))
    });
    Ok(Order { revenue })
}

/// The movement of money a transaction is, if it is one.
fn movement(transaction: &Value) -> Result<Option<RevenueLine>, Flaw> {
    let word = |name: &str| transaction.get(name).and_then(Value::as_str);
    let (Some(kind), Some(status)) = (word("kind"), word("status")) else {
        return Err("one of its transactions does not say what it is".to_owned());
    };
    let kind = match kind {
        "SALE" | "CAPTURE" => RevenueLineKind::Payment,
        // Change is money that goes back over the counter.
        "REFUND" | "CHANGE" => RevenueLineKind::Refund,
        _ => return Ok(None),
    };
    if status != "SUCCESS" || transaction.get("test") == Some(&Value::Bool(true)) {
        return Ok(None);
    }
    let digits = id::required("OrderTransaction", word("id"))?;
    let flawed = |flaw: Flaw| format!("transaction {digits}: {flaw}");
    let (amount, currency) = transaction
        .get("amountSet")
        .ok_or_else(|| "no amount".to_owned())
        .and_then(amount)
        .map_err(flawed)?;
    if !money::is_positive(&amount) {
        return Ok(None);
    }
    let at = word("processedAt").or_else(|| word("createdAt"));
    let occurred_at_ms = at
        .and_then(map::time_ms)
        .ok_or_else(|| format!("transaction {digits}: no readable time"))?;
    Ok(Some(RevenueLine {
        external_key: format!("transaction:{digits}"),
        kind,
        amount,
        currency,
        occurred_at_ms,
    }))
}

/// Amount and currency in the shop's own currency.
fn amount(bag: &Value) -> Result<(String, String), Flaw> {
    let part = |name: &str| bag.get("shopMoney")?.get(name)?.as_str();
    let (Some(amount), Some(currency)) = (part("amount"), part("currencyCode")) else {
        return Err("the amount is no text with a currency".to_owned());
    };
    if !money::is_decimal(amount) || !money::is_currency(currency) {
        return Err(format!(
            "{:?} {:?} is no amount",
            clipped(amount),
            clipped(currency)
        ));
    }
    Ok((amount.to_owned(), currency.to_owned()))
}

/// How many transactions of an order were read; none when they were denied.
pub(super) fn transactions(node: &Node) -> Option<usize> {
    node.get("transactions")?.as_array().map(Vec::len)
}
