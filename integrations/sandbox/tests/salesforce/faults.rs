use sandbox::salesforce::{Effect, Fault};
use sandbox::{Salesforce, SalesforceSource};
use serde_json::{Value, json};

use crate::harness::{
    Client, DATA, consent, empty, opportunity, options, parameter, redeem, started,
};

async fn raw(client: &Client) -> Result<(u16, String), reqwest::Error> {
    let path = format!("{DATA}/query?q=SELECT+Id,Name+FROM+Opportunity");
    let answer = client.request("GET", &path).send().await?;
    Ok((answer.status().as_u16(), answer.text().await?))
}

#[tokio::test]
async fn the_quota_is_told_on_every_answer_and_ends() {
    let mut few = options(SalesforceSource::Empty);
    few.limits.daily_requests = 3;
    let (salesforce, client) = started(few).await;
    for used in 1..=3 {
        let answer = client
            .request("GET", &format!("{DATA}/sobjects/Nothing"))
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 404, "refusals count too");
        assert_eq!(
            answer.headers()["sforce-limit-info"],
            format!("api-usage={used}/3")
        );
    }
    let answer = client
        .request("GET", &format!("{DATA}/limits"))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 403);
    assert!(
        answer.headers().get("retry-after").is_none(),
        "nobody says when to come back"
    );
    assert_eq!(
        answer.json::<Value>().await.unwrap(),
        json!([{"message": "TotalRequests Limit exceeded.", "errorCode": "REQUEST_LIMIT_EXCEEDED"}])
    );
    salesforce
        .clock()
        .advance(std::time::Duration::from_secs(24 * 3600));
    let client = Client::connect(salesforce.url()).await;
    let limits = client.get(&format!("{DATA}/limits")).await;
    assert_eq!(
        limits["DailyApiRequests"],
        json!({"Max": 3, "Remaining": 2})
    );
}

#[tokio::test]
async fn faults_strike_in_the_vendors_words() {
    let (salesforce, client) = empty().await;
    opportunity(&salesforce, "Deal");
    let next = |effect| salesforce.fail(Fault::next(&format!("{DATA}/query"), 1, effect));
    next(Effect::Status {
        status: 503,
        body: None,
        retry_after: None,
    });
    assert_eq!(
        raw(&client).await.unwrap(),
        (
            503,
            "[{\"errorCode\":\"SERVER_UNAVAILABLE\",\"message\":\"Server is unavailable\"}]"
                .to_owned()
        )
    );
    next(Effect::RateLimited {
        policy: String::new(),
    });
    assert!(
        raw(&client)
            .await
            .unwrap()
            .1
            .contains("REQUEST_LIMIT_EXCEEDED")
    );
    next(Effect::Expired {});
    assert_eq!(raw(&client).await.unwrap().0, 401);
    next(Effect::Html { status: 500 });
    assert!(raw(&client).await.unwrap().1.starts_with("<html>"));
    next(Effect::Close {});
    assert!(raw(&client).await.is_err());
    next(Effect::Truncate {});
    assert!(serde_json::from_str::<Value>(&raw(&client).await.unwrap().1).is_err());
    next(Effect::WrongTypes {});
    let spoiled: Value = serde_json::from_str(&raw(&client).await.unwrap().1).unwrap();
    assert_eq!(spoiled["records"][0]["Name"], 17);
    next(Effect::Replace {
        pointer: "/records/0/Name".to_owned(),
        value: Value::Null,
    });
    let spoiled: Value = serde_json::from_str(&raw(&client).await.unwrap().1).unwrap();
    assert_eq!(spoiled["records"][0]["Name"], Value::Null);
    assert_eq!(raw(&client).await.unwrap().0, 200);
    let create = format!("{DATA}/sobjects/Account");
    salesforce.fail(Fault::next(&create, 1, Effect::StatusAfter { status: 500 }));
    let (status, _) = client
        .send("POST", &create, Some(json!({"Name": "Done all the same"})))
        .await;
    assert_eq!(status, 500);
    assert_eq!(
        salesforce
            .store()
            .find_by("Account", "Name", "Done all the same")
            .len(),
        1
    );
    let several = format!("{DATA}/composite/sobjects");
    salesforce.fail(Fault::next(&several, 1, Effect::Partial {}));
    let body = json!({"records": [{"attributes": {"type": "Account"}, "Name": "P"}]});
    let (_, results) = client.send("POST", &several, Some(body)).await;
    assert_eq!(results[0]["errors"][0]["statusCode"], "UNABLE_TO_LOCK_ROW");
    assert!(salesforce.counts().of("/query") >= 9);
}

