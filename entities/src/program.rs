//! A partner programme: its settings, which every partnership in it goes by.
//!
//! Invariants: a name is of one programme; a protection lasts 1 to 365 days; the lists of products and territories are closed: a registration claims
//! from them, and "all" means all of them. A partner sees the programmes it takes part in.

use crate::calendar::Zone;
use crate::change::Change;
use crate::clock::Timestamp;
use crate::deal_registration;
use crate::diff::{Diff, Texts, archived};
use crate::error::{Result, ViolationCode, Violations};
use crate::event::{EventKind, NewEvent};
use crate::id::ProgramId;
use crate::money::Currency;
use crate::program_enrollment;
use crate::viewer::Viewer;
use crate::visible::{Own, Versioned, Visible};
use sea_orm::ActiveValue::{Set, Unchanged};
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::{Condition, Query, SelectStatement};
use serde_json::json;

/// A programme.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "program")]
#[expect(missing_docs, reason = "the fields are described in the API's schema")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: ProgramId,
    pub version: i64,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub name: String,
    pub description: String,
    /// The zone in which its days begin.
    pub zone: Zone,
    /// The currency of its limits.
    pub currency: Currency,
    /// How long an approved registration protects.
    pub protection_days: i32,
    /// By how much an extension lengthens it.
    pub extension_days: i32,
    /// How long an earning waits after its payment.
    pub hold_days: i32,
    /// Payouts above this need two people. Internal.
    pub four_eyes_minor: i64,
    pub products: Texts,
    pub territories: Texts,
    /// Whether companies may apply to it, by its form and as partners.
    pub accepts_applications: bool,
    pub archived_at: Option<Timestamp>,
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

/// The programmes a partner takes part in.
pub(crate) fn own_programs(own: Own) -> SelectStatement {
    Query::select()
        .column(program_enrollment::Column::ProgramId)
        .from(program_enrollment::Entity)
        .and_where(own.holds((
            program_enrollment::Entity,
            program_enrollment::Column::PartnerId,
        )))
        .to_owned()
}

impl Visible for Entity {
    fn visible_to_partner(own: Own) -> Condition {
        Condition::all().add(Column::Id.in_subquery(own_programs(own)))
    }
}

/// What a programme is made from, and what an update replaces.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields of the row")]
pub struct NewProgram {
    pub name: String,
    pub description: String,
    pub zone: Zone,
    pub currency: Currency,
    pub protection_days: i32,
    pub extension_days: i32,
    pub hold_days: i32,
    pub four_eyes_minor: i64,
    pub products: Vec<String>,
    pub territories: Vec<String>,
    pub accepts_applications: bool,
}

impl NewProgram {
    /// A programme with the usual settings: 90 days of protection, 45 of an extension, 30 of holding, and two people for every payout.
    pub fn named(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            description: String::new(),
            zone: Zone::UTC,
            currency: Currency::EUR,
            protection_days: 90,
            extension_days: 45,
            hold_days: 30,
            four_eyes_minor: 0,
            products: Vec::new(),
            territories: Vec::new(),
            accepts_applications: false,
        }
    }
}

/// What an update sets; `None` keeps. The currency and the zone stay: what was counted was counted in them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields of the row")]
pub struct ProgramPatch {
    pub name: Option<String>,
    pub description: Option<String>,
    pub protection_days: Option<i32>,
    pub extension_days: Option<i32>,
    pub hold_days: Option<i32>,
    pub four_eyes_minor: Option<i64>,
    pub products: Option<Vec<String>>,
    pub territories: Option<Vec<String>>,
    pub accepts_applications: Option<bool>,
    pub archived: Option<bool>,
}

/// Creates programmes.
///
/// # Errors
/// Refused fields; then none is created.
pub async fn create(change: &mut Change, inputs: Vec<NewProgram>) -> Result<Vec<Model>> {
    let mut violations = Violations::default();
    let mut names: Vec<&str> = Vec::new();
    for input in &inputs {
        check(
            &mut violations,
            &ProgramPatch {
                name: Some(input.name.clone()),
                description: Some(input.description.clone()),
                protection_days: Some(input.protection_days),
                extension_days: Some(input.extension_days),
                hold_days: Some(input.hold_days),
                four_eyes_minor: Some(input.four_eyes_minor),
                products: Some(input.products.clone()),
                territories: Some(input.territories.clone()),
                accepts_applications: None,
                archived: None,
            },
        );
        free_name(change, &mut violations, &input.name, None).await?;
        if names.contains(&input.name.as_str()) {
            violations.add(ViolationCode::Taken, "name", "Named twice.");
        }
        names.push(&input.name);
    }
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
            description: input.description,
            zone: input.zone,
            currency: input.currency,
            protection_days: input.protection_days,
            extension_days: input.extension_days,
            hold_days: input.hold_days,
            four_eyes_minor: input.four_eyes_minor,
            products: Texts(input.products),
            territories: Texts(input.territories),
            accepts_applications: input.accepts_applications,
            archived_at: None,
        })
        .collect();
    crate::write::insert::<Entity>(change, &rows).await?;
    for row in &rows {
        let data = json!({ "name": row.name });
        change.record(NewEvent::about(EventKind::ProgramCreated, row.id, data).internal());
    }
    deal_registration::widen_claims(change).await?;
    Ok(rows)
}

