//! Deals, their customers and the shares of partners.
//!
//! A deal that is not known and whose stage means nothing is kept out and tried again; one that is known keeps its stage and is flagged. An
//! end that has not arrived is awaited; when it comes, the deal is applied again from its shadow. What was flagged was not taken over, so it
//! is no base of a later merge.

use super::conflict::Conflicts;
use super::deal_merge::{PARTNERS, patch_of, shares_of};
use super::field::{Ending, FieldMerger, count, create_all, ending_of, refusal};
use super::link::{self, Outcome};
use super::share::{Awaiting, Companies, DealEnds, Shares, as_input, within_the_whole};
use super::{Candidate, Scope};
use crate::record::Resource;
use crate::sync::error::Result;
use crate::sync::findings;
use crate::sync::map::{self, DealReading};
use crate::sync::merge::{Flag, Reading};
use entities::change::Change;
use entities::deal::{self, DealPatch, NewDeal};
use entities::deal_partner;
use entities::error::Error as EntityError;
use entities::external_link;
use entities::id::DealId;
use entities::sync_run::Findings;
use entities::viewer::Viewer;
use entities::visible::{self, Visible};
use sea_orm::{ColumnTrait, QueryFilter};
use std::collections::{BTreeSet, HashMap, HashSet};
use uuid::Uuid;

const RESOURCE: Resource = Resource::Deal;
/// The flag of shares that were refused.
pub(super) const OVER_THE_WHOLE: &str = "WEIGHTS_EXCEED_WHOLE";

type Awaited = Vec<(String, BTreeSet<(Resource, String)>)>;

/// A deal that has a row, and what is needed to merge it.
struct Known {
    row: deal::Model,
    theirs: DealReading,
    base: Option<DealReading>,
    ends: DealEnds,
    base_ends: Option<DealEnds>,
    shares: Shares,
}

/// Applies deals and answers the links to write.
pub(super) async fn apply(
    change: &mut Change,
    scope: &Scope<'_>,
    candidates: Vec<Candidate>,
    conflicts: &mut Conflicts,
    findings: &mut Findings,
) -> Result<Vec<external_link::Model>> {
    let mapping = &scope.connection.mapping.deal;
    let known: Vec<&str> = candidates
        .iter()
        .filter_map(|candidate| {
            candidate
                .base()
                .map(|_| candidate.incoming.external_id.as_str())
        })
        .collect();
    let awaiting = Awaiting::load(change, scope, RESOURCE, &known).await?;
    let all_links = candidates
        .iter()
        .flat_map(|candidate| {
            std::iter::once(&candidate.incoming.links)
                .chain(candidate.base().map(|base| &base.links))
        })
        .collect::<Vec<_>>();
    let companies = Companies::load(change, scope, &all_links).await?;
    let ids: Vec<Uuid> = candidates
        .iter()
        .filter_map(|candidate| candidate.link.as_ref()?.subject_id)
        .collect();
    let (mut rows, mut shares) = load_rows(change, ids).await?;

    let mut links = Vec::with_capacity(candidates.len());
    let mut awaited: Awaited = Vec::new();
    let mut new = Vec::new();
    for candidate in candidates {
        let theirs = map::deal(mapping, scope.references, &candidate.incoming.fields);
        let ends = DealEnds::read(
            &candidate.incoming.links,
            &companies,
            &mapping.labels,
            &HashSet::new(),
        );
        for part in &ends.unmapped {
            findings::unmapped(findings, RESOURCE, part);
        }
        let row = candidate
            .link
            .as_ref()
            .and_then(|link| link.subject_id)
            .and_then(|id| rows.remove(&id));
        let Some(row) = row else {
            new.push((candidate, theirs, ends));
            continue;
        };
        let id = candidate.incoming.external_id.clone();
        let passed_over = awaiting.of(&id, Resource::Company);
        let before = &candidate.base_mapping(&scope.connection.mapping).deal;
        let mut base_ends = candidate
            .base()
            .map(|base| DealEnds::read(&base.links, &companies, &before.labels, &passed_over));
        let base = base_reading(scope, &candidate, &awaiting.of(&id, Resource::Owner));
        awaited.push((id, missing(&ends, &theirs)));
        let shares = shares.remove(&row.id).unwrap_or_default();
        if let Some(ends) = base_ends
            .as_mut()
            .filter(|_| candidate.was_flagged(OVER_THE_WHOLE))
        {
            ends.shares.retain(|key, _| shares.contains_key(key));
        }
        links.extend(
            update(
                change,
                scope,
                candidate,
                Known {
                    row,
                    theirs,
                    base,
                    ends,
                    base_ends,
                    shares,
                },
                (conflicts, findings),
            )
            .await?,
        );
    }
    create(change, scope, new, &mut links, &mut awaited, findings).await?;
    awaiting.settle(change, scope, RESOURCE, awaited).await?;
    Ok(links)
}

