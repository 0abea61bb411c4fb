//! Signing an agreement or an amendment, and writing amendments.
//!
//! A signer names the hash of what it saw, so that nobody signs other words than it read. When both sides have signed, the version is sealed: an
//! agreement is SIGNED, an amendment holds from its day on. An amendment never reaches back.

use super::{AgreementStatus, Model, exclusivity, next_version, record, set_status};
use crate::agreement::Terms;
use crate::agreement_signature::{self, Side};
use crate::agreement_version;
use crate::change::Change;
use crate::error::{Error, Result, ViolationCode, Violations};
use crate::event::{EventKind, NewEvent};
use crate::obligation;
use crate::viewer::Viewer;
use chrono::NaiveDate;
use sea_orm::ActiveValue::Set;
use serde_json::json;

/// A signature about to be given.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields of the row")]
pub struct NewSignature {
    pub side: Side,
    pub signer_name: String,
    pub signer_title: String,
    /// The hash of the terms that the signer saw.
    pub terms_hash: String,
}

/// An amendment about to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields of the row")]
pub struct NewAmendment {
    pub effective_on: NaiveDate,
    pub terms: Terms,
    pub summary: String,
}

/// Signs the last version of an agreement for one side. The answer is the agreement and the version as they are then.
///
/// # Errors
/// Nothing to sign, a hash of other terms, a side that has signed, terms that lack something, an exclusive scope that is taken, or an amendment whose
/// day has passed; then nothing is written.
pub async fn sign(
    change: &mut Change,
    row: Model,
    signature: NewSignature,
) -> Result<(Model, agreement_version::Model)> {
    let versions = agreement_version::all(change.transaction(), row.id).await?;
    let version = agreement_version::last_of(row.id, &versions)?;
    let is_first = row.status == AgreementStatus::PendingSignature;
    let is_amendment = matches!(
        row.status,
        AgreementStatus::Signed | AgreementStatus::Active
    ) && version.signed_at.is_none();
    if !is_first && !is_amendment {
        let message = "Nothing waits for a signature.";
        return Err(Error::invalid(
            ViolationCode::TransitionNotAllowed,
            "status",
            message,
        ));
    }
    let mut violations = Violations::default();
    violations.text("signerName", &signature.signer_name, 200);
    violations.text("signerTitle", &signature.signer_title, 200);
    if signature.terms_hash != version.terms_hash {
        let message = "These are not the terms that are to be signed: read them again.";
        violations.add(ViolationCode::VersionConflict, "termsHash", message);
    }
    version.terms.check(&mut violations, true);
    let system = Viewer::system("agreement");
    let given = agreement_signature::of_version(change.transaction(), &system, version.id).await?;
    if given.iter().any(|given| given.side == signature.side) {
        violations.add(ViolationCode::Taken, "side", "This side has signed.");
    }
    let today = row.zone.day_of(change.now()).unwrap_or(row.effective_on);
    if is_amendment && version.effective_on < today {
        let message = "The amendment's day has passed: amend anew, with a day to come.";
        violations.add(ViolationCode::Invalid, "effectiveOn", message);
    }
    in_order(&mut violations, &versions, version.effective_on);
    violations.finish()?;
    let seals = !given.is_empty();
    // Also one that excludes nobody: what it lies inside of is reported.
    let inside = if seals {
        let claim = exclusivity::claim_of(&row, &version, &versions);
        exclusivity::claim_alone(change, row.partnership_id, &claim).await?
    } else {
        Vec::new()
    };
    let signed = agreement_signature::Model {
        id: change.new_id(),
        created_at: change.now(),
        agreement_version_id: version.id,
        agreement_id: row.id,
        partner_id: row.partner_id,
        side: signature.side,
        signer_name: signature.signer_name,
        signer_title: signature.signer_title,
        signed_hash: signature.terms_hash,
        signed_by: change.author().actor.clone(),
    };
    crate::write::insert::<agreement_signature::Entity>(change, &[signed]).await?;
    let facts = json!({ "side": signature.side, "version": version.number, "termsHash": version.terms_hash, "complete": seals });
    record(change, &row, EventKind::AgreementSigned, facts);
    if !seals {
        return Ok((row, version));
    }
    let read = version.version;
    let mut active: agreement_version::ActiveModel = version.into();
    active.version = Set(read + 1);
    active.updated_at = Set(change.now());
    active.signed_at = Set(Some(change.now()));
    let version = crate::write::update(change, active, read).await?;
    let updated = if is_first {
        let updated = set_status(change, row, AgreementStatus::Signed, |_| ()).await?;
        let data =
            json!({ "from": AgreementStatus::PendingSignature, "to": AgreementStatus::Signed });
        record(change, &updated, EventKind::AgreementStatusChanged, data);
        updated
    } else {
        let data = json!({ "version": version.number, "effectiveOn": version.effective_on, "termsHash": version.terms_hash });
        record(change, &row, EventKind::AgreementAmended, data);
        obligation::generate(change, &row).await?;
        row
    };
    if !inside.is_empty() {
        let agreements: Vec<_> = inside.iter().map(|overlap| overlap.agreement_id).collect();
        let data = json!({ "inside": agreements });
        change.record(
            NewEvent::about(EventKind::AgreementUpdated, updated.id, data)
                .for_partner(updated.partner_id)
                .internal(),
        );
    }
    if is_first {
        let day = updated
            .zone
            .day_of(change.now())
            .unwrap_or(updated.effective_on);
        if updated.effective_on <= day {
            let begun = super::lifecycle::activate(change, updated).await?;
            return Ok((begun, version));
        }
    }
    Ok((updated, version))
}

