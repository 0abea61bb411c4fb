//! An org, a client that went through the consent, and a receiver that records what arrives.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix_web::{HttpResponse, HttpServer, web};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sandbox::{
    App, Faults, Salesforce, SalesforceFeatures, SalesforceLimits, SalesforceOptions,
    SalesforceSource,
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use url::Url;

pub const REDIRECT: &str = "http://127.0.0.1:9/connectors/salesforce/callback";
pub const SECRET: &str = "D7F0000000000000000000000000000000000000000000000000000000000ABC";
pub const CLIENT_ID: &str = "3MVG9entente-test";
pub const VERIFIER: &str = "dBjftJeZ4CVP-mBH92IGqgTJiNVYlVkNxTJ0gU9qYWs0123456789";
pub const DATA: &str = "/services/data/v68.0";

pub fn options(source: SalesforceSource) -> SalesforceOptions {
    SalesforceOptions {
        listen: "127.0.0.1:0".parse().unwrap(),
        state: None,
        source,
        features: SalesforceFeatures::default(),
        app: App {
            app_id: 77,
            client_id: CLIENT_ID.to_owned(),
            client_secret: SECRET.to_owned(),
            redirect_uris: vec![REDIRECT.to_owned()],
        },
        webhook_target: None,
        limits: SalesforceLimits {
            message_time_scale: 0.0,
            message_gather: Duration::from_millis(5),
            ..SalesforceLimits::none()
        },
        faults: Faults::default(),
        seed: 7,
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

pub fn challenge() -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(VERIFIER.as_bytes()))
}

/// The address of the consent page, with what a test changes about it.
pub fn consent_url(base: &Url, changes: &[(&str, Option<&str>)]) -> Url {
    let challenge = challenge();
    let mut parameters = vec![
        ("response_type", "code"),
        ("client_id", CLIENT_ID),
        ("redirect_uri", REDIRECT),
        ("scope", "api refresh_token"),
        ("state", "s-1"),
        ("code_challenge", challenge.as_str()),
        ("code_challenge_method", "S256"),
    ];
    for (name, value) in changes {
        parameters.retain(|(known, _)| known != name);
        if let Some(value) = value {
            parameters.push((name, value));
        }
    }
    let mut url = base.join("/services/oauth2/authorize").unwrap();
    url.query_pairs_mut().extend_pairs(parameters);
    url
}

/// Where the consent page sends the browser: the parameters of the callback.
pub async fn consent(base: &Url, changes: &[(&str, Option<&str>)]) -> Vec<(String, String)> {
    let answer = http().get(consent_url(base, changes)).send().await.unwrap();
    assert_eq!(answer.status(), 302);
    let target = Url::parse(answer.headers()["location"].to_str().unwrap()).unwrap();
    assert!(target.as_str().starts_with(REDIRECT));
    target.query_pairs().into_owned().collect()
}

pub fn parameter<'a>(query: &'a [(String, String)], name: &str) -> &'a str {
    query
        .iter()
        .find(|(known, _)| known == name)
        .map_or("", |(_, value)| value)
}

pub async fn form(base: &Url, path: &str, form: &[(&str, &str)]) -> (u16, Value) {
    let url = base.join(path).unwrap();
    let answer = http().post(url).form(form).send().await.unwrap();
    let status = answer.status().as_u16();
    let text = answer.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or(Value::Null))
}

pub async fn token(base: &Url, more: &[(&str, &str)]) -> (u16, Value) {
    let mut all = vec![("client_id", CLIENT_ID), ("client_secret", SECRET)];
    all.extend_from_slice(more);
    form(base, "/services/oauth2/token", &all).await
}

pub async fn redeem(base: &Url, code: &str) -> (u16, Value) {
    let parameters = [
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", REDIRECT),
        ("code_verifier", VERIFIER),
    ];
    token(base, &parameters).await
}

pub async fn refresh(base: &Url, token_text: &str) -> (u16, Value) {
    token(
        base,
        &[
            ("grant_type", "refresh_token"),
            ("refresh_token", token_text),
        ],
    )
    .await
}

pub struct Client {
    pub http: reqwest::Client,
    pub base: Url,
    pub token: String,
    pub refresh: String,
}

impl Client {
    pub async fn connect(base: Url) -> Self {
        let query = consent(&base, &[]).await;
        let (status, body) = redeem(&base, parameter(&query, "code")).await;
        assert_eq!(status, 200, "{body}");
        Self {
            http: http(),
            base,
            token: body["access_token"].as_str().unwrap().to_owned(),
            refresh: body["refresh_token"].as_str().unwrap().to_owned(),
        }
    }

