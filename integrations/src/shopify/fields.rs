//! Which fields the records of a shop have.
//!
//! Owns: the usual ones by the names people know, and the metafields that people of the shop defined. Refuses: definitions that cannot be read; their
//! values still come with the records that have them. Invariant: each name is one that [`super::selection`] can ask for.

use super::{Shopify, descriptor::Object, documents, wire::Connection};
use crate::{
    connector::{Context, FieldDescriptor},
    error::Result,
    record::Resource,
};
use serde::Deserialize;
use serde_json::json;
use std::collections::BTreeMap;

impl Shopify {
    /// The fields of a kind of record, by name.
    pub(super) async fn described(
        &self,
        ctx: &Context<'_>,
        object: &Object,
    ) -> Result<Vec<FieldDescriptor>> {
        let mut fields = self.definitions(ctx, object).await?;
        for (name, label, kind) in usual(object.resource) {
            let field = FieldDescriptor {
                name: (*name).to_owned(),
                label: (*label).to_owned(),
                kind: (*kind).to_owned(),
                custom: false,
            };
            fields.insert(field.name.clone(), field);
        }
        Ok(fields.into_values().collect())
    }

    /// The metafields people have defined.
    async fn definitions(
        &self,
        ctx: &Context<'_>,
        object: &Object,
    ) -> Result<BTreeMap<String, FieldDescriptor>> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Definitions<'a> {
            #[serde(borrow)]
            metafield_definitions: Connection<'a>,
        }
        #[derive(Deserialize)]
        struct Definition {
            namespace: String,
            key: String,
            #[serde(default)]
            name: String,
            #[serde(rename = "type")]
            kind: Type,
        }
        #[derive(Deserialize)]
        struct Type {
            name: String,
        }
        let mut fields = BTreeMap::new();
        let mut after = None;
        loop {
            let variables = json!({"owner": object.owner, "after": after});
            let reply = self
                .post(ctx, documents::METAFIELD_DEFINITIONS, variables, 30)
                .await?;
            let data: Definitions<'_> = reply.read()?;
            for raw in data.metafield_definitions.nodes {
                // A definition that cannot be read describes nothing.
                let Ok(definition) = serde_json::from_str::<Definition>(raw.get()) else {
                    continue;
                };
                let name = format!("metafield.{}.{}", definition.namespace, definition.key);
                let field = FieldDescriptor {
                    name: name.clone(),
                    label: definition.name,
                    kind: definition.kind.name,
                    custom: true,
                };
                fields.insert(name, field);
            }
            after = data
                .metafield_definitions
                .page_info
                .after(after.as_deref())?;
            if after.is_none() {
                return Ok(fields);
            }
        }
    }
}

/// The fields every record of a kind has, with what people call them.
fn usual(resource: Resource) -> &'static [(&'static str, &'static str, &'static str)] {
    match resource {
        Resource::Company => &[
            ("name", "Name", "text"),
            ("note", "Note", "text"),
            ("externalId", "External id", "text"),
            ("customerSince", "Customer since", "time"),
        ],
        Resource::Contact => &[
            ("firstName", "First name", "text"),
            ("lastName", "Last name", "text"),
            ("displayName", "Display name", "text"),
            ("email", "E-mail address", "text"),
            ("phone", "Telephone", "text"),
            ("title", "Title", "text"),
            ("company", "Company of the address", "text"),
            ("city", "City", "text"),
            ("country", "Country", "text"),
            ("locale", "Language", "text"),
            ("state", "State of the account", "text"),
            ("tags", "Tags", "list"),
            ("note", "Note", "text"),
        ],
        Resource::Order => &[
            ("name", "Number", "text"),
            ("email", "E-mail address", "text"),
            ("currency", "Currency", "text"),
            ("total", "Total", "amount"),
            ("financial_status", "Financial status", "text"),
            ("cancelled_at", "Cancelled", "time"),
            ("processed_at", "Processed", "time"),
            ("test", "Test order", "truth value"),
            ("discount_codes", "Discount codes", "list"),
            ("tags", "Tags", "list"),
            ("utm_source", "UTM source", "text"),
            ("utm_medium", "UTM medium", "text"),
            ("utm_campaign", "UTM campaign", "text"),
            ("utm_content", "UTM content", "text"),
            ("utm_term", "UTM term", "text"),
        ],
        _ => &[],
    }
}
