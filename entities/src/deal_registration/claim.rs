//! The cells of a claim: account key × product × territory, each held by one approved registration.
//!
//! Invariant (domain, 7): two approved claims never overlap, by the primary key of the table and not by code alone. "All products" is every product of the
//! programmes' closed lists and a cell for what is in none of them, so that it meets each named product there is; a list that grows widens the claims
//! that are of all of it.

use super::{Column, Entity, Model, RegistrationStatus};
use crate::change::Change;
use crate::error::{Error, Result, ViolationCode};
use crate::id::DealRegistrationId;
use crate::program;
use crate::turn::{self, Turn};
use crate::viewer::Viewer;
use crate::visible::{Own, Visible, nothing};
use crate::write;
use sea_orm::QuerySelect as _;
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::{Condition, LockType};
use std::collections::BTreeSet;

/// More cells than this are no claim.
const MOST: usize = 20_000;

/// Why a claim is not approved that overlaps an approved one.
pub(super) const HELD: &str =
    "Another approved registration holds this account in a part of the claim.";

/// A cell.
pub mod cell {
    use super::*;

    /// A cell that is held.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "registration_cell")]
    #[expect(missing_docs, reason = "named by the module")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub key: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub product: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub territory: String,
        pub registration_id: DealRegistrationId,
    }

    /// Relations are walked by id.
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}

    impl Visible for Entity {
        fn visible_to_partner(_: Own) -> Condition {
            nothing()
        }
    }
}

/// The closed lists that claims are made from: those of all programmes, for an account is one account in all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Lists {
    products: BTreeSet<String>,
    territories: BTreeSet<String>,
}

/// How an entry of a list is compared.
fn plain(text: &str) -> String {
    text.trim().to_lowercase()
}

impl Lists {
    pub(super) async fn load(change: &Change) -> Result<Self> {
        let mut lists = Self::default();
        let programs = program::Entity::visible_to(&Viewer::system("deal_registration"))
            .all(change.transaction())
            .await?;
        for program in programs {
            lists
                .products
                .extend(program.products.0.iter().map(|one| plain(one)));
            lists
                .territories
                .extend(program.territories.0.iter().map(|one| plain(one)));
        }
        Ok(lists)
    }

    /// With what approved registrations hold of an account: a product that has left the lists is held all the same.
    async fn and_held(mut self, change: &Change, keys: &[String]) -> Result<Self> {
        let held = cell::Entity::visible_to(&Viewer::system("deal_registration"))
            .filter(cell::Column::Key.is_in(keys))
            .all(change.transaction())
            .await?;
        for cell in held {
            self.products.insert(cell.product);
            self.territories.insert(cell.territory);
        }
        Ok(self)
    }

    /// Which of these are in no list.
    pub(super) fn unknown<'a>(
        &self,
        products: &'a [String],
        territories: &'a [String],
    ) -> Vec<(&'static str, &'a str)> {
        let missing = |field, named: &'a [String], list: &BTreeSet<String>| {
            let missing: Vec<_> = named
                .iter()
                .filter(|one| !list.contains(&plain(one)))
                .map(|one| (field, one.as_str()))
                .collect();
            missing
        };
        let mut unknown = missing("products", products, &self.products);
        unknown.extend(missing("territories", territories, &self.territories));
        unknown
    }

    fn expanded(named: &[String], list: &BTreeSet<String>) -> BTreeSet<String> {
        if named.is_empty() {
            list.iter().cloned().chain(["*".to_owned()]).collect()
        } else {
            named.iter().map(|one| plain(one)).collect()
        }
    }

    fn cells(&self, row: &Model) -> Vec<[String; 3]> {
        let products = Self::expanded(&row.products.0, &self.products);
        let territories = Self::expanded(&row.territories.0, &self.territories);
        let mut cells = Vec::new();
        for key in row.account().keys() {
            for product in &products {
                for territory in &territories {
                    cells.push([key.clone(), product.clone(), territory.clone()]);
                }
            }
        }
        cells
    }
}

/// Waits for the turn of claims. The programme of the claim comes first, as it does for whoever changes the programme's lists; the database looks at its row
/// again when the claim is written, and the other way round each would wait for the other.
pub(super) async fn take_turn(change: &Change, row: &Model) -> Result<Option<program::Model>> {
    let program = match row.program_id {
        Some(id) => {
            program::Entity::visible_to(&Viewer::system("deal_registration"))
                .filter(program::Column::Id.eq(id))
                .lock(LockType::KeyShare)
                .one(change.transaction())
                .await?
        }
        None => None,
    };
    turn::take(change, Turn::Registration).await?;
    Ok(program)
}

/// Takes the cells of a claim. Whoever calls it holds the turn, so that no list grows meanwhile.
///
/// # Errors
/// When another approved registration holds one of them; the change must be dropped then.
pub(super) async fn take(change: &Change, row: &Model) -> Result<()> {
    let lists = Lists::load(change).await?;
    let lists = lists.and_held(change, &row.account().keys()).await?;
    let cells = lists.cells(row);
    if cells.len() > MOST {
        let message = "The claim is too wide: name products or territories.";
        return Err(Error::invalid(ViolationCode::TooLong, "products", message));
    }
    let wanted = cells.len() as u64;
    insert(change, row.id, cells).await?;
    let held = cell::Entity::visible_to(&Viewer::system("deal_registration"))
        .filter(cell::Column::RegistrationId.eq(row.id))
        .count(change.transaction())
        .await?;
    if held < wanted {
        return Err(Error::invalid(ViolationCode::Taken, "account", HELD));
    }
    Ok(())
}

async fn insert(change: &Change, id: DealRegistrationId, cells: Vec<[String; 3]>) -> Result<()> {
    const COLUMNS: [write::Column; 4] = [
        write::Column::plain("key"),
        write::Column::plain("product"),
        write::Column::plain("territory"),
        write::Column::plain("registration_id"),
    ];
    let rows: Vec<Result<[Value; 4]>> = cells
        .into_iter()
        .map(|[key, product, territory]| {
            Ok([key.into(), product.into(), territory.into(), id.into()])
        })
        .collect();
    let held = " ON CONFLICT DO NOTHING";
    write::insert_values(
        change.transaction(),
        "registration_cell",
        &COLUMNS,
        rows.into_iter(),
        held,
    )
    .await
}

/// Lets go of the cells of claims that are no longer approved.
pub(super) async fn release(change: &Change, ids: &[DealRegistrationId]) -> Result<()> {
    for chunk in ids.chunks(500) {
        cell::Entity::delete_many()
            .filter(cell::Column::RegistrationId.is_in(chunk.iter().copied()))
            .exec(change.transaction())
            .await?;
    }
    Ok(())
}

/// Widens the approved claims of all products or all territories to what the lists hold now. It takes the turn: a claim that is being approved by the old
/// lists is seen here once it is, and one that comes later reads the new lists.
pub(crate) async fn widen_claims(change: &Change) -> Result<()> {
    turn::take(change, Turn::Registration).await?;
    let lists = Lists::load(change).await?;
    let approved = Entity::visible_to(&Viewer::system("deal_registration"))
        .filter(Column::Status.eq(RegistrationStatus::Approved))
        .all(change.transaction())
        .await?;
    for row in approved {
        if row.products.0.is_empty() || row.territories.0.is_empty() {
            insert(change, row.id, lists.cells(&row)).await?;
        }
    }
    Ok(())
}
