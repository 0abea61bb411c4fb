//! An agreement with a partner: its way from a draft to its end.
//!
//! What it says is kept in versions ([`crate::agreement_version`]); a signed one never changes, an amendment is another with a day of its own. State
//! machine: DRAFT → IN_NEGOTIATION → LEGAL_REVIEW → PENDING_SIGNATURE → SIGNED → ACTIVE, back to IN_NEGOTIATION from review and signature, WITHDRAWN
//! before SIGNED; ACTIVE → NOTICE_GIVEN → TERMINATED; ACTIVE → EXPIRED or SUPERSEDED; a renewal stays ACTIVE.
//!
//! Invariants (domain, 1 to 6): shares are the whole; at most one agreement of a partnership is in force, by the database's own rule; exclusive scopes
//! never overlap; notice is kept; a term is renewed once and never after a notice. A partner sees its agreements from the negotiation on, and what was
//! withdrawn before it was shown never.

pub mod exclusivity;
mod lifecycle;
mod signing;
mod terms;

pub use lifecycle::{Tended, give_notice, tend};
pub use signing::{NewAmendment, NewSignature, amend, sign};
pub use terms::{
    Cadence, ComplianceRequirement, Exclusivity, IpTerms, PaymentTerms, RevenueShareTerm, Scope,
    SlaMetric, SlaTerm, SplitScheme, Terms,
};

use crate::agreement_version;
use crate::calendar::{Zone, plus_months};
use crate::change::Change;
use crate::clock::Timestamp;
use crate::error::{Error, Result, ViolationCode, Violations};
use crate::event::{EventKind, NewEvent};
use crate::id::{AgreementId, PartnerId, PartnershipId};
use crate::text_enum::text_enum;
use crate::viewer::Viewer;
use crate::visible::{self, Own, Versioned, Visible};
use crate::{agreement_signature, partnership, program_enrollment};
use chrono::NaiveDate;
use sea_orm::ActiveValue::Set;
use sea_orm::QueryOrder as _;
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::Condition;
use serde_json::json;

text_enum! {
    /// Where an agreement stands.
    AgreementStatus {
        /// Being written; the partner does not see it.
        Draft,
        /// Being talked about.
        InNegotiation,
        /// With the lawyers.
        LegalReview,
        /// Waiting for signatures.
        PendingSignature,
        /// Signed by both, not begun.
        Signed,
        /// In force.
        Active,
        /// In force until its notice ends.
        NoticeGiven,
        /// Over, after notice.
        Terminated,
        /// Over, at the end of its term.
        Expired,
        /// Over, because another took its place.
        Superseded,
        /// Given up before it was signed.
        Withdrawn,
    }
}

impl AgreementStatus {
    /// The states a person may move it to; signing, beginning and ending have operations of their own.
    #[must_use]
    pub const fn transitions(self) -> &'static [Self] {
        match self {
            Self::Draft => &[Self::InNegotiation, Self::Withdrawn],
            Self::InNegotiation => &[Self::LegalReview, Self::Withdrawn],
            Self::LegalReview => &[Self::PendingSignature, Self::InNegotiation, Self::Withdrawn],
            Self::PendingSignature => &[Self::InNegotiation, Self::Withdrawn],
            _ => &[],
        }
    }

    /// Whether it binds: earnings are computed by it.
    #[must_use]
    pub const fn is_in_force(self) -> bool {
        matches!(self, Self::Active | Self::NoticeGiven)
    }

    /// Whether it ever was in force.
    #[must_use]
    pub const fn has_begun(self) -> bool {
        matches!(
            self,
            Self::Active | Self::NoticeGiven | Self::Terminated | Self::Expired | Self::Superseded
        )
    }
}

/// An agreement.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "agreement")]
#[expect(missing_docs, reason = "the fields are described in the API's schema")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: AgreementId,
    pub version: i64,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub partnership_id: PartnershipId,
    pub partner_id: PartnerId,
    pub number: String,
    pub status: AgreementStatus,
    /// Whether the partner was ever shown it; what never was stays ours.
    pub shown: bool,
    pub effective_on: NaiveDate,
    /// The zone in which its days begin.
    pub zone: Zone,
    pub term_months: i32,
    pub auto_renew: bool,
    pub notice_days: i32,
    pub confidentiality_months: i32,
    /// How many terms have begun.
    pub term: i32,
    /// The first day that is no longer of the present term.
    pub term_ends_on: NaiveDate,
    pub notice_given_on: Option<NaiveDate>,
    pub notice_reason: Option<String>,
    /// The first day on which, after notice, it is no longer in force.
    pub terminates_on: Option<NaiveDate>,
    /// The first day on which it was no longer in force.
    pub ended_on: Option<NaiveDate>,
    pub superseded_by: Option<AgreementId>,
}

impl Model {
    /// Whether it is, was or will be in force on a day, by its terms: also before anybody has noted that it ended.
    #[must_use]
    pub fn binds_on(&self, on: NaiveDate) -> bool {
        self.status.has_begun() && self.effective_on <= on && self.end().is_none_or(|end| on < end)
    }

