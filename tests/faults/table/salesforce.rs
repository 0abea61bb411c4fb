//! Salesforce's columns. Refresh tokens are used once; what an access token's life is nobody says.

use super::Fault;
use super::cell::Work;
use super::scene::{CHANGED, CREATED, Place, Scene, Target, Vendor, Words};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use integrations::salesforce::ID;
use sandbox::{Effect, Fault as Switch};
use serde_json::json;
use std::time::Duration;
use tests::{SalesforceSetup, Setups, TestApp};

/// Salesforce.
pub struct Salesforce;

const EXPIRED: &str =
    r#"[{"message":"Session expired or invalid","errorCode":"INVALID_SESSION_ID"}]"#;
const LIMITED: &str =
    r#"[{"message":"TotalRequests Limit exceeded.","errorCode":"REQUEST_LIMIT_EXCEEDED"}]"#;
const FAILED: &str = r#"[{"message":"It went wrong.","errorCode":"UNKNOWN_EXCEPTION"}]"#;

fn opportunity(app: &TestApp, account: &str, name: &str) -> String {
    let fields = json!({
        "Name": name, "StageName": "Prospecting", "CloseDate": "2027-01-31", "AccountId": account, "Amount": 100,
    });
    let store = app.salesforce().store();
    store.create("Opportunity", fields).unwrap()
}

fn account(app: &TestApp, name: &str) -> String {
    let store = app.salesforce().store();
    store.create("Account", json!({ "Name": name })).unwrap()
}

impl Vendor for Salesforce {
    fn id(&self) -> &'static str {
        ID
    }

    fn setups(&self, _: Fault) -> Setups {
        Setups {
            salesforce: Some(SalesforceSetup::default()),
            ..Setups::default()
        }
    }

    fn fill(&self, app: &TestApp) {
        let customer = account(app, "Customer");
        for n in 0..5 {
            opportunity(app, &customer, &format!("Deal {n}"));
        }
    }

    fn add_late(&self, app: &TestApp) {
        let customer = account(app, "Late customer");
        opportunity(app, &customer, "Late");
    }

    fn resource(&self) -> &'static str {
        "deal"
    }

    fn target(&self, place: Place) -> Target {
        let (method, path, work) = match place {
            Place::Token => ("POST", "/services/oauth2/token", Work::Lanes),
            Place::List => ("GET", "+FROM+Opportunity+", Work::Lanes),
            // A change of a collection, and an upsert by our reference.
            Place::Write => ("PATCH", "/composite/sobjects", Work::Pushes),
        };
        Target {
            method,
            path,
            body: "",
            work,
        }
    }

    fn words(&self, place: Place) -> Words {
        let limited = match place {
            Place::Token => (
                429,
                r#"{"error":"rate_limited","error_description":"too many"}"#,
            ),
            _ => (403, LIMITED),
        };
        Words {
            headers: "",
            limited,
            failed: FAILED,
            expired: (401, EXPIRED),
            mistyped: match place {
                Place::Token => Some(
                    r#"{"access_token":17,"instance_url":[],"id":{},"issued_at":true,"token_type":null}"#,
                ),
                Place::List => None,
                Place::Write => {
                    Some(r#"[{"id":17.5,"success":"perhaps","errors":"none"},{"id":null}]"#)
                }
            },
        }
    }

    fn mistype(&self, app: &TestApp) {
        app.salesforce().fail(Switch {
            contains: "query".to_owned(),
            method: Some("GET".to_owned()),
            ..Switch::always("/services/data", Effect::WrongTypes {})
        });
    }

    fn token_life(&self) -> Option<Duration> {
        None
    }

    fn expire(&self, app: &TestApp) {
        app.salesforce().expire_tokens().unwrap();
    }

    fn uninstall(&self, app: &TestApp) {
        app.salesforce().uninstall().unwrap();
    }

    fn mend(&self, app: &TestApp) {
        app.salesforce().faults(|faults| faults.rules.clear());
    }

    fn redemptions(&self, app: &TestApp) -> u64 {
        app.salesforce().counts().of("/oauth2/token")
    }

    fn live(&self, app: &TestApp) -> usize {
        app.salesforce().store().count("Opportunity")
    }

    fn write<'a>(&'a self, scene: &'a Scene) -> BoxFuture<'a, ()> {
        async move {
            let input = json!({"id": scene.ours().await, "name": CHANGED});
            scene.mutate("updateDeal", input, "deal { id }").await;
            let input = json!({"name": CREATED, "expectedCloseOn": "2027-03-31"});
            scene.mutate("createDeal", input, "deal { id }").await;
        }
        .boxed()
    }

    fn assert_written(&self, app: &TestApp, what: &str) {
        for name in [CHANGED, CREATED] {
            let store = app.salesforce().store();
            let there = store.find_by("Opportunity", "Name", name);
            assert_eq!(there.len(), 1, "{what}: {name:?} is there {there:?}");
        }
    }
}
