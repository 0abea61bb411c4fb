//! Records that make no sense: each is kept out, or kept with the field flagged; the run says which and why; the rest goes on; and once the
//! vendor has mended it, it arrives.

use crate::portal::{Portal, issues};
use entities::sync_run::SyncRunStatus;
use sandbox::Kind;
use sandbox::hubspot::{Effect, Fault};
use serde_json::{Value, json};

#[tokio::test]
async fn a_bad_value_is_flagged_and_the_rest_of_the_record_comes() {
    let portal = Portal::empty().await;
    let deal = |more: &[(&str, &str)]| {
        let mut properties = vec![
            ("dealname", "A deal"),
            ("dealstage", "prospecting"),
            ("pipeline", "default"),
            ("amount", "10.00"),
            ("closedate", "2026-12-01"),
        ];
        properties.retain(|(name, _)| !more.iter().any(|(other, _)| other == name));
        properties.extend_from_slice(more);
        portal.deal(&properties)
    };
    let long = "x".repeat(600);
    let cases = [
        (
            deal(&[("amount", "abc")]),
            "INVALID_AMOUNT amount",
            "/amount",
        ),
        (
            deal(&[("amount", "1e999")]),
            "INVALID_AMOUNT amount",
            "/amount",
        ),
        (
            deal(&[("amount", "NaN")]),
            "INVALID_AMOUNT amount",
            "/amount",
        ),
        (
            deal(&[("amount", "0.001")]),
            "INVALID_AMOUNT amount",
            "/amount",
        ),
        (
            deal(&[("amount", "99999999999999999999999")]),
            "INVALID_AMOUNT amount",
            "/amount",
        ),
        (
            deal(&[("amount", "10.5"), ("deal_currency_code", "JPY")]),
            "INVALID_AMOUNT amount",
            "/amount",
        ),
        (
            deal(&[("deal_currency_code", "ZZZ")]),
            "INVALID_CURRENCY deal_currency_code",
            "/amount",
        ),
        (
            deal(&[("deal_currency_code", "dollars")]),
            "INVALID_CURRENCY deal_currency_code",
            "/amount",
        ),
        (
            deal(&[("closedate", "soon")]),
            "INVALID_DATE closedate",
            "/expectedCloseOn",
        ),
        (
            deal(&[("closedate", "2026-13-45")]),
            "INVALID_DATE closedate",
            "/expectedCloseOn",
        ),
        (
            deal(&[("closedate", "99999999999999999")]),
            "INVALID_DATE closedate",
            "/expectedCloseOn",
        ),
    ];
    let good = deal(&[]);
    let yen = deal(&[("amount", "10"), ("deal_currency_code", "JPY")]);
    let dinar = deal(&[("amount", "1.234"), ("deal_currency_code", "KWD")]);
    let run = portal.sync().await;
    assert_eq!(run.status, SyncRunStatus::Completed);
    for (id, issue, pointer) in &cases {
        assert_eq!(issues(&run, id), [*issue]);
        let row = portal.deal_row(*id).await;
        assert_eq!(
            (row["name"].as_str(), row.pointer(pointer)),
            (Some("A deal"), Some(&Value::Null)),
            "{issue}: {row}"
        );
    }
    let counts = &run.findings.counts["deal"];
    assert_eq!(
        (counts.read, counts.created, counts.flagged, counts.kept_out),
        (14, 14, 11, 0)
    );
    assert_eq!(run.findings.issue_count, 11);
    assert_eq!(
        portal.deal_row(good).await["amount"],
        json!({"amount": "10.00", "currency": "USD"})
    );
    assert_eq!(
        portal.deal_row(yen).await["amount"],
        json!({"amount": "10", "currency": "JPY"})
    );
    assert_eq!(
        portal.deal_row(dinar).await["amount"],
        json!({"amount": "1.234", "currency": "KWD"})
    );

    // Mended, they arrive; what nobody touched is not written again.
    for (id, ..) in &cases {
        let mended = [
            ("amount", "77.00"),
            ("deal_currency_code", ""),
            ("closedate", "2026-12-24"),
            ("dealname", "Mended"),
        ];
        portal.store().update(Kind::Deals, *id, &mended).unwrap();
    }
    let run = portal.sync().await;
    assert_eq!(
        (
            run.findings.issue_count,
            run.findings.counts["deal"].updated
        ),
        (0, 11)
    );
    for (id, issue, _) in &cases {
        let row = portal.deal_row(*id).await;
        let shown = (
            &row["name"],
            &row["amount"]["amount"],
            &row["expectedCloseOn"],
        );
        assert_eq!(
            shown,
            (&json!("Mended"), &json!("77.00"), &json!("2026-12-24")),
            "{issue}"
        );
    }
    assert_eq!(portal.deal_row(good).await["version"], 1);

    // A deal that was good and goes bad keeps what was known, flagged.
    portal
        .store()
        .update(
            Kind::Deals,
            good,
            &[
                ("amount", "abc"),
                ("dealname", &long),
                ("closedate", "2027-01-01"),
            ],
        )
        .unwrap();
    let run = portal.sync().await;
    let mut found = issues(&run, good);
    found.sort();
    assert_eq!(found, ["INVALID_AMOUNT amount", "TOO_LONG dealname"]);
    let row = portal.deal_row(good).await;
    assert_eq!(
        (
            &row["name"],
            &row["amount"]["amount"],
            &row["expectedCloseOn"]
        ),
        (&json!("A deal"), &json!("10.00"), &json!("2027-01-01"))
    );
    portal.app.finish().await;
}

