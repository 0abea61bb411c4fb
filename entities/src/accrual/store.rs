//! Between the desk and the database: what a batch needs is read by sets, and what it made is written by sets, in the batch's own transaction.

use super::book::Book;
use super::desk::{Desk, Known, Maker, Origin, Outcome, Sharer, Told, YearKey};
use super::explanation::Explanation;
use crate::change::Change;
use crate::clock::Timestamp;
use crate::commitment_year::{self, Counters};
use crate::database::Database;
use crate::deal_partner::{self, DealPartnerRole};
use crate::error::{Error, Result};
use crate::event::{EventKind, NewEvent};
use crate::id::{
    CommissionRunId, CommitmentYearId, CustomerId, DealId, LedgerEntryId, PartnershipId,
    RevenueEventId,
};
use crate::ledger_entry::{self, LedgerKind};
use crate::money::{BasisPoints, Money};
use crate::revenue_accrual::{self, AccrualReason, AccrualStatus};
use crate::revenue_reversal;
use crate::viewer::Viewer;
use crate::visible::{self, Visible as _};
use crate::{revenue_event, write};
use sea_orm::entity::prelude::*;
use sea_orm::{QueryOrder as _, QuerySelect as _};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// Ids from the database's source.
pub(super) struct Ids(pub(super) Database);

impl Maker for Ids {
    fn entry(&mut self) -> LedgerEntryId {
        self.0.new_id()
    }
    fn year(&mut self) -> CommitmentYearId {
        self.0.new_id()
    }
}

fn system() -> Viewer {
    Viewer::system("accrual")
}

/// What waits, with who shares in it.
pub(super) async fn waiting(change: &Change, limit: u64) -> Result<Vec<Told>> {
    let pending = revenue_accrual::pending(change.transaction(), limit).await?;
    let ids = pending.iter().map(|row| row.revenue_event_id.0);
    let mut events =
        visible::find_all::<revenue_event::Entity, _>(change.transaction(), &system(), ids).await?;
    events.sort_unstable_by_key(|row| (row.occurred_at, row.id));
    let mut told = sharers(change.transaction(), events).await?;
    let exceeded: HashSet<RevenueEventId> = pending
        .iter()
        .filter(|row| row.reason == Some(AccrualReason::Exceeds))
        .map(|row| row.revenue_event_id)
        .collect();
    for one in &mut told {
        one.exceeded = exceeded.contains(&one.event.id);
    }
    Ok(told)
}

/// Who shares in revenue: the earning roles of its deal; where the deal has none, the partnership that the revenue itself names.
pub(super) async fn sharers(
    connection: &impl ConnectionTrait,
    events: Vec<revenue_event::Model>,
) -> Result<Vec<Told>> {
    let deals: BTreeSet<DealId> = events.iter().filter_map(|event| event.deal_id).collect();
    let deals: Vec<DealId> = deals.into_iter().collect();
    let mut shares: HashMap<DealId, BTreeMap<PartnershipId, Sharer>> = HashMap::new();
    for chunk in deals.chunks(500) {
        let rows = deal_partner::Entity::visible_to(&system())
            .filter(deal_partner::Column::DealId.is_in(chunk.iter().copied()))
            .filter(deal_partner::Column::Role.is_in(DealPartnerRole::earning()))
            .all(connection)
            .await?;
        for row in rows {
            let of = shares.entry(row.deal_id).or_default();
            let sharer = of.entry(row.partnership_id).or_insert(Sharer {
                partnership_id: row.partnership_id,
                weight: BasisPoints::NONE,
                referred: true,
            });
            // Several roles of one partnership are one share; a fee takes its place only where referring is all it did.
            let points = sharer.weight.points() + row.weight_bp.points();
            sharer.weight = BasisPoints::new(points).unwrap_or(BasisPoints::WHOLE);
            sharer.referred &= row.role == DealPartnerRole::Referred;
        }
    }
    let told = events.into_iter().map(|event| {
        let of_deal = event.deal_id.and_then(|deal| shares.get(&deal));
        let sharers = match (of_deal, event.partnership_id) {
            (Some(shares), _) => shares
                .values()
                .copied()
                .filter(|one| one.weight > BasisPoints::NONE)
                .collect(),
            (None, Some(partnership_id)) => vec![Sharer {
                partnership_id,
                weight: BasisPoints::WHOLE,
                referred: false,
            }],
            (None, None) => Vec::new(),
        };
        Told {
            event,
            sharers,
            exceeded: false,
        }
    });
    Ok(told.collect())
}

