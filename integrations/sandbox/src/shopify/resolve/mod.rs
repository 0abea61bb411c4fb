//! The values behind the schema: one file for each kind of object.
//!
//! Invariant: every field of the schema has a value here (a test asks for each of them), and every object is checked against the scopes
//! where it is reached, also through `node` and through other objects.

mod app;
mod company;
mod customer;
mod definition;
mod finding;
mod order;
mod root;
mod shop;

use serde_json::{Value, json};

use super::Shop;
use super::access;
use super::gid::{self, Kind};
use super::graphql::{Args, Fault, Node, Resolver};
use super::model::{Metafield, Order};
use super::money;
use super::mutate::{owner_type, placed};
use super::paging::{Key, Page};
use super::state::State;
use super::tokens::Access;

/// What an object is known by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum At {
    Query,
    Mutation,
    Record(Kind, u64),
}

/// The answer of a field.
pub(crate) type Found = Result<Node<At>, Fault>;

/// Sixty days: how far back orders are seen without a further scope.
const RECENT_MS: i64 = 60 * 24 * 3600 * 1000;

/// One request being answered.
pub(crate) struct Answering<'a> {
    pub(crate) shop: &'a Shop,
    pub(crate) state: &'a mut State,
    pub(crate) caller: &'a Access,
    pub(crate) now: i64,
    /// Lists need no size; bulk operations only.
    pub(crate) unlimited: bool,
    /// Where the last list from the root goes on.
    pub(crate) next: Option<String>,
    /// What searches ignored.
    pub(crate) warnings: Vec<Value>,
    /// The app is to be removed once the answer is on its way.
    pub(crate) uninstall: bool,
}

impl Resolver for Answering<'_> {
    type Ref = At;

    fn type_of(&self, at: &At) -> &'static str {
        match at {
            At::Query => "QueryRoot",
            At::Mutation => "Mutation",
            At::Record(kind, _) => kind.name(),
        }
    }

    fn resolve(&mut self, at: &At, field: &str, args: &Args) -> Found {
        match at {
            At::Query => self.query(field, args),
            At::Mutation => self.mutate(field, args),
            At::Record(kind, id) => {
                access::personal(self.shop.limits.personal_data_approved, kind.name(), field)?;
                match kind {
                    Kind::Order => self.order_field(*id, field, args),
                    Kind::Customer => self.customer_field(*id, field, args),
                    Kind::Company => self.company_field(*id, field, args),
                    Kind::CompanyContact => self.contact_field(*id, field, args),
                    Kind::CompanyLocation => self.location_field(*id, field, args),
                    Kind::Shop => self.shop_field(field, args),
                    Kind::Metafield => self.metafield_field(*id, field),
                    Kind::MetafieldDefinition => self.definition_field(*id, field),
                    Kind::WebhookSubscription => self.subscription_field(*id, field),
                    Kind::BulkOperation => self.operation_field(*id, field),
                    Kind::App => self.app_field(field),
                    Kind::AppInstallation => self.installation_field(field),
                    Kind::Refund | Kind::OrderTransaction | Kind::LineItem => Err(unknown(field)),
                }
            }
        }
    }
}

/// A field the schema has and nobody answers; a test makes sure that there is none.
pub(crate) fn unknown(field: &str) -> Fault {
    Fault::new(
        "INTERNAL_SERVER_ERROR",
        format!("the sandbox has no value for {field}"),
    )
}

/// A time as GraphQL prints it.
pub(crate) fn time(ms: i64) -> Node<At> {
    Node::of(json!(instant(ms)))
}

pub(crate) fn instant(ms: i64) -> String {
    crate::clock::instant(ms.div_euclid(1000) * 1000)
}

pub(crate) fn maybe_time(ms: Option<i64>) -> Node<At> {
    ms.map_or(Node::Null, time)
}

pub(crate) fn text(value: &Option<String>) -> Node<At> {
    Node::text(value.as_deref())
}

pub(crate) fn number(id: u64) -> Node<At> {
    // Numbers beyond what JavaScript holds travel as texts.
    Node::of(json!(id.to_string()))
}

/// An amount in one currency.
pub(crate) fn money_in(minor: i64, currency: &str) -> Node<At> {
    Node::Object(
        "MoneyV2",
        vec![
            ("amount", Node::of(json!(money::decimal(minor, currency)))),
            ("currencyCode", Node::of(json!(currency))),
        ],
    )
}

/// An amount in both currencies of an order.
pub(crate) fn bag(order: &Order, minor: i64) -> Node<At> {
    let seen = order.presentment_currency();
    Node::Object(
        "MoneyBag",
        vec![
            ("shopMoney", money_in(minor, &order.currency)),
            ("presentmentMoney", money_in(order.presented(minor), seen)),
        ],
    )
}

