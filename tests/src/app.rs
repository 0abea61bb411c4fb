//! A whole Entente in the test's process: the server as `serve` builds it, and a worker that moves only when it is drained.

use crate::answer::Answer;
use crate::hubspot::{CLIENT_ID, CLIENT_SECRET, HubSpotSetup};
use crate::receiver::Receiver;
use crate::vendors::{SIGNING_SECRET, Setups, Vendors, consent, endpoints};
use crate::{Chaos, StatementLog, TestClock, TestDatabase, eventually, log, seed};
use actix_web::web;
use api::cli::ProcessSettings;
use api::config::public_url::PublicUrl;
use api::config::{Config, Sources};
use api::http::metrics;
use api::http::server::{Running, server};
use api::http::webhooks::own_webhook_path;
use api::oauth::token::{Basis, TokenRequest};
use api::state::{Core, Outside, State};
use entities::chance::{Chance, SeededChance};
use entities::change::{Author, Change, Origin};
use entities::connection;
use entities::database::Database;
use entities::id::{ConnectionId, PartnerId};
use entities::sync_run;
use entities::viewer::{PartnerRole, Scope, Scopes, StaffRole, ViewerKind};
use integrations::Endpoints;
use integrations::automation::Runner;
use integrations::http::{Client, ClientSettings, HostPolicy};
use integrations::outbound::{Courier, Outbound, OutboundSettings};
use integrations::sync::{Engine, EngineParts, SyncKind};
use integrations::vault::{MasterKey, Vault};
use integrations::{hubspot, salesforce};
use metrics_exporter_prometheus::PrometheusHandle;
use sandbox::{HubSpot, Salesforce, Shopify, Slack};
use sea_orm::{ConnectionTrait, QueryResult, Statement, TryGetable};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::Mutex;
use url::Url;

const NO_SANDBOX: &str = "the app was started with this sandbox";

/// How an app is started.
#[derive(Debug, Default)]
pub struct Options {
    /// Its clock; the machine's ordinarily.
    pub clock: Option<TestClock>,
    /// HubSpot's sandbox beside it; none ordinarily.
    pub hubspot: Option<HubSpotSetup>,
    /// The other sandboxes; none ordinarily.
    pub others: Setups,
    /// Settings as the environment would give them: `("ENTENTE_LIMITS_COST", "50")`.
    pub settings: Vec<(&'static str, String)>,
    /// The database; a new one ordinarily.
    pub database: Option<TestDatabase>,
    /// Whether a proxy that can spoil calls stands before the sandbox; of several, before the first.
    pub chaos: bool,
    /// How patient the outgoing client is; as in production ordinarily.
    pub client: Option<ClientSettings>,
    /// Where receivers of webhooks listen; none may be called ordinarily.
    pub receivers: Vec<SocketAddr>,
    /// How webhooks are delivered; as in production ordinarily.
    pub outbound: Option<OutboundSettings>,
    /// Further addresses on loopback that may be called: identity providers.
    pub reachable: Vec<SocketAddr>,
}

impl Options {
    /// With a sandbox.
    #[must_use]
    pub fn hubspot(setup: HubSpotSetup) -> Self {
        Self {
            hubspot: Some(setup),
            ..Self::default()
        }
    }

    /// With these receivers of webhooks.
    #[must_use]
    pub fn receivers<'a>(receivers: impl IntoIterator<Item = &'a Receiver>) -> Self {
        Self {
            receivers: receivers.into_iter().map(Receiver::address).collect(),
            ..Self::default()
        }
    }

    /// With a clock that stands at an instant in RFC 3339.
    #[must_use]
    pub fn standing_at(instant: &str) -> Self {
        let at =
            entities::clock::Timestamp::parse_rfc3339(instant).expect("an instant in RFC 3339");
        Self {
            clock: Some(TestClock::standing(at)),
            ..Self::default()
        }
    }

    /// The same with one more setting.
    #[must_use]
    pub fn with(mut self, variable: &'static str, value: impl ToString) -> Self {
        self.settings.push((variable, value.to_string()));
        self
    }
}

