//! Customers.

use serde_json::json;

use super::super::gid::Kind;
use super::super::graphql::{Args, Node};
use super::{Answering, At, Found, money_in, number, text, time, unknown};

impl Answering<'_> {
    pub(super) fn customer_field(&mut self, id: u64, field: &str, args: &Args) -> Found {
        match field {
            "metafield" => return Ok(self.metafield((Kind::Customer, id), args)),
            "metafields" => return self.metafields((Kind::Customer, id), args),
            "orders" => {
                let ids = self.state.orders_of_customer(id).to_vec();
                return self.orders_among(&ids, args);
            }
            _ => {}
        }
        let Some(customer) = self.state.customers.get(&id) else {
            return Err(unknown(field));
        };
        let orders = self.state.orders_of_customer(id);
        Ok(match field {
            "id" => Node::of(json!(Kind::Customer.gid(id))),
            "legacyResourceId" => number(id),
            "firstName" => text(&customer.first_name),
            "lastName" => text(&customer.last_name),
            "displayName" => Node::of(json!(customer.display_name())),
            "email" => text(&customer.email),
            "phone" => text(&customer.phone),
            "defaultEmailAddress" => customer.email.as_ref().map_or(Node::Null, |email| {
                Node::Object(
                    "CustomerEmailAddress",
                    vec![
                        ("emailAddress", Node::of(json!(email))),
                        ("marketingState", Node::of("NOT_SUBSCRIBED")),
                        ("validFormat", Node::of(email.contains('@'))),
                    ],
                )
            }),
            "defaultPhoneNumber" => customer.phone.as_ref().map_or(Node::Null, |phone| {
                Node::Object(
                    "CustomerPhoneNumber",
                    vec![("phoneNumber", Node::of(json!(phone)))],
                )
            }),
            "defaultAddress" => Node::Null,
            "createdAt" => time(customer.created_at),
            "updatedAt" => time(customer.updated_at),
            "note" => text(&customer.note),
            "locale" => Node::of(json!(customer.locale)),
            "tags" => Node::of(json!(customer.tags)),
            "state" => Node::of("DISABLED"),
            "taxExempt" => Node::of(customer.tax_exempt),
            "dataSaleOptOut" => Node::of(false),
            "verifiedEmail" => Node::of(true),
            "validEmailAddress" => Node::of(
                customer
                    .email
                    .as_ref()
                    .is_some_and(|email| email.contains('@')),
            ),
            "canDelete" => Node::of(orders.is_empty()),
            "numberOfOrders" => number(orders.len() as u64),
            "lastOrder" => {
                let last = orders.iter().copied().max();
                return self.record("lastOrder", Kind::Order, last);
            }
            "amountSpent" => {
                let spent = orders
                    .iter()
                    .filter_map(|id| self.state.orders.get(id))
                    .map(|order| order.received() - order.refunded())
                    .sum();
                money_in(spent, &self.state.shop.currency)
            }
            "companyContactProfiles" => {
                self.need(field, Kind::CompanyContact)?;
                let contacts = self
                    .state
                    .contacts
                    .values()
                    .filter(|contact| contact.customer == id);
                Node::List(
                    contacts
                        .map(|contact| Node::Ref(At::Record(Kind::CompanyContact, contact.id)))
                        .collect(),
                )
            }
            other => return Err(unknown(other)),
        })
    }
}