/// Reads what a batch is computed with.
pub(super) async fn prepare(change: &Change, told: &[Told]) -> Result<(Book, Desk)> {
    let connection = change.transaction();
    let mut desk = Desk::default();
    let refunds: Vec<&Told> = told
        .iter()
        .filter(|one| one.event.net().minor < 0)
        .collect();
    let mut partnerships: BTreeSet<PartnershipId> = told
        .iter()
        .flat_map(|one| one.sharers.iter().map(|sharer| sharer.partnership_id))
        .collect();
    refunded_before(change, &mut desk, told).await?;
    let entries = if refunds.is_empty() {
        Vec::new()
    } else {
        payments(change, &mut desk, told, &refunds).await?
    };
    partnerships.extend(entries.iter().map(|entry| entry.partnership_id));
    let all: Vec<PartnershipId> = partnerships.into_iter().collect();
    let years = commitment_year::of_partnerships(connection, &system(), &all).await?;
    let mut keys: HashMap<CommitmentYearId, YearKey> = HashMap::new();
    for row in years {
        let key = YearKey {
            partnership_id: row.partnership_id,
            agreement_id: row.agreement_id,
            starts_on: row.starts_on,
            currency: row.currency,
        };
        keys.insert(row.id, key);
        desk.know_year(row);
    }
    fees(change, &mut desk, told).await?;
    let touched = touched(&desk, told, &refunds, &entries);
    if !touched.is_empty() {
        know(change, &mut desk, entries, &keys, &touched).await?;
    }
    Ok((Book::load(connection, &all).await?, desk))
}

/// Whose bonuses a batch may take from: who earned from what it refunds, and who shares in a payment of it that it or an earlier refund takes back.
fn touched(
    desk: &Desk,
    told: &[Told],
    refunds: &[&Told],
    entries: &[ledger_entry::Model],
) -> HashSet<PartnershipId> {
    let deals: HashSet<DealId> = refunds.iter().filter_map(|one| one.event.deal_id).collect();
    let customers: HashSet<CustomerId> = refunds
        .iter()
        .filter_map(|one| one.event.customer_id)
        .collect();
    let named: HashSet<RevenueEventId> = desk.said.values().flatten().map(|said| said.0).collect();
    let here = told.iter().filter(|one| {
        let event = &one.event;
        desk.before.contains_key(&event.id)
            || named.contains(&event.id)
            || event.deal_id.is_some_and(|id| deals.contains(&id))
            || event.customer_id.is_some_and(|id| customers.contains(&id))
    });
    let sharers = here.flat_map(|one| one.sharers.iter().map(|sharer| sharer.partnership_id));
    let earned = entries.iter().map(|entry| entry.partnership_id);
    sharers.chain(earned).collect()
}

