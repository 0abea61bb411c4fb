//! The worker that keeps the programme's time: what a day or a payment brings about without anybody's doing.
//!
//! It runs beside the engine, one hand in each process that works. Agreements begin, are renewed and end; obligations and protections are announced and
//! protections end, and applications whose answer did not come; revenue becomes entries of the ledger, entries become payable, contract years are settled; once a day it is looked whose commitment is at
//! risk and who meets the criteria of which tier. Each of these is an operation of its
//! entity that does nothing twice, so that several processes may do it and one that was killed is made up for. What has nothing to do writes nothing.
//! Nobody waits for any of it to the second, so no commit wakes it.

use super::Work;
use entities::change::{Author, Change, Origin};
use entities::database::Database;
use entities::error::{Error, Result};
use entities::{
    accrual, agreement, deal_registration, ledger_entry, obligation, partner_application, tier,
};
use std::time::Duration;

/// How often it looks.
pub const POLL: Duration = Duration::from_secs(15);

/// Rows of one operation in one transaction.
const ROWS: u64 = 200;

/// How many days before an obligation is due it is announced.
const OBLIGATION_DAYS: i64 = 30;

/// How many days before a protection ends that is announced.
const PROTECTION_DAYS: i64 = 14;

/// How many days after its end a contract year is settled: payments of its last days are told late.
const SETTLING_DAYS: i64 = 5;

/// Keeps the time of a database's programme.
#[derive(Clone, Debug)]
pub struct Clockwork(pub Database);

impl Clockwork {
    fn author() -> Author {
        Author {
            actor: "worker".to_owned(),
            origin: Origin::Api,
            connection: None,
        }
    }

    async fn change(&self) -> Result<Change> {
        Change::begin(&self.0, Self::author()).await
    }

    async fn agreements(&self) -> Result<bool> {
        let (mut after, mut moved) = (None, false);
        loop {
            let mut change = self.change().await?;
            let tended = agreement::tend(&mut change, after, ROWS).await?;
            for (row, why) in &tended.blocked {
                tracing::debug!(agreement = %row.id, why, "an agreement cannot begin");
            }
            moved |= settle(change, !tended.moved.is_empty()).await?;
            after = tended.last;
            if after.is_none() {
                return Ok(moved);
            }
        }
    }

    async fn obligations(&self) -> Result<bool> {
        let mut change = self.change().await?;
        let told = obligation::announce(&mut change, OBLIGATION_DAYS, ROWS).await?;
        settle(change, !told.is_empty()).await
    }

    async fn protections(&self) -> Result<bool> {
        let mut change = self.change().await?;
        let over = deal_registration::expire(&mut change, ROWS).await?;
        let told = deal_registration::announce_expiring(&mut change, PROTECTION_DAYS, ROWS).await?;
        settle(change, !over.is_empty() || !told.is_empty()).await
    }

    async fn applications(&self) -> Result<bool> {
        let mut change = self.change().await?;
        let over = partner_application::expire(&mut change, ROWS).await?;
        settle(change, !over.is_empty()).await
    }

    async fn years(&self) -> Result<bool> {
        let mut change = self.change().await?;
        let opened = accrual::open_years(&mut change, ROWS).await?;
        settle(change, opened > 0).await?;
        let mut change = self.change().await?;
        let settled = accrual::close_years(&mut change, SETTLING_DAYS, ROWS).await?;
        let settled = settle(change, !settled.is_empty()).await?;
        Ok(settled || opened > 0)
    }

    async fn commitments(&self) -> Result<bool> {
        let mut change = self.change().await?;
        // That it was looked is written also where nobody is told.
        let looked = accrual::warn_of_commitments(&mut change).await?;
        settle(change, looked.is_some()).await
    }

    async fn tiers(&self) -> Result<bool> {
        let mut change = self.change().await?;
        let looked = tier::evaluate(&mut change).await?;
        settle(change, looked.is_some()).await
    }

    async fn payable(&self) -> Result<bool> {
        let mut change = self.change().await?;
        let released = match change.now().date() {
            Some(today) => ledger_entry::release_payable(&mut change, today).await?,
            None => 0,
        };
        settle(change, released > 0).await
    }
}

/// Ends a change that did something, or nothing.
async fn settle(change: Change, something: bool) -> Result<bool> {
    if something {
        change.commit().await?;
    } else {
        change.rollback().await?;
    }
    Ok(something)
}

impl Work for Clockwork {
    type Error = Error;

    async fn step(&self) -> Result<bool> {
        // Agreements first: what they say today is what today's revenue earns by.
        let began = self.agreements().await?;
        // It goes on until nothing waits, so that there is nothing to come back for.
        accrual::accrue(&self.0, &Self::author()).await?;
        let settled = self.years().await?;
        let payable = self.payable().await?;
        // What was earned until now decides of tiers and commitments.
        let at_risk = self.commitments().await?;
        let judged = self.tiers().await?;
        let due = self.obligations().await?;
        let over = self.protections().await?;
        let unanswered = self.applications().await?;
        Ok(began || settled || payable || at_risk || judged || due || over || unanswered)
    }
}
