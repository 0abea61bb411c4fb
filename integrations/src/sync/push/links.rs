//! Which links have to be made and taken away so that a record is tied to what our row is tied to.
//!
//! Owns: the employer of a person, the customer of a deal, and the shares of partners as labels. Refuses: to touch ties that mean nothing here: people's
//! own labels stay. Invariant: what the mapping reads of the ties afterwards is what our row says, as far as there are labels for it.

use super::ends::{End, unlinkable};
use super::plan::Known;
use super::rows::{Row, ShareOf};
use crate::record::{RecordLink, Resource};
use crate::sync::apply::adopt::Subject;
use crate::sync::apply::{Links, PRIMARY};
use crate::sync::merge::Flag;
use entities::clock::Timestamp;
use entities::external_link;
use entities::id::{CustomerId, PartnerId, TypedId};
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

/// Links to make and to take away.
#[derive(Default)]
pub(super) struct Relinking {
    pub(super) made: Vec<RecordLink>,
    pub(super) unmade: Vec<RecordLink>,
    pub(super) flags: Vec<Flag>,
    /// Something else has to be there first, which is not before this instant.
    pub(super) waits: Option<Timestamp>,
    pub(super) stuck: bool,
}

impl Relinking {
    fn end(&mut self, what: &str, end: &End) -> Option<String> {
        match end {
            End::There(id) => return Some(id.clone()),
            End::Coming(until) => self.waits = self.waits.max(Some(until.unwrap_or_default())),
            End::Stuck => {
                self.stuck = true;
                let why = "could not be created there";
                self.flags.push(unlinkable(what, why));
            }
            End::Never(why) => self.flags.push(unlinkable(what, why)),
        }
        None
    }
}

fn company(external_id: &str, labels: Vec<String>, primary: bool) -> RecordLink {
    RecordLink {
        resource: Resource::Company,
        external_id: external_id.to_owned(),
        labels,
        primary,
    }
}

impl Known<'_> {
    fn is_open(&self, subject: Uuid, field: &str) -> bool {
        self.open
            .get(&subject)
            .is_some_and(|open| open.contains(field))
    }

    pub(super) fn relinking(&self, row: &Row, link: Option<&external_link::Model>) -> Relinking {
        let mut relinking = Relinking::default();
        let none = Links::new();
        let (id, links) = link.map_or(("", &none), |link| {
            (link.external_id.as_str(), &link.shadow.links)
        });
        // Ties that were refused here are no base to compare with.
        if link.is_some_and(|link| link.shadow.flags.contains_key("company")) {
            return relinking;
        }
        match row {
            Row::Partner(_) | Row::Customer(_) => {}
            Row::Contact(row) => {
                let ours = match (row.partner_id, row.customer_id) {
                    (Some(id), _) => Some((PartnerId::PREFIX, id.0)),
                    (None, Some(id)) => Some((CustomerId::PREFIX, id.0)),
                    (None, None) => None,
                };
                if !self.is_open(row.id.0, "company") {
                    self.one_company(&mut relinking, "employer", (id, links), ours, |_| true);
                }
            }
            Row::Deal(row, shares) => {
                let ours = row.customer_id.map(|id| (CustomerId::PREFIX, id.0));
                if !self.is_open(row.id.0, "customer") {
                    let counts = |(kind, _): Subject| kind == CustomerId::PREFIX;
                    self.one_company(&mut relinking, "customer", (id, links), ours, counts);
                }
                if !self.is_open(row.id.0, "partners") {
                    self.shares(&mut relinking, (id, links), shares);
                }
            }
        }
        relinking
    }

    /// A link of which one counts: the employer of a person, the customer of a deal.
    fn one_company(
        &self,
        relinking: &mut Relinking,
        what: &str,
        (id, links): (&str, &Links),
        ours: Option<Subject>,
        counts: impl Fn(Subject) -> bool + Copy,
    ) {
        let held = self.ends.chosen(id, links, counts);
        if held.map(|(_, subject)| subject) == ours {
            return;
        }
        if let Some(ours) = ours {
            let Some(wanted) = relinking.end(what, self.ends.of(ours.1)) else {
                return;
            };
            // Where another company stays beside it, only the mark of the main one says which of them is meant.
            let others = self.ends.tied(id, links).any(|(other, _, subject)| {
                counts(subject) && other != wanted && held.is_none_or(|(held, _)| other != held)
            });
            relinking.made.push(company(&wanted, Vec::new(), others));
        }
        if let Some((held, _)) = held {
            relinking.unmade.push(company(held, Vec::new(), false));
        }
    }

    /// Shares are labels of the links to partners: a role is the label that stands for it.
    fn shares(&self, relinking: &mut Relinking, (id, links): (&str, &Links), shares: &[ShareOf]) {
        let labels = &self.connection.mapping.deal.labels;
        let mut held: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for (company, tie, (kind, _)) in self.ends.tied(id, links) {
            if kind == PartnerId::PREFIX {
                held.entry(company)
                    .or_default()
                    .extend(tie.iter().map(String::as_str));
            }
        }
        let mut wanted: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let mut untouched: BTreeSet<String> = BTreeSet::new();
        for share in shares {
            let Some(company) = relinking.end("partner", self.ends.of(share.partner.0)) else {
                continue;
            };
            let tie = held.get(company.as_str());
            let of_role = || labels.iter().filter(|(_, role)| role.role == share.role);
            let label = of_role()
                .find(|(_, role)| role.weight_bp == share.weight_bp)
                .or_else(|| {
                    of_role().find(|(label, _)| tie.is_some_and(|tie| tie.contains(label.as_str())))
                })
                .or_else(|| of_role().next());
            match label {
                Some((label, _)) => {
                    wanted.entry(company).or_default().insert(label.clone());
                }
                None => {
                    relinking.flags.push(Flag {
                        property: "company".to_owned(),
                        code: "NO_LABEL",
                        message: format!(
                            "No label stands for the role {:?}; the share is not sent.",
                            share.role
                        ),
                    });
                    untouched.insert(company);
                }
            }
        }
        for (company_id, names) in &wanted {
            let tie = held.get(company_id.as_str());
            let fresh: Vec<String> = names
                .iter()
                .filter(|label| tie.is_none_or(|tie| !tie.contains(label.as_str())))
                .cloned()
                .collect();
            if !fresh.is_empty() {
                relinking.made.push(company(company_id, fresh, false));
            }
        }
        for (company_id, tie) in held {
            let kept = wanted.get(company_id);
            let gone: Vec<String> = tie
                .iter()
                .filter(|label| labels.contains_key(**label))
                .filter(|label| kept.is_none_or(|kept| !kept.contains(**label)))
                .map(|label| (*label).to_owned())
                .collect();
            if gone.is_empty() {
                continue;
            }
            // A tie that said nothing but the share goes with it.
            let rest = tie
                .iter()
                .any(|label| *label != PRIMARY && !gone.iter().any(|one| one == label));
            let whole = kept.is_none() && !rest && !untouched.contains(company_id);
            let gone = if whole { Vec::new() } else { gone };
            relinking.unmade.push(company(company_id, gone, false));
        }
    }
}
