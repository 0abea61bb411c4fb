//! Merging what a deal says: its fields, of which the stage decides over others, and its shares.
//!
//! Invariant: while our stage stands against the vendor's, the vendor's name of its stage and a close date of its end do not come in.

use super::conflict::What;
use super::field::FieldMerger;
use super::share::{DealEnds, MergedShares, Shares, merge_shares, set, shown, shown_keys};
use crate::sync::map::DealReading;
use crate::sync::merge::{Merge, Reading, merge};
use entities::clock::Timestamp;
use entities::deal::{self, DealPatch};
use entities::sync_conflict::Side;

/// The field of the shares, as conflicts show it.
pub(super) const PARTNERS: &str = "partners";

/// What an update is to set of the fields that properties feed.
pub(super) fn patch_of(
    merger: &mut FieldMerger<'_>,
    base: Option<&DealReading>,
    theirs: &DealReading,
    row: &deal::Model,
) -> DealPatch {
    let stage = merger.field(
        "stage",
        base.map(|base| &base.stage),
        &theirs.stage,
        &row.stage,
    );
    // The vendor's name of the stage is nobody's to change here; and which of the two dates a close date is depends on the stage. While our
    // stage stands against theirs, theirs say nothing of ours.
    let stays = merger.stays_ours("stage");
    let other_end = |theirs: &deal::DealStage| stays && theirs.is_closed() != row.stage.is_closed();
    let says_nothing = theirs.stage.value().is_some_and(other_end);
    let expected_close_on = if says_nothing {
        &Reading::Unread
    } else {
        &theirs.expected_close_on
    };
    // A vendor that keeps days does not change the moment by naming its day.
    let closed_at = if says_nothing
        || theirs.knows_only_the_day_of(row.closed_at)
        || is_same_moment(&theirs.closed_at, row.closed_at)
    {
        &Reading::Unread
    } else {
        &theirs.closed_at
    };
    let source_stage = match merge(None, &theirs.source_stage, &row.source_stage) {
        Merge::Take(label) if !stays => Some(label),
        _ => None,
    };
    DealPatch {
        name: merger.field("name", base.map(|base| &base.name), &theirs.name, &row.name),
        customer_id: None,
        stage,
        source_stage,
        amount: merger.field(
            "amount",
            base.map(|base| &base.amount),
            &theirs.amount,
            &row.amount(),
        ),
        expected_close_on: merger.field(
            "expectedCloseOn",
            base.map(|base| &base.expected_close_on),
            expected_close_on,
            &row.expected_close_on,
        ),
        closed_at: merger.field(
            "closedAt",
            base.map(|base| &base.closed_at),
            closed_at,
            &row.closed_at,
        ),
        lost_reason: merger.field(
            "lostReason",
            base.map(|base| &base.lost_reason),
            &theirs.lost_reason,
            &row.lost_reason,
        ),
        owner_name: merger.field(
            "owner.name",
            base.map(|base| &base.owner_name),
            &theirs.owner_name,
            &row.owner_name,
        ),
        owner_email: merger.field(
            "owner.email",
            base.map(|base| &base.owner_email),
            &theirs.owner_email,
            &row.owner_email,
        ),
        products: merger
            .field(
                "products",
                base.map(|base| &base.products),
                &theirs.products,
                &row.products,
            )
            .map(|texts| texts.0),
        archived: None,
    }
}

/// Whether a vendor names our instant as exactly as vendors count, which is in milliseconds. To take that over would be a change here, which the other
/// vendors would be told of.
fn is_same_moment(theirs: &Reading<Option<Timestamp>>, ours: Option<Timestamp>) -> bool {
    match (theirs.value().copied().flatten(), ours) {
        (Some(theirs), Some(ours)) => theirs.millis() == ours.millis(),
        _ => false,
    }
}

/// Merges the shares by the policy of the one field that they are together.
pub(super) fn shares_of(
    merger: &mut FieldMerger<'_>,
    base: Option<&DealEnds>,
    ends: &DealEnds,
    ours: &Shares,
) -> MergedShares {
    let verdict = merger.verdict(PARTNERS);
    let chosen = merger.takes(PARTNERS);
    let takes_theirs = chosen || verdict.takes_theirs();
    let base = base.map(|ends| &ends.shares);
    let mut merged = merge_shares(base, &ends.shares, ours, takes_theirs);
    let mut keys = merged.conflicting.clone();
    let clash = !keys.is_empty();
    if let Some(open) = merger.open(PARTNERS) {
        keys.extend(shown_keys(&open.theirs));
        if chosen || (clash && takes_theirs) {
            for key in &keys {
                set(&mut merged.shares, *key, ends.shares.get(key).copied());
            }
        }
        if chosen {
            return merged;
        }
        keys.retain(|key| clash || ends.shares.get(key) != merged.shares.get(key));
        if !clash && keys.is_empty() {
            // Who moved has given in.
            let named = shown_keys(&open.theirs);
            let moved = named
                .iter()
                .any(|key| base.and_then(|base| base.get(key)) != ends.shares.get(key));
            let side = if moved { Side::Ours } else { Side::Theirs };
            let values = (shown(ours, &named), shown(&ends.shares, &named));
            merger.note(PARTNERS, values, What::Agreed(side));
            return merged;
        }
    }
    let values = (shown(ours, &keys), shown(&ends.shares, &keys));
    if clash {
        merger.note(PARTNERS, values, What::Clash(verdict.winner()));
    } else if !keys.is_empty() {
        merger.note(PARTNERS, values, What::StillOpen);
    }
    merged
}
