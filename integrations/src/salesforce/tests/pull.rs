use super::*;
use crate::error::LimitScope;
use crate::record::StageOutcome;
use std::time::Duration;

#[tokio::test]
async fn a_small_account_is_read_by_queries_in_the_order_of_ids() {
    let rig = Rig::new(|seen| {
        if let Some(reply) = described(path(seen), &[]) {
            return reply;
        }
        let soql = question(seen).unwrap();
        if soql.contains("COUNT()") {
            return count(3);
        }
        // A page that holds less than was asked for is no end.
        match soql.contains("Id > ") {
            false => records(&[shown(ACME, "Acme", 1), value!({"Id": 7})], false),
            true => records(
                &[with(
                    shown(BETA, "Beta", 2),
                    value!({"NumberOfEmployees": 1.0E3, "Website": null}),
                )],
                true,
            ),
        }
    })
    .await;
    let first = rig
        .page(Resource::Company, Mode::Backfill, None)
        .await
        .unwrap();
    assert_eq!(
        (ids(&first), first.malformed.len(), first.wait),
        (vec![ACME], 1, None)
    );
    let record = &first.records[0];
    assert_eq!(record.value("Name"), Some("Acme"));
    assert_eq!(
        (record.updated_at_ms, record.archived, record.links_complete),
        (NOW + 1_000, false, true)
    );
    assert_eq!(
        record.url.as_deref(),
        Some("https://acme.my.salesforce.com/001D000000IRFmaIAH")
    );
    let second = rig
        .page(Resource::Company, Mode::Backfill, Some(first.next.cursor()))
        .await
        .unwrap();
    assert_eq!(second.records[0].value("NumberOfEmployees"), Some("1000"));
    assert!(!second.records[0].fields.contains_key("BillingAddress"));
    // The walk ends before it began.
    assert_eq!(
        second.next,
        Next::CaughtUp(
            value!({"walk": "rest", "mark_ms": NOW - 60_000, "deleted_ms": NOW - 60_000})
        )
    );
    let asked = rig.questions();
    assert!(
        asked[2].ends_with(&format!("WHERE Id > '{ACME}' ORDER BY Id LIMIT 2000")),
        "{asked:?}"
    );
}

#[tokio::test]
async fn a_large_account_is_read_by_a_bulk_job() {
    let polls = AtomicUsize::new(0);
    let rig = Rig::new(move |seen| {
        if let Some(reply) = described(path(seen), &[]) {
            return reply;
        }
        let csv = |locator: &str, body: &str| {
            let rows = body.lines().count() - 1;
            json(200, &format!("{DATE}Sforce-Locator: {locator}\r\nSforce-NumberOfRecords: {rows}\r\n"), body)
        };
        let job = |state: &str| json(200, DATE, &value!({"id": "750R0000000zlh9IAA", "operation": "query", "state": state}).to_string());
        match (seen.method.as_str(), path(seen)) {
            ("POST", "jobs/query") => {
                let body: Value = serde_json::from_str(&seen.body).unwrap();
                assert_eq!(body["operation"], "query");
                let soql = body["query"].as_str().unwrap();
                assert!(soql.starts_with("SELECT ") && soql.ends_with(" FROM Account"), "{soql}");
                job("UploadComplete")
            }
            ("GET", "jobs/query/750R0000000zlh9IAA") => match polls.fetch_add(1, Ordering::SeqCst) {
                0 => job("UploadComplete"),
                1 => job("InProgress"),
                _ => job("JobComplete"),
            },
            ("GET", "jobs/query/750R0000000zlh9IAA/results") => {
                assert_eq!(seen.header("accept"), Some("text/csv"));
                if seen.target.contains("locator=MTAwMDA") {
                    csv("null", &format!("\"Id\",\"Name\",\"SystemModstamp\",\"NumberOfEmployees\"\n\"{BETA}\",\"\",\"2026-11-01T10:00:02.000Z\",\"10.0\"\n"))
                } else {
                    csv("MTAwMDA", &format!("\"Id\",\"Name\",\"SystemModstamp\",\"NumberOfEmployees\"\n\"{ACME}\",\"Acme\",\"2026-11-01T10:00:01.000Z\",\"1.0E3\"\n"))
                }
            }
            _ => count(2_000),
        }
    })
    .await;
    let mut page = rig
        .page(Resource::Company, Mode::Backfill, None)
        .await
        .unwrap();
    for _ in 0..3 {
        assert!(
            page.records.is_empty() && page.wait >= Some(Duration::from_secs(1)),
            "{page:?}"
        );
        page = rig
            .page(Resource::Company, Mode::Backfill, Some(page.next.cursor()))
            .await
            .unwrap();
        if page.wait.is_none() {
            break;
        }
    }
    assert_eq!(ids(&page), [ACME]);
    assert_eq!(
        (
            page.records[0].value("Name"),
            page.records[0].value("NumberOfEmployees")
        ),
        (Some("Acme"), Some("1000"))
    );
    assert_eq!(page.records[0].updated_at_ms, NOW + 1_000);
    let last = rig
        .page(Resource::Company, Mode::Backfill, Some(page.next.cursor()))
        .await
        .unwrap();
    assert_eq!(
        (ids(&last), last.records[0].fields["Name"].clone()),
        (vec![BETA], None)
    );
    assert!(last.next.is_caught_up());
}

