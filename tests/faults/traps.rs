//! What users of other integrations report: ties, lags, archived records, links before their ends, changed minds. One test each.

use crate::portal::{Portal, issues};
use entities::sync_run::SyncRunStatus;
use sandbox::hubspot::{CONTACT_TO_COMPANY, Effect, Fault};
use sandbox::{Clock, Kind};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use tests::HubSpotSetup;

/// Makes companies, and changes some of them so that all share one millisecond: a delta has to find the changed ones.
async fn tied(count: usize) {
    let portal = Portal::empty().await;
    let ids: Vec<u64> = (0..count)
        .map(|n| portal.company(&[("name", &format!("Company {n}"))]))
        .collect();
    portal.sync().await;
    assert_eq!(
        portal.app.number("SELECT COUNT(*) FROM customer").await,
        i64::try_from(count).unwrap()
    );
    let changed = [
        ids[0],
        ids[count / 3],
        ids[count / 2],
        ids[count - 2],
        ids[count - 1],
    ];
    for id in changed {
        portal
            .store()
            .update(Kind::Companies, id, &[("name", "Changed")])
            .unwrap();
    }
    let clock: Arc<Clock> = portal.hubspot().clock();
    portal.store().stamp_all(Kind::Companies, clock.now_ms());
    let run = portal.sync().await;
    assert_eq!(
        (run.status, run.error.as_deref()),
        (SyncRunStatus::Completed, None),
        "no endless loop, no refused page"
    );
    assert_eq!(
        run.findings.counts["company"].updated, 5,
        "{:?}",
        run.findings
    );
    for id in changed {
        assert_eq!(portal.company_row(id).await["name"], "Changed");
    }
    // And what comes after the tie is not held up by it.
    let late = portal.company(&[("name", "After the tie")]);
    portal.sync().await;
    assert_eq!(portal.company_row(late).await["name"], "After the tie");
    portal.mirrors().await;
    portal.app.finish().await;
}

#[tokio::test]
async fn a_tie_larger_than_a_page_loses_nobody() {
    tied(450).await;
}

#[tokio::test]
async fn a_tie_larger_than_the_vendors_result_window_ends_and_loses_nobody() {
    tied(10_100).await;
}

/// 25,000 of them, with a window of 10,000: two hundred and fifty pages of one millisecond.
#[tokio::test]
async fn a_tie_of_several_windows_is_read_once_and_then_never_again() {
    let count = usize::try_from(tests::rounds(450, 25_000)).unwrap();
    let portal = Portal::empty().await;
    let first = portal.company(&[("name", "Company")]);
    portal.sync().await;
    for n in 1..count {
        portal.company(&[("name", &format!("Company {n}"))]);
    }
    // A backfill walks by id; it is the delta that has to find its way through the tie.
    portal
        .store()
        .update(Kind::Companies, first, &[("name", "Changed")])
        .unwrap();
    portal
        .store()
        .stamp_all(Kind::Companies, portal.hubspot().clock().now_ms());
    let run = portal.sync().await;
    assert_eq!(
        (run.status, run.error.as_deref()),
        (SyncRunStatus::Completed, None)
    );
    portal.mirrors().await;
    let before = portal.snapshot().await;
    // Past the look-back, so that the next run has no reason to see any of them again.
    portal.app.advance(Duration::from_secs(3_600));
    portal.sync().await;
    portal.app.advance(Duration::from_secs(3_600));
    let run = portal.sync().await;
    let read = run
        .findings
        .counts
        .get("company")
        .map_or(0, |counts| counts.created + counts.updated);
    assert_eq!(read, 0, "the next run finds nothing new");
    assert_eq!(portal.snapshot().await, before);
    portal.app.finish().await;
}

