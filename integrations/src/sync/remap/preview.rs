//! What a mapping would make of the records that are stored: read by the present one and by the new one, and compared.
//!
//! Owns: the sample and the comparison. Refuses: to look at our rows, which a person may have changed: it tells what would be read, and the merge decides
//! the rest. Personal values are never shown. Invariant: it writes nothing and looks at a bounded number of records.

use super::RESOURCES;
use super::check::properties;
use crate::record::{Fields, Resource};
use crate::sync::apply::{Links, ties};
use crate::sync::error::Result;
use crate::sync::map::{self, References};
use crate::sync::merge::{Flag, Reading};
use entities::connection::{self, mapping::Mapping};
use entities::database::Database;
use entities::error::{Error as EntityError, Violation};
use entities::external_link;
use entities::viewer::Viewer;
use entities::visible::Visible;
use sea_orm::{ColumnTrait, QueryFilter, QueryOrder, QuerySelect};
use serde::Serialize;
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;

/// Records of each kind that are looked at: those that came last.
const SAMPLE: u64 = 200;
/// Examples that are shown of each kind.
const EXAMPLES: usize = 20;

/// One value that would be read differently.
#[derive(Clone, Debug, PartialEq)]
pub struct Example {
    /// The vendor's id of the record.
    pub external_id: String,
    /// Our field.
    pub field: &'static str,
    /// What the present mapping reads; null for personal values.
    pub before: Json,
    /// What the new one would read; likewise.
    pub after: Json,
}

/// Why records would be kept out, and how many.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptOut {
    /// A stable code.
    pub code: String,
    /// One sentence, of the first of them.
    pub message: String,
    /// How many.
    pub records: u64,
}

/// What would become of the records of one kind.
#[derive(Clone, Debug, PartialEq)]
pub struct ResourcePreview {
    /// Which kind.
    pub resource: Resource,
    /// How many were looked at.
    pub read: u64,
    /// Of how many something would be read differently.
    pub would_change: u64,
    /// How many could not stand at all.
    pub kept_out: Vec<KeptOut>,
    /// Some of the differences.
    pub examples: Vec<Example>,
}

/// What a mapping would do.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MappingPreview {
    /// By kind of record.
    pub resources: Vec<ResourcePreview>,
    /// Why everything has to be read anew; empty when what is stored suffices.
    pub backfill: Vec<String>,
    /// What stands against the mapping.
    pub violations: Vec<Violation>,
    /// Whether the vendor could be asked which properties there are.
    pub checked_at_vendor: bool,
}

/// What a mapping reads of a record.
struct Read {
    values: BTreeMap<&'static str, Json>,
    kept_out: Option<Flag>,
}

/// Compares.
pub(super) async fn read(
    database: &Database,
    row: &connection::Model,
    mapping: &Mapping,
) -> Result<MappingPreview> {
    let references = References::load(database.read(), row).await?;
    let mut preview = MappingPreview::default();
    for resource in RESOURCES {
        let links = external_link::Entity::visible_to(&Viewer::system("preview"))
            .filter(external_link::Column::ConnectionId.eq(row.id))
            .filter(external_link::Column::Resource.eq(resource.as_str()))
            .filter(external_link::Column::Archived.eq(false))
            .order_by_desc(external_link::Column::Id)
            .limit(SAMPLE)
            .all(database.read())
            .await
            .map_err(EntityError::from)?;
        let known = properties(&row.mapping, resource);
        for property in properties(mapping, resource) {
            let holds = |link: &external_link::Model| link.shadow.fields.contains_key(property);
            // What every order has is always read, whether or not any of them had it.
            let always = resource == Resource::Order && map::order::FIELDS.contains(&property);
            let unread = !known.contains(property) && !links.iter().any(holds);
            if unread && !always && !links.is_empty() {
                preview.backfill.push(format!(
                    "The property {property:?} is in none of the {} stored records of kind {resource} that came last; it was perhaps never read.",
                    links.len()
                ));
            }
        }
        preview.resources.push(compare(
            resource,
            &links,
            (&row.mapping, mapping),
            &references,
        ));
    }
    Ok(preview)
}

fn compare(
    resource: Resource,
    links: &[external_link::Model],
    (present, new): (&Mapping, &Mapping),
    references: &References,
) -> ResourcePreview {
    let mut found = ResourcePreview {
        resource,
        read: links.len() as u64,
        would_change: 0,
        kept_out: Vec::new(),
        examples: Vec::new(),
    };
    for link in links {
        let of = |mapping: &Mapping| {
            read_record(
                resource,
                mapping,
                references,
                &link.shadow.fields,
                &link.shadow.links,
            )
        };
        let (before, after) = (of(present), of(new));
        if let Some(flag) = after.kept_out {
            keep_out(&mut found.kept_out, &flag);
        }
        let mut differs = false;
        for (field, value) in after.values {
            let was = before.values.get(field).cloned().unwrap_or(Json::Null);
            if was == value {
                continue;
            }
            differs = true;
            if found.examples.len() < EXAMPLES {
                let shown = |value: Json| {
                    if resource == Resource::Contact {
                        Json::Null
                    } else {
                        value
                    }
                };
                found.examples.push(Example {
                    external_id: link.external_id.clone(),
                    field,
                    before: shown(was),
                    after: shown(value),
                });
            }
        }
        found.would_change += u64::from(differs);
    }
    found
}

