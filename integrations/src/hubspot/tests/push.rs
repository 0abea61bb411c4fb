use super::*;
use crate::{
    connector::{Push, PushItem, PushOutcome},
    record::{Fields, Record},
};
use serde_json::json as value;

/// What a call asked for: the path, and its inputs.
pub(super) fn asked(seen: &Seen) -> (&str, Vec<Value>) {
    let path = seen.target.split('?').next().unwrap();
    let body: Value = serde_json::from_str(&seen.body).unwrap_or_default();
    let inputs = body["inputs"].as_array().cloned().unwrap_or_default();
    (path, inputs)
}

/// A record as HubSpot shows it.
pub(super) fn shown(id: &str, properties: Value) -> Value {
    let mut properties = properties;
    properties["hs_lastmodifieddate"] = value!("2026-11-01T10:00:00.000Z");
    properties["lastmodifieddate"] = value!("2026-11-01T10:00:00.000Z");
    value!({"id": id, "properties": properties, "createdAt": "2026-11-01T10:00:00.000Z", "updatedAt": "2026-11-01T10:00:00.000Z", "archived": false})
}

/// The answer to a batch, with 207 when something failed.
pub(super) fn batch(results: &[Value], errors: &[Value]) -> Reply {
    let status = if errors.is_empty() { 200 } else { 207 };
    let body = value!({"status": "COMPLETE", "results": results, "errors": errors, "numErrors": errors.len()});
    json(status, "", &body.to_string())
}

/// A portal that does what it is told: writes answer the trace, reads show what `value_of` says, nothing is linked.
fn obliging(seen: &Seen, value_of: impl Fn(&str) -> Value) -> Reply {
    let (path, inputs) = asked(seen);
    let id = |input: &Value| input["id"].as_str().unwrap().to_owned();
    match path.rsplit('/').next().unwrap() {
        "update" | "upsert" => {
            let done: Vec<Value> = inputs
                .iter()
                .map(|input| {
                    let mut record = shown(&id(input).replace("deal_", "9"), value!({}));
                    record["objectWriteTraceId"] = input["objectWriteTraceId"].clone();
                    record
                })
                .collect();
            batch(&done, &[])
        }
        "read" if path.contains("/associations/") => batch(&[], &[]),
        "read" => batch(
            &inputs
                .iter()
                .map(|input| shown(&id(input), value_of(&id(input))))
                .collect::<Vec<_>>(),
            &[],
        ),
        other => panic!("unexpected {other} of {path}"),
    }
}

fn change(id: &str, name: &str) -> PushItem {
    PushItem {
        reference: format!("deal_{id}"),
        external_id: Some(id.to_owned()),
        fields: Fields::from([("dealname".to_owned(), Some(name.to_owned()))]),
        links: vec![],
        unlinks: vec![],
        archive: false,
    }
}

fn creation(number: &str) -> PushItem {
    PushItem {
        external_id: None,
        ..change(number, "New")
    }
}

fn to_company(id: &str, labels: &[&str]) -> RecordLink {
    RecordLink {
        resource: Resource::Company,
        external_id: id.to_owned(),
        labels: labels.iter().map(|label| (*label).to_owned()).collect(),
        primary: false,
    }
}

impl Rig {
    async fn push(
        &self,
        resource: Resource,
        items: &[PushItem],
    ) -> Result<Vec<PushOutcome>, ConnectorError> {
        let fields = ["dealname".to_owned()];
        self.writer()
            .apply(&self.context(), resource, items, &fields)
            .await
    }

    pub(super) fn writer(&self) -> &dyn Push {
        self.hubspot.push().unwrap()
    }

    /// The paths that were called, from after the version on.
    fn called(&self) -> Vec<String> {
        let seen = self.server.seen();
        let paths = seen.iter().map(|seen| asked(seen).0.to_owned());
        paths
            .map(|path| path.rsplit_once("2026-09/").unwrap().1.to_owned())
            .collect()
    }
}

fn applied(outcome: &PushOutcome) -> &Record {
    match outcome {
        PushOutcome::Applied(record) => record,
        other => panic!("{other:?}"),
    }
}

