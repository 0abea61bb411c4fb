//! The app registrations: what a person copied out of a vendor's developer console, as credentials.
//!
//! A registration is whole or absent. Half of one is refused at the start, because it would fail much later, in front of the person who
//! connects an account.

use super::ConfigError;
use super::settings::{AppSettings, Settings, SlackSettings};
use integrations::oauth::AppCredentials;
use secrecy::{ExposeSecret, SecretString};
use std::collections::BTreeMap;

/// The registrations that are set, by connector.
///
/// # Errors
/// [`ConfigError::Missing`] when part of one is not set.
pub(super) fn registrations(
    settings: &Settings,
) -> Result<BTreeMap<String, AppCredentials>, ConfigError> {
    let found = [
        ("hubspot", app("hubspot", &settings.hubspot)?),
        ("salesforce", app("salesforce", &settings.salesforce)?),
        ("shopify", app("shopify", &settings.shopify.app())?),
        ("slack", slack(&settings.slack)?),
    ];
    Ok(found
        .into_iter()
        .filter_map(|(connector, app)| Some((connector.to_owned(), app?)))
        .collect())
}

/// A secret that somebody set; an empty one is as good as none.
fn given(secret: Option<&SecretString>) -> Option<SecretString> {
    secret
        .filter(|secret| !secret.expose_secret().is_empty())
        .cloned()
}

fn app(connector: &str, settings: &AppSettings) -> Result<Option<AppCredentials>, ConfigError> {
    let client_id = settings.client_id.clone().filter(|id| !id.is_empty());
    match (client_id, given(settings.client_secret.as_ref())) {
        (None, None) => Ok(None),
        (Some(client_id), Some(client_secret)) => Ok(Some(AppCredentials {
            previous_client_secret: given(settings.client_secret_previous.as_ref()),
            ..AppCredentials::new(client_id, client_secret)
        })),
        _ => Err(ConfigError::Missing(format!(
            "{connector}.client_id and {connector}.client_secret belong together: one of them is not set"
        ))),
    }
}

fn slack(settings: &SlackSettings) -> Result<Option<AppCredentials>, ConfigError> {
    let client_id = settings.client_id.clone().filter(|id| !id.is_empty());
    let client_secret = given(settings.client_secret.as_ref());
    let signing_secret = given(settings.signing_secret.as_ref());
    match (client_id, client_secret, signing_secret) {
        (None, None, None) => Ok(None),
        (Some(client_id), Some(client_secret), Some(signing_secret)) => Ok(Some(AppCredentials {
            previous_client_secret: given(settings.client_secret_previous.as_ref()),
            signing_secret: Some(signing_secret),
            previous_signing_secret: given(settings.signing_secret_previous.as_ref()),
            ..AppCredentials::new(client_id, client_secret)
        })),
        _ => Err(ConfigError::Missing(
            "slack.client_id, slack.client_secret and slack.signing_secret belong together: not all of them are set"
                .to_owned(),
        )),
    }
}
