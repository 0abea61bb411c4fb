//! References that many kinds of rows have, each followed for a whole level of an answer by one statement: the partner and the partnership a row is
//! of, and the few rows that hang on each.
//!
//! Owns no rule: who may follow a reference is said by the guard of the field, and what is found is what the viewer may see.

use super::context::request;
use super::error::ErrorCode;
use super::partner::Partner;
use super::partnership::Partnership;
use super::siblings::{self, Group, Member};
use async_graphql::{Context, Result};
use entities::error::{Error, ViolationCode};
use entities::money::BasisPoints;
use entities::visible::Visible;
use entities::{partner, partnership};
use sea_orm::sea_query::ExprTrait as _;
use sea_orm::{QueryFilter, QueryOrder};
use std::collections::HashMap;
use std::sync::Arc;
use uuid::Uuid;

/// The row that `reference` names; none when there is none that the viewer may see.
pub(crate) async fn to<E, M, N>(
    ctx: &Context<'_>,
    row: &Member<M>,
    field: &str,
    reference: fn(&M) -> Option<Uuid>,
    id: fn(&E::Model) -> Uuid,
    node: fn(Member<E::Model>) -> N,
) -> Result<Option<N>>
where
    E: Visible,
    E::Model: Send + Sync + 'static,
    M: Send + Sync + 'static,
{
    let Some(target) = reference(row.row()) else {
        return Ok(None);
    };
    // In a box, or the future of every other field of the row would be as large.
    let found = Box::pin(siblings::follow::<E, M>(
        request(ctx)?,
        row.group(),
        field,
        target,
        reference,
        id,
    ));
    Ok(found.await?.map(node))
}

/// The partner a row is of.
pub(crate) async fn partner<M: Send + Sync + 'static>(
    ctx: &Context<'_>,
    row: &Member<M>,
    reference: fn(&M) -> Option<Uuid>,
) -> Result<Option<Partner>> {
    to::<partner::Entity, M, _>(ctx, row, "partner", reference, |row| row.id.0, Partner).await
}

/// The partnership a row is of.
pub(crate) async fn partnership<M: Send + Sync + 'static>(
    ctx: &Context<'_>,
    row: &Member<M>,
    reference: fn(&M) -> Option<Uuid>,
) -> Result<Option<Partnership>> {
    let id = |row: &partnership::Model| row.id.0;
    to::<partnership::Entity, M, _>(ctx, row, "partnership", reference, id, Partnership).await
}

/// How the few rows that hang on a row are found.
pub(crate) struct Children<E: Visible, M> {
    /// The field's name.
    pub field: &'static str,
    /// The id of the row they hang on.
    pub parent: fn(&M) -> Uuid,
    /// The column that names it.
    pub column: E::Column,
    /// The same, read from a row.
    pub of: fn(&E::Model) -> Option<Uuid>,
    /// In which order they are answered; then by id.
    pub order: E::Column,
    /// The column of the id.
    pub id: E::Column,
}

/// What hangs on the rows of a group, and on which of them.
struct Loaded<M> {
    group: Arc<Group<M>>,
    of: HashMap<Uuid, Vec<usize>>,
}

/// The rows that hang on a row, where they are known to be few; one statement for the whole level.
pub(crate) async fn children<E, M, N>(
    ctx: &Context<'_>,
    row: &Member<M>,
    how: Children<E, M>,
    node: fn(Member<E::Model>) -> N,
) -> Result<Vec<N>>
where
    E: Visible,
    E::Model: Send + Sync + 'static,
    M: Send + Sync + 'static,
{
    let request = request(ctx)?;
    let load = async {
        let parents = row.group().rows().iter().map(how.parent);
        let rows = E::visible_to(&request.viewer)
            .filter(sea_orm::sea_query::Expr::col((E::default(), how.column)).is_in(parents))
            .order_by_asc(how.order)
            .order_by_asc(how.id)
            .all(request.database.read())
            .await?;
        let mut of: HashMap<Uuid, Vec<usize>> = HashMap::new();
        for (index, child) in rows.iter().enumerate() {
            if let Some(parent) = (how.of)(child) {
                of.entry(parent).or_default().push(index);
            }
        }
        let group = Group::new(rows);
        Ok(Loaded { group, of })
    };
    let loaded: Arc<Loaded<E::Model>> =
        Box::pin(row.group().load(how.field.to_owned(), load)).await?;
    let parent = (how.parent)(row.row());
    let indices = loaded.of.get(&parent).into_iter().flatten();
    Ok(indices
        .filter_map(|index| Member::of(&loaded.group, *index))
        .map(node)
        .collect())
}

/// A value that partners do not see.
pub(crate) fn internal<T>(ctx: &Context<'_>, value: Option<T>) -> Result<Option<T>> {
    let sees = request(ctx)?.viewer.sees_internal();
    Ok(value.filter(|_| sees))
}

/// What a question was refused for, as an error: a question has no `userErrors`.
pub(crate) fn refused(error: Error) -> async_graphql::Error {
    match error {
        Error::Invalid(violations) => {
            let messages: Vec<String> = violations
                .into_iter()
                .map(|violation| format!("{}: {}", violation.field, violation.message))
                .collect();
            ErrorCode::BadUserInput.error(messages.join(" "))
        }
        fault => fault.into(),
    }
}

/// Reads basis points out of an input.
///
/// # Errors
/// A violation of `field` outside 0 to 10,000.
pub(crate) fn basis_points(points: i32, field: &str) -> entities::error::Result<BasisPoints> {
    BasisPoints::new(points).ok_or_else(|| {
        let message = "Between 0 and 10,000 basis points.";
        Error::invalid(ViolationCode::Invalid, field, message)
    })
}
