//! A chat: who is told of what, how often, and what people answer.

use super::talker::Slip;
use super::*;
use crate::error::LimitScope;
use entities::chat_message::{self, UNCERTAIN};
use entities::deal_confirmation::{self, Decision};
use entities::id::{DealId, TypedId};

const CHAT: &str = "talk";

/// A CRM and a chat that hears of won and lost deals.
async fn chat() -> Bed {
    let bed = bed_of(vec![Vendor::new(), Vendor::chat(CHAT, "T1")]).await;
    bed.map(CHAT, |mapping| {
        mapping.chat.channel = Some("C1".to_owned());
        mapping.chat.deal_won = true;
        mapping.chat.deal_lost = true;
    })
    .await;
    bed.vendor.company("10", &[("name", "Acme <!channel>")]);
    bed.vendor
        .company("20", &[("name", "Melvin"), ("type", "PARTNER")]);
    bed.sync().await;
    bed
}

impl Bed {
    fn talk(&self) -> &Vendor {
        &self.others[0].0
    }

    /// The vendor moves a deal to a stage.
    async fn moves(&self, id: &str, stage: &str) {
        let fields = [("dealname", id), ("dealstage", stage), ("amount", "7")];
        self.vendor
            .deal(id, &fields, &[("10", ""), ("20", "Partner")]);
        self.tell("hubspot", &[("77", "deal", id)]).await;
        self.drain().await;
    }

