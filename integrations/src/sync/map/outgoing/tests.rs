#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "tests"
)]
//! The law of the way out: what is written reads back as what we have, and what reads the same is not written.

use super::*;
use crate::record::StageOutcome;
use crate::sync::default_mapping;
use crate::sync::map::reference::{OwnerFacts, References, StageFacts};
use chrono::NaiveDate;
use entities::clock::Timestamp;
use entities::connection::mapping::{Mapping, OwnerMapping};
use entities::deal::DealStage;
use entities::diff::Texts;
use entities::id::{ContactId, CustomerId, DealId, PartnerId};
use entities::money::{Currency, Money};
use entities::partner::PartnerStatus;
use entities::{contact, customer, deal, partner};
use proptest::prelude::*;
use uuid::Uuid;

const AT: Timestamp = Timestamp(1_800_000_000_000_000);

fn mapping() -> Mapping {
    default_mapping::mapping("hubspot")
}

fn references() -> References {
    let mut references = References {
        currency: Some(Currency::USD),
        ..References::default()
    };
    let stages = [
        ("default", "prospecting", StageOutcome::Open, 0),
        ("default", "engaging", StageOutcome::Open, 1),
        ("default", "presentationscheduled", StageOutcome::Open, 2),
        ("default", "decisionmakerboughtin", StageOutcome::Open, 3),
        ("default", "contractsent", StageOutcome::Open, 4),
        ("default", "closedwon", StageOutcome::Won, 5),
        ("default", "closedlost", StageOutcome::Lost, 6),
        ("other", "o_won", StageOutcome::Won, 0),
        ("other", "o_lost", StageOutcome::Lost, 1),
    ];
    for (pipeline, id, outcome, position) in stages {
        let facts = StageFacts {
            label: id.to_uppercase(),
            outcome,
            position,
            archived: false,
        };
        references
            .stages
            .insert((pipeline.to_owned(), id.to_owned()), facts);
    }
    for (id, name) in [("7", "moses"), ("8", "cara")] {
        let facts = OwnerFacts {
            name: Some(name.to_owned()),
            email: Some(format!("{name}@sales.example")),
        };
        references.owners.insert(id.to_owned(), facts);
    }
    references
}

fn fields(pairs: &[(&str, &str)]) -> Fields {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), Some((*value).to_owned())))
        .collect()
}

fn a_deal() -> deal::Model {
    deal::Model {
        id: DealId(Uuid::nil()),
        version: 1,
        created_at: AT,
        updated_at: AT,
        name: "A deal".to_owned(),
        customer_id: None,
        stage: DealStage::Prospect,
        source_stage: None,
        amount_minor: None,
        amount_currency: None,
        expected_close_on: None,
        closed_at: None,
        lost_reason: None,
        owner_name: None,
        owner_email: None,
        products: Texts(vec![]),
        archived_at: None,
    }
}

