use super::*;
use crate::connector::{PushItem, PushOutcome};
use crate::record::Fields;

fn item(id: Option<&str>, fields: &[(&str, Option<&str>)]) -> PushItem {
    PushItem {
        reference: format!("deal_{}", id.unwrap_or("new")),
        external_id: id.map(str::to_owned),
        fields: fields
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.map(str::to_owned)))
            .collect::<Fields>(),
        links: vec![],
        unlinks: vec![],
        archive: false,
    }
}

fn company(id: &str, labels: &[&str]) -> RecordLink {
    RecordLink {
        resource: Resource::Company,
        external_id: id.to_owned(),
        labels: labels.iter().map(|label| (*label).to_owned()).collect(),
        primary: false,
    }
}

fn sent(seen: &Seen) -> Vec<Value> {
    let body: Value = serde_json::from_str(&seen.body).unwrap();
    assert_eq!(body["allOrNone"], false);
    body["records"].as_array().unwrap().clone()
}

/// The outcome of a collection: an id for each that went well.
fn outcomes(each: &[Result<&str, Value>]) -> Reply {
    let all: Vec<Value> = each
        .iter()
        .map(|one| match one {
            Ok(id) => value!({"id": id, "success": true, "errors": []}),
            Err(error) => value!({"success": false, "errors": [error]}),
        })
        .collect();
    json(200, DATE, &Value::Array(all).to_string())
}

fn fault(code: &str, fields: &[&str]) -> Value {
    value!({"statusCode": code, "message": "m", "fields": fields})
}

impl Rig {
    async fn push(
        &self,
        resource: Resource,
        items: &[PushItem],
    ) -> Result<Vec<PushOutcome>, ConnectorError> {
        let fields = ["Name".to_owned()];
        self.salesforce
            .push()
            .unwrap()
            .apply(&self.context(), resource, items, &fields)
            .await
    }

