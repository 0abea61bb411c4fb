//! The connector against the sandbox, which shares no wire type with it: what it says it did is what is there, and what the sandbox sends it
//! understands.

use entities::chance::SeededChance;
use entities::clock::{ManualClock, Timestamp};
use integrations::connector::{
    Account, AccountSignalKind, Authenticate, ButtonStyle, ChatButton, ChatMessage, Connector,
    ConnectorError, Context, Delivery, InboundRequest, Notify, Signals, Verdict, Webhooks,
};
use integrations::http::{Client, ClientSettings, HostPolicy, Session};
use integrations::notify::CANNOT_LOOK;
use integrations::oauth::{AppCredentials, AuthorizeRequest, Exchange, TokenSet};
use integrations::slack::{Slack, SlackEndpoints};
use sandbox::slack::{error_after, error_before};
use sandbox::{App, Effect, Fault, Faults, SlackLimits, SlackOptions};
use secrecy::SecretString;
use std::sync::{Arc, Mutex};
use tests::{CLIENT_ID, CLIENT_SECRET};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use url::Url;

const REDIRECT: &str = "http://127.0.0.1:9/callback";
const SIGNING: &str = "8f742231b10e8888abcd99yyyzzz85a5";
const POST: &str = "/api/chat.postMessage";
/// A name as bad as a name can be.
const HOSTILE: &str = "<!channel> <!here|x> <@U012AB3CD> @everyone & <https://evil.example|Sons>";

struct Rig {
    team: sandbox::Slack,
    connector: Slack,
    client: Client,
    clock: ManualClock,
    account: Account,
}

impl Rig {
    async fn new(limits: SlackLimits, webhook_target: Option<Url>) -> Self {
        let team = sandbox::Slack::start(SlackOptions {
            listen: "127.0.0.1:0".parse().unwrap(),
            state: None,
            more_channels: 3,
            app: App {
                app_id: 1_160_452,
                client_id: CLIENT_ID.to_owned(),
                client_secret: CLIENT_SECRET.to_owned(),
                redirect_uris: vec![REDIRECT.to_owned()],
            },
            signing_secret: SIGNING.to_owned(),
            webhook_target,
            events: SlackOptions::usual_events(),
            limits,
            faults: Faults::default(),
            seed: 7,
        })
        .await
        .unwrap();
        let address = team.url().socket_addrs(|| None).unwrap().remove(0);
        let policy = HostPolicy::sandbox(vec![address]);
        let client = Client::new(policy, ClientSettings::default()).unwrap();
        let account = Account {
            tenant_id: team.tenant(),
            name: None,
            currency: None,
            time_zone: None,
            ui_domain: None,
        };
        Self {
            connector: Slack::new(SlackEndpoints::at(team.url())),
            clock: ManualClock::at(Timestamp::from_millis(team.clock().now_ms())),
            team,
            client,
            account,
        }
    }

    /// A person consents, and the code becomes tokens.
    async fn connect(&self) -> TokenSet {
        let redirect = Url::parse(REDIRECT).unwrap();
        let request = AuthorizeRequest::new(redirect.clone(), None, &SeededChance::new(3));
        let page = self.connector.authorize_url(&app(), &request).unwrap();
        let browser = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .tls_certs_only([])
            .build()
            .unwrap();
        let answer = browser.get(page).send().await.unwrap();
        let back = Url::parse(answer.headers()["location"].to_str().unwrap()).unwrap();
        let (_, code) = back.query_pairs().find(|(name, _)| name == "code").unwrap();
        let exchange = Exchange {
            code: code.into_owned().into(),
            redirect_uri: redirect,
            site: None,
            pkce_verifier: request.pkce_verifier,
        };
        let now = self.team.clock().now_ms();
        self.connector
            .exchange(&self.client, &app(), &exchange, now)
            .await
            .unwrap()
    }

    fn session(&self, tokens: &TokenSet) -> Session {
        self.client
            .session(&self.connector, &self.account.tenant_id, tokens)
            .unwrap()
            .doing(integrations::http::Work::Interactive)
    }

    fn context<'a>(&'a self, session: &'a Session) -> Context<'a> {
        Context {
            http: session,
            tenant_id: &self.account.tenant_id,
            account: Some(&self.account),
            site: None,
            api: None,
            clock: &self.clock,
        }
    }

