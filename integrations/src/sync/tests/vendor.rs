//! A vendor in memory, behind the connector traits: what the engine sees of a vendor and nothing else.

use crate::connector::*;
use crate::http::Client;
use crate::oauth::{AppCredentials, AuthorizeRequest, Callback, Exchange, TokenSet};
use crate::record::{
    Kind, Order, Owner, Pipeline, RevenueLine, RevenueLineKind, Stage, StageOutcome,
};
use crate::webhook::Signals;
use async_trait::async_trait;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use url::Url;

#[derive(Default)]
pub(super) struct State {
    pub(super) records: BTreeMap<(Resource, String), Record>,
    pub(super) clock_ms: i64,
    pub(super) failures: VecDeque<ConnectorError>,
    pub(super) malformed: Vec<MalformedRecord>,
    /// Further properties of deals that people of the account made up.
    pub(super) custom: Vec<String>,
    /// The page sizes that were asked for.
    pub(super) sizes: Vec<Option<u32>>,
    /// After so many pages of a backfill of deals the vendor is down.
    pub(super) stumbles: Option<usize>,
}

pub(super) struct Vendor {
    descriptor: Descriptor,
    pub(super) state: Mutex<State>,
    pub(super) refreshes: AtomicUsize,
    pub(super) pages: AtomicUsize,
    pub(super) grant: Mutex<Option<ConnectorError>>,
    pub(super) writing: Mutex<super::pusher::Writing>,
    /// How often a token was asked for, and how long the answer takes.
    pub(super) asked: AtomicUsize,
    pub(super) slow: Mutex<std::time::Duration>,
    /// Which account it is.
    tenant: &'static str,
    /// What was said there, where it is a chat.
    pub(super) talk: Mutex<super::talker::Talk>,
    /// What its account is subscribed to, where it asks for that.
    pub(super) subscribed: Mutex<Option<std::collections::BTreeSet<String>>>,
}

impl Vendor {
    pub(super) fn new() -> Arc<Self> {
        Self::crm(crate::hubspot::ID, "77")
    }

    /// One that keeps companies, people and deals.
    pub(super) fn crm(id: &'static str, tenant: &'static str) -> Arc<Self> {
        let resources = [
            Resource::Owner,
            Resource::Pipeline,
            Resource::Company,
            Resource::Contact,
            Resource::Deal,
        ];
        let vendor = Self::of(id, tenant, Category::Crm, &resources);
        vendor.stages(&[
            ("prospecting", StageOutcome::Open),
            ("closedwon", StageOutcome::Won),
            ("closedlost", StageOutcome::Lost),
        ]);
        vendor.put(
            Resource::Owner,
            "1",
            &[],
            &[],
            Kind::Owner(Owner {
                name: Some("Moses Frase".to_owned()),
                email: Some("moses@sales.example".to_owned()),
            }),
        );
        vendor
    }

    /// One that keeps customers and orders.
    pub(super) fn shop(id: &'static str, tenant: &'static str) -> Arc<Self> {
        let resources = [Resource::Company, Resource::Contact, Resource::Order];
        Self::of(id, tenant, Category::Commerce, &resources)
    }

    /// One where people talk.
    pub(super) fn chat(id: &'static str, tenant: &'static str) -> Arc<Self> {
        Self::of(id, tenant, Category::Chat, &[])
    }

    fn of(
        id: &'static str,
        tenant: &'static str,
        category: Category,
        resources: &[Resource],
    ) -> Arc<Self> {
        let described = |resource: Resource| {
            let object = matches!(
                resource,
                Resource::Company | Resource::Contact | Resource::Deal | Resource::Order
            );
            ResourceDescriptor {
                resource,
                delta: object,
                archived: object,
                fetch: true,
                links: &[],
                page_size: 100,
                push_scope: (object && resource != Resource::Order).then_some("write"),
            }
        };
        let descriptor = Descriptor {
            id,
            name: "In memory",
            category,
            api_version: "1",
            resources: resources.iter().copied().map(described).collect(),
            required_scopes: vec![],
            optional_scopes: vec![],
            limits: vec![],
            limit_headers: None,
            site: None,
            token_header: TokenHeader::Bearer,
        };
        Arc::new(Self {
            descriptor,
            state: Mutex::new(State {
                clock_ms: 1_700_000_000_000,
                ..State::default()
            }),
            refreshes: AtomicUsize::new(0),
            pages: AtomicUsize::new(0),
            grant: Mutex::new(None),
            writing: Mutex::default(),
            asked: AtomicUsize::new(0),
            slow: Mutex::default(),
            tenant,
            talk: Mutex::default(),
            subscribed: Mutex::default(),
        })
    }