/// Writes an amendment of a signed agreement; it holds once both sides have signed it. An amendment that nobody has signed yet is replaced.
///
/// # Errors
/// An agreement that is not signed or is ending, a day in the past or before the version in force, terms that cannot be, or a change of what an
/// amendment cannot change; then nothing is written.
pub async fn amend(
    change: &mut Change,
    row: Model,
    amendment: NewAmendment,
) -> Result<agreement_version::Model> {
    if !matches!(
        row.status,
        AgreementStatus::Signed | AgreementStatus::Active
    ) {
        let message = "Only an agreement that is signed and not ending is amended.";
        return Err(Error::invalid(
            ViolationCode::TransitionNotAllowed,
            "status",
            message,
        ));
    }
    let mut violations = Violations::default();
    let terms = &amendment.terms;
    terms.check(&mut violations, true);
    violations.text("summary", &amendment.summary, 2_000);
    let fixed = (
        row.term_months,
        row.auto_renew,
        row.notice_days,
        row.confidentiality_months,
    );
    let wanted = (
        terms.term_months,
        terms.auto_renew,
        terms.notice_days,
        terms.confidentiality_months,
    );
    if fixed != wanted {
        let message = "Term, renewal, notice and confidentiality stay: agree anew, and let that supersede this one.";
        violations.add(ViolationCode::Locked, "terms", message);
    }
    let system = Viewer::system("agreement");
    let versions = agreement_version::all(change.transaction(), row.id).await?;
    let mut last = agreement_version::last_of(row.id, &versions)?;
    let today = row.zone.day_of(change.now()).unwrap_or(row.effective_on);
    if amendment.effective_on < today || amendment.effective_on <= row.effective_on {
        let message = "An amendment holds from a day to come, within the agreement.";
        violations.add(ViolationCode::Invalid, "effectiveOn", message);
    }
    in_order(&mut violations, &versions, amendment.effective_on);
    violations.finish()?;
    let mut number = last.number + 1;
    if last.signed_at.is_none()
        && agreement_signature::of_version(change.transaction(), &system, last.id)
            .await?
            .is_empty()
    {
        number = last.number;
        let read = last.version;
        let hash = amendment
            .terms
            .hash(&row.number, number, amendment.effective_on)?;
        let mut active: agreement_version::ActiveModel = last.into();
        active.version = Set(read + 1);
        active.updated_at = Set(change.now());
        active.effective_on = Set(amendment.effective_on);
        active.terms = Set(amendment.terms);
        active.terms_hash = Set(hash);
        active.summary = Set(amendment.summary);
        last = crate::write::update(change, active, read).await?;
    } else {
        last = next_version(
            change,
            &row,
            number,
            amendment.effective_on,
            amendment.terms,
            amendment.summary,
        )?;
        crate::write::insert::<agreement_version::Entity>(change, std::slice::from_ref(&last))
            .await?;
    }
    let data = json!({ "amendment": { "version": number, "effectiveOn": last.effective_on } });
    record(change, &row, EventKind::AgreementUpdated, data);
    Ok(last)
}

/// Notes where a signed version begins after a day: it would silently take the place of what holds from that day on.
fn in_order(violations: &mut Violations, versions: &[agreement_version::Model], on: NaiveDate) {
    let signed = versions
        .iter()
        .filter(|version| version.signed_at.is_some());
    if signed.map(|version| version.effective_on).max() > Some(on) {
        let message = "A later amendment is signed already.";
        violations.add(ViolationCode::Invalid, "effectiveOn", message);
    }
}
