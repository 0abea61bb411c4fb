//! `entente admin`: the first administrator, and the way in again for one who is locked out.
//!
//! It prints a link that is good once, with which the person chooses a password in the browser. No password is ever given on the command line or in the
//! environment, where histories, process lists and images keep it. Whoever can run this can write the database, and so could let in anybody; what
//! it does is in the event log all the same.

use super::{Failure, answer};
use crate::config::Config;
use crate::people::invitation::{Ticket, ticket_by_hand};
use crate::state::{open_database, prepare_schema};
use clap::{Args, Subcommand};
use entities::change::{Author, Change, Origin};
use entities::database::Database;
use entities::error::Error;
use entities::user::{self, NewUser, UserRole, UserStatus};
use entities::viewer::StaffRole;
use secrecy::ExposeSecret as _;
use std::path::PathBuf;

#[derive(Subcommand)]
pub(super) enum AdminCommand {
    /// Make an administrator, and print a link with which they choose a password.
    Create(CreateArgs),
    /// Print a link with which somebody who exists chooses a new password, when no mail reaches them.
    Recover(RecoverArgs),
}

#[derive(Args)]
pub(super) struct CreateArgs {
    /// The e-mail address they sign in with.
    #[arg(long)]
    email: String,
    /// Their name; the address when left out.
    #[arg(long)]
    name: Option<String>,
    /// Folder of the SQLite file, when no other database is configured.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

#[derive(Args)]
pub(super) struct RecoverArgs {
    /// The e-mail address they sign in with.
    #[arg(long)]
    email: String,
    /// Folder of the SQLite file, when no other database is configured.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

impl AdminCommand {
    pub(super) const fn data(&self) -> Option<&PathBuf> {
        match self {
            Self::Create(args) => args.data.as_ref(),
            Self::Recover(args) => args.data.as_ref(),
        }
    }
}

/// Does what was asked and prints the link.
pub(super) async fn admin(config: Config, command: AdminCommand) -> Result<(), Failure> {
    let public_url = config.public_url()?.clone();
    let _directory = super::data_dir(&config)?;
    let database = open_database(&config).await?;
    prepare_schema(&database, config.migrate_on_start).await?;
    let author = Author {
        actor: "command line".to_owned(),
        origin: Origin::Human,
        connection: None,
    };
    let change = Change::begin(&database, author).await.map_err(failure)?;
    let ticket = match &command {
        AdminCommand::Create(args) => create(&database, change, args).await?,
        AdminCommand::Recover(args) => recover(&database, change, args).await?,
    };
    answer(ticket.link(&public_url).expose_secret())
}

fn failure(error: Error) -> Failure {
    match error {
        Error::Invalid(violations) => Failure::Usage(
            violations
                .iter()
                .map(|violation| violation.message.as_str())
                .collect::<Vec<_>>()
                .join(" "),
        ),
        other => Failure::fault("the person cannot be written", other),
    }
}

async fn create(
    database: &Database,
    mut change: Change,
    args: &CreateArgs,
) -> Result<Ticket, Failure> {
    let found = user::find_by_email(database.read(), &args.email).await;
    let role = UserRole::Staff(StaffRole::Admin);
    let user = match found.map_err(failure)? {
        None => {
            let input = NewUser {
                role,
                name: args.name.clone().unwrap_or_else(|| args.email.clone()),
                email: args.email.clone(),
            };
            user::invite(&mut change, input).await.map_err(failure)?
        }
        // The link before was lost: here is another one.
        Some(user) if user.status == UserStatus::Invited && user.user_role().ok() == Some(role) => {
            user
        }
        Some(_) => {
            return Err(Failure::Usage(format!(
                "--email: {} is somebody’s already; `entente admin recover` lets them in again",
                args.email
            )));
        }
    };
    finish(change, &user).await
}

async fn recover(
    database: &Database,
    change: Change,
    args: &RecoverArgs,
) -> Result<Ticket, Failure> {
    let found = user::find_by_email(database.read(), &args.email).await;
    let user = found
        .map_err(failure)?
        .ok_or_else(|| Failure::Usage(format!("--email: nobody signs in with {}", args.email)))?;
    finish(change, &user).await
}

async fn finish(mut change: Change, user: &user::Model) -> Result<Ticket, Failure> {
    let ticket = ticket_by_hand(&mut change, user).await.map_err(failure)?;
    change.commit().await.map_err(failure)?;
    Ok(ticket)
}
