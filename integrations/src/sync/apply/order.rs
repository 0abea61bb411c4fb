//! A shop's orders become won deals, and what was paid and refunded becomes revenue.
//!
//! Owns: the deal of an order, its share by the connection's mapping, and the revenue events of its payments. Refuses: to make a customer out of
//! a person who bought something (a customer is a company), and to record what a test paid. Invariants: payments and refunds are known by the
//! shop's own ids, so they may come in any order and any number of times; money that was recorded stays recorded, whatever becomes of the
//! order; and whose doing a payment is follows the deal's shares as they stand here when it is recorded.

use super::buyer::Buyers;
use super::conflict::Conflicts;
use super::deal::{OVER_THE_WHOLE, load_rows, over_the_whole};
use super::deal_merge::{PARTNERS, patch_of, shares_of};
use super::field::{Ending, FieldMerger, count, create_all, ending_of, refusal};
use super::link::{self, Outcome};
use super::share::{Awaiting, DealEnds, Shares, as_input, within_the_whole};
use super::sponsor::Sponsors;
use super::{Candidate, Scope};
use crate::record::Resource;
use crate::sync::error::Result;
use crate::sync::findings;
use crate::sync::map::order::{self as reading, OrderReading};
use crate::sync::merge::{Flag, Reading};
use entities::change::Change;
use entities::connection::mapping::order::OrderMapping;
use entities::deal::{self, DealPatch, NewDeal};
use entities::deal_partner;
use entities::error::Error as EntityError;
use entities::external_link;
use entities::id::{CustomerId, DealId, PartnerId};
use entities::money::BasisPoints;
use entities::revenue_event::{self, Concerns, NewRevenue};
use entities::sync_run::Findings;
use std::collections::{BTreeSet, HashMap};
use uuid::Uuid;

const RESOURCE: Resource = Resource::Order;

type Awaited = Vec<(String, BTreeSet<(Resource, String)>)>;

/// An order that was read, and whom it concerns.
struct Bought {
    candidate: Candidate,
    reading: OrderReading,
    partner: Option<PartnerId>,
    customer: Reading<Option<CustomerId>>,
    flags: Vec<Flag>,
}

/// Money to record once the deals are there.
struct Money {
    external_id: String,
    events: Vec<NewRevenue>,
}

/// Applies orders and answers the links to write.
pub(super) async fn apply(
    change: &mut Change,
    scope: &Scope<'_>,
    candidates: Vec<Candidate>,
    conflicts: &mut Conflicts,
    findings: &mut Findings,
) -> Result<Vec<external_link::Model>> {
    let mapping = &scope.connection.mapping.order;
    let known: Vec<&str> = candidates
        .iter()
        .filter(|candidate| candidate.link.is_some())
        .map(|candidate| candidate.incoming.external_id.as_str())
        .collect();
    let awaiting = Awaiting::load(change, scope, RESOURCE, &known).await?;
    let buyers = Buyers::load(change, scope, &candidates).await?;
    let sponsors = Sponsors::load(change, mapping, &candidates).await?;
    let ids: Vec<Uuid> = candidates
        .iter()
        .filter_map(|candidate| candidate.link.as_ref()?.subject_id)
        .collect();
    let (mut rows, mut shares) = load_rows(change, ids).await?;

    let mut links = Vec::with_capacity(candidates.len());
    let mut awaited: Awaited = Vec::new();
    let mut money = Vec::new();
    let mut new = Vec::new();
    for candidate in candidates {
        let (customer, missing) = buyers.customer(&candidate.incoming);
        awaited.push((candidate.incoming.external_id.clone(), missing));
        let read = reading::order(scope.references, &candidate.incoming.fields);
        let named = reading::named_partners(mapping, &candidate.incoming.fields);
        let (partner, unpartnered) = sponsors.of(&named);
        let bought = Bought {
            flags: read.flags().chain(&unpartnered).cloned().collect(),
            reading: read,
            partner,
            customer,
            candidate,
        };
        let subject = bought
            .candidate
            .link
            .as_ref()
            .and_then(|link| link.subject_id);
        match subject.and_then(|id| rows.remove(&id)) {
            Some(row) => {
                let ours = shares.remove(&row.id).unwrap_or_default();
                update(
                    change,
                    scope,
                    &sponsors,
                    (bought, row, ours),
                    (&mut links, &mut money),
                    (conflicts, findings),
                )
                .await?;
            }
            None => new.push(bought),
        }
    }
    create(
        change,
        scope,
        &sponsors,
        new,
        (&mut links, &mut money),
        findings,
    )
    .await?;
    awaiting.settle(change, scope, RESOURCE, awaited).await?;
    record(change, scope, money, findings).await?;
    Ok(links)
}

