//! Relay connections: a macro that makes a stem's connection and edge types over a [`super::page::Page`].
//!
//! Cursors are made only when they are selected, and so is the count.

use super::context::{RequestContext, request};
use super::order::Ordering;
use super::page::{self, OfParent, Page, PageArguments};
use super::siblings::Group;
use async_graphql::{Context, Result};
use entities::positional::{Columns, Positional};
use futures::future::BoxFuture;
use sea_orm::{EntityTrait, Select};
use std::collections::HashMap;
use std::sync::Arc;
use uuid::Uuid;

/// How the rows of a list are counted, should anybody ask.
pub type Counter =
    Arc<dyn for<'a> Fn(&'a RequestContext) -> BoxFuture<'a, Result<i64>> + Send + Sync>;

/// The lists of all parents of a group, read together.
struct Nested<E: EntityTrait> {
    parents: Vec<Uuid>,
    select: Select<E>,
    pages: HashMap<Uuid, Page<E>>,
}

/// The parent whose list is asked for, among those it was read with.
pub struct Parent<'a, M> {
    /// Those it was read with.
    pub group: &'a Arc<Group<M>>,
    /// The ids of them all.
    pub ids: fn(&[M]) -> Vec<Uuid>,
    /// The one that is asked.
    pub id: Uuid,
}

/// A parent's list, read together with those of its siblings. `key` names the field and all its arguments.
///
/// # Errors
/// Arguments that do not fit, or a fault of the database.
pub async fn nested<E, P, M>(
    ctx: &Context<'_>,
    parent: Parent<'_, M>,
    by: P,
    key: String,
    arguments: PageArguments,
    list: impl FnOnce(&RequestContext) -> Result<(Select<E>, Ordering<E>)> + Send,
) -> Result<Option<(Page<E>, Counter)>>
where
    E: EntityTrait,
    E::Model: Positional + Send + Sync + 'static,
    P: OfParent<Child = E> + Copy + 'static,
    M: Send + Sync + 'static,
{
    let columns = Columns::all::<E::Model>();
    nested_columns(ctx, parent, by, key, arguments, columns, list).await
}

/// The same with these columns of the children only. Lists of other columns are other lists, and are read on their own.
///
/// # Errors
/// Arguments that do not fit, or a fault of the database.
pub async fn nested_columns<E, P, M>(
    ctx: &Context<'_>,
    parent: Parent<'_, M>,
    by: P,
    key: String,
    arguments: PageArguments,
    columns: Columns,
    list: impl FnOnce(&RequestContext) -> Result<(Select<E>, Ordering<E>)> + Send,
) -> Result<Option<(Page<E>, Counter)>>
where
    E: EntityTrait,
    E::Model: Positional + Send + Sync + 'static,
    P: OfParent<Child = E> + Copy + 'static,
    M: Send + Sync + 'static,
{
    let key = format!("{key}:{columns:?}");
    let request = request(ctx)?;
    let Parent { group, ids, id } = parent;
    let load = async {
        let (select, order) = list(request)?;
        let parents = ids(group.rows());
        let pages = page::read_by_parent(
            &request.database,
            &parents,
            &select,
            &by,
            order,
            &arguments.check()?,
            columns,
        )
        .await?;
        Ok(Nested {
            parents,
            select,
            pages,
        })
    };
    let loaded = group.load(key.clone(), load).await?;
    let Some(page) = loaded.pages.get(&id).cloned() else {
        return Ok(None);
    };
    let group = Arc::clone(group);
    let count: Counter = Arc::new(move |request| {
        let (group, loaded, key) = (
            Arc::clone(&group),
            Arc::clone(&loaded),
            format!("count:{key}"),
        );
        Box::pin(async move {
            let counts = group
                .load(
                    key,
                    page::count_by_parent(&request.database, &loaded.parents, &loaded.select, &by),
                )
                .await?;
            Ok(counts.get(&id).copied().unwrap_or(0))
        })
    });
    Ok(Some((page, count)))
}

/// A whole list, with its count on demand.
///
/// # Errors
/// Arguments that do not fit, or a fault of the database.
pub async fn whole<E>(
    request: &RequestContext,
    select: Select<E>,
    order: Ordering<E>,
    arguments: PageArguments,
) -> Result<(Page<E>, Counter)>
where
    E: EntityTrait,
    E::Model: Positional + Send + Sync,
{
    let columns = Columns::all::<E::Model>();
    whole_columns(request, select, order, arguments, columns).await
}

/// The same with these columns only.
///
/// # Errors
/// Arguments that do not fit, or a fault of the database.
pub async fn whole_columns<E>(
    request: &RequestContext,
    select: Select<E>,
    order: Ordering<E>,
    arguments: PageArguments,
    columns: Columns,
) -> Result<(Page<E>, Counter)>
where
    E: EntityTrait,
    E::Model: Positional + Send + Sync,
{
    let page = page::read(
        &request.database,
        select.clone(),
        order,
        &arguments.check()?,
        columns,
    )
    .await?;
    let count: Counter = Arc::new(move |request| {
        let select = select.clone();
        Box::pin(async move { page::count(&request.database, select).await })
    });
    Ok((page, count))
}

