//! Identity providers as sign-in sees them: the staff's, which is configuration, and a partner's, which is a row.

use super::PeopleError;
use entities::domain_name::DomainName;
use entities::id::{IdentityProviderId, PartnerId};
use entities::identity_provider::{self, SECRET_PURPOSE, SealedSecret};
use integrations::oauth::AppCredentials;
use integrations::vault::{Binding, Vault, VaultError};
use secrecy::{ExposeSecret, SecretString};

/// The staff's provider, as configured.
#[derive(Clone, Debug)]
pub struct StaffProvider {
    /// What people know it by.
    pub name: String,
    /// The issuer, byte by byte as the provider writes it.
    pub issuer: String,
    /// Our registration there.
    pub client_id: String,
    /// Its secret.
    pub client_secret: SecretString,
    /// The domains of the addresses it may speak for.
    pub domains: Vec<DomainName>,
}

/// Whom a provider signs in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Programme staff.
    Staff,
    /// The people of one partner.
    Partner(IdentityProviderId, PartnerId),
}

impl Side {
    /// The partner whose people it signs in; none for staff.
    #[must_use]
    pub const fn partner(self) -> Option<PartnerId> {
        match self {
            Self::Staff => None,
            Self::Partner(_, partner) => Some(partner),
        }
    }

    /// The row behind it; none for the staff's.
    #[must_use]
    pub const fn row(self) -> Option<IdentityProviderId> {
        match self {
            Self::Staff => None,
            Self::Partner(row, _) => Some(row),
        }
    }
}

/// A provider at which somebody signs in.
#[derive(Clone, Debug)]
pub struct Provider {
    /// Whom it signs in.
    pub side: Side,
    /// What people know it by.
    pub name: String,
    /// The issuer.
    pub issuer: String,
    /// Our registration there.
    pub app: AppCredentials,
    domains: Vec<String>,
}

impl Provider {
    pub(super) fn of_staff(staff: &StaffProvider) -> Self {
        let domains = staff.domains.iter();
        Self {
            side: Side::Staff,
            name: staff.name.clone(),
            issuer: staff.issuer.clone(),
            app: AppCredentials::new(staff.client_id.clone(), staff.client_secret.clone()),
            domains: domains.map(|domain| domain.as_str().to_owned()).collect(),
        }
    }

    pub(super) fn of_row(
        vault: &Vault,
        row: identity_provider::Model,
    ) -> Result<Self, PeopleError> {
        let id = row.id.to_string();
        let secret = vault.open(binding(&id), &row.sealed_secret.0)?;
        let secret = String::from_utf8(secret.to_vec()).map_err(|_| VaultError::CannotOpen)?;
        Ok(Self {
            side: Side::Partner(row.id, row.partner_id),
            name: row.name,
            issuer: row.issuer,
            app: AppCredentials::new(row.client_id, secret),
            domains: row.domains.0,
        })
    }

    /// Whether it may speak for an address: its domain is one of the provider's, exactly.
    #[must_use]
    pub fn speaks_for(&self, email: &str) -> bool {
        email
            .rsplit_once('@')
            .and_then(|(_, host)| host.parse::<DomainName>().ok().map(|name| (host, name)))
            .is_some_and(|(host, name)| {
                // The name is normalised; an address whose host is not the name itself (`www.`, a port, a path) is none of it.
                let plain = |letter: char| letter.is_alphanumeric() || "-.".contains(letter);
                let same = host.eq_ignore_ascii_case(name.as_str())
                    || (!host.is_ascii()
                        && host.chars().all(plain)
                        && !host.to_lowercase().starts_with("www."));
                same && self.has_domain(&name)
            })
    }

    /// How an address names it: `staff`, or the row's id.
    #[must_use]
    pub fn key(&self) -> String {
        key_of(self.side.row())
    }

    /// Whether the domain is one for which it speaks.
    #[must_use]
    pub fn has_domain(&self, domain: &DomainName) -> bool {
        self.domains.iter().any(|own| own == domain.as_str())
    }
}

/// How an address names the provider of a row, or the staff's where there is none.
#[must_use]
pub fn key_of(row: Option<IdentityProviderId>) -> String {
    row.map_or_else(|| "staff".to_owned(), |id| id.to_string())
}

const fn binding(row: &str) -> Binding<'_> {
    Binding {
        purpose: SECRET_PURPOSE,
        row,
    }
}

/// Seals the secret of our registration with a partner's provider, for its row.
///
/// # Errors
/// When the vault does not take it.
pub fn seal_secret(
    vault: &Vault,
    row: IdentityProviderId,
    secret: &SecretString,
) -> Result<SealedSecret, VaultError> {
    let sealed = vault.seal(binding(&row.to_string()), secret.expose_secret().as_bytes())?;
    Ok(SealedSecret(sealed))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_provider_speaks_for_its_own_domains_exactly() {
        let provider = Provider::of_staff(&StaffProvider {
            name: "Contoso".to_owned(),
            issuer: "https://id.contoso.example".to_owned(),
            client_id: "entente".to_owned(),
            client_secret: "hush".to_owned().into(),
            domains: vec![
                "contoso.example".parse().unwrap(),
                "bücher.example".parse().unwrap(),
            ],
        });
        for good in [
            "ada@contoso.example",
            "ADA@CONTOSO.EXAMPLE",
            "a@b@contoso.example",
            "ada@bücher.example",
            "ada@xn--bcher-kva.example",
        ] {
            assert!(provider.speaks_for(good), "{good}");
        }
        for bad in [
            "",
            "ada",
            "contoso.example",
            "ada@",
            "ada@www.contoso.example",
            "ada@mail.contoso.example",
            "ada@contoso.example.evil.example",
            "ada@evilcontoso.example",
            "ada@contoso.example/x",
            "ada@contoso.example:25",
            "ada@contoso.example ",
            "ada@evil.example?@contoso.example.",
            "ada@www.bücher.example",
            "ada@bücher.example:25",
            "ada@bücher.example/x",
        ] {
            assert!(!provider.speaks_for(bad), "{bad}");
        }
        assert_eq!(provider.key(), "staff");
        assert!(!format!("{provider:?}").contains("hush"));
    }
}
