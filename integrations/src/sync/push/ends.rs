//! The other ends of links: which company at the vendor is our customer or partner, and which of our rows a company there is.
//!
//! Owns: telling ends that are there from those that are yet to be created and those that never will be, and letting those go on that wait for one.
//! Refuses: to leave an end out in silence. Invariant: a link is made only to a record that is known to exist.

use super::fan_out::mode_of;
use super::rows::{self, Row};
use crate::record::Resource;
use crate::sync::apply::adopt::Subject;
use crate::sync::apply::{Links, is_primary, ties};
use crate::sync::error::Result;
use crate::sync::merge::Flag;
use entities::change::Change;
use entities::clock::Timestamp;
use entities::connection;
use entities::connection::mapping::PushMode;
use entities::external_link;
use entities::id::{ConnectionId, CustomerId, PartnerId, TypedId};
use entities::outbound_push::{self, NewPush};
use entities::pending_link;
use entities::viewer::Viewer;
use entities::visible::Visible;
use sea_orm::{ColumnTrait, QueryFilter};
use std::collections::{BTreeSet, HashMap, HashSet};
use uuid::Uuid;

const COMPANY: Resource = Resource::Company;

/// Why a push waits for a company.
pub(super) const COMING: &str = "END_COMING: waits for a company that is being created there";

/// Lets the pushes go on that wait for companies: what became of some is known now.
pub(super) async fn settled(
    change: &Change,
    connection: ConnectionId,
    resource: Resource,
) -> Result<()> {
    if resource == COMPANY {
        outbound_push::make_due(change, connection, COMING).await?;
    }
    Ok(())
}

/// What a company of ours is at the vendor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// It is there, under this id.
    There(String),
    /// It will be: it is being created, not before an instant.
    Coming(Option<Timestamp>),
    /// It could not be created, and somebody has to look at why.
    Stuck,
    /// It will not be, for this reason.
    Never(&'static str),
}

/// The ends of a batch of rows.
#[derive(Debug, Default)]
pub(super) struct Ends {
    ours: HashMap<Uuid, End>,
    /// Our companies that nobody has asked to create yet.
    unasked: Vec<Subject>,
    theirs: HashMap<String, Subject>,
    passed_over: HashMap<String, HashSet<String>>,
}

impl Ends {
    /// Looks everything up at once.
    pub(super) async fn load(
        change: &Change,
        connection: &connection::Model,
        resource: Resource,
        rows: &HashMap<Uuid, Row>,
        links: &HashMap<Uuid, external_link::Model>,
    ) -> Result<Self> {
        let mut ends = Self::default();
        if resource == COMPANY {
            return Ok(ends);
        }
        let named: BTreeSet<&str> = links
            .values()
            .flat_map(|link| ties(&link.shadow.links, COMPANY))
            .map(|(id, _)| id)
            .collect();
        let named: Vec<&str> = named.into_iter().collect();
        let (transaction, id, name) = (change.transaction(), connection.id, COMPANY.as_str());
        for link in external_link::find_all(transaction, id, name, &named).await? {
            let kind = match link.subject_kind.as_deref() {
                Some(PartnerId::PREFIX) => PartnerId::PREFIX,
                Some(CustomerId::PREFIX) => CustomerId::PREFIX,
                _ => continue,
            };
            if let Some(subject) = link.subject_id {
                ends.theirs.insert(link.external_id, (kind, subject));
            }
        }
        let records: Vec<&str> = links
            .values()
            .map(|link| link.external_id.as_str())
            .collect();
        for row in pending_link::find_from(transaction, id, resource.as_str(), &records).await? {
            let over = ends.passed_over.entry(row.from_external_id).or_default();
            over.insert(format!("{}:{}", row.to_resource, row.to_external_id));
        }
        let wanted: BTreeSet<Subject> = rows.values().flat_map(Row::ends).collect();
        ends.load_ours(change, connection, wanted).await?;
        Ok(ends)
    }