/// Makes `$connection` and `$edge` for the node type `$node`, a newtype over [`super::siblings::Member`]. A name that the library would spell otherwise
/// is given in brackets: `OAuthClientEdge[name = "OAuthClientEdge"]`.
macro_rules! list_type {
    ($connection:ident, $edge:ident, $node:ident, $entity:ty, $what:literal) => {
        $crate::graphql::list::list_type!($connection[], $edge[], $node, $entity, $what);
    };
    ($connection:ident[$($connection_name:tt)*], $edge:ident[$($edge_name:tt)*], $node:ident, $entity:ty, $what:literal) => {
        #[doc = concat!("A page of ", $what, ".")]
        #[derive(Clone)]
        pub struct $connection {
            page: $crate::graphql::page::Page<$entity>,
            count: $crate::graphql::list::Counter,
        }

        impl $connection {
            pub(crate) fn new(
                (page, count): (
                    $crate::graphql::page::Page<$entity>,
                    $crate::graphql::list::Counter,
                ),
            ) -> Self {
                Self { page, count }
            }

            fn cursor_at(&self, index: Option<usize>) -> Option<String> {
                let row = self.page.group.rows().get(index?)?;
                Some(self.page.order.cursor(row))
            }

            fn members(
                &self,
            ) -> impl Iterator<
                Item = $crate::graphql::siblings::Member<<$entity as sea_orm::EntityTrait>::Model>,
            > + '_ {
                $crate::graphql::siblings::members(&self.page.group, self.page.range.clone())
            }
        }

        #[doc = concat!("A page of ", $what, ".")]
        #[async_graphql::Object($($connection_name)*)]
        impl $connection {
            /// The entries, each with its cursor.
            async fn edges(&self) -> $crate::graphql::rows::Rows<$edge> {
                $crate::graphql::rows::Rows(
                    self.members()
                        .map(|member| $edge {
                            order: std::sync::Arc::clone(&self.page.order),
                            member,
                        })
                        .collect(),
                )
            }

            /// The entries alone.
            async fn nodes(&self) -> $crate::graphql::rows::Rows<$node> {
                $crate::graphql::rows::Rows(self.members().map($node).collect())
            }

            /// Where this page lies in the list.
            async fn page_info(&self) -> async_graphql::connection::PageInfo {
                let range = &self.page.range;
                let last = if range.is_empty() {
                    None
                } else {
                    range.end.checked_sub(1)
                };
                async_graphql::connection::PageInfo {
                    has_previous_page: self.page.has_previous,
                    has_next_page: self.page.has_next,
                    start_cursor: self.cursor_at(last.map(|_| range.start)),
                    end_cursor: self.cursor_at(last),
                }
            }

            /// How many entries the whole list has. Counted only when it is asked for.
            async fn total_count(
                &self,
                ctx: &async_graphql::Context<'_>,
            ) -> async_graphql::Result<i64> {
                (self.count)($crate::graphql::context::request(ctx)?).await
            }
        }

        #[doc = concat!("One of ", $what, " on a page.")]
        #[derive(Clone)]
        pub struct $edge {
            order: std::sync::Arc<$crate::graphql::order::Ordering<$entity>>,
            member: $crate::graphql::siblings::Member<<$entity as sea_orm::EntityTrait>::Model>,
        }

        #[doc = concat!("One of ", $what, " on a page.")]
        #[async_graphql::Object($($edge_name)*)]
        impl $edge {
            /// Where the entry lies in the list.
            async fn cursor(&self) -> String {
                self.order.cursor(self.member.row())
            }

            /// The entry.
            async fn node(&self) -> $crate::graphql::rows::One<$node> {
                $crate::graphql::rows::One($node(self.member.clone()))
            }
        }

        impl $crate::graphql::rows::Row for $edge {
            fn plain(field: &str) -> Option<$crate::graphql::rows::Plain<Self>> {
                match field {
                    "cursor" => Some($crate::graphql::rows::Plain::Leaf(|edge| {
                        async_graphql::Value::String(edge.order.cursor(edge.member.row()))
                    })),
                    _ => None,
                }
            }
        }
    };
}
pub(crate) use list_type;

/// Makes the order input of a stem: an enum of keys, each with its column, and `{field, direction}`.
macro_rules! order_type {
    ($order:ident, $field:ident, $entity:path, $what:literal, $keys:tt) => {
        $crate::graphql::list::order_type!($order[], $field[], $entity, $what, $keys);
    };
    ($order:ident[$($order_name:tt)*], $field:ident[$($field_name:tt)*], $entity:path, $what:literal, { $($(#[$doc:meta])* $key:ident => $column:expr, $nullable:literal;)* }) => {
        #[doc = concat!("What ", $what, " can be ordered by.")]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, async_graphql::Enum)]
        #[graphql($($field_name)*)]
        pub enum $field { $($(#[$doc])* $key,)* }

        #[doc = concat!("One key of the order of ", $what, ".")]
        #[derive(Clone, Copy, Debug, async_graphql::InputObject)]
        #[graphql($($order_name)*)]
        pub struct $order {
            /// The key.
            pub field: $field,
            /// Which way.
            #[graphql(default)]
            pub direction: $crate::graphql::order::OrderDirection,
        }

        impl $order {
            pub(crate) fn ordering(keys: Option<Vec<Self>>) -> async_graphql::Result<$crate::graphql::order::Ordering<$entity>> {
                let keys = keys.unwrap_or_default().into_iter().map(|key| {
                    let (column, nullable) = match key.field { $($field::$key => ($column, $nullable),)* };
                    $crate::graphql::order::Key { column, nullable, direction: key.direction }
                });
                $crate::graphql::order::Ordering::new(keys.collect(), <$entity as sea_orm::EntityTrait>::Column::Id)
            }
        }
    };
}
pub(crate) use order_type;
