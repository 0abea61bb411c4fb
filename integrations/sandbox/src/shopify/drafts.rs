//! What a person fills in: an order, a customer, a company. Absent fields stay as they are.

use serde::{Deserialize, Serialize};

use super::model::{Company, Customer, Order, Utm};

/// An order about to be placed. Amounts are texts in the shop's currency, such as `238.47`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OrderDraft {
    /// The id of a customer there is.
    pub customer: Option<u64>,
    /// A customer to be created, unless one has this email.
    pub new_customer: Option<CustomerDraft>,
    /// The id of a company the order is placed for.
    pub company: Option<u64>,
    /// What is bought; at least one line.
    pub lines: Vec<LineDraft>,
    /// The codes the buyer has typed.
    pub discount_codes: Vec<String>,
    /// How much the codes take off.
    pub discount: Option<String>,
    /// What shipping costs.
    pub shipping: Option<String>,
    /// Tax on top of the prices.
    pub tax: Option<String>,
    /// The campaign of the last visit.
    pub utm: Option<Utm>,
    /// Where the last visit landed.
    pub landing_page: Option<String>,
    /// Where the buyer came from.
    pub referrer: Option<String>,
    /// How long the visit stays unknown after the order, in milliseconds.
    pub journey_lag_ms: u32,
    /// Attributes of the cart, such as what a partner's link has left there.
    pub attributes: Vec<(String, String)>,
    /// Metafields: namespace, key, value.
    pub metafields: Vec<(String, String, String)>,
    /// Tags.
    pub tags: Vec<String>,
    /// The merchant's note.
    pub note: Option<String>,
    /// The order's email; the customer's when absent.
    pub email: Option<String>,
    /// Where the order came in; `web` when absent.
    pub source_name: Option<String>,
    /// A test order counts as nothing.
    pub test: bool,
    /// Paid at once.
    pub paid: bool,
    /// The buyer's currency, and millionths of it for one unit of the shop's.
    pub presentment: Option<(String, u64)>,
    /// When it was placed, in milliseconds since the epoch; now when absent.
    pub placed_at: Option<i64>,
}

impl OrderDraft {
    /// A paid order of one line.
    pub fn paid(price: &str) -> Self {
        Self {
            lines: vec![LineDraft::new("Annual plan", 1, price)],
            paid: true,
            ..Self::default()
        }
    }
}

/// A line of an order.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LineDraft {
    /// The product.
    pub title: String,
    /// Its stock keeping unit.
    #[serde(default)]
    pub sku: Option<String>,
    /// How many.
    pub quantity: u32,
    /// The price of one.
    pub price: String,
}

impl LineDraft {
    /// A line without a stock keeping unit.
    pub fn new(title: &str, quantity: u32, price: &str) -> Self {
        Self {
            title: title.to_owned(),
            sku: None,
            quantity,
            price: price.to_owned(),
        }
    }
}

/// What a merchant can edit of an order.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OrderEdit {
    /// The note.
    pub note: Option<String>,
    /// The tags; all of them.
    pub tags: Option<Vec<String>>,
    /// The email.
    pub email: Option<String>,
    /// The buyer's own number for the order.
    pub po_number: Option<String>,
}

impl OrderEdit {
    pub(crate) fn apply(self, order: &mut Order) {
        replace(&mut order.note, self.note);
        replace(&mut order.email, self.email);
        replace(&mut order.po_number, self.po_number);
        if let Some(tags) = self.tags {
            order.tags = tags;
        }
    }
}

/// A customer.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CustomerDraft {
    /// First name.
    pub first_name: Option<String>,
    /// Last name.
    pub last_name: Option<String>,
    /// Email; no two customers have the same.
    pub email: Option<String>,
    /// Phone.
    pub phone: Option<String>,
    /// The merchant's note.
    pub note: Option<String>,
    /// Tags; all of them.
    pub tags: Option<Vec<String>>,
    /// Language.
    pub locale: Option<String>,
    /// Whether no tax is taken.
    pub tax_exempt: Option<bool>,
}

impl CustomerDraft {
    /// A customer with a name and an email.
    pub fn named(first: &str, last: &str, email: &str) -> Self {
        Self {
            first_name: Some(first.to_owned()),
            last_name: Some(last.to_owned()),
            email: Some(email.to_owned()),
            ..Self::default()
        }
    }

    pub(crate) fn apply(self, customer: &mut Customer) {
        replace(&mut customer.first_name, self.first_name);
        replace(&mut customer.last_name, self.last_name);
        replace(&mut customer.email, self.email);
        replace(&mut customer.phone, self.phone);
        replace(&mut customer.note, self.note);
        if let Some(tags) = self.tags {
            customer.tags = tags;
        }
        if let Some(locale) = self.locale {
            customer.locale = locale;
        }
        if let Some(exempt) = self.tax_exempt {
            customer.tax_exempt = exempt;
        }
    }
}

/// A company.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CompanyDraft {
    /// Its name.
    pub name: Option<String>,
    /// The merchant's note.
    pub note: Option<String>,
    /// An id given by somebody else.
    pub external_id: Option<String>,
    /// A customer who becomes its main contact when it is created.
    pub customer: Option<u64>,
}

impl CompanyDraft {
    /// A company with a name.
    pub fn named(name: &str) -> Self {
        Self {
            name: Some(name.to_owned()),
            ..Self::default()
        }
    }

    pub(crate) fn apply(self, company: &mut Company) {
        if let Some(name) = self.name {
            company.name = name;
        }
        replace(&mut company.note, self.note);
        replace(&mut company.external_id, self.external_id);
    }
}

/// An empty text empties the field, nothing leaves it.
fn replace(place: &mut Option<String>, new: Option<String>) {
    if let Some(new) = new {
        *place = Some(new).filter(|text| !text.is_empty());
    }
}
