//! A team, a client that went through the consent, and a receiver that records what arrives and answers as told.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use actix_web::{HttpRequest, HttpResponse, HttpServer, web};
use hmac::{Hmac, KeyInit, Mac};
use sandbox::{App, Faults, Slack, SlackLimits, SlackOptions};
use serde_json::{Value, json};
use sha2::Sha256;
use url::Url;

pub const REDIRECT: &str = "http://127.0.0.1:9/connectors/slack/callback";
pub const CLIENT: &str = "entente-test";
pub const SECRET: &str = "not-the-signing-secret";
pub const SIGNING: &str = "8f742231b10e8888abcd99yyyzzz85a5";
pub const SCOPES: &str = "chat:write,chat:write.public,channels:read,channels:join,channels:history,groups:read,\
    groups:history,team:read,users:read,users:read.email";

pub fn options() -> SlackOptions {
    SlackOptions {
        listen: "127.0.0.1:0".parse().unwrap(),
        state: None,
        more_channels: 0,
        app: App {
            app_id: 1_160_452,
            client_id: CLIENT.to_owned(),
            client_secret: SECRET.to_owned(),
            redirect_uris: vec![REDIRECT.to_owned()],
        },
        signing_secret: SIGNING.to_owned(),
        webhook_target: None,
        events: SlackOptions::usual_events(),
        limits: SlackLimits {
            webhook_time_scale: 0.0,
            ..SlackLimits::none()
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

/// Goes to the consent page and returns the query of where it sends the browser.
pub async fn consent(base: &Url, scopes: &str, extra: &[(&str, &str)]) -> Vec<(String, String)> {
    let mut url = base.join("/oauth/v2/authorize").unwrap();
    url.query_pairs_mut()
        .append_pair("client_id", CLIENT)
        .append_pair("redirect_uri", REDIRECT)
        .append_pair("scope", scopes)
        .append_pair("state", "s-1")
        .extend_pairs(extra);
    let answer = http().get(url).send().await.unwrap();
    assert_eq!(answer.status(), 302);
    let target = Url::parse(answer.headers()["location"].to_str().unwrap()).unwrap();
    assert!(target.as_str().starts_with(REDIRECT));
    target.query_pairs().into_owned().collect()
}

pub fn of<'a>(query: &'a [(String, String)], name: &str) -> Option<&'a str> {
    query
        .iter()
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.as_str())
}

/// Calls the token endpoint; every answer of it has status 200.
pub async fn access(base: &Url, form: &[(&str, &str)]) -> Value {
    let url = base.join("/api/oauth.v2.access").unwrap();
    let request = http().post(url).basic_auth(CLIENT, Some(SECRET)).form(form);
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), 200);
    answer.json().await.unwrap()
}

pub async fn redeem(base: &Url, scopes: &str) -> Value {
    let query = consent(base, scopes, &[]).await;
    let code = of(&query, "code").unwrap();
    access(base, &[("code", code), ("redirect_uri", REDIRECT)]).await
}

pub struct Client {
    pub base: Url,
    pub token: String,
    pub refresh: Option<String>,
}

impl Client {
    pub async fn connect(base: Url, scopes: &str) -> Self {
        let body = redeem(&base, scopes).await;
        assert_eq!(body["ok"], true, "{body}");
        Self {
            base,
            token: body["access_token"].as_str().unwrap().to_owned(),
            refresh: body["refresh_token"].as_str().map(str::to_owned),
        }
    }

    pub async fn send(&self, method: &str, body: Value) -> (u16, Value) {
        let url = self.base.join(&format!("/api/{method}")).unwrap();
        let request = http().post(url).bearer_auth(&self.token).json(&body);
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        (status, answer.json().await.unwrap_or(Value::Null))
    }

    pub async fn call(&self, method: &str, body: Value) -> Value {
        let (status, body) = self.send(method, body).await;
        assert_eq!(status, 200, "{method}: {body}");
        body
    }

