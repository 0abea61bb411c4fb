//! Events: what happens in the team is told to the app's address, signed, and told again when it is not taken.
//!
//! Owns: the envelope, the check of the address before its first event, the attempts. Refuses: targets beyond loopback, redirects, events the
//! app has not subscribed to, and events of a team that has not installed it, except that it was removed. Invariant: an event keeps its id
//! over its attempts; order and uniqueness are not promised, as at the vendor.
//! Left out: the subscription is not switched off when most deliveries fail, and `app_rate_limited` is not sent.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::JoinSet;
use url::Url;

use super::Workspace;
use super::ids::fresh;
use super::signature;
use crate::faults::WebhookFaults;
use crate::ids::fresh_id;

/// The waits before the three further attempts, in seconds.
const WAITS: [u64; 3] = [0, 60, 300];
/// How many requests run at a time.
const WIDTH: usize = 10;
/// How long events are gathered, so that a fault can change their order.
const GATHER: Duration = Duration::from_millis(5);

/// Tells that tokens of the app have ended.
pub(crate) fn tokens_revoked(workspace: &Workspace) {
    let bot = workspace.store.read(|rooms| rooms.bot_user_id.clone());
    workspace.tell(json!({"type": "tokens_revoked", "tokens": {"oauth": [], "bot": [bot]}}));
}

/// The app was removed: two events, in any order.
pub(crate) fn uninstalled(workspace: &Workspace) {
    tokens_revoked(workspace);
    workspace.tell(json!({"type": "app_uninstalled"}));
}

/// Whether the app hears of this event.
pub(crate) fn is_heard(workspace: &Workspace, event: &Value) -> bool {
    let kind = event
        .get("type")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let about_app = matches!(kind, "app_uninstalled" | "tokens_revoked");
    workspace.events.iter().any(|known| known == kind)
        && (about_app || workspace.tokens.installed())
}

/// Sends until the team stops.
pub(crate) async fn run(
    workspace: Arc<Workspace>,
    mut inbox: UnboundedReceiver<Value>,
    client: reqwest::Client,
) {
    let gate = Arc::new(Semaphore::new(WIDTH));
    let mut sending = JoinSet::new();
    loop {
        let first = tokio::select! {
            first = inbox.recv() => first,
            () = workspace.stopping() => return,
            Some(_) = sending.join_next() => continue,
        };
        let Some(first) = first else {
            return;
        };
        tokio::time::sleep(GATHER).await;
        let mut events = vec![first];
        while let Ok(next) = inbox.try_recv() {
            events.push(next);
        }
        let count = events.len();
        let faults = workspace.faults.change(|faults| faults.webhooks.clone());
        let target = workspace.target().filter(|_| !faults.drop);
        if let Some(target) = target {
            let mut bodies: Vec<Value> = events
                .into_iter()
                .map(|event| envelope(&workspace, event))
                .collect();
            if faults.shuffle {
                bodies.reverse();
            }
            if faults.duplicate {
                bodies.extend(bodies.clone());
            }
            for body in bodies {
                workspace.deliveries.opened(1);
                let (workspace, client) = (Arc::clone(&workspace), client.clone());
                let (gate, target) = (Arc::clone(&gate), target.clone());
                sending.spawn(async move {
                    deliver(&workspace, &client, &gate, &target, &body).await;
                    workspace.deliveries.closed(1);
                });
            }
        }
        workspace.deliveries.closed(count);
    }
}

fn envelope(workspace: &Workspace, mut event: Value) -> Value {
    let now = workspace.store.now();
    if let Some(event) = event.as_object_mut() {
        event
            .entry("event_ts")
            .or_insert_with(|| json!(super::store::stamp(now * 1000)));
    }
    workspace.store.read(|rooms| {
        json!({
            "token": workspace.verification_token(),
            "team_id": rooms.team.id,
            "api_app_id": workspace.app_id(),
            "event": event,
            "type": "event_callback",
            "event_id": fresh('E').replacen("E0", "Ev", 1),
            "event_time": now / 1000,
            "authorizations": [{
                "enterprise_id": null,
                "team_id": rooms.team.id,
                "user_id": rooms.bot_user_id,
                "is_bot": true,
                "is_enterprise_install": false,
            }],
            "is_ext_shared_channel": false,
            "event_context": format!("4-{}", fresh_id()),
        })
    })
}

/// How one request went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Went {
    Taken,
    /// Not taken, with the vendor's word for why.
    Failed(&'static str),
    /// Not taken, and the receiver wants no further attempt.
    Unwanted,
}

