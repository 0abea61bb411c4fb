//! Computing what partners earn: revenue becomes entries of the ledger.
//!
//! A run takes what waits in the order in which the money moved, a batch in a transaction, one run at a time. It is deterministic: the same revenue, rules
//! and agreements give the same entries and the same hash. Revenue is computed once: what has been is not touched again, whatever rules become, and
//! unique indexes refuse the same entry a second time. What history brought is computed only when [`accrue_history`] is asked to; [`preview_history`]
//! does the same and takes it back.

mod book;
mod desk;
mod explanation;
mod pace;
mod simulation;
mod store;
mod year_end;

pub use book::RateSource;
pub use explanation::{ENGINE, Explanation, Taken};
pub use pace::warn_of_commitments;
pub use simulation::{Difference, simulate};
pub use year_end::{Settled, close_years, open_years};

use crate::change::{Author, Change};
use crate::clock::Timestamp;
use crate::database::Database;
use crate::error::{Error, Result, ViolationCode};
use crate::id::{CommissionRunId, LedgerEntryId, PartnershipId, RevenueEventId, TypedId as _};
use crate::money::{Currency, Money};
use crate::revenue_accrual;
use crate::turn::{self, Turn};
use crate::viewer::Viewer;
use crate::{agreement, agreement_version, commission_rule, ledger_entry, revenue_event, visible};
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, HashSet};

/// Revenue computed in one transaction.
const BATCH: u64 = 5_000;

/// What a run did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// Its row; none when nothing waited, for then nothing is written.
    pub id: Option<CommissionRunId>,
    /// How much revenue was computed.
    pub events: u64,
    /// How many entries were written.
    pub entries: u64,
    /// What they come to, by partnership and currency.
    pub sums: BTreeMap<(PartnershipId, Currency), i64>,
    /// A hash of the entries.
    pub result_hash: String,
}

#[derive(Default)]
struct Tally {
    /// Revenue that is not counted: what waited anyway when history was asked for.
    besides: HashSet<RevenueEventId>,
    events: u64,
    entries: u64,
    sums: BTreeMap<(PartnershipId, Currency), i64>,
    digest: Sha256,
}

impl Tally {
    fn into_run(self, id: Option<CommissionRunId>) -> Run {
        Run {
            id,
            events: self.events,
            entries: self.entries,
            sums: self.sums,
            result_hash: hex::encode(self.digest.finalize()),
        }
    }
}

/// Computes everything that waits.
///
/// # Errors
/// When the database fails; what was committed by then stays, and another run goes on from there.
pub async fn accrue(database: &Database, author: &Author) -> Result<Run> {
    run(database, author, Tally::default()).await
}

async fn run(database: &Database, author: &Author, mut tally: Tally) -> Result<Run> {
    let id: CommissionRunId = database.new_id();
    let mut begun = None;
    loop {
        let mut change = Change::begin(database, author.clone()).await?;
        if !batch(&mut change, id, &mut tally, begun.is_none()).await? {
            change.rollback().await?;
            break;
        }
        let started = *begun.get_or_insert(change.now());
        store::note_run(
            &change,
            id,
            started,
            &tally.digest,
            (tally.events, tally.entries),
        )
        .await?;
        change.commit().await?;
    }
    Ok(tally.into_run(begun.map(|_| id)))
}

/// Computes one batch; whether there was any.
async fn batch(
    change: &mut Change,
    run: CommissionRunId,
    tally: &mut Tally,
    first: bool,
) -> Result<bool> {
    turn::take(change, Turn::Accrual).await?;
    if first {
        revenue_accrual::reopen(change).await?;
    }
    let told = store::waiting(change, BATCH).await?;
    if told.is_empty() {
        return Ok(false);
    }
    let (book, mut desk) = store::prepare(change, &told).await?;
    let mut outcomes = Vec::with_capacity(told.len());
    let mut make = store::Ids(change.database().clone());
    for told in &told {
        outcomes.push((told, desk.take(&book, told, &mut make)?));
    }
    for (told, outcome) in &outcomes {
        if tally.besides.contains(&told.event.id) {
            continue;
        }
        tally.events += 1;
        for draft in &outcome.drafts {
            tally.entries += 1;
            let sum = tally
                .sums
                .entry((draft.partnership_id, draft.currency))
                .or_default();
            *sum = sum.saturating_add(draft.amount);
            let line = format!(
                "{}|{}|{}|{:?}|{}|{}|{}\n",
                told.event.source,
                told.event.external_key,
                draft.partnership_id.uuid(),
                draft.kind,
                draft.amount,
                draft.currency,
                draft.available_on
            );
            tally.digest.update(line.as_bytes());
        }
    }
    store::persist(change, run, &book, &desk, &outcomes).await?;
    Ok(true)
}

