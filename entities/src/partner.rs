//! A partner is a company. What the programme does with it (type, stage, targets) belongs to its partnerships.
//!
//! Invariants: the domain is unique among partners where there is one; names never merge two partners; terminal states are
//! terminal; a partner is archived, never deleted.

use crate::change::Change;
use crate::clock::Timestamp;
use crate::database::Database;
use crate::diff::{Diff, Texts, archived};
use crate::domain_name::DomainName;
use crate::error::{Error, Result, ViolationCode, Violations};
use crate::event::{EventKind, NewEvent};
use crate::id::PartnerId;
use crate::viewer::Viewer;
use crate::visible::{Own, Versioned, Visible};
use sea_orm::ActiveValue::Set;
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::Condition;
use sea_orm::{Iterable as _, QuerySelect as _, TryIntoModel};
use serde_json::json;
use std::collections::HashSet;

/// Where a partner stands with the programme.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, serde::Serialize)]
#[sea_orm(
    rs_type = "String",
    db_type = "Text",
    rename_all = "SCREAMING_SNAKE_CASE"
)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum PartnerStatus {
    /// Under consideration.
    Candidate,
    /// Takes part.
    Active,
    /// Temporarily out.
    Suspended,
    /// Out for good.
    Terminated,
    /// Became part of another partner.
    Merged,
}

impl PartnerStatus {
    /// The states that may follow.
    #[must_use]
    pub const fn transitions(self) -> &'static [Self] {
        match self {
            Self::Candidate => &[Self::Active, Self::Merged],
            Self::Active => &[Self::Suspended, Self::Terminated, Self::Merged],
            Self::Suspended => &[Self::Active, Self::Terminated, Self::Merged],
            Self::Terminated | Self::Merged => &[],
        }
    }

    /// Whether the partner's people and software come in: who is suspended does not until that is over, and who is out for good never again.
    #[must_use]
    pub const fn takes_part(self) -> bool {
        matches!(self, Self::Candidate | Self::Active)
    }
}

/// A partner.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "partner")]
#[expect(missing_docs, reason = "the fields are described in the API's schema")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: PartnerId,
    pub version: i64,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub name: String,
    pub domain: Option<DomainName>,
    pub website: Option<String>,
    pub country: Option<String>,
    pub regions: Texts,
    pub verticals: Texts,
    pub employees: Option<i32>,
    pub description: Option<String>,
    pub status: PartnerStatus,
    pub parent_id: Option<PartnerId>,
    pub tags: Texts,
    pub archived_at: Option<Timestamp>,
}

/// Relations are walked by id, level by level; see the API's sibling batches.
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
        Condition::all().add(own.holds((Entity, Column::Id)))
    }
}

/// What a new partner is made from.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the fields of the row")]
pub struct NewPartner {
    pub name: String,
    pub domain: Option<DomainName>,
    pub website: Option<String>,
    pub country: Option<String>,
    pub regions: Vec<String>,
    pub verticals: Vec<String>,
    pub employees: Option<i32>,
    pub description: Option<String>,
    pub status: PartnerStatus,
    pub parent_id: Option<PartnerId>,
    pub tags: Vec<String>,
    pub archived: bool,
}

impl NewPartner {
    /// An active partner of which only the name is known.
    pub fn named(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            domain: None,
            website: None,
            country: None,
            regions: Vec::new(),
            verticals: Vec::new(),
            employees: None,
            description: None,
            status: PartnerStatus::Active,
            parent_id: None,
            tags: Vec::new(),
            archived: false,
        }
    }
}

/// What an update sets; `None` keeps, `Some(None)` clears.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields of the row")]
pub struct PartnerPatch {
    pub name: Option<String>,
    pub domain: Option<Option<DomainName>>,
    pub website: Option<Option<String>>,
    pub country: Option<Option<String>>,
    pub regions: Option<Vec<String>>,
    pub verticals: Option<Vec<String>>,
    pub employees: Option<Option<i32>>,
    pub description: Option<Option<String>>,
    pub status: Option<PartnerStatus>,
    pub tags: Option<Vec<String>>,
    pub archived: Option<bool>,
}

