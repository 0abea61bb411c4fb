//! What records refer to: stages, owners, and the account's own facts.
//!
//! Owns: reading and writing these as links without rows of ours. Invariant: what [`References::shadow`] writes, [`References::load`] reads.

use crate::record::{Fields, Kind, Record, Resource, Stage, StageOutcome};
use chrono_tz::Tz;
use entities::connection::{self, mapping::DealMapping};
use entities::error::Result;
use entities::external_link;
use entities::money::Currency;
use sea_orm::ConnectionTrait;
use std::collections::HashMap;

/// A stage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::sync) struct StageFacts {
    pub(in crate::sync) label: String,
    pub(in crate::sync) outcome: StageOutcome,
    pub(in crate::sync) position: i64,
    pub(in crate::sync) archived: bool,
}

/// An owner of records.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::sync) struct OwnerFacts {
    pub(in crate::sync) name: Option<String>,
    pub(in crate::sync) email: Option<String>,
}

impl OwnerFacts {
    /// Whether this is the person with an e-mail address.
    pub(in crate::sync) fn is_at(&self, email: &str) -> bool {
        let own = self.email.as_deref().map(str::trim);
        own.is_some_and(|own| own.eq_ignore_ascii_case(email.trim()))
    }
}

/// What the records of one connection refer to.
#[derive(Clone, Debug, Default)]
pub(in crate::sync) struct References {
    pub(in crate::sync) stages: HashMap<(String, String), StageFacts>,
    pub(in crate::sync) owners: HashMap<String, OwnerFacts>,
    pub(in crate::sync) currency: Option<Currency>,
    pub(in crate::sync) zone: Tz,
}

impl References {
    /// Reads them.
    pub(in crate::sync) async fn load(
        database: &impl ConnectionTrait,
        connection: &connection::Model,
    ) -> Result<Self> {
        let account = &connection.account;
        let mut references = Self {
            currency: account
                .currency
                .as_deref()
                .and_then(|code| code.trim().parse().ok()),
            zone: account
                .time_zone
                .as_deref()
                .and_then(|name| name.parse().ok())
                .unwrap_or(Tz::UTC),
            ..Self::default()
        };
        for link in
            external_link::list(database, connection.id, Resource::Pipeline.as_str()).await?
        {
            references.learn_stages(&link.external_id, &link.shadow.fields);
        }
        for link in external_link::list(database, connection.id, Resource::Owner.as_str()).await? {
            let value = |key: &str| link.shadow.fields.get(key).cloned().flatten();
            references.owners.insert(
                link.external_id.clone(),
                OwnerFacts {
                    name: value("name"),
                    email: value("email"),
                },
            );
        }
        Ok(references)
    }

    /// Who an owner there is: whom the mapping names, else whom the vendor does.
    pub(in crate::sync) fn owner(&self, mapping: &DealMapping, id: &str) -> Option<OwnerFacts> {
        match mapping.owners.get(id) {
            Some(person) => Some(OwnerFacts {
                name: person.name.clone(),
                email: person.email.clone(),
            }),
            None => self.owners.get(id).cloned(),
        }
    }

    /// The owner there who is the person with an e-mail address: one whom the vendor itself knows by it before one who only stands for that person.
    pub(in crate::sync) fn owner_of<'a>(
        &'a self,
        mapping: &'a DealMapping,
        email: &str,
    ) -> Option<&'a str> {
        let is = |facts: Option<OwnerFacts>| facts.is_some_and(|facts| facts.is_at(email));
        let known = self.owners.keys().chain(mapping.owners.keys());
        let found = known.filter(|id| is(self.owner(mapping, id)));
        found
            .min_by_key(|id| (mapping.owners.contains_key(*id), *id))
            .map(String::as_str)
    }

    /// Learns the stages of a pipeline from its shadow.
    pub(in crate::sync) fn learn_stages(&mut self, pipeline: &str, fields: &Fields) {
        let stages = fields
            .get("stages")
            .and_then(|value| value.as_deref())
            .unwrap_or("[]");
        for stage in serde_json::from_str::<Vec<Stage>>(stages).unwrap_or_default() {
            let facts = StageFacts {
                label: stage.label,
                outcome: stage.outcome,
                position: stage.position,
                archived: stage.archived,
            };
            self.stages
                .insert((pipeline.to_owned(), stage.external_id), facts);
        }
    }

    /// Finds a stage: in its pipeline, or, where the record names none, in the only pipeline that has it.
    pub(in crate::sync) fn stage(
        &self,
        pipeline: Option<&str>,
        stage: &str,
    ) -> Option<&StageFacts> {
        if let Some(pipeline) = pipeline {
            return self.stages.get(&(pipeline.to_owned(), stage.to_owned()));
        }
        let mut found = self.stages.iter().filter(|((_, id), _)| id == stage);
        match (found.next(), found.next()) {
            (Some((_, facts)), None) => Some(facts),
            _ => None,
        }
    }

    /// The shadow of a record that has no row of ours.
    pub(in crate::sync) fn shadow(record: &Record) -> Option<Fields> {
        let text = |value: &str| Some(value.to_owned());
        let mut fields = Fields::new();
        match &record.kind {
            Kind::Owner(owner) => {
                fields.insert("name".to_owned(), owner.name.clone());
                fields.insert("email".to_owned(), owner.email.clone());
            }
            Kind::Pipeline(pipeline) => {
                fields.insert("label".to_owned(), text(&pipeline.label));
                fields.insert(
                    "stages".to_owned(),
                    serde_json::to_string(&pipeline.stages).ok(),
                );
            }
            Kind::AssociationLabel(label) => {
                fields.insert("from".to_owned(), text(label.from.as_str()));
                fields.insert("to".to_owned(), text(label.to.as_str()));
                fields.insert("label".to_owned(), label.label.clone());
                fields.insert(
                    "primary".to_owned(),
                    text(if label.primary { "true" } else { "false" }),
                );
                fields.insert(
                    "custom".to_owned(),
                    text(if label.custom { "true" } else { "false" }),
                );
            }
            Kind::Company | Kind::Contact | Kind::Deal | Kind::Order(_) => return None,
        }
        fields.retain(|_, value| value.as_deref().is_some_and(|text| !text.is_empty()));
        Some(fields)
    }
}
