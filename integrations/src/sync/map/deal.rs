//! Deals: stages by the pipeline's metadata and the mapping, amounts, dates, owners.

use super::reference::References;
use super::value::{amount, checked, day, instant, present, text};
use crate::record::{Fields, StageOutcome, is_sound_id};
use crate::sync::merge::{Flag, Reading};
use chrono::NaiveDate;
use chrono_tz::Tz;
use entities::clock::Timestamp;
use entities::connection::mapping::{DealField, DealMapping};
use entities::deal::DealStage;
use entities::diff::Texts;
use entities::money::Money;

/// What a record says of a deal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::sync) struct DealReading {
    pub(in crate::sync) name: Reading<String>,
    pub(in crate::sync) stage: Reading<DealStage>,
    pub(in crate::sync) source_stage: Reading<Option<String>>,
    pub(in crate::sync) amount: Reading<Option<Money>>,
    pub(in crate::sync) expected_close_on: Reading<Option<NaiveDate>>,
    pub(in crate::sync) closed_at: Reading<Option<Timestamp>>,
    /// The day of the close, and the zone it is counted in, where the vendor keeps no more of it than that.
    pub(in crate::sync) closed_on: Option<(NaiveDate, Tz)>,
    pub(in crate::sync) lost_reason: Reading<Option<String>>,
    pub(in crate::sync) owner_name: Reading<Option<String>>,
    pub(in crate::sync) owner_email: Reading<Option<String>>,
    pub(in crate::sync) products: Reading<Texts>,
    /// The owner's id, when the owner is not known yet.
    pub(in crate::sync) awaited_owner: Option<String>,
}

impl DealReading {
    /// Whether the vendor, which keeps days only, says of a close what we know better.
    pub(in crate::sync) fn knows_only_the_day_of(&self, ours: Option<Timestamp>) -> bool {
        match (self.closed_on, ours) {
            (Some((date, zone)), Some(ours)) => day(ours, zone) == Some(date),
            _ => false,
        }
    }

    /// What could not be taken over.
    pub(in crate::sync) fn flags(&self) -> impl Iterator<Item = &Flag> {
        [
            self.name.flag(),
            self.stage.flag(),
            self.source_stage.flag(),
            self.amount.flag(),
            // Both dates come from one property, and only one of them is read at a time.
            self.expected_close_on.flag().or(self.closed_at.flag()),
            self.lost_reason.flag(),
            self.owner_name.flag(),
            self.owner_email.flag(),
            self.products.flag(),
        ]
        .into_iter()
        .flatten()
    }
}

/// Reads a deal.
pub(in crate::sync) fn deal(
    mapping: &DealMapping,
    references: &References,
    fields: &Fields,
) -> DealReading {
    let of = |field| mapping.fields.get(&field);
    let (stage, source_stage) = stage(mapping, references, fields);
    let (expected_close_on, closed_at) = dates(
        of(DealField::CloseDate),
        references,
        fields,
        stage.value().copied(),
    );
    let owner = of(DealField::Owner).map(|property| (property, present(fields, property)));
    let facts = owner.and_then(|(_, id)| references.owner(mapping, id?));
    let awaited_owner = owner
        .and_then(|(_, id)| id)
        .filter(|id| facts.is_none() && is_sound_id(id))
        .map(str::to_owned);
    let of_owner = |value: fn(&super::OwnerFacts) -> &Option<String>| match (owner, &facts) {
        (None, _) => Reading::Unread,
        (Some((property, _)), Some(facts)) => match value(facts) {
            Some(text) => checked(property, text, 1_000).map(Some),
            None => Reading::Value(None),
        },
        // Nobody owns it; or somebody who is not known yet, and then the owner before would be wrong too.
        (Some(_), None) => Reading::Value(None),
    };
    DealReading {
        name: name(of(DealField::Name), fields),
        stage,
        source_stage,
        amount: amount(
            fields,
            of(DealField::Amount),
            of(DealField::Currency),
            references.currency,
        ),
        expected_close_on,
        closed_on: closed_on(of(DealField::CloseDate), references, fields),
        closed_at,
        lost_reason: text(fields, of(DealField::LostReason), 1_000),
        owner_name: of_owner(|facts| &facts.name),
        owner_email: of_owner(|facts| &facts.email),
        products: products(of(DealField::Products), fields),
        awaited_owner,
    }
}

