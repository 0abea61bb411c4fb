//! What sign-in is configured with: the mail server, and the staff's identity provider. Each is whole or absent, as a registration with a vendor is.

use super::ConfigError;
use super::settings::{MailSettings, OidcSettings};
use crate::mail::MailServer;
use crate::people::provider::StaffProvider;
use entities::domain_name::DomainName;
use secrecy::{ExposeSecret, SecretString};
use url::Url;

fn given(text: Option<&String>) -> Option<String> {
    text.map(|text| text.trim().to_owned())
        .filter(|text| !text.is_empty())
}

fn secret(secret: Option<&SecretString>) -> Option<SecretString> {
    secret
        .filter(|secret| !secret.expose_secret().is_empty())
        .cloned()
}

/// Where mail leaves.
///
/// # Errors
/// [`ConfigError::Missing`] when part of it is not set.
pub(super) fn mail(settings: &MailSettings) -> Result<Option<MailServer>, ConfigError> {
    match (
        secret(settings.smtp_url.as_ref()),
        given(settings.from.as_ref()),
    ) {
        (None, None) => Ok(None),
        (Some(url), Some(from)) => Ok(Some(MailServer { url, from })),
        _ => Err(ConfigError::Missing(
            "mail.smtp_url and mail.from belong together: one of them is not set".to_owned(),
        )),
    }
}

/// The staff's identity provider.
///
/// # Errors
/// [`ConfigError::Missing`] when part of it is not set, or cannot be.
pub(super) fn provider(settings: &OidcSettings) -> Result<Option<StaffProvider>, ConfigError> {
    let issuer = given(settings.issuer.as_ref());
    let client_id = given(settings.client_id.as_ref());
    let client_secret = secret(settings.client_secret.as_ref());
    let domains = given(settings.domains.as_ref());
    let name = given(settings.name.as_ref());
    let (issuer, client_id, client_secret, domains) = match (
        issuer,
        client_id,
        client_secret,
        domains,
    ) {
        (None, None, None, None) if name.is_none() => return Ok(None),
        (Some(issuer), Some(client_id), Some(client_secret), Some(domains)) => {
            (issuer, client_id, client_secret, domains)
        }
        _ => {
            return Err(ConfigError::Missing(
                    "oidc.issuer, oidc.client_id, oidc.client_secret and oidc.domains belong together: not all of them are set"
                        .to_owned(),
                ));
        }
    };
    let host = Url::parse(&issuer)
        .ok()
        .and_then(|url| url.host_str().map(ToOwned::to_owned))
        .ok_or_else(|| {
            ConfigError::Missing("oidc.issuer must be the provider's whole address".to_owned())
        })?;
    let domains = domains
        .split(',')
        .map(|domain| domain.parse::<DomainName>())
        .collect::<Result<Vec<_>, _>>()
        .map_err(|_| {
            ConfigError::Missing("oidc.domains must be domain names with commas between".to_owned())
        })?;
    Ok(Some(StaffProvider {
        name: name.unwrap_or(host),
        issuer,
        client_id,
        client_secret,
        domains,
    }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn settings() -> OidcSettings {
        OidcSettings {
            issuer: Some("https://id.example.com/".to_owned()),
            client_id: Some("entente".to_owned()),
            client_secret: Some("hush".to_owned().into()),
            domains: Some("example.com, example.org".to_owned()),
            name: None,
        }
    }

    #[test]
    fn a_provider_is_whole_or_absent() {
        let whole = provider(&settings()).unwrap().unwrap();
        assert_eq!(whole.issuer, "https://id.example.com/");
        assert_eq!(whole.name, "id.example.com");
        assert_eq!(whole.domains.len(), 2);
        assert!(provider(&OidcSettings::default()).unwrap().is_none());
        let spoils: [fn(&mut OidcSettings); 6] = [
            |settings| settings.issuer = None,
            |settings| settings.client_id = Some(" ".to_owned()),
            |settings| settings.client_secret = Some(String::new().into()),
            |settings| settings.domains = None,
            |settings| settings.domains = Some("example.com,,".to_owned()),
            |settings| settings.issuer = Some("id.example.com".to_owned()),
        ];
        for (number, spoil) in spoils.iter().enumerate() {
            let mut spoilt = settings();
            spoil(&mut spoilt);
            assert!(provider(&spoilt).is_err(), "{number}");
        }
    }

    #[test]
    fn a_mail_server_needs_a_sender() {
        let half = MailSettings {
            smtp_url: Some("smtps://mail.example.com".to_owned().into()),
            from: None,
        };
        assert!(mail(&half).is_err());
        assert!(mail(&MailSettings::default()).unwrap().is_none());
    }
}
