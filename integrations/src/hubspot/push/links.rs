//! Links of what was written.
//!
//! Owns: from a label's name to its type, and the calls that make links and take them away. Refuses: a label the portal does not have (it is
//! refused before the record is written), and links between objects that our records do not carry. Invariant: links are made before others
//! are taken away, so that a call that fails in between loses none.

use super::super::{
    API_DATE, HubSpot,
    descriptor::{Object, links_of, object},
    map,
    wire::{self, LabelBody, PageFrame},
};
use super::{
    Progress,
    batch::{Input, Reads, pair_name, without_scope},
    linkable, set,
};
use crate::{
    connector::Context,
    error::{ConnectorError, Result},
    push::PushItem,
    record::{RecordLink, Resource},
};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Whether an item needs the portal's labels.
pub(super) fn need_labels(item: &PushItem) -> bool {
    let mut links = item.links.iter().chain(&item.unlinks);
    links.any(|link| link.primary || !link.labels.is_empty())
}

/// The kinds of links from one object, as the portal names them.
#[derive(Default)]
pub(super) struct Labels {
    named: BTreeMap<(Resource, String), Value>,
    primary: BTreeMap<Resource, Value>,
}

impl Labels {
    /// Whether everything an item asks for can be asked for.
    pub(super) fn check(&self, from: Object, item: &PushItem) -> Result<()> {
        for link in item.links.iter().chain(&item.unlinks) {
            if linkable(from, link.resource).is_none() {
                return Err(ConnectorError::permanent(
                    "not_linkable",
                    format!("{} cannot be linked to {}", from.resource, link.resource),
                ));
            }
        }
        item.links
            .iter()
            .try_for_each(|link| self.types(link).map(|_| ()))
    }

    /// The types of a link, as far as they exist.
    fn known(&self, link: &RecordLink) -> Vec<&Value> {
        let named = link
            .labels
            .iter()
            .filter_map(|label| self.named.get(&(link.resource, label.clone())));
        let primary = self.primary.get(&link.resource).filter(|_| link.primary);
        named.chain(primary).collect()
    }

    /// The types of a link, none for a plain one.
    fn types(&self, link: &RecordLink) -> Result<Vec<&Value>> {
        let mut types = Vec::new();
        for label in &link.labels {
            let known = self.named.get(&(link.resource, label.clone()));
            types.push(known.ok_or_else(|| {
                ConnectorError::permanent(
                    "unknown_label",
                    format!(
                        "this HubSpot account has no association label {label:?} to {}",
                        link.resource
                    ),
                )
            })?);
        }
        if link.primary {
            types.push(self.primary.get(&link.resource).ok_or_else(|| {
                ConnectorError::permanent(
                    "no_primary",
                    format!("HubSpot marks no primary {}", link.resource),
                )
            })?);
        }
        Ok(types)
    }
}

/// What is done to a pair of records.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Verb {
    Plain,
    Labelled,
    Unlabel,
    Separate,
}

impl Verb {
    /// In the order in which they are done.
    const ALL: [Self; 4] = [Self::Plain, Self::Labelled, Self::Unlabel, Self::Separate];

    const fn path(self) -> &'static str {
        match self {
            Self::Plain => "associate/default",
            Self::Labelled => "create",
            Self::Unlabel => "labels/archive",
            Self::Separate => "archive",
        }
    }
}

/// The calls to make, and which item each input belongs to.
#[derive(Default)]
struct Plan {
    calls: BTreeMap<(Verb, Resource), (Vec<Input>, Vec<usize>)>,
}

impl Plan {
    fn add(&mut self, verb: Verb, from: &str, link: &RecordLink, types: &[&Value], place: usize) {
        let to = json!({"id": link.external_id});
        let body = match verb {
            Verb::Plain => json!({"from": {"id": from}, "to": to}),
            Verb::Separate => json!({"from": {"id": from}, "to": [to]}),
            Verb::Labelled | Verb::Unlabel => {
                json!({"from": {"id": from}, "to": to, "types": types})
            }
        };
        let (inputs, places) = self.calls.entry((verb, link.resource)).or_default();
        inputs.push(Input::new(&pair_name(from, &link.external_id), body));
        places.push(place);
    }
}

