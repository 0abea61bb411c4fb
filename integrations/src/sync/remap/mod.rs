//! Changing a connection's mapping: checked, previewed over what is stored, and applied to it.
//!
//! Owns: the lane that reads every known record again under a new mapping. Refuses: a mapping that names what the vendor does not have, one that
//! would have to guess values that were never read (it says that everything must be read anew instead), and a second change while the first is
//! being applied. Invariant: of a remapped record the base of the merge is what the *old* mapping read of the shadow, for that is what our row was
//! made of; so a value a person changed here is as safe from a new mapping as it is from a vendor.

mod check;
mod lane;
mod preview;

pub use preview::{Example, KeptOut, MappingPreview, ResourcePreview};

use super::error::{Result, SyncError};
use super::run::Engine;
use crate::record::Resource;
use entities::change::{Author, Change};
use entities::connection::{self, mapping::Mapping};
use entities::error::{Error as EntityError, Violation, ViolationCode};
use entities::external_link;
use entities::id::ConnectionId;
use entities::sync_cursor;
use entities::viewer::Viewer;
use entities::visible::{self, Visible};
use lane::Position;
use sea_orm::{ColumnTrait, QueryFilter, QuerySelect};

/// The lane of a changed mapping.
pub(super) const REMAP: &str = "remap";

/// The kinds of records that have rows.
const RESOURCES: [Resource; 4] = [
    Resource::Company,
    Resource::Contact,
    Resource::Deal,
    Resource::Order,
];

/// A wish to change a mapping.
#[derive(Clone, Debug)]
pub struct NewMapping {
    /// Of which connection.
    pub connection: ConnectionId,
    /// The version its author saw.
    pub expected_version: Option<i64>,
    /// The whole new mapping.
    pub mapping: Mapping,
    /// Whether everything may be read anew, should that be needed.
    pub backfill: bool,
    /// Whether nothing is to be written.
    pub validate_only: bool,
}

/// How a changed mapping reaches the rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Remapping {
    /// The mapping is as it was.
    Nothing,
    /// From what is stored.
    FromStored,
    /// By reading every known record anew.
    ByReading,
}

/// What became of a wish.
#[derive(Clone, Debug)]
pub struct Remapped {
    /// The connection as it now is.
    pub connection: connection::Model,
    /// How its rows follow.
    pub how: Remapping,
    /// Why everything has to be read anew; empty when what is stored suffices.
    pub backfill: Vec<String>,
    /// Whether the vendor could be asked which properties there are.
    pub checked_at_vendor: bool,
}

impl Engine {
    /// What a mapping would make of the records that are stored. Nothing is written.
    ///
    /// # Errors
    /// When there is no such connection, or the database fails.
    pub async fn preview_mapping(
        &self,
        id: ConnectionId,
        mapping: &Mapping,
    ) -> Result<MappingPreview> {
        let row = self.mapped(id).await?;
        let (violations, checked_at_vendor) = self.check_mapping(&row, mapping).await;
        let mut preview = preview::read(self.database(), &row, mapping).await?;
        preview.violations = violations;
        preview.checked_at_vendor = checked_at_vendor;
        Ok(preview)
    }

