#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "tests"
)]
use super::reference::StageFacts;
use super::*;
use crate::record::{Fields, StageOutcome};
use crate::sync::default_mapping;
use crate::sync::merge::Reading;
use chrono::NaiveDate;
use entities::clock::Timestamp;
use entities::connection::mapping::OwnerMapping;
use entities::deal::DealStage;
use entities::money::{Currency, Money};

fn fields(pairs: &[(&str, &str)]) -> Fields {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), Some((*value).to_owned())))
        .collect()
}

fn references(zone: &str) -> References {
    let mut references = References {
        currency: Some(Currency::USD),
        zone: zone.parse().unwrap(),
        ..References::default()
    };
    for (id, label, outcome) in [
        ("prospecting", "Prospecting", StageOutcome::Open),
        ("closedwon", "Closed Won", StageOutcome::Won),
        ("closedlost", "Closed Lost", StageOutcome::Lost),
        ("odd", "Odd", StageOutcome::Open),
    ] {
        references.stages.insert(
            ("default".to_owned(), id.to_owned()),
            StageFacts {
                label: label.to_owned(),
                outcome,
                position: 0,
                archived: false,
            },
        );
    }
    references.owners.insert(
        "7".to_owned(),
        OwnerFacts {
            name: Some("Moses Frase".to_owned()),
            email: None,
        },
    );
    references
}

fn read(zone: &str, pairs: &[(&str, &str)]) -> DealReading {
    let mut all = vec![("dealname", "A deal"), ("pipeline", "default")];
    all.extend_from_slice(pairs);
    deal(
        &default_mapping::mapping("hubspot").deal,
        &references(zone),
        &fields(&all),
    )
}

fn code<T>(reading: &Reading<T>) -> Option<&'static str> {
    reading.flag().map(|flag| flag.code)
}

#[test]
fn a_won_deal_has_its_date_and_amount() {
    let won = read(
        "UTC",
        &[
            ("dealstage", "closedwon"),
            ("amount", "1054"),
            ("closedate", "2017-03-01T00:00:00Z"),
            ("hubspot_owner_id", "7"),
            ("product", "GTX Plus Basic; MG "),
        ],
    );
    assert_eq!(won.stage, Reading::Value(DealStage::Won));
    assert_eq!(
        won.source_stage,
        Reading::Value(Some("Closed Won".to_owned()))
    );
    assert_eq!(
        won.amount,
        Reading::Value(Some(Money {
            minor: 105_400,
            currency: Currency::USD
        }))
    );
    assert_eq!(
        won.closed_at,
        Reading::Value(Timestamp::parse_rfc3339("2017-03-01T00:00:00Z"))
    );
    assert_eq!(won.expected_close_on, Reading::Unread);
    assert_eq!(
        won.owner_name,
        Reading::Value(Some("Moses Frase".to_owned()))
    );
    assert_eq!(won.products.value().unwrap().0, ["GTX Plus Basic", "MG"]);
    assert_eq!(won.flags().count(), 0);
}

#[test]
fn an_owner_is_whom_the_mapping_says_before_whom_the_vendor_says() {
    let mut mapping = default_mapping::mapping("hubspot").deal;
    for id in ["7", "queue"] {
        let person = OwnerMapping {
            name: Some("Ada".to_owned()),
            email: Some("ada@acme.example".to_owned()),
        };
        mapping.owners.insert(id.to_owned(), person);
    }
    // The vendor knows the one and does not list the other, which therefore is not waited for.
    for id in ["7", "queue"] {
        let all = [("dealname", "A deal"), ("hubspot_owner_id", id)];
        let read = deal(&mapping, &references("UTC"), &fields(&all));
        assert_eq!(read.owner_name, Reading::Value(Some("Ada".to_owned())));
        let email = Reading::Value(Some("ada@acme.example".to_owned()));
        assert_eq!(
            (read.owner_email, read.awaited_owner),
            (email, None),
            "{id}"
        );
    }
}