#[tokio::test]
async fn rows_that_search_shows_three_minutes_late_are_not_missed() {
    let portal = Portal::empty().await;
    let mut late = vec![portal.plain_deal("Slow 0")];
    portal.settle().await;
    for minute in 0..6 {
        // At any moment of the minute between two runs.
        portal.app.advance(Duration::from_secs(7 + minute * 9));
        portal
            .hubspot()
            .faults(|faults| faults.index_lag_ms = Some(180_000));
        let name = format!("Slow {}", minute + 1);
        portal
            .store()
            .update(Kind::Deals, late[0], &[("dealname", &name)])
            .unwrap();
        late.push(portal.plain_deal(&format!("Dark {minute}")));
        portal
            .hubspot()
            .faults(|faults| faults.index_lag_ms = Some(0));
        // What comes later is seen at once, so that the walk moves on past what is hidden.
        portal.plain_deal(&format!("Quick {minute}"));
        portal.app.advance(Duration::from_secs(61 - 7 - minute * 9));
        portal.settle().await;
    }
    for _ in 0..4 {
        portal.app.advance(Duration::from_secs(61));
        portal.settle().await;
    }
    for deal in &late {
        assert!(portal.link("deal", deal).await.is_some(), "{deal} is lost");
    }
    assert_eq!(portal.deal_row(late[0]).await["name"], "Slow 6");
    portal.mirrors().await;
    portal.app.finish().await;
}

#[tokio::test]
async fn a_row_that_search_shows_late_is_not_lost_behind_the_cursor() {
    let portal = Portal::empty().await;
    let (slow, quick) = (portal.plain_deal("Slow"), portal.plain_deal("Quick"));
    portal.sync().await;
    portal
        .hubspot()
        .faults(|faults| faults.index_lag_ms = Some(20_000));
    portal
        .store()
        .update(Kind::Deals, slow, &[("dealname", "Slow, changed")])
        .unwrap();
    let created = portal.plain_deal("Created in the dark");
    portal
        .hubspot()
        .faults(|faults| faults.index_lag_ms = Some(0));
    // A later change is visible at once, so that the walk moves past the hidden ones.
    portal
        .store()
        .update(Kind::Deals, quick, &[("dealname", "Quick, changed")])
        .unwrap();
    for _ in 0..3 {
        portal.sync().await;
    }
    assert_eq!(portal.deal_row(quick).await["name"], "Quick, changed");
    assert_eq!(
        (
            portal.deal_row(slow).await["name"].as_str(),
            portal.link("deal", created).await
        ),
        (Some("Slow"), None),
        "still hidden"
    );
    portal.hubspot().clock().advance(Duration::from_secs(20));
    portal.sync().await;
    assert_eq!(portal.deal_row(slow).await["name"], "Slow, changed");
    assert_eq!(
        portal.deal_row(created).await["name"],
        "Created in the dark"
    );
    portal.mirrors().await;
    portal.app.finish().await;
}

#[tokio::test]
async fn a_search_that_lags_does_not_undo_what_a_webhook_brought() {
    let portal = Portal::of(HubSpotSetup::empty().with_webhooks()).await;
    let deal = portal.plain_deal("Old");
    portal.sync().await;
    portal.hubspot().webhooks_idle().await;
    portal.app.drain().await;
    portal
        .hubspot()
        .faults(|faults| faults.index_lag_ms = Some(60_000));
    portal
        .store()
        .update(Kind::Deals, deal, &[("dealname", "New")])
        .unwrap();
    portal.hubspot().webhooks_idle().await;
    portal.app.drain().await;
    assert_eq!(
        portal.deal_row(deal).await["name"],
        "New",
        "read by id, which does not lag"
    );
    portal.sync().await;
    assert_eq!(
        portal.deal_row(deal).await["name"],
        "New",
        "the index still shows the old one"
    );
    portal.app.finish().await;
}