#[tokio::test]
async fn a_record_that_cannot_be_is_kept_out_with_its_reason_and_tried_again() {
    let portal = Portal::empty().await;
    let unknown = portal.deal(&[
        ("dealname", "Odd"),
        ("dealstage", "no_such_stage"),
        ("pipeline", "default"),
    ]);
    let nowhere = portal.deal(&[("dealname", "In no stage")]);
    let nameless = portal.deal(&[("dealname", "  "), ("dealstage", "prospecting")]);
    let long = portal.deal(&[("dealname", &"x".repeat(501)), ("dealstage", "prospecting")]);
    let rude = portal.deal(&[("dealname", "a\u{7}b"), ("dealstage", "prospecting")]);
    let company = portal.company(&[("name", " "), ("city", "Oslo")]);
    let partner = portal.company(&[("type", "PARTNER")]);
    let person = portal
        .store()
        .create(Kind::Contacts, &[("phone", "1")])
        .unwrap();
    let fine = portal.plain_deal("Fine");
    let run = portal.sync().await;
    assert_eq!(
        run.status,
        SyncRunStatus::Completed,
        "bad records do not fail a run"
    );
    for (resource, id, issue) in [
        ("deal", unknown, "UNKNOWN_STAGE dealstage"),
        ("deal", nowhere, "UNKNOWN_STAGE dealstage"),
        ("deal", nameless, "NAME_MISSING dealname"),
        ("deal", long, "TOO_LONG dealname"),
        ("deal", rude, "INVALID_TEXT dealname"),
        ("company", company, "NAME_MISSING name"),
        ("company", partner, "NAME_MISSING name"),
        ("contact", person, "NAME_MISSING lastname"),
    ] {
        assert_eq!(issues(&run, id), [issue]);
        let link = portal
            .link(resource, id)
            .await
            .expect("a record that is kept out has a link that says why");
        assert_eq!(
            (link.subject, link.held.as_deref()),
            (None, issue.split(' ').next()),
            "{resource} {id}"
        );
    }
    assert_eq!(run.findings.counts["deal"].kept_out, 5);
    assert_eq!(portal.deal_row(fine).await["name"], "Fine");
    let before = portal.snapshot().await;
    let again = portal.sync().await;
    assert_eq!(
        (portal.snapshot().await, again.findings.issue_count),
        (before, 0),
        "what is still kept out is no news"
    );

    for deal in [unknown, nowhere, nameless, long, rude] {
        portal
            .store()
            .update(
                Kind::Deals,
                deal,
                &[
                    ("dealname", "Mended"),
                    ("dealstage", "engaging"),
                    ("pipeline", "default"),
                ],
            )
            .unwrap();
    }
    portal
        .store()
        .update(Kind::Companies, company, &[("name", "Mended")])
        .unwrap();
    portal
        .store()
        .update(Kind::Companies, partner, &[("domain", "mended.example")])
        .unwrap();
    portal
        .store()
        .update(
            Kind::Contacts,
            person,
            &[("email", "mended@people.example")],
        )
        .unwrap();
    portal.sync().await;
    for deal in [unknown, nowhere, nameless, long, rude] {
        assert_eq!(portal.deal_row(deal).await["stage"], "QUALIFIED");
    }
    assert_eq!(portal.company_row(company).await["name"], "Mended");
    assert_eq!(portal.company_row(partner).await["name"], "mended.example");
    assert_eq!(
        portal.row("contact", person).await["name"],
        "mended@people.example"
    );
    portal.mirrors().await;
    portal.app.finish().await;
}