#[test]
fn a_lost_deal_of_zero_keeps_its_zero_and_an_open_one_without_amount_has_none() {
    assert_eq!(
        read("UTC", &[("dealstage", "closedlost"), ("amount", "0")]).amount,
        Reading::Value(Some(Money {
            minor: 0,
            currency: Currency::USD
        }))
    );
    assert_eq!(
        read("UTC", &[("dealstage", "prospecting")]).amount,
        Reading::Value(None)
    );
}

#[test]
fn a_plain_date_is_that_date_in_every_zone_and_an_instant_is_not() {
    let day = |zone: &str, text: &str| {
        read(zone, &[("dealstage", "prospecting"), ("closedate", text)])
            .expected_close_on
            .value()
            .copied()
            .flatten()
    };
    let date = NaiveDate::from_ymd_opt(2017, 3, 1);
    assert_eq!(day("America/New_York", "2017-03-01T00:00:00Z"), date);
    assert_eq!(day("Asia/Tokyo", "1488326400000"), date);
    assert_eq!(day("Asia/Tokyo", "2017-02-28T16:00:00Z"), date);
    assert_eq!(day("America/New_York", "2017-03-02T04:30:00Z"), date);
    assert_eq!(day("America/New_York", "2017-03-01"), date);
}

#[test]
fn bad_values_are_flags_and_the_rest_goes_on() {
    let bad = read(
        "UTC",
        &[
            ("dealstage", "odd"),
            ("amount", "abc"),
            ("closedate", "soon"),
            ("closed_lost_reason", "a\u{7}b"),
        ],
    );
    assert_eq!(code(&bad.stage), Some("UNKNOWN_STAGE"));
    assert_eq!(code(&bad.amount), Some("INVALID_AMOUNT"));
    assert_eq!(code(&bad.lost_reason), Some("INVALID_TEXT"));
    assert_eq!(bad.name, Reading::Value("A deal".to_owned()));
    let bad = read(
        "UTC",
        &[
            ("dealstage", "prospecting"),
            ("amount", "5"),
            ("deal_currency_code", "ZZZ"),
            ("closedate", "soon"),
            ("hubspot_owner_id", "8"),
        ],
    );
    assert_eq!(code(&bad.amount), Some("INVALID_CURRENCY"));
    assert_eq!(code(&bad.expected_close_on), Some("INVALID_DATE"));
    assert_eq!(bad.awaited_owner.as_deref(), Some("8"));
    assert_eq!(code(&read("UTC", &[]).stage), Some("UNKNOWN_STAGE"));
}

#[test]
fn a_company_without_a_name_is_called_by_its_domain_and_a_person_by_the_address() {
    let mapping = default_mapping::mapping("hubspot");
    assert_eq!(
        customer(
            &mapping.company,
            &fields(&[("name", " "), ("domain", "acme.com")])
        )
        .name,
        Reading::Value("acme.com".to_owned())
    );
    assert_eq!(
        code(&customer(&mapping.company, &fields(&[])).name),
        Some("NAME_MISSING")
    );
    assert_eq!(
        contact(&mapping.contact, &fields(&[("email", "a@b.example")])).name,
        Reading::Value("a@b.example".to_owned())
    );
    assert_eq!(
        code(
            &contact(
                &mapping.contact,
                &fields(&[("firstname", "A"), ("email", "nobody")])
            )
            .email
        ),
        Some("INVALID_EMAIL")
    );
    assert!(is_partner(
        &mapping.company,
        &fields(&[("type", "RESELLER")])
    ));
    assert!(!is_partner(
        &mapping.company,
        &fields(&[("type", "partner")])
    ));
    assert_eq!(
        partner(
            &mapping.company,
            &fields(&[("name", "A"), ("numberofemployees", "12.0")])
        )
        .employees,
        Reading::Value(Some(12))
    );
    assert_eq!(
        code(
            &partner(
                &mapping.company,
                &fields(&[("name", "A"), ("domain", "no domain")])
            )
            .domain
        ),
        Some("INVALID_DOMAIN")
    );
}