    /// An order: its fields, whose it is, and what was paid (key, +/-, amount).
    pub(super) fn order(
        &self,
        id: &str,
        fields: &[(&str, &str)],
        links: &[(Resource, &str)],
        paid: &[(&str, RevenueLineKind, &str)],
    ) {
        let revenue = paid
            .iter()
            .enumerate()
            .map(|(place, (key, kind, amount))| RevenueLine {
                external_key: (*key).to_owned(),
                kind: *kind,
                amount: (*amount).to_owned(),
                currency: "EUR".to_owned(),
                occurred_at_ms: 1_700_000_000_000 + i64::try_from(place).unwrap(),
            });
        let order = Order {
            revenue: revenue.collect(),
        };
        let mut all = vec![
            ("currency", "EUR"),
            ("processed_at", "2026-11-01T10:00:00Z"),
        ];
        all.extend_from_slice(fields);
        self.put(Resource::Order, id, &all, &[], Kind::Order(order));
        let mut state = self.state.lock().unwrap();
        let record = state.records.get_mut(&(Resource::Order, id.to_owned()));
        record.unwrap().links = links
            .iter()
            .map(|(resource, id)| RecordLink {
                resource: *resource,
                external_id: (*id).to_owned(),
                labels: vec![],
                primary: false,
            })
            .collect();
    }

    pub(super) fn stages(&self, stages: &[(&str, StageOutcome)]) {
        let stage = |(id, outcome): &(&str, StageOutcome)| Stage {
            external_id: (*id).to_owned(),
            label: id.to_uppercase(),
            position: 0,
            outcome: *outcome,
            archived: false,
            fields: Default::default(),
        };
        let pipeline = Pipeline {
            label: "Sales".to_owned(),
            stages: stages.iter().map(stage).collect(),
        };
        self.put(
            Resource::Pipeline,
            "default",
            &[],
            &[],
            Kind::Pipeline(pipeline),
        );
    }

    pub(super) fn put(
        &self,
        resource: Resource,
        id: &str,
        fields: &[(&str, &str)],
        links: &[(&str, &str)],
        kind: Kind,
    ) {
        let mut state = self.state.lock().unwrap();
        state.clock_ms += 1;
        let record = Record {
            external_id: id.to_owned(),
            updated_at_ms: state.clock_ms,
            created_at_ms: None,
            archived: false,
            fields: fields
                .iter()
                .map(|(name, value)| ((*name).to_owned(), Some((*value).to_owned())))
                .collect(),
            links: links
                .iter()
                .map(|(id, label)| RecordLink {
                    resource: Resource::Company,
                    external_id: (*id).to_owned(),
                    labels: if label.is_empty() {
                        vec![]
                    } else {
                        vec![(*label).to_owned()]
                    },
                    primary: false,
                })
                .collect(),
            links_complete: true,
            url: None,
            kind,
        };
        state.records.insert((resource, id.to_owned()), record);
    }

    pub(super) fn company(&self, id: &str, fields: &[(&str, &str)]) {
        self.put(Resource::Company, id, fields, &[], Kind::Company);
    }

    pub(super) fn deal(&self, id: &str, fields: &[(&str, &str)], links: &[(&str, &str)]) {
        let mut all = vec![("pipeline", "default"), ("deal_currency_code", "USD")];
        all.extend_from_slice(fields);
        self.put(Resource::Deal, id, &all, links, Kind::Deal);
    }

    pub(super) fn archive(&self, resource: Resource, id: &str) {
        let mut state = self.state.lock().unwrap();
        state.clock_ms += 1;
        let now = state.clock_ms;
        let record = state.records.get_mut(&(resource, id.to_owned())).unwrap();
        record.archived = true;
        record.updated_at_ms = now;
    }

    /// The vendor answers so many pages of deals and then is down, for good.
    pub(super) fn stumble_after(&self, pages: usize) {
        self.state.lock().unwrap().stumbles = Some(pages);
    }

