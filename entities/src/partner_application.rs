//! A company's wish to take part in a programme: what it says of itself, what was asked and answered, and what became of it.
//!
//! SUBMITTED → IN_REVIEW → APPROVED / REFUSED; IN_REVIEW → INFORMATION_REQUESTED → SUBMITTED by the answer, or → EXPIRED without one; before a decision
//! → WITHDRAWN; SUBMITTED → REFUSED at once, for what is no application at all. What is decided stays.
//!
//! Owns the application. Refuses: a programme that takes none (it answers like one that does not exist, but to staff), and a second open application of a
//! partner for the same. Invariants: what comes by the public form is tied to no partner until staff does so, whatever name or domain it gives, for nobody
//! proved to speak for it; the log names no person. A partner sees its own applications, and of these not what we noted.

mod decision;
mod expiry;

pub use decision::{Approval, answer, approve, refuse, request_information, review, withdraw};
pub use expiry::{ANSWER_DAYS, erase_contact, expire};

use crate::change::Change;
use crate::clock::Timestamp;
use crate::contact::is_email;
use crate::domain_name::DomainName;
use crate::error::{Error, Result, ViolationCode, Violations};
use crate::event::{EventKind, NewEvent};
use crate::id::{PartnerApplicationId, PartnerId, PartnershipId, ProgramId};
use crate::partnership::PartnerType;
use crate::text_enum::text_enum;
use crate::viewer::{PartnerRole, Viewer, ViewerKind};
use crate::visible::{self, Own, Versioned, Visible};
use crate::{partner, program};
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::Condition;
use serde_json::{Value as Json, json};

text_enum! {
    /// What became of an application.
    ApplicationStatus {
        /// It waits to be looked at.
        Submitted,
        /// Somebody looks at it.
        InReview,
        /// It waits for an answer of the company.
        InformationRequested,
        /// The company takes part.
        Approved,
        /// It does not.
        Refused,
        /// The company took it back.
        Withdrawn,
        /// No answer came.
        Expired,
    }
}

text_enum! {
    /// How an application came.
    ApplicationSource {
        /// By the public form: nobody proved who they are.
        Form,
        /// From a partner, for itself.
        Partner,
        /// Staff or software of the programme wrote it down.
        Staff,
    }
}

impl ApplicationStatus {
    /// The states that may follow.
    #[must_use]
    pub const fn transitions(self) -> &'static [Self] {
        match self {
            Self::Submitted => &[Self::InReview, Self::Refused, Self::Withdrawn],
            Self::InReview => &[
                Self::InformationRequested,
                Self::Approved,
                Self::Refused,
                Self::Withdrawn,
            ],
            Self::InformationRequested => &[
                Self::Submitted,
                Self::Refused,
                Self::Withdrawn,
                Self::Expired,
            ],
            Self::Approved | Self::Refused | Self::Withdrawn | Self::Expired => &[],
        }
    }

    /// Whether it waits for somebody.
    #[must_use]
    pub const fn is_open(self) -> bool {
        !self.transitions().is_empty()
    }
}

/// An application.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "partner_application")]
#[expect(missing_docs, reason = "the fields are described in the API's schema")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: PartnerApplicationId,
    pub version: i64,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub program_id: ProgramId,
    /// Who applies, where that is known; whom it made a partner, once it is approved.
    pub partner_id: Option<PartnerId>,
    /// What came of it.
    pub partnership_id: Option<PartnershipId>,
    pub source: ApplicationSource,
    pub status: ApplicationStatus,
    pub kind: PartnerType,
    pub company_name: String,
    pub domain: Option<DomainName>,
    pub website: Option<String>,
    pub country: Option<String>,
    pub employees: Option<i32>,
    pub contact_name: String,
    pub contact_email: Option<String>,
    pub message: String,
    /// Internal.
    pub submitted_by: String,
    pub question: Option<String>,
    pub answer_until: Option<Timestamp>,
    pub answer: Option<String>,
    /// Why it was decided so, as the company is told.
    pub reason: Option<String>,
    /// Internal.
    pub internal_note: Option<String>,
    /// Internal.
    pub decided_by: Option<String>,
    pub decided_at: Option<Timestamp>,
    /// Why it was approved without an assessment that is good enough. Internal.
    pub override_reason: Option<String>,
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
        Condition::all().add(own.holds((Entity, Column::PartnerId)))
    }
}

