//! How the four accounts come to be connected: by real consents, in the order in which one needs the other, and each with the mapping that makes
//! the demonstration.
//!
//! The mapping is set when an account has just been connected and never again: what a person changes there stays over restarts.

use super::browser;
use super::progress::Bars;
use super::sandboxes::Sandboxes;
use crate::cli::Failure;
use crate::http::webhooks::own_webhook_path;
use crate::state::State;
use entities::change::{Author, Change, Origin};
use entities::clock::Timestamp;
use entities::connection::mapping::order::{PartnerRef, PartnerSource, fold};
use entities::connection::mapping::{Mapping, PushMode};
use entities::connection::{self, Model, care};
use entities::id::ConnectionId;
use entities::partner;
use entities::sync_run::{self, SyncRunStatus};
use entities::viewer::Viewer;
use entities::visible::Visible as _;
use integrations::http::Work;
use integrations::sync::{NewMapping, SyncKind, default_mapping};
use integrations::{hubspot, salesforce, shopify, slack};
use sea_orm::{ColumnTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _};
use secrecy::ExposeSecret as _;
use std::collections::BTreeMap;

/// The channel that is told of deals.
pub(super) const CHANNEL: &str = "deals";

/// How many partners get a discount code in the shop.
const CODES: u64 = 50;

/// The accounts, connected.
pub(super) struct Connected {
    /// The first synchronisation of the CRM.
    pub(super) run: sync_run::Model,
}

/// Connects all four, unless they are, and reads what is new.
pub(super) async fn connect_all(
    state: &State,
    sandboxes: &Sandboxes,
    watched: bool,
) -> Result<Connected, Failure> {
    // The CRM comes first: the shop's discount codes are those of its partners. The others wait for their vendors and not for each other.
    let crm = connected(state, sandboxes, hubspot::ID).await?;
    let run = synchronised(state, &crm, watched).await?;
    let org = async {
        let org = connected(state, sandboxes, salesforce::ID).await?;
        open_door(state, sandboxes, &org)?;
        synchronised(state, &org, false).await
    };
    let shop = async {
        let shop = connected(state, sandboxes, shopify::ID).await?;
        if shop.tended_at.is_some() {
            tend_again(state, shop.id).await?;
        }
        synchronised(state, &shop, false).await
    };
    let chat = connected(state, sandboxes, slack::ID);
    tokio::try_join!(org, shop, chat)?;
    Ok(Connected { run })
}

/// Lets the shop's subscriptions be looked at again: those of an earlier start may lead to another port.
async fn tend_again(state: &State, id: ConnectionId) -> Result<(), Failure> {
    let forgotten = async {
        let change = Change::begin(&state.core.database, demo()).await?;
        care::tended(&change, id, Timestamp::from_secs(0), None).await?;
        change.commit().await
    };
    forgotten
        .await
        .map_err(|error| Failure::fault("the shop's subscriptions cannot be looked at", error))
}

/// In whose name the demonstration acts.
fn demo() -> Author {
    Author {
        actor: "demo".to_owned(),
        origin: Origin::Human,
        connection: None,
    }
}

/// The connection of a vendor's account, made by a consent and given its mapping when there is none yet.
async fn connected(
    state: &State,
    sandboxes: &Sandboxes,
    connector: &'static str,
) -> Result<Model, Failure> {
    let (tenant, site) = sandboxes.account(connector);
    let find = || connection::find_by_tenant(state.core.database.read(), connector, &tenant);
    let lookup = |error| Failure::fault("the connection cannot be looked up", error);
    if let Some(known) = find()
        .await
        .map_err(lookup)?
        .filter(|row| row.status.is_working())
    {
        return wired(state, known).await;
    }
    let unconnected = format!("the sandbox of {connector} could not be connected");
    browser::consent(state, connector, site.as_deref())
        .await
        .map_err(|error| Failure::fault(&unconnected, error))?;
    match find().await.map_err(lookup)? {
        Some(made) => wired(state, made).await,
        None => Err(Failure::Fault(format!(
            "{unconnected}: no connection was stored"
        ))),
    }
}

/// Gives a connection that still has its connector's usual mapping the one of the demonstration.
async fn wired(state: &State, row: Model) -> Result<Model, Failure> {
    if row.mapping != default_mapping::mapping(&row.connector) {
        return Ok(row);
    }
    let failed = |error: &dyn std::fmt::Display| {
        Failure::fault(
            &format!("the mapping of {} cannot be set", row.connector),
            error,
        )
    };
    let mapping = demonstrated(state, &row).await?;
    if mapping == row.mapping {
        return Ok(row);
    }
    let wish = NewMapping {
        connection: row.id,
        expected_version: None,
        mapping,
        backfill: true,
        validate_only: false,
    };
    let changed = state.core.engine.update_mapping(wish, demo()).await;
    changed
        .map(|changed| changed.connection)
        .map_err(|error| failed(&error))
}

