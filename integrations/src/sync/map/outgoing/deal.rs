//! Deals: a stage of ours becomes a stage of the deal's own pipeline, an amount a decimal text with its currency, an owner the vendor's id.
//!
//! The customer and the shares of partners are links, not properties: see [`crate::sync::push`].

use super::{Difference, Outgoing, There, Write, until_it_reads};
use crate::record::{Fields, StageOutcome};
use crate::sync::map::reference::{References, StageFacts};
use crate::sync::map::value::{instant, present};
use crate::sync::map::{DealReading, deal as read_deal};
use crate::sync::merge::Flag;
use chrono::NaiveDate;
use entities::clock::Timestamp;
use entities::connection::mapping::{DealField, DealMapping};
use entities::deal::{self, DealStage};
use entities::money::{Currency, Money};
use std::collections::BTreeMap;

/// What has to be written so that a deal there reads like ours.
pub(in crate::sync) fn deal(
    mapping: &DealMapping,
    references: &References,
    there: &There<'_>,
    row: &deal::Model,
) -> Outgoing {
    let asking = Asking {
        mapping,
        references,
        there,
        row,
    };
    let mut outgoing = until_it_reads(there, BTreeMap::new(), |candidate| {
        let reading = read_deal(mapping, references, candidate);
        let mut all = Vec::new();
        all.extend(asking.name(candidate, &reading));
        all.extend(asking.stage(candidate, &reading));
        all.extend(asking.amount(candidate, &reading));
        all.extend(asking.close_date(candidate, &reading));
        all.extend(asking.owner(candidate));
        all.extend(asking.products(candidate, &reading));
        let lost_reason = asking.of(DealField::LostReason);
        all.extend(there.text(
            "lostReason",
            lost_reason,
            candidate,
            &reading.lost_reason,
            &row.lost_reason,
        ));
        all
    });
    let lacks = |field| {
        asking
            .of(field)
            .is_none_or(|property| !outgoing.writes.contains_key(property))
    };
    if lacks(DealField::Name) {
        outgoing.uncreatable = Some(Flag {
            property: "name".to_owned(),
            code: "NAME_MISSING",
            message: "The mapping names no property for the name of a deal.".to_owned(),
        });
    } else if lacks(DealField::Stage) {
        let property = asking.of(DealField::Stage);
        let refused = outgoing
            .flags
            .iter()
            .find(|flag| Some(&flag.property) == property);
        outgoing.uncreatable = Some(refused.cloned().unwrap_or_else(|| Flag {
            property: "stage".to_owned(),
            code: NO_STAGE,
            message: "The mapping names no property for the stage of a deal.".to_owned(),
        }));
    }
    outgoing
}

/// The code of a stage that the vendor does not have.
const NO_STAGE: &str = "STAGE_NOT_THERE";

struct Asking<'a> {
    mapping: &'a DealMapping,
    references: &'a References,
    there: &'a There<'a>,
    row: &'a deal::Model,
}

