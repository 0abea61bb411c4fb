//! Making records: orders, customers, companies with their contacts, metafields. People and the API make them the same way.
//!
//! Invariant: everything is checked before the first record is made, so that what is refused has left nothing behind.

use super::drafts::{CompanyDraft, CustomerDraft, OrderDraft};
use super::gid::Kind;
use super::model::{
    Company, Contact, Customer, Journey, Line, Location, Metafield, Order, Purchase, Transaction,
};
use super::money;
use super::refused::Refused;
use super::rest;
use super::store::Change;

/// Reads an amount that is not negative.
pub(crate) fn amount(text: &str, currency: &str, what: &str) -> Result<i64, Refused> {
    money::parse(text, currency)
        .filter(|minor| *minor >= 0)
        .ok_or_else(|| Refused::Invalid(format!("{what} {text:?} is not an amount in {currency}")))
}

/// Sets a metafield, new or not; answers its id.
pub(crate) fn put_metafield(
    change: &mut Change<'_>,
    owner: (Kind, u64),
    namespace: &str,
    key: &str,
    kind: &str,
    value: &str,
) -> u64 {
    let known = change
        .state
        .metafields_of(owner)
        .find(|field| field.namespace == namespace && field.key == key)
        .cloned();
    let now = change.now;
    let mut field = known.unwrap_or_else(|| Metafield {
        id: change.state.issue(Kind::Metafield),
        created_at: now,
        updated_at: now,
        owner,
        namespace: namespace.to_owned(),
        key: key.to_owned(),
        kind: kind.to_owned(),
        value: String::new(),
    });
    field.updated_at = now;
    field.kind = kind.to_owned();
    field.value = value.to_owned();
    let id = field.id;
    change.state.put_metafield(field);
    id
}

/// Places an order; answers its id.
pub(crate) fn place(change: &mut Change<'_>, draft: OrderDraft) -> Result<u64, Refused> {
    let currency = change.state.shop.currency.clone();
    if draft.lines.is_empty() {
        return Err(Refused::Invalid(
            "an order needs at least one line".to_owned(),
        ));
    }
    let read = |text: &Option<String>, what| {
        text.as_deref()
            .map_or(Ok(0), |text| amount(text, &currency, what))
    };
    let (discount, shipping, tax) = (
        read(&draft.discount, "the discount")?,
        read(&draft.shipping, "the shipping")?,
        read(&draft.tax, "the tax")?,
    );
    let mut lines = Vec::new();
    for line in &draft.lines {
        if line.quantity == 0 {
            return Err(Refused::Invalid(format!(
                "{:?} is not bought at all",
                line.title
            )));
        }
        lines.push(Line {
            id: 0,
            title: line.title.clone(),
            sku: line.sku.clone(),
            quantity: line.quantity,
            unit: amount(&line.price, &currency, "the price")?,
            refunded: 0,
        });
    }
    let value: i64 = lines
        .iter()
        .map(|line| line.unit * i64::from(line.quantity))
        .sum();
    if discount > value {
        return Err(Refused::Invalid(
            "the discount exceeds the lines".to_owned(),
        ));
    }
    let purchase = match draft.company {
        Some(company) => {
            let location = change
                .state
                .locations
                .values()
                .find(|location| location.company == company);
            let location = location.ok_or(Refused::no("company", company))?.id;
            let contact = change
                .state
                .contacts
                .values()
                .find(|contact| contact.company == company);
            Some((
                Purchase {
                    company,
                    contact: contact.map(|c| c.id),
                    location,
                },
                contact.map(|c| c.customer),
            ))
        }
        None => None,
    };
    let customer = match (draft.customer, draft.new_customer) {
        (Some(id), _) if change.state.exists(Kind::Customer, id) => Some(id),
        (Some(id), _) => return Err(Refused::no("customer", id)),
        (None, Some(new)) => {
            let known = new
                .email
                .as_deref()
                .and_then(|email| change.state.customer_by_email(email));
            Some(match known {
                Some(known) => known,
                None => create_customer(change, new)?,
            })
        }
        (None, None) => purchase.and_then(|(_, customer)| customer),
    };
    let buyer = customer.and_then(|id| change.state.customers.get(&id));
    let (email, phone) = (
        buyer.and_then(|b| b.email.clone()),
        buyer.and_then(|b| b.phone.clone()),
    );
    for line in &mut lines {
        line.id = change.state.issue(Kind::LineItem);
    }
    let id = change.state.issue(Kind::Order);
    change.state.last_number += 1;
    let now = change.now;
    let placed = draft.placed_at.unwrap_or(now);
    let came = draft.utm.is_some() || draft.landing_page.is_some() || draft.referrer.is_some();
    let journey = came.then(|| Journey {
        ready_at: placed + i64::from(draft.journey_lag_ms),
        occurred_at: placed - 60_000,
        source: draft
            .utm
            .as_ref()
            .and_then(|utm| utm.source.clone())
            .unwrap_or_else(|| "direct".to_owned()),
        landing_page: draft.landing_page,
        referrer: draft.referrer,
        utm: draft.utm,
    });
    change.state.add_order(Order {
        id,
        number: change.state.last_number,
        created_at: placed,
        updated_at: now,
        processed_at: placed,
        test: draft.test,
        customer,
        purchase: purchase.map(|(purchase, _)| purchase),
        email: draft.email.or(email),
        phone,
        note: draft.note,
        source_name: draft.source_name.unwrap_or_else(|| "web".to_owned()),
        tags: draft.tags,
        discount_codes: draft.discount_codes,
        attributes: draft.attributes,
        journey,
        lines,
        discount,
        shipping,
        tax,
        currency,
        presentment: draft.presentment,
        ..Order::default()
    });
    for (namespace, key, value) in draft.metafields {
        put_metafield(
            change,
            (Kind::Order, id),
            &namespace,
            &key,
            "single_line_text_field",
            &value,
        );
    }
    if draft.paid {
        pay(change, id)?;
        change.order(id, &["orders/create", "orders/paid"]);
    } else {
        change.order(id, &["orders/create"]);
    }
    Ok(id)
}