#[tokio::test]
async fn without_bulk_jobs_the_records_are_read_by_queries() {
    for refusal in [
        r#"[{"errorCode":"API_DISABLED_FOR_ORG","message":"no bulk"}]"#,
        r#"[{"errorCode":"FEATURENOTENABLED","message":"no bulk"}]"#,
    ] {
        let rig = Rig::new(
            move |seen| match (described(path(seen), &[]), question(seen)) {
                (Some(reply), _) => reply,
                (_, Some(soql)) if soql.contains("COUNT()") => count(90_000),
                (_, Some(_)) => records(&[shown(ACME, "Acme", 1)], true),
                _ => json(403, "", refusal),
            },
        )
        .await;
        let page = rig
            .page(Resource::Company, Mode::Backfill, None)
            .await
            .unwrap();
        assert_eq!(ids(&page), [ACME]);
    }
    // A job that comes to nothing, too; one that is gone begins again.
    for (state, expected) in [
        ("Failed", Some("all")),
        ("Aborted", Some("all")),
        ("Strange", None),
    ] {
        let rig = Rig::new(move |seen| match described(path(seen), &[]) {
            Some(reply) => reply,
            None => json(
                200,
                DATE,
                &value!({"id": "750R0000000zlh9IAA", "state": state}).to_string(),
            ),
        })
        .await;
        let at = value!({"walk": "bulk", "job": "750R0000000zlh9IAA", "locator": null, "started_ms": NOW});
        let page = rig.page(Resource::Company, Mode::Backfill, Some(&at)).await;
        let walk = page
            .ok()
            .map(|page| page.next.cursor()["walk"].as_str().unwrap().to_owned());
        assert_eq!(walk.as_deref(), expected, "{state}");
    }
    let rig = Rig::new(|seen| {
        described(path(seen), &[])
            .unwrap_or_else(|| json(404, "", r#"[{"errorCode":"NOT_FOUND","message":"gone"}]"#))
    })
    .await;
    let at =
        value!({"walk": "bulk", "job": "750R0000000zlh9IAA", "locator": "x", "started_ms": NOW});
    let error = rig
        .page(Resource::Company, Mode::Backfill, Some(&at))
        .await
        .unwrap_err();
    assert_eq!(error.code(), "CURSOR_EXPIRED");
}

#[tokio::test]
async fn deals_come_with_their_account_and_their_partners() {
    let rig = Rig::new(|seen| {
        let partner = value!({"name": "PartnerAccountId", "type": "reference", "updateable": false, "createable": false});
        if let Some(reply) = described(path(seen), &[partner]) {
            return reply;
        }
        let soql = question(seen).unwrap_or_default();
        if seen.target.contains("01gRO0000016PIAYA2") {
            return records(&[value!({"Id": "00ID000000IRFmbIAH", "OpportunityId": DEAL, "AccountToId": BETA, "Role": "Agency"})], true);
        }
        if soql.contains("FROM OpportunityPartner") {
            assert!(soql.contains(&format!("OpportunityId IN ('{DEAL}')")));
            return records(&[value!({"Id": "00ID000000IRFmaIAH", "OpportunityId": DEAL, "AccountToId": BETA, "Role": "VAR/Reseller"}),
                value!({"Id": "00ID000000IRFmcIAH", "OpportunityId": DEAL, "AccountToId": ACME, "Role": null})], false);
        }
        records(&[with(shown(DEAL, "Deal", 1), value!({"AccountId": ACME, "PartnerAccountId": "001D000000IRFmc", "Amount": 1.0E7, "CloseDate": "2026-11-30"}))], true)
    })
    .await;
    let fetched = rig.fetch(Resource::Deal, &[DEAL]).await.unwrap();
    let deal = &fetched.records[0];
    assert_eq!(
        (deal.value("Amount"), deal.value("CloseDate")),
        (Some("10000000"), Some("2026-11-30"))
    );
    assert!(deal.links_complete && matches!(deal.kind, Kind::Deal));
    let told: Vec<_> = deal
        .links
        .iter()
        .map(|link| {
            (
                link.external_id.as_str(),
                link.labels.join("+"),
                link.primary,
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            (ACME, String::new(), true),
            (BETA, "Agency+VAR/Reseller".to_owned(), false),
            ("001D000000IRFmcIAH", "Partner".to_owned(), false),
        ]
    );
}

#[tokio::test]
async fn partners_that_may_not_be_read_are_not_taken_for_none() {
    let rig = Rig::new(|seen| match (described(path(seen), &[]), question(seen)) {
        (Some(reply), _) => reply,
        (_, Some(soql)) if soql.contains("OpportunityPartner") => {
            json(400, "", r#"[{"errorCode":"INVALID_TYPE","message":"sObject type 'OpportunityPartner' is not supported."}]"#)
        }
        _ => records(&[with(shown(DEAL, "Deal", 1), value!({"AccountId": ACME}))], true),
    })
    .await;
    let deal = rig
        .fetch(Resource::Deal, &[DEAL])
        .await
        .unwrap()
        .records
        .remove(0);
    assert!(!deal.links_complete && deal.links.len() == 1);
}

#[tokio::test]
async fn reads_by_id_know_both_forms_and_say_what_is_missing_or_merged() {
    let rig = Rig::new(|seen| match (described(path(seen), &[]), question(seen)) {
        (Some(reply), _) => reply,
        (_, Some(_)) if path(seen) == "queryAll" => records(
            &[with(
                shown(BETA, "Beta", 2),
                value!({"IsDeleted": true, "MasterRecordId": ACME}),
            )],
            true,
        ),
        _ => records(&[shown(ACME, "Acme", 1)], true),
    })
    .await;
    let fetched = rig
        .fetch(
            Resource::Company,
            &["001D000000IRFma", BETA, "no id", "001D000000IRFmdIAH"],
        )
        .await
        .unwrap();
    assert_eq!(fetched.records.len(), 1);
    let mut missing = fetched.missing.clone();
    missing.sort();
    assert_eq!(missing, [BETA, "001D000000IRFmdIAH", "no id"]);
    assert_eq!(fetched.merged.len(), 1);
    assert_eq!(
        (
            fetched.merged[0].from.as_str(),
            fetched.merged[0].into.as_str()
        ),
        (BETA, ACME)
    );
}

#[tokio::test]
async fn long_lists_of_ids_fit_addresses() {
    let rig = Rig::new(|seen| {
        if let Some(reply) = described(path(seen), &[]) {
            return reply;
        }
        assert!(seen.target.len() < 16_000, "{}", seen.target.len());
        let soql = question(seen).unwrap();
        let some: Vec<Value> = (0..1_000)
            .map(account)
            .filter(|id| soql.contains(id.as_str()))
            .map(|id| shown(&id, "x", 1))
            .collect();
        records(&some, true)
    })
    .await;
    let all: Vec<String> = (0..1_000).map(account).collect();
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    let fetched = rig.fetch(Resource::Company, &all).await.unwrap();
    assert_eq!((fetched.records.len(), fetched.missing.len()), (1_000, 0));
}

#[tokio::test]
async fn a_field_that_went_since_it_was_described_costs_one_more_look() {
    let looks = AtomicUsize::new(0);
    let rig = Rig::new(move |seen| {
        if path(seen).ends_with("/describe") {
            let gone = looks.fetch_add(1, Ordering::SeqCst) > 0;
            let site = value!({"name": "Website", "type": "url"});
            let mut fields = vec![value!({"name": "Id", "type": "id"}), value!({"name": "SystemModstamp", "type": "datetime"}), value!({"name": "CreatedDate", "type": "datetime"})];
            fields.extend((!gone).then_some(site));
            return json(200, "", &value!({"name": "Account", "fields": fields}).to_string());
        }
        if question(seen).unwrap().contains("Website") {
            return json(400, "", r#"[{"message":"No such column 'Website' on entity 'Account'.","errorCode":"INVALID_FIELD"}]"#);
        }
        records(&[shown(ACME, "Acme", 1)], true)
    })
    .await;
    assert_eq!(
        rig.fetch(Resource::Company, &[ACME])
            .await
            .unwrap()
            .records
            .len(),
        1
    );
    assert_eq!(
        rig.fetch(Resource::Company, &[ACME])
            .await
            .unwrap()
            .records
            .len(),
        1
    );
    let describes = rig
        .server
        .seen()
        .iter()
        .filter(|seen| path(seen).ends_with("/describe"))
        .count();
    assert_eq!(describes, 2, "and what was learnt is kept");
}

#[tokio::test]
async fn stages_users_and_roles() {
    let rig = Rig::new(|seen| match (described(path(seen), &[]), question(seen)) {
        (Some(reply), _) => reply,
        (_, Some(soql)) if soql.contains("COUNT()") => count(1),
        (_, Some(soql)) if soql.contains("FROM User") => {
            records(&[with(shown("005D000000IRFmaIAH", "Dana Admin", 1), value!({"Email": "dana@example.com", "IsActive": false}))], true)
        }
        _ => records(
            &[
                value!({"ApiName": "Closed Won", "MasterLabel": "Gewonnen", "IsClosed": true, "IsWon": true, "IsActive": true, "SortOrder": 9}),
                value!({"ApiName": "Prospecting", "MasterLabel": "Neu", "IsClosed": false, "IsWon": false, "IsActive": true, "SortOrder": 1}),
                value!({"ApiName": "Old", "MasterLabel": "Alt", "IsClosed": false, "IsWon": false, "IsActive": false, "SortOrder": 2}),
            ],
            true,
        ),
    })
    .await;
    let page = rig
        .page(Resource::Pipeline, Mode::Backfill, None)
        .await
        .unwrap();
    let Kind::Pipeline(pipeline) = &page.records[0].kind else {
        panic!("{page:?}")
    };
    let told: Vec<_> = pipeline
        .stages
        .iter()
        .map(|stage| {
            (
                stage.external_id.as_str(),
                stage.label.as_str(),
                stage.outcome,
                stage.archived,
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            ("Prospecting", "Neu", StageOutcome::Open, false),
            ("Old", "Alt", StageOutcome::Open, true),
            ("Closed Won", "Gewonnen", StageOutcome::Won, false)
        ]
    );
    assert!(page.next.is_caught_up());

    let page = rig
        .page(Resource::Owner, Mode::Backfill, None)
        .await
        .unwrap();
    let Kind::Owner(owner) = &page.records[0].kind else {
        panic!("{page:?}")
    };
    assert_eq!(
        (owner.name.as_deref(), owner.email.as_deref()),
        (Some("Dana Admin"), Some("dana@example.com"))
    );

    let page = rig
        .page(Resource::AssociationLabel, Mode::Backfill, None)
        .await
        .unwrap();
    let mut labels: Vec<_> = page
        .records
        .iter()
        .filter_map(|record| match &record.kind {
            Kind::AssociationLabel(label) => Some((
                label.from,
                label.label.clone().unwrap_or_default(),
                label.primary,
            )),
            _ => None,
        })
        .collect();
    labels.sort();
    assert_eq!(
        labels,
        [
            (Resource::Contact, String::new(), true),
            (Resource::Deal, String::new(), true),
            (Resource::Deal, "Agency".to_owned(), false),
            (Resource::Deal, "VAR/Reseller".to_owned(), false)
        ]
    );
}

#[tokio::test]
async fn a_spent_quota_waits_for_the_day_and_a_dead_session_for_a_new_token() {
    for (status, body, expected) in [
        (
            403,
            r#"[{"message":"TotalRequests Limit exceeded.","errorCode":"REQUEST_LIMIT_EXCEEDED"}]"#,
            "RATE_LIMITED",
        ),
        (
            401,
            r#"[{"message":"Session expired or invalid","errorCode":"INVALID_SESSION_ID"}]"#,
            "TOKEN_REFUSED",
        ),
    ] {
        let rig = Rig::new(move |_| json(status, "", body)).await;
        let error = rig
            .page(Resource::Company, Mode::Backfill, None)
            .await
            .unwrap_err();
        assert_eq!(error.code(), expected);
        if let ConnectorError::RateLimited { scope, retry_after } = error {
            assert_eq!(
                (scope, retry_after),
                (LimitScope::Day, Duration::from_secs(900))
            );
        }
    }
}