impl HubSpot {
    /// The labels of links from one object.
    pub(super) async fn link_labels(&self, ctx: &Context<'_>, from: Object) -> Result<Labels> {
        let mut labels = Labels::default();
        for to in links_of(from.resource)
            .iter()
            .filter_map(|other| object(*other))
        {
            let path = format!(
                "/crm/associations/{API_DATE}/{}/{}/labels",
                from.path, to.path
            );
            let answer = self
                .get(ctx, &path, &[])
                .await
                .map_err(|error| without_scope(error, "the scopes that read associations"))?;
            let frame: PageFrame<'_> = wire::read(&answer.body)?;
            for raw in frame.results {
                // A label that cannot be read cannot be given either; a link that asks for it is refused by name.
                let Ok(body) = map::read::<LabelBody>(raw) else {
                    continue;
                };
                let Ok(type_id) = body.type_id.0.parse::<u64>() else {
                    continue;
                };
                let spec =
                    json!({"associationCategory": body.category, "associationTypeId": type_id});
                if body.is_primary() {
                    labels.primary.insert(to.resource, spec);
                } else if let Some(label) = body.label.filter(|label| !label.is_empty()) {
                    labels.named.insert((to.resource, label), spec);
                }
            }
        }
        Ok(labels)
    }

    /// Makes and takes away the links of what was written.
    pub(super) async fn relink(
        &self,
        ctx: &Context<'_>,
        from: Object,
        items: &[PushItem],
        labels: &Labels,
        progress: &mut [Progress],
    ) {
        let mut plan = Plan::default();
        for (place, item) in items.iter().enumerate() {
            let Some(Progress::Written(id)) = progress.get(place) else {
                continue;
            };
            for link in &item.links {
                // Checked before the record was written.
                let types = labels.types(link).unwrap_or_default();
                let verb = if types.is_empty() {
                    Verb::Plain
                } else {
                    Verb::Labelled
                };
                plan.add(verb, id, link, &types, place);
            }
            for link in &item.unlinks {
                if link.labels.is_empty() && !link.primary {
                    plan.add(Verb::Separate, id, link, &[], place);
                } else {
                    let types = labels.known(link);
                    // A label that is no more is on no link.
                    if !types.is_empty() {
                        plan.add(Verb::Unlabel, id, link, &types, place);
                    }
                }
            }
        }
        let mut ended: Option<ConnectorError> = None;
        for verb in Verb::ALL {
            for to in links_of(from.resource) {
                let Some((inputs, places)) = plan.calls.remove(&(verb, *to)) else {
                    continue;
                };
                let Some(other) = linkable(from, *to) else {
                    continue;
                };
                let answers = match &ended {
                    Some(error) => places.iter().map(|_| Err(error.clone())).collect(),
                    None => {
                        let path = format!(
                            "/crm/associations/{API_DATE}/{}/{}/batch/{}",
                            from.path,
                            other.path,
                            verb.path()
                        );
                        let scope = format!("{} and {}", from.write_scope, other.write_scope);
                        self.in_batches(ctx, &path, inputs, Reads::Nothing, &scope)
                            .await
                    }
                };
                for (place, answer) in places.into_iter().zip(answers) {
                    let Err(error) = answer else { continue };
                    if error.ends_the_work() {
                        ended.get_or_insert_with(|| error.clone());
                    }
                    // What is to be taken away and is not there is away.
                    let away = matches!(verb, Verb::Unlabel | Verb::Separate);
                    if away && matches!(error, ConnectorError::NotFound { .. }) {
                        continue;
                    }
                    if let Some(Progress::Written(id)) = progress.get(place) {
                        let id = id.clone();
                        set(progress, place, Progress::Unlinked(id, error));
                    }
                }
            }
        }
    }
}