    /// The first day on which it is no longer in force, by its terms; none while nobody has ended it and it is renewed.
    #[must_use]
    pub fn end(&self) -> Option<NaiveDate> {
        let ends = [
            self.ended_on,
            self.terminates_on,
            (!self.auto_renew).then_some(self.term_ends_on),
        ];
        ends.into_iter().flatten().min()
    }

    /// The contract year a day falls in.
    #[must_use]
    pub fn year_of(&self, on: NaiveDate) -> Option<crate::calendar::Span> {
        crate::calendar::stretch_of(self.effective_on, 12, on)
    }
}

/// Relations are walked by id.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Versioned for Model {
    fn version(&self) -> i64 {
        self.version
    }
}

impl Visible for Entity {
    fn visible_to_partner(own: Own) -> Condition {
        Condition::all()
            .add(own.holds((Entity, Column::PartnerId)))
            .add(Column::Shown.eq(true))
    }
}

/// What an agreement is made from.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields of the row")]
pub struct NewAgreement {
    pub partnership_id: PartnershipId,
    /// What it is called; without one it is called by its id.
    pub number: Option<String>,
    pub effective_on: NaiveDate,
    pub terms: Terms,
}

/// Writes drafts of agreements.
///
/// # Errors
/// An unknown partnership, a number that is taken, terms that cannot be; then none is written.
pub async fn create(change: &mut Change, inputs: Vec<NewAgreement>) -> Result<Vec<Model>> {
    let system = Viewer::system("agreement");
    let mut violations = Violations::default();
    let now = change.now();
    let (mut rows, mut versions) = (Vec::<Model>::new(), Vec::new());
    for input in inputs {
        input.terms.check(&mut violations, false);
        let id: AgreementId = change.new_id();
        let number = input.number.unwrap_or_else(|| id.to_string());
        violations.text("number", &number, 100);
        let other = Entity::visible_to(&system).filter(Column::Number.eq(number.as_str()));
        if rows.iter().any(|row| row.number == number)
            || other.one(change.transaction()).await?.is_some()
        {
            violations.add(
                ViolationCode::Taken,
                "number",
                "Another agreement has this number.",
            );
        }
        let ids = [input.partnership_id.0];
        let found = visible::lock_all::<partnership::Entity>(change, &system, ids)
            .await?
            .pop();
        let Some(partnership) = found else {
            violations.add(
                ViolationCode::NotFound,
                "partnershipId",
                "No such partnership.",
            );
            continue;
        };
        let ends = plus_months(input.effective_on, input.terms.term_months);
        let Some(term_ends_on) = ends else {
            violations.add(
                ViolationCode::Invalid,
                "effectiveOn",
                "Not a day to count from.",
            );
            continue;
        };
        let row = Model {
            id,
            version: 1,
            created_at: now,
            updated_at: now,
            partnership_id: partnership.id,
            partner_id: partnership.partner_id,
            number,
            status: AgreementStatus::Draft,
            shown: false,
            effective_on: input.effective_on,
            zone: program_enrollment::zone_of(change.transaction(), partnership.id).await?,
            term_months: input.terms.term_months,
            auto_renew: input.terms.auto_renew,
            notice_days: input.terms.notice_days,
            confidentiality_months: input.terms.confidentiality_months,
            term: 1,
            term_ends_on,
            notice_given_on: None,
            notice_reason: None,
            terminates_on: None,
            ended_on: None,
            superseded_by: None,
        };
        versions.push(next_version(
            change,
            &row,
            1,
            input.effective_on,
            input.terms,
            String::new(),
        )?);
        rows.push(row);
    }
    violations.finish()?;
    crate::write::insert::<Entity>(change, &rows).await?;
    crate::write::insert::<agreement_version::Entity>(change, &versions).await?;
    for row in &rows {
        let data = json!({ "number": row.number, "effectiveOn": row.effective_on });
        let event = NewEvent::about(EventKind::AgreementCreated, row.id, data);
        change.record(event.for_partner(row.partner_id).internal());
    }
    Ok(rows)
}

fn next_version(
    change: &Change,
    agreement: &Model,
    number: i32,
    effective_on: NaiveDate,
    terms: Terms,
    summary: String,
) -> Result<agreement_version::Model> {
    let now = change.now();
    Ok(agreement_version::Model {
        id: change.new_id(),
        version: 1,
        created_at: now,
        updated_at: now,
        agreement_id: agreement.id,
        partner_id: agreement.partner_id,
        number,
        effective_on,
        terms_hash: terms.hash(&agreement.number, number, effective_on)?,
        terms,
        summary,
        signed_at: None,
    })
}