    async fn load_ours(
        &mut self,
        change: &Change,
        connection: &connection::Model,
        wanted: BTreeSet<Subject>,
    ) -> Result<()> {
        let ids: Vec<Uuid> = wanted.iter().map(|(_, id)| *id).collect();
        let (transaction, id) = (change.transaction(), connection.id);
        for link in external_link::find_subjects(transaction, id, COMPANY.as_str(), &ids).await? {
            let Some(subject) = link.subject_id else {
                continue;
            };
            let end = if link.archived {
                End::Never("has been put away there")
            } else {
                End::There(link.external_id)
            };
            // Of several records of one row the one that lives counts.
            let known = self.ours.get(&subject);
            if !matches!(known, Some(End::There(_))) {
                self.ours.insert(subject, end);
            }
        }
        let missing: Vec<Subject> = wanted
            .into_iter()
            .filter(|(_, id)| !self.ours.contains_key(id))
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        let ids: Vec<Uuid> = missing.iter().map(|(_, id)| *id).collect();
        let brought = rows::brought_by(transaction, id, &ids).await?;
        let rows = rows::load(change, missing.iter().copied()).await?;
        let mut asked: HashMap<Uuid, outbound_push::Model> = HashMap::new();
        for chunk in ids.chunks(500) {
            let select = outbound_push::Entity::visible_to(&Viewer::system("push"))
                .filter(outbound_push::Column::ConnectionId.eq(id))
                .filter(outbound_push::Column::SubjectId.is_in(chunk.iter().copied()));
            let pushes = select
                .all(transaction)
                .await
                .map_err(entities::error::Error::from)?;
            asked.extend(pushes.into_iter().map(|push| (push.subject_id, push)));
        }
        for (kind, subject) in missing {
            let archived = rows.get(&subject).is_none_or(Row::is_archived);
            let end = if mode_of(&connection.mapping, COMPANY) != PushMode::CreateAndUpdate {
                End::Never("is not there, and companies are not created there")
            } else if archived {
                End::Never("is not there, and has been put away here")
            } else if brought.contains(&subject) {
                End::Never("is not there any more")
            } else {
                match asked.get(&subject) {
                    Some(push) if push.dead => End::Stuck,
                    Some(push) => {
                        let waits = push.lease_until.is_none().then_some(push.available_at);
                        End::Coming(waits)
                    }
                    None => {
                        self.unasked.push((kind, subject));
                        End::Coming(None)
                    }
                }
            };
            self.ours.insert(subject, end);
        }
        Ok(())
    }

    /// What a company of ours is there.
    pub(super) fn of(&self, subject: Uuid) -> &End {
        const UNKNOWN: End = End::Never("is unknown");
        self.ours.get(&subject).unwrap_or(&UNKNOWN)
    }

    /// The pushes without which companies would not come.
    pub(super) fn to_ask(&self, connection: &connection::Model) -> Vec<NewPush> {
        let ask = |(kind, id): &Subject| NewPush {
            connection_id: connection.id,
            subject_kind: kind,
            subject_id: *id,
            resource: COMPANY.as_str(),
        };
        self.unasked.iter().map(ask).collect()
    }

    /// The companies a record is tied to, as far as they count here: one that was not known when the record was last taken over did not.
    pub(super) fn tied<'a>(
        &'a self,
        external_id: &str,
        links: &'a Links,
    ) -> impl Iterator<Item = (&'a str, &'a [String], Subject)> {
        let over = self.passed_over.get(external_id);
        ties(links, COMPANY).filter_map(move |(id, labels)| {
            if over.is_some_and(|over| over.contains(&format!("{COMPANY}:{id}"))) {
                return None;
            }
            Some((id, labels, *self.theirs.get(id)?))
        })
    }

    /// Of the companies that may be meant the one that counts: the first, or the primary one.
    pub(super) fn chosen<'a>(
        &'a self,
        external_id: &str,
        links: &'a Links,
        counts: impl Fn(Subject) -> bool,
    ) -> Option<(&'a str, Subject)> {
        let mut chosen: Option<(bool, &str, Subject)> = None;
        for (id, labels, subject) in self.tied(external_id, links) {
            if !counts(subject) {
                continue;
            }
            let primary = is_primary(labels);
            if chosen.is_none_or(|(before, _, _)| primary && !before) {
                chosen = Some((primary, id, subject));
            }
        }
        chosen.map(|(_, id, subject)| (id, subject))
    }
}

/// Why a link is not made.
pub(super) fn unlinkable(what: &str, why: &str) -> Flag {
    Flag {
        property: "company".to_owned(),
        code: "END_NOT_THERE",
        message: format!("The {what} {why}; the link to it is not sent."),
    }
}