#[tokio::test]
async fn what_the_vendor_archives_is_put_away_here_and_comes_back() {
    let portal = Portal::empty().await;
    let (customer, partner, deal) = (
        portal.company(&[("name", "C")]),
        portal.partner("P"),
        portal.plain_deal("D"),
    );
    let person = portal
        .store()
        .create(Kind::Contacts, &[("email", "p@people.example")])
        .unwrap();
    let never = portal.plain_deal("Archived before we came");
    portal.store().archive(Kind::Deals, never).unwrap();
    portal.sync().await;
    assert!(
        portal
            .link("deal", never)
            .await
            .is_none_or(|link| link.subject.is_none()),
        "its history is not ours"
    );
    for (kind, id) in [
        (Kind::Companies, customer),
        (Kind::Companies, partner),
        (Kind::Contacts, person),
        (Kind::Deals, deal),
    ] {
        portal.store().archive(kind, id).unwrap();
    }
    portal.app.advance(Duration::from_secs(1_000));
    portal.settle().await;
    let all = [
        ("company", customer),
        ("company", partner),
        ("contact", person),
        ("deal", deal),
    ];
    for (resource, id) in all {
        assert!(
            portal.row(resource, id).await["archivedAt"].is_string(),
            "{resource}"
        );
    }
    assert_eq!(
        portal.app.number("SELECT COUNT(*) FROM deal").await,
        1,
        "put away, not deleted"
    );
    for (kind, id) in [
        (Kind::Companies, customer),
        (Kind::Companies, partner),
        (Kind::Contacts, person),
        (Kind::Deals, deal),
    ] {
        portal.store().restore(kind, id).unwrap();
    }
    portal.sync().await;
    for (resource, id) in all {
        assert!(
            portal.row(resource, id).await["archivedAt"].is_null(),
            "{resource}"
        );
    }
    portal.app.finish().await;
}

#[tokio::test]
async fn links_that_arrive_before_their_ends_wait_and_resolve() {
    let mut portal = Portal::empty().await;
    portal.app.expect_warning("a lane stumbled");
    let (customer, partner) = (
        portal.company(&[("name", "Customer")]),
        portal.partner("Partner"),
    );
    let deal = portal.plain_deal("Deal");
    portal.tie(deal, customer);
    portal.share(deal, partner);
    let store = portal.store();
    let person = store
        .create(Kind::Contacts, &[("email", "p@people.example")])
        .unwrap();
    store
        .associate(
            (Kind::Contacts, person),
            (Kind::Companies, partner),
            CONTACT_TO_COMPANY,
        )
        .unwrap();
    portal.hubspot().fail(Fault {
        contains: "/companies".to_owned(),
        method: Some("GET".to_owned()),
        ..Fault::next("/crm/objects", 3, Effect::Html { status: 502 })
    });
    portal.app.drain().await;
    let early = portal.deal_row(deal).await;
    assert_eq!(
        (&early["customer"], &early["partners"]),
        (&json!(null), &json!([])),
        "the deal is there before its companies: {early}"
    );
    assert_eq!(portal.pending().await, 3);
    portal.settle().await;
    let late = portal.deal_row(deal).await;
    assert_eq!(late["customer"]["name"], "Customer");
    assert_eq!(
        late["partners"],
        json!([{"role": "RESOLD", "weightBp": 10_000, "partner": {"name": "Partner"}}])
    );
    assert_eq!(
        portal.row("contact", person).await["partner"]["name"],
        "Partner"
    );
    assert_eq!(portal.pending().await, 0);
    let before = portal.snapshot().await;
    portal.sync_everything().await;
    assert_eq!(portal.snapshot().await, before);
    portal.app.finish().await;
}

