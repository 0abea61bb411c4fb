//! `entente token`: an access token for a start, signed with the deployment's own key.
//!
//! Whoever runs it can read the vault key, and so could sign anything; what it refuses are mistakes: an unknown scope, a partner that is not
//! there, a token without an end. For a demonstration's data directory it uses what the demonstration keeps there.

use super::{Failure, answer};
use crate::config::Config;
use crate::config::public_url::PublicUrl;
use crate::data_dir::demo_file::DemoFile;
use crate::oauth::token::{Basis, TokenAuthority, TokenRequest};
use crate::state::{chance, keys, open_database, prepare_schema};
use clap::Args;
use entities::id::PartnerId;
use entities::partner;
use entities::viewer::{PartnerRole, Scope, Scopes, StaffRole, Viewer, ViewerKind};
use entities::visible::Visible;
use integrations::vault::Vault;
use sea_orm::{ColumnTrait, PaginatorTrait, QueryFilter};
use secrecy::ExposeSecret;
use std::path::PathBuf;
use std::sync::Arc;

#[derive(Args)]
pub(super) struct TokenArgs {
    /// A scope, such as deals:read; repeat it, or separate several by commas or spaces.
    #[arg(long, required = true, value_name = "SCOPE")]
    scope: Vec<String>,
    /// For a partner: its id. Without it the token is for staff.
    #[arg(long, value_name = "PARTNER_ID", conflicts_with = "role")]
    partner: Option<PartnerId>,
    /// The role of staff.
    #[arg(long, default_value = "ADMIN", value_parser = role)]
    role: StaffRole,
    /// For how many hours; the configuration's token.lifetime_hours when left out.
    #[arg(long, value_name = "HOURS", value_parser = clap::value_parser!(u32).range(1..=8784))]
    hours: Option<u32>,
    /// Whom the token names as acting; the partner or the role when left out. Tokens of one subject share a budget.
    #[arg(long)]
    subject: Option<String>,
    /// Folder of the SQLite file, when no other database is configured; also that of a demonstration.
    #[arg(long, value_name = "DIR")]
    pub(super) data: Option<PathBuf>,
}

fn role(text: &str) -> Result<StaffRole, String> {
    StaffRole::from_claim(text).ok_or_else(|| {
        "one of ADMIN, PARTNER_MANAGER, FINANCE, MARKETING, SUPPORT, AUDITOR is expected".to_owned()
    })
}

fn scopes(words: &[String]) -> Result<Scopes, Failure> {
    let words = words
        .iter()
        .flat_map(|word| word.split([',', ' ']))
        .filter(|word| !word.is_empty());
    let scopes: Vec<Scope> = words
        .map(str::parse)
        .collect::<Result<_, _>>()
        .map_err(|error| {
            let known: Vec<&str> = Scope::ALL.iter().map(|scope| scope.as_str()).collect();
            Failure::Usage(format!(
                "--scope: {error}; the scopes are {}",
                known.join(", ")
            ))
        })?;
    if scopes.is_empty() {
        return Err(Failure::Usage(
            "--scope: at least one scope is needed".to_owned(),
        ));
    }
    Ok(scopes.into_iter().collect())
}

/// Makes a token and prints it.
pub(super) async fn token(config: Config, args: TokenArgs) -> Result<(), Failure> {
    let scopes = scopes(&args.scope)?;
    let demo = if config.uses_data_dir() {
        DemoFile::find(&config.data_dir)?
    } else {
        None
    };
    let (issuer, (current, previous)) = match demo {
        Some(demo) => (demo.issuer, (demo.master_key, Vec::new())),
        None => (
            config.public_url()?.as_str().to_owned(),
            config.master_keys()?,
        ),
    };
    let audience = PublicUrl::parse(&issuer)
        .map_err(|error| Failure::fault("the stored issuer is no address", error))?
        .audience();
    let _directory = match config.uses_data_dir() {
        // A demonstration that is running holds its directory alone; a token may be made beside it.
        true if config.data_dir.join("demo.json").is_file() => None,
        _ => super::data_dir(&config)?,
    };
    let database = open_database(&config).await?;
    prepare_schema(&database, false).await?;
    let vault = Vault::new(current, previous, chance());
    let ring = keys::load(&database, &vault, chance().as_ref())
        .await
        .map_err(crate::state::StartError::from)?;
    let kind = match args.partner {
        None => ViewerKind::Staff(args.role),
        Some(partner) => {
            let known = partner::Entity::visible_to(&Viewer::system("token"))
                .filter(partner::Column::Id.eq(partner));
            let known = known
                .count(database.read())
                .await
                .map_err(|error| Failure::fault("the partner cannot be looked up", error))?;
            if known == 0 {
                return Err(Failure::Usage(format!(
                    "--partner: there is no partner {partner}"
                )));
            }
            let takes_part = partner::takes_part(database.read(), Some(partner)).await;
            if !takes_part
                .map_err(|error| Failure::fault("the partner cannot be looked up", error))?
            {
                return Err(Failure::Usage(format!(
                    "--partner: {partner} is suspended or out for good"
                )));
            }
            ViewerKind::Partner(partner, PartnerRole::Software)
        }
    };
    let tokens = TokenAuthority::new(
        issuer,
        audience,
        ring,
        Arc::clone(database.clock()),
        Arc::clone(database.revocations()),
        1,
    );
    let hours = args.hours.unwrap_or(config.token.lifetime_hours);
    let request = TokenRequest {
        subject: args.subject.unwrap_or_else(|| {
            args.partner.map_or_else(
                || format!("staff:{}", args.role.as_str()),
                |partner| partner.to_string(),
            )
        }),
        client_id: "entente-cli".to_owned(),
        kind,
        scopes,
        lifetime_seconds: i64::from(hours) * 3_600,
        basis: Basis::default(),
    };
    let token = keys::issue_long(&database, &tokens, &request, chance().as_ref())
        .await
        .map_err(crate::state::StartError::from)?;
    answer(token.expose_secret())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn scopes_come_in_any_spelling_but_must_exist() {
        let given = |words: &[&str]| {
            scopes(
                &words
                    .iter()
                    .map(|word| (*word).to_owned())
                    .collect::<Vec<_>>(),
            )
        };
        let wanted: Scopes = [Scope::DealsRead, Scope::PartnersRead]
            .into_iter()
            .collect();
        for words in [
            &["deals:read", "partners:read"][..],
            &["deals:read,partners:read"],
            &["deals:read partners:read"],
        ] {
            assert_eq!(given(words).unwrap(), wanted);
        }
        assert!(
            given(&["deals:everything"])
                .unwrap_err()
                .to_string()
                .contains("deals:write")
        );
        assert!(matches!(given(&[","]), Err(Failure::Usage(_))));
    }
}