    /// Gives a connection another mapping; its rows follow in a worker.
    ///
    /// # Errors
    /// Violations when the mapping is not possible, when everything would have to be read anew and that is not wished, when the last change is still
    /// being applied, or when the connection has moved on; when there is no such connection, or the database fails. Then nothing has changed.
    pub async fn update_mapping(&self, wish: NewMapping, author: Author) -> Result<Remapped> {
        let seen = self.mapped(wish.connection).await?;
        let (violations, checked_at_vendor) = self.check_mapping(&seen, &wish.mapping).await;
        if !violations.is_empty() {
            return Err(EntityError::Invalid(violations).into());
        }
        let backfill = preview::read(self.database(), &seen, &wish.mapping)
            .await?
            .backfill;
        if !backfill.is_empty() && !wish.backfill {
            let message = format!(
                "Everything must be read anew for this; say `backfill: true` to begin that. {}",
                backfill.join(" ")
            );
            let violation = Violation::new(ViolationCode::Blank, "backfill", message);
            return Err(EntityError::Invalid(vec![violation]).into());
        }
        let mut change = Change::begin(self.database(), author).await?;
        let row = visible::lock_one::<connection::Entity>(
            &change,
            &Viewer::system("remap"),
            wish.connection.0,
            wish.expected_version,
        )
        .await?;
        if row.version != seen.version {
            // What was checked was another mapping's change.
            return Err(EntityError::version_conflict(seen.version, row.version).into());
        }
        let before = row.mapping.clone();
        let connection = connection::set_mapping(&mut change, row, wish.mapping).await?;
        // What a chat is told touches no record.
        let same = Mapping {
            chat: connection.mapping.chat.clone(),
            ..before.clone()
        } == connection.mapping;
        let how = match (same, backfill.is_empty()) {
            (true, _) => Remapping::Nothing,
            (false, true) => Remapping::FromStored,
            (false, false) => Remapping::ByReading,
        };
        if how != Remapping::Nothing {
            begin(&change, &connection, before, how).await?;
        }
        if wish.validate_only {
            change.rollback().await?;
        } else {
            change.commit().await?;
        }
        Ok(Remapped {
            connection,
            how,
            backfill,
            checked_at_vendor,
        })
    }

    async fn mapped(&self, id: ConnectionId) -> Result<connection::Model> {
        let (read, system) = (self.database().read(), Viewer::system("remap"));
        let found = visible::find_one::<connection::Entity, _>(read, &system, id.0).await?;
        found.ok_or(SyncError::UnknownConnection)
    }
}

/// Begins to apply a new mapping.
async fn begin(
    change: &Change,
    row: &connection::Model,
    before: Mapping,
    how: Remapping,
) -> Result<()> {
    let lanes = sync_cursor::list(change.transaction(), row.id).await?;
    if lanes
        .iter()
        .any(|lane| lane.lane == REMAP && lane.position.is_some())
    {
        return Err(EntityError::invalid(
            ViolationCode::Locked,
            "mapping",
            "The last change of the mapping is still being applied: try again when that is done.",
        )
        .into());
    }
    let differs = |resource: Resource| match resource {
        // What a company is decides what a deal says of it.
        Resource::Company => before.company != row.mapping.company,
        Resource::Contact => before.contact != row.mapping.contact,
        Resource::Deal => before.deal != row.mapping.deal || before.company != row.mapping.company,
        Resource::Order => before.order != row.mapping.order,
        _ => false,
    };
    let position = Position::beginning(before.clone(), how == Remapping::ByReading);
    for resource in RESOURCES.into_iter().filter(|resource| differs(*resource)) {
        let (name, now) = (resource.as_str(), change.now());
        sync_cursor::ensure(change, row.id, &[(name, REMAP, now)]).await?;
        let position = Some(position.to_json()?);
        sync_cursor::place(change.transaction(), row.id, (name, REMAP), position, now).await?;
    }
    Ok(())
}

/// Has the orders of a connection read again from what is stored of them, by the mapping as it is: whom they name may be somebody by now.
pub(super) async fn orders_again(change: &Change, id: ConnectionId) -> Result<()> {
    let (order, now) = (Resource::Order.as_str(), change.now());
    let system = Viewer::system("remap");
    let row = visible::lock_one::<connection::Entity>(change, &system, id.0, None).await?;
    let transaction = change.transaction();
    let known = external_link::Entity::visible_to(&system)
        .filter(external_link::Column::ConnectionId.eq(id))
        .filter(external_link::Column::Resource.eq(order))
        .limit(1)
        .one(transaction)
        .await
        .map_err(EntityError::from)?;
    if known.is_none() {
        return Ok(());
    }
    let lanes = sync_cursor::list(transaction, id).await?;
    let under_way = lanes
        .into_iter()
        .find(|lane| lane.lane == REMAP && lane.resource == order)
        .and_then(|lane| lane.position);
    let position = match under_way {
        Some(position) => Position::anew(position)?,
        None => Position::beginning(row.mapping, false),
    };
    sync_cursor::ensure(change, id, &[(order, REMAP, now)]).await?;
    let position = Some(position.to_json()?);
    sync_cursor::place(transaction, id, (order, REMAP), position, now).await?;
    Ok(())
}