#[tokio::test]
async fn associations_and_labels_that_are_taken_back_are_taken_back_here() {
    let portal = Portal::of(HubSpotSetup::empty().with_webhooks()).await;
    let (customer, partner, deal) = (
        portal.company(&[("name", "C")]),
        portal.partner("P"),
        portal.plain_deal("D"),
    );
    portal.tie(deal, customer);
    portal.share(deal, partner);
    portal.settle().await;
    portal.hubspot().webhooks_idle().await;
    portal.app.drain().await;
    let row = portal.deal_row(deal).await;
    assert_eq!(
        (
            &row["customer"]["name"],
            row["partners"].as_array().unwrap().len()
        ),
        (&json!("C"), 1)
    );
    let (of_deal, of_customer, of_partner) = (
        (Kind::Deals, deal),
        (Kind::Companies, customer),
        (Kind::Companies, partner),
    );
    portal.store().dissociate(of_deal, of_customer).unwrap();
    portal.store().dissociate(of_deal, of_partner).unwrap();
    portal.tie(deal, partner);
    portal.hubspot().webhooks_idle().await;
    portal.app.drain().await;
    let row = portal.deal_row(deal).await;
    assert_eq!(
        (&row["customer"], &row["partners"]),
        (&json!(null), &json!([])),
        "the tie without its label is no share: {row}"
    );
    portal.share(deal, partner);
    portal.hubspot().webhooks_idle().await;
    portal.app.drain().await;
    assert_eq!(
        portal.deal_row(deal).await["partners"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    portal.app.finish().await;
}

#[tokio::test]
async fn a_company_that_turns_partner_becomes_one_and_the_run_says_so() {
    let portal = Portal::empty().await;
    let (company, deal) = (
        portal.company(&[("name", "Turncoat")]),
        portal.plain_deal("D"),
    );
    portal.tie(deal, company);
    portal.sync().await;
    assert!(
        portal.company_row(company).await["id"]
            .as_str()
            .unwrap()
            .starts_with("customer_")
    );
    portal
        .store()
        .update(Kind::Companies, company, &[("type", "PARTNER")])
        .unwrap();
    let run = portal.sync().await;
    assert_eq!(issues(&run, company), ["RECLASSIFIED -"]);
    assert!(
        portal.company_row(company).await["id"]
            .as_str()
            .unwrap()
            .starts_with("partner_")
    );
    assert_eq!(
        portal.deal_row(deal).await["customer"]["name"],
        "Turncoat",
        "the customer and its deals stay"
    );
    let label = portal.plain_deal("Sold by the new partner");
    portal.share(label, company);
    portal.sync().await;
    assert_eq!(
        portal.deal_row(label).await["partners"][0]["partner"]["name"],
        "Turncoat"
    );
    // The other way round a person decides.
    portal
        .store()
        .update(Kind::Companies, company, &[("type", "PROSPECT")])
        .unwrap();
    let run = portal.sync().await;
    assert_eq!(issues(&run, company), ["RECLASSIFIED type"]);
    assert!(
        portal.company_row(company).await["id"]
            .as_str()
            .unwrap()
            .starts_with("partner_")
    );
    portal.app.finish().await;
}

#[tokio::test]
async fn ids_beyond_two_to_the_fifty_third_stay_themselves() {
    let portal = Portal::empty().await;
    let company = |n: usize| portal.company(&[("name", &format!("Company {n}"))]);
    let _: Vec<u64> = (0..3).map(company).collect();
    // As text and as bare numbers, neighbours that a float would merge, and more than 64 bits.
    let ids = [
        json!("9007199254740993"),
        json!(9_007_199_254_740_992_u64),
        json!("36893488147419103233"),
    ];
    for (n, id) in ids.iter().enumerate() {
        let effect = Effect::Replace {
            pointer: "/results/0/id".to_owned(),
            value: id.clone(),
        };
        portal.hubspot().fail(Fault {
            contains: "/companies".to_owned(),
            method: Some("GET".to_owned()),
            ..Fault::next("/crm/objects", 1, effect)
        });
        portal.sync_everything().await;
        let text = id.as_str().map_or_else(|| id.to_string(), str::to_owned);
        assert!(
            portal.row("company", &text).await["name"].is_string(),
            "{n}: {text}"
        );
    }
    let linked = portal.app.number("SELECT COUNT(*) FROM external_link WHERE resource = 'company' AND external_id IN ('9007199254740993', '9007199254740992', '36893488147419103233')").await;
    assert_eq!(linked, 3);
    portal.app.finish().await;
}

#[tokio::test]
async fn a_second_synchronisation_writes_nothing() {
    let portal = Portal::of(HubSpotSetup::generated(300)).await;
    let run = portal.sync().await;
    assert_eq!(run.status, SyncRunStatus::Completed);
    let before = portal.snapshot().await;
    assert!(
        before
            .iter()
            .any(|(table, count, _)| table == "deal" && *count == 300),
        "{before:?}"
    );
    portal.sync().await;
    assert_eq!(portal.snapshot().await, before, "what changed: nothing");
    let run = portal.sync_everything().await;
    assert_eq!(
        portal.snapshot().await,
        before,
        "everything read anew: nothing"
    );
    for (resource, counts) in &run.findings.counts {
        assert_eq!(
            (counts.created, counts.updated, counts.archived),
            (0, 0, 0),
            "{resource}"
        );
    }
    // A touch that changes no value writes nothing either.
    portal
        .store()
        .stamp_all(Kind::Deals, portal.hubspot().clock().now_ms());
    portal.sync().await;
    assert_eq!(portal.snapshot().await, before, "touched: nothing");
    portal.app.finish().await;
}

#[tokio::test]
async fn merged_records_keep_one_row_that_lives_on() {
    let portal = Portal::of(HubSpotSetup::empty().with_webhooks()).await;
    let deals = [portal.plain_deal("One"), portal.plain_deal("Other")];
    let partners = [portal.partner("P"), portal.partner("Q")];
    let customers = [
        portal.company(&[("name", "C")]),
        portal.company(&[("name", "D")]),
    ];
    portal.share(deals[0], partners[0]);
    portal.tie(deals[0], customers[1]);
    portal.settle().await;
    portal.hubspot().webhooks_idle().await;
    portal.app.drain().await;
    let before = (
        portal.deal_row(deals[0]).await["id"].clone(),
        portal.company_row(partners[0]).await["id"].clone(),
    );
    let into = portal
        .store()
        .merge(Kind::Deals, deals[0], deals[1])
        .unwrap();
    let partner = portal
        .store()
        .merge(Kind::Companies, partners[0], partners[1])
        .unwrap();
    let customer = portal
        .store()
        .merge(Kind::Companies, customers[0], customers[1])
        .unwrap();
    portal.hubspot().webhooks_idle().await;
    portal.app.drain().await;
    portal.app.advance(Duration::from_secs(61));
    portal.settle().await;
    portal.sync_everything().await;

    let row = portal.deal_row(into).await;
    assert_eq!(
        (&row["id"], &row["name"], &row["archivedAt"]),
        (&before.0, &json!("One"), &json!(null)),
        "the row lives on under the new id: {row}"
    );
    assert_eq!(
        (
            &row["partners"][0]["partner"]["name"],
            &row["customer"]["name"]
        ),
        (&json!("P"), &json!("C")),
        "{row}"
    );
    assert_eq!(
        portal.company_row(partner).await["id"],
        before.1,
        "a partner keeps its row, its partnerships and its deals"
    );
    assert!(portal.company_row(customer).await["archivedAt"].is_null());
    for (resource, lost) in [
        ("deal", deals),
        ("company", partners),
        ("company", customers),
    ] {
        for lost in lost {
            assert!(
                portal
                    .link(resource, lost)
                    .await
                    .is_none_or(|link| link.archived),
                "a link that is gone is closed"
            );
        }
    }
    let open = portal
        .app
        .ask(
            portal.admin(),
            "{ deals { totalCount } customers { totalCount } partners { totalCount } }",
        )
        .await;
    assert_eq!(
        (
            open.at("/deals/totalCount"),
            open.at("/customers/totalCount")
        ),
        (&json!(1), &json!(1)),
        "what became one is one here"
    );
    assert_eq!(
        open.at("/partners/totalCount"),
        2,
        "a partner is ended by a person"
    );
    portal.app.finish().await;
}
