//! Everything a shop holds, as it stands on disk, and the indices that are rebuilt from it.
//!
//! Invariant: `index` says the same as the records; every change of membership goes through the methods here.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use super::bulk::Operation;
use super::gid::Kind;
use super::model::{Company, Contact, Customer, Definition, Location, Metafield, Order};
use super::subscriptions::Subscription;

/// The shop itself.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct ShopInfo {
    pub(crate) id: u64,
    pub(crate) name: String,
    pub(crate) domain: String,
    pub(crate) email: String,
    pub(crate) currency: String,
    pub(crate) created_at: i64,
}

/// The records.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct State {
    pub(crate) shop: ShopInfo,
    pub(crate) orders: BTreeMap<u64, Order>,
    pub(crate) customers: BTreeMap<u64, Customer>,
    pub(crate) companies: BTreeMap<u64, Company>,
    pub(crate) contacts: BTreeMap<u64, Contact>,
    pub(crate) locations: BTreeMap<u64, Location>,
    pub(crate) metafields: BTreeMap<u64, Metafield>,
    #[serde(default)]
    pub(crate) definitions: BTreeMap<u64, Definition>,
    pub(crate) subscriptions: BTreeMap<u64, Subscription>,
    pub(crate) operations: BTreeMap<u64, Operation>,
    /// How many ids were given out.
    issued: u64,
    pub(crate) last_number: u64,
    /// When the shop's data is to be erased, after the app was removed.
    pub(crate) redact_at: Option<i64>,
    #[serde(skip)]
    index: Index,
}

#[derive(Debug, Clone, Default)]
struct Index {
    of_customer: HashMap<u64, Vec<u64>>,
    of_company: HashMap<u64, Vec<u64>>,
    metafields: HashMap<(Kind, u64), Vec<u64>>,
    /// The owner of each value that only one record may have.
    unique: HashMap<(Kind, String, String, String), u64>,
    emails: HashMap<String, u64>,
}

/// Where the ids of each kind begin: orders beyond 2^53, as the vendor's do.
fn first(kind: Kind) -> u64 {
    match kind {
        Kind::Order => 820_982_911_946_154_508,
        Kind::Customer => 706_405_506_930_370_084,
        Kind::Company => 408_372_092_144_951_419,
        Kind::CompanyContact => 408_372_092_244_951_652,
        Kind::CompanyLocation => 408_372_092_344_951_707,
        Kind::Refund => 890_088_186_047_892_319,
        Kind::OrderTransaction => 389_404_469_151_285_803,
        Kind::LineItem => 487_817_672_276_298_554,
        Kind::Metafield => 1_069_228_935_001_000_001,
        Kind::MetafieldDefinition => 1_071_456_001,
        Kind::WebhookSubscription => 1_397_911_871_041_001,
        Kind::BulkOperation => 147_595_010,
        Kind::Shop | Kind::App | Kind::AppInstallation => 548_380_009,
    }
}

impl State {
    /// A shop without records; its first order is number 1001.
    pub(crate) fn new(shop: ShopInfo) -> Self {
        Self {
            shop,
            last_number: 1000,
            ..Self::default()
        }
    }

    /// A number nobody else has, in the range of its kind; later ones are larger.
    pub(crate) fn issue(&mut self, kind: Kind) -> u64 {
        self.issued += 1;
        first(kind) + self.issued * 37
    }

    /// Makes the indices anew, after loading.
    pub(crate) fn reindex(&mut self) {
        self.index = Index::default();
        for order in self.orders.values() {
            index_order(&mut self.index, order);
        }
        for field in self.metafields.values().cloned().collect::<Vec<_>>() {
            self.index
                .metafields
                .entry(field.owner)
                .or_default()
                .push(field.id);
            self.note_unique(&field);
        }
        for customer in self.customers.values() {
            if let Some(email) = &customer.email {
                self.index.emails.insert(email.to_lowercase(), customer.id);
            }
        }
    }

    pub(crate) fn add_order(&mut self, order: Order) {
        index_order(&mut self.index, &order);
        self.orders.insert(order.id, order);
    }

    pub(crate) fn remove_order(&mut self, id: u64) -> Option<Order> {
        let order = self.orders.remove(&id)?;
        for (key, map) in [
            (order.customer, &mut self.index.of_customer),
            (
                order.purchase.map(|purchase| purchase.company),
                &mut self.index.of_company,
            ),
        ] {
            if let Some(list) = key.and_then(|key| map.get_mut(&key)) {
                list.retain(|known| *known != id);
            }
        }
        self.forget_metafields((Kind::Order, id));
        Some(order)
    }

    /// Gives all orders of one customer to another.
    pub(crate) fn move_orders(&mut self, from: u64, to: u64) {
        let moved = self.index.of_customer.remove(&from).unwrap_or_default();
        for id in &moved {
            if let Some(order) = self.orders.get_mut(id) {
                order.customer = Some(to);
            }
        }
        self.index.of_customer.entry(to).or_default().extend(moved);
    }