/// What an application says.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields of the row")]
pub struct NewApplication {
    pub program_id: ProgramId,
    pub kind: PartnerType,
    pub company_name: String,
    pub domain: Option<DomainName>,
    pub website: Option<String>,
    pub country: Option<String>,
    pub employees: Option<i32>,
    pub contact_name: String,
    pub contact_email: Option<String>,
    pub message: String,
}

/// The programme of an application that comes from outside: one that is open to applications.
///
/// # Errors
/// When the database fails.
pub async fn find_open_program(
    connection: &impl ConnectionTrait,
    id: ProgramId,
) -> Result<Option<program::Model>> {
    let system = Viewer::system("partner_application");
    let found = visible::find_one::<program::Entity, _>(connection, &system, id.0).await?;
    Ok(found.filter(|row| row.accepts_applications && row.archived_at.is_none()))
}

/// Takes an application that a viewer hands in: staff for anybody, a partner's administrator for its own company.
///
/// # Errors
/// Refused fields, a programme that is not open to the viewer, somebody who may not, or a second one while one is open; then nothing is written.
pub async fn submit(
    change: &mut Change,
    viewer: &Viewer,
    partner_id: Option<PartnerId>,
    input: NewApplication,
) -> Result<Model> {
    let (source, partner_id) = match viewer.kind() {
        ViewerKind::Partner(own, _) => {
            let named = partner_id.unwrap_or(own);
            speaks_for(viewer, Some(named), "partnerId")?;
            (ApplicationSource::Partner, Some(own))
        }
        ViewerKind::Nobody => return Err(Error::not_found("programId")),
        _ => (ApplicationSource::Staff, partner_id),
    };
    let mut violations = check(&input);
    let system = Viewer::system("partner_application");
    let transaction = change.transaction();
    let is_open = if source == ApplicationSource::Staff {
        let found =
            visible::find_one::<program::Entity, _>(transaction, &system, input.program_id.0);
        found.await?.is_some_and(|row| row.archived_at.is_none())
    } else {
        find_open_program(transaction, input.program_id)
            .await?
            .is_some()
    };
    if !is_open {
        violations.add(ViolationCode::NotFound, "programId", "No such programme.");
    }
    if let Some(partner) = partner_id {
        let found = visible::lock_all::<partner::Entity>(change, &system, [partner.0]).await?;
        if found.is_empty() {
            violations.add(ViolationCode::NotFound, "partnerId", "No such partner.");
        }
        let open = Entity::visible_to(&system)
            .filter(Column::ProgramId.eq(input.program_id))
            .filter(Column::PartnerId.eq(partner))
            .filter(Column::Kind.eq(input.kind))
            .filter(Column::Status.is_in(open_states()));
        if open.one(change.transaction()).await?.is_some() {
            let message = "It has applied already and is not answered yet.";
            violations.add(ViolationCode::Taken, "programId", message);
        }
    }
    violations.finish()?;
    write(change, source, partner_id, input).await
}

/// Takes an application from the public form. None where the programme is not open; nothing in the answer depends on whether the company is known.
///
/// # Errors
/// Refused fields; then nothing is written.
pub async fn submit_form(change: &mut Change, input: NewApplication) -> Result<Option<Model>> {
    let mut violations = check(&input);
    if input.contact_email.is_none() {
        let message = "An address is required, or nobody could answer.";
        violations.add(ViolationCode::Blank, "contactEmail", message);
    }
    violations.finish()?;
    if find_open_program(change.transaction(), input.program_id)
        .await?
        .is_none()
    {
        return Ok(None);
    }
    let written = write(change, ApplicationSource::Form, None, input).await?;
    Ok(Some(written))
}

async fn write(
    change: &mut Change,
    source: ApplicationSource,
    partner_id: Option<PartnerId>,
    input: NewApplication,
) -> Result<Model> {
    let now = change.now();
    let row = Model {
        id: change.new_id(),
        version: 1,
        created_at: now,
        updated_at: now,
        program_id: input.program_id,
        partner_id,
        partnership_id: None,
        source,
        status: ApplicationStatus::Submitted,
        kind: input.kind,
        company_name: input.company_name.trim().to_owned(),
        domain: input.domain,
        website: input.website,
        country: input.country,
        employees: input.employees,
        contact_name: input.contact_name.trim().to_owned(),
        contact_email: input.contact_email,
        message: input.message,
        submitted_by: change.author().actor.clone(),
        question: None,
        answer_until: None,
        answer: None,
        reason: None,
        internal_note: None,
        decided_by: None,
        decided_at: None,
        override_reason: None,
    };
    crate::write::insert::<Entity>(change, std::slice::from_ref(&row)).await?;
    let data = json!({ "program": row.program_id, "type": row.kind, "source": row.source });
    change.record(about(EventKind::ApplicationSubmitted, &row, data));
    Ok(row)
}