/// Rewrites what a draft, or an agreement in negotiation, says and when it begins. Where a side has signed the version already, the new words are the
/// next version.
///
/// # Errors
/// Terms that cannot be, or an agreement that is further on; then nothing is written.
pub async fn revise(
    change: &mut Change,
    row: Model,
    effective_on: NaiveDate,
    terms: Terms,
) -> Result<Model> {
    if !matches!(
        row.status,
        AgreementStatus::Draft | AgreementStatus::InNegotiation
    ) {
        let message =
            "Terms are rewritten in a draft or in negotiation; afterwards they are amended.";
        return Err(Error::invalid(ViolationCode::Locked, "terms", message));
    }
    let mut violations = Violations::default();
    terms.check(&mut violations, false);
    let ends = plus_months(effective_on, terms.term_months);
    if ends.is_none() {
        violations.add(
            ViolationCode::Invalid,
            "effectiveOn",
            "Not a day to count from.",
        );
    }
    violations.finish()?;
    let term_ends_on = ends.unwrap_or(effective_on);
    let system = Viewer::system("agreement");
    let last = agreement_version::last(change.transaction(), row.id).await?;
    if (last.effective_on, &last.terms) == (effective_on, &terms) {
        return Ok(row);
    }
    let signed = agreement_signature::of_version(change.transaction(), &system, last.id).await?;
    if signed.is_empty() {
        let hash = terms.hash(&row.number, last.number, effective_on)?;
        let version = last.version;
        let mut active: agreement_version::ActiveModel = last.into();
        active.version = Set(version + 1);
        active.updated_at = Set(change.now());
        active.effective_on = Set(effective_on);
        active.terms = Set(terms.clone());
        active.terms_hash = Set(hash);
        crate::write::update(change, active, version).await?;
    } else {
        let number = last.number + 1;
        let next = next_version(
            change,
            &row,
            number,
            effective_on,
            terms.clone(),
            String::new(),
        )?;
        crate::write::insert::<agreement_version::Entity>(change, &[next]).await?;
    }
    let version = row.version;
    let mut active: ActiveModel = row.into();
    active.version = Set(version + 1);
    active.updated_at = Set(change.now());
    active.effective_on = Set(effective_on);
    active.term_months = Set(terms.term_months);
    active.auto_renew = Set(terms.auto_renew);
    active.notice_days = Set(terms.notice_days);
    active.confidentiality_months = Set(terms.confidentiality_months);
    active.term_ends_on = Set(term_ends_on);
    let updated = crate::write::update(change, active, version).await?;
    let data = json!({ "effectiveOn": effective_on, "terms": {} });
    record(change, &updated, EventKind::AgreementUpdated, data);
    Ok(updated)
}

/// Moves an agreement on its way to signature, back to the table, or withdraws it.
///
/// # Errors
/// A state that does not follow, or terms that cannot be signed; then nothing is written.
pub async fn advance(change: &mut Change, row: Model, to: AgreementStatus) -> Result<Model> {
    let from = row.status;
    if !from.transitions().contains(&to) {
        let message = format!("An agreement cannot go from {from:?} to {to:?}.");
        return Err(Error::invalid(
            ViolationCode::TransitionNotAllowed,
            "status",
            message,
        ));
    }
    if to == AgreementStatus::PendingSignature {
        let mut violations = Violations::default();
        let last = agreement_version::last(change.transaction(), row.id).await?;
        last.terms.check(&mut violations, true);
        violations.finish()?;
    }
    let shown = row.shown || to == AgreementStatus::InNegotiation;
    let updated = set_status(change, row, to, |active| active.shown = Set(shown)).await?;
    let data = json!({ "from": from, "to": to });
    record(change, &updated, EventKind::AgreementStatusChanged, data);
    Ok(updated)
}

async fn set_status(
    change: &Change,
    row: Model,
    to: AgreementStatus,
    more: impl FnOnce(&mut ActiveModel),
) -> Result<Model> {
    let version = row.version;
    let mut active: ActiveModel = row.into();
    active.version = Set(version + 1);
    active.updated_at = Set(change.now());
    active.status = Set(to);
    more(&mut active);
    crate::write::update(change, active, version).await
}

/// An event that the partner may see, unless it was never shown the agreement.
fn record(change: &mut Change, row: &Model, kind: EventKind, data: serde_json::Value) {
    let event = NewEvent::about(kind, row.id, data).for_partner(row.partner_id);
    change.record(if row.shown { event } else { event.internal() });
}

/// The agreements of these partnerships, oldest first.
///
/// # Errors
/// When the database fails.
pub async fn of_partnerships(
    connection: &impl ConnectionTrait,
    viewer: &Viewer,
    partnerships: &[PartnershipId],
) -> Result<Vec<Model>> {
    let mut found = Vec::new();
    for chunk in partnerships.chunks(500) {
        let select = Entity::visible_to(viewer)
            .filter(Column::PartnershipId.is_in(chunk.iter().copied()))
            .order_by_asc(Column::EffectiveOn)
            .order_by_asc(Column::Id);
        found.extend(select.all(connection).await?);
    }
    Ok(found)
}
