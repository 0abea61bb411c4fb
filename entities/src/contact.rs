//! A contact: a person at a partner or at a customer.
//!
//! The log names which fields of a person changed, never their values. A partner sees its own people only.

use crate::change::Change;
use crate::clock::Timestamp;
use crate::diff::{Diff, Texts, archived};
use crate::error::{Result, ViolationCode, Violations};
use crate::event::{EventKind, NewEvent};
use crate::id::{ContactId, CustomerId, PartnerId};
use crate::viewer::Viewer;
use crate::visible::{self, Own, Versioned, Visible};
use crate::{customer, partner};
use sea_orm::ActiveValue::{Set, Unchanged};
use sea_orm::QueryOrder as _;
use sea_orm::TryIntoModel;
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::Condition;
use serde_json::json;
use std::collections::HashSet;

/// A contact.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "contact")]
#[expect(missing_docs, reason = "the fields are described in the API's schema")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: ContactId,
    pub version: i64,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub partner_id: Option<PartnerId>,
    pub customer_id: Option<CustomerId>,
    pub name: String,
    pub email: Option<String>,
    pub phone: Option<String>,
    pub title: Option<String>,
    pub roles: Texts,
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
        Condition::all().add(own.holds((Entity, Column::PartnerId)))
    }
}

/// What a new contact is made from.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields of the row")]
pub struct NewContact {
    pub partner_id: Option<PartnerId>,
    pub customer_id: Option<CustomerId>,
    pub name: String,
    pub email: Option<String>,
    pub phone: Option<String>,
    pub title: Option<String>,
    pub roles: Vec<String>,
    pub archived: bool,
}

/// What an update sets; `None` keeps, `Some(None)` clears.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields of the row")]
pub struct ContactPatch {
    pub partner_id: Option<Option<PartnerId>>,
    pub customer_id: Option<Option<CustomerId>>,
    pub name: Option<String>,
    pub email: Option<Option<String>>,
    pub phone: Option<Option<String>>,
    pub title: Option<Option<String>>,
    pub roles: Option<Vec<String>>,
    pub archived: Option<bool>,
}

/// Creates contacts.
///
/// # Errors
/// Refused fields; then none is created.
pub async fn create(change: &mut Change, inputs: Vec<NewContact>) -> Result<Vec<Model>> {
    let mut violations = Violations::default();
    for input in &inputs {
        check(
            &mut violations,
            Some(&input.name),
            [&input.email, &input.phone, &input.title],
            Some(&input.roles),
        );
        one_employer(&mut violations, input.partner_id, input.customer_id);
    }
    employers(
        change,
        &mut violations,
        inputs.iter().filter_map(|input| input.partner_id),
        inputs.iter().filter_map(|input| input.customer_id),
    )
    .await?;
    violations.finish()?;
    let now = change.now();
    let rows: Vec<Model> = inputs
        .into_iter()
        .map(|input| Model {
            id: change.new_id(),
            version: 1,
            created_at: now,
            updated_at: now,
            partner_id: input.partner_id,
            customer_id: input.customer_id,
            name: input.name,
            email: input.email,
            phone: input.phone,
            title: input.title,
            roles: Texts(input.roles),
            archived_at: input.archived.then_some(now),
        })
        .collect();
    crate::write::insert::<Entity>(change, &rows).await?;
    for row in &rows {
        change.record(about(EventKind::ContactCreated, row, json!({})));
    }
    Ok(rows)
}

/// Changes a contact that was read in this change. A patch that changes nothing writes nothing.
///
/// # Errors
/// Refused fields; then nothing is written.
pub async fn update(change: &mut Change, row: Model, patch: ContactPatch) -> Result<Model> {
    let mut violations = Violations::default();
    let flat = |text: &Option<Option<String>>| text.clone().flatten();
    check(
        &mut violations,
        patch.name.as_deref(),
        [
            &flat(&patch.email),
            &flat(&patch.phone),
            &flat(&patch.title),
        ],
        patch.roles.as_deref(),
    );
    one_employer(
        &mut violations,
        patch.partner_id.unwrap_or(row.partner_id),
        patch.customer_id.unwrap_or(row.customer_id),
    );
    employers(
        change,
        &mut violations,
        patch.partner_id.flatten(),
        patch.customer_id.flatten(),
    )
    .await?;
    violations.finish()?;
    let now = change.now();
    let mut diff = Diff::private();
    let (archived_at, archiving) = archived(row.archived_at, patch.archived, now);
    let mut active = ActiveModel {
        id: Unchanged(row.id),
        version: Set(row.version + 1),
        created_at: Unchanged(row.created_at),
        updated_at: Set(now),
        partner_id: diff.field("partner", row.partner_id, patch.partner_id),
        customer_id: diff.field("customer", row.customer_id, patch.customer_id),
        name: diff.field("name", row.name, patch.name),
        email: diff.field("email", row.email, patch.email),
        phone: diff.field("phone", row.phone, patch.phone),
        title: diff.field("title", row.title, patch.title),
        roles: diff.field("roles", row.roles, patch.roles.map(Texts)),
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
            EventKind::ContactArchived
        } else {
            EventKind::ContactRestored
        };
        change.record(about(kind, &updated, json!({})));
    }
    if !diff.is_empty() {
        let data = diff.into_data();
        change.record(about(EventKind::ContactUpdated, &updated, data));
    }
    Ok(updated)
}

