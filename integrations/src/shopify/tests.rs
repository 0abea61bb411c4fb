#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
use super::*;
use crate::{
    connector::{Account, Fetched, Mode, Next, Page, PageRequest},
    error::ConnectorError,
    http::{Client, ClientSettings, HostPolicy, Session},
    oauth::TokenSet,
    record::{Kind, RecordLink, Resource, RevenueLineKind},
    test_server::{Reply, Seen, TestServer},
};
use entities::clock::{ManualClock, Timestamp};
use serde_json::{Value, json};
use std::time::Duration;

mod bulk;
mod connect;
mod pull;
mod push;
mod schema;
mod subscriptions;
mod webhook;

pub(super) const NOW: i64 = 1_793_527_200_000;
pub(super) const SHOP: &str = "some-shop.myshopify.com";
const HEADERS: &str = "date: Sun, 01 Nov 2026 10:00:00 GMT\r\nx-shopify-api-version: 2026-10\r\n";

pub(super) fn site() -> Url {
    Url::parse("https://some-shop.myshopify.com/").unwrap()
}

/// What was posted: the name of the operation, the document and its variables.
pub(super) struct Posted {
    pub(super) name: String,
    pub(super) document: String,
    pub(super) variables: Value,
}

pub(super) fn posted(seen: &Seen) -> Posted {
    let body: Value = serde_json::from_str(&seen.body).unwrap_or_default();
    let document = body["query"].as_str().unwrap_or_default().to_owned();
    let name = document
        .split(|letter: char| !letter.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty())
        .nth(1)
        .unwrap_or_default();
    Posted {
        name: name.to_owned(),
        variables: body["variables"].clone(),
        document,
    }
}

pub(super) fn answer(status: u16, headers: &str, body: &str) -> Reply {
    crate::test_server::json(status, headers, body)
}

/// Data, as Shopify answers it.
pub(super) fn data(data: Value) -> Reply {
    answer(200, HEADERS, &json!({ "data": data }).to_string())
}

/// Whatever body, as Shopify's API answers it.
pub(super) fn body(body: &Value) -> Reply {
    answer(200, HEADERS, &body.to_string())
}

pub(super) fn denied(path: Value, data: Value) -> Reply {
    let error = json!({"message": "Access denied for a field.", "path": path,
        "extensions": {"code": "ACCESS_DENIED", "requiredAccess": "`read_x` access scope."}});
    body(&json!({"errors": [error], "data": data}))
}

/// A page of a list.
pub(super) fn page(nodes: &[Value], after: Option<&str>) -> Value {
    json!({"page": {"nodes": nodes, "pageInfo": {"hasNextPage": after.is_some(), "endCursor": after}}})
}

pub(super) fn customer(id: &str) -> Value {
    json!({"id": format!("gid://shopify/Customer/{id}"), "createdAt": "2026-10-01T08:00:00Z",
        "updatedAt": "2026-11-01T09:00:00Z", "firstName": "Ada", "lastName": "King", "displayName": "Ada King",
        "note": null, "tags": ["a", "b"], "state": "DISABLED", "locale": "en",
        "defaultEmailAddress": {"emailAddress": "ada@example.com"}, "defaultPhoneNumber": null,
        "defaultAddress": {"company": "Engines Ltd", "city": "London", "countryCodeV2": "GB"},
        "companyContactProfiles": [], "reference": null})
}

