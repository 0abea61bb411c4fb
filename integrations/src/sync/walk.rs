//! Reading a vendor's pages for one claim.
//!
//! Owns: the session of the claim (renewed when due, once more when refused), which properties are asked for, and gathering a few pages into
//! one batch. Refuses: to lose pages that were read before an error: they are handed on, and the error follows them.

use super::apply::Wanted;
use super::default_mapping;
use super::error::{Result, SyncError};
use super::map::order;
use super::token::{Opened, TokenKeeper};
use crate::connector::{Connector, Fetched, Merged, Mode, PageRequest, Pull};
use crate::error::{ConnectorError, LimitScope};
use crate::http::Work;
use crate::push::REFERENCE;
use crate::record::{MalformedRecord, Record, Resource};
use entities::clock::Timestamp;
use entities::connection::mapping::Mapping;
use entities::database::Database;
use entities::id::ConnectionId;
use serde_json::Value as Json;
use std::collections::BTreeSet;
use std::sync::Arc;

/// The most characters of property names in one request: servers refuse an address much longer than this.
const MAX_PROPERTIES: usize = 6_000;
/// Records of a page that is asked for again because it was too large.
const SMALL_PAGE: u32 = 10;

/// Calls a vendor in the name of one connection.
pub(super) struct Reader<'a> {
    database: &'a Database,
    keeper: &'a TokenKeeper,
    connector: Arc<dyn Connector>,
    opened: Opened,
    work: Work,
}

/// One call, with a fresh token and a second attempt when the first one's token is refused.
macro_rules! call {
    ($reader:expr, $pull:ident, $context:ident => $call:expr) => {{
        $reader.freshen().await?;
        let connector = Arc::clone(&$reader.connector);
        let $pull = puller(connector.as_ref())?;
        let first = {
            let $context = $reader.opened.context($reader.database);
            $call.await
        };
        match first {
            Err(ConnectorError::Auth {
                reconnect: false, ..
            }) => {
                $reader.renew().await?;
                let $context = $reader.opened.context($reader.database);
                $call.await.map_err(SyncError::from)
            }
            other => other.map_err(SyncError::from),
        }
    }};
}

fn puller(connector: &dyn Connector) -> Result<&dyn Pull> {
    connector.pull().ok_or_else(|| {
        ConnectorError::permanent("cannot_pull", "the connector reads no records").into()
    })
}

impl<'a> Reader<'a> {
    /// Opens the connection. Until [`Self::doing`] says more, the calls come after everybody else's.
    pub(super) async fn open(
        database: &'a Database,
        keeper: &'a TokenKeeper,
        id: ConnectionId,
    ) -> Result<Self> {
        let opened = keeper.open(id).await?;
        let connector = Arc::clone(keeper.connector(&opened.connection.connector)?);
        Ok(Self {
            database,
            keeper,
            connector,
            opened,
            work: Work::default(),
        })
    }

    /// The same reader for a kind of work.
    #[must_use]
    pub(super) fn doing(mut self, work: Work) -> Self {
        self.work = work;
        self.opened = self.opened.doing(work);
        self
    }

    /// Whose vendor is called.
    pub(super) const fn id(&self) -> ConnectionId {
        self.opened.connection.id
    }

    /// The version of the credentials in use.
    pub(super) const fn credentials_version(&self) -> i64 {
        self.opened.connection.credentials_version
    }

    async fn freshen(&mut self) -> Result<()> {
        if self.opened.is_due(self.database.now().millis()) {
            self.renew().await?;
        }
        Ok(())
    }

    async fn renew(&mut self) -> Result<()> {
        let opened = self.keeper.renew(self.id(), self.credentials_version());
        self.opened = opened.await?.doing(self.work);
        Ok(())
    }

    /// Which properties to read of a resource: those of the mapping, those worth reporting, and those the account made up.
    pub(super) async fn wanted(&mut self, resource: Resource) -> Result<Wanted> {
        let mapped = mapped(&self.opened.connection.mapping, resource);
        if mapped.is_empty() {
            return Ok(Wanted::default());
        }
        let described = call!(self, pull, context => pull.fields(&context, resource));
        let custom = match described {
            Ok(fields) => fields,
            // Without the right to read definitions the mapping's properties are still readable.
            Err(SyncError::Connector(
                ConnectorError::Auth { .. }
                | ConnectorError::Permanent { .. }
                | ConnectorError::NotFound { .. },
            )) => Vec::new(),
            Err(error) => return Err(error),
        };
        let watched = default_mapping::watched(self.connector.descriptor().id, resource)
            .iter()
            .map(|name| (*name).to_owned());
        let custom = custom
            .into_iter()
            .filter(|field| field.custom)
            .map(|field| field.name)
            .collect();
        let mut wanted = choose(mapped, watched.collect(), custom);
        // Our own reference is always read, and is nothing to report.
        wanted.unmapped.remove(REFERENCE);
        wanted.unread.retain(|name| name != REFERENCE);
        if !wanted.fields.iter().any(|name| name == REFERENCE) {
            wanted.fields.push(REFERENCE.to_owned());
        }
        Ok(wanted)
    }

    /// Reads by id; a few at a time where the answer for all is more than we read.
    pub(super) async fn fetch(
        &mut self,
        resource: Resource,
        ids: &[String],
        wanted: &Wanted,
    ) -> Result<Fetched> {
        match call!(self, pull, context => pull.fetch(&context, resource, ids, &wanted.fields)) {
            Err(error) if is_too_large(&error) && ids.len() > SMALL_PAGE as usize => {
                let mut all = Fetched::default();
                for few in ids.chunks(SMALL_PAGE as usize) {
                    let fetched = call!(self, pull, context => pull.fetch(&context, resource, few, &wanted.fields))?;
                    all.records.extend(fetched.records);
                    all.missing.extend(fetched.missing);
                    all.malformed.extend(fetched.malformed);
                    all.merged.extend(fetched.merged);
                }
                Ok(all)
            }
            other => other,
        }
    }