/// Changes a programme that was read in this change. A patch that changes nothing writes nothing.
///
/// # Errors
/// Refused fields; then nothing is written.
pub async fn update(change: &mut Change, row: Model, patch: ProgramPatch) -> Result<Model> {
    let mut violations = Violations::default();
    check(&mut violations, &patch);
    if let Some(name) = &patch.name {
        free_name(change, &mut violations, name, Some(row.id)).await?;
    }
    violations.finish()?;
    let now = change.now();
    let mut diff = Diff::new();
    let version = row.version;
    let (archived_at, archiving) = archived(row.archived_at, patch.archived, now);
    if let Some(archived) = archiving {
        diff.note("archived", &!archived, &archived);
    }
    let widens = patch.products.is_some() || patch.territories.is_some();
    let active = ActiveModel {
        id: Unchanged(row.id),
        version: Set(version + 1),
        created_at: Unchanged(row.created_at),
        updated_at: Set(now),
        name: diff.field("name", row.name.clone(), patch.name),
        description: diff.field("description", row.description.clone(), patch.description),
        zone: Unchanged(row.zone),
        currency: Unchanged(row.currency),
        protection_days: diff.field("protectionDays", row.protection_days, patch.protection_days),
        extension_days: diff.field("extensionDays", row.extension_days, patch.extension_days),
        hold_days: diff.field("holdDays", row.hold_days, patch.hold_days),
        four_eyes_minor: diff.field("fourEyesLimit", row.four_eyes_minor, patch.four_eyes_minor),
        products: diff.field("products", row.products.clone(), patch.products.map(Texts)),
        territories: diff.field(
            "territories",
            row.territories.clone(),
            patch.territories.map(Texts),
        ),
        accepts_applications: diff.field(
            "acceptsApplications",
            row.accepts_applications,
            patch.accepts_applications,
        ),
        archived_at,
    };
    if diff.is_empty() {
        return Ok(row);
    }
    let updated = crate::write::update(change, active, version).await?;
    change.record(
        diff.into_event(EventKind::ProgramUpdated, updated.id)
            .internal(),
    );
    if widens {
        deal_registration::widen_claims(change).await?;
    }
    Ok(updated)
}

async fn free_name(
    change: &Change,
    violations: &mut Violations,
    name: &str,
    except: Option<ProgramId>,
) -> Result<()> {
    let other = Entity::visible_to(&Viewer::system("program"))
        .filter(Column::Name.eq(name))
        .one(change.transaction())
        .await?;
    if other.is_some_and(|row| Some(row.id) != except) {
        violations.add(ViolationCode::Taken, "name", "A programme has this name.");
    }
    Ok(())
}

fn check(violations: &mut Violations, patch: &ProgramPatch) {
    if let Some(name) = &patch.name {
        violations.text("name", name, 200);
    }
    violations.optional_text("description", patch.description.as_deref(), 5_000);
    let mut within = |field: &str, value: Option<i32>, least: i32, most: i32| {
        if value.is_some_and(|value| !(least..=most).contains(&value)) {
            let message = format!("Between {least} and {most} days.");
            violations.add(ViolationCode::Invalid, field, message);
        }
    };
    within("protectionDays", patch.protection_days, 1, 365);
    within("extensionDays", patch.extension_days, 1, 365);
    within("holdDays", patch.hold_days, 0, 365);
    if patch.four_eyes_minor.is_some_and(|limit| limit < 0) {
        violations.add(
            ViolationCode::Invalid,
            "fourEyesLimit",
            "A limit is not negative.",
        );
    }
    for (field, list) in [
        ("products", &patch.products),
        ("territories", &patch.territories),
    ] {
        let Some(list) = list else { continue };
        violations.tags(field, list);
        let mut seen: Vec<String> = list.iter().map(|one| one.trim().to_lowercase()).collect();
        seen.sort_unstable();
        if seen.windows(2).any(|pair| matches!(pair, [a, b] if a == b)) {
            violations.add(ViolationCode::Taken, field, "An entry is named twice.");
        }
        if seen.iter().any(|one| one == "*") {
            violations.add(
                ViolationCode::Invalid,
                field,
                "The star stands for all of them.",
            );
        }
    }
}