impl Asking<'_> {
    fn of(&self, field: DealField) -> Option<&String> {
        self.mapping.fields.get(&field)
    }

    fn name(&self, candidate: &Fields, reading: &DealReading) -> Option<Difference> {
        let property = self.of(DealField::Name)?;
        self.there
            .name_differs(("name", property), candidate, &reading.name, &self.row.name)
            .then(|| Difference::plain("name", property, Some(self.row.name.clone())))
    }

    fn stage(&self, candidate: &Fields, reading: &DealReading) -> Option<Difference> {
        let property = self.of(DealField::Stage)?;
        let place = ("stage", property.as_str());
        if !self
            .there
            .differs(place, candidate, &reading.stage, &self.row.stage)
        {
            return None;
        }
        let pipeline = self.of(DealField::Pipeline);
        let own = pipeline.and_then(|name| present(candidate, name));
        let Some((of, stage)) = self.stage_id(own) else {
            let place = if own.is_some() {
                "the deal's pipeline"
            } else {
                "any pipeline"
            };
            let message = format!(
                "No stage of {place} stands for {:?}; the stage is not sent.",
                self.row.stage
            );
            return Some(Difference::flag("stage", property, NO_STAGE, message));
        };
        let mut writes = vec![(property.clone(), Write::plain(Some(stage)))];
        if let (Some(name), Some(of), None) = (pipeline, of, own) {
            writes.push((name.clone(), Write::plain(Some(of))));
        }
        Some(Difference::of("stage", writes))
    }

    /// A stage that reads as ours, and its pipeline: in the deal's own one, else in the one for which the mapping has most to say.
    fn stage_id(&self, own: Option<&str>) -> Option<(Option<String>, String)> {
        let stages = &self.references.stages;
        let means = |id: &str, facts: &StageFacts| match facts.outcome {
            StageOutcome::Won => Some(DealStage::Won),
            StageOutcome::Lost => Some(DealStage::Lost),
            StageOutcome::Open | StageOutcome::Unclear => self.mapping.stages.get(id).copied(),
        };
        let is_known = |pipeline: &str| stages.keys().any(|(of, _)| of == pipeline);
        let known = match own {
            Some(own) => is_known(own),
            None => !stages.is_empty(),
        };
        if !known {
            // Nothing is known of the pipeline's stages: then the mapping's word counts, as it does in reading.
            let mut listed = self.mapping.stages.iter();
            let (id, _) = listed.find(|(_, stage)| **stage == self.row.stage)?;
            return Some((None, id.clone()));
        }
        let mapped = |pipeline: &str| {
            let of = stages.iter().filter(|((of, _), _)| of == pipeline);
            of.filter(|((_, id), facts)| means(id, facts).is_some())
                .count()
        };
        stages
            .iter()
            .filter(|((of, _), _)| own.is_none_or(|own| own == of))
            .filter(|((_, id), facts)| !facts.archived && means(id, facts) == Some(self.row.stage))
            .min_by_key(|((of, id), facts)| {
                (
                    std::cmp::Reverse(mapped(of)),
                    of.clone(),
                    facts.position,
                    id.clone(),
                )
            })
            .map(|((of, id), _)| (Some(of.clone()), id.clone()))
    }

    fn amount(&self, candidate: &Fields, reading: &DealReading) -> Option<Difference> {
        let property = self.of(DealField::Amount)?;
        let ours = self.row.amount();
        let place = ("amount", property.as_str());
        if !self.there.differs(place, candidate, &reading.amount, &ours) {
            return None;
        }
        let Some(Money { currency, .. }) = ours else {
            return Some(Difference::plain("amount", property, None));
        };
        let text = ours.map(|money| money.to_decimal().to_string());
        let mut writes = vec![(property.clone(), Write::plain(text))];
        let named = self.of(DealField::Currency);
        let code = named.and_then(|name| present(candidate, name));
        match (named, code) {
            (Some(name), code) if code != Some(currency.code()) => {
                let code = currency.code().to_owned();
                writes.push((name.clone(), Write::plain(Some(code))));
            }
            (None, _) if self.references.currency != Some(currency) => {
                return Some(self.foreign(property, currency));
            }
            _ => {}
        }
        Some(Difference::of("amount", writes))
    }

    fn foreign(&self, property: &str, currency: Currency) -> Difference {
        let message = format!(
            "The mapping names no property for the currency, and the account's is not {currency}."
        );
        Difference::flag("amount", property, "CURRENCY_NOT_THERE", message)
    }

    /// The hope of an open deal and the fact of a closed one are the same property; which of the two it is follows from the stage.
    fn close_date(&self, candidate: &Fields, reading: &DealReading) -> Option<Difference> {
        let property = self.of(DealField::CloseDate)?;
        let stage = reading.stage.value()?;
        if stage.is_closed() != self.row.stage.is_closed() {
            return None;
        }
        if !stage.is_closed() {
            let (place, ours) = (
                ("expectedCloseOn", property.as_str()),
                &self.row.expected_close_on,
            );
            let differs = self
                .there
                .differs(place, candidate, &reading.expected_close_on, ours);
            return differs
                .then(|| Difference::plain("expectedCloseOn", property, ours.map(midnight)));
        }
        // When a deal was closed is not taken back: without an instant of ours the vendor's stays.
        let ours = self
            .row
            .closed_at
            .filter(|_| self.there.is_free("closedAt", property))?;
        // Where only days are kept, the day is all that can be told.
        if reading.knows_only_the_day_of(Some(ours)) {
            return None;
        }
        let held = present(candidate, property);
        match held.map(instant) {
            Some(Some(held)) if held.millis() == ours.millis() => None,
            // A text of theirs that is no date is left alone.
            Some(None) if candidate.get(property) == self.there.fields.get(property) => None,
            _ => {
                // Vendors count in milliseconds.
                let value = Some(Timestamp::from_millis(ours.millis()).to_rfc3339());
                let means = Some(ours.to_rfc3339());
                Some(Difference::of(
                    "closedAt",
                    vec![(property.clone(), Write { value, means })],
                ))
            }
        }
    }

    /// An owner is told by the e-mail address, for two people may share a name.
    fn owner(&self, candidate: &Fields) -> Option<Difference> {
        const UNKNOWN: &str = "OWNER_NOT_THERE";
        let property = self.of(DealField::Owner)?;
        if !self.there.is_free("owner.email", property)
            || !self.there.is_free("owner.name", property)
        {
            return None;
        }
        let held =
            present(candidate, property).and_then(|id| self.references.owner(self.mapping, id));
        match (&self.row.owner_email, &self.row.owner_name) {
            (None, None) => held
                .filter(|facts| facts.email.is_some() || facts.name.is_some())
                .map(|_| Difference::plain("owner", property, None)),
            (Some(email), _) => {
                if held.is_some_and(|facts| facts.is_at(email)) {
                    return None;
                }
                Some(match self.references.owner_of(self.mapping, email) {
                    Some(id) => Difference::plain("owner", property, Some(id.to_owned())),
                    None => Difference::flag(
                        "owner",
                        property,
                        UNKNOWN,
                        "No owner there has the e-mail address of ours; the owner is not sent.",
                    ),
                })
            }
            (None, Some(name)) => {
                if held.is_some_and(|facts| facts.name.as_ref() == Some(name)) {
                    return None;
                }
                Some(Difference::flag(
                    "owner",
                    property,
                    UNKNOWN,
                    "Our owner has no e-mail address by which to find one there; the owner is not sent.",
                ))
            }
        }
    }

    fn products(&self, candidate: &Fields, reading: &DealReading) -> Option<Difference> {
        let property = self.of(DealField::Products)?;
        let ours = &self.row.products;
        let place = ("products", property.as_str());
        self.there
            .differs(place, candidate, &reading.products, ours)
            .then(|| {
                let text = (!ours.0.is_empty()).then(|| ours.0.join(";"));
                Difference::plain("products", property, text)
            })
    }
}

/// A plain date as vendors with instants write it.
fn midnight(day: NaiveDate) -> String {
    format!("{day}T00:00:00Z")
}
