//! Subscriptions over WebSockets, by the protocol graphql-transport-ws.
//!
//! A browser cannot put a header on a WebSocket, so the token may come in the payload of `connection_init`, as `authorization`. Owns: the protocol's rules
//! and its close codes. Refuses: more than [`MOST`] subscriptions in a socket, messages before the init, the same id twice. Invariant: before a token was
//! verified nothing is read but its message, and that within [`INIT_WITHIN`].

use super::{End, HEARTBEAT, Moved, PATIENCE, WAITING, Watch, begin, pump};
use crate::graphql::admission::Params;
use crate::graphql::error::ErrorCode;
use crate::http::bearer::bearer_of;
use crate::http::graphql::answer::{Rejection, refused_value};
use crate::http::graphql::{Caller, Execute, GraphqlEndpoint};
use crate::http::problem;
use crate::http::request_id::RequestId;
use actix_web::http::header::SEC_WEBSOCKET_PROTOCOL;
use actix_web::{HttpRequest, HttpResponse, web};
use actix_ws::{AggregatedMessage, AggregatedMessageStream, CloseCode, CloseReason, Session};
use futures::StreamExt;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// The protocol.
const PROTOCOL: &str = "graphql-transport-ws";
/// Subscriptions of one socket.
const MOST: usize = 50;
/// Within this time the init must come.
const INIT_WITHIN: Duration = Duration::from_secs(10);
/// Bytes of a message from a client beyond its document and variables.
const ENVELOPE: usize = 1_024;

/// What a client says.
#[derive(Deserialize)]
struct Said {
    r#type: String,
    id: Option<String>,
    payload: Option<Box<RawValue>>,
}

#[derive(Deserialize)]
struct Init {
    #[serde(alias = "Authorization")]
    authorization: Option<String>,
}

/// Why a socket is closed, besides the ends of streams.
type Closed = (u16, &'static str);

type Moves = (String, Moved);

/// The handler. What is no WebSocket of this protocol is answered like an address that does not exist.
pub async fn serve<E: Execute>(
    request: HttpRequest,
    payload: web::Payload,
    endpoint: web::Data<GraphqlEndpoint<E>>,
) -> HttpResponse {
    let speaks = request
        .headers()
        .get(SEC_WEBSOCKET_PROTOCOL)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|list| list.split(',').any(|one| one.trim() == PROTOCOL));
    let opened = speaks
        .then(|| actix_ws::handle_with_protocols(&request, payload, &[PROTOCOL]).ok())
        .flatten();
    let Some((response, session, messages)) = opened else {
        return problem::unauthenticated(&request);
    };
    let limit = endpoint.door.documents.limits().body_bytes + ENVELOPE;
    let messages = messages
        .max_frame_size(limit)
        .aggregate_continuations()
        .max_continuation_size(limit);
    let socket = Socket {
        endpoint: endpoint.into_inner(),
        request_id: RequestId::of(&request),
        token: bearer_of(&request),
        running: HashMap::new(),
        caller: None,
    };
    actix_web::rt::spawn(socket.run(session, messages));
    response
}

struct Socket<E> {
    endpoint: Arc<GraphqlEndpoint<E>>,
    request_id: Option<RequestId>,
    token: Option<String>,
    running: HashMap<String, JoinHandle<()>>,
    caller: Option<Caller>,
}

impl<E> Drop for Socket<E> {
    fn drop(&mut self) {
        for pump in self.running.values() {
            pump.abort();
        }
    }
}

impl<E: Execute> Socket<E> {
    async fn run(mut self, mut session: Session, mut messages: AggregatedMessageStream) {
        let (sink, mut source) = mpsc::channel::<Moves>(WAITING);
        let init_until = tokio::time::Instant::now() + INIT_WITHIN;
        let mut heartbeat = tokio::time::interval(HEARTBEAT);
        let (code, reason) = loop {
            let done = tokio::select! {
                message = messages.next() => match message {
                    Some(Ok(AggregatedMessage::Text(text))) => self.hear(&mut session, &sink, &text).await,
                    Some(Ok(AggregatedMessage::Ping(bytes))) => told(session.pong(&bytes)).await,
                    Some(Ok(AggregatedMessage::Pong(_))) => Ok(()),
                    Some(Ok(AggregatedMessage::Binary(_))) => Err((4_400, "only text is read")),
                    Some(Ok(AggregatedMessage::Close(_))) | None => return,
                    Some(Err(_)) => Err((1_009, "the message cannot be read")),
                },
                Some((id, moved)) = source.recv() => self.tell(&mut session, id, moved).await,
                _ = heartbeat.tick() => told(session.ping(b"")).await,
                () = tokio::time::sleep_until(init_until), if self.caller.is_none() => {
                    Err((4_408, "connection initialisation timeout"))
                }
            };
            if let Err(closed) = done {
                break closed;
            }
        };
        let reason = CloseReason {
            code: CloseCode::from(code),
            description: Some(reason.to_owned()),
        };
        let _ = tokio::time::timeout(Duration::from_secs(1), session.close(Some(reason))).await;
    }