/// The states in which an application waits for somebody.
fn open_states() -> impl Iterator<Item = ApplicationStatus> {
    use sea_orm::Iterable as _;
    ApplicationStatus::iter().filter(|status| status.is_open())
}

/// Fails unless a viewer may act for the company of an application: the programme's own people for every one, a partner's administrator for its own.
fn speaks_for(viewer: &Viewer, company: Option<PartnerId>, field: &str) -> Result<()> {
    let may = match viewer.kind() {
        ViewerKind::Staff(_) | ViewerKind::Integration | ViewerKind::System => true,
        ViewerKind::Partner(own, PartnerRole::Admin) => company == Some(own),
        ViewerKind::Partner(..) | ViewerKind::Nobody => false,
    };
    if may {
        return Ok(());
    }
    let message = "The company's own administrator does this.";
    Err(Error::invalid(ViolationCode::Invalid, field, message))
}

/// An event about an application, which its partner hears of where it has one.
fn about(kind: EventKind, row: &Model, data: Json) -> NewEvent {
    let event = NewEvent::about(kind, row.id, data);
    match row.partner_id {
        Some(partner) => event.for_partner(partner),
        None => event.internal(),
    }
}

fn check(input: &NewApplication) -> Violations {
    let mut violations = Violations::default();
    violations.line("companyName", &input.company_name, 300);
    violations.line("contactName", &input.contact_name, 300);
    violations.text("message", &input.message, 5_000);
    violations.optional_text("website", input.website.as_deref(), 2_000);
    let email = input.contact_email.as_deref();
    violations.optional_text("contactEmail", email, 320);
    if email.is_some_and(|text| !is_email(text)) {
        let message = "This is no e-mail address.";
        violations.add(ViolationCode::Invalid, "contactEmail", message);
    }
    let website = input.website.as_deref();
    if website.is_some_and(|text| !is_web_address(text)) {
        let message = "A website begins with https:// or http:// and has no spaces.";
        violations.add(ViolationCode::Invalid, "website", message);
    }
    let is_code =
        |text: &str| text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_uppercase());
    if input.country.as_deref().is_some_and(|text| !is_code(text)) {
        let message = "A country is two capital letters of ISO 3166.";
        violations.add(ViolationCode::Invalid, "country", message);
    }
    if input.employees.is_some_and(|count| count < 0) {
        let message = "A number of people is not negative.";
        violations.add(ViolationCode::Invalid, "employees", message);
    }
    violations
}

/// Staff may follow it: nothing but the web's own schemes is taken.
fn is_web_address(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    let rest = lower
        .strip_prefix("https://")
        .or_else(|| lower.strip_prefix("http://"));
    rest.is_some_and(|rest| {
        !rest.is_empty() && !rest.starts_with('/') && !rest.contains(char::is_whitespace)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use sea_orm::Iterable as _;

    #[test]
    fn what_is_decided_stays_and_everything_else_can_end() {
        use ApplicationStatus as Status;
        for status in Status::iter() {
            let next = status.transitions();
            assert!(!next.contains(&status), "{status:?}");
            if status.is_open() {
                assert!(
                    next.contains(&Status::Refused) && next.contains(&Status::Withdrawn),
                    "{status:?}"
                );
            }
        }
        let approved =
            Status::iter().filter(|status| status.transitions().contains(&Status::Approved));
        assert_eq!(approved.collect::<Vec<_>>(), [Status::InReview]);
    }

    #[test]
    fn only_the_webs_addresses_are_websites() {
        for text in ["https://acme.example", "HTTP://acme.example/about"] {
            assert!(is_web_address(text), "{text}");
        }
        for text in [
            "javascript:alert(1)",
            "acme.example",
            "https://",
            "https:///x",
            "https://a b",
        ] {
            assert!(!is_web_address(text), "{text}");
        }
    }
}
