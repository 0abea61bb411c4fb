//! Companies, their contacts and their locations.

use serde_json::json;

use super::super::gid::Kind;
use super::super::graphql::{Args, Node};
use super::super::paging::Key;
use super::{Answering, At, Found, money_in, number_key, text, time, unknown};

impl Answering<'_> {
    pub(super) fn company_field(&mut self, id: u64, field: &str, args: &Args) -> Found {
        match field {
            "metafield" => return Ok(self.metafield((Kind::Company, id), args)),
            "metafields" => return self.metafields((Kind::Company, id), args),
            "orders" => {
                let ids = self.state.orders_of_company(id).to_vec();
                return self.orders_among(&ids, args);
            }
            _ => {}
        }
        let Some(company) = self.state.companies.get(&id) else {
            return Err(unknown(field));
        };
        let contacts = self
            .state
            .contacts
            .values()
            .filter(|contact| contact.company == id);
        let locations = self
            .state
            .locations
            .values()
            .filter(|location| location.company == id);
        let orders = self.state.orders_of_company(id);
        Ok(match field {
            "id" => Node::of(json!(Kind::Company.gid(id))),
            "name" => Node::of(json!(company.name)),
            "note" => text(&company.note),
            "externalId" => text(&company.external_id),
            "createdAt" => time(company.created_at),
            "updatedAt" => time(company.updated_at),
            "customerSince" => time(company.customer_since),
            "defaultCursor" => Node::of(json!(id.to_string())),
            "mainContact" => {
                let main = company
                    .main_contact
                    .filter(|main| self.state.contacts.contains_key(main));
                main.map_or(Node::Null, |main| {
                    Node::Ref(At::Record(Kind::CompanyContact, main))
                })
            }
            "contactsCount" => Self::count(contacts.count(), None),
            "locationsCount" => Self::count(locations.count(), None),
            "ordersCount" => Self::count(orders.len(), None),
            "contacts" => {
                let updated = args.text("sortKey") == Some("UPDATED_AT");
                let items = contacts
                    .map(|contact| {
                        let key = if updated {
                            Key::Number(contact.updated_at)
                        } else {
                            number_key(contact.id)
                        };
                        (key, contact.id)
                    })
                    .collect();
                return self.page(
                    items,
                    args,
                    Kind::CompanyContact,
                    ("CompanyContactConnection", "CompanyContactEdge"),
                );
            }
            "locations" => {
                let items = locations
                    .map(|location| (number_key(location.id), location.id))
                    .collect();
                return self.page(
                    items,
                    args,
                    Kind::CompanyLocation,
                    ("CompanyLocationConnection", "CompanyLocationEdge"),
                );
            }
            "totalSpent" => {
                let spent = orders
                    .iter()
                    .filter_map(|id| self.state.orders.get(id))
                    .map(|order| order.received() - order.refunded())
                    .sum();
                money_in(spent, &self.state.shop.currency)
            }
            other => return Err(unknown(other)),
        })
    }

    pub(super) fn contact_field(&mut self, id: u64, field: &str, args: &Args) -> Found {
        let Some(contact) = self.state.contacts.get(&id) else {
            return Err(unknown(field));
        };
        let (company, customer) = (contact.company, contact.customer);
        Ok(match field {
            "id" => Node::of(json!(Kind::CompanyContact.gid(id))),
            "title" => text(&contact.title),
            "locale" => text(&contact.locale),
            "createdAt" => time(contact.created_at),
            "updatedAt" => time(contact.updated_at),
            "company" => Node::Ref(At::Record(Kind::Company, company)),
            "customer" => return self.record("customer", Kind::Customer, Some(customer)),
            "isMainContact" => Node::of(
                self.state
                    .companies
                    .get(&company)
                    .is_some_and(|company| company.main_contact == Some(id)),
            ),
            "orders" => {
                let ids: Vec<u64> =
                    self.purchases(|purchase| purchase.contact == Some(id), company);
                return self.orders_among(&ids, args);
            }
            other => return Err(unknown(other)),
        })
    }

    pub(super) fn location_field(&mut self, id: u64, field: &str, args: &Args) -> Found {
        let Some(location) = self.state.locations.get(&id) else {
            return Err(unknown(field));
        };
        let company = location.company;
        Ok(match field {
            "id" => Node::of(json!(Kind::CompanyLocation.gid(id))),
            "name" => Node::of(json!(location.name)),
            "note" => text(&location.note),
            "phone" => text(&location.phone),
            "locale" => text(&location.locale),
            "externalId" => text(&location.external_id),
            "createdAt" => time(location.created_at),
            "updatedAt" => time(location.updated_at),
            "currency" => Node::of(json!(self.state.shop.currency)),
            "company" => Node::Ref(At::Record(Kind::Company, company)),
            "orders" => {
                let ids = self.purchases(|purchase| purchase.location == id, company);
                return self.orders_among(&ids, args);
            }
            "ordersCount" => Self::count(
                self.purchases(|purchase| purchase.location == id, company)
                    .len(),
                None,
            ),
            other => return Err(unknown(other)),
        })
    }

    fn purchases(
        &self,
        of: impl Fn(&super::super::model::Purchase) -> bool,
        company: u64,
    ) -> Vec<u64> {
        self.state
            .orders_of_company(company)
            .iter()
            .copied()
            .filter(|id| {
                self.state
                    .orders
                    .get(id)
                    .and_then(|order| order.purchase.as_ref())
                    .is_some_and(&of)
            })
            .collect()
    }
}
