//! HTTP in the name of one account.
//!
//! Owns: the account's authorization and its pace, for one kind of work. Refuses: to send the token anywhere but to the origins the
//! connector declares, and to show it. Invariant: whoever holds a session can use the token and can never read it.

use super::{Answer, Call, Client, HttpError, Work, limit::AccountPace, told::Left};
use crate::connector::LimitHeaders;
use http::HeaderValue;
use secrecy::{ExposeSecret, SecretString};
use std::sync::Arc;
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
    authorization: HeaderValue,
}

impl Session {
    pub(super) fn new(
        client: Client,
        (origins, limit_headers): (Vec<Url>, Option<LimitHeaders>),
        pace: Option<Arc<AccountPace>>,
        token: &SecretString,
    ) -> Result<Self, HttpError> {
        let text = Zeroizing::new(format!("Bearer {}", token.expose_secret()));
        let mut authorization = HeaderValue::from_str(&text).map_err(|_| HttpError::BadToken)?;
        authorization.set_sensitive(true);
        Ok(Self {
            client,
            origins,
            limit_headers,
            pace,
            work: Work::default(),
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
                pace.admit(call.lane, self.work, self.client.patience())
                    .await?
            }
            None => None,
        };
        let outcome = self.client.send_with(call, Some(&self.authorization)).await;
        if let (Some(pass), Some(headers), Ok(answer)) = (&mut pass, &self.limit_headers, &outcome)
            && headers.lane == call.lane
        {
            pass.note(Left::read(headers, answer));
        }
        outcome
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
