//! Where exclusive agreements meet others: territory, vertical, product and time, each of them named or open.
//!
//! Invariant (domain, 4): two exclusive scopes in force never overlap; whoever puts one in force holds the turn. An agreement that excludes nobody but
//! lies inside an exclusive one is reported, not refused: it may have been there first.

use super::{AgreementStatus, Column, Entity, Exclusivity, Model, Scope};
use crate::agreement_version;
use crate::change::Change;
use crate::error::{Error, Result, ViolationCode};
use crate::id::{AgreementId, PartnerId, PartnershipId};
use crate::turn::{self, Turn};
use crate::viewer::Viewer;
use crate::visible::Visible as _;
use chrono::NaiveDate;
use sea_orm::QueryOrder as _;
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::Condition;
use std::collections::BTreeMap;

/// What an agreement is exclusive in, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// How exclusive.
    pub exclusivity: Exclusivity,
    /// In what.
    pub scope: Scope,
    /// From this day.
    pub from: NaiveDate,
    /// To the day before; open when none.
    pub until: Option<NaiveDate>,
}

/// How two claims meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meeting {
    /// Both exclude each other: they cannot both be in force.
    Conflict,
    /// One excludes the other, which excludes nobody.
    Inside,
}

/// An agreement that a claim meets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overlap {
    /// Which.
    pub agreement_id: AgreementId,
    /// Whose.
    pub partner_id: PartnerId,
    /// Of which partnership.
    pub partnership_id: PartnershipId,
    /// How.
    pub meeting: Meeting,
}

/// Whether two lists have an entry in common; an empty one holds everything.
pub(crate) fn shares(one: &[String], other: &[String]) -> bool {
    let same = |a: &String, b: &String| a.trim().to_lowercase() == b.trim().to_lowercase();
    one.is_empty() || other.is_empty() || one.iter().any(|a| other.iter().any(|b| same(a, b)))
}

/// How two claims of different partnerships meet, if they do.
#[must_use]
pub fn meeting(one: &Claim, other: &Claim) -> Option<Meeting> {
    // A day that both hold: which also says that neither is over before it begins.
    let from = one.from.max(other.from);
    let in_time = [one.until, other.until]
        .iter()
        .flatten()
        .all(|end| from < *end);
    // Who is exclusive in a territory is so for every business and product there.
    let everywhere: &[String] = &[];
    let within = |claim: &Claim| claim.exclusivity == Exclusivity::ExclusiveTerritory;
    let list = |claim: &'_ Claim, list: &'_ Vec<String>| {
        if within(claim) {
            everywhere.to_vec()
        } else {
            list.clone()
        }
    };
    let overlaps = in_time
        && shares(&one.scope.territories, &other.scope.territories)
        && shares(
            &list(one, &one.scope.verticals),
            &list(other, &other.scope.verticals),
        )
        && shares(
            &list(one, &one.scope.products),
            &list(other, &other.scope.products),
        );
    match (one.exclusivity.excludes(), other.exclusivity.excludes()) {
        _ if !overlaps => None,
        (true, true) => Some(Meeting::Conflict),
        (false, false) => None,
        _ => Some(Meeting::Inside),
    }
}

/// What an agreement in force, or about to be, claims by a version: until the agreement ends, or until the next of its signed `versions` takes its place.
pub(crate) fn claim_of(
    agreement: &Model,
    version: &agreement_version::Model,
    versions: &[agreement_version::Model],
) -> Claim {
    let place = |version: &agreement_version::Model| (version.effective_on, version.number);
    let next = versions
        .iter()
        .filter(|other| other.agreement_id == agreement.id && other.signed_at.is_some())
        .filter(|other| place(other) > place(version))
        .map(|other| other.effective_on)
        .min();
    Claim {
        exclusivity: version.terms.exclusivity,
        scope: version.terms.scope.clone(),
        from: version.effective_on,
        until: [agreement.end(), next].into_iter().flatten().min(),
    }
}

/// What the agreements that are signed or in force claim, each by its signed versions; of those that a condition leaves.
pub(crate) async fn claims(
    connection: &impl ConnectionTrait,
    viewer: &Viewer,
    of: Condition,
) -> Result<Vec<(Model, Vec<Claim>)>> {
    let standing = [
        AgreementStatus::Signed,
        AgreementStatus::Active,
        AgreementStatus::NoticeGiven,
    ];
    let rows = Entity::visible_to(viewer)
        .filter(Column::Status.is_in(standing))
        .filter(of)
        .order_by_asc(Column::Id)
        .all(connection)
        .await?;
    let ids: Vec<AgreementId> = rows.iter().map(|row| row.id).collect();
    let versions = agreement_version::of_agreements(connection, viewer, &ids).await?;
    // They come by agreement: each one's are together.
    let mut versions_of: BTreeMap<AgreementId, &[agreement_version::Model]> = BTreeMap::new();
    for own in versions.chunk_by(|one, other| one.agreement_id == other.agreement_id) {
        if let Some(first) = own.first() {
            versions_of.insert(first.agreement_id, own);
        }
    }
    let claims = |row: Model| {
        let own = versions_of.get(&row.id).copied().unwrap_or_default();
        let signed = own.iter().filter(|version| version.signed_at.is_some());
        let claims = signed.map(|version| claim_of(&row, version, own)).collect();
        (row, claims)
    };
    Ok(rows.into_iter().map(claims).collect())
}

