//! Shopify.
//!
//! Owns: everything that is true of Shopify only, from the names of shops to the meaning of its errors. Refuses: to let its words out: a shop
//! is a tenant, and a global id is the digits in it. Invariant: one constant names the API's version, every answer must have been given by
//! that version, and a record leaves exactly as Shopify answered it.
//!
//! How reading works: small resources by pages in the order of ids, large ones by a bulk operation whose file is read piece by piece
//! ([`bulk`]); changes by pages in the order of `updatedAt` ([`delta`]). Deletes show in webhooks only, so a shop is reconciled like every other
//! vendor. A field that the shop does not grant is absent from a record, never null: null would mean that it was emptied ([`selection`]).
//!
//! How writing works: customers and companies, one call each, because Shopify has no batch that answers for each record; see [`push`].

mod auth;
mod bulk;
mod by_id;
mod callback;
mod cost;
mod cursor;
mod delta;
mod descriptor;
mod documents;
mod fields;
mod id;
mod jsonl;
mod limits;
mod map;
mod money;
mod order;
mod post;
mod pull;
mod push;
mod reading;
mod scopes;
mod selection;
mod shop;
mod subscriptions;
mod webhook;
mod wire;

use crate::connector::{
    Authenticate, Connector, Context, Descriptor, Pull, Push, Subscriptions, Webhooks,
};
use crate::error::Result;
use url::Url;

/// The id of this connector.
pub const ID: &str = "shopify";

/// The version of the Admin API, which every answer must name.
pub const API_VERSION: &str = "2026-10";

/// Where Shopify is, and what our app there may ask for. Each shop has a host of its own; only a sandbox has one address for all.
#[derive(Clone, Debug, Default)]
pub struct ShopifyEndpoints {
    sandbox: Option<Url>,
    all_orders: bool,
}

impl ShopifyEndpoints {
    /// Every shop at one address, as a sandbox has them, whose app may ask for everything.
    #[must_use]
    pub const fn at(base: Url) -> Self {
        Self {
            sandbox: Some(base),
            all_orders: true,
        }
    }

    /// The same for an app that Shopify has allowed to ask for the orders of all times. Shopify refuses the whole consent of an app that asks
    /// without being allowed to, so it is not asked for by itself.
    #[must_use]
    pub fn with_all_orders(mut self) -> Self {
        self.all_orders = true;
        self
    }

    /// The address of a path of a shop. The shop was checked ([`shop::site`]) or is checked here; the path is ours.
    fn url(&self, site: &Url, path: &str) -> Result<Url> {
        let mut url = match &self.sandbox {
            Some(base) => base.clone(),
            None => shop::checked(site)?,
        };
        url.set_path(path);
        url.set_query(None);
        Ok(url)
    }

    /// The one place the tokens of a shop may go.
    fn origin(&self, site: &Url) -> Result<Url> {
        self.url(site, "/")
    }
}

/// The connector.
#[derive(Debug)]
pub struct Shopify {
    endpoints: ShopifyEndpoints,
    descriptor: Descriptor,
}

impl Shopify {
    /// The connector, at these addresses.
    #[must_use]
    pub fn new(endpoints: ShopifyEndpoints) -> Self {
        Self {
            endpoints,
            descriptor: descriptor::descriptor(),
        }
    }

    /// The address of the API of the account a context is for.
    fn api_url(&self, ctx: &Context<'_>) -> Result<Url> {
        let site = match ctx.site {
            Some(site) => site.clone(),
            None => shop::site(ctx.tenant_id)?,
        };
        self.endpoints
            .url(&site, &format!("/admin/api/{API_VERSION}/graphql.json"))
    }
}

impl Connector for Shopify {
    fn descriptor(&self) -> &Descriptor {
        &self.descriptor
    }

    fn auth(&self) -> &dyn Authenticate {
        self
    }

    fn pull(&self) -> Option<&dyn Pull> {
        Some(self)
    }

    fn push(&self) -> Option<&dyn Push> {
        Some(self)
    }

    fn webhooks(&self) -> Option<&dyn Webhooks> {
        Some(self)
    }

    fn subscriptions(&self) -> Option<&dyn Subscriptions> {
        Some(self)
    }
}

#[cfg(test)]
mod tests;
