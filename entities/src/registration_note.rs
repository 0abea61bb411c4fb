//! What was said of a registration: to the partner, by the partner, or among ourselves; and the evidence for an extension. Never changed.
//!
//! Internal words are rows of their own, which a partner does not see: no field of a row has to be hidden.

use crate::change::Change;
use crate::clock::Timestamp;
use crate::deal_registration;
use crate::error::{Result, Violations};
use crate::event::{EventKind, NewEvent};
use crate::id::{DealRegistrationId, PartnerId, RegistrationNoteId};
use crate::text_enum::text_enum;
use crate::viewer::Viewer;
use crate::visible::{Own, Visible};
use sea_orm::QueryOrder as _;
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::Condition;
use serde_json::json;

text_enum! {
    /// What a note is.
    NoteKind {
        /// Something said.
        Comment,
        /// What we ask the partner for.
        Question,
        /// Why we decided as we did.
        Decision,
        /// What the partner says a protection should last longer for.
        ExtensionRequest,
        /// What a protection was lengthened for.
        Evidence,
    }
}

/// A note.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "registration_note")]
#[expect(missing_docs, reason = "the fields are described in the API's schema")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: RegistrationNoteId,
    pub created_at: Timestamp,
    pub registration_id: DealRegistrationId,
    pub partner_id: PartnerId,
    pub kind: NoteKind,
    /// Not for the partner.
    pub internal: bool,
    pub author: String,
    pub text: String,
}

/// Relations are walked by id.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Visible for Entity {
    fn visible_to_partner(own: Own) -> Condition {
        Condition::all()
            .add(own.holds((Entity, Column::PartnerId)))
            .add(Column::Internal.eq(false))
    }
}

/// Writes a note.
///
/// # Errors
/// No words, or too many.
pub async fn write(
    change: &mut Change,
    registration: &deal_registration::Model,
    kind: NoteKind,
    internal: bool,
    text: String,
) -> Result<Model> {
    let mut violations = Violations::default();
    violations.text("note", &text, 5_000);
    violations.finish()?;
    let row = Model {
        id: change.new_id(),
        created_at: change.now(),
        registration_id: registration.id,
        partner_id: registration.partner_id,
        kind,
        internal,
        author: change.author().actor.clone(),
        text,
    };
    crate::write::insert::<Entity>(change, std::slice::from_ref(&row)).await?;
    let data = json!({ "note": row.id, "kind": row.kind });
    let event = NewEvent::about(EventKind::RegistrationNoted, row.registration_id, data)
        .for_partner(row.partner_id);
    change.record(if internal { event.internal() } else { event });
    Ok(row)
}

/// The notes of a registration, oldest first.
///
/// # Errors
/// When the database fails.
pub async fn of_registration(
    connection: &impl ConnectionTrait,
    viewer: &Viewer,
    registration: DealRegistrationId,
) -> Result<Vec<Model>> {
    let select = Entity::visible_to(viewer)
        .filter(Column::RegistrationId.eq(registration))
        .order_by_asc(Column::Id);
    Ok(select.all(connection).await?)
}