/// Creates partners.
///
/// # Errors
/// Refused fields; then none of them is created.
pub async fn create(change: &mut Change, inputs: Vec<NewPartner>) -> Result<Vec<Model>> {
    let mut violations = Violations::default();
    let mut domains = Vec::new();
    let parents: HashSet<PartnerId> = inputs.iter().filter_map(|input| input.parent_id).collect();
    for input in &inputs {
        check(
            &mut violations,
            Some(&input.name),
            Some(input.website.as_deref()),
            Some(input.description.as_deref()),
            Some(input.country.as_deref()),
            Some(input.employees),
        );
        violations.tags("tags", &input.tags);
        violations.tags("regions", &input.regions);
        violations.tags("verticals", &input.verticals);
        domains.extend(input.domain.clone());
    }
    let known_parents = crate::visible::find_all::<Entity, _>(
        change.transaction(),
        &Viewer::system("partner"),
        parents.iter().map(|id| id.0),
    )
    .await?;
    if known_parents.len() < parents.len() {
        violations.add(ViolationCode::NotFound, "parentId", "No such partner.");
    }
    taken_domains(change, &mut violations, domains).await?;
    violations.finish()?;

    let now = change.now();
    let rows: Vec<Model> = inputs
        .into_iter()
        .map(|input| Model {
            id: change.new_id(),
            version: 1,
            created_at: now,
            updated_at: now,
            name: input.name,
            domain: input.domain,
            website: input.website,
            country: input.country,
            regions: Texts(input.regions),
            verticals: Texts(input.verticals),
            employees: input.employees,
            description: input.description,
            status: input.status,
            parent_id: input.parent_id,
            tags: Texts(input.tags),
            archived_at: input.archived.then_some(now),
        })
        .collect();
    crate::write::insert::<Entity>(change, &rows)
        .await
        .map_err(domain_taken)?;
    for row in &rows {
        if !row.status.takes_part() {
            change.keep_out(row.id, true);
        }
        let data = json!({ "name": row.name, "domain": row.domain, "status": row.status });
        change.record(NewEvent::about(EventKind::PartnerCreated, row.id, data).for_partner(row.id));
    }
    Ok(rows)
}

/// Changes a partner that was read in this change. A patch that changes nothing writes nothing.
///
/// # Errors
/// Refused fields or a transition the status does not have; then nothing is written.
pub async fn update(change: &mut Change, row: Model, patch: PartnerPatch) -> Result<Model> {
    let mut violations = Violations::default();
    check(
        &mut violations,
        patch.name.as_deref(),
        patch.website.as_ref().map(Option::as_deref),
        patch.description.as_ref().map(Option::as_deref),
        patch.country.as_ref().map(Option::as_deref),
        patch.employees,
    );
    for (field, texts) in [
        ("tags", &patch.tags),
        ("regions", &patch.regions),
        ("verticals", &patch.verticals),
    ] {
        violations.tags(field, texts.as_deref().unwrap_or_default());
    }
    if let Some(status) = patch.status
        && status != row.status
        && !row.status.transitions().contains(&status)
    {
        violations.add(
            ViolationCode::TransitionNotAllowed,
            "status",
            format!("A partner cannot go from {:?} to {status:?}.", row.status),
        );
    }
    if let Some(Some(domain)) = &patch.domain
        && row.domain.as_ref() != Some(domain)
    {
        taken_domains(change, &mut violations, vec![domain.clone()]).await?;
    }
    violations.finish()?;

    let now = change.now();
    let (mut diff, mut internal) = (Diff::new(), Diff::new());
    let (archived_at, archiving) = archived(row.archived_at, patch.archived, now);
    let status = row.status;
    let mut active = ActiveModel {
        id: sea_orm::ActiveValue::Unchanged(row.id),
        version: Set(row.version + 1),
        created_at: sea_orm::ActiveValue::Unchanged(row.created_at),
        updated_at: Set(now),
        name: diff.field("name", row.name, patch.name),
        domain: diff.field("domain", row.domain, patch.domain),
        website: diff.field("website", row.website, patch.website),
        country: diff.field("country", row.country, patch.country),
        regions: diff.field("regions", row.regions, patch.regions.map(Texts)),
        verticals: diff.field("verticals", row.verticals, patch.verticals.map(Texts)),
        employees: diff.field("employees", row.employees, patch.employees),
        description: diff.field("description", row.description, patch.description),
        status: diff.field("status", row.status, patch.status),
        parent_id: sea_orm::ActiveValue::Unchanged(row.parent_id),
        tags: internal.field("tags", row.tags, patch.tags.map(Texts)),
        archived_at,
    };
    if diff.is_empty() && internal.is_empty() && archiving.is_none() {
        active.version = sea_orm::ActiveValue::Unchanged(row.version);
        active.updated_at = sea_orm::ActiveValue::Unchanged(row.updated_at);
        return Ok(active.try_into_model()?);
    }
    let updated = crate::write::update(change, active, row.version)
        .await
        .map_err(domain_taken)?;
    if let Some(archived) = archiving {
        let kind = if archived {
            EventKind::PartnerArchived
        } else {
            EventKind::PartnerRestored
        };
        change.record(NewEvent::about(kind, updated.id, json!({})).for_partner(updated.id));
    }
    if updated.status != status {
        change.keep_out(updated.id, !updated.status.takes_part());
        let kind = match updated.status {
            PartnerStatus::Suspended => Some(EventKind::PartnerSuspended),
            PartnerStatus::Terminated => Some(EventKind::PartnerTerminated),
            _ => None,
        };
        if let Some(kind) = kind {
            change.record(
                NewEvent::about(kind, updated.id, json!({ "from": status }))
                    .for_partner(updated.id),
            );
        }
    }
    if !diff.is_empty() {
        change.record(
            diff.into_event(EventKind::PartnerUpdated, updated.id)
                .for_partner(updated.id),
        );
    }
    if !internal.is_empty() {
        change.record(
            internal
                .into_event(EventKind::PartnerUpdated, updated.id)
                .for_partner(updated.id)
                .internal(),
        );
    }
    Ok(updated)
}