    /// Reads the log to its end. On PostgreSQL a transaction that is still open anywhere on the server holds up the last events.
    async fn hear(&self) {
        loop {
            while self.engine.listen().await.unwrap() {}
            let read = self.database.read();
            let events = event::Entity::find().all(read).await.unwrap();
            let last = events.iter().map(event::Position::from).max();
            let place = entities::event_reader::place(read, "chat").await.unwrap();
            if last <= place {
                break;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// What is due is said; a channel's next turn comes after a second.
    async fn say(&self) {
        for _ in 0..5 {
            self.hear().await;
            while self.engine.chat_step().await.unwrap() {}
            self.clock.0.fetch_add(1_100, Ordering::SeqCst);
        }
    }

    async fn waiting(&self) -> Vec<chat_message::Model> {
        chat_message::Entity::find()
            .all(self.database.read())
            .await
            .unwrap()
    }

    async fn pressed(&self, action: &str, user: &str) {
        let said = self.talk().press("C1", action, user);
        self.tell(CHAT, &[("T1", "action", &said)]).await;
        self.drain().await;
        self.say().await;
    }

    async fn confirmations(&self) -> Vec<deal_confirmation::Model> {
        let rows = deal_confirmation::Entity::find()
            .all(self.database.read())
            .await;
        let mut rows = rows.unwrap();
        rows.sort_by_key(|row| row.id);
        rows
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_won_deal_is_told_once_and_confirmed_by_one_person() {
    let bed = chat().await;
    // What was there before is history.
    bed.say().await;
    bed.moves("old", "prospecting").await;
    bed.moves("big", "closedwon").await;
    bed.say().await;
    bed.say().await;
    let said = bed.talk().said("C1");
    assert_eq!(said.len(), 1, "{said:?}");
    let message = &said[0];
    assert_eq!(message.heading, "Deal won: big");
    assert!(
        message
            .facts
            .contains(&("Customer".to_owned(), "Acme <!channel>".to_owned()))
    );
    assert!(
        message
            .facts
            .iter()
            .any(|(name, value)| name == "Partner" && value.contains("Melvin"))
    );
    let labels: Vec<&str> = message
        .buttons
        .iter()
        .map(|button| button.label.as_str())
        .collect();
    assert_eq!(labels, ["Confirm", "Dispute"]);
    bed.pressed("deal.dispute", "U1").await;
    assert_eq!(bed.talk().said("C1")[0].buttons.len(), 1);
    bed.pressed("deal.confirm", "U2").await;
    bed.pressed("deal.confirm", "U2").await;
    bed.pressed("deal.confirm", "U3").await;
    let rows = bed.confirmations().await;
    let said: Vec<(Decision, &str)> = rows
        .iter()
        .map(|row| (row.decision, row.user_id.as_str()))
        .collect();
    assert_eq!(
        said,
        [(Decision::Disputed, "U1"), (Decision::Confirmed, "U2")]
    );
    assert_eq!(bed.events("deal.outcome_confirmed").await.len(), 1);
    assert_eq!(bed.events("deal.outcome_disputed").await.len(), 1);
    let message = bed.talk().said("C1").remove(0);
    assert!(message.note.unwrap().starts_with("Confirmed by U2"));
    assert!(message.buttons.is_empty());
    assert_eq!(bed.talk().talk.lock().unwrap().posts, 1);
    assert_eq!(bed.waiting().await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_button_of_a_deal_that_was_reopened_says_so_and_confirms_nothing() {
    let bed = chat().await;
    bed.moves("big", "closedwon").await;
    bed.say().await;
    bed.pressed("deal.confirm", "U1").await;
    let deal = bed.deals().await.remove("big").unwrap();
    let viewer = entities::viewer::Viewer::system("t");
    let holds = async || {
        let read = bed.database.read();
        let found = deal_confirmation::current(read, &viewer, &[deal.id])
            .await
            .unwrap();
        !found.is_empty()
    };
    assert!(holds().await);
    bed.moves("big", "prospecting").await;
    bed.say().await;
    assert!(!holds().await);
    bed.pressed("deal.dispute", "U2").await;
    let message = bed.talk().said("C1").remove(0);
    assert!(message.note.unwrap().contains("reopened"));
    assert_eq!(bed.confirmations().await.len(), 1);
    // Won again it is another outcome, told anew.
    bed.moves("big", "closedwon").await;
    bed.say().await;
    assert_eq!(bed.talk().said("C1").len(), 2);
    assert!(!holds().await);
    bed.pressed("deal.confirm", "U2").await;
    assert!(holds().await);
    // A button that we never made, and one below what was told nowhere.
    let fresh: entities::id::EventId = bed.database.new_id();
    for value in ["nonsense".to_owned(), fresh.to_string()] {
        let said = format!("deal.confirm|{value}|U9|C1|m0|x");
        bed.tell(CHAT, &[("T1", "action", &said)]).await;
    }
    bed.drain().await;
    assert_eq!(bed.confirmations().await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_message_a_second_and_channel_and_a_partner_has_its_own() {
    let bed = chat().await;
    let partner = partner::Entity::find()
        .one(bed.database.read())
        .await
        .unwrap()
        .unwrap();
    for id in ["a", "b", "c"] {
        bed.moves(id, "closedlost").await;
    }
    bed.hear().await;
    let key = entities::connection::mapping::chat::PartnerKey(partner.id);
    bed.map(CHAT, |mapping| {
        mapping.chat.partners = [(key, "C2".to_owned())].into();
    })
    .await;
    bed.moves("d", "closedwon").await;
    bed.hear().await;
    while bed.engine.chat_step().await.unwrap() {}
    // Each channel had one turn.
    assert_eq!(
        (bed.talk().said("C1").len(), bed.talk().said("C2").len()),
        (1, 1)
    );
    // A limit holds up its channel only, for as long as the vendor said, and burns no attempt.
    bed.clock.0.fetch_add(1_100, Ordering::SeqCst);
    bed.talk().slip(Slip::Refused(ConnectorError::RateLimited {
        retry_after: Duration::from_secs(30),
        scope: LimitScope::Pace,
    }));
    while bed.engine.chat_step().await.unwrap() {}
    bed.clock.0.fetch_add(20_000, Ordering::SeqCst);
    bed.moves("e", "closedwon").await;
    bed.hear().await;
    while bed.engine.chat_step().await.unwrap() {}
    assert_eq!(
        (bed.talk().said("C1").len(), bed.talk().said("C2").len()),
        (1, 2)
    );
    assert!(
        bed.waiting()
            .await
            .iter()
            .all(|row| row.attempts == 0 && row.sent_at.is_none())
    );
    bed.clock.0.fetch_add(11_000, Ordering::SeqCst);
    bed.say().await;
    let headings: Vec<String> = bed
        .talk()
        .said("C1")
        .into_iter()
        .map(|message| message.heading)
        .collect();
    assert_eq!(headings, ["Deal lost: a", "Deal lost: b", "Deal lost: c"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_may_be_there_is_looked_for_and_never_doubled() {
    let bed = chat().await;
    bed.talk().slip(Slip::Lost);
    bed.moves("a", "closedwon").await;
    bed.say().await;
    let counts = || {
        let talk = bed.talk().talk.lock().unwrap();
        (talk.posts, talk.looks, talk.messages.len())
    };
    assert_eq!(counts(), (1, 1, 1));
    assert_eq!(bed.waiting().await, []);
    // A worker that is killed while it waits for the answer.
    bed.talk().slip(Slip::Silent);
    bed.moves("b", "closedwon").await;
    bed.hear().await;
    let step = bed.engine.chat_step();
    assert!(
        tokio::time::timeout(Duration::from_millis(300), step)
            .await
            .is_err()
    );
    bed.engine.break_leases().await.unwrap();
    bed.clock.0.fetch_add(1_100, Ordering::SeqCst);
    bed.say().await;
    assert_eq!(counts(), (2, 2, 2));
    // Where nobody may look, a person decides.
    bed.talk().talk.lock().unwrap().blind = true;
    bed.talk().slip(Slip::Lost);
    bed.moves("c", "closedwon").await;
    bed.say().await;
    bed.say().await;
    assert_eq!(counts(), (3, 3, 3));
    let rows = bed.waiting().await;
    assert!(rows[0].dead && rows[0].error.as_deref().unwrap().starts_with(UNCERTAIN));
    let row = bed.connection_of(CHAT).await;
    let facts = crate::health::facts(&bed.database, std::slice::from_ref(&row))
        .await
        .unwrap();
    assert_eq!(facts[&row.id].dead, 1);
    let change = bed.change().await;
    let replayed = chat_message::replay(&change, row.id, &[rows[0].event_id])
        .await
        .unwrap();
    change.commit().await.unwrap();
    assert_eq!(replayed, 1);
    bed.say().await;
    assert_eq!(counts(), (4, 3, 4));
    assert_eq!(bed.waiting().await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_are_given_up_and_a_consent_that_is_gone_is_waited_for() {
    let bed = chat().await;
    bed.talk().slip(Slip::Refused(ConnectorError::permanent(
        "not_in_channel",
        "Invite the app.",
    )));
    bed.moves("a", "closedwon").await;
    bed.say().await;
    let rows = bed.waiting().await;
    assert!(
        rows[0].dead
            && rows[0]
                .error
                .as_deref()
                .unwrap()
                .contains("Invite the app.")
    );
    assert_eq!(bed.events("sync.push_failed").await.len(), 1);
    assert_eq!(rows[0].sent_at, None);
    bed.talk().slip(Slip::Refused(ConnectorError::Auth {
        reconnect: true,
        message: "token_revoked".to_owned(),
    }));
    bed.moves("b", "closedwon").await;
    bed.say().await;
    assert_eq!(
        bed.connection_of(CHAT).await.status,
        ConnectionStatus::ReauthRequired
    );
    assert_eq!(bed.waiting().await.len(), 2);
    connect(&bed.engine, CHAT).await;
    bed.say().await;
    assert_eq!(bed.talk().said("C1").len(), 1);
    let deal: DealId = bed.deals().await["a"].id;
    let known = chat_message::list_about(bed.database.read(), deal.uuid())
        .await
        .unwrap();
    assert_eq!(known.len(), 1);
    let channels = bed
        .engine
        .chat_channels(bed.connection_of(CHAT).await.id)
        .await
        .unwrap();
    assert_eq!(channels[0].name, "deals");
    assert!(bed.engine.chat_channels(bed.connection.id).await.is_err());
}
