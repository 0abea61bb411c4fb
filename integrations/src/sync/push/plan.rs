//! What has to be done about each pushed row.
//!
//! Owns: comparing rows with their shadows, values by the mapping and links by what companies are. Refuses: to send what reads the same, what is in
//! open conflict, and what was never taken over. Invariant: a plan says nothing that its row does not: it is made anew for every attempt.

use super::ends::Ends;
use super::fan_out::{mode_of, puts_away};
use super::links::Relinking;
use super::rows::{Row, subject_of};
use crate::push::PushItem;
use crate::record::{Fields, RecordLink, Resource};
use crate::sync::apply::adopt::Subject;
use crate::sync::map::References;
use crate::sync::map::outgoing::{self, Outgoing, There, Write};
use crate::sync::merge::Flag;
use entities::clock::Timestamp;
use entities::connection::{self, mapping::PushMode};
use entities::external_link;
use entities::id::show;
use entities::outbound_push;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use uuid::Uuid;

/// The code of a record that stays there although our row was put away.
const NOT_ARCHIVED: &str = "NOT_ARCHIVED";
const NOT_ARCHIVED_MESSAGE: &str = "The row was put away here; the record stays there, because the mapping does not put records away. Do so there, or choose it in the mapping.";

/// What is known of all rows of a batch.
pub(super) struct Known<'a> {
    pub(super) connection: &'a connection::Model,
    pub(super) references: &'a References,
    pub(super) resource: Resource,
    pub(super) rows: HashMap<Uuid, Row>,
    pub(super) links: HashMap<Uuid, external_link::Model>,
    pub(super) open: HashMap<Uuid, BTreeSet<String>>,
    pub(super) ends: Ends,
    /// Rows that came from this very vendor.
    pub(super) brought: HashSet<Uuid>,
}

/// What has to be done about one row.
pub(super) enum Plan {
    /// The vendor knows it all, or is not to know.
    Nothing(Vec<Flag>),
    /// Something else has to be there first, which is not before this instant.
    Wait(Timestamp),
    /// It cannot be sent, and a person has to know why.
    Impossible(&'static str, String),
    /// This has to be sent.
    Send(Box<Sending>),
}

/// What is sent of one row.
pub(super) struct Sending {
    pub(super) push: outbound_push::Model,
    pub(super) subject: Subject,
    /// The record, where there is one; otherwise it is created.
    pub(super) link: Option<external_link::Model>,
    pub(super) writes: BTreeMap<String, Write>,
    pub(super) made: Vec<RecordLink>,
    pub(super) unmade: Vec<RecordLink>,
    pub(super) archive: bool,
    pub(super) flags: Vec<Flag>,
    /// What is still missing once this is sent.
    pub(super) remains: Option<String>,
}

impl Sending {
    /// As the connector gets it.
    pub(super) fn item(&self) -> PushItem {
        PushItem {
            reference: reference(self.subject),
            external_id: self.link.as_ref().map(|link| link.external_id.clone()),
            fields: self
                .writes
                .iter()
                .map(|(name, write)| (name.clone(), write.value.clone()))
                .collect(),
            links: self.made.clone(),
            unlinks: self.unmade.clone(),
            archive: self.archive,
        }
    }
}

/// The reference by which a record of ours is found again at a vendor.
pub(super) fn reference((kind, id): Subject) -> String {
    show(kind, id)
}

impl Known<'_> {
    /// Decides about one push.
    pub(super) fn plan(&self, push: &outbound_push::Model) -> Plan {
        let Some(subject) = subject_of(push) else {
            return Plan::Impossible("UNKNOWN_KIND", "Rows of this kind are not sent.".to_owned());
        };
        let Some(row) = self.rows.get(&subject.1) else {
            // A row is never deleted, so this one was taken back before anybody saw it.
            return Plan::Nothing(Vec::new());
        };
        let link = self.links.get(&subject.1);
        match link {
            None if row.is_archived() => return Plan::Nothing(Vec::new()),
            None if mode_of(&self.connection.mapping, self.resource)
                != PushMode::CreateAndUpdate =>
            {
                return Plan::Nothing(Vec::new());
            }
            None if self.brought.contains(&subject.1) => {
                return Plan::Nothing(vec![Flag {
                    property: "id".to_owned(),
                    code: "NOT_THERE_ANY_MORE",
                    message:
                        "The record this came from is no longer there; it is not created again."
                            .to_owned(),
                }]);
            }
            Some(link) if link.archived && row.is_archived() => return Plan::Nothing(Vec::new()),
            Some(link) if link.archived => {
                return Plan::Impossible(
                    "CANNOT_RESTORE",
                    "The record has been put away there, and cannot be brought back from here. Restore it there, or archive it here."
                        .to_owned(),
                );
            }
            _ => {}
        }
        let archive = row.is_archived();
        if archive && !puts_away(&self.connection.mapping, self.resource) {
            return Plan::Nothing(vec![Flag {
                property: "archived".to_owned(),
                code: NOT_ARCHIVED,
                message: NOT_ARCHIVED_MESSAGE.to_owned(),
            }]);
        }
        let sending = |outgoing: Outgoing, relinking: Relinking, remains| Sending {
            push: push.clone(),
            subject,
            link: link.cloned(),
            writes: outgoing.writes,
            made: relinking.made,
            unmade: relinking.unmade,
            archive,
            flags: outgoing.flags.into_iter().chain(relinking.flags).collect(),
            remains,
        };
        if archive {
            let nothing = (Outgoing::default(), Relinking::default());
            return Plan::Send(Box::new(sending(nothing.0, nothing.1, None)));
        }
        let outgoing = self.values(row, subject.1);
        if let Some(flag) = outgoing.uncreatable.as_ref().filter(|_| link.is_none()) {
            return Plan::Impossible(flag.code, flag.message.clone());
        }
        let relinking = self.relinking(row, link);
        if let Some(until) = relinking.waits {
            return Plan::Wait(until);
        }
        let remains = relinking.stuck.then(|| {
            "END_NOT_THERE: a company this refers to could not be created there; its own push says why".to_owned()
        });
        let nothing =
            outgoing.writes.is_empty() && relinking.made.is_empty() && relinking.unmade.is_empty();
        if nothing && link.is_some() {
            return match remains {
                Some(why) => Plan::Impossible("END_NOT_THERE", why),
                None => Plan::Nothing(outgoing.flags.into_iter().chain(relinking.flags).collect()),
            };
        }
        Plan::Send(Box::new(sending(outgoing, relinking, remains)))
    }

    /// The properties to write, given what the vendor is known to hold.
    pub(super) fn values(&self, row: &Row, subject: Uuid) -> Outgoing {
        let (no_fields, no_flags, no_open) = (Fields::new(), BTreeMap::new(), BTreeSet::new());
        let link = self.links.get(&subject);
        let there = There {
            fields: link.map_or(&no_fields, |link| &link.shadow.fields),
            flagged: link.map_or(&no_flags, |link| &link.shadow.flags),
            open: self.open.get(&subject).unwrap_or(&no_open),
            creating: link.is_none(),
        };
        let mapping = &self.connection.mapping;
        match row {
            Row::Partner(row) => outgoing::partner(&mapping.company, &there, row),
            Row::Customer(row) => outgoing::customer(&mapping.company, &there, row),
            Row::Contact(row) => outgoing::contact(&mapping.contact, &there, row),
            Row::Deal(row, _) => outgoing::deal(&mapping.deal, self.references, &there, row),
        }
    }
}
