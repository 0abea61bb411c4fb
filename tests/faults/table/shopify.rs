//! Shopify's columns. Everything but tokens goes to one address, so calls are known by what their bodies ask.

use super::Fault;
use super::cell::Work;
use super::scene::{CHANGED, CREATED, Place, Scene, Target, Vendor, Words};
use entities::change::{Author, Origin};
use entities::connection::mapping::{ContactField, PushMode};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use integrations::shopify::ID;
use integrations::sync::NewMapping;
use sandbox::shopify::CustomerDraft;
use sandbox::{Effect, Fault as Switch};
use serde_json::json;
use std::time::Duration;
use tests::{Setups, ShopifySetup, TestApp};

/// Shopify.
pub struct Shopify;

const EXPIRED: &str =
    r#"{"errors":"[API] Invalid API key or access token (unrecognized login or wrong password)"}"#;
const THROTTLED: &str = r#"{"errors":[{"message":"Throttled","extensions":{"code":"THROTTLED"}}],"extensions":{"cost":{"requestedQueryCost":100,"actualQueryCost":null,"throttleStatus":{"maximumAvailable":2000,"currentlyAvailable":0,"restoreRate":100}}}}"#;
const FAILED: &str = r#"{"errors":[{"message":"It went wrong.","extensions":{"code":"INTERNAL_SERVER_ERROR","requestId":"1"}}]}"#;

fn customer(app: &TestApp, last: &str, n: usize) -> u64 {
    let draft = CustomerDraft::named("Ann", last, &format!("ann.{n}@people.example"));
    app.shopify().store().create_customer(draft).unwrap()
}

impl Shopify {
    /// The mapping that sends contacts, which a shop's usual one does not.
    async fn send_contacts(&self, scene: &Scene) {
        let row = scene.row().await;
        let mut mapping = row.mapping.clone();
        mapping.contact.policy.push = PushMode::CreateAndUpdate;
        assert!(mapping.contact.fields.contains_key(&ContactField::Email));
        let wish = NewMapping {
            connection: row.id,
            expected_version: None,
            mapping,
            backfill: false,
            validate_only: false,
        };
        let author = Author {
            actor: "tests".to_owned(),
            origin: Origin::Human,
            connection: None,
        };
        let engine = &scene.app.state.core.engine;
        engine.update_mapping(wish, author).await.unwrap();
        scene.settle().await;
    }
}

impl Vendor for Shopify {
    fn id(&self) -> &'static str {
        ID
    }

    fn setups(&self, _: Fault) -> Setups {
        Setups {
            shopify: Some(ShopifySetup::default()),
            ..Setups::default()
        }
    }

    fn fill(&self, app: &TestApp) {
        for n in 0..5 {
            customer(app, &format!("Lee {n}"), n);
        }
    }

    fn add_late(&self, app: &TestApp) {
        customer(app, "Late", 9);
    }

    fn resource(&self) -> &'static str {
        "contact"
    }

    fn target(&self, place: Place) -> Target {
        let (path, body, work) = match place {
            Place::Token => ("/admin/oauth/access_token", "", Work::Lanes),
            Place::List => ("/graphql.json", "CustomersPage", Work::Lanes),
            Place::Write => ("/graphql.json", "written: customer", Work::Pushes),
        };
        Target {
            method: "POST",
            path,
            body,
            work,
        }
    }

    fn words(&self, place: Place) -> Words {
        let limited = match place {
            Place::Token => (429, r#"{"errors":"Exceeded 2 calls per second"}"#),
            _ => (200, THROTTLED),
        };
        Words {
            headers: "x-shopify-api-version: 2026-10\r\n",
            limited,
            failed: FAILED,
            expired: (401, EXPIRED),
            mistyped: Some(match place {
                Place::Token => {
                    r#"{"access_token":17,"scope":{},"expires_in":"soon","refresh_token":[]}"#
                }
                Place::List => {
                    r#"{"data":{"page":{"nodes":[{"id":17,"updatedAt":[]},{"id":null}],"pageInfo":{"hasNextPage":false,"endCursor":null}}}}"#
                }
                Place::Write => {
                    r#"{"data":{"written":{"record":{"id":17.5},"userErrors":"none"}}}"#
                }
            }),
        }
    }

    fn mistype(&self, app: &TestApp) {
        let everywhere = Switch::always("/admin/api", Effect::WrongTypes {});
        app.shopify().fail(everywhere);
    }

    fn token_life(&self) -> Option<Duration> {
        Some(Duration::from_secs(3_600))
    }

    fn expire(&self, app: &TestApp) {
        app.shopify().expire_tokens().unwrap();
    }

    fn uninstall(&self, app: &TestApp) {
        app.shopify().uninstall().unwrap();
    }

    fn told<'a>(&'a self, app: &'a TestApp) -> BoxFuture<'a, ()> {
        async { app.shopify().webhooks_idle().await }.boxed()
    }

    fn mend(&self, app: &TestApp) {
        app.shopify().faults(|faults| faults.rules.clear());
    }

    fn redemptions(&self, app: &TestApp) -> u64 {
        app.shopify().counts().of("/access_token")
    }

    fn live(&self, app: &TestApp) -> usize {
        app.shopify().store().customers().len()
    }

    fn prepare<'a>(&'a self, scene: &'a Scene) -> BoxFuture<'a, ()> {
        self.send_contacts(scene).boxed()
    }

    fn write<'a>(&'a self, scene: &'a Scene) -> BoxFuture<'a, ()> {
        async move {
            let input = json!({"id": scene.ours().await, "name": CHANGED});
            scene.mutate("updateContact", input, "contact { id }").await;
            let input = json!({"name": CREATED, "email": "created@people.example"});
            scene.mutate("createContact", input, "contact { id }").await;
        }
        .boxed()
    }

    fn assert_written(&self, app: &TestApp, what: &str) {
        for name in [CHANGED, CREATED] {
            let mut there = app.shopify().store().customers();
            there.retain(|(_, known, _)| known == name);
            assert_eq!(there.len(), 1, "{what}: {name:?} is there {there:?}");
        }
    }
}
