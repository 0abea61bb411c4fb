use super::*;

fn deal(id: &str, associations: &str) -> String {
    format!(
        r#"{{"id":"{id}","properties":{{"dealname":"D{id}","amount":null,"hs_lastmodifieddate":"2024-01-15T14:22:10.456Z"}},"createdAt":"2024-01-10T10:36:45.123Z","updatedAt":"2024-01-15T14:22:10.000Z","archived":false{associations}}}"#
    )
}

#[tokio::test]
async fn a_backfill_lists_pages_and_reads_labels_where_there_are_any() {
    let rig = Rig::new(|seen| {
        if seen.target.contains("after=2") {
            return json(200, "date: Sun, 01 Nov 2026 11:00:00 GMT\r\n", &format!(r#"{{"results":[{}]}}"#, deal("4", "")));
        }
        match seen.target.split('?').next().unwrap() {
            "/crm/objects/2026-09/deals" => {
                let linked = r#","associations":{"companies":{"results":[{"id":"7","type":"deal_to_company"}]}}"#;
                let bad = r#"{"id":3,"properties":{"amount":12.5},"updatedAt":"2024-01-15T14:22:10.456Z"}"#;
                let untimed = r#"{"id":"9","properties":{}}"#;
                let results = [deal("1", linked), deal("2", ""), bad.into(), untimed.into()].join(",");
                json(200, DATE, &format!(r#"{{"results":[{results}],"paging":{{"next":{{"after":"2","link":"x"}}}}}}"#))
            }
            "/crm/associations/2026-09/deals/companies/batch/read" => json(
                207,
                "",
                r#"{"status":"COMPLETE","results":[{"from":{"id":"1"},"to":[
                    {"toObjectId":9007199254740993,"associationTypes":[{"category":"USER_DEFINED","typeId":12,"label":"Partner"},{"category":"HUBSPOT_DEFINED","typeId":341,"label":null}]},
                    {"toObjectId":7,"associationTypes":[{"category":"HUBSPOT_DEFINED","typeId":5,"label":"Primary"},{"category":"HUBSPOT_DEFINED","typeId":341,"label":null}]}]}],
                    "numErrors":1,"errors":[{"status":"error","category":"OBJECT_NOT_FOUND","subCategory":"crm.associations.NO_ASSOCIATIONS_FOUND","message":"m","context":{"fromObjectId":["2"]}}]}"#,
            ),
            other => panic!("unexpected {other}"),
        }
    })
    .await;
    let page = rig
        .page(Resource::Deal, Mode::Backfill, None)
        .await
        .unwrap();
    assert_eq!(page.records.len(), 2);
    let first = &page.records[0];
    assert_eq!(
        (first.updated_at_ms, first.created_at_ms),
        (1_705_328_530_456, Some(1_704_883_005_123))
    );
    assert_eq!(first.fields["amount"], None);
    assert_eq!(first.value("dealname"), Some("D1"));
    assert_eq!(
        first.url.as_deref(),
        Some("https://app.hubspot.com/contacts/33/record/0-3/1")
    );
    let link = |id: &str, labels: &[&str], primary| RecordLink {
        resource: Resource::Company,
        external_id: id.into(),
        labels: labels.iter().map(|label| (*label).to_owned()).collect(),
        primary,
    };
    assert_eq!(
        first.links,
        vec![
            link("7", &[], true),
            link("9007199254740993", &["Partner"], false)
        ]
    );
    assert!(page.records.iter().all(|record| record.links_complete));
    let bad: Vec<_> = page
        .malformed
        .iter()
        .map(|bad| bad.external_id.as_deref())
        .collect();
    assert_eq!(bad, vec![Some("3"), Some("9")]);
    assert_eq!(page.malformed[0].raw["properties"]["amount"], 12.5);
    let seen = rig.server.seen();
    assert_eq!(seen.len(), 2);
    assert!(
        seen[0].target.contains("limit=100")
            && seen[0].target.contains("associations=companies%2Ccontacts")
    );
    assert_eq!(seen[1].body, r#"{"inputs":[{"id":"1"}]}"#);

    let Next::More(cursor) = page.next else {
        panic!("one more page")
    };
    let last = rig
        .page(Resource::Deal, Mode::Backfill, Some(&cursor))
        .await
        .unwrap();
    assert_eq!(last.records[0].external_id, "4");
    // The delta begins before the backfill did, whatever time it is now.
    assert_eq!(
        last.next,
        Next::CaughtUp(serde_json::json!({"walk": "rest", "mark_ms": NOW - 30_000}))
    );
    assert_eq!(
        rig.page(Resource::Deal, Mode::Delta, Some(&cursor))
            .await
            .unwrap_err()
            .code(),
        "CURSOR_EXPIRED"
    );
    let strange = serde_json::json!({"walk": "on", "by": 7});
    assert_eq!(
        rig.page(Resource::Deal, Mode::Backfill, Some(&strange))
            .await
            .unwrap_err()
            .code(),
        "CURSOR_EXPIRED"
    );
}

#[tokio::test]
async fn a_delta_begins_before_its_mark_and_ends_at_the_vendors_time_less_the_lag() {
    let rig = Rig::new(|seen| match seen.target.as_str() {
        "/crm/objects/2026-09/contacts/search" => {
            let contact = r#"{"id":"100451","properties":{"email":"testperson@hubspot.com","lastmodifieddate":"2024-09-11T13:27:39.356Z"},"createdAt":"2024-01-17T19:55:04.281Z","updatedAt":"2024-09-11T13:27:39.356Z","archived":false}"#;
            json(200, DATE, &format!(r#"{{"total":1,"results":[{contact}]}}"#))
        }
        _ => json(200, "", r#"{"results":[{"from":{"id":"100451"},"to":[{"toObjectId":"9","associationTypes":[{"category":"HUBSPOT_DEFINED","typeId":1,"label":"Primary"}]}]}]}"#),
    })
    .await;
    let cursor = serde_json::json!({"walk": "rest", "mark_ms": 1_000_000});
    let page = rig
        .page(Resource::Contact, Mode::Delta, Some(&cursor))
        .await
        .unwrap();
    assert_eq!(page.records[0].kind, Kind::Contact);
    assert!(page.records[0].links[0].primary);
    assert_eq!(
        page.next,
        Next::CaughtUp(serde_json::json!({"walk": "rest", "mark_ms": NOW - 30_000}))
    );
    let asked: Value = serde_json::from_str(&rig.server.seen()[0].body).unwrap();
    assert_eq!(
        asked["filterGroups"][0]["filters"][0]["propertyName"],
        "lastmodifieddate"
    );
    assert_eq!(asked["filterGroups"][0]["filters"][0]["value"], "760000");
    assert_eq!(asked["limit"], 200);
}

#[tokio::test]
async fn what_is_fetched_by_id_and_not_there_is_missing() {
    let rig = Rig::new(|seen| match seen.target.as_str() {
        "/crm/objects/2026-09/companies/batch/read" => json(
            207,
            "",
            r#"{"status":"COMPLETE","results":[{"id":"1","properties":{"hs_lastmodifieddate":"1700000000000"}}],"numErrors":1,"errors":[{"status":"error","category":"OBJECT_NOT_FOUND","message":"m","context":{"ids":["2"]}}]}"#,
        ),
        other => panic!("unexpected {other}"),
    })
    .await;
    let fetched = rig
        .fetch(Resource::Company, &["2", "1", "1"])
        .await
        .unwrap();
    assert_eq!(fetched.records[0].updated_at_ms, 1_700_000_000_000);
    assert!(fetched.records[0].links_complete);
    assert_eq!(fetched.missing, vec!["2"]);
    assert_eq!(rig.server.seen().len(), 1);
    assert!(rig.fetch(Resource::AssociationLabel, &["1"]).await.is_err());
}

#[tokio::test]
async fn a_batch_that_failed_in_part_for_another_reason_is_no_absence() {
    let rig = Rig::new(|seen| {
        let nameless = seen.body.contains("\"9\"");
        let context = if nameless { "{}" } else { r#"{"ids":["2"]}"# };
        let good = r#"{"id":"1","properties":{"hs_lastmodifieddate":"1700000000000"}}"#;
        json(
            207,
            "",
            &format!(r#"{{"results":[{good}],"errors":[{{"category":"INTERNAL_ERROR","context":{context}}}]}}"#),
        )
    })
    .await;
    // The one it names is unreadable, the others are there; nobody is taken for missing.
    let fetched = rig.fetch(Resource::Company, &["1", "2"]).await.unwrap();
    assert_eq!(fetched.records.len(), 1);
    assert_eq!(fetched.malformed[0].external_id.as_deref(), Some("2"));
    assert!(fetched.missing.is_empty());
    let nameless = rig.fetch(Resource::Company, &["1", "9"]).await;
    assert_eq!(nameless.unwrap_err().code(), "TRANSIENT");
}

#[tokio::test]
async fn a_record_without_a_readable_id_may_be_any_of_the_missing() {
    let rig = Rig::new(|_| {
        json(
            200,
            "",
            r#"{"results":[{"id":{},"properties":{}},{"id":"1","properties":{"hs_lastmodifieddate":"1700000000000"}}]}"#,
        )
    })
    .await;
    let fetched = rig.fetch(Resource::Company, &["1", "2"]).await.unwrap();
    assert_eq!((fetched.records.len(), fetched.malformed.len()), (1, 1));
    assert!(fetched.missing.is_empty());
}

#[tokio::test]
async fn refusals_and_broken_answers_say_what_to_do() {
    let rig = Rig::new(|seen| {
        let page = seen.target.split("limit=").nth(1).unwrap().split('&').next().unwrap().to_owned();
        match page.as_str() {
            "1" => json(429, "", r#"{"status":"error","errorType":"RATE_LIMIT","policyName":"TEN_SECONDLY_ROLLING"}"#),
            "2" => json(401, "", r#"{"status":"error","category":"EXPIRED_AUTHENTICATION","message":"expired"}"#),
            "3" => json(502, "", "<html>Bad gateway</html>"),
            "4" => json(200, "", r#"{"results":[{"id":"1","prop"#),
            "5" => json(200, "", "<html>hello</html>"),
            "6" => Reply::ThenClose(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"res".to_vec()),
            _ => json(200, "", r#"{"results":[],"paging":{"next":{"after":"same"}}}"#),
        }
    })
    .await;
    let ask = async |size| {
        let cursor = serde_json::json!({"walk": "list", "after": "same", "started_ms": 1});
        let request = PageRequest {
            resource: Resource::Company,
            mode: Mode::Backfill,
            cursor: Some(&cursor),
            fields: &[],
            page_size: Some(size),
            now_ms: 5,
        };
        rig.hubspot
            .pull()
            .unwrap()
            .page(&rig.context(), &request)
            .await
            .unwrap_err()
    };
    let limited = ConnectorError::RateLimited {
        retry_after: Duration::from_secs(10),
        scope: LimitScope::Account,
    };
    assert_eq!(ask(1).await, limited);
    assert!(matches!(
        ask(2).await,
        ConnectorError::Auth {
            reconnect: false,
            ..
        }
    ));
    assert_eq!(ask(3).await.code(), "TRANSIENT");
    assert_eq!(ask(4).await.code(), "TRANSIENT");
    assert_eq!(ask(5).await.code(), "UNEXPECTED_ANSWER");
    assert_eq!(ask(7).await.code(), "UNEXPECTED_ANSWER");
    assert_eq!(ask(6).await.code(), "TRANSIENT");
}

#[tokio::test]
async fn owners_pipelines_and_labels_are_read_whole_each_time() {
    let rig = Rig::new(|seen| match seen.target.split('?').next().unwrap() {
        "/crm/owners/2026-09" => json(200, "", r#"{"results":[{"id":"910901","email":"a@b.example","firstName":"Ada","lastName":"","userId":12,"archived":false},{"id":null}]}"#),
        "/crm/pipelines/2026-09/deals" => json(200, "", r#"{"results":[{"id":"default","label":"Sales","archived":false,"stages":[
            {"id":"closedlost","label":"Lost","displayOrder":2,"metadata":{"isClosed":"true","probability":"0.0"}},
            {"id":"closedwon","label":"Won","displayOrder":1,"metadata":{"isClosed":"true","probability":"1.0"}},
            {"id":"a","label":"A","displayOrder":0,"metadata":{"isClosed":false,"probability":"0.2"}}]}]}"#),
        _ => json(200, "", r#"{"results":[{"category":"USER_DEFINED","typeId":12,"label":"Partner"},{"category":"HUBSPOT_DEFINED","typeId":341,"label":null}]}"#),
    })
    .await;
    let owners = rig
        .page(Resource::Owner, Mode::Backfill, None)
        .await
        .unwrap();
    let Kind::Owner(owner) = &owners.records[0].kind else {
        panic!("an owner")
    };
    assert_eq!(
        (owner.name.as_deref(), owner.email.as_deref()),
        (Some("Ada"), Some("a@b.example"))
    );
    assert_eq!(owners.malformed.len(), 1);
    let Next::CaughtUp(done) = owners.next else {
        panic!("one page")
    };
    assert!(
        rig.page(Resource::Owner, Mode::Delta, Some(&done))
            .await
            .is_ok()
    );

    let pipelines = rig
        .page(Resource::Pipeline, Mode::Backfill, None)
        .await
        .unwrap();
    let Kind::Pipeline(pipeline) = &pipelines.records[0].kind else {
        panic!("a pipeline")
    };
    let outcomes: Vec<_> = pipeline
        .stages
        .iter()
        .map(|stage| (stage.external_id.as_str(), stage.outcome))
        .collect();
    assert_eq!(
        outcomes,
        vec![
            ("a", StageOutcome::Open),
            ("closedwon", StageOutcome::Won),
            ("closedlost", StageOutcome::Lost)
        ]
    );
    let labels = rig
        .page(Resource::AssociationLabel, Mode::Backfill, None)
        .await
        .unwrap();
    let ids: Vec<_> = labels
        .records
        .iter()
        .map(|record| record.external_id.as_str())
        .collect();
    assert!(
        ids.contains(&"deal/company/USER_DEFINED/12")
            && ids.contains(&"contact/company/HUBSPOT_DEFINED/341")
    );
    assert_eq!(ids.len(), 6);
}