/// The mapping that a demonstration gives a connection.
async fn demonstrated(state: &State, row: &Model) -> Result<Mapping, Failure> {
    let mut mapping = row.mapping.clone();
    match row.connector.as_str() {
        salesforce::ID => {
            for policy in [
                &mut mapping.company.policy,
                &mut mapping.contact.policy,
                &mut mapping.deal.policy,
            ] {
                policy.push = PushMode::CreateAndUpdate;
            }
        }
        shopify::ID => {
            mapping.order.deals = true;
            mapping.order.partner_from = vec![PartnerSource {
                property: "discount_codes".to_owned(),
                partners: codes(state).await?,
                by_domain: false,
            }];
        }
        slack::ID => {
            mapping.chat.channel = Some(channel(state, row.id).await?);
            mapping.chat.deal_won = true;
            mapping.chat.deal_lost = true;
        }
        _ => {}
    }
    Ok(mapping)
}

/// A discount code for each of the first partners: the first word of its name and a number.
async fn codes(state: &State) -> Result<BTreeMap<String, PartnerRef>, Failure> {
    let partners = partner::Entity::visible_to(&Viewer::system("demo"))
        .filter(partner::Column::ArchivedAt.is_null())
        .order_by_asc(partner::Column::Name)
        .limit(CODES)
        .all(state.core.database.read())
        .await
        .map_err(|error| Failure::fault("the partners cannot be read", error))?;
    let mut codes = BTreeMap::new();
    for partner in partners {
        codes
            .entry(fold(&code_of(&partner.name)))
            .or_insert(PartnerRef::Id(partner.id));
    }
    Ok(codes)
}

/// The discount code of a partner of this name.
fn code_of(name: &str) -> String {
    let letters: String = name
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .take(24)
        .collect();
    format!("{}10", letters.to_uppercase())
}

async fn channel(state: &State, id: ConnectionId) -> Result<String, Failure> {
    let failed =
        |error: &dyn std::fmt::Display| Failure::fault("the chat's channels cannot be read", error);
    let keeper = state.core.engine.keeper();
    let connector = keeper
        .connector(slack::ID)
        .map_err(|error| failed(&error))?;
    let opened = keeper.open(id).await.map_err(|error| failed(&error))?;
    let opened = opened.doing(Work::Interactive);
    let notify = connector
        .notify()
        .ok_or_else(|| failed(&"nothing can be posted there"))?;
    let channels = notify
        .channels(&opened.context(&state.core.database))
        .await
        .map_err(|error| failed(&error))?;
    channels
        .into_iter()
        .find(|channel| channel.name == CHANNEL)
        .map(|channel| channel.external_id)
        .ok_or_else(|| failed(&format!("there is no #{CHANNEL}")))
}

/// Tells the org where its messages go: the address holds a secret, so it is known only now, and our port may have changed since.
fn open_door(state: &State, sandboxes: &Sandboxes, row: &Model) -> Result<(), Failure> {
    let failed = |error: &dyn std::fmt::Display| {
        Failure::fault("the org's own door cannot be opened", error)
    };
    let hook = state
        .core
        .engine
        .hook(row)
        .map_err(|error| failed(&error))?;
    let target = hook.map(|hook| {
        let path = own_webhook_path(&row.connector, hook.expose_secret());
        state.public_url.url_at(&path)
    });
    sandboxes
        .salesforce
        .set_webhook_target(target)
        .map_err(|error| failed(&error))
}

/// Reads what is new, with bars for whoever watches.
async fn synchronised(
    state: &State,
    row: &Model,
    watched: bool,
) -> Result<sync_run::Model, Failure> {
    let failed = |error: &dyn std::fmt::Display| {
        Failure::fault(
            &format!("the first sync of {} failed", row.connector),
            error,
        )
    };
    let bars = Bars::new(watched);
    let run = state
        .core
        .engine
        .sync_connection(row.id, SyncKind::Changes, |progress| bars.show(&progress))
        .await;
    bars.finish();
    let run = run.map_err(|error| failed(&error))?;
    if run.status == SyncRunStatus::Failed {
        let reason = run.error.as_deref().unwrap_or("no reason is known");
        return Err(failed(&reason));
    }
    Ok(run)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_made_of_the_name() {
        assert_eq!(
            code_of("Harbour Instruments 1 Inc"),
            "HARBOURINSTRUMENTS1INC10"
        );
        assert_eq!(code_of("Ärzte & Co"), "RZTECO10");
    }
}