/// The refunds of a batch's payments that were computed before these earned anything.
async fn refunded_before(change: &Change, desk: &mut Desk, told: &[Told]) -> Result<()> {
    let connection = change.transaction();
    let payments: Vec<RevenueEventId> = told
        .iter()
        .filter(|one| one.event.net().minor > 0)
        .map(|one| one.event.id)
        .collect();
    let parts = revenue_reversal::of_payments(connection, &payments).await?;
    if parts.is_empty() {
        return Ok(());
    }
    let refunds: BTreeSet<RevenueEventId> = parts.iter().map(|part| part.refund_id).collect();
    let refunds: Vec<RevenueEventId> = refunds.into_iter().collect();
    // One that waits takes back by itself when its turn comes.
    let computed = revenue_accrual::computed(connection, &refunds).await?;
    let ids = computed.iter().map(|id| id.0);
    let events = visible::find_all::<revenue_event::Entity, _>(connection, &system(), ids).await?;
    let events: HashMap<RevenueEventId, revenue_event::Model> =
        events.into_iter().map(|row| (row.id, row)).collect();
    for part in parts {
        if let Some(refund) = events.get(&part.refund_id) {
            let of = desk.before.entry(part.payment_id).or_default();
            of.push((refund.clone(), part.amount_minor));
        }
    }
    for of in desk.before.values_mut() {
        of.sort_unstable_by_key(|(refund, _)| (refund.occurred_at, refund.id));
    }
    Ok(())
}

/// The payments that a batch's refunds may be of, as far as they have been computed, and their entries.
async fn payments(
    change: &Change,
    desk: &mut Desk,
    told: &[Told],
    refunds: &[&Told],
) -> Result<Vec<ledger_entry::Model>> {
    let connection = change.transaction();
    let refund_ids: Vec<RevenueEventId> = refunds.iter().map(|one| one.event.id).collect();
    let exceeded: HashSet<RevenueEventId> = refunds
        .iter()
        .filter(|one| one.exceeded)
        .map(|one| one.event.id)
        .collect();
    let waiting: HashSet<RevenueEventId> = refund_ids
        .iter()
        .copied()
        .filter(|id| !exceeded.contains(id))
        .collect();
    for part in revenue_reversal::of_refunds(connection, &refund_ids).await? {
        let of = if exceeded.contains(&part.refund_id) {
            &mut desk.done
        } else {
            &mut desk.said
        };
        of.entry(part.refund_id)
            .or_default()
            .push((part.payment_id, part.amount_minor));
    }
    let deals: BTreeSet<DealId> = refunds.iter().filter_map(|one| one.event.deal_id).collect();
    let customers: BTreeSet<CustomerId> = refunds
        .iter()
        .filter(|one| one.event.deal_id.is_none())
        .filter_map(|one| one.event.customer_id)
        .collect();
    let mut found = Vec::new();
    for chunk in deals.into_iter().collect::<Vec<_>>().chunks(500) {
        let select = revenue_event::Entity::visible_to(&system())
            .filter(revenue_event::Column::DealId.is_in(chunk.iter().copied()));
        found.extend(select.all(connection).await?);
    }
    for chunk in customers.into_iter().collect::<Vec<_>>().chunks(500) {
        let select = revenue_event::Entity::visible_to(&system())
            .filter(revenue_event::Column::DealId.is_null())
            .filter(revenue_event::Column::CustomerId.is_in(chunk.iter().copied()));
        found.extend(select.all(connection).await?);
    }
    let named = desk.said.values().flatten().map(|(payment, _)| payment.0);
    found
        .extend(visible::find_all::<revenue_event::Entity, _>(connection, &system(), named).await?);
    // What comes in this batch is known when its turn comes; what waits for a later one is not computed yet.
    let here: HashSet<RevenueEventId> = told.iter().map(|one| one.event.id).collect();
    found.retain(|event| event.net().minor > 0 && !here.contains(&event.id));
    let ids: Vec<RevenueEventId> = found.iter().map(|event| event.id).collect();
    let mut later: HashSet<RevenueEventId> = HashSet::new();
    for chunk in ids.chunks(500) {
        let rows = revenue_accrual::Entity::visible_to(&system())
            .filter(revenue_accrual::Column::RevenueEventId.is_in(chunk.iter().copied()))
            .filter(revenue_accrual::Column::Status.eq(AccrualStatus::Pending))
            .all(connection)
            .await?;
        later.extend(rows.into_iter().map(|row| row.revenue_event_id));
    }
    found.retain(|event| !later.contains(&event.id));
    let mut refunded: HashMap<RevenueEventId, i64> = HashMap::new();
    for row in revenue_reversal::of_payments(connection, &ids).await? {
        // What was said of a refund that is still to be computed has not been taken yet.
        if !waiting.contains(&row.refund_id) {
            *refunded.entry(row.payment_id).or_default() += row.amount_minor;
        }
    }
    let mut entries = Vec::new();
    for chunk in ids.chunks(500) {
        let select = ledger_entry::Entity::visible_to(&system())
            .filter(ledger_entry::Column::CauseEventId.is_in(chunk.iter().copied()))
            .filter(ledger_entry::Column::ReversesId.is_null())
            .order_by_asc(ledger_entry::Column::Id)
            // What is taken back has the state of what it is taken from, so nobody may move that meanwhile.
            .lock_exclusive();
        entries.extend(select.all(connection).await?);
    }
    for event in &found {
        desk.know_payment(event, refunded.get(&event.id).copied().unwrap_or(0));
    }
    Ok(entries)
}

