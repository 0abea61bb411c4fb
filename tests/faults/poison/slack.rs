//! Slack has no records to read. What can kill there is a message whose posting ends its worker, and the press of a button whose delivery ends whoever
//! splits the inbox; either stops at its attempt limit, and the channel and the inbox go on.

use super::{LEASE, LIMIT, dies, struck_down};
use crate::histories::History as _;
use crate::histories::slack::{self, CHANNEL, Press, Presses};
use crate::linked::Linked;
use integrations::slack::ID;
use serde_json::{Value, json};
use tests::chaos::{Mishap, Rule};
use tests::{Options, TestApp};

/// How often a deal's victory is told in the channel.
fn times_told(app: &TestApp, deal: &str) -> usize {
    let said = serde_json::to_value(app.slack().messages(CHANNEL)).unwrap();
    let heading = format!("Deal won: {deal}");
    let is_it = |block: &Value| block["text"]["text"] == heading.as_str();
    let messages = said.as_array().unwrap().iter();
    let blocks = messages.filter_map(|message| message["blocks"].as_array());
    blocks.filter(|blocks| blocks.iter().any(is_it)).count()
}

#[tokio::test]
async fn a_message_that_kills_whoever_posts_it_is_given_up_and_the_channel_goes_on() {
    let options = Options {
        chaos: true,
        ..slack::options()
    };
    let linked = Linked::to(ID, options).await;
    let app = &linked.app;
    slack::tell_of_deals(&linked).await;
    app.drain().await;
    let deals: Vec<String> = (0..6).map(|n| format!("Deal{n}")).collect();
    for name in &deals {
        let input = json!({ "name": name });
        let made = app.mutate(linked.admin(), "createDeal", input, "deal { id }");
        let input = json!({ "id": made.await.text("/createDeal/deal/id") });
        let won = app.mutate(linked.admin(), "winDeal", input, "deal { id }");
        assert_eq!(won.await.refusals("winDeal"), Vec::<String>::new());
    }
    let poison = &deals[2];
    app.chaos().strike(Rule {
        body: poison.clone(),
        ..Rule::on("POST", "chat.postMessage", Mishap::Hang)
    });
    let killed = struck_down(app, 30).await;
    assert!(
        (1..=LIMIT).contains(&killed),
        "it killed {killed} workers, and may kill {LIMIT}"
    );
    for name in &deals {
        let times = usize::from(name != poison);
        assert_eq!(times_told(app, name), times, "{name}");
    }
    let dead = "SELECT COUNT(*) FROM chat_message WHERE dead";
    assert_eq!(app.number(dead).await, 1, "it alone is given up");
    let waiting = "SELECT COUNT(*) FROM chat_message WHERE NOT dead";
    assert_eq!(app.number(waiting).await, 0);

    // Once it is harmless, a person lets it be told.
    app.chaos().lift();
    let input = json!({ "connectionId": linked.connection.to_string() });
    app.mutate(linked.admin(), "replaySyncFailures", input, "replayed")
        .await;
    slack::spoken(&linked).await;
    for name in &deals {
        assert_eq!(times_told(app, name), 1, "{name}");
    }
    linked.app.finish().await;
}

/// So many deliveries of one state.
async fn deliveries(app: &TestApp, state: &str) -> i64 {
    let count = format!("SELECT COUNT(*) FROM inbound_webhook WHERE state = '{state}'");
    app.number(&count).await
}

/// The first word on a deal is deadly here: it is written. Who says again what was said before writes nothing.
#[tokio::test]
async fn a_press_that_kills_whoever_reads_its_delivery_is_given_up_and_the_inbox_goes_on() {
    let mut team = Presses::account().await;
    let mut messages = Vec::new();
    for _ in 0..6 {
        messages.push(team.begin().await);
    }
    let disputes = |person| Press {
        confirms: false,
        person,
    };
    for message in &messages[1..] {
        let press = team.event(&disputes(0), message, None).unwrap();
        let answer = team.linked().send(team.delivery(&[press])).await;
        assert_eq!(answer.status, 200, "{answer}");
    }
    slack::spoken(team.linked()).await;
    let done = deliveries(&team.linked().app, "DONE").await;

    // The deadly one came first, and with it those of the others.
    for message in &messages {
        let press = team.event(&disputes(1), message, None).unwrap();
        let answer = team.linked().send(team.delivery(&[press])).await;
        assert_eq!(answer.status, 200, "{answer}");
    }
    let app = &team.linked().app;
    let mut deaths = 0;
    for _ in 0..30 {
        let place = (ID, app.slack().url());
        let dead = dies(app, place, "INSERT INTO \"deal_confirmation\"").await;
        deaths += i64::from(dead);
        app.advance(LEASE);
    }
    assert!(
        (1..=LIMIT).contains(&deaths),
        "it killed {deaths} workers, and may kill {LIMIT}"
    );
    assert_eq!(deliveries(app, "DEAD").await, 1, "it alone is given up");
    assert_eq!(deliveries(app, "PENDING").await, 0);
    assert_eq!(deliveries(app, "DONE").await, done + 5);

    // Once it is harmless, the next press counts.
    let press = team.event(&disputes(0), &messages[0], None).unwrap();
    team.linked().send(team.delivery(&[press])).await;
    slack::spoken(team.linked()).await;
    for message in &messages {
        let state = team.state(message).await;
        assert_eq!(state["decision"], "DISPUTED", "{message}");
    }
    team.ended().app.finish().await;
}