fn name(property: Option<&String>, fields: &Fields) -> Reading<String> {
    let label = property.map_or("name", String::as_str);
    match property.and_then(|name| present(fields, name)) {
        Some(text) => checked(label, text.trim(), 500),
        None => Reading::flagged(label, "NAME_MISSING", "The deal has no name."),
    }
}

/// WON and LOST follow from the stage's own metadata; what an open stage means is the mapping's to say.
fn stage(
    mapping: &DealMapping,
    references: &References,
    fields: &Fields,
) -> (Reading<DealStage>, Reading<Option<String>>) {
    let Some(property) = mapping.fields.get(&DealField::Stage) else {
        return (
            Reading::flagged(
                "stage",
                "UNKNOWN_STAGE",
                "The mapping names no property for the stage.",
            ),
            Reading::Unread,
        );
    };
    let Some(id) = present(fields, property) else {
        return (
            Reading::flagged(property, "UNKNOWN_STAGE", "The deal is in no stage."),
            Reading::Unread,
        );
    };
    let pipeline = mapping
        .fields
        .get(&DealField::Pipeline)
        .and_then(|name| present(fields, name));
    let facts = references.stage(pipeline, id);
    let label = match facts {
        Some(facts) => checked(property, &facts.label, 1_000).map(Some),
        None => checked(property, id, 1_000).map(Some),
    };
    let mapped = mapping.stages.get(id).copied();
    let meant = match facts.map(|facts| facts.outcome) {
        Some(StageOutcome::Won) => Some(DealStage::Won),
        Some(StageOutcome::Lost) => Some(DealStage::Lost),
        Some(StageOutcome::Open | StageOutcome::Unclear) | None => mapped,
    };
    match meant {
        Some(stage) => (Reading::Value(stage), label),
        None => {
            let message = format!(
                "The stage {:?} is neither closed by its metadata nor in the mapping.",
                id.chars().take(100).collect::<String>()
            );
            (
                Reading::flagged(property, "UNKNOWN_STAGE", message),
                Reading::Unread,
            )
        }
    }
}

/// The close date is a hope while a deal is open and a fact once it is closed.
fn dates(
    property: Option<&String>,
    references: &References,
    fields: &Fields,
    stage: Option<DealStage>,
) -> (Reading<Option<NaiveDate>>, Reading<Option<Timestamp>>) {
    let (Some(property), Some(stage)) = (property, stage) else {
        return (Reading::Unread, Reading::Unread);
    };
    let Some(text) = present(fields, property) else {
        // An open deal without a date expects none; when a closed one was closed is then not the vendor's to say.
        return if stage.is_closed() {
            (Reading::Unread, Reading::Unread)
        } else {
            (Reading::Value(None), Reading::Value(None))
        };
    };
    let read = instant(text).and_then(|at| Some((at, day(at, references.zone)?)));
    let Some((at, day)) = read else {
        return if stage.is_closed() {
            (Reading::Unread, no_date(property))
        } else {
            (no_date(property), Reading::Value(None))
        };
    };
    if stage.is_closed() {
        (Reading::Unread, Reading::Value(Some(at)))
    } else {
        (Reading::Value(Some(day)), Reading::Value(None))
    }
}

/// The plain date a property holds.
fn closed_on(
    property: Option<&String>,
    references: &References,
    fields: &Fields,
) -> Option<(NaiveDate, Tz)> {
    let date: NaiveDate = present(fields, property?)?.trim().parse().ok()?;
    Some((date, references.zone))
}

fn no_date<T>(property: &str) -> Reading<T> {
    Reading::flagged(property, "INVALID_DATE", "The value is not a date.")
}

fn products(property: Option<&String>, fields: &Fields) -> Reading<Texts> {
    let Some(property) = property else {
        return Reading::Unread;
    };
    let names = present(fields, property)
        .into_iter()
        .flat_map(|text| text.split(';'))
        .map(str::trim)
        .filter(|name| !name.is_empty());
    let names: Vec<String> = names.map(str::to_owned).collect();
    if names.len() > 100 {
        return Reading::flagged(property, "TOO_LONG", "There are more than 100 products.");
    }
    for name in &names {
        if let Reading::Flagged(flag) = checked(property, name, 100) {
            return Reading::Flagged(flag);
        }
    }
    Reading::Value(Texts(names))
}
