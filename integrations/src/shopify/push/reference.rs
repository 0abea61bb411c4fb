//! Our reference on Shopify's records.
//!
//! Owns: where it is kept, and finding records by it. Refuses: a metafield of that name that is no id, because then two customers could hold one
//! value. Invariant: a creation carries its reference in the same call, and Shopify refuses a second record with it.
//!
//! A customer keeps it in a metafield of the type `id` in our app's own namespace, by which Shopify finds a customer directly. A company's creation
//! cannot carry metafields, and Shopify finds no company by one; what a creation can carry is the external id, which is unique and
//! meant for this. It is found by a search, which may be some seconds behind: a creation that is repeated meanwhile is refused for its
//! external id, so nothing is made twice.

use super::super::{
    Shopify,
    descriptor::Object,
    documents, id,
    wire::{self, Identified, UserError},
};
use crate::{
    connector::Context,
    error::{ConnectorError, Result},
    record::{Record, Resource},
};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// The namespace that is our app's alone, and the name within it.
const NAMESPACE: &str = "$app:entente";
const KEY: &str = "reference";
/// The type whose values are unique.
const TYPE: &str = "id";

/// The metafield a customer's creation carries.
pub(super) fn metafield(reference: &str) -> Value {
    json!({"namespace": NAMESPACE, "key": KEY, "type": TYPE, "value": reference})
}

#[derive(Deserialize)]
struct Definition {
    #[serde(rename = "type")]
    kind: Type,
}

#[derive(Deserialize)]
struct Type {
    name: String,
}

impl Shopify {
    /// Defines the metafield where it is missing. A company's external id is always there.
    pub(super) async fn prepare_reference(
        &self,
        ctx: &Context<'_>,
        object: &'static Object,
    ) -> Result<()> {
        if object.resource == Resource::Company || self.is_defined(ctx, object).await? {
            return Ok(());
        }
        let definition = json!({
            "name": "Entente reference",
            "description": "The id of this record in Entente. It is written by Entente and must not be changed.",
            "namespace": NAMESPACE,
            "key": KEY,
            "type": TYPE,
            "ownerType": object.owner,
        });
        let written = self.define(ctx, definition).await?;
        // Somebody else may have made it in the meantime: all that matters is what it is.
        if written.is_empty() || self.is_defined(ctx, object).await? {
            return Ok(());
        }
        Err(wire::refused(&written))
    }

    async fn define(&self, ctx: &Context<'_>, definition: Value) -> Result<Vec<UserError>> {
        let variables = json!({"definition": definition});
        let written = self
            .mutate(ctx, documents::REFERENCE_CREATE, variables)
            .await?;
        Ok(written.user_errors)
    }

    /// Whether the metafield is defined; one that is defined and of no use is an error.
    async fn is_defined(&self, ctx: &Context<'_>, object: &'static Object) -> Result<bool> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Data {
            metafield_definition: Option<Definition>,
        }
        let variables = json!({"owner": object.owner, "namespace": NAMESPACE, "key": KEY});
        let reply = self
            .post(ctx, documents::REFERENCE_DEFINITION, variables, 2)
            .await?;
        let data: Data = reply.read_whole()?;
        match data.metafield_definition {
            None => Ok(false),
            Some(definition) if definition.kind.name == TYPE => Ok(true),
            Some(definition) => Err(ConnectorError::permanent(
                "reference_metafield",
                format!(
                    "the metafield {NAMESPACE}.{KEY} of Shopify's customers has the type {} and not {TYPE}, so customers cannot be told apart \
                     by it; remove its definition there",
                    wire::clipped(&definition.kind.name)
                ),
            )),
        }
    }

    /// The customer of an identifier.
    pub(super) async fn customer_by(
        &self,
        ctx: &Context<'_>,
        identifier: &Value,
    ) -> Result<Option<String>> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Data {
            customer_by_identifier: Option<Identified>,
        }
        let variables = json!({"identifier": identifier});
        let reply = self
            .post(ctx, documents::CUSTOMER_FIND, variables, 2)
            .await?;
        let data: Data = reply.read_whole()?;
        data.customer_by_identifier
            .map(|found| id::required("Customer", Some(&found.id)).map_err(ConnectorError::schema))
            .transpose()
    }

    /// The company of an external id.
    async fn company_by(&self, ctx: &Context<'_>, reference: &str) -> Result<Option<String>> {
        #[derive(Deserialize)]
        struct Data {
            companies: Found,
        }
        #[derive(Deserialize)]
        struct Found {
            nodes: Vec<Company>,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Company {
            id: String,
            external_id: Option<String>,
        }
        let variables = json!({"query": format!("external_id:'{reference}'")});
        let reply = self
            .post(ctx, documents::COMPANY_FIND, variables, 5)
            .await?;
        let data: Data = reply.read_whole()?;
        // A search may find more than was meant.
        let found = data
            .companies
            .nodes
            .into_iter()
            .find(|company| company.external_id.as_deref() == Some(reference));
        found
            .map(|found| id::required("Company", Some(&found.id)).map_err(ConnectorError::schema))
            .transpose()
    }

    /// The id of the record that holds a reference.
    pub(super) async fn id_of_reference(
        &self,
        ctx: &Context<'_>,
        object: &'static Object,
        reference: &str,
    ) -> Result<Option<String>> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        if reference.is_empty() || !reference.bytes().all(plain) {
            return Err(ConnectorError::permanent(
                "invalid_reference",
                "a reference of ours has letters, digits and lines only",
            ));
        }
        match object.resource {
            Resource::Company => self.company_by(ctx, reference).await,
            _ => {
                let custom =
                    json!({"customId": {"namespace": NAMESPACE, "key": KEY, "value": reference}});
                self.customer_by(ctx, &custom).await
            }
        }
    }

    /// The records that hold these references.
    pub(super) async fn find_referenced(
        &self,
        ctx: &Context<'_>,
        object: &'static Object,
        references: &[String],
        fields: &[String],
    ) -> Result<Vec<(String, Record)>> {
        let mut holders = BTreeMap::new();
        for reference in references.iter().collect::<BTreeSet<_>>() {
            if let Some(id) = self.id_of_reference(ctx, object, reference).await? {
                holders.insert(id, reference.clone());
            }
        }
        let ids: Vec<String> = holders.keys().cloned().collect();
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let fetched = self.fetch_objects(ctx, object, &ids, fields).await?;
        if let Some(bad) = fetched.malformed.first() {
            return Err(ConnectorError::schema(format!(
                "a record found by our reference cannot be read: {}",
                bad.reason
            )));
        }
        let named = |record: Record| Some((holders.get(&record.external_id)?.clone(), record));
        Ok(fetched.records.into_iter().filter_map(named).collect())
    }
}
