//! From an edit in the vendor's user interface to the API, whatever happens to the deliveries on the way.

use crate::portal::Portal;
use rand::RngExt;
use sandbox::Kind;
use std::time::Duration;
use tests::HubSpotSetup;

async fn synced() -> (Portal, Vec<u64>) {
    let portal = Portal::of(HubSpotSetup::empty().with_webhooks()).await;
    let deals = (0..5)
        .map(|n| portal.plain_deal(&format!("Deal {n}")))
        .collect();
    portal.settle().await;
    arrive(&portal).await;
    (portal, deals)
}

async fn arrive(portal: &Portal) {
    portal.hubspot().webhooks_idle().await;
    portal.app.drain().await;
}

#[tokio::test]
async fn an_edit_there_is_visible_here() {
    let (portal, deals) = synced().await;
    portal
        .store()
        .update(
            Kind::Deals,
            deals[0],
            &[
                ("amount", "250.50"),
                ("dealstage", "closedwon"),
                ("closedate", "2026-11-20T10:00:00Z"),
            ],
        )
        .unwrap();
    let made = portal.plain_deal("Made just now");
    let partner = portal.partner("New partner");
    portal.share(made, partner);
    portal.store().archive(Kind::Deals, deals[1]).unwrap();
    arrive(&portal).await;
    let won = portal.deal_row(deals[0]).await;
    assert_eq!(
        (&won["stage"], &won["amount"]["amount"], &won["closedAt"]),
        (
            &"WON".into(),
            &"250.50".into(),
            &"2026-11-20T10:00:00Z".into()
        ),
        "{won}"
    );
    assert_eq!(
        portal.deal_row(made).await["partners"][0]["partner"]["name"],
        "New partner"
    );
    assert!(portal.deal_row(deals[1]).await["archivedAt"].is_string());
    assert!(portal.hubspot().webhook_counts().delivered > 0);
    let events = portal
        .app
        .ask(
            portal.admin(),
            "{ events(types: [\"deal.won\"]) { edges { node { origin subjectId } } } }",
        )
        .await;
    assert_eq!(
        (
            events.list("/events/edges").len(),
            events.at("/events/edges/0/node/origin")
        ),
        (1, &"SYNC".into())
    );
    portal.app.finish().await;
}

#[tokio::test]
async fn order_and_repetition_do_not_matter() {
    let (portal, deals) = synced().await;
    portal.hubspot().faults(|faults| {
        faults.webhooks.duplicate = true;
        faults.webhooks.shuffle = true;
    });
    let mut chance = tests::rng("webhooks out of order");
    for round in 0..tests::rounds(6, 60) {
        for _ in 0..10 {
            let deal = deals[chance.random_range(0..deals.len())];
            let stage = ["prospecting", "engaging"][chance.random_range(0..2)];
            portal
                .store()
                .update(
                    Kind::Deals,
                    deal,
                    &[
                        (
                            "dealname",
                            &format!("Round {round} {}", chance.random::<u32>()),
                        ),
                        ("dealstage", stage),
                    ],
                )
                .unwrap();
        }
        arrive(&portal).await;
        for deal in &deals {
            let (theirs, ours) = (
                portal.store().get(Kind::Deals, *deal).unwrap(),
                portal.deal_row(*deal).await,
            );
            assert_eq!(ours["name"], theirs.properties["dealname"], "round {round}");
            let stage = if theirs.properties["dealstage"] == "engaging" {
                "QUALIFIED"
            } else {
                "PROSPECT"
            };
            assert_eq!(ours["stage"], stage, "round {round}");
        }
    }
    portal.mirrors().await;
    portal.app.finish().await;
}

#[tokio::test]
async fn what_webhooks_miss_the_next_delta_brings() {
    let (portal, deals) = synced().await;
    portal
        .hubspot()
        .faults(|faults| faults.webhooks.drop = true);
    portal
        .store()
        .update(Kind::Deals, deals[0], &[("dealname", "Told to nobody")])
        .unwrap();
    let made = portal.plain_deal("Made in silence");
    arrive(&portal).await;
    assert_eq!(portal.deal_row(deals[0]).await["name"], "Deal 0");
    portal.app.advance(Duration::from_secs(61));
    portal.settle().await;
    assert_eq!(portal.deal_row(deals[0]).await["name"], "Told to nobody");
    assert_eq!(portal.deal_row(made).await["name"], "Made in silence");
    portal.app.finish().await;
}

#[tokio::test]
async fn an_inlet_that_fails_gets_the_same_delivery_again() {
    let (mut portal, deals) = synced().await;
    portal.app.expect_warning("a webhook was rejected");
    portal
        .hubspot()
        .faults(|faults| faults.webhooks.wrong_signature = true);
    let before = portal
        .app
        .number("SELECT COUNT(*) FROM inbound_webhook")
        .await;
    portal
        .store()
        .update(
            Kind::Deals,
            deals[0],
            &[("dealname", "Signed by somebody else")],
        )
        .unwrap();
    arrive(&portal).await;
    assert_eq!(
        portal
            .app
            .number("SELECT COUNT(*) FROM inbound_webhook")
            .await,
        before,
        "nothing of it is stored"
    );
    assert_eq!(
        portal.deal_row(deals[0]).await["name"],
        "Deal 0",
        "nor looked at"
    );
    assert!(portal.hubspot().webhook_counts().given_up > 0);
    portal
        .hubspot()
        .faults(|faults| faults.webhooks.wrong_signature = false);
    portal
        .store()
        .update(Kind::Deals, deals[0], &[("dealname", "Signed")])
        .unwrap();
    arrive(&portal).await;
    assert_eq!(portal.deal_row(deals[0]).await["name"], "Signed");
    portal.app.finish().await;
}

#[tokio::test]
async fn what_was_stored_before_a_restart_is_worked_on_after_it() {
    let (portal, deals) = synced().await;
    portal
        .store()
        .update(Kind::Deals, deals[0], &[("dealname", "Across a restart")])
        .unwrap();
    portal.hubspot().webhooks_idle().await;
    let Portal {
        app, connection, ..
    } = portal;
    let app = app.restart().await;
    app.drain().await;
    let row = app.ask(&app.admin(), "{ deals { nodes { name } } }").await;
    assert!(
        row.texts("/deals/nodes", "/name")
            .contains(&"Across a restart".to_owned()),
        "{row}"
    );
    assert_eq!(
        app.number("SELECT COUNT(*) FROM connection").await,
        1,
        "{connection}"
    );
    app.finish().await;
}

#[tokio::test]
async fn a_hundred_edits_of_one_record_are_one_look() {
    let (portal, deals) = synced().await;
    for n in 0..100 {
        portal
            .store()
            .update(Kind::Deals, deals[0], &[("dealname", &format!("Edit {n}"))])
            .unwrap();
    }
    portal.hubspot().webhooks_idle().await;
    let before = portal.hubspot().counts().of("batch/read");
    portal.app.drain().await;
    let looks = portal.hubspot().counts().of("batch/read") - before;
    assert!(looks <= 4, "{looks} reads for one record");
    assert_eq!(portal.deal_row(deals[0]).await["name"], "Edit 99");
    portal.app.finish().await;
}
