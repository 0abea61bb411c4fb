//! Money, answers and wishes: what is recorded once stays, whoever tells it again and in whatever order.

use crate::bed::{Bed, each};
use entities::change::{Author, Change, Origin};
use entities::chat_message::{self, NewChatMessage, channel};
use entities::deal::{self, DealStage, NewDeal};
use entities::deal_confirmation::{self, Decision, NewConfirmation};
use entities::error::Error;
use entities::id::{ConnectionId, DealId, EventId, TypedId as _};
use entities::money::Money;
use entities::privacy_request::{self, Done, NewPrivacyRequest, PrivacyKind, Subject};
use entities::revenue_event::{self, Concerns, NewRevenue, RevenueKind};
use entities::viewer::Viewer;
use sea_orm::EntityTrait;
use serde_json::json;

impl Bed {
    async fn change(&self) -> Change {
        let author = Author {
            actor: "test".to_owned(),
            origin: Origin::Sync,
            connection: None,
        };
        Change::begin(&self.database, author).await.unwrap()
    }

    async fn deal(&self) -> DealId {
        let mut change = self.change().await;
        let new = NewDeal {
            name: "a".to_owned(),
            customer_id: None,
            stage: DealStage::Won,
            source_stage: None,
            amount: None,
            expected_close_on: None,
            closed_at: None,
            lost_reason: None,
            owner_name: None,
            owner_email: None,
            products: vec![],
            archived: false,
        };
        let made = deal::create(&mut change, vec![new]).await.unwrap();
        change.commit().await.unwrap();
        made[0].id
    }
}