/// The share that a mapping gives a partner.
fn share_of(mapping: &OrderMapping, sponsors: &Sponsors, partner: Option<PartnerId>) -> Shares {
    let share = partner.and_then(|partner| {
        let partnership = sponsors.partnership(partner)?;
        let weight = BasisPoints::new(mapping.weight_bp)?;
        Some(((partnership, mapping.role), weight))
    });
    share.into_iter().collect()
}

async fn update(
    change: &mut Change,
    scope: &Scope<'_>,
    sponsors: &Sponsors,
    (bought, row, ours): (Bought, deal::Model, Shares),
    (links, money): (&mut Vec<external_link::Model>, &mut Vec<Money>),
    (conflicts, findings): (&mut Conflicts, &mut Findings),
) -> Result<()> {
    let Bought {
        mut candidate,
        reading: theirs,
        partner,
        customer,
        mut flags,
    } = bought;
    let mapping = &scope.connection.mapping.order;
    let before = &candidate.base_mapping(&scope.connection.mapping).order;
    let base = candidate
        .base()
        .map(|base| reading::order(scope.references, &base.fields).deal);
    let base_ends = candidate.base().map(|base| DealEnds {
        customer: reading::taken_customer(&base.fields),
        shares: share_of(before, sponsors, reading::taken_partner(&base.fields)),
        ..DealEnds::default()
    });
    let ends = DealEnds {
        shares: share_of(mapping, sponsors, partner),
        ..DealEnds::default()
    };
    let external_id = candidate.incoming.external_id.clone();
    let (id, version, archiving) = (row.id, row.version, candidate.archiving());
    let seen = (id.0, row.updated_at);
    let mut merger = FieldMerger::new(scope, RESOURCE, conflicts, &candidate, seen);
    let merged = shares_of(&mut merger, base_ends.as_ref(), &ends, &ours);
    let base_customer = base_ends.as_ref().map(DealEnds::customer);
    let patch = DealPatch {
        customer_id: merger.field(
            "customer",
            base_customer.as_ref(),
            &customer,
            &row.customer_id,
        ),
        archived: archiving,
        ..patch_of(&mut merger, base.as_ref(), &theirs.deal, &row)
    };
    let fits = within_the_whole(&merged.shares);
    let (mut notes, unmet) = merger.into_notes();
    notes.retain(|note| fits || note.field != PARTNERS);
    flags.extend(unmet);
    let row = match deal::update(change, row, patch).await {
        Ok(updated) => updated,
        Err(EntityError::Invalid(violations)) => {
            let outcome = Outcome::refused(id, &violations);
            let unchanged = Ending::Unchanged;
            count(findings, RESOURCE, &external_id, unchanged, &outcome.flags);
            money.push(of(
                &external_id,
                &theirs,
                concerns(sponsors, &ours, None, id),
            ));
            links.extend(link::after(change, scope, RESOURCE, candidate, outcome));
            return Ok(());
        }
        Err(error) => return Err(error.into()),
    };
    let mut ending = ending_of(version, row.version, archiving);
    let buyer = row.customer_id;
    let shares = if !fits {
        flags.push(over_the_whole());
        ours
    } else {
        if merged.shares != ours {
            let input = [(row, as_input(&merged.shares))];
            let changed = deal_partner::attribute(change, &input).await?;
            if ending == Ending::Unchanged && !changed.is_empty() {
                ending = Ending::Updated;
            }
        }
        merged.shares
    };
    let of_row = (scope, RESOURCE, &candidate);
    conflicts.settle(change, of_row, id, notes, findings);
    count(findings, RESOURCE, &external_id, ending, &flags);
    money.push(of(
        &external_id,
        &theirs,
        concerns(sponsors, &shares, buyer, id),
    ));
    let taken = customer
        .value()
        .copied()
        .unwrap_or_else(|| base_ends.as_ref().and_then(|ends| ends.customer));
    // Shares that were refused were not taken over.
    let refused = flags.iter().any(|flag| flag.code == OVER_THE_WHOLE);
    reading::take(
        &mut candidate.incoming.fields,
        partner.filter(|_| !refused),
        taken,
    );
    let outcome = Outcome::of(id, flags);
    links.extend(link::after(change, scope, RESOURCE, candidate, outcome));
    Ok(())
}

