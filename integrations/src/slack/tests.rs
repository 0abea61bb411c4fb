#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
use super::*;
use crate::{
    connector::{Account, Context},
    error::ConnectorError,
    http::{Client, ClientSettings, HostPolicy, Session},
    notify::{ButtonStyle, CANNOT_LOOK, ChatButton, ChatMessage, Posted},
    oauth::{AppCredentials, AuthorizeRequest, Exchange, INVALID_CLIENT, TokenSet},
    test_server::{Reply, Seen, TestServer, json as reply},
};
use entities::{
    chance::SeededChance,
    clock::{ManualClock, Timestamp},
};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use std::collections::HashMap;

mod connect;
mod posting;

const NOW: i64 = 1_793_527_200_000;

struct Rig {
    server: TestServer,
    slack: Slack,
    client: Client,
    session: Session,
    clock: ManualClock,
    account: Account,
}

impl Rig {
    async fn new(answer: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        let server = TestServer::start(answer).await;
        let slack = Slack::new(SlackEndpoints::at(server.url()));
        let settings = ClientSettings {
            paced: false,
            ..ClientSettings::default()
        };
        let client = Client::new(HostPolicy::sandbox(vec![server.address]), settings).unwrap();
        let session = client
            .session(&slack, "T1", &TokenSet::of("s3cret-t"))
            .unwrap();
        Self {
            server,
            slack,
            client,
            session,
            clock: ManualClock::at(Timestamp::from_millis(NOW)),
            account: Account {
                tenant_id: "T1".into(),
                name: None,
                currency: None,
                time_zone: None,
                ui_domain: None,
            },
        }
    }

    /// A vendor that always says this.
    async fn saying(status: u16, body: &'static str) -> Self {
        Self::new(move |_| reply(status, "", body)).await
    }

    fn context(&self) -> Context<'_> {
        Context {
            http: &self.session,
            tenant_id: "T1",
            account: Some(&self.account),
            site: None,
            api: None,
            clock: &self.clock,
        }
    }
}

/// The pairs of a form or a query.
fn pairs(text: &str) -> HashMap<String, String> {
    url::form_urlencoded::parse(text.as_bytes())
        .into_owned()
        .collect()
}

fn query(seen: &Seen) -> HashMap<String, String> {
    pairs(seen.target.split_once('?').map_or("", |(_, query)| query))
}

#[test]
fn the_registry_knows_it_and_its_address_is_slacks() {
    let registry = crate::connectors(crate::Endpoints::default());
    let connector = registry.get("slack").unwrap();
    let origins = connector.auth().origins(&TokenSet::of("t")).unwrap();
    assert_eq!(origins.len(), 1);
    assert_eq!(origins[0].as_str(), "https://slack.com/");
    assert!(connector.notify().is_some() && connector.webhooks().is_some());
    assert!(connector.pull().is_none() && connector.push().is_none());
    assert_eq!(crate::connector::webhook_path(ID), "/hooks/slack");
}
