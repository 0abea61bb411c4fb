//! Reading from Shopify.
//!
//! Owns: pages, and the choice of walk for a resource and mode; changes are in [`super::delta`], bulk operations in [`super::bulk`], reads by
//! id in [`super::by_id`]. Refuses: to take a denial for an absence. Invariant: a backfill that took hours ends with a position from before it
//! began, so that what changed meanwhile is read by the first delta.
//!
//! What a shop does not grant is found out by asking: fields that are denied are left out for the rest of a walk. A shop without companies
//! has none to read.

use super::{
    Shopify, bulk,
    cursor::{Position, Walk},
    descriptor::{Object, PAGE, object},
    limits,
    post::Reply,
    reading::{Reading, note},
    selection::{FEW_TRANSACTIONS, Selection},
    wire::Connection,
};
use crate::{
    connector::{Context, Fetched, FieldDescriptor, Mode, Next, Page, PageRequest, Pull},
    error::{ConnectorError, Result},
    record::Resource,
};
use async_trait::async_trait;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Where there are at most so many records, pages are quicker than a bulk operation, which takes a while to begin.
pub(super) const SMALL: u32 = 2_000;

/// What was asked of each record, and what came.
pub(super) struct Asked<'a> {
    pub(super) selection: Selection<'a>,
    pub(super) reply: Reply,
}

#[derive(Deserialize)]
struct PageData<'a> {
    #[serde(borrow)]
    page: Connection<'a>,
}

/// A page of a list.
pub(super) struct Listed {
    pub(super) reading: Reading,
    /// Where the next page begins; none on the last one.
    pub(super) after: Option<String>,
    pub(super) walk: Walk,
}

/// What a page of a list is asked for.
pub(super) struct Listing<'a> {
    pub(super) after: Option<&'a str>,
    pub(super) filter: Option<String>,
    pub(super) sort: &'static str,
    /// How the walk goes on; none when it begins.
    pub(super) walk: Option<Walk>,
}

