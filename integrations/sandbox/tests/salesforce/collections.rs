use serde_json::{Value, json};

use crate::harness::{DATA, empty};

fn account(name: &str, reference: &str) -> Value {
    json!({"attributes": {"type": "Account"}, "Name": name, "Entente_Reference__c": reference})
}

#[tokio::test]
async fn each_record_has_its_own_result_in_its_place() {
    let (salesforce, client) = empty().await;
    let path = format!("{DATA}/composite/sobjects/Account/Entente_Reference__c");
    let records = json!([
        account("One", "r-1"),
        account("", "r-2"),
        account("Three", "r-3"),
        account("Again", "R-1")
    ]);
    let body = json!({"allOrNone": false, "records": records});
    let (status, results) = client.send("PATCH", &path, Some(body)).await;
    assert_eq!(status, 200);
    assert_eq!(
        (&results[0]["success"], &results[0]["created"]),
        (&json!(true), &json!(true))
    );
    assert_eq!(
        results[1],
        json!({"success": false, "errors": [{
            "statusCode": "REQUIRED_FIELD_MISSING", "message": "Required fields are missing: [Name]", "fields": ["Name"],
        }]})
    );
    assert_eq!(results[2]["success"], true);
    assert_eq!(
        results[3]["errors"][0]["statusCode"], "DUPLICATE_VALUE",
        "a key comes once in a request"
    );
    assert_eq!(salesforce.store().count("Account"), 2);
    let again = json!({"records": [account("Changed", "r-1")]});
    let (_, results) = client.send("PATCH", &path, Some(again)).await;
    assert_eq!(results[0]["created"], false);
    assert_eq!(
        salesforce
            .store()
            .find_by("Account", "Name", "Changed")
            .len(),
        1
    );
}

#[tokio::test]
async fn all_or_none_is_none_when_one_fails() {
    let (salesforce, client) = empty().await;
    let body = json!({"allOrNone": true, "records": [account("One", "r-1"), account("", "r-2")]});
    let (status, results) = client
        .send("POST", &format!("{DATA}/composite/sobjects"), Some(body))
        .await;
    assert_eq!(status, 200);
    assert_eq!(
        results[0]["errors"][0]["statusCode"],
        "ALL_OR_NONE_OPERATION_ROLLED_BACK"
    );
    assert_eq!(
        results[1]["errors"][0]["statusCode"],
        "REQUIRED_FIELD_MISSING"
    );
    assert_eq!(salesforce.store().count("Account"), 0);
    let id = client.create("Account", json!({"Name": "Kept"})).await;
    let change = json!({"attributes": {"type": "Account"}, "id": id, "Name": "Changed"});
    let twice = json!({"allOrNone": true, "records": [change, change]});
    let (_, results) = client
        .send("PATCH", &format!("{DATA}/composite/sobjects"), Some(twice))
        .await;
    assert_eq!(results[1]["errors"][0]["statusCode"], "DUPLICATE_VALUE");
    assert_eq!(
        salesforce.store().find_by("Account", "Name", "Kept").len(),
        1,
        "the first change is undone"
    );
}

#[tokio::test]
async fn a_request_that_cannot_be_read_writes_nothing() {
    let (salesforce, client) = empty().await;
    let path = format!("{DATA}/composite/sobjects");
    let many: Vec<Value> = (0..201)
        .map(|n| account(&n.to_string(), &n.to_string()))
        .collect();
    let mut unknown = account("Two", "r-2");
    unknown["NoSuch"] = json!(1);
    for (body, code) in [
        (json!({"records": many}), "LIMIT_EXCEEDED"),
        (
            json!({"records": [account("One", "r-1"), unknown]}),
            "INVALID_FIELD",
        ),
        (
            json!({"records": [account("One", "r-1"), {"Name": "no type"}]}),
            "INVALID_INPUT",
        ),
        (json!({"records": "few"}), "JSON_PARSER_ERROR"),
    ] {
        let (status, answer) = client.send("POST", &path, Some(body)).await;
        assert_eq!((status, &answer[0]["errorCode"]), (400, &json!(code)));
        assert_eq!(salesforce.store().count("Account"), 0);
    }
    let absent = format!("{path}/Account/Absent__c");
    let (status, answer) = client
        .send("PATCH", &absent, Some(json!({"records": []})))
        .await;
    assert_eq!(
        (status, &answer[0]["errorCode"]),
        (400, &json!("INVALID_FIELD")),
        "an admin must add the field first"
    );
    let plain = format!("{path}/Account/Website");
    assert_eq!(
        client
            .send("PATCH", &plain, Some(json!({"records": []})))
            .await
            .0,
        400,
        "it is no external id"
    );
}

#[tokio::test]
async fn locked_rows_fail_alone_and_may_be_tried_again() {
    let (salesforce, client) = empty().await;
    let path = format!("{DATA}/composite/sobjects/Account/Entente_Reference__c");
    let body = json!({"records": [account("One", "r-1"), account("Two", "r-2")]});
    let (_, made) = client.send("PATCH", &path, Some(body.clone())).await;
    salesforce
        .store()
        .lock_row(made[0]["id"].as_str().unwrap(), 1);
    let (_, results) = client.send("PATCH", &path, Some(body.clone())).await;
    assert_eq!(results[0]["errors"][0]["statusCode"], "UNABLE_TO_LOCK_ROW");
    assert_eq!(results[1]["success"], true);
    let (_, results) = client.send("PATCH", &path, Some(body)).await;
    assert_eq!(results[0]["success"], true);
}

#[tokio::test]
async fn several_are_read_and_deleted() {
    let (salesforce, client) = empty().await;
    let one = client.create("Account", json!({"Name": "One"})).await;
    let two = client.create("Account", json!({"Name": "Two"})).await;
    let read = json!({"ids": [one, "001000000000001AAA", two], "fields": ["Name"]});
    let (_, rows) = client
        .send(
            "POST",
            &format!("{DATA}/composite/sobjects/Account"),
            Some(read),
        )
        .await;
    assert_eq!(
        (&rows[0]["Name"], &rows[1], &rows[2]["Name"]),
        (&json!("One"), &Value::Null, &json!("Two"))
    );
    let path = format!("{DATA}/composite/sobjects?ids={one},nonsense,{one}&allOrNone=false");
    let (_, results) = client.send("DELETE", &path, None).await;
    assert_eq!(results[0]["success"], true);
    assert_eq!(results[1]["errors"][0]["statusCode"], "MALFORMED_ID");
    assert_eq!(results[2]["errors"][0]["statusCode"], "ENTITY_IS_DELETED");
    assert_eq!(salesforce.store().ids("Account"), [two]);
}
