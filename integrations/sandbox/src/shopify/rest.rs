//! Bodies of webhooks, in the older shape: names with underscores, numeric ids of 64 bits, amounts as padded texts, times in the shop's zone.

use chrono::{DateTime, FixedOffset, SecondsFormat, Utc};
use serde_json::{Value, json};

use super::gid::Kind;
use super::model::{Company, Contact, Customer, Order, Refund, Transaction};
use super::money::padded;
use super::state::State;

/// The shop's zone is five hours behind all year.
const BEHIND_SECONDS: i32 = 5 * 3600;

/// A time in the shop's zone, with its offset.
pub(crate) fn time(ms: i64) -> String {
    let at = DateTime::<Utc>::from_timestamp_millis(ms).unwrap_or_default();
    match FixedOffset::west_opt(BEHIND_SECONDS) {
        Some(zone) => at
            .with_timezone(&zone)
            .to_rfc3339_opts(SecondsFormat::Secs, false),
        None => at.to_rfc3339_opts(SecondsFormat::Secs, false),
    }
}

/// Text as the vendor writes it: slashes are escaped.
pub(crate) fn print(body: &Value) -> String {
    // A slash stands only inside texts, where the escape means the same.
    body.to_string().replace('/', "\\/")
}

fn set(order: &Order, minor: i64) -> Value {
    let seen = order.presentment_currency();
    json!({
        "shop_money": {"amount": padded(minor, &order.currency), "currency_code": order.currency},
        "presentment_money": {"amount": padded(order.presented(minor), seen), "currency_code": seen},
    })
}

pub(crate) fn order(state: &State, order: &Order) -> Value {
    let money = |minor| padded(minor, &order.currency);
    let status = order.financial_status().to_lowercase();
    let customer = order
        .customer
        .and_then(|id| state.customers.get(&id))
        .map(|buyer| customer(buyer, &order.currency));
    let lines: Vec<Value> = order
        .lines
        .iter()
        .map(|line| {
            json!({
                "id": line.id,
                "admin_graphql_api_id": Kind::LineItem.gid(line.id),
                "current_quantity": line.quantity - line.refunded,
                "name": line.title,
                "title": line.title,
                "price": money(line.unit),
                "price_set": set(order, line.unit),
                "quantity": line.quantity,
                "sku": line.sku,
                "total_discount": money(0),
                "product_exists": false,
                "product_id": null,
                "variant_id": null,
                "taxable": true,
            })
        })
        .collect();
    let codes: Vec<Value> = order
        .discount_codes
        .iter()
        .map(|code| json!({"code": code, "amount": money(order.discount), "type": "fixed_amount"}))
        .collect();
    let attributes: Vec<Value> = order
        .attributes
        .iter()
        .map(|(name, value)| json!({"name": name, "value": value}))
        .collect();
    let refunds: Vec<Value> = order
        .refunds
        .iter()
        .map(|made| refund(order, made))
        .collect();
    let company = order
        .purchase
        .map(|purchase| json!({"id": purchase.company, "location_id": purchase.location}));
    let landing = order
        .journey
        .as_ref()
        .and_then(|journey| journey.landing_page.clone());
    let referrer = order
        .journey
        .as_ref()
        .and_then(|journey| journey.referrer.clone());
    let mut body = json!({
        "id": order.id,
        "admin_graphql_api_id": Kind::Order.gid(order.id),
        "app_id": null,
        "cancel_reason": order.cancel_reason,
        "cancelled_at": order.cancelled_at.map(time),
        "closed_at": null,
        "company": company,
        "confirmed": true,
        "contact_email": order.email,
        "created_at": time(order.created_at),
        "currency": order.currency,
        "current_subtotal_price": money(order.subtotal()),
        "current_total_price": money(order.current_total()),
        "current_total_price_set": set(order, order.current_total()),
        "current_total_tax": money(order.tax),
        "customer": customer,
        "discount_codes": codes,
        "email": order.email,
        "financial_status": status,
        "fulfillment_status": null,
        "landing_site": landing,
        "line_items": lines,
        "name": order.name(),
    });
    let money_side = json!({
        "note": order.note,
        "note_attributes": attributes,
        "number": order.number.saturating_sub(1000),
        "order_number": order.number,
        "payment_gateway_names": gateways(order),
        "phone": order.phone,
        "po_number": order.po_number,
        "presentment_currency": order.presentment_currency(),
        "processed_at": time(order.processed_at),
        "referring_site": referrer,
        "refunds": refunds,
        "source_name": order.source_name,
        "subtotal_price": money(order.subtotal()),
        "tags": order.tags.join(", "),
        "taxes_included": false,
        "test": order.test,
        "total_discounts": money(order.discount),
        "total_discounts_set": set(order, order.discount),
        "total_line_items_price": money(order.lines_total()),
        "total_outstanding": money(order.outstanding()),
        "total_price": money(order.total()),
        "total_price_set": set(order, order.total()),
        "total_tax": money(order.tax),
        "updated_at": time(order.updated_at),
    });
    if let (Some(body), Value::Object(more)) = (body.as_object_mut(), money_side) {
        body.extend(more);
    }
    body
}

