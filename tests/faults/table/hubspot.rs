//! HubSpot's columns: which call each fault strikes, and how the double or the proxy before it is made to commit it.

use super::Fault;
use super::cell::Work;
use super::scene::{CHANGED, CREATED, Place, Scene, Target, Vendor, Words};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use integrations::hubspot::ID;
use sandbox::hubspot::{DEAL_TO_COMPANY, Effect, Fault as Switch};
use sandbox::{Kind, Limits};
use serde_json::json;
use std::time::Duration;
use tests::{HubSpotSetup, Setups, TestApp};

/// HubSpot. It gives the same refresh token back; where the fault is a race the double takes each only once, so that a second redemption would show.
pub struct HubSpot;

const EXPIRED: &str = r#"{"status":"error","message":"The OAuth token used to make this call expired 7 second(s) ago.","category":"EXPIRED_AUTHENTICATION"}"#;
const LIMITED: &str = r#"{"status":"error","message":"You have reached your limit.","errorType":"RATE_LIMIT","policyName":"TEN_SECONDLY_ROLLING"}"#;
const FAILED: &str = r#"{"status":"error","message":"It went wrong.","correlationId":"1"}"#;

fn deal(app: &TestApp, name: &str) -> u64 {
    let properties = [
        ("dealname", name),
        ("dealstage", "prospecting"),
        ("pipeline", "default"),
        ("amount", "100.00"),
    ];
    let store = app.hubspot().store();
    store.create(Kind::Deals, &properties).unwrap()
}

impl Vendor for HubSpot {
    fn id(&self) -> &'static str {
        ID
    }

    fn setups(&self, fault: Fault) -> Setups {
        let setup = HubSpotSetup::empty();
        let limits = Limits {
            rotate_refresh_tokens: fault == Fault::RefreshRace,
            ..setup.limits.clone()
        };
        Setups {
            hubspot: Some(HubSpotSetup { limits, ..setup }),
            ..Setups::default()
        }
    }

    fn fill(&self, app: &TestApp) {
        let store = app.hubspot().store();
        let customer = store
            .create(Kind::Companies, &[("name", "Customer")])
            .unwrap();
        for n in 0..5 {
            let deal = deal(app, &format!("Deal {n}"));
            let ends = ((Kind::Deals, deal), (Kind::Companies, customer));
            store.associate(ends.0, ends.1, DEAL_TO_COMPANY).unwrap();
        }
    }

    fn add_late(&self, app: &TestApp) {
        deal(app, "Late");
    }

    fn resource(&self) -> &'static str {
        "deal"
    }

    fn target(&self, place: Place) -> Target {
        let (method, path, work) = match place {
            Place::Token => ("POST", "/oauth/", Work::Lanes),
            Place::List => ("GET", "/deals?", Work::Lanes),
            // A change and a creation: `batch/update` and `batch/upsert`.
            Place::Write => ("POST", "/deals/batch/up", Work::Pushes),
        };
        Target {
            method,
            path,
            body: "",
            work,
        }
    }

    fn words(&self, place: Place) -> Words {
        Words {
            headers: "",
            limited: (429, LIMITED),
            failed: FAILED,
            expired: (401, EXPIRED),
            mistyped: match place {
                Place::Token => Some(
                    r#"{"access_token":17,"refresh_token":[],"expires_in":"soon","token_type":null}"#,
                ),
                Place::List => None,
                Place::Write => Some(
                    r#"{"status":"COMPLETE","results":[{"id":17.5,"properties":[]},{"id":null,"properties":"none"}]}"#,
                ),
            },
        }
    }

    fn mistype(&self, app: &TestApp) {
        app.hubspot().fail(Switch {
            contains: "/deals".to_owned(),
            method: Some("GET".to_owned()),
            ..Switch::always("/crm/objects", Effect::WrongTypes {})
        });
    }

    fn token_life(&self) -> Option<Duration> {
        Some(Duration::from_secs(1_800))
    }

    fn expire(&self, app: &TestApp) {
        app.hubspot().expire_tokens().unwrap();
    }

    fn uninstall(&self, app: &TestApp) {
        app.hubspot().uninstall().unwrap();
    }

    fn mend(&self, app: &TestApp) {
        app.hubspot().faults(|faults| faults.rules.clear());
    }

    fn redemptions(&self, app: &TestApp) -> u64 {
        app.hubspot().counts().of("/token")
    }

    fn live(&self, app: &TestApp) -> usize {
        app.hubspot().store().count(Kind::Deals)
    }

    fn write<'a>(&'a self, scene: &'a Scene) -> BoxFuture<'a, ()> {
        async move {
            let input = json!({"id": scene.ours().await, "name": CHANGED});
            scene.mutate("updateDeal", input, "deal { id }").await;
            let input = json!({"name": CREATED});
            scene.mutate("createDeal", input, "deal { id }").await;
        }
        .boxed()
    }

    fn assert_written(&self, app: &TestApp, what: &str) {
        for name in [CHANGED, CREATED] {
            let there = app.hubspot().store().find_by(Kind::Deals, "dealname", name);
            assert_eq!(there.len(), 1, "{what}: {name:?} is there {there:?}");
        }
    }
}