/// What nodes over one database have in common.
struct Shared {
    database: TestDatabase,
    clock: Arc<TestClock>,
    statements: StatementLog,
    settings: Vec<(&'static str, String)>,
    public_url: PublicUrl,
    vendors: Vendors,
    chaos: Option<Chaos>,
    client: Option<ClientSettings>,
    receivers: Vec<SocketAddr>,
    outbound: Option<OutboundSettings>,
    reachable: Vec<SocketAddr>,
}

/// A running app. A test ends with [`TestApp::finish`].
pub struct TestApp {
    /// What the server works with: database, vault, engine, tokens.
    pub state: Arc<State>,
    /// A client that follows no redirects.
    pub http: reqwest::Client,
    shared: Arc<Shared>,
    address: SocketAddr,
    running: Option<Running>,
    announced: Vec<String>,
    courier: Mutex<Courier>,
}

impl TestApp {
    /// Starts an app as told.
    pub async fn start(options: Options) -> Self {
        log::begin();
        let database = match options.database {
            Some(database) => database,
            None => TestDatabase::make().await,
        };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = listener.local_addr().expect("a bound port");
        let public_url = PublicUrl::of_loopback(address).expect("loopback can be a public address");
        let setups = Setups {
            hubspot: options.hubspot.or(options.others.hubspot),
            ..options.others
        };
        let vendors = setups.start(&public_url).await;
        let chaos = match vendors.urls().first() {
            Some((_, url)) if options.chaos => Some(Chaos::before(address_of(url)).await),
            _ => None,
        };
        if let (Some(chaos), Some(salesforce)) = (&chaos, &vendors.salesforce) {
            // An org tells where it is, and the token goes there and nowhere else.
            salesforce.be_known_as(chaos.url());
        }
        let clock = Arc::new(options.clock.unwrap_or_else(TestClock::system));
        let shared = Shared {
            database,
            clock,
            statements: StatementLog::default(),
            settings: options.settings,
            public_url,
            vendors,
            chaos,
            client: options.client,
            receivers: options.receivers,
            outbound: options.outbound,
            reachable: options.reachable,
        };
        Self::serve(Arc::new(shared), listener).await
    }

    /// Starts an app with ordinary options.
    pub async fn plain() -> Self {
        Self::start(Options::default()).await
    }

    async fn serve(shared: Arc<Shared>, listener: TcpListener) -> Self {
        listener.set_nonblocking(true).expect("a socket");
        let address = listener.local_addr().expect("a bound port");
        let config = config(&shared.settings);
        let chance = chance();
        let database = shared
            .database
            .open(shared.clock.clone(), chance.clone(), &shared.statements)
            .await;
        let vault = vault(chance.clone());
        let mut core = Core::new(database, vault, outside(&shared, &config), &config)
            .expect("the core is put together");
        core.chance = chance;
        if let Some(settings) = shared.client {
            core.engine = impatient(&core, outside_of(&shared).0, settings);
            let (vault, renderer) = (core.vault.clone(), core.renderer.clone());
            core.runner = Runner::new(core.engine.clone(), vault, renderer);
        }
        if let Some(settings) = shared.outbound {
            let policy = HostPolicy::sandbox(shared.receivers.clone());
            core.outbound =
                Outbound::new(core.database.clone(), core.vault.clone(), policy, settings)
                    .expect("a client");
        }
        let courier = Mutex::new(core.courier());
        let issuer = shared.public_url.as_str().to_owned();
        let state = State::new(core, shared.public_url.clone(), issuer, &config)
            .await
            .expect("the state is put together");
        let state = Arc::new(state);
        let settings = ProcessSettings::of(&config).server;
        let server = server(
            web::Data::from(Arc::clone(&state)),
            figures(),
            listener,
            &settings,
        )
        .expect("the server starts");
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .tls_certs_only([])
            // Shorter than the server's: a test that thinks for long must not write to a connection that is being closed.
            .pool_idle_timeout(Duration::from_secs(1))
            .timeout(Duration::from_secs(60))
            .build()
            .expect("a client");
        let _ = shared.statements.take();
        Self {
            state,
            http,
            shared,
            address,
            running: Some(Running::spawn(server)),
            announced: Vec::new(),
            courier,
        }
    }

    /// Another node over the same database, with the same public address, clock and sandbox.
    pub async fn another_node(&self) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        Self::serve(Arc::clone(&self.shared), listener).await
    }

    /// Ends the server and starts it again over what it left, on the same port.
    pub async fn restart(mut self) -> Self {
        self.stop_server().await;
        let listener = TcpListener::bind(self.address).expect("the port is free again");
        let mut again = Self::serve(Arc::clone(&self.shared), listener).await;
        again.announced = std::mem::take(&mut self.announced);
        again
    }