pub(crate) fn gateways(order: &Order) -> Vec<String> {
    let mut names: Vec<String> = order
        .transactions
        .iter()
        .map(|t| t.gateway.clone())
        .collect();
    names.dedup();
    names
}

pub(crate) fn refund(order: &Order, refund: &Refund) -> Value {
    let lines: Vec<Value> = refund
        .lines
        .iter()
        .map(|(line, quantity)| {
            let unit = order
                .lines
                .iter()
                .find(|known| known.id == *line)
                .map_or(0, |known| known.unit);
            json!({
                "id": refund.id + 1,
                "line_item_id": line,
                "quantity": quantity,
                "subtotal": padded(unit * i64::from(*quantity), &order.currency),
                "restock_type": "no_restock",
            })
        })
        .collect();
    let transactions: Vec<Value> = order
        .transactions
        .iter()
        .filter(|known| known.id == refund.transaction)
        .map(|known| transaction(order, known))
        .collect();
    json!({
        "id": refund.id,
        "admin_graphql_api_id": Kind::Refund.gid(refund.id),
        "order_id": order.id,
        "created_at": time(refund.at),
        "processed_at": time(refund.at),
        "note": refund.note,
        "restock": false,
        "user_id": null,
        "refund_line_items": lines,
        "transactions": transactions,
        "order_adjustments": [],
    })
}

pub(crate) fn transaction(order: &Order, made: &Transaction) -> Value {
    json!({
        "id": made.id,
        "admin_graphql_api_id": Kind::OrderTransaction.gid(made.id),
        "order_id": order.id,
        "kind": made.kind.to_lowercase(),
        "gateway": made.gateway,
        "status": "success",
        "amount": padded(made.amount, &order.currency),
        "currency": order.currency,
        "created_at": time(made.at),
        "processed_at": time(made.at),
        "test": order.test,
    })
}

pub(crate) fn customer(customer: &Customer, currency: &str) -> Value {
    json!({
        "id": customer.id,
        "admin_graphql_api_id": Kind::Customer.gid(customer.id),
        "created_at": time(customer.created_at),
        "updated_at": time(customer.updated_at),
        "first_name": customer.first_name,
        "last_name": customer.last_name,
        "state": "disabled",
        "note": customer.note,
        "verified_email": true,
        "multipass_identifier": null,
        "tax_exempt": customer.tax_exempt,
        "tax_exemptions": [],
        "tags": customer.tags.join(", "),
        "email": customer.email,
        "phone": customer.phone,
        "currency": currency,
    })
}

pub(crate) fn company(company: &Company) -> Value {
    json!({
        "name": company.name,
        "note": company.note,
        "external_id": company.external_id,
        "main_contact_admin_graphql_api_id": company.main_contact.map(|id| Kind::CompanyContact.gid(id)),
        "created_at": time(company.created_at),
        "updated_at": time(company.updated_at),
        "customer_since": time(company.customer_since),
        "admin_graphql_api_id": Kind::Company.gid(company.id),
    })
}

pub(crate) fn contact(state: &State, contact: &Contact) -> Value {
    json!({
        "customer_admin_graphql_api_id": Kind::Customer.gid(contact.customer),
        "title": contact.title,
        "locale": contact.locale,
        "created_at": time(contact.created_at),
        "updated_at": time(contact.updated_at),
        "admin_graphql_api_id": Kind::CompanyContact.gid(contact.id),
        "company": state.companies.get(&contact.company).map(company),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vendors_way_of_writing() {
        assert_eq!(time(1_641_013_200_000), "2022-01-01T00:00:00-05:00");
        let printed = print(&json!({"id": 820_982_911_946_154_508_u64, "a": "gid://x"}));
        assert!(printed.contains("820982911946154508"));
        assert!(printed.contains(r"gid:\/\/x"));
    }
}