    /// Does what a client says.
    async fn hear(
        &mut self,
        session: &mut Session,
        sink: &mpsc::Sender<Moves>,
        text: &str,
    ) -> Result<(), Closed> {
        let said: Said =
            serde_json::from_str(text).map_err(|_| (4_400, "the message cannot be read"))?;
        match (said.r#type.as_str(), said.id) {
            ("connection_init", _) => {
                if self.caller.is_some() {
                    return Err((4_429, "too many initialisation requests"));
                }
                self.init(said.payload.as_deref())?;
                told(session.text(r#"{"type":"connection_ack"}"#)).await
            }
            ("ping", _) => told(session.text(r#"{"type":"pong"}"#)).await,
            ("pong", _) => Ok(()),
            ("subscribe", Some(id)) => {
                let payload = said
                    .payload
                    .ok_or((4_400, "a subscription without payload"))?;
                self.subscribe(session, sink, id, &payload).await
            }
            ("complete", Some(id)) => {
                if let Some(pump) = self.running.remove(&id) {
                    pump.abort();
                }
                Ok(())
            }
            _ => Err((4_400, "there is no such message")),
        }
    }

    fn init(&mut self, payload: Option<&RawValue>) -> Result<(), Closed> {
        let refused = (4_403, "forbidden");
        if let Some(payload) = payload {
            let init: Option<Init> =
                serde_json::from_str(payload.get()).map_err(|_| (4_400, "the payload is none"))?;
            if let Some(text) = init.and_then(|init| init.authorization) {
                let token = text
                    .strip_prefix("Bearer ")
                    .or_else(|| text.strip_prefix("bearer "));
                self.token = Some(token.unwrap_or(&text).trim().to_owned());
            }
        }
        let token = self.token.as_deref().ok_or(refused)?;
        let claims = self.endpoint.door.authenticate.authenticate(token);
        self.caller = Some(Caller {
            claims: claims.ok_or(refused)?,
            request_id: self.request_id.clone(),
        });
        Ok(())
    }

    async fn subscribe(
        &mut self,
        session: &mut Session,
        sink: &mpsc::Sender<Moves>,
        id: String,
        payload: &RawValue,
    ) -> Result<(), Closed> {
        let (Some(caller), Some(token)) = (self.caller.clone(), self.token.clone()) else {
            return Err((4_401, "unauthorized"));
        };
        if self.running.contains_key(&id) {
            return Err((4_409, "there is a subscriber with this id"));
        }
        let door = &self.endpoint.door;
        let limits = door.documents.limits();
        let begun = if self.running.len() >= MOST {
            let message = format!("A socket carries at most {MOST} subscriptions.");
            Err(Rejection::new(ErrorCode::BadRequest, &message))
        } else {
            Params::from_json(payload.get().as_bytes(), limits)
                .map_err(Rejection::from)
                .and_then(|params| begin(&self.endpoint, params, caller.clone()))
        };
        match begun {
            Ok(values) => {
                let watch = Watch {
                    token,
                    caller,
                    authenticate: Arc::clone(&door.authenticate),
                    clock: Arc::clone(&door.clock),
                };
                let to = (id.clone(), sink.clone());
                let pump = actix_web::rt::spawn(pump(values, watch, to));
                self.running.insert(id, pump);
                Ok(())
            }
            Err(rejection) => {
                let errors = refused_value(self.request_id.as_ref(), &rejection);
                let id = serde_json::Value::String(id);
                let text = format!(r#"{{"type":"error","id":{id},"payload":[{errors}]}}"#);
                told(session.text(text)).await
            }
        }
    }

    /// Tells a client what a stream says.
    async fn tell(
        &mut self,
        session: &mut Session,
        id: String,
        moved: Moved,
    ) -> Result<(), Closed> {
        let name = serde_json::Value::String(id.clone());
        match moved {
            // What a subscription that was completed meanwhile still says is not told.
            Moved::Next(_) | Moved::Still if !self.running.contains_key(&id) => Ok(()),
            Moved::Next(value) => {
                let text = format!(r#"{{"type":"next","id":{name},"payload":{value}}}"#);
                told(session.text(text)).await
            }
            Moved::Still => Ok(()),
            Moved::End(End::Complete | End::Gone) => {
                if self.running.remove(&id).is_none() {
                    return Ok(());
                }
                told(session.text(format!(r#"{{"type":"complete","id":{name}}}"#))).await
            }
            Moved::End(end) => Err((end.code(), end.reason())),
        }
    }
}

/// Waits until the client has taken something, but not for ever.
async fn told(sending: impl Future<Output = Result<(), actix_ws::Closed>>) -> Result<(), Closed> {
    match tokio::time::timeout(PATIENCE, sending).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) => Err((1_000, "gone")),
        Err(_) => Err((End::TooSlow.code(), End::TooSlow.reason())),
    }
}