async fn create(
    change: &mut Change,
    scope: &Scope<'_>,
    sponsors: &Sponsors,
    new: Vec<Bought>,
    (links, money): (&mut Vec<external_link::Model>, &mut Vec<Money>),
    findings: &mut Findings,
) -> Result<()> {
    let mapping = &scope.connection.mapping.order;
    let mut kept = Vec::new();
    let mut inputs = Vec::new();
    for bought in new {
        if let Some(flag) = bought.reading.excluded.clone() {
            keep_out(change, scope, (bought, vec![flag]), links, findings);
            continue;
        }
        if !mapping.deals {
            without_deal(change, scope, sponsors, bought, (links, money), findings);
            continue;
        }
        let (Some(name), Some(stage)) = (
            bought.reading.deal.name.value().cloned(),
            bought.reading.deal.stage.value().copied(),
        ) else {
            let flags = bought.flags.clone();
            keep_out(change, scope, (bought, flags), links, findings);
            continue;
        };
        let read = &bought.reading.deal;
        inputs.push(NewDeal {
            name,
            customer_id: bought.customer.or_default(),
            stage,
            source_stage: read.source_stage.or_default(),
            amount: read.amount.or_default(),
            expected_close_on: None,
            closed_at: read.closed_at.or_default(),
            lost_reason: read.lost_reason.or_default(),
            owner_name: None,
            owner_email: None,
            products: Vec::new(),
            archived: bought.candidate.incoming.archived,
        });
        kept.push(bought);
    }
    if inputs.is_empty() {
        return Ok(());
    }
    let made = create_all!(change, inputs, deal::create);
    let mut attributed = Vec::new();
    for (mut bought, made) in kept.into_iter().zip(made) {
        let external_id = bought.candidate.incoming.external_id.clone();
        let row = match made {
            Ok(row) => row,
            Err(violations) => {
                let mut flags = bought.flags.clone();
                flags.insert(0, refusal(&violations));
                keep_out(change, scope, (bought, flags), links, findings);
                continue;
            }
        };
        let (id, customer) = (row.id, row.customer_id);
        let shares = share_of(mapping, sponsors, bought.partner);
        let whom = concerns(sponsors, &shares, customer, id);
        money.push(of(&external_id, &bought.reading, whom));
        if !shares.is_empty() {
            attributed.push((row, as_input(&shares)));
        }
        let flags = bought.flags;
        count(findings, RESOURCE, &external_id, Ending::Created, &flags);
        reading::take(
            &mut bought.candidate.incoming.fields,
            bought.partner,
            customer,
        );
        let outcome = Outcome::of(id, flags);
        links.extend(link::after(
            change,
            scope,
            RESOURCE,
            bought.candidate,
            outcome,
        ));
    }
    if !attributed.is_empty() {
        deal_partner::attribute(change, &attributed).await?;
    }
    Ok(())
}

