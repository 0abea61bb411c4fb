//! The stand-in for the person who connects an account: it follows the real redirects, as a browser would.
//!
//! It asks for a consent, opens the vendor's page, which in a sandbox agrees at once, and follows the way back to our own callback with the
//! cookie that binds the two ends. It goes to those two addresses and nowhere else.

use crate::http::connect::{callback_path, cookie_name};
use crate::state::State;
use integrations::sync::{Asking, SyncError};
use reqwest::header::{COOKIE as COOKIE_HEADER, LOCATION};
use secrecy::{ExposeSecret, SecretString};
use std::time::Duration;
use url::Url;

/// Why the consent did not come about. No address is repeated: it holds the state or the code.
#[derive(Debug, thiserror::Error)]
pub(super) enum BrowserError {
    #[error("it could not be asked for: {0}")]
    Asking(#[from] SyncError),
    #[error("a page did not answer: {0}")]
    Page(reqwest::Error),
    #[error("the vendor's page answered {0} and sent nobody back")]
    NoRedirect(u16),
    #[error("the vendor's page sent us somewhere else")]
    Elsewhere,
    #[error("our own callback answered {0}")]
    Callback(u16),
}

impl From<reqwest::Error> for BrowserError {
    fn from(error: reqwest::Error) -> Self {
        Self::Page(error.without_url())
    }
}

/// Connects an account of `connector`, all the way; `site` is what a person would type where each account has an address of its own.
pub(super) async fn consent(
    state: &State,
    connector: &str,
    site: Option<&str>,
) -> Result<(), BrowserError> {
    let cookie = cookie(state);
    let redirect_uri = state.public_url.url_at(&callback_path(connector));
    let asking = Asking {
        connector,
        subject: "demo",
        redirect_uri: redirect_uri.clone(),
        site,
        cookie: &cookie,
        renews: None,
    };
    let page = state.core.engine.begin_connect(asking).await?;
    let browser = browser()?;
    let agreed = browser.get(page).send().await?;
    let location = agreed
        .headers()
        .get(LOCATION)
        .and_then(|value| value.to_str().ok());
    let back = location
        .and_then(|text| Url::parse(text).ok())
        .ok_or(BrowserError::NoRedirect(agreed.status().as_u16()))?;
    if back.origin() != redirect_uri.origin() || back.path() != redirect_uri.path() {
        return Err(BrowserError::Elsewhere);
    }
    let name = cookie_name(state.public_url.is_https());
    let header = format!("{name}={}", cookie.expose_secret());
    let done = browser
        .get(back)
        .header(COOKIE_HEADER, header)
        .send()
        .await?;
    if done.status().is_success() {
        Ok(())
    } else {
        Err(BrowserError::Callback(done.status().as_u16()))
    }
}

fn cookie(state: &State) -> SecretString {
    let mut bytes = [0_u8; 32];
    state.core.chance.fill(&mut bytes);
    hex::encode(bytes).into()
}

/// What a person at this machine calls with: it follows no redirect by itself.
pub(super) fn browser() -> Result<reqwest::Client, reqwest::Error> {
    #[expect(
        clippy::disallowed_methods,
        reason = "a person's browser is no part of the program that the outgoing client guards"
    )]
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .tls_certs_only([])
        .timeout(Duration::from_secs(30))
        .build()
}