    fn message(&self, reference: &str) -> ChatMessage {
        let button = |label: &str, action: &str, style| ChatButton {
            label: label.to_owned(),
            action: action.to_owned(),
            value: "deal_01kaxyz".to_owned(),
            style,
        };
        ChatMessage {
            channel: self.team.channel_id("deals").unwrap(),
            reference: reference.to_owned(),
            heading: format!("Deal won: {HOSTILE}"),
            text: None,
            facts: vec![
                ("Partner".to_owned(), HOSTILE.to_owned()),
                (HOSTILE.to_owned(), "1.500,00 EUR".to_owned()),
            ],
            link: Some((
                HOSTILE.to_owned(),
                "https://entente.example.com/deals/1?a=1|2".parse().unwrap(),
            )),
            note: Some(HOSTILE.to_owned()),
            buttons: vec![
                button("Confirm", "deal.confirm", ButtonStyle::Primary),
                button("Dispute", "deal.dispute", ButtonStyle::Danger),
            ],
        }
    }
}

fn app() -> AppCredentials {
    AppCredentials {
        signing_secret: Some(SIGNING.into()),
        ..AppCredentials::new(CLIENT_ID, CLIENT_SECRET.to_owned())
    }
}

/// Requests as they arrived: headers and body.
type Arrived = (Vec<(String, String)>, Vec<u8>);

/// A door that answers as the connector tells it to, and keeps what it let in.
async fn door() -> (Url, Arc<Mutex<Vec<Arrived>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = Url::parse(&format!(
        "http://{}/hooks/slack",
        listener.local_addr().unwrap()
    ))
    .unwrap();
    let kept = Arc::new(Mutex::new(Vec::new()));
    let (log, address) = (Arc::clone(&kept), url.clone());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut bytes = Vec::new();
            let (head, body) = loop {
                let mut piece = [0_u8; 4096];
                let read = stream.read(&mut piece).await.unwrap();
                bytes.extend_from_slice(&piece[..read]);
                let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
                    continue;
                };
                let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
                let length = head
                    .lines()
                    .filter_map(|line| line.split_once(": "))
                    .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
                    .map_or(0, |(_, value)| value.parse().unwrap());
                if bytes.len() >= end + 4 + length {
                    break (head, bytes[end + 4..].to_vec());
                }
            };
            let headers: Vec<(String, String)> = head
                .lines()
                .filter_map(|line| line.split_once(": "))
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect();
            let (status, text) = match judged(&address, &headers, &body) {
                Verdict::Accepted { .. } => {
                    log.lock().unwrap().push((headers, body));
                    (200, String::new())
                }
                Verdict::Challenge(answer) => (answer.status, answer.body),
                Verdict::Rejected(_) => (401, String::new()),
            };
            let answer = format!(
                "HTTP/1.1 {status} X\r\ncontent-type: text/plain\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{text}",
                text.len()
            );
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    (url, kept)
}

fn judged(url: &Url, headers: &[(String, String)], body: &[u8]) -> Verdict {
    let request = InboundRequest {
        method: "POST",
        public_url: url.as_str(),
        headers,
        body,
        tenant_id: None,
    };
    let now = chrono::Utc::now().timestamp_millis();
    connector().verify(&[SecretString::from(SIGNING)], &request, now)
}

fn connector() -> Slack {
    Slack::new(SlackEndpoints::default())
}

fn said(kept: &Mutex<Vec<Arrived>>) -> Vec<Signals> {
    let kept = kept.lock().unwrap();
    kept.iter()
        .map(|(_, body)| connector().parse(&Delivery::of(body)).unwrap())
        .collect()
}

