//! What won deals are worth, as revenue of a source of its own: the base of agreements that share what is booked, and of fees for a closing.
//!
//! Owns: the bookings of a deal, `<deal>/1`, `<deal>/2` and so on: an INVOICE books it, a CREDIT_NOTE takes the whole of the last booking back. Refuses:
//! to change a booking. Invariants: the standing booking of a deal is what it is worth, so the same deal again writes nothing; a credit note names its
//! booking, so that exactly what was earned of it is taken back. A booking that replaces another keeps its instant: the same terms apply, and
//! what remains is the difference. History does not act: a deal that was won before we looked is booked at rest. What replaces a booking that has earned earns,
//! however it came to be known, and what replaces one at rest is at rest.

use super::{Concerns, DEALS, Model, NewRevenue, RevenueKind, list_of_deals, record_from};
use crate::change::Change;
use crate::deal;
use crate::error::Result;
use crate::event::{self, EventKind};
use crate::id::{DealId, RevenueEventId};
use crate::money::Money;
use crate::viewer::Viewer;
use crate::{revenue_accrual, revenue_reversal, write};
use std::collections::{HashMap, HashSet};

/// What a deal is to be booked with.
fn worth(deal: &deal::Model) -> Option<Money> {
    deal.amount()
        .filter(|amount| deal.stage.is_won() && deal.archived_at.is_none() && amount.minor > 0)
}

fn key(deal: DealId, number: usize) -> String {
    format!("{deal}/{number}")
}

fn concerns(deal: &deal::Model) -> Concerns {
    Concerns {
        customer_id: deal.customer_id,
        deal_id: Some(deal.id),
        partnership: None,
    }
}

/// The bookings of a deal, by their number.
struct Bookings {
    /// How many there are.
    count: usize,
    /// The last INVOICE.
    last: Option<Model>,
    /// Whether it stands, that is, was not taken back.
    stands: bool,
    /// Whether it waits to be computed or has been, and is not history's.
    acted: bool,
}

async fn bookings(change: &Change, deals: &[DealId]) -> Result<HashMap<DealId, Bookings>> {
    let system = Viewer::system("revenue_event");
    let mut known: HashMap<DealId, Vec<(usize, Model)>> = HashMap::new();
    for row in list_of_deals(change.transaction(), &system, deals).await? {
        let number = row.external_key.rsplit_once('/');
        let number = number.and_then(|(_, number)| number.parse().ok());
        if let (Some(deal), Some(number), true) = (row.deal_id, number, row.source == DEALS) {
            known.entry(deal).or_default().push((number, row));
        }
    }
    let mut last: Vec<RevenueEventId> = Vec::new();
    let mut found = HashMap::new();
    for (deal, mut rows) in known {
        rows.sort_unstable_by_key(|(number, _)| *number);
        let stands = rows.last().is_some_and(|(_, row)| !row.kind.takes_back());
        let count = rows.last().map_or(0, |(number, _)| *number);
        let invoice = rows.into_iter().rfind(|(_, row)| !row.kind.takes_back());
        let invoice = invoice.map(|(_, row)| row);
        last.extend(invoice.as_ref().map(|row| row.id));
        let bookings = Bookings {
            count,
            last: invoice,
            stands,
            acted: false,
        };
        found.insert(deal, bookings);
    }
    let acted = revenue_accrual::told_of(change.transaction(), &last).await?;
    for bookings in found.values_mut() {
        bookings.acted = bookings
            .last
            .as_ref()
            .is_some_and(|row| acted.contains(&row.id));
    }
    Ok(found)
}

/// Bookings about to be recorded.
#[derive(Default)]
struct Drafts {
    events: Vec<NewRevenue>,
    acting: HashSet<String>,
    /// Which credit note takes back which booking.
    back: Vec<(String, Model)>,
}

impl Drafts {
    fn add(&mut self, event: NewRevenue, acts: bool) {
        if acts {
            self.acting.insert(event.external_key.clone());
        }
        self.events.push(event);
    }

    async fn record(self, change: &mut Change) -> Result<()> {
        let acting = self.acting;
        let acts = |key: &str| acting.contains(key);
        let recorded = record_from(change, DEALS.to_owned(), None, self.events, acts).await?;
        let made: HashMap<&str, &Model> = recorded
            .created
            .iter()
            .map(|row| (row.external_key.as_str(), row))
            .collect();
        let said = self.back.iter().filter_map(|(key, of)| {
            Some(revenue_reversal::Model {
                refund_id: made.get(key.as_str())?.id,
                payment_id: of.id,
                amount_minor: of.amount_minor,
                created_at: change.now(),
            })
        });
        let said: Vec<_> = said.collect();
        write::insert::<revenue_reversal::Entity>(change, &said).await
    }
}

