#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
use super::*;
use crate::{
    connector::{Account, Context, Fetched, Mode, Next, Page, PageRequest},
    error::{ConnectorError, LimitScope},
    http::{Client, ClientSettings, HostPolicy, Session},
    oauth::{AppCredentials, AuthorizeRequest, Exchange, TokenSet},
    record::{Kind, RecordLink, Resource, StageOutcome},
    test_server::{Reply, Seen, TestServer, json},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use entities::{
    chance::SeededChance,
    clock::{ManualClock, Timestamp},
};
use secrecy::ExposeSecret;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::{collections::HashMap, time::Duration};

mod connect;
mod pull;
mod push;
mod reference;

const NOW: i64 = 1_793_527_200_000;
const DATE: &str = "date: Sun, 01 Nov 2026 10:00:00 GMT\r\n";

struct Rig {
    server: TestServer,
    hubspot: HubSpot,
    client: Client,
    session: Session,
    clock: ManualClock,
    account: Account,
}

impl Rig {
    async fn new(reply: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        let server = TestServer::start(reply).await;
        let hubspot = HubSpot::new(HubSpotEndpoints::at(server.url()));
        let client = Client::new(
            HostPolicy::sandbox(vec![server.address]),
            ClientSettings::default(),
        )
        .unwrap();
        let session = client.session(&hubspot, "33", &TokenSet::of("t")).unwrap();
        let account = Account {
            tenant_id: "33".into(),
            name: None,
            currency: Some("USD".into()),
            time_zone: None,
            ui_domain: Some("app.hubspot.com".into()),
        };
        Self {
            server,
            hubspot,
            client,
            session,
            clock: ManualClock::at(Timestamp::from_millis(NOW)),
            account,
        }
    }

    fn context(&self) -> Context<'_> {
        Context {
            http: &self.session,
            tenant_id: "33",
            account: Some(&self.account),
            site: None,
            api: None,
            clock: &self.clock,
        }
    }

    async fn page(
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
        self.hubspot
            .pull()
            .unwrap()
            .page(&self.context(), &request)
            .await
    }

    async fn fetch(&self, resource: Resource, ids: &[&str]) -> Result<Fetched, ConnectorError> {
        let ids: Vec<String> = ids.iter().map(|id| (*id).to_owned()).collect();
        self.hubspot
            .pull()
            .unwrap()
            .fetch(&self.context(), resource, &ids, &[])
            .await
    }
}

#[test]
fn the_registry_knows_it_and_its_addresses_are_hubspots() {
    let registry = crate::connectors(crate::Endpoints::default());
    let connector = registry.get("hubspot").unwrap();
    let origins = connector.auth().origins(&TokenSet::of("t")).unwrap();
    assert_eq!(origins[0].as_str(), "https://api.hubapi.com/");
    assert!(
        connector.push().is_some()
            && connector.notify().is_none()
            && registry.get("other").is_none()
    );
    assert_eq!(crate::connector::webhook_path(ID), "/hooks/hubspot");
}