    async fn stop_server(&mut self) {
        if let Some(running) = self.running.take() {
            running.stop().await;
        }
    }

    /// Ends the app, and fails the test when it left a pending delivery, an unfinished run, or a warning nobody announced.
    pub async fn finish(self) {
        let left = [
            (
                "deliveries that wait to be split",
                "SELECT COUNT(*) FROM inbound_webhook WHERE state = 'PENDING'",
            ),
            (
                "signals that wait to be followed",
                "SELECT COUNT(*) FROM inbound_signal WHERE NOT dead",
            ),
            (
                "runs that did not end",
                "SELECT COUNT(*) FROM sync_run WHERE status = 'RUNNING'",
            ),
        ];
        for (what, statement) in left {
            assert_eq!(self.number(statement).await, 0, "{what}");
        }
        self.end().await;
    }

    /// Ends the app without asking for what it left pending; warnings still fail the test.
    pub async fn end(mut self) {
        self.stop_server().await;
        let mut warnings = log::take_warnings();
        warnings.retain(|line| {
            !self
                .announced
                .iter()
                .any(|part| line.contains(part.as_str()))
        });
        assert!(
            warnings.is_empty(),
            "warnings that nobody announced: {warnings:#?}"
        );
    }

    /// Announces a warning that holds these words.
    pub fn expect_warning(&mut self, words: &str) {
        self.announced.push(words.to_owned());
    }

    /// The address of a path of this node.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The address under which the app believes it is reached: signatures and redirects use it.
    #[must_use]
    pub fn public_url(&self) -> &PublicUrl {
        &self.shared.public_url
    }

    /// The database.
    #[must_use]
    pub fn database(&self) -> &Database {
        &self.state.core.database
    }

    /// The database's address and the test's folder.
    #[must_use]
    pub fn place(&self) -> &TestDatabase {
        &self.shared.database
    }

    /// The clock.
    #[must_use]
    pub fn clock(&self) -> &TestClock {
        &self.shared.clock
    }

    /// Moves the app's clock and the sandbox's forward.
    pub fn advance(&self, by: Duration) {
        self.shared.clock.advance(by);
        self.shared.vendors.advance(by);
    }

    /// The statements of the app's database since they were last taken.
    #[must_use]
    pub fn statements(&self) -> &StatementLog {
        &self.shared.statements
    }

    /// HubSpot's sandbox.
    #[must_use]
    pub fn hubspot(&self) -> &HubSpot {
        self.shared.vendors.hubspot.as_ref().expect(NO_SANDBOX)
    }

    /// Salesforce's sandbox.
    #[must_use]
    pub fn salesforce(&self) -> &Salesforce {
        self.shared.vendors.salesforce.as_ref().expect(NO_SANDBOX)
    }

    /// Shopify's sandbox.
    #[must_use]
    pub fn shopify(&self) -> &Shopify {
        self.shared.vendors.shopify.as_ref().expect(NO_SANDBOX)
    }

    /// Slack's sandbox.
    #[must_use]
    pub fn slack(&self) -> &Slack {
        self.shared.vendors.slack.as_ref().expect(NO_SANDBOX)
    }

    /// The proxy before the sandbox.
    #[must_use]
    pub fn chaos(&self) -> &Chaos {
        self.shared
            .chaos
            .as_ref()
            .expect("the app was started with a proxy before its sandbox")
    }

    /// Connects HubSpot's sandbox through the real consent.
    pub async fn connect_hubspot(&self) -> ConnectionId {
        self.connect(hubspot::ID).await
    }

    /// Connects a vendor's sandbox through the real consent. What Salesforce sends goes to the door of its own, if it is to send anything.
    pub async fn connect(&self, connector: &str) -> ConnectionId {
        let vendors = &self.shared.vendors;
        let (tenant, site) = vendors.account(connector);
        assert_eq!(
            consent(&self.state, &self.http, connector, site).await,
            200,
            "the consent ends well"
        );
        let found = connection::find_by_tenant(self.database().read(), connector, &tenant)
            .await
            .expect("the database answers");
        let row = found.expect("the consent stored a connection");
        if connector == salesforce::ID && vendors.messages {
            let hook = self.state.core.engine.hook(&row).expect("the door opens");
            let hook = hook.expect("it has a door of its own");
            let path = own_webhook_path(connector, hook.expose_secret());
            let target = self.shared.public_url.url_at(&path);
            self.salesforce()
                .set_webhook_target(Some(target))
                .expect("an address on loopback");
        }
        row.id
    }

