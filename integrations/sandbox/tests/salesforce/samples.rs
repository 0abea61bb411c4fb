//! The shapes of answers, held against the published ones.

use std::collections::BTreeSet;

use sandbox::SalesforceSource;
use serde_json::{Value, json};

use crate::harness::{Client, DATA, consent, options, parameter, redeem, shared, started};

fn keys(value: &Value) -> BTreeSet<String> {
    value.as_object().unwrap().keys().cloned().collect()
}

#[tokio::test]
async fn answers_have_the_published_members() {
    let Some(path) = shared("vendors/salesforce-samples.json") else {
        return;
    };
    let samples: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let mut small = options(SalesforceSource::Generated { opportunities: 20 });
    small.limits.query_page = 5;
    let (salesforce, client): (_, Client) = started(small).await;
    let query = consent(&salesforce.url(), &[]).await;
    let (_, issued) = redeem(&salesforce.url(), parameter(&query, "code")).await;
    assert_eq!(keys(&issued), keys(&samples["token_response"]["json"]));
    let (_, page) = client
        .ask("query", "SELECT Id, Name, SystemModstamp FROM Account")
        .await;
    let published = &samples["query_page"]["json"];
    assert_eq!(keys(&page), keys(published));
    assert_eq!(keys(&page["records"][0]), keys(&published["records"][0]));
    assert_eq!(
        keys(&page["records"][0]["attributes"]),
        keys(&published["records"][0]["attributes"])
    );
    let deleted = client
        .get(&format!("{DATA}/sobjects/Account/deleted/?start=2026-01-01T00%3A00%3A00%2B00%3A00&end=2026-01-02T00:00:00Z"))
        .await;
    assert_eq!(keys(&deleted), keys(&samples["deleted"]["json"]));
    let bulk = json!({"operation": "query", "query": "SELECT Id FROM Account"});
    let (_, job) = client
        .send("POST", "/services/data/v68.0/jobs/query", Some(bulk))
        .await;
    assert_eq!(keys(&job), keys(&samples["bulk2_query_job"]["json"]));
    let request = &samples["collections_upsert"]["request"]["body"];
    let mut body = request.clone();
    for record in body["records"].as_array_mut().unwrap() {
        let value = record.as_object_mut().unwrap().remove("Ext_Id__c");
        record["Entente_Reference__c"] = value.unwrap();
    }
    let path = format!("{DATA}/composite/sobjects/Account/Entente_Reference__c");
    let (status, results) = client.send("PATCH", &path, Some(body)).await;
    assert_eq!(status, 200);
    assert_eq!(
        keys(&results[0]),
        keys(&samples["collections_upsert"]["json"][0])
    );
    let refused =
        json!({"records": [{"attributes": {"type": "Account"}, "Entente_Reference__c": "x"}]});
    let (_, results) = client.send("PATCH", &path, Some(refused)).await;
    let published = &samples["collections_upsert"]["json"][1];
    assert_eq!(keys(&results[0]), keys(published));
    assert_eq!(
        keys(&results[0]["errors"][0]),
        keys(&published["errors"][0])
    );
}