fn check(
    violations: &mut Violations,
    name: Option<&str>,
    website: Option<Option<&str>>,
    description: Option<Option<&str>>,
    country: Option<Option<&str>>,
    employees: Option<Option<i32>>,
) {
    if let Some(name) = name {
        violations.text("name", name, 300);
    }
    violations.optional_text("website", website.flatten(), 2_000);
    violations.optional_text("description", description.flatten(), 20_000);
    violations.optional_text("country", country.flatten(), 100);
    if employees.flatten().is_some_and(|count| count < 0) {
        violations.add(
            ViolationCode::Invalid,
            "employees",
            "A number of people is not negative.",
        );
    }
}

/// Whether the people and the software of a side come in: the programme's own do, a partner's while it takes part. A partner that is not there does not.
///
/// # Errors
/// When the database fails.
pub async fn takes_part(
    connection: &impl ConnectionTrait,
    side: Option<PartnerId>,
) -> Result<bool> {
    let Some(partner) = side else {
        return Ok(true);
    };
    let system = Viewer::system("partner");
    let row = crate::visible::find_one::<Entity, _>(connection, &system, partner.0).await?;
    Ok(row.is_some_and(|row| row.status.takes_part()))
}

/// The partners whose people and software do not come in.
///
/// # Errors
/// When the database fails.
pub async fn list_kept_out(database: &Database) -> Result<Vec<PartnerId>> {
    let kept_out = PartnerStatus::iter().filter(|status| !status.takes_part());
    let select = Entity::visible_to(&Viewer::system("partner"))
        .filter(Column::Status.is_in(kept_out))
        .select_only()
        .column(Column::Id);
    Ok(select.into_tuple().all(database.read()).await?)
}

/// Which of these domains already belong to a partner.
///
/// # Errors
/// When the database fails.
pub async fn find_domains(change: &Change, domains: &[DomainName]) -> Result<Vec<Model>> {
    if domains.is_empty() {
        return Ok(Vec::new());
    }
    let select = Entity::visible_to(&Viewer::system("partner"))
        .filter(Column::Domain.is_in(domains.iter().cloned()));
    Ok(select.all(change.transaction()).await?)
}

async fn taken_domains(
    change: &Change,
    violations: &mut Violations,
    mut domains: Vec<DomainName>,
) -> Result<()> {
    let asked = domains.len();
    domains.sort_unstable();
    domains.dedup();
    if asked > domains.len() || !find_domains(change, &domains).await?.is_empty() {
        violations.add(
            ViolationCode::Taken,
            "domain",
            "Another partner has this domain.",
        );
    }
    Ok(())
}

/// The database's unique index has the last word when two changes run at once.
fn domain_taken(error: Error) -> Error {
    match error {
        Error::Db(fault)
            if matches!(fault.sql_err(), Some(SqlErr::UniqueConstraintViolation(_))) =>
        {
            Error::invalid(
                ViolationCode::Taken,
                "domain",
                "Another partner has this domain.",
            )
        }
        other => other,
    }
}