    /// Synchronises a connection from beginning to end, as `demo` does at its start.
    pub async fn sync(&self, connection: ConnectionId) -> sync_run::Model {
        let engine = &self.state.core.engine;
        Box::pin(engine.sync_connection(connection, SyncKind::Changes, |_| {}))
            .await
            .expect("the synchronisation runs")
    }

    /// Lets the worker do everything that is due, and says how many steps that took.
    pub async fn drain(&self) -> u32 {
        let mut steps = 0;
        let give_up = tokio::time::Instant::now() + Duration::from_secs(60);
        loop {
            while Box::pin(self.state.core.engine.step())
                .await
                .expect("a step of the worker succeeds")
            {
                steps += 1;
                assert!(steps < 100_000, "the worker finds no end");
            }
            let delivered = self.automate().await + self.deliver().await + self.post().await;
            steps += delivered;
            if delivered > 0 {
                continue;
            }
            // On PostgreSQL an event shows only when every older transaction of the cluster has ended, those of other tests among them.
            if self.unread_events().await == 0 || tokio::time::Instant::now() > give_up {
                return steps;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Lets automations do everything that is due, and says how many steps that took.
    pub async fn automate(&self) -> u32 {
        let (mut steps, runner) = (0, &self.state.core.runner);
        while Box::pin(runner.step()).await.expect("automations run") {
            steps += 1;
        }
        steps
    }

    /// Lets the mailer send everything that is due, and says how many steps that took.
    pub async fn post(&self) -> u32 {
        let mut steps = 0;
        while Box::pin(self.state.core.mail.step())
            .await
            .expect("mail goes out")
        {
            steps += 1;
        }
        steps
    }

    /// Lets the courier deliver everything that is due, and says how many turns that took.
    pub async fn deliver(&self) -> u32 {
        let mut courier = self.courier.lock().await;
        let mut turns = 0;
        loop {
            let turned = courier
                .turn()
                .await
                .expect("a turn of the courier succeeds");
            let flew = courier.is_flying();
            courier.come_home().await.expect("what landed is settled");
            if !turned && !flew {
                return turns;
            }
            turns += 1;
            assert!(turns < 100_000, "the courier finds no end");
        }
    }

    /// How many events a reader of the log has not come to yet.
    async fn unread_events(&self) -> i64 {
        // The audit chain is sealed by a worker of its own, which tests that look at it move; what is thrown away is not read.
        let unread = "SELECT COUNT(*) FROM event JOIN event_reader ON event_reader.reader NOT IN ('audit', 'retention') AND (event.position > event_reader.position \
                      OR (event.position = event_reader.position AND event.seq > event_reader.seq))";
        self.number(unread).await
    }

    /// A token of any kind, good for an hour.
    #[must_use]
    pub fn token_for(&self, kind: ViewerKind, scopes: Scopes) -> String {
        let request = TokenRequest {
            subject: match kind {
                ViewerKind::Partner(partner, _) => format!("user of {partner}"),
                _ => "tests".to_owned(),
            },
            client_id: "tests".to_owned(),
            kind,
            scopes,
            lifetime_seconds: 3_600,
            basis: Basis::default(),
        };
        self.issue(&request)
    }

    /// The token of a request, signed with the app's key.
    #[must_use]
    pub fn issue(&self, request: &TokenRequest) -> String {
        let token = self
            .state
            .tokens
            .issue(request, self.state.core.chance.as_ref())
            .expect("a token is issued");
        token.expose_secret().to_owned()
    }

    /// A token of staff with these scopes.
    #[must_use]
    pub fn token(&self, scopes: impl IntoIterator<Item = Scope>) -> String {
        self.token_for(
            ViewerKind::Staff(StaffRole::Admin),
            scopes.into_iter().collect(),
        )
    }

    /// A token of staff with every scope.
    #[must_use]
    pub fn admin(&self) -> String {
        self.token(Scope::ALL.iter().copied())
    }

    /// A token of a partner with every scope, so that only visibility stands in its way.
    #[must_use]
    pub fn partner_token(&self, partner: PartnerId) -> String {
        self.token_for(
            ViewerKind::Partner(partner, PartnerRole::Software),
            Scopes::all(),
        )
    }

    /// Asks over HTTP, as a client does.
    pub async fn graphql(&self, token: &str, query: &str, variables: Value) -> Answer {
        let body = json!({ "query": query, "variables": variables });
        self.send(
            self.http
                .post(self.url("/graphql"))
                .bearer_auth(token)
                .json(&body),
        )
        .await
    }

    /// Asks a query without variables that must succeed. One that reads the event log reads everything committed before it: see
    /// [`log_settled`](Self::log_settled).
    #[track_caller]
    pub fn ask<'a>(&'a self, token: &'a str, query: &'a str) -> impl Future<Output = Answer> + 'a {
        let caller = std::panic::Location::caller();
        async move {
            if ["events(", "events {", "auditTrail"]
                .iter()
                .any(|field| query.contains(field))
            {
                self.log_settled().await;
            }
            let answer = self.graphql(token, query, json!({})).await;
            assert!(
                answer.status == 200 && answer.body.get("errors").is_none(),
                "{caller}: {query}\n{answer}"
            );
            answer
        }
    }

    /// Runs a mutation with one `input`; `selection` is the payload's, to which `userErrors` is added.
    pub async fn mutate(
        &self,
        token: &str,
        mutation: &str,
        input: Value,
        selection: &str,
    ) -> Answer {
        let (first, rest) = mutation.split_at(1);
        let kind = format!("{}{rest}Input", first.to_uppercase());
        let query = format!(
            "mutation M($input: {kind}!) {{ {mutation}(input: $input) {{ {selection} userErrors {{ code field message }} }} }}"
        );
        self.graphql(token, &query, json!({ "input": input })).await
    }

    /// Posts bytes as they are.
    pub async fn post_raw(
        &self,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<reqwest::Body>,
    ) -> Answer {
        let request = self.http.post(self.url(path)).body(body);
        self.send(headers.iter().fold(request, |request, (name, value)| {
            request.header(*name, *value)
        }))
        .await
    }

    /// Gets a path.
    pub async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        let request = self.http.get(self.url(path));
        self.send(headers.iter().fold(request, |request, (name, value)| {
            request.header(*name, *value)
        }))
        .await
    }