    /// Reads a few pages, starting at a position, until the walk is done or there is enough for one transaction.
    pub(super) async fn gather(
        &mut self,
        (resource, mode): (Resource, Mode),
        from: Option<Json>,
        wanted: &Wanted,
        limits: Limits,
    ) -> Gathered {
        let mut gathered = Gathered {
            records: Vec::new(),
            malformed: Vec::new(),
            merged: Vec::new(),
            position: from,
            caught_up: false,
            pages: 0,
            error: None,
        };
        loop {
            let mut request = PageRequest {
                resource,
                mode,
                cursor: gathered.position.as_ref(),
                fields: &wanted.fields,
                page_size: None,
                now_ms: self.database.now().millis(),
            };
            let mut page: Result<crate::connector::Page> =
                async { call!(self, pull, context => pull.page(&context, &request)) }.await;
            if page.as_ref().is_err_and(is_too_large) {
                request.page_size = Some(SMALL_PAGE);
                page = async { call!(self, pull, context => pull.page(&context, &request)) }.await;
            }
            match page {
                Ok(page) => {
                    gathered.records.extend(page.records);
                    gathered.malformed.extend(page.malformed);
                    gathered.merged.extend(page.merged);
                    gathered.pages += 1;
                    gathered.caught_up = page.next.is_caught_up();
                    gathered.position = Some(page.next.cursor().clone());
                    gathered.error = page.wait.map(|retry_after| {
                        let scope = LimitScope::Preparing;
                        ConnectorError::RateLimited { retry_after, scope }.into()
                    });
                }
                Err(error) => gathered.error = Some(error),
            }
            let enough =
                gathered.records.len() >= limits.records || self.database.now() >= limits.until;
            if gathered.caught_up || gathered.error.is_some() || enough {
                return gathered;
            }
        }
    }
}

/// Whether an answer was more than we read; a shorter page may not be.
fn is_too_large(error: &SyncError) -> bool {
    matches!(error, SyncError::Connector(ConnectorError::Permanent { code, .. }) if code == "answer_too_large")
}

/// Chooses the properties to ask for: those mapped and those watched in any case, and of the account's own as many as one address can name.
fn choose(mapped: BTreeSet<String>, watched: BTreeSet<String>, custom: BTreeSet<String>) -> Wanted {
    // A name and the comma before it, which takes three characters in an address.
    let room = |name: &String| name.len() + 3;
    let mut unmapped: BTreeSet<String> = watched
        .into_iter()
        .filter(|name| !mapped.contains(name))
        .collect();
    let mut length: usize = mapped.iter().chain(&unmapped).map(room).sum();
    let mut unread = Vec::new();
    for name in custom {
        if mapped.contains(&name) || unmapped.contains(&name) {
            continue;
        }
        if length + room(&name) > MAX_PROPERTIES {
            unread.push(name);
            continue;
        }
        length += room(&name);
        unmapped.insert(name);
    }
    let fields = mapped.into_iter().chain(unmapped.iter().cloned()).collect();
    Wanted {
        fields,
        unmapped,
        unread,
    }
}

/// When a batch is large enough.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// So many records.
    pub(super) records: usize,
    /// No further page after this instant, so that the lease holds.
    pub(super) until: Timestamp,
}

/// A few pages.
pub(super) struct Gathered {
    pub(super) records: Vec<Record>,
    pub(super) malformed: Vec<MalformedRecord>,
    /// Records that went into others.
    pub(super) merged: Vec<Merged>,
    /// Where to go on.
    pub(super) position: Option<Json>,
    pub(super) caught_up: bool,
    pub(super) pages: u32,
    /// What stopped the reading after these pages.
    pub(super) error: Option<SyncError>,
}

/// The properties the mapping reads of a resource.
fn mapped(mapping: &Mapping, resource: Resource) -> BTreeSet<String> {
    let names = match resource {
        Resource::Company => mapping.company_properties(),
        Resource::Contact => mapping.contact_properties(),
        Resource::Deal => mapping.deal_properties(),
        Resource::Order => order::FIELDS
            .into_iter()
            .chain(mapping.order_properties())
            .collect(),
        Resource::Owner | Resource::Pipeline | Resource::AssociationLabel => BTreeSet::new(),
    };
    names
        .into_iter()
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn what_is_mapped_is_asked_for_first_and_what_does_not_fit_is_named() {
        let set = |names: &[&str]| {
            names
                .iter()
                .map(|name| (*name).to_owned())
                .collect::<BTreeSet<_>>()
        };
        let custom: BTreeSet<String> = (0..500)
            .map(|number| format!("custom_property_{number:04}"))
            .collect();
        let wanted = choose(
            set(&["zz_mapped", "name"]),
            set(&["zz_watched", "name"]),
            custom,
        );
        let length: usize = wanted.fields.iter().map(|name| name.len() + 3).sum();
        assert!(length <= MAX_PROPERTIES && length > MAX_PROPERTIES - 30);
        for name in ["zz_mapped", "name", "zz_watched"] {
            assert_eq!(
                wanted.fields.iter().filter(|field| *field == name).count(),
                1,
                "{name}"
            );
        }
        assert!(!wanted.unmapped.contains("name"));
        assert_eq!(wanted.fields.len() + wanted.unread.len(), 503);
        assert_eq!(wanted.unread.last().unwrap(), "custom_property_0499");
        assert!(choose(set(&["a"]), set(&[]), set(&["b"])).unread.is_empty());
    }
}