    pub(super) fn fail(&self, error: ConnectorError) {
        self.state.lock().unwrap().failures.push_back(error);
    }

    fn tokens(&self, number: usize, now_ms: i64) -> TokenSet {
        TokenSet {
            access_token: SecretString::from(format!("access-{number}")),
            refresh_token: Some(SecretString::from(format!("refresh-{number}"))),
            expires_at_ms: Some(now_ms + 1_800_000),
            scopes: vec![],
            tenant_id: Some(self.tenant.to_owned()),
            site: None,
            api: None,
        }
    }
}

#[async_trait]
impl Authenticate for Vendor {
    fn site(&self, _: Option<&str>) -> Result<Option<Url>> {
        Ok(None)
    }
    fn check_callback(&self, _: &AppCredentials, _: &Callback<'_>, _: i64) -> Result<()> {
        Ok(())
    }
    fn origins(&self, _: &TokenSet) -> Result<Vec<Url>> {
        Ok(vec![])
    }
    fn authorize_url(&self, _: &AppCredentials, request: &AuthorizeRequest) -> Result<Url> {
        Ok(Url::parse_with_params(
            "https://vendor.example/authorize",
            [("state", request.state.expose_secret())],
        )
        .unwrap())
    }
    async fn exchange(
        &self,
        _: &Client,
        _: &AppCredentials,
        exchange: &Exchange,
        now_ms: i64,
    ) -> Result<TokenSet> {
        assert!(exchange.pkce_verifier.expose_secret().len() >= 43);
        Ok(self.tokens(0, now_ms))
    }
    async fn refresh(
        &self,
        _: &Client,
        _: &AppCredentials,
        _: &TokenSet,
        now_ms: i64,
    ) -> Result<TokenSet> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let slow = *self.slow.lock().unwrap();
        if !slow.is_zero() {
            tokio::time::sleep(slow).await;
        }
        if let Some(refusal) = self.grant.lock().unwrap().clone() {
            return Err(refusal);
        }
        tokio::task::yield_now().await;
        Ok(self.tokens(self.refreshes.fetch_add(1, Ordering::SeqCst) + 1, now_ms))
    }
    async fn revoke(&self, _: &Client, _: &AppCredentials, _: &TokenSet) -> Result<()> {
        Ok(())
    }
    async fn account(&self, _: &Context<'_>) -> Result<Account> {
        Ok(Account {
            tenant_id: self.tenant.to_owned(),
            name: None,
            currency: Some("USD".to_owned()),
            time_zone: Some("UTC".to_owned()),
            ui_domain: None,
        })
    }
}

#[async_trait]
impl Pull for Vendor {
    async fn page(&self, _: &Context<'_>, request: &PageRequest<'_>) -> Result<Page> {
        self.pages.fetch_add(1, Ordering::SeqCst);
        let mut state = self.state.lock().unwrap();
        state.sizes.push(request.page_size);
        if let Some(failure) = state.failures.pop_front() {
            return Err(failure);
        }
        if request.resource == Resource::Deal && request.mode == Mode::Backfill {
            match state.stumbles {
                Some(0) => {
                    return Err(ConnectorError::Transient {
                        message: "down".to_owned(),
                        retry_after: None,
                    });
                }
                Some(pages) => state.stumbles = Some(pages - 1),
                None => {}
            }
        }
        let number = |key: &str| {
            request
                .cursor
                .and_then(|cursor| cursor.get(key))
                .and_then(Value::as_i64)
        };
        let mark = number("mark").unwrap_or(0);
        let start = usize::try_from(number("at").unwrap_or(0)).unwrap();
        let wanted = |record: &&Record| match request.mode {
            Mode::Backfill => !record.archived,
            Mode::Delta => !record.archived && record.updated_at_ms >= mark,
            Mode::Archived => record.archived,
        };
        let mut all = state
            .records
            .iter()
            .filter(|((resource, _), _)| *resource == request.resource)
            .map(|(_, record)| record)
            .filter(wanted)
            .skip(start);
        let records: Vec<Record> = all.by_ref().take(100).cloned().collect();
        let more = all.next().is_some();
        drop(all);
        let malformed = if more || request.resource != Resource::Deal {
            vec![]
        } else {
            std::mem::take(&mut state.malformed)
        };
        let next = if more {
            Next::More(json!({ "mark": mark, "at": start + 100 }))
        } else {
            Next::CaughtUp(json!({ "mark": state.clock_ms }))
        };
        Ok(Page {
            records,
            malformed,
            merged: Vec::new(),
            next,
            wait: None,
        })
    }
    async fn fetch(
        &self,
        _: &Context<'_>,
        resource: Resource,
        ids: &[String],
        _: &[String],
    ) -> Result<Fetched> {
        let mut state = self.state.lock().unwrap();
        if let Some(failure) = state.failures.pop_front() {
            return Err(failure);
        }
        let mut fetched = Fetched::default();
        for id in ids {
            match state
                .records
                .get(&(resource, id.clone()))
                .filter(|record| !record.archived)
            {
                Some(record) => fetched.records.push(record.clone()),
                None => fetched.missing.push(id.clone()),
            }
        }
        Ok(fetched)
    }
    async fn fields(&self, _: &Context<'_>, resource: Resource) -> Result<Vec<FieldDescriptor>> {
        let names: &[&str] = if resource == Resource::Deal {
            &["product", "opportunity_id"]
        } else {
            &[]
        };
        let mut names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        if resource == Resource::Deal {
            names.extend(self.state.lock().unwrap().custom.iter().cloned());
        }
        let field = |name| FieldDescriptor {
            name,
            label: String::new(),
            kind: String::new(),
            custom: true,
        };
        Ok(names.into_iter().map(field).collect())
    }
}

