//! What is said of a submitted registration, as it stands when it is said.
//!
//! Owns: the words. Refuses: what stands against it: a channel may be shared with its partner, who learns of others no more than that it waits.
//! Invariant: the same state gives the same message, so that putting a message right can be repeated.

use super::compose::fact;
use super::{APPROVE, REJECT};
use crate::notify::{ButtonStyle, ChatButton, ChatMessage};
use crate::sync::error::Result;
use entities::deal_registration::{self, RegistrationStatus};
use entities::event::{self, EventKind};
use entities::id::EventId;
use entities::partner;
use entities::registration_press::{self, PressOutcome, Wish};
use entities::user;
use entities::viewer::Viewer;
use entities::visible;
use sea_orm::ConnectionTrait;

/// A submission of a registration.
pub(super) struct Submission {
    pub(super) event: event::Model,
    pub(super) row: deal_registration::Model,
    /// Whether it was submitted again since.
    pub(super) stale: bool,
}

impl Submission {
    /// Whether it waits to be decided.
    pub(super) fn waits(&self) -> bool {
        !self.stale
            && matches!(
                self.row.status,
                RegistrationStatus::Submitted
                    | RegistrationStatus::UnderReview
                    | RegistrationStatus::Conflicted
            )
    }
}

/// The submission that an event tells of; none when it tells of something else.
pub(super) async fn submission(
    connection: &impl ConnectionTrait,
    id: EventId,
) -> Result<Option<Submission>> {
    let Some(event) = event::find(connection, id).await? else {
        return Ok(None);
    };
    let told = EventKind::RegistrationSubmitted;
    if event.kind != told.as_str() {
        return Ok(None);
    }
    let system = Viewer::system("chat");
    let found =
        visible::find_one::<deal_registration::Entity, _>(connection, &system, event.subject_id)
            .await?;
    let Some(row) = found else {
        return Ok(None);
    };
    let stale = event::is_followed_by(connection, &event, told).await?;
    Ok(Some(Submission { event, row, stale }))
}

/// The message about a submission, for a channel.
pub(super) async fn compose(
    connection: &impl ConnectionTrait,
    submission: &Submission,
    channel: &str,
) -> Result<ChatMessage> {
    let row = &submission.row;
    let system = Viewer::system("chat");
    let whose = visible::find_one::<partner::Entity, _>(connection, &system, row.partner_id.0);
    let whose = whose.await?.map(|partner| partner.name);
    let mut facts = Vec::new();
    fact(&mut facts, "Partner", whose);
    let domain = row.account_domain.as_ref().map(|domain| domain.to_string());
    fact(&mut facts, "Domain", domain);
    fact(&mut facts, "Country", row.account_country.clone());
    fact(&mut facts, "Products", Some(row.products.0.join(", ")));
    fact(
        &mut facts,
        "Territories",
        Some(row.territories.0.join(", ")),
    );
    let value = row.value().map(|value| value.to_string());
    fact(&mut facts, "Value", value);
    let close = row.expected_close_on.map(|day| day.to_string());
    fact(&mut facts, "Expected close", close);
    fact(&mut facts, "Use case", Some(row.use_case.clone()));
    let button = |label: &str, action: &str, style| ChatButton {
        label: label.to_owned(),
        action: action.to_owned(),
        value: submission.event.id.to_string(),
        style,
    };
    let buttons = if submission.waits() {
        vec![
            button("Approve", APPROVE, ButtonStyle::Primary),
            button("Reject", REJECT, ButtonStyle::Danger),
        ]
    } else {
        Vec::new()
    };
    Ok(ChatMessage {
        channel: channel.to_owned(),
        reference: submission.event.id.to_string(),
        heading: format!("Deal registration: {}", row.account_name),
        text: None,
        facts,
        link: None,
        note: note(connection, submission).await?,
        buttons,
    })
}

/// What has become of it, or of the last press.
async fn note(
    connection: &impl ConnectionTrait,
    submission: &Submission,
) -> Result<Option<String>> {
    let row = &submission.row;
    if submission.stale {
        return Ok(Some(
            "It was submitted again since: decide it there.".to_owned(),
        ));
    }
    let pressed = registration_press::of_event(connection, submission.event.id).await?;
    if submission.waits() {
        let Some(last) = pressed.last() else {
            return Ok(None);
        };
        let note = match last.outcome {
            PressOutcome::Forbidden => {
                "Whoever pressed may not decide registrations, or is not linked to a person here: an administrator can link the account."
            }
            PressOutcome::Done | PressOutcome::Refused | PressOutcome::TooLate => {
                "It cannot be decided so as it stands: decide it where all that is known of it is shown."
            }
        };
        return Ok(Some(note.to_owned()));
    }
    let word = match row.status {
        RegistrationStatus::Approved
        | RegistrationStatus::Converted
        | RegistrationStatus::Expired => "Approved",
        RegistrationStatus::Rejected => "Rejected",
        RegistrationStatus::Duplicate => "Refused as a duplicate",
        RegistrationStatus::InfoRequested => "The partner was asked for more",
        RegistrationStatus::Withdrawn => "Withdrawn by the partner",
        RegistrationStatus::Draft
        | RegistrationStatus::Submitted
        | RegistrationStatus::UnderReview
        | RegistrationStatus::Conflicted => "Not to be decided",
    };
    let done = pressed
        .iter()
        .rfind(|press| press.outcome == PressOutcome::Done);
    let by = match done {
        Some(press) if is_of(press.wish, row.status) => match press.user_id {
            Some(id) => user::find(connection, id).await?,
            None => None,
        },
        _ => None,
    };
    let by = by.map(|person| format!(" by {}", person.name));
    let at = row.decided_at.map(|at| format!(", {}", at.to_rfc3339()));
    let until = row
        .protected_until
        .filter(|_| row.status == RegistrationStatus::Approved)
        .map(|until| format!("; protected until {}", until.to_rfc3339()));
    let parts = [by, at, until].into_iter().flatten();
    Ok(Some(
        std::iter::once(word.to_owned()).chain(parts).collect(),
    ))
}

/// Whether a status is what a wish brings about.
const fn is_of(wish: Wish, status: RegistrationStatus) -> bool {
    match wish {
        Wish::Approve => matches!(
            status,
            RegistrationStatus::Approved
                | RegistrationStatus::Converted
                | RegistrationStatus::Expired
        ),
        Wish::Reject => matches!(status, RegistrationStatus::Rejected),
    }
}