/// What is written of a row, given what is there; and what is there afterwards.
fn sent(
    fields: &Fields,
    creating: bool,
    write: impl Fn(&There<'_>) -> Outgoing,
) -> (Outgoing, Fields) {
    let (flagged, open) = (BTreeMap::new(), BTreeSet::new());
    let there = There {
        fields,
        flagged: &flagged,
        open: &open,
        creating,
    };
    let outgoing = write(&there);
    let after = overlaid(fields, &outgoing.writes);
    (outgoing, after)
}

fn deal_sent(there: &Fields, creating: bool, row: &deal::Model) -> (Outgoing, Fields) {
    sent(there, creating, |there| {
        deal(&mapping().deal, &references(), there, row)
    })
}

/// Whether a deal there reads as ours, as far as the vendor can say it.
fn reads_as(there: &Fields, row: &deal::Model) -> Result<(), TestCaseError> {
    let reading = crate::sync::map::deal(&mapping().deal, &references(), there);
    prop_assert_eq!(reading.name, Reading::Value(row.name.trim().to_owned()));
    prop_assert_eq!(reading.stage, Reading::Value(row.stage));
    prop_assert_eq!(reading.amount, Reading::Value(row.amount()));
    prop_assert_eq!(reading.lost_reason, Reading::Value(row.lost_reason.clone()));
    prop_assert_eq!(reading.owner_email, Reading::Value(row.owner_email.clone()));
    prop_assert_eq!(reading.products, Reading::Value(row.products.clone()));
    if row.stage.is_closed() {
        if row.closed_at.is_some() {
            prop_assert_eq!(reading.closed_at, Reading::Value(row.closed_at));
        }
    } else {
        prop_assert_eq!(
            reading.expected_close_on,
            Reading::Value(row.expected_close_on)
        );
    }
    Ok(())
}

fn stage() -> impl Strategy<Value = DealStage> {
    prop_oneof![
        Just(DealStage::Prospect),
        Just(DealStage::Qualified),
        Just(DealStage::TechnicalValidation),
        Just(DealStage::BusinessValidation),
        Just(DealStage::Committed),
        Just(DealStage::Won),
        Just(DealStage::Lost),
    ]
}

fn money() -> impl Strategy<Value = Option<Money>> {
    let currency = prop_oneof![Just("USD"), Just("JPY"), Just("KWD")];
    proptest::option::of(
        (-Money::MOST..=Money::MOST, currency).prop_map(|(minor, code)| Money {
            minor,
            currency: code.parse().unwrap(),
        }),
    )
}

fn words() -> impl Strategy<Value = Option<String>> {
    proptest::option::of("[A-Za-z0-9ßé.,-]{1,12}( [A-Za-z]{1,8}){0,3}")
}

prop_compose! {
    fn deals()(
        name in "[A-Za-z][A-Za-z0-9 _é-]{0,20}",
        stage in stage(),
        amount in money(),
        day in proptest::option::of(-20_000_i64..40_000),
        closed in proptest::option::of(-2_000_000_000_000_000_i64..4_000_000_000_000_000),
        lost_reason in words(),
        owner in proptest::option::of(prop_oneof![Just("moses"), Just("cara")]),
        products in proptest::collection::vec("[A-Za-z0-9]{1,9}( [A-Za-z0-9]{1,9})?", 0..4),
    ) -> deal::Model {
        deal::Model {
            name,
            stage,
            amount_minor: amount.map(|money| money.minor),
            amount_currency: amount.map(|money| money.currency),
            expected_close_on: day.and_then(|day| NaiveDate::from_ymd_opt(1970, 1, 1)?.checked_add_signed(chrono::TimeDelta::days(day))),
            closed_at: closed.map(Timestamp::from_micros),
            lost_reason,
            owner_name: owner.map(str::to_owned),
            owner_email: owner.map(|name| format!("{name}@sales.example")),
            products: Texts(products),
            ..a_deal()
        }
    }
}

proptest! {
    #[test]
    fn a_created_deal_reads_back_as_ours_and_is_not_sent_again(row in deals()) {
        let (outgoing, there) = deal_sent(&Fields::new(), true, &row);
        prop_assert_eq!(&outgoing.uncreatable, &None);
        prop_assert_eq!(&outgoing.flags, &vec![]);
        reads_as(&there, &row)?;
        let (again, _) = deal_sent(&there, false, &row);
        prop_assert!(again.writes.is_empty() && again.flags.is_empty(), "{:?}", again);
    }

    #[test]
    fn a_changed_deal_reads_back_as_ours(before in deals(), after in deals()) {
        let (_, there) = deal_sent(&Fields::new(), true, &before);
        let (outgoing, there) = deal_sent(&there, false, &after);
        prop_assert_eq!(&outgoing.flags, &vec![]);
        // Clearing the instant at which a deal was closed is not ours to say.
        reads_as(&there, &after)?;
        let (again, _) = deal_sent(&there, false, &after);
        prop_assert!(again.writes.is_empty(), "{:?}", again.writes);
    }

    #[test]
    fn a_person_reads_back_as_ours(
        name in "[A-Za-z]{1,8}( {1,2}[A-Za-z.'-]{1,8}){0,3}",
        email in proptest::option::of("[a-z]{1,8}@[a-z]{1,8}\\.example"),
        phone in words(),
        title in words(),
        old in "[A-Za-z]{1,8}( [A-Za-z]{1,8}){0,2}",
    ) {
        let row = contact::Model {
            id: ContactId(Uuid::nil()), version: 1, created_at: AT, updated_at: AT, partner_id: None, customer_id: None,
            name, email, phone, title, roles: Texts(vec![]), archived_at: None,
        };
        let before = contact::Model { name: old, phone: None, ..row.clone() };
        let write = |fields: &Fields, creating, row: &contact::Model| sent(fields, creating, |there| contact(&mapping().contact, there, row));
        let (_, there) = write(&Fields::new(), true, &before);
        let (outgoing, there) = write(&there, false, &row);
        prop_assert_eq!(&outgoing.flags, &vec![]);
        let reading = crate::sync::map::contact(&mapping().contact, &there);
        prop_assert_eq!(reading.name, Reading::Value(row.name.clone()));
        prop_assert_eq!(reading.email, Reading::Value(row.email.clone()));
        prop_assert_eq!(reading.phone, Reading::Value(row.phone.clone()));
        prop_assert_eq!(reading.title, Reading::Value(row.title.clone()));
        prop_assert!(write(&there, false, &row).0.writes.is_empty());
    }

    #[test]
    fn a_company_reads_back_as_ours(
        name in "[A-Za-z][A-Za-z0-9 &.é]{0,20}",
        domain in proptest::option::of("[a-z]{2,8}\\.example"),
        country in words(),
        employees in proptest::option::of(0_i32..2_000_000),
    ) {
        let mapping = mapping().company;
        let domain: Option<entities::domain_name::DomainName> = domain.map(|text| text.parse().unwrap());
        let row = partner::Model {
            id: PartnerId(Uuid::nil()), version: 1, created_at: AT, updated_at: AT, name: name.clone(), domain: domain.clone(),
            website: country.clone(), country: country.clone(), regions: Texts(vec![]), verticals: Texts(vec![]), employees,
            description: None, status: PartnerStatus::Active, parent_id: None, tags: Texts(vec![]), archived_at: None,
        };
        let (outgoing, there) = sent(&Fields::new(), true, |there| partner(&mapping, there, &row));
        prop_assert_eq!((&outgoing.flags, &outgoing.uncreatable), (&vec![], &None));
        prop_assert!(crate::sync::map::is_partner(&mapping, &there));
        let reading = crate::sync::map::partner(&mapping, &there);
        prop_assert_eq!(reading.name, Reading::Value(name.trim().to_owned()));
        prop_assert_eq!(reading.domain, Reading::Value(domain.clone()));
        prop_assert_eq!(reading.employees, Reading::Value(employees));
        prop_assert!(sent(&there, false, |there| partner(&mapping, there, &row)).0.writes.is_empty());
        let row = customer::Model {
            id: CustomerId(Uuid::nil()), version: 1, created_at: AT, updated_at: AT, name, name_key: String::new(), domain, country: country.clone(),
            segment: country, archived_at: None,
        };
        let (_, there) = sent(&Fields::new(), true, |there| customer(&mapping, there, &row));
        prop_assert!(!crate::sync::map::is_partner(&mapping, &there));
        prop_assert!(sent(&there, false, |there| customer(&mapping, there, &row)).0.writes.is_empty());
    }
}

#[test]
fn no_spelling_of_the_same_value_is_a_change() {
    let there = fields(&[
        ("dealname", " A deal "),
        ("dealstage", "prospecting"),
        ("pipeline", "default"),
        ("amount", "1500"),
        ("closedate", "2026-03-01T15:00:00Z"),
        ("hubspot_owner_id", "7"),
        ("product", "b ; a;"),
    ]);
    let row = deal::Model {
        amount_minor: Some(150_000),
        amount_currency: Some(Currency::USD),
        expected_close_on: NaiveDate::from_ymd_opt(2026, 3, 1),
        owner_email: Some("Moses@sales.example".to_owned()),
        owner_name: Some("moses".to_owned()),
        products: Texts(vec!["b".to_owned(), "a".to_owned()]),
        ..a_deal()
    };
    assert_eq!(deal_sent(&there, false, &row).0.writes, BTreeMap::new());
}

#[test]
fn a_stage_is_one_of_the_deals_own_pipeline_and_a_closing_brings_its_date() {
    let there = fields(&[
        ("dealname", "A deal"),
        ("dealstage", "o_lost"),
        ("pipeline", "other"),
    ]);
    let closed_at = Some(Timestamp(1_800_000_000_123_456));
    let row = deal::Model {
        stage: DealStage::Won,
        closed_at,
        ..a_deal()
    };
    let (outgoing, _) = deal_sent(&there, false, &row);
    let value = |name: &str| outgoing.writes[name].value.clone().unwrap();
    assert_eq!(
        (value("dealstage"), value("closedate")),
        ("o_won".to_owned(), "2027-01-15T08:00:00.123Z".to_owned())
    );
    assert_eq!(outgoing.writes.len(), 2, "the pipeline stays");
    // The other pipeline has no stage for an open deal, and a deal is not moved to another one.
    let row = deal::Model {
        stage: DealStage::Qualified,
        ..a_deal()
    };
    let (outgoing, _) = deal_sent(&there, false, &row);
    assert_eq!(
        (outgoing.writes.len(), outgoing.flags[0].code),
        (0, "STAGE_NOT_THERE")
    );
}

#[test]
fn what_cannot_be_said_there_is_a_flag_and_the_rest_is_sent() {
    let there = fields(&[
        ("dealname", "A deal"),
        ("dealstage", "prospecting"),
        ("pipeline", "default"),
    ]);
    let row = deal::Model {
        name: "Another".to_owned(),
        owner_email: Some("nobody@sales.example".to_owned()),
        products: Texts(vec!["a;b".to_owned()]),
        ..a_deal()
    };
    let (outgoing, _) = deal_sent(&there, false, &row);
    let codes: BTreeSet<&str> = outgoing.flags.iter().map(|flag| flag.code).collect();
    assert_eq!(codes, BTreeSet::from(["OWNER_NOT_THERE", NOT_EXPRESSIBLE]));
    assert_eq!(outgoing.writes.keys().collect::<Vec<_>>(), ["dealname"]);
}

#[test]
fn an_owner_is_found_by_the_person_the_mapping_names() {
    let mut mapping = default_mapping::mapping("hubspot").deal;
    for (id, email) in [("8", "ada@acme.example"), ("5", "moses@sales.example")] {
        let person = OwnerMapping {
            name: None,
            email: Some(email.to_owned()),
        };
        mapping.owners.insert(id.to_owned(), person);
    }
    let there = fields(&[
        ("dealname", "A deal"),
        ("dealstage", "prospecting"),
        ("pipeline", "default"),
    ]);
    // Cara's seat is Ada's now, and of two who are Moses the one is chosen whom the vendor itself knows as him.
    for (email, id) in [
        ("ada@acme.example", Some("8")),
        ("cara@sales.example", None),
        ("moses@sales.example", Some("7")),
    ] {
        let row = deal::Model {
            owner_email: Some(email.to_owned()),
            ..a_deal()
        };
        let (sent, _) = sent(&there, false, |there| {
            deal(&mapping, &references(), there, &row)
        });
        let property = sent.writes.get("hubspot_owner_id");
        let value = property.and_then(|write| write.value.as_deref());
        assert_eq!(value, id, "{email}: {sent:?}");
    }
}

#[test]
fn open_conflicts_and_values_that_could_not_be_taken_over_are_left_alone() {
    let there = fields(&[
        ("dealname", "theirs"),
        ("dealstage", "mystery"),
        ("pipeline", "default"),
        ("amount", "abc"),
    ]);
    let flagged = BTreeMap::from([("amount".to_owned(), "INVALID_AMOUNT".to_owned())]);
    let open = BTreeSet::from(["name".to_owned()]);
    let row = deal::Model {
        name: "ours".to_owned(),
        amount_minor: Some(5),
        amount_currency: Some(Currency::USD),
        lost_reason: Some("price".to_owned()),
        ..a_deal()
    };
    let there = There {
        fields: &there,
        flagged: &flagged,
        open: &open,
        creating: false,
    };
    let outgoing = deal(&mapping().deal, &references(), &there, &row);
    assert_eq!(
        outgoing.writes.keys().collect::<Vec<_>>(),
        ["closed_lost_reason"]
    );
}
