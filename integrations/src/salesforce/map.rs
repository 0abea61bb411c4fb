//! From Salesforce's records to neutral ones.
//!
//! Owns: ids, times, addresses, what a record points at by its own fields, and the meaning of a stage's flags. Refuses: to touch a field's value beyond
//! its one spelling ([`super::row`]). Invariant: a record either comes through whole or is answered as malformed with its reason; nothing is filled in.

use super::{
    descriptor::Object,
    id, moment,
    row::{Flaw, Row, malformed, value},
    shape::Selection,
    soql::{Place, STAMP},
};
use crate::{
    connector::{Context, Merged},
    record::{
        Fields, Kind, MalformedRecord, Owner, Pipeline, Record, RecordLink, Resource, Stage,
        StageOutcome,
    },
};

/// The label of the tie to the account that a deal names as its partner in a field of its own.
pub(super) const PARTNER: &str = "Partner";

/// The id under which the stages of all deals come: Salesforce has one row of them.
pub(super) const PIPELINE: &str = "opportunity";

/// The records of an answer, read one by one.
#[derive(Debug, Default)]
pub(super) struct Reading {
    pub(super) records: Vec<Record>,
    pub(super) malformed: Vec<MalformedRecord>,
    /// Records that went into others. They are not among `records`.
    pub(super) merged: Vec<Merged>,
    /// The furthest place in the order of change.
    pub(super) last: Option<Place>,
    /// The id that came last.
    pub(super) last_id: Option<String>,
}

impl Reading {
    pub(super) fn of(
        ctx: &Context<'_>,
        object: Object,
        selection: &Selection,
        rows: impl Iterator<Item = Result<Row, MalformedRecord>>,
    ) -> Self {
        let mut reading = Self::default();
        for row in rows {
            match row {
                Err(bad) => reading.malformed.push(bad),
                Ok(row) => reading.take(ctx, object, selection, row),
            }
        }
        reading
    }

    fn take(&mut self, ctx: &Context<'_>, object: Object, selection: &Selection, row: Row) {
        if let Some(id) = value(&row, "Id").and_then(id::long) {
            if let Some(at_ms) = value(&row, STAMP).and_then(moment::millis) {
                self.last = Some(Place {
                    at_ms,
                    id: id.clone(),
                });
            }
            self.last_id = Some(id);
        }
        match record(ctx, object, selection, &row) {
            Ok(record) => match value(&row, "MasterRecordId").and_then(id::long) {
                Some(into) if object.merges && record.archived && into != record.external_id => {
                    self.merged.push(Merged {
                        from: record.external_id,
                        into,
                    });
                }
                _ => self.records.push(record),
            },
            Err(flaw) => self.malformed.push(malformed(&row, flaw)),
        }
    }
}

/// A record, with the links that are fields of its own.
fn record(
    ctx: &Context<'_>,
    object: Object,
    selection: &Selection,
    row: &Row,
) -> Result<Record, Flaw> {
    let Some(external_id) = value(row, "Id").and_then(id::long) else {
        return Err("it has no readable id".to_owned());
    };
    let Some(updated_at_ms) = value(row, STAMP).and_then(moment::millis) else {
        return Err(format!("it has no readable time of change ({STAMP})"));
    };
    let fields: Fields = selection
        .named
        .iter()
        .filter_map(|(column, name)| Some((name.clone(), row.get(column)?.clone())))
        .collect();
    let own = |column: &str| value(row, column).filter(|text| !text.is_empty());
    let mut links = Vec::new();
    if let Some(account) = own("AccountId").and_then(id::long) {
        add(&mut links, account, None, true);
    }
    if let Some(partner) = own("PartnerAccountId").and_then(id::long) {
        add(&mut links, partner, Some(PARTNER), false);
    }
    let kind = match object.resource {
        Resource::Owner => Kind::Owner(Owner {
            name: own("Name").map(str::to_owned),
            email: own("Email").map(str::to_owned),
        }),
        Resource::Contact => Kind::Contact,
        Resource::Deal => Kind::Deal,
        _ => Kind::Company,
    };
    // A link of a field that may not be read was not read.
    let all_read = object.resource != Resource::Contact
        || selection.columns.iter().any(|column| column == "AccountId");
    Ok(Record {
        url: address(ctx, &external_id),
        external_id,
        updated_at_ms,
        created_at_ms: value(row, "CreatedDate").and_then(moment::millis),
        archived: value(row, "IsDeleted") == Some("true"),
        fields,
        links,
        // The partners of a deal are records of their own, and are read afterwards.
        links_complete: all_read && object.resource != Resource::Deal,
        kind,
    })
}

/// Adds one tie to a company; the same company may be tied in several ways.
pub(super) fn add(
    links: &mut Vec<RecordLink>,
    company: String,
    label: Option<&str>,
    primary: bool,
) {
    let place = links
        .iter()
        .position(|link| link.resource == Resource::Company && link.external_id == company);
    let fresh = RecordLink {
        resource: Resource::Company,
        external_id: company,
        labels: Vec::new(),
        primary: false,
    };
    let mut link = place.map_or(fresh, |place| links.swap_remove(place));
    link.primary |= primary;
    link.labels
        .extend(label.filter(|text| !text.is_empty()).map(str::to_owned));
    link.labels.sort_unstable();
    link.labels.dedup();
    links.push(link);
    links.sort_unstable();
}

