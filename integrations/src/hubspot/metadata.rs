//! Owners, pipelines and association labels.
//!
//! Owns: the resources that are few and have no search. Refuses: a delta over them: each walk reads all, whatever the mode. Invariant: a
//! finished walk leaves a position from which the next one begins anew.

use super::{
    API_DATE, HubSpot,
    cursor::Position,
    descriptor::{BATCH, links_of, object},
    map,
    pull::following,
    wire::{self, LabelBody, OwnerBody, PageFrame, PipelineBody},
};
use crate::{
    connector::{Context, Fetched, Mode, Next, Page, PageRequest},
    error::{ConnectorError, Result},
    record::{AssociationLabel, Fields, Kind, MalformedRecord, Record, Resource},
};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::collections::BTreeSet;

impl HubSpot {
    pub(super) async fn metadata(
        &self,
        ctx: &Context<'_>,
        request: &PageRequest<'_>,
        position: Option<Position>,
    ) -> Result<Page> {
        let archived = request.mode == Mode::Archived;
        let after = match position {
            None | Some(Position::Done {}) => None,
            Some(Position::List { after, .. }) if !archived => Some(after),
            Some(Position::Archived { after }) if archived => Some(after),
            Some(_) => return Err(Position::foreign(request.mode)),
        };
        let (records, malformed, next) = match request.resource {
            Resource::Owner => {
                self.owners(ctx, request, after.as_deref(), archived)
                    .await?
            }
            // Archived pipelines and labels cannot be listed; none is the whole answer.
            _ if archived => (Vec::new(), Vec::new(), None),
            Resource::Pipeline => self.pipelines(ctx).await?,
            Resource::AssociationLabel => self.labels(ctx).await?,
            other => {
                return Err(ConnectorError::permanent(
                    "unknown_resource",
                    format!("{other} is not metadata"),
                ));
            }
        };
        let next = match next {
            Some(after) if archived => Next::More(Position::Archived { after }.write()?),
            Some(after) => Next::More(
                Position::List {
                    after,
                    started_ms: request.now_ms,
                }
                .write()?,
            ),
            None => Next::CaughtUp(Position::Done {}.write()?),
        };
        Ok(Page {
            records,
            malformed,
            merged: Vec::new(),
            next,
            wait: None,
        })
    }

    pub(super) async fn fetch_metadata(
        &self,
        ctx: &Context<'_>,
        resource: Resource,
        ids: &[String],
    ) -> Result<Fetched> {
        let wanted: BTreeSet<&str> = ids.iter().map(String::as_str).collect();
        let mut fetched = Fetched::default();
        match resource {
            Resource::Owner => {
                for id in &wanted {
                    // The id becomes part of a path, where it may only be digits.
                    if id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_digit()) {
                        continue;
                    }
                    match self
                        .get(ctx, &format!("/crm/owners/{API_DATE}/{id}"), &[])
                        .await
                    {
                        Ok(answer) => fetched
                            .records
                            .push(map::owner(wire::read::<OwnerBody>(&answer.body)?)),
                        Err(ConnectorError::NotFound { .. }) => {}
                        Err(error) => return Err(error),
                    }
                }
            }
            Resource::Pipeline => {
                let (records, malformed, _) = self.pipelines(ctx).await?;
                fetched.records = records
                    .into_iter()
                    .filter(|one| wanted.contains(one.external_id.as_str()))
                    .collect();
                fetched.malformed = malformed;
            }
            other => {
                return Err(ConnectorError::permanent(
                    "not_fetchable",
                    format!("HubSpot has no read by id for {other}"),
                ));
            }
        }
        let unread = fetched
            .malformed
            .iter()
            .filter_map(|bad| bad.external_id.as_deref());
        let present: BTreeSet<&str> = fetched
            .records
            .iter()
            .map(|record| record.external_id.as_str())
            .chain(unread)
            .collect();
        if fetched
            .malformed
            .iter()
            .all(|bad| bad.external_id.is_some())
        {
            fetched.missing = wanted
                .into_iter()
                .filter(|id| !present.contains(id))
                .map(str::to_owned)
                .collect();
        }
        Ok(fetched)
    }

    async fn owners(
        &self,
        ctx: &Context<'_>,
        request: &PageRequest<'_>,
        after: Option<&str>,
        archived: bool,
    ) -> Result<Read> {
        let limit = request
            .page_size
            .map_or(BATCH, |size| size as usize)
            .clamp(1, BATCH)
            .to_string();
        let mut query = vec![
            ("limit", limit.as_str()),
            ("archived", if archived { "true" } else { "false" }),
        ];
        if let Some(after) = after {
            query.push(("after", after));
        }
        let answer = self
            .get(ctx, &format!("/crm/owners/{API_DATE}"), &query)
            .await?;
        let frame: PageFrame<'_> = wire::read(&answer.body)?;
        let next = following(&frame, after)?;
        let (records, malformed) = each(&frame.results, map::owner);
        Ok((records, malformed, next))
    }

    async fn pipelines(&self, ctx: &Context<'_>) -> Result<Read> {
        let answer = self
            .get(ctx, &format!("/crm/pipelines/{API_DATE}/deals"), &[])
            .await?;
        let frame: PageFrame<'_> = wire::read(&answer.body)?;
        let (records, malformed) = each::<PipelineBody>(&frame.results, map::pipeline);
        Ok((records, malformed, None))
    }

    /// The labels of every kind of link we read.
    async fn labels(&self, ctx: &Context<'_>) -> Result<Read> {
        let mut read: Read = (Vec::new(), Vec::new(), None);
        for from in [Resource::Contact, Resource::Deal]
            .into_iter()
            .filter_map(object)
        {
            for to in links_of(from.resource)
                .iter()
                .filter_map(|other| object(*other))
            {
                let path = format!(
                    "/crm/associations/{API_DATE}/{}/{}/labels",
                    from.path, to.path
                );
                let answer = self.get(ctx, &path, &[]).await?;
                let frame: PageFrame<'_> = wire::read(&answer.body)?;
                let (records, malformed) = each(&frame.results, |body| {
                    label(from.resource, to.resource, body)
                });
                read.0.extend(records);
                read.1.extend(malformed);
            }
        }
        Ok(read)
    }
}

type Read = (Vec<Record>, Vec<MalformedRecord>, Option<String>);

fn each<'a, T: Deserialize<'a>>(
    results: &[&'a RawValue],
    record: impl Fn(T) -> Record,
) -> (Vec<Record>, Vec<MalformedRecord>) {
    let (mut records, mut malformed) = (Vec::new(), Vec::new());
    for raw in results {
        match map::read::<T>(raw) {
            Ok(body) => records.push(record(body)),
            Err(flaw) => malformed.push(map::malformed(raw, flaw)),
        }
    }
    (records, malformed)
}

/// A kind of association; its id says where it leads, because type ids are only unique per category and direction.
fn label(from: Resource, to: Resource, body: LabelBody) -> Record {
    let primary = body.is_primary();
    let name = body.label.filter(|label| !label.is_empty());
    Record {
        external_id: format!("{from}/{to}/{}/{}", body.category, body.type_id.0),
        updated_at_ms: 0,
        created_at_ms: None,
        archived: false,
        fields: Fields::from([
            ("category".to_owned(), Some(body.category.clone())),
            ("typeId".to_owned(), Some(body.type_id.0)),
            ("label".to_owned(), name.clone()),
        ]),
        links: Vec::new(),
        links_complete: true,
        url: None,
        kind: Kind::AssociationLabel(AssociationLabel {
            from,
            to,
            label: name,
            primary,
            custom: body.category == "USER_DEFINED",
        }),
    }
}