    pub(crate) fn put_customer(&mut self, customer: Customer) {
        if let Some(old) = self
            .customers
            .get(&customer.id)
            .and_then(|old| old.email.clone())
        {
            self.index.emails.remove(&old.to_lowercase());
        }
        if let Some(email) = &customer.email {
            self.index.emails.insert(email.to_lowercase(), customer.id);
        }
        self.customers.insert(customer.id, customer);
    }

    pub(crate) fn remove_customer(&mut self, id: u64) -> Option<Customer> {
        let customer = self.customers.remove(&id)?;
        if let Some(email) = &customer.email {
            self.index.emails.remove(&email.to_lowercase());
        }
        self.forget_metafields((Kind::Customer, id));
        Some(customer)
    }

    pub(crate) fn customer_by_email(&self, email: &str) -> Option<u64> {
        self.index.emails.get(&email.to_lowercase()).copied()
    }

    /// The definition of a metafield, when there is one.
    pub(crate) fn definition(
        &self,
        owner: Kind,
        namespace: &str,
        key: &str,
    ) -> Option<&Definition> {
        self.definitions
            .values()
            .find(|known| known.owner == owner && known.namespace == namespace && known.key == key)
    }

    /// Whose value this is, where only one record may have it.
    pub(crate) fn owner_of_value(
        &self,
        owner: Kind,
        namespace: &str,
        key: &str,
        value: &str,
    ) -> Option<u64> {
        let place = (
            owner,
            namespace.to_owned(),
            key.to_owned(),
            value.to_owned(),
        );
        self.index.unique.get(&place).copied()
    }

    fn note_unique(&mut self, field: &Metafield) {
        let unique = self
            .definition(field.owner.0, &field.namespace, &field.key)
            .is_some_and(|known| known.unique);
        if unique {
            let place = (
                field.owner.0,
                field.namespace.clone(),
                field.key.clone(),
                field.value.clone(),
            );
            self.index.unique.insert(place, field.owner.1);
        }
    }

    fn forget_unique(&mut self, field: &Metafield) {
        let place = (
            field.owner.0,
            field.namespace.clone(),
            field.key.clone(),
            field.value.clone(),
        );
        self.index.unique.remove(&place);
    }

    pub(crate) fn put_metafield(&mut self, field: Metafield) {
        if let Some(old) = self.metafields.get(&field.id).cloned() {
            self.forget_unique(&old);
        }
        self.note_unique(&field);
        if !self.metafields.contains_key(&field.id) {
            self.index
                .metafields
                .entry(field.owner)
                .or_default()
                .push(field.id);
        }
        self.metafields.insert(field.id, field);
    }

    pub(crate) fn forget_metafields(&mut self, owner: (Kind, u64)) {
        for id in self.index.metafields.remove(&owner).unwrap_or_default() {
            if let Some(gone) = self.metafields.remove(&id) {
                self.forget_unique(&gone);
            }
        }
    }

    pub(crate) fn metafields_of(&self, owner: (Kind, u64)) -> impl Iterator<Item = &Metafield> {
        self.index
            .metafields
            .get(&owner)
            .into_iter()
            .flatten()
            .filter_map(|id| self.metafields.get(id))
    }

    pub(crate) fn orders_of_customer(&self, id: u64) -> &[u64] {
        self.index.of_customer.get(&id).map_or(&[], Vec::as_slice)
    }

    pub(crate) fn orders_of_company(&self, id: u64) -> &[u64] {
        self.index.of_company.get(&id).map_or(&[], Vec::as_slice)
    }

    /// True when the thing is there.
    pub(crate) fn exists(&self, kind: Kind, id: u64) -> bool {
        match kind {
            Kind::Order => self.orders.contains_key(&id),
            Kind::Customer => self.customers.contains_key(&id),
            Kind::Company => self.companies.contains_key(&id),
            Kind::CompanyContact => self.contacts.contains_key(&id),
            Kind::CompanyLocation => self.locations.contains_key(&id),
            Kind::Metafield => self.metafields.contains_key(&id),
            Kind::MetafieldDefinition => self.definitions.contains_key(&id),
            Kind::WebhookSubscription => self.subscriptions.contains_key(&id),
            Kind::BulkOperation => self.operations.contains_key(&id),
            Kind::Shop => self.shop.id == id,
            Kind::Refund
            | Kind::OrderTransaction
            | Kind::LineItem
            | Kind::App
            | Kind::AppInstallation => false,
        }
    }
}

fn index_order(index: &mut Index, order: &Order) {
    if let Some(customer) = order.customer {
        index
            .of_customer
            .entry(customer)
            .or_default()
            .push(order.id);
    }
    if let Some(purchase) = order.purchase {
        index
            .of_company
            .entry(purchase.company)
            .or_default()
            .push(order.id);
    }
}
