use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{Client, DATA, empty, opportunity};

/// What `getDeleted` says about the last day and the minute that is still running.
async fn deleted(client: &Client, object: &str) -> Value {
    let (from, to) = ("2000-01-01T00:00:00%2B00:00", "2100-01-01T00:00:00Z");
    client
        .get(&format!(
            "{DATA}/sobjects/{object}/deleted/?start={from}&end={to}"
        ))
        .await
}

fn deleted_ids(answer: &Value) -> Vec<String> {
    let records = answer["deletedRecords"].as_array().unwrap();
    records
        .iter()
        .map(|record| record["id"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn deleted_records_lie_in_the_bin_for_fifteen_days() {
    let (salesforce, client) = empty().await;
    let store = salesforce.store();
    let (account, deal) = opportunity(&salesforce, "Deal");
    store.delete("Account", &account).unwrap();
    assert!(
        client.query("SELECT Id FROM Opportunity").await.is_empty(),
        "what hangs on it goes too"
    );
    let gone = |days: &'static str| {
        let soql = "SELECT Id, IsDeleted FROM Opportunity WHERE IsDeleted = true";
        let client = &client;
        async move {
            let (_, body) = client.ask("queryAll", soql).await;
            (days, body["records"].as_array().unwrap().len())
        }
    };
    assert_eq!(gone("today").await.1, 1);
    assert!(
        deleted_ids(&deleted(&client, "Opportunity").await).is_empty(),
        "the running minute is not covered"
    );
    salesforce.clock().advance(Duration::from_secs(60));
    let answer = deleted(&client, "Opportunity").await;
    assert_eq!(deleted_ids(&answer), std::slice::from_ref(&deal));
    assert!(
        answer["latestDateCovered"]
            .as_str()
            .unwrap()
            .ends_with(":00.000+0000"),
        "{answer}"
    );
    store.undelete("Account", &account).unwrap();
    store.undelete("Opportunity", &deal).unwrap();
    assert_eq!(client.query("SELECT Id FROM Opportunity").await.len(), 1);
    assert!(
        deleted_ids(&deleted(&client, "Opportunity").await).is_empty(),
        "it came back"
    );
    store.delete("Opportunity", &deal).unwrap();
    salesforce
        .clock()
        .advance(Duration::from_secs(15 * 24 * 3600 + 60));
    let client = Client::connect(salesforce.url()).await;
    let (_, body) = client.ask("queryAll", "SELECT Id FROM Opportunity").await;
    assert_eq!(body["totalSize"], 0);
    assert!(deleted_ids(&deleted(&client, "Opportunity").await).is_empty());
}

#[tokio::test]
async fn an_emptied_bin_is_known_to_the_log_only_and_the_log_may_have_gaps() {
    let (salesforce, client) = empty().await;
    let store = salesforce.store();
    let id = client.create("Account", json!({"Name": "Gone"})).await;
    store.delete("Account", &id).unwrap();
    store.empty_bin();
    let (_, body) = client.ask("queryAll", "SELECT Id FROM Account").await;
    assert_eq!(body["totalSize"], 0);
    salesforce.clock().advance(Duration::from_secs(60));
    assert_eq!(deleted_ids(&deleted(&client, "Account").await), [id]);
    let now = salesforce.clock().now_ms();
    store.purge_delete_log(now);
    let answer = deleted(&client, "Account").await;
    assert!(deleted_ids(&answer).is_empty());
    assert!(
        answer["earliestDateAvailable"].as_str().unwrap() > "2026",
        "{answer}"
    );
    let path = format!(
        "{DATA}/sobjects/Account/deleted?start=2026-01-01T00:00:10Z&end=2026-01-01T00:00:50Z"
    );
    let (status, answer) = client.send("GET", &path, None).await;
    assert_eq!(
        (status, &answer[0]["errorCode"]),
        (400, &json!("INVALID_REPLICATION_DATE")),
        "seconds are ignored"
    );
    let path = format!(
        "{DATA}/sobjects/OpportunityPartner/deleted?start=2026-01-01T00:00:00Z&end=2026-01-02T00:00:00Z"
    );
    assert_eq!(
        client.send("GET", &path, None).await.0,
        400,
        "only queryAll knows of these"
    );
}

#[tokio::test]
async fn a_merge_names_its_winner_and_moves_the_children_quietly() {
    let (salesforce, client) = empty().await;
    let store = salesforce.store();
    let (loser, deal) = opportunity(&salesforce, "Deal");
    let winner = store.create("Account", json!({"Name": "Winner"})).unwrap();
    let before = store.get("Opportunity", &deal).unwrap();
    salesforce.clock().advance(Duration::from_secs(5));
    store.merge("Account", &winner, &[&loser]).unwrap();
    let (_, body) = client
        .ask(
            "queryAll",
            "SELECT Id, IsDeleted, MasterRecordId FROM Account ORDER BY Name",
        )
        .await;
    assert_eq!(
        (
            &body["records"][0]["IsDeleted"],
            &body["records"][0]["MasterRecordId"]
        ),
        (&json!(true), &json!(winner))
    );
    let after = store.get("Opportunity", &deal).unwrap();
    assert_eq!(after["AccountId"], json!(winner));
    assert_eq!(after["LastModifiedDate"], before["LastModifiedDate"]);
    assert_ne!(after["SystemModstamp"], before["SystemModstamp"]);
    assert!(
        store.undelete("Account", &loser).is_err(),
        "a merged record does not come back"
    );
    assert!(store.merge("Opportunity", &deal, &[&deal]).is_err());
}

#[tokio::test]
async fn a_converted_lead_shows_it_only_by_its_stamp() {
    let (salesforce, client) = empty().await;
    let store = salesforce.store();
    let lead = store
        .create(
            "Lead",
            json!({"LastName": "Lee", "Company": "Lee Ltd", "Email": "lee@leads.example"}),
        )
        .unwrap();
    let before = store.get("Lead", &lead).unwrap();
    salesforce.clock().advance(Duration::from_secs(5));
    let became = store.convert_lead(&lead).unwrap();
    let after = store.get("Lead", &lead).unwrap();
    assert_eq!(
        (&after["IsConverted"], &after["ConvertedOpportunityId"]),
        (&json!(true), &json!(became.opportunity))
    );
    assert_eq!(after["LastModifiedDate"], before["LastModifiedDate"]);
    assert_ne!(after["SystemModstamp"], before["SystemModstamp"]);
    let row = &client
        .query("SELECT Account.Name, AccountId FROM Contact")
        .await[0];
    assert_eq!(
        (&row["Account"]["Name"], &row["AccountId"]),
        (&json!("Lee Ltd"), &json!(became.account))
    );
    assert_eq!(
        store.convert_lead(&lead).unwrap_err().code,
        "CANNOT_UPDATE_CONVERTED_LEAD"
    );
}

#[tokio::test]
async fn background_work_moves_only_the_stamp_and_a_late_row_lands_behind() {
    let (salesforce, client) = empty().await;
    let store = salesforce.store();
    let (_, deal) = opportunity(&salesforce, "Deal");
    let before = store.get("Opportunity", &deal).unwrap();
    salesforce.clock().advance(Duration::from_secs(5));
    store
        .update_in_background("Opportunity", &deal, json!({"NextStep": "Computed"}))
        .unwrap();
    let after = store.get("Opportunity", &deal).unwrap();
    assert_eq!(
        (&after["NextStep"], &after["LastModifiedDate"]),
        (&json!("Computed"), &before["LastModifiedDate"])
    );
    assert_ne!(after["SystemModstamp"], before["SystemModstamp"]);
    store
        .set_stamp("Opportunity", &deal, 1_700_000_000_000)
        .unwrap();
    let late = client
        .column(
            "SELECT Id FROM Opportunity WHERE SystemModstamp < 2024-01-01T00:00:00Z",
            "Id",
        )
        .await;
    assert_eq!(late, [deal]);
}