/// The name of a person who was erased.
pub const ERASED: &str = "Erased person";

/// Replaces everything personal of a contact, for good, and archives the row: what refers to it stays whole (domain, invariant 17). Erasing again
/// changes nothing.
///
/// # Errors
/// When the database fails.
pub async fn erase(change: &mut Change, row: Model) -> Result<Model> {
    let is_erased = row.name == ERASED
        && row.archived_at.is_some()
        && row.email.is_none()
        && row.phone.is_none()
        && row.title.is_none()
        && row.roles.0.is_empty();
    if is_erased {
        return Ok(row);
    }
    let now = change.now();
    let version = row.version;
    let active = ActiveModel {
        id: Unchanged(row.id),
        version: Set(version + 1),
        created_at: Unchanged(row.created_at),
        updated_at: Set(now),
        partner_id: Unchanged(row.partner_id),
        customer_id: Unchanged(row.customer_id),
        name: Set(ERASED.to_owned()),
        email: Set(None),
        phone: Set(None),
        title: Set(None),
        roles: Set(Texts::default()),
        archived_at: Set(Some(row.archived_at.unwrap_or(now))),
    };
    let erased = crate::write::update(change, active, version).await?;
    change.record(about(EventKind::ContactErased, &erased, json!({})));
    Ok(erased)
}

/// The people with one of these e-mail addresses, as it is or in lower case, which is how vendors keep them; oldest first.
///
/// # Errors
/// When the database fails.
pub async fn find_by_email(
    connection: &impl ConnectionTrait,
    viewer: &Viewer,
    emails: &[String],
) -> Result<Vec<Model>> {
    if emails.is_empty() {
        return Ok(Vec::new());
    }
    let spelled: HashSet<String> = emails
        .iter()
        .flat_map(|email| [email.clone(), email.to_lowercase()])
        .collect();
    let select = Entity::visible_to(viewer)
        .filter(Column::Email.is_in(spelled))
        .order_by_asc(Column::Id);
    Ok(select.all(connection).await?)
}

fn about(kind: EventKind, row: &Model, data: serde_json::Value) -> NewEvent {
    let event = NewEvent::about(kind, row.id, data);
    match row.partner_id {
        Some(partner) => event.for_partner(partner),
        None => event.internal(),
    }
}

fn check(
    violations: &mut Violations,
    name: Option<&str>,
    [email, phone, title]: [&Option<String>; 3],
    roles: Option<&[String]>,
) {
    if let Some(name) = name {
        violations.text("name", name, 300);
    }
    violations.optional_text("email", email.as_deref(), 320);
    if email.as_deref().is_some_and(|text| !is_email(text)) {
        violations.add(ViolationCode::Invalid, "email", "Not an e-mail address.");
    }
    violations.optional_text("phone", phone.as_deref(), 100);
    violations.optional_text("title", title.as_deref(), 300);
    violations.tags("roles", roles.unwrap_or_default());
}

/// Whether a text has the form of an e-mail address: something, one `@`, a host, no spaces. Whether it exists only mail can tell.
#[must_use]
pub fn is_email(text: &str) -> bool {
    text.split_once('@').is_some_and(|(user, host)| {
        !user.is_empty()
            && !host.is_empty()
            && !host.contains('@')
            && !text
                .chars()
                .any(|letter| letter.is_whitespace() || letter.is_control())
    })
}

fn one_employer(
    violations: &mut Violations,
    partner: Option<PartnerId>,
    customer: Option<CustomerId>,
) {
    if partner.is_some() && customer.is_some() {
        violations.add(
            ViolationCode::Invalid,
            "customerId",
            "A contact belongs to a partner or to a customer, not to both.",
        );
    }
}

async fn employers(
    change: &Change,
    violations: &mut Violations,
    partners: impl IntoIterator<Item = PartnerId>,
    customers: impl IntoIterator<Item = CustomerId>,
) -> Result<()> {
    let system = Viewer::system("contact");
    let partners: HashSet<PartnerId> = partners.into_iter().collect();
    if !partners.is_empty()
        && visible::count_among::<partner::Entity, _>(
            change.transaction(),
            &system,
            partners.iter().map(|id| id.0),
        )
        .await?
            < partners.len()
    {
        violations.add(ViolationCode::NotFound, "partnerId", "No such partner.");
    }
    let customers: HashSet<CustomerId> = customers.into_iter().collect();
    if !customers.is_empty()
        && visible::count_among::<customer::Entity, _>(
            change.transaction(),
            &system,
            customers.iter().map(|id| id.0),
        )
        .await?
            < customers.len()
    {
        violations.add(ViolationCode::NotFound, "customerId", "No such customer.");
    }
    Ok(())
}