    /// The writing calls, in order.
    fn writes(&self) -> Vec<(String, String)> {
        let seen = self.server.seen();
        let writes = seen.iter().filter(|seen| seen.method != "GET");
        writes
            .map(|seen| (seen.method.clone(), path(seen).to_owned()))
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
async fn values_go_in_salesforces_forms_and_what_it_holds_comes_back() {
    let rig = Rig::new(|seen| {
        if let Some(reply) = described(path(seen), &[]) {
            return reply;
        }
        match seen.method.as_str() {
            "PATCH" => outcomes(&[Ok(DEAL)]),
            _ if question(seen).unwrap().contains("OpportunityPartner") => records(&[], true),
            _ => records(&[shown(DEAL, "as held", 1)], true),
        }
    })
    .await;
    let mut update = item(
        Some(DEAL),
        &[
            ("Name", Some("Deal")),
            ("Amount", Some("12345678901234567890.10")),
            ("CloseDate", Some("2026-11-30T00:00:00Z")),
            ("StageName", None),
            ("CurrencyIsoCode", Some("USD")),
        ],
    );
    update.links = vec![company(ACME, &[])];
    let mut create = item(
        None,
        &[
            ("Name", Some("New")),
            ("CloseDate", Some("2026-12-01T03:00:00.123Z")),
        ],
    );
    create.links = vec![company(BETA, &[])];
    let done = rig.push(Resource::Deal, &[update]).await.unwrap();
    assert_eq!(applied(&done[0]).value("Name"), Some("as held"));
    assert!(applied(&done[0]).links_complete);
    let made = rig.push(Resource::Deal, &[create]).await.unwrap();
    assert_eq!(applied(&made[0]).external_id, DEAL);
    let seen = rig.server.seen();
    let writes: Vec<&Seen> = seen.iter().filter(|seen| seen.method == "PATCH").collect();
    // The body as it went: no digit is lost on the way.
    assert!(
        writes[0]
            .body
            .contains("\"Amount\":12345678901234567890.1,"),
        "{}",
        writes[0].body
    );
    let update = &sent(writes[0])[0];
    assert_eq!(
        (
            &update["attributes"]["type"],
            &update["id"],
            &update["CloseDate"],
            &update["AccountId"],
            &update["StageName"]
        ),
        (
            &value!("Opportunity"),
            &value!(DEAL),
            &value!("2026-11-30"),
            &value!(ACME),
            &Value::Null
        )
    );
    assert!(
        update.get("CurrencyIsoCode").is_none(),
        "an account with one currency has no such field"
    );
    assert_eq!(
        path(writes[1]),
        "composite/sobjects/Opportunity/Entente_Reference__c"
    );
    let create = &sent(writes[1])[0];
    assert_eq!(create["Entente_Reference__c"], "deal_new");
    // By the account's own calendar: ten in the evening of the day before, in New York.
    assert_eq!(
        (&create["CloseDate"], create.get("id")),
        (&value!("2026-11-30"), None)
    );
}

#[tokio::test]
async fn each_record_has_its_own_outcome() {
    let rig = Rig::new(|seen| {
        if let Some(reply) = described(path(seen), &[]) {
            return reply;
        }
        match seen.method.as_str() {
            "PATCH" => outcomes(&[
                Ok(ACME),
                Err(fault("UNABLE_TO_LOCK_ROW", &[])),
                Err(fault("REQUIRED_FIELD_MISSING", &["StageName", "CloseDate"])),
                Err(value!({"statusCode": "DUPLICATES_DETECTED", "message": "Use one of these records?", "fields": [],
                    "duplicateResut": {"matchResults": [{"matchRecords": [{"record": {"Id": BETA}}]}]}})),
                Err(fault("ENTITY_IS_DELETED", &[])),
                Err(fault("FIELD_CUSTOM_VALIDATION_EXCEPTION", &["Name"])),
                Err(fault("DUPLICATES_DETECTED", &[])),
            ]),
            _ => records(&[shown(ACME, "Acme", 1)], true),
        }
    })
    .await;
    let items: Vec<PushItem> = (0..7)
        .map(|number| {
            item(
                Some(&if number == 0 {
                    ACME.to_owned()
                } else {
                    account(number)
                }),
                &[("Name", Some("x"))],
            )
        })
        .collect();
    let done = rig.push(Resource::Company, &items).await.unwrap();
    assert_eq!(applied(&done[0]).external_id, ACME);
    let codes: Vec<_> = done[1..].iter().map(|one| refused(one).code()).collect();
    assert_eq!(
        codes,
        [
            "TRANSIENT",
            "REFUSED_BY_VENDOR",
            "CONFLICT",
            "NOT_FOUND",
            "REFUSED_BY_VENDOR",
            "CONFLICT"
        ]
    );
    assert!(
        refused(&done[2])
            .to_string()
            .contains("StageName, CloseDate"),
        "{:?}",
        done[2]
    );
    assert!(
        matches!(refused(&done[3]), ConnectorError::Conflict { existing_id: Some(id), .. } if id == BETA)
    );
    assert!(matches!(
        refused(&done[6]),
        ConnectorError::Conflict {
            existing_id: None,
            ..
        }
    ));
}

#[tokio::test]
async fn two_hundred_go_at_once_and_the_one_that_spoils_a_collection_is_found() {
    let rig = Rig::new(|seen| {
        if let Some(reply) = described(path(seen), &[]) {
            return reply;
        }
        if seen.method == "PATCH" {
            let records = sent(seen);
            assert!(records.len() <= 200);
            if records.iter().any(|record| record["Name"] == "poison") {
                return json(
                    400,
                    "",
                    r#"[{"errorCode":"JSON_PARSER_ERROR","message":"no"}]"#,
                );
            }
            let ids: Vec<&str> = records
                .iter()
                .map(|record| record["id"].as_str().unwrap())
                .collect();
            return outcomes(&ids.into_iter().map(Ok).collect::<Vec<_>>());
        }
        let soql = question(seen).unwrap();
        let some: Vec<Value> = (0..450)
            .map(account)
            .filter(|id| soql.contains(id.as_str()))
            .map(|id| shown(&id, "x", 1))
            .collect();
        records(&some, true)
    })
    .await;
    let items: Vec<PushItem> = (0..450)
        .map(|number| {
            item(
                Some(&account(number)),
                &[("Name", Some(if number == 321 { "poison" } else { "x" }))],
            )
        })
        .collect();
    let done = rig.push(Resource::Company, &items).await.unwrap();
    let bad: Vec<usize> = done
        .iter()
        .enumerate()
        .filter(|(_, one)| !matches!(one, PushOutcome::Applied(_)))
        .map(|(place, _)| place)
        .collect();
    assert_eq!(bad, [321]);
    assert!(
        matches!(refused(&done[321]), ConnectorError::Permanent { code, .. } if code == "JSON_PARSER_ERROR")
    );
}

#[tokio::test]
async fn a_budget_that_ends_on_the_way_ends_the_work() {
    let calls = AtomicUsize::new(0);
    let rig = Rig::new(move |seen| {
        if let Some(reply) = described(path(seen), &[]) {
            return reply;
        }
        match (seen.method.as_str(), calls.fetch_add(usize::from(seen.method == "PATCH"), Ordering::SeqCst)) {
            ("PATCH", 0) => outcomes(&(0..200).map(account).collect::<Vec<_>>().iter().map(|id| Ok(id.as_str())).collect::<Vec<_>>()),
            ("PATCH", _) => json(403, "", r#"[{"message":"TotalRequests Limit exceeded.","errorCode":"REQUEST_LIMIT_EXCEEDED"}]"#),
            _ => records(&(0..200).map(account).map(|id| shown(&id, "x", 1)).collect::<Vec<_>>(), true),
        }
    })
    .await;
    let items: Vec<PushItem> = (0..500)
        .map(|number| item(Some(&account(number)), &[("Name", Some("x"))]))
        .collect();
    let done = rig.push(Resource::Company, &items).await.unwrap();
    assert!(
        done[..200]
            .iter()
            .all(|one| matches!(one, PushOutcome::Applied(_)))
    );
    assert!(
        done[200..]
            .iter()
            .all(|one| refused(one).code() == "RATE_LIMITED")
    );
    assert_eq!(rig.writes().len(), 2, "nobody is asked again");

    let spent =
        Rig::new(|seen| described(path(seen), &[]).unwrap_or_else(|| json(503, "", ""))).await;
    let error = spent
        .push(Resource::Company, &items[..3])
        .await
        .unwrap_err();
    assert_eq!(
        error.code(),
        "TRANSIENT",
        "nothing was done, so the call failed"
    );
}

#[tokio::test]
async fn what_cannot_be_written_whole_is_not_written_at_all() {
    let locked =
        value!({"name": "Rating", "type": "picklist", "updateable": false, "createable": false});
    let rig = Rig::new(move |seen| {
        described(path(seen), std::slice::from_ref(&locked))
            .unwrap_or_else(|| panic!("{} {}", seen.method, seen.target))
    })
    .await;
    let mut unknown = item(Some(DEAL), &[("Name", Some("x"))]);
    unknown.links = vec![company(ACME, &["Nobody"])];
    let items = [
        unknown,
        item(Some(DEAL), &[("Nothing__c", Some("x"))]),
        item(Some(DEAL), &[("Rating", Some("Hot"))]),
        item(Some(DEAL), &[("Amount", Some("a lot"))]),
        item(Some(DEAL), &[("CurrencyIsoCode", Some("EUR"))]),
    ];
    let done = rig.push(Resource::Deal, &items).await.unwrap();
    let codes: Vec<String> = done
        .iter()
        .map(|one| match refused(one) {
            ConnectorError::Permanent { code, .. } => code.clone(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(
        codes,
        [
            "unknown_label",
            "unknown_field",
            "field_not_writable",
            "invalid_value",
            "currency_not_there"
        ]
    );
    assert!(rig.writes().is_empty());
}

#[tokio::test]
async fn roles_are_given_once_and_taken_away_after() {
    let rig = Rig::new(|seen| {
        if let Some(reply) = described(path(seen), &[]) {
            return reply;
        }
        let soql = question(seen).unwrap_or_default();
        match seen.method.as_str() {
            "POST" => outcomes(&[Ok("00ID000000IRFmdIAH")]),
            "DELETE" => outcomes(&[Ok("00ID000000IRFmbIAH")]),
            "PATCH" => panic!("the deal itself is as it should be"),
            _ if soql.contains("OpportunityPartner") => records(
                &[
                    value!({"Id": "00ID000000IRFmaIAH", "OpportunityId": DEAL, "AccountToId": ACME, "Role": "Agency"}),
                    value!({"Id": "00ID000000IRFmbIAH", "OpportunityId": DEAL, "AccountToId": BETA, "Role": "Agency"}),
                ],
                true,
            ),
            _ => records(&[shown(DEAL, "Deal", 1)], true),
        }
    })
    .await;
    let mut deal = item(Some(DEAL), &[]);
    deal.links = vec![company(ACME, &["Agency"]), company(BETA, &["VAR/Reseller"])];
    deal.unlinks = vec![company(BETA, &["Agency"])];
    let done = rig.push(Resource::Deal, &[deal]).await.unwrap();
    assert_eq!(applied(&done[0]).links.len(), 2);
    assert_eq!(
        rig.writes(),
        [
            ("POST".to_owned(), "composite/sobjects".to_owned()),
            ("DELETE".to_owned(), "composite/sobjects".to_owned())
        ]
    );
    let seen = rig.server.seen();
    let given = sent(seen.iter().find(|seen| seen.method == "POST").unwrap());
    assert_eq!(
        given,
        [
            value!({"attributes": {"type": "OpportunityPartner"}, "OpportunityId": DEAL, "AccountToId": BETA, "Role": "VAR/Reseller"})
        ]
    );
    let taken = seen.iter().find(|seen| seen.method == "DELETE").unwrap();
    assert!(
        taken
            .target
            .contains("ids=00ID000000IRFmbIAH&allOrNone=false"),
        "{}",
        taken.target
    );
}

#[tokio::test]
async fn a_role_that_is_refused_leaves_the_record_written_and_costs_none() {
    let rig = Rig::new(|seen| {
        if let Some(reply) = described(path(seen), &[]) {
            return reply;
        }
        let soql = question(seen).unwrap_or_default();
        match seen.method.as_str() {
            "PATCH" => outcomes(&[Ok(DEAL)]),
            "POST" => outcomes(&[Err(fault("INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY", &[]))]),
            "DELETE" => panic!("what could not be given must not cost what is there"),
            _ if soql.contains("OpportunityPartner") => records(&[value!({"Id": "00ID000000IRFmbIAH", "OpportunityId": DEAL, "AccountToId": BETA, "Role": "Agency"})], true),
            _ => records(&[shown(DEAL, "Deal", 1)], true),
        }
    })
    .await;
    let mut deal = item(Some(DEAL), &[("Name", Some("x"))]);
    deal.links = vec![company(BETA, &["VAR/Reseller"])];
    deal.unlinks = vec![company(BETA, &["Agency"])];
    let done = rig.push(Resource::Deal, &[deal]).await.unwrap();
    let PushOutcome::Partly(record, why) = &done[0] else {
        panic!("{done:?}")
    };
    assert_eq!(
        (record.external_id.as_str(), why.code()),
        (DEAL, "REFUSED_BY_VENDOR")
    );
}

#[tokio::test]
async fn what_is_gone_already_is_put_away() {
    let rig = Rig::new(|seen| {
        assert_eq!(
            (seen.method.as_str(), path(seen)),
            ("DELETE", "composite/sobjects")
        );
        outcomes(&[
            Ok(ACME),
            Err(fault("ENTITY_IS_DELETED", &[])),
            Err(fault("DELETE_FAILED", &[])),
        ])
    })
    .await;
    let away = |id: Option<&str>| PushItem {
        archive: true,
        ..item(id, &[])
    };
    let items = [
        away(Some(ACME)),
        away(None),
        away(Some(BETA)),
        away(Some("001D000000IRFmcIAH")),
    ];
    let done = rig.push(Resource::Company, &items).await.unwrap();
    assert!(
        done[..3].iter().all(|one| *one == PushOutcome::Archived),
        "{done:?}"
    );
    assert_eq!(refused(&done[3]).code(), "REFUSED_BY_VENDOR");
}

#[tokio::test]
async fn the_field_for_our_reference_is_asked_of_the_administrator() {
    let answer = |field: Option<Value>| {
        Rig::new(move |_| {
            let fields: Vec<Value> = field.clone().into_iter().collect();
            json(
                200,
                "",
                &value!({"name": "Account", "fields": fields}).to_string(),
            )
        })
    };
    let with = |change: Value| {
        let mut field = value!({"name": "Entente_Reference__c", "type": "string", "externalId": true, "unique": true, "length": 80});
        field
            .as_object_mut()
            .unwrap()
            .extend(change.as_object().unwrap().clone());
        Some(field)
    };
    for (field, expected) in [
        (with(value!({})), None),
        (None, Some("reference_field_missing")),
        (
            with(value!({"unique": false})),
            Some("reference_field_unusable"),
        ),
        (
            with(value!({"externalId": false})),
            Some("reference_field_unusable"),
        ),
        (
            with(value!({"length": 18})),
            Some("reference_field_unusable"),
        ),
        (
            with(value!({"type": "double"})),
            Some("reference_field_unusable"),
        ),
        (
            with(value!({"createable": false})),
            Some("reference_field_unusable"),
        ),
    ] {
        let rig = answer(field).await;
        let prepared = rig
            .salesforce
            .push()
            .unwrap()
            .prepare(&rig.context(), Resource::Company)
            .await;
        match (prepared, expected) {
            (Ok(()), None) => {}
            (Err(ConnectorError::Permanent { code, message }), Some(expected)) => {
                assert_eq!(code, expected);
                assert!(message.contains("Entente_Reference__c"));
            }
            (other, expected) => panic!("{other:?} {expected:?}"),
        }
        if expected.is_some() {
            let found = rig
                .salesforce
                .push()
                .unwrap()
                .find(
                    &rig.context(),
                    Resource::Company,
                    &["partner_x".to_owned()],
                    &[],
                )
                .await;
            assert!(found.is_err(), "it would be created again");
        }
    }
}

#[tokio::test]
async fn an_uncertain_creation_is_found_by_its_reference() {
    let rig = Rig::new(|seen| {
        if let Some(reply) = described(path(seen), &[]) {
            return reply;
        }
        let soql = question(seen).unwrap();
        assert!(
            soql.contains("Entente_Reference__c IN ('partner_1','partner_2')"),
            "{soql}"
        );
        records(
            &[super::with(
                shown(ACME, "Acme", 1),
                value!({"Entente_Reference__c": "partner_1"}),
            )],
            true,
        )
    })
    .await;
    let references = ["partner_2".to_owned(), "partner_1".to_owned()];
    let push = rig.salesforce.push().unwrap();
    let found = push
        .find(
            &rig.context(),
            Resource::Company,
            &references,
            &["Name".to_owned()],
        )
        .await
        .unwrap();
    assert_eq!(
        (
            found.len(),
            found[0].0.as_str(),
            found[0].1.external_id.as_str()
        ),
        (1, "partner_1", ACME)
    );
    assert!(
        !found[0].1.fields.contains_key(crate::push::REFERENCE),
        "it was not asked for"
    );
    let fields = ["Name".to_owned(), crate::push::REFERENCE.to_owned()];
    let found = push
        .find(&rig.context(), Resource::Company, &references, &fields)
        .await
        .unwrap();
    assert_eq!(found[0].1.value(crate::push::REFERENCE), Some("partner_1"));
}