#[tokio::test]
async fn one_domain_of_two_partners_is_flagged_on_the_second() {
    let portal = Portal::empty().await;
    let of = |name: &str, domain: &str| {
        portal.company(&[("name", name), ("type", "PARTNER"), ("domain", domain)])
    };
    let (first, second, third) = (
        of("First", "same.example"),
        of("Second", "SAME.example."),
        of("Third", "no domain"),
    );
    let customers = [
        portal.company(&[("name", "C1"), ("domain", "same.example")]),
        portal.company(&[("name", "C2"), ("domain", "same.example")]),
    ];
    let run = portal.sync().await;
    assert_eq!(portal.company_row(first).await["domain"], "same.example");
    assert_eq!(
        (
            issues(&run, second),
            portal.company_row(second).await["domain"].is_null()
        ),
        (vec!["DOMAIN_TAKEN domain".to_owned()], true)
    );
    assert_eq!(
        (
            issues(&run, third),
            portal.company_row(third).await["domain"].is_null()
        ),
        (vec!["INVALID_DOMAIN domain".to_owned()], true)
    );
    for customer in customers {
        assert_eq!(
            portal.company_row(customer).await["domain"],
            "same.example",
            "customers may share one, as at the vendor"
        );
    }
    portal
        .store()
        .update(Kind::Companies, second, &[("domain", "second.example")])
        .unwrap();
    portal.sync().await;
    assert_eq!(portal.company_row(second).await["domain"], "second.example");
    // Later collisions are no different.
    portal
        .store()
        .update(Kind::Companies, second, &[("domain", "same.example")])
        .unwrap();
    let run = portal.sync().await;
    assert_eq!(issues(&run, second), ["DOMAIN_TAKEN domain"]);
    assert_eq!(portal.company_row(second).await["domain"], "second.example");
    portal.app.finish().await;
}

#[tokio::test]
async fn values_of_other_types_keep_their_record_out_until_it_comes_again() {
    let portal = Portal::empty().await;
    let deals: Vec<u64> = (0..6)
        .map(|n| portal.plain_deal(&format!("Deal {n}")))
        .collect();
    let of_deals = |effect| Fault {
        contains: "/deals".to_owned(),
        method: Some("GET".to_owned()),
        ..Fault::next("/crm/objects", 1, effect)
    };
    portal.hubspot().fail(of_deals(Effect::Replace {
        pointer: "/results/2/properties/amount".to_owned(),
        value: json!({"value": 5}),
    }));
    let run = portal.sync().await;
    assert_eq!(run.status, SyncRunStatus::Completed);
    assert_eq!(issues(&run, deals[2]), ["MALFORMED_RECORD -"]);
    let counts = &run.findings.counts["deal"];
    assert_eq!((counts.read, counts.created, counts.kept_out), (6, 5, 1));
    assert!(portal.link("deal", deals[2]).await.is_none());
    portal
        .store()
        .update(Kind::Deals, deals[2], &[("dealname", "Mended")])
        .unwrap();
    portal.sync().await;
    assert_eq!(portal.deal_row(deals[2]).await["name"], "Mended");
    portal.mirrors().await;
    portal.app.finish().await;
}

