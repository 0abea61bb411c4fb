//! What has to be there before a partnership goes a stage forward, and who went all the same.
//!
//! PROSPECT → ENGAGE asks for a positive response, ENGAGE → NEGOTIATE for a proposal accepted in principle, NEGOTIATE → ACTIVE for an agreement in force and
//! an onboarding that is completed. Whoever goes without says why, and the log keeps who and why. What an outside system or a file reports has happened:
//! it is asked for nothing.

use super::{Model, PipelineStage};
use crate::activity::{self, ActivityOutcome};
use crate::agreement::{self, AgreementStatus};
use crate::change::Change;
use crate::error::{Error, Result, ViolationCode, Violations};
use crate::event::{EventKind, NewEvent};
use crate::id::PartnershipId;
use crate::onboarding_task;
use crate::text_enum::text_enum;
use crate::viewer::Viewer;
use crate::visible::Visible as _;
use sea_orm::entity::prelude::*;
use serde_json::json;

text_enum! {
    /// What a stage asks for.
    Requirement {
        /// The partner responded well to something that was done.
        PositiveResponse,
        /// It accepted a proposal in principle.
        ProposalAccepted,
        /// An agreement is in force.
        AgreementInForce,
        /// Its onboarding was begun, and each task is done or skipped.
        OnboardingCompleted,
    }
}

impl Requirement {
    /// What a stage asks for.
    #[must_use]
    pub const fn of(stage: PipelineStage) -> &'static [Self] {
        match stage {
            PipelineStage::Prospect => &[],
            PipelineStage::Engage => &[Self::PositiveResponse],
            PipelineStage::Negotiate => &[Self::ProposalAccepted],
            PipelineStage::Active => &[Self::AgreementInForce, Self::OnboardingCompleted],
        }
    }

    /// What is missing without it, in a sentence.
    #[must_use]
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::PositiveResponse => "No activity with a positive outcome is recorded.",
            Self::ProposalAccepted => {
                "No activity is recorded in which a proposal was accepted in principle."
            }
            Self::AgreementInForce => "No agreement is in force.",
            Self::OnboardingCompleted => {
                "The onboarding is not completed: it was not begun, or a task is neither done nor skipped."
            }
        }
    }

    async fn is_met(
        self,
        connection: &impl ConnectionTrait,
        partnership: PartnershipId,
    ) -> Result<bool> {
        match self {
            Self::PositiveResponse => {
                let good = [ActivityOutcome::Positive, ActivityOutcome::ProposalAccepted];
                activity::any_with(connection, partnership, &good).await
            }
            Self::ProposalAccepted => {
                let accepted = [ActivityOutcome::ProposalAccepted];
                activity::any_with(connection, partnership, &accepted).await
            }
            Self::AgreementInForce => {
                let in_force = [AgreementStatus::Active, AgreementStatus::NoticeGiven];
                let select = agreement::Entity::visible_to(&Viewer::system("partnership"))
                    .filter(agreement::Column::PartnershipId.eq(partnership))
                    .filter(agreement::Column::Status.is_in(in_force));
                Ok(select.one(connection).await?.is_some())
            }
            Self::OnboardingCompleted => {
                onboarding_task::is_completed(connection, partnership).await
            }
        }
    }
}

/// What the stage after a partnership's asks for, and whether it is there.
///
/// # Errors
/// When the database fails.
pub async fn next_stage(
    connection: &impl ConnectionTrait,
    row: &Model,
) -> Result<Vec<(Requirement, bool)>> {
    let mut asked = Vec::new();
    for requirement in row.stage.next().map_or(&[][..], Requirement::of) {
        asked.push((*requirement, requirement.is_met(connection, row.id).await?));
    }
    Ok(asked)
}

/// Fails unless what the next stage asks for is there, or somebody says why it goes without.
pub(super) async fn pass(
    change: &mut Change,
    row: &Model,
    override_reason: Option<String>,
) -> Result<()> {
    if change.author().origin.is_external() {
        return Ok(());
    }
    let mut violations = Violations::default();
    violations.optional_text("overrideReason", override_reason.as_deref(), 2_000);
    violations.finish()?;
    let asked = next_stage(change.transaction(), row).await?;
    let missing: Vec<Requirement> = asked
        .into_iter()
        .filter_map(|(requirement, met)| (!met).then_some(requirement))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let Some(reason) = override_reason.filter(|text| !text.trim().is_empty()) else {
        let mut violations = Violations::default();
        for requirement in missing {
            violations.add(ViolationCode::Locked, "to", requirement.sentence());
        }
        return violations.finish();
    };
    let data =
        json!({ "from": row.stage, "to": row.stage.next(), "missing": missing, "reason": reason });
    let event = NewEvent::about(EventKind::PartnershipGuardOverridden, row.id, data);
    change.record(event.for_partner(row.partner_id).internal());
    Ok(())
}

/// A reason to go without, where nothing is asked for: a step back.
pub(super) fn refuse_needless(override_reason: Option<&String>) -> Result<()> {
    if override_reason.is_none() {
        return Ok(());
    }
    let message = "A step back asks for nothing that could be done without.";
    Err(Error::invalid(
        ViolationCode::Invalid,
        "overrideReason",
        message,
    ))
}