    pub fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        let url = self.base.join(path).unwrap();
        self.http
            .request(method.parse().unwrap(), url)
            .bearer_auth(&self.token)
    }

    pub async fn send(&self, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
        let mut request = self.request(method, path);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        let bytes = answer.bytes().await.unwrap();
        (
            status,
            serde_json::from_slice(&bytes).unwrap_or(Value::Null),
        )
    }

    pub async fn get(&self, path: &str) -> Value {
        let (status, body) = self.send("GET", path, None).await;
        assert_eq!(status, 200, "{path}: {body}");
        body
    }

    /// Asks in the query language; the answer whatever it is.
    pub async fn ask(&self, resource: &str, soql: &str) -> (u16, Value) {
        let mut url = self.base.join(&format!("{DATA}/{resource}")).unwrap();
        url.query_pairs_mut().append_pair("q", soql);
        self.send("GET", url.as_str(), None).await
    }

    pub async fn query(&self, soql: &str) -> Vec<Value> {
        let (status, body) = self.ask("query", soql).await;
        assert_eq!(status, 200, "{soql}: {body}");
        body["records"].as_array().unwrap().clone()
    }

    /// One column of a query.
    pub async fn column(&self, soql: &str, field: &str) -> Vec<String> {
        let rows = self.query(soql).await;
        rows.iter()
            .map(|row| {
                row[field]
                    .as_str()
                    .map_or_else(|| row[field].to_string(), str::to_owned)
            })
            .collect()
    }

    /// The code of the error a query is refused with.
    pub async fn query_error(&self, soql: &str) -> (u16, String, String) {
        let (status, body) = self.ask("query", soql).await;
        let text = |name: &str| body[0][name].as_str().unwrap_or_default().to_owned();
        (status, text("errorCode"), text("message"))
    }

    /// Creates a record over the API.
    pub async fn create(&self, object: &str, fields: Value) -> String {
        let path = format!("{DATA}/sobjects/{object}");
        let (status, body) = self.send("POST", &path, Some(fields)).await;
        assert_eq!(status, 201, "{body}");
        body["id"].as_str().unwrap().to_owned()
    }
}

pub async fn started(options: SalesforceOptions) -> (Salesforce, Client) {
    let salesforce = Salesforce::start(options).await.unwrap();
    let client = Client::connect(salesforce.url()).await;
    (salesforce, client)
}

pub async fn empty() -> (Salesforce, Client) {
    started(options(SalesforceSource::Empty)).await
}

pub async fn with(features: SalesforceFeatures) -> (Salesforce, Client) {
    started(SalesforceOptions {
        features,
        ..options(SalesforceSource::Empty)
    })
    .await
}

/// An account and an opportunity of it.
pub fn opportunity(salesforce: &Salesforce, name: &str) -> (String, String) {
    let store = salesforce.store();
    let account = store
        .create("Account", json!({"Name": "Customer"}))
        .unwrap();
    let fields = json!({
        "Name": name, "StageName": "Prospecting", "CloseDate": "2026-12-24", "AccountId": account,
    });
    let opportunity = store.create("Opportunity", fields).unwrap();
    (account, opportunity)
}

const ACK: &str = "<soapenv:Envelope xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\"><soapenv:Body>\
    <notificationsResponse xmlns=\"http://soap.sforce.com/2005/09/outbound\"><Ack>true</Ack></notificationsResponse>\
    </soapenv:Body></soapenv:Envelope>";

#[derive(Default)]
struct Inbox {
    arrived: Mutex<Vec<String>>,
    nacks: AtomicUsize,
}

/// Takes messages; the first ones may be answered with a false Ack.
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
            url: Url::parse(&format!("http://{address}/webhooks/salesforce/secret-part")).unwrap(),
            handle,
        }
    }

    /// The next messages are answered with `Ack` false, status 200.
    pub fn refuse(&self, times: usize) {
        self.inbox.nacks.store(times, Ordering::SeqCst);
    }

    pub fn arrived(&self) -> Vec<String> {
        self.inbox.arrived.lock().unwrap().clone()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        drop(self.handle.stop(false));
    }
}

async fn receive(
    inbox: web::Data<Inbox>,
    request: actix_web::HttpRequest,
    body: String,
) -> HttpResponse {
    assert_eq!(request.path(), "/webhooks/salesforce/secret-part");
    let content_type = request.headers().get("content-type").unwrap();
    assert_eq!(content_type, "text/xml; charset=utf-8");
    inbox.arrived.lock().unwrap().push(body);
    let left = inbox
        .nacks
        .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1));
    let answer = if left.is_ok() {
        ACK.replace("true", "false")
    } else {
        ACK.to_owned()
    };
    HttpResponse::Ok().content_type("text/xml").body(answer)
}

/// What stands between two tags, for each time they stand there.
pub fn between<'a>(text: &'a str, tag: &str) -> Vec<&'a str> {
    let (open, close) = (format!("<{tag}>"), format!("</{tag}>"));
    text.split(&open)
        .skip(1)
        .map(|rest| rest.split(&close).next().unwrap())
        .collect()
}

/// The shared folder with published payloads, when this machine has it.
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
