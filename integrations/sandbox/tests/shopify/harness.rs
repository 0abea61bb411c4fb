//! A shop, a client that went through the consent, and a receiver that records what arrives.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use actix_web::{HttpRequest, HttpResponse, HttpServer, web};
use base64::Engine;
use hmac::{Hmac, KeyInit, Mac};
use sandbox::{App, ShopSource, Shopify, ShopifyLimits, ShopifyOptions};
use serde_json::{Value, json};
use url::Url;

pub const REDIRECT: &str = "http://127.0.0.1:9/connectors/shopify/callback";
pub const SECRET: &str = "hush-hush-hush";
pub const SCOPES: &str =
    "read_orders,write_orders,read_customers,write_customers,read_companies,write_companies";
pub const API: &str = "/admin/api/2026-10/graphql.json";

pub fn options() -> ShopifyOptions {
    ShopifyOptions {
        limits: ShopifyLimits {
            webhook_time_scale: 0.0,
            ..ShopifyLimits::none()
        },
        seed: 7,
        ..ShopifyOptions::new(App {
            app_id: 580_111,
            client_id: "entente-test".to_owned(),
            client_secret: SECRET.to_owned(),
            redirect_uris: vec![REDIRECT.to_owned()],
        })
    }
}

pub fn generated(orders: usize) -> ShopifyOptions {
    ShopifyOptions {
        source: ShopSource::Generated { orders },
        ..options()
    }
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
pub async fn consent(base: &Url, scopes: &str) -> Vec<(String, String)> {
    let mut url = base.join("/admin/oauth/authorize").unwrap();
    url.query_pairs_mut()
        .append_pair("client_id", "entente-test")
        .append_pair("redirect_uri", REDIRECT)
        .append_pair("scope", scopes)
        .append_pair("state", "s-1");
    let answer = http().get(url).send().await.unwrap();
    assert_eq!(answer.status(), 302);
    let target = Url::parse(answer.headers()["location"].to_str().unwrap()).unwrap();
    assert!(target.as_str().starts_with(REDIRECT));
    target.query_pairs().into_owned().collect()
}

pub async fn token(base: &Url, fields: &[(&str, &str)]) -> (u16, String) {
    let mut all = vec![("client_id", "entente-test"), ("client_secret", SECRET)];
    all.extend_from_slice(fields);
    let url = base.join("/admin/oauth/access_token").unwrap();
    let answer = http().post(url).form(&all).send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

pub fn value<'a>(query: &'a [(String, String)], name: &str) -> &'a str {
    &query.iter().find(|(key, _)| key == name).unwrap().1
}

pub struct Client {
    pub http: reqwest::Client,
    pub base: Url,
    pub token: String,
    pub refresh: String,
}

impl Client {
    pub async fn connect(base: Url, scopes: &str) -> Self {
        let query = consent(&base, scopes).await;
        let (status, body) =
            token(&base, &[("code", value(&query, "code")), ("expiring", "1")]).await;
        assert_eq!(status, 200, "{body}");
        let body: Value = serde_json::from_str(&body).unwrap();
        Self {
            http: http(),
            base,
            token: body["access_token"].as_str().unwrap().to_owned(),
            refresh: body["refresh_token"].as_str().unwrap().to_owned(),
        }
    }

    pub async fn post(&self, path: &str, body: Value) -> reqwest::Response {
        self.http
            .post(self.base.join(path).unwrap())
            .header("X-Shopify-Access-Token", &self.token)
            .json(&body)
            .send()
            .await
            .unwrap()
    }

    /// The whole answer to a document.
    pub async fn ask(&self, query: &str, variables: Value) -> Value {
        let answer = self
            .post(API, json!({"query": query, "variables": variables}))
            .await;
        assert_eq!(answer.status(), 200);
        answer.json().await.unwrap()
    }

    /// The data of a document that must succeed.
    pub async fn data(&self, query: &str, variables: Value) -> Value {
        let answer = self.ask(query, variables).await;
        assert!(answer.get("errors").is_none(), "{answer}");
        answer["data"].clone()
    }

    /// The code of the first error.
    pub async fn code(&self, query: &str) -> String {
        let answer = self.ask(query, json!({})).await;
        answer["errors"][0]["extensions"]["code"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }
}

pub async fn started(options: ShopifyOptions) -> (Shopify, Client) {
    let shop = Shopify::start(options).await.unwrap();
    let client = Client::connect(shop.url(), SCOPES).await;
    (shop, client)
}

pub fn signature(secret: &str, body: &[u8]) -> String {
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(body);
    base64::engine::general_purpose::STANDARD.encode(mac.finalize().into_bytes())
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

    pub fn topic(&self) -> &str {
        self.header("X-Shopify-Topic")
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

#[derive(Default)]
struct Inbox {
    arrived: Mutex<Vec<Arrived>>,
    refuse: AtomicUsize,
}

pub struct Receiver {
    inbox: Arc<Inbox>,
    pub url: Url,
    handle: actix_web::dev::ServerHandle,
}

impl Receiver {
    pub fn start() -> Self {
        let inbox = Arc::new(Inbox::default());
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
            url: Url::parse(&format!("http://{address}/webhooks/shopify")).unwrap(),
            handle,
        }
    }

    /// Refuses the next requests.
    pub fn refuse(&self, times: usize) {
        self.inbox.refuse.store(times, Ordering::SeqCst);
    }

    pub fn arrived(&self) -> Vec<Arrived> {
        self.inbox.arrived.lock().unwrap().clone()
    }

    pub fn of(&self, topic: &str) -> Vec<Arrived> {
        self.arrived()
            .into_iter()
            .filter(|one| one.topic() == topic)
            .collect()
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
        return HttpResponse::ServiceUnavailable().finish();
    }
    HttpResponse::Ok().finish()
}

/// Subscribes an address to a topic over the API.
pub async fn subscribe(client: &Client, topic: &str, uri: &Url, more: Value) -> Value {
    let mut input = json!({"uri": uri});
    input
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().cloned().unwrap_or_default());
    let query = "mutation($topic: WebhookSubscriptionTopic!, $input: WebhookSubscriptionInput!) {
        webhookSubscriptionCreate(topic: $topic, webhookSubscription: $input) {
            webhookSubscription { id topic uri }
            userErrors { field message }
        }
    }";
    let data = client
        .data(query, json!({"topic": topic, "input": input}))
        .await;
    data["webhookSubscriptionCreate"].clone()
}
