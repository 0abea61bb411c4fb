//! The shop itself.

use serde_json::json;

use super::super::gid::Kind;
use super::super::graphql::{Args, Node};
use super::{Answering, Found, time, unknown};

impl Answering<'_> {
    pub(super) fn shop_field(&mut self, field: &str, args: &Args) -> Found {
        let shop = &self.state.shop;
        Ok(match field {
            "id" => Node::of(json!(Kind::Shop.gid(shop.id))),
            "name" => Node::of(json!(shop.name)),
            "myshopifyDomain" => Node::of(json!(shop.domain)),
            "url" => Node::of(json!(format!("https://{}", shop.domain))),
            "email" | "contactEmail" => Node::of(json!(shop.email)),
            "shopOwnerName" => Node::of("Sandbox Owner"),
            "currencyCode" => Node::of(json!(shop.currency)),
            "enabledPresentmentCurrencies" => Node::of(json!([shop.currency])),
            // Five hours behind all year, as the times in webhooks are.
            "ianaTimezone" => Node::of("America/Panama"),
            "timezoneAbbreviation" => Node::of("EST"),
            "timezoneOffset" => Node::of("-0500"),
            "timezoneOffsetMinutes" => Node::of(-300),
            "taxesIncluded" => Node::of(false),
            "createdAt" | "updatedAt" => time(shop.created_at),
            "plan" => Node::Object(
                "ShopPlan",
                vec![
                    ("displayName", Node::of("Shopify Plus")),
                    ("publicDisplayName", Node::of("Plus")),
                    ("partnerDevelopment", Node::of(false)),
                    ("shopifyPlus", Node::of(true)),
                ],
            ),
            "primaryDomain" => Node::Object(
                "Domain",
                vec![
                    (
                        "id",
                        Node::of(json!(format!("gid://shopify/Domain/{}", shop.id))),
                    ),
                    ("host", Node::of(json!(shop.domain))),
                    ("url", Node::of(json!(format!("https://{}", shop.domain)))),
                    ("sslEnabled", Node::of(true)),
                ],
            ),
            "metafield" => {
                let owner = (Kind::Shop, shop.id);
                self.metafield(owner, args)
            }
            "metafields" => {
                let owner = (Kind::Shop, shop.id);
                return self.metafields(owner, args);
            }
            other => return Err(unknown(other)),
        })
    }
}