/// An order of which only the money is kept.
fn without_deal(
    change: &Change,
    scope: &Scope<'_>,
    sponsors: &Sponsors,
    bought: Bought,
    (links, money): (&mut Vec<external_link::Model>, &mut Vec<Money>),
    findings: &mut Findings,
) {
    let Bought {
        mut candidate,
        reading,
        partner,
        customer,
        flags,
    } = bought;
    let external_id = candidate.incoming.external_id.clone();
    let customer_id = customer.or_default();
    let whom = Concerns {
        customer_id,
        deal_id: None,
        partnership: partner.and_then(|partner| Some((sponsors.partnership(partner)?, partner))),
    };
    money.push(of(&external_id, &reading, whom));
    // What is not made into a deal lacks nothing that only a deal needs.
    let flags: Vec<Flag> = flags
        .into_iter()
        .filter(|flag| flag.code != "NAME_MISSING")
        .collect();
    count(findings, RESOURCE, &external_id, Ending::Unchanged, &flags);
    reading::take(&mut candidate.incoming.fields, partner, customer_id);
    links.extend(link::after(
        change,
        scope,
        RESOURCE,
        candidate,
        Outcome::held(Vec::new()),
    ));
}

fn keep_out(
    change: &Change,
    scope: &Scope<'_>,
    (bought, flags): (Bought, Vec<Flag>),
    links: &mut Vec<external_link::Model>,
    findings: &mut Findings,
) {
    let candidate = bought.candidate;
    let external_id = &candidate.incoming.external_id;
    count(findings, RESOURCE, external_id, Ending::KeptOut, &flags);
    let outcome = Outcome::held(flags);
    links.extend(link::after(change, scope, RESOURCE, candidate, outcome));
}

/// Whom the money of a deal concerns: of its earning shares the largest.
fn concerns(
    sponsors: &Sponsors,
    shares: &Shares,
    customer_id: Option<CustomerId>,
    deal: DealId,
) -> Concerns {
    let earning = shares.iter().filter(|((_, role), _)| role.earns());
    let largest = earning.max_by_key(|((partnership, _), weight)| {
        (weight.points(), std::cmp::Reverse(*partnership))
    });
    let partnership = largest
        .and_then(|((partnership, _), _)| Some((*partnership, sponsors.partner(*partnership)?)));
    Concerns {
        customer_id,
        deal_id: Some(deal),
        partnership,
    }
}

fn of(external_id: &str, reading: &OrderReading, concerns: Concerns) -> Money {
    let event = |paid: &reading::Paid| NewRevenue {
        external_key: paid.external_key.clone(),
        kind: paid.kind,
        amount: paid.amount,
        occurred_at: paid.occurred_at,
        concerns,
    };
    Money {
        external_id: external_id.to_owned(),
        events: reading.paid.iter().map(event).collect(),
    }
}

/// Records the money of all orders of a batch.
async fn record(
    change: &mut Change,
    scope: &Scope<'_>,
    money: Vec<Money>,
    findings: &mut Findings,
) -> Result<()> {
    let mut order_of: HashMap<String, String> = HashMap::new();
    let mut events = Vec::new();
    for order in money {
        for event in order.events {
            order_of.insert(event.external_key.clone(), order.external_id.clone());
            events.push(event);
        }
    }
    let recorded = revenue_event::record(change, Some(scope.connection.id), events).await?;
    for key in &recorded.differing {
        let message = "The payment was told before with another amount, kind or time; it stays as it was recorded.";
        findings::issue(
            findings,
            RESOURCE,
            order_of.get(key).map(String::as_str),
            Some(&format!("revenue.{key}")),
            "REVENUE_DIFFERS",
            message,
        );
    }
    Ok(())
}