/// Makes the entries of payments known, and the bonuses of all years that something may be taken from.
async fn know(
    change: &Change,
    desk: &mut Desk,
    mut entries: Vec<ledger_entry::Model>,
    keys: &HashMap<CommitmentYearId, YearKey>,
    touched: &HashSet<PartnershipId>,
) -> Result<()> {
    let years: Vec<CommitmentYearId> = keys
        .iter()
        .filter(|(_, key)| touched.contains(&key.partnership_id))
        .map(|(id, _)| *id)
        .collect();
    let listed: HashSet<LedgerEntryId> = entries.iter().map(|entry| entry.id).collect();
    for chunk in years.chunks(500) {
        let select = ledger_entry::Entity::visible_to(&system())
            .filter(ledger_entry::Column::CommitmentYearId.is_in(chunk.iter().copied()))
            .filter(ledger_entry::Column::Kind.eq(LedgerKind::Bonus))
            .order_by_asc(ledger_entry::Column::Id)
            .lock_exclusive();
        let more = select.all(change.transaction()).await?;
        entries.extend(more.into_iter().filter(|entry| !listed.contains(&entry.id)));
    }
    entries.sort_unstable_by_key(|entry| entry.id);
    let mut clawed: HashMap<LedgerEntryId, i64> = HashMap::new();
    for chunk in entries.chunks(500) {
        let rows = ledger_entry::Entity::visible_to(&system())
            .filter(ledger_entry::Column::ReversesId.is_in(chunk.iter().map(|entry| entry.id)))
            .all(change.transaction())
            .await?;
        for row in rows {
            if let Some(of) = row.reverses_id {
                *clawed.entry(of).or_default() -= row.amount_minor;
            }
        }
    }
    for entry in entries {
        let (Some(agreement), Some(version), Some(year)) = (
            entry.agreement_id,
            entry.agreement_version_id,
            entry.commitment_year_id,
        ) else {
            return Err(Error::Damaged(format!(
                "{} does not say by what it was computed",
                entry.id
            )));
        };
        let Some(key) = keys.get(&year).copied() else {
            return Err(Error::Damaged(format!("{} is of no year", entry.id)));
        };
        let of = Origin {
            agreement,
            version,
            rule: entry.commission_rule_id,
            year,
        };
        if let Some(event) = entry.revenue_event_id
            && entry.kind != LedgerKind::Bonus
            && let Some(payment) = desk.payments.get_mut(&event)
            && let Some(explanation) = Explanation::read(&entry)?
        {
            payment
                .shared
                .insert(entry.partnership_id, (explanation, key, entry.partner_id));
        }
        let known = Known {
            id: entry.id,
            kind: entry.kind,
            status: entry.status,
            amount: entry.amount_minor,
            clawed: clawed.get(&entry.id).copied().unwrap_or(0),
            revenue_event_id: entry.revenue_event_id,
            deal_id: entry.deal_id,
            available_on: entry.available_on,
            of,
        };
        desk.know_entry(key, known);
    }
    Ok(())
}

