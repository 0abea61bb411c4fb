//! Definitions of metafields, and finding a customer by a value that only one may have.

use serde_json::{Value, json};

use super::super::gid::{self, Kind};
use super::super::graphql::{Args, Fault, Node};
use super::super::mutate::{owner_kind, owner_type, placed};
use super::{Answering, At, Found, number_key, text, unknown};

fn field<'a>(value: &'a Value, name: &str) -> Option<&'a str> {
    value.get(name).and_then(Value::as_str)
}

impl Answering<'_> {
    pub(super) fn definition_field(&self, id: u64, name: &str) -> Found {
        let Some(found) = self.state.definitions.get(&id) else {
            return Err(unknown(name));
        };
        Ok(match name {
            "id" => Node::of(json!(Kind::MetafieldDefinition.gid(id))),
            "namespace" => Node::of(json!(found.namespace)),
            "key" => Node::of(json!(found.key)),
            "name" => Node::of(json!(found.name)),
            "description" => text(&found.description),
            "ownerType" => Node::of(owner_type(found.owner)),
            "type" => {
                let category = if found.kind == "id" { "ID" } else { "TEXT" };
                Node::Object(
                    "MetafieldDefinitionType",
                    vec![
                        ("name", Node::of(json!(found.kind))),
                        ("category", Node::of(category)),
                    ],
                )
            }
            other => return Err(unknown(other)),
        })
    }

    /// The definition an id or an identifier names.
    pub(super) fn definition(&self, args: &Args) -> Node<At> {
        let by_id = args
            .text("id")
            .and_then(|id| gid::parse_as(Kind::MetafieldDefinition, id));
        let found = by_id
            .filter(|id| self.state.definitions.contains_key(id))
            .or_else(|| {
                let identifier = args.get("identifier")?;
                let owner = owner_kind(field(identifier, "ownerType")?)?;
                let namespace = placed(
                    field(identifier, "namespace").map(str::to_owned),
                    self.shop.app_id(),
                );
                let found = self
                    .state
                    .definition(owner, &namespace, field(identifier, "key")?)?;
                Some(found.id)
            });
        found.map_or(Node::Null, |id| {
            Node::Ref(At::Record(Kind::MetafieldDefinition, id))
        })
    }

    pub(super) fn definitions(&self, args: &Args) -> Found {
        let owner = args.text("ownerType").and_then(owner_kind);
        let namespace = args
            .text("namespace")
            .map(|name| placed(Some(name.to_owned()), self.shop.app_id()));
        let items = self
            .state
            .definitions
            .values()
            .filter(|known| Some(known.owner) == owner)
            .filter(|known| {
                namespace
                    .as_ref()
                    .is_none_or(|namespace| *namespace == known.namespace)
            })
            .filter(|known| args.text("key").is_none_or(|key| key == known.key))
            .map(|known| (number_key(known.id), known.id))
            .collect();
        self.page(
            items,
            args,
            Kind::MetafieldDefinition,
            ("MetafieldDefinitionConnection", "MetafieldDefinitionEdge"),
        )
    }

    pub(super) fn customer_by(&self, args: &Args) -> Found {
        self.need("customerByIdentifier", Kind::Customer)?;
        let identifier = args.get("identifier").cloned().unwrap_or(Value::Null);
        let given = identifier.as_object().map_or(0, |fields| {
            fields.values().filter(|value| !value.is_null()).count()
        });
        if given != 1 {
            return Err(Fault::new(
                "BAD_REQUEST",
                "Exactly one identifier must be given.",
            ));
        }
        let id = if let Some(id) = field(&identifier, "id") {
            gid::parse_as(Kind::Customer, id)
        } else if let Some(email) = field(&identifier, "emailAddress") {
            self.state.customer_by_email(email)
        } else if let Some(phone) = field(&identifier, "phoneNumber") {
            let mut customers = self.state.customers.values();
            customers
                .find(|known| known.phone.as_deref() == Some(phone))
                .map(|known| known.id)
        } else {
            let custom = identifier.get("customId").unwrap_or(&Value::Null);
            let namespace = placed(
                field(custom, "namespace").map(str::to_owned),
                self.shop.app_id(),
            );
            let key = field(custom, "key").unwrap_or_default();
            let defined = self.state.definition(Kind::Customer, &namespace, key);
            if defined.is_none_or(|known| known.kind != "id") {
                let words = "Metafield definition of type 'id' is required when using custom ids.";
                return Err(Fault::new("NOT_FOUND", words));
            }
            self.state.owner_of_value(
                Kind::Customer,
                &namespace,
                key,
                field(custom, "value").unwrap_or_default(),
            )
        };
        self.record("customerByIdentifier", Kind::Customer, id)
    }
}
