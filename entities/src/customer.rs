//! A customer: the company a deal is made with.
//!
//! A partner sees the customers of its own deals and no others. What it is found by when an account is claimed is its name as claims are compared by
//! ([`bare_name`]), kept beside the name by everything that writes it.

use crate::change::Change;
use crate::clock::Timestamp;
use crate::deal_registration::bare_name;
use crate::diff::{Diff, archived};
use crate::domain_name::DomainName;
use crate::error::{Result, Violations};
use crate::event::{EventKind, NewEvent};
use crate::id::CustomerId;
use crate::visible::{Own, Versioned, Visible};
use crate::{deal, deal_partner};
use sea_orm::ActiveValue::{Set, Unchanged};
use sea_orm::TryIntoModel;
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::{Condition, ExprTrait as _, Query};
use serde_json::json;

/// A customer.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "customer")]
#[expect(missing_docs, reason = "the fields are described in the API's schema")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: CustomerId,
    pub version: i64,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub name: String,
    /// The name as accounts are compared.
    pub name_key: String,
    /// Not unique: CRMs hold one company several times.
    pub domain: Option<DomainName>,
    pub country: Option<String>,
    pub segment: Option<String>,
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

impl Visible for Entity {
    fn visible_to_partner(own: Own) -> Condition {
        let served = Query::select()
            .column((deal::Entity, deal::Column::CustomerId))
            .from(deal::Entity)
            .inner_join(
                deal_partner::Entity,
                Expr::col((deal_partner::Entity, deal_partner::Column::DealId))
                    .equals((deal::Entity, deal::Column::Id)),
            )
            .and_where(own.holds((deal_partner::Entity, deal_partner::Column::PartnerId)))
            .and_where(deal::Column::CustomerId.is_not_null())
            .to_owned();
        Condition::all().add(Column::Id.in_subquery(served))
    }
}

/// What a new customer is made from.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields of the row")]
pub struct NewCustomer {
    pub name: String,
    pub domain: Option<DomainName>,
    pub country: Option<String>,
    pub segment: Option<String>,
    pub archived: bool,
}

/// What an update sets; `None` keeps, `Some(None)` clears.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields of the row")]
pub struct CustomerPatch {
    pub name: Option<String>,
    pub domain: Option<Option<DomainName>>,
    pub country: Option<Option<String>>,
    pub segment: Option<Option<String>>,
    pub archived: Option<bool>,
}

/// Creates customers.
///
/// # Errors
/// Refused fields; then none is created.
pub async fn create(change: &mut Change, inputs: Vec<NewCustomer>) -> Result<Vec<Model>> {
    let mut violations = Violations::default();
    for input in &inputs {
        check(
            &mut violations,
            Some(&input.name),
            input.country.as_deref(),
            input.segment.as_deref(),
        );
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
            name_key: bare_name(&input.name),
            name: input.name,
            domain: input.domain,
            country: input.country,
            segment: input.segment,
            archived_at: input.archived.then_some(now),
        })
        .collect();
    crate::write::insert::<Entity>(change, &rows).await?;
    for row in &rows {
        change.record(
            NewEvent::about(
                EventKind::CustomerCreated,
                row.id,
                json!({ "name": row.name }),
            )
            .internal(),
        );
    }
    Ok(rows)
}

/// Changes a customer that was read in this change. A patch that changes nothing writes nothing.
///
/// # Errors
/// Refused fields; then nothing is written.
pub async fn update(change: &mut Change, row: Model, patch: CustomerPatch) -> Result<Model> {
    let mut violations = Violations::default();
    check(
        &mut violations,
        patch.name.as_deref(),
        patch.country.as_ref().and_then(Option::as_deref),
        patch.segment.as_ref().and_then(Option::as_deref),
    );
    violations.finish()?;
    let now = change.now();
    let mut diff = Diff::new();
    let (archived_at, archiving) = archived(row.archived_at, patch.archived, now);
    let key = bare_name(patch.name.as_ref().unwrap_or(&row.name));
    let mut active = ActiveModel {
        id: Unchanged(row.id),
        name_key: if key == row.name_key {
            Unchanged(key)
        } else {
            Set(key)
        },
        version: Set(row.version + 1),
        created_at: Unchanged(row.created_at),
        updated_at: Set(now),
        name: diff.field("name", row.name, patch.name),
        domain: diff.field("domain", row.domain, patch.domain),
        country: diff.field("country", row.country, patch.country),
        segment: diff.field("segment", row.segment, patch.segment),
        archived_at,
    };
    if diff.is_empty() && archiving.is_none() {
        active.version = Unchanged(row.version);
        active.updated_at = Unchanged(row.updated_at);
        return Ok(active.try_into_model()?);
    }
    let updated = crate::write::update(change, active, row.version).await?;
    if let Some(archived) = archiving {
        let kind = if archived {
            EventKind::CustomerArchived
        } else {
            EventKind::CustomerRestored
        };
        change.record(NewEvent::about(kind, updated.id, json!({})).internal());
    }
    if !diff.is_empty() {
        change.record(
            diff.into_event(EventKind::CustomerUpdated, updated.id)
                .internal(),
        );
    }
    Ok(updated)
}

fn check(
    violations: &mut Violations,
    name: Option<&str>,
    country: Option<&str>,
    segment: Option<&str>,
) {
    if let Some(name) = name {
        violations.text("name", name, 300);
    }
    violations.optional_text("country", country, 100);
    violations.optional_text("segment", segment, 200);
}