impl Answering<'_> {
    pub(crate) fn need(&self, field: &str, kind: Kind) -> Result<(), Fault> {
        access::need(&self.caller.scopes, field, access::to_read(kind))
    }

    /// True when the order is recent enough for the caller.
    pub(crate) fn sees(&self, order: &Order) -> bool {
        order.created_at >= self.now - RECENT_MS
            || access::holds(&self.caller.scopes, &["read_all_orders"])
    }

    /// A record the caller may see, or null.
    pub(crate) fn record(&self, field: &str, kind: Kind, id: Option<u64>) -> Found {
        self.need(field, kind)?;
        let Some(id) = id.filter(|id| self.state.exists(kind, *id)) else {
            return Ok(Node::Null);
        };
        let hidden = kind == Kind::Order
            && self
                .state
                .orders
                .get(&id)
                .is_some_and(|order| !self.sees(order));
        Ok(if hidden {
            Node::Null
        } else {
            Node::Ref(At::Record(kind, id))
        })
    }

    /// A page of records of one kind.
    pub(crate) fn page(
        &self,
        items: Vec<(Key, u64)>,
        args: &Args,
        kind: Kind,
        names: (&'static str, &'static str),
    ) -> Found {
        let page = Page::cut(items, args, self.unlimited)?;
        Ok(page.node(names, |id| Node::Ref(At::Record(kind, id))))
    }

    /// A page of objects that are known already, in the order they have.
    pub(crate) fn listed(
        &self,
        nodes: &[Node<At>],
        args: &Args,
        names: (&'static str, &'static str),
    ) -> Found {
        let items = (0..)
            .zip(nodes)
            .map(|(n, _)| (Key::Number(n), n.unsigned_abs()))
            .collect();
        let page = Page::cut(items, args, self.unlimited)?;
        Ok(page.node(names, |n| {
            usize::try_from(n)
                .ok()
                .and_then(|n| nodes.get(n))
                .cloned()
                .unwrap_or(Node::Null)
        }))
    }

    /// How many there are, as the vendor counts.
    pub(crate) fn count(total: usize, limit: Option<i64>) -> Node<At> {
        let limit = limit
            .and_then(|limit| usize::try_from(limit).ok())
            .unwrap_or(usize::MAX);
        let precision = if total > limit { "AT_LEAST" } else { "EXACT" };
        Node::Object(
            "Count",
            vec![
                ("count", Node::of(json!(total.min(limit)))),
                ("precision", Node::of(json!(precision))),
            ],
        )
    }

    /// The metafield of an owner that the arguments name.
    pub(crate) fn metafield(&self, owner: (Kind, u64), args: &Args) -> Node<At> {
        let (namespace, key) = (args.text("namespace"), args.text("key").unwrap_or_default());
        // Without a namespace, the key may bring it: `custom.partner`; else it is the app's own.
        let (namespace, key) = match (namespace, key.split_once('.')) {
            (None, Some((namespace, key))) => (Some(namespace), key),
            (namespace, _) => (namespace, key),
        };
        let namespace = placed(namespace.map(str::to_owned), self.shop.app_id());
        self.state
            .metafields_of(owner)
            .find(|field| field.namespace == namespace && field.key == key)
            .map_or(Node::Null, |field| {
                Node::Ref(At::Record(Kind::Metafield, field.id))
            })
    }

    pub(crate) fn metafields(&self, owner: (Kind, u64), args: &Args) -> Found {
        let keys: Option<Vec<&str>> = args
            .get("keys")
            .and_then(Value::as_array)
            .map(|keys| keys.iter().filter_map(Value::as_str).collect());
        let namespace = args
            .text("namespace")
            .map(|name| placed(Some(name.to_owned()), self.shop.app_id()));
        let items = self
            .state
            .metafields_of(owner)
            .filter(|field| {
                namespace
                    .as_ref()
                    .is_none_or(|namespace| *namespace == field.namespace)
            })
            .filter(|field| {
                let whole = format!("{}.{}", field.namespace, field.key);
                keys.as_ref()
                    .is_none_or(|keys| keys.iter().any(|key| *key == whole || *key == field.key))
            })
            .map(|field| (number_key(field.id), field.id))
            .collect();
        self.page(
            items,
            args,
            Kind::Metafield,
            ("MetafieldConnection", "MetafieldEdge"),
        )
    }

    fn metafield_field(&self, id: u64, field: &str) -> Found {
        let found: &Metafield = self
            .state
            .metafields
            .get(&id)
            .ok_or_else(|| unknown(field))?;
        Ok(match field {
            "id" => Node::of(json!(Kind::Metafield.gid(id))),
            "legacyResourceId" => number(id),
            "namespace" => Node::of(json!(found.namespace)),
            "key" => Node::of(json!(found.key)),
            "type" => Node::of(json!(found.kind)),
            "value" => Node::of(json!(found.value)),
            "jsonValue" => Node::Value(match found.kind.as_str() {
                "json" | "boolean" | "number_integer" => {
                    serde_json::from_str(&found.value).unwrap_or(json!(found.value))
                }
                _ => json!(found.value),
            }),
            "compareDigest" => Node::of(json!(digest(found))),
            "createdAt" => time(found.created_at),
            "updatedAt" => time(found.updated_at),
            "description" => Node::Null,
            "owner" => Node::Ref(At::Record(found.owner.0, found.owner.1)),
            "ownerType" => Node::of(owner_type(found.owner.0)),
            other => return Err(unknown(other)),
        })
    }
}

/// What `compareDigest` holds: it changes with the value.
pub(crate) fn digest(field: &Metafield) -> String {
    use sha2::{Digest, Sha256};
    let hash = Sha256::digest(format!("{}\u{0}{}", field.kind, field.value).as_bytes());
    hex::encode(hash)
}

/// A key for lists sorted by id.
pub(crate) fn number_key(id: u64) -> Key {
    Key::Number(i64::try_from(id).unwrap_or(i64::MAX))
}

/// Reads an id argument. What is no id at all is the caller's mistake; an id of another kind names nothing.
pub(crate) fn id_arg(args: &Args, name: &str, kind: Kind) -> Result<Option<u64>, Fault> {
    let text = args.text(name).unwrap_or_default();
    match gid::parse(text) {
        Some((found, id)) => Ok((found == kind).then_some(id)),
        None if text.starts_with("gid://shopify/") => Ok(None),
        None => Err(Fault::new(
            "RESOURCE_NOT_FOUND",
            format!("Invalid global id '{text}'"),
        )),
    }
}