    /// Sends a request.
    pub async fn send(&self, request: reqwest::RequestBuilder) -> Answer {
        Answer::read(request.send().await.expect("the server answers")).await
    }

    /// Asks a query and says which statements it caused.
    pub async fn counted(&self, token: &str, query: &str) -> (Answer, Vec<String>) {
        // What is remembered of a token or of a document is not what is counted.
        let _ = self.ask(token, query).await;
        let _ = self.shared.statements.take();
        let answer = self.ask(token, query).await;
        (answer, self.shared.statements.take())
    }

    /// Waits until everything committed so far can be read from the event log. On PostgreSQL a transaction that still runs, also one of another
    /// database of the cluster, holds the log back.
    pub async fn log_settled(&self) {
        if !self.database().is_postgres() {
            return;
        }
        let base = self.database().epoch() << 48;
        let held = format!(
            "SELECT COUNT(*) FROM event WHERE position >= {base} + pg_snapshot_xmin(pg_current_snapshot())::text::bigint"
        );
        eventually(
            "the event log settles",
            Duration::from_secs(30),
            async || (self.number(&held).await == 0).then_some(()),
        )
        .await;
    }

    /// Begins a change as an import, which may also bring closed deals. For rows that a test needs and does not test.
    pub async fn change(&self) -> Change {
        let author = Author {
            actor: "tests".to_owned(),
            origin: Origin::Import,
            connection: None,
        };
        Change::begin(self.database(), author)
            .await
            .expect("a change begins")
    }

    /// One number from the database.
    pub async fn number(&self, statement: &str) -> i64 {
        let rows = self.rows(statement).await;
        value(rows.first().expect("one row"), 0)
    }

    /// Rows from the database, past every rule of the product.
    pub async fn rows(&self, statement: &str) -> Vec<QueryResult> {
        let database = self.database();
        let statement = Statement::from_string(database.backend(), statement.to_owned());
        database
            .read()
            .query_all_raw(statement)
            .await
            .expect("the database answers")
    }
}

/// A value of a row, by its place.
fn value<T: TryGetable>(row: &QueryResult, index: usize) -> T {
    row.try_get_by_index(index).expect("a value of this type")
}