/// What was paid as fees for the deals of a batch.
async fn fees(change: &Change, desk: &mut Desk, told: &[Told]) -> Result<()> {
    let referred = told
        .iter()
        .filter(|one| one.sharers.iter().any(|sharer| sharer.referred));
    let deals: BTreeSet<DealId> = referred.filter_map(|one| one.event.deal_id).collect();
    for chunk in deals.into_iter().collect::<Vec<_>>().chunks(500) {
        let fees = ledger_entry::Entity::visible_to(&system())
            .filter(ledger_entry::Column::DealId.is_in(chunk.iter().copied()))
            .filter(ledger_entry::Column::Kind.eq(LedgerKind::ReferralFee))
            .all(change.transaction())
            .await?;
        let ids = fees.iter().map(|fee| fee.id);
        let taken = ledger_entry::Entity::visible_to(&system())
            .filter(ledger_entry::Column::ReversesId.is_in(ids))
            .all(change.transaction())
            .await?;
        for row in fees.iter().chain(&taken) {
            if let Some(deal) = row.deal_id {
                *desk.fees.entry((row.partnership_id, deal)).or_default() += row.amount_minor;
            }
        }
    }
    Ok(())
}

/// Writes what a batch made.
pub(super) async fn persist(
    change: &mut Change,
    run: CommissionRunId,
    book: &Book,
    desk: &Desk,
    outcomes: &[(&Told, Outcome)],
) -> Result<()> {
    write_years(change, desk).await?;
    let mut rows = Vec::new();
    let mut reversed = Vec::new();
    let mut settled: BTreeMap<(AccrualStatus, Option<AccrualReason>), Vec<RevenueEventId>> =
        BTreeMap::new();
    for (told, outcome) in outcomes {
        let status = if outcome.drafts.is_empty() {
            AccrualStatus::Nothing
        } else {
            AccrualStatus::Accrued
        };
        settled
            .entry((status, outcome.reason))
            .or_default()
            .push(told.event.id);
        reversed.extend(outcome.reversed.iter().map(|part| revenue_reversal::Model {
            refund_id: part.refund,
            payment_id: part.payment,
            amount_minor: part.amount,
            created_at: change.now(),
        }));
        for draft in &outcome.drafts {
            let explanation = serde_json::to_value(&draft.explanation).map_err(|error| {
                Error::Damaged(format!("an explanation without a JSON form: {error}"))
            })?;
            let amount = Money {
                minor: draft.amount,
                currency: draft.currency,
            };
            let blank = ledger_entry::blank(
                change,
                draft.partnership_id,
                draft.partner_id,
                amount,
                draft.available_on,
            );
            rows.push(ledger_entry::Model {
                id: draft.id,
                kind: draft.kind,
                status: draft.status,
                revenue_event_id: draft.revenue_event_id,
                cause_event_id: Some(draft.cause),
                deal_id: draft.deal_id,
                agreement_id: draft.of.map(|of| of.agreement),
                agreement_version_id: draft.of.map(|of| of.version),
                commission_rule_id: draft.of.and_then(|of| of.rule),
                commitment_year_id: draft.of.map(|of| of.year),
                reverses_id: draft.reverses,
                run_id: Some(run),
                explanation,
                ..blank
            });
        }
    }
    write::insert::<ledger_entry::Entity>(change, &rows).await?;
    write::insert::<revenue_reversal::Entity>(change, &reversed).await?;
    for ((status, reason), events) in settled {
        revenue_accrual::settle(change, run, &events, status, reason).await?;
    }
    let exceeded = outcomes.iter().filter(|(told, _)| told.exceeded);
    let late = outcomes
        .iter()
        .flat_map(|(_, outcome)| &outcome.late)
        .copied();
    let again: Vec<RevenueEventId> = exceeded
        .map(|(told, _)| told.event.id)
        .chain(late)
        .collect();
    revenue_accrual::look_again(change, &again).await?;
    let (taken, given): (Vec<_>, Vec<_>) = rows
        .into_iter()
        .partition(|row| row.kind == LedgerKind::Clawback);
    for (kind, rows) in [
        (EventKind::CommissionCreated, given),
        (EventKind::CommissionClawedBack, taken),
    ] {
        ledger_entry::tell(
            change,
            kind,
            &rows,
            |ids, sums| json!({ "entries": ids, "amounts": sums, "run": run }),
        );
    }
    for key in outcomes.iter().flat_map(|(_, outcome)| &outcome.met) {
        let data = json!({ "agreement": key.agreement_id, "year": key.starts_on, "currency": key.currency });
        let event = NewEvent::about(EventKind::CommitmentMet, key.partnership_id, data);
        let partner = book.partner_of(key.partnership_id);
        change.record(match partner {
            Some(partner) => event.for_partner(partner),
            None => event.internal(),
        });
    }
    Ok(())
}