#[tokio::test]
async fn a_team_is_connected_and_its_rotating_tokens_are_renewed_and_taken_back() {
    let limits = SlackLimits {
        rotate_tokens: true,
        ..SlackLimits::none()
    };
    let rig = Rig::new(limits, None).await;
    let tokens = rig.connect().await;
    assert_eq!(tokens.tenant_id, Some(rig.team.tenant()));
    assert!(tokens.expires_at_ms.is_some() && tokens.refresh_token.is_some());
    let descriptor = rig.connector.descriptor();
    assert!(
        tokens
            .missing_scopes(&descriptor.required_scopes)
            .is_empty()
    );
    assert!(
        tokens
            .missing_scopes(&descriptor.optional_scopes)
            .is_empty()
    );
    let session = rig.session(&tokens);
    let account = rig.connector.account(&rig.context(&session)).await.unwrap();
    assert_eq!(
        (account.tenant_id, account.name.as_deref()),
        (rig.team.tenant(), Some("Sandbox Team"))
    );

    rig.team.expire_tokens().unwrap();
    let error = rig
        .connector
        .account(&rig.context(&session))
        .await
        .unwrap_err();
    assert_eq!(error.code(), "TOKEN_REFUSED");
    let now = rig.team.clock().now_ms();
    let renewed = rig
        .connector
        .refresh(&rig.client, &app(), &tokens, now)
        .await
        .unwrap();
    let session = rig.session(&renewed);
    rig.connector.account(&rig.context(&session)).await.unwrap();
    // The spent refresh token is good for nothing.
    let error = rig
        .connector
        .refresh(&rig.client, &app(), &tokens, now)
        .await
        .unwrap_err();
    assert_eq!(error.code(), "REAUTH_REQUIRED");

    rig.connector
        .revoke(&rig.client, &app(), &renewed)
        .await
        .unwrap();
    rig.connector
        .revoke(&rig.client, &app(), &renewed)
        .await
        .unwrap();
    assert!(rig.connector.account(&rig.context(&session)).await.is_err());
}

#[tokio::test]
async fn a_message_is_there_as_it_was_meant_and_pings_nobody() {
    let rig = Rig::new(SlackLimits::none(), None).await;
    let session = rig.session(&rig.connect().await);
    let ctx = rig.context(&session);
    let message = rig.message("message_1");
    let posted = rig.connector.post(&ctx, &message).await.unwrap();
    let kept = rig.team.messages("deals");
    assert_eq!((kept.len(), &kept[0].ts), (1, &posted.external_id));
    assert!(
        kept[0].shown().contains(&HOSTILE),
        "names are shown as they are"
    );
    let done = ChatMessage {
        heading: format!("Confirmed by {HOSTILE}"),
        buttons: Vec::new(),
        ..message
    };
    rig.connector.update(&ctx, &posted, &done).await.unwrap();
    let kept = rig.team.messages("deals");
    assert!(kept.len() == 1 && kept[0].text.starts_with("Confirmed by &lt;!channel&gt;"));
    assert!(!kept[0].shown().contains(&"Confirm"));
    assert_eq!(rig.team.pings(), []);
}

#[tokio::test]
async fn a_post_of_which_nothing_is_known_is_looked_for() {
    let rig = Rig::new(SlackLimits::none(), None).await;
    let session = rig.session(&rig.connect().await);
    let ctx = rig.context(&session);
    let since = rig.team.clock().now_ms();
    let channel = rig.team.channel_id("deals").unwrap();
    let find = async |reference: &str| rig.connector.find(&ctx, &channel, reference, since).await;
    // The app is in no channel yet: what it posted there it cannot read.
    let blind = find("message_1").await;
    assert!(matches!(blind, Err(ConnectorError::Permanent { code, .. }) if code == CANNOT_LOOK));
    rig.team.invite_app("deals", true).unwrap();
    for (number, (effect, there)) in [
        (error_after("internal_error"), true),
        (error_before("internal_error"), false),
        (Effect::StatusAfter { status: 503 }, true),
        (Effect::CloseAfter {}, true),
        (Effect::Close {}, false),
        (Effect::Truncate {}, true),
        (Effect::WrongTypes {}, true),
    ]
    .into_iter()
    .enumerate()
    {
        let reference = format!("message_{number}");
        rig.team.fail(Fault::next(POST, 1, effect.clone()));
        let error = rig
            .connector
            .post(&ctx, &rig.message(&reference))
            .await
            .unwrap_err();
        assert_eq!(error.code(), "TRANSIENT", "{effect:?}");
        assert_eq!(
            find(&reference).await.unwrap().is_some(),
            there,
            "{effect:?}"
        );
    }
    assert_eq!(rig.team.messages("deals").len(), 5);
}