impl Drop for TestApp {
    fn drop(&mut self) {
        if self.running.is_some() && !std::thread::panicking() {
            eprintln!(
                "a test dropped its app without `finish`: what it left behind was not looked at"
            );
        }
    }
}

/// The vault of every test app: all of them have one master key.
#[must_use]
pub fn vault(chance: Arc<dyn Chance>) -> Vault {
    let key = MasterKey::generate(&SeededChance::new(1)).0;
    Vault::new(key, Vec::new(), chance)
}

fn config(settings: &[(&'static str, String)]) -> Config {
    let usual = [
        ("ENTENTE_HUBSPOT_CLIENT_ID", CLIENT_ID),
        ("ENTENTE_HUBSPOT_CLIENT_SECRET", CLIENT_SECRET),
        ("ENTENTE_SALESFORCE_CLIENT_ID", CLIENT_ID),
        ("ENTENTE_SALESFORCE_CLIENT_SECRET", CLIENT_SECRET),
        ("ENTENTE_SHOPIFY_CLIENT_ID", CLIENT_ID),
        ("ENTENTE_SHOPIFY_CLIENT_SECRET", CLIENT_SECRET),
        ("ENTENTE_SLACK_CLIENT_ID", CLIENT_ID),
        ("ENTENTE_SLACK_CLIENT_SECRET", CLIENT_SECRET),
        ("ENTENTE_SLACK_SIGNING_SECRET", SIGNING_SECRET),
        ("ENTENTE_HTTP_WORKERS", "2"),
        ("ENTENTE_HTTP_DRAIN_SECONDS", "5"),
        ("ENTENTE_POOL_WORKER_CONNECTIONS", "4"),
    ];
    let usual = usual
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
    let own = settings
        .iter()
        .map(|(name, value)| ((*name).to_owned(), value.clone()));
    let sources = Sources {
        file: None,
        environment: usual.chain(own).collect(),
        flags: Vec::new(),
    };
    Config::load(&sources).expect("the test's settings are settings")
}

/// What may be called, and where the vendors are: the sandboxes, or the proxy that stands before the first of them.
fn outside_of(shared: &Shared) -> (HostPolicy, Endpoints) {
    let mut urls = shared.vendors.urls();
    if urls.is_empty() && shared.reachable.is_empty() {
        return (HostPolicy::public(), Endpoints::default());
    }
    if let (Some(chaos), Some((_, first))) = (&shared.chaos, urls.first_mut()) {
        *first = chaos.url();
    }
    let addresses = urls
        .iter()
        .map(|(_, url)| address_of(url))
        .chain(shared.reachable.iter().copied())
        .collect();
    (HostPolicy::sandbox(addresses), endpoints(&urls))
}

fn address_of(url: &Url) -> SocketAddr {
    let addresses = url
        .socket_addrs(|| None)
        .expect("the sandbox has an address");
    *addresses.first().expect("the sandbox has an address")
}

fn outside(shared: &Shared, config: &Config) -> Outside {
    let apps = config.apps().clone();
    let receivers = HostPolicy::sandbox(shared.receivers.clone());
    if shared.vendors.urls().is_empty() && shared.reachable.is_empty() {
        return Outside::public(apps).with_receivers(receivers);
    }
    let (policy, endpoints) = outside_of(shared);
    Outside::sandbox(policy, endpoints, apps).with_receivers(receivers)
}

/// The same engine with another outgoing client.
fn impatient(core: &Core, policy: HostPolicy, settings: ClientSettings) -> Engine {
    Engine::new(EngineParts {
        database: core.database.clone(),
        registry: core.registry.clone(),
        vault: core.vault.clone(),
        http: Client::new(policy, settings).expect("a client"),
        apps: core.apps.as_ref().clone(),
        settings: *core.engine.settings(),
    })
}

/// Each node has a sequence of its own, else two would make the same ids.
fn chance() -> Arc<dyn Chance> {
    static NODES: AtomicU64 = AtomicU64::new(0);
    Arc::new(SeededChance::new(
        seed().wrapping_add(NODES.fetch_add(1, Ordering::Relaxed)),
    ))
}

/// The process records figures once, however many apps it starts.
fn figures() -> PrometheusHandle {
    static FIGURES: OnceLock<PrometheusHandle> = OnceLock::new();
    FIGURES
        .get_or_init(|| metrics::install().expect("figures can be recorded"))
        .clone()
}
