use serde_json::json;

use crate::harness::{DATA, Receiver, between, empty, opportunity};

#[tokio::test]
async fn creations_and_changes_are_told_by_a_person_and_by_the_app() {
    let (salesforce, client) = empty().await;
    let receiver = Receiver::start();
    salesforce
        .set_webhook_target(Some(receiver.url.clone()))
        .unwrap();
    let id = client
        .create("Account", json!({"Name": "A & <B>", "Type": "Other"}))
        .await;
    salesforce.webhooks_idle().await;
    let arrived = receiver.arrived();
    assert_eq!(arrived.len(), 1);
    let message = &arrived[0];
    assert_eq!(between(message, "OrganizationId"), [salesforce.tenant()]);
    assert!(message.contains("<SessionId xsi:nil=\"true\"/>"));
    assert!(message.contains("xmlns=\"http://soap.sforce.com/2005/09/outbound\""));
    assert!(
        message.contains(
            "xsi:type=\"sf:Account\" xmlns:sf=\"urn:sobject.enterprise.soap.sforce.com\""
        )
    );
    assert_eq!(between(message, "sf:Id"), [id.as_str()]);
    assert_eq!(between(message, "sf:Name"), ["A &amp; &lt;B&gt;"]);
    assert!(between(message, "sf:SystemModstamp")[0].ends_with(".000Z"));
    assert!(
        between(message, "sf:Website").is_empty(),
        "empty fields are left out"
    );
    assert!(between(message, "Id")[0].starts_with("04l"));
    salesforce
        .store()
        .update("Account", &id, json!({"Name": "By hand"}))
        .unwrap();
    salesforce
        .store()
        .update_in_background("Account", &id, json!({"Phone": "1"}))
        .unwrap();
    salesforce.store().delete("Account", &id).unwrap();
    salesforce.webhooks_idle().await;
    let counts = salesforce.webhook_counts();
    assert_eq!(
        (counts.delivered, counts.given_up),
        (2, 0),
        "deletions and background work are not told"
    );
}

#[tokio::test]
async fn a_message_is_tried_again_until_it_is_acknowledged_and_holds_the_values_of_now() {
    let (salesforce, _client) = empty().await;
    let receiver = Receiver::start();
    receiver.refuse(2);
    salesforce
        .set_webhook_target(Some(receiver.url.clone()))
        .unwrap();
    let store = salesforce.store();
    let id = store.create("Account", json!({"Name": "First"})).unwrap();
    salesforce.webhooks_idle().await;
    let arrived = receiver.arrived();
    assert_eq!(arrived.len(), 3);
    assert_eq!(
        between(&arrived[0], "Id"),
        between(&arrived[2], "Id"),
        "a repetition has its number"
    );
    assert_eq!(salesforce.webhook_counts().delivered, 1);
    receiver.refuse(usize::MAX);
    store
        .update("Account", &id, json!({"Name": "Second"}))
        .unwrap();
    salesforce.webhooks_idle().await;
    assert_eq!(
        salesforce.webhook_counts().given_up,
        1,
        "after a day nobody tries any more"
    );
    assert_eq!(
        between(receiver.arrived().last().unwrap(), "sf:Name"),
        ["Second"]
    );
}

#[tokio::test]
async fn messages_hold_a_hundred_notifications_of_one_object() {
    let (salesforce, client) = empty().await;
    let receiver = Receiver::start();
    salesforce
        .set_webhook_target(Some(receiver.url.clone()))
        .unwrap();
    let records: Vec<_> = (0..150)
        .map(|n| json!({"attributes": {"type": "Account"}, "Name": n.to_string()}))
        .collect();
    let (status, _) = client
        .send(
            "POST",
            &format!("{DATA}/composite/sobjects"),
            Some(json!({"records": records})),
        )
        .await;
    assert_eq!(status, 200);
    opportunity(&salesforce, "Deal");
    salesforce.webhooks_idle().await;
    let arrived = receiver.arrived();
    assert!(
        arrived
            .iter()
            .all(|message| between(message, "sf:Id").len() <= 100)
    );
    assert!(
        arrived
            .iter()
            .all(|message| !(message.contains("sf:Account\"")
                && message.contains("sf:Opportunity\"")))
    );
    assert_eq!(
        arrived
            .iter()
            .map(|message| between(message, "sf:Id").len())
            .sum::<usize>(),
        152
    );
}

#[tokio::test]
async fn messages_come_twice_go_astray_and_lie() {
    let (salesforce, _client) = empty().await;
    let receiver = Receiver::start();
    salesforce
        .set_webhook_target(Some(receiver.url.clone()))
        .unwrap();
    let store = salesforce.store();
    salesforce.faults(|faults| faults.webhooks.duplicate = true);
    store.create("Account", json!({"Name": "Twice"})).unwrap();
    salesforce.webhooks_idle().await;
    let arrived = receiver.arrived();
    assert_eq!(arrived.len(), 2);
    assert_eq!(between(&arrived[0], "Id"), between(&arrived[1], "Id"));
    salesforce.faults(|faults| {
        faults.webhooks.duplicate = false;
        faults.webhooks.drop = true;
    });
    store.create("Account", json!({"Name": "Lost"})).unwrap();
    salesforce.webhooks_idle().await;
    assert_eq!(receiver.arrived().len(), 2);
    salesforce.faults(|faults| {
        faults.webhooks.drop = false;
        faults.webhooks.wrong_signature = true;
    });
    store
        .create("Account", json!({"Name": "Of another org"}))
        .unwrap();
    salesforce.webhooks_idle().await;
    assert_ne!(
        between(&receiver.arrived()[2], "OrganizationId"),
        [salesforce.tenant()]
    );
    let far = url::Url::parse("http://example.com/x").unwrap();
    assert!(
        salesforce.set_webhook_target(Some(far)).is_err(),
        "nothing leaves the machine"
    );
}