#[tokio::test]
async fn each_refusal_has_its_reaction() {
    let rig = Rig::new(
        SlackLimits {
            posts_per_second: Some(1),
            ..SlackLimits::none()
        },
        None,
    )
    .await;
    let session = rig.session(&rig.connect().await);
    let ctx = rig.context(&session);
    let to = |channel: &str| ChatMessage {
        channel: channel.to_owned(),
        ..rig.message("r")
    };
    let code = async |message: &ChatMessage| match rig.connector.post(&ctx, message).await {
        Ok(_) => "posted".to_owned(),
        Err(ConnectorError::Permanent { code, .. }) => code,
        Err(error) => error.code().to_owned(),
    };
    assert_eq!(code(&to("C0NOWHERE")).await, "channel_not_found");
    assert_eq!(
        code(&to(&rig.team.channel_id("old-deals").unwrap())).await,
        "is_archived"
    );
    assert_eq!(
        code(&to(&rig.team.channel_id("deal-desk").unwrap())).await,
        "channel_not_found"
    );
    assert_eq!(code(&rig.message("r")).await, "posted");
    let limited = rig
        .connector
        .post(&ctx, &rig.message("r"))
        .await
        .unwrap_err();
    assert_eq!(
        limited.retry_after(),
        Some(std::time::Duration::from_secs(1))
    );
    assert_eq!(
        code(&to(&rig.team.channel_id("partners").unwrap())).await,
        "posted"
    );
    rig.team.uninstall().unwrap();
    assert_eq!(code(&to("C0NOWHERE")).await, "REAUTH_REQUIRED");
}

#[tokio::test]
async fn channels_are_those_the_app_can_see() {
    let rig = Rig::new(SlackLimits::none(), None).await;
    let session = rig.session(&rig.connect().await);
    let ctx = rig.context(&session);
    let names = async || {
        let channels = rig.connector.channels(&ctx).await.unwrap();
        channels
            .into_iter()
            .map(|c| (c.name, c.is_member))
            .collect::<Vec<_>>()
    };
    let public = names().await;
    assert_eq!(public.len(), 7);
    assert!(
        public
            .iter()
            .all(|(name, member)| !member && name != "deal-desk" && name != "old-deals")
    );
    rig.team.invite_app("deal-desk", true).unwrap();
    assert!(names().await.contains(&("deal-desk".to_owned(), true)));
}

#[tokio::test]
async fn presses_and_events_come_in_signed_and_are_understood() {
    let (url, kept) = door().await;
    let rig = Rig::new(
        SlackLimits {
            webhook_time_scale: 0.0,
            ..SlackLimits::none()
        },
        Some(url),
    )
    .await;
    let session = rig.session(&rig.connect().await);
    let posted = rig
        .connector
        .post(&rig.context(&session), &rig.message("r"))
        .await
        .unwrap();
    assert!(rig.team.verify_target().await, "the challenge is repeated");
    assert!(kept.lock().unwrap().is_empty(), "and stored never");
    let pressed = rig
        .team
        .press("deals", &posted.external_id, "deal.confirm", "chiara")
        .await
        .unwrap();
    assert_eq!((pressed.status, pressed.body.as_str()), (Some(200), ""));
    let said_now = said(&kept);
    let action = &said_now[0].actions[0];
    assert_eq!(
        (action.action.as_str(), action.value.as_str()),
        ("deal.confirm", "deal_01kaxyz")
    );
    assert_eq!(
        (action.tenant_id.as_str(), action.user_name.as_deref()),
        (rig.team.tenant().as_str(), Some("chiara"))
    );
    assert_eq!(
        (&action.channel, &action.message),
        (&posted.channel, &posted.external_id)
    );

    rig.team.faults(|faults| faults.webhooks.duplicate = true);
    rig.team.uninstall().unwrap();
    rig.team.webhooks_idle().await;
    let mut kinds: Vec<AccountSignalKind> = said(&kept)
        .into_iter()
        .flat_map(|signals| signals.account)
        .inspect(|account| assert_eq!(account.tenant_id, rig.team.tenant()))
        .map(|account| account.kind)
        .collect();
    kinds.sort_by_key(|kind| *kind as u8);
    use AccountSignalKind::{TokensRevoked, Uninstalled};
    assert_eq!(
        kinds,
        [Uninstalled, Uninstalled, TokensRevoked, TokensRevoked]
    );

    for forge in [
        |faults: &mut Faults| faults.webhooks.wrong_signature = true,
        |faults: &mut Faults| faults.webhooks.no_signature = true,
        |faults: &mut Faults| faults.webhooks.time_shift_ms = -301_000,
    ] {
        rig.team.faults(|faults| *faults = Faults::default());
        rig.team.faults(forge);
        let before = kept.lock().unwrap().len();
        let pressed = rig
            .team
            .press("deals", &posted.external_id, "deal.dispute", "ada")
            .await
            .unwrap();
        assert_eq!(pressed.status, Some(401));
        assert_eq!(kept.lock().unwrap().len(), before);
    }
}