async fn deliver(
    workspace: &Workspace,
    client: &reqwest::Client,
    gate: &Semaphore,
    target: &Url,
    body: &Value,
) {
    // What the attempt before came to; read by the next one, which only begins when it has ended.
    let before = &Mutex::new(Went::Failed("http_error"));
    let scale = workspace.limits.webhook_time_scale;
    let attempt = |number: usize| async move {
        let last = *before.lock().unwrap_or_else(PoisonError::into_inner);
        let retry = match last {
            Went::Unwanted => return false,
            Went::Failed(reason) if number > 0 => Some((number, reason)),
            _ => None,
        };
        let went = if verified(workspace, client, target).await {
            send(workspace, client, target, body, retry).await
        } else {
            Went::Failed("http_error")
        };
        *before.lock().unwrap_or_else(PoisonError::into_inner) = went;
        went == Went::Taken
    };
    workspace
        .deliveries
        .attempt(1, &WAITS, scale, gate, attempt)
        .await;
}

/// Whether the address has answered the vendor's challenge; asked once for each address.
pub(crate) async fn verified(
    workspace: &Workspace,
    client: &reqwest::Client,
    target: &Url,
) -> bool {
    if workspace.is_verified(target) {
        return true;
    }
    let challenge = fresh_id();
    let body = json!({
        "token": workspace.verification_token(),
        "challenge": challenge,
        "type": "url_verification",
    });
    let Some(request) = signed(workspace, client, target, &body) else {
        return false;
    };
    let Ok(answer) = request.send().await else {
        return false;
    };
    if !answer.status().is_success() {
        return false;
    }
    let text = answer.text().await.unwrap_or_default();
    let in_json = || {
        serde_json::from_str::<Value>(&text)
            .ok()
            .is_some_and(|value| value.get("challenge") == Some(&json!(challenge)))
    };
    let repeated = text == challenge || text == format!("challenge={challenge}") || in_json();
    if repeated {
        workspace.set_verified(target);
    }
    repeated
}

/// A request of JSON, signed now. The bytes that are signed are those that are sent.
fn signed(
    workspace: &Workspace,
    client: &reqwest::Client,
    target: &Url,
    body: &Value,
) -> Option<reqwest::RequestBuilder> {
    let bytes = serde_json::to_vec(body).ok()?;
    Some(sign(
        workspace,
        client.post(target.clone()),
        "application/json",
        bytes,
    ))
}

/// Adds signature, time and body.
pub(crate) fn sign(
    workspace: &Workspace,
    request: reqwest::RequestBuilder,
    content_type: &str,
    body: Vec<u8>,
) -> reqwest::RequestBuilder {
    let faults: WebhookFaults = workspace.faults.change(|faults| faults.webhooks.clone());
    let secret = if faults.wrong_signature {
        format!("not {}", workspace.signing_secret.0)
    } else {
        workspace.signing_secret.0.clone()
    };
    let now = workspace.store.now().saturating_add(faults.time_shift_ms);
    let timestamp = now.div_euclid(1000).to_string();
    let mut request = request
        .header("content-type", content_type)
        .header("user-agent", "Slackbot 1.0 (sandbox)")
        .timeout(workspace.limits.webhook_timeout);
    if !faults.no_signature {
        request = request
            .header(
                "X-Slack-Signature",
                signature::v0(&secret, &timestamp, &body),
            )
            .header("X-Slack-Request-Timestamp", timestamp);
    }
    request.body(body)
}

async fn send(
    workspace: &Workspace,
    client: &reqwest::Client,
    target: &Url,
    body: &Value,
    retry: Option<(usize, &'static str)>,
) -> Went {
    let Some(mut request) = signed(workspace, client, target, body) else {
        return Went::Failed("unknown_error");
    };
    if let Some((number, reason)) = retry {
        request = request
            .header("X-Slack-Retry-Num", number.to_string())
            .header("X-Slack-Retry-Reason", reason);
    }
    match request.send().await {
        Ok(answer) if answer.status().is_success() => Went::Taken,
        Ok(answer)
            if answer
                .headers()
                .get("x-slack-no-retry")
                .is_some_and(|v| v == "1") =>
        {
            Went::Unwanted
        }
        Ok(answer) if answer.status().is_redirection() => Went::Failed("too_many_redirects"),
        Ok(_) => Went::Failed("http_error"),
        Err(error) if error.is_timeout() => Went::Failed("http_timeout"),
        Err(error) if error.is_connect() => Went::Failed("connection_failed"),
        Err(_) => Went::Failed("unknown_error"),
    }
}
