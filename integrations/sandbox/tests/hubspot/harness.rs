//! A portal, a client that went through the consent, and a receiver that records what arrives.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix_web::{HttpRequest, HttpResponse, HttpServer, web};
use sandbox::{App, Faults, HubSpot, HubSpotOptions, Limits, Source};
use serde_json::{Value, json};
use url::Url;

pub const REDIRECT: &str = "http://127.0.0.1:9/connectors/hubspot/callback";
pub const SECRET: &str = "yyyyyyyy-yyyy-yyyy-yyyy-yyyyyyyyyyyy";
pub const SCOPES: &str = "oauth crm.objects.companies.read crm.objects.companies.write crm.objects.contacts.read \
    crm.objects.contacts.write crm.objects.deals.read crm.objects.deals.write crm.objects.owners.read \
    crm.schemas.deals.write";

pub fn options(source: Source) -> HubSpotOptions {
    HubSpotOptions {
        listen: "127.0.0.1:0".parse().unwrap(),
        state: None,
        source,
        app: App {
            app_id: 1_160_452,
            client_id: "entente-test".to_owned(),
            client_secret: SECRET.to_owned(),
            redirect_uris: vec![REDIRECT.to_owned()],
        },
        webhook_target: None,
        limits: Limits {
            webhook_time_scale: 0.0,
            webhook_gather: Duration::from_millis(5),
            ..Limits::none()
        },
        faults: Faults::default(),
        seed: 7,
    }
}

pub struct Client {
    pub http: reqwest::Client,
    pub base: Url,
    pub token: String,
    pub refresh: String,
}

pub fn http() -> reqwest::Client {
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .pool_max_idle_per_host(0)
        .build()
        .unwrap()
}

/// Goes to the consent page and returns the query of where it sends the browser.
pub async fn consent(base: &Url, extra: &[(&str, &str)]) -> Vec<(String, String)> {
    let mut url = base.join("/oauth/authorize").unwrap();
    url.query_pairs_mut()
        .append_pair("client_id", "entente-test")
        .append_pair("redirect_uri", REDIRECT)
        .append_pair("scope", SCOPES)
        .append_pair("state", "s-1")
        .extend_pairs(extra);
    let answer = http().get(url).send().await.unwrap();
    assert_eq!(answer.status(), 302);
    let target = Url::parse(answer.headers()["location"].to_str().unwrap()).unwrap();
    assert!(target.as_str().starts_with(REDIRECT));
    target.query_pairs().into_owned().collect()
}

pub async fn token(base: &Url, form: &[(&str, &str)]) -> (u16, Value) {
    let mut all = vec![("client_id", "entente-test"), ("client_secret", SECRET)];
    all.extend_from_slice(form);
    let url = base.join("/oauth/2026-09/token").unwrap();
    let answer = http().post(url).form(&all).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

impl Client {
    pub async fn connect(base: Url) -> Self {
        let query = consent(&base, &[]).await;
        let code = &query.iter().find(|(key, _)| key == "code").unwrap().1;
        let (status, body) = token(
            &base,
            &[
                ("grant_type", "authorization_code"),
                ("code", code),
                ("redirect_uri", REDIRECT),
            ],
        )
        .await;
        assert_eq!(status, 200, "{body}");
        Self {
            http: http(),
            base,
            token: body["access_token"].as_str().unwrap().to_owned(),
            refresh: body["refresh_token"].as_str().unwrap().to_owned(),
        }
    }

    pub async fn send(&self, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
        let url = self.base.join(path).unwrap();
        let mut request = self
            .http
            .request(method.parse().unwrap(), url)
            .bearer_auth(&self.token);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        let bytes = answer.bytes().await.unwrap();
        let value = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        (status, value)
    }

    pub async fn get(&self, path: &str) -> Value {
        let (status, body) = self.send("GET", path, None).await;
        assert_eq!(status, 200, "{path}: {body}");
        body
    }

    pub async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        self.send("POST", path, Some(body)).await
    }

    pub async fn search(&self, kind: &str, body: Value) -> Value {
        let (status, body) = self
            .post(&format!("/crm/objects/2026-09/{kind}/search"), body)
            .await;
        assert_eq!(status, 200, "{body}");
        body
    }
}

pub async fn started(options: HubSpotOptions) -> (HubSpot, Client) {
    let hubspot = HubSpot::start(options).await.unwrap();
    let client = Client::connect(hubspot.url()).await;
    (hubspot, client)
}

pub async fn empty() -> (HubSpot, Client) {
    started(options(Source::Empty)).await
}

pub fn ids(page: &Value) -> Vec<u64> {
    page["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["id"].as_str().unwrap().parse().unwrap())
        .collect()
}

/// A request that arrived.
#[derive(Debug, Clone)]
pub struct Arrived {
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Arrived {
    pub fn header(&self, name: &str) -> &str {
        self.headers
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map_or("", |(_, value)| value)
    }

    pub fn events(&self) -> Vec<Value> {
        serde_json::from_slice(&self.body).unwrap()
    }
}

#[derive(Default)]
struct Inbox {
    arrived: Mutex<Vec<Arrived>>,
    refuse: AtomicUsize,
    with: AtomicU16,
}

pub struct Receiver {
    inbox: Arc<Inbox>,
    pub url: Url,
    handle: actix_web::dev::ServerHandle,
}

impl Receiver {
    pub fn start() -> Self {
        let inbox = Arc::new(Inbox::default());
        inbox.with.store(503, Ordering::SeqCst);
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let data = web::Data::from(Arc::clone(&inbox));
        let server = HttpServer::new(move || {
            actix_web::App::new()
                .app_data(data.clone())
                .default_service(web::to(receive))
        })
        .workers(1)
        .disable_signals()
        .listen(listener)
        .unwrap()
        .run();
        let handle = server.handle();
        tokio::spawn(server);
        Self {
            inbox,
            url: Url::parse(&format!("http://{address}/webhooks/hubspot?x=a%2Cb")).unwrap(),
            handle,
        }
    }

    pub fn refuse(&self, times: usize, with: u16) {
        self.inbox.with.store(with, Ordering::SeqCst);
        self.inbox.refuse.store(times, Ordering::SeqCst);
    }

    pub fn arrived(&self) -> Vec<Arrived> {
        self.inbox.arrived.lock().unwrap().clone()
    }

    pub fn events(&self) -> Vec<Value> {
        self.arrived().iter().flat_map(Arrived::events).collect()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        drop(self.handle.stop(false));
    }
}

async fn receive(inbox: web::Data<Inbox>, request: HttpRequest, body: web::Bytes) -> HttpResponse {
    let headers = request
        .headers()
        .iter()
        .map(|(k, v)| (k.to_string(), v.to_str().unwrap_or_default().to_owned()))
        .collect();
    inbox.arrived.lock().unwrap().push(Arrived {
        headers,
        body: body.to_vec(),
    });
    let left = inbox
        .refuse
        .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1));
    if left.is_ok() {
        let status = inbox.with.load(Ordering::SeqCst);
        return HttpResponse::build(status.try_into().unwrap()).finish();
    }
    HttpResponse::NoContent().json(json!(null))
}

/// The shared folder with real inputs, when this machine has it.
pub fn shared(path: &str) -> Option<PathBuf> {
    let found = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .map(|folder| folder.join("shared").join(path))
        .find(|path| path.exists());
    if found.is_none() {
        eprintln!("SKIPPED: {path} is not there, so this part was not tested");
    }
    found
}