impl Shopify {
    /// Asks for records with a document, and once more without each field that makes Shopify deny the whole answer.
    pub(super) async fn ask<'a>(
        &self,
        ctx: &Context<'_>,
        mut selection: Selection<'a>,
        asking: &str,
        variables: &Value,
        records: u32,
    ) -> Result<Asked<'a>> {
        loop {
            let document = selection.document(asking);
            let points = selection.points(records);
            let reply = self.post(ctx, &document, variables.clone(), points).await?;
            let before = selection.omitted.len();
            selection.omitted.extend(reply.denied_fields());
            if !reply.is_empty() {
                return Ok(Asked { selection, reply });
            }
            if selection.omitted.len() == before {
                return Err(reply.refusal());
            }
        }
    }

    /// One page of a list, as large as its cost allows.
    pub(super) async fn list(
        &self,
        ctx: &Context<'_>,
        object: &'static Object,
        request: &PageRequest<'_>,
        listing: Listing<'_>,
    ) -> Result<Listed> {
        let wanted = request.page_size.unwrap_or(PAGE).clamp(1, PAGE);
        let (started_ms, mut size, omitted) = match listing.walk {
            Some(walk) => (
                Some(walk.started_ms),
                walk.size.clamp(1, PAGE).min(wanted),
                walk.omitted,
            ),
            None => (None, wanted, BTreeSet::new()),
        };
        let asked = loop {
            let selection = Selection::new(object, request.fields, omitted.clone());
            let variables = json!({"first": size, "after": listing.after, "query": listing.filter, "sortKey": listing.sort});
            match self
                .ask(ctx, selection, object.page, &variables, size)
                .await
            {
                Err(ConnectorError::Permanent { code, .. })
                    if code == limits::TOO_COSTLY && size > 1 =>
                {
                    size /= 2;
                }
                Err(ConnectorError::Permanent { code, message })
                    if code == limits::BAD_INPUT && listing.after.is_some() =>
                {
                    return Err(ConnectorError::CursorExpired { message });
                }
                other => break other?,
            }
        };
        let data: PageData<'_> = asked.reply.read()?;
        let mut reading = Reading::default();
        for raw in &data.page.nodes {
            reading.add(ctx, &asked.selection, raw, FEW_TRANSACTIONS);
        }
        let after = data.page.page_info.after(listing.after)?;
        let started_ms = started_ms
            .or(asked.reply.vendor_now_ms)
            .unwrap_or(request.now_ms);
        self.complete(ctx, &mut reading).await?;
        // Metafields go by numbers that another mapping deals out anew.
        let mut omitted = asked.selection.omitted;
        omitted.retain(|name| !name.starts_with('m') || name.len() > 3);
        Ok(Listed {
            reading,
            after,
            walk: Walk {
                started_ms,
                size,
                omitted,
            },
        })
    }

    /// One page of everything.
    async fn backfill(
        &self,
        ctx: &Context<'_>,
        object: &'static Object,
        request: &PageRequest<'_>,
        position: Option<Position>,
    ) -> Result<Page> {
        let (after, walk) = match position {
            None => {
                if self.count(ctx, object).await? > SMALL {
                    return self.begin_bulk(ctx, object, request).await;
                }
                (None, None)
            }
            Some(Position::Pages { after, frame }) => (after, Some(frame)),
            Some(
                position @ (Position::Wanted { .. }
                | Position::Running { .. }
                | Position::File { .. }),
            ) => return self.bulk(ctx, object, request, position).await,
            Some(_) => return Err(Position::foreign(Mode::Backfill)),
        };
        let begins = walk.is_none();
        let listing = Listing {
            after: after.as_deref(),
            filter: None,
            sort: "ID",
            walk,
        };
        let mut listed = self.list(ctx, object, request, listing).await?;
        if begins {
            listed
                .reading
                .malformed
                .extend(self.notes(ctx, object).await?);
        }
        let next = match listed.after {
            Some(after) => Next::More(
                Position::Pages {
                    after: Some(after),
                    frame: listed.walk,
                }
                .write()?,
            ),
            None => Next::CaughtUp(bulk::rest(&listed.walk)?),
        };
        Ok(listed.reading.page(next))
    }

    /// How many records there are, counted no further than matters.
    async fn count(&self, ctx: &Context<'_>, object: &Object) -> Result<u32> {
        #[derive(Deserialize)]
        struct Counted {
            counted: Option<Count>,
        }
        #[derive(Deserialize)]
        struct Count {
            count: u32,
        }
        let variables = json!({"limit": SMALL + 1});
        let reply = self.post(ctx, object.count, variables, 10).await?;
        // Who may not count reads page by page.
        if reply.is_empty() {
            return Ok(0);
        }
        let counted: Counted = reply.read()?;
        Ok(counted.counted.map_or(0, |counted| counted.count))
    }
}

pub(super) fn known(resource: Resource) -> Result<&'static Object> {
    object(resource).ok_or_else(|| {
        ConnectorError::permanent(
            "not_readable",
            format!("Shopify has no records of the kind {resource}"),
        )
    })
}

#[async_trait]
impl Pull for Shopify {
    async fn page(&self, ctx: &Context<'_>, request: &PageRequest<'_>) -> Result<Page> {
        let position = Position::read(request.cursor)?;
        let object = known(request.resource)?;
        let page = match request.mode {
            Mode::Backfill => self.backfill(ctx, object, request, position).await,
            Mode::Delta => self.delta(ctx, object, request, position).await,
            Mode::Archived => Err(ConnectorError::permanent(
                "not_readable",
                "Shopify lists nothing of what was deleted",
            )),
        };
        match page {
            // A shop whose plan has no companies, or that does not grant them: there are none to read.
            Err(ConnectorError::Permanent { code, message })
                if code == limits::DENIED && object.resource == Resource::Company =>
            {
                let walk = Walk {
                    started_ms: request.now_ms,
                    size: PAGE,
                    omitted: BTreeSet::new(),
                };
                let mut reading = Reading::default();
                if request.mode == Mode::Backfill {
                    let words = format!("No companies are read: {message}");
                    reading.malformed.push(note(&words));
                }
                Ok(reading.page(Next::CaughtUp(bulk::rest(&walk)?)))
            }
            other => other,
        }
    }

    async fn fetch(
        &self,
        ctx: &Context<'_>,
        resource: Resource,
        ids: &[String],
        fields: &[String],
    ) -> Result<Fetched> {
        self.fetch_objects(ctx, known(resource)?, ids, fields).await
    }

    async fn fields(&self, ctx: &Context<'_>, resource: Resource) -> Result<Vec<FieldDescriptor>> {
        self.described(ctx, known(resource)?).await
    }
}