/// A record that is gone and of which nothing else can be read any more.
pub(super) fn gone(object: Object, external_id: String, at_ms: i64) -> Record {
    Record {
        external_id,
        updated_at_ms: at_ms,
        created_at_ms: None,
        archived: true,
        fields: Fields::new(),
        links: Vec::new(),
        links_complete: false,
        url: None,
        kind: match object.resource {
            Resource::Contact => Kind::Contact,
            Resource::Deal => Kind::Deal,
            _ => Kind::Company,
        },
    }
}

/// Where a person finds a record.
fn address(ctx: &Context<'_>, id: &str) -> Option<String> {
    let domain = ctx.account?.ui_domain.as_deref()?;
    Some(["https://", domain, "/", id].concat())
}

/// The one row of stages, in its order.
pub(super) fn pipeline(rows: &[Row]) -> Record {
    let mut stages: Vec<Stage> = rows.iter().filter_map(stage).collect();
    stages.sort_by(|one, other| {
        (one.position, &one.external_id).cmp(&(other.position, &other.external_id))
    });
    let label = "Opportunity stages".to_owned();
    Record {
        external_id: PIPELINE.to_owned(),
        updated_at_ms: 0,
        created_at_ms: None,
        archived: false,
        fields: Fields::from([("label".to_owned(), Some(label.clone()))]),
        links: Vec::new(),
        links_complete: true,
        url: None,
        kind: Kind::Pipeline(Pipeline { label, stages }),
    }
}

/// A stage goes by the name a deal holds, which stays when people rename what they see.
fn stage(row: &Row) -> Option<Stage> {
    let label = value(row, "MasterLabel");
    let external_id = value(row, "ApiName").or(label)?.to_owned();
    let flag = |column: &str| value(row, column).map(|text| text == "true");
    let outcome = match (flag("IsClosed"), flag("IsWon")) {
        (Some(true), Some(true)) => StageOutcome::Won,
        (Some(true), Some(false)) => StageOutcome::Lost,
        (Some(false), Some(false)) => StageOutcome::Open,
        _ => StageOutcome::Unclear,
    };
    Some(Stage {
        label: label.unwrap_or(&external_id).to_owned(),
        position: value(row, "SortOrder")
            .and_then(|text| text.parse().ok())
            .unwrap_or(0),
        outcome,
        archived: flag("IsActive") == Some(false),
        fields: row.clone(),
        external_id,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn row(pairs: &[(&str, &str)]) -> Row {
        pairs
            .iter()
            .map(|(name, text)| ((*name).to_owned(), Some((*text).to_owned())))
            .collect()
    }

    #[test]
    fn a_stage_means_what_its_flags_say_and_no_more() {
        for (closed, won, expected) in [
            (Some("true"), Some("true"), StageOutcome::Won),
            (Some("true"), Some("false"), StageOutcome::Lost),
            (Some("false"), Some("false"), StageOutcome::Open),
            (Some("false"), Some("true"), StageOutcome::Unclear),
            (None, Some("true"), StageOutcome::Unclear),
            (Some("true"), None, StageOutcome::Unclear),
        ] {
            let mut fields = row(&[
                ("ApiName", "Closed Won"),
                ("MasterLabel", "Gewonnen"),
                ("SortOrder", "9"),
            ]);
            fields.insert("IsClosed".to_owned(), closed.map(str::to_owned));
            fields.insert("IsWon".to_owned(), won.map(str::to_owned));
            let stage = stage(&fields).unwrap();
            assert_eq!(stage.outcome, expected, "{closed:?} {won:?}");
            assert_eq!(
                (
                    stage.external_id.as_str(),
                    stage.label.as_str(),
                    stage.position
                ),
                ("Closed Won", "Gewonnen", 9)
            );
        }
        assert!(stage(&row(&[("SortOrder", "1")])).is_none());
    }

    #[test]
    fn one_company_is_one_link_however_often_it_is_tied() {
        let mut links = Vec::new();
        add(&mut links, "b".to_owned(), Some("Agency"), false);
        add(&mut links, "a".to_owned(), None, true);
        add(&mut links, "b".to_owned(), Some(PARTNER), false);
        add(&mut links, "b".to_owned(), Some("Agency"), false);
        add(&mut links, "b".to_owned(), Some(""), false);
        let told: Vec<_> = links
            .iter()
            .map(|link| {
                (
                    link.external_id.as_str(),
                    link.labels.join("+"),
                    link.primary,
                )
            })
            .collect();
        assert_eq!(
            told,
            [
                ("a", String::new(), true),
                ("b", "Agency+Partner".to_owned(), false)
            ]
        );
    }
}