    /// A call that is done.
    pub async fn ok(&self, method: &str, body: Value) -> Value {
        let body = self.call(method, body).await;
        assert_eq!(body["ok"], true, "{method}: {body}");
        body
    }

    /// A call that is refused; answers the vendor's word.
    pub async fn refused(&self, method: &str, body: Value) -> String {
        let body = self.call(method, body).await;
        assert_eq!(body["ok"], false, "{method}: {body}");
        body["error"].as_str().unwrap().to_owned()
    }

    pub async fn post(&self, channel: &str, text: &str) -> String {
        let body = json!({"channel": channel, "text": text});
        let posted = self.ok("chat.postMessage", body).await;
        posted["ts"].as_str().unwrap().to_owned()
    }
}

pub async fn started(options: SlackOptions) -> (Slack, Client) {
    let slack = Slack::start(options).await.unwrap();
    let client = Client::connect(slack.url(), SCOPES).await;
    (slack, client)
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

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The payload of a form.
    pub fn payload(&self) -> Value {
        let (_, payload) = url::form_urlencoded::parse(&self.body)
            .find(|(name, _)| name == "payload")
            .unwrap();
        serde_json::from_str(&payload).unwrap()
    }

    /// Whether it was signed with the signing secret, computed here and not by the sandbox.
    pub fn is_signed(&self) -> bool {
        let mut mac = Hmac::<Sha256>::new_from_slice(SIGNING.as_bytes()).unwrap();
        let stamp = self.header("x-slack-request-timestamp");
        mac.update(format!("v0:{stamp}:").as_bytes());
        mac.update(&self.body);
        let expected = format!("v0={}", hex::encode(mac.finalize().into_bytes()));
        self.header("x-slack-signature") == expected
    }
}

/// An answer to give: status, a header, a body. Challenges are repeated unless `repeat` is off.
#[derive(Debug, Clone, Default)]
pub struct Reply {
    pub status: u16,
    pub header: Option<(&'static str, &'static str)>,
}

#[derive(Default)]
struct Inbox {
    arrived: Mutex<Vec<Arrived>>,
    replies: Mutex<VecDeque<Reply>>,
    wrong_challenge: Mutex<bool>,
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
            url: Url::parse(&format!("http://{address}/hooks/slack")).unwrap(),
            handle,
        }
    }

    /// The next requests that are no challenges are answered so; then 200.
    pub fn reply(&self, replies: &[(u16, Option<(&'static str, &'static str)>)]) {
        let mut queue = self.inbox.replies.lock().unwrap();
        queue.extend(
            replies
                .iter()
                .map(|&(status, header)| Reply { status, header }),
        );
    }

    pub fn mistake_challenges(&self) {
        *self.inbox.wrong_challenge.lock().unwrap() = true;
    }

    pub fn arrived(&self) -> Vec<Arrived> {
        self.inbox.arrived.lock().unwrap().clone()
    }

    /// What arrived besides challenges.
    pub fn events(&self) -> Vec<Arrived> {
        let mut arrived = self.arrived();
        arrived.retain(|one| {
            serde_json::from_slice::<Value>(&one.body)
                .map_or(true, |body| body["type"] != "url_verification")
        });
        arrived
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
    let value: Value = serde_json::from_slice(&body).unwrap_or_default();
    if value["type"] == "url_verification" {
        let wrong = *inbox.wrong_challenge.lock().unwrap();
        let challenge = if wrong {
            "no"
        } else {
            value["challenge"].as_str().unwrap()
        };
        return HttpResponse::Ok()
            .content_type("text/plain")
            .body(challenge.to_owned());
    }
    let Some(reply) = inbox.replies.lock().unwrap().pop_front() else {
        return HttpResponse::Ok().finish();
    };
    let mut answer = HttpResponse::build(reply.status.try_into().unwrap());
    if let Some(header) = reply.header {
        answer.insert_header(header);
    }
    answer.finish()
}

/// The shared folder with published inputs, when this machine has it.
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
