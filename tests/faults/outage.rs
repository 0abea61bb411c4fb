//! A vendor that stumbles or is down: it costs time and nothing else.

use crate::portal::{Portal, issues};
use entities::connection::{self, ConnectionStatus};
use entities::sync_run::SyncRunStatus;
use sandbox::Kind;
use sandbox::hubspot::{Effect, Fault};
use std::time::Duration;

/// A fault of the next calls whose address holds this.
pub fn on(part: &str, times: u32, effect: Effect) -> Fault {
    Fault {
        contains: part.to_owned(),
        ..Fault::next("/crm", times, effect)
    }
}

/// The connection as it stands.
pub async fn connection(portal: &Portal) -> connection::Model {
    let tenant = portal.hubspot().portal_id().to_string();
    connection::find_by_tenant(portal.app.database().read(), "hubspot", &tenant)
        .await
        .unwrap()
        .unwrap()
}

/// A portal with a few records of every kind.
pub async fn filled() -> (Portal, Vec<u64>) {
    let portal = Portal::empty().await;
    let (customer, partner) = (
        portal.company(&[("name", "Customer")]),
        portal.partner("Partner"),
    );
    portal
        .store()
        .create(Kind::Contacts, &[("email", "one@people.example")])
        .unwrap();
    let deals: Vec<u64> = (0..5)
        .map(|n| portal.plain_deal(&format!("Deal {n}")))
        .collect();
    for deal in &deals {
        portal.tie(*deal, customer);
        portal.share(*deal, partner);
    }
    (portal, deals)
}

#[tokio::test]
async fn a_stumbling_vendor_costs_time_and_nothing_else() {
    let html = || Effect::Html { status: 502 };
    let status = |status| Effect::Status {
        status,
        body: None,
        retry_after: None,
    };
    let cases = [
        ("a proxy's page", vec![on("/deals", 2, html())]),
        (
            "an answer that breaks off",
            vec![
                on("/deals", 1, Effect::Truncate {}),
                on("/companies", 1, Effect::Truncate {}),
            ],
        ),
        (
            "a connection that breaks",
            vec![on("/deals", 2, Effect::Close {})],
        ),
        (
            "a connection that breaks after the work",
            vec![on("/companies", 2, Effect::CloseAfter {})],
        ),
        (
            "associations that fail",
            vec![on("associations", 2, status(503))],
        ),
        (
            "a part of the associations",
            vec![on("/crm/associations", 1, Effect::Partial {})],
        ),
        (
            "every kind of five hundred",
            vec![
                on("", 1, status(500)),
                on("", 1, status(503)),
                on("", 1, status(504)),
                on("", 1, status(523)),
            ],
        ),
        ("a locked account", vec![on("/deals", 1, status(423))]),
        (
            "definitions that fail",
            vec![on("/crm/properties", 2, status(500))],
        ),
        ("pipelines that fail", vec![on("/crm/pipelines", 2, html())]),
    ];
    for (name, faults) in cases {
        let (mut portal, deals) = filled().await;
        portal.app.expect_warning("a lane stumbled");
        for fault in faults {
            portal.hubspot().fail(fault);
        }
        let run = portal.settle().await;
        assert_eq!(
            (run.status, run.error.as_deref()),
            (SyncRunStatus::Completed, None),
            "{name}"
        );
        assert!(
            issues(&run, deals[0]).is_empty(),
            "{name}: {:?}",
            run.findings.issues
        );
        // What was passed over in one page may need another look, but never a person.
        let everything = portal.sync_everything().await;
        assert_eq!(everything.status, SyncRunStatus::Completed, "{name}");
        portal.mirrors().await;
        let row = portal.deal_row(deals[4]).await;
        assert_eq!(
            (
                &row["customer"]["name"],
                &row["partners"][0]["partner"]["name"]
            ),
            (&"Customer".into(), &"Partner".into()),
            "{name}: {row}"
        );
        assert_eq!(
            connection(&portal).await.status,
            ConnectionStatus::Active,
            "{name}"
        );
        assert_eq!(
            portal
                .app
                .number("SELECT COUNT(*) FROM event WHERE kind = 'deal.created'")
                .await,
            5,
            "{name}"
        );
        portal.app.finish().await;
    }
}

#[tokio::test]
async fn a_vendor_that_is_down_for_long_fails_the_run_and_not_the_connection() {
    let (mut portal, _) = filled().await;
    portal.app.expect_warning("a lane stumbled");
    portal.hubspot().faults(|faults| {
        faults.rules.push(Fault {
            contains: "/deals".to_owned(),
            ..Fault::always("/crm/objects", Effect::Html { status: 503 })
        });
    });
    let run = portal.settle().await;
    assert_eq!(run.status, SyncRunStatus::Failed);
    assert!(
        run.error
            .as_deref()
            .is_some_and(|error| error.contains("deal")),
        "{:?}",
        run.error
    );
    assert_eq!(
        connection(&portal).await.status,
        ConnectionStatus::Active,
        "five hundreds never break a connection"
    );
    assert_eq!(
        portal.app.number("SELECT COUNT(*) FROM customer").await,
        1,
        "the other kinds went on"
    );
    portal.hubspot().faults(|faults| faults.rules.clear());
    portal.app.advance(Duration::from_secs(1_800));
    let run = portal.settle().await;
    assert_eq!(run.status, SyncRunStatus::Completed, "{:?}", run.error);
    portal.mirrors().await;
    portal.app.finish().await;
}
