use std::time::Duration;

use sandbox::SalesforceSource;
use serde_json::{Value, json};

use crate::harness::{Client, DATA, opportunity, options, started};

const JOBS: &str = "/services/data/v68.0/jobs/query";

async fn page(client: &Client, job: &str, more: &str) -> (u16, String, String, Vec<Vec<String>>) {
    let answer = client
        .request("GET", &format!("{JOBS}/{job}/results{more}"))
        .send()
        .await
        .unwrap();
    let status = answer.status().as_u16();
    let header = |name: &str| {
        let value = answer.headers().get(name);
        value.map_or(String::new(), |value| value.to_str().unwrap().to_owned())
    };
    let (locator, count) = (header("sforce-locator"), header("sforce-numberofrecords"));
    let text = answer.text().await.unwrap();
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .from_reader(text.as_bytes());
    let rows = reader
        .records()
        .map(|row| row.unwrap().iter().map(str::to_owned).collect());
    (status, locator, count, rows.collect())
}

#[tokio::test]
async fn a_job_takes_its_time_and_is_read_in_pages() {
    let mut slow = options(SalesforceSource::Generated { opportunities: 25 });
    slow.limits.bulk_job = Duration::from_secs(100);
    let (salesforce, client) = started(slow).await;
    let asked = json!({"operation": "query", "query": "SELECT Id, Name, Amount, Account.Name, SystemModstamp FROM Opportunity"});
    let (status, job) = client.send("POST", JOBS, Some(asked)).await;
    assert_eq!(status, 200, "{job}");
    let id = job["id"].as_str().unwrap().to_owned();
    assert_eq!(
        (&job["state"], &job["object"]),
        (&json!("UploadComplete"), &json!("Opportunity"))
    );
    assert_eq!(page(&client, &id, "").await.0, 400, "there is nothing yet");
    salesforce.clock().advance(Duration::from_secs(60));
    assert_eq!(
        client.get(&format!("{JOBS}/{id}")).await["state"],
        "InProgress"
    );
    assert_eq!(
        client.send("DELETE", &format!("{JOBS}/{id}"), None).await.0,
        400
    );
    salesforce.clock().advance(Duration::from_secs(60));
    let job = client.get(&format!("{JOBS}/{id}")).await;
    assert_eq!(
        (&job["state"], &job["numberRecordsProcessed"]),
        (&json!("JobComplete"), &json!(25))
    );
    opportunity(&salesforce, "Too late");
    let (mut locator, mut ids) = (String::new(), Vec::new());
    while locator != "null" {
        let (status, next, count, rows) =
            page(&client, &id, &format!("?maxRecords=10&locator={locator}")).await;
        assert_eq!(status, 200);
        assert_eq!(
            rows[0],
            ["Id", "Name", "Amount", "Account.Name", "SystemModstamp"],
            "on every page"
        );
        assert_eq!(count, (rows.len() - 1).to_string());
        assert!(rows[1][4].ends_with(".000Z"), "{:?}", rows[1]);
        ids.extend(rows.into_iter().skip(1).map(|row| row[0].clone()));
        locator = next;
    }
    assert_eq!(ids, salesforce.store().ids("Opportunity")[..25]);
    assert_eq!(page(&client, &id, "?locator=nonsense").await.0, 400);
    assert_eq!(page(&client, &id, "?maxRecords=0").await.0, 400);
    assert_eq!(
        client.send("DELETE", &format!("{JOBS}/{id}"), None).await.0,
        204
    );
    assert_eq!(
        client.send("GET", &format!("{JOBS}/{id}"), None).await.0,
        404
    );
}

#[tokio::test]
async fn jobs_refuse_what_they_cannot_do_and_see_the_bin_when_asked() {
    let (salesforce, client) = started(options(SalesforceSource::Empty)).await;
    for (query, code) in [
        ("SELECT Nothing FROM Account", "INVALID_FIELD"),
        ("SELECT COUNT() FROM Account", "INVALIDJOB"),
        (
            "SELECT Id, (SELECT Id FROM Contacts) FROM Account",
            "INVALIDJOB",
        ),
    ] {
        let (status, answer) = client
            .send(
                "POST",
                JOBS,
                Some(json!({"operation": "query", "query": query})),
            )
            .await;
        assert_eq!((status, &answer[0]["errorCode"]), (400, &json!(code)));
    }
    let id = client
        .create("Account", json!({"Name": "Gone, \"quoted\"\nand broken"}))
        .await;
    salesforce.store().delete("Account", &id).unwrap();
    for (operation, rows) in [("query", 1), ("queryAll", 2)] {
        let asked =
            json!({"operation": operation, "query": "SELECT Id, Name, Website FROM Account"});
        let (_, job) = client.send("POST", JOBS, Some(asked)).await;
        let (_, locator, _, found) = page(&client, job["id"].as_str().unwrap(), "").await;
        assert_eq!(
            (locator.as_str(), found.len()),
            ("null", rows),
            "{operation}"
        );
        if let Some(row) = found.get(1) {
            assert_eq!(row[1..], ["Gone, \"quoted\"\nand broken", ""]);
        }
    }
    let asked = json!({"operation": "query", "query": "SELECT Id FROM Account"});
    let (_, job) = client.send("POST", JOBS, Some(asked)).await;
    let path = format!("{JOBS}/{}", job["id"].as_str().unwrap());
    let (status, answer) = client
        .send("PATCH", &path, Some(json!({"state": "Aborted"})))
        .await;
    assert_eq!(
        (status, &answer[0]["errorCode"]),
        (400, &json!("INVALIDJOBSTATE")),
        "it is done already"
    );
    let list: Value = client.get(JOBS).await;
    assert_eq!(list["records"].as_array().unwrap().len(), 3);
    assert_eq!(
        client.send("GET", &format!("{DATA}/limits"), None).await.0,
        200
    );
}
