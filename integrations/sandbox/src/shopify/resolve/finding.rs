//! Lists from the root: what is searched by, what is sorted by, and what the caller may see of it.

use serde_json::json;

use super::super::gid::Kind;
use super::super::graphql::Args;
use super::super::model::{Company, Customer, Order};
use super::super::paging::{Key, Page};
use super::super::search::{Known, Search, Searched};
use super::super::state::State;
use super::{Answering, At, Found, number_key};

struct OrderEntry<'a>(&'a Order, &'a State);

fn number(id: u64) -> Known {
    Known::Number(i64::try_from(id).unwrap_or(i64::MAX))
}

impl Searched for OrderEntry<'_> {
    fn known(&self, field: &str) -> Option<Vec<Known>> {
        let order = self.0;
        Some(match field {
            "id" => vec![number(order.id)],
            "created_at" => vec![Known::Time(order.created_at)],
            "updated_at" => vec![Known::Time(order.updated_at)],
            "processed_at" => vec![Known::Time(order.processed_at)],
            "name" => vec![
                Known::Text(order.name()),
                Known::Text(order.number.to_string()),
            ],
            "email" => Known::maybe(order.email.as_deref()),
            "customer_id" => order.customer.map(number).into_iter().collect(),
            "discount_code" => Known::texts(&order.discount_codes),
            "financial_status" => vec![Known::Text(order.financial_status().to_lowercase())],
            "status" => {
                let status = if order.cancelled_at.is_some() {
                    "cancelled"
                } else {
                    "open"
                };
                vec![
                    Known::Text(status.to_owned()),
                    Known::Text("any".to_owned()),
                    Known::Text("not_closed".to_owned()),
                ]
            }
            "tag" => Known::texts(&order.tags),
            "test" => vec![Known::Flag(order.test)],
            "source_name" => vec![Known::Text(order.source_name.clone())],
            "po_number" => Known::maybe(order.po_number.as_deref()),
            _ => return None,
        })
    }

    fn texts(&self) -> Vec<String> {
        let mut texts = vec![self.0.name()];
        texts.extend(self.0.email.clone());
        let buyer = self.0.customer.and_then(|id| self.1.customers.get(&id));
        texts.extend(buyer.map(Customer::display_name));
        texts
    }
}

struct CustomerEntry<'a>(&'a Customer, &'a State);

impl Searched for CustomerEntry<'_> {
    fn known(&self, field: &str) -> Option<Vec<Known>> {
        let customer = self.0;
        Some(match field {
            "id" => vec![number(customer.id)],
            "created_at" | "customer_date" => vec![Known::Time(customer.created_at)],
            "updated_at" => vec![Known::Time(customer.updated_at)],
            "email" => Known::maybe(customer.email.as_deref()),
            "phone" => Known::maybe(customer.phone.as_deref()),
            "first_name" => Known::maybe(customer.first_name.as_deref()),
            "last_name" => Known::maybe(customer.last_name.as_deref()),
            "tag" => Known::texts(&customer.tags),
            "state" => vec![Known::Text("disabled".to_owned())],
            "orders_count" => vec![number(self.1.orders_of_customer(customer.id).len() as u64)],
            _ => return None,
        })
    }

    fn texts(&self) -> Vec<String> {
        let mut texts = vec![self.0.display_name()];
        texts.extend(self.0.email.clone());
        texts
    }
}

struct CompanyEntry<'a>(&'a Company);

impl Searched for CompanyEntry<'_> {
    fn known(&self, field: &str) -> Option<Vec<Known>> {
        let company = self.0;
        Some(match field {
            "id" => vec![number(company.id)],
            "created_at" => vec![Known::Time(company.created_at)],
            "updated_at" => vec![Known::Time(company.updated_at)],
            "external_id" => Known::maybe(company.external_id.as_deref()),
            "name" => vec![Known::Text(company.name.clone())],
            _ => return None,
        })
    }

    fn texts(&self) -> Vec<String> {
        vec![self.0.name.clone()]
    }
}

/// A connection's type and that of its edges.
type Names = (&'static str, &'static str);

const ORDERS: Names = ("OrderConnection", "OrderEdge");
const CUSTOMERS: Names = ("CustomerConnection", "CustomerEdge");
const COMPANIES: Names = ("CompanyConnection", "CompanyEdge");