pub(super) fn order(id: &str) -> Value {
    let money = |amount: &str| json!({"shopMoney": {"amount": amount, "currencyCode": "USD"}});
    json!({"id": format!("gid://shopify/Order/{id}"), "name": "#1001", "createdAt": "2026-11-01T09:00:00Z",
    "updatedAt": "2026-11-01T09:30:00Z", "processedAt": "2026-11-01T09:00:00Z", "cancelledAt": null,
    "test": false, "email": "ada@example.com", "tags": [], "discountCodes": ["PARTNER10"],
    "currencyCode": "USD", "displayFinancialStatus": "PARTIALLY_REFUNDED", "totalPriceSet": money("238.47"),
    "customer": {"id": "gid://shopify/Customer/115310627314723954"}, "purchasingEntity": {"__typename": "Customer"},
    "customerJourneySummary": null,
    "transactions": [
        {"id": "gid://shopify/OrderTransaction/2", "kind": "REFUND", "status": "SUCCESS", "test": false,
         "createdAt": "2026-11-01T09:20:00Z", "processedAt": "2026-11-01T09:20:00Z", "amountSet": money("38.47")},
        {"id": "gid://shopify/OrderTransaction/1", "kind": "SALE", "status": "SUCCESS", "test": false,
         "createdAt": "2026-11-01T09:00:00Z", "processedAt": "2026-11-01T04:00:01-05:00", "amountSet": money("238.47")},
    ]})
}

pub(super) struct Rig {
    pub(super) server: TestServer,
    pub(super) shopify: Shopify,
    pub(super) client: Client,
    pub(super) session: Session,
    clock: ManualClock,
    account: Account,
}

impl Rig {
    /// A shop that answers each document as the test says.
    pub(super) async fn new(reply: impl Fn(&Posted) -> Reply + Send + Sync + 'static) -> Self {
        Self::raw(move |seen| reply(&posted(seen))).await
    }

    pub(super) async fn raw(reply: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        let server = TestServer::start(reply).await;
        let shopify = Shopify::new(ShopifyEndpoints::at(server.url()));
        let client = Client::new(
            HostPolicy::sandbox(vec![server.address]),
            ClientSettings::default(),
        )
        .unwrap();
        let session = client.session(&shopify, SHOP, &tokens()).unwrap();
        let account = Account {
            tenant_id: SHOP.into(),
            name: None,
            currency: Some("USD".into()),
            time_zone: None,
            ui_domain: Some(SHOP.into()),
        };
        Self {
            server,
            shopify,
            client,
            session,
            clock: ManualClock::at(Timestamp::from_millis(NOW)),
            account,
        }
    }

    pub(super) fn context(&self) -> Context<'_> {
        Context {
            http: &self.session,
            tenant_id: SHOP,
            account: Some(&self.account),
            site: None,
            api: None,
            clock: &self.clock,
        }
    }

    pub(super) async fn page(
        &self,
        resource: Resource,
        mode: Mode,
        cursor: Option<&Value>,
    ) -> Result<Page, ConnectorError> {
        let request = PageRequest {
            resource,
            mode,
            cursor,
            fields: &[],
            page_size: None,
            now_ms: 5,
        };
        self.shopify
            .pull()
            .unwrap()
            .page(&self.context(), &request)
            .await
    }

    pub(super) async fn fetch(
        &self,
        resource: Resource,
        ids: &[&str],
        fields: &[&str],
    ) -> Result<Fetched, ConnectorError> {
        let text = |texts: &[&str]| -> Vec<String> {
            texts.iter().map(|text| (*text).to_owned()).collect()
        };
        self.shopify
            .pull()
            .unwrap()
            .fetch(&self.context(), resource, &text(ids), &text(fields))
            .await
    }

    /// The names of the documents that were posted.
    pub(super) fn asked(&self) -> Vec<String> {
        let seen = self.server.seen();
        seen.iter().map(|seen| posted(seen).name).collect()
    }
}

pub(super) fn tokens() -> TokenSet {
    TokenSet {
        access_token: "shpat_s3cret".into(),
        refresh_token: Some("shprt_s3cret".into()),
        expires_at_ms: Some(NOW + 3_600_000),
        scopes: Vec::new(),
        tenant_id: Some(SHOP.to_owned()),
        site: Some(site()),
        api: None,
    }
}

fn permanent(error: &ConnectorError, wanted: &str) -> bool {
    matches!(error, ConnectorError::Permanent { code, .. } if code == wanted)
}