/// The agreements, signed or in force, of other partnerships that a claim would meet: what if this were agreed? For staff.
///
/// # Errors
/// When the database fails.
pub async fn what_if(
    connection: &impl ConnectionTrait,
    viewer: &Viewer,
    partnership: Option<PartnershipId>,
    claim: &Claim,
) -> Result<Vec<Overlap>> {
    let mut others = Condition::all();
    if let Some(partnership) = partnership {
        others = others.add(Column::PartnershipId.ne(partnership));
    }
    let mut found = Vec::new();
    for (other, own) in claims(connection, viewer, others).await? {
        let worst = own
            .iter()
            .filter_map(|own| meeting(claim, own))
            .max_by_key(|meeting| *meeting == Meeting::Conflict);
        if let Some(meeting) = worst {
            found.push(Overlap {
                agreement_id: other.id,
                partner_id: other.partner_id,
                partnership_id: other.partnership_id,
                meeting,
            });
        }
    }
    Ok(found)
}

/// Refuses a claim that another exclusive one stands against, and keeps others from making one until the change ends. The answer are the agreements
/// inside it.
pub(crate) async fn claim_alone(
    change: &Change,
    partnership: PartnershipId,
    claim: &Claim,
) -> Result<Vec<Overlap>> {
    turn::take(change, Turn::Exclusivity).await?;
    let system = Viewer::system("exclusivity");
    let found = what_if(change.transaction(), &system, Some(partnership), claim).await?;
    if found
        .iter()
        .any(|overlap| overlap.meeting == Meeting::Conflict)
    {
        let message = "Another agreement is exclusive in a part of this scope.";
        return Err(Error::invalid(ViolationCode::Taken, "terms.scope", message));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn claim(
        exclusivity: Exclusivity,
        lists: [&[&str]; 3],
        from: &str,
        until: Option<&str>,
    ) -> Claim {
        let [territories, verticals, products] =
            lists.map(|list| list.iter().map(|one| (*one).to_owned()).collect());
        Claim {
            exclusivity,
            scope: Scope {
                territories,
                verticals,
                products,
            },
            from: from.parse().unwrap(),
            until: until.map(|day| day.parse().unwrap()),
        }
    }

    #[test]
    fn scopes_meet_where_every_dimension_does() {
        use Exclusivity::{Exclusive, ExclusiveTerritory, NonExclusive, Preferred};
        let here = claim(
            Exclusive,
            [&["DE"], &["Retail"], &["A"]],
            "2027-01-01",
            Some("2028-01-01"),
        );
        for (other, wanted) in [
            (
                claim(
                    Exclusive,
                    [&["de "], &["retail"], &["a"]],
                    "2027-06-01",
                    None,
                ),
                Some(Meeting::Conflict),
            ),
            (
                claim(Exclusive, [&[], &[], &[]], "2027-06-01", None),
                Some(Meeting::Conflict),
            ),
            (
                claim(Exclusive, [&["AT"], &[], &[]], "2027-06-01", None),
                None,
            ),
            (
                claim(Exclusive, [&["DE"], &["Banks"], &[]], "2027-06-01", None),
                None,
            ),
            // A territory that is exclusive is so for every business and product.
            (
                claim(
                    ExclusiveTerritory,
                    [&["DE"], &["Banks"], &["B"]],
                    "2027-06-01",
                    None,
                ),
                Some(Meeting::Conflict),
            ),
            (
                claim(Exclusive, [&["DE"], &[], &["B"]], "2027-06-01", None),
                None,
            ),
            (claim(Exclusive, [&[], &[], &[]], "2028-01-01", None), None),
            // What was replaced on its own first day never held.
            (
                claim(Exclusive, [&[], &[], &[]], "2027-06-01", Some("2027-06-01")),
                None,
            ),
            (
                claim(Exclusive, [&[], &[], &[]], "2026-01-01", Some("2027-01-01")),
                None,
            ),
            (
                claim(Exclusive, [&[], &[], &[]], "2026-01-01", Some("2027-01-02")),
                Some(Meeting::Conflict),
            ),
            (
                claim(NonExclusive, [&["DE"], &[], &[]], "2027-06-01", None),
                Some(Meeting::Inside),
            ),
            (
                claim(Preferred, [&["DE"], &[], &[]], "2027-06-01", None),
                Some(Meeting::Inside),
            ),
        ] {
            assert_eq!(meeting(&here, &other), wanted, "{other:?}");
            assert_eq!(meeting(&other, &here), wanted, "either way: {other:?}");
        }
        let plain = claim(NonExclusive, [&[], &[], &[]], "2027-01-01", None);
        assert_eq!(meeting(&plain, &plain), None);
    }
}
