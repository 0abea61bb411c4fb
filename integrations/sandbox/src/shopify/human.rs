//! What people do in a shop: a buyer places an order, a merchant takes money, gives it back, cancels, deletes and edits.
//!
//! Refuses: amounts that are none, more money back than was paid, orders for unknown customers. Invariant: a refused edit changed nothing.

use serde_json::json;

use super::creating::{amount, create_company, create_customer, pay, place, put_metafield};
use super::drafts::{CompanyDraft, CustomerDraft, OrderDraft, OrderEdit};
use super::gid::Kind;
use super::model::{Company, Customer, Refund, Transaction};
use super::money;
use super::refused::Refused;
use super::rest;
use super::store::Store;

impl Store {
    /// A buyer places an order; answers its id.
    pub fn place_order(&self, draft: OrderDraft) -> Result<u64, Refused> {
        self.change(|change| place(change, draft))
    }

    /// The rest of an order is paid.
    pub fn pay_order(&self, id: u64) -> Result<(), Refused> {
        self.change(|change| {
            pay(change, id)?;
            change.order(id, &["orders/paid", "orders/updated"]);
            Ok(())
        })
    }

    /// Money is given back: an amount, or all that is left. Answers the refund's id.
    pub fn refund_order(&self, id: u64, asked: Option<&str>) -> Result<u64, Refused> {
        self.change(|change| {
            let order = change
                .state
                .orders
                .get(&id)
                .ok_or(Refused::no("order", id))?;
            let left = order.received() - order.refunded();
            let given = match asked {
                Some(text) => amount(text, &order.currency, "the refund")?,
                None => left,
            };
            if given <= 0 || given > left {
                let left = money::padded(left, &order.currency);
                return Err(Refused::Invalid(format!("only {left} can be refunded")));
            }
            let whole = given == left;
            let (refund, transaction) = (
                change.state.issue(Kind::Refund),
                change.state.issue(Kind::OrderTransaction),
            );
            let now = change.now;
            let Some(order) = change.state.orders.get_mut(&id) else {
                return Err(Refused::no("order", id));
            };
            order.transactions.push(Transaction {
                id: transaction,
                at: now,
                kind: "REFUND".to_owned(),
                amount: given,
                gateway: "bogus".to_owned(),
            });
            let mut lines = Vec::new();
            for line in order
                .lines
                .iter_mut()
                .filter(|line| whole && line.refunded < line.quantity)
            {
                lines.push((line.id, line.quantity - line.refunded));
                line.refunded = line.quantity;
            }
            order.refunds.push(Refund {
                id: refund,
                at: now,
                note: None,
                amount: given,
                lines,
                transaction,
            });
            change.order(id, &[]);
            if let Some(order) = change.state.orders.get(&id)
                && let Some(made) = order.refunds.last()
            {
                let body = rest::refund(order, made);
                change.tell("refunds/create", body);
            }
            change.order(id, &["orders/updated"]);
            Ok(refund)
        })
    }

    /// The order is cancelled, for `customer`, `declined`, `fraud`, `inventory`, `staff` or `other`. Money stays where it is.
    pub fn cancel_order(&self, id: u64, reason: &str) -> Result<(), Refused> {
        if ![
            "customer",
            "declined",
            "fraud",
            "inventory",
            "staff",
            "other",
        ]
        .contains(&reason)
        {
            return Err(Refused::Invalid(format!(
                "{reason:?} is no reason to cancel"
            )));
        }
        self.change(|change| {
            let now = change.now;
            let order = change
                .state
                .orders
                .get_mut(&id)
                .ok_or(Refused::no("order", id))?;
            if order.cancelled_at.is_some() {
                return Err(Refused::Invalid(
                    "the order is cancelled already".to_owned(),
                ));
            }
            order.cancelled_at = Some(now);
            order.cancel_reason = Some(reason.to_owned());
            change.order(id, &["orders/cancelled", "orders/updated"]);
            Ok(())
        })
    }

    /// The order is deleted; a webhook is all that tells of it.
    pub fn delete_order(&self, id: u64) -> Result<(), Refused> {
        self.change(|change| {
            change
                .state
                .remove_order(id)
                .ok_or(Refused::no("order", id))?;
            change.tell("orders/delete", json!({"id": id}));
            Ok(())
        })
    }

    /// A merchant edits what can be edited of an order.
    pub fn edit_order(&self, id: u64, edit: OrderEdit) -> Result<(), Refused> {
        self.change(|change| {
            let order = change
                .state
                .orders
                .get_mut(&id)
                .ok_or(Refused::no("order", id))?;
            edit.apply(order);
            change.order(id, &["orders/updated"]);
            Ok(())
        })
    }

    /// A customer is created; answers its id.
    pub fn create_customer(&self, draft: CustomerDraft) -> Result<u64, Refused> {
        self.change(|change| create_customer(change, draft))
    }

