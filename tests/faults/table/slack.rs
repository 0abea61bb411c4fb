//! Slack's columns: a team whose tokens rotate, and messages that may have been posted.

use super::Fault;
use super::cell::Work;
use super::scene::{CHANGED, CREATED, Place, Scene, Target, Vendor, Words};
use entities::change::{Author, Origin};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use integrations::slack::ID;
use integrations::sync::NewMapping;
use sandbox::SlackLimits;
use serde_json::json;
use std::time::Duration;
use tests::{Setups, SlackSetup, TestApp};

/// Slack.
pub struct Slack;

const EXPIRED: &str = r#"{"ok":false,"error":"token_expired"}"#;
const LIMITED: &str = r#"{"ok":false,"error":"ratelimited"}"#;
const FAILED: &str = r#"{"ok":false,"error":"internal_error"}"#;

impl Slack {
    /// Messages go to #general.
    async fn speak(&self, scene: &Scene) {
        // Whether an uncertain message is there can only be seen in a channel that the app is in.
        scene.app.slack().invite_app("general", true).unwrap();
        let row = scene.row().await;
        let mut mapping = row.mapping.clone();
        mapping.chat.channel = scene.app.slack().channel_id("general");
        mapping.chat.deal_won = true;
        assert!(mapping.chat.channel.is_some());
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

    /// Two deals are won here.
    async fn win(&self, scene: &Scene) {
        for name in [CHANGED, CREATED] {
            let made = scene
                .mutate("createDeal", json!({ "name": name }), "deal { id }")
                .await;
            let id = made["createDeal"]["deal"]["id"].clone();
            scene
                .mutate("winDeal", json!({ "id": id }), "deal { id }")
                .await;
        }
    }
}

impl Vendor for Slack {
    fn id(&self) -> &'static str {
        ID
    }

    fn setups(&self, _: Fault) -> Setups {
        let setup = SlackSetup::default();
        let limits = SlackLimits {
            rotate_tokens: true,
            ..setup.limits.clone()
        };
        Setups {
            slack: Some(SlackSetup {
                limits,
                webhooks: false,
                ..setup
            }),
            ..Setups::default()
        }
    }

    fn reads(&self) -> bool {
        false
    }

    fn fill(&self, _: &TestApp) {}

    fn add_late(&self, _: &TestApp) {}

    fn resource(&self) -> &'static str {
        "message"
    }

    fn target(&self, place: Place) -> Target {
        let path = match place {
            Place::Token => "/api/oauth.v2.access",
            _ => "/api/chat.postMessage",
        };
        Target {
            method: "POST",
            path,
            body: "",
            work: Work::Messages,
        }
    }

    fn words(&self, place: Place) -> Words {
        Words {
            headers: "",
            limited: (429, LIMITED),
            failed: FAILED,
            expired: (200, EXPIRED),
            mistyped: Some(match place {
                Place::Token => {
                    r#"{"ok":true,"access_token":17,"refresh_token":[],"expires_in":"soon"}"#
                }
                _ => r#"{"ok":true,"channel":17,"ts":null,"message":"none"}"#,
            }),
        }
    }

    fn mistype(&self, _: &TestApp) {}

    fn token_life(&self) -> Option<Duration> {
        Some(Duration::from_secs(43_200))
    }

    fn expire(&self, app: &TestApp) {
        app.slack().expire_tokens().unwrap();
    }

    fn uninstall(&self, app: &TestApp) {
        app.slack().uninstall().unwrap();
    }

    fn mend(&self, app: &TestApp) {
        app.slack().faults(|faults| faults.rules.clear());
    }

    fn redemptions(&self, app: &TestApp) -> u64 {
        app.slack().counts().of("oauth.v2.access")
    }

    fn live(&self, _: &TestApp) -> usize {
        0
    }

    fn prepare<'a>(&'a self, scene: &'a Scene) -> BoxFuture<'a, ()> {
        self.speak(scene).boxed()
    }

    fn write<'a>(&'a self, scene: &'a Scene) -> BoxFuture<'a, ()> {
        self.win(scene).boxed()
    }

    fn assert_written(&self, app: &TestApp, what: &str) {
        let channel = app.slack().channel_id("general").unwrap();
        let messages = app.slack().messages(&channel);
        for name in [CHANGED, CREATED] {
            let there = messages
                .iter()
                .filter(|message| format!("{message:?}").contains(name))
                .count();
            assert_eq!(there, 1, "{what}: {name:?} is there {there} times");
        }
    }
}