pub(super) async fn load_rows(
    change: &Change,
    ids: Vec<Uuid>,
) -> Result<(HashMap<Uuid, deal::Model>, HashMap<DealId, Shares>)> {
    let mut shares: HashMap<DealId, Shares> = HashMap::new();
    if ids.is_empty() {
        return Ok((HashMap::new(), shares));
    }
    let system = Viewer::system("sync");
    let deals: Vec<DealId> = ids.iter().copied().map(DealId).collect();
    let rows = visible::lock_all::<deal::Entity>(change, &system, ids).await?;
    let select =
        deal_partner::Entity::visible_to(&system).filter(deal_partner::Column::DealId.is_in(deals));
    for row in select
        .all(change.transaction())
        .await
        .map_err(EntityError::from)?
    {
        shares
            .entry(row.deal_id)
            .or_default()
            .insert((row.partnership_id, row.role), row.weight_bp);
    }
    Ok((
        rows.into_iter().map(|row| (row.id.0, row)).collect(),
        shares,
    ))
}

/// What the shadow said when it was taken over: an owner who was not known then was not taken over.
fn base_reading(
    scope: &Scope<'_>,
    candidate: &Candidate,
    passed_over: &HashSet<&str>,
) -> Option<DealReading> {
    let mapping = &candidate.base_mapping(&scope.connection.mapping).deal;
    let mut base = map::deal(mapping, scope.references, &candidate.base()?.fields);
    if let (Some(_), Some(link)) = (&candidate.arrived, &candidate.link) {
        // What follows from a value of ours there, our row has never been told.
        let before = map::deal(mapping, scope.references, &link.shadow.fields);
        base.source_stage = before.source_stage;
        base.owner_name = before.owner_name;
        base.owner_email = before.owner_email;
    }
    if !passed_over.is_empty() {
        base.owner_name = Reading::Value(None);
        base.owner_email = Reading::Value(None);
    }
    // With the stage the dates were passed over too: which of the two a close date is depends on the stage.
    if candidate.was_flagged("UNKNOWN_STAGE") {
        base.stage = Reading::Unread;
        base.source_stage = Reading::Unread;
        base.expected_close_on = Reading::Unread;
        base.closed_at = Reading::Unread;
    }
    Some(base)
}

fn missing(ends: &DealEnds, reading: &DealReading) -> BTreeSet<(Resource, String)> {
    let companies = ends
        .awaited
        .iter()
        .map(|id| (Resource::Company, id.clone()));
    companies
        .chain(
            reading
                .awaited_owner
                .iter()
                .map(|id| (Resource::Owner, id.clone())),
        )
        .collect()
}

async fn update(
    change: &mut Change,
    scope: &Scope<'_>,
    candidate: Candidate,
    known: Known,
    (conflicts, findings): (&mut Conflicts, &mut Findings),
) -> Result<Option<external_link::Model>> {
    let Known {
        row,
        theirs,
        base,
        ends,
        base_ends,
        shares,
    } = known;
    let external_id = candidate.incoming.external_id.clone();
    let base = base.as_ref();
    let (id, version, archiving) = (row.id, row.version, candidate.archiving());
    let seen = (id.0, row.updated_at);
    let mut merger = FieldMerger::new(scope, RESOURCE, conflicts, &candidate, seen);
    let merged = shares_of(&mut merger, base_ends.as_ref(), &ends, &shares);
    let base_customer = base_ends.as_ref().map(DealEnds::customer);
    let patch = DealPatch {
        customer_id: merger.field(
            "customer",
            base_customer.as_ref(),
            &ends.customer(),
            &row.customer_id,
        ),
        archived: archiving,
        ..patch_of(&mut merger, base, &theirs, &row)
    };
    let fits = within_the_whole(&merged.shares);
    let (mut notes, unmet) = merger.into_notes();
    notes.retain(|note| fits || note.field != PARTNERS);
    let mut flags: Vec<Flag> = theirs.flags().chain(&unmet).cloned().collect();
    let row = match deal::update(change, row, patch).await {
        Ok(updated) => updated,
        Err(EntityError::Invalid(violations)) => {
            let outcome = Outcome::refused(id, &violations);
            let unchanged = Ending::Unchanged;
            count(findings, RESOURCE, &external_id, unchanged, &outcome.flags);
            return Ok(link::after(change, scope, RESOURCE, candidate, outcome));
        }
        Err(error) => return Err(error.into()),
    };
    let mut ending = ending_of(version, row.version, archiving);
    if !fits {
        flags.push(over_the_whole());
    } else if merged.shares != shares {
        let changed = deal_partner::attribute(change, &[(row, as_input(&merged.shares))]).await?;
        if ending == Ending::Unchanged && !changed.is_empty() {
            ending = Ending::Updated;
        }
    }
    let of = (scope, RESOURCE, &candidate);
    conflicts.settle(change, of, id, notes, findings);
    count(findings, RESOURCE, &external_id, ending, &flags);
    Ok(link::after(
        change,
        scope,
        RESOURCE,
        candidate,
        Outcome::of(id, flags),
    ))
}