    /// A customer's fields are replaced where the draft has some.
    pub fn edit_customer(&self, id: u64, draft: CustomerDraft) -> Result<(), Refused> {
        self.change(|change| {
            let mut customer = change
                .state
                .customers
                .get(&id)
                .cloned()
                .ok_or(Refused::no("customer", id))?;
            draft.apply(&mut customer);
            let taken = customer
                .email
                .as_deref()
                .and_then(|email| change.state.customer_by_email(email));
            if taken.is_some_and(|other| other != id) {
                return Err(Refused::Invalid("Email has already been taken".to_owned()));
            }
            change.state.put_customer(customer);
            change.customer(id, "customers/update");
            Ok(())
        })
    }

    /// A customer without orders is deleted.
    pub fn delete_customer(&self, id: u64) -> Result<(), Refused> {
        self.change(|change| {
            if !change.state.orders_of_customer(id).is_empty() {
                return Err(Refused::Invalid("Customer can't be deleted because they have associated orders".to_owned()));
            }
            change.state.remove_customer(id).ok_or(Refused::no("customer", id))?;
            change.tell(
                "customers/delete",
                json!({"id": id, "tax_exemptions": [], "admin_graphql_api_id": Kind::Customer.gid(id)}),
            );
            Ok(())
        })
    }

    /// The customers there are, by id, with their names and e-mail addresses.
    pub fn customers(&self) -> Vec<(u64, String, Option<String>)> {
        let state = self.read();
        let named = |(id, customer): (&u64, &Customer)| {
            (*id, customer.display_name(), customer.email.clone())
        };
        state.customers.iter().map(named).collect()
    }

    /// The companies there are, by id, with their names.
    pub fn companies(&self) -> Vec<(u64, String)> {
        let state = self.read();
        let named = |(id, company): (&u64, &Company)| (*id, company.name.clone());
        state.companies.iter().map(named).collect()
    }

    /// Two customers become one; the orders of `gone` follow.
    pub fn merge_customers(&self, kept: u64, gone: u64) -> Result<(), Refused> {
        self.change(|change| {
            if kept == gone || !change.state.exists(Kind::Customer, kept) {
                return Err(Refused::no("customer", kept));
            }
            change
                .state
                .remove_customer(gone)
                .ok_or(Refused::no("customer", gone))?;
            change.state.move_orders(gone, kept);
            for contact in change
                .state
                .contacts
                .values_mut()
                .filter(|contact| contact.customer == gone)
            {
                contact.customer = kept;
            }
            change.tell(
                "customers/merge",
                json!({
                    "admin_graphql_api_customer_kept_id": Kind::Customer.gid(kept),
                    "admin_graphql_api_customer_deleted_id": Kind::Customer.gid(gone),
                    "admin_graphql_api_job_id": null,
                    "status": "completed",
                    "errors": [],
                }),
            );
            change.customer(kept, "customers/update");
            Ok(())
        })
    }

    /// A company is created, with a location and, when the draft names a customer, a main contact; answers its id.
    pub fn create_company(&self, draft: CompanyDraft) -> Result<u64, Refused> {
        self.change(|change| create_company(change, draft))
    }

    /// A company's fields are replaced where the draft has some.
    pub fn edit_company(&self, id: u64, draft: CompanyDraft) -> Result<(), Refused> {
        self.change(|change| {
            let company = change
                .state
                .companies
                .get_mut(&id)
                .ok_or(Refused::no("company", id))?;
            draft.apply(company);
            change.company(id, "companies/update");
            Ok(())
        })
    }

    /// A company without orders is deleted, with its contacts and locations.
    pub fn delete_company(&self, id: u64) -> Result<(), Refused> {
        self.change(|change| {
            if !change.state.orders_of_company(id).is_empty() {
                return Err(Refused::Invalid(
                    "The company has orders and can't be deleted".to_owned(),
                ));
            }
            let company = change
                .state
                .companies
                .remove(&id)
                .ok_or(Refused::no("company", id))?;
            change
                .state
                .contacts
                .retain(|_, contact| contact.company != id);
            change
                .state
                .locations
                .retain(|_, location| location.company != id);
            change.state.forget_metafields((Kind::Company, id));
            let body = rest::company(&company);
            change.tell("companies/delete", body);
            Ok(())
        })
    }

    /// A merchant fills a metafield of an order, a customer or a company.
    pub fn set_metafield(
        &self,
        owner: &str,
        namespace: &str,
        key: &str,
        value: &str,
    ) -> Result<(), Refused> {
        let owner = super::gid::parse(owner)
            .ok_or_else(|| Refused::Invalid(format!("{owner:?} is not an id")))?;
        self.change(|change| {
            if !change.state.exists(owner.0, owner.1) {
                return Err(Refused::no("owner", owner.1));
            }
            put_metafield(
                change,
                owner,
                namespace,
                key,
                "single_line_text_field",
                value,
            );
            change.touched(owner);
            Ok(())
        })
    }
}