impl Webhooks for Vendor {
    fn verify(&self, _: &[SecretString], _: &InboundRequest<'_>, _: i64) -> Verdict {
        Verdict::Rejected(Reason::NoSecret)
    }
    fn door(&self) -> Door {
        Door::App
    }
    fn kept_headers(&self) -> &'static [&'static str] {
        &[]
    }
    fn accepted(&self) -> WebhookResponse {
        WebhookResponse::empty()
    }
    fn parse(&self, delivery: &Delivery<'_>) -> Result<Signals> {
        let events: Vec<(String, String, String)> = serde_json::from_slice(delivery.body)
            .map_err(|_| ConnectorError::schema("not events"))?;
        let mut all = Signals::default();
        let (others, events): (Vec<_>, Vec<_>) = events
            .into_iter()
            .partition(|(_, what, _)| Resource::parse(what).is_none());
        for (tenant, what, said) in others {
            super::talker::read(&mut all, &tenant, &what, &said);
        }
        // "1,2>3" says that 1 and 2 became 3.
        let signals = events.into_iter().map(|(tenant_id, resource, what)| {
            let (external_id, kind) = match what.split_once('>') {
                Some((from, into)) => (
                    into.to_owned(),
                    SignalKind::Merged {
                        into: into.to_owned(),
                        from: from.split(',').map(str::to_owned).collect(),
                    },
                ),
                None => (what.clone(), SignalKind::Changed),
            };
            Signal {
                tenant_id,
                resource: Resource::parse(&resource).unwrap(),
                dedupe: what,
                external_id,
                kind,
                occurred_at_ms: 0,
            }
        });
        Ok(Signals {
            signals: signals.collect(),
            ..all
        })
    }
}

/// The registry wants a connector of its own; this one shares the vendor with the test.
pub(super) struct Handle(pub(super) Arc<Vendor>);

impl Connector for Handle {
    fn descriptor(&self) -> &Descriptor {
        &self.0.descriptor
    }
    fn auth(&self) -> &dyn Authenticate {
        self.0.as_ref()
    }
    fn pull(&self) -> Option<&dyn Pull> {
        Some(self.0.as_ref())
    }
    fn push(&self) -> Option<&dyn Push> {
        Some(self.0.as_ref())
    }
    fn webhooks(&self) -> Option<&dyn Webhooks> {
        Some(self.0.as_ref())
    }
    fn notify(&self) -> Option<&dyn Notify> {
        (self.0.descriptor.category == Category::Chat).then_some(self.0.as_ref())
    }
    fn subscriptions(&self) -> Option<&dyn Subscriptions> {
        let asks = self.0.subscribed.lock().unwrap().is_some();
        asks.then_some(self.0.as_ref())
    }
}