#[tokio::test]
async fn a_whole_page_of_other_types_is_named_record_by_record() {
    let portal = Portal::empty().await;
    let deals: Vec<u64> = (0..6)
        .map(|n| portal.plain_deal(&format!("Deal {n}")))
        .collect();
    portal.hubspot().fail(Fault {
        contains: "/deals".to_owned(),
        method: Some("GET".to_owned()),
        ..Fault::next("/crm/objects", 1, Effect::WrongTypes {})
    });
    let company = portal.company(&[("name", "Fine")]);
    let run = portal.sync().await;
    for deal in &deals {
        assert_eq!(issues(&run, deal), ["MALFORMED_RECORD -"]);
    }
    assert_eq!(
        portal.company_row(company).await["name"],
        "Fine",
        "the rest goes on"
    );
    // Nobody touched them at the vendor: reading everything anew brings them all the same.
    let run = portal.sync_everything().await;
    assert_eq!(
        (
            run.findings.counts["deal"].created,
            run.findings.issue_count
        ),
        (6, 0)
    );
    portal.mirrors().await;
    portal.app.finish().await;
}

#[tokio::test]
async fn odd_texts_arrive_as_they_are_and_what_is_too_odd_is_named() {
    let portal = Portal::empty().await;
    let names = [
        "Ünïcödé 你好 🎉",
        "'; DROP TABLE deal; --",
        "<script>alert(1)</script>",
        "a\tb",
        "{\"json\": true}",
        "%s %n $1 ${x}",
        "\u{202e}reversed",
    ];
    let deals: Vec<(u64, &str)> = names
        .iter()
        .map(|name| (portal.plain_deal(name), *name))
        .collect();
    let zero = portal.company(&[("name", "a\0b"), ("description", "x\0y")]);
    let run = portal.sync().await;
    assert_eq!(run.status, SyncRunStatus::Completed, "{:?}", run.error);
    for (id, name) in deals {
        assert_eq!(portal.deal_row(id).await["name"], name);
    }
    // The one character that a database may refuse in a text does not stop a page.
    let row = portal.company_row(zero).await;
    assert!(
        row["name"] == "a\u{FFFD}b" || !issues(&run, zero).is_empty(),
        "{row} {:?}",
        run.findings.issues
    );
    portal.app.finish().await;
}

#[tokio::test]
async fn a_cleared_property_clears_here_and_what_a_person_wrote_here_stays() {
    let portal = Portal::empty().await;
    let deal = portal.deal(&[
        ("dealname", "D"),
        ("dealstage", "prospecting"),
        ("amount", "5.00"),
        ("closedate", "2026-12-01"),
    ]);
    portal.sync().await;
    let id = portal.deal_row(deal).await["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let input = json!({"id": id, "owner": {"name": "Written here"}});
    portal
        .app
        .mutate(portal.admin(), "updateDeal", input, "deal { id }")
        .await;
    portal
        .store()
        .update(Kind::Deals, deal, &[("amount", ""), ("closedate", "")])
        .unwrap();
    portal.sync().await;
    let row = portal.deal_row(deal).await;
    assert!(
        row["amount"].is_null() && row["expectedCloseOn"].is_null(),
        "{row}"
    );
    assert_eq!(row["owner"]["name"], "Written here");
    portal.app.finish().await;
}