#[tokio::test]
async fn scopes_may_be_withheld() {
    let salesforce = Salesforce::start(options(SalesforceSource::Empty))
        .await
        .unwrap();
    salesforce.faults(|faults| faults.withhold_scopes = vec!["refresh_token".to_owned()]);
    let query = consent(&salesforce.url(), &[]).await;
    let (_, body) = redeem(&salesforce.url(), parameter(&query, "code")).await;
    assert_eq!(
        (&body["scope"], body.get("refresh_token")),
        (&json!("api"), None)
    );
}

#[tokio::test]
async fn the_door_edits_records_and_switches_faults() {
    let (salesforce, client) = empty().await;
    let door = |path: &str| salesforce.url().join(path).unwrap();
    let plain = client
        .http
        .post(door("/__sandbox/records/Account"))
        .body("{}")
        .send()
        .await
        .unwrap();
    assert_eq!(plain.status(), 415, "a web page must not reach the door");
    let send = |method: &str, path: &str, body: Value| {
        client
            .http
            .request(method.parse().unwrap(), door(path))
            .json(&body)
            .send()
    };
    let made = send(
        "POST",
        "/__sandbox/records/Account",
        json!({"Name": "By hand"}),
    )
    .await
    .unwrap();
    assert_eq!(made.status(), 201);
    let made: Value = made.json().await.unwrap();
    let path = format!(
        "/__sandbox/records/Account/{}",
        made["Id"].as_str().unwrap()
    );
    let edited: Value = send("PATCH", &path, json!({"Name": "Edited"}))
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(edited["Name"], "Edited");
    let deleted = client.http.delete(door(&path)).send().await.unwrap();
    assert_eq!(deleted.status(), 204);
    let restored = send("POST", &format!("{path}/restore"), json!({}))
        .await
        .unwrap();
    assert_eq!(restored.status(), 200);
    let other: Value = send(
        "POST",
        "/__sandbox/records/Account",
        json!({"Name": "Other"}),
    )
    .await
    .unwrap()
    .json()
    .await
    .unwrap();
    let merged = send(
        "POST",
        &format!("{path}/merge"),
        json!({"other": other["Id"]}),
    )
    .await
    .unwrap();
    assert_eq!(merged.status(), 200);
    let lead: Value = send(
        "POST",
        "/__sandbox/records/Lead",
        json!({"LastName": "L", "Company": "C"}),
    )
    .await
    .unwrap()
    .json()
    .await
    .unwrap();
    let convert = format!(
        "/__sandbox/records/Lead/{}/convert",
        lead["Id"].as_str().unwrap()
    );
    assert_eq!(
        send("POST", &convert, json!({})).await.unwrap().status(),
        200
    );
    let rule =
        json!({"validation": [{"object": "Account", "requires": "Phone", "message": "no phone"}]});
    assert_eq!(
        send("PUT", "/__sandbox/rules", rule)
            .await
            .unwrap()
            .status(),
        200
    );
    let (_, answer) = client
        .send(
            "POST",
            &format!("{DATA}/sobjects/Account"),
            Some(json!({"Name": "x"})),
        )
        .await;
    assert_eq!(answer[0]["message"], "no phone");
    let change = json!({"rules": [{"path": DATA, "effect": {"status": {"status": 500}}}], "empty_bin": true});
    assert_eq!(
        send("POST", "/__sandbox/faults", change)
            .await
            .unwrap()
            .status(),
        200
    );
    assert_eq!(
        client.send("GET", &format!("{DATA}/limits"), None).await.0,
        500
    );
    client
        .http
        .delete(door("/__sandbox/faults"))
        .send()
        .await
        .unwrap();
    let advanced = send("POST", "/__sandbox/clock", json!({"advance_ms": 1000}))
        .await
        .unwrap();
    assert_eq!(advanced.status(), 200);
    let stats: Value = client
        .http
        .get(door("/__sandbox/stats"))
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(
        (&stats["org_id"], &stats["records"]["Account"]["deleted"]),
        (&json!(salesforce.tenant()), &json!(0))
    );
}