fn keep_out(all: &mut Vec<KeptOut>, flag: &Flag) {
    match all.iter_mut().find(|known| known.code == flag.code) {
        Some(known) => known.records += 1,
        None => all.push(KeptOut {
            code: flag.code.to_owned(),
            message: flag.message.clone(),
            records: 1,
        }),
    }
}

fn shown<T: Serialize>(reading: &Reading<T>) -> Json {
    match reading {
        Reading::Unread => Json::Null,
        Reading::Value(value) => json!(value),
        Reading::Flagged(flag) => json!({ "notTakenOver": flag.code }),
    }
}

fn read_record(
    resource: Resource,
    mapping: &Mapping,
    references: &References,
    fields: &Fields,
    links: &Links,
) -> Read {
    match resource {
        Resource::Company => company(mapping, fields),
        Resource::Contact => contact(mapping, fields),
        Resource::Order => order(mapping, references, fields),
        _ => deal(mapping, references, fields, links),
    }
}

fn company(mapping: &Mapping, fields: &Fields) -> Read {
    if map::is_partner(&mapping.company, fields) {
        let read = map::partner(&mapping.company, fields);
        return Read {
            kept_out: read.name.flag().cloned(),
            values: BTreeMap::from([
                ("kind", json!("partner")),
                ("name", shown(&read.name)),
                ("domain", shown(&read.domain)),
                ("website", shown(&read.website)),
                ("country", shown(&read.country)),
                ("employees", shown(&read.employees)),
                ("description", shown(&read.description)),
            ]),
        };
    }
    let read = map::customer(&mapping.company, fields);
    Read {
        kept_out: read.name.flag().cloned(),
        values: BTreeMap::from([
            ("kind", json!("customer")),
            ("name", shown(&read.name)),
            ("domain", shown(&read.domain)),
            ("country", shown(&read.country)),
            ("segment", shown(&read.segment)),
        ]),
    }
}

fn contact(mapping: &Mapping, fields: &Fields) -> Read {
    let read = map::contact(&mapping.contact, fields);
    Read {
        kept_out: read.name.flag().cloned(),
        values: BTreeMap::from([
            ("name", shown(&read.name)),
            ("email", shown(&read.email)),
            ("phone", shown(&read.phone)),
            ("title", shown(&read.title)),
        ]),
    }
}

fn order(mapping: &Mapping, references: &References, fields: &Fields) -> Read {
    let read = map::order::order(references, fields);
    let named = map::order::named_partners(&mapping.order, fields);
    let first = named.first().map(ToString::to_string);
    let share = first.map(|partner| {
        json!({ "partner": partner, "role": mapping.order.role, "weightBp": mapping.order.weight_bp })
    });
    let kept_out = read.excluded.as_ref().or(read.deal.name.flag()).cloned();
    Read {
        kept_out: kept_out.filter(|_| mapping.order.deals),
        values: BTreeMap::from([
            ("deal", json!(mapping.order.deals)),
            ("name", shown(&read.deal.name)),
            ("stage", shown(&read.deal.stage)),
            ("amount", shown(&read.deal.amount)),
            ("closedAt", shown(&read.deal.closed_at)),
            ("partners", json!(share.into_iter().collect::<Vec<_>>())),
        ]),
    }
}

fn deal(mapping: &Mapping, references: &References, fields: &Fields, links: &Links) -> Read {
    let read = map::deal(&mapping.deal, references, fields);
    let shares: Vec<Json> = ties(links, Resource::Company)
        .flat_map(|(company, labels)| labels.iter().map(move |label| (company, label)))
        .filter_map(|(company, label)| {
            let role = mapping.deal.labels.get(label)?;
            Some(json!({ "company": company, "role": role.role, "weightBp": role.weight_bp }))
        })
        .collect();
    Read {
        kept_out: read.stage.flag().or(read.name.flag()).cloned(),
        values: BTreeMap::from([
            ("name", shown(&read.name)),
            ("stage", shown(&read.stage)),
            ("sourceStage", shown(&read.source_stage)),
            ("amount", shown(&read.amount)),
            ("expectedCloseOn", shown(&read.expected_close_on)),
            ("closedAt", shown(&read.closed_at)),
            ("lostReason", shown(&read.lost_reason)),
            ("owner.name", shown(&read.owner_name)),
            ("owner.email", shown(&read.owner_email)),
            ("products", shown(&read.products)),
            ("partners", json!(shares)),
        ]),
    }
}