fn told(key: &str, kind: RevenueKind, minor: i64) -> NewRevenue {
    NewRevenue {
        external_key: key.to_owned(),
        kind,
        amount: Money {
            minor,
            currency: "EUR".parse().unwrap(),
        },
        occurred_at: entities::clock::Timestamp::from_secs(1),
        concerns: Concerns::default(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_money_is_recorded_once_and_only_whom_it_concerns_is_completed() {
    each(async |bed: Bed| {
        let connection = Some(bed.connection("ACTIVE", None).await);
        let deal = bed.deal().await;
        let mut change = bed.change().await;
        let twice = vec![
            told("p", RevenueKind::Payment, 500),
            told("p", RevenueKind::Payment, 500),
            told("r", RevenueKind::Refund, 200),
        ];
        let recorded = revenue_event::record(&mut change, connection, twice)
            .await
            .unwrap();
        assert_eq!((recorded.created.len(), change.event_count()), (2, 2));
        change.commit().await.unwrap();
        bed.clock.advance_millis(1);
        let mut change = bed.change().await;
        let mut known = told("p", RevenueKind::Payment, 500);
        known.concerns.deal_id = Some(deal);
        let again = vec![known.clone(), told("r", RevenueKind::Refund, 201)];
        let recorded = revenue_event::record(&mut change, connection, again)
            .await
            .unwrap();
        assert_eq!((recorded.created.len(), recorded.completed), (0, 1));
        assert_eq!(recorded.differing, ["r"]);
        // Who is known stays, and telling it again is nothing new.
        known.concerns.deal_id = Some(bed.database.new_id());
        let recorded = revenue_event::record(&mut change, connection, vec![known])
            .await
            .unwrap();
        assert_eq!(recorded.completed, 0);
        change.commit().await.unwrap();
        // Another source may use the same key.
        let mut change = bed.change().await;
        let manual = vec![told("p", RevenueKind::Adjustment, -1)];
        let recorded = revenue_event::record(&mut change, None, manual)
            .await
            .unwrap();
        assert_eq!(recorded.created[0].source, revenue_event::MANUAL);
        change.commit().await.unwrap();
        let rows = revenue_event::Entity::find()
            .all(bed.database.read())
            .await
            .unwrap();
        assert_eq!(rows.len(), 3);
        assert_eq!(
            rows.iter().map(|row| row.net().minor).sum::<i64>(),
            500 - 200 - 1
        );
        let nobody = Viewer::nobody();
        let seen = revenue_event::list_of_deals(bed.database.read(), &nobody, &[deal]).await;
        assert_eq!(seen.unwrap(), []);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_money_is_refused_whole() {
    each(async |bed: Bed| {
        for bad in [
            told("", RevenueKind::Payment, 1),
            told("x", RevenueKind::Payment, 0),
            told("x", RevenueKind::Refund, -1),
            told("x", RevenueKind::Adjustment, 0),
        ] {
            let mut change = bed.change().await;
            let all = vec![told("good", RevenueKind::Payment, 1), bad];
            let refused = revenue_event::record(&mut change, None, all).await;
            assert!(matches!(refused, Err(Error::Invalid(_))));
            change.commit().await.unwrap();
        }
        let rows = revenue_event::Entity::find()
            .all(bed.database.read())
            .await
            .unwrap();
        assert_eq!(rows, []);
    })
    .await;
}

fn answer(
    deal_id: DealId,
    event_id: EventId,
    connection_id: ConnectionId,
    decision: Decision,
    who: &str,
) -> NewConfirmation {
    NewConfirmation {
        deal_id,
        outcome: DealStage::Won,
        decision,
        event_id,
        connection_id,
        user_id: who.to_owned(),
        user_name: None,
        occurred_at: entities::clock::Timestamp::from_secs(1),
        dedupe_key: format!("{who}{decision:?}{event_id}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_confirmation_stands_until_the_deal_is_reopened() {
    each(async |bed: Bed| {
        let connection = bed.connection("ACTIVE", None).await;
        let (deal, event) = (bed.deal().await, bed.database.new_id());
        let system = Viewer::system("t");
        let mut change = bed.change().await;
        let said = [
            (Decision::Disputed, "one", true),
            (Decision::Disputed, "one", false),
            (Decision::Disputed, "two", false),
            (Decision::Confirmed, "two", true),
            (Decision::Confirmed, "three", false),
            (Decision::Disputed, "three", false),
        ];
        for (decision, who, kept) in said {
            let new = answer(deal, event, connection, decision, who);
            let was = deal_confirmation::confirm(&mut change, new).await.unwrap();
            assert_eq!(was, kept, "{decision:?} {who}");
        }
        let read = change.transaction();
        let now = deal_confirmation::current(read, &system, &[deal])
            .await
            .unwrap();
        assert_eq!(
            (now[&deal].decision, now[&deal].user_id.as_str()),
            (Decision::Confirmed, "two")
        );
        deal_confirmation::supersede(&change, &[deal])
            .await
            .unwrap();
        let now = deal_confirmation::current(read, &system, &[deal])
            .await
            .unwrap();
        assert!(now.is_empty());
        let new = answer(
            deal,
            bed.database.new_id(),
            connection,
            Decision::Confirmed,
            "two",
        );
        assert!(deal_confirmation::confirm(&mut change, new).await.unwrap());
        change.commit().await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wish_is_kept_once_and_forgets_whom_it_was_about() {
    each(async |bed: Bed| {
        let connection_id = bed.connection("REVOKED", None).await;
        let wish = |kind| NewPrivacyRequest {
            connection_id,
            kind,
            request_id: "7".to_owned(),
            subject: Subject {
                email: Some("jo@x.example".to_owned()),
                ..Subject::default()
            },
        };
        let mut change = bed.change().await;
        let asked = privacy_request::request(&mut change, wish(PrivacyKind::DataRequest)).await;
        let asked = asked.unwrap().unwrap();
        assert!(!format!("{asked:?}").contains("jo@x"));
        let again = privacy_request::request(&mut change, wish(PrivacyKind::DataRequest)).await;
        assert_eq!(again.unwrap(), None);
        let export = Some(json!({ "person": "jo@x.example" }));
        let kept = privacy_request::complete(&mut change, asked, Done::default(), export).await;
        assert!(kept.unwrap().subject.is_some());
        let erase = privacy_request::request(&mut change, wish(PrivacyKind::RedactPerson)).await;
        let erase = erase.unwrap().unwrap();
        let gone = privacy_request::complete(&mut change, erase, Done::default(), None).await;
        assert_eq!(gone.unwrap().subject, None);
        let about = |subject: &Subject| subject.email.as_deref() == Some("jo@x.example");
        privacy_request::forget_exports(&change, connection_id, about)
            .await
            .unwrap();
        change.commit().await.unwrap();
        let rows = privacy_request::Entity::find()
            .all(bed.database.read())
            .await
            .unwrap();
        assert!(
            rows.iter()
                .all(|row| row.export.is_none() && row.subject.is_none())
        );
        assert!(
            privacy_request::find_due(bed.database.read(), bed.database.now())
                .await
                .unwrap()
                .is_none()
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_of_a_channel_are_a_second_apart_and_stay_in_order_when_they_wait() {
    each(async |bed: Bed| {
        let connection_id = bed.connection("ACTIVE", None).await;
        let deal_id = bed.deal().await;
        let new = |channel: &str| NewChatMessage {
            connection_id,
            event_id: bed.database.new_id(),
            subject: (DealId::PREFIX, deal_id.0),
            channel: channel.to_owned(),
        };
        let change = bed.change().await;
        let messages = vec![new("a"), new("a"), new("b"), new("a")];
        chat_message::raise(&change, messages.clone())
            .await
            .unwrap();
        change.commit().await.unwrap();
        let due = async |channel: &str| {
            let rows = chat_message::Entity::find()
                .all(bed.database.read())
                .await
                .unwrap();
            let mut rows: Vec<_> = rows
                .into_iter()
                .filter(|row| row.resource == channel)
                .collect();
            rows.sort_by_key(|row| row.available_at);
            let now = bed.database.now().millis();
            rows.iter()
                .map(|row| row.available_at.millis() - now)
                .collect::<Vec<_>>()
        };
        assert_eq!(
            (due("a").await, due("b").await),
            (vec![0, 1_000, 2_000], vec![0])
        );
        let take = async |name: &str| {
            channel::take_turn(&bed.database, connection_id, name)
                .await
                .unwrap()
        };
        assert_eq!((take("a").await, take("b").await), (Ok(()), Ok(())));
        let free = bed.database.now().plus_millis(1_000);
        assert_eq!(take("a").await, Err(free));
        let until = bed.database.now().plus_millis(30_000);
        channel::hold_until(&bed.database, connection_id, "a", until)
            .await
            .unwrap();
        assert_eq!(due("a").await, [31_000, 32_000, 33_000]);
        assert_eq!(due("b").await, [0]);
        assert_eq!(take("a").await, Err(until));
        // The same again is the next generation of the one that waits, not a second one.
        let change = bed.change().await;
        chat_message::raise(&change, vec![messages[0].clone()])
            .await
            .unwrap();
        change.commit().await.unwrap();
        let rows = chat_message::Entity::find()
            .all(bed.database.read())
            .await
            .unwrap();
        assert_eq!(rows.len(), 4);
        assert_eq!(rows.iter().map(|row| row.generation).max(), Some(2));
    })
    .await;
}
