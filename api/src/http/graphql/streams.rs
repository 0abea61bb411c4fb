//! What goes on: subscriptions, over server-sent events ([`sse`]) and over WebSockets by graphql-transport-ws ([`socket`]).
//!
//! Both doors admit and charge an operation as every other; then a *pump* moves values from the stream to the client. Owns: the end of a stream. Refuses:
//! to keep more than [`WAITING`] values for a client that does not take them, queries and mutations. Invariants: a pump looks again and again whether
//! the token still holds and still means the same viewer, and ends otherwise, at the latest when the token ends.

pub mod socket;
pub mod sse;

use super::answer::{Rejection, streamed};
use super::{Caller, Execute, GraphqlEndpoint};
use crate::graphql::admission::{Params, cost};
use crate::graphql::error::ErrorCode;
use crate::http::bearer::Authenticate;
use crate::http::request_id::RequestId;
use async_graphql::Request;
use async_graphql::Response;
use async_graphql::parser::types::OperationType;
use entities::clock::Clock;
use futures::StreamExt;
use futures::stream::BoxStream;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// Values that wait for a client.
const WAITING: usize = 64;
/// A client that takes nothing for so long is too slow.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often it is looked whether the token still holds.
const LOOK: Duration = Duration::from_secs(5);
/// How often a silent stream says that it is there.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// Why a stream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// There is nothing more to say.
    Complete,
    /// The token has ended, or does not mean the same any more.
    TokenEnded,
    /// The client takes too long.
    TooSlow,
    /// The client has gone.
    Gone,
}

impl End {
    /// The code by which a WebSocket is closed for it, and by which server-sent events name it.
    #[must_use]
    pub const fn code(self) -> u16 {
        match self {
            Self::Complete | Self::Gone => 1_000,
            Self::TokenEnded => 4_401,
            Self::TooSlow => 4_508,
        }
    }

    /// The end in a word.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Gone => "gone",
            Self::TokenEnded => "token ended",
            Self::TooSlow => "too slow",
        }
    }
}

/// What a pump moves.
pub(super) enum Moved {
    /// A value, as JSON.
    Next(String),
    /// Nothing happened for a while.
    Still,
    /// The stream has ended.
    End(End),
}

/// Admits a subscription and begins it.
pub(super) fn begin<E: Execute>(
    endpoint: &GraphqlEndpoint<E>,
    params: Params,
    caller: Caller,
) -> Result<BoxStream<'static, Response>, Rejection> {
    let door = &*endpoint.door;
    let limits = door.documents.limits();
    let admitted = door.documents.admit(&params.query)?;
    if admitted.operation_type != OperationType::Subscription {
        return Err(Rejection::new(
            ErrorCode::BadRequest,
            "Only subscriptions are streamed; ask everything else at /graphql.",
        ));
    }
    let requested = cost::price(&admitted, &params.variables, params.variables_bytes, limits)?;
    door.charge(&caller, requested)?;
    let mut request = Request::new(String::new()).variables(params.variables);
    request.operation_name = params.operation_name;
    request.set_parsed_query(admitted.document.clone());
    Ok(endpoint.executor.stream(request, caller))
}

/// The token of a stream, and who looks after it.
pub(super) struct Watch {
    pub(super) token: String,
    pub(super) caller: Caller,
    pub(super) authenticate: Arc<dyn Authenticate>,
    pub(super) clock: Arc<dyn Clock>,
}

impl Watch {
    /// Whether the token still holds and means the same viewer.
    fn holds(&self) -> bool {
        let known = self.caller.claims();
        self.clock.now() < known.expires_at
            && self
                .authenticate
                .authenticate(&self.token)
                .is_some_and(|claims| claims.viewer == known.viewer)
    }

    /// Until when to wait before looking again.
    fn look_again(&self) -> Duration {
        let left = self.caller.claims().expires_at.micros() - self.clock.now().micros();
        let left = Duration::from_micros(u64::try_from(left).unwrap_or(0));
        left.min(LOOK).max(Duration::from_millis(10))
    }
}

/// Moves a stream's values until it ends. Each is told with the subscription's own name.
pub(super) async fn pump<T: Clone>(
    mut stream: BoxStream<'static, Response>,
    watch: Watch,
    (name, sink): (T, mpsc::Sender<(T, Moved)>),
) {
    let id: Option<RequestId> = watch.caller.request_id().cloned();
    let mut silent = tokio::time::Instant::now();
    let end = loop {
        tokio::select! {
            response = stream.next() => {
                let Some(response) = response else { break End::Complete };
                // What was ready before the token ended is not told after it.
                if !watch.holds() {
                    break End::TokenEnded;
                }
                silent = tokio::time::Instant::now();
                let value = Moved::Next(streamed(id.as_ref(), response));
                match sink.send_timeout((name.clone(), value), PATIENCE).await {
                    Ok(()) => {}
                    Err(mpsc::error::SendTimeoutError::Timeout(_)) => break End::TooSlow,
                    Err(mpsc::error::SendTimeoutError::Closed(_)) => break End::Gone,
                }
            }
            () = tokio::time::sleep(watch.look_again()) => {
                if !watch.holds() {
                    break End::TokenEnded;
                }
                if sink.is_closed() {
                    break End::Gone;
                }
                if silent.elapsed() >= HEARTBEAT {
                    silent = tokio::time::Instant::now();
                    // Where there is no room the client has enough to read.
                    let _ = sink.try_send((name.clone(), Moved::Still));
                }
            }
        }
    };
    // Whoever takes nothing does not take this either; the closed channel then says it.
    let _ = sink
        .send_timeout((name, Moved::End(end)), Duration::from_secs(1))
        .await;
}