fn refused(outcome: &PushOutcome) -> &ConnectorError {
    match outcome {
        PushOutcome::Refused(error) => error,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_was_written_is_what_a_fetch_says() {
    let rig =
        Rig::new(|seen| obliging(seen, |id| value!({"dealname": format!("as held: {id}")}))).await;
    let mut cleared = change("7", "x");
    cleared.fields.insert("amount".to_owned(), None);
    let outcomes = rig
        .push(Resource::Deal, &[creation("1"), cleared])
        .await
        .unwrap();
    assert_eq!(
        rig.called(),
        [
            "deals/batch/update",
            "deals/batch/upsert",
            "deals/batch/read",
            "deals/companies/batch/read",
            "deals/contacts/batch/read"
        ]
    );
    let seen = rig.server.seen();
    let change = &asked(&seen[0]).1[0];
    assert_eq!(
        (&change["id"], &change["properties"]),
        (&value!("7"), &value!({"dealname": "x", "amount": ""}))
    );
    let made = &asked(&seen[1]).1[0];
    assert_eq!(
        (&made["id"], &made["idProperty"]),
        (&value!("deal_1"), &value!("entente_reference"))
    );
    assert_eq!(
        made["properties"],
        value!({"dealname": "New", "entente_reference": "deal_1"})
    );
    for (outcome, id) in outcomes.iter().zip(["91", "7"]) {
        let fetched = rig
            .hubspot
            .fetch(
                &rig.context(),
                Resource::Deal,
                &[id.to_owned()],
                &["dealname".to_owned()],
            )
            .await
            .unwrap();
        assert_eq!(applied(outcome), &fetched.records[0]);
        assert!(applied(outcome).links_complete);
    }
}

#[tokio::test]
async fn a_batch_succeeds_in_part_and_each_item_hears_its_own_reason() {
    let rig = Rig::new(|seen| {
        let (path, inputs) = asked(seen);
        if !path.ends_with("update") {
            return obliging(seen, |_| value!({}));
        }
        let trace = |place: usize| inputs[place]["objectWriteTraceId"].clone();
        let mut first = shown("1", value!({}));
        first["objectWriteTraceId"] = trace(0);
        let invalid = value!({"status": "error", "category": "VALIDATION_ERROR", "message": "m", "context": {"objectWriteTraceId": [trace(1)]},
            "errors": [{"message": "closedate is required", "code": "MISSING_REQUIRED_PROPERTY", "context": {"propertyName": ["closedate"]}}], "subCategory": {}});
        let gone = value!({"status": "error", "category": "OBJECT_NOT_FOUND", "message": "gone", "context": {"ids": ["3"]}});
        // The fourth is found by its id, although no trace comes back.
        batch(&[first, shown("4", value!({}))], &[invalid, gone])
    })
    .await;
    let items = [
        change("1", "a"),
        change("2", "b"),
        change("3", "c"),
        change("4", "d"),
    ];
    let outcomes = rig.push(Resource::Deal, &items).await.unwrap();
    assert_eq!(applied(&outcomes[0]).external_id, "1");
    assert!(
        matches!(refused(&outcomes[1]), ConnectorError::Permanent { code, message } if code == "VALIDATION_ERROR" && message.contains("closedate: closedate is required (MISSING_REQUIRED_PROPERTY)"))
    );
    assert!(matches!(
        refused(&outcomes[2]),
        ConnectorError::NotFound { .. }
    ));
    assert_eq!(applied(&outcomes[3]).external_id, "4");
}

#[tokio::test]
async fn a_batch_refused_as_a_whole_is_taken_apart() {
    let rig = Rig::new(|seen| {
        let (path, inputs) = asked(seen);
        let bad = inputs.iter().any(|input| input["id"] == "contact_4");
        if path.ends_with("upsert") && bad {
            return json(409, "", r#"{"status":"error","category":"CONFLICT","message":"Contact already exists. Existing ID: 377"}"#);
        }
        obliging(seen, |_| value!({}))
    })
    .await;
    let items: Vec<PushItem> = (0..6)
        .map(|n| PushItem {
            reference: format!("contact_{n}"),
            ..creation("x")
        })
        .collect();
    let outcomes = rig.push(Resource::Contact, &items).await.unwrap();
    for (place, outcome) in outcomes.iter().enumerate() {
        if place == 4 {
            assert!(
                matches!(refused(outcome), ConnectorError::Conflict { existing_id: Some(id), .. } if id == "377")
            );
        } else {
            assert_eq!(applied(outcome).external_id, format!("contact_{place}"));
        }
    }
    let upserts = rig
        .called()
        .iter()
        .filter(|path| path.ends_with("upsert"))
        .count();
    assert!(upserts <= 7, "{upserts} calls");
}

#[tokio::test]
async fn an_input_nobody_mentions_is_sent_again_alone_and_then_left() {
    let rig = Rig::new(|seen| {
        let (path, inputs) = asked(seen);
        if path.ends_with("update") && (inputs.len() > 1 || inputs[0]["id"] == "2") {
            let mut first = shown(inputs[0]["id"].as_str().unwrap(), value!({}));
            first["objectWriteTraceId"] = inputs[0]["objectWriteTraceId"].clone();
            let mute = inputs[0]["id"] == "2";
            return batch(
                if mute {
                    &[]
                } else {
                    std::slice::from_ref(&first)
                },
                &[],
            );
        }
        obliging(seen, |_| value!({}))
    })
    .await;
    let items = [change("1", "a"), change("2", "b"), change("3", "c")];
    let outcomes = rig.push(Resource::Deal, &items).await.unwrap();
    assert_eq!(applied(&outcomes[0]).external_id, "1");
    assert!(matches!(
        refused(&outcomes[1]),
        ConnectorError::Transient { .. }
    ));
    assert_eq!(applied(&outcomes[2]).external_id, "3");
}

#[tokio::test]
async fn a_spent_budget_ends_the_work_and_keeps_what_was_done() {
    let rig = Rig::new(|seen| {
        let (path, inputs) = asked(seen);
        let limited = path.ends_with("upsert") || inputs.iter().any(|input| input["id"] == "limit");
        if limited {
            return json(
                429,
                "retry-after: 7\r\n",
                r#"{"policyName":"TEN_SECONDLY_ROLLING"}"#,
            );
        }
        obliging(seen, |_| value!({}))
    })
    .await;
    let outcomes = rig
        .push(Resource::Deal, &[change("1", "a"), creation("2")])
        .await
        .unwrap();
    applied(&outcomes[0]);
    assert_eq!(
        refused(&outcomes[1]).retry_after(),
        Some(Duration::from_secs(7))
    );
    let error = rig
        .push(
            Resource::Deal,
            &[change("limit", "a"), change("1", "b"), creation("2")],
        )
        .await
        .unwrap_err();
    assert!(matches!(
        error,
        ConnectorError::RateLimited {
            scope: LimitScope::Account,
            ..
        }
    ));
}

#[tokio::test]
async fn a_missing_scope_hinders_the_write_and_not_the_connection() {
    let rig = Rig::new(|_| {
        json(
            403,
            "",
            r#"{"category":"MISSING_SCOPES","message":"not granted"}"#,
        )
    })
    .await;
    let outcomes = rig.push(Resource::Deal, &[change("1", "a")]).await.unwrap();
    assert!(
        matches!(refused(&outcomes[0]), ConnectorError::Permanent { code, message } if code == "missing_scope" && message.contains("crm.objects.deals.write"))
    );
    let error = rig
        .writer()
        .prepare(&rig.context(), Resource::Company)
        .await
        .unwrap_err();
    assert!(
        matches!(error, ConnectorError::Permanent { code, message } if code == "missing_scope" && message.contains("crm.schemas.companies.write"))
    );
    let error = rig
        .push(Resource::Owner, &[change("1", "a")])
        .await
        .unwrap_err();
    assert!(matches!(error, ConnectorError::Permanent { .. }));
}

#[tokio::test]
async fn links_are_made_by_their_labels_and_taken_away() {
    let rig = Rig::new(|seen| {
        let (path, inputs) = asked(seen);
        match path.rsplit_once("2026-09/").unwrap().1 {
            "deals/companies/labels" => json(200, "", r#"{"results":[{"category":"USER_DEFINED","typeId":11,"label":"Partner"},{"category":"HUBSPOT_DEFINED","typeId":341,"label":null},{"category":"HUBSPOT_DEFINED","typeId":5,"label":"Primary"}]}"#),
            "deals/contacts/labels" => json(200, "", r#"{"results":[{"category":"HUBSPOT_DEFINED","typeId":3,"label":null}]}"#),
            "deals/companies/batch/create" => {
                assert_eq!(inputs[0]["types"], value!([{"associationCategory": "USER_DEFINED", "associationTypeId": 11}, {"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 5}]));
                let gone = value!({"category": "OBJECT_NOT_FOUND", "message": "no such company", "context": {"fromObjectId": ["2"], "toObjectId": ["404"]}});
                batch(&[], &[gone])
            }
            "deals/contacts/batch/associate/default" => {
                assert_eq!(inputs, [value!({"from": {"id": "1"}, "to": {"id": "50"}})]);
                batch(&[], &[])
            }
            "deals/companies/batch/labels/archive" => {
                assert_eq!(inputs, [value!({"from": {"id": "1"}, "to": {"id": "8"}, "types": [{"associationCategory": "USER_DEFINED", "associationTypeId": 11}]})]);
                json(204, "", "")
            }
            "deals/companies/batch/archive" => {
                assert_eq!(inputs, [value!({"from": {"id": "1"}, "to": [{"id": "9"}]})]);
                json(204, "", "")
            }
            _ => obliging(seen, |_| value!({})),
        }
    })
    .await;
    let mut first = change("1", "a");
    first.links = vec![
        RecordLink {
            primary: true,
            ..to_company("7", &["Partner"])
        },
        RecordLink {
            resource: Resource::Contact,
            ..to_company("50", &[])
        },
    ];
    first.unlinks = vec![
        to_company("8", &["Partner", "Forgotten"]),
        to_company("9", &[]),
    ];
    let mut second = change("2", "b");
    second.fields.clear();
    second.links = vec![to_company("404", &["Partner"])];
    let mut third = change("3", "c");
    third.links = vec![to_company("7", &["No such label"])];
    let outcomes = rig
        .push(Resource::Deal, &[first, second, third])
        .await
        .unwrap();
    applied(&outcomes[0]);
    assert!(
        matches!(&outcomes[1], PushOutcome::Partly(record, ConnectorError::NotFound { .. }) if record.external_id == "2")
    );
    assert!(
        matches!(refused(&outcomes[2]), ConnectorError::Permanent { code, .. } if code == "unknown_label")
    );
    let seen = rig.server.seen();
    let update = seen
        .iter()
        .find(|seen| seen.target.ends_with("update"))
        .unwrap();
    assert_eq!(
        asked(update).1.len(),
        1,
        "only the first has anything to write"
    );
}

#[tokio::test]
async fn what_is_put_away_stays_away() {
    let rig = Rig::new(|seen| {
        let (path, inputs) = asked(seen);
        assert!(path.ends_with("companies/batch/archive"));
        match inputs.iter().any(|input| input["id"] == "2") {
            true if inputs.len() == 1 => {
                json(404, "", r#"{"category":"OBJECT_NOT_FOUND","message":"m"}"#)
            }
            true => json(400, "", r#"{"category":"VALIDATION_ERROR","message":"m"}"#),
            false => json(204, "", ""),
        }
    })
    .await;
    let away = |id: Option<&str>| PushItem {
        archive: true,
        external_id: id.map(str::to_owned),
        ..change("1", "a")
    };
    let outcomes = rig
        .push(
            Resource::Company,
            &[away(Some("1")), away(Some("2")), away(None)],
        )
        .await
        .unwrap();
    assert_eq!(outcomes, vec![PushOutcome::Archived; 3]);
}

#[tokio::test]
async fn a_good_status_alone_is_no_success() {
    for body in [
        "",
        "{}",
        "<html>",
        r#"{"status":"error","message":"no"}"#,
        r#"{"status":"PROCESSING"}"#,
        r#"{"results":[]}"#,
    ] {
        let rig = Rig::new(move |_| json(200, "", body)).await;
        let mut away = change("1", "a");
        away.archive = true;
        for item in [away, change("1", "a"), creation("2")] {
            match rig.push(Resource::Deal, &[item]).await {
                Ok(outcomes) => {
                    refused(&outcomes[0]);
                }
                Err(error) => assert!(error.is_retryable(), "{body}: {error}"),
            }
        }
        let made = rig.writer().prepare(&rig.context(), Resource::Deal).await;
        assert!(made.is_err(), "{body}");
    }
}