impl Answering<'_> {
    /// Reads the `query` argument and notes what it ignores.
    fn search(&mut self, list: &str, args: &Args, fields: impl Fn(&str) -> bool) -> Search {
        let Some(query) = args.text("query") else {
            return Search::default();
        };
        let search = Search::parse(query, fields);
        if !search.warnings.is_empty() {
            let told: Vec<_> = search
                .warnings
                .iter()
                .map(|(field, message)| json!({"field": field, "message": message}))
                .collect();
            self.warnings
                .push(json!({"path": [list], "query": query, "warnings": told}));
        }
        search
    }

    /// True when a search may know of a change already: its index lags behind the writes.
    fn indexed(&self, args: &Args, updated_at: i64) -> bool {
        args.text("query").is_none_or(str::is_empty)
            || updated_at <= self.now - self.shop.index_lag_ms()
    }

    fn orders_found(&mut self, list: &str, args: &Args) -> Vec<(Key, u64)> {
        let (blank, empty) = (Order::default(), State::default());
        let search = self.search(list, args, |name| {
            OrderEntry(&blank, &empty).known(name).is_some()
        });
        let sort = args.text("sortKey").unwrap_or("PROCESSED_AT").to_owned();
        self.state
            .orders
            .values()
            .filter(|order| self.sees(order) && self.indexed(args, order.updated_at))
            .filter(|order| search.matches(&OrderEntry(order, self.state)))
            .map(|order| (order_key(order, self.state, &sort), order.id))
            .collect()
    }

    fn customers_found(&mut self, list: &str, args: &Args) -> Vec<(Key, u64)> {
        let (blank, empty) = (Customer::default(), State::default());
        let search = self.search(list, args, |name| {
            CustomerEntry(&blank, &empty).known(name).is_some()
        });
        let sort = args.text("sortKey").unwrap_or("ID").to_owned();
        self.state
            .customers
            .values()
            .filter(|customer| self.indexed(args, customer.updated_at))
            .filter(|customer| search.matches(&CustomerEntry(customer, self.state)))
            .map(|customer| {
                let key = match sort.as_str() {
                    "UPDATED_AT" => Key::Number(customer.updated_at),
                    "CREATED_AT" => Key::Number(customer.created_at),
                    "NAME" => Key::Text(customer.display_name()),
                    _ => number_key(customer.id),
                };
                (key, customer.id)
            })
            .collect()
    }

    fn companies_found(&mut self, list: &str, args: &Args) -> Vec<(Key, u64)> {
        let blank = Company::default();
        let search = self.search(list, args, |name| {
            CompanyEntry(&blank).known(name).is_some()
        });
        let sort = args.text("sortKey").unwrap_or("ID").to_owned();
        self.state
            .companies
            .values()
            .filter(|company| self.indexed(args, company.updated_at))
            .filter(|company| search.matches(&CompanyEntry(company)))
            .map(|company| {
                let key = match sort.as_str() {
                    "UPDATED_AT" => Key::Number(company.updated_at),
                    "CREATED_AT" => Key::Number(company.created_at),
                    "SINCE_DATE" => Key::Number(company.customer_since),
                    "NAME" => Key::Text(company.name.clone()),
                    "ORDER_COUNT" => {
                        Key::Number(self.state.orders_of_company(company.id).len() as i64)
                    }
                    _ => number_key(company.id),
                };
                (key, company.id)
            })
            .collect()
    }

    /// One of the lists of records from the root.
    pub(crate) fn list(&mut self, field: &str, args: &Args) -> Found {
        let (kind, names) = match field {
            "orders" => (Kind::Order, ORDERS),
            "customers" => (Kind::Customer, CUSTOMERS),
            _ => (Kind::Company, COMPANIES),
        };
        self.need(field, kind)?;
        let items = self.found(kind, field, args);
        // In a bulk operation, the lists from the root come in pages like any other, and only those below are whole.
        let page = Page::cut(items, args, false)?;
        self.next = page.next();
        Ok(page.node(names, |id| super::Node::Ref(At::Record(kind, id))))
    }

    fn found(&mut self, kind: Kind, field: &str, args: &Args) -> Vec<(Key, u64)> {
        match kind {
            Kind::Order => self.orders_found(field, args),
            Kind::Customer => self.customers_found(field, args),
            _ => self.companies_found(field, args),
        }
    }

    /// How many records of a list there are.
    pub(crate) fn list_count(&mut self, field: &str, args: &Args) -> Found {
        let kind = match field {
            "ordersCount" => Kind::Order,
            "customersCount" => Kind::Customer,
            _ => Kind::Company,
        };
        self.need(field, kind)?;
        let total = self.found(kind, field, args).len();
        Ok(Self::count(total, args.number("limit")))
    }

    /// Orders of a customer, a company or a location.
    pub(crate) fn orders_among(&mut self, ids: &[u64], args: &Args) -> Found {
        self.need("orders", Kind::Order)?;
        let (blank, empty) = (Order::default(), State::default());
        let search = self.search("orders", args, |name| {
            OrderEntry(&blank, &empty).known(name).is_some()
        });
        let sort = args.text("sortKey").unwrap_or("ID").to_owned();
        let items = ids
            .iter()
            .filter_map(|id| self.state.orders.get(id))
            .filter(|order| self.sees(order) && search.matches(&OrderEntry(order, self.state)))
            .map(|order| (order_key(order, self.state, &sort), order.id))
            .collect();
        self.page(items, args, Kind::Order, ORDERS)
    }
}

fn order_key(order: &Order, state: &State, sort: &str) -> Key {
    match sort {
        "UPDATED_AT" => Key::Number(order.updated_at),
        "CREATED_AT" => Key::Number(order.created_at),
        "PROCESSED_AT" => Key::Number(order.processed_at),
        "ORDER_NUMBER" => number_key(order.number),
        "TOTAL_PRICE" => Key::Number(order.total()),
        "CURRENT_TOTAL_PRICE" => Key::Number(order.current_total()),
        "FINANCIAL_STATUS" => Key::Text(order.financial_status().to_owned()),
        "PO_NUMBER" => Key::Text(order.po_number.clone().unwrap_or_default()),
        "TOTAL_ITEMS_QUANTITY" => Key::Number(
            order
                .lines
                .iter()
                .map(|line| i64::from(line.quantity))
                .sum(),
        ),
        "CUSTOMER_NAME" => Key::Text(
            order
                .customer
                .and_then(|id| state.customers.get(&id))
                .map(Customer::display_name)
                .unwrap_or_default(),
        ),
        _ => number_key(order.id),
    }
}