/// Takes what is still owed.
pub(crate) fn pay(change: &mut Change<'_>, id: u64) -> Result<(), Refused> {
    let order = change
        .state
        .orders
        .get(&id)
        .ok_or(Refused::no("order", id))?;
    let owed = order.outstanding();
    if owed == 0 && order.total() > 0 {
        return Err(Refused::Invalid("nothing is left to pay".to_owned()));
    }
    let transaction = change.state.issue(Kind::OrderTransaction);
    let now = change.now;
    let Some(order) = change.state.orders.get_mut(&id) else {
        return Err(Refused::no("order", id));
    };
    let paid = Transaction {
        id: transaction,
        at: now,
        kind: "SALE".to_owned(),
        amount: owed,
        gateway: "bogus".to_owned(),
    };
    let body = rest::transaction(order, &paid);
    order.transactions.push(paid);
    change.tell("order_transactions/create", body);
    Ok(())
}

/// Makes a customer; answers its id.
pub(crate) fn create_customer(
    change: &mut Change<'_>,
    draft: CustomerDraft,
) -> Result<u64, Refused> {
    let mut customer = Customer {
        created_at: change.now,
        updated_at: change.now,
        locale: "en".to_owned(),
        ..Customer::default()
    };
    draft.apply(&mut customer);
    if customer.display_name().is_empty() {
        return Err(Refused::Invalid(
            "Customer must have a name, phone number or email address".to_owned(),
        ));
    }
    if customer
        .email
        .as_deref()
        .is_some_and(|email| change.state.customer_by_email(email).is_some())
    {
        return Err(Refused::Invalid("Email has already been taken".to_owned()));
    }
    customer.id = change.state.issue(Kind::Customer);
    let id = customer.id;
    change.state.put_customer(customer);
    change.customer(id, "customers/create");
    Ok(id)
}

/// Makes a company with a location; answers its id.
pub(crate) fn create_company(change: &mut Change<'_>, draft: CompanyDraft) -> Result<u64, Refused> {
    if draft.name.as_deref().unwrap_or_default().trim().is_empty() {
        return Err(Refused::Invalid("Name can't be blank".to_owned()));
    }
    if let Some(customer) = draft.customer
        && !change.state.exists(Kind::Customer, customer)
    {
        return Err(Refused::no("customer", customer));
    }
    let now = change.now;
    let id = change.state.issue(Kind::Company);
    let mut company = Company {
        id,
        created_at: now,
        updated_at: now,
        customer_since: now,
        ..Company::default()
    };
    let customer = draft.customer;
    draft.apply(&mut company);
    let location = change.state.issue(Kind::CompanyLocation);
    let name = company.name.clone();
    change.state.companies.insert(id, company);
    change.state.locations.insert(
        location,
        Location {
            id: location,
            created_at: now,
            updated_at: now,
            company: id,
            name,
            ..Location::default()
        },
    );
    if let Some(customer) = customer {
        add_contact(change, id, customer, None, None);
    }
    change.company(id, "companies/create");
    Ok(id)
}

/// Makes a customer a contact of a company; the first one is the main contact. Answers the contact's id.
pub(crate) fn add_contact(
    change: &mut Change<'_>,
    company: u64,
    customer: u64,
    title: Option<String>,
    locale: Option<String>,
) -> u64 {
    let now = change.now;
    let id = change.state.issue(Kind::CompanyContact);
    let contact = Contact {
        id,
        created_at: now,
        updated_at: now,
        company,
        customer,
        title,
        locale,
    };
    change.state.contacts.insert(id, contact);
    if let Some(company) = change.state.companies.get_mut(&company) {
        company.main_contact.get_or_insert(id);
    }
    change.contact(id, "company_contacts/create");
    id
}
