//! The tie of a customer to companies.
//!
//! Owns: making and taking away the tie. Refuses: labels and the mark of the main one, which Shopify gives by itself. Invariant: a tie that is
//! there is not made again, and one that is gone is not taken away.

use super::super::{Shopify, documents, id, wire};
use crate::{
    connector::Context,
    error::{ConnectorError, Result},
    push::PushItem,
    record::Resource,
};
use serde::Deserialize;
use serde_json::json;
use std::collections::BTreeMap;

#[derive(Deserialize)]
struct Data {
    customer: Option<Customer>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Customer {
    company_contact_profiles: Vec<Profile>,
}

#[derive(Deserialize)]
struct Profile {
    id: String,
    company: wire::Identified,
}

impl Shopify {
    /// Makes the ties an item wants, and takes away those it does not.
    pub(super) async fn relink(&self, ctx: &Context<'_>, id: &str, item: &PushItem) -> Result<()> {
        let foreign = item
            .links
            .iter()
            .chain(&item.unlinks)
            .find(|link| link.resource != Resource::Company || !link.labels.is_empty());
        if let Some(link) = foreign {
            return Err(ConnectorError::permanent(
                "unknown_link",
                format!(
                    "Shopify ties customers to companies, without labels; a tie to a {} cannot be written",
                    link.resource
                ),
            ));
        }
        if item.links.is_empty() && item.unlinks.is_empty() {
            return Ok(());
        }
        let customer = id::global("Customer", id).ok_or_else(|| ConnectorError::NotFound {
            what: "the customer".to_owned(),
        })?;
        let ties = self.ties(ctx, &customer).await?;
        for link in &item.links {
            if ties.contains_key(&link.external_id) {
                continue;
            }
            let company = id::global("Company", &link.external_id);
            let company = company.ok_or_else(|| ConnectorError::NotFound {
                what: "the company".to_owned(),
            })?;
            let variables = json!({"company": company, "customer": customer});
            let written = self
                .mutate(ctx, documents::COMPANY_CONTACT, variables)
                .await?;
            if !written.user_errors.is_empty() || written.record.is_none() {
                return Err(wire::refused(&written.user_errors));
            }
        }
        for link in &item.unlinks {
            let Some(tie) = ties.get(&link.external_id) else {
                continue;
            };
            let variables = json!({"id": tie});
            let written = self
                .mutate(ctx, documents::COMPANY_CONTACT_REMOVE, variables)
                .await?;
            if !written.user_errors.is_empty() {
                return Err(wire::refused(&written.user_errors));
            }
        }
        Ok(())
    }

    /// The ties of a customer, by company.
    async fn ties(&self, ctx: &Context<'_>, customer: &str) -> Result<BTreeMap<String, String>> {
        let reply = self
            .post(
                ctx,
                documents::CUSTOMER_PROFILES,
                json!({"id": customer}),
                5,
            )
            .await?;
        let data: Data = reply.read_whole()?;
        let found = data.customer.ok_or_else(|| ConnectorError::NotFound {
            what: "the customer".to_owned(),
        })?;
        let tie = |profile: Profile| {
            let company = id::required("Company", Some(&profile.company.id));
            company
                .map(|company| (company, profile.id))
                .map_err(ConnectorError::schema)
        };
        found
            .company_contact_profiles
            .into_iter()
            .map(tie)
            .collect()
    }
}