async fn write_years(change: &Change, desk: &Desk) -> Result<()> {
    const COLUMNS: [write::Column; 12] = [
        write::Column::plain("id"),
        write::Column::plain("version"),
        write::Column::plain("created_at"),
        write::Column::plain("updated_at"),
        write::Column::plain("partnership_id"),
        write::Column::plain("partner_id"),
        write::Column::plain("agreement_id"),
        write::Column::plain("currency"),
        write::Column::plain("starts_on"),
        write::Column::plain("ends_on"),
        write::Column::plain("status"),
        write::Column::json("counters"),
    ];
    let mut changed: Vec<_> = desk.years.iter().filter(|(_, at)| at.changed).collect();
    changed.sort_unstable_by_key(|(key, _)| **key);
    let now = change.now();
    let rows = changed.into_iter().map(|(key, at)| {
        Ok([
            at.id.into(),
            1_i64.into(),
            now.into(),
            now.into(),
            key.partnership_id.into(),
            at.partner_id.into(),
            key.agreement_id.into(),
            key.currency.into(),
            key.starts_on.into(),
            at.ends_on.into(),
            at.status.to_value().into(),
            write::json_text(&Counters(at.year.clone()))?,
        ])
    });
    let rows: Vec<Result<[Value; 12]>> = rows.collect();
    let again = " ON CONFLICT (id) DO UPDATE SET version = commitment_year.version + 1, updated_at = excluded.updated_at, status = excluded.status, \
                 counters = excluded.counters";
    write::insert_values(
        change.transaction(),
        "commitment_year",
        &COLUMNS,
        rows.into_iter(),
        again,
    )
    .await
}

/// Writes how far a run has come.
pub(super) async fn note_run(
    change: &Change,
    id: CommissionRunId,
    started_at: Timestamp,
    digest: &Sha256,
    (events, entries): (u64, u64),
) -> Result<()> {
    const COLUMNS: [write::Column; 7] = [
        write::Column::plain("id"),
        write::Column::plain("started_at"),
        write::Column::plain("started_by"),
        write::Column::plain("events"),
        write::Column::plain("entries"),
        write::Column::plain("result_hash"),
        write::Column::plain("finished_at"),
    ];
    let count = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    let row: [Value; 7] = [
        id.into(),
        started_at.into(),
        change.author().actor.as_str().into(),
        count(events).into(),
        count(entries).into(),
        hex::encode(digest.clone().finalize()).into(),
        Some(change.now()).into(),
    ];
    let again = " ON CONFLICT (id) DO UPDATE SET events = excluded.events, entries = excluded.entries, result_hash = excluded.result_hash, \
                 finished_at = excluded.finished_at";
    let rows = std::iter::once(Ok(row));
    write::insert_values(
        change.transaction(),
        "commission_run",
        &COLUMNS,
        rows,
        again,
    )
    .await
}
