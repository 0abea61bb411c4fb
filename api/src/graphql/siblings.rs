//! Rows that were read together load what hangs on them together.
//!
//! A list resolver reads its rows in one statement and puts them into a [`Group`]. When the first of them is asked for its
//! customer or its deals, the group loads them for all its rows in one statement and keeps the answer under the field's
//! arguments; the others find it there. So a level of a query costs one statement for each field (and each set of
//! arguments), whatever the page, without waiting for a batch to fill and without looking ahead in the document.

use super::context::RequestContext;
use async_graphql::Result;
use entities::visible::{self, Visible};
use std::any::Any;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::OnceCell;
use uuid::Uuid;

type Loaded = Result<Arc<dyn Any + Send + Sync>>;
type Cell = Arc<OnceCell<Loaded>>;

/// Rows that were read by one statement.
pub struct Group<M> {
    rows: Vec<M>,
    loaded: Mutex<HashMap<String, Cell>>,
}

impl<M> Group<M> {
    /// Rows that belong together.
    #[must_use]
    pub fn new(rows: Vec<M>) -> Arc<Self> {
        Arc::new(Self {
            rows,
            loaded: Mutex::default(),
        })
    }

    /// All rows.
    #[must_use]
    pub fn rows(&self) -> &[M] {
        &self.rows
    }

    /// What `load` answers for the whole group; called once for each key. The key must name the field and everything the answer
    /// depends on besides the rows and the request.
    ///
    /// # Errors
    /// Those of `load`; every row of the group gets the same one.
    pub async fn load<T, F>(&self, key: String, load: F) -> Result<Arc<T>>
    where
        T: Send + Sync + 'static,
        F: Future<Output = Result<T>> + Send,
    {
        let cell = Arc::clone(
            self.loaded
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .entry(key)
                .or_default(),
        );
        let loaded = cell
            .get_or_init(|| async { Ok(Arc::new(load.await?) as Arc<dyn Any + Send + Sync>) })
            .await
            .clone()?;
        loaded.downcast::<T>().map_err(|_| {
            async_graphql::Error::new("one key of a sibling group holds two kinds of answers")
        })
    }
}

impl<M> Group<M> {
    /// Puts what a field of the group will be asked for, where it was read along with the rows themselves.
    pub fn put<T: Send + Sync + 'static>(&self, key: String, value: T) {
        let cell = OnceCell::new_with(Some(Ok(Arc::new(value) as Arc<dyn Any + Send + Sync>)));
        self.loaded
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(key, Arc::new(cell));
    }
}

/// One row of a group.
pub struct Member<M> {
    group: Arc<Group<M>>,
    index: usize,
}

impl<M> Clone for Member<M> {
    fn clone(&self) -> Self {
        Self {
            group: Arc::clone(&self.group),
            index: self.index,
        }
    }
}

impl<M> Member<M> {
    /// The row at an index; none beyond the end.
    #[must_use]
    pub fn of(group: &Arc<Group<M>>, index: usize) -> Option<Self> {
        (index < group.rows.len()).then(|| Self {
            group: Arc::clone(group),
            index,
        })
    }

    /// A row on its own.
    #[must_use]
    pub fn single(row: M) -> Self {
        Self {
            group: Group::new(vec![row]),
            index: 0,
        }
    }

    /// The row.
    #[must_use]
    #[expect(
        clippy::indexing_slicing,
        reason = "a member is only made for an index that exists"
    )]
    pub fn row(&self) -> &M {
        &self.group.rows[self.index]
    }

    /// The rows read together with it, itself included.
    #[must_use]
    pub const fn group(&self) -> &Arc<Group<M>> {
        &self.group
    }
}

/// The members of a group that stand at these indices.
pub fn members<M>(
    group: &Arc<Group<M>>,
    range: std::ops::Range<usize>,
) -> impl Iterator<Item = Member<M>> + '_ {
    range.filter_map(|index| Member::of(group, index))
}

/// The rows that the rows of a group refer to.
pub struct Targets<M> {
    rows: Arc<Group<M>>,
    index: HashMap<Uuid, usize>,
}

impl<M> Targets<M> {
    /// Rows to be found by id; the same row twice is one.
    #[must_use]
    pub fn new(rows: Vec<M>, id: fn(&M) -> Uuid) -> Self {
        let (mut index, mut kept) = (HashMap::new(), Vec::with_capacity(rows.len()));
        for row in rows {
            if let Entry::Vacant(place) = index.entry(id(&row)) {
                place.insert(kept.len());
                kept.push(row);
            }
        }
        Self {
            rows: Group::new(kept),
            index,
        }
    }

    fn get(&self, id: Uuid) -> Option<Member<M>> {
        self.index
            .get(&id)
            .and_then(|index| Member::of(&self.rows, *index))
    }
}

/// Follows a reference from each row of a group to a row of another table, in one statement for all, and answers the one that
/// `target` names; none when it is not visible.
///
/// # Errors
/// A fault of the database.
pub async fn follow<E, M>(
    request: &RequestContext,
    group: &Arc<Group<M>>,
    field: &str,
    target: Uuid,
    reference: fn(&M) -> Option<Uuid>,
    id: fn(&E::Model) -> Uuid,
) -> Result<Option<Member<E::Model>>>
where
    E: Visible,
    E::Model: Send + Sync + 'static,
    M: Send + Sync + 'static,
{
    let load = async {
        let rows = visible::find_all::<E, _>(
            request.database.read(),
            &request.viewer,
            group.rows().iter().filter_map(reference),
        )
        .await?;
        Ok(Targets::new(rows, id))
    };
    let found = group.load(field.to_owned(), load).await?;
    Ok(found.get(target))
}