/// What [`accrue_history`] would compute from an instant on; nothing is written. Only history counts: what is being computed anyway is computed before
/// and between, as it would be, and is no part of the answer.
///
/// # Errors
/// When the database fails.
pub async fn preview_history(database: &Database, author: &Author, from: Timestamp) -> Result<Run> {
    Ok(preview(database, author, from).await?.0)
}

async fn preview(
    database: &Database,
    author: &Author,
    from: Timestamp,
) -> Result<(Run, Vec<(RevenueEventId, Timestamp)>)> {
    let mut change = Change::begin(database, author.clone()).await?;
    turn::take(&change, Turn::Accrual).await?;
    let mut tally = Tally {
        besides: revenue_accrual::all_pending(change.transaction()).await?,
        ..Tally::default()
    };
    let history = revenue_accrual::history(&change, from).await?;
    revenue_accrual::raise(&change, &history).await?;
    let run = change.new_id();
    let mut first = true;
    while batch(&mut change, run, &mut tally, first).await? {
        first = false;
    }
    change.rollback().await?;
    Ok((tally.into_run(None), history))
}

/// Computes the revenue of history from an instant on, as if it had been told when it happened. `previewed` is the hash of the preview that the caller
/// has seen: where something has changed since, nothing is computed. What is told as history meanwhile is not computed with it.
///
/// # Errors
/// When the preview was another one, or the database fails.
pub async fn accrue_history(
    database: &Database,
    author: &Author,
    from: Timestamp,
    previewed: &str,
) -> Result<Run> {
    let (seen, history) = preview(database, author, from).await?;
    if seen.result_hash != previewed {
        let message = "This is not what was previewed: look again.";
        return Err(Error::invalid(
            ViolationCode::VersionConflict,
            "previewed",
            message,
        ));
    }
    let change = Change::begin(database, author.clone()).await?;
    turn::take(&change, Turn::Accrual).await?;
    let tally = Tally {
        besides: revenue_accrual::all_pending(change.transaction()).await?,
        ..Tally::default()
    };
    revenue_accrual::raise(&change, &history).await?;
    change.commit().await?;
    run(database, author, tally).await
}

/// An entry with everything it was computed from.
#[derive(Clone, Debug, PartialEq)]
pub struct Explained {
    /// The entry.
    pub entry: ledger_entry::Model,
    /// The revenue it was earned from.
    pub revenue: Option<revenue_event::Model>,
    /// The agreement.
    pub agreement: Option<agreement::Model>,
    /// The version of it.
    pub version: Option<agreement_version::Model>,
    /// The rule, which only staff sees.
    pub rule: Option<commission_rule::Model>,
    /// The entry it takes back.
    pub reverses: Option<ledger_entry::Model>,
    /// The numbers; none for what a person wrote.
    pub numbers: Option<Explanation>,
    /// The arithmetic in words.
    pub steps: Vec<String>,
}

/// Explains an entry to who may see it.
///
/// # Errors
/// Not found, or a fault of the database.
pub async fn explain(
    connection: &impl sea_orm::ConnectionTrait,
    viewer: &Viewer,
    id: LedgerEntryId,
) -> Result<Explained> {
    let entry = ledger_entry::load(connection, viewer, id).await?;
    let numbers = Explanation::read(&entry)?;
    let steps = match &numbers {
        Some(numbers) => numbers.steps(&entry),
        None => {
            let reason = entry
                .explanation
                .get("reason")
                .and_then(serde_json::Value::as_str);
            reason.map(str::to_owned).into_iter().collect()
        }
    };
    let revenue = match entry.revenue_event_id {
        Some(id) => visible::find_one::<revenue_event::Entity, _>(connection, viewer, id.0).await?,
        None => None,
    };
    let agreement = match entry.agreement_id {
        Some(id) => visible::find_one::<agreement::Entity, _>(connection, viewer, id.0).await?,
        None => None,
    };
    let version = match entry.agreement_version_id {
        Some(id) => {
            visible::find_one::<agreement_version::Entity, _>(connection, viewer, id.0).await?
        }
        None => None,
    };
    let rule = match entry.commission_rule_id {
        Some(id) => {
            visible::find_one::<commission_rule::Entity, _>(connection, viewer, id.0).await?
        }
        None => None,
    };
    let reverses = match entry.reverses_id {
        Some(id) => visible::find_one::<ledger_entry::Entity, _>(connection, viewer, id.0).await?,
        None => None,
    };
    Ok(Explained {
        entry,
        revenue,
        agreement,
        version,
        rule,
        reverses,
        numbers,
        steps,
    })
}

/// The sums of a run as money, by partnership.
#[must_use]
pub fn sums(run: &Run) -> Vec<(PartnershipId, Money)> {
    let money = |((partnership, currency), minor): (&(PartnershipId, Currency), &i64)| {
        (
            *partnership,
            Money {
                minor: *minor,
                currency: *currency,
            },
        )
    };
    run.sums.iter().map(money).collect()
}