/// Books deals that were made in this change, as far as they are won.
pub(crate) async fn book_new(change: &mut Change, deals: &[deal::Model]) -> Result<()> {
    let mut drafts = Drafts::default();
    let acts = change.earns();
    for deal in deals {
        let Some(amount) = worth(deal) else {
            continue;
        };
        let event = NewRevenue {
            external_key: key(deal.id, 1),
            kind: RevenueKind::Invoice,
            amount,
            occurred_at: deal.closed_at.unwrap_or(change.now()),
            concerns: concerns(deal),
        };
        drafts.add(event, acts);
    }
    drafts.record(change).await
}

/// Brings the bookings of a deal in line with what became of it. The caller holds its row.
pub(crate) async fn book_changed(
    change: &mut Change,
    before: (deal::DealStage, Option<Money>, bool),
    deal: &deal::Model,
) -> Result<()> {
    let (stage, amount, archived) = before;
    let wanted = worth(deal);
    let was = amount.filter(|amount| stage.is_won() && !archived && amount.minor > 0);
    if was == wanted {
        return Ok(());
    }
    let known = bookings(change, &[deal.id]).await?.remove(&deal.id);
    let (count, last, stands, acted) = match known {
        Some(known) => (known.count, known.last, known.stands, known.acted),
        None => (0, None, false, false),
    };
    let mut drafts = Drafts::default();
    let standing = last.as_ref().filter(|_| stands);
    if wanted == standing.map(Model::amount) {
        return Ok(());
    }
    let mut number = count;
    if let Some(standing) = standing {
        number += 1;
        // What is replaced is taken back at its own instant; what is no longer so, now.
        let occurred_at = match wanted {
            Some(_) => standing.occurred_at,
            None => standing.occurred_at.max(change.now()),
        };
        drafts.back.push((key(deal.id, number), standing.clone()));
        drafts.add(credit_note(deal, number, standing, occurred_at), true);
    }
    if let Some(amount) = wanted {
        let is_won_now = !stage.is_won();
        let acts = match (&last, is_won_now) {
            (Some(_), false) => acted,
            (Some(_), true) if stands => acted,
            (_, true) => change.earns(),
            // Its amount became known after it was won: what counts is whether the win itself was history.
            (None, false) => change.earns() && was_won_here(change, deal.id).await?,
        };
        let occurred_at = match last.filter(|_| !is_won_now || stands) {
            Some(last) => last.occurred_at,
            None => deal.closed_at.unwrap_or(change.now()),
        };
        let event = NewRevenue {
            external_key: key(deal.id, number + 1),
            kind: RevenueKind::Invoice,
            amount,
            occurred_at,
            concerns: concerns(deal),
        };
        drafts.add(event, acts);
    }
    drafts.record(change).await
}

/// Books deals anew whose earning shares were corrected after they were won: what the former partners earned is taken back, and earned by the present ones.
/// A booking of this very change, or one at rest, has earned by nobody's shares yet.
pub(crate) async fn share_anew(change: &mut Change, deals: &[&deal::Model]) -> Result<()> {
    let won: Vec<&deal::Model> = deals
        .iter()
        .copied()
        .filter(|deal| worth(deal).is_some())
        .collect();
    let ids: Vec<DealId> = won.iter().map(|deal| deal.id).collect();
    let known = bookings(change, &ids).await?;
    let mut drafts = Drafts::default();
    for deal in won {
        let Some(bookings) = known
            .get(&deal.id)
            .filter(|known| known.stands && known.acted)
        else {
            continue;
        };
        let Some(standing) = &bookings.last else {
            continue;
        };
        if standing.created_at == change.now() {
            continue;
        }
        let number = bookings.count + 1;
        drafts.back.push((key(deal.id, number), standing.clone()));
        let note = credit_note(deal, number, standing, standing.occurred_at);
        drafts.add(note, true);
        let event = NewRevenue {
            external_key: key(deal.id, number + 1),
            kind: RevenueKind::Invoice,
            amount: standing.amount(),
            occurred_at: standing.occurred_at,
            concerns: concerns(deal),
        };
        drafts.add(event, true);
    }
    drafts.record(change).await
}

fn credit_note(
    deal: &deal::Model,
    number: usize,
    of: &Model,
    occurred_at: crate::clock::Timestamp,
) -> NewRevenue {
    NewRevenue {
        external_key: key(deal.id, number),
        kind: RevenueKind::CreditNote,
        amount: of.amount(),
        occurred_at,
        concerns: concerns(deal),
    }
}

/// Whether the deal's last win was told as it happened.
async fn was_won_here(change: &Change, deal: DealId) -> Result<bool> {
    let last = event::last_about(change.transaction(), deal, EventKind::DealWon).await?;
    Ok(last.is_some_and(|won| !won.origin.is_history()))
}
