//! HTTP in the name of one account.
//!
//! Owns: the account's authorization and its pace, for one kind of work. Refuses: to send the token anywhere but to the origins the
//! connector declares, and to show it. Invariant: whoever holds a session can use the token and can never read it.

use super::{Answer, Call, Client, HttpError, Work, limit::AccountPace, told};
use crate::connector::{Descriptor, Lane, LimitHeaders, TokenHeader};
use http::HeaderValue;
use secrecy::{ExposeSecret, SecretString};
use std::{sync::Arc, time::Duration};
use url::Url;
use zeroize::Zeroizing;

/// A handle that calls in the name of one account. Cheap to clone.
#[derive(Clone)]
pub struct Session {
    client: Client,
    origins: Vec<Url>,
    limit_headers: Option<LimitHeaders>,
    pace: Option<Arc<AccountPace>>,
    work: Work,
    token_header: TokenHeader,
    authorization: HeaderValue,
}

impl Session {
    pub(super) fn new(
        client: Client,
        origins: Vec<Url>,
        descriptor: &Descriptor,
        pace: Option<Arc<AccountPace>>,
        token: &SecretString,
    ) -> Result<Self, HttpError> {
        let text = Zeroizing::new(match descriptor.token_header {
            TokenHeader::Bearer => format!("Bearer {}", token.expose_secret()),
            TokenHeader::Named(_) => token.expose_secret().to_owned(),
        });
        let mut authorization = HeaderValue::from_str(&text).map_err(|_| HttpError::BadToken)?;
        authorization.set_sensitive(true);
        Ok(Self {
            client,
            origins,
            limit_headers: descriptor.limit_headers,
            pace,
            work: Work::default(),
            token_header: descriptor.token_header,
            authorization,
        })
    }

    /// The same session for a kind of work. One that was not told what it is for counts as a backfill: it comes last.
    #[must_use]
    pub const fn doing(mut self, work: Work) -> Self {
        self.work = work;
        self
    }

    /// Sends a call with the account's authorization, when its pace allows.
    ///
    /// # Errors
    /// When the call may not be made or has no complete answer.
    pub async fn send(&self, call: &Call) -> Result<Answer, HttpError> {
        if !self
            .origins
            .iter()
            .any(|origin| origin.origin() == call.url.origin())
        {
            return Err(HttpError::ForeignOrigin {
                host: call.url.host_str().unwrap_or_default().to_owned(),
            });
        }
        let mut pass = match &self.pace {
            Some(pace) => {
                pace.admit((call.lane, call.cost), self.work, self.client.patience())
                    .await?
            }
            None => None,
        };
        let authorization = Some((self.token_header, &self.authorization));
        let outcome = self.client.send_with(call, authorization).await;
        if let (Some(pass), Some(headers), Ok(answer)) = (&mut pass, &self.limit_headers, &outcome)
        {
            pass.note(told::Left::read(headers, call.lane, answer));
            if let Some(wait) = told::share_used(headers, answer) {
                self.hold(call.lane, wait);
            }
        }
        outcome
    }

    /// Sends a call without the token, to any public address: where a vendor keeps a file it has made for us.
    ///
    /// # Errors
    /// When the call may not be made or has no complete answer.
    pub async fn send_open(&self, call: &Call) -> Result<Answer, HttpError> {
        self.client.send(call).await
    }

    /// Lets nothing of this account start in a lane for this long, but for what a person waits for: a body has said that the budget is spent.
    pub fn hold(&self, lane: Lane, wait: Duration) {
        if let Some(pace) = &self.pace {
            pace.hold(lane, wait);
        }
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session")
            .field("origins", &self.origins)
            .field("work", &self.work)
            .finish_non_exhaustive()
    }
}