pub(super) fn over_the_whole() -> Flag {
    Flag {
        property: "company".to_owned(),
        code: OVER_THE_WHOLE,
        message: "The labels give partners more than the whole of the deal; the shares stay as they were.".to_owned(),
    }
}

async fn create(
    change: &mut Change,
    scope: &Scope<'_>,
    new: Vec<(Candidate, DealReading, DealEnds)>,
    links: &mut Vec<external_link::Model>,
    awaited: &mut Awaited,
    findings: &mut Findings,
) -> Result<()> {
    let mut kept = Vec::with_capacity(new.len());
    let mut inputs = Vec::with_capacity(new.len());
    for (candidate, reading, ends) in new {
        let mut flags: Vec<Flag> = reading.flags().cloned().collect();
        let (Some(name), Some(stage)) = (
            reading.name.value().cloned(),
            reading.stage.value().copied(),
        ) else {
            // The reason it is kept out comes first.
            flags.sort_by_key(|flag| !matches!(flag.code, "UNKNOWN_STAGE" | "NAME_MISSING"));
            keep_out(change, scope, candidate, flags, links, findings);
            continue;
        };
        let missing = missing(&ends, &reading);
        inputs.push(NewDeal {
            name,
            customer_id: ends.customer,
            stage,
            source_stage: reading.source_stage.or_default(),
            amount: reading.amount.or_default(),
            expected_close_on: reading.expected_close_on.or_default(),
            closed_at: reading.closed_at.or_default(),
            lost_reason: reading.lost_reason.or_default(),
            owner_name: reading.owner_name.or_default(),
            owner_email: reading.owner_email.or_default(),
            products: reading.products.or_default().0,
            archived: candidate.incoming.archived,
        });
        kept.push((candidate, flags, ends.shares, missing));
    }
    if inputs.is_empty() {
        return Ok(());
    }
    let made = create_all!(change, inputs, deal::create);
    let mut attributed = Vec::new();
    for ((candidate, mut flags, shares, missing), made) in kept.into_iter().zip(made) {
        let external_id = candidate.incoming.external_id.clone();
        let row = match made {
            Ok(row) => row,
            Err(violations) => {
                flags.insert(0, refusal(&violations));
                keep_out(change, scope, candidate, flags, links, findings);
                continue;
            }
        };
        let id = row.id;
        if !within_the_whole(&shares) {
            flags.push(over_the_whole());
        } else if !shares.is_empty() {
            attributed.push((row, as_input(&shares)));
        }
        count(findings, RESOURCE, &external_id, Ending::Created, &flags);
        links.extend(link::after(
            change,
            scope,
            RESOURCE,
            candidate,
            Outcome::of(id, flags),
        ));
        awaited.push((external_id, missing));
    }
    if !attributed.is_empty() {
        deal_partner::attribute(change, &attributed).await?;
    }
    Ok(())
}

fn keep_out(
    change: &Change,
    scope: &Scope<'_>,
    candidate: Candidate,
    flags: Vec<Flag>,
    links: &mut Vec<external_link::Model>,
    findings: &mut Findings,
) {
    count(
        findings,
        RESOURCE,
        &candidate.incoming.external_id,
        Ending::KeptOut,
        &flags,
    );
    links.extend(link::after(
        change,
        scope,
        RESOURCE,
        candidate,
        Outcome::held(flags),
    ));
}
